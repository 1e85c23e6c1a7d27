"""Reads the KMS keys of one account and region: facts, policies, grants, tags and aliases.

A key whose calls are refused stays in the inventory with the outcome of each call (R10.7); one broken key never stops
the others.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from scanner.collect.documents import keep_document
from scanner.collect.grants import check_grants, read_grants
from scanner.collect.key_uses import ram_is_known, read_last_use, read_shared_keys
from scanner.collect.outcome import CallFailedError, MismatchError, UnitStoppedError
from scanner.collect.settings import CollectSettings
from scanner.collect.wire import Unit, call, iso, pages, read_list, text
from scanner.model.arn import key_id_of
from scanner.model.coverage import Outcome
from scanner.snapshot.rows import AliasRow, KeyRow, KeyTagRow

logger = logging.getLogger(__name__)

AWS_RAM = "AWS_RAM"
_RESERVED = "alias/aws/"
_STATES = {
    "Creating": "enabled",
    "Enabled": "enabled",
    "Updating": "enabled",
    "Disabled": "disabled",
    "PendingDeletion": "pending_deletion",
    "PendingReplicaDeletion": "pending_deletion",
    "PendingImport": "pending_import",
    "Unavailable": "unavailable",
}


@dataclass(slots=True)
class _Inventory:
    """What the two lists of a region say."""

    arns: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, list[AliasRow]] = field(default_factory=dict)
    aws_managed: set[str] = field(default_factory=set)
    aliases_status: Outcome = Outcome.OK


def read_keys(unit: Unit, settings: CollectSettings, partition: str) -> int:
    """Read a region; rows and ledger go to the unit's record. Returns how many customer keys were found.

    Keys behind `alias/aws/*` are AWS managed and cannot be shared (R9.5): recorded, not asked about. Keys left out by
    `keys.include`, `keys.include_tags` or `keys.states` get a `skipped` row and are not in the inventory.
    """
    inventory = _read_lists(unit, partition)
    read_shared_keys(unit)
    for row in (alias for aliases in inventory.aliases.values() for alias in aliases):
        unit.record.rows.append(row)
    for key_id, arn in inventory.arns.items():
        key = KeyRow(arn, unit.account_id, unit.region, key_id, aliases_status=inventory.aliases_status)
        if key_id in inventory.aws_managed:
            unit.record.rows.append(replace(key, manager="AWS"))
            message = "an AWS managed key cannot be shared"
            unit.ledger("kms:DescribeKey", key_id, Outcome.SKIPPED, message=message)
        elif not _chosen(key, inventory, settings):
            unit.ledger("kms:DescribeKey", key_id, Outcome.SKIPPED, message="left out by `keys.include`")
        else:
            _guarded(unit, key, settings)
    check_grants(unit, inventory.arns)
    return len(inventory.arns) - len(inventory.aws_managed)


def _guarded(unit: Unit, key: KeyRow, settings: CollectSettings) -> None:
    """Read one key; an answer that breaks our code makes an unread key of it and stops no other."""
    mark = len(unit.record.rows)
    try:
        _read_key(unit, key, settings)
    except (MismatchError, UnitStoppedError):
        raise
    except Exception as error:
        logger.exception("a key could not be read", extra=unit.log_fields("kms:DescribeKey"))
        del unit.record.rows[mark:]
        broken = Outcome.ERROR
        unit.ledger("kms:DescribeKey", key.key_id, broken, code=type(error).__name__, message=str(error))
        unread = replace(key, describe_status=broken, policy_status=broken, ram_status=broken)
        unit.record.rows.append(replace(unread, grants_status=broken, tags_status=broken))


def _read_lists(unit: Unit, partition: str) -> _Inventory:
    found = _Inventory()
    prefix = f"arn:{partition}:kms:{unit.region}:{unit.account_id}:key/"
    try:
        for page in pages(unit, "kms:ListKeys"):
            found.arns.update({str(key["KeyId"]): str(key["KeyArn"]) for key in page["Keys"]})
    except CallFailedError as error:
        unit.failed("kms:ListKeys", "", error.failure)
    else:
        unit.ledger("kms:ListKeys", "", Outcome.OK if found.arns else Outcome.EMPTY)
    try:
        for page in pages(unit, "kms:ListAliases"):
            for alias in page["Aliases"]:
                _keep_alias(found, alias, prefix)
    except CallFailedError as error:
        found.aliases_status = unit.failed("kms:ListAliases", "", error.failure)
    else:
        unit.ledger("kms:ListAliases", "", Outcome.OK if found.aliases else Outcome.EMPTY)
    return found


def _keep_alias(found: _Inventory, alias: Mapping[str, Any], prefix: str) -> None:
    """Note an alias. A customer alias whose key the list did not have names a key all the same: it joins the keys."""
    name, key_id = str(alias.get("AliasName", "")), str(alias.get("TargetKeyId", ""))
    if name.startswith(_RESERVED):
        if key_id not in found.arns:  # predefined: there is no such key yet, and describing it would make one (R10.6)
            return
        found.aws_managed.add(key_id)
    elif key_id:
        found.arns.setdefault(key_id, prefix + key_id)
    row = AliasRow(str(alias.get("AliasArn", "")), name, found.arns.get(key_id, ""))
    found.aliases.setdefault(key_id, []).append(row)


def _chosen(key: KeyRow, inventory: _Inventory, settings: CollectSettings) -> bool:
    """Whether `keys.include` takes a key: by ARN, by one of its aliases' ARNs, or by a glob of either."""
    if not settings.keys_include or inventory.aliases_status.is_gap:
        return True
    names = [key.arn, *(alias.arn for alias in inventory.aliases.get(key.key_id, ()))]
    return any(fnmatchcase(name, pattern) for name in names for pattern in settings.keys_include)


def _read_key(unit: Unit, key: KeyRow, settings: CollectSettings) -> None:
    key = _describe(unit, key)
    if key.manager == "AWS":
        unit.record.rows.append(key)
        return
    if key.state is not None and _STATES.get(key.state, key.state) not in settings.keys_states:
        unit.ledger("kms:DescribeKey", key.key_id, Outcome.SKIPPED, message="left out by `keys.states`")
        return
    tags, key = _tags(unit, key)
    if not key.tags_status.is_gap and not _tagged(tags, settings):
        unit.ledger("kms:ListResourceTags", key.key_id, Outcome.SKIPPED, message="left out by `keys.include_tags`")
        return
    unit.record.rows.extend(tags)
    key = _policies(unit, key)
    key = replace(key, grants_status=read_grants(unit, key))
    if settings.keys_last_usage:
        key = replace(key, last_used=read_last_use(unit, key.key_id))
    unit.record.rows.append(key)


def _describe(unit: Unit, key: KeyRow) -> KeyRow:
    operation = "kms:DescribeKey"
    try:
        metadata = call(unit, operation, {"KeyId": key.key_id}, key.key_id)["KeyMetadata"]
    except CallFailedError as error:
        return replace(key, describe_status=unit.failed(operation, key.key_id, error.failure))
    if key_id_of(str(metadata.get("Arn", ""))) != key.key_id:
        raise MismatchError(f"asked for key `{key.key_id}`, was answered `{metadata.get('Arn')}`")
    unit.ledger(operation, key.key_id, Outcome.OK)
    configuration = metadata.get("MultiRegionConfiguration") or {}
    return replace(
        key,
        arn=str(metadata["Arn"]),
        state=text(metadata.get("KeyState")),
        manager=text(metadata.get("KeyManager")),
        spec=text(metadata.get("KeySpec") or metadata.get("CustomerMasterKeySpec")),
        usage=text(metadata.get("KeyUsage")),
        origin=text(metadata.get("Origin")),
        description=text(metadata.get("Description")),
        multi_region=bool(metadata.get("MultiRegion")),
        multi_region_type=text(configuration.get("MultiRegionKeyType")),
        created=iso(metadata.get("CreationDate")),
        describe_status=Outcome.OK,
    )


def _policies(unit: Unit, key: KeyRow) -> KeyRow:
    """The `default` policy, and `AWS_RAM` where botocore knows it; that one's row has the subject `KEY_ID/AWS_RAM`."""
    sha256, status = _policy(unit, key, "default", key.key_id)
    key = replace(key, policy_sha256=sha256, policy_status=status)
    subject = f"{key.key_id}/{AWS_RAM}"
    if not ram_is_known(unit):
        message = "this botocore does not know `AWS_RAM` key policies; update it"
        unit.ledger("kms:GetKeyPolicy", subject, Outcome.SKIPPED, message=message)
        return replace(key, ram_status=Outcome.SKIPPED)
    sha256, status = _policy(unit, key, AWS_RAM, subject)
    return replace(key, ram_policy_sha256=sha256, ram_status=status)


def _policy(unit: Unit, key: KeyRow, name: str, subject: str) -> tuple[str | None, Outcome]:
    operation = "kms:GetKeyPolicy"
    try:
        answer = call(unit, operation, {"KeyId": key.key_id, "PolicyName": name}, subject)
    except CallFailedError as error:
        if name == AWS_RAM and error.failure.outcome is Outcome.GONE and key.policy_status is not Outcome.GONE:
            # NotFoundException says that the key has no such policy: it is not shared through RAM.
            unit.ledger(operation, subject, Outcome.EMPTY)
            return None, Outcome.EMPTY
        return None, unit.failed(operation, subject, error.failure)
    sha256 = keep_document(unit, operation, subject, answer["Policy"])
    ledger_key = (unit.account_id, unit.region, operation, subject)
    return sha256, unit.record.coverage[ledger_key].outcome


def _tags(unit: Unit, key: KeyRow) -> tuple[list[KeyTagRow], KeyRow]:
    found: dict[str, KeyTagRow] = {}

    def keep(page: Mapping[str, Any]) -> None:
        for tag in page["Tags"]:
            name = str(tag.get("TagKey", ""))
            found[name] = KeyTagRow(key.arn, name, str(tag.get("TagValue", "")))

    outcome = read_list(unit, "kms:ListResourceTags", key.key_id, keep, found)
    return list(found.values()), replace(key, tags_status=outcome)


def _tagged(tags: list[KeyTagRow], settings: CollectSettings) -> bool:
    held = {tag.tag_key: tag.tag_value for tag in tags}
    return all(held.get(name) in values for name, values in settings.keys_include_tags.items())
