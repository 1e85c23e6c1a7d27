"""Every output of the reports against a reviewed file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from scanner.report.asff import dump_asff
from scanner.report.coverage_notes import cited_notes
from scanner.report.directory import RunDirectory
from scanner.report.escape import CsvDialect
from scanner.report.html import render_html
from scanner.report.json import dump_findings, dump_summary
from scanner.report.markdown import render_markdown
from scanner.report.ocsf import OcsfClass, dump_ocsf
from scanner.report.sarif import render_sarif
from scanner.report.streams import AccessWriter, CoverageWriter, KeysWriter
from scanner.report.tables import findings_csv
from scanner.report.terminal import render_summary

import report_builders as build

Golden = Callable[[str, bytes], None]
NOTES = cited_notes(build.document().findings, build.ledger())


def test_report_html_is_as_reviewed(golden: Golden) -> None:
    golden("report.html", render_html(build.document(), build.key_rows(), NOTES, build.documents))


def test_report_html_without_findings_is_as_reviewed(golden: Golden) -> None:
    golden("empty.html", render_html(build.document(findings=()), (), {}, build.documents))


@pytest.mark.parametrize("dialect", CsvDialect)
def test_findings_csv_is_as_reviewed(golden: Golden, dialect: CsvDialect) -> None:
    golden(f"findings.{dialect}.csv", findings_csv(build.document(), NOTES, dialect))


def test_streamed_tables_are_as_reviewed(golden: Golden, tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    with KeysWriter(directory, CsvDialect.EXCEL) as keys:
        for key in build.key_rows():
            keys.write(key)
    with AccessWriter(directory, CsvDialect.EXCEL, build.key_aliases()) as access:
        for entry in build.access_rows():
            access.write(entry)
    with CoverageWriter(directory, CsvDialect.EXCEL, {build.OWNER: "payments-prod"}) as coverage:
        for row in build.ledger():
            coverage.write(row, 1)
    for name in ("keys.csv", "access.csv", "coverage.csv"):
        golden(name, (directory.path / name).read_bytes())


def test_json_files_are_as_reviewed(golden: Golden) -> None:
    golden("findings.json", build.whole(dump_findings(build.document())))
    golden("summary.json", dump_summary(build.document()))


@pytest.mark.parametrize("ocsf_class", OcsfClass)
def test_ocsf_events_are_as_reviewed(golden: Golden, ocsf_class: OcsfClass) -> None:
    golden(f"findings.{ocsf_class}.ocsf.json", dump_ocsf(build.document(), ocsf_class))


def test_asff_is_as_reviewed(golden: Golden) -> None:
    golden("findings.asff.json", dump_asff(build.document()))


def test_sarif_is_as_reviewed(golden: Golden) -> None:
    golden("findings.sarif", render_sarif(build.document(), build.documents)[0])


def test_summary_md_is_as_reviewed(golden: Golden) -> None:
    golden("summary.md", render_markdown(build.document(), NOTES))


def test_terminal_summary_is_as_reviewed(golden: Golden) -> None:
    text = render_summary(build.document(), Path("kms-scan-out/2026-11-22T0010Z-7f3a/report.html"), 3)
    golden("terminal.txt", f"{text}\n".encode())
