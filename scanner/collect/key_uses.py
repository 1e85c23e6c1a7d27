"""Reads what a key's own documents do not say: which keys RAM shares with an account, when a key was last used."""

from __future__ import annotations

from scanner.collect.outcome import CallFailedError, MismatchError
from scanner.collect.wire import Unit, call, iso, pages
from scanner.model.arn import parse_arn
from scanner.model.coverage import Outcome
from scanner.snapshot.rows import SharedKeyRow

SHARED = "OTHER_ACCOUNTS_VIA_RAM"
_LIST, _LAST_USE = "kms:ListKeys", "kms:GetKeyLastUsage"


def ram_is_known(unit: Unit) -> bool:
    """Whether this botocore knows keys shared through RAM and their second policy, `AWS_RAM` (R2.19).

    The policy's name is a free string in the model, so the feature is told by the parameter that came with it.
    """
    model = unit.connection.model("kms").operation_model("ListKeys")
    shape = model.input_shape
    return shape is not None and "ResourceOwners" in shape.members


def read_shared_keys(unit: Unit) -> None:
    """List the keys that other accounts share with this one through RAM (R10.8).

    The list says that a share reaches the account; what it allows stands in the owner's `AWS_RAM` policy. An endpoint
    that answers the account's own keys does not know the parameter, and has said nothing about shares.
    """
    if not ram_is_known(unit):
        message = "this botocore does not know keys shared through RAM; update it"
        unit.ledger(_LIST, SHARED, Outcome.SKIPPED, message=message)
        return
    found: set[str] = set()
    try:
        for page in pages(unit, _LIST, {"ResourceOwners": [SHARED]}, SHARED):
            found.update(str(key.get("KeyArn", "")) for key in page["Keys"])
    except CallFailedError as error:
        unit.failed(_LIST, SHARED, error.failure)
    else:
        if unit.account_id in {arn.account_id for arn in map(parse_arn, found) if arn}:
            message = "the endpoint does not know `ResourceOwners`: it lists the account's own keys"
            unit.ledger(_LIST, SHARED, Outcome.SKIPPED, message=message)
            return
        told = f"keys of other accounts that are shared with this one: {len(found)}" if found else ""
        unit.ledger(_LIST, SHARED, Outcome.OK if found else Outcome.EMPTY, message=told)
    unit.record.rows.extend(SharedKeyRow(unit.account_id, unit.region, arn) for arn in sorted(found))


def read_last_use(unit: Unit, key_id: str) -> str | None:
    """When a key was last used for cryptography (R9.23); None where that was not answered.

    AWS records uses since some day. A key without one is `not since` that day: it may have been used before.
    """
    model = unit.connection.model("kms")
    if "GetKeyLastUsage" not in model.operation_names:
        unit.ledger(_LAST_USE, key_id, Outcome.SKIPPED, message="this botocore does not know the call; update it")
        return None
    try:
        answer = call(unit, _LAST_USE, {"KeyId": key_id}, key_id)
    except CallFailedError as error:
        unit.failed(_LAST_USE, key_id, error.failure)
        return None
    if str(answer["KeyId"]).rsplit("/", 1)[-1] != key_id:
        raise MismatchError(f"asked for key `{key_id}`, was answered `{answer['KeyId']}`")
    used = iso((answer.get("KeyLastUsage") or {}).get("Timestamp"))
    unit.ledger(_LAST_USE, key_id, Outcome.OK if used else Outcome.EMPTY)
    return used or f"not since {iso(answer['TrackingStartDate'])}"
