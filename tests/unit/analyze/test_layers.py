"""What boundaries, session policies, SCPs and RCPs let through, whom they spare, and what an unread one leaves open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.model.decision import CheckOutcome, Decision, GateOutcome, Layer, TracedGate, Verdict
from scanner.model.organization import Organization
from scanner.model.policy import DocumentKind
from scanner.model.world import World

from builders import (
    AS_OF,
    FULL,
    KEY,
    MANAGER,
    MEMBER,
    OU,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
    ask,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    ram,
    text,
    world,
)

A, C, D, L, U = Verdict.ALLOWED, Verdict.CONDITIONAL, Verdict.DENIED, Verdict.LATENT, Verdict.UNKNOWN
ROLE = iam(MEMBER, "role/App")
SLR = iam(MEMBER, "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
LEVELS = (ROOT, OU, MEMBER)
S3_ONLY, NO_KMS = policy(allow(None, "s3:*")), policy(deny(None, "kms:*"))
RCP_DENY = policy(deny("*", "kms:*"))


def situation(org: Organization | None = None, *statements: dict[str, Any], who: str = ROLE, **parts: Any) -> World:
    """A key that everybody may use and a caller with every permission of its own."""
    things = [key(*(statements or (allow("*", "kms:*"),))), principal(who, FULL)]
    return world(*things, *([org] if org else []), **parts)


def gate(decision: Decision, layer: Layer) -> GateOutcome:
    """What a layer did."""
    (found,) = (g.outcome for g in decision.gates if g.layer is layer)
    return found


# -- service control policies (R3.40 to R3.46) ------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([FULL], A), ([S3_ONLY], D), ([], D), ([FULL, NO_KMS], D), ([S3_ONLY, policy(allow(None, "kms:Dec*"))], A),
        ([FULL, policy(deny(None, "kms:*", when={"Bool": {"aws:MultiFactorAuthPresent": "false"}}))], C),
        ([policy({"Effect": "Allow", "NotAction": "kms:*", "Resource": "*"})], D),
        ([policy({"Effect": "Allow", "Action": "*", "NotResource": KEY})], D),
        ([policy({"Effect": "Allow", "Action": "*", "Resource": f"arn:aws:kms:*:{OWNER}:key/*"})], A),
    ],
)  # fmt: skip
def test_scp_must_allow_at_every_level_and_deny_at_none(level: str, documents: list[Any], expected: Verdict) -> None:
    decision = ask(situation(organization(scps={level: documents})), ROLE)
    assert decision.verdict is expected
    if expected is D:
        assert decision.reason == "scp_deny"


@pytest.mark.parametrize(
    ("who", "bound"),
    [(ROLE, True), (iam(MEMBER, "root"), True), (iam(MEMBER, "user/Ann"), True), (SLR, False),
     (iam(MANAGER, "role/App"), False), (iam(OWNER, "role/App"), True), ("logs.amazonaws.com", False)],
)  # fmt: skip
def test_scp_binds_members_and_spares_management_services_and_service_linked_roles(who: str, bound: bool) -> None:
    things = [] if "." in who.split(":", maxsplit=1)[0] or who.endswith(":root") else [principal(who, FULL)]
    given = world(key(allow("*", "kms:*")), *things, account(MANAGER), organization(scps={ROOT: [S3_ONLY]}))
    assert ask(given, who).verdict is (D if bound else A)


def test_scp_of_the_owner_does_not_touch_callers_of_another_account() -> None:
    assert ask(situation(organization(scps={OWNER: [NO_KMS]})), ROLE).verdict is A


def test_scp_that_is_not_enabled_is_not_in_force() -> None:
    assert ask(situation(organization(scps={ROOT: [S3_ONLY]}, scp_enabled=False)), ROLE).verdict is A


def test_target_without_a_list_of_scps_holds_full_access() -> None:
    assert ask(situation(organization(scps={})), ROLE).verdict is A


# -- resource control policies (R3.50 to R3.55) -----------------------------------------------------------------------


@pytest.mark.parametrize("level", [ROOT, OU, OWNER])
@pytest.mark.parametrize("who", [ROLE, iam(OWNER, "role/App"), iam(MEMBER, "root"), "logs.amazonaws.com"])
def test_rcp_denies_everybody_at_every_level(level: str, who: str) -> None:
    given = situation(organization(rcps={level: [RCP_DENY]}), who=ROLE)
    decision = ask(given, who)
    assert (decision.verdict, decision.reason) == (D, "rcp_deny")


@pytest.mark.parametrize(
    "org",
    [
        organization(rcps={MEMBER: [RCP_DENY]}),
        organization(rcps={ROOT: [RCP_DENY]}, rcp_enabled=False),
        organization(rcps={ROOT: [policy(allow("*", "s3:*"))]}),
        organization(rcps={ROOT: [policy(deny("*", "s3:*"))]}),
        organization(rcps={ROOT: [RCP_DENY]}, management_account=OWNER, members={MEMBER: (ROOT,)}),
    ],
)
def test_rcp_elsewhere_not_enabled_or_about_something_else_does_nothing(org: Organization) -> None:
    assert ask(situation(org), ROLE).verdict is A


def test_rcp_spares_service_linked_roles_retiring_and_aws_managed_keys() -> None:
    org = organization(rcps={ROOT: [RCP_DENY]})
    assert ask(situation(org, who=SLR), SLR).verdict is A
    held = world(key(grants=(grant(ROLE, "RetireGrant"),)), principal(ROLE, FULL), org)
    assert ask(held, ROLE, "kms:RetireGrant").verdict is A
    own = iam(OWNER, "role/App")
    assert ask(world(key(allow("*"), manager="AWS"), principal(own, FULL), org), own).verdict is A


def test_rcp_on_strangers_denies_them_for_certain() -> None:
    fence = {
        "StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-own0000001"},
        "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
    }
    org = organization(rcps={ROOT: [policy(deny("*", "kms:*", when=fence))]})
    assert ask(situation(org), ROLE).verdict is A
    assert ask(situation(org), iam(STRANGER, "role/App")).verdict is D
    assert ask(situation(org), "logs.amazonaws.com").verdict is A


# -- boundary and session policies (R3.12, R3.26, R3.27) --------------------------------------------------------------


@pytest.mark.parametrize(
    ("boundary", "expected", "reason"),
    [(FULL, A, "both_sides_allow"), (S3_ONLY, D, "boundary"), (NO_KMS, D, "explicit_deny_boundary"),
     (policy(allow(None, "kms:*", when={"StringEquals": {"aws:PrincipalTag/x": "y"}})), D, "boundary")],
)  # fmt: skip
def test_boundary_only_limits(boundary: dict[str, Any], expected: Verdict, reason: str) -> None:
    given = world(key(allow(iam(MEMBER, "root"))), principal(ROLE, FULL, boundary=boundary))
    decision = ask(given, ROLE)
    assert (decision.verdict, decision.reason) == (expected, reason)
    assert ask(world(key(allow(iam(MEMBER, "root"))), principal(ROLE, boundary=FULL)), ROLE).verdict is D


@pytest.mark.parametrize(
    ("sessions", "expected", "reason"),
    [(None, A, "both_sides_allow"), ([FULL], A, "both_sides_allow"), ([S3_ONLY], D, "session"),
     ([FULL, NO_KMS], D, "explicit_deny_session"), ([S3_ONLY, policy(allow())], A, "both_sides_allow")],
)  # fmt: skip
def test_session_policy_only_limits(sessions: list[Any] | None, expected: Verdict, reason: str) -> None:
    arn = iam(MEMBER, "assumed-role/App/blue")
    session = principal(arn, parent=ROLE, session_policies=sessions)
    decision = ask(world(key(allow(iam(MEMBER, "root"))), principal(ROLE, FULL), session), arn)
    assert (decision.verdict, decision.reason) == (expected, reason)


# -- what nobody read (R3.56, R10.7, R10.12) --------------------------------------------------------------------------


def _without(part: str) -> Organization:
    return replace(organization(), **{part: None}, scp_gap="m/scp", rcp_gap="m/rcp")


def test_unread_scp_makes_the_verdict_unknown_and_never_denied() -> None:
    unread = _without("scps")
    decision = ask(situation(unread), ROLE)
    assert (decision.verdict, decision.unknowns, decision.rules) == (U, ("guardrail_not_read",), ("m/scp",))
    assert gate(decision, Layer.SCP) is GateOutcome.UNREAD
    assert ask(situation(unread), iam(MANAGER, "root")).verdict is not D
    assert ask(situation(unread), "logs.amazonaws.com").verdict is A


def test_unread_rcp_makes_the_verdict_unknown_for_everybody_it_binds() -> None:
    unread = _without("rcps")
    decision = ask(situation(unread), ROLE)
    assert (decision.verdict, decision.rules) == (U, ("m/rcp",))
    assert ask(situation(unread), "logs.amazonaws.com").verdict is U
    assert ask(situation(unread, who=SLR), SLR).verdict is A
    assert ask(situation(unread, deny("*")), ROLE).verdict is D


def test_organization_nobody_read_leaves_guardrails_open_and_may_be_credited_away() -> None:
    unread = (account(OWNER, organization_unknown=True), account(MEMBER, organization_unknown=True))
    things = (key(allow("*")), principal(ROLE, FULL))
    assert ask(world(*things, accounts=unread, organizations=()), ROLE).verdict is U
    for scp, rcp, expected in ((False, False, A), (True, False, U), (False, True, U)):
        given = world(*things, accounts=unread, organizations=(), credit_scp=scp, credit_rcp=rcp)
        assert ask(given, ROLE).verdict is expected


def test_standalone_accounts_have_no_guardrails() -> None:
    assert ask(world(key(allow("*")), principal(ROLE, FULL), organizations=()), ROLE).verdict is A


def test_credited_guardrails_are_those_the_user_credits() -> None:
    org = organization(scps={ROOT: [S3_ONLY]}, rcps={ROOT: [RCP_DENY]})
    assert ask(situation(org, credit_scp=False, credit_rcp=False), ROLE).verdict is A
    assert ask(situation(org, credit_scp=False), ROLE).reason == "rcp_deny"


@pytest.mark.parametrize(
    ("facts", "action", "expected", "reason"),
    [
        ({"key_policy": None, "gaps": {"key_policy": "row"}}, "kms:Decrypt", U, "policy_not_readable"),
        ({"grants": None, "gaps": {"grants": "row"}}, "kms:Decrypt", U, "grants_not_read"),
        ({"grants": None, "gaps": {"grants": "row"}}, "kms:ListGrants", D, "no_key_side"),
        ({"ram_policy_read": False, "gaps": {"ram_policy": "row"}}, "kms:Decrypt", U, "policy_not_readable"),
        ({"spec": "", "usage": "", "state": "", "gaps": {"describe": "row"}}, "kms:Decrypt", D, "no_key_side"),
    ],
)
def test_unread_part_of_a_key_is_unknown_only_where_it_matters(
    facts: dict[str, Any], action: str, expected: Verdict, reason: str
) -> None:
    decision = ask(world(key(**facts), principal(ROLE, FULL)), ROLE, action)
    assert (decision.verdict, decision.reason) == (expected, reason)
    assert expected is not U or decision.rules == ("row",)


def test_key_that_was_not_described_leaves_usage_and_state_open() -> None:
    blank = key(allow("*", "kms:*"), spec="", usage="", state="", gaps={"describe": "row"})
    decision = ask(world(blank, principal(ROLE, FULL)), ROLE)
    assert (decision.verdict, decision.reason) == (U, "key_not_described")
    assert ask(world(blank, principal(ROLE, FULL)), ROLE, "kms:ListGrants").verdict is A


@pytest.mark.parametrize("kind", ["identity", "boundary", "scp", "key"])
def test_document_that_does_not_parse_proves_nothing(kind: str) -> None:
    broken = policy() | {"Statement": [{"Effect": "Allow"}], "Surprise": 1}
    role = principal(
        ROLE, *([broken] if kind == "identity" else [FULL]), boundary=broken if kind == "boundary" else None
    )
    org = organization(scps={MEMBER: [broken]} if kind == "scp" else None)
    damaged = text(broken, DocumentKind.KEY_POLICY, KEY)
    used = key(key_policy=damaged) if kind == "key" else key(allow(iam(MEMBER, "root")))
    decision = ask(world(used, role, org), ROLE)
    assert (decision.verdict, decision.reason) == (U, "malformed")


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Effect": "Maybe", "Principal": "*", "Action": "s3:*", "Resource": "*"}, D),
        ({"Effect": "Allow", "Principal": "*", "Action": "*"}, D),
        ({"Effect": "Allow", "Principal": "*", "Resource": "*"}, D),
        ({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Extra": 1}, U),
        ({"Effect": "Allow", "Action": "*", "Resource": "*"}, U),
        ({"Effect": "Allow", "Principal": "*", "Action": "*", "NotAction": "s3:*", "Resource": "*"}, U),
        ({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {"Equals": {"a": "b"}}}, U),
        (
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "*",
                "Resource": "*",
                "Condition": {"NullIfExists": {"a": "b"}},
            },
            U,
        ),
        ({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": "x"}, U),
    ],
)
def test_damaged_statement_may_do_what_its_readable_parts_allow(statement: dict[str, Any], expected: Verdict) -> None:
    assert ask(situation(None, statement), ROLE).verdict is expected


# -- RAM (R2.20) ------------------------------------------------------------------------------------------------------


def test_allow_that_only_the_ram_policy_gives_is_unknown_and_its_deny_counts() -> None:
    shared = world(key(ram_policy=ram(allow(iam(MEMBER, "root")))), principal(ROLE, FULL))
    decision = ask(shared, ROLE)
    assert (decision.verdict, decision.reason) == (U, "ram_policy")
    assert ask(world(key(ram_policy=ram(allow(iam(MEMBER, "root")))), principal(ROLE)), ROLE).verdict is D
    both = world(key(allow(iam(MEMBER, "root")), ram_policy=ram(deny("*"))), principal(ROLE, FULL))
    assert ask(both, ROLE).verdict is D


# -- state and Region (R9.1, R9.20) -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "action", "expected"),
    [("Disabled", "kms:Decrypt", L), ("PendingDeletion", "kms:Decrypt", L), ("Disabled", "kms:DescribeKey", A),
     ("Unavailable", "kms:CreateGrant", A), ("Disabled", "kms:CreateGrant", L), ("Updating", "kms:Decrypt", A)],
)  # fmt: skip
def test_blocked_state_makes_access_latent(state: str, action: str, expected: Verdict) -> None:
    given = world(key(allow("*", "kms:*"), state=state), principal(ROLE, FULL))
    assert ask(given, ROLE, action).verdict is expected
    assert ask(world(key(state=state), principal(ROLE, FULL)), ROLE, action).verdict is D


def test_conditional_access_to_a_disabled_key_is_latent_with_its_condition() -> None:
    when = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    decision = ask(world(key(allow("*", when=when), state="Disabled"), principal(ROLE, FULL)), ROLE)
    assert (decision.verdict, decision.reason) == (L, "key_state")
    assert decision.condition == "kms:ViaService = s3.eu-west-1.amazonaws.com"


BAHRAIN = KEY.replace("eu-west-1", "me-south-1")


@pytest.mark.parametrize(
    ("regions", "expected"),
    [(None, U), (frozenset(), L), (frozenset({"me-south-1"}), A), (frozenset({"eu-west-1"}), L)],
)
def test_opt_in_region_must_be_enabled_in_the_callers_account(
    regions: frozenset[str] | None, expected: Verdict
) -> None:
    caller = account(MEMBER, opted_in_regions=regions)
    given = world(key(allow("*"), arn=BAHRAIN), principal(ROLE, FULL), principal(iam(OWNER, "role/App"), FULL), caller)
    assert ask(given, ROLE, on=BAHRAIN).verdict is expected
    assert ask(given, iam(OWNER, "role/App"), on=BAHRAIN).verdict is A
    assert ask(given, "logs.amazonaws.com", on=BAHRAIN).verdict is A


def test_region_in_no_list_is_unknown_unless_the_caller_or_owner_names_it() -> None:
    future = KEY.replace("eu-west-1", "mars-north-1")
    things = (key(allow("*"), arn=future), principal(ROLE, FULL))
    elsewhere, there = frozenset({"eu-west-1"}), frozenset({"mars-north-1"})
    assert ask(world(*things, account(MEMBER, opted_in_regions=elsewhere)), ROLE, on=future).verdict is U
    assert ask(world(*things, account(MEMBER, opted_in_regions=there)), ROLE, on=future).verdict is A
    owner = account(OWNER, default_regions=there)
    assert ask(world(*things, owner, account(MEMBER, opted_in_regions=None)), ROLE, on=future).verdict is A


# -- account actions, aliases, new actions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "on", "who", "expected"),
    [
        ("kms:ListKeys", "*", ROLE, A),
        ("kms:ListKeys", "*", "logs.amazonaws.com", D),
        ("kms:CreateKey", "*", iam(MEMBER, "root"), A),
        ("kms:CreateAlias", f"arn:aws:kms:eu-west-1:{MEMBER}:alias/app", ROLE, A),
        ("kms:CreateAlias", f"arn:aws:kms:eu-west-1:{OWNER}:alias/app", ROLE, D),
    ],
)
def test_action_without_key_is_decided_by_iam_of_the_own_account(
    action: str, on: str, who: str, expected: Verdict
) -> None:
    assert ask(situation(), who, action, on).verdict is expected


def test_action_that_this_version_does_not_know_is_unknown() -> None:
    decision = ask(situation(), ROLE, "kms:BrandNew")
    assert (decision.verdict, decision.reason) == (U, "unknown_action")
    assert ask(world(key(), principal(ROLE)), ROLE, "kms:BrandNew").verdict is U
    assert ask(world(key(deny("*", "kms:*")), principal(ROLE)), ROLE, "kms:BrandNew").verdict is D


def test_user_may_vouch_for_a_condition_key() -> None:
    when = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}
    given = situation(None, allow("*", when=when), asserted={"aws:sourcevpce": ("vpce-1",)})
    assert ask(given, ROLE).verdict is A
    assert ask(situation(None, allow("*", when=when), asserted={"aws:sourcevpce": ("vpce-2",)}), ROLE).verdict is D
    assert given.as_of == AS_OF


# -- the trace --------------------------------------------------------------------------------------------------------


def test_trace_lists_every_gate_with_the_statement_that_decided() -> None:
    org = organization(scps={OU: [FULL]}, rcps={ROOT: [policy(deny("*", "s3:*"))]})
    decision = ask(situation(org, allow(iam(MEMBER, "root"), Sid="Share"), deny("*", "kms:Encrypt")), ROLE)
    outcomes = {g.layer: g.outcome for g in decision.gates}
    assert outcomes == {
        Layer.IAM: GateOutcome.ALLOW, Layer.BOUNDARY: GateOutcome.NOT_APPLICABLE,
        Layer.SESSION: GateOutcome.NOT_APPLICABLE, Layer.SCP: GateOutcome.ALLOW, Layer.RCP: GateOutcome.ALLOW,
        Layer.KEY_POLICY: GateOutcome.ALLOW, Layer.RAM: GateOutcome.NOT_APPLICABLE,
        Layer.GRANT: GateOutcome.NOT_APPLICABLE, Layer.KEY_STATE: GateOutcome.ALLOW,
    }  # fmt: skip
    (share,) = next(g for g in decision.gates if g.layer is Layer.KEY_POLICY).statements
    assert (share.sid, share.index, share.effect, share.source, share.line_from) == ("Share", 0, "Allow", KEY, 4)


def test_trace_of_a_refusal_names_the_deny() -> None:
    decision = ask(situation(None, allow("*"), deny(ROLE, Sid="No")), ROLE)
    assert (decision.verdict, decision.reason) == (D, "explicit_deny_key_policy")
    (refused,) = [g for g in decision.gates if g.outcome is GateOutcome.DENY_EXPLICIT]
    assert [s.sid for s in refused.statements] == ["No"]


def test_trace_names_the_condition_that_failed_and_the_value_it_saw() -> None:
    fenced = allow(ROLE, Condition={"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}})
    decision = ask(situation(None, fenced), ROLE, context={"kms:viaservice": ()})
    assert (decision.verdict, decision.reason) == (D, "no_key_side")
    traced = next(g for g in decision.gates if g.layer is Layer.KEY_POLICY)
    assert isinstance(traced, TracedGate)
    (failure,) = traced.failed
    assert (failure.statement.source, failure.statement.index, failure.check.key) == (KEY, 0, "kms:ViaService")
    assert (failure.check.outcome, failure.check.saw) == (CheckOutcome.FAILS, "absent")
    assert failure.check.line_from > failure.statement.line_from


@pytest.mark.parametrize("bound", ["search.MAX_STEPS", "witness.MAX_TRANSITIONS"])
def test_question_beyond_a_bound_is_unknown_and_never_a_guess(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The texts belong to this test alone, because answers are remembered."""

    def given(number: int) -> World:
        like, unlike = f"{bound}-{number}", {"ForAllValues:StringNotLike": {"aws:CalledVia": [f"*{number}*", "a*b*"]}}
        return situation(None, allow("*", when={"ForAnyValue:StringLike": {"aws:CalledVia": f"*{like}*"}} | unlike))

    with monkeypatch.context() as lowered:
        lowered.setattr(f"scanner.analyze.logic.{bound}", 1)
        decision = ask(given(1), ROLE)
    assert (decision.verdict, decision.reason, decision.unknowns) == (U, "too_complex", ("too_complex",))
    assert ask(given(2), ROLE).verdict is D
