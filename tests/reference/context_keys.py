"""The value of a condition key in one scene: section 6, key by key."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from .facts import collected, listed_organizations, membership, unread
from .operators import moment
from .scenes import Scene, text
from .session_tags import principal_tags


@dataclass(frozen=True)
class Unknown:
    """Nobody collected the value, or AWS does not document it; it may also be absent.

    Where `values` are given it is one of them (R5.6).
    """

    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnknownOrganization:
    """Absent, or any organization but the listed ones (R6.5)."""

    listed: frozenset[str]


@dataclass(frozen=True)
class OfNoCustomer:
    """Absent, or a value that no identity of an account has (R6.P): a service that calls as itself."""

    key: str

    def excludes(self, pattern: str) -> bool:
        """Whether all that a written value means are values of identities."""
        return re.fullmatch(_OF_CUSTOMERS[self.key], pattern) is not None


_OF_CUSTOMERS = {
    "aws:principalaccount": r"[^*]{12}",
    "aws:principaltype": r"(?i:account|user|federateduser|assumedrole|anonymous)",
    "aws:userid": r"(?si:(AIDA|AROA).*|[^*]{12}(:.*)?)",
}
Value = list[str] | Unknown | UnknownOrganization | OfNoCustomer
OPEN = Unknown | UnknownOrganization | OfNoCustomer
ABSENT: list[str] = []
UNKNOWN = Unknown()

# Multivalued keys, marked M in section 6.
MULTIVALUED = {
    "kms:encryptioncontextkeys", "kms:grantoperations", "kms:resourcealiases", "aws:tagkeys", "aws:principalorgpaths",
    "aws:resourceorgpaths", "aws:sourceorgpaths", "aws:vpceorgpaths", "aws:calledvia", "aws:principalservicenameslist",
    "sts:transitivetagkeys",
}  # fmt: skip
# Keys that are always there in a request; the value where the request does not say otherwise (R6.V, R2.19).
BOOLEANS = frozenset(
    {
        "aws:viaawsservice",
        "aws:multifactorauthpresent",
        "aws:assumedroot",
        "kms:grantisforawsresource",
        "kms:bypasspolicylockoutsafetycheck",
        "kms:reencryptonsamekey",
    }
)
GRANT_REQUEST_KEYS = frozenset({"kms:grantoperations", "kms:grantconstrainttype", "kms:grantconstraintsourcearn"})
DEFAULTS = {"aws:viaawsservice": ["false"], "kms:policyname": ["default"]}

_SPEC_KEYS = {
    "kms:keyspec", "kms:keyusage", "kms:keyorigin", "kms:multiregion", "kms:multiregionkeytype",
    "kms:customermasterkeyspec", "kms:customermasterkeyusage",
}  # fmt: skip
_SOURCE = {"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"}
_STATIC = {
    "aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:userid", "aws:username", "aws:principalorgid",
    "aws:principalorgpaths", "aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths",
    "aws:principalisawsservice", "aws:principalservicename", "aws:principalservicenameslist", "aws:currenttime",
    "aws:epochtime", "aws:securetransport",
}  # fmt: skip
_KEY_POLICIES = {"key_policy", "ram_policy"}


_OF_OTHER_STS_ACTIONS = {"sts:durationseconds"}


def request_time(name: str, scene: Scene) -> bool:
    """Whether the request may bring this key (column S = R of section 6); names are lower case.

    Session tags (aws:PrincipalTag) are told apart by R6.6, not here.
    """
    service, _, rest = name.partition(":")
    if service == "kms":
        return _kms_request_time(name, rest, scene)
    if service == "sts":
        return scene.target == "role" and name not in _OF_OTHER_STS_ACTIONS
    if name.startswith(("aws:principaltag/", "iam:resourcetag/")) or name in _STATIC:
        return False
    if name in _SOURCE:
        return scene.caller.kind == "service"
    if name == "aws:requestedregion":
        return scene.target in {"account", "role"}
    keys = scene.row.keys if scene.row else frozenset({"requesttag", "tagkeys"})
    if name.startswith("aws:resourcetag/"):
        return "resourcetag" in keys and scene.target == "account"
    if name.startswith("aws:requesttag/"):
        return "requesttag" in keys and scene.target != "alias"
    if name == "aws:tagkeys":
        return "tagkeys" in keys and scene.target != "alias"
    return True


def _kms_request_time(name: str, rest: str, scene: Scene) -> bool:
    """The last column of R1.2; CallerAccount and ViaService exist for every key action (R1.2, R6.C, R5.50)."""
    if scene.row is None or scene.target not in {"key", "account"}:
        return False
    if scene.target == "key" and name == "kms:viaservice":
        return True
    if scene.target == "key" and name == "kms:calleraccount":
        return scene.caller.kind == "service"
    keys = scene.row.keys
    if rest.startswith("encryptioncontext:") or rest == "encryptioncontextkeys":
        return "ec" in keys and scene.symmetric
    if rest.startswith("recipientattestation:"):
        return "recipientattestation" in keys
    if rest == "encryptionalgorithm":
        return "encryptionalgorithm" in keys and not scene.symmetric
    if rest == "requestalias":
        return "requestalias" in keys and scene.alias is None
    return rest in keys


def value_of(name: str, scene: Scene, document: str) -> Value:
    """The value of a key (lower-case name) as one kind of document sees it.

    `document` is key_policy, ram_policy, trust_policy, identity, boundary, session, scp or rcp.
    """
    found = _value_of(name, scene, document)
    if isinstance(found, list) or (name.startswith("aws:resourcetag/") and document in _KEY_POLICIES):
        return found
    return scene.facts.get(name, found)


def _value_of(name: str, scene: Scene, document: str) -> Value:
    if name.startswith("kms:encryptioncontext") and request_time(name, scene):
        return _encryption_context(name, scene)
    if name.startswith("aws:principaltag/"):
        return _tag(principal_tags(scene), name.split("/", 1)[1])
    if request_time(name, scene):
        return scene.context.get(name) or _from_grant_request(name, scene) or DEFAULTS.get(name, ABSENT)
    if name in _OF_OTHER_STS_ACTIONS:
        return UNKNOWN
    if name.startswith("kms:"):
        return _kms_static(name, scene, document)
    if name.startswith("aws:resourcetag/") or (name.startswith("iam:resourcetag/") and scene.target == "role"):
        return _resource_tag(name, scene, document)
    if name.startswith(("aws:principal", "aws:user")):
        return _principal(name, scene)
    return _other(name, scene)


def _encryption_context(name: str, scene: Scene) -> Value:
    """What the caller sent; two pairs whose names differ only in case are ambiguous (R5.6)."""
    if name in scene.context:
        return scene.context[name]
    pairs = dict(scene.encryption_context)
    constraints = (scene.grant_request or {}).get("constraints") or {}
    for kind in ("EncryptionContextEquals", "EncryptionContextSubset"):
        pairs.update(constraints.get(kind) or {})
    if name == "kms:encryptioncontextkeys":
        return list(pairs)
    return _tag(pairs, name.split(":", 2)[2])


def _tag(tags: Mapping[str, object] | None, wanted: str) -> Value:
    """Tag names are compared without case (R5.1); twins are ambiguous (R5.6); None: not collected."""
    if tags is None:
        return UNKNOWN
    found = [text(value) for key, value in tags.items() if key.lower() == wanted]
    return Unknown(tuple(found)) if len(found) > 1 else found


def _from_grant_request(name: str, scene: Scene) -> list[str]:
    """What a CreateGrant asks for shows in the grant keys (R4.23)."""
    request = scene.grant_request
    if request is None or scene.row is None or scene.row.name != "CreateGrant":
        return ABSENT
    constraints = request.get("constraints") or {}
    if name == "kms:grantoperations":
        return [text(operation) for operation in request.get("operations") or ()]
    if name == "kms:grantconstrainttype":
        return [kind for kind in ("EncryptionContextEquals", "EncryptionContextSubset") if kind in constraints][:1]
    if name == "kms:grantconstraintsourcearn" and "SourceArn" in constraints:
        return [text(constraints["SourceArn"])]
    return ABSENT


def _kms_static(name: str, scene: Scene, document: str) -> Value:
    """Properties of the key (R6.R), aliases (R6.A, R6.U), caller's account (R6.C); absent without a key (R5.51)."""
    if scene.target != "key":
        return ABSENT
    key = scene.subject
    if name == "kms:calleraccount":
        return [scene.caller.account]
    if name == "kms:requestalias":
        takes = scene.alias is not None and scene.row is not None and "requestalias" in scene.row.keys
        return [str(scene.alias)] if takes else ABSENT
    if name == "kms:encryptionalgorithm":
        has = scene.symmetric and scene.row is not None and "encryptionalgorithm" in scene.row.keys
        return ["SYMMETRIC_DEFAULT"] if has else ABSENT
    if name == "kms:resourcealiases":
        if document in _KEY_POLICIES or document == "rcp" or unread(scene.world, "key", scene.resource, "aliases"):
            return UNKNOWN
        return [text(alias) for alias in key.get("aliases", ())]
    if name not in _SPEC_KEYS:
        return ABSENT
    if name == "kms:multiregion":
        return ["true" if key.get("multi_region") else "false"]
    if name == "kms:multiregionkeytype":
        if not key.get("multi_region"):
            return ABSENT
        return [key["multi_region_type"]] if key.get("multi_region_type") else UNKNOWN
    if name == "kms:keyorigin":
        return [key.get("origin", "AWS_KMS")]
    if name in {"kms:keyusage", "kms:customermasterkeyusage"}:
        return [key.get("usage", "ENCRYPT_DECRYPT")]
    return [key.get("spec", "SYMMETRIC_DEFAULT")]


def _resource_tag(name: str, scene: Scene, document: str) -> Value:
    """Key tags, in IAM policies, SCPs, RCPs, not in key policies (R6.T, R6.U); the role's tags for an AssumeRole."""
    if scene.target == "key":
        if document in _KEY_POLICIES or unread(scene.world, "key", scene.resource, "tags"):
            return UNKNOWN
        return _tag(scene.subject.get("tags") or {}, name.split("/", 1)[1])
    if scene.target == "role":
        seen = collected(scene.world, scene.owner) and not unread(scene.world, "account", scene.owner, "iam")
        return _tag(scene.subject.get("tags") or {} if seen else None, name.split("/", 1)[1])
    return ABSENT


def _principal(name: str, scene: Scene) -> Value:
    """Who calls (R6.P, R6.O, R6.S); absent for services except what says that it is one."""
    caller = scene.caller
    if name == "aws:principalisawsservice":
        return ["true" if caller.kind == "service" else "false"]
    if name in {"aws:principalservicename", "aws:principalservicenameslist"}:
        return [caller.arn] if caller.kind == "service" else ABSENT
    if caller.kind == "service":
        return OfNoCustomer(name) if name in _OF_CUSTOMERS else ABSENT
    if name == "aws:principalarn" and caller.path_is_open:
        return UNKNOWN
    if name == "aws:principalarn":
        return [caller.identity_arn if caller.kind == "session" else caller.arn]
    if name == "aws:principalaccount":
        return [caller.account]
    if name == "aws:principaltype":
        kinds = {"root": "Account", "user": "User", "federated": "FederatedUser"}
        return [kinds.get(caller.kind, "AssumedRole")]
    if name == "aws:username":
        return [caller.arn.rsplit("/", 1)[-1]] if caller.kind == "user" else ABSENT
    if name == "aws:userid":
        return _user_id(scene)
    return _organization(scene, caller.account, name.endswith("paths"))


def _user_id(scene: Scene) -> Value:
    """The unique id, for a role `AROA…:session` (R6.P); a world that does not record the id does not know it."""
    caller = scene.caller
    if caller.kind == "root":
        return [caller.account]
    if caller.kind == "federated":
        return [f"{caller.account}:{caller.arn.split('/', 1)[1]}"]
    unique = (caller.identity or {}).get("unique_id")
    if unique is None:
        return UNKNOWN
    return [unique] if caller.kind == "user" else [f"{unique}:{scene.session_name or ''}"]


def _organization(scene: Scene, account: str, paths: bool) -> Value:
    """Member or management account; absent for standalone accounts; otherwise R6.5 (R6.O)."""
    place = membership(scene.world, account)
    if place.standing == "standalone":
        return ABSENT
    if place.organization is None:
        return UnknownOrganization(frozenset(listed_organizations(scene.world)))
    if not paths:
        return [place.organization["id"]]
    return ["/".join([place.organization["id"], *place.path]) + "/"]


def _other(name: str, scene: Scene) -> Value:
    """Resource, clock, transport (R6.O, R6.D, R6.W); absent where section 6 says so."""
    if name in {"aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths"}:
        if scene.target == "account":
            return ABSENT
        if name == "aws:resourceaccount":
            return [scene.owner]
        return _organization(scene, scene.owner, name.endswith("paths"))
    if name in {"aws:currenttime", "aws:epochtime"}:
        return [_clock(name, scene)]
    if name == "aws:securetransport":
        return ["true"]
    if name == "aws:requestedregion":
        return [scene.resource.split(":")[3]]
    return ABSENT


def _clock(name: str, scene: Scene) -> str:
    """The audit clock; a case may set either of the two keys (R5.26)."""
    given = scene.context.get(name) or scene.context.get("aws:currenttime") or scene.context.get("aws:epochtime")
    stamp = given[0] if given else scene.knowledge.now
    seconds = moment(stamp)
    if seconds is None:
        raise ValueError(f"`{stamp}` is not a time")
    if name == "aws:epochtime":
        return str(int(seconds))
    return stamp if not stamp.isdigit() else datetime.fromtimestamp(seconds, UTC).isoformat()
