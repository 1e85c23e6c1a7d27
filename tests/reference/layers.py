"""The layers of R3.7, one function each: what a layer allows and what it denies."""

from collections.abc import Iterable

from .conditions import Document
from .facts import collected, guardrails_unread, membership, organization_unknown, session_policies, unread
from .logic import Tri, all_of, any_of, negate
from .principals import matches, matches_by_kind
from .scenes import Scene
from .statements import covers

_FULL_ACCESS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def says(documents: Iterable[Document], effect: str, scene: Scene) -> Tri:
    """Whether any statement of this effect covers the scene, in documents without Principal."""
    return any_of(
        covers(statement, scene, document)
        for document in documents
        for statement in document.statements
        if statement.get("Effect") == effect
    )


# --- key side ---


def resource_documents(scene: Scene) -> list[Document]:
    """Key policy and AWS_RAM policy as one union (R2.19, R2.20), or the trust policy of a role."""
    if scene.target == "role":
        kinds = {"trust_policy": scene.subject.get("trust_policy")}
    elif scene.target == "key":
        kinds = {"key_policy": scene.subject.get("key_policy"), "ram_policy": scene.subject.get("ram_policy")}
    else:
        kinds = {}
    if resource_unread(scene):
        kinds = {kind: body for kind, body in kinds.items() if kind == "ram_policy"}
    return [Document(kind, body) for kind, body in kinds.items() if body]


def resource_unread(scene: Scene) -> bool:
    """The key policy, or for a role the IAM data of its account, is a gap (R10.7, R3.74)."""
    if scene.target == "role":
        return not collected(scene.world, scene.owner) or unread(scene.world, "account", scene.owner, "iam")
    return unread(scene.world, "key", scene.resource, "key_policy")


def resource_allows(scene: Scene) -> dict[str, Tri]:
    """allow[kind] of R3.7; an Allow that only AWS_RAM holds is unknown (R2.20), and so is what was not read."""
    result: dict[str, list[Tri]] = {kind: [] for kind in ("star", "user", "role", "session", "account", "service")}
    for document in resource_documents(scene):
        for statement in document.statements:
            if statement.get("Effect") != "Allow":
                continue
            covered = covers(statement, scene, document)
            doubt: Tri = None if document.kind == "ram_policy" else True
            for kind, match in matches_by_kind(statement, scene).items():
                result[kind].append(all_of([covered, match, doubt]))
    if resource_unread(scene):
        for found in result.values():
            found.append(None)
    return {kind: any_of(found) for kind, found in result.items()}


def resource_denies(scene: Scene) -> Tri:
    """An explicit Deny of the key policy or the trust policy (R3.3)."""
    found: list[Tri] = [None] if resource_unread(scene) else []
    for document in resource_documents(scene):
        for statement in document.statements:
            if statement.get("Effect") == "Deny":
                found.append(all_of([covers(statement, scene, document), matches(statement, scene)]))
    return any_of(found)


# --- caller side ---


def identity_documents(scene: Scene) -> list[Document]:
    """The identity policies of the user or role behind the caller; group policies are among them (R2.23)."""
    return [Document("identity", body) for body in (scene.caller.identity or {}).get("identity_policies") or ()]


def boundary_documents(scene: Scene) -> list[Document]:
    """The permissions boundary, none or one."""
    body = (scene.caller.identity or {}).get("boundary")
    return [Document("boundary", body)] if body else []


def session_documents(scene: Scene) -> list[Document]:
    """The session policies, together one cap (R3.27)."""
    return [Document("session", body) for body in session_policies(scene.caller)]


def identity_allows(scene: Scene) -> Tri:
    """ident of R3.7: root user true, service none, uncollected unknown (R3.23, R3.25, R3.30)."""
    caller = scene.caller
    if caller.kind == "root":
        return True
    if caller.kind == "service":
        return False
    if not caller.readable:
        return None
    if caller.kind == "federated" and not session_documents(scene):
        return False  # R3.13: no session policy, no identity-side permissions
    return says(identity_documents(scene), "Allow", scene)


def boundary_allows(scene: Scene) -> Tri:
    """True when absent (R3.7), unknown when not collected."""
    if scene.caller.kind in {"root", "service"}:
        return True
    if not scene.caller.readable:
        return None
    documents = boundary_documents(scene)
    return says(documents, "Allow", scene) if documents else True


def session_allows(scene: Scene) -> Tri:
    """True when absent (R3.7, R3.27); unknown for a federated session that was not listed (R3.73)."""
    if scene.caller.kind == "federated" and scene.caller.session is None:
        return None
    documents = session_documents(scene)
    return says(documents, "Allow", scene) if documents else True


def caps_allow(scene: Scene) -> Tri:
    """cap of R3.7."""
    return all_of([boundary_allows(scene), session_allows(scene)])


def caller_denies(scene: Scene) -> Tri:
    """An explicit Deny of identity policies, boundary or session policy (R3.3); unknown where not collected."""
    caller = scene.caller
    if caller.kind in {"root", "service"}:
        return False
    documents = identity_documents(scene) + boundary_documents(scene) + session_documents(scene)
    return any_of([says(documents, "Deny", scene), False if caller.readable else None])


# --- guardrails ---


def _guardrail(scene: Scene, account: str, kind: str) -> str:
    """Whether SCPs or RCPs of an account are `none`, `unread` or `read` (R3.42, R3.46, R3.52, R3.56)."""
    place = membership(scene.world, account)
    if place.standing in {"management", "standalone"}:
        return "none"
    if kind == "scp" and place.organization is not None and not place.organization.get("scp_enabled", True):
        return "none"
    gap = (
        place.standing == "unknown"
        or organization_unknown(scene.world, account)
        or guardrails_unread(scene.world, kind)
    )
    if gap:
        credited = scene.knowledge.scp if kind == "scp" else scene.knowledge.rcp
        return "unread" if credited else "none"
    return "read"


def scp_state(scene: Scene) -> str:
    """SCPs limit the caller's account, not services, service-linked roles, management accounts (R3.40 to R3.44)."""
    if scene.caller.kind == "service" or scene.caller.service_linked:
        return "none"
    return _guardrail(scene, scene.caller.account, "scp")


def scp_layers(scene: Scene) -> list[list[Document]]:
    """Root, every OU on the path, account; a target that is absent has FullAWSAccess (R3.43, README)."""
    if scp_state(scene) != "read":
        return []
    place = membership(scene.world, scene.caller.account)
    attached = (place.organization or {}).get("scps") or {}
    layers = []
    for target in (*place.path, scene.caller.account):
        bodies = attached.get(target, ["FullAWSAccess"])
        layers.append([Document("scp", _FULL_ACCESS if body == "FullAWSAccess" else body) for body in bodies])
    return layers


def scp_allows(scene: Scene) -> Tri:
    """At each level at least one SCP must Allow (R3.43)."""
    if scp_state(scene) == "unread":
        return None
    return all_of(says(layer, "Allow", scene) for layer in scp_layers(scene))


def scp_denies(scene: Scene) -> Tri:
    """A Deny at any level is final (R3.43)."""
    if scp_state(scene) == "unread":
        return None
    return any_of(says(layer, "Deny", scene) for layer in scp_layers(scene))


def rcp_state(scene: Scene) -> str:
    """RCPs limit every caller of keys and roles in member accounts, but for R3.52, R3.53 and R3.55."""
    if scene.target not in {"key", "role"} or scene.caller.service_linked or scene.action == "kms:RetireGrant":
        return "none"
    if scene.target == "key" and scene.subject.get("manager", "CUSTOMER") == "AWS":
        return "none"
    return _guardrail(scene, scene.owner, "rcp")


def rcp_documents(scene: Scene) -> list[Document]:
    """Inherited root → OUs → account (R3.51)."""
    if rcp_state(scene) != "read":
        return []
    place = membership(scene.world, scene.owner)
    attached = (place.organization or {}).get("rcps") or {}
    return [Document("rcp", body) for target in (*place.path, scene.owner) for body in attached.get(target, ())]


def rcp_denies(scene: Scene) -> Tri:
    """Customer RCPs hold only Deny with Principal `*` (R3.50)."""
    if rcp_state(scene) == "unread":
        return None
    return any_of(
        all_of([covers(statement, scene, document), matches(statement, scene)])
        for document in rcp_documents(scene)
        for statement in document.statements
        if statement.get("Effect") == "Deny"
    )


def allowed_by_guardrails(scene: Scene) -> Tri:
    """scpA of R3.7 and no Deny of an SCP or RCP."""
    return all_of([scp_allows(scene), negate(scp_denies(scene)), negate(rcp_denies(scene))])


def relevant_documents(scene: Scene) -> list[Document]:
    """Every document one of the layers above looks at."""
    caller_side = identity_documents(scene) + boundary_documents(scene) + session_documents(scene)
    scps = [document for layer in scp_layers(scene) for document in layer]
    return resource_documents(scene) + caller_side + scps + rcp_documents(scene)
