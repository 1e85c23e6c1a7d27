"""Which checkboxes the findings of a page can be filtered with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scanner.model.finding import Finding, FindingVerdict, Kind, Severity
from scanner.report.method import PARTIES

OTHER = "other"


@dataclass(frozen=True, slots=True)
class FilterOption:
    """A checkbox: its id, the value it stands for, how many findings have it, and whether it starts checked."""

    id: str
    value: str
    count: int
    checked: bool


@dataclass(frozen=True, slots=True)
class Filter:
    """A row of checkboxes."""

    name: str
    options: tuple[FilterOption, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """A set of filter values that some finding has: shown while all its checkboxes are checked."""

    name: str
    option_ids: tuple[str, ...]


def filter_options(finding: Finding) -> tuple[str, ...]:
    """Ids of the checkboxes that a finding belongs to."""
    return f"s-{finding.severity}", f"v-{finding.verdict}", f"k-{finding.kind}", f"p-{shown_party(finding)}"


def filter_combinations(findings: Iterable[Finding]) -> tuple[Combination, ...]:
    """Every set of filter values that occurs, with the class that its cards carry."""
    found = sorted({filter_options(finding) for finding in findings})
    return tuple(Combination(f"c{number}", options) for number, options in enumerate(found))


def page_filters(findings: Sequence[Finding]) -> tuple[Filter, ...]:
    """One row of checkboxes per dimension; info starts unchecked, unless the page holds nothing else."""
    hidden = {Severity.INFO.value} if any(finding.severity is not Severity.INFO for finding in findings) else set()

    def row(name: str, prefix: str, values: Iterable[str], counts: Mapping[str, int]) -> Filter:
        options = (
            FilterOption(f"{prefix}-{value}", value, counts[value], checked=value not in hidden)
            for value in values
            if counts[value]
        )
        return Filter(name, tuple(options))

    return (
        row("Severity", "s", Severity, Counter(finding.severity.value for finding in findings)),
        row("Verdict", "v", FindingVerdict, Counter(finding.verdict.value for finding in findings)),
        row("Kind", "k", Kind, Counter(finding.kind.value for finding in findings)),
        row("Party", "p", (*PARTIES, OTHER), Counter(shown_party(finding) for finding in findings)),
    )


def shown_party(finding: Finding) -> str:
    """The party of a finding as a filter knows it."""
    return finding.grantee.party if finding.grantee.party in PARTIES else OTHER
