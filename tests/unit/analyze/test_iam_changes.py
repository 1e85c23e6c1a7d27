"""Paths by which an outsider makes a role into more: roles passed to services, changes to IAM itself (R7.8, R8.9)."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.paths.forms import Form, world_in
from scanner.analyze.paths.path_words import steps_in_words
from scanner.analyze.paths.paths import Paths
from scanner.analyze.principals.likeness import Likeness
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.model.finding import Finding, Kind
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalFacts

from builders import (
    KEY,
    MEMBER,
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
    text,
    world,
)
from role_worlds import ASSUMING, DELEGATING, USING, admits, followed, only_path, paths, role

VENDOR = iam(STRANGER, "root")
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
LAMBDA = ("iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction")
TAKES_OVER = {"control", "decrypt", "delegate"}


def entry(*statements: Any, **facts: Any) -> PrincipalFacts:
    """The role that the outsider enters."""
    return role(OWNER, "Entry", admits(VENDOR), policy(*statements), **facts)


def run_by(service: str, name: str = "Function", *documents: Any, when: Any = None, **facts: Any) -> PrincipalFacts:
    """A role that a service assumes; it may decrypt."""
    return role(OWNER, name, admits({"Service": service}, when=when), *(documents or (USING,)), **facts)


def edges(finding: Finding) -> list[str]:
    """How every step after the entry is made."""
    return [hop.edge for hop in finding.path.hops[1:]]


def verdict(finding: Finding) -> tuple[str, str]:
    """The verdict with its first reason."""
    return finding.verdict.value, finding.verdict_reasons[0]


FUNCTION = run_by("lambda.amazonaws.com")
EVERY_LAUNCH = " + ".join(LAMBDA)


# -- roles passed to services -----------------------------------------------------------------------------------------


def test_role_passed_to_function_is_reached_with_the_actions_that_it_takes() -> None:
    found = only_path(entry(allow(None, *LAMBDA)), FUNCTION)
    assert verdict(found) == ("confirmed", "delegated_to_third_party")
    assert edges(found) == [EVERY_LAUNCH]
    assert [h.role_arn for h in found.path.hops] == [iam(OWNER, "role/Entry"), FUNCTION.arn]
    assert "passes role/Function of 111122223333 to AWS Lambda and runs as it (iam:PassRole + lambda:" in found.summary
    assert {"R7.8", "R8.9"} <= {r.rule for r in found.rules}
    cited = [(e.source_arn, e.document) for e in found.evidence]
    assert (iam(OWNER, "role/Entry"), "inline policy 0") in cited
    assert found.path.hops[1].statements


def test_changes_are_not_followed_where_the_rules_say_so() -> None:
    assert not paths(entry(allow(None, *LAMBDA)), FUNCTION, iam_changes=False)


@pytest.mark.parametrize("missing", LAMBDA)
def test_every_action_of_a_launch_is_needed(missing: str) -> None:
    assert not paths(entry(allow(None, *(a for a in LAMBDA if a != missing))), FUNCTION)


def test_service_that_a_condition_names_is_known() -> None:
    passing = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    to_lambda = entry(allow(None, "iam:PassRole", when=passing), allow(None, "lambda:*"))
    assert verdict(only_path(to_lambda, FUNCTION))[0] == "confirmed"
    assert not paths(to_lambda, run_by("glue.amazonaws.com"))


def test_resource_that_the_role_is_for_is_the_callers_choice() -> None:
    chosen = {"ArnLike": {"iam:AssociatedResourceArn": "arn:aws:lambda:*:*:function:*"}}
    found = only_path(entry(allow(None, "iam:PassRole", when=chosen), allow(None, "lambda:*")), FUNCTION)
    assert verdict(found)[0] == "conditional"


def test_passing_keys_are_absent_where_no_role_is_passed() -> None:
    other = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    assert not paths(entry(allow(None, "iam:PutRolePolicy", when=other)))


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (f"arn:aws:lambda:*:{OWNER}:function:*", ("confirmed", "delegated_to_third_party")),
        ("arn:aws:lambda:*", ("confirmed", "delegated_to_third_party")),
        ("arn:aws:lambda:*:*:function:dev-*", ("possible", "launch_resource")),
        ("arn:aws:lambda:*:*:function:${aws:username}", ("possible", "launch_resource")),
        ("arn:aws:s3:::bucket", None),
    ],
)
def test_launch_limited_to_resources_is_possible_unless_it_covers_the_kind(
    resource: str, expected: tuple[str, str] | None
) -> None:
    found = paths(entry(allow(None, "iam:PassRole"), allow(None, "lambda:*", Resource=resource)), FUNCTION)
    assert [verdict(f) for f in found] == ([expected] if expected else [])


def test_resource_too_complex_to_compare_leaves_the_launch_open() -> None:
    tangled = "arn:aws:lambda:*a" + "?" * 20
    found = only_path(entry(allow(None, "iam:PassRole"), allow(None, "lambda:*", Resource=tangled)), FUNCTION)
    assert verdict(found) == ("possible", "launch_resource")


def test_launch_that_needs_what_was_not_read_is_possible() -> None:
    instance = run_by("ec2.amazonaws.com")
    found = only_path(entry(allow(None, "iam:PassRole", "ec2:RunInstances")), instance)
    assert verdict(found) == ("possible", "launch_needs_more")
    profile = entry(
        allow(None, "iam:PassRole", "ec2:RunInstances", "iam:CreateInstanceProfile", "iam:AddRoleToInstanceProfile")
    )
    assert verdict(only_path(profile, instance))[0] == "confirmed"


def test_service_without_a_documented_launch_leaves_the_path_open() -> None:
    found = only_path(entry(allow(None, "iam:PassRole")), run_by("config.amazonaws.com"))
    assert verdict(found) == ("possible", "launch_not_documented")
    assert "to config.amazonaws.com and runs as it" in found.summary


def test_role_of_which_the_trust_was_not_read_may_be_passed() -> None:
    unread = principal(iam(OWNER, "role/Function"), USING, complete=False, gap="iam/1")
    kept = entry(allow(None, "iam:PassRole"), deny(None, "sts:*"))
    (found,) = [f for f in paths(kept, unread) if f.resource.name == "Entry"]
    assert found.verdict == "possible"
    assert "trust_not_read" in found.verdict_reasons
    assert "to a service and runs as it" in found.summary


def test_trust_that_the_service_surely_fails_ends_it() -> None:
    elsewhere = {"StringEquals": {"aws:SourceAccount": MEMBER}}
    assert not paths(entry(allow(None, *LAMBDA)), run_by("lambda.amazonaws.com", when=elsewhere))
    here = {"StringEquals": {"aws:SourceAccount": OWNER}}
    assert paths(entry(allow(None, *LAMBDA)), run_by("lambda.amazonaws.com", when=here))


def test_tags_of_the_role_are_no_reliable_limit_of_passing() -> None:
    tagged = {"StringEquals": {"aws:ResourceTag/team": "one"}}
    for tags in ({"team": "one"}, {"team": "two"}):
        function = run_by("lambda.amazonaws.com", tags=tags)
        found = only_path(entry(allow(None, "iam:PassRole", when=tagged), allow(None, "lambda:*")), function)
        assert verdict(found) == ("possible", "target_tags_not_read")


# -- changes to IAM itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["iam:PutRolePolicy", "iam:AttachRolePolicy"])
def test_role_without_kms_that_rewrites_itself_has_what_keys_leave_to_iam(action: str) -> None:
    found = only_path(entry(allow(None, action)))
    assert verdict(found) == ("confirmed", "delegated_to_third_party")
    assert {"kms:PutKeyPolicy"} <= {a for c in found.capabilities for a in c.actions}
    assert edges(found) == [action]
    assert f"then changes its own permissions ({action}), and acts as it" in found.summary
    assert {"R8.9", "R7.14"} <= {r.rule for r in found.rules}
    assert not any(gate.statements for gate in found.path.layers if gate.layer == "iam")


def test_key_that_delegates_nothing_is_not_opened_by_rewriting() -> None:
    assert not paths(entry(allow(None, "iam:PutRolePolicy")), key(allow(iam(OWNER, "role/Other"), "kms:*")))


def test_unconditional_administrator_adds_nothing_to_itself() -> None:
    found = only_path(entry(allow(None, "*")))
    assert not edges(found)


def test_condition_on_a_change_is_told_with_it() -> None:
    found = only_path(entry(allow(None, "iam:PutRolePolicy", when=MFA)))
    assert verdict(found) == ("conditional", "residual_condition")
    assert "aws:MultiFactorAuthPresent = true (when role/Entry is changed)" in found.summary


@pytest.mark.parametrize("name", ["iam:PermissionsBoundary", "iam:PolicyARN"])
def test_condition_on_what_is_written_is_neither_refusal_nor_sure(name: str) -> None:
    when = {"StringEquals": {name: f"arn:aws:iam::{OWNER}:policy/Limits"}}
    for action in ("iam:PutRolePolicy", "iam:AttachRolePolicy"):
        assert verdict(only_path(entry(allow(None, action, when=when)))) == ("possible", "unknown_condition_key")


@pytest.mark.parametrize(("tag", "reached"), [("yes", True), ("no", False)])
@pytest.mark.parametrize("name", ["aws:ResourceTag/open", "iam:ResourceTag/open"])
def test_tags_of_the_changed_role_count(name: str, tag: str, reached: bool) -> None:
    when = {"StringEquals": {name: "yes"}}
    assert bool(paths(entry(allow(None, "iam:PutRolePolicy", when=when), tags={"open": tag}))) is reached


def test_deny_among_the_permissions_makes_rewriting_possible_only() -> None:
    found = only_path(entry(allow(None, "iam:PutRolePolicy"), deny(None, "kms:*")))
    assert verdict(found) == ("possible", "deny_may_remain")


def test_guardrails_limit_changes_and_what_they_give() -> None:
    changes = entry(allow(None, "iam:PutRolePolicy"))
    everything = policy(allow(None, "*"))
    for denied in ("iam:*", "kms:*"):
        scps = {OWNER: (everything, policy(deny(None, denied)))}
        assert not paths(changes, organization(scps=scps), account(OWNER))
    assert paths(changes, organization(scps={OWNER: (everything,)}), account(OWNER))


def test_boundary_limits_what_is_rewritten_unless_it_is_lifted() -> None:
    limits = policy(allow(None, "iam:PutRolePolicy", "kms:Decrypt"))
    bounded = only_path(entry(allow(None, "iam:PutRolePolicy"), boundary=limits))
    assert {a for c in bounded.capabilities for a in c.actions} == {"kms:Decrypt"}
    lifts = policy(allow(None, "iam:*"))
    lifted = only_path(entry(allow(None, "iam:PutRolePolicy", "iam:DeleteRolePermissionsBoundary"), boundary=lifts))
    assert edges(lifted) == ["iam:PutRolePolicy + iam:DeleteRolePermissionsBoundary"]
    assert "changes its own permissions and permissions boundary" in lifted.summary


def test_boundary_is_lifted_once_permissions_are_rewritten() -> None:
    found = only_path(entry(allow(None, "iam:PutRolePolicy"), boundary=policy(allow(None, "iam:*"))))
    assert edges(found) == ["iam:PutRolePolicy", "iam:DeleteRolePermissionsBoundary"]
    assert "then changes its own permissions boundary (iam:DeleteRolePermissionsBoundary)" in found.summary


def test_boundary_alone_is_lifted_for_permissions_that_wait_behind_it() -> None:
    waiting = entry(
        allow(None, "iam:DeleteRolePermissionsBoundary", "kms:Decrypt"), boundary=policy(allow(None, "iam:*"))
    )
    found = only_path(waiting)
    assert {a for c in found.capabilities for a in c.actions} == {"kms:Decrypt"}
    assert edges(found) == ["iam:DeleteRolePermissionsBoundary"]


VERSIONS = ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion")


@pytest.mark.parametrize(
    ("actions", "expected"), [(VERSIONS, "confirmed"), (VERSIONS[:1], "possible"), (VERSIONS[1:], None)]
)
def test_customer_managed_policy_is_rewritten_by_a_new_version(actions: tuple[str, ...], expected: str | None) -> None:
    managed = text(
        policy(allow(None, *actions)), DocumentKind.IDENTITY, f"arn:aws:iam::{OWNER}:policy/Own", "managed policy Own"
    )
    holder = entry()
    found = paths(PrincipalFacts(**facts_of(holder) | {"identity_policies": (managed,)}))
    assert [f.verdict.value for f in found] == ([expected] if expected else [])


def test_policy_of_aws_has_no_new_versions() -> None:
    managed = text(policy(allow(None, *VERSIONS)), DocumentKind.IDENTITY, "arn:aws:iam::aws:policy/Some", "managed")
    assert not paths(PrincipalFacts(**facts_of(entry()) | {"identity_policies": (managed,)}))


def facts_of(holder: PrincipalFacts) -> dict[str, Any]:
    """The fields of a principal."""
    return {name: getattr(holder, name) for name in holder.__dataclass_fields__}


def test_trust_policy_is_rewritten_to_assume_the_role() -> None:
    found = only_path(entry(allow(None, "iam:UpdateAssumeRolePolicy")), FUNCTION)
    assert verdict(found)[0] == "confirmed"
    assert edges(found) == ["iam:UpdateAssumeRolePolicy"]
    assert "lets itself into role/Function of 111122223333 (iam:UpdateAssumeRolePolicy)" in found.summary


def test_role_kept_from_assuming_may_admit_somebody_else() -> None:
    kept = entry(allow(None, "iam:UpdateAssumeRolePolicy"), boundary=policy(allow(None, "iam:*")))
    assert verdict(only_path(kept, FUNCTION)) == ("possible", "undocumented")


@pytest.mark.parametrize("path", ["aws-service-role/x.amazonaws.com", "aws-reserved/sso.amazonaws.com"])
def test_roles_that_only_aws_changes_are_not_changed(path: str) -> None:
    kept = role(OWNER, f"{path}/Kept", admits({"Service": "x.amazonaws.com"}), USING)
    assert not paths(entry(allow(None, "iam:UpdateAssumeRolePolicy")), kept)
    inside = role(OWNER, f"{path}/Kept", admits(VENDOR), policy(allow(None, "iam:PutRolePolicy")))
    assert not paths(inside)


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (("iam:CreateAccessKey",), "confirmed"),
        (("iam:CreateLoginProfile", "iam:UpdateLoginProfile"), "confirmed"),
        (("iam:CreateLoginProfile",), "possible"),
        (("iam:UpdateLoginProfile",), "possible"),
        (("iam:PutUserPolicy",), None),
    ],
)
def test_user_is_reached_by_credentials_made_for_it(actions: tuple[str, ...], expected: str | None) -> None:
    ann = principal(iam(OWNER, "user/Ann"), USING)
    found = paths(entry(allow(None, *actions)), ann)
    assert [f.verdict.value for f in found] == ([expected] if expected else [])
    if expected:
        assert "makes credentials of user/Ann of 111122223333" in found[0].summary


def test_user_with_credentials_made_for_it_is_rewritten_as_well() -> None:
    ann = principal(iam(OWNER, "user/Ann"), boundary=policy(allow(None, "s3:*")))
    rights = ("iam:CreateAccessKey", "iam:PutUserPolicy", "iam:DeleteUserPermissionsBoundary")
    found = only_path(entry(allow(None, *rights)), ann)
    assert edges(found) == ["iam:PutUserPolicy + iam:DeleteUserPermissionsBoundary + iam:CreateAccessKey"]
    assert (
        "changes the permissions and permissions boundary of user/Ann of 111122223333 and becomes it" in found.summary
    )


def test_role_that_is_assumed_and_rewritten_in_one_step() -> None:
    other = role(OWNER, "Other", admits(iam(OWNER, "role/Entry")))
    found = only_path(entry(allow(None, "iam:PutRolePolicy", Resource=other.arn)), other)
    assert edges(found) == ["iam:PutRolePolicy + sts:AssumeRole"]
    assert len(found.path.hops[1].statements) == 2


def test_roles_of_other_accounts_are_not_changed() -> None:
    other = role(MEMBER, "Other", admits({"Service": "lambda.amazonaws.com"}), policy(allow(None, "kms:*")))
    shared = key(allow(other.arn, "kms:Decrypt"))
    assert not paths(entry(allow(None, "iam:PassRole", "lambda:*", "iam:UpdateAssumeRolePolicy")), other, shared)


def test_changed_role_goes_on_to_another_account() -> None:
    far = role(MEMBER, "Far", admits(iam(OWNER, "role/Entry")), USING)
    there = key(allow(iam(MEMBER, "root"), "kms:*"), arn=KEY.replace(OWNER, MEMBER))
    found = only_path(entry(allow(None, "iam:PutRolePolicy")), far, there)
    assert edges(found) == ["iam:PutRolePolicy", "sts:AssumeRole"]
    assert (
        "then changes its own permissions (iam:PutRolePolicy), then assumes role/Far of 444455556666" in found.summary
    )


def test_unread_permissions_make_changes_possible() -> None:
    unread = entry(complete=False, gap="iam/1")
    found = only_path(unread, FUNCTION)
    assert found.verdict == "possible"


def test_damaged_policy_may_allow_changes() -> None:
    broken = text("{", DocumentKind.IDENTITY, iam(OWNER, "role/Entry"), "inline policy 0")
    found = only_path(PrincipalFacts(**facts_of(entry()) | {"identity_policies": (broken,)}))
    assert found.verdict == "possible"


# -- what adds nothing is not asked about -----------------------------------------------------------------------------


def test_administrator_reaches_roles_that_keys_name_and_no_others() -> None:
    named = key(allow(iam(OWNER, "root"), "kms:*"), allow(FUNCTION.arn, "kms:Decrypt"), arn=f"{KEY[:-1]}1")
    alone = key(allow(iam(OWNER, "role/Function"), "kms:Decrypt"), arn=f"{KEY[:-1]}2")
    plain = [role(OWNER, f"Plain{i}", admits({"Service": "lambda.amazonaws.com"}), USING) for i in range(5)]
    drawn = world(entry(allow(None, "*")), FUNCTION, *plain, named, alone)
    reached = Paths(Population(drawn), drawn.keys.values(), Trust()).graph.closure(iam(OWNER, "role/Entry"))
    assert {n.split(" ")[0].rsplit("/", 1)[-1] for n in reached.chains} == {"Entry", "Function"}
    (found,) = analyzed(drawn).of(Kind.ASSUMED_ROLE_PATH)
    assert found.keys_total == 2


def test_administrator_asks_the_next_of_a_kind_where_one_is_kept_from_it() -> None:
    roles = [role(OWNER, name, admits({"Service": "x.amazonaws.com"})) for name in ("Kept1", "Kept2", "Last")]
    kept = policy(deny(None, "iam:*", Resource=f"arn:aws:iam::{OWNER}:role/Kept*"))
    named = key(
        allow({"AWS": [f"arn:aws:iam::{OWNER}:role/{n}" for n in ("Kept1",)]}, "kms:Decrypt"),
        allow("*", "kms:Decrypt", when={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OWNER}:role/*1"}}),
    )
    scps = organization(scps={OWNER: (policy(allow(None, "*")), kept)})
    found = paths(entry(allow(None, "*")), *roles, named, scps, account(OWNER))
    assert all("Kept" not in hop.role_arn for f in found for hop in f.path.hops if hop.is_change)


@pytest.mark.parametrize(
    "statement",
    [
        allow("*", "kms:Decrypt", when={"StringEquals": {"aws:PrincipalTag/team": "blue"}}),
        allow("*", "kms:Decrypt", when={"StringLike": {"aws:userid": "AROAFUNCTION:*"}}),
        allow("*", "kms:Decrypt", when={"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OWNER}:role/Fun*"}}),
        allow(iam(OWNER, "assumed-role/Function/one"), "kms:Decrypt"),
        allow("AROAFUNCTION", "kms:Decrypt"),
    ],
)
def test_administrator_becomes_whoever_a_key_tells_apart(statement: Any) -> None:
    function = run_by("lambda.amazonaws.com", tags={"team": "blue"}, unique_id="AROAFUNCTION")
    found = paths(entry(allow(None, "*")), function, run_by("lambda.amazonaws.com", "Other"), key(statement))
    assert FUNCTION.arn in {hop.role_arn for f in found for hop in f.path.hops}


@pytest.mark.parametrize(
    ("variable", "apart"),
    [("${aws:PrincipalArn}", True), ("${aws:PrincipalTag/team}", False), ("${aws:PrincipalOrgID}", False)],
)
def test_variable_tells_apart_where_a_name_can_stand_in_it(variable: str, apart: bool) -> None:
    written = policy(allow("*", when={"StringEquals": {"kms:EncryptionContext:owner": variable}}))
    likeness = Likeness((text(written, DocumentKind.KEY_POLICY),), ())
    signed = {likeness.of(run_by("lambda.amazonaws.com", name)) for name in ("One", "Two")}
    assert (len(signed) == 2) is apart


def test_administrator_becomes_the_grantee_of_a_grant() -> None:
    granted = key(allow(iam(OWNER, "role/Nobody")), grants=(grant(FUNCTION.arn),))
    found = only_path(entry(allow(None, "*")), FUNCTION, granted)
    assert found.path.hops[-1].role_arn == FUNCTION.arn


def test_damaged_trust_policy_makes_everybody_one_of_a_kind() -> None:
    broken = role(OWNER, "Broken", None, USING)
    trust = text("{", DocumentKind.TRUST, broken.arn, "trust policy")
    drawn = world(
        entry(allow(None, "*")), FUNCTION, PrincipalFacts(**facts_of(broken) | {"trust_policy": trust}), DELEGATING
    )
    reached = Paths(Population(drawn), drawn.keys.values(), Trust()).graph.closure(iam(OWNER, "role/Entry"))
    assert {n.split(" ")[0] for n in reached.chains} == {
        iam(OWNER, f"role/{n}") for n in ("Entry", "Function", "Broken")
    }


def test_answers_by_class_and_one_by_one_agree_after_changes() -> None:
    things = (
        entry(allow(None, "iam:*", "lambda:*")), FUNCTION, run_by("lambda.amazonaws.com", "Other"),
        role(OWNER, "Entry2", admits(VENDOR), policy(allow(None, "iam:PutRolePolicy"))),
        key(allow(iam(OWNER, "root"), "kms:*"), allow(FUNCTION.arn, "kms:Encrypt")),
    )  # fmt: skip
    both = [followed(*things, by_class=flag) for flag in (True, False)]
    assert both[0].findings == both[1].findings
    assert both[0].access == both[1].access


BY_NAME = {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Never*"}}


@pytest.mark.parametrize(
    "guards", [(), (organization(scps={OWNER: [policy(allow(None, "*"), deny(None, "s3:*", when=BY_NAME))]}),)]
)
def test_administrators_that_nothing_tells_apart_become_others_by_requests_of_their_own(guards: Any) -> None:
    first, second = (role(OWNER, f"Admin{n}", admits(VENDOR), policy(allow(None, "*"))) for n in (1, 2))
    named = role(OWNER, "Named", admits(iam(MEMBER, "root")))
    open_ = role(OWNER, "Open", admits(iam(OWNER, "root")))
    used = key(*(allow(who.arn, "kms:Decrypt") for who in (named, open_)))
    both = [followed(first, second, named, open_, used, *guards, by_class=flag) for flag in (True, False)]
    assert both[0].findings == both[1].findings
    assert both[0].access == both[1].access
    told = {f.resource.arn: {h.principal for h in f.path.hops[1:]} for f in both[0].of(Kind.ASSUMED_ROLE_PATH)}
    assert told == {first.arn: {first.arn}, second.arn: {second.arn}}


FIRST_ALONE = {"ArnNotLike": {"aws:PrincipalArn": iam(OWNER, "role/Admin1")}}


@pytest.mark.parametrize(
    ("trusted", "guards"),
    [
        (iam(OWNER, "role/Admin1"), ()),
        (iam(MEMBER, "root"), (organization(
            scps={OWNER: [policy(allow(None, "*"), deny(None, "iam:*", "sts:*", when=FIRST_ALONE))]}
        ),)),
    ],
)  # fmt: skip
def test_administrators_that_a_document_tells_apart_are_asked_each(trusted: str, guards: Any) -> None:
    first, second = (role(OWNER, f"Admin{n}", admits(VENDOR), policy(allow(None, "*"))) for n in (1, 2))
    named = role(OWNER, "Named", admits(trusted))
    used = key(allow(named.arn, "kms:Decrypt"))
    for roles in ((first, second), (second, first)):
        both = [followed(*roles, named, used, *guards, by_class=flag) for flag in (True, False)]
        assert both[0].findings == both[1].findings
        assert both[0].access == both[1].access
    paths_of = {row.path.split(" ")[0]: row.path for row in both[0].access if row.principal_arn == VENDOR}
    assert paths_of.get(first.arn) != (paths_of.get(second.arn) or "").replace("Admin2", "Admin1")


def test_administrator_of_whom_something_was_not_read_is_not_taken_for_one_who_was_read() -> None:
    read, unread = (
        role(OWNER, name, admits(VENDOR), policy(allow(None, "*")), complete=whole, gap=gap)
        for name, whole, gap in (("Admin1", True, ""), ("Admin2", False, "row"))
    )
    used = key(allow(iam(OWNER, "role/Named"), "kms:Decrypt"))
    for roles in ((read, unread), (unread, read)):
        found = followed(*roles, role(OWNER, "Named", admits(iam(MEMBER, "root"))), used)
        verdicts = {f.resource.arn: f.verdict.value for f in found.of(Kind.ASSUMED_ROLE_PATH)}
        assert verdicts == {read.arn: "confirmed", unread.arn: "possible"}


# -- where it shows ---------------------------------------------------------------------------------------------------


def test_rows_and_graph_name_the_actions() -> None:
    found = followed(entry(allow(None, *LAMBDA)), FUNCTION)
    (row,) = {r.path for r in found.access}
    assert row == f"{iam(OWNER, 'role/Entry')} > {FUNCTION.arn} ({EVERY_LAUNCH})"
    (passes,) = [e for e in found.result.graph.edges if e.kind == "may_pass"]
    assert (passes.source, passes.target, passes.actions) == (iam(OWNER, "role/Entry"), FUNCTION.arn, LAMBDA)
    assert passes.statements


def test_graph_tells_what_a_changed_role_uses_beside_what_it_is() -> None:
    far = role(MEMBER, "Far", admits(iam(OWNER, "role/Entry")), USING)
    there = key(allow(iam(MEMBER, "root"), "kms:*"), arn=KEY.replace(OWNER, MEMBER))
    found = followed(entry(allow(None, "iam:PutRolePolicy", "kms:Decrypt")), far, there, DELEGATING)
    kinds = {(e.kind, e.source, e.target, e.mechanism) for e in found.result.graph.edges}
    me = iam(OWNER, "role/Entry")
    assert ("may_change", me, me, "iam_change") in kinds
    assert ("may_use", me, KEY, "iam_change") in kinds
    assert ("may_use", me, KEY, "role") in kinds
    assert ("may_assume", me, far.arn, "trust_policy") in kinds


def test_change_of_oneself_is_no_further_role_under_the_limit() -> None:
    found = only_path(entry(allow(None, "iam:PutRolePolicy")), max_role_hops=1)
    assert edges(found) == ["iam:PutRolePolicy"]
    assert verdict(found)[0] == "confirmed"


def test_edit_of_an_entry_is_tried_on_paths_with_changes() -> None:
    found = only_path(entry(allow(None, *LAMBDA)), FUNCTION, remedies=True)
    assert found.remediation.verified


def test_roles_assumed_after_a_change_are_told_as_such() -> None:
    assert steps_in_words(()) == ""
    third = role(OWNER, "Third", admits(FUNCTION.arn), USING)
    middle = run_by("lambda.amazonaws.com", "Function", ASSUMING)
    found = only_path(entry(allow(None, *LAMBDA)), middle, third)
    assert f"({EVERY_LAUNCH}), then assumes role/Third of 111122223333" in found.summary


def test_world_of_a_form_has_everybody_and_changes_users_and_roles_alone() -> None:
    bounded = role(MEMBER, "Bounded", admits(VENDOR), USING, boundary=policy(allow(None, "kms:*")))
    anybody = principal(iam(MEMBER, "user/Ann"), USING)
    given = world(bounded, anybody, DELEGATING)
    changed = world_in(given, Form(rewritten=True, unbounded=True)).principals
    assert dict(changed.items()).keys() == given.principals.keys()
    assert len(changed) == len(given.principals)
    assert changed[bounded.arn].boundary is None
    assert changed[anybody.arn].identity_policies != given.principals[anybody.arn].identity_policies
