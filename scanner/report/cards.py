"""View model of one finding's card: what its picture, its evidence and its notes say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

from scanner.model.decision import Gate, GateOutcome, StatementRef
from scanner.model.finding import Evidence, Finding, FindingVerdict, Remediation
from scanner.report.capabilities import CapabilityLine, capability_lines
from scanner.report.coverage_notes import coverage_note
from scanner.report.history import rise_text
from scanner.report.method import CONFIDENCE_WORDS, LAYER_WORDS
from scanner.report.phrases import TOGETHER, refuses_alone
from scanner.report.picture import SHAPES, PicturePart, gate_word, key_state_gate, picture_parts, standing_gates
from scanner.report.reasons import REASONS
from scanner.report.rerun import follow_up
from scanner.report.source import Documents, SourceLine, SourceView, source_lines, without_indent
from scanner.report.terraform import terraform_place

CITED_SHOWN = 3
"""Statements that the line of a gate names; the others stand in findings.json."""

PRINCIPALS_SHOWN = 8
"""Principals that a card names; findings.json has more of them, and access.csv all."""

PATCH_SHOWN = 80
"""Lines of a patch that a card shows; findings.json has all."""

_CLEAN = tuple(f"Tried on the snapshot: the finding goes, {rest}" for rest in ("no other ", "nothing else changes"))
_SIGNS = {"+": "ins", "-": "del"}
_BESIDE_THE_GATES = ("key_", "region_", "not_yet")
"""Starts of the reasons that block although every gate lets the request through: state of the key, Region, date."""


@dataclass(frozen=True, slots=True)
class GateLine:
    """Gates that do the same for the same reason, in words, with the statements that say so."""

    names: tuple[str, ...]
    shape: str
    does: str
    why: str
    cited: tuple[StatementRef, ...] = ()
    cited_total: int = 0


@dataclass(frozen=True, slots=True)
class PatchRun:
    """Lines of a patch one after another that it adds (`ins`), removes (`del`) or keeps (empty)."""

    element: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindingCard:
    """A finding with its evidence; `combination` names the set of filters that shows it.

    `path` is the picture and `gates` the same in words, with reasons and statements. `gates_note` says what blocks
    where no single gate does, `rise` that the severity was lower before. `advice` is the first sentence of the
    remediation as a compiler says it, with the others in `more_advice`, `effect` what the trial showed; `terraform`
    where the edit belongs, empty where that is said in full; `follow_up` the commands that put the question again,
    `reached` the first principals by account, `rules` the rules by their confidence in words. Excerpts that the page
    shows elsewhere are no part of `evidence`: `links` leads there from the statements that the card names, and to its
    own excerpts, whose ids are in `anchors`; `see` has those it does not name.
    """

    finding: Finding
    combination: str
    path: tuple[PicturePart, ...]
    capabilities: tuple[CapabilityLine, ...]
    gates: tuple[GateLine, ...]
    gates_note: str
    rise: str
    evidence: tuple[SourceView, ...]
    coverage_notes: tuple[str, ...]
    advice: str
    more_advice: str
    effect: str
    patch: tuple[PatchRun, ...]
    patch_left_out: int
    terraform: str
    follow_up: str
    reaches_grantee_only: bool
    reached: tuple[tuple[str, tuple[str, ...]], ...]
    reached_left_out: bool
    rules: tuple[tuple[str, tuple[str, ...]], ...]
    links: Mapping[StatementRef, str] = field(default_factory=dict)
    see: tuple[tuple[SourceView, str], ...] = ()
    anchors: Mapping[SourceView, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CardSources:
    """What a card needs beside its finding.

    `texts` gives policies by SHA-256, `notes` ledger rows in words; `run_id` is the run that a command asks, `since`
    the day of the baseline, empty without one.
    """

    texts: Documents
    notes: Mapping[str, str]
    run_id: str
    since: str


def finding_card(finding: Finding, combination: str, sources: CardSources) -> FindingCard:
    """The card of a finding."""
    advice, more_advice = _first_sentence(finding.remediation.text)
    return FindingCard(
        finding=finding,
        combination=combination,
        path=picture_parts(finding),
        capabilities=capability_lines(finding),
        gates=_gate_lines(finding),
        gates_note=_gates_note(finding),
        rise=rise_text(finding, sources.since),
        evidence=tuple(_evidence(finding, part, sources.texts) for part in _in_gate_order(finding)),
        coverage_notes=tuple(coverage_note(ref, sources.notes) for ref in finding.coverage_refs),
        advice=advice,
        more_advice=more_advice,
        effect=_effect(finding.remediation),
        patch=_patch(finding.remediation.diff, finding.resource.arn),
        patch_left_out=max(0, finding.remediation.diff.count("\n") + 1 - PATCH_SHOWN),
        terraform=terraform_place(finding),
        follow_up=follow_up(finding, sources.run_id),
        reaches_grantee_only=finding.reach.principals_sample == (finding.grantee.selector,)
        and finding.reach.principals_total == 1,
        reached=_by_account(finding.reach.principals_sample[:PRINCIPALS_SHOWN]),
        reached_left_out=finding.reach.truncated
        or len(finding.reach.principals_sample[:PRINCIPALS_SHOWN]) < finding.reach.principals_total,
        rules=_rules(finding),
    )


def _gate_lines(finding: Finding) -> tuple[GateLine, ...]:
    """The gates in order; equal ones that cite nothing share the line of the first.

    Those that do not apply, and say nothing of why, stand in the picture alone.
    """
    layers = standing_gates(finding)
    if not layers:
        return ()
    lines: dict[tuple[object, ...], GateLine] = {}
    for place, gate in enumerate((*layers, *(gate for gate in key_state_gate(finding) if gate not in layers))):
        line = _gate_line(gate)
        key = (place,) if line.cited else (line.shape, line.does, line.why)
        shared = lines.get(key)
        lines[key] = replace(shared, names=(*shared.names, *line.names)) if shared else line
    beside = SHAPES[GateOutcome.NOT_APPLICABLE]
    told = [line for line in lines.values() if line.shape != beside or line.why or line.cited]
    return tuple(sorted(told, key=lambda line: line.shape == beside))


def _gate_line(gate: Gate) -> GateLine:
    """One gate; a statement that is attached at several places is named once."""
    cited: dict[tuple[object, ...], StatementRef] = {}
    for ref in gate.statements:
        cited.setdefault((ref.source, ref.sha256, ref.index, ref.grant_id), ref)
    return GateLine(
        (LAYER_WORDS[gate.layer],),
        SHAPES[gate.outcome],
        gate_word(gate),
        gate.why.removeprefix(f"{gate_word(gate)}, "),
        tuple(cited.values())[:CITED_SHOWN],
        len(gate.statements),
    )


def _first_sentence(text: str) -> tuple[str, str]:
    """The first sentence with a small first letter and no period, and the rest.

    What stands in backticks, and what is written in capitals, keeps its first letter.
    """
    first, _, rest = text.partition(". ")
    first = first.removesuffix(".")
    if first[:1].isupper() and not first[1:2].isupper():
        first = first[0].lower() + first[1:]
    return first, rest


def _effect(remedy: Remediation) -> str:
    """What the trial of an edit showed; of a clean one, which most are, what the page says of them once."""
    return "Tried on the snapshot: clean." if remedy.verified and remedy.effect.startswith(_CLEAN) else remedy.effect


def _rules(finding: Finding) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The rules that a finding rests on, by how sure they are."""
    by_confidence: dict[str, list[str]] = {}
    for rule in finding.rules:
        by_confidence.setdefault(CONFIDENCE_WORDS.get(rule.confidence, rule.confidence), []).append(rule.rule)
    return tuple((confidence, tuple(rules)) for confidence, rules in by_confidence.items())


def _gates_note(finding: Finding) -> str:
    gates = finding.path.layers
    if finding.verdict is not FindingVerdict.BLOCKED or not gates or refuses_alone(gates):
        return ""
    beside = [reason for reason in finding.verdict_reasons if reason.startswith(_BESIDE_THE_GATES)]
    if beside:
        return f"No gate denies: {REASONS.get(beside[0], beside[0])}."
    return f"No gate denies by itself: {TOGETHER}."


def _cited(finding: Finding) -> Iterator[StatementRef]:
    """Every statement that a finding cites, in the order in which a request meets them."""
    for hop in finding.path.hops:
        yield from hop.statements
    for gate in finding.path.layers:
        yield from gate.statements
    yield from finding.mechanism.statements


def _in_gate_order(finding: Finding) -> Iterable[Evidence]:
    """The documents in the order of the gates; those that no gate cites keep their order at the end."""
    places: dict[tuple[str, str], int] = {}
    for place, ref in enumerate(_cited(finding)):
        places.setdefault((ref.source, ref.sha256), place)
    return sorted(finding.evidence, key=lambda part: places.get((part.source_arn, part.sha256), len(places)))


def _evidence(finding: Finding, part: Evidence, texts: Documents) -> SourceView:
    text = texts(part.sha256)
    ranges = {(ref.line_from, ref.line_to) for ref in _cited(finding) if ref.sha256 == part.sha256 and ref.line_from}
    lines = (
        ()
        if text is None
        else source_lines(text, part.excerpt_from, part.excerpt_to, part.highlights, sorted(ranges), trimmed=True)
    )
    line_from, line_to = (lines[0].number, lines[-1].number) if lines else (part.excerpt_from, part.excerpt_to)
    return SourceView(
        part.document, part.source_arn, part.sha256, line_from, line_to, _once_labelled(without_indent(lines))
    )


def _once_labelled(lines: tuple[SourceLine, ...]) -> tuple[SourceLine, ...]:
    """Lines whose labels are those of the line before lose them: the first of a run speaks for it."""
    return tuple(
        replace(line, labels=()) if before is not None and before.labels == line.labels else line
        for before, line in zip((None, *lines), lines, strict=False)
    )


def _patch(diff: str, about: str) -> tuple[PatchRun, ...]:
    """The lines of a unified diff in runs of equal sign; the two lines of its head are neither added nor removed.

    The head names the document without the key or role that the card is about: `patch` is told which file it changes.
    """
    lines = diff.split("\n") if diff else []
    head = [line.removesuffix(f" of {about}") for line in lines[:2]]
    signed = (
        ("" if place < 2 else _SIGNS.get(line[:1], ""), line)
        for place, line in enumerate((*head, *lines[2:PATCH_SHOWN]))
    )
    return tuple(PatchRun(sign, tuple(line for _, line in run)) for sign, run in groupby(signed, key=itemgetter(0)))


def _by_account(principals: Iterable[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Principals of one account after another; those that are no ARN stand under an empty account."""
    found: dict[str, list[str]] = {}
    for principal in principals:
        parts = principal.split(":", 5)
        account, name = (parts[4], parts[5]) if len(parts) == 6 else ("", principal)
        found.setdefault(account, []).append(name)
    return tuple((account, tuple(names)) for account, names in found.items())
