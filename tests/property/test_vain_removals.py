"""On random worlds: a verified removal of what does nothing, judged from scratch, changes no access at all."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from scanner.analyze.decision.decide import decide
from scanner.analyze.edits.textedit import readable
from scanner.analyze.edits.whatif import Replacement, overlay
from scanner.analyze.history.sameness import reads_the_same
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.casefile import build_world
from scanner.model.actions import KEY_ACTIONS
from scanner.model.finding import Finding, Kind
from scanner.model.key import KeyFacts
from scanner.model.policy import DocumentKind
from scanner.model.world import World

from builders import analyzed
from patches import patched
from reference_worlds import worlds

budget = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def with_removal(before: World, finding: Finding, key: KeyFacts) -> World:
    """The world with the printed patch applied, or the grant revoked that the command names."""
    if finding.remediation.kind == "revoke_grant":
        return overlay(before, [], [finding.mechanism.grants[0].grant_id]).world
    assert key.key_policy is not None
    text = patched(readable(key.key_policy.text), finding.remediation.diff)
    return overlay(before, [Replacement(DocumentKind.KEY_POLICY, key.arn, text, "patched")]).world


def decisions(given_world: World, key: KeyFacts) -> list[object]:
    """What the root user and the principals of the key's own account get; nobody can retire a grant that is gone."""
    listed = [p.arn for p in given_world.principals.values() if p.account_id == key.account_id]
    found: list[object] = []
    for who in (f"arn:{key.partition}:iam::{key.account_id}:root", *listed):
        caller = resolve_caller(given_world, who)
        for action in KEY_ACTIONS:
            if action.name != "RetireGrant":
                request = Request(caller, action.iam_name, key.arn, action=action, key=key)
                decision = decide(given_world, request, trace=False)
                found.append((who, action.name, decision.verdict, decision.condition))
    return found


@budget
@given(worlds())
def test_verified_removal_changes_no_access(drawn: tuple[Any, Any]) -> None:
    before = build_world(drawn[0])
    told = analyzed(before, service_principals="all", remedies=True)
    access = {f.id: f for f in told.of(Kind.EXTERNAL_ACCESS)}
    in_vain = told.of(Kind.INEFFECTIVE_PERMISSION)
    for finding in in_vain:
        if not finding.remediation.verified:
            continue
        key = next(k for k in before.keys.values() if k.arn == finding.resource.arn)
        after = with_removal(before, finding, key)
        left = analyzed(after, service_principals="all")
        still = {f.id: f for f in left.of(Kind.EXTERNAL_ACCESS)}
        assert access.keys() == still.keys()
        assert all(reads_the_same(access[i], now) and access[i].reach == now.reach for i, now in still.items())
        assert len(left.of(Kind.INEFFECTIVE_PERMISSION)) == len(in_vain) - 1
        assert decisions(before, key) == decisions(after, after.keys[key.arn])
