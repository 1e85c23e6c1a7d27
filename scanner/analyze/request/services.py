"""What a service principal carries of the condition keys that say who calls."""

from __future__ import annotations

from scanner.analyze.logic.expression import Origin, Variable
from scanner.analyze.logic.patterns import Pattern, glob, literal_ignoring_case, tokens_of
from scanner.analyze.request.binding import ABSENT, Absent, Open

_PRINCIPAL_TYPES = ("Account", "User", "FederatedUser", "AssumedRole", "Anonymous")
_OF_CUSTOMERS: dict[str, tuple[Pattern, ...]] = {
    "aws:principalaccount": (glob(tokens_of("????????????")),),
    "aws:principaltype": tuple(literal_ignoring_case(tokens_of(one)) for one in _PRINCIPAL_TYPES),
    "aws:userid": tuple(
        glob(tokens_of(one), ignore_case=True) for one in ("AIDA*", "AROA*", "????????????", "????????????:*")
    ),
}
"""Values that identities of accounts have."""


def identity_key_of_service(name: str) -> Open | Absent:
    """A key about the identity that calls, of a service that calls as itself; `name` in lower case.

    AWS says of three of them that every request carries them, and documents no value for services (R6.P; IAM guide,
    "AWS global condition context keys"). So each is absent, or has a value that no identity of an account has.
    """
    if name not in _OF_CUSTOMERS:
        return ABSENT
    return Open(Variable(name, Origin.DATA, excluded=_OF_CUSTOMERS[name], reason="undocumented", ref="R6.P"))
