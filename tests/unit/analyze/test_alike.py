"""Which pairs of a role and a key share a judgement: only those that nothing can tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.principals.alike import Alike
from scanner.model.organization import Organization

from builders import FULL, KEY, MEMBER, OU, OWNER, ROOT, account, allow, deny, grant, iam, key, organization, policy
from builders import world as world_of
from role_worlds import admits, role

VENDOR = iam("999988887777", "root")
ALPHA = policy(allow(None, "kms:Decrypt", when={"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}))


def admin(owner: str, *documents: Any, **facts: Any) -> Any:
    """A role of an account."""
    return role(owner, "Admin", admits(VENDOR), *(documents or (FULL,)), **facts)


def plain(owner: str, *statements: Any, number: int = 0, **facts: Any) -> Any:
    """A key of an account."""
    arn = f"{KEY.replace(OWNER, owner)[:-1]}{number}"
    return key(*(statements or (allow(iam(owner, "root"), "kms:*"),)), arn=arn, **facts)


def share(first: Any, second: Any, *things: Any) -> bool:
    """Whether two pairs of role and key are one group; pairs that are judged by themselves share nothing."""
    alike = Alike(world_of(first[0], first[1], second[0], second[1], *things))
    groups = alike.of(*first), alike.of(*second)
    assert alike.of(*first) == groups[0]
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
    assert not share((admin(OWNER), plain(OWNER)), (admin(OWNER), replace(marked, tags=None, gaps={"tags": "row"})))


@pytest.mark.parametrize(
    "document",
    [
        policy(allow(None, "kms:*", Resource=KEY)),
        policy(allow(None, "kms:*", Resource="arn:aws:kms:*:*:key/mrk-*")),
        policy(allow(None, "kms:*", Resource="*0")),
        policy(allow(None, "kms:*", Resource="arn:aws:*:*:*:key/a")),
        policy(deny(None, "kms:*", Resource=[], NotResource=[KEY])),
        policy(allow(None, "kms:*", when={"StringLike": {"aws:userid": "*"}})),
        policy(allow(None, "kms:*", when={"StringLike": {"aws:PrincipalAccount": "1111*"}})),
        policy(allow(None, "kms:*", when={"NumericLessThan": {"aws:PrincipalAccount": "2"}})),
        '{"Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "arn:aws:kms:*:11112222333\\u0033:key/*"}}',
    ],
)
def test_documents_that_see_a_single_key_or_identity_are_judged_each(document: Any) -> None:
    if not isinstance(document, str):
        document["Statement"][0] = {k: v for k, v in document["Statement"][0].items() if v != []}
    assert not share((admin(OWNER, document), plain(OWNER)), (admin(OWNER, document), plain(OWNER, number=1)))


def test_keys_with_more_than_a_policy_are_judged_each() -> None:
    twin = admin(OWNER)
    for used in (
        plain(OWNER, number=1, grants=(grant(twin.arn),)),
        plain(OWNER, number=1, ram_policy_read=False),
        plain(OWNER, allow("AROA1"), number=1),
        replace(plain(OWNER, number=1), key_policy=None),
    ):
        assert not share((twin, used), (twin, used))


def test_role_and_key_of_different_accounts_are_judged_each() -> None:
    assert not share((admin(OWNER), plain(MEMBER)), (admin(OWNER), plain(MEMBER)))


def test_what_was_not_read_is_judged_each() -> None:
    pair = admin(OWNER), plain(OWNER)
    assert not share(pair, pair, account(OWNER, iam_complete=False))
    assert not share((admin(OWNER, complete=False), pair[1]), (admin(OWNER, complete=False), pair[1]))
    for unread in (replace(organization(), scps=None), replace(organization(), rcps=None)):
        assert not share(pair, pair, unread)


def in_other_places() -> Organization:
    """OWNER and MEMBER under different units."""
    return replace(organization(), members={OWNER: (ROOT, OU), MEMBER: (ROOT,)})


def test_guardrails_and_places_count() -> None:
    pairs = (admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER))
    assert not share(*pairs, in_other_places())
    assert not share(*pairs, organization(scps={OWNER: [policy(allow(None, "s3:*"))]}))
    assert share(*pairs, organization(scps={ROOT: [policy(allow(None, "*"))]}))
    named = policy(deny("*", "kms:*", when={"StringEquals": {"aws:PrincipalAccount": OWNER}}))
    assert not share(*pairs, organization(rcps={ROOT: [named]}))


def test_standalone_accounts_share() -> None:
    alone = replace(organization(), members={})
    assert share((admin(OWNER), plain(OWNER)), (admin(MEMBER), plain(MEMBER)), alone)
    bounded = {"boundary": FULL}
    assert share((admin(OWNER, **bounded), plain(OWNER)), (admin(MEMBER, **bounded), plain(MEMBER)), alone)
