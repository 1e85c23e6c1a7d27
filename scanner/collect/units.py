"""The units of work and how one is done: the organization, an account, its IAM, its keys in one region."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from scanner.collect.accounts import Tree
from scanner.collect.identities import read_identities
from scanner.collect.keys import read_keys
from scanner.collect.organization import OrganizationFacts, list_accounts, read_organization
from scanner.collect.outcome import CallFailedError, Failure, MismatchError, UnitStoppedError, advice
from scanner.collect.regions import ENABLED, left_out, read_regions
from scanner.collect.sessions import Hop, Sessions
from scanner.collect.settings import CollectSettings
from scanner.collect.wire import ALL, GLOBAL, Pacing, Unit, abandon
from scanner.errors import NothingScannedError
from scanner.model.arn import parse_arn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.reached import Reached
from scanner.snapshot.rows import AccountRow, RegionRow, UnitRecord

logger = logging.getLogger(__name__)

_REFUSED = frozenset({Outcome.DENIED, Outcome.DENIED_BY_SCP, Outcome.GONE})
_OWN_CREDENTIALS = "could not be assumed; the caller's own credentials were used"


@dataclass(frozen=True, slots=True)
class Context:
    """What every unit needs."""

    settings: CollectSettings
    sessions: Sessions
    pacing: Pacing


@dataclass(frozen=True, slots=True)
class Job:
    """One unit of work. `hop` is how its account is entered; None: with the caller's own credentials."""

    kind: Literal["organization", "account", "iam", "kms"]
    account: AccountRow
    region: str = GLOBAL
    region_enabled: bool = True
    hop: Hop | None = None

    @property
    def name(self) -> str:
        """The unit's name in the snapshot."""
        parts = {"organization": ("organization",), "kms": ("kms", self.account.account_id, self.region)}
        return "/".join(parts.get(self.kind, (self.kind, self.account.account_id)))

    @property
    def call(self) -> str:
        """The call that stands for the whole unit in the ledger."""
        return {
            "organization": "organizations:DescribeOrganization",
            "account": "sts:AssumeRole",
            "iam": "iam:GetAccountAuthorizationDetails",
            "kms": "kms:ListKeys",
        }[self.kind]

    @property
    def ledger_region(self) -> str:
        """The region of a row about the whole unit; `*` for an account, whose regions are unknown before it is done."""
        return ALL if self.kind == "account" else self.region

    def unreached(self) -> LedgerRow:
        """The ledger row of a unit that the run did not come to."""
        todo = advice(Outcome.NOT_REACHED, self.call)
        return LedgerRow(self.account.account_id, self.ledger_region, self.call, "", Outcome.NOT_REACHED, "", "", todo)


@dataclass(slots=True)
class Result:
    """What a unit yields: its record (None: given up after a stop) and what follows from it."""

    record: UnitRecord | None
    jobs: list[Job] = field(default_factory=list)
    keys: int = 0
    refused: Failure | None = None
    organization: OrganizationFacts | None = None


def work(context: Context, job: Job) -> Result:
    """Do one unit. Never raises: whatever goes wrong is a row in the ledger, so one unit never stops the rest."""
    record = UnitRecord(job.name)
    connection = context.sessions.connect(job.hop, job.region)
    unit = Unit(job.account.account_id, job.region, connection, context.pacing, record, job.region_enabled)
    try:
        return _DO[job.kind](context, job, unit)
    except UnitStoppedError:
        return Result(None)
    except MismatchError as error:
        unit.region = job.ledger_region
        abandon(unit, job.call, Outcome.MISMATCH, code="Mismatch", message=str(error))
    except Exception as error:
        logger.exception("a unit ended with a bug", extra=unit.log_fields(job.call))
        unit.region = job.ledger_region
        abandon(unit, job.call, Outcome.ERROR, code=type(error).__name__, message=str(error))
    return Result(record)


def _organization(context: Context, job: Job, unit: Unit) -> Result:
    try:
        if job.hop is not None:
            context.sessions.credentials(job.hop)
    except CallFailedError as error:
        unit.failed("sts:AssumeRole", "", error.failure)
        message = f"the organization reader's role: {error.failure.code}: {error.failure.message}"
        return Result(unit.record, organization=OrganizationFacts("unreadable", Tree(), message))
    facts = read_organization(unit)
    if context.settings.source == "organization" and not facts.tree.complete and facts.state != "none":
        facts = replace(facts, tree=_with_list(unit, facts.tree))
    return Result(unit.record, organization=facts)


def _with_list(unit: Unit, tree: Tree) -> Tree:
    """A partial tree with the accounts that the plain list has; the list is a help, its refusal is in the ledger."""
    try:
        listed = list_accounts(unit)
    except CallFailedError as error:
        unit.failed("organizations:ListAccounts", "", error.failure)
        return tree
    return replace(tree, accounts={**listed.accounts, **tree.accounts})


def _account(context: Context, job: Job, unit: Unit) -> Result:
    """Enter the account, list its regions, plan its units."""
    account = job.account
    hop: Hop | None = context.sessions.member(account.account_id)
    assert hop is not None
    try:
        context.sessions.credentials(hop)
        unit.ledger("sts:AssumeRole", "", Outcome.OK)
    except CallFailedError as error:
        if account.account_id != context.sessions.caller.account_id or error.failure.outcome not in _REFUSED:
            return _refused(unit, account, error.failure)
        message = f"`{hop.role_arn}` {_OWN_CREDENTIALS}"
        unit.ledger("sts:AssumeRole", "", Outcome.OK, message=message)
        hop = None
    unit.connection = context.sessions.connect(hop, context.settings.home_region)
    rows = read_regions(unit, context.settings)
    for region, reason in left_out(rows).items():
        row = LedgerRow(account.account_id, region, "kms:ListKeys", "", Outcome.SKIPPED, "", reason)
        unit.record.ledger(row)
    unit.record.rows.append(replace(account, collected=True))
    return Result(unit.record, _inside(account, rows, hop))


def resumed(context: Context, account: AccountRow, reached: Reached) -> list[Job]:
    """The units of an account that an earlier process entered, from what it wrote."""
    entered = reached.entered.get(account.account_id)
    own = entered is not None and entered.message.endswith(_OWN_CREDENTIALS)
    hop = None if own else context.sessions.member(account.account_id)
    return _inside(account, reached.regions.get(account.account_id, ()), hop)


def _inside(account: AccountRow, rows: Iterable[RegionRow], hop: Hop | None) -> list[Job]:
    return [Job("iam", account, hop=hop), *(_kms_job(account, row, hop) for row in rows if row.scanned)]


def _kms_job(account: AccountRow, row: RegionRow, hop: Hop | None) -> Job:
    # Session tokens from the global STS endpoint are refused in enabled opt-in regions too. Ours are from a regional
    # one; where the caller's own come from is not known, so a refused token does not say that the region is disabled.
    enabled = row.opt_status in ENABLED or hop is None
    return Job("kms", account, row.region, enabled, hop)


def _refused(unit: Unit, account: AccountRow, failure: Failure) -> Result:
    """One row for the whole account, under region `*`: none of its regions is known.

    Nothing of it was read, so a collection that is continued tries to enter it again.
    """
    unit.record.state = "failed"
    todo = advice(failure.outcome, "sts:AssumeRole")
    told = (failure.outcome, failure.code, failure.message, todo)
    unit.record.ledger(LedgerRow(account.account_id, ALL, "sts:AssumeRole", "", *told))
    unit.record.rows.append(account)
    return Result(unit.record, refused=failure)


def _iam(context: Context, job: Job, unit: Unit) -> Result:
    del context, job
    read_identities(unit)
    return Result(unit.record)


def _kms(context: Context, job: Job, unit: Unit) -> Result:
    del job
    keys = read_keys(unit, context.settings, context.sessions.caller.partition)
    return Result(unit.record, keys=keys)


_DO = {"organization": _organization, "account": _account, "iam": _iam, "kms": _kms}


def organization_job(context: Context) -> Job:
    """The first unit: whoever may, reads the organization."""
    hop = context.sessions.organization_reader()
    arn = parse_arn(hop.role_arn) if hop else None
    account_id = arn.account_id if arn else context.sessions.caller.account_id
    return Job("organization", AccountRow(account_id), hop=hop)


def must_be_readable(settings: CollectSettings, facts: OrganizationFacts | None) -> None:
    """Raise NothingScannedError where the accounts were to come from an organization that cannot be read."""
    if settings.source != "organization" or (facts is not None and facts.tree.accounts):
        return
    reason = facts.message if facts and facts.message else "no account was listed"
    raise NothingScannedError(
        f"the organization cannot be read: {reason}",
        hint="use the management or a delegated administrator account, `accounts.management_account_role_arn`, "
        "or `accounts.source: ids`",
    )
