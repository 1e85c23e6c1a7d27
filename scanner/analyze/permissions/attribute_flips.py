"""What changing a tag or an alias of keys decides, proven by judging again, and who may make which change (R8.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.every_action import decisions
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.judge import strength
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.permissions.attribute_changes import Change, changes_of
from scanner.analyze.permissions.attribute_rules import KeySet, allows_directly
from scanner.analyze.permissions.attribute_words import attribute_in_words
from scanner.analyze.permissions.drafts import verdict_of
from scanner.analyze.principals.principal_classes import class_name
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller, resolve_caller
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import action_matches
from scanner.model.actions import Action, find_action
from scanner.model.decision import Decision, Verdict
from scanner.model.finding import FindingVerdict
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect
from scanner.model.principal import PrincipalKind

MOST_KEYS, MOST_USERS = 25, 50
"""Distinct keys and users of a set that are judged again with a changed attribute; that others are not is said."""

_LETS = frozenset({Verdict.ALLOWED, Verdict.CONDITIONAL})


@dataclass(frozen=True, slots=True)
class Flip:
    """A change of an attribute that decides an action of somebody: whom, what, on which key, and how sure."""

    change: Change
    keys: tuple[KeyFacts, ...]
    """The key that was judged, then those that differ in nothing but their id."""
    user: str
    action: Action
    opens: bool
    verdict: FindingVerdict
    decision: Decision


# -- what a change of the attribute decides ---------------------------------------------------------------------------


def flips_of(assembly: Assembly, keys: KeySet) -> Iterator[Flip]:
    """Judge the users again in a world where the attribute is changed, and keep what becomes different."""
    asked, judged = _distinct_users(assembly, keys), _distinct_keys(keys)
    for what, number, most in (("keys", len(judged), MOST_KEYS), ("principals", len(asked), MOST_USERS)):
        if number > most:
            assembly.cuts.append(
                f"Attributes: {number:,} different {what} hang on {attribute_in_words(keys)} in {keys.account_id} "
                f"{keys.region}; only {most} of them were judged again with the attribute changed."
            )
    users = [resolve_caller(assembly.world, arn) for arn in asked[:MOST_USERS]]
    actions = [a for a in map(find_action, keys.actions) if a is not None]
    for key, alike in judged[:MOST_KEYS]:
        changes = changes_of(keys, key)
        for caller in users:
            today = decisions(assembly.world, caller, key)
            tried = [c for value in ("", *keys.users[caller.text]) for c in changes.get(value, ())]
            after = [(change, decisions(assembly.world, caller, change.key)) for change in tried]
            for action, (change, then) in product(actions, after):
                found = _compared(today(action), then(action))
                if found is not None:
                    yield Flip(change, alike, caller.text, action, *found, then(action))


def _compared(before: Decision, after: Decision) -> tuple[bool, FindingVerdict] | None:
    """Whether access opens or closes, and how sure that is; None where nothing changes."""
    if before.verdict is Verdict.DENIED and after.verdict in _LETS:
        conditional = after.verdict is Verdict.CONDITIONAL
        return True, FindingVerdict.CONDITIONAL if conditional else FindingVerdict.CONFIRMED
    if before.verdict in _LETS and after.verdict is Verdict.DENIED:
        return False, FindingVerdict.CONFIRMED
    unread = {"tags_not_read", "aliases_not_read", "ambiguous_tag"} & set(before.unknowns)
    if before.verdict is Verdict.DENIED and after.verdict is Verdict.UNKNOWN:
        return True, FindingVerdict.POSSIBLE
    if unread and after.verdict is not Verdict.DENIED:
        return True, FindingVerdict.POSSIBLE
    return None


def _distinct_keys(keys: KeySet) -> list[tuple[KeyFacts, tuple[KeyFacts, ...]]]:
    """One key of those that differ in nothing but their id, with all of them."""
    found: dict[object, list[KeyFacts]] = {}
    for key in keys.keys.values():
        policy, ram = key.key_policy, key.ram_policy
        alike = (
            policy and policy.sha256, ram and ram.sha256, key.grants, tuple(sorted((key.tags or {}).items())),
            key.aliases, key.state, key.spec, key.usage, key.tags is None,
        )  # fmt: skip
        found.setdefault(alike, []).append(key)
    return [(members[0], tuple(members)) for members in found.values()]


def _distinct_users(assembly: Assembly, keys: KeySet) -> list[str]:
    """One user of every class."""
    asked = asked_of(keys)
    found: dict[object, str] = {}
    for arn in sorted(keys.users):
        caller = resolve_caller(assembly.world, arn)
        found.setdefault((class_name(caller), like(assembly, caller, asked)), arn)
    return list(found.values())


def asked_of(keys: KeySet) -> tuple[KeyFacts, ...]:
    """The keys of a set that are judged again: no more than so many different ones."""
    return tuple(key for key, _ in _distinct_keys(keys)[:MOST_KEYS])


def like(assembly: Assembly, caller: Caller, keys: Iterable[KeyFacts]) -> object:
    """What a caller shares with those that cannot be told apart from it at any of the keys."""
    return tuple(assembly.classes.of(caller, key) for key in keys) if assembly.classes else caller.text


# -- who may change it -------------------------------------------------------------------------------------------------


def candidates(population: Population, keys: KeySet, flips: Iterable[Flip]) -> Iterator[Caller]:
    """Users and roles of the keys' account whose policies, or the key policies, speak of changing the attribute."""
    names = sorted({f"kms:{f.change.action}" for f in flips})
    first = next(iter(keys.keys.values()))
    directly = [allows_directly(key, name) for key in keys.keys.values() for name in names]
    everybody = any(d[0] for d in directly) or any(k.key_policy is None for k in keys.keys.values())
    named = {arn for d in directly for arn in d[1]}
    for caller in population.identities_of(keys.account_id, first.partition):
        if caller.kind not in {PrincipalKind.USER, PrincipalKind.ROLE}:
            continue
        if everybody or caller.text in named or not caller.collected or _speaks_of(caller, names):
            yield caller


def _speaks_of(caller: Caller, names: list[str]) -> bool:
    return any(
        s.effect is not Effect.DENY and action_matches(s, name) is not False
        for policy in caller.identity_policies
        for s in parse_policy(policy).statements
        for name in names
    )


@dataclass(frozen=True, slots=True)
class Making:
    """That somebody may make a change: how sure, by what decision, about which of the requests that it takes."""

    verdict: FindingVerdict
    decision: Decision
    request: Request


def may_make(assembly: Assembly, caller: Caller, flip: Flip) -> Making | None:
    """Whether the caller may do everything the change takes; the weakest answer counts, a refusal is none."""
    answers: list[Making] = []
    for request in flip.change.requests(flip.keys[0], caller):
        decision = decide(assembly.world, request, trace=False)
        verdict = verdict_of(decision)
        if verdict is None or verdict[0] is FindingVerdict.BLOCKED:
            return None
        answers.append(Making(verdict[0], decision, request))
    return min(answers, key=lambda a: strength(a.verdict))
