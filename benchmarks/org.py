"""Writes a made-up organization of a given size straight into a snapshot, to measure the analysis on.

    .venv/bin/python benchmarks/org.py --principals 10000 --keys 1000 --seed 0 --out big/snapshot.sqlite

The same arguments give the same bytes. The snapshot is marked as synthetic and holds no answers of AWS: the rows are
those that a collection writes which read everything. `--worst unique` gives every principal a policy and tags of its
own, `--worst star` makes every key policy say `*` with some condition.
"""

from __future__ import annotations

import argparse
import resource
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from scanner import __version__
from scanner.snapshot.rows import UnitRecord
from scanner.snapshot.seal import BLANK, SEAL, seal
from scanner.snapshot.store import SnapshotStore

from synthetic.identity import entered, iam, shared_documents
from synthetic.keys import kms
from synthetic.shape import AS_OF, Shape
from synthetic.tree import accounts, organization

AT_ONCE = 40_000
"""Rows that one transaction writes, so that memory stays the same whatever the size."""


def records(shape: Shape) -> Iterator[UnitRecord]:
    """Every unit of the organization, in order."""
    first = organization(shape)
    first.documents.update(shared_documents())
    yield first
    yield accounts(shape)
    for account in shape.accounts:
        yield entered(account)
        yield iam(shape, account)
        yield from kms(shape, account)


def write(shape: Shape, path: Path) -> Path:
    """Write the finished snapshot; the folder is made where it is missing."""
    with SnapshotStore.create(path, synthetic=True) as store:
        batch: list[UnitRecord] = []
        rows = 0
        for record in records(shape):
            batch.append(record)
            rows += len(record.rows) + len(record.coverage) + len(record.documents)
            if rows >= AT_ONCE:
                store.write(*batch)
                batch, rows = [], 0
        store.write(*batch)
        store.finish(complete=True, meta=_header(shape))
    # What was deleted (the number of the writing process) stays in the pages of the file until they are written anew.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = ?", (BLANK, SEAL))
        connection.commit()
        connection.execute("VACUUM")
    seal(path)
    return path


def _header(shape: Shape) -> dict[str, str]:
    management = shape.accounts[0].id
    worst = f"-{shape.worst}" if shape.worst else ""
    return {
        "run_id": f"synthetic-{shape.principals}x{shape.keys}-{shape.seed}{worst}",
        "as_of": AS_OF, "started": AS_OF, "finished": AS_OF, "kms_scan_version": __version__, "partition": "aws",
        "caller_account": management, "caller_arn": f"arn:aws:iam::{management}:role/scanner",
        "organization_state": "read", "scope": "a made-up organization",
    }  # fmt: skip


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--principals", type=int, default=1000)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--worst", choices=("", "unique", "star"), default="")
    parser.add_argument("--out", type=Path, required=True, help="a file that does not exist yet")
    return parser.parse_args(argv)


def main() -> None:
    """Write one snapshot, and say what it took."""
    asked = arguments()
    started = time.monotonic()
    shape = Shape(asked.principals, asked.keys, asked.seed, asked.worst)
    path = write(shape, asked.out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{path}: {len(shape.accounts):,} accounts, {shape.principals:,} principals, {shape.keys:,} keys; "
        f"{path.stat().st_size / 1e6:,.1f} MB, {time.monotonic() - started:.1f} s, peak {peak:,.0f} MB"
    )


if __name__ == "__main__":
    main()
