"""Decides which rows of a snapshot a question about one key and one principal can depend on."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

_PLACE = re.compile(r"\{(accounts|principals|key|arn)\}")
_ACCOUNT = re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])")


@dataclass(frozen=True, slots=True)
class Part:
    """One key, and the accounts whose users and roles are asked about.

    The organization and the list of accounts are small and belong to every part. Of the ledger it has the rows about
    these accounts, and those about no single Region: what tells about the IAM of any account and about the guardrails.
    """

    key: str
    accounts: tuple[str, ...]


def narrowed(query: str, part: Part | None) -> tuple[str, dict[str, str]]:
    """A query of ours and its parameters, to read everything or what belongs to a part.

    `{accounts}`, `{principals}`, `{key}` and `{arn}` stand in it for conditions on the columns `account_id`,
    `principal_arn`, `key_arn` and `arn` of a key.
    """
    if part is None:
        return _PLACE.sub("TRUE", query), {}
    parameters = {f"account{n}": account for n, account in enumerate(part.accounts)}
    theirs = f"account_id IN ({', '.join(f':{name}' for name in parameters)})"
    conditions = {
        "accounts": theirs,
        "principals": f"principal_arn IN (SELECT arn FROM principals WHERE {theirs})",  # noqa: S608  # our own words
        "key": "key_arn = :key",
        "arn": "arn = :key",
    }
    return _PLACE.sub(lambda place: conditions[place[1]], query), {**parameters, "key": part.key}


def part_of(connection: sqlite3.Connection, key: str, principal: str) -> Part | None:
    """What the decision on a key and a principal needs, as a person typed them.

    None where not exactly one key is meant: whoever says so, with the names that come close, looks at every key.
    """
    found = _keys_meant(connection, key)
    if len(found) != 1:
        return None
    ((arn, owner),) = found
    accounts = sorted({*_ACCOUNT.findall(principal), *_ACCOUNT.findall(owner)})
    return Part(arn, tuple(accounts))


def _keys_meant(connection: sqlite3.Connection, text: str) -> list[tuple[str, str]]:
    """ARN and account of every key that an ARN, an id, an alias or the ARN of an alias can mean."""
    query = (
        "SELECT arn, account_id FROM keys WHERE arn = ?1 OR key_id = ?1 "
        "UNION SELECT k.arn, k.account_id FROM aliases AS a JOIN keys AS k ON k.arn = a.key_arn "
        "WHERE a.arn = ?1 OR a.name = ?1"
    )
    return connection.execute(query, (text,)).fetchall()
