"""Accounts, organizational units and the guardrails attached to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.model.arn import AccountId
from scanner.model.policy import PolicyText


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One account. `opted_in_regions` is None where they were not read (R9.20).

    `collected` means that a role was assumed there, `iam_complete` that its IAM was enumerated (R3.74); `ours` that it
    is in the tree, in `trust.organizations` or in the scan list. `organization_unknown` means that neither its
    organization nor its guardrails were read (R3.56).
    """

    id: AccountId
    name: str = ""
    status: str = "ACTIVE"
    collected: bool = True
    iam_complete: bool = True
    ours: bool = False
    organization_unknown: bool = False
    opted_in_regions: frozenset[str] | None = None
    default_regions: frozenset[str] | None = None
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization whose members are listed completely.

    `members` maps an account to its path from the root to the last OU. `scps` and `rcps` map a target (root, OU or
    account id) to the policies attached there; None means that they could not be read. A target missing from `scps`
    holds FullAWSAccess.
    """

    id: str
    root: str
    management_account: AccountId
    members: Mapping[AccountId, tuple[str, ...]]
    scps: Mapping[str, tuple[PolicyText, ...]] | None = field(default_factory=dict)
    rcps: Mapping[str, tuple[PolicyText, ...]] | None = field(default_factory=dict)
    scp_enabled: bool = True
    rcp_enabled: bool = True
    name: str = ""
    scp_gap: str = ""
    rcp_gap: str = ""
    ou_names: Mapping[str, str] = field(default_factory=dict)
    ours: bool = True
