"""Remedies of findings about keys themselves and our own permissions: what is drawn, what the trial says."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from scanner.analyze.edits import insiders, world_trials
from scanner.model.arn import AccountId, KeyArn
from scanner.model.finding import Finding, Kind
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalFacts

import builders
from builders import (
    KEY,
    MEMBER,
    ORG,
    OWNER,
    STRANGER,
    allow,
    deny,
    grant,
    iam,
    key,
    policy,
    principal,
    ram,
    text,
    world,
)

analyzed = partial(builders.analyzed, remedies=True)
OWN = allow(iam(OWNER, "root"), "kms:*", Sid="Own")
THEIRS = KEY.replace(OWNER, STRANGER)
ADMIN, APP = iam(OWNER, "role/Admin"), iam(MEMBER, "role/App")
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
ALPHA = {"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}
OWN_KEEPS = "every principal of the own account keeps its access to its keys"
CLEAN = f"Tried on the snapshot: the finding goes, nothing else changes, and {OWN_KEEPS}."
UNTRIED = "No edit was tried on the snapshot: that would need too many trials."
NO_SINGLE = "No single edit was found that ends this finding; look at its statements together."


def of(kind: Kind, *things: Any, **parts: Any) -> list[Finding]:
    return analyzed(world(*things, **parts)).of(kind)


def one(kind: Kind, *things: Any, **parts: Any) -> Finding:
    (found,) = of(kind, *things, **parts)
    return found


def lines(finding: Finding, sign: str) -> list[str]:
    return [x[1:].strip() for x in finding.remediation.diff.splitlines()[2:] if x.startswith(sign)]


def managed(arn: str, document: dict[str, Any], policy_arn: str = f"arn:aws:iam::{OWNER}:policy/P") -> PrincipalFacts:
    held = text(document, DocumentKind.IDENTITY, policy_arn, "managed policy P")
    return replace(principal(arn), identity_policies=(held,))


# -- keys themselves --------------------------------------------------------------------------------------------------


def hygiene(*statements: Any, reason: str, things: tuple[Any, ...] = (), **facts: Any) -> Finding:
    found = of(Kind.KEY_HYGIENE, key(OWN, *statements, **facts), *things)
    return next(f for f in found if f.verdict_reasons[0] == reason)


def test_grants_to_the_dead_are_revoked_and_the_trial_is_clean() -> None:
    held = (grant(iam(OWNER, "role/Gone"), grant_id="g-1"), grant(iam(OWNER, "role/Gone"), grant_id="g 2"))
    remedy = hygiene(reason="stale_grant", grants=held).remediation
    assert (remedy.kind, remedy.verified, remedy.effect) == ("revoke_grant", True, CLEAN)
    assert remedy.text == "Revoke the 2 grants; no access is lost."
    assert remedy.cli.splitlines()[4].endswith("--grant-id 'g 2'")
    assert "aws_kms_grant" in remedy.terraform


def test_one_grant_to_the_dead_is_said_as_one() -> None:
    remedy = hygiene(reason="stale_grant", grants=(grant(iam(OWNER, "role/Gone")),)).remediation
    assert remedy.text == "Revoke the grant; no access is lost."


def test_of_many_grants_the_commands_end_with_their_number() -> None:
    held = tuple(grant(iam(OWNER, "role/Gone"), grant_id=f"g-{n}") for n in range(23))
    remedy = hygiene(reason="stale_grant", grants=held).remediation
    assert remedy.cli.splitlines()[-1] == "# the same for 3 more grants; their ids are in the snapshot"


def test_create_grant_is_taken_out_where_it_is_written_and_the_changed_access_is_said() -> None:
    wide = allow(iam(STRANGER, "role/X"), "kms:CreateGrant", "kms:DescribeKey", Sid="Wide")
    found = hygiene(wide, reason="unlimited_create_grant")
    assert found.remediation.text == "Take `kms:CreateGrant` out of statement `Wide`."
    assert (found.remediation.kind, found.remediation.verified) == ("narrow_actions", False)
    assert "1 other finding changes" in found.remediation.effect
    assert "Grants that it has created stay" in found.remediation.risk_note
    assert lines(found, "-") == ['"kms:CreateGrant",']


def test_statement_that_allows_only_create_grant_is_removed() -> None:
    only = allow(iam(STRANGER, "role/X"), "kms:CreateGrant", Sid="Only")
    remedy = hygiene(only, reason="unlimited_create_grant").remediation
    assert remedy.text == "Remove statement `Only`, which allows nothing else."
    assert remedy.kind == "remove_statement"


def test_create_grant_by_wildcard_is_kept_from_being_handed_on() -> None:
    wide = allow(iam(STRANGER, "root"), "kms:*", Sid="All")
    remedy = hygiene(wide, reason="unlimited_create_grant").remediation
    assert remedy.kind == "add_condition"
    assert '"ForAllValues:StringEquals": {"kms:GrantOperations": ["' in remedy.diff
    assert '"CreateGrant"' not in remedy.diff
    assert remedy.text == "Keep statement `All` from handing on `CreateGrant` by `kms:GrantOperations`."


def test_create_grant_by_resource_share_has_no_edit() -> None:
    shared = ram(allow(iam(STRANGER, "root"), "kms:CreateGrant"))
    remedy = hygiene(reason="unlimited_create_grant", ram_policy=shared).remediation
    assert (remedy.diff, remedy.effect) == ("", NO_SINGLE)


def test_weak_fence_gets_the_organization_and_says_what_else_changes() -> None:
    found = hygiene(allow("*", "kms:Decrypt", when=VIA_S3, Sid="Open"), reason="weak_fence")
    assert found.remediation.text == f"Add `aws:PrincipalOrgID` = `{ORG}` to statement `Open`."
    assert not found.remediation.verified
    assert "It also changes: Any principal of any AWS account" in found.remediation.risk_note
    assert "aws_kms_key_policy" in found.remediation.terraform


def test_weak_fence_without_organization_gets_the_own_account() -> None:
    given = world(key(OWN, allow("*", "kms:Decrypt", when=VIA_S3, Sid="Open")), organizations=())
    found = [f for f in analyzed(given).of(Kind.KEY_HYGIENE) if f.verdict_reasons[0] == "weak_fence"]
    assert found[0].remediation.text == f"Add `kms:CallerAccount` = `{OWNER}` to statement `Open`."


def test_weak_fence_whose_statement_tests_who_calls_loses_everybody() -> None:
    tests = VIA_S3["StringEquals"] | {
        "aws:PrincipalOrgID": "${aws:PrincipalOrgID}",
        "kms:CallerAccount": "${kms:CallerAccount}",
    }
    people = [iam(OWNER, "role/Admin"), "*"]
    wide = allow({"AWS": people}, "kms:Decrypt", when={"StringEquals": tests}, Sid="Open")
    found = [
        f for f in of(Kind.KEY_HYGIENE, key(OWN, wide), principal(ADMIN, policy(allow(None, "kms:*"))))
        if f.verdict_reasons[0] == "weak_fence"
    ]  # fmt: skip
    assert [f.remediation.text for f in found] == ["Take everybody out of statement `Open`."]


def test_key_that_nobody_manages_has_a_sentence_and_no_patch() -> None:
    (found,) = of(Kind.KEY_HYGIENE, key(allow(iam(OWNER, "role/Gone"), "kms:*")), principal(ADMIN))
    assert found.verdict_reasons[0] == "unmanageable_key"
    assert found.remediation.diff == ""
    assert found.remediation.effect == (
        "No edit of yours ends this, as the policy lets no one change it: there is no patch to try."
    )


# -- keys of others ---------------------------------------------------------------------------------------------------


def foreign(*documents: Any, **parts: Any) -> Finding:
    return one(Kind.FOREIGN_KEY_USE, principal(APP, *documents), **parts)


def test_foreign_key_is_taken_out_of_the_resources() -> None:
    own = f"arn:aws:kms:*:{MEMBER}:key/*"
    found = foreign(policy(allow(None, "kms:Encrypt", Resource=[own, THEIRS], Sid="S")))
    assert found.remediation.text.startswith(f"Take `{THEIRS}` out of statement `S`. ")
    assert (found.remediation.kind, found.remediation.verified) == ("narrow_resource", True)
    assert found.remediation.effect == CLEAN
    assert found.remediation.cli.startswith("(set -eux -- --role-name App --policy-name 0\n")
    assert '\naws iam put-role-policy "$@" --policy-document file://policy.json\n' in found.remediation.cli
    assert 'resource "aws_iam_role_policy"' in found.remediation.terraform


def test_statement_about_the_foreign_key_alone_goes_and_an_empty_inline_policy_is_deleted() -> None:
    found = foreign(policy(allow(None, "kms:Encrypt", Resource=THEIRS)))
    assert (found.remediation.kind, found.remediation.diff) == ("remove_statement", "")
    assert found.remediation.cli.splitlines() == [
        "(set -eux -- --role-name App --policy-name 0",
        f'test "$(aws sts get-caller-identity --query Account --output text)" = {MEMBER}',
        'aws iam get-role-policy "$@" --query PolicyDocument --output json > read.json',
        "set -C; cat read.json > policy.before.json",
        'aws iam delete-role-policy "$@"',
        "echo in place)",
    ]
    assert found.remediation.terraform.startswith("# remove these resources")


def test_managed_policy_that_would_be_empty_has_no_edit() -> None:
    used = managed(iam(OWNER, "role/App"), policy(allow(None, "kms:Encrypt", Resource=THEIRS)))
    assert one(Kind.FOREIGN_KEY_USE, used).remediation.diff == ""


def test_account_is_taken_out_of_the_condition_that_names_it() -> None:
    tests = {"StringEquals": {"aws:ResourceAccount": [MEMBER, STRANGER]}}
    found = of(Kind.FOREIGN_KEY_USE, principal(APP, policy(allow(None, "kms:Encrypt", when=tests))))
    assert found[0].remediation.text.startswith(
        f"Take the keys of account `{STRANGER}` out of `aws:ResourceAccount` in statement 0."
    )


def test_statement_fenced_to_the_foreign_account_alone_goes() -> None:
    tests = {"StringEquals": {"aws:ResourceAccount": STRANGER}}
    found = foreign(policy(allow(None, "kms:Encrypt", when=tests), deny(None, "kms:Decrypt")))
    assert found.remediation.text.startswith("Remove statement 0, which is only for the keys of account")


def test_statement_fenced_to_the_foreign_account_with_other_services_stays() -> None:
    tests = {"StringEquals": {"aws:ResourceAccount": STRANGER}}
    found = foreign(policy(allow(None, "kms:Encrypt", "s3:*", when=tests)))
    assert found.remediation.diff == ""


def test_key_named_in_two_texts_has_no_single_edit() -> None:
    named = [policy(allow(None, action, Resource=THEIRS)) for action in ("kms:Encrypt", "kms:Decrypt")]
    assert foreign(*named).remediation.effect == "Several policies give it, so no edit of a single one ends it."


def test_grant_that_its_holder_may_retire_is_retired() -> None:
    held = grant(APP, "Decrypt", "RetireGrant")
    found = one(Kind.FOREIGN_KEY_USE, key(OWN, grants=(held,)), principal(APP))
    assert found.remediation.text == "Nothing to do if the use is wanted; else: retire the grant, as who holds it may."
    retired = found.remediation.cli.splitlines()
    assert retired[0].startswith("(set -eux -- --region eu-west-1 --key-id arn:")
    assert retired[3] == 'aws kms retire-grant "$@" --grant-id g-1'


def test_grant_is_revoked_by_the_owner_else() -> None:
    held = (grant(APP, "Decrypt"), grant(APP, "Encrypt", grant_id="g-2"))
    found = one(Kind.FOREIGN_KEY_USE, key(OWN, grants=held), principal(APP))
    assert found.remediation.text.endswith("else: let the owner of the key revoke the 2 grants.")
    assert "Tried on the snapshot: the finding goes" in found.remediation.effect


def test_key_given_by_a_resource_share_says_so() -> None:
    found = of(
        Kind.FOREIGN_KEY_USE, key(OWN, ram_policy=ram(allow(APP, "kms:Decrypt"))), principal(APP, policy(allow()))
    )
    assert [f.remediation.effect for f in found] == [
        "A resource share gives it: leave the share in AWS Resource Access Manager; no edit of a policy ends it."
    ]


def test_key_that_a_share_makes_known_is_ended_by_leaving_the_share() -> None:
    found = foreign(policy(allow()), shared_keys={AccountId(MEMBER): (KeyArn(THEIRS),)})
    assert found.remediation.diff == ""
    assert found.remediation.effect.startswith("A resource share gives it: leave the share")


# -- keys of every account --------------------------------------------------------------------------------------------


def broad(document: Any, arn: str = APP) -> Finding:
    return one(Kind.BROAD_KEY_PERMISSION, principal(arn, document))


def test_resource_is_narrowed_to_the_keys_of_the_own_account() -> None:
    found = broad(policy(allow(None, "kms:Decrypt", "kms:Encrypt", Sid="All")))
    assert (found.remediation.kind, found.remediation.verified) == ("narrow_resource", True)
    assert lines(found, "+") == [f'"Resource": "arn:aws:kms:*:{MEMBER}:key/*",']
    assert found.remediation.text.startswith(f"Narrow statement `All` to keys of account `{MEMBER}`. Where less is")


def test_aliases_stay_where_an_action_needs_them() -> None:
    found = broad(policy(allow(None, "kms:CreateAlias")))
    assert lines(found, "+") == [f'"Resource": ["arn:aws:kms:*:{MEMBER}:key/*", "arn:aws:kms:*:{MEMBER}:alias/*"]']


def test_account_of_an_arn_is_written_out() -> None:
    found = broad(policy(allow(None, "kms:Decrypt", Resource="arn:aws:kms:eu-west-1:*:key/*")))
    assert lines(found, "+") == [f'"Resource": "arn:aws:kms:eu-west-1:{MEMBER}:key/*"']


def test_actions_without_a_key_keep_the_resource_and_get_a_condition() -> None:
    found = broad(policy(allow(None, "kms:*")))
    assert (found.remediation.kind, found.remediation.verified) == ("add_condition", True)
    assert f'"StringEqualsIfExists": {{"aws:ResourceAccount": "{MEMBER}"}}' in found.remediation.diff


@pytest.mark.parametrize("when", [None, {"Bool": {"aws:SecureTransport": "true"}}])
def test_actions_of_other_services_stay_and_keys_move_into_a_statement_of_their_own(when: Any) -> None:
    resources = ["*", f"arn:aws:kms:*:{MEMBER}:key/x"]
    found = broad(policy(allow(None, "s3:GetObject", "kms:Decrypt", Resource=resources, Sid="Both", when=when)))
    assert found.remediation.text.startswith("Move the actions on keys out of statement `Both`")
    assert found.remediation.verified
    added = "".join(lines(found, "+"))
    assert f'"Resource": ["arn:aws:kms:*:{MEMBER}:key/*", "arn:aws:kms:*:{MEMBER}:key/x"]' in added
    assert ("SecureTransport" in added) is (when is not None)


def test_statement_that_is_in_no_list_is_not_split() -> None:
    alone = {"Version": "2012-10-17", "Statement": allow(None, "s3:GetObject", "kms:Decrypt")}
    assert broad(alone).remediation.diff == ""


@pytest.mark.parametrize("statement", [allow(None, "*"), {**allow(None), "NotAction": "s3:*", "Action": None}])
def test_statement_for_everything_has_no_edit(statement: dict[str, Any]) -> None:
    found = broad(policy({name: value for name, value in statement.items() if value}))
    assert found.remediation.effect.startswith("The statement allows everything, or all but something")


def test_mixed_wildcards_have_no_edit() -> None:
    found = broad(policy(allow(None, "kms:*", "s3:*")))
    assert found.remediation.effect.startswith("The statement mixes keys with other services")


def test_policy_of_aws_is_not_edited() -> None:
    found = one(Kind.BROAD_KEY_PERMISSION, managed(ADMIN, policy(allow()), "arn:aws:iam::aws:policy/PowerUserAccess"))
    assert (found.remediation.diff, found.remediation.effect) == (
        "", "AWS writes this policy: it cannot be edited, so there is no patch.",
    )  # fmt: skip


def test_text_held_in_two_accounts_has_no_edit() -> None:
    both = [principal(iam(account, "role/App"), policy(allow())) for account in (OWNER, MEMBER)]
    assert one(Kind.BROAD_KEY_PERMISSION, *both).remediation.effect.startswith("Principals of several accounts hold it")


def test_managed_policy_is_written_as_a_new_version() -> None:
    found = one(Kind.BROAD_KEY_PERMISSION, managed(ADMIN, policy(allow(None, "kms:Decrypt"))))
    assert found.remediation.verified
    assert found.remediation.cli.startswith(f"(set -eux -- --policy-arn arn:aws:iam::{OWNER}:policy/P\n")
    assert '\naws iam create-policy-version "$@" --set-as-default ' in found.remediation.cli
    assert 'resource "aws_iam_policy"' in found.remediation.terraform


def test_policy_that_would_be_too_long_has_no_edit() -> None:
    filling = deny(None, "s3:*", Resource=[f"arn:aws:s3:::bucket-{n:030}" for n in range(120)])
    found = one(Kind.BROAD_KEY_PERMISSION, managed(ADMIN, policy(allow(None, "kms:*"), filling)))
    assert found.remediation.diff == ""


def test_of_many_roles_with_one_text_the_commands_are_those_of_the_first() -> None:
    roles = [principal(iam(OWNER, f"role/R{n}"), policy(allow(None, "kms:Decrypt"))) for n in range(5)]
    cli = one(Kind.BROAD_KEY_PERMISSION, *roles).remediation.cli
    assert cli.count("put-role-policy") == cli.count("(set -eux -- ") == 3
    for number, file in enumerate(("policy", "policy-2", "policy-3")):
        assert f"role/R{number}/0={file}.json --fail-on-widened\nset -C; cat read.json > {file}.before.json\n" in cli
    assert cli.endswith("# the same for 2 more policies with this text")


# -- tags and aliases -------------------------------------------------------------------------------------------------

TAGGING = "kms:TagResource", "kms:UntagResource"
OWN_KEYS = f"arn:aws:kms:*:{OWNER}:key/*"
ALPHA_KEY = key(OWN, tags={"Project": "Alpha"})
USER = principal(iam(OWNER, "role/User"), policy(allow(None, "kms:Decrypt", when=ALPHA)))


def control(*documents: Any, of_key: Any = ALPHA_KEY, user: Any = USER) -> Finding:
    return one(Kind.ATTRIBUTE_CONTROL, of_key, user, principal(ADMIN, *documents))


def test_tag_is_kept_from_its_changer_by_a_condition() -> None:
    found = control(policy(allow(None, *TAGGING, Resource=OWN_KEYS, Sid="Tags")))
    assert found.remediation.text == "Let statement `Tags` change every tag but `Project`."
    assert found.remediation.verified
    assert found.remediation.effect.endswith("loses no more than `kms:TagResource`, `kms:UntagResource`.")


def test_tag_actions_are_taken_out_where_the_condition_is_tested_already() -> None:
    tests = {"ForAllValues:StringNotEqualsIgnoreCase": {"aws:TagKeys": "Owner"}}
    found = control(
        policy(allow(None, "kms:TagResource", "kms:UntagResource", "kms:DescribeKey", Resource=OWN_KEYS, when=tests))
    )
    assert found.remediation.text == "Take `kms:TagResource`, `kms:UntagResource` out of statement 0."
    assert (found.remediation.kind, found.remediation.verified) == ("narrow_actions", True)


def test_alias_actions_are_taken_out() -> None:
    user = principal(
        iam(OWNER, "role/User"),
        policy(allow(None, "kms:Decrypt", when={"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/app-*"}})),
    )
    found = control(policy(allow(None, "kms:*Alias")), of_key=key(OWN, aliases=("alias/app-1",)), user=user)
    assert found.remediation.kind == "remove_statement"
    assert found.remediation.cli.splitlines()[-2] == 'aws iam delete-role-policy "$@"'


def test_aliases_by_a_wildcard_over_all_actions_have_no_edit() -> None:
    user = principal(
        iam(OWNER, "role/User"),
        policy(allow(None, "kms:Decrypt", when={"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/app-*"}})),
    )
    held = policy(allow(None, "kms:*", Resource=f"arn:aws:kms:*:{OWNER}:*"))
    remedy = control(held, of_key=key(OWN, aliases=("alias/app-1",)), user=user).remediation
    assert remedy.effect.startswith("The statement gives the right by a wildcard")


def test_right_from_the_key_policy_has_no_edit_of_an_identity_policy() -> None:
    admitted = key(OWN, allow(ADMIN, "kms:TagResource", "kms:UntagResource"), tags={"Project": "Alpha"})
    remedy = control(of_key=admitted).remediation
    assert remedy.effect.startswith("No identity policy that was read gives the right to change it")


def test_right_from_two_texts_has_no_single_edit() -> None:
    remedy = control(policy(allow(None, "kms:TagResource")), policy(allow(None, "kms:*TagResource"))).remediation
    assert remedy.effect == "Several policies give it, so no edit of a single one ends it."


def test_right_from_a_policy_of_aws_is_not_edited() -> None:
    held = managed(ADMIN, policy(allow(None, "kms:TagResource", "kms:UntagResource")), "arn:aws:iam::aws:policy/Tags")
    found = one(Kind.ATTRIBUTE_CONTROL, ALPHA_KEY, USER, held)
    assert found.remediation.effect == "AWS writes this policy: it cannot be edited, so there is no patch."


def test_who_hangs_on_tags_of_others_gets_a_sentence() -> None:
    shared = key(OWN, allow(iam(MEMBER, "root"), "kms:*"), tags={"Project": "Alpha"})
    found = one(
        Kind.ATTRIBUTE_CONTROL,
        shared,
        principal(APP, policy(allow(None, "kms:Decrypt", Resource=OWN_KEYS, when=ALPHA))),
    )
    assert found.remediation.effect == ("No edit is drawn: which keys are meant only the owner of the policy knows.")


def test_outsider_who_opens_access_by_roles_is_ended_by_its_path() -> None:
    both = policy(allow(None, "kms:TagResource"), allow(None, "kms:Decrypt", when=ALPHA))
    vendor = principal(ADMIN, both, trust=policy(allow(iam(STRANGER, "root"), "sts:AssumeRole")))
    found = [f for f in of(Kind.ATTRIBUTE_CONTROL, key(OWN, tags={}), vendor) if f.grantee.party != "own_account"]
    assert found[0].remediation.effect.endswith("by roles that they assume; end that path first.")


def test_one_edit_for_two_regions_is_judged_once_and_each_finding_names_the_other() -> None:
    other = key(OWN, arn=KEY.replace("eu-west-1", "us-east-1"), tags={"Project": "Alpha"})
    tags = principal(ADMIN, policy(allow(None, *TAGGING, Resource=OWN_KEYS, Sid="Tags")))
    found = of(Kind.ATTRIBUTE_CONTROL, ALPHA_KEY, other, USER, tags)
    assert [f.remediation.verified for f in found] == [False, False]
    assert "us-east-1" in found[0].remediation.risk_note + found[1].remediation.risk_note
    assert len({f.remediation.diff for f in found}) == 1


def test_key_given_by_a_policy_and_by_a_grant_has_no_single_edit() -> None:
    held = key(OWN, allow(iam(MEMBER, "root"), "kms:Decrypt"), grants=(grant(APP, "Decrypt"),))
    found = of(Kind.FOREIGN_KEY_USE, held, principal(APP, policy(allow(None, "kms:Decrypt", Resource=KEY))))
    assert [f.remediation.effect for f in found] == [NO_SINGLE]


def test_shared_texts_that_differ_have_no_single_edit() -> None:
    sso = "role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Ops_{}"
    ops = [
        principal(iam(account, sso.format(suffix * 16)), policy(allow(None, "kms:Decrypt", *more)))
        for account, suffix, more in ((OWNER, "a", ()), (MEMBER, "b", ("kms:Encrypt",)))
    ]
    assert one(Kind.BROAD_KEY_PERMISSION, *ops).remediation.effect.startswith("Several policies give it")


def test_only_statement_of_a_policy_is_narrowed_and_never_removed() -> None:
    alone = hygiene_alone(allow("*", "kms:*", when=VIA_S3))
    assert alone.remediation.kind == "add_condition"


def hygiene_alone(statement: Any) -> Finding:
    found = of(Kind.KEY_HYGIENE, key(statement))
    return next(f for f in found if f.verdict_reasons[0] == "weak_fence")


def test_share_alone_that_delegates_has_no_edit_where_the_key_policy_was_not_read() -> None:
    shared = ram(allow(iam(STRANGER, "root"), "kms:CreateGrant"))
    unread = replace(key(ram_policy=shared), key_policy=None, gaps={"key_policy": "x"})
    found = [f for f in of(Kind.KEY_HYGIENE, unread) if f.verdict_reasons[0] == "unlimited_create_grant"]
    assert [f.remediation.diff for f in found] == [""]


def test_condition_that_the_statement_tests_already_is_not_added() -> None:
    found = broad(
        policy(allow(None, "kms:*", when={"StringEqualsIfExists": {"aws:ResourceAccount": "${aws:ResourceAccount}"}}))
    )
    assert found.remediation.diff == ""


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_what_is_beyond_the_bound_is_not_tried_and_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world_trials, "MOST_WORK", 0)
    monkeypatch.setattr(world_trials, "MOST_WORLDS", 0)
    found = broad(policy(allow(None)))
    assert (found.remediation.diff, found.remediation.effect) == ("", UNTRIED)


def test_larger_world_affords_as_much_as_it_holds_so_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world_trials, "MOST_WORK", 0)
    assert broad(policy(allow(None))).remediation.effect != UNTRIED


def test_edit_is_not_verified_where_not_everybody_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insiders, "MOST_INSIDERS", 0)
    remedy = control(policy(allow(None, *TAGGING, Resource=OWN_KEYS, Sid="Tags"))).remediation
    assert not remedy.verified
    assert remedy.effect.endswith("was not asked, as too many could.")
