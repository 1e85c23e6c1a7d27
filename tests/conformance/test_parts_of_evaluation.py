"""Where a part of an evaluation is enough, it is what the whole has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scanner.analyze.decision.decide import evaluate, key_side_of, layers_of, refused_at_once
from scanner.analyze.decision.evaluation import ALL_SOURCES, Sources
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.casefile import build_world
from scanner.cases import build_request, read_case_file

CASES = Path(__file__).resolve().parents[1] / "cases"
SOURCES = [ALL_SOURCES, *(Sources((mechanism,)) for mechanism in ("key_policy", "grant", "ram")), Sources(())]


def cases() -> list[Any]:
    return [
        pytest.param(case, id=f"{path.stem}-{case['id']}")
        for path in sorted(CASES.glob("*/*.json"))
        for case in read_case_file(path).cases
    ]


@pytest.mark.parametrize("case", cases())
def test_layers_and_key_side_alone_are_those_of_the_whole_evaluation(case: dict[str, Any]) -> None:
    plain = build_world(case["world"])
    steps = [step for request in case["requests"] for step in request.get("path", [request])]
    for world in (plain, RememberingWorld.of(plain, sides=True)):
        for request in (build_request(world, step) for step in steps):
            if request.role is not None or refused_at_once(request) is not None:
                continue
            for sources in SOURCES:
                whole, layers = evaluate(world, request, sources=sources), layers_of(world, request, sources=sources)
                assert tuple(layers) == (whole.layers, whole.grants, whole.retiring)
                if request.key is not None:
                    assert key_side_of(world, request, request.key, sources) == whole.key_side
