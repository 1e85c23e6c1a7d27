"""Hygiene of keys: nobody left to manage one, weak fences, CreateGrant without limit, grants to the dead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.keys import hygiene
from scanner.analyze.keys.identity import finding_id
from scanner.analyze.keys.severity import SeverityRules
from scanner.analyze.logic.residual import TooComplexError
from scanner.analyze.principals.approvals import ApprovedAccount
from scanner.analyze.principals.party import Trust
from scanner.analyze.who_can import Wanted, who_can
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.model.key import KeyFacts

from builders import (
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OWNER,
    STRANGER,
    account,
    allow,
    analyzed,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    world,
)

OWN_ROOT, ADMIN, UNKNOWN_ROOT = iam(OWNER, "root"), iam(OWNER, "role/Admin"), iam(STRANGER, "root")
ROLE = principal(ADMIN)
MANAGED = allow(OWN_ROOT, "kms:*")
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
UNREAD = account(OWNER, iam_complete=False, gap="111122223333/global/iam:GetAccountAuthorizationDetails/")


def hygiene_of(used: KeyFacts, *things: Any, **parts: Any) -> list[Finding]:
    """The findings about the key itself."""
    rules = {n: parts.pop(n) for n in ("trust", "severity") if n in parts}
    return analyzed(world(used, *things, **parts), **rules).of(Kind.KEY_HYGIENE)


def only(reason: str, used: KeyFacts, *things: Any, **parts: Any) -> Finding:
    """The one finding about the key, which must have the reason."""
    (found,) = hygiene_of(used, *things, **parts)
    assert found.verdict_reasons[0] == reason
    assert found.id == finding_id("key_hygiene", KEY, reason)
    return found


def reasons(used: KeyFacts, *things: Any, **parts: Any) -> list[str]:
    return sorted(f.verdict_reasons[0] for f in hygiene_of(used, *things, **parts))


# -- unmanageable_key -------------------------------------------------------------------------------------------------


def test_key_whose_only_manager_was_deleted_is_unmanageable() -> None:
    found = only("unmanageable_key", key(allow("AROAGONE", "kms:*")))
    assert (found.severity, found.verdict) == ("medium", "confirmed")
    assert (
        found.title == "Nobody is left who can change the key policy of key 1234abcd-12ab… of 111122223333 in eu-west-1"
    )
    assert "`AROAGONE`" in found.summary
    assert [(e.kind, e.excerpt_from) for e in found.evidence] == [("policy_statement", 4)]
    assert (found.grantee.selector, found.grantee.party) == (OWN_ROOT, "own_account")
    assert [(r.rule, r.confidence) for r in found.rules] == [("R9.10", "D")]
    assert found.remediation.text.startswith("Only AWS Support")
    assert found.capabilities[0].actions == ("kms:PutKeyPolicy",)


def test_unmanageable_key_is_high_while_outsiders_can_use_it() -> None:
    found = only("unmanageable_key", key(allow(ADMIN, "kms:*"), allow(UNKNOWN_ROOT)))
    assert (found.severity, found.verdict) == ("high", "confirmed")
    assert found.title.endswith(", and outsiders can use it")
    assert found.severity_reasons[0].text == "unmanageable_key, and outsiders can use the key"


def test_blocked_outsiders_and_services_do_not_use_an_unmanageable_key() -> None:
    blocked = key(allow(ADMIN, "kms:*"), allow(UNKNOWN_ROOT), state="Disabled")
    assert only("unmanageable_key", blocked).severity == "medium"
    service = key(allow(ADMIN, "kms:*"), allow({"Service": "logs.amazonaws.com"}))
    assert only("unmanageable_key", service).severity == "medium"


MANAGEABLE: list[tuple[str, KeyFacts, tuple[Any, ...]]] = [
    ("the account", key(MANAGED), ()),
    ("the account under a condition", key(allow(OWN_ROOT, "kms:*", when=VIA_S3)), ()),
    ("the root user", key(allow(OWN_ROOT, "kms:*", when={"StringEquals": {"aws:PrincipalType": "Account"}})), ()),
    ("everybody of the account", key(allow("*", "kms:*", when={"StringEquals": {"kms:CallerAccount": OWNER}})), ()),
    (
        "a name that somebody can take again",
        key(allow(OWN_ROOT, "kms:*", when={"ArnEquals": {"aws:PrincipalArn": ADMIN}})),
        (),
    ),
    ("a role that is there", key(allow(ADMIN, "kms:*")), (ROLE,)),
    ("a session of a role that is there", key(allow(iam(OWNER, "assumed-role/Admin/x"), "kms:*")), (ROLE,)),
    ("the holder of an id", key(allow("AROAHERE", "kms:*")), (replace(ROLE, unique_id="AROAHERE"),)),
    ("a statement that cannot be read", key(allow(OWN_ROOT, "kms:*") | {"Effect": "allow?"}), ()),
    ("a policy nobody read", key(key_policy=None, gaps={"key_policy": "r"}), ()),
    ("all but one", key(allow(ADMIN, "kms:Decrypt"), {**MANAGED, "Action": "kms:Put*"}), ()),
]


@pytest.mark.parametrize(("name", "used", "things"), MANAGEABLE, ids=[m[0] for m in MANAGEABLE])
def test_key_that_somebody_can_manage_is_no_finding(name: str, used: KeyFacts, things: tuple[Any, ...]) -> None:
    del name
    assert reasons(used, *things) == []


def test_key_that_is_denied_to_everybody_is_unmanageable_and_cites_both_statements() -> None:
    found = only("unmanageable_key", key(MANAGED, deny("*", "kms:PutKeyPolicy")), ROLE)
    assert found.summary == "The key policy lets nobody of its account change it"
    assert [s.effect for s in found.mechanism.statements] == ["Allow", "Deny"]


def test_policy_that_speaks_of_no_manager_is_shown_whole() -> None:
    found = only("unmanageable_key", key(allow(OWN_ROOT)), ROLE)
    (part,) = found.evidence
    assert (part.excerpt_from, part.excerpt_to, part.highlights) == (1, 13, ())
    assert found.mechanism.statements == ()


def test_guardrails_do_not_make_a_key_unmanageable() -> None:
    scp = organization(scps={OWNER: [policy(deny(None, "kms:PutKeyPolicy"))]})
    assert reasons(key(MANAGED), scp) == []


def test_named_manager_of_an_account_that_was_not_read_may_exist() -> None:
    row = LedgerRow(OWNER, "global", "iam:GetAccountAuthorizationDetails", "", Outcome.DENIED, "", "", "")
    unread = replace(UNREAD, gap=row.ref)
    found = only("unmanageable_key", key(allow(ADMIN, "kms:*")), unread, coverage=(row,))
    assert (found.severity, found.verdict) == ("low", "possible")
    assert found.verdict_reasons == ("unmanageable_key", "caller_side_not_collected")
    assert found.coverage_refs == (row.ref,)
    assert found.title.startswith("Perhaps: nobody is left")
    assert found.summary.endswith("whether that exists was not read")


def test_account_that_was_not_read_cannot_save_a_policy_that_names_nobody() -> None:
    found = only("unmanageable_key", key(allow(UNKNOWN_ROOT, "kms:Put*")), UNREAD)
    assert (found.verdict, found.coverage_refs) == ("confirmed", ())
    assert reasons(key(MANAGED), UNREAD) == []


def test_permission_that_begins_later_leaves_the_key_possibly_manageable() -> None:
    later = {"DateGreaterThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}
    assert only("unmanageable_key", key(allow(OWN_ROOT, "kms:*", when=later)), ROLE).verdict == "possible"


def test_policy_that_is_too_complex_counts_as_manageable(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object) -> bool:
        raise TooComplexError

    monkeypatch.setattr(hygiene, "is_possible", give_up)
    assert reasons(key(allow(ADMIN, "kms:*"))) == []


@pytest.mark.parametrize("by_class", [True, False])
def test_manager_is_found_among_many_who_cannot_be_told_apart(by_class: bool) -> None:
    crowd = [principal(iam(OWNER, f"role/R{n}")) for n in range(5)]
    result = analyzed(world(key(allow(ADMIN, "kms:*")), ROLE, *crowd), by_class=by_class)
    assert result.of(Kind.KEY_HYGIENE) == []
    gone = analyzed(world(key(allow(ADMIN, "kms:*")), *crowd), by_class=by_class)
    assert [f.verdict for f in gone.of(Kind.KEY_HYGIENE)] == ["confirmed"]


def test_many_dead_managers_are_counted() -> None:
    found = only("unmanageable_key", key(allow({"AWS": [f"AROAGONE{n}" for n in range(5)]}, "kms:*")))
    assert "`AROAGONE0`, `AROAGONE1`, `AROAGONE2` and 2 more" in found.summary


# -- weak_fence -------------------------------------------------------------------------------------------------------


def test_everybody_behind_a_service_only_is_a_weak_fence() -> None:
    found = only("weak_fence", key(MANAGED, allow("*", when=VIA_S3)))
    assert (found.severity, found.verdict) == ("medium", "confirmed")
    assert (found.grantee.selector, found.grantee.party) == ("*", "public")
    assert "`kms:ViaService`" in found.summary
    assert found.capabilities[0].actions == ("kms:Decrypt",)
    assert found.remediation.kind == "add_condition"
    labels = {h.label for e in found.evidence for h in e.highlights}
    assert {"everybody", "only if kms:ViaService passes StringEquals"} <= labels


ATTESTED = {"StringEqualsIgnoreCase": {"kms:RecipientAttestation:ImageSha384": "ab"}}


@pytest.mark.parametrize(
    "when",
    [
        None,
        {"StringEquals": {"aws:PrincipalOrgID": ORG}},
        {"StringEquals": {"kms:CallerAccount": STRANGER}},
        ATTESTED,
        {**VIA_S3, **ATTESTED},
        {"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT"}},
        {"StringEquals": {"aws:SourceAccount": OWNER}},
        {"StringEquals": {"acme:Unknown": "x"}},
        {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    ],
)
def test_no_condition_a_strong_one_and_one_that_holds_nobody_are_no_weak_fence(when: dict[str, Any] | None) -> None:
    assert reasons(key(MANAGED, allow("*", when=when))) == []


@pytest.mark.parametrize(
    "when",
    [
        {"StringEqualsIfExists": {"kms:RecipientAttestation:ImageSha384": "ab"}, **VIA_S3},
        {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/App"}, "StringEquals": {"aws:SourceVpce": "vpce-1"}},
        {"StringEquals": {"kms:RequestAlias": "alias/app"}},
        {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        {"StringEqualsIfExists": {"aws:PrincipalOrgID": ORG}},
        {"StringLike": {"aws:PrincipalOrgID": "*"}},
        {"StringNotEquals": {"aws:PrincipalAccount": STRANGER}},
    ],
)
def test_weak_conditions_are_a_weak_fence(when: dict[str, Any]) -> None:
    assert only("weak_fence", key(MANAGED, allow("*", when=when))).severity == "medium"


def test_blocked_public_access_is_no_weak_fence() -> None:
    assert reasons(key(MANAGED, allow("*", when=VIA_S3), state="Disabled")) == []


def test_weak_fence_is_possible_where_a_guardrail_that_was_not_read_decides() -> None:
    unread = replace(organization(), rcps=None, rcp_gap="o/rcp")
    found = only("weak_fence", key(MANAGED, allow("*", when=VIA_S3)), unread)
    assert (found.severity, found.verdict) == ("low", "possible")
    (public,) = analyzed(world(key(MANAGED, allow("*", when=VIA_S3)), unread)).of(Kind.EXTERNAL_ACCESS)
    assert found.verdict_reasons == ("weak_fence", *public.verdict_reasons)


def test_sensitive_tag_raises_a_fault_of_the_key() -> None:
    rules = SeverityRules({"data": ("pii",)})
    used = key(MANAGED, allow("*", when=VIA_S3), tags={"data": "pii"})
    assert only("weak_fence", used, severity=rules).severity == "high"


# -- unlimited_create_grant -------------------------------------------------------------------------------------------


def test_create_grant_of_an_outside_account_without_a_limit_is_a_finding() -> None:
    used = key(MANAGED, allow(UNKNOWN_ROOT, "kms:Decrypt", "kms:CreateGrant"))
    found = only("unlimited_create_grant", used)
    assert (found.severity, found.verdict) == ("medium", "confirmed")
    assert (found.grantee.account_id, found.grantee.party) == (STRANGER, "unknown_third_party")
    assert [s.index for s in found.mechanism.statements] == [1]
    assert found.evidence[0].kind == "policy_statement"
    assert f"`{UNKNOWN_ROOT}` may create grants" in found.summary


@pytest.mark.parametrize(
    "when",
    [
        {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        {"ArnEquals": {"kms:GranteePrincipal": iam(STRANGER, "role/x")}},
        {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}},
    ],
)
def test_fenced_create_grant_is_no_finding(when: dict[str, Any]) -> None:
    assert reasons(key(MANAGED, allow(UNKNOWN_ROOT, "kms:CreateGrant", when=when))) == []


def test_porous_fence_is_no_limit() -> None:
    when = {"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt", "CreateGrant"]}}
    assert reasons(key(MANAGED, allow(UNKNOWN_ROOT, "kms:CreateGrant", when=when))) == ["unlimited_create_grant"]


def test_create_grant_of_our_own_organization_and_of_approved_accounts_is_no_finding() -> None:
    role = principal(iam(MEMBER, "role/App"), policy(allow(None, "kms:*")))
    assert reasons(key(MANAGED, allow(role.arn, "kms:CreateGrant")), role) == []
    used = key(MANAGED, allow(UNKNOWN_ROOT, "kms:CreateGrant"))
    vendor = ApprovedAccount(STRANGER, "Vendor", "2027-01-01")
    assert reasons(used, trust=Trust(approvals=(vendor,))) == []
    narrow = replace(vendor, capabilities=("decrypt",))
    found = only("unlimited_create_grant", used, trust=Trust(approvals=(narrow,)))
    assert (found.grantee.party, found.grantee.vendor) == ("partner_exceeds_approval", "Vendor")


def test_create_grant_through_a_grant_is_limited_by_its_parent() -> None:
    used = key(MANAGED, grants=(grant(iam(STRANGER, "role/App"), "CreateGrant", "Decrypt"),))
    assert reasons(used) == []


def test_create_grant_that_is_blocked_is_no_finding_and_one_that_hangs_on_unread_data_is_possible() -> None:
    statements = (MANAGED, allow(UNKNOWN_ROOT, "kms:CreateGrant"))
    assert reasons(key(*statements, state="Disabled")) == []
    unread = replace(organization(), rcps=None, rcp_gap="o/rcp")
    assert only("unlimited_create_grant", key(*statements), unread).verdict == "possible"


def test_surest_of_several_grantees_stands_for_them() -> None:
    other = iam("888877776666", "root")
    used = key(MANAGED, allow(other, "kms:CreateGrant", when=VIA_S3), allow(UNKNOWN_ROOT, "kms:CreateGrant"))
    found = only("unlimited_create_grant", used)
    assert f"`{other}`, `{UNKNOWN_ROOT}`" in found.summary
    assert len(found.mechanism.statements) == 2


# -- stale_grant ------------------------------------------------------------------------------------------------------


def test_grants_to_deleted_grantees_are_one_finding_of_the_key() -> None:
    gone = iam(MEMBER, "role/Gone")
    grants = (
        grant("AROAGONE", "Decrypt", grant_id="g-1"),
        grant(gone, "Encrypt", grant_id="g-2"),
        grant(gone, "Decrypt", grant_id="g-3"),
    )
    result = analyzed(world(key(MANAGED, grants=grants), account(MANAGER)))
    (found,) = result.of(Kind.KEY_HYGIENE)
    assert (found.severity, found.verdict, found.verdict_reasons) == ("info", "confirmed", ("stale_grant",))
    assert found.summary.startswith(f"3 grants name `AROAGONE`, `{gone}`, which was deleted")
    assert (found.mechanism.kind, found.mechanism.grants_total, len(found.evidence)) == ("grant", 3, 3)
    assert found.remediation.cli.endswith("--grant-id g-1\necho in place)")
    assert found.capabilities[0].actions == ("kms:Decrypt", "kms:Encrypt")
    assert found.capabilities[0].capability == "decrypt"
    assert set(result.result.documents) >= {e.sha256 for e in found.evidence}
    assert result.of(Kind.INEFFECTIVE_PERMISSION) == []


def test_grant_to_a_deleted_identity_of_the_own_account_is_stale_too() -> None:
    found = only("stale_grant", key(MANAGED, grants=(grant(iam(OWNER, "role/Gone"), "Unheard"),)))
    assert (found.grantee.account_id, found.grantee.party) == (OWNER, "own_account")
    assert found.capabilities[0].capability == "undocumented"
    assert found.summary.startswith("A grant names ")


@pytest.mark.parametrize(
    ("grantee", "things"),
    [
        (iam(OWNER, "role/Admin"), (ROLE,)),
        (iam(OWNER, "root"), ()),
        (iam(MEMBER, "role/Gone"), (account(MEMBER, collected=False),)),
        (iam(MEMBER, "role/Gone"), (account(MEMBER, status="SUSPENDED"),)),
        (iam(STRANGER, "role/Gone"), ()),
        ("arn:aws-cn:iam::444455556666:role/Gone", ()),
        ("AROAHERE", (replace(ROLE, unique_id="AROAHERE"),)),
        ("AROAGONE", (account(MANAGER), account(MEMBER, iam_complete=False))),
        ("AROAGONE", (account(MANAGER), UNREAD)),
        ("backup.amazonaws.com", ()),
        ("not an arn", ()),
    ],
)
def test_grantee_that_may_exist_is_not_stale(grantee: str, things: tuple[Any, ...]) -> None:
    assert reasons(key(MANAGED, grants=(grant(grantee),)), *things) == []


def test_grant_without_a_principal_is_not_stale() -> None:
    used = key(MANAGED, grants=(grant("backup.amazonaws.com", constraints={"SourceArn": "arn:aws:s3:::b"}),))
    assert reasons(used) == []


def test_deleted_retiring_principal_stays_a_permission_without_effect() -> None:
    used = key(MANAGED, grants=(grant(iam(MEMBER, "role/Gone"), retiring_principal=iam(MEMBER, "role/Lost")),))
    result = analyzed(world(used))
    assert [f.grantee.selector for f in result.of(Kind.INEFFECTIVE_PERMISSION)] == [iam(MEMBER, "role/Lost")]
    assert [f.verdict_reasons for f in result.of(Kind.KEY_HYGIENE)] == [("stale_grant",)]


# -- elsewhere --------------------------------------------------------------------------------------------------------


def test_faults_of_a_key_are_no_lines_of_who_can() -> None:
    used = key(allow("*", when=VIA_S3), allow("AROAGONE", "kms:PutKeyPolicy"))
    given = world(used)
    assert reasons(used) == ["unmanageable_key", "weak_fence"]
    lines = who_can(given, used, AnalysisRules(), Wanted(verdicts=tuple(FindingVerdict))).access
    assert {line.finding_id for line in lines}.isdisjoint(f.id for f in hygiene_of(used))
