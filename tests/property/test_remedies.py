"""On random worlds: a remedy that is called verified ends its finding and takes nothing from the key's own account."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from scanner.analyze.decision.decide import decide
from scanner.analyze.edits.edits import edits_of
from scanner.analyze.edits.whatif import Overlay, Replacement, overlay
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.history.sameness import reads_the_same
from scanner.analyze.rejudge import what_if
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.casefile import build_world
from scanner.model.actions import KEY_ACTIONS
from scanner.model.decision import VERDICT_STRENGTH
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.model.key import KeyFacts
from scanner.model.policy import DocumentKind
from scanner.model.world import World

from builders import analyzed
from reference_worlds import worlds

budget = settings(
    max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def edited_key(finding: Finding, key: KeyFacts, before: World) -> KeyFacts:
    """The key with the edit that the remedy describes."""
    own = next((o.id for o in before.organizations if key.account_id in {*o.members, o.management_account}), "")
    return next(e.whole for e in edits_of(finding, key, own) if finding.remediation.text.startswith(e.text))


def insiders(given_world: World, key: KeyFacts) -> list[str]:
    """The root user and the principals of the key's own account that the world lists."""
    listed = [p.arn for p in given_world.principals.values() if p.account_id == key.account_id]
    return [f"arn:{key.partition}:iam::{key.account_id}:root", *listed]


def strengths(given_world: World, key: KeyFacts) -> list[int]:
    """How strong every decision of every insider on the key is; nobody can retire a grant that is gone."""
    found = []
    actions = [action for action in KEY_ACTIONS if action.name != "RetireGrant"]
    for who in insiders(given_world, key):
        caller = resolve_caller(given_world, who)
        for action in actions:
            request = Request(caller, action.iam_name, key.arn, action=action, key=key)
            found.append(VERDICT_STRENGTH[decide(given_world, request, trace=False).verdict])
    return found


def changed_beside(finding: Finding, old: dict[str, Finding], new: dict[str, Finding]) -> set[str]:
    """Whose access differs beside that of the finding, with the whole key judged and not only what the edit touches."""
    ids = {*old, *new} - {finding.id}
    differ = (i for i in ids if not (i in old and i in new and reads_the_same(old[i], new[i])))
    return {(old.get(i) or new[i]).grantee.selector for i in differ}


@budget
@given(worlds())
def test_verified_remedy_ends_the_finding_and_keeps_the_access_of_the_own_account(drawn: tuple[Any, Any]) -> None:
    before = build_world(drawn[0])
    told = {f.id: f for f in analyzed(before, service_principals="all", remedies=True).of(Kind.EXTERNAL_ACCESS)}
    for finding in told.values():
        if not finding.remediation.verified:
            continue
        assert finding.key is not None
        key = next(k for k in before.keys.values() if k.arn == finding.key.arn)
        changed = edited_key(finding, key, before)
        after = replace(before, keys={**before.keys, key.arn: changed})
        left = {f.id: f for f in analyzed(after, service_principals="all").of(Kind.EXTERNAL_ACCESS)}
        still = left.get(finding.id)
        assert (
            still is None
            or still.verdict is FindingVerdict.BLOCKED
            or (finding.grantee.kind == "service" and still.grantee.party == "service_guarded")
        )
        assert changed_beside(finding, told, left) <= {o.id for o in before.organizations}
        assert all(now >= was for was, now in zip(strengths(before, key), strengths(after, changed), strict=True))


@budget
@given(worlds())
def test_document_overlaid_by_itself_changes_nothing(drawn: tuple[Any, Any]) -> None:
    before = build_world(drawn[0])
    same = [
        Replacement(DocumentKind.KEY_POLICY, key.arn, key.key_policy.text, "f")
        for key in before.keys.values()
        if key.key_policy is not None and key.manager != "AWS"
    ]
    over: Overlay = overlay(before, [r for r in same if '"Statement": []' not in r.text])
    assert over.world == before
    answer = what_if(before, over, AnalysisRules())
    assert (answer.outside.differences, answer.findings, answer.control) == ((), (), ())
    assert answer.inside is not None
    assert answer.inside.differences == ()
