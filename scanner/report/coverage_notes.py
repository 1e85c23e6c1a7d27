"""Words for the rows of the coverage ledger that findings cite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Finding

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
