"""What findings that share grantee and resource say about one access: per action the verdict and its condition."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from scanner.analyze.history.blind import Said
from scanner.analyze.keys.judge import strength
from scanner.model.finding import CapabilityResult, Finding, FindingVerdict


@dataclass(frozen=True, slots=True)
class Access:
    """What one action is open to, over all mechanisms: the strongest verdict and its condition."""

    capability: str
    verdict: FindingVerdict
    residual: object
    condition: str
    reason: str

    @property
    def said(self) -> Said:
        """Verdict and reason alone."""
        return Said(self.verdict, self.reason)

    def joined(self, other: Access) -> Access:
        """This access or the other one: where both are under conditions, either condition will do."""
        if strength(self.verdict) != strength(other.verdict):
            return max(self, other, key=lambda a: strength(a.verdict))
        if self.residual == other.residual and self.condition == other.condition:
            return self
        either = {"any": [self.residual, other.residual]} if self.residual and other.residual else None
        condition = f"({self.condition}) or ({other.condition})" if self.condition and other.condition else ""
        return Access(self.capability, self.verdict, either, condition, self.reason)


@dataclass(slots=True)
class Side:
    """One side of a comparison: findings that share kind, grantee and resource."""

    findings: list[Finding] = field(default_factory=list)
    actions: dict[str, Access] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Count one more finding in."""
        self.findings.append(finding)
        self.admit(finding.capabilities)

    def admit(self, results: Iterable[CapabilityResult]) -> None:
        """Count in what somebody can do."""
        for result in results:
            if result.verdict is FindingVerdict.INEFFECTIVE:
                continue
            for action in result.actions or (result.capability,):
                found = _access_of(result)
                known = self.actions.get(action)
                self.actions[action] = known.joined(found) if known else found

    @property
    def is_open(self) -> bool:
        """Whether anything of it is access that is not proven to be blocked."""
        return any(strength(a.verdict) > strength(FindingVerdict.BLOCKED) for a in self.actions.values())

    @property
    def strongest(self) -> FindingVerdict:
        """The strongest verdict of a side that has some."""
        return max((a.verdict for a in self.actions.values()), key=strength)


def _access_of(result: CapabilityResult) -> Access:
    reason = result.reasons[0] if result.reasons else ""
    return Access(result.capability, result.verdict, result.residual, result.condition, reason)
