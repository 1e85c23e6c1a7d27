"""The engine, the naive evaluator and what the whole analysis writes say the same about a made-up organization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from scanner.analyze.findings import AnalysisResult
from scanner.model.decision import Verdict
from scanner.model.finding import AccessRow
from scanner.model.world import World

import naive
import sampled
from org import write
from synthetic.shape import Shape

SHAPE = Shape(90, 30, seed=8)
KEYS, TRIPLES = 10, 600
Wanted = Callable[[sampled.Pair], bool]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return sampled.opened(write(SHAPE, tmp_path_factory.mktemp("sampled") / "snapshot.sqlite"))


@pytest.fixture(scope="module")
def judged_once(world: World) -> sampled.Analysis:
    """The real analysis, run once for all tests; what differs between them is made of its rows."""
    chosen = Random(1).sample(sorted(world.keys), KEYS)
    result, rows = sampled.whole(replace(world, keys={arn: world.keys[arn] for arn in chosen}), lambda _: True)

    def analysis(_: World, wanted: Wanted) -> tuple[AnalysisResult, list[AccessRow]]:
        return result, [row for row in rows if wanted((row.principal.arn, row.key_arn))]

    return analysis


def compared(world: World, analysis: sampled.Analysis, count: int = TRIPLES) -> sampled.Count:
    return sampled.compare(world, count, Random(1), KEYS, analysis)


def test_three_ways_agree_on_every_sampled_triple(world: World, judged_once: sampled.Analysis) -> None:
    found = compared(world, judged_once)
    assert found.differences == []
    assert TRIPLES <= found.triples < TRIPLES + 60
    assert found.pairs["allowed", "allowed"] > 100
    assert found.pairs["conditional", "conditional"] > 3
    assert found.pairs["denied", "denied"] > 200
    assert sum(found.pairs.values()) + sum(found.too_hard.values()) == found.triples


def test_rows_that_the_analysis_leaves_out_are_differences(world: World, judged_once: sampled.Analysis) -> None:
    def forgetful(given: World, wanted: Wanted) -> tuple[AnalysisResult, list[AccessRow]]:
        return judged_once(given, wanted)[0], []

    assert compared(world, forgetful).differences


def test_row_with_another_verdict_is_a_difference(world: World, judged_once: sampled.Analysis) -> None:
    def hopeful(given: World, wanted: Wanted) -> tuple[AnalysisResult, list[AccessRow]]:
        result, rows = judged_once(given, wanted)
        return result, [row._replace(access=row.access._replace(decision="conditional")) for row in rows]

    assert compared(world, hopeful, 300).differences


@pytest.mark.parametrize(
    ("mechanism", "decision", "agrees"),
    [("grant", "conditional", True), ("key_policy", "conditional", False), ("grant", "latent", True)],
)
def test_what_one_mechanism_allows_is_allowed_whatever_another_asks_for(
    world: World, judged_once: sampled.Analysis, mechanism: str, decision: str, *, agrees: bool
) -> None:
    def twice(given: World, wanted: Wanted) -> tuple[AnalysisResult, list[AccessRow]]:
        result, rows = judged_once(given, wanted)
        allowed = [r for r in rows if r.access.decision == "allowed" and r.access.mechanism == "key_policy"]
        return result, [
            *rows, *(r._replace(access=r.access._replace(mechanism=mechanism, decision=decision)) for r in allowed),
        ]  # fmt: skip

    assert (compared(world, twice).differences == []) is agrees


def test_row_of_a_finding_that_is_not_there_is_a_difference(world: World, judged_once: sampled.Analysis) -> None:
    def silent(given: World, wanted: Wanted) -> tuple[AnalysisResult, list[AccessRow]]:
        result, rows = judged_once(given, wanted)
        return replace(result, findings=()), rows

    assert any('"no finding"' in line for line in compared(world, silent).differences)


def test_engine_that_disagrees_with_the_reference_is_a_difference(
    world: World, judged_once: sampled.Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled, "judged", lambda *_: Verdict.LATENT.value)
    assert compared(world, judged_once, 60).differences


def test_what_was_not_read_is_not_put_to_the_reference(world: World) -> None:
    arn, key = next(iter(world.keys.items()))
    with pytest.raises(ValueError, match="not read completely"):
        naive.case_of(world, replace(key, gaps={"grants": "ref"}), next(iter(world.principals)))
    assert naive.case_of(world, key, next(iter(world.principals)))["keys"][0]["arn"] == arn


def test_command_prints_counts_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert sampled.main(["60", "--sizes", "40x6", "--keys", "3"]) == 0
    said = capsys.readouterr()
    assert said.out.endswith("0 differences\n")
    assert "40x6: 6" in said.err
