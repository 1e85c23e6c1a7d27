"""Findings with a remedy that was tried: the edit is made on a copy of the key, and the key judged again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

from scanner.analyze.decision.decide import decide
from scanner.analyze.edits.edits import Edit, Way, edits_of
from scanner.analyze.edits.inputs import digest
from scanner.analyze.edits.outcomes import Outcomes
from scanner.analyze.edits.terraform import grants_hint, key_policy_hint
from scanner.analyze.edits.trials import (
    Trial,
    best_of,
    is_saveable,
    names_the_gone,
    others_in_words,
    rest_in_words,
    tried,
)
from scanner.analyze.edits.vain_edits import vain_edits
from scanner.analyze.history.other_ways import kept_in_words, ways_among
from scanner.analyze.history.sameness import reads_the_same
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.party import SERVICE_GUARDED
from scanner.analyze.principals.selectors import selector_of
from scanner.analyze.request.caller import Caller, UnknownPrincipalError, account_of, organization_of, resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.actions import Action
from scanner.model.decision import VERDICT_STRENGTH, Decision, Verdict
from scanner.model.finding import Finding, FindingVerdict, Kind, Remediation
from scanner.model.key import KeyFacts
from scanner.model.outcomes import TrialOutcome
from scanner.model.world import World

MOST_WORK = 400
"""Grantees that are judged, and 4 kB of policy or hundreds of grants that are read, for the remedies of one key."""
MOST_PEOPLE = 12
"""Principals of the key's own account that are asked whether they keep their access."""
_NOT_TRIED = "No edit was tried on the snapshot: this key would need too many trials."
_ALONE = "The policy has no statement beside, and AWS takes none without: write one for the key's own account first."
_TRIED = "Tried on the snapshot: "
_COMPARED = "access to this key"
_SHARE = "No edit was tried: a resource share gives this, and only AWS Resource Access Manager changes what it says."
_UNCLEAR = "No edit was tried: AWS does not say what the condition does here, so what was meant only its author knows."
_REFUSED = "The policy would hold a part that AWS refuses; change that part first."

Judge = Callable[[KeyFacts], Sequence[Finding]]
"""Judges a key as it would be, services of every kind included."""


def remedied(
    key: KeyFacts, findings: Sequence[Finding], world: World, judge: Judge, outcomes: Outcomes | None = None
) -> list[Finding]:  # fmt: skip
    """The findings of a key, each external access with the smallest edit that was seen to end it.

    What is proven to do nothing gets the removal that was seen to change no access at all. Where no edit does that, or
    only with a loss for the key's own account, the finding keeps its general advice and says so.

    Args:
        outcomes: what trials at this key have shown; they are noted there.
    """
    bench = _Bench(key, world, judge, outcomes or Outcomes())
    return [bench.with_remedy(f) for f in findings]


def with_other_ways(findings: Sequence[Finding], through_roles: Sequence[Finding]) -> list[Finding]:
    """The findings of a key, the remedy of an access with the others that give the same grantee access to the key.

    Args:
        through_roles: findings about paths that reach the key; no edit of the key ends them, so a remedy names them.
    """
    direct = [f for f in findings if _is_access(f)]
    return [_with_rest(f, (*direct, *through_roles)) if _is_access(f) else f for f in findings]


def _with_rest(finding: Finding, ways: Sequence[Finding]) -> Finding:
    """The finding as it is where no edit ends it."""
    remedy = finding.remediation
    if not remedy.effect.startswith(_TRIED):
        return finding
    notes = (*kept_in_words(finding, ways_among(finding, ways)), remedy.risk_note)
    return replace(finding, remediation=replace(remedy, risk_note=" ".join(filter(None, notes))))


class _Bench:
    """One key, its findings, and how much more may be tried."""

    def __init__(self, key: KeyFacts, world: World, judge: Judge, outcomes: Outcomes) -> None:
        self.key, self.world, self.judge, self.outcomes = key, world, judge, outcomes
        own = organization_of(world, key.account_id)
        self.organization = own.id if own else ""
        self._left = MOST_WORK
        size = len(key.key_policy.text) if key.key_policy else 0
        self._reading = 1 + size // 4096 + len(key.grants or ()) // 100
        self._inside: dict[tuple[str, str], Decision] = {}

    def with_remedy(self, finding: Finding) -> Finding:
        """The finding with its remedy; one about the key itself as it is."""
        advice = finding.remediation
        if finding.kind is Kind.KEY_HYGIENE:
            return finding
        if not (_is_access(finding) or _is_vain(finding)):
            return replace(finding, remediation=replace(advice, effect=_UNCLEAR))
        self._left -= self._reading
        if self._left < 0:
            return replace(finding, remediation=replace(advice, effect=_NOT_TRIED))
        vain = _is_vain(finding)
        drawn = list(
            vain_edits(finding, self.key, self._live) if vain else edits_of(finding, self.key, self.organization)
        )
        edits = [e for e in drawn if _is_saveable(e)]
        trials = tried(edits, lambda edit: self._trial(finding, edit))
        best = best_of(trials)
        if best is None:
            refused = bool(drawn) and not edits
            why = _SHARE if finding.mechanism.kind == "ram" else _REFUSED if refused else _why_none(trials, vain=vain)
            return replace(finding, remediation=replace(advice, effect=why))
        remedy = _remediation(best.edit, advice, _effect(best), [*others_in_words(best), *self._risks(best.edit)])
        remedy = replace(remedy, terraform=self._terraform(best.edit), verified=best.is_clean)
        return replace(finding, remediation=remedy)

    # -- trying --------------------------------------------------------------------------------------------------------

    def _trial(self, finding: Finding, edit: Edit) -> Trial[Edit]:
        """What an edit does, from an earlier trial of the same edit for the same finding or a new one."""
        attempt = self._try_in_vain if _is_vain(finding) else self._try
        asked = (finding.id, finding.kind, finding.verdict, finding.title, finding.grantee, finding.mechanism.kind)
        made = (edit.way, edit.kind, edit.inside, edit.before, edit.after, edit.whole)
        outcome = self.outcomes.of(digest((asked, made)), lambda: attempt(finding, edit))
        self._left -= outcome.judged
        return Trial(edit, outcome.ends, outcome.others, outcome.losers, became=outcome.became)

    def _try(self, finding: Finding, edit: Edit) -> TrialOutcome:
        """Judge what the edit can touch, without and with the edit made."""
        before, after = self.judge(edit.before), self.judge(edit.after)
        now = next((f for f in after if f.id == finding.id), None)
        ends = now is None or _is_ended(finding, now, edit)
        others = tuple(self._other_changes(finding, edit, before, after)) if ends else ()
        losers = tuple(self._losers(edit)) if ends and edit.inside else ()
        became = now.verdict if now else None
        return TrialOutcome(ends, others, losers, became=became, judged=len(before) + len(after))

    def _live(self, key: KeyFacts) -> frozenset[str]:
        found = self.judge(key)
        self._left -= len(found)
        return frozenset(f.grantee.selector for f in found if _is_access(f))

    def _try_in_vain(self, finding: Finding, edit: Edit) -> TrialOutcome:
        """Judge what the removal can touch; findings are told apart by title, as statements move up."""
        before, after = self.judge(edit.before), self.judge(edit.after)
        old, new = ({_place(f): f for f in found if _is_access(f)} for found in (before, after))
        same = old.keys() == new.keys() and all(_is_same_access(f, new[place]) for place, f in old.items())
        was, now = (Counter(f.title for f in found if not _is_access(f)) for found in (before, after))
        gone = was - now
        others = (gone - Counter([finding.title])) + (now - was)
        losers = tuple(self._losers(edit))
        known = not edit.inside or self._asks_everybody
        ends = known and same and finding.title in gone
        return TrialOutcome(ends, tuple(sorted(others.elements())), losers, judged=len(before) + len(after))

    def _other_changes(
        self, finding: Finding, edit: Edit, before: Sequence[Finding], after: Sequence[Finding]
    ) -> Iterator[str]:  # fmt: skip
        """Titles of the other findings that would go, appear or read differently."""
        rest = [[f for f in found if f.id != finding.id] for found in (before, after)]
        old, new = ({_place(f): f for f in found if _is_access(f)} for found in rest)
        for place in dict.fromkeys((*old, *new)):
            was, now = old.get(place), new.get(place)
            if was and now and reads_the_same(was, now):
                continue
            narrowed = edit.way is Way.ORGANIZATION and was is None and place[0] == self.organization
            if not narrowed:
                yield (old | new)[place].title
        in_vain = [Counter(f.title for f in found if not _is_about(f, finding)) for found in rest]
        yield from sorted((in_vain[0] - in_vain[1]) + (in_vain[1] - in_vain[0]))

    def _losers(self, edit: Edit) -> Iterator[str]:
        """Principals of the key's own account who could do less: its root user, and those whom the key names."""
        for caller in self._insiders():
            for action in edit.inside:
                place = (caller.text, action.iam_name)
                if place not in self._inside:
                    self._inside[place] = self._asked(caller, action, self.key)
                was, now = self._inside[place], self._asked(caller, action, edit.whole)
                less = VERDICT_STRENGTH[now.verdict] < VERDICT_STRENGTH[was.verdict]
                if less or (was.verdict is Verdict.CONDITIONAL and now.condition != was.condition):
                    yield caller.text
                    break

    def _asked(self, caller: Caller, action: Action, key: KeyFacts) -> Decision:
        return decide(self.world, Request(caller, action.iam_name, key.arn, action=action, key=key), trace=False)

    def _insiders(self) -> Iterator[Caller]:
        for text in self._people[:MOST_PEOPLE]:
            try:
                yield resolve_caller(self.world, text)
            except UnknownPrincipalError:
                continue

    @cached_property
    def _people(self) -> tuple[str, ...]:
        """The key's own root user, those of its account whom the key names, and all others there that were read."""
        texts = [f"arn:{self.key.partition}:iam::{self.key.account_id}:root"]
        for statement in parse_policy(self.key.key_policy).statements if self.key.key_policy else ():
            texts += [e.value for e in statement.principals or () if e.type == "AWS"]
        texts += [g.grantee_principal for g in self.key.grants or () if g.grantee_principal]
        named = (selector_of(text, self.key.partition) for text in texts)
        own = (s.text for s in named if s.account_id == self.key.account_id)
        account = (p.arn for p in self.world.principals.values() if p.account_id == self.key.account_id)
        return tuple(dict.fromkeys((*own, *account)))

    @property
    def _asks_everybody(self) -> bool:
        """Whether the insiders that are asked are all there are."""
        account = account_of(self.world, self.key.account_id)
        return account.collected and account.iam_complete and len(self._people) <= MOST_PEOPLE

    def _terraform(self, edit: Edit) -> str:
        """Where the edit belongs in Terraform."""
        policy = edit.whole.key_policy
        if policy is None or edit.kind == "revoke_grant":
            kept = {g.grant_id for g in edit.whole.grants or ()}
            return grants_hint(self.key, [g for g in self.key.grants or () if g.grant_id not in kept])
        return key_policy_hint(self.key, policy.text)

    # -- what is to be known -------------------------------------------------------------------------------------------

    def _risks(self, edit: Edit) -> list[str]:
        policy = edit.whole.key_policy
        if policy is None or edit.kind == "revoke_grant":
            return []
        notes = list(names_the_gone(policy, self.world))
        if edit.way is Way.SOURCE:
            notes.append("Not every request of a service carries `aws:SourceAccount`: look at its documentation first.")
        if edit.way in {Way.ORGANIZATION, Way.OWN_ACCOUNT}:
            notes.append("AWS services that this statement let through are no longer let through by it.")
        return notes


def _is_ended(old: Finding, new: Finding, edit: Edit) -> bool:
    """Whether a finding that is still there is no access any more, or a service limited to sources of ours."""
    if edit.way is Way.SOURCE:
        return new.grantee.party == SERVICE_GUARDED
    return new.verdict is FindingVerdict.BLOCKED and old.verdict is not FindingVerdict.BLOCKED


def _place(finding: Finding) -> tuple[str, str]:
    return finding.grantee.selector, finding.mechanism.kind


def _is_same_access(old: Finding, new: Finding) -> bool:
    return reads_the_same(old, new) and old.reach.digest == new.reach.digest


def _is_saveable(edit: Edit) -> bool:
    policy = edit.whole.key_policy
    return policy is None or edit.kind == "revoke_grant" or is_saveable(policy)


def _is_vain(finding: Finding) -> bool:
    """Whether a finding says that something is proven to do nothing."""
    return finding.kind is Kind.INEFFECTIVE_PERMISSION and finding.verdict is FindingVerdict.INEFFECTIVE


def _is_access(finding: Finding) -> bool:
    return finding.kind is Kind.EXTERNAL_ACCESS


def _is_about(other: Finding, finding: Finding) -> bool:
    """Whether a finding is compared as an access, or says of the same grantee what is written in vain."""
    return _is_access(other) or other.grantee.selector == finding.grantee.selector


def _remediation(edit: Edit, advice: Remediation, effect: str, risks: Sequence[str]) -> Remediation:
    text = edit.text
    if advice.kind in {"narrow_principal", "add_condition"}:
        text += f" Where some of the access is wanted: {advice.text[0].lower()}{advice.text[1:]}"
    return Remediation(edit.kind, text, edit.cli, edit.diff, effect=effect, risk_note=" ".join(risks))


def _effect(trial: Trial[Edit]) -> str:
    what = "the finding goes" if trial.became is None else "the access is blocked"
    what = {
        Way.ORGANIZATION: f"{what}, accounts of the organization keep their access",
        Way.SOURCE: "the service is let through for sources of the key's own account only",
    }.get(trial.edit.way, what)
    return f"{_TRIED}{what}, {rest_in_words(trial, _COMPARED)}, and the key's own account keeps its access."


def _why_none(trials: Sequence[Trial[Edit]], *, vain: bool) -> str:
    if not trials:
        return _ALONE
    if vain:
        return "No removal was found that surely changes no access."
    if any(t.losers for t in trials):
        return "No single edit was found that ends this access and keeps that of the key's own account."
    return "No single edit was found that ends this access; look at its statements together."
