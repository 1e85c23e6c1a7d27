"""Which identity policies and guardrails hang on tags or aliases of keys, and of which keys (R6.T, R6.A)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.permissions.stand_ins import patterns_of
from scanner.analyze.permissions.statement_actions import key_actions
from scanner.analyze.principals.principal_classes import IDENTITIES
from scanner.analyze.principals.selectors import NamedStatement
from scanner.analyze.statements.match import action_matches
from scanner.model.key import KeyFacts
from scanner.model.policy import ConditionTest, PolicyText, Statement
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

TAG, ALIAS = "tag", "alias"
_TAG_KEY, _ALIASES = "aws:resourcetag/", "kms:resourcealiases"
_PRINCIPAL_TAG = re.compile(r"\$\{aws:PrincipalTag/([^}]+)\}", re.IGNORECASE)
OTHER_VALUE = "kms-scan-other"
"""A value that no policy asks for, as anybody who may set a tag can set it."""


@dataclass(frozen=True, slots=True, order=True)
class Attribute:
    """A tag by its key, or aliases by a pattern."""

    kind: str
    name: str


@dataclass(slots=True)
class KeySet:
    """Keys of one account and Region with the rules that hang on one attribute of theirs.

    `users` are the principals whose access the rules decide, each with the values that its rules ask for. `statements`
    are the rules by their text, each as every principal holds it: many may hold the same text.
    """

    account_id: str
    region: str
    attribute: Attribute
    keys: dict[str, KeyFacts] = field(default_factory=dict)
    users: dict[str, dict[str, None]] = field(default_factory=dict)
    statements: dict[tuple[str, int], dict[str, NamedStatement]] = field(default_factory=dict)

    @property
    def actions(self) -> tuple[str, ...]:
        """One action of every capability that the rules concern; the others of it go the same way."""
        found = {a.capability: a.iam_name for a in reversed(key_actions(self.rules_of(())))}
        return tuple(found.values())

    def rules_of(self, members: Collection[str]) -> tuple[NamedStatement, ...]:
        """Every rule once: as one of these principals holds it, where one does, else as the first of all holds it."""
        found = []
        for _, held in sorted(self.statements.items()):
            own = next((held[arn] for arn in members if arn in held), None)
            found.append(own or next(iter(held.values())))
        return tuple(found)


def key_sets(world: World) -> list[KeySet]:
    """Every set of collected keys of which an attribute decides access, with the rules that say so."""
    by_account: dict[str, list[KeyFacts]] = {}
    for arn in sorted(world.keys):
        if world.keys[arn].manager != "AWS":
            by_account.setdefault(world.keys[arn].account_id, []).append(world.keys[arn])
    found: dict[tuple[str, str, Attribute], KeySet] = {}
    asked: dict[str, tuple[tuple[NamedStatement, Attribute, ConditionTest], ...]] = {}
    for facts, policies in _documents(world):
        for policy in policies:
            if policy.sha256 not in asked:
                asked[policy.sha256] = tuple(_tests(policy))
            for named, attribute, test in asked[policy.sha256]:
                held = NamedStatement(replace(named.document, policy=policy), named.statement)
                _add(found, facts, _keys_meant(named.statement, facts, by_account), (held, attribute, test))
    return [found[place] for place in sorted(found)]


def _documents(world: World) -> Iterator[tuple[PrincipalFacts, Iterable[PolicyText]]]:
    """Every user and role with the documents that decide what it may do: its own and the guardrails above it."""
    guardrails = _guardrails(world)
    for arn in sorted(world.principals):
        facts = world.principals[arn]
        if facts.kind in IDENTITIES:
            boundary = (facts.boundary,) if facts.boundary else ()
            yield facts, (*facts.identity_policies, *boundary, *guardrails.get(facts.account_id, ()))


def _guardrails(world: World) -> dict[str, tuple[PolicyText, ...]]:
    """Service and resource control policies above every account that test an attribute of keys."""
    found: dict[str, tuple[PolicyText, ...]] = {}
    for organization in world.organizations:
        for account, path in organization.members.items():
            above = (*path, account)
            attached = (m.get(t, ()) for m in (organization.scps, organization.rcps) if m for t in above)
            texts = tuple(p for texts in attached for p in texts if any(True for _ in _tests(p)))
            if texts:
                found[account] = texts
    return found


def _tests(policy: PolicyText) -> Iterator[tuple[NamedStatement, Attribute, ConditionTest]]:
    if _TAG_KEY not in policy.text.lower() and _ALIASES not in policy.text.lower():
        return
    document = parse_policy(policy)
    for statement in document.statements:
        named = NamedStatement(document, statement)
        for test in statement.conditions:
            if test.key.lower().startswith(_TAG_KEY) and key_actions((named,)):
                yield named, Attribute(TAG, test.key[len(_TAG_KEY) :]), test
            elif test.key.lower() == _ALIASES and key_actions((named,)):
                for value in test.values:
                    yield named, Attribute(ALIAS, value), test


def _keys_meant(
    statement: Statement, facts: PrincipalFacts, by_account: dict[str, list[KeyFacts]]
) -> Iterator[KeyFacts]:
    """Keys that the statement covers: those of the principal's account, and of accounts that it writes out."""
    elements = tuple(e.value for e in statement.resources or ())
    accounts = {facts.account_id, *(p.account_id for p in patterns_of(elements, facts.arn.split(":")[1]))}
    for account in sorted(accounts):
        for key in by_account.get(account, ()):
            if statement.resources is None or any(glob(tokens_of(e)).matches(key.arn) for e in elements):
                yield key


def _add(
    found: dict[tuple[str, str, Attribute], KeySet],
    facts: PrincipalFacts,
    keys: Iterable[KeyFacts],
    rule: tuple[NamedStatement, Attribute, ConditionTest],
) -> None:
    named, attribute, test = rule
    for key in keys:
        place = (key.account_id, key.region, attribute)
        held = found.setdefault(place, KeySet(key.account_id, key.region, attribute))
        held.keys[key.arn] = key
        wanted = held.users.setdefault(facts.arn, {})
        held.statements.setdefault(named.place, {})[facts.arn] = named
        for value in test.values if attribute.kind == TAG else (attribute.name,):
            wanted.update(dict.fromkeys(_values(value, facts, is_presence=test.operator == "Null")))


def _values(written: str, facts: PrincipalFacts, *, is_presence: bool) -> Iterator[str]:
    """Values that meet what a rule writes, as far as they can be told."""
    if is_presence:
        return
    tags = {k.lower(): v for k, v in facts.tags.items()}
    text = _PRINCIPAL_TAG.sub(lambda m: tags.get(m[1].lower(), "${"), written)
    if "${" not in text:
        yield text.replace("*", "x").replace("?", "x")


def allows_directly(key: KeyFacts, iam_action: str) -> tuple[bool, frozenset[str]]:
    """Whether a key policy lets anybody of its account do an action without IAM, and whom it names for it (R3.10)."""
    everybody, named = False, set()
    for statement in parse_policy(key.key_policy).statements if key.key_policy else ():
        if action_matches(statement, iam_action) is not False:
            everybody |= statement.not_principals is not None
            for entry in statement.principals or ():
                everybody |= entry.type == "*"
                named.add(entry.value)
    return everybody, frozenset(named)
