"""The rules that cards cite: each leads to its meaning, and each that the analysis can name has one."""

from __future__ import annotations

import re

from scanner.analyze.keys.rules import _RULES, rules_of
from scanner.model.finding import RuleRef
from scanner.report.context import PageSources
from scanner.report.html import render_html, render_pages
from scanner.report.pages import HtmlOptions, PageLimits
from scanner.report.rules import MEANINGS, rules_cited

import report_builders as build


def test_every_rule_behind_a_reason_has_a_meaning() -> None:
    named = {ref.rule for ref in rules_of(_RULES, ())}
    assert len(named) > 40
    assert named <= set(MEANINGS)


def test_rules_of_a_card_lead_to_the_method_which_lists_those_and_no_others() -> None:
    finding = build.stranger_finding(rules=(RuleRef("R3.30", "I"), RuleRef("R99.1", "I")))
    html = render_html(build.document(findings=(finding,)), build.key_rows(), {}, build.documents).decode()
    assert "<a href=#R3.30>R3.30</a>, R99.1 (inferred)" in html
    method = html.partition('<section id="method"')[2]
    assert re.findall(r'<tr id="(R[^"]*)">', method) == ["R3.30"]
    assert MEANINGS["R3.30"].split("'")[0] in method


def test_page_of_an_account_leads_to_the_method_of_the_index() -> None:
    finding = build.stranger_finding(rules=(RuleRef("R3.30", "I"),))
    sources = PageSources(build.key_rows(), {}, build.documents)
    pages = dict(render_pages(build.document(findings=(finding,) * 2), sources, HtmlOptions(PageLimits(1))))
    account = next(content.decode() for path, content in pages.items() if path != "report.html")
    assert "<a href=../report.html#R3.30>R3.30</a>" in account
    assert '<tr id="R3.30">' in pages["report.html"].decode()


def test_report_without_rules_has_no_table_of_them() -> None:
    assert rules_cited(()) == ()
    assert "<h3>Rules</h3>" not in render_html(build.document(findings=()), (), {}, build.documents).decode()
