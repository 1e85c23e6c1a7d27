"""The coverage ledger of a snapshot: its rows, and which of them tells why something was not read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping

from scanner.model.coverage import LedgerRow, Outcome

READ = frozenset({Outcome.OK, Outcome.EMPTY})
"""Outcomes of a call that was answered. What is `skipped`, `gone` or `not_enabled` is no gap, but is not known."""

IDENTITY_CALL = "iam:GetAccountAuthorizationDetails"
"""The call that stands for an account's whole IAM."""

_WHAT_TO_DO = "continue the run with `--resume`; the collection ended before it came to this"


def never_written(connection: sqlite3.Connection) -> Iterator[LedgerRow]:
    """A `not_reached` row for every planned unit that an unfinished collection left no trace of.

    A collection that was killed could not write what it did not come to.
    """
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    if meta.get("complete") == "1":
        return
    written = {unit for (unit,) in connection.execute("SELECT unit FROM units")}
    planned = [("organization", meta.get("caller_account", ""), "global", "organizations:DescribeOrganization")]
    for account, entered in connection.execute("SELECT account_id, collected FROM accounts WHERE scanned"):
        planned.append((f"account/{account}", account, "*", "sts:AssumeRole"))
        if entered:
            planned.append((f"iam/{account}", account, "global", IDENTITY_CALL))
    for account, region in connection.execute("SELECT account_id, region FROM regions WHERE scanned"):
        planned.append((f"kms/{account}/{region}", account, region, "kms:ListKeys"))
    for unit, account, region, call in planned:
        if unit not in written:
            yield LedgerRow(account, region, call, "", Outcome.NOT_REACHED, what_to_do=_WHAT_TO_DO)


def ledger_of(
    connection: sqlite3.Connection, where: str = "TRUE", parameters: Mapping[str, str] | None = None
) -> Iterator[LedgerRow]:
    """The rows that were written and fit a condition of ours."""
    columns = "account_id, region, call, subject, outcome, error_code, message, what_to_do"
    rows = connection.execute(f"SELECT {columns} FROM coverage WHERE {where}", parameters or {})  # noqa: S608  # our own words
    return (LedgerRow(a, r, c, s, Outcome(o), e, m, w) for a, r, c, s, o, e, m, w in rows)


class Ledger:
    """The rows of a snapshot, asked why something is not there."""

    def __init__(self, rows: tuple[LedgerRow, ...]) -> None:
        self.rows = rows
        self._unread = {row.ref: row for row in rows if row.outcome not in READ}

    def why(self, account_id: str, region: str, *places: tuple[str, str]) -> str:
        """The ref of the first row that tells why; empty where the ledger does not say.

        Args:
            places: (call, subject) of the rows that would tell it, the most specific one first. After them come the
                row of an account nobody could enter and a row about the whole unit from the same service.
        """
        refs = [f"{account_id}/{region}/{call}/{subject}" for call, subject in places]
        refs.append(f"{account_id}/*/sts:AssumeRole/")
        found = next((ref for ref in refs if ref in self._unread), "")
        services = {call.partition(":")[0] for call, _ in places}
        return found or next((row.ref for row in self._of_unit(account_id, region, services)), "")

    def _of_unit(self, account_id: str, region: str, services: set[str]) -> Iterator[LedgerRow]:
        for row in self._unread.values():
            whole = not row.subject and row.call.partition(":")[0] in services
            if whole and (row.account_id, row.region) == (account_id, region) and row.outcome.is_gap:
                yield row

    def unread(self, *calls: str) -> Iterator[LedgerRow]:
        """Every row of these calls that speaks of something unread, in order."""
        return (row for row in self._unread.values() if row.call in calls)
