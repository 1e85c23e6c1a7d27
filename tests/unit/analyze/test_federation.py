"""Identity providers in trust policies: claims as conditions, what pins a tenant, and the party (R7.11)."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.paths.hops import BY_SAML, BY_WEB_IDENTITY, hop_of, step
from scanner.analyze.request.caller import vouched_for_by
from scanner.model.decision import Verdict
from scanner.model.finding import FindingVerdict, Severity

from builders import (
    MEMBER,
    ORG,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
    deny,
    iam,
    organization,
    policy,
    world,
)
from role_worlds import USING, admits, only_path, paths, role

GITHUB = "token.actions.githubusercontent.com"
EKS = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF"
AUD = {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}}


def oidc(issuer: str, owner: str = OWNER) -> str:
    """The ARN of an OpenID Connect provider."""
    return f"arn:aws:iam::{owner}:oidc-provider/{issuer}"


def saml(owner: str = OWNER) -> str:
    """The ARN of a SAML provider."""
    return f"arn:aws:iam::{owner}:saml-provider/Okta"


def trusted(provider: str, when: Any = None, *more: Any) -> Any:
    """A role that a provider may enter."""
    trust = policy(*admits({"Federated": provider}, BY_WEB_IDENTITY, when=when)["Statement"], *more)
    return role(OWNER, "Ci", trust, USING)


def sub(*values: str, operator: str = "StringLike", issuer: str = GITHUB) -> dict[str, Any]:
    """A condition on the subject, beside the audience."""
    return {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"}, operator: {f"{issuer}:sub": list(values)}} if (
        operator != "StringEquals"
    ) else {"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": list(values)}}  # fmt: skip


# -- who is meant -----------------------------------------------------------------------------------------------------

PINNED: list[tuple[str, Any, str]] = [
    (oidc(GITHUB), None, "federated_open"),
    (oidc(GITHUB), AUD, "federated_open"),
    (oidc(GITHUB), sub("*"), "federated_open"),
    (oidc(GITHUB), sub("repo:*"), "federated_open"),
    (oidc(GITHUB), sub("repo:acme*/app:*"), "federated_open"),
    (oidc(GITHUB), sub("repo:acme/app:*", "repo:*/app:*"), "federated_open"),
    (oidc(GITHUB), sub("repo:acme/app:*"), "federated_pinned"),
    (oidc(GITHUB), sub("repo:acme/*"), "federated_pinned"),
    (oidc(GITHUB), sub("repo:acme/app:ref:refs/heads/main", operator="StringEquals"), "federated_pinned"),
    (oidc(GITHUB), sub("repo:*", operator="StringEquals"), "federated_pinned"),
    (oidc(GITHUB), sub("repo:acme/app:*", operator="StringLikeIfExists"), "federated_open"),
    (oidc(GITHUB), sub("repo:acme/app:*", operator="StringNotLike"), "federated_open"),
    (oidc(GITHUB), {"StringEquals": {f"{GITHUB}:repository_owner": "acme"}}, "federated_pinned"),
    (oidc(GITHUB), {"StringLike": {f"{GITHUB}:repository": "*"}}, "federated_open"),
    (oidc(GITHUB), {"StringEquals": {f"{GITHUB}:actor": "ann"}}, "federated_open"),
    (oidc("app.terraform.io"), sub("organization:acme:*", issuer="app.terraform.io"), "federated_pinned"),
    (oidc("gitlab.com"), sub("project_path:acme/*", issuer="gitlab.com"), "federated_pinned"),
    (oidc(GITHUB), sub("environment:prod", operator="StringEquals"), "federated_open"),
    (oidc(GITHUB), sub("environment:prod:repo:acme/app", operator="StringEquals"), "federated_open"),
    (oidc(GITHUB), sub("workflow:repo:acme/app"), "federated_open"),
    (oidc(GITHUB), sub("job_workflow_ref:acme/ci/.github/workflows/x.yml@refs/heads/main"), "federated_open"),
    (oidc(GITHUB), sub("repo:acme", "acme"), "federated_open"),
    (oidc(GITHUB), sub("repo::acme/app"), "federated_open"),
    (oidc(GITHUB), sub("repository:acme/app:*"), "federated_pinned"),
    (oidc(GITHUB), sub("repository_owner:acme", operator="StringEquals"), "federated_pinned"),
    (oidc(GITHUB), sub("repository_owner:acme*"), "federated_open"),
    (oidc(GITHUB), sub("repository_owner_id:1234:environment:*"), "federated_pinned"),
    (oidc(GITHUB), sub("repository_id:42"), "federated_pinned"),
    (oidc(GITHUB), sub("enterprise:acme:*", "enterprise_id:7"), "federated_pinned"),
    (oidc("gitlab.com"), sub("ref_type:branch:ref:main", issuer="gitlab.com"), "federated_open"),
    (oidc("gitlab.com"), {"StringEquals": {"gitlab.com:project_id": "42"}}, "federated_pinned"),
    (oidc("app.terraform.io"), sub("workspace:prod", issuer="app.terraform.io"), "federated_open"),
    (oidc("agent.buildkite.com"), sub("pipeline:x", issuer="agent.buildkite.com"), "federated_open"),
    (oidc("agent.buildkite.com"), sub("organization:acme:*", issuer="agent.buildkite.com"), "federated_pinned"),
    (oidc("agent.buildkite.com"), {"StringEquals": {"agent.buildkite.com:organization_id": "u"}}, "federated_pinned"),
    (oidc("agent.buildkite.com"), {"StringEquals": {"agent.buildkite.com:project_id": "42"}}, "federated_open"),
    (oidc("login.acme.example"), sub("team-*", issuer="login.acme.example"), "federated_pinned"),
    (oidc("login.acme.example"), sub("*", issuer="login.acme.example"), "federated_open"),
    (oidc(EKS), None, "federated_pinned"),
    ("accounts.google.com", None, "federated_open"),
    ("accounts.google.com", {"StringEquals": {"accounts.google.com:aud": "app-1"}}, "federated_pinned"),
    ("cognito-identity.amazonaws.com",
     {"StringEquals": {"cognito-identity.amazonaws.com:aud": "eu-west-1:pool"}}, "federated_pinned"),
    ("cognito-identity.amazonaws.com",
     {"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}}, "federated_open"),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "when", "party"), PINNED)
def test_party_of_a_provider_follows_from_what_pins_the_tenant(provider: str, when: Any, party: str) -> None:
    found = only_path(trusted(provider, when))
    assert found.grantee.party == party
    assert found.severity is (Severity.CRITICAL if party == "federated_open" else Severity.MEDIUM)
    assert found.remediation.kind == "narrow_trust"


@pytest.mark.parametrize("issuer", [GITHUB, "login.acme.example"])
def test_subject_that_the_request_fills_in_pins_nothing(issuer: str) -> None:
    found = only_path(trusted(oidc(issuer), sub("repo:${aws:UserAgent}", issuer=issuer)))
    assert found.grantee.party == "federated_open"


def test_open_subject_that_names_no_tenant_is_told_beside_the_verdict() -> None:
    custom = only_path(trusted(oidc(GITHUB), sub("environment:prod", operator="StringEquals")))
    assert custom.verdict_reasons == ("residual_condition", "subject_without_tenant")
    assert "any organization may give its subjects the form" in custom.remediation.text
    for asked in (AUD, sub("*"), sub("repo:acme/app:*")):
        assert "subject_without_tenant" not in only_path(trusted(oidc(GITHUB), asked)).verdict_reasons
    elsewhere = only_path(trusted(oidc("login.acme.example"), sub("*x", issuer="login.acme.example")))
    assert elsewhere.grantee.party == "federated_open"
    assert "subject_without_tenant" not in elsewhere.verdict_reasons


def test_grantee_is_the_provider_with_its_subject() -> None:
    found = only_path(trusted(oidc(GITHUB), sub("repo:acme/app:*")))
    assert found.grantee.selector == f"{oidc(GITHUB)}#repo:acme/app:*"
    assert found.title.startswith(f"An identity of {GITHUB} (repo:acme/app:*) can, under conditions, decrypt data")
    assert only_path(trusted(oidc(GITHUB), AUD)).title.startswith(f"Anybody with an identity of {GITHUB} can")
    assert only_path(trusted(oidc(EKS))).verdict_reasons == ("trust_open",)


def test_deny_of_other_subjects_pins_too() -> None:
    other = deny("*", BY_WEB_IDENTITY, when={"StringNotLike": {f"{GITHUB}:sub": "repo:acme/*"}})
    assert only_path(trusted(oidc(GITHUB), AUD, other)).grantee.party == "federated_pinned"
    other_action = deny("*", "sts:TagSession", when={"StringNotLike": {f"{GITHUB}:sub": "repo:acme/*"}})
    assert only_path(trusted(oidc(GITHUB), AUD, other_action)).grantee.party == "federated_open"
    somebody_else = deny(iam(STRANGER, "root"), BY_WEB_IDENTITY, when={"StringNotLike": {f"{GITHUB}:sub": "repo:a/*"}})
    assert only_path(trusted(oidc(GITHUB), AUD, somebody_else)).grantee.party == "federated_open"
    loose = deny("*", BY_WEB_IDENTITY, when={"StringLike": {f"{GITHUB}:sub": "repo:acme/*"}})
    assert only_path(trusted(oidc(GITHUB), AUD, loose)).grantee.party == "federated_open"


def test_claims_are_open_to_the_request_and_decide_exactly() -> None:
    found = only_path(trusted(oidc(GITHUB), sub("repo:acme/app:*")))
    assert f"{GITHUB}:sub matches repo:acme/app:*" in found.capabilities[0].condition
    none = deny("*", BY_WEB_IDENTITY, when={"StringLike": {f"{GITHUB}:sub": "repo:acme/*"}})
    assert paths(trusted(oidc(GITHUB), sub("repo:acme/app:*"), none)) == []


def test_claims_of_another_provider_are_absent_and_unknown_keys_stay_unknown() -> None:
    other = {"StringEquals": {"gitlab.com:sub": "project_path:acme/app"}}
    assert paths(trusted(oidc(GITHUB), other)) == []
    assert paths(trusted(oidc(GITHUB), {"StringEquals": {"saml:aud": "x"}})) == []
    odd = only_path(trusted(oidc(GITHUB), {"StringEquals": {"strange": "x"}}))
    assert odd.verdict is FindingVerdict.POSSIBLE
    unknown = only_path(role(OWNER, "Ci", admits(iam(STRANGER, "root"), when=AUD), USING))
    assert unknown.verdict is FindingVerdict.POSSIBLE


def test_provider_is_no_principal_of_an_account() -> None:
    for name in ("aws:PrincipalOrgID", "aws:PrincipalAccount", "aws:PrincipalArn", "aws:SourceArn"):
        assert paths(trusted(oidc(GITHUB), {"StringLike": {name: "*"}})) == []
    assert only_path(trusted(oidc(GITHUB), {"StringLike": {"aws:PrincipalTag/team": "*"}})).verdict is (
        FindingVerdict.CONDITIONAL
    )
    assert paths(trusted(oidc(GITHUB), {"Bool": {"aws:PrincipalIsAWSService": "true"}})) == []


def test_guardrails_bind_federation_on_the_roles_side_only() -> None:
    denied = organization(rcps={ROOT: [policy(deny("*", "sts:AssumeRoleWithWebIdentity"))]})
    assert paths(trusted(oidc(GITHUB), AUD), denied) == []
    outside = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORG}}
    fenced = organization(rcps={ROOT: [policy(deny("*", "sts:AssumeRole", when=outside))]})
    assert len(paths(trusted(oidc(GITHUB), AUD), fenced)) == 1
    scp = organization(scps={OWNER: [policy(allow(None, "*"), deny(None, "sts:*"))]})
    assert len(paths(trusted(oidc(GITHUB), AUD), scp)) == 1


def test_deny_with_not_principal_spares_the_provider_it_lists() -> None:
    spared = deny(None, BY_WEB_IDENTITY, NotPrincipal={"Federated": oidc(GITHUB)})
    assert len(paths(trusted(oidc(GITHUB), AUD, spared))) == 1
    not_spared = deny(None, BY_WEB_IDENTITY, NotPrincipal={"Federated": oidc("gitlab.com")})
    assert paths(trusted(oidc(GITHUB), AUD, not_spared)) == []


def test_provider_enters_by_its_own_action_only() -> None:
    wrong = role(OWNER, "Ci", admits({"Federated": oidc(GITHUB)}, "sts:AssumeRole"), USING)
    assert paths(wrong) == []
    by_saml = role(OWNER, "Ci", admits({"Federated": saml()}, BY_WEB_IDENTITY), USING)
    assert paths(by_saml) == []


def test_everybody_by_web_identity_is_possible_because_it_is_not_documented() -> None:
    found = only_path(role(OWNER, "Ci", admits("*", BY_WEB_IDENTITY), USING))
    assert (found.verdict, found.verdict_reasons, found.grantee.party) == (
        FindingVerdict.POSSIBLE, ("undocumented",), "federated_open",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("action", "when"),
    [
        (BY_WEB_IDENTITY, {"StringEquals": {"accounts.google.com:aud": "app"}}),
        (BY_SAML, {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}),
        (BY_SAML, None),
    ],
)
def test_everybody_may_bring_the_claims_that_a_statement_asks_any_provider_for(action: str, when: Any) -> None:
    found = only_path(role(OWNER, "Ci", admits("*", action, when=when), USING))
    assert (found.verdict, found.grantee.party) == (FindingVerdict.POSSIBLE, "federated_open")


def test_everybody_by_federation_stays_possible_where_only_assume_role_is_denied() -> None:
    trust = admits("*", "sts:*")
    trust["Statement"].append({k: v for k, v in deny("*", "sts:AssumeRole").items() if k != "Resource"})
    found = only_path(role(OWNER, "Ci", trust, USING))
    assert (found.verdict, found.verdict_reasons) == (FindingVerdict.POSSIBLE, ("undocumented",))


@pytest.mark.parametrize("action", [BY_WEB_IDENTITY, BY_SAML])
def test_every_provider_enters_by_both_kinds_of_federation(action: str) -> None:
    claims = {"StringEquals": {"accounts.google.com:aud": "app"}} if action == BY_WEB_IDENTITY else None
    found = only_path(role(OWNER, "Ci", admits({"Federated": "*"}, action, when=claims), USING))
    assert (found.grantee.party, found.severity) == ("federated_open", Severity.CRITICAL)


# -- SAML -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "party"),
    [(OWNER, "own_saml_provider"), (MEMBER, "same_organization"), (STRANGER, "unknown_third_party")],
)
def test_saml_provider_of_the_own_account_is_ours(owner: str, party: str) -> None:
    trust = admits({"Federated": saml(owner)}, BY_SAML, when={"StringEquals": {"saml:aud": "https://x"}})
    found = only_path(role(OWNER, "Staff", trust, USING), account(STRANGER))
    expected = party if party != "unknown_third_party" else "own_other_organization"
    assert found.grantee.party == expected
    if owner == OWNER:
        assert found.verdict is FindingVerdict.CONDITIONAL
        assert "saml:aud = https://x" in found.capabilities[0].condition
    else:
        assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "undocumented")
        assert "R7.11" in {rule.rule for rule in found.rules}


@pytest.mark.parametrize("when", [None, AUD])
def test_token_provider_of_another_account_is_possible_because_aws_says_nothing_of_it(when: Any) -> None:
    found = only_path(trusted(oidc(GITHUB, STRANGER), when))
    assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "undocumented")
    assert found.severity is Severity.HIGH
    assert only_path(trusted(oidc(GITHUB), when)).verdict is not FindingVerdict.POSSIBLE
    assert only_path(trusted("accounts.google.com")).verdict is FindingVerdict.CONFIRMED


# -- steps ------------------------------------------------------------------------------------------------------------


def test_hop_of_a_provider_cites_the_trust_statement() -> None:
    target = trusted(oidc(GITHUB), AUD)
    given = world(target)
    judged = step(given, vouched_for_by(oidc(GITHUB)), target, BY_WEB_IDENTITY)
    hop = hop_of(given, judged)
    assert (hop.principal, hop.edge, hop.verdict, len(hop.statements)) == (
        oidc(GITHUB), BY_WEB_IDENTITY, "conditional", 1,
    )  # fmt: skip
    other = step(given, vouched_for_by(oidc("gitlab.com")), target, BY_WEB_IDENTITY)
    assert other.decision.verdict is Verdict.DENIED
