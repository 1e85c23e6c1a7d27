"""Analyses by Dask in a process of their own: `distributed` leaves threads and half-made clients to the one it ran in.

Usage: python with_dask.py (analyzed | commanded | lost | overtaken) SNAPSHOT FOLDER
       python with_dask.py without_workers | asked ADDRESS...
Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Future, LocalCluster
from distributed.client import FutureState
from scanner import executors
from scanner.cli import main
from scanner.config import Settings
from scanner.errors import WorkerError
from scanner.executors import HowToAnalyze, lanes_of
from scanner.pipeline import analyze_named


@contextmanager
def cluster(workers: int) -> Iterator[LocalCluster]:
    """A scheduler on a loopback port, with workers that are threads of this process."""
    with LocalCluster(
        n_workers=workers, threads_per_worker=2, processes=False, protocol="tcp", host="127.0.0.1",
        dashboard_address=None,
    ) as started:  # fmt: skip
        yield started


def judged(snapshot: str, folder: str, **how: Any) -> str:
    """The folder of a run."""
    settings = Settings.model_validate({"output": {"directory": Path(folder)}})
    _, directory = analyze_named(snapshot, settings, folder_given=True, how=HowToAnalyze(**how))
    return str(directory.path)


def analyzed(snapshot: str, folder: str) -> dict[str, Any]:
    """By two workers."""
    with cluster(2) as started:
        return {"directory": judged(snapshot, folder, dask=started.scheduler_address)}


def commanded(snapshot: str, folder: str) -> dict[str, Any]:
    """`kms-scan analyze --dask`, with one worker."""
    with cluster(1) as started:
        try:
            main(["analyze", snapshot, "-q", "-o", folder, "--dask", started.scheduler_address])
        except SystemExit as ended:
            return {"exit_code": ended.code}


def refusal(address: str) -> dict[str, Any]:
    """How an address is refused."""
    try:
        with lanes_of(HowToAnalyze(dask=address)):
            return {"address": address, "message": "was taken"}
    except WorkerError as error:
        return {"address": address, "message": str(error), "hint": error.hint, "exit_code": error.exit_code}


def without_workers() -> dict[str, Any]:
    """A scheduler that has none."""
    executors._PATIENCE = 0.2
    with cluster(0) as started:
        return refusal(started.scheduler_address)


def lost(snapshot: str, folder: str) -> dict[str, Any]:
    """By one worker, which leaves when the first key is to be judged."""
    executors._LOOK_EVERY = 0.1
    with cluster(1) as started:

        def lose_it(judging: Any) -> None:
            if judging.what == "judging keys":
                started.scale(0)
                started.sync(started._correct_state)

        try:
            return {"message": judged(snapshot, folder, dask=started.scheduler_address, on_progress=lose_it)}
        except WorkerError as error:
            return {"message": str(error), "exit_code": error.exit_code}


def overtaken(snapshot: str, folder: str) -> dict[str, Any]:
    """By one worker, which is lost just after it answered for the first key: the answer is there, its state is not."""
    whole = Future._result
    at_keys: list[bool] = []

    async def answer(future: Future, **how: Any) -> Any:
        result = await whole(future, **how)
        if at_keys:
            future.release()
            future._state = FutureState(future.key)
        return result

    def tell(judging: Any) -> None:
        if judging.what == "judging keys":
            at_keys.append(True)

    Future._result = answer
    with cluster(1) as started:
        try:
            return {"message": judged(snapshot, folder, dask=started.scheduler_address, on_progress=tell)}
        except WorkerError as error:
            return {"message": str(error), "exit_code": error.exit_code}


def asked(*addresses: str) -> dict[str, Any]:
    """Addresses where nobody answers."""
    executors._PATIENCE = 0.2
    return {"refused": [refusal(address) for address in addresses]}


if __name__ == "__main__":
    case, *words = sys.argv[1:]
    print(json.dumps(globals()[case](*words)))
