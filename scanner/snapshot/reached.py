"""How far a collection came that was interrupted: its header, its complete units, and what they found to do next."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, fields

from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.ledger import ledger_of
from scanner.snapshot.rows import TABLES, AccountRow, RegionRow

ORGANIZATION, ACCOUNTS, RUN = "organization", "accounts", "run"
"""Units without an account: what the organization says, who is in scope, and what the run did not come to."""

CONFIGURATION = "configuration"
"""The header's entry with the settings of a collection; without it a snapshot is neither continued nor joined."""

_COMPLETE = "complete"
_ENTERED = "call = 'sts:AssumeRole' AND subject = '' AND outcome = 'ok'"

ORGANIZATION_TABLES = ("organizations", "ous", "org_members", "org_policies", "org_attachments")
"""What the organization's unit writes, and no other."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What an interrupted collection holds.

    `units` are complete and are not done again. `entered` has the row of the call that entered each account; `keys` and
    `gaps` are counts by unit.
    """

    meta: Mapping[str, str]
    units: frozenset[str]
    accounts: tuple[AccountRow, ...]
    regions: Mapping[str, tuple[RegionRow, ...]]
    entered: Mapping[str, LedgerRow]
    keys: Mapping[str, int]
    gaps: Mapping[str, int]

    @property
    def chosen(self) -> bool:
        """Whether the organization was read and the accounts in scope were written."""
        return {ORGANIZATION, ACCOUNTS} <= self.units


NOTHING = Reached({}, frozenset(), (), {}, {}, {}, {})
"""What a collection that begins has reached."""


def read_reached(connection: sqlite3.Connection) -> Reached:
    """What the snapshot of an interrupted collection holds."""
    regions: dict[str, list[RegionRow]] = {}
    for account, region, status, scanned in connection.execute(f"{_all(RegionRow)} ORDER BY account_id, region"):
        regions.setdefault(account, []).append(RegionRow(account, region, status, bool(scanned)))
    accounts = tuple(
        AccountRow(account, name, email, status, bool(member), bool(collected), bool(scanned), reason)
        for account, name, email, status, member, collected, scanned, reason in connection.execute(
            f"{_all(AccountRow)} ORDER BY account_id"
        )
    )
    keys = connection.execute("SELECT account_id, region, count(*) FROM keys GROUP BY account_id, region")
    gaps = connection.execute("SELECT unit, outcome, count(*) FROM coverage GROUP BY unit, outcome").fetchall()
    missing: dict[str, int] = {}
    for unit, outcome, count in gaps:
        missing[unit] = missing.get(unit, 0) + (count if Outcome(outcome).is_gap else 0)
    return Reached(
        meta=dict(connection.execute("SELECT key, value FROM meta")),
        units=frozenset(u for (u,) in connection.execute("SELECT unit FROM units WHERE state = ?", (_COMPLETE,))),
        accounts=accounts,
        regions={account: tuple(rows) for account, rows in regions.items()},
        entered={row.account_id: row for row in ledger_of(connection, _ENTERED)},
        keys={f"kms/{account}/{region}": count for account, region, count in keys},
        gaps=missing,
    )


def drop_incomplete(connection: sqlite3.Connection, reached: Reached) -> None:
    """Remove what belongs to units that are done again, inside the caller's transaction.

    A unit that is not complete left no row in the tables of accounts, keys and principals. The organization counts as
    complete together with the accounts that were chosen from it, because only both say what is to be done.
    """
    again = {unit for (unit,) in connection.execute("SELECT unit FROM units")} - reached.units | {RUN}
    if not reached.chosen:
        again |= {ORGANIZATION, ACCOUNTS}
        for table in ORGANIZATION_TABLES:
            connection.execute(f'DELETE FROM "{table}"')  # noqa: S608  # our own names
    for unit in sorted(again):
        for table in ("answers", "coverage", "units"):
            connection.execute(f'DELETE FROM "{table}" WHERE unit = ?', (unit,))  # noqa: S608  # our own names


def _all(kind: type) -> str:
    names = ", ".join(f'"{field.name}"' for field in fields(kind))
    return f'SELECT {names} FROM "{TABLES[kind]}"'  # noqa: S608  # our own names
