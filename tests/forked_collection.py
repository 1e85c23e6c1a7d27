"""A process without threads that forks one collection per line of standard input, so that killing one costs no import.

Each line is JSON: `path` of the snapshot, `ids` of the accounts, `resume`, and one way to die or to fail: `statement`
(SIGKILL before the n-th SQL statement) or `file_size` (no file may grow beyond so many bytes). It answers with the
process id, then with the exit status as os.waitpid has it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from scanner.collect.collector import collect
from scanner.collect.sessions import botocore_session
from scanner.collect.settings import CollectSettings
from scanner.errors import OutputError
from scanner.snapshot.store import SnapshotStore
from scanner.workers import DaemonThreads

from fault_server import FakeClock

FAILED_TO_WRITE = 2


def collected(order: dict[str, Any]) -> int:
    """One collection; returns the exit code."""
    path = Path(order["path"])
    if "file_size" in order:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_size"], order["file_size"]))
    try:
        store = SnapshotStore.reopen(path) if order.get("resume") else SnapshotStore.create(path)
        if "statement" in order:
            _die_at(store, order["statement"])
        collect(
            CollectSettings("r-1", "R", source="ids", ids=tuple(order["ids"]), workers=order.get("workers", 1)),
            store=store,
            executor=DaemonThreads(3),
            clock=FakeClock(datetime(2026, 11, 22, tzinfo=UTC)),
            stop=Event(),
            on_progress=lambda _: None,
            session_factory=lambda _: SESSION,
        )
    except OutputError:
        return FAILED_TO_WRITE
    return 0


def _die_at(store: SnapshotStore, statement: int) -> None:
    left = [statement]

    def count(_: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    store._connection.set_trace_callback(count)


def main() -> None:
    """Serve until standard input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(collected(order))
        print(child, flush=True)
        print(os.waitpid(child, 0)[1], flush=True)


if __name__ == "__main__":
    SESSION = botocore_session(None)
    for service in ("sts", "kms", "iam", "account", "organizations"):  # parsed once, for every child
        SESSION.create_client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    main()
