"""What a role can do with keys: every action on every key that could concern it, judged once (R7.8 to R7.10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import NamedTuple

from scanner.analyze.decision.afar import Afar
from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.evaluation import ALL_SOURCES
from scanner.analyze.decision.every_action import DECISION, PLACES, every_action_each
from scanner.analyze.decision.remembered import remembered
from scanner.analyze.paths.forms import AS_IT_IS, Form, identity_of, world_in
from scanner.analyze.paths.hops import ASLEEP, NEVER, now_or_later, rank_of
from scanner.analyze.paths.opening import ANYBODY, Allowed, Doors, actions_of, doors_of
from scanner.analyze.request.caller import Caller, resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS, Action
from scanner.model.decision import Decision
from scanner.model.key import KeyFacts
from scanner.model.value import value_class
from scanner.model.world import World

_WAKING = {"Disabled": ("EnableKey",), "PendingDeletion": ("CancelKeyDeletion", "EnableKey")}
"""What it takes to make a key of a state usable again."""


@value_class
class Use:
    """One action that a role can, could or may do with a key, and how strong the decision is.

    `woken` says that the key's state stops the action today, and that the role may change the state (R8.10).
    """

    action: Action
    decision: Decision
    rank: int
    woken: bool = False


_Row = tuple[Decision, ...]


class _Opened(NamedTuple):
    """A key, the actions that it opens to somebody, and the key as it is once it is woken."""

    key: KeyFacts
    wanted: frozenset[str]
    awake: KeyFacts


class Uses(NamedTuple):
    """What somebody can do by key ARN; nothing that is surely refused.

    `own` holds what was judged for it alone. `shared` is the same object for all who are alike from afar, and what it
    says of the keys in `apart` is not about this one; it grows as others of these are judged.
    """

    own: Mapping[str, tuple[Use, ...]]
    shared: Mapping[str, tuple[Use, ...]]
    apart: frozenset[str]

    def by_key(self) -> dict[str, tuple[Use, ...]]:
        """All of it."""
        return {**{arn: uses for arn, uses in self.shared.items() if arn not in self.apart}, **self.own}


FEW_KEYS = 3
"""As many keys open to anybody are looked at one by one: that is as cheap as to find the class of each caller."""
_NO_USES: Mapping[str, tuple[Use, ...]] = {}
_NO_KEYS: Mapping[str, KeyFacts] = {}


class _Share:
    """What all of a class can do from afar; `missing` are keys that everybody asked about so far is apart from."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.uses: dict[str, tuple[Use, ...]] = {}
        self.missing = frozenset(keys)


class RoleUse:
    """Judges roles on the given keys, each role and key once; roles that decide alike share the answer."""

    def __init__(self, world: World, keys: Iterable[KeyFacts]) -> None:
        self._world = world
        self._doors: dict[str, Doors] = {}
        self._by_account: dict[str, dict[str, KeyFacts]] = defaultdict(dict)
        self._uses: dict[tuple[int, int, frozenset[str], str], tuple[_Row, _Row, tuple[Use, ...]]] = {}
        self._of: dict[str, Uses] = {}
        self._opened_to: dict[tuple[str, Allowed, frozenset[str]], Mapping[str, _Opened]] = {}
        self._awake: dict[str, KeyFacts] = {}
        self._afar: Afar | None = None
        self._shares: dict[int, _Share] = {}
        for key in sorted(keys, key=lambda key: key.arn):
            if key.manager != "AWS":
                doors = self._doors[key.arn] = doors_of(key)
                if key.state in _WAKING:
                    self._awake[key.arn] = replace(key, state="Enabled")
                for account in doors.accounts:
                    self._by_account[account][key.arn] = key
        self._anybodys = frozenset(self._by_account.get(ANYBODY, ()))
        self._owned: dict[str, set[str]] = defaultdict(set)
        for arn in self._anybodys:
            self._owned[self._doors[arn].owner].add(arn)

    @property
    def accounts(self) -> frozenset[str]:
        """The accounts of which some identity may use one of the keys; `*` among them stands for any."""
        return frozenset(account for account, keys in self._by_account.items() if keys)

    def on_terms_of(self, form: Form) -> RoleUse:
        """The same for identities that changes gave a form."""
        other = copy(self)
        other._world = world_in(self._world, form)
        other._of = {}
        return other

    def of(self, role_arn: str) -> Uses:
        """What a session of the role can do."""
        if role_arn not in self._of:
            caller = resolve_caller(self._world, role_arn)
            self._of[role_arn] = self._judged(caller, actions_of(caller))
        return self._of[role_arn]

    def _judged(self, caller: Caller, allowed: Allowed) -> Uses:
        """At keys that are open to anybody once for all who are alike there, at others by itself."""
        anywhere = frozenset(one for one in allowed if one[0] == ANYBODY)
        opened = self._opened("", anywhere, self._anybodys)
        shared, apart = _NO_USES, self._close_to(caller.account_id, allowed - anywhere)
        if opened:
            alike = self._class_of(caller) if len(self._anybodys) > FEW_KEYS else None
            if alike is None:
                apart = self._anybodys
            else:
                apart |= alike[1] & self._anybodys  # classes may have been made at more keys
                shared = self._shared(caller, alike[0], apart, opened)
        near = self._opened(caller.account_id, allowed, apart)
        return Uses(dict(self._uses_of(caller, tuple(near.values()))), shared, apart)

    def _close_to(self, account_id: str, meant: Allowed) -> frozenset[str]:
        """Keys open to anybody at which somebody may ask for other actions than who is alike from afar.

        They are of its account, or its IAM means keys of their account alone.
        """
        owners = (account_id, *(owner for owner, _ in meant))
        return frozenset().union(*(self._owned.get(owner, ()) for owner in owners))

    def _shared(
        self, caller: Caller, class_: int, apart: frozenset[str], opened: Mapping[str, _Opened]
    ) -> Mapping[str, tuple[Use, ...]]:
        """What everybody of a class can do from afar, at all keys but those the callers so far were apart from."""
        share = self._shares.setdefault(class_, _Share(self._anybodys))
        fresh = share.missing - apart
        if fresh:
            wanted = [one for arn, one in opened.items() if arn in fresh]
            share.uses.update(self._uses_of(caller, wanted))
            share.missing = share.missing & apart
        return share.uses

    def _class_of(self, caller: Caller) -> tuple[int, frozenset[str]] | None:
        """Who is judged alike at the keys that are open to anybody; see `Afar.class_of`."""
        if self._afar is None or not self._afar.holds:
            self._afar = Afar.at(self._world, self._by_account[ANYBODY].values(), caller)
            self._shares.clear()
        return self._afar.class_of(caller) if self._afar else None

    def _opened(self, account_id: str, allowed: Allowed, anybodys: frozenset[str]) -> Mapping[str, _Opened]:
        """The keys that open something to an identity of an account whose IAM allows some actions, in order.

        Args:
            anybodys: which of the keys that are open to anybody are meant as well.
        """
        place = account_id, allowed, anybodys
        if place not in self._opened_to:
            of_all, own = self._by_account.get(ANYBODY, _NO_KEYS), self._by_account.get(account_id, _NO_KEYS)
            near = {**own, **{arn: of_all[arn] for arn in anybodys}}
            wanted = ((near[arn], self._doors[arn].open_to(account_id, allowed)) for arn in sorted(near))
            found = (_Opened(key, actions, self._awake.get(key.arn, key)) for key, actions in wanted if actions)
            self._opened_to[place] = {one.key.arn: one for one in found}
        return self._opened_to[place]

    def _uses_of(self, caller: Caller, opened: Sequence[_Opened]) -> Iterator[tuple[str, tuple[Use, ...]]]:
        rows = every_action_each(self._world, ((caller, one.key) for one in opened), ALL_SOURCES, DECISION)
        asleep = [one for one in opened if one.awake is not one.key]
        woken = every_action_each(self._world, ((caller, one.awake) for one in asleep), ALL_SOURCES, DECISION)
        awake = {one.key.arn: row for one, row in zip(asleep, woken, strict=True)}
        for one, row in zip(opened, rows, strict=True):
            arn = one.key.arn
            uses = self._one_by_one(caller, one) if row is None else self._use(one, row, awake.get(arn) or row)
            if uses:
                yield arn, uses

    def _one_by_one(self, caller: Caller, one: _Opened) -> tuple[Use, ...]:
        found = (_judge(self._world, caller, one.key, a) for a in KEY_ACTIONS if a.name in one.wanted)
        strong = tuple(use for use in found if use.rank > NEVER)
        return _woken(one.key.state, strong, lambda a: _judge(self._world, caller, one.awake, a))

    def _use(self, one: _Opened, row: _Row, awake: _Row) -> tuple[Use, ...]:
        place = (id(row), id(awake), one.wanted, one.key.state)
        found = self._uses.get(place)
        if found is None:
            known = tuple(_use(a, row[n]) for n, a in enumerate(KEY_ACTIONS) if a.name in one.wanted)
            strong = tuple(use for use in known if use.rank > NEVER)
            uses = _woken(one.key.state, strong, lambda a: _use(a, awake[PLACES[a.name]]))
            found = self._uses[place] = row, awake, uses
        return found[2]


def _use(action: Action, decision: Decision) -> Use:
    return Use(action, decision, rank_of(decision))


class UseByForm:
    """What identities can do with keys by node of the access graph: as they are, and as changes make them."""

    def __init__(self, world: World, keys: Iterable[KeyFacts]) -> None:
        self._by_form = {AS_IT_IS: RoleUse(world, keys)}

    @property
    def accounts(self) -> frozenset[str]:
        """The accounts of which some identity may use one of the keys; `*` among them stands for any."""
        return self._by_form[AS_IT_IS].accounts

    def of(self, node: str) -> Uses:
        """What a session can do."""
        arn, form = identity_of(node)
        if form not in self._by_form:
            self._by_form[form] = self._by_form[AS_IT_IS].on_terms_of(form)
        return self._by_form[form].of(arn)


def request_on(caller: Caller, key: KeyFacts, action: Action) -> Request:
    """What is asked: may a session do the action with the key."""
    return Request(caller, action.iam_name, key.arn, action=action, key=key)


def _judge(world: World, caller: Caller, key: KeyFacts, action: Action) -> Use:
    request = request_on(caller, key, action)
    decision = remembered(
        world, request, "use", lambda: now_or_later(world, request, lambda then: decide(then, request, trace=False))
    )  # fmt: skip
    return _use(action, decision)


def _woken(state: str, uses: tuple[Use, ...], awake: Callable[[Action], Use]) -> tuple[Use, ...]:
    """The uses with those that sleep with the key as strong as they are for whoever wakes it first (R8.10).

    Args:
        state: of the key.
        awake: the use of an action once the key is awake.
    """
    waking = {use.action.name: use for use in uses if use.rank > ASLEEP}
    needed = [waking.get(name) for name in _WAKING.get(state, ())]
    if not needed or None in needed:
        return uses
    found: list[Use] = []
    for use in uses:
        if use.rank == ASLEEP and use.decision.reason == "key_state":
            then = awake(use.action)
            steps = [then, *(w for w in needed if w)]
            conditions = dict.fromkeys(s.decision.condition for s in steps if s.decision.condition)
            decision = replace(then.decision, condition="; ".join(conditions), rules=(*then.decision.rules, "R8.10"))
            found.append(Use(use.action, decision, min(s.rank for s in steps), woken=True))
        else:
            found.append(use)
    return tuple(found)
