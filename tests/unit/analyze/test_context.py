"""Values of condition keys that hang on the action, on stand-ins for strangers, or on open policy variables."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.decision.decide import decide
from scanner.analyze.logic.axioms import axioms_for
from scanner.analyze.logic.expression import TRUE, Literal, Origin, Test, Variable, conj, present
from scanner.analyze.logic.residual import decide_expression
from scanner.analyze.request.binding import Absent, AtLeast, Known, Open
from scanner.analyze.request.caller import any_identity_of, anyone, federated_of, resolve_caller
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import GrantRequest, Request
from scanner.model.actions import find_action
from scanner.model.decision import Verdict
from scanner.model.key import GrantConstraints
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

from builders import (
    KEY,
    MEMBER,
    OWNER,
    STRANGER,
    allow,
    ask,
    deny,
    iam,
    key,
    organization,
    policy,
    principal,
    request,
    world,
)

Test.__test__ = False  # type: ignore[attr-defined]  # the class of the expressions, no test of pytest

A, C, D, U = Verdict.ALLOWED, Verdict.CONDITIONAL, Verdict.DENIED, Verdict.UNKNOWN
ROLE, LOGS = iam(MEMBER, "role/App"), "logs.amazonaws.com"


def bound(name: str, action: str = "kms:Decrypt", who: str = ROLE, *, used: Any = None, **asked: Any) -> str:
    """What a condition key is in a request: its values, `absent`, `request` or `data`."""
    given = world(used or key(), principal(ROLE))
    return told(RequestContext(given, request(given, who, action, **asked)), name)


def told(context: RequestContext, name: str, kind: DocumentKind = DocumentKind.IDENTITY) -> str:
    """A binding in one word."""
    match context.bind(name, kind):
        case Known(values):
            return ",".join(values)
        case AtLeast(values):
            return "at least " + ",".join(values)
        case Absent():
            return "absent"
        case Open(variable):
            return str(variable.origin)


OF_ACTIONS: list[tuple[str, str, str]] = [
    ("kms:EncryptionContext:App", "kms:Decrypt", "request"),
    ("kms:EncryptionContextKeys", "kms:DescribeKey", "absent"),
    ("kms:RequestAlias", "kms:Decrypt", "request"),
    ("kms:RequestAlias", "kms:CreateGrant", "absent"),
    ("kms:GrantOperations", "kms:CreateGrant", "request"),
    ("kms:GrantOperations", "kms:Decrypt", "absent"),
    ("kms:RecipientAttestation:ImageSha384", "kms:Decrypt", "request"),
    ("kms:RecipientAttestation:ImageSha384", "kms:Encrypt", "absent"),
    ("kms:SigningAlgorithm", "kms:Decrypt", "absent"),
    ("kms:PolicyName", "kms:GetKeyPolicy", "request"),
    ("aws:TagKeys", "kms:TagResource", "request"),
    ("aws:RequestTag/a", "kms:TagResource", "request"),
    ("aws:RequestTag/a", "kms:UntagResource", "absent"),
    ("kms:ViaService", "kms:Decrypt", "request"),
    ("kms:EncryptionAlgorithm", "kms:Decapsulate", "absent"),
    ("kms:RequestAlias", "kms:Decapsulate", "data"),
    ("kms:RequestAlias", "kms:BrandNew", "data"),
    ("kms:KeySpec", "kms:BrandNew", "SYMMETRIC_DEFAULT"),
    ("sts:ExternalId", "kms:Decrypt", "absent"),
    ("aws:PrincipalServiceNamesList", "kms:Decrypt", "absent"),
]


@pytest.mark.parametrize(("name", "action", "expected"), OF_ACTIONS)
def test_key_is_there_only_for_the_actions_that_carry_it(name: str, action: str, expected: str) -> None:
    assert bound(name, action) == expected


def test_key_of_an_asymmetric_key_has_no_encryption_context_and_an_open_algorithm() -> None:
    rsa = key(spec="RSA_2048")
    assert bound("kms:EncryptionContext:App", used=rsa) == "absent"
    assert bound("kms:EncryptionAlgorithm", used=rsa) == "request"
    assert bound("kms:EncryptionAlgorithm") == "SYMMETRIC_DEFAULT"


def test_given_encryption_context_is_known_and_the_rest_of_it_absent() -> None:
    pairs = {"App": "a", "More": "b"}
    assert bound("kms:EncryptionContext:app", encryption_context=pairs) == "a"
    assert bound("kms:EncryptionContext:Other", encryption_context=pairs) == "absent"
    assert bound("kms:EncryptionContextKeys", encryption_context=pairs) == "App,More"
    assert bound("kms:EncryptionContextKeys", encryption_context={}) == "absent"


def test_grant_asked_for_says_its_source_arn_and_encryption_context() -> None:
    topic = f"arn:aws:sns:eu-west-1:{OWNER}:topic"
    asked = {"SourceArn": topic, "EncryptionContextSubset": {"App": "a"}}
    wanted = GrantRequest(("Decrypt",), GrantConstraints.from_api(asked))
    free = GrantRequest(("Decrypt",), GrantConstraints.from_api(None))
    for name, value in (("kms:GrantConstraintSourceArn", topic), ("kms:EncryptionContext:App", "a")):
        assert bound(name, "kms:CreateGrant", grant_request=wanted) == value
        assert bound(name, "kms:CreateGrant", grant_request=free) == "absent"


def test_user_id_of_a_session_the_user_may_start_begins_with_the_account() -> None:
    ann = principal(iam(MEMBER, "user/Ann"))
    given = world(key(), ann)
    session = federated_of(resolve_caller(given, ann.arn))
    context = RequestContext(given, Request(session, "kms:Decrypt", KEY, find_action("kms:Decrypt"), given.keys[KEY]))  # type: ignore[index]  # ids are texts
    found = context.bind("aws:userid", DocumentKind.IDENTITY)
    assert isinstance(found, Open)
    assert found.variable.origin is Origin.DATA
    assert found.variable.required is not None
    assert [found.variable.required.matches(f"{account}:Bob") for account in (MEMBER, OWNER)] == [True, False]


def test_action_nobody_knows_without_a_key_is_allowed_by_none_of_the_rules() -> None:
    for documents, expected in ((policy(allow(None, "kms:*")), U), (policy(allow(None, "kms:List*")), D)):
        given = world(principal(ROLE, documents))
        decision = ask(given, ROLE, "kms:UnheardOf", on="*")
        assert decision.verdict is expected
        assert (decision.reason == "unknown_action") is (expected is U)


def test_alias_in_the_request_is_the_request_alias() -> None:
    assert bound("kms:RequestAlias", alias="alias/app") == "alias/app"


@pytest.mark.parametrize(
    ("name", "action", "expected"),
    [
        ("aws:ViaAWSService", "kms:Decrypt", "false"),
        ("kms:PolicyName", "kms:GetKeyPolicy", "default"),
        ("kms:ViaService", "kms:Decrypt", "absent"),
        ("kms:Unheard", "kms:Decrypt", "absent"),
        ("aws:userid", "kms:Decrypt", "data"),
    ],
)
def test_complete_context_holds_only_what_is_given_or_always_there(name: str, action: str, expected: str) -> None:
    assert bound(name, action, complete=True) == expected
    assert bound(name, action, complete=True, context={name.lower(): ("x", "y")}) == ("x,y" if expected != "" else "")
    assert bound(name, action, context={name.lower(): ()}) == "absent"


@pytest.mark.parametrize(
    ("name", "action", "who", "expected"),
    [
        ("kms:KeySpec", "kms:CreateKey", ROLE, "request"),
        ("kms:KeySpec", "kms:ListKeys", ROLE, "absent"),
        ("aws:ResourceTag/a", "kms:CreateKey", ROLE, "request"),
        ("aws:ResourceTag/a", "kms:ListKeys", ROLE, "absent"),
        ("iam:ResourceTag/a", "kms:ListKeys", ROLE, "absent"),
        ("kms:CallerAccount", "kms:ListKeys", ROLE, "absent"),
        ("aws:RequestedRegion", "kms:ListKeys", ROLE, "request"),
        ("aws:ResourceAccount", "kms:ListKeys", ROLE, "absent"),
        ("aws:ResourceAccount", "kms:ListKeys", LOGS, "absent"),
        ("aws:ResourceOrgID", "kms:ListKeys", LOGS, "absent"),
    ],
)
def test_action_without_a_key_has_no_facts_of_one(name: str, action: str, who: str, expected: str) -> None:
    given = world(principal(ROLE))
    assert told(RequestContext(given, request(given, who, action, "*")), name) == expected


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        ("kms:KeySpec", {"spec": "", "gaps": {"describe": "row"}}, "data"),
        ("kms:MultiRegionKeyType", {"multi_region": True, "multi_region_type": "REPLICA"}, "REPLICA"),
        ("kms:MultiRegionKeyType", {"multi_region": True}, "data"),
        ("aws:ResourceTag/a", {"tags": None}, "data"),
        ("kms:ResourceAliases", {"aliases": None}, "data"),
        ("kms:ResourceAliases", {"aliases": ()}, "absent"),
    ],
)
def test_fact_of_a_key_that_was_not_read_is_data(name: str, facts: dict[str, Any], expected: str) -> None:
    assert bound(name, used=key(**facts)) == expected


def test_service_has_its_name_and_perhaps_more_names() -> None:
    assert bound("aws:PrincipalServiceNamesList", who=LOGS) == f"at least {LOGS}"
    assert bound("kms:CallerAccount", who=LOGS) == "request"
    assert bound("aws:SourceAccount", who=LOGS) == "request"
    listed = {"ForAnyValue:StringEquals": {"aws:PrincipalServiceNamesList": LOGS}}
    other = {"ForAnyValue:StringEquals": {"aws:PrincipalServiceNamesList": "sns.amazonaws.com"}}
    plain = {"StringEquals": {"aws:PrincipalServiceNamesList": LOGS}}
    for when, expected in (
        (listed, A),
        (other, U),
        (plain, U),
        ({"Null": {"aws:PrincipalServiceNamesList": "false"}}, A),
    ):
        assert ask(world(key(allow("*", when=when))), LOGS).verdict is expected


_OF_SERVICES = ("aws:PrincipalAccount", "aws:PrincipalType", "aws:userid")
_OF_IDENTITIES = (
    {"aws:PrincipalAccount": MEMBER},
    {"aws:PrincipalType": ["User", "Account"]},
    {"aws:userid": "AROA1:*"},
)


@pytest.mark.parametrize("name", _OF_SERVICES)
def test_keys_that_every_request_carries_may_be_there_for_a_service(name: str) -> None:
    """What AWS says of all requests, and no value for services (R6.P): neither presence nor absence is proven."""
    assert bound(name, who=LOGS) == "data"
    for value in ("true", "false"):
        fence = {"Null": {name: value}}
        assert ask(world(key(allow({"Service": LOGS}, when=fence))), LOGS).verdict is U
        assert ask(world(key(allow({"Service": LOGS}), deny("*", when=fence))), LOGS).verdict is U
    for other in ("aws:username", "aws:PrincipalArn", "aws:PrincipalTag/team", "aws:PrincipalOrgID"):
        assert bound(other, who=LOGS) == "absent"


@pytest.mark.parametrize("named", _OF_IDENTITIES)
@pytest.mark.parametrize(("operator", "allowed", "denied"), [
    ("StringLike", D, A), ("StringNotLike", A, D), ("StringNotLikeIfExists", A, D), ("StringLikeIfExists", U, U),
    ("ForAllValues:StringLike", U, U), ("ForAnyValue:StringLike", D, A),
])  # fmt: skip
def test_service_has_no_value_of_an_identity(
    named: dict[str, Any], operator: str, allowed: Verdict, denied: Verdict
) -> None:
    fence = {operator: named}
    assert ask(world(key(allow({"Service": LOGS}, when=fence))), LOGS).verdict is allowed
    assert ask(world(key(allow({"Service": LOGS}), deny("*", when=fence))), LOGS).verdict is denied


@pytest.mark.parametrize("named", [
    {"aws:PrincipalAccount": "*"}, {"aws:PrincipalType": "AWSService"}, {"aws:userid": "*"},
    {"aws:PrincipalType": "*User"}, {"aws:userid": "s3*"},
])  # fmt: skip
def test_service_may_have_any_other_value(named: dict[str, Any]) -> None:
    for operator in ("StringLike", "StringNotLike"):
        fence = {operator: named}
        assert ask(world(key(allow({"Service": LOGS}, when=fence))), LOGS).verdict is U
        assert ask(world(key(allow({"Service": LOGS}), deny("*", when=fence))), LOGS).verdict is U


def test_variable_that_a_service_may_have_decides_nothing() -> None:
    fence = {"StringNotEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}}
    assert ask(world(key(allow({"Service": LOGS}), deny("*", when=fence))), LOGS).verdict is not D


def test_unique_ids_of_users_and_unread_roles() -> None:
    ann = principal(iam(MEMBER, "user/Ann"), unique_id="AIDA1")
    given = world(key(), ann, principal(ROLE, unique_id="AROA1"))
    assert told(RequestContext(given, request(given, ann.arn)), "aws:userid") == "AIDA1"
    assert told(RequestContext(given, request(given, ROLE)), "aws:userid") == "request"
    fenced = world(key(allow("*", when={"StringLike": {"aws:userid": "AROA1:*"}})), given.principals[ROLE])
    assert ask(world(*fenced.keys.values(), principal(ROLE, policy(allow()), unique_id="AROA1")), ROLE).verdict is A


# -- stand-ins for accounts nobody read (R3.70) -----------------------------------------------------------------------


def stand_in(kind: PrincipalKind, given: World) -> RequestContext:
    """A context for any identity of a stranger's account, or of any account."""
    caller = anyone("aws") if kind is PrincipalKind.ANY else any_identity_of(given, STRANGER, "aws")
    return RequestContext(
        given, Request(caller, "kms:Decrypt", KEY, action=find_action("kms:Decrypt"), key=given.keys[KEY])
    )  # type: ignore[index]  # ids are texts


STAND_INS = [
    ("kms:CallerAccount", STRANGER, "data"), ("aws:PrincipalAccount", STRANGER, "data"),
    ("aws:PrincipalArn", "data", "data"), ("aws:PrincipalType", "data", "data"), ("aws:username", "data", "data"),
    ("aws:userid", "data", "data"), ("aws:PrincipalOrgID", "data", "data"), ("aws:PrincipalTag/a", "data", "data"),
    ("aws:PrincipalIsAWSService", "false", "false"), ("aws:SourceVpce", "request", "request"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "of_account", "of_anyone"), STAND_INS)
def test_stand_in_has_only_what_its_account_decides(name: str, of_account: str, of_anyone: str) -> None:
    given = world(key())
    assert told(stand_in(PrincipalKind.ACCOUNT, given), name) == of_account
    assert told(stand_in(PrincipalKind.ANY, given), name) == of_anyone


def test_anyone_is_of_no_account_that_is_known() -> None:
    given = world(key(allow("*", when={"StringEquals": {"kms:CallerAccount": MEMBER}})))
    everyone = stand_in(PrincipalKind.ANY, given).request
    assert decide(given, everyone).verdict is D
    arn = {"ArnLike": {"aws:PrincipalArn": iam(MEMBER, "*")}}
    assert (
        decide(
            world(key(allow("*", when=arn))), stand_in(PrincipalKind.ANY, world(key(allow("*", when=arn)))).request
        ).verdict
        is D
    )


def test_unique_id_may_be_one_of_a_stand_in() -> None:
    given = world(key(allow("AROAELSEWHERE")))
    assert decide(given, stand_in(PrincipalKind.ACCOUNT, given).request).verdict is U


# -- open values in policy variables ----------------------------------------------------------------------------------

EC = "${kms:EncryptionContext:App}"
VIA_DEFAULT = "${kms:EncryptionContext:App, 's3.eu-west-1.amazonaws.com'}"
TAGGED = "aws:PrincipalTag/team"
OPEN_VALUES: list[tuple[str, str, object, dict[str, Any], Verdict]] = [
    ("StringEquals", TAGGED, EC, {}, C),
    ("StringEquals", TAGGED, f"b{EC}e", {}, C),
    ("StringEquals", TAGGED, f"x{EC}", {}, D),
    ("StringEqualsIgnoreCase", TAGGED, f"B{EC}", {}, C),
    ("StringNotEquals", TAGGED, EC, {}, C),
    ("StringLike", TAGGED, f"{EC}*", {}, C),
    ("StringEquals", TAGGED, "${kms:EncryptionContext:App, 'blue'}", {}, C),
    ("StringEquals", TAGGED, "${kms:EncryptionContext:App, 'red'}", {"Null": {"kms:EncryptionContext:App": "true"}}, D),
    (
        "StringEquals",
        TAGGED,
        "${kms:EncryptionContext:App, 'blue'}",
        {"Null": {"kms:EncryptionContext:App": "true"}},
        C,
    ),
    ("StringEquals", TAGGED, EC, {"Null": {"kms:EncryptionContext:App": "true"}}, D),
    ("StringEquals", TAGGED, "${kms:EncryptionContext:App}${kms:ViaService}", {}, C),
    ("StringEquals", TAGGED, ["${kms:EncryptionContext:App}${kms:ViaService}", "blue"], {}, A),
    ("StringEquals", "kms:ViaService", EC, {}, C),
    ("StringEquals", "kms:ViaService", "${kms:EncryptionContext:App}${aws:SourceVpce}", {}, C),
    ("StringEquals", "kms:ViaService", "${aws:userid}", {}, U),
    ("StringEquals", TAGGED, "${aws:userid}", {}, U),
    ("StringEquals", TAGGED, "${aws:MultiFactorAuthAge}", {}, C),
    ("StringEquals", TAGGED, "${aws:CalledVia}", {}, D),
    ("StringEquals", TAGGED, "${aws:PrincipalServiceNamesList}", {}, D),
    ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{MEMBER}:role/{EC}", {}, C),
    ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{MEMBER}:user/{EC}", {}, D),
    ("StringLike", TAGGED, f"red*{EC}", {}, D),
    ("StringEquals", "kms:ViaService", VIA_DEFAULT, {"Null": {"kms:EncryptionContext:App": "true"}}, C),
    (
        "StringEquals",
        "kms:ViaService",
        VIA_DEFAULT,
        {"Null": {"kms:EncryptionContext:App": "true"}, "StringNotLike": {"kms:ViaService": "s3.*"}},
        D,
    ),
    ("StringEquals", "aws:SourceIp", EC, {}, C),
    ("StringEquals", "aws:SourceIp", EC, {"Null": {"kms:EncryptionContext:App": "true"}}, D),
    ("StringEquals", "aws:SourceIp", f"{EC}${{kms:ViaService}}", {"Null": {"kms:ViaService": "true"}}, D),
    ("Bool", "aws:SecureTransport", "${aws:MultiFactorAuthPresent}", {}, C),
]


@pytest.mark.parametrize(("operator", "name", "written", "more", "expected"), OPEN_VALUES)
def test_open_variable_leaves_the_test_to_the_request_or_to_data(
    operator: str, name: str, written: object, more: dict[str, Any], expected: Verdict
) -> None:
    role = principal(ROLE, policy(allow()), tags={"team": "blue"})
    given = world(key(allow(iam(MEMBER, "root"), when={operator: {name: written}} | more)), role)
    assert ask(given, ROLE).verdict is expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (f"arn:aws:kms:eu-west-1:{OWNER}:key/{EC}", C),
        (f"arn:aws:kms:eu-west-1:{OWNER}:key/{EC}${{kms:ViaService}}", C),
        (f"arn:aws:kms:eu-west-1:{OWNER}:key/${{aws:userid}}", U),
        (f"arn:aws:kms:eu-west-1:{OWNER}:key/x${{aws:userid}}", D),
    ],
)
def test_open_variable_in_a_resource_leaves_it_open(resource: str, expected: Verdict) -> None:
    role = principal(ROLE, policy(allow(Resource=resource)))
    assert ask(world(key(allow(iam(MEMBER, "root"))), role), ROLE).verdict is expected


def test_default_of_a_variable_in_a_resource_counts_where_it_has_no_value() -> None:
    for default, expected in ((KEY.rsplit("/", 1)[1], C), ("another", D)):
        resource = f"arn:aws:kms:eu-west-1:{OWNER}:key/${{kms:EncryptionContext:App, '{default}'}}"
        closed = allow(iam(MEMBER, "root"), when={"Null": {"kms:EncryptionContext:App": "true"}})
        assert ask(world(key(closed), principal(ROLE, policy(allow(Resource=resource)))), ROLE).verdict is expected


def test_comparison_of_a_type_that_does_not_fit_is_left_to_the_request() -> None:
    odd = [
        ("Bool", "aws:MultiFactorAuthAge", "true"),
        ("StringLike", "aws:MultiFactorAuthAge", "3*"),
        ("StringEquals", "aws:SourceIp", "10.0.0.1"),
        ("StringEquals", "aws:TokenIssueTime", "2026"),
        ("NumericEquals", "kms:ViaService", "5"),
    ]
    for operator, name, value in odd:
        given = world(key(allow("*", when={operator: {name: value}})), principal(ROLE, policy(allow())))
        assert ask(given, ROLE).verdict is C
    number = world(
        key(allow("*", when={"StringEquals": {"aws:MultiFactorAuthAge": "300"}})), principal(ROLE, policy(allow()))
    )
    assert ask(number, ROLE).condition == "aws:MultiFactorAuthAge = 300"


def test_value_of_another_type_does_not_compare() -> None:
    values = {"NumericEquals": "5", "IpAddress": "::/0", "DateEquals": "2026-01-01", "BinaryEquals": "YQ=="}
    for operator, value in values.items():
        when = {operator: {"aws:PrincipalTag/team": value}}
        role = principal(ROLE, policy(allow()), tags={"team": "no such thing!"})
        assert ask(world(key(allow("*", when=when)), role), ROLE).verdict is D


# -- documented dependencies ------------------------------------------------------------------------------------------


def variable(name: str) -> Variable:
    """A request-time key."""
    return Variable(name, Origin.REQUEST)


EXCLUSIVE = [
    ("aws:SourceIp", "aws:SourceVpce"), ("aws:SourceIp", "aws:SourceVpc"), ("aws:SourceIp", "aws:VpcSourceIp"),
    ("kms:GranteePrincipal", "kms:GranteeServicePrincipal"),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), EXCLUSIVE)
def test_keys_that_exclude_each_other_are_never_both_there(one: str, other: str) -> None:
    both = conj((present(variable(one)), present(variable(other))))
    assert not decide_expression(both, axioms_for(both)).can_be_true
    assert decide_expression(both).can_be_true


def test_unrelated_keys_have_no_dependency() -> None:
    assert axioms_for(conj((present(variable("kms:ViaService")), present(variable("aws:SourceVpce"))))) == TRUE
    assert axioms_for(Literal(Test(variable("kms:EncryptionContextKeys")))) == TRUE


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({"Null": {"aws:CalledVia": "false"}, "Bool": {"aws:ViaAWSService": "false"}}, D),
        ({"Null": {"aws:CalledVia": "false"}, "Bool": {"aws:ViaAWSService": "true"}}, C),
        (
            {
                "Null": {"kms:EncryptionContext:App": "false"},
                "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": "Other"},
            },
            D,
        ),
        (
            {
                "Null": {"kms:EncryptionContext:App": "true"},
                "ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "app"},
            },
            D,
        ),
        (
            {
                "Null": {"kms:EncryptionContext:App": "true"},
                "ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "b"},
            },
            C,
        ),
    ],
)
def test_dependencies_between_request_keys_count(when: dict[str, Any], expected: Verdict) -> None:
    given = world(key(allow("*", when=when)), principal(ROLE, policy(allow())), organization())
    assert ask(given, ROLE).verdict is expected


def test_deny_that_only_some_requests_meet_makes_it_conditional_with_the_rest() -> None:
    given = world(
        key(allow("*"), deny("*", when={"StringLike": {"kms:ViaService": "s3.*"}})), principal(ROLE, policy(allow()))
    )
    assert ask(given, ROLE).condition == "kms:ViaService does not match s3.* or absent"
