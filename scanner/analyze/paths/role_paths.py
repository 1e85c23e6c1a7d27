"""Findings, rows and edges about paths through roles, for the keys of one analysis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.judge import is_stranger
from scanner.analyze.paths.admission import FEDERATED_OPEN, FEDERATED_PINNED
from scanner.analyze.paths.approaches import Approach, Arrival
from scanner.analyze.paths.hops import ASLEEP, BOUND, CHOSEN, PERHAPS, SURE
from scanner.analyze.paths.path_capabilities import standing_at
from scanner.analyze.paths.path_findings import ROLE, path_finding
from scanner.analyze.paths.path_words import confirmed_path_reason
from scanner.analyze.paths.paths import Claim, Paths, reason_of
from scanner.analyze.principals.party import (
    APPROVED_PARTNER,
    OUTSIDE_PARTIES,
    PARTNER_ROLE_WITHOUT_EXTERNAL_ID,
    SERVICE_GUARDED,
    SERVICE_UNGUARDED,
)
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import account_of
from scanner.model.actions import KEY_ACTIONS
from scanner.model.finding import AccessRow, Finding, FindingVerdict
from scanner.model.key import KeyFacts

_DECISIONS = {
    SURE: "allowed", CHOSEN: "conditional", BOUND: "conditional", PERHAPS: "unknown", ASLEEP: "latent",
}  # fmt: skip
_LEFT_OUT = {
    "all": frozenset[str](), "unguarded": frozenset({SERVICE_GUARDED}),
    "none": frozenset({SERVICE_GUARDED, SERVICE_UNGUARDED}),
}  # fmt: skip
_PLACE = {action.name: number for number, action in enumerate(KEY_ACTIONS)}


class _Line(NamedTuple):
    """What the actions of one row share."""

    text: str
    kind: str
    account_id: str
    capability: str
    decision: str
    reason: str
    condition: str
    path: str


_Told = tuple[tuple[_Line, tuple[str, ...]], ...]
"""Lines with the actions of each."""


@dataclass(frozen=True, slots=True)
class RolePaths:
    """What paths through roles give: the findings, and the claims behind them by key and as a whole.

    `untold` are claims about services that were not asked for; they are no findings.
    """

    paths: Paths
    findings: tuple[Finding, ...]
    claims: tuple[Claim, ...]
    untold: tuple[Claim, ...]
    of_keys: dict[str, tuple[tuple[Finding, Claim, tuple[Arrival, ...]], ...]]
    idle: tuple[Claim, ...] = ()
    """Those who enter roles that do nothing with keys as they are."""
    _told: dict[tuple[Approach, ...], _Told] = field(default_factory=dict)
    """What rows say of keys that are reached in the same way, by approaches; each is of one source."""
    _lines: dict[object, _Line] = field(default_factory=dict)
    """What a row says beside its actions, by step, course and capability."""

    def findings_about(self, key_arn: str) -> tuple[Finding, ...]:
        """The findings that reach a key, also those that do not name it among their worst."""
        return tuple(finding for finding, _, _ in self.of_keys.get(key_arn, ()))

    def rows(self, assembly: Assembly, key: KeyFacts) -> Iterator[AccessRow]:
        """The rows of access.csv about a key, one per caller, path and decision."""
        for finding, claim, arrivals in self.of_keys.get(key.arn, ()):
            place = tuple(a.approach for a in arrivals)
            if place not in self._told:
                self._told[place] = self._tell(claim, arrivals)
            yield from _rows(assembly, claim, key, finding, self._told[place])

    def _tell(self, claim: Claim, arrivals: Iterable[Arrival]) -> _Told:
        """The lines about a key, each with its actions."""
        groups: dict[_Line, dict[str, None]] = defaultdict(dict)
        for arrival in sorted(arrivals, key=lambda a: _PLACE[a.way.use.action.name]):
            way, action = arrival.way, arrival.way.use.action
            for step in sorted(arrival.source.steps, key=lambda s: s.caller.text):
                place = (id(step), way.course, action.capability)
                if place not in self._lines:
                    self._lines[place] = _line(claim, arrival, Approach.of(step, way))
                groups[self._lines[place]][action.iam_name] = None
        return tuple((line, tuple(actions)) for line, actions in groups.items())


def follow_roles(
    assembly: Assembly,
    population: Population,
    keys: Iterable[KeyFacts],
    max_hops: int,
    service_principals: str,
    *,
    iam_changes: bool = True,
    keys_only: bool = False,
) -> RolePaths:
    """Follow everybody who enters a role from outside to the given keys, and put it into findings.

    Args:
        keys_only: leave out whoever surely leads to none of the keys.
        service_principals: which services are told: `all`, `unguarded` or `none`.
        iam_changes: follow roles passed to services and changes to IAM as well.
    """
    paths = Paths(population, keys, assembly.trust, max_hops=max_hops, iam_changes=iam_changes)
    return told_of(paths, assembly, service_principals, paths.keep_to_what_leads_to_keys() if keys_only else None)


def told_of(
    paths: Paths, assembly: Assembly, service_principals: str, entries: Iterable[str] | None = None
) -> RolePaths:
    """What paths give, in findings; `service_principals` as above. `entries` are roles to enter by, None for all."""
    max_hops = paths.graph.max_hops
    left_out = _LEFT_OUT[service_principals]
    everything = paths.claims(entries)
    claims = tuple(claim for claim in everything if claim.party not in left_out)
    untold = tuple(claim for claim in everything if claim.party in left_out)
    idle = tuple(claim for claim in paths.idle() if claim.party not in left_out)
    findings = tuple(path_finding(assembly, claim, max_hops) for claim in claims)
    of_keys: dict[str, list[tuple[Finding, Claim, tuple[Arrival, ...]]]] = defaultdict(list)
    for finding, claim in zip(findings, claims, strict=True):
        arrivals: dict[str, list[Arrival]] = defaultdict(list)
        for arrival in claim.arrivals:
            arrivals[arrival.key.arn].append(arrival)
        for arn, here in arrivals.items():
            of_keys[arn].append((finding, claim, tuple(here)))
    by_key = {arn: tuple(found) for arn, found in of_keys.items()}
    return RolePaths(paths, findings, claims, untold, by_key, idle)


def _rows(assembly: Assembly, claim: Claim, key: KeyFacts, finding: Finding, told: _Told) -> Iterator[AccessRow]:
    """The rows of a claim about one key."""
    parties = {c: standing_at(assembly, claim, key, c).party for c in {line.capability for line, _ in told}}
    for line, actions in told:
        known = account_of(assembly.world, line.account_id) if line.account_id else None
        yield AccessRow(
            key_arn=key.arn, principal_arn=line.text, principal_account_id=line.account_id,
            principal_account_name=known.name if known else "", party=parties[line.capability],
            capability=line.capability, actions=actions, decision=line.decision, reason=line.reason,
            conditions=line.condition, mechanism=ROLE, path=line.path, finding_id=finding.id, principal_kind=line.kind,
            finding_verdict=finding.verdict.value,
        )  # fmt: skip


def _line(claim: Claim, arrival: Arrival, approach: Approach) -> _Line:
    """The line of one caller behind the source, by its own approach."""
    one = Arrival(arrival.source, arrival.key, approach)
    caller, use = one.entry.caller, one.way.use
    federated = caller.is_provider
    return _Line(
        text=one.source.selector.text if federated else caller.text,
        kind="federated" if federated else caller.kind.value,
        account_id="" if caller.account_id == "*" else caller.account_id,
        capability=use.action.capability,
        decision="unknown" if is_stranger(caller) else _DECISIONS[one.rank],
        reason=reason_of(one, use.decision.reason) or confirmed_path_reason(one, claim.party),
        condition=approach.condition,
        path=one.path,
    )


STRANGE = OUTSIDE_PARTIES | {FEDERATED_OPEN, FEDERATED_PINNED, SERVICE_UNGUARDED}
"""Parties of paths that are neither ours nor approved."""
PARTNERS = frozenset({APPROVED_PARTNER, PARTNER_ROLE_WITHOUT_EXTERNAL_ID})
_SURE = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL})


def keys_by_capability(through_roles: RolePaths) -> dict[str, dict[str, frozenset[str]]]:
    """The keys that each finding surely gets at, under conditions or not, by capability.

    A finding says over all its keys what it can do; only the claim behind it knows with which of them.
    """
    found: dict[str, dict[str, frozenset[str]]] = {}
    for finding, claim in zip(through_roles.findings, through_roles.claims, strict=True):
        keys: dict[str, set[str]] = defaultdict(set)
        for arrival in claim.arrivals:
            if arrival.verdict in _SURE:
                keys[arrival.way.use.action.capability].add(arrival.key.arn)
        found[finding.id] = {capability: frozenset(arns) for capability, arns in keys.items()}
    return found


def role_paths_in_words(through_roles: RolePaths) -> str:
    """How many outsiders reach how many keys through roles, and what was not followed."""
    told = list(zip(through_roles.findings, through_roles.claims, strict=True))
    sure = [(f, c) for f, c in told if f.verdict in _SURE]
    perhaps = sum(f.verdict is FindingVerdict.POSSIBLE for f, _ in told)
    parts: list[str] = []
    for whose in ("outsider", "approved partner", ""):
        some = [(f, c) for f, c in sure if _whose(f.grantee.party) == whose]
        if some:
            number = len({f.grantee.selector for f, _ in some})
            who = _counted(number, whose) if whose else f"{number:,} of ours"
            keys = len({arn for _, c in some for arn in c.keys})
            parts.append(f"{who} reach{'es' if number == 1 else ''} {_counted(keys, 'key')}")
    if perhaps:
        parts.append(f"{_counted(perhaps, 'more path' if sure else 'path')} may exist")
    cut = sum(claim.cut for claim in through_roles.claims)
    if cut:
        limit = _counted(through_roles.paths.graph.max_hops, "role")
        parts.append(f"behind {_counted(cut, 'entry role')}, chains of more than {limit} were not followed")
    return "; ".join(parts) or "none was found in what was read"


def _whose(party: str) -> str:
    """Outsiders, partners that were approved, or (empty) ours."""
    if party in STRANGE:
        return "outsider"
    return "approved partner" if party in PARTNERS else ""


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"
