"""How findings of one snapshot are counted that the present engine and configuration rank otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scanner.baseline import judged_otherwise
from scanner.model.finding import Approval, Finding, Severity

import report_builders as build

OLD = build.stranger_finding(severity=Severity.HIGH)
COVERS, BEYOND = (Approval("RISK-1", "2027-01-01", covered) for covered in (True, False))


def ranked(severity: Severity, approval: Approval | None = None) -> Finding:
    """The finding with this severity, of a grantee that is approved so."""
    return replace(OLD, severity=severity, grantee=replace(OLD.grantee, approval=approval))


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        (OLD, OLD, {}),
        (OLD, ranked(Severity.MEDIUM), {"lower": 1}),
        (OLD, ranked(Severity.CRITICAL), {"higher": 1}),
        (OLD, ranked(Severity.INFO, COVERS), {"lower": 1, "lower_by_approval": 1}),
        (OLD, ranked(Severity.INFO, BEYOND), {"lower": 1}),
        (ranked(Severity.HIGH, BEYOND), ranked(Severity.INFO, COVERS), {"lower": 1, "lower_by_approval": 1}),
        (ranked(Severity.LOW, COVERS), ranked(Severity.INFO, COVERS), {"lower": 1}),
        (ranked(Severity.INFO), ranked(Severity.HIGH, COVERS), {"higher": 1}),
        (OLD, ranked(Severity.HIGH, COVERS), {}),
    ],
)
def test_finding_is_counted_by_the_direction_of_its_severity(
    old: Finding, new: Finding, counts: dict[str, int]
) -> None:
    assert judged_otherwise([old], [new]) == counts


def test_finding_that_is_not_given_any_more_is_counted_apart_and_a_new_one_not_at_all() -> None:
    others = [replace(OLD, id=f"kx-{n}") for n in range(3)]
    assert judged_otherwise([OLD, *others[:2]], [others[0], others[2]]) == {"none": 2}


def test_counts_add_up_over_findings() -> None:
    olds = [replace(OLD, id=f"kx-{n}") for n in range(4)]
    news = [replace(ranked(Severity.LOW if n else Severity.CRITICAL), id=f"kx-{n}") for n in range(3)]
    assert judged_otherwise(olds, news) == {"higher": 1, "lower": 2, "none": 1}
