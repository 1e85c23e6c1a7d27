"""Can an expression be true: an exact search that drops what can be chosen freely and splits what is independent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scanner.analyze.cells import can_answer, cells
from scanner.analyze.expression import (
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
from scanner.analyze.patterns import PatternsTooComplexError

MAX_STEPS = 100_000
"""Bound on the work of one question, in literals looked at; beyond it the answer is `TooComplexError`, not a guess."""

_ASKED_AHEAD = 32
_CELLS_FOLDED = 3


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
        return _Search().can_hold(expression, {})
    except (PatternsTooComplexError, RecursionError) as error:
        raise TooComplexError from error


class _Search:
    def __init__(self) -> None:
        self.steps = 0
        self.known: dict[object, bool] = {}

    def count(self, steps: int) -> None:
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise TooComplexError

    def can_hold(self, expression: Expression, facts: _Facts) -> bool:
        """Whether the expression can be true under the facts, which do not contradict each other."""
        if isinstance(expression, Const):
            return expression.value
        about = mentioned(expression)
        place = (expression, tuple((v, f) for v, f in facts.items() if v in about))
        if place not in self.known:
            self.known[place] = self._can_hold(expression, facts)
        return self.known[place]

    def _can_hold(self, expression: Expression, facts: _Facts) -> bool:
        while True:
            match expression:
                case Const(value):
                    return value
                case Or(parts):
                    return self._meets(parts, facts, answer=True)
            settled = self._settle(expression, facts)
            if settled is None:
                return False
            expression, facts = settled
            if not isinstance(expression, And):
                continue
            groups = apart(expression.parts)
            if len(groups) > 1:
                return not self._meets((conj(g) for g in sorted(groups, key=len)), facts, answer=False)
            folded = _folded(expression, facts)
            if folded != expression:
                expression = folded
                continue
            chosen, rest, others = _choice(expression.parts)
            return self._meets(
                (conj((chosen, *others)), conj((neg(chosen), rest, *others))), facts, answer=True
            )  # fmt: skip

    def _meets(self, parts: Iterable[Expression], facts: _Facts, *, answer: bool) -> bool:
        """Whether some part gets the answer; a part with patterns beyond the bounds matters only if no other does."""
        failed: PatternsTooComplexError | None = None
        for part in parts:
            try:
                if self.can_hold(part, facts) is answer:
                    return True
            except PatternsTooComplexError as error:
                failed = error
        if failed is not None:
            raise failed
        return False

    def _settle(self, expression: Expression, facts: _Facts) -> tuple[Expression, _Facts] | None:
        """Take over the literals that must hold, and fill in what can be chosen freely; None on a contradiction."""
        while True:
            parts = expression.parts if isinstance(expression, And) else (expression,)
            must = [p for p in parts if isinstance(p, Literal)]
            if not must:
                chosen = self._free_choices(expression, facts)
                if not chosen:
                    return expression, facts
                facts = {**facts, **chosen}
                changed = set(chosen)
            else:
                facts, changed = dict(facts), set()
                for variable, fact in _facts_of(must).items():
                    facts[variable] = facts.get(variable, _NOTHING).plus(fact.yes, fact.no)
                    changed.add(variable)
                    if not self._agrees(variable, facts[variable]):
                        return None
            expression = self._filled(conj(p for p in parts if not isinstance(p, Literal)), facts, changed)
            if isinstance(expression, Const | Or):
                return expression, facts

    def _agrees(self, variable: Variable, fact: _Fact) -> bool:
        search = can_answer(variable, fact.yes, fact.no)
        self.count(search.cost)
        return search.found

    def _free_choices(self, expression: Expression, facts: _Facts) -> _Facts:
        """Variables with an answer that serves the expression everywhere they are asked about."""
        wanted: dict[Variable, dict[Test, set[bool]]] = {}
        for found in literals(expression):
            self.count(1)
            wanted.setdefault(found.test.variable, {}).setdefault(found.test, set()).add(found.positive)
        chosen: _Facts = {}
        for variable, tests in wanted.items():
            if any(len(signs) > 1 for signs in tests.values()):
                continue
            yes, no = ([t for t, signs in tests.items() if sign in signs] for sign in (True, False))
            fact = facts.get(variable, _NOTHING).plus(yes, no)
            try:
                if self._agrees(variable, fact):
                    chosen[variable] = fact
            except PatternsTooComplexError:
                continue  # it is decided by case distinction, with fewer tests at once
        return chosen

    def _filled(self, expression: Expression, facts: _Facts, changed: set[Variable]) -> Expression:
        """The expression with everything that the facts about the changed variables imply."""
        tests = dict.fromkeys(x.test for x in literals(expression) if x.test.variable in changed)
        asked = Counter(t.variable for t in tests)
        answers: dict[Test, bool] = {}
        for test in tests:
            answer = self._implied(test, facts[test.variable], ahead=asked[test.variable] <= _ASKED_AHEAD)
            if answer is not None:
                answers[test] = answer
        return restrict(expression, answers)

    def _implied(self, test: Test, fact: _Fact, *, ahead: bool) -> bool | None:
        if test in fact.yes or (test.predicate is None and fact.yes):
            return True
        if test in fact.no or any(t.predicate is None for t in fact.no):
            return False
        if not ahead:
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


def _facts_of(found: Iterable[Literal]) -> _Facts:
    asked: dict[Variable, tuple[list[Test], list[Test]]] = {}
    for one in found:
        asked.setdefault(one.test.variable, ([], []))[not one.positive].append(one.test)
    return {variable: _Fact(tuple(yes), tuple(no)) for variable, (yes, no) in asked.items()}


def restrict(expression: Expression, answers: Mapping[Test, bool]) -> Expression:
    """The expression with the answers filled in."""
    if not answers:
        return expression
    return _restricted(expression, answers, frozenset(t.variable for t in answers))


def _restricted(expression: Expression, answers: Mapping[Test, bool], among: frozenset[Variable]) -> Expression:
    match expression:
        case Literal(test, positive):
            answer = answers.get(test)
            return expression if answer is None else (TRUE if answer is positive else FALSE)
        case Const():
            return expression
        case And(parts) | Or(parts):
            if mentioned(expression).isdisjoint(among):
                return expression
            join = conj if isinstance(expression, And) else disj
            return join(_restricted(p, answers, among) for p in parts)


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


def _folded(expression: And, facts: _Facts) -> Expression:
    """The expression without variables that only one part asks about, where that makes it shorter."""
    uses = Counter(v for p in expression.parts for v in mentioned(p))
    parts: list[Expression] = []
    for part in expression.parts:
        folded = part
        for variable in dict.fromkeys(x.test.variable for x in literals(part)):
            if uses[variable] == 1 and variable not in facts:
                folded = _without(folded, variable)
        parts.append(folded)
    return conj(parts)


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


def _choice(parts: Sequence[Expression]) -> tuple[Expression, Expression, tuple[Expression, ...]]:
    """The next case distinction: one way to satisfy the shortest part, its other ways, and all other parts."""
    shortest = min(parts, key=size)
    assert isinstance(shortest, Or)
    uses = Counter(x.test.variable for p in parts for x in literals(p))
    ways = shortest.parts
    chosen = max(ways, key=lambda w: (isinstance(w, Literal), max(uses[v] for v in mentioned(w))))
    return chosen, disj(w for w in ways if w is not chosen), tuple(p for p in parts if p is not shortest)
