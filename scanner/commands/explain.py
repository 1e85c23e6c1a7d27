"""`explain` and `who-can`: questions to a run, offline."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import click

from scanner.commands.options import environment, json_option, logging_options
from scanner.commands.question import question_settings
from scanner.errors import UsageError
from scanner.model.finding import FindingVerdict

_EXPLAIN_EXAMPLES = """\b
Examples:
  kms-scan explain latest --key alias/card-data --principal arn:aws:iam::444455556666:role/reader
  kms-scan explain latest --key alias/card-data --principal 444455556666 --action kms:CreateGrant
  kms-scan explain latest --key alias/card-data --principal arn:aws:iam::444455556666:role/reader \\
    --action Decrypt --context kms:ViaService=s3.eu-west-1.amazonaws.com
"""
_WHO_CAN_EXAMPLES = """\b
Examples:
  kms-scan who-can latest --key alias/card-data
  kms-scan who-can latest --key alias/card-data --action kms:Decrypt --insiders
  kms-scan who-can snapshot.sqlite --key 1234abcd-12ab-34cd-56ef-1234567890ab --verdict confirmed,possible --json
"""
_VERDICTS = tuple(v.value for v in FindingVerdict)
_COLOURS: dict[str, dict[str, Any]] = {
    "verdict": {"bold": True},
    "mark": {"fg": "red", "bold": True},
    "quiet": {"dim": True},
}


def question_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What both questions take."""
    for decorate in (
        click.option("--as-of", metavar="ISO8601", help="Evaluation time [collection time]."),
        click.option("-o", "--output", metavar="DIR", help="Where runs are looked for [./kms-scan-out]."),
        click.option("--key", required=True, metavar="KEY", help="ARN, alias ARN, key id or alias/name."),
    ):
        command = decorate(command)
    return command


@click.command(epilog=_EXPLAIN_EXAMPLES)
@click.argument("run")
@question_options
@click.option(
    "--principal", required=True, metavar="P", help="ARN, account id (any identity there), host name of a service or *."
)
@click.option("--action", metavar="A", help="[kms:Decrypt in full, every other action in one line]")
@click.option("--context", multiple=True, metavar="K=V", help="Fix a request key; repeat for more keys or values.")
@click.option("--context-complete", is_flag=True, help="The request carries no other key: a simulation.")
@click.option("--plain", is_flag=True, help="Sentences only, for screen readers.")
@json_option
@logging_options
def explain(  # one parameter per option
    run: str, principal: str, action: str | None, context: tuple[str, ...], as_json: bool, **options: Any
) -> int:
    """Explain one decision on a key of RUN (a run directory, its id, `latest` or a snapshot file): why, and why not."""
    from scanner.analyze.explain import explain as explain_one  # noqa: PLC0415
    from scanner.analyze.principals.question import DEFAULT_ACTION, ask, find_key  # noqa: PLC0415
    from scanner.report.explain import dump_explanation, render_explanation  # noqa: PLC0415
    from scanner.worlds import world_to_ask  # noqa: PLC0415

    key_text, complete = options.pop("key"), options.pop("context_complete")
    with question_settings(run, options) as settings:
        world = world_to_ask(run, settings, key_text, principal)
    key = find_key(world, key_text)
    asked = ask(world, key, principal, action or DEFAULT_ACTION, context, complete=complete)
    explanation = explain_one(world, asked, every_action=action is None)
    if as_json:
        click.echo(dump_explanation(explanation))
    else:
        paint, colour = painter(sys.stdout, environment(), no_color=options["no_color"])
        click.echo(render_explanation(explanation, paint=paint, plain=options["plain"]), color=colour)
    return 0


@click.command("who-can", epilog=_WHO_CAN_EXAMPLES)
@click.argument("run")
@question_options
@click.option("--action", metavar="A", help="One action [all].")
@click.option("--insiders", is_flag=True, help="Also the principals of the key's own account.")
@click.option("--verdict", multiple=True, metavar="LIST", help=f"{', '.join(_VERDICTS)} [all but ineffective].")
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="Lines; the cut is said.")
@json_option
@logging_options
def who_can(run: str, action: str | None, insiders: bool, verdict: tuple[str, ...], **options: Any) -> int:
    """List everybody outside who can use a key of RUN (a run directory, its id, `latest` or a snapshot file)."""
    from scanner.analyze.principals.question import action_name  # noqa: PLC0415
    from scanner.analyze.who_can import Wanted  # noqa: PLC0415
    from scanner.answers import answer_who_can  # noqa: PLC0415
    from scanner.executors import rarely_collecting  # noqa: PLC0415
    from scanner.model.actions import find_action  # noqa: PLC0415
    from scanner.report.who_can import dump_who_can, render_who_can  # noqa: PLC0415

    name = action_name(action) if action else ""
    if name and find_action(name) is None:
        raise UsageError(
            f"this version does not know `{name}`, so who can do it is unknown",
            hint="give an action of the KMS API, such as `kms:Decrypt`",
        )
    verdicts = _verdicts(verdict)
    wanted = Wanted(
        action=name, insiders=insiders, limit=options.pop("limit"), **({"verdicts": verdicts} if verdicts else {})
    )
    key_text, as_json = options.pop("key"), options.pop("as_json")
    with rarely_collecting(), question_settings(run, options) as settings:
        answer = answer_who_can(run, settings, key_text, wanted)
    if as_json:
        click.echo(dump_who_can(answer))
    else:
        paint, colour = painter(sys.stdout, environment(), no_color=options["no_color"])
        click.echo(render_who_can(answer, paint=paint), color=colour)
    return 0


def _verdicts(lists: tuple[str, ...]) -> tuple[FindingVerdict, ...]:
    """Verdicts of finding, given as comma lists."""
    words = [word.strip() for text in lists for word in text.split(",") if word.strip()]
    for word in words:
        if word not in _VERDICTS:
            raise UsageError(f"`{word}` is no verdict of a finding", hint=f"choose from {', '.join(_VERDICTS)}")
    return tuple(v for v in FindingVerdict if v.value in words)


def painter(stream: TextIO, environ: Mapping[str, str], *, no_color: bool) -> tuple[Callable[[str, str], str], bool]:
    """Colours for a terminal, none elsewhere; `--no-color` and NO_COLOR win over FORCE_COLOR."""
    wanted = stream.isatty() or bool(environ.get("FORCE_COLOR"))
    colour = wanted and not no_color and not environ.get("NO_COLOR")

    def paint(text: str, role: str) -> str:
        return click.style(text, **_COLOURS[role]) if colour else text

    return paint, colour
