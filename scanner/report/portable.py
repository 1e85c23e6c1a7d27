"""What JSON for other programs may hold: visible text, nothing empty, one item per line, times in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta

from scanner.errors import SnapshotError
from scanner.model.finding import FindingsDocument
from scanner.report.canonical import compact
from scanner.report.escape import visible

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EMPTY: tuple[object, ...] = (None, "", (), [], {})


def inert(value: object) -> object:
    """The value in types of JSON, its texts made visible.

    Many readers refuse lone surrogates and NUL, and most of these files end on somebody's screen. The texts as AWS has
    them stay in findings.json.
    """
    if isinstance(value, str):
        return visible(str(value))
    if isinstance(value, Mapping):
        return {visible(str(name)): inert(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [inert(item) for item in value]
    if is_dataclass(value):
        return {field.name: inert(getattr(value, field.name)) for field in fields(value)}
    return value


def present(**members: object) -> dict[str, object]:
    """The members that hold something; zero and false do."""
    return {name: value for name, value in members.items() if not any(value == empty for empty in _EMPTY)}


def dump_array(items: Iterable[object]) -> bytes:
    """An array, one item per line: ASCII, members sorted, `[]` without items."""
    lines = ",\n".join(compact(inert(item)) for item in items)
    return f"[\n{lines}\n]\n".encode("ascii") if lines else b"[]\n"


def epoch_ms(moment: str) -> int | None:
    """Milliseconds since 1970 of an ISO 8601 time, UTC where it names no zone; None for anything else."""
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return ((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)


def zulu(moment: str) -> str:
    """The time as `2026-11-22T00:10:00Z`; empty for what is no time."""
    ms = epoch_ms(moment)
    return "" if ms is None else (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%SZ")


def evaluated_at(document: FindingsDocument) -> int:
    """The evaluation time, which these files carry in place of the clock. Raises SnapshotError where it is none."""
    moment = epoch_ms(document.run.as_of)
    if moment is None:
        hint = "run `kms-scan analyze` on the snapshot again"
        raise SnapshotError(
            f"findings.json has no evaluation time: `as_of` is `{visible(document.run.as_of)}`", hint=hint
        )
    return moment
