"""The finitely many ways one variable can answer all the questions asked about it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import chain
from math import isfinite
from operator import or_

from scanner.analyze.logic.expression import NetworkSet, NumberSet, Predicate, StringSet, Test, ValueType, Variable
from scanner.analyze.logic.memo import remembered
from scanner.analyze.logic.patterns import Pattern, PatternsTooComplexError, combinations
from scanner.analyze.logic.witness import Search, find_text

MAX_CELLS = 1024
"""Bound on the answers of one variable; beyond it `PatternsTooComplexError` is raised."""

_DIGITS = 30

Cell = Mapping[Test, bool]
"""An answer to every test of one variable that some value (or its absence) gives."""


def compare_number(operator: str, value: float, numbers: Iterable[float]) -> bool:
    """Whether the value stands in the relation to any of the numbers (R5.3, R5.25, R5.26)."""
    relations: dict[str, Callable[[float], bool]] = {
        "==": lambda n: value == n,
        "<": lambda n: value < n,
        "<=": lambda n: value <= n,
        ">": lambda n: value > n,
        ">=": lambda n: value >= n,
    }
    return any(relations[operator](n) for n in numbers)


@remembered(16384, PatternsTooComplexError)
def cells(variable: Variable, tests: tuple[Test, ...]) -> tuple[Cell, ...]:
    """All distinct answers a variable can give to the tests at once.

    Exact: an answer is listed if and only if some value that the variable may have, or its absence, gives it.

    Raises:
        PatternsTooComplexError: there are more answers, or automaton states, than the bounds allow.
    """
    if variable.type is ValueType.FLAG:
        return tuple(dict.fromkeys(tests, value) for value in (True, False))
    predicates = tuple(dict.fromkeys(t.predicate for t in tests if t.predicate is not None))
    vectors = _element_vectors(variable, predicates)
    answers = {_answer(tests, predicates, vector) for vector in vectors}
    if variable.multivalued:
        answers = _unions(answers)
    if variable.may_be_absent:
        answers.add((False,) * len(tests))
    return tuple(dict(zip(tests, answer, strict=True)) for answer in sorted(answers, reverse=True))


def _answer(tests: Sequence[Test], predicates: Sequence[Predicate], vector: Sequence[bool]) -> tuple[bool, ...]:
    member = dict(zip(predicates, vector, strict=True))
    return tuple(True if t.predicate is None else member[t.predicate] != t.inverted for t in tests)


def _unions(single: set[tuple[bool, ...]]) -> set[tuple[bool, ...]]:
    """Answers of non-empty sets of values: a set answers yes where some element does."""
    found: set[tuple[bool, ...]] = set()
    for one in sorted(single, key=sum):
        if one in found:
            continue
        found |= {tuple(map(or_, one, other)) for other in found}
        found.add(one)
        if len(found) > MAX_CELLS:
            raise PatternsTooComplexError
    return found


@remembered(65536, PatternsTooComplexError)
def can_answer(variable: Variable, yes: tuple[Test, ...], no: tuple[Test, ...]) -> Search:
    """Whether some value of the variable, or its absence, answers these tests with yes and those with no.

    Exact like `cells`, without listing every answer.

    Raises:
        PatternsTooComplexError: a text that fits is not found within the bound.
    """
    if variable.type is ValueType.FLAG:
        return Search(not (yes and no), 1)
    if not yes and variable.may_be_absent:
        return Search(True, 1)
    if any(t.predicate is None for t in no):
        return Search(False, 1)
    asked = [t for t in yes if t.predicate is not None]
    if not variable.multivalued:
        return _can_be(variable, asked, no)
    cost = 0
    for wanted in [[t] for t in asked] or [[]]:
        search = _can_be(variable, wanted, no)
        cost += search.cost
        if not search.found:
            return Search(False, cost)
    return Search(True, cost)


def _can_be(variable: Variable, yes: Iterable[Test], no: Iterable[Test]) -> Search:
    """Whether one value gives the answers."""
    inside = [t.predicate for t in yes if not t.inverted] + [t.predicate for t in no if t.inverted]
    outside = [t.predicate for t in yes if t.inverted] + [t.predicate for t in no if not t.inverted]
    return _can_lie(variable, tuple(p for p in inside if p), tuple(p for p in outside if p))


def _can_lie(variable: Variable, inside: tuple[Predicate, ...], outside: tuple[Predicate, ...]) -> Search:
    """Whether one value is in every set of `inside` and in none of `outside`."""
    if not variable.domain and variable.type not in (ValueType.NUMBER, ValueType.DATE, ValueType.IP):
        required = ((variable.required,),) if variable.required else ()
        unwanted = chain.from_iterable(p.patterns for p in outside if isinstance(p, StringSet))
        wanted = tuple(p.patterns if isinstance(p, StringSet) else () for p in inside)
        return find_text((*wanted, *required), tuple(dict.fromkeys((*unwanted, *variable.excluded))))
    values = _values_between(variable, (*inside, *outside))
    for number, value in enumerate(values):
        if all(_value_holds(p, value) for p in inside) and not any(_value_holds(p, value) for p in outside):
            return Search(True, number + 1)
    return Search(False, len(values) + 1)


_Value = str | int | IPv4Address | IPv6Address


def _values_between(variable: Variable, predicates: tuple[Predicate, ...]) -> Sequence[_Value]:
    """Values of a variable that is no free text: one for every way it can answer."""
    if variable.domain:
        return variable.domain
    return _addresses_between(predicates) if variable.type is ValueType.IP else _numbers_between(predicates)


def _value_holds(predicate: Predicate, value: _Value) -> bool:
    if isinstance(value, str):
        return holds(predicate, value)
    return _number_holds(predicate, value) if isinstance(value, int) else _address_holds(predicate, value)


def _element_vectors(variable: Variable, predicates: tuple[Predicate, ...]) -> set[tuple[bool, ...]]:
    if variable.domain or variable.type in (ValueType.NUMBER, ValueType.DATE, ValueType.IP):
        values = _values_between(variable, predicates)
        return {tuple(_value_holds(p, value) for p in predicates) for value in values}
    sets = [p.patterns if isinstance(p, StringSet) else () for p in predicates]
    required = ((variable.required,),) if variable.required else ()
    vectors = combinations((*sets, variable.excluded, *required))
    count = len(sets)
    return {v[:count] for v in vectors if not v[count] and all(v[count + 1 :])}


def holds(predicate: Predicate, value: str) -> bool:
    """Whether one value, as text, is inside the predicate's set; a value of the wrong type is not."""
    match predicate:
        case StringSet(patterns):
            return any(p.matches(value) for p in patterns)
        case NumberSet(operator, numbers, _):
            try:
                number = float(value)
            except ValueError:
                return False
            return isfinite(number) and compare_number(operator, number, numbers)
        case _:
            try:
                address = ip_address(value)
            except ValueError:
                return False
            return any(address in network for network in predicate.networks if network.version == address.version)


def _numbers_between(predicates: Iterable[Predicate]) -> list[int]:
    """Whole numbers from 0 on, one in and beside every place where an answer can change."""
    numbers = chain.from_iterable(map(_numbers_in, predicates))
    marks = {0, *(number + step for number in numbers for step in (-1, 0, 1, 2))}
    return [mark for mark in sorted(marks) if mark >= 0]


def _numbers_in(predicate: Predicate) -> Iterable[int]:
    if isinstance(predicate, NumberSet):
        return map(int, predicate.numbers)
    assert isinstance(predicate, StringSet)  # a number is compared with a network by nobody: `condition._comparable`
    return [int(p.text) for p in predicate.patterns if _is_number(p)]


def _is_number(pattern: Pattern) -> bool:
    """A whole number as text; no count of days or seconds has more digits."""
    return pattern.is_literal and pattern.text.isascii() and pattern.text.isdecimal() and len(pattern.text) <= _DIGITS


def _number_holds(predicate: Predicate, value: int) -> bool:
    if isinstance(predicate, NumberSet):
        return compare_number(predicate.operator, value, predicate.numbers)
    return holds(predicate, str(value))


def _addresses_between(predicates: Iterable[Predicate]) -> list[IPv4Address | IPv6Address]:
    """The first address of every interval between the borders of the networks, in both families."""
    addresses: dict[IPv4Address | IPv6Address, None] = {IPv4Address(0): None, IPv6Address(0): None}
    for network in chain.from_iterable(_networks_of(p).networks for p in predicates):
        addresses[network.network_address] = None
        if int(network.broadcast_address) < 2**network.max_prefixlen - 1:
            addresses[network.broadcast_address + 1] = None
    return list(addresses)


def _networks_of(predicate: Predicate) -> NetworkSet:
    assert isinstance(predicate, NetworkSet)  # an address is compared with nothing else: `condition._comparable`
    return predicate


def _address_holds(predicate: Predicate, address: IPv4Address | IPv6Address) -> bool:
    starts, ends = _ranges(_networks_of(predicate), address.version)
    place = bisect_right(starts, int(address)) - 1
    return place >= 0 and int(address) <= ends[place]


@lru_cache(maxsize=4096)
def _ranges(predicate: NetworkSet, version: int) -> tuple[list[int], list[int]]:
    """First and last address of the networks of one family, in order and apart from each other."""
    borders = ((int(n.network_address), int(n.broadcast_address)) for n in predicate.networks if n.version == version)
    apart: list[tuple[int, int]] = []
    for first, last in sorted(borders, key=lambda border: (border[0], -border[1])):
        if not apart or first > apart[-1][1]:  # networks contain each other or share nothing
            apart.append((first, last))
    return [first for first, _ in apart], [last for _, last in apart]
