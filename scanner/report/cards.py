"""View model of one finding's card: what its picture, its evidence and its notes say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scanner.model.decision import StatementRef
from scanner.model.finding import Evidence, Finding, FindingVerdict
from scanner.report.coverage_notes import coverage_note
from scanner.report.history import rise_text
from scanner.report.phrases import TOGETHER, refuses_alone
from scanner.report.reasons import REASONS
from scanner.report.source import Documents, SourceView, source_lines

_BESIDE_THE_GATES = ("key_", "region_", "not_yet")
"""Starts of the reasons that block although every gate lets the request through: state of the key, Region, date."""


@dataclass(frozen=True, slots=True)
class FindingCard:
    """A finding with its evidence; `combination` names the set of filters that shows it.

    `gates_note` says what blocks where no single gate of the table does, `rise` that the severity was lower before.
    """

    finding: Finding
    combination: str
    gates_note: str
    rise: str
    evidence: tuple[SourceView, ...]
    coverage_notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardSources:
    """Where a card finds what a finding only cites: `texts` policies by SHA-256, `notes` ledger rows in words."""

    texts: Documents
    notes: Mapping[str, str]


def finding_card(finding: Finding, combination: str, since: str, sources: CardSources) -> FindingCard:
    """The card of a finding; `since` is the day of the baseline, empty without one."""
    return FindingCard(
        finding,
        combination,
        _gates_note(finding),
        rise_text(finding, since),
        tuple(_evidence(finding, part, sources.texts) for part in finding.evidence),
        tuple(coverage_note(ref, sources.notes) for ref in finding.coverage_refs),
    )


def _gates_note(finding: Finding) -> str:
    gates = finding.path.layers
    if finding.verdict is not FindingVerdict.BLOCKED or not gates or refuses_alone(gates):
        return ""
    beside = [reason for reason in finding.verdict_reasons if reason.startswith(_BESIDE_THE_GATES)]
    if beside:
        return f"No gate denies: {REASONS.get(beside[0], beside[0])}."
    return f"No gate denies by itself: {TOGETHER}."


def _cited(finding: Finding) -> Iterable[StatementRef]:
    yield from finding.mechanism.statements
    for hop in finding.path.hops:
        yield from hop.statements
    for gate in finding.path.layers:
        yield from gate.statements


def _evidence(finding: Finding, part: Evidence, texts: Documents) -> SourceView:
    text = texts(part.sha256)
    ranges = {(ref.line_from, ref.line_to) for ref in _cited(finding) if ref.sha256 == part.sha256 and ref.line_from}
    lines = (
        () if text is None else source_lines(text, part.excerpt_from, part.excerpt_to, part.highlights, sorted(ranges))
    )
    line_from, line_to = (lines[0].number, lines[-1].number) if lines else (part.excerpt_from, part.excerpt_to)
    return SourceView(part.document, part.source_arn, part.sha256, line_from, line_to, lines)
