"""`verify`: whether a run is what it says."""

from __future__ import annotations

from typing import Any

import click

from scanner.commands.options import json_option, load, logging_options

_EXAMPLES = """\b
Examples:
  kms-scan verify latest
  kms-scan verify kms-scan-out/2026-11-22T0010Z-7f3a --json
"""


@click.command(epilog=_EXAMPLES)
@click.argument("run")
@click.option("-o", "--output", metavar="DIR", help="Where runs are looked for [./kms-scan-out].")
@json_option
@logging_options
def verify(run: str, as_json: bool, **options: Any) -> int:
    """Hash every file of RUN, and perform it again from its snapshot: is each file reproduced byte for byte?

    RUN is judged with what its manifest records, whatever is configured now. Ends with 0 where all files are
    reproduced, with 3 where one is not or the run cannot be performed again, and with 2 where RUN has no manifest.
    """
    from scanner.clock import SystemClock  # noqa: PLC0415
    from scanner.report.verified import dump_verified, render_verified  # noqa: PLC0415
    from scanner.runs import find_run  # noqa: PLC0415
    from scanner.verify import verify_run  # noqa: PLC0415

    directory = find_run(run, load(options).settings.output.directory)
    found = verify_run(directory, clock=SystemClock())
    code = 0 if found.holds else 3
    click.echo(dump_verified(found, code) if as_json else "\n".join(render_verified(found)))
    return code
