"""Finds out before a run what it could read: every action of ours once, in one region of every account in scope."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from threading import Event
from typing import Any

from scanner.collect.accounts import Tree, select
from scanner.collect.estimate import Plan, Probed, plan
from scanner.collect.grants import RETIRABLE, not_checked
from scanner.collect.organization import OrganizationFacts
from scanner.collect.outcome import CallFailedError, MismatchError, UnitStoppedError
from scanner.collect.sessions import Caller, SessionFactory, Sessions, botocore_session
from scanner.collect.settings import Clock, CollectSettings
from scanner.collect.units import Context, Job, must_be_readable, organization_job, work
from scanner.collect.wire import Pacing, Unit, call, pages
from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.rows import AccountRow, UnitRecord

logger = logging.getLogger(__name__)

_FALLBACKS = {"ec2:DescribeRegions": "account:ListRegions", "organizations:ListAccounts": "organizations:ListRoots"}
"""Actions that are needed only where another one is refused."""
_OF_KEYS = ("kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListResourceTags")
_LAST_USE = "kms:GetKeyLastUsage"
_PARAMS: Mapping[str, Mapping[str, Any]] = {
    "kms:GetKeyPolicy": {"PolicyName": "default"},
    "kms:ListGrants": {"Limit": 1},
    "kms:ListResourceTags": {"Limit": 1},
}


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """What became of the probes in one account. `rows` are those of a ledger, one per action."""

    account: AccountRow
    rows: tuple[LedgerRow, ...]
    entered: bool = False
    region: str = ""
    regions: int = 0
    keys: int = 0


@dataclass(frozen=True, slots=True)
class Preflight:
    """Who we are, what can be read, and what a run would cost."""

    caller: Caller
    organization: OrganizationFacts
    rows: tuple[LedgerRow, ...]
    accounts: tuple[AccountCheck, ...]
    left_out: int
    plan: Plan

    @property
    def unreadable(self) -> tuple[LedgerRow, ...]:
        """Every probe that failed."""
        rows = (*self.rows, *(row for check in self.accounts for row in check.rows))
        return tuple(row for row in rows if row.outcome.is_gap)

    @property
    def exit_code(self) -> int:
        """0; 4 where something in scope is unreadable; 5 where no account lets us in (product.md, section 4)."""
        if not any(check.entered for check in self.accounts):
            return 5
        return 4 if self.unreadable else 0


def preflight(
    settings: CollectSettings,
    *,
    executor: Executor,
    clock: Clock,
    stop: Event,
    session_factory: SessionFactory = botocore_session,
) -> Preflight:
    """Enter every account in scope, in parallel, and probe. Nothing is written.

    The organization is read as a run would: its accounts are the scope. `stop` set: probes in flight are given up after
    the grace period of a run. Raises what `collect` raises before the first
    account: NothingScannedError without credentials or organization, UsageError where nothing is in scope.
    """
    pacing = Pacing(
        clock, stop, settings.max_attempts, settings.unit_deadline.total_seconds(), settings.kms_quota_share
    )
    context = Context(settings, Sessions(settings, session_factory(settings.profile), pacing), pacing)
    caller = context.sessions.caller
    job = organization_job(context)
    result = work(context, job)
    facts = result.organization or OrganizationFacts("unreadable", Tree())
    must_be_readable(settings, facts)
    before = pacing.counters.calls
    rows = list(_rows(result.record))
    if facts.state in {"read", "partial"}:
        rows.extend(_list_accounts(context, job, {row.call for row in rows}))
    accounts = select(settings, facts.tree)
    scanned = [account for account in accounts if account.scanned]
    started, calls = clock.monotonic(), pacing.counters.calls
    checks = tuple(executor.map(partial(_check, context), scanned))
    busy = (clock.monotonic() - started) * min(settings.workers, len(scanned))
    pace = busy / max(1, pacing.counters.calls - calls)
    probed = [Probed(check.entered, check.regions, check.keys) for check in checks]
    return Preflight(
        caller=caller,
        organization=facts,
        rows=_needed(rows),
        accounts=checks,
        left_out=len(accounts) - len(scanned),
        plan=plan(settings, probed, before, pace),
    )


def _check(context: Context, account: AccountRow) -> AccountCheck:
    """Enter one account and probe; never raises, like `work`."""
    result = work(context, Job("account", account))
    rows = [row for row in _rows(result.record) if row.outcome is not Outcome.SKIPPED]
    if not result.jobs:
        return AccountCheck(account, _needed(rows))
    regions = [job for job in result.jobs if job.kind == "kms"]
    home = context.settings.home_region
    chosen = next((job for job in regions if job.region == home), regions[0] if regions else None)
    keys: list[int] = []
    rows.extend(_probed(context, result.jobs[0], lambda unit: _probe_account(context, unit, rows)))
    if chosen is not None:
        rows.extend(_probed(context, chosen, lambda unit: keys.append(_probe_keys(context, unit))))
    region = chosen.region if chosen else ""
    return AccountCheck(account, _needed(rows), True, region, len(regions), sum(keys))


def _probed(context: Context, job: Job, probes: Callable[[Unit], object]) -> Iterable[LedgerRow]:
    """Run probes as one unit; what a unit may raise is a row."""
    record = UnitRecord("preflight")
    connection = context.sessions.connect(job.hop, job.region)
    unit = Unit(job.account.account_id, job.region, connection, context.pacing, record, job.region_enabled)
    try:
        probes(unit)
    except UnitStoppedError:
        return ()
    except MismatchError as error:
        unit.ledger(job.call, "", Outcome.MISMATCH, code="Mismatch", message=str(error))
    except Exception as error:
        logger.exception("a probe ended with a bug", extra=unit.log_fields(job.call))
        unit.ledger(job.call, "", Outcome.ERROR, code=type(error).__name__, message=str(error))
    return record.coverage.values()


def _probe(unit: Unit, operation: str, params: Mapping[str, Any], subject: str = "") -> Mapping[str, Any] | None:
    try:
        answer = call(unit, operation, params, subject)
    except CallFailedError as error:
        unit.failed(operation, subject, error.failure)
        return None
    unit.ledger(operation, subject, Outcome.OK)
    return answer


def _probe_account(context: Context, unit: Unit, rows: list[LedgerRow]) -> None:
    if "ec2:DescribeRegions" not in {row.call for row in rows}:
        _probe(unit, "ec2:DescribeRegions", {"AllRegions": True})
    _probe(unit, "iam:GetAccountAuthorizationDetails", {"MaxItems": 1})
    _probe(unit, "iam:ListOpenIDConnectProviders", {})
    _probe(unit, "iam:ListSAMLProviders", {})
    # A policy that is in every account of a partition and has had versions; its text is of no interest.
    arn = f"arn:{context.sessions.caller.partition}:iam::aws:policy/SecurityAudit"
    found = _probe(unit, "iam:GetPolicy", {"PolicyArn": arn}, arn)
    version = (found or {}).get("Policy", {}).get("DefaultVersionId", "v1")
    _probe(unit, "iam:GetPolicyVersion", {"PolicyArn": arn, "VersionId": str(version)}, arn)


def _probe_keys(context: Context, unit: Unit) -> int:
    """The two lists of a region, and one customer managed key of it; returns how many of those there are."""
    keys = [str(key["KeyId"]) for key in _listed(unit, "kms:ListKeys", "Keys")]
    aliases = _listed(unit, "kms:ListAliases", "Aliases")
    managed = {str(a.get("TargetKeyId", "")) for a in aliases if str(a.get("AliasName", "")).startswith("alias/aws/")}
    own = [key_id for key_id in keys if key_id not in managed]
    for operation in (*_OF_KEYS, *((_LAST_USE,) if context.settings.keys_last_usage else ())):
        if own:
            _probe(unit, operation, {"KeyId": own[0], **_PARAMS.get(operation, {})}, own[0])
        else:
            unit.ledger(operation, "", Outcome.SKIPPED, message=f"there is no key in {unit.region} to ask about")
    _probe_cross_check(unit, f"arn:{context.sessions.caller.partition}:iam::{unit.account_id}:root")
    return len(own)


def _probe_cross_check(unit: Unit, principal: str) -> None:
    """What a run can do without is told and is no failure."""
    try:
        call(unit, RETIRABLE, {"RetiringPrincipal": principal, "Limit": 1}, principal)
    except CallFailedError as error:
        not_checked(unit, principal, error.failure)
    else:
        unit.ledger(RETIRABLE, principal, Outcome.OK)


def _listed(unit: Unit, operation: str, member: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    try:
        for page in pages(unit, operation):
            found.extend(page[member])
    except CallFailedError as error:
        unit.failed(operation, "", error.failure)
    else:
        unit.ledger(operation, "", Outcome.OK)
    return found


def _list_accounts(context: Context, job: Job, called: set[str]) -> Iterable[LedgerRow]:
    if "organizations:ListAccounts" in called:
        return ()
    return _probed(context, job, lambda unit: _probe(unit, "organizations:ListAccounts", {"MaxResults": 1}))


def _rows(record: UnitRecord | None) -> Iterable[LedgerRow]:
    return record.coverage.values() if record else ()


def _needed(rows: Iterable[LedgerRow]) -> tuple[LedgerRow, ...]:
    """One row per action, a gap before anything else; a refused fallback is no gap where its first choice answers."""
    found: dict[str, LedgerRow] = {}
    for row in rows:
        held = found.get(row.call)
        if held is None or (row.outcome.is_gap and not held.outcome.is_gap):
            found[row.call] = row
    for fallback, first in _FALLBACKS.items():
        if fallback in found and first in found and found[fallback].outcome.is_gap and not found[first].outcome.is_gap:
            message = f"refused, and not needed while `{first}` answers"
            found[fallback] = replace(found[fallback], outcome=Outcome.SKIPPED, message=message, what_to_do="")
    return tuple(found.values())
