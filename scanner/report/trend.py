"""How the number of findings went from run to run: the lines of the picture, the rows of its table, and a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scanner.model.finding import FindingsDocument, Severity
from scanner.model.lifecycle import Lifecycle, TrendPoint
from scanner.report.history import accepted_findings, open_findings
from scanner.report.phrases import counted

WIDTH, HEIGHT = 560, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 420, 15, 115
_LABELS_APART = 15
_DRAWN = {Severity.CRITICAL: "", Severity.HIGH: "7 3", Severity.MEDIUM: "2 3"}
"""The severities that are drawn, each with its dashes: the form of a line says what it is, not its colour."""

_NAMED = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)


@dataclass(frozen=True, slots=True)
class TrendLine:
    """One severity; `points` are those of an SVG polyline, `label_y` is where its name stands."""

    label: str
    dashes: str
    points: str
    end_y: int
    label_y: int


@dataclass(frozen=True, slots=True)
class TrendRow:
    """One run; `counts` are in the order of severity, `read` is `409 of 412`."""

    day: str
    run_id: str
    counts: tuple[int, ...]
    read: str


@dataclass(frozen=True, slots=True)
class Trend:
    """What a report shows of earlier runs."""

    sentence: str
    notes: tuple[str, ...]
    lines: tuple[TrendLine, ...]
    rows: tuple[TrendRow, ...]
    highest: int


def trend_of(document: FindingsDocument) -> Trend | None:
    """The chain of baselines and this run; None without a baseline."""
    if not document.history.trend:
        return None
    points = (*document.history.trend, present_point(document))
    highest = max(1, *(point.counts.get(severity, 0) for point in points for severity in _DRAWN))
    return Trend(
        _sentence(points),
        tuple(_notes(document)),
        _lines(points, highest),
        tuple(_row(point) for point in points),
        highest,
    )


def present_point(document: FindingsDocument) -> TrendPoint:
    """What a run counted: the findings that nobody accepted, by severity, as summary.json has them."""
    counts = Counter(finding.severity.value for finding in open_findings(document))
    run, coverage = document.run, document.coverage
    return TrendPoint(run.run_id, run.as_of, dict(sorted(counts.items())), coverage.units_read, coverage.units_total)


def trend_sentences(document: FindingsDocument) -> tuple[str, ...]:
    """The trend in words, and what moved it beside the access; empty without a baseline."""
    found = trend_of(document)
    return (found.sentence, *found.notes) if found else ()


def _notes(document: FindingsDocument) -> Iterator[str]:
    """What a falling line does not say: that access was taken away."""
    baseline = document.history.baseline
    otherwise = baseline.judged_otherwise if baseline else {}
    resolved = baseline.counts.get(Lifecycle.RESOLVED, 0) if baseline else 0
    accepted = counted(len(accepted_findings(document)), "accepted finding")
    yield (
        f"Earlier runs are counted as they were judged then. This run has {accepted}, and {resolved:,} resolved since "
        "the run before."
    )
    if not baseline or not otherwise:
        return
    approved = otherwise.get("lower_by_approval", 0)
    of_its = " of its findings"
    parts = []
    for name, words in (("lower", "ranks {}{} lower"), ("higher", "ranks {}{} higher"), ("none", "does not give {}{}")):
        if otherwise.get(name):
            parts.append(words.format(f"{otherwise[name]:,}", of_its))
            of_its = ""
            if name == "lower" and approved:
                parts[-1] += f" ({approved:,} for an approval)"
    yield f"Run `{baseline.run_id}`, judged again with the present engine and configuration, {', '.join(parts)}."


def _sentence(points: Sequence[TrendPoint]) -> str:
    first, last = points[0], points[-1]
    parts = []
    for severity in _NAMED:
        before, now = first.counts.get(severity, 0), last.counts.get(severity, 0)
        parts.append(f"{severity} {now:,} as then" if before == now else f"{severity} from {before:,} to {now:,}")
    return f"Over {counted(len(points), 'run')} since {first.as_of[:10]}: {', '.join(parts)}."


def _row(point: TrendPoint) -> TrendRow:
    counts = tuple(point.counts.get(severity, 0) for severity in Severity)
    return TrendRow(point.as_of[:10], point.run_id, counts, f"{point.units_read:,} of {point.units_total:,}")


def _lines(points: Sequence[TrendPoint], highest: int) -> tuple[TrendLine, ...]:
    drawn = {
        severity: [
            (_across(place, len(points)), _height(point.counts.get(severity, 0), highest))
            for place, point in enumerate(points)
        ]
        for severity in _DRAWN
    }
    labels = _apart({severity: places[-1][1] for severity, places in drawn.items()})
    return tuple(
        TrendLine(
            f"{severity} {points[-1].counts.get(severity, 0):,}",
            _DRAWN[severity],
            " ".join(f"{x},{y}" for x, y in places),
            places[-1][1],
            labels[severity],
        )
        for severity, places in drawn.items()
    )


def _across(place: int, count: int) -> int:
    return _LEFT + (_RIGHT - _LEFT) * place // (count - 1)


def _height(number: int, highest: int) -> int:
    return _BOTTOM - (_BOTTOM - _TOP) * number // highest


def _apart(ends: dict[Severity, int]) -> dict[Severity, int]:
    """Where labels stand: beside the ends of their lines, and never on one another."""
    found: dict[Severity, int] = {}
    lowest = 0
    for severity, y in sorted(ends.items(), key=lambda end: end[1]):
        found[severity] = lowest = max(y, lowest + _LABELS_APART) if found else y
    return found
