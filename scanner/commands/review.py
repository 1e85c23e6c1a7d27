"""`diff` and `suppress`: what changed between runs, and what was reviewed and accepted."""

from __future__ import annotations

import datetime as dt
import json
import shlex
from dataclasses import asdict
from typing import Any

import click

from scanner.closest import closest
from scanner.commands.options import json_option, load, logging_options, suppressions_option
from scanner.errors import UsageError
from scanner.model.neutral import terminal_safe

_DIFF_EXAMPLES = """\b
Examples:
  kms-scan diff 2026-11-15T0010Z-1c2d latest
  kms-scan diff last-week latest --fail-on high --format md
"""
_SUPPRESS_EXAMPLES = """\b
Examples:
  kms-scan suppress latest kx-pnfc3b5nav5y --reason "Payroll exports; contract 2024-117" \\
    --owner hr-platform@acme.example --expires 2027-03-31 --ticket RISK-1042
"""
_LEVELS = ("low", "medium", "high", "critical")


@click.command(epilog=_DIFF_EXAMPLES)
@click.argument("old")
@click.argument("new")
@click.option(
    "--fail-on", type=click.Choice(_LEVELS), help="New, reopened, wider or graver findings at or above end with 3."
)
@click.option("--format", "shape", type=click.Choice(["text", "json", "md"]), default="text", help="[text]")
@click.option("-o", "--output", metavar="DIR", help="Where runs are looked for [./kms-scan-out].")
@json_option
@logging_options
def diff(old: str, new: str, fail_on: str | None, shape: str, as_json: bool, **options: Any) -> int:
    """Compare the access of two runs: gained, lost, wider, narrower, and what was not read again."""
    from scanner.comparison import compare_runs  # noqa: PLC0415
    from scanner.report.compared import (  # noqa: PLC0415
        ComparisonView,
        comparison_markdown,
        dump_comparison,
        render_comparison,
    )

    found = compare_runs(old, new, load(options).settings)
    code = 3 if fail_on is not None and found.grew(fail_on) else 0
    view = ComparisonView(
        found.old.run, found.new.run, found.names, found.access.differences, found.access.unchanged, found.changed,
        found.counts, found.comparable, found.judged_again, code, found.accepted,
    )  # fmt: skip
    if as_json or shape == "json":
        click.echo(dump_comparison(view))
    else:
        click.echo("\n".join(comparison_markdown(view) if shape == "md" else render_comparison(view)))
    return code


@click.command(epilog=_SUPPRESS_EXAMPLES)
@click.argument("run")
@click.argument("finding")
@click.option("--reason", required=True, help="Why the access is accepted.")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--expires", required=True, metavar="DATE", help="Last day it is accepted, such as 2027-03-31.")
@click.option("--ticket", default="", help="Where it was decided.")
@click.option("--pin/--no-pin", default=True, help="Void as soon as the access changes [on].")
@suppressions_option
@click.option("-o", "--output", metavar="DIR", help="Where runs are looked for [./kms-scan-out].")
@json_option
@logging_options
def suppress(run: str, finding: str, pin: bool, as_json: bool, **options: Any) -> int:
    """Append a reviewed exception for FINDING of RUN to suppressions.yaml; its comments stay as they are."""
    from scanner.clock import SystemClock  # noqa: PLC0415
    from scanner.contents import read_findings  # noqa: PLC0415
    from scanner.model.suppression import SuppressionEntry  # noqa: PLC0415
    from scanner.plan import suppression_rules  # noqa: PLC0415
    from scanner.runs import find_run  # noqa: PLC0415
    from scanner.suppressions import append_suppression  # noqa: PLC0415

    settings = load(options).settings
    directory = find_run(run, settings.output.directory)
    known = {f.id: f for f in read_findings(directory.path).findings}
    if finding not in known:
        near = closest(finding, known)
        hint = f"did you mean `{near}`?" if near else "findings.csv lists the findings of the run"
        raise UsageError(f"the run `{directory.path.name}` has no finding `{finding}`", hint=hint)
    entry = SuppressionEntry(
        reason=options["reason"], owner=options["owner"], expires=options["expires"], ticket=options["ticket"],
        id=finding, fingerprint=known[finding].fingerprint if pin else "",
    )  # fmt: skip
    today = SystemClock().now().date()
    if _day(entry.expires) < today:
        raise UsageError(f"--expires is `{entry.expires}`, which is over", hint="name a day that lies ahead")
    path = settings.suppressions.file
    append_suppression(path, entry, suppression_rules(settings), today)
    if as_json:
        click.echo(json.dumps({"file": str(path)} | asdict(entry), sort_keys=True))
    else:
        click.echo(terminal_safe(f"{path}: {finding} is accepted until {entry.expires}: {known[finding].title}"))
        click.echo(f"it counts from the next analysis: {shlex.join(['kms-scan', 'analyze', run])}")
    return 0


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--expires is `{text}`, must be a date such as 2027-03-31") from error
