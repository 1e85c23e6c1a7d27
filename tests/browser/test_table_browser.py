"""The table of all findings of a split report in a real browser: drawn in part, searched, walked, inert."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from scanner.model.finding import Finding, Severity
from scanner.report.context import PageSources
from scanner.report.directory import RunDirectory
from scanner.report.options import ReportOptions
from scanner.report.ordering import worst_first
from scanner.report.pages import HtmlOptions, PageLimits
from scanner.report.write import render_all

import report_builders as build
from browser_pages import Watched, tick

pytestmark = pytest.mark.browser

NUMBER = 160
BEYOND_TWENTY = re.compile(r"2[1-9]|[3-9]\d|\d{3,}")
Opener = Callable[..., Watched]


def plain(number: int) -> Finding:
    """A finding of one of four accounts, which only its number tells from the others."""
    account = f"{number % 4}" * 12
    arn = f"arn:aws:kms:eu-west-1:{account}:key/{number:08d}-0000-0000-0000-000000000000"
    base = build.stranger_finding()
    return replace(
        base,
        id=f"kx-plain{number:05d}",
        title=f"Account number {number} can decrypt with `alias/plain-{number}`",
        severity=Severity.LOW if number % 2 else Severity.HIGH,
        key=build.key_facts(arn=arn, account_id=account, aliases=(f"alias/plain-{number}",)),
        resource=replace(base.resource, arn=arn, account_id=account, account_name=""),
    )


def hostile_finding(number: int, text: str) -> Finding:
    """A finding whose texts attack the page."""
    base = build.hostile_document(text).findings[0]
    return replace(base, id=f"kx-hostile{number:05d}", severity=Severity.CRITICAL)


FINDINGS = (
    *(plain(number) for number in range(NUMBER)),
    *(hostile_finding(number, text) for number, text in enumerate(build.HOSTILE)),
)
ORDER = [finding.id for finding in worst_first(FINDINGS)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with many findings and a hostile one for each text of the corpus."""
    directory = RunDirectory.create(tmp_path_factory.mktemp("table"), "run")
    sources = PageSources((), {}, build.documents)
    options = ReportOptions(("html",), html=HtmlOptions(PageLimits(100)))
    render_all(build.document(findings=FINDINGS), sources, directory, options)
    return directory.path


@pytest.fixture
def opened(browser: Browser, run: Path) -> Iterator[Opener]:
    """Opens the index in a context of its own and waits until its table is drawn."""
    contexts = []

    def opener(*, before: str = "", drawn: bool = True, **settings: object) -> Watched:
        context = browser.new_context(**settings)  # type: ignore[arg-type]
        contexts.append(context)
        if before:
            context.add_init_script(before)
        watched = Watched(context.new_page())
        watched.page.goto((run / "report.html").as_uri())
        if drawn:
            watched.page.locator(".lines .line").first.wait_for()
        return watched

    yield opener
    for context in contexts:
        context.close()


def lines(page: Page) -> list[str]:
    """Ids of the rows that are drawn."""
    return page.locator(".lines .line a").all_text_contents()


def search(page: Page, text: str) -> None:
    page.get_by_role("searchbox").fill(text)


def test_table_shows_the_worst_of_all_findings_and_draws_only_what_is_in_sight(opened: Opener) -> None:
    page = opened().page
    assert page.get_by_role("status").inner_text() == f"{len(ORDER)} of {len(ORDER)} findings shown"
    assert 5 < len(lines(page)) < 40
    assert lines(page) == ORDER[: len(lines(page))]
    assert page.get_by_role("grid").get_attribute("aria-rowcount") == f"{len(ORDER) + 1}"
    assert not page.locator(".row").first.is_visible()
    assert page.get_by_role("searchbox").count() == 1


def test_bar_beside_the_table_leads_to_its_last_row(opened: Opener) -> None:
    page = opened().page
    page.locator(".grid").evaluate("node => { node.scrollTop = node.scrollHeight }")
    last = page.get_by_role("link", name=ORDER[-1])
    last.wait_for()
    inside = (
        "node => node.getBoundingClientRect().bottom <= document.querySelector('.grid').getBoundingClientRect().bottom"
    )
    assert last.evaluate(inside)
    assert lines(page)[-1] == ORDER[-1]
    assert len(lines(page)) < 40


def test_longer_list_than_a_browser_lays_out_still_ends_with_its_last_row(opened: Opener) -> None:
    page = opened().page
    page.evaluate("document.styleSheets[0].insertRule('.lines .line { height: 90000px !important }', 0)")
    page.set_viewport_size({"width": 1200, "height": 800})
    expect(page.locator(".lines")).to_have_js_property("offsetHeight", 10_000_000)
    page.locator(".grid").focus()
    page.keyboard.press("End")
    assert lines(page)[-1] == ORDER[-1]
    place = "node => node.getBoundingClientRect().top - document.querySelector('.lines').getBoundingClientRect().top"
    assert page.locator(".lines .line").last.evaluate(place) <= 1e7


def test_search_narrows_to_rows_with_every_word_and_the_count_says_so(opened: Opener) -> None:
    page = opened().page
    status = page.get_by_role("status")
    search(page, "PLAIN-12 number")
    assert lines(page) == [name for name in ORDER if re.fullmatch("kx-plain00(012|12[0-9])", name)]
    assert status.inner_text().startswith("11 of ")
    search(page, "arn:aws:kms:eu-west-1:333333333333:key/00000007-0000-0000-0000-000000000000")
    assert lines(page) == ["kx-plain00007"]
    search(page, "no such text anywhere")
    assert lines(page) == []
    assert status.inner_text().startswith("0 of ")
    search(page, "")
    assert status.inner_text().startswith(f"{len(ORDER)} of ")


def test_checkboxes_narrow_by_severity_and_by_what_they_say(opened: Opener) -> None:
    page = opened().page
    status = page.get_by_role("status")
    boxes = page.get_by_role("group", name="Filter all findings")
    tick(boxes.get_by_role("checkbox", name="critical"), on=False)
    assert status.inner_text().startswith(f"{NUMBER} of ")
    tick(boxes.get_by_role("checkbox", name="high"), on=False)
    assert status.inner_text().startswith(f"{NUMBER // 2} of ")
    assert lines(page)[0] == "kx-plain00001"
    tick(boxes.get_by_role("checkbox", name="confirmed"), on=False)
    assert status.inner_text() == f"0 of {len(ORDER)} findings shown"


def test_search_that_meets_only_what_filters_hide_says_how_many(opened: Opener) -> None:
    page = opened().page
    boxes = page.get_by_role("group", name="Filter all findings")
    tick(boxes.get_by_role("checkbox", name="confirmed"), on=False)
    search(page, "PLAIN-12 number")
    assert lines(page) == []
    assert (
        page.get_by_role("status").inner_text()
        == f"0 of {len(ORDER)} findings shown, 11 with this text hidden by filters"
    )


def test_link_of_a_row_opens_the_card_on_its_page(opened: Opener) -> None:
    page = opened().page
    search(page, "plain-123")
    page.get_by_role("link", name="kx-plain00123").click()
    assert re.search(r"/report/333333333333(-\d+)?\.html#kx-plain00123$", page.url)
    assert page.locator("#kx-plain00123").is_visible()
    assert page.locator("details[open]").count() == 1


def test_arrows_walk_the_rows_and_enter_opens_one(opened: Opener) -> None:
    page = opened().page
    focused = "document.activeElement.textContent"
    page.get_by_role("searchbox").focus()
    page.keyboard.press("Tab")
    assert page.evaluate(focused) == ORDER[0]
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == ORDER[1]
    page.keyboard.press("End")
    assert page.evaluate(focused) == ORDER[-1]
    page.keyboard.press("ArrowUp")
    assert page.evaluate(focused) == ORDER[-2]
    page.keyboard.press("PageUp")
    assert page.evaluate(focused) in ORDER[-20:-3]
    page.keyboard.press("Home")
    assert page.evaluate(focused) == ORDER[0]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/report/*.html#{ORDER[0]}")


def test_only_one_row_is_a_stop_of_the_tab_key_wherever_the_list_stands(opened: Opener) -> None:
    page = opened().page
    page.locator(".grid").evaluate("node => { node.scrollTop = 9000 }")
    expect(page.locator(".lines .line").first).to_have_attribute("data-place", BEYOND_TWENTY)
    stops = page.locator(".lines a[tabindex='0']")
    assert stops.count() == 1
    below = "node => node.getBoundingClientRect().top >= document.querySelector('.head').getBoundingClientRect().bottom"
    assert stops.evaluate(below)
    page.get_by_role("searchbox").focus()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == stops.inner_text()


def test_focus_stays_in_the_table_when_its_row_is_scrolled_away(opened: Opener) -> None:
    page = opened().page
    page.locator(".lines a").first.focus()
    page.locator(".grid").evaluate("node => { node.scrollTop = 9000 }")
    expect(page.locator(".lines .line").first).to_have_attribute("data-place", BEYOND_TWENTY)
    assert page.evaluate("document.activeElement.className") == "grid"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent") == ORDER[1]


def test_hostile_names_stay_text_in_every_row(opened: Opener) -> None:
    watched = opened()
    page = watched.page
    elements = set()
    for number in range(len(build.HOSTILE)):
        search(page, f"kx-hostile{number:05d}")
        assert lines(page) == [f"kx-hostile{number:05d}"]
        elements |= set(page.locator(".lines *").evaluate_all("nodes => nodes.map(node => node.localName)"))
    assert elements == {"div", "span", "small", "code", "a"}
    search(page, "<script>alert(1)</script>")
    assert "<script>alert(1)</script>" in page.locator(".lines").inner_text()
    names = page.locator(".lines *").evaluate_all("nodes => nodes.flatMap(node => node.getAttributeNames())")
    assert set(names) <= {"role", "class", "aria-rowindex", "data-place", "style", "tabindex", "href", "title"}
    links = page.locator(".lines a").evaluate_all("nodes => nodes.map(node => node.getAttribute('href'))")
    assert all(re.fullmatch(r"report/(\d{12}|other)(-\d+)?\.html#kx-hostile\d{5}", link) for link in links)
    assert watched.console == []
    assert page.title() != "owned"


def test_every_row_is_drawn_without_a_request_or_a_message(opened: Opener, run: Path) -> None:
    watched = opened()
    watched.page.locator(".lines a").first.focus()
    for _ in range(60):
        watched.page.keyboard.press("PageDown")
    assert lines(watched.page)[-1] == ORDER[-1]
    assert watched.requests == [(run / "report.html").as_uri()]
    assert watched.console == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "text"), [(1280, ""), (390, ""), (390, "no such text"), (700, "no such text")])
def test_axe_finds_no_violation_in_the_table(opened: Opener, scheme: str, width: int, text: str) -> None:
    page = opened(bypass_csp=True, color_scheme=scheme, viewport={"width": width, "height": 900}).page
    search(page, text)
    result = Axe().run(page, context=".all")
    assert result.violations_count == 0, result.generate_report()


@pytest.mark.parametrize("width", [1280, 390])
def test_table_is_never_wider_than_the_window_and_no_row_reaches_into_the_next(opened: Opener, width: int) -> None:
    page = opened(viewport={"width": width, "height": 900}).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    first = page.locator(".lines .line").first.bounding_box()
    grid, head = page.locator(".grid").bounding_box(), page.locator(".head").bounding_box()
    assert first is not None
    assert grid is not None
    assert head is not None
    above = head["height"] if width > 640 else 0
    assert abs(first["y"] - grid["y"] - above) < 3
    boxes = page.locator(".lines .line").evaluate_all(
        "nodes => nodes.map(node => node.getBoundingClientRect()).map(box => [box.top, box.bottom])"
    )
    assert all(abs(one[1] - other[0]) < 1 for one, other in pairwise(boxes))
    cut = page.locator(".lines .line").evaluate_all(
        "nodes => nodes.filter(node => node.scrollHeight > node.clientHeight + 1).map(node => node.textContent)"
    )
    assert cut == []


def static_table_is_there(page: Page) -> None:
    assert page.locator(".row:visible").count() == len(ORDER)
    assert not page.locator(".all").is_visible()
    tick(page.locator("#s-critical"), on=False)
    assert page.locator(".row:visible").count() == NUMBER


def test_without_javascript_the_static_table_is_there(opened: Opener) -> None:
    static_table_is_there(opened(drawn=False, java_script_enabled=False).page)


@pytest.mark.parametrize(
    "before",
    ["delete window.DecompressionStream", "window.DecompressionStream = class { constructor() { throw Error() } }"],
    ids=["missing", "broken"],
)
def test_without_decompression_the_static_table_is_there_with_its_search(opened: Opener, before: str) -> None:
    watched = opened(before=before, drawn=False)
    static_table_is_there(watched.page)
    watched.page.get_by_role("searchbox").fill("plain-123")
    assert watched.page.locator(".row:visible").count() == 1
    assert watched.console == []


def test_paper_has_the_static_table_instead(opened: Opener) -> None:
    page = opened().page
    page.emulate_media(media="print")
    assert page.locator(".row:visible").count() == len(ORDER)
    assert not page.locator(".all").is_visible()
