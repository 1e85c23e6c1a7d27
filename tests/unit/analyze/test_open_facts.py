"""What is not known says why, by which rule, at which gate, and is the same fact wherever the same thing is asked."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.decision.layers import (
    LayerResult,
    boundary_layer,
    identity_layer,
    key_policy_layer,
    ram_layer,
    rcp_layer,
    scp_layer,
    session_layer,
)
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.expression import FALSE, TRUE, Origin, variables
from scanner.analyze.logic.values import epoch_seconds
from scanner.analyze.request.context import RequestContext
from scanner.analyze.statements.condition import condition_expression
from scanner.model.decision import Layer, Side, Verdict
from scanner.model.organization import Organization
from scanner.model.policy import DocumentKind, Effect
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MEMBER,
    OU,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
    ask,
    deny,
    iam,
    key,
    organization,
    policy,
    principal,
    ram,
    request,
    text,
    world,
)

ROLE = iam(MEMBER, "role/App")
TAGS_PASSED = policy({"Effect": "Allow", "Principal": "*", "Action": ["sts:AssumeRole", "sts:TagSession"]})
C, D, U = Verdict.CONDITIONAL, Verdict.DENIED, Verdict.UNKNOWN

DOUBTFUL: list[tuple[str, str, object, Effect, str, str]] = [
    # operator, condition key, value in the policy, effect, reason, rule
    ("Null", "aws:SourceVpce", "perhaps", Effect.ALLOW, "malformed", "R5.13"),
    ("NumericLessThan", "aws:MultiFactorAuthAge", "many", Effect.ALLOW, "malformed", "R10.12"),
    ("StringEquals", "aws:CalledVia", "a", Effect.ALLOW, "set_operator_missing", "R5.16"),
    ("ForAllValues:StringNotEquals", "aws:CalledVia", "a", Effect.DENY, "undocumented", "R5.14"),
]


@pytest.mark.parametrize(("operator", "condition_key", "wanted", "effect", "reason", "rule"), DOUBTFUL)
def test_doubtful_condition_says_why_and_by_which_rule(
    operator: str, condition_key: str, wanted: object, effect: Effect, reason: str, rule: str
) -> None:
    given = world(key(), principal(ROLE))
    document = parse_policy(text(policy(allow(None, when={operator: {condition_key: wanted}})), DocumentKind.IDENTITY))
    (test,) = document.statements[0].conditions
    expression = condition_expression(test, document, RequestContext(given, request(given, ROLE)), effect)
    (found,) = (v for v in variables(expression) if v.origin is Origin.DATA)
    assert (found.reason, found.ref) == (reason, rule)
    assert document.policy.sha256[:12] in found.name


def test_condition_that_key_policies_do_not_support_says_so() -> None:
    tagged = {"StringEquals": {"aws:ResourceTag/a": "b"}}
    decision = ask(world(key(allow(ROLE, when=tagged), tags={"a": "b"}), principal(ROLE, FULL)), ROLE)
    assert (decision.verdict, decision.reason, decision.rules) == (U, "unsupported_condition_key", ("R6.U",))
    both = key(allow(ROLE, when=tagged), deny(ROLE, when=tagged), tags={"a": "b"})
    assert ask(world(both, principal(ROLE, FULL)), ROLE).verdict is U


@pytest.mark.parametrize(("operator", "condition_key", "wanted"), [row[:3] for row in DOUBTFUL[:3]])
def test_two_doubtful_conditions_are_two_facts(operator: str, condition_key: str, wanted: object) -> None:
    """One may hold while the other does not; taken for the same fact they would cancel out and prove a refusal."""
    doubt = {operator: {condition_key: wanted}}
    given = world(key(allow(ROLE, when=doubt), deny(ROLE, when=doubt)), principal(ROLE, FULL))
    assert ask(given, ROLE).verdict is U


def test_dates_are_read_in_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert epoch_seconds("2026-01-01") == 1_767_225_600
    finally:
        monkeypatch.undo()
        time.tzset()


def test_dates_that_are_none_are_refused_and_numbers_are_seconds() -> None:
    assert epoch_seconds("1767225600") == epoch_seconds("2026-01-01T00:00:00Z") == epoch_seconds("2026-01-01")
    with pytest.raises(ValueError, match=r"^$"):
        epoch_seconds("yesterday")


# -- open values against open values ----------------------------------------------------------------------------------

TEAM, CREW = "kms:EncryptionContext:team", "kms:EncryptionContext:crew"
TIED: list[tuple[str, object, str, object, Verdict]] = [
    # the Allow asks, the Deny asks, verdict of both together
    ("StringEquals", "${aws:PrincipalTag/team}", "StringEquals", "${aws:PrincipalTag/team}", D),
    ("StringNotEquals", "${aws:PrincipalTag/team}", "StringNotEquals", "${aws:PrincipalTag/team}", D),
    ("StringEquals", "${aws:PrincipalTag/team}", "StringNotEquals", "${aws:PrincipalTag/team}", C),
    ("StringLike", "${aws:PrincipalTag/team}*", "StringLike", "${aws:PrincipalTag/team}*", D),
    ("StringLike", "${aws:PrincipalTag/team}*", "StringEquals", "${aws:PrincipalTag/team}", C),
    ("StringEquals", "${aws:PrincipalTag/team}", "StringLike", "${aws:PrincipalTag/team}", D),
    ("StringEquals", "${aws:PrincipalTag/team}", "StringEqualsIgnoreCase", "${aws:PrincipalTag/team}", D),
    ("StringEqualsIgnoreCase", "${aws:PrincipalTag/team}", "StringEquals", "${aws:PrincipalTag/team}", C),
    ("StringEquals", "x${aws:PrincipalTag/team}", "StringEquals", "y${aws:PrincipalTag/team}", C),
    ("StringEquals", "x${aws:PrincipalTag/team}", "StringEquals", "${aws:PrincipalTag/team}", C),
    ("StringEquals", "${aws:PrincipalTag/team}x", "StringEquals", "${aws:PrincipalTag/team}", C),
    ("StringEquals", "${aws:PrincipalTag/team, 'a'}", "StringEquals", "${aws:PrincipalTag/team, 'a'}", D),
    ("StringEquals", "${aws:PrincipalTag/team, 'a'}", "StringEquals", "${aws:PrincipalTag/team, 'b'}", C),
]


@pytest.mark.parametrize(("operator", "wanted", "denied_operator", "denied", "expected"), TIED)
def test_same_comparison_is_the_same_fact_wherever_it_stands(
    operator: str, wanted: object, denied_operator: str, denied: object, expected: Verdict
) -> None:
    statements = allow(ROLE, when={operator: {TEAM: wanted}}), deny(ROLE, when={denied_operator: {TEAM: denied}})
    given = world(key(*statements), principal(ROLE, FULL, trust=TAGS_PASSED))
    assert ask(given, ROLE).verdict is expected


TAG, OTHER = "aws:PrincipalTag/team", "aws:PrincipalTag/other"
TOGETHER: list[tuple[dict[str, dict[str, str]], Verdict]] = [
    # what one Allow asks beside `the team of the encryption context equals the tag`
    ({"StringLike": {TEAM: "a*"}, "StringNotLike": {TAG: "a*"}}, D),
    ({"StringNotLike": {TEAM: "a*"}, "StringLike": {TAG: "a*"}}, D),
    ({"StringLike": {TEAM: "a*", TAG: "*b"}}, C),
    ({"StringLike": {TEAM: "a?", TAG: "b?"}}, D),
    ({"StringEqualsIgnoreCase": {TEAM: "a", TAG: "A"}}, C),
]


@pytest.mark.parametrize(("beside", "expected"), TOGETHER)
def test_equal_values_pass_the_same_tests(beside: dict[str, dict[str, str]], expected: Verdict) -> None:
    equal = {"ForAllValues:StringEquals": {TEAM: f"${{{TAG}}}"}, "Null": {TEAM: "false"}}
    given = world(key(allow(ROLE, when={**equal, **beside})), principal(ROLE, FULL, trust=TAGS_PASSED))
    assert ask(given, ROLE).verdict is expected


@pytest.mark.parametrize(
    ("operator", "one", "other", "expected"),
    [
        ("StringNotEquals", "red", "red", D),
        ("StringNotEquals", "red", "Red", C),
        ("StringNotEquals", "r*", "r*", C),
        ("StringNotEqualsIgnoreCase", "red", "RED", D),
        ("StringNotEqualsIgnoreCase", "red", "blue", C),
    ],
)
def test_values_that_are_both_written_out_are_equal_or_not(
    operator: str, one: str, other: str, expected: Verdict
) -> None:
    """The team and the tag are like these, and differ."""
    asks = {"StringLike": {TEAM: one, TAG: other}, operator: {TEAM: f"${{{TAG}}}"}}
    given = world(key(allow(ROLE, when=asks)), principal(ROLE, FULL, trust=TAGS_PASSED))
    assert ask(given, ROLE).verdict is expected


def test_tests_in_any_case_follow_from_equality_in_any_case_and_others_do_not() -> None:
    equal = {"StringEqualsIgnoreCase": {TEAM: f"${{{TAG}}}"}}
    for operator, expected in (("StringNotEqualsIgnoreCase", D), ("StringNotEquals", C)):
        asks = {**equal, "ForAllValues:StringEqualsIgnoreCase": {TEAM: "red"}, operator: {TAG: "red"}}
        given = world(key(allow(ROLE, when=asks)), principal(ROLE, FULL, trust=TAGS_PASSED))
        assert ask(given, ROLE).verdict is expected


def test_comparison_of_open_values_is_told_in_words() -> None:
    given = world(
        key(allow(ROLE, when={"StringEquals": {TEAM: "${aws:PrincipalTag/team}"}})),
        principal(ROLE, FULL, trust=TAGS_PASSED),
    )
    assert f"{TEAM} equals ${{aws:PrincipalTag/team}}" in ask(given, ROLE).condition


def test_values_of_one_key_may_fit_here_and_not_there() -> None:
    """Several values: some may be like the tag and others not, so that each test asks anew."""
    for_any = {"ForAnyValue:StringLike": {"kms:EncryptionContextKeys": "${aws:PrincipalTag/team}*"}}
    for_none = {"ForAnyValue:StringNotLike": {"kms:EncryptionContextKeys": "${aws:PrincipalTag/team}*"}}
    given = world(key(allow(ROLE, when=for_any), deny(ROLE, when=for_none)), principal(ROLE, FULL, trust=TAGS_PASSED))
    assert ask(given, ROLE).verdict is C
    both = {**for_any, **for_none}
    assert ask(world(key(allow(ROLE, when=both)), *given.principals.values()), ROLE).verdict is C


def test_text_operator_on_a_number_holds_or_not_but_the_same_way_twice() -> None:
    odd = {"StringLike": {"aws:MultiFactorAuthAge": "3*"}}
    given = world(key(allow(ROLE, when=odd), deny(ROLE, when=odd)), principal(ROLE, FULL))
    assert ask(given, ROLE).verdict is D
    other = {"StringLike": {"aws:MultiFactorAuthAge": "4*"}}
    given = world(key(allow(ROLE, when=odd), deny(ROLE, when=other)), principal(ROLE, FULL))
    assert ask(given, ROLE).verdict is C


AGE = "aws:MultiFactorAuthAge"
APART: list[tuple[dict[str, dict[str, object]], dict[str, dict[str, object]], Verdict]] = [
    # what the Allow asks, what the Deny asks, verdict of both together, where the team is `ab` and the crew `cd`
    ({"ForAllValues:StringLike": {AGE: "3*"}, "Null": {AGE: "false"}}, {"StringLike": {AGE: "3*"}}, D),
    ({"StringEquals": {AGE: f"${{{TAG}, '3*'}}"}}, {"StringEquals": {AGE: f"${{{TAG}, '3*'}}"}}, D),
    ({"StringLike": {AGE: f"${{{TAG}, '3*'}}"}}, {"StringEquals": {AGE: f"${{{TAG}, '3*'}}"}}, C),
    ({"StringLike": {AGE: f"${{{TAG}, '3*'}}"}}, {"StringLike": {AGE: f"${{{TAG}, '4*'}}"}}, C),
    ({"StringLike": {TEAM: f"${{{TAG}}}${{{OTHER}}}"}}, {"StringLike": {TEAM: f"${{{TAG}}}${{{OTHER}}}"}}, D),
    ({"StringLike": {TEAM: f"${{{TAG}}}${{{OTHER}}}"}}, {"StringLike": {CREW: f"${{{TAG}}}${{{OTHER}}}"}}, C),
    ({"StringLike": {TEAM: f"${{{TAG}}}${{{OTHER}}}"}}, {"StringEquals": {TEAM: f"${{{TAG}}}${{{OTHER}}}"}}, C),
    ({"StringLike": {TEAM: f"${{{TAG}}}${{{OTHER}}}"}}, {"StringLike": {TEAM: f"${{{OTHER}}}${{{TAG}}}"}}, C),
    ({"Bool": {TEAM: f"${{{TAG}}}"}}, {"Bool": {CREW: f"${{{TAG}}}"}}, C),
    ({"Bool": {TEAM: f"${{{TAG}}}"}}, {"Bool": {TEAM: f"${{{TAG}}}"}}, D),
]


@pytest.mark.parametrize(("allowed", "denied", "expected"), APART)
def test_different_comparisons_are_different_facts(
    allowed: dict[str, dict[str, object]], denied: dict[str, dict[str, object]], expected: Verdict
) -> None:
    given = world(key(allow(ROLE, when=allowed), deny(ROLE, when=denied)), principal(ROLE, FULL, trust=TAGS_PASSED))
    assert ask(given, ROLE, encryption_context={"team": "ab", "crew": "cd"}).verdict is expected


@pytest.mark.parametrize(
    ("operator", "condition_key", "wanted", "words"),
    [
        ("StringLike", AGE, ["3*", "5*"], f"{AGE} is like 3* or 5*"),
        ("NumericEquals", "aws:SourceVpce", "3", "aws:SourceVpce NumericEquals 3"),
    ],
)
def test_comparison_that_does_not_fit_the_type_is_told_in_words(
    operator: str, condition_key: str, wanted: object, words: str
) -> None:
    given = world(key(allow(ROLE, when={operator: {condition_key: wanted}})), principal(ROLE, FULL))
    assert words in ask(given, ROLE).condition


@pytest.mark.parametrize(
    ("condition_key", "wanted", "chosen"),
    [
        ("aws:UserAgent", f"x${{{TEAM}}}", True),
        ("aws:SourceVpce", "x${aws:SourceVpc}", False),
        ("aws:UserAgent", f"${{{TEAM}}}", True),
        ("aws:SourceVpce", "${aws:SourceVpc}", False),
    ],
)
def test_comparison_is_the_callers_choice_where_a_value_of_it_is(condition_key: str, wanted: str, chosen: bool) -> None:
    given = world(key(allow(ROLE, when={"StringEquals": {condition_key: wanted}})), principal(ROLE, FULL))
    assert ask(given, ROLE).caller_chosen is chosen


def test_comparison_with_unread_tags_is_what_was_not_read() -> None:
    tags = "${aws:ResourceTag/a}${aws:ResourceTag/b}"
    unread = key(allow(ROLE), tags=None, gaps={"tags": "gap/3"})
    mine = policy(allow(None, when={"StringLike": {TEAM: tags}}), deny(None, when={"StringLike": {CREW: tags}}))
    decision = ask(world(unread, principal(ROLE, mine)), ROLE)
    assert (decision.verdict, decision.reason, decision.rules) == (U, "tags_not_read", ("gap/3",))


def test_what_is_left_over_of_a_long_value_need_not_be_known_to_refuse_it() -> None:
    like = {"StringLike": {TEAM: "a*${aws:PrincipalTag/t}"}}
    given = world(key(allow(ROLE, when=like)), principal(ROLE, FULL, trust=TAGS_PASSED))
    assert ask(given, ROLE, encryption_context={"team": "x" * 300}).verdict is D


LEFT_OVER: list[tuple[str, str, str, dict[str, str], bool]] = [
    # operator, value as written, value of the request, tags of the session, does it hold
    ("StringEquals", "a-${aws:PrincipalTag/t}-z", "a-mid-z", {"t": "mid"}, True),
    ("StringEquals", "a-${aws:PrincipalTag/t}-z", "a-mid-z", {"t": "MID"}, False),
    ("StringEquals", "a-${aws:PrincipalTag/t}-z", "a--z", {"t": ""}, True),
    ("StringEquals", "aa${aws:PrincipalTag/t}aa", "aaa", {"t": ""}, False),
    ("StringEquals", "a*${aws:PrincipalTag/t}", "a*x", {"t": "x"}, True),
    ("StringEquals", "a*${aws:PrincipalTag/t}", "abx", {"t": "x"}, False),
    ("StringEqualsIgnoreCase", "A${aws:PrincipalTag/t}", "amid", {"t": "MID"}, True),
    ("StringEqualsIgnoreCase", "A${aws:PrincipalTag/t}", "bmid", {"t": "MID"}, False),
    ("StringLike", "a*${aws:PrincipalTag/t}", "abx", {"t": "x"}, True),
    ("StringLike", "a*${aws:PrincipalTag/t}", "abx", {"t": "bx"}, True),
    ("StringLike", "a*${aws:PrincipalTag/t}", "abx", {"t": "abx"}, False),
    ("StringLike", "${aws:PrincipalTag/t}", "abx", {"t": "*"}, False),
    ("StringLike", "?${aws:PrincipalTag/t}?", "abx", {"t": "b"}, True),
    ("StringLike", "?${aws:PrincipalTag/t}?", "abx", {"t": "B"}, False),
]


@pytest.mark.parametrize(("operator", "written", "value", "tags", "holds"), LEFT_OVER)
def test_open_variable_must_be_what_is_left_over(
    operator: str, written: str, value: str, tags: dict[str, str], holds: bool
) -> None:
    """An Allow that needs the variable to be this, and one that needs it to be something else (R5.30 to R5.32)."""
    own = {"StringEquals": {f"aws:PrincipalTag/{name}": v for name, v in tags.items()}}
    statement = allow(ROLE, when={operator: {TEAM: written}, **({} if operator == "StringEquals" else own)})
    if operator == "StringEquals":
        statement["Condition"] = {"StringEquals": {TEAM: written, **own["StringEquals"]}}
    given = world(key(statement), principal(ROLE, FULL, trust=TAGS_PASSED))
    verdict = ask(given, ROLE, encryption_context={"team": value}).verdict
    assert verdict is (C if holds else D)


def test_too_many_places_for_an_open_variable_are_one_open_fact() -> None:
    like = {"StringLike": {TEAM: "*${aws:PrincipalTag/t}*"}}
    given = world(
        key(allow(ROLE, when=like), deny(ROLE, when={"StringEquals": {"aws:PrincipalTag/t": "x"}})),
        principal(ROLE, FULL, trust=TAGS_PASSED),
    )
    for value in ("0123456789" * 3, "x" * 300):
        decision = ask(given, ROLE, encryption_context={"team": value})
        assert decision.verdict is C
        assert "is like *${aws:PrincipalTag/t}*" in decision.condition


@pytest.mark.parametrize(
    ("operator", "condition_key", "value"),
    [("ArnLike", "lambda:SourceFunctionArn", "arn:aws:lambda:x:1:function:a"), ("Bool", TEAM, "true")],
)
def test_arns_and_booleans_against_an_open_variable_stay_open(operator: str, condition_key: str, value: str) -> None:
    written = "arn:aws:lambda:x:1:function:${aws:PrincipalTag/t}" if operator == "ArnLike" else "${aws:PrincipalTag/t}"
    given = world(key(allow(ROLE, when={operator: {condition_key: written}})), principal(ROLE, FULL, trust=TAGS_PASSED))
    asked: dict[str, Any] = {"context": {condition_key.lower(): (value,)}}
    if condition_key == TEAM:
        asked = {"encryption_context": {"team": value}}
    decision = ask(given, ROLE, **asked)
    assert decision.verdict is C
    assert written in decision.condition


def test_binary_values_are_compared_as_bytes_and_texts_as_texts() -> None:
    """`YWJ=` and `YWI=` are the same two bytes (R5.27)."""
    for operator, expected in (("BinaryEquals", Verdict.ALLOWED), ("StringEquals", D)):
        given = world(key(allow(ROLE, when={operator: {TEAM: "YWI="}})), principal(ROLE, FULL))
        assert ask(given, ROLE, encryption_context={"team": "YWJ="}).verdict is expected
    given = world(key(allow(ROLE, when={"StringEquals": {TEAM: "YWJ="}})), principal(ROLE, FULL))
    assert ask(given, ROLE, encryption_context={"team": "YWJ="}).verdict is Verdict.ALLOWED


# -- open resources ---------------------------------------------------------------------------------------------------

HEAD, KEY_ID = KEY.rsplit("/", 1)
TWO = f"{HEAD}/${{aws:PrincipalTag/a}}${{aws:PrincipalTag/b}}"
OPEN_RESOURCES: list[tuple[str, str, Verdict]] = [
    # Resource of the Allow, Resource of the Deny, verdict of both together
    (f"{HEAD}/${{aws:PrincipalTag/key}}", f"{HEAD}/${{aws:PrincipalTag/key}}", D),
    (f"{HEAD}/${{aws:PrincipalTag/key}}", f"arn:aws:kms:*:{OWNER}:key/${{aws:PrincipalTag/key}}", D),
    (f"{HEAD}/${{aws:PrincipalTag/key}}", f"{HEAD}/${{aws:PrincipalTag/key}}*", D),
    (f"{HEAD}/${{aws:PrincipalTag/key}}*", f"{HEAD}/${{aws:PrincipalTag/key}}", C),
    (f"{HEAD}/${{aws:PrincipalTag/key}}", f"{HEAD}/${{aws:PrincipalTag/other}}", C),
    (TWO, TWO, D),
    (TWO, f"{HEAD}/${{aws:PrincipalTag/a}}", C),
    (f"{HEAD}/*${{aws:PrincipalTag/a}}*", f"{HEAD}/*${{aws:PrincipalTag/a}}*", D),
]  # fmt: skip


@pytest.mark.parametrize(("allowed", "denied", "expected"), OPEN_RESOURCES)
def test_open_variable_in_a_resource_is_a_part_of_the_key(allowed: str, denied: str, expected: Verdict) -> None:
    identity = policy(allow(None, Resource=allowed), deny(None, Resource=denied))
    given = world(key(allow(ROLE)), principal(ROLE, identity, trust=TAGS_PASSED))
    assert ask(given, ROLE).verdict is expected


def test_unread_tags_in_a_resource_are_what_was_not_read() -> None:
    resource = f"{HEAD}/${{aws:ResourceTag/a}}${{aws:ResourceTag/b}}"
    unread = key(allow(ROLE), tags=None, gaps={"tags": "gap/3"})
    for statements, expected in (((), U), ((deny(None, Resource=resource),), D)):
        identity = policy(allow(None, Resource=resource), *statements)
        decision = ask(world(unread, principal(ROLE, identity)), ROLE)
        assert decision.verdict is expected
    assert ask(world(unread, principal(ROLE, policy(allow(None, Resource=resource)))), ROLE).rules == ("gap/3",)


def test_open_variable_in_a_resource_is_told_as_its_value() -> None:
    identity = policy(allow(None, Resource=f"{HEAD}/${{aws:PrincipalTag/key}}"))
    decision = ask(world(key(allow(ROLE)), principal(ROLE, identity, trust=TAGS_PASSED)), ROLE)
    assert decision.condition == f"aws:PrincipalTag/key = {KEY_ID}"


# -- gates ------------------------------------------------------------------------------------------------------------

GAP = "111111111111/*/organizations:ListPolicies"


def told(layer: LayerResult) -> tuple[Layer, Side, str, list[tuple[str, str]]]:
    """Gate, side, gap, and reason and rule of every open fact, of what it allows and then of what it denies."""
    open_facts = [*variables(layer.allow), *variables(layer.deny)]
    return layer.layer, layer.side, layer.gap, [(v.reason, v.ref) for v in open_facts]


def context_of(given: World, who: str = ROLE) -> RequestContext:
    """A request for Decrypt."""
    return RequestContext(given, request(given, who))


def without(part: str, gap: str) -> World:
    """Control policies of one type were not read."""
    own: Organization = replace(organization(), **{part: None, f"{part[:-1]}_gap": gap})
    return world(own, key(allow("*")), principal(ROLE, FULL))


@pytest.mark.parametrize(("gap", "ref"), [(GAP, GAP), ("", "R3.56")])
def test_unread_control_policies_are_an_open_gate_of_their_side(gap: str, ref: str) -> None:
    fact = ("guardrail_not_read", ref)
    assert told(scp_layer(context_of(without("scps", gap)))) == (Layer.SCP, Side.CALLER, ref, [fact, fact])
    assert told(rcp_layer(context_of(without("rcps", gap)), OWNER)) == (Layer.RCP, Side.OWNER, ref, [fact])


def test_unread_control_policies_of_two_accounts_are_different_facts() -> None:
    """What one of them allows says nothing about the other."""
    strangers = context_of(without("scps", ""), iam(STRANGER, "role/X"))
    own = scp_layer(context_of(without("scps", "")))
    for mine, theirs in ((own.allow, scp_layer(strangers).allow), (own.deny, scp_layer(strangers).deny)):
        assert [v.name for v in variables(mine)] != [v.name for v in variables(theirs)]
    rcps = context_of(without("rcps", ""))
    names = {account: [v.name for v in variables(rcp_layer(rcps, account).deny)] for account in (OWNER, MEMBER)}
    assert names[OWNER] != names[MEMBER]


def test_unread_caller_is_an_open_gate_of_the_caller() -> None:
    given = world(key(allow("*")), principal(ROLE, complete=False, gap="gap/1"))
    fact = ("caller_side_not_collected", "gap/1")
    for layer, gate in ((identity_layer, Layer.IAM), (boundary_layer, Layer.BOUNDARY)):
        assert told(layer(context_of(given))) == (gate, Side.CALLER, "gap/1", [fact, fact])


def test_unread_key_policy_is_an_open_gate_of_the_owner() -> None:
    unread = key(key_policy=None, gaps={"key_policy": "gap/2"})
    fact = ("policy_not_readable", "gap/2")
    expected = (Layer.KEY_POLICY, Side.OWNER, "gap/2", [fact, fact])
    assert told(key_policy_layer(context_of(world(unread, principal(ROLE))))) == expected


def test_resource_share_is_a_gate_of_the_owner_read_or_not() -> None:
    unread = key(ram_policy=None, ram_policy_read=False, gaps={"ram_policy": "gap/4"})
    fact = ("policy_not_readable", "gap/4")
    assert told(ram_layer(context_of(world(unread, principal(ROLE))))) == (
        Layer.RAM, Side.OWNER, "gap/4", [fact, fact],
    )  # fmt: skip
    none = ram_layer(context_of(world(key(), principal(ROLE))))
    assert (none.layer, none.side, none.applicable, none.allow, none.deny) == (
        Layer.RAM, Side.OWNER, False, FALSE, FALSE,
    )  # fmt: skip
    shared = ram_layer(context_of(world(key(ram_policy=ram(allow(ROLE), deny("*", "kms:Encrypt"))), principal(ROLE))))
    assert told(shared) == (Layer.RAM, Side.OWNER, "", [("ram_policy", "R2.20")])
    assert (shared.applicable, shared.deny, [m.effect for m in shared.matches]) == (True, FALSE, [Effect.ALLOW])


def test_layers_that_do_not_concern_the_request_let_it_through() -> None:
    """A service has no identity side, and nobody here has a boundary or a session policy."""
    by_service = context_of(world(key()), "logs.amazonaws.com")
    plain = context_of(world(key(), principal(ROLE)))
    for layer, context, gate, side in (
        (identity_layer, by_service, Layer.IAM, Side.CALLER),
        (boundary_layer, plain, Layer.BOUNDARY, Side.CALLER),
        (session_layer, plain, Layer.SESSION, Side.CALLER),
        (scp_layer, by_service, Layer.SCP, Side.CALLER),
    ):
        found = layer(context)
        assert (found.layer, found.side, found.allow, found.deny) == (gate, side, TRUE, FALSE)
        assert (found.applicable, found.matches, found.gap) == (False, (), "")
    exempt = rcp_layer(plain, OWNER, exempt=True)
    assert (exempt.layer, exempt.side, exempt.allow, exempt.deny) == (Layer.RCP, Side.OWNER, TRUE, FALSE)


def test_statements_of_guardrails_and_session_policies_are_kept_for_the_trace() -> None:
    refusing = organization(rcps={ROOT: [policy(deny("*", "kms:Encrypt"), deny("*", "kms:Decrypt"))]})
    guarded = rcp_layer(context_of(world(refusing, key(), principal(ROLE))), OWNER)
    assert (guarded.layer, guarded.side, guarded.deny, len(guarded.matches)) == (Layer.RCP, Side.OWNER, TRUE, 1)
    session = f"arn:aws:sts::{MEMBER}:assumed-role/App/blue"
    listed = principal(session, parent=ROLE, session_policies=[FULL])
    limited = session_layer(context_of(world(key(), principal(ROLE), listed), session))
    assert (limited.layer, limited.side, limited.allow, len(limited.matches)) == (Layer.SESSION, Side.CALLER, TRUE, 1)


def test_root_user_needs_no_identity_policy() -> None:
    found = identity_layer(context_of(world(key()), iam(MEMBER, "root")))
    assert (found.layer, found.side, found.allow, found.deny) == (Layer.IAM, Side.CALLER, TRUE, FALSE)


def test_two_values_of_a_key_that_has_one_are_not_documented() -> None:
    given = world(key(allow(ROLE, when={"StringEquals": {"aws:SourceVpce": "a"}})), principal(ROLE, FULL))
    assert ask(given, ROLE, context={"aws:sourcevpce": ("a", "b")}).reason == "set_operator_missing"


def test_silence_of_control_policies_refuses_no_session_that_may_be_service_linked() -> None:
    """Service-linked roles are spared (R3.44): what nobody read may be one, so a missing Allow proves nothing."""
    unread = account(MEMBER, collected=False, iam_complete=False, gap="gap/5")
    silent = organization(scps={OU: [policy(allow(None, "s3:*"))]})
    given = world(silent, key(allow(iam(MEMBER, "root"))), accounts=(unread,))
    layer = scp_layer(context_of(given, f"arn:aws:sts::{MEMBER}:assumed-role/AWSServiceRoleForX/s"))
    assert [(v.reason, v.ref) for v in variables(layer.allow)] == [("caller_side_not_collected", "R3.44")]
