"""Approvals in the report: what was approved, until when, and which findings fall under it."""

from __future__ import annotations

from dataclasses import replace

from scanner.model.approval import Approval, ConfiguredApproval
from scanner.report.approvals import approval_views
from scanner.report.context import PageSources
from scanner.report.html import render_html, render_single
from scanner.report.keys import findings_by_key, key_anchor
from scanner.report.pages import HtmlOptions

import report_builders as build

ACCOUNT = ConfiguredApproval(
    "account", build.STRANGER, "Payroll SaaS", "RISK-1", "hr@acme.example", "payroll", "2027-01-01", True,
    ("tag:Team=pay",), ("decrypt",),
)  # fmt: skip
PROVIDER = ConfiguredApproval(
    "identity_provider", "gitlab.example: a/*", "GitLab", "", "ci", "", "2026-01-01", in_date=False
)


def under(approval: Approval):
    base = build.stranger_finding()
    return replace(base, grantee=replace(base.grantee, approval=approval))


def test_finding_is_under_the_approval_that_it_carries_and_no_other() -> None:
    covered = under(Approval("RISK-1", "2027-01-01", True, build.STRANGER))
    listed = under(Approval("GitLab", "2026-01-01", True, PROVIDER.subject))
    beyond = under(Approval("RISK-1", "2027-01-01", False, build.STRANGER))
    other = under(Approval("RISK-2", "2027-01-01", True, build.STRANGER))
    views = approval_views((ACCOUNT, PROVIDER), (covered, listed, beyond, other))
    assert [view.findings for view in views] == [(covered,), (listed,)]


def test_report_lists_every_approval_with_its_findings_and_their_keys() -> None:
    finding = under(Approval("RISK-1", "2027-01-01", True, build.STRANGER))
    given = build.document(findings=(finding,), run=build.run_info(approvals=(ACCOUNT, PROVIDER)))
    text = render_html(given, build.key_rows(), {}, build.documents).decode()
    table = text.split('<table class="granted stack">')[1].split("</table>")[0]
    for said in ("Payroll SaaS", "RISK-1", "hr@acme.example", "payroll", "tag:Team=pay", "which is over", "every key"):
        assert said in table, said
    assert finding.key is not None
    assert f"{finding.id}</a> on {finding.key.aliases[0]}" in table
    assert "No finding is accepted." in text


def test_key_lists_the_paths_that_reach_it_without_naming_it() -> None:
    base = build.stranger_finding()
    path = replace(base, key=None, keys=(), keys_total=2, reach=replace(base.reach, by_key={build.KEY_ARN: "d"}))
    assert findings_by_key((path,)) == {key_anchor(build.KEY_ARN): [path]}


def test_gap_leads_to_the_findings_that_it_weakens() -> None:
    weakened = build.grant_finding()
    gap = replace(build.document().coverage.gaps[0], findings_affected=1)
    account, region, call, _ = weakened.coverage_refs[0].split("/", 3)
    gap = replace(gap, account_id=account, regions=(region,), call=call)
    coverage = replace(build.document().coverage, gaps=(gap,))
    text = render_html(
        build.document(findings=(weakened, build.partner_finding()), coverage=coverage), (), {}, build.documents
    ).decode()
    cell = text.split('data-label="Findings weakened">')[1].split("</td>")[0]
    assert cell == f'1<br><a href="#{weakened.id}">{weakened.id}</a>'


def test_page_of_one_finding_names_the_others_of_the_same_key_with_their_titles() -> None:
    given = build.document()
    first, *others = given.findings
    sources = PageSources(build.key_rows(), {}, build.documents)
    ((_, content),) = render_single(given, sources, HtmlOptions(only=(first.id,)))
    section = content.decode().split('<section id="others"')[1].split("</section>")[0]
    same = [other for other in others if other.key and first.key and other.key.arn == first.key.arn]
    assert same
    for other in same:
        assert other.id in section
    assert first.id not in section
    assert same[0].title.split()[0] in section
