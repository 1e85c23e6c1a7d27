"""`what-if`: a run with other documents in it, judged again and compared; offline."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from scanner.commands.explain import painter
from scanner.commands.options import environment, json_option, logging_options
from scanner.commands.question import question_settings
from scanner.errors import UsageError
from scanner.model.neutral import terminal_safe
from scanner.model.policy import DocumentKind

MOST_BYTES = 1_048_576
"""No policy of AWS is larger; a larger file is a slip."""

_EXAMPLES = """\b
Examples:
  kms-scan what-if latest --key-policy alias/card-data=new-policy.json
  kms-scan what-if latest --revoke 0c237476b39f8bc44e45212e08498fbe3151305030726c0590dd8d3e9f3d6a60
  kms-scan what-if latest --scp p-ab12cd34=deny-external.json --fail-on-widened
"""
_FLAGS = {
    "key_policy": DocumentKind.KEY_POLICY, "identity_policy": DocumentKind.IDENTITY,
    "trust_policy": DocumentKind.TRUST, "scp": DocumentKind.SCP, "rcp": DocumentKind.RCP,
}  # fmt: skip


def document_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One repeatable option per kind of document, and the grants to revoke."""
    for decorate in (
        click.option("--revoke", multiple=True, metavar="GRANT_ID", help="Without this grant."),
        click.option("--rcp", multiple=True, metavar="ID=FILE", help="Resource control policy, by id or name."),
        click.option("--scp", multiple=True, metavar="ID=FILE", help="Service control policy, by id or name."),
        click.option("--trust-policy", multiple=True, metavar="ROLE=FILE", help="Trust policy; ARN or name of a role."),
        click.option(
            "--identity-policy", multiple=True, metavar="P=FILE",
            help="ARN of a managed policy; PRINCIPAL/NAME, or PRINCIPAL with one inline policy.",
        ),
        click.option("--key-policy", multiple=True, metavar="K=FILE", help="ARN, alias ARN, key id or alias/name."),
    ):  # fmt: skip
        command = decorate(command)
    return command


@click.command("what-if", epilog=_EXAMPLES)
@click.argument("run")
@document_options
@click.option("--fail-on-widened", is_flag=True, help="End with 3 where somebody would have more access.")
@click.option("--as-of", metavar="ISO8601", help="Evaluation time [collection time].")
@click.option("-o", "--output", metavar="DIR", help="Where runs are looked for [./kms-scan-out].")
@json_option
@logging_options
def what_if(run: str, as_json: bool, fail_on_widened: bool, revoke: tuple[str, ...], **options: Any) -> int:
    """Judge RUN (a run directory, its id, `latest` or a snapshot file) with other documents in it, and compare.

    Prints the difference in access: who would gain, who would lose, which findings would change. Writes nothing.
    Every option repeats.
    """
    from scanner.analyze.edits.whatif import Replacement, overlay  # noqa: PLC0415
    from scanner.analyze.rejudge import what_if as judge_twice  # noqa: PLC0415
    from scanner.plan import analysis_rules  # noqa: PLC0415
    from scanner.report.what_if import dump_what_if, grows, render_what_if, warnings_of  # noqa: PLC0415
    from scanner.worlds import world_of  # noqa: PLC0415

    given = [
        Replacement(kind, target, text, str(path))
        for flag, kind in _FLAGS.items()
        for target, path, text in _documents(flag, options.pop(flag))
    ]
    if not given and not revoke:
        raise UsageError("there is nothing to replace", hint="give a document or a grant, such as --key-policy K=FILE")
    with question_settings(run, options) as settings:
        world, rules = world_of(run, settings), analysis_rules(settings)[1]
    answer = judge_twice(world, overlay(world, given, revoke), rules)
    if as_json:
        for line in dump_what_if(answer):
            click.echo(line)
        for warning in warnings_of(answer):
            click.echo(f"warning: {terminal_safe(warning)}", err=True)
    else:
        paint, colour = painter(sys.stdout, environment(), no_color=options["no_color"])
        click.echo(render_what_if(answer, paint=paint), color=colour)
    return 3 if fail_on_widened and grows(answer) else 0


def _documents(flag: str, typed: tuple[str, ...]) -> Iterator[tuple[str, Path, str]]:
    """Target, file and text of every `TARGET=FILE`; a target may hold a `=` itself."""
    option = f"--{flag.replace('_', '-')}"
    for text in typed:
        places = [n for n, letter in enumerate(text) if letter == "="]
        if not places or not text[: places[0]] or not text[places[0] + 1 :]:
            raise UsageError(f"`{option} {text}` is no TARGET=FILE", hint="for example alias/card-data=new-policy.json")
        cut = next((n for n in places if Path(text[n + 1 :]).is_file()), places[0])
        path = Path(text[cut + 1 :])
        yield text[:cut], path, _read(path)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from error
    if len(data) > MOST_BYTES:
        raise UsageError(f"`{path}` is larger than {MOST_BYTES:,} bytes: it is no policy")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}:{line}: not UTF-8") from error
