"""Evidence as text for a terminal: cited lines with the deciding range underlined, inert and cut readably."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator

from scanner.model.explanation import CitedLine
from scanner.model.finding import Highlight
from scanner.model.neutral import terminal_safe

Paint = Callable[[str, str], str]
"""Colours a text that is already inert: (text, role), with the roles `verdict`, `mark` and `quiet`."""

MAX_LINE = 110
"""Columns of a policy line that are printed; a longer one is cut to what surrounds the mark."""

_BEFORE = 30
_MAX_LABEL = 160


def unpainted(text: str, role: str) -> str:
    """No colours."""
    del role
    return text


def safe(text: str, limit: int = 200) -> str:
    """A text on one line, inert, cut so that a reader sees it."""
    shown = terminal_safe(text[: 4 * limit])
    return shown if len(shown) <= limit and len(text) <= 4 * limit else f"{shown[:limit]}…"


def cited_lines(lines: tuple[CitedLine, ...], paint: Paint) -> Iterator[str]:
    """The lines as a compiler prints them: number, text, and a row of carets with its label for every mark."""
    gutter = max((len(str(line.number)) for line in lines), default=1)
    yield paint(f"{' ' * gutter} |", "quiet")
    for line in lines:
        number = paint(f"{line.number:>{gutter}} |", "quiet")
        whole = terminal_safe(line.text[: 4 * MAX_LINE])
        fits = len(line.text) <= MAX_LINE and len(whole) <= MAX_LINE
        if fits:
            yield f"{number} {whole}"
        for mark in line.marks:
            start = 0 if fits else max(0, mark.col_from - 1 - _BEFORE)
            if not fits:
                yield f"{number} {_window(line.text, start)}"
            yield f"{paint(f'{chr(32) * gutter} |', 'quiet')} {_carets(line.text, mark, start, paint)}"


def _window(text: str, start: int) -> str:
    """What surrounds a mark of a long line."""
    shown = terminal_safe(text[start : start + MAX_LINE])
    end = "…" if len(text) > start + MAX_LINE or len(shown) > MAX_LINE else ""
    return f"{'…' if start else ''}{shown[:MAX_LINE]}{end}"


def _carets(text: str, mark: Highlight, start: int, paint: Paint) -> str:
    lead = (1 if start else 0) + columns(terminal_safe(text[start : mark.col_from - 1]))
    wide = columns(terminal_safe(text[mark.col_from - 1 : min(mark.col_to, mark.col_from - 1 + MAX_LINE)]))
    count = max(1, min(wide, MAX_LINE + 1 - lead))
    label = f" {safe(mark.label, _MAX_LABEL)}" if mark.label else ""
    return " " * lead + paint("^" * count, "mark") + label


def columns(text: str) -> int:
    """How many columns a terminal needs for an inert text."""
    if text.isascii():
        return len(text)
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
