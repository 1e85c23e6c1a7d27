"""`run` and `collect`: the commands that talk to AWS."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from scanner.commands.options import (
    environment,
    formats_option,
    gate_options,
    json_option,
    load,
    logging_options,
    scope_options,
)
from scanner.pipeline import SystemClock, collect_run
from scanner.pipeline import run as run_all
from scanner.progress import shown
from scanner.report.json import dump_summary
from scanner.report.terminal import render_summary

_RUN_EXAMPLES = """\b
Examples:
  kms-scan run --role KmsScanReadOnly
  kms-scan run -c config.yaml --regions eu-* --fail-on critical
  kms-scan run --role KmsScanReadOnly --accounts 111122223333 --json
"""
_COLLECT_EXAMPLES = """\b
Examples:
  kms-scan collect --role KmsScanReadOnly
  kms-scan collect -c config.yaml -o /var/lib/kms-scan
"""


@click.command(epilog=_RUN_EXAMPLES)
@scope_options
@formats_option
@gate_options
@json_option
@logging_options
def run(as_json: bool, **options: Any) -> int:
    """Collect, analyze and report; what cron calls."""
    loaded = load(options, require_role=True)
    clock = SystemClock()
    with shown(sys.stderr, clock.monotonic, quiet=options["quiet"], no_color=options["no_color"]) as on_progress:
        outcome = run_all(loaded.settings, environment(), clock=clock, on_progress=on_progress)
    document = outcome.document
    if as_json:
        click.echo(dump_summary(document).decode())
    else:
        click.echo(render_summary(document, outcome.directory / "report.html", document.run.exit_code))
    return document.run.exit_code


@click.command(epilog=_COLLECT_EXAMPLES)
@scope_options
@json_option
@logging_options
def collect(as_json: bool, **options: Any) -> int:
    """AWS -> snapshot.sqlite in a new run directory."""
    loaded = load(options, require_role=True)
    clock = SystemClock()
    with shown(sys.stderr, clock.monotonic, quiet=options["quiet"], no_color=options["no_color"]) as on_progress:
        directory = collect_run(loaded.settings, environment(), clock=clock, on_progress=on_progress)
    snapshot = directory.path / "snapshot.sqlite"
    if as_json:
        click.echo(json.dumps({"run": directory.path.name, "snapshot": str(snapshot)}))
    else:
        click.echo(f"{snapshot}\nnext: kms-scan analyze {directory.path}")
    return 0
