"""Every action of a caller on a key decided at once, and once for all callers and keys that are decided from the same.

A side of a request says something for every action: a row of numbers, equal where all that a verdict takes is equal.
The row of a caller's side and the row of a key's side together give the row of verdicts (`design.md` section 6).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Generic, TypeVar, cast

from scanner.analyze.decision.decide import decide, decided_with, grants_of, refused_at_once, said_by_grants, settled
from scanner.analyze.decision.ends import LISTED, CallerEnd, Ends, KeyEnd, Pair, Said
from scanner.analyze.decision.evaluation import ALL_SOURCES, Evaluation, Sources
from scanner.analyze.decision.grants import operations_for
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.decision.sides import Sides
from scanner.analyze.decision.verdict import conclude
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS, Action, is_usable_with
from scanner.model.decision import Decision, Verdict
from scanner.model.key import KeyFacts
from scanner.model.world import World

T = TypeVar("T")
PLACES = {action.name: number for number, action in enumerate(KEY_ACTIONS)}
"""Where an action stands in a row."""
_UNGRANTED = (None,) * len(KEY_ACTIONS)

_Row = tuple[T, ...] | None
_Carried = Mapping[str, tuple[str, ...]]
ClassOf = Callable[[Caller], tuple[int, frozenset[str]] | None]
"""The class of a caller, and the keys at which it counts for nothing; see `scanner.analyze.decision.afar`."""


@dataclass(frozen=True, slots=True)
class Manner(Generic[T]):
    """What is worked out for each action.

    Args:
        kind: a name; see `scanner.analyze.decision.decide.settled` for what it may rest on.
        refused: makes it of the reason and the rule by which no policy has to be looked at.
        settle: makes it of an evaluation.
    """

    kind: str
    refused: Callable[[str, str], T]
    settle: Callable[[World, Request, Evaluation], T]


def every_action(
    world: World, caller: Caller, key: KeyFacts, sources: Sources, manner: Manner[T],
    context: _Carried | None = None,
) -> _Row[T]:  # fmt: skip
    """What is worked out for every action of the action table, in its order.

    Equal rows are the same object, wherever caller and key are.

    Args:
        context: what the request is said to carry, by lower-case name of the condition key.

    Returns:
        None where the world keeps no sides, or a date in some document may open later what is refused today (R5.26).
    """
    return every_action_each(world, ((caller, key),), sources, manner, context)[0]


def every_action_each(
    world: World, pairs: Iterable[tuple[Caller, KeyFacts]], sources: Sources, manner: Manner[T],
    context: _Carried | None = None,
) -> list[_Row[T]]:  # fmt: skip
    """The same for pairs of a caller and a key, in their order; cheapest where one of the two stays the same."""
    if not isinstance(world, RememberingWorld) or world.sides is None:
        return [None for _ in pairs]
    world.sides.make_room()
    with world.sides.at_work():
        rows = Rows(world, world.sides, sources, manner, context or {})
        return [rows.with_ground(caller, key)[0] for caller, key in pairs]


def alike_at(
    world: World, callers: Iterable[Caller], key: KeyFacts, sources: Sources, manner: Manner[T],
    context: _Carried | None = None, class_of: ClassOf | None = None,
) -> list[tuple[_Row[T], tuple[Caller, ...], tuple[object, ...]]]:  # fmt: skip
    """Callers sorted by their row at a key.

    Args:
        class_of: who surely has the same row at which keys, where that is known.

    Returns:
        Rows with the callers that have them, in the order of the first of these; and by caller the same object for
        those of whose documents the same statements match. Whoever has no row is alone.
    """
    if not isinstance(world, RememberingWorld) or world.sides is None:
        return [(None, (caller,), (object(),)) for caller in callers]
    world.sides.make_room()
    with world.sides.at_work():
        rows = Rows(world, world.sides, sources, manner, context or {})
        found: dict[int, tuple[_Row[T], list[Caller], list[object]]] = {}
        known: dict[int, _Row[T]] = {}
        for caller in callers:
            class_ = class_of(caller) if class_of else None
            if class_ is None or key.arn in class_[1]:
                row, said = rows.with_ground(caller, key)
            elif class_[0] in known:
                row, said = known[class_[0]], rows.ground_of(caller, key)
            else:
                row, said = rows.with_ground(caller, key)
                known[class_[0]] = row
            place = id(caller if row is None else row)
            share = found.get(place)
            if share is None:
                share = found[place] = row, [], []
            share[1].append(caller)
            share[2].append(said or object())
    return [(row, tuple(members), tuple(grounds)) for row, members, grounds in found.values()]


def grounds_at(world: World, callers: Sequence[Caller], key: KeyFacts) -> tuple[object, ...]:
    """By caller the same object for those of whose documents the same statements match at a key, as `alike_at` has it.

    For callers who are known to be alike.
    """
    if not isinstance(world, RememberingWorld) or world.sides is None:
        return tuple(object() for _ in callers)
    world.sides.make_room()
    with world.sides.at_work():
        rows = Rows(world, world.sides, ALL_SOURCES, DECISION, {})
        return tuple(rows.ground_of(caller, key) or object() for caller in callers)


DECISION = Manner("decision", lambda reason, rule: Decision(Verdict.DENIED, reason, rules=(rule,)), conclude)


def decisions(world: World, caller: Caller, key: KeyFacts) -> Callable[[Action], Decision]:
    """What is decided about any action of a caller on a key, as `decide` decides it without a trace."""
    row = every_action(world, caller, key, ALL_SOURCES, DECISION)

    def decided(action: Action) -> Decision:
        if row is not None and action.name in PLACES:
            return row[PLACES[action.name]]
        return decide(world, Request(caller, action.iam_name, key.arn, action=action, key=key), trace=False)

    return decided


@lru_cache(maxsize=1024)
def _is_known(usage: str, spec: str) -> bool:
    """Whether it is known of every action if keys of a kind can do it."""
    return all(is_usable_with(action, usage, spec) is not None for action in KEY_ACTIONS)


class Rows(Generic[T]):
    """The rows of any callers and keys in one manner. Nothing may be forgotten meanwhile."""

    def __init__(
        self, world: World, sides: Sides, sources: Sources, manner: Manner[T], carried: _Carried
    ) -> None:  # fmt: skip
        self._world, self._sides, self._kept = world, sides, sides.kept
        self._sources, self._manner, self._carried = sources, manner, carried
        self._ends = Ends(world, sides, carried)
        self._by_grant = "grant" in sources.mechanisms
        self._rows = sides.kept.rows.setdefault(manner.kind, {})
        self._said = sides.kept.key_rows.setdefault((self._ends.asked, sources), {})

    def with_ground(self, caller: Caller, key: KeyFacts) -> tuple[_Row[T], Said | None]:
        """What is worked out for every action, with what the caller's documents say; None where a date may count."""
        pair = Pair(self._world, caller, key, self._carried)
        mine = self._ends.callers.get(id(caller)) or self._ends.of_caller(pair)
        its = self._ends.keys.get(id(key)) or self._ends.of_key(pair)
        if mine.dated or its.dated:
            return None, None
        said = mine.said.get(mine.saw.get(its.number, -1)) or self._said_by_caller(pair, mine, its)
        own = self._said_by_key(pair, mine, its)
        granted = self._granted(pair, mine, its) if its.granted_to_some and self._by_grant else ()
        related = mine.by.get(its.place)
        if related is None:
            related = self._ends.relation(mine, its)
        place = (related, said[0], own[0], granted)
        found = self._rows.get(place)
        if found is None:
            told = zip(said[1], own[1], granted or _UNGRANTED, strict=True)
            known = self._kept.results.setdefault((self._manner.kind, related), {})
            found = self._rows[place] = self._worked_out(pair, tuple(told), known)
        return cast("tuple[T, ...]", found), said

    def ground_of(self, caller: Caller, key: KeyFacts) -> Said | None:
        """What the caller's documents say alone; None where a date may count."""
        known = self._ends.callers.get(id(caller)), self._ends.keys.get(id(key))
        if known[0] is not None and known[1] is not None and not (known[0].dated or known[1].dated):
            found = known[0].said.get(known[0].saw.get(known[1].number, -1))
            if found is not None:
                return found
        pair = Pair(self._world, caller, key, self._carried)
        mine = self._ends.callers.get(id(caller)) or self._ends.of_caller(pair)
        its = self._ends.keys.get(id(key)) or self._ends.of_key(pair)
        if mine.dated or its.dated:
            return None
        return mine.said.get(mine.saw.get(its.number, -1)) or self._said_by_caller(pair, mine, its)

    def _worked_out(
        self, pair: Pair, told: tuple[Hashable, ...], known: dict[Hashable, object]
    ) -> tuple[object, ...]:  # fmt: skip
        """The row that follows from what both sides and grants say of each action.

        Args:
            known: what is known to follow from it, for callers and keys that are related like these.
        """
        manner, found = self._manner, list[object]()
        for number, (said, refused) in enumerate(zip(told, self._refused(pair), strict=True)):
            if refused is None and said not in known:
                request = pair.request(number)
                settle = partial(manner.settle, self._world, request)
                known[said] = settled(self._world, request, self._sources, manner.kind, settle)
            found.append(known[said] if refused is None else refused)
        return tuple(found)

    def _refused(self, pair: Pair) -> tuple[object | None, ...]:
        """What no policy has to be looked at for, by action."""
        key, caller, known = pair.key, pair.caller, self._kept.refused
        place = (
            self._manner.kind, key.account_id == caller.account_id, caller.is_service,
            caller.partition == key.partition, key.manager, key.usage, key.spec,
        )  # fmt: skip
        if place not in known:
            refusals = (refused_at_once(pair.request(number)) for number in range(len(KEY_ACTIONS)))
            known[place] = tuple(refusal and self._manner.refused(*refusal) for refusal in refusals)
        return known[place]

    def _said_by_caller(self, pair: Pair, mine: CallerEnd, its: KeyEnd) -> Said:
        seen = mine.sight.of_key(its.number, self._ends.asked, pair.context)
        found = mine.said.get(seen)
        if found is None:
            said: dict[int, int] = {}
            for number in dict.fromkeys(mine.groups):
                context = RequestContext(self._world, pair.request(number))
                place = self._sides.place(context, mine.number, its.number)
                own = mine.own, mine.own_sight.of(place, context), place.how
                said[number] = self._sides.said_by_caller(own, place, context)
            row = tuple(said[number] for number in mine.groups)
            found = mine.said[seen] = self._kept.number_of(row), row
        return found

    def _said_by_key(self, pair: Pair, mine: CallerEnd, its: KeyEnd) -> Said:
        asked, guarded = self._ends.asked, -1
        if its.rcps is not None:
            known_guarded = mine.guarded.get(its.rcps)
            if known_guarded is None:
                known_guarded = mine.guarded[its.rcps] = its.rcps.of(mine.number, asked, pair.context)
            guarded = known_guarded
        number, view = mine.number, its.views.get(mine.number)
        if view is None:
            seen = its.sight.of(number, asked, pair.context)
        else:
            seen = its.sight.seen_of(view, number, pair.context)
        known = self._said.get(its.alike)
        if known is None:
            known = self._said[its.alike] = {}
        at = (seen, guarded, its.covered)
        found = known.get(at)
        if found is None:
            found = known[at] = self._worked_out_for_key(pair, mine, its)
        return found

    def _worked_out_for_key(self, pair: Pair, mine: CallerEnd, its: KeyEnd) -> Said:
        """What the key's side says of every action."""
        key, sources, told = its.key, self._sources, dict[int, Hashable]()
        for number in dict.fromkeys(its.groups):
            context = RequestContext(self._world, pair.request(number))
            side = self._sides.owner_side(self._sides.place(context, mine.number, its.number), context, key)
            said = side.said, sources.admitted(side.policy.matches, side.ram.matches)
            told[number] = self._kept.number_of(said)
        whole = (sources.mechanisms, key.manager, key.usage, key.spec)
        facts = self._facts(pair, its)
        at = (tuple(told.items()), its.groups, facts, whole)
        found = self._kept.key_said.get(at)
        if found is None:
            each = zip(its.groups, facts, strict=True)
            row = tuple([self._kept.number_of((told[group], fact, whole)) for group, fact in each])
            found = self._kept.key_said[at] = self._kept.number_of(row), row
        return found

    def _facts(self, pair: Pair, its: KeyEnd) -> tuple[int, ...]:
        """The numbers of what takes part of the key in a verdict about each action, beside policies and grants.

        Of a key that was read whole, and is of a known kind, that is the same for all of its state and kind.
        """
        key = its.key
        whole = key.grants_complete and not key.gaps and _is_known(key.usage, key.spec)
        at = (key.state, key.usage, key.spec) if whole else its.alike, self._sources.mechanisms
        facts = self._kept.facts.get(at)
        if facts is None:
            said = (decided_with(pair.request(n), key, self._sources) for n in range(len(KEY_ACTIONS)))
            facts = self._kept.facts[at] = tuple(map(self._kept.number_of, said))
        return facts

    def _granted(self, pair: Pair, mine: CallerEnd, its: KeyEnd) -> tuple[Hashable, ...]:
        """What grants give the caller, by action; empty where none concerns it."""
        caller = mine.caller
        if its.granting is not None and caller.kind in LISTED and caller.account_id not in its.granting:
            return ()
        granted = self._kept.granted
        at = (self._ends.where, its.number, mine.number, self._ends.asked, self._sources.grants)
        if at not in granted:
            may = operations_for(pair.key.grants or (), caller)
            given = {n: self._given(pair, n) for n in its.granted if KEY_ACTIONS[n].name in may}
            granted[at] = tuple(map(given.get, range(len(KEY_ACTIONS)))) if any(given.values()) else ()
        return granted[at]

    def _given(self, pair: Pair, number: int) -> Hashable:
        context = RequestContext(self._world, pair.request(number))
        said = said_by_grants(*grants_of(context, pair.key, self._sources))
        return said if any(said) else None
