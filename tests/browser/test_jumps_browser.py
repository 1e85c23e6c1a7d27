"""Where a jump within report.html lands: below the menu that stays at the top, whatever stands there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from scanner.model.finding import Kind, ResourceRef
from scanner.report.html import render_html
from scanner.report.keys import key_anchor

import report_builders as build

pytestmark = pytest.mark.browser

CARD = "kx-pnfc3b5nav5y"
TOP = """([target, head]) => {
  const found = document.querySelector(target), shown = head ? found.closest(head) : found;
  const menu = document.querySelector("body > nav");
  const covers = getComputedStyle(menu).position === "sticky" ? menu.getBoundingClientRect().bottom : 0;
  return [shown.getBoundingClientRect().top - covers, innerHeight - shown.getBoundingClientRect().top];
}"""
"""How far the head of a target stands below the menu, and above the lower edge of the window."""


@pytest.fixture(scope="module")
def jumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in which two cards have an excerpt in common, and enough keys to scroll."""
    partner = build.partner_finding()
    about = build.key_facts(arn=build.LOG_KEY_ARN, aliases=("alias/logs",))
    other = replace(partner, id="kx-other", key=about, resource=build.resource_of(about))
    again = replace(partner, id="kx-again")
    document = build.document(findings=(*build.document().findings, other, again))
    rows = [replace(build.key_rows()[1], key_arn=f"{build.LOG_KEY_ARN[:-4]}{number}") for number in range(1000, 1030)]
    path = tmp_path_factory.mktemp("jumps") / "report.html"
    path.write_bytes(render_html(document, (*build.key_rows(), *rows), {}, build.documents))
    return path


def landed(page: Page, target: str, head: str) -> tuple[float, float]:
    """The place of a target when the page has come to rest after a jump to it: two looks see the same."""
    places = [page.evaluate(TOP, [target, head])]
    while len(places) < 3 or places[-1] != places[-3]:
        page.screenshot()  # lays out and paints
        places.append(page.evaluate(TOP, [target, head]))
    below, above = places[-1]
    return below, above


@pytest.mark.parametrize("javascript", [True, False])
@pytest.mark.parametrize("width", [1280, 960, 390])
@pytest.mark.parametrize(
    ("target", "head"),
    [(f"#{CARD}", ".finding"), (".keys tbody tr:nth-child(2)", ""), ("#e1", ""), (".group:nth-child(2) > h3", "")],
)
def test_what_a_jump_leads_to_stands_below_the_menu(
    browser: Browser, jumps: Path, target: str, head: str, width: int, javascript: bool
) -> None:
    size = {"width": width, "height": 844}
    with browser.new_context(viewport=size, java_script_enabled=javascript) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(jumps.as_uri())
        anchor = page.locator(target).get_attribute("id")
        page.goto(f"{jumps.as_uri()}#{anchor}")
        below, above = landed(page, target, head)
        assert below >= 0
        assert above > 0


def test_menu_leads_to_a_heading_of_paths_through_roles(browser: Browser, tmp_path: Path) -> None:
    role = ResourceRef("role", "arn:aws:iam::012345670123:role/lake", "role/lake", "012345670123", "payments-prod")
    path = build.stranger_finding(id="kx-path", kind=Kind.ASSUMED_ROLE_PATH, resource=role, key=None)
    document = build.document(findings=(*build.document().findings, path))
    file = tmp_path / "report.html"
    file.write_bytes(render_html(document, build.key_rows(), {}, build.documents))
    with browser.new_context(viewport={"width": 1280, "height": 500}) as context:
        page = context.new_page()
        page.goto(file.as_uri())
        page.get_by_role("navigation").get_by_role("link", name="Through roles").click()
        assert page.get_by_role("heading", name="Through roles").is_visible()
        below, above = landed(page, "#through-roles", "")
        assert below >= 0
        assert above > 0
        page.locator("#findings").get_by_role("link", name="role/lake").first.click()
        assert landed(page, f"[id='for-{key_anchor(role.arn)}']", "")[0] >= 0
