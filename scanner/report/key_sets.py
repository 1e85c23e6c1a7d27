"""Which keys a path reaches beyond those that its card names: the page lists each set of keys once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scanner.model.finding import Finding, KeyRow
from scanner.report.keys import key_arns, key_names, named_keys

NAMED = 10
"""Keys that a card names itself."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by ARN and name, with their id in the page and the findings that reach them; `more` are not held."""

    anchor: str
    keys: tuple[tuple[str, str], ...]
    more: int
    finding_ids: tuple[str, ...]


def key_sets(findings: Iterable[Finding], key_rows: Iterable[KeyRow]) -> Mapping[str, KeySet]:
    """The set of every finding that reaches more keys than its card names, by the finding's id.

    Paths that enter by different roles often end at the same keys; a thousand names on each card would be most of it.
    """
    names = key_names(tuple(key_rows))
    reaching: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for finding in findings:
        arns = tuple(sorted(key_arns(finding)))
        if finding.key is None and len(arns) > NAMED:
            reaching.setdefault((arns, finding.keys_total), []).append(finding.id)
    found: dict[str, KeySet] = {}
    for number, ((arns, total), ids) in enumerate(reaching.items(), 1):
        keys = KeySet(f"k{number}", named_keys(arns, names), max(0, total - len(arns)), tuple(ids))
        found.update(dict.fromkeys(ids, keys))
    return found
