"""Decides boolean expressions exactly: never true, always true, or under which shortest condition."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from math import prod

from scanner.analyze.logic.cells import can_answer, cells
from scanner.analyze.logic.expression import (
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
    mentioned,
    neg,
    size,
)
from scanner.analyze.logic.memo import remembered
from scanner.analyze.logic.patterns import PatternsTooComplexError
from scanner.analyze.logic.search import TooComplexError, apart, can_hold, restrict

__all__ = [
    "Outcome", "TooComplexError", "alternatives", "decide_expression", "is_possible", "restrict", "shorten", "surely",
]  # fmt: skip

_KEPT = 20_000
"""Answers kept for each kind of question: actions and callers of one key mostly ask the same."""

MAX_LITERALS = 10_000
"""Bound on the size of an expression from which uncollected data are eliminated."""

MAX_ALTERNATIVES = 64
MAX_LITERALS_TO_SHORTEN = 16


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


@remembered(_KEPT, TooComplexError)
def decide_expression(expression: Expression, axioms: Expression = TRUE) -> Outcome:
    """Decide an expression over all contexts that satisfy the axioms (`design.md` section 5).

    Args:
        expression: over request and data variables.
        axioms: what AWS documents about request keys that depend on each other; satisfiable.

    Raises:
        TooComplexError: the search is beyond its bounds, see `can_hold`.
    """
    can_be_true = is_possible(expression, axioms)
    can_be_false = is_possible(neg(expression), axioms)
    if not (can_be_true and can_be_false):
        return Outcome(can_be_true, can_be_false, mixed=False, sure=can_be_true)
    if not is_possible(_hanging_on_data(expression), axioms):
        return Outcome(can_be_true=True, can_be_false=True, mixed=False, sure=True)
    return Outcome(can_be_true=True, can_be_false=True, mixed=True, sure=is_possible(surely(expression), axioms))


@remembered(_KEPT, TooComplexError)
def is_possible(expression: Expression, axioms: Expression = TRUE) -> bool:
    """Whether the expression can be true in some context that satisfies the axioms, for some values of the data.

    Raises:
        TooComplexError: the search is beyond its bounds, see `can_hold`.
    """
    return can_hold(conj((expression, axioms)))


def _hanging_on_data(expression: Expression) -> Expression:
    """True where one request is let through by some data and refused by other data.

    What holds or not whatever the data say can be neither the one nor the other.
    """
    match expression:
        case And(parts):
            differing = conj(parts), disj(neg(p) for p in parts if _asks_data(p))
        case Or(parts):
            differing = disj(p for p in parts if _asks_data(p)), conj(neg(p) for p in parts)
        case _:
            differing = (expression, neg(expression)) if _asks_data(expression) else (FALSE, FALSE)
    return conj((differing[0], _with_other_data(differing[1])))


def _asks_data(expression: Expression) -> bool:
    return any(v.origin is Origin.DATA for v in mentioned(expression))


def _with_other_data(expression: Expression) -> Expression:
    """The expression with every data variable replaced by a second one of its kind."""
    if isinstance(expression, Const) or not _asks_data(expression):
        return expression
    match expression:
        case And(parts):
            return conj(_with_other_data(p) for p in parts)
        case Or(parts):
            return disj(_with_other_data(p) for p in parts)
        case _:
            test = expression.test
            other = replace(test.variable, name=f"{test.variable.name} (other data)")
            return Literal(replace(test, variable=other), expression.positive)


@remembered(_KEPT, TooComplexError)
def surely(expression: Expression) -> Expression:
    """The request contexts in which the expression holds whatever the uncollected data say.

    Raises:
        TooComplexError: the elimination of the data grows beyond the bounds.
    """
    try:
        return _surely(expression)
    except (PatternsTooComplexError, RecursionError) as error:
        raise TooComplexError from error


def _surely(expression: Expression) -> Expression:
    if not _asks_data(expression):
        return expression
    if isinstance(expression, And):
        return conj(_surely(p) for p in expression.parts)
    if isinstance(expression, Or):
        apart = _apart_by_data(expression.parts)
        if len(apart) > 1:
            return disj(_surely(disj(group)) for group in apart)
    answers, open_variable = _worst_answers(expression)
    if answers:
        return _surely(restrict(expression, answers))
    assert open_variable is not None
    whole = conj(
        restrict(expression, cell) for cell in cells(open_variable, _tests_of(open_variable, expression))
    )  # fmt: skip
    if size(whole) > MAX_LITERALS:
        raise TooComplexError
    return _surely(whole)


def _apart_by_data(parts: Sequence[Expression]) -> list[list[Expression]]:
    """The parts in groups that share no data variable."""
    return apart(parts, lambda p: (v for v in mentioned(p) if v.origin is Origin.DATA))


def _worst_answers(expression: Expression) -> tuple[dict[Test, bool], Variable | None]:
    """Answers of data that harm the expression everywhere at once; and a variable that has none."""
    asked: dict[Variable, dict[Test, set[bool]]] = {}
    for found in literals(expression):
        if found.test.variable.origin is Origin.DATA:
            asked.setdefault(found.test.variable, {}).setdefault(found.test, set()).add(found.positive)
    worst: dict[Test, bool] = {}
    left: Variable | None = None
    for variable, tests in asked.items():
        yes = tuple(t for t, signs in tests.items() if signs == {False})
        no = tuple(t for t, signs in tests.items() if signs == {True})
        if len(yes) + len(no) == len(tests) and can_answer(variable, yes, no).found:
            worst |= dict.fromkeys(yes, True) | dict.fromkeys(no, False)
        else:
            left = left or variable
    return worst, left


def _tests_of(variable: Variable, expression: Expression) -> tuple[Test, ...]:
    return tuple(dict.fromkeys(x.test for x in literals(expression) if x.test.variable == variable))


@remembered(_KEPT, TooComplexError)
def shorten(expression: Expression, axioms: Expression = TRUE) -> Expression:
    """An equivalent expression without parts that make no difference; request variables only.

    Raises:
        TooComplexError: see `decide_expression`.
    """
    if size(expression) > MAX_LITERALS_TO_SHORTEN:
        return expression
    while True:
        for smaller, is_wider in _smaller(expression):
            narrow, wide = (expression, smaller) if is_wider else (smaller, expression)
            if not is_possible(conj((wide, neg(narrow))), axioms):
                expression = smaller
                break
        else:
            return expression


def _smaller(expression: Expression) -> Iterator[tuple[Expression, bool]]:
    """The expression with one part left out, larger parts first, and whether that makes it wider or narrower."""
    if isinstance(expression, And | Or):
        join = conj if isinstance(expression, And) else disj
        parts = expression.parts
        for index in range(len(parts)):
            yield join(parts[:index] + parts[index + 1 :]), isinstance(expression, And)
        for index, part in enumerate(parts):
            for smaller, is_wider in _smaller(part):
                yield join((*parts[:index], smaller, *parts[index + 1 :])), is_wider


@remembered(_KEPT, TooComplexError)
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
        if is_possible(conj(alternative), axioms):
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
        case _:
            for combination in product(*(tuple(_products(p)) for p in expression.parts)):
                yield tuple(chain.from_iterable(combination))
