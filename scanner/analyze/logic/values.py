"""Written values as their operators compare them: texts, numbers, dates, addresses and bytes (sections 5.1, 5.2)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import isfinite, nan

from scanner.analyze.logic.expression import NetworkSet, NumberSet, Predicate, StringSet
from scanner.analyze.logic.patterns import Pattern, Token, arn_pattern, glob, literal, literal_ignoring_case, text_of

_RELATIONS = {
    "Equals": "==", "LessThan": "<", "LessThanEquals": "<=", "GreaterThan": ">", "GreaterThanEquals": ">=",
}  # fmt: skip
PATTERNS: dict[str, Callable[[tuple[Token, ...]], Pattern]] = {
    "StringEquals": literal,
    "StringEqualsIgnoreCase": literal_ignoring_case,
    "StringLike": glob,
    "ArnLike": arn_pattern,
    "Bool": literal_ignoring_case,
}
"""The operators that compare texts, and the set that a written value is to each."""

_YEAR = re.compile(r"[0-9]{4}\Z")
"""A year, as W3C dates allow, or seconds: AWS does not say how it reads one."""
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")


class UnreadableValueError(ValueError):
    """A value that its operator cannot compare."""


def predicate_of(base: str, values: tuple[tuple[Token, ...], ...]) -> Predicate:
    """The set that the written values describe."""
    if base in PATTERNS:
        return StringSet(tuple(dict.fromkeys(PATTERNS[base](tokens) for tokens in values)))
    texts = tuple(text_of(tokens) for tokens in values)
    if base == "IpAddress":
        return NetworkSet(tuple(_network(text) for text in texts))
    if base.startswith("Numeric"):
        return NumberSet(_RELATIONS[base.removeprefix("Numeric")], tuple(_number(t) for t in texts), texts)
    if base.startswith("Date"):
        return NumberSet(_RELATIONS[base.removeprefix("Date")], tuple(epoch_seconds(t) for t in texts), texts)
    return StringSet(tuple(literal(tuple(_canonical_base64(text))) for text in texts))


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        raise UnreadableValueError from error


def _number(text: str) -> float:
    number = float(text) if _NUMBER.match(text) else nan
    if not isfinite(number):
        raise UnreadableValueError
    return number


def epoch_seconds(text: str) -> float:
    """Seconds since 1970 of a date as policies write it: ISO 8601 or a number (R5.26).

    Raises:
        ValueError: the text is neither, or may be both.
    """
    if _YEAR.match(text):
        raise UnreadableValueError
    try:
        return _number(text)
    except UnreadableValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableValueError from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _canonical_base64(text: str) -> str:
    """The same bytes in the one canonical spelling, so that text can be compared (R5.27)."""
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode()
    except (binascii.Error, ValueError) as error:
        raise UnreadableValueError from error


def comparable_text(value: str, base: str) -> str:
    """The value of the request in the form that the operator compares; unchanged where it has another type."""
    try:
        if base.startswith("Date"):
            return str(epoch_seconds(value))
        return _canonical_base64(value) if base == "BinaryEquals" else value
    except UnreadableValueError:
        return value
