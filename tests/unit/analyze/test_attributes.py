"""Who decides access by changing tags or aliases of keys: proofs by judging again, parties, gaps and what is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.permissions import attribute_flips, attribute_makers
from scanner.analyze.permissions.attribute_flips import Flip
from scanner.analyze.request.caller import Caller
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Finding, Kind
from scanner.model.key import KeyFacts

from builders import (
    KEY,
    MEMBER,
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
    world,
)

ADMIN, APP, AWAY = iam(OWNER, "role/Admin"), iam(OWNER, "role/App"), iam(MEMBER, "role/Away")
OWN_ROOT = allow(iam(OWNER, "root"), "kms:*")
BOTH_ROOTS = (OWN_ROOT, allow(iam(MEMBER, "root"), "kms:*"))
ALPHA = {"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}
BY_TAG = policy(allow(when=ALPHA))
TAGGING = policy(allow(None, "kms:TagResource", "kms:UntagResource"))
BY_ALIAS = policy(allow(when={"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/app-*"}}))
ALIASING = policy(allow(None, "kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"))
ALPHA_KEY = key(OWN_ROOT, tags={"Project": "Alpha"})


def controls(*things: Any, **parts: Any) -> list[Finding]:
    """The findings about control of attributes."""
    rules = {n: parts.pop(n) for n in ("by_class",) if n in parts}
    return analyzed(world(*things, **parts), **rules).of(Kind.ATTRIBUTE_CONTROL)


def control(*things: Any, **parts: Any) -> Finding:
    """The one there is."""
    (only,) = controls(*things, **parts)
    return only


def told(finding: Finding) -> tuple[str, str, tuple[str, ...]]:
    """Severity, verdict, reasons."""
    return finding.severity.value, finding.verdict.value, finding.verdict_reasons


def test_rule_that_many_hold_is_cited_as_the_one_who_decides_holds_it() -> None:
    first = principal(iam(OWNER, "role/Aaron"), BY_TAG)
    steward = principal(ADMIN, BY_TAG, TAGGING)
    found = control(first, steward, key(OWN_ROOT, tags={"Project": "Beta"}))
    assert found.title.startswith("A role of")
    assert "Admin" in found.title
    cited = {e.source_arn for e in found.evidence if e.kind == "identity_policy_statement"}
    assert cited == {ADMIN}


# -- tags -------------------------------------------------------------------------------------------------------------


def test_insider_who_may_tag_and_decrypts_by_that_tag_opens_access_for_itself() -> None:
    finding = control(key(OWN_ROOT), principal(ADMIN, BY_TAG, TAGGING), accounts=(account(OWNER, name="pay"),))
    assert told(finding) == ("medium", "confirmed", ("attribute_opens_access",))
    assert finding.title == (
        "A role of pay, Admin, can give itself, by the tag Project, the right to decrypt data "
        "with keys of pay in eu-west-1"
    )
    assert finding.summary == (
        "Identity policies or guardrails of 1 principal ask for the tag Project of keys; judged again with another "
        "value, access to 1 key in eu-west-1 changes."
    )
    assert (finding.resource.kind, finding.resource.arn) == ("account", iam(OWNER, "root"))
    assert ([k.arn for k in finding.keys], finding.keys_total) == ([KEY], 1)
    assert [(c.capability, c.actions) for c in finding.capabilities] == [("decrypt", ("kms:Decrypt",))]
    assert any("aws:ResourceTag/Project" in h.label for e in finding.evidence for h in e.highlights)
    assert "kms:TagResource" in finding.remediation.text


def test_insider_who_may_tag_decides_for_others() -> None:
    finding = control(key(OWN_ROOT), principal(ADMIN, TAGGING), principal(APP, BY_TAG))
    assert told(finding) == ("low", "confirmed", ("attribute_decides_access",))
    assert "can decide, by the tag Project, who else may" in finding.title
    assert finding.reach.principals_sample == (ADMIN,)


@pytest.mark.parametrize("further", [(), (policy(allow(None, "s3:*")),)])
@pytest.mark.parametrize("by_class", [True, False])
def test_insider_who_may_tag_decides_for_a_role_like_it_as_well(by_class: bool, further: Any) -> None:
    both = policy(*BY_TAG["Statement"], *TAGGING["Statement"])
    things = (key(OWN_ROOT), principal(ADMIN, both), principal(iam(OWNER, "role/Twin"), both, *further))
    decided = {c.reasons for f in controls(*things, by_class=by_class) for c in f.capabilities}
    assert {("attribute_opens_access",), ("attribute_decides_access",)} <= decided


def test_taking_access_from_others_counts_and_from_oneself_does_not() -> None:
    untag = policy(allow(None, "kms:UntagResource"))
    assert told(control(ALPHA_KEY, principal(ADMIN, untag), principal(APP, BY_TAG)))[:2] == ("low", "confirmed")
    assert controls(ALPHA_KEY, principal(ADMIN, untag, BY_TAG)) == []


def test_deny_by_tag_is_opened_by_another_value() -> None:
    reserved = {"StringEquals": {"aws:ResourceTag/Type": "Reserved"}}
    guarded = policy(allow(), deny(when=reserved))
    finding = control(key(OWN_ROOT, tags={"type": "Reserved"}), principal(ADMIN, guarded, TAGGING))
    assert told(finding) == ("medium", "confirmed", ("attribute_opens_access",))


def test_deny_without_a_tag_is_opened_by_any_value() -> None:
    guarded = policy(allow(), deny(when={"Null": {"aws:ResourceTag/Type": "true"}}))
    assert control(key(OWN_ROOT), principal(ADMIN, guarded, TAGGING)).severity.value == "medium"


def test_tag_that_must_equal_a_tag_of_the_principal_is_tried_with_its_value() -> None:
    same = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/Team}"}}
    role = principal(ADMIN, policy(allow(when=same)), TAGGING, tags={"team": "red"})
    assert control(key(OWN_ROOT), role).severity.value == "medium"
    assert controls(key(OWN_ROOT), replace(role, tags={})) == []


def test_wildcard_in_a_value_is_met() -> None:
    like = {"StringLike": {"aws:ResourceTag/Project": "Al?ha*"}}
    assert control(key(OWN_ROOT), principal(ADMIN, policy(allow(when=like)), TAGGING)).severity.value == "medium"


def test_tagging_that_is_limited_to_another_tag_controls_nothing() -> None:
    limited = policy(allow(None, "kms:TagResource", when={"ForAllValues:StringEquals": {"aws:TagKeys": ["Other"]}}))
    assert controls(key(OWN_ROOT), principal(ADMIN, BY_TAG, limited)) == []


def test_tagging_that_is_limited_to_another_value_controls_nothing() -> None:
    limited = policy(allow(None, "kms:TagResource", when={"StringEquals": {"aws:RequestTag/Project": "Beta"}}))
    assert controls(key(OWN_ROOT), principal(ADMIN, BY_TAG, limited)) == []


def test_condition_on_tagging_makes_it_conditional() -> None:
    mfa = policy(allow(None, "kms:TagResource", when={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    finding = control(key(OWN_ROOT), principal(ADMIN, BY_TAG, mfa))
    assert (finding.severity.value, finding.verdict.value) == ("low", "conditional")
    assert finding.capabilities[0].condition == "aws:MultiFactorAuthPresent = true"


def test_condition_on_the_access_makes_it_conditional() -> None:
    via = {"StringEquals": {"aws:ResourceTag/Project": "Alpha", "kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    finding = control(key(OWN_ROOT), principal(ADMIN, policy(allow(when=via)), TAGGING))
    assert finding.verdict.value == "conditional"
    assert "kms:ViaService" in finding.capabilities[0].condition


def test_nobody_who_may_tag_is_no_finding() -> None:
    assert controls(key(OWN_ROOT), principal(APP, BY_TAG)) == []
    denied = policy(deny(None, "kms:TagResource", "kms:UntagResource"))
    assert controls(key(OWN_ROOT), principal(ADMIN, TAGGING, denied), principal(APP, BY_TAG)) == []


def test_access_that_hangs_on_no_attribute_is_no_finding() -> None:
    assert controls(key(OWN_ROOT), principal(ADMIN, TAGGING), principal(APP, policy(allow()))) == []


def test_access_that_other_policies_give_anyway_is_not_decided() -> None:
    assert controls(key(OWN_ROOT), principal(ADMIN, BY_TAG, TAGGING, policy(allow()))) == []


def test_key_that_refuses_anyway_is_not_decided() -> None:
    assert controls(key(), principal(ADMIN, BY_TAG, TAGGING)) == []


def test_tag_tested_on_other_actions_or_keys_decides_nothing() -> None:
    s3 = policy(allow(None, "s3:GetObject", when=ALPHA))
    elsewhere = policy(allow(None, Resource="arn:aws:kms:us-east-1:*:key/*", when=ALPHA))
    assert controls(key(OWN_ROOT), principal(ADMIN, s3, elsewhere, TAGGING)) == []
    aws = key(OWN_ROOT, manager="AWS")
    assert controls(aws, principal(ADMIN, BY_TAG, TAGGING)) == []


def test_key_policy_that_names_the_tagger_needs_no_identity_policy() -> None:
    named = key(OWN_ROOT, allow(ADMIN, "kms:TagResource"))
    finding = control(named, principal(ADMIN), principal(APP, BY_TAG))
    assert finding.reach.principals_sample == (ADMIN,)


def test_key_policy_for_everybody_needs_no_identity_policy() -> None:
    everybody = key(OWN_ROOT, allow("*", "kms:TagResource", when={"StringEquals": {"kms:CallerAccount": OWNER}}))
    found = controls(everybody, principal(ADMIN), principal(iam(OWNER, "user/Ann"), BY_TAG))
    assert {f.verdict_reasons[0] for f in found} == {"attribute_opens_access", "attribute_decides_access"}
    but_one = allow(None, "kms:TagResource") | {"NotPrincipal": {"AWS": iam(OWNER, "role/x")}}
    assert controls(key(OWN_ROOT, but_one), principal(ADMIN), principal(APP, BY_TAG))


def test_damaged_statement_may_speak_of_tagging() -> None:
    damaged = policy(allow(None, "kms:TagResource", Effect="Perhaps"))
    finding = control(key(OWN_ROOT), principal(ADMIN, damaged, BY_TAG))
    assert finding.verdict.value == "possible"


# -- boundaries and guardrails ----------------------------------------------------------------------------------------


def test_boundary_that_asks_for_a_tag_counts() -> None:
    limit = policy(allow(None, "kms:Decrypt", when=ALPHA), allow(None, "kms:TagResource"))
    finding = control(key(OWN_ROOT), principal(ADMIN, policy(allow()), TAGGING, boundary=limit))
    assert told(finding)[:2] == ("medium", "confirmed")


def test_service_control_policy_that_asks_for_a_tag_counts() -> None:
    scp = policy(
        allow(None, "*"), deny(None, "kms:Decrypt", when={"StringNotEquals": {"aws:ResourceTag/Project": "Alpha"}})
    )
    finding = control(key(OWN_ROOT), principal(ADMIN, policy(allow()), TAGGING), organization(scps={OU: [scp]}))
    assert told(finding)[:2] == ("medium", "confirmed")
    assert "service_control_policy_statement" in {e.kind for e in finding.evidence}


def test_resource_control_policy_that_asks_for_a_tag_counts() -> None:
    rcp = policy(deny("*", "kms:Decrypt", when={"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}))
    organized = organization(rcps={OU: [rcp]})
    finding = control(ALPHA_KEY, principal(ADMIN, policy(allow()), TAGGING), organized)
    assert told(finding)[:2] == ("medium", "confirmed")


def test_unread_service_control_policies_leave_it_possible() -> None:
    finding = controls(key(OWN_ROOT), principal(ADMIN, BY_TAG, TAGGING), replace(organization(), scps=None))
    assert {f.verdict.value for f in finding} == {"possible"}


# -- gaps -------------------------------------------------------------------------------------------------------------


def test_tags_that_were_not_read_leave_it_possible_one_step_lower() -> None:
    unread = key(OWN_ROOT, tags=None, gaps={"tags": "row"})
    finding = control(unread, principal(ADMIN, BY_TAG, TAGGING))
    assert told(finding) == ("low", "possible", ("attribute_opens_access",))


def test_key_policy_that_was_not_read_leaves_it_possible() -> None:
    unread = key(key_policy=None, gaps={"key_policy": "row"})
    found = controls(unread, principal(ADMIN, TAGGING), principal(APP, BY_TAG))
    assert {f.verdict.value for f in found} <= {"possible"}


def test_principal_of_which_a_policy_was_not_read_may_tag() -> None:
    finding = control(key(OWN_ROOT), principal(ADMIN, complete=False, gap="row"), principal(APP, BY_TAG))
    assert told(finding)[:2] == ("info", "possible")


@pytest.mark.parametrize(("sure", "unsure"), [(ADMIN, APP), (APP, ADMIN)])
def test_weaker_maker_of_a_class_is_cited_beside_the_one_that_is_told(sure: str, unsure: str) -> None:
    gap = LedgerRow(OWNER, "global", "iam:GetRolePolicy", unsure, Outcome.DENIED)
    makers = principal(sure, TAGGING), principal(unsure, TAGGING, complete=False, gap=gap.ref)
    found = control(key(OWN_ROOT), *makers, principal(iam(OWNER, "role/User"), BY_TAG), coverage=(gap,))
    assert (found.verdict.value, found.reach.principals_total) == ("confirmed", 2)
    assert [c.verdict.value for c in found.capabilities] == ["confirmed"]
    assert gap.ref in found.coverage_refs


def test_weaker_case_of_an_earlier_user_is_cited_beside_the_one_that_is_told() -> None:
    not_read = iam(OWNER, "role/Ann")
    gap = LedgerRow(OWNER, "global", "iam:GetRolePolicy", not_read, Outcome.DENIED)
    closed = deny(None, "kms:Decrypt", when={"StringNotEquals": ALPHA["StringEquals"]})
    found = controls(
        key(OWN_ROOT), principal(ADMIN, TAGGING), principal(iam(OWNER, "role/Bob"), policy(allow())),
        principal(not_read, complete=False, gap=gap.ref),
        organization(scps={OU: [policy(allow(None, "*"), closed)]}), coverage=(gap,),
    )  # fmt: skip
    (only,) = (f for f in found if f.grantee.selector == ADMIN)
    assert [c.verdict.value for c in only.capabilities] == ["confirmed"]
    assert gap.ref in only.coverage_refs


def test_account_whose_identities_were_not_read_is_left_to_coverage() -> None:
    unread = account(OWNER, iam_complete=False, gap="row")
    assert controls(key(*BOTH_ROOTS), unread, principal(ADMIN, TAGGING, BY_TAG)) == []


# -- keys of others ---------------------------------------------------------------------------------------------------


def test_rule_that_hangs_on_a_tag_of_a_foreign_key_is_low_for_the_account_that_wrote_it() -> None:
    away = principal(AWAY, policy(allow(None, Resource=f"arn:aws:kms:*:{OWNER}:key/*", when=ALPHA)))
    finding = control(key(*BOTH_ROOTS), away)
    assert told(finding) == ("low", "confirmed", ("foreign_attribute",))
    assert finding.title.endswith("only as the tag Project says, which others change")
    assert "owner decides" in finding.remediation.text


def test_insiders_of_the_owner_decide_for_the_other_account_too() -> None:
    away = principal(AWAY, policy(allow(None, Resource=f"arn:aws:kms:*:{OWNER}:key/*", when=ALPHA)))
    found = controls(key(*BOTH_ROOTS), away, principal(ADMIN, TAGGING))
    assert {f.verdict_reasons for f in found} == {("foreign_attribute",), ("attribute_decides_access",)}


def test_wildcard_means_keys_of_the_own_account_only() -> None:
    assert controls(key(*BOTH_ROOTS), principal(AWAY, BY_TAG)) == []


# -- aliases ----------------------------------------------------------------------------------------------------------


def test_insider_who_may_create_an_alias_opens_access() -> None:
    finding = control(key(OWN_ROOT), principal(ADMIN, BY_ALIAS, ALIASING))
    assert told(finding) == ("medium", "confirmed", ("attribute_opens_access",))
    assert "aliases alias/app-*" in finding.title
    assert "kms:CreateAlias" in finding.remediation.text


def test_alias_needs_the_alias_and_the_key() -> None:
    on_key = policy(allow(None, "kms:CreateAlias", Resource=KEY))
    on_alias = policy(allow(None, "kms:CreateAlias", Resource=f"arn:aws:kms:eu-west-1:{OWNER}:alias/app-*"))
    assert controls(key(OWN_ROOT), principal(ADMIN, BY_ALIAS, on_key)) == []
    assert controls(key(OWN_ROOT), principal(ADMIN, BY_ALIAS, on_alias)) == []
    assert control(key(OWN_ROOT), principal(ADMIN, BY_ALIAS, on_key, on_alias)).severity.value == "medium"


def test_alias_that_is_deleted_takes_access_from_others() -> None:
    used = key(OWN_ROOT, aliases=("alias/app-one", "alias/other"))
    remove = policy(allow(None, "kms:DeleteAlias"))
    assert told(control(used, principal(ADMIN, remove), principal(APP, BY_ALIAS)))[:2] == ("low", "confirmed")


def test_alias_that_is_moved_from_another_key_opens_access() -> None:
    donor = key(OWN_ROOT, arn=KEY[:-1] + "c", aliases=("alias/app-one",))
    move = policy(allow(None, "kms:UpdateAlias"))
    finding = control(key(OWN_ROOT), donor, principal(ADMIN, BY_ALIAS, move))
    assert (told(finding)[:2], [k.arn for k in finding.keys]) == (("medium", "confirmed"), [KEY])


def test_aliases_that_were_not_read_leave_it_possible() -> None:
    unread = key(OWN_ROOT, aliases=None, gaps={"aliases": "row"})
    assert control(unread, principal(ADMIN, BY_ALIAS, ALIASING)).verdict.value == "possible"


def test_alias_rule_on_another_service_decides_nothing() -> None:
    s3 = policy(allow(None, "s3:GetObject", when={"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/*"}}))
    assert controls(key(OWN_ROOT), principal(ADMIN, s3, ALIASING)) == []


# -- sets and classes -------------------------------------------------------------------------------------------------


def test_keys_of_one_region_are_one_set_and_regions_are_apart() -> None:
    twin, other = (
        key(OWN_ROOT, arn=KEY[:-1] + "c", ram_policy=ram()),
        key(OWN_ROOT, arn=KEY.replace("eu-west-1", "us-east-1")),
    )
    found = controls(key(OWN_ROOT), twin, other, principal(ADMIN, BY_TAG, TAGGING))
    assert sorted(f.keys_total for f in found) == [1, 2]
    assert len({f.id for f in found}) == 2


def test_action_that_this_version_does_not_know_is_left_out() -> None:
    new = policy(allow(None, "kms:SomethingNew", "kms:Decrypt", when=ALPHA))
    assert told(control(key(OWN_ROOT), principal(ADMIN, new, TAGGING)))[:2] == ("medium", "confirmed")


def test_grant_with_an_encryption_context_does_not_keep_keys_from_being_told_apart() -> None:
    fenced = grant(STRANGER, constraints={"EncryptionContextEquals": {"tenant": "payroll"}})
    finding = control(key(OWN_ROOT, grants=(fenced,)), principal(ADMIN, BY_TAG, TAGGING))
    assert told(finding)[:2] == ("medium", "confirmed")


def test_classes_judged_once_say_what_judging_everybody_says() -> None:
    things = (key(OWN_ROOT), principal(ADMIN, BY_TAG, TAGGING), principal(APP, BY_TAG))
    assert controls(*things) == controls(*things, by_class=False)


def test_documents_without_attributes_cost_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(attribute_flips, "decisions", refuse)
    monkeypatch.setattr(attribute_makers, "decide", refuse)
    assert controls(key(OWN_ROOT), principal(ADMIN, policy(allow()), TAGGING)) == []


def test_strangers_have_no_rules_of_ours() -> None:
    used: KeyFacts = key(OWN_ROOT, allow(iam(STRANGER, "root")))
    assert controls(used, principal(ADMIN, TAGGING)) == []


def test_key_policy_that_speaks_of_other_actions_names_nobody_for_tagging() -> None:
    assert controls(key(OWN_ROOT, allow(ADMIN, "kms:Sign")), principal(ADMIN), principal(APP, BY_TAG)) == []


def test_second_change_of_the_same_kind_is_not_asked_for() -> None:
    two = policy(allow(when={"StringEquals": {"aws:ResourceTag/Project": ["Alpha", "Beta"]}}))
    finding = control(key(OWN_ROOT), principal(ADMIN, TAGGING), principal(APP, two))
    assert told(finding) == ("low", "confirmed", ("attribute_decides_access",))


def test_change_that_somebody_may_not_make_is_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, object]] = []
    may_make = attribute_makers.Makers.may_make

    def counted(makers: attribute_makers.Makers, caller: Caller, flip: Flip) -> attribute_makers.Making | None:
        asked.append((caller.text, flip.change))
        return may_make(makers, caller, flip)

    monkeypatch.setattr(attribute_makers.Makers, "may_make", counted)
    elsewhere = policy(allow(None, "kms:TagResource", Resource=KEY[:-1] + "c"))
    several = policy(allow(None, "kms:Decrypt", "kms:Encrypt", when=ALPHA))
    assert controls(key(OWN_ROOT), principal(ADMIN, elsewhere), principal(APP, several)) == []
    assert [who for who, _ in asked] == [ADMIN]


def test_members_of_a_class_that_control_nothing_are_not_counted() -> None:
    weak = principal(iam(OWNER, "role/Weak"), policy(allow(None, "kms:TagResource", Resource="x")))
    finding = control(key(OWN_ROOT), principal(ADMIN, TAGGING), weak, principal(APP, BY_TAG))
    assert finding.reach.principals_sample == (ADMIN,)


def test_every_capability_that_a_change_opens_is_told() -> None:
    both = policy(allow(None, "kms:Decrypt", "kms:CreateGrant", when=ALPHA))
    finding = control(key(OWN_ROOT), principal(ADMIN, both, TAGGING))
    assert {c.capability for c in finding.capabilities} == {"decrypt", "delegate"}


def test_keys_and_principals_beyond_the_bound_are_said_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribute_flips, "MOST_KEYS", 1)
    monkeypatch.setattr(attribute_flips, "MOST_USERS", 1)
    second = key(OWN_ROOT, arn=f"{KEY[:-1]}c", tags={"Project": "Gamma"})
    users = principal(ADMIN, BY_TAG, TAGGING), principal(APP, BY_TAG)
    cuts = analyzed(world(key(OWN_ROOT, tags={"Project": "Beta"}), second, *users)).result.cuts
    assert cuts == tuple(
        f"Attributes: 2 different {what} hang on the tag Project in {OWNER} eu-west-1; only 1 of them were judged "
        "again with the attribute changed."
        for what in ("keys", "principals")
    )
