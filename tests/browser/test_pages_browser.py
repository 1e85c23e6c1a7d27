"""The page around the cards in a real browser: search, deep links, keyboard, print, and the pages of a split report."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from scanner.report.context import PageSources
from scanner.report.directory import RunDirectory
from scanner.report.options import ReportOptions
from scanner.report.pages import HtmlOptions
from scanner.report.write import render_all

import report_builders as build
from browser_pages import Watched, shown_findings, tick

pytestmark = pytest.mark.browser

STRANGER, PARTNER, HIDDEN = "kx-pnfc3b5nav5y", "kx-3v3amusq34ah", "kx-7qk2d4n6x0ab"
PAGES = ("report.html", "report/012345670123.html", "report/012345670123-2.html", f"report-{PARTNER}.html")
each_page = pytest.mark.parametrize("name", PAGES)

CUT_TEXT = """() => {
  const wide = document.documentElement.clientWidth + 1, cut = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, owner = node.parentElement;
    if (!node.data.trim() || !owner.checkVisibility() || owner.closest("svg")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.right > wide || box.left < -1) cut.push(node.data.slice(0, 60));
      for (let outer = owner; outer !== document.body && outer; outer = outer.parentElement) {
        if (getComputedStyle(outer).overflowX === "visible") continue;
        const edge = outer.getBoundingClientRect();
        if (box.right > edge.right + 1 || box.bottom > edge.bottom + 1) cut.push(node.data.slice(0, 60));
      }
    }
  }
  return cut;
}"""
"""Texts that reach beyond the paper, or beyond a box that hides what does; pictures have tests of their own."""


def opened(browser: Browser, path: Path, *, javascript: bool = True, anchor: str = "") -> Page:
    """A page in a context of its own."""
    page = browser.new_context(java_script_enabled=javascript).new_page()
    page.goto(f"{path.as_uri()}{anchor}")
    return page


def test_search_hides_what_does_not_hold_the_text_and_the_count_says_so(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    status = page.get_by_role("status")
    before = len(shown_findings(page))
    assert status.inner_text().startswith(f"{before} of ")
    page.get_by_role("searchbox", name="Text").fill("Payroll-READER")
    assert PARTNER in shown_findings(page)
    assert STRANGER not in shown_findings(page)
    assert status.inner_text().startswith(f"{len(shown_findings(page))} of ")
    page.get_by_role("searchbox").fill("no such text anywhere")
    assert shown_findings(page) == []
    assert page.locator(".group:visible").count() == 0
    assert status.inner_text().startswith("0 of ")
    page.get_by_role("searchbox").fill("")
    assert len(shown_findings(page)) == before


def test_search_wants_every_word_wherever_it_stands_and_reads_the_heading_above_a_card(
    browser: Browser, report: Path
) -> None:
    page = opened(browser, report)
    status, box = page.get_by_role("status"), page.get_by_role("searchbox")
    box.fill("payments-prod Payroll-READER")
    assert PARTNER in shown_findings(page)
    assert STRANGER not in shown_findings(page)
    box.fill("card data pay")
    assert {PARTNER, STRANGER} <= set(shown_findings(page))
    box.fill("payments-prod zebra")
    assert status.inner_text().startswith("0 of ")
    assert status.inner_text().endswith(": none has all these words")
    assert "every word" in str(box.get_attribute("placeholder"))


def test_search_that_meets_only_what_filters_hide_says_so(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    status = page.get_by_role("status")
    page.get_by_role("searchbox").fill(HIDDEN)
    assert shown_findings(page) == []
    assert status.inner_text().endswith(" findings shown, 1 with this text hidden by filters")
    tick(page.locator("#s-info"))
    assert shown_findings(page) == [HIDDEN]
    assert status.inner_text().endswith(" findings shown")
    tick(page.locator("#s-info"), on=False)
    page.get_by_role("searchbox").fill("")
    assert status.inner_text().endswith(" findings shown")


def test_count_follows_the_checkboxes_with_and_without_javascript(browser: Browser, report: Path) -> None:
    counts = []
    for javascript in (True, False):
        page = opened(browser, report, javascript=javascript)
        tick(page.locator("#s-critical"), on=False)
        if javascript:
            counts.append(page.locator(".shown").inner_text())
        assert page.locator(".shown").is_visible()
        assert page.locator(".search").is_visible() is javascript
        assert len(shown_findings(page)) == int(counts[0].split()[0])


def test_link_to_a_card_opens_it_although_filter_and_search_hide_it(browser: Browser, report: Path) -> None:
    page = opened(browser, report, anchor=f"#{HIDDEN}")
    assert page.locator(f"#{HIDDEN}").is_visible()
    page.get_by_role("searchbox").fill("no such text anywhere")
    page.evaluate(f"location.hash = '#{PARTNER}'")
    page.locator(f"#{PARTNER}").wait_for(state="visible")
    assert page.locator(f"#{PARTNER}").evaluate("node => node.getBoundingClientRect().top < innerHeight")


def test_key_opens_its_policy_without_javascript(browser: Browser, report: Path) -> None:
    page = opened(browser, report, javascript=False)
    link = page.locator("table.keys a[href^='#doc-']").first
    target = str(link.get_attribute("href"))
    assert not page.locator(target).is_visible()
    link.click()
    assert page.locator(target).is_visible()


def test_matrix_leads_to_the_worst_finding(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    row = page.locator(".reach tbody tr").filter(has=page.get_by_role("rowheader", name="999988887777", exact=True))
    row.get_by_role("link").click()
    assert page.locator(f"#{STRANGER}").is_visible()


def test_keyboard_alone_reaches_a_filter_and_opens_a_card(browser: Browser, report: Path) -> None:
    page = opened(browser, report)

    def tab_to(selector: str) -> None:
        for _ in range(200):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
        pytest.fail(f"no key press reaches {selector}")

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    tab_to("#s-critical")
    page.keyboard.press("Space")
    assert STRANGER not in shown_findings(page)
    page.keyboard.press("Space")
    tab_to("#q")
    page.keyboard.type("LegacyShare")
    assert STRANGER in shown_findings(page)
    tab_to(".finding > summary")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.locator(".finding[open]").count() == 1


@each_page
def test_page_of_a_split_report_asks_for_nothing_else(browser: Browser, split: Path, name: str) -> None:
    with browser.new_context() as context:
        watched = Watched(context.new_page())
        watched.page.goto((split / name).as_uri())
        for card in watched.page.locator("details:visible").all():
            card.locator("> summary").click()
        assert watched.requests == [(split / name).as_uri()]
        assert watched.console == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@each_page
def test_axe_finds_no_violation_on_any_page(browser: Browser, split: Path, name: str, scheme: str) -> None:
    with browser.new_context(bypass_csp=True, color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto((split / name).as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true })")
        page.evaluate("document.querySelectorAll('input[type=checkbox]').forEach(node => { node.checked = true })")
        page.add_style_tag(content=".finding { content-visibility: visible !important }")
        result = Axe().run(page)
        assert result.violations_count == 0, result.generate_report()


@pytest.mark.parametrize("width", [1280, 390])
@each_page
def test_no_page_is_wider_than_the_window(browser: Browser, split: Path, name: str, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto((split / name).as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_index_filters_its_rows_and_leads_to_the_open_card_without_javascript(browser: Browser, split: Path) -> None:
    page = opened(browser, split / "report.html", javascript=False)
    rows = page.locator(".row:visible")
    assert rows.count() == 2
    tick(page.locator("#s-info"))
    assert rows.count() == 4
    tick(page.locator("#s-critical"), on=False)
    assert rows.count() == 3
    tick(page.locator("#s-critical"))
    rows.filter(has_text=STRANGER).get_by_role("link").click()
    assert page.url.endswith(f"/report/012345670123.html#{STRANGER}")
    assert page.locator(f"#{STRANGER}").is_visible()
    page.get_by_role("link", name="The whole report").click()
    assert page.locator("h1").inner_text().startswith("Two accounts outside")


def test_file_of_one_finding_shows_it_open(browser: Browser, split: Path) -> None:
    page = opened(browser, split / f"report-{PARTNER}.html", javascript=False)
    assert page.locator(f"#{PARTNER}").is_visible()
    assert page.locator(".finding").count() == 1
    assert page.locator(".filters, .shown, script").count() == 0


def on_paper(browser: Browser, path: Path) -> Page:
    """A page laid out as on A4, whose margins leave 182 mm."""
    page = browser.new_context(viewport={"width": 688, "height": 1000}, color_scheme="dark").new_page()
    page.goto(path.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    return page


@each_page
def test_paper_cuts_no_text(browser: Browser, split: Path, name: str) -> None:
    assert on_paper(browser, split / name).evaluate(CUT_TEXT) == []


def test_paper_cuts_no_text_however_long_it_is(browser: Browser, report: Path) -> None:
    page = on_paper(browser, report)
    page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true })")
    assert page.evaluate(CUT_TEXT) == []


def test_paper_shows_the_worst_open_and_the_others_on_one_line(browser: Browser, report: Path) -> None:
    page = on_paper(browser, report)
    assert page.locator(f"#{STRANGER} figure").first.is_visible()
    assert page.locator(f"#{PARTNER}").is_visible()
    assert not page.locator(f"#{HIDDEN}").is_visible()
    assert page.locator(f".finding:has(#{HIDDEN}) > summary").is_visible()


def test_search_leaves_nothing_out_on_paper(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    page.get_by_role("searchbox").fill("no such text anywhere")
    page.emulate_media(media="print")
    assert page.locator(".finding:visible").count() == page.locator(".finding").count()


def test_print_full_opens_every_card_on_paper_and_none_on_the_screen(browser: Browser, tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    sources = PageSources(build.key_rows(), {}, build.documents)
    render_all(build.document(), sources, directory, ReportOptions(("html",), html=HtmlOptions(print_full=True)))
    page = opened(browser, directory.path / "report.html")
    assert page.locator(".finding > div:visible").count() == 0
    page.emulate_media(media="print")
    assert page.locator(".finding > div:visible").count() == page.locator(".finding").count()


def test_nothing_moves_for_a_reader_who_asked_for_it(browser: Browser, report: Path) -> None:
    with browser.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(report.as_uri())
        moving = page.evaluate(
            """[...document.querySelectorAll("*")].filter(
              node => getComputedStyle(node).transitionDuration !== "0s"
            ).length"""
        )
        assert moving == 0
