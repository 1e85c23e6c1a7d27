"""Resolves ExternalIds, which a configuration names rather than holds: `env:NAME`, `file:PATH` or a literal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scanner.config.schema import Settings
from scanner.config.types import is_external_id
from scanner.errors import ConfigError, UsageError

_LARGEST_SECRET = 4096


def resolve_external_id(value: str | None, environ: Mapping[str, str]) -> str | None:
    """The ExternalId to send; None where none is configured.

    Raises UsageError where the variable or file is missing or holds no ExternalId. The message never repeats the value.
    """
    if value is None:
        return None
    kind, _, rest = value.partition(":")
    if kind == "env":
        if not environ.get(rest):
            raise UsageError(f"environment variable `{rest}` is not set")
        return _checked(environ[rest], f"environment variable `{rest}`")
    if kind == "file":
        return _checked(_first_line(Path(rest)), f"file `{rest}`")
    return _checked(value, "value")


def check_secrets(settings: Settings, environ: Mapping[str, str], *, strict: bool) -> tuple[str, ...]:
    """Try every ExternalId: warnings for `config check`, with `strict` a ConfigError for a run that would need them."""
    named = {"aws.external_id": settings.aws.external_id}
    for account_id, override in settings.accounts.overrides.items():
        named[f"accounts.overrides.{account_id}.external_id"] = override.external_id
    problems = []
    for key, value in named.items():
        try:
            resolve_external_id(value, environ)
        except UsageError as error:
            problems.append(f"{key}: {error.message}")
    if problems and strict:
        details: tuple[dict[str, object], ...] = tuple(
            {"file": None, "line": None, "message": text, "suggestion": None} for text in problems
        )
        raise ConfigError(tuple(problems), details=details, hint="set what is named there, or remove external_id")
    return tuple(problems)


def _first_line(path: Path) -> str:
    """The content without the line end that editors add."""
    try:
        with path.open("rb") as stream:
            return stream.read(_LARGEST_SECRET).decode("utf-8", errors="replace").rstrip("\r\n")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"file `{path}` cannot be read: {reason}") from error


def _checked(text: str, where: str) -> str:
    if not is_external_id(text):
        raise UsageError(f"{where} holds no ExternalId (2 to 1,224 letters, digits and _+=,.@:/-)")
    return text
