"""Callers that cannot be told apart by anything a decision on a key looks at: decided once, true for all of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from copy import copy
from itertools import chain

from scanner.analyze.principals.anywhere import policies_of, written_anywhere
from scanner.analyze.principals.mentions import (
    Mentions,
    all_of,
    mentions_at,
    mentions_in,
    mentions_in_guardrails,
    numbers_in,
)
from scanner.analyze.principals.places import Places
from scanner.analyze.request.caller import Caller, may_be_service_linked
from scanner.analyze.request.session_tags import session_tags_of
from scanner.model.key import KeyFacts
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

_OF_AN_ACCOUNT = frozenset({
    PrincipalKind.USER, PrincipalKind.ROLE, PrincipalKind.ROOT_USER, PrincipalKind.ACCOUNT,
})  # fmt: skip


class Classes:
    """Sorts callers of one world into classes, key by key (`design.md` section 6).

    Two callers share a class if they differ in nothing but names (ARN, role and session name, unique id), the number of
    their account and tags, and no document that counts for them and the key can see a difference there. Every other
    fact is compared, also those of the account: its state, its place in the organization, its guardrails.
    """

    def __init__(self, world: World) -> None:
        self._guardrails = mentions_in_guardrails(world)
        self._asserted = numbers_in(v for values in world.asserted.values() for v in values)
        self._tagged: dict[str, frozenset[str]] = {}
        self._carried: dict[str, frozenset[str]] = {}
        self._facts: dict[tuple[str, bool, bool, bool], int] = {}
        self._numbers: dict[Hashable, int] = {}
        self._own: dict[str, Mentions] = {}
        self._places = Places(world)
        self._named: dict[str, Mentions] = {}

    def afresh(self) -> Classes:
        """The same for keys whose documents are others than those seen so far; what callers are like is kept."""
        other = copy(self)
        other._named, other._tagged = {}, {}
        return other

    def of(self, caller: Caller, key: KeyFacts) -> Hashable:
        """The class of a caller in questions about a key."""
        if caller.kind not in _OF_AN_ACCOUNT and not caller.session_open:
            return caller.text
        own = self._looked_at_by(caller)
        if own.see_names:
            return caller.text
        seen = self._looked_at_by_key(key)
        tags = own.tags or seen.tags
        home = caller.account_id == key.account_id
        apart = own.numbers or seen.numbers or caller.account_id in seen.accounts
        account = caller.account_id if apart or self._is_a_value(caller, key, tags=tags) else ""
        paths = own.paths or seen.paths
        place = (caller.text, tags, not account, paths)
        number = self._facts.get(place)
        if number is None:
            facts = self._facts_of(caller, tags=tags, anywhere=not account, paths=paths)
            number = self._facts[place] = self._numbers.setdefault(facts, len(self._numbers))
        names = seen.names(caller.parent_user or caller.principal_arn, caller.unique_id) if seen.see_names else ()
        return number, account, home, names

    def telling(self, keys: Iterable[KeyFacts]) -> tuple[KeyFacts, ...]:
        """Of some keys those that suffice to tell callers apart as all of them do."""
        found: dict[Hashable, KeyFacts] = {}
        for key in keys:
            found.setdefault((key.account_id, self._looked_at_by_key(key), self._values_at(key)), key)
        return tuple(found.values())

    def _looked_at_by(self, caller: Caller) -> Mentions:
        """What the caller's own policies look at."""
        found = self._own.get(caller.text)
        if found is None:
            found = self._own[caller.text] = all_of((Mentions(), *map(mentions_in, policies_of(caller))))
        return found

    def _looked_at_by_key(self, key: KeyFacts) -> Mentions:
        """What the documents of the key and all guardrails look at."""
        found = self._named.get(key.arn)
        if found is None:
            found = self._named[key.arn] = all_of((mentions_at(key), self._guardrails))
        return found

    def _values_of(self, caller: Caller) -> frozenset[str]:
        """Numbers in the tags that a caller has or may bring: a document may write its own account there."""
        if caller.text not in self._carried:
            brought = (v for s in session_tags_of(caller.trust_policy).statements for v in s.values.values())
            own = (*caller.tags.values(), *(caller.session_tags or {}).values(), *chain.from_iterable(brought))
            self._carried[caller.text] = numbers_in(own)
        return self._carried[caller.text]

    def _values_at(self, key: KeyFacts) -> frozenset[str]:
        """Numbers in the tags and aliases of a key."""
        if key.arn not in self._tagged:
            self._tagged[key.arn] = numbers_in((*(key.tags or {}).values(), *(key.aliases or ())))
        return self._tagged[key.arn]

    def _is_a_value(self, caller: Caller, key: KeyFacts, *, tags: bool) -> bool:
        """Whether the number of the caller's account stands in a value that a document may compare it with."""
        account = caller.account_id
        carried = tags and account in self._values_of(caller)
        return carried or account in self._values_at(key) or account in self._asserted

    def _facts_of(self, caller: Caller, *, tags: bool, anywhere: bool, paths: bool) -> Hashable:
        """Everything of a caller that counts beside its names.

        Args:
            tags: whether its tags count, and what its trust policy lets sessions bring.
            anywhere: write the caller's account as if it could be any.
            paths: whether the units of its account count.
        """
        here = caller.account_id if anywhere else ""
        brought = session_tags_of(caller.trust_policy).statements if tags else ()
        trust = tuple((s.keys, _pairs(s.values), s.certain) for s in brought)
        tagged = (_pairs(caller.tags), caller.session_tags and _pairs(caller.session_tags), trust) if tags else ()
        policies = tuple(written_anywhere(p, here) for p in policies_of(caller))
        return (
            caller.kind, caller.partition, caller.role_known, caller.session_name is None, caller.parent_user is None,
            bool(caller.unique_id), policies, tagged, caller.session_policies is None, bool(caller.session_policies),
            caller.collected, caller.account_collected, caller.ours, caller.gap, caller.session_open,
            caller.is_service_linked_role, caller.role_path_is_open, may_be_service_linked(caller),
            self._places.of_caller(caller.account_id, paths=paths),
        )  # fmt: skip


def _pairs(tags: Mapping[str, Hashable]) -> Hashable:
    return frozenset(tags.items())
