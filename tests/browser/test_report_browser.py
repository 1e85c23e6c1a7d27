"""report.html in a real browser, opened from a file: silent, blocked, readable, accessible, printable."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from scanner.model.decision import GateOutcome
from scanner.model.finding import Hop
from scanner.model.finding import Path as FindingPath
from scanner.report.html import render_html

import report_builders as build
from browser_pages import Watched, shown_findings, tick

pytestmark = pytest.mark.browser


def test_opening_the_file_asks_for_nothing_and_logs_nothing(browser: Browser, report: Path) -> None:
    with browser.new_context() as context:
        watched = Watched(context.new_page())
        watched.page.goto(report.as_uri())
        for card in watched.page.locator("details:visible").all():
            card.locator("> summary").click()
        assert watched.requests == [report.as_uri()]
        assert watched.console == []


def test_page_is_readable_and_filters_work_without_javascript(browser: Browser, report: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        assert page.locator("h1").inner_text().startswith("Two accounts outside")
        assert page.locator("#coverage").is_visible()
        before = shown_findings(page)
        assert "kx-pnfc3b5nav5y" in before
        assert "kx-7qk2d4n6x0ab" not in before
        tick(page.locator("#s-critical"), on=False)
        tick(page.locator("#s-info"))
        after = shown_findings(page)
        assert "kx-pnfc3b5nav5y" not in after
        assert "kx-7qk2d4n6x0ab" in after
        tick(page.locator("#v-possible"), on=False)
        assert "kx-7qk2d4n6x0ab" not in shown_findings(page)
        page.locator("details:visible > summary").first.click()
        assert page.locator("details[open] figure").first.is_visible()


def test_key_without_a_shown_finding_disappears_and_the_count_follows(browser: Browser, report: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(report.as_uri())
        assert page.locator(".group:visible").count() == len(
            {card.locator("..").get_attribute("aria-labelledby") for card in page.locator(".finding:visible").all()}
        )
        for severity in ("critical", "high"):
            tick(page.locator(f"#s-{severity}"), on=False)
        assert page.locator(".group:visible").count() == 0
        assert page.locator(".shown").is_visible()


def test_deep_link_opens_its_card_even_when_the_filter_hides_it(browser: Browser, report: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{report.as_uri()}#kx-7qk2d4n6x0ab")
        assert page.locator("#kx-7qk2d4n6x0ab").is_visible()
        assert page.locator("details[open]").count() == 1


def test_content_security_policy_blocks_what_is_injected(browser: Browser, report: Path, tmp_path: Path) -> None:
    (tmp_path / "pixel.png").write_bytes(b"")
    attack = (
        "<script>document.title='owned'</script>"
        "<img src=pixel.png onerror=\"document.title='owned'\">"
        "<p id=victim style='color:rgb(255,0,0)'>x</p><style>#victim{background:rgb(0,255,0)}</style>"
        "<img src='http://127.0.0.1:9/beacon'><iframe src='pixel.png'></iframe>"
    )
    path = tmp_path / "injected.html"
    path.write_text(report.read_text(encoding="utf-8").replace("</main>", f"{attack}</main>"), encoding="utf-8")
    with browser.new_context() as context:
        watched = Watched(context.new_page())
        answered: list[str] = []
        watched.page.on("response", lambda response: answered.append(response.url))
        watched.page.goto(path.as_uri())
        style = watched.page.locator("#victim").evaluate(
            "node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]"
        )
        assert watched.page.title() != "owned"
        assert "rgb(255, 0, 0)" not in style
        assert "rgb(0, 255, 0)" not in style
        assert all(url.endswith("injected.html") for url in answered)
        assert len([text for text in watched.console if "Content Security Policy" in text]) >= 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser: Browser, report: Path, scheme: str) -> None:
    with browser.new_context(bypass_csp=True, color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(report.as_uri())
        tick(page.locator("#s-info"))
        page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true })")
        # axe takes the guessed place of a card that is not laid out yet for its real one
        page.add_style_tag(content=".finding { content-visibility: visible !important }")
        result = Axe().run(page)
        assert result.violations_count == 0, result.generate_report()


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_long_names_never_widen_the_page(browser: Browser, report: Path, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        tick(page.locator("#s-info"))
        page.evaluate("document.querySelectorAll('details').forEach(node => { node.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_gaps_are_read_whole_on_a_phone_with_what_to_do(browser: Browser, report: Path) -> None:
    with browser.new_context(viewport={"width": 390, "height": 900}) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        cells = page.locator(".gaps tbody th, .gaps tbody td")
        assert cells.count() >= 6
        edges = cells.evaluate_all("cells => cells.map(cell => cell.getBoundingClientRect().right)")
        assert max(edges) <= 390
        said = page.locator(".gaps td[data-label='What to do']").first
        assert "What to do" in said.evaluate("cell => getComputedStyle(cell, '::before').content")


@pytest.mark.parametrize("width", [390, 1280])
def test_table_of_keys_is_read_whole_without_scrolling_aside(browser: Browser, tmp_path: Path, width: int) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(render_html(build.document(), build.key_rows(), {}, build.documents))
    with browser.new_context(viewport={"width": width, "height": 844}) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        region = page.get_by_role("region", name="All keys")
        assert region.evaluate("node => node.scrollWidth - node.clientWidth") <= 0
        assert region.get_by_text("kx-pnfc3b5nav5y").evaluate("node => node.getBoundingClientRect().right") <= width


def test_navigation_stays_in_sight_on_a_wide_screen_and_not_on_a_phone(browser: Browser, report: Path) -> None:
    for width, stays in ((1280, True), (390, False)):
        with browser.new_context(viewport={"width": width, "height": 900}) as context:
            page = context.new_page()
            page.goto(report.as_uri())
            page.evaluate("document.getElementById('keys').scrollIntoView()")
            top = page.locator("body > nav").evaluate("nav => nav.getBoundingClientRect().top")
            assert (top >= 0) is stays


def test_keyboard_reaches_the_skip_link_first_and_opens_a_card(browser: Browser, report: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.locator(".finding:visible > summary").first.focus()
        page.keyboard.press("Enter")
        assert page.locator(".finding[open]").count() == 1


def test_print_is_light_without_filters_and_expands_the_worst(browser: Browser, report: Path, tmp_path: Path) -> None:
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(report.as_uri())
        pdf = page.pdf(path=tmp_path / "report.pdf", format="A4")
        assert pdf.startswith(b"%PDF")
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator(".filters").is_visible()
        assert not page.locator("body > nav").is_visible()
        assert page.locator("#kx-pnfc3b5nav5y").is_visible()
        assert page.locator(".finding:visible").count() == page.locator(".finding").count()


@pytest.mark.parametrize("width", [1280, 700])
def test_names_of_actions_stay_on_one_line(browser: Browser, report: Path, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        card = page.locator(".finding:has(#kx-pnfc3b5nav5y)")
        card.locator("> summary").click()
        heights = card.locator(".caps > li").evaluate_all(
            """items => items.flatMap(item => [...item.childNodes].filter(node => node.nodeType === 3).flatMap(
              node => [...node.data.matchAll(/[A-Z]\\w+/g)].map(name => {
                const range = document.createRange();
                range.setStart(node, name.index);
                range.setEnd(node, name.index + name[0].length);
                return range.getBoundingClientRect().height;
              })))"""
        )
        assert len(heights) >= 2
        assert max(heights) == min(heights) < 40


@pytest.fixture(scope="module")
def long_way(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finding whose path has five hops, and one of each other outcome."""
    roles = [f"arn:aws:iam::{number}{number}{number}{number}55556666:role/step-{number}" for number in range(1, 7)]
    hops = tuple(Hop(who, "sts:AssumeRole", role, "conditional", "residual_condition") for who, role in pairwise(roles))
    finding = build.stranger_finding()
    outcomes = tuple(
        replace(gate, outcome=outcome) for gate, outcome in zip(finding.path.layers, GateOutcome, strict=False)
    )
    path = tmp_path_factory.mktemp("long") / "report.html"
    shown = build.document(findings=(replace(finding, path=FindingPath(hops, outcomes)),))
    path.write_bytes(render_html(shown, build.key_rows(), {}, build.documents))
    return path


@pytest.mark.parametrize("width", [1280, 390, 320])
def test_path_of_five_hops_is_drawn_whole_with_readable_text(browser: Browser, long_way: Path, width: int) -> None:
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.goto(long_way.as_uri())
        page.locator(".finding > summary").click()
        box = page.locator(".path").bounding_box()
        parts = page.locator(".path > p")
        assert box is not None
        assert parts.count() == 7
        edges = page.locator(".path em, .path svg use").evaluate_all(
            "nodes => nodes.map(node => node.getBoundingClientRect()).filter(r => r.height).map(r => [r.left, r.right])"
        )
        assert min(left for left, _ in edges) >= box["x"] - 1
        assert max(right for _, right in edges) <= box["x"] + box["width"] + 1
        sizes = page.locator(".path em, .gate-label").evaluate_all(
            "nodes => nodes.map(node => parseFloat(getComputedStyle(node).fontSize))"
        )
        assert min(sizes) >= 11
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_no_violation_in_a_card_with_a_long_path(
    browser: Browser, long_way: Path, scheme: str, width: int
) -> None:
    with browser.new_context(
        bypass_csp=True,
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 900},
    ) as context:
        page = context.new_page()
        page.goto(long_way.as_uri())
        page.locator(".finding > summary").click()
        page.add_style_tag(content=".finding { content-visibility: visible !important }")
        result = Axe().run(page, context=".finding")
        assert result.violations_count == 0, result.generate_report()
        assert page.get_by_role("img").count() == 7
        for words in (
            *(f"trust policy of role/step-{n}" for n in range(2, 7)),
            "identity policies",
            "resource control",
        ):
            assert page.get_by_role("img", name=words).count() == 1


def test_picture_keeps_its_shapes_where_the_reader_chooses_the_colours(browser: Browser, long_way: Path) -> None:
    strokes = []
    for forced in ("none", "active"):
        with browser.new_context(forced_colors=forced) as context:  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(long_way.as_uri())
            found = page.locator("symbol circle, symbol path:not(.gap), symbol rect").evaluate_all(
                "nodes => nodes.map(node => getComputedStyle(node).stroke)"
            )
            strokes.append(set(found))
    assert len(strokes[0]) > 3
    assert len(strokes[1]) == 1, "colour only repeats what the shape says"


def test_table_that_goes_on_beyond_its_box_can_be_scrolled_to_its_end(browser: Browser, report: Path) -> None:
    with browser.new_context(viewport={"width": 700, "height": 900}) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        box = page.locator("#coverage .scroll")
        assert "gradient" in box.evaluate("node => getComputedStyle(node).backgroundImage")
        box.evaluate("node => { node.scrollLeft = node.scrollWidth }")
        last = box.locator("th").filter(has_text="Findings weakened")
        ends = [node.evaluate("node => node.getBoundingClientRect().right") for node in (last, box)]
        assert ends[0] <= ends[1] + 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two findings that cite the same lines of a policy with the same marks."""
    path = tmp_path_factory.mktemp("shared") / "report.html"
    first = build.stranger_finding()
    document = build.document(findings=(first, replace(first, id="kx-000000000002")))
    path.write_bytes(render_html(document, build.key_rows(), {}, build.documents))
    return path


def test_statement_that_several_cards_cite_leads_to_its_lines_and_paper_has_them(
    browser: Browser, shared: Path
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(shared.as_uri())
        card = page.locator(".finding:has(#kx-000000000002)")
        card.locator("> summary").click()
        assert card.locator("figure").count() == 0
        card.get_by_role("link", name="LegacyShare of key policy").click()
        lines = page.locator("figure:target")
        assert lines.get_by_text("arn:aws:iam::999988887777:root").is_visible()
        assert "delegates to every principal" in lines.inner_text()
        page.emulate_media(media="print")
        assert lines.is_visible()


def test_search_finds_a_card_by_the_evidence_that_it_leads_to(browser: Browser, shared: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(shared.as_uri())
        page.get_by_role("searchbox").fill("Delegates to every principal")
        assert page.locator(".finding:visible").count() == 2
        page.get_by_role("searchbox").fill("delegates to nowhere")
        assert page.locator(".finding:visible").count() == 0
