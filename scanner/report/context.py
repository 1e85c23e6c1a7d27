"""View model of the HTML report: which finding, key and document stands where."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scanner.model.decision import Layer
from scanner.model.finding import (
    Finding,
    FindingsDocument,
    FindingVerdict,
    KeyFactsRef,
    KeyRow,
    Kind,
    ResourceRef,
    Severity,
)
from scanner.report.cards import CardSources, FindingCard, finding_card
from scanner.report.escape import visible
from scanner.report.history import (
    MAX_RESOLVED,
    accepted_findings,
    change_sentences,
    new_since,
    open_findings,
    resolved_findings,
    since,
    suppression_sentences,
)
from scanner.report.method import PARTIES
from scanner.report.ordering import rank, worst_first
from scanner.report.source import Documents, SourceView, source_lines

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Group:
    """The findings about one thing, worst first; of a key also its facts and its row in the table of keys."""

    resource: ResourceRef
    key: KeyFactsRef | None
    anchor: str
    cards: tuple[FindingCard, ...]
    combinations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyView:
    """A policy that findings of a key cite, whole, with the cited statements tinted."""

    source: SourceView
    finding_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyView:
    """A row of the table of keys, with the cited policies."""

    row: KeyRow
    anchor: str
    finding_ids: tuple[str, ...]
    policies: tuple[PolicyView, ...]


@dataclass(frozen=True, slots=True)
class FilterOption:
    """A checkbox: its id, the value it stands for, how many findings have it, and whether it starts checked."""

    id: str
    value: str
    count: int
    checked: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A row of checkboxes."""

    name: str
    options: tuple[FilterOption, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """A set of filter values that some finding has: shown while all its checkboxes are checked."""

    name: str
    option_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportView:
    """Everything that report.html.j2 reads."""

    document: FindingsDocument
    matrix: tuple[tuple[str, tuple[int, ...], tuple[int, int, int]], ...]
    kinds: tuple[tuple[str, int], ...]
    groups: tuple[Group, ...]
    keys: tuple[KeyView, ...]
    filters: tuple[Filter, ...]
    combinations: tuple[Combination, ...]
    limits: tuple[str, ...]
    accepted: tuple[FindingCard, ...]
    """Findings that a reviewed entry accepts: in no count, no filter and no group."""
    since: str
    changes: tuple[str, ...]
    suppressions: tuple[str, ...]
    resolved: tuple[Finding, ...]
    """Findings of earlier runs that are gone, at most `MAX_RESOLVED`."""


def report_view(
    document: FindingsDocument, key_rows: Sequence[KeyRow], notes: Mapping[str, str], documents: Documents
) -> ReportView:
    """Arrange a document for the page. Nothing is judged here: verdicts and severities are those of the findings."""
    texts: Documents = lambda sha256: document.documents.get(sha256) or documents(sha256)  # noqa: E731 - one expression
    ordered = worst_first(open_findings(document))
    combinations = _combinations(ordered)

    def card(finding: Finding) -> FindingCard:
        return finding_card(
            finding, combinations.get(_options(finding), ""), since(document), CardSources(texts, notes)
        )

    cards = [card(finding) for finding in ordered]
    return ReportView(
        document=document,
        matrix=_matrix(ordered),
        kinds=tuple(sorted(Counter(finding.kind.value for finding in ordered).items())),
        groups=_groups(cards),
        keys=_keys(key_rows, worst_first(document.findings), texts),
        filters=_filters(ordered),
        combinations=tuple(Combination(name, ids) for ids, name in combinations.items()),
        limits=_limits(document.run.limits),
        accepted=tuple(card(finding) for finding in worst_first(accepted_findings(document))),
        since=since(document),
        changes=change_sentences(document),
        suppressions=suppression_sentences(document),
        resolved=tuple(resolved_findings(document)[:MAX_RESOLVED]),
    )


def _limits(limits: Iterable[str]) -> tuple[str, ...]:
    """What the method cannot see; what is said on paths through roles stands first in every report."""
    others = tuple(limits)
    first = tuple(limit for limit in others if "paths through assumed roles" in limit.lower())
    return (*first, *(limit for limit in others if limit not in first))


def key_anchor(key_arn: str) -> str:
    """Id of a key's row: short, and without characters that come from AWS.

    Made of the visible form, which is the one that survives in keys.csv.
    """
    return f"key-{hashlib.sha256(visible(key_arn).encode()).hexdigest()[:12]}"


def _party(finding: Finding) -> str:
    return finding.grantee.party if finding.grantee.party in PARTIES else OTHER


def _options(finding: Finding) -> tuple[str, ...]:
    """Ids of the checkboxes that a finding belongs to."""
    return f"s-{finding.severity}", f"v-{finding.verdict}", f"k-{finding.kind}", f"p-{_party(finding)}"


def _combinations(findings: Iterable[Finding]) -> dict[tuple[str, ...], str]:
    found = sorted({_options(finding) for finding in findings})
    return {options: f"c{number}" for number, options in enumerate(found)}


def _filters(findings: Sequence[Finding]) -> tuple[Filter, ...]:
    """One row of checkboxes per dimension; info starts unchecked, unless the report holds nothing else."""
    hidden = {Severity.INFO.value} if any(finding.severity is not Severity.INFO for finding in findings) else set()

    def row(name: str, prefix: str, values: Iterable[str], counts: Mapping[str, int]) -> Filter:
        options = (
            FilterOption(f"{prefix}-{value}", value, counts[value], checked=value not in hidden)
            for value in values
            if counts[value]
        )
        return Filter(name, tuple(options))

    return (
        row("Severity", "s", Severity, Counter(finding.severity.value for finding in findings)),
        row("Verdict", "v", FindingVerdict, Counter(finding.verdict.value for finding in findings)),
        row("Kind", "k", Kind, Counter(finding.kind.value for finding in findings)),
        row("Party", "p", (*PARTIES, OTHER), Counter(_party(finding) for finding in findings)),
    )


def _matrix(findings: Sequence[Finding]) -> tuple[tuple[str, tuple[int, ...], tuple[int, int, int]], ...]:
    """Severity, number by verdict, and how many are new, wider and only graver since the baseline."""
    counts = Counter((finding.severity, finding.verdict) for finding in findings)
    return tuple(
        (severity.value, tuple(counts[severity, verdict] for verdict in FindingVerdict), new_since(findings, severity))
        for severity in Severity
    )


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


def _keys(key_rows: Sequence[KeyRow], findings: Sequence[Finding], texts: Documents) -> tuple[KeyView, ...]:
    by_key: dict[str, list[Finding]] = {}
    for finding in findings:
        for key in (finding.key,) if finding.key else finding.keys:
            by_key.setdefault(key_anchor(key.arn), []).append(finding)
    rows = sorted(key_rows, key=lambda row: (row.account_id, row.region, row.key_arn))
    views = []
    for row in rows:
        anchor = key_anchor(row.key_arn)
        here = by_key.get(anchor, [])
        views.append(KeyView(row, anchor, tuple(finding.id for finding in here), _policies(anchor, here, texts)))
    return tuple(views)


def _policies(anchor: str, findings: Sequence[Finding], texts: Documents) -> tuple[PolicyView, ...]:
    """The key's own policies that its findings cite: from the mechanism and from the gate of the key policy."""
    ranges: dict[tuple[str, str, str], set[tuple[int, int]]] = {}
    citing: dict[tuple[str, str, str], dict[str, None]] = {}
    for finding in findings:
        own = [*finding.mechanism.statements]
        own += [ref for gate in finding.path.layers if gate.layer is Layer.KEY_POLICY for ref in gate.statements]
        for ref in own:
            if ref.line_from and key_anchor(ref.source) == anchor:
                place = (ref.source, ref.document, ref.sha256)
                ranges.setdefault(place, set()).add((ref.line_from, ref.line_to))
                citing.setdefault(place, {})[finding.id] = None
    views = []
    for (key_arn, document, sha256), cited in sorted(ranges.items()):
        text = texts(sha256)
        lines = () if text is None else source_lines(text, 0, 0, (), sorted(cited))
        source = SourceView(document, key_arn, sha256, 1 if lines else 0, len(lines), lines)
        views.append(PolicyView(source, tuple(citing[key_arn, document, sha256])))
    return tuple(views)
