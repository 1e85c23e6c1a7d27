"""What can be set: one frozen model per section of the configuration, with defaults and descriptions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from scanner.config.trust import Capability, Trust
from scanner.config.types import (
    Account,
    ConditionKey,
    ExternalId,
    FilePath,
    Flag,
    KeyPattern,
    Moment,
    OrganizationalUnit,
    Partition,
    Processes,
    RegionChoice,
    RegionName,
    RegionPattern,
    RoleArn,
    RoleName,
    Section,
    SessionDuration,
    SessionName,
    Text,
    Texts,
    Version,
    Wait,
    Whole,
)
from scanner.model.arn import AccountId, Region

KeyStateName = Literal["enabled", "disabled", "pending_deletion", "pending_import", "unavailable"]
SeverityName = Literal["critical", "high", "medium", "low", "info"]
KindName = Literal[
    "external_access",
    "assumed_role_path",
    "foreign_key_use",
    "broad_key_permission",
    "attribute_control",
    "ineffective_permission",
    "key_hygiene",
]
PartyName = Literal[
    "public",
    "federated_open",
    "unknown_third_party",
    "identified_vendor",
    "expired_partner",
    "partner_exceeds_approval",
    "service_unguarded",
    "partner_role_without_external_id",
    "federated_pinned",
    "own_other_organization",
    "same_organization",
    "approved_partner",
    "service_guarded",
]


class Aws(Section):
    """Whose credentials are used, and into which role."""

    profile: Text | None = Field(
        default=None,
        description="A profile of ~/.aws/config (SSO, credential_process, role). null: default chain.",
    )
    partition: Partition = Field(
        default="auto", description="auto, or the partition: aws, aws-cn, aws-us-gov, aws-eusc, aws-iso…"
    )
    home_region: RegionName = Field(
        default=Region("us-east-1"),
        description="Used for STS, Organizations and IAM endpoints of the partition.",
    )
    hub_role_arn: RoleArn | None = Field(
        default=None, description="Optional first hop. Role chaining caps every session at 1 hour (AWS limit)."
    )
    member_role: RoleName | None = Field(
        default=None, description="Required to collect. Name (with path) of the audit role in every account."
    )
    external_id: ExternalId | None = Field(
        default=None, repr=False, description="Literal, env:NAME or file:PATH. null: none is sent."
    )
    session_name: SessionName = Field(
        default="kms-scan-{run_id}", description="2-64 characters; {run_id} joins our calls to CloudTrail."
    )
    session_duration: SessionDuration = Field(
        default=dt.timedelta(minutes=15),
        description="15m-12h. A unit of work is one account and region; short is safer.",
    )
    scope_down: Flag = Field(
        default=True, description="Send an inline session policy holding only the read actions we call."
    )


class AccountOverride(Section):
    """What is different for one account."""

    role_arn: RoleArn | None = Field(default=None, description="Role to assume there instead of aws.member_role.")
    external_id: ExternalId | None = Field(
        default=None, repr=False, description="ExternalId to send there instead of aws.external_id."
    )
    regions: tuple[RegionPattern, ...] | None = Field(
        default=None, min_length=1, description="Regions to read there instead of regions.include."
    )


class Accounts(Section):
    """Which accounts are scanned."""

    source: Literal["organization", "ids", "file"] = Field(
        default="organization", description="Where the list of accounts comes from."
    )
    management_account_role_arn: RoleArn | None = Field(
        default=None,
        description="Role that may call organizations:*; null: use the caller (management or delegated admin).",
    )
    ids: tuple[Account, ...] = Field(default=(), description="The accounts of source: ids.")
    file: FilePath | None = Field(
        default=None, description="The list of source: file: CSV (account_id,name,...) or a c7n-org accounts.yml."
    )
    include_ous: tuple[OrganizationalUnit, ...] = Field(
        default=(), description="Organizational unit ids or paths; empty: the whole organization."
    )
    exclude_ous: tuple[OrganizationalUnit, ...] = Field(
        default=(), description="Organizational units that are left out; wins over include_ous."
    )
    exclude: tuple[Account, ...] = Field(
        default=(), description="Account ids that are known but not scanned; they show up in Coverage."
    )
    overrides: Mapping[Account, AccountOverride] = Field(
        default_factory=dict[AccountId, AccountOverride], description="Per account: role_arn, external_id, regions."
    )


class Regions(Section):
    """Which regions are scanned."""

    include: tuple[RegionChoice, ...] = Field(
        default=("all-enabled",),
        min_length=1,
        description="all-enabled, default-only, region names and globs: eu-*, us-gov-*.",
    )
    exclude: tuple[RegionPattern, ...] = Field(default=(), description="Names and globs; wins over include.")
    opt_in: Flag = Field(default=True, description="Include opt-in regions that the account has enabled.")


class Keys(Section):
    """Which keys are scanned."""

    include: tuple[KeyPattern, ...] = Field(
        default=(), description="Key ARNs, alias ARNs or globs of them; empty: every key."
    )
    include_tags: Mapping[Text, Texts] = Field(
        default_factory=dict[str, tuple[str, ...]], description="Tag key to accepted values; empty: every key."
    )
    managers: tuple[Literal["customer", "aws"], ...] = Field(
        default=("customer",),
        min_length=1,
        description="customer, aws (AWS managed keys cannot be shared; inventory only).",
    )
    states: tuple[KeyStateName, ...] = Field(
        default=("enabled", "disabled", "pending_deletion", "pending_import", "unavailable"),
        min_length=1,
        description="Key states that are scanned.",
    )
    last_usage: Flag = Field(
        default=False,
        description="kms:GetKeyLastUsage, our share of 5 requests/s per account and region.",
    )


class Analysis(Section):
    """How the snapshot is judged."""

    service_principals: Literal["all", "unguarded", "none"] = Field(
        default="unguarded",
        description="Which services are findings; unguarded: no aws:SourceAccount/SourceOrgID/SourceArn.",
    )
    scp: Flag = Field(default=True, description="false: assume that no service control policy protects anything.")
    rcp: Flag = Field(default=True, description="false: the same for resource control policies.")
    max_role_hops: Whole = Field(
        default=5,
        ge=1,
        le=20,
        description="Longest chain of assumed roles that is followed; a cut is said in Coverage.",
    )
    insiders: Flag = Field(
        default=False, description="Also list the principals of the key's own account in access.csv."
    )
    as_of: Moment | None = Field(
        default=None,
        description="Evaluation time (ISO 8601) for reproducible runs; null: collection time.",
    )
    context: Mapping[ConditionKey, Texts] = Field(
        default_factory=dict[str, tuple[str, ...]],
        description="Condition keys you assert for every request, printed in every report.",
    )


class SeverityMatch(Section):
    """Which findings an override touches; everything given must hold, globs are anchored at both ends."""

    kind: KindName | None = Field(default=None, description="Kind of the finding.")
    party: PartyName | None = Field(default=None, description="Row of the severity table.")
    capability: Capability | None = Field(default=None, description="Capability.")
    key: KeyPattern | None = Field(default=None, description="Key ARN or glob.")
    grantee: Text | None = Field(default=None, description="Grantee selector or glob.")


class SeverityOverride(Section):
    """A severity that the user has decided, with the reason."""

    match: SeverityMatch = Field(description="Which findings.")
    severity: SeverityName = Field(description="The severity they get.")
    reason: Text = Field(description="Why; printed in the severity trail.")


class SeveritySettings(Section):
    """What moves a severity."""

    sensitive_tags: Mapping[Text, Texts] = Field(
        default_factory=dict[str, tuple[str, ...]],
        description="Tag key to values: findings on such keys rank one step higher.",
    )
    overrides: tuple[SeverityOverride, ...] = Field(
        default=(), description="Decided severities: match, severity, reason."
    )


class Suppressions(Section):
    """Where reviewed exceptions live and what each must hold."""

    file: FilePath = Field(default=Path("suppressions.yaml"), description="The file of suppressions.")
    max_days: Whole = Field(default=365, ge=1, le=3650, description="An entry must expire within this many days.")
    require: tuple[Literal["reason", "owner", "expires", "ticket"], ...] = Field(
        default=("reason", "owner", "expires"), description="What every entry must hold."
    )


class Output(Section):
    """What is written, and where."""

    directory: FilePath = Field(
        default=Path("kms-scan-out"),
        description="One sub-directory per run; `latest` points to the newest complete one.",
    )
    formats: tuple[Literal["html", "csv", "json", "ocsf", "asff", "sarif"], ...] = Field(
        default=("html", "csv", "json"), min_length=1, description="Formats that are written."
    )
    html_max_findings: Whole = Field(
        default=2000,
        ge=1,
        description="Above this the report is one index page plus one page per owning account.",
    )
    csv_dialect: Literal["excel", "rfc4180"] = Field(
        default="excel",
        description="excel (UTF-8 BOM, CRLF, formula guard) or rfc4180 (no BOM, raw values).",
    )
    keep_runs: Whole | None = Field(
        default=None,
        ge=1,
        description="null: keep all. N: `run` prunes older ones except summary.json; never a baseline.",
    )
    redact: tuple[Literal["account_names", "emails", "tag_values"], ...] = Field(
        default=(), description="What is left out of every file."
    )


class Gate(Section):
    """When a run ends with exit code 3 or 4."""

    fail_on: Literal["none", "low", "medium", "high", "critical"] = Field(
        default="high", description="Unsuppressed findings of this severity or worse end with exit 3."
    )
    new_only: Flag = Field(
        default=False, description="Compare with `baseline` and gate on new, widened or graver findings only."
    )
    baseline: Text | None = Field(default=None, description="Path to an earlier run directory, or `latest`.")
    min_coverage: Whole = Field(
        default=100,
        ge=0,
        le=100,
        description="Percent of in-scope account-regions fully read; below it, or where an organization, SCP or RCP "
        "that counts was not read, the run ends with exit 4. 0 accepts everything.",
    )


class Limits(Section):
    """How fast and how long."""

    workers: Whole = Field(default=32, ge=1, le=1024, description="Concurrent account-regions per process.")
    processes: Processes = Field(
        default="auto", description="auto: one below 200 accounts, then one per CPU; or a number."
    )
    deadline: Wait = Field(
        default=dt.timedelta(hours=2),
        description="Stop collecting then; what was read is analyzed and the rest is Coverage.",
    )
    connect_timeout: Wait = Field(default=dt.timedelta(seconds=5), description="Time to connect.")
    read_timeout: Wait = Field(default=dt.timedelta(seconds=20), description="Time to wait for an answer.")
    max_attempts: Whole = Field(
        default=4,
        ge=1,
        le=20,
        description="Attempts per request for wire errors, 5xx and rejected answers.",
    )
    unit_deadline: Wait = Field(
        default=dt.timedelta(minutes=10),
        description="A throttled unit gives up then: `throttled` in Coverage.",
    )
    kms_quota_share: Whole = Field(
        default=20, ge=1, le=100, description="Percent of each KMS request quota we may use."
    )


class Logging(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")
    format: Literal["auto", "text", "json"] = Field(
        default="auto", description="auto: text on a terminal, JSON otherwise."
    )
    file: FilePath | None = Field(default=None, description="Also log into this file.")


class Settings(Section):
    """The whole configuration."""

    version: Version = Field(default=1, description="Schema version of this file.")
    aws: Aws = Field(default_factory=Aws, description="Whose credentials are used, and into which role.")
    accounts: Accounts = Field(default_factory=Accounts, description="Which accounts are scanned.")
    regions: Regions = Field(default_factory=Regions, description="Which regions are scanned.")
    keys: Keys = Field(default_factory=Keys, description="Which keys are scanned.")
    trust: Trust = Field(default_factory=Trust, description="Who is ours and who is approved.")
    analysis: Analysis = Field(default_factory=Analysis, description="How the snapshot is judged.")
    severity: SeveritySettings = Field(default_factory=SeveritySettings, description="What moves a severity.")
    suppressions: Suppressions = Field(default_factory=Suppressions, description="Reviewed exceptions.")
    output: Output = Field(default_factory=Output, description="What is written, and where.")
    gate: Gate = Field(default_factory=Gate, description="When a run ends with exit code 3 or 4.")
    limits: Limits = Field(default_factory=Limits, description="How fast and how long.")
    logging: Logging = Field(default_factory=Logging, description="What is logged, and how.")


NOT_YET = (
    "output.redact",
    "limits.processes",
)
"""Settings whose part is not built: they accept their default only."""
