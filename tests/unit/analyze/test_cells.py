"""The answers that numbers, addresses and texts can give: every one that some value gives, and no other."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from scanner.analyze.logic.cells import cells
from scanner.analyze.logic.expression import (
    NetworkSet,
    NumberSet,
    Origin,
    Predicate,
    StringSet,
    Test,
    ValueType,
    Variable,
)
from scanner.analyze.logic.patterns import any_of, arn_pattern, combinations, glob, literal, tokens_of

Test.__test__ = False  # type: ignore[attr-defined]  # the class of the expressions, no test of pytest

AGE = Variable("aws:MultiFactorAuthAge", Origin.REQUEST, ValueType.NUMBER, may_be_absent=False)
IP = Variable("aws:SourceIp", Origin.REQUEST, ValueType.IP, may_be_absent=False)


def texts(*values: str) -> StringSet:
    """These texts, literally."""
    return StringSet(tuple(literal(tuple(value)) for value in values))


def networks(*values: str) -> NetworkSet:
    """These networks."""
    return NetworkSet(tuple(ip_network(value) for value in values))


def number(operator: str, value: float) -> NumberSet:
    """Numbers in this relation to the value."""
    return NumberSet(operator, (value,), (str(value),))


def answers(variable: Variable, *predicates: Predicate) -> set[tuple[bool, ...]]:
    """Every combination of answers that the variable can give."""
    tests = tuple(Test(variable, predicate) for predicate in predicates)
    return {tuple(cell[test] for test in tests) for cell in cells(variable, tests)}


NUMBERS: list[tuple[tuple[Predicate, ...], set[tuple[bool, ...]]]] = [
    ((number("<", 5), number(">=", 5)), {(True, False), (False, True)}),
    ((number("==", 300), texts("300")), {(True, True), (False, False)}),
    ((number(">", 7), texts("7", "old")), {(True, False), (False, True), (False, False)}),
    ((number("<", 0),), {(False,)}),
]


@pytest.mark.parametrize(("predicates", "expected"), NUMBERS)
def test_number_answers_by_its_value_also_where_it_is_written_as_text(
    predicates: tuple[Predicate, ...], expected: set[tuple[bool, ...]]
) -> None:
    assert answers(AGE, *predicates) == expected


ADDRESSES: list[tuple[tuple[Predicate, ...], set[tuple[bool, ...]]]] = [
    (
        (networks("10.0.0.0/8", "10.1.0.0/16"), networks("10.2.0.0/16")),
        {(True, True), (True, False), (False, False)},
    ),
    ((networks("0.0.0.0/0"), networks("::/0")), {(True, False), (False, True)}),
    ((networks("0.0.0.0/0", "::/0"),), {(True,)}),
]


@pytest.mark.parametrize(("predicates", "expected"), ADDRESSES)
def test_address_is_found_inside_outside_and_between_networks(
    predicates: tuple[Predicate, ...], expected: set[tuple[bool, ...]]
) -> None:
    assert answers(IP, *predicates) == expected


SETS: list[tuple[tuple[tuple[Any, ...], ...], dict[tuple[bool, ...], str]]] = [
    ((("a", "b"),), {(True,): "a", (False,): "other"}),
    ((("other",),), {(True,): "other", (False,): "other-other"}),
    (
        (("ab", "ac"), (glob(tokens_of("*b")),)),
        {(True, True): "ab", (True, False): "ac", (False, True): "b", (False, False): ""},
    ),
]


@pytest.mark.parametrize(("sets", "expected"), SETS)
def test_combination_has_the_shortest_and_first_text_as_its_witness(
    sets: tuple[tuple[Any, ...], ...], expected: dict[tuple[bool, ...], str]
) -> None:
    written = tuple(tuple(literal(tuple(p)) if isinstance(p, str) else p for p in one) for one in sets)
    assert combinations(written) == expected


def test_letter_whose_capital_form_is_two_letters_is_compared_as_one() -> None:
    street = glob(tokens_of("straße*"), ignore_case=True)
    assert street.matches("STRAßE 1")
    assert not street.matches("STRASSE 1")
    assert {len(char) for char in street.alphabet()} == {1}


def test_patterns_that_match_nothing_match_nothing_together() -> None:
    nowhere = arn_pattern(tokens_of("arn:aws"))
    assert not any(any_of((nowhere,)).matches(text) for text in ("arn:aws", ""))
    assert any_of((nowhere, glob(tokens_of("arn:*")))).matches("arn:aws")
