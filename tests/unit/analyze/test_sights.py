"""What documents see of a request: numbers that are equal for what they cannot tell apart, and only for that."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.decision.sides import Sides
from scanner.analyze.decision.sights import Place, ResourceSight, concerns, glance_of, is_damaged
from scanner.analyze.decision.trust import decide_assume
from scanner.analyze.request.caller import Caller, resolve_caller, some_service, vouched_for_by
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.model.actions import find_action
from scanner.model.decision import Verdict
from scanner.model.key import KeyFacts
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.world import World

from builders import FULL, KEY, MEMBER, OWNER, ROOT, allow, deny, iam, key, organization, policy, principal, text, world
from role_worlds import admits, role

APP, OPS, ANN = iam(OWNER, "role/App"), iam(OWNER, "role/Ops"), iam(OWNER, "user/Ann")
NEAR, FAR = key(), key(arn=f"{KEY[:-1]}0")
ALIAS = f"arn:aws:kms:eu-west-1:{OWNER}:alias/app"


def identity(*statements: Any) -> PolicyText:
    """An identity policy."""
    return text(policy(*statements), DocumentKind.IDENTITY)


def returned(context: RequestContext) -> RequestContext:
    """The request, as a sight asks for it where it has to look."""
    return context


def of_key(sight: ResourceSight, place: Place, context: RequestContext) -> int:
    """The number of what a sight sees of the key of a request."""
    assert place.key is not None
    return sight.of_key(place.key, place.who, partial(returned, context))


def seen_of_keys(
    policies: tuple[PolicyText, ...], *asked: tuple[KeyFacts, str], as_key: bool = False
) -> list[int]:  # fmt: skip
    """The numbers of what policies see of keys and actions; `as_key` whatever the action."""
    given, sides = world(principal(APP), NEAR, FAR), Sides()
    found: list[int] = []
    for used, action in asked:
        who = resolve_caller(given, APP)
        context = RequestContext(given, Request(who, action, used.arn, action=find_action(action), key=used))
        place = sides.place(context)
        sight = sides.sight(place.where, policies, "kms")
        found.append(of_key(sight, place, context) if as_key else sight.of(place, context))
    return found


def seen_of_callers(statements: tuple[Any, ...], *callers: Caller, given: World | None = None) -> list[int]:
    """The numbers of what a key policy sees of callers."""
    given, sides = given or world(principal(APP), principal(OPS), principal(ANN), NEAR), Sides()
    found: list[int] = []
    for who in callers:
        context = RequestContext(given, Request(who, "kms:Decrypt", KEY, action=find_action("kms:Decrypt"), key=NEAR))
        place = sides.place(context)
        policies = (text(policy(*statements), DocumentKind.KEY_POLICY),)
        sight = sides.caller_sight(place.where, policies)
        found.append(sight.of(place.caller, place.who, partial(returned, context)))
    return found


def are_alike(numbers: list[int]) -> bool:
    """Whether all numbers are the same."""
    return len(set(numbers)) == 1


# -- of keys and actions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "alike"),
    [
        (allow(None, "kms:*"), True),
        (allow(None, "kms:*", Resource=["*", NEAR.arn]), True),
        (allow(None, "kms:*", Resource=f"arn:aws:kms:*:{OWNER}:key/*"), True),
        (allow(None, "s3:*", Resource=NEAR.arn), True),
        (allow(None, "kms:*", when={"StringEquals": {"aws:ResourceAccount": OWNER}}), True),
        (allow(None, "kms:*", when={"StringEquals": {"aws:PrincipalTag/a": "b"}}), True),
        (allow(None, "kms:*", when={"StringEquals": {"kms:EncryptionContext:a": "b"}}), True),
        (allow(None, "kms:*", Resource=NEAR.arn), False),
        (allow(None, "k*s:*", Resource=f"{KEY[:-1]}?", when={"StringEquals": {"aws:ResourceTag/a": "b"}}), False),
        (deny(None, "kms:*", NotResource=FAR.arn, Resource=[]), False),
        (allow(None, "kms:*", Resource=f"{KEY[:-1]}${{aws:PrincipalTag/a}}"), False),
        (allow(None, "kms:*", when={"StringEquals": {"aws:SourceVpce": "${aws:ResourceTag/a}"}}), False),
    ],
)
def test_keys_are_told_apart_by_what_documents_about_kms_look_at(statement: Any, alike: bool) -> None:
    given = {name: part for name, part in statement.items() if part != []}
    marked = key(arn=FAR.arn, tags={"a": "b"})
    for as_key in (False, True):
        asked = (NEAR, "kms:Decrypt"), (marked, "kms:Decrypt")
        assert are_alike(seen_of_keys((identity(given),), *asked, as_key=as_key)) is alike


def test_action_counts_where_a_document_looks_at_what_only_some_carry() -> None:
    asked = (NEAR, "kms:Decrypt"), (NEAR, "kms:DescribeKey")
    blind, looking = allow(None, "kms:*"), allow(None, when={"StringEquals": {"kms:EncryptionContext:a": "b"}})
    assert are_alike(seen_of_keys((identity(blind),), *asked))
    assert not are_alike(seen_of_keys((identity(looking),), *asked))
    assert are_alike(seen_of_keys((identity(looking),), *asked, as_key=True))
    signing = key(arn=FAR.arn, spec="RSA_2048")
    for statement, alike in ((blind, True), (looking, False)):
        kinds = seen_of_keys((identity(statement),), (NEAR, "kms:Decrypt"), (signing, "kms:Decrypt"), as_key=True)
        assert are_alike(kinds) is alike


def test_policies_that_read_the_same_give_the_same_numbers_wherever_they_are() -> None:
    when = {"StringEquals": {"aws:ResourceTag/a": "b"}}
    given, sides = world(NEAR), Sides()
    found = []
    for owner in (OWNER, MEMBER):
        used = key(arn=KEY.replace(OWNER, owner), tags={"a": "b"})
        who = resolve_caller(given, iam(owner, "role/App"))
        context = RequestContext(
            given, Request(who, "kms:Decrypt", used.arn, action=find_action("kms:Decrypt"), key=used)
        )
        place = sides.place(context)
        held = text(policy(allow(None, "kms:*", when=when)), DocumentKind.IDENTITY, f"arn:of:{owner}")
        found.append(of_key(sides.sight(place.where, (held,), "kms"), place, context))
    assert are_alike(found)


def test_resource_control_policies_see_tags_and_no_aliases() -> None:
    marked = key(arn=FAR.arn, tags={"a": "b"}, aliases=("alias/a",))
    asked = (NEAR, "kms:Decrypt"), (marked, "kms:Decrypt")
    for name, value, of_identity, of_resource in (
        ("aws:ResourceTag/a", "b", False, False),
        ("kms:ResourceAliases", "alias/a", False, True),
    ):
        statement = deny(None, "kms:*", when={"ForAnyValue:StringEquals": {name: value}})
        for kind, alike in ((DocumentKind.IDENTITY, of_identity), (DocumentKind.RCP, of_resource)):
            assert are_alike(seen_of_keys((text(policy(statement), kind),), *asked, as_key=True)) is alike


@pytest.mark.parametrize(
    ("test", "tags", "alike"),
    [
        ({"StringEquals": {"aws:ResourceTag/a": "b"}}, ({"a": "c"}, {"a": "d"}), True),
        ({"StringEquals": {"aws:ResourceTag/a": "b"}}, ({"a": "b"}, {"a": "b", "c": "d"}), True),
        ({"StringEquals": {"aws:ResourceTag/a": "b"}}, ({"a": "b"}, {"a": "c"}), False),
        ({"StringEqualsIfExists": {"aws:ResourceTag/a": "b"}}, ({"a": "b"}, {}), True),
        ({"StringEqualsIfExists": {"aws:ResourceTag/a": "b"}}, ({"a": "c"}, {}), False),
        ({"StringEquals": {"aws:ResourceTag/a": "b"}}, ({"a": "c"}, None), False),
        ({"StringEquals": {"aws:ResourceTag/a": "${aws:PrincipalTag/a}"}}, ({"a": "c"}, {"a": "d"}), False),
        ({"StringEquals": {"aws:ResourceTag/a": "b", "aws:ResourceTag/e": "f"}}, ({"e": "f"}, {"e": "g"}), False),
    ],
)
def test_keys_count_by_what_becomes_of_a_test_and_not_by_what_it_reads(test: Any, tags: Any, alike: bool) -> None:
    one, other = (key(arn=KEY[:-1] + str(number), tags=given) for number, given in enumerate(tags))
    for as_key in (False, True):
        for statement in (allow(None, "kms:*", when=test), deny(None, "kms:*", when=test)):
            asked = (one, "kms:Decrypt"), (other, "kms:Decrypt")
            assert are_alike(seen_of_keys((identity(statement),), *asked, as_key=as_key)) is alike


def test_each_test_of_each_text_counts_by_itself() -> None:
    when = [{"StringEquals": {"aws:ResourceTag/a": value}} for value in "bcd"]
    keys = [(key(arn=KEY[:-1] + str(number), tags={"a": value}), "kms:Decrypt") for number, value in enumerate("bcde")]
    first, second, third = when
    several = (identity(allow(None, "kms:*", when=first), deny(None, when=second)), identity(deny(None, when=third)))
    assert len(set(seen_of_keys(several, *keys))) == 4
    assert len(set(seen_of_keys(several[:1], *keys))) == 3
    assert len(set(seen_of_keys(several[1:], *keys))) == 2


def test_glance_notes_nothing_of_statements_about_other_services() -> None:
    other = allow(None, "s3:*", Resource="arn:a", when={"StringEquals": {"aws:ResourceTag/${aws:username}": "b"}})
    assert glance_of(identity(other), "kms") == glance_of(identity(allow(None, "kms:*")), "kms")
    assert glance_of(identity(other), "s3") != glance_of(identity(allow(None, "kms:*")), "s3")


def test_damaged_document_may_concern_everything() -> None:
    whole, odd = identity(allow(None, "s3:*")), identity(allow(None, "s3:*", Effect="Maybe"))
    assert [is_damaged(p) for p in (whole, odd, text("[]", DocumentKind.IDENTITY))] == [False, True, True]
    assert [concerns(p, "kms") for p in (whole, odd, identity(allow()))] == [False, True, True]


# -- of callers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "alike"),
    [
        (allow(iam(OWNER, "root")), True),
        (allow({"AWS": OWNER}), True),
        (allow("*"), True),
        (allow({"Service": "s3.amazonaws.com"}), True),
        (allow(iam(MEMBER, "role/App")), True),
        (allow("*", when={"StringEquals": {"aws:PrincipalAccount": OWNER}}), True),
        (allow("*", when={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}), True),
        (allow("*", when={"StringEquals": {"aws:ResourceTag/a": "${aws:PrincipalAccount}"}}), True),
        (allow(iam(OWNER, "role/Other")), True),
        (allow(APP), False),
        (allow({"AWS": "AROAAPP"}), False),
        (allow({"AWS": "AROA.OPS"}), False),
        (allow(iam(OWNER, "assumed-role/App/blue")), False),
        (deny(None, NotPrincipal={"AWS": MEMBER}), False),
        (allow("*", when={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/A*"}}), False),
        (allow("*", when={"StringEquals": {"aws:ResourceTag/a": "${aws:PrincipalArn}"}}), False),
        (allow("*", Resource="arn:aws:kms:*:*:key/${aws:userid}"), False),
    ],
)
def test_roles_of_an_account_are_told_apart_by_what_a_key_policy_says_of_them(statement: Any, alike: bool) -> None:
    given = world(principal(APP, unique_id="AROAAPP"), principal(OPS, unique_id="AROA.OPS"), NEAR)
    callers = (resolve_caller(given, arn) for arn in (APP, OPS))
    assert are_alike(seen_of_callers((statement,), *callers, given=given)) is alike


def test_callers_whom_one_document_sees_alike_are_asked_for_once_by_the_next() -> None:
    names = [iam(account, f"role/R{number}") for account in (OWNER, MEMBER) for number in range(5)]
    given, sides = world(*map(principal, names), NEAR), Sides()
    asked: list[str] = []

    def looked_at(context: RequestContext) -> RequestContext:
        asked.append(context.request.caller.text)
        return context

    numbers = []
    for named in (iam(OWNER, "root"), MEMBER, names[0]):
        for name in names:
            who = resolve_caller(given, name)
            context = RequestContext(given, Request(who, "kms:Decrypt", KEY, key=NEAR))
            place = sides.place(context)
            sight = sides.caller_sight(place.where, (text(policy(allow({"AWS": named})), DocumentKind.KEY_POLICY),))
            numbers.append(sight.of(place.caller, place.who, partial(looked_at, context)))
    first, second, third = numbers[:10], numbers[10:20], numbers[20:]
    assert [len(set(part)) for part in (first[:5], first[5:], first)] == [1, 1, 2]
    assert [len(set(part)) for part in (second[:5], second[5:], second)] == [1, 1, 2]
    assert third[0] not in third[1:]
    assert len(set(third[1:5])) == len(set(third[5:])) == 1
    assert asked == [names[0], *names[:5], names[5], *names[5:], names[0], names[5], names[0], names[1], names[5]]


@pytest.mark.parametrize(
    ("named", "singled_out"),
    [
        (APP, {"App"}),
        (iam(OWNER, "role/deep/path/App"), {"App"}),
        (iam(OWNER, "user/Ops"), {"Ops"}),
        (f"arn:aws:sts::{OWNER}:assumed-role/App/Ops", {"App"}),
        (f"arn:aws:sts::{OWNER}:federated-user/App", {"App", "Ops", "New"}),
        (iam(MEMBER, "role/App"), set()),
        (iam(OWNER, "root"), set()),
        ("AROAAPP", {"App", "New"}),
        ("AIDAELSE", {"New"}),
        ("arn:aws:iam::", {"App", "Ops", "New"}),
    ],
)
def test_users_and_roles_are_looked_at_by_themselves_where_an_entry_may_mean_them(named: str, singled_out: Any) -> None:
    new = iam(OWNER, "role/New")
    people = (principal(APP, unique_id="AROAAPP"), principal(OPS, unique_id="AROAOPS"), principal(new))
    given, sides = world(*people, principal(iam(OWNER, "role/Zed"), unique_id="AROAZED"), NEAR), Sides()
    asked: list[str] = []

    def looked_at(context: RequestContext) -> RequestContext:
        asked.append(context.request.caller.role_name)
        return context

    for documents in ((allow({"AWS": MEMBER}),), (allow({"AWS": named}),)):
        asked.clear()
        for name in (iam(OWNER, "role/Zed"), APP, OPS, new):
            context = RequestContext(given, Request(resolve_caller(given, name), "kms:Decrypt", KEY, key=NEAR))
            place = sides.place(context)
            sight = sides.caller_sight(place.where, (text(policy(*documents), DocumentKind.KEY_POLICY),))
            sight.of(place.caller, place.who, partial(looked_at, context))
    assert set(asked) == {"Zed", *singled_out}


def test_users_services_and_accounts_are_told_apart_from_each_other_where_they_are_named() -> None:
    given = world(principal(APP), principal(ANN), NEAR)
    app, ann, away = (resolve_caller(given, arn) for arn in (APP, ANN, iam(MEMBER, "role/App")))
    services = [resolve_caller(given, f"{name}.amazonaws.com") for name in ("s3", "sns", "sqs")]
    assert not are_alike(seen_of_callers((allow(iam(OWNER, "root")),), app, away))
    assert are_alike(seen_of_callers((allow("*"),), app, ann, away, *services, some_service()))
    named = (allow({"Service": "s3.amazonaws.com"}),)
    assert not are_alike(seen_of_callers(named, *services))
    assert are_alike(seen_of_callers(named, *services[1:]))
    assert not are_alike(seen_of_callers(named, some_service(), services[1]))
    from_source = (allow("*", when={"StringEquals": {"aws:SourceAccount": OWNER}}),)
    assert not are_alike(seen_of_callers(from_source, app, services[0]))


def test_role_that_services_are_linked_to_is_seen_as_such_by_every_document() -> None:
    linked = iam(OWNER, "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    odd = [iam(MEMBER, f"assumed-role/AWSServiceRoleFor{name}/blue") for name in ("A", "B")]
    given = world(principal(APP), principal(linked), NEAR)
    callers = [resolve_caller(given, arn) for arn in (APP, linked)]
    assert not are_alike(seen_of_callers((allow("*"),), *callers))
    stranger = world(NEAR, unlisted_accounts_collected=False, accounts=())
    away = [resolve_caller(stranger, arn.replace(MEMBER, "999988887777")) for arn in odd]
    assert not are_alike(seen_of_callers((allow("*"),), *away, given=stranger))


def in_turn(*documents: Any) -> list[int]:
    """The numbers of what key policies see of a user, the outcomes of their tests being shared."""
    here, sides = world(principal(ANN), NEAR), Sides()
    who = resolve_caller(here, ANN)
    found: list[int] = []
    for document in documents:
        context = RequestContext(here, Request(who, "kms:Decrypt", KEY, key=NEAR))
        place = sides.place(context)
        sight = sides.caller_sight(place.where, (text(policy(document), DocumentKind.KEY_POLICY),))
        found.append(sight.of(place.caller, place.who, partial(returned, context)))
    return found


ACCOUNT = "aws:PrincipalAccount"


@pytest.mark.parametrize(
    "others",
    [
        (allow("*", when={"StringNotEquals": {ACCOUNT: OWNER}}),),
        (allow("*", when={"StringEquals": {ACCOUNT: MEMBER}}),),
        (
            allow("*", Sid="Odd", when={"DateLessThan": {ACCOUNT: "x"}}),
            allow("*", when={"DateLessThan": {ACCOUNT: "x"}}),
        ),
    ],
)
@pytest.mark.parametrize("again", [False, True])
def test_outcome_of_a_test_is_that_of_each_document_that_asks_something_else(others: Any, again: bool) -> None:
    same = [allow("*", Sid=sid, when={"StringEquals": {ACCOUNT: OWNER}}) for sid in ("One", "Two")]
    numbers = in_turn(*(reversed((*same, *others)) if again else (*same, *others)))
    assert len(set(numbers)) == 1 + len(others)


@pytest.mark.parametrize("first", [allow, deny])
def test_outcome_of_a_test_may_hang_on_the_effect_of_its_statement(first: Any) -> None:
    when = {"ForAllValues:StringNotLike": {"aws:PrincipalTag/team": "red"}}
    second = deny if first is allow else allow
    assert len(set(in_turn(*(statement("*", when=when) for statement in (first, second))))) == 2


@pytest.mark.parametrize("qualified", ["StringEqualsIfExists", "ForAllValues:StringEquals"])
def test_outcome_of_a_test_may_hang_on_what_becomes_of_an_absent_key(qualified: str) -> None:
    kinds = [allow("*", when={operator: {"aws:PrincipalTag/team": "red"}}) for operator in ("StringEquals", qualified)]
    assert len(set(in_turn(*kinds))) == len(set(in_turn(*reversed(kinds)))) == 2


# -- requests that are not about a key --------------------------------------------------------------------------------


@pytest.mark.parametrize("when", [{"StringEquals": {"kms:CallerAccount": OWNER}}, {"Null": {"kms:ViaService": "true"}}])
@pytest.mark.parametrize("guarded", [False, True])
def test_request_on_a_key_says_nothing_about_the_same_action_on_an_alias(when: Any, guarded: bool) -> None:
    held = FULL if guarded else policy(allow(None, "kms:*", when=when))
    guards = organization({OWNER: [FULL, policy(deny(None, "kms:*", when=when))]} if guarded else {})
    given = world(principal(APP, held), key(allow(iam(OWNER, "root"), "kms:*")), guards)
    who, action = resolve_caller(given, APP), find_action("kms:CreateAlias")
    on_key = Request(who, "kms:CreateAlias", KEY, action=action, key=given.keys[NEAR.arn])
    on_alias = Request(who, "kms:CreateAlias", ALIAS, action=action)
    plain = [decide(given, asked, trace=False) for asked in (on_key, on_alias)]
    assert plain[0] != plain[1]
    for asked in ((on_key, on_alias), (on_alias, on_key)):
        kept = RememberingWorld.of(given, answers=False)
        found = {a.resource: decide(kept, a, trace=False) for a in asked}
        assert [found[KEY], found[ALIAS]] == plain


def test_roles_and_providers_are_told_apart_by_guardrails_on_assuming_roles() -> None:
    provider = [f"arn:aws:iam::{OWNER}:oidc-provider/{host}" for host in ("one.example.com", "two.example.com")]
    trust = policy(
        *(admits({"Federated": p}, "sts:AssumeRoleWithWebIdentity")["Statement"][0] for p in provider),
    )  # fmt: skip
    guard = policy(deny("*", "sts:*", when={"Null": {"one.example.com:sub": "false"}}))
    tagged = role(OWNER, "Tagged", trust, tags={"a": "b"})
    by_tag = policy(deny("*", "sts:*", when={"StringEquals": {"aws:ResourceTag/a": "b"}}))
    for document, expected in ((guard, 2), (by_tag, 2), (policy(deny("*", "s3:*")), 1)):
        given = world(role(OWNER, "App", trust), tagged, organization(rcps={ROOT: [document]}))
        kept = RememberingWorld.of(given, answers=False)
        verdicts = set()
        for who in provider:
            for facts in given.principals.values():
                asked = Request(vouched_for_by(who), "sts:AssumeRoleWithWebIdentity", facts.arn, role=facts)
                found = decide_assume(kept, asked, trace=False)
                assert found == decide_assume(given, asked, trace=False)
                verdicts.add(found.verdict)
        assert len(verdicts) == expected


def test_requests_that_say_more_than_their_context_share_nothing() -> None:
    given = world(principal(APP, policy(allow(None, "kms:*"))), key(allow(iam(OWNER, "root"), "kms:*")))
    kept = RememberingWorld.of(given, answers=False)
    who, action = resolve_caller(given, APP), find_action("kms:Decrypt")
    whole = Request(who, "kms:Decrypt", KEY, action=action, key=given.keys[NEAR.arn], complete=True)
    assert decide(kept, whole, trace=False).verdict is Verdict.ALLOWED
    assert kept.sides is not None
    assert not kept.sides.kept.caller_sides
