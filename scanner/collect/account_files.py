"""Reads a list of accounts from a file: CSV with a header row, or the `accounts.yml` of c7n-org."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import yaml

from scanner.errors import UsageError
from scanner.model.arn import is_account_id
from scanner.snapshot.rows import AccountRow


def accounts_from_file(path: Path) -> list[AccountRow]:
    """The accounts of a file, each once; of c7n-org's fields the id and the name.

    Its roles, regions and external ids are Custodian's and not ours: `aws.member_role` and `accounts.overrides` say how
    an account is entered, so a file can widen nothing and hide no region.

    Raises UsageError naming file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"`accounts.file` `{path}` cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"`accounts.file` `{path}` is no UTF-8 text: {error.reason}") from error
    entries = _of_yaml if path.suffix.lower() in {".yml", ".yaml"} else _of_csv
    found: dict[str, AccountRow] = {}
    for line, account_id, name in entries(path, text):
        if not is_account_id(account_id):
            raise UsageError(f"{path}:{line}: `{account_id}` must be a 12-digit account id")
        found[account_id] = AccountRow(account_id, name=name)
    return list(found.values())


def _of_csv(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        if "account_id" not in (reader.fieldnames or ()):
            raise UsageError(f"{path}:1: there is no column `account_id`", hint="the first line names the columns")
        for row in reader:
            yield reader.line_num, (row["account_id"] or "").strip(), (row.get("name") or "").strip()
    except csv.Error as error:
        raise UsageError(f"`accounts.file` `{path}` is no CSV text: {error}") from error


def _of_yaml(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """Every account with its line. Nodes and not values: they keep a leading zero, and aliases cost nothing."""
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UsageError(f"{path}:{mark.line + 1 if mark else 1}: is not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"`accounts.file` `{path}` is no YAML text") from error
    accounts = _member(root, "accounts")
    if not isinstance(accounts, yaml.SequenceNode):
        raise UsageError(f"{path}:1: there is no list `accounts`", hint="as in the accounts.yml of c7n-org")
    for entry in accounts.value:
        yield entry.start_mark.line + 1, _text(_member(entry, "account_id")), _text(_member(entry, "name"))


def _member(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _text(node: yaml.Node | None) -> str:
    return node.value.strip() if isinstance(node, yaml.ScalarNode) else ""
