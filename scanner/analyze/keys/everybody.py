"""Whom the documents of a key let through: every naming judged, and `*` told of those who really pass it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.crowd import judge
from scanner.analyze.keys.judge import Alike, Judgement, strength
from scanner.analyze.principals.reach import Population, Reached, reached_by
from scanner.analyze.principals.selectors import Naming, Selector, namings_of, selector_of
from scanner.analyze.request.caller import ANY_SERVICE, Caller, organization_of, some_service
from scanner.analyze.statements.match import covers_action
from scanner.model.finding import FindingVerdict
from scanner.model.key import KeyFacts
from scanner.model.principal import PrincipalKind

_SERVICES = Selector(ANY_SERVICE, "service")


@dataclass(frozen=True, slots=True)
class Told:
    """A naming and what it gives.

    `judgements` are what a finding about its selector rests on. `written` is the part that documents say themselves,
    None for a selector that only stands behind `*`; `everybody` and `asked` are all who pass it and what they can do,
    which is what decides whether a statement is without effect.
    """

    naming: Naming
    judgements: tuple[Judgement, ...]
    written: Naming | None
    everybody: Reached
    asked: tuple[Judgement, ...]


def tell(key: KeyFacts, population: Population, assembly: Assembly) -> Iterator[Told]:
    """Every naming of a key with the people behind it and what they can do."""
    everybody: list[Naming] = []
    written: dict[tuple[str, Selector], Naming] = {}
    for named in namings_of(key):
        naming = replace(named, selector=population.identified(named.selector))
        if naming.selector.kind == "any":
            everybody.append(naming)
        elif naming.selector.account_id != key.account_id:
            written[naming.mechanism, naming.selector] = naming
    namings = dict(written)
    for naming in everybody:
        yield from _tell_everybody(key, naming, population, assembly, namings)
    for place, naming in sorted(namings.items()):
        reached = reached_by(naming.selector, key, population)
        judgements = judge(assembly.world, key, naming, reached, population.classes_at(key))
        yield Told(naming, judgements, written.get(place), reached, judgements)


def _tell_everybody(
    key: KeyFacts,
    naming: Naming,
    population: Population,
    assembly: Assembly,
    namings: dict[tuple[str, Selector], Naming],
) -> Iterator[Told]:
    """`*` as the public, as services where only they pass, and as further namings for whom others spare (R2.8)."""
    reached = reached_by(naming.selector, key, population)
    service = some_service()
    judgements = judge(assembly.world, key, naming, reached, population.classes_at(key))
    by_services = judge(assembly.world, key, naming, Reached((service,)))
    public, selectors = split_everybody(judgements, reached.callers, population, key.partition)
    for selector in selectors:
        held = namings.get((naming.mechanism, selector))
        places = (*held.statements, *naming.statements) if held else naming.statements
        statements = tuple(sorted(dict.fromkeys(places), key=lambda n: n.statement.index))
        namings[naming.mechanism, selector] = Naming(selector, naming.mechanism, statements)
    alone = _of_services(by_services, public, judgements)
    all_callers = Reached((*reached.callers, service))
    if alone:
        actions = {j.action.iam_name for j in alone}
        covering = tuple(n for n in naming.statements if any(covers_action(n.statement, a) for a in actions))
        yield Told(Naming(_SERVICES, naming.mechanism, covering), alone, None, all_callers, ())
    told = public if _effective(judgements) else ()
    yield Told(naming, told, naming, all_callers, (*judgements, *by_services))


def _of_services(
    by_services: Sequence[Judgement], public: Sequence[Judgement], judgements: Sequence[Judgement]
) -> tuple[Judgement, ...]:
    """What services can do and the public cannot; all they could, where `*` gives nobody else anything."""
    blocked = strength(FindingVerdict.BLOCKED)
    others = _strengths(public)
    alone = [j for j in by_services if strength(j.verdict) > blocked >= others.get(j.action.name, 0)]
    return tuple(alone or ([] if _effective(judgements) else _effective(by_services)))


def _effective(judgements: Iterable[Judgement]) -> list[Judgement]:
    return [j for j in judgements if j.verdict is not FindingVerdict.INEFFECTIVE]


def split_everybody(
    judgements: Sequence[Judgement], callers: Sequence[Caller], population: Population, partition: str
) -> tuple[tuple[Judgement, ...], tuple[Selector, ...]]:
    """Separate the public from accounts and organizations that can do more with a key than it.

    A Deny or a guardrail may keep strangers out and spare the organization; then `*` is no access of the public.

    Args:
        callers: everybody who was judged, in order.
        partition: of the key.

    Returns:
        What the public can do, with everybody who can do no more; and the selectors of those who can.
    """
    groups: dict[Selector | None, list[Judgement]] = defaultdict(list)
    parts: dict[int, dict[Selector | None, Alike]] = {}
    selectors: dict[str, Selector | None] = {}
    for judgement in judgements:
        if judgement.crowd not in parts:
            parts[judgement.crowd] = _by_selector(judgement, selectors, population, partition)
        for selector, members in parts[judgement.crowd].items():
            groups[selector].append(judgement.of(members))
    order = _order_of(judgements, callers)
    for some in groups.values():
        some.sort(key=order)
    public = _strengths(groups[None])
    stronger = tuple(
        selector
        for selector, members in groups.items()
        if selector is not None and any(s > public.get(name, 0) for name, s in _strengths(members).items())
    )
    kept = sorted((m for s, m in groups.items() if m and s not in stronger), key=lambda some: order(some[0]))
    return tuple(j for some in kept for j in some), tuple(sorted(stronger))


def _order_of(judgements: Iterable[Judgement], callers: Sequence[Caller]) -> Callable[[Judgement], tuple[int, int]]:
    """The order in which judgements are told: action by action, in the order of their first callers."""
    actions = {name: place for place, name in enumerate(dict.fromkeys(j.action.name for j in judgements))}
    places = {id(caller): place for place, caller in enumerate(callers)}
    return lambda judgement: (actions[judgement.action.name], places[id(judgement.caller)])


def _by_selector(
    judgement: Judgement, known: dict[str, Selector | None], population: Population, partition: str
) -> dict[Selector | None, Alike]:
    """The callers of a judgement by who has to be named to mean them; `known` has what was found out by account."""
    found: dict[Selector | None, list[int]] = defaultdict(list)
    for place, caller in enumerate(judgement.callers):
        if caller.kind is PrincipalKind.ANY:
            found[None].append(place)
            continue
        if caller.account_id not in known:
            known[caller.account_id] = _selector_of_account(caller.account_id, population, partition)
        found[known[caller.account_id]].append(place)
    return {selector: judgement.whom.part(places) for selector, places in found.items()}


def _selector_of_account(account_id: str, population: Population, partition: str) -> Selector:
    organization = organization_of(population.world, account_id)
    if organization is not None:
        return Selector(organization.id, "organization")
    return selector_of(account_id, partition)


def _strengths(judgements: Sequence[Judgement]) -> dict[str, int]:
    found: dict[str, int] = {}
    for judgement in judgements:
        name = judgement.action.name
        found[name] = max(found.get(name, 0), strength(judgement.verdict))
    return found
