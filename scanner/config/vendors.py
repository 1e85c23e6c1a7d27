"""Reads the user's list of vendors: names for account ids of third parties, and nothing more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scanner.config.problems import Places, Problem, config_error, placed, schema_problems
from scanner.config.types import Account, Text
from scanner.errors import ConfigError
from scanner.yamltext import read_yaml

NONE = "none"
_LARGEST_FILE = 4 * 1024 * 1024
_FORM = "must be a list of vendors such as [{name: Example Backup, accounts: [444455556666]}]"


class _Vendor(BaseModel):
    """One entry; published lists hold more about a vendor, which is not needed here."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    name: Text
    accounts: tuple[Account, ...] = ()


class _Vendors(BaseModel):
    vendors: tuple[_Vendor, ...] = Field(default=())


def read_vendors(value: str, *, place: str = "configuration") -> Mapping[str, str]:
    """The vendors' names by account id; an account that two entries claim has both names.

    Args:
        value: of `trust.known_vendors`: `none`, or the path of a YAML list of `{name, accounts}`.
        place: where the value was set, for errors.

    Raises:
        ConfigError: the file cannot be read or holds something else; every problem with file and line.
    """
    if value == NONE:
        return {}
    path = Path(value)
    document = read_yaml(_text(path, place))
    places = Places(value, document, {})
    problems = [Problem(problem.path, str(problem), problem.line) for problem in document.problems]
    entries: tuple[_Vendor, ...] = ()
    if not problems and not isinstance(document.value, list):
        problems.append(Problem((), _FORM))
    if not problems:
        try:
            entries = _Vendors.model_validate({"vendors": document.value}).vendors
        except ValidationError as error:
            problems = [
                Problem(p.path[1:], p.text.removeprefix("vendors."), suggestion=p.suggestion)
                for p in schema_problems(error)
            ]
    if problems:
        raise config_error(placed(problems, places))
    names: dict[str, dict[str, None]] = {}
    for entry in entries:
        for account in entry.accounts:
            names.setdefault(account, {})[entry.name] = None
    return {account: " or ".join(found) for account, found in names.items()}


def _text(path: Path, place: str) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_LARGEST_FILE + 1)
        if len(data) > _LARGEST_FILE:
            reason = "it is larger than 4 MiB"
        else:
            return data.decode("utf-8-sig")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
    except UnicodeDecodeError:
        reason = "it is not UTF-8 text"
    text = f"trust.known_vendors is `{path}`, which cannot be read: {reason}"
    details: dict[str, object] = {"file": None, "line": None, "message": text, "suggestion": None}
    raise ConfigError((f"{place}: {text}",), details=(details,))
