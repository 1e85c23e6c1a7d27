"""Values of which very many are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value_class(cls: type[T]) -> type[T]:
    """A frozen dataclass with slots, for classes of which an analysis makes tens of thousands.

    It is mypy that refuses to assign to a field. At run time nothing does: a dataclass that refuses it has to set each
    field through `object.__setattr__`, which makes the constructor several times as slow. A value is equal to another
    by its fields, and hashed by them unless its class says how.
    """
    return dataclass(slots=True, unsafe_hash="__hash__" not in cls.__dict__)(cls)
