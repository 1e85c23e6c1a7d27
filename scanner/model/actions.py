"""The KMS actions: what each does, whether it works across accounts, and which request keys it carries (R1.2)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Action:
    """One IAM action of KMS (R1.2; KMS API Reference and Service Authorization Reference).

    `cross_account` is None where the question has no plain answer (R1.6). `resource` is `key`, `alias` (alias and key,
    R1.7) or `account` (no key). `capability` is empty for actions that concern no key. `request_keys` are the condition
    keys that only requests of this action carry; a trailing `*` stands for any rest.
    """

    name: str
    klass: str
    cross_account: bool | None
    grantable: bool
    resource: str
    capability: str
    request_keys: tuple[str, ...]
    iam_name: str = field(init=False, repr=False, compare=False)
    """The name as policies write it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "iam_name", f"kms:{self.name}")

    @property
    def is_documented(self) -> bool:
        """Whether this version knows the action."""
        return self.klass != UNDOCUMENTED

    @property
    def takes_alias(self) -> bool:
        """Whether a request may name the key by alias (R1.4)."""
        return self.klass in _CRYPTO_CLASSES or self.name in {"DescribeKey", "GetPublicKey"}

    @property
    def is_cryptographic(self) -> bool:
        """Whether the action uses key material (classes reveal, produce, forge and check)."""
        return self.klass in _CRYPTO_CLASSES


_CRYPTO_CLASSES = frozenset({"reveal", "produce", "forge", "check"})


def _a(
    name: str, klass: str, cross_account: bool | None, grantable: bool, resource: str, capability: str, *keys: str
) -> Action:
    return Action(name, klass, cross_account, grantable, resource, capability, keys)


_TABLE = (
    _a("Decapsulate", "reveal", True, True, "key", "decrypt"),
    _a(
        "Decrypt",
        "reveal",
        True,
        True,
        "key",
        "decrypt",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:EncryptionAlgorithm",
        "kms:RecipientAttestation:*",
        "kms:RequestAlias",
    ),
    _a(
        "DeriveSharedSecret",
        "reveal",
        True,
        True,
        "key",
        "decrypt",
        "kms:KeyAgreementAlgorithm",
        "kms:RecipientAttestation:*",
        "kms:RequestAlias",
    ),
    _a(
        "GenerateDataKey",
        "reveal",
        True,
        True,
        "key",
        "encrypt",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:EncryptionAlgorithm",
        "kms:RecipientAttestation:*",
        "kms:RequestAlias",
    ),
    _a(
        "GenerateDataKeyPair",
        "reveal",
        True,
        True,
        "key",
        "encrypt",
        "kms:DataKeyPairSpec",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:EncryptionAlgorithm",
        "kms:RecipientAttestation:*",
        "kms:RequestAlias",
    ),
    _a(
        "ReEncryptFrom",
        "reveal",
        True,
        True,
        "key",
        "decrypt",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:EncryptionAlgorithm",
        "kms:ReEncryptOnSameKey",
        "kms:RequestAlias",
    ),
    _a("Encapsulate", "produce", True, True, "key", "encrypt"),
    _a(
        "Encrypt",
        "produce",
        True,
        True,
        "key",
        "encrypt",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:EncryptionAlgorithm",
        "kms:RequestAlias",
    ),
    _a(
        "GenerateDataKeyPairWithoutPlaintext",
        "produce",
        True,
        True,
        "key",
        "encrypt",
        "kms:DataKeyPairSpec",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:EncryptionAlgorithm",
        "kms:RequestAlias",
    ),
    _a(
        "GenerateDataKeyWithoutPlaintext",
        "produce",
        True,
        True,
        "key",
        "encrypt",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:EncryptionAlgorithm",
        "kms:RequestAlias",
    ),
    _a(
        "ReEncryptTo",
        "produce",
        True,
        True,
        "key",
        "encrypt",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:EncryptionAlgorithm",
        "kms:ReEncryptOnSameKey",
        "kms:RequestAlias",
    ),
    _a("GenerateMac", "forge", True, True, "key", "sign", "kms:MacAlgorithm", "kms:RequestAlias"),
    _a("Sign", "forge", True, True, "key", "sign", "kms:MessageType", "kms:RequestAlias", "kms:SigningAlgorithm"),
    _a("Verify", "check", True, True, "key", "verify", "kms:MessageType", "kms:RequestAlias", "kms:SigningAlgorithm"),
    _a("VerifyMac", "check", True, True, "key", "verify", "kms:MacAlgorithm", "kms:RequestAlias"),
    _a(
        "CreateGrant",
        "grant",
        True,
        True,
        "key",
        "delegate",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:GrantConstraintSourceArn",
        "kms:GrantConstraintType",
        "kms:GrantIsForAWSResource",
        "kms:GrantOperations",
        "kms:GranteePrincipal",
        "kms:GranteeServicePrincipal",
        "kms:RetiringPrincipal",
        "kms:RetiringServicePrincipal",
    ),
    _a(
        "RetireGrant",
        "grant",
        True,
        True,
        "key",
        "revoke",
        "kms:EncryptionContext:*",
        "kms:EncryptionContextKeys",
        "kms:GrantConstraintType",
    ),
    _a("RevokeGrant", "grant", True, False, "key", "revoke", "kms:GrantIsForAWSResource"),
    _a("DescribeKey", "read", True, True, "key", "metadata", "kms:RequestAlias"),
    _a("GetKeyLastUsage", "read", False, False, "key", "metadata"),
    _a("GetKeyPolicy", "read", False, False, "key", "metadata", "kms:PolicyName"),
    _a("GetKeyRotationStatus", "read", True, False, "key", "metadata"),
    _a(
        "GetParametersForImport",
        "read",
        False,
        False,
        "key",
        "metadata",
        "kms:WrappingAlgorithm",
        "kms:WrappingKeySpec",
    ),
    _a("GetPublicKey", "read", True, True, "key", "verify", "kms:RequestAlias"),
    _a("ListGrants", "read", True, False, "key", "metadata", "kms:GrantIsForAWSResource"),
    _a("ListKeyPolicies", "read", False, False, "key", "metadata"),
    _a("ListKeyRotations", "read", False, False, "key", "metadata"),
    _a("ListResourceTags", "read", False, False, "key", "metadata"),
    _a(
        "PutKeyPolicy",
        "policy",
        False,
        False,
        "key",
        "control",
        "kms:BypassPolicyLockoutSafetyCheck",
        "kms:PolicyName",
    ),
    _a("DeleteImportedKeyMaterial", "destroy", False, False, "key", "destroy"),
    _a("DisableKey", "destroy", False, False, "key", "destroy", "kms:TrailingDaysWithoutKeyUsage"),
    _a(
        "ScheduleKeyDeletion",
        "destroy",
        False,
        False,
        "key",
        "destroy",
        "kms:ScheduleKeyDeletionPendingWindowInDays",
        "kms:TrailingDaysWithoutKeyUsage",
    ),
    _a("CancelKeyDeletion", "manage", False, False, "key", "manage"),
    _a("DisableKeyRotation", "manage", False, False, "key", "manage"),
    _a("EnableKey", "manage", False, False, "key", "manage"),
    _a("EnableKeyRotation", "manage", False, False, "key", "manage", "kms:RotationPeriodInDays"),
    _a("ImportKeyMaterial", "manage", False, False, "key", "control", "kms:ExpirationModel", "kms:ValidTo"),
    _a("RotateKeyOnDemand", "manage", False, False, "key", "manage"),
    _a("UpdateKeyDescription", "manage", False, False, "key", "manage"),
    _a("ReplicateKey", "multi-Region", False, False, "key", "control", "kms:ReplicaRegion"),
    _a("SynchronizeMultiRegionKey", "multi-Region", False, False, "key", "manage"),
    _a("UpdatePrimaryRegion", "multi-Region", False, False, "key", "control", "kms:PrimaryRegion"),
    _a("TagResource", "tag", False, False, "key", "manage", "aws:RequestTag/*", "aws:TagKeys"),
    _a("UntagResource", "tag", False, False, "key", "manage", "aws:TagKeys"),
    _a("CreateAlias", "alias", False, False, "alias", "manage"),
    _a("DeleteAlias", "alias", False, False, "alias", "manage"),
    _a("UpdateAlias", "alias", False, False, "alias", "manage"),
    _a(
        "CreateKey",
        "account",
        False,
        False,
        "account",
        "",
        "kms:BypassPolicyLockoutSafetyCheck",
        "kms:KeyOrigin",
        "kms:KeySpec",
        "kms:KeyUsage",
        "kms:MultiRegion",
        "kms:MultiRegionKeyType",
        "aws:RequestTag/*",
        "aws:ResourceTag/*",
        "aws:TagKeys",
    ),
    _a("GenerateRandom", "account", None, False, "account", "", "kms:RecipientAttestation:*"),
    _a("ListAliases", "account", False, False, "account", ""),
    _a("ListKeys", "account", False, False, "account", ""),
    _a("ListRetirableGrants", "account", None, False, "account", ""),
    _a("ConnectCustomKeyStore", "key store", False, False, "account", ""),
    _a("CreateCustomKeyStore", "key store", False, False, "account", ""),
    _a("DeleteCustomKeyStore", "key store", False, False, "account", ""),
    _a("DescribeCustomKeyStores", "key store", False, False, "account", ""),
    _a("DisconnectCustomKeyStore", "key store", False, False, "account", ""),
    _a("UpdateCustomKeyStore", "key store", False, False, "account", ""),
)

ACTIONS: dict[str, Action] = {action.name.lower(): action for action in _TABLE}
"""By lower-case name without the service prefix: action names are case-insensitive (R1.1)."""

KEY_ACTIONS: tuple[Action, ...] = tuple(action for action in _TABLE if action.resource in {"key", "alias"})
"""Actions that concern one key, in the order of the table."""

CROSS_ACCOUNT_ACTIONS: tuple[Action, ...] = tuple(action for action in KEY_ACTIONS if action.cross_account)
"""The only actions that have an effect across accounts (R1.3)."""

UNDOCUMENTED = "undocumented"
"""Class and capability of actions that this version does not know (R1.11)."""

CAPABILITIES = (
    "control", "delegate", "decrypt", "sign", "destroy", "encrypt", "revoke", "manage", "verify", "metadata",
    UNDOCUMENTED,
)  # fmt: skip
"""Groups of actions by what they let somebody do, the gravest first (R1.10)."""


def find_action(iam_name: str) -> Action | None:
    """The action of a name such as `kms:Decrypt`; None for another service's or an unknown action (R1.11)."""
    service, _, name = iam_name.partition(":")
    return ACTIONS.get(name.lower()) if service.lower() == "kms" else None


def new_action(operation: str) -> Action:
    """An action that this version does not know: what it does, and from where, is open (R1.11)."""
    return Action(operation, UNDOCUMENTED, None, True, "key", UNDOCUMENTED, ())


_BY_USAGE: dict[str, frozenset[str]] = {
    "SIGN_VERIFY": frozenset({"Sign", "Verify"}),
    "GENERATE_VERIFY_MAC": frozenset({"GenerateMac", "VerifyMac"}),
    "KEY_AGREEMENT": frozenset({"DeriveSharedSecret"}),
    "ENCAPSULATE_DECAPSULATE": frozenset({"Encapsulate", "Decapsulate"}),
}
_ENCRYPT = frozenset({"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"})
_DATA_KEYS = frozenset({
    "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
})  # fmt: skip


_ASYMMETRIC = ("RSA_", "ECC_", "SM2", "ML_DSA_", "ML_KEM_")
_SYMMETRIC = ("SYMMETRIC_DEFAULT", "HMAC_")


def is_asymmetric(spec: str) -> bool | None:
    """Whether keys of this spec have a public half; None for a spec that this version does not know."""
    if spec.startswith(_ASYMMETRIC):
        return True
    return False if spec.startswith(_SYMMETRIC) else None


def is_usable_with(action: Action, usage: str, spec: str) -> bool | None:
    """Whether a key of this usage and spec can do the action at all (R1.9); None where usage or spec is unknown."""
    if action.name == "GetPublicKey":
        return is_asymmetric(spec)
    if not action.is_cryptographic:
        return True
    if not usage:
        return None
    if usage == "ENCRYPT_DECRYPT":
        if action.name in _ENCRYPT:
            return True
        if action.name in _DATA_KEYS:
            return None if is_asymmetric(spec) is None else spec == "SYMMETRIC_DEFAULT"
        return False
    usable = _BY_USAGE.get(usage)
    return None if usable is None else action.name in usable


ENABLED_STATES = frozenset({"Enabled", "Updating"})
_BLOCKING_STATES = frozenset({
    "Disabled", "PendingDeletion", "PendingReplicaDeletion", "PendingImport", "Creating", "Unavailable",
})  # fmt: skip
_WORKS_IN_EVERY_STATE = frozenset({
    "DescribeKey", "GetKeyPolicy", "PutKeyPolicy", "ListGrants", "ListKeyPolicies", "ListResourceTags", "RetireGrant",
    "RevokeGrant",
})  # fmt: skip
_NEEDS_ENABLED = frozenset({"CreateGrant", "GetPublicKey"})


def state_blocks(action: Action, state: str) -> bool | None:
    """Whether the key's present state stops the action (R9.1); None where the state was not read or is not known."""
    if action.name in _WORKS_IN_EVERY_STATE:
        return False
    if state not in ENABLED_STATES | _BLOCKING_STATES:
        return None
    if action.name == "ScheduleKeyDeletion":
        return state in {"PendingDeletion", "PendingReplicaDeletion", "Updating"}
    if action.name == "GetKeyRotationStatus":
        return state in {"PendingImport", "Unavailable"}
    if state in ENABLED_STATES:
        return False
    if action.is_cryptographic:
        return True
    return action.name in _NEEDS_ENABLED and state != "Unavailable"
