"""Shows how far a collection is: one live line on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from scanner.collect.settings import Progress

logger = logging.getLogger(__name__)

_STEP = 10
"""Percent between two log lines."""
_SECONDS = 60.0
"""Seconds after which a log line is written even without that much progress."""


@contextmanager
def shown(
    stream: TextIO, monotonic: Callable[[], float], *, quiet: bool, no_color: bool = False
) -> Iterator[Callable[[Progress], None]]:
    """A callback for the collector; the live line disappears when the block ends."""
    if quiet:
        yield lambda _: None
        return
    if not stream.isatty():
        yield _Logged(monotonic).update
        return
    from rich.console import Console  # noqa: PLC0415  # only a terminal pays for rich
    from rich.status import Status  # noqa: PLC0415

    with Status("asking who we are", console=Console(file=stream, no_color=no_color or None), spinner="line") as status:
        started = monotonic()
        yield lambda progress: status.update(in_words(progress, monotonic() - started))


def in_words(progress: Progress, seconds: float) -> str:
    """`account-regions 317/412  keys 1,204  calls 9,881  throttled 3  gaps 2  ETA 04:10`."""
    done, total = progress.account_regions_done, progress.account_regions_total
    text = (
        f"account-regions {done}/{total}  keys {progress.keys:,}  calls {progress.calls:,}  "
        f"throttled {progress.throttled}  gaps {progress.gaps}"
    )
    if 0 < done < total:
        left = int(seconds / done * (total - done))
        text += f"  ETA {left // 60:02d}:{left % 60:02d}"
    return text


class _Logged:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._started = self._last = monotonic()
        self._percent = 0

    def update(self, progress: Progress) -> None:
        now = self._monotonic()
        total = progress.account_regions_total or 1
        percent = 100 * progress.account_regions_done // total
        if percent < self._percent + _STEP and now - self._last < _SECONDS:
            return
        self._percent, self._last = percent, now
        logger.info(in_words(progress, now - self._started))
