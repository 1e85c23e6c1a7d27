"""`preflight`: what a run could read and would cost, before the first one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from scanner.clock import SystemClock
from scanner.commands.options import environment, json_option, load, logging_options, reading_options
from scanner.model.neutral import terminal_safe
from scanner.report.phrases import counted

if TYPE_CHECKING:
    from scanner.collect.preflight import AccountCheck, Preflight
    from scanner.model.coverage import LedgerRow

_EXAMPLES = """\b
Examples:
  kms-scan preflight --role KmsScanReadOnly
  kms-scan preflight -c config.yaml --accounts 111122223333 --json
"""
_SHOWN = 40
"""Probes that are printed one by one; `--json` has all."""


@click.command(epilog=_EXAMPLES)
@reading_options
@json_option
@logging_options
def preflight(as_json: bool, **options: Any) -> int:
    """Who am I, what can I read where, planned calls and time; writes nothing."""
    from scanner.collect.preflight import preflight as probe  # noqa: PLC0415  # boto3 is loaded where AWS is needed
    from scanner.plan import collect_settings  # noqa: PLC0415

    settings = load(options, require_role=True).settings
    wanted = collect_settings(settings, environment(), "preflight")
    stop, executor = Event(), ThreadPoolExecutor(settings.limits.workers, thread_name_prefix="preflight")
    try:
        found = probe(wanted, executor=executor, clock=SystemClock(), stop=stop)
    finally:
        stop.set()  # whoever interrupts does not wait for calls that AWS throttles
        executor.shutdown(wait=False, cancel_futures=True)
    click.echo(json.dumps(_as_json(found), indent=2) if as_json else "\n".join(_table(found, settings.limits.workers)))
    return found.exit_code


def _table(found: Preflight, workers: int) -> Iterator[str]:
    entered = [check for check in found.accounts if check.entered]
    yield f"caller         {terminal_safe(found.caller.arn)} in partition {found.caller.partition}"
    left_out = f", {found.left_out} left out" if found.left_out else ""
    accounts = counted(len(found.accounts), "account")
    yield f"organization   {_STATES[found.organization.state]}; {accounts} in scope{left_out}"
    yield f"audit role     lets us into {len(entered)} of {accounts}"
    for check in entered:
        told = next((row.message for row in check.rows if row.call == "sts:AssumeRole" and row.message), "")
        if told:
            yield f"               {check.account.account_id}: {terminal_safe(told)}"
    unreadable = found.unreadable
    yield f"not readable   {len(unreadable) or 'nothing'}"
    for row in unreadable[:_SHOWN]:
        where = f"{row.account_id} {row.region}" if row.account_id else row.region
        yield f"  {where:<24} {row.call:<36} {row.outcome.value}: {terminal_safe(_reason(row))}"
    if len(unreadable) > _SHOWN:
        yield f"  and {len(unreadable) - _SHOWN} more; `--json` has all of them"
    for advice in sorted({row.what_to_do for row in unreadable if row.what_to_do}):
        yield f"help: {advice}"
    without = [check for check in entered if any(row.outcome.value == "skipped" for row in check.rows)]
    if without:
        yield f"not tried      {_untried(without)}"
    yield from _planned(found, workers)


def _planned(found: Preflight, workers: int) -> Iterator[str]:
    plan = found.plan
    units = counted(plan.account_regions, "account-region")
    yield f"planned        {counted(plan.accounts, 'account')}, {units}, {_between(*plan.keys)} keys"
    least, most = (_duration(seconds) for seconds in plan.seconds)
    times = least if least == most else f"{least} to {most}"
    yield f"               {_between(*plan.calls)} calls, about {times} with {workers} workers"


def _untried(checks: list[AccountCheck]) -> str:
    reasons = [row.message for check in checks for row in check.rows if row.outcome.value == "skipped"]
    return f"something in {counted(len(checks), 'account')}, first because {terminal_safe(reasons[0])}"


def _reason(row: LedgerRow) -> str:
    return ": ".join(part for part in (row.error_code, row.message) if part)


_STATES = {
    "read": "read",
    "partial": "read in part",
    "none": "none: the account is in no organization",
    "unreadable": "not readable",
}


def _between(least: int, most: int) -> str:
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _as_json(found: Preflight) -> dict[str, object]:
    plan = found.plan
    return {
        "caller": {
            "arn": found.caller.arn,
            "account_id": found.caller.account_id,
            "partition": found.caller.partition,
        },
        "organization": {"state": found.organization.state, "probes": [_probe(row) for row in found.rows]},
        "accounts": [_account(check) for check in found.accounts],
        "accounts_left_out": found.left_out,
        "planned": {
            "accounts": plan.accounts,
            "account_regions": plan.account_regions,
            "keys": list(plan.keys),
            "calls": list(plan.calls),
            "seconds": [round(seconds, 1) for seconds in plan.seconds],
        },
        "exit_code": found.exit_code,
    }


def _account(check: AccountCheck) -> dict[str, object]:
    return {
        "account_id": check.account.account_id,
        "name": check.account.name,
        "entered": check.entered,
        "region": check.region,
        "regions": check.regions,
        "keys": check.keys,
        "probes": [_probe(row) for row in check.rows],
    }


def _probe(row: LedgerRow) -> dict[str, object]:
    return {
        "call": row.call,
        "region": row.region,
        "subject": row.subject,
        "outcome": row.outcome.value,
        "error_code": row.error_code,
        "message": row.message,
        "what_to_do": row.what_to_do,
    }
