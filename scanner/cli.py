"""The command line: parse, call one function, print, exit."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import click

from scanner import ENGINE, FINDINGS_SCHEMA, __version__
from scanner.errors import KmsScanError
from scanner.model.neutral import terminal_safe

CRASH_FILE = "kms-scan-crash.txt"
_COMMANDS = {
    "run": "scanner.commands.scan:run",
    "collect": "scanner.commands.scan:collect",
    "analyze": "scanner.commands.offline:analyze",
    "report": "scanner.commands.offline:report",
    "verify": "scanner.commands.verify:verify",
    "diff": "scanner.commands.review:diff",
    "explain": "scanner.commands.explain:explain",
    "who-can": "scanner.commands.explain:who_can",
    "what-if": "scanner.commands.what_if:what_if",
    "test": "scanner.commands.offline:test",
    "suppress": "scanner.commands.review:suppress",
    "merge": "scanner.commands.merge:merge",
    "init": "scanner.commands.setup:init",
    "config": "scanner.commands.setup:config",
    "role": "scanner.commands.role:role",
    "preflight": "scanner.commands.preflight:preflight",
    "demo": "scanner.commands.demo:demo",
}
_HELP = {
    "run": "Collect, analyze and report; what cron calls.",
    "collect": "AWS -> snapshot.sqlite.",
    "analyze": "Snapshot -> a run directory: findings.json, access, keys, coverage (offline).",
    "report": "Findings -> html, findings.csv, md (offline).",
    "verify": "Is every file of a run reproduced byte for byte from its snapshot? (offline).",
    "diff": "What changed between two runs, in access (offline).",
    "explain": "One decision: every gate, every statement, why and why not (offline).",
    "who-can": "Everybody who can use a key, through what, under which condition (offline).",
    "what-if": "Judge again with replaced policies or without a grant, show the difference in access (offline).",
    "test": "Assertions about access, for CI (offline).",
    "suppress": "Append a reviewed exception to suppressions.yaml (offline).",
    "merge": "Join snapshots that were collected in parts (offline).",
    "init": "Write config.yaml and suppressions.yaml, print the next three commands.",
    "config": "Validate the configuration, show effective values, print the JSON Schema (offline).",
    "role": "The audit role for members, hub and management account (offline).",
    "preflight": "Who am I, what can I read where, planned calls and time.",
    "demo": "The whole product against an in-process AWS (offline).",
}
_EXAMPLES = """\b
Examples:
  kms-scan demo                          the whole product, no AWS needed
  kms-scan run --role KmsScanReadOnly    every account of the organization
  kms-scan run -c config.yaml            what cron calls
"""


class LazyGroup(click.Group):
    """Loads a command when it is called, so that --help stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order people need them."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        from importlib import import_module  # noqa: PLC0415

        module, _, name = _COMMANDS[cmd_name].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(_HELP.items()))


def version_text() -> str:
    """Version, engine, schema and the versions that decide how answers are read."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        botocore = version("botocore")
    except PackageNotFoundError:
        botocore = "missing"
    python = ".".join(str(part) for part in sys.version_info[:3])
    return (
        f"kms-scan {__version__} (engine {ENGINE}, findings schema {FINDINGS_SCHEMA}, "
        f"Python {python}, botocore {botocore})"
    )


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    del param
    if value and not ctx.resilient_parsing:
        click.echo(version_text())
        ctx.exit()


@click.group(
    cls=LazyGroup,
    epilog=_EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    no_args_is_help=True,
)
@click.option("--version", is_flag=True, callback=_print_version, expose_value=False, is_eager=True, help="Versions.")
def group() -> None:
    """Who outside this account can actually use this KMS key?"""


def main(argv: list[str] | None = None) -> None:
    """Run a command and exit with its code (0, 1, 2, 3, 4, 5, 130 or 143; see the README)."""
    try:
        code = group.main(args=argv, prog_name="kms-scan", standalone_mode=False)
        _check_logs()
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        _say(error.format_message(), _usage_hint(error))
        sys.exit(2)
    except KmsScanError as error:
        _say(error.message, error.hint)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _say("interrupted", None)
        sys.exit(130)
    except BrokenPipeError:
        _give_up(sys.stdout)
        sys.exit(0)
    except Exception as error:  # noqa: BLE001  # the one place where a bug becomes a crash file
        if _is_of_printing(error):
            _give_up(sys.stdout)
            reason = (getattr(error, "strerror", None) or type(error).__name__).lower()
            _say(f"output cannot be written: {reason}", "send it to a file on a device with free space")
            sys.exit(2)
        _crashed(error)
        sys.exit(1)


def _usage_hint(error: click.ClickException) -> str | None:
    context = getattr(error, "ctx", None)
    return f"`{context.command_path} --help` shows how it is called" if context else None


def _check_logs() -> None:
    """Raise where a log file could not be written; commands that write no log have not loaded the module."""
    logs = sys.modules.get("scanner.logs")
    if logs is not None:
        logs.check_files()


def _is_of_printing(error: Exception) -> bool:
    """Whether an OSError comes out of `click.echo`, our only way to print, and not from a file of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, OSError) and bool(frames) and frames[-1].filename == click.utils.__file__


def _give_up(stream: TextIO) -> None:
    """Send the rest nowhere, so that the interpreter does not fail again when it ends."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):  # a stream without a descriptor has nothing to flush into
        return


def _say(message: str, hint: str | None) -> None:
    """Tell on standard error; where that cannot be written, the exit code has to do."""
    try:
        for line in message.splitlines() or [""]:
            click.echo(f"error: {terminal_safe(line)}" if line == message else terminal_safe(line), err=True)
        if hint:
            click.echo(f"help: {terminal_safe(hint)}", err=True)
    except OSError:
        _give_up(sys.stderr)


def _crashed(error: Exception) -> None:
    """Write where it happened, without values: a message may hold what must not leave the machine."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [version_text(), f"{type(error).__module__}.{type(error).__qualname__}"]
    lines += [f"  {Path(f.filename).name}:{f.lineno} in {f.name}" for f in frames]
    try:
        descriptor = os.open(CRASH_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        where = f"`{CRASH_FILE}` says where"
    except OSError:
        where = "\n".join(lines)
    _say(f"this is a bug in kms-scan ({type(error).__name__}): {where}", "please report it with that file")


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
