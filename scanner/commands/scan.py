"""`run` and `collect`: the commands that talk to AWS."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import click

from scanner.clock import SystemClock
from scanner.commands.options import (
    environment,
    formats_option,
    gate_options,
    how_to_analyze,
    json_option,
    load,
    logging_options,
    resumable,
    resume_option,
    scope_options,
    spread_options,
)

_RUN_EXAMPLES = """\b
Examples:
  kms-scan run --role KmsScanReadOnly
  kms-scan run -c config.yaml --regions eu-* --fail-on critical
  kms-scan run --role KmsScanReadOnly --accounts 111122223333 --json
  kms-scan run -c config.yaml --resume 2026-11-22T0010Z-7f3a
"""
_COLLECT_EXAMPLES = """\b
Examples:
  kms-scan collect --role KmsScanReadOnly
  kms-scan collect -c config.yaml -o /var/lib/kms-scan
"""


@click.command(epilog=_RUN_EXAMPLES)
@scope_options
@resume_option
@formats_option
@gate_options
@spread_options
@json_option
@logging_options
def run(as_json: bool, resume: str | None, **options: Any) -> int:
    """Collect, analyze and report; what cron calls."""
    from scanner.pipeline import run as run_all  # noqa: PLC0415
    from scanner.report.json import dump_summary  # noqa: PLC0415
    from scanner.report.terminal import render_summary  # noqa: PLC0415

    loaded = load(options, require_role=True)
    clock = SystemClock()
    with resumable(), _progress(clock, options) as on_progress:
        how = how_to_analyze(options, on_progress)
        outcome = run_all(loaded.settings, environment(), clock=clock, resume=resume, how=how)
    document = outcome.document
    if as_json:
        click.echo(dump_summary(document).decode())
    else:
        click.echo(render_summary(document, outcome.directory / "report.html", document.run.exit_code))
    return document.run.exit_code


@click.command(epilog=_COLLECT_EXAMPLES)
@scope_options
@resume_option
@json_option
@logging_options
def collect(as_json: bool, resume: str | None, **options: Any) -> int:
    """AWS -> snapshot.sqlite in a new run directory, or in that of an interrupted run."""
    from scanner.pipeline import collect_run  # noqa: PLC0415

    loaded = load(options, require_role=True)
    clock = SystemClock()
    with resumable(), _progress(clock, options) as on_progress:
        directory = collect_run(loaded.settings, environment(), clock=clock, on_progress=on_progress, resume=resume)
    snapshot = directory.path / "snapshot.sqlite"
    if as_json:
        click.echo(json.dumps({"run": directory.path.name, "snapshot": str(snapshot)}))
    else:
        click.echo(f"{snapshot}\nnext: kms-scan analyze {directory.path}")
    return 0


def _progress(clock: SystemClock, options: Mapping[str, Any]) -> AbstractContextManager[Callable[..., None]]:
    from scanner.progress import shown  # noqa: PLC0415

    quiet, no_color = options["quiet"], options["no_color"]
    return shown(sys.stderr, clock.monotonic, quiet=quiet, no_color=no_color, first="asking who we are")
