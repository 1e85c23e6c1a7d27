"""What the outcome of a trial can depend on, as hashes: where they are equal, so is the outcome (decision 0010)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cached_property, lru_cache
from itertools import chain

from scanner.analyze.decision.moments import CLOCK
from scanner.analyze.decision.sights import is_damaged
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.values import epoch_seconds
from scanner.analyze.permissions.stand_ins import may_tell_keys_apart
from scanner.analyze.principals.approvals import in_date
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.analyze.statements.match import may_be_of
from scanner.model.arn import KeyArn, is_account_id, parse_arn
from scanner.model.coverage import Outcome
from scanner.model.key import KeyFacts
from scanner.model.launches import launch_actions
from scanner.model.policy import Effect, PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

EVERYWHERE = "*"
"""Stands for all accounts where many were looked at."""
_MOST_LISTED = 16
_APART = frozenset({"keys", "principals", "coverage", "as_of", "shared_keys"})
"""Facts of a world that do not count for every trial."""
_ASKED = frozenset({"kms", "iam", "sts", *(action.partition(":")[0] for action in launch_actions())})
"""The services that requests are asked of: keys, identities, roles, and what runs something with a passed role."""
_ONLY_SHOWN = frozenset({"description", "created", "last_used"})
"""Facts of a key that findings show and nothing is decided by; the last use is another one every day."""
_DATES = tuple(name.removeprefix("aws:") for name in CLOCK)
_READ = frozenset({Outcome.OK, Outcome.EMPTY})
_Dates = frozenset[float] | None
"""In seconds since 1970; None stands for any."""


class Inputs:
    """Hashes of one world and the rules that it is judged by; what is far from a trial is left out where that is sure.

    Everything counts in the order in which the world has it: another order is another input.
    """

    def __init__(self, population: Population, trust: Trust, rules: object) -> None:
        self._world: World = population.world
        self._population, self._trust, self._rules = population, trust, rules
        self._keys: dict[KeyArn, str] = {}
        self._in_world: dict[tuple[KeyArn, ...], str] = {}
        self._places: dict[str, tuple[str, Collection[_Dates]]] = {}

    def at_key(self, key: KeyFacts, looked_at: Collection[str]) -> str:
        """Everything that trials at a key can depend on beside finding and edit (R3.70).

        Args:
            looked_at: accounts, and unique ids, whose principals were asked about; the key's own account counts anyway.
        """
        places = sorted({key.account_id, *looked_at})
        dates = [*self._dates_above, *_dates_of_key(key), *chain.from_iterable(map(self._dates_of, places))]
        return digest((
            self._surroundings, _time_among(dates, self._world.as_of), self._of_key(key), self._kin_of(key),
            [(place, self._of_place(place)) for place in places],
        ))  # fmt: skip

    def in_world(self, keys: tuple[KeyArn, ...]) -> str:
        """Everything that judging all principals on some keys can depend on; what is not listed in coverage counts."""
        if keys not in self._in_world:
            chosen = [self._world.keys[arn] for arn in keys]
            of_keys = chain.from_iterable(map(_dates_of_key, chosen))
            dates = [*self._dates_above, *self._dates_of(EVERYWHERE), *of_keys]
            self._in_world[keys] = digest((
                self._surroundings, _time_among(dates, self._world.as_of), [self._of_key(key) for key in chosen],
                self._of_place(EVERYWHERE), self._ledger,
            ))  # fmt: skip
        return self._in_world[keys]

    def change_to(self, other: World) -> str:
        """What another world has otherwise than this one."""
        found = []
        for name in (f.name for f in fields(World)):
            old, new = getattr(self._world, name), getattr(other, name)
            if old is new:
                continue
            if isinstance(old, Mapping):
                gone = [place for place in old if place not in new]
                found.append((name, gone, [(place, new[place]) for place in new if old.get(place) != new[place]]))
            else:
                found.append((name, [], new))
        return digest(found)

    # -- the world ---------------------------------------------------------------------------------------------------

    @cached_property
    def _surroundings(self) -> str:
        """What counts everywhere: accounts, organizations, what is asserted, and the rules with approvals as of now."""
        facts = [(f.name, getattr(self._world, f.name)) for f in fields(World) if f.name not in _APART]
        ends = [a.expires for a in self._trust.approvals] + [p.expires for p in self._trust.providers]
        return digest((facts, self._rules, [in_date(end, self._world.as_of) for end in ends]))

    @cached_property
    def _dates_above(self) -> Collection[_Dates]:
        """What service and resource control policies do with the time of a request."""
        attached = chain.from_iterable((o.scps, o.rcps) for o in self._world.organizations)
        return {dates_of(p) for targets in attached for held in (targets or {}).values() for p in held}

    @cached_property
    def _ledger(self) -> str:
        """What was not read, left out or listed as a whole: other rows say only that some part of it was read."""
        told = [(r.ref, r.outcome) for r in self._world.coverage if not r.subject or r.outcome not in _READ]
        return digest((told, self._world.shared_keys))

    # -- keys ----------------------------------------------------------------------------------------------------------

    def _of_key(self, key: KeyFacts) -> str:
        if key.arn not in self._keys:
            self._keys[key.arn] = digest(key)
        return self._keys[key.arn]

    @cached_property
    def _families(self) -> Mapping[tuple[str, str], list[KeyFacts]]:
        found: dict[tuple[str, str], list[KeyFacts]] = {}
        for one in self._world.keys.values():
            if one.family:
                found.setdefault((one.account_id, one.family), []).append(one)
        return found

    def _kin_of(self, key: KeyFacts) -> object:
        """The tags of related multi-Region keys: severities may count them (R9.8)."""
        related = self._families.get((key.account_id, key.family), ())
        return [(one.arn, one.region, one.tags) for one in related if one.arn != key.arn]

    # -- principals ----------------------------------------------------------------------------------------------------

    @cached_property
    def _principals(self) -> Mapping[str, list[tuple[str, PrincipalFacts]]]:
        """By account: the one that a principal belongs to, and the one that its ARN names."""
        found: dict[str, list[tuple[str, PrincipalFacts]]] = {}
        for arn, facts in self._world.principals.items():
            named = parse_arn(arn)
            for account in {str(facts.account_id), str(named.account_id) if named else ""}:
                found.setdefault(account, []).append((arn, facts))
        return found

    def _known(self, place: str) -> tuple[str, Collection[_Dates]]:
        """The hash of what principals of a place are, and what documents there do with the time of a request."""
        if place not in self._places:
            if place == EVERYWHERE:
                everybody: Iterable[tuple[str, PrincipalFacts]] = self._world.principals.items()
            else:
                everybody = self._principals.get(place, ())
            told, dates = hashlib.sha256(), set[_Dates]()
            for arn, facts in everybody:
                told.update(digest((arn, facts, self._world.principals.get(facts.parent))).encode())
                dates.update(map(dates_of, _documents_of(facts)))
            self._places[place] = told.hexdigest(), dates
        return self._places[place]

    def _of_place(self, place: str) -> str:
        if place == EVERYWHERE or is_account_id(place):
            return self._known(place)[0]
        return self._population.holder_of(place) or ""

    def _dates_of(self, place: str) -> Collection[_Dates]:
        return self._known(place)[1] if place == EVERYWHERE or is_account_id(place) else ()


def listed(places: Collection[str]) -> tuple[str, ...]:
    """The places as they are written down: beyond a number of them, everywhere."""
    return (EVERYWHERE,) if len(places) > _MOST_LISTED or EVERYWHERE in places else tuple(sorted(places))


# -- dates ------------------------------------------------------------------------------------------------------------


def _documents_of(facts: PrincipalFacts) -> Iterator[PolicyText]:
    alone = (p for p in (facts.boundary, facts.trust_policy) if p is not None)
    yield from (*facts.identity_policies, *(facts.session_policies or ()), *alone)


def _dates_of_key(key: KeyFacts) -> Iterator[_Dates]:
    return (dates_of(p) for p in (key.key_policy, key.ram_policy) if p is not None)


@lru_cache(maxsize=65536)
def dates_of(policy: PolicyText) -> _Dates:
    """The dates that a document compares the time of a request with; None where it may use the time otherwise (R5.26).

    An escape may hide the name of a key; a variable puts the time into other texts, and those have no sides.
    """
    text = policy.text.lower()
    named = sum(text.count(name) for name in _DATES)
    if "\\u" not in text and not named:
        return frozenset()
    tests = [t for s in parse_policy(policy).statements for t in s.conditions if t.key.lower() in CLOCK]
    if "\\u" in text or len(tests) < named or not all(t.operator.startswith("Date") for t in tests):
        return None
    try:
        return frozenset(epoch_seconds(value) for t in tests for value in t.values)
    except ValueError:
        return None


def _time_among(dates: Collection[_Dates], as_of: str) -> object:
    """All that documents can tell of the evaluation time: of each date, on which side it is; else the time itself.

    A request carries the time with and without fractions of a second, by the condition key.
    """
    if None in dates:
        return as_of
    now = epoch_seconds(as_of)
    each = sorted({date for some in dates if some for date in some})
    return [(now < date, now == date, int(now) < date, int(now) == date) for date in each]


# -- what no trial looks at -------------------------------------------------------------------------------------------


@lru_cache(maxsize=65536)
def stands_aside(policy: PolicyText) -> bool:
    """Whether an identity policy can decide nothing that is asked: only its name and place count, not what it says.

    It has to be read as a whole, to allow only actions of services of which nothing is asked, and to hold nothing for
    which documents are searched as text: a Deny of anything limits what rewritten permissions are worth (R8.9).
    """
    if is_damaged(policy) or dates_of(policy) != frozenset() or may_tell_keys_apart(policy):
        return False
    statements = parse_policy(policy).statements
    asked = any(may_be_of(s, service) for s in statements for service in _ASKED)
    return not asked and all(s.effect is Effect.ALLOW for s in statements)


def _facts_that_count(thing: object) -> list[object]:
    """What a dataclass holds, without what is only shown and what policies say that stand aside."""
    names = _names_that_count(type(thing))  # type: ignore[arg-type]  # mypy takes a class for one of its instances
    if not isinstance(thing, PrincipalFacts):
        return [getattr(thing, name) for name in names]
    held = [[p.kind, p.source, p.name] if stands_aside(p) else p for p in thing.identity_policies]
    return [held, *(getattr(thing, name) for name in names if name != "identity_policies")]


@lru_cache(maxsize=64)
def _names_that_count(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass that are not only shown."""
    shown = _ONLY_SHOWN if issubclass(kind, KeyFacts) else ()
    return tuple(f.name for f in fields(kind) if f.name not in shown)


# -- hashes -----------------------------------------------------------------------------------------------------------


def digest(thing: object) -> str:
    """A hash of facts made of dataclasses, texts, numbers and collections of them; equal where all that counts is."""
    return hashlib.sha256(_ENCODER.encode(thing).encode("ascii")).hexdigest()


def _plain(thing: object) -> object:
    if isinstance(thing, PolicyText):
        return _of_policy(thing)
    if is_dataclass(thing):
        return [type(thing).__name__, _facts_that_count(thing)]
    if isinstance(thing, frozenset | set):
        return ["set", sorted(map(digest, thing))]
    if isinstance(thing, Mapping):
        return dict(thing)
    msg = f"no facts: {type(thing).__name__}"
    raise TypeError(msg)


_ENCODER = json.JSONEncoder(default=_plain, separators=(",", ":"), check_circular=False)


@lru_cache(maxsize=65536)
def _of_policy(policy: PolicyText) -> str:
    """The text itself counts, whatever hash it is kept under; it is gone through once."""
    return digest([getattr(policy, f.name) for f in fields(policy)])
