"""Decides what the policies of a made-up organization say: facts of AWS's managed policies, and templates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]


def text(document: Mapping[str, Any]) -> str:
    """A policy as AWS would hand it out."""
    return json.dumps(document, separators=(",", ":"))


def policy(*statements: Json) -> Json:
    """A document of the current version."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(actions: str | Sequence[str], resources: str | Sequence[str] = "*", **more: Any) -> Json:
    """An Allow of an identity policy."""
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(actions: str | Sequence[str], resources: str | Sequence[str] = "*", **more: Any) -> Json:
    """A Deny of an identity policy or a guardrail."""
    return {"Effect": "Deny", "Action": actions, "Resource": resources, **more}


def to(principal: Any, actions: str | Sequence[str], **more: Any) -> Json:
    """An Allow of a key policy."""
    return {"Effect": "Allow", "Principal": principal, "Action": actions, "Resource": "*", **more}


def trust(principal: Any, action: str | Sequence[str] = "sts:AssumeRole", **condition: Any) -> Json:
    """A trust policy of one statement."""
    statement: Json = {"Effect": "Allow", "Principal": principal, "Action": action}
    return policy({**statement, "Condition": condition} if condition else statement)


USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
"""What the console of AWS KMS calls the use of a key."""

GRANTS = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"]

_LOGS = allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"])
_POWER_KMS = [
    *("kms:CreateAlias", "kms:CreateKey", "kms:DeleteAlias", "kms:Describe*", "kms:GenerateRandom", "kms:Get*"),
    *("kms:List*", "kms:TagResource", "kms:UntagResource", "iam:ListGroups", "iam:ListRoles", "iam:ListUsers"),
]
MANAGED: Mapping[str, Json] = {
    "AdministratorAccess": policy(allow("*")),
    "PowerUserAccess": policy(
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
        allow(["iam:CreateServiceLinkedRole", "iam:ListRoles", "organizations:DescribeOrganization"]),
    ),
    "ReadOnlyAccess": policy(
        allow(["ec2:Describe*", "iam:Get*", "iam:List*", "kms:Describe*", "kms:Get*", "kms:List*", "s3:Get*"])
    ),
    "job-function/ViewOnlyAccess": policy(allow(["ec2:Describe*", "iam:List*", "kms:ListKeys", "s3:ListAllMyBuckets"])),
    "SecurityAudit": policy(
        allow(["iam:Get*", "iam:List*", "kms:Describe*", "kms:Get*", "kms:List*", "s3:GetBucket*"])
    ),
    "AWSKeyManagementServicePowerUser": policy(allow(_POWER_KMS)),
    "job-function/Billing": policy(allow(["aws-portal:*Billing", "budgets:*", "ce:*"])),
    "job-function/DataScientist": policy(allow(["athena:*", "glue:*", "s3:GetObject", "sagemaker:*", "kms:List*"])),
    "job-function/DatabaseAdministrator": policy(
        allow(["rds:*", "dynamodb:*", "kms:DescribeKey", "kms:ListAliases", "kms:ListKeys", "iam:ListRoles"])
    ),
    "AWSSupportAccess": policy(allow("support:*")),
    "service-role/AWSLambdaBasicExecutionRole": policy(_LOGS),
    "service-role/AWSLambdaVPCAccessExecutionRole": policy(_LOGS, allow("ec2:*NetworkInterface*")),
    "service-role/AmazonECSTaskExecutionRolePolicy": policy(allow(["ecr:Get*", "ecr:BatchGetImage", "logs:*"])),
    "service-role/AWSBackupServiceRolePolicyForBackup": policy(
        allow(["ec2:CreateSnapshot", "rds:CreateDBSnapshot"]),
        allow("kms:DescribeKey"),
        allow("kms:CreateGrant", Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}}),
        allow(
            ["kms:Decrypt", "kms:GenerateDataKey"],
            Condition={"StringLike": {"kms:ViaService": ["dynamodb.*.amazonaws.com", "s3.*.amazonaws.com"]}},
        ),
    ),
    "AmazonSSMManagedInstanceCore": policy(allow(["ssm:UpdateInstanceInformation", "ssmmessages:*"])),
    "CloudWatchAgentServerPolicy": policy(allow(["cloudwatch:PutMetricData", "logs:*", "ec2:DescribeTags"])),
    "AmazonS3ReadOnlyAccess": policy(allow(["s3:Get*", "s3:List*"])),
    "AmazonDynamoDBFullAccess": policy(
        allow(["dynamodb:*", "cloudwatch:GetMetricData", "kms:DescribeKey", "kms:ListAliases"])
    ),
    "AmazonSQSFullAccess": policy(allow("sqs:*")),
    "AmazonEC2ContainerRegistryReadOnly": policy(allow(["ecr:Get*", "ecr:List*", "ecr:BatchGetImage"])),
    "IAMReadOnlyAccess": policy(allow(["iam:Get*", "iam:List*"])),
    "AWSXRayDaemonWriteAccess": policy(allow(["xray:Put*", "xray:Get*"])),
    "aws-service-role/AutoScalingServiceRolePolicy": policy(allow(["ec2:RunInstances", "ec2:Describe*"])),
    "aws-service-role/AWSSupportServiceRolePolicy": policy(allow(["kms:Describe*", "kms:List*", "ec2:Describe*"])),
    "aws-service-role/AmazonRDSServiceRolePolicy": policy(allow(["ec2:*NetworkInterface*", "logs:*"])),
}
"""Managed policies of AWS as far as they matter here: short, with the facts about KMS kept."""


def managed_arn(name: str) -> str:
    """The ARN of a managed policy of AWS."""
    return f"arn:aws:iam::aws:policy/{name}"


BOUNDARY = policy(
    allow(["s3:*", "dynamodb:*", "logs:*", "sqs:*", "kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"]),
    deny(["iam:*", "kms:CreateGrant"]),
)
"""What workloads may have at most."""

_VIA_S3 = {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}}
_SAME_TEAM = {"StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/Team}"}}


def customer_policies(account: str, central: str, partner: str) -> Mapping[str, Json]:
    """The managed policies that every account of the organization has, written for it.

    Args:
        central: an account whose keys others use.
        partner: an account whose roles are assumed.
    """
    own = f"arn:aws:kms:*:{account}:key/*"
    return {
        "AppDataKeys": policy(allow(["kms:Decrypt", "kms:GenerateDataKey*"], own), allow("s3:*Object", "*")),
        "ReadEncryptedBuckets": policy(allow("s3:GetObject"), allow("kms:Decrypt", Condition=_VIA_S3)),
        "CentralKeys": policy(allow(USE, f"arn:aws:kms:*:{central}:key/*")),
        "TeamKeys": policy(allow(["kms:Decrypt", "kms:GenerateDataKey*", "kms:DescribeKey"], Condition=_SAME_TEAM)),
        "NoKeyDeletion": policy(deny(["kms:ScheduleKeyDeletion", "kms:DisableKey"]), allow("kms:List*")),
        "KeysByAlias": policy(
            allow(USE, own, Condition={"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/app/*"}})
        ),
        "AttachVolumes": policy(allow(GRANTS, Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})),
        "Tables": policy(allow(["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"])),
        "Queues": policy(allow(["sqs:SendMessage", "sqs:ReceiveMessage"]), _LOGS),
        "DeployElsewhere": policy(allow("sts:AssumeRole", f"arn:aws:iam::{partner}:role/deploy-*")),
        "KeyAdministration": policy(
            allow(
                ["kms:Create*", "kms:Describe*", "kms:List*", "kms:Put*", "kms:TagResource", "kms:UntagResource"], own
            )
        ),
        "EverythingWithKeys": policy(allow("kms:*")),
    }


SHARES: Mapping[str, int] = {
    "AppDataKeys": 22, "ReadEncryptedBuckets": 10, "CentralKeys": 7, "TeamKeys": 5, "NoKeyDeletion": 4,
    "KeysByAlias": 4, "AttachVolumes": 4, "Tables": 18, "Queues": 20, "DeployElsewhere": 2, "KeyAdministration": 2,
    "EverythingWithKeys": 2,
}  # fmt: skip
"""How often a workload has which of the customer's policies, in hundredths."""


def digest_of(document: str) -> str:
    """The hash under which a snapshot keeps a document."""
    return hashlib.sha256(document.encode()).hexdigest()
