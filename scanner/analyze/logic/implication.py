"""Whether one condition of a finding admits more requests than another: read back from their JSON form and decided."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from ipaddress import ip_network

from scanner.analyze.logic.axioms import axioms_for
from scanner.analyze.logic.expression import (
    FALSE,
    TRUE,
    Expression,
    Literal,
    NetworkSet,
    NumberSet,
    Origin,
    Predicate,
    StringSet,
    Test,
    ValueType,
    Variable,
    conj,
    disj,
    neg,
)
from scanner.analyze.logic.patterns import Pattern, Token, arn_pattern, glob, literal, literal_ignoring_case, tokens_of
from scanner.analyze.logic.residual import TooComplexError, is_possible
from scanner.analyze.logic.values import epoch_seconds
from scanner.model.conditions import find_condition_key

_SIGN = re.compile(r"\$\{([*?])\}")
_RELATIONS = frozenset({"==", "<", "<=", ">", ">="})
_BOOLEANS = ("true", "false")


class Relation(StrEnum):
    """What a new condition is, compared with an old one.

    `other` admits some requests that the old one refused and refuses some that it admitted; `undecided` cannot be
    compared within the bounds, or is not written as this version writes conditions.
    """

    SAME = "same"
    WEAKER = "weaker"
    STRONGER = "stronger"
    OTHER = "other"
    UNDECIDED = "undecided"


class _UnreadableError(ValueError):
    """A value that is no condition as `scanner.analyze.logic.wording.as_json` writes it."""


def compare_conditions(old: object, new: object) -> Relation:
    """Compare two residuals as findings hold them; None is no condition at all.

    The facts that both leave open count as requests of every kind, so that `stronger` and `same` are proofs.
    """
    before, after = _by_request(old), _by_request(new)
    if before is None or after is None:
        return Relation.UNDECIDED
    return _joined(_compare_one(before.get(of), after.get(of)) for of in sorted({*before, *after}))


def _by_request(residual: object) -> dict[str, object] | None:
    """The residuals of a path by what each is asked for: a role that is assumed, or empty for the use of the key.

    They are met by separate requests. None where two of them are about one role, or are not as findings write them.
    """
    match residual:
        case None:
            return {}
        case {"steps": [*steps]}:
            found: dict[str, object] = {}
            for step in steps:
                match step:
                    case {"role": str(of), "residual": part} if of not in found:
                        found[of] = part
                    case _:
                        return None
            return found
        case _:
            return {"": residual}


def _joined(relations: Iterable[Relation]) -> Relation:
    """How all separate requests together differ."""
    found = {relation for relation in relations if relation is not Relation.SAME}
    if Relation.UNDECIDED in found:
        return Relation.UNDECIDED
    return Relation.OTHER if len(found) > 1 else next(iter(found), Relation.SAME)


def _compare_one(old: object, new: object) -> Relation:
    if old == new:
        return Relation.SAME
    try:
        before, after = _expression(old), _expression(new)
        more = _is_met(after, before)
        less = _is_met(before, after)
    except (_UnreadableError, TooComplexError):
        return Relation.UNDECIDED
    if more:
        return Relation.OTHER if less else Relation.WEAKER
    return Relation.STRONGER if less else Relation.SAME


def _is_met(one: Expression, other: Expression) -> bool:
    """Whether some request meets the one and not the other.

    Raises:
        TooComplexError: the search is beyond its bounds.
    """
    both = conj((one, neg(other)))
    return is_possible(both, axioms_for(both))


def _expression(value: object) -> Expression:
    """The expression behind a residual.

    Raises:
        _UnreadableError: it is none.
    """
    match value:
        case None | True:
            return TRUE
        case False:
            return FALSE
        case {"all": [*parts]}:
            return conj(_expression(p) for p in parts)
        case {"any": [*parts]}:
            return disj(_expression(p) for p in parts)
        case {"key": str(name), "holds": bool(positive), "test": str(sort), **rest}:
            of, values = rest.get("of", ""), rest.get("values", [])
            if isinstance(of, str) and isinstance(values, list | tuple):
                return _test(name, sort, [str(v) for v in values], of, positive=positive)
    raise _UnreadableError


def _test(name: str, sort: str, values: list[str], of: str, *, positive: bool) -> Expression:
    variable = _variable(name, many=of.startswith("some"))
    if sort == "present":
        return Literal(Test(variable), positive)
    try:
        predicate = _predicate(sort, values, variable)
    except ValueError as error:
        raise _UnreadableError from error
    return Literal(Test(variable, predicate, of.endswith("outside")), positive)


def _variable(name: str, *, many: bool) -> Variable:
    row = find_condition_key(name)
    sort = ValueType(row.type) if row else ValueType.STRING
    return Variable(
        name.lower(), Origin.REQUEST, sort, multivalued=many or bool(row and row.multivalued),
        domain=_BOOLEANS if sort is ValueType.BOOL else (),
    )  # fmt: skip


def _predicate(sort: str, values: list[str], variable: Variable) -> Predicate:
    """The set of a test.

    Raises:
        ValueError: a value cannot be read, or nothing tests like this.
    """
    if sort == "in_network":
        return NetworkSet(tuple(ip_network(v, strict=False) for v in values))
    if sort in _RELATIONS:
        number = epoch_seconds if variable.type is ValueType.DATE else float
        return NumberSet(sort, tuple(number(v) for v in values), tuple(values))
    return StringSet(tuple(_pattern(sort, v) for v in values))


def _pattern(sort: str, value: str) -> Pattern:
    match sort:
        case "equals":
            return literal(tuple(value))
        case "equals_ignoring_case":
            return literal_ignoring_case(tuple(value))
        case "matches" | "matches_ignoring_case":
            return glob(_tokens(value), ignore_case=sort != "matches")
        case "matches_arn":
            return arn_pattern(_tokens(value))
    raise ValueError(sort)


def _tokens(value: str) -> tuple[Token, ...]:
    """The value with `*` and `?` as wildcards, and without where they stand in `${…}`."""
    tokens: list[Token] = []
    for place, piece in enumerate(_SIGN.split(value)):
        tokens.extend((piece,) if place % 2 else tokens_of(piece))
    return tuple(tokens)
