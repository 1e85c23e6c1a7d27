"""Measures one analysis by one process, by several, and by the workers of a Dask cluster on this machine.

    .venv/bin/python benchmarks/executor.py 300x100 1000x300 --workers 2

Every way runs in a process of its own, on the same snapshot, with the search for remedies, as `kms-scan analyze` does.
The files that each writes have to be the same, or it ends with an error. Seconds are wall-clock time, which is what
more processes are for, and depend on what else the machine does. The critical path does not, as far as that goes: of
every second the CPU time of the process that used most, all added up, which is the time that enough idle cores would
need. CPU seconds of all processes stand beside both: where there are fewer cores, their share of them counts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread
from time import perf_counter

import psutil
from distributed import LocalCluster
from scanner.config import Settings
from scanner.executors import HowToAnalyze
from scanner.pipeline import analyze_named

from org import write
from scale import as_table, machine, shape_of

SIZES = ("300x100",)
WAYS = ("one process", "processes", "dask")
HEAD = ("principals × keys", "by", "wall s", "critical path s", "CPU s", "times as fast", "by the critical path")
WRITTEN = ("access.csv", "coverage.csv", "findings.json", "graph.graphml", "graph.json", "keys.csv", "trials.jsonl",
           "paths.jsonl", "places.jsonl", "verdicts.jsonl")  # fmt: skip


class Busiest:
    """Adds up the CPU time of the process that used most of it, second by second, while it is entered."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._before: dict[int, float] = {}
        self._over = Event()
        self._watch = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Busiest:
        self._count()
        self.seconds = 0.0
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()
        self._count()

    def _look(self) -> None:
        while not self._over.wait(1):
            self._count()

    def _count(self) -> None:
        used = {}
        for process in (own := psutil.Process(), *own.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                used[process.pid] = sum(process.cpu_times()[:2])
        self.seconds += max(seconds - self._before.get(pid, 0.0) for pid, seconds in used.items())
        self._before = used


def measure(snapshot: Path, way: str, workers: int) -> dict[str, float | str]:
    """Analyze a snapshot in one way; a cluster is there before the clock starts."""
    settings = Settings.model_validate({"output": {"directory": snapshot.parent / "runs"}})
    with ExitStack() as stack:
        how = HowToAnalyze(processes=workers if way == "processes" else 1)
        if way == "dask":
            cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
            how = HowToAnalyze(dask=stack.enter_context(cluster).scheduler_address)
        started = perf_counter()
        with Busiest() as busiest:
            _, directory = analyze_named(str(snapshot), settings, folder_given=True, how=how)
        wall = perf_counter() - started
    used = os.times()
    digest = hashlib.sha256(b"".join((directory.path / name).read_bytes() for name in WRITTEN))
    cpu = used.user + used.system + used.children_user + used.children_system
    return {"wall": wall, "critical": busiest.seconds, "cpu": cpu, "files": digest.hexdigest()}


def measured(snapshot: Path, way: str, workers: int) -> dict[str, float | str]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--only", str(snapshot), "--way", way, "--workers", str(workers)]
    found: dict[str, float | str] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure every size in every way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sizes", nargs="*", default=list(SIZES))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.only:
        print(json.dumps(measure(asked.only, asked.way, asked.workers)))
        return 0
    rows: list[tuple[str, ...]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in asked.sizes:
            snapshot = write(shape_of(size, asked.seed), Path(folder) / size.replace(":", "-") / "snapshot.sqlite")
            found = {way: measured(snapshot, way, asked.workers) for way in WAYS}
            if len({one["files"] for one in found.values()}) != 1:
                raise SystemExit(f"{size}: the files differ")
            alone, path = (float(found[WAYS[0]][name]) for name in ("wall", "critical"))
            for way, one in found.items():
                by = way if way == WAYS[0] else f"{way}, {asked.workers}"
                wall, critical, cpu = (float(one[name]) for name in ("wall", "critical", "cpu"))
                seconds = (f"{wall:.1f}", f"{critical:.1f}", f"{cpu:.1f}")
                rows.append((size, by, *seconds, f"{alone / wall:.2f}", f"{path / critical:.2f}"))
    print("\n".join([f"{machine()}.", "The files are the same in every way.", "", *as_table(HEAD, rows)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
