"""The benchmark of the analysis: what it counts, how it tells growth, and how the table gets into the paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from scanner import pipeline

import one_by_one
import sampled
import scale
from org import write

TWICE = scale.Measured(0.1, 2.0, 3.0, 0.5, 100.0, 7, 40, 80)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(scale.shape_of("40x6", 0), tmp_path_factory.mktemp("scale") / "snapshot.sqlite")


def test_one_size_is_analyzed_and_reported_as_by_the_commands(snapshot: Path) -> None:
    analyze = pipeline.analyze
    found = scale.measure(snapshot, remedies=False)
    written = snapshot.parent / "runs" / "measured"
    rows = (written / "access.csv").read_bytes().count(b"\r\n") - 1
    assert (written / "report.html").exists()
    assert 0 < found.answers == rows
    assert found.findings > 0
    assert found.decisions > 0
    assert found.analyze > 0 < found.load
    assert pipeline.analyze is analyze


def test_growth_is_the_power_of_the_law_through_the_points() -> None:
    assert scale.exponent([1, 10, 100], [3, 300, 30_000]) == pytest.approx(2)
    assert scale.exponent([5, 5], [1, 2]) is None
    small, large = TWICE, scale.Measured(0.1, 8.0, 3.0, 0.5, 100.0, 7, 80, 80)
    said = scale.growth(["10x10", "20x10", "20x10:star"], [small, large, large])
    assert said == "Analysis time grows as answers^2.00, as (principals × keys)^2.00."
    assert scale.growth(["10x10", "20x10"], [small, None]) == "Growth needs two sizes."


def test_row_tells_rates_and_a_size_that_took_too_long() -> None:
    assert scale.row("1x1", TWICE)[-3:] == ("40", "2.00", "50.00")
    assert scale.row("1x1", None)[2] == "> 600 s wall"
    assert len(scale.row("1x1", None)) == len(scale.row("1x1", TWICE)) == len(scale.HEAD)


def test_table_of_the_paper_is_replaced_and_the_rest_kept(tmp_path: Path) -> None:
    paper = tmp_path / "paper.md"
    paper.write_text("before\n<!-- scale -->\nold\n<!-- /scale -->\nafter\n", "utf-8")
    for _ in range(2):
        scale.replaced(paper, ["new"])
        assert paper.read_text("utf-8") == "before\n<!-- scale -->\n\nnew\n\n<!-- /scale -->\nafter\n"
    paper.write_text("no marks", "utf-8")
    with pytest.raises(SystemExit, match="has no"):
        scale.replaced(paper, ["new"])


def test_worst_case_is_part_of_the_size() -> None:
    shape = scale.shape_of("100x20:star", 3)
    assert (shape.principals, shape.keys, shape.worst, shape.seed) == (100, 20, "star", 3)


def test_evaluators_that_decide_one_request_at_a_time_are_put_beside(
    snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_by_one, "peers", dict)
    monkeypatch.setattr(one_by_one, "TRIPLES", 20)
    head, _, *lines = one_by_one.compared(snapshot, [scale.shape_of("1000x100", 0), scale.shape_of("9x9:star", 0)])
    assert head == "| one request at a time | requests/s | 1000x100 × 47 actions |"
    assert [line.split(" | ")[0] for line in lines] == [
        "| kms-scan, decide", "| naive reference", "| PMapper", "| iam-simulate",
    ]  # fmt: skip
    assert "not installed" in lines[-1]


def test_request_for_the_peers_is_one_that_crosses_accounts_and_is_allowed(tmp_path: Path) -> None:
    path = write(scale.shape_of("400x80", 0), tmp_path / "snapshot.sqlite")
    asked = one_by_one._allowed(sampled.opened(path))
    assert asked is not None
    assert asked["principal"].split(":")[4] != asked["owner"] == asked["key"].split(":")[4]
    assert asked["identity"]["Statement"]
    assert asked["resource"]["Statement"]
