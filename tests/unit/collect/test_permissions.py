"""The list of actions: what it renders, and that it stays read-only and small enough."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from scanner.collect.answers import OPERATIONS
from scanner.collect.permissions import (
    PERMISSIONS,
    SESSION_POLICY_LIMIT,
    audit_role,
    hub_session_policy,
    member_actions,
    organization_actions,
    organization_session_policy,
    session_policy,
)
from scanner.errors import UsageError

TRUSTED = "arn:aws:iam::111122223333:role/security/audit"


def test_session_policies_fit_aws_limit_and_hold_exactly_our_actions() -> None:
    for text in (session_policy(), organization_session_policy(), hub_session_policy()):
        assert len(text) <= SESSION_POLICY_LIMIT
    (statement,) = json.loads(session_policy())["Statement"]
    assert statement == {"Effect": "Allow", "Action": list(member_actions()), "Resource": "*"}
    assert "sts:AssumeRole" not in session_policy()
    assert "organizations:" not in session_policy()


def test_every_action_only_reads() -> None:
    verbs = ("List", "Get", "Describe")
    actions = set(member_actions()) | set(organization_actions())
    assert all(action.split(":")[1].startswith(verbs) for action in actions)
    assert not any("*" in action for action in actions)


def test_operations_of_the_wire_and_actions_are_the_same_list() -> None:
    assert set(OPERATIONS) == {permission.action for permission in PERMISSIONS}


def test_answers_with_credentials_are_never_recorded() -> None:
    assert {name for name, operation in OPERATIONS.items() if not operation.recorded} == {
        "sts:AssumeRole",
        "sts:GetCallerIdentity",
    }


def test_member_role_trusts_one_principal_with_external_id_and_reads_its_own_keys_only() -> None:
    role = audit_role(kind="member", trusted_arn=TRUSTED, external_id="e-1")
    (trust,) = json.loads(role.trust_policy)["Statement"]
    assert trust["Principal"] == {"AWS": "arn:aws:iam::111122223333:root"}
    assert trust["Condition"] == {
        "StringEquals": {"sts:ExternalId": "e-1"},
        "ArnEquals": {"aws:PrincipalArn": TRUSTED},
    }
    account, key = json.loads(role.permissions_policy)["Statement"]
    assert set(account["Action"]) | set(key["Action"]) == set(member_actions())
    assert key["Condition"] == {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}}
    assert set(json.loads(str(role))) == {"TrustPolicy", "PermissionsPolicy"}


def test_hub_and_management_roles_hold_what_their_hop_needs() -> None:
    arn = TRUSTED.replace("arn:aws:", "arn:aws-cn:")
    hub = audit_role(kind="hub", trusted_arn=arn, external_id="e-1", member_role="/audit/Scan")
    hop, organization = json.loads(hub.permissions_policy)["Statement"]
    assert (hop["Action"], hop["Resource"]) == ("sts:AssumeRole", "arn:aws-cn:iam::*:role/audit/Scan")
    assert organization["Action"] == list(organization_actions())
    management = audit_role(kind="management", trusted_arn=arn, external_id="e-1")
    assert json.loads(management.permissions_policy)["Statement"] == [organization]


@pytest.mark.parametrize(
    "trusted",
    [
        "arn:aws:iam::111122223333:root",
        "arn:aws:iam::111122223333:role/*",
        "arn:aws:sts::111122223333:assumed-role/r/s",
        "arn:aws:iam::1:role/r",
        "111122223333",
        "*",
    ],
)
def test_trust_in_more_than_one_principal_is_refused(trusted: str) -> None:
    with pytest.raises(UsageError):
        audit_role(kind="member", trusted_arn=trusted, external_id="e-1")


@pytest.mark.parametrize("external_id", ["", "x", "a*", "x" * 1225])
def test_useless_external_id_is_refused(external_id: str) -> None:
    with pytest.raises(UsageError):
        audit_role(kind="member", trusted_arn=TRUSTED, external_id=external_id)


def test_permissions_load_without_boto3() -> None:
    code = "import sys, scanner.collect.permissions; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
