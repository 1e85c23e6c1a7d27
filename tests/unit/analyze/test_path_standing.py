"""Where those who enter by roles stand: approvals, vendors, listed identity providers and boundaries on paths."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.paths.hops import BY_WEB_IDENTITY
from scanner.analyze.principals.approvals import ApprovedAccount, ApprovedProvider
from scanner.analyze.principals.borders import InnerBoundary
from scanner.analyze.principals.party import Trust
from scanner.model.finding import Finding, Kind, Severity

from builders import MEMBER, ORG, OU, OWNER, STRANGER, allow, analyzed, iam, key, organization, policy, principal, world
from role_worlds import ASSUMING, DELEGATING, USING, admits, only_path, role

VENDOR = iam(STRANGER, "root")
EXTERNAL_ID = {"StringEquals": {"sts:ExternalId": "one"}}
GITHUB = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::{OWNER}:oidc-provider/{GITHUB}"
ENDED = ApprovedProvider(GITHUB, ("repo:acme/*",), "2026-01-01")
LISTED = ApprovedProvider(GITHUB, ("repo:acme/*",), "2027-03-31", name="Acme on GitHub")


def approved(expires: str = "2027-03-31", **parts: Any) -> Trust:
    """The stranger is approved as Payroll SaaS."""
    return Trust(approvals=(ApprovedAccount(STRANGER, "Payroll SaaS", expires, **parts),))


def entered(trust: Trust, when: Any = None, *actions: str) -> Finding:
    """The path of a vendor that enters a role of OWNER which may decrypt, or do the actions."""
    may = policy(allow(None, *actions)) if actions else USING
    return only_path(role(OWNER, "Vendor", admits(VENDOR, when=when), may), trust=trust)


APPROVALS: list[tuple[Trust, Any, str, Severity]] = [
    (Trust(), EXTERNAL_ID, "unknown_third_party", Severity.CRITICAL),
    (approved(), EXTERNAL_ID, "approved_partner", Severity.INFO),
    (approved(), None, "partner_role_without_external_id", Severity.MEDIUM),
    (approved("2026-11-01"), EXTERNAL_ID, "expired_partner", Severity.HIGH),
    (approved(capabilities=("metadata",)), EXTERNAL_ID, "partner_exceeds_approval", Severity.HIGH),
    (approved(keys=("tag:app=other",)), EXTERNAL_ID, "partner_exceeds_approval", Severity.HIGH),
    (Trust(vendors={STRANGER: "Payroll SaaS"}), EXTERNAL_ID, "identified_vendor", Severity.HIGH),
]


@pytest.mark.parametrize(("trust", "when", "party", "severity"), APPROVALS)
def test_approval_of_who_enters_counts(trust: Trust, when: Any, party: str, severity: Severity) -> None:
    found = entered(trust, when)
    assert (found.grantee.party, found.severity) == (party, severity)


def test_path_names_the_partner_and_says_what_it_lacks() -> None:
    found = entered(approved())
    assert found.grantee.vendor == "Payroll SaaS"
    assert found.grantee.approval is not None
    assert found.severity_reasons[0].text.endswith("the trust policy asks for no sts:ExternalId")


@pytest.mark.parametrize(("pattern", "asked"), [("*", False), ("?*", False), ("acme-*", True)])
def test_external_id_that_may_be_anything_is_not_asked_for(pattern: str, asked: bool) -> None:
    found = entered(approved(), {"StringLike": {"sts:ExternalId": pattern}})
    assert found.grantee.party == ("approved_partner" if asked else "partner_role_without_external_id")


def test_party_is_that_of_each_capability() -> None:
    found = entered(approved(capabilities=("metadata",)), EXTERNAL_ID, "kms:DescribeKey", "kms:Decrypt")
    assert [(c.capability, c.severity) for c in found.capabilities] == [
        ("decrypt", Severity.HIGH), ("metadata", Severity.INFO),
    ]  # fmt: skip
    rows = analyzed(
        world(role(OWNER, "Vendor", admits(VENDOR, when=EXTERNAL_ID), policy(allow(None, "kms:*"))), DELEGATING),
        trust=approved(capabilities=("metadata",)),
    ).access
    parties = {(r.capability, r.party) for r in rows if r.mechanism == "role"}
    assert {("decrypt", "partner_exceeds_approval"), ("metadata", "approved_partner")} <= parties


SUBJECTS: list[tuple[str, str | list[str], tuple[ApprovedProvider, ...], str]] = [
    ("StringLike", "repo:acme/payroll:*", (), "federated_pinned"),
    ("StringLike", "repo:acme/payroll:*", (LISTED,), "approved_partner"),
    ("StringEquals", "repo:acme/payroll:ref:refs/heads/main", (LISTED,), "approved_partner"),
    ("StringLike", ["repo:acme/payroll:*", "repo:evil/x:*"], (LISTED,), "federated_pinned"),
    ("StringLike", "repo:acme*", (LISTED,), "federated_open"),
    ("StringEqualsIgnoreCase", "repo:acme/payroll:ref:refs/heads/main", (LISTED,), "federated_pinned"),
    ("StringLike", "repo:acme/payroll:*", (ENDED,), "federated_pinned"),
]  # fmt: skip


@pytest.mark.parametrize(("operator", "subject", "providers", "party"), SUBJECTS)
def test_listed_identity_provider_is_approved_for_its_subjects(
    operator: str, subject: Any, providers: tuple[ApprovedProvider, ...], party: str
) -> None:
    trusting = admits({"Federated": PROVIDER}, BY_WEB_IDENTITY, when={operator: {f"{GITHUB}:sub": subject}})
    found = only_path(role(OWNER, "Ci", trusting, USING), trust=Trust(providers=providers))
    assert found.grantee.party == party
    if party == "approved_partner":
        assert found.severity is Severity.INFO
        assert found.grantee.vendor == "Acme on GitHub"


def test_tenant_that_another_claim_pins_is_not_listed() -> None:
    when = {"StringEquals": {f"{GITHUB}:repository": "acme/payroll"}}
    trusting = admits({"Federated": PROVIDER}, BY_WEB_IDENTITY, when=when)
    found = only_path(role(OWNER, "Ci", trusting, USING), trust=Trust(providers=(LISTED,)))
    assert found.grantee.party == "federated_pinned"


def test_boundary_between_who_enters_and_the_key_counts() -> None:
    app = principal(iam(MEMBER, "role/App"), ASSUMING)
    shared = role(OWNER, "Shared", admits(iam(MEMBER, "root")), USING)
    plain = only_path(app, shared)
    across = only_path(app, shared, trust=Trust(boundaries=(InnerBoundary("prod", account=OWNER, sensitive=True),)))
    assert (plain.severity, across.severity) == (Severity.LOW, Severity.HIGH)
    everywhere = only_path(app, shared, trust=Trust(boundaries=(InnerBoundary("all", ou=OU),)))
    assert everywhere.severity is Severity.LOW


def test_boundary_counts_for_everybody_behind_an_organization() -> None:
    app = principal(iam(MEMBER, "role/App"), ASSUMING)
    shared = role(OWNER, "Shared", admits("*", when={"StringEquals": {"aws:PrincipalOrgID": ORG}}), USING)
    found = only_path(app, shared, trust=Trust(boundaries=(InnerBoundary("prod", account=OWNER, sensitive=True),)))
    assert (found.grantee.selector, found.severity) == (ORG, Severity.HIGH)
    everywhere = only_path(app, shared, trust=Trust(boundaries=(InnerBoundary("all", ou=OU),)))
    assert everywhere.severity is Severity.MEDIUM  # the management account stands outside the unit
    assert only_path(app, shared).severity is Severity.LOW


def test_run_counts_partners_apart_from_outsiders_and_ours() -> None:
    given = world(role(OWNER, "Vendor", admits(VENDOR, when=EXTERNAL_ID), USING), DELEGATING)
    assert analyzed(given, trust=approved()).result.role_paths == "1 approved partner reaches 1 key"
    assert analyzed(given).result.role_paths == "1 outsider reaches 1 key"


def test_owner_of_a_foreign_key_may_be_approved_for_what_we_do_there() -> None:
    foreign = f"arn:aws:kms:eu-west-1:{STRANGER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    app = principal(iam(OWNER, "role/App"), policy(allow(None, "kms:Encrypt", "kms:Decrypt", Resource=foreign)))
    given = world(app, key(), organization())
    expected = [
        (Trust(), Severity.MEDIUM, "the unknown account"),
        (approved(), Severity.INFO, f"account {STRANGER}"),
        (approved(capabilities=("decrypt",)), Severity.MEDIUM, f"account {STRANGER}"),
    ]
    for trust, severity, words in expected:
        (found,) = analyzed(given, trust=trust).of(Kind.FOREIGN_KEY_USE)
        assert found.severity is severity
        assert words in found.title
