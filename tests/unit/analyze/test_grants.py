"""Whom a grant reaches, what constrains it, and who may create from it or retire it (section 4)."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.decision.grants import accounts_of_grants
from scanner.analyze.request.request import GrantRequest
from scanner.model.decision import Layer, Verdict
from scanner.model.key import Grant, GrantConstraints
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MEMBER,
    OWNER,
    ROOT,
    STRANGER,
    allow,
    ask,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    world,
)

A, C, D, U = Verdict.ALLOWED, Verdict.CONDITIONAL, Verdict.DENIED, Verdict.UNKNOWN
ROLE, USER = iam(MEMBER, "role/App"), iam(MEMBER, "user/Ann")
LOGS, TOPIC = "logs.amazonaws.com", f"arn:aws:sns:eu-west-1:{OWNER}:topic"


def held(*grants: Grant, statements: tuple[dict[str, Any], ...] = (), documents: Any = (), **parts: Any) -> World:
    """A key with grants, and identities of MEMBER and OWNER without any permission of their own."""
    people = [principal(iam(where, who), *documents) for where in (MEMBER, OWNER) for who in ("role/App", "user/Ann")]
    return world(key(*statements, grants=grants), *people, **parts)


GRANTEES = [
    # grantee, caller, verdict
    (ROLE, ROLE, A),
    (ROLE, iam(MEMBER, "assumed-role/App/blue"), A),
    (ROLE, USER, D),
    (ROLE, iam(MEMBER, "root"), D),
    (USER, USER, A),
    (iam(OWNER, "role/App"), iam(OWNER, "role/App"), A),
    (iam(MEMBER, "assumed-role/App/blue"), iam(MEMBER, "assumed-role/App/blue"), A),
    (iam(MEMBER, "assumed-role/App/blue"), iam(MEMBER, "assumed-role/App/green"), D),
    (iam(MEMBER, "assumed-role/App/blue"), ROLE, C),
    (iam(MEMBER, "root"), iam(MEMBER, "root"), A),
    (iam(MEMBER, "root"), ROLE, U),
    ("AROAGONE", ROLE, D),
    (LOGS, LOGS, A),
    (LOGS, "sns.amazonaws.com", D),
    (LOGS, ROLE, D),
    (ROLE, LOGS, D),
]


@pytest.mark.parametrize(("grantee", "who", "expected"), GRANTEES)
def test_grant_reaches_its_grantee_without_any_policy(grantee: str, who: str, expected: Verdict) -> None:
    assert ask(held(grant(grantee)), who).verdict is expected
    assert ask(held(grant(grantee)), who, "kms:Encrypt").verdict is D


def test_account_as_grantee_counts_for_identities_with_their_own_permission() -> None:
    assert ask(held(grant(iam(MEMBER, "root")), documents=(policy(allow()),)), ROLE).verdict is A


def test_old_grant_to_a_service_name_is_not_resolvable() -> None:
    old = Grant("g-1", ("Decrypt",), grantee_principal="sns.eu-west-1.amazonaws.com", issuing_account=OWNER)
    assert ask(held(old), "sns.amazonaws.com").reason == "grantee_not_resolvable"
    assert ask(held(old), LOGS).verdict is D
    assert ask(held(old), ROLE).verdict is D


def test_grant_to_a_stranger_stays_unknown_for_its_guardrails_only() -> None:
    decision = ask(held(grant(iam(STRANGER, "role/App"))), iam(STRANGER, "role/App"))
    assert decision.verdict is U
    assert set(decision.unknowns) <= {"caller_side_not_collected", "guardrail_not_read", "undocumented"}


@pytest.mark.parametrize(
    "parts",
    [
        {"statements": (deny("*"),)},
        {"statements": (deny(ROLE),)},
        {"documents": (policy(deny()),)},
    ],
)
def test_explicit_deny_takes_precedence_over_a_grant(parts: dict[str, Any]) -> None:
    assert ask(held(grant(ROLE), **parts), ROLE).verdict is D


def test_guardrails_bind_a_grant() -> None:
    for org in (
        organization(scps={ROOT: [policy(allow(None, "s3:*"))]}),
        organization(scps={ROOT: [FULL, policy(deny())]}),
        organization(rcps={ROOT: [policy(deny("*"))]}),
    ):
        given = world(key(grants=(grant(ROLE),)), principal(ROLE), org)
        assert ask(given, ROLE).verdict is D


@pytest.mark.parametrize("limit", ["boundary", "session"])
def test_silence_of_a_boundary_or_session_policy_on_a_grant_is_not_documented(limit: str) -> None:
    silent = policy(allow(None, "s3:*"))
    arn = iam(MEMBER, "assumed-role/App/blue")
    role = principal(ROLE, boundary=silent if limit == "boundary" else None)
    session = principal(arn, parent=ROLE, session_policies=[silent] if limit == "session" else None)
    decision = ask(world(key(grants=(grant(ROLE),)), role, session), arn)
    assert (decision.verdict, decision.rules) == (U, ("R4.16",))


# -- constraints (R4.17, R4.18) ---------------------------------------------------------------------------------------

SUBSET, EQUALS = {"EncryptionContextSubset": {"App": "a"}}, {"EncryptionContextEquals": {"App": "a"}}
CONSTRAINED: list[tuple[dict[str, Any], str, dict[str, str] | None, Verdict]] = [
    (SUBSET, "kms:Decrypt", {"App": "a"}, A),
    (SUBSET, "kms:Decrypt", {"App": "a", "More": "x"}, A),
    (SUBSET, "kms:Decrypt", {"App": "b"}, D),
    (SUBSET, "kms:Decrypt", {"App": "A"}, D),
    (SUBSET, "kms:Decrypt", {}, D),
    (SUBSET, "kms:Decrypt", {"app": "a"}, A),
    (SUBSET, "kms:Decrypt", None, C),
    (EQUALS, "kms:Decrypt", {"App": "a"}, A),
    (EQUALS, "kms:Decrypt", {"App": "a", "More": "x"}, D),
    (EQUALS, "kms:Decrypt", None, C),
    ({"EncryptionContextEquals": {}}, "kms:Decrypt", {}, A),
    ({"EncryptionContextEquals": {}}, "kms:Decrypt", {"App": "a"}, D),
    (SUBSET, "kms:DescribeKey", None, A),
    (EQUALS, "kms:RetireGrant", None, A),
    ({"SourceArn": TOPIC}, "kms:Decrypt", None, D),
    ({"SourceArn": TOPIC}, "kms:DescribeKey", None, D),
    ({"SourceArn": TOPIC}, "kms:RetireGrant", None, A),
    ({"Moon": "full"}, "kms:Decrypt", None, U),
]


@pytest.mark.parametrize(("constraints", "action", "pairs", "expected"), CONSTRAINED)
def test_constraint_limits_the_operations_it_concerns(
    constraints: dict[str, Any], action: str, pairs: dict[str, str] | None, expected: Verdict
) -> None:
    given = held(grant(ROLE, "Decrypt", "DescribeKey", "RetireGrant", constraints=constraints))
    assert ask(given, ROLE, action, encryption_context=pairs).verdict is expected


def test_source_arn_constraint_is_the_services_to_meet() -> None:
    given = held(grant(LOGS, constraints={"SourceArn": "arn:aws:sns:*:*:topic"}))
    assert ask(given, LOGS).verdict is C
    assert ask(given, LOGS, context={"aws:sourcearn": (TOPIC,)}).verdict is A
    assert ask(given, LOGS, context={"aws:sourcearn": (TOPIC + "s",)}).verdict is D


# -- CreateGrant through a grant (R4.19, R4.20) -----------------------------------------------------------------------


def wants(*operations: str, constraints: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a CreateGrant asks for."""
    return {"grant_request": GrantRequest(operations, GrantConstraints.from_api(constraints))}


CHILDREN: list[tuple[dict[str, Any] | None, dict[str, Any], Verdict]] = [
    (None, wants("Decrypt"), A),
    (None, wants("Decrypt", "CreateGrant"), A),
    (None, wants("Encrypt"), D),
    (None, wants("Decrypt", "Encrypt"), D),
    (None, {}, C),
    (SUBSET, wants("Decrypt"), D),
    (SUBSET, wants("Decrypt", constraints=SUBSET), A),
    (SUBSET, wants("Decrypt", constraints=EQUALS), A),
    (SUBSET, wants("Decrypt", constraints={"EncryptionContextSubset": {"App": "a", "More": "x"}}), A),
    (SUBSET, wants("Decrypt", constraints={"EncryptionContextSubset": {"App": "b"}}), D),
    (SUBSET, wants("Decrypt", constraints={"EncryptionContextSubset": {"APP": "a", "More": "x"}}), A),  # R4.17
    (SUBSET, wants("Decrypt", constraints={"EncryptionContextEquals": {"app": "a"}}), A),
    (SUBSET, wants("Decrypt", constraints={"EncryptionContextSubset": {"app": "A"}}), D),
    (SUBSET, {}, C),
    (EQUALS, wants("Decrypt", constraints=EQUALS), A),
    (EQUALS, wants("Decrypt", constraints={"EncryptionContextEquals": {"APP": "a"}}), A),
    (EQUALS, wants("Decrypt", constraints={"EncryptionContextEquals": {"App": "a", "More": "x"}}), D),
    (EQUALS, wants("Decrypt", constraints=SUBSET), D),
    ({"SourceArn": TOPIC}, wants("Decrypt"), D),
    ({"SourceArn": TOPIC}, wants("Decrypt", constraints={"SourceArn": TOPIC}), A),
    ({"SourceArn": TOPIC}, wants("Decrypt", constraints={"SourceArn": "arn:aws:sns:*:*:*"}), U),
    ({"Moon": "full"}, wants("Decrypt"), U),
]


@pytest.mark.parametrize(("constraints", "asked", "expected"), CHILDREN)
def test_grant_made_from_a_grant_is_never_wider(
    constraints: dict[str, Any] | None, asked: dict[str, Any], expected: Verdict
) -> None:
    given = held(grant(ROLE, "CreateGrant", "Decrypt", constraints=constraints))
    assert ask(given, ROLE, "kms:CreateGrant", **asked).verdict is expected


def test_grant_made_through_a_policy_may_be_anything_its_conditions_let_through() -> None:
    documents = (policy(allow(None, "kms:CreateGrant")),)
    free = held(statements=(allow(iam(MEMBER, "root"), "kms:CreateGrant"),), documents=documents)
    assert ask(free, ROLE, "kms:CreateGrant", **wants("Encrypt", "Decrypt")).verdict is A
    fence = {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt", "Encrypt"]}}
    fenced = held(statements=(allow(iam(MEMBER, "root"), "kms:CreateGrant", when=fence),), documents=documents)
    assert ask(fenced, ROLE, "kms:CreateGrant", **wants("Decrypt")).verdict is A
    assert ask(fenced, ROLE, "kms:CreateGrant", **wants("Decrypt", "CreateGrant")).verdict is D
    assert ask(fenced, ROLE, "kms:CreateGrant").verdict is C
    typed = {"StringEquals": {"kms:GrantConstraintType": "EncryptionContextSubset"}}
    by_type = held(statements=(allow(iam(MEMBER, "root"), "kms:CreateGrant", when=typed),), documents=documents)
    assert ask(by_type, ROLE, "kms:CreateGrant", **wants("Decrypt", constraints=SUBSET)).verdict is A
    assert ask(by_type, ROLE, "kms:CreateGrant", **wants("Decrypt")).verdict is D


# -- RetireGrant (R4.22) ----------------------------------------------------------------------------------------------

MAY_RETIRE = (policy(allow(None, "kms:RetireGrant")),)
RETIRING: list[tuple[dict[str, Any], str, Any, Verdict]] = [
    # facts of a grant to a stranger, caller, identity policies, verdict
    ({"retiring_principal": ROLE}, ROLE, (), A),
    ({"retiring_principal": ROLE}, USER, MAY_RETIRE, D),
    ({"retiring_principal": iam(MEMBER, "root")}, iam(MEMBER, "root"), (), A),
    ({"retiring_principal": iam(MEMBER, "root")}, ROLE, (), D),
    ({"retiring_principal": iam(MEMBER, "root")}, ROLE, MAY_RETIRE, A),
    ({"issuing_account": MEMBER}, ROLE, MAY_RETIRE, A),
    ({"issuing_account": MEMBER}, ROLE, (), D),
    ({"issuing_account": OWNER}, iam(OWNER, "role/App"), MAY_RETIRE, A),
    ({"issuing_account": MEMBER}, iam(OWNER, "role/App"), MAY_RETIRE, U),
    ({"issuing_account": MEMBER}, iam(OWNER, "role/App"), (), D),
    ({"issuing_account": OWNER}, ROLE, MAY_RETIRE, D),
    ({"issuing_account": ""}, ROLE, MAY_RETIRE, U),
    ({"retiring_service_principal": LOGS}, LOGS, (), A),
]


@pytest.mark.parametrize(("facts", "who", "documents", "expected"), RETIRING)
def test_grant_says_who_may_retire_it(facts: dict[str, Any], who: str, documents: Any, expected: Verdict) -> None:
    given = held(grant(iam(STRANGER, "role/App"), **facts), documents=documents)
    assert ask(given, who, "kms:RetireGrant").verdict is expected


def test_grantee_retires_only_with_the_operation_and_key_policies_do_not_matter() -> None:
    assert ask(held(grant(ROLE, "RetireGrant"), statements=(deny("*", "kms:*"),)), ROLE, "kms:RetireGrant").verdict is A
    assert ask(held(grant(USER, "RetireGrant")), ROLE, "kms:RetireGrant").reason == "no_grant_role"
    plain = held(grant(ROLE, "Decrypt"), statements=(allow("*", "kms:*"),), documents=MAY_RETIRE)
    decision = ask(plain, ROLE, "kms:RetireGrant")
    assert (decision.verdict, decision.reason) == (D, "no_grant_role")


def test_deny_in_iam_stops_retiring() -> None:
    given = held(grant(ROLE, "RetireGrant"), documents=(policy(deny(None, "kms:RetireGrant")),))
    assert ask(given, ROLE, "kms:RetireGrant").verdict is D


def test_decision_by_grant_names_the_grant() -> None:
    decision = ask(held(grant(ROLE, grant_id="g-77", name="nightly")), ROLE)
    assert decision.reason == "grant_held"
    (found,) = [g for g in decision.gates if g.layer is Layer.GRANT]
    (ref,) = found.statements
    assert (ref.grant_id, ref.sid, ref.source) == ("g-77", "nightly", KEY)


# -- accounts that grants concern -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grants", "accounts"),
    [
        ((), {OWNER}),
        ((grant(ROLE),), {OWNER, MEMBER}),
        ((grant(iam(STRANGER, "root"), issuing_account=MEMBER),), {OWNER, MEMBER, STRANGER}),
        ((grant(f"arn:aws:sts::{MEMBER}:federated-user/Fred"), grant(LOGS)), {OWNER, MEMBER}),
        ((grant(LOGS, retiring_principal=iam(STRANGER, "role/App")),), {OWNER, STRANGER}),
        ((grant(LOGS, retiring_service_principal=LOGS),), {OWNER}),
        ((grant(ROLE), grant("AROAEXAMPLE")), None),
        ((grant(ROLE, retiring_principal="AROAEXAMPLE"),), None),
        ((grant("arn:aws:iam:::role/App"),), None),
        ((grant(ROLE, issuing_account=""),), None),
    ],
)
def test_grants_concern_the_accounts_they_name_and_where_they_were_issued(grants: Any, accounts: Any) -> None:
    assert accounts_of_grants(key(grants=grants)) == accounts
