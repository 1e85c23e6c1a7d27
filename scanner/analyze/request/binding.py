"""What a condition key can be in a request: known, absent, or open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scanner.analyze.logic.expression import Origin, Variable
from scanner.model.value import value_class


@value_class
class Known:
    """The request carries exactly these values; at least one."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The request carries these values and perhaps more that are not documented."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """The request does not carry the key."""


@value_class
class Open:
    """The value hangs on the request or on data nobody collected."""

    variable: Variable


Binding = Known | AtLeast | Absent | Open
ABSENT = Absent()


def tag_value(tags: Mapping[str, str], wanted: str) -> Known | Open | None:
    """The value of a tag, names compared without case; open where two names differ only in case (R5.6)."""
    values = [value for key, value in tags.items() if key.lower() == wanted.lower()]
    if not values:
        return None
    if len(values) == 1:
        return Known((values[0],))
    variable = Variable(
        f"which of the names spelled `{wanted.lower()}` counts", Origin.DATA, may_be_absent=False,
        domain=tuple(sorted(values)), reason="ambiguous_tag", ref="R5.6",
    )  # fmt: skip
    return Open(variable)
