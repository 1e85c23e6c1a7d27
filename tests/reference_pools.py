"""The small pools of principals, actions, condition tests and features from which reference_worlds draws."""

from dataclasses import dataclass
from typing import Any

A, B, C = "111122223333", "444455556666", "777788889999"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
OTHER_KEY = f"arn:aws:kms:us-west-2:{A}:key/9999abcd-12ab-34cd-56ef-1234567890ab"
SLR = f"arn:aws:iam::{B}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
TARGET = f"arn:aws:iam::{A}:role/Target"

Json = dict[str, Any]


def iam(account: str, kind: str) -> str:
    """The ARN of an identity; sessions belong to STS."""
    service = "sts" if kind.startswith(("assumed-role", "federated-user")) else "iam"
    return f"arn:aws:{service}::{account}:{kind}"


PRINCIPALS = [
    iam(B, "role/App"),
    iam(A, "role/App"),
    iam(B, "user/Ann"),
    iam(A, "user/Ann"),
    iam(C, "role/App"),
    iam(B, "assumed-role/App/blue"),
    iam(A, "assumed-role/App/blue"),
    iam(B, "root"),
    iam(A, "root"),
    iam(B, "role/team/Ops"),
    iam(B, "assumed-role/Ops/green"),
    iam(A, "federated-user/Bob"),
    iam(B, "federated-user/Bob"),
    "sns.amazonaws.com",
    SLR,
]
ENTRIES: list[Any] = [
    {"AWS": iam(B, "root")},
    {"AWS": iam(A, "root")},
    "*",
    {"AWS": "*"},
    {"AWS": B},
    {"AWS": iam(B, "role/App")},
    {"AWS": iam(A, "role/App")},
    {"AWS": iam(B, "user/Ann")},
    {"AWS": iam(A, "user/Ann")},
    {"AWS": iam(B, "assumed-role/App/blue")},
    {"AWS": iam(A, "assumed-role/App/blue")},
    {"AWS": [iam(A, "root"), iam(B, "root"), iam(C, "root")]},
    {"AWS": iam(B, "role/team/Ops")},
    {"AWS": iam(B, "assumed-role/Ops/green")},
    {"AWS": "AROAEXAMPLEAPP0000001"},
    {"AWS": "AIDAEXAMPLEGONE000001"},
    {"AWS": iam(A, "federated-user/Bob")},
    {"AWS": iam(B, "role/*")},
    {"Service": "sns.amazonaws.com"},
    {"AWS": [iam(B, "role/App"), iam(A, "role/App")], "Service": ["sns.amazonaws.com", "rds.amazonaws.com"]},
    {"Federated": "cognito-identity.amazonaws.com"},
    {"AWS": iam(A, "group/Devs")},
    {"AWS": SLR},
]
EXEMPTED: list[Any] = [
    {"AWS": [iam(B, "role/App"), iam(B, "root")]},
    {"AWS": [iam(B, "user/Ann"), iam(B, "root")]},
    {"AWS": iam(B, "role/App")},
    {"AWS": iam(B, "root")},
    "*",
    {"AWS": [iam(A, "role/App"), iam(A, "root")]},
    {"AWS": [iam(B, "role/App"), iam(B, "root"), iam(B, "assumed-role/App/blue")]},
    {"Service": "sns.amazonaws.com"},
]
ACTIONS = [
    "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey", "kms:CreateGrant", "kms:ReEncryptFrom",
    "kms:RetireGrant", "kms:ListGrants", "kms:Sign", "kms:PutKeyPolicy", "kms:GetKeyRotationStatus",
    "kms:GetPublicKey", "kms:TagResource", "kms:ScheduleKeyDeletion", "kms:ListKeys", "kms:CreateAlias",
    "sts:AssumeRole",
]  # fmt: skip
OPERATIONS = ["Decrypt", "Encrypt", "GenerateDataKey", "DescribeKey", "CreateGrant", "RetireGrant", "ReEncryptFrom"]

_TEXT = ("StringEquals", "StringLike", "StringNotEquals", "StringNotLike", "StringEqualsIgnoreCase")
_ARN = ("ArnLike", "ArnEquals", "ArnNotLike", "StringEquals", "StringLike", "StringNotEquals")
_BOOL = ("Bool",)
_NUMBER = ("NumericLessThan", "NumericGreaterThanEquals", "NumericEquals", "NumericNotEquals")
_DATE = ("DateLessThan", "DateGreaterThan", "DateNotEquals")
_IP = ("IpAddress", "NotIpAddress")


@dataclass(frozen=True)
class Template:
    """A condition key with operators and values that suit it."""

    key: str
    operators: tuple[str, ...]
    values: tuple[str, ...]
    multivalued: bool = False


STATIC = [
    Template("kms:CallerAccount", _TEXT, (B, A, "4444*", "${aws:PrincipalAccount}")),
    Template("aws:PrincipalOrgID", _TEXT, ("o-own", "o-partner", "o-*", "${aws:ResourceOrgID}")),
    Template(
        "aws:PrincipalArn",
        _ARN,
        (
            iam(B, "role/App"),
            iam("*", "role/App"),
            iam(B, "*"),
            iam(A, "role/App"),
        ),
    ),
    Template("aws:PrincipalTag/team", _TEXT, ("blue", "red", "b*", "${aws:PrincipalTag/TEAM, 'blue'}")),
    Template("aws:ResourceTag/team", _TEXT, ("blue", "red", "${aws:PrincipalTag/team}", "b?ue")),
    Template("aws:PrincipalAccount", _TEXT, (B, A, "${kms:CallerAccount}")),
    Template("aws:PrincipalType", _TEXT, ("AssumedRole", "User", "Account")),
    Template("aws:PrincipalOrgPaths", _TEXT, ("o-own/r-1/ou-1/*", "o-own/*", "o-partner/*"), multivalued=True),
    Template("kms:ResourceAliases", _TEXT, ("alias/app", "alias/a*", "alias/x"), multivalued=True),
    Template("kms:KeySpec", _TEXT, ("SYMMETRIC_DEFAULT", "RSA_2048")),
    Template("kms:MultiRegion", _BOOL, ("true", "false")),
    Template("aws:PrincipalIsAWSService", _BOOL, ("true", "false")),
    Template("aws:SecureTransport", _BOOL, ("true", "false")),
    Template("aws:ResourceAccount", _TEXT, (A, B, "${aws:PrincipalAccount}")),
    Template("aws:ResourceOrgID", _TEXT, ("o-own", "o-partner")),
    Template("aws:RequestedRegion", _TEXT, ("us-west-2", "me-south-1")),
    Template("aws:CurrentTime", _DATE, ("2025-01-01T00:00:00Z", "2030-01-01T00:00:00Z")),
    Template("aws:username", _TEXT, ("Ann", "A*")),
    Template("AWS:USERID", _TEXT, ("AROAEXAMPLEAPP0000001:blue", "AROAEXAMPLEAPP0000001:*", f"{A}:Bob")),
]
REQUEST = [
    Template("kms:ViaService", _TEXT, ("s3.us-west-2.amazonaws.com", "ec2.us-west-2.amazonaws.com", "s3.*")),
    Template("kms:EncryptionContext:App", _TEXT, ("a", "b", "a*", "${aws:PrincipalTag/team}")),
    Template("kms:EncryptionContextKeys", _TEXT, ("App", "app", "Other"), multivalued=True),
    Template("aws:SourceIp", _IP, ("203.0.113.0/24", "203.0.113.128/25", "2001:db8::/32")),
    Template("aws:SourceVpce", _TEXT, ("vpce-1", "vpce-2")),
    Template("aws:MultiFactorAuthPresent", _BOOL, ("true", "false")),
    Template("aws:MultiFactorAuthAge", _NUMBER, ("300", "3600")),
    Template("aws:ViaAWSService", _BOOL, ("true", "false")),
    Template("aws:CalledVia", _TEXT, ("athena.amazonaws.com", "glue.amazonaws.com"), multivalued=True),
    Template("aws:SourceAccount", _TEXT, (A, C)),
    Template("aws:SourceArn", _ARN, (f"arn:aws:sns:us-west-2:{A}:topic", f"arn:aws:sns:*:{C}:*")),
    Template("kms:RequestAlias", _TEXT, ("alias/app", "alias/*")),
    Template("kms:EncryptionAlgorithm", _TEXT, ("SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_256")),
    Template("kms:GrantOperations", _TEXT, ("Decrypt", "Encrypt", "CreateGrant"), multivalued=True),
    Template("kms:GrantIsForAWSResource", _BOOL, ("true", "false")),
    Template("sts:ExternalId", _TEXT, ("one", "two")),
    Template("aws:TokenIssueTime", _DATE, ("2026-01-01T00:00:00Z",)),
    Template("aws:TagKeys", _TEXT, ("team", "Owner"), multivalued=True),
]

_MODIFIERS = (
    ("", ""),
    ("", ""),
    ("", "IfExists"),
    ("ForAllValues:", ""),
    ("ForAnyValue:", ""),
    ("ForAllValues:", "IfExists"),
)
_SETS = (("ForAnyValue:", ""), ("ForAllValues:", ""), ("ForAnyValue:", "IfExists"), ("ForAnyValue:", ""), ("", ""))


def _variants(template: Template) -> list[Json]:
    """Every way the palette writes a test on one key, plain ones first and more often."""
    pairs = [[first, second] for first in template.values for second in template.values if first < second]
    wanted: list[Any] = [*template.values, *pairs]
    found: list[Json] = []
    for prefix, suffix in _SETS if template.multivalued else _MODIFIERS:
        for value in template.values if prefix + suffix and not template.multivalued else wanted:
            found += [{prefix + operator + suffix: {template.key: value}} for operator in template.operators]
    odd = template.key.swapcase()
    found += [{"Null": {template.key: value}} for value in ("true", "false", "false", "true", ["true", "false"])]
    return [*found, *({operator: {odd: template.values[0]}} for operator in template.operators)]


TESTS = {template.key: _variants(template) for template in [*STATIC, *REQUEST]}

# What a world may have besides a plain key policy; listed once per weight.
FEATURES = [
    "organization", "organization", "organization", "scp", "scp", "rcp", "rcp", "scp_only", "scp_disabled",
    "management",
    "grants", "grants", "grants", "tags", "tags", "tag_twins", "aliases", "aliases", "by_alias", "spec", "state",
    "ram_policy", "multi_region", "aws_managed", "other_key", "other_key_policy", "opt_in_region", "uncollected",
    "uncollected", "organization_unknown", "owner_unknown", "unread", "unread", "boundary", "boundary", "caller_tags",
    "caller_tags", "unique_id", "unique_id", "trust", "trust", "two_policies", "listed_session", "listed_session",
    "session_policies", "session_policies", "session_tags", "no_principal", "grant_request", "not_principal",
]  # fmt: skip
