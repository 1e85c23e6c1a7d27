"""Which pairs of a caller and a key share a judgement, wherever they are: only those that nothing can tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.principals.classes import Classes
from scanner.analyze.request.caller import resolve_caller
from scanner.model.organization import Organization

from builders import (
    FULL,
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OU,
    OWNER,
    ROOT,
    account,
    allow,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
)
from builders import world as world_of
from role_worlds import admits, role

VENDOR = iam("999988887777", "root")
ALPHA = policy(allow(None, "kms:Decrypt", when={"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}))


BY_ALIAS = policy(allow(None, "kms:Decrypt", when={"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/a"}}))


def admin(owner: str, *documents: Any, **facts: Any) -> Any:
    """A role of an account."""
    return role(owner, "Admin", admits(VENDOR), *(documents or (FULL,)), **facts)


def plain(owner: str, *statements: Any, number: int = 0, **facts: Any) -> Any:
    """A key of an account."""
    arn = f"{KEY.replace(OWNER, owner)[:-1]}{number}"
    return key(*(statements or (allow(iam(owner, "root"), "kms:*"),)), arn=arn, **facts)


def share(first: Any, second: Any, *things: Any, **facts: Any) -> bool:
    """Whether two pairs of role and key are one group; pairs that are judged by themselves share nothing."""
    given = world_of(first[0], first[1], second[0], second[1], *things, **facts)
    classes = Classes(given)
    groups = [classes.pair(resolve_caller(given, who.arn), used) for who, used in (first, second)]
    again = classes.afresh().pair(resolve_caller(given, first[0].arn), first[1])
    assert again == groups[0]
    return groups[0] is not None and groups[0] == groups[1]


def test_equal_roles_and_keys_of_two_accounts_share() -> None:
    assert share((admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER)))
    assert share((admin(OWNER), plain(OWNER)), (admin(OWNER), plain(OWNER, number=1)))
    own = policy(allow(None, "kms:*", Resource=f"arn:aws:kms:*:{OWNER}:key/*"))
    theirs = policy(allow(None, "kms:*", Resource=f"arn:aws:kms:*:{MEMBER}:key/*"))
    assert share((admin(OWNER, own), plain(OWNER)), (admin(MEMBER, theirs), plain(MEMBER)))
    buckets = policy(allow(None, "s3:*", Resource="arn:aws:s3:::acme-*"))
    assert share((admin(OWNER, buckets), plain(OWNER)), (admin(MEMBER, buckets), plain(MEMBER)))


def test_tags_and_aliases_count_where_a_document_looks_at_them() -> None:
    marked = plain(OWNER, number=1, tags={"Project": "Alpha"}, aliases=("alias/a",))
    assert share((admin(OWNER), plain(OWNER)), (admin(OWNER), marked))
    assert not share((admin(OWNER, ALPHA), plain(OWNER)), (admin(OWNER, ALPHA), marked))
    assert not share((admin(OWNER, BY_ALIAS), plain(OWNER)), (admin(OWNER, BY_ALIAS), marked))
    assert not share((admin(OWNER), plain(OWNER)), (admin(OWNER), replace(marked, tags=None, gaps={"tags": "row"})))


def written(document: Any) -> Any:
    """A document without the elements that are empty."""
    if not isinstance(document, str):
        document["Statement"][0] = {k: v for k, v in document["Statement"][0].items() if v != []}
    return document


@pytest.mark.parametrize(
    "document",
    [
        policy(allow(None, "kms:*", Resource=KEY)),
        policy(allow(None, "kms:*", Resource="arn:aws:kms:*:*:key/mrk-*")),
        policy(allow(None, "kms:*", Resource="*0")),
        policy(allow(None, "kms:*", Resource="arn:aws:*:*:*:key/a")),
        policy(deny(None, "kms:*", Resource=[], NotResource=[KEY])),
        policy(allow(None, "kms:*"), allow(None, "kms:*", Effect="Maybe")),
        "[]",
    ],
)
def test_documents_that_may_see_a_single_key_are_judged_each(document: Any) -> None:
    role_of = admin(OWNER, written(document))
    assert not share((role_of, plain(OWNER)), (role_of, plain(OWNER, number=1)))


@pytest.mark.parametrize(
    "document",
    [
        policy(allow(None, "kms:*", when={"StringLike": {"aws:userid": "*"}})),
        policy(allow(None, "kms:*", when={"StringLike": {"aws:PrincipalAccount": "1111*"}})),
        policy(allow(None, "kms:*", when={"NumericLessThan": {"aws:PrincipalAccount": "2"}})),
        policy(allow(None, "kms:*", when={"StringEquals": {"aws:SourceArn": "${aws:PrincipalAccount}"}})),
        policy(allow(None, "kms:*", when={"ArnLike": {"aws:PrincipalArn": "*:role/${aws:PrincipalTag/a}"}})),
        policy(allow(None, "kms:*", when={"StringLike": {"aws:PrincipalOrgPaths": "${aws:PrincipalOrgPaths}"}})),
        policy(allow(None, "kms:*", when={"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "*/r-root/"}})),
        '{"Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "arn:aws:kms:*:11112222333\\u0033:key/*"}}',
    ],
)  # fmt: skip
def test_documents_that_see_accounts_units_or_identities_tell_two_accounts_apart(document: Any) -> None:
    pairs = (admin(OWNER, document), plain(OWNER)), (admin(MEMBER, document), plain(MEMBER))
    assert not share(*pairs, in_other_places())


def test_keys_with_more_than_a_policy_are_judged_each() -> None:
    twin = admin(OWNER)
    for used in (
        plain(OWNER, number=1, grants=(grant(twin.arn),)),
        plain(OWNER, number=1, ram_policy_read=False),
        plain(OWNER, number=1, gaps={"grants": "row"}),
        replace(plain(OWNER, number=1), key_policy=None),
    ):
        assert not share((twin, used), (twin, used))


def test_key_that_may_name_one_of_two_roles_tells_them_apart() -> None:
    one = admin(OWNER, unique_id="AROA1")
    other = replace(one, arn=one.arn.replace("Admin", "Audit"), unique_id="AROA2")
    for named in ("AROA1", one.arn, iam(OWNER, "assumed-role/Admin/blue")):
        used = plain(OWNER, allow(named), number=1)
        assert not share((one, used), (other, used))
    anybody = plain(OWNER, allow("*", when={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Ad*"}}))
    assert not share((one, anybody), (other, anybody))
    alone = plain(OWNER)
    assert share((one, alone), (other, alone))


def test_roles_of_any_account_share_at_the_keys_of_others() -> None:
    public = allow("*", "kms:Decrypt", when={"StringEquals": {"aws:PrincipalOrgID": ORG}})
    assert share((admin(OWNER), plain(MEMBER, public)), (admin(MEMBER), plain(OWNER, public)))
    assert not share((admin(OWNER), plain(OWNER, public)), (admin(MEMBER), plain(OWNER, public)))
    named = allow(iam(OWNER, "root"), "kms:Decrypt")
    assert not share((admin(OWNER), plain(MEMBER, named)), (admin(MEMBER), plain(MANAGER, named)), account(MANAGER))


THIRD = "333333333333"
PUBLIC = allow("*", "kms:Decrypt", when={"StringEquals": {"aws:PrincipalOrgID": ORG}})


def of_three(**units: tuple[str, ...]) -> tuple[Any, ...]:
    """An organization with a third account."""
    members = {OWNER: (ROOT, OU), MEMBER: (ROOT, OU), THIRD: (ROOT, OU)}
    return account(THIRD), replace(organization(), members=members | units)


def test_keys_of_an_account_that_the_caller_names_are_told_apart() -> None:
    pairs = [(admin(OWNER), plain(other, PUBLIC)) for other in (MEMBER, THIRD)]
    assert share(*pairs, *of_three())
    named = policy(allow(None, "kms:*", Resource=f"arn:aws:kms:*:{MEMBER}:key/*"))
    assert not share(*((admin(OWNER, named), used) for _, used in pairs), *of_three())


def test_key_of_the_own_account_is_no_key_of_another_for_a_role_that_is_told_apart_by_name() -> None:
    by_name = policy(allow(None, "kms:*", when={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Ad*"}}))
    who = admin(OWNER, by_name)
    assert not share((who, plain(OWNER)), (who, plain(MEMBER)))
    assert share((who, plain(OWNER)), (who, plain(OWNER, number=1)))


def test_units_of_callers_count_where_a_document_looks_at_them() -> None:
    by_unit = {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORG}/{ROOT}/{OU}/*"}}
    for statement, shared in ((PUBLIC, True), (allow("*", "kms:Decrypt", when=by_unit), False)):
        used = plain(THIRD, statement)
        assert share((admin(OWNER), used), (admin(MEMBER), used), *of_three(**{MEMBER: (ROOT,)})) is shared


def test_account_that_the_user_vouches_for_is_told_apart() -> None:
    pairs = (admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER))
    assert share(*pairs)
    assert not share(*pairs, asserted={"aws:sourceaccount": (OWNER,)})


def test_what_was_not_read_is_told_apart() -> None:
    pairs = (admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER))
    assert not share(*pairs, account(OWNER, iam_complete=False))
    assert not share((admin(OWNER, complete=False), plain(OWNER)), pairs[1])


def in_other_places() -> Organization:
    """OWNER and MEMBER under different units."""
    return replace(organization(), members={OWNER: (ROOT, OU), MEMBER: (ROOT,)})


def test_guardrails_count_and_places_only_where_a_document_looks_at_them() -> None:
    pairs = (admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER))
    assert share(*pairs, in_other_places())
    assert not share(*pairs, organization(scps={OWNER: [policy(allow(None, "s3:*"))]}))
    assert not share(*pairs, organization(rcps={OWNER: [policy(deny("*", "kms:Decrypt"))]}))
    assert share(*pairs, organization(scps={OWNER: [FULL], MEMBER: [FULL]}))
    assert share(*pairs, organization(scps={ROOT: [policy(allow(None, "*"))]}))
    named = policy(deny("*", "kms:*", when={"StringEquals": {"aws:PrincipalAccount": OWNER}}))
    assert not share(*pairs, organization(rcps={ROOT: [named]}))
    by_place = policy(deny("*", "kms:*", when={"ForAnyValue:StringLike": {"aws:ResourceOrgPaths": f"{ORG}/*"}}))
    placed = replace(organization(rcps={ROOT: [by_place]}), members=in_other_places().members)
    assert not share(*pairs, placed)


def test_standalone_accounts_share() -> None:
    alone = replace(organization(), members={})
    assert share((admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER)), alone)
    bounded = {"boundary": FULL}
    assert share((admin(OWNER, **bounded), plain(OWNER)), (admin(MEMBER, **bounded), plain(MEMBER)), alone)
