"""Which members of accounts are decided alike at every key of other accounts whose documents do not know them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import cast

from scanner.analyze.decision.ends import CallerEnd, Ends, KeyEnd, Pair
from scanner.analyze.decision.evaluation import ALL_SOURCES
from scanner.analyze.decision.every_action import DECISION, Rows
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.decision.sides import Sides
from scanner.analyze.decision.sights import CallerSight, Views
from scanner.analyze.decision.verdict import region_from_outside
from scanner.analyze.request.caller import Caller, account_of, may_be_service_linked
from scanner.analyze.request.context import RequestContext
from scanner.model.key import KeyFacts
from scanner.model.world import World

_Class = tuple[int, frozenset[str]]
"""The number of a class, and the ARNs of keys at which it counts for nothing."""


@dataclass(slots=True)
class _Family:
    """Documents of keys that look at the same condition keys of callers, once for those that test the same."""

    views: Views
    sights: dict[tuple[int, ...], CallerSight] = field(default_factory=dict)
    known: dict[int, int] = field(default_factory=dict)
    """By the number of a view what the tests come to."""


class Afar:
    """Sorts members of accounts by everything that decides about them at some keys from afar.

    From afar is a key of another account that names neither somebody's account nor somebody, by no policy and no grant,
    and of which no date decides. Two of one class have the same row there, without a look at the single key: what
    `Rows` looks up for each is equal. It holds as long as the sides of the world are kept.
    """

    def __init__(self, world: World, sides: Sides, keys: Iterable[KeyFacts], caller: Caller) -> None:
        self._world, self._sides, self._kept = world, sides, sides.kept
        self._ends = Ends(world, sides, {})
        self._rows = Rows(world, sides, ALL_SOURCES, DECISION, {})
        self._alone: set[str] = set()
        self._accounts: dict[str, set[str]] = defaultdict(set)
        self._marks: dict[str, set[str]] = defaultdict(set)
        self._families: dict[int, _Family] = {}
        self._keys: list[KeyEnd] = []
        self._regions: dict[Hashable, KeyFacts] = {}
        self._profiles: dict[int, tuple[dict[int, int], int, tuple[KeyFacts, ...]]] = {}
        self._of_accounts: dict[tuple[str, str], int] = {}
        self._apart: dict[Hashable, frozenset[str]] = {}
        self._of: dict[int, tuple[Caller, _Class | None]] = {}
        self._numbered: dict[int, _Class | None] = {}
        self._at = {key.arn: key for key in keys}
        for key in self._at.values():
            self._take(self._ends.of_key(Pair(world, caller, key, {})))

    @classmethod
    def at(cls, world: World, keys: Iterable[KeyFacts], caller: Caller) -> Afar | None:
        """The classes at some keys or at more, None where the world keeps no sides; any caller will do."""
        if not isinstance(world, RememberingWorld) or world.sides is None:
            return None
        wanted = tuple(keys)
        known = cast("list[Afar]", world.sides.kept.afar.setdefault(world.sides.where(world), []))
        for one in known:
            if one.covers(wanted):
                return one
        known.append(cls(world, world.sides, wanted, caller))
        return known[-1]

    @property
    def holds(self) -> bool:
        """Whether nothing was forgotten since."""
        return self._sides.kept is self._kept

    def covers(self, keys: Iterable[KeyFacts]) -> bool:
        """Whether each of some keys is one of those at which classes were made."""
        return all(self._at.get(key.arn) is key for key in keys)

    def _take(self, its: KeyEnd) -> None:
        arn, sights = its.key.arn, [its.sight, *([its.rcps] if its.rcps is not None else [])]
        granting = its.granting if its.granted_to_some else frozenset()
        if its.dated or granting is None or any(sight.individual for sight in sights):
            self._alone.add(arn)
            return
        for account in (its.key.account_id, *granting):
            self._accounts[account].add(arn)
        for sight in sights:
            accounts, marks = sight.known
            for account in accounts:
                self._accounts[account].add(arn)
            for mark in marks:
                self._marks[mark].add(arn)
            views = sight.views_of(self._ends.asked)
            family = self._families.setdefault(id(views), _Family(views))
            family.sights.setdefault(sight.asks, sight)
        self._keys.append(its)
        place = its.key.region, its.key.partition, account_of(self._world, its.key.account_id).default_regions
        self._regions.setdefault(place, its.key)

    def class_of(self, caller: Caller) -> _Class | None:
        """The class of a caller, and the ARNs of keys at which it counts for nothing: they know the caller.

        None for whoever is no member of an account, or of whose documents a date decides. Once something was forgotten,
        whoever is known by then stays in its class, and nobody comes to it: numbers mean something else now.
        """
        known = self._of.get(id(caller))
        if known is None:
            if not self.holds:
                return None
            known = self._of[id(caller)] = caller, self._class_of(caller)
        return known[1]

    def _class_of(self, caller: Caller) -> _Class | None:
        """The same for a caller whose object is not known."""
        if not self._keys:
            return None
        pair = Pair(self._world, caller, self._keys[0].key, {})
        mine = self._ends.callers.get(id(caller)) or self._ends.of_caller(pair)
        if mine.number not in self._numbered:
            self._numbered[mine.number] = self._worked_out(pair, mine)
        return self._numbered[mine.number]

    def _worked_out(self, pair: Pair, mine: CallerEnd) -> _Class | None:
        """The same for a caller that was not met before."""
        caller = pair.caller
        views = [next(iter(f.sights.values())).view_of(mine.number, self._ends.asked, pair.context)
                 for f in self._families.values()]  # fmt: skip
        marks = views[0].marks
        if mine.dated or marks is None:
            return None
        seen = tuple(
            family.known.get(view.elsewhere) or self._seen(family, view.elsewhere, pair.context())
            for family, view in zip(self._families.values(), views, strict=True)
        )
        facts = caller.kind, caller.partition, caller.session_policies == ()
        number = self._kept.number_of(("afar", facts, self._region(caller), self._said(pair, mine), seen))
        return number, self._apart_from(caller, marks)

    def _seen(self, family: _Family, view: int, context: RequestContext) -> int:
        """The number of what all tests of a family come to."""
        came = tuple(sight.comes_to(context) for sight in family.sights.values())
        caller = context.request.caller
        linked = caller.text if may_be_service_linked(caller) else caller.is_service_linked_role
        family.known[view] = self._kept.number_of(("seen from afar", linked, came))
        return family.known[view]

    def _region(self, caller: Caller) -> int:
        """The number of which Regions of the keys an account has enabled (R9.20)."""
        at = caller.account_id, caller.partition
        if at not in self._of_accounts:
            enabled = tuple(region_from_outside(self._world, caller, key) for key in self._regions.values())
            self._of_accounts[at] = self._kept.number_of(("regions", enabled))
        return self._of_accounts[at]

    def _said(self, pair: Pair, mine: CallerEnd) -> Hashable:
        """What the caller's documents say at each key, by number."""
        known = self._profiles.get(id(mine.saw))
        if known is None:
            saw = [self._saw(pair.caller, mine, its) for its in self._keys]
            first = {number: its.key for number, its in zip(reversed(saw), reversed(self._keys), strict=True)}
            known = mine.saw, self._kept.number_of(("saw", tuple(saw))), tuple(first.values())
            self._profiles[id(mine.saw)] = known
        _, profile, some = known
        said = tuple(self._rows.ground_of(pair.caller, key) for key in some)
        numbers = tuple(one[0] for one in said if one is not None)
        return numbers[0] if len({*numbers}) == 1 else (profile, numbers)

    def _saw(self, caller: Caller, mine: CallerEnd, its: KeyEnd) -> int:
        found = mine.saw.get(its.number)
        if found is None:
            pair = Pair(self._world, caller, its.key, {})
            found = mine.sight.of_key(its.number, self._ends.asked, pair.context)
        return found

    def _apart_from(self, caller: Caller, marks: tuple[str, ...]) -> frozenset[str]:
        known = tuple(mark for mark in marks if mark in self._marks)
        at = caller.account_id, known
        if at not in self._apart:
            here = self._accounts.get(caller.account_id, set())
            self._apart[at] = frozenset(self._alone.union(here, *(self._marks[mark] for mark in known)))
        return self._apart[at]
