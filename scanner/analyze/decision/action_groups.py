"""Actions on a key that nothing in a decision tells apart: decided once, true for all of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from functools import lru_cache

from scanner.analyze.decision.grants import is_constrained_by_context
from scanner.analyze.decision.layers import guardrails_of
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.dependence import looked_at
from scanner.analyze.statements.match import covers_action
from scanner.model.actions import KEY_ACTIONS, Action, is_usable_with, state_blocks
from scanner.model.conditions import find_condition_key
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.world import World

_BY_NAME = frozenset({"RetireGrant", "Encapsulate", "Decapsulate"})
"""Decided by rules of their own, whatever the documents say (R4.22, R1.2)."""

_Side = tuple[tuple[Hashable, ...], frozenset[str]]
"""What one side of a decision tells apart: a value per action, and the condition keys that it looks at."""


class ActionGroups:
    """Sorts actions into groups, caller by caller and key by key (`design.md` section 6).

    Two actions share a group if every statement and grant covers both or neither, the key's kind and state treat them
    alike, and every condition key that a document looks at exists for both or for neither. Whether an action is refused
    without looking at any policy is not part of it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._callers: dict[str, int] = {}
        self._keys: dict[str, int] = {}
        self._numbers: dict[_Side, int] = {}
        self._sides: list[_Side] = []
        self._groups: dict[tuple[int, int], Mapping[str, Hashable]] = {}

    def afresh(self) -> ActionGroups:
        """The same for keys whose documents are others than those seen so far; what callers are like is kept."""
        other = ActionGroups(self._world)
        other._callers, other._groups = self._callers, self._groups
        other._numbers, other._sides = self._numbers, self._sides
        return other

    def of(self, caller: Caller, key: KeyFacts) -> Mapping[str, Hashable]:
        """The group of every action on keys, by name; an action that this version does not know has none."""
        mine = self._callers.get(caller.text)
        if mine is None:
            mine = self._callers[caller.text] = self._number(self._of_caller(caller))
        its = self._keys.get(key.arn)
        if its is None:
            its = self._keys[key.arn] = self._number(self._of_key(key))
        place = (mine, its)
        if place not in self._groups:
            self._groups[place] = _together(self._sides[mine], self._sides[its])
        return self._groups[place]

    def _number(self, side: _Side) -> int:
        if side not in self._numbers:
            self._numbers[side] = len(self._sides)
            self._sides.append(side)
        return self._numbers[side]

    def _of_caller(self, caller: Caller) -> _Side:
        bound = () if caller.boundary is None else (caller.boundary,)
        own = (*caller.identity_policies, *(caller.session_policies or ()), *bound)
        return _side((*own, *guardrails_of(self._world, caller.account_id, "scps")))

    def _of_key(self, key: KeyFacts) -> _Side:
        own = (p for p in (key.key_policy, key.ram_policy) if p is not None)
        told, looked_at = _side((*own, *guardrails_of(self._world, key.account_id, "rcps")))
        return tuple(zip(told, (_by_facts(a, key) for a in KEY_ACTIONS), strict=True)), looked_at


def _by_facts(action: Action, key: KeyFacts) -> Hashable:
    """What the key itself makes of an action: its grants, its kind and its state."""
    grants = tuple(g.grant_id for g in key.grants or () if action.name in g.operations)
    constrained = bool(grants) and (action.name == "CreateGrant", is_constrained_by_context(action.name))
    return (
        grants, constrained, key.grants_complete or action.grantable, is_usable_with(action, key.usage, key.spec),
        state_blocks(action, key.state), action.name if action.name in _BY_NAME else "",
    )  # fmt: skip


def _side(policies: Iterable[PolicyText]) -> _Side:
    told: dict[tuple[int, ...], None] = {}
    looked_at: frozenset[str] = frozenset()
    for policy in policies:
        numbers, keys = _told_apart(policy)
        told[numbers] = None
        looked_at |= keys
    return tuple(zip(*told, strict=True)) or ((),) * len(KEY_ACTIONS), looked_at


@lru_cache(maxsize=65536)
def _told_apart(policy: PolicyText) -> tuple[tuple[int, ...], frozenset[str]]:
    """Per action the number of the set of statements that cover it; and the condition keys that only actions carry.

    Statements about other services divide nothing: the groups of callers that are alike bear the same numbers.
    """
    statements = parse_policy(policy).statements
    sets: dict[tuple[int, ...], int] = {}
    numbers: list[int] = []
    for action in KEY_ACTIONS:
        covering = tuple(i for i, s in enumerate(statements) if covers_action(s, action.iam_name))
        numbers.append(sets.setdefault(covering, len(sets)))
    concerned = (s for i, s in enumerate(statements) if any(i in covering for covering in sets))
    keys = frozenset(_family(name) for s in concerned for name in looked_at(s))
    return tuple(numbers), keys & _OF_ACTIONS


def _family(name: str) -> str:
    row = find_condition_key(name)
    return row.name.lower() if row else ""


_KEYS_OF = tuple(frozenset(name.lower() for name in action.request_keys) for action in KEY_ACTIONS)
_OF_ACTIONS = frozenset().union(*_KEYS_OF)


def _together(mine: _Side, its: _Side) -> Mapping[str, Hashable]:
    looked_at = mine[1] | its[1]
    numbers: dict[Hashable, int] = {}
    rows = zip(KEY_ACTIONS, mine[0], its[0], _KEYS_OF, strict=True)
    return {
        action.name: numbers.setdefault((by_caller, by_key, carried & looked_at), len(numbers))
        for action, by_caller, by_key, carried in rows
    }
