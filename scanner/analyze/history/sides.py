"""What one set of findings says about one access: every action with its strongest verdict, over all mechanisms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

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
    """What one set of findings says about one access."""

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
    def refs(self) -> set[str]:
        """Rows of the ledger that weaken what is said."""
        return {ref for f in self.findings for ref in f.coverage_refs}


def _access_of(result: CapabilityResult) -> Access:
    reason = result.reasons[0] if result.reasons else ""
    return Access(result.capability, result.verdict, result.residual, result.condition, reason)
