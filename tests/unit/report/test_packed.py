"""What the index of a split report carries of all findings: every one, in order, as inert text, in the same bytes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from scanner.model.finding import Finding, Severity
from scanner.report.context import PageSources
from scanner.report.html import render_html, render_pages
from scanner.report.ordering import worst_first
from scanner.report.packed import FindingTable, finding_table
from scanner.report.pages import HtmlOptions, Links, PageLimits
from scanner.report.templates import our_templates

import hostile
import report_builders as build

FINDINGS = build.document().findings
PAGES = {finding.id: f"report/{'012345670123' if n % 2 else 'other-2'}.html" for n, finding in enumerate(FINDINGS)}
BLOCK = re.compile(r'<script class="packed" type="application/octet-stream">([A-Za-z0-9+/=]*)</script>')


def table(findings: Sequence[Finding], places: dict[str, str] | None = None) -> FindingTable:
    """The table of findings as the index has it."""
    found = finding_table(findings, Links("report.html", PAGES if places is None else places))
    assert found is not None
    return found


def rows(data: str) -> list[dict[str, str]]:
    """What the script reads: a text per column and row."""
    read: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(data, validate=True)))
    columns = {
        name: [column["values"][place] for place in column.get("rows", range(len(column["values"])))]
        for name, column in read["columns"].items()
    }
    assert {len(texts) for texts in columns.values()} == {read["findings"]}
    return [{name: texts[row] for name, texts in columns.items()} for row in range(read["findings"])]


def index(findings: Sequence[Finding] = FINDINGS) -> str:
    """The index of a report whose pages hold two findings."""
    sources = PageSources(build.key_rows(), {}, build.documents)
    pages = render_pages(build.document(findings=tuple(findings)), sources, HtmlOptions(PageLimits(2)))
    return next(pages)[1].decode()


def packed(page: str) -> str:
    """The data block of an index."""
    (data,) = BLOCK.findall(page)
    return str(data)


def test_every_finding_stands_in_the_table_in_its_order_with_its_page() -> None:
    found = rows(table(FINDINGS).data)
    assert [row["id"] for row in found] == [finding.id for finding in FINDINGS]
    for row, finding in zip(found, FINDINGS, strict=True):
        assert row["severity"] == finding.severity
        assert row["verdict"] == finding.verdict
        assert row["kind"] == finding.kind
        assert row["party"] == finding.grantee.party
        assert row["title"] == finding.title
        assert row["arn"] == finding.resource.arn
        assert row["selector"] == finding.grantee.selector
        assert finding.resource.account_id in row["account"]
        assert finding.grantee.account_id in row["grantee"]
        assert row["page"] == PAGES[finding.id]


def test_finding_on_no_page_has_none() -> None:
    assert {row["page"] for row in rows(table(FINDINGS, {}).data)} == {""}


def test_key_is_called_by_its_aliases_and_a_role_by_its_name() -> None:
    key = build.key_facts(aliases=tuple(f"alias/a{n}" for n in range(5)))
    named = replace(FINDINGS[0], key=key)
    nameless = replace(FINDINGS[0], key=None, resource=replace(FINDINGS[0].resource, kind="role", name="Reader"))
    assert [row["name"] for row in rows(table((named, nameless)).data)] == [
        "alias/a0, alias/a1, alias/a2 and 2 more", "Reader",
    ]  # fmt: skip


def test_same_findings_are_the_same_bytes_whenever_and_wherever_they_are_packed() -> None:
    data = table(FINDINGS).data
    assert data == table(FINDINGS).data
    header = base64.b64decode(data)[:10]
    assert header == bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, header[8], 255))  # no time, no operating system


def test_texts_that_rows_share_are_held_once() -> None:
    alike = [replace(FINDINGS[0], id=f"kx-{n}") for n in range(1000)]
    assert len(gzip.decompress(base64.b64decode(table(alike).data))) < 60_000
    assert len(rows(table(alike).data)) == 1000


@pytest.mark.parametrize("text", hostile.CORPUS.values(), ids=hostile.CORPUS)
def test_hostile_text_is_shown_and_cut_and_leaves_the_block_what_it_is(text: str) -> None:
    page = index([build.poisoned(finding, text) for finding in build.document().findings])
    for row in rows(packed(page)):
        for value in row.values():
            assert not hostile.INVISIBLE.search(value)
            assert len(value) <= 3 * 200 + 50
    hostile.check_index(page)


def test_index_counts_its_checkboxes_over_all_findings_and_its_table_holds_the_worst_first() -> None:
    page = index()
    assert [row["id"] for row in rows(packed(page))] == [f.id for f in worst_first(FINDINGS)]
    filters = {name.name: {o.value: o.count for o in name.options} for name in table(FINDINGS).filters}
    assert sum(filters["Severity"].values()) == len(FINDINGS)
    assert 'data-column="severity" value="info">' in page
    assert 'data-column="severity" value="critical" checked>' in page


def test_accepted_finding_is_not_in_the_table() -> None:
    accepted = build.accepted(replace(FINDINGS[0], id="kx-accepted"))
    assert "kx-accepted" not in {row["id"] for row in rows(packed(index((*FINDINGS, accepted))))}


def test_index_allows_exactly_its_one_script_and_the_data_is_none() -> None:
    page = index()
    assert page.count("<script") == 2
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert page.count("script-src") == 1
    assert f"script-src 'sha256-{digest}';" in page


def test_static_table_stays_in_the_index_and_the_other_one_is_hidden_until_it_is_drawn() -> None:
    page = index()
    assert '<div class="all" hidden>' in page
    assert page.count('<tr class="row ') == len(FINDINGS)


def test_page_that_is_no_index_carries_neither_the_data_nor_the_script() -> None:
    whole = render_html(build.document(), build.key_rows(), {}, build.documents).decode()
    sources = PageSources(build.key_rows(), {}, build.documents)
    _, *accounts = render_pages(build.document(), sources, HtmlOptions(PageLimits(2)))
    assert accounts
    for page in (whole, *(content.decode() for _, content in accounts)):
        assert "octet-stream" not in page
        assert "DecompressionStream" not in page
        assert ".grid {" not in page


def test_index_without_findings_has_no_table() -> None:
    assert finding_table((), Links("report.html", {})) is None
    sources = PageSources(build.key_rows(), {}, build.documents)
    pages = render_pages(build.document(findings=()), sources, HtmlOptions(PageLimits(keys=1)))
    page = next(pages)[1].decode()
    assert "<script" not in page
    assert 'class="all"' not in page


def test_script_parses_no_markup_runs_no_text_and_asks_for_nothing() -> None:
    script = our_templates().source("table.js")
    refused = (
        "innerHTML outerHTML insertAdjacent document.write eval( Function( setTimeout( fetch( import( XMLHttp .src"
    )
    for name in refused.split():
        assert name not in script
    set_here = set(re.findall(r'setAttribute\("([a-z-]+)"', script))
    assert set_here == {"role", "class", "aria-rowindex", "tabindex", "href", "title", "aria-rowcount"}


@pytest.mark.parametrize("severity", Severity)
def test_only_info_starts_unchecked_and_only_beside_others(severity: Severity) -> None:
    alone = table([replace(finding, severity=severity) for finding in FINDINGS])
    assert all(option.checked for option in alone.filters[0].options)
