"""The seal: every byte of a closed snapshot counts, and what looks like a seal elsewhere makes none."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scanner.errors import OutputError
from scanner.snapshot import store as module
from scanner.snapshot.rows import AccountRow, UnitRecord
from scanner.snapshot.seal import BLANK, SEAL, is_sealed
from scanner.snapshot.store import SnapshotStore


def closed(path: Path, *names: str) -> Path:
    """A finished snapshot with accounts of these names."""
    record = UnitRecord("accounts")
    record.rows.extend(AccountRow(f"{n:012}", name) for n, name in enumerate(names))
    with SnapshotStore.create(path) as store:
        store.write(record)
        store.finish(complete=True)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return closed(tmp_path / "run" / "snapshot.sqlite")


def said(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (value,) = connection.execute("SELECT value FROM meta WHERE key = ?", (SEAL,)).fetchone()
    return str(value)


def test_closed_snapshot_is_sealed_and_still_one(path: Path) -> None:
    assert is_sealed(path)
    assert said(path) != BLANK
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_every_other_byte_breaks_the_seal(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = closed(tmp_path_factory.mktemp("seal") / "snapshot.sqlite", "a")
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert not is_sealed(path)


@pytest.mark.parametrize("change", [lambda b: b[:-4096], lambda b: b + b"\0", lambda _: b""])
def test_longer_and_shorter_file_is_not_sealed(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))
    assert not is_sealed(path)


def test_name_that_looks_like_a_seal_leaves_the_file_unsealed(tmp_path: Path) -> None:
    path = closed(tmp_path / "snapshot.sqlite", f"{SEAL}{BLANK}")
    assert said(path) == BLANK
    assert not is_sealed(path)


def test_snapshot_that_is_continued_has_no_seal(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.sqlite"
    with SnapshotStore.create(path) as store:
        store.finish(complete=False)
    with SnapshotStore.reopen(path) as store:
        store.take_up({})
    with closing(sqlite3.connect(path)) as connection:
        assert not connection.execute("SELECT value FROM meta WHERE key = ?", (SEAL,)).fetchall()


def test_file_that_is_not_there_is_not_sealed(tmp_path: Path) -> None:
    assert not is_sealed(tmp_path / "none.sqlite")


def test_disk_that_is_full_when_the_seal_is_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "seal", full)
    with pytest.raises(OutputError, match="no space left on device"):
        closed(tmp_path / "snapshot.sqlite")
