"""What the browser tests look at: what a page asked for, what it complained about, and which findings it shows."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect


class Watched:
    """A page with what it asked for and what it complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.console: list[str] = []
        page.on("request", self._request)
        page.on("console", self._message)
        page.on("pageerror", lambda error: self.console.append(str(error)))

    def _request(self, request: Request) -> None:
        self.requests.append(request.url)

    def _message(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)


def shown_findings(page: Page) -> list[str]:
    """Ids of the findings that can be seen."""
    return page.locator(".finding:visible > summary > code").all_text_contents()


def tick(box: Locator, *, on: bool = True) -> None:
    """Give a checkbox its state by keyboard and wait until it has it: a click can get lost on a slow machine."""
    expect(box).to_be_checked(checked=not on)
    box.press("Space")
    expect(box).to_be_checked(checked=on)
