"""Can an expression be true: an exact search that drops what can be chosen freely and splits what is independent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from scanner.analyze.logic.cells import can_answer, cells
from scanner.analyze.logic.expression import (
    FALSE,
    TRUE,
    And,
    Const,
    Expression,
    Literal,
    Or,
    Test,
    Variable,
    conj,
    disj,
    literals,
    mentioned,
    neg,
    size,
)
from scanner.analyze.logic.patterns import PatternsTooComplexError

MAX_STEPS = 30_000
"""Bound on the work of one question, in literals looked at; beyond it the answer is `TooComplexError`, not a guess."""

_ASKED_AHEAD = 32
_CELLS_FOLDED = 3

_Parts = tuple[Expression, ...]
"""A conjunction."""


class TooComplexError(Exception):
    """An expression cannot be decided within the bounds."""


@dataclass(frozen=True, slots=True)
class _Fact:
    """What is settled about one variable: the tests it answers with yes, and those it answers with no."""

    yes: tuple[Test, ...] = ()
    no: tuple[Test, ...] = ()

    def plus(self, yes: Iterable[Test], no: Iterable[Test]) -> _Fact:
        return _Fact(tuple(dict.fromkeys((*self.yes, *yes))), tuple(dict.fromkeys((*self.no, *no))))


_Facts = dict[Variable, _Fact]
_NOTHING = _Fact()


def can_hold(expression: Expression) -> bool:
    """Whether some values of all the variables, or their absence, make the expression true.

    Raises:
        TooComplexError: the search takes more than `MAX_STEPS`, or patterns are beyond their bounds.
    """
    try:
        return _Search().can_hold(_shared(expression, {}), {})
    except (PatternsTooComplexError, RecursionError) as error:
        raise TooComplexError from error


def _shared(expression: Expression, known: dict[Expression, Expression]) -> Expression:
    """The expression with one object for equal literals, so that comparing them costs nothing."""
    match expression:
        case Literal():
            return known.setdefault(expression, expression)
        case And(parts):
            return And(tuple(_shared(p, known) for p in parts))
        case Or(parts):
            return Or(tuple(_shared(p, known) for p in parts))
        case _:
            return expression


class _Search:
    def __init__(self) -> None:
        self.steps = 0

    def count(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise TooComplexError

    def can_hold(self, expression: Expression, facts: _Facts) -> bool:
        """Whether the expression can be true under the facts, which do not contradict each other."""
        match expression:
            case Const(value):
                return value
            case Or(parts):
                return self._some(((p,) for p in parts), facts)
            case And(parts):
                return self._all_hold(parts, facts)
            case _:
                return self._all_hold((expression,), facts)

    def _all_hold(self, parts: _Parts, facts: _Facts) -> bool:
        """Whether all parts can be true together."""
        settled = self._settle(parts, facts)
        if settled is None:
            return False
        parts, facts, uses = settled
        if len(parts) <= 1:
            return not parts or self.can_hold(parts[0], facts)
        groups = apart(parts)
        if len(groups) > 1:
            return self._every((tuple(g) for g in sorted(groups, key=len)), facts)
        folded = _folded(parts, facts)
        if folded != parts:
            return self._all_hold(folded, facts)
        chosen, rest, others = _choice(parts, uses)
        return self._some(((chosen, *others), (neg(chosen), rest, *others)), facts)

    def _some(self, ways: Iterable[_Parts], facts: _Facts) -> bool:
        """Whether some way can hold; one with patterns beyond the bounds matters only if no other can."""
        failed: PatternsTooComplexError | None = None
        for way in ways:
            try:
                if self._way_holds(way, facts):
                    return True
            except PatternsTooComplexError as error:
                failed = error
        if failed is not None:
            raise failed
        return False

    def _every(self, groups: Iterable[_Parts], facts: _Facts) -> bool:
        """Whether every group can hold; one with patterns beyond the bounds matters only if no other fails."""
        failed: PatternsTooComplexError | None = None
        for group in groups:
            try:
                if not self._way_holds(group, facts):
                    return False
            except PatternsTooComplexError as error:
                failed = error
        if failed is not None:
            raise failed
        return True

    def _way_holds(self, parts: _Parts, facts: _Facts) -> bool:
        return self.can_hold(parts[0], facts) if len(parts) == 1 else self._all_hold(parts, facts)

    def _settle(self, parts: _Parts, facts: _Facts) -> tuple[_Parts, _Facts, Counter[Literal]] | None:
        """Take over the literals that must hold, and fill in what can be chosen freely; None on a contradiction."""
        flat = _flat(parts)
        while flat is not None:
            must = [p for p in flat if isinstance(p, Literal)]
            if must:
                chosen = _facts_of(must, facts)
                if not all(self._agrees(variable, fact) for variable, fact in chosen.items()):
                    return None
            else:
                uses = Counter(chain.from_iterable(map(literals, flat)))
                self.count(1 + uses.total())
                chosen = self._free_choices(uses, facts)
                if not chosen:
                    return flat, facts, uses
            facts = {**facts, **chosen}
            flat = self._filled([p for p in flat if not isinstance(p, Literal)], facts, chosen)
        return None

    def _agrees(self, variable: Variable, fact: _Fact) -> bool:
        search = can_answer(variable, fact.yes, fact.no)
        self.count(search.cost)
        return search.found

    def _free_choices(self, uses: Iterable[Literal], facts: _Facts) -> _Facts:
        """Variables with an answer that serves the expression everywhere they are asked about."""
        impure: set[Variable] = set()
        signs: dict[Test, bool] = {}
        for found in uses:
            if signs.setdefault(found.test, found.positive) is not found.positive:
                impure.add(found.test.variable)
        chosen: _Facts = {}
        for variable, fact in _facts_of((x for x in uses if x.test.variable not in impure), facts).items():
            try:
                if self._agrees(variable, fact):
                    chosen[variable] = fact
            except PatternsTooComplexError:
                continue  # it is decided by case distinction, with fewer tests at once
        return chosen

    def _filled(self, parts: Sequence[Expression], facts: _Facts, changed: _Facts) -> _Parts | None:
        """The parts with everything that the facts about the changed variables imply; None where one is false."""
        among = frozenset(changed)
        answers: dict[Test, bool | None] = {}
        filled: list[Expression] = []
        for part in parts:
            if mentioned(part).isdisjoint(among):
                filled.append(part)
                continue
            self.count(size(part))
            for found in literals(part):
                if found.test.variable in among and found.test not in answers:
                    answers[found.test] = self._implied(found.test, facts[found.test.variable])
            filled.append(_restricted(part, answers, among))
        return _flat(filled)

    def _implied(self, test: Test, fact: _Fact) -> bool | None:
        """The answer to a test that the facts leave no choice about, as far as looking ahead shows."""
        if test in fact.yes or (test.predicate is None and fact.yes):
            return True
        if test in fact.no or any(t.predicate is None for t in fact.no):
            return False
        if len(fact.yes) + len(fact.no) > _ASKED_AHEAD:
            return None
        variable = test.variable
        try:
            # the values of a set that answer other tests with yes are other values: they need not be tried again
            yes = () if variable.multivalued else fact.yes
            if not self._agrees(variable, _Fact((*yes, test), fact.no)):
                return False
            if not variable.multivalued and not self._agrees(variable, _Fact(fact.yes, (*fact.no, test))):
                return True
        except PatternsTooComplexError:
            return None
        return None


def _facts_of(found: Iterable[Literal], facts: _Facts) -> _Facts:
    """What holds about the variables of the literals, with the facts known before."""
    asked: dict[Variable, tuple[list[Test], list[Test]]] = {}
    for one in found:
        asked.setdefault(one.test.variable, ([], []))[not one.positive].append(one.test)
    return {variable: facts.get(variable, _NOTHING).plus(yes, no) for variable, (yes, no) in asked.items()}


def _flat(parts: Iterable[Expression]) -> _Parts | None:
    """The parts of a conjunction without repeats and what is true; None where one is false."""
    kept: dict[Expression, None] = {}
    for part in parts:
        for piece in part.parts if isinstance(part, And) else (part,):
            if piece is FALSE:
                return None
            if piece is not TRUE:
                kept[piece] = None
    return tuple(kept)


def restrict(expression: Expression, answers: Mapping[Test, bool]) -> Expression:
    """The expression with the answers filled in."""
    return _restricted(expression, answers, frozenset(t.variable for t in answers))


def _restricted(expression: Expression, answers: Mapping[Test, bool | None], among: frozenset[Variable]) -> Expression:
    match expression:
        case Literal(test, positive):
            answer = answers.get(test)
            return expression if answer is None else (TRUE if answer is positive else FALSE)
        case And(parts) | Or(parts) if not mentioned(expression).isdisjoint(among):
            join = conj if isinstance(expression, And) else disj
            return join(_restricted(p, answers, among) for p in parts)
        case _:
            return expression


def apart(
    parts: Sequence[Expression], asked: Callable[[Expression], Iterable[Variable]] = mentioned
) -> list[list[Expression]]:
    """The parts in groups that share none of the variables `asked` gives for a part."""
    leader = list(range(len(parts)))

    def lead(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    first_use: dict[Variable, int] = {}
    for place, part in enumerate(parts):
        for variable in asked(part):
            other = lead(first_use.setdefault(variable, place))
            leader[max(other, lead(place))] = min(other, lead(place))
    groups: dict[int, list[Expression]] = {}
    for place, part in enumerate(parts):
        groups.setdefault(lead(place), []).append(part)
    return list(groups.values())


def _folded(parts: _Parts, facts: _Facts) -> _Parts:
    """The parts without variables that only one of them asks about, where that makes it shorter."""
    uses = Counter(chain.from_iterable(map(mentioned, parts)))
    alone = {v for v, count in uses.items() if count == 1 and v not in facts}
    folded: list[Expression] = []
    for part in parts:
        smaller = part
        if not alone.isdisjoint(mentioned(part)):
            for variable in dict.fromkeys(x.test.variable for x in literals(part)):
                smaller = _without(smaller, variable) if variable in alone else smaller
        folded.append(smaller)
    return tuple(folded)


def _without(part: Expression, variable: Variable) -> Expression:
    """The part where some answer of the variable makes it true; unchanged where that is no shorter."""
    tests = tuple(dict.fromkeys(x.test for x in literals(part) if x.test.variable == variable))
    if not tests or len(tests) > _CELLS_FOLDED:
        return part
    try:
        smaller = disj(restrict(part, cell) for cell in cells(variable, tests))
    except PatternsTooComplexError:
        return part
    return smaller if size(smaller) < size(part) else part


def _choice(parts: _Parts, uses: Counter[Literal]) -> tuple[Expression, Expression, _Parts]:
    """The next case distinction: one way to satisfy the shortest part, its other ways, and all other parts."""
    shortest = min(parts, key=size)
    assert isinstance(shortest, Or)
    ways = shortest.parts
    chosen = max(ways, key=lambda w: (isinstance(w, Literal), max(uses[x] for x in literals(w))))
    return chosen, disj(w for w in ways if w is not chosen), tuple(p for p in parts if p is not shortest)
