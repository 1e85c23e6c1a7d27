"""What of other accounts' keys the policies of our principals write out, by class of principals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.judge import Judgement
from scanner.analyze.keys.uses import SURE
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import glob, tokens_of
from scanner.analyze.permissions.broad_statements import open_accounts
from scanner.analyze.permissions.stand_ins import VARIABLE, KeyPattern, patterns_of
from scanner.analyze.permissions.statement_actions import foreign_actions
from scanner.analyze.principals.principal_classes import class_name, holders_of
from scanner.analyze.principals.selectors import GRANT, RAM, NamedStatement, is_fence
from scanner.model.arn import is_account_id
from scanner.model.finding import FindingVerdict
from scanner.model.policy import Effect, PolicyText, Statement
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World


@dataclass(slots=True)
class Named:
    """One key or account of another owner that policies of a class name, or that a grant or share gives it."""

    account_id: str
    partition: str
    key_arn: str = ""
    """Empty for an account."""
    patterns: dict[str, KeyPattern] = field(default_factory=dict)
    holders: dict[str, list[NamedStatement]] = field(default_factory=dict)
    is_shared: bool = False
    """Whether a resource share made it known, to which plain wildcards are enough."""

    def statements(self) -> list[NamedStatement]:
        """The statements that name it, each once."""
        found = {n.place: n for _, held in sorted(self.holders.items()) for n in held}
        return list(found.values())


ByTarget = dict[tuple[str, str], Named]
"""By class name, and key ARN or account id."""

_Statements = tuple[tuple[Statement, tuple[KeyPattern, ...]], ...]


def named_targets(world: World) -> ByTarget:
    """Keys and accounts that identity policies write out, the principal's own account left out."""
    named: ByTarget = {}
    read: dict[tuple[str, str], _Statements] = {}
    for facts, policies in holders_of(world, lambda p: bool(naming_statements(p, "aws"))):
        partition = facts.arn.split(":")[1]
        for policy in policies:
            place = (policy.sha256, partition)
            if place not in read:
                read[place] = naming_statements(policy, partition)
            for statement, patterns in read[place]:
                _add(named, facts, NamedStatement(parse_policy(policy), statement), patterns)
    return named


def naming_statements(policy: PolicyText, partition: str) -> _Statements:
    """Statements that may allow something on keys of an account that they write out."""
    found: list[tuple[Statement, tuple[KeyPattern, ...]]] = []
    document = parse_policy(policy)
    for statement in document.statements:
        if statement.effect is Effect.DENY:
            continue
        patterns = patterns_of((e.value for e in statement.resources or ()), partition)
        if open_accounts(statement):
            patterns = (*patterns, *_from_conditions(statement, partition))
        if patterns and foreign_actions((NamedStatement(document, statement),)):
            found.append((statement, patterns))
    return tuple(found)


def _from_conditions(statement: Statement, partition: str) -> Iterator[KeyPattern]:
    """Accounts that a fence on aws:ResourceAccount names where the resource is open."""
    for test in statement.conditions:
        if test.key.lower() == "aws:resourceaccount" and is_fence(test):
            for value in filter(is_account_id, test.values):
                yield KeyPattern(f"arn:{partition}:kms:*:{value}:key/*", value, partition, "*", "key/*")


def add_shared(world: World, named: ByTarget) -> None:
    """Add keys that a resource share reaches our account with and that nobody read, for who has a statement on them.

    The share tells that there is such a key and that its owner let the account in (R10.8), so whoever may use any key
    may use this one. A key that was read is judged by its own policies, one that is told of with its account is not
    told of again.
    """
    if not world.shared_keys:
        return
    for facts, policies in holders_of(world, lambda _: True):
        unread = (arn for arn in world.shared_keys.get(facts.account_id, ()) if arn not in world.keys)
        for pattern in patterns_of(unread, "aws"):
            if not pattern.is_exact or pattern.account_id == facts.account_id or _is_told(named, facts, pattern.text):
                continue
            for policy in policies:
                for statement in covering_statements(policy, pattern.text):
                    _add(named, facts, NamedStatement(parse_policy(policy), statement), (pattern,))
                    named[class_name(facts), pattern.text].is_shared = True


def _is_told(named: ByTarget, facts: PrincipalFacts, arn: str) -> bool:
    """Whether a finding about the key's account speaks of the principal and the key already."""
    account = named.get((class_name(facts), arn.split(":")[4]))
    return account is not None and facts.arn in account.holders and any(p.fits(arn) for p in account.patterns.values())


@lru_cache(maxsize=65536)
def covering_statements(policy: PolicyText, arn: str) -> tuple[Statement, ...]:
    """Statements that may allow something on one key of another account, by whatever resource."""
    document = parse_policy(policy)
    return tuple(
        statement
        for statement in document.statements
        if statement.effect is not Effect.DENY
        and (statement.resources is None or any(_covers(e.value, arn) for e in statement.resources))
        and foreign_actions((NamedStatement(document, statement),))
    )


def _covers(resource: str, arn: str) -> bool:
    """Whether a resource fits a key; a policy variable may stand for anything."""
    return glob(tokens_of(VARIABLE.sub("*", resource))).matches(arn)


def _add(named: ByTarget, facts: PrincipalFacts, statement: NamedStatement, patterns: Iterable[KeyPattern]) -> None:
    for pattern in patterns:
        if pattern.account_id == facts.account_id:
            continue
        target = pattern.text if pattern.is_exact else pattern.account_id
        found = named.setdefault(
            (class_name(facts), target),
            Named(pattern.account_id, pattern.partition, pattern.text if pattern.is_exact else ""),
        )
        found.patterns[pattern.text] = pattern
        held = found.holders.setdefault(facts.arn, [])
        if statement.place not in {n.place for n in held}:
            held.append(statement)


def proves(mechanism: str, judgement: Judgement) -> bool:
    """Whether a use is given by a grant or a resource share, so that no policy of ours need name the key."""
    if mechanism == RAM:
        return judgement.verdict is not FindingVerdict.BLOCKED
    return mechanism == GRANT and judgement.verdict in SURE


def add_proven(assembly: Assembly, named: ByTarget) -> None:
    """Add the keys that a grant or resource share gives to a class; no policy of ours need name them."""
    for name, use in assembly.uses.given_without_policies():
        arn = use.key.arn
        proven = any(proves(mechanism, judgement) for (mechanism, _), judgement in use.judgements.items())
        account = named.get((name, use.key.account_id))
        covered = account is not None and any(p.fits(arn) for p in account.patterns.values())
        if proven and not covered:
            named.setdefault((name, arn), Named(use.key.account_id, use.key.partition, arn))
