"""Python objects as bytes between the processes of one analysis, without what both sides hold already."""

from __future__ import annotations

import gc
import io
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

from scanner.model.world import World

_PROTOCOL = 5


class SharedBytes:
    """In bytes, a number stands for each fact and document of a world that both sides have.

    They are numbered in the order of the world, which is the same on both sides. Bytes are exchanged between processes
    of one analysis only: none are read from a file.
    """

    def __init__(self, world: World | None = None) -> None:
        self._things = list(_things_of(world)) if world is not None else []
        self._numbers = {id(thing): number for number, thing in enumerate(self._things) if thing is not None}

    def dump(self, content: object) -> bytes:
        """The content as bytes."""
        stream = io.BytesIO()
        with _nothing_to_collect():
            _Writer(stream, self._numbers).dump(content)
        return stream.getvalue()

    def load(self, content: bytes) -> Any:  # whoever asks knows what was dumped
        """What the bytes stand for."""
        with _nothing_to_collect():
            return _Reader(io.BytesIO(content), self._things).load()


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Nothing that is read or written is garbage, and looking for it takes several times as long as reading."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Writer(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, numbers: dict[int, int]) -> None:
        super().__init__(stream, _PROTOCOL)
        self._numbers = numbers

    def persistent_id(self, thing: object) -> int | None:
        """The number that stands for a thing."""
        return self._numbers.get(id(thing))

    def reducer_override(self, thing: object) -> Any:
        """A dataclass by its values: what dataclasses with slots do themselves looks up their fields every time."""
        values = _values_of(type(thing))  # type: ignore[arg-type]  # mypy takes a type for something without a hash
        return NotImplemented if values is None else (type(thing), values(thing))


@lru_cache(maxsize=1024)
def _values_of(kind: Any) -> Callable[[object], tuple[object, ...]] | None:
    """What takes the values out of instances that are made again from them; None for other types."""
    if not is_dataclass(kind) or hasattr(kind, "__post_init__") or not all(f.init for f in fields(kind)):
        return None
    names = [f.name for f in fields(kind)]
    if len(names) > 1:
        return attrgetter(*names)
    return lambda thing: tuple(getattr(thing, name) for name in names)


class _Reader(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, things: list[object]) -> None:
        super().__init__(stream)
        self._things = things

    def persistent_load(self, number: int) -> object:
        """The thing that a number stands for."""
        return self._things[number]


def _things_of(world: World) -> Iterator[object]:
    for key in world.keys.values():
        yield from (key, key.key_policy, key.ram_policy, *(key.grants or ()))
    for facts in world.principals.values():
        held = (*facts.identity_policies, *(facts.session_policies or ()))
        yield from (facts, *held, facts.boundary, facts.trust_policy)
    yield from world.accounts.values()
    for organization in world.organizations:
        yield organization
        for attached in (organization.scps or {}, organization.rcps or {}):
            for policies in attached.values():
                yield from policies
