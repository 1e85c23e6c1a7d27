"""Which files of a run are rendered from findings, in which order."""

from __future__ import annotations

from pathlib import Path

from scanner.errors import UnavailableError
from scanner.model.finding import FindingsDocument
from scanner.report.asff import dump_asff
from scanner.report.context import PageSources
from scanner.report.directory import RunDirectory
from scanner.report.html import render_pages, render_single
from scanner.report.json import dump_summary
from scanner.report.markdown import render_markdown
from scanner.report.ocsf import dump_ocsf
from scanner.report.options import FORMATS, ReportOptions
from scanner.report.pages import FOLDER, HtmlOptions
from scanner.report.policy_files import FOLDER as POLICIES
from scanner.report.sarif import SARIF, render_sarif
from scanner.report.tables import findings_csv


def render_all(
    document: FindingsDocument,
    sources: PageSources,
    directory: RunDirectory,
    options: ReportOptions,
) -> list[Path]:
    """Write what the options ask for, then summary.md and summary.json.

    Returns their paths. findings.json, keys.csv, access.csv, coverage.csv and manifest.json are not touched. Everything
    is rendered before the first file is replaced. Raises UnavailableError for a format that this version does not
    have, OutputError for a file that cannot be written, UsageError for a template that cannot be used.
    """
    wanted = options.formats
    for name in wanted:
        if name not in FORMATS:
            raise UnavailableError(
                f"format `{name}` is not available in this version",
                hint=f"use {', '.join(FORMATS[:-1])} or {FORMATS[-1]}",
            )
    rendered: dict[str, bytes] = {}
    if "csv" in wanted:
        rendered["findings.csv"] = findings_csv(document, sources.notes, options.csv_dialect)
    if "ocsf" in wanted:
        rendered["findings.ocsf.json"] = dump_ocsf(document, options.ocsf_class)
    if "asff" in wanted:
        rendered["findings.asff.json"] = dump_asff(document)
    policies: dict[str, bytes] = {}
    if "sarif" in wanted:
        rendered[SARIF], policies = render_sarif(document, sources.documents)
    rendered["summary.md"] = render_markdown(document, sources.notes)
    rendered["summary.json"] = dump_summary(document)
    if "html" in wanted:
        pages = render_pages(document, sources, options.html)
        name, index = next(pages)
        with directory.replacing_folder(FOLDER) as folder:
            for path, content in pages:
                folder.write(path.removeprefix(f"{FOLDER}/"), content)
        rendered = {name: index} | rendered
    if "sarif" in wanted:
        with directory.replacing_folder(POLICIES) as folder:
            for path, content in policies.items():
                folder.write(path.removeprefix(f"{POLICIES}/"), content)
    return [directory.write(name, content) for name, content in rendered.items()]


def render_only(
    document: FindingsDocument, sources: PageSources, directory: RunDirectory, html: HtmlOptions
) -> list[Path]:
    """Write one file for each finding that `html.only` names, and nothing else; return their paths.

    Raises UsageError for an id that is none and for a template that cannot be used.
    """
    rendered = list(render_single(document, sources, html))
    return [directory.write(name, content) for name, content in rendered]
