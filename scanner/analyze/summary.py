"""What a run says as a whole: coverage, gates and exit code beside the headline."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scanner import ENGINE, FINDINGS_SCHEMA
from scanner.analyze.findings import AnalysisResult
from scanner.analyze.headline import headline
from scanner.analyze.keys.severity import rank
from scanner.analyze.request.caller import account_of
from scanner.model.approval import ConfiguredApproval, EndingApproval
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import (
    CoverageSummary,
    Finding,
    FindingsDocument,
    GapSummary,
    RunInfo,
    Severity,
)
from scanner.model.policy import PolicyText
from scanner.model.world import World

LIMITS = (
    (
        "Paths through assumed roles: followed through the trust policies that were read, roles passed to services "
        "(iam:PassRole) and changes to IAM itself inside an account. Not followed: roles of accounts that were not "
        "read, session policies, changes to what runs already (code of an existing function), to groups, and to tags "
        "of users and roles, and users and roles made anew."
    ),
    "Session policies of strangers cannot be seen; the widest reading is taken, none.",
    "VPC endpoint policies are not read; they can only narrow access that goes through the endpoint.",
    "An external key manager behind a custom key store may refuse on its own.",
    "Grants, tags and aliases changed in the last five minutes may not show, or not count yet.",
    "AWS owned keys are invisible, and AWS managed keys cannot be shared with other accounts.",
    "Whether the root user of an account has credentials is not read.",
)  # fmt: skip
_MAX_SUBJECTS = 20
_POLICY_CALL = "organizations:DescribePolicy"

_Unit = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What collection and configuration say about the run; `meta` is the snapshot's header.

    `scanned` are the account-regions in scope, `not_scanned` sentences on accounts left out. Where the configuration
    lists the accounts, they are not `accounts_from_organization`.
    """

    meta: Mapping[str, str]
    scanned: frozenset[tuple[str, str]]
    not_scanned: tuple[str, ...]
    config_hash: str
    asserted_context: Mapping[str, str]
    fail_on: str
    min_coverage: float
    scope: str
    ending_approvals: tuple[EndingApproval, ...] = ()
    new_only: bool = False
    approvals: tuple[ConfiguredApproval, ...] = ()
    accounts_from_organization: bool = True


def build_document(world: World, result: AnalysisResult, facts: RunFacts) -> FindingsDocument:
    """The content of findings.json."""
    coverage = coverage_summary(world, result, facts)
    findings_gate = gate_is_open(result.findings, facts.fail_on, new_only=facts.new_only)
    whole = facts.meta.get("complete", "1") == "1" and (not coverage.organization_unread or not facts.min_coverage)
    coverage_gate = coverage.percent >= facts.min_coverage and whole
    organization = world.organizations[0] if world.organizations else None
    customer = [k for k in world.keys.values() if k.manager != "AWS"]
    meta = facts.meta
    run = RunInfo(
        run_id=meta.get("run_id", ""),
        started=meta.get("started", ""),
        finished=meta.get("finished", ""),
        as_of=world.as_of,
        organization_id=organization.id if organization else "",
        organization_read=organization is not None,
        caller_arn=meta.get("caller_arn", ""),
        scope=facts.scope,
        asserted_context=dict(sorted(facts.asserted_context.items())),
        snapshot_hash=meta.get("snapshot_hash", ""),
        config_hash=facts.config_hash,
        versions={
            name: meta[f"{name}_version"]
            for name in ("kms_scan", "python", "botocore", "boto3")
            if f"{name}_version" in meta
        },
        accounts=len({account for account, _ in facts.scanned}),
        regions=len({region for _, region in facts.scanned if region != "*"}),
        keys=len(world.keys),
        customer_keys=len(customer),
        headline=headline(result, coverage, world),
        limits=(*LIMITS, *result.cuts),
        fail_on=facts.fail_on,
        min_coverage=facts.min_coverage,
        gate_findings=findings_gate,
        gate_coverage=coverage_gate,
        exit_code=0 if findings_gate and coverage_gate else 3 if not findings_gate else 4,
        synthetic=meta.get("synthetic") == "1",
        ending_approvals=facts.ending_approvals,
        new_only=facts.new_only,
        approvals=facts.approvals,
        role_paths=result.role_paths,
    )
    return FindingsDocument(
        FINDINGS_SCHEMA, ENGINE, run, coverage, result.findings, dict(sorted(result.documents.items()))
    )


def gate_is_open(findings: Iterable[Finding], fail_on: str, *, new_only: bool = False) -> bool:
    """Whether no finding reaches the level that fails a run; accepted ones are not counted.

    Args:
        new_only: count only what is new or reopened, wider, or of higher severity than in the baseline. Where an
            approval merely ended, the access is `unchanged` and its severity rose: that counts as well.
    """
    if fail_on == "none":
        return True
    counted = (f for f in findings if not f.is_suppressed and (not new_only or f.has_grown))
    return not any(rank(f.severity) >= rank(Severity(fail_on)) for f in counted)


# -- coverage ---------------------------------------------------------------------------------------------------------


def coverage_summary(world: World, result: AnalysisResult, facts: RunFacts) -> CoverageSummary:
    """How much was read. A gap in an account's IAM or role counts against every Region of the account."""
    gaps = [row for row in world.coverage if row.outcome.is_gap]
    affected = Counter(ref for f in result.findings for ref in f.coverage_refs)
    unread = _units_of(gaps, facts.scanned)
    total = len(facts.scanned)
    percent = 100.0 if not total else round(100.0 * (total - len(unread)) / total, 1)
    if unread and percent >= 100.0:
        percent = 99.9
    return CoverageSummary(
        units_total=total,
        units_read=total - len(unread),
        percent=percent,
        gaps=_summed_gaps(gaps, affected, world, facts.scanned),
        opaque_keys=result.opaque_keys,
        not_scanned=facts.not_scanned,
        guardrails=guardrails_in_words(world),
        organization_unread=organization_unread(world, accounts_from_organization=facts.accounts_from_organization),
    )


def _units_of(gaps: Sequence[LedgerRow], scanned: Collection[_Unit]) -> set[_Unit]:
    """The account-regions in scope that gaps leave unread; those of the organization's policies leave none."""
    places = {(g.account_id, g.region) for g in gaps}
    whole = {g.account_id for g in gaps if g.region in {"*", "global"} and not g.call.startswith("organizations:")}
    return {unit for unit in scanned if unit in places or unit[0] in whole}


def _summed_gaps(
    gaps: Sequence[LedgerRow], affected: Mapping[str, int], world: World, scanned: Collection[_Unit]
) -> tuple[GapSummary, ...]:  # fmt: skip
    groups: dict[tuple[str, str, Outcome], list[LedgerRow]] = defaultdict(list)
    for row in gaps:
        groups[row.account_id, row.call, row.outcome].append(row)
    by_account: dict[str, list[_Unit]] = defaultdict(list)
    for unit in scanned:
        by_account[unit[0]].append(unit)
    found: list[GapSummary] = []
    counted: set[_Unit] = set()
    for (account_id, call, outcome), rows in sorted(groups.items()):
        units = _units_of(rows, by_account[account_id])
        found.append(
            GapSummary(
                account_id=account_id,
                account_name=account_of(world, account_id).name,
                regions=tuple(sorted({r.region for r in rows})),
                call=call,
                outcome=outcome.value,
                subjects=tuple(sorted({r.subject for r in rows if r.subject}))[:_MAX_SUBJECTS],
                message=rows[0].message,
                what_to_do=rows[0].what_to_do,
                findings_affected=sum(affected.get(r.ref, 0) for r in rows),
                units=len(units),
                units_before=len(units & counted),
            )
        )
        counted |= units
    return tuple(found)


def organization_unread(world: World, *, accounts_from_organization: bool) -> tuple[str, ...]:
    """What of the organization was not read, or not understood, although verdicts hang on it.

    Policies of a kind that is not credited decide nothing. An organization decides nothing either where no kind is
    credited and the accounts are listed elsewhere. An account that is in none has nothing to read.
    """
    if world.organization_gap:
        needed = accounts_from_organization or world.credit_scp or world.credit_rcp
        return ("the organization",) if needed else ()
    damaged = {r.subject for r in world.coverage if r.call == _POLICY_CALL and r.outcome.is_gap}
    kinds = (
        ("service control policies", world.credit_scp, [o.scps for o in world.organizations]),
        ("resource control policies", world.credit_rcp, [o.rcps for o in world.organizations]),
    )  # fmt: skip
    return tuple(words for words, credited, found in kinds if credited and any(_is_unread(a, damaged) for a in found))


def _is_unread(attached: Mapping[str, Sequence[PolicyText]] | None, damaged: Collection[str]) -> bool:
    return attached is None or any(policy.source in damaged for policies in attached.values() for policy in policies)


def guardrails_in_words(world: World) -> str:
    """Whether SCPs and RCPs were read, and whether they are credited."""
    ignored = [n for n, on in (("SCPs", world.credit_scp), ("RCPs", world.credit_rcp)) if not on]
    standalone = world.accounts and not any(a.organization_unknown for a in world.accounts.values())
    if not world.organizations and standalone:
        text = "The account is in no organization: no service or resource control policy can apply."
    elif not world.organizations:
        text = (
            "The organization was not read: no service or resource control policy is credited, "
            "and what one could deny reads as possible."
        )
    else:
        organization = world.organizations[0]
        states = [
            ("Service control policies", organization.scps is not None, organization.scp_enabled),
            ("resource control policies", organization.rcps is not None, organization.rcp_enabled),
        ]
        words = [f"{n}: {'not enabled' if not on else 'read' if read else 'not read'}" for n, read, on in states]
        text = "; ".join(words) + "."
    if ignored:
        text += f" As configured, {' and '.join(ignored)} are assumed to protect nothing."
    return text


def scanned_units(
    rows: Iterable[tuple[str, str]], accounts: Iterable[str], run_regions: str
) -> frozenset[tuple[str, str]]:
    """Account-regions in scope; an account whose Regions are unknown counts with the run's Regions.

    Args:
        rows: (account, Region) that were in scope.
        accounts: every account in scope.
        run_regions: JSON list of the Regions that any account had in scope.
    """
    units = set(rows)
    with_regions = {account for account, _ in units}
    regions = json.loads(run_regions or "[]") or ["*"]
    for account in accounts:
        if account not in with_regions:
            units.update((account, region) for region in regions)
    return frozenset(units)
