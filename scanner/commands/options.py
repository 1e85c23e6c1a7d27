"""Options that several commands share, and what they turn into."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from scanner.clock import SystemClock
from scanner.errors import KmsScanError, UsageError
from scanner.logs import configure
from scanner.model.neutral import terminal_safe

if TYPE_CHECKING:
    from scanner.config import LoadedSettings
    from scanner.executors import HowToAnalyze

F = TypeVar("F", bound=Callable[..., Any])


def environment() -> Mapping[str, str]:
    """The process environment, read here and nowhere else."""
    return os.environ  # noqa: TID251  # its one home


def logging_options(command: F) -> F:
    """Group Logging, and the configuration file."""
    for decorate in (
        click.option("--no-color", is_flag=True, help="No colours on the terminal (also NO_COLOR)."),
        click.option("--log-file", type=click.Path(path_type=Path), help="Also write the log there."),
        click.option("--log-format", type=click.Choice(["auto", "text", "json"]), help="auto: text on a terminal."),
        click.option("-q", "--quiet", is_flag=True, help="Warnings and errors only."),
        click.option("-v", "--verbose", is_flag=True, help="Debug messages."),
        click.option(
            "-c", "--config", "config_path", type=click.Path(path_type=Path), help="Default: ./config.yaml if present."
        ),
    ):
        command = decorate(command)
    return command


def scope_options(command: F) -> F:
    """Groups Scope, Credentials and Limits of `run` and `collect`; names are those of the settings they set."""
    for decorate in (
        click.option("--deadline", metavar="2h", help="Stop collecting then [2h]."),
        click.option("--as-of", metavar="ISO8601", help="Evaluation time [collection time]."),
        reading_options,
        click.option("-o", "--output", metavar="DIR", help="The run directory is created inside [./kms-scan-out]."),
    ):
        command = decorate(command)
    return command


def reading_options(command: F) -> F:
    """What is read and with whose credentials: the part of the above that `preflight` has as well."""
    for decorate in (
        click.option("--workers", metavar="N", help="Concurrent account-regions [32]."),
        click.option("--key-tag", multiple=True, metavar="K=V", help="Only keys with this tag; repeatable."),
        click.option("--key", multiple=True, metavar="ARN|GLOB", help="Only these keys; repeatable."),
        click.option("--exclude-regions", multiple=True, metavar="R,…", help="Regions to leave out."),
        click.option("--regions", multiple=True, metavar="R,…", help="Regions or globs [all enabled]."),
        click.option("--exclude-accounts", multiple=True, metavar="ID,…", help="Stay visible in Coverage."),
        click.option("--ou", multiple=True, metavar="OU,…", help="Organizational units, ids or paths."),
        click.option("--accounts", multiple=True, metavar="ID,…", help="Accounts [all of the organization]."),
        click.option("--hub-role", metavar="ARN", help="First hop."),
        click.option("--external-id", metavar="X", help="env:NAME or file:PATH preferred."),
        click.option("--role", metavar="NAME", help="Audit role in every account."),
        click.option("--profile", metavar="NAME", help="Credentials to start from."),
    ):
        command = decorate(command)
    return command


resume_option = click.option("--resume", metavar="RUN_ID", help="Continue an interrupted collection.")


@contextmanager
def resumable() -> Iterator[None]:
    """Name the command that continues where a collection ends with an error before it is complete."""
    try:
        yield
    except KmsScanError as error:
        if error.run_id:
            hints = (error.hint, f"continue with: {_again(click.get_current_context(), error.run_id)}")
            error.hint = "; ".join(hint for hint in hints if hint)
        raise


def _again(context: click.Context, run_id: str) -> str:
    """The command line as it was typed, with `--resume`; a literal ExternalId is masked, as everywhere."""
    words = ["kms-scan", str(context.info_name)]
    for parameter in context.command.params:
        name = str(parameter.name)
        if name == "resume" or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        value = context.params[name]
        if name == "external_id" and not value.startswith(("env:", "file:")):
            value = "********"
        values = value if isinstance(value, tuple) else (value,)
        for one in values:
            words += [parameter.opts[-1]] if one is True else [parameter.opts[-1], str(one)]
    return shlex.join([*words, "--resume", run_id])


def spread_options(command: F) -> F:
    """Group Work: who does the analysis. What is written is the same."""
    for decorate in (
        click.option("--dask", metavar="ADDRESS", default="", help="Analyze on the workers of a Dask scheduler."),
        click.option(
            "--processes", metavar="N", type=click.IntRange(1, 256), default=1, show_default=True,
            help="Analyze in so many processes.",
        ),
    ):  # fmt: skip
        command = decorate(command)
    return command


def how_to_analyze(options: Mapping[str, Any], on_progress: Callable[..., None]) -> HowToAnalyze:
    """Who does the analysis, as it was typed.

    Raises:
        UsageError: both processes and a cluster were asked for.
    """
    from scanner.executors import HowToAnalyze  # noqa: PLC0415  # loads the analysis

    processes, dask = options["processes"], options["dask"]
    if dask and processes > 1:
        raise UsageError(
            "--dask and --processes exclude each other", hint="the cluster decides how many workers it has"
        )
    return HowToAnalyze(processes, dask, on_progress)


def gate_options(command: F) -> F:
    """Group Gate."""
    for decorate in (
        click.option(
            "--new-only", is_flag=True, help="Gate on what is new, wider or graver than in the baseline only."
        ),
        click.option("--baseline", metavar="RUN|latest", help="Compare with an earlier run."),
        click.option("--min-coverage", metavar="PCT", help="Below it the run ends with 4 [100]."),
        click.option("--fail-on", metavar="LEVEL", help="Findings at or above end with 3 [high]."),
    ):
        command = decorate(command)
    return command


formats_option = click.option(
    "-f", "--formats", multiple=True, metavar="LIST", help="html, csv, json, ocsf, asff, sarif [html,csv,json]."
)
suppressions_option = click.option("--suppressions", metavar="PATH", help="Reviewed exceptions [./suppressions.yaml].")
json_option = click.option("--json", "as_json", is_flag=True, help="JSON on stdout instead of text.")

_KEYS = {
    "profile": "aws.profile",
    "role": "aws.member_role",
    "external_id": "aws.external_id",
    "hub_role": "aws.hub_role_arn",
    "accounts": "accounts.ids",
    "ou": "accounts.include_ous",
    "exclude_accounts": "accounts.exclude",
    "regions": "regions.include",
    "exclude_regions": "regions.exclude",
    "key": "keys.include",
    "key_tag": "keys.include_tags",
    "output": "output.directory",
    "formats": "output.formats",
    "csv_dialect": "output.csv_dialect",
    "fail_on": "gate.fail_on",
    "min_coverage": "gate.min_coverage",
    "baseline": "gate.baseline",
    "new_only": "gate.new_only",
    "suppressions": "suppressions.file",
    "deadline": "limits.deadline",
    "workers": "limits.workers",
    "as_of": "analysis.as_of",
}


def load(options: Mapping[str, Any], *, require_role: bool = False) -> LoadedSettings:
    """Settings from everything that was typed, the environment and the file; sets up logging and prints warnings.

    Raises:
        ConfigError: with every problem at once.
    """
    # pydantic takes longer to load than the help of a command may
    from scanner.config import check_secrets, find_config, load_settings, read_vendors  # noqa: PLC0415

    environ = environment()
    path = find_config(options.get("config_path"), environ=environ, directory=Path.cwd())
    flags = {_KEYS[name]: value for name, value in options.items() if name in _KEYS and value}
    today = SystemClock().now().date()
    loaded = load_settings(path, environ=environ, flags=flags, today=today, require_role=require_role)
    set_up_logging(options, loaded)
    if require_role:
        check_secrets(loaded.settings, environ, strict=True)
    read_vendors(loaded.settings.trust.known_vendors, place=loaded.origins["trust.known_vendors"])
    for warning in loaded.warnings:
        click.echo(f"warning: {terminal_safe(warning)}", err=True)
    return loaded


def set_up_logging(options: Mapping[str, Any], loaded: LoadedSettings) -> None:
    """Log to stderr, and to a file where one was asked for."""
    logging = loaded.settings.logging
    level = "debug" if options.get("verbose") else "warning" if options.get("quiet") else logging.level
    configure(level, options.get("log_format") or logging.format, sys.stderr, options.get("log_file") or logging.file)
