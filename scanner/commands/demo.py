"""`demo`: the whole product against an in-process AWS."""

from __future__ import annotations

import sys
from typing import Any

import click

from scanner.commands.options import environment, json_option, load, logging_options

_EXAMPLES = """\b
Examples:
  kms-scan demo
  kms-scan demo -o /tmp/demo
  kms-scan demo --keep-server        then run kms-scan in a second terminal
"""


@click.command(epilog=_EXAMPLES)
@click.option("-o", "--output", metavar="DIR", help="The run directory is created inside [./kms-scan-out].")
@click.option("--keep-server", is_flag=True, help="Leave the server running and print how to reach it.")
@json_option
@logging_options
def demo(keep_server: bool, as_json: bool, **options: Any) -> int:
    """Start an in-process AWS with a small organization, scan it and write the report; ends with 0."""
    from scanner.demo.show import run_demo  # noqa: PLC0415
    from scanner.report.json import dump_summary  # noqa: PLC0415
    from scanner.report.terminal import render_summary  # noqa: PLC0415

    def load_for(member_role: str) -> Any:
        return load({**options, "config_path": None, "role": member_role}, require_role=True).settings

    with run_demo(
        load_for, environment(), stream=sys.stderr, quiet=options["quiet"], no_color=options["no_color"]
    ) as shown:
        document = shown.outcome.document
        code = document.run.exit_code
        if as_json:
            click.echo(dump_summary(document).decode())
        else:
            click.echo(render_summary(document, shown.outcome.directory / "report.html", code))
            click.echo(f"{document.run.headline}.")
            click.echo(f"a real run would exit with {code}")
        if keep_server:
            click.echo(shown.second_terminal())
            shown.wait()
    return 0
