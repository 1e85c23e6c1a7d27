"""Rows of answers: the same one for pairs that nothing tells apart, and for every pair what a plain world says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.decision import sides as sides_module
from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.evaluation import ALL_SOURCES, Sources
from scanner.analyze.decision.every_action import Manner, every_action
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.decision.verdict import conclude
from scanner.analyze.request.caller import (
    Caller,
    any_identity_of,
    anyone,
    federated_of,
    resolve_caller,
    some_service,
    vouched_for_by,
)
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS
from scanner.model.decision import Decision, Verdict
from scanner.model.key import KeyFacts
from scanner.model.organization import Organization
from scanner.model.policy import DocumentKind
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OU,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    ram,
    text,
)
from builders import world as world_of
from role_worlds import admits, role

VENDOR = iam(STRANGER, "root")
THIRD = "333333333333"
SINGLE = f"{KEY[:-1]}0"
LATER = "2027-01-01T00:00:00Z"
DECISIONS = Manner("decision", lambda reason, rule: Decision(Verdict.DENIED, reason, rules=(rule,)), conclude)
PLACES = {action.name: number for number, action in enumerate(KEY_ACTIONS)}

Row = tuple[Decision, ...]
Context = Mapping[str, tuple[str, ...]]


def admin(owner: str, *documents: Any, **facts: Any) -> Any:
    """A role of an account."""
    return role(owner, "Admin", admits(VENDOR), *(documents or (FULL,)), **facts)


def plain(owner: str, *statements: Any, number: int = 0, **facts: Any) -> Any:
    """A key of an account."""
    arn = f"{KEY.replace(OWNER, owner)[:-1]}{number}"
    return key(*(statements or (allow(iam(owner, "root"), "kms:*"),)), arn=arn, **facts)


def decided(
    given: World, who: Caller, used: KeyFacts, sources: Sources = ALL_SOURCES, context: Context | None = None
) -> Row:
    """Every action decided by itself in a world that keeps nothing."""
    return tuple(
        decide(
            given, Request(who, action.iam_name, used.arn, action=action, key=used, context=context or {}),
            sources=sources, trace=False,
        )
        for action in KEY_ACTIONS
    )  # fmt: skip


def row_of(
    given: World, kept: World, who: Caller, used: KeyFacts, sources: Sources = ALL_SOURCES,
    context: Context | None = None,
) -> Row:  # fmt: skip
    """The row of a pair, which says what a plain world says."""
    row = every_action(kept, who, used, sources, DECISIONS, context)
    assert row is not None
    assert row == decided(given, who, used, sources, context), f"{who.text} {used.arn}"
    return row


def rows(first: Any, second: Any, *things: Any, **facts: Any) -> tuple[Row, Row]:
    """The rows of two pairs of a role and a key in one world, asked in both orders."""
    given = world_of(first[0], first[1], second[0], second[1], *things, **facts)
    found: list[Row] = []
    for pairs in ((second, first), (first, second)):
        kept = RememberingWorld.of(given, answers=False)
        found = [row_of(given, kept, resolve_caller(given, who.arn), used) for who, used in pairs]
    return found[0], found[1]


def share(first: Any, second: Any, *things: Any, **facts: Any) -> bool:
    """Whether two pairs get the same row."""
    one, other = rows(first, second, *things, **facts)
    return one is other


def differ(first: Any, second: Any, *things: Any, **facts: Any) -> bool:
    """Whether two pairs get rows that say different things."""
    one, other = rows(first, second, *things, **facts)
    return one != other


# -- pairs that nothing tells apart -----------------------------------------------------------------------------------


def test_equal_roles_and_keys_of_two_accounts_share_a_row() -> None:
    assert share((admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER)))
    assert share((admin(OWNER), plain(OWNER)), (admin(OWNER), plain(OWNER, number=1)))
    buckets = policy(allow(None, "s3:*", Resource="arn:aws:s3:::acme-*"))
    assert share((admin(OWNER, FULL, buckets), plain(OWNER)), (admin(MEMBER, FULL), plain(MEMBER)))


def test_documents_that_each_name_their_own_account_lead_to_the_same_row() -> None:
    own = policy(allow(None, "kms:*", Resource=f"arn:aws:kms:*:{OWNER}:key/*"))
    theirs = policy(allow(None, "kms:*", Resource=f"arn:aws:kms:*:{MEMBER}:key/*"))
    assert share((admin(OWNER, own), plain(OWNER)), (admin(MEMBER, theirs), plain(MEMBER)))
    assert differ((admin(OWNER, own), plain(OWNER)), (admin(MEMBER, own), plain(MEMBER)))


def test_rows_are_one_wherever_roles_of_an_organization_use_keys_of_others() -> None:
    public = allow("*", "kms:Decrypt", when={"StringEquals": {"aws:PrincipalOrgID": ORG}})
    assert share((admin(OWNER), plain(MEMBER, public)), (admin(MEMBER), plain(OWNER, public)))
    assert differ((admin(OWNER), plain(OWNER, public)), (admin(MEMBER), plain(OWNER, allow(VENDOR))))
    named = allow(iam(OWNER, "root"), "kms:Decrypt")
    assert differ((admin(OWNER), plain(MEMBER, named)), (admin(MEMBER), plain(MANAGER, named)), account(MANAGER))


def test_standalone_accounts_share_a_row_with_and_without_a_boundary() -> None:
    alone = replace(organization(), members={})
    assert share((admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER)), alone)
    limit = policy(allow(None, "kms:Decrypt"))
    assert share((admin(OWNER, boundary=limit), plain(OWNER)), (admin(MEMBER, boundary=limit), plain(MEMBER)), alone)
    assert differ((admin(OWNER, boundary=limit), plain(OWNER)), (admin(MEMBER), plain(MEMBER)), alone)


def test_statements_count_for_a_row_as_far_as_they_are_sources() -> None:
    used = plain(OWNER, allow(iam(OWNER, "root"), "kms:Decrypt"), allow(iam(OWNER, "root"), "kms:Encrypt"))
    given = world_of(admin(OWNER), used)
    kept, who = RememberingWorld.of(given, answers=False), resolve_caller(given, admin(OWNER).arn)
    assert used.key_policy is not None
    alone = [Sources(("key_policy",), frozenset({(used.key_policy.sha256, n)})) for n in range(2)]
    found = [row_of(given, kept, who, used, s) for s in (*alone, Sources(("grant",)), ALL_SOURCES)]
    allowed = [{n for n, place in PLACES.items() if row[place].verdict is Verdict.ALLOWED} for row in found]
    assert allowed == [{"Decrypt"}, {"Encrypt"}, set(), {"Decrypt", "Encrypt"}]


# -- pairs that something tells apart ---------------------------------------------------------------------------------


def test_tags_and_aliases_count_where_a_document_looks_at_them() -> None:
    alpha = policy(allow(None, "kms:Decrypt", when={"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}))
    named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/a"}}
    by_alias = policy(allow(None, "kms:Decrypt", when=named))
    marked = plain(OWNER, number=1, tags={"Project": "Alpha"}, aliases=("alias/a",))
    unread = replace(marked, tags=None, gaps={"tags": "row"})
    assert share((admin(OWNER), plain(OWNER)), (admin(OWNER), marked))
    assert share((admin(OWNER), plain(OWNER)), (admin(OWNER), unread))
    assert differ((admin(OWNER, alpha), plain(OWNER)), (admin(OWNER, alpha), marked))
    assert differ((admin(OWNER, alpha), plain(OWNER)), (admin(OWNER, alpha), unread))
    assert differ((admin(OWNER, by_alias), plain(OWNER)), (admin(OWNER, by_alias), marked))


def written(document: Any) -> Any:
    """A document without the elements that are empty."""
    if not isinstance(document, str):
        document["Statement"][0] = {k: v for k, v in document["Statement"][0].items() if v != []}
    return document


@pytest.mark.parametrize(
    "document",
    [
        policy(allow(None, "kms:*", Resource=SINGLE)),
        policy(allow(None, "kms:*", Resource=f"{KEY[:-1]}${{aws:PrincipalTag/n, '0'}}")),
        policy(allow(None, "kms:*", Resource="*0")),
        policy(allow(None, "kms:*", Resource=["arn:aws:kms:*:*:key/mrk-*", "*?0"])),
        policy(allow(None, "kms:*", Resource=f"arn:aws:*:*:*:key/{SINGLE[-36:]}")),
        policy(deny(None, "kms:*", Resource=[], NotResource=[SINGLE])),
        policy(allow(None, "kms:*", Resource=SINGLE, Effect="Maybe")),
        '{"Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "arn:aws:kms:*:*:key/*\\u0030"}}',
    ],
)
def test_documents_that_see_a_single_key_tell_two_apart(document: Any) -> None:
    who = admin(OWNER, FULL, written(document)) if "NotResource" in str(document) else admin(OWNER, document)
    assert differ((who, plain(OWNER)), (who, plain(OWNER, number=1)))


def test_damaged_document_tells_keys_apart_by_what_can_be_read_of_it_only() -> None:
    odd = admin(OWNER, "[]")
    assert share((odd, plain(OWNER)), (odd, plain(OWNER, number=1)))
    other = replace(odd, arn=odd.arn.replace("Admin", "Audit"))
    given = world_of(odd, other, plain(OWNER))
    kept = RememberingWorld.of(given, answers=False)
    found = [row_of(given, kept, resolve_caller(given, who.arn), plain(OWNER)) for who in (odd, other)]
    assert found[0][PLACES["Decrypt"]].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "when",
    [
        {"StringLike": {"aws:userid": "AROA1*"}},
        {"StringLike": {"aws:PrincipalAccount": "1111*"}},
        {"NumericLessThan": {"aws:PrincipalAccount": "222222222222"}},
        {"StringEquals": {"aws:PrincipalAccount": "11112222333\u0033"}},
        {"StringEquals": {"aws:ResourceTag/owner": "${aws:PrincipalAccount}"}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OWNER}:role/${{aws:PrincipalTag/a, 'Admin'}}"}},
        {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"*/{OU}/"}},
        {"ForAnyValue:StringLike": {"aws:ResourceOrgPaths": f"*/{OU}/"}},
        {"StringEquals": {"aws:ResourceAccount": OWNER}},
    ],
)  # fmt: skip
def test_documents_that_see_accounts_units_or_identities_tell_two_accounts_apart(when: Any) -> None:
    document = policy(allow(None, "kms:*", when=when))
    tags = {"owner": OWNER}
    pairs = (admin(OWNER, document, unique_id="AROA1"), plain(OWNER, tags=tags)), (
        admin(MEMBER, document, unique_id="AROA2"), plain(MEMBER, tags=tags),
    )  # fmt: skip
    assert differ(*pairs, in_other_places())
    assert share(*((replace(who, identity_policies=admin(OWNER).identity_policies), k) for who, k in pairs))


def in_other_places() -> Organization:
    """OWNER and MEMBER under different units."""
    return replace(organization(), members={OWNER: (ROOT, OU), MEMBER: (ROOT,)})


def test_grants_shares_and_what_was_not_read_of_a_key_tell_it_apart() -> None:
    twin = admin(OWNER)
    silent = allow(VENDOR, "kms:Decrypt")
    for used in (
        plain(OWNER, silent, number=1, grants=(grant(twin.arn),)),
        plain(OWNER, silent, number=1, grants=(grant(VENDOR, retiring_principal=twin.arn),)),
        plain(OWNER, silent, number=1, ram_policy=ram(allow(iam(OWNER, "root")))),
        plain(OWNER, silent, number=1, ram_policy_read=False),
        plain(OWNER, silent, number=1, gaps={"grants": "row"}),
        plain(OWNER, silent, number=1, spec="", usage=""),
        replace(plain(OWNER, number=1), key_policy=None),
    ):
        assert differ((twin, plain(OWNER, silent)), (twin, used))
        assert share((twin, used), (twin, used))


def test_documents_without_conditions_are_told_apart_by_what_they_say() -> None:
    who = admin(MEMBER)
    assert differ(
        (who, plain(OWNER, allow("*", "kms:Decrypt"))), (who, plain(OWNER, allow("*", "kms:Sign*"), number=1))
    )
    public = allow("*", "kms:*")
    pairs = (admin(OWNER), plain(OWNER, public)), (admin(MEMBER), plain(MEMBER, public))
    guards = {OWNER: [policy(deny("*", "kms:Decrypt"))], MEMBER: [policy(deny("*", "kms:Encrypt"))]}
    assert differ(*pairs, organization(rcps=guards))
    silent = policy(allow(None, "s3:*"))
    assert differ((admin(OWNER, boundary=silent), plain(OWNER)), (admin(MEMBER), plain(MEMBER)))
    limited = admin(OWNER, boundary=policy(allow(None, "kms:Decrypt")))
    more = admin(MEMBER, FULL, policy(allow(None, "kms:Decrypt")))
    assert differ((limited, plain(OWNER)), (more, plain(MEMBER)))


def test_region_of_a_key_tells_it_apart() -> None:
    open_to_all = allow("*", "kms:*")
    far = key(open_to_all, arn=KEY.replace("eu-west-1", "me-south-1"))
    assert differ(
        (admin(MEMBER), plain(OWNER, open_to_all)), (admin(MEMBER), far), account(MEMBER, opted_in_regions=frozenset())
    )  # fmt: skip


def test_state_and_kind_of_a_key_tell_it_apart() -> None:
    who = admin(OWNER)
    for facts in ({"state": "Disabled"}, {"state": "Odd"}, {"spec": "RSA_2048"}, {"manager": "AWS"}):
        assert differ((who, plain(OWNER)), (who, plain(OWNER, number=1, **facts))) is ("manager" not in facts)
    vendor, managed = admin(MEMBER), plain(OWNER, allow("*", "kms:*"), number=1, manager="AWS")
    assert differ((vendor, plain(OWNER, allow("*", "kms:*"))), (vendor, managed))


def test_region_that_one_account_enabled_tells_accounts_apart() -> None:
    far = key(allow("*", "kms:*"), arn=KEY.replace("eu-west-1", "me-south-1"))
    regions = (
        account(MEMBER, opted_in_regions=frozenset({"me-south-1"})),
        account(THIRD, opted_in_regions=frozenset()),
    )
    members = {OWNER: (ROOT,), MEMBER: (ROOT,), THIRD: (ROOT,)}
    assert differ((admin(MEMBER), far), (admin(THIRD), far), *regions, replace(organization(), members=members))


def test_key_that_names_one_of_two_roles_tells_them_apart() -> None:
    one = admin(OWNER, unique_id="AROA1.X")
    other = replace(one, arn=one.arn.replace("Admin", "Audit"), unique_id="AROA2.X")
    for named in ("AROA1.X", one.arn, iam(OWNER, "assumed-role/Admin/blue")):
        used = plain(OWNER, allow(named), number=1)
        assert differ((one, used), (other, used))
    spared = deny(None, "kms:*", NotPrincipal={"AWS": [one.arn, iam(OWNER, "root")]})
    used = plain(OWNER, allow("*", "kms:*"), spared)
    assert differ((one, used), (other, used))
    anybody = plain(OWNER, allow("*", when={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Ad*"}}))
    assert differ((one, anybody), (other, anybody))
    assert share((one, plain(OWNER)), (other, plain(OWNER)))


def test_role_whose_name_ends_like_a_root_user_is_told_apart_where_it_is_named() -> None:
    one, odd = admin(OWNER), role(OWNER, "x:root", admits(VENDOR), FULL)
    used = plain(OWNER, allow(odd.arn))
    assert differ((one, used), (odd, used))


def test_tag_whose_name_holds_a_comma_is_looked_at_by_its_whole_name() -> None:
    document = policy(allow(None, "kms:*", when={"StringEquals": {"aws:ResourceTag/of": "${aws:PrincipalTag/a,b}"}}))
    one = admin(OWNER, document, tags={"a,b": "blue"})
    other = replace(one, arn=one.arn.replace("Admin", "Audit"), tags={"a,b": "red"})
    used = plain(OWNER, tags={"of": "blue"})
    assert differ((one, used), (other, used))
    defaulted = policy(
        allow(None, "kms:*", when={"StringEquals": {"aws:ResourceTag/of": "${aws:PrincipalTag/a, 'x'}"}})
    )
    one, other = admin(OWNER, defaulted, tags={"a": "blue"}), role(OWNER, "Audit", admits(VENDOR), defaulted)
    assert differ((one, used), (other, used))


def of_three(**units: tuple[str, ...]) -> tuple[Any, ...]:
    """An organization with a third account."""
    members = {OWNER: (ROOT, OU), MEMBER: (ROOT, OU), THIRD: (ROOT, OU)}
    return account(THIRD), replace(organization(), members=members | units)


PUBLIC = allow("*", "kms:Decrypt", when={"StringEquals": {"aws:PrincipalOrgID": ORG}})


def test_keys_of_an_account_that_the_caller_names_are_told_apart() -> None:
    pairs = [(admin(OWNER), plain(other, PUBLIC)) for other in (MEMBER, THIRD)]
    assert share(*pairs, *of_three())
    named = policy(allow(None, "kms:*", Resource=f"arn:aws:kms:*:{MEMBER}:key/*"))
    assert differ(*((admin(OWNER, named), used) for _, used in pairs), *of_three())


def test_key_of_the_own_account_is_no_key_of_another() -> None:
    by_name = policy(allow(None, "kms:*", when={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Ad*"}}))
    who, public = admin(OWNER, by_name), allow("*", "kms:*")
    assert differ((who, plain(OWNER, public)), (who, plain(MEMBER, public)))
    assert share((who, plain(OWNER, public)), (who, plain(OWNER, public, number=1)))


def test_units_of_callers_count_where_a_document_looks_at_them() -> None:
    by_unit = {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORG}/{ROOT}/{OU}/*"}}
    for statement, same in ((PUBLIC, True), (allow("*", "kms:Decrypt", when=by_unit), False)):
        used = plain(THIRD, statement)
        pairs = (admin(OWNER), used), (admin(MEMBER), used)
        assert share(*pairs, *of_three(**{MEMBER: (ROOT,)})) is same
        assert differ(*pairs, *of_three(**{MEMBER: (ROOT,)})) is not same


def test_what_the_user_vouches_for_counts_alike_for_everybody() -> None:
    when = {"StringEquals": {"aws:SourceVpce": "${aws:PrincipalTag/net}"}}
    document = policy(allow(None, "kms:*", when=when))
    pairs = (admin(OWNER, document, tags={"net": "vpce-1"}), plain(OWNER)), (
        admin(MEMBER, document, tags={"net": "vpce-2"}), plain(MEMBER),
    )  # fmt: skip
    assert differ(*pairs, asserted={"aws:sourcevpce": ("vpce-1",)})
    assert share((admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER)), asserted={"aws:sourcevpce": ("x",)})


def test_what_was_not_read_of_a_caller_is_told_apart() -> None:
    pairs = (admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER))
    assert differ(*pairs, account(OWNER, iam_complete=False))
    assert differ((admin(OWNER, complete=False), plain(OWNER)), pairs[1])


def test_guardrails_count_and_places_only_where_a_document_looks_at_them() -> None:
    pairs = (admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER))
    assert share(*pairs, in_other_places())
    assert differ(*pairs, organization(scps={OWNER: [policy(allow(None, "s3:*"))]}))
    assert differ(*pairs, organization(rcps={OWNER: [policy(deny("*", "kms:Decrypt"))]}))
    assert share(*pairs, organization(scps={OWNER: [FULL], MEMBER: [FULL]}))
    assert share(*pairs, organization(scps={ROOT: [policy(allow(None, "*"))]}))
    named = policy(deny("*", "kms:*", when={"StringEquals": {"aws:PrincipalAccount": OWNER}}))
    assert differ(*pairs, organization(rcps={ROOT: [named]}))
    assert differ(*pairs, organization(scps={ROOT: [FULL, named | {"Statement": [deny(None, "kms:*", when={
        "StringEquals": {"aws:PrincipalAccount": OWNER}})]}]}))  # fmt: skip
    by_place = policy(deny("*", "kms:*", when={"ForAnyValue:StringLike": {"aws:ResourceOrgPaths": f"*/{OU}/"}}))
    assert differ(*pairs, replace(organization(rcps={ROOT: [by_place]}), members=in_other_places().members))
    assert differ(*pairs, replace(organization(scps={ROOT: [policy(deny(None, "*"))]}), management_account=MEMBER))


def test_guardrails_of_a_caller_that_see_single_actions_divide_its_row() -> None:
    first, second = rows(
        (admin(OWNER), plain(OWNER)), (admin(OWNER), plain(OWNER, number=1)),
        organization(scps={OWNER: [FULL, policy(deny(None, "kms:Enc*"))]}),
    )  # fmt: skip
    assert first is second
    assert first[PLACES["Encrypt"]].reason == "scp_deny"
    assert first[PLACES["Decrypt"]].verdict is Verdict.ALLOWED


# -- every kind of caller ---------------------------------------------------------------------------------------------


def test_every_kind_of_caller_gets_what_a_plain_world_says() -> None:
    linked = iam(OWNER, "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    ann = principal(iam(OWNER, "user/Ann"), FULL)
    bob = principal(iam(OWNER, "federated-user/Bob"), parent=ann.arn, session_policies=[])
    session = principal(
        iam(MEMBER, "assumed-role/Admin/blue"), parent=admin(MEMBER).arn, session_policies=[policy(allow())]
    )
    odd = iam(STRANGER, "assumed-role/AWSServiceRoleForOdd/blue")
    used = (
        plain(OWNER), plain(OWNER, allow("*", "kms:*"), number=1, grants=(grant("s3.amazonaws.com", "Encrypt"),)),
        plain(MEMBER, allow({"AWS": "*", "Service": "s3.amazonaws.com"}, "kms:De*"), deny(linked), number=2),
    )  # fmt: skip
    guards = organization(
        scps={ROOT: [FULL, policy(deny(None, "kms:Encrypt"))]}, rcps={ROOT: [policy(deny("*", "kms:Sign"))]}
    )
    given = world_of(
        admin(OWNER),
        admin(MEMBER),
        principal(linked, FULL),
        ann,
        bob,
        session,
        *used,
        guards,
        account(THIRD, collected=False),
    )
    callers = (
        *(resolve_caller(given, arn) for arn in given.principals), resolve_caller(given, iam(OWNER, "root")),
        resolve_caller(given, iam(STRANGER, "root")), resolve_caller(given, odd),
        resolve_caller(given, iam(OWNER, "assumed-role/Admin/green")), federated_of(resolve_caller(given, ann.arn)),
        any_identity_of(given, THIRD, "aws"), any_identity_of(given, STRANGER, "aws"), anyone("aws"), anyone("aws-cn"),
        some_service(), resolve_caller(given, "s3.amazonaws.com"), resolve_caller(given, "sns.amazonaws.com"),
        vouched_for_by("cognito-identity.amazonaws.com"),
    )  # fmt: skip
    kept = RememberingWorld.of(given, answers=False)
    for _ in range(2):
        for who in callers:
            for k in used:
                row_of(given, kept, who, k)
    for who in reversed(callers):
        row_of(given, kept, who, used[1], Sources(("grant",)))


def test_rows_of_one_context_say_nothing_about_another() -> None:
    tagged = admits(VENDOR, "sts:AssumeRole", "sts:TagSession")
    document = policy(allow(None, "kms:*", when={"Null": {"aws:PrincipalTag/team": "false"}}))
    one = role(OWNER, "Admin", tagged, document, tags={"team": "blue"})
    other = role(OWNER, "Audit", tagged, document)
    used = plain(OWNER)
    given = world_of(one, other, used)
    kept = RememberingWorld.of(given, answers=False)
    for context in ({"aws:principaltag/team": ("blue",)}, {}, {"aws:principaltag/team": ()}):
        found = [row_of(given, kept, resolve_caller(given, w.arn), used, context=context) for w in (one, other)]
        assert (found[0] == found[1]) is bool(context)


def test_keys_that_are_alike_in_one_context_need_not_be_in_another() -> None:
    by_origin = allow("*", "kms:*", when={"StringEquals": {"kms:KeyOrigin": "AWS_KMS"}})
    known, unread = plain(OWNER, by_origin), plain(OWNER, by_origin, number=1, origin="")
    given = world_of(admin(OWNER), known, unread)
    kept, who = RememberingWorld.of(given, answers=False), resolve_caller(given, admin(OWNER).arn)
    for context in ({"kms:keyorigin": ("AWS_KMS",)}, {}):
        found = [row_of(given, kept, who, used, context=context) for used in (known, unread)]
        assert (found[0] is found[1]) is bool(context)


def test_action_that_only_some_carry_a_condition_key_for_stands_alone() -> None:
    when = {"StringEquals": {"kms:EncryptionContext:app": "a"}}
    used = plain(OWNER, allow(iam(OWNER, "root"), "kms:*", when=when))
    row, _ = rows((admin(OWNER), used), (admin(OWNER), used))
    assert row[PLACES["Decrypt"]].verdict is Verdict.CONDITIONAL
    assert row[PLACES["DescribeKey"]].verdict is Verdict.DENIED
    signing = replace(used, arn=f"{KEY[:-1]}1", spec="RSA_2048")
    assert differ((admin(OWNER), used), (admin(OWNER), signing))


# -- what is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 3, 20])
def test_answers_stay_the_same_where_room_is_made(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(sides_module, "MOST_SIDES", most)
    by_tag = policy(allow(None, "kms:*", when={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}))
    things = [
        *(role(OWNER, f"R{n}", admits(VENDOR), by_tag, tags={"team": "red" if n % 2 else "blue"}) for n in range(4)),
        *(plain(OWNER, number=n, tags={"team": "red" if n % 3 else "blue"}) for n in range(4)),
    ]
    given = world_of(*things, organization(scps={ROOT: [FULL, policy(deny(None, "kms:Sign"))]}))
    kept = RememberingWorld.of(given, answers=False)
    assert kept.sides is not None
    first = kept.sides.kept
    for _ in range(2):
        for who in given.principals:
            for used in given.keys.values():
                row_of(given, kept, resolve_caller(given, who), used)
    assert kept.sides.kept is not first


@pytest.mark.parametrize(("callers", "answers", "stays"), [(1, 3, True), (1, 4, False), (2, 6, True), (2, 7, False)])
def test_more_is_kept_where_more_callers_were_met(
    monkeypatch: pytest.MonkeyPatch, callers: int, answers: int, stays: bool
) -> None:
    monkeypatch.setattr(sides_module, "MOST_SIDES", 3)
    monkeypatch.setattr(sides_module, "FEW_CALLERS", 2)
    sides = sides_module.Sides()
    kept = sides.kept
    kept.callers.update({f"role {n}": [(n, n)] for n in range(callers)})
    kept.verdicts.update(dict.fromkeys(range(answers)))
    sides.make_room()
    assert (sides.kept is kept) is stays


@pytest.mark.parametrize("most", [0, 1])
def test_worlds_beyond_those_known_by_sight_are_known_by_what_they_hold(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(sides_module, "MOST_WORLDS", most)
    given = world_of(admin(OWNER), plain(OWNER))
    kept, who = RememberingWorld.of(given, answers=False), resolve_caller(given, admin(OWNER).arn)
    other = replace(kept, keys={}), replace(kept, organizations=())
    found = [row_of(here, here, who, plain(OWNER)) for here in (kept, *other, kept)]
    assert kept.sides is not None
    assert len(kept.sides.kept.seen) == most
    assert len(kept.sides.kept.worlds) == 2
    assert found[0] is found[-1]


def test_world_that_keeps_no_sides_has_no_rows() -> None:
    given = world_of(admin(OWNER), plain(OWNER))
    who, used = resolve_caller(given, admin(OWNER).arn), plain(OWNER)
    for kept in (given, RememberingWorld.of(given, sides=False)):
        assert every_action(kept, who, used, ALL_SOURCES, DECISIONS) is None


def by(date: str) -> Any:
    """A test that holds until a date."""
    return {"DateLessThan": {"aws:CurrentTime": date}}


@pytest.mark.parametrize(
    "things",
    [
        (admin(OWNER, policy(allow(None, "kms:*", when=by(LATER)))), plain(OWNER)),
        (admin(OWNER, boundary=policy(allow(None, "kms:*", when=by(LATER)))), plain(OWNER)),
        (admin(OWNER), plain(OWNER, allow(iam(OWNER, "root"), when=by(LATER)))),
        (admin(OWNER), plain(OWNER, ram_policy=ram(allow(iam(OWNER, "root"), when=by(LATER))))),
        (admin(OWNER), plain(OWNER), organization(scps={ROOT: [policy(allow(None, "*", when=by(LATER)))]})),
        (admin(OWNER), plain(OWNER), organization(rcps={ROOT: [policy(deny("*", "*", when=by(LATER)))]})),
    ],
)
def test_date_to_come_in_a_document_of_either_side_leaves_actions_to_be_judged_one_by_one(things: Any) -> None:
    given = world_of(*things)
    kept = RememberingWorld.of(given, answers=False)
    who, used = resolve_caller(given, things[0].arn), things[1]
    assert every_action(kept, who, used, ALL_SOURCES, DECISIONS) is None
    after = {"as_of": "2028-01-01T00:00:00+00:00"}
    row_of(replace(given, **after), replace(kept, **after), who, used)
    assert every_action(kept, who, used, ALL_SOURCES, DECISIONS) is None


def test_worlds_that_differ_in_anything_decisions_look_at_keep_their_answers_apart() -> None:
    locked = organization({ROOT: [FULL, policy(deny(None, "kms:Decrypt"))]}, {ROOT: [policy(deny("*", "kms:Encrypt"))]})
    given = world_of(admin(OWNER), plain(OWNER), locked)
    kept = RememberingWorld.of(given, answers=False)
    rewritten = replace(admin(OWNER), identity_policies=(text(policy(allow()), DocumentKind.IDENTITY),))
    found = []
    for change in (
        {}, {"credit_scp": False}, {"credit_rcp": False}, {"organizations": (organization(),)}, {"organizations": ()},
        {"credit_scp": False, "principals": {rewritten.arn: rewritten}},
        {"accounts": {OWNER: account(OWNER, organization_unknown=True)}}, {"organization_gap": "row"}, {},
    ):  # fmt: skip
        here = replace(given, **change)
        who = resolve_caller(here, admin(OWNER).arn)
        found.append(row_of(here, replace(kept, **change), who, plain(OWNER)))
    assert found[0] is found[-1]
    assert len(set(found)) == 6


# -- what stands beside texts and sights ------------------------------------------------------------------------------


def test_text_that_is_a_boundary_of_one_and_a_policy_of_another_limits_only_the_one() -> None:
    wide, narrow = policy(allow(None, "kms:*")), policy(allow(None, "kms:Decrypt"))
    limited = role(OWNER, "Limited", admits(VENDOR), wide, boundary=narrow)
    elsewhere = role(OWNER, "Elsewhere", admits(VENDOR), wide, narrow, boundary=policy(allow(None, "s3:*")))
    assert differ((limited, plain(OWNER)), (elsewhere, plain(OWNER)))


def test_resource_control_policy_that_spares_one_of_two_roles_tells_them_apart() -> None:
    spares = deny("*", "kms:Decrypt", when={"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Admin"}})
    guarded = organization(rcps={ROOT: [policy(spares)]})
    other = role(OWNER, "Other", admits(VENDOR), FULL)
    assert differ((admin(OWNER), plain(OWNER)), (other, plain(OWNER)), guarded)


def test_what_a_grant_gives_hangs_on_the_context_and_on_which_grants_count() -> None:
    team = {"EncryptionContextSubset": {"team": "ledger"}}
    bound = grant(admin(MEMBER).arn, "Decrypt", grant_id="g-bound", constraints=team)
    free = grant(admin(MEMBER).arn, "Encrypt", grant_id="g-free")
    used = plain(OWNER, grants=(bound, free))
    given = world_of(admin(MEMBER), used)
    kept, who = RememberingWorld.of(given, answers=False), resolve_caller(given, admin(MEMBER).arn)
    asked = [
        (Sources(("grant",), grants=frozenset({one})), context)
        for one in ("g-bound", "g-free")
        for context in ({}, *({"kms:encryptioncontext:team": (team,)} for team in ("ledger", "other")))
    ]
    found = [row_of(given, kept, who, used, sources, context) for sources, context in asked]
    verdicts = [(row[PLACES["Decrypt"]].verdict.value, row[PLACES["Encrypt"]].verdict.value) for row in found]
    assert verdicts[:3] == [("conditional", "denied"), ("allowed", "denied"), ("denied", "denied")]
    assert verdicts[3:] == [("denied", "allowed")] * 3


@pytest.mark.parametrize("first", [0, 1])
def test_policy_about_something_else_does_not_shift_what_a_role_sees_of_keys(first: int) -> None:
    """Two roles of one class look at keys by sights of their own, whose numbers must mean the same."""
    by_tag = policy(allow(None, "kms:*", when={"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}))
    pair = (
        role(OWNER, "One", admits(VENDOR), by_tag),
        role(OWNER, "Two", admits(VENDOR), by_tag, policy(allow(None, "s3:*"))),
    )
    keys = [plain(OWNER, number=n, tags={"Project": value}) for n, value in enumerate(("Alpha", "Beta"))]
    given = world_of(*pair, *keys)
    kept = RememberingWorld.of(given, answers=False)
    one, two = (resolve_caller(given, pair[n].arn) for n in (first, 1 - first))
    found = [row_of(given, kept, who, used) for who, used in zip((one, two, two, one), (*keys, *keys), strict=True)]
    assert found[0] is found[2]
    assert found[1] is found[3]
    assert found[0] != found[1]


def test_condition_of_a_caller_on_what_is_carried_is_answered_in_each_context() -> None:
    inside = policy(allow(None, "kms:*", when={"StringEquals": {"aws:SourceVpc": "vpc-1"}}))
    given = world_of(admin(OWNER, inside), plain(OWNER))
    kept, who = RememberingWorld.of(given, answers=False), resolve_caller(given, admin(OWNER).arn)
    contexts: list[Context] = [{}, {"aws:sourcevpc": ("vpc-1",)}, {"aws:sourcevpc": ("vpc-2",)}]
    found = [row_of(given, kept, who, plain(OWNER), context=context)[PLACES["Decrypt"]] for context in contexts]
    assert [decision.verdict.value for decision in found] == ["conditional", "allowed", "denied"]


def test_condition_of_a_key_on_what_is_carried_is_answered_in_each_context() -> None:
    inside = allow(iam(OWNER, "root"), "kms:*", when={"StringEquals": {"aws:SourceVpc": "vpc-1"}})
    given = world_of(admin(OWNER), plain(OWNER, inside))
    kept, who = RememberingWorld.of(given, answers=False), resolve_caller(given, admin(OWNER).arn)
    contexts: list[Context] = [{}, {"aws:sourcevpc": ("vpc-1",)}, {"aws:sourcevpc": ("vpc-2",)}]
    found = [row_of(given, kept, who, plain(OWNER, inside), context=context)[PLACES["Decrypt"]] for context in contexts]
    assert [decision.verdict.value for decision in found] == ["conditional", "allowed", "denied"]


def test_guardrail_on_tags_tells_keys_apart_whose_policies_do_not_look_at_tags() -> None:
    guard = policy(deny("*", "kms:Decrypt", when={"StringEquals": {"aws:ResourceTag/tier": "gold"}}))
    pair = [(admin(OWNER), plain(OWNER, number=n, tags={"tier": tier})) for n, tier in enumerate(("gold", "tin"))]
    assert differ(*pair, organization(rcps={ROOT: [guard]}))


def test_what_is_worked_out_in_one_manner_is_not_taken_for_another() -> None:
    given = world_of(admin(OWNER), plain(OWNER))
    kept, who = RememberingWorld.of(given, answers=False), resolve_caller(given, admin(OWNER).arn)
    told = Manner("told", lambda reason, rule: f"{reason} {rule}", lambda world, request, evaluation: "settled")
    for manner, kind in ((DECISIONS, Decision), (told, str), (DECISIONS, Decision)):
        row = every_action(kept, who, plain(OWNER), ALL_SOURCES, manner)  # type: ignore[type-var]
        assert row is not None
        assert {type(one) for one in row} == {kind}


def test_request_on_something_of_another_account_is_not_answered_as_one_of_the_own() -> None:
    given = world_of(admin(OWNER))
    kept, who = RememberingWorld.of(given, answers=False), resolve_caller(given, admin(OWNER).arn)
    for order in ((OWNER, MEMBER), (MEMBER, OWNER)):
        for owner in order:
            request = Request(who, "iam:PassRole", iam(owner, "role/Any"))
            answer = decide(kept, request, trace=False)
            assert answer == decide(given, request, trace=False)
            assert (answer.verdict is Verdict.DENIED) is (owner == MEMBER)


def test_gap_of_one_key_is_not_cited_for_another() -> None:
    keys = [plain(OWNER, number=n, spec="", usage="", gaps={"describe": f"row/{n}"}) for n in (1, 2)]
    given = world_of(admin(OWNER), *keys)
    kept, who = RememberingWorld.of(given, answers=False), resolve_caller(given, admin(OWNER).arn)
    cited = [row_of(given, kept, who, used)[PLACES["Decrypt"]].rules for used in keys]
    assert cited == [("row/1",), ("row/2",)]


def test_whom_no_grant_can_concern_has_the_row_of_a_key_without_grants() -> None:
    given = (
        grant(iam(MEMBER, "role/Admin"), "Decrypt", "RetireGrant", retiring_principal=iam(STRANGER, "role/Admin")),
        grant(VENDOR, "DescribeKey", grant_id="g-2", issuing_account=THIRD),
        grant("logs.amazonaws.com", "Encrypt", grant_id="g-3"),
    )
    granted, bare = plain(OWNER, grants=given), plain(OWNER, number=1)
    apart = "444444444444"
    away = [admin(where, policy(allow(None, "kms:*"))) for where in (OWNER, MEMBER, STRANGER, THIRD, apart)]
    world = world_of(granted, bare, *away, principal(iam(apart, "user/Ann"), FULL), accounts=[account(apart)])
    kept = RememberingWorld.of(world, answers=False)
    callers = [resolve_caller(world, arn) for arn in sorted(world.principals)]
    callers += [resolve_caller(world, f"arn:aws:sts::{where}:federated-user/Fred") for where in (apart, STRANGER)]
    callers += [some_service(), anyone("aws")]
    concerned = set()
    for who in callers:
        ours, without = (row_of(world, kept, who, used) for used in (granted, bare))
        if ours != without:
            concerned.add(who.text)
    fred = f"arn:aws:sts::{STRANGER}:federated-user/Fred"
    assert concerned == {fred, *(iam(where, "role/Admin") for where in (OWNER, MEMBER, STRANGER, THIRD))}
