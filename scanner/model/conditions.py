"""Condition keys: type, number of values, who decides them, and how strong a fence each one is (section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class Source(StrEnum):
    """Where the value of a condition key comes from."""

    CALLER = "caller"
    """A fact about the caller that the snapshot holds."""
    KEY = "key"
    """A fact about the KMS key or its account."""
    CLOCK = "clock"
    REQUEST = "request"
    """Decided by the request, or by the session behind it."""
    SERVICE = "service"
    """Carried only by requests that an AWS service makes as itself (R6.S)."""


@dataclass(frozen=True, slots=True)
class ConditionKey:
    """One condition key; a name that ends in `*` stands for a family.

    `strength` is 3 where the caller cannot influence the value, 2 for real but conditional fences, 1 for weak or
    caller-chosen ones, 0 for management detail. `caller_chosen` follows the table of the severity rules.
    `always_present` holds for every request that carries the key at all.
    """

    name: str
    type: str
    source: Source
    strength: int
    multivalued: bool = False
    caller_chosen: bool = False
    always_present: bool = False


def _k(
    names: str, type_: str, source: Source, strength: int, *, many: bool = False, chosen: bool = False,
    always: bool = False,
) -> list[ConditionKey]:  # fmt: skip
    return [ConditionKey(name, type_, source, strength, many, chosen, always) for name in names.split()]


_TABLE = [
    # R6.C, R6.V, R6.E
    *_k("kms:CallerAccount", "string", Source.CALLER, 3),
    *_k("kms:ViaService", "string", Source.REQUEST, 2),
    *_k("kms:EncryptionContext:*", "string", Source.REQUEST, 1, chosen=True),
    *_k("kms:EncryptionContextKeys", "string", Source.REQUEST, 1, many=True, chosen=True),
    # R6.K
    *_k("kms:GrantIsForAWSResource", "bool", Source.REQUEST, 2),
    *_k("kms:GrantOperations", "string", Source.REQUEST, 2, many=True, always=True),
    *_k(
        "kms:GranteePrincipal kms:GranteeServicePrincipal kms:RetiringPrincipal kms:RetiringServicePrincipal "
        "kms:GrantConstraintType kms:GrantConstraintSourceArn",
        "string",
        Source.REQUEST,
        2,
    ),
    # R6.L, R6.A, R6.R
    *_k("kms:RequestAlias", "string", Source.REQUEST, 1, chosen=True),
    *_k("kms:ResourceAliases", "string", Source.KEY, 2, many=True),
    *_k(
        "kms:KeySpec kms:KeyUsage kms:KeyOrigin kms:MultiRegionKeyType kms:CustomerMasterKeySpec "
        "kms:CustomerMasterKeyUsage",
        "string",
        Source.KEY,
        3,
    ),
    *_k("kms:MultiRegion", "bool", Source.KEY, 3),
    # R6.X, R6.Y, R6.Z
    *_k(
        "kms:EncryptionAlgorithm kms:SigningAlgorithm kms:MacAlgorithm kms:KeyAgreementAlgorithm kms:MessageType "
        "kms:DataKeyPairSpec kms:WrappingAlgorithm kms:WrappingKeySpec",
        "string",
        Source.REQUEST,
        1,
        chosen=True,
    ),
    *_k("kms:RecipientAttestation:*", "string", Source.REQUEST, 3),
    *_k("kms:BypassPolicyLockoutSafetyCheck kms:ReEncryptOnSameKey", "bool", Source.REQUEST, 0),
    *_k("kms:ExpirationModel kms:PrimaryRegion kms:ReplicaRegion", "string", Source.REQUEST, 0),
    *_k("kms:PolicyName", "string", Source.REQUEST, 0, always=True),
    *_k("kms:ValidTo", "date", Source.REQUEST, 0),
    *_k(
        "kms:RotationPeriodInDays kms:ScheduleKeyDeletionPendingWindowInDays kms:TrailingDaysWithoutKeyUsage",
        "number",
        Source.REQUEST,
        0,
    ),
    # R6.P
    *_k("aws:PrincipalArn aws:PrincipalAccount", "string", Source.CALLER, 3),
    *_k("aws:PrincipalType aws:userid aws:username", "string", Source.CALLER, 2),
    # R6.O
    *_k("aws:PrincipalOrgID", "string", Source.CALLER, 3),
    *_k("aws:PrincipalOrgPaths", "string", Source.CALLER, 3, many=True),
    *_k("aws:ResourceAccount aws:ResourceOrgID", "string", Source.KEY, 3),
    *_k("aws:ResourceOrgPaths", "string", Source.KEY, 3, many=True),
    # R6.G
    *_k("aws:PrincipalTag/*", "string", Source.CALLER, 2),
    # R6.S
    *_k("aws:PrincipalIsAWSService", "bool", Source.CALLER, 3),
    *_k("aws:PrincipalServiceName", "string", Source.CALLER, 3),
    *_k("aws:PrincipalServiceNamesList", "string", Source.CALLER, 3, many=True),
    *_k("aws:SourceArn aws:SourceAccount aws:SourceOrgID", "string", Source.SERVICE, 3),
    *_k("aws:SourceOrgPaths", "string", Source.SERVICE, 3, many=True),
    # R6.N
    *_k("aws:SourceIp aws:VpcSourceIp", "ip", Source.REQUEST, 2),
    *_k("aws:SourceVpc aws:SourceVpce aws:SourceVpcArn aws:VpceAccount aws:VpceOrgID", "string", Source.REQUEST, 2),
    *_k("aws:VpceOrgPaths", "string", Source.REQUEST, 2, many=True),
    # R6.M
    *_k("aws:MultiFactorAuthPresent aws:AssumedRoot", "bool", Source.REQUEST, 2),
    *_k("aws:MultiFactorAuthAge", "number", Source.REQUEST, 2),
    *_k("aws:TokenIssueTime", "date", Source.REQUEST, 2),
    *_k("aws:FederatedProvider aws:SourceIdentity", "string", Source.REQUEST, 2),
    # R6.D
    *_k("aws:CurrentTime aws:EpochTime", "date", Source.CLOCK, 3, always=True),
    # R6.V
    *_k("aws:ViaAWSService", "bool", Source.REQUEST, 1, always=True),
    *_k("aws:CalledVia", "string", Source.REQUEST, 1, many=True, chosen=True),
    *_k("aws:CalledViaFirst aws:CalledViaLast", "string", Source.REQUEST, 1, chosen=True),
    # R6.T
    *_k("aws:ResourceTag/* iam:ResourceTag/*", "string", Source.KEY, 2),
    *_k("aws:RequestTag/*", "string", Source.REQUEST, 2),
    *_k("aws:TagKeys", "string", Source.REQUEST, 2, many=True),
    # R6.W
    *_k("aws:RequestedRegion", "string", Source.KEY, 2),
    *_k("aws:SecureTransport", "bool", Source.KEY, 0, always=True),
    *_k("aws:UserAgent aws:referer", "string", Source.REQUEST, 1, chosen=True),
    *_k("aws:Ec2InstanceSourceVpc", "string", Source.REQUEST, 2),
    *_k("aws:Ec2InstanceSourcePrivateIPv4", "ip", Source.REQUEST, 2),
    *_k("ec2:RoleDelivery", "string", Source.REQUEST, 1),
    *_k("ec2:SourceInstanceArn lambda:SourceFunctionArn", "string", Source.REQUEST, 2),
    # R7.6: only requests that assume a role carry these
    *_k("sts:ExternalId sts:RoleSessionName", "string", Source.REQUEST, 1, chosen=True),
    *_k("sts:SourceIdentity", "string", Source.REQUEST, 2),
    *_k("sts:TransitiveTagKeys", "string", Source.REQUEST, 2, many=True),
]

CONDITION_KEYS: dict[str, ConditionKey] = {key.name.lower(): key for key in _TABLE}
"""By lower-case name; key names are case-insensitive (R5.1)."""

_FAMILIES = tuple((name[:-1], key) for name, key in CONDITION_KEYS.items() if name.endswith("*"))


@lru_cache(maxsize=65536)
def find_condition_key(name: str) -> ConditionKey | None:
    """The table row of a condition key; None for a name this version does not know."""
    lower = name.lower()
    known = CONDITION_KEYS.get(lower)
    if known is not None:
        return known
    return next((key for prefix, key in _FAMILIES if lower.startswith(prefix) and lower != prefix), None)
