"""Which findings a reviewed exception accepts: never more than it names, and not beyond its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.model.finding import Finding, KeyFactsRef, KeyRow
from scanner.model.lifecycle import Lifecycle, Suppression, SuppressionNote, SuppressionState
from scanner.model.suppression import Selector, SuppressionEntry

_BEST_FIRST = (
    SuppressionState.ACTIVE, SuppressionState.PARTIAL, SuppressionState.FINGERPRINT_CHANGED, SuppressionState.EXPIRED,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The findings with the entries that concern them, and what every entry did, in the order of the file."""

    findings: tuple[Finding, ...]
    notes: tuple[SuppressionNote, ...]


def suppress(findings: Sequence[Finding], entries: Sequence[SuppressionEntry], as_of: str) -> Suppressed:
    """Hold every finding against every entry.

    Args:
        findings: with their lifecycle, where there is a baseline: an accepted one that grew since is noted.
        as_of: evaluation time in ISO 8601; an entry holds to the end of its last day.
    """
    said: dict[int, dict[SuppressionState, list[Finding]]] = {place: {} for place in range(len(entries))}
    found = []
    for finding in findings:
        states = {place: _state(entry, finding, as_of[:10]) for place, entry in enumerate(entries)}
        fitting = {place: state for place, state in states.items() if state is not None}
        for place, state in fitting.items():
            said[place].setdefault(state, []).append(finding)
        best = min(fitting, key=lambda place: (_BEST_FIRST.index(fitting[place]), place), default=None)
        found.append(replace(
            finding, suppression=None if best is None else _applied(entries[best], fitting[best], finding)
        ))  # fmt: skip
    return Suppressed(tuple(found), tuple(_note(e, said[place], as_of[:10]) for place, e in enumerate(entries)))


def recounted(rows: Sequence[KeyRow], judged: Sequence[Finding], findings: Sequence[Finding]) -> Iterator[KeyRow]:
    """Rows of keys.csv with accepted findings in their own column, and with those that were not rechecked.

    Args:
        judged: the findings that the rows count already.
    """
    known = {f.id for f in judged}
    changes: dict[str, Counter[str]] = {}
    for finding in findings:
        if finding.key is not None:
            change = changes.setdefault(finding.key.arn, Counter())
            accepted = finding.is_suppressed
            change[finding.severity] += (finding.id not in known) - accepted
            change["suppressed"] += accepted
    for row in rows:
        counts = {name: max(0, getattr(row, name) + more) for name, more in changes.get(row.key_arn, {}).items()}
        yield replace(row, **counts)


def _state(entry: SuppressionEntry, finding: Finding, day: str) -> SuppressionState | None:
    """What the entry does for the finding; None where it is not about it."""
    held = {c.capability for c in finding.capabilities}
    covered = held & set(entry.selector.capabilities) if entry.selector else held
    if entry.selector is None:
        if entry.id != finding.id:
            return None
    elif not covered or not _fits(entry.selector, finding):
        return None
    if day > entry.expires:
        return SuppressionState.EXPIRED
    if entry.fingerprint and entry.fingerprint != finding.fingerprint:
        return SuppressionState.FINGERPRINT_CHANGED
    return SuppressionState.ACTIVE if covered == held else SuppressionState.PARTIAL


def _applied(entry: SuppressionEntry, state: SuppressionState, finding: Finding) -> Suppression:
    covered = tuple(dict.fromkeys(
        c.capability for c in finding.capabilities if not entry.selector or c.capability in entry.selector.capabilities
    ))  # fmt: skip
    return Suppression(entry.reason, entry.owner, entry.ticket, entry.expires, state, covered)


def _note(entry: SuppressionEntry, said: dict[SuppressionState, list[Finding]], day: str) -> SuppressionNote:
    state = next((s for s in _BEST_FIRST if s in said), SuppressionState.UNUSED)
    if day > entry.expires:
        state = SuppressionState.EXPIRED
    accepted = said.get(SuppressionState.ACTIVE, [])
    return SuppressionNote(
        entry.label, entry.reason, entry.owner, entry.ticket, entry.expires, state,
        tuple(f.id for f in said.get(state, ())),
        widened=tuple(f.id for f in accepted if f.lifecycle == Lifecycle.WIDENED and not entry.fingerprint),
        graver=tuple(f.id for f in accepted if f.rise is not None),
    )  # fmt: skip


# -- selectors --------------------------------------------------------------------------------------------------------


def _fits(asked: Selector, finding: Finding) -> bool:
    """Whether the finding is of the selector's kind, and all its keys and its grantee are what the selector names."""
    keys = (finding.key,) if finding.key else finding.keys
    listed = bool(keys) and finding.keys_total <= len(keys)
    grantee = finding.grantee
    return (
        asked.kind in {"", finding.kind}
        and listed
        and all(_fits_key(asked, key) for key in keys)
        and _matches(asked.grantee_account, grantee.account_id)
        and _matches(asked.grantee_selector, grantee.selector)
    )


def _fits_key(asked: Selector, key: KeyFactsRef) -> bool:
    return (
        _matches(asked.key_account, key.account_id)
        and _matches(asked.key_arn, key.arn)
        and _matches(asked.key_region, key.region)
        and (not asked.key_alias or any(_matches(asked.key_alias, alias) for alias in key.aliases))
        and all(name in key.tags and _matches(value, key.tags[name]) for name, value in asked.key_tags.items())
    )


def _matches(pattern: str, text: str) -> bool:
    """Whole texts only: `*` and `?` are the only signs, and `ci-logs` is not `ci-logs-replica`."""
    return not pattern or glob(tokens_of(pattern)).matches(text)
