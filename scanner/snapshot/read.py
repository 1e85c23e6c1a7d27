"""Opens a snapshot for reading, after checking that it is one, is whole and is of this version."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
import zlib
from contextlib import closing
from importlib import resources
from pathlib import Path

from scanner.errors import SnapshotError

SCHEMA_VERSION = 1
"""Rises with every change of `schema.sql`; a snapshot of another version is refused."""

APPLICATION_ID = 0x6B6D7373
"""Marks the SQLite file as a kms-scan snapshot (`PRAGMA application_id`)."""

_MAGIC = b"SQLite format 3\0"


def schema() -> str:
    """The text of `schema.sql`."""
    return resources.files("scanner.snapshot").joinpath("schema.sql").read_text("utf-8")


def open_snapshot(path: Path) -> sqlite3.Connection:
    """A read-only connection to a checked snapshot.

    A collection that was killed opens too: what was committed is there and `complete` is 0 in `meta`. The file may come
    from somebody else, so its schema is not trusted to run functions. Raises SnapshotError where the file is missing,
    no regular file, no snapshot, damaged, or of another version.
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
        _check_integrity(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise _damaged(path, str(error)) from error
    except SnapshotError:
        connection.close()
        raise
    return connection


def read_document(connection: sqlite3.Connection, sha256: str) -> str:
    """The exact text of a policy document. Raises SnapshotError where it is missing or its hash does not hold."""
    found = connection.execute("SELECT text FROM documents WHERE sha256 = ?", (sha256,)).fetchone()
    if found is None:
        raise SnapshotError(f"the snapshot lacks document `{sha256}`", hint="collect again")
    try:
        data = zlib.decompress(found[0])
    except zlib.error as error:
        raise SnapshotError(f"document `{sha256}` of the snapshot is damaged", hint="collect again") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SnapshotError(f"document `{sha256}` of the snapshot was altered", hint="collect again")
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
            hint="read it with the release that wrote it, or collect again",
        )


def _check_integrity(connection: sqlite3.Connection, path: Path) -> None:
    verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
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
