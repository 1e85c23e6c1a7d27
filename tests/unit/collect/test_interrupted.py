"""A collection that is killed, stopped or cannot write, and is continued: nothing is lost, repeated or made up."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from scanner.collect.collector import collect
from scanner.collect.sessions import botocore_session
from scanner.collect.settings import CollectSettings, CollectSummary
from scanner.errors import NothingScannedError, OutputError, UsageError
from scanner.model.coverage import Outcome
from scanner.snapshot import store as store_module
from scanner.snapshot.read import reading
from scanner.snapshot.store import SnapshotStore
from scanner.snapshot.view import load_coverage
from scanner.workers import DaemonThreads

from fault_server import CALLER, FakeClock, FaultServer, Key, Reply, Request, refusal, refusal_xml, role_xml
from forked_collection import FAILED_TO_WRITE

IDS = ("111122223333", "444455556666", "777788889999")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
EU, US = "eu-west-1", "us-east-1"
SESSION = []
POINTS = 50
"""Deaths that `make crash` tries of each kind."""


@pytest.fixture(scope="module")
def world(module_credentials: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """Three accounts with two regions each, keys, grants, tags and a role: 68 calls."""
    with FaultServer() as server:
        module_credentials.setenv("AWS_ENDPOINT_URL", server.url)
        for number, account in enumerate(IDS):
            server.account(account, EU, US)
            for index in range(2 + number % 2):
                server.keys[(account, EU)][f"{index}1111111-0000-0000-0000-000000000000"] = Key(
                    tags=[{"TagKey": "app", "TagValue": str(index)}]
                )
            trust = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]})
            role = role_xml(f"arn:aws:iam::{account}:role/reader", trust)
            server.details[account] = f"<UserDetailList/><RoleDetailList>{role}</RoleDetailList><Policies/>"
        yield server


@pytest.fixture(autouse=True)
def _healthy(world: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.url)
    world.faults.clear()
    world.requests.clear()
    yield
    world.faults.clear()


def in_process(
    path: Path,
    *,
    stop: Event | None = None,
    resume: bool = False,
    on_progress: Callable[[Any], None] = lambda _: None,
    clock: FakeClock | None = None,
    **settings: Any,
) -> CollectSummary:
    if not SESSION:
        SESSION.append(botocore_session(None))
    wanted: dict[str, Any] = {"run_id": "r-1", "member_role": "R", "source": "ids", "ids": IDS, "workers": 1}

    executor = DaemonThreads(3)
    try:
        return collect(
            CollectSettings(**{**wanted, **settings}),
            store=SnapshotStore.reopen(path) if resume else SnapshotStore.create(path),
            executor=executor,
            clock=clock or FakeClock(NOW),
            stop=stop or Event(),
            on_progress=on_progress,
            session_factory=lambda _: SESSION[0],
        )
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, the header and the server's clock aside."""
    with reading(path) as connection:
        tables = [t for (t,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {}
        for table in tables:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "server_date"]
            found[table] = sorted(
                connection.execute(f"SELECT {', '.join(map(_quoted, columns))} FROM {table}"), key=repr
            )
        return {name: rows for name, rows in found.items() if name != "meta"}


def _quoted(name: str) -> str:
    return f'"{name}"'


def header(path: Path) -> dict[str, str]:
    with reading(path) as connection:
        return dict(connection.execute("SELECT key, value FROM meta"))


def complete_units(path: Path) -> set[str]:
    with reading(path) as connection:
        return {unit for (unit,) in connection.execute("SELECT unit FROM units WHERE state = 'complete'")}


@dataclass
class Whole:
    """The collection that nothing happened to."""

    content: dict[str, list[tuple[object, ...]]]
    digest: str
    calls: int


@pytest.fixture(scope="module")
def whole(world: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    path = tmp_path_factory.mktemp("whole") / "run" / "snapshot.sqlite"
    world.faults.clear()
    world.requests.clear()
    summary = in_process(path)
    assert summary.complete
    return Whole(content(path), summary.snapshot_hash, len(world.requests))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "snapshot.sqlite"


def repeated(world: FaultServer, complete: set[str]) -> list[Request]:
    """Requests for a unit that was complete."""
    found = []
    for request in world.requests:
        service = request.operation.partition(":")[0]
        unit = {
            "kms": f"kms/{request.account}/{request.region}",
            "iam": f"iam/{request.account}",
            "account": f"account/{request.account}",
            "organizations": "accounts",
        }.get(service)
        found += [request] if unit in complete else []
    return found


def continued(world: FaultServer, path: Path, whole: Whole) -> None:
    """Continue, and compare with the collection that nothing happened to."""
    before = complete_units(path)
    world.faults.clear()
    world.requests.clear()
    summary = in_process(path, resume=True)
    assert repeated(world, before) == []
    assert summary.complete
    assert summary.snapshot_hash == whole.digest
    assert content(path) == whole.content
    assert header(path)["complete"] == "1"
    assert summary.progress.keys == 7
    assert (summary.progress.units_done, summary.progress.units_total) == (13, 13)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["snapshot.sqlite"]


# -- killed -----------------------------------------------------------------------------------------------------------


class Forks:
    """Collections in processes that die."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, path: Path, victim: Future[int] | None = None, **order: Any) -> int:
        """The exit status of one collection; its process id is told to `victim`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"path": str(path), "ids": IDS, **order}) + "\n")
        self._process.stdin.flush()
        pid = int(self._process.stdout.readline())
        if victim is not None:
            victim.set_result(pid)
        return int(self._process.stdout.readline())


@pytest.fixture(scope="module")
def forks(world: FaultServer) -> Iterator[Forks]:
    tests = Path(__file__).parents[2]
    command = [sys.executable, str(tests / "forked_collection.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Forks(process)
        assert process.stdin is not None
        process.stdin.close()


def killed_at(world: FaultServer, forks: Forks, path: Path, number: int, **order: Any) -> int:
    """A collection that SIGKILL meets when it makes its n-th call; its exit status."""
    victim: Future[int] = Future()

    def kill(_: Request) -> Reply | None:
        if len(world.requests) == number:
            os.kill(victim.result(), signal.SIGKILL)
        return None

    world.faults.append(kill)
    return forks.run(path, victim, **order)


@pytest.fixture
def points(request: pytest.FixtureRequest) -> Callable[[int], list[int]]:
    """Different numbers from 1 to the last one, evenly spread: 50 with `--all-points`, else 5."""
    count = POINTS if request.config.getoption("--all-points") else 5

    def spread(last: int) -> list[int]:
        assert last >= POINTS
        found = sorted({1 + n * (last - 1) // (count - 1) for n in range(count)})
        assert len(found) == count
        return found

    return spread


Points = Callable[[int], list[int]]


def test_collection_killed_at_any_call_is_continued_to_the_same_content(
    world: FaultServer, whole: Whole, forks: Forks, tmp_path: Path, points: Points
) -> None:
    for number in points(whole.calls):
        path = tmp_path / str(number) / "snapshot.sqlite"
        world.requests.clear()
        assert killed_at(world, forks, path, number) == signal.SIGKILL
        continued(world, path, whole)


def test_collection_killed_before_any_sql_statement_is_continued_to_the_same_content(
    world: FaultServer, whole: Whole, forks: Forks, tmp_path: Path, points: Points
) -> None:
    statements = 150
    assert forks.run(tmp_path / "more" / "s.sqlite", statement=10 * statements) == 0
    for number in points(statements):
        path = tmp_path / str(number) / "snapshot.sqlite"
        world.requests.clear()
        assert forks.run(path, statement=number) == signal.SIGKILL
        continued(world, path, whole)


def test_continued_collection_that_is_killed_too_is_continued_again(
    world: FaultServer, whole: Whole, forks: Forks, path: Path
) -> None:
    assert killed_at(world, forks, path, whole.calls // 3) == signal.SIGKILL
    world.faults.clear()
    world.requests.clear()
    assert killed_at(world, forks, path, whole.calls // 3, resume=True) == signal.SIGKILL
    continued(world, path, whole)
    assert len(json.loads(header(path)["resumed"])) == 2


def test_collection_with_several_threads_that_is_killed_is_continued_to_the_same_content(
    world: FaultServer, whole: Whole, forks: Forks, path: Path
) -> None:
    assert killed_at(world, forks, path, whole.calls // 2, workers=3) == signal.SIGKILL
    continued(world, path, whole)


def test_killed_collection_is_read_with_what_is_missing_as_gaps(
    world: FaultServer, whole: Whole, forks: Forks, path: Path
) -> None:
    assert killed_at(world, forks, path, whole.calls // 2) == signal.SIGKILL
    with reading(path) as connection:
        rows = load_coverage(connection)
    missing = {(row.account_id, row.call) for row in rows if row.outcome is Outcome.NOT_REACHED}
    assert (IDS[2], "sts:AssumeRole") in missing
    assert header(path)["complete"] == "0"


# -- stopped ----------------------------------------------------------------------------------------------------------


def test_collection_stopped_at_any_call_is_continued_to_the_same_content(
    world: FaultServer, whole: Whole, tmp_path: Path, points: Points
) -> None:
    for number in points(whole.calls):
        path, stop = tmp_path / str(number) / "snapshot.sqlite", Event()

        def halt(_: Request, number: int = number, stop: Event = stop) -> Reply | None:
            if len(world.requests) == number:
                stop.set()
            return None

        world.requests.clear()
        world.faults.append(halt)
        summary = in_process(path, stop=stop)
        assert summary.stopped
        assert header(path)["complete"] == str(int(summary.complete))
        continued(world, path, whole)


def test_request_that_hangs_does_not_outlive_the_grace_period(world: FaultServer, whole: Whole, path: Path) -> None:
    stop, answered, clock = Event(), Event(), FakeClock(NOW)

    def hang(request: Request) -> Reply | None:
        if request.operation == "kms:ListGrants" and not stop.is_set():
            stop.set()
            answered.wait()
        return None

    def wait(_: Any) -> None:
        if stop.is_set():
            clock.sleep(16)

    world.faults.append(hang)
    summary = in_process(path, stop=stop, on_progress=wait, clock=clock)
    assert not answered.is_set()
    assert (summary.stopped, summary.complete) == (True, False)
    assert clock.slept <= 48
    answered.set()
    continued(world, path, whole)


def test_deadline_that_was_hit_can_be_continued(world: FaultServer, whole: Whole, path: Path) -> None:
    world.fail("account:ListRegions", refusal("TooManyRequestsException"), account=IDS[0], times=8)
    summary = in_process(path, deadline=timedelta(seconds=1))
    assert summary.deadline_hit
    assert not summary.complete
    continued(world, path, whole)


def test_organization_that_was_read_is_not_read_again(world: FaultServer, whole: Whole, path: Path) -> None:
    stop = Event()
    world.faults.append(lambda request: stop.set() if request.operation == "sts:AssumeRole" else None)
    in_process(path, stop=stop)
    world.faults.clear()
    world.requests.clear()
    in_process(path, resume=True)
    assert world.asked("organizations:DescribeOrganization") == []
    assert header(path)["organization_state"] == "none"


def test_account_that_refused_is_entered_again(world: FaultServer, whole: Whole, path: Path) -> None:
    def refuse(request: Request) -> Reply | None:
        return refusal_xml("AccessDenied") if request.operation == "sts:AssumeRole" else None

    world.faults.append(refuse)
    with pytest.raises(NothingScannedError):
        in_process(path)
    continued(world, path, whole)


def test_scope_that_was_wrong_leaves_a_collection_that_reads_the_organization_again(
    world: FaultServer, path: Path
) -> None:
    with pytest.raises(NothingScannedError):
        in_process(path, include_ous=("/Prod",))
    world.requests.clear()
    in_process(path, resume=True)
    assert len(world.asked("organizations:DescribeOrganization")) == 1


def test_unit_of_the_callers_own_account_is_continued_with_its_own_credentials(world: FaultServer, path: Path) -> None:
    world.account(CALLER, EU, US)
    stop = Event()

    def fault(request: Request) -> Reply | None:
        if request.operation == "account:ListRegions":
            stop.set()
        return refusal_xml("AccessDenied") if request.operation == "sts:AssumeRole" else None

    world.faults.append(fault)
    assert not in_process(path, stop=stop, ids=(CALLER,)).complete
    stop.clear()
    world.requests.clear()
    assert in_process(path, ids=(CALLER,), resume=True).complete
    assert world.asked("sts:AssumeRole") == []
    assert {(r.account, r.region) for r in world.asked("kms:ListKeys")} == {(CALLER, EU), (CALLER, US)}


def test_credentials_of_another_account_leave_the_collection_as_it_was(world: FaultServer, path: Path) -> None:
    stop = Event()
    world.faults.append(lambda request: stop.set() if request.operation == "account:ListRegions" else None)
    in_process(path, stop=stop)
    before = path.read_bytes()
    inner = "<Arn>arn:aws:iam::000000000000:user/x</Arn><UserId>A</UserId><Account>000000000000</Account>"
    world.fail("sts:GetCallerIdentity", FaultServer._xml("GetCallerIdentity", inner))
    with pytest.raises(UsageError, match="was begun from account `999999999999`"):
        in_process(path, resume=True)
    assert path.read_bytes() == before


# -- writes that fail -------------------------------------------------------------------------------------------------


def usable(world: FaultServer, path: Path, whole: Whole) -> None:
    """What was committed can be read, row by row as the whole collection has it, and the rest can be read later."""
    found = content(path)
    for table in ("keys", "grants", "principals", "documents", "key_tags"):
        assert set(found[table]) <= set(whole.content[table])
    continued(world, path, whole)


def test_disk_that_is_full_at_any_page_leaves_what_was_committed(
    world: FaultServer, whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: Points
) -> None:
    connected = store_module._connected
    least, most = pages_of(tmp_path, monkeypatch)
    assert most > least + 5
    for number in range(least, most):
        path = tmp_path / str(number) / "snapshot.sqlite"

        def limited(path: Path, number: int = number) -> sqlite3.Connection:
            connection = connected(path)
            connection.execute(f"PRAGMA max_page_count = {number}")
            return connection

        with monkeypatch.context() as patch:
            patch.setattr(store_module, "_connected", limited)
            with pytest.raises(OutputError, match="full"):
                in_process(path)
        usable(world, path, whole)


def pages_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Pages of a snapshot that nothing was written to, and of a whole one."""
    empty, full = tmp_path / "empty" / "s.sqlite", tmp_path / "full" / "s.sqlite"
    SnapshotStore.create(empty).close()
    in_process(full)
    found = []
    for path in (empty, full):
        with closing(sqlite3.connect(path)) as connection:
            found.append(connection.execute("PRAGMA page_count").fetchone()[0])
    return found[0], found[1]


class Failing(sqlite3.Connection):
    """A connection whose n-th statement ends with an input/output error, and every one after it."""

    left = 0

    def execute(self, *args: Any) -> sqlite3.Cursor:
        self._fail()
        return super().execute(*args)

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        self._fail()
        return super().executemany(*args)

    def _fail(self) -> None:
        type(self).left -= 1
        if type(self).left < 0:
            raise sqlite3.OperationalError("disk I/O error")


def test_statement_that_fails_at_any_place_leaves_what_was_committed(
    world: FaultServer, whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, points: Points
) -> None:
    def failing(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Failing)

    monkeypatch.setattr(store_module, "_connected", failing)
    begin = 10  # the statements that make an empty snapshot
    for number in points(110):
        path = tmp_path / str(number) / "snapshot.sqlite"
        Failing.left = begin + number
        with pytest.raises(OutputError, match="disk I/O error"):
            in_process(path)
        Failing.left = 1_000_000
        usable(world, path, whole)


def log_sizes(tmp_path: Path) -> tuple[int, int]:
    """Bytes of the write-ahead log of a snapshot that nothing was written to, and the most of a whole collection."""
    path, sizes = tmp_path / "measured" / "s.sqlite", []
    with SnapshotStore.create(tmp_path / "empty" / "s.sqlite") as store:
        least = store.path.with_name("s.sqlite-wal").stat().st_size
    in_process(path, on_progress=lambda _: sizes.append(path.with_name("s.sqlite-wal").stat().st_size))
    return least, max(sizes)


def test_file_that_may_not_grow_at_any_size_leaves_what_was_committed(
    world: FaultServer, whole: Whole, forks: Forks, tmp_path: Path, points: Points
) -> None:
    least, most = log_sizes(tmp_path)
    for number in points((most - least) // 512):
        path = tmp_path / str(number) / "snapshot.sqlite"
        status = forks.run(path, file_size=least + number * 512 - 1)
        assert os.waitstatus_to_exitcode(status) == FAILED_TO_WRITE
        usable(world, path, whole)
