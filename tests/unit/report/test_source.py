"""Policy text as numbered lines."""

from __future__ import annotations

from scanner.model.finding import Highlight
from scanner.report.source import Segment, source_lines

TEXT = "one\ntwo three\r\nfour\nfive"


def test_highlight_marks_its_columns_and_labels_the_line() -> None:
    (line,) = source_lines(TEXT, 2, 2, [Highlight(2, 5, 9, "here")], [])
    assert line.segments == (Segment("two ", marked=False), Segment("three", marked=True))
    assert (line.number, line.labels, line.tint) == (2, ("here",), "hit")


def test_lines_of_a_deciding_statement_are_tinted() -> None:
    assert [line.tint for line in source_lines(TEXT, 0, 0, [], [(2, 3)])] == ["", "statement", "statement", ""]


def test_overlapping_highlights_lose_no_character() -> None:
    marks = [Highlight(2, 1, 6, "a"), Highlight(2, 4, 9, "b")]
    (line,) = source_lines(TEXT, 2, 2, marks, [])
    assert "".join(segment.text for segment in line.segments) == "two three"
    assert all(segment.marked for segment in line.segments)
    assert line.labels == ("a", "b")


def test_highlight_beyond_the_text_keeps_the_evidence() -> None:
    lines = source_lines(TEXT, 3, 99, [Highlight(3, 50, 60, "gone")], [])
    assert [line.number for line in lines] == [3, 4]
    assert lines[0].segments == (Segment("four", marked=False),)


def test_empty_line_is_kept() -> None:
    assert source_lines("a\n\nb", 0, 0, [], [])[1].segments == (Segment("", marked=False),)
