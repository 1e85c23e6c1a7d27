"""Rows per second and peak memory of access.csv, beside `csv.writer` alone in the same run.

    .venv/bin/python benchmarks/access.py [ROWS]

The rows are made one by one, as the analysis makes them, so what stays in memory is what the writer keeps. The time to
make them is measured first and taken away. Each way of writing runs in a process of its own: the peak memory of a
process never goes down again.
"""

from __future__ import annotations

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from scanner.model.finding import AccessRow, RowAccess, row_principal
from scanner.report.directory import RunDirectory
from scanner.report.escape import CsvDialect
from scanner.report.streams import AccessWriter

ROWS = 1_000_000
MADE = "rows made, not written"
ALONE = "csv.writer alone"
ACCESS = RowAccess(
    "same_organization", "decrypt", ("kms:Decrypt", "kms:ReEncryptFrom"), "conditional", "residual_condition",
    "kms:ViaService = s3.eu-west-1.amazonaws.com", "key_policy", "direct", "kx-pnfc3b5nav5y",
)  # fmt: skip


def key_arn(number: int) -> str:
    """The key of a row: forty rows have the same."""
    return f"arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-{number // 40:012x}"


def rows(count: int) -> Iterator[AccessRow]:
    """Access rows of many keys and principals, with names that need no escaping, as most do."""
    for number in range(count):
        account = f"{number % 9000:012d}"
        name = f"arn:aws:iam::{account}:role/service/reader-{number % 997}"
        yield AccessRow(key_arn(number), row_principal(name, account, f"workload-{number % 9000}", "role"), ACCESS)


def unwritten(folder: Path, count: int) -> None:
    """What it costs to have the rows at all."""
    del folder
    for _ in rows(count):
        pass


def plain(folder: Path, count: int) -> None:
    """The least that could be done: the same fields through `csv.writer`, without a guard, a label or a promise."""
    with (folder / "plain.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\r\n")
        for row in rows(count):
            writer.writerow([row.key_arn, *row.principal, *row.access])


def streamed(dialect: CsvDialect) -> Callable[[Path, int], None]:
    """What a run does."""

    def write(folder: Path, count: int) -> None:
        aliases = {key_arn(number): ("alias/payments/data",) for number in range(0, count, 40)}
        with AccessWriter(RunDirectory.create(folder, "run"), dialect, aliases) as access:
            for row in rows(count):
                access.write(row)

    return write


WAYS: dict[str, Callable[[Path, int], None]] = {
    MADE: unwritten,
    ALONE: plain,
    "access.csv, excel": streamed(CsvDialect.EXCEL),
    "access.csv, rfc4180": streamed(CsvDialect.RFC4180),
}


def measured(name: str, count: int) -> dict[str, float]:
    """Seconds, and how far the peak memory of this process rose over what it was before the first row."""
    with tempfile.TemporaryDirectory() as folder:
        WAYS[name](Path(folder), 1000)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        WAYS[name](Path(folder), count)
        seconds = time.process_time() - start
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "peak": after / 1024, "rise": (after - before) / 1024}


def main(argv: list[str]) -> None:
    """Print one row per way of writing."""
    if argv[:1] == ["--only"]:
        print(json.dumps(measured(argv[1], int(argv[2]))))
        return
    count = int(argv[0]) if argv else ROWS
    found = {}
    for name in WAYS:
        command = [sys.executable, __file__, "--only", name, str(count)]
        found[name] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    made = found.pop(MADE)["seconds"]
    alone = found[ALONE]["seconds"] - made
    print(
        f"{count:,} rows; CPU seconds of writing; memory of the process at its peak, and what of it came with the rows"
    )
    print(f"{'':<22}{'rows/s':>12}{'seconds':>10}{'peak MB':>10}{'rise MB':>10}{'time : alone':>14}")
    for name, one in found.items():
        seconds = one["seconds"] - made
        print(
            f"{name:<22}{count / seconds:>12,.0f}{seconds:>10.1f}{one['peak']:>10.1f}"
            f"{one['rise']:>10.1f}{seconds / alone:>14.1f}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
