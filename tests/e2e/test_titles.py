"""Title, verdict and `explain` of every finding of the demo about access: none claims more than another."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import pytest
from scanner.analyze.explain import explain
from scanner.analyze.keys.judge import strength
from scanner.analyze.keys.sentences import MAY
from scanner.analyze.principals.question import ask, find_key
from scanner.analyze.who_can import Wanted, who_can
from scanner.commands.question import question_settings
from scanner.model.arn import KeyArn
from scanner.model.explanation import Explanation
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.pipeline import world_of
from scanner.plan import analysis_rules
from scanner.report.explain import render_explanation
from scanner.report.json import load_findings
from scanner.report.rerun import rerun_command

AS_FINDINGS_SAY = {
    "allowed": FindingVerdict.CONFIRMED, "conditional": FindingVerdict.CONDITIONAL, "unknown": FindingVerdict.POSSIBLE,
    "latent": FindingVerdict.BLOCKED, "denied": FindingVerdict.BLOCKED,
}  # fmt: skip
MANY = frozenset({"any", "organization", "account"})
OURS = frozenset({"same_organization", "own_other_organization"})


@pytest.fixture(scope="module")
def judged(demo_run):
    """The demo's findings, its world, and the rules it was judged with."""
    findings = load_findings((demo_run.directory / "findings.json").read_bytes(), "findings.json").findings
    with question_settings(str(demo_run.directory), {"config": None, "output": None, "quiet": True}) as settings:
        return findings, world_of(str(demo_run.directory), settings), analysis_rules(settings)[1]


def external(findings: tuple[Finding, ...]) -> list[Finding]:
    """The findings about access from outside."""
    return [f for f in findings if f.kind is Kind.EXTERNAL_ACCESS]


def told_first(explanation: Explanation) -> FindingVerdict:
    """The verdict that an answer of `explain` leads with, as findings have it."""
    return explanation.finding.verdict if explanation.finding else AS_FINDINGS_SAY[explanation.decision.verdict.value]


def verdicts(findings: list[Finding], key: str, action: str) -> Iterator[tuple[Finding, FindingVerdict]]:
    """What the findings about a key say of an action."""
    for finding in findings:
        if finding.resource.arn == key:
            yield from ((finding, c.verdict) for c in finding.capabilities if action in c.actions)


def test_title_is_as_sure_as_the_verdict_of_its_finding(judged) -> None:
    for finding in (f for f in judged[0] if f.kind in {Kind.EXTERNAL_ACCESS, Kind.ASSUMED_ROLE_PATH}):
        words = {f" {may} " for verdict, may in MAY.items() if verdict is not finding.verdict}
        assert f" {MAY[finding.verdict]} " in finding.title
        longer = [w for w in words if w in finding.title and w.strip() not in MAY[finding.verdict]]
        assert longer == [], finding.title


def test_title_claims_every_principal_only_of_strangers_or_where_all_are_refused(judged) -> None:
    for finding in external(judged[0]):
        if finding.grantee.kind in MANY and finding.grantee.party in OURS:
            everybody = finding.title.startswith("Any principal")
            assert everybody == (finding.verdict is FindingVerdict.BLOCKED), finding.title


def test_explain_leads_with_the_verdict_of_the_findings_it_belongs_to(judged) -> None:
    findings, world, _ = judged
    asked = 0
    for finding in external(findings):
        words = shlex.split(rerun_command(finding, "latest"))
        if words[1] != "explain":
            continue
        asked += 1
        principal, action = words[words.index("--principal") + 1], finding.capabilities[0].actions[0]
        answer = explain(world, ask(world, world.keys[KeyArn(finding.resource.arn)], principal, action, ()))
        told = told_first(answer)
        near = [
            verdict for other, verdict in verdicts(external(findings), finding.resource.arn, action)
            if other.grantee.kind in {"any", "organization"} or other.grantee.account_id == finding.grantee.account_id
        ]  # fmt: skip
        assert strength(finding.verdict) <= strength(told) <= max(map(strength, near)), finding.title
        assert render_explanation(answer).startswith(
            f"{answer.finding.verdict if answer.finding else answer.decision.verdict.value}: "
        )
        if told is not AS_FINDINGS_SAY[answer.decision.verdict.value]:
            closed = finding.verdict_reasons == ("account_suspended",)
            counted = "nobody of a closed account" if closed else "by the key's side alone"
            assert counted in render_explanation(answer)
    assert asked > 25


def test_list_says_of_every_finding_what_its_title_says(judged) -> None:
    findings, world, rules = judged
    for finding in external(findings):
        answer = who_can(world, world.keys[KeyArn(finding.resource.arn)], rules, Wanted())
        lines = [line for line in answer.access if line.finding_id == finding.id]
        leading = [line for line in lines if finding.capabilities[0].capability in line.capabilities]
        assert finding.verdict in {line.verdict for line in leading}, finding.title
        outside = {line.selector for line in answer.access if line.verdict in {"confirmed", "conditional"}}
        assert answer.today == len(outside)
        assert answer.today_lines == sum(line.verdict in {"confirmed", "conditional"} for line in answer.access)


def test_path_is_asked_again_as_a_whole_and_reads_as_its_title(judged) -> None:
    findings, world, rules = judged
    paths = [f for f in findings if f.kind is Kind.ASSUMED_ROLE_PATH]
    assert len(paths) > 5
    for finding in paths:
        words = shlex.split(rerun_command(finding, "latest"))
        key, action = words[words.index("--key") + 1], words[words.index("--action") + 1]
        answer = who_can(world, find_key(world, key), rules, Wanted(action=action))
        assert words[1] == "who-can"
        told = {line.verdict for line in answer.access if line.finding_id == finding.id}
        assert told == {finding.verdict}, finding.title


def test_permission_is_called_without_effect_only_where_that_is_proven(judged) -> None:
    found = [f for f in judged[0] if f.kind is Kind.INEFFECTIVE_PERMISSION]
    assert {f.verdict for f in found} == {FindingVerdict.INEFFECTIVE, FindingVerdict.POSSIBLE}
    for finding in found:
        proven = finding.title.startswith("A permission without effect")
        assert proven == (finding.verdict is FindingVerdict.INEFFECTIVE), finding.title
