"""Accounts and keys that only a value, a name or an unusual spelling tells apart: deciding once changes no answer."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.model.arn import AccountId
from scanner.model.key import KeyFacts
from scanner.model.principal import PrincipalFacts

from builders import (
    KEY,
    MANAGER,
    OWNER,
    ROOT,
    account,
    allow,
    analyzed,
    iam,
    key,
    organization,
    policy,
    principal,
    world,
)

ONE, OTHER = "222222222222", "333333333333"
EVERYTHING = policy(allow(None, "kms:*"))
ENTERED = allow({"AWS": iam(MANAGER, "root")}, "sts:AssumeRole")


def role(own: str, *documents: Any, tagging: str = "", **facts: Any) -> PrincipalFacts:
    """A role that may be given a tag `team` of one value."""
    passes = allow(ENTERED["Principal"], "sts:TagSession", when=is_({"aws:RequestTag/team": tagging}))
    trust = policy(ENTERED, passes) if tagging else policy(ENTERED)
    name = facts.pop("name", "App")
    return principal(iam(own, f"role/{name}"), *documents, trust=trust, unique_id=f"AROA{name.upper()}{own}", **facts)


def key_of(own: str, *statements: Any, **facts: Any) -> KeyFacts:
    """A key of an account, delegated to it, with further statements."""
    return key(allow(iam(own, "root"), "kms:*"), *statements, arn=f"{KEY[:-1]}{own[0]}".replace(OWNER, own), **facts)


def is_(pairs: dict[str, Any], operator: str = "StringEquals") -> dict[str, Any]:
    """A condition of one operator."""
    return {operator: pairs}


def open_to_all(pairs: dict[str, Any], operator: str = "StringEquals") -> dict[str, Any]:
    """A statement for everybody under a condition."""
    return allow("*", "kms:*", when=is_(pairs, operator))


def held(pairs: dict[str, Any], operator: str = "StringEquals") -> dict[str, Any]:
    """An identity policy under a condition."""
    return policy(allow(None, "kms:*", when=is_(pairs, operator)))


def both(make: Any, *others: Any) -> tuple[Any, ...]:
    """The same made for either account."""
    return (make(ONE), make(OTHER), *others)


OPEN = key_of(OWNER, allow("*", "kms:*"))
LONG = [f"value-{i}" for i in range(8)]
NEXT_MONTH = is_({"aws:CurrentTime": "2026-12-01T00:00:01Z"}, "DateEquals")
UNTIL_THEN = policy(allow(None, "s3:*", when=is_({"aws:CurrentTime": "2026-12-01T00:00:00Z"}, "DateGreaterThan")))
OF_STORAGE = policy(allow(None, "s3:*", when=is_({"kms:EncryptionContext:of": "x"})))
VARIABLE = "${aws:PrincipalTag/acct}"

CALLERS: dict[str, tuple[Any, ...]] = {
    "own number where a tag of the key says one account": both(
        lambda a: role(a, held({"aws:ResourceTag/owner": a})), key_of(OWNER, allow("*", "kms:*"), tags={"owner": ONE})
    ),
    "own number where an alias of the key says one account": both(
        lambda a: role(a, held({"kms:ResourceAliases": f"alias/of-{a}"}, "ForAnyValue:StringEquals")),
        key_of(OWNER, allow("*", "kms:*"), aliases=(f"alias/of-{ONE}",)),
    ),
    "own number where tags of both say one account": both(
        lambda a: role(a, held({"aws:PrincipalTag/acct": a}), tags={"acct": ONE}), OPEN
    ),
    "own number where both may be given a tag of one account": both(
        lambda a: role(a, held({"aws:PrincipalTag/team": a}), tagging=ONE), OPEN
    ),
    "own number as the tag that each may be given": both(
        lambda a: role(a, held({"aws:ResourceTag/owner": "${aws:PrincipalTag/team}"}), tagging=a),
        key_of(OWNER, allow("*", "kms:*"), tags={"owner": ONE}),
    ),
    "own number as the name of a tag": both(
        lambda a: role(a, held({f"aws:PrincipalTag/{a}": "x"}), tags={ONE: "x"}), OPEN
    ),
    "own number in a variable": both(
        lambda a: role(a, held({"aws:PrincipalTag/acct": f"${{aws:PrincipalTag/{a}}}"}), tags={ONE: "x", "acct": "x"}),
        OPEN,
    ),
    "own number compared as a date": both(
        lambda a: role(a, held({"aws:ResourceTag/owner": a}, "DateEquals")),
        key_of(OWNER, allow("*", "kms:*"), tags={"owner": "2.22222222222e11"}),
    ),
    "accounts compared as dates": both(
        lambda a: role(a, EVERYTHING),
        key_of(OWNER, open_to_all({"aws:PrincipalAccount": "300000000000"}, "DateGreaterThan")),
    ),
    "an account by a tag of the caller": both(
        lambda a: role(a, EVERYTHING, tags={"acct": ONE}),
        key_of(OWNER, open_to_all({"aws:PrincipalAccount": VARIABLE})),
    ),
    "an account by a tag of the key": both(
        lambda a: role(a, held({"kms:CallerAccount": "${aws:ResourceTag/owner}"})),
        key_of(OWNER, allow("*", "kms:*"), tags={"owner": ONE}),
    ),
    "the sign that stands for an account, written out": (
        role(ONE, held({"aws:PrincipalAccount": ONE})), role(OTHER, held({"aws:PrincipalAccount": "#"})), OPEN
    ),
    "numbers that the words of a condition cut off": both(
        lambda a: role(a, held({"kms:EncryptionContext:of": [*LONG, f"z-{a}"]})), OPEN
    ),
    "own numbers in words, at keys of both and of others": both(
        lambda a: role(a, held({"kms:EncryptionContext:of": f"{a}/x"})),
        *both(lambda a: key_of(a, allow("*", "kms:*"))), OPEN,
    ),
    "a condition in a policy of another service that only some actions carry": (
        role(ONE, policy(allow(None, "kms:DescribeKey"))),
        role(ONE, policy(allow(None, "kms:DescribeKey")), OF_STORAGE, name="Ops"),
        OPEN,
    ),
    "a date in a policy of another service": (
        role(ONE, policy(allow(None, "kms:*", when=NEXT_MONTH))),
        role(ONE, policy(allow(None, "kms:*", when=NEXT_MONTH)), UNTIL_THEN, name="Ops"),
        key_of(OWNER, allow(iam(ONE, "root"), "kms:*")),
    ),
}  # fmt: skip

KEYS: dict[str, tuple[Any, ...]] = {
    "an owner by a variable with spaces": both(
        lambda a: key_of(a, open_to_all({"aws:PrincipalTag/acct": "${ aws:ResourceAccount }"})),
        role(OWNER, EVERYTHING, tags={"acct": ONE}),
    ),
    "an owner by a tag of the caller": both(
        lambda a: key_of(a, open_to_all({"aws:ResourceAccount": VARIABLE})),
        role(OWNER, EVERYTHING, tags={"acct": ONE}),
    ),
    "an owner by a part behind a default": both(
        lambda a: key_of(a, open_to_all({"aws:ResourceAccount": "${aws:PrincipalTag/none, '222222'}222222"})),
        role(OWNER, EVERYTHING),
    ),
    "the owner's number where a tag of the caller says one account": both(
        lambda a: key_of(a, open_to_all({"aws:PrincipalTag/acct": a})), role(OWNER, EVERYTHING, tags={"acct": ONE})
    ),
    "the owner's number where the caller may be given it as a tag": both(
        lambda a: key_of(a, open_to_all({"aws:PrincipalTag/team": a})), role(OWNER, EVERYTHING, tagging=OTHER)
    ),
    "numbers that the words of a condition cut off": both(
        lambda a: key_of(a, open_to_all({"kms:EncryptionContext:of": [*LONG, f"z-{a}"]})), role(OWNER, EVERYTHING)
    ),
    "grants that were not read at one of them": (
        key_of(ONE, allow("*", "kms:Decrypt")), key_of(OTHER, allow("*", "kms:Decrypt"), grants=None),
        role(OWNER, policy(allow(None, "kms:Describe*"))),
    ),
    "a tag whose name has a comma": (
        key_of(ONE, allow("*", "kms:*"), tags={"a,b": "x"}), key_of(OTHER, allow("*", "kms:*"), tags={"a,b": "y"}),
        role(OWNER, held({"aws:ResourceTag/a,b": "x"})),
    ),
    "a tag whose name begins with a space": (
        key_of(ONE, allow("*", "kms:*"), tags={" a": "x"}), key_of(OTHER, allow("*", "kms:*"), tags={" a": "y"}),
        role(OWNER, held({"aws:ResourceTag/ a": "x"})),
    ),
}  # fmt: skip


def assert_the_same(*things: Any, **facts: Any) -> None:
    """Deciding once says what deciding for everybody says."""
    members = {AccountId(a): (ROOT, "ou-a") for a in (OWNER, ONE, OTHER)}
    given = world(*things, *map(account, (OWNER, ONE, OTHER)), organization(members=members), **facts)
    found = [analyzed(given, service_principals="all", insiders=True, by_class=b) for b in (True, False)]
    assert found[0].access == found[1].access
    assert found[0].result.findings == found[1].result.findings
    assert found[0].result.graph == found[1].result.graph


@pytest.mark.parametrize("things", CALLERS.values(), ids=CALLERS)
def test_callers_told_apart_are_decided_each_by_itself(things: tuple[Any, ...]) -> None:
    assert_the_same(*things)


@pytest.mark.parametrize("things", KEYS.values(), ids=KEYS)
def test_keys_told_apart_are_decided_each_by_itself(things: tuple[Any, ...]) -> None:
    assert_the_same(*things)


def test_a_number_within_an_asserted_value_tells_the_keys_of_accounts_apart() -> None:
    keys = [key_of(a, open_to_all({"kms:EncryptionContext:of": f"team-{a}"})) for a in (ONE, OTHER)]

    assert_the_same(*keys, role(OWNER, EVERYTHING), asserted={"kms:encryptioncontext:of": (f"team-{ONE}",)})
