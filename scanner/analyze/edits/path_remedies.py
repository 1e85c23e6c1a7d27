"""Paths through roles with a remedy that was tried: the trust policy is edited on a copy, and roles followed again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property
from itertools import takewhile

from scanner.analyze.edits.terraform import trust_policy_hint
from scanner.analyze.edits.trials import (
    Trial,
    best_of,
    is_saveable,
    names_the_gone,
    others_in_words,
    rest_in_words,
    tried,
)
from scanner.analyze.edits.trust_edits import TrustEdit, TrustWay, trust_edits
from scanner.analyze.history.other_ways import kept_in_words, keys_of, ways_among
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.severity import rank
from scanner.analyze.paths.admission import FEDERATED_OPEN, NO_EXTERNAL_ID
from scanner.analyze.paths.hops import ASSUME, NEVER, step
from scanner.analyze.paths.path_findings import path_finding
from scanner.analyze.paths.paths import Claim, Paths
from scanner.analyze.paths.role_paths import RolePaths
from scanner.analyze.paths.sources import partition_of
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.session_tags import session_tags_of
from scanner.model.finding import Finding, Kind, Remediation
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

MOST_FINDINGS = 50
"""Findings for which edits are tried, the worst first."""
MOST_WORK = 200_000
"""Ways from entry roles to keys that are found again, for all trials together."""
MOST_PEOPLE = 200
"""Principals of a role's own account that are asked whether they may still assume it."""
_NOT_TRIED = "No edit was tried on the snapshot: that would need too many trials."
_REFUSED = "The trust policy would hold a part that AWS refuses; change that part first."
_NO_EDIT = "No single edit of the trust policy was found that ends this access."
_ASSIGNED = "No edit was tried: who may take the role is decided in the identity provider, not in the trust policy."
_MANY_ROLES = "No edit was tried: roles of many accounts stand behind this, and no single document ends it for all."
_UNREAD = "No edit was tried: the trust policy was not read."
_COMPARED = "path through roles"
_TAGS = "Not tried on the snapshot: the edit also changes which session tags can be passed, which some policy tests."
_ONLY_DEPUTY = (
    "An `sts:ExternalId` condition alone does not end this finding: it keeps others from entering by way of this party."
)
_WHOLE_ROLE = "Who is kept out loses everything that the role may do, not only the keys."
_SUBJECT = (
    "Where some of the access is wanted: only the owner of the role knows for which subject; test it in the trust "
    "policy, one repository, project or workload by name."
)

_State = tuple[object, ...]


def remedied_paths(
    through_roles: RolePaths, assembly: Assembly, population: Population, direct: Iterable[Finding] = ()
) -> tuple[Finding, ...]:  # fmt: skip
    """The findings about paths through roles in the same order, with the smallest edit that was seen to end them.

    A role that stands for those of many accounts has no document that one edit could change: it keeps its advice.

    Args:
        direct: findings about the keys themselves; no edit of a trust policy ends them, so a remedy names them.
    """
    bench = _Bench(through_roles, assembly, population, direct)
    order = sorted(through_roles.findings, key=lambda f: (-rank(f.severity), f.id))
    claims = {f.id: c for f, c in zip(through_roles.findings, through_roles.claims, strict=True)}
    told = {f.id: bench.with_remedy(f, claims[f.id]) for f in order}
    return tuple(told[f.id] for f in through_roles.findings)


class _Bench:
    """All paths through roles, and how much more may be tried."""

    def __init__(
        self, through_roles: RolePaths, assembly: Assembly, population: Population, direct: Iterable[Finding]
    ) -> None:  # fmt: skip
        self._through, self._population = through_roles, population
        self._direct = [f for f in direct if f.kind is Kind.EXTERNAL_ACCESS]
        self._aside = Assembly(assembly.world, assembly.trust, assembly.severity, assembly.classes)
        self._world: World = assembly.world
        self._paths: Paths = through_roles.paths
        self._claims = (*through_roles.claims, *through_roles.untold)
        self._titles = {c.parts: f.title for c, f in zip(through_roles.claims, through_roles.findings, strict=True)}
        self._findings, self._work = MOST_FINDINGS, MOST_WORK

    def with_remedy(self, finding: Finding, claim: Claim) -> Finding:
        """The finding with its remedy."""
        advice = finding.remediation
        role = self._world.principals.get(claim.resource.arn)
        if advice.kind == "none":
            return replace(finding, remediation=replace(advice, effect=_ASSIGNED))
        if role is None or role.trust_policy is None:
            return replace(finding, remediation=replace(advice, effect=_MANY_ROLES if role is None else _UNREAD))
        self._findings -= 1
        if self._findings < 0 or self._work < 0:
            return replace(finding, remediation=replace(advice, effect=_NOT_TRIED))
        return replace(finding, remediation=self._remedy(finding, claim, role, role.trust_policy))

    def _remedy(self, finding: Finding, claim: Claim, role: PrincipalFacts, policy: PolicyText) -> Remediation:
        advice = finding.remediation
        drawn = list(trust_edits(claim, role, policy))
        edits = [e for e in drawn if is_saveable(e.policy)]
        steady = list(takewhile(lambda e: not self._changes_sessions(e, policy), edits))
        trials = tried(steady, lambda edit: self._try(claim, role, edit))
        best = best_of(trials)
        if len(steady) < len(edits) and not any(t.is_clean for t in trials):
            edit = edits[len(steady)]
            return _remediation(edit, finding, _TAGS, self._risks(edit, finding, claim))
        if best is None:
            return replace(advice, effect=_REFUSED if drawn and not edits else _NO_EDIT)
        notes = [*others_in_words(best), *self._risks(best.edit, finding, claim)]
        remedy = _remediation(best.edit, finding, _effect(best), notes)
        return replace(remedy, terraform=trust_policy_hint(role, best.edit.policy.text), verified=best.is_clean)

    # -- trying --------------------------------------------------------------------------------------------------------

    def _try(self, claim: Claim, role: PrincipalFacts, edit: TrustEdit) -> Trial[TrustEdit]:
        """Follow those again who enter by roles that lead to the edited one, and compare all they reach."""
        edited = replace(role, trust_policy=edit.policy)
        touched = [c for c in self._claims if any(self._leads(s.role.arn, role.arn) for s in c.sources)]
        entries = {role.arn, *(s.role.arn for c in touched for s in c.sources)}
        before = {c.parts: c for c in touched}
        after = {c.parts: c for c in self._paths.with_less_trust(edited).claims(entries)}
        self._work -= sum(_arrivals(c) for c in (*before.values(), *after.values()))
        places = [p for p in dict.fromkeys((*before, *after)) if p != claim.parts]
        others = (
            self._title(before.get(p) or after[p])
            for p in places
            if p not in before or p not in after or _state(before[p]) != _state(after[p])
        )
        people = () if edit.way is TrustWay.NAMED else self._insiders(role)
        losers = tuple(c.text for c in people[:MOST_PEOPLE] if self._loses(c, role, edited))
        return Trial(edit, claim.parts not in after, tuple(others), losers, len(people) <= MOST_PEOPLE)

    def _leads(self, entry: str, arn: str) -> bool:
        return self._paths.graph.closure(entry).reaches(arn)

    def _title(self, claim: Claim) -> str:
        """What the finding about a claim says, also where it is not told or comes up only by the edit."""
        if claim.parts not in self._titles:
            self._titles[claim.parts] = path_finding(self._aside, claim, self._paths.graph.max_hops).title
        return self._titles[claim.parts]

    def _insiders(self, role: PrincipalFacts) -> tuple[Caller, ...]:
        """Who of the role's own account could lose by an edit of what everybody is admitted by."""
        return self._population.identities_of(role.account_id, partition_of(role))

    def _loses(self, caller: Caller, role: PrincipalFacts, edited: PrincipalFacts) -> bool:
        was, now = (step(self._world, caller, r, ASSUME) for r in (role, edited))
        return now.rank < was.rank or (now.rank > NEVER and now.decision.condition != was.decision.condition)

    def _changes_sessions(self, edit: TrustEdit, policy: PolicyText) -> bool:
        """Whether sessions of the role could be tagged in other ways after an edit, and some policy looks at it."""
        return session_tags_of(policy) != session_tags_of(edit.policy) and self._tags_are_tested

    @cached_property
    def _tags_are_tested(self) -> bool:
        return any("aws:principaltag/" in policy.text.lower() for policy in _documents(self._world))

    # -- what is to be known -------------------------------------------------------------------------------------------

    def _risks(self, edit: TrustEdit, finding: Finding, claim: Claim) -> Iterator[str]:
        keys, selector = claim.keys, finding.grantee.selector
        paths = (f for f in self._through.findings if f.grantee.selector == selector or keys_of(f) & keys.keys())
        direct = (f for f in self._direct if f.resource.arn in keys)
        yield from kept_in_words(finding, ways_among(finding, (*direct, *paths)))
        yield _WHOLE_ROLE
        if NO_EXTERNAL_ID in finding.verdict_reasons:
            yield _ONLY_DEPUTY
        yield from names_the_gone(edit.policy, self._world)
        if edit.way is not TrustWay.NAMED:
            yield "AWS services that this statement let in are no longer let in by it."


def _arrivals(claim: Claim) -> int:
    """How many there are."""
    return sum(len(landing.approaches) * len(landing.keys) for landing in claim.landings)


def _state(claim: Claim) -> _State:
    """All that a claim says of access: who enters and how surely, and what is reached under which conditions."""
    entries = {
        (s.selector.text, s.role.arn, one.caller.text, one.rank, one.decision.condition)
        for s in claim.sources
        for one in s.steps
    }
    reached = {(a.key.arn, a.way.use.action.name, a.rank, a.way.cut, a.approach.condition) for a in claim.arrivals}
    return claim.party, claim.remarks, claim.cut, entries, reached


def _documents(world: World) -> Iterator[PolicyText]:
    """Every policy that could look at the tags of a session."""
    for facts in world.principals.values():
        held = (*facts.identity_policies, *(facts.session_policies or ()), facts.boundary, facts.trust_policy)
        yield from (p for p in held if p is not None)
    for key in world.keys.values():
        yield from (p for p in (key.key_policy, key.ram_policy) if p is not None)
    for organization in world.organizations:
        for attached in (organization.scps or {}, organization.rcps or {}):
            yield from (p for policies in attached.values() for p in policies)


# -- words ------------------------------------------------------------------------------------------------------------


def _remediation(edit: TrustEdit, finding: Finding, effect: str, risks: Iterable[str]) -> Remediation:
    advice = finding.remediation.text
    text = edit.text
    if finding.grantee.party == FEDERATED_OPEN:
        text += f" {_SUBJECT}"
    elif not advice.startswith("Remove"):
        text += f" Where some of the access is wanted: {advice[0].lower()}{advice[1:]}"
    return Remediation(edit.kind, text, edit.cli, edit.diff, effect=effect, risk_note=" ".join(risks))


def _effect(trial: Trial[TrustEdit]) -> str:
    own = "the role's own account keeps its access to it"
    if not trial.whole:
        own = f"the first {MOST_PEOPLE} principals of the role's own account keep their access to it, others not asked"
    return f"Tried on the snapshot: the finding goes, {rest_in_words(trial, _COMPARED)}, and {own}."
