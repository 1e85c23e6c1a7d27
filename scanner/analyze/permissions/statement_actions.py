"""Which actions on keys identity statements cover, worked out once per text."""

from __future__ import annotations

from collections.abc import Sequence

from scanner.analyze.keys.judge import named_actions
from scanner.analyze.principals.selectors import NamedStatement, Naming, Selector
from scanner.model.actions import Action

_ANYBODY = Selector("*", "any")
_FOUND: dict[tuple[tuple[str, int], ...], tuple[Action, ...]] = {}
"""By document hash and statement index: the same few texts hang on many principals."""

_MOST_FOUND = 65_536


def key_actions(statements: Sequence[NamedStatement]) -> tuple[Action, ...]:
    """The actions on keys that statements cover, those that nobody knows included (R1.11)."""
    place = tuple(n.place for n in statements)
    found = _FOUND.get(place)
    if found is None:
        if len(_FOUND) >= _MOST_FOUND:
            _FOUND.clear()
        found = _FOUND[place] = named_actions(Naming(_ANYBODY, "identity_policy", tuple(statements)))
    return found


def foreign_actions(statements: Sequence[NamedStatement]) -> tuple[Action, ...]:
    """Those of them that work across accounts, or may do so (R1.3)."""
    return tuple(a for a in key_actions(statements) if a.cross_account is not False)
