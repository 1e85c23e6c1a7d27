"""The effective configuration: command line over `KMS_SCAN_*` environment over file over default, with every error.

The other modules of this package hold the models, the kinds of value, the rules and the output; this one is what the
rest of the program imports.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from scanner.config.checks import cross_problems, cross_warnings, not_yet
from scanner.config.display import config_hash, config_schema, show, show_json
from scanner.config.layers import FLAG_NAMES, Overrides, read_environment, read_flags, setting_keys
from scanner.config.problems import Placed, Places, Problem, config_error, in_order, placed, schema_problems
from scanner.config.schema import NOT_YET, Settings
from scanner.config.secrets import check_secrets, resolve_external_id
from scanner.config.starter import write_starter
from scanner.config.vendors import read_vendors
from scanner.errors import ConfigError, UnavailableError, UsageError
from scanner.yamltext import YamlDocument, YamlPath, YamlValue, read_yaml

__all__ = [
    "FLAG_NAMES",
    "NOT_YET",
    "LoadedSettings",
    "Settings",
    "check_secrets",
    "config_hash",
    "config_schema",
    "find_config",
    "load_settings",
    "read_vendors",
    "resolve_external_id",
    "show",
    "show_json",
    "write_starter",
]

DEFAULT_NAME = "config.yaml"
_LARGEST_FILE = 4 * 1024 * 1024
_NOTHING_READ = YamlDocument({}, {}, ())


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, what to warn about, and where each value came from (`default`, `file:line`, `env NAME`, `flag`)."""

    settings: Settings
    warnings: tuple[str, ...]
    origins: Mapping[str, str]
    path: Path | None


def find_config(given: Path | None, *, environ: Mapping[str, str], directory: Path) -> Path | None:
    """The configuration to read: as given, else `KMS_SCAN_CONFIG`, else `config.yaml` in the directory when present."""
    if given is not None:
        return given
    named = environ.get("KMS_SCAN_CONFIG")
    if named:
        return Path(named)
    default = directory / DEFAULT_NAME
    return default if default.is_file() else None


def load_settings(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    flags: Mapping[str, object],
    today: dt.date | None = None,
    require_role: bool = False,
) -> LoadedSettings:
    """Read and check everything that was configured.

    `flags` holds what was typed, by dotted key (`gate.fail_on`); None and empty lists count as not typed. `today`
    limits approvals to two years; without it that one rule is not applied. `require_role` asks for `aws.member_role`
    even without a file; with a file it is always required, after merging.

    Raises ConfigError with every problem at once, UnavailableError for settings whose part is not built, UsageError
    where the file cannot be read.
    """
    document = _NOTHING_READ if path is None else read_yaml(_file_text(path))
    overrides = read_environment(environ).updated_by(read_flags(flags))
    file_places = Places(None if path is None else str(path), document, {})
    places = Places(file_places.file, document, overrides.places)
    found = placed([Problem(problem.path, str(problem), problem.line) for problem in document.problems], file_places)
    found += placed(overrides.problems, places)
    tree = _sections(document, path is not None)
    if tree is None:
        raise config_error(found or placed([Problem((), "must be a mapping of settings")], file_places))
    if path is not None:
        found += _file_problems(tree, file_places, today)
    settings, problems, unread = _validated(_merged(tree, overrides), today)
    problems += cross_problems(settings, unread)
    role = ("aws", "member_role")
    if settings.aws.member_role is None and role not in unread and (path is not None or require_role):
        hint = "" if path is not None else " (give --role, or a configuration file with --config)"
        problems.append(Problem(role, f"aws.member_role is required{hint}"))
    found += placed(problems, places)
    if found:
        raise config_error(found)
    unavailable = not_yet(settings)
    if unavailable:
        refused = config_error(placed(unavailable, places))
        raise UnavailableError("\n".join(refused.problems), details=refused.details)
    warnings = (*overrides.unknown(settings), *in_order(placed(cross_warnings(settings), places)))
    origins = {".".join(key): places.origin(key) for key in setting_keys()}
    return LoadedSettings(settings, warnings, origins, path)


def _file_text(path: Path) -> str:
    hint = "`kms-scan init` writes a configuration to start from"
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"configuration `{path}` cannot be read: {reason}", hint=hint) from error
    if len(data) > _LARGEST_FILE:
        raise UsageError(f"configuration `{path}` is larger than 4 MiB", hint=hint)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        text = "is not UTF-8 text"
        details = {"file": str(path), "line": line, "message": text, "suggestion": None}
        raise ConfigError((f"{path}:{line}: {text}",), details=(details,)) from error


def _sections(document: YamlDocument, from_file: bool) -> dict[str, YamlValue] | None:
    """The sections of the file; None where it has none to check. A section that is only a name is an empty one."""
    value = document.value
    if value is None and not document.problems and from_file:
        value = {}
    if not isinstance(value, dict):
        return None
    return {name: {} if entry is None and name in Settings.model_fields else entry for name, entry in value.items()}


def _file_problems(tree: dict[str, YamlValue], places: Places, today: dt.date | None) -> list[Placed]:
    """What is wrong in the file itself, also where the environment or a flag would hide it.

    Raises ConfigError at once for another schema version: everything else would be judged by the wrong rules.
    """
    _, problems, _ = _validated(tree, today)
    version = [problem for problem in problems if problem.path == ("version",)]
    if version:
        raise config_error(placed(version, places))
    if "version" not in tree:
        problems.append(Problem(("version",), "version is required"))
    return placed(problems, places)


def _merged(tree: dict[str, YamlValue], overrides: Overrides) -> dict[str, object]:
    merged: dict[str, object] = dict(tree)
    for path, value in overrides.values.items():
        section, key = path
        known = merged.get(section)
        merged[section] = {**(known if isinstance(known, dict) else {}), key: value}
    return merged


def _validated(tree: Mapping[str, object], today: dt.date | None) -> tuple[Settings, list[Problem], set[YamlPath]]:
    """Settings, problems, and the settings that could not be read and stand at their default."""
    context = {"today": today}
    try:
        return Settings.model_validate(tree, context=context), [], set()
    except ValidationError as error:
        problems = schema_problems(error)
    unread = {problem.path[:2] for problem in problems}
    readable: dict[str, object] = {}
    for section, entry in tree.items():
        if (section,) in unread:
            continue
        readable[section] = (
            {key: value for key, value in entry.items() if (section, key) not in unread}
            if isinstance(entry, dict)
            else entry
        )
    return Settings.model_validate(readable, context=context), problems, unread
