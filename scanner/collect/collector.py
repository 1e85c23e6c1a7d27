"""Runs a collection: plans units, hands them to the executor, commits what they yield, and stops when told to."""

from __future__ import annotations

import json
import logging
import platform
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import replace
from importlib.metadata import version
from threading import Event

from scanner import __version__
from scanner.collect.accounts import Tree, select
from scanner.collect.outcome import Failure
from scanner.collect.sessions import Caller, SessionFactory, Sessions, botocore_session
from scanner.collect.settings import Clock, CollectSettings, CollectSummary, Progress
from scanner.collect.units import Context, Job, Result, must_be_readable, organization_job, resumed, work
from scanner.collect.wire import ALL, Pacing, iso
from scanner.errors import KmsScanError, NothingScannedError, OutputError, UsageError
from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.reached import ACCOUNTS, ORGANIZATION, RUN, Reached
from scanner.snapshot.rows import AccountRow, UnitRecord
from scanner.snapshot.store import SnapshotStore

logger = logging.getLogger(__name__)

_POLL = 0.5
"""Seconds after which a stop or the deadline is noticed while units are in flight."""


def collect(
    settings: CollectSettings,
    *,
    store: SnapshotStore,
    executor: Executor,
    clock: Clock,
    stop: Event,
    on_progress: Callable[[Progress], None],
    session_factory: SessionFactory = botocore_session,
) -> CollectSummary:
    """Read everything in scope into the snapshot and close it.

    A store that was reopened is continued: what is complete stays as it is, only the rest is read. `executor` runs
    threads; only the calling thread writes. `stop` set: units in flight are finished within 30 s, the rest is
    `not_reached`; the same after `settings.deadline`, without the 30 s. The snapshot is closed and kept whatever
    happens. Raises NothingScannedError (no credentials, organization unreadable, every account refused), UsageError
    (nothing in scope, or another caller than before), OutputError (the snapshot cannot be written).
    """
    patience = settings.unit_deadline.total_seconds()
    pacing = Pacing(clock, stop, settings.max_attempts, patience, settings.kms_quota_share)
    sessions = Sessions(settings, session_factory(settings.profile), pacing)
    run = _Run(Context(settings, sessions, pacing), store, on_progress)
    try:
        run.begin()
    except KmsScanError:
        # A collection that cannot be continued stays as it was.
        store.close() if store.reached.meta else run.close(complete=False)
        raise
    try:
        run.loop(executor)
        run.judge()
    except OutputError:
        store.close()
        raise
    except KmsScanError:
        run.close(complete=False)
        raise
    finally:
        sessions.close()
    return run.summary()


class _Run:
    """The state of one collection, touched by the calling thread only."""

    def __init__(self, context: Context, store: SnapshotStore, on_progress: Callable[[Progress], None]) -> None:
        self._context, self._store, self._on_progress = context, store, on_progress
        self._reached = store.reached
        self._complete = self._reached.units - (set() if self._reached.chosen else {ORGANIZATION})
        self._clock = context.pacing.clock
        self._started = self._clock.monotonic()
        self._queue: deque[Job] = deque()
        self._unreached: list[Job] = []
        self._refused: list[Failure] = []
        self._regions: set[str] = set()
        self._planned = {"all": 0, "kms": 0, "account": 0}
        self._done = {"all": 0, "kms": 0, "account": 0}
        self._keys = self._gaps = 0
        self._deadline_hit = False
        self._organization_state = "not_reached"

    def begin(self) -> None:
        """Ask who we are and write the header."""
        settings, caller = self._context.settings, self._context.sessions.caller
        reached, now = self._reached, self._clock.now()
        if "started" in reached.meta:
            _must_be_the_caller(reached, caller)
            resumed = [*json.loads(reached.meta.get("resumed", "[]")), iso(now)]
            self._store.take_up({"resumed": json.dumps(resumed)})
            self._organization_state = reached.meta.get("organization_state", self._organization_state)
            self._plan_again()
            return
        header = {
            "run_id": settings.run_id,
            "started": iso(now) or "",
            "as_of": iso(settings.as_of or now) or "",
            "caller_arn": caller.arn,
            "caller_account": caller.account_id,
            "partition": caller.partition,
            "kms_scan_version": __version__,
            "python_version": platform.python_version(),
            "botocore_version": version("botocore"),
            "boto3_version": version("boto3"),
            "scope": settings.scope,
            "config_hash": settings.config_hash,
            "configuration": settings.configuration,
        }
        if reached.meta:
            self._store.take_up(header)
        else:
            self._store.put_meta(header)
        self._plan([organization_job(self._context)])

    def _plan_again(self) -> None:
        """Plan what an interrupted collection had planned; its complete units are counted, the others are queued."""
        self._plan([organization_job(self._context)])
        if self._reached.chosen:
            self._plan([Job("account", account) for account in self._reached.accounts if account.scanned])

    def loop(self, executor: Executor) -> None:
        """Keep the executor busy until nothing is left, or until told to stop."""
        pending: dict[Future[Result], Job] = {}
        while self._queue or pending:
            self._check_deadline()
            while self._queue and len(pending) < self._context.settings.workers and not self._halted:
                job = self._queue.popleft()
                pending[executor.submit(work, self._context, job)] = job
            if not pending:
                break
            done, _ = wait(pending, timeout=_POLL, return_when=FIRST_COMPLETED)
            for future in done:
                self._finished(pending.pop(future), future.result())
            self._report()
            if self._context.pacing.is_over:
                break
        # What is still in flight when the grace period is over is given up with its thread.
        self._unreached.extend(pending.values())
        self._unreached.extend(self._queue)
        self._queue.clear()

    def judge(self) -> None:
        """Raise where the whole run saw nothing. An interrupted run is not judged."""
        if self._halted:
            return
        if self._refused and len(self._refused) == self._done["account"]:
            first = self._refused[0]
            raise NothingScannedError(
                f"every account refused the audit role, the first with {first.code}: {first.message}",
                hint="deploy `kms-scan role cloudformation`, or check `aws.member_role` and `aws.external_id`",
            )
        if self._planned["kms"] == 0 and not self._gaps:
            raise UsageError("no region is in scope", hint="check `regions` in the configuration")

    def close(self, *, complete: bool) -> str:
        """Write what was not reached, and close the snapshot; returns its hash."""
        record = UnitRecord(RUN)
        for job in self._unreached:
            self._note(job.unreached())
            record.ledger(job.unreached())
            self._store.write(UnitRecord(job.name, state="not_reached"))
        self._store.write(record)
        self._unreached.clear()
        meta = {
            "finished": iso(self._clock.now()) or "",
            "run_regions": json.dumps(sorted(self._regions)),
            "organization_state": self._organization_state,
        }
        return self._store.finish(complete=complete, meta=meta)

    def summary(self) -> CollectSummary:
        """Close the snapshot and say how it went."""
        complete = not self._unreached
        digest = self.close(complete=complete)
        return CollectSummary(
            run_id=self._context.settings.run_id,
            complete=complete,
            stopped=self._context.pacing.stop.is_set(),
            deadline_hit=self._deadline_hit,
            accounts_in_scope=self._planned["account"],
            accounts_refused=len(self._refused),
            progress=self._progress(),
            snapshot_hash=digest,
        )

    @property
    def _halted(self) -> bool:
        return self._deadline_hit or self._context.pacing.stop.is_set()

    def _check_deadline(self) -> None:
        limit = self._context.settings.deadline.total_seconds()
        if not self._deadline_hit and self._clock.monotonic() - self._started >= limit:
            self._deadline_hit = True
            logger.warning("the deadline is over, what was not read is a gap; `--resume` continues from here")

    def _plan(self, jobs: list[Job]) -> None:
        fresh: list[Job] = []
        for job in jobs:
            self._planned["all"] += 1
            self._planned[job.kind] = self._planned.get(job.kind, 0) + 1
            if job.kind == "kms":
                self._regions.add(job.region)
            if job.name not in self._complete:
                fresh.append(job)
                continue
            self._count(job, self._reached.keys.get(job.name, 0))
            self._gaps += self._reached.gaps.get(job.name, 0)
            if job.kind == "account":
                self._plan(resumed(self._context, job.account, self._reached))
        # New units come first: the credentials of their account are fresh.
        self._queue.extendleft(reversed(fresh))

    def _count(self, job: Job, keys: int) -> None:
        self._done["all"] += 1
        self._done[job.kind] = self._done.get(job.kind, 0) + 1
        self._keys += keys

    def _finished(self, job: Job, result: Result) -> None:
        if result.record is None:
            self._unreached.append(job)
            return
        for row in result.record.coverage.values():
            self._note(row)
        records, meta = [result.record], dict[str, str]()
        try:
            if job.kind == "organization":
                self._organization_state = result.organization.state if result.organization else "unreadable"
                meta = {"organization_state": self._organization_state}
                records.append(self._accounts(result))
        finally:
            # One transaction: the organization without the accounts that it leads to says nothing about the rest.
            self._store.write(*records, meta=meta)
        self._count(job, result.keys)
        if result.refused is not None:
            self._refused.append(result.refused)
        found = [row for row in records[-1].rows if isinstance(row, AccountRow)] if job.kind == "organization" else []
        self._plan([*result.jobs, *(Job("account", account) for account in found if account.scanned)])

    def _accounts(self, result: Result) -> UnitRecord:
        """Every known account; those that are not in scope are listed as not scanned."""
        facts, settings = result.organization, self._context.settings
        must_be_readable(settings, facts)
        entered = {account.account_id for account in self._reached.accounts if account.collected}
        record = UnitRecord(ACCOUNTS)
        for account in select(settings, facts.tree if facts else Tree()):
            record.rows.append(replace(account, collected=account.account_id in entered))
            if not account.scanned:
                told = (Outcome.SKIPPED, "", account.exclusion_reason)
                record.ledger(LedgerRow(account.account_id, ALL, "sts:AssumeRole", "", *told))
        return record

    def _note(self, row: LedgerRow) -> None:
        if not row.outcome.is_gap:
            return
        self._gaps += 1
        fields = {"account": row.account_id, "region": row.region, "call": row.call}
        logger.warning("not read: %s %s", row.outcome.value, row.error_code, extra=fields)

    def _progress(self) -> Progress:
        counters = self._context.pacing.counters
        return Progress(
            units_done=self._done["all"],
            units_total=self._planned["all"],
            account_regions_done=self._done["kms"],
            account_regions_total=self._planned["kms"],
            keys=self._keys,
            calls=counters.calls,
            throttled=counters.throttled,
            gaps=self._gaps,
        )

    def _report(self) -> None:
        self._on_progress(self._progress())


def _must_be_the_caller(reached: Reached, caller: Caller) -> None:
    """Raise UsageError where the credentials could see another organization than those of the beginning."""
    before = (reached.meta.get("caller_account"), reached.meta.get("partition"))
    if before != (caller.account_id, caller.partition):
        raise UsageError(
            f"the collection was begun from account `{before[0]}` of partition `{before[1]}`, and the credentials are "
            f"of `{caller.account_id}` of `{caller.partition}`",
            hint="use credentials of the same account, or collect anew",
        )
