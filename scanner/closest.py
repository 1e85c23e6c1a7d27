"""Finds the known name that was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ENOUGH = 0.7
"""Share of a name that must be there for it to be meant at all (difflib's ratio)."""


def closest(given: str, known: Iterable[str]) -> str | None:
    """The known name that takes the fewest slips of the hand from the given one; None where none is similar."""
    names = list(known)
    similar = difflib.get_close_matches(given, names, n=max(1, len(names)), cutoff=_ENOUGH)
    return min(similar, key=lambda name: _slips(given, name), default=None)


def _slips(one: str, other: str) -> int:
    """How many letters were inserted, left out, replaced, or swapped with their neighbour."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, wanted in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]
