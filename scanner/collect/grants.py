"""Reads which grants the keys of one account and region have, by two lists that must agree.

`ListGrants` is asked of each key. `ListRetirableGrants` is asked of each retiring principal of the account that those
grants name, and lists its grants over all keys: one that the first list did not have shows that it was not whole.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Container, Iterable, Mapping
from dataclasses import replace
from typing import Any

from scanner.collect.outcome import CallFailedError, Failure, MismatchError, UnitStoppedError, advice
from scanner.collect.wire import Unit, iso, pages, read_list, text
from scanner.model.arn import key_id_of, parse_arn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.ledger import READ
from scanner.snapshot.rows import GrantRow, KeyRow

logger = logging.getLogger(__name__)

RETIRABLE = "kms:ListRetirableGrants"
_LIST, _LIST_KEYS = "kms:ListGrants", "kms:ListKeys"
_INCOMPLETE = "IncompleteList"
_NAMED = 3
"""Grants or keys that a message names."""


def read_grants(unit: Unit, key: KeyRow) -> Outcome:
    """Read the grants of a key into the unit's record."""
    found, outcome = _listed(unit, key)
    unit.record.rows.extend(found.values())
    return outcome


def check_grants(unit: Unit, listed: Container[str]) -> None:
    """Compare the grants of every key with what their retiring principals may retire (API KMS:ListRetirableGrants).

    A grant that only the second list has counts, and the key's own list is asked once more, because the grant may have
    been made in between. If it is still not there, the grants of the key count as not read completely. Only principals
    of the account can be asked about. Grants on keys of other accounts stay in the raw answers.

    Args:
        listed: ids of the keys that the region's lists name.
    """
    keys = {row.key_id: row for row in unit.record.rows if isinstance(row, KeyRow)}
    grants = [row for row in unit.record.rows if isinstance(row, GrantRow)]
    known = {(key_id_of(grant.key_arn), grant.grant_id) for grant in grants}
    missed: dict[str, dict[str, GrantRow]] = {}
    for principal in sorted({grant.retiring_principal or "" for grant in grants}):
        if _account_of(principal) == unit.account_id:
            for grant in _retirable(unit, principal):
                key_id = key_id_of(grant.key_arn)
                if (key_id, grant.grant_id) not in known:
                    missed.setdefault(key_id, {})[grant.grant_id] = grant
    _tell_unlisted(unit, [key_id for key_id in missed if key_id not in listed])
    for key_id, hidden in missed.items():
        # A key that the configuration left out has no row, and one that AWS manages was not asked about.
        if key_id in keys and keys[key_id].grants_status is not Outcome.SKIPPED:
            held = {grant_id for its_key, grant_id in known if its_key == key_id}
            _add(unit, keys[key_id], hidden, held)


def not_checked(unit: Unit, principal: str, failure: Failure) -> None:
    """Note that a cross-check failed. It is no gap: the grants themselves were read with `ListGrants`, or that failed.

    An audit role of an older version does not allow the call.
    """
    message = f"no cross-check, which weakens no verdict: {failure.code}: {failure.message}"
    todo = advice(failure.outcome, RETIRABLE)
    row = (unit.account_id, unit.region, RETIRABLE, principal, Outcome.SKIPPED, failure.code, message, todo)
    unit.record.ledger(LedgerRow(*row))


def _listed(unit: Unit, key: KeyRow) -> tuple[dict[str, GrantRow], Outcome]:
    found: dict[str, GrantRow] = {}

    def keep(page: Mapping[str, Any]) -> None:
        found.update({grant.grant_id: grant for grant in _grants(page, key.arn)})

    return found, read_list(unit, _LIST, key.key_id, keep, found)


def _retirable(unit: Unit, principal: str) -> Iterable[GrantRow]:
    """The grants on keys of the account that a principal may retire; what was read before a failure counts."""
    found: list[GrantRow] = []
    try:
        for page in pages(unit, RETIRABLE, {"RetiringPrincipal": principal}, principal):
            found.extend(_grants(page))
    except CallFailedError as error:
        not_checked(unit, principal, error.failure)
    except (MismatchError, UnitStoppedError):
        raise
    except Exception as error:
        logger.exception("a cross-check of grants ended with a bug", extra=unit.log_fields(RETIRABLE))
        not_checked(unit, principal, Failure(Outcome.ERROR, type(error).__name__, str(error)))
    else:
        foreign = sum(_account_of(grant.key_arn) not in {"", unit.account_id} for grant in found)
        message = f"grants on keys of other accounts: {foreign}" if foreign else ""
        unit.ledger(RETIRABLE, principal, Outcome.OK if found else Outcome.EMPTY, message=message)
    return [grant for grant in found if _account_of(grant.key_arn) in {"", unit.account_id}]


def _add(unit: Unit, key: KeyRow, hidden: Mapping[str, GrantRow], held: Container[str]) -> None:
    """Add grants that the list of a key did not have, and mark the list where it does not have them now either."""
    again, status = _listed(unit, key) if key.grants_status in READ else ({}, key.grants_status)
    lacking = sorted(hidden.keys() - again.keys())
    if lacking and status in READ:
        status = Outcome.ERROR
        message = f"the list is not whole: `{RETIRABLE}` has grants of this key that it lacks: {_some(lacking)}"
        unit.ledger(_LIST, key.key_id, status, code=_INCOMPLETE, message=message)
    rows = unit.record.rows
    for grant_id, grant in {**hidden, **again}.items():
        if grant_id not in held:
            rows.append(replace(grant, key_arn=key.arn))
    rows[rows.index(key)] = replace(key, grants_status=status)


def _tell_unlisted(unit: Unit, key_ids: list[str]) -> None:
    """A key that has a grant and that no list named: the region's list of keys is not whole."""
    known = unit.record.coverage.get((unit.account_id, unit.region, _LIST_KEYS, ""))
    if key_ids and not (known and known.outcome.is_gap):
        message = f"the list is not whole: `{RETIRABLE}` has grants of keys that it lacks: {_some(key_ids)}"
        unit.ledger(_LIST_KEYS, "", Outcome.ERROR, code=_INCOMPLETE, message=message)


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:_NAMED]) + (f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else "")


def _account_of(arn: str) -> str:
    parsed = parse_arn(arn)
    return parsed.account_id if parsed else ""


def _grants(page: Mapping[str, Any], key_arn: str = "") -> Iterable[GrantRow]:
    """The grants of a page; without `key_arn`, on the keys that they name themselves."""
    for entry in page["Grants"]:
        constraints = entry.get("Constraints")
        yield GrantRow(
            key_arn=key_arn or str(entry.get("KeyId", "")),
            grant_id=str(entry.get("GrantId", "")),
            name=text(entry.get("Name")),
            created=iso(entry.get("CreationDate")),
            grantee_principal=text(entry.get("GranteePrincipal")),
            grantee_service_principal=text(entry.get("GranteeServicePrincipal")),
            retiring_principal=text(entry.get("RetiringPrincipal")),
            retiring_service_principal=text(entry.get("RetiringServicePrincipal")),
            issuing_account=text(entry.get("IssuingAccount")),
            operations=json.dumps([str(operation) for operation in entry.get("Operations", ())]),
            constraints=json.dumps(constraints, sort_keys=True) if constraints else None,
        )
