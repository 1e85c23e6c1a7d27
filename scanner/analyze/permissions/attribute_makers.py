"""Who may make which change of a tag or an alias, each request that changes take decided once (R8.5)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from scanner.analyze.decision.decide import decide
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.judge import strength
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.permissions.attribute_changes import Change, Taken
from scanner.analyze.permissions.attribute_flips import Flip
from scanner.analyze.permissions.attribute_rules import KeySet, allows_directly
from scanner.analyze.permissions.drafts import verdict_of
from scanner.analyze.permissions.may_allow import key_may_allow_alone, own_policies_may_allow
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import action_matches
from scanner.model.decision import Decision
from scanner.model.finding import FindingVerdict
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect
from scanner.model.principal import PrincipalKind
from scanner.model.value import value_class


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


_Answer = tuple[FindingVerdict, Decision]


@value_class
class Making:
    """That somebody may make a change: how sure, by what decision, about which of the requests that it takes."""

    verdict: FindingVerdict
    decision: Decision
    request: Request


class Makers:
    """Decides who may make changes of the keys of one set.

    Many changes take the same requests: an alias may be moved from each of the other keys. A request is decided once
    for all changes that take it, and for all callers that cannot be told apart at the keys that it is about.
    """

    def __init__(self, assembly: Assembly) -> None:
        self._assembly = assembly
        self._made: dict[tuple[str, Change], Making | None] = {}
        self._takes: dict[Change, tuple[Taken, ...]] = {}
        self._like: dict[tuple[str, str], Hashable] = {}
        self._answers: dict[Hashable, _Answer | None] = {}

    def may_make(self, caller: Caller, flip: Flip) -> Making | None:
        """Whether the caller may do everything the change takes; the weakest answer counts, a refusal is none."""
        place = (caller.text, flip.change)
        if place not in self._made:  # a change decides many actions, of many users
            self._made[place] = self._making(caller, flip.change, flip.keys[0])
        return self._made[place]

    def _making(self, caller: Caller, change: Change, key: KeyFacts) -> Making | None:
        if change not in self._takes:
            self._takes[change] = tuple(change.takes(key))
        answers: list[tuple[_Answer, Taken]] = []
        for taken in self._takes[change]:
            answer = self._answer(caller, taken)
            if answer is None:
                return None
            answers.append((answer, taken))
        (verdict, decision), taken = min(answers, key=lambda a: strength(a[0][0]))
        return Making(verdict, decision, taken.request(caller))

    def _answer(self, caller: Caller, taken: Taken) -> _Answer | None:
        """How sure the caller may do one of the things that a change takes, and by what decision."""
        classes = self._assembly.classes
        if classes is None:
            return self._decided(caller, taken)
        at = (caller.text, taken.of.arn)
        if at not in self._like:
            self._like[at] = classes.of(caller, taken.of)
        place = (self._like[at], *taken.place)
        if place not in self._answers:
            self._answers[place] = self._decided(caller, taken)
        return self._answers[place]

    def _decided(self, caller: Caller, taken: Taken) -> _Answer | None:
        if _is_vain(caller, taken):
            return None
        decision = decide(self._assembly.world, taken.request(caller), trace=False)
        verdict = verdict_of(decision)
        return None if verdict is None or verdict[0] is FindingVerdict.BLOCKED else (verdict[0], decision)


def _is_vain(caller: Caller, taken: Taken) -> bool:
    """Whether no document can allow what a change takes; for an alias only policies of the caller can (R1.7)."""
    if own_policies_may_allow(caller, taken.action.iam_name, taken.resource):
        return False
    return taken.resource != taken.of.arn or not key_may_allow_alone(taken.of, taken.action)
