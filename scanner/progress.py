"""Shows how far a collection or an analysis is: one live line on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from scanner.analyze.judging import Judging

if TYPE_CHECKING:
    from scanner.collect.settings import Progress

logger = logging.getLogger(__name__)

_STEP = 10
"""Percent between two log lines."""
_SECONDS = 60.0
"""Seconds after which a log line is written even without that much progress."""


@contextmanager
def shown(
    stream: TextIO, monotonic: Callable[[], float], *, quiet: bool, no_color: bool = False, first: str = ""
) -> Iterator[Callable[[Progress | Judging], None]]:
    """A callback for the collector and the analysis; the live line disappears when the block ends.

    Args:
        first: what the live line says until it is told more.
    """
    if quiet:
        yield lambda _: None
        return
    told = _Told(monotonic)
    if not stream.isatty():
        yield told.log
        return
    from rich.console import Console  # noqa: PLC0415  # only a terminal pays for rich
    from rich.status import Status  # noqa: PLC0415

    with Status(first, console=Console(file=stream, no_color=no_color or None), spinner="line") as status:
        yield lambda progress: status.update(told.in_words(progress))


def in_words(progress: Progress, seconds: float) -> str:
    """`account-regions 317/412  keys 1,204  calls 9,881  throttled 3  gaps 2  ETA 04:10`."""
    done, total = progress.account_regions_done, progress.account_regions_total
    text = (
        f"account-regions {done}/{total}  keys {progress.keys:,}  calls {progress.calls:,}  "
        f"throttled {progress.throttled}  gaps {progress.gaps}"
    )
    return text + _time_left(done, total, seconds)


def judging_in_words(judging: Judging, seconds: float) -> str:
    """`judging keys 120/300  ETA 00:40`, the time being that of this step; steps that are not counted by name."""
    if not judging.total:
        return judging.what
    left = _time_left(judging.done, judging.total, seconds)
    return f"{judging.what} {judging.done:,}/{judging.total:,}{left}"


def _time_left(done: int, total: int, seconds: float) -> str:
    if not 0 < done < total:
        return ""
    left = int(seconds / done * (total - done))
    return f"  ETA {left // 60:02d}:{left % 60:02d}"


class _Told:
    """How long the present step has taken, and when a log line was written last."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = self._last = monotonic()
        self._step, self._percent = "", 0

    def in_words(self, progress: Progress | Judging) -> str:
        """What is said now."""
        return self._at(self._monotonic(), progress)

    def _at(self, now: float, progress: Progress | Judging) -> str:
        if not isinstance(progress, Judging):
            return in_words(progress, now - self._began)
        if progress.what != self._step:
            self._step, self._began = progress.what, now
        return judging_in_words(progress, now - self._began)

    def log(self, progress: Progress | Judging) -> None:
        """Write a line where the last is a minute old; of a collection, which takes hours, also at every tenth."""
        now = self._monotonic()
        text = self._at(now, progress)
        percent = self._percent
        if not isinstance(progress, Judging):
            percent = 100 * progress.account_regions_done // (progress.account_regions_total or 1)
        if percent < self._percent + _STEP and now - self._last < _SECONDS:
            return
        self._percent, self._last = percent, now
        logger.info(text)
