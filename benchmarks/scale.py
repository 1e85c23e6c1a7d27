"""Measures the analysis of made-up organizations of growing size, beside evaluators that decide one request at a time.

    .venv/bin/python benchmarks/scale.py --sizes 300x100 1000x1000 10000x1000 1000x1000:star

Every size runs in a process of its own: what `kms-scan analyze` and `kms-scan report` do, on a snapshot made by
`benchmarks/org.py`. CPU seconds count; wall-clock time is said beside them. An answer is a row of access.csv. Growth is
the exponent of a power law through the sizes, by answers and by principals times keys. With `--write` the table takes
the place of the one in a paper.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from math import log2
from pathlib import Path
from statistics import linear_regression, median
from time import perf_counter, process_time
from typing import Any, TypeVar
from unittest import mock

from scanner import ENGINE, __version__, pipeline
from scanner.analyze.decision import decide as deciding
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.principals.party import Trust
from scanner.clock import SystemClock
from scanner.config import Settings
from scanner.model.finding import AccessRow
from scanner.report.directory import RunDirectory
from scanner.report.options import ReportOptions

import one_by_one
from org import write
from synthetic.shape import Shape

SMALL = ("100x40", "300x100")
LIMIT = 600
MARKS = ("<!-- scale -->", "<!-- /scale -->")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run on one size took, in CPU seconds where not said otherwise."""

    load: float
    analyze: float
    wall: float
    report: float
    peak_mb: float
    findings: int
    answers: int
    decisions: int


def shape_of(size: str, seed: int) -> Shape:
    """`1000x200` or `1000x200:star` as an organization."""
    numbers, _, worst = size.partition(":")
    principals, _, keys = numbers.partition("x")
    return Shape(int(principals), int(keys), seed, worst)


# -- one size, in a process of its own --------------------------------------------------------------------------------


class Stopwatch:
    """CPU seconds by part, and how often single requests were decided."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.wall: dict[str, float] = {}
        self.decisions = 0
        self.rows = 0

    def timed(self, part: str, run: Callable[..., T]) -> Callable[..., T]:
        """A function whose time is taken."""

        def measured(*args: Any, **options: Any) -> T:
            cpu, wall = process_time(), perf_counter()
            try:
                return run(*args, **options)
            finally:
                self.seconds[part] = process_time() - cpu
                self.wall[part] = perf_counter() - wall

        return measured

    def counting(self, run: Callable[..., T]) -> Callable[..., T]:
        """A function whose calls are counted."""

        def counted(*args: Any, **options: Any) -> T:
            self.decisions += 1
            return run(*args, **options)

        return counted

    def counting_rows(self, run: Callable[..., T]) -> Callable[..., T]:
        """An analysis whose rows of access.csv are counted."""

        def analyzed(*args: Any, write_access: Callable[[AccessRow], None], **options: Any) -> T:
            def write_row(row: AccessRow) -> None:
                self.rows += 1
                write_access(row)

            return run(*args, write_access=write_row, **options)

        return analyzed


@contextmanager
def watched(watch: Stopwatch, *, remedies: bool) -> Iterator[None]:
    """The pipeline with a stopwatch in it, and without the search for remedies where that is not wanted."""
    single, rules_of = deciding.decide, pipeline.analysis_rules

    def chosen(settings: Settings) -> tuple[Trust, AnalysisRules]:
        trust, rules = rules_of(settings)
        return trust, replace(rules, remedies=remedies)

    with ExitStack() as stack:
        counted = watch.counting(single)
        for module in [m for m in list(sys.modules.values()) if getattr(m, "decide", None) is single]:
            stack.enter_context(mock.patch.object(module, "decide", counted))
        analyze = watch.timed("analyze", watch.counting_rows(pipeline.analyze))
        for name, new in (
            ("world_in", watch.timed("load", pipeline.world_in)), ("analyze", analyze), ("analysis_rules", chosen)
        ):  # fmt: skip
            stack.enter_context(mock.patch.object(pipeline, name, new))
        yield


def measure(snapshot: Path, *, remedies: bool) -> Measured:
    """Analyze and report a snapshot as the commands do."""
    directory = RunDirectory.create(snapshot.parent / "runs", "measured")
    directory.copy("snapshot.sqlite", snapshot)
    watch = Stopwatch()
    with watched(watch, remedies=remedies):
        document = pipeline.analyze_run(directory, Settings())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    watch.timed("report", pipeline.report_run)(directory, ReportOptions(), clock=SystemClock())
    return Measured(
        watch.seconds["load"], watch.seconds["analyze"], watch.wall["analyze"], watch.seconds["report"], peak,
        len(document.findings), watch.rows, watch.decisions,
    )  # fmt: skip


def measured(size: str, snapshot: Path, repeat: int, *, remedies: bool) -> Measured | None:
    """The medians of some runs in processes of their own; None where one took longer than allowed."""
    found: list[dict[str, float]] = []
    for number in range(repeat):
        with tempfile.TemporaryDirectory(dir=snapshot.parent) as folder:
            copy = Path(folder) / "snapshot.sqlite"
            os.link(snapshot, copy)
            command = [sys.executable, __file__, "--only", str(copy), *(["--remedies"] if remedies else [])]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
            except subprocess.TimeoutExpired:
                return None
        if done.returncode:
            raise SystemExit(f"{size}, run {number + 1}: {done.stderr}")
        found.append(json.loads(done.stdout))
    return Measured(**{name: median(one[name] for one in found) for name in found[0]})  # type: ignore[arg-type]  # numbers


# -- the table --------------------------------------------------------------------------------------------------------


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float | None:
    """How CPU time grows: the power in a law through the points; None for fewer than two different sizes."""
    points = [(log2(x), log2(y)) for x, y in zip(sizes, seconds, strict=True) if x > 0 and y > 0]
    if len({x for x, _ in points}) < 2:
        return None
    return linear_regression([x for x, _ in points], [y for _, y in points]).slope


def machine() -> str:
    """What it ran on, in words."""
    model = platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{model}, {os.cpu_count()} cores, {memory:.0f} GB; Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}; kms-scan {__version__}, engine {ENGINE}"
    )


HEAD = (
    "principals × keys", "load", "analyze", "wall", "report", "peak MB", "findings", "answers", "decisions",
    "decisions/s", "decisions/answer", "ms/answer",
)  # fmt: skip


def row(size: str, found: Measured | None) -> tuple[str, ...]:
    """One line of the table."""
    if found is None:
        return (size, "", f"> {LIMIT} s wall", *("" for _ in HEAD[3:]))
    answers = max(1, found.answers)
    return (
        size, f"{found.load:.1f}", f"{found.analyze:.1f}", f"{found.wall:.1f}", f"{found.report:.1f}",
        f"{found.peak_mb:,.0f}", f"{found.findings:,.0f}", f"{found.answers:,.0f}", f"{found.decisions:,.0f}",
        f"{found.decisions / max(found.analyze, 1e-9):,.0f}", f"{found.decisions / answers:.2f}",
        f"{1000 * found.analyze / answers:.2f}",
    )  # fmt: skip


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of Markdown."""
    numbers = "|".join(["---", *("---:" for _ in head[1:])])
    return [f"| {' | '.join(head)} |", f"|{numbers}|", *(f"| {' | '.join(cells)} |" for cells in rows)]


def growth(sizes: Sequence[str], found: Sequence[Measured | None]) -> str:
    """The exponents in words; worst cases aside, as they differ in more than size."""
    pairs = [(shape_of(s, 0), m) for s, m in zip(sizes, found, strict=True) if m is not None and ":" not in s]
    seconds = [m.analyze for _, m in pairs]
    by_answers = exponent([m.answers for _, m in pairs], seconds)
    by_size = exponent([shape.principals * shape.keys for shape, _ in pairs], seconds)
    if by_answers is None or by_size is None:
        return "Growth needs two sizes."
    return f"Analysis time grows as answers^{by_answers:.2f}, as (principals × keys)^{by_size:.2f}."


def main(argv: list[str] | None = None) -> int:
    """Measure every size, then the others on the first of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="*", default=list(SMALL))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=1, help="runs of each size; medians are told")
    parser.add_argument("--remedies", action="store_true", help="also look for the edits that end an access")
    parser.add_argument("--write", type=Path, help="a paper whose table is replaced")
    parser.add_argument("--only", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(argv)
    if asked.only:
        print(json.dumps(asdict(measure(asked.only, remedies=asked.remedies))))
        return 0
    remedies = "with the search for remedies" if asked.remedies else "without the search for remedies"
    lines = [
        f"{machine()}.",
        f"CPU seconds, median of {asked.repeat}, {remedies}.",
        "",
    ]
    found: list[Measured | None] = []
    with tempfile.TemporaryDirectory() as folder:
        first = None
        for size in asked.sizes:
            snapshot = write(shape_of(size, asked.seed), Path(folder) / size.replace(":", "-") / "snapshot.sqlite")
            first = first or snapshot
            found.append(measured(size, snapshot, asked.repeat, remedies=asked.remedies))
            print("  ".join(row(size, found[-1])), file=sys.stderr, flush=True)
        lines += as_table(HEAD, [row(size, one) for size, one in zip(asked.sizes, found, strict=True)])
        lines += ["", growth(asked.sizes, found), ""]
        lines += one_by_one.compared(first, [shape_of(size, asked.seed) for size in asked.sizes]) if first else []
    print("\n".join(lines))
    if asked.write:
        replaced(asked.write, lines)
    return 0


def replaced(paper: Path, lines: Sequence[str]) -> None:
    """Put the lines between the marks of a paper."""
    before, _, rest = paper.read_text("utf-8").partition(MARKS[0])
    _, found, after = rest.partition(MARKS[1])
    if not found:
        raise SystemExit(f"{paper} has no {MARKS[0]} ... {MARKS[1]}")
    paper.write_text("\n".join([f"{before}{MARKS[0]}", "", *lines, "", f"{MARKS[1]}{after}"]), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
