"""Which rows of the coverage ledger a finding cites: those its decisions hang on, then those that hide more of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from itertools import chain, islice

from scanner.model.coverage import LedgerRow
from scanner.model.world import World

MOST_CITED = 20
"""Rows that one finding cites; beyond so many, which ones they are says no more."""

_IDENTITIES = frozenset({"sts:AssumeRole", "iam:GetAccountAuthorizationDetails"})
_KEYS = frozenset({
    "sts:AssumeRole", "account:ListRegions", "ec2:DescribeRegions", "kms:ListKeys", "kms:DescribeKey",
    "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListResourceTags",
})  # fmt: skip
_OF_ALL_REGIONS = frozenset({"*", "global"})


class UnreadRows:
    """The gaps of one world, asked about findings whose reach they may cut short.

    `looked_at` are the references, and the accounts, that were asked about since it was emptied last.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.looked_at: set[str] = set()

    def answers(self, looked_at: Iterable[str]) -> list[object]:
        """What is said about references and accounts: the same answers lead to the same citations."""
        return [(one, one in self._known if "/" in one else self.of_identities(one)) for one in looked_at]

    def cited(self, deciding: Iterable[str], hiding: Iterable[str] = ()) -> tuple[str, ...]:
        """The references that name rows of the ledger: first what decisions hang on, then what may hide more."""
        named = {ref for ref in deciding if "/" in ref}
        self.looked_at |= named
        known = self._known & named
        return tuple(islice(dict.fromkeys((*sorted(known), *hiding)), MOST_CITED))

    def of_everything(self, accounts: Iterable[str]) -> tuple[str, ...]:
        """What hides identities or keys, in these accounts first."""
        own = (self._refs_of(account_id) for account_id in sorted(set(accounts)))
        return tuple(islice(dict.fromkeys(chain(*own, (r.ref for r in self._hiding))), MOST_CITED))

    def of_identities(self, account_id: str = "") -> tuple[str, ...]:
        """What hides identities of an account, of every one where none is given."""
        self.looked_at.add(account_id)
        rows = self._by_account.get(account_id, ()) if account_id else self._hiding
        return tuple(islice((r.ref for r in rows if r.call in _IDENTITIES), MOST_CITED))

    def of_keys(self, account_id: str, region: str) -> tuple[str, ...]:
        """What hides keys of one account and Region, or a part of one of them."""
        rows = (r for r in self._by_account.get(account_id, ()) if r.region in _OF_ALL_REGIONS | {region})
        return tuple(islice((r.ref for r in rows if r.call in _KEYS), MOST_CITED))

    def _refs_of(self, account_id: str) -> Iterable[str]:
        return islice((r.ref for r in self._by_account.get(account_id, ())), MOST_CITED)

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(row.ref for row in self._world.coverage)

    @cached_property
    def _hiding(self) -> tuple[LedgerRow, ...]:
        """Every gap that hides something, those of whole units first."""
        found = (r for r in self._world.coverage if r.outcome.is_gap and r.call in _IDENTITIES | _KEYS)
        return tuple(sorted(found, key=lambda row: (bool(row.subject), row.ref)))

    @cached_property
    def _by_account(self) -> Mapping[str, Collection[LedgerRow]]:
        found: dict[str, list[LedgerRow]] = defaultdict(list)
        for row in self._hiding:
            found[row.account_id].append(row)
        return found
