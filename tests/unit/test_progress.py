"""Progress lines: what they say, and how often a log gets one."""

from __future__ import annotations

import io
import logging

from scanner.collect.settings import Progress
from scanner.progress import in_words, shown


def progress(done: int, total: int = 100) -> Progress:
    return Progress(done, total, done, total, keys=1204, calls=9881, throttled=3, gaps=2)


def test_words_hold_counts_and_time_left() -> None:
    assert in_words(progress(50), 60.0) == (
        "account-regions 50/100  keys 1,204  calls 9,881  throttled 3  gaps 2  ETA 01:00"
    )


def test_finished_collection_has_no_time_left() -> None:
    assert "ETA" not in in_words(progress(100), 60.0)


def test_log_gets_a_line_per_ten_percent(caplog) -> None:
    caplog.set_level(logging.INFO, "scanner.progress")
    with shown(io.StringIO(), lambda: 0.0, quiet=False) as update:
        for done in range(101):
            update(progress(done))
    assert len(caplog.records) == 10


def test_log_gets_a_line_per_minute_without_progress(caplog) -> None:
    caplog.set_level(logging.INFO, "scanner.progress")
    now = iter(range(0, 1000, 50))
    with shown(io.StringIO(), lambda: float(next(now)), quiet=False) as update:
        for _ in range(5):
            update(progress(1))
    assert len(caplog.records) == 2


def test_quiet_run_says_nothing(caplog) -> None:
    caplog.set_level(logging.INFO, "scanner.progress")
    with shown(io.StringIO(), lambda: 0.0, quiet=True) as update:
        update(progress(100))
    assert not caplog.records
