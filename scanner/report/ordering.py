"""The order in which reports list findings: worst first."""

from __future__ import annotations

from collections.abc import Iterable

from scanner.model.finding import Finding, FindingVerdict, Severity

_SEVERITY = {severity: place for place, severity in enumerate(Severity)}
_VERDICT = {verdict: place for place, verdict in enumerate(FindingVerdict)}


def rank(finding: Finding) -> tuple[int, int, str, str]:
    """Sort key: severity, then verdict, then the key and the id, so that equal input gives equal order."""
    return _SEVERITY[finding.severity], _VERDICT[finding.verdict], finding.resource.arn, finding.id


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings sorted by `rank`."""
    return sorted(findings, key=rank)
