"""Policy text cut into numbered lines with the deciding parts marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scanner.model.finding import Highlight

Documents = Callable[[str], str | None]
"""Gives the text of a document by its SHA-256, or None where it is not at hand."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of characters of one line; `marked` ones decide something."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line. `tint` is `hit` for marked lines, `statement` inside a deciding statement, else empty."""

    number: int
    segments: tuple[Segment, ...]
    labels: tuple[str, ...]
    tint: str


@dataclass(frozen=True, slots=True)
class SourceView:
    """An excerpt of a document, or its place where the text is not at hand (`lines` is empty then)."""

    document: str
    source_arn: str
    sha256: str
    line_from: int
    line_to: int
    lines: tuple[SourceLine, ...]


def source_lines(
    text: str,
    first: int,
    last: int,
    highlights: Iterable[Highlight],
    statements: Iterable[tuple[int, int]],
) -> tuple[SourceLine, ...]:
    """Lines `first` to `last` of a text (1 and the end where 0), with highlights and ranges of deciding statements.

    Line feeds alone end a line and columns count characters from 1, as when the document was parsed. Ranges outside the
    text are ignored: a wrong pointer must not hide the evidence.
    """
    lines = text.split("\n")
    start = max(first, 1)
    end = min(last or len(lines), len(lines))
    ranges = tuple(statements)
    by_line: dict[int, list[Highlight]] = {}
    for highlight in highlights:
        by_line.setdefault(highlight.line, []).append(highlight)
    result = []
    for number in range(start, end + 1):
        marks = sorted(by_line.get(number, ()), key=lambda mark: (mark.col_from, mark.col_to, mark.label))
        inside = any(line_from <= number <= line_to for line_from, line_to in ranges)
        tint = "hit" if marks else "statement" if inside else ""
        labels = tuple(dict.fromkeys(mark.label for mark in marks if mark.label))
        result.append(SourceLine(number, _segments(lines[number - 1].removesuffix("\r"), marks), labels, tint))
    return tuple(result)


def _segments(line: str, marks: Sequence[Highlight]) -> tuple[Segment, ...]:
    """Split a line at sorted marks; overlapping marks become one."""
    segments: list[Segment] = []
    done = 0
    for mark in marks:
        start, end = max(mark.col_from - 1, done), min(mark.col_to, len(line))
        if start >= end:
            continue
        if start > done:
            segments.append(Segment(line[done:start], marked=False))
        segments.append(Segment(line[start:end], marked=True))
        done = end
    if done < len(line) or not segments:
        segments.append(Segment(line[done:], marked=False))
    return tuple(segments)
