"""Hostile texts through every field that AWS fills, into every output: they stay text."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path

import pytest
from markupsafe import Markup
from scanner import logs
from scanner.model.finding import FindingsDocument
from scanner.model.key import Grant, GrantConstraints
from scanner.model.neutral import terminal_safe
from scanner.report.directory import RunDirectory
from scanner.report.escape import (
    CsvDialect,
    csv_cell,
    element_text,
    html_value,
    markdown_block,
    markdown_code,
    markdown_text,
    visible,
)
from scanner.report.html import render_html
from scanner.report.json import dump_findings, dump_summary, load_findings
from scanner.report.keys import KeyHolding
from scanner.report.markdown import render_markdown
from scanner.report.streams import AccessWriter, CoverageWriter, KeysWriter, read_key_rows, read_ledger
from scanner.report.tables import findings_csv
from scanner.report.terminal import render_summary

import hostile
import report_builders as build

LOG = logging.getLogger("scanner.test")

each_text = pytest.mark.parametrize("text", hostile.CORPUS.values(), ids=hostile.CORPUS)
INVISIBLE, skeleton = hostile.INVISIBLE, hostile.skeleton
outside_patches = hostile.outside_blocks


def page(text: str) -> str:
    """The report with the text in every field, keys and cited ledger rows included."""
    document = build.hostile_document(text)
    keys = tuple(build.poisoned(row, text) for row in build.key_rows())
    notes = {ref: text for finding in document.findings for ref in finding.coverage_refs}
    grant = Grant(text, (text,), text, "", text, "", text, GrantConstraints({text: text}), text, text)
    held = KeyHolding(((text, "0" * 64),), (grant,))
    return render_html(document, keys, notes, {"0" * 64: text}.get, lambda _: held).decode()


@each_text
def test_hostile_text_adds_no_element_and_no_attribute(text: str) -> None:
    single_line = text.replace("\n", " ").replace("`", "")
    assert skeleton(page(single_line)).tags == skeleton(page("x" * len(single_line))).tags


@each_text
def test_html_shows_invisible_characters_instead_of_obeying_them(text: str) -> None:
    hostile.check_page(page(text))


def test_html_keeps_the_hostile_text_readable() -> None:
    shown = "".join(skeleton(page("<script>alert(1)</script>")).texts)
    assert "<script>alert(1)</script>" in shown


def test_template_syntax_in_a_name_is_not_evaluated() -> None:
    html = page("{{ 7*7 }}")
    assert "{{ 7*7 }}" in html


def test_every_link_of_the_page_stays_within_the_page() -> None:
    html = page("javascript:alert(1)")
    assert set(re.findall(r'href="(.)', html)) == {"#"}
    assert "src=" not in html


def test_long_text_is_cut_visibly_in_the_closed_card_and_whole_in_the_open_one() -> None:
    text = "B" * 8192
    html = page(text)
    summary = re.search(r"<summary>.*?</summary>", html, re.DOTALL)
    assert summary is not None
    assert "more characters)" in summary.group()
    assert len(summary.group()) < 2000
    assert text in html


def hostile_tables(text: str, dialect: CsvDialect, folder: Path) -> dict[str, bytes]:
    """All four CSV files with the text in every field."""
    document = build.hostile_document(text)
    directory = RunDirectory.create(folder, "run")
    with KeysWriter(directory, dialect) as keys:
        for key in build.key_rows():
            keys.write(build.poisoned(key, text))
    rows = [build.poisoned(entry, text) for entry in build.access_rows()]
    with AccessWriter(directory, dialect, {row.key_arn: (text, text) for row in rows}) as access:
        for entry in rows:
            access.write(entry)
    with CoverageWriter(directory, dialect, {}) as coverage:
        for row in build.ledger():
            coverage.write(build.poisoned(row, text), 1)
    tables = {name: (directory.path / name).read_bytes() for name in directory.files()}
    return tables | {"findings.csv": findings_csv(document, {}, dialect)}


@each_text
@pytest.mark.parametrize("dialect", CsvDialect)
def test_no_cell_of_a_table_starts_a_formula_hides_something_or_leaves_its_cell(
    text: str, dialect: CsvDialect, tmp_path: Path
) -> None:
    for content in hostile_tables(text, dialect, tmp_path).values():
        hostile.check_table(content, dialect)


def test_rfc4180_keeps_the_raw_value(tmp_path: Path) -> None:
    content = hostile_tables("=1+1", CsvDialect.RFC4180, tmp_path)["findings.csv"]
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    assert rows[1][rows[0].index("title")] == "=1+1"
    assert not content.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("dialect", CsvDialect)
@each_text
def test_report_is_the_same_after_the_tables_were_read_back(text: str, dialect: CsvDialect, tmp_path: Path) -> None:
    hostile_tables(text, dialect, tmp_path)
    document = build.hostile_document(text)
    rows = tuple(build.poisoned(row, text) for row in build.key_rows())
    before = render_html(document, rows, {}, lambda _: None)
    again = load_findings(build.whole(dump_findings(document)), "findings.json")
    assert render_html(again, read_key_rows(tmp_path / "run" / "keys.csv"), {}, lambda _: None) == before
    assert len(read_ledger(tmp_path / "run" / "coverage.csv")) == len(build.ledger())


@each_text
def test_markdown_has_no_html_link_or_extra_table_row(text: str) -> None:
    document = build.hostile_document(text)
    whole = render_markdown(document, {}).decode()
    hostile.check_markdown(whole)
    lines = outside_patches(whole.split("\n"))
    plain = outside_patches(render_markdown(build.hostile_document("x"), {}).decode().split("\n"))
    assert len(lines) == len(plain)
    assert [line.count("|") - line.count("\\|") for line in lines] == [line.count("|") for line in plain]


@each_text
def test_terminal_summary_stays_within_twelve_plain_lines(text: str) -> None:
    summary = render_summary(build.hostile_document(text), Path("out/report.html"), 3)
    assert len(summary.split("\n")) <= 12
    hostile.check_terminal(summary)
    assert all(len(line) < 500 for line in summary.split("\n"))


@each_text
def test_json_round_trip_keeps_every_character(text: str) -> None:
    document: FindingsDocument = build.hostile_document(text)
    data = build.whole(dump_findings(document))
    assert data.isascii()
    assert load_findings(data, "findings.json") == document
    assert dump_summary(document).isascii()


@each_text
@pytest.mark.parametrize("form", ["json", "text"])
def test_log_has_one_record_per_line_whatever_it_is_told(text: str, form: str) -> None:
    written = logged(text, form)
    assert len(written.splitlines()) == 2
    hostile.check_log(written)


def logged(text: str, form: str) -> str:
    """Two records with the text as message, field, context and error, seen by our handler alone.

    pytest keeps what it sees for its report, and a lone surrogate in that ends the process of pytest-xdist.
    """
    stream, root = io.StringIO(), logging.getLogger()
    others, root.handlers = root.handlers, []
    logs.configure("info", form, stream)
    try:
        with logs.log_context(account=text, region=text):
            LOG.warning("not read: %s", text, extra={"subject": text, "error_code": text})
            try:
                raise ValueError(text)
            except ValueError:
                LOG.exception("failed")
    finally:
        logs.remove_handlers()
        root.handlers = others
    return stream.getvalue()


# -- every check fails where the escaping that it watches is taken away -----------------------------------------------


def all_tables(text: str, folder: Path) -> None:
    for content in hostile_tables(text, CsvDialect.EXCEL, folder).values():
        hostile.check_table(content, "excel")


def whole_page(text: str, folder: Path) -> None:
    del folder
    hostile.check_page(page(text))


def whole_markdown(text: str, folder: Path) -> None:
    del folder
    hostile.check_markdown(render_markdown(build.hostile_document(text), {}).decode())


def whole_terminal(text: str, folder: Path) -> None:
    del folder
    hostile.check_terminal(render_summary(build.hostile_document(text), Path("out/report.html"), 3))


def whole_log(text: str, folder: Path) -> None:
    del folder
    hostile.check_log(logged(text, "text"))


def raw(text: str, *_: object) -> str:
    return text


def raw_block(lines: Iterable[str], language: str) -> list[str]:
    return [f"```{language}", *lines, "```"]


TAKEN_AWAY = [
    ("page", (html_value, Markup), whole_page, "element"),
    ("page", (html_value, Markup), whole_page, "attribute"),
    ("page", (html_value, Markup), whole_page, "end of everything"),
    ("page", (html_value, Markup), whole_page, "directions"),
    ("text between tags", (element_text, Markup), whole_page, "element"),
    ("text between tags", (element_text, Markup), whole_page, "end of everything"),
    ("visible", (visible, raw), whole_page, "escape sequences"),
    ("visible", (visible, raw), whole_markdown, "directions"),
    ("csv cell", (csv_cell, raw), all_tables, "formula"),
    ("csv cell", (csv_cell, raw), all_tables, "formula, full-width at"),
    ("csv cell", (csv_cell, raw), all_tables, "formula behind a return"),
    ("csv cell", (csv_cell, raw), all_tables, "controls"),
    ("markdown text", (markdown_text, raw), whole_markdown, "markdown"),
    ("markdown text", (markdown_text, raw), whole_markdown, "markdown markup"),
    ("markdown text", (markdown_text, raw), whole_markdown, "element"),
    ("markdown code", (markdown_code, raw), whole_markdown, "markdown"),
    ("markdown block", (markdown_block, raw_block), whole_markdown, "markdown block"),
    ("terminal", (terminal_safe, raw), whole_terminal, "escape sequences"),
    ("terminal", (terminal_safe, raw), whole_terminal, "lines"),
    ("log", (terminal_safe, raw), whole_log, "escape sequences"),
    ("log", (terminal_safe, raw), whole_log, "lines"),
]


@pytest.mark.parametrize(
    ("function", "watched", "name"), [row[1:] for row in TAKEN_AWAY],
    ids=[f"{row[0]}: {row[3]}" for row in TAKEN_AWAY],
)  # fmt: skip
def test_check_fails_without_the_escaping_that_it_watches(
    function: tuple[Callable[..., object], Callable[..., object]],
    watched: Callable[[str, Path], None],
    name: str,
    tmp_path: Path,
) -> None:
    text = hostile.CORPUS[name]
    watched(text, tmp_path / "escaped")
    with pytest.MonkeyPatch.context() as patch, contextmanager(hostile.fresh_templates)():
        hostile.without(patch, *function)
        with pytest.raises(AssertionError):
            watched(text, tmp_path / "raw")
