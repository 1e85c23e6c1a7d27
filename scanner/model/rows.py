"""The rows of keys.csv and access.csv."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A line of keys.csv: every key, also without findings. Read states are outcomes of the ledger."""

    key_arn: str
    account_id: str
    account_name: str
    region: str
    aliases: tuple[str, ...]
    state: str
    manager: str
    spec: str
    usage: str
    origin: str
    family: str
    tags: dict[str, str]
    last_used: str
    policy_read: str
    grants_read: str
    ram_read: str
    delegates_to_iam: str
    grants: int
    critical: int = 0
    high: int = 0
    medium: int = 0
    low: int = 0
    info: int = 0
    suppressed: int = 0


class RowPrincipal(NamedTuple):
    """Whom a line of access.csv is about."""

    arn: str
    account_id: str
    account_name: str
    kind: str


@lru_cache(maxsize=65536)
def row_principal(arn: str, account_id: str, account_name: str, kind: str) -> RowPrincipal:
    """The same object for every line about a principal."""
    return RowPrincipal(arn, account_id, account_name, kind)


class RowAccess(NamedTuple):
    """What a line of access.csv says of a principal and a key: actions that share one decision on one path."""

    party: str
    capability: str
    actions: tuple[str, ...]
    decision: str
    reason: str
    conditions: str
    mechanism: str
    path: str
    finding_id: str
    finding_verdict: str = ""


class AccessRow(NamedTuple):
    """A line of access.csv. There are millions, of which many share their principal or their access as an object."""

    key_arn: str
    principal: RowPrincipal
    access: RowAccess
