"""`analyze`, `report` and `test`: the commands that need no AWS."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import click

from scanner.commands.options import (
    formats_option,
    gate_options,
    how_to_analyze,
    json_option,
    load,
    logging_options,
    spread_options,
    suppressions_option,
)
from scanner.errors import UsageError
from scanner.model.neutral import terminal_safe

_ANALYZE_EXAMPLES = """\b
Examples:
  kms-scan analyze latest
  kms-scan analyze kms-scan-out/2026-11-22T0010Z-7f3a
  kms-scan analyze latest --processes 4
  kms-scan analyze snapshot.sqlite -o review --as-of 2027-01-01T00:00:00Z
"""
_REPORT_EXAMPLES = """\b
Examples:
  kms-scan report latest
  kms-scan report latest -f html,csv --csv-dialect rfc4180
  kms-scan report latest -f ocsf --ocsf-class detection
  kms-scan report latest --only kx-pnfc3b5nav5y
"""
_TEST_EXAMPLES = """\b
Examples:
  kms-scan test access/*.json
  kms-scan test access.yaml --only payroll-vendor --json
"""


@click.command(epilog=_ANALYZE_EXAMPLES)
@click.argument("snapshot")
@click.option("-o", "--output", metavar="DIR", help="Where runs are looked for and new ones created [./kms-scan-out].")
@click.option("--as-of", metavar="ISO8601", help="Evaluation time [collection time].")
@suppressions_option
@gate_options
@spread_options
@json_option
@logging_options
def analyze(snapshot: str, as_json: bool, **options: Any) -> int:
    """Judge SNAPSHOT (a file, a run directory, a run id or `latest`); exit codes as for `run`.

    `latest` is the newest collection that has ended. A run that was collected only is judged in place. For one that
    was judged before, and for a lone file, a new run directory is created, with a copy of the snapshot.
    """
    from scanner.clock import SystemClock  # noqa: PLC0415
    from scanner.pipeline import analyze_named  # noqa: PLC0415
    from scanner.progress import shown  # noqa: PLC0415
    from scanner.report.json import dump_summary  # noqa: PLC0415

    loaded = load(options)
    quiet, no_color = options["quiet"], options["no_color"]
    monotonic, first = SystemClock().monotonic, "reading the snapshot"
    with shown(sys.stderr, monotonic, quiet=quiet, no_color=no_color, first=first) as on_progress:
        how = how_to_analyze(options, on_progress)
        document, directory = analyze_named(snapshot, loaded.settings, folder_given=bool(options["output"]), how=how)
    if as_json:
        click.echo(dump_summary(document).decode())
    else:
        click.echo(terminal_safe(document.run.headline))
        click.echo(f"{directory.path / 'findings.json'}\nnext: kms-scan report {directory.path}")
    return document.run.exit_code


@click.command(epilog=_REPORT_EXAMPLES)
@click.argument("run")
@formats_option
@click.option("-o", "--output", metavar="DIR", help="Where runs are looked for [./kms-scan-out].")
@click.option("--ocsf-class", type=click.Choice(["iam", "detection"]), default="iam", help="2008 or 2004 [iam].")
@click.option("--csv-dialect", type=click.Choice(["excel", "rfc4180"]), help="[excel]")
@click.option("--only", multiple=True, metavar="FINDING", help="Only report-FINDING.html, for a ticket; repeatable.")
@click.option("--print", "print_as", type=click.Choice(["full"]), help="full: every card open on paper.")
@click.option(
    "--templates",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Your templates; each replaces ours of the same name.",
)
@json_option
@logging_options
def report(
    run: str,
    as_json: bool,
    ocsf_class: str,
    only: tuple[str, ...],
    print_as: str | None,
    templates: Path | None,
    **options: Any,
) -> int:
    """Render RUN (a run directory, its id or `latest`): report.html, findings.csv, summary.md, summary.json.

    The formats `ocsf`, `asff` and `sarif` add findings.ocsf.json, findings.asff.json, and findings.sarif with the
    policies that it points into. `latest` is the run that was analyzed last. A report with more findings than
    output.html_max_findings is an index, with the pages of the accounts in the folder `report` beside it.
    """
    from scanner.clock import SystemClock  # noqa: PLC0415
    from scanner.pipeline import report_run  # noqa: PLC0415
    from scanner.report.escape import CsvDialect  # noqa: PLC0415
    from scanner.report.json import dump_summary  # noqa: PLC0415
    from scanner.report.ocsf import OcsfClass  # noqa: PLC0415
    from scanner.report.options import ReportOptions  # noqa: PLC0415
    from scanner.report.pages import HtmlOptions, PageLimits, single_path  # noqa: PLC0415
    from scanner.report.terminal import render_summary  # noqa: PLC0415
    from scanner.runs import run_to_report  # noqa: PLC0415

    if only and options["formats"]:
        raise UsageError("--only writes one HTML file for each finding, and takes no --formats")
    if templates is not None and not templates.is_dir():
        raise UsageError(f"`{templates}` is no folder", hint="--templates takes a folder with templates of your own")

    output = load(options).settings.output
    directory = run_to_report(run, output.directory)
    html = HtmlOptions(PageLimits(output.html_max_findings), only, print_as == "full", templates)
    document = report_run(
        directory,
        ReportOptions(output.formats, CsvDialect(output.csv_dialect), OcsfClass(ocsf_class), html),
        clock=SystemClock(),
    )
    if as_json:
        click.echo(dump_summary(document).decode())
    elif only:
        for name in dict.fromkeys(only):
            click.echo(directory.path / single_path(name))
        if not options["quiet"]:
            click.echo("manifest.json of the run names it from now on: a copy made before does not have it", err=True)
    else:
        click.echo(render_summary(document, directory.path / "report.html", document.run.exit_code))
    return 0


@click.command(epilog=_TEST_EXAMPLES)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--only", metavar="ID", help="Only the case with this id.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per request on stdout.")
@click.option("--as-of", metavar="ISO8601", help="Evaluation time of cases on a snapshot [collection time].")
@logging_options
def test(files: tuple[Path, ...], only: str | None, as_json: bool, **options: Any) -> int:
    """Judge the assertions about access in FILES (JSON or YAML) and compare verdicts.

    A case carries a `world` of its own, or names a `snapshot` that was collected; the configuration counts for the
    latter only.
    """
    from scanner.cases import CaseFile, CaseResult, read_case_file, run_case  # noqa: PLC0415
    from scanner.worlds import world_of  # noqa: PLC0415

    open_once = lru_cache(maxsize=1)(lambda path: world_of(str(path), load(options).settings))

    def results_of(file: CaseFile) -> Iterator[CaseResult]:
        for index, case in enumerate(file.cases):
            if only is None or case.get("id") == only:
                requests = case.get("requests")
                places = [
                    file.place(index, "requests", n) for n in range(len(requests) if isinstance(requests, list) else 0)
                ]
                place, base = file.place(index), file.path.parent
                yield from run_case(case, place, requests_at=places, base=base, world_of=open_once)

    results = [result for file in [read_case_file(path) for path in files] for result in results_of(file)]
    if not results:
        raise UsageError(f"no case has the id `{only}`" if only else "the files hold no cases")
    for result in results:
        if as_json:
            click.echo(result.as_json())
        elif result.problem:
            click.echo(terminal_safe(f"{result.id} [{result.index}] cannot be judged: {result.problem}"))
        elif not result.holds:
            click.echo(terminal_safe(
                f"{result.id} [{result.index}] expected {result.expect}, got {result.got}: {result.reason}"
            ))  # fmt: skip
    failed = sum(1 for r in results if not r.holds and not r.problem)
    broken = sum(1 for r in results if r.problem)
    if not as_json:
        tail = f", {broken} could not be judged" if broken else ""
        click.echo(f"{len(results) - failed - broken} passed, {failed} failed{tail}")
    return 2 if broken else 3 if failed else 0
