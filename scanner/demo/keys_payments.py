"""The keys of payments-prod: most of the ways in which a key policy lets somebody outside in, or seems to."""

from __future__ import annotations

from dataclasses import replace

from scanner.demo.blueprint import Key, Replica
from scanner.demo.documents import (
    CRYPTOGRAPHIC,
    KEY_USERS,
    READ_DATA,
    Condition,
    Statement,
    allow,
    key_policy,
    role,
    root,
    statement,
)
from scanner.demo.organization import (
    ANALYTICS,
    DATA_LAKE,
    IRELAND,
    MEDIA,
    ORGANIZATION_ID,
    PARTNER,
    PAYMENTS,
    SANDBOX,
    SINGAPORE,
    UNKNOWN,
    VIRGINIA,
)

THROUGH_S3: Condition = {"StringEquals": {"kms:ViaService": f"s3.{IRELAND}.amazonaws.com"}}


def _key(alias: str, description: str, *statements: Statement) -> Key:
    """A symmetric key in Ireland."""
    return Key(PAYMENTS, IRELAND, alias, description, key_policy(PAYMENTS, *statements))


def _stranger(sid: str, condition: Condition | None = None) -> Statement:
    """The unknown account may read data."""
    return allow(sid, root(UNKNOWN), READ_DATA, condition)


_DECRYPT_ONLY = allow("LegacyShare", root(UNKNOWN), ("kms:Decrypt",))
"""Without DescribeKey, which works in every key state and would lead the finding."""

STRANGERS = (
    _key("card-data", "Card data; an unknown account may decrypt", _stranger("LegacyShare")),
    _key(
        "settlement-exports",
        "Settlement files; the unknown account may decrypt through S3",
        _stranger("ShareThroughS3", THROUGH_S3),
    ),
    _key(
        "settlement-network",
        "Settlement messages; the unknown account may decrypt from one VPC endpoint",
        _stranger("ShareInNetwork", {"StringEquals": {"aws:SourceVpce": "vpce-0a1b2c3d4e5f60718"}}),
    ),
    _key(
        "customer-vault",
        "Customer records; the unknown account may decrypt one tenant's data",
        allow(
            "ShareOneTenant",
            root(UNKNOWN),
            ("kms:Decrypt",),
            {"StringEquals": {"kms:EncryptionContext:tenant": "acme-retail"}},
        ),
    ),
    _key(
        "public-through-s3",
        "Price lists; every AWS account may decrypt through S3",
        allow("AnybodyThroughS3", "*", READ_DATA, THROUGH_S3),
    ),
    _key(
        "payroll-partner",
        "Payroll exports; shared with the partner the way the console writes it",
        allow("Allow use of the key", root(PARTNER), KEY_USERS),
        allow(
            "Allow attachment of persistent resources",
            root(PARTNER),
            ("kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"),
            {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ),
)

WITHOUT_EFFECT = (
    _key(
        "delegated-destroy",
        "Backups; the unknown account may change the policy and delete the key, which has no effect across accounts",
        allow("RemoteAdministration", root(UNKNOWN), ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion")),
    ),
    _key(
        "org-fenced-stranger",
        "Fraud models; the unknown account may decrypt if it is in acme, which it is not",
        _stranger("OnlyInsideAcme", {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID}}),
    ),
    _key(
        "audit-2023",
        "Audit working papers; the auditors' access ended in 2023",
        _stranger("AuditWindow", {"DateLessThan": {"aws:CurrentTime": "2023-12-31T23:59:59Z"}}),
    ),
    _key(
        "contradicting-services",
        "Chargebacks; allowed through S3 only, denied unless through EC2",
        allow("AllowThroughS3", root(UNKNOWN), ("kms:Decrypt",), THROUGH_S3),
        statement(
            "DenyUnlessThroughEc2",
            CRYPTOGRAPHIC,
            effect="Deny",
            principal={"AWS": root(UNKNOWN)},
            condition={"StringNotEquals": {"kms:ViaService": f"ec2.{IRELAND}.amazonaws.com"}},
        ),
    ),
    replace(
        _key("old-ledger", "Ledger of 2019, disabled; the unknown account is named", _DECRYPT_ONLY),
        state="Disabled",
    ),
    replace(
        _key(
            "retired-ledger",
            "Ledger of 2016, waiting for deletion; the unknown account is named",
            _DECRYPT_ONLY,
        ),
        state="PendingDeletion",
    ),
)

COLLEAGUES = (
    _key(
        "org-wide-config",
        "Shared configuration; everybody in acme may decrypt",
        allow("EverybodyInAcme", "*", READ_DATA, {"StringEquals": {"aws:PrincipalOrgID": ORGANIZATION_ID}}),
    ),
    _key(
        "ebs-in-account",
        "Volumes; everybody through EC2, but of this account only",
        allow(
            "EverybodyInAccountThroughEc2",
            "*",
            KEY_USERS,
            {"StringEquals": {"kms:CallerAccount": PAYMENTS, "kms:ViaService": f"ec2.{IRELAND}.amazonaws.com"}},
        ),
    ),
    _key(
        "data-lake-share",
        "Payment exports; the etl role of data-lake uses it, both sides allow",
        allow("LakeImport", role(DATA_LAKE, "etl"), KEY_USERS),
    ),
    _key(
        "data-lake-reader",
        "Payment reports; the batch-reader role of data-lake is named but has no IAM permission",
        allow("LakeReader", role(DATA_LAKE, "batch-reader"), READ_DATA),
    ),
    _key(
        "analyst-share",
        "Payment statistics; the analyst role of data-lake is stopped by its boundary",
        allow("LakeAnalyst", role(DATA_LAKE, "bounded-analyst"), READ_DATA),
    ),
    _key(
        "sandbox-debug",
        "Test payments; dev-sandbox is named as an account, a control policy denies it, root user included",
        allow("DebugAccount", root(SANDBOX), READ_DATA),
    ),
    _key(
        "sandbox-developer",
        "Test cards; the developer role of dev-sandbox is named, a control policy denies it",
        allow("DebugRole", role(SANDBOX, "developer"), READ_DATA),
    ),
    _key(
        "media-share",
        "Invoices as PDF; the media account is named, but its audit role is refused",
        allow("MediaArchive", root(MEDIA), READ_DATA),
    ),
    _key(
        "alias-gated",
        "Feature flags; the key policy tests kms:ResourceAliases, which key policies do not support",
        allow(
            "OnlyUnderThisAlias",
            root(ANALYTICS),
            READ_DATA,
            {"ForAnyValue:StringEquals": {"kms:ResourceAliases": ["alias/alias-gated"]}},
        ),
    ),
)


def _singapore(alias: str, description: str, tags: dict[str, str], *statements: Statement) -> Key:
    """A tagged key in Singapore, as in the founding documents' tag examples."""
    return Key(PAYMENTS, SINGAPORE, alias, description, key_policy(PAYMENTS, *statements), tags=tags)


TAGGED = (
    _singapore(
        "alpha-data",
        "Project Alpha; IAM of data-lake allows keys that carry this tag",
        {"Project": "Alpha", "Type": "Open"},
        allow("LakeByTag", root(DATA_LAKE), KEY_USERS),
    ),
    _singapore(
        "beta-data",
        "Project Beta; no role of data-lake has a permission for this tag, only its root user remains",
        {"Project": "Beta", "Type": "Open"},
        allow("LakeByTag", root(DATA_LAKE), KEY_USERS),
    ),
    _singapore(
        "open-type",
        "Reference data; IAM of analytics-dev allows every tagged key that is not reserved",
        {"Type": "Open"},
        allow("AnalyticsByType", role(ANALYTICS, "type-guarded"), KEY_USERS),
    ),
    _singapore(
        "reserved-type",
        "Reserved data; IAM of analytics-dev denies keys with this tag",
        {"Type": "Reserved"},
        allow("AnalyticsByType", role(ANALYTICS, "type-guarded"), KEY_USERS),
    ),
    _singapore(
        "untyped",
        "Data without a type; IAM of analytics-dev denies keys without the tag",
        {"Project": "Gamma"},
        allow("AnalyticsByType", role(ANALYTICS, "type-guarded"), KEY_USERS),
    ),
    _singapore(
        "tag-gated",
        "Project Alpha; the key policy itself tests a resource tag, which key policies do not support",
        {"Project": "Alpha", "Type": "Open"},
        allow("LakeIfAlpha", root(DATA_LAKE), READ_DATA, {"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}),
    ),
)

SPECIAL = (
    Key(
        PAYMENTS,
        VIRGINIA,
        "global-signing",
        "Receipts (RSA); the partner verifies, and Decrypt is written for a key that cannot decrypt",
        key_policy(
            PAYMENTS,
            allow("PartnerVerifies", role(PARTNER, "receipt-verifier"), ("kms:Verify", "kms:GetPublicKey")),
            allow("WrongUsage", role(DATA_LAKE, "etl"), ("kms:Decrypt",)),
        ),
        spec="RSA_2048",
        usage="SIGN_VERIFY",
    ),
    Key(
        PAYMENTS,
        VIRGINIA,
        "webhook-hmac",
        "Webhook authentication (HMAC); the webhooks role of data-lake makes and checks codes",
        key_policy(PAYMENTS, allow("LakeWebhooks", role(DATA_LAKE, "webhooks"), ("kms:GenerateMac", "kms:VerifyMac"))),
        spec="HMAC_256",
        usage="GENERATE_VERIFY_MAC",
    ),
    Key(
        PAYMENTS,
        VIRGINIA,
        "global-tokens",
        "Card tokens, multi-Region: the primary is closed, the replica in Ireland is shared",
        key_policy(PAYMENTS),
        replica=Replica(
            IRELAND,
            "global-tokens",
            key_policy(PAYMENTS, allow("LakeReadsReplica", role(DATA_LAKE, "etl"), READ_DATA)),
        ),
    ),
)
