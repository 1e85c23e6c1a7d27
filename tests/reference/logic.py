"""Three-valued logic of section 0: True, False, and None for what nobody collected or AWS does not document."""

from collections.abc import Iterable

Tri = bool | None


def all_of(values: Iterable[Tri]) -> Tri:
    """AND is false as soon as one input is false, whatever is unknown (section 0)."""
    unknown = False
    for value in values:
        if value is False:
            return False
        unknown = unknown or value is None
    return None if unknown else True


def any_of(values: Iterable[Tri]) -> Tri:
    """OR is true as soon as one input is true, whatever is unknown (section 0)."""
    unknown = False
    for value in values:
        if value is True:
            return True
        unknown = unknown or value is None
    return None if unknown else False


def negate(value: Tri) -> Tri:
    """NOT keeps unknown (section 0)."""
    return None if value is None else not value
