"""Requests to change IAM that are decided once for all resources, and each way in which a document looks at these."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.paths.hops import ASSUME, BOUND, NEVER, PERHAPS, SURE
from scanner.analyze.paths.requests import Requests
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.arn import AccountId
from scanner.model.finding import Kind

from builders import (
    KEY,
    MANAGER,
    MEMBER,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
    deny,
    iam,
    key,
    organization,
    policy,
    world,
)
from role_worlds import admits, followed, role

VENDOR = iam(STRANGER, "root")
OTHER = f"{KEY[:-1]}c"
ONE, TWO = iam(OWNER, "role/One"), iam(OWNER, "role/Two")
CHANGING = ("iam:UpdateAssumeRolePolicy", "sts:AssumeRole")
LAUNCHING = ("iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction")
BLUE = {"StringEquals": {"aws:ResourceTag/team": "blue"}}
OF_ITS_TEAM = {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
WITH_ITS_TAG = {"StringEquals": {"aws:PrincipalTag/team": "${aws:ResourceTag/team}"}}
ANYTHING = policy(allow(None, "*"))


def reached(*things: Any, trust: Any = None) -> dict[str, int]:
    """How strongly the entry becomes either of two roles that differ in name and tags, by the key that it then uses.

    Asked by class and one by one, with either role first.
    """
    told: list[dict[str, int]] = []
    for names in (("One", "Two"), ("Two", "One")):
        tags = {"One": {"team": "blue"}, "Two": {"team": "red"}}
        targets = [role(OWNER, n, trust or admits(iam(MEMBER, "root")), tags=tags[n]) for n in names]
        keys = [key(allow(ONE, "kms:Decrypt")), key(allow(TWO, "kms:Decrypt"), arn=OTHER)]
        for by_class in (True, False):
            findings = followed(*targets, *keys, *things, by_class=by_class).of(Kind.ASSUMED_ROLE_PATH)
            strength = {arn: uses["decrypt"] for f in findings for arn, uses in f.reach.strength.items()}
            told.append({name: strength[arn] for name, arn in (("One", KEY), ("Two", OTHER)) if arn in strength})
    assert all(one == told[0] for one in told)
    return told[0]


def entry(*statements: Any, **facts: Any) -> Any:
    """The role that the outsider enters."""
    return role(OWNER, "Entry", admits(VENDOR), policy(*statements), **facts)


def guarded(**control: Any) -> Any:
    """An organization with control policies on the account of the roles."""
    return organization(**{kind: {OWNER: [ANYTHING_GOES[kind], policy(told)]} for kind, told in control.items()})


ANYTHING_GOES = {"scps": ANYTHING, "rcps": policy(allow("*", "*"))}


def test_roles_that_no_document_tells_apart_are_reached_alike() -> None:
    assert reached(entry(allow(None, *CHANGING))) == {"One": SURE, "Two": SURE}


@pytest.mark.parametrize(
    "things",
    [
        (entry(allow(None, *CHANGING, Resource=ONE)),),
        (entry({"Effect": "Allow", "Action": list(CHANGING), "NotResource": TWO}),),
        (entry(allow(None, *CHANGING), deny(None, "iam:*", Resource=[TWO])),),
        (entry(allow(None, *CHANGING, when=BLUE)),),
        (entry(allow(None, *CHANGING, when=OF_ITS_TEAM), tags={"team": "blue"}),),
        (entry(allow(None, *CHANGING, when=WITH_ITS_TAG), tags={"team": "blue"}),),
        (entry(allow(None, *CHANGING), boundary=policy(allow(None, "*", Resource=ONE))),),
        (entry(allow(None, *CHANGING)), guarded(scps=deny(None, "iam:*", Resource=TWO))),
    ],
)
def test_role_that_a_document_about_the_caller_tells_apart_is_asked_for_itself(things: Any) -> None:
    assert reached(*things).keys() == {"One"}


def test_role_that_a_guardrail_of_its_account_tells_apart_is_asked_for_itself() -> None:
    found = reached(entry(allow(None, *CHANGING)), guarded(rcps=deny("*", "sts:AssumeRole", Resource=TWO)))
    assert found == {"One": SURE, "Two": PERHAPS}


def test_role_that_its_own_trust_policy_tells_apart_is_asked_for_itself() -> None:
    trust = admits({"Service": "lambda.amazonaws.com"}, when=BLUE)
    assert reached(entry(allow(None, *LAUNCHING)), trust=trust) == {"One": SURE}


def test_role_that_a_guardrail_keeps_from_a_service_is_asked_for_itself() -> None:
    trust = admits({"Service": "lambda.amazonaws.com"})
    guard = guarded(rcps=deny("*", "sts:AssumeRole", Resource=TWO))
    assert reached(entry(allow(None, *LAUNCHING)), guard, trust=trust) == {"One": SURE}


def test_service_that_a_guardrail_of_one_account_refuses_assumes_roles_of_another() -> None:
    trust = admits({"Service": "lambda.amazonaws.com"})
    roles = [role(account, "Runs", trust) for account in (OWNER, MEMBER)]
    refused = organization(rcps={MEMBER: [policy(deny("*", "sts:AssumeRole"))]})
    for inside in (roles, roles[::-1]):
        those = RememberingWorld.of(world(*roles, refused), answers=False)
        requests, service = Requests(those), resolve_caller(those, "lambda.amazonaws.com")
        ranks = {r.account_id: requests.passed((Request(service, ASSUME, r.arn, role=r),), ()).rank for r in inside}
        assert ranks == {OWNER: SURE, MEMBER: NEVER}


def test_requests_by_others_for_other_actions_and_under_other_trust_are_asked_each() -> None:
    some, more = (role(OWNER, f"Caller{n}", admits(VENDOR), policy(allow(None, *may))) for n, may in MAY.items())
    guarded_, free = (role(OWNER, n, admits({"Service": "lambda.amazonaws.com"}, when=w)) for n, w in TRUSTED.items())
    those = RememberingWorld.of(world(some, more, guarded_, free), answers=False)
    requests, service = Requests(those), resolve_caller(those, "lambda.amazonaws.com")
    first, second = (resolve_caller(those, caller.arn) for caller in (some, more))
    asked = [
        Request(caller, action, free.arn, role=free)
        for caller in (first, second) for action in ("iam:PassRole", "iam:PutRolePolicy")
    ]  # fmt: skip
    asked += [Request(service, ASSUME, target.arn, role=target) for target in (guarded_, free)]
    assert [requests.passed((one,), ()).rank for one in asked] == [SURE, NEVER, SURE, SURE, BOUND, SURE]


MAY = {"One": ("iam:PassRole",), "Two": ("iam:PassRole", "iam:PutRolePolicy")}
TRUSTED = {"Guarded": {"StringEquals": {"aws:SourceAccount": OWNER}}, "Free": None}


# -- the same in every account ----------------------------------------------------------------------------------------

PUTS = policy(allow(None, "iam:PutRolePolicy"))
FREE, STORES = policy(allow(None, "*")), policy(allow(None, "s3:*"))
REFUSED = policy(allow(None, "*"), deny(None, "iam:*"))
BY_NAME = policy(allow(None, "*"), deny(None, "iam:*", when={"StringLike": {"aws:PrincipalArn": f"*:{MEMBER}:*"}}))
BY_REGION = policy(allow(None, "*"), deny(None, "iam:*", when={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}))
UNITS = {AccountId(OWNER): ("r-1", "ou-1"), AccountId(MEMBER): ("r-1", "ou-2")}


def caller(account_id: str, *documents: Any, **facts: Any) -> Any:
    """Somebody of an account who may rewrite permissions, unless the documents say otherwise."""
    return role(account_id, "Caller", admits(VENDOR), *(documents or (PUTS,)), **facts)


def in_each(*things: Any, of: Any = None, ask: Any = None) -> list[int]:
    """How surely callers of two accounts rewrite a role of their own: whoever is asked first, and one by one.

    Args:
        of: the callers; like ones where none are given.
        ask: what of the request is otherwise, by account.
    """
    callers = of or [caller(OWNER), caller(MEMBER)]
    drawn = world(*callers, *things)
    told: list[dict[str, int]] = []
    for sides in (True, False):
        for order in (callers, callers[::-1]):
            those = RememberingWorld.of(drawn, answers=False, sides=sides)
            requests = Requests(those)
            found: dict[str, int] = {}
            for one in order:
                asked = Request(resolve_caller(those, one.arn), "iam:PutRolePolicy", iam(one.account_id, "role/Target"))
                asked = replace(asked, **(ask or {}).get(one.account_id, {}))
                found[one.account_id] = requests.passed((asked,), ()).rank
            told.append(found)
    assert all(one == told[0] for one in told)
    return [told[0][one.account_id] for one in callers]


def test_same_documents_give_the_same_in_every_account() -> None:
    assert in_each() == [SURE, SURE]


@pytest.mark.parametrize(
    ("guards", "expected"),
    [
        (organization(scps={OWNER: [FREE], MEMBER: [REFUSED]}), NEVER),
        (organization(scps={OWNER: [BY_NAME], MEMBER: [BY_NAME]}), NEVER),
        (organization(scps={"ou-1": [FREE, STORES], "ou-2": [FREE], MEMBER: [STORES]}, members=UNITS), NEVER),
        (account(MEMBER, organization_unknown=True, collected=False), PERHAPS),
    ],
)
def test_account_under_other_guardrails_is_asked_for_itself(guards: Any, expected: int) -> None:
    assert in_each(guards) == [SURE, expected]


def test_management_account_is_spared_by_guardrails_that_refuse_others() -> None:
    refused = organization(scps={ROOT: [REFUSED], OWNER: [FREE]})
    callers = [caller(OWNER), caller(MANAGER)]
    assert in_each(refused, account(MANAGER), of=callers) == [NEVER, SURE]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (caller(MEMBER, STORES), NEVER),
        (caller(MEMBER, boundary=STORES), NEVER),
        (caller(MEMBER, complete=False), PERHAPS),
    ],
)
def test_caller_with_other_documents_of_its_own_is_asked_for_itself(other: Any, expected: int) -> None:
    assert in_each(of=[caller(OWNER), other]) == [SURE, expected]


def test_what_was_not_read_is_told_by_the_row_that_says_so() -> None:
    unread = [caller(account_id, complete=False, gap=f"row {account_id}") for account_id in (OWNER, MEMBER)]
    those = RememberingWorld.of(world(*unread), answers=False)
    requests, callers = Requests(those), [resolve_caller(those, one.arn) for one in unread]
    asked = [Request(one, "iam:PutRolePolicy", iam(one.account_id, "role/Target")) for one in callers]
    rules = [requests.passed((one,), ()).decision.rules for one in asked]
    assert rules == [("row 111122223333",), ("row 444455556666",)]


@pytest.mark.parametrize(
    ("otherwise", "expected"),
    [
        ({"iam_action": "iam:AttachRolePolicy"}, NEVER),
        ({"resource": iam(OWNER, "role/Target")}, NEVER),
        ({"context": {"aws:requestedregion": ("eu-west-1",)}}, NEVER),
    ],
)
def test_caller_who_asks_for_something_else_is_asked_for_itself(otherwise: Any, expected: int) -> None:
    ask = {OWNER: {"context": {"aws:requestedregion": ("us-east-1",)}}, MEMBER: {
        "context": {"aws:requestedregion": ("us-east-1",)}, **otherwise
    }}  # fmt: skip
    guards = organization(scps={OWNER: [BY_REGION], MEMBER: [BY_REGION]})
    assert in_each(guards, ask=ask) == [SURE, expected]
