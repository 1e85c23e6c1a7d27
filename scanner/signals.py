"""Decides what a signal does to a collection: the first one ends it in order, the second one at once."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def stoppable() -> Iterator[tuple[Event, list[int]]]:
    """The event that SIGINT or SIGTERM sets, and the numbers of the signals that came."""
    stop, received = Event(), []  # type: ignore[var-annotated]

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        if received:
            raise KeyboardInterrupt
        received.append(number)
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop, received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
