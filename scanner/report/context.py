"""View model of one page of the HTML report: which finding, key and document stands where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scanner.model.finding import (
    Finding,
    FindingsDocument,
    FindingVerdict,
    GapSummary,
    KeyFactsRef,
    KeyRow,
    ResourceRef,
    Severity,
)
from scanner.report.approvals import ApprovalView, approval_views
from scanner.report.cards import CardSources, FindingCard, finding_card
from scanner.report.cited import cited_by_several, led_to
from scanner.report.filters import Combination, Filter, filter_combinations, filter_options, page_filters
from scanner.report.history import (
    MAX_RESOLVED,
    change_sentences,
    new_since,
    open_findings,
    resolved_findings,
    since,
    suppression_sentences,
)
from scanner.report.key_sets import KeySet, key_sets
from scanner.report.keys import Holdings, KeyView, key_anchor, key_arns, key_views, nothing_held
from scanner.report.matrix import AccountMatrix, account_matrix
from scanner.report.ordering import rank, urgent_first, worst_first
from scanner.report.outsiders import Outsiders, outsiders_who_decrypt
from scanner.report.packed import FindingTable, finding_table
from scanner.report.pages import INDEX, NO_ACCOUNT, Links, Page, PageKind, single_path
from scanner.report.phrases import account_text
from scanner.report.source import Documents, SourceView

INDEX_FINDINGS = 1000
"""Findings that the index lists, the worst; the pages of the accounts have all of them."""

_GRAVE = frozenset({Severity.CRITICAL, Severity.HIGH})


@dataclass(frozen=True, slots=True)
class PageSources:
    """Where pages find what findings only cite: rows of keys.csv, ledger rows in words, policies, grants."""

    rows: Sequence[KeyRow]
    notes: Mapping[str, str]
    documents: Documents
    holdings: Holdings = nothing_held


@dataclass(frozen=True, slots=True)
class Group:
    """The findings about one thing, worst first; of a key also its facts and its row in the table of keys."""

    resource: ResourceRef
    key: KeyFactsRef | None
    anchor: str
    cards: tuple[FindingCard, ...]
    combinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountLine:
    """An account on the index: its findings by severity, its keys, and its pages."""

    name: str
    counts: tuple[int, ...]
    keys: int
    pages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """Everything that report.html.j2 reads. `findings` are those of the page that nobody accepted, worst first."""

    page: Page
    document: FindingsDocument
    links: Links
    findings: tuple[Finding, ...]
    severities: tuple[tuple[str, tuple[int, ...], tuple[int, int, int]], ...]
    kinds: tuple[tuple[str, int], ...]
    reach: AccountMatrix | None
    """On the whole page and on the index."""
    outsiders: Outsiders | None
    """On the whole page and on the index, where an outsider surely decrypts."""
    accounts: tuple[AccountLine, ...]
    worst: tuple[tuple[Finding, str], ...]
    """On the index: the worst findings, each with its combination of filter values."""
    table: FindingTable | None
    """On the index: all findings, for its script."""
    groups: tuple[Group, ...]
    cited: Mapping[SourceView, str]
    """Excerpts that several cards have alike, with their ids in the page."""
    key_sets: Mapping[str, KeySet]
    """By the id of a finding: all keys that it reaches, where its card does not name them all."""
    keys: tuple[KeyView, ...]
    filters: tuple[Filter, ...]
    combinations: tuple[Combination, ...]
    gaps: tuple[GapSummary, ...]
    weakened: tuple[tuple[str, ...], ...]
    """Ids of the findings that cite each of the gaps, worst first."""
    limits: tuple[str, ...]
    accepted: tuple[FindingCard, ...]
    """Findings that a reviewed entry accepts: in no count, no filter and no group."""
    approved: tuple[Finding, ...]
    """Findings of the page that an approval covers."""
    approvals: tuple[ApprovalView, ...]
    """On the whole page and on the index: every approval with the findings it covers."""
    others: tuple[Finding, ...]
    """On the page of one finding: the other findings of the same grantee or key, worst first."""
    since: str
    changes: tuple[str, ...]
    suppressions: tuple[str, ...]
    resolved: tuple[Finding, ...]
    """Findings of earlier runs that are gone, at most `MAX_RESOLVED`."""

    @property
    def urgent(self) -> list[Finding]:
        """What is at least of high severity, in the order in which to do it."""
        return urgent_first(finding for finding in self.findings if finding.severity in _GRAVE)


def report_view(
    document: FindingsDocument,
    page: Page,
    links: Links,
    sources: PageSources,
    by_key: Mapping[str, Sequence[Finding]],
    pages: Sequence[Page] = (),
) -> ReportView:
    """Arrange a page. Nothing is judged here: verdicts and severities are those of the findings.

    `by_key` has every finding of the document by the anchor of its keys; `pages` are those of the accounts, for an
    index.
    """
    texts: Documents = lambda sha256: document.documents.get(sha256) or sources.documents(sha256)  # noqa: E731
    findings = page.findings
    combinations = filter_combinations(listed := findings[:INDEX_FINDINGS] if page.kind is PageKind.INDEX else findings)
    names = {combination.option_ids: combination.name for combination in combinations}
    given = CardSources(texts, sources.notes, document.run.run_id, since(document))
    cards, accepted, cited = _cards(page, names, given)
    gaps = document.coverage.gaps if page.is_overview else tuple(_gaps(document, page))
    return ReportView(
        page=page,
        document=document,
        links=links,
        findings=findings,
        severities=_severities(findings),
        kinds=tuple(sorted(Counter(finding.kind.value for finding in findings).items())),
        reach=account_matrix(findings, sources.rows) if page.is_overview else None,
        outsiders=outsiders_who_decrypt(findings, sources.rows) if page.is_overview else None,
        accounts=_accounts(pages),
        worst=tuple((f, names[filter_options(f)]) for f in listed) if page.kind is PageKind.INDEX else (),
        table=finding_table(findings, links) if page.kind is PageKind.INDEX else None,
        groups=_groups(cards),
        cited=cited,
        key_sets=key_sets((card.finding for card in (*cards, *accepted)), sources.rows),
        keys=key_views(page.rows, by_key, texts, sources.holdings),
        filters=page_filters(listed),
        combinations=combinations,
        gaps=gaps,
        weakened=_weakened(document, gaps),
        limits=_limits(document.run.limits),
        accepted=accepted,
        approved=tuple(f for f in findings if f.grantee.approval is not None and f.grantee.approval.covered),
        approvals=approval_views(document.run.approvals, worst_first(document.findings)) if page.is_overview else (),
        others=_others(document, page) if page.kind is PageKind.SINGLE else (),
        since=since(document),
        changes=change_sentences(document),
        suppressions=suppression_sentences(document),
        resolved=tuple(resolved_findings(document)[:MAX_RESOLVED]) if page.is_overview else (),
    )


def single_page(finding: Finding, rows: Iterable[KeyRow]) -> Page:
    """The page of one finding: its card and its key."""
    keys = {key_anchor(finding.key.arn)} if finding.key else set()
    accepted = finding.is_suppressed
    return Page(
        PageKind.SINGLE,
        single_path(finding.id),
        () if accepted else (finding,),
        (finding,) if accepted else (),
        tuple(row for row in rows if key_anchor(row.key_arn) in keys),
    )


def index_page(document: FindingsDocument) -> Page:
    """The overview of a report that is split; no card and no key stands on it."""
    return Page(PageKind.INDEX, INDEX, tuple(worst_first(open_findings(document))))


def _others(document: FindingsDocument, page: Page) -> tuple[Finding, ...]:
    """What else the run says of the grantee or the keys of a page."""
    ids = {finding.id for finding in (*page.findings, *page.accepted)}
    callers = {finding.grantee.selector for finding in (*page.findings, *page.accepted)}
    keys = {arn for finding in (*page.findings, *page.accepted) for arn in key_arns(finding)}
    return tuple(
        finding
        for finding in worst_first(document.findings)
        if finding.id not in ids and (finding.grantee.selector in callers or not keys.isdisjoint(key_arns(finding)))
    )


def _cards(
    page: Page, names: Mapping[tuple[str, ...], str], sources: CardSources
) -> tuple[tuple[FindingCard, ...], tuple[FindingCard, ...], Mapping[SourceView, str]]:
    """The cards of a page, those that an entry accepts, and the evidence that several of them share."""
    findings = () if page.kind is PageKind.INDEX else page.findings
    cards, accepted = (
        tuple(finding_card(finding, names.get(filter_options(finding), ""), sources) for finding in given)
        for given in (findings, page.accepted)
    )
    cited = cited_by_several((*cards, *accepted))
    led = led_to((*cards, *accepted), cited)
    return led[: len(cards)], led[len(cards) :], cited


def _limits(limits: Iterable[str]) -> tuple[str, ...]:
    """What the method cannot see; what is said on paths through roles stands first in every report."""
    others = tuple(limits)
    first = tuple(limit for limit in others if "paths through assumed roles" in limit.lower())
    return (*first, *(limit for limit in others if limit not in first))


def _gaps(document: FindingsDocument, page: Page) -> Iterable[GapSummary]:
    """The gaps that concern a page: those of its account, and those that its findings cite."""
    found = (*page.findings, *page.accepted)
    cited = {tuple(ref.split("/", 3)[:3]) for finding in found for ref in finding.coverage_refs}
    accounts = {page.account_id, *(finding.resource.account_id for finding in found)} - {""}
    for gap in document.coverage.gaps:
        if gap.account_id in accounts or any((gap.account_id, region, gap.call) in cited for region in gap.regions):
            yield gap


def _weakened(document: FindingsDocument, gaps: Iterable[GapSummary]) -> tuple[tuple[str, ...], ...]:
    citing: dict[tuple[str, ...], dict[str, None]] = {}
    for finding in worst_first(document.findings):
        for ref in finding.coverage_refs:
            citing.setdefault(tuple(ref.split("/", 3)[:3]), {})[finding.id] = None
    return tuple(
        tuple(
            dict.fromkeys(name for region in gap.regions for name in citing.get((gap.account_id, region, gap.call), ()))
        )
        for gap in gaps
    )


def _severities(findings: Sequence[Finding]) -> tuple[tuple[str, tuple[int, ...], tuple[int, int, int]], ...]:
    """Severity, number by verdict, and how many are new, wider and only graver since the baseline."""
    counts = Counter((finding.severity, finding.verdict) for finding in findings)
    return tuple(
        (severity.value, tuple(counts[severity, verdict] for verdict in FindingVerdict), new_since(findings, severity))
        for severity in Severity
    )


def _accounts(pages: Iterable[Page]) -> tuple[AccountLine, ...]:
    """Accounts in the order of their pages, each with what stands on all of its pages."""
    by_account: dict[str, list[Page]] = {}
    for page in pages:
        by_account.setdefault(page.account_id, []).append(page)
    lines = []
    for account_id, parts in by_account.items():
        counts = Counter(finding.severity for page in parts for finding in page.findings)
        name = account_text(parts[0].account_name, account_id) or NO_ACCOUNT
        keys = sum(len(page.rows) for page in parts)
        lines.append(AccountLine(name, tuple(counts[s] for s in Severity), keys, tuple(page.path for page in parts)))
    return tuple(lines)


def _groups(cards: Sequence[FindingCard]) -> tuple[Group, ...]:
    by_resource: dict[str, list[FindingCard]] = {}
    for card in cards:
        by_resource.setdefault(card.finding.resource.arn, []).append(card)
    groups = [
        Group(
            group[0].finding.resource, group[0].finding.key, key_anchor(arn), tuple(group),
            tuple(sorted({card.combination for card in group})),
        )
        for arn, group in by_resource.items()
    ]  # fmt: skip
    return tuple(sorted(groups, key=lambda group: rank(group.cards[0].finding)))
