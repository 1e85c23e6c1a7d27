"""What changed since the baseline and what was accepted, in sentences that every report shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from scanner.model.finding import Finding, FindingsDocument, Severity
from scanner.model.lifecycle import Lifecycle, SuppressionNote, SuppressionState
from scanner.report.ordering import worst_first
from scanner.report.phrases import counted

NO_BASELINE = "No baseline was given, so nothing is compared with an earlier run."
MAX_RESOLVED = 50
"""Resolved findings that a report for people lists; findings.json has them all."""

_NEW = frozenset({Lifecycle.NEW, Lifecycle.REOPENED})
_HOW = {
    "findings": "",
    "judged_again": " That run was judged again from its snapshot, with the present engine and configuration.",
    "engine_changed": (
        " That run was judged by another engine or configuration and has no snapshot: what differs is marked "
        "engine changed, and not counted as wider."
    ),
}
STATE_WORDS = {
    SuppressionState.ACTIVE: "holds",
    SuppressionState.PARTIAL: "covers a part; the finding stays",
    SuppressionState.EXPIRED: "is over",
    SuppressionState.FINGERPRINT_CHANGED: "void: the access changed",
    SuppressionState.UNUSED: "fits no finding",
}


def open_findings(document: FindingsDocument) -> list[Finding]:
    """The findings that nobody accepted."""
    return [finding for finding in document.findings if not finding.is_suppressed]


def accepted_findings(document: FindingsDocument) -> list[Finding]:
    """The findings that an entry of suppressions.yaml accepts."""
    return [finding for finding in document.findings if finding.is_suppressed]


def since(document: FindingsDocument) -> str:
    """The day of the baseline; empty without one."""
    baseline = document.history.baseline
    return baseline.as_of[:10] if baseline else ""


def new_since(findings: Iterable[Finding], severity: Severity) -> tuple[int, int, int]:
    """How many findings of a severity are new or reopened, wider than in the baseline, and only graver than there."""
    counts = Counter(_how_it_grew(finding) for finding in findings if finding.severity is severity)
    return counts["new"], counts["wider"], counts["graver"]


def _how_it_grew(finding: Finding) -> str:
    if finding.lifecycle in _NEW:
        return "new"
    if finding.lifecycle == Lifecycle.WIDENED:
        return "wider"
    return "graver" if finding.rise else ""


def rise_text(finding: Finding, day: str) -> str:
    """`severity rose from info to high since 2026-11-21: the approval ended on 2026-11-30`; empty where it did not."""
    rise = finding.rise
    if rise is None:
        return ""
    since_day = f" since {day}" if day else ""
    return f"severity rose from {rise.before} to {finding.severity}{since_day}{f': {rise.why}' if rise.why else ''}"


def resolved_findings(document: FindingsDocument) -> list[Finding]:
    """Findings of earlier runs that are gone, those seen last before the others, then the worst."""
    return sorted(worst_first(document.resolved), key=lambda f: f.last_seen, reverse=True)


def new_since_text(findings: Sequence[Finding], severity: Severity, day: str) -> str:
    """`1 new, 2 wider, 1 graver since 2026-11-21`; empty where nothing is, or without a baseline."""
    numbers = new_since(findings, severity)
    parts = [f"{number:,} {word}" for number, word in zip(numbers, ("new", "wider", "graver"), strict=True) if number]
    return f"{', '.join(parts)} since {day}" if day and parts else ""


def change_sentences(document: FindingsDocument) -> tuple[str, ...]:
    """What became of the findings since the baseline, in three sentences; a fourth where severities rose."""
    baseline = document.history.baseline
    if baseline is None:
        return (NO_BASELINE,)
    counts = baseline.counts

    def said(*names: Lifecycle) -> str:
        return ", ".join(f"{counts.get(name, 0):,} {name.replace('_', ' ')}" for name in names)

    others = (Lifecycle.NOT_RECHECKED, *((Lifecycle.ENGINE_CHANGED,) if counts.get(Lifecycle.ENGINE_CHANGED) else ()))
    grew = said(Lifecycle.NEW, Lifecycle.REOPENED, Lifecycle.WIDENED)
    how = _HOW.get(baseline.compared, "")
    rose = sum(finding.rise is not None for finding in document.findings)
    return (
        f"Compared with run `{baseline.run_id}` of {baseline.as_of[:10]}: {grew}.{how}",
        f"Otherwise {said(Lifecycle.NARROWED, Lifecycle.RESOLVED, Lifecycle.UNCHANGED)}.",
        f"And {said(*others)}: whether that changed is not known, because something was not read.",
        *((f"The severity of {counted(rose, 'finding')} rose since.",) if rose else ()),
    )


def void_entries(document: FindingsDocument) -> tuple[SuppressionNote, ...]:
    """Entries of suppressions.yaml that do not hold any more and still name something."""
    void = {SuppressionState.EXPIRED, SuppressionState.FINGERPRINT_CHANGED}
    return tuple(note for note in document.history.suppressions if note.state in void)


def grown_entries(document: FindingsDocument) -> tuple[SuppressionNote, ...]:
    """Entries of suppressions.yaml that go on hiding an access which is wider than in the baseline."""
    return tuple(note for note in document.history.suppressions if note.widened)


def accepted_text(document: FindingsDocument) -> str:
    """`suppressed 6 (1 expired: kx-…; 1 wider and not pinned: kx-…)`; empty where no entry does or did anything."""
    accepted, void = len(accepted_findings(document)), void_entries(document)
    if not accepted and not void:
        return ""
    parts = []
    for word, notes in (
        ("expired", [n for n in void if n.state == SuppressionState.EXPIRED]),
        ("void", [n for n in void if n.state == SuppressionState.FINGERPRINT_CHANGED]),
        ("wider and not pinned", grown_entries(document)),
    ):
        names = [note.entry for note in notes]
        if names:
            more = f", +{len(names) - 1}" if len(names) > 1 else ""
            parts.append(f"{len(names)} {word}: {names[0]}{more}")
    return f"suppressed {accepted:,}{f' ({chr(59).join(parts)})' if parts else ''}"


def gone_text(document: FindingsDocument) -> str:
    """`1 resolved, 2 not rechecked` since the baseline; empty where there is neither."""
    counts = document.history.baseline.counts if document.history.baseline else {}
    names = (Lifecycle.RESOLVED, Lifecycle.NOT_RECHECKED)
    return ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in names if counts.get(name))


def suppression_sentences(document: FindingsDocument) -> tuple[str, ...]:
    """How many findings are accepted, what ends first, what is over or void, and what grew behind one that holds."""
    notes = document.history.suppressions
    if not notes:
        return ()
    accepted = len(accepted_findings(document))
    lines = [f"{counted(accepted, 'finding')} accepted by suppressions.yaml, in no count above and in no gate."]
    holding = [note for note in notes if note.state in {SuppressionState.ACTIVE, SuppressionState.PARTIAL}]
    if holding:
        first = min(holding, key=lambda note: (note.expires, note.entry))
        lines.append(
            f"The first of the entries that hold to end is `{first.entry}` of {first.owner}, after {first.expires}."
        )
    lines += [
        f"`{note.entry}`, accepted by {note.owner} until {note.expires}, {'is over' if expired else 'is void'}"
        f"{': the finding counts again' if note.finding_ids else ', and fits no finding'}."
        for note in void_entries(document)
        for expired in (note.state == SuppressionState.EXPIRED,)
    ]
    day = f" since {since(document)}" if since(document) else ""
    lines += [
        f"`{note.entry}`, accepted by {note.owner} until {note.expires}, has no fingerprint and goes on holding: the "
        f"access behind it is wider{day} ({_named(note.widened)}). Review it, and pin it with `id` and `fingerprint`."
        for note in grown_entries(document)
    ]  # fmt: skip
    lines += [
        f"`{note.entry}`, accepted by {note.owner} until {note.expires}, holds: the severity of what it accepts rose"
        f"{day} ({_named(note.graver)})."
        for note in notes if note.graver
    ]  # fmt: skip
    return tuple(lines)


def _named(ids: Sequence[str]) -> str:
    more = f", +{len(ids) - 1}" if len(ids) > 1 else ""
    return f"`{ids[0]}`{more}"
