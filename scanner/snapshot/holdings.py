"""What a snapshot holds of one key: its grants, and the hashes of its policies."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from scanner.model.arn import parse_arn
from scanner.model.key import Grant, GrantConstraints
from scanner.snapshot.part import Part, narrowed

KEY_POLICY = "key policy default"
RAM_POLICY = "key policy AWS_RAM"
"""What the two policies of a key are called, here and in every StatementRef."""

_GRANTS = (
    "SELECT key_arn, grant_id, name, created, grantee_principal, grantee_service_principal, retiring_principal, "
    "retiring_service_principal, issuing_account, operations, constraints FROM grants "
)


def key_policies(connection: sqlite3.Connection, key_arn: str) -> tuple[tuple[str, str], ...]:
    """Name and SHA-256 of every policy of a key that was read; none for a key that the snapshot does not know."""
    found = connection.execute("SELECT policy_sha256, ram_policy_sha256 FROM keys WHERE arn = ?", (key_arn,)).fetchone()
    return tuple((name, sha256) for name, sha256 in zip((KEY_POLICY, RAM_POLICY), found or (), strict=False) if sha256)


def key_grants(connection: sqlite3.Connection, key_arn: str, most: int) -> tuple[Grant, ...]:
    """The first `most` grants of a key by id; a key can hold 50,000 (AWS KMS quotas)."""
    rows = connection.execute(f"{_GRANTS}WHERE key_arn = ? ORDER BY grant_id LIMIT ?", (key_arn, most))
    return tuple(grant for _, grant in _grants(rows))


def all_grants(connection: sqlite3.Connection, part: Part | None = None) -> Iterator[tuple[str, Grant]]:
    """Every grant of a snapshot or a part of it, with the ARN of its key, ordered by key and id."""
    return _grants(connection.execute(*narrowed(f"{_GRANTS}WHERE {{key}} ORDER BY key_arn, grant_id", part)))


def _grants(rows: sqlite3.Cursor) -> Iterator[tuple[str, Grant]]:
    for row in rows:
        key_arn, grant_id, name, created, grantee, service, retiring, retiring_service, issuer, operations, rest = row
        issuing = parse_arn(issuer or "")
        yield (
            key_arn,
            Grant(
                grant_id=grant_id,
                operations=tuple(json.loads(operations)),
                grantee_principal=grantee or "",
                grantee_service_principal=service or "",
                retiring_principal=retiring or "",
                retiring_service_principal=retiring_service or "",
                issuing_account=issuing.account_id if issuing else issuer or "",
                constraints=GrantConstraints.from_api(json.loads(rest) if rest else None),
                name=name or "",
                created=created or "",
            ),
        )
