"""The table of KMS actions against literal tables of the rules and against the service model that botocore installs."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.loaders import Loader
from scanner.model.actions import (
    ACTIONS,
    CAPABILITIES,
    CROSS_ACCOUNT_ACTIONS,
    KEY_ACTIONS,
    find_action,
    is_usable_with,
    state_blocks,
)
from scanner.model.conditions import find_condition_key

MODEL: dict[str, Any] = Loader().load_service_model("kms", "service-2")

IAM_ACTIONS = {"ReEncrypt": ("ReEncryptFrom", "ReEncryptTo")}
"""Operations whose IAM actions are not their own name (R1.5)."""
ONLY_ACTIONS = {"SynchronizeMultiRegionKey"}
"""Actions that no caller can name as an operation (R1.2)."""
UNPLAIN = {"GenerateRandom", "ListRetirableGrants"}
"""Operations whose documentation answers neither yes nor no (R1.6)."""


def test_every_operation_of_the_installed_kms_has_its_actions() -> None:
    wanted = {action for operation in MODEL["operations"] for action in IAM_ACTIONS.get(operation, (operation,))}
    listed = {action.name for action in ACTIONS.values()}
    assert wanted <= listed
    assert listed - wanted == ONLY_ACTIONS


@pytest.mark.parametrize("operation", sorted(MODEL["operations"]))
def test_cross_account_use_is_what_the_documentation_of_the_operation_says(operation: str) -> None:
    plain = re.sub(r"<[^>]+>", "", MODEL["operations"][operation]["documentation"])
    said = re.search(r"Cross-account use:?\s*:?\s*(?P<answer>\w+)", plain)
    expected = {"Yes": True, "No": False}.get(said["answer"]) if said else None
    assert (expected is None) == (operation in UNPLAIN), plain
    for name in IAM_ACTIONS.get(operation, (operation,)):
        assert ACTIONS[name.lower()].cross_account is expected


def test_grantable_actions_are_the_grant_operations_of_the_installed_kms() -> None:
    assert {a.name for a in ACTIONS.values() if a.grantable} == set(MODEL["shapes"]["GrantOperation"]["enum"])


def test_key_states_of_the_installed_kms_are_those_of_the_table() -> None:
    assert set(MODEL["shapes"]["KeyState"]["enum"]) == {*STATES_ENABLED, *STATES_BLOCKED, "Unavailable"}


def test_key_usages_of_the_installed_kms_are_those_of_the_table() -> None:
    assert set(MODEL["shapes"]["KeyUsageType"]["enum"]) == {usage for usage, _, _ in USAGE}


def test_key_specs_of_the_installed_kms_have_a_usage_in_the_table() -> None:
    families = tuple(spec.split("_")[0] for _, spec, _ in USAGE)
    assert [s for s in MODEL["shapes"]["KeySpec"]["enum"] if not s.startswith(families)] == []


# -- R1.3, R1.8 -------------------------------------------------------------------------------------------------------

CRYPTOGRAPHIC = {
    "Decapsulate", "Decrypt", "DeriveSharedSecret", "GenerateDataKey", "GenerateDataKeyPair", "ReEncryptFrom",
    "Encapsulate", "Encrypt", "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "ReEncryptTo",
    "GenerateMac", "Sign", "Verify", "VerifyMac",
}  # fmt: skip


def test_actions_with_effect_across_accounts_are_the_documented_ones() -> None:
    others = {
        "CreateGrant",
        "ListGrants",
        "RetireGrant",
        "RevokeGrant",
        "DescribeKey",
        "GetKeyRotationStatus",
        "GetPublicKey",
    }
    assert {a.name for a in CROSS_ACCOUNT_ACTIONS} == CRYPTOGRAPHIC | others


def test_actions_that_may_name_the_key_by_alias_are_cryptographic_or_read_the_key() -> None:
    assert {a.name for a in ACTIONS.values() if a.takes_alias} == CRYPTOGRAPHIC | {"DescribeKey", "GetPublicKey"}


CAPABILITY = {
    "control": {"PutKeyPolicy", "ReplicateKey", "UpdatePrimaryRegion", "ImportKeyMaterial"},
    "delegate": {"CreateGrant"},
    "decrypt": {"Decrypt", "ReEncryptFrom", "DeriveSharedSecret", "Decapsulate"},
    "sign": {"Sign", "GenerateMac"},
    "destroy": {"ScheduleKeyDeletion", "DisableKey", "DeleteImportedKeyMaterial"},
    "encrypt": {
        "Encrypt", "Encapsulate", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext", "ReEncryptTo",
    },
    "revoke": {"RetireGrant", "RevokeGrant"},
    "verify": {"Verify", "VerifyMac", "GetPublicKey"},
}  # fmt: skip


def test_every_key_action_has_one_capability_and_it_is_the_documented_one() -> None:
    for capability, names in CAPABILITY.items():
        assert {a.name for a in KEY_ACTIONS if a.capability == capability} == names
    rest = {a.capability for a in KEY_ACTIONS if a.name not in set().union(*CAPABILITY.values())}
    assert rest == {"manage", "metadata"}
    assert tuple(CAPABILITIES) == (
        "control", "delegate", "decrypt", "sign", "destroy", "encrypt", "revoke", "manage", "verify", "metadata",
        "undocumented",
    )  # fmt: skip


def test_condition_keys_of_every_action_are_in_the_table_of_condition_keys() -> None:
    for action in ACTIONS.values():
        for name in action.request_keys:
            assert find_condition_key(name.replace("*", "x")) is not None, (action.name, name)


@pytest.mark.parametrize(
    ("written", "name"),
    [("kms:Decrypt", "Decrypt"), ("KMS:DECRYPT", "Decrypt"), ("kms:ReEncrypt", None), ("s3:GetObject", None),
     ("kms:FromTheFuture", None), ("Decrypt", None), ("kms:", None)],
)  # fmt: skip
def test_action_is_found_by_name_without_case(written: str, name: str | None) -> None:
    found = find_action(written)
    assert (found.name if found else None) == name
    assert found is None or found.iam_name == f"kms:{name}"


# -- R1.9 -------------------------------------------------------------------------------------------------------------

_BOTH = {"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"}
_DATA_KEYS = {
    "GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext",
}  # fmt: skip
USAGE = [
    ("ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", _BOTH | _DATA_KEYS),
    ("ENCRYPT_DECRYPT", "RSA_4096", _BOTH | {"GetPublicKey"}),
    ("ENCRYPT_DECRYPT", "SM2", _BOTH | {"GetPublicKey"}),
    ("SIGN_VERIFY", "ECC_NIST_P256", {"Sign", "Verify", "GetPublicKey"}),
    ("SIGN_VERIFY", "ML_DSA_65", {"Sign", "Verify", "GetPublicKey"}),
    ("GENERATE_VERIFY_MAC", "HMAC_256", {"GenerateMac", "VerifyMac"}),
    ("KEY_AGREEMENT", "ECC_NIST_P384", {"DeriveSharedSecret", "GetPublicKey"}),
    ("ENCAPSULATE_DECAPSULATE", "ML_KEM_768", {"Encapsulate", "Decapsulate", "GetPublicKey"}),
]  # fmt: skip


@pytest.mark.parametrize(("usage", "spec", "usable"), USAGE)
def test_key_can_do_what_its_usage_and_spec_say(usage: str, spec: str, usable: set[str]) -> None:
    asked = [ACTIONS[name.lower()] for name in (*CRYPTOGRAPHIC, "GetPublicKey")]
    assert {a.name for a in asked if is_usable_with(a, usage, spec)} == usable
    assert all(is_usable_with(a, usage, spec) is not None for a in asked)


def test_usage_that_was_not_read_leaves_it_open() -> None:
    assert is_usable_with(ACTIONS["decrypt"], "", "") is None
    assert is_usable_with(ACTIONS["generatedatakey"], "ENCRYPT_DECRYPT", "") is None
    assert is_usable_with(ACTIONS["decrypt"], "ENCRYPT_DECRYPT", "") is True
    assert is_usable_with(ACTIONS["getpublickey"], "", "") is None
    assert is_usable_with(ACTIONS["decrypt"], "FROM_THE_FUTURE", "X") is None
    assert is_usable_with(ACTIONS["describekey"], "", "") is True


# -- R9.1 -------------------------------------------------------------------------------------------------------------

STATES_ENABLED = ("Enabled", "Updating")
STATES_BLOCKED = ("Disabled", "PendingDeletion", "PendingReplicaDeletion", "PendingImport", "Creating")
ALWAYS = (
    "DescribeKey", "GetKeyPolicy", "PutKeyPolicy", "ListGrants", "ListKeyPolicies", "ListResourceTags", "RetireGrant",
    "RevokeGrant",
)  # fmt: skip


@pytest.mark.parametrize("state", [*STATES_ENABLED, *STATES_BLOCKED, "Unavailable"])
def test_state_stops_what_the_table_says(state: str) -> None:
    working = state in STATES_ENABLED
    for name in CRYPTOGRAPHIC:
        assert state_blocks(ACTIONS[name.lower()], state) is not working, name
    for name in ALWAYS:
        assert state_blocks(ACTIONS[name.lower()], state) is False, name
    assert state_blocks(ACTIONS["creategrant"], state) is not (working or state == "Unavailable")
    blocked = state in {"PendingImport", "Unavailable"}
    assert state_blocks(ACTIONS["getkeyrotationstatus"], state) is blocked
    pending = state in {"PendingDeletion", "PendingReplicaDeletion", "Updating"}
    assert state_blocks(ACTIONS["schedulekeydeletion"], state) is pending
    if state != "Unavailable":
        assert state_blocks(ACTIONS["getpublickey"], state) is not working


def test_state_that_was_not_read_leaves_it_open() -> None:
    assert state_blocks(ACTIONS["decrypt"], "") is None
    assert state_blocks(ACTIONS["describekey"], "") is False
