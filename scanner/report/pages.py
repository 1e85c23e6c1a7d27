"""Which findings and keys stand on which page of the report."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from scanner.model.finding import Finding, KeyRow
from scanner.report.keys import key_anchor, sorted_rows
from scanner.report.ordering import rank, worst_first

INDEX = "report.html"
FOLDER = "report"
"""Folder of the pages that the index links to."""

_ACCOUNT = re.compile(r"[0-9]{12}")
NO_ACCOUNT = "other"
"""Name of the page with what no single account owns, such as a role that stands in every account."""


class PageKind(StrEnum):
    """`whole` has everything, `index` the overview and links, `account` a part of one account, `single` one finding."""

    WHOLE = "whole"
    INDEX = "index"
    ACCOUNT = "account"
    SINGLE = "single"


@dataclass(frozen=True, slots=True)
class PageLimits:
    """The most that one page holds; what a browser opens in a few seconds and a tracker takes as an attachment."""

    findings: int = 2000
    keys: int = 2000
    policy_characters: int = 6_000_000


@dataclass(frozen=True, slots=True)
class HtmlOptions:
    """How pages are made: `only` are ids of findings that get a file each, `templates` the user's folder."""

    limits: PageLimits = field(default_factory=PageLimits)
    only: tuple[str, ...] = ()
    print_full: bool = False
    templates: Path | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where it is, and the findings (worst first), accepted findings and keys on it."""

    kind: PageKind
    path: str
    findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...] = ()
    rows: tuple[KeyRow, ...] = ()
    account_id: str = ""
    account_name: str = ""
    part: int = 1
    parts: int = 1

    @property
    def is_overview(self) -> bool:
        """Whether it tells of the whole run."""
        return self.kind in {PageKind.WHOLE, PageKind.INDEX}


@dataclass(frozen=True, slots=True)
class Links:
    """Where findings and keys stand, as seen from one page."""

    here: str
    places: Mapping[str, str]

    def to(self, anchor: str) -> str:
        """Relative address of a finding's id or of a key's anchor; empty for one that stands on no page."""
        path = self.places.get(anchor)
        return "" if path is None else f"{'' if path == self.here else self.page(path)}#{anchor}"

    def key(self, key_arn: str) -> str:
        """Relative address of a key; empty for one that stands on no page."""
        return self.to(key_anchor(key_arn))

    def page_of(self, anchor: str) -> str:
        """Relative address of the page that a finding's id or a key's anchor stands on; empty for none."""
        path = self.places.get(anchor)
        return "" if path is None else self.page(path)

    def page(self, path: str) -> str:
        """Relative address of another page."""
        return posixpath.relpath(path, posixpath.dirname(self.here) or ".")


def single_path(finding_id: str) -> str:
    """The file of one finding."""
    return f"report-{finding_id}.html"


def places_of(pages: Iterable[Page]) -> dict[str, str]:
    """The page of every finding and of every key, by anchor. Pages come in order: the first one that has it counts."""
    found: dict[str, str] = {}
    for page in pages:
        for finding in (*page.findings, *page.accepted):
            found.setdefault(finding.id, page.path)
        for row in page.rows:
            found.setdefault(key_anchor(row.key_arn), page.path)
    return found


def plan_pages(
    findings: Iterable[Finding], rows: Iterable[KeyRow], size_of: Callable[[str], int], limits: PageLimits
) -> tuple[Page, ...]:
    """One whole page where everything fits on one, else the pages of the accounts, each within the limits.

    `size_of` gives the characters of a key's policies. A page always holds at least one finding or key, so that
    nothing is ever left out for its size.
    """
    things = _things(findings, rows, size_of)
    if _fits(things, limits):
        return (_whole(things),)
    by_account: dict[str, list[_Thing]] = {}
    for thing in things:
        by_account.setdefault(thing.account if _ACCOUNT.fullmatch(thing.account) else NO_ACCOUNT, []).append(thing)
    return tuple(
        page for account in sorted(by_account) for page in _account_pages(account, by_account[account], limits)
    )


@dataclass(slots=True)
class _Thing:
    """A key, role or policy with the findings about it: what stays together while it fits on a page."""

    account: str
    name: str
    row: KeyRow | None = None
    size: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, int, int, str, str]:
        """Things with findings first, the worst before the others; then keys in their order."""
        if self.findings:
            return (0, *rank(self.findings[0]))
        assert self.row is not None
        return (1, 0, 0, self.row.region, self.row.key_arn)


def _things(findings: Iterable[Finding], rows: Iterable[KeyRow], size_of: Callable[[str], int]) -> list[_Thing]:
    found = {
        key_anchor(row.key_arn): _Thing(row.account_id, row.account_name, row, size_of(row.key_arn)) for row in rows
    }
    for finding in worst_first(findings):
        resource = finding.resource
        thing = found.setdefault(key_anchor(resource.arn), _Thing(resource.account_id, resource.account_name))
        thing.findings.append(finding)
    return sorted(found.values(), key=lambda thing: thing.order)


def _fits(things: Sequence[_Thing], limits: PageLimits) -> bool:
    return (
        sum(len(thing.findings) for thing in things) <= limits.findings
        and sum(thing.row is not None for thing in things) <= limits.keys
        and sum(thing.size for thing in things) <= limits.policy_characters
    )


def _whole(things: Sequence[_Thing]) -> Page:
    return _page(PageKind.WHOLE, INDEX, things)


def _page(kind: PageKind, path: str, things: Sequence[_Thing]) -> Page:
    ordered = worst_first(finding for thing in things for finding in thing.findings)
    return Page(
        kind,
        path,
        tuple(finding for finding in ordered if not finding.is_suppressed),
        tuple(finding for finding in ordered if finding.is_suppressed),
        tuple(sorted_rows(thing.row for thing in things if thing.row is not None)),
    )


def _account_pages(account: str, things: Sequence[_Thing], limits: PageLimits) -> Iterator[Page]:
    parts = list(_packed(things, limits))
    name = next((thing.name for thing in things if thing.name), "") if account != NO_ACCOUNT else ""
    for number, part in enumerate(parts, 1):
        page = _page(PageKind.ACCOUNT, f"{FOLDER}/{account}{'' if number == 1 else f'-{number}'}.html", part)
        yield Page(
            page.kind, page.path, page.findings, page.accepted, page.rows,
            "" if account == NO_ACCOUNT else account, name, number, len(parts),
        )  # fmt: skip


def _packed(things: Iterable[_Thing], limits: PageLimits) -> Iterator[list[_Thing]]:
    """Things in order, as many to a page as fit."""
    page: list[_Thing] = []
    for thing in _cut(things, limits.findings):
        if page and not _fits([*page, thing], limits):
            yield page
            page = []
        page.append(thing)
    yield page


def _cut(things: Iterable[_Thing], most: int) -> Iterator[_Thing]:
    """Things with more findings than a page holds in several pieces; the key itself stands with the worst of them."""
    for thing in things:
        yield _Thing(thing.account, thing.name, thing.row, thing.size, thing.findings[:most])
        for start in range(most, len(thing.findings), most):
            yield _Thing(thing.account, thing.name, findings=thing.findings[start : start + most])
