"""Actions on a key that the documents of one side cannot tell apart: what one says of one, it says of all of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import lru_cache

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.request.dependence import looked_at
from scanner.analyze.statements.match import covers_each
from scanner.model.actions import KEY_ACTIONS
from scanner.model.conditions import find_condition_key
from scanner.model.policy import PolicyText

_BY_NAME = frozenset({"RetireGrant", "Encapsulate", "Decapsulate"})
"""Decided by rules of their own, whatever the documents say (R4.22, R1.2)."""

Groups = tuple[int, ...]
"""For every action of the action table, in its order, the place of the first of those that are like it."""


def groups_of(policies: Iterable[PolicyText]) -> Groups:
    """Sort the actions on keys: two are alike if every statement covers both or neither, and every condition key that a
    statement looks at exists for both or for neither.
    """
    told: dict[tuple[int, ...], None] = {}
    keys: frozenset[str] = frozenset()
    for policy in policies:
        numbers, seen = _told_apart(policy)
        told[numbers] = None
        keys |= seen
    return _grouped(tuple(told), keys)


@lru_cache(maxsize=65536)
def _grouped(told: tuple[tuple[int, ...], ...], looked_at_keys: frozenset[str]) -> Groups:
    first: dict[Hashable, int] = {}
    found: list[int] = []
    for number, (action, carried) in enumerate(zip(KEY_ACTIONS, _KEYS_OF, strict=True)):
        own = action.name if action.name in _BY_NAME else ""
        alike = (tuple(numbers[number] for numbers in told), carried & looked_at_keys, own)
        found.append(first.setdefault(alike, number))
    return tuple(found)


@lru_cache(maxsize=65536)
def _told_apart(policy: PolicyText) -> tuple[tuple[int, ...], frozenset[str]]:
    """Per action the number of the set of statements that cover it; and the condition keys that only actions carry.

    Statements about other services divide nothing: the groups of documents that are alike bear the same numbers.
    """
    statements = parse_policy(policy).statements
    sets: dict[tuple[int, ...], int] = {}
    numbers: list[int] = []
    covered = [covers_each(s) for s in statements]
    for number in range(len(KEY_ACTIONS)):
        covering = tuple([i for i, each in enumerate(covered) if each[number]])
        numbers.append(sets.setdefault(covering, len(sets)))
    concerned = (s for i, s in enumerate(statements) if any(i in covering for covering in sets))
    keys = frozenset(_family(name) for s in concerned for name in looked_at(s))
    return tuple(numbers), keys & _OF_ACTIONS


def _family(name: str) -> str:
    row = find_condition_key(name)
    return row.name.lower() if row else ""


_KEYS_OF = tuple(frozenset(name.lower() for name in action.request_keys) for action in KEY_ACTIONS)
_OF_ACTIONS = frozenset().union(*_KEYS_OF)
