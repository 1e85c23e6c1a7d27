"""Who gets at one key through roles, and what can be done there: findings say it over all keys of a path at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache, partial
from typing import NamedTuple

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.delegation import marked
from scanner.analyze.keys.identity import finding_id
from scanner.analyze.keys.judge import strength
from scanner.analyze.keys.severity import rank
from scanner.analyze.paths.approaches import Arrival, Landing, Place
from scanner.analyze.paths.path_capabilities import Severities, kind_of, reason_at
from scanner.analyze.paths.path_findings import named_by, path_grantee, refs_to
from scanner.model.actions import CAPABILITIES
from scanner.model.finding import CapabilityResult, Kind, Severity
from scanner.model.key import KeyFacts
from scanner.model.verdicts import Holders, PathAccess


class _Best(NamedTuple):
    """The strongest way to an action, and its place in the order: strongest first, then worst, then as found."""

    order: tuple[int, tuple[int, int, int, int], int, int]
    severity: Severity
    arrival: Arrival


def access_at(
    assembly: Assembly, severities: Severities, how: Iterable[Landing], key: KeyFacts, holders: tuple[Holders, ...]
) -> PathAccess:
    """What those who make a claim can do with a key that they reach by these landings.

    Args:
        holders: whom rows of access.csv name.
    """
    claim, held = severities.claim, _held(assembly, severities, how, key)
    leading, first = held[0]
    sources = (first.source, *(landing.source for landing in how))
    return PathAccess(
        path_grantee(assembly, claim, severities.standing(key, leading.capability)),
        refs_to(named_by(sources)),
        first.path,
        marked([result for result, _ in held]),
        holders,
        finding_id(Kind.ASSUMED_ROLE_PATH, *claim.parts),
        claim.cut,
    )


def _held(
    assembly: Assembly, severities: Severities, how: Iterable[Landing], key: KeyFacts
) -> list[tuple[CapabilityResult, Arrival]]:
    """One result per capability, verdict and condition, with the strongest arrival behind it; the worst first."""
    groups: dict[Place, list[_Best]] = defaultdict(list)
    for best in _strongest(severities, how, key):
        groups[best.arrival.approach.place].append(best)
    found = [(_result(assembly, severities, place, members), members[0].arrival) for place, members in groups.items()]
    return sorted(
        found, key=lambda f: (-rank(f[0].severity), -strength(f[0].verdict), CAPABILITIES.index(f[0].capability))
    )


def _strongest(severities: Severities, how: Iterable[Landing], key: KeyFacts) -> list[_Best]:
    """The strongest way to every action."""
    best: dict[str, _Best] = {}
    of = cache(partial(severities.of, key))
    for number, landing in enumerate(how):
        for place, approach in enumerate(landing.approaches):
            name = approach.way.use.action.name
            before = best.get(name)
            severity, _, grade = of(kind_of(approach))
            order = (-approach.rank, grade, number, place)
            if before is None or order < before.order:
                best[name] = _Best(order, severity, Arrival(landing.source, key, approach))
    return sorted(best.values(), key=lambda one: one.order)


def _result(
    assembly: Assembly, severities: Severities, place: Place, members: Sequence[_Best]
) -> CapabilityResult:  # fmt: skip
    capability, verdict, condition = place
    arrivals = [member.arrival for member in members]
    worst = max((member.severity for member in members), key=rank)
    reasons = dict.fromkeys(reason_at(assembly, severities.claim, arrival) for arrival in arrivals)
    return CapabilityResult(
        capability, tuple(sorted(a.way.use.action.iam_name for a in arrivals)), verdict, worst, tuple(reasons),
        condition, caller_chosen=arrivals[0].caller_chosen, vouched=arrivals[0].vouched,
    )  # fmt: skip
