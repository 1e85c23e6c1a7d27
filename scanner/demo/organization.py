"""The organization `acme`: its accounts, organizational units and guardrails."""

from __future__ import annotations

from scanner.demo.blueprint import Account, Guardrail
from scanner.demo.documents import identity_policy, statement
from scanner.model.arn import AccountId, Region

ORGANIZATION_ID = "o-acmedemo01"
ROOT_ID = "r-acme"
MEMBER_ROLE = "KmsScanReadOnly"
OPERATOR = "security-audit"

# moto gives credentials that it does not know to this account, so it is the one that can start everything.
MANAGEMENT = AccountId("123456789012")
MANAGEMENT_NAME = "acme-management"

PAYMENTS = AccountId("111122223333")
DATA_LAKE = AccountId("222233334444")
MEDIA = AccountId("333344445555")
SECURITY = AccountId("555566667777")
SANDBOX = AccountId("666677778888")
LOGS = AccountId("777788889999")
ANALYTICS = AccountId("888899990000")
CLOSED = AccountId("121212121212")

# Outside the organization: policies name them, they are not collected.
PARTNER = AccountId("444455556666")
UNKNOWN = AccountId("999988887777")

IRELAND = Region("eu-west-1")
VIRGINIA = Region("us-east-1")
SINGAPORE = Region("ap-southeast-1")
BAHRAIN = Region("me-south-1")

REGIONS = (IRELAND, VIRGINIA, SINGAPORE)
OPT_IN_REGIONS = (BAHRAIN,)
OPTED_IN: dict[AccountId, tuple[Region, ...]] = {DATA_LAKE: (BAHRAIN,)}

ACCOUNTS = (
    Account("payments-prod", PAYMENTS, "/Workloads/Prod"),
    Account("data-lake", DATA_LAKE, "/Workloads/Prod"),
    Account("analytics-dev", ANALYTICS, "/Workloads/Dev"),
    Account("media", MEDIA, "/Workloads/Dev", has_audit_role=False),
    Account("security-tooling", SECURITY, "/Security"),
    Account("logs", LOGS, "/Security"),
    Account("dev-sandbox", SANDBOX, "/Sandbox"),
    Account("retired-poc", CLOSED, "/Sandbox", has_audit_role=False, closed=True),
)

OUTSIDERS: dict[str, AccountId] = {"partner": PARTNER, "unknown": UNKNOWN}

# The unit whose KMS calls the server refuses the way the guardrail `SandboxRegions` would.
DENIED_BY_SCP = (SANDBOX, SINGAPORE)

GUARDRAILS = (
    Guardrail(
        "SERVICE_CONTROL_POLICY",
        "StayInTheOrganization",
        "No account leaves acme",
        ("/",),
        identity_policy(statement("StayInTheOrganization", ("organizations:LeaveOrganization",), effect="Deny")),
    ),
    Guardrail(
        "SERVICE_CONTROL_POLICY",
        "SandboxRegions",
        "Sandboxes work in Ireland and Virginia",
        ("/Sandbox",),
        identity_policy(
            statement(
                "OnlyTwoRegions",
                ("kms:*", "s3:*", "ec2:RunInstances", "lambda:*", "rds:*"),
                effect="Deny",
                condition={"StringNotEquals": {"aws:RequestedRegion": [IRELAND, VIRGINIA]}},
            )
        ),
    ),
    Guardrail(
        "SERVICE_CONTROL_POLICY",
        "SandboxKeepsOutOfPayments",
        "No sandbox principal, root users included, touches a key of payments-prod",
        ("/Sandbox",),
        identity_policy(
            statement("NoPaymentKeys", ("kms:*",), effect="Deny", resource=f"arn:aws:kms:*:{PAYMENTS}:key/*")
        ),
    ),
    Guardrail(
        "RESOURCE_CONTROL_POLICY",
        "SecurityKeysStayInside",
        "Keys of the security accounts refuse every principal from outside acme",
        ("/Security",),
        identity_policy(
            statement(
                "OnlyAcmePrincipals",
                ("kms:*",),
                effect="Deny",
                principal="*",
                condition={
                    "StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORGANIZATION_ID},
                    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
                },
            )
        ),
    ),
)
