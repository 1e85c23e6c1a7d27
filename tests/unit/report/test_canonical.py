"""Canonical JSON is what the standard library makes of the same values, whoever shares them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

import pytest
from scanner.model.graph import Graph, GraphNode
from scanner.report.canonical import Once, compact, members_of

import report_builders as build


class _Word(StrEnum):
    SAID = "said"


@dataclass(frozen=True, slots=True)
class _Thing:
    z: object
    a: object = None


@pytest.mark.parametrize("value", [
    _Thing({"b": (1, 2.5), "a": [True, None]}, _Thing(_Word.SAID, ())), [_Thing("\ud800\u202eé\"\\\n")], "text", {},
    *build.HOSTILE,
])  # fmt: skip
def test_value_is_the_json_of_its_fields_sorted_and_without_white_space(value: object) -> None:
    plain = value
    if isinstance(value, _Thing):
        plain = asdict(value)
    elif isinstance(value, list):
        plain = [asdict(one) for one in value]
    assert compact(value) == json.dumps(plain, sort_keys=True, separators=(",", ":"))
    assert compact(value).isascii()


@pytest.mark.parametrize("odd", [object(), {1, 2}, [b"x"], _Thing(_Thing)])
def test_what_is_no_plain_value_is_refused(odd: object) -> None:
    with pytest.raises(TypeError):
        compact(odd)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        compact([number])


def test_members_are_the_fields_as_they_are() -> None:
    nodes = (GraphNode("a", "any"),)
    assert members_of(Graph(nodes)) == {"nodes": nodes, "edges": (), "max_hops": 0, "cut": ()}


def test_the_same_object_is_made_text_once_and_an_equal_one_to_the_same_text() -> None:
    made: list[object] = []

    def make(value: object) -> str:
        made.append(value)
        return compact(value)

    once, value, equal = Once(make), ["a", 1], ["a", 1]
    assert [once.of(value), once.of(value), once.of(equal)] == ['["a",1]'] * 3
    assert made == [value, equal]


def test_no_value_gets_the_text_of_one_that_was_there_before_it() -> None:
    once = Once(compact)
    assert [once.of([number]) for number in range(1000)] == [f"[{number}]" for number in range(1000)]


def test_what_was_made_first_is_forgotten_where_there_is_too_much() -> None:
    made: list[str] = []

    def make(value: str) -> int:
        made.append(value)
        return len(made)

    once, values = Once(make, 2), ["one", "two", "three"]
    assert [once.of(value) for value in (*values, values[1], values[0])] == [1, 2, 3, 2, 4]
    assert made == [*values, "one"]
