"""What `what-if` answers, before it becomes text or JSON."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.model.difference import Compared
from scanner.model.finding import FindingVerdict, Severity


@dataclass(frozen=True, slots=True)
class FindingChange:
    """A finding that would appear, go away or read differently; None where it is not there."""

    id: str
    title: str
    old_verdict: FindingVerdict | None
    new_verdict: FindingVerdict | None
    old_severity: Severity | None
    new_severity: Severity | None


@dataclass(frozen=True, slots=True)
class Control:
    """Who could change the policy of a key whose policy was replaced (R9.10).

    `sure` are the principals of its account that could, `perhaps` those of which it is not known, `before` whether
    somebody can today.
    """

    key_arn: str
    name: str
    sure: tuple[str, ...]
    perhaps: tuple[str, ...]
    before: bool


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The difference that documents would make.

    `changes` say what was put where; `keys` counts the keys that were judged twice. `outside` compares outsiders,
    `inside` the principals of each key's own account; it is None where those are too many to be compared.
    """

    changes: tuple[str, ...]
    keys: int
    outside: Compared
    inside: Compared | None
    findings: tuple[FindingChange, ...]
    control: tuple[Control, ...]
    warnings: tuple[str, ...]
