"""Which roles trust policies may open to whom, as far as their text names accounts (R7.3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping

from scanner.analyze.paths.hops import ASSUME
from scanner.analyze.paths.sources import admissions_of, is_unread, may_ask, partition_of
from scanner.analyze.principals.reach import Population
from scanner.analyze.principals.selectors import Selector
from scanner.analyze.request.caller import Caller
from scanner.model.principal import PrincipalFacts


class Trusting:
    """Roles by the accounts that their trust policies name: more than who assumes them, and nobody less."""

    def __init__(self, roles: Mapping[str, PrincipalFacts], population: Population) -> None:
        self._by_account: dict[str, dict[str, None]] = defaultdict(dict)
        self._naming: dict[str, dict[str, None]] = defaultdict(dict)
        self._open: dict[str, None] = {}
        self._accounts: dict[str, dict[str, None]] = defaultdict(dict)
        written: dict[Hashable, tuple[Selector, ...]] = {}
        for arn, role in roles.items():
            place = (role.trust_policy and role.trust_policy.sha256, partition_of(role), is_unread(role))
            if place not in written:  # thousands of roles share a few trust policies
                written[place] = tuple(a.selector for a in admissions_of(role) if a.action == ASSUME)
            for selector in map(population.identified, written[place]):
                if selector.kind == "service":
                    continue
                (self._by_account[selector.account_id] if selector.account_id else self._open)[arn] = None
                self._accounts[arn][selector.account_id] = None
                if selector.kind != "account":  # what names the account leaves it to IAM of the caller (R7.3)
                    self._naming[selector.account_id][arn] = None

    def near(self, caller: Caller, identities: Mapping[str, PrincipalFacts]) -> Iterator[PrincipalFacts]:
        """The roles of which the trust policy may admit a caller, in order of names."""
        asks = may_ask(caller)
        named = self._by_account if asks else self._naming
        near = {**named.get(caller.account_id, {}), **self._open}
        others = (identities[r] for r in sorted(near) if r != caller.text)
        return (
            o for o in others
            if partition_of(o) == caller.partition and (asks or o.account_id == caller.account_id)
        )  # fmt: skip

    def may_admit(self, account_id: str, arn: str) -> bool:
        """Whether a role may admit somebody of an account."""
        return arn in self._by_account.get(account_id, {}) or arn in self._open

    def names(self, account_id: str, arn: str) -> bool:
        """Whether a role may admit somebody of an account whose own policies allow nothing: its own account alone."""
        return arn in self._naming.get(account_id, {}) or arn in self._open

    def accounts_at(self, arn: str) -> tuple[str, ...] | None:
        """The accounts of which a role may admit somebody; None where it may be any."""
        return None if arn in self._open else tuple(self._accounts.get(arn, ()))
