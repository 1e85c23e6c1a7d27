"""Joins snapshots that were collected in parts into one, as if one collection had read all of it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from scanner.errors import SnapshotError, UsageError
from scanner.model.coverage import LedgerRow
from scanner.snapshot.ledger import ledger_of
from scanner.snapshot.reached import (
    ACCOUNTS,
    CONFIGURATION,
    ORGANIZATION,
    ORGANIZATION_TABLES,
    RUN,
    Reached,
    read_reached,
)
from scanner.snapshot.read import CONTENT_HASH, reading
from scanner.snapshot.rows import AccountRow, UnitRecord
from scanner.snapshot.store import SnapshotStore

PARTS = "parts"
"""The header's entry that says what a snapshot was joined from."""

_SCOPE = {"ids", "file", "include_ous", "exclude_ous", "exclude"}
"""Settings of `accounts` in which parts differ: they are how a collection is divided."""

_SHARED = frozenset({ORGANIZATION, ACCOUNTS, RUN})

_OWNERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "regions": ("account", ("account_id",)),
    "principals": ("iam", ("account_id",)),
    "groups": ("iam", ("account_id",)),
    "group_members": ("iam", ("group_arn",)),
    "policies": ("iam", ("account_id",)),
    "principal_policies": ("iam", ("principal_arn",)),
    "identity_providers": ("iam", ("account_id",)),
    "keys": ("kms", ("account_id", "region")),
    "shared_keys": ("kms", ("account_id", "region")),
    "key_tags": ("kms", ("key_arn",)),
    "aliases": ("kms", ("arn",)),
    "grants": ("kms", ("key_arn",)),
}
"""The kind of unit that wrote a row of a table, and the columns that name it: account and region, or an ARN."""


@dataclass(frozen=True, slots=True)
class _Part:
    path: Path
    rows: sqlite3.Connection
    reached: Reached

    @property
    def age(self) -> tuple[str, str, str]:
        """What the newest part has the most of; two parts never share a run id and content."""
        meta = self.reached.meta
        return meta.get("finished", ""), meta.get("run_id", ""), meta.get(CONTENT_HASH, "")

    @property
    def organization_id(self) -> str | None:
        found = self.rows.execute("SELECT id FROM organizations").fetchone()
        return str(found[0]) if found else None

    def told_of_organization(self) -> list[object]:
        """Everything that the unit found, in an order that does not depend on that of the answers."""
        tables = [sorted(map(repr, self.rows.execute(f'SELECT * FROM "{t}"'))) for t in ORGANIZATION_TABLES]  # noqa: S608
        query = "SELECT call, subject, outcome FROM coverage WHERE unit = ? ORDER BY call, subject"
        return [*tables, self.rows.execute(query, (ORGANIZATION,)).fetchall()]


def merge(out: Path, snapshots: Sequence[Path], *, run_id: str, prefer_newest: bool = False) -> str:
    """Write the snapshot that holds every unit of the parts; returns its snapshot hash.

    Args:
        run_id: of the joined run.
        prefer_newest: takes a unit that several parts hold from the part that ended last, instead of refusing it.

    Raises:
        SnapshotError: a part is missing, damaged, of another version, or does not say how it was collected.
        UsageError: the parts are of different organizations or configurations, or hold the same unit.
        OutputError: the file exists or cannot be written.
    """
    with ExitStack() as stack:
        parts = sorted((_opened(stack, path) for path in snapshots), key=lambda part: part.age)
        _must_fit(parts)
        if not prefer_newest:
            _must_be_apart(parts)
        holders = {unit: part for part in parts for unit in sorted(part.reached.failed - _SHARED)}
        holders |= {unit: part for part in parts for unit in sorted(part.reached.units - _SHARED)}
        told = [part for part in parts if ORGANIZATION in part.reached.units] or [
            part for part in parts if ORGANIZATION in part.reached.failed
        ]
        if told:
            holders[ORGANIZATION] = told[-1]
        store = SnapshotStore.create(out, synthetic=parts[0].reached.meta.get("synthetic") == "1")
        try:
            return _written(store, parts, holders, run_id)
        except BaseException:
            store.close()
            out.unlink(missing_ok=True)
            raise


def _opened(stack: ExitStack, path: Path) -> _Part:
    rows = stack.enter_context(reading(path))
    part = _Part(path, rows, read_reached(rows))
    if PARTS in part.reached.meta:
        raise UsageError(f"`{path}` was joined from parts already", hint="name the parts it was joined from")
    if not part.reached.meta.get(CONFIGURATION):
        raise SnapshotError(
            f"`{path}` does not say which configuration it was collected with",
            hint="collect it again with this release",
        )
    return part


# -- what does not fit ------------------------------------------------------------------------------------------------


def _must_fit(parts: Sequence[_Part]) -> None:
    for one, other in combinations(parts, 2):
        names = f"`{one.path}` and `{other.path}`"
        ids = (one.organization_id, other.organization_id)
        if None not in ids and ids[0] != ids[1]:
            raise UsageError(f"{names} are of different organizations, `{ids[0]}` and `{ids[1]}`")
        for key in ("partition", "synthetic"):
            values = (one.reached.meta.get(key), other.reached.meta.get(key))
            if values[0] != values[1]:
                raise UsageError(f"{names} differ in their {key}: `{values[0]}` and `{values[1]}`")
        before, now = _settings(one), _settings(other)
        differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        if differing:
            keys = ", ".join(f"`{key}`" for key in differing)
            raise UsageError(
                f"{names} were collected with different configurations: {keys}",
                hint="parts may differ in which accounts they read, and in nothing else",
            )


def _settings(part: _Part) -> dict[str, object]:
    """The settings of a part by their names, without those that divide a collection."""
    sections = json.loads(part.reached.meta[CONFIGURATION])
    named = ((section, key, value) for section, values in sections.items() for key, value in values.items())
    return {f"{s}.{key}": value for s, key, value in named if not (s == "accounts" and key in _SCOPE)}


def _must_be_apart(parts: Sequence[_Part]) -> None:
    hint = "read every account in one part only, or take the newest with `--prefer newest`"
    for one, other in combinations(parts, 2):
        both = sorted((one.reached.units & other.reached.units) - _SHARED)
        if both:
            more = f" and {len(both) - 1} more units" if len(both) > 1 else ""
            raise UsageError(f"`{one.path}` and `{other.path}` both hold `{both[0]}`{more}", hint=hint)
    told = [part for part in parts if ORGANIZATION in part.reached.units]
    for one, other in combinations(told, 2):
        if one.told_of_organization() != other.told_of_organization():
            raise UsageError(
                f"`{one.path}` and `{other.path}` tell different things about the organization: it changed between "
                "them, or one of them could not read all of it",
                hint="collect one of them again, or take the newest with `--prefer newest`",
            )


# -- what is written --------------------------------------------------------------------------------------------------


def _written(store: SnapshotStore, parts: Sequence[_Part], holders: Mapping[str, _Part], run_id: str) -> str:
    store.write(_accounts(parts), UnitRecord(RUN), meta=_header(parts, holders, run_id))
    for part in parts:
        held = frozenset(unit for unit, holder in holders.items() if holder is part)
        store.adopt(_rows(part, held))
    return store.finish(complete=not store.missing())


def _accounts(parts: Sequence[_Part]) -> UnitRecord:
    """Every account that a part knows: in scope where it is for one of them, else with the reason it is not."""
    known: dict[str, AccountRow] = {}
    reasons: dict[str, LedgerRow] = {}
    for part in parts:
        for row in part.reached.accounts:
            before = known.get(row.account_id)
            if before is None or (row.scanned, row.collected) >= (before.scanned, before.collected):
                known[row.account_id] = row
        reasons |= {row.account_id: row for row in ledger_of(part.rows, f"unit = '{ACCOUNTS}'")}
    record = UnitRecord(ACCOUNTS, rows=[known[account] for account in sorted(known)])
    for account, reason in sorted(reasons.items()):
        if not known[account].scanned:
            record.ledger(reason)
    return record


def _header(parts: Sequence[_Part], holders: Mapping[str, _Part], run_id: str) -> dict[str, str]:
    metas = [part.reached.meta for part in parts]
    newest = metas[-1]
    organization = holders[ORGANIZATION].reached.meta if ORGANIZATION in holders else newest
    regions = {region for meta in metas for region in json.loads(meta.get("run_regions", "[]"))}
    kept = ("run_id", "started", "finished", "complete", "scope", "caller_arn", "kms_scan_version", "snapshot_hash")
    versions = ("partition", "kms_scan_version", "python_version", "botocore_version", "boto3_version", "config_hash")
    return {
        **{key: newest.get(key, "") for key in versions},
        "run_id": run_id,
        "started": min(meta.get("started", "") for meta in metas),
        "finished": max(meta.get("finished", "") for meta in metas),
        "as_of": min(meta.get("as_of", "") for meta in metas),
        "caller_arn": organization.get("caller_arn", ""),
        "caller_account": organization.get("caller_account", ""),
        "scope": " + ".join(sorted({meta.get("scope", "") for meta in metas})),
        "run_regions": json.dumps(sorted(regions)),
        "organization_state": organization.get("organization_state", "not_reached"),
        PARTS: json.dumps([{key: meta[key] for key in kept if key in meta} for meta in metas]),
    }


def _rows(part: _Part, held: frozenset[str]) -> Iterator[tuple[str, tuple[str, ...], Iterator[Sequence[object]]]]:
    """Table, columns and rows of everything that the units held by a part wrote."""
    for table in ("units", "answers", "coverage"):
        yield _chosen(part, table, lambda row: row["unit"] in held)
    yield _chosen(part, "documents", lambda _: True)
    for table in ORGANIZATION_TABLES if ORGANIZATION in held else ():
        yield _chosen(part, table, lambda _: True)
    for table in _OWNERS:
        yield _chosen(part, table, lambda row, table=table: _owner(table, row) in held)


def _owner(table: str, row: Mapping[str, object]) -> str:
    """The unit that wrote a row."""
    kind, columns = _OWNERS[table]
    names = [str(row[column]) for column in columns]
    if names[0].startswith("arn:"):
        parts = names[0].split(":")
        names = [parts[4], parts[3]] if kind == "kms" else [parts[4]]
    return "/".join((kind, *names))


def _chosen(
    part: _Part, table: str, is_held: Callable[..., bool]
) -> tuple[str, tuple[str, ...], Iterator[Sequence[object]]]:
    cursor = part.rows.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # our own names
    columns = tuple(entry[0] for entry in cursor.description)
    return table, columns, (row for row in cursor if is_held(dict(zip(columns, row, strict=True))))
