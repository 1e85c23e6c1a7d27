"""Everything an analysis knows: the snapshot as typed values, or the world of a case file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.model.arn import AccountId, KeyArn
from scanner.model.coverage import LedgerRow
from scanner.model.key import KeyFacts
from scanner.model.organization import AccountFacts, Organization
from scanner.model.principal import PrincipalFacts


@dataclass(frozen=True, slots=True)
class World:
    """The facts decisions rest on. Immutable; an analysis never adds to it.

    `as_of` is the evaluation time in ISO 8601 (R5.26). `credit_scp` and `credit_rcp` are false where the user asked to
    assume that no guardrail protects anything (R3.56). `asserted` are condition keys the user vouches for.
    """

    accounts: Mapping[AccountId, AccountFacts]
    organizations: tuple[Organization, ...]
    keys: Mapping[KeyArn, KeyFacts]
    principals: Mapping[str, PrincipalFacts]
    as_of: str
    coverage: tuple[LedgerRow, ...] = ()
    credit_scp: bool = True
    credit_rcp: bool = True
    asserted: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    organization_gap: str = ""
    """The ledger row that tells why the organization is not known; empty where it is, or nothing was to be read."""
    unlisted_accounts_collected: bool = True
    """What holds for accounts that `accounts` does not mention: a case file counts them as collected, a snapshot as
    strangers (R3.30)."""
    shared_keys: Mapping[AccountId, tuple[KeyArn, ...]] = field(default_factory=dict)
    """Keys of other accounts that a resource share reaches an account with, as it was told itself (R10.8). What the
    share allows stands in the owner's policy, so they are seen and no decision rests on them."""
