"""What a role can do with keys: every action on every key that could concern it, judged once (R7.8 to R7.10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.evaluation import ALL_SOURCES
from scanner.analyze.decision.every_action import DECISION, PLACES, every_action_each
from scanner.analyze.decision.remembered import remembered
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.forms import AS_IT_IS, Form, identity_of, world_in
from scanner.analyze.paths.hops import ASLEEP, NEVER, now_or_later, rank_of
from scanner.analyze.principals.selectors import operations_by_selector, selector_of, selectors_of
from scanner.analyze.request.caller import Caller, resolve_caller
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import covers_action
from scanner.model.actions import KEY_ACTIONS, Action
from scanner.model.arn import is_account_id, parse_arn
from scanner.model.decision import Decision
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect, PolicyText
from scanner.model.world import World

_EVERYTHING = frozenset(action.name for action in KEY_ACTIONS)
_RETIRING = frozenset({"RetireGrant"})
_NOTHING: frozenset[str] = frozenset()
_NO_ROLE = frozenset({"service", "malformed"})
_WAKING = {"Disabled": ("EnableKey",), "PendingDeletion": ("CancelKeyDeletion", "EnableKey")}
"""What it takes to make a key of a state usable again."""


@dataclass(frozen=True, slots=True)
class Use:
    """One action that a role can, could or may do with a key, and how strong the decision is.

    `woken` says that the key's state stops the action today, and that the role may change the state (R8.10).
    """

    action: Action
    decision: Decision
    rank: int
    woken: bool = False


_Allowed = frozenset[tuple[str, frozenset[str]]]
"""Actions on keys that IAM may allow somebody, by the account whose keys are meant; `*` stands for any account."""
_WHATEVER: _Allowed = frozenset({("*", _EVERYTHING)})


@dataclass(slots=True)
class _Doors:
    """Which actions a key opens to an account; accounts by id, `*`.

    They are handed over to its IAM, to somebody whom a policy names, or to whom a grant concerns.
    """

    owner: str
    delegated: dict[str, frozenset[str]] = field(default_factory=lambda: defaultdict(frozenset))
    named: dict[str, frozenset[str]] = field(default_factory=lambda: defaultdict(frozenset))
    granted: dict[str, frozenset[str]] = field(default_factory=lambda: defaultdict(frozenset))

    @property
    def accounts(self) -> Iterator[str]:
        """The accounts to which something is open."""
        return chain(self.delegated, self.named, self.granted)

    def open_to(self, account_id: str, allowed: _Allowed) -> frozenset[str]:
        """Actions that could be decided other than by a refusal, for an identity whose IAM allows some.

        In the key's own account a policy that names somebody is enough; from outside IAM has to allow it too (R3.20,
        R3.22), where no grant does (R4.11).
        """
        handed = self.delegated.get(account_id, _NOTHING)
        named = self.named.get(account_id, _NOTHING) | self.named.get("*", _NOTHING)
        granted = self.granted.get(account_id, _NOTHING) | self.granted.get("*", _NOTHING)
        by_iam = _NOTHING.union(*(actions for owner, actions in allowed if owner in {"*", self.owner}))
        if account_id == self.owner:
            return (handed & by_iam) | named | granted
        return ((handed | named) & by_iam) | granted


_Row = tuple[Decision, ...]


class _Opened(NamedTuple):
    """A key, the actions that it opens to somebody, and the key as it is once it is woken."""

    key: KeyFacts
    wanted: frozenset[str]
    awake: KeyFacts


class RoleUse:
    """Judges roles on the given keys, each role and key once; roles that decide alike share the answer."""

    def __init__(self, world: World, keys: Iterable[KeyFacts]) -> None:
        self._world = world
        self._doors: dict[str, _Doors] = {}
        self._by_account: dict[str, dict[str, KeyFacts]] = defaultdict(dict)
        self._uses: dict[tuple[int, int, frozenset[str], str], tuple[_Row, _Row, tuple[Use, ...]]] = {}
        self._of: dict[str, dict[str, tuple[Use, ...]]] = {}
        self._opened_to: dict[tuple[str, _Allowed], Sequence[_Opened]] = {}
        self._awake: dict[str, KeyFacts] = {}
        for key in sorted(keys, key=lambda key: key.arn):
            if key.manager != "AWS":
                doors = self._doors[key.arn] = _doors_of(key)
                if key.state in _WAKING:
                    self._awake[key.arn] = replace(key, state="Enabled")
                for account in doors.accounts:
                    self._by_account[account][key.arn] = key

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

    def of(self, role_arn: str) -> Mapping[str, tuple[Use, ...]]:
        """By key ARN what a session of the role can do; nothing that is surely refused."""
        if role_arn not in self._of:
            caller = resolve_caller(self._world, role_arn)
            self._of[role_arn] = dict(self._uses_of(caller, self._opened(caller.account_id, _actions_of(caller))))
        return self._of[role_arn]

    def _opened(self, account_id: str, allowed: _Allowed) -> Sequence[_Opened]:
        """The keys that open something to an identity of an account whose IAM allows some actions, in order."""
        found = self._opened_to.get((account_id, allowed))
        if found is None:
            near = {**self._by_account.get(account_id, {}), **self._by_account.get("*", {})}
            wanted = ((near[arn], self._doors[arn].open_to(account_id, allowed)) for arn in sorted(near))
            found = [_Opened(key, actions, self._awake.get(key.arn, key)) for key, actions in wanted if actions]
            self._opened_to[account_id, allowed] = found
        return found

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

    def of(self, node: str) -> Mapping[str, tuple[Use, ...]]:
        """By key ARN what a session can do; nothing that is surely refused."""
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


def _actions_of(caller: Caller) -> _Allowed:
    """Actions on keys that the identity policies may allow; all of them where they were not read."""
    if not caller.collected:
        return _WHATEVER
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for policy in caller.identity_policies:
        for account, actions in _actions_in(policy):
            found[account] |= actions
    return frozenset(found.items())


@lru_cache(maxsize=65536)
def _actions_in(policy: PolicyText) -> _Allowed:
    document = parse_policy(policy)
    if document.problems:
        return _WHATEVER
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for statement in document.statements:
        if statement.effect is not Effect.DENY:
            actions = frozenset(a.name for a in KEY_ACTIONS if covers_action(statement, a.iam_name))
            for account in {_account_in(e.value) for e in statement.resources or ()} if statement.resources else {"*"}:
                found[account] |= actions
    return frozenset((account, actions) for account, actions in found.items() if actions)


def _account_in(resource: str) -> str:
    """The account that stands between the colons of every ARN a resource of a policy may mean; `*` for any.

    What stands there is taken as it is written: variables count only after it (R5.31).
    """
    arn = parse_arn(resource)
    return arn.account_id if arn is not None and is_account_id(arn.account_id) else "*"


def _doors_of(key: KeyFacts) -> _Doors:
    """What a key opens to whom; what was not read of it counts as handed over to its account (R2.2).

    An unread policy is no claim about anybody in particular: the key is opaque and counted as such.
    """
    doors = _Doors(key.account_id)
    for policy in (key.key_policy, key.ram_policy):
        if policy is not None:
            _read(policy, key, doors)
    if key.key_policy is None or not key.ram_policy_read:
        doors.delegated[key.account_id] |= _EVERYTHING
    for grant in key.grants or ():
        for selector, operations in operations_by_selector(grant, key.partition).items():
            if selector.kind not in _NO_ROLE:
                doors.granted[selector.account_id or "*"] |= frozenset(operations)
        doors.granted[key.account_id] |= _RETIRING  # the owner may leave it to IAM as well (R4.22)
    if not key.grants_complete:  # one that was not read may give it to whom a policy names
        for account, actions in tuple(doors.named.items()):
            doors.granted[account] |= actions
    return doors


def _read(policy: PolicyText, key: KeyFacts, doors: _Doors) -> None:
    document = parse_policy(policy)
    if document.problems:
        doors.delegated[key.account_id] |= _EVERYTHING
    for statement in document.statements:
        if statement.effect is Effect.DENY:
            continue
        actions = frozenset(a.name for a in KEY_ACTIONS if covers_action(statement, a.iam_name))
        everybody = any(
            e.type == "*" for e in statement.principals or ()
        )  # also where the account is written beside it
        entries = () if everybody else statement.principals or ()
        written = {selector_of(e.value, key.partition) for e in entries if e.type == "AWS"}
        for selector in selectors_of(statement, key.partition):
            if selector.kind == "account" and selector in written:
                doors.delegated[selector.account_id] |= actions
            elif selector.kind not in _NO_ROLE:
                doors.named[selector.account_id or "*"] |= actions
