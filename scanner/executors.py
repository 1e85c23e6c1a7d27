"""Decides who does the parts of an analysis: this process alone, some of its own, or the workers of a Dask cluster."""

from __future__ import annotations

import gc
import multiprocessing
import os
import platform
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

from scanner import ENGINE, __version__
from scanner.errors import UnavailableError, WorkerError

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from distributed import Client

_PATIENCE = 10.0
"""Seconds that a cluster has to answer, and to have a worker."""
_FEW_THINGS, _OFTEN = 50_000, (20, 50)
"""How many new things there are before the interpreter looks for garbage among them, and how often among older ones."""


@dataclass(frozen=True, slots=True)
class HowToAnalyze:
    """What was asked of an analysis beside its result: processes, the address of a Dask scheduler, and who is told."""

    processes: int = 1
    dask: str = ""
    on_progress: Callable[..., None] = lambda _: None


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
    """An analysis keeps nearly all it makes, and looking through it for garbage takes a quarter of its time."""
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
    try:
        yield _workers_of(client, address)
    except (KilledWorker, CancelledError, CommClosedError) as error:
        raise WorkerError(
            f"the Dask cluster at `{address}` has lost a part of the analysis",
            hint="look at the logs of its workers, most often one wanted more memory; the snapshot is kept as it was",
        ) from error
    finally:
        client.close(timeout=_PATIENCE)


def _workers_of(client: Client, address: str) -> Sequence[Executor]:
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError as error:
        raise WorkerError(
            f"the Dask scheduler at `{address}` has no worker", hint=f"start some: dask worker {address} --nthreads 1"
        ) from error
    names = sorted(client.scheduler_info(n_workers=-1)["workers"])
    lanes = [client.get_executor(workers=[name], allow_other_workers=True, pure=False) for name in names]
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
