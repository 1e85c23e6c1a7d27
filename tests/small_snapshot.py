"""A small collected organization in a snapshot file: two accounts, two keys, a stranger who is named and granted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.rows import (
    AccountRow,
    AliasRow,
    GrantRow,
    KeyRow,
    OrganizationRow,
    OrgAttachmentRow,
    OrgMemberRow,
    OrgPolicyRow,
    PrincipalPolicyRow,
    PrincipalRow,
    UnitRecord,
)
from scanner.snapshot.store import SnapshotStore

from builders import MANAGER, MEMBER, OWNER, STRANGER, allow, iam, policy

REGION = "eu-west-1"
CARDS = f"arn:aws:kms:{REGION}:{OWNER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
LOGS = f"arn:aws:kms:us-east-1:{OWNER}:key/5678abcd-12ab-34cd-56ef-1234567890ab"
READER, ADMIN = iam(MEMBER, "role/reader"), iam(OWNER, "role/admin")
MANAGED = f"arn:aws:iam::{OWNER}:policy/keys"
GRANT = "9a7f00000000000000000000000000000000000000000000000000000000cafe"
OWN = allow(iam(OWNER, "root"), "kms:*", Sid="Own")
CARD_POLICY = policy(
    OWN, allow({"AWS": [iam(MEMBER, "root"), iam(STRANGER, "root")]}, "kms:Decrypt", "kms:DescribeKey", Sid="Share")
)
"""The policy of CARDS: its own account, another one of the organization, and a stranger."""


def write_snapshot(path: Path, card_policy: Any = CARD_POLICY) -> Path:
    """The finished file; `path` ends with `snapshot.sqlite` inside a folder that is made."""
    record = UnitRecord("all")

    def doc(document: object) -> str:
        return record.document(json.dumps(document, indent=2))

    full = doc(policy(allow(None, "*")))
    rows: list[object] = [
        *(AccountRow(a, n, in_organization=True, collected=True) for a, n in ((OWNER, "cards"), (MEMBER, "lake"))),
        OrganizationRow("o-own", MANAGER, "arn", "r-1", True, True, Outcome.OK, Outcome.OK, Outcome.OK),
        *(OrgMemberRow(a, "r-1") for a in (OWNER, MEMBER)),
        OrgPolicyRow("p-full", "SERVICE_CONTROL_POLICY", "FullAWSAccess", "arn", True, full),
        *(OrgAttachmentRow(target, "p-full") for target in ("r-1", OWNER, MEMBER)),
        _key(CARDS, doc(card_policy)),
        _key(LOGS, doc(policy(OWN))),
        *(AliasRow(f"{arn.split(':key/')[0]}:alias/shared", "alias/shared", arn) for arn in (CARDS, LOGS)),
        AliasRow(f"arn:aws:kms:{REGION}:{OWNER}:alias/cards", "alias/cards", CARDS),
        GrantRow(
            CARDS, GRANT, "backup", None, iam(STRANGER, "role/backup"), None, None, None, iam(OWNER, "root"),
            '["Decrypt"]', None,
        ),
        *(_role(arn, doc(policy(allow("*", "sts:AssumeRole")))) for arn in (READER, ADMIN)),
        PrincipalPolicyRow(READER, "inline", "read", "", "", doc(policy(allow(None, "kms:Decrypt")))),
        PrincipalPolicyRow(ADMIN, "managed", "keys", MANAGED, "", doc(policy(allow(None, "kms:*")))),
    ]  # fmt: skip
    record.rows.extend(rows)
    for account in (OWNER, MEMBER):
        record.ledger(LedgerRow(account, "global", "iam:GetAccountAuthorizationDetails", "", Outcome.OK))
    with SnapshotStore.create(path) as store:
        store.write(record)
        meta = {"as_of": "2026-11-22T00:00:00Z", "run_id": path.parent.name, "finished": "2026-11-22T00:00:00Z"}
        store.finish(complete=True, meta=meta)
    return path


def _key(arn: str, digest: str) -> KeyRow:
    parts = arn.split(":")
    read = dict.fromkeys(("describe_status", "policy_status", "grants_status", "tags_status"), Outcome.OK)
    return KeyRow(
        arn, parts[4], parts[3], arn.rsplit("/", 1)[-1], state="Enabled", manager="CUSTOMER", spec="SYMMETRIC_DEFAULT",
        usage="ENCRYPT_DECRYPT", origin="AWS_KMS", multi_region=False, policy_sha256=digest,
        ram_status=Outcome.EMPTY, aliases_status=Outcome.OK, **read,
    )  # fmt: skip


def _role(arn: str, trust: str) -> PrincipalRow:
    name = arn.rsplit("/", 1)[-1]
    return PrincipalRow(arn, arn.split(":")[4], "role", name, "/", f"AROA{name.upper()}", "{}", None, trust, None)
