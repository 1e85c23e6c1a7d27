"""places.jsonl: what a run has left of one key is found by itself, and what is not surely that is not read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from scanner.errors import SnapshotError
from scanner.model.verdicts import KeyAccess, KeyPaths, KeyVerdicts
from scanner.report.directory import RunDirectory
from scanner.report.key_paths import PATHS
from scanner.report.key_places import PLACES, leaving, read_access
from scanner.report.verdicts import VERDICTS

from builders import KEY
from unit.report import test_key_paths as by_paths
from unit.report import test_verdicts as by_verdicts

LEFT: tuple[tuple[KeyVerdicts, KeyPaths], ...] = (
    (by_verdicts.TOLD, by_paths.TOLD[KEY]), (by_verdicts.NOTHING, by_paths.TOLD[by_paths.NOWHERE]),
)  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = RunDirectory.create(tmp_path, "run")
    with leaving(directory) as keep:
        for found, paths in LEFT:
            keep(found, paths)
    return directory.path


def test_what_was_left_of_a_key_is_read(run: Path) -> None:
    for found, paths in LEFT:
        assert read_access(run, found.key) == KeyAccess(found.findings, found.rows, found.insiders, paths)


@pytest.mark.parametrize("key", [KEY[1:], KEY[:-1], f"{KEY}a", '"', ""])
def test_nothing_was_left_of_a_key_that_was_not_judged(key: str, run: Path) -> None:
    assert read_access(run, key) is None


def test_files_appear_when_all_are_whole(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    with pytest.raises(TypeError), leaving(directory) as keep:
        keep(by_verdicts.TOLD, KeyPaths((object(),)))  # type: ignore[arg-type]
    assert directory.files() == ()


def line(**changed: object) -> bytes:
    place = {"key": KEY, "paths": [13, "a" * 64], "verdicts": [13, "a" * 64]}
    return json.dumps({**place, **changed}, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(("content", "said"), [
    (b"", "has not the form"), (b'{"format":2}\n' + line(), "has not the form"),
    (b'{"format":1}\n' + line()[:-9], "is damaged: it does not tell of"),
    *((b'{"format":1}\n' + line(**{name: place}), "is damaged: it does not tell of")
      for name in ("paths", "verdicts")
      for place in ([], [13], [-1, "a" * 64], ["13", "a" * 64], [13, "a" * 63], [13, "A" * 64], [13, 1], None)),
    (b'{"format":1}\n' + line(more=1), "is damaged: it does not tell of"),
    (b'{"format":1}\n' + line(), "was changed since it told of"),
])  # fmt: skip
def test_place_that_is_none_is_not_followed(content: bytes, said: str, run: Path) -> None:
    (run / PLACES).write_bytes(content)
    with pytest.raises(SnapshotError, match=said):
        read_access(run, KEY)


@pytest.mark.parametrize("name", [PLACES, VERDICTS, PATHS])
def test_file_that_has_gone_is_said(name: str, run: Path) -> None:
    (run / name).unlink()
    with pytest.raises(SnapshotError, match=f"{name}` cannot be read: no such file"):
        read_access(run, KEY)


def swapped(content: bytes) -> bytes:
    first, second = (json.loads(each) for each in content.splitlines()[1:])
    first["verdicts"], second["verdicts"] = second["verdicts"], first["verdicts"]
    lines = (json.dumps(each, separators=(",", ":")).encode() for each in (first, second))
    return b"\n".join([content.splitlines()[0], *lines, b""])


def cut(content: bytes) -> bytes:
    return content[:-1]


@pytest.mark.parametrize(("name", "harm"), [(PLACES, swapped), (VERDICTS, cut), (PATHS, cut)])
def test_lines_of_another_key_are_none_of_this_one(name: str, harm: Callable[[bytes], bytes], run: Path) -> None:
    (run / name).write_bytes(harm((run / name).read_bytes()))
    with pytest.raises(SnapshotError):
        read_access(run, by_verdicts.OTHER)
