"""Hostile texts through every field that AWS fills, into every output: they stay text."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from scanner.model.finding import FindingsDocument
from scanner.report.directory import RunDirectory
from scanner.report.escape import CsvDialect
from scanner.report.html import render_html
from scanner.report.json import dump_findings, dump_summary, load_findings
from scanner.report.markdown import render_markdown
from scanner.report.streams import AccessWriter, CoverageWriter, KeysWriter, read_key_rows, read_ledger
from scanner.report.tables import findings_csv
from scanner.report.terminal import render_summary

import report_builders as build

each_text = pytest.mark.parametrize("text", build.HOSTILE, ids=range(len(build.HOSTILE)))
INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
FORMULA = re.compile(r"[\s']*[=+\-@\t\r＝＋－＠]")


class Skeleton(HTMLParser):
    """Elements and attribute names of a page: what text must never change."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def page(text: str) -> str:
    """The report with the text in every field, keys and cited ledger rows included."""
    document = build.hostile_document(text)
    keys = tuple(build.poisoned(row, text) for row in build.key_rows())
    notes = {ref: text for finding in document.findings for ref in finding.coverage_refs}
    return render_html(document, keys, notes, lambda _: None).decode()


def skeleton(html: str) -> Skeleton:
    """Parse a page."""
    parser = Skeleton()
    parser.feed(html)
    parser.close()
    return parser


@each_text
def test_hostile_text_adds_no_element_and_no_attribute(text: str) -> None:
    single_line = text.replace("\n", " ").replace("`", "")
    assert skeleton(page(single_line)).tags == skeleton(page("x" * len(single_line))).tags


@each_text
def test_html_shows_invisible_characters_instead_of_obeying_them(text: str) -> None:
    html = page(text)
    assert not INVISIBLE.search(html)
    assert "\r" not in html


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
    with AccessWriter(directory, dialect) as access:
        for entry in build.access_rows():
            access.write(build.poisoned(entry, text))
    with CoverageWriter(directory, dialect, {}) as coverage:
        for row in build.ledger():
            coverage.write(build.poisoned(row, text), 1)
    tables = {name: (directory.path / name).read_bytes() for name in directory.files()}
    return tables | {"findings.csv": findings_csv(document, {}, dialect)}


@each_text
def test_no_cell_of_an_excel_csv_starts_a_formula(text: str, tmp_path: Path) -> None:
    for name, content in hostile_tables(text, CsvDialect.EXCEL, tmp_path).items():
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        assert len({len(row) for row in rows}) == 1, name
        for cell in (cell for row in rows for cell in row):
            assert cell.startswith("'") or not FORMULA.match(cell), (name, cell[:40])
            assert not INVISIBLE.search(cell), (name, cell[:40])


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
    again = load_findings(dump_findings(document), "findings.json")
    assert render_html(again, read_key_rows(tmp_path / "run" / "keys.csv"), {}, lambda _: None) == before
    assert len(read_ledger(tmp_path / "run" / "coverage.csv")) == len(build.ledger())


def outside_patches(lines: list[str]) -> list[str]:
    """The lines without code blocks, each of which ends where its own fence is repeated and nowhere before."""
    kept: list[str] = []
    fence = ""
    for line in lines:
        opened = re.fullmatch(r"( *`{3,})diff", line)
        if opened and not fence:
            fence = opened[1]
        elif fence:
            fence = "" if line == fence else fence
        else:
            kept.append(line)
    assert not fence
    return kept


@each_text
def test_markdown_has_no_html_link_or_extra_table_row(text: str) -> None:
    document = build.hostile_document(text)
    whole = render_markdown(document, {}).decode().split("\n")
    assert not any(INVISIBLE.search(line) for line in whole)
    lines = outside_patches(whole)
    plain = outside_patches(render_markdown(build.hostile_document("x"), {}).decode().split("\n"))
    assert len(lines) == len(plain)
    for line in lines:
        prose = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", line)
        assert not re.search(r"<|(?<!\\)\]\(|://|@", prose), line[:200]
        assert not INVISIBLE.search(line)
    assert [line.count("|") - line.count("\\|") for line in lines] == [line.count("|") for line in plain]


@each_text
def test_terminal_summary_stays_within_twelve_plain_lines(text: str) -> None:
    summary = render_summary(build.hostile_document(text), Path("out/report.html"), 3)
    assert len(summary.split("\n")) <= 12
    assert not INVISIBLE.search(summary)
    assert all(len(line) < 500 for line in summary.split("\n"))


@each_text
def test_json_round_trip_keeps_every_character(text: str) -> None:
    document: FindingsDocument = build.hostile_document(text)
    data = dump_findings(document)
    assert data.isascii()
    assert load_findings(data, "findings.json") == document
    assert dump_summary(document).isascii()
