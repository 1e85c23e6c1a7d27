"""Paths from outside through roles to keys: entries, chains, weakest step, depth, verdicts and parties (section 7)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.keys.severity import SeverityRules
from scanner.analyze.parts import AnalysisRules
from scanner.analyze.paths.paths import Paths
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.analyze.who_can import Wanted, who_can
from scanner.model.arn import KeyArn
from scanner.model.decision import Layer
from scanner.model.finding import FindingVerdict, Kind, Severity

from builders import (
    FULL,
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OWNER,
    ROOT,
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
from role_worlds import ASSUMING, DELEGATING, USING, admits, followed, only_path, paths, role

VENDOR = iam(STRANGER, "root")
EXTERNAL_ID = {"StringEquals": {"sts:ExternalId": "one"}}
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
S3_ONLY = policy(allow(None, "s3:*"))
SECOND_KEY = KEY[:-1] + "c"
THIRD = "222233334444"
ANCHOR = f"arn:aws:rolesanywhere:eu-west-1:{OWNER}:trust-anchor/1"
FOREIGN_ANCHOR = f"arn:aws:rolesanywhere:eu-west-1:{STRANGER}:trust-anchor/1"
ANY_ANCHOR = "arn:aws:rolesanywhere:*:*:trust-anchor/*"


# -- entries ----------------------------------------------------------------------------------------------------------


def test_stranger_admitted_by_a_trust_policy_acts_as_the_role() -> None:
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), USING))
    assert (found.verdict, found.severity) == (FindingVerdict.CONFIRMED, Severity.CRITICAL)
    assert found.verdict_reasons == ("delegated_to_third_party", "no_external_id")
    assert (found.grantee.selector, found.grantee.party) == (VENDOR, "unknown_third_party")
    assert (found.resource.kind, found.resource.arn) == ("role", iam(OWNER, "role/Vendor"))
    assert (found.keys_total, found.keys[0].arn, found.key) == (1, KEY, None)
    (hop,) = found.path.hops
    assert (hop.principal, hop.edge, hop.verdict) == (VENDOR, "sts:AssumeRole", "allowed")
    assert [s.document for s in hop.statements] == ["trust policy"]
    assert Layer.KEY_POLICY in {gate.layer for gate in found.path.layers}
    assert {e.document for e in found.evidence} >= {"trust policy", "inline policy 0", "key policy default"}
    assert {r.rule for r in found.rules} >= {"R7.1", "R7.10", "R7.6"}
    assert found.remediation.kind == "narrow_trust"


def test_external_id_is_the_strangers_to_give_and_steps_nothing_down() -> None:
    found = only_path(role(OWNER, "Vendor", admits(VENDOR, when=EXTERNAL_ID), USING))
    assert (found.verdict, found.severity) == (FindingVerdict.CONDITIONAL, Severity.CRITICAL)
    assert found.verdict_reasons == ("residual_condition",)
    (decrypt,) = found.capabilities
    assert decrypt.condition == "sts:ExternalId = one (when role/Vendor is assumed)"
    assert decrypt.caller_chosen
    assert [c.key for c in found.conditions] == ["sts:ExternalId"]


def test_multi_factor_authentication_is_not_the_callers_to_choose() -> None:
    found = only_path(role(OWNER, "Vendor", admits(VENDOR, when=MFA), USING))
    assert (found.verdict, found.severity) == (FindingVerdict.CONDITIONAL, Severity.HIGH)


def test_path_that_rests_on_asserted_context_says_so() -> None:
    asserted = {"aws:multifactorauthpresent": ("true",)}
    given = world(role(OWNER, "Vendor", admits(VENDOR, when=MFA), USING), DELEGATING, asserted=asserted)
    (found,) = analyzed(given).of(Kind.ASSUMED_ROLE_PATH)
    assert (found.verdict, found.verdict_reasons[-1]) == (FindingVerdict.CONFIRMED, "asserted_context")
    other = world(role(OWNER, "Vendor", admits(VENDOR), USING), DELEGATING, asserted=asserted)
    assert "asserted_context" not in analyzed(other).of(Kind.ASSUMED_ROLE_PATH)[0].verdict_reasons


def test_nothing_is_said_of_a_role_that_reaches_no_key_or_admits_nobody_outside() -> None:
    assert paths(role(OWNER, "Vendor", admits(VENDOR), S3_ONLY)) == []
    assert paths(role(OWNER, "App", admits(iam(OWNER, "root")), USING)) == []
    assert paths(role(OWNER, "Fn", admits({"Service": "lambda.amazonaws.com"}), USING)) == []
    assert paths(role(OWNER, "Vendor", policy(*admits(VENDOR)["Statement"], deny("*", "sts:*")), USING)) == []
    assert paths(role(OWNER, "Group", admits(iam(STRANGER, "group/x")), USING)) == []
    assert paths(role(OWNER, "Vendor", admits(VENDOR, "sts:TagSession"), USING)) == []
    assert paths(role(OWNER, "Vendor", admits(VENDOR.replace("arn:aws:", "arn:aws-cn:")), USING)) == []


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([ASSUMING], FindingVerdict.CONFIRMED),
        ([policy(allow(None, "sts:AssumeRole", when=MFA))], FindingVerdict.CONDITIONAL),
        ([policy(allow(None, "*", Effect="Maybe"))], FindingVerdict.POSSIBLE),
        (["no policy"], FindingVerdict.POSSIBLE),
    ],
)
def test_collected_principals_need_permission_to_assume(documents: list[Any], expected: FindingVerdict) -> None:
    app = principal(iam(MEMBER, "role/App"), *documents)
    found = only_path(app, role(OWNER, "Shared", admits(iam(MEMBER, "root")), USING))
    assert found.verdict is expected
    assert found.grantee.party == "same_organization"
    assert found.reach.principals_sample == (app.arn,)


def test_whom_its_own_account_lets_assume_nothing_does_not_enter() -> None:
    shared = role(OWNER, "Shared", admits({"AWS": [iam(MEMBER, "root"), iam(MEMBER, "role/App")]}), USING)
    assert paths(principal(iam(MEMBER, "role/App"), S3_ONLY), shared) == []
    bounded = principal(iam(MEMBER, "role/App"), ASSUMING, boundary=S3_ONLY)
    assert paths(bounded, shared) == []
    by_scp = organization(scps={MEMBER: [policy(deny(None, "sts:*"))]})
    assert paths(principal(iam(MEMBER, "role/App"), ASSUMING), shared, by_scp) == []


def test_resource_control_policy_cuts_the_entry() -> None:
    fence = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORG}}
    rcp = organization(rcps={ROOT: [policy(deny("*", "sts:AssumeRole", when=fence))]})
    assert paths(role(OWNER, "Vendor", admits(VENDOR), USING), rcp) == []
    unread = replace(organization(), rcps=None, rcp_gap="org/rcp")
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), USING), unread)
    assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "guardrail_not_read")


def test_account_of_ours_that_was_not_read_possibly_enters() -> None:
    unread = account(MEMBER, collected=False, gap="row")
    found = only_path(unread, role(OWNER, "Shared", admits(iam(MEMBER, "root")), USING))
    assert (found.verdict, found.verdict_reasons) == (FindingVerdict.POSSIBLE, ("caller_side_not_collected",))


def test_unread_service_control_policies_of_the_roles_account_leave_the_use_possible() -> None:
    unread = replace(organization(), scps=None, scp_gap="org/scp")
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), USING), unread)
    assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "guardrail_not_read")


@pytest.mark.parametrize("trust", [None, "no policy", policy({"Effect": "Allow", "Action": "sts:AssumeRole"})])
def test_trust_policy_nobody_could_read_possibly_admits_anybody(trust: Any) -> None:
    facts = {"complete": False, "gap": "row"} if trust is None else {}
    found = only_path(role(OWNER, "Odd", trust, USING, **facts))
    assert (found.verdict, found.grantee.kind) == (FindingVerdict.POSSIBLE, "any")
    assert found.verdict_reasons[0] in {"trust_not_read", "malformed"}


def test_everybody_in_a_trust_policy_is_the_public() -> None:
    found = only_path(role(OWNER, "Open", admits("*"), USING))
    assert (found.grantee.party, found.severity) == ("public", Severity.CRITICAL)
    assert found.verdict_reasons == ("trust_open", "no_external_id")


def test_everybody_of_the_organization_is_the_organization() -> None:
    fence = {"StringEquals": {"aws:PrincipalOrgID": ORG}}
    app = principal(iam(MEMBER, "role/App"), ASSUMING)
    found = only_path(app, role(OWNER, "Shared", admits("*", when=fence), USING))
    assert (found.grantee.selector, found.grantee.party) == (ORG, "same_organization")
    foreign = {"StringEquals": {"aws:PrincipalOrgID": "o-stranger01"}}
    parties = [
        only_path(role(OWNER, "Shared", admits("*", when=foreign), USING), **rules).grantee.party
        for rules in ({}, {"trust": trusting_organization("o-stranger01")})
    ]
    assert parties == ["unknown_third_party", "own_other_organization"]


def trusting_organization(id_: str) -> Any:
    """Further organizations of ours."""
    return Trust(frozenset({id_}))


def test_everybody_behind_a_guardrail_is_whoever_it_spares() -> None:
    fence = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORG}}
    rcp = organization(rcps={ROOT: [policy(deny("*", "sts:AssumeRole", when=fence))]})
    app = principal(iam(MEMBER, "role/App"), ASSUMING)
    found = only_path(app, role(OWNER, "Open", admits("*"), USING), rcp)
    assert (found.grantee.selector, found.grantee.party) == (ORG, "same_organization")


def test_everybody_with_an_account_outside_every_organization_told_apart() -> None:
    fence = {"StringNotEquals": {"aws:PrincipalAccount": THIRD}}
    rcp = organization(rcps={ROOT: [policy(deny("*", "sts:AssumeRole", when=fence))]})
    partner = principal(iam(THIRD, "role/App"), ASSUMING)
    found = only_path(partner, account(THIRD), account(MANAGER), role(OWNER, "Open", admits("*"), USING), rcp)
    assert (found.grantee.selector, found.grantee.party) == (iam(THIRD, "root"), "own_other_organization")


def test_unique_ids_stand_for_their_holders() -> None:
    app = principal(iam(MEMBER, "role/App"), ASSUMING, unique_id="AROA1")
    found = only_path(app, role(OWNER, "Shared", admits("AROA1"), USING))
    assert found.grantee.party == "same_organization"
    assert paths(role(OWNER, "Shared", admits("AROA9"), USING), account(MANAGER)) == []
    gone = only_path(account(MEMBER, collected=False), role(OWNER, "Shared", admits("AROA9"), USING))
    assert (gone.verdict, gone.grantee.party) == (FindingVerdict.POSSIBLE, "same_organization")
    alone = only_path(
        account(MEMBER, collected=False), role(OWNER, "Shared", admits("AROA9"), USING),
        replace(organization(), members={MEMBER: (ROOT,)}),
    )  # fmt: skip
    assert alone.grantee.party == "own_other_organization"


def test_trust_that_spares_only_root_users_of_a_stranger_admits_nobody() -> None:
    only_root = deny(None, "sts:AssumeRole") | {"NotPrincipal": {"AWS": VENDOR}}
    only_root.pop("Resource")
    anybody = allow("*", "sts:AssumeRole")
    by_condition = allow("*", "sts:AssumeRole", when={"ArnEquals": {"aws:PrincipalArn": VENDOR}})
    for statements in ((anybody, only_root), (by_condition,)):
        trusted = principal(iam(OWNER, "role/Vendor"), USING, trust=policy(*statements))
        given = world(DELEGATING, trusted)
        assert analyzed(given).of(Kind.ASSUMED_ROLE_PATH) == []
        assert analyzed(given, by_class=False).of(Kind.ASSUMED_ROLE_PATH) == []
    any_role = allow("*", "sts:AssumeRole", when={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{STRANGER}:*"}})
    trusted = principal(iam(OWNER, "role/Vendor"), USING, trust=policy(any_role))
    assert analyzed(world(DELEGATING, trusted)).of(Kind.ASSUMED_ROLE_PATH)


def test_root_and_federated_users_never_assume() -> None:
    ann = principal(iam(MEMBER, "user/Ann"), S3_ONLY)
    assert paths(ann, role(OWNER, "Shared", admits(iam(MEMBER, "root")), USING)) == []


# -- services ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "when", "party"),
    [
        ("rolesanywhere.amazonaws.com", None, "service_unguarded"),
        (
            "rolesanywhere.amazonaws.com",
            {"StringEquals": {"aws:PrincipalTag/x509Subject/CN": "ci"}},
            "service_unguarded",
        ),
        (
            "rolesanywhere.amazonaws.com",
            {"StringEquals": {"aws:PrincipalTag/x509Subject/CN": "ci"}, "ArnEquals": {"aws:SourceArn": ANCHOR}},
            "service_guarded",
        ),
        ("rolesanywhere.amazonaws.com", {"ArnEquals": {"aws:SourceArn": ANCHOR}}, "service_guarded"),
        ("rolesanywhere.amazonaws.com", {"StringEquals": {"aws:SourceAccount": MEMBER}}, "service_guarded"),
        ("rolesanywhere.amazonaws.com", {"ArnEquals": {"aws:SourceArn": FOREIGN_ANCHOR}}, "service_unguarded"),
        ("rolesanywhere.amazonaws.com", {"ArnLike": {"aws:SourceArn": ANY_ANCHOR}}, "service_unguarded"),
        ("rolesanywhere.amazonaws.com", {"StringEquals": {"aws:SourceAccount": STRANGER}}, "service_unguarded"),
        ("rolesanywhere.amazonaws.com", {"StringLike": {"aws:SourceAccount": "9*"}}, "service_unguarded"),
        ("pods.eks.amazonaws.com", None, "service_guarded"),
    ],
)
def test_services_that_act_for_outsiders_are_told_and_classified(service: str, when: Any, party: str) -> None:
    trust = admits({"Service": service}, when=when)
    (found,) = paths(role(OWNER, "Machine", trust, USING), service_principals="all")
    assert (found.grantee.kind, found.grantee.party) == ("service", party)
    assert found.verdict is (FindingVerdict.CONDITIONAL if when else FindingVerdict.CONFIRMED)
    if not when:
        assert found.verdict_reasons == ("service_admitted",)


def test_guarded_services_are_left_out_as_configured() -> None:
    pods = role(OWNER, "Pods", admits({"Service": "pods.eks.amazonaws.com"}), USING)
    machine = role(OWNER, "Machine", admits({"Service": "rolesanywhere.amazonaws.com"}), USING)
    assert [f.resource.name for f in paths(pods, machine)] == ["Machine"]
    assert paths(pods, machine, service_principals="none") == []


# -- chains -----------------------------------------------------------------------------------------------------------


def chain(*accounts: str, last: Any = USING, **facts: Any) -> list[Any]:
    """R0 admits the stranger, R1 admits R0, and so on; the last role of the chain uses keys."""
    found = []
    for number, owner in enumerate(accounts):
        trust = admits(VENDOR if number == 0 else iam(accounts[number - 1], f"role/R{number - 1}"))
        documents = [ASSUMING] if number < len(accounts) - 1 else [last]
        found.append(role(owner, f"R{number}", trust, *documents, **(facts if number == len(accounts) - 1 else {})))
    return found


def test_two_hops_across_three_accounts_reach_the_key() -> None:
    (found,) = (f for f in paths(*chain(MEMBER, OWNER)) if f.grantee.selector == VENDOR)
    assert [h.role_arn for h in found.path.hops] == [iam(MEMBER, "role/R0"), iam(OWNER, "role/R1")]
    assert (found.resource.arn, found.verdict) == (iam(MEMBER, "role/R0"), FindingVerdict.CONFIRMED)
    assert "then role/R1" in found.summary
    assert [e.source_arn for e in found.evidence if e.document == "trust policy"] == [
        iam(MEMBER, "role/R0"), iam(OWNER, "role/R1"),
    ]  # fmt: skip


def test_verdict_of_a_path_is_its_weakest_step_and_conditions_are_joined() -> None:
    via_s3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    entry = role(MEMBER, "R0", admits(VENDOR, when=EXTERNAL_ID), ASSUMING)
    last = role(OWNER, "R1", admits(iam(MEMBER, "role/R0"), when=MFA), policy(allow(when=via_s3)))
    found = next(f for f in paths(entry, last) if f.resource.name == "R0")
    (decrypt,) = found.capabilities
    assert decrypt.condition == (
        "sts:ExternalId = one (when role/R0 is assumed), and aws:MultiFactorAuthPresent = true (when role/R1 is "
        "assumed), and kms:ViaService = s3.eu-west-1.amazonaws.com (when the key is used)"
    )
    assert [part["role"] for part in decrypt.residual["steps"]] == [entry.arn, last.arn, ""]  # type: ignore[index]
    assert (found.verdict, found.severity) == (FindingVerdict.CONDITIONAL, Severity.HIGH)


def test_condition_on_the_use_of_the_key_alone_stands_by_itself() -> None:
    via_s3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), policy(allow(when=via_s3))))
    assert found.capabilities[0].condition == "kms:ViaService = s3.eu-west-1.amazonaws.com"


def test_unread_trust_policy_inside_a_chain_is_possible() -> None:
    hidden = role(OWNER, "Hidden", None, USING, complete=False, gap="row")
    entry = role(MEMBER, "R0", admits(VENDOR), ASSUMING)
    found = next(f for f in paths(entry, hidden) if f.resource.name == "R0")
    assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "trust_not_read")
    assert [h.statements for h in found.path.hops][1] == ()


def test_boundary_of_a_role_limits_its_sessions_and_the_next_hop() -> None:
    assert paths(role(OWNER, "Vendor", admits(VENDOR), USING, boundary=S3_ONLY)) == []
    entry = role(OWNER, "R0", admits(VENDOR), ASSUMING, boundary=S3_ONLY)
    assert paths(entry, role(OWNER, "R1", admits(iam(OWNER, "role/R0")), USING)) == []


def test_service_control_policies_of_the_roles_account_bind_its_sessions() -> None:
    scp = organization(scps={OWNER: [policy(allow(None, "*"), deny(None, "kms:Decrypt"))]})
    assert paths(role(OWNER, "Vendor", admits(VENDOR), USING), scp) == []


def test_same_account_role_that_is_named_needs_no_permission_for_the_next_hop() -> None:
    entry = role(OWNER, "R0", admits(VENDOR))
    found = only_path(entry, role(OWNER, "R1", admits(entry.arn), USING))
    assert [h.role_arn for h in found.path.hops] == [entry.arn, iam(OWNER, "role/R1")]
    assert paths(role(MEMBER, "R0", admits(VENDOR)), role(OWNER, "R1", admits(iam(MEMBER, "role/R0")), USING)) == []


def test_cycles_end() -> None:
    first = role(OWNER, "A", admits({"AWS": [VENDOR, iam(OWNER, "role/B")]}), ASSUMING)
    second = role(OWNER, "B", admits(iam(OWNER, "role/A")), ASSUMING, USING)
    found = only_path(first, second, max_role_hops=20)
    assert len(found.path.hops) == 2


def test_longest_chain_within_the_limit_is_followed() -> None:
    roles = chain(*[OWNER] * 5)
    found = only_path(*roles)
    assert (found.verdict, len(found.path.hops)) == (FindingVerdict.CONFIRMED, 5)
    assert "not followed" not in found.summary


def test_chain_beyond_the_limit_is_possible_and_said() -> None:
    analysis = followed(*chain(*[OWNER] * 6))
    (found,) = analysis.of(Kind.ASSUMED_ROLE_PATH)
    assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "depth_limit")
    assert "chains of more than 5 roles are not followed" in found.summary
    assert "behind 1 entry role, chains of more than 5 roles were not followed" in analysis.result.role_paths
    assert analysis.result.graph.cut == (iam(OWNER, "role/R0"),)


def test_cut_without_any_key_in_sight_is_a_finding_too() -> None:
    found = only_path(*chain(*[OWNER] * 7))
    assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "depth_limit")
    assert (found.keys, found.keys_total, len(found.path.hops)) == ((), 0, 1)
    assert found.title.startswith("Any principal of an unknown account")
    assert "not followed" in found.summary


def test_stronger_chain_wins_over_a_shorter_one_and_counts_once() -> None:
    entry = role(OWNER, "A", admits(VENDOR), ASSUMING)
    middle = role(OWNER, "M", admits(entry.arn), ASSUMING)
    trust = policy(
        *admits(entry.arn, when=MFA)["Statement"], *admits(middle.arn)["Statement"],
    )  # fmt: skip
    analysis = followed(entry, middle, role(OWNER, "Z", trust, USING))
    (found,) = analysis.of(Kind.ASSUMED_ROLE_PATH)
    assert (found.verdict, [h.role_arn for h in found.path.hops]) == (
        FindingVerdict.CONFIRMED, [entry.arn, middle.arn, iam(OWNER, "role/Z")],
    )  # fmt: skip
    assert [r.path for r in analysis.access] == [" > ".join(h.role_arn for h in found.path.hops)]


def test_key_that_entry_and_next_role_both_use_is_reached_once_by_the_shorter_way() -> None:
    entry = role(OWNER, "A", admits(VENDOR), ASSUMING, USING)
    analysis = followed(entry, role(OWNER, "Z", admits(entry.arn), USING))
    (found,) = analysis.of(Kind.ASSUMED_ROLE_PATH)
    assert (found.keys_total, [h.role_arn for h in found.path.hops]) == (1, [entry.arn])
    assert [r.path for r in analysis.access] == [entry.arn]


def test_trust_policies_with_the_same_text_are_cited_for_each_role() -> None:
    both = {"AWS": [VENDOR, iam(OWNER, "role/A"), iam(OWNER, "role/B")]}
    roles = role(OWNER, "A", admits(both), ASSUMING), role(OWNER, "B", admits(both), USING)
    (found,) = (f for f in paths(*roles) if f.resource.name == "A")
    assert [e.source_arn for e in found.evidence if e.document == "trust policy"] == [r.arn for r in roles]


def test_damaged_trust_policy_inside_a_chain_is_possible_without_a_line_to_cite() -> None:
    entry = role(OWNER, "A", admits(VENDOR), ASSUMING)
    (found,) = (f for f in paths(entry, role(OWNER, "Z", "no policy", USING)) if f.resource.name == "A")
    assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "malformed")


def test_two_equal_chains_take_the_first_by_name() -> None:
    entry = role(OWNER, "A", admits(VENDOR), ASSUMING)
    first, second = (role(OWNER, name, admits(entry.arn), ASSUMING) for name in ("B", "C"))
    last = role(OWNER, "Z", admits({"AWS": [second.arn, first.arn]}), USING)
    found = only_path(entry, second, first, last)
    assert [h.role_arn for h in found.path.hops] == [entry.arn, first.arn, last.arn]


def test_chain_stays_in_its_partition() -> None:
    entry = role(OWNER, "A", admits(VENDOR), ASSUMING)
    other = principal("arn:aws-cn:iam::111122223333:role/Z", USING, trust=admits(entry.arn))
    assert paths(entry, other) == []


# -- what a role can do -----------------------------------------------------------------------------------------------


def test_outsider_in_the_keys_account_acts_as_an_insider() -> None:
    found = only_path(role(OWNER, "Admin", admits(VENDOR), policy(allow(None, "kms:*"))))
    able = {c.capability: c for c in found.capabilities}
    assert {"control", "destroy", "manage", "decrypt", "delegate"} <= set(able)
    assert "kms:PutKeyPolicy" in able["control"].actions
    assert "kms:ScheduleKeyDeletion" in able["destroy"].actions
    assert (found.capabilities[0].capability, able["destroy"].severity) == ("control", Severity.HIGH)


def test_role_of_another_account_stays_an_outsider_to_the_key() -> None:
    shared = key(allow(iam(MEMBER, "root"), "kms:*"))
    found = only_path(shared, role(MEMBER, "Admin", admits(VENDOR), policy(allow(None, "kms:*"))))
    assert "control" not in {c.capability for c in found.capabilities}
    assert "decrypt" in {c.capability for c in found.capabilities}


@pytest.mark.parametrize(
    "given",
    [
        key(allow(iam(OWNER, "role/Vendor"))),
        key(allow("*")),
        key(allow("*", when={"StringEquals": {"kms:CallerAccount": OWNER}})),
        key(grants=(grant(iam(OWNER, "role/Vendor")),)),
        key(allow(None, NotPrincipal={"AWS": [iam(OWNER, "role/Other")]})),
    ],
)
def test_key_that_names_the_role_needs_no_identity_policy(given: Any) -> None:
    found = only_path(given, role(OWNER, "Vendor", admits(VENDOR)))
    assert [c.capability for c in found.capabilities] == ["decrypt"]


def test_roles_that_cannot_be_told_apart_share_a_judgement() -> None:
    twins = [role(OWNER, name, admits(VENDOR), USING) for name in ("One", "Two")]
    assert [f.keys_total for f in paths(*twins)] == [f.keys_total for f in paths(*twins, by_class=False)] == [1, 1]


def test_grant_behind_a_path_is_evidence() -> None:
    analysis = followed(key(grants=(grant(iam(OWNER, "role/Vendor")),)), role(OWNER, "Vendor", admits(VENDOR)))
    (found,) = analysis.of(Kind.ASSUMED_ROLE_PATH)
    (cited,) = (e for e in found.evidence if e.kind == "grant")
    assert cited.sha256 in analysis.result.documents


def test_disabled_key_blocks_and_an_unread_one_leaves_the_path_possible() -> None:
    vendor = role(OWNER, "Vendor", admits(VENDOR), USING)
    asleep = only_path(replace(DELEGATING, state="Disabled"), vendor)
    assert (asleep.verdict, asleep.verdict_reasons[0], asleep.severity) == (
        FindingVerdict.BLOCKED, "key_disabled", Severity.LOW,
    )  # fmt: skip
    assert "blocked because the key is disabled" in asleep.summary
    opaque = only_path(key(key_policy=None, gaps={"key_policy": "row"}), vendor)
    assert (opaque.verdict, opaque.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "policy_not_readable")
    no_shares = only_path(key(ram_policy_read=False, gaps={"ram_policy": "row"}), vendor)
    assert no_shares.verdict is FindingVerdict.POSSIBLE
    broken = only_path(replace(DELEGATING, key_policy=replace(DELEGATING.key_policy, text="{", sha256="x")), vendor)  # type: ignore[type-var]
    assert broken.verdict is FindingVerdict.POSSIBLE


def test_grant_that_nobody_read_leaves_a_path_of_whose_account_the_key_names_possible() -> None:
    unread = replace(DELEGATING, grants=None, gaps={"grants": "row"})
    found = only_path(unread, role(OWNER, "Vendor", admits(VENDOR)))
    assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.POSSIBLE, "grants_not_read")


@pytest.mark.parametrize("documents", [(), (USING,)], ids=["nothing", "every key"])
@pytest.mark.parametrize("keys", [1, 2])
def test_grant_that_nobody_read_is_told_once_for_all_roles_of_accounts_that_no_key_names(
    keys: int, documents: tuple[Any, ...]
) -> None:
    """Each of them may hold it, strangers' as well: a path for each would say nothing of any (0005)."""
    unread = replace(DELEGATING, grants=None, gaps={"grants": "row"})
    read = replace(DELEGATING, arn=f"{KEY[:-1]}d")
    aws = replace(unread, arn=f"{KEY[:-1]}e", manager="AWS")
    vendor = role(MEMBER, "Vendor", admits(VENDOR), *documents)
    told = followed(
        vendor, read, aws, *(replace(unread, arn=arn) for arn in (KEY, SECOND_KEY)[:keys]), managers=("customer", "aws")
    )
    assert told.of(Kind.ASSUMED_ROLE_PATH) == []
    number = "1 key" if keys == 1 else "2 keys"
    assert (
        told.result.role_paths == f"none was found in what was read; which roles hold grants on {number} was not read"
    )
    assert [row.grants_read for row in told.keys] == [*["not read"] * keys, "read", "skipped"]
    answer = who_can(world(vendor, unread), unread, AnalysisRules(), Wanted())
    assert (answer.access, answer.key_gaps) == ((), ("the grants (row)",))
    assert answer.role_paths.endswith("which roles hold grants on 1 key was not read")


def test_resource_share_that_nobody_read_is_told_once_for_all_roles_of_other_accounts() -> None:
    unread = key(arn=SECOND_KEY, ram_policy_read=False, gaps={"ram_policy": "row"})
    opaque = replace(unread, arn=KeyArn(f"{KEY[:-1]}e"), key_policy=None)
    vendor = role(MEMBER, "Vendor", admits(VENDOR), USING)
    told = followed(vendor, key(), unread, opaque)
    assert told.of(Kind.ASSUMED_ROLE_PATH) == []
    expected = "none was found in what was read; whom resource shares of 1 key let in was not read"
    assert told.result.role_paths == expected
    assert told.result.opaque_keys == (opaque.arn,)
    assert who_can(world(vendor, unread), unread, AnalysisRules(), Wanted()).role_paths == expected


def test_role_whose_policies_were_not_read_possibly_uses_the_keys_of_its_account() -> None:
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), complete=False, gap=""))
    assert found.verdict is FindingVerdict.POSSIBLE
    damaged = only_path(role(OWNER, "Vendor", admits(VENDOR), "no policy"))
    assert damaged.verdict is FindingVerdict.POSSIBLE


def test_aws_managed_keys_and_keys_of_services_are_no_candidates() -> None:
    vendor = role(OWNER, "Vendor", admits(VENDOR), USING)
    assert paths(replace(DELEGATING, manager="AWS"), vendor, managers=("customer", "aws")) == []
    serviced = key(allow({"Service": "logs.amazonaws.com"}), grants=(grant("logs.amazonaws.com"),))
    assert paths(serviced, vendor) == []


def test_best_verdict_over_keys_counts_and_every_key_is_listed() -> None:
    keys = [replace(DELEGATING, arn=f"{KEY[:-2]}{n:02}", state="Disabled" if n else "Enabled") for n in range(25)]
    found = only_path(*keys, role(OWNER, "Vendor", admits(VENDOR), USING))
    assert (found.verdict, found.keys_total, len(found.keys)) == (FindingVerdict.CONFIRMED, 25, 20)
    assert found.keys[0].arn == keys[0].arn
    assert found.title.endswith("decrypt data with 1 key by assuming role/Vendor of 111122223333")


def test_sensitive_tag_of_one_key_raises_the_finding() -> None:
    tagged = replace(DELEGATING, arn=SECOND_KEY, tags={"data": "pci"})
    found = only_path(
        DELEGATING, tagged, principal(iam(MEMBER, "role/App"), ASSUMING),
        role(OWNER, "Shared", admits(iam(MEMBER, "root")), USING), severity=SeverityRules({"data": ("pci",)}),
    )  # fmt: skip
    assert (found.severity, found.keys[0].arn) == (Severity.MEDIUM, SECOND_KEY)


def test_keys_csv_counts_paths_and_access_csv_lists_them() -> None:
    analysis = followed(role(OWNER, "Vendor", admits(VENDOR), USING))
    assert analysis.keys[0].critical == 1
    (row,) = analysis.access
    assert (row.mechanism, row.path, row.decision, row.principal_kind) == (
        "role", iam(OWNER, "role/Vendor"), "unknown", "account",
    )  # fmt: skip
    assert analysis.result.role_paths == "1 outsider reaches 1 key"


# -- noise ------------------------------------------------------------------------------------------------------------


def test_access_of_the_management_account_is_one_finding_per_role_name() -> None:
    admin = principal(iam(MANAGER, "role/Admin"), ASSUMING)
    roles = [
        role(owner, "OrganizationAccountAccessRole", admits(iam(MANAGER, "root")), USING) for owner in (OWNER, MEMBER)
    ]
    keys = [DELEGATING, key(allow(iam(MEMBER, "root"), "kms:*"), arn=KEY.replace(OWNER, MEMBER))]
    found = only_path(account(MANAGER, name="main"), admin, *roles, *keys)
    assert (found.grantee.party, found.keys_total) == ("same_organization", 2)
    assert found.resource.arn == "arn:aws:iam::*:role/OrganizationAccountAccessRole"
    assert (found.resource.account_id, found.verdict_reasons) == (MANAGER, ("both_sides_allow",))
    assert "role/OrganizationAccountAccessRole of 2 accounts" in found.title


def test_roles_of_identity_center_are_one_finding_per_permission_set() -> None:
    def sso(owner: str, suffix: str) -> Any:
        saml = f"arn:aws:iam::{owner}:saml-provider/AWSSSO_1_DO_NOT_DELETE"
        trust = admits({"Federated": saml}, "sts:AssumeRoleWithSAML", when={"StringEquals": {"saml:aud": "x"}})
        name = f"aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admins_{suffix}"
        return role(owner, name, trust, USING)

    keys = [DELEGATING, key(allow(iam(MEMBER, "root"), "kms:*"), arn=KEY.replace(OWNER, MEMBER))]
    found = only_path(sso(OWNER, "0123456789abcdef"), sso(MEMBER, "fedcba9876543210"), *keys)
    assert (found.grantee.selector, found.grantee.party, found.severity) == (
        "IAM Identity Center", "own_saml_provider", Severity.INFO,
    )  # fmt: skip
    assert (found.resource.name, found.keys_total) == ("AWSReservedSSO_Admins_*", 2)
    assert found.remediation.kind == "none"
    alone = only_path(sso(THIRD, "a"), key(allow(iam(THIRD, "root"), "kms:*"), arn=KEY.replace(OWNER, THIRD)),
                      account(THIRD))  # fmt: skip
    assert alone.resource.account_id == THIRD


# -- CreateGrant ------------------------------------------------------------------------------------------------------


def test_create_grant_through_a_role_is_said_to_give_more() -> None:
    found = only_path(role(OWNER, "Granter", admits(VENDOR), policy(allow(None, "kms:CreateGrant"))))
    assert found.verdict_reasons == ("delegated_to_third_party", "create_grant_escalation", "no_external_id")
    assert "by a grant that it creates it can give itself or anybody Decrypt" in found.summary
    assert "Decapsulate" not in found.summary


def test_create_grant_for_aws_resources_only_gives_no_more() -> None:
    limited = policy(allow(None, "kms:CreateGrant", when={"Bool": {"kms:GrantIsForAWSResource": "true"}}))
    found = only_path(role(OWNER, "Granter", admits(VENDOR), limited))
    assert "create_grant_escalation" not in found.verdict_reasons


def test_everybody_of_the_account_beside_the_account_itself_needs_no_iam() -> None:
    """`*` behind a fence is a match by itself, also where the same statement delegates to the account (R3.13)."""
    fence = {"StringEquals": {"kms:CallerAccount": OWNER}}
    both = {"Effect": "Allow", "Principal": {"AWS": ["*", OWNER]}, "Action": "kms:Decrypt", "Resource": "*"}
    found = only_path(key(both | {"Condition": fence}), role(OWNER, "Vendor", admits(VENDOR), S3_ONLY))
    assert (found.verdict, found.severity) == (FindingVerdict.CONFIRMED, Severity.CRITICAL)


LATER = {"DateGreaterThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}}
UNTIL = {"DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"}}


@pytest.mark.parametrize(
    "things",
    [
        (role(OWNER, "Vendor", admits(VENDOR, when=LATER), USING),),
        (role(OWNER, "Vendor", admits(VENDOR), policy(allow(None, when=LATER))),),
        (role(OWNER, "Vendor", admits(VENDOR), USING), key(allow(iam(OWNER, "root"), when=LATER))),
        (role(OWNER, "Vendor", admits(VENDOR), USING, boundary=policy(allow(None, "kms:*", when=LATER))),),
        (
            role(OWNER, "Vendor", admits(VENDOR), USING),
            organization(scps={OWNER: [FULL, policy(deny(None, "kms:*", when=UNTIL))]}),
        ),
        (
            role(OWNER, "Vendor", admits(VENDOR), USING),
            organization(rcps={ROOT: [policy(deny("*", "kms:*", when=UNTIL))]}),
        ),
        (
            role(OWNER, "Vendor", admits(VENDOR), USING),
            organization(rcps={ROOT: [policy(deny("*", "sts:*", when=UNTIL))]}),
        ),
        (
            role(OWNER, "Vendor", admits(iam(MEMBER, "role/Peer")), USING),
            principal(iam(MEMBER, "role/Peer"), FULL, boundary=policy(allow(None, "sts:*", when=LATER))),
        ),
        (
            role(OWNER, "Vendor", admits(iam(MEMBER, "role/Peer")), USING),
            principal(iam(MEMBER, "role/Peer"), FULL),
            organization(scps={MEMBER: [policy(allow(None, "*", when=LATER))]}),
        ),
    ],
    ids=["trust", "identity", "key", "boundary", "scp", "rcp", "rcp on sts", "boundary of caller", "scp of caller"],
)
def test_path_that_opens_by_itself_is_blocked_for_now_and_never_left_out(things: Any) -> None:
    found = only_path(*things)
    assert (found.verdict, found.verdict_reasons[0]) == (FindingVerdict.BLOCKED, "not_yet")
    assert found.capabilities[0].condition.startswith("the time is 2027-01-01")


def test_path_that_closed_and_path_that_never_opens_are_left_out() -> None:
    over = {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}
    never = LATER | {"DateLessThan": {"aws:CurrentTime": "2026-12-01T00:00:00Z"}}
    assert paths(role(OWNER, "Vendor", admits(VENDOR, when=over), USING)) == []
    assert paths(role(OWNER, "Vendor", admits(VENDOR, when=never), USING)) == []


# -- a key that sleeps (R8.10) ----------------------------------------------------------------------------------------

SLEEPING: list[tuple[str, tuple[str, ...], Any, FindingVerdict, str]] = [
    # state of the key, what the role may do, condition on enabling, verdict of decrypt, its reason
    ("Disabled", ("kms:Decrypt",), None, FindingVerdict.BLOCKED, "key_disabled"),
    ("Disabled", ("kms:Decrypt", "kms:EnableKey"), None, FindingVerdict.CONFIRMED, "key_can_be_woken"),
    ("Disabled", ("kms:Decrypt", "kms:EnableKey"), MFA, FindingVerdict.CONDITIONAL, "residual_condition"),
    ("PendingDeletion", ("kms:Decrypt", "kms:EnableKey"), None, FindingVerdict.BLOCKED, "key_pending_deletion"),
    ("PendingDeletion", ("kms:Decrypt", "kms:CancelKeyDeletion", "kms:EnableKey"), None, FindingVerdict.CONFIRMED,
     "key_can_be_woken"),
    ("PendingImport", ("kms:Decrypt", "kms:EnableKey"), None, FindingVerdict.BLOCKED, "key_pendingimport"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "actions", "when", "verdict", "reason"), SLEEPING)
def test_role_that_may_enable_the_key_is_not_held_by_its_state(
    state: str, actions: tuple[str, ...], when: Any, verdict: FindingVerdict, reason: str
) -> None:
    waking = [a for a in actions if a != "kms:Decrypt"]
    may = policy(allow(None, "kms:Decrypt"), *([allow(None, *waking, when=when)] if waking else []))
    asleep = key(allow(iam(OWNER, "root"), "kms:*"), state=state)
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), may), asleep)
    decrypt = next(c for c in found.capabilities if c.capability == "decrypt")
    assert (decrypt.verdict, decrypt.reasons[0]) == (verdict, reason)
    if verdict is FindingVerdict.CONFIRMED:
        assert found.severity is Severity.CRITICAL
        assert "R8.10" in {r.rule for r in found.rules}


def test_claim_is_admitted_by_every_source_that_was_added() -> None:
    drawn = world(DELEGATING, *(role(OWNER, name, admits(iam(STRANGER, "root")), USING) for name in ("One", "Two")))
    one, other = Paths(Population(drawn), drawn.keys.values(), Trust()).claims()
    assert one.admissions == tuple(s.admission for s in one.sources)
    one.sources.extend(other.sources)
    assert len(one.admissions) == 2
