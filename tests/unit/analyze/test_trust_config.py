"""What the user says about trust: approvals with scope and end, vendors, boundaries, identity providers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.keys.severity import SeverityRules
from scanner.analyze.logic.patterns import PatternsTooComplexError
from scanner.analyze.principals import approvals
from scanner.analyze.principals.approvals import (
    ApprovedAccount,
    ApprovedProvider,
    Use,
    configured_approvals,
    ending_approvals,
    in_date,
    listed_provider,
)
from scanner.analyze.principals.borders import Crossing, InnerBoundary, crossing, holds
from scanner.analyze.principals.party import Standing, Trust, standing_of
from scanner.model.approval import Approval
from scanner.model.arn import AccountId
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Finding
from scanner.model.key import KeyFacts
from scanner.model.organization import Organization

from builders import (
    AS_OF,
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OU,
    OWNER,
    ROOT,
    STRANGER,
    allow,
    analyzed,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    world,
)

VENDOR = STRANGER
ROOT_OF_VENDOR = iam(VENDOR, "root")
PAYROLL = ApprovedAccount(VENDOR, "Payroll SaaS", "2027-03-31", "RISK-1042")


def approved(**parts: Any) -> Trust:
    """Trust with one approval of the vendor."""
    return Trust(approvals=(replace(PAYROLL, **parts),))


def of(used: KeyFacts, trust: Trust, *things: Any, **parts: Any) -> Finding:
    """The one external access to a key."""
    return analyzed(world(used, *things, **parts), trust=trust).external


def standing(trust: Trust, capability: str = "decrypt", **facts: Any) -> Standing:
    """Where the vendor stands towards the key."""
    used = key(**facts)
    return standing_of(VENDOR, OWNER, Use.of(used, capability), world(used), trust)


# -- approvals --------------------------------------------------------------------------------------------------------


def test_approved_account_is_an_approved_partner_and_stays_visible_as_info() -> None:
    finding = of(key(allow(ROOT_OF_VENDOR)), approved())
    assert (finding.severity, finding.verdict) == ("info", "confirmed")
    grantee = finding.grantee
    assert (grantee.party, grantee.vendor) == ("approved_partner", "Payroll SaaS")
    assert grantee.approval == Approval("RISK-1042", "2027-03-31", covered=True, subject=VENDOR)
    assert finding.severity_reasons[0].text == "approved_partner may decrypt: approved until 2027-03-31"


@pytest.mark.parametrize(
    ("as_of", "party"),
    [
        ("2027-03-31T23:59:59+00:00", "approved_partner"),
        ("2027-04-01T00:00:00+00:00", "expired_partner"),
        ("2027-04-01T01:00:00+02:00", "approved_partner"),
        ("2027-04-01", "expired_partner"),
    ],
)
def test_approval_counts_through_its_last_day_in_utc(as_of: str, party: str) -> None:
    finding = of(key(allow(ROOT_OF_VENDOR)), approved(), as_of=as_of)
    assert finding.grantee.party == party
    assert finding.grantee.approval is not None
    assert finding.grantee.approval.covered is (party == "approved_partner")


def test_ended_approval_names_its_last_day_in_the_trail() -> None:
    finding = of(key(allow(ROOT_OF_VENDOR)), approved(expires="2026-11-21"))
    assert finding.severity == "high"
    assert finding.severity_reasons[0].text == "expired_partner may decrypt: the approval ended on 2026-11-21"


def test_only_capabilities_beyond_the_approval_are_reported_and_the_leading_one_names_the_party() -> None:
    used = key(allow(ROOT_OF_VENDOR, "kms:Decrypt", "kms:CreateGrant"))
    result = analyzed(world(used), trust=approved(capabilities=("decrypt", "metadata")))
    finding = result.external
    assert [(c.capability, c.severity.value) for c in finding.capabilities] == [
        ("delegate", "high"),
        ("decrypt", "info"),
    ]
    assert finding.grantee.party == "partner_exceeds_approval"
    assert finding.severity_reasons[0].text == (
        "partner_exceeds_approval may delegate: the approval covers decrypt, metadata only"
    )
    assert {(r.capability, r.party) for r in result.access} == {
        ("decrypt", "approved_partner"), ("delegate", "partner_exceeds_approval"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("selector", "covered"),
    [
        ("tag:app=payroll", True),
        ("tag:app=", False),
        ("tag:App=payroll", False),
        (KEY, True),
        (KEY[:-1], False),
        (f"arn:aws:kms:*:{OWNER}:key/*", True),
        (f"arn:aws:kms:eu-west-1:{OWNER}:alias/payroll", True),
        ("*:alias/pay*", True),
        ("*:alias/pay", False),
        ("arn:aws:kms:us-*", False),
    ],
)
def test_approval_covers_the_keys_it_selects_and_no_other(selector: str, covered: bool) -> None:
    found = standing(approved(keys=(selector,)), tags={"app": "payroll"}, aliases=("alias/payroll",))
    assert found.party == ("approved_partner" if covered else "partner_exceeds_approval")
    if not covered:
        assert found.note == "the approval does not cover this key"


@pytest.mark.parametrize(
    ("selectors", "facts", "note"),
    [
        (("tag:app=payroll",), {"tags": None}, "the tags of the key were not read"),
        (("*:alias/payroll",), {"aliases": None}, "the aliases of the key were not read"),
        (("tag:a=b", "*:alias/p"), {"tags": None, "aliases": None}, "the tags and aliases of the key were not read"),
    ],
)
def test_scope_that_was_not_read_covers_nothing(selectors: tuple[str, ...], facts: dict[str, Any], note: str) -> None:
    found = standing(approved(keys=selectors), **facts)
    assert found.party == "partner_exceeds_approval"
    assert found.note == f"{note}, so the approval cannot be counted"


def test_finding_points_to_what_was_not_read_of_the_scope() -> None:
    row = LedgerRow(OWNER, "eu-west-1", "kms:ListResourceTags", "k", Outcome.DENIED, "", "", "")
    used = key(allow(ROOT_OF_VENDOR), tags=None, gaps={"tags": row.ref})
    finding = of(used, approved(keys=("tag:app=payroll",)), coverage=(row,))
    assert (finding.severity, finding.coverage_refs) == ("high", (row.ref,))
    assert of(used, approved(), coverage=(row,)).coverage_refs == ()


def test_scope_that_was_not_read_does_not_matter_to_an_approval_by_arn() -> None:
    assert standing(approved(keys=(KEY,)), tags=None, aliases=None).party == "approved_partner"
    assert standing(approved(keys=("arn:aws:kms:us-*",)), tags=None).note == "the approval does not cover this key"


def test_several_approvals_of_one_account_count_together() -> None:
    decrypt = replace(PAYROLL, capabilities=("decrypt",), expires="2026-11-01", approved_by="OLD")
    encrypt = replace(PAYROLL, capabilities=("encrypt",), approved_by="NEW")
    trust = Trust(approvals=(decrypt, encrypt))
    assert standing(trust, "encrypt").party == "approved_partner"
    assert standing(trust, "decrypt").approval == Approval("OLD", "2026-11-01", covered=False, subject=VENDOR)
    assert standing(trust, "decrypt").party == "expired_partner"
    assert standing(trust, "delegate").party == "partner_exceeds_approval"


def test_approval_of_every_key_covers_a_key_that_nobody_collected() -> None:
    used = world(key())
    assert standing_of(VENDOR, OWNER, Use("encrypt"), used, approved()).party == "approved_partner"
    scoped = approved(keys=("arn:aws:kms:*",))
    assert standing_of(VENDOR, OWNER, Use("encrypt"), used, scoped).party == "partner_exceeds_approval"
    assert standing_of(VENDOR, OWNER, Use("encrypt", KEY), used, scoped).party == "approved_partner"


def test_approval_does_not_reach_an_account_of_ours_nor_everybody() -> None:
    member = Trust(approvals=(replace(PAYROLL, id=MEMBER),))
    role = principal(iam(MEMBER, "role/App"), policy(allow(None, "kms:*")))
    assert of(key(allow(role.arn)), member, role).grantee.party == "same_organization"
    assert standing_of("121212121212", OWNER, Use("decrypt"), world(key()), approved()).party == "unknown_third_party"
    assert of(key(allow("*")), approved()).grantee.party == "public"
    other = Trust(accounts={"121212121212": "o-other00000"}, approvals=(PAYROLL,))
    assert standing_of("121212121212", OWNER, Use("decrypt"), world(key()), other) == Standing("own_other_organization")


def test_grant_to_an_approved_account_is_approved_as_well() -> None:
    finding = of(key(grants=(grant(iam(VENDOR, "role/App")),)), approved())
    assert (finding.grantee.party, finding.severity) == ("approved_partner", "info")


def test_permission_without_effect_names_the_approval_too() -> None:
    result = analyzed(world(key(allow(ROOT_OF_VENDOR, "kms:PutKeyPolicy"))), trust=approved())
    assert result.ineffective.grantee.party == "approved_partner"


@pytest.mark.parametrize(
    "trust",
    [approved(), approved(expires="2026-01-01"), approved(capabilities=("metadata",)), Trust(vendors={VENDOR: "V"})],
)
def test_trust_moves_party_and_severity_and_never_what_was_found(trust: Trust) -> None:
    used = key(allow(ROOT_OF_VENDOR, "kms:Decrypt", "kms:DescribeKey"))
    plain, judged = of(used, Trust()), of(used, trust)
    assert (judged.id, judged.fingerprint, judged.verdict) == (plain.id, plain.fingerprint, plain.verdict)
    assert judged.reach == plain.reach
    assert (judged.grantee.party, judged.severity) != (plain.grantee.party, plain.severity)


# -- vendors ----------------------------------------------------------------------------------------------------------


def test_vendor_is_named_and_approval_comes_before_the_name() -> None:
    vendors = {VENDOR: "Example Backup", MEMBER: "never"}
    finding = of(key(allow(ROOT_OF_VENDOR)), Trust(vendors=vendors))
    assert (finding.grantee.party, finding.grantee.vendor) == ("identified_vendor", "Example Backup")
    assert finding.grantee.approval is None
    assert standing(Trust(approvals=(PAYROLL,), vendors=vendors)).name == "Payroll SaaS"
    assert standing_of(MEMBER, OWNER, Use("decrypt"), world(key()), Trust(vendors=vendors)).name == ""


# -- approvals that end -----------------------------------------------------------------------------------------------


def test_approvals_that_end_within_thirty_days_are_listed_in_order() -> None:
    accounts = [replace(PAYROLL, id=str(n), expires=day) for n, day in enumerate(
        ("2026-12-22", "2026-12-23", "2026-11-22", "2026-11-21")
    )]  # fmt: skip
    provider = ApprovedProvider("gitlab.example", ("a/*", "b/*"), "2026-12-01", "me", "GitLab")
    listed = ending_approvals(accounts, [provider], AS_OF)
    assert [(e.kind, e.subject, e.expires) for e in listed] == [
        ("account", "2", "2026-11-22"),
        ("identity_provider", "gitlab.example: a/*, b/*", "2026-12-01"),
        ("account", "0", "2026-12-22"),
    ]
    assert (listed[0].name, listed[0].ref, listed[1].owner) == ("Payroll SaaS", "RISK-1042", "me")


def test_every_approval_is_listed_in_date_or_not() -> None:
    provider = ApprovedProvider("gitlab.example", ("a/*",), "2026-01-01", "me", "GitLab")
    account, listed = configured_approvals([PAYROLL], [provider], AS_OF)
    assert (account.kind, account.subject, account.ref, account.in_date) == ("account", PAYROLL.id, "RISK-1042", True)
    assert (account.keys, account.capabilities) == (PAYROLL.keys, PAYROLL.capabilities)
    assert (listed.subject, listed.name, listed.in_date) == ("gitlab.example: a/*", "GitLab", False)


def test_last_day_of_an_approval_is_wholly_inside() -> None:
    assert in_date("2026-11-22", "2026-11-22T23:59:59+00:00")
    assert not in_date("2026-11-22", "2026-11-23T00:00:00+00:00")


# -- identity providers -----------------------------------------------------------------------------------------------

GITHUB = ApprovedProvider("token.actions.githubusercontent.com", ("repo:acme/*", "repo:Acme?/x"), "2027-03-31", "me")


@pytest.mark.parametrize(
    ("issuer", "subject", "is_glob", "listed"),
    [
        (GITHUB.issuer, "repo:acme/payroll:*", True, True),
        (GITHUB.issuer, "repo:acme/*", True, True),
        (GITHUB.issuer, "repo:acme/*:ref:refs/heads/main", True, True),
        (GITHUB.issuer, "repo:acme*", True, False),
        (GITHUB.issuer, "repo:*/payroll", True, False),
        (GITHUB.issuer, "*", True, False),
        (GITHUB.issuer, "repo:Acme1/x", True, True),
        (GITHUB.issuer, "repo:ACME/x", True, False),
        (GITHUB.issuer, "repo:acme/${aws:username}", True, False),
        (GITHUB.issuer, "repo:acme/*", False, True),
        (GITHUB.issuer, "repo:acme*", False, False),
        (f"https://{GITHUB.issuer}/", "repo:acme/x", True, True),
        ("gitlab.example", "repo:acme/x", True, False),
    ],
)
def test_subject_is_listed_when_every_value_it_lets_through_is(
    issuer: str, subject: str, is_glob: bool, listed: bool
) -> None:
    found = listed_provider(issuer, subject, [GITHUB], AS_OF, is_glob=is_glob)
    assert (found is GITHUB) is listed


def test_subject_is_listed_only_until_the_approval_ends() -> None:
    assert listed_provider(GITHUB.issuer, "repo:acme/x", [replace(GITHUB, expires="2026-11-21")], AS_OF) is None


def test_subject_that_is_too_complex_to_compare_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(_: object) -> dict[tuple[bool, ...], str]:
        raise PatternsTooComplexError

    monkeypatch.setattr(approvals, "combinations", give_up)
    assert listed_provider(GITHUB.issuer, "repo:acme/x", [GITHUB], AS_OF) is None


# -- boundaries inside the organization -------------------------------------------------------------------------------

DEV_OU = "ou-root-dev"
PROD = InnerBoundary("prod", ou="/Workloads/Prod", sensitive=True)
DEV = InnerBoundary("dev", ou=DEV_OU)
THIRD = "777788889999"


def split(**facts: Any) -> Organization:
    """OWNER in /Workloads/Prod, MEMBER in another OU, THIRD below the root."""
    members = {AccountId(OWNER): (ROOT, OU, "ou-p"), AccountId(MEMBER): (ROOT, DEV_OU), AccountId(THIRD): (ROOT,)}
    names = {OU: "Workloads", "ou-p": "Prod", DEV_OU: "Dev"}
    return organization(members=members, ou_names=names, **facts)


@pytest.mark.parametrize(
    ("boundary", "account_id", "inside"),
    [
        (PROD, OWNER, True),
        (PROD, MEMBER, False),
        (PROD, THIRD, False),
        (PROD, STRANGER, False),
        (PROD, MANAGER, False),
        (InnerBoundary("w", ou="/Workloads"), OWNER, True),
        (InnerBoundary("w", ou="/Prod"), OWNER, False),
        (InnerBoundary("w", ou="/workloads"), OWNER, False),
        (DEV, MEMBER, True),
        (InnerBoundary("w", ou=OU), OWNER, True),
        (InnerBoundary("one", account=MEMBER), MEMBER, True),
        (InnerBoundary("one", account=MEMBER), OWNER, False),
    ],
)
def test_boundary_holds_accounts_below_its_ou_or_the_one_it_names(
    boundary: InnerBoundary, account_id: str, inside: bool
) -> None:
    assert holds(boundary, account_id, world(split())) is inside


def test_access_crosses_every_boundary_that_holds_one_side_only() -> None:
    given = world(split())
    assert crossing((MEMBER,), OWNER, given, (PROD, DEV)) == Crossing(("prod", "dev"), ("prod",))
    assert crossing((OWNER,), MEMBER, given, (PROD, DEV)) == Crossing(("prod", "dev"), ())
    assert crossing((THIRD,), OWNER, given, (PROD, DEV)) == Crossing(("prod",), ("prod",))
    assert crossing((OWNER,), OWNER, given, (PROD, DEV)) == Crossing()
    assert crossing((MEMBER,), OWNER, given, ()) == Crossing()


def test_organization_wide_access_crosses_where_somebody_it_reaches_is_outside() -> None:
    used = key(allow("*", when={"StringEquals": {"aws:PrincipalOrgID": ORG}}))
    role = principal(iam(MEMBER, "role/App"), policy(allow(None, "kms:*")))
    finding = analyzed(world(used, role, split()), trust=Trust(boundaries=(PROD,))).external
    assert finding.grantee.kind == "organization"
    assert [r.rule for r in finding.severity_reasons] == ["base", "verdict", "sensitive_boundary"]
    text = "same_organization may decrypt, across the boundary of prod"
    assert (finding.severity, finding.severity_reasons[0].text) == ("high", text)
    assert analyzed(world(used, role, split())).external.severity == "low"


def test_blocked_access_across_a_sensitive_boundary_takes_no_step() -> None:
    role = principal(iam(MEMBER, "role/App"))
    finding = of(key(allow(role.arn)), Trust(boundaries=(PROD,)), role, split())
    assert (finding.verdict, finding.severity) == ("blocked", "info")
    assert [r.rule for r in finding.severity_reasons] == ["base", "verdict"]


def test_sensitive_tag_and_sensitive_boundary_step_once_each_and_stop_at_critical() -> None:
    role = principal(iam(MEMBER, "role/App"), policy(allow(None, "kms:*")))
    used = key(allow(role.arn), tags={"data": "pii"})
    rules = SeverityRules({"data": ("pii",)})
    trust = Trust(boundaries=(PROD, InnerBoundary("own", account=OWNER, sensitive=True)))
    finding = analyzed(world(used, role, split()), trust=trust, severity=rules).external
    assert finding.severity == "critical"
    assert [(r.rule, r.effect) for r in finding.severity_reasons] == [
        ("base", "medium"), ("verdict", "±0"), ("sensitive_tags", "+1"), ("sensitive_boundary", "+1"),
    ]  # fmt: skip
    assert finding.severity_reasons[3].text == "crosses into prod and own, marked sensitive"
