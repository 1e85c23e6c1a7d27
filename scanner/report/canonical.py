"""The one JSON text of a value: ASCII, keys sorted, no white space, dataclasses by their fields."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import Field, fields
from functools import cache
from operator import attrgetter
from typing import ClassVar, Generic, Protocol, TypeVar

T = TypeVar("T")


class Dataclass(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[object]]]


class Once(Generic[T]):
    """What is made of a value, made once for each object that is given, however many lines share it.

    A value is kept as long as this is, so that no other can come to stand in its place in memory.
    """

    def __init__(self, make: Callable[[T], str]) -> None:
        self._make = make
        self._known: dict[int, tuple[T, str]] = {}

    def of(self, value: T) -> str:
        """What is made of a value."""
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = (value, self._make(value))
        return known[1]


def compact(value: object) -> str:
    """A value of dataclasses, lists, texts and numbers as JSON. Raises TypeError for any other."""
    return _ENCODER.encode(value)


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
