"""What a run looked at: versions, times and scope, and how much of it was read."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.model.approval import ConfiguredApproval, EndingApproval


@dataclass(frozen=True, slots=True)
class GapSummary:
    """Gaps that share account, call and outcome. Of the `units` they leave unread, `units_before` are counted above."""

    account_id: str
    account_name: str
    regions: tuple[str, ...]
    call: str
    outcome: str
    subjects: tuple[str, ...]
    message: str
    what_to_do: str
    findings_affected: int
    units: int = 0
    units_before: int = 0


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """How much was read. Units are account-regions in scope; what of the organization is unread concerns them all."""

    units_total: int
    units_read: int
    percent: float
    gaps: tuple[GapSummary, ...]
    opaque_keys: tuple[str, ...]
    not_scanned: tuple[str, ...]
    guardrails: str
    organization_unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunInfo:
    """What ran, over what, when, with which versions. Times are ISO 8601 UTC.

    `headline` is the answer in one sentence, `role_paths` what paths through assumed roles there are; `scope` says what
    was asked for, `limits` what the method cannot see; `exit_code` is that of a real run, `gate_…` are both gates.
    """

    run_id: str
    started: str
    finished: str
    as_of: str
    organization_id: str
    organization_read: bool
    caller_arn: str
    scope: str
    asserted_context: dict[str, str]
    snapshot_hash: str
    config_hash: str
    versions: dict[str, str]
    accounts: int
    regions: int
    keys: int
    customer_keys: int
    headline: str
    limits: tuple[str, ...]
    fail_on: str
    min_coverage: float
    gate_findings: bool
    gate_coverage: bool
    exit_code: int
    synthetic: bool = False
    ending_approvals: tuple[EndingApproval, ...] = ()
    new_only: bool = False
    role_paths: str = ""
    approvals: tuple[ConfiguredApproval, ...] = ()
