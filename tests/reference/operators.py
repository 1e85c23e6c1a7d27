"""What one condition operator says about one policy value and one request value (R5.20 to R5.27)."""

import base64
import binascii
import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from .patterns import Pattern, arn_like, glob, text_of

# Negated operators: NOT any of the values (R5.4).
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def number(text: str) -> Decimal | None:
    """Decimal comparison; values may be JSON strings (R5.25)."""
    try:
        parsed = Decimal(text)
    except InvalidOperation:
        return None
    return parsed if parsed.is_finite() else None


def moment(text: str) -> float | None:
    """ISO-8601 or epoch seconds (R5.26)."""
    epoch = number(text)
    if epoch is not None:
        return float(epoch)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def _ordered(
    read: Callable[[str], float | Decimal | None], compare: Callable[[int], bool]
) -> Callable[[Pattern, str], bool]:
    def matches(pattern: Pattern, value: str) -> bool:
        wanted, given = read(text_of(pattern)), read(value)
        if wanted is None or given is None:
            return False
        return compare((given > wanted) - (given < wanted))

    return matches


def _ip(pattern: Pattern, value: str) -> bool:
    """CIDR, IPv4 and IPv6, a single address without a mask (R5.24)."""
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(text_of(pattern), strict=False)
    except ValueError:
        return False


def _binary(pattern: Pattern, value: str) -> bool:
    """Base64-decoded bytes (R5.27)."""
    try:
        return base64.b64decode(text_of(pattern), validate=True) == base64.b64decode(value, validate=True)
    except binascii.Error:
        return False


def _boolean(pattern: Pattern, value: str) -> bool:
    """True and false, in any case (R5.27)."""
    wanted = text_of(pattern).lower()
    return wanted in {"true", "false"} and wanted == value.lower()


POSITIVE: dict[str, Callable[[Pattern, str], bool]] = {
    "StringEquals": lambda pattern, value: text_of(pattern) == value,
    "StringEqualsIgnoreCase": lambda pattern, value: text_of(pattern).lower() == value.lower(),
    "StringLike": glob,
    "ArnEquals": arn_like,
    "ArnLike": arn_like,
    "Bool": _boolean,
    "BinaryEquals": _binary,
    "IpAddress": _ip,
}
for _prefix, _read in (("Numeric", number), ("Date", moment)):
    POSITIVE[_prefix + "Equals"] = _ordered(_read, lambda order: order == 0)
    POSITIVE[_prefix + "LessThan"] = _ordered(_read, lambda order: order < 0)
    POSITIVE[_prefix + "LessThanEquals"] = _ordered(_read, lambda order: order <= 0)
    POSITIVE[_prefix + "GreaterThan"] = _ordered(_read, lambda order: order > 0)
    POSITIVE[_prefix + "GreaterThanEquals"] = _ordered(_read, lambda order: order >= 0)

# Operators in whose values variables are expanded (R5.31): String*, Arn* and Bool.
EXPANDING = {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "Bool"}
