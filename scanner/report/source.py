"""Policy text cut into numbered lines with the deciding parts marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from scanner.model.finding import Highlight

Documents = Callable[[str], str | None]
"""Gives the text of a document by its SHA-256, or None where it is not at hand."""

MAX_LINE = 360
"""Characters of a line that a trimmed excerpt shows whole."""

MAX_LINES = 28
"""Lines of a trimmed excerpt that are shown whole."""

_AROUND = 60
"""Characters of a long line that are kept at least on each side of a highlight."""

_BESIDE = 2
"""Lines that are kept on each side of a highlighted one."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of characters of one line; `marked` ones decide something."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line. `tint` is `hit` for marked lines, `statement` inside a deciding statement, else empty.

    `gap` stands for lines that a trimmed excerpt leaves out, from `number` on.
    """

    number: int
    segments: tuple[Segment, ...]
    labels: tuple[str, ...]
    tint: str

    @property
    def shows_hit(self) -> bool:
        """Whether a mark or a label is there to see: such a line needs no word for its tint."""
        return bool(self.labels) or any(segment.marked for segment in self.segments)


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
    *,
    trimmed: bool = False,
) -> tuple[SourceLine, ...]:
    """Lines `first` to `last` of a text (1 and the end where 0), with highlights and ranges of deciding statements.

    Line feeds alone end a line and columns count characters from 1, as when the document was parsed. Ranges outside the
    text are ignored: a wrong pointer must not hide the evidence. `trimmed` leaves out what is far from every highlight,
    and says how much.
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
        segments = _segments(lines[number - 1].removesuffix("\r"), marks)
        result.append(SourceLine(number, _near_marks(segments) if trimmed else segments, labels, tint))
    return _near_hits(result) if trimmed else tuple(result)


def without_indent(lines: tuple[SourceLine, ...]) -> tuple[SourceLine, ...]:
    """The lines without the blanks that all of them begin with: an excerpt starts deep inside its document."""
    starts = [line.segments[0].text for line in lines if line.tint != "gap" and _has_text(line)]
    indent = min((len(text) - len(text.lstrip(" ")) for text in starts), default=0)
    return tuple(
        line if line.tint == "gap" else replace(line, segments=(_cut(line.segments[0], indent), *line.segments[1:]))
        for line in lines
    )


def _has_text(line: SourceLine) -> bool:
    return any(part.text.strip() for part in line.segments)


def _cut(segment: Segment, indent: int) -> Segment:
    return replace(segment, text=segment.text[indent:])


def _near_marks(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """A line of at most some hundred characters: policies are often stored as one line."""
    if sum(len(part.text) for part in segments) <= MAX_LINE:
        return segments
    last, around = len(segments) - 1, max(_AROUND, MAX_LINE // len(segments))
    return tuple(
        Segment(
            _shortened(part.text, around if part.marked or place else 0, 0 if place == last else around), part.marked
        )
        for place, part in enumerate(segments)
    )


def _shortened(text: str, head: int, tail: int) -> str:
    """The first `head` and the last `tail` characters of a text; all of it where little would be left out."""
    head = head if head or tail else MAX_LINE
    left_out = len(text) - head - tail
    if left_out < _AROUND:
        return text
    return f"{text[:head]}… {left_out:,} characters …{text[len(text) - tail :]}"


def _near_hits(lines: list[SourceLine]) -> tuple[SourceLine, ...]:
    """The ends of an excerpt and the lines around its highlights; a line of tint `gap` for what is between them."""
    if len(lines) <= MAX_LINES:
        return tuple(lines)
    hits = [place for place, line in enumerate(lines) if line.tint == "hit"]
    ends = (*range(3), *range(len(lines) - 2, len(lines)))
    near = {other for place in hits for other in range(place - _BESIDE, place + _BESIDE + 1)}
    kept = [place for place in range(len(lines)) if place in ends or place in near]
    result: list[SourceLine] = []
    for before, place in zip([-1, *kept], kept, strict=False):
        if place - before > 1:
            gap = Segment(f"… {place - before - 1:,} lines …", marked=False)
            result.append(SourceLine(lines[before + 1].number, (gap,), (), "gap"))
        result.append(lines[place])
    return tuple(result)


def _segments(line: str, marks: Sequence[Highlight]) -> tuple[Segment, ...]:
    """Split a line at sorted marks; overlapping marks become one.

    A mark of the first character alone stands for its line, which has its tint and its label for it.
    """
    segments: list[Segment] = []
    done = 0
    for mark in marks:
        if mark.col_to == 1:
            continue
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
