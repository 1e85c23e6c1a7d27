"""The order in which reports list findings: worst first, or what to do first."""

from __future__ import annotations

from collections.abc import Iterable

from scanner.model.finding import Finding, FindingVerdict, Severity
from scanner.report.method import PARTIES

_SEVERITY = {severity: place for place, severity in enumerate(Severity)}
_PARTY = {party: place for place, party in enumerate(PARTIES)}
_VERDICT = {verdict: place for place, verdict in enumerate(FindingVerdict)}


def rank(finding: Finding) -> tuple[int, int, str, str]:
    """Sort key: severity, then verdict, then the key and the id, so that equal input gives equal order."""
    return _SEVERITY[finding.severity], _VERDICT[finding.verdict], finding.resource.arn, finding.id


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Findings sorted by `rank`."""
    return sorted(findings, key=rank)


def urgent_first(findings: Iterable[Finding]) -> list[Finding]:
    """What to do first: by severity, then what needs nobody's help before the rest, then by how many keys it reaches.

    A condition that the caller fulfils at will keeps nobody out, so such a finding is as urgent as a confirmed one.
    """
    return sorted(findings, key=_urgency)


def at_will(finding: Finding) -> bool:
    """Whether all that must hold for the leading capability is what the caller, or anybody at its provider, chooses."""
    lead = finding.capabilities[0] if finding.capabilities else None
    if lead is None or finding.verdict is not FindingVerdict.CONDITIONAL:
        return False
    return lead.caller_chosen or (lead.vouched and finding.grantee.party == "federated_open")


def _urgency(finding: Finding) -> tuple[int, int, int, int, int, str, str]:
    severity, verdict, arn, name = rank(finding)
    party = _PARTY.get(finding.grantee.party, len(_PARTY))
    return severity, 0 if at_will(finding) else verdict, -finding.keys_total, verdict, party, arn, name
