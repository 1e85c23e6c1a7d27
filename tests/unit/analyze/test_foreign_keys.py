"""Keys of other accounts that our own policies name: verdicts, gaps, severity, classes and what is no finding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.findings import AnalysisRules, analyze
from scanner.analyze.keys.severity import SeverityRules
from scanner.analyze.principals.party import Trust
from scanner.model.arn import AccountId, KeyArn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Finding, Kind
from scanner.model.policy import DocumentKind

from builders import (
    KEY,
    MEMBER,
    ORG,
    OU,
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
    ram,
    text,
    world,
)

APP, JOB = iam(MEMBER, "role/App"), iam(MEMBER, "role/Job")
THEIRS = f"arn:aws:kms:eu-west-1:{STRANGER}:key/5e3f7a10-2b64-4c58-9d0e-7f1a6b2c3d4e"
ANY_OF_THEIRS = f"arn:aws:kms:*:{STRANGER}:key/*"
ANY_OF_OWNER = f"arn:aws:kms:*:{OWNER}:key/*"
SCP_ORG = policy(allow(None, "*"), deny(None, "kms:*", when={"StringNotEquals": {"aws:ResourceOrgID": ORG}}))


def names(resource: object, *actions: str, **parts: Any) -> dict[str, Any]:
    """An identity policy with one Allow on a resource."""
    return policy(allow(None, *(actions or ("kms:Decrypt",)), Resource=resource, **parts))


def uses(*things: Any, **parts: Any) -> list[Finding]:
    """The findings about foreign keys."""
    rules = {n: parts.pop(n) for n in ("trust", "severity", "by_class") if n in parts}
    return analyzed(world(*things, **parts), **rules).of(Kind.FOREIGN_KEY_USE)


def use(*things: Any, **parts: Any) -> Finding:
    """The one there is."""
    (only,) = uses(*things, **parts)
    return only


def told(finding: Finding) -> tuple[str, str, tuple[str, ...]]:
    """Severity, verdict, reasons."""
    return finding.severity.value, finding.verdict.value, finding.verdict_reasons


# -- keys of strangers ------------------------------------------------------------------------------------------------


def test_encrypting_with_a_key_of_an_unknown_account_is_medium_and_possible_without_a_step() -> None:
    finding = use(principal(APP, names(THEIRS, "kms:GenerateDataKey")), accounts=(account(MEMBER, name="data-lake"),))
    assert told(finding) == ("medium", "possible", ("owner_side_not_collected",))
    assert [r.effect for r in finding.severity_reasons] == ["medium", "±0"]
    assert (
        finding.title
        == f"A role of data-lake, App, may be able to encrypt data with a key of the unknown account {STRANGER}"
    )
    assert (finding.resource.kind, finding.resource.arn, finding.key, finding.keys_total) == ("key", THEIRS, None, 1)
    assert (finding.grantee.selector, finding.grantee.kind, finding.grantee.party) == (APP, "role", "own_account")
    assert finding.mechanism.kind == "identity_policy"
    (evidence,) = finding.evidence
    assert (evidence.kind, evidence.source_arn, evidence.document) == (
        "identity_policy_statement",
        APP,
        "inline policy 0",
    )
    assert {h.label for h in evidence.highlights} == {"allows the action", "on these keys"}
    assert "service control policy" in finding.remediation.text
    assert finding.reach.principals_sample == (APP,)


def test_other_capabilities_on_a_key_of_an_unknown_account_are_low() -> None:
    assert told(use(principal(APP, names(THEIRS)))) == ("low", "possible", ("owner_side_not_collected",))


def test_account_that_a_pattern_names_is_one_finding_about_the_account() -> None:
    finding = use(principal(APP, names(ANY_OF_THEIRS)))
    assert (finding.resource.kind, finding.resource.arn) == ("account", iam(STRANGER, "root"))
    assert (finding.keys, finding.keys_total, finding.verdict.value) == ((), 0, "possible")
    assert finding.title.endswith(f"keys of the unknown account {STRANGER}")
    assert finding.title.startswith("A role of one of our accounts")


@pytest.mark.parametrize(
    "resource",
    [
        f"arn:aws:kms:eu-west-1:{STRANGER}:*",
        f"arn:*:kms:eu-*:{STRANGER}:key/mrk-*",
        f"arn:aws:kms:*:{STRANGER}:k*/12?4*",
        [f"arn:aws:kms:*:{STRANGER}:key/1*", f"arn:aws:kms:*:{STRANGER}:key/2*"],
    ],
)
def test_patterns_that_fit_keys_of_a_written_account_name_it(resource: object) -> None:
    assert use(principal(APP, names(resource))).verdict.value == "possible"


def test_key_that_a_session_tag_names_may_be_any_of_the_account() -> None:
    resource = f"arn:aws:kms:*:{STRANGER}:key/${{aws:PrincipalTag/key}}"
    trust = policy(allow(iam(MEMBER, "root"), "sts:AssumeRole", "sts:TagSession"))
    assert use(principal(APP, names(resource), trust=trust)).verdict.value == "possible"


def test_fence_on_the_resource_account_names_the_account() -> None:
    finding = use(principal(APP, names("*", when={"StringEquals": {"aws:ResourceAccount": [STRANGER, "${x}"]}})))
    assert finding.resource.account_id == STRANGER


@pytest.mark.parametrize(
    "document",
    [
        names("*"),
        names("arn:aws:kms:*:*:key/*"),
        names(f"arn:aws:kms:*:{MEMBER}:key/*"),
        names(f"arn:aws:kms:eu-west-1:{STRANGER}:alias/app"),
        names(f"arn:aws:s3:::{STRANGER}"),
        names(THEIRS, "kms:PutKeyPolicy"),
        names(THEIRS, "s3:GetObject"),
        names(f"arn:aws-cn:kms:cn-north-1:{STRANGER}:key/1"),
        names(THEIRS, when={"StringEquals": {"aws:ResourceAccount": OWNER}}),
        names("*", when={"StringNotEquals": {"aws:ResourceAccount": STRANGER}}),
        policy(deny(None, "kms:*", Resource=THEIRS)),
        policy(allow(None, "kms:Decrypt", NotResource=THEIRS) | {"Resource": None}),
    ],
    ids=[
        "any",
        "any key",
        "own",
        "alias",
        "bucket",
        "not across",
        "s3",
        "partition",
        "fence",
        "no fence",
        "deny",
        "not",
    ],
)
def test_nothing_foreign_that_is_named_is_no_finding(document: dict[str, Any]) -> None:
    document["Statement"] = [{k: v for k, v in s.items() if v is not None} for s in document["Statement"]]
    assert uses(principal(APP, document)) == []


def test_scp_on_the_resource_organization_blocks_encrypting_with_a_strangers_key() -> None:
    finding = use(principal(APP, names(THEIRS, "kms:Encrypt")), organization(scps={OU: [SCP_ORG]}))
    assert told(finding) == ("low", "blocked", ("scp_deny",))
    assert finding.title == (
        f"A role of one of our accounts ({MEMBER}), App, could, were it not blocked today, encrypt data with a key of "
        f"the unknown account {STRANGER}"
    )
    assert finding.reach.principals_total == 0


def test_scp_on_the_resource_organization_blocks_every_key_of_an_account() -> None:
    assert use(principal(APP, names(ANY_OF_THEIRS)), organization(scps={OU: [SCP_ORG]})).verdict.value == "blocked"


def test_deny_of_some_keys_and_regions_does_not_block_an_account() -> None:
    some = deny(None, "kms:*", Resource=f"arn:aws:kms:*:{STRANGER}:key/1*")
    regions = deny(None, "*", when={"StringNotEquals": {"aws:RequestedRegion": ["eu-south-2"]}})
    single = deny(None, "kms:*", when={"Bool": {"kms:MultiRegion": "false"}})
    finding = use(principal(APP, names(ANY_OF_THEIRS), policy(some, regions, single)))
    assert finding.verdict.value == "possible"


def test_boundary_without_kms_blocks() -> None:
    finding = use(principal(APP, names(THEIRS), boundary=policy(allow(None, "s3:*"))))
    assert told(finding) == ("low", "blocked", ("boundary",))


def test_explicit_deny_of_our_own_blocks() -> None:
    finding = use(principal(APP, names(THEIRS), policy(deny(None, "kms:*"))))
    assert told(finding) == ("low", "blocked", ("explicit_deny",))


# -- what of our own side was not read --------------------------------------------------------------------------------


def test_unread_scps_weaken_and_are_said() -> None:
    row = LedgerRow("000011112222", "global", "organizations:ListPolicies", "SERVICE_CONTROL_POLICY", Outcome.DENIED)
    unread = replace(organization(), scps=None, scp_gap=row.ref)
    finding = use(principal(APP, names(THEIRS)), unread, coverage=(row,))
    assert finding.verdict_reasons == ("guardrail_not_read", "owner_side_not_collected")
    assert finding.coverage_refs == (row.ref,)


def test_principal_of_which_a_policy_was_not_read_is_possible_though_another_one_denies() -> None:
    row = LedgerRow(MEMBER, "global", "iam:GetPolicyVersion", "p", Outcome.DENIED)
    finding = use(principal(APP, names(THEIRS), complete=False, gap=row.ref), coverage=(row,))
    assert "caller_side_not_collected" in finding.verdict_reasons
    assert finding.coverage_refs == (row.ref,)


def test_damaged_statement_that_names_a_key_is_possible() -> None:
    finding = use(principal(APP, names(THEIRS, Effect="Perhaps")))
    assert finding.verdict_reasons == ("malformed", "owner_side_not_collected")


# -- collected keys ---------------------------------------------------------------------------------------------------


def test_key_of_our_organization_that_lets_us_is_confirmed_and_info() -> None:
    finding = use(key(allow(iam(MEMBER, "root"))), principal(APP, names(KEY)))
    assert told(finding) == ("info", "confirmed", ("both_sides_allow",))
    assert finding.key is not None
    assert (finding.key.arn, finding.resource.arn, finding.keys, finding.keys_total) == (KEY, KEY, (), 1)
    assert finding.remediation.kind == "none"
    assert "key 1234abcd-12ab" in finding.title


def test_condition_of_the_key_makes_it_conditional() -> None:
    via = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    finding = use(key(allow(iam(MEMBER, "root"), when=via)), principal(APP, names(KEY)))
    assert finding.verdict.value == "conditional"
    assert "kms:ViaService" in finding.capabilities[0].condition


def test_key_that_refuses_is_no_finding() -> None:
    assert uses(key(allow(iam(OWNER, "root"))), principal(APP, names(KEY))) == []


def test_actions_that_our_policy_does_not_name_are_left_out() -> None:
    finding = use(key(allow(iam(MEMBER, "root"), "kms:*")), principal(APP, names(KEY)))
    assert [c.actions for c in finding.capabilities] == [("kms:Decrypt",)]


def test_disabled_key_is_blocked() -> None:
    finding = use(key(allow(iam(MEMBER, "root")), state="Disabled"), principal(APP, names(KEY)))
    assert told(finding) == ("info", "blocked", ("key_disabled",))


def test_account_pattern_counts_the_keys_that_let_us() -> None:
    second = key(allow(APP), arn=KEY[:-1] + "c")
    refusing = key(arn=KEY[:-1] + "d")
    finding = use(
        key(allow(APP)), second, refusing, principal(APP, names(ANY_OF_OWNER)), accounts=(account(OWNER, name="pay"),)
    )
    assert (finding.keys_total, [k.arn for k in finding.keys]) == (2, [KEY, second.arn])
    assert finding.resource.name == "pay"
    assert finding.title.endswith(f"keys of pay ({OWNER})")
    assert finding.summary == "An identity statement names keys of the account: Decrypt."


def test_key_whose_policy_was_not_read_is_possible_and_cites_the_gap() -> None:
    row = LedgerRow(OWNER, "eu-west-1", "kms:GetKeyPolicy", "k", Outcome.DENIED)
    unread = key(key_policy=None, gaps={"key_policy": row.ref})
    finding = use(unread, principal(APP, names(ANY_OF_OWNER)), coverage=(row,))
    assert told(finding) == ("info", "possible", ("policy_not_readable",))
    assert (finding.coverage_refs, finding.keys_total) == ((row.ref,), 1)


def test_grants_that_were_not_read_are_another_mechanism() -> None:
    assert uses(key(grants=None, gaps={"grants": "row"}), principal(APP, names(ANY_OF_OWNER))) == []


def test_region_whose_keys_were_not_listed_is_possible() -> None:
    row = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "", Outcome.DENIED_BY_SCP)
    finding = use(principal(APP, names(ANY_OF_OWNER)), coverage=(row,))
    assert (finding.verdict.value, finding.coverage_refs) == ("possible", (row.ref,))
    elsewhere = names(f"arn:aws:kms:us-east-1:{OWNER}:key/*")
    assert uses(principal(APP, elsewhere), coverage=(row,)) == []


def test_account_whose_regions_are_not_known_is_possible_everywhere() -> None:
    row = LedgerRow(OWNER, "*", "kms:ListKeys", "", Outcome.NOT_REACHED)
    assert use(principal(APP, names(ANY_OF_OWNER)), coverage=(row,)).coverage_refs == (row.ref,)


def test_account_of_ours_that_nobody_entered_is_possible_with_its_gap() -> None:
    row = LedgerRow(OWNER, "*", "sts:AssumeRole", "", Outcome.DENIED)
    owner = account(OWNER, collected=False, iam_complete=False, gap=row.ref)
    finding = use(principal(APP, names(ANY_OF_OWNER)), owner, coverage=(row,))
    assert told(finding) == ("info", "possible", ("owner_side_not_collected",))
    assert finding.coverage_refs == (row.ref,)


def test_key_that_is_not_among_the_listed_ones_is_gone_unless_it_was_left_out() -> None:
    listed = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "", Outcome.OK)
    left_out = LedgerRow(OWNER, "eu-west-1", "kms:DescribeKey", KEY.rsplit("/", 1)[-1], Outcome.SKIPPED)
    assert uses(principal(APP, names(KEY)), coverage=(listed,)) == []
    assert use(principal(APP, names(KEY)), coverage=(listed, left_out)).verdict.value == "possible"
    assert use(principal(APP, names(KEY))).verdict.value == "possible"


def test_list_of_keys_that_others_share_says_nothing_about_the_accounts_own() -> None:
    shared = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "OTHER_ACCOUNTS_VIA_RAM", Outcome.OK)
    refused = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "", Outcome.DENIED)
    assert use(principal(APP, names(KEY)), coverage=(shared,)).verdict.value == "possible"
    assert use(principal(APP, names(KEY)), coverage=(refused, shared)).coverage_refs == (refused.ref,)
    listed = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "", Outcome.OK)
    unshared = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "OTHER_ACCOUNTS_VIA_RAM", Outcome.DENIED)
    assert uses(principal(APP, names(KEY)), coverage=(listed, unshared)) == []


def test_partition_of_its_own_has_its_own_regions() -> None:
    role = iam(MEMBER, "role/App").replace("arn:aws:", "arn:aws-cn:")
    finding = use(principal(role, names(f"arn:aws-cn:kms:*:{STRANGER}:key/*")))
    assert finding.resource.arn == f"arn:aws-cn:iam::{STRANGER}:root"


# -- grants and resource shares ---------------------------------------------------------------------------------------


def test_grant_proves_a_use_that_no_policy_names() -> None:
    finding = use(key(grants=(grant(APP),)), principal(APP))
    assert told(finding) == ("info", "confirmed", ("grant_held",))
    assert (finding.mechanism.kind, finding.mechanism.grants_total) == ("grant", 1)
    assert [e.kind for e in finding.evidence] == ["grant"]
    assert finding.summary == "A grant or resource share gives the key away: Decrypt."


def test_grant_to_an_account_proves_nothing_about_its_roles() -> None:
    assert uses(key(grants=(grant(iam(MEMBER, "root")),)), principal(APP)) == []


def test_grant_on_a_key_that_a_pattern_covers_belongs_to_the_account() -> None:
    finding = use(key(grants=(grant(APP, "Decrypt", "Sign"),)), principal(APP, names(ANY_OF_OWNER)))
    assert (finding.resource.kind, finding.mechanism.kind, finding.keys_total) == ("account", "identity_policy", 1)


def test_resource_share_proves_a_use_through_a_wildcard() -> None:
    finding = use(key(ram_policy=ram(allow(APP))), principal(APP, names("*")))
    assert told(finding) == ("info", "possible", ("ram_policy",))


def test_blocked_grant_is_no_proof() -> None:
    assert uses(key(grants=(grant(APP),), state="Disabled"), principal(APP)) == []


# -- parties and severity ---------------------------------------------------------------------------------------------


def test_account_of_another_organization_of_ours_is_info() -> None:
    ours = account(STRANGER, collected=False, iam_complete=False, organization_unknown=True)
    finding = use(principal(APP, names(THEIRS, "kms:Encrypt")), ours, trust=Trust(accounts={STRANGER: "o-else000001"}))
    assert told(finding) == ("info", "possible", ("owner_side_not_collected",))
    assert f"a key of account {STRANGER}" in finding.title


def test_sensitive_tag_of_the_key_steps_up() -> None:
    rules = SeverityRules(sensitive_tags={"class": ("pii",)})
    used = key(allow(APP), tags={"class": "pii"})
    finding = use(used, principal(APP, names(KEY)), severity=rules)
    assert (finding.severity.value, finding.severity_reasons[-1].rule) == ("low", "sensitive_tags")
    blocked = use(replace(used, state="Disabled"), principal(APP, names(KEY)), severity=rules)
    assert blocked.severity.value == "info"


# -- classes ----------------------------------------------------------------------------------------------------------


def shared(document: dict[str, Any], arn: str, name: str = "managed policy Share") -> Any:
    """A role with one attached policy of that name."""
    attached = text(document, DocumentKind.IDENTITY, "arn:aws:iam::444455556666:policy/Share", name)
    return replace(principal(arn), identity_policies=(attached,))


def test_roles_with_the_same_policies_are_one_class() -> None:
    finding = use(shared(names(THEIRS), APP), shared(names(THEIRS), JOB), accounts=(account(MEMBER, name="lake"),))
    assert (finding.grantee.kind, finding.grantee.selector) == ("class", f"{MEMBER}; managed policy Share")
    assert (finding.reach.principals_total, finding.reach.classes) == (2, (f"{MEMBER}; managed policy Share",))
    assert finding.title.startswith("2 users and roles of lake may be able to")
    assert len(finding.evidence) == 1


def test_boundary_is_part_of_the_class() -> None:
    found = uses(principal(APP, names(THEIRS), boundary=policy(allow(None, "*"))), principal(JOB, names(THEIRS)))
    assert sorted(f.reach.classes[0] for f in found) == [
        f"{MEMBER}; inline policy 0",
        f"{MEMBER}; inline policy 0; boundary",
    ]


def test_contents_of_a_class_may_differ_and_the_strongest_leads() -> None:
    blocked = policy(allow(None, "kms:Decrypt", Resource=THEIRS), deny(None, "kms:*"))
    finding = use(principal(APP, blocked), principal(JOB, names(THEIRS)))
    assert (finding.verdict.value, finding.reach.principals_sample) == ("possible", (JOB,))
    assert finding.summary.startswith("2 identity statements name the key")


def test_id_does_not_change_with_contents() -> None:
    narrow, wide = (use(principal(APP, names(THEIRS, *actions))) for actions in (["kms:Decrypt"], ["kms:*"]))
    assert (narrow.id == wide.id, narrow.fingerprint == wide.fingerprint) == (True, False)


@pytest.mark.parametrize(
    ("name", "class_"),
    [
        ("OrganizationAccountAccessRole", "*; role OrganizationAccountAccessRole"),
        ("aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_", "*; role AWSReservedSSO_Admin_*"),
        ("aws-service-role/x.amazonaws.com/AWSServiceRoleForX", "*; role AWSServiceRoleForX"),
    ],
)
def test_role_that_every_account_has_is_one_class_over_accounts(name: str, class_: str) -> None:
    suffixes = ("0123456789abcdef", "fedcba9876543210") if name.endswith("_") else ("", "")
    arns = [iam(a, f"role/{name}{s}") for a, s in zip((OWNER, MEMBER), suffixes, strict=True)]
    finding = use(*(principal(a, names(THEIRS)) for a in arns))
    assert (finding.grantee.selector, finding.grantee.account_id) == (class_, "")
    assert (finding.reach.accounts, finding.reach.principals_total) == ((OWNER, MEMBER), 2)
    assert finding.title.startswith("2 users and roles of 2 accounts")


def test_sessions_and_principals_of_strangers_are_no_class_of_ours() -> None:
    session = principal(iam(MEMBER, "assumed-role/App/blue"), names(THEIRS), parent=APP)
    assert uses(key(allow(iam(STRANGER, "role/x"))), session) == []


def test_classes_judged_once_say_what_judging_everybody_says() -> None:
    things = (
        key(allow(iam(MEMBER, "root")), grants=(grant(JOB),)),
        principal(APP, names(ANY_OF_OWNER), names(THEIRS)), principal(JOB, names(ANY_OF_THEIRS)),
    )  # fmt: skip
    given = world(*things)
    once, each = (
        analyze(given, AnalysisRules(by_class=b), write_key=lambda _: None, write_access=lambda _: None)
        for b in (True, False)
    )
    assert once.findings == each.findings


@pytest.mark.parametrize(("of", "keys"), [(THEIRS, ()), (KEY, (key(allow(iam(MEMBER, "root"), "kms:*")),))])
def test_everybody_of_a_class_who_is_refused_is_named(of: str, keys: tuple[Any, ...]) -> None:
    roles = [shared(names(of, "kms:CreateGrant"), iam(MEMBER, f"role/{name}")) for name in "ABCD"]
    refusing = organization(scps={MEMBER: [policy(allow(None, "*"), deny(None, "kms:CreateGrant"))]})
    found, each = (use(*keys, *roles, refusing, by_class=by_class) for by_class in (True, False))
    assert found == each
    assert (found.verdict.value, found.verdict_reasons) == ("blocked", ("scp_deny",))
    assert (found.grantee.selector, found.reach.principals_total) == (f"{MEMBER}; managed policy Share", 0)
    assert found.title.startswith(f"4 users and roles of one of our accounts ({MEMBER}) could")


def test_retiring_grants_of_a_strangers_key_hangs_on_grants_nobody_read() -> None:
    finding = use(principal(APP, names(THEIRS, "kms:RetireGrant")))
    assert [(c.capability, c.verdict.value) for c in finding.capabilities] == [("revoke", "possible")]


def test_more_grants_and_keys_than_a_finding_shows_are_counted() -> None:
    keys = [key(key_policy=None, arn=f"{KEY[:-2]}{n:02d}", gaps={"key_policy": "row"}) for n in range(25)]
    assert use(*keys, principal(APP, names(ANY_OF_OWNER))).keys_total == 20


def test_many_statements_are_cited_up_to_a_bound_and_all_counted() -> None:
    many = policy(*(allow(None, "kms:Decrypt", Resource=THEIRS, Sid=f"s{n}") for n in range(10)))
    finding = use(principal(APP, many))
    assert len([e for e in finding.evidence if e.kind == "identity_policy_statement"]) == 8
    assert finding.summary.startswith("10 identity statements")


def test_user_and_role_of_one_class_both_reach_the_key() -> None:
    user = iam(MEMBER, "user/Ann")
    used = key(allow(iam(MEMBER, "root")), deny(JOB))
    finding = use(used, *(principal(who, names(KEY)) for who in (APP, JOB, user)))
    assert (finding.verdict.value, finding.reach.principals_sample) == ("confirmed", (APP, user))


def test_disabled_key_with_a_damaged_statement_stays_blocked() -> None:
    damaged = allow(iam(OWNER, "root"), "kms:Sign", Condition={"Nonsense": {"a": "b"}})
    finding = use(key(allow(iam(MEMBER, "root")), damaged, state="Disabled"), principal(APP, names(KEY)))
    assert (finding.verdict.value, finding.verdict_reasons[0]) == ("blocked", "key_disabled")


# -- keys that a resource share names ---------------------------------------------------------------------------------

ANYTHING = names("*", "kms:GenerateDataKey")


def reached(*keys: str, by: str = MEMBER) -> dict[str, Any]:
    """What `ListKeys` for keys of other accounts answered one account of ours."""
    return {"shared_keys": {AccountId(by): tuple(map(KeyArn, keys))}}


def test_key_that_is_shared_with_our_account_is_found_through_a_plain_wildcard() -> None:
    finding = use(principal(APP, ANYTHING), **reached(THEIRS))
    assert told(finding) == ("medium", "possible", ("owner_side_not_collected",))
    assert (finding.resource.kind, finding.resource.arn) == ("key", THEIRS)
    assert finding.summary == (
        "A resource share reaches the account with the key (`kms:ListKeys` with `OTHER_ACCOUNTS_VIA_RAM`), and an "
        "identity statement covers it: GenerateDataKey; whether its owner lets us was not read."
    )
    (evidence,) = finding.evidence
    assert (evidence.source_arn, evidence.document) == (APP, "inline policy 0")
    assert finding.reach.principals_sample == (APP,)


@pytest.mark.parametrize(
    "resource",
    ["arn:aws:kms:eu-west-1:*:key/*", THEIRS[:-4] + "????", "arn:aws:kms:*:*:key/${aws:PrincipalTag/key}"],
)
def test_statement_that_fits_a_shared_key_is_enough(resource: str) -> None:
    trust = policy(allow(iam(MEMBER, "root"), "sts:AssumeRole", "sts:TagSession"))
    found = use(principal(APP, names(resource), trust=trust), **reached(THEIRS))
    assert found.verdict.value == "possible"


def test_statement_on_everything_but_other_keys_covers_a_shared_key() -> None:
    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "NotResource": KEY}
    assert use(principal(APP, policy(statement)), **reached(THEIRS)).verdict.value == "possible"


@pytest.mark.parametrize(
    "document",
    [
        names(f"arn:aws:kms:*:{MEMBER}:key/*"),
        names("*", "s3:GetObject"),
        names("*", "kms:PutKeyPolicy"),
        policy(deny(None, "kms:*", Resource="*")),
        policy({"Effect": "Allow", "Action": "kms:Decrypt", "NotResource": f"arn:aws:kms:*:{STRANGER}:*"}),
        names("*", when={"StringEquals": {"aws:ResourceAccount": OWNER}}),
    ],
    ids=["own keys", "s3", "not across", "deny", "not theirs", "fence"],
)
def test_shared_key_that_no_permission_of_ours_covers_is_no_finding(document: dict[str, Any]) -> None:
    assert uses(principal(APP, document), **reached(THEIRS)) == []


def test_shared_key_is_told_of_principals_of_the_account_it_is_shared_with_alone() -> None:
    other = iam(OWNER, "role/Other")
    assert use(principal(APP, ANYTHING), principal(other, ANYTHING), **reached(THEIRS)).reach.principals_sample == (
        APP,
    )


def test_scp_against_foreign_keys_blocks_the_use_of_a_shared_one() -> None:
    finding = use(principal(APP, ANYTHING), organization(scps={OU: [SCP_ORG]}), **reached(THEIRS))
    assert told(finding) == ("low", "blocked", ("scp_deny",))


def test_deny_of_our_own_blocks_the_use_of_a_shared_key() -> None:
    document = policy(allow(None, "kms:*", Resource="*"), deny(None, "kms:*", Resource="*"))
    assert told(use(principal(APP, document), **reached(THEIRS)))[1] == "blocked"


def test_shared_key_whose_owner_was_read_is_judged_by_its_own_policies() -> None:
    assert uses(principal(APP, ANYTHING), key(), **reached(KEY)) == []


def test_shared_key_that_the_owners_list_did_not_have_is_possible_all_the_same() -> None:
    """The lists are some minutes apart; the share proves that there is such a key."""
    elsewhere = KEY[:-4] + "ffff"
    listed = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "", Outcome.OK)
    finding = use(principal(APP, ANYTHING), coverage=(listed,), **reached(elsewhere))
    assert (finding.resource.arn, finding.verdict.value) == (elsewhere, "possible")
    assert uses(principal(APP, names(elsewhere)), coverage=(listed,)) == []


def test_statement_that_names_a_shared_key_makes_no_second_finding() -> None:
    finding = use(principal(APP, names(THEIRS), ANYTHING), **reached(THEIRS))
    assert {c.capability for c in finding.capabilities} == {"decrypt", "encrypt"}
    assert len(finding.evidence) == 2


def test_statement_that_names_the_account_of_a_shared_key_tells_of_it_already() -> None:
    finding = use(principal(APP, names(ANY_OF_THEIRS)), **reached(THEIRS))
    assert finding.resource.kind == "account"


def test_principals_of_one_class_share_the_finding_about_a_shared_key() -> None:
    both = (principal(APP, ANYTHING), principal(JOB, ANYTHING))
    assert use(*both, **reached(THEIRS)).reach.principals_sample == (APP, JOB)


def test_role_beside_one_that_names_the_account_is_told_of_with_the_shared_key() -> None:
    both = (principal(APP, names(ANY_OF_THEIRS)), principal(JOB, ANYTHING))
    found = {f.resource.kind: f.reach.principals_sample for f in uses(*both, **reached(THEIRS))}
    assert found == {"account": (APP,), "key": (JOB,)}


@pytest.mark.parametrize("arn", [f"arn:aws:kms:eu-west-1:{MEMBER}:key/1", ANY_OF_THEIRS, "arn:aws:kms:x", "none"])
def test_shared_key_that_can_be_no_key_of_another_account_is_no_finding(arn: str) -> None:
    assert uses(principal(APP, ANYTHING), **reached(arn)) == []
