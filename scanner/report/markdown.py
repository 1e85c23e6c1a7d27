"""summary.md: enough for a ticket, a chat or a pull request, without the report beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from scanner.model.approval import EndingApproval
from scanner.model.finding import (
    Finding,
    FindingsDocument,
    FindingVerdict,
    GapSummary,
    Remediation,
    Severity,
)
from scanner.model.lifecycle import Lifecycle
from scanner.report.coverage_notes import OUTCOME_WORDS, coverage_note
from scanner.report.escape import markdown_block, markdown_code, markdown_text, shorten, visible
from scanner.report.history import (
    accepted_findings,
    change_sentences,
    new_since,
    open_findings,
    resolved_findings,
    rise_text,
    since,
    suppression_sentences,
)
from scanner.report.ordering import worst_first
from scanner.report.phrases import (
    account_text,
    counted,
    gap_units,
    nth,
    percent_text,
    prose_parts,
    units_text,
    unread_text,
)
from scanner.report.trend import trend_sentences

MAX_FINDINGS = 50
LONGEST = 32_000
"""Characters; Jira takes 32,767 in a field, Slack 40,000 in a message. Findings get what the rest leaves."""

_ROOM = {"gaps": 7_000, "opaque": 2_000, "approvals": 2_000, "resolved": 4_000, "accepted": 4_000, "void": 2_000}
"""Characters for each of the other lists, one entry at least; what does not fit is counted."""

_SUBJECTS_SHOWN = 3
_MAX_TEXT = 300
_PATCH_LINES = 60
_DETAILED = (Severity.CRITICAL, Severity.HIGH)


def render_markdown(document: FindingsDocument, notes: Mapping[str, str]) -> bytes:
    """The file as UTF-8. `notes` puts cited ledger rows into words.

    Findings are listed while the file stays short enough for a ticket; how many are left out, and where, is said. The
    headline is never cut, and takes no room from them.
    """
    headline, *before = [*_header(document), *_coverage(document), *_approvals(document), *_counts(document)]
    after = [*_accepted(document), *_footer(document)]
    lines = [headline, *before, *_findings(document, notes, LONGEST - _size(before) - _size(after)), *after]
    return ("\n".join(lines) + "\n").encode()


def _fitting(lines: Iterable[str], about: str) -> list[str]:
    """The first lines of a list, as many as there is room for."""
    left, kept = _ROOM[about], list[str]()
    for line in lines:
        left -= len(line) + 1
        if kept and left < 0:
            break
        kept.append(line)
    return kept


def _size(lines: Iterable[str]) -> int:
    return sum(len(line) + 1 for line in lines)


_SPARED = 40


def _text(text: str, limit: int = _MAX_TEXT) -> str:
    """Prose of one line, cut at the limit, whose words in backticks become code."""
    return _prose(_shortened(text, limit))


def _prose(text: str) -> str:
    parts = prose_parts(text)
    return "".join(markdown_code(part) if is_code else markdown_text(part) for is_code, part in parts)


def _code(text: str, limit: int = _MAX_TEXT) -> str:
    return markdown_code(_shortened(text, limit))


def _shortened(text: str, limit: int) -> str:
    """The text, cut where that saves more than the words that say so."""
    return shorten(text, limit if len(visible(text)) > limit + _SPARED else limit + _SPARED)


def _header(document: FindingsDocument) -> Iterator[str]:
    run = document.run
    yield f"# {_prose(run.headline)}"
    yield ""
    if run.synthetic:
        yield "**Synthetic data:** this run did not read an AWS organization."
        yield ""
    counts = ", ".join((counted(run.accounts, "account"), counted(run.regions, "region"), counted(run.keys, "key")))
    yield f"- Scope: {_text(run.scope)} ({counts})"
    yield f"- Collected: {_text(run.started)} to {_text(run.finished)}, by {_code(run.caller_arn)}"
    for name, value in sorted(run.asserted_context.items()):
        yield f"- Asserted context: {_code(f'{name}={value}')}"
    yield f"- Run: {_code(run.run_id)}, exit code {run.exit_code}, engine {document.engine}"
    grown = " that are new, reopened, wider or graver" if run.new_only else ""
    findings = "passed" if run.gate_findings else f"not passed, there are findings at or above this level{grown}"
    coverage = "passed" if run.gate_coverage else "not passed, too little was read to claim a clean result"
    yield f"- Findings gate {_code(f'fail_on: {run.fail_on}')}: {findings}"
    yield f"- Coverage gate {_code(f'min_coverage: {run.min_coverage:g}')}: {coverage}"
    yield ""


def _coverage(document: FindingsDocument) -> Iterator[str]:
    coverage = document.coverage
    yield "## Coverage"
    yield ""
    unread = ", ".join(coverage.organization_unread)
    more = f" Every account is concerned by what of the organization was not read or understood: {unread}."
    yield f"Read completely: {units_text(coverage)} ({percent_text(coverage.percent)}).{more if unread else ''}"
    meant = (
        " (to reach a key is any right on it, even to read its metadata)" if " reach" in document.run.role_paths else ""
    )
    yield f"Paths through assumed roles: {_text(document.run.role_paths)}{meant}."
    if coverage.guardrails:
        yield _text(coverage.guardrails)
    yield ""
    if coverage.gaps:
        yield f"The findings below say nothing about what was not read ({unread_text(coverage)}):"
        yield ""
        yield "| Account | Regions | Call | Outcome | What to do |"
        yield "|---|---|---|---|---|"
        shown = _fitting((_gap(gap) for gap in coverage.gaps), "gaps")
        yield from shown
        yield ""
        if len(coverage.gaps) > len(shown):
            yield f"{len(coverage.gaps) - len(shown):,} more gaps are in coverage.csv."
            yield ""
    if coverage.opaque_keys:
        yield (
            "Keys whose policy could not be read or understood, so not clean; a finding may still exist for what could "
            f"be read ({len(coverage.opaque_keys):,}):"
        )
        yield ""
        listed = _fitting((f"- {_code(key)}" for key in coverage.opaque_keys), "opaque")
        yield from listed
        if len(coverage.opaque_keys) > len(listed):
            yield f"- {len(coverage.opaque_keys) - len(listed):,} more are in keys.csv"
        yield ""


def _gap(gap: GapSummary) -> str:
    left_out = len(gap.subjects) - _SUBJECTS_SHOWN
    more = (f"{left_out} more",) if left_out > 0 else ()
    cells = (
        _text(account_text(gap.account_name, gap.account_id)),
        f"{_text(', '.join(gap.regions))} ({gap_units(gap)})",
        ", ".join((_code(gap.call), *(_code(subject) for subject in gap.subjects[:_SUBJECTS_SHOWN]), *more)),
        OUTCOME_WORDS.get(gap.outcome) or _text(gap.outcome),
        _text(gap.what_to_do),
    )
    return f"| {' | '.join(cells)} |"


def _approvals(document: FindingsDocument) -> Iterator[str]:
    if not document.run.ending_approvals:
        return
    yield "## Approvals that end within 30 days"
    yield ""
    ending = document.run.ending_approvals
    shown = _fitting((_approval(approval) for approval in ending), "approvals")
    yield from shown
    if len(ending) > len(shown):
        yield f"- {len(ending) - len(shown):,} more are in findings.json"
    yield ""


def _approval(approval: EndingApproval) -> str:
    about = (_text(text) for text in (approval.name, approval.ref, approval.owner) if text)
    return f"- {_text(approval.expires)}: {', '.join((_code(approval.subject), *about))}"


def _counts(document: FindingsDocument) -> Iterator[str]:
    yield "## Findings"
    yield ""
    day = _text(since(document))
    if document.findings:
        yield from _table(document, day)
    else:
        yield "No finding was made from what was read."
    yield ""
    if day:
        yield " ".join(_text(sentence) for sentence in change_sentences(document))
        yield ""
        yield from _trend(document)
        yield from _resolved(document)


def _table(document: FindingsDocument, day: str) -> Iterator[str]:
    counted_in = open_findings(document)
    yield f"| Severity | {' | '.join(FindingVerdict)} |{f' new since {day} |' if day else ''}"
    yield f"|---|{'--:|' * (len(FindingVerdict) + bool(day))}"
    for severity in Severity:
        found = [finding.verdict for finding in counted_in if finding.severity is severity]
        news = f" {new_since(counted_in, severity)[0]} |" if day else ""
        yield f"| {severity} | {' | '.join(str(found.count(verdict)) for verdict in FindingVerdict)} |{news}"


def _trend(document: FindingsDocument) -> Iterator[str]:
    for sentence in trend_sentences(document):
        yield _text(sentence)
        yield ""


def _resolved(document: FindingsDocument) -> Iterator[str]:
    """What is gone, in one line each."""
    gone = resolved_findings(document)
    if not gone:
        return
    yield f"Resolved, seen last before the others: {len(gone):,}"
    yield ""
    shown = _fitting((_gone(finding) for finding in gone), "resolved")
    yield from shown
    if len(gone) > len(shown):
        yield f"- {len(gone) - len(shown):,} more are in findings.json"
    yield ""


def _gone(finding: Finding) -> str:
    how = "" if finding.lifecycle == Lifecycle.RESOLVED else f" ({finding.lifecycle.replace('_', ' ')})"
    return (
        f"- {_text(finding.title)}{_text(how)} {_code(finding.id)} {_code(finding.resource.arn)}, "
        f"first seen {_text(finding.first_seen)}, last seen {_text(finding.last_seen)}"
    )


def _findings(document: FindingsDocument, notes: Mapping[str, str], left: int) -> Iterator[str]:
    """The worst findings that fit into what is left of the file, one at least."""
    listed = open_findings(document)
    shown = 0
    for finding in worst_first(listed)[:MAX_FINDINGS]:
        block = list(_finding(finding, notes, since(document)))
        left -= _size(block)
        if shown and left < 0:
            break
        shown += 1
        yield from block
    if len(listed) > shown:
        yield ""
        yield f"The {shown} worst of {len(listed):,} findings; all are in findings.csv and findings.json."
    if listed:
        yield ""


def _accepted(document: FindingsDocument) -> Iterator[str]:
    """Findings that an entry accepts, with owner and end, and the entries that do not hold any more."""
    sentences = suppression_sentences(document)
    if not sentences:
        return
    yield "## Suppressed"
    yield ""
    accepted = worst_first(accepted_findings(document))
    shown = _fitting((_held(finding) for finding in accepted), "accepted")
    yield from shown
    if len(accepted) > len(shown):
        yield f"- {len(accepted) - len(shown):,} more are in findings.csv"
    said = _fitting((f"- {_text(sentence)}" for sentence in sentences), "void")
    yield from said
    if len(sentences) > len(said):
        yield f"- {len(sentences) - len(said):,} more entries of suppressions.yaml are over or void"
    yield ""


def _held(finding: Finding) -> str:
    """A finding that an entry accepts, and the entry."""
    entry = finding.suppression
    assert entry is not None
    ticket = f", {_text(entry.ticket)}" if entry.ticket else ""
    return (
        f"- **{finding.severity}**: {_text(finding.title)} {_code(finding.id)}, "
        f"until {_text(entry.expires)} by {_text(entry.owner)}{ticket}: {_text(entry.reason)}"
    )


def _finding(finding: Finding, notes: Mapping[str, str], day: str) -> Iterator[str]:
    about = finding.resource
    account = _text(account_text(about.account_name, about.account_id))
    change = f", {finding.lifecycle.replace('_', ' ')}" if day else ""
    yield f"- **{finding.severity}**, {finding.verdict}{change}: {_text(finding.title)} {_code(finding.id)}"
    if finding.rise:
        yield f"  - The {_text(rise_text(finding, day))}"
    yield f"  - {_text(about.kind.capitalize())} {_code(about.name)} {_code(about.arn)} of {account}"
    if finding.severity not in _DETAILED:
        if finding.severity is Severity.MEDIUM and finding.remediation.text:
            yield f"  - What to do: {_text(finding.remediation.text)}"
        return
    yield f"  - Grantee {_code(finding.grantee.selector)}, {_text(finding.summary)}"
    for ref in finding.mechanism.statements:
        where = f", lines {ref.line_from}–{ref.line_to}" if ref.line_from else ""
        statement = f"statement {_code(ref.sid)}" if ref.sid else f"the {nth(ref.index)} statement"
        yield f"  - Evidence: {statement} of {_text(ref.document)}{where}, sha256 {_code(ref.sha256)}"
    for grant in finding.mechanism.grants[:3]:
        yield f"  - Evidence: grant {_code(grant.grant_id)}, {_text(', '.join(grant.operations))}"
    for ref_text in finding.coverage_refs[:3]:
        yield f"  - Not read: {_text(coverage_note(ref_text, notes))}"
    if finding.remediation.text:
        yield f"  - What to do: {_text(finding.remediation.text)}"
        yield from _remedy(finding.remediation)


def _remedy(remedy: Remediation) -> Iterator[str]:
    """What the trial of the edit showed, what is to be known before it is made, and the edit as a patch."""
    if remedy.effect:
        yield f"  - {_text(remedy.effect)}"
    if remedy.risk_note:
        yield f"  - Before you do: {_text(remedy.risk_note)}"
    lines = [shorten(line, _MAX_TEXT) for line in remedy.diff.split("\n")] if remedy.diff else []
    if lines:
        yield from ("", *(f"    {line}" for line in markdown_block(lines[:_PATCH_LINES], "diff")), "")
    if len(lines) > _PATCH_LINES:
        yield f"    {len(lines) - _PATCH_LINES:,} more lines are in findings.json."


def _footer(document: FindingsDocument) -> Iterator[str]:
    yield f"In the folder of the run, {_code(document.run.run_id)}:"
    yield ""
    yield "- `report.html` and `findings.csv`, where they were asked for: every finding with its evidence"
    yield "- `keys.csv`, `access.csv`, `coverage.csv`: every key, who can do what, and what was read"
    yield "- `findings.json`, `graph.json`, `summary.json`: the same for programs"
    yield "- `snapshot.sqlite`, `manifest.json`: what it was made from; `kms-scan verify` performs it again"
    yield ""
    versions = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in sorted(document.run.versions.items()))
    yield f"Snapshot {_code(document.run.snapshot_hash)}. {_text(versions)}."
