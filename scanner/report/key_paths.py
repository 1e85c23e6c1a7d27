"""paths.jsonl: what paths through roles lead to at each key, for whoever asks who can use it.

The first line has the number of this form. Of the others some are access by a path, numbered from 0, and one for each
key says which of those before it lead to it.
"""

from __future__ import annotations

import json
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
from scanner.report.packed_rows import Number

PATHS = "paths.jsonl"
_FORM = '{"format":1}\n'
"""Rises when a line of the file changes its form; a reader takes nothing from another one."""
_REMEMBERED = 4096
"""Lines that are not made text again where keys that follow each other share them."""
_BLOCKS = b'{"blocks":'
"""How the line of a key begins."""


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
        self._numbers: dict[bytes, int] = {}
        self._number_of = Once(self._numbered, _REMEMBERED).of

    def __enter__(self) -> Self:
        self._stream = self._stack.enter_context(self._directory.stream(PATHS))
        self._stream.write(_FORM)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, key: str, paths: KeyPaths) -> None:
        """Append what is told of one key, after what was told of no key before."""
        blocks = [self._number_of(access) for access in paths.access]
        self._stream.write(compact({"blocks": blocks, "cut": paths.cut, "key": key}) + "\n")

    def _numbered(self, access: PathAccess) -> int:
        """The number of a line, which is written where it is a new one; of its text only a hash is kept."""
        text = compact(access)
        digest = sha256(text.encode("ascii")).digest()
        if digest not in self._numbers:
            self._stream.write(text + "\n")
        return self._numbers.setdefault(digest, len(self._numbers))


def read_paths(path: Path, key: str) -> KeyPaths | None:
    """What a run has told of a key; None where it has not judged it.

    Raises:
        SnapshotError: the file is missing, damaged or of another form.
    """
    try:
        with path.open("rb") as stream:
            if stream.readline() != _FORM.encode():
                raise SnapshotError(f"`{path}` has not the form that this version reads")
            return _told(stream, key)
    except OSError as error:
        raise SnapshotError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from error
    except (ValueError, RecursionError, IndexError) as error:  # a ValidationError is a ValueError
        raise SnapshotError(f"`{path}` is damaged: it does not tell of `{key}`") from error


def _told(stream: BinaryIO, key: str) -> KeyPaths | None:
    wanted, places = f',"key":{compact(key)}}}\n'.encode(), list[int]()
    place = stream.tell()
    for line in iter(stream.readline, b""):
        if not line.startswith(_BLOCKS):
            places.append(place)
        elif line.endswith(wanted):
            head = _Key.model_validate(json.loads(line))
            return KeyPaths(tuple(_access(stream, places[block]) for block in head.blocks), head.cut)
        place += len(line)
    return None


def _access(stream: BinaryIO, place: int) -> PathAccess:
    stream.seek(place)
    access = _ACCESS.validate_python(json.loads(stream.readline()))
    if not access.capabilities:
        raise ValueError
    return access
