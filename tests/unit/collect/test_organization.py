"""Reading an organization from a loopback AWS that refuses: every unread guardrail is a gap, never an absence."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from scanner.collect.permissions import organization_session_policy
from scanner.errors import NothingScannedError
from scanner.model.arn import AccountId
from scanner.model.world import World
from scanner.snapshot.read import open_snapshot
from scanner.snapshot.view import Assumptions, load_world

from fault_server import CALLER, FaultServer, Key, as_json, refusal, refusal_xml

Collect = Callable[..., Any]
POLICY = '{"Version": "2012-10-17", "Statement": []}'


def organization_stub(aws: FaultServer) -> None:
    aws.account(CALLER, "eu-west-1")
    aws.keys[(CALLER, "eu-west-1")] = {"k": Key()}
    described = {
        "Id": "o-1",
        "MasterAccountId": CALLER,
        "MasterAccountArn": f"arn:aws:organizations::{CALLER}:account/o-1/{CALLER}",
    }
    aws.fail("organizations:DescribeOrganization", as_json({"Organization": described}))
    types = [{"Type": kind, "Status": "ENABLED"} for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")]
    aws.fail("organizations:ListRoots", as_json({"Roots": [{"Id": "r-1", "PolicyTypes": types}]}))
    accounts = [
        {"Id": CALLER, "Name": "m", "State": "ACTIVE"},
        {"Id": "222222222222", "Name": "s", "Status": "SUSPENDED"},
    ]
    first = as_json({"Accounts": accounts[:1], "NextToken": "t"})
    aws.fail("organizations:ListAccountsForParent", as_json({"Accounts": accounts[1:]}), NextToken="t", ParentId="r-1")
    aws.fail("organizations:ListAccountsForParent", first, ParentId="r-1")
    aws.fail("organizations:ListAccountsForParent", as_json({"Accounts": []}))
    aws.fail("organizations:ListOrganizationalUnitsForParent", as_json({"OrganizationalUnits": []}))
    for kind, policy in (
        ("SERVICE_CONTROL_POLICY", "p-FullAWSAccess"),
        ("RESOURCE_CONTROL_POLICY", "p-RCPFullAWSAccess"),
    ):
        found = [{"Id": policy, "Name": policy, "AwsManaged": True}, {"Id": f"p-{kind[0]}", "Name": "own"}]
        aws.fail("organizations:ListPolicies", as_json({"Policies": found}), Filter=kind)
    aws.fail("organizations:ListTargetsForPolicy", as_json({"Targets": [{"TargetId": "r-1"}]}))
    aws.fail("organizations:DescribePolicy", as_json({"Policy": {"Content": POLICY}}))


def broken(aws: FaultServer, operation: str, code: str = "AccessDeniedException", **where: str) -> None:
    """Put a refusal before the answers that are there already."""
    aws.fail(f"organizations:{operation}", refusal(code), **where)
    aws.faults.insert(0, aws.faults.pop())


def test_pages_of_the_tree_are_joined_and_suspended_accounts_listed(aws: FaultServer, run: Collect) -> None:
    organization_stub(aws)
    done = run(source="organization")
    assert done.gaps() == set()
    rows = done.query("SELECT account_id, status, scanned, exclusion_reason FROM accounts ORDER BY 1")
    assert rows == [("222222222222", "SUSPENDED", 0, "the account is suspended"), (CALLER, "ACTIVE", 1, "")]
    assert done.query("SELECT DISTINCT policy_id FROM org_attachments ORDER BY 1") == [
        ("p-FullAWSAccess",),
        ("p-R",),
        ("p-S",),
    ]
    assert done.meta()["organization_state"] == "read"


@pytest.mark.parametrize(
    ("operation", "where", "gap", "column"),
    [
        ("ListPolicies", {"Filter": "SERVICE_CONTROL_POLICY"}, ("ListPolicies", "SERVICE_CONTROL_POLICY"), "scp_read"),
        (
            "ListPolicies",
            {"Filter": "RESOURCE_CONTROL_POLICY"},
            ("ListPolicies", "RESOURCE_CONTROL_POLICY"),
            "rcp_read",
        ),
        ("ListTargetsForPolicy", {"PolicyId": "p-S"}, ("ListTargetsForPolicy", "p-S"), "scp_read"),
    ],
)
def test_unread_guardrails_are_gaps(
    aws: FaultServer, run: Collect, operation: str, where: dict[str, str], gap: tuple[str, str], column: str
) -> None:
    organization_stub(aws)
    broken(aws, operation, **where)
    done = run(source="organization")
    assert done.gaps() == {(CALLER, "global", f"organizations:{gap[0]}", gap[1], "denied")}
    assert done.query(f"SELECT {column} FROM organizations") == [("denied",)]
    assert done.query("SELECT 1 FROM keys") == [(1,)]
    assert done.meta()["organization_state"] == "partial"


def test_policy_whose_text_is_refused_has_no_document(aws: FaultServer, run: Collect) -> None:
    organization_stub(aws)
    broken(aws, "DescribePolicy", PolicyId="p-S")
    done = run(source="organization")
    assert done.gaps() == {(CALLER, "global", "organizations:DescribePolicy", "p-S", "denied")}
    assert done.query("SELECT policy_id FROM org_policies WHERE document_sha256 IS NULL") == [("p-S",)]


def test_member_without_organization_access_scans_listed_accounts(aws: FaultServer, run: Collect) -> None:
    organization_stub(aws)
    for operation in ("ListRoots", "ListPolicies", "ListAccounts"):
        broken(aws, operation)
    done = run(source="ids", ids=(CALLER,))
    assert {row[2:] for row in done.gaps()} == {
        ("organizations:ListRoots", "", "denied"),
        ("organizations:ListPolicies", "SERVICE_CONTROL_POLICY", "denied"),
        ("organizations:ListPolicies", "RESOURCE_CONTROL_POLICY", "denied"),
    }
    assert done.query("SELECT tree_read, scp_enabled FROM organizations") == [("denied", None)]
    assert done.query("SELECT 1 FROM keys") == [(1,)]


def test_organization_as_source_that_cannot_be_read_scans_nothing(aws: FaultServer, run: Collect) -> None:
    organization_stub(aws)
    for operation in ("DescribeOrganization", "ListAccounts"):
        broken(aws, operation)
    done = run(source="organization")
    assert isinstance(done.error, NothingScannedError)
    assert "organization cannot be read" in done.error.message
    assert (CALLER, "global", "organizations:DescribeOrganization", "", "denied") in done.gaps()


def test_refused_tree_falls_back_to_the_plain_list(aws: FaultServer, run: Collect) -> None:
    organization_stub(aws)
    broken(aws, "ListRoots")
    aws.fail("organizations:ListAccounts", as_json({"Accounts": [{"Id": CALLER, "Name": "m", "Status": "ACTIVE"}]}))
    done = run(source="organization")
    assert done.query("SELECT account_id, in_organization FROM accounts") == [(CALLER, 1)]
    assert {row[2] for row in done.gaps()} == {"organizations:ListRoots"}


def test_scope_by_ou_without_a_tree_scans_nothing(aws: FaultServer, run: Collect) -> None:
    organization_stub(aws)
    broken(aws, "ListRoots")
    assert isinstance(run(source="ids", ids=(CALLER,), include_ous=("/Prod",)).error, NothingScannedError)


def test_management_role_reads_the_organization_with_its_own_session_policy(aws: FaultServer, run: Collect) -> None:
    organization_stub(aws)
    run(source="organization", management_account_role_arn="arn:aws:iam::333333333333:role/reader")
    (asked,) = [r for r in aws.asked("sts:AssumeRole") if "333333333333" in r.params["RoleArn"]]
    assert asked.params["Policy"] == organization_session_policy()
    assert {r.account for r in aws.requests if r.operation.startswith("organizations:")} == {"333333333333"}


def test_caller_in_no_organization_scans_listed_accounts_without_a_gap(aws: FaultServer, run: Collect) -> None:
    aws.account(CALLER, "eu-west-1")
    done = run(ids=(CALLER,))
    assert done.gaps() == set()
    assert (CALLER, "global", "organizations:DescribeOrganization", "", "empty") in done.ledger()
    assert done.query("SELECT 1 FROM organizations") == []
    assert done.meta()["organization_state"] == "none"
    assert json.loads(done.meta()["run_regions"]) == ["eu-west-1"]


# -- what the analysis sees -------------------------------------------------------------------------------------------

SUSPENDED, OTHER = "222222222222", "333333333333"


def world_of(done: Any) -> World:
    with closing(open_snapshot(done.path)) as connection:
        return load_world(connection, Assumptions("2026-11-22T00:00:00+00:00"))


def roots(aws: FaultServer, **types: str) -> None:
    """Put a root with these policy types before the answers that are there already."""
    listed = [{"Type": f"{kind.upper()}_POLICY", "Status": status} for kind, status in types.items()]
    aws.fail("organizations:ListRoots", as_json({"Roots": [{"Id": "r-1", "PolicyTypes": listed}]}))
    aws.faults.insert(0, aws.faults.pop())


def targets(aws: FaultServer) -> None:
    """FullAWSAccess hangs everywhere, as it does in a healthy organization."""
    found = [{"TargetId": target} for target in ("r-1", CALLER, SUSPENDED)]
    aws.fail("organizations:ListTargetsForPolicy", as_json({"Targets": found}), PolicyId="p-FullAWSAccess")
    aws.faults.insert(0, aws.faults.pop())


def test_organization_that_was_read_is_whole_and_closed_accounts_are_told(aws: FaultServer, run: Collect) -> None:
    organization_stub(aws)
    targets(aws)
    given = world_of(run(source="organization"))
    (organization,) = given.organizations
    assert organization.scps is not None
    assert organization.rcps is not None
    assert (organization.scp_gap, organization.rcp_gap) == ("", "")
    assert given.accounts[AccountId(SUSPENDED)].status == "SUSPENDED"
    assert not any(account.organization_unknown for account in given.accounts.values())


@pytest.mark.parametrize("operation", ["ListAccountsForParent", "ListOrganizationalUnitsForParent", "ListRoots"])
def test_tree_that_was_read_in_part_is_no_organization(aws: FaultServer, run: Collect, operation: str) -> None:
    organization_stub(aws)
    targets(aws)
    if operation == "ListAccountsForParent":
        broken(aws, operation, NextToken="t")
    else:
        broken(aws, operation)
    given = world_of(run(source="ids", ids=(CALLER,)))
    assert given.organizations == ()
    assert all(account.organization_unknown for account in given.accounts.values())


@pytest.mark.parametrize(
    ("operation", "where", "subject", "kind"),
    [
        ("ListTargetsForPolicy", {"PolicyId": "p-S"}, "p-S", "scps"),
        ("DescribePolicy", {"PolicyId": "p-S"}, "p-S", "scps"),
        ("ListPolicies", {"Filter": "SERVICE_CONTROL_POLICY"}, "SERVICE_CONTROL_POLICY", "scps"),
        ("ListTargetsForPolicy", {"PolicyId": "p-R"}, "p-R", "rcps"),
        ("DescribePolicy", {"PolicyId": "p-R"}, "p-R", "rcps"),
        ("ListPolicies", {"Filter": "RESOURCE_CONTROL_POLICY"}, "RESOURCE_CONTROL_POLICY", "rcps"),
    ],
)
def test_unread_guardrail_opens_its_own_type_and_names_its_row(
    aws: FaultServer, run: Collect, operation: str, where: dict[str, str], subject: str, kind: str
) -> None:
    organization_stub(aws)
    targets(aws)
    broken(aws, operation, **where)
    (organization,) = world_of(run(source="organization")).organizations
    assert {name for name in ("scps", "rcps") if getattr(organization, name) is None} == {kind}
    row = f"{CALLER}/global/organizations:{operation}/{subject}"
    assert (organization.scp_gap, organization.rcp_gap) == ((row, "") if kind == "scps" else ("", row))


@pytest.mark.parametrize(
    ("status", "known", "enabled"), [("ENABLED", True, True), ("PENDING_ENABLE", False, True), (None, True, False)]
)
def test_policy_type_is_enabled_disabled_or_unknown(
    aws: FaultServer, run: Collect, status: str | None, known: bool, enabled: bool
) -> None:
    organization_stub(aws)
    targets(aws)
    roots(aws, service_control="ENABLED", **({} if status is None else {"resource_control": status}))
    (organization,) = world_of(run(source="organization")).organizations
    assert organization.scps is not None
    assert (organization.rcps is not None, organization.rcp_enabled) == (known, enabled)


def test_ou_that_goes_away_while_the_tree_is_read_leaves_the_tree_unread(aws: FaultServer, run: Collect) -> None:
    organization_stub(aws)
    targets(aws)
    units = as_json({"OrganizationalUnits": [{"Id": "ou-1", "Name": "Old"}]})
    aws.fail("organizations:ListOrganizationalUnitsForParent", units, ParentId="r-1")
    aws.faults.insert(0, aws.faults.pop())
    broken(aws, "ListAccountsForParent", "ParentNotFoundException", ParentId="ou-1")
    done = run(source="organization")
    assert (CALLER, "global", "organizations:ListAccountsForParent", "ou-1", "error") in done.gaps()
    assert world_of(done).organizations == ()


def test_only_the_account_that_asked_is_known_to_be_in_no_organization(aws: FaultServer, run: Collect) -> None:
    for account in (CALLER, OTHER):
        aws.account(account, "eu-west-1")
    accounts = world_of(run(ids=(CALLER, OTHER))).accounts
    assert not accounts[AccountId(CALLER)].organization_unknown
    assert accounts[AccountId(OTHER)].organization_unknown


def test_account_of_the_reader_is_the_one_that_is_in_no_organization(aws: FaultServer, run: Collect) -> None:
    for account in (CALLER, OTHER):
        aws.account(account, "eu-west-1")
    role = f"arn:aws:iam::{OTHER}:role/reader"
    accounts = world_of(run(ids=(CALLER, OTHER), management_account_role_arn=role)).accounts
    assert accounts[AccountId(CALLER)].organization_unknown
    assert not accounts[AccountId(OTHER)].organization_unknown


def test_reader_that_is_refused_leaves_every_organization_unknown(aws: FaultServer, run: Collect) -> None:
    aws.account(CALLER, "eu-west-1")
    role = f"arn:aws:iam::{OTHER}:role/reader"
    aws.fail("sts:AssumeRole", refusal_xml("AccessDenied"), RoleArn=role)
    assert (
        world_of(run(ids=(CALLER,), management_account_role_arn=role)).accounts[AccountId(CALLER)].organization_unknown
    )
