"""The demo's AWS answers, refuses and stays on the loopback interface as its documentation says."""

from __future__ import annotations

import builtins
import json
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from scanner.demo import organization
from scanner.demo.build import build
from scanner.demo.server import DemoServer, start_demo
from scanner.errors import UnavailableError, UsageError

IRELAND = organization.IRELAND


@pytest.fixture(scope="module")
def server() -> Iterator[DemoServer]:
    """One built demo for the tests of this module, none of which changes it."""
    with start_demo() as running:
        build(running)
        yield running


def member(server: DemoServer, account_id: str, service: str, region: str = IRELAND):
    """A client inside a member account, through the audit role as the collector comes."""
    answer = server.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{account_id}:role/{server.member_role}", RoleSessionName="kms-scan-test"
    )["Credentials"]
    credentials = (answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    return server.client(service, region, credentials)


def key_arn(server: DemoServer, name: str) -> str:
    return server.organization.key_arns[name]


def refusal(call, **parameters) -> tuple[str, str]:
    """Code and message of the error that a call ends with."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_assumed_audit_role_acts_inside_the_member_account(server):
    identity = member(server, organization.PAYMENTS, "sts").get_caller_identity()
    assert identity["Account"] == organization.PAYMENTS
    assert identity["Arn"].startswith(f"arn:aws:sts::{organization.PAYMENTS}:assumed-role/KmsScanReadOnly/")


def test_handed_out_credentials_are_a_user_of_the_management_account(server):
    identity = server.client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::{organization.MANAGEMENT}:user/{organization.OPERATOR}"


@pytest.mark.parametrize(
    "account_id",
    [
        pytest.param(organization.MEDIA, id="role missing"),
        pytest.param(organization.MANAGEMENT, id="management account without the role"),
        pytest.param(organization.CLOSED, id="closed account"),
        pytest.param(organization.PARTNER, id="account of somebody else"),
        pytest.param("000000000000", id="account that does not exist"),
    ],
)
def test_role_that_does_not_exist_is_refused(server, account_id):
    role_arn = f"arn:aws:iam::{account_id}:role/{server.member_role}"
    code, message = refusal(server.client("sts").assume_role, RoleArn=role_arn, RoleSessionName="kms-scan-test")
    assert code == "AccessDenied"
    assert message == (
        f"User: arn:aws:iam::{organization.MANAGEMENT}:user/{organization.OPERATOR} is not authorized to perform: "
        f"sts:AssumeRole on resource: {role_arn}"
    )


def test_closed_account_refuses_even_the_administrator_role(server):
    role_arn = f"arn:aws:iam::{organization.CLOSED}:role/OrganizationAccountAccessRole"
    assert (
        refusal(server.client("sts").assume_role, RoleArn=role_arn, RoleSessionName="kms-scan-test")[0]
        == "AccessDenied"
    )


def test_opaque_key_refuses_its_policy_and_nothing_else(server):
    kms = member(server, organization.LOGS, "kms")
    arn = key_arn(server, "logs/eu-west-1/evidence-vault")
    for key_id in (arn, arn.rpartition("/")[2]):
        code, message = refusal(kms.get_key_policy, KeyId=key_id, PolicyName="default")
        assert code == "AccessDeniedException"
        assert re.fullmatch(
            rf"User: arn:aws:sts::{organization.LOGS}:assumed-role/KmsScanReadOnly/kms-scan-test is not authorized to "
            rf"perform: kms:GetKeyPolicy on resource: {re.escape(arn)} because no resource-based policy allows the "
            r"kms:GetKeyPolicy action",
            message,
        )
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["Arn"] == arn
    assert kms.list_grants(KeyId=arn)["Grants"] == []
    assert kms.get_key_policy(KeyId=key_arn(server, "logs/eu-west-1/central-logs"), PolicyName="default")["Policy"]


def test_sandbox_in_singapore_is_denied_by_service_control_policy(server):
    denied = member(server, organization.SANDBOX, "kms", organization.SINGAPORE)
    for call in (denied.list_keys, denied.list_aliases):
        code, message = refusal(call)
        assert code == "AccessDeniedException"
        assert message.endswith("with an explicit deny in a service control policy")
    assert member(server, organization.SANDBOX, "kms", IRELAND).list_keys()["Keys"]
    assert member(server, organization.PAYMENTS, "kms", organization.SINGAPORE).list_keys()["Keys"]


def test_ram_policy_does_not_exist(server):
    kms = member(server, organization.PAYMENTS, "kms")
    arn = key_arn(server, "payments-prod/eu-west-1/card-data")
    assert refusal(kms.get_key_policy, KeyId=arn, PolicyName="AWS_RAM")[0] == "NotFoundException"


def test_grant_carries_what_aws_adds(server):
    kms = member(server, organization.DATA_LAKE, "kms")
    arn = key_arn(server, "data-lake/eu-west-1/lake-images")
    (grant,) = kms.list_grants(KeyId=arn)["Grants"]
    assert grant["CreationDate"].isoformat().startswith("2024-06-03")
    assert grant["IssuingAccount"] == f"arn:aws:iam::{organization.ANALYTICS}:root"
    assert grant["KeyId"] == arn
    assert "RetiringPrincipal" not in grant


def test_grant_is_the_same_in_the_list_of_its_key_and_of_its_retiring_principal(server):
    kms = member(server, organization.DATA_LAKE, "kms")
    etl = f"arn:aws:iam::{organization.DATA_LAKE}:role/etl"
    retirable = kms.list_retirable_grants(RetiringPrincipal=etl)["Grants"]
    assert retirable == [
        grant
        for key in kms.list_keys()["Keys"]
        for grant in kms.list_grants(KeyId=key["KeyArn"])["Grants"]
        if grant.get("RetiringPrincipal") == etl
    ]
    assert len(retirable) == 1


def test_grant_made_by_the_owner_names_the_owner(server):
    kms = member(server, organization.DATA_LAKE, "kms")
    (grant,) = kms.list_grants(KeyId=key_arn(server, "data-lake/eu-west-1/lake-tenants"))["Grants"]
    assert grant["IssuingAccount"] == f"arn:aws:iam::{organization.DATA_LAKE}:root"
    assert grant["Constraints"] == {"EncryptionContextSubset": {"tenant": "payroll"}}


def test_list_regions_is_an_html_page_with_status_404(server):
    with pytest.raises(ClientError) as caught:
        server.client("account").list_regions()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def regions(client, **parameters) -> dict[str, str]:
    return {row["RegionName"]: row["OptInStatus"] for row in client.describe_regions(**parameters)["Regions"]}


def test_describe_regions_names_three_default_regions(server):
    assert regions(member(server, organization.PAYMENTS, "ec2")) == dict.fromkeys(
        ("eu-west-1", "us-east-1", "ap-southeast-1"), "opt-in-not-required"
    )


def test_opt_in_region_shows_its_status_per_account(server):
    lake, payments = member(server, organization.DATA_LAKE, "ec2"), member(server, organization.PAYMENTS, "ec2")
    assert regions(lake)["me-south-1"] == "opted-in"
    assert regions(payments, AllRegions=True)["me-south-1"] == "not-opted-in"
    enabled = {"Name": "opt-in-status", "Values": ["opt-in-not-required", "opted-in"]}
    assert "me-south-1" not in regions(payments, AllRegions=True, Filters=[enabled])
    assert "me-south-1" in regions(lake, AllRegions=True, Filters=[enabled])


def test_replica_and_primary_keep_their_own_facts_in_any_order(server):
    primary = member(server, organization.PAYMENTS, "kms", organization.VIRGINIA)
    replica = member(server, organization.PAYMENTS, "kms", IRELAND)
    arns = {
        client: key_arn(server, f"payments-prod/{client.meta.region_name}/global-tokens")
        for client in (primary, replica)
    }
    for client, kind in ((replica, "REPLICA"), (primary, "PRIMARY"), (replica, "REPLICA")):
        metadata = client.describe_key(KeyId=arns[client])["KeyMetadata"]
        assert (metadata["Arn"], metadata["MultiRegionConfiguration"]["MultiRegionKeyType"]) == (arns[client], kind)
    policies = {
        client: client.get_key_policy(KeyId=arn, PolicyName="default")["Policy"] for client, arn in arns.items()
    }
    assert "LakeReadsReplica" in policies[replica]
    assert "LakeReadsReplica" not in policies[primary]


@pytest.mark.parametrize("account", [a for a in organization.ACCOUNTS if a.has_audit_role], ids=lambda a: a.name)
def test_every_arn_of_an_answer_carries_account_and_region_of_the_question(server, account):
    for region in organization.REGIONS:
        if (account.account_id, region) == organization.DENIED_BY_SCP:
            continue
        kms = member(server, account.account_id, "kms", region)
        prefix = f"arn:aws:kms:{region}:{account.account_id}:"
        arns = [row["AliasArn"] for row in kms.list_aliases()["Aliases"]]
        arns += [row["KeyArn"] for row in kms.list_keys()["Keys"]]
        assert [arn for arn in arns if not arn.startswith(prefix)] == []


def test_organization_tells_its_tree_accounts_and_guardrails(server):
    organizations = server.client("organizations")
    assert organizations.describe_organization()["Organization"]["Id"] == organization.ORGANIZATION_ID
    (root,) = organizations.list_roots()["Roots"]
    assert {row["Type"] for row in root["PolicyTypes"]} == {"SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"}
    accounts = {row["Name"]: row["Status"] for row in organizations.list_accounts()["Accounts"]}
    assert accounts.pop("retired-poc") == "SUSPENDED"
    assert accounts.pop("acme-management") == "ACTIVE"
    assert set(accounts) == {account.name for account in organization.ACCOUNTS if not account.closed}
    sandbox = organizations.list_policies_for_target(
        TargetId=server.organization.ou_ids["/Sandbox"], Filter="SERVICE_CONTROL_POLICY"
    )["Policies"]
    assert {row["Name"] for row in sandbox} == {"FullAWSAccess", "SandboxRegions", "SandboxKeepsOutOfPayments"}
    security = organizations.list_policies_for_target(
        TargetId=server.organization.ou_ids["/Security"], Filter="RESOURCE_CONTROL_POLICY"
    )["Policies"]
    assert {row["Name"] for row in security} == {"RCPFullAWSAccess", "SecurityKeysStayInside"}


def test_principals_have_boundary_group_and_provider(server):
    lake = member(server, organization.DATA_LAKE, "iam").get_account_authorization_details()
    roles = {row["RoleName"]: row for row in lake["RoleDetailList"]}
    boundary = roles["bounded-analyst"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert boundary == f"arn:aws:iam::{organization.DATA_LAKE}:policy/AnalystBoundary"
    analytics = member(server, organization.ANALYTICS, "iam").get_account_authorization_details()
    (user,) = analytics["UserDetailList"]
    assert (user["UserName"], user["GroupList"]) == ("nightly-export", ["exporters"])
    linked = [row["Path"] for row in analytics["RoleDetailList"] if row["RoleName"] == "AWSServiceRoleForAutoScaling"]
    assert linked == ["/aws-service-role/autoscaling.amazonaws.com/"]
    providers = member(server, organization.PAYMENTS, "iam").list_open_id_connect_providers()
    assert [row["Arn"].rpartition("/")[2] for row in providers["OpenIDConnectProviderList"]] == [
        "token.actions.githubusercontent.com"
    ]


def test_policy_text_keeps_its_lines(server):
    kms = member(server, organization.PAYMENTS, "kms")
    arn = key_arn(server, "payments-prod/eu-west-1/card-data")
    policy = kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    assert '\n            "Sid": "LegacyShare",\n' in policy
    assert [row["Sid"] for row in json.loads(policy)["Statement"]] == ["Enable IAM User Permissions", "LegacyShare"]


def test_server_listens_on_loopback_only(server):
    host, port = re.fullmatch(r"http://([0-9.]+):([0-9]+)", server.endpoint_url).groups()
    assert host == "127.0.0.1"
    addresses = {row[4][0] for row in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((address, int(port)), timeout=1):
            pass


def test_environment_points_every_service_to_the_server_and_to_no_file(server):
    environment = server.environment
    endpoints = {name: value for name, value in environment.items() if name.startswith("AWS_ENDPOINT_URL")}
    assert set(endpoints.values()) == {server.endpoint_url}
    assert {name.rpartition("_")[2] for name in endpoints} == {
        "URL", "ACCOUNT", "EC2", "IAM", "KMS", "ORGANIZATIONS", "STS",
    }  # fmt: skip
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == "/dev/null"
    assert not set(server.unset_environment) & set(environment)


def test_user_profile_and_proxy_do_not_lead_the_demo_away(monkeypatch, server):
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9")
    again = DemoServer(server._loopback, server.faults, server.credentials)
    assert again.client("sts").get_caller_identity()["Account"] == organization.MANAGEMENT


def test_unsigned_request_is_refused(server):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(f"{server.endpoint_url}/moto-api/data.json", timeout=5)
    assert caught.value.code == 403
    assert b"MissingAuthenticationToken" in caught.value.read()
    caught.value.close()


def test_credentials_of_another_aws_are_refused(server):
    stranger = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    assert refusal(server.client("sts", credentials=stranger).get_caller_identity)[0] == "InvalidClientTokenId"
    organizations = server.client("organizations", credentials=stranger)
    assert refusal(organizations.describe_organization)[0] == "UnrecognizedClientException"


def test_second_demo_in_the_same_process_is_refused(server):
    with pytest.raises(UsageError, match="a demo already runs in this process"):
        start_demo()


def test_missing_moto_is_said_with_the_extra_to_install(monkeypatch):
    original = builtins.__import__

    def without_moto(name, *scopes_and_names):
        fromlist = scopes_and_names[2] if len(scopes_and_names) > 2 else ()
        if name == "scanner.demo" and fromlist and "loopback" in fromlist:
            raise ModuleNotFoundError("No module named 'moto'", name="moto")
        return original(name, *scopes_and_names)

    monkeypatch.setattr(builtins, "__import__", without_moto)
    with pytest.raises(UnavailableError, match="needs moto") as caught:
        start_demo()
    assert "kms-scan[demo]" in caught.value.hint
