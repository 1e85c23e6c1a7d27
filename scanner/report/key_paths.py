"""paths.jsonl: what paths through roles lead to at each key, for whoever asks who can use it.

The first line has the number of this form. Of the others some are access by a path, and one for each key says where
those that lead to it begin.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter

from scanner.errors import SnapshotError
from scanner.model.verdicts import KeyPaths, PathAccess
from scanner.report.canonical import Once, compact
from scanner.report.directory import RunDirectory
from scanner.report.packed_rows import Number, Place

PATHS = "paths.jsonl"
_FORM = '{"format":2}\n'
"""Rises when a line of the file changes its form; a reader takes nothing from another one."""
_REMEMBERED = 4096
"""Lines that are not made text again where keys that follow each other share them."""


class _Key(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    blocks: tuple[Number, ...]
    cut: Number
    key: str


_ACCESS = TypeAdapter(PathAccess)


class PathsWriter:
    """The file of a run, key by key; it appears when the `with` block ends without error."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory, self._stack = directory, ExitStack()
        self._end = len(_FORM)
        self._starts: dict[bytes, int] = {}
        self._kept = Once(self._keep, _REMEMBERED).of

    def __enter__(self) -> Self:
        self._stream = self._stack.enter_context(self._directory.stream(PATHS))
        self._stream.write(_FORM)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, key: str, paths: KeyPaths) -> Place:
        """Append what is told of one key, after what was told of no key before; where, with a hash of all of it."""
        blocks = [self._kept(access) for access in paths.access]
        line = compact({"blocks": [start for start, _ in blocks], "cut": paths.cut, "key": key}) + "\n"
        return Place(self._append(line), _hash_of(line.encode("ascii"), (digest for _, digest in blocks)))

    def _keep(self, access: PathAccess) -> tuple[int, bytes]:
        """Where a line begins, which is written where it is a new one, and its hash; its text is not kept."""
        line = compact(access) + "\n"
        digest = sha256(line.encode("ascii")).digest()
        if digest not in self._starts:
            self._starts[digest] = self._append(line)
        return self._starts[digest], digest

    def _append(self, line: str) -> int:
        self._stream.write(line)
        start, self._end = self._end, self._end + len(line)
        return start


def _hash_of(line: bytes, blocks: Iterable[bytes]) -> str:
    """The hash of the line of a key and of those it names, by their hashes."""
    return sha256(b"".join(blocks) + line).hexdigest()


def read_paths(path: Path, place: Place, key: str) -> KeyPaths:
    """What a run has told of a key, whose line begins at `place`.

    Raises:
        SnapshotError: the file is missing, damaged or of another form, or what it tells has another hash.
    """
    try:
        with path.open("rb") as stream:
            if stream.readline() != _FORM.encode():
                raise SnapshotError(f"`{path}` has not the form that this version reads")
            return _told(stream, place, key)
    except OSError as error:
        raise SnapshotError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from error
    except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise SnapshotError(f"`{path}` is damaged: it does not tell of `{key}`") from error


def _told(stream: BinaryIO, place: Place, key: str) -> KeyPaths:
    stream.seek(place.start)
    line = stream.readline()
    head = _Key.model_validate(json.loads(line))
    blocks = [_line_at(stream, start) for start in head.blocks]
    if head.key != key or _hash_of(line, (sha256(block).digest() for block in blocks)) != place.sha256:
        raise ValueError
    return KeyPaths(tuple(map(_access, blocks)), head.cut)


def _line_at(stream: BinaryIO, start: int) -> bytes:
    stream.seek(start)
    return stream.readline()


def _access(line: bytes) -> PathAccess:
    access = _ACCESS.validate_python(json.loads(line))
    if not access.capabilities:
        raise ValueError
    return access
