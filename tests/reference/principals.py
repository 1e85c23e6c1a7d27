"""Whom the Principal or NotPrincipal of a statement, or a grantee, means (section 2)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .facts import account_of
from .logic import Tri, all_of, any_of, negate
from .scenes import Scene, texts

_UNIQUE_ID = re.compile(r"^(AIDA|AROA)[A-Z0-9]+$")
_KINDS = ("star", "user", "role", "session", "account", "service")


def entries(element: object) -> Iterator[tuple[str, str]]:
    """Every (type, text) of a Principal element; `"*"` equals `{"AWS": "*"}` (R2.8, R2.13)."""
    if isinstance(element, Mapping):
        for kind, values in element.items():
            for value in texts(values):
                yield kind, value
    elif element == "*":
        yield "AWS", "*"


def entry_matches(kind: str, entry: str, scene: Scene) -> tuple[str, Tri]:
    """One entry against the caller: through which form it matches, and whether (table of section 2)."""
    caller = scene.caller
    if kind == "Service":
        return "service", caller.kind == "service" and caller.arn == entry  # R2.12
    if kind != "AWS":
        return "service", False  # R2.10, R2.11
    if entry == "*":
        return "star", True  # R2.8
    if caller.kind == "service":
        return "service", False
    if re.fullmatch(r"\d{12}", entry):
        return "account", caller.account == entry  # R2.2
    if _UNIQUE_ID.match(entry):
        return _unique_id(entry, scene)
    parts = entry.split(":", 5)
    if len(parts) != 6 or parts[1] != caller.partition or parts[4] != caller.account:
        return "role", False
    if parts[2] == "iam" and parts[5] == "root":
        return "account", True  # R2.2, R2.3
    return _identity(entry, parts[5], scene)


def _identity(entry: str, resource: str, scene: Scene) -> tuple[str, Tri]:
    """User, role, session and federated-user ARNs, compared as they stand: wildcards match nobody (R2.4 to R2.9)."""
    caller = scene.caller
    if resource.startswith("user/"):
        if caller.kind == "federated":
            # R3.13: via the user's ARN it is limited like a role; an unlisted one has an unknown user (R3.73)
            return "role", caller.identity_arn == entry if caller.session is not None else None
        return "user", caller.arn == entry
    if resource.startswith("role/"):
        if caller.path_is_open and entry.rsplit("/", 1)[-1] == caller.role_name:
            return "role", None  # the path of the role stands nowhere (R2.6)
        return "role", caller.kind in {"role", "session"} and caller.identity_arn == entry
    if resource.startswith("assumed-role/"):
        if caller.kind == "role":
            named = resource.split("/", 2)
            return "session", len(named) == 3 and named[1] == caller.role_name and named[
                2
            ] == scene.session_name  # R2.6
        return "session", caller.kind == "session" and caller.arn == entry
    return "session", caller.kind == "federated" and caller.arn == entry  # R2.7


def _unique_id(entry: str, scene: Scene) -> tuple[str, Tri]:
    """A left-over unique id: the principal that holds it, unknown for an uncollected account, else dead (R2.14).

    Case J02 keeps it unknown for an uncollected account even where a listed principal holds the id.
    """
    caller = scene.caller
    kind = "user" if caller.kind == "user" else "role"
    if caller.kind == "root":
        return kind, False
    of_role = entry.startswith("AROA")
    if of_role != (caller.kind in {"role", "session"}):
        return kind, False  # an id of the other sort
    if not caller.readable:
        return kind, None
    return kind, (caller.identity or {}).get("unique_id") == entry


def matches_by_kind(statement: Mapping[str, Any], scene: Scene) -> dict[str, Tri]:
    """Through which forms a resource policy's statement reaches the caller; missing forms are False."""
    found: dict[str, list[Tri]] = {kind: [] for kind in _KINDS}
    if "Principal" in statement:
        for kind, entry in entries(statement["Principal"]):
            form, match = entry_matches(kind, entry, scene)
            found[form].append(match)
    elif "NotPrincipal" in statement:
        rest = _not_denied if statement.get("Effect") == "Deny" else _not_listed
        found["star"].append(rest(statement["NotPrincipal"], scene))
    return {kind: any_of(matches) for kind, matches in found.items()}


def matches(statement: Mapping[str, Any], scene: Scene) -> Tri:
    """Whether the statement reaches the caller in any form."""
    return any_of(matches_by_kind(statement, scene).values())


def _not_listed(element: object, scene: Scene) -> Tri:
    """`NotPrincipal` + Allow: `*` minus the list (R2.15)."""
    return negate(any_of(entry_matches(kind, entry, scene)[1] for kind, entry in entries(element)))


def _not_denied(element: object, scene: Scene) -> Tri:
    """`NotPrincipal` + Deny: everyone except the listed (R2.15), and always who has a boundary (R2.16)."""
    caller = scene.caller
    listed = [entry_matches(kind, entry, scene) for kind, entry in entries(element)]
    if any(form == "star" for form, _ in listed):
        return False  # a bare "*" leaves nobody
    account = any_of(match for form, match in listed if form == "account")
    if caller.kind == "root":
        return negate(account)
    if caller.kind == "service":
        return negate(any_of(match for _, match in listed))
    if (caller.identity or {}).get("boundary"):
        return True
    own = any_of(match for form, match in listed if form in {"user", "role"})
    session = any_of(match for form, match in listed if form == "session")
    entity = any_of([own, session])
    if entity is False:
        return True  # listing only the account does not exempt its other identities
    certain = session if caller.kind == "federated" else own
    if all_of([certain, account]) is True and caller.readable:
        return False
    return None


def issuing_account(grant: Mapping[str, Any]) -> str:
    """IssuingAccount is a root ARN (R4.1) or, in a case file, an account id."""
    issuer = str(grant.get("issuing_account", ""))
    return account_of(issuer) if issuer.startswith("arn:") else issuer
