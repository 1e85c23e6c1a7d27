"""Fixtures of the collector's tests: credentials that are none, the loopback server, one run."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from botocore.session import Session
from scanner.collect.collector import collect
from scanner.collect.sessions import botocore_session
from scanner.collect.settings import CollectSettings, CollectSummary, Progress
from scanner.errors import KmsScanError
from scanner.snapshot.read import open_snapshot
from scanner.snapshot.store import SnapshotStore

from fault_server import FakeClock, FaultServer

NOW = datetime(2026, 11, 22, 0, 10, tzinfo=UTC)
_SESSIONS: list[Session] = []  # one session with its parsed service models serves every test that can share it


@dataclass
class Run:
    """What a collection left behind."""

    path: Path
    summary: CollectSummary | None
    error: KmsScanError | None
    clock: FakeClock
    progress: list[Progress] = field(default_factory=list)

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(open_snapshot(self.path)) as connection:
            return connection.execute(sql, values).fetchall()

    def ledger(self, **where: str) -> set[tuple[str, ...]]:
        """Rows as (account, region, call, subject, outcome), chosen by column."""
        clause = " AND ".join(f"{name} = ?" for name in where) or "1"
        sql = f"SELECT account_id, region, call, subject, outcome FROM coverage WHERE {clause}"
        return set(self.query(sql, *where.values()))

    def gaps(self) -> set[tuple[str, ...]]:
        quiet = {"ok", "empty", "skipped", "not_enabled", "gone"}
        return {row for row in self.ledger() if row[4] not in quiet}

    def meta(self) -> dict[str, str]:
        return dict(self.query("SELECT key, value FROM meta"))


def without_credentials(patch: pytest.MonkeyPatch) -> None:
    """An environment with the credentials of nobody."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_REGION"):
        patch.delenv(name, raising=False)
    patch.setenv("AWS_ACCESS_KEY_ID", "AKIACALLER")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "caller-secret")
    patch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(autouse=True)
def _no_real_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    without_credentials(monkeypatch)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    with FaultServer() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        yield server


def shared_session(profile: str | None) -> Session:
    if not _SESSIONS:
        _SESSIONS.append(botocore_session(profile))
    return _SESSIONS[0]


def collected(
    path: Path,
    *,
    stop: Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    session_factory: Callable[[str | None], Session] = shared_session,
    threads: int = 3,
    **settings: Any,
) -> Run:
    """Collect with these settings; `stop`, `on_progress`, a session of one's own and more threads may be given."""
    defaults = {"run_id": "r-1", "member_role": "audit/KmsScanReadOnly", "source": "ids", "workers": 3}
    wanted = CollectSettings(**{**defaults, **settings})
    done = Run(path, None, None, FakeClock(NOW))
    with ThreadPoolExecutor(threads) as executor:
        try:
            done.summary = collect(
                wanted,
                store=SnapshotStore.create(path),
                executor=executor,
                clock=done.clock,
                stop=stop or Event(),
                on_progress=on_progress or done.progress.append,
                session_factory=session_factory,
            )
        except KmsScanError as error:
            done.error = error
    return done


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Run]:
    """`collected`, into a new folder."""
    return lambda **settings: collected(tmp_path / "run" / "snapshot.sqlite", **settings)


@pytest.fixture(scope="module")
def run_into() -> Callable[..., Run]:
    """`collected`, into a file of one's own: for a run that several tests look at."""
    return collected


@pytest.fixture(scope="module")
def module_credentials() -> Iterator[pytest.MonkeyPatch]:
    """The credentials of nobody for a fixture of a whole module."""
    with pytest.MonkeyPatch.context() as patch:
        without_credentials(patch)
        yield patch


def stored_text(path: Path) -> str:
    """Everything in a snapshot, decompressed, as one text."""
    with closing(sqlite3.connect(path)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        values = [value for table in tables for row in connection.execute(f'SELECT * FROM "{table}"') for value in row]
    texts = [zlib.decompress(v).decode(errors="replace") if isinstance(v, bytes) else str(v) for v in values]
    return "\n".join(texts)


@pytest.fixture
def text_of() -> Callable[[Path], str]:
    return stored_text
