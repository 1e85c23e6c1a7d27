"""Access from outside that was once told as none, or told of the wrong people: one test per way to be wrong."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.keys.severity import SeverityRules
from scanner.model.finding import Finding, Kind
from scanner.model.key import KeyFacts

from builders import (
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OWNER,
    ROOT,
    STRANGER,
    Analyzed,
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
    ram,
    world,
)

ROLE, THEIRS = iam(MEMBER, "role/App"), iam(STRANGER, "role/App")
FULL = policy(allow(None, "*"))
ANN = principal(iam(MEMBER, "user/Ann"), FULL)


def of(used: KeyFacts, *things: Any, **rules: Any) -> Analyzed:
    """The analysis of one key in a world with one more account that was read."""
    return analyzed(world(used, *things), **rules)


def told(finding: Finding) -> tuple[str, str, str, str]:
    """Selector, severity, verdict, first reason."""
    return finding.grantee.selector, finding.severity.value, finding.verdict.value, finding.verdict_reasons[0]


def but(*listed: str) -> dict[str, Any]:
    """A Deny for everybody but the listed."""
    return deny(None, "kms:*", NotPrincipal={"AWS": list(listed)})


# -- Deny with NotPrincipal (R2.15) -----------------------------------------------------------------------------------


@pytest.mark.parametrize("spared", [(THEIRS, iam(STRANGER, "root")), (iam(STRANGER, "root"),)])
@pytest.mark.parametrize("who", [STRANGER, "*"])
def test_stranger_listed_in_a_notprincipal_deny_is_not_blocked(spared: tuple[str, ...], who: str) -> None:
    result = of(key(allow(who), but(*spared, iam(OWNER, "root"))))
    finding = next(f for f in result.of(Kind.EXTERNAL_ACCESS) if f.grantee.account_id == STRANGER)
    assert told(finding) == (iam(STRANGER, "root"), "critical", "conditional", "residual_condition")


def test_notprincipal_deny_that_lists_an_identity_without_its_account_leaves_it_open() -> None:
    assert told(of(key(allow(STRANGER), but(THEIRS, OWNER))).external)[1:3] == ("high", "possible")


def test_notprincipal_deny_that_lists_nobody_of_the_account_blocks() -> None:
    assert told(of(key(allow(STRANGER), but(OWNER))).external)[1:] == ("low", "blocked", "explicit_deny")


def test_own_account_nobody_read_and_listed_in_a_notprincipal_deny_is_possible() -> None:
    unread = account(MEMBER, collected=False)
    assert told(of(key(allow(MEMBER), but(MEMBER, ROLE, OWNER)), unread).external)[2] == "possible"


def test_stranger_role_spared_by_name_and_account_can_use_the_key() -> None:
    """Whether it has a boundary is its administrator's choice (R2.16, R3.30)."""
    assert told(of(key(allow(THEIRS), but(THEIRS, STRANGER))).external)[2] == "confirmed"


# -- who passes a `*` -------------------------------------------------------------------------------------------------

ONLY_OURS = {"StringNotEquals": {"aws:PrincipalOrgID": ORG}}


@pytest.mark.parametrize("where", ["key policy", "rcp"])
def test_everybody_but_strangers_is_the_organization_and_the_public_is_blocked(where: str) -> None:
    fence = deny("*", "kms:*", when=ONLY_OURS)
    rcps = organization(rcps={ROOT: [policy(fence)]} if where == "rcp" else {})
    used = key(allow("*"), fence) if where == "key policy" else key(allow("*"))
    result = of(used, rcps, ANN)
    reason = "rcp_deny" if where == "rcp" else "explicit_deny"
    assert sorted(told(f) for f in result.of(Kind.EXTERNAL_ACCESS)) == [
        ("*", "low", "blocked", reason),
        (ORG, "low", "confirmed", "both_sides_allow"),
    ]
    public = next(f for f in result.findings if f.grantee.kind == "any")
    assert public.reach.principals_sample == ()


def test_the_organization_named_twice_is_one_finding() -> None:
    named = allow("*", "kms:DescribeKey", when={"StringEquals": {"aws:PrincipalOrgID": ORG}})
    result = of(key(allow("*"), named, deny("*", "kms:*", when=ONLY_OURS)), ANN)
    ours = next(f for f in result.of(Kind.EXTERNAL_ACCESS) if f.grantee.selector == ORG)
    assert {a for c in ours.capabilities for a in c.actions} == {"kms:Decrypt", "kms:DescribeKey"}
    assert len(ours.mechanism.statements) == 2


# -- selectors behind fences ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "selector"),
    [
        ({"ArnLike": {"aws:PrincipalArn": f"arn:*:iam::{STRANGER}:role/App"}}, iam(STRANGER, "root")),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:*::{STRANGER}:*"}}, iam(STRANGER, "root")),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{STRANGER}:role/*"}}, iam(STRANGER, "root")),
        ({"ArnEquals": {"aws:PrincipalArn": THEIRS}}, THEIRS),
        ({"StringLike": {"aws:PrincipalArn": f"arn*{STRANGER}*"}}, "*"),
        ({"StringLike": {"aws:PrincipalArn": "arn:aws:iam::9999*:role/App"}}, "*"),
        ({"ArnLike": {"aws:PrincipalArn": "${aws:PrincipalArn}"}}, "*"),
        ({"StringEqualsIgnoreCase": {"aws:PrincipalArn": THEIRS.upper()}}, "*"),
        ({"StringEqualsIgnoreCase": {"aws:PrincipalOrgID": ORG.upper()}}, ORG),
        ({"StringEquals": {"aws:PrincipalOrgPaths": f"{ORG}/r-root/"}}, "*"),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORG}/*"}}, ORG),
    ],
)
def test_fence_narrows_everybody_only_as_far_as_it_is_written(when: dict[str, Any], selector: str) -> None:
    result = of(key(allow("*", when=when)), ANN)
    selectors = {f.grantee.selector for f in result.findings}
    assert selector in selectors
    assert ("*" in selectors) is (selector == "*")


# -- services ---------------------------------------------------------------------------------------------------------


def test_service_name_that_cannot_be_one_stops_no_other_finding() -> None:
    result = of(key(allow({"Service": "not a service"}), allow(STRANGER)))
    assert {f.kind for f in result.findings} == {Kind.EXTERNAL_ACCESS, Kind.INEFFECTIVE_PERMISSION}


@pytest.mark.parametrize(
    ("when", "party"),
    [
        ({"StringLike": {"aws:SourceAccount": "*"}}, "service_unguarded"),
        ({"StringLike": {"aws:SourceAccount": "1111*"}}, "service_unguarded"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:logs:*:*:*"}}, "service_unguarded"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}, "service_unguarded"),
        ({"StringLike": {"aws:SourceOrgID": "o-*"}}, "service_unguarded"),
        ({"StringEquals": {"aws:SourceAccount": [OWNER, STRANGER]}}, "service_unguarded"),
        ({"StringEquals": {"aws:SourceOrgID": "o-foreign00"}}, "service_unguarded"),
        ({"StringEqualsIfExists": {"aws:SourceAccount": OWNER}}, "service_unguarded"),
        ({"StringEquals": {"aws:SourceAccount": OWNER}}, "service_guarded"),
        ({"StringEquals": {"aws:SourceAccount": MEMBER}}, "service_guarded"),
        ({"StringEquals": {"aws:SourceOrgID": ORG}}, "service_guarded"),
        ({"StringEquals": {"aws:SourceAccount": "${aws:ResourceAccount}"}}, "service_guarded"),
        ({"ForAnyValue:StringLike": {"aws:SourceOrgPaths": f"{ORG}/*"}}, "service_guarded"),
        ({"ArnLike": {"aws:SourceArn": f"arn:aws:logs:*:{OWNER}:*"}}, "service_guarded"),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::our-bucket"}}, "service_guarded"),
    ],
)
def test_service_is_guarded_only_by_sources_of_ours(when: dict[str, Any], party: str) -> None:
    result = of(key(allow({"Service": "logs.amazonaws.com"}, when=when)), service_principals="all")
    assert result.external.grantee.party == party


def test_service_grant_is_guarded_only_by_a_source_of_ours() -> None:
    for source, party in ((f"arn:aws:rds:*:{OWNER}:*", "service_guarded"), ("arn:aws:rds:*:*:*", "service_unguarded")):
        held = grant("rds.amazonaws.com", constraints={"SourceArn": source})
        assert of(key(grants=(held,)), service_principals="all").external.grantee.party == party


# -- grants -----------------------------------------------------------------------------------------------------------


def test_key_policy_deny_takes_nothing_from_a_stranger_who_may_retire_a_grant() -> None:
    held = grant(THEIRS, "RetireGrant")
    assert told(of(key(deny("*", "kms:*"), grants=(held,))).external)[1:] == ("high", "confirmed", "grant_held")


@pytest.mark.parametrize(
    ("facts", "selector"),
    [({"retiring_principal": THEIRS}, THEIRS), ({"issuing_account": STRANGER}, iam(STRANGER, "root"))],
)
def test_outsider_who_may_retire_a_grant_of_ours_is_named(facts: dict[str, str], selector: str) -> None:
    inner = grant(iam(OWNER, "role/App"), "Decrypt", **facts)
    finding = of(key(grants=(inner,)), principal(iam(OWNER, "role/App"))).external
    assert (finding.grantee.selector, finding.capabilities[0].actions) == (selector, ("kms:RetireGrant",))
    assert finding.verdict == "confirmed"


def test_retiring_service_is_named() -> None:
    inner = grant(iam(OWNER, "role/App"), "Decrypt", retiring_service_principal="rds.amazonaws.com")
    finding = of(key(grants=(inner,))).external
    assert (finding.grantee.kind, finding.capabilities[0].actions) == ("service", ("kms:RetireGrant",))


def test_grant_to_a_session_whose_role_is_listed_by_no_account_still_counts() -> None:
    held = grant(iam(MEMBER, "assumed-role/aws:ec2-infrastructure/i-0123456789abcdef0"))
    assert told(of(key(grants=(held,)), ANN).external)[2:] == ("confirmed", "grant_held")


def test_grants_read_before_a_gap_count_and_the_gap_too() -> None:
    used = key(allow(ROLE), grants=(grant(THEIRS),), gaps={"grants": "1/eu-west-1/kms:ListGrants/k"})
    by_selector = {f.grantee.selector: f for f in of(used, principal(ROLE)).of(Kind.EXTERNAL_ACCESS)}
    assert told(by_selector[THEIRS])[2:] == ("confirmed", "grant_held")
    assert told(by_selector[ROLE])[2:] == ("possible", "grants_not_read")


def test_unread_tags_are_told_where_tags_raise_severity() -> None:
    rules = SeverityRules(sensitive_tags={"data": ("payments",)})
    finding = of(key(allow(STRANGER), tags=None), severity=rules).external
    assert "the tags of the key were not read" in {r.text for r in finding.severity_reasons}


def test_operation_that_nobody_knows_yet_is_possible_and_shown() -> None:
    finding = of(key(grants=(grant(THEIRS, "FromTheFuture"),))).external
    assert (finding.verdict, finding.capabilities[0].actions) == ("possible", ("kms:FromTheFuture",))


# -- ids and actions --------------------------------------------------------------------------------------------------

GONE = "AROADELETED0000001"


def test_id_of_a_deleted_role_may_belong_to_an_account_nobody_read() -> None:
    unread = account(MEMBER, collected=False)
    assert told(of(key(allow(GONE)), unread, MANAGER_READ).external)[2] == "possible"
    assert told(of(key(allow(GONE)), ANN, MANAGER_READ).ineffective)[3] == "principal_deleted"


def test_id_of_a_role_of_ours_is_ours() -> None:
    holder = principal(ROLE, FULL, unique_id=GONE)
    assert of(key(allow(GONE)), holder).external.grantee.party == "same_organization"


@pytest.mark.parametrize("written", ["kms:FromTheFuture", "kms:FromThe*"])
def test_action_that_nobody_knows_yet_is_possible_and_shown(written: str) -> None:
    finding = of(key(allow(STRANGER, written))).external
    assert (finding.verdict, finding.verdict_reasons) == ("possible", ("unknown_action",))
    assert finding.capabilities[0].actions == (written,)
    assert finding.capabilities[0].capability == "undocumented"
    assert finding.severity == "medium"


def test_actions_of_other_services_and_covered_ones_are_no_new_actions() -> None:
    assert of(key(allow(STRANGER, "s3:GetObject"))).findings == ()
    finding = of(key(allow(STRANGER, "kms:*", "kms:Decrypt", "*"))).external
    assert "undocumented" not in {c.capability for c in finding.capabilities}


# -- guardrails and state ---------------------------------------------------------------------------------------------

MANAGER_READ = account(MANAGER)


def test_scp_does_not_block_an_account_whose_service_linked_roles_nobody_read() -> None:
    unread = account(MEMBER, collected=False)
    denied = organization(scps={MEMBER: [FULL, policy(deny(None, "kms:*"))]})
    assert told(of(key(allow(MEMBER)), unread, denied).external)[2] == "possible"
    assert told(of(key(allow(ROLE)), unread, denied).external)[2:] == ("blocked", "scp_deny")


def test_rcp_blocks_a_strangers_account_and_says_whom_it_spares() -> None:
    fence = organization(rcps={ROOT: [policy(deny("*", "kms:*", when=ONLY_OURS))]})
    finding = of(key(allow(STRANGER)), fence).external
    assert told(finding)[2:] == ("blocked", "rcp_deny")
    assert "service-linked roles" in finding.summary


def test_disabled_key_with_an_open_and_a_conditional_allow_is_not_usable_now() -> None:
    """What is sure in some requests does not work either while the key is disabled (R9.1)."""
    via = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    unsure = {"StringEquals": {"aws:ResourceTag/a": "b"}}
    used = key(allow(ROLE, when=via), allow(ROLE, when=unsure), state="Disabled")
    assert told(of(used, principal(ROLE, FULL)).external)[2:] == ("possible", "unsupported_condition_key")


# -- severity ---------------------------------------------------------------------------------------------------------


def test_condition_that_a_stranger_chooses_counts_where_ours_could_not() -> None:
    tagged = allow("*", when={"StringEquals": {"aws:PrincipalTag/team": "blue"}})
    trust = policy(allow("*", "sts:AssumeRole", "sts:TagSession"))
    assert told(of(key(tagged), principal(ROLE, FULL, trust=trust)).external)[1:3] == ("critical", "conditional")


@pytest.mark.parametrize(
    ("when", "severity"),
    [
        ({"Bool": {"kms:GrantIsForAWSResource": "true"}}, "low"),
        ({"ForAllValues:Bool": {"kms:GrantIsForAWSResource": "true"}}, "high"),
        ({"BoolIfExists": {"kms:GrantIsForAWSResource": "true"}}, "high"),
    ],
)
def test_fence_on_grants_counts_only_where_a_missing_value_fails_it(when: dict[str, Any], severity: str) -> None:
    assert of(key(allow(STRANGER, "kms:CreateGrant", when=when))).external.severity == severity


def test_root_user_denied_by_an_scp_is_told_as_the_scp() -> None:
    denied = organization(scps={MEMBER: [FULL, policy(deny(None, "kms:*"))]})
    silent = principal(ROLE)
    assert told(of(key(allow(MEMBER)), silent, denied).external)[2:] == ("blocked", "scp_deny")


# -- services behind `*` ----------------------------------------------------------------------------------------------

LOGS = "logs.amazonaws.com"
ANY_SERVICE = "any AWS service"
BY_SERVICE = {"Bool": {"aws:PrincipalIsAWSService": "true"}}


def by_selector(result: Analyzed, selector: str) -> dict[str, str]:
    """Verdict by action of the external access of one selector."""
    finding = next(f for f in result.of(Kind.EXTERNAL_ACCESS) if f.grantee.selector == selector)
    return {a: c.verdict.value for c in finding.capabilities for a in c.actions}


def test_services_are_told_action_by_action() -> None:
    both = of(key(allow("*", "kms:DescribeKey"), allow("*", when=BY_SERVICE)))
    assert by_selector(both, ANY_SERVICE) == {"kms:Decrypt": "confirmed"}
    assert both.of(Kind.INEFFECTIVE_PERMISSION) == []
    admin = of(key(allow("*", "kms:DescribeKey", "kms:PutKeyPolicy")))
    assert by_selector(admin, ANY_SERVICE) == {"kms:PutKeyPolicy": "confirmed"}
    fenced = deny("*", when={"Bool": {"aws:PrincipalIsAWSService": "false"}})
    assert by_selector(of(key(allow("*"), allow("*", "kms:DescribeKey"), fenced)), ANY_SERVICE) == {
        "kms:Decrypt": "confirmed"
    }


@pytest.mark.parametrize(
    "statements",
    [
        (allow("*", when={"StringEquals": {"aws:PrincipalServiceName": LOGS}}),),
        (allow("*"), deny("*", "kms:*", when={"StringNotEquals": {"aws:PrincipalServiceName": LOGS}})),
        (allow("*"), deny(None, "kms:*", NotPrincipal={"Service": LOGS, "AWS": [iam(OWNER, "root")]})),
    ],
)
def test_service_of_some_name_passes_where_one_name_is_asked_for(statements: tuple[dict[str, Any], ...]) -> None:
    result = of(key(*statements))
    assert by_selector(result, ANY_SERVICE) == {"kms:Decrypt": "conditional"}
    finding = next(f for f in result.findings if f.grantee.selector == ANY_SERVICE)
    assert finding.capabilities[0].condition == f"aws:PrincipalServiceName = {LOGS}"


def test_service_guarded_by_text_with_a_wildcard_before_the_account_is_not() -> None:
    when = {"StringLike": {"aws:SourceArn": f"arn:aws:logs:*:{OWNER}:*"}}
    assert of(key(allow({"Service": LOGS}, when=when))).external.grantee.party == "service_unguarded"


def test_statement_that_works_for_someone_behind_it_is_not_without_effect() -> None:
    own = allow("*", when={"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}, Sid="A")
    result = of(key(own, allow("*", when=BY_SERVICE, Sid="B")), ANN)
    assert result.of(Kind.INEFFECTIVE_PERMISSION) == []
    others = allow("*", when={"StringNotEquals": {"aws:PrincipalOrgID": ORG}}, Sid="C")
    fenced = deny("*", "kms:DescribeKey", when=ONLY_OURS)
    assert of(key(others, allow("*", "kms:DescribeKey"), fenced), ANN).of(Kind.INEFFECTIVE_PERMISSION) == []


# -- organizations ----------------------------------------------------------------------------------------------------


def test_account_of_ours_whose_organization_was_not_read_may_be_behind_its_fence() -> None:
    theirs = account("555566667777", collected=False, organization_unknown=True)
    fence = allow("*", when={"StringEquals": {"aws:PrincipalOrgID": "o-eu00000001"}})
    narrowed = deny("*", "kms:*", when={"StringNotEquals": {"aws:PrincipalAccount": [OWNER, "555566667777"]}})
    assert told(of(key(fence, narrowed), theirs).external)[2] == "possible"


def test_organization_id_that_cannot_exist_lets_nobody_through() -> None:
    for written in (ORG.upper(), "r-root", STRANGER):
        result = of(key(allow("*", when={"StringEquals": {"aws:PrincipalOrgID": written}})))
        assert told(result.ineffective)[2:] == ("ineffective", "no_kms_principal")
        assert result.of(Kind.EXTERNAL_ACCESS) == []


# -- what is not proven ----------------------------------------------------------------------------------------------


def test_encryption_context_of_a_grant_binds_symmetric_keys_only() -> None:
    held = grant(THEIRS, constraints={"EncryptionContextSubset": {"a": "b"}})
    assert told(of(key(grants=(held,), spec="RSA_2048")).external)[2:] == ("confirmed", "grant_held")


def test_grant_to_a_session_of_a_role_that_is_gone_is_stale() -> None:
    gone = grant(iam(MEMBER, "assumed-role/Gone/x"))
    result = of(key(grants=(gone,)), principal(ROLE, FULL))
    assert "stale_grant" in {reason for f in result.of(Kind.KEY_HYGIENE) for reason in f.verdict_reasons}
    assert result.about_keys == ()


@pytest.mark.parametrize("broken", [{"Organization": "o-x"}, "nonsense"])
def test_damaged_policy_of_a_resource_share_makes_the_key_opaque(broken: object) -> None:
    document = ram({"Effect": "Allow", "Principal": broken, "Action": "kms:Decrypt", "Resource": "*"})
    result = of(key(ram_policy=document))
    assert result.result.opaque_keys == (KEY,)
    assert (result.keys[0].policy_read, result.keys[0].ram_read) == ("read", "malformed")


def test_allow_whose_window_opens_later_is_blocked_today_and_not_without_effect() -> None:
    later = {"DateGreaterThan": {"aws:CurrentTime": "2026-11-23T00:00:00Z"}}
    result = of(key(allow(STRANGER, when=later)))
    assert result.of(Kind.INEFFECTIVE_PERMISSION) == []
    finding = result.external
    assert told(finding)[1:] == ("low", "blocked", "not_yet")
    assert "2026-11-23" in finding.summary
    over = {"DateLessThan": {"aws:CurrentTime": "2026-11-21T00:00:00Z"}}
    assert told(of(key(allow(STRANGER, when=over))).ineffective)[3] == "unsatisfiable_condition"


def test_session_of_a_role_whose_path_is_open_is_of_a_role_of_that_name() -> None:
    other = deny("*", "kms:*", when={"ArnNotEquals": {"aws:PrincipalArn": iam(STRANGER, "role/OtherApp")}})
    assert told(of(key(allow(iam(STRANGER, "assumed-role/App/x")), other)).external)[2] == "blocked"


# -- federated users (R3.13, R3.73) -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statements",
    [
        (allow(MEMBER, when={"StringEquals": {"aws:PrincipalType": "FederatedUser"}}),),
        (allow("*", when={"ArnLike": {"aws:PrincipalArn": iam(MEMBER, "federated-user/*")}}),),
        (allow(MEMBER), deny("*", "kms:*", when={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{MEMBER}:*"}})),
        (allow(iam(MEMBER, "user/Ann"), when={"StringEquals": {"aws:PrincipalTag/t": "x"}}),),
    ],
)
def test_federated_sessions_of_users_who_may_use_the_key_are_possible(statements: tuple[dict[str, Any], ...]) -> None:
    assert told(of(key(*statements), ANN).external)[2] == "possible"


def test_federated_sessions_of_users_without_permission_are_nobody() -> None:
    only = allow(MEMBER, when={"StringEquals": {"aws:PrincipalType": "FederatedUser"}})
    assert told(of(key(only), principal(iam(MEMBER, "user/Ann"))).external)[2:] == ("blocked", "no_identity_policy")
