"""Escaping per output."""

from __future__ import annotations

import re

import pytest
from scanner.report.escape import (
    CsvDialect,
    csv_cell,
    csv_text,
    element_text,
    markdown_code,
    markdown_text,
    shorten,
    trusted_css,
    visible,
)
from scanner.resources import template_root


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", " =", "'=", "''@"])
def test_excel_guards_what_a_spreadsheet_calculates_and_reads_it_back(start: str) -> None:
    text = f"{start}1"
    cell = csv_cell(text, CsvDialect.EXCEL)
    assert cell == f"'{text}"
    assert csv_text(cell, CsvDialect.EXCEL) == text


@pytest.mark.parametrize("text", ["arn:aws:kms:eu-west-1", "'quoted'", "a=b", "012345670123", ""])
def test_excel_leaves_ordinary_text_alone(text: str) -> None:
    assert csv_cell(text, CsvDialect.EXCEL) == text
    assert csv_text(text, CsvDialect.EXCEL) == text


def test_rfc4180_replaces_only_what_no_table_can_hold() -> None:
    assert csv_cell("=a\x1b\ud800\x00", CsvDialect.RFC4180) == "=a\x1b\\ud800\\x00"


def test_visible_twice_is_visible_once() -> None:
    text = "a\u202e\x1b[0m\r\n\tb\ud800"
    assert visible(text) == "a\\u202e\\x1b[0m\\x0d\n\tb\\ud800"
    assert visible(visible(text)) == visible(text)


def test_shortened_text_says_how_much_is_missing() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("a" * 1206, 6) == "aaaaaa… (1,200 more characters)"


def test_markdown_code_fence_is_longer_than_the_backticks_within() -> None:
    assert markdown_code("a``b") == "``` a``b ```"
    assert markdown_code("a|b") == "`a\\|b`"
    assert markdown_code(" ") == ""


def test_markdown_text_breaks_links_and_mentions() -> None:
    assert markdown_text("see https://evil.example @all www.evil.example") == (
        "see https:\\//evil.example (at)all www\\.evil.example"
    )
    assert markdown_text("<b>[x](y)|") == "&lt;b&gt;\\[x\\](y)\\|"


def test_stylesheet_that_could_end_its_element_is_refused() -> None:
    with pytest.raises(ValueError, match="stylesheet"):
        trusted_css("a{}</style>")


def test_element_text_keeps_quotes_and_nothing_that_opens_a_tag() -> None:
    assert element_text('"a" & <b>\u202e') == '"a" &amp; &lt;b&gt;\\u202e'


def test_element_text_stands_between_tags_only() -> None:
    for path in template_root().joinpath("macros").iterdir():
        for use in re.finditer(r"\{\{[^}]*element_text[^}]*\}\}", path.read_text(encoding="utf-8")):
            before = path.read_text(encoding="utf-8")[: use.start()]
            outside = re.sub(r"\{[{%#].*?[}%#]\}", "", before, flags=re.DOTALL)
            assert outside.rfind(">") > outside.rfind("<"), f"{use.group()} of {path.name} is inside a tag"
