"""Accounts from files and from lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from scanner.collect.account_files import accounts_from_file
from scanner.collect.accounts import Tree, select
from scanner.collect.settings import CollectSettings
from scanner.errors import UsageError
from scanner.snapshot.rows import AccountRow, OuRow

A, B, C = "111122223333", "444455556666", "012345670123"


def settings(**values: object) -> CollectSettings:
    return CollectSettings(run_id="r", member_role="x", **values)  # type: ignore[arg-type]


def written(folder: Path, text: str, name: str = "accounts.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_gives_ids_and_names_and_keeps_leading_zeros(tmp_path: Path) -> None:
    path = written(tmp_path, f"\ufeffname,account_id\nOne,{A}\nZero, {C} \nagain,{A}\n")
    assert [(row.account_id, row.name) for row in accounts_from_file(path)] == [(A, "again"), (C, "Zero")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,name\n1,x\n", ":1: there is no column `account_id`"),
        ("", ":1: there is no column `account_id`"),
        (f"account_id\n{A}\n12345\n", ":3: `12345` must be a 12-digit account id"),
        ("account_id,name\n,x\n", ":2: `` must be a 12-digit account id"),
    ],
)
def test_bad_csv_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        accounts_from_file(path)
    assert caught.value.message == f"{path}{message}"


def test_missing_or_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"account_id\n\xff\xfe\n")
    for name in ("absent.csv", "b.csv"):
        with pytest.raises(UsageError):
            accounts_from_file(tmp_path / name)


CUSTODIAN = f"""
vars: {{charge_code: xyz}}
accounts:
- account_id: '{A}'
  name: payroll
  regions: &id001 [us-east-1, eu-west-1]
  role: arn:aws:iam::{A}:role/Custodian
  tags: [type:prod]
- account_id: {C}
  regions: *id001
  role: [arn:aws:iam::{A}:role/Hub, arn:aws:iam::{C}:role/Custodian]
"""


@pytest.mark.parametrize("name", ["accounts.yml", "accounts.YAML"])
def test_accounts_file_of_c7n_org_gives_ids_and_names(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, CUSTODIAN, name)
    assert accounts_from_file(path) == [AccountRow(A, "payroll"), AccountRow(C)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subscriptions: []\n", ":1: there is no list `accounts`"),
        ("", ":1: there is no list `accounts`"),
        (f"accounts:\n  one: '{A}'\n", ":1: there is no list `accounts`"),
        (f"accounts:\n- account_id: '{A}'\n- name: x\n", ":3: `` must be a 12-digit account id"),
        (f"accounts:\n- '{A}'\n", ":2: `` must be a 12-digit account id"),
        ("accounts:\n- account_id: 12345\n", ":2: `12345` must be a 12-digit account id"),
        ("accounts: [\n- x", ":2: is not YAML: "),
        ("accounts: !!python/object/apply:os.system [x]\n- 1", ":2: is not YAML: "),
    ],
)
def test_bad_accounts_file_of_c7n_org_names_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text, "accounts.yml")
    with pytest.raises(UsageError) as caught:
        accounts_from_file(path)
    assert caught.value.message.startswith(f"{path}{message}")


@pytest.mark.parametrize("text", ["[" * 5000, "accounts: \x00"])
def test_hostile_accounts_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError):
        accounts_from_file(written(tmp_path, text, "accounts.yml"))


def test_accounts_file_of_c7n_org_hides_no_region_and_chooses_no_role(tmp_path: Path) -> None:
    path = written(tmp_path, CUSTODIAN, "accounts.yml")
    rows = select(settings(source="file", file=path), Tree())
    assert [(row.account_id, row.scanned) for row in rows] == [(C, True), (A, True)]


def test_listed_accounts_are_in_scope_and_the_organizations_others_are_listed() -> None:
    tree = Tree("r-1", complete=True, accounts={A: AccountRow(A, in_organization=True)}, parents={A: "r-1"})
    rows = {row.account_id: row for row in select(settings(source="ids", ids=(B,)), tree)}
    assert (rows[A].scanned, rows[A].in_organization) == (False, True)
    assert (rows[B].scanned, rows[B].in_organization) == (True, False)


def test_file_accounts_keep_what_the_organization_knows_about_them(tmp_path: Path) -> None:
    tree = Tree("r-1", complete=True, accounts={A: AccountRow(A, "real", status="SUSPENDED", in_organization=True)})
    path = written(tmp_path, f"account_id,name\n{A},listed\n{B},other\n")
    rows = {row.account_id: row for row in select(settings(source="file", file=path), tree)}
    assert (rows[A].name, rows[A].scanned, rows[A].exclusion_reason) == ("real", False, "the account is suspended")
    assert rows[B].name == "other"


def test_scope_without_an_account_is_refused() -> None:
    with pytest.raises(UsageError):
        select(settings(source="ids", ids=(A,), exclude=(A,)), Tree())


def test_account_outside_the_organization_is_refused_when_the_organization_is_the_source() -> None:
    tree = Tree("r-1", complete=True, accounts={A: AccountRow(A)})
    with pytest.raises(UsageError):
        select(settings(source="organization", ids=(B,)), tree)


def acme() -> Tree:
    """/Workloads/Prod with A, /Dev with B, C at the root."""
    names = {"ou-w": ("r-1", "Workloads"), "ou-p": ("ou-w", "Prod"), "ou-d": ("r-1", "Dev")}
    ous = {ou: OuRow(ou, parent, name) for ou, (parent, name) in names.items()}
    return Tree("r-1", True, {a: AccountRow(a) for a in (A, B, C)}, {A: "ou-p", B: "ou-d", C: "r-1"}, ous)


@pytest.mark.parametrize(
    ("values", "chosen"),
    [
        ({"include_ous": ("/Workloads",)}, {A}),
        ({"include_ous": ("ou-p", "ou-d")}, {A, B}),
        ({"include_ous": ("/",), "exclude_ous": ("/Dev",)}, {A, C}),
        ({"exclude_ous": ("r-1",), "include_ous": ("/Dev",)}, set()),
        ({"exclude": (C,)}, {A, B}),
    ],
)
def test_ous_and_exclusions_choose_accounts(values: dict[str, object], chosen: set[str]) -> None:
    if not chosen:
        with pytest.raises(UsageError, match="no account is in scope"):
            select(settings(**values), acme())
        return
    rows = select(settings(**values), acme())
    assert {row.account_id for row in rows if row.scanned} == chosen
    assert all(row.exclusion_reason for row in rows if not row.scanned)


@pytest.mark.parametrize("ou", ["/Workloads/Prd", "/Prod", "ou-x"])
def test_unknown_ou_is_refused_by_name(ou: str) -> None:
    with pytest.raises(UsageError, match=f"no OU `{ou}`"):
        select(settings(include_ous=(ou,)), acme())
