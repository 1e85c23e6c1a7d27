"""Decides what a signal does to a collection and to an analysis: the first ends it in order, the second at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

from scanner.errors import InterruptedRunError

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


class Stopped(KeyboardInterrupt):
    """A signal that ends an analysis where it stands; `number` is which."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


@contextmanager
def interruptible(said: str, hint: str) -> Iterator[None]:
    """SIGINT or SIGTERM ends the block: an analysis changes nothing but files that it takes away again.

    The second signal ends the process without unwinding.

    Raises:
        InterruptedRunError: a signal came; with what is said and what to do.
    """
    received: list[int] = []

    def on_signal(number: int, frame: FrameType | None) -> None:
        del frame
        if received:
            os._exit(128 + number)
        received.append(number)
        raise Stopped(number)

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Stopped as stopped:
        error = InterruptedRunError(said, hint=hint)
        error.exit_code = 128 + stopped.number
        raise error from None
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _say(text: bytes) -> None:
    """Straight to the descriptor: a handler may have interrupted a write to the stream."""
    try:
        os.write(2, text)
    except OSError:  # the exit code tells as well
        return
