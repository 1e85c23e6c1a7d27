"""The algorithm of R3.7 for one concrete request, and its counterpart for AssumeRole (section 7)."""

from typing import Literal

from .actions import fits_key, state_blocks, takes_alias
from .facts import Knowledge, World, region_enabled
from .grants import grants_allow, retire_allowed
from .layers import (
    allowed_by_guardrails,
    boundary_allows,
    caller_denies,
    caps_allow,
    identity_allows,
    resource_allows,
    resource_denies,
    scp_allows,
    scp_denies,
    session_allows,
    session_documents,
)
from .logic import Tri, all_of, any_of, negate
from .scenes import Context, Request, Scene, scene_of

Verdict = Literal["allowed", "conditional", "latent", "unknown", "denied"]


def decide(world: World, request: Request, context: Context, knowledge: Knowledge | None = None) -> Verdict:
    """Judge one request in one complete context: allowed, denied, latent or unknown, never conditional.

    `context` holds the request-time condition keys, and under `#session_name`, `#session_tags`, `#encryption_context`
    and `#grant_constraints` what the request says besides them; everything else comes from the world.
    Raises NoSuchKeyError for a key the world does not hold, ValueError for an action of another service.
    """
    return decide_scene(scene_of(world, request, context, knowledge or Knowledge()))


def decide_scene(scene: Scene) -> Verdict:
    """Dispatch on what the action works on."""
    if scene.target == "role":
        return _verdict(_assume_role(scene))
    if scene.row is None:
        return "unknown"  # R1.11: an action AWS added
    if scene.target in {"account", "alias"}:
        return _verdict(_iam_only(scene))
    return _key(scene)


def _verdict(result: Tri) -> Verdict:
    if result is None:
        return "unknown"
    return "allowed" if result else "denied"


def _other_partition(scene: Scene) -> bool:
    """Partitions are isolated (R9.21); service principals carry none."""
    return scene.caller.kind != "service" and scene.caller.partition != scene.resource.split(":")[1]


def _iam_only(scene: Scene) -> Tri:
    """Account-level actions (R1.6), the alias half of alias actions (R1.7): IAM of the caller's own account."""
    if scene.target == "alias":
        foreign = scene.caller.account != scene.owner or _other_partition(scene)
        if foreign or scene.resource.split(":", 5)[5].startswith("alias/aws/"):
            return False
    return all_of(
        [
            identity_allows(scene),
            caps_allow(scene),
            scp_allows(scene),
            negate(scp_denies(scene)),
            negate(caller_denies(scene)),
        ]
    )


def _refused_by_facts(scene: Scene, foreign: bool) -> bool:
    """The first lines of R3.7: partition, cross-account list, key usage, addressing; AWS managed keys (R9.5, R9.6)."""
    row, key = scene.row, scene.subject
    assert row is not None
    if _other_partition(scene) or (foreign and not row.cross_account):
        return True
    if not fits_key(row, key.get("spec", "SYMMETRIC_DEFAULT"), key.get("usage", "ENCRYPT_DECRYPT")):
        return True
    if scene.alias is not None and not takes_alias(row):
        return True
    return foreign and key.get("manager", "CUSTOMER") == "AWS"


def _key(scene: Scene) -> Verdict:
    """R3.7 for a key."""
    assert scene.row is not None
    foreign = scene.caller.kind != "service" and scene.caller.account != scene.owner
    if _refused_by_facts(scene, foreign):
        return "denied"
    deny = caller_denies(scene)
    if scene.action == "kms:RetireGrant":
        core = retire_allowed(scene)  # R4.22: key-policy entries for it are without effect, so is their Deny
    else:
        core = any_of([_policies_allow(scene, foreign), grants_allow(scene)])
        deny = any_of([deny, resource_denies(scene)])
    result = all_of([core, allowed_by_guardrails(scene), negate(deny)])
    region = region_enabled(scene.world, scene.caller, scene.resource, scene.knowledge)
    if region is None:
        result = all_of([result, None])
    asleep = state_blocks(scene.row, scene.subject.get("state", "Enabled")) or region is False
    return "latent" if asleep and result is True else _verdict(result)


def _policies_allow(scene: Scene, foreign: bool) -> Tri:
    """The policy part of core in R3.7 (R3.10 to R3.26)."""
    allow = resource_allows(scene)
    if scene.caller.kind == "service":
        return any_of([allow["service"], allow["star"]])
    ident, cap = identity_allows(scene), caps_allow(scene)
    if foreign:
        return all_of([any_of(allow.values()), ident, cap])
    # STS API GetFederationToken: a session without session policy is reached by its own ARN alone
    bare = scene.caller.kind == "federated" and scene.caller.session is not None and not session_documents(scene)
    return any_of(
        [
            allow["star"],
            allow["user"],
            allow["session"],
            all_of([allow["role"], cap, not bare]),
            all_of([allow["account"], ident, cap]),
        ]
    )


def _assume_role(scene: Scene) -> Tri:
    """R7.1 to R7.5, R7.13."""
    caller = scene.caller
    if caller.kind in {"root", "federated"} or _other_partition(scene):
        return False
    allow, ident, cap = resource_allows(scene), identity_allows(scene), caps_allow(scene)
    if caller.kind == "service":
        core = any_of([allow["service"], allow["star"]])
    elif caller.account != scene.owner:
        core = all_of([any_of(allow.values()), ident, cap])
    else:
        # R7.3: a user named directly whose boundary does not allow the call is undocumented
        user = all_of([allow["user"], any_of([all_of([boundary_allows(scene), session_allows(scene)]), None])])
        core = any_of(
            [
                allow["star"],
                allow["session"],
                user,
                all_of([allow["role"], cap]),
                all_of([allow["account"], ident, cap]),
            ]
        )
    denied = any_of([caller_denies(scene), resource_denies(scene)])
    return all_of([core, allowed_by_guardrails(scene), negate(denied)])
