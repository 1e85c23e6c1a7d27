"""`init` and `config`: getting started, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from scanner.commands.options import environment, json_option, load, logging_options
from scanner.config import check_secrets, config_schema, show, show_json, write_starter
from scanner.errors import UsageError

_INIT_EXAMPLES = """\b
Examples:
  kms-scan init
  kms-scan init --dir /etc/kms-scan
"""


@click.command(epilog=_INIT_EXAMPLES)
@click.option("--dir", "directory", default=".", type=click.Path(path_type=Path), help="Where to write them [.].")
@click.option("--force", is_flag=True, help="Overwrite existing files.")
@json_option
def init(directory: Path, force: bool, as_json: bool) -> int:
    """Write config.yaml and suppressions.yaml, print the next three commands."""
    written = write_starter(directory, force=force)
    if as_json:
        click.echo(json.dumps({"written": [str(path) for path in written]}))
        return 0
    for path in written:
        click.echo(f"wrote {path}")
    config_file = directory / "config.yaml"
    click.echo("next:")
    click.echo(
        "  kms-scan role cloudformation --trusted-arn ARN --external-id ID   # the audit role, for every account"
    )
    click.echo(f"  kms-scan config check -c {config_file}")
    click.echo(f"  kms-scan run -c {config_file}")
    return 0


@click.group()
def config() -> None:
    """Validate the configuration, show effective values, print the JSON Schema."""


@config.command("check")
@json_option
@logging_options
def check(as_json: bool, **options: Any) -> int:
    """Validate the configuration without touching AWS; every problem at once."""
    try:
        loaded = load(options)
    except UsageError as error:
        if not as_json:
            raise
        alone = {"file": None, "line": None, "message": error.message, "suggestion": error.hint}
        problems = getattr(error, "details", ()) or (alone,)
        click.echo(json.dumps({"valid": False, "problems": problems, "warnings": []}))
        return error.exit_code
    warnings = [*loaded.warnings, *check_secrets(loaded.settings, environment(), strict=False)]
    if as_json:
        file = str(loaded.path) if loaded.path else None
        click.echo(json.dumps({"valid": True, "file": file, "problems": [], "warnings": warnings}))
        return 0
    for warning in warnings[len(loaded.warnings) :]:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{loaded.path or 'no file, defaults and environment'}: valid")
    return 0


@config.command("show")
@click.option("--origin", is_flag=True, help="Say where each value came from.")
@json_option
@logging_options
def show_values(origin: bool, as_json: bool, **options: Any) -> int:
    """Print every effective value; secrets are masked."""
    loaded = load(options)
    click.echo(json.dumps(show_json(loaded, origin=origin)) if as_json else show(loaded, origin=origin))
    return 0


@config.command("schema")
def schema() -> int:
    """Print the JSON Schema of config.yaml, for editors."""
    click.echo(json.dumps(config_schema(), indent=2, sort_keys=True))
    return 0
