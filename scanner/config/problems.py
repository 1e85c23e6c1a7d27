"""Turns what pydantic found into sentences: where, which key, what is wrong, what was probably meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, ValidationError

from scanner.closest import closest
from scanner.config.schema import Settings
from scanner.config.types import listed
from scanner.errors import ConfigError
from scanner.model.neutral import terminal_safe
from scanner.yamltext import YamlDocument, YamlPath, dotted

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Places:
    """Says where a value came from: the configuration file, the environment or the command line.

    `overrides` holds the settings that did not come from the file, each with its place (`env NAME`, `--regions`).
    """

    file: str | None
    document: YamlDocument
    overrides: Mapping[YamlPath, str]

    def of(self, path: YamlPath, line: int | None = None) -> tuple[int, int, str]:
        """Sort key and text of the place: file lines first, then the environment, then flags."""
        override = self.overrides.get(path[:2])
        if override is not None:
            return (1 if override.startswith("env ") else 2, 0, override)
        if self.file is None:
            return (3, 0, "configuration")
        line = line or self.document.line(path)
        return (0, line, f"{self.file}:{line}")

    def origin(self, path: YamlPath) -> str:
        """`default`, `file:line`, `env NAME` or `flag`."""
        override = self.overrides.get(path)
        if override is not None:
            return override if override.startswith("env ") else "flag"
        if path in self.document.lines:
            return f"{self.file}:{self.document.lines[path]}"
        return "default"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one setting; `text` starts with the key. `line` is given where it is known."""

    path: YamlPath
    text: str
    line: int | None = None
    suggestion: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Placed:
    """A problem with its place, sorting in the order of the file, then the environment, then flags."""

    layer: int
    line: int
    text: str = field(compare=False)
    details: Mapping[str, object] = field(compare=False)


def placed(problems: Iterable[Problem], places: Places) -> list[Placed]:
    """The problems as `place: text`."""
    found = []
    for problem in problems:
        layer, line, place = places.of(problem.path, problem.line)
        details = {
            "file": places.file if layer == 0 else place,
            "line": line or None,
            "message": problem.text,
            "suggestion": problem.suggestion,
        }
        found.append(Placed(layer, line, f"{place}: {problem.text}{_meant(problem.suggestion)}", details))
    return found


def config_error(found: Iterable[Placed]) -> ConfigError:
    """Every problem in order, for people and for programs."""
    by_text = {entry.text: dict(entry.details) for entry in sorted(found)}
    return ConfigError(tuple(by_text), details=tuple(by_text.values()))


def in_order(found: Iterable[Placed]) -> tuple[str, ...]:
    """The texts in order, each once."""
    return tuple(dict.fromkeys(entry.text for entry in sorted(found)))


def schema_problems(error: ValidationError) -> list[Problem]:
    """Every error of a validation as a problem."""
    problems = []
    for details in error.errors(include_url=False):
        # A list whose items were refused is reported as too short as well; its items are the problem.
        if details["type"] == "too_short" and details["input"]:
            continue
        path = tuple(part for part in details["loc"] if part != "[key]")
        said, suggestion = _said(details, path)
        problems.append(Problem(path, f"{terminal_safe(dotted(path))} {said}", suggestion=suggestion or None))
    return problems


def _said(details: ErrorDetails, path: YamlPath) -> tuple[str, str | None]:
    """What is wrong, and what was probably meant."""
    context = details.get("ctx", {})
    value = _value(details["input"], path)
    given = "" if value is None else f"is `{value}`, "
    match details["type"]:
        case "missing":
            return "is required", None
        case "extra_forbidden":
            return "is not a setting", _nearest_setting(path)
        case "bare":
            return details["msg"], None
        case "must_be":
            return f"{given}{details['msg']}", context.get("suggestion")
        case "version":
            return f"{given}{details['msg']}", None
        case "literal_error":
            names = re.findall(r"'([^']*)'", context["expected"])
            near = closest(details["input"], names) if isinstance(details["input"], str) else None
            return f"{given}must be one of {listed(names)}", near
        case "tuple_type" | "list_type":
            example = f" (write `[{value}]`)" if value is not None else " such as [a, b]"
            return f"{given}must be a list{example}", None
        case "dict_type" | "mapping_type" | "model_type":
            return f"{given}must be a mapping of names to values", None
        case "too_short":
            return "must not be empty", None
    message = details["msg"][:1].lower() + details["msg"][1:]
    return message if value is None else f"is `{value}`: {message}", None


def _value(value: object, path: YamlPath) -> str | None:
    """The scalar as it was written; None for anything else, and for secrets, which no message repeats."""
    if path and path[-1] == "external_id":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = terminal_safe(str(value))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"


def _meant(suggestion: str | None) -> str:
    return f" (did you mean `{terminal_safe(suggestion)}`?)" if suggestion else ""


def _nearest_setting(path: YamlPath) -> str | None:
    """The setting of the same section with a similar name, else one of that name in another section."""
    name = str(path[-1])
    model: type[BaseModel] | None = Settings
    for part in path[:-1]:
        inner = model.model_fields.get(str(part)) if model is not None else None
        if inner is not None:
            model = model_in(inner.annotation)
    near = closest(name, model.model_fields) if model is not None else None
    if near is not None:
        return near
    elsewhere = {
        key: f"{section}.{key}"
        for section, keys in Settings.model_fields.items()
        for key in getattr(keys.annotation, "model_fields", {})
    }
    return elsewhere.get(name)


def model_in(annotation: object) -> type[BaseModel] | None:
    """The model inside an annotation such as `tuple[Model, ...]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = model_in(argument)
        if found is not None:
            return found
    return None
