"""Which files of a run are rendered from findings, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from scanner.errors import UnavailableError
from scanner.model.coverage import LedgerRow
from scanner.model.finding import FindingsDocument, KeyRow
from scanner.report.asff import dump_asff
from scanner.report.coverage_notes import cited_notes
from scanner.report.directory import RunDirectory
from scanner.report.escape import CsvDialect
from scanner.report.html import render_html
from scanner.report.json import dump_findings, dump_summary
from scanner.report.markdown import render_markdown
from scanner.report.ocsf import OcsfClass, dump_ocsf
from scanner.report.tables import findings_csv

FORMATS = ("html", "csv", "json", "ocsf", "asff")
"""Formats that this version writes. `json` needs no rendering: findings.json is the input of a report."""


def write_findings(directory: RunDirectory, document: FindingsDocument) -> Path:
    """Write findings.json, the file that every report is made from."""
    return directory.write("findings.json", dump_findings(document))


def render_all(
    document: FindingsDocument,
    key_rows: Sequence[KeyRow],
    ledger: Iterable[LedgerRow],
    documents: Callable[[str], str | None],
    directory: RunDirectory,
    *,
    formats: Iterable[str],
    csv_dialect: str,
    ocsf_class: str = OcsfClass.IAM,
) -> list[Path]:
    """Write what `formats` asks for, then summary.md and summary.json; return their paths.

    `documents` gives the text of a policy by its SHA-256, or None. findings.json, keys.csv, access.csv, coverage.csv
    and manifest.json are not touched. Everything is rendered before the first file is written. Raises UnavailableError
    for a format that this version does not have, OutputError for a file that cannot be written.
    """
    wanted = tuple(formats)
    for name in wanted:
        if name not in FORMATS:
            raise UnavailableError(
                f"format `{name}` is not available in this version",
                hint=f"use {', '.join(FORMATS[:-1])} or {FORMATS[-1]}",
            )
    notes = cited_notes(document.findings, ledger)
    rendered: dict[str, bytes] = {}
    if "html" in wanted:
        rendered["report.html"] = render_html(document, key_rows, notes, documents)
    if "csv" in wanted:
        rendered["findings.csv"] = findings_csv(document, notes, CsvDialect(csv_dialect))
    if "ocsf" in wanted:
        rendered["findings.ocsf.json"] = dump_ocsf(document, OcsfClass(ocsf_class))
    if "asff" in wanted:
        rendered["findings.asff.json"] = dump_asff(document)
    rendered["summary.md"] = render_markdown(document, notes)
    rendered["summary.json"] = dump_summary(document)
    return [directory.write(name, content) for name, content in rendered.items()]
