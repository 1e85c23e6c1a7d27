"""Findings, rows and edges about paths through roles, for the keys of one analysis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.damaged import is_opaque
from scanner.analyze.keys.judge import is_stranger
from scanner.analyze.paths.admission import FEDERATED_OPEN, FEDERATED_PINNED
from scanner.analyze.paths.approaches import Approach, Arrival, Landing
from scanner.analyze.paths.at_key import access_at
from scanner.analyze.paths.hops import ASLEEP, BOUND, CHOSEN, PERHAPS, SURE
from scanner.analyze.paths.path_capabilities import Reached, Severities
from scanner.analyze.paths.path_findings import ROLE, finding_of
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
from scanner.model.finding import AccessRow, Finding, FindingVerdict, RowAccess, RowPrincipal, row_principal
from scanner.model.key import KeyFacts
from scanner.model.verdicts import Holders, KeyPaths, PathAccess

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

    principal: RowPrincipal
    capability: str
    decision: str
    reason: str
    condition: str
    path: str


_How = tuple[Landing, ...]
"""How a key is reached by those who make a claim."""
_Told = list[tuple[_Line, tuple[str, ...]]]
"""Lines with the actions of each."""
_Placed = list[tuple[RowPrincipal, RowAccess]]
"""Rows without their key."""
_first_of = itemgetter(0)


class _Reaching(NamedTuple):
    """What a claim says of one key: its finding, how grave that is, and how the key is reached."""

    finding: Finding
    severities: Severities
    how: _How


@dataclass(slots=True)
class _Said:
    """What is said of keys that are reached in the same way, as long as some of them have yet to be told.

    The lines are those of all of them, with parties for keys that count alike, access for those in one state as well.
    """

    keys_left: int = 0
    told: _Told | None = None
    placed: dict[Hashable, _Placed] = field(default_factory=dict)
    access: dict[Hashable, PathAccess] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RolePaths:
    """What paths through roles give: the findings, and the claims behind them by key and as a whole.

    `untold` are claims about services that were not asked for; they are no findings.
    """

    paths: Paths
    findings: tuple[Finding, ...]
    claims: tuple[Claim, ...]
    untold: tuple[Claim, ...]
    landings: tuple[tuple[Landing, ...], ...]
    """What every one of the claims reaches."""
    of_keys: dict[str, list[_Reaching]]
    idle: tuple[Claim, ...]
    """Those who enter roles that do nothing with keys as they are."""
    cut: int
    """Behind how many who make a claim some chain was longer than what is followed."""
    _said: defaultdict[_How, _Said]
    """What is said of keys that are reached in the same way; each is of one claim."""
    _shared: dict[object, tuple[_Line, ...]] = field(default_factory=dict)
    """The lines by source, course and capability."""

    def at(self, assembly: Assembly, key: KeyFacts) -> KeyPaths:
        """What is told of one key."""
        return KeyPaths(tuple(self._access_at(assembly, key)), self.cut)

    def _access_at(self, assembly: Assembly, key: KeyFacts) -> Iterator[PathAccess]:
        for one in self.of_keys.get(key.arn, ()):
            severities, said = one.severities, self._said[one.how]
            place = (severities.alike(key), key.state)
            if place not in said.access:
                holders = tuple(_holders(self._told_of(assembly, one)))
                said.access[place] = access_at(assembly, severities, one.how, key, holders)
            yield said.access[place]

    def findings_about(self, key_arn: str) -> tuple[Finding, ...]:
        """The findings that reach a key, also those that do not name it among their worst."""
        return tuple(one.finding for one in self.of_keys.get(key_arn, ()))

    def rows(self, assembly: Assembly, key: KeyFacts) -> Iterator[AccessRow]:
        """The rows of access.csv about a key, one per caller, path and decision."""
        for one in self.of_keys.get(key.arn, ()):
            severities, said = one.severities, self._said[one.how]
            place = severities.alike(key)
            if place not in said.placed:
                said.placed[place] = list(_placed(one, key, self._told_of(assembly, one)))
            for principal, access in said.placed[place]:
                yield AccessRow(key.arn, principal, access)

    def told_all(self, key: KeyFacts) -> None:
        """Nothing more is asked about a key: what was said of it stays while keys reached the same way are to come."""
        for one in self.of_keys.get(key.arn, ()):
            said = self._said[one.how]
            said.keys_left -= 1
            if not said.keys_left:
                del self._said[one.how]

    def _told_of(self, assembly: Assembly, one: _Reaching) -> _Told:
        said = self._said[one.how]
        if said.told is None:
            said.told = self._tell(assembly, one.severities.claim, one.how)
        return said.told

    def _tell(self, assembly: Assembly, claim: Claim, how: _How) -> _Told:
        """The lines about a key, each with its actions."""
        groups: dict[_Line, dict[str, None]] = defaultdict(dict)
        found = ((_PLACE[a.way.use.action.name], a, landing) for landing in how for a in landing.approaches)
        for _, approach, landing in sorted(found, key=_first_of):
            name = approach.way.use.action.iam_name
            for line in self._lines_of(assembly, claim, landing, approach):
                groups[line][name] = None
        return [(line, tuple(actions)) for line, actions in groups.items()]

    def _lines_of(
        self, assembly: Assembly, claim: Claim, landing: Landing, approach: Approach
    ) -> tuple[_Line, ...]:  # fmt: skip
        place = (id(landing.source), approach.way.course, approach.place[0])
        found = self._shared.get(place)
        if found is None:
            steps = sorted(landing.source.steps, key=lambda step: step.caller.text)
            lines = (_line(assembly, claim, landing, approach.by(step)) for step in steps)
            found = self._shared[place] = tuple(lines)
        return found


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
    findings: list[Finding] = []
    landings: list[tuple[Landing, ...]] = []
    of_keys: dict[str, list[_Reaching]] = defaultdict(list)
    said: defaultdict[_How, _Said] = defaultdict(_Said)
    for claim in claims:
        reached = Reached(assembly, claim)
        findings.append(finding_of(assembly, reached, max_hops))
        landings.append(reached.landings)
        at_keys: dict[str, list[Landing]] = {arn: [] for arn in reached.keys}
        for landing in reached.landings:
            for key in landing.keys:
                at_keys[key.arn].append(landing)
        hows: dict[_How, _How] = {}
        for arn, landed in at_keys.items():
            how = tuple(landed)
            of_keys[arn].append(_Reaching(findings[-1], reached.severities, hows.setdefault(how, how)))
            said[how].keys_left += 1
    cut = sum(claim.cut for claim in claims)
    return RolePaths(paths, tuple(findings), claims, untold, tuple(landings), dict(of_keys), idle, cut, said)


def _holders(told: _Told) -> Iterator[Holders]:
    """Whom lines are about: those of whom the same is said together."""
    principals: dict[tuple[str, str, str, tuple[str, ...]], dict[str, None]] = defaultdict(dict)
    for line, actions in told:
        principals[line.condition, line.decision, line.reason, actions][line.principal.arn] = None
    for said, texts in principals.items():
        yield Holders(*said, tuple(texts))


def _placed(one: _Reaching, key: KeyFacts, told: _Told) -> Iterator[tuple[RowPrincipal, RowAccess]]:
    """The rows of a claim about a key, and about all keys that count alike and are reached in the same way."""
    finding, verdict = one.finding.id, one.finding.verdict.value
    known: dict[RowAccess, RowAccess] = {}
    for line, actions in told:
        party = one.severities.standing(key, line.capability).party
        access = RowAccess(
            party, line.capability, actions, line.decision, line.reason, line.condition, ROLE, line.path, finding,
            verdict,
        )  # fmt: skip
        yield line.principal, known.setdefault(access, access)


def _line(assembly: Assembly, claim: Claim, landing: Landing, approach: Approach) -> _Line:
    """The line of one caller behind the source, by its own approach."""
    source = landing.source
    one = Arrival(source, landing.keys[0], approach)
    caller, use = approach.entry.caller, approach.way.use
    federated = caller.is_provider
    account_id = "" if caller.account_id == "*" else caller.account_id
    return _Line(
        row_principal(
            source.selector.text if federated else caller.text,
            account_id,
            account_of(assembly.world, account_id).name if account_id else "",
            "federated" if federated else caller.kind.value,
        ),
        capability=use.action.capability,
        decision="unknown" if is_stranger(caller) else _DECISIONS[approach.rank],
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
    for finding, landings in zip(through_roles.findings, through_roles.landings, strict=True):
        keys: dict[str, set[str]] = defaultdict(set)
        for landing in landings:
            for capability in dict.fromkeys(a.place[0] for a in landing.approaches if a.place[1] in _SURE):
                keys[capability].update(key.arn for key in landing.keys)
        found[finding.id] = {capability: frozenset(arns) for capability, arns in keys.items()}
    return found


class Pathfinder(NamedTuple):
    """Somebody who gets at keys through roles: how surely, where they stand, who they are, and at which keys."""

    verdict: FindingVerdict
    party: str
    selector: str
    keys: Collection[str]


def role_paths_in_words(through_roles: RolePaths) -> str:
    """How many outsiders reach how many keys through roles, and what was not followed."""
    told = [
        Pathfinder(f.verdict, f.grantee.party, f.grantee.selector, claim.keys)
        for f, claim in zip(through_roles.findings, through_roles.claims, strict=True)
    ]
    paths = through_roles.paths
    return paths_in_words(told, paths.keys, through_roles.cut, paths.graph.max_hops)


def paths_in_words(told: Sequence[Pathfinder], keys: Iterable[KeyFacts], cut: int, max_hops: int) -> str:
    """The same of anybody and some keys; `cut` counts those behind whom a chain was longer than `max_hops`."""
    sure = [one for one in told if one.verdict in _SURE]
    perhaps = sum(one.verdict is FindingVerdict.POSSIBLE for one in told)
    parts: list[str] = []
    for whose in ("outsider", "approved partner", ""):
        some = [one for one in sure if _whose(one.party) == whose]
        if some:
            number = len({one.selector for one in some})
            who = _counted(number, whose) if whose else f"{number:,} of ours"
            reached = len({arn for one in some for arn in one.keys})
            parts.append(f"{who} reach{'es' if number == 1 else ''} {_counted(reached, 'key')}")
    if perhaps:
        parts.append(f"{_counted(perhaps, 'more path' if sure else 'path')} may exist")
    if cut:
        limit = _counted(max_hops, "role")
        parts.append(f"behind {_counted(cut, 'entry role')}, chains of more than {limit} were not followed")
    found = "; ".join(parts) or "none was found in what was read"
    return "; ".join((found, *_not_read([key for key in keys if key.manager != "AWS"])))


def _not_read(keys: Sequence[KeyFacts]) -> Iterator[str]:
    """By grants and resource shares that were not read, any role may be let in: told once.

    Keys of which a policy was not read are opaque, and counted as such.
    """
    grants = sum(not key.grants_complete for key in keys)
    if grants:
        yield f"which roles hold grants on {_counted(grants, 'key')} was not read"
    shares = sum(not key.ram_policy_read and not is_opaque(key) for key in keys)
    if shares:
        yield f"whom resource shares of {_counted(shares, 'key')} let in was not read"


def _whose(party: str) -> str:
    """Outsiders, partners that were approved, or (empty) ours."""
    if party in STRANGE:
        return "outsider"
    return "approved partner" if party in PARTNERS else ""


def _counted(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"
