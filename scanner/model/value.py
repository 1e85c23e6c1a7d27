"""Values of which very many are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform, overload

T = TypeVar("T")


@overload
def value_class(cls: type[T], /) -> type[T]: ...
@overload
def value_class(*, eq: bool = True, order: bool = False) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value_class(
    cls: type[T] | None = None, /, *, eq: bool = True, order: bool = False
) -> type[T] | Callable[[type[T]], type[T]]:  # fmt: skip
    """A frozen dataclass with slots, for classes of which an analysis makes thousands.

    It is mypy that refuses to assign to a field. At run time nothing does: a dataclass that refuses it has to set each
    field through `object.__setattr__`, which makes the constructor several times as slow. A value is equal to another
    by its fields, and hashed by them unless its class says how.

    Args:
        eq: false where a value is told from others as an object.
        order: whether values are compared by their fields.
    """

    def made(plain: type[T]) -> type[T]:
        hashed = eq and "__hash__" not in plain.__dict__
        return dataclass(slots=True, eq=eq, order=order, unsafe_hash=hashed)(plain)

    return made if cls is None else made(cls)
