"""Identities that nothing tells apart once their permissions are rewritten: reaching one is as good as another."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import Pattern, glob, tokens_of
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.selectors import operations_by_selector
from scanner.analyze.request.caller import Caller
from scanner.model.key import KeyFacts
from scanner.model.policy import Document, PolicyText, Statement
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

_BY_NAME = "aws:principalarn"
_INDIVIDUAL = frozenset({"aws:userid", "aws:username"})
_TAGS = "aws:principaltag/"
_VARIABLE = re.compile(r"\$\{([^}]*)")
_OF_NOBODY = (_TAGS, "aws:principalaccount", "aws:principalorg", "aws:resource", "*", "?", "$")
"""Variables in which no name of an identity stands."""
_OF_SESSION = ":assumed-role/"


class Likeness:
    """Signs identities by which mentions in documents could mean them.

    Args:
        documents: those that can look at who calls.
        grantees: who is named beside them, by grants.
    """

    def __init__(self, documents: Iterable[PolicyText], grantees: Iterable[str]) -> None:
        self._exact: dict[str, None] = {}
        self._globs: dict[Pattern, None] = {}
        self._individual = self._tags = False
        for text in grantees:
            self._note(text)
        for policy in dict.fromkeys(documents):
            self._read(parse_policy(policy))
        self._signed: dict[str, Hashable] = {}

    def of(self, facts: PrincipalFacts) -> Hashable:
        """The signature of an identity: equal for those that every document treats alike."""
        if facts.arn not in self._signed:
            self._signed[facts.arn] = self._sign(facts)
        return self._signed[facts.arn]

    def _sign(self, facts: PrincipalFacts) -> Hashable:
        names = {facts.arn.lower(), facts.unique_id.lower(), _session(facts.arn).lower()}
        one_of_its_kind = self._individual or not names.isdisjoint(self._exact)
        patterns = frozenset(p for p in self._globs if p.matches(facts.arn))
        trust = facts.trust_policy and facts.trust_policy.sha256  # it says how sessions may be tagged
        tags = (tuple(sorted(facts.tags.items())), trust) if self._tags else ()
        return facts.kind, facts.account_id, facts.arn if one_of_its_kind else "", patterns, tags

    def _note(self, text: str) -> None:
        if any(c in text for c in "*?$"):
            for ignore_case in (False, True):
                self._globs[glob(tokens_of(text), ignore_case=ignore_case)] = None
        else:
            self._exact[_session(text).lower() if _OF_SESSION in text else text.lower()] = None

    def _read(self, document: Document) -> None:
        if document.problems or any(s.damage for s in document.statements):
            self._individual = True
        for statement in document.statements:
            for entry in (*(statement.principals or ()), *(statement.not_principals or ())):
                self._note(entry.value)
            for test in statement.conditions:
                name = test.key.lower()
                self._individual = self._individual or name in _INDIVIDUAL
                self._tags = self._tags or name.startswith(_TAGS)
                for value in test.values if name == _BY_NAME else ():
                    self._note(value)
            for variable in _variables(statement):
                self._tags = self._tags or variable.startswith(_TAGS)
                self._individual = self._individual or not variable.startswith(_OF_NOBODY)


def _variables(statement: Statement) -> Iterator[str]:
    """The policy variables in conditions and resources."""
    resources = (*(statement.resources or ()), *(statement.not_resources or ()))
    written = (*(v for test in statement.conditions for v in test.values), *(e.value for e in resources))
    return (found.lower() for text in written for found in _VARIABLE.findall(text))


def _session(arn: str) -> str:
    """The role of an account by its name alone, as sessions name it."""
    account, name = arn.split(":")[4:5], arn.split("/")
    return f"{'/'.join(account)} {name[1] if _OF_SESSION in arn and len(name) > 1 else name[-1]}"


def likeness_in(world: World) -> Likeness:
    """What any document of a world tells apart."""
    keys = world.keys.values()
    documents = [p for key in keys for p in (key.key_policy, key.ram_policy)]
    documents.extend(p for facts in world.principals.values() for p in (facts.trust_policy, facts.boundary))
    documents.extend(_guardrails(world))
    return Likeness((p for p in documents if p is not None), (text for key in keys for text in _grantees(key)))


class KeyLikeness:
    """Classes of identities, key by key: what the key and guardrails tell apart, and what they are beside their names.

    Of identities whose permissions are rewritten only the boundary counts beside.
    """

    def __init__(self, world: World, classes: Classes, *, rewritten: bool = False) -> None:
        self._world = world
        self._classes = classes
        self._rewritten = rewritten
        self._guardrails = tuple(_guardrails(world))
        self._by_key: dict[str, Likeness] = {}

    def of(self, caller: Caller, key: KeyFacts) -> Hashable:
        """The class of a caller in questions about a key."""
        if key.arn not in self._by_key:
            own = [p for p in (key.key_policy, key.ram_policy) if p is not None]
            self._by_key[key.arn] = Likeness((*own, *self._guardrails), _grantees(key))
        known = self._classes.without_names(caller)
        if self._rewritten and known != caller.text:
            boundary = caller.boundary and caller.boundary.sha256
            known = boundary, caller.collected, caller.gap, caller.is_service_linked_role, bool(caller.unique_id)
        return self._by_key[key.arn].of(self._world.principals[caller.text]), known


def _grantees(key: KeyFacts) -> Iterator[str]:
    return (s.text for grant in key.grants or () for s in operations_by_selector(grant, key.partition))


def _guardrails(world: World) -> Iterator[PolicyText]:
    for organization in world.organizations:
        for attached in (organization.scps, organization.rcps):
            for policies in (attached or {}).values():
                yield from policies
