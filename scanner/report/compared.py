"""Two runs compared, as text, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scanner import ENGINE
from scanner.model.difference import AccessDifference
from scanner.model.finding import Finding, RunInfo
from scanner.model.lifecycle import Lifecycle
from scanner.report.diagnostic import Paint, safe, unpainted
from scanner.report.difference import difference_fields, differences_markdown, render_differences
from scanner.report.escape import markdown_code, markdown_text, shorten
from scanner.report.history import rise_text
from scanner.report.ordering import worst_first
from scanner.report.phrases import counted

DIFF_SCHEMA = 1
"""Rises when a member of the JSON changes its meaning or goes away."""

_LONGEST = 300
_NOT_COMPARABLE = (
    "judged by another engine or configuration, and a snapshot to judge again is missing: "
    "what differs is marked engine_changed and not counted as widened"
)
_JUDGED_AGAIN = "judged again from the snapshots with the present engine and configuration"


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """What a comparison of two runs shows; `changed` are the findings that are not what they were.

    `names` tell both runs apart: two judgements of one collection have the same run id.
    """

    old: RunInfo
    new: RunInfo
    names: tuple[str, str]
    differences: Sequence[AccessDifference]
    unchanged: int
    changed: Sequence[Finding]
    counts: Mapping[str, int]
    comparable: bool
    judged_again: bool
    exit_code: int
    accepted: int = 0
    """Findings that are accepted by a reviewed entry now and were not before."""


def render_comparison(view: ComparisonView, *, paint: Paint = unpainted) -> Iterator[str]:
    """First what was compared, then every difference in access, then the findings that changed, then counts."""
    old, (before, after) = view.old, view.names
    yield f"compared {safe(before)} ({safe(old.as_of)}) with {safe(after)} ({safe(view.new.as_of)})"
    equal = counted(view.unchanged, "access", "accesses")
    yield f"{counted(len(view.differences), 'difference')} in access, {equal} equal"
    yield from _notes(view)
    yield ""
    yield from render_differences(view.differences, paint=paint)
    if view.differences:
        yield ""
    for finding in worst_first(view.changed):
        lifecycle = finding.lifecycle.replace("_", " ")
        yield f"  {lifecycle:<14} {finding.severity:<9} {finding.id}  {safe(finding.title, _LONGEST)}"
        if finding.rise:
            yield f"{'':<28}{safe(rise_text(finding, old.as_of[:10]), _LONGEST)}"
    yield f"findings: {_counted(view)}"


def _notes(view: ComparisonView) -> Iterator[str]:
    if not view.comparable:
        yield _NOT_COMPARABLE
    elif view.judged_again:
        yield _JUDGED_AGAIN


def counts_text(counts: Mapping[str, int]) -> str:
    """`1 new, 2 widened, 40 unchanged`, in the order of the lifecycle."""
    return ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in Lifecycle if counts.get(name))


def _counted(view: ComparisonView) -> str:
    accepted = f"; {view.accepted:,} accepted since" if view.accepted else ""
    return f"{counts_text(view.counts) or 'none'}{accepted}"


def comparison_markdown(view: ComparisonView) -> Iterator[str]:
    """The same for a ticket or a pull request."""
    yield f"# {counted(len(view.differences), 'difference')} in access"
    yield ""
    before, after = view.names
    yield f"- Before: {markdown_code(before)}, {markdown_text(view.old.as_of)}"
    yield f"- After: {markdown_code(after)}, {markdown_text(view.new.as_of)}"
    yield f"- Findings: {_counted(view)}"
    for note in _notes(view):
        yield f"- {note[0].upper()}{note[1:]}"
    yield ""
    if view.differences:
        yield from differences_markdown(view.differences)
        yield ""
    for finding in worst_first(view.changed):
        title = markdown_text(shorten(finding.title, _LONGEST))
        yield f"- **{finding.lifecycle.replace('_', ' ')}**, {finding.severity}: {title} {markdown_code(finding.id)}"
        if finding.rise:
            yield f"  - the {markdown_text(shorten(rise_text(finding, view.old.as_of[:10]), _LONGEST))}"


def dump_comparison(view: ComparisonView) -> str:
    """One JSON object with sorted members."""
    fields = {
        "schema_version": DIFF_SCHEMA,
        "engine": ENGINE,
        "old": _run_fields(view.old, view.names[0]),
        "new": _run_fields(view.new, view.names[1]),
        "comparable": view.comparable,
        "judged_again": view.judged_again,
        "differences": [difference_fields(d) for d in view.differences],
        "unchanged": view.unchanged,
        "counts": dict(view.counts),
        "accepted": view.accepted,
        "findings": [
            {
                "id": f.id,
                "lifecycle": f.lifecycle,
                "severity": f.severity,
                "verdict": f.verdict,
                "title": f.title,
                "severity_before": f.rise.before if f.rise else None,
            }
            for f in worst_first(view.changed)
        ],
        "exit_code": view.exit_code,
    }
    return json.dumps(fields, indent=1, sort_keys=True, allow_nan=False)


def _run_fields(run: RunInfo, name: str) -> dict[str, str]:
    return {
        "run_id": run.run_id,
        "name": name,
        "as_of": run.as_of,
        "snapshot_hash": run.snapshot_hash,
        "config_hash": run.config_hash,
    }
