"""Judging one caller of each class says the same as judging every caller (design of the access graph: shortcuts)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from scanner.analyze.principals.classes import Classes
from scanner.analyze.request.caller import resolve_caller
from scanner.casefile import build_world
from scanner.model.arn import AccountId, KeyArn
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

from builders import KEY, MEMBER, OWNER, allow, analyzed, deny, grant, iam, key, organization, policy, principal, world
from reference_worlds import worlds

budget = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def _crowded(given_world: World) -> World:
    """The world with a twin of every user and role, alike in everything but the name."""
    listed = [p for p in given_world.principals.values() if ":iam::" in p.arn]
    twins = [replace(p, arn=f"{p.arn}Twin", unique_id=f"{p.unique_id}TWIN" if p.unique_id else "") for p in listed]
    return replace(given_world, principals={**given_world.principals, **{t.arn: t for t in twins}})


_NUMBER = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")


def _moved(text: str) -> str:
    """The text with every account in it renamed."""
    return _NUMBER.sub(lambda found: f"{(int(found[0]) + 7) % 10**12:012d}", text)


def _copied(policy_text: PolicyText | None) -> PolicyText | None:
    if policy_text is None:
        return None
    written, source, name = map(_moved, (policy_text.text, policy_text.source, policy_text.name))
    digest = hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()
    return replace(policy_text, text=written, sha256=digest, source=source, name=name)


def _copy_of(facts: PrincipalFacts) -> PrincipalFacts:
    sessions = facts.session_policies
    return replace(
        facts, arn=_moved(facts.arn), account_id=AccountId(_moved(facts.account_id)),
        identity_policies=tuple(p for p in map(_copied, facts.identity_policies) if p),
        boundary=_copied(facts.boundary), trust_policy=_copied(facts.trust_policy),
        session_policies=None if sessions is None else tuple(p for p in map(_copied, sessions) if p),
        parent=_moved(facts.parent), unique_id=f"{facts.unique_id}COPY" if facts.unique_id else "",
    )  # fmt: skip


def _key_copy_of(used: KeyFacts) -> KeyFacts:
    named = ("grantee_principal", "retiring_principal", "issuing_account")
    grants = used.grants and tuple(replace(g, **{n: _moved(getattr(g, n)) for n in named}) for g in used.grants)
    return replace(
        used, arn=KeyArn(_moved(used.arn)), account_id=AccountId(_moved(used.account_id)),
        key_policy=_copied(used.key_policy), ram_policy=_copied(used.ram_policy), grants=grants,
    )  # fmt: skip


def _doubled(given_world: World) -> World:
    """The world with a copy of every account beside it in the same place, keys and principals included."""
    accounts = {a: replace(f, id=AccountId(_moved(a))) for a, f in given_world.accounts.items()}
    organizations = []
    for organization_ in given_world.organizations:
        members = {AccountId(_moved(a)): path for a, path in organization_.members.items()}
        attached = {
            kind: None if found is None else {**found, **{_moved(t): found[t] for t in found if t in accounts}}
            for kind, found in (("scps", organization_.scps), ("rcps", organization_.rcps))
        }  # fmt: skip
        organizations.append(replace(organization_, members={**organization_.members, **members}, **attached))
    return replace(
        given_world,
        accounts={**given_world.accounts, **{f.id: f for f in accounts.values()}},
        organizations=tuple(organizations),
        keys={**given_world.keys, **{k.arn: k for k in map(_key_copy_of, given_world.keys.values())}},
        principals={**given_world.principals, **{p.arn: p for p in map(_copy_of, given_world.principals.values())}},
    )


def told(given_world: World, **rules: Any) -> tuple[object, ...]:
    """Everything an analysis says."""
    result = analyzed(given_world, service_principals="all", insiders=True, **rules)
    return result.findings, result.access


ANN, BOB = iam(MEMBER, "user/Ann"), iam(MEMBER, "user/Bob")
PLAIN = policy(allow(None, "kms:*"))
BY_NAME = {"StringEquals": {"aws:PrincipalArn": ANN}}


@budget
@given(worlds())
def test_findings_and_access_are_the_same_with_and_without_classes(drawn: tuple[Any, Any]) -> None:
    crowded = _crowded(build_world(drawn[0]))
    assert told(crowded) == told(crowded, by_class=False)


@budget
@given(worlds())
def test_copies_of_accounts_get_the_same_answers_with_and_without_classes(drawn: tuple[Any, Any]) -> None:
    doubled = _crowded(_doubled(build_world(drawn[0])))
    assert told(doubled) == told(doubled, by_class=False)


@budget
@given(worlds())
def test_keys_that_tell_callers_apart_do_it_as_all_keys_do(drawn: tuple[Any, Any]) -> None:
    crowded = _crowded(_doubled(build_world(drawn[0])))
    classes, keys = Classes(crowded), tuple(crowded.keys.values())
    callers, some = [resolve_caller(crowded, arn) for arn in crowded.principals], classes.telling(keys)
    by_all, by_some = ([tuple(classes.of(c, key) for key in of) for c in callers] for of in (keys, some))
    assert [by_all.index(one) for one in by_all] == [by_some.index(one) for one in by_some]


@pytest.mark.parametrize(
    ("other", "both"),
    [
        (key(allow(MEMBER)), False),
        (key(allow(MEMBER), state="Disabled"), False),
        (key(allow(MEMBER, when=BY_NAME)), True),
        (key(allow(MEMBER), arn=KEY.replace(OWNER, MEMBER)), True),
        (key(allow(MEMBER), tags={"of": MEMBER}), True),
    ],
)
def test_keys_of_which_documents_look_at_the_same_tell_callers_apart_alike(other: Any, both: bool) -> None:
    keys = key(allow(MEMBER)), replace(other, arn=other.arn[:-1] + "e")
    assert Classes(world(*keys)).telling(keys) == (keys if both else keys[:1])


def share_a_class(used: Any, *things: Any, **facts: Any) -> bool:
    """Whether two users with equal policies are one class for a key."""
    people = (principal(ANN, PLAIN, unique_id="AIDA1"), principal(BOB, PLAIN, unique_id="AIDA2", **facts))
    given_world = world(used, *people, *things)
    classes = Classes(given_world)
    return classes.of(resolve_caller(given_world, ANN), used) == classes.of(resolve_caller(given_world, BOB), used)


def test_users_alike_in_all_but_the_name_share_a_class() -> None:
    assert share_a_class(key(allow(MEMBER)))


def test_tags_that_no_document_looks_at_tell_nobody_apart() -> None:
    assert share_a_class(key(allow(MEMBER)), tags={"a": "b"})


def test_whoever_can_be_told_apart_has_a_class_of_its_own() -> None:
    assert not share_a_class(key(allow(ANN)))
    assert not share_a_class(key(allow(MEMBER), deny(None, NotPrincipal={"AWS": [MEMBER, ANN]})))
    assert not share_a_class(key(allow("AIDA1")))
    assert not share_a_class(key(grants=(grant(ANN),)))
    assert not share_a_class(key(grants=(grant(MEMBER, retiring_principal=ANN),)))
    assert not share_a_class(key(allow(MEMBER, when=BY_NAME)))
    assert not share_a_class(key(allow(MEMBER, when={"StringLike": {"aws:SourceVpce": "${aws:username}"}})))
    assert not share_a_class(key(allow(MEMBER, Effect="Maybe")))
    assert not share_a_class(key(allow(MEMBER)), organization(scps={MEMBER: [policy(deny(None, when=BY_NAME))]}))
    assert not share_a_class(key(allow(MEMBER)), organization(rcps={MEMBER: [policy(deny("*", when=BY_NAME))]}))
    by_tag = {"StringEquals": {"aws:PrincipalTag/a": "b"}}
    by_variable = {"StringLike": {"aws:SourceVpce": "${aws:PrincipalTag/a}"}}
    by_scp = organization(scps={MEMBER: [policy(deny(None, when=by_tag))]})
    assert not share_a_class(key(allow(MEMBER, when=by_tag)), tags={"a": "b"})
    assert not share_a_class(key(allow(MEMBER)), by_scp, tags={"a": "b"})
    assert not share_a_class(key(allow(MEMBER, when=by_variable)), tags={"a": "b"})
    assert not share_a_class(key(allow(MEMBER)), boundary=PLAIN)
    assert not share_a_class(key(allow(MEMBER)), complete=False)
