"""Text from AWS loses its power over terminals and logs and stays readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scanner.model.neutral import terminal_safe


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("\x9b31mred", r"\x9b31mred"),
        ("a\nb\rc\td\x00", r"a\x0ab\x0dc\x09d\x00"),
        ("\x7f", r"\x7f"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\u2066x\u2069", r"\u2066x\u2069"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("tag\U000e0041", r"tag\U000e0041"),
        ("\ud800", r"\ud800"),
        ("\u3164filler\u034f", r"\u3164filler\u034f"),
    ],
)
def test_character_that_a_terminal_obeys_or_hides_becomes_visible(hostile: str, shown: str) -> None:
    """Each class of character that can hide or rewrite text is spelled out."""
    assert terminal_safe(hostile) == shown


@pytest.mark.parametrize("text", ["", "plain text", "Zürich 東京 🔑", "=HYPERLINK(1)", r"C:\x1b", "<script>"])
def test_visible_text_is_unchanged(text: str) -> None:
    """Only characters nobody can see are touched; HTML and CSV have guards of their own."""
    assert terminal_safe(text) == text


@given(st.text())
def test_result_is_one_printable_line_and_stable(text: str) -> None:
    """Whatever comes in, the result holds no control character, encodes, and is not changed a second time."""
    safe = terminal_safe(text)
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) <= 0x9F for character in safe)
    assert len(safe.splitlines()) <= 1
    assert terminal_safe(safe) == safe
    safe.encode("utf-8")
