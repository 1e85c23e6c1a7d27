"""Reads settings from the environment and from the command line, as texts in the shape of the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path
from types import NoneType
from typing import get_args, get_origin

from pydantic.fields import FieldInfo

from scanner.closest import closest
from scanner.config.problems import Problem, model_in
from scanner.config.schema import Settings
from scanner.yamltext import NULL_TEXTS, YamlPath

PREFIX = "KMS_SCAN_"
EXTERNAL_ID_VARIABLE = "KMS_SCAN_EXTERNAL_ID"
"""Where the README and `init` keep the ExternalId: no setting, but named by one as `env:KMS_SCAN_EXTERNAL_ID`."""

FLAG_NAMES: Mapping[str, str] = {
    "aws.profile": "--profile",
    "aws.member_role": "--role",
    "aws.external_id": "--external-id",
    "aws.hub_role_arn": "--hub-role",
    "accounts.source": "--accounts",
    "accounts.ids": "--accounts",
    "accounts.include_ous": "--ou",
    "accounts.exclude": "--exclude-accounts",
    "regions.include": "--regions",
    "regions.exclude": "--exclude-regions",
    "keys.include": "--key",
    "keys.include_tags": "--key-tag",
    "analysis.as_of": "--as-of",
    "suppressions.file": "--suppressions",
    "output.directory": "--output",
    "output.formats": "--formats",
    "output.csv_dialect": "--csv-dialect",
    "gate.fail_on": "--fail-on",
    "gate.baseline": "--baseline",
    "gate.new_only": "--new-only",
    "gate.min_coverage": "--min-coverage",
    "limits.deadline": "--deadline",
    "limits.workers": "--workers",
    "limits.processes": "--processes",
    "logging.level": "-v/-q",
    "logging.format": "--log-format",
    "logging.file": "--log-file",
}
"""Setting to the flag that sets it, for messages; a setting without an entry has no flag."""


class Shape(Enum):
    """How a setting is written outside a file."""

    SCALAR = "scalar"
    LIST = "list"
    TAGS = "tags"
    STRUCTURE = "structure"


@dataclass(frozen=True, slots=True)
class Overrides:
    """Values that replace those of the file, where each came from, and what could not be used."""

    values: Mapping[tuple[str, str], object]
    places: Mapping[YamlPath, str]
    problems: tuple[Problem, ...]
    unknown_names: tuple[str, ...] = ()

    def updated_by(self, other: Overrides) -> Overrides:
        """Both, the other one winning."""
        return Overrides(
            {**self.values, **other.values},
            {**self.places, **other.places},
            (*(problem for problem in self.problems if problem.path not in other.places), *other.problems),
            (*self.unknown_names, *other.unknown_names),
        )

    def unknown(self, settings: Settings) -> tuple[str, ...]:
        """Warnings for `KMS_SCAN_*` variables that nothing reads and that look like a setting.

        Others belong to somebody else, as the one that the README keeps the ExternalId in, for `env:NAME` to name.
        """
        ids = (settings.aws.external_id, *(over.external_id for over in settings.accounts.overrides.values()))
        named = {value.removeprefix("env:") for value in ids if value is not None and value.startswith("env:")}
        read = {*named, EXTERNAL_ID_VARIABLE}
        sections = tuple(f"{PREFIX}{section.upper()}_" for section in Settings.model_fields)
        known = [environment_name(path).removeprefix(PREFIX) for path in setting_keys() if len(path) == 2]
        warnings = []
        for name in self.unknown_names:
            if name not in read:
                near = closest(name.removeprefix(PREFIX), known)
                if near is None and not name.startswith(sections):
                    continue
                meant = f" (did you mean `{PREFIX}{near}`?)" if near else ""
                warnings.append(f"env {name}: is not a setting and was ignored{meant}")
        return tuple(warnings)


@lru_cache(maxsize=1)
def setting_keys() -> Mapping[tuple[str, ...], FieldInfo]:
    """Every setting: `("version",)` and (section, key)."""
    keys: dict[tuple[str, ...], FieldInfo] = {}
    for section, info in Settings.model_fields.items():
        model = model_in(info.annotation)
        if model is None:
            keys[section,] = info
        else:
            keys.update({(section, key): inner for key, inner in model.model_fields.items()})
    return keys


def environment_name(path: tuple[str, ...]) -> str:
    """`KMS_SCAN_GATE_FAIL_ON` for `gate.fail_on`."""
    return PREFIX + "_".join(path).upper()


def shape_of(info: FieldInfo) -> Shape:
    """How the setting is written in the environment or on the command line."""
    annotation = info.annotation
    if model_in(annotation) is not None:
        return Shape.STRUCTURE
    if get_origin(annotation) is tuple:
        return Shape.LIST
    return Shape.TAGS if get_origin(annotation) is Mapping else Shape.SCALAR


def read_environment(environ: Mapping[str, str]) -> Overrides:
    """Settings from `KMS_SCAN_*`: scalars and comma lists only. An empty variable is null or an empty list.

    `KMS_SCAN_ACCOUNTS_IDS` also makes the list the source of accounts.
    """
    names = {environment_name(path): path for path in setting_keys() if len(path) == 2}
    values: dict[tuple[str, str], object] = {}
    places: dict[YamlPath, str] = {}
    problems: list[Problem] = []
    unknown: list[str] = []
    for name in sorted(entry for entry in environ if entry.startswith(PREFIX) and entry != f"{PREFIX}CONFIG"):
        if name not in names:
            unknown.append(name)
            continue
        section, key = names[name]
        info, text = setting_keys()[section, key], environ[name]
        places[section, key] = f"env {name}"
        match shape_of(info):
            case Shape.LIST:
                values[section, key] = _split(text)
            case Shape.SCALAR:
                nullable = NoneType in get_args(info.annotation)
                values[section, key] = None if nullable and text in NULL_TEXTS else text
            case _:
                text = f"{section}.{key} cannot be set in the environment (write it in the configuration file)"
                problems.append(Problem((section, key), text))
    _ids_are_the_source(values, places)
    return Overrides(values, places, tuple(problems), tuple(unknown))


def read_flags(flags: Mapping[str, object]) -> Overrides:
    """Settings from the command line, by dotted key. `--accounts` also makes its list the source of accounts.

    Raises KeyError for a key that is no setting: that is a mistake in the caller, not of the user.
    """
    values: dict[tuple[str, str], object] = {}
    places: dict[YamlPath, str] = {}
    problems: list[Problem] = []
    for dotted_key, value in flags.items():
        section, _, key = dotted_key.partition(".")
        info = setting_keys()[section, key]
        if value is None or value in ((), []):
            continue
        places[section, key] = FLAG_NAMES.get(dotted_key, "command line")
        read = _flag_value(value, shape_of(info))
        if isinstance(read, str) and shape_of(info) is Shape.TAGS:
            problems.append(Problem((section, key), f"{dotted_key} is `{read}`, must be KEY=VALUE"))
        else:
            values[section, key] = read
    _ids_are_the_source(values, places)
    return Overrides(values, places, tuple(problems))


def _ids_are_the_source(values: dict[tuple[str, str], object], places: dict[YamlPath, str]) -> None:
    """Who names accounts outside the file wants those scanned and not the organization that the file may name."""
    if values.get(("accounts", "ids")) and ("accounts", "source") not in values:
        values["accounts", "source"] = "ids"
        places["accounts", "source"] = places["accounts", "ids"]


def _flag_value(value: object, shape: Shape) -> object:
    """The value as the file would hold it. For tags: a mapping, or the first text that is no `KEY=VALUE`."""
    if shape is Shape.SCALAR:
        return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int | Path) else value
    if shape is Shape.STRUCTURE or isinstance(value, Mapping):
        return value
    items = [value] if isinstance(value, str) else list(value) if isinstance(value, Sequence | set) else [str(value)]
    texts = [str(item) for item in items]
    if shape is Shape.LIST:
        return [part for text in texts for part in _split(text)]
    tags: dict[str, list[str]] = {}
    for text in texts:
        key, separator, wanted = text.partition("=")
        if not separator or not key:
            return text
        tags.setdefault(key, []).append(wanted)
    return tags


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text.strip() else []
