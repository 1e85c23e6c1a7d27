"""Opens a snapshot for reading, after checking that it is one, is whole and is of this version."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path

from scanner.errors import SnapshotError
from scanner.snapshot.damage import damaged_table
from scanner.snapshot.seal import SEAL

SCHEMA_VERSION = 2
"""Rises with every change of `schema.sql`; a snapshot of another version is refused."""

APPLICATION_ID = 0x6B6D7373
"""Marks the SQLite file as a kms-scan snapshot (`PRAGMA application_id`)."""

WRITER = "writer_process"
"""The header's entry of a collection that has not ended: the process that writes the file."""

CONTENT_HASH = "content_hash"
"""The header's entry that `content_hash` must reproduce."""
_AT_ONCE = 1000
"""Rows that are looked through together."""

_MAGIC = b"SQLite format 3\0"
_UNREADABLE = (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What reading rows that nobody collected can raise; UnicodeDecodeError and JSONDecodeError are ValueErrors."""


class ContentError(SnapshotError):
    """A part of an open snapshot is missing or damaged; `reading` adds the file."""


def schema() -> str:
    """The text of `schema.sql`."""
    return resources.files("scanner.snapshot").joinpath("schema.sql").read_text("utf-8")


def open_snapshot(path: Path, *, known: bool = False) -> sqlite3.Connection:
    """A read-only connection to a checked snapshot.

    A collection that was killed opens too: what was committed is there and `complete` is 0 in `meta`. The file may come
    from somebody else, so its schema is not trusted to run functions. Raises SnapshotError where the file is missing,
    no regular file, no snapshot, damaged, or of another version.

    Args:
        known: the file is byte for byte one that was checked before, so its pages are not gone through again.
    """
    _check_file(path)
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise SnapshotError(f"the snapshot `{path}` cannot be opened: {error}") from error
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA query_only=ON")
        _check_version(connection, path)
        _check_integrity(connection, path, pages=not known)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        connection.close()
        raise _damaged(path, str(error)) from error
    except SnapshotError:
        connection.close()
        raise
    return connection


@contextmanager
def reading(path: Path, *, known: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection as `open_snapshot` gives it, whose content is what was collected; closed when the block ends.

    Raises SnapshotError naming file and table where the content was changed after the collection, and where a row
    cannot be read inside the block. Any other error of the block passes.
    """
    with closing(open_snapshot(path, known=known)) as connection:
        try:
            if not known:
                _check_content(connection)
            yield connection
        except ContentError as error:
            raise _damaged(path, damaged_table(connection) or error.message) from error
        except _UNREADABLE as error:
            place = damaged_table(connection)
            if place is None and not isinstance(error, sqlite3.Error):
                raise
            raise _damaged(path, place or str(error)) from error


def read_header(path: Path) -> dict[str, str]:
    """The header of a snapshot without looking at the rest, to choose among many. Raises SnapshotError."""
    _check_file(path)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return dict(connection.execute("SELECT key, value FROM meta"))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error


def content_hash(connection: sqlite3.Connection) -> str:
    """SHA-256 over every row of every table, the answers by their own hashes.

    A file that was edited after the collection no longer has the hash of its header. That is a protection against
    mistakes: whoever edits on purpose can compute it anew, and only a manifest kept elsewhere tells.
    """
    digest = hashlib.sha256()
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in tables:
        digest.update(f"\n{table}\n".encode())
        columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")') if row[1] != "body"]
        names = ", ".join(f'"{name}"' for name in columns)
        given = f"WHERE key NOT IN ('{WRITER}', '{CONTENT_HASH}', '{SEAL}')" if table == "meta" else ""
        query = f'SELECT {names} FROM "{table}" {given} ORDER BY {names}'  # noqa: S608  # our own schema
        found = connection.execute(query)
        while rows := found.fetchmany(_AT_ONCE):
            digest.update("".join(map(repr, rows)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def read_document(connection: sqlite3.Connection, sha256: str) -> str:
    """The exact text of a policy document. Raises SnapshotError where it is missing or its hash does not hold."""
    found = connection.execute("SELECT text FROM documents WHERE sha256 = ?", (sha256,)).fetchone()
    if found is None:
        raise ContentError(f"the snapshot lacks document `{sha256}`", hint="collect again")
    try:
        data = zlib.decompress(found[0])
    except zlib.error as error:
        raise ContentError(f"document `{sha256}` of the snapshot is damaged", hint="collect again") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ContentError(f"document `{sha256}` of the snapshot was altered", hint="collect again")
    return data.decode("utf-8", "surrogatepass")


def _check_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SnapshotError(f"`{path}` is no file", hint="name a `snapshot.sqlite` or a run directory")
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise SnapshotError(f"the snapshot `{path}` cannot be read: {error.strerror}") from error
    if magic != _MAGIC:
        raise SnapshotError(f"`{path}` is no snapshot: it is not an SQLite file", hint="name a `snapshot.sqlite`")


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != APPLICATION_ID:
        raise SnapshotError(f"`{path}` is an SQLite file, but no kms-scan snapshot")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != SCHEMA_VERSION:
        raise SnapshotError(
            f"the snapshot `{path}` has schema {version}, this version reads {SCHEMA_VERSION}",
            hint=f"use kms-scan {_written_by(connection) or 'of the release that wrote it'}, or collect again",
        )


def _written_by(connection: sqlite3.Connection) -> str:
    """The release that wrote a snapshot of another schema, where its header still says it as ours does."""
    try:
        found = connection.execute("SELECT value FROM meta WHERE key = 'kms_scan_version'").fetchone()
    except sqlite3.Error:
        return ""
    return str(found[0]) if found else ""


def _check_content(connection: sqlite3.Connection) -> None:
    """Snapshots of collections that were killed have no hash, and none is expected of them."""
    found = connection.execute("SELECT value FROM meta WHERE key = ?", (CONTENT_HASH,)).fetchone()
    if found is not None and found[0] != content_hash(connection):
        raise ContentError("its rows are not those that were collected")


def _check_integrity(connection: sqlite3.Connection, path: Path, *, pages: bool) -> None:
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0] if pages else "ok"
    if verdict != "ok":
        raise _damaged(path, verdict)
    with closing(sqlite3.connect(":memory:")) as blank:
        blank.executescript(schema())
        expected = _definitions(blank)
    if _definitions(connection) != expected:
        raise _damaged(path, "its tables are not those of its version")


def _definitions(connection: sqlite3.Connection) -> dict[str, str]:
    query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_stat%'"
    return dict(connection.execute(query).fetchall())


def _damaged(path: Path, reason: str) -> SnapshotError:
    return SnapshotError(f"the snapshot `{path}` is damaged: {reason}", hint="collect again, or restore it from a copy")
