"""Decides who does the parts of an analysis: this process alone, some of its own, or the workers of a Dask cluster."""

from __future__ import annotations

import gc
import multiprocessing
import os
import platform
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from traceback import walk_tb
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from weakref import WeakSet

from scanner import ENGINE, __version__
from scanner.errors import UnavailableError, WorkerError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from distributed import Client

P = ParamSpec("P")
T = TypeVar("T")

_PATIENCE = 10.0
"""Seconds that a cluster has to answer, and to have a worker."""
_LOOK_EVERY = 10.0
"""Seconds between two looks at whether a cluster still has workers."""
_FEW_THINGS, _OFTEN = 50_000, (1000, 50)
"""How many new things there are before the interpreter looks for garbage among them, and how often among older ones."""


@dataclass(frozen=True, slots=True)
class HowToAnalyze:
    """What was asked of an analysis beside its result: processes, the address of a Dask scheduler, and who is told.

    `anew` takes neither judgements nor outcomes of trials over from a baseline.
    """

    processes: int = 1
    dask: str = ""
    on_progress: Callable[..., None] = lambda _: None
    anew: bool = False


@contextmanager
def lanes_of(how: HowToAnalyze) -> Iterator[Sequence[Executor]]:
    """Executors that each stand for one process; none where this process does everything.

    Raises:
        UnavailableError: `distributed` is not installed.
        WorkerError: the cluster does not answer or has another release, or a worker ended before its part was done.
    """
    with rarely_collecting():
        if how.dask:
            with _cluster(how.dask) as lanes:
                yield lanes
        elif how.processes > 1:
            with _processes(how.processes) as lanes:
                yield lanes
        else:
            yield ()


@contextmanager
def rarely_collecting() -> Iterator[None]:
    """An analysis keeps nearly all it makes, and looking through it for garbage takes a tenth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(_FEW_THINGS, *_OFTEN)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def greet() -> tuple[str, int]:
    """Which release a worker has, and its process."""
    return f"{__version__}, engine {ENGINE}", os.getpid()


# -- processes of our own ---------------------------------------------------------------------------------------------


@contextmanager
def _processes(number: int) -> Iterator[Sequence[Executor]]:
    """One executor for each process, so that what a process was asked before it is asked about again."""
    context = multiprocessing.get_context("spawn")  # a fork would copy threads that hold locks
    lanes = [ProcessPoolExecutor(1, context, _begin) for _ in range(number)]
    workers: list[int] = []
    try:
        greetings = [lane.submit(greet) for lane in lanes]
        workers = [greeting.result()[1] for greeting in greetings]
        for lane in lanes:
            _hear_the_end_of(lane)
        yield lanes
        for lane in lanes:
            lane.shutdown()
        workers.clear()
    except BrokenExecutor as error:
        raise WorkerError(
            "a process that did a part of the analysis has ended before the part was done",
            hint="most often the system wanted its memory: take fewer --processes; the snapshot is kept as it was",
        ) from error
    finally:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        for lane in lanes:
            lane.shutdown(cancel_futures=True)


def _hear_the_end_of(lane: ProcessPoolExecutor) -> None:
    """Have what waits for the rest of an answer know that a process was killed while it wrote one.

    As long as this process holds the writing end of the pipe too, which it never uses, that pipe does not end, and the
    executor waits for ever, its `shutdown` included.
    """
    lane._result_queue._writer.close()  # type: ignore[attr-defined]


def _begin() -> None:
    """What a process of ours does first: leave signals to the one that began it, and end when that one ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    gc.set_threshold(_FEW_THINGS, *_OFTEN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "runs in a process that another one began"
    Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


# -- a Dask cluster ---------------------------------------------------------------------------------------------------


@contextmanager
def _cluster(address: str) -> Iterator[Sequence[Executor]]:
    """One executor for each worker of the cluster; where one is lost, another does its parts."""
    try:
        from distributed import Client, KilledWorker  # noqa: PLC0415  # 700 ms, and an extra
        from distributed.comm.core import CommClosedError  # noqa: PLC0415
    except ImportError as error:
        raise UnavailableError(
            "`--dask` needs the package `distributed`", hint="pip install 'kms-scan[dask]'"
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # what distributed raises for names, ports and schemes
        raise WorkerError(
            f"no Dask scheduler answers at `{address}`",
            hint="--dask takes the address that `dask scheduler` prints, such as tcp://10.0.0.5:8786",
        ) from error
    over, watch = Event(), None
    try:
        lanes = _workers_of(client, address)
        watch = Thread(target=_give_up_without_workers, args=(client, lanes, over), daemon=True)
        watch.start()
        yield lanes
    except (KilledWorker, CancelledError, CommClosedError, ValueError) as error:
        if isinstance(error, ValueError) and not _lost_while_it_answered(error):
            raise
        raise WorkerError(
            f"the Dask cluster at `{address}` has lost a part of the analysis",
            hint="look at the logs of its workers, most often one wanted more memory; the snapshot is kept as it was",
        ) from error
    finally:
        over.set()
        if watch is not None:
            watch.join(_PATIENCE)
        client.close(timeout=_PATIENCE)


def _lost_while_it_answered(error: ValueError) -> bool:
    """Whether distributed took an answer for an error, as it does where the worker is lost just after it answered."""
    *_, (innermost, _) = walk_tb(error.__traceback__)
    return str(innermost.f_globals["__name__"]) == "distributed.cfexecutor"


class _Lane(Executor):
    """A worker of a cluster, asked for parts that can be given up."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._asked: WeakSet[Future[Any]] = WeakSet()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the worker call the function, or another one where it is lost."""
        future = self._executor.submit(fn, *args, **kwargs)
        self._asked.add(future)
        return future

    def give_up(self) -> None:
        """Let whoever waits for a part know that it does not come."""
        for future in list(self._asked):
            future.cancel()


def _give_up_without_workers(client: Client, lanes: Sequence[_Lane], over: Event) -> None:
    """Dask waits for ever for workers to come; an analysis ends where there was none twice in a row."""
    empty = 0
    while not over.wait(_LOOK_EVERY):
        try:
            found = client.scheduler_info(n_workers=-1)["workers"]
        except (OSError, CancelledError, RuntimeError):  # the scheduler is gone, or the client is being closed
            found = {}
        empty = 0 if found else empty + 1
        if empty > 1:
            for lane in lanes:
                lane.give_up()


def _workers_of(client: Client, address: str) -> Sequence[_Lane]:
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        raise WorkerError(
            f"the Dask scheduler at `{address}` has no worker", hint=f"start some: dask worker {address} --nthreads 1"
        ) from error
    names = sorted(client.scheduler_info(n_workers=-1)["workers"])
    lanes = [_Lane(client.get_executor(workers=[name], allow_other_workers=True, pure=False)) for name in names]
    for name, lane in zip(names, lanes, strict=True):
        _check_release(name, lane)
    return lanes


def _check_release(name: str, lane: Executor) -> None:
    own = greet()[0]
    try:
        release = lane.submit(greet).result(_PATIENCE)[0]
    except Exception as error:  # whatever an import can raise over there
        raise WorkerError(
            f"worker `{name}` cannot load kms-scan: {type(error).__name__}",
            hint=f"install kms-scan {__version__} where it runs, with Python {platform.python_version()}",
        ) from error
    if release != own:
        raise WorkerError(
            f"worker `{name}` has kms-scan {release}, and this is {own}", hint="install the same release everywhere"
        )
