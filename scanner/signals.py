"""Decides what a signal does to a collection: the first one ends it in order, the second one at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

_STOPPING = b"stopping: units in flight have 30 s to finish; a second signal ends at once\n"


@contextmanager
def stoppable() -> Iterator[tuple[Event, list[int]]]:
    """The event that SIGINT or SIGTERM sets, and the numbers of the signals that came.

    The second signal ends the process without unwinding: a thread may hang in a request, and what was committed needs
    no goodbye.
    """
    stop, received = Event(), list[int]()

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        if received:
            os._exit(128 + number)
        received.append(number)
        _say(_STOPPING)
        stop.set()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop, received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _say(text: bytes) -> None:
    """Straight to the descriptor: a handler may have interrupted a write to the stream."""
    try:
        os.write(2, text)
    except OSError:  # the exit code tells as well
        return
