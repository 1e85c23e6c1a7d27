"""Threads that end with the program: what they are given is done, and what they raise is told."""

from __future__ import annotations

from concurrent.futures import CancelledError
from threading import Event, current_thread

import pytest
from scanner.workers import DaemonThreads


def test_results_and_errors_come_back() -> None:
    workers = DaemonThreads(2)
    assert [workers.submit(pow, number, 2).result() for number in range(5)] == [0, 1, 4, 9, 16]
    with pytest.raises(ZeroDivisionError):
        workers.submit(divmod, 1, 0).result()
    workers.shutdown()


def test_threads_are_daemons_and_no_more_than_asked_for() -> None:
    workers = DaemonThreads(2)
    threads = {workers.submit(current_thread).result() for _ in range(6)}
    assert len(threads) <= 2
    assert all(thread.daemon for thread in threads)
    workers.shutdown()
    assert not any(thread.is_alive() for thread in threads)


def test_shutdown_drops_what_has_not_begun_and_does_not_wait_for_what_hangs() -> None:
    workers, begun, release = DaemonThreads(1), Event(), Event()

    def hang() -> str:
        begun.set()
        release.wait()
        return "done"

    running, waiting = workers.submit(hang), workers.submit(pow, 2, 2)
    begun.wait()
    workers.shutdown(wait=False, cancel_futures=True)
    assert not running.done()
    with pytest.raises(CancelledError):
        waiting.result(timeout=1)
    release.set()
    assert running.result() == "done"
