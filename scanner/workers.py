"""Threads that do units of work and never keep the process alive: what hangs in one ends with the program."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """An executor like `ThreadPoolExecutor`, whose threads the interpreter does not wait for when it ends.

    That one joins its threads at exit, so a signal would be answered only when the last request has timed out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._threads: list[Thread] = []
        self._work: SimpleQueue[tuple[Callable[[], None], Callable[[], bool]] | None] = SimpleQueue()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a thread call the function; there is one more thread for each call, up to the most."""
        future: Future[T] = Future()

        def do() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # whoever asks for the result is told
                future.set_exception(error)

        self._work.put((do, future.cancel))
        if len(self._threads) < self._most:
            thread = Thread(target=self._serve, name=f"collect_{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end after what was submitted; `cancel_futures` drops what has not begun."""
        with suppress(Empty):
            while cancel_futures and (work := self._work.get_nowait()) is not None:
                work[1]()
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work[0]()
