"""Who reaches whom: what is counted, in which order, and what is said about the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scanner.model.finding import Finding, FindingVerdict, Grantee, Kind, Severity
from scanner.report.matrix import MOST_COLUMNS, MOST_ROWS, AccountMatrix, account_matrix
from scanner.report.ordering import worst_first

import report_builders as build


def finding(number: int = 0, *, grantee: Grantee | None = None, **changes: object) -> Finding:
    """The stranger's finding, on a key and with an id of its own."""
    arn = f"{build.KEY_ARN[:-4]}{number:04d}"
    base = build.stranger_finding(id=f"kx-{number:012d}", key=build.key_facts(arn=arn))
    return replace(base, grantee=grantee or base.grantee, **changes)  # type: ignore[arg-type]


def caller(number: int, party: str = "unknown_third_party") -> Grantee:
    """An account that is named by its root."""
    account = f"{number:012d}"
    return Grantee(f"arn:aws:iam::{account}:root", "account", account, "", party)


def matrix(*findings: Finding) -> AccountMatrix:
    """The matrix of findings in any order."""
    return account_matrix(worst_first(findings))


def test_cell_counts_keys_once_and_leads_to_the_worst_finding() -> None:
    worse = finding(2, severity=Severity.CRITICAL)
    found = matrix(
        finding(1, severity=Severity.LOW),
        worse,
        replace(finding(2, severity=Severity.LOW), id="kx-again", kind=Kind.FOREIGN_KEY_USE),
    )
    ((cell,),) = [row.cells for row in found.rows]
    assert cell is not None
    assert (cell.keys, cell.letter, cell.worst.id, cell.more) == (2, "C", worse.id, False)
    assert found.columns == (f"payments-prod ({build.OWNER})",)


def test_callers_stand_from_unknown_to_organization_and_the_worst_first_within() -> None:
    found = matrix(
        finding(1, grantee=caller(1, "same_organization"), severity=Severity.CRITICAL),
        finding(2, grantee=caller(2, "approved_partner"), severity=Severity.CRITICAL),
        finding(3, grantee=caller(3), severity=Severity.LOW),
        finding(4, grantee=caller(4), severity=Severity.HIGH),
        finding(5, grantee=caller(5, "martian"), severity=Severity.INFO),
        finding(6, grantee=Grantee("logs.amazonaws.com", "service", "", "", "service_guarded")),
    )
    assert [(row.caller.strip("0"), row.group) for row in found.rows] == [
        ("4", "unknown"),
        ("3", "unknown"),
        ("5", "unknown"),
        ("2", "partner"),
        ("service `logs.amazonaws.com`", "AWS service"),
        ("1", "organization"),
    ]


@pytest.mark.parametrize("verdict", [FindingVerdict.BLOCKED, FindingVerdict.INEFFECTIVE])
def test_what_is_blocked_or_without_effect_reaches_nothing(verdict: FindingVerdict) -> None:
    assert matrix(finding(verdict=verdict)).rows == ()


def test_hygiene_of_a_key_is_nobodys_reach() -> None:
    assert matrix(finding(kind=Kind.KEY_HYGIENE)).rows == ()


def test_provider_of_ours_is_no_account_of_ours() -> None:
    provider = "arn:aws:iam::012345670123:oidc-provider/token.actions.githubusercontent.com#*"
    found = matrix(finding(grantee=Grantee(provider, "federated", build.OWNER, "payments", "federated_open")))
    assert [row.caller for row in found.rows] == [f"identity provider `{provider}`"]


def test_finding_that_names_only_some_keys_counts_as_the_least() -> None:
    keys = (build.key_facts(), build.key_facts(arn=build.LOG_KEY_ARN))
    found = matrix(replace(finding(kind=Kind.ASSUMED_ROLE_PATH), key=None, keys=keys, keys_total=31))
    ((cell,),) = [row.cells for row in found.rows]
    assert cell is not None
    assert (cell.keys, cell.more) == (2, True)
    assert found.notes[0].startswith("1 finding names only the worst of the keys")


def test_unread_key_of_a_stranger_has_a_column() -> None:
    unread = replace(finding(kind=Kind.FOREIGN_KEY_USE), key=None, keys=(), keys_total=1)
    found = matrix(unread)
    assert found.columns == (f"{unread.resource.account_name} ({unread.resource.account_id})",)
    assert found.notes == ()


def test_above_forty_callers_only_medium_and_worse_stand_and_the_rest_is_counted() -> None:
    few = [finding(n, grantee=caller(n), severity=Severity.LOW) for n in range(40)]
    assert len(matrix(*few).rows) == 40
    more = [*few, *(finding(n, grantee=caller(n), severity=Severity.MEDIUM) for n in range(40, 43))]
    found = matrix(*more)
    assert len(found.rows) == 3
    assert found.notes == ("40 more callers not shown, with 40 keys and nothing above low.",)


def test_matrix_has_an_end_and_says_what_is_behind_it() -> None:
    found = matrix(*(finding(n, grantee=caller(n), severity=Severity.HIGH) for n in range(MOST_ROWS + 5)))
    assert len(found.rows) == MOST_ROWS
    assert found.notes == ("5 more callers not shown, with 5 keys and nothing above high.",)


def test_accounts_beyond_the_last_column_are_counted() -> None:
    found = matrix(*(
        finding(n, key=build.key_facts(arn=f"{build.KEY_ARN[:-4]}{n:04d}", account_id=f"{n:012d}", account_name=""))
        for n in range(MOST_COLUMNS + 3)
    ))  # fmt: skip
    assert len(found.columns) == MOST_COLUMNS
    assert found.notes == ("3 more accounts not shown, with 3 keys that these callers reach.",)


def test_path_counts_every_key_that_it_reaches_not_only_those_it_names() -> None:
    base = finding(1)
    arns = {
        f"arn:aws:kms:eu-west-1:{account}:key/{n}": "d" for account in ("111122223333", "999900001111") for n in "ab"
    }
    role = replace(base.resource, kind="role")
    path = replace(base, key=None, keys=(), keys_total=4, resource=role, reach=replace(base.reach, by_key=arns))
    found = matrix(path)
    assert [cell and (cell.keys, cell.more) for row in found.rows for cell in row.cells] == [(2, False), (2, False)]
    (row,) = matrix(replace(path, keys_total=5)).rows
    assert {cell and cell.more for cell in row.cells} == {True}
