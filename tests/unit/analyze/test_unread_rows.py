"""Which rows of the ledger findings cite: what their decisions hang on, what hides more of them, and never too many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scanner.analyze.keys.unread_rows import MOST_CITED, UnreadRows
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MEMBER,
    OWNER,
    STRANGER,
    account,
    allow,
    analyzed,
    deny,
    iam,
    key,
    organization,
    policy,
    principal,
    world,
)

ROOT, APP, PEER = iam(STRANGER, "root"), iam(OWNER, "role/App"), iam(MEMBER, "role/Peer")
KEY_ID = KEY.rsplit("/", 1)[-1]
SHARED = allow(ROOT, "kms:Decrypt", "kms:CreateGrant")
TRUST = {"trust": policy({k: v for k, v in allow(ROOT, "sts:AssumeRole").items() if k != "Resource"})}


def denied(account_id: str, call: str, subject: str = "", region: str = "global") -> LedgerRow:
    return LedgerRow(account_id, region, call, subject, Outcome.DENIED)


NO_ROLE = denied(MEMBER, "sts:AssumeRole", region="*")
NO_IAM = denied(MEMBER, "iam:GetAccountAuthorizationDetails")
NO_LIST = denied(OWNER, "kms:ListKeys", region="eu-west-1")
NO_LIST_THERE = denied(OWNER, "kms:ListKeys", region="us-east-1")
NO_REGIONS = denied(OWNER, "ec2:DescribeRegions")
NO_POLICY = denied(OWNER, "kms:GetKeyPolicy", KEY_ID, "eu-west-1")
NO_ORG = denied(OWNER, "organizations:DescribeOrganization")
NO_GRANTS = denied(OWNER, "kms:ListGrants", KEY_ID, "eu-west-1")


def unread(*rows: LedgerRow) -> UnreadRows:
    return UnreadRows(world(coverage=rows))


def only(given: World, kind: Kind) -> Finding:
    (finding,) = analyzed(given).of(kind)
    return finding


# -- which rows -------------------------------------------------------------------------------------------------------


def test_rows_that_decide_stand_first_and_what_is_no_row_is_left_out() -> None:
    rows = unread(NO_ROLE, NO_POLICY)
    assert rows.cited({"R3.56", NO_POLICY.ref, "no/such/row/"}, (NO_ROLE.ref, NO_POLICY.ref)) == (
        NO_POLICY.ref, NO_ROLE.ref,
    )  # fmt: skip


def test_row_about_something_that_was_read_decides_and_never_hides() -> None:
    read = replace(NO_IAM, outcome=Outcome.OK)
    assert unread(read).cited({read.ref}) == (read.ref,)
    assert (unread(read).of_identities(), unread(read).of_everything([MEMBER])) == ((), ())


def test_no_finding_cites_more_than_twenty_rows_and_always_the_same() -> None:
    many = [denied(OWNER, "kms:GetKeyPolicy", f"{n:04}", "eu-west-1") for n in range(60)]
    rows, back = unread(*many, NO_ROLE), unread(NO_ROLE, *reversed(many))
    assert len(rows.cited({row.ref for row in many}, rows.of_everything([OWNER]))) == MOST_CITED
    assert rows.of_everything([OWNER]) == back.of_everything([OWNER])
    assert rows.of_everything([MEMBER])[0] == NO_ROLE.ref
    assert rows.of_everything([])[0] == NO_ROLE.ref


def test_identities_are_hidden_by_rows_of_their_account_and_keys_by_those_of_their_region() -> None:
    rows = unread(NO_ROLE, NO_IAM, NO_LIST, NO_LIST_THERE, NO_REGIONS, NO_POLICY, NO_ORG)
    assert set(rows.of_identities()) == {NO_ROLE.ref, NO_IAM.ref}
    assert (set(rows.of_identities(MEMBER)), rows.of_identities(OWNER)) == ({NO_ROLE.ref, NO_IAM.ref}, ())
    assert set(rows.of_keys(OWNER, "eu-west-1")) == {NO_LIST.ref, NO_REGIONS.ref, NO_POLICY.ref}
    assert rows.of_keys(MEMBER, "eu-west-1") == (NO_ROLE.ref,)


# -- which findings ---------------------------------------------------------------------------------------------------


def without_organization(*things: Any, **facts: Any) -> World:
    """A world of whose organization nothing was read."""
    accounts = [account(a, organization_unknown=True) for a in (OWNER, MEMBER)]
    coverage = (*facts.pop("coverage", ()), NO_ORG)
    return world(
        *things, accounts=accounts, organizations=(), coverage=coverage, organization_gap=NO_ORG.ref, **facts
    )  # fmt: skip


def test_access_under_guardrails_of_an_unread_organization_cites_its_row() -> None:
    finding = only(without_organization(key(SHARED)), Kind.EXTERNAL_ACCESS)
    assert (finding.verdict, finding.verdict_reasons[0]) == ("possible", "guardrail_not_read")
    assert finding.coverage_refs == (NO_ORG.ref,)
    caller_side = only(without_organization(key(allow(PEER)), principal(PEER, FULL), credit_rcp=False),
                       Kind.EXTERNAL_ACCESS)  # fmt: skip
    assert (caller_side.verdict, caller_side.coverage_refs) == ("possible", (NO_ORG.ref,))


def test_condition_on_an_organization_that_was_not_read_cites_its_row() -> None:
    inside = {"StringEquals": {"aws:PrincipalOrgID": "o-own0000001"}}
    given = without_organization(
        key(allow(PEER, when=inside)), principal(PEER, FULL), credit_scp=False, credit_rcp=False
    )  # fmt: skip
    finding = only(given, Kind.EXTERNAL_ACCESS)
    assert (finding.verdict_reasons[0], finding.coverage_refs) == ("organization_not_read", (NO_ORG.ref,))


def test_what_is_possible_of_a_key_that_may_be_handed_out_cites_what_it_hangs_on() -> None:
    found = {f.verdict_reasons[0]: f for f in analyzed(without_organization(key(SHARED))).of(Kind.KEY_HYGIENE)}
    assert found["unlimited_create_grant"].coverage_refs == (NO_ORG.ref,)
    sure = {f.verdict_reasons[0]: f for f in analyzed(world(key(SHARED))).of(Kind.KEY_HYGIENE)}
    assert sure["unlimited_create_grant"].coverage_refs == ()


def test_key_that_nobody_manages_cites_what_leaves_open_whether_outsiders_use_it() -> None:
    def unmanageable(given: World) -> Finding:
        return next(f for f in analyzed(given).of(Kind.KEY_HYGIENE) if f.verdict_reasons[0] == "unmanageable_key")

    gap: dict[str, Any] = {"grants": None, "gaps": {"grants": NO_GRANTS.ref}}
    assert unmanageable(world(key(**gap), coverage=(NO_GRANTS,))).coverage_refs == (NO_GRANTS.ref,)
    assert unmanageable(world(key(allow(ROOT), **gap), coverage=(NO_GRANTS,))).coverage_refs == ()
    assert unmanageable(without_organization(key(allow(ROOT)))).coverage_refs == (NO_ORG.ref,)


def test_path_cites_what_hides_keys_and_roles_it_may_lead_to() -> None:
    role = principal(APP, FULL, **TRUST)
    given = world(key(allow(iam(OWNER, "root"), "kms:*")), role, coverage=(NO_ROLE, NO_LIST_THERE))
    assert only(given, Kind.ASSUMED_ROLE_PATH).coverage_refs == (NO_LIST_THERE.ref, NO_ROLE.ref)


def test_wildcard_statement_cites_keys_it_may_complete_and_decisions_that_are_open() -> None:
    holder = principal(PEER, policy(allow(None, "kms:Decrypt")))
    open_ = denied(OWNER, "organizations:ListPolicies", "RESOURCE_CONTROL_POLICY")
    blind = replace(organization(), rcps=None, rcp_gap=open_.ref)
    given = world(key(allow(PEER)), holder, blind, coverage=(NO_LIST_THERE, open_))
    finding = only(given, Kind.BROAD_KEY_PERMISSION)
    assert (finding.verdict, finding.coverage_refs) == ("possible", (open_.ref, NO_LIST_THERE.ref))


def test_use_of_a_foreign_key_cites_identities_like_it_and_what_was_not_read_of_the_key() -> None:
    holder = principal(PEER, policy(allow(None, "kms:Decrypt", Resource=KEY)))
    shared = key(allow(PEER), grants=None, gaps={"grants": NO_GRANTS.ref})
    given = world(shared, holder, coverage=(NO_IAM, NO_GRANTS))
    finding = only(given, Kind.FOREIGN_KEY_USE)
    assert (finding.verdict, finding.coverage_refs) == ("confirmed", (NO_GRANTS.ref, NO_IAM.ref))


def test_use_of_a_foreign_key_cites_the_open_decision_of_a_weaker_one_of_its_class() -> None:
    named = policy(allow(None, "kms:Decrypt", Resource=KEY))
    half = denied(MEMBER, "iam:GetPolicy", "arn:aws:iam::444455556666:policy/Limit")
    other = principal(iam(MEMBER, "role/Other"), named, complete=False, gap=half.ref)
    given = world(key(allow(iam(MEMBER, "root"))), principal(PEER, named), other, coverage=(half,))
    finding = only(given, Kind.FOREIGN_KEY_USE)
    assert finding.verdict is FindingVerdict.CONFIRMED
    assert finding.coverage_refs == (half.ref,)


def test_control_of_a_tag_cites_what_hides_keys_of_the_set_and_identities() -> None:
    tagged = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
    user = principal(PEER, policy(allow(None, "kms:Decrypt", Resource=KEY, when=tagged)))
    tagger = principal(APP, policy(allow(None, "kms:TagResource")))
    shared = key(allow(iam(MEMBER, "root")), allow(iam(OWNER, "root"), "kms:*"), tags={"team": "red"})
    given = world(shared, user, tagger, coverage=(NO_IAM, NO_LIST, NO_LIST_THERE))
    (finding,) = (f for f in analyzed(given).of(Kind.ATTRIBUTE_CONTROL) if f.grantee.account_id == OWNER)
    assert finding.coverage_refs == (NO_LIST.ref, NO_IAM.ref)


def test_permission_without_effect_cites_what_hides_its_grantee() -> None:
    without = key(allow(PEER, "kms:PutKeyPolicy"))
    given = world(without, accounts=(account(MEMBER, iam_complete=False, gap=NO_IAM.ref),), coverage=(NO_IAM,))
    assert analyzed(given).ineffective.coverage_refs == (NO_IAM.ref,)
    public = key(allow("*", when={"StringEquals": {"aws:ResourceTag/team": "blue"}}))
    assert analyzed(world(public, coverage=(NO_IAM,))).ineffective.coverage_refs == ()


def test_access_that_is_blocked_at_a_key_that_was_not_described_cites_that() -> None:
    gap = denied(OWNER, "kms:DescribeKey", KEY_ID, "eu-west-1")
    refused = deny("*", "kms:*")
    finding = only(
        world(key(SHARED, refused, spec="", usage="", state="", gaps={"describe": gap.ref}), coverage=(gap,)),
        Kind.EXTERNAL_ACCESS,
    )
    assert (finding.verdict, finding.coverage_refs) == ("blocked", (gap.ref,))
