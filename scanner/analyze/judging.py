"""How far an analysis is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Judging:
    """What an analysis does, and how much of it is done; 0 of 0 where that is not counted."""

    what: str
    done: int = 0
    total: int = 0
