"""Outsiders who open access for themselves by a tag or an alias, through roles they assume: proofs, parties, limits."""

from __future__ import annotations

from typing import Any

from scanner.analyze.principals.approvals import ApprovedAccount
from scanner.analyze.principals.borders import InnerBoundary
from scanner.analyze.principals.party import Trust
from scanner.model.decision import Layer
from scanner.model.finding import OWN_ACCOUNT, Finding, Kind

from builders import (
    KEY,
    MEMBER,
    OWNER,
    STRANGER,
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

VENDOR, HELPER, APP = iam(OWNER, "role/Vendor"), iam(OWNER, "role/Helper"), iam(OWNER, "role/App")
OUTSIDE, ANOTHER = iam(STRANGER, "root"), iam("999988887778", "root")
OWN_ROOT = allow(iam(OWNER, "root"), "kms:*")
OPEN = {"StringEquals": {"aws:ResourceTag/open": "yes"}}
BY_TAG = policy(allow(when=OPEN))
TAGGING = policy(allow(None, "kms:TagResource"))
BY_ALIAS = policy(allow(when={"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/app-*"}}))
PLAIN = key(OWN_ROOT, tags={})


def trusting(*who: str, when: Any = None) -> dict[str, Any]:
    """A trust policy that admits these."""
    return policy(*(allow(w, "sts:AssumeRole", when=when) for w in who))


ADMITTING = trusting(OUTSIDE)


def controls(*things: Any, **rules: Any) -> list[Finding]:
    """What outsiders control, the same whether callers are judged by class or one by one."""
    given = world(*things)
    found, one_by_one = (
        [f for f in analyzed(given, by_class=way, **rules).of(Kind.ATTRIBUTE_CONTROL) if f.grantee.party != OWN_ACCOUNT]
        for way in (True, False)
    )
    assert found == one_by_one
    return found


def control(*things: Any, **rules: Any) -> Finding:
    """The one there is."""
    (only,) = controls(*things, **rules)
    return only


def told(finding: Finding) -> tuple[str, str, str, str]:
    """Who, whose, severity, verdict."""
    return finding.grantee.selector, finding.grantee.party, finding.severity.value, finding.verdict.value


STRANGER_CAN = (OUTSIDE, "unknown_third_party", "high", "confirmed")


def test_stranger_whose_role_tags_and_decrypts_by_that_tag_opens_decrypt_for_itself() -> None:
    given = PLAIN, principal(VENDOR, TAGGING, BY_TAG, trust=ADMITTING)
    finding = control(*given)
    assert told(finding) == STRANGER_CAN
    assert finding.verdict_reasons == ("attribute_opens_access",)
    assert finding.title == (
        f"Any principal of an unknown account {STRANGER} can give itself, by the tag open, the right to decrypt data "
        f"with keys of account {OWNER} in eu-west-1, by assuming role/Vendor of {OWNER}"
    )
    assert [(r.rule, r.effect) for r in finding.severity_reasons] == [
        ("base", "critical"), ("by_attribute", "-1"), ("verdict", "±0"),
    ]  # fmt: skip
    assert [hop.role_arn for hop in finding.path.hops] == [VENDOR]
    assert (finding.keys_total, finding.reach.accounts) == (1, (STRANGER,))


def test_evidence_shows_the_trust_statement_the_rule_and_the_tagging_statement() -> None:
    finding = control(PLAIN, principal(VENDOR, TAGGING, BY_TAG, trust=ADMITTING))
    assert [(e.kind, e.document) for e in finding.evidence] == [
        ("policy_statement", "trust policy"), ("identity_policy_statement", "inline policy 1"),
        ("iam_statement", "inline policy 0"), ("key_policy_statement", "key policy default"),
    ]  # fmt: skip


def test_insider_finding_of_the_same_role_stays() -> None:
    found = analyzed(world(PLAIN, principal(VENDOR, TAGGING, BY_TAG, trust=ADMITTING))).of(Kind.ATTRIBUTE_CONTROL)
    assert sorted(f.grantee.party for f in found) == ["own_account", "unknown_third_party"]
    assert len({f.id for f in found}) == 2


def test_stranger_whose_role_removes_the_tag_that_keeps_it_out_opens_decrypt() -> None:
    guarded = policy(
        allow(), allow(None, "kms:UntagResource"), allow(when=None, Effect="Deny") | {
            "Condition": {"StringEquals": {"aws:ResourceTag/type": "Reserved"}}
        },
    )  # fmt: skip
    reserved = key(OWN_ROOT, tags={"type": "Reserved"})
    assert told(control(reserved, principal(VENDOR, guarded, trust=ADMITTING))) == STRANGER_CAN


def test_stranger_whose_role_creates_the_alias_opens_decrypt() -> None:
    vendor = principal(VENDOR, policy(allow(None, "kms:CreateAlias")), BY_ALIAS, trust=ADMITTING)
    finding = control(key(OWN_ROOT, aliases=()), vendor)
    assert told(finding) == STRANGER_CAN
    assert "by aliases alias/app-*" in finding.title


def test_chain_of_roles_reaches_the_one_that_tags_and_decrypts() -> None:
    entry = principal(VENDOR, policy(allow(None, "sts:AssumeRole")), trust=ADMITTING)
    finding = control(PLAIN, entry, principal(HELPER, TAGGING, BY_TAG, trust=trusting(VENDOR)))
    assert told(finding) == STRANGER_CAN
    assert [hop.role_arn for hop in finding.path.hops] == [VENDOR, HELPER]
    assert finding.title.endswith(f"by assuming role/Helper of {OWNER}")
    assert [e.document for e in finding.evidence][:2] == ["trust policy", "trust policy"]


def test_change_as_one_role_and_use_as_another_that_does_nothing_today_is_told() -> None:
    finding = control(
        PLAIN, principal(VENDOR, TAGGING, trust=ADMITTING), principal(HELPER, BY_TAG, trust=ADMITTING)
    )  # fmt: skip
    assert told(finding) == STRANGER_CAN
    assert finding.title.endswith(f"by assuming role/Vendor of {OWNER} and role/Helper of {OWNER}")
    assert {hop.role_arn for hop in finding.path.hops} == {VENDOR, HELPER}


def test_outsiders_of_one_role_are_told_each() -> None:
    found = controls(PLAIN, principal(VENDOR, TAGGING, BY_TAG, trust=trusting(OUTSIDE, ANOTHER)))
    assert [f.grantee.selector for f in found] == [OUTSIDE, ANOTHER]


def test_role_that_the_outsider_does_not_reach_gives_it_nothing() -> None:
    assert controls(PLAIN, principal(VENDOR, TAGGING, trust=ADMITTING), principal(APP, BY_TAG)) == []
    assert controls(PLAIN, principal(VENDOR, BY_TAG, trust=ADMITTING), principal(APP, TAGGING)) == []


def test_user_that_tags_or_decrypts_is_no_role_of_the_outsider() -> None:
    ann = principal(iam(OWNER, "user/Ann"), TAGGING, BY_TAG)
    assert controls(PLAIN, ann, principal(VENDOR, TAGGING, trust=ADMITTING)) == []


def test_tagging_that_is_refused_opens_nothing() -> None:
    refused = policy(allow(None, "kms:TagResource", Effect="Deny"))
    assert controls(PLAIN, principal(VENDOR, TAGGING, refused, BY_TAG, trust=ADMITTING)) == []


def test_weaker_capabilities_are_left_to_the_insider_finding() -> None:
    encrypting = policy(allow(None, "kms:Encrypt", when=OPEN))
    assert controls(PLAIN, principal(VENDOR, TAGGING, encrypting, trust=ADMITTING)) == []


def test_condition_of_the_trust_policy_that_the_stranger_meets_takes_no_step() -> None:
    named = trusting(OUTSIDE, when={"StringEquals": {"sts:ExternalId": "42"}})
    finding = control(PLAIN, principal(VENDOR, TAGGING, BY_TAG, trust=named))
    assert told(finding) == (OUTSIDE, "unknown_third_party", "high", "conditional")
    assert finding.capabilities[0].condition == "sts:ExternalId = 42 (when role/Vendor is assumed)"


def test_condition_of_the_change_that_the_stranger_cannot_choose_makes_it_weaker() -> None:
    bound = policy(allow(None, "kms:TagResource", when={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    finding = control(PLAIN, principal(VENDOR, bound, BY_TAG, trust=ADMITTING))
    assert told(finding) == (OUTSIDE, "unknown_third_party", "medium", "conditional")
    assert "aws:MultiFactorAuthPresent = true" in finding.capabilities[0].condition


def test_tags_that_were_not_read_leave_it_possible_and_high() -> None:
    unread = key(OWN_ROOT, tags=None, gaps={"tags": "row"})
    finding = control(unread, principal(VENDOR, TAGGING, BY_TAG, trust=ADMITTING))
    assert told(finding) == (OUTSIDE, "unknown_third_party", "high", "possible")
    assert " may be able to give itself" in finding.title


def test_path_that_only_a_later_date_opens_is_left_to_the_finding_about_the_path() -> None:
    later = trusting(OUTSIDE, when={"DateGreaterThan": {"aws:CurrentTime": "2027-06-01T00:00:00Z"}})
    assert controls(PLAIN, principal(VENDOR, TAGGING, BY_TAG, trust=later)) == []


def test_chain_beyond_the_limit_is_possible() -> None:
    entry = principal(VENDOR, policy(allow(None, "sts:AssumeRole")), trust=ADMITTING)
    helper = principal(HELPER, TAGGING, BY_TAG, trust=trusting(VENDOR))
    assert control(PLAIN, entry, helper, max_role_hops=1).verdict.value == "possible"


def test_stronger_way_counts_where_there_are_two() -> None:
    weak = trusting(OUTSIDE, when={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    one, two = (principal(arn, TAGGING, BY_TAG, trust=t) for arn, t in ((HELPER, weak), (VENDOR, ADMITTING)))
    assert told(control(PLAIN, one, two)) == STRANGER_CAN


def test_approved_partner_falls_in_its_own_row_for_the_keys_of_the_approval() -> None:
    approval = ApprovedAccount(STRANGER, "Vendor Ltd", "2027-06-30")
    named = trusting(OUTSIDE, when={"StringEquals": {"sts:ExternalId": "42"}})
    vendor = principal(VENDOR, TAGGING, BY_TAG, trust=named)
    finding = control(PLAIN, vendor, trust=Trust(approvals=(approval,)))
    assert told(finding)[1:3] == ("approved_partner", "info")
    assert "Vendor Ltd" in finding.title


def test_account_of_the_same_organization_falls_in_its_row() -> None:
    vendor = principal(VENDOR, TAGGING, BY_TAG, trust=trusting(iam(MEMBER, "root")))
    caller = principal(iam(MEMBER, "role/Deploy"), policy(allow(None, "sts:AssumeRole")))
    assert told(control(PLAIN, vendor, caller, organization()))[1:3] == ("same_organization", "info")


def test_users_of_our_own_identity_provider_are_no_outsiders() -> None:
    saml = policy({
        "Effect": "Allow", "Action": "sts:AssumeRoleWithSAML",
        "Principal": {"Federated": f"arn:aws:iam::{OWNER}:saml-provider/corp"},
    })  # fmt: skip
    assert controls(PLAIN, principal(VENDOR, TAGGING, BY_TAG, trust=saml)) == []


def test_workload_of_an_open_identity_provider_is_an_outsider() -> None:
    provider = f"arn:aws:iam::{OWNER}:oidc-provider/token.actions.githubusercontent.com"
    federated = policy({
        "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": provider},
    })  # fmt: skip
    finding = control(PLAIN, principal(VENDOR, TAGGING, BY_TAG, trust=federated))
    assert told(finding)[1:] == ("federated_open", "high", "confirmed")
    assert finding.evidence[0].highlights


def test_keys_of_one_set_are_one_finding() -> None:
    twin = key(OWN_ROOT, arn=f"{KEY[:-1]}c", tags={"a": "b"})
    assert control(PLAIN, twin, principal(VENDOR, TAGGING, BY_TAG, trust=ADMITTING)).keys_total == 2


def test_roles_that_cannot_be_told_apart_share_the_answer() -> None:
    one, two = (principal(arn, TAGGING, BY_TAG, trust=ADMITTING) for arn in (VENDOR, HELPER))
    assert told(control(PLAIN, one, two)) == STRANGER_CAN


def test_evidence_of_roles_that_cannot_be_told_apart_is_their_own() -> None:
    fence = policy(allow(None, "kms:TagResource", when={"Bool": {"aws:MultiFactorAuthPresent": "false"}}))
    for_each = {VENDOR: OUTSIDE, HELPER: ANOTHER}
    found = controls(PLAIN, *(principal(r, fence, BY_TAG, trust=trusting(w)) for r, w in for_each.items()))
    for arn, outsider in for_each.items():
        (finding,) = (f for f in found if f.grantee.selector == outsider)
        (by,) = (gate for gate in finding.path.layers if gate.layer is Layer.IAM)
        assert {ref.source for ref in by.statements} == {arn}


def test_alias_of_a_key_that_one_of_two_roles_may_not_change_is_moved_by_the_other_alone() -> None:
    moving = policy(allow(None, "kms:UpdateAlias"))
    refusing = deny(VENDOR, "kms:UpdateAlias")
    donor = key(OWN_ROOT, refusing, arn=f"{KEY[:-1]}c", aliases=("alias/app-one",))
    helper = principal(HELPER, moving, BY_ALIAS, trust=trusting(OUTSIDE))
    vendor = principal(VENDOR, moving, BY_ALIAS, trust=trusting(ANOTHER))
    assert control(key(OWN_ROOT, aliases=()), donor, helper, vendor).grantee.selector == OUTSIDE


def test_every_action_that_a_change_opens_is_told_once() -> None:
    both = policy(allow(None, "kms:Decrypt", "kms:CreateGrant", when=OPEN))
    finding = control(PLAIN, principal(VENDOR, TAGGING, both, trust=ADMITTING))
    assert sorted(c.capability for c in finding.capabilities) == ["decrypt", "delegate"]


def test_second_change_that_is_no_surer_adds_nothing() -> None:
    either = policy(allow(when={"StringEquals": {"aws:ResourceTag/open": ["yes", "wide"]}}))
    bound = policy(allow(None, "kms:TagResource", when={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    assert len(control(PLAIN, principal(VENDOR, bound, either, trust=ADMITTING)).capabilities) == 1


def test_access_across_a_declared_boundary_into_what_is_sensitive_is_graver() -> None:
    cards = InnerBoundary("cards", account=OWNER, sensitive=True)
    vendor = principal(VENDOR, TAGGING, BY_TAG, trust=trusting(iam(MEMBER, "root")))
    caller = principal(iam(MEMBER, "role/Deploy"), policy(allow(None, "sts:AssumeRole")))
    finding = control(PLAIN, vendor, caller, trust=Trust(boundaries=(cards,)))
    assert [(r.rule, r.effect) for r in finding.severity_reasons] == [
        ("base", "medium"), ("by_attribute", "-1"), ("verdict", "±0"), ("sensitive_boundary", "+1"),
    ]  # fmt: skip
