"""Compares three answers about sampled (principal, key, action) triples of made-up organizations, counts differences.

    .venv/bin/python benchmarks/sampled.py 300000 --sizes 1000x1000 10000x1000 --seed 0

The engine decides one request as `explain` does. The reference evaluator of the tests decides it from the rules,
naively. The whole analysis has written rows of access.csv and findings about the key. A third of the triples are drawn
anywhere, a third among those whom a key's documents name, a third among those that the analysis lists. Every difference
is printed as one line of JSON, with the world in the format of the case files. Exits with 1 where there is one.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from time import process_time
from zlib import crc32

from scanner.analyze.decision.decide import decide
from scanner.analyze.findings import AnalysisResult, AnalysisRules, analyze
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS, Action, find_action
from scanner.model.arn import KeyArn, is_account_id
from scanner.model.finding import AccessRow
from scanner.model.key import KeyFacts
from scanner.model.world import World
from scanner.snapshot.read import reading
from scanner.snapshot.view import Assumptions, load_meta, load_world

from naive import case_of, judged
from org import write
from synthetic.shape import VENDORS, Shape

_ACCOUNT = re.compile(r"\b[0-9]{12}\b")
_PER_PAIR = 5
"""Actions asked of one principal and key, so that a pair is translated once."""
_KEPT = 2
"""One pair in so many is kept of what the analysis lists, beside those that were drawn."""
_STRANGERS = tuple(f"arn:aws:iam::{vendor}:" for vendor in VENDORS)

Pair = tuple[str, str]
"""A principal and a key, by ARN."""
Place = tuple[str, str, str]
"""A principal, a key and an action."""

Analysis = Callable[[World, Callable[[Pair], bool]], tuple[AnalysisResult, list[AccessRow]]]
"""Judges a whole world, and gives back its rows about the pairs that are wanted."""


@dataclass(slots=True)
class Count:
    """What the comparison found."""

    triples: int = 0
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    too_hard: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    differences: list[str] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)

    def add(self, other: Count) -> None:
        """Take the counts of another sample in."""
        self.triples += other.triples
        self.rows += other.rows
        self.differences += other.differences
        self.pairs += other.pairs
        self.too_hard += other.too_hard
        self.seconds += other.seconds


# -- what is asked ----------------------------------------------------------------------------------------------------


def drawn(world: World, count: int, rng: Random) -> list[Pair]:
    """Pairs of a key with somebody whom its documents name, or whose account they name, and with anybody else."""
    keys = sorted(world.keys)
    everybody = [*sorted(world.principals), *(f"arn:aws:iam::{vendor}:role/collector" for vendor in VENDORS)]
    by_account: dict[str, list[str]] = defaultdict(list)
    for arn in everybody:
        by_account[arn.split(":")[4]].append(arn)
    found: list[Pair] = []
    for n in range(count):
        arn = keys[n % len(keys)]
        named = _named(world.keys[arn], by_account) if n // len(keys) % 2 else []
        found.append((rng.choice(named or everybody), arn))
    return found


def _named(key: KeyFacts, by_account: dict[str, list[str]]) -> list[str]:
    texts = [key.key_policy.text if key.key_policy else "", *(g.grantee_principal for g in key.grants or ())]
    accounts = {account for text in texts for account in _ACCOUNT.findall(text)}
    return [arn for account in sorted(accounts) for arn in by_account.get(account, ())]


def whole(world: World, wanted: Callable[[Pair], bool]) -> tuple[AnalysisResult, list[AccessRow]]:
    """The analysis as `kms-scan analyze` runs it, insiders listed, without trying remedies."""
    rows: list[AccessRow] = []

    def keep(row: AccessRow) -> None:
        if row.access.path == "direct" and wanted((row.principal.arn, row.key_arn)):
            rows.append(row)

    rules = AnalysisRules(insiders=True, remedies=False)
    return analyze(world, rules, write_key=deque[object](maxlen=0).append, write_access=keep), rows


# -- the comparison ---------------------------------------------------------------------------------------------------


def compare(world: World, count: int, rng: Random, keys: int, analysis: Analysis = whole) -> Count:
    """Decide distinct triples of some of the keys in the three ways.

    A third of them are triples that the analysis lists. It is fewer than asked for where the keys have no more.
    """
    chosen = rng.sample(sorted(world.keys), min(keys, len(world.keys)))
    world = replace(world, keys={arn: world.keys[arn] for arn in chosen})
    pairs = list(dict.fromkeys(drawn(world, count, rng)))
    known = set(pairs)
    found = Count()
    started = process_time()
    result, rows = analysis(world, lambda pair: pair in known or crc32("".join(pair).encode()) % _KEPT == 0)
    found.seconds["analysis"] += process_time() - started
    found.rows = len(rows)
    told = _told(result, rows)
    listed: dict[Pair, list[str]] = defaultdict(list)
    for arn, key_arn, name in sorted(told)[:: max(1, 3 * len(told) // count)]:
        listed[arn, key_arn].append(name)
    for pair in dict.fromkeys((*listed, *pairs)):
        if found.triples >= count:
            break
        others = [action.iam_name for action in rng.sample(KEY_ACTIONS, _PER_PAIR) if pair in known]
        names = dict.fromkeys((*listed.get(pair, ()), *others))
        _judge(world, pair, [action for action in map(find_action, names) if action], told, found)
    return found


def _judge(world: World, pair: Pair, actions: list[Action], told: Mapping[Place, frozenset[str]], found: Count) -> None:
    """Decide some actions of one principal on one key."""
    arn, key_arn = pair
    if arn not in world.principals and not arn.startswith(_STRANGERS):
        return  # stand-ins, such as whichever federated session of a user: nobody types them
    key = world.keys[KeyArn(key_arn)]
    case = case_of(world, key, arn)
    caller = resolve_caller(world, arn)
    for action in actions:
        started = process_time()
        request = Request(caller, action.iam_name, key.arn, action=action, key=key)
        decision = decide(world, request, trace=False)
        middle = process_time()
        naive = judged(case, arn, action.iam_name, key.arn, world.as_of)
        found.seconds["engine"] += middle - started
        found.seconds["reference"] += process_time() - middle
        found.triples += 1
        engine = "too complex" if decision.reason == "too_complex" else decision.verdict.value
        comparable = naive is not None and engine != "too complex"
        if comparable:
            found.pairs[str(naive), engine] += 1
        else:
            found.too_hard["reference" if naive is None else "engine"] += 1
        written = told.get((arn, key.arn, action.iam_name), frozenset())
        if (comparable and naive != engine) or not _same(written, decision.verdict.value, arn, world):
            request_of = {"principal": arn, "action": action.iam_name, "resource": key.arn, "expect": naive}
            said = {"reference": naive, "engine": engine, "analysis": sorted(written)}
            found.differences.append(json.dumps({**said, "world": case, "request": request_of}))


def _same(written: frozenset[str], verdict: str, arn: str, world: World) -> bool:
    """Whether access.csv says what the engine says; of a stranger's account it lists those who are named (R3.30)."""
    account = arn.split(":")[4]
    if is_account_id(account) and account not in world.accounts:
        return not written or written == {"unknown"}
    return written == (frozenset() if verdict == "denied" else frozenset({verdict}))


def _told(result: AnalysisResult, rows: list[AccessRow]) -> dict[Place, frozenset[str]]:
    """The decisions that the rows list; `no finding` where a row's finding is not there or lacks the action.

    What one mechanism allows by itself is allowed, whatever another one would ask for.
    """
    findings = {f.id: {a for c in f.capabilities for a in c.actions} for f in result.findings}
    found: dict[Place, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key, principal, access in rows:
        for action in access.actions:
            known = not access.finding_id or action in findings.get(access.finding_id, ())
            told = found[principal.arn, key, action][access.mechanism]
            told.add(access.decision if known else "no finding")
    return {place: _altogether(list(by_mechanism.values())) for place, by_mechanism in found.items()}


def _altogether(told: list[set[str]]) -> frozenset[str]:
    agreed = frozenset().union(*told)
    enough = {"allowed"} in told and all(len(one) == 1 for one in told) and "no finding" not in agreed
    return frozenset({"allowed"}) if enough else agreed


def worlds(sizes: list[str], snapshots: list[Path], seed: int) -> Iterator[tuple[str, World]]:
    """The worlds to sample: made for the occasion by size (`1000x1000`, `1000x100:star`), or of snapshot files."""
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            numbers, _, worst = size.partition(":")
            principals, _, keys = numbers.partition("x")
            path = write(Shape(int(principals), int(keys), seed, worst), Path(folder) / size / "snapshot.sqlite")
            yield size, opened(path)
        for path in snapshots:
            yield str(path), opened(path)


def opened(path: Path) -> World:
    """The world of a snapshot at the time of its collection."""
    with reading(path) as connection:
        return load_world(connection, Assumptions(load_meta(connection)["as_of"]))


def main(argv: list[str] | None = None) -> int:
    """Sample, compare, and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("count", type=int, help="how many triples, over all sizes")
    parser.add_argument("--sizes", nargs="*", default=["1000x1000", "1000x200:unique", "1000x200:star"])
    parser.add_argument("--snapshots", nargs="*", type=Path, default=[])
    parser.add_argument("--keys", type=int, default=30, help="how many keys of each size are sampled and analyzed")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(argv)
    total, share = Count(), -(-asked.count // (len(asked.sizes) + len(asked.snapshots)))
    for name, world in worlds(asked.sizes, asked.snapshots, asked.seed):
        found = compare(world, share, Random(f"{asked.seed}/{name}"), asked.keys)
        total.add(found)
        for line in found.differences:
            print(line, flush=True)
        spent = ", ".join(f"{part} {seconds:.1f} s" for part, seconds in found.seconds.items())
        print(f"{name}: {found.triples:,} triples, {len(found.differences)} differences; CPU: {spent}", file=sys.stderr)
    for (expected, got), number in sorted(total.pairs.items()):
        print(f"reference {expected:<12} engine {got:<12} {number:>9,}")
    for side, number in sorted(total.too_hard.items()):
        print(f"too many contexts for the {side:<21} {number:>9,}")
    print(
        f"{total.triples:,} triples, {total.rows:,} rows of access.csv about them, {len(total.differences)} differences"
    )
    return 1 if total.differences else 0


if __name__ == "__main__":
    sys.exit(main())
