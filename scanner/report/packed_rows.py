"""Rows of access.csv about one key as a run keeps them: who and what each once, and the pairs of both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from scanner.model.finding import AccessRow

T = TypeVar("T")
Number = Annotated[int, Field(strict=True, ge=0)]
"""A place in a list."""
_Who = tuple[str, str, str, str]
"""Of a row: who it is about, the account and its name, and the kind."""
_What = tuple[str, str, tuple[str, ...], str, str, str, str, str, str, str]
"""Of a row: everything else but the key."""


class Places(dict[T, int]):
    """Where things stand in a list of all different ones, in the order in which they were asked for first."""

    def __missing__(self, thing: T) -> int:
        place = self[thing] = len(self)
        return place


class PackedRows(BaseModel):
    """Rows as pairs of places: who, and what."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    who: tuple[_Who, ...]
    what: tuple[_What, ...]
    rows: tuple[tuple[Number, Number], ...]

    def told(self, key: str) -> tuple[AccessRow, ...]:
        """The rows of a key. Raises IndexError for a place that is not there."""
        return tuple(_row(key, self.who[who], self.what[what]) for who, what in self.rows)


def packed_rows(rows: Iterable[AccessRow]) -> dict[str, object]:
    """Rows of one key, to be written as JSON and read as `PackedRows`."""
    who: Places[_Who] = Places()
    what: Places[_What] = Places()
    places = [(who[_who(row)], what[_what(row)]) for row in rows]
    return {"rows": places, "what": list(what), "who": list(who)}


def _who(row: AccessRow) -> _Who:
    return row.principal_arn, row.principal_account_id, row.principal_account_name, row.principal_kind


def _what(row: AccessRow) -> _What:
    return (
        row.party, row.capability, row.actions, row.decision, row.reason, row.conditions, row.mechanism, row.path,
        row.finding_id, row.finding_verdict,
    )  # fmt: skip


def _row(key: str, who: _Who, what: _What) -> AccessRow:
    return AccessRow(key, who[0], who[1], who[2], *what[:9], who[3], what[9])
