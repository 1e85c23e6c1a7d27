"""Deciding, shortening and splitting expressions, compared with trying every combination of values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scanner.analyze.logic.cells import holds
from scanner.analyze.logic.expression import (
    FALSE,
    TRUE,
    And,
    Const,
    Expression,
    Literal,
    Or,
    Origin,
    StringSet,
    Test,
    ValueType,
    Variable,
    conj,
    disj,
    literals,
    neg,
)
from scanner.analyze.logic.patterns import literal
from scanner.analyze.logic.residual import Outcome, alternatives, decide_expression, restrict, shorten, surely

Test.__test__ = False  # type: ignore[attr-defined]  # the class of the expressions, no test of pytest

budget = settings(max_examples=80, deadline=None, derandomize=True, database=None)

ONE = Variable("one", Origin.REQUEST, domain=("a", "b", "c"))
FIXED = Variable("fixed", Origin.REQUEST, domain=("a", "b"), may_be_absent=False)
MANY = Variable("many", Origin.REQUEST, domain=("a", "b"), multivalued=True)
FACT = Variable("fact", Origin.DATA, ValueType.FLAG, reason="undocumented")
HIDDEN = Variable("hidden", Origin.DATA, domain=("a", "b"), reason="caller_side_not_collected")
VARIABLES = (ONE, FIXED, MANY, FACT, HIDDEN)
REQUEST = (ONE, FIXED, MANY)

Values = tuple[str, ...]
_SUBSETS: list[Values] = [("a",), ("b",), ("a", "b")]
VALUES: dict[Variable, list[Values]] = {
    ONE: [(), ("a",), ("b",), ("c",)], FIXED: [("a",), ("b",)], MANY: [(), *_SUBSETS], FACT: [(), ("yes",)],
    HIDDEN: [(), ("a",), ("b",)],
}  # fmt: skip


def contexts(among: tuple[Variable, ...]) -> Iterator[dict[Variable, Values]]:
    """Every combination of values."""
    for chosen in product(*(VALUES[v] for v in among)):
        yield dict(zip(among, chosen, strict=True))


def value(expression: Expression, context: Mapping[Variable, Values]) -> bool:
    """What an expression is in one context, by its definition."""
    match expression:
        case Const(known):
            return known
        case And(parts):
            return all(value(p, context) for p in parts)
        case Or(parts):
            return any(value(p, context) for p in parts)
        case Literal(test, positive):
            found = context[test.variable]
            if test.predicate is None:
                return bool(found) is positive
            return any(holds(test.predicate, v) is not test.inverted for v in found) is positive


def brute(expression: Expression, axioms: Expression = TRUE) -> Outcome:
    """The outcome by trying everything."""
    parts: list[set[bool]] = []
    for request in contexts(REQUEST):
        if value(axioms, {**request}):
            parts.append({value(expression, {**request, **data}) for data in contexts((FACT, HIDDEN))})
    seen = set().union(*parts)
    return Outcome(True in seen, False in seen, {True, False} in parts, {True} in parts)


def _literals(among: tuple[Variable, ...]) -> st.SearchStrategy[Expression]:
    sets = st.sampled_from([("a",), ("b",), ("a", "b"), ("c",)]).map(
        lambda texts: StringSet(tuple(literal(tuple(t)) for t in texts))
    )
    found: list[st.SearchStrategy[Expression]] = []
    for variable in among:
        tests: st.SearchStrategy[Any] = st.just(Test(variable))
        if variable.type is not ValueType.FLAG:
            asked = st.builds(Test, st.just(variable), sets, st.booleans())
            tests = asked if not variable.may_be_absent else st.one_of(tests, asked)
        found.append(st.builds(Literal, tests, st.booleans()))
    return st.one_of(found)


def expressions(among: tuple[Variable, ...], leaves: int = 7) -> st.SearchStrategy[Expression]:
    """Nested conjunctions, disjunctions and negations."""
    return st.recursive(
        st.one_of(_literals(among), st.sampled_from([TRUE, FALSE])),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(conj),
            st.lists(inner, min_size=1, max_size=3).map(disj),
            inner.map(neg),
        ),
        max_leaves=leaves,
    )


@budget
@given(st.lists(expressions(VARIABLES, 3), max_size=3))
def test_joining_and_negating_keep_the_meaning(parts: list[Expression]) -> None:
    for context in contexts(VARIABLES):
        each = [value(p, context) for p in parts]
        assert value(conj(parts), context) is all(each)
        assert value(disj(parts), context) is any(each)
        assert value(neg(conj(parts)), context) is not all(each)


@budget
@given(expressions(VARIABLES))
def test_outcome_equals_trying_every_context(expression: Expression) -> None:
    assert decide_expression(expression) == brute(expression)


@budget
@given(expressions(VARIABLES), expressions(REQUEST, 3))
def test_outcome_counts_only_contexts_that_meet_the_axioms(expression: Expression, axioms: Expression) -> None:
    assert decide_expression(expression, axioms) == brute(expression, axioms)


@budget
@given(expressions(VARIABLES))
def test_surely_is_what_holds_whatever_the_data_say(expression: Expression) -> None:
    sure = surely(expression)
    assert all(x.test.variable.origin is Origin.REQUEST for x in literals(sure))
    for request in contexts(REQUEST):
        everywhere = all(value(expression, {**request, **data}) for data in contexts((FACT, HIDDEN)))
        assert value(sure, {**request}) is everywhere


@budget
@given(expressions(REQUEST), expressions(REQUEST, 3))
def test_shortened_expression_means_the_same_and_is_not_longer(expression: Expression, axioms: Expression) -> None:
    short = shorten(expression, axioms)
    assert sum(1 for _ in literals(short)) <= sum(1 for _ in literals(expression))
    for context in contexts(REQUEST):
        if value(axioms, context):
            assert value(short, context) is value(expression, context)


@budget
@given(expressions(REQUEST))
def test_shortened_expression_has_no_part_that_makes_no_difference(expression: Expression) -> None:
    short = shorten(expression)
    if isinstance(short, And | Or):
        join = conj if isinstance(short, And) else disj
        for index in range(len(short.parts)):
            rest = join(short.parts[:index] + short.parts[index + 1 :])
            assert any(value(rest, c) is not value(short, c) for c in contexts(REQUEST))


@budget
@given(expressions(REQUEST))
def test_alternatives_together_are_the_expression(expression: Expression) -> None:
    ways = alternatives(expression)
    for context in contexts(REQUEST):
        assert any(all(value(term, context) for term in way) for way in ways) is value(expression, context)
    for way in ways:
        assert any(all(value(term, c) for term in way) for c in contexts(REQUEST))
        assert not any(set(other) < set(way) for other in ways)


@budget
@given(expressions(REQUEST), st.sampled_from(REQUEST))
def test_restricting_fills_in_the_answers_of_one_variable(expression: Expression, variable: Variable) -> None:
    for context in contexts(REQUEST):
        answers = {x.test: value(Literal(x.test), context) for x in literals(expression) if x.test.variable == variable}
        rest = restrict(expression, answers)
        assert all(x.test.variable != variable for x in literals(rest))
        assert value(rest, context) is value(expression, context)
