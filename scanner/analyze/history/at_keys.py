"""With which keys of a path something differs between two runs."""

from __future__ import annotations

from collections.abc import Iterable

from scanner.model.finding import Finding


def grown_keys(old: Iterable[Finding], new: Iterable[Finding]) -> set[str]:
    """Keys that were reached before, with which a capability is stronger than it was, or new.

    Only keys that both sides compare are told; a condition that changes and ranks the same is none of them.
    """
    before, after = _strengths(old), _strengths(new)
    return {
        arn
        for arn in before.keys() & after.keys()
        if any(rank > before[arn].get(capability, 0) for capability, rank in after[arn].items())
    }


def keys_decided_otherwise(old: Iterable[Finding], new: Iterable[Finding]) -> set[str]:
    """Keys that both sides reach, with which any decision differs."""
    before, after = _decisions(old), _decisions(new)
    return {arn for arn in before.keys() & after.keys() if before[arn] != after[arn]}


def _strengths(findings: Iterable[Finding]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for finding in findings:
        for arn, ranks in finding.reach.strength.items():
            held = found.setdefault(arn, {})
            held.update({c: max(rank, held.get(c, 0)) for c, rank in ranks.items()})
    return found


def _decisions(findings: Iterable[Finding]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for finding in findings:
        for arn, decided in finding.reach.by_key.items():
            found.setdefault(arn, []).append(decided)
    return {arn: sorted(decided) for arn, decided in found.items()}
