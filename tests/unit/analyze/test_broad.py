"""Identity statements that cover keys of every account: what they complete and who holds them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.logic.residual import TooComplexError
from scanner.analyze.permissions import broad, statement_actions
from scanner.analyze.permissions.stand_ins import any_keys_of
from scanner.analyze.principals.classes import Classes
from scanner.analyze.request.caller import resolve_caller
from scanner.model.arn import AccountId
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalFacts

from builders import (
    FULL,
    KEY,
    MEMBER,
    ORG,
    OU,
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
    text,
    world,
)

APP, JOB = iam(MEMBER, "role/App"), iam(MEMBER, "role/Job")
THEIRS = allow(iam(MEMBER, "root"), "kms:*")
VIA = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
DECRYPT = policy(allow())
NO_KMS = policy(allow(None, "s3:*"))
OF_A_REGION = policy(allow(None, "s3:*", when={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}))


def every(*things: Any, **parts: Any) -> list[Finding]:
    """The findings about broad permissions."""
    rules = {n: parts.pop(n) for n in ("by_class",) if n in parts}
    return analyzed(world(*things, **parts), **rules).of(Kind.BROAD_KEY_PERMISSION)


def one(*things: Any, **parts: Any) -> Finding:
    """The one there is."""
    (only,) = every(*things, **parts)
    return only


def told(finding: Finding) -> tuple[str, str, tuple[str, ...]]:
    """Severity, verdict, reasons."""
    return finding.severity.value, finding.verdict.value, finding.verdict_reasons


def managed(arn: str, document: dict[str, Any], policy_arn: str) -> PrincipalFacts:
    """A role with one attached policy."""
    name = f"managed policy {policy_arn.rsplit('/', 1)[-1]}"
    return replace(principal(arn), identity_policies=(text(document, DocumentKind.IDENTITY, policy_arn, name),))


# -- what a statement completes ---------------------------------------------------------------------------------------


def test_wildcard_that_completes_access_to_a_foreign_key_is_medium_and_confirmed() -> None:
    finding = one(key(THEIRS), principal(APP, DECRYPT))
    assert told(finding) == ("medium", "confirmed", ("both_sides_allow",))
    assert ([k.arn for k in finding.keys], finding.keys_total) == ([KEY], 1)
    assert finding.title == (
        f"A role of one of our accounts ({MEMBER}), App, can decrypt data with 1 key of other accounts, by a wildcard "
        "in inline policy 0"
    )
    assert (finding.resource.kind, finding.resource.arn, finding.resource.account_id) == ("role", APP, MEMBER)
    assert {h.label for h in finding.evidence[0].highlights} == {"allows the action", "on these keys"}
    assert (finding.remediation.kind, finding.grantee.party) == ("add_condition", "own_account")


def test_condition_of_the_key_makes_it_conditional_and_takes_no_step() -> None:
    finding = one(key(allow(iam(MEMBER, "root"), when=VIA)), principal(APP, DECRYPT))
    assert told(finding) == ("medium", "conditional", ("residual_condition",))


def test_condition_of_the_statement_is_listed() -> None:
    finding = one(key(THEIRS), principal(APP, policy(allow(when=VIA))))
    assert [(c.key, c.status, c.side) for c in finding.conditions] == [("kms:ViaService", "residual", "caller")]
    assert finding.verdict.value == "conditional"


def test_reading_metadata_of_a_foreign_key_is_info() -> None:
    finding = one(key(THEIRS), principal(APP, policy(allow(None, "kms:DescribeKey"))))
    assert told(finding) == ("info", "confirmed", ("both_sides_allow",))


def test_encrypting_with_a_foreign_key_is_medium_and_the_rest_of_the_statement_weaker() -> None:
    wide = policy(allow(None, "kms:Enc*", "kms:Des*"))
    finding = one(key(allow(iam(MEMBER, "root"), "kms:Encrypt", "kms:Encapsulate")), principal(APP, wide))
    assert [(c.capability, c.verdict.value, c.severity.value) for c in finding.capabilities] == [
        ("encrypt", "confirmed", "medium"), ("encrypt", "possible", "info"), ("metadata", "possible", "info"),
    ]  # fmt: skip


def test_region_lock_of_others_does_not_block_the_regions_that_are_left() -> None:
    lock = policy(allow(None, "*"), deny(None, "*", when={"StringNotEquals": {"aws:RequestedRegion": "eu-south-2"}}))
    assert one(principal(APP, DECRYPT), organization(scps={OU: [lock]})).verdict.value == "possible"


def test_statement_beside_one_that_names_the_key_completes_nothing() -> None:
    named = policy(allow(None, "kms:Decrypt", Resource=KEY), allow())
    assert told(one(key(THEIRS), principal(APP, named))) == ("low", "possible", ("no_foreign_key_seen",))


def test_statement_beside_a_conditional_one_that_names_the_key_completes_more() -> None:
    named = policy(allow(None, "kms:Decrypt", Resource=KEY, when=VIA), allow())
    assert one(key(THEIRS), principal(APP, named)).severity.value == "medium"


def test_grant_needs_no_statement_of_ours() -> None:
    assert one(key(grants=(grant(APP),)), principal(APP, DECRYPT)).severity.value == "low"


def test_strongest_of_several_keys_leads() -> None:
    second = key(allow(iam(MEMBER, "root"), when=VIA), arn=KEY[:-1] + "c")
    finding = one(second, key(THEIRS), principal(APP, DECRYPT), principal(JOB, DECRYPT))
    assert (finding.verdict.value, finding.keys_total, finding.reach.principals_total) == ("confirmed", 2, 2)


# -- nothing foreign reached ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actions", "severity"),
    [(["kms:Decrypt"], "low"), (["kms:CreateGrant"], "low"), (["kms:PutKeyPolicy"], "low"), (["kms:Sign"], "low"),
     (["kms:Encrypt"], "info"), (["kms:DescribeKey"], "info"), (["kms:*"], "low"), (["kms:SomethingNew"], "info")],
)  # fmt: skip
def test_strong_capabilities_on_every_key_are_low_and_weaker_ones_info(actions: list[str], severity: str) -> None:
    finding = one(principal(APP, policy(allow(None, *actions))))
    assert (finding.severity.value, finding.verdict.value, finding.keys_total) == (severity, "possible", 0)
    assert finding.summary.endswith("no key of another account that was read is reached.")


@pytest.mark.parametrize(
    "resource",
    [
        "*",
        "arn:aws:kms:*:*:key/*",
        "arn:aws:kms:eu-west-1:*:*",
        "arn:aws:kms:*",
        "arn:*:*:*:*:*",
        "arn:aws:kms:*:*:key/mrk-*",
        "arn:aws:kms:*mrk-*",
    ],
)
def test_resources_that_fit_keys_of_any_account_are_broad(resource: str) -> None:
    assert one(principal(APP, policy(allow(None, Resource=resource)))).severity.value == "low"


def test_everything_but_some_resources_is_broad() -> None:
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "NotResource": KEY}
    finding = one(principal(APP, policy(statement)))
    assert "on all but these" in {h.label for h in finding.evidence[0].highlights}


@pytest.mark.parametrize(
    "statement",
    [
        allow(None, Resource=KEY),
        allow(None, Resource=f"arn:aws:kms:*:{OWNER}:key/*"),
        allow(None, Resource="arn:aws:kms:*:${aws:PrincipalAccount}:key/*"),
        allow(None, Resource="arn:aws:kms:*:*:alias/*"),
        allow(None, Resource="arn:aws:s3:::*"),
        allow(None, Resource="nonsense"),
        allow(None, "kms:ListKeys", "kms:GenerateRandom"),
        allow(None, "s3:*"),
        deny(None, "kms:*"),
        allow(None, when={"StringEquals": {"aws:ResourceAccount": [MEMBER]}}),
        allow(None, when={"StringEquals": {"aws:ResourceOrgID": ORG}}),
        allow(None, "kms:PutKeyPolicy", when={"StringEquals": {"aws:ResourceAccount": MEMBER}}),
    ],
)
def test_statement_about_keys_that_are_meant_is_no_finding(statement: dict[str, Any]) -> None:
    assert every(principal(APP, policy(statement))) == []


def test_fenced_statement_that_completes_access_all_the_same_is_told() -> None:
    fenced = policy(allow(None, when={"StringEquals": {"aws:ResourceAccount": OWNER}}))
    assert one(key(THEIRS), principal(APP, fenced)).severity.value == "medium"


def test_boundary_blocks_and_nobody_is_reached() -> None:
    finding = one(principal(APP, policy(allow(None, "kms:*")), boundary=policy(allow(None, "s3:*"))))
    assert told(finding) == ("info", "blocked", ("boundary",))
    assert finding.reach.principals_total == 0
    assert "could, were it not blocked today," in finding.title


def test_service_control_policy_blocks() -> None:
    scps = {OU: [policy(allow(None, "*"), deny(None, "kms:Decrypt"))]}
    assert told(one(principal(APP, DECRYPT), organization(scps=scps))) == ("info", "blocked", ("scp_deny",))


def test_one_holder_without_a_boundary_is_enough() -> None:
    finding = one(principal(APP, DECRYPT, boundary=policy(allow(None, "s3:*"))), principal(JOB, DECRYPT))
    assert (finding.verdict.value, finding.reach.principals_total) == ("possible", 2)


def test_more_blocked_holders_than_are_asked_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broad, "MOST_HOLDERS", 1)
    limit = policy(allow(None, "s3:*"))
    finding = one(principal(APP, DECRYPT, boundary=limit), principal(JOB, DECRYPT, boundary=limit), by_class=False)
    assert told(finding) == ("low", "possible", ("too_complex",))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (principal(JOB, DECRYPT, boundary=NO_KMS), "boundary"),
        (principal(JOB, DECRYPT, boundary=policy(allow(None, "ec2:*"))), "too_complex"),
        (principal(JOB, DECRYPT, OF_A_REGION, boundary=NO_KMS), "too_complex"),
        (principal(iam(OWNER, "role/Job"), DECRYPT, boundary=NO_KMS), "too_complex"),
    ],
    ids=["nothing", "boundary", "Regions told apart", "account"],
)
def test_holders_who_differ_in_one_point_are_asked_apart(
    other: PrincipalFacts, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broad, "MOST_HOLDERS", 1)
    assert one(principal(APP, DECRYPT, boundary=NO_KMS), other).verdict_reasons == (reason,)


@pytest.mark.parametrize(("mine", "other"), [(OWNER, MEMBER), (MEMBER, OWNER)])
def test_keys_of_the_own_account_stand_for_a_pattern_only_for_those_in_it(mine: str, other: str) -> None:
    some = policy(allow(None, "kms:Decrypt", Resource=f"arn:aws:kms:eu-west-1:{mine[:4]}*:key/*"))
    limit = policy(allow(None, "*", when={"StringEquals": {"aws:ResourceAccount": mine}}))
    away = principal(iam(other, "role/App"), some, boundary=limit)
    assert one(away).verdict.value == "blocked"
    assert one(away, principal(iam(mine, "role/App"), some, boundary=limit)).verdict.value == "possible"


def test_patterns_have_strangers_of_their_own() -> None:
    both = policy(allow(None, "kms:Decrypt", Resource=[f"arn:aws:kms:eu-west-1:{n}*:key/*" for n in ("98", "97")]))
    limit = policy(allow(None, "*", when={"StringLike": {"aws:ResourceAccount": "98*"}}))
    assert one(principal(APP, both, boundary=limit)).verdict.value == "possible"


@pytest.mark.parametrize(
    "scp", [deny(None, "kms:Sign"), deny(None, "kms:*", when={"StringLike": {"aws:PrincipalTag/x": "y*"}})]
)
def test_class_of_a_holder_is_the_same_at_all_stand_ins_of_an_account(scp: Any) -> None:
    given = world(principal(APP, DECRYPT), organization(scps={OU: [policy(allow(None, "*"), scp)]}))
    caller, classes = resolve_caller(given, APP), Classes(given)
    found = {classes.of(caller, stand_in) for stand_in in any_keys_of(OWNER, "aws")}
    assert len(found) == 1
    assert found != {classes.of(caller, next(any_keys_of(MEMBER, "aws")))}


def test_permission_that_conditions_never_let_through_is_no_finding() -> None:
    never = {"StringEquals": {"aws:PrincipalAccount": OWNER}}
    assert every(principal(APP, policy(allow(None, when=never)))) == []


def test_statement_whose_actions_another_one_denies_says_the_rest() -> None:
    documents = policy(allow(None, "kms:Decrypt", "kms:Sign"), deny(None, "kms:Sign"))
    finding = one(principal(APP, documents))
    assert [(c.capability, c.verdict.value) for c in finding.capabilities] == [
        ("decrypt", "possible"),
        ("sign", "blocked"),
    ]


# -- gaps -------------------------------------------------------------------------------------------------------------


def test_unread_scps_are_said() -> None:
    finding = one(principal(APP, DECRYPT), replace(organization(), scps=None))
    assert finding.verdict_reasons == ("guardrail_not_read",)


def test_unread_part_of_the_holder_is_said() -> None:
    finding = one(principal(APP, DECRYPT, complete=False, gap="row"))
    assert finding.verdict_reasons == ("caller_side_not_collected",)


def test_damaged_statement_is_possible() -> None:
    finding = one(principal(APP, policy(allow(Effect="Perhaps"))))
    assert told(finding) == ("low", "possible", ("malformed",))


# -- administrators, policies of AWS, organization-wide roles ---------------------------------------------------------


@pytest.mark.parametrize(
    "document", [FULL, policy(allow(None, "*:*")), policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})]
)
def test_administrators_are_info_also_where_they_reach_a_foreign_key(document: dict[str, Any]) -> None:
    finding = one(key(THEIRS), principal(APP, document))
    assert (finding.severity.value, finding.verdict.value, finding.keys_total) == ("info", "confirmed", 1)
    assert finding.severity_reasons[0].text == "a statement of administrators"


def test_everything_but_some_kms_actions_is_no_administrator() -> None:
    finding = one(principal(APP, policy({"Effect": "Allow", "NotAction": "kms:Delete*", "Resource": "*"})))
    assert finding.severity.value == "low"
    assert "all but" in finding.summary


def test_policy_of_aws_is_one_finding_over_statements_principals_and_accounts() -> None:
    arn = "arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser"
    document = policy(allow(None, "kms:TagResource"), allow(None, "kms:Decrypt"), allow(None, "s3:*"))
    finding = one(*(managed(iam(a, "role/App"), document, arn) for a in (OWNER, MEMBER)))
    assert (finding.severity.value, finding.resource.kind, finding.resource.arn) == ("info", "policy", arn)
    assert (finding.reach.principals_total, finding.reach.accounts) == (2, (OWNER, MEMBER))
    assert (finding.resource.account_id, finding.resource.account_name) == ("", "")
    assert finding.summary.startswith(
        "2 statements allow kms:TagResource on keys of every account; held by 2 principals in 2 accounts"
    )
    assert finding.remediation.kind == "none"


def test_policy_of_the_same_name_and_text_is_one_finding_over_accounts() -> None:
    roles = [managed(iam(a, "role/App"), DECRYPT, f"arn:aws:iam::{a}:policy/team/Share") for a in (OWNER, MEMBER)]
    finding = one(*roles)
    assert (finding.resource.arn, finding.resource.account_id) == ("arn:aws:iam::*:policy/team/Share", "")
    assert finding.title.startswith("2 users and roles of 2 accounts may be able to")


def test_policy_of_one_account_keeps_its_arn() -> None:
    finding = one(
        managed(APP, DECRYPT, f"arn:aws:iam::{MEMBER}:policy/Share"), accounts=(account(MEMBER, name="lake"),)
    )
    assert (finding.resource.kind, finding.resource.name, finding.resource.account_name) == ("policy", "Share", "lake")


def test_policies_of_the_same_name_and_different_text_are_findings_of_their_own() -> None:
    roles = [
        managed(iam(a, f"role/{n}"), policy(allow(None, action)), f"arn:aws:iam::{a}:policy/Share")
        for a in (OWNER, MEMBER) for n, action in (("A", "kms:Decrypt"), ("B", "kms:Sign"))
    ]  # fmt: skip
    found = every(*roles)
    assert len({f.id for f in found}) == 2


def test_inline_policies_of_the_same_name_and_text_are_one_finding() -> None:
    user = iam(MEMBER, "user/Ann")
    assert one(principal(APP, DECRYPT), principal(JOB, DECRYPT)).resource.arn == f"arn:aws:iam::{MEMBER}:role/*"
    assert one(principal(APP, DECRYPT), principal(user, DECRYPT)).resource.arn == f"arn:aws:iam::{MEMBER}:*/*"


def test_role_that_every_account_has_is_one_finding_whatever_its_text() -> None:
    roles = [
        principal(
            iam(a, f"role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Dev_{s * 16}"), policy(allow(None, *actions))
        )
        for a, s, actions in ((OWNER, "0", ["kms:Decrypt"]), (MEMBER, "a", ["kms:Decrypt", "kms:Sign"]))
    ]
    finding = one(*roles)
    assert finding.resource.arn == "arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Dev_*"
    assert finding.reach.principals_total == 2
    assert {c.capability for c in finding.capabilities} == {"decrypt", "sign"}


def test_attached_policy_of_a_role_that_every_account_has_counts_by_its_text() -> None:
    role = iam(MEMBER, "role/OrganizationAccountAccessRole")
    finding = one(managed(role, DECRYPT, f"arn:aws:iam::{MEMBER}:policy/Share"))
    assert finding.resource.arn == f"arn:aws:iam::{MEMBER}:policy/Share"


def test_group_policy_is_told_with_the_group() -> None:
    group = f"arn:aws:iam::{MEMBER}:group/Readers"
    inline = text(DECRYPT, DocumentKind.IDENTITY, group, "inline policy read of group Readers")
    finding = one(replace(principal(iam(MEMBER, "user/Ann")), identity_policies=(inline,)))
    assert (finding.resource.kind, finding.resource.arn) == ("group", group)


def test_source_that_is_no_arn_is_told_as_it_is() -> None:
    odd = text(DECRYPT, DocumentKind.IDENTITY, "somewhere", "inline policy 0")
    finding = one(replace(principal(APP), identity_policies=(odd,)))
    assert (finding.resource.kind, finding.resource.arn) == ("policy", "somewhere")


def test_every_statement_is_a_finding_with_a_stable_id() -> None:
    first, second = allow(None, "kms:Decrypt", Sid="a"), allow(None, "kms:Sign", Sid="b")
    forward, backward = (every(principal(APP, policy(*order))) for order in ((first, second), (second, first)))
    assert len(forward) == 2
    assert {f.id for f in forward} == {f.id for f in backward}


def test_partition_of_its_own_is_judged_in_its_own_region() -> None:
    role = iam(MEMBER, "role/App").replace("arn:aws:", "arn:aws-us-gov:")
    assert one(principal(role, DECRYPT)).verdict is FindingVerdict.POSSIBLE


def test_text_shared_by_many_principals_is_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    weigh = broad.weigh_own_side
    monkeypatch.setattr(broad, "weigh_own_side", lambda *a: asked.append(a) or weigh(*a))
    every(*(principal(iam(MEMBER, f"role/App{n}"), DECRYPT) for n in range(50)))
    assert len(asked) == 1


def test_stranger_is_an_account_that_nothing_mentions() -> None:
    nobody = account("999999999999")
    assert one(principal(APP, DECRYPT), nobody, accounts=(account(STRANGER),)).severity.value == "low"


def test_conditions_beyond_the_bounds_count_as_broad(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bool:
        raise TooComplexError

    monkeypatch.setattr(broad, "is_possible", refuse)
    assert one(principal(APP, DECRYPT)).severity.value == "low"


def test_what_is_sure_beside_a_damaged_statement_is_told_under_its_condition() -> None:
    damaged = allow(None, Resource=f"arn:aws:kms:*:{MEMBER}:key/*", Condition={"Nonsense": {"a": "b"}})
    finding = one(principal(APP, policy(allow(when=VIA), damaged)))
    assert (finding.verdict_reasons, "kms:ViaService" in finding.capabilities[0].condition) == (
        ("no_foreign_key_seen",),
        True,
    )


def test_same_access_of_two_holders_counts_once() -> None:
    named = policy(allow(None, Resource=KEY, when=VIA))
    finding = one(key(THEIRS), principal(APP, DECRYPT), principal(JOB, DECRYPT, named))
    assert (finding.verdict.value, finding.keys_total, finding.reach.principals_total) == ("confirmed", 1, 2)


def test_weaker_access_to_a_second_key_does_not_replace_the_stronger_one() -> None:
    second = key(allow(iam(MEMBER, "root"), when=VIA), arn=KEY[:-1] + "f")
    twice = policy(allow(Sid="a"), allow(Sid="b"))
    for finding in every(key(THEIRS), second, principal(APP, twice)):
        assert (finding.verdict.value, finding.keys_total) == ("confirmed", 2)


def test_rest_of_a_fenced_statement_that_no_key_of_the_holder_meets_is_left_out() -> None:
    fenced = policy(allow(None, "kms:Decrypt", "kms:Sign", when={"StringEquals": {"aws:ResourceAccount": OWNER}}))
    assert [c.capability for c in one(key(THEIRS), principal(APP, fenced)).capabilities] == ["decrypt"]


def test_actions_of_many_texts_are_forgotten_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement_actions, "_MOST_FOUND", 1)
    wide = policy(allow(None, "kms:Decrypt", Sid="x1"), allow(None, "kms:Sign", Sid="x2"))
    assert len(every(principal(APP, wide))) == 2


def test_region_of_a_statement_is_asked_for_in_that_region() -> None:
    documents = policy(allow(None, Resource=["arn:aws:kms:eu-west-1:*:key/*", "arn:aws:kms:us-east-1:*:key/*"]))
    lock = policy(allow(None, "*"), deny(None, "*", when={"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}}))
    assert one(principal(APP, documents), organization(scps={OU: [lock]})).verdict.value == "possible"
    assert one(principal(APP, documents, boundary=policy(allow(None, "s3:*")))).verdict.value == "blocked"


def test_account_without_organization_has_no_guardrails_to_look_at() -> None:
    alone = replace(organization(), members={})
    assert one(principal(APP, DECRYPT, boundary=policy(allow(None, "s3:*"))), alone).verdict.value == "blocked"


# -- accounts that are open in part -----------------------------------------------------------------------------------


@pytest.mark.parametrize("account_part", ["9*", "99998888777?", "*7", "9*8*7"])
def test_account_that_is_open_in_part_covers_keys_of_accounts_that_nobody_meant(account_part: str) -> None:
    finding = one(principal(APP, policy(allow(Resource=f"arn:aws:kms:*:{account_part}:key/*"))))
    assert told(finding) == ("low", "possible", ("no_foreign_key_seen",))
    assert f"on keys of accounts {account_part};" in finding.summary
    assert f" any key of accounts {account_part}, by a wildcard" in finding.title


def test_collected_key_of_an_account_that_fits_is_completed() -> None:
    finding = one(key(THEIRS), principal(APP, policy(allow(Resource="arn:aws:kms:eu-west-1:1111*:key/*"))))
    assert (told(finding)[:2], [k.arn for k in finding.keys]) == (("medium", "confirmed"), [KEY])


def test_collected_key_of_an_account_that_does_not_fit_is_not() -> None:
    finding = one(key(THEIRS), principal(APP, policy(allow(Resource="arn:aws:kms:eu-west-1:9*:key/*"))))
    assert (told(finding)[:2], finding.keys) == (("low", "possible"), ())


def test_account_that_fits_the_holder_too_is_asked_about_its_own_keys() -> None:
    managing = policy(allow(None, "kms:PutKeyPolicy", Resource="arn:aws:kms:*:4*:key/*"))
    assert told(one(principal(APP, managing)))[:2] == ("low", "possible")


def test_action_that_works_in_the_own_account_alone_does_nothing_with_keys_of_others() -> None:
    assert every(principal(APP, policy(allow(None, "kms:PutKeyPolicy", Resource="arn:aws:kms:*:9*:key/*")))) == []


@pytest.mark.parametrize("account_part", ["12?", "9999888877771?*", "a*", "?*?9999888877771"])
def test_pattern_that_fits_no_account_covers_nothing(account_part: str) -> None:
    assert every(principal(APP, policy(allow(Resource=f"arn:aws:kms:*:{account_part}:key/*")))) == []


def test_pattern_of_which_every_account_is_known_covers_no_stranger() -> None:
    ours = [account(f"{STRANGER[:-1]}{n}") for n in range(10)]
    holder = principal(APP, policy(allow(Resource=f"arn:aws:kms:*:{STRANGER[:-1]}?:key/*")))
    assert every(holder, accounts=ours) == []


def test_pattern_of_which_every_account_is_a_member_covers_no_stranger() -> None:
    members = {AccountId(a): (ROOT, OU) for a in (OWNER, MEMBER, *(f"{STRANGER[:-1]}{n}" for n in range(10)))}
    holder = principal(APP, policy(allow(Resource=f"arn:aws:kms:*:{STRANGER[:-1]}?:key/*")))
    assert every(holder, organization(members=members)) == []


def test_fence_on_one_account_of_those_that_fit_names_it() -> None:
    fence = {"StringEquals": {"aws:ResourceAccount": STRANGER}}
    holder = principal(APP, policy(allow(when=fence, Resource="arn:aws:kms:*:9*:key/*")))
    found = analyzed(world(holder))
    assert [f.resource.account_id for f in found.of(Kind.FOREIGN_KEY_USE)] == [STRANGER]
    assert found.of(Kind.BROAD_KEY_PERMISSION) == []


def test_condition_on_a_pattern_of_accounts_is_listed() -> None:
    holder = principal(APP, policy(allow(when=VIA, Resource="arn:aws:kms:eu-west-1:9*:key/*")))
    assert [c.key for c in one(holder).conditions] == ["kms:ViaService"]
