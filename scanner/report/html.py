"""report.html and its pages, each self-contained, from the templates."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

from scanner.closest import closest
from scanner.errors import UsageError
from scanner.model.finding import FindingsDocument, FindingVerdict, KeyRow, Severity
from scanner.report import method
from scanner.report.cards import FindingCard
from scanner.report.context import PageSources, ReportView, index_page, report_view, single_page
from scanner.report.coverage_notes import OUTCOME_WORDS
from scanner.report.escape import trusted_css, trusted_script
from scanner.report.filters import Combination
from scanner.report.history import STATE_WORDS
from scanner.report.keys import Holdings, findings_by_key, key_anchor, nothing_held
from scanner.report.ordering import worst_first
from scanner.report.pages import HtmlOptions, Links, PageKind, PageLimits, places_of, plan_pages
from scanner.report.picture import TRACKS, picture_frames
from scanner.report.reasons import REASONS
from scanner.report.rules import MEANINGS, rules_cited
from scanner.report.source import Documents
from scanner.report.templates import Templates, our_templates
from scanner.report.trend import trend_of

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_FINDING_ID = re.compile(r"[a-z0-9-]+")


def render_html(
    document: FindingsDocument,
    rows: Sequence[KeyRow],
    notes: Mapping[str, str],
    documents: Documents,
    holdings: Holdings = nothing_held,
) -> bytes:
    """Everything on one page, as UTF-8. `notes` puts cited ledger rows into words, `documents` gives policy texts."""
    sources = PageSources(rows, notes, documents, holdings)
    unlimited = PageLimits(*(1 << 62 for _ in range(3)))
    ((_, content),) = render_pages(document, sources, HtmlOptions(unlimited))
    return content


def render_pages(document: FindingsDocument, sources: PageSources, options: HtmlOptions) -> Iterator[tuple[str, bytes]]:
    """Path and content of every page, report.html first; one at a time, because a split report is large.

    Raises UsageError for a template of the user that cannot be used.
    """
    templates = _templates(options)
    pages = plan_pages(document.findings, sources.rows, _policy_size(sources), options.limits)
    places, by_key = places_of(pages), findings_by_key(worst_first(document.findings))
    if pages[0].kind is not PageKind.WHOLE:
        index = index_page(document)
        yield _rendered(
            report_view(document, index, Links(index.path, places), sources, by_key, pages), templates, options
        )
    for page in pages:
        yield _rendered(report_view(document, page, Links(page.path, places), sources, by_key), templates, options)


def render_single(
    document: FindingsDocument, sources: PageSources, options: HtmlOptions
) -> Iterator[tuple[str, bytes]]:
    """Path and content of one page per finding of `options.only`. Raises UsageError for an id that is none."""
    found = {finding.id: finding for finding in document.findings}
    for name in options.only:
        if name not in found or not _FINDING_ID.fullmatch(name):
            near = closest(name, found)
            hint = f"did you mean `{near}`" if near else "findings.csv lists the ids"
            raise UsageError(f"this run has no finding `{name}`", hint=hint)
    templates, by_key = _templates(options), findings_by_key(worst_first(document.findings))
    for name in dict.fromkeys(options.only):
        page = single_page(found[name], sources.rows)
        links = Links(page.path, places_of((page,)))
        yield _rendered(report_view(document, page, links, sources, by_key), templates, options)


def _templates(options: HtmlOptions) -> Templates:
    return our_templates() if options.templates is None else Templates(options.templates)


def _policy_size(sources: PageSources) -> Callable[[str], int]:
    """Characters of a key's policies, every document measured once."""

    @cache
    def size(sha256: str) -> int:
        return len(sources.documents(sha256) or "")

    return lambda key_arn: sum(size(sha256) for _, sha256 in sources.holdings(key_arn).policies)


def _rendered(view: ReportView, templates: Templates, options: HtmlOptions) -> tuple[str, bytes]:
    stylesheet = _stylesheet(templates, view, print_full=options.print_full)
    script = _script(templates, view)
    values = {
        "view": view,
        "page": view.page,
        "links": view.links,
        "document": view.document,
        "run": view.document.run,
        "coverage": view.document.coverage,
        "trend": trend_of(view.document),
        "severities": tuple(Severity),
        "verdicts": tuple(FindingVerdict),
        "method": method,
        "reason_words": REASONS,
        "outcome_words": OUTCOME_WORDS,
        "state_words": STATE_WORDS,
        "tracks": TRACKS,
        "frames": picture_frames(part for card in _cards(view) for part in card.path),
        "key_anchor": key_anchor,
        "meanings": MEANINGS,
        "rules": rules_cited(view.document.findings) if view.page.is_overview else (),
        "aliases": {key.anchor: key.row.aliases for key in view.keys},
        "stylesheet": trusted_css(stylesheet),
        "style_hash": _hash(stylesheet),
        "script": trusted_script(script),
        "script_hash": _hash(script) if script else "",
    }
    return view.page.path, templates.render("report.html.j2", values).encode()


def _cards(view: ReportView) -> Iterator[FindingCard]:
    """Every card of a page."""
    for group in view.groups:
        yield from group.cards
    yield from view.accepted


def _script(templates: Templates, view: ReportView) -> str:
    """The script of a page without comments: none where nothing is filtered, more of it on an index."""
    names = ("report.js", "table.js") if view.table else ("report.js",)
    filtered = view.combinations and view.page.kind is not PageKind.SINGLE
    return ";\n".join(_COMMENT.sub("", templates.source(name)).strip() for name in names) if filtered else ""


def _stylesheet(templates: Templates, view: ReportView, *, print_full: bool) -> str:
    """The stylesheets without comments, with one rule per combination of filter values that occurs.

    A browser without `:has()` ignores all of them and shows every finding, and so does paper, which has no filters.
    """
    rules = "\n".join(_combination_rule(combination) for combination in view.combinations)
    names = ("report.css", "finding.css", "table.css") if view.table else ("report.css", "finding.css")
    text = "".join(_COMMENT.sub("", templates.source(name)) for name in names)
    return (
        f"{text}@media screen {{\n@supports selector(:has(*)) {{\n{_HIDDEN_RULE}\n{rules}\n{_TARGET_RULE}\n"
        f"{_ALWAYS_RULE}\n}}\n}}\n{_PRINT_FULL if print_full else ''}"
    )


_HIDDEN_RULE = ".group, .finding, .row { display: none; }"
_ALWAYS_RULE = ".accepted .finding, .single .group, .single .finding { display: block; }"
_TARGET_RULE = ".group:has(:target), .finding:has(:target) { display: block; }"
_PRINT_FULL = (
    "@media print { .finding::details-content { content-visibility: visible; display: block; block-size: auto; } }\n"
)


def _combination_rule(combination: Combination) -> str:
    conditions = "".join(f":has(#{option}:checked)" for option in combination.option_ids)
    return f".findings{conditions} .{combination.name} {{ display: revert; }}"


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
