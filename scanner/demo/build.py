"""Creates the demo organization through AWS's own API, with STS credentials per account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scanner.demo import moto_state
from scanner.demo.blueprint import Account, Grant, Key, Role
from scanner.demo.faults import GrantFacts
from scanner.demo.keys import KEYS
from scanner.demo.organization import (
    ACCOUNTS,
    DENIED_BY_SCP,
    GUARDRAILS,
    MANAGEMENT,
    MANAGEMENT_NAME,
    OPERATOR,
    ORGANIZATION_ID,
    OUTSIDERS,
    ROOT_ID,
    VIRGINIA,
)
from scanner.demo.principals import (
    GROUPS,
    MANAGED_POLICIES,
    OIDC_PROVIDERS,
    OPERATOR_POLICY,
    ROLES,
    SERVICE_LINKED_ROLES,
    USERS,
)
from scanner.demo.server import DemoServer, OrganizationFacts
from scanner.model.arn import AccountId, Region

# The role that AWS Organizations makes in every account it creates.
ADMINISTRATOR_ROLE = "OrganizationAccountAccessRole"
POLICY_TYPES = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")


@dataclass(slots=True)
class _Aws:
    """Clients per account, service and region, each made once; calls are made one after the other."""

    server: DemoServer
    credentials: dict[AccountId, tuple[str, ...]]
    clients: dict[tuple[AccountId, str, Region], Any] = field(default_factory=dict)

    def client(self, account_id: AccountId, service: str, region: Region = VIRGINIA) -> Any:
        """A client that acts inside the account."""
        place = (account_id, service, region)
        if place not in self.clients:
            self.clients[place] = self.server.client(service, region, self.credentials[account_id])
        return self.clients[place]

    def enter(self, account_id: AccountId) -> None:
        """Assume the administrator role of a member account."""
        answer = self.client(MANAGEMENT, "sts").assume_role(
            RoleArn=f"arn:aws:iam::{account_id}:role/{ADMINISTRATOR_ROLE}", RoleSessionName="demo-build"
        )["Credentials"]
        self.credentials[account_id] = (answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    def close(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            client.close()


def build(server: DemoServer) -> OrganizationFacts:
    """Fill an empty demo server; `server.organization` and `server.faults` hold the result.

    Raises botocore's ClientError where moto refuses something the demo writes (a bug of the demo).
    """
    facts = OrganizationFacts(ORGANIZATION_ID, MANAGEMENT, {MANAGEMENT_NAME: MANAGEMENT, **OUTSIDERS})
    aws = _Aws(server, {MANAGEMENT: server.credentials})
    try:
        _create_organization(aws, facts)
        for account in ACCOUNTS:
            aws.enter(account.account_id)
        _create_principals(aws)
        with moto_state.without_key_material():
            for key in KEYS:
                _create_key(aws, key, facts)
        for account in ACCOUNTS:
            if account.closed:
                aws.client(MANAGEMENT, "organizations").close_account(AccountId=account.account_id)
    finally:
        aws.close()
        moto_state.identify_at_random()
    server.faults.denied_by_scp.add(DENIED_BY_SCP)
    server.organization = facts
    return facts


def _create_organization(aws: _Aws, facts: OrganizationFacts) -> None:
    """The tree, its accounts and the guardrails on it."""
    organizations = aws.client(MANAGEMENT, "organizations")
    moto_state.identify_by("organization")
    with (
        moto_state.fixed_id("make_random_org_id", ORGANIZATION_ID),
        moto_state.fixed_id("make_random_root_id", ROOT_ID),
    ):
        organizations.create_organization(FeatureSet="ALL")
    moto_state.name_management_account(MANAGEMENT, MANAGEMENT_NAME, "aws@acme.example")
    for policy_type in POLICY_TYPES:
        organizations.enable_policy_type(RootId=ROOT_ID, PolicyType=policy_type)
    facts.ou_ids["/"] = ROOT_ID
    for account in ACCOUNTS:
        _create_ou(aws, account.ou, facts)
        _create_account(aws, account, facts)
    for guardrail in GUARDRAILS:
        moto_state.identify_by(f"policy/{guardrail.name}")
        policy_id = organizations.create_policy(
            Type=guardrail.policy_type,
            Name=guardrail.name,
            Description=guardrail.description,
            Content=guardrail.document,
        )["Policy"]["PolicySummary"]["Id"]
        facts.policy_ids[guardrail.name] = policy_id
        for target in guardrail.targets:
            organizations.attach_policy(PolicyId=policy_id, TargetId=facts.ou_ids[target])


def _create_ou(aws: _Aws, path: str, facts: OrganizationFacts) -> None:
    """The organizational unit at `path` and those above it, where they do not exist yet."""
    if path in facts.ou_ids:
        return
    parent, _, name = path.rpartition("/")
    _create_ou(aws, parent or "/", facts)
    moto_state.identify_by(f"ou{path}")
    unit = aws.client(MANAGEMENT, "organizations").create_organizational_unit(
        ParentId=facts.ou_ids[parent or "/"], Name=name
    )
    facts.ou_ids[path] = unit["OrganizationalUnit"]["Id"]


def _create_account(aws: _Aws, account: Account, facts: OrganizationFacts) -> None:
    """A member account with its well-known id, moved to its unit."""
    organizations = aws.client(MANAGEMENT, "organizations")
    moto_state.identify_by(f"account/{account.name}")
    with moto_state.fixed_id("make_random_account_id", account.account_id):
        organizations.create_account(Email=f"aws+{account.name}@acme.example", AccountName=account.name)
    organizations.move_account(
        AccountId=account.account_id, SourceParentId=ROOT_ID, DestinationParentId=facts.ou_ids[account.ou]
    )
    facts.account_ids[account.name] = account.account_id


def _create_principals(aws: _Aws) -> None:
    """Everything in IAM."""
    aws.client(MANAGEMENT, "iam").put_user_policy(
        UserName=OPERATOR, PolicyName="kms-scan", PolicyDocument=OPERATOR_POLICY
    )
    for policy in MANAGED_POLICIES:
        moto_state.identify_by(f"iam/{policy.arn}")
        aws.client(policy.account_id, "iam").create_policy(PolicyName=policy.name, PolicyDocument=policy.document)
    for provider in OIDC_PROVIDERS:
        aws.client(provider.account_id, "iam").create_open_id_connect_provider(
            Url=provider.url, ClientIDList=list(provider.audiences)
        )
    for linked in SERVICE_LINKED_ROLES:
        moto_state.identify_by(f"iam/{linked.account_id}/{linked.service}")
        aws.client(linked.account_id, "iam").create_service_linked_role(AWSServiceName=linked.service)
    for role in ROLES:
        _create_role(aws, role)
    for group in GROUPS:
        moto_state.identify_by(f"iam/{group.account_id}/group/{group.name}")
        iam = aws.client(group.account_id, "iam")
        iam.create_group(GroupName=group.name)
        for name in group.managed:
            iam.attach_group_policy(GroupName=group.name, PolicyArn=_policy_arn(group.account_id, name))
    for user in USERS:
        moto_state.identify_by(f"iam/{user.account_id}/user/{user.name}")
        iam = aws.client(user.account_id, "iam")
        iam.create_user(UserName=user.name)
        for group_name in user.groups:
            iam.add_user_to_group(GroupName=group_name, UserName=user.name)


def _create_role(aws: _Aws, role: Role) -> None:
    """A role with its policies, boundary and tags."""
    iam = aws.client(role.account_id, "iam")
    moto_state.identify_by(f"iam/{role.account_id}/role/{role.name}")
    optional = {} if role.boundary is None else {"PermissionsBoundary": _policy_arn(role.account_id, role.boundary)}
    iam.create_role(
        RoleName=role.name,
        AssumeRolePolicyDocument=role.trust,
        Description=role.description,
        Tags=[{"Key": key, "Value": value} for key, value in role.tags.items()],
        **optional,
    )
    for name, document in role.inline.items():
        iam.put_role_policy(RoleName=role.name, PolicyName=name, PolicyDocument=document)
    for name in role.managed:
        iam.attach_role_policy(RoleName=role.name, PolicyArn=_policy_arn(role.account_id, name))


def _policy_arn(account_id: AccountId, name: str) -> str:
    """The ARN of a managed policy of the demo."""
    return next(policy.arn for policy in MANAGED_POLICIES if (policy.account_id, policy.name) == (account_id, name))


def _create_key(aws: _Aws, key: Key, facts: OrganizationFacts) -> None:
    """A key with its alias, tags, grants, replica and state."""
    kms = aws.client(key.account_id, "kms", key.region)
    moto_state.identify_by(f"kms/{key.account_id}/{key.region}/{key.alias}")
    metadata = kms.create_key(
        Policy=key.policy,
        Description=key.description,
        KeySpec=key.spec,
        KeyUsage=key.usage,
        MultiRegion=key.replica is not None,
        Tags=[{"TagKey": name, "TagValue": value} for name, value in key.tags.items()],
    )["KeyMetadata"]
    key_id, key_arn = metadata["KeyId"], metadata["Arn"]
    account_name = next(name for name, account_id in facts.account_ids.items() if account_id == key.account_id)
    facts.key_arns[f"{account_name}/{key.region}/{key.alias}"] = key_arn
    aws.server.faults.key_created[key_id] = key.created
    kms.create_alias(AliasName=f"alias/{key.alias}", TargetKeyId=key_id)
    for grant in key.grants:
        facts.grant_ids[grant.name] = _create_grant(aws, key, key_id, grant)
    if key.replica is not None:
        kms.replicate_key(KeyId=key_id, ReplicaRegion=key.replica.region)
        replica = aws.client(key.account_id, "kms", key.replica.region)
        replica.put_key_policy(KeyId=key_id, PolicyName="default", Policy=key.replica.policy)
        replica.create_alias(AliasName=f"alias/{key.replica.alias}", TargetKeyId=key_id)
        replica_arn = key_arn.replace(f":{key.region}:", f":{key.replica.region}:")
        facts.key_arns[f"{account_name}/{key.replica.region}/{key.replica.alias}"] = replica_arn
    if key.state == "Disabled":
        kms.disable_key(KeyId=key_id)
    elif key.state == "PendingDeletion":
        kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=30)
    if key.policy_unreadable:
        aws.server.faults.unreadable_policies.add(key_arn)


def _create_grant(aws: _Aws, key: Key, key_id: str, grant: Grant) -> str:
    """A grant, and what AWS would say about its origin; its id."""
    moto_state.identify_by(f"grant/{key.account_id}/{key.region}/{key.alias}/{grant.name}")
    optional: dict[str, object] = {}
    if grant.retiring_principal is not None:
        optional["RetiringPrincipal"] = grant.retiring_principal
    if grant.encryption_context_subset is not None:
        optional["Constraints"] = {"EncryptionContextSubset": grant.encryption_context_subset}
    answer = aws.client(key.account_id, "kms", key.region).create_grant(
        KeyId=key_id,
        Name=grant.name,
        GranteePrincipal=grant.grantee_principal,
        Operations=list(grant.operations),
        **optional,
    )
    grant_id = str(answer["GrantId"])
    aws.server.faults.grants[grant_id] = GrantFacts(grant.created, grant.issuing_account or key.account_id)
    return grant_id
