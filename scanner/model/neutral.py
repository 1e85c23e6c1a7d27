"""Makes text from AWS harmless for a terminal or a log by spelling out control and invisible characters."""

from __future__ import annotations

import unicodedata

# Cc: C0, DEL, C1 (ANSI escapes start with one). Cf: bidirectional marks, zero-width characters, tags.
# Zl, Zp: line breaks. Cs: lone surrogates, which no UTF-8 stream can write.
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Letters and marks that draw nothing, so that two different names can look the same or carry a hidden message.
_HIDDEN_RANGES = (
    (0x034F, 0x034F),  # combining grapheme joiner
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),  # Khmer inherent vowels
    (0x180B, 0x180F),  # Mongolian variation selectors
    (0x2800, 0x2800),  # blank Braille pattern
    (0x3164, 0x3164),  # Hangul filler
    (0xFE00, 0xFE0F),  # variation selectors
    (0xFFA0, 0xFFA0),  # half-width Hangul filler
    (0xE0000, 0xE0FFF),  # tags and variation selectors supplement
)


def terminal_safe(text: str) -> str:
    r"""Replace what a terminal would obey or hide by what it is, such as `\x1b` or `\u202e`.

    Names, tags, Sids and messages come from whoever can write to an account: an escape sequence could rewrite lines
    that are already printed, a newline could forge a log record. The result is one line; callers split their own
    text first.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    code = ord(character)
    hidden = unicodedata.category(character) in _HIDDEN_CATEGORIES or any(
        first <= code <= last for first, last in _HIDDEN_RANGES
    )
    if not hidden:
        return character
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
