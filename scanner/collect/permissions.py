"""Every AWS action we call, with its reason: the one list behind the session policy and the audit role.

Plain data without boto3, so that `kms-scan role` renders it offline. None of the actions reads data, decrypts or
changes anything (R10.9).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Literal

from scanner.errors import UsageError
from scanner.model.arn import Arn, is_account_id, parse_arn

SESSION_POLICY_LIMIT = 2048
"""AWS's limit for an inline session policy, in characters (API STS:AssumeRole)."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One IAM action, why we call it, and where: in every account, in the organization, or on the way there."""

    action: str
    reason: str
    where: Literal["account", "key", "organization", "hop"]


PERMISSIONS: tuple[Permission, ...] = (
    Permission(
        "kms:ListKeys", "find the keys of a region, and those that other accounts share with it through RAM", "account"
    ),
    Permission("kms:ListAliases", "names, and which keys are AWS managed", "account"),
    Permission("kms:ListRetirableGrants", "whether the lists of grants are whole", "account"),
    Permission("kms:DescribeKey", "state, manager, spec and multi-Region facts of a key", "key"),
    Permission("kms:GetKeyPolicy", "the key policy, and the one that RAM manages", "key"),
    Permission("kms:ListGrants", "grants give access beside the policy", "key"),
    Permission("kms:ListResourceTags", "tags decide attribute-based access", "key"),
    Permission("kms:GetKeyLastUsage", "when a key was last used, with `keys.last_usage` only", "key"),
    Permission("iam:GetAccountAuthorizationDetails", "principals with their policies, boundaries and trust", "account"),
    Permission("iam:GetPolicy", "a managed policy that is used only as a boundary is not in the details", "account"),
    Permission("iam:GetPolicyVersion", "the text of such a policy", "account"),
    Permission("iam:ListOpenIDConnectProviders", "identity providers that trust policies name", "account"),
    Permission("iam:ListSAMLProviders", "identity providers that trust policies name", "account"),
    Permission("account:ListRegions", "regions the account has enabled", "account"),
    Permission("ec2:DescribeRegions", "the same, where account:ListRegions is refused", "account"),
    Permission("organizations:DescribeOrganization", "which organization, which management account", "organization"),
    Permission("organizations:ListRoots", "the root, and which policy types are enabled", "organization"),
    Permission("organizations:ListOrganizationalUnitsForParent", "the tree", "organization"),
    Permission("organizations:ListAccountsForParent", "accounts and their place in the tree", "organization"),
    Permission("organizations:ListAccounts", "accounts, where the tree is refused", "organization"),
    Permission("organizations:ListPolicies", "service control and resource control policies", "organization"),
    Permission("organizations:ListTargetsForPolicy", "where they are attached", "organization"),
    Permission("organizations:DescribePolicy", "their text", "organization"),
    Permission("sts:AssumeRole", "from the caller or the hub into each account", "hop"),
    Permission("sts:GetCallerIdentity", "who we are; needs no permission", "hop"),
)
"""Everything a run may call. An API of ours has the name of its IAM action."""

_EXTERNAL_ID = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}")
"""What STS takes (API STS:AssumeRole); narrow enough to stand in a template of any kind."""

RoleKind = Literal["member", "hub", "management"]


@dataclass(frozen=True, slots=True)
class AuditRole:
    """The two documents of a role: who may assume it, and what it may do."""

    trust_policy: str
    permissions_policy: str

    def __str__(self) -> str:
        """Both documents as one JSON object, each under its name."""
        documents = {
            "TrustPolicy": json.loads(self.trust_policy),
            "PermissionsPolicy": json.loads(self.permissions_policy),
        }
        return json.dumps(documents, indent=2)


def member_actions() -> tuple[str, ...]:
    """The actions called with a member account's role."""
    return tuple(p.action for p in PERMISSIONS if p.where in {"account", "key"})


def organization_actions() -> tuple[str, ...]:
    """The actions called with the organization reader's role."""
    return tuple(p.action for p in PERMISSIONS if p.where == "organization")


def session_policy() -> str:
    """The inline policy of every session in a member account: our read actions and nothing else."""
    return _session_policy(member_actions())


def organization_session_policy() -> str:
    """The inline policy of the session that reads the organization."""
    return _session_policy(organization_actions())


def hub_session_policy() -> str:
    """The inline policy of the hub's session: on to the members, and the organization where the hub reads it."""
    return _session_policy((*organization_actions(), "sts:AssumeRole"))


def audit_role(
    *, kind: RoleKind, trusted_arn: str, external_id: str, member_role: str = "KmsScanReadOnly"
) -> AuditRole:
    """The role to create: in every account (`member`), on the way there (`hub`) or to read the organization.

    The trust names the account of `trusted_arn` and requires that very principal and the ExternalId: a role named
    directly as principal would be tied to its unique id and break when it is created again. Raises UsageError where
    `trusted_arn` is not the ARN of one IAM role or user, or the ExternalId is not one AWS takes.
    """
    arn = trusted_principal(trusted_arn, external_id)
    trust = trust_statement(f"arn:{arn.partition}:iam::{arn.account_id}:root", trusted_arn, external_id)
    return AuditRole(_document([trust]), _document(role_statements(kind, arn.partition, member_role)))


def trusted_principal(trusted_arn: str, external_id: str) -> Arn:
    """Who may assume the role. Raises UsageError for more than one IAM role or user, or an ExternalId AWS refuses."""
    arn = parse_arn(trusted_arn)
    named = arn is not None and arn.service == "iam" and arn.resource.startswith(("role/", "user/"))
    if arn is None or not named or not is_account_id(arn.account_id) or set(trusted_arn) & set("*?$ "):
        raise UsageError(
            f"`{trusted_arn}` is not the ARN of an IAM role or user",
            hint="name the principal that runs kms-scan, such as arn:aws:iam::111122223333:role/security-audit",
        )
    if not _EXTERNAL_ID.fullmatch(external_id):
        raise UsageError("the external id must have 2 to 1,224 letters, digits and _+=,.@:/-")
    return arn


def trust_statement(account: object, principal: object, external_id: object) -> dict[str, object]:
    """Who may assume the role: one principal of an account, with the ExternalId; values may be a template's."""
    conditions = {"StringEquals": {"sts:ExternalId": external_id}, "ArnEquals": {"aws:PrincipalArn": principal}}
    principals = {"AWS": account}
    return {"Effect": "Allow", "Principal": principals, "Action": "sts:AssumeRole", "Condition": conditions}


def role_statements(kind: RoleKind, partition: str, member_role: str) -> list[dict[str, object]]:
    """What the role may do; partition and name may be placeholders of a template."""
    organization: dict[str, object] = {
        "Sid": "ReadOrganization",
        "Effect": "Allow",
        "Action": list(organization_actions()),
        "Resource": "*",
    }
    if kind == "management":
        return [organization]
    if kind == "hub":
        target = f"arn:{partition}:iam::*:role/{member_role.strip('/')}"
        hop: dict[str, object] = {"Sid": "AssumeMemberRole", "Effect": "Allow", "Action": "sts:AssumeRole"}
        hop["Resource"] = target
        return [hop, organization]
    # The condition keeps the role to its own account's keys: without it, other accounts could let it describe theirs.
    return [
        {"Sid": "AccountLevel", "Effect": "Allow", "Action": _actions("account"), "Resource": "*"},
        {
            "Sid": "PerKeyReadOnly",
            "Effect": "Allow",
            "Action": _actions("key"),
            "Resource": f"arn:{partition}:kms:*:*:key/*",
            "Condition": {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
        },
    ]


def _actions(where: str) -> list[str]:
    return [p.action for p in PERMISSIONS if p.where == where]


def _document(statements: list[dict[str, object]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def _session_policy(actions: tuple[str, ...]) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, separators=(",", ":"))
