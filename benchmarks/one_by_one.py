"""Measures evaluators that decide one request at a time, on questions about a made-up organization."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

from scanner.analyze.decision.decide import decide
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS, find_action
from scanner.model.arn import KeyArn
from scanner.model.decision import Verdict
from scanner.model.world import World

from decide import peer, peers
from naive import case_of, judged
from sampled import drawn, opened
from synthetic.shape import Shape

TRIPLES = 2000
NAMES = ("PMapper", "iam-simulate")


def compared(snapshot: Path, shapes: Sequence[Shape]) -> list[str]:
    """A table in Markdown: requests per CPU second, and what the whole cross product would take at that rate."""
    world = opened(snapshot)
    rates: dict[str, float | None] = {**ours(world, TRIPLES), **others(world)}
    shown = [shape for shape in shapes if not shape.worst]
    head = [
        "one request at a time",
        "requests/s",
        *(f"{s.principals}x{s.keys} × {len(KEY_ACTIONS)} actions" for s in shown),
    ]
    lines = [f"| {' | '.join(head)} |", f"|---|{'|'.join('---:' for _ in head[1:])}|"]
    for name, rate in rates.items():
        hours = (f"{s.principals * s.keys * len(KEY_ACTIONS) / rate / 3600:,.2f} h" if rate else "" for s in shown)
        lines.append(f"| {' | '.join([name, f'{rate:,.0f}' if rate else 'not installed', *hours])} |")
    return lines


def ours(world: World, triples: int) -> dict[str, float | None]:
    """The rates of our engine and of the naive evaluator of the tests on the same sampled triples."""
    rng = Random(0)
    spent = {"kms-scan, decide": 0.0, "naive reference": 0.0}
    for arn, key_arn in drawn(world, triples, rng):
        key, action = world.keys[KeyArn(key_arn)], rng.choice(KEY_ACTIONS)
        case = case_of(world, key, arn)
        started = process_time()
        asked = Request(resolve_caller(world, arn), action.iam_name, key.arn, action=action, key=key)
        decide(world, asked, trace=False)
        middle = process_time()
        judged(case, arn, action.iam_name, key.arn, world.as_of)
        spent["kms-scan, decide"] += middle - started
        spent["naive reference"] += process_time() - middle
    return {name: triples / seconds for name, seconds in spent.items()}


def others(world: World) -> dict[str, float | None]:
    """The rates of the peers that are installed, each in a process of its own, on a request that is allowed."""
    installed = peers()
    asked = _allowed(world) if installed else None
    return {name: peer(installed[name], asked) if asked and name in installed else None for name in NAMES}


def _allowed(world: World) -> dict[str, Any] | None:
    """A request across accounts that our engine allows without a condition, as the peers read it."""
    decrypt = find_action("kms:Decrypt")
    assert decrypt is not None
    for arn, key_arn in drawn(world, 5000, Random(1)):
        key, facts = world.keys[KeyArn(key_arn)], world.principals.get(arn)
        if facts is None or facts.account_id == key.account_id or facts.boundary is not None:
            continue
        asked = Request(resolve_caller(world, arn), "kms:Decrypt", key.arn, action=decrypt, key=key)
        if decide(world, asked, trace=False).verdict is Verdict.ALLOWED:
            case = case_of(world, key, arn)
            statements = [s for document in case["principals"][0]["identity_policies"] for s in document["Statement"]]
            return {
                "identity": {"Version": "2012-10-17", "Statement": statements},
                "resource": case["keys"][0]["key_policy"], "principal": arn, "key": key.arn, "owner": key.account_id,
                "context": {},
            }  # fmt: skip
    return None
