"""verdicts.jsonl: what judging each key gave, two lines for each: what it was judged from, and the judgement.

The first line of the file has the number of this form.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from scanner.errors import SnapshotError
from scanner.model.decision import Decision
from scanner.model.finding import Finding, FindingVerdict
from scanner.model.verdicts import (
    KeptShare,
    KeptSources,
    KeptUse,
    KeyVerdicts,
    KnownVerdicts,
    NamingUses,
    VerdictInputs,
)
from scanner.report.canonical import Once, compact
from scanner.report.directory import RunDirectory
from scanner.report.packed_rows import Number, PackedRows, Place, Places, packed_rows

VERDICTS = "verdicts.jsonl"
FORMAT = 1
"""Rises when a line of the file changes its form; a reader takes nothing from another one."""
_REMEMBERED = 16_384
"""Decisions that are made text once, where keys that follow each other share them."""

logger = logging.getLogger(__name__)

_STRICT = ConfigDict(frozen=True, extra="forbid", defer_build=True)
_Some = Annotated[tuple[Number, ...], Field(min_length=1)]
_Arn = Annotated[str, Field(pattern=r"^arn:[^:]*:[^:]*:[^:]*:[^:]*:.")]


class _Form(BaseModel):
    model_config = _STRICT

    format: Number


class _Head(BaseModel):
    model_config = _STRICT

    key: str
    inputs: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    looked_at: tuple[str, ...]
    unread: tuple[str, ...]


class _Uses(BaseModel):
    """Uses by naming: who shares them as places in `people`, what they can do as places in `judged`."""

    model_config = _STRICT

    decisions: tuple[Decision, ...]
    sources: tuple[KeptSources, ...]
    people: tuple[_Arn, ...]
    judged: tuple[tuple[str, FindingVerdict, str, Number, Number | None], ...]
    namings: tuple[tuple[str, tuple[str, ...], tuple[tuple[_Some, tuple[Number, ...]], ...]], ...]

    def told(self) -> tuple[NamingUses, ...]:
        """The uses of a key."""
        judged = [
            KeptUse(action, verdict, reason, self.decisions[decision], self._source(source))
            for action, verdict, reason, decision, source in self.judged
        ]
        return tuple(
            NamingUses(mechanism, actions, tuple(
                KeptShare(tuple(self.people[place] for place in callers), tuple(judged[place] for place in uses))
                for callers, uses in shares
            )) for mechanism, actions, shares in self.namings
        )  # fmt: skip

    def _source(self, place: int | None) -> KeptSources | None:
        return None if place is None else self.sources[place]


class _Body(BaseModel):
    model_config = _STRICT

    documents: dict[str, str]
    findings: tuple[Finding, ...]
    insiders: PackedRows
    rows: PackedRows
    uses: _Uses


# -- written ----------------------------------------------------------------------------------------------------------


class VerdictsWriter:
    """The file of a run, key by key in order of their ARN; it appears when the `with` block ends without error."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory, self._stack = directory, ExitStack()
        self._decisions = Once[Decision, str](compact, _REMEMBERED)  # many uses share a decision, and it has no hash

    def __enter__(self) -> Self:
        self._stream = self._stack.enter_context(self._directory.stream(VERDICTS))
        self._end = self._stream.write(compact({"format": FORMAT}) + "\n")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, verdicts: KeyVerdicts) -> Place:
        """Append what was found about one key; where, with a hash of it."""
        inputs = verdicts.inputs
        head = {"inputs": inputs.sha256, "key": verdicts.key, "looked_at": inputs.looked_at, "unread": inputs.unread}
        body = {
            "documents": verdicts.documents, "findings": verdicts.findings,
            "insiders": packed_rows(verdicts.insiders), "rows": packed_rows(verdicts.rows),
            "uses": _packed_uses(verdicts.uses, self._decisions),
        }  # fmt: skip
        lines = f"{compact(head)}\n{compact(body)}\n"
        start, self._end = self._end, self._end + self._stream.write(lines)
        return Place(start, sha256(lines.encode("ascii")).hexdigest())


def _packed_uses(uses: Iterable[NamingUses], texts: Once[Decision, str]) -> dict[str, object]:
    people: Places[str] = Places()
    judged: Places[tuple[object, ...]] = Places()
    sources: Places[KeptSources] = Places()
    decisions: dict[str, tuple[int, Decision]] = {}

    def place_of(use: KeptUse) -> int:
        decision, _ = decisions.setdefault(texts.of(use.decision), (len(decisions), use.decision))
        source = None if use.sources is None else sources[use.sources]
        return judged[use.action, use.verdict, use.reason, decision, source]

    namings = [
        (naming.mechanism, naming.actions, [
            ([people[caller] for caller in share.callers], [place_of(use) for use in share.uses])
            for share in naming.shares
        ]) for naming in uses
    ]  # fmt: skip
    return {
        "decisions": [decision for _, decision in decisions.values()], "judged": list(judged), "namings": namings,
        "people": list(people), "sources": list(sources),
    }  # fmt: skip


# -- read -------------------------------------------------------------------------------------------------------------


def read_verdicts(path: Path) -> KnownVerdicts:
    """What the keys of a run were judged from; judgements are read one by one, when they are asked for.

    One that is another by then, because somebody writes to the file meanwhile, is none that was asked for.

    Raises:
        SnapshotError: the file is missing or of another form, or a key in it is none that is written here.
    """
    inputs: dict[str, VerdictInputs] = {}
    places: dict[str, Place] = {}
    try:
        with path.open("rb") as stream:
            form, number = _read(_Form, stream.readline(), f"`{path}`, line 1", "format").format, 2
            if form != FORMAT:
                raise SnapshotError(f"`{path}` has format {form}, this version reads {FORMAT}")
            end = stream.tell()
            while line := stream.readline():
                head = _read(_Head, line, f"`{path}`, line {number}", "key")
                inputs[head.key] = _inputs_of(head)
                body = stream.readline()
                places[head.key] = Place(end, _hash_of(line, body))
                end, number = end + len(line) + len(body), number + 2
    except OSError as error:
        raise SnapshotError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from error
    return KnownVerdicts(inputs, partial(_load, path, places))


def _inputs_of(head: _Head) -> VerdictInputs:
    return VerdictInputs(head.inputs, head.looked_at, head.unread)


def _hash_of(head: bytes, body: bytes) -> str:
    """The hash of both lines of a key."""
    digest = sha256(head)
    digest.update(body)
    return digest.hexdigest()


def _load(path: Path, places: Mapping[str, Place], key: str) -> KeyVerdicts | None:
    """The judgement of one key; None where it is none that is written here, with a line in the log."""
    try:
        return read_verdict(path, places[key], key)
    except SnapshotError as error:
        logger.warning("key `%s` is judged again: %s", key, error)
        return None


def read_verdict(path: Path, place: Place, key: str) -> KeyVerdicts:
    """The judgement of one key, whose lines begin at `place`.

    Raises:
        SnapshotError: the file cannot be read, or has another judgement there, or none that is written here.
    """
    try:
        with path.open("rb") as stream:
            stream.seek(place.start)
            first, second = stream.readline(), stream.readline()
    except OSError as error:
        raise SnapshotError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from error
    if _hash_of(first, second) != place.sha256:
        raise SnapshotError(f"`{path}` was changed since it told of `{key}`")
    head, body = _read(_Head, first, f"`{path}`", "key"), _read(_Body, second, f"`{path}`", "key")
    if head.key != key:
        raise SnapshotError(f"`{path}` tells of `{head.key}` where it should tell of `{key}`")
    try:
        rows, insiders = body.rows.told(key), body.insiders.told(key)
        return KeyVerdicts(key, _inputs_of(head), body.findings, rows, insiders, body.documents, body.uses.told())
    except IndexError as error:
        raise SnapshotError(f"`{path}` is damaged: it does not tell of `{key}`") from error


_Line = TypeVar("_Line", _Form, _Head, _Body)


def _read(kind: type[_Line], line: bytes, where: str, what: str) -> _Line:
    try:
        return kind.model_validate(json.loads(line))
    except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise SnapshotError(f"{where}, is damaged: it tells of no {what}") from error
