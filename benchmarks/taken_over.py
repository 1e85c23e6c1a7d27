"""Measures what a baseline spares an analysis, by what has changed since, in one run on this machine.

    .venv/bin/python benchmarks/taken_over.py 300x100

Everything is tried once; then the world with one change is judged with the trials of before and without, and both have
to say the same. CPU seconds depend on what else the machine does; the shares of one run can be compared.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import process_time

from scanner.analyze.findings import AnalysisResult, analyze
from scanner.analyze.parts import AnalysisRules, unwanted
from scanner.executors import rarely_collecting
from scanner.model.outcomes import TakenOver, Trials
from scanner.model.principal import PrincipalKind
from scanner.model.world import World
from scanner.snapshot.read import reading
from scanner.snapshot.view import Assumptions, load_meta, load_world

from org import write
from scale import as_table, machine, shape_of

HEAD = ("principals × keys", "what changed", "full, CPU s", "with the baseline", "keys tried anew", "others tried anew")


def judged(world: World, known: Trials) -> tuple[float, AnalysisResult]:
    """One analysis and its CPU seconds."""
    before = process_time()
    with rarely_collecting():
        result = analyze(world, AnalysisRules(), write_key=unwanted, write_access=unwanted, known=known)
    return process_time() - before, result


def changed(world: World) -> Iterator[tuple[str, World]]:
    """What may have happened since, and the world that it led to."""
    yield "nothing", world
    key = next(k for k in world.keys.values() if k.grants)
    yield "a grant", replace(world, keys={**world.keys, key.arn: replace(key, grants=())})
    role = next(p for p in world.principals.values() if p.identity_policies and p.kind is PrincipalKind.ROLE)
    yield "a role", replace(world, principals={**world.principals, role.arn: replace(role, identity_policies=())})


def rows(size: str) -> Iterator[tuple[str, ...]]:
    """A row for each change; ends the program where a result is not that of a full analysis."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(shape_of(size, 7), Path(folder) / "snapshot.sqlite")
        with reading(path) as connection:
            world = load_world(connection, Assumptions(load_meta(connection)["as_of"]))
    _, baseline = judged(world, Trials())
    for what, now in changed(world):
        full, expected = judged(now, Trials())
        spared, result = judged(now, baseline.trials)
        if replace(result, taken_over=TakenOver()) != replace(expected, taken_over=TakenOver()):
            raise SystemExit(f"{size}: the analysis with a baseline says something else where {what} changed")
        taken = result.taken_over
        anew = (f"{taken.keys_anew} of {taken.keys}", f"{taken.trials_anew} of {taken.trials}")
        yield size, what, f"{full:.1f}", f"{spared:.1f}", *anew


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sizes", nargs="*", default=["300x100"], help="as 300x100, which is the default")
    sizes = parser.parse_args().sizes
    print(machine())
    print("\n".join(as_table(HEAD, [row for size in sizes for row in rows(size)])))


if __name__ == "__main__":
    main()
