"""Reading an organization from a loopback AWS that refuses: every unread guardrail is a gap, never an absence."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from scanner.collect.permissions import organization_session_policy
from scanner.errors import NothingScannedError

from fault_server import CALLER, FaultServer, Key, as_json, refusal

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
