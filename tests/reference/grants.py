"""What the grants of a key give the caller (section 4)."""

from collections.abc import Mapping
from typing import Any

from .facts import unread
from .layers import caps_allow, identity_allows
from .logic import Tri, all_of, any_of
from .patterns import arn_like, plain
from .principals import entry_matches, issuing_account
from .scenes import Scene, text

Grant = Mapping[str, Any]


def unseen(scene: Scene) -> bool:
    """ListGrants was refused or lost (R10.7)."""
    return unread(scene.world, "key", scene.resource, "grants")


def grants_of(scene: Scene) -> list[Grant]:
    """The grants of the key, none where they were not read."""
    return [] if unseen(scene) else list(scene.subject.get("grants") or ())


def _named(scene: Scene, principal: object, service: object) -> tuple[str, Tri]:
    """How a grantee or a retiring principal names the caller: form and match (R4.4, R4.5, R4.9)."""
    if service:
        return "service", scene.caller.kind == "service" and scene.caller.arn == service
    name = text(principal or "")
    if not name.startswith("arn:") and "." in name:
        same = scene.caller.kind == "service" and scene.caller.arn.split(".")[0] == name.split(".")[0]
        return "service", None if same else False  # R4.5: the real grantees are hidden
    if name == "*" or not name:
        return "service", False
    return entry_matches("AWS", name, scene)


def grantee(scene: Scene, grant: Grant) -> tuple[str, Tri]:
    """How a grant names the caller."""
    return _named(scene, grant.get("grantee_principal"), grant.get("grantee_service_principal"))


def retiring(scene: Scene, grant: Grant) -> tuple[str, Tri]:
    """How the retiring principal of a grant names the caller (R4.22)."""
    return _named(scene, grant.get("retiring_principal"), grant.get("retiring_service_principal"))


def _covers_operation(scene: Scene, grant: Grant) -> Tri:
    """The operation is listed and the constraints hold (R4.17, R4.18, R4.20)."""
    if scene.row is None or not scene.row.grantable or scene.row.name not in grant.get("operations", ()):
        return False
    if scene.row.name == "RetireGrant":
        return True  # neither encryption-context nor SourceArn constraints apply (R4.18)
    constraints = grant.get("constraints") or {}
    held: list[Tri] = []
    if "SourceArn" in constraints:
        source = scene.context.get("aws:sourcearn") if scene.caller.kind == "service" else None
        held.append(bool(source) and arn_like(plain(text(constraints["SourceArn"])), source[0] if source else ""))
    if scene.row.cryptographic and scene.symmetric:
        held.append(_encryption_context_fits(scene, constraints))
    if scene.row.name == "CreateGrant":
        held.append(_child_is_narrower(scene, grant))
    return all_of(held)


def sent_pairs(scene: Scene) -> dict[str, str]:
    """The encryption context of the request: as a map, and pair by pair from the condition keys of a case."""
    prefix = "kms:encryptioncontext:"
    pairs = {name.removeprefix(prefix): values[0] for name, values in scene.context.items() if name.startswith(prefix)}
    pairs.update({name.lower(): text(value) for name, value in scene.encryption_context.items()})
    return pairs


def _lower(pairs: Mapping[str, object]) -> dict[str, str]:
    """Key names that differ in case count as matching for exposure; values are case-sensitive (R4.17)."""
    return {name.lower(): text(value) for name, value in pairs.items()}


def _contains(pairs: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(name in pairs and pairs[name] == value for name, value in wanted.items())


def _encryption_context_fits(scene: Scene, constraints: Mapping[str, Any]) -> bool:
    """Equals = identical map, Subset = all pairs contained (R4.17)."""
    pairs = sent_pairs(scene)
    equal = "EncryptionContextEquals" not in constraints or pairs == _lower(constraints["EncryptionContextEquals"])
    subset = "EncryptionContextSubset" not in constraints or _contains(
        pairs, _lower(constraints["EncryptionContextSubset"])
    )
    return equal and subset


def _child_is_narrower(scene: Scene, parent: Grant) -> Tri:
    """Child operations ⊆ parent's, constraints at least as strict (R4.20); unknown where the request does not say."""
    request = scene.grant_request
    if request is None:
        return None
    if not set(map(text, request.get("operations") or ())) <= set(parent["operations"]):
        return False
    child, mother = request.get("constraints") or {}, parent.get("constraints") or {}
    if "SourceArn" in mother and child.get("SourceArn") != mother["SourceArn"]:
        return False
    equals = _lower(child["EncryptionContextEquals"]) if "EncryptionContextEquals" in child else None
    if "EncryptionContextEquals" in mother and equals != _lower(mother["EncryptionContextEquals"]):
        return False
    if "EncryptionContextSubset" in mother:
        pairs = equals if equals is not None else _lower(child.get("EncryptionContextSubset") or {})
        return _contains(pairs, _lower(mother["EncryptionContextSubset"]))
    return True


def direct(scene: Scene) -> Tri:
    """gDir of R3.7: a grant that names the caller, lists the action, and whose constraints hold."""
    return _by_form(scene, account=False)


def by_account(scene: Scene) -> Tri:
    """gAcc of R3.7: the same with the caller's account root as grantee (R4.13)."""
    return _by_form(scene, account=True)


def _by_form(scene: Scene, account: bool) -> Tri:
    if unseen(scene):
        return None if scene.row is not None and scene.row.grantable else False
    found: list[Tri] = []
    for grant in grants_of(scene):
        form, match = grantee(scene, grant)
        if (form == "account") == account:
            found.append(all_of([match, _covers_operation(scene, grant)]))
    return any_of(found)


def grants_allow(scene: Scene) -> Tri:
    """gDir AND (cap OR unknown) OR gAcc AND ((ident AND cap) OR unknown) (R3.7, R4.11, R4.13, R4.16)."""
    if scene.caller.kind == "service":
        return direct(scene)
    cap = caps_allow(scene)
    personal = all_of([direct(scene), any_of([cap, None])])
    shared = all_of([by_account(scene), any_of([all_of([identity_allows(scene), cap]), None])])
    return any_of([personal, shared])


def retire_allowed(scene: Scene) -> Tri:
    """RetireGrant is decided by the grant (R4.22)."""
    if unseen(scene):
        return None
    caller, cap = scene.caller, caps_allow(scene)
    ident = all_of([identity_allows(scene), cap])  # what IAM delegates stays inside boundary and session policy
    personal = True if caller.kind == "service" else any_of([cap, None])  # R4.16
    found: list[Tri] = []
    for grant in grants_of(scene):
        form, match = grantee(scene, grant)
        covered = all_of([match, "RetireGrant" in grant["operations"]])
        found.append(all_of([covered, ident if form == "account" else personal]))
        form, match = retiring(scene, grant)
        found.append(all_of([match, ident if form == "account" else personal]))
        issuer = issuing_account(grant)
        if caller.kind != "service" and issuer == caller.account:
            found.append(ident)
        elif caller.kind != "service" and scene.owner == caller.account:
            found.append(all_of([ident, None]))
    return any_of(found)
