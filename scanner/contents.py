"""What a run directory holds, opened after it was compared with the manifest."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scanner.errors import SnapshotError
from scanner.model.finding import FindingsDocument
from scanner.report.json import load_findings
from scanner.report.keys import GRANTS_SHOWN, KeyHolding
from scanner.report.manifest import check_files
from scanner.runs import FINDINGS, SNAPSHOT
from scanner.snapshot.holdings import key_grants, key_policies
from scanner.snapshot.read import ContentError, read_document, reading
from scanner.snapshot.seal import is_sealed

logger = logging.getLogger(__name__)


@contextmanager
def checked_snapshot(snapshot: Path, *, quick: bool = False) -> Iterator[sqlite3.Connection]:
    """A snapshot that is what was collected, and the one that the manifest beside it names.

    Args:
        quick: do not go through the rows of a file that is, byte for byte, the one that the manifest names, as that was
            written of one whose rows had been gone through, or the one that was closed, as its seal says.
    """
    compared = check_files(snapshot.parent, (SNAPSHOT,)) if snapshot.name == SNAPSHOT else frozenset()
    with reading(snapshot, known=quick and (SNAPSHOT in compared or is_sealed(snapshot))) as connection:
        yield connection


def read_findings(path: Path) -> FindingsDocument:
    """The findings of a run directory, as its manifest names them.

    Raises:
        SnapshotError: there are none, or they are damaged or of another version.
    """
    check_files(path, (FINDINGS,))
    file = path / FINDINGS
    try:
        data = file.read_bytes()
    except OSError as error:
        hint = "name a run directory, its id or `latest`; `kms-scan analyze` writes the file"
        raise SnapshotError(f"`{file}` cannot be read: {error.strerror}", hint=hint) from error
    return load_findings(data, str(file))


def text_of(connection: sqlite3.Connection, sha256: str) -> str | None:
    """The text of a policy; None, and a warning, where the snapshot lacks it."""
    try:
        return read_document(connection, sha256)
    except ContentError as error:
        logger.warning("a document of the snapshot is missing: %s", error.message)
        return None


def holding_of(connection: sqlite3.Connection, key_arn: str) -> KeyHolding:
    """The policies of a key and the first of its grants."""
    return KeyHolding(key_policies(connection, key_arn), key_grants(connection, key_arn, GRANTS_SHOWN))
