"""Remedies of paths through roles: the smallest edit of a trust policy, tried on the snapshot before it is printed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.edits import path_remedies
from scanner.analyze.paths.hops import ASSUME, NEVER, SURE, step
from scanner.analyze.request.caller import resolve_caller
from scanner.model.finding import Finding, Kind
from scanner.model.world import World

from builders import MANAGER, MEMBER, ORG, OWNER, STRANGER, account, allow, analyzed, iam, policy, world
from patches import patched
from role_worlds import ASSUMING, DELEGATING, USING, admits, role
from role_worlds import paths as paths_of

VENDOR, OTHER = iam(STRANGER, "root"), iam("777788889999", "root")
HERE, LAMBDA = iam(OWNER, "role/App"), {"Service": "lambda.amazonaws.com"}
GITHUB = iam(OWNER, "oidc-provider/token.actions.githubusercontent.com")
BY_TOKEN = "sts:AssumeRoleWithWebIdentity"
TRIED = (
    "Tried on the snapshot: the finding goes, no other path through roles changes, "
    "and the role's own account keeps its access to it."
)
WHOLE_ROLE = "Who is kept out loses everything that the role may do, not only the keys."
SERVICES = "AWS services that this statement let in are no longer let in by it."


def trust(*statements: Any, **parts: Any) -> dict[str, Any]:
    """A trust policy of several statements."""
    return policy(*(s["Statement"][0] for s in statements)) | parts


def paths(*things: Any, **rules: Any) -> list[Finding]:
    return paths_of(*things, **{"remedies": True} | rules)


def only(statement: Any, *documents: Any, to: str = VENDOR, **rules: Any) -> Finding:
    """The one path of a grantee into a role with this trust policy, which uses the keys."""
    (found,) = [f for f in paths(role(OWNER, "R", statement, *(documents or (USING,))), **rules)
                if f.grantee.selector == to]  # fmt: skip
    return found


def changed(finding: Finding, sign: str) -> list[str]:
    return [line[1:].strip() for line in finding.remediation.diff.splitlines()[2:] if line.startswith(sign)]


# -- whom the policy writes out ---------------------------------------------------------------------------------------


def test_principal_is_taken_out_of_a_list() -> None:
    remedy = (finding := only(admits({"AWS": [VENDOR, OTHER]}))).remediation
    assert (remedy.kind, remedy.verified, remedy.effect) == ("narrow_trust", True, TRIED)
    assert remedy.text.startswith(f"Take `{VENDOR}` out of statement 0.")
    assert changed(finding, "-") == [f'"{VENDOR}",']
    assert remedy.diff.startswith(f"--- trust policy of {iam(OWNER, 'role/R')}\n")
    assert remedy.cli.splitlines() == [
        "(set -eux -- --role-name R",
        f'test "$(aws sts get-caller-identity --query Account --output text)" = {OWNER}',
        'aws iam get-role "$@" --query Role.AssumeRolePolicyDocument --output json > read.json',
        "patch -N -F0 -o policy.json read.json change.patch",
        f'kms-scan what-if "$RUN" --trust-policy {iam(OWNER, "role/R")}=policy.json --fail-on-widened',
        "set -C; cat read.json > policy.before.json",
        'aws iam update-assume-role-policy "$@" --policy-document file://policy.json',
        (
            'test "$(aws iam get-role "$@" --query Role.AssumeRolePolicyDocument --output json | tr -d \' \\n\')" = '
            "\"$(tr -d ' \\n' < policy.json)\""
        ),
        "echo in place)",
    ]


@pytest.mark.parametrize("indent", [None, 1, 2, 4])
def test_patch_applies_to_what_the_printed_command_writes(indent: int | None) -> None:
    """However IAM keeps a document: the AWS CLI reads it and prints it again, four spaces per level."""
    wanted = trust(admits({"AWS": [VENDOR, OTHER]}, when={"StringEquals": {"sts:ExternalId": "ünï"}}), admits(LAMBDA))
    entered = role(OWNER, "R", wanted, USING)
    assert entered.trust_policy is not None
    stored = replace(entered.trust_policy, text=json.dumps(wanted, indent=indent))
    (finding,) = [f for f in paths(replace(entered, trust_policy=stored)) if f.grantee.selector == VENDOR]
    in_hand = json.dumps(json.loads(stored.text), indent=4, ensure_ascii=False) + "\n"
    wanted["Statement"][0]["Principal"]["AWS"] = [OTHER]
    assert json.loads(patched(in_hand, finding.remediation.diff)) == wanted


def test_statement_for_nobody_else_is_removed() -> None:
    remedy = only(trust(admits(VENDOR, Sid="Vendor"), admits(LAMBDA))).remediation
    assert (remedy.kind, remedy.verified, remedy.effect) == ("remove_statement", True, TRIED)
    assert remedy.text.startswith("Remove statement `Vendor`, which names only this grantee.")


def test_only_statement_becomes_a_deny_because_aws_takes_no_policy_without() -> None:
    finding = only(admits(VENDOR))
    assert (finding.remediation.kind, finding.remediation.verified) == ("narrow_trust", True)
    assert (changed(finding, "-"), changed(finding, "+")) == (['"Effect": "Allow",'], ['"Effect": "Deny",'])
    assert finding.remediation.text.startswith("Make statement 0 a Deny: the role then admits no principal")


def test_every_statement_that_admits_the_grantee_is_changed() -> None:
    finding = only(trust(admits({"AWS": [VENDOR, OTHER]}), admits(VENDOR), admits(LAMBDA)))
    assert finding.remediation.verified
    assert finding.remediation.text.startswith(f"Take `{VENDOR}` out of statement 0; remove statement 1")


def test_external_id_is_a_note_and_no_end_of_the_finding() -> None:
    finding = only(admits(VENDOR))
    assert "no_external_id" in finding.verdict_reasons
    assert finding.remediation.risk_note == f"{WHOLE_ROLE} {path_remedies._ONLY_DEPUTY}"
    assert "ExternalId" not in finding.remediation.diff + finding.remediation.text
    asked = only(admits(VENDOR, when={"StringEquals": {"sts:ExternalId": "one"}}))
    assert (asked.remediation.verified, asked.remediation.risk_note) == (True, WHOLE_ROLE)
    assert "Where some of the access is wanted: name the roles" in asked.remediation.text


def test_identity_provider_without_a_subject_is_removed_because_only_the_owner_knows_the_subject() -> None:
    open_to_all = trust(admits({"Federated": GITHUB}, BY_TOKEN), admits(LAMBDA))
    remedy = only(open_to_all, to=f"{GITHUB}#*").remediation
    assert (remedy.kind, remedy.verified, remedy.effect) == ("remove_statement", True, TRIED)
    assert "only the owner of the role knows for which subject" in remedy.text


def test_own_saml_provider_keeps_the_advice_to_review_it() -> None:
    saml = iam(OWNER, "saml-provider/Corp")
    remedy = only(admits({"Federated": saml}, "sts:AssumeRoleWithSAML"), to=f"{saml}#*").remediation
    assert (remedy.kind, remedy.diff, remedy.effect) == ("none", "", path_remedies._ASSIGNED)


def test_service_that_hands_roles_to_outsiders_is_taken_out() -> None:
    anywhere = "rolesanywhere.amazonaws.com"
    remedy = only(admits({"Service": ["lambda.amazonaws.com", anywhere]}), to=anywhere).remediation
    assert (remedy.verified, remedy.text) == (True, f"Take `{anywhere}` out of statement 0.")


# -- what else changes ------------------------------------------------------------------------------------------------


def test_way_of_somebody_else_that_ends_with_the_edit_is_told() -> None:
    inner = role(OWNER, "R", admits(iam(MEMBER, "role/Middle")), USING)
    middle = role(MEMBER, "Middle", admits(VENDOR), ASSUMING)
    told = {f.grantee.selector: f.remediation for f in paths(inner, middle)}
    remedy = told[iam(MEMBER, "role/Middle")]
    assert (remedy.verified, "the finding goes, 1 other finding changes, and" in remedy.effect) == (False, True)
    assert f"It also changes: Any principal of an unknown account {STRANGER}" in remedy.risk_note
    assert told[VENDOR].verified


def test_way_of_a_service_that_is_not_told_is_a_change_as_well() -> None:
    inner = role(OWNER, "R", admits(iam(MEMBER, "role/Pod")), USING)
    pods = role(MEMBER, "Pod", admits({"Service": "pods.eks.amazonaws.com"}), ASSUMING)
    (finding,) = paths(inner, pods)
    assert (finding.remediation.verified, "1 other finding changes" in finding.remediation.effect) == (False, True)


def test_many_other_changes_are_counted() -> None:
    inner = role(OWNER, "R", admits(iam(MEMBER, "role/Middle")), USING)
    vendors = [iam(f"77778888{n:04}", "root") for n in range(5)]
    middle = role(MEMBER, "Middle", admits({"AWS": vendors}), ASSUMING)
    remedy = next(f for f in paths(inner, middle) if f.grantee.selector == iam(MEMBER, "role/Middle")).remediation
    assert "5 other findings change" in remedy.effect
    assert " and 2 more." in remedy.risk_note


def test_other_way_in_that_stays_as_it_was_is_no_change() -> None:
    inner = role(OWNER, "R", admits({"AWS": [iam(MEMBER, "role/A"), iam(MEMBER, "role/B")]}), USING)
    first, second = (role(MEMBER, n, admits(VENDOR), ASSUMING) for n in "AB")
    told = {f.grantee.selector: f.remediation for f in paths(inner, first, second)}
    assert "1 other finding changes" in told[iam(MEMBER, "role/A")].effect


def test_same_grantee_in_another_role_is_a_note() -> None:
    found = paths(role(OWNER, "R", admits(VENDOR), USING), role(OWNER, "S", admits(VENDOR), USING))
    first, second = found
    assert (
        f"keeps what it has through another way: {second.title} (finding `{second.id}`)." in first.remediation.risk_note
    )
    assert first.remediation.verified


def test_role_of_many_accounts_keeps_its_advice() -> None:
    roles = [role(a, "Access", admits(iam(MANAGER, "root")), USING) for a in (OWNER, MEMBER)]
    (finding,) = paths(*roles, account(MANAGER), role(MANAGER, "Admin", admits(LAMBDA), ASSUMING))
    assert "::*:" in finding.resource.arn
    assert (finding.remediation.diff, finding.remediation.effect) == ("", path_remedies._MANY_ROLES)


def test_session_tags_that_some_policy_tests_are_not_guessed() -> None:
    tagged = trust(admits(VENDOR, "sts:AssumeRole", "sts:TagSession"), admits(LAMBDA))
    assert only(tagged).remediation.verified
    by_tag = policy(allow(None, when={"StringEquals": {"aws:PrincipalTag/team": "a"}}))
    remedy = only(tagged, by_tag).remediation
    assert (remedy.verified, remedy.effect, remedy.diff != "") == (False, path_remedies._TAGS, True)
    kept = only(trust(admits({"AWS": [VENDOR, OTHER]}, "sts:AssumeRole", "sts:TagSession")), by_tag).remediation
    assert kept.verified


# -- everybody --------------------------------------------------------------------------------------------------------


def test_everybody_becomes_the_own_account() -> None:
    finding = only(admits("*"), to="*")
    remedy = finding.remediation
    assert (remedy.kind, remedy.verified, remedy.effect) == ("add_condition", True, TRIED)
    assert remedy.text.startswith(f"Add `aws:PrincipalAccount` = `{OWNER}` to statement 0.")
    assert remedy.risk_note.endswith(SERVICES)


def test_everybody_behind_a_condition_is_taken_out_beside_others() -> None:
    fence = {"StringEquals": {"aws:PrincipalAccount": STRANGER}}
    remedy = only(admits({"AWS": "*", "Service": "lambda.amazonaws.com"}, when=fence)).remediation
    assert (remedy.verified, remedy.kind, remedy.text) == (True, "narrow_trust", "Take everybody out of statement 0.")
    assert remedy.risk_note.endswith(SERVICES)


def test_value_is_taken_out_of_the_condition_that_lets_it_through() -> None:
    tested = {"StringEquals": {"aws:PrincipalAccount": [OWNER, STRANGER, "777788889999"]}}
    remedy = only(admits("*", when=tested)).remediation
    assert (remedy.verified, remedy.text) == (
        True,
        f"Take `{VENDOR}` out of `aws:PrincipalAccount` in statement 0.",
    )


def test_statement_for_everybody_behind_a_condition_is_removed() -> None:
    fence = {"StringEquals": {"aws:PrincipalAccount": STRANGER}}
    remedy = only(trust(admits("*", when=fence), admits(LAMBDA))).remediation
    assert (remedy.verified, remedy.text, remedy.kind) == (True, "Remove statement 0.", "remove_statement")


def test_edit_that_takes_from_the_own_account_is_not_offered() -> None:
    remedy = only(admits({"AWS": ["*", HERE]}), to="*").remediation
    assert (remedy.diff, remedy.effect) == ("", path_remedies._NO_EDIT)


def test_insiders_who_would_lose_are_asked() -> None:
    app = role(OWNER, "App", admits(LAMBDA), ASSUMING)
    inside = {"StringEquals": {"aws:PrincipalOrgID": [ORG, "o-foreign001"]}}
    given = [role(OWNER, "R", admits({"AWS": "*", "Service": "lambda.amazonaws.com"}, when=inside), USING), app]
    told = {f.grantee.selector: f.remediation for f in paths(*given)}
    assert told["o-foreign001"].verified
    assert told[ORG].diff == ""
    assert told[ORG].effect == path_remedies._NO_EDIT


def test_too_many_insiders_leave_the_edit_unverified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_remedies, "MOST_PEOPLE", 1)
    remedy = only(admits("*"), to="*").remediation
    assert (remedy.verified, "the first 1 principals" in remedy.effect) == (False, True)


# -- what cannot be tried ---------------------------------------------------------------------------------------------


def test_unread_policy_and_one_with_a_damaged_part_have_no_edit() -> None:
    damaged = trust(
        admits(VENDOR),
        admits(LAMBDA) | {},
    )
    damaged["Statement"].append({"Effect": "Allow", "Principal": {"AWS": HERE}, "Action": 5})
    remedy = only(damaged).remediation
    assert (remedy.diff, remedy.effect) == ("", path_remedies._REFUSED)
    unread = paths(role(OWNER, "R", None, USING, complete=False))
    assert {(f.remediation.diff, f.remediation.effect) for f in unread} == {("", path_remedies._UNREAD)}
    broken = paths(role(OWNER, "R", "not json", USING))
    assert {(f.remediation.diff, f.remediation.effect) for f in broken} == {("", path_remedies._NO_EDIT)}


def test_principal_that_does_not_exist_is_a_note() -> None:
    ghosts = [iam(OWNER, f"role/Ghost{n}") for n in range(4)]
    remedy = only(admits({"AWS": [VENDOR, *ghosts]})).remediation
    assert "AWS refuses to save the policy as long as it names" in remedy.risk_note
    assert " and 1 more, which does not exist." in remedy.risk_note


def test_too_many_findings_or_too_much_work_say_that_nothing_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    vendors = admits({"AWS": [VENDOR, OTHER]})
    monkeypatch.setattr(path_remedies, "MOST_FINDINGS", 1)
    tried, left = paths(role(OWNER, "R", vendors, USING))
    assert tried.remediation.verified
    assert (left.remediation.diff, left.remediation.effect) == ("", path_remedies._NOT_TRIED)
    monkeypatch.setattr(path_remedies, "MOST_FINDINGS", 50)
    monkeypatch.setattr(path_remedies, "MOST_WORK", 0)
    assert {f.remediation.effect for f in paths(role(OWNER, "R", vendors, USING))} == {TRIED, path_remedies._NOT_TRIED}


def test_remedies_can_be_left_out() -> None:
    assert only(admits(VENDOR), remedies=False).remediation.diff == ""


# -- roles further along ----------------------------------------------------------------------------------------------


def chained(account: str, trust_of_last: Any) -> World:
    """A stranger who enters a role of an account, which assumes a second one."""
    entry = role(account, "Entry", admits(iam(STRANGER, "root")), policy(allow(None, "sts:AssumeRole")))
    return world(entry, role(OWNER, "Last", trust_of_last, USING), DELEGATING)


def shut(account: str) -> tuple[World, World]:
    """The chain with the second role as it is, and with a trust policy that names the entry role no more."""
    entry, own = iam(account, "role/Entry"), iam(OWNER, "role/Operator")
    return chained(account, admits({"AWS": [entry, own]})), chained(account, admits(own))


def test_edit_of_a_later_role_takes_the_finding_of_the_foreign_role_before_it_as_well() -> None:
    before, after = (analyzed(given).of(Kind.ASSUMED_ROLE_PATH) for given in shut(MEMBER))
    assert {f.grantee.selector for f in before} == {iam(STRANGER, "root"), iam(MEMBER, "role/Entry")}
    assert after == []


def test_edit_of_a_later_role_takes_it_from_a_role_of_its_own_account() -> None:
    before, after = shut(OWNER)
    assert len(analyzed(before).of(Kind.ASSUMED_ROLE_PATH)) == 1
    assert analyzed(after).of(Kind.ASSUMED_ROLE_PATH) == []
    own = resolve_caller(before, iam(OWNER, "role/Entry"))
    ranks = [step(given, own, given.principals[iam(OWNER, "role/Last")], ASSUME).rank for given in (before, after)]
    assert ranks == [SURE, NEVER]


def test_remedy_of_a_chain_edits_the_role_that_is_entered() -> None:
    for where in (OWNER, MEMBER):
        found = analyzed(shut(where)[0], remedies=True).of(Kind.ASSUMED_ROLE_PATH)
        remedy = next(f for f in found if f.grantee.account_id == STRANGER).remediation
        assert remedy.verified
        assert "role/Entry" in remedy.diff.splitlines()[0]
        assert "Last" not in remedy.diff
