"""The number of findings from run to run: picture, table, sentence, and nothing without a baseline."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from scanner.baseline import MAX_TREND, earlier_run
from scanner.model.finding import FindingsDocument
from scanner.model.lifecycle import Baseline, History, Suppression, TrendPoint
from scanner.report.directory import RunDirectory
from scanner.report.html import render_html
from scanner.report.markdown import render_markdown
from scanner.report.trend import HEIGHT, WIDTH, present_point, trend_of, trend_sentences

import report_builders as build


def point(day: int, **counts: int) -> TrendPoint:
    return TrendPoint(f"2026-11-{day:02}T0010Z-1c2d", f"2026-11-{day:02}T00:10:00Z", counts, 4, 5)


def document(*points: TrendPoint, **changes: object) -> FindingsDocument:
    """The four findings of the builders (critical, high, low, info), after earlier runs."""
    return replace(build.document(**changes), history=History(trend=points))


def page(given: FindingsDocument) -> str:
    return render_html(given, build.key_rows(), {}, build.documents).decode()


def test_run_without_a_baseline_shows_no_trend() -> None:
    given = build.document()
    assert trend_of(given) is None
    assert trend_sentences(given) == ()
    assert "<svg role" not in page(given).split('<section id="coverage"')[0]
    assert "Over " not in render_markdown(given, {}).decode()


def test_sentence_says_what_rose_and_what_did_not() -> None:
    given = document(point(1, critical=3, medium=2), point(8, critical=9, high=1, medium=2))
    counts = present_point(given).counts
    said = trend_sentences(given)[0]
    assert said == (
        f"Over 3 runs since 2026-11-01: critical from 3 to {counts['critical']}, high from 0 to {counts['high']}, "
        "medium from 2 to 0."
    )
    assert trend_sentences(document(point(1, critical=counts["critical"])))[0].startswith(
        f"Over 2 runs since 2026-11-01: critical {counts['critical']} as then, high from 0 to"
    )
    assert said in page(given)
    baseline = Baseline("2026-11-08T0010Z-1c2d", "2026-11-08T00:10:00Z", 1, "c", "s", "findings", {})
    followed = replace(given, history=replace(given.history, baseline=baseline))
    assert said in render_markdown(followed, {}).decode().split("\n")


def test_trend_says_how_many_findings_rank_lower_only_because_they_are_judged_otherwise() -> None:
    given = document(point(1, critical=5))
    baseline = Baseline("r-1", "2026-11-01T00:10:00Z", 1, "c", "s", "judged_again", {"resolved": 3})
    held = Suppression("why", "who", "", "2027-03-31", "active")
    first, *others = given.findings
    accepted = replace(given, findings=(replace(first, suppression=held), *others))

    def notes(**otherwise: int) -> tuple[str, ...]:
        compared = replace(baseline, judged_otherwise=otherwise)
        return trend_sentences(replace(accepted, history=replace(given.history, baseline=compared)))[1:]

    plain = (
        "Earlier runs are counted as they were judged then. This run has 1 accepted finding, and 3 resolved since the "
        "run before."
    )
    assert notes() == (plain,)
    said = "Run `r-1`, judged again with the present engine and configuration,"
    assert notes(lower=4, lower_by_approval=2, higher=1, none=6) == (
        plain, f"{said} ranks 4 of its findings lower (2 for an approval), ranks 1 higher, does not give 6.",
    )  # fmt: skip
    assert notes(higher=1)[1].endswith("configuration, ranks 1 of its findings higher.")
    assert "<code>r-1</code>, judged again" in page(
        replace(given, history=replace(given.history, baseline=replace(baseline, judged_otherwise={"lower": 1})))
    )


def test_accepted_findings_are_in_no_point() -> None:
    given = build.document()
    first, *others = given.findings
    held = replace(first, suppression=Suppression("why", "who", "", "2027-03-31", "active"))
    before, after = (
        present_point(replace(given, findings=(one, *others))).counts.get(first.severity, 0) for one in (first, held)
    )
    assert (before, after) == (after + 1, before - 1)


@pytest.mark.parametrize("runs", [1, 2, 40])
def test_picture_stays_within_its_frame_and_its_labels_apart(runs: int) -> None:
    given = document(*(point(1 + n % 28, critical=n, high=3 * n, medium=1) for n in range(runs)))
    found = trend_of(given)
    assert found is not None
    for line in found.lines:
        places = [tuple(map(int, pair.split(","))) for pair in line.points.split()]
        assert len(places) == runs + 1
        assert all(0 <= x <= WIDTH - 100 and 0 <= y <= HEIGHT for x, y in places)
        assert sorted(x for x, _ in places) == [x for x, _ in places]
        assert places[-1][1] == line.end_y
    heights = sorted(line.label_y for line in found.lines)
    assert all(later - earlier >= 13 for earlier, later in pairwise(heights))
    assert heights[-1] <= HEIGHT


def test_higher_count_is_drawn_higher_and_none_is_on_the_ground() -> None:
    found = trend_of(document(point(1, critical=10), point(2, critical=5)))
    assert found is not None
    critical, high, medium = ([int(pair.split(",")[1]) for pair in line.points.split()] for line in found.lines)
    assert critical[0] < critical[1] < critical[2]
    assert high[0] == medium[0] == 115
    assert found.highest == 10
    assert len({line.dashes for line in found.lines}) == 3


def test_picture_is_well_formed_has_words_and_a_table_with_every_number() -> None:
    given = document(point(1, critical=7, info=31), point(8, high=12))
    html = page(given)
    (picture,) = re.findall(r'<svg role="img" aria-labelledby="trend-picture.*?</svg>', html, re.DOTALL)
    root = ET.fromstring(picture)
    assert [child.tag for child in root][:2] == ["title", "desc"]
    assert root.get("aria-labelledby") == f"{root[0].get('id')} {root[1].get('id')}"
    assert (root.get("width"), root.get("height")) == (str(WIDTH), str(HEIGHT))
    assert "style=" not in picture
    table = html.split("run by run</caption>")[1].split("</table>")[0]
    assert re.findall(r'scope="row">([^<]+)', table) == ["2026-11-01", "2026-11-08", given.run.as_of[:10]]
    assert re.findall(r'class="num">(\d+)<', table)[:5] == ["7", "0", "0", "0", "31"]
    assert table.count("4 of 5") == 2


def test_text_of_an_earlier_run_stays_text() -> None:
    evil = TrendPoint("<script>alert(1)</script>", '"><img src=x>', {"critical": 1}, 1, 1)
    html = page(document(evil))
    assert "<script>alert" not in html
    assert "<img" not in html


def test_run_remembers_its_baseline_and_what_that_remembered(tmp_path) -> None:
    folder = RunDirectory.create(tmp_path, "run")
    remembered = tuple(point(1 + n % 28, critical=n) for n in range(MAX_TREND))
    given = document(*remembered)
    earlier = earlier_run(folder, given, given.run.config_hash, lambda *_: ())
    assert earlier.trend == (*remembered[1:], present_point(given))
    assert earlier_run(folder, build.document(), given.run.config_hash, lambda *_: ()).trend == (present_point(given),)
