"""Progress lines: what they say, and how often a log gets one."""

from __future__ import annotations

import io
import logging

from scanner.analyze.judging import Judging
from scanner.collect.settings import Progress
from scanner.progress import in_words, judging_in_words, shown


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


# -- analysis ---------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_keys_are_counted_with_the_time_left_for_them() -> None:
    assert judging_in_words(Judging("judging keys", 1200, 3600), 60.0) == "judging keys 1,200/3,600  ETA 02:00"
    assert judging_in_words(Judging("judging keys", 3600, 3600), 60.0) == "judging keys 3,600/3,600"
    assert judging_in_words(Judging("following roles"), 60.0) == "following roles"


def test_time_left_for_keys_does_not_count_what_was_before_them(caplog) -> None:
    caplog.set_level(logging.INFO, "scanner.progress")
    now = 0.0
    with shown(io.StringIO(), lambda: now, quiet=False) as update:
        update(Judging("following roles"))
        now = 100.0
        update(Judging("judging keys", 1, 4))
        now = 110.0
        update(Judging("judging keys", 2, 4))
        now = 160.0
        update(Judging("judging keys", 3, 4))
    assert [r.getMessage() for r in caplog.records] == [
        "judging keys 1/4  ETA 00:00", "judging keys 3/4  ETA 00:20",
    ]  # fmt: skip


def test_log_gets_no_line_of_an_analysis_that_takes_less_than_a_minute(caplog) -> None:
    caplog.set_level(logging.INFO, "scanner.progress")
    with shown(io.StringIO(), lambda: 1.0, quiet=False) as update:
        for done in range(1, 101):
            update(Judging("judging keys", done, 100))
    assert not caplog.records


def test_terminal_shows_the_step_in_one_line(caplog) -> None:
    caplog.set_level(logging.INFO, "scanner.progress")
    stream = Terminal()
    with shown(stream, lambda: 0.0, quiet=False, no_color=True, first="reading the snapshot") as update:
        update(Judging("judging keys", 1, 4))
    assert "judging keys 1/4" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1
    assert not caplog.records
