"""Decides boolean expressions exactly: never true, always true, or under which shortest condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, product
from math import prod

from scanner.analyze.cells import Cell, cells
from scanner.analyze.expression import (
    FALSE,
    TRUE,
    And,
    Const,
    Expression,
    Literal,
    Or,
    Origin,
    Test,
    Variable,
    conj,
    disj,
    literals,
    neg,
)
from scanner.analyze.patterns import PatternsTooComplexError

MAX_STEPS = 10_000
"""Bound on the case distinctions of one question; beyond it the answer is `TooComplexError`, never a guess."""

MAX_ALTERNATIVES = 64
MAX_LITERALS_TO_SHORTEN = 16


class TooComplexError(Exception):
    """An expression cannot be decided within the bounds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an expression can be, over all request contexts and all values of uncollected data.

    `sure` says whether some request context makes it true whatever the data; `mixed` whether some request context
    leaves it to the data.
    """

    can_be_true: bool
    can_be_false: bool
    mixed: bool
    sure: bool


def decide_expression(expression: Expression, axioms: Expression = TRUE) -> Outcome:
    """Decide an expression over all contexts that satisfy the axioms (`design.md` section 5).

    Args:
        expression: over request and data variables.
        axioms: what AWS documents about request keys that depend on each other; satisfiable.

    Raises:
        TooComplexError: more case distinctions than `MAX_STEPS`, or patterns beyond their bounds.
    """
    try:
        return _Decider().over_request(expression, axioms)
    except (PatternsTooComplexError, RecursionError) as error:
        raise TooComplexError from error


class _Decider:
    def __init__(self) -> None:
        self.steps = 0
        self.known: dict[tuple[Expression, Expression], Outcome | None] = {}
        self.known_data: dict[Expression, tuple[bool, bool]] = {}

    def count(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise TooComplexError

    def over_request(self, expression: Expression, axioms: Expression) -> Outcome:
        outcome = self._over_request(expression, axioms)
        return outcome or Outcome(False, False, False, False)

    def _over_request(self, expression: Expression, axioms: Expression) -> Outcome | None:
        """The outcome over the contexts left; None where no context satisfies the axioms."""
        if axioms == FALSE:
            return None
        place = (expression, axioms)
        if place in self.known:
            return self.known[place]
        self.count()
        variable = _first(Origin.REQUEST, expression) or _first(Origin.REQUEST, axioms)
        if variable is None:
            can_be_true, can_be_false = self.over_data(expression)
            result: Outcome | None = Outcome(
                can_be_true, can_be_false, can_be_true and can_be_false, can_be_true and not can_be_false
            )
        else:
            result = None
            for cell in cells(variable, _tests_of(variable, expression, axioms)):
                part = self._over_request(restrict(expression, cell), restrict(axioms, cell))
                if part is not None:
                    result = part if result is None else _merge(result, part)
        self.known[place] = result
        return result

    def over_data(self, expression: Expression) -> tuple[bool, bool]:
        """Whether the expression can be true, and can be false, depending on data alone."""
        if isinstance(expression, Const):
            return expression.value, not expression.value
        if expression in self.known_data:
            return self.known_data[expression]
        self.count()
        variable = next(literals(expression)).test.variable
        can_be_true = can_be_false = False
        for cell in cells(variable, _tests_of(variable, expression)):
            true, false = self.over_data(restrict(expression, cell))
            can_be_true, can_be_false = can_be_true or true, can_be_false or false
            if can_be_true and can_be_false:
                break
        self.known_data[expression] = (can_be_true, can_be_false)
        return can_be_true, can_be_false


def _merge(one: Outcome, other: Outcome) -> Outcome:
    return Outcome(
        one.can_be_true or other.can_be_true,
        one.can_be_false or other.can_be_false,
        one.mixed or other.mixed,
        one.sure or other.sure,
    )


def _first(origin: Origin, expression: Expression) -> Variable | None:
    return next((x.test.variable for x in literals(expression) if x.test.variable.origin is origin), None)


def _tests_of(variable: Variable, *expressions: Expression) -> tuple[Test, ...]:
    found = (x.test for e in expressions for x in literals(e) if x.test.variable == variable)
    return tuple(dict.fromkeys(found))


def restrict(expression: Expression, cell: Cell) -> Expression:
    """The expression with the cell's answers filled in."""
    match expression:
        case Literal(test, positive):
            answer = cell.get(test)
            return expression if answer is None else (TRUE if answer is positive else FALSE)
        case And(parts):
            return conj(restrict(p, cell) for p in parts)
        case Or(parts):
            return disj(restrict(p, cell) for p in parts)
        case Const():
            return expression


def surely(expression: Expression) -> Expression:
    """The request contexts in which the expression holds whatever the uncollected data say.

    Raises:
        TooComplexError: the elimination of the data grows beyond the bounds.
    """
    try:
        while (variable := _first(Origin.DATA, expression)) is not None:
            expression = conj(restrict(expression, cell) for cell in cells(variable, _tests_of(variable, expression)))
            if sum(1 for _ in literals(expression)) > MAX_STEPS:
                raise TooComplexError
    except PatternsTooComplexError as error:
        raise TooComplexError from error
    return expression


def shorten(expression: Expression, axioms: Expression = TRUE) -> Expression:
    """An equivalent expression without parts that make no difference; request variables only.

    Raises:
        TooComplexError: see `decide_expression`.
    """
    if sum(1 for _ in literals(expression)) > MAX_LITERALS_TO_SHORTEN:
        return expression
    while True:
        for smaller in _smaller(expression):
            if _equivalent(smaller, expression, axioms):
                expression = smaller
                break
        else:
            return expression


def _smaller(expression: Expression) -> Iterator[Expression]:
    """The expression with one part left out, larger parts first."""
    if isinstance(expression, And | Or):
        join = conj if isinstance(expression, And) else disj
        parts = expression.parts
        for index in range(len(parts)):
            yield join(parts[:index] + parts[index + 1 :])
        for index, part in enumerate(parts):
            for smaller in _smaller(part):
                yield join((*parts[:index], smaller, *parts[index + 1 :]))


def _equivalent(one: Expression, other: Expression, axioms: Expression) -> bool:
    difference = disj((conj((one, neg(other))), conj((neg(one), other))))
    return not decide_expression(difference, axioms).can_be_true


def alternatives(expression: Expression, axioms: Expression = TRUE) -> tuple[tuple[Literal, ...], ...]:
    """The disjunctive form: each alternative is satisfiable, none contains another; empty when there are too many.

    Raises:
        TooComplexError: see `decide_expression`.
    """
    if _count_products(expression) > MAX_ALTERNATIVES:
        return ()
    found: list[tuple[Literal, ...]] = []
    for terms in _products(expression):
        alternative = tuple(dict.fromkeys(terms))
        if decide_expression(conj(alternative), axioms).can_be_true:
            found.append(alternative)
    return tuple(f for i, f in enumerate(found) if not _is_covered(f, found[:i], found[i + 1 :]))


def _is_covered(
    alternative: tuple[Literal, ...], before: list[tuple[Literal, ...]], after: list[tuple[Literal, ...]]
) -> bool:
    terms = set(alternative)
    return any(set(other) <= terms for other in before) or any(set(other) < terms for other in after)


def _count_products(expression: Expression) -> int:
    match expression:
        case Or(parts):
            return sum(_count_products(p) for p in parts)
        case And(parts):
            return prod(_count_products(p) for p in parts)
        case _:
            return 1


def _products(expression: Expression) -> Iterator[tuple[Literal, ...]]:
    match expression:
        case Const(value):
            if value:
                yield ()
        case Literal():
            yield (expression,)
        case Or(parts):
            for part in parts:
                yield from _products(part)
        case And(parts):
            for combination in product(*(tuple(_products(p)) for p in parts)):
                yield tuple(chain.from_iterable(combination))
