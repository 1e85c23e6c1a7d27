"""The rows of keys.csv and access.csv."""

from __future__ import annotations

from dataclasses import dataclass
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


class AccessRow(NamedTuple):
    """A line of access.csv: key × principal × path × actions that share one decision. There are millions."""

    key_arn: str
    principal_arn: str
    principal_account_id: str
    principal_account_name: str
    party: str
    capability: str
    actions: tuple[str, ...]
    decision: str
    reason: str
    conditions: str
    mechanism: str
    path: str
    finding_id: str
    principal_kind: str
    finding_verdict: str = ""
