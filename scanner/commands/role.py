"""`role`: the audit role as policies, CloudFormation or Terraform, offline."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from scanner.commands.options import environment
from scanner.config import resolve_external_id
from scanner.errors import OutputError, UsageError

F = TypeVar("F", bound=Callable[..., Any])
_ASKED = "--trusted-arn arn:aws:iam::111122223333:role/auditor --external-id 7c1e4a90d2f8"
_ROLE_EXAMPLES = f"""\b
Examples:
  kms-scan role cloudformation {_ASKED} --out role.yaml
  kms-scan role terraform --kind hub {_ASKED}
  kms-scan role policy --kind management {_ASKED}
"""


def _role_options(command: F) -> F:
    for decorate in (
        click.option("--out", type=click.Path(path_type=Path), help="Write it there instead of stdout."),
        click.option("--member-role", default="KmsScanReadOnly", show_default=True, help="Its name in the members."),
        click.option("--kind", type=click.Choice(["member", "hub", "management"]), default="member", show_default=True),
        click.option("--external-id", required=True, metavar="ID", help="What they must know; env:NAME, file:PATH."),
        click.option("--trusted-arn", required=True, metavar="ARN", help="Who may assume the role."),
    ):
        command = decorate(command)
    return command


@click.group(epilog=_ROLE_EXAMPLES)
def role() -> None:
    """The audit role for members, hub and management account."""


@role.command("policy", epilog=_ROLE_EXAMPLES)
@_role_options
def policy(external_id: str, out: Path | None, **asked: Any) -> int:
    """Print the trust policy and the permissions of the audit role as JSON."""
    from scanner.collect.permissions import audit_role  # noqa: PLC0415

    return _put(str(audit_role(external_id=_known(external_id), **asked)), out)


@role.command("cloudformation", epilog=_ROLE_EXAMPLES)
@_role_options
def cloudformation(external_id: str, out: Path | None, **asked: Any) -> int:
    """Print the audit role as a CloudFormation template, for one account or a StackSet."""
    from scanner.collect.role_templates import cloudformation_template  # noqa: PLC0415

    return _put(cloudformation_template(external_id=_known(external_id), **asked), out)


@role.command("terraform", epilog=_ROLE_EXAMPLES)
@_role_options
def terraform(external_id: str, out: Path | None, **asked: Any) -> int:
    """Print the audit role as Terraform, for one account."""
    from scanner.collect.role_templates import terraform_module  # noqa: PLC0415

    return _put(terraform_module(external_id=_known(external_id), **asked), out)


def _known(external_id: str) -> str:
    try:
        return resolve_external_id(external_id, environment()) or ""
    except UsageError as error:
        raise UsageError(f"--external-id: {error.message}", hint=error.hint) from error


def _put(text: str, out: Path | None) -> int:
    if out is None:
        click.echo(text)
        return 0
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise OutputError(f"`{out}` cannot be written: {error.strerror}") from error
    return 0
