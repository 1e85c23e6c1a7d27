"""The finitely many ways one variable can answer all the questions asked about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from math import isfinite

from scanner.analyze.expression import NetworkSet, NumberSet, Predicate, StringSet, Test, ValueType, Variable
from scanner.analyze.patterns import Pattern, PatternsTooComplexError, combinations

MAX_CELLS = 4096
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


@lru_cache(maxsize=16384)
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
    found = set(single)
    queue = list(single)
    while queue:
        one = queue.pop()
        for other in single:
            both = tuple(a or b for a, b in zip(one, other, strict=True))
            if both not in found:
                if len(found) >= MAX_CELLS:
                    raise PatternsTooComplexError
                found.add(both)
                queue.append(both)
    return found


def _element_vectors(variable: Variable, predicates: tuple[Predicate, ...]) -> set[tuple[bool, ...]]:
    if variable.domain:
        return {tuple(holds(p, value) for p in predicates) for value in variable.domain}
    if variable.type in (ValueType.NUMBER, ValueType.DATE):
        return {tuple(_number_holds(p, value) for p in predicates) for value in _numbers_between(predicates)}
    if variable.type is ValueType.IP:
        return {tuple(_address_holds(p, address) for p in predicates) for address in _addresses_between(predicates)}
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
        case NetworkSet(networks):
            try:
                address = ip_address(value)
            except ValueError:
                return False
            return any(address in network for network in networks if network.version == address.version)


def _numbers_between(predicates: Iterable[Predicate]) -> list[int]:
    """Whole numbers from 0 on, one in and beside every place where an answer can change."""
    marks: set[int] = {0}
    for predicate in predicates:
        numbers: Iterable[float | int] = ()
        if isinstance(predicate, NumberSet):
            numbers = predicate.numbers
        elif isinstance(predicate, StringSet):
            numbers = [int(p.text) for p in predicate.patterns if _is_number(p)]
        for number in numbers:
            marks.update(int(number) + step for step in (-1, 0, 1, 2))
    return [mark for mark in sorted(marks) if mark >= 0]


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
    for predicate in predicates:
        networks: tuple[IPv4Network | IPv6Network, ...] = ()
        if isinstance(predicate, NetworkSet):
            networks = predicate.networks
        for network in networks:
            addresses[network.network_address] = None
            if int(network.broadcast_address) < 2**network.max_prefixlen - 1:
                addresses[network.broadcast_address + 1] = None
    return list(addresses)


def _address_holds(predicate: Predicate, address: IPv4Address | IPv6Address) -> bool:
    return holds(predicate, str(address))
