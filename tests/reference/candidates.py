"""The request values worth trying for one condition key: each mentioned, one per glob, neighbours, and one other."""

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import combinations

from .operators import NEGATED, moment, number

OTHER = "zzz-other"
OTHER_ARN = "arn:aws:zzz:zz-zzzz-9:000000000000:zzz"


def candidates(tests: Iterable[tuple[str, str]]) -> list[str]:
    """Values for a key from its (base operator, policy value) pairs, without duplicates, in a stable order."""
    pairs = [(NEGATED.get(base, base), value) for base, value in tests]
    found: list[str] = []
    bases = {base for base, _ in pairs}
    if not bases or any(base.startswith(("String", "Arn", "Null")) for base in bases):
        found += _texts(pairs)
    for base, value in pairs:
        found += _neighbours(base, value)
    if any(base.startswith("IpAddress") for base in bases):
        found += ["198.51.100.77", "2001:db8:ffff::77"]
    if "BinaryEquals" in bases:
        found.append("enp6")
    return list(dict.fromkeys(found))


def _texts(pairs: list[tuple[str, str]]) -> list[str]:
    """Text operators: the values, examples of globs, the other case for IgnoreCase, one value that matches nothing."""
    values = [value for base, value in pairs if base.startswith(("String", "Arn"))]
    found = [example for value in values for example in examples(value)]
    globs = [value for value in dict.fromkeys(values) if "*" in value]
    for glob in globs:  # values that match two globs at once
        for value in dict.fromkeys(values):
            if value != glob:
                found += [glob.replace("*", inner, 1).replace("*", "").replace("?", "x") for inner in examples(value)]
    found += [value.swapcase() for base, value in pairs if "IgnoreCase" in base]
    found.append(OTHER)
    if any(base.startswith("Arn") for base, _ in pairs):
        found.append(OTHER_ARN)
    return found


def examples(value: str) -> list[str]:
    """The value itself, and where it holds wildcards two texts that match it."""
    if "*" not in value and "?" not in value:
        return [value]
    return [value.replace("*", "").replace("?", "x"), value.replace("*", "x").replace("?", "y"), value]


def _neighbours(base: str, value: str) -> list[str]:
    """Values on, just below and just above a bound; both booleans; addresses inside and outside a network."""
    if base == "Bool":
        return ["true", "false"]
    if base.startswith("Numeric"):
        bound = number(value)
        return ["0"] if bound is None else [str(bound), str(bound - 1), str(bound + 1)]
    if base.startswith("Date"):
        instant = moment(value)
        if instant is None:
            return ["2020-01-01T00:00:00Z"]
        at = datetime.fromtimestamp(instant, UTC)
        return [(at + timedelta(seconds=shift)).isoformat() for shift in (0, -1, 1)]
    if base == "IpAddress":
        return _addresses(value)
    return [value] if base == "BinaryEquals" else []


def _addresses(value: str) -> list[str]:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        return []
    first, last = network.network_address, network.broadcast_address
    found = [str(first), str(last)]
    if int(first) > 0:
        found.append(str(first - 1))
    if int(last) < 2**network.max_prefixlen - 1:
        found.append(str(last + 1))
    return found


def subsets(values: list[str], names: int = 5) -> list[list[str]]:
    """Value sets of a multivalued key: up to two members, up to three where there are few values."""
    sizes = (1, 2, 3) if len(values) <= names else (1, 2)
    return [list(chosen) for size in sizes for chosen in combinations(values, size)]
