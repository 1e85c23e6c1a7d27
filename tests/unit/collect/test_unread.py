"""From a refusal on the wire to the verdict: whatever was not read is marked in the world and never reads as a no."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest
from scanner.analyze.decision.decide import decide
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.actions import find_action
from scanner.model.arn import AccountId, KeyArn
from scanner.model.decision import Verdict
from scanner.model.world import World
from scanner.snapshot.read import open_snapshot
from scanner.snapshot.view import Assumptions, load_world

from builders import allow, policy
from fault_server import CALLER, FaultServer, Key, Reply, as_json, refusal, refusal_xml, role_xml

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
    policy = f"<Policy><Arn>{LIMIT}</Arn><DefaultVersionId>v3</DefaultVersionId></Policy>"
    answer = f"<GetPolicyResponse><GetPolicyResult>{policy}</GetPolicyResult></GetPolicyResponse>"
    read = Reply(200, answer.encode(), "text/xml")
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


# -- keys -------------------------------------------------------------------------------------------------------------

ROLE_RIGHTS = details(roles=role_xml(APP, TRUST, inline={"p": FULL}))


@pytest.fixture
def entitled(world: FaultServer) -> FaultServer:
    """The same world, with a role in B that may use every key."""
    world.details[B] = ROLE_RIGHTS
    return world


def test_world_with_everything_read_is_decided(entitled: FaultServer, run: Collect) -> None:
    found = world_of(run(ids=(A, B)))
    assert dict(found.keys[KeyArn(KEY)].gaps) == {}
    assert verdict(found, APP) is Verdict.ALLOWED
    assert verdict(found, BOB) is Verdict.DENIED


@pytest.mark.parametrize(
    ("operation", "part", "where"),
    [
        ("DescribeKey", "describe", {}),
        ("GetKeyPolicy", "key_policy", {"PolicyName": "default"}),
        ("GetKeyPolicy", "ram_policy", {"PolicyName": "AWS_RAM"}),
        ("ListGrants", "grants", {}),
        ("ListResourceTags", "tags", {}),
    ],
)
@pytest.mark.parametrize("code", ["AccessDeniedException", "NotFoundException", "KMSInternalException"])
def test_unread_part_of_a_key_is_marked_and_decides_nothing(
    entitled: FaultServer, run: Collect, operation: str, part: str, where: dict[str, str], code: str
) -> None:
    if (part, code) == ("ram_policy", "NotFoundException"):
        code = "DisabledException"  # not found says that the key is not shared
    entitled.fail(f"kms:{operation}", refusal(code), key=K1, account=A, **where)
    found = world_of(run(ids=(A, B)))
    key = found.keys[KeyArn(KEY)]
    subject = f"{K1}/AWS_RAM" if part == "ram_policy" else K1
    assert key.gaps[part] == f"{A}/{EU}/kms:{operation}/{subject}"
    decided = part in {"grants", "tags"}
    assert verdict(found, APP) is (Verdict.ALLOWED if decided else Verdict.UNKNOWN)
    assert verdict(found, BOB) is (Verdict.UNKNOWN if part == "grants" else Verdict.DENIED)


def test_key_that_was_only_listed_stays_and_everything_about_it_is_open(entitled: FaultServer, run: Collect) -> None:
    for operation in ("DescribeKey", "GetKeyPolicy", "ListGrants", "ListResourceTags"):
        entitled.fail(f"kms:{operation}", refusal("AccessDeniedException"), account=A)
    entitled.fail("kms:ListAliases", refusal("AccessDeniedException"), account=A)
    found = world_of(run(ids=(A, B)))
    key = found.keys[KeyArn(KEY)]
    assert set(key.gaps) == {"describe", "key_policy", "ram_policy", "grants", "tags", "aliases"}
    assert (key.key_policy, key.grants, key.tags, key.aliases, key.ram_policy_read) == (None, None, None, None, False)
    assert {verdict(found, who) for who in (APP, BOB, f"arn:aws:iam::{A}:role/own")} == {Verdict.UNKNOWN}


@pytest.mark.parametrize(("operation", "part", "item"), [
    ("ListGrants", "grants", {"Grants": [{"GrantId": "g", "GranteePrincipal": BOB, "Operations": ["Decrypt"]}]}),
    ("ListResourceTags", "tags", {"Tags": [{"TagKey": "t", "TagValue": "v"}]}),
])  # fmt: skip
def test_list_about_a_key_that_broke_off_keeps_its_rows_and_the_gap(
    entitled: FaultServer, run: Collect, operation: str, part: str, item: dict[str, Any]
) -> None:
    entitled.fail(f"kms:{operation}", refusal("AccessDeniedException"), account=A, Marker="m")
    entitled.fail(f"kms:{operation}", as_json({**item, "Truncated": True, "NextMarker": "m"}), account=A)
    done = run(ids=(A, B))
    table = {"grants": "grants", "tags": "key_tags"}[part]
    assert len(done.query(f"SELECT 1 FROM {table}")) == 1
    found = world_of(done)
    assert found.keys[KeyArn(KEY)].gaps == {part: f"{A}/{EU}/kms:{operation}/{K1}"}
    if part == "grants":  # what was read is evidence; that there may be more makes every no unknown
        assert [g.grantee_principal for g in found.keys[KeyArn(KEY)].grants or ()] == [BOB]
        assert not found.keys[KeyArn(KEY)].grants_complete
    else:
        assert found.keys[KeyArn(KEY)].tags is None


def test_aliases_that_broke_off_are_unread_for_every_key_and_keep_their_rows(
    entitled: FaultServer, run: Collect
) -> None:
    alias = {"AliasName": "alias/mine", "AliasArn": f"arn:aws:kms:{EU}:{A}:alias/mine", "TargetKeyId": K1}
    entitled.fail("kms:ListAliases", refusal("AccessDeniedException"), account=A, Marker="m")
    entitled.fail("kms:ListAliases", as_json({"Aliases": [alias], "Truncated": True, "NextMarker": "m"}), account=A)
    done = run(ids=(A, B))
    assert done.query("SELECT name FROM aliases") == [("alias/mine",)]
    key = world_of(done).keys[KeyArn(KEY)]
    assert (key.aliases, key.gaps) == (None, {"aliases": f"{A}/{EU}/kms:ListAliases/"})


def test_keys_of_a_list_that_broke_off_are_read_and_the_region_stays_a_gap(entitled: FaultServer, run: Collect) -> None:
    first = {"Keys": [{"KeyId": K1, "KeyArn": KEY}], "Truncated": True, "NextMarker": "m"}
    entitled.fail("kms:ListKeys", refusal("AccessDeniedException"), account=A, Marker="m", ResourceOwners=None)
    entitled.fail("kms:ListKeys", as_json(first), account=A, ResourceOwners=None)
    done = run(ids=(A, B))
    found = world_of(done)
    assert verdict(found, APP) is Verdict.ALLOWED
    assert [row.ref for row in found.coverage if row.outcome.is_gap] == [f"{A}/{EU}/kms:ListKeys/"]


# -- accounts and regions ---------------------------------------------------------------------------------------------


def test_refused_account_is_no_account_without_permission(entitled: FaultServer, run: Collect) -> None:
    refused = refusal_xml("AccessDenied")
    entitled.fail("sts:AssumeRole", refused, RoleArn=f"arn:aws:iam::{B}:role/audit/KmsScanReadOnly")
    found = world_of(run(ids=(A, B)))
    account = found.accounts[AccountId(B)]
    assert (account.collected, account.iam_complete, account.gap) == (False, False, f"{B}/*/sts:AssumeRole/")
    assert {verdict(found, who) for who in (APP, BOB)} == {Verdict.UNKNOWN}


@pytest.mark.parametrize("status", ["ENABLING", "DISABLING"])
def test_region_in_transition_is_tried_and_leaves_the_enabled_regions_open(
    entitled: FaultServer, run: Collect, status: str
) -> None:
    opt_in = "me-south-1"
    entitled.regions[A][opt_in] = status
    entitled.keys[(A, opt_in)] = {K1: Key()}
    done = run(ids=(A, B))
    assert done.query("SELECT account_id, scanned FROM regions WHERE region = ?", opt_in) == [(A, 1)]
    assert world_of(done).accounts[AccountId(A)].opted_in_regions is None
    assert KeyArn(KEY.replace(EU, opt_in)) in world_of(done).keys


def test_region_in_transition_that_does_not_answer_yet_is_not_enabled(entitled: FaultServer, run: Collect) -> None:
    entitled.regions[A]["me-south-1"] = "ENABLING"
    for operation in ("kms:ListKeys", "kms:ListAliases"):
        entitled.fail(operation, refusal("UnrecognizedClientException"), account=A, region="me-south-1")
    done = run(ids=(A, B))
    assert (A, "me-south-1", "kms:ListKeys", "", "not_enabled") in done.ledger()


def test_region_in_transition_is_left_out_with_the_other_opt_in_regions(entitled: FaultServer, run: Collect) -> None:
    entitled.regions[A]["me-south-1"] = "DISABLING"
    done = run(ids=(A, B), opt_in=False)
    assert (A, "me-south-1", "kms:ListKeys", "", "skipped") in done.ledger()


def test_regions_that_were_not_read_are_unknown(entitled: FaultServer, run: Collect) -> None:
    entitled.fail("account:ListRegions", refusal("AccessDeniedException"), account=B)
    entitled.fail("ec2:DescribeRegions", refusal_xml("UnauthorizedOperation"), account=B)
    found = world_of(run(ids=(A, B), regions_include=(EU,)))
    assert (found.accounts[AccountId(B)].opted_in_regions, found.accounts[AccountId(B)].default_regions) == (None, None)


def test_invalid_token_of_the_callers_own_credentials_says_nothing_about_a_region(
    aws: FaultServer, run: Collect
) -> None:
    aws.account(CALLER, EU)
    aws.fail("sts:AssumeRole", refusal_xml("AccessDenied"))
    aws.fail("account:ListRegions", refusal("AccessDeniedException"))
    aws.fail("ec2:DescribeRegions", refusal_xml("UnauthorizedOperation"))
    aws.fail("kms:ListKeys", refusal("UnrecognizedClientException"), ResourceOwners=None)
    assert (CALLER, EU, "kms:ListKeys", "", "error") in run(ids=(CALLER,), regions_include=(EU,)).gaps()
