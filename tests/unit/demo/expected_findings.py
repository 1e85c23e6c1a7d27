"""What the analysis should say about each key of the demo; end-to-end tests compare the findings with this table."""

from __future__ import annotations

from typing import NamedTuple


class Expected(NamedTuple):
    """One finding; `grantee` is what the document names, `reason` the first reason of the verdict."""

    key: str
    kind: str
    grantee: str
    verdict: str
    reason: str
    mechanism: str = "key_policy"


class ExpectedOurs(NamedTuple):
    """A finding about permissions of our own; `resource` is what it is about, `grantee` the last part of who has it."""

    kind: str
    resource: str
    grantee: str
    verdict: str
    reason: str


class ExpectedPath(NamedTuple):
    """One path through roles: the role that is entered, by whom, and how many roles are assumed."""

    role: str
    grantee: str
    party: str
    verdict: str
    hops: int


UNKNOWN, PARTNER = "arn:aws:iam::999988887777:root", "arn:aws:iam::444455556666:root"
LAKE, ANALYTICS, LOGS = "arn:aws:iam::222233334444", "arn:aws:iam::888899990000", "arn:aws:iam::777788889999"
SANDBOX, MEDIA, CLOSED = "arn:aws:iam::666677778888", "arn:aws:iam::333344445555:root", "arn:aws:iam::121212121212:root"
PAY, PAY_US, PAY_SG = "payments-prod/eu-west-1/", "payments-prod/us-east-1/", "payments-prod/ap-southeast-1/"
DL, SEC, LOG = "data-lake/eu-west-1/", "security-tooling/eu-west-1/", "logs/eu-west-1/"
EXTERNAL, INEFFECTIVE, HYGIENE = "external_access", "ineffective_permission", "key_hygiene"
AUTOSCALING = f"{ANALYTICS}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"

DELETED_ROLE, DELETED_USER = "AROADELETEDROLE7ACME2", "AIDADELETEDUSER7ACME2"

EXPECTED = (
    Expected(f"{PAY}card-data", EXTERNAL, UNKNOWN, "confirmed", "delegated_to_third_party"),
    Expected(f"{PAY}settlement-exports", EXTERNAL, UNKNOWN, "conditional", "residual_condition"),
    Expected(f"{PAY}settlement-network", EXTERNAL, UNKNOWN, "conditional", "residual_condition"),
    Expected(f"{PAY}customer-vault", EXTERNAL, UNKNOWN, "conditional", "residual_condition"),
    Expected(f"{PAY}public-through-s3", EXTERNAL, "*", "conditional", "residual_condition"),
    Expected(f"{PAY}public-through-s3", HYGIENE, "*", "confirmed", "weak_fence"),
    Expected(f"{PAY}payroll-partner", EXTERNAL, PARTNER, "confirmed", "delegated_to_third_party"),
    Expected(f"{PAY}org-wide-config", EXTERNAL, "o-acmedemo01", "confirmed", "both_sides_allow"),
    Expected(f"{PAY}data-lake-share", EXTERNAL, f"{LAKE}:role/etl", "confirmed", "both_sides_allow"),
    Expected(f"{PAY}data-lake-reader", EXTERNAL, f"{LAKE}:role/batch-reader", "blocked", "no_identity_policy"),
    Expected(f"{PAY}analyst-share", EXTERNAL, f"{LAKE}:role/bounded-analyst", "blocked", "boundary"),
    Expected(f"{PAY}sandbox-debug", EXTERNAL, f"{SANDBOX}:root", "blocked", "scp_deny"),
    Expected(f"{PAY}sandbox-developer", EXTERNAL, f"{SANDBOX}:role/developer", "blocked", "scp_deny"),
    Expected(f"{PAY}media-share", EXTERNAL, MEDIA, "possible", "caller_side_not_collected"),
    Expected(f"{PAY}alias-gated", EXTERNAL, f"{ANALYTICS}:root", "possible", "unsupported_condition_key"),
    Expected(f"{PAY}alias-gated", INEFFECTIVE, f"{ANALYTICS}:root", "possible", "unsupported_condition_key"),
    Expected(f"{PAY}delegated-destroy", INEFFECTIVE, UNKNOWN, "ineffective", "action_not_cross_account"),
    Expected(f"{PAY}org-fenced-stranger", INEFFECTIVE, UNKNOWN, "ineffective", "unsatisfiable_condition"),
    Expected(f"{PAY}audit-2023", INEFFECTIVE, UNKNOWN, "ineffective", "unsatisfiable_condition"),
    # The Allow can apply, a Deny of the same policy refuses every request it lets through.
    Expected(f"{PAY}contradicting-services", EXTERNAL, UNKNOWN, "blocked", "explicit_deny"),
    Expected(f"{PAY}old-ledger", EXTERNAL, UNKNOWN, "blocked", "key_disabled"),
    Expected(f"{PAY}retired-ledger", EXTERNAL, UNKNOWN, "blocked", "key_pending_deletion"),
    Expected(f"{PAY}global-tokens", EXTERNAL, f"{LAKE}:role/etl", "confirmed", "both_sides_allow"),
    Expected(f"{PAY_SG}alpha-data", EXTERNAL, f"{LAKE}:root", "confirmed", "both_sides_allow"),
    Expected(f"{PAY_SG}beta-data", EXTERNAL, f"{LAKE}:root", "confirmed", "root_user_only"),
    Expected(f"{PAY_SG}open-type", EXTERNAL, f"{ANALYTICS}:role/type-guarded", "confirmed", "both_sides_allow"),
    Expected(f"{PAY_SG}reserved-type", EXTERNAL, f"{ANALYTICS}:role/type-guarded", "blocked", "explicit_deny"),
    Expected(f"{PAY_SG}untyped", EXTERNAL, f"{ANALYTICS}:role/type-guarded", "blocked", "explicit_deny"),
    Expected(f"{PAY_SG}tag-gated", EXTERNAL, f"{LAKE}:root", "possible", "unsupported_condition_key"),
    Expected(f"{PAY_SG}tag-gated", INEFFECTIVE, f"{LAKE}:root", "possible", "unsupported_condition_key"),
    Expected(
        f"{PAY_US}global-signing",
        EXTERNAL,
        "arn:aws:iam::444455556666:role/receipt-verifier",
        "confirmed",
        "delegated_to_third_party",
    ),
    Expected(f"{PAY_US}global-signing", INEFFECTIVE, f"{LAKE}:role/etl", "ineffective", "key_usage"),
    Expected(f"{PAY_US}webhook-hmac", EXTERNAL, f"{LAKE}:role/webhooks", "confirmed", "both_sides_allow"),
    Expected(f"{DL}lake-raw", EXTERNAL, "arn:aws:iam::999988887777:role/collector", "confirmed", "grant_held", "grant"),
    Expected(
        f"{DL}lake-tenants",
        EXTERNAL,
        "arn:aws:iam::444455556666:role/payroll-reader",
        "conditional",
        "residual_condition",
        "grant",
    ),
    # No identity of the account has IAM permission; the root user needs none (R4.13).
    Expected(f"{DL}lake-backup", EXTERNAL, f"{LOGS}:root", "confirmed", "root_user_only", "grant"),
    Expected(f"{DL}lake-handover", EXTERNAL, f"{PARTNER[:-5]}:role/handover", "confirmed", "delegated_to_third_party"),
    Expected(f"{DL}lake-handover", HYGIENE, f"{PARTNER[:-5]}:role/handover", "confirmed", "unlimited_create_grant"),
    Expected(f"{DL}lake-images", EXTERNAL, f"{ANALYTICS}:root", "confirmed", "both_sides_allow"),
    Expected(f"{DL}lake-images", EXTERNAL, AUTOSCALING, "confirmed", "grant_held", "grant"),
    Expected(f"{DL}lake-images", EXTERNAL, f"{ANALYTICS}:root", "confirmed", "root_user_only", "grant"),
    Expected(f"{DL}lake-stale-grant", EXTERNAL, DELETED_ROLE, "possible", "caller_side_not_collected", "grant"),
    Expected(f"{DL}lake-archive", EXTERNAL, DELETED_ROLE, "possible", "caller_side_not_collected"),
    Expected(f"{DL}lake-archive", EXTERNAL, DELETED_USER, "possible", "caller_side_not_collected"),
    Expected(f"{DL}lake-curated", EXTERNAL, f"{ANALYTICS}:user/nightly-export", "confirmed", "both_sides_allow"),
    # Latent: both sides allow, the caller's account has not enabled the opt-in region (R9.20).
    Expected("data-lake/me-south-1/lake-gulf", EXTERNAL, f"{ANALYTICS}:role/gulf-reports", "blocked", "region_opt_in"),
    Expected(f"{SEC}forensics", EXTERNAL, UNKNOWN, "blocked", "rcp_deny"),
    Expected(f"{SEC}siem-ingest", EXTERNAL, f"{LOGS}:root", "confirmed", "root_user_only"),
    Expected(f"{SEC}break-glass", EXTERNAL, f"{ANALYTICS}:role/break-glass", "conditional", "residual_condition"),
    Expected(f"{LOG}central-logs", EXTERNAL, "logs.eu-west-1.amazonaws.com", "confirmed", "service_admitted"),
    # The damaged statement may allow, and the root user of the account needs no IAM policy.
    Expected("dev-sandbox/eu-west-1/prototype", EXTERNAL, f"{ANALYTICS}:root", "possible", "malformed"),
    Expected("dev-sandbox/eu-west-1/gpu-images", EXTERNAL, CLOSED, "blocked", "account_suspended"),
    Expected(
        "analytics-dev/eu-west-1/notebooks",
        INEFFECTIVE,
        "arn:aws-cn:iam::444455556666:root",
        "ineffective",
        "wrong_partition",
    ),
)

# Keys of which no finding is expected: not external, nobody outside named, or no policy that could be read.
QUIET = (
    f"{PAY}ebs-in-account",
    f"{PAY_US}global-tokens",
    "analytics-dev/us-east-1/reports",
    "acme-management/eu-west-1/billing-exports",
    f"{LOG}central-trail",  # a service limited to one source account: left out at `service_principals: unguarded`
)
OPAQUE = (f"{LOG}evidence-vault", "dev-sandbox/eu-west-1/prototype")
NOT_COLLECTED = ("media/eu-west-1/masters",)

PATHS = (
    ExpectedPath("payroll-import", "root", "unknown_third_party", "confirmed", 1),
    ExpectedPath("vendor-support", "root", "unknown_third_party", "conditional", 1),
    ExpectedPath("partner-notebooks", "root", "unknown_third_party", "conditional", 2),
    ExpectedPath("lake-deployer", "root", "unknown_third_party", "conditional", 2),
    ExpectedPath("lake-export", "partner-notebooks", "same_organization", "confirmed", 1),
    ExpectedPath("ci-deploy", "token.actions.githubusercontent.com#*", "federated_open", "conditional", 1),
    ExpectedPath("ci-release", "*", "federated_pinned", "conditional", 1),
    ExpectedPath("KmsScanReadOnly", "root", "same_organization", "confirmed", 1),
)
"""Paths through roles that the demo promises."""

USE, BROAD, ATTRIBUTE = "foreign_key_use", "broad_key_permission", "attribute_control"
OURS = (
    ExpectedOurs(USE, "5e3f7a10-2b64-4c58-9d0e-7f1a6b2c3d4e", "uploader", "possible", "owner_side_not_collected"),
    ExpectedOurs(USE, "payments-prod", "alpha-analyst", "confirmed", "both_sides_allow"),
    ExpectedOurs(USE, "payments-prod", "type-guarded", "confirmed", "both_sides_allow"),
    ExpectedOurs(USE, "payments-prod", "etl", "confirmed", "both_sides_allow"),
    ExpectedOurs(USE, "payments-prod", "webhooks", "confirmed", "both_sides_allow"),
    ExpectedOurs(USE, "data-lake", "gulf-reports", "blocked", "region_opt_in"),
    ExpectedOurs(USE, "data-lake", "platform-admin", "confirmed", "both_sides_allow"),
    ExpectedOurs(USE, "data-lake", "nightly-export", "confirmed", "both_sides_allow"),
    ExpectedOurs(USE, "alias/lake-images", "AWSServiceRoleForAutoScaling", "confirmed", "grant_held"),
    ExpectedOurs(USE, "security-tooling", "break-glass", "conditional", "residual_condition"),
    ExpectedOurs(BROAD, "PaymentKeyAdministration", "key-admin", "possible", "no_foreign_key_seen"),
    ExpectedOurs(BROAD, "developer", "developer", "possible", "no_foreign_key_seen"),
    ExpectedOurs(BROAD, "security-audit", "security-audit", "confirmed", "both_sides_allow"),
    ExpectedOurs(BROAD, "bounded-analyst", "bounded-analyst", "blocked", "boundary"),
    ExpectedOurs(ATTRIBUTE, "payments-prod", "tag-steward", "confirmed", "attribute_opens_access"),
    ExpectedOurs(ATTRIBUTE, "payments-prod", "tag-steward", "confirmed", "attribute_decides_access"),
    ExpectedOurs(ATTRIBUTE, "payments-prod", "key-admin", "confirmed", "attribute_decides_access"),
    ExpectedOurs(ATTRIBUTE, "payments-prod", "type-guarded", "confirmed", "foreign_attribute"),
    ExpectedOurs(ATTRIBUTE, "payments-prod", "alpha-analyst", "confirmed", "foreign_attribute"),
)
"""What the policies of our own principals give them; the same of several Regions is listed once."""
