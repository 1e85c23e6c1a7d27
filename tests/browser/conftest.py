"""Debian's Chromium, and the reports that the tests open in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from scanner.model.key import Grant
from scanner.report.context import PageSources
from scanner.report.coverage_notes import cited_notes
from scanner.report.directory import RunDirectory
from scanner.report.html import render_html
from scanner.report.keys import KeyHolding
from scanner.report.options import ReportOptions
from scanner.report.pages import HtmlOptions, PageLimits
from scanner.report.write import render_all, render_only

import report_builders as build

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
HELD = KeyHolding(
    (("key policy `default`", build.sha256(build.POLICY)),),
    (Grant("a1b2c3", ("Decrypt", "Encrypt"), "arn:aws:iam::222233334444:role/" + "batch" * 30, name="n" * 200),),
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each opens a context of its own."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


def sources() -> PageSources:
    """Keys, ledger rows, policies and grants, hostile ones as well."""
    keys = (*build.key_rows(), *(build.poisoned(build.key_rows()[0], text) for text in build.HOSTILE))
    notes = cited_notes(build.document().findings, build.ledger())
    return PageSources(keys, notes, build.documents, lambda _: HELD)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with findings, gaps, hostile names and very long ones."""
    findings = list(build.document().findings)
    for number, text in enumerate(build.HOSTILE):
        hostile = build.hostile_document(text).findings[0]
        findings.append(replace(hostile, id=f"kx-hostile{number:05d}"))
    document = build.document(findings=tuple(findings))
    path = tmp_path_factory.mktemp("report") / "report.html"
    given = sources()
    path.write_bytes(render_html(document, given.rows, given.notes, given.documents, given.holdings))
    return path


@pytest.fixture(scope="session")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose report is an index with pages, and holds a file of one finding as well."""
    directory = RunDirectory.create(tmp_path_factory.mktemp("split"), "run")
    html = HtmlOptions(PageLimits(2), only=("kx-3v3amusq34ah",))
    render_all(build.document(), sources(), directory, ReportOptions(("html",), html=html))
    render_only(build.document(), sources(), directory, html)
    return directory.path
