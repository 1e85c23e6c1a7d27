"""Wildcards and the answers of one variable, compared with trying every short value."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import chain, combinations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scanner.analyze.logic.cells import cells, holds
from scanner.analyze.logic.expression import NetworkSet, NumberSet, Origin, StringSet, Test, ValueType, Variable
from scanner.analyze.logic.patterns import (
    Pattern,
    arn_pattern,
    glob,
    literal,
    literal_ignoring_case,
    text_of,
    tokens_of,
)
from scanner.analyze.logic.patterns import combinations as memberships

Test.__test__ = False  # type: ignore[attr-defined]  # the class of the expressions, no test of pytest

budget = settings(max_examples=100, deadline=None, derandomize=True, database=None)

WORDS = ["".join(letters) for length in range(5) for letters in product("aB:z", repeat=length)]
"""Every text of up to four characters."""


def naive(pattern: str, value: str, *, fold: bool = False) -> bool:
    """`*` is any run and `?` one character: the definition, by recursion."""
    if fold:
        pattern, value = pattern.lower(), value.lower()
    if not pattern:
        return not value
    if pattern[0] == "*":
        return naive(pattern[1:], value) or (bool(value) and naive(pattern, value[1:]))
    return bool(value) and pattern[0] in {"?", value[0]} and naive(pattern[1:], value[1:])


def naive_arn(pattern: str, value: str) -> bool:
    """Six parts each, compared part by part (R5.23)."""
    parts, found = pattern.split(":", 5), value.split(":", 5)
    return len(parts) == len(found) == 6 and all(naive(p, v) for p, v in zip(parts, found, strict=True))


written = st.text("aB:*?", max_size=6)


@budget
@given(written, st.booleans())
def test_glob_matches_what_the_definition_matches(pattern: str, fold: bool) -> None:
    compiled = glob(tokens_of(pattern), ignore_case=fold)
    assert [w for w in WORDS if compiled.matches(w)] == [w for w in WORDS if naive(pattern, w, fold=fold)]


@budget
@given(written)
def test_literal_matches_itself_only(pattern: str) -> None:
    assert [w for w in {*WORDS, pattern} if literal(tokens_of(pattern)).matches(w)] == [pattern]
    folded = [w for w in {*WORDS, pattern} if literal_ignoring_case(tokens_of(pattern)).matches(w)]
    assert set(folded) == {w for w in {*WORDS, pattern} if w.lower() == pattern.lower()}


@budget
@given(st.text("a:*?", max_size=12), st.text("ab:", max_size=12))
def test_arn_pattern_matches_part_by_part(pattern: str, value: str) -> None:
    assert arn_pattern(tokens_of(pattern)).matches(value) == naive_arn(pattern, value)


_ARN_VALUES = ["arn:aws:iam::1:role/a:b", "arn:aws:iam::2:role/a", "arn:aws:s3:::b:c", "arn:aws:iam::1:role", "*"]
_ARN_PATTERNS = [
    "arn:*:iam::?:role/*",
    "arn:aws:*:*:*:*",
    "arn:aws:*",
    "arn:*:*:role/a",
    "*:*:*:*:*:role",
    "arn:aws:s3:::*",
]


@budget
@given(st.sampled_from(_ARN_PATTERNS), st.sampled_from(_ARN_VALUES))
def test_wildcard_of_an_arn_pattern_never_crosses_the_first_five_colons(pattern: str, value: str) -> None:
    assert arn_pattern(tokens_of(pattern)).matches(value) == naive_arn(pattern, value)


def test_many_stars_are_matched_in_linear_time() -> None:
    pattern = glob(tokens_of("*a" * 200 + "*b"))
    assert not pattern.matches("a" * 5000)
    assert pattern.matches("a" * 5000 + "b")


# -- combinations -----------------------------------------------------------------------------------------------------


@st.composite
def patterns(draw: Any) -> Pattern:
    """A literal, a glob or an ARN-like pattern, all short."""
    tokens = tokens_of(draw(st.text("aB:*?", max_size=3)))
    return draw(st.sampled_from([literal, glob, literal_ignoring_case]))(tokens)


sets = st.lists(st.lists(patterns(), max_size=2).map(tuple), max_size=3).map(tuple)


@budget
@given(sets)
def test_combinations_are_exactly_the_memberships_that_some_text_has(asked: tuple[tuple[Pattern, ...], ...]) -> None:
    found = memberships(asked)
    tried = {tuple(any(p.matches(w) for p in one) for one in asked) for w in WORDS}
    assert tried <= set(found)
    for vector, witness in found.items():
        assert vector == tuple(any(_member(p, witness) for p in one) for one in asked)


def _member(pattern: Pattern, value: str) -> bool:
    """Membership by definition: a literal holds no wildcard token."""
    if any(isinstance(token, int) for token in pattern.tokens):
        return naive(text_of(pattern.tokens), value, fold=pattern.ignore_case)
    return value.lower() == pattern.text.lower() if pattern.ignore_case else value == pattern.text


def test_combinations_find_a_text_outside_of_every_pattern() -> None:
    taken = tuple((literal(tokens_of(t)),) for t in ("other", "other-other"))
    assert (False, False) in memberships(taken)
    everything = ((glob(tokens_of("*")),), (glob(tokens_of("a*")),))
    assert set(memberships(everything)) == {(True, True), (True, False)}


# -- cells ------------------------------------------------------------------------------------------------------------


def _brute(variable: Variable, tests: tuple[Test, ...], answers: list[tuple[bool, ...]]) -> set[tuple[bool, ...]]:
    """Answers to the tests, given which predicates each single value is in: every set of values, and none."""
    singles = {
        tuple(t.predicate is None or inside != t.inverted for t, inside in zip(tests, a, strict=True)) for a in answers
    }
    if variable.multivalued:
        unions = chain.from_iterable(combinations(sorted(singles), n) for n in range(1, len(singles) + 1))
        singles = {tuple(any(column) for column in zip(*group, strict=True)) for group in unions}
    return singles | ({(False,) * len(tests)} if variable.may_be_absent else set())


def _check(variable: Variable, tests: tuple[Test, ...], values: list[str]) -> None:
    answers = [tuple(t.predicate is not None and holds(t.predicate, value) for t in tests) for value in values]
    found = {tuple(cell[t] for t in tests) for cell in cells(variable, tests)}
    assert found == _brute(variable, tests, answers)


def _tests(variable: Variable, predicates: Any, presence: bool) -> tuple[Test, ...]:
    asked = [Test(variable, predicate, inverted) for predicate, inverted in predicates]
    return tuple(dict.fromkeys([*asked, *([Test(variable)] if presence else [])]))


def _asked(predicate: st.SearchStrategy[Any], size: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(predicate, st.booleans()), min_size=1, max_size=size)


numbers = st.builds(
    lambda operator, found: NumberSet(operator, tuple(found), tuple(str(n) for n in found)),
    st.sampled_from(["==", "<", "<=", ">", ">="]),
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.5, 4.0, 7.0]), min_size=1, max_size=2),
)


@budget
@given(_asked(numbers), st.booleans(), st.booleans())
def test_cells_of_a_number_are_exactly_those_that_some_number_gives(
    predicates: Any, absent: bool, presence: bool
) -> None:
    variable = Variable("aws:MultiFactorAuthAge", Origin.REQUEST, ValueType.NUMBER, may_be_absent=absent)
    _check(variable, _tests(variable, predicates, presence), [str(float(n)) for n in range(12)])


_BLOCKS = [
    "10.0.0.0/30",
    "10.0.0.2/31",
    "10.0.0.4/30",
    "10.0.0.5/32",
    "10.0.0.0/29",
    "2001:db8::/126",
    "::/0",
    "0.0.0.0/0",
]
_ADDRESSES = [
    *(str(ip_address("10.0.0.0") + n) for n in range(-1, 10)),
    *(str(ip_address("2001:db8::") + n) for n in range(-1, 5)),
    "0.0.0.0",
    "255.255.255.255",
    "::",
]
networks = st.lists(st.sampled_from(_BLOCKS), min_size=1, max_size=2).map(
    lambda found: NetworkSet(tuple(ip_network(block) for block in found))
)


@budget
@given(_asked(networks), st.booleans())
def test_cells_of_an_address_are_exactly_those_that_some_address_gives(predicates: Any, absent: bool) -> None:
    variable = Variable("aws:SourceIp", Origin.REQUEST, ValueType.IP, may_be_absent=absent)
    _check(variable, _tests(variable, predicates, absent), _ADDRESSES)


texts = st.lists(patterns(), max_size=2).map(lambda found: StringSet(tuple(found)))


@budget
@given(_asked(texts), st.sampled_from([(), ("a",), ("a", "B", "aB"), ("z", ":")]), st.booleans(), st.booleans())
def test_cells_of_a_domain_are_exactly_those_of_its_values(
    predicates: Any, domain: tuple[str, ...], many: bool, absent: bool
) -> None:
    variable = Variable("key", Origin.REQUEST, multivalued=many, may_be_absent=absent, domain=domain)
    asked = _tests(variable, predicates, absent)
    if domain:
        _check(variable, asked, list(domain))
    else:
        found = {tuple(cell[t] for t in asked) for cell in cells(variable, asked)}
        answers = [tuple(t.predicate is not None and holds(t.predicate, word) for t in asked) for word in WORDS]
        assert _brute(variable, asked, answers) <= found


@budget
@given(_asked(texts, 2), st.integers(0, 3), patterns(), st.booleans())
def test_cells_are_those_of_the_values_a_variable_can_have(
    predicates: Any, length: int, excluded: Pattern, many: bool
) -> None:
    required = glob(tokens_of("?" * length))
    variable = Variable(
        "key", Origin.DATA, multivalued=many, required=required, excluded=(excluded,), may_be_absent=False
    )
    words = ["".join(letters) for letters in product("aAbB:*?z", repeat=length)]
    _check(variable, _tests(variable, predicates, False), [w for w in words if not excluded.matches(w)])


def test_flag_holds_or_not_whatever_is_asked() -> None:
    variable = Variable("fact", Origin.DATA, ValueType.FLAG)
    asked = (Test(variable),)
    assert [cell[asked[0]] for cell in cells(variable, asked)] == [True, False]
