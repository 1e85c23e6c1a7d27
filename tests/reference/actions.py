"""The tables about actions: R1.2 to R1.9 and the key states of R9.1, copied from the text."""

from dataclasses import dataclass

# name | class | cross-account | grantable | request-time kms: keys besides CallerAccount and ViaService (R1.2).
# RequestAlias stands for Encapsulate and Decapsulate too: their row has no keys yet, but R1.4 lets every
# cryptographic operation be addressed by an alias ARN. PolicyName is R2.19, the tag keys of ReplicateKey R6.T.
_ROWS = """
Decapsulate|reveal|Yes|yes|RequestAlias
Decrypt|reveal|Yes|yes|EC EncryptionAlgorithm RecipientAttestation RequestAlias
DeriveSharedSecret|reveal|Yes|yes|KeyAgreementAlgorithm RecipientAttestation RequestAlias
GenerateDataKey|reveal|Yes|yes|EC EncryptionAlgorithm RecipientAttestation RequestAlias
GenerateDataKeyPair|reveal|Yes|yes|DataKeyPairSpec EC EncryptionAlgorithm RecipientAttestation RequestAlias
ReEncryptFrom|reveal|Yes|yes|EC EncryptionAlgorithm ReEncryptOnSameKey RequestAlias
Encapsulate|produce|Yes|yes|RequestAlias
Encrypt|produce|Yes|yes|EC EncryptionAlgorithm RequestAlias
GenerateDataKeyPairWithoutPlaintext|produce|Yes|yes|DataKeyPairSpec EC EncryptionAlgorithm RequestAlias
GenerateDataKeyWithoutPlaintext|produce|Yes|yes|EC EncryptionAlgorithm RequestAlias
ReEncryptTo|produce|Yes|yes|EC EncryptionAlgorithm ReEncryptOnSameKey RequestAlias
GenerateMac|forge|Yes|yes|MacAlgorithm RequestAlias
Sign|forge|Yes|yes|MessageType RequestAlias SigningAlgorithm
Verify|check|Yes|yes|MessageType RequestAlias SigningAlgorithm
VerifyMac|check|Yes|yes|MacAlgorithm RequestAlias
CreateGrant|grant|Yes|yes|EC GrantConstraintSourceArn GrantConstraintType GrantIsForAWSResource GrantOperations \
GranteePrincipal GranteeServicePrincipal RetiringPrincipal RetiringServicePrincipal
RetireGrant|grant|Yes|yes|EC GrantConstraintType
RevokeGrant|grant|Yes|-|GrantIsForAWSResource
DescribeKey|read|Yes|yes|RequestAlias
GetKeyLastUsage|read|No|-|
GetKeyPolicy|read|No|-|PolicyName
GetKeyRotationStatus|read|Yes|-|
GetParametersForImport|read|No|-|WrappingAlgorithm WrappingKeySpec
GetPublicKey|read|Yes|yes|RequestAlias
ListGrants|read|Yes|-|GrantIsForAWSResource
ListKeyPolicies|read|No|-|
ListKeyRotations|read|No|-|
ListResourceTags|read|No|-|
PutKeyPolicy|policy|No|-|BypassPolicyLockoutSafetyCheck PolicyName
DeleteImportedKeyMaterial|destroy|No|-|
DisableKey|destroy|No|-|TrailingDaysWithoutKeyUsage
ScheduleKeyDeletion|destroy|No|-|ScheduleKeyDeletionPendingWindowInDays TrailingDaysWithoutKeyUsage
CancelKeyDeletion|manage|No|-|
DisableKeyRotation|manage|No|-|
EnableKey|manage|No|-|
EnableKeyRotation|manage|No|-|RotationPeriodInDays
ImportKeyMaterial|manage|No|-|ExpirationModel ValidTo
RotateKeyOnDemand|manage|No|-|
UpdateKeyDescription|manage|No|-|
ReplicateKey|multi-Region|No|-|ReplicaRegion RequestTag TagKeys
SynchronizeMultiRegionKey|multi-Region|No|-|
UpdatePrimaryRegion|multi-Region|No|-|PrimaryRegion
TagResource|tag|No|-|RequestTag TagKeys
UntagResource|tag|No|-|TagKeys
CreateAlias|alias|No|-|
DeleteAlias|alias|No|-|
UpdateAlias|alias|No|-|
CreateKey|account|No|-|BypassPolicyLockoutSafetyCheck KeyOrigin KeySpec KeyUsage MultiRegion MultiRegionKeyType \
RequestTag ResourceTag TagKeys
GenerateRandom|account|No|-|RecipientAttestation
ListAliases|account|No|-|
ListKeys|account|No|-|
ListRetirableGrants|account|No|-|
ConnectCustomKeyStore|key store|No|-|
CreateCustomKeyStore|key store|No|-|
DeleteCustomKeyStore|key store|No|-|
DescribeCustomKeyStores|key store|No|-|
DisconnectCustomKeyStore|key store|No|-|
UpdateCustomKeyStore|key store|No|-|
"""

# Session-related actions that a trust policy decides the same way (section 7).
ASSUME_ACTIONS = {name.lower(): name for name in ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")}


@dataclass(frozen=True)
class Action:
    """One row of R1.2."""

    name: str
    group: str
    cross_account: bool
    grantable: bool
    keys: frozenset[str]

    @property
    def cryptographic(self) -> bool:
        """The classes reveal, produce, forge and check are the cryptographic operations (R1.3)."""
        return self.group in {"reveal", "produce", "forge", "check"}

    @property
    def accountwide(self) -> bool:
        """Actions without a key resource (R1.6)."""
        return self.group in {"account", "key store"}


def _parse(row: str) -> Action:
    name, group, cross, grant, keys = row.split("|")
    return Action(name, group, cross == "Yes", grant == "yes", frozenset(key.lower() for key in keys.split()))


ACTIONS = {action.name.lower(): action for action in map(_parse, _ROWS.replace("\\\n", "").strip().splitlines())}


def find(action: str) -> Action | None:
    """Action names are matched case-insensitively (R1.1); None for one AWS added later (R1.11)."""
    service, _, name = action.partition(":")
    return ACTIONS.get(name.lower()) if service.lower() == "kms" else None


_SYMMETRIC = {
    "Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "GenerateDataKeyPair",
    "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPairWithoutPlaintext",
}  # fmt: skip
_USABLE = {
    "SIGN_VERIFY": {"Sign", "Verify"},
    "GENERATE_VERIFY_MAC": {"GenerateMac", "VerifyMac"},
    "KEY_AGREEMENT": {"DeriveSharedSecret"},
    "ENCAPSULATE_DECAPSULATE": {"Encapsulate", "Decapsulate"},
}


def fits_key(action: Action, spec: str, usage: str) -> bool:
    """Key usage gates cryptographic actions and GetPublicKey, whatever is authorised (R1.9)."""
    if action.name == "GetPublicKey":
        return spec != "SYMMETRIC_DEFAULT" and not spec.startswith("HMAC")
    if not action.cryptographic:
        return True
    if usage == "ENCRYPT_DECRYPT":
        if spec == "SYMMETRIC_DEFAULT":
            return action.name in _SYMMETRIC
        return action.name in {"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"}
    return action.name in _USABLE.get(usage, set())


def takes_alias(action: Action) -> bool:
    """Alias ARNs for cryptographic operations, DescribeKey, GetPublicKey; key ARN only for the rest (R1.4)."""
    return action.cryptographic or action.name in {"DescribeKey", "GetPublicKey"}


def state_blocks(action: Action, state: str) -> bool:
    """The table of R9.1, with its remarks on GetKeyRotationStatus and ScheduleKeyDeletion."""
    if action.name == "GetKeyRotationStatus":
        return state in {"PendingImport", "Unavailable"}
    if action.name == "ScheduleKeyDeletion":
        return state in {"PendingDeletion", "PendingReplicaDeletion", "Updating"}
    if state in {"Disabled", "PendingDeletion", "PendingReplicaDeletion", "PendingImport", "Creating"}:
        return action.cryptographic or action.name in {"CreateGrant", "GetPublicKey"}
    if state == "Unavailable":
        return action.cryptographic
    return False
