"""A whole collection of moto's in-process organization, over STS and across accounts."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.model import OperationModel
from botocore.session import Session
from moto import mock_aws
from scanner.collect.permissions import PERMISSIONS, session_policy
from scanner.collect.sessions import botocore_session
from scanner.errors import NothingScannedError

Collect = Callable[..., Any]
MANAGEMENT = "123456789012"
POLICY = '{"Version":  "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]}'
KEY_POLICY = '{"Version":"2012-10-17", "Statement":[]  }'
TRUST = '{"Version":"2012-10-17",  "Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}'


@dataclass
class Organization:
    root: str
    prod: str
    dev: str
    in_prod: str
    in_dev: str
    key: str
    scp: str


@pytest.fixture(scope="module")
def organization(module_credentials: pytest.MonkeyPatch) -> Iterator[Organization]:
    """A root with /Workloads/Prod and /Dev, one account each, one key with everything, an SCP on Dev."""
    with mock_aws():
        orgs: Any = boto3.client("organizations", "us-east-1")
        orgs.create_organization(FeatureSet="ALL")
        root = orgs.list_roots()["Roots"][0]["Id"]
        orgs.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
        ou = {}
        for name, parent in (("Workloads", root), ("Prod", "Workloads"), ("Dev", root)):
            made = orgs.create_organizational_unit(ParentId=ou.get(parent, parent), Name=name)
            ou[name] = made["OrganizationalUnit"]["Id"]
        members = {}
        for name in ("Prod", "Dev"):
            made = orgs.create_account(Email=f"{name}@acme.example", AccountName=name)
            members[name] = made["CreateAccountStatus"]["AccountId"]
            orgs.move_account(AccountId=members[name], SourceParentId=root, DestinationParentId=ou[name])
        scp = orgs.create_policy(Content=POLICY, Description="", Name="no-kms", Type="SERVICE_CONTROL_POLICY")
        scp_id = scp["Policy"]["PolicySummary"]["Id"]
        orgs.attach_policy(PolicyId=scp_id, TargetId=ou["Dev"])
        key = _fill(members["Prod"])
        yield Organization(root, ou["Prod"], ou["Dev"], members["Prod"], members["Dev"], key, scp_id)


def _fill(account: str) -> str:
    """A key with policy, grant, tag and alias, a role, a user in a group."""
    found = boto3.client("sts").assume_role(RoleArn=f"arn:aws:iam::{account}:role/x", RoleSessionName="setup")
    c = found["Credentials"]
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    keys = dict(zip(names, (c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"]), strict=True))
    kms: Any = boto3.client("kms", "eu-west-1", **keys)
    key = kms.create_key(Policy=KEY_POLICY, Description="<b>", Tags=[{"TagKey": "app", "TagValue": "pay"}])
    key_id = key["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/pay", TargetKeyId=key_id)
    kms.create_grant(KeyId=key_id, GranteePrincipal="arn:aws:iam::999999999999:role/x", Operations=["Decrypt"])
    iam: Any = boto3.client("iam", **keys)
    boundary = iam.create_policy(PolicyName="limit", PolicyDocument=POLICY)["Policy"]["Arn"]
    iam.create_role(RoleName="app", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=boundary)
    iam.put_role_policy(RoleName="app", PolicyName="inline", PolicyDocument=POLICY)
    iam.create_group(GroupName="ops")
    iam.attach_group_policy(GroupName="ops", PolicyArn=boundary)
    iam.create_user(UserName="ann")
    iam.add_user_to_group(GroupName="ops", UserName="ann")
    iam.create_open_id_connect_provider(Url="https://ci.example", ThumbprintList=["a" * 40])
    return str(key["KeyMetadata"]["Arn"])


MADE: list[tuple[str, Any]] = []
"""Every API action that botocore was asked for, with the body of its request."""


def recording_session(profile: str | None) -> Session:
    """A session made after moto was imported, which hooks into new ones only; it notes what is called."""
    session = botocore_session(profile)

    def note(model: OperationModel, params: dict[str, Any], **_: Any) -> None:
        MADE.append((f"{model.service_model.service_name}:{model.name}", params["body"]))

    session.register("before-call", note)
    return session


SETTINGS: dict[str, Any] = {
    "source": "organization",
    "regions_include": ("eu-west-1", "us-east-1"),
    "session_factory": recording_session,
}


@pytest.fixture(scope="module")
def done(organization: Organization, run_into: Collect, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One collection of the organization."""
    return run_into(Path(tmp_path_factory.mktemp("moto")) / "snapshot.sqlite", **SETTINGS)


def test_organization_is_read_completely(organization: Organization, done: Any) -> None:
    assert done.gaps() == set()
    assert done.summary.accounts_in_scope == 3
    columns = "management_account_id, root_id, scp_enabled, rcp_enabled, tree_read, scp_read, rcp_read"
    (row,) = done.query(f"SELECT {columns} FROM organizations")
    assert row == (MANAGEMENT, organization.root, 1, 0, "ok", "ok", "empty")
    assert dict(done.query("SELECT account_id, parent_id FROM org_members")) == {
        MANAGEMENT: organization.root,
        organization.in_prod: organization.prod,
        organization.in_dev: organization.dev,
    }
    assert (organization.dev, organization.scp) in done.query("SELECT target_id, policy_id FROM org_attachments")
    assert len(done.query("SELECT 1 FROM ous")) == 3


def test_documents_keep_their_exact_text(organization: Organization, done: Any) -> None:
    texts = {sha: zlib.decompress(text).decode() for sha, text in done.query("SELECT sha256, text FROM documents")}
    scp = done.query("SELECT document_sha256 FROM org_policies WHERE policy_id = ?", organization.scp)[0][0]
    key_policy = done.query("SELECT policy_sha256 FROM keys WHERE arn = ?", organization.key)[0][0]
    inline = done.query("SELECT document_sha256 FROM principal_policies WHERE source = 'inline'")[0][0]
    trust = done.query("SELECT trust_sha256 FROM principals WHERE name = 'app'")[0][0]
    assert [texts[sha] for sha in (scp, key_policy, inline, trust)] == [POLICY, KEY_POLICY, POLICY, TRUST]


def test_identities_follow_groups_and_boundaries(organization: Organization, done: Any) -> None:
    arn = f"arn:aws:iam::{organization.in_prod}:"
    assert set(done.query("SELECT principal_arn, source, policy_arn, group_arn FROM principal_policies")) == {
        (f"{arn}role/app", "inline", "", ""),
        (f"{arn}user/ann", "group_managed", f"{arn}policy/limit", f"{arn}group/ops"),
    }
    assert done.query("SELECT boundary_arn FROM principals WHERE name = 'app'") == [(f"{arn}policy/limit",)]
    assert done.query("SELECT group_arn, user_arn FROM group_members") == [(f"{arn}group/ops", f"{arn}user/ann")]
    assert done.query("SELECT kind, account_id FROM identity_providers") == [("oidc", organization.in_prod)]


def test_key_facts_are_kept(organization: Organization, done: Any) -> None:
    facts = "state, manager, spec, description, policy_status, ram_status, grants_status, tags_status, aliases_status"
    kept = ("Enabled", "CUSTOMER", "SYMMETRIC_DEFAULT", "<b>", "ok", "empty", "ok", "ok", "ok")
    assert done.query(f"SELECT {facts} FROM keys") == [kept]
    assert done.query("SELECT tag_key, tag_value FROM key_tags") == [("app", "pay")]
    assert done.query("SELECT name, key_arn FROM aliases") == [("alias/pay", organization.key)]
    assert done.query("SELECT grantee_principal, operations FROM grants") == [
        ("arn:aws:iam::999999999999:role/x", '["Decrypt"]')
    ]


def test_missing_list_regions_is_one_ok_row_naming_the_fallback(organization: Organization, done: Any) -> None:
    sql = "SELECT call, outcome, message FROM coverage WHERE account_id = ? AND call LIKE '%Regions'"
    message = "account:ListRegions ended with `404`; the regions come from ec2:DescribeRegions"
    assert done.query(sql, MANAGEMENT) == [("ec2:DescribeRegions", "ok", message)]


def test_every_recorded_call_is_in_the_permissions_list(done: Any) -> None:
    called = {f"{service}:{name}" for service, name in done.query("SELECT DISTINCT service, operation FROM answers")}
    assert called <= {permission.action for permission in PERMISSIONS}
    assert {"organizations:DescribePolicy", "kms:ListGrants"} <= called


def test_every_call_that_botocore_makes_is_in_the_list_and_every_session_is_scoped_down(done: Any) -> None:
    assert done.summary.complete
    assert {action for action, _ in MADE} <= {permission.action for permission in PERMISSIONS}
    assert {"kms:GetKeyPolicy", "iam:GetAccountAuthorizationDetails", "sts:AssumeRole"} <= {
        action for action, _ in MADE
    }
    assert {body["Policy"] for action, body in MADE if action == "sts:AssumeRole"} == {session_policy()}


def test_answers_for_a_member_caller_are_not_believed(
    organization: Organization, run: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = f"arn:aws:iam::{organization.in_prod}:role/x"
    found = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="member")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", found["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", found["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", found["SessionToken"])
    done = run(**SETTINGS)
    assert isinstance(done.error, NothingScannedError)
    columns = "scp_enabled, rcp_enabled, tree_read, scp_read, rcp_read"
    assert done.query(f"SELECT {columns} FROM organizations") == [(None, None, "error", "malformed", "malformed")]
