"""Remedies: the smallest edit of the key's own documents, tried on the snapshot before it is printed."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from scanner.analyze.edits import remedied
from scanner.model.finding import Finding, FindingVerdict, Kind, Severity
from scanner.model.key import KeyFacts
from scanner.model.policy import DocumentKind
from scanner.model.world import World

import builders
from builders import (
    KEY,
    MEMBER,
    ORG,
    OWNER,
    STRANGER,
    allow,
    ask,
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

OWN = allow(iam(OWNER, "root"), "kms:*", Sid="Own")
FOREIGN, OUR = iam(STRANGER, "root"), iam(MEMBER, "role/App")
ADMIN = iam(OWNER, "role/Admin")
KMS = policy(allow(None, "kms:*"))
PEOPLE = (principal(OUR, KMS), principal(ADMIN, KMS))
analyzed = partial(builders.analyzed, remedies=True)
TRIED = (
    "Tried on the snapshot: the finding goes, no other access to this key changes, "
    "and the key's own account keeps its access."
)


def of(*statements: Any, **facts: Any) -> tuple[World, list[Finding]]:
    """The external access to a key with these statements."""
    given = world(key(*statements, **facts), *PEOPLE)
    return given, analyzed(given).of(Kind.EXTERNAL_ACCESS)


def only(*statements: Any, to: str = FOREIGN, **facts: Any) -> Finding:
    """The one finding about a selector."""
    (found,) = [f for f in of(*statements, **facts)[1] if f.grantee.selector == to]
    return found


def minus(finding: Finding) -> list[str]:
    return [line[1:].strip() for line in finding.remediation.diff.splitlines()[2:] if line.startswith("-")]


def plus(finding: Finding) -> list[str]:
    return [line[1:].strip() for line in finding.remediation.diff.splitlines()[2:] if line.startswith("+")]


# -- principals that are written out ----------------------------------------------------------------------------------


def test_statement_for_nobody_else_is_removed() -> None:
    remedy = only(OWN, allow(FOREIGN, Sid="Share")).remediation
    assert (remedy.kind, remedy.verified, remedy.effect, remedy.risk_note) == ("remove_statement", True, TRIED, "")
    assert remedy.text == (
        "Remove statement `Share`, which names only this grantee. "
        "Where some of the access is wanted: name the roles that need the key instead of their whole account."
    )
    assert remedy.diff.startswith(f"--- key policy default of {KEY}\n+++ key policy default of {KEY}\n@@ ")
    assert remedy.cli.startswith("(set -eux -- --region eu-west-1 --key-id ")
    assert '\naws kms put-key-policy "$@" --policy file://policy.json\n' in remedy.cli


def test_principal_is_taken_out_where_others_are_named_too() -> None:
    finding = only(OWN, allow({"AWS": [FOREIGN, OUR, STRANGER], "Service": "logs.amazonaws.com"}))
    assert finding.remediation.kind == "narrow_principal"
    assert finding.remediation.text.startswith(f"Take `{FOREIGN}` out of statement 1.")
    assert (finding.remediation.verified, plus(finding)) == (True, [f'"{OUR}"'])
    assert minus(finding) == [f'"{FOREIGN}",', f'"{OUR}",', f'"{STRANGER}"']


def test_every_statement_that_names_the_grantee_is_changed() -> None:
    statements = [allow({"AWS": [FOREIGN, OUR]}, f"kms:{a}") for a in ("Decrypt", "Encrypt", "CreateGrant")]
    finding = only(OWN, *statements, deny(FOREIGN, "kms:Sign"))
    assert finding.remediation.verified
    assert finding.remediation.diff.count(f'-          "{FOREIGN}",') == 3
    many = only(OWN, *(allow({"AWS": [FOREIGN, OUR]}, Sid=f"S{n}") for n in range(10)))
    assert many.remediation.verified
    assert many.remediation.text.count(" out of ") == 8
    assert "; and 2 more." in many.remediation.text


def test_grantee_that_keeps_access_another_way_is_told() -> None:
    given, found = of(OWN, allow(iam(STRANGER, "role/x")), grants=(grant(iam(STRANGER, "role/x")),))
    by_policy, by_grant = sorted(found, key=lambda f: f.mechanism.kind, reverse=True)
    assert by_policy.remediation.verified
    assert by_grant.remediation.verified
    assert by_policy.remediation.risk_note == (
        f"The same grantee keeps what it has through another way: {by_grant.title} (finding `{by_grant.id}`)."
    )
    assert given.keys


def test_what_is_written_in_vain_for_the_same_grantee_is_no_other_access() -> None:
    finding = only(OWN, allow(FOREIGN), allow(FOREIGN, "kms:PutKeyPolicy"))
    assert (finding.remediation.verified, finding.remediation.risk_note) == (True, "")
    other = {"StringEquals": {"aws:ResourceTag/a": "b"}}
    beside = only(OWN, allow({"AWS": [FOREIGN, OUR]}), allow(OUR, "kms:PutKeyPolicy"), allow(OUR, when=other))
    assert beside.remediation.verified


def test_access_that_is_blocked_after_the_edit_is_ended() -> None:
    given = world(key(OWN, allow(FOREIGN)), *PEOPLE)
    (finding,) = builders.analyzed(given).of(Kind.EXTERNAL_ACCESS)
    blocked = replace(finding, verdict=FindingVerdict.BLOCKED)
    (facts,) = given.keys.values()

    def judge(edited: KeyFacts) -> list[Finding]:
        return [finding if edited == facts else blocked]

    (told,) = remedied.remedied(facts, [finding], given, judge)
    assert told.remediation.verified
    assert "the access is blocked, no other access to this key changes" in told.remediation.effect
    (still,) = remedied.remedied(facts, [blocked], given, judge)
    assert not still.remediation.verified


def test_other_finding_that_reads_differently_is_told() -> None:
    given, found = of(OWN, allow({"AWS": [FOREIGN, OUR]}))
    finding, beside = sorted(found, key=lambda f: f.grantee.selector == OUR)
    graver = replace(beside, severity=Severity.CRITICAL)
    (facts,) = given.keys.values()
    told = remedied.remedied(facts, found, given, lambda edited: found if edited == facts else [graver])
    (remedy,) = [f.remediation for f in told if f.id == finding.id]
    assert not remedy.verified
    assert remedy.risk_note == f"It also changes: {beside.title}."


def test_policy_of_one_statement_has_no_edit() -> None:
    remedy = only(allow(FOREIGN)).remediation
    assert (remedy.verified, remedy.diff) == (False, "")
    assert remedy.effect.startswith("The policy has no statement beside, and AWS takes none without")


def test_deleted_principals_elsewhere_in_the_policy_are_a_risk() -> None:
    gone = [f"AIDAGONE{n}" for n in range(5)]
    finding = only(OWN, allow(FOREIGN), allow({"AWS": gone}))
    assert "AWS refuses to save the policy as long as it names `AIDAGONE0`, `AIDAGONE1`, `AIDAGONE2` and 2 more" in (
        finding.remediation.risk_note
    )
    two = only(OWN, allow(FOREIGN), allow("AIDAGONE"))
    assert "names `AIDAGONE`, which does not exist" in two.remediation.risk_note


def test_access_that_is_blocked_afterwards_counts_as_ended() -> None:
    only_mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    finding = only(OWN, allow(OUR), deny("*", "kms:Encrypt", when=only_mfa), to=OUR)
    assert finding.remediation.verified


def test_policy_with_a_damaged_part_is_not_edited() -> None:
    damaged = {"Effect": "Maybe", "Principal": {"AWS": OUR}, "Action": "kms:Decrypt", "Resource": "*"}
    remedy = only(OWN, allow(FOREIGN), damaged).remediation
    assert (remedy.verified, remedy.diff) == (False, "")
    assert remedy.effect == "The policy would hold a part that AWS refuses; change that part first."
    assert remedy.kind == "narrow_principal"


def test_text_that_is_one_line_is_shown_with_one_element_per_line() -> None:
    written = json.dumps(policy(OWN, allow({"AWS": [FOREIGN, OUR]}), allow(OUR, "kms:Encrypt")))
    given = world(key(key_policy=text(written, DocumentKind.KEY_POLICY, KEY, "key policy default")), *PEOPLE)
    (finding,) = [f for f in analyzed(given).of(Kind.EXTERNAL_ACCESS) if f.grantee.selector == FOREIGN]
    assert finding.remediation.verified
    assert minus(finding) == [f'"{FOREIGN}",']


def test_broken_text_and_shares_have_no_edit() -> None:
    share = only(OWN, ram_policy=ram(allow(FOREIGN)))
    assert (share.remediation.kind, share.remediation.diff) == ("none", "")
    assert share.remediation.effect.startswith("No edit was tried: a resource share gives this")
    broken = replace(key(OWN, ram_policy=ram(allow(FOREIGN))), key_policy=text("{", DocumentKind.KEY_POLICY, KEY))
    (finding,) = analyzed(world(broken)).of(Kind.EXTERNAL_ACCESS)
    assert finding.remediation.diff == ""


# -- everybody --------------------------------------------------------------------------------------------------------


def test_everybody_becomes_the_organization_and_insiders_keep_access() -> None:
    given = world(key(OWN, allow("*", Sid="Open")), *PEOPLE)
    (finding,) = [f for f in analyzed(given).of(Kind.EXTERNAL_ACCESS) if f.grantee.kind == "any"]
    remedy = finding.remediation
    assert (remedy.kind, remedy.verified) == ("add_condition", True)
    assert remedy.text.startswith(f"Add `aws:PrincipalOrgID` = `{ORG}` to statement `Open`. Where some")
    assert remedy.effect.startswith(
        "Tried on the snapshot: the finding goes, accounts of the organization keep their access, "
        "no other access to this key changes"
    )
    assert "AWS services that this statement let through" in remedy.risk_note
    assert plus(finding)[-1] == f'"Condition": {{"StringEquals": {{"aws:PrincipalOrgID": "{ORG}"}}}}'


def test_everybody_without_an_organization_becomes_the_own_account() -> None:
    given = world(key(OWN, allow("*")), principal(ADMIN), organizations=())
    (finding,) = [f for f in analyzed(given).of(Kind.EXTERNAL_ACCESS) if f.grantee.kind == "any"]
    assert finding.remediation.text.startswith(f"Add `kms:CallerAccount` = `{OWNER}` to statement 1.")
    assert finding.remediation.verified


def test_organization_behind_a_condition_becomes_the_own_account() -> None:
    fence = {"StringEquals": {"aws:PrincipalOrgID": ORG}}
    finding = only(OWN, allow("*", when=fence), to=ORG)
    assert finding.remediation.text.startswith(f"Add `kms:CallerAccount` = `{OWNER}` to statement 1.")
    assert finding.remediation.verified


@pytest.mark.parametrize(
    ("fence", "to", "name"),
    [
        ({"StringEquals": {"kms:CallerAccount": [OWNER, STRANGER]}}, FOREIGN, "kms:CallerAccount"),
        ({"StringEquals": {"aws:PrincipalOrgID": [ORG, "o-other"]}}, "o-other", "aws:PrincipalOrgID"),
        ({"ArnLike": {"aws:PrincipalArn": [iam(OWNER, "*"), iam(STRANGER, "role/x")]}}, iam(STRANGER, "role/x"),
         "aws:PrincipalArn"),
        ({"ArnLike": {"aws:PrincipalArn": [iam(OWNER, "*"), iam(STRANGER, "role/*")]}}, FOREIGN, "aws:PrincipalArn"),
    ],
)  # fmt: skip
def test_value_is_taken_out_of_the_condition_that_lets_it_through(fence: Any, to: str, name: str) -> None:
    finding = only(OWN, allow("*", when=fence), to=to)
    assert finding.remediation.text.startswith(f"Take `{to}` out of `{name}` in statement 1.")
    assert (finding.remediation.kind, finding.remediation.verified) == ("narrow_principal", True)


def test_condition_that_holds_the_key_already_leaves_removal() -> None:
    """The own account is not behind this fence, so the statement can go."""
    finding = only(OWN, allow("*", when={"StringEquals": {"kms:CallerAccount": STRANGER}}))
    assert finding.remediation.text.startswith("Remove statement 1. ")
    assert finding.remediation.verified


def test_edit_that_takes_from_the_own_account_is_not_offered() -> None:
    """Neither condition can be added, and removing the statement would lock the role of the own account out."""
    fence = {
        "StringEquals": {"kms:CallerAccount": "${aws:PrincipalAccount}", "aws:PrincipalOrgID": "${aws:PrincipalOrgID}"}
    }
    statement = allow("*", "kms:Encrypt", when=fence)
    given = world(key(allow(iam(OWNER, "role/Key"), "kms:*"), statement), *PEOPLE)
    found = [f for f in analyzed(given).of(Kind.EXTERNAL_ACCESS) if f.grantee.kind == "any"]
    assert [f.remediation.verified for f in found] == [False]
    assert found[0].remediation.effect == (
        "No single edit was found that ends this access and keeps that of the key's own account."
    )
    assert found[0].remediation.diff == ""


def test_selector_behind_everybody_that_is_named_too_loses_both() -> None:
    both = (
        OWN,
        allow(OUR, "kms:Encrypt"),
        allow("*", "kms:Decrypt", when={"StringEquals": {"kms:CallerAccount": MEMBER}}),
    )
    account = only(*both, to=iam(MEMBER, "root"))
    assert account.remediation.verified
    assert only(*both, to=OUR).remediation.verified
    written = only(OWN, allow(MEMBER, "kms:Encrypt"), both[-1], to=iam(MEMBER, "root"))
    assert "out of `kms:CallerAccount`" not in written.remediation.text
    assert written.remediation.verified
    assert written.remediation.diff.count("-      ") > 8


def test_sessions_that_are_no_callers_are_not_asked() -> None:
    odd = allow({"AWS": [f"arn:aws:sts::{OWNER}:assumed-role/x", OWNER, iam(OWNER, "user/Ann")]}, "kms:Encrypt")
    (finding,) = [f for f in of(OWN, odd, allow("*"))[1] if f.grantee.kind == "any"]
    assert finding.remediation.kind == "add_condition"


def test_allow_for_all_but_some_is_limited_like_everybody() -> None:
    statement = allow(None, NotPrincipal={"AWS": STRANGER})
    (finding,) = [f for f in of(OWN, statement)[1] if f.grantee.kind == "any"]
    assert finding.remediation.kind == "add_condition"


# -- services ---------------------------------------------------------------------------------------------------------


def test_service_is_limited_to_sources_of_the_own_account() -> None:
    logs = allow({"Service": "logs.amazonaws.com"}, Sid="Logs")
    finding = only(OWN, logs, to="logs.amazonaws.com")
    remedy = finding.remediation
    assert (remedy.kind, remedy.verified) == ("add_condition", True)
    assert remedy.text.startswith(f"Add `aws:SourceAccount` = `{OWNER}` to statement `Logs`.")
    assert "let through for sources of the key's own account only" in remedy.effect
    assert "Not every request of a service carries `aws:SourceAccount`" in remedy.risk_note


def test_service_whose_source_is_tested_already_is_taken_out() -> None:
    test = {"StringEquals": {"aws:SourceAccount": STRANGER}}
    finding = only(OWN, allow({"Service": "logs.amazonaws.com"}, when=test), to="logs.amazonaws.com")
    assert finding.remediation.text.startswith("Remove statement 1, which names only this grantee.")
    assert finding.remediation.verified


def test_service_beside_everybody_is_not_judged_by_the_open_statement() -> None:
    given = world(key(OWN, allow("*", "kms:Encrypt"), allow({"Service": "logs.amazonaws.com"})), *PEOPLE)
    (finding,) = [f for f in analyzed(given).of(Kind.EXTERNAL_ACCESS) if f.grantee.selector == "logs.amazonaws.com"]
    assert finding.remediation.kind == "add_condition"


def test_everybody_that_only_services_pass_is_limited() -> None:
    only_services = {"Bool": {"aws:PrincipalIsAWSService": "true"}}
    found = [f for f in of(OWN, allow("*", when=only_services))[1] if f.grantee.kind == "service"]
    assert [f.remediation.kind for f in found] == ["add_condition"]


# -- grants -----------------------------------------------------------------------------------------------------------


def test_grants_are_revoked_with_one_command_each() -> None:
    held = tuple(grant(iam(STRANGER, "role/x"), grant_id=f"g-{n}") for n in range(25))
    finding = only(OWN, to=iam(STRANGER, "role/x"), grants=(*held, grant(ADMIN, grant_id="own")))
    remedy = finding.remediation
    assert (remedy.kind, remedy.verified, remedy.diff, remedy.effect) == ("revoke_grant", True, "", TRIED)
    assert remedy.text.startswith("Revoke the 25 grants that give it access. The commands are those for the first 20;")
    said = remedy.cli.splitlines()
    assert said[0] == f"(set -eux -- --region eu-west-1 --key-id {KEY}"
    assert said[2].startswith('kms-scan what-if "$RUN" --revoke g-0 --revoke g-1 --revoke ')
    assert said[4] == 'aws kms revoke-grant "$@" --grant-id g-1'
    assert sum(line.startswith("aws kms revoke-grant ") for line in said) == 20


def test_grant_of_an_insider_that_an_outsider_may_retire_is_not_revoked() -> None:
    held = grant(ADMIN, retiring_principal=iam(STRANGER, "role/x"))
    given = world(key(allow(iam(OWNER, "role/Key"), "kms:*"), grants=(held,)), principal(ADMIN))
    assert ask(given, ADMIN).verdict.value == "allowed"
    (finding,) = analyzed(given).of(Kind.EXTERNAL_ACCESS)
    assert not finding.remediation.verified
    assert "keeps that of the key's own account" in finding.remediation.effect


def test_grant_that_another_outsider_uses_says_so() -> None:
    held = grant(iam(STRANGER, "role/x"), retiring_principal=iam(MEMBER, "role/App"))
    found = {f.grantee.selector: f.remediation for f in of(OWN, grants=(held,))[1]}
    remedy = found[iam(STRANGER, "role/x")]
    assert not remedy.verified
    assert "1 other finding changes" in remedy.effect
    assert remedy.risk_note.startswith("It also changes: ")
    many = tuple(
        grant(iam(STRANGER, "role/x"), grant_id=f"g-{n}", retiring_principal=iam(STRANGER, f"role/y{n}"))
        for n in range(5)
    )
    found = {f.grantee.selector: f.remediation for f in of(OWN, grants=many)[1]}
    assert "5 other findings change" in found[iam(STRANGER, "role/x")].effect
    assert "and 2 more." in found[iam(STRANGER, "role/x")].risk_note


# -- how much is tried ------------------------------------------------------------------------------------------------


def test_key_with_too_much_to_try_says_that_nothing_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedied, "MOST_WORK", 0)
    remedy = only(OWN, allow(FOREIGN)).remediation
    assert (remedy.verified, remedy.kind, remedy.diff) == (False, "narrow_principal", "")
    assert remedy.effect == "No edit was tried on the snapshot: this key would need too many trials."


def test_remedies_can_be_left_out() -> None:
    given = world(key(OWN, allow(FOREIGN)))
    (finding,) = builders.analyzed(given).of(Kind.EXTERNAL_ACCESS)
    assert (finding.remediation.diff, finding.remediation.effect) == ("", "")


def test_remedy_is_the_same_with_and_without_classes() -> None:
    given = world(key(OWN, allow("*"), allow(FOREIGN), allow(OUR)), *PEOPLE)
    assert analyzed(given).findings == analyzed(given, by_class=False).findings


def test_names_in_commands_are_quoted() -> None:
    finding = only(OWN, to=iam(STRANGER, "role/x"), grants=(grant(iam(STRANGER, "role/x"), grant_id="a; rm -r b"),))
    assert "--grant-id 'a; rm -r b'" in finding.remediation.cli
