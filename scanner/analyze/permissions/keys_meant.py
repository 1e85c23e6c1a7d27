"""Which keys stand for those that a broad statement covers, whoever holds it."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.permissions.broad_statements import Broad, account_fitting
from scanner.analyze.permissions.stand_ins import any_keys_of, tells_keys_apart
from scanner.analyze.principals.classes import Classes
from scanner.analyze.request.caller import Caller
from scanner.model.key import KeyFacts
from scanner.model.world import World


@dataclass(slots=True)
class KeysMeant:
    """Keys of the holder's own account, where that is among those a statement covers, else of somebody unknown.

    Whose keys these are is worked out once for all holders of an account.
    """

    world: World
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    _owners: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _strangers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World, broad: Broad) -> KeysMeant:
        """Those of one statement, or of all in a policy of AWS."""
        return cls(world, broad.accounts, broad.regions)

    def by(self, caller: Caller) -> list[KeyFacts]:
        """What a holder is asked about; one key for each owner where no document of the holder tells its keys apart."""
        most = None if tells_keys_apart(self.world, caller) else 1
        return [key for owner in self.owners(caller) for key in islice(self._keys_of(owner, caller), most)]

    def likeness(self, classes: Classes, caller: Caller) -> Hashable:
        """What a holder shares with others of its account that cannot be told apart at any of these keys.

        Nobody wrote a document, tag or alias for a stand-in: a class at one holds at all of the same owner.
        """
        firsts = (key for owner in self.owners(caller) for key in islice(self._keys_of(owner, caller), 1))
        return tells_keys_apart(self.world, caller), tuple(classes.of(caller, key) for key in firsts)

    def owners(self, caller: Caller) -> tuple[str, ...]:
        """The accounts whose keys stand for those covered."""
        own = caller.account_id
        found = self._owners.get(own)
        if found is None:
            fits = {p: glob(tokens_of(p)).matches(own) for p in self.accounts}
            named = (own if mine else self._stranger(pattern) for pattern, mine in fits.items())
            found = self._owners[own] = tuple(dict.fromkeys(filter(None, named)))
        return found

    def strangers(self) -> list[str]:
        """For every pattern an account that fits it and that nothing here mentions, where there is one."""
        return [s for s in map(self._stranger, self.accounts) if s]

    def _keys_of(self, owner: str, caller: Caller) -> Iterator[KeyFacts]:
        return (key for region in self.regions for key in any_keys_of(owner, caller.partition, region))

    def _stranger(self, pattern: str) -> str:
        """An account that fits a pattern and that nothing here mentions; empty where there is none."""
        if pattern not in self._strangers:
            members = {str(a) for o in self.world.organizations for a in o.members}
            self._strangers[pattern] = account_fitting(pattern, members.union(map(str, self.world.accounts)))
        return self._strangers[pattern]
