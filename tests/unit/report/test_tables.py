"""CSV files: columns, dialects, reading back."""

from __future__ import annotations

import csv
import io
import tracemalloc
from dataclasses import fields, replace
from pathlib import Path

import pytest
from scanner.errors import SnapshotError
from scanner.model.finding import AccessRow, CapabilityResult, FindingVerdict, KeyRow, Severity
from scanner.report import streams
from scanner.report.columns import ACCESS, FINDINGS, KEYS, TABLES, Table, names
from scanner.report.coverage_notes import cited_notes
from scanner.report.directory import RunDirectory
from scanner.report.escape import CsvDialect, csv_cell
from scanner.report.streams import AccessWriter, CoverageWriter, KeysWriter, join_list, read_key_rows, read_ledger
from scanner.report.tables import findings_csv

import report_builders as build
from builders import Line, line_of

each_dialect = pytest.mark.parametrize("dialect", CsvDialect)


def lines(content: bytes) -> list[dict[str, str]]:
    """Rows of a CSV file by column."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_columns_are_those_of_the_rows_they_hold() -> None:
    assert names(KEYS)[1:] == [field.name for field in fields(KeyRow)]
    assert names(ACCESS)[1:] == [*Line._fields, "key_aliases"]
    for columns in (table.columns for table in TABLES):
        assert columns[0].name == "schema_version"
        assert all(column.description for column in columns)
        assert len(set(names(columns))) == len(columns)


def test_findings_csv_has_a_bom_and_crlf_for_excel() -> None:
    content = findings_csv(build.document(), {}, CsvDialect.EXCEL)
    assert content.startswith(b"\xef\xbb\xbfschema_version,finding_id,")
    assert content.count(b"\r\n") == content.count(b"\n") == 5


def test_findings_csv_without_findings_has_a_header() -> None:
    content = findings_csv(build.document(findings=()), {}, CsvDialect.RFC4180)
    assert content.decode() == ",".join(names(FINDINGS)) + "\r\n"


def test_findings_csv_keeps_leading_zeros_and_links_to_the_report() -> None:
    notes = cited_notes(build.document().findings, build.ledger())
    worst = lines(findings_csv(build.document(), notes, CsvDialect.EXCEL))[0]
    assert worst["finding_id"] == "kx-pnfc3b5nav5y"
    assert worst["key_account_id"] == "012345670123"
    assert worst["key_account_name"] == "payments-prod (012345670123)"
    assert worst["grantee_account_name"] == f"no name ({build.STRANGER})"
    assert worst["report_link"] == "report.html#kx-pnfc3b5nav5y"
    assert worst["key_aliases"] == "alias/card-data; alias/card-data-v2"


def result(capability: str, condition: str, *actions: str) -> CapabilityResult:
    """A capability under a condition; empty for none."""
    verdict = FindingVerdict.CONDITIONAL if condition else FindingVerdict.CONFIRMED
    return CapabilityResult(capability, actions, verdict, Severity.HIGH, (), condition)


@pytest.mark.parametrize(
    ("results", "conditions"),
    [
        ((result("decrypt", "a = 1"), result("metadata", "a = 1")), "a = 1"),
        ((result("decrypt", ""), result("delegate", "b = true")), "delegate: b = true"),
        ((result("decrypt", "a = 1"), result("delegate", "b = true")), "decrypt: a = 1; delegate: b = true"),
        (
            (
                result("encrypt", "a = 1", "kms:Encrypt", "kms:ReEncryptTo"),
                result("encrypt", "", "kms:GenerateDataKey"),
            ),
            "Encrypt, ReEncryptTo: a = 1",
        ),
        ((result("decrypt", ""),), ""),
    ],
)
def test_findings_csv_says_which_capability_a_condition_bounds(
    results: tuple[CapabilityResult, ...], conditions: str
) -> None:
    finding = replace(build.partner_finding(), capabilities=results)
    (row,) = lines(findings_csv(build.document(findings=(finding,)), {}, CsvDialect.RFC4180))
    assert row["conditions"] == conditions
    assert row["capabilities"].split("; ") == list(dict.fromkeys(r.capability for r in results))


def test_findings_csv_says_what_was_not_read() -> None:
    notes = cited_notes(build.document().findings, build.ledger())
    rows = lines(findings_csv(build.document(), notes, CsvDialect.EXCEL))
    (possible,) = (row for row in rows if row["verdict"] == "possible")
    assert possible["coverage_note"].endswith("access denied (AccessDeniedException)")


@each_dialect
def test_keys_csv_reads_back_as_it_was_written(tmp_path: Path, dialect: CsvDialect) -> None:
    first, *rest = build.key_rows()
    odd = replace(first, account_name="", tags={"a=b;c": "d;e=f\\", "": ""}, aliases=("alias/x;y", "-alias"))
    written = (odd, *rest)
    with KeysWriter(RunDirectory.create(tmp_path, "run"), dialect) as writer:
        for row in written:
            writer.write(row)
    assert read_key_rows(tmp_path / "run" / "keys.csv") == written


@each_dialect
def test_coverage_csv_reads_back_as_it_was_written(tmp_path: Path, dialect: CsvDialect) -> None:
    with CoverageWriter(RunDirectory.create(tmp_path, "run"), dialect, {build.OWNER: "payments-prod"}) as writer:
        for row in build.ledger():
            writer.write(row, 2)
    path = tmp_path / "run" / "coverage.csv"
    assert read_ledger(path) == build.ledger()
    assert [row["findings_affected"] for row in lines(path.read_bytes())] == ["2", "2", "2"]


def test_table_of_a_failed_run_does_not_appear(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")

    def interrupted() -> None:
        with AccessWriter(directory, CsvDialect.EXCEL, {}) as writer:
            writer.write(build.access_rows()[0])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert list(directory.path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "other columns"),
        (b"a,b\r\n", "other columns"),
        (",".join(names(KEYS)).encode() + b"\r\n1,arn\r\n", "cut off"),
        (b"\xff\xfe", "no UTF-8"),
        (",".join(names(KEYS)).encode() + b'\r\n1,"arn', "line"),
    ],
)
def test_damaged_keys_csv_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "keys.csv"
    path.write_bytes(content)
    with pytest.raises(SnapshotError, match=why):
        read_key_rows(path)


def test_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="cannot be read"):
        read_ledger(tmp_path / "coverage.csv")


def test_impossible_values_are_refused(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    with KeysWriter(directory, CsvDialect.EXCEL) as keys:
        keys.write(replace(build.key_rows()[0], grants="many"))  # type: ignore[arg-type]
    with CoverageWriter(directory, CsvDialect.EXCEL, {}) as coverage:
        coverage.write(replace(build.ledger()[0], outcome="fine"), 0)  # type: ignore[arg-type]
    with pytest.raises(SnapshotError, match="no number"):
        read_key_rows(directory.path / "keys.csv")
    with pytest.raises(SnapshotError, match="no outcome"):
        read_ledger(directory.path / "coverage.csv")


PROMISED = {
    "findings.csv": (
        "finding_id, fingerprint, kind, lifecycle, severity, verdict, verdict_reason, title, key_account_id, "
        "key_account_name, key_region, key_arn, key_aliases, key_state, key_tags, keys_reached, grantee_party, "
        "grantee_kind, grantee_account_id, grantee_account_name, grantee_selector, vendor, mechanism, entry_role_arn, "
        "capabilities, actions, conditions, principals_reached, principals_sample, statement_sids, grant_ids, "
        "approval_ref, approval_expires, suppressed, suppressed_by, suppressed_until, first_seen, last_seen, "
        "remediation, coverage_note, report_link"
    ),
    "keys.csv": (
        "key_arn, account_id, account_name, region, aliases, state, manager, spec, usage, origin, family, tags, "
        "last_used, policy_read, grants_read, ram_read, delegates_to_iam, grants, critical, high, medium, low, info, "
        "suppressed"
    ),
    "access.csv": (
        "key_arn, principal_arn, principal_account_id, principal_account_name, party, capability, actions, decision, "
        "reason, conditions, mechanism, path, finding_id, principal_kind"
    ),
    "coverage.csv": (
        "account_id, account_name, region, call, subject, outcome, error_code, message, what_to_do, findings_affected"
    ),
}
"""What people have built on: columns are only ever added at the end."""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_columns_stay_where_they_were_promised(table: Table) -> None:
    assert names(table.columns)[: PROMISED[table.name].count(",") + 2] == [
        "schema_version", *PROMISED[table.name].split(", ")
    ]  # fmt: skip


def tables_in(folder: Path, dialect: CsvDialect, rows: bool) -> dict[str, bytes]:
    """The four files, with the rows of the builders or with none."""
    directory = RunDirectory.create(folder, "run")
    with (
        KeysWriter(directory, dialect) as keys,
        AccessWriter(directory, dialect, build.key_aliases()) as access,
        CoverageWriter(directory, dialect, {build.OWNER: "payments-prod"}) as coverage,
    ):
        if rows:
            keys.write(build.key_rows()[0])
            access.write(build.access_rows()[0])
            coverage.write(build.ledger()[2], 0)
    document = build.document() if rows else build.document(findings=())
    directory.write("findings.csv", findings_csv(document, {}, dialect))
    return {name: (directory.path / name).read_bytes() for name in directory.files()}


@each_dialect
def test_file_without_rows_has_its_header(tmp_path: Path, dialect: CsvDialect) -> None:
    mark = b"\xef\xbb\xbf" if dialect is CsvDialect.EXCEL else b""
    headers = {table.name: mark + ",".join(names(table.columns)).encode() + b"\r\n" for table in TABLES}
    assert tables_in(tmp_path, dialect, rows=False) == headers


def test_every_account_name_carries_its_id(tmp_path: Path) -> None:
    for name, content in tables_in(tmp_path, CsvDialect.EXCEL, rows=True).items():
        row = lines(content)[0]
        labels = [column for column in row if column.endswith("account_name")]
        assert labels, name
        for column in labels:
            account = row[column.removesuffix("name") + "id"]
            assert row[column].endswith(f" ({account})"), (name, column)


def test_row_of_access_names_its_key_by_every_alias_or_none(tmp_path: Path) -> None:
    (known,) = build.access_rows()
    unread = known._replace(key_arn=f"{build.KEY_ARN}b")
    with AccessWriter(RunDirectory.create(tmp_path, "run"), CsvDialect.RFC4180, build.key_aliases()) as access:
        access.write(known)
        access.write(unread)
    rows = lines((tmp_path / "run" / "access.csv").read_bytes())
    assert [row["key_aliases"] for row in rows] == ["alias/card-data; alias/card-data-v2", ""]


def test_finding_without_an_account_names_none() -> None:
    finding = replace(build.partner_finding(), grantee=replace(build.partner_finding().grantee, account_id="",
                                                               account_name=""))  # fmt: skip
    (row,) = lines(findings_csv(build.document(findings=(finding,)), {}, CsvDialect.EXCEL))
    assert row["grantee_account_name"] == ""


def test_finding_about_keys_of_several_accounts_names_each_once() -> None:
    key = build.partner_finding().key
    assert key is not None
    keys = (key, replace(key, arn=f"{key.arn}b"), replace(key, account_id="000000000042", account_name="a; b"))
    finding = replace(build.partner_finding(), key=None, keys=keys)
    (row,) = lines(findings_csv(build.document(findings=(finding,)), {}, CsvDialect.EXCEL))
    assert row["key_account_name"] == "payments-prod (012345670123); a\\; b (000000000042)"


@each_dialect
def test_row_of_access_is_what_a_csv_library_writes_of_its_cells(tmp_path: Path, dialect: CsvDialect) -> None:
    ((key_arn, who, what),) = build.access_rows()
    who = who._replace(account_name="payments")
    texts = ("", ",", '"', "a\r\nb", " = 1", "'", "\ud800", *build.HOSTILE)
    rows = [
        AccessRow(
            key_arn, who._replace(arn=one), what._replace(conditions=other, finding_verdict=one, actions=(one, other))
        )
        for one in texts
        for other in texts
    ]
    with AccessWriter(RunDirectory.create(tmp_path, "run"), dialect, {key_arn: ('-"', ";")}) as access:
        for each in (*rows, *rows):
            access.write(each)
    out = io.StringIO(newline="")
    expected = csv.writer(out, lineterminator="\r\n")
    expected.writerow(names(ACCESS))
    for each in map(line_of, (*rows, *rows)):
        cells = {**each._asdict(), "schema_version": "1", "key_aliases": '-"; \\;', "actions": join_list(each.actions)}
        cells["principal_account_name"] = f"{each.principal_account_name} ({each.principal_account_id})"
        expected.writerow([csv_cell(cells[name], dialect) for name in names(ACCESS)])
    assert (tmp_path / "run" / "access.csv").read_bytes().decode().removeprefix("\ufeff") == out.getvalue()


ROWS = 4_000


def test_access_rows_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_PRINCIPALS", 100)
    ((key_arn, who, what),) = build.access_rows()
    tracemalloc.start()
    with AccessWriter(RunDirectory.create(tmp_path, "run"), CsvDialect.EXCEL, build.key_aliases()) as access:
        held = []
        for half in range(2):
            for number in range(ROWS):
                arn = f"arn:aws:iam::{build.STRANGER}:role/r{half}{number}"
                access.write(AccessRow(key_arn, who._replace(arn=arn), what))
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 8 * ROWS
    assert len(lines((tmp_path / "run" / "access.csv").read_bytes())) == 2 * ROWS
