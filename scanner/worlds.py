"""Decides what of a snapshot a question or an analysis looks at, as the configuration asks it to be read."""

from __future__ import annotations

import sqlite3
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from scanner.analyze.keys.damaged import with_damaged_documents
from scanner.analyze.principals.question import find_key
from scanner.config import Settings
from scanner.contents import checked_snapshot
from scanner.errors import SnapshotError, UsageError
from scanner.model.world import World
from scanner.plan import check_trust, trust_of
from scanner.runs import SNAPSHOT, find_run
from scanner.snapshot.part import Part, part_of
from scanner.snapshot.view import Assumptions, load_meta, load_world


def world_in(connection: sqlite3.Connection, settings: Settings, as_of: str = "", part: Part | None = None) -> World:
    """The snapshot as the configuration asks it to be read; `as_of` goes before the configured evaluation time."""
    trust = trust_of(settings)
    asserted = {k.lower(): tuple(v) for k, v in settings.analysis.context.items()}
    asked = as_of or (settings.analysis.as_of.isoformat() if settings.analysis.as_of else "")
    moment = asked or load_meta(connection).get("as_of", "")
    assumptions = Assumptions(
        _utc(moment), trust.accounts, settings.analysis.scp, settings.analysis.rcp, asserted
    )  # fmt: skip
    world = with_damaged_documents(load_world(connection, assumptions, part))
    check_trust(trust, world)
    return world


def world_of(name: str, settings: Settings, *, quick: bool = False) -> World:
    """The world of a run or of a lone snapshot, to put questions to; nothing is written.

    Args:
        name: a snapshot file, a run directory, its id or `latest`.
        quick: a file that is byte for byte the one of the manifest, or that was closed, is not gone through row by row.

    Raises:
        SnapshotError: there is no such run, or its snapshot is missing, damaged or of another version.
    """
    with _opened(name, settings, quick=quick) as connection:
        return world_in(connection, settings)


def world_to_ask(name: str, settings: Settings, key: str, principal: str) -> World:
    """What of a run or a lone snapshot decides on one key and one principal, as they were typed: fast at any size.

    It is the whole world where the key is not found or not the only one, so that the error can name what comes close.

    Raises: as `world_of`.
    """
    with _opened(name, settings, quick=True) as connection:
        part = part_of(connection, key, principal)
        world = world_in(connection, settings, part=part)
        try:
            find_key(world, key)
        except UsageError:
            return world if part is None else world_in(connection, settings)
        return world


def _opened(name: str, settings: Settings, *, quick: bool = False) -> AbstractContextManager[sqlite3.Connection]:
    path = Path(name)
    snapshot = path if path.is_file() else find_run(name, settings.output.directory).path / SNAPSHOT
    return checked_snapshot(snapshot, quick=quick)


def _utc(moment: str) -> str:
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError as error:
        raise SnapshotError(f"the snapshot has no valid time: `{moment}`") from error
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC).isoformat().replace("+00:00", "Z")
