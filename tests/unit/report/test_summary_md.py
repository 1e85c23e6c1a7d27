"""summary.md by itself: the answer, both gates, coverage, the worst findings with their fix, and where the rest is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from scanner.model.finding import Finding, FindingsDocument, Severity
from scanner.model.lifecycle import Baseline, History, Lifecycle, Suppression, SuppressionNote, TrendPoint
from scanner.report.escape import markdown_text
from scanner.report.markdown import LONGEST, MAX_FINDINGS, render_markdown

import report_builders as build

JIRA = 32_767
assert LONGEST < JIRA
EARLIER = Baseline("2026-11-15T0010Z-1c2d", "2026-11-15T00:10:00Z", 1, "c", "s", "findings", {"resolved": 1})


def text(given: FindingsDocument) -> str:
    return render_markdown(given, {}).decode()


def many(finding: Finding, count: int) -> tuple[Finding, ...]:
    return tuple(replace(finding, id=f"kx-{number:012}") for number in range(count))


def test_summary_opens_with_the_answer_both_gates_and_coverage() -> None:
    lines = text(build.document()).split("\n")
    assert lines[0].startswith("# Two accounts outside the organization can decrypt data")
    said = "\n".join(lines[: lines.index("## Findings")])
    assert "Findings gate `fail_on: high`: not passed, there are findings at or above this level\n" in said
    assert "Coverage gate `min_coverage: 100`: not passed" in said
    assert "409 of 412 account-regions" in said


def test_gates_that_passed_say_so_and_a_gate_on_news_says_what_it_counts() -> None:
    passed = text(build.document(run=build.run_info(gate_findings=True, gate_coverage=True)))
    assert passed.count(": passed\n") == 2
    news = text(build.document(run=build.run_info(new_only=True, gate_findings=False)))
    assert "at or above this level that are new, reopened, wider or graver\n" in news


@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM])
def test_worst_findings_carry_id_and_fix(severity: Severity) -> None:
    finding = build.stranger_finding(severity=severity)
    block = text(build.document(findings=(finding,))).split(f"- **{severity}**", 1)[1]
    assert f"`{finding.id}`" in block
    assert f"What to do: {markdown_text(finding.remediation.text)[:10]}" in block


def test_summary_says_where_the_files_are() -> None:
    said = text(build.document()).split("In the folder of the run", 1)[1]
    assert set(re.findall(r"`([a-z]+\.[a-z]+)`", said)) == {
        "report.html", "findings.csv", "keys.csv", "access.csv", "coverage.csv", "findings.json", "graph.json",
        "summary.json", "snapshot.sqlite", "manifest.json",
    }  # fmt: skip


def large(severity: Severity, count: int) -> FindingsDocument:
    """A run in which every list is long and every text longer."""
    base = build.coverage_summary()
    gap = replace(base.gaps[0], account_name="n" * 8000, subjects=("s" * 900,) * 9, what_to_do="w" * 900)
    coverage = replace(base, gaps=(gap,) * count, opaque_keys=("k" * 400,) * count)
    finding = replace(build.stranger_finding(), severity=severity, title="t" * 8000, summary="s" * 8000)
    held = replace(finding, suppression=Suppression("r" * 900, "o" * 900, "t" * 900, "2027-03-31", "active"))
    note = SuppressionNote("kx-pnfc3b5nav5y", "r" * 900, "o" * 900, "", "2026-01-01", "expired", ())
    history = History(EARLIER, (note,) * count)
    run = build.run_info(ending_approvals=(replace(build.ENDING, name="n" * 900),) * count)
    findings = (*many(finding, count), *(replace(f, id=f"{f.id}h") for f in many(held, count)))
    return build.document(run=run, findings=findings, coverage=coverage, history=history,
                          resolved=many(replace(finding, lifecycle=Lifecycle.RESOLVED), count))  # fmt: skip


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("count", [1, 500])
def test_summary_fits_into_a_ticket_and_counts_what_it_leaves_out(severity: Severity, count: int) -> None:
    said = text(large(severity, count))
    assert len(said) <= JIRA
    listed = len(re.findall(r"^- \*\*[a-z]+\*\*, ", said, re.MULTILINE))
    assert 1 <= listed <= MAX_FINDINGS
    assert (f"The {listed} worst of {count:,} findings" in said) is (count > listed)
    gaps = said.count("| access denied |")
    assert gaps >= 1
    assert (f"{count - gaps:,} more gaps are in coverage.csv" in said) is (count > gaps)
    assert (len(re.findall(r" more are in ", said)) == 4) is (count > 1)
    assert ("more entries of suppressions.yaml are over or void" in said) is (count > 1)


def test_run_whose_findings_are_all_resolved_says_what_is_gone() -> None:
    gone = replace(build.partner_finding(), lifecycle=Lifecycle.RESOLVED)
    history = History(EARLIER, trend=(TrendPoint(EARLIER.run_id, EARLIER.as_of, {"high": 1}, 5, 5),))
    said = text(build.document(findings=(), resolved=(gone,), history=history))
    assert "No finding was made from what was read.\n" in said
    assert f"Compared with run `{EARLIER.run_id}`" in said
    assert "high from 1 to 0" in said
    assert f"`{gone.id}`" in said


def test_statement_without_a_sid_and_reaching_a_key_are_said_in_words() -> None:
    base = build.stranger_finding()
    nameless = replace(base.mechanism.statements[0], sid="", index=0)
    finding = replace(base, mechanism=replace(base.mechanism, statements=(nameless,)))
    text = render_markdown(build.document(findings=(finding,)), {}).decode()
    assert "Evidence: the first statement of key policy" in text
    assert "3 keys (to reach a key is any right on it, even to read its metadata)." in text
