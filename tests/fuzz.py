"""Random worlds judged by the engine and by the reference evaluator: `make fuzz N=200000`.

Prints how often each pair of verdicts came up, and every world on which the two disagree as one line of JSON
(world and request, in the format of the case files). Exits with 1 where there is one. Where the reference cannot try
every context, or the engine says `too_complex`, a pair is counted and not compared.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.trust import decide_assume
from scanner.casefile import build_world
from scanner.cases import build_request

import reference
from reference_worlds import worlds

Json = dict[str, Any]
BATCH = 2_000
MOST_CONTEXTS = 20_000


def compare(world: Json, request: Json) -> tuple[str, str]:
    """The verdicts of the reference and of the engine; the names of what kept them from one."""
    try:
        expected = str(reference.verdict(world, request, limit=MOST_CONTEXTS))
    except reference.TooManyContexts:
        return "too many contexts", "not asked"
    built = build_world(world)
    asked = build_request(built, request)
    decision = decide_assume(built, asked, trace=False) if asked.role is not None else decide(built, asked, trace=False)
    return expected, "too complex" if decision.reason == "too_complex" else decision.verdict.value


def batch(number: int, count: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """Compare `count` random worlds; the same number gives the same worlds."""
    seen: Counter[tuple[str, str]] = Counter()
    bad: list[str] = []

    @seed(number)
    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(worlds())
    def run(drawn: tuple[Json, Json]) -> None:
        pair = compare(*drawn)
        seen[pair] += 1
        compared = "not asked" not in pair and "too complex" not in pair
        if compared and pair[0] != pair[1]:
            bad.append(json.dumps({"reference": pair[0], "engine": pair[1], "world": drawn[0], "request": drawn[1]}))

    run()
    return seen, bad


def main() -> int:
    """Run the batches on some processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("count", type=int, help="how many worlds")
    parser.add_argument("--seed", type=int, default=0, help="number of the first batch (default 0)")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    sizes = [min(BATCH, asked.count - done) for done in range(0, asked.count, BATCH)]
    total: Counter[tuple[str, str]] = Counter()
    disagreements = 0
    with ProcessPoolExecutor(asked.processes) as pool:
        for seen, bad in pool.map(batch, range(asked.seed, asked.seed + len(sizes)), sizes):
            total += seen
            disagreements += len(bad)
            for line in bad:
                print(line, flush=True)
            print(f"{sum(total.values()):,} worlds, {disagreements} disagreements", file=sys.stderr, flush=True)
    for (expected, got), count in sorted(total.items()):
        print(f"reference {expected:<18} engine {got:<12} {count:>9,}")
    print(f"{sum(total.values()):,} worlds, {disagreements} disagreements")
    return 1 if disagreements else 0


if __name__ == "__main__":
    sys.exit(main())
