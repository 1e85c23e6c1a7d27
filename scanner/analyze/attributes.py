"""Findings that whoever may change tags or aliases of keys decides access (design.md, section 7; R6.T, R6.A, R8.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from scanner.analyze.assemble import Assembly
from scanner.analyze.attribute_changes import Change, changes_of
from scanner.analyze.attribute_rules import TAG, KeySet, allows_directly, key_sets
from scanner.analyze.caller import Caller, account_of, resolve_caller
from scanner.analyze.decide import decide
from scanner.analyze.drafts import Case, Draft, finding_of, our_grantee, verdict_of, who_of_ours
from scanner.analyze.judge import Judgement, question, strength
from scanner.analyze.match import action_matches
from scanner.analyze.parse import parse_policy
from scanner.analyze.principal_classes import class_name
from scanner.analyze.reach import Population
from scanner.analyze.sentences import DOES_TO
from scanner.analyze.stand_ins import decide_with_gates
from scanner.model.actions import Action, find_action
from scanner.model.decision import Decision, Verdict
from scanner.model.finding import OWN_ACCOUNT, CapabilityResult, Finding, FindingVerdict, Kind, Remediation, ResourceRef
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect
from scanner.model.principal import PrincipalKind

OPENS, DECIDES, FOREIGN = "attribute_opens_access", "attribute_decides_access", "foreign_attribute"
_ROWS = {OPENS: "opens_denied_access", DECIDES: "decides_for_others", FOREIGN: "foreign_attributes"}
MOST_KEYS, MOST_USERS = 25, 50
"""Distinct keys and users of a set that are judged again with a changed attribute; that others are not is said."""

_LETS = frozenset({Verdict.ALLOWED, Verdict.CONDITIONAL})


@dataclass(frozen=True, slots=True)
class _Flip:
    """A change of an attribute that decides an action of somebody: whom, what, on which key, and how sure."""

    change: Change
    keys: tuple[KeyFacts, ...]
    """The key that was judged, then those that differ in nothing but their id."""
    user: str
    action: Action
    opens: bool
    verdict: FindingVerdict
    decision: Decision


def attribute_findings(assembly: Assembly, population: Population) -> Iterator[Finding]:
    """One finding per class that controls an attribute and key set, and per class that hangs on a foreign attribute."""
    for keys in key_sets(assembly.world):
        flips = list(_flips(assembly, keys))
        if flips:
            yield from _of_controllers(assembly, population, keys, flips)
            yield from _of_users(assembly, keys, flips)


# -- what a change of the attribute decides ---------------------------------------------------------------------------


def _flips(assembly: Assembly, keys: KeySet) -> Iterator[_Flip]:
    """Judge the users again in a world where the attribute is changed, and keep what becomes different."""
    asked, judged = _distinct_users(assembly, keys), _distinct_keys(keys)
    for what, number, most in (("keys", len(judged), MOST_KEYS), ("principals", len(asked), MOST_USERS)):
        if number > most:
            assembly.cuts.append(
                f"Attributes: {number:,} different {what} hang on {_attribute_in_words(keys)} in {keys.account_id} "
                f"{keys.region}; only {most} of them were judged again with the attribute changed."
            )
    users = [resolve_caller(assembly.world, arn) for arn in asked[:MOST_USERS]]
    actions = [a for a in map(find_action, keys.actions) if a is not None]
    for key, alike in judged[:MOST_KEYS]:
        changes = changes_of(keys, key)
        for caller, action in product(users, actions):
            today = decide(assembly.world, question(key, caller, action), trace=False)
            for change in (c for value in ("", *keys.users[caller.text]) for c in changes.get(value, ())):
                after = decide(assembly.world, question(change.key, caller, action), trace=False)
                found = _compared(today, after)
                if found is not None:
                    yield _Flip(change, alike, caller.text, action, *found, after)


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
    key = next(iter(keys.keys.values()))
    found: dict[object, str] = {}
    for arn in sorted(keys.users):
        caller = resolve_caller(assembly.world, arn)
        found.setdefault((class_name(caller), _like(assembly, caller, key)), arn)
    return list(found.values())


def _like(assembly: Assembly, caller: Caller, key: KeyFacts) -> object:
    """What a caller shares with those that cannot be told apart from it."""
    return assembly.classes.of(caller, key) if assembly.classes else caller.text


# -- who may change it ------------------------------------------------------------------------------------------------


def _of_controllers(assembly: Assembly, population: Population, keys: KeySet, flips: list[_Flip]) -> Iterator[Finding]:
    """A finding for every class of the keys' own account that may make a change which decides something."""
    classes: dict[str, dict[object, list[Caller]]] = {}
    first = next(iter(keys.keys.values()))
    for caller in _candidates(population, keys, flips):
        classes.setdefault(class_name(caller), {}).setdefault(_like(assembly, caller, first), []).append(caller)
    alike = {f.user: _like(assembly, resolve_caller(assembly.world, f.user), first) for f in flips}
    for name, groups in sorted(classes.items()):
        cases: list[Case] = []
        members: list[str] = []
        reached: dict[str, KeyFacts] = {}
        for like, callers in groups.items():
            before = len(cases)
            for flip, judgement in _controlled(assembly, callers[0], [f for f in flips if alike[f.user] == like]):
                if flip.opens:
                    cases.append(Case(replace(judgement, reason=OPENS), _ROWS[OPENS]))
                    reached.update({k.arn: k for k in flip.keys})
            for flip, judgement in _controlled(assembly, callers[0], [f for f in flips if alike[f.user] != like]):
                cases.append(Case(replace(judgement, reason=DECIDES), _ROWS[DECIDES]))
                reached.update({k.arn: k for k in flip.keys})
            if len(cases) > before:
                members.extend(c.text for c in callers)
        if cases:
            yield finding_of(assembly, _draft(assembly, name, keys, _Told(cases, members, reached)))


def _candidates(population: Population, keys: KeySet, flips: Iterable[_Flip]) -> Iterator[Caller]:
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


def _controlled(assembly: Assembly, caller: Caller, flips: Iterable[_Flip]) -> Iterator[tuple[_Flip, Judgement]]:
    """The flips whose change the caller may make: as sure as the weaker of the two.

    Once a change is sure for a key and an action, further ones of the same kind say nothing new.
    """
    decided: dict[Change, tuple[FindingVerdict, Decision] | None] = {}
    sure: set[tuple[str, str, bool]] = set()
    for flip in flips:
        place = (flip.keys[0].arn, flip.action.name, flip.opens)
        if place in sure:
            continue
        if flip.change not in decided:
            decided[flip.change] = _may_make(assembly, caller, flip)
        may = decided[flip.change]
        if may is not None:
            verdict = min((may[0], flip.verdict), key=strength)
            if verdict is FindingVerdict.CONFIRMED:
                sure.add(place)
            decision = replace(
                flip.decision, gates=may[1].gates, rules=(*flip.decision.rules, *may[1].rules),
                condition="; ".join(filter(None, (may[1].condition, flip.decision.condition))), residual=None,
            )  # fmt: skip
            yield flip, Judgement(caller, flip.action, verdict, "", decision)


def _may_make(assembly: Assembly, caller: Caller, flip: _Flip) -> tuple[FindingVerdict, Decision] | None:
    """Whether the caller may do everything the change takes; the weakest answer counts, a refusal is none."""
    answers: list[tuple[FindingVerdict, Decision]] = []
    for request in flip.change.requests(flip.keys[0], caller):
        decision = decide_with_gates(assembly.world, request)
        verdict = verdict_of(decision)
        if verdict is None or verdict[0] is FindingVerdict.BLOCKED:
            return None
        answers.append((verdict[0], decision))
    return min(answers, key=lambda a: strength(a[0]))


# -- those who hang on keys of others ---------------------------------------------------------------------------------


def _of_users(assembly: Assembly, keys: KeySet, flips: list[_Flip]) -> Iterator[Finding]:
    """A finding for every class of other accounts whose rules hang on the attribute (R8.6)."""
    classes: dict[str, list[_Flip]] = {}
    for flip in flips:
        facts = assembly.world.principals[flip.user]
        if facts.account_id != keys.account_id:
            classes.setdefault(class_name(facts), []).append(flip)
    for name, found in sorted(classes.items()):
        cases = [
            Case(Judgement(resolve_caller(assembly.world, f.user), f.action, f.verdict, FOREIGN, f.decision),
                 _ROWS[FOREIGN])
            for f in found
        ]  # fmt: skip
        members = [arn for arn in keys.users if class_name(assembly.world.principals[arn]) == name]
        reached: dict[str, KeyFacts] = {k.arn: k for f in found for k in f.keys}
        yield finding_of(assembly, _draft(assembly, name, keys, _Told(cases, members, reached)))


# -- the finding ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    cases: list[Case]
    members: list[str]
    keys: dict[str, KeyFacts]


def _attribute_in_words(keys: KeySet) -> str:
    return f"the tag {keys.attribute.name}" if keys.attribute.kind == TAG else f"aliases {keys.attribute.name}"


def _draft(assembly: Assembly, name: str, keys: KeySet, told: _Told) -> Draft:
    members = tuple(sorted(set(told.members)))
    grantee = our_grantee(assembly, name, members)
    reasons = {c.judgement.reason for c in told.cases}
    account = account_of(assembly.world, keys.account_id)
    whose = f"{account.name or f'account {account.id}'} in {keys.region}"
    attribute = _attribute_in_words(keys)

    def title(leading: CapabilityResult) -> str:
        does = f"{DOES_TO[leading.capability]} keys of {whose}"
        who = who_of_ours(grantee, members)
        if FOREIGN in reasons:
            return f"{who} may {does} only as {attribute} says, which others change"
        may = "may" if leading.verdict is FindingVerdict.POSSIBLE else "can"
        if OPENS in leading.reasons:
            return f"{who} {may} give itself, by {attribute}, the right to {does}"
        return f"{who} {may} decide, by {attribute}, who else may {does}"

    partition = next(iter(keys.keys.values())).partition
    root = f"arn:{partition}:iam::{keys.account_id}:root"
    return Draft(
        kind=Kind.ATTRIBUTE_CONTROL,
        parts=(name, keys.account_id, keys.region, f"{keys.attribute.kind} {keys.attribute.name}"),
        resource=ResourceRef("account", root, account.name or keys.account_id, keys.account_id, account.name),
        grantee=grantee,
        party=OWN_ACCOUNT,
        cases=sorted(told.cases, key=lambda c: c.row != _ROWS[OPENS]),
        title=title,
        summary=_summary(keys, told, attribute),
        remediation=_remediation(keys, foreign=FOREIGN in reasons),
        statements=[n for _, n in sorted(keys.statements.items())],
        callers=members,
        keys=[k for _, k in sorted(told.keys.items())],
        keys_total=len(told.keys),
        classes=(name,),
    )


def _summary(keys: KeySet, told: _Told, attribute: str) -> str:
    number = len(told.keys)
    which = "1 key" if number == 1 else f"{number} keys"
    users = "1 principal" if len(keys.users) == 1 else f"{len(keys.users)} principals"
    return (
        f"Identity policies or guardrails of {users} ask for {attribute} of keys; judged again with another value, "
        f"access to {which} in {keys.region} changes."
    )


def _remediation(keys: KeySet, *, foreign: bool) -> Remediation:
    if foreign:
        return Remediation("add_condition", "Name the keys instead; their owner decides what their attributes are.")
    if keys.attribute.kind == TAG:
        text = "Keep kms:TagResource and kms:UntagResource for this tag (aws:TagKeys) to those who decide access."
    else:
        text = "Keep kms:CreateAlias, kms:UpdateAlias and kms:DeleteAlias for these aliases to those who decide access."
    return Remediation("add_condition", text)
