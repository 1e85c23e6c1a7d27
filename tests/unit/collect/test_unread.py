"""From a refusal on the wire to the verdict: whatever was not read is marked in the world and never reads as a no."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from scanner.analyze.caller import resolve_caller
from scanner.analyze.decide import decide
from scanner.analyze.request import Request
from scanner.model.actions import find_action
from scanner.model.arn import AccountId, KeyArn
from scanner.model.decision import Verdict
from scanner.model.world import World
from scanner.snapshot.read import open_snapshot
from scanner.snapshot.view import Assumptions, load_world

from builders import allow, policy
from fault_server import FaultServer, Key, Reply, refusal_xml, role_xml

A, B = "111122223333", "444455556666"
EU = "eu-west-1"
K1 = "11111111-0000-0000-0000-000000000000"
KEY = f"arn:aws:kms:{EU}:{A}:key/{K1}"
ANN, BOB, APP = f"arn:aws:iam::{B}:user/Ann", f"arn:aws:iam::{B}:user/Bob", f"arn:aws:iam::{B}:role/App"
GROUP, LIMIT = f"arn:aws:iam::{B}:group/Devs", f"arn:aws:iam::{B}:policy/Limit"
DETAILS = "iam:GetAccountAuthorizationDetails"
NOTHING = json.dumps(policy(allow(None, "s3:*")))
TRUST = json.dumps(policy(allow("*", "sts:AssumeRole")))
FULL = json.dumps(policy(allow(None, "*")))
Collect = Callable[..., Any]


def document(text: str | None, element: str = "PolicyDocument") -> str:
    return "" if text is None else f"<{element}>{quote(text)}</{element}>"


def user_xml(arn: str, *groups: str, inline: str = "", attached: str = "", boundary: str = "") -> str:
    name = arn.rsplit("/", 1)[-1]
    names = "".join(f"<member>{group}</member>" for group in groups)
    return (
        f"<member><Path>/</Path><UserName>{name}</UserName><UserId>AIDA{name}</UserId><Arn>{arn}</Arn>"
        f"<UserPolicyList>{inline}</UserPolicyList><GroupList>{names}</GroupList>"
        f"<AttachedManagedPolicies>{attached}</AttachedManagedPolicies>{boundary}</member>"
    )


def inline_xml(text: str | None) -> str:
    return f"<member><PolicyName>p</PolicyName>{document(text)}</member>"


def group_xml(text: str | None) -> str:
    return (
        f"<member><Path>/</Path><GroupName>Devs</GroupName><GroupId>AGPA</GroupId><Arn>{GROUP}</Arn>"
        f"<GroupPolicyList>{inline_xml(text)}</GroupPolicyList><AttachedManagedPolicies/></member>"
    )


def managed_xml(text: str | None, arn: str = LIMIT) -> str:
    version = f"<member>{document(text, 'Document')}<VersionId>v1</VersionId><IsDefaultVersion>true</IsDefaultVersion>"
    return (
        f"<member><PolicyName>Limit</PolicyName><Arn>{arn}</Arn><DefaultVersionId>v1</DefaultVersionId>"
        f"<PolicyVersionList>{version}</member></PolicyVersionList></member>"
    )


def attached_xml(arn: str = LIMIT) -> str:
    return f"<member><PolicyName>Limit</PolicyName><PolicyArn>{arn}</PolicyArn></member>"


def boundary_xml(arn: str | None = LIMIT) -> str:
    named = "" if arn is None else f"<PermissionsBoundaryArn>{arn}</PermissionsBoundaryArn>"
    return (
        f"<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>{named}</PermissionsBoundary>"
    )


def details(users: str = "", groups: str = "", roles: str = "", policies: str = "") -> str:
    return (
        f"<UserDetailList>{users}</UserDetailList><GroupDetailList>{groups}</GroupDetailList>"
        f"<RoleDetailList>{roles}</RoleDetailList><Policies>{policies}</Policies>"
    )


@pytest.fixture
def world(aws: FaultServer) -> FaultServer:
    """A key whose policy hands the decision to the account B."""
    aws.account(A, EU)
    aws.account(B, EU)
    aws.keys[(A, EU)] = {K1: Key(policy=json.dumps(policy(allow(f"arn:aws:iam::{B}:root"))))}
    return aws


def world_of(done: Any) -> World:
    with closing(open_snapshot(done.path)) as connection:
        return load_world(connection, Assumptions("2026-11-22T00:00:00+00:00", credit_scp=False, credit_rcp=False))


def verdict(given: World, who: str, action: str = "kms:Decrypt") -> Verdict:
    key = given.keys[KeyArn(KEY)]
    return decide(given, Request(resolve_caller(given, who), action, KEY, action=find_action(action), key=key)).verdict


# -- IAM --------------------------------------------------------------------------------------------------------------

BOB_READ = user_xml(BOB, inline=inline_xml(NOTHING))
UNREAD_IAM = {
    "group that the details lack": (details(user_xml(ANN, "Devs") + BOB_READ), f"{DETAILS}/{ANN}#group/Devs"),
    "inline policy without a document": (
        details(user_xml(ANN, inline=inline_xml(None)) + BOB_READ), f"{DETAILS}/{ANN}#p",
    ),
    "inline policy that is no JSON": (
        details(user_xml(ANN, inline=inline_xml("{ x")) + BOB_READ), f"{DETAILS}/{ANN}#p",
    ),
    "policy of a group without a document": (
        details(user_xml(ANN, "Devs") + BOB_READ, group_xml(None)), f"{DETAILS}/{GROUP}#p",
    ),
    "policy of a group that is no JSON": (
        details(user_xml(ANN, "Devs") + BOB_READ, group_xml("[]")), f"{DETAILS}/{GROUP}#p",
    ),
    "managed policy without a document": (
        details(user_xml(ANN, attached=attached_xml()) + BOB_READ, policies=managed_xml(None)), f"{DETAILS}/{LIMIT}",
    ),
    "managed policy that is no JSON": (
        details(user_xml(ANN, attached=attached_xml()) + BOB_READ, policies=managed_xml("")), f"{DETAILS}/{LIMIT}",
    ),
    "managed policy that IAM does not know": (
        details(user_xml(ANN, attached=attached_xml()) + BOB_READ), f"iam:GetPolicy/{LIMIT}",
    ),
    "boundary that IAM does not know": (
        details(user_xml(ANN, inline=inline_xml(FULL), boundary=boundary_xml()) + BOB_READ), f"iam:GetPolicy/{LIMIT}",
    ),
    "boundary without a document": (
        details(user_xml(ANN, boundary=boundary_xml()) + BOB_READ, policies=managed_xml(None)), f"{DETAILS}/{LIMIT}",
    ),
    "boundary without a name": (
        details(user_xml(ANN, inline=inline_xml(FULL), boundary=boundary_xml(None)) + BOB_READ), "iam:GetPolicy/",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNREAD_IAM)
def test_principal_with_an_unread_part_is_unknown_and_names_its_row(
    world: FaultServer, run: Collect, name: str
) -> None:
    world.details[B], row = UNREAD_IAM[name]
    done = run(ids=(A, B))
    found = world_of(done)
    ann = found.principals[ANN]
    assert (ann.complete, ann.gap) == (False, f"{B}/global/{row}")
    assert verdict(found, ANN) is Verdict.UNKNOWN
    assert found.principals[BOB].complete
    assert verdict(found, BOB) is Verdict.DENIED
    assert ann.gap in {"/".join(gap[:4]) for gap in done.gaps()}


@pytest.mark.parametrize("trust", ["", "{ x"])
def test_role_with_an_unread_trust_policy_is_incomplete_and_names_its_row(
    world: FaultServer, run: Collect, trust: str
) -> None:
    role = role_xml(APP, trust, inline={"p": NOTHING})
    if not trust:
        role = role.replace("<AssumeRolePolicyDocument></AssumeRolePolicyDocument>", "")
    world.details[B] = details(roles=role)
    app = world_of(run(ids=(A, B))).principals[APP]
    assert (app.complete, app.gap) == (False, f"{B}/global/{DETAILS}/{APP}#trust")


def test_role_with_everything_read_is_complete(world: FaultServer, run: Collect) -> None:
    world.details[B] = details(user_xml(ANN, "Devs"), group_xml(NOTHING), role_xml(APP, TRUST, inline={"p": NOTHING}))
    found = world_of(run(ids=(A, B)))
    assert all(facts.complete and not facts.gap for facts in found.principals.values())
    assert {verdict(found, who) for who in (ANN, APP)} == {Verdict.DENIED}


def test_version_of_a_managed_policy_that_is_refused_leaves_its_holder_unknown(
    world: FaultServer, run: Collect
) -> None:
    world.details[B] = details(user_xml(ANN, attached=attached_xml()))
    answer = "<GetPolicyResponse><GetPolicyResult><Policy><DefaultVersionId>v3</DefaultVersionId></Policy>"
    read = Reply(200, f"{answer}</GetPolicyResult></GetPolicyResponse>".encode(), "text/xml")
    world.fail("iam:GetPolicy", read)
    world.fail("iam:GetPolicyVersion", refusal_xml("AccessDenied"))
    found = world_of(run(ids=(A, B)))
    assert found.principals[ANN].gap == f"{B}/global/iam:GetPolicyVersion/{LIMIT}"
    assert verdict(found, ANN) is Verdict.UNKNOWN


def test_page_that_is_lost_makes_every_principal_of_the_account_unknown(world: FaultServer, run: Collect) -> None:
    first = (
        f"<GetAccountAuthorizationDetailsResponse><GetAccountAuthorizationDetailsResult>{details(BOB_READ)}"
        "<IsTruncated>true</IsTruncated><Marker>m</Marker>"
        "</GetAccountAuthorizationDetailsResult></GetAccountAuthorizationDetailsResponse>"
    )
    world.fail(DETAILS, refusal_xml("AccessDenied"), account=B, Marker="m")
    world.fail(DETAILS, Reply(200, first.encode(), "text/xml"), account=B)
    found = world_of(run(ids=(A, B)))
    assert BOB in found.principals
    assert not found.accounts[AccountId(B)].iam_complete
    assert {verdict(found, who) for who in (BOB, ANN, APP)} == {Verdict.UNKNOWN}
