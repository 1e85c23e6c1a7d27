"""Words for the rows of the coverage ledger: what became of a call, and what could be hidden behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Finding, GapSummary

OUTCOME_WORDS: Final[Mapping[str, str]] = {
    Outcome.OK: "read",
    Outcome.EMPTY: "read, holds nothing",
    Outcome.DENIED: "access denied",
    Outcome.DENIED_BY_SCP: "denied by a service control policy",
    Outcome.DENIED_BY_KEY_POLICY: "denied by the key policy",
    Outcome.THROTTLED: "throttled until the time was up",
    Outcome.TIMEOUT: "no answer in time",
    Outcome.ERROR: "failed",
    Outcome.MISMATCH: "answered for another account or region, not trusted",
    Outcome.NOT_ENABLED: "not enabled",
    Outcome.SKIPPED: "skipped",
    Outcome.GONE: "gone while it was read",
    Outcome.MALFORMED: "answer could not be understood",
    Outcome.NOT_REACHED: "not reached before the end of the run",
}

_SHARED = "OTHER_ACCOUNTS_VIA_RAM"
_HIDDEN: Final = (
    ("sts:AssumeRole", "everything in the account: its keys, who may use them, and paths through its roles"),
    ("kms:ListKeys", "keys of these Regions, and everybody who may use them"),
    ("kms:GetKeyPolicy", "whom the policy of these keys lets in"),
    ("kms:ListGrants", "access that grants of these keys give"),
    ("kms:ListRetirableGrants", "grants that the list of their key lacks"),
    ("kms:DescribeKey", "whether these keys can be used, and for what"),
    ("kms:ListAliases", "names of keys, and access that hangs on an alias"),
    ("kms:ListResourceTags", "access that hangs on a tag of these keys"),
    ("kms:GetKeyLastUsage", "when these keys were used last"),
    ("kms:", "what these keys allow"),
    ("iam:", "what users and roles of the account may do, and paths through its roles"),
    ("ec2:DescribeRegions", "Regions of the account that were not looked at"),
    ("account:ListRegions", "Regions of the account that were not looked at"),
    ("organizations:DescribePolicy", "which access this control policy forbids"),
    ("organizations:ListPolicies", "which access control policies forbid"),
    ("organizations:ListTargetsForPolicy", "which accounts control policies bind"),
    ("organizations:", "which accounts are ours: some may be told as strangers, or be missing"),
    ("ram:", "keys that are shared with other accounts"),
)


def hidden_text(gap: GapSummary) -> str:
    """What could be there and is not in the report, because this call was not answered."""
    if gap.call == "kms:ListKeys" and gap.subjects == (_SHARED,):
        return "keys of other accounts that are shared with this one through RAM"
    return next((words for start, words in _HIDDEN if gap.call.startswith(start)), "what this call would have told")


def cited_notes(findings: Iterable[Finding], ledger: Iterable[LedgerRow]) -> dict[str, str]:
    """Ledger rows that findings cite, by reference, in words. Goes through the ledger once and keeps only those."""
    cited = {ref for finding in findings for ref in finding.coverage_refs}
    return {row.ref: _words(row) for row in ledger if row.ref in cited} if cited else {}


def coverage_note(ref: str, notes: Mapping[str, str]) -> str:
    """The note, or the reference itself where the ledger has no such row."""
    return notes.get(ref, ref)


def _words(row: LedgerRow) -> str:
    where = " ".join(part for part in (row.account_id, row.region, row.call, row.subject) if part)
    detail = f" ({row.error_code})" if row.error_code else ""
    return f"{where}: {OUTCOME_WORDS[row.outcome]}{detail}"
