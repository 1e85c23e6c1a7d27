"""Where two files part."""

from __future__ import annotations

from pathlib import Path

import pytest
from scanner.errors import OutputError
from scanner.report.same import first_difference

LONG = b"row\n" * 50_000


@pytest.mark.parametrize(
    ("now", "again", "said"),
    [
        (b"", b"", ""),
        (LONG, LONG, ""),
        (b"a", b"b", "line 1, column 1: now `a`, again `b`"),
        (b"a\nbc\n", b"a\nbd\n", "line 2, column 2: now `bc`, again `bd`"),
        (b"a\n", b"a\nb", "line 2, column 1: now the end of the file, again `b`"),
        (b"ab", b"a", "line 1, column 2: now `ab`, again the end of the file"),
        (LONG + b"x", LONG + b"y", "line 50,001, column 1: now `x`, again `y`"),
        (b"\x1b[2Ja", b"\x1b[2Jb", "line 1, column 5: now `\\x1b[2Ja`, again `\\x1b[2Jb`"),
        (b"\xff", b"\xfe", "line 1, column 1: now `\ufffd`, again `\ufffd`"),
        (b"x" * 500 + b"1" + b"y" * 500, b"x" * 501 + b"y" * 500,
         f"line 1, column 501: now `{'x' * 20}1{'y' * 59}`, again `{'x' * 21}{'y' * 59}`"),
    ],
)  # fmt: skip
def test_first_difference_names_the_place_and_both_sides(tmp_path: Path, now: bytes, again: bytes, said: str) -> None:
    for name, content in (("now", now), ("again", again)):
        (tmp_path / name).write_bytes(content)
    assert first_difference(tmp_path / "now", tmp_path / "again") == said


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "now").write_bytes(b"a")
    with pytest.raises(OutputError, match="now"):
        first_difference(tmp_path / "now", tmp_path / "missing")
