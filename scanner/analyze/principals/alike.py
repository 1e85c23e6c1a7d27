"""Pairs of a role and a key of its account that are alike in everything but the account and the key's id."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Mapping
from functools import lru_cache

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.request.caller import account_of, organization_of
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

_SEES_IDS = re.compile(r"AROA|AIDA|aws:userid|aws:username|[0-9][*?]|[*?][0-9]|Numeric|\\u", re.IGNORECASE)
"""Text that can tell an identity by its id, or accounts by a part, the size or an escape of their number."""

_HERE = "#"
"""Stands for the account itself, so that documents of two accounts can be compared."""


class Alike:
    """Sorts pairs into groups of which one member is judged: renaming an account changes no verdict (`design.md` 5).

    Only pairs that were read completely, whose documents can see neither a single key nor a unique id, and whose
    guardrails do not mention the account, have a group. Tags and aliases count where some document looks at them.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._roles: dict[str, tuple[Hashable, bool] | None] = {}
        self._keys: dict[str, tuple[Hashable, bool] | None] = {}

    def of(self, role: PrincipalFacts, key: KeyFacts) -> Hashable | None:
        """The group of a pair; None where it is judged by itself."""
        if role.account_id != key.account_id:
            return None
        if role.arn not in self._roles:
            self._roles[role.arn] = self._role(role)
        if key.arn not in self._keys:
            self._keys[key.arn] = self._key(key)
        of_role, of_key = self._roles[role.arn], self._keys[key.arn]
        if of_role is None or of_key is None:
            return None
        marks = (_pairs(key.tags), key.aliases) if of_role[1] or of_key[1] else ()
        return of_role[0], of_key[0], marks

    def _role(self, role: PrincipalFacts) -> tuple[Hashable, bool] | None:
        """What counts of a role and of the guardrails of its account, and whether a document looks at marks of keys."""
        account = account_of(self._world, role.account_id)
        organization = organization_of(self._world, role.account_id)
        whole = account.collected and account.iam_complete and not account.organization_unknown and role.complete
        if not whole or (organization is not None and (organization.scps is None or organization.rcps is None)):
            return None
        documents = [p for p in (*role.identity_policies, role.boundary, role.trust_policy) if p is not None]
        path: tuple[str, ...] = ()
        levels: list[tuple[PolicyText, ...] | None] = []
        if organization is not None:
            path = tuple(organization.members.get(role.account_id, ()))
            for attached in (organization.scps or {}, organization.rcps or {}):
                levels.extend(attached.get(target) for target in (*path, role.account_id))
        guardrails = [p for level in levels for p in level or ()]
        if any(map(_sees_one, (*documents, *guardrails))) or any(role.account_id in p.text for p in guardrails):
            return None
        facts = (
            role.arn.replace(role.account_id, _HERE), _pairs(role.tags), bool(role.unique_id),
            tuple(_written(p, role.account_id) for p in role.identity_policies),
            role.boundary and _written(role.boundary, role.account_id),
            role.trust_policy and _written(role.trust_policy, role.account_id), account.ours,
            organization and (organization.id, organization.management_account == role.account_id), path,
            tuple(None if level is None else tuple(p.sha256 for p in level) for level in levels),
        )  # fmt: skip
        return facts, any(_looks_at_marks(p) for p in (*documents, *guardrails))

    def _key(self, key: KeyFacts) -> tuple[Hashable, bool] | None:
        policy = key.key_policy
        if policy is None or key.gaps or not key.ram_policy_read or key.ram_policy is not None or key.grants:
            return None
        if _sees_one(policy):
            return None
        facts = (
            key.region, key.partition, key.spec, key.usage, key.origin, key.state, key.multi_region,
            key.multi_region_type, _written(policy, key.account_id),
        )  # fmt: skip
        return facts, _looks_at_marks(policy)


def _written(policy: PolicyText, account_id: str) -> str:
    """The document as it would read in any account."""
    return hashlib.sha256(policy.text.replace(account_id, _HERE).encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=65536)
def _sees_one(policy: PolicyText) -> bool:
    """Whether a document may tell one key, identity or account from others by more than its whole name."""
    if _SEES_IDS.search(policy.text):
        return True
    statements = parse_policy(policy).statements
    named = (e.value for s in statements for e in (*(s.resources or ()), *(s.not_resources or ())))
    return not all(map(_covers_all_or_none, named))


def _covers_all_or_none(resource: str) -> bool:
    """Whether a resource covers all keys of an account and Region alike, or no key at all."""
    if resource == "*":
        return True
    parts = resource.split(":", 5)
    if len(parts) < 6 or any(c in "".join(parts[:3]) for c in "*?$"):
        return False
    return parts[2] != "kms" or parts[5] == "key/*"


def _looks_at_marks(policy: PolicyText) -> bool:
    text = policy.text.lower()
    return "tag" in text or "alias" in text


def _pairs(tags: Mapping[str, str] | None) -> Hashable:
    return None if tags is None else tuple(sorted(tags.items()))
