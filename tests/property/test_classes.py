"""Judging one caller of each class says the same as judging every caller (design of the access graph: shortcuts)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from scanner.analyze.principals.classes import Classes
from scanner.analyze.request.caller import resolve_caller
from scanner.casefile import build_world
from scanner.model.world import World

from builders import MEMBER, allow, analyzed, deny, grant, iam, key, organization, policy, principal, world
from reference_worlds import worlds

budget = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def _crowded(given_world: World) -> World:
    """The world with a twin of every user and role, alike in everything but the name."""
    listed = [p for p in given_world.principals.values() if ":iam::" in p.arn]
    twins = [replace(p, arn=f"{p.arn}Twin", unique_id=f"{p.unique_id}TWIN" if p.unique_id else "") for p in listed]
    return replace(given_world, principals={**given_world.principals, **{t.arn: t for t in twins}})


def told(given_world: World, **rules: Any) -> tuple[object, ...]:
    """Everything an analysis says."""
    result = analyzed(given_world, service_principals="all", insiders=True, **rules)
    return result.findings, result.access


@budget
@given(worlds())
def test_findings_and_access_are_the_same_with_and_without_classes(drawn: tuple[Any, Any]) -> None:
    crowded = _crowded(build_world(drawn[0]))
    assert told(crowded) == told(crowded, by_class=False)


ANN, BOB = iam(MEMBER, "user/Ann"), iam(MEMBER, "user/Bob")
PLAIN = policy(allow(None, "kms:*"))
BY_NAME = {"StringEquals": {"aws:PrincipalArn": ANN}}


def share_a_class(used: Any, *things: Any, **facts: Any) -> bool:
    """Whether two users with equal policies are one class for a key."""
    people = (principal(ANN, PLAIN, unique_id="AIDA1"), principal(BOB, PLAIN, unique_id="AIDA2", **facts))
    given_world = world(used, *people, *things)
    classes = Classes(given_world)
    return classes.of(resolve_caller(given_world, ANN), used) == classes.of(resolve_caller(given_world, BOB), used)


def test_users_alike_in_all_but_the_name_share_a_class() -> None:
    assert share_a_class(key(allow(MEMBER)))


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
    assert not share_a_class(key(allow(MEMBER)), tags={"a": "b"})
    assert not share_a_class(key(allow(MEMBER)), boundary=PLAIN)
    assert not share_a_class(key(allow(MEMBER)), complete=False)
