"""Rows of access.csv about one key as a run keeps them: who and what each once, and the pairs of both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from scanner.model.finding import AccessRow, RowAccess, RowPrincipal, row_principal

T = TypeVar("T")
Number = Annotated[int, Field(strict=True, ge=0)]
"""A place in a list."""


class Place(NamedTuple):
    """Where the lines of a key begin in a file, and the hash of these."""

    start: Number
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Places(dict[T, int]):
    """Where things stand in a list of all different ones, in the order in which they were asked for first."""

    def __missing__(self, thing: T) -> int:
        place = self[thing] = len(self)
        return place


class PackedRows(BaseModel):
    """Rows as pairs of places: who, and what."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    who: tuple[tuple[str, str, str, str], ...]
    what: tuple[tuple[str, str, tuple[str, ...], str, str, str, str, str, str, str], ...]
    rows: tuple[tuple[Number, Number], ...]

    def told(self, key: str) -> tuple[AccessRow, ...]:
        """The rows of a key. Raises IndexError for a place that is not there."""
        who, what = [row_principal(*one) for one in self.who], [RowAccess(*one) for one in self.what]
        return tuple(AccessRow(key, who[principal], what[access]) for principal, access in self.rows)


def packed_rows(rows: Iterable[AccessRow]) -> dict[str, object]:
    """Rows of one key, to be written as JSON and read as `PackedRows`."""
    who: Places[RowPrincipal] = Places()
    what: Places[RowAccess] = Places()
    places = [(who[row.principal], what[row.access]) for row in rows]
    return {"rows": places, "what": list(what), "who": list(who)}
