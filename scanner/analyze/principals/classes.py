"""Callers that cannot be told apart by anything a decision on a key looks at: decided once, true for all of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from functools import lru_cache

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.selectors import operations_by_selector, selector_of
from scanner.analyze.request.caller import Caller, may_be_service_linked, organization_of
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.world import World

_OF_A_NAME = frozenset({"aws:principalarn", "aws:userid", "aws:username"})
_INDIVIDUAL = frozenset({"role", "user", "session", "federated"})


class Classes:
    """Sorts callers of one world into classes, key by key (`design.md` section 6).

    Two callers share a class if they differ in nothing but their names (ARN, role and session name, unique id) and no
    document that counts for them and the key can see a name. Every fact other than names is compared.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._facts: dict[str, Hashable] = {}
        self._guardrails: dict[tuple[str, str], bool] = {}
        self._named: dict[str, frozenset[str] | None] = {}

    def afresh(self) -> Classes:
        """The same for keys whose documents are others than those seen so far; what callers are like is kept."""
        other = Classes(self._world)
        other._facts, other._guardrails = self._facts, self._guardrails
        return other

    def of(self, caller: Caller, key: KeyFacts) -> Hashable:
        """The class of a caller in questions about a key."""
        return caller.text if self._names_matter(caller, key) else self.without_names(caller)

    def without_names(self, caller: Caller) -> Hashable:
        """Everything of a caller but its names; the caller itself where its own policies look at names."""
        if any(map(_sees_names, _policies_of(caller))):
            return caller.text
        if caller.text not in self._facts:
            self._facts[caller.text] = _facts(caller)
        return self._facts[caller.text]

    def _names_matter(self, caller: Caller, key: KeyFacts) -> bool:
        if caller.is_service or caller.is_root_user:
            return True
        if key.arn not in self._named:
            self._named[key.arn] = _individuals(key)
        named = self._named[key.arn]
        if named is None or caller.account_id in named:
            return True
        own, theirs = organization_of(self._world, caller.account_id), organization_of(self._world, key.account_id)
        attached = (("scp", own.id, own.scps) if own else None, ("rcp", theirs.id, theirs.rcps) if theirs else None)
        return any(self._guardrails_see_names(*place) for place in attached if place)

    def _guardrails_see_names(
        self, type_: str, organization: str, attached: Mapping[str, tuple[PolicyText, ...]] | None
    ) -> bool:
        place = (type_, organization)
        if place not in self._guardrails:
            self._guardrails[place] = any(_sees_names(p) for found in (attached or {}).values() for p in found)
        return self._guardrails[place]


def _policies_of(caller: Caller) -> Iterator[PolicyText]:
    yield from caller.identity_policies
    yield from caller.session_policies or ()
    if caller.boundary is not None:
        yield caller.boundary


def _facts(caller: Caller) -> Hashable:
    """Everything of a caller but its names."""
    return (
        caller.kind, caller.account_id, caller.partition, caller.role_known, caller.session_name is None,
        caller.parent_user, bool(caller.unique_id), tuple((p.sha256, p.kind) for p in caller.identity_policies),
        caller.boundary and caller.boundary.sha256, _hashes(caller.session_policies), _pairs(caller.tags),
        None if caller.session_tags is None else _pairs(caller.session_tags),
        caller.trust_policy and caller.trust_policy.sha256, caller.collected, caller.account_collected, caller.ours,
        caller.gap, caller.session_open, caller.is_service_linked_role, caller.role_path_is_open,
        may_be_service_linked(caller),
    )  # fmt: skip


def _hashes(policies: tuple[PolicyText, ...] | None) -> tuple[str, ...] | None:
    return None if policies is None else tuple(p.sha256 for p in policies)


def _pairs(tags: object) -> Hashable:
    return tuple(sorted(dict(tags).items()))  # type: ignore[call-overload]  # a mapping of texts


def _individuals(key: KeyFacts) -> frozenset[str] | None:
    """Accounts of which the key names single identities; None where everybody's name matters."""
    found: set[str] = set()
    texts = [t for g in key.grants or () for t in operations_by_selector(g, key.partition)]
    for policy in (key.key_policy, key.ram_policy):
        if policy is None:
            continue
        if _sees_names(policy):
            return None
        for statement in parse_policy(policy).statements:
            entries = (*(statement.principals or ()), *(statement.not_principals or ()))
            texts.extend(selector_of(e.value, key.partition) for e in entries if e.type == "AWS")
    for selector in texts:
        if selector.kind == "unknown_id":
            return None
        if selector.kind in _INDIVIDUAL:
            found.add(selector.account_id)
    return frozenset(found)


@lru_cache(maxsize=65536)
def _sees_names(policy: PolicyText) -> bool:
    """Whether a condition or variable of the document may look at who the caller is; a damaged document may."""
    document = parse_policy(policy)
    if document.problems or any(s.damage for s in document.statements):
        return True
    tests = [t for s in document.statements for t in s.conditions]
    resources = (e.value for s in document.statements for e in (*(s.resources or ()), *(s.not_resources or ())))
    written = (*(v for t in tests for v in t.values), *resources)
    return any(t.key.lower() in _OF_A_NAME for t in tests) or any("${" in v for v in written)
