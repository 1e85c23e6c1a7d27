"""The snapshot file: private, whole or absent per unit, one writer, and refused when it is not what it should be."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest
from scanner.errors import OutputError, SnapshotError
from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.read import open_snapshot, read_document
from scanner.snapshot.rows import TABLES, AccountRow, Answer, KeyRow, KeyTagRow, UnitRecord
from scanner.snapshot.store import SnapshotStore, settle

A = "111122223333"
ARN = f"arn:aws:kms:eu-west-1:{A}:key/k"


def record(unit: str = "kms/1", body: bytes = b"{}") -> UnitRecord:
    made = UnitRecord(unit)
    made.answers.append(Answer("kms", "ListKeys", "{}", "", 200, "id", "date", body))
    made.document('{"a":  1}')
    made.ledger(LedgerRow(A, "eu-west-1", "kms:ListKeys", unit, Outcome.OK))
    made.rows.append(KeyRow(ARN, A, "eu-west-1", "k", multi_region=False, policy_status=Outcome.DENIED))
    return made


def finished(path: Path, *records: UnitRecord) -> str:
    with SnapshotStore.create(path) as store:
        for one in records or (record(),):
            store.write(one)
        return store.finish(complete=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "snapshot.sqlite"


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(open_snapshot(path)) as connection:
        return connection.execute(sql).fetchall()


def test_finished_snapshot_is_private_and_alone(path: Path) -> None:
    finished(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["snapshot.sqlite"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    meta = dict(query(path, "SELECT key, value FROM meta"))
    assert (meta["complete"], meta["synthetic"]) == ("1", "0")
    assert "writer_process" not in meta


def test_side_files_of_a_running_collection_are_private(path: Path) -> None:
    with SnapshotStore.create(path) as store:
        store.write(record())
        assert {entry.stat().st_mode & 0o077 for entry in path.parent.iterdir()} == {0}


def test_written_rows_come_back(path: Path) -> None:
    finished(path)
    assert query(path, "SELECT key_id, multi_region, policy_status, state FROM keys") == [("k", 0, "denied", None)]
    assert query(path, "SELECT outcome, unit FROM coverage") == [("ok", "kms/1")]
    with closing(open_snapshot(path)) as connection:
        (sha,) = connection.execute("SELECT sha256 FROM documents").fetchone()
        assert read_document(connection, sha) == '{"a":  1}'


def test_every_row_class_has_its_table_with_the_same_columns(path: Path) -> None:
    finished(path)
    with closing(open_snapshot(path)) as connection:
        for kind, table in TABLES.items():
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            assert columns == [field.name for field in fields(kind)]


def test_unit_that_fails_halfway_leaves_nothing(path: Path) -> None:
    bad = record("kms/2")
    bad.rows.append(KeyTagRow(ARN, "k", None))  # type: ignore[arg-type]
    with SnapshotStore.create(path) as store:
        with pytest.raises(OutputError):
            store.write(bad)
        store.write(record("kms/3"))
        store.finish(complete=True)
    assert query(path, "SELECT unit FROM units") == [("kms/3",)]
    assert query(path, "SELECT DISTINCT unit FROM answers") == [("kms/3",)]


def test_later_account_row_replaces_the_earlier_one(path: Path) -> None:
    finished(path, UnitRecord("a", rows=[AccountRow(A)]), UnitRecord("b", rows=[AccountRow(A, collected=True)]))
    assert query(path, "SELECT account_id, collected FROM accounts") == [(A, 1)]


def test_killed_collection_keeps_its_committed_units(path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from scanner.snapshot.store import SnapshotStore; "
        "from scanner.snapshot.rows import UnitRecord; s = SnapshotStore.create(Path(sys.argv[1])); "
        "s.write(UnitRecord('one')); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    assert query(path, "SELECT unit FROM units") == [("one",)]
    assert query(path, "SELECT value FROM meta WHERE key = 'complete'") == [("0",)]


def test_hash_depends_on_answers_and_not_on_the_order_of_units(tmp_path: Path) -> None:
    first = finished(tmp_path / "1" / "s", record("kms/1"), record("kms/2"))
    assert first == finished(tmp_path / "2" / "s", record("kms/2"), record("kms/1"))
    assert first != finished(tmp_path / "3" / "s", record("kms/1"), record("kms/2", b'{"x": 1}'))


def test_second_writer_is_refused_and_the_first_is_named(path: Path) -> None:
    with SnapshotStore.create(path) as store:
        with pytest.raises(OutputError) as caught:
            SnapshotStore.create(path)
        assert f"({os.getpid()})" in caught.value.message
        assert str(path) in caught.value.message
        store.write(record())
    with pytest.raises(OutputError, match="exists already"):
        SnapshotStore.create(path)


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    with pytest.raises(OutputError, match="symbolic link"):
        SnapshotStore.create(tmp_path / "link" / "s.sqlite")
    (real / "s.sqlite").symlink_to(tmp_path / "victim")
    with pytest.raises(OutputError):
        SnapshotStore.create(real / "s.sqlite")
    assert not (tmp_path / "victim").exists()


def test_folder_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(OutputError, match="writable by everybody"):
        SnapshotStore.create(folder / "s.sqlite")


def test_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        SnapshotStore.create(tmp_path / "file" / "s.sqlite")


@pytest.mark.parametrize("text", ["<script>", "=HYPERLINK(1)", "\x1b[31m", "\u202e", "a\x00b", "x" * 8192, "\ud800"])
def test_hostile_text_is_stored_as_text(path: Path, text: str) -> None:
    made = UnitRecord("u", rows=[KeyTagRow(ARN, "k", text)])
    sha = made.document(text)
    finished(path, made)
    kept = "\ufffd" if text == "\ud800" else text
    assert [
        value.replace("\ufffd\ufffd\ufffd", "\ufffd") for (value,) in query(path, "SELECT tag_value FROM key_tags")
    ] == [kept]
    with closing(open_snapshot(path)) as connection:
        assert read_document(connection, sha) == text


def test_reading_cannot_write(path: Path) -> None:
    finished(path)
    with closing(open_snapshot(path)) as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM keys")


def test_missing_snapshot_is_refused(path: Path) -> None:
    with pytest.raises(SnapshotError, match="cannot be read"):
        open_snapshot(path)


def test_folder_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="is no file"):
        open_snapshot(tmp_path)
    (tmp_path / "text").write_text("not a database")
    with pytest.raises(SnapshotError, match="not an SQLite file"):
        open_snapshot(tmp_path / "text")
    with closing(sqlite3.connect(tmp_path / "other")) as connection:
        connection.execute("CREATE TABLE t (x)")
    with pytest.raises(SnapshotError, match="no kms-scan snapshot"):
        open_snapshot(tmp_path / "other")


def altered(path: Path, statement: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)
    return path


def test_other_schema_version_is_refused(path: Path) -> None:
    finished(path)
    with pytest.raises(SnapshotError, match="has schema 1, this version reads 2"):
        open_snapshot(altered(path, "PRAGMA user_version = 1"))


@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE grants", "CREATE TRIGGER t AFTER INSERT ON keys BEGIN SELECT 1; END", "CREATE VIEW v AS SELECT 1"],
)
def test_other_tables_than_ours_are_refused(path: Path, statement: str) -> None:
    finished(path)
    with pytest.raises(SnapshotError, match="its tables are not those"):
        open_snapshot(altered(path, statement))


def test_cut_off_snapshot_is_refused(path: Path) -> None:
    finished(path)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(SnapshotError, match="is damaged"):
        open_snapshot(path)


def test_overwritten_page_is_refused(path: Path) -> None:
    finished(path)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    with pytest.raises(SnapshotError, match="is damaged"):
        open_snapshot(path)


def test_altered_document_is_refused(path: Path) -> None:
    finished(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE documents SET text = ?", (zlib.compress(b'{"a": 2}'),))
        (sha,) = connection.execute("SELECT sha256 FROM documents").fetchone()
    with closing(open_snapshot(path)) as connection:
        with pytest.raises(SnapshotError, match="was altered"):
            read_document(connection, sha)
        with pytest.raises(SnapshotError, match="lacks document"):
            read_document(connection, "0" * 64)


def test_full_disk_is_an_output_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with SnapshotStore.create(path) as store:
        store._connection.execute("PRAGMA max_page_count = 60")
        with pytest.raises(OutputError, match="full"):
            store.write(record("kms/1", os.urandom(1_000_000)))


@pytest.mark.parametrize("opened", [SnapshotStore.create, SnapshotStore.reopen])
def test_read_only_file_system_is_named_and_leaves_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch, opened: Callable[[Path], SnapshotStore]
) -> None:
    SnapshotStore.create(path).close()
    really = os.open

    def refuse(name: str | Path, flags: int, *rest: int, **named: int) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return really(name, flags, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(OutputError, match=r"cannot write `.*`: Read-only file system"):
            opened(path)
    SnapshotStore.reopen(path).close()


def test_snapshot_that_was_left_in_two_files_is_one_after_settling(path: Path) -> None:
    store = SnapshotStore.create(path)
    store.write(record())
    copy = path.with_name("copy.sqlite")
    for side in ("", "-wal"):
        shutil.copy(path.with_name(path.name + side), copy.with_name(copy.name + side))
    store.close()
    settle(copy)
    assert not copy.with_name("copy.sqlite-wal").exists()
    assert query(copy, "SELECT unit FROM units") == [("kms/1",)]


def test_snapshot_that_is_being_written_is_not_settled(path: Path) -> None:
    with SnapshotStore.create(path), pytest.raises(OutputError, match="another process"):
        settle(path)


def test_snapshot_can_be_read_from_a_copy(path: Path, tmp_path: Path) -> None:
    finished(path)
    copy = tmp_path / "a folder with ?%23" / "s.sqlite"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    assert query(copy, "SELECT key_id FROM keys") == [("k",)]
