"""places.jsonl: where what a run has left of each key is in two larger files, so that one key is read by itself.

The first line has the number of this form. Each of the others has, of one key, where its lines begin in verdicts.jsonl
and in paths.jsonl, and a hash of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from scanner.errors import SnapshotError
from scanner.model.verdicts import KeyAccess, KeyPaths, KeyVerdicts
from scanner.report.canonical import compact
from scanner.report.directory import RunDirectory
from scanner.report.key_paths import PATHS, PathsWriter, read_paths
from scanner.report.packed_rows import Place
from scanner.report.verdicts import VERDICTS, VerdictsWriter, read_verdict

PLACES = "places.jsonl"
LEFT = (VERDICTS, PATHS, PLACES)
"""Files with what a run has left of each key."""
_FORM = '{"format":1}\n'
"""Rises when a line of the file changes its form; a reader takes nothing from another one."""


class _Key(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    paths: Place
    verdicts: Place


@contextmanager
def leaving(directory: RunDirectory) -> Iterator[Callable[[KeyVerdicts, KeyPaths], None]]:
    """What appends a key to all three files, in order of the ARN; they appear when the block ends without error."""
    with directory.stream(PLACES) as stream, VerdictsWriter(directory) as verdicts, PathsWriter(directory) as paths:
        stream.write(_FORM)

        def keep(found: KeyVerdicts, through_roles: KeyPaths) -> None:
            line = _Key(key=found.key, paths=paths.write(found.key, through_roles), verdicts=verdicts.write(found))
            stream.write(compact(dict(line)) + "\n")

        yield keep


def read_access(folder: Path, key: str) -> KeyAccess | None:
    """What a run has left of one key; None where it has not judged it.

    Raises:
        SnapshotError: a file is missing, damaged or of another form, or its lines about the key are others.
    """
    place = _place_of(folder / PLACES, key)
    if place is None:
        return None
    found = read_verdict(folder / VERDICTS, place.verdicts, key)
    return KeyAccess(found.findings, found.rows, found.insiders, read_paths(folder / PATHS, place.paths, key))


def _place_of(path: Path, key: str) -> _Key | None:
    wanted = f'{{"key":{compact(key)},'.encode()
    try:
        with path.open("rb") as stream:
            if stream.readline() != _FORM.encode():
                raise SnapshotError(f"`{path}` has not the form that this version reads")
            line = next((line for line in stream if line.startswith(wanted)), None)
        return None if line is None else _Key.model_validate(json.loads(line))
    except OSError as error:
        raise SnapshotError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from error
    except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise SnapshotError(f"`{path}` is damaged: it does not tell of `{key}`") from error
