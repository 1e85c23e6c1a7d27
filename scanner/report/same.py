"""Whether two files hold the same bytes, and where they part."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from scanner.errors import OutputError
from scanner.model.neutral import terminal_safe

_CHUNK = 1 << 16
_BEFORE, _SHOWN = 20, 60
_END = "the end of the file"


def first_difference(now: Path, again: Path) -> str:
    """`line 3, column 7: now …, again …`; empty where the files are the same, whatever their size.

    Columns count bytes. Raises OutputError.
    """
    try:
        with now.open("rb") as one, again.open("rb") as other:
            at = 0
            for mine, theirs in zip_longest(_chunks(one), _chunks(other), fillvalue=b""):
                if mine != theirs:
                    at += next(
                        (n for n, pair in enumerate(zip(mine, theirs, strict=False)) if pair[0] != pair[1]),
                        min(len(mine), len(theirs)),
                    )
                    break
                at += len(mine)
            else:
                return ""
        return f"{_place(now, at)}: now {_excerpt(now, at)}, again {_excerpt(again, at)}"
    except OSError as error:
        raise OutputError(f"`{now}` cannot be read back: {(error.strerror or '').lower()}") from error


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _place(path: Path, at: int) -> str:
    """Line and column of a byte, both counted from 1."""
    line, column, left = 1, 1, at
    with path.open("rb") as stream:
        while left and (chunk := stream.read(min(_CHUNK, left))):
            left -= len(chunk)
            feeds = chunk.count(b"\n")
            line += feeds
            column = len(chunk) - chunk.rindex(b"\n") if feeds else column + len(chunk)
    return f"line {line:,}, column {column:,}"


def _excerpt(path: Path, at: int) -> str:
    """A few characters of the line around a byte, harmless for a terminal."""
    start = max(at - _BEFORE, 0)
    with path.open("rb") as stream:
        stream.seek(start)
        data = stream.read(at - start + _SHOWN)
    before, after = data[: at - start].rpartition(b"\n")[2], data[at - start :].partition(b"\n")[0]
    if not data[at - start :]:
        return _END
    return f"`{terminal_safe((before + after).decode('utf-8', errors='replace'))}`"
