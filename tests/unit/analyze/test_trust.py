"""Who may assume a role: trust policy, identity side and guardrails of one hop (R7.1 to R7.6, R7.13)."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.decision.trust import decide_assume
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.decision import Decision, GateOutcome, Layer, TracedGate, Verdict
from scanner.model.principal import PrincipalFacts

from builders import FULL, MEMBER, OWNER, ROOT, STRANGER, allow, deny, iam, organization, policy, principal, world

A, C, D, U = Verdict.ALLOWED, Verdict.CONDITIONAL, Verdict.DENIED, Verdict.UNKNOWN
TARGET = iam(OWNER, "role/Target")
ASSUME = policy(allow(None, "sts:AssumeRole"))
S3_ONLY = policy(allow(None, "s3:*"))


def assume(
    trust: dict[str, Any] | None, who: str, *things: Any, facts: dict[str, Any] | None = None, **asked: Any
) -> Decision:
    """May the caller assume the role of OWNER."""
    target = principal(TARGET, trust=trust, **(facts or {}))
    given = world(target, *things)
    role: PrincipalFacts = given.principals[TARGET]
    return decide_assume(given, Request(resolve_caller(given, who), "sts:AssumeRole", TARGET, role=role, **asked))


def trusted(who: object, **parts: Any) -> dict[str, Any]:
    """A trust policy; its statements need no Resource."""
    statement = allow(who, "sts:AssumeRole", **parts)
    del statement["Resource"]
    return policy(statement)


HOPS: list[tuple[object, str, Any, Any, Verdict]] = [
    # trusted, caller, identity policies, boundary, verdict
    (iam(MEMBER, "root"), iam(MEMBER, "role/App"), [ASSUME], None, A),
    (iam(MEMBER, "root"), iam(MEMBER, "role/App"), [], None, D),
    (iam(MEMBER, "role/App"), iam(MEMBER, "role/App"), [], None, D),
    (iam(MEMBER, "role/App"), iam(MEMBER, "assumed-role/App/x"), [ASSUME], None, A),
    (iam(MEMBER, "role/App"), iam(MEMBER, "role/App"), [ASSUME], S3_ONLY, D),
    (iam(MEMBER, "role/App"), iam(MEMBER, "role/App"), [ASSUME, policy(deny(None, "sts:*"))], None, D),
    ("*", iam(MEMBER, "role/App"), [ASSUME], None, A),
    ("*", iam(MEMBER, "role/App"), [], None, D),
    (iam(OWNER, "role/App"), iam(OWNER, "role/App"), [], None, A),
    (iam(OWNER, "role/App"), iam(OWNER, "role/App"), [], S3_ONLY, D),
    (iam(OWNER, "user/Ann"), iam(OWNER, "user/Ann"), [], None, A),
    (iam(OWNER, "user/Ann"), iam(OWNER, "user/Ann"), [], S3_ONLY, U),
    (iam(OWNER, "root"), iam(OWNER, "role/App"), [], None, D),
    (iam(OWNER, "root"), iam(OWNER, "role/App"), [ASSUME], None, A),
    ("*", iam(OWNER, "role/App"), [], S3_ONLY, A),
    (iam(OWNER, "assumed-role/App/x"), iam(OWNER, "assumed-role/App/x"), [], S3_ONLY, A),
    ({"Service": "ec2.amazonaws.com"}, "ec2.amazonaws.com", [], None, A),
    ({"Service": "ec2.amazonaws.com"}, iam(OWNER, "role/App"), [ASSUME], None, D),
    (iam(STRANGER, "root"), iam(STRANGER, "role/App"), [], None, U),
    (iam(MEMBER, "root"), iam(STRANGER, "role/App"), [], None, D),
]


@pytest.mark.parametrize(("who_is_trusted", "who", "documents", "boundary", "expected"), HOPS)
def test_trust_and_identity_side_let_somebody_assume_the_role(
    who_is_trusted: object, who: str, documents: Any, boundary: Any, expected: Verdict
) -> None:
    behind = who.replace(":sts:", ":iam:").replace("assumed-role/", "role/").removesuffix("/x")
    people = [] if "arn:" not in who or STRANGER in who else [principal(behind, *documents, boundary=boundary)]
    assert assume(trusted(who_is_trusted), who, *people).verdict is expected


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (iam(MEMBER, "root"), "root_user"),
        (iam(MEMBER, "federated-user/Bob"), "federated_user"),
        (iam(MEMBER, "role/App").replace("arn:aws:", "arn:aws-cn:"), "partition"),
    ],
)
def test_root_federated_and_foreign_partition_never_assume(who: str, reason: str) -> None:
    decision = assume(trusted("*"), who)
    assert (decision.verdict, decision.reason) == (D, reason)


def test_role_without_trust_policy_is_assumed_by_nobody_unless_it_was_not_read() -> None:
    caller = principal(iam(MEMBER, "role/App"), ASSUME)
    assert assume(None, caller.arn, caller).verdict is D
    decision = assume(None, caller.arn, caller, facts={"complete": False, "gap": "row"})
    assert (decision.verdict, decision.reason) == (U, "trust_not_read")


def test_deny_in_the_trust_policy_ends_the_matter() -> None:
    both = policy(*trusted("*")["Statement"], deny(iam(MEMBER, "root"), "sts:*"))
    caller = principal(iam(MEMBER, "role/App"), ASSUME)
    assert assume(both, caller.arn, caller).reason == "explicit_deny_trust"


def test_guardrails_of_both_sides_bind_the_hop() -> None:
    caller = principal(iam(MEMBER, "role/App"), FULL)
    open_trust = trusted(iam(MEMBER, "root"))
    assert assume(open_trust, caller.arn, caller, organization(scps={MEMBER: [S3_ONLY]})).reason == "scp_deny"
    assert assume(open_trust, caller.arn, caller, organization(scps={OWNER: [S3_ONLY]})).verdict is A
    rcp = organization(rcps={ROOT: [policy(deny("*", "sts:AssumeRole*"))]})
    assert assume(open_trust, caller.arn, caller, rcp).reason == "rcp_deny"


def test_external_id_is_the_callers_to_give() -> None:
    fenced = trusted(iam(MEMBER, "root"), when={"StringEquals": {"sts:ExternalId": "one"}})
    caller = principal(iam(MEMBER, "role/App"), ASSUME)
    decision = assume(fenced, caller.arn, caller)
    assert (decision.verdict, decision.caller_chosen) == (C, True)
    assert assume(fenced, caller.arn, caller, context={"sts:externalid": ("two",)}).verdict is D
    assert assume(fenced, caller.arn, caller, context={"sts:externalid": ("one",)}).verdict is A


def test_tags_to_pass_are_the_callers_to_give_and_keys_of_kms_are_not_there() -> None:
    caller = principal(iam(MEMBER, "role/App"), ASSUME)
    for name, expected in (("aws:RequestTag/team", C), ("kms:RequestAlias", D)):
        fenced = trusted(iam(MEMBER, "root"), when={"StringEquals": {name: "blue"}})
        assert assume(fenced, caller.arn, caller).verdict is expected


def test_tags_of_the_role_are_the_resource_tags_of_the_hop() -> None:
    caller = principal(
        iam(MEMBER, "role/App"),
        policy(allow(None, "sts:AssumeRole", when={"StringEquals": {"aws:ResourceTag/env": "dev"}})),
    )
    open_trust = trusted(iam(MEMBER, "root"))
    assert assume(open_trust, caller.arn, caller, facts={"tags": {"env": "dev"}}).verdict is A
    assert assume(open_trust, caller.arn, caller, facts={"tags": {}}).verdict is D


# -- the trace --------------------------------------------------------------------------------------------------------


def test_trace_of_a_hop_names_the_trust_condition_that_failed() -> None:
    trust = trusted(iam(MEMBER, "root"), Condition={"StringEquals": {"sts:ExternalId": "right"}})
    decision = assume(trust, iam(MEMBER, "role/App"), principal(iam(MEMBER, "role/App"), ASSUME),
                      context={"sts:externalid": ("wrong",)})  # fmt: skip
    traced = decision.gates[-1]
    assert isinstance(traced, TracedGate)
    assert (traced.layer, traced.outcome) == (Layer.TRUST, GateOutcome.DENY_IMPLICIT)
    (failure,) = traced.failed
    assert (failure.check.key, failure.check.saw) == ("sts:ExternalId", "wrong")
    assert failure.statement.source == TARGET
