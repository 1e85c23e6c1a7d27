"""The summary on stdout: at most twelve lines, in the order verdict, coverage, files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scanner.model.finding import FindingsDocument, FindingVerdict, GapSummary, Severity
from scanner.model.neutral import terminal_safe
from scanner.report.coverage_notes import OUTCOME_WORDS
from scanner.report.history import accepted_text, gone_text, new_since_text, open_findings, since
from scanner.report.phrases import counted, duration_text, size_text, units_text

_MAX_TEXT = 60
_MAX_PATHS = 300
_GAPS_SHOWN = 2
_REGIONS_SHOWN = 2
_WHOLE = "*"
_ORGANIZATION = ""
_ONE_LINE_EACH = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)
_SHARED_LINE = (Severity.LOW, Severity.INFO)


def render_summary(document: FindingsDocument, report_path: Path, exit_code: int) -> str:
    """Text of at most twelve lines, without a line feed at its end.

    `report_path` is the file to point at; its size is printed when it exists.
    """
    run = document.run
    scope = ", ".join((counted(run.accounts, "account"), counted(run.regions, "region"), counted(run.keys, "key")))
    times = "   ".join(part for part in (_safe(run.finished), duration_text(run.started, run.finished)) if part)
    lines = [f"{_safe(run.organization_id) or 'organization not read'}  {scope}   {times}", ""]
    lines += _finding_lines(document)
    lines += ["", *_coverage_lines(document)]
    lines += [
        f"  paths through assumed roles: {_safe(run.role_paths, _MAX_PATHS)}",
        "",
        _file_line(report_path, exit_code),
    ]
    return "\n".join(lines)


def _finding_lines(document: FindingsDocument) -> list[str]:
    counted_in, day = open_findings(document), _safe(since(document))
    counts = Counter((finding.severity, finding.verdict) for finding in counted_in)
    lines = []
    for severity in _ONE_LINE_EACH:
        parts = [f"{counts[severity, verdict]} {verdict}" for verdict in FindingVerdict if counts[severity, verdict]]
        if parts:
            news = new_since_text(counted_in, severity, day)
            lines.append(f"  {severity:<9} {'   '.join(parts)}{f'   ({news})' if news else ''}")
    totals = Counter(finding.severity for finding in counted_in)
    rest = [f"{severity:<9} {totals[severity]}" for severity in _SHARED_LINE if totals[severity]]
    rest += [text for text in (_safe(accepted_text(document)), gone_text(document)) if text]
    if not counted_in:
        rest.insert(0, f"no {'other ' if document.findings else ''}finding in what was read")
    if rest:
        lines.append("  " + "   ".join(rest))
    return lines


def _coverage_lines(document: FindingsDocument) -> list[str]:
    coverage = document.coverage
    unread = coverage.units_total - coverage.units_read
    opaque = len(coverage.opaque_keys)
    if not unread and not coverage.gaps and not opaque and not coverage.organization_unread:
        return [f"  read {units_text(coverage)} completely"]
    gaps = _gaps(coverage.gaps)
    if opaque:
        gaps.append(f"{counted(opaque, 'key policy', 'key policies')} not read or not understood")
    total = counted(coverage.units_total, "account-region")
    what = f"  NOT READ  {unread:,} of {total}" if unread else f"  NOT READ  parts of {total}"
    about = "  The findings above say nothing about those."
    if coverage.organization_unread:
        about = f"{about[:-1]}; what {' and '.join(coverage.organization_unread)} could refuse reads as possible."
    return [f"{what}: {', '.join(gaps)}" if gaps else what, about]


def _gaps(gaps: Sequence[GapSummary]) -> list[str]:
    """The first gaps, then how many account-regions and whole accounts they leave out, each counted once."""
    shown = list(dict.fromkeys(_gap_text(gap) for gap in gaps))[:_GAPS_SHOWN]
    named = {place for gap in gaps if _gap_text(gap) in shown for place in _places(gap)[:_REGIONS_SHOWN]}
    rest = {place for gap in gaps for place in _places(gap)} - named
    organization = {place for place in rest if place[1] == _ORGANIZATION}
    rest -= organization
    whole = {account for account, region in (*named, *rest) if region == _WHOLE}
    accounts = {account for account, region in rest if region == _WHOLE}
    regions = {place for place in rest if place[0] not in whole}
    if regions:
        shown.append(f"+{counted(len(regions), 'account-region')}")
    if accounts:
        shown.append(f"+{counted(len(accounts), 'whole account')}")
    if organization:
        shown.append("+parts of the organization")
    return shown


def _places(gap: GapSummary) -> list[tuple[str, str]]:
    """The account-regions of a gap. What is global counts against every Region of its account."""
    if gap.call.startswith("organizations:"):
        return [(gap.account_id, _ORGANIZATION)]
    regions = (_WHOLE if region in {"*", "global"} else region for region in gap.regions)
    return [(gap.account_id, region) for region in dict.fromkeys(regions)]


def _gap_text(gap: GapSummary) -> str:
    name = _safe(gap.account_name or gap.account_id)
    regions = " ".join(_safe(region) for region in gap.regions[:_REGIONS_SHOWN])
    return f"{name} {regions} ({OUTCOME_WORDS.get(gap.outcome, _safe(gap.outcome))})"


def _file_line(report_path: Path, exit_code: int) -> str:
    size = f"   ({size_text(report_path.stat().st_size)})" if report_path.is_file() else ""
    return f"  {terminal_safe(str(report_path))}{size}          exit {exit_code}"


def _safe(text: str, limit: int = _MAX_TEXT) -> str:
    shown = terminal_safe(text)
    return shown if len(shown) <= limit else f"{shown[:limit]}…"
