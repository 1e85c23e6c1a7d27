"""Makes text from AWS inert in HTML, CSV, Markdown and XML. The only module that says what is safe."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from markupsafe import Markup

from scanner.model.neutral import terminal_safe


class CsvDialect(StrEnum):
    """`excel` has a byte order mark and the formula guard, `rfc4180` raw values."""

    EXCEL = "excel"
    RFC4180 = "rfc4180"


_FORMULA_STARTS = "=+-@\t\r\n＝＋－＠﹦﹢﹣﹫−"
"""What a spreadsheet takes for the start of a formula, full-width, small and mathematical forms included."""

_GUARDED = re.compile(rf"[\s']*[{re.escape(_FORMULA_STARTS)}]")
_GUARD = "'"
_SURROGATE_OR_NUL = re.compile("[\ud800-\udfff\x00]")
_KEPT_WHITESPACE = re.compile(r"([\t\n])")
_KEPT_WHITESPACE_AND_RETURN = re.compile(r"([\t\n\r])")
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]|~$#])")
_WHITESPACE = re.compile(r"\s+")
_BACKTICKS = re.compile(r"`+")
_NO_XML = re.compile("[\ufffe\uffff]")
_WEB_ADDRESS = re.compile(r"(?i)(:)(//)|\b(www)(\.)|\b(mailto)(:)")


def visible(text: str) -> str:
    r"""Replace control, bidirectional and invisible characters and lone surrogates by what they are, such as `\u202e`.

    Tabs and line feeds stay. Applying it twice changes nothing.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(part if part in {"\t", "\n"} else terminal_safe(part) for part in _KEPT_WHITESPACE.split(text))


def xml_text(text: str) -> str:
    """Text that an XML file can hold: made visible, which leaves no character that XML 1.0 forbids but these two."""
    return _NO_XML.sub(lambda found: f"\\u{ord(found.group()):04x}", visible(text))


def xml_element_text(text: str) -> str:
    """Text between tags of XML: the same with its markup escaped. Never for an attribute: quotes are as they are."""
    return xml_text(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shorten(text: str, limit: int) -> str:
    """Make a text visible and cut it so that a reader sees that it was cut, and by how much.

    Visible first, so that the cut falls at the same place when the text has been through a CSV file.
    """
    shown = visible(text)
    if len(shown) <= limit:
        return shown
    return f"{shown[:limit]}… ({len(shown) - limit:,} more characters)"


def html_value(value: object) -> object:
    """Jinja's `finalize`: every text that reaches the page is made visible, then escaped by autoescape."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


def element_text(text: str) -> Markup:
    """Text between tags of HTML: made visible and escaped, with its quotes as they are. Never for an attribute.

    Policies consist of quotes: escaped they fill a third of a report.
    """
    shown = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return Markup(shown)  # noqa: S704 - nothing in it can open or close a tag


def trusted_css(stylesheet: str) -> Markup:
    """Mark our own stylesheet as such. Raises ValueError when it could end the style element."""
    if "</" in stylesheet or "<!--" in stylesheet:
        msg = "a stylesheet must not contain `</` or `<!--`"
        raise ValueError(msg)
    return Markup(stylesheet)  # noqa: S704 - holds nothing from AWS: report.css and names of our own enumerations


def trusted_script(script: str) -> Markup:
    """Mark our own script as such. Raises ValueError when it could end the script element."""
    if "</" in script or "<!--" in script:
        msg = "a script must not contain `</` or `<!--`"
        raise ValueError(msg)
    return Markup(script)  # noqa: S704 - holds nothing from AWS: report.js as it is


def csv_cell(text: str, dialect: CsvDialect) -> str:
    """Text of one CSV cell.

    `excel` gets a `'` before anything a spreadsheet would calculate, also behind white space or further `'`, so that
    `csv_text` can take it away again. `rfc4180` stays raw but for NUL and lone surrogates, which no UTF-8 table holds.
    """
    if dialect is CsvDialect.RFC4180:
        return _SURROGATE_OR_NUL.sub(lambda found: terminal_safe(found.group()), text)
    shown = text
    if not (text.isascii() and text.isprintable()):
        parts = _KEPT_WHITESPACE_AND_RETURN.split(text)
        shown = "".join(part if part in {"\t", "\n", "\r"} else terminal_safe(part) for part in parts)
    return f"{_GUARD}{shown}" if _GUARDED.match(shown) else shown


def csv_text(cell: str, dialect: CsvDialect) -> str:
    """The text that `csv_cell` was given, without the guard."""
    guarded = dialect is CsvDialect.EXCEL and cell.startswith(_GUARD) and _GUARDED.match(cell[1:])
    return cell[1:] if guarded else cell


def sarif_text(text: str) -> str:
    """Text of a SARIF message: no embedded link, and no placeholder (SARIF 2.1.0, sections 3.11.5 and 3.11.6)."""
    return visible(text).replace("](", "] (").replace("{", "{{").replace("}", "}}")


def markdown_text(text: str) -> str:
    """Prose for Markdown, on one line: no markup, no HTML, no table cell, no link, no mention.

    `@` becomes `(at)`, because trackers act on it even where it is escaped.
    """
    line = _WHITESPACE.sub(" ", visible(text))
    line = _MARKDOWN_SPECIAL.sub(r"\\\1", line)
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "(at)")
    return _WEB_ADDRESS.sub(lambda found: "\\".join(part for part in found.groups() if part), line)


def markdown_code(text: str) -> str:
    """Identifiers for Markdown: a code span whose fence is longer than any run of backticks within."""
    line = _WHITESPACE.sub(" ", visible(text)).strip().replace("|", "\\|")
    if not line:
        return ""
    fence = "`" * (1 + max((len(run) for run in _BACKTICKS.findall(line)), default=0))
    pad = " " if "`" in line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def markdown_block(lines: Iterable[str], language: str) -> list[str]:
    """Lines of JSON for Markdown: a code block whose fence is longer than any run of backticks within.

    `<` becomes its JSON escape, for readers that do not know code blocks.
    """
    shown = [visible(line).replace("\n", "\\n").replace("<", "\\u003c") for line in lines]
    longest = max((len(run) for line in shown for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *shown, fence]
