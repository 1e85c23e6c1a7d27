"""The keys of the other accounts: grants, services, guardrails, an unreadable key, an opt-in region."""

from __future__ import annotations

from scanner.demo.blueprint import Grant, Key
from scanner.demo.documents import (
    KEY_USERS,
    READ_DATA,
    Statement,
    allow,
    allow_service,
    key_policy,
    own_key_policy,
    role,
    root,
    text,
    user,
)
from scanner.demo.organization import (
    ANALYTICS,
    BAHRAIN,
    CLOSED,
    DATA_LAKE,
    IRELAND,
    LOGS,
    MANAGEMENT,
    MEDIA,
    MEMBER_ROLE,
    PARTNER,
    SANDBOX,
    SECURITY,
    UNKNOWN,
    VIRGINIA,
)
from scanner.model.arn import AccountId

DELETED_ROLE = "AROADELETEDROLE7ACME2"
DELETED_USER = "AIDADELETEDUSER7ACME2"
AUTOSCALING = role(ANALYTICS, "aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")


def _lake(alias: str, description: str, *statements: Statement, grants: tuple[Grant, ...] = ()) -> Key:
    """A symmetric key of data-lake in Ireland."""
    return Key(DATA_LAKE, IRELAND, alias, description, key_policy(DATA_LAKE, *statements), grants=grants)


def _plain(account_id: AccountId, alias: str, description: str, *statements: Statement) -> Key:
    """A symmetric key in Ireland."""
    return Key(account_id, IRELAND, alias, description, key_policy(account_id, *statements))


LAKE = (
    _lake(
        "lake-raw",
        "Raw events; a grant lets a role of the unknown account decrypt",
        grants=(
            Grant(
                "collector",
                role(UNKNOWN, "collector"),
                ("Decrypt", "DescribeKey"),
                "2023-04-11T08:15:00Z",
                retiring_principal=role(DATA_LAKE, "etl"),
            ),
        ),
    ),
    _lake(
        "lake-tenants",
        "Tenant data; a grant lets a role of the partner decrypt one tenant's part",
        grants=(
            Grant(
                "payroll-tenant",
                role(PARTNER, "payroll-reader"),
                ("Decrypt", "GenerateDataKey"),
                "2024-01-30T10:00:00Z",
                encryption_context_subset={"tenant": "payroll"},
            ),
        ),
    ),
    _lake(
        "lake-backup",
        "Backups; a grant names the logs account as a whole",
        grants=(Grant("backup-copy", root(LOGS), ("Decrypt", "Encrypt"), "2024-02-12T16:40:00Z"),),
    ),
    _lake(
        "lake-images",
        "Machine images; autoscaling in analytics-dev holds a grant that analytics-dev made itself",
        allow("AnalyticsCreatesGrants", root(ANALYTICS), ("kms:CreateGrant",)),
        grants=(
            Grant(
                "autoscaling",
                AUTOSCALING,
                ("Decrypt", "GenerateDataKeyWithoutPlaintext", "DescribeKey", "CreateGrant"),
                "2024-06-03T07:20:00Z",
                issuing_account=ANALYTICS,
            ),
        ),
    ),
    _lake(
        "lake-handover",
        "Hand-over; a role of the partner may create grants, and so give itself everything",
        allow("PartnerCreatesGrants", role(PARTNER, "handover"), ("kms:CreateGrant",)),
    ),
    _lake(
        "lake-stale-grant",
        "Old exports; a grant to a role that was deleted",
        grants=(Grant("forgotten", DELETED_ROLE, ("Decrypt",), "2021-09-01T00:00:00Z"),),
    ),
    _lake(
        "lake-archive",
        "Archive; the key policy names a deleted role and a deleted user",
        allow("DeletedRole", DELETED_ROLE, READ_DATA),
        allow("DeletedUser", DELETED_USER, READ_DATA),
    ),
    _lake(
        "lake-curated",
        "Curated tables; a user of analytics-dev reads them through a group's policy",
        allow("NightlyExport", user(ANALYTICS, "nightly-export"), READ_DATA),
    ),
    Key(
        DATA_LAKE,
        BAHRAIN,
        "lake-gulf",
        "Gulf data in an opt-in region that analytics-dev has not enabled",
        key_policy(DATA_LAKE, allow("GulfReports", role(ANALYTICS, "gulf-reports"), READ_DATA)),
    ),
)

SECURITY_AND_LOGS = (
    _plain(
        SECURITY,
        "forensics",
        "Disk images; the unknown account is named, a resource control policy denies outsiders",
        allow("IncidentResponseVendor", root(UNKNOWN), READ_DATA),
    ),
    _plain(
        SECURITY,
        "siem-ingest",
        "Alerts; the logs account is named, but only its root user has a permission",
        allow("LogsWrite", root(LOGS), ("kms:Decrypt", "kms:GenerateDataKey")),
    ),
    _plain(
        SECURITY,
        "break-glass",
        "Emergency credentials; a role of analytics-dev may decrypt with multi-factor authentication",
        allow(
            "EmergencyWithMfa",
            role(ANALYTICS, "break-glass"),
            READ_DATA,
            {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
        ),
    ),
    _plain(
        LOGS,
        "central-logs",
        "Log groups; the logs service is admitted for whoever asks it",
        allow_service("LogsService", f"logs.{IRELAND}.amazonaws.com", KEY_USERS),
    ),
    _plain(
        LOGS,
        "central-trail",
        "Trail of this account; the trail service is admitted for this account only",
        allow_service(
            "TrailService",
            "cloudtrail.amazonaws.com",
            ("kms:GenerateDataKey*", "kms:DescribeKey"),
            {"StringEquals": {"aws:SourceAccount": LOGS}},
        ),
    ),
    Key(
        LOGS,
        IRELAND,
        "evidence-vault",
        "Legal hold; only the custodian reads its policy",
        own_key_policy(
            allow("Custodian", role(LOGS, "custodian"), ("kms:*",)),
            allow(
                "AuditMetadata",
                role(LOGS, MEMBER_ROLE),
                ("kms:DescribeKey", "kms:ListGrants", "kms:ListResourceTags"),
            ),
        ),
        policy_unreadable=True,
    ),
)


def _with_a_typing_error() -> str:
    """A key policy whose second statement has an Effect that does not exist (moto stores any text)."""
    return text(
        {
            "Version": "2012-10-17",
            "Id": "hand-written",
            "Statement": [
                allow("Enable IAM User Permissions", root(SANDBOX), ("kms:*",)),
                allow("Perhaps", root(ANALYTICS), READ_DATA) | {"Effect": "Maybe"},
            ],
        },
        indent=4,
    )


REMAINING = (
    Key(SANDBOX, IRELAND, "prototype", "Experiments; a statement with the effect `Maybe`", _with_a_typing_error()),
    _plain(
        SANDBOX,
        "gpu-images",
        "Images; the account it was shared with is closed",
        allow("ProofOfConcept", root(CLOSED), READ_DATA),
    ),
    _plain(
        ANALYTICS,
        "notebooks",
        "Notebooks; a statement names an account of another AWS partition",
        allow("Beijing", f"arn:aws-cn:iam::{PARTNER}:root", READ_DATA),
    ),
    Key(ANALYTICS, VIRGINIA, "reports", "Reports; names only its own account", key_policy(ANALYTICS)),
    _plain(
        MEDIA,
        "masters",
        "Film masters; never collected, its account's role is refused",
        allow("Distribution", root(UNKNOWN), READ_DATA),
    ),
    _plain(MANAGEMENT, "billing-exports", "Cost reports; names only its own account"),
)
