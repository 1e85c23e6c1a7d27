"""Finds the table of a snapshot whose rows cannot be what a collection wrote."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Mapping

from scanner.model.coverage import Outcome
from scanner.model.principal import PrincipalKind

_OUTCOMES = frozenset(outcome.value for outcome in Outcome)
_KINDS = frozenset(kind.value for kind in PrincipalKind)


def damaged_table(connection: sqlite3.Connection) -> str | None:
    """What is wrong in the first table that holds a row nobody collected, as `table: reason`; None where none does.

    It reads every row, so it is asked only after something else has failed.
    """
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (table,) in found:
        reason = _reason(connection, table)
        if reason:
            return f"table `{table}`: {reason}"
    return None


def _reason(connection: sqlite3.Connection, table: str) -> str:
    rules = _RULES.get(table, {})
    try:
        cursor = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # the schema was compared with ours
        names = [column[0] for column in cursor.description]
        for row in cursor:
            for name, value in zip(names, row, strict=True):
                if name in rules and value is not None and not rules[name](value):
                    return f"a value of `{name}` is none that a collection writes"
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return str(error)
    return ""


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _texts(text: str) -> bool:
    value = _json(text)
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _tags(text: str) -> bool:
    value = _json(text)
    return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _constraints(text: str) -> bool:
    value = _json(text)
    return isinstance(value, dict) and all(isinstance(item, dict | str) for item in value.values())


def _compressed(data: bytes) -> bool:
    try:
        zlib.decompress(data)
    except zlib.error:
        return False
    return True


_RULES: Mapping[str, Mapping[str, Callable[..., bool]]] = {
    "coverage": {"outcome": _OUTCOMES.__contains__},
    "documents": {"text": _compressed},
    "grants": {"operations": _texts, "constraints": _constraints},
    "principals": {"tags": _tags, "kind": _KINDS.__contains__},
}
