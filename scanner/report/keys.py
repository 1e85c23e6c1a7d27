"""View model of the keys of a page: each with its row, its whole policies and its grants."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from scanner.model.decision import Layer
from scanner.model.finding import Finding, KeyRow, Severity
from scanner.model.key import Grant
from scanner.report.escape import visible
from scanner.report.source import Documents, SourceLine, SourceView, source_lines

GRANTS_SHOWN = 100
"""Grants of one key that a page lists; a key can hold 50,000, and the snapshot has all of them."""


@dataclass(frozen=True, slots=True)
class KeyHolding:
    """What the snapshot holds of a key: names and SHA-256 of its policies, and the first of its grants."""

    policies: tuple[tuple[str, str], ...] = ()
    grants: tuple[Grant, ...] = ()


Holdings = Callable[[str], KeyHolding]
"""Gives what the snapshot holds of a key by its ARN; an empty holding for a key it does not know."""


def nothing_held(key_arn: str) -> KeyHolding:
    """The holding of a key where no snapshot is at hand."""
    del key_arn
    return KeyHolding()


@dataclass(frozen=True, slots=True)
class PolicyView:
    """A policy of a key, whole, with the statements tinted that findings cite.

    `same_as` is the first key of the page with that text and those tints; the page shows them once, there.
    """

    source: SourceView
    finding_ids: tuple[str, ...]
    same_as: KeyRow | None = None


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key of the page: its row of keys.csv, its policies, and the first of its `row.grants` grants.

    `finding_ids` are all findings that are about or reach it; `severities` counts those that nobody accepted, and
    `accepted` the others.
    """

    row: KeyRow
    anchor: str
    finding_ids: tuple[str, ...]
    severities: tuple[tuple[str, int], ...]
    accepted: int
    policies: tuple[PolicyView, ...]
    grants: tuple[Grant, ...]


def key_anchor(key_arn: str) -> str:
    """Id of a key's row: short, and without characters that come from AWS.

    Made of the visible form, which is the one that survives in keys.csv.
    """
    return f"key-{hashlib.sha256(visible(key_arn).encode()).hexdigest()[:12]}"


def key_names(key_rows: Sequence[KeyRow]) -> dict[str, str]:
    """The first alias of every key, or its id, by anchor; with the Region where keys of several have that alias."""
    names = {key_anchor(row.key_arn): (row.aliases or (row.key_arn.rsplit("/", 1)[-1],))[0] for row in key_rows}
    often, regions = Counter(names.values()), {key_anchor(row.key_arn): row.region for row in key_rows}
    return {anchor: f"{name} in {regions[anchor]}" if often[name] > 1 else name for anchor, name in names.items()}


def named_keys(arns: Iterable[str], names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """ARNs with the names of `key_names`, sorted by name; a key without a row goes by its id."""
    named = ((arn, names.get(key_anchor(arn), arn.rsplit("/", 1)[-1])) for arn in arns)
    return tuple(sorted(named, key=lambda key: (key[1], key[0])))


def sorted_rows(rows: Iterable[KeyRow]) -> list[KeyRow]:
    """Rows of keys in the order in which pages list them."""
    return sorted(rows, key=lambda row: (row.account_id, row.region, row.key_arn))


def key_arns(finding: Finding) -> tuple[str, ...]:
    """The keys that a finding is about or reaches: the one, or those it names and all of a path up to 1,000."""
    if finding.key:
        return (finding.key.arn,)
    return tuple(dict.fromkeys((*(key.arn for key in finding.keys), *sorted(finding.reach.by_key))))


def findings_by_key(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """The findings that are about or reach a key, by the key's anchor, in the order given."""
    found: dict[str, list[Finding]] = {}
    anchor_of = cache(key_anchor)
    for finding in findings:
        for arn in key_arns(finding):
            found.setdefault(anchor_of(arn), []).append(finding)
    return found


def key_views(
    rows: Iterable[KeyRow], by_key: Mapping[str, Sequence[Finding]], texts: Documents, holdings: Holdings
) -> tuple[KeyView, ...]:
    """The keys of a page, in the order of `sorted_rows`."""
    views = []
    shown: dict[tuple[SourceLine, ...], KeyRow] = {}
    for row in sorted_rows(rows):
        anchor = key_anchor(row.key_arn)
        here, held = by_key.get(anchor, ()), holdings(row.key_arn)
        ids = tuple(finding.id for finding in here)
        counts = Counter(finding.severity for finding in here if not finding.is_suppressed)
        severities = tuple((severity.value, counts[severity]) for severity in Severity if counts[severity])
        accepted = sum(finding.is_suppressed for finding in here)
        policies = tuple(_once(policy, row, shown) for policy in _policies(row.key_arn, here, held, texts))
        views.append(KeyView(row, anchor, ids, severities, accepted, policies, held.grants))
    return tuple(views)


def _once(policy: PolicyView, row: KeyRow, shown: dict[tuple[SourceLine, ...], KeyRow]) -> PolicyView:
    """The policy with the key that shows the same lines already: keys made from one template carry one text."""
    lines = policy.source.lines
    first = shown.setdefault(lines, row) if lines else row
    return policy if first is row else replace(policy, same_as=first)


def _policies(key_arn: str, findings: Sequence[Finding], held: KeyHolding, texts: Documents) -> tuple[PolicyView, ...]:
    """Every policy of the key, whether a finding cites it or not, and those cited ones that are not at hand."""
    anchor = key_anchor(key_arn)
    ranges: dict[tuple[str, str], set[tuple[int, int]]] = {place: set() for place in held.policies}
    citing: dict[tuple[str, str], dict[str, None]] = {}
    for finding in findings:
        own = [*finding.mechanism.statements]
        own += [ref for gate in finding.path.layers if gate.layer is Layer.KEY_POLICY for ref in gate.statements]
        for ref in own:
            if ref.line_from and key_anchor(ref.source) == anchor:
                place = (ref.document, ref.sha256)
                ranges.setdefault(place, set()).add((ref.line_from, ref.line_to))
                citing.setdefault(place, {})[finding.id] = None
    views = []
    for (document, sha256), cited in sorted(ranges.items()):
        text = texts(sha256)
        lines = () if text is None else source_lines(text, 0, 0, (), sorted(cited))
        source = SourceView(document, key_arn, sha256, 1 if lines else 0, len(lines), lines)
        views.append(PolicyView(source, tuple(citing.get((document, sha256), ()))))
    return tuple(views)
