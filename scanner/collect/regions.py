"""Which regions an account has enabled, and which of them are in scope."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from scanner.collect.outcome import CallFailedError, Failure
from scanner.collect.settings import AccountOverride, CollectSettings
from scanner.collect.wire import ALL, Unit, call, pages
from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.rows import RegionRow

BY_DEFAULT = "ENABLED_BY_DEFAULT"
ENABLED = frozenset({"ENABLED", BY_DEFAULT})
UNKNOWN = "UNKNOWN"
DISABLED = "DISABLED"
_FROM_EC2 = {"opt-in-not-required": BY_DEFAULT, "opted-in": "ENABLED", "not-opted-in": DISABLED}
_GLOB = frozenset("*?[")
_WORDS = frozenset({"all-enabled", "default-only"})


def read_regions(unit: Unit, settings: CollectSettings) -> list[RegionRow]:
    """Every region as the account sees it, with `scanned` set for those in scope (R10.5).

    A region that is being enabled or disabled right now is tried: its keys are there, and AWS says whether it answers.
    Where account:ListRegions fails and ec2:DescribeRegions works, that is one `ok` row naming the fallback. Where both
    fail, regions that the configuration names literally are tried, and a gap says that there may be more.
    """
    override = settings.overrides.get(unit.account_id, AccountOverride())
    include = override.regions or settings.regions_include
    statuses = _statuses(unit)
    if statuses is None:
        literal = [name for name in include if name not in _WORDS and not _GLOB & set(name)]
        statuses = dict.fromkeys(literal, UNKNOWN)
        if len(literal) < len(include):
            _unknown(unit)
    rows = [
        RegionRow(unit.account_id, name, status, _in_scope(name, status, include, settings))
        for name, status in sorted(statuses.items())
    ]
    unit.record.rows.extend(rows)
    return rows


def _unknown(unit: Unit) -> None:
    """Say under region `*` that regions nobody could name were not read."""
    message = "the account's regions are unknown"
    todo = "allow `account:ListRegions` to the audit role, or name the regions in `regions.include`"
    row = LedgerRow(unit.account_id, ALL, "kms:ListKeys", "", Outcome.NOT_REACHED, "", message, todo)
    unit.record.ledger(row)


def _statuses(unit: Unit) -> dict[str, str] | None:
    found: dict[str, str] = {}
    try:
        for page in pages(unit, "account:ListRegions"):
            found.update({str(r.get("RegionName", "")): str(r.get("RegionOptStatus", "")) for r in page["Regions"]})
    except CallFailedError as error:
        return _from_ec2(unit, error.failure)
    if not found:
        unit.ledger("account:ListRegions", "", Outcome.MALFORMED, message="the answer names no region")
        return None
    unit.ledger("account:ListRegions", "", Outcome.OK)
    return found


def _from_ec2(unit: Unit, failure: Failure) -> dict[str, str] | None:
    try:
        answer = call(unit, "ec2:DescribeRegions", {"AllRegions": True})
    except CallFailedError as error:
        unit.failed("account:ListRegions", "", failure)
        unit.failed("ec2:DescribeRegions", "", error.failure)
        return None
    message = f"account:ListRegions ended with `{failure.code}`; the regions come from ec2:DescribeRegions"
    unit.ledger("ec2:DescribeRegions", "", Outcome.OK, message=message)
    return {
        str(region.get("RegionName", "")): _FROM_EC2.get(str(region.get("OptInStatus", "")), UNKNOWN)
        for region in answer["Regions"]
    }


def _in_scope(name: str, status: str, include: tuple[str, ...], settings: CollectSettings) -> bool:
    if status == DISABLED:
        return False
    if status not in {BY_DEFAULT, UNKNOWN} and not settings.opt_in:
        return False
    if any(fnmatchcase(name, pattern) for pattern in settings.regions_exclude):
        return False
    return any(_included(name, status, pattern) for pattern in include)


def _included(name: str, status: str, pattern: str) -> bool:
    if pattern == "all-enabled":
        return True
    if pattern == "default-only":
        return status in {BY_DEFAULT, UNKNOWN}
    return fnmatchcase(name, pattern)


def left_out(rows: list[RegionRow]) -> Mapping[str, str]:
    """Regions that are out of scope though they are not disabled, each with the reason."""
    reason = "left out by `regions` in the configuration"
    return {row.region: reason for row in rows if not row.scanned and row.opt_status != DISABLED}
