"""Searching for one text or one answer finds it exactly where listing all of them has it."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scanner.analyze.logic.cells import can_answer, cells
from scanner.analyze.logic.expression import NetworkSet, NumberSet, Origin, StringSet, Test, ValueType, Variable
from scanner.analyze.logic.patterns import Pattern, combinations, glob, literal, literal_ignoring_case, tokens_of
from scanner.analyze.logic.witness import find_text

Test.__test__ = False  # type: ignore[attr-defined]  # the class of the expressions, no test of pytest

budget = settings(max_examples=150, deadline=None, derandomize=True, database=None)


@st.composite
def patterns(draw: Any) -> Pattern:
    """A literal or a wildcard pattern, with and without case."""
    tokens = tokens_of(draw(st.text("aB:*?", max_size=5)))
    ignoring = draw(st.booleans())
    if draw(st.booleans()):
        return literal_ignoring_case(tokens) if ignoring else literal(tokens)
    return glob(tokens, ignore_case=ignoring)


sets = st.lists(patterns(), max_size=3).map(tuple)


@budget
@given(st.lists(sets, max_size=3).map(tuple), sets)
def test_text_is_found_where_some_combination_has_it(inside: tuple[Any, ...], outside: tuple[Pattern, ...]) -> None:
    vectors = combinations((*inside, outside))
    assert find_text(inside, outside).found is any(all(v[:-1]) and not v[-1] for v in vectors)


predicates = {
    ValueType.STRING: sets.map(StringSet),
    ValueType.NUMBER: st.builds(
        NumberSet,
        st.sampled_from(["==", "<", "<=", ">", ">="]),
        st.lists(st.integers(0, 4).map(float), min_size=1, max_size=2).map(tuple),
        st.just(("n",)),
    ),
    ValueType.IP: st.lists(
        st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "0.0.0.0/0", "fd00::/8", "fd00:1::/32"]),
        min_size=1,
        max_size=3,
    ).map(lambda texts: NetworkSet(tuple(map(_network, texts)))),
}


def _network(text: str) -> Any:
    return ip_network(text)


@st.composite
def questions(draw: Any) -> tuple[Variable, tuple[Test, ...]]:
    """A variable and some tests of it."""
    kind = draw(st.sampled_from(list(predicates)))
    text = kind is ValueType.STRING
    variable = Variable(
        "key",
        Origin.REQUEST,
        kind,
        multivalued=draw(st.booleans()),
        may_be_absent=draw(st.booleans()),
        excluded=draw(st.lists(patterns(), max_size=1).map(tuple)) if text else (),
        required=draw(st.one_of(st.none(), patterns())) if text else None,
    )
    asked = st.builds(Test, st.just(variable), predicates[kind], st.booleans())
    tests = draw(st.lists(st.one_of(st.just(Test(variable)), asked, asked), min_size=1, max_size=4))
    return variable, tuple(dict.fromkeys(tests))


@budget
@given(questions(), st.data())
def test_answer_is_possible_where_some_cell_has_it(
    question: tuple[Variable, tuple[Test, ...]], data: st.DataObject
) -> None:
    variable, tests = question
    wanted = {t: data.draw(st.sampled_from([True, False, None])) for t in tests}
    yes, no = (tuple(t for t, answer in wanted.items() if answer is sign) for sign in (True, False))
    listed = any(all(c[t] for t in yes) and not any(c[t] for t in no) for c in cells(variable, tests))
    assert can_answer(variable, yes, no).found is listed
