"""Entries of suppressions.yaml: findings that somebody reviewed and accepted until a date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Selector:
    """Which findings an entry is about, by key side and caller side; texts are globs anchored at both ends.

    An empty text asks nothing. `capabilities` are what the entry accepts, and nothing beyond.
    """

    kind: str = ""
    key_account: str = ""
    key_arn: str = ""
    key_alias: str = ""
    key_region: str = ""
    key_tags: Mapping[str, str] = field(default_factory=dict)
    grantee_account: str = ""
    grantee_selector: str = ""
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuppressionEntry:
    """One entry: a finding id with an optional fingerprint, or a selector; why, who answers for it, until which day.

    `expires` is an ISO date; the entry holds to the end of that day.
    """

    reason: str
    owner: str
    expires: str
    ticket: str = ""
    id: str = ""
    fingerprint: str = ""
    selector: Selector | None = None
    line: int = 0

    @property
    def label(self) -> str:
        """What people call the entry: its finding id, or what it matches."""
        if self.selector is None:
            return self.id
        asked = self.selector
        tags = tuple(f"{name}={value}" for name, value in asked.key_tags.items())
        key = (asked.key_arn, asked.key_alias, asked.key_account, asked.key_region, *tags)
        whose = (asked.grantee_selector, asked.grantee_account)
        return f"{' '.join(t for t in whose if t)} on {' '.join(t for t in key if t)}: {', '.join(asked.capabilities)}"
