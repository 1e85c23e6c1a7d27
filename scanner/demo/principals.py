"""The principals of the demo's accounts: who exists, what IAM lets them do, and who may become them."""

from __future__ import annotations

from scanner.demo.blueprint import Group, ManagedPolicy, OidcProvider, Role, ServiceLinkedRole, User
from scanner.demo.documents import (
    CRYPTOGRAPHIC,
    KEY_USERS,
    READ_DATA,
    Statement,
    identity_policy,
    role,
    root,
    service_trust,
    statement,
    trust_policy,
)
from scanner.demo.organization import (
    ACCOUNTS,
    ANALYTICS,
    BAHRAIN,
    DATA_LAKE,
    IRELAND,
    LOGS,
    MANAGEMENT,
    MEMBER_ROLE,
    PARTNER,
    PAYMENTS,
    SANDBOX,
    SECURITY,
    SINGAPORE,
    UNKNOWN,
    VIRGINIA,
)
from scanner.model.arn import AccountId

GITHUB = "token.actions.githubusercontent.com"
UNKNOWN_OWNERS_KEY = f"arn:aws:kms:{IRELAND}:{UNKNOWN}:key/5e3f7a10-2b64-4c58-9d0e-7f1a6b2c3d4e"

EC2 = service_trust("ec2.amazonaws.com")
GLUE = service_trust("glue.amazonaws.com")
PAYMENT_KEYS = f"arn:aws:kms:{IRELAND}:{PAYMENTS}:key/*"
OWN_KEYS_OF_PAYMENTS = f"arn:aws:kms:*:{PAYMENTS}:key/*"


def _s3(name: str) -> Statement:
    """What such a role does for a living, so that KMS is not its only permission."""
    bucket = f"arn:aws:s3:::acme-{name}"
    return statement("UseBucket", ("s3:GetObject", "s3:PutObject", "s3:ListBucket"), resource=(bucket, f"{bucket}/*"))


def _audit_role(account_id: AccountId) -> Role:
    """The role that the scanner assumes (R10.9), narrowed to the account's own keys."""
    return Role(
        account_id,
        MEMBER_ROLE,
        trust_policy({"AWS": root(MANAGEMENT)}),
        "Read-only access for kms-scan",
        {
            "kms-scan": identity_policy(
                statement(
                    "AccountLevel",
                    (
                        "kms:ListKeys",
                        "kms:ListAliases",
                        "iam:GetAccountAuthorizationDetails",
                        "iam:ListOpenIDConnectProviders",
                        "iam:GetOpenIDConnectProvider",
                        "iam:ListSAMLProviders",
                        "iam:GetSAMLProvider",
                        "account:ListRegions",
                        "ec2:DescribeRegions",
                    ),
                ),
                statement(
                    "PerKeyReadOnly",
                    ("kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListResourceTags"),
                    resource=f"arn:aws:kms:*:{account_id}:key/*",
                ),
            )
        },
    )


MANAGED_POLICIES = (
    # Used as a permissions boundary only: no KMS in it.
    ManagedPolicy(
        DATA_LAKE,
        "AnalystBoundary",
        identity_policy(statement("AnalystsReadTheLake", ("s3:Get*", "s3:List*", "athena:*", "glue:Get*"))),
    ),
    ManagedPolicy(
        ANALYTICS,
        "UseLakeKeys",
        identity_policy(
            statement("UseLakeKeys", READ_DATA, resource=f"arn:aws:kms:{IRELAND}:{DATA_LAKE}:key/*"),
            _s3("exports"),
        ),
    ),
    # The founding documents' second tag example: reserved keys and keys without the tag are off limits.
    ManagedPolicy(
        ANALYTICS,
        "KeysByType",
        identity_policy(
            statement("IAMAllowCryptographicOperations", CRYPTOGRAPHIC, resource=OWN_KEYS_OF_PAYMENTS),
            statement(
                "IAMDenyOnTag",
                CRYPTOGRAPHIC,
                effect="Deny",
                resource=OWN_KEYS_OF_PAYMENTS,
                condition={"StringEquals": {"aws:ResourceTag/Type": "Reserved"}},
            ),
            statement(
                "IAMDenyNoTag",
                CRYPTOGRAPHIC,
                effect="Deny",
                resource=OWN_KEYS_OF_PAYMENTS,
                condition={"Null": {"aws:ResourceTag/Type": "true"}},
            ),
        ),
    ),
    ManagedPolicy(
        PAYMENTS,
        "PaymentKeyAdministration",
        identity_policy(
            statement(
                "AdministerKeys",
                (
                    "kms:Create*",
                    "kms:Describe*",
                    "kms:Enable*",
                    "kms:List*",
                    "kms:Put*",
                    "kms:Update*",
                    "kms:Disable*",
                    "kms:Get*",
                    "kms:TagResource",
                    "kms:UntagResource",
                    "kms:ScheduleKeyDeletion",
                    "kms:CancelKeyDeletion",
                ),
            )
        ),
    ),
)

# The founding documents' first tag example: keys of payments-prod in Singapore that carry Project=Alpha.
ALPHA_ONLY = identity_policy(
    statement(
        "IAMPolicyWithResourceTag",
        ("kms:GenerateDataKeyWithoutPlaintext", "kms:Decrypt"),
        resource=f"arn:aws:kms:{SINGAPORE}:{PAYMENTS}:key/*",
        condition={"StringEquals": {"aws:ResourceTag/Project": "Alpha"}},
    )
)

DECRYPT_PAYMENTS = identity_policy(statement("ReadPayments", READ_DATA, resource=OWN_KEYS_OF_PAYMENTS))

_PAYMENTS_ROLES = (
    Role(PAYMENTS, "key-admin", trust_policy({"AWS": root(PAYMENTS)}), managed=("PaymentKeyAdministration",)),
    Role(
        PAYMENTS,
        "app",
        EC2,
        "The payment service",
        {"use-keys": identity_policy(statement("UseKeys", KEY_USERS, resource=OWN_KEYS_OF_PAYMENTS), _s3("payments"))},
    ),
    Role(PAYMENTS, "alpha-worker", EC2, inline={"alpha-keys": ALPHA_ONLY}, tags={"Project": "Alpha"}),
    # Whoever may tag keys decides which of them carry the tag, for itself as well (R8.5).
    Role(
        PAYMENTS,
        "tag-steward",
        EC2,
        "Keeps the tags of keys in order, and may decrypt what carries Project=Alpha",
        {
            "tag-keys": identity_policy(
                statement("TagKeys", ("kms:TagResource", "kms:UntagResource"), resource=OWN_KEYS_OF_PAYMENTS)
            ),
            "alpha-keys": ALPHA_ONLY,
        },
    ),
    # Roles that somebody outside may become.
    Role(
        PAYMENTS,
        "vendor-support",
        trust_policy({"AWS": root(UNKNOWN)}, condition={"StringEquals": {"sts:ExternalId": "acme-7731"}}),
        "Support access of a vendor of long ago",
        {"read-payments": DECRYPT_PAYMENTS},
    ),
    Role(
        PAYMENTS,
        "payroll-import",
        trust_policy({"AWS": root(PARTNER)}),
        "The payroll partner, without an external id",
        {"read-payments": DECRYPT_PAYMENTS},
    ),
    Role(
        PAYMENTS,
        "ci-deploy",
        trust_policy(
            {"Federated": f"arn:aws:iam::{PAYMENTS}:oidc-provider/{GITHUB}"},
            "sts:AssumeRoleWithWebIdentity",
            {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}},
        ),
        "GitHub Actions, any repository: no condition on the subject",
        {"read-payments": DECRYPT_PAYMENTS},
    ),
    Role(
        PAYMENTS,
        "ci-release",
        trust_policy(
            {"Federated": f"arn:aws:iam::{PAYMENTS}:oidc-provider/{GITHUB}"},
            "sts:AssumeRoleWithWebIdentity",
            {
                "StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"},
                "StringLike": {f"{GITHUB}:sub": "repo:acme/payments:*"},
            },
        ),
        "GitHub Actions of acme/payments",
        {"read-payments": DECRYPT_PAYMENTS},
    ),
)

_LAKE_ROLES = (
    Role(
        DATA_LAKE,
        "etl",
        GLUE,
        "Nightly import of payment exports",
        {"payments-keys": identity_policy(statement("UsePaymentKeys", KEY_USERS, resource=PAYMENT_KEYS), _s3("lake"))},
    ),
    Role(
        DATA_LAKE,
        "batch-reader",
        EC2,
        "Reads buckets; has no KMS permission",
        {"buckets": identity_policy(_s3("lake"))},
    ),
    Role(
        DATA_LAKE,
        "bounded-analyst",
        EC2,
        "IAM would allow every key, the boundary allows none",
        {"everything-kms": identity_policy(statement("EveryKey", ("kms:*",)))},
        boundary="AnalystBoundary",
    ),
    Role(DATA_LAKE, "alpha-analyst", EC2, inline={"alpha-keys": ALPHA_ONLY}, tags={"Project": "Alpha"}),
    Role(
        DATA_LAKE,
        "webhooks",
        service_trust("lambda.amazonaws.com"),
        inline={
            "sign-webhooks": identity_policy(
                statement(
                    "SignWebhooks",
                    ("kms:GenerateMac", "kms:VerifyMac"),
                    resource=f"arn:aws:kms:{VIRGINIA}:{PAYMENTS}:key/*",
                )
            )
        },
    ),
    Role(
        DATA_LAKE,
        "lake-export",
        trust_policy({"AWS": role(ANALYTICS, "partner-notebooks")}),
        "Second hop of the partner's notebooks",
        {"lake-keys": identity_policy(statement("ReadLake", READ_DATA, resource=f"arn:aws:kms:*:{DATA_LAKE}:key/*"))},
    ),
    # Enters without any KMS permission, and gets those of the next role by passing it to a function.
    Role(
        DATA_LAKE,
        "lake-deployer",
        trust_policy({"AWS": root(PARTNER)}, condition={"StringEquals": {"sts:ExternalId": "acme-functions"}}),
        "The payroll partner deploys its functions",
        {
            "deploy-functions": identity_policy(
                statement("DeployFunctions", ("lambda:CreateFunction", "lambda:InvokeFunction")),
                statement(
                    "PassFunctionRoles",
                    ("iam:PassRole",),
                    resource=role(DATA_LAKE, "lake-functions"),
                    condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
                ),
            )
        },
    ),
    Role(
        DATA_LAKE,
        "lake-functions",
        service_trust("lambda.amazonaws.com"),
        "Execution role of the functions that read the lake",
        {"lake-keys": identity_policy(statement("ReadLake", READ_DATA, resource=f"arn:aws:kms:*:{DATA_LAKE}:key/*"))},
    ),
    # The founding documents' warning: our data under a key of somebody we do not know.
    Role(
        DATA_LAKE,
        "uploader",
        EC2,
        "Encrypts for a receiver with an unknown key",
        {
            "encrypt-for-receiver": identity_policy(
                statement("EncryptForReceiver", ("kms:GenerateDataKey", "kms:Encrypt"), resource=UNKNOWN_OWNERS_KEY)
            )
        },
    ),
)

_OTHER_ROLES = (
    Role(ANALYTICS, "type-guarded", EC2, "Uses keys by their tag `Type`", managed=("KeysByType",)),
    # Two hops: the partner enters here, and goes on to data-lake.
    Role(
        ANALYTICS,
        "partner-notebooks",
        trust_policy({"AWS": root(PARTNER)}, condition={"StringEquals": {"sts:ExternalId": "acme-notebooks"}}),
        "Notebooks of the payroll partner",
        {
            "go-on": identity_policy(
                statement("GoOn", ("sts:AssumeRole",), resource=role(DATA_LAKE, "lake-export")), _s3("notebooks")
            )
        },
    ),
    Role(
        ANALYTICS,
        "platform-admin",
        trust_policy({"AWS": root(ANALYTICS)}),
        "Creates grants for the autoscaling service on a key of data-lake",
        {
            "grant-to-autoscaling": identity_policy(
                statement("GrantLakeKey", ("kms:CreateGrant",), resource=f"arn:aws:kms:{IRELAND}:{DATA_LAKE}:key/*")
            )
        },
    ),
    Role(
        ANALYTICS,
        "break-glass",
        trust_policy({"AWS": root(ANALYTICS)}),
        "Emergency access to the security keys",
        {
            "security-keys": identity_policy(
                statement("SecurityKeys", READ_DATA, resource=f"arn:aws:kms:*:{SECURITY}:key/*")
            )
        },
    ),
    Role(
        ANALYTICS,
        "gulf-reports",
        GLUE,
        inline={
            "gulf-keys": identity_policy(
                statement("GulfKeys", READ_DATA, resource=f"arn:aws:kms:{BAHRAIN}:{DATA_LAKE}:key/*")
            )
        },
    ),
    Role(LOGS, "custodian", trust_policy({"AWS": root(LOGS)}), "Keeper of the evidence vault"),
    Role(
        SANDBOX,
        "developer",
        EC2,
        "May decrypt with any key, says IAM",
        {"decrypt-anything": identity_policy(statement("DecryptAnything", READ_DATA))},
    ),
)

ROLES = (
    *(_audit_role(account.account_id) for account in ACCOUNTS if account.has_audit_role),
    *_PAYMENTS_ROLES,
    *_LAKE_ROLES,
    *_OTHER_ROLES,
)

SERVICE_LINKED_ROLES = (ServiceLinkedRole(ANALYTICS, "autoscaling.amazonaws.com"),)

GROUPS = (Group(ANALYTICS, "exporters", ("UseLakeKeys",)),)

USERS = (User(ANALYTICS, "nightly-export", ("exporters",)),)

# The user behind the credentials that the demo hands out.
OPERATOR_POLICY = identity_policy(
    statement("AssumeAuditRole", ("sts:AssumeRole",), resource=f"arn:aws:iam::*:role/{MEMBER_ROLE}"),
    statement(
        "ReadOrganizationAndOwnKeys",
        (
            "organizations:Describe*",
            "organizations:List*",
            "account:ListRegions",
            "ec2:DescribeRegions",
            "iam:GetAccountAuthorizationDetails",
            "kms:Describe*",
            "kms:GetKeyPolicy",
            "kms:List*",
        ),
    ),
)

OIDC_PROVIDERS = (OidcProvider(PAYMENTS, f"https://{GITHUB}", ("sts.amazonaws.com",)),)
