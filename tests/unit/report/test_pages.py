"""Which finding and which key stands on which page: everything somewhere, nothing twice, no page above its limits."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from scanner.errors import OutputError, UsageError
from scanner.model.finding import Finding, FindingsDocument, KeyRow, Severity
from scanner.report.context import PageSources
from scanner.report.directory import RunDirectory
from scanner.report.keys import KeyHolding, key_anchor
from scanner.report.manifest import write_manifest
from scanner.report.options import ReportOptions
from scanner.report.pages import HtmlOptions, Links, PageKind, PageLimits, places_of, plan_pages
from scanner.report.write import render_all, render_only

import report_builders as build

ACCOUNTS = ("111122223333", "222233334444", "333344445555")


def key_arn(account: str, number: int) -> str:
    """A key of an account."""
    return f"arn:aws:kms:eu-west-1:{account}:key/{number:08d}-0000-0000-0000-000000000000"


def made(account: str, key: int, number: int, **changes: object) -> Finding:
    """A finding about a key of an account."""
    arn = key_arn(account, key)
    base = build.stranger_finding(
        id=f"kx-{account[:4]}{key:04d}{number:04d}",
        key=build.key_facts(arn=arn, account_id=account, account_name=f"team {account[0]}"),
    )
    resource = replace(base.resource, arn=arn, account_id=account, account_name=f"team {account[0]}")
    return replace(base, resource=resource, **changes)  # type: ignore[arg-type]


def row(account: str, number: int) -> KeyRow:
    """The row of a key."""
    return replace(build.key_rows()[0], key_arn=key_arn(account, number), account_id=account, account_name="team")


FINDINGS = tuple(made(account, key, n) for account in ACCOUNTS for key in range(3) for n in range(4))
ROWS = tuple(row(account, key) for account in ACCOUNTS for key in range(5))
DOCUMENT = build.document(findings=FINDINGS)
SOURCES = PageSources(ROWS, {}, build.documents)


def split(folder: Path, findings: int = 10, document: FindingsDocument = DOCUMENT) -> RunDirectory:
    """A run directory with a report of pages that hold so many findings at most."""
    directory = RunDirectory.create(folder, "run")
    options = HtmlOptions(PageLimits(findings))
    render_all(document, SOURCES, directory, ReportOptions(("html",), html=options))
    return directory


def test_everything_that_fits_stands_on_one_page() -> None:
    (page,) = plan_pages(FINDINGS, ROWS, lambda _: 0, PageLimits(len(FINDINGS), len(ROWS), 0))
    assert (page.kind, page.path) == (PageKind.WHOLE, "report.html")
    assert len(page.findings) == len(FINDINGS)
    assert len(page.rows) == len(ROWS)


@pytest.mark.parametrize(
    "limits",
    [PageLimits(12), PageLimits(5), PageLimits(3), PageLimits(1), PageLimits(99, 2), PageLimits(99, 99, 250)],
    ids=["account", "part", "within a key", "one", "keys", "policies"],
)
def test_split_pages_hold_everything_once_and_stay_within_the_limits(limits: PageLimits) -> None:
    pages = plan_pages(FINDINGS, ROWS, lambda _: 100, limits)
    assert len(pages) >= len(ACCOUNTS)
    assert Counter(f.id for page in pages for f in page.findings) == Counter(f.id for f in FINDINGS)
    assert Counter(r.key_arn for page in pages for r in page.rows) == Counter(r.key_arn for r in ROWS)
    for page in pages:
        assert len(page.findings) <= limits.findings
        assert len(page.rows) <= limits.keys
        assert 100 * len(page.rows) <= limits.policy_characters
        assert {f.resource.account_id for f in page.findings} <= {page.account_id}
        assert {r.account_id for r in page.rows} <= {page.account_id}
    assert len({page.path for page in pages}) == len(pages)


def test_key_whose_policy_alone_is_too_large_still_has_a_page() -> None:
    pages = plan_pages((), ROWS, lambda _: 1000, PageLimits(policy_characters=10))
    assert sum(len(page.rows) for page in pages) == len(ROWS)


def test_first_part_of_an_account_holds_its_worst_findings() -> None:
    findings = [made(ACCOUNTS[0], n, 0, severity=list(Severity)[n % 5]) for n in range(20)]
    first, *others = plan_pages(findings, (), lambda _: 0, PageLimits(4))
    assert {f.severity for f in first.findings} == {Severity.CRITICAL}
    assert [page.part for page in (first, *others)] == [1, 2, 3, 4, 5]


def test_what_no_single_account_owns_has_a_page_of_its_own() -> None:
    odd = [made(ACCOUNTS[0], 1, 0), replace(made(ACCOUNTS[0], 2, 0), resource=replace(
        build.stranger_finding().resource, arn="arn:aws:iam::*:role/Audit", account_id="../../etc"
    ))]  # fmt: skip
    pages = plan_pages(odd, (), lambda _: 0, PageLimits(1))
    assert [page.path for page in pages] == [f"report/{ACCOUNTS[0]}.html", "report/other.html"]
    assert pages[1].account_id == ""


def test_links_lead_from_page_to_page_and_never_to_what_stands_nowhere() -> None:
    pages = plan_pages(FINDINGS, ROWS, lambda _: 0, PageLimits(12))
    places = places_of(pages)
    one = FINDINGS[0]
    assert Links(f"report/{ACCOUNTS[0]}.html", places).to(one.id) == f"#{one.id}"
    assert Links(f"report/{ACCOUNTS[1]}.html", places).to(one.id) == f"{ACCOUNTS[0]}.html#{one.id}"
    assert Links("report.html", places).to(one.id) == f"report/{ACCOUNTS[0]}.html#{one.id}"
    assert Links(f"report/{ACCOUNTS[1]}.html", places).page("report.html") == "../report.html"
    assert Links("report.html", places).key("arn:aws:kms:nowhere") == ""


def test_split_report_links_only_to_what_exists(tmp_path: Path) -> None:
    directory = split(tmp_path)
    texts = {name: (directory.path / name).read_text() for name in directory.files() if name.endswith(".html")}
    assert len(texts) == 1 + 6
    for name, text in texts.items():
        for href in re.findall(r'href="?([^"> ]*)', text):
            path, _, anchor = href.partition("#")
            target = (directory.path / name).parent / path if path else directory.path / name
            assert target.is_file(), href
            assert not anchor or re.search(f'id="?{anchor}[">]', target.read_text()), href
    assert all(f.id in "".join(texts.values()) for f in FINDINGS)


def test_index_counts_everything_and_holds_no_card(tmp_path: Path) -> None:
    index = (split(tmp_path).path / "report.html").read_text()
    assert "36 findings: 36 of the kind external access." in index
    assert '<details class="finding' not in index
    assert index.count('<tr class="row ') == 36
    assert '<section id="coverage"' in index
    assert '<section id="reach"' in index
    assert '<section id="method"' in index


def test_page_of_an_account_says_what_was_not_read_there_and_leads_back(tmp_path: Path) -> None:
    directory = split(tmp_path)
    page = (directory.path / "report" / f"{ACCOUNTS[1]}.html").read_text()
    assert "12 findings and 5 keys" not in page
    assert "part 1 of 2" in page
    assert 'href="../report.html"' in page
    assert "organizations:ListPoliciesForTarget" in page
    assert "kms:ListKeys" not in page
    assert page.count("<h1>") == 1


def test_report_that_fits_again_leaves_no_page_of_the_former_one(tmp_path: Path) -> None:
    directory = split(tmp_path)
    assert "report/111122223333-2.html" in directory.files()
    split(tmp_path, 20)
    assert "report/111122223333-2.html" not in directory.files()
    assert "report/111122223333.html" in directory.files()
    split(tmp_path, 1000)
    assert not (directory.path / "report").exists()
    assert sorted(entry.name for entry in directory.path.iterdir()) == ["report.html", "summary.json", "summary.md"]


def test_manifest_names_every_page(tmp_path: Path) -> None:
    directory = split(tmp_path)
    text = write_manifest(directory, DOCUMENT, "2026-11-22T00:30:00Z").read_text()
    assert '"report/222233334444.html"' in text


def test_file_in_the_place_of_the_folder_is_not_replaced(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    (directory.path / "report").write_text("mine")
    with pytest.raises(OutputError, match="is no folder"):
        split(tmp_path)
    assert (directory.path / "report").read_text() == "mine"
    assert directory.files() == ("report",)


def test_accepted_finding_stands_with_its_account_and_in_no_count(tmp_path: Path) -> None:
    accepted = build.accepted(made(ACCOUNTS[0], 1, 99))
    directory = split(tmp_path, document=build.document(findings=(*FINDINGS, accepted)))
    assert "36 findings" in (directory.path / "report.html").read_text()
    pages = [(directory.path / name).read_text() for name in directory.files() if name.startswith("report/")]
    assert sum(f'id="{accepted.id}"' in page for page in pages) == 1


def only(folder: Path, *ids: str) -> RunDirectory:
    """A run directory with a file for each named finding."""
    directory = RunDirectory.create(folder, "run")
    sources = PageSources(build.key_rows(), {}, build.documents, lambda _: KeyHolding())
    render_only(build.document(), sources, directory, HtmlOptions(only=ids))
    return directory


def test_one_finding_is_one_file_with_its_key_and_the_gaps_that_concern_it(tmp_path: Path) -> None:
    directory = only(tmp_path, "kx-7qk2d4n6x0ab")
    assert directory.files() == ("report-kx-7qk2d4n6x0ab.html",)
    page = (directory.path / "report-kx-7qk2d4n6x0ab.html").read_text()
    assert page.count('<details class="finding') == 1
    assert re.search(r'<details class="finding[^>]* open>', page)
    assert "organizations:ListPoliciesForTarget" in page
    assert "kms:ListKeys" not in page
    assert f"id={key_anchor(build.LOG_KEY_ARN)}>" in page
    assert key_anchor(build.KEY_ARN) not in page
    for href in re.findall(r'href="?#([^"> ]*)', page):
        assert re.search(f'id="?{href}[">]', page)


def test_accepted_finding_alone_is_shown_as_well(tmp_path: Path) -> None:
    finding = build.accepted(build.stranger_finding())
    directory = RunDirectory.create(tmp_path, "run")
    sources = PageSources(build.key_rows(), {}, build.documents)
    render_only(build.document(findings=(finding,)), sources, directory, HtmlOptions(only=(finding.id,)))
    assert f'id="{finding.id}"' in (directory.path / f"report-{finding.id}.html").read_text()


@pytest.mark.parametrize("name", ["kx-7qk2d4n6x0aa", "../../etc/passwd", ""])
def test_finding_that_does_not_exist_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no finding") as caught:
        only(tmp_path, "kx-pnfc3b5nav5y", name)
    assert list((tmp_path / "run").iterdir()) == []
    if name.startswith("kx-"):
        assert caught.value.hint == "did you mean `kx-7qk2d4n6x0ab`"
