"""The one JSON text of a value: ASCII, keys sorted, no white space, dataclasses by their fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import Field, fields
from functools import cache
from operator import attrgetter
from typing import ClassVar, Generic, Protocol, TypeVar

T = TypeVar("T")
Made = TypeVar("Made")
_MANY = 100_000


class Dataclass(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


class Once(Generic[T, Made]):
    """What is made of a value, made once for each object that is given, however many lines share it.

    A value is kept as long as what is made of it, so that no other can come to stand in its place in memory.
    """

    def __init__(self, make: Callable[[T], Made], most: int = _MANY) -> None:
        """`most` are kept; of more, those that were made last."""
        self._make, self._most = make, most
        self._known: dict[int, tuple[T, Made]] = {}

    def of(self, value: T) -> Made:
        """What is made of a value."""
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = (value, self._make(value))
            if len(self._known) > self._most:
                del self._known[next(iter(self._known))]
        return known[1]


def compact(value: object) -> str:
    """A value of dataclasses, lists, texts and numbers as JSON. Raises TypeError for any other."""
    return _ENCODER.encode(value)


def object_of(members: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """An object with its members on lines of their own, each given in parts; a line feed at the end."""
    before = "{"
    for name in sorted(members):
        yield f"{before}{compact(name)}:"
        yield from members[name]
        before = ",\n"
    yield "}\n"


def lines_of(items: Iterable[str]) -> Iterator[str]:
    """An array with one item per line."""
    before = "[\n"
    for item in items:
        yield before + item
        before = ",\n"
    yield "[]" if before == "[\n" else "\n]"


def members_of(thing: Dataclass) -> dict[str, object]:
    """The fields of a dataclass by name, as they are."""
    names, values_of = _members_of(type(thing))
    return dict(zip(names, values_of(thing), strict=True))


@cache
def names_of(kind: type[Dataclass]) -> tuple[str, ...]:
    """The names of the fields of a dataclass, sorted. Raises TypeError for any other type."""
    return tuple(sorted(field.name for field in fields(kind)))


def values_of(kind: type[Dataclass]) -> Callable[[Dataclass], tuple[object, ...]]:
    """What gives the values of the fields of a dataclass with two or more, in the order of their names."""
    return attrgetter(*names_of(kind))


@cache
def _members_of(kind: type[Dataclass]) -> tuple[tuple[str, ...], Callable[[Dataclass], Iterable[object]]]:
    names = names_of(kind)
    if len(names) > 1:
        return names, values_of(kind)
    return names, lambda thing: [getattr(thing, name) for name in names]


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False, check_circular=False, default=members_of
)
