"""findings.csv; the only module that loads pandas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from scanner import FINDINGS_SCHEMA
from scanner.model.finding import CapabilityResult, Finding, FindingsDocument, KeyFactsRef, Kind
from scanner.report.columns import FINDINGS, names
from scanner.report.coverage_notes import coverage_note
from scanner.report.escape import CsvDialect, csv_cell
from scanner.report.ordering import worst_first
from scanner.report.streams import BYTE_ORDER_MARK, account_label, join_list, join_map


def findings_csv(document: FindingsDocument, notes: Mapping[str, str], dialect: CsvDialect) -> bytes:
    """The file findings.csv, worst finding first. `notes` says in words what a cited row of the ledger holds."""
    lines = [
        [csv_cell(cell, dialect) for cell in _cells(finding, notes).values()]
        for finding in worst_first(document.findings)
    ]
    header = names(FINDINGS)
    frame = pd.DataFrame(lines, columns=pd.Index(header), dtype=object)
    text = frame.to_csv(index=False, lineterminator="\r\n")
    mark = BYTE_ORDER_MARK if dialect is CsvDialect.EXCEL else ""
    return f"{mark}{text}".encode()


def _cells(finding: Finding, notes: Mapping[str, str]) -> dict[str, str]:
    """Cells by column name, in the order of `columns.FINDINGS`."""
    cells = (
        {"schema_version": str(FINDINGS_SCHEMA)}
        | _claim(finding)
        | _key(finding)
        | _grantee(finding)
        | _access(finding)
        | _follow_up(finding, notes)
    )
    return {name: cells[name] for name in names(FINDINGS)}


def _claim(finding: Finding) -> dict[str, str]:
    return {
        "finding_id": finding.id,
        "fingerprint": finding.fingerprint,
        "kind": finding.kind,
        "lifecycle": finding.lifecycle,
        "severity": finding.severity,
        "verdict": finding.verdict,
        "verdict_reason": join_list(finding.verdict_reasons),
        "title": finding.title,
        "first_seen": finding.first_seen,
        "last_seen": finding.last_seen,
    }


def _key(finding: Finding) -> dict[str, str]:
    keys = (finding.key,) if finding.key else finding.keys

    def each(value: Callable[[KeyFactsRef], str]) -> str:
        return join_list(tuple(dict.fromkeys(value(key) for key in keys)))

    return {
        "key_account_id": each(lambda key: key.account_id),
        "key_account_name": each(lambda key: account_label(key.account_name, key.account_id)),
        "key_region": each(lambda key: key.region),
        "key_arn": each(lambda key: key.arn),
        "key_aliases": join_list(tuple(alias for key in keys for alias in key.aliases)),
        "key_state": each(lambda key: key.state),
        "key_tags": join_map(finding.key.tags) if finding.key else "",
        "keys_reached": str(finding.keys_total),
    }


def _grantee(finding: Finding) -> dict[str, str]:
    grantee = finding.grantee
    return {
        "grantee_party": grantee.party,
        "grantee_kind": grantee.kind,
        "grantee_account_id": grantee.account_id,
        "grantee_account_name": account_label(grantee.account_name, grantee.account_id),
        "grantee_selector": grantee.selector,
        "vendor": grantee.vendor,
        "approval_ref": grantee.approval.ref if grantee.approval else "",
        "approval_expires": grantee.approval.expires if grantee.approval else "",
    }


def _access(finding: Finding) -> dict[str, str]:
    mechanism, reach = finding.mechanism, finding.reach
    return {
        "mechanism": mechanism.kind,
        "entry_role_arn": finding.resource.arn if finding.kind is Kind.ASSUMED_ROLE_PATH else "",
        "capabilities": join_list(tuple(dict.fromkeys(result.capability for result in finding.capabilities))),
        "actions": join_list(tuple(dict.fromkeys(name for result in finding.capabilities for name in result.actions))),
        "conditions": join_list(_conditions(finding.capabilities)),
        "principals_reached": str(reach.principals_total),
        "principals_sample": join_list(reach.principals_sample),
        "statement_sids": join_list(tuple(ref.sid or f"statement {ref.index}" for ref in mechanism.statements)),
        "grant_ids": join_list(tuple(grant.grant_id for grant in mechanism.grants)),
    }


def _conditions(results: Sequence[CapabilityResult]) -> tuple[str, ...]:
    """The conditions that remain; each says what it bounds unless it bounds everything the finding is about."""
    if len({result.condition for result in results}) == 1:
        return tuple(dict.fromkeys(result.condition for result in results if result.condition))
    count = Counter(result.capability for result in results)
    return tuple(
        f"{result.capability if count[result.capability] == 1 else _actions(result)}: {result.condition}"
        for result in results
        if result.condition
    )


def _actions(result: CapabilityResult) -> str:
    return ", ".join(name.removeprefix("kms:") for name in result.actions)


def _follow_up(finding: Finding, notes: Mapping[str, str]) -> dict[str, str]:
    return {
        "suppressed": "yes" if finding.is_suppressed else "no",
        "suppressed_by": finding.suppression.owner if finding.suppression else "",
        "suppressed_until": finding.suppression.expires if finding.suppression else "",
        "remediation": finding.remediation.text,
        "coverage_note": join_list(tuple(coverage_note(ref, notes) for ref in finding.coverage_refs)),
        "report_link": f"report.html#{finding.id}",
    }
