"""Findings that whoever may change tags or aliases of keys decides access (design.md, section 7; R6.T, R6.A, R8.5)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.judge import Alone, Judgement, strength
from scanner.analyze.keys.sentences import DOES_TO
from scanner.analyze.paths.role_paths import RolePaths
from scanner.analyze.permissions.attribute_changes import Change
from scanner.analyze.permissions.attribute_flips import Flip, asked_of, flips_of, like
from scanner.analyze.permissions.attribute_makers import Makers, Making, candidates
from scanner.analyze.permissions.attribute_outsiders import Outsiders
from scanner.analyze.permissions.attribute_rules import KeySet, key_sets
from scanner.analyze.permissions.attribute_words import (
    OPENS,
    attribute_in_words,
    attribute_remedy,
    attribute_summary,
    hiding_more,
    parts_of,
    resource_of,
    whose_keys,
)
from scanner.analyze.permissions.drafts import Case, Draft, finding_of, our_grantee, who_of_ours
from scanner.analyze.principals.principal_classes import class_name
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller, resolve_caller
from scanner.model.finding import OWN_ACCOUNT, CapabilityResult, Finding, FindingVerdict, Kind
from scanner.model.key import KeyFacts

DECIDES, FOREIGN = "attribute_decides_access", "foreign_attribute"
_ROWS = {OPENS: "opens_denied_access", DECIDES: "decides_for_others", FOREIGN: "foreign_attributes"}


def attribute_findings(assembly: Assembly, population: Population, through_roles: RolePaths) -> Iterator[Finding]:
    """One finding per class that controls an attribute and key set, and per class that hangs on a foreign attribute.

    Whoever enters from outside and opens access for itself by roles is told beside the classes of those roles.
    """
    outsiders = Outsiders(assembly, population, through_roles)
    for keys in key_sets(assembly.world):
        flips = list(flips_of(assembly, keys))
        if flips:
            makers = Makers(assembly)
            yield from _of_controllers(assembly, candidates(population, keys, flips), keys, flips, makers)
            yield from _of_users(assembly, keys, flips)
            yield from outsiders.findings(keys, flips, makers)


# -- who may change it ------------------------------------------------------------------------------------------------


def _of_controllers(
    assembly: Assembly, speaking: Iterable[Caller], keys: KeySet, flips: list[Flip], makers: Makers
) -> Iterator[Finding]:
    """A finding for every class of the keys' own account that may make a change which decides something."""
    classes: dict[str, dict[object, list[Caller]]] = {}
    asked = asked_of(assembly, keys, flips)
    for caller in speaking:
        classes.setdefault(class_name(caller), {}).setdefault(like(assembly, caller, asked), []).append(caller)
    alike = {arn: _kind(assembly, arn, asked) for arn in keys.users}
    number = Counter(alike.values())
    flips_of_kind: dict[tuple[str, object], list[Flip]] = defaultdict(list)
    for flip in flips:
        flips_of_kind[alike[flip.user]].append(flip)
    for name, groups in sorted(classes.items()):
        told = _Told()
        for same, callers in groups.items():
            own = flips_of_kind.get((name, same), [])
            others = flips if not own or number[name, same] > 1 else [f for f in flips if alike[f.user] != (name, same)]
            opened = [made for made in _controlled(makers, callers[0], own) if made.flip.opens]
            decided = list(_controlled(makers, callers[0], others))
            for reason, made in (*((OPENS, m) for m in opened), *((DECIDES, m) for m in decided)):
                told.add(callers[0], made.flip, reason, made)
            if opened or decided:
                told.members.extend(c.text for c in callers)
        if told.cases:
            yield finding_of(assembly, _draft(assembly, name, keys, told))


def _kind(assembly: Assembly, arn: str, asked: tuple[KeyFacts, ...]) -> tuple[str, object]:
    """The class of a user of the keys, and within it what it shares with those that cannot be told apart."""
    caller = resolve_caller(assembly.world, arn)
    return class_name(caller), like(assembly, caller, asked)


class _Made(NamedTuple):
    """A flip whose change somebody may make, as sure as the weaker of the two."""

    flip: Flip
    may: Making
    verdict: FindingVerdict


def _controlled(makers: Makers, caller: Caller, flips: Iterable[Flip]) -> Iterator[_Made]:
    """The flips whose change the caller may make.

    Once a change is sure for a key and an action, further ones of the same kind say nothing new. A change that the
    caller may not make is asked about once.
    """
    sure: set[tuple[str, str, bool]] = set()
    refused: set[Change] = set()
    for flip in flips:
        if flip.change in refused:
            continue
        place = (flip.keys[0].arn, flip.action.name, flip.opens)
        if place in sure:
            continue
        may = makers.may_make(caller, flip)
        if may is None:
            refused.add(flip.change)
            continue
        verdict = min((may.verdict, flip.verdict), key=strength)
        if verdict is FindingVerdict.CONFIRMED:
            sure.add(place)
        yield _Made(flip, may, verdict)


def _judgement(caller: Caller, flip: Flip, made: _Made | None, reason: str) -> Judgement:
    """What a flip gives or takes, by the change that the caller makes or whoever may."""
    if made is None:
        return Judgement(caller, flip.action, flip.verdict, reason, flip.decision)
    may = made.may.decision
    decision = replace(
        flip.decision, rules=(*flip.decision.rules, *may.rules), residual=None,
        condition="; ".join(filter(None, (may.condition, flip.decision.condition))),
    )  # fmt: skip
    return Judgement(caller, flip.action, made.verdict, reason, decision, Alone(made.may.request))


# -- those who hang on keys of others ---------------------------------------------------------------------------------


def _of_users(assembly: Assembly, keys: KeySet, flips: list[Flip]) -> Iterator[Finding]:
    """A finding for every class of other accounts whose rules hang on the attribute (R8.6)."""
    classes: dict[str, list[Flip]] = {}
    for flip in flips:
        facts = assembly.world.principals[flip.user]
        if facts.account_id != keys.account_id:
            classes.setdefault(class_name(facts), []).append(flip)
    for name, found in sorted(classes.items()):
        told = _Told(members=[arn for arn in keys.users if class_name(assembly.world.principals[arn]) == name])
        for flip in found:
            told.add(resolve_caller(assembly.world, flip.user), flip, FOREIGN)
        yield finding_of(assembly, _draft(assembly, name, keys, told))


# -- the finding ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Told:
    """What a finding tells: of every action and row the strongest case, and what all others rest on as well."""

    cases: dict[tuple[str, str], Case] = field(default_factory=dict)
    members: list[str] = field(default_factory=list)
    keys: dict[str, KeyFacts] = field(default_factory=dict)
    deciding: set[str] = field(default_factory=set)

    def add(self, caller: Caller, flip: Flip, reason: str, made: _Made | None = None) -> None:
        """One more flip, with the change that the caller makes; a case is put together where it is the strongest."""
        more, verdict = (made.may.decision.rules, made.verdict) if made else ((), flip.verdict)
        self.deciding.update(flip.decision.rules, more)
        if flip.keys[0].arn not in self.keys:
            self.keys.update((k.arn, k) for k in flip.keys)
        place = (flip.action.name, _ROWS[reason])
        held = self.cases.get(place)
        if held is None or strength(verdict) > strength(held.judgement.verdict):
            self.cases[place] = Case(_judgement(caller, flip, made, reason), _ROWS[reason])


def _draft(assembly: Assembly, name: str, keys: KeySet, told: _Told) -> Draft:
    members = tuple(sorted(set(told.members)))
    grantee = our_grantee(assembly, name, members)
    reasons = {c.judgement.reason for c in told.cases.values()}
    whose = whose_keys(assembly, keys)
    attribute = attribute_in_words(keys)

    def title(leading: CapabilityResult) -> str:
        does = f"{DOES_TO[leading.capability]} keys of {whose}"
        who = who_of_ours(grantee, members)
        if FOREIGN in reasons:
            return f"{who} may {does} only as {attribute} says, which others change"
        may = "may" if leading.verdict is FindingVerdict.POSSIBLE else "can"
        if OPENS in leading.reasons:
            return f"{who} {may} give itself, by {attribute}, the right to {does}"
        return f"{who} {may} decide, by {attribute}, who else may {does}"

    return Draft(
        kind=Kind.ATTRIBUTE_CONTROL,
        parts=(name, *parts_of(keys)),
        resource=resource_of(assembly, keys),
        grantee=grantee,
        party=OWN_ACCOUNT,
        cases=sorted(told.cases.values(), key=lambda c: c.row != _ROWS[OPENS]),
        title=title,
        summary=attribute_summary(keys, len(told.keys)),
        remediation=attribute_remedy(keys, foreign=FOREIGN in reasons),
        statements=keys.rules_of(members),
        callers=members,
        keys=[k for _, k in sorted(told.keys.items())],
        keys_total=len(told.keys),
        classes=(name,),
        deciding=told.deciding,
        hiding=hiding_more(assembly, keys),
    )
