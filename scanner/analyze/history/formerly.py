"""What somebody whom a document names now could do with a key before, under another name."""

from __future__ import annotations

from collections.abc import Iterable

from scanner.analyze.history.at_keys import is_no_more
from scanner.analyze.keys.crowd import judge_each
from scanner.analyze.keys.judge import Judgement
from scanner.analyze.paths.hops import ASSUME, step
from scanner.analyze.paths.sources import partition_of
from scanner.analyze.principals.reach import Place, Population, Reached, reached_by, reached_from
from scanner.analyze.principals.selectors import Selector, namings_of, selector_of
from scanner.model.arn import KeyArn
from scanner.model.decision import Verdict
from scanner.model.finding import CapabilityResult, Finding, Grantee, Kind, Severity
from scanner.model.key import KeyFacts
from scanner.model.world import World

_OPEN = frozenset({"any", "organization"})
"""Kinds of selectors that can hold principals of any account; whether they do, the old world says."""
_SINGLE = frozenset({"role", "user", "session", "account"})
_OF_OUTSIDERS = frozenset({Kind.EXTERNAL_ACCESS, Kind.ASSUMED_ROLE_PATH})


def may_be_renamed(old: Iterable[Finding], new: Iterable[Finding]) -> bool:
    """Whether somebody who is named anew, or for more, may have been behind a wider name before.

    Only then the world of the earlier run is needed.
    """
    known: dict[str, list[Finding]] = {}
    prints: dict[str, str] = {}
    for finding in old:
        prints[finding.id] = finding.fingerprint
        known.setdefault(finding.resource.arn, []).append(finding)
    return any(
        _may_hold(before, finding)
        for finding in new if prints.get(finding.id) != finding.fingerprint
        for before in known.get(finding.resource.arn, ())
    )  # fmt: skip


def _may_hold(old: Finding, new: Finding) -> bool:
    """Whether the name in a former finding can take in the one of another: an account its identities, `*` everybody."""
    if old.kind is not new.kind or old.kind not in _OF_OUTSIDERS or new.grantee.kind not in _SINGLE:
        return False
    if old.grantee.selector == new.grantee.selector:
        return False
    return old.grantee.kind in _OPEN or _is_account_of(old.grantee, new.grantee.account_id)


def _is_account_of(grantee: Grantee, account_id: str) -> bool:
    return grantee.kind == "account" and grantee.account_id == account_id


class Formerly:
    """Answers from the world of earlier findings what the one whom a later finding is about could do then.

    Names are no proof: a Deny may have kept one role out of what its account had, and a role of ours may have had no
    IAM permission where another one had it. So the one who is named now is judged as things were.
    """

    def __init__(self, findings: Iterable[Finding], world: World | None) -> None:
        self._world = world
        self._population = Population(world) if world else None
        self._by_key: dict[str, list[Finding]] = {}
        for finding in findings:
            self._by_key.setdefault(finding.resource.arn, []).append(finding)

    def holders(self, finding: Finding) -> list[Finding]:
        """The former findings about wider names that can take in who a finding is about."""
        return [f for f in self._by_key.get(finding.resource.arn, ()) if _may_hold(f, finding)]

    def results(self, finding: Finding) -> tuple[CapabilityResult, ...]:
        """What the one principal that a finding is about could do before; nothing where that is not known.

        With its key, or by the role that it enters: what the path of a wider name gave that it is surely behind.
        """
        if self._world is None or self._population is None or not self.holders(finding):
            return ()
        if finding.kind is Kind.ASSUMED_ROLE_PATH:
            return tuple(
                result
                for holder in self.holders(finding)
                if is_no_more(holder, finding) and _entered_alike(holder, finding, self._population)
                for result in holder.capabilities
            )
        key = self._world.keys.get(KeyArn(finding.resource.arn))
        if key is None:
            return ()
        selector = selector_of(finding.grantee.selector, key.partition)
        callers = [c for c in reached_by(selector, key, self._population).callers if not c.session_open]
        if len(callers) != 1:
            return ()
        reached = Reached(tuple(callers))
        return tuple(
            _as_result(judgement)
            for naming in namings_of(key) if _takes_in(naming.selector, selector, key)
            for judgement in judge_each(self._world, key, naming, reached)
        )  # fmt: skip


def _entered_alike(holder: Finding, finding: Finding, population: Population) -> bool:
    """Whether the one principal of a path could enter its role before as surely as the path of a wider name says."""
    world = population.world
    role = world.principals.get(finding.resource.arn)
    if role is None or not holder.path.hops or holder.path.hops[0].edge != ASSUME:
        return False
    partition = partition_of(role)
    policies = (role.trust_policy,) if role.trust_policy is not None else ()
    place = Place(role.account_id, partition, policies)
    reached = reached_from(selector_of(finding.grantee.selector, partition), place, population)
    if len(reached.callers) != 1:
        return False
    before, entry = step(world, reached.callers[0], role, ASSUME, reached.context).decision, holder.path.hops[0]
    return before.verdict is Verdict.ALLOWED or (
        (before.verdict.value, before.condition) == (entry.verdict, entry.condition)
        and before.verdict is Verdict.CONDITIONAL
    )


def _takes_in(wide: Selector, selector: Selector, key: KeyFacts) -> bool:
    same_account = wide.kind == "account" and wide == selector_of(selector.account_id, key.partition)
    return wide == selector or wide.kind in _OPEN or same_account


def _as_result(judgement: Judgement) -> CapabilityResult:
    action, decision = judgement.action, judgement.decision
    return CapabilityResult(
        action.capability, (action.iam_name,), judgement.verdict, Severity.INFO, (judgement.reason,),
        decision.condition, decision.residual, decision.caller_chosen,
    )  # fmt: skip
