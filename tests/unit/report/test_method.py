"""What the report says about severity is what severity does: every cell, step and list is tied to the tables.

Reports and analysis may not import each other, so the text stands in `method.py` and this file compares the two.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from scanner.analyze.keys.severity import (
    ACROSS_BOUNDARY,
    COLUMN,
    EXPOSED_PARTIES,
    KEY_HYGIENE,
    LEFT,
    RIGHT,
    TABLE,
    UNMANAGEABLE_IN_USE,
    Exposure,
    SeverityRules,
    rank,
    severity_of,
)
from scanner.model.conditions import CONDITION_KEYS
from scanner.model.finding import FindingVerdict, Kind, Severity
from scanner.report.method import (
    CAPABILITIES,
    CONDITION_STEPS,
    PARTIES,
    SEVERITY_BASE,
    SEVERITY_NOTES,
    SEVERITY_OTHER_KINDS,
    SEVERITY_STEPS,
    VERDICTS,
)

CAPABILITY = {column: next(c for c, at in COLUMN.items() if at == column) for column in COLUMN.values()}
ORDER = sorted(Severity, key=rank)


def quoted(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def row_of(party: str) -> tuple[str, ...]:
    """The one row of the printed table about a party, without the narrower rows that name it too."""
    rows = [row for row in SEVERITY_BASE.rows if party in quoted(row[0])]
    alone = [row for row in rows if re.match(rf"`{party}`(:|$)", row[0])]
    (found,) = alone or rows
    return found


def outcome(party: str, column: int, verdict: FindingVerdict = FindingVerdict.CONFIRMED, **more: object) -> Severity:
    """What `severity.py` says."""
    parts: dict[str, object] = {"kind": Kind.EXTERNAL_ACCESS, "caller_chosen": False, "tags": {}} | more
    return severity_of(
        Exposure(
            party=party, capability=CAPABILITY[column], verdict=verdict, key_arn="k", grantee="g",
            **parts,  # type: ignore[arg-type]  # values of the dictionary have the types of the fields
        ),
        SeverityRules({"data": ("secret",)}),
    )[0]  # fmt: skip


def test_columns_of_the_printed_table_are_those_of_the_capabilities() -> None:
    printed = {name: column for column, names in enumerate(SEVERITY_BASE.head[1:]) for name in names.split(", ")}
    assert printed == COLUMN
    assert {row[0] for row in CAPABILITIES.rows} == set(COLUMN)


@pytest.mark.parametrize("party", TABLE)
def test_every_cell_of_a_party_is_printed_as_it_counts(party: str) -> None:
    assert row_of(party)[1:] == tuple(severity.value for severity in TABLE[party])
    assert row_of(party)[1:] == tuple(outcome(party, column).value for column in sorted(CAPABILITY))


def test_parties_of_the_filters_are_those_of_the_printed_table_in_its_order() -> None:
    printed = [name for row in SEVERITY_BASE.rows for name in quoted(row[0]) if name in PARTIES]
    assert tuple(dict.fromkeys(printed)) == PARTIES
    assert set(TABLE) <= set(PARTIES)


def test_verdict_steps_are_printed_for_the_parties_they_count_for() -> None:
    named = set(quoted(SEVERITY_STEPS[0]))
    assert named & set(TABLE) == EXPOSED_PARTIES
    assert "stay at high or above" in SEVERITY_STEPS[0]
    assert {row[0] for row in VERDICTS.rows} == {verdict.value for verdict in FindingVerdict}


@pytest.mark.parametrize("party", TABLE)
@pytest.mark.parametrize("column", sorted(CAPABILITY))
def test_verdict_steps_do_what_is_printed(party: str, column: int) -> None:
    base = TABLE[party][column]
    lower = ORDER[max(rank(base) - 1, 0)]
    exposed = party in EXPOSED_PARTIES
    possible = max(lower, Severity.HIGH, key=rank) if exposed and column == LEFT else lower
    assert outcome(party, column, FindingVerdict.CONDITIONAL) is lower
    assert outcome(party, column, FindingVerdict.CONDITIONAL, caller_chosen=True) is base
    assert outcome(party, column, FindingVerdict.POSSIBLE) is possible
    assert outcome(party, column, FindingVerdict.BLOCKED) is (Severity.LOW if exposed else Severity.INFO)
    assert outcome(party, column, FindingVerdict.INEFFECTIVE) is Severity.INFO


@pytest.mark.parametrize("verdict", FindingVerdict)
def test_sensitive_tag_steps_up_by_one_but_not_for_blocked_and_ineffective(verdict: FindingVerdict) -> None:
    assert SEVERITY_STEPS[1] == (
        "One step up when a key's tags match `severity.sensitive_tags`; not for blocked and ineffective."
    )
    plain = outcome("same_organization", LEFT, verdict)
    still = verdict in {FindingVerdict.BLOCKED, FindingVerdict.INEFFECTIVE}
    assert rank(outcome("same_organization", LEFT, verdict, tags={"data": "secret"})) == rank(plain) + (not still)


def test_fence_on_grants_counts_in_the_column_that_is_printed() -> None:
    assert "counts in the middle column" in SEVERITY_NOTES[0]
    assert "`kms:GrantIsForAWSResource` in the right one" in SEVERITY_NOTES[0]
    for fence in (1, RIGHT):
        found = outcome("unknown_third_party", LEFT, FindingVerdict.CONDITIONAL, fence=fence)
        assert found is TABLE["unknown_third_party"][fence]


def test_row_of_a_crossed_boundary_counts_as_it_is_printed() -> None:
    (row,) = [row for row in SEVERITY_BASE.rows if row[0] == "`same_organization`, crosses a declared boundary"]
    assert row[1:] == tuple(severity.value for severity in ACROSS_BOUNDARY)
    found = [outcome("same_organization", column, crosses=("prod",)) for column in sorted(CAPABILITY)]
    assert tuple(found) == ACROSS_BOUNDARY


def test_sensitive_boundary_steps_up_as_printed() -> None:
    assert SEVERITY_STEPS[2].startswith("One step up when same-organization access crosses into a boundary marked")
    stepped = outcome("same_organization", LEFT, crosses=("prod",), into_sensitive=("prod",))
    assert stepped is Severity.HIGH


def other_base(kind: Kind, reason: str) -> list[str]:
    """The cells of the printed table about a reason of a kind, split at their semicolons."""
    cells = [row for row in SEVERITY_OTHER_KINDS.rows if row[0] == f"`{kind}`" and reason in quoted(row[1])]
    return [part for row in cells for part in row[2].split("; ")]


def test_ineffective_permissions_start_where_the_table_says() -> None:
    ineffective = {"kind": Kind.INEFFECTIVE_PERMISSION, "verdict": FindingVerdict.INEFFECTIVE}
    plain = outcome("public", LEFT, **ineffective)  # type: ignore[arg-type]  # as above
    low = outcome("public", LEFT, reason="unsupported_condition_key", **ineffective)  # type: ignore[arg-type]  # as above
    assert other_base(Kind.INEFFECTIVE_PERMISSION, "unsupported_condition_key") == [plain.value, low.value]


@pytest.mark.parametrize("reason", KEY_HYGIENE)
def test_faults_of_a_key_start_where_the_table_says(reason: str) -> None:
    plain = outcome("public", LEFT, kind=Kind.KEY_HYGIENE, reason=reason)
    in_use = outcome("public", LEFT, kind=Kind.KEY_HYGIENE, reason=reason, in_use=True)
    expected = [plain.value] if plain is in_use else [plain.value, in_use.value]
    assert other_base(Kind.KEY_HYGIENE, reason) == expected
    assert (in_use is UNMANAGEABLE_IN_USE) is (reason == "unmanageable_key")


def test_condition_keys_that_are_printed_as_chosen_by_the_caller_are_those_of_the_table() -> None:
    chosen, _, fixed = (quoted(row[1]) for row in CONDITION_STEPS.rows)
    of_strangers = "aws:PrincipalTag/*"
    for name, key in CONDITION_KEYS.items():
        printed = any(fnmatchcase(name, pattern.lower()) for pattern in chosen if pattern != of_strangers)
        algorithm = name.startswith("kms:") and key.caller_chosen and not printed
        assert printed == key.caller_chosen or algorithm, name
        if any(fnmatchcase(name, pattern.lower()) for pattern in fixed):
            assert not key.caller_chosen, name
    assert of_strangers in chosen
    assert of_strangers in fixed
    assert "algorithm and spec keys (R6.X)" in CONDITION_STEPS.rows[0][1]
