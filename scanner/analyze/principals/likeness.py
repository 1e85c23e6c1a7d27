"""Identities that nothing tells apart once their permissions are rewritten: reaching one is as good as another."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from scanner.analyze.principals.mentions import (
    all_of,
    grantees_of,
    guardrails,
    mentions_in,
    mentions_of_names,
)
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World


class Likeness:
    """Signs identities by which mentions in documents could mean them.

    Args:
        documents: those that can look at who calls.
        grantees: who is named beside them, by grants.
    """

    def __init__(self, documents: Iterable[PolicyText], grantees: Iterable[str]) -> None:
        self._mentions = all_of((mentions_of_names(grantees), *map(mentions_in, documents)))
        self._signed: dict[str, Hashable] = {}

    def of(self, facts: PrincipalFacts) -> Hashable:
        """The signature of an identity: equal for those that every document treats alike."""
        if facts.arn not in self._signed:
            self._signed[facts.arn] = self._sign(facts)
        return self._signed[facts.arn]

    def _sign(self, facts: PrincipalFacts) -> Hashable:
        trust = facts.trust_policy and facts.trust_policy.sha256  # it says how sessions may be tagged
        tags = (tuple(sorted(facts.tags.items())), trust) if self._mentions.tags else ()
        return facts.kind, facts.account_id, self._mentions.names(facts.arn, facts.unique_id), tags


def likeness_in(world: World) -> Likeness:
    """What any document of a world tells apart."""
    keys = world.keys.values()
    documents = [p for key in keys for p in (key.key_policy, key.ram_policy)]
    documents.extend(p for facts in world.principals.values() for p in (facts.trust_policy, facts.boundary))
    documents.extend(guardrails(world))
    texts = {(p.sha256, p.kind): p for p in documents if p is not None}  # one hangs on thousands of roles
    return Likeness(texts.values(), (text for key in keys for text in grantees_of(key)))
