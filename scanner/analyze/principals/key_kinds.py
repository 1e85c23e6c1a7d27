"""Keys that are alike in everything but their account and id, as far as the documents of a decision can see."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.anywhere import concerns_kms, policies_of, written_anywhere
from scanner.analyze.principals.mentions import guardrails
from scanner.analyze.principals.places import Places
from scanner.analyze.request.caller import Caller
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.world import World

_TAG = re.compile(r"(?:aws|iam):resourcetag/([^}]*)")
_OF_TAGS = frozenset({"aws:resourcetag", "iam:resourcetag"})
_ALIASES = "alias/"
"""Among the names of tags: no tag is looked at by this name, and no document needs to be told from one that does."""


_Form = tuple[str, bool, bool, frozenset[str]]
"""A key by ARN, and what documents can see of it."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What documents can see of a key: whether it is a single one, and `marks`, names of tags in lower case."""

    single: bool = False
    marks: frozenset[str] = frozenset()

    def __or__(self, other: Sight) -> Sight:
        return _together((self, other))


class KeyKinds:
    """Numbers keys by kind, for callers whose documents see so much of them.

    Only keys that were read completely and have no grants have a kind, and only where no document can see a single key.
    """

    def __init__(self, world: World, places: Places) -> None:
        self._places = places
        self._guardrails = _together(map(_sight_of, dict.fromkeys(filter(concerns_kms, guardrails(world)))))
        self._numbers: dict[Hashable, int] = {}
        self._keys: dict[str, Sight] = {}
        self._kinds: dict[_Form, int] = {}

    def afresh(self) -> KeyKinds:
        """The same for keys whose documents are others than those seen so far; kinds keep their numbers."""
        other = KeyKinds.__new__(KeyKinds)
        other._places, other._guardrails, other._numbers = self._places, self._guardrails, self._numbers
        other._keys, other._kinds = {}, {}
        return other

    def seen_by(self, caller: Caller) -> Sight:
        """What the caller's own policies and all guardrails can see of a key."""
        return _together((self._guardrails, *map(_sight_of, policies_of(caller))))

    def of(self, key: KeyFacts, seen: Sight, *, named: bool, paths: bool) -> int | None:
        """The kind of a key; None where it is judged by itself.

        Args:
            seen: what the documents of a caller can see.
            named: whether some document may write out the number of the key's account.
            paths: whether some document looks at the units of accounts.
        """
        if key.key_policy is None or key.gaps or not key.ram_policy_read or key.ram_policy is not None:
            return None
        if key.grants != ():
            return None
        if key.arn not in self._keys:
            self._keys[key.arn] = _sight_of(key.key_policy)
        sight = seen | self._keys[key.arn]
        if sight.single:
            return None
        form = key.arn, named, paths, sight.marks
        if form not in self._kinds:
            self._kinds[form] = self._numbers.setdefault(self._facts_of(key, key.key_policy, form), len(self._numbers))
        return self._kinds[form]

    def _facts_of(self, key: KeyFacts, policy: PolicyText, form: _Form) -> Hashable:
        _, named, paths, marks = form
        tags = None if key.tags is None else tuple(sorted(t for t in key.tags.items() if t[0].lower() in marks))
        return (
            key.region, key.partition, key.spec, key.usage, key.origin, key.state, key.multi_region,
            key.multi_region_type, key.manager, written_anywhere(policy, "" if named else key.account_id), tags,
            key.aliases if _ALIASES in marks else (), key.account_id if named else "",
            self._places.of_owner(key.account_id, paths=paths),
        )  # fmt: skip


def _together(sights: Iterable[Sight]) -> Sight:
    parts = tuple(dict.fromkeys(sights))
    if len(parts) == 1:
        return parts[0]
    return Sight(any(s.single for s in parts), frozenset().union(*(s.marks for s in parts)))


@lru_cache(maxsize=65536)
def _sight_of(policy: PolicyText) -> Sight:
    return Sight(_sees_one(policy), frozenset(_marks_in(policy)))


def _marks_in(policy: PolicyText) -> Iterator[str]:
    """The tags of keys that a document looks at, in conditions or as variables, and whether it looks at aliases."""
    for statement in parse_policy(policy).statements:
        elements = (*(statement.resources or ()), *(statement.not_resources or ()))
        for test in statement.conditions:
            family, _, name = test.key.lower().partition("/")
            if family in _OF_TAGS:
                yield name
        written = [*(e.value for e in elements), *(x for t in statement.conditions for x in (t.key, *t.values))]
        for text in written:
            for name in _TAG.findall(text.lower()):
                yield from (name.rstrip(), name.partition(",")[0].rstrip())
            if "resourcealiases" in text.lower():
                yield _ALIASES


def _sees_one(policy: PolicyText) -> bool:
    """Whether a document may tell one key of an account and Region from another; a damaged one may."""
    document = parse_policy(policy)
    if document.problems or any(s.damage for s in document.statements):
        return True
    named = (e.value for s in document.statements for e in (*(s.resources or ()), *(s.not_resources or ())))
    return not all(map(_covers_all_or_none, named))


def _covers_all_or_none(resource: str) -> bool:
    """Whether a resource covers all keys of an account and Region alike, or no key at all."""
    if resource == "*":
        return True
    parts = resource.split(":", 5)
    if len(parts) < 6 or any(c in "".join(parts[:3]) for c in "*?$"):
        return False
    return parts[2] != "kms" or parts[5] == "key/*" or parts[5].startswith("alias/")
