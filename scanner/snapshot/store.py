"""Writes a snapshot: a new private file, one writer, one transaction per unit, no side files once finished."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from scanner.errors import OutputError, SnapshotError
from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.ledger import never_written
from scanner.snapshot.reached import NOTHING, Reached, drop_incomplete, read_reached
from scanner.snapshot.read import (
    APPLICATION_ID,
    CONTENT_HASH,
    SCHEMA_VERSION,
    WRITER,
    content_hash,
    open_snapshot,
    reading,
    schema,
)
from scanner.snapshot.rows import TABLES, Answer, UnitRecord, encoded
from scanner.snapshot.seal import BLANK, SEAL, seal

_SIDE_FILES = ("-wal", "-shm", "-journal")


class SnapshotStore:
    """The one writer of one snapshot file.

    `create` makes the file, `reopen` continues one; `write` commits a unit; `finish` turns the file into one that is
    handed over. Calls may come from any thread, one at a time gets through. Closing without `finish` leaves what was
    committed, `complete` 0. `reached` is what the file held when it was opened.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, directory: int, reached: Reached = NOTHING) -> None:
        self.path = path
        self.reached = reached
        self._connection = connection
        self._directory = directory
        self._lock = Lock()

    @classmethod
    def create(cls, path: Path, *, synthetic: bool = False) -> Self:
        """Make a new snapshot, readable by its owner only, in a directory locked against a second writer.

        The lock is `flock` on the directory: it dies with the process and leaves no file. (A lock on the database file
        itself would, on release, drop the locks that SQLite holds on it.) Raises OutputError where the directory is a
        symbolic link, another process writes there, or the file exists.
        """
        with _locked(path) as directory:
            try:
                flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(path.name, flags, 0o600, dir_fd=directory))
            except FileExistsError as error:
                raise OutputError(f"`{path}` exists already", hint="choose another output folder") from error
            store = cls(path, _connected(path), directory)
            try:
                store._initialize(synthetic)
            except sqlite3.Error as error:
                store._connection.close()
                raise OutputError(f"cannot write `{path}`: {error}") from error
        return store

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Open the snapshot of an interrupted collection, to continue it; nothing is changed before `take_up`.

        Raises SnapshotError where it is missing, damaged, of another version or not what was collected, OutputError
        as `create` does.
        """
        with _locked(path) as directory:
            try:
                os.close(os.open(path.name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory))
            except FileNotFoundError as error:
                raise SnapshotError(f"there is no `{path}`", hint="there is nothing to continue") from error
            with reading(path) as connection:
                reached = read_reached(connection)
            return cls(path, _connected(path), directory, reached)

    def take_up(self, meta: Mapping[str, str]) -> None:
        """Make the file that of a running collection again, with these header values and its complete units only.

        Raises OutputError where the file cannot be written.
        """
        with self._lock:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                self._connection.execute("PRAGMA synchronous=FULL")
            except sqlite3.Error as error:
                raise OutputError(f"cannot write `{self.path}`: {error}") from error
        with self._transaction():
            drop_incomplete(self._connection, self.reached)
            ended = [(key,) for key in (CONTENT_HASH, SEAL, "snapshot_hash", "finished")]
            self._connection.executemany("DELETE FROM meta WHERE key = ?", ended)
            running = {**meta, "complete": "0", WRITER: str(os.getpid())}
            self._insert("meta", ("key", "value"), running.items())

    def _initialize(self, synthetic: bool) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self._connection.executescript(schema())
        self.put_meta(
            {
                "schema_version": str(SCHEMA_VERSION),
                "complete": "0",
                "synthetic": str(int(synthetic)),
                WRITER: str(os.getpid()),
            }
        )

    def put_meta(self, values: Mapping[str, str]) -> None:
        """Set header values, replacing earlier ones. Raises OutputError where the file cannot be written."""
        with self._transaction():
            self._insert("meta", ("key", "value"), values.items())

    def write(self, *records: UnitRecord, meta: Mapping[str, str] | None = None) -> None:
        """Commit units with header values, all of it or nothing.

        Raises OutputError where the file cannot be written (disk full).
        """
        with self._transaction():
            for record in records:
                self._write(record)
            self._insert("meta", ("key", "value"), (meta or {}).items())

    def _write(self, record: UnitRecord) -> None:
        unit = record.unit
        self._insert("units", ("unit", "state"), [(unit, record.state)])
        self._insert("answers", _ANSWER_COLUMNS, (_answer(unit, n, a) for n, a in enumerate(record.answers)))
        documents = ((sha, zlib.compress(encoded(text), 6)) for sha, text in record.documents.items())
        self._insert("documents", ("sha256", "text"), documents, "OR IGNORE")
        self._insert("coverage", _COVERAGE_COLUMNS, (_coverage(unit, row) for row in record.coverage.values()))
        grouped: dict[type, list[object]] = {}
        for row in record.rows:
            grouped.setdefault(type(row), []).append(row)
        for kind, rows in grouped.items():
            columns = tuple(field.name for field in fields(kind))
            self._insert(TABLES[kind], columns, ([getattr(row, name) for name in columns] for row in rows))

    def adopt(self, tables: Iterable[tuple[str, tuple[str, ...], Iterable[Sequence[object]]]]) -> None:
        """Commit rows of another snapshot, as (table, columns, rows). Raises OutputError."""
        with self._transaction():
            for table, columns, rows in tables:
                self._insert(table, columns, rows, "OR IGNORE" if table == "documents" else "OR REPLACE")

    def missing(self) -> list[LedgerRow]:
        """A row for each planned unit that was not written."""
        with self._lock:
            return list(never_written(self._connection))

    def finish(self, *, complete: bool, meta: Mapping[str, str] | None = None) -> str:
        """Close the file for good: no side files, `complete` as given; returns the snapshot hash."""
        with self._lock:
            digest = snapshot_hash(self._connection)
        self.put_meta({**(meta or {}), "complete": str(int(complete)), "snapshot_hash": digest})
        with self._lock:
            sealed = content_hash(self._connection)
        with self._transaction():
            self._insert("meta", ("key", "value"), [(CONTENT_HASH, sealed), (SEAL, BLANK)])
            self._connection.execute("DELETE FROM meta WHERE key = ?", (WRITER,))
        self.fold()
        with self._lock:
            self._connection.close()
            try:
                seal(self.path, self._directory)
            except OSError as error:
                raise OutputError(f"cannot write `{self.path}`: {(error.strerror or '').lower()}") from error
        self.close()
        return digest

    def fold(self) -> None:
        """Leave no side files: what the write-ahead log holds goes into the file. Raises OutputError."""
        with self._lock:
            try:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._connection.execute("PRAGMA journal_mode=DELETE").fetchall()
            except sqlite3.Error as error:
                raise OutputError(f"cannot write `{self.path}`: {error}") from error

    def close(self) -> None:
        """Release file and lock; harmless when done already."""
        with self._lock:
            self._connection.close()
            if self._directory >= 0:
                with suppress(OSError):  # some file systems refuse to sync a directory; the file itself is synced
                    os.fsync(self._directory)
                os.close(self._directory)
                self._directory = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _transaction(self) -> _Transaction:
        return _Transaction(self._connection, self._lock, self.path)

    def _insert(
        self, table: str, columns: tuple[str, ...], rows: Iterable[Iterable[object]], conflict: str = "OR REPLACE"
    ) -> None:
        # Table and column names come from our own classes, never from AWS.
        marks = ", ".join("?" * len(columns))
        names = ", ".join(f'"{name}"' for name in columns)
        statement = f'INSERT {conflict} INTO "{table}" ({names}) VALUES ({marks})'  # noqa: S608 - names are ours
        self._connection.executemany(statement, ([_storable(value) for value in row] for row in rows))


def settle(path: Path) -> None:
    """Make a snapshot one file, where a collection that was killed left some of it in a log beside it.

    A hash or a copy of the file alone would lack what is in the log.

    Raises:
        SnapshotError: the snapshot is damaged.
        OutputError: a collection is writing it, or its folder cannot be written.
    """
    if path.with_name(f"{path.name}-wal").exists():
        with SnapshotStore.reopen(path) as store:
            store.fold()


class _Transaction:
    """One immediate transaction under the store's lock."""

    def __init__(self, connection: sqlite3.Connection, lock: Lock, path: Path) -> None:
        self._connection, self._lock, self._path = connection, lock, path

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._lock.release()
            raise OutputError(f"cannot write `{self._path}`: {error}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._connection.execute("COMMIT")
            elif self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as failure:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise OutputError(f"cannot write `{self._path}`: {failure}") from failure
        finally:
            self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise OutputError(f"cannot write `{self._path}`: {error}") from error


_ANSWER_COLUMNS = (
    *("unit", "seq", "service", "operation", "params", "subject"),
    *("status", "request_id", "server_date", "sha256", "body"),
)
_COVERAGE_COLUMNS = (
    *("account_id", "region", "call", "subject", "outcome"),
    *("error_code", "message", "what_to_do", "unit"),
)


def snapshot_hash(connection: sqlite3.Connection) -> str:
    """SHA-256 over the ordered (unit, call, subject, sha256) of every answer.

    The order inside a unit is that of the calls, so merging parts and resuming do not change it.
    """
    digest = hashlib.sha256()
    query = "SELECT unit, service || ':' || operation, subject, sha256 FROM answers ORDER BY unit, seq"
    for row in connection.execute(query):
        for part in row:
            data = encoded(part)
            digest.update(len(data).to_bytes(4, "big") + data)
    return digest.hexdigest()


def _answer(unit: str, seq: int, answer: Answer) -> tuple[object, ...]:
    return (
        *(unit, seq, answer.service, answer.operation, answer.params, answer.subject),
        *(answer.status, answer.request_id, answer.server_date),
        *(hashlib.sha256(answer.body).hexdigest(), zlib.compress(answer.body, 6)),
    )


def _coverage(unit: str, row: LedgerRow) -> tuple[object, ...]:
    return (
        *(row.account_id, row.region, row.call, row.subject, row.outcome),
        *(row.error_code, row.message, row.what_to_do, unit),
    )


def _storable(value: object) -> object:
    """Text that SQLite takes: an outcome as its word, a boolean as 0 or 1, a lone surrogate as the replacement mark."""
    if isinstance(value, Outcome):
        return value.value
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and not value.isascii():
        return encoded(value).decode("utf-8", "replace")
    return value


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The snapshot's directory, locked against a second writer; the lock stays unless the block raises."""
    directory = _private_directory(path)
    try:
        _lock(directory, path)
        yield directory
    except OSError as error:
        os.close(directory)
        raise OutputError(f"cannot write `{path}`: {error.strerror}") from error
    except BaseException:
        os.close(directory)
        raise


def _connected(path: Path) -> sqlite3.Connection:
    """A connection that writes."""
    try:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise OutputError(f"cannot write `{path}`: {error}") from error


def _private_directory(path: Path) -> int:
    """Open the snapshot's directory, made 0700 where it is missing; refuses a symbolic link."""
    directory = path.parent
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        reason = "is a symbolic link" if directory.is_symlink() else f"cannot be used: {error.strerror}"
        raise OutputError(f"the folder `{directory}` {reason}", hint="choose another output folder") from error
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & stat.S_IWOTH:
        os.close(descriptor)
        raise OutputError(f"the folder `{directory}` is writable by everybody", hint=f"chmod 700 {directory}")
    return descriptor


def _lock(directory: int, path: Path) -> None:
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputError(
            f"another process{_writer_of(path)} is writing `{path}`",
            hint="wait until it has finished, or choose another output folder",
        ) from error


def _writer_of(path: Path) -> str:
    """The process id the other writer left in the header; empty where it cannot be told."""
    try:
        with closing(open_snapshot(path)) as connection:
            found = connection.execute("SELECT value FROM meta WHERE key = ?", (WRITER,)).fetchone()
    except (SnapshotError, sqlite3.Error):  # it only completes a message that is shown anyway
        return ""
    return f" ({found[0]})" if found else ""
