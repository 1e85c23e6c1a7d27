"""Whom the forms of a principal match, in Allow and in Deny (R2.2 to R2.16, R3.10 to R3.13)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.decision.decide import decide
from scanner.analyze.request.caller import (
    UnknownPrincipalError,
    any_identity_of,
    anyone,
    federated_of,
    is_service_name,
    resolve_caller,
)
from scanner.model.decision import Verdict
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

from builders import (
    MEMBER,
    OWNER,
    STRANGER,
    allow,
    ask,
    deny,
    iam,
    key,
    policy,
    principal,
    request,
    world,
)

A, C, D, U = Verdict.ALLOWED, Verdict.CONDITIONAL, Verdict.DENIED, Verdict.UNKNOWN
IAM = policy(allow(None, "kms:*"))


def population(*statements: dict[str, Any], **parts: Any) -> World:
    """The same user, role and sessions in OWNER and MEMBER, all with every permission in IAM."""
    people = []
    for where in (OWNER, MEMBER):
        people += [
            principal(iam(where, "role/App"), IAM, unique_id=f"AROA{where}"),
            principal(iam(where, "role/team/Ops"), IAM),
            principal(iam(where, "user/Ann"), IAM, unique_id=f"AIDA{where}"),
        ]
    return world(key(*statements), *people, **parts)


ENTRIES: list[tuple[object, str, Verdict, Verdict]] = [
    # principal element (OWNER stands for both accounts), caller's identity, verdict as Allow, as Deny beside an Allow
    ("{}:root", "role/App", A, D),
    ("{}:root", "user/Ann", A, D),
    ("{}:root", "root", A, D),
    ("{}", "role/App", A, D),
    ("{}:role/App", "role/App", A, D),
    ("{}:role/App", "assumed-role/App/blue", A, D),
    ("{}:role/App", "user/Ann", D, A),
    ("{}:role/App", "root", D, A),
    ("{}:role/team/Ops", "assumed-role/Ops/blue", A, D),
    ("{}:role/Ops", "role/team/Ops", D, A),
    ("{}:user/Ann", "user/Ann", A, D),
    ("{}:user/Ann", "role/App", D, A),
    ("{}:assumed-role/App/blue", "assumed-role/App/blue", A, D),
    ("{}:assumed-role/App/blue", "assumed-role/App/green", D, A),
    ("{}:assumed-role/App/blue", "role/App", C, C),
    ("{}:assumed-role/Ops/blue", "assumed-role/Ops/blue", A, D),
    ("{}:role/*", "role/App", D, A),
    ("{}:group/Devs", "user/Ann", D, A),
    ("AROA{}", "role/App", A, D),
    ("AROA{}", "assumed-role/App/blue", A, D),
    ("AROA{}", "role/team/Ops", D, A),
    ("AIDA{}", "user/Ann", A, D),
    ("AIDAGONE", "user/Ann", D, A),
    ("*", "role/App", A, D),
    ("*", "root", A, D),
    ({"AWS": "*"}, "user/Ann", A, D),
    ({"Federated": "cognito-identity.amazonaws.com"}, "role/App", D, A),
    ({"CanonicalUser": "79a59d"}, "role/App", D, A),
    ({"Service": "logs.amazonaws.com"}, "role/App", D, A),
    ({"AWS": ["{}:user/Ann", "{}:role/App"]}, "role/App", A, D),
    ({"Service": "logs.amazonaws.com", "AWS": "{}:role/App"}, "role/App", A, D),
    ({"AWS": []}, "role/App", D, A),
]


def written(entry: object, where: str) -> object:
    """The entry with an account filled in."""
    if isinstance(entry, dict):
        return {name: written(value, where) for name, value in entry.items()}
    if isinstance(entry, list):
        return [written(value, where) for value in entry]
    text = str(entry)
    if text.startswith("{}:"):
        return iam(where, text.removeprefix("{}:"))
    return text.replace("{}", where)


@pytest.mark.parametrize("where", [OWNER, MEMBER])
@pytest.mark.parametrize(("entry", "who", "as_allow", "as_deny"), ENTRIES)
def test_principal_form_matches(where: str, entry: object, who: str, as_allow: Verdict, as_deny: Verdict) -> None:
    named = written(entry, where)
    caller = iam(where, who)
    assert ask(population(allow(named)), caller).verdict is as_allow
    assert ask(population(allow("*"), deny(named)), caller).verdict is as_deny


@pytest.mark.parametrize("entry", ["{}:root", "{}:role/App", "{}", "AROA{}"])
def test_principal_of_another_account_is_not_matched(entry: str) -> None:
    assert ask(population(allow(written(entry, STRANGER))), iam(MEMBER, "role/App")).verdict is D


def test_names_in_documents_are_taken_as_written() -> None:
    assert ask(population(allow(iam(MEMBER, "role/app"))), iam(MEMBER, "role/App")).verdict is D
    other_partition = iam(MEMBER, "role/App").replace("arn:aws:", "arn:aws-cn:")
    assert ask(population(allow(other_partition)), iam(MEMBER, "role/App")).verdict is D


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (allow({"Service": "logs.amazonaws.com"}), A),
        (allow({"Service": ["sns.amazonaws.com", "logs.amazonaws.com"]}), A),
        (allow({"Service": "logs.eu-west-1.amazonaws.com"}), D),
        (allow("*"), A),
        (allow(iam(OWNER, "root")), D),
        (allow({"Service": "logs.amazonaws.com"}, when={"StringEquals": {"aws:SourceAccount": OWNER}}), C),
        (allow("*", when={"StringEquals": {"aws:PrincipalAccount": OWNER}}), D),
        (allow("*", when={"Bool": {"aws:PrincipalIsAWSService": "true"}}), A),
    ],
)
def test_service_is_admitted_by_its_own_name_or_by_everybody(statement: dict[str, Any], expected: Verdict) -> None:
    assert ask(population(statement), "logs.amazonaws.com").verdict is expected


# -- same account and cross-account (R3.10 to R3.26) ------------------------------------------------------------------

SAME_ACCOUNT = [
    # who the key names, identity policies, boundary, verdict for a role or user of the key's own account
    ("role/App", "role/App", [], None, A),
    ("root", "role/App", [], None, D),
    ("root", "role/App", [IAM], None, A),
    ("root", "role/App", [IAM], policy(allow(None, "s3:*")), D),
    ("role/App", "role/App", [], policy(allow(None, "s3:*")), D),
    ("role/App", "role/App", [], IAM, A),
    ("user/Ann", "user/Ann", [], policy(allow(None, "s3:*")), A),
    ("*", "role/App", [], policy(allow(None, "s3:*")), A),
    ("assumed-role/App/blue", "assumed-role/App/blue", [], policy(allow(None, "s3:*")), A),
    ("user/Ann", "user/Ann", [policy(deny())], None, D),
    ("user/Ann", "user/Ann", [], policy(deny()), D),
    ("*", "role/App", [policy(deny())], None, D),
]


@pytest.mark.parametrize(("named", "who", "documents", "boundary", "expected"), SAME_ACCOUNT)
def test_inside_one_account_the_form_decides_what_limits(
    named: str, who: str, documents: list[Any], boundary: Any, expected: Verdict
) -> None:
    behind = "role/App" if who.startswith("assumed-role") else who
    given = world(
        key(allow("*" if named == "*" else iam(OWNER, named))),
        principal(iam(OWNER, behind), *documents, boundary=boundary),
    )
    assert ask(given, iam(OWNER, who)).verdict is expected


@pytest.mark.parametrize("named", ["role/App", "root", "*", "assumed-role/App/blue"])
def test_across_accounts_both_sides_must_allow(named: str) -> None:
    statement = allow("*" if named == "*" else iam(MEMBER, named))
    who = iam(MEMBER, "assumed-role/App/blue")
    for documents, boundary, expected in (
        ([IAM], None, A), ([], None, D), ([IAM], policy(allow(None, "s3:*")), D), ([IAM, policy(deny())], None, D),
    ):  # fmt: skip
        given = world(key(statement), principal(iam(MEMBER, "role/App"), *documents, boundary=boundary))
        assert ask(given, who).verdict is expected
    assert ask(world(key(), principal(iam(MEMBER, "role/App"), IAM)), who).reason == "no_key_side"


def test_root_user_of_a_named_account_needs_no_identity_policy() -> None:
    given = world(key(allow(iam(MEMBER, "root"))))
    assert ask(given, iam(MEMBER, "root")).verdict is A
    assert ask(given, iam(MEMBER, "role/App")).reason == "no_identity_policy"


def test_account_nobody_collected_leaves_the_caller_side_unknown() -> None:
    given = world(key(allow(iam(STRANGER, "role/App"))))
    decision = ask(given, iam(STRANGER, "role/App"))
    assert (decision.verdict, decision.reason) == (U, "caller_side_not_collected")
    assert ask(given, iam(STRANGER, "role/Other")).verdict is D


def test_unique_id_of_an_account_nobody_collected_is_unknown() -> None:
    assert ask(world(key(allow("AROAELSEWHERE"))), iam(STRANGER, "role/App")).verdict is U
    assert ask(world(key(allow("AIDAELSEWHERE"))), iam(STRANGER, "role/App")).verdict is D


@pytest.mark.parametrize(
    ("action", "who", "reason"),
    [
        ("kms:PutKeyPolicy", iam(MEMBER, "role/App"), "not_cross_account"),
        ("kms:Sign", iam(MEMBER, "role/App"), "key_usage"),
        ("kms:Decrypt", iam(MEMBER, "role/App").replace("arn:aws:", "arn:aws-cn:"), "partition"),
    ],
)
def test_facts_refuse_before_any_policy(action: str, who: str, reason: str) -> None:
    given = population(allow("*", "kms:*"))
    assert (ask(given, who, action).verdict, ask(given, who, action).reason) == (D, reason)
    assert ask(given, iam(OWNER, "role/App"), "kms:PutKeyPolicy").verdict is A


def test_alias_names_the_key_only_where_the_operation_takes_one() -> None:
    given = population(allow("*", "kms:*"))
    assert ask(given, iam(MEMBER, "role/App"), alias="alias/app").verdict is A
    assert ask(given, iam(MEMBER, "role/App"), "kms:CreateGrant", alias="alias/app").reason == "addressing"


def test_aws_managed_key_is_never_used_from_another_account() -> None:
    managed = world(key(allow("*"), manager="AWS"), principal(iam(MEMBER, "role/App"), IAM))
    assert ask(managed, iam(MEMBER, "role/App")).reason == "aws_managed_key"
    assert ask(managed, iam(OWNER, "role/App")).verdict is A


# -- federated users (R2.7, R3.13, R3.73) -----------------------------------------------------------------------------

BOB, ANN = iam(OWNER, "federated-user/Bob"), iam(OWNER, "user/Ann")
FEDERATED = [
    (BOB, None, A), (BOB, [], A), (ANN, [], D), (ANN, [IAM], A), (ANN, [policy(allow(None, "s3:*"))], D),
    (iam(OWNER, "root"), [IAM], A), (iam(OWNER, "root"), [], D), (iam(OWNER, "federated-user/Eve"), [IAM], D),
]  # fmt: skip


@pytest.mark.parametrize(("named", "sessions", "expected"), FEDERATED)
def test_federated_user_is_reached_by_own_arn_or_through_the_user(
    named: str, sessions: list[Any] | None, expected: Verdict
) -> None:
    bob = principal(BOB, parent=ANN, session_policies=[] if sessions is None else sessions)
    given = world(key(allow(named)), principal(ANN, IAM), bob)
    assert ask(given, BOB).verdict is expected


def test_federated_user_is_reached_through_the_unique_id_of_its_user() -> None:
    for unique_id, expected in (("AIDAANN", A), ("AIDAEVE", D)):
        bob = principal(BOB, parent=ANN, session_policies=[IAM])
        given = world(key(allow("AIDAANN")), principal(ANN, IAM, unique_id=unique_id), bob)
        assert ask(given, BOB).verdict is expected


def test_session_of_an_unread_account_may_be_of_the_named_role_with_a_path() -> None:
    session = iam(STRANGER, "assumed-role/App/x")
    for path, expected in (("team/App", U), ("team/Other", D)):
        assert ask(world(key(allow(iam(STRANGER, f"role/{path}")))), session).verdict is expected


def test_session_a_user_may_start_may_be_the_federated_user_that_is_named() -> None:
    given = world(key(allow(BOB)), principal(ANN, IAM))
    session = federated_of(resolve_caller(given, ANN))
    asked = replace(request(given, ANN), caller=session)
    decision = decide(given, asked)
    assert (decision.verdict, decision.reason) == (U, "caller_side_not_collected")
    elsewhere = world(key(allow(iam(MEMBER, "federated-user/Bob"))), principal(ANN, IAM))
    assert decide(elsewhere, replace(request(elsewhere, ANN), caller=session)).verdict is D


def test_federated_user_that_is_not_listed_has_an_unknown_caller_side() -> None:
    assert ask(world(key(allow(iam(OWNER, "root"))), principal(ANN, IAM)), BOB).reason == "caller_side_not_collected"
    assert ask(world(key(allow(ANN)), principal(ANN, IAM)), BOB).verdict is U


# -- NotPrincipal (R2.15, R2.16) --------------------------------------------------------------------------------------

EXEMPTIONS = [
    # listed in NotPrincipal of a Deny, caller, verdict
    (["role/App", "root"], "role/App", A),
    (["role/App", "root"], "assumed-role/App/blue", A),
    (["role/App"], "role/App", U),
    (["root"], "role/App", D),
    (["root"], "root", A),
    (["user/Ann", "root"], "role/App", D),
    (["assumed-role/App/blue"], "assumed-role/App/blue", U),
    (["assumed-role/App/blue", "role/App", "root"], "assumed-role/App/green", A),
]


@pytest.mark.parametrize(("listed", "who", "expected"), EXEMPTIONS)
def test_not_principal_in_a_deny_spares_the_identity_with_its_account(
    listed: list[str], who: str, expected: Verdict
) -> None:
    statement = deny(None, NotPrincipal={"AWS": [iam(MEMBER, one) for one in listed]})
    assert ask(population(allow("*"), statement), iam(MEMBER, who)).verdict is expected


def test_not_principal_never_spares_who_has_a_boundary() -> None:
    listed = {"AWS": [iam(MEMBER, "role/App"), iam(MEMBER, "root")]}
    bounded = principal(iam(MEMBER, "role/App"), IAM, boundary=IAM)
    given = world(key(allow("*"), deny(None, NotPrincipal=listed)), bounded)
    assert ask(given, iam(MEMBER, "role/App")).verdict is D


def test_not_principal_with_everybody_denies_nobody_and_in_an_allow_means_the_others() -> None:
    assert ask(population(allow("*"), deny(None, NotPrincipal="*")), iam(MEMBER, "role/App")).verdict is A
    others = population(allow(None, NotPrincipal={"AWS": iam(MEMBER, "role/App")}))
    assert ask(others, iam(MEMBER, "role/App")).verdict is D
    assert ask(others, iam(MEMBER, "user/Ann")).verdict is A


UNREAD_EXEMPTIONS: list[tuple[list[str], dict[str, Any], Verdict]] = [
    # listed in NotPrincipal of a Deny, what the request says of the caller, verdict
    (["role/App", "root"], {}, U),
    (["assumed-role/App/x"], {}, U),
    (["role/App", "root"], {"aws:principalarn": (iam(STRANGER, "role/App"),)}, U),
    (["role/App", "root"], {"aws:principalarn": (iam(STRANGER, "role/Other"),)}, D),
    (["role/App", "root"], {"aws:principalarn": ()}, D),
    (["root"], {"aws:principalarn": (iam(STRANGER, "role/App"),)}, D),
    (["root"], {"aws:principalarn": (iam(STRANGER, "root"),)}, U),
]


@pytest.mark.parametrize(("listed", "context", "expected"), UNREAD_EXEMPTIONS)
def test_not_principal_spares_an_identity_nobody_read_only_where_it_may_be_listed(
    listed: list[str], context: dict[str, Any], expected: Verdict
) -> None:
    exempt = deny(None, NotPrincipal={"AWS": [iam(STRANGER, one) for one in listed]})
    given = world(key(allow("*"), exempt))
    asked = request(given, iam(STRANGER, "root"), context=context)
    assert decide(given, replace(asked, caller=any_identity_of(given, STRANGER, "aws"))).verdict is expected


def test_not_principal_with_a_service_spares_that_service() -> None:
    given = population(allow("*"), deny(None, NotPrincipal={"Service": "logs.amazonaws.com"}))
    assert ask(given, "logs.amazonaws.com").verdict is A
    assert ask(given, "sns.amazonaws.com").verdict is D


# -- session tags (R6.6) ----------------------------------------------------------------------------------------------

TEAM = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
TRUSTS: list[tuple[dict[str, Any] | None, dict[str, str], Verdict]] = [
    (None, {"team": "blue"}, A),
    (None, {}, D),
    (policy(allow(iam(OWNER, "root"), "sts:AssumeRole")), {"team": "blue"}, A),
    (policy(allow(iam(OWNER, "root"), "sts:AssumeRole", "sts:TagSession")), {"team": "blue"}, C),
    (policy(allow(iam(OWNER, "root"), "sts:*")), {}, C),
    (policy(deny(iam(OWNER, "root"), "sts:TagSession")), {}, D),
    (policy(allow(iam(OWNER, "root"), "sts:Tag*", when={"ForAllValues:StringEquals": {"aws:TagKeys": "cost"}})), {}, D),
    (policy(allow(iam(OWNER, "root"), "sts:Tag*", when={"ForAllValues:StringLike": {"aws:TagKeys": "TE*"}})), {}, C),
    (policy(allow(iam(OWNER, "root"), "sts:*", when={"StringEquals": {"aws:RequestTag/team": ["red"]}})), {}, D),
    (policy(allow(iam(OWNER, "root"), "sts:*", when={"StringEquals": {"aws:RequestTag/team": ["blue"]}})), {}, C),
    (
        policy(allow(iam(OWNER, "root"), "sts:*", when={"StringEquals": {"aws:RequestTag/team": "blue"}})),
        {"team": "blue"},
        A,
    ),
    (policy({"Effect": "Allow", "Action": "sts:TagSession"}), {"team": "red"}, U),
    (policy() | {"Statement": ["nonsense"]}, {"team": "red"}, U),
    (
        policy(allow("*", "sts:*", when={"StringEquals": {"aws:RequestTag/team": ["red", "${aws:username}"]}})),
        {"team": "red"},
        C,
    ),
]


@pytest.mark.parametrize(("trust", "tags", "expected"), TRUSTS)
def test_tag_of_a_role_is_as_open_as_its_trust_policy(
    trust: dict[str, Any] | None, tags: dict[str, str], expected: Verdict
) -> None:
    role = principal(iam(MEMBER, "role/App"), IAM, tags=tags, trust=trust)
    given = world(key(allow(iam(MEMBER, "root"), when=TEAM)), role)
    assert ask(given, iam(MEMBER, "role/App")).verdict is expected


def test_listed_session_has_exactly_its_tags_over_those_of_the_role() -> None:
    role = principal(iam(MEMBER, "role/App"), IAM, tags={"team": "blue"}, trust=policy(allow("*", "sts:TagSession")))
    arn = iam(MEMBER, "assumed-role/App/one")
    for tags, expected in (({}, A), ({"TEAM": "red"}, D), ({"team": "blue"}, A)):
        session = principal(arn, parent=role.arn, session_tags=tags)
        assert ask(world(key(allow(iam(MEMBER, "root"), when=TEAM)), role, session), arn).verdict is expected


# -- resolving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "App",
        "arn:aws:iam::1",
        "arn:aws:iam::111122223333:group/Devs",
        "arn:aws:sts::111122223333:assumed-role/App",
        "arn:aws:s3:::bucket",
        "*",
    ],
)
def test_text_that_names_no_caller_is_refused(text: str) -> None:
    with pytest.raises(UnknownPrincipalError):
        resolve_caller(world(), text)


def test_session_belongs_to_the_role_with_that_last_path_segment() -> None:
    given = population()
    caller = resolve_caller(given, iam(MEMBER, "assumed-role/Ops/blue"))
    assert (caller.principal_arn, caller.session_name) == (iam(MEMBER, "role/team/Ops"), "blue")
    other = resolve_caller(given, iam(MEMBER, "assumed-role/None/blue"))
    assert (other.principal_arn, other.identity_policies) == (iam(MEMBER, "role/None"), ())


def test_stand_ins_are_not_collected() -> None:
    given = world()
    assert any_identity_of(given, STRANGER, "aws").kind is PrincipalKind.ACCOUNT
    assert anyone("aws").kind is PrincipalKind.ANY
    assert not any_identity_of(given, STRANGER, "aws").collected


@pytest.mark.parametrize(
    ("text", "is_service"), [("logs.amazonaws.com", True), ("AROA1", False), ("a b.c", False), ("a/b.c", False)]
)
def test_service_is_a_bare_host_name(text: str, is_service: bool) -> None:
    assert is_service_name(text) is is_service


def test_unread_identity_of_one_principal_is_unknown_and_says_where() -> None:
    broken = principal(iam(MEMBER, "role/App"), IAM, complete=False, gap="the/ledger/row/")
    decision = ask(world(key(allow(iam(MEMBER, "root"))), broken), iam(MEMBER, "role/App"))
    assert (decision.verdict, decision.rules) == (U, ("the/ledger/row/",))
