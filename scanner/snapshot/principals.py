"""The users and roles of a snapshot, each incomplete where part of its identity side was not read (R3.74)."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator

from scanner.model.arn import AccountId
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.snapshot.ledger import IDENTITY_CALL, Ledger
from scanner.snapshot.part import Part, narrowed

_CALLS = (IDENTITY_CALL, "iam:GetPolicy", "iam:GetPolicyVersion")
TextOf = Callable[[str, DocumentKind, str, str], PolicyText]
"""A document by hash, kind, source and name."""


def load_principals(
    rows: sqlite3.Connection, ledger: Ledger, text_of: TextOf, part: Part | None = None
) -> dict[str, PrincipalFacts]:
    """Every user and role by ARN; those of the accounts in question where a part is given.

    Raises:
        SnapshotError: a document that an index names is missing or damaged.
    """
    gaps = _gaps(rows, ledger, part)
    policies = _identity_policies(rows, text_of, part)
    managed = narrowed("SELECT account_id, arn, document_sha256 FROM policies WHERE {accounts}", part)
    boundaries = {(account, arn): sha256 for account, arn, sha256 in rows.execute(*managed)}
    found: dict[str, PrincipalFacts] = {}
    tagged: dict[str, dict[str, str]] = {}
    people = narrowed(
        "SELECT arn, account_id, kind, unique_id, tags, boundary_arn, trust_sha256 FROM principals "
        "WHERE {accounts} ORDER BY arn", part,
    )  # fmt: skip
    for arn, account, kind, unique_id, tags, boundary_arn, trust in rows.execute(*people):
        texts, missing = policies.get(arn, ((), False))
        limit = None if boundary_arn is None else boundaries.get((account, boundary_arn))
        missing |= (boundary_arn is not None and limit is None) or (kind == "role" and trust is None)
        name = f"permissions boundary {(boundary_arn or '').rsplit('/', 1)[-1]}"
        complete = not missing and arn not in gaps
        found[arn] = PrincipalFacts(
            arn=arn,
            account_id=AccountId(account),
            kind=PrincipalKind(kind),
            identity_policies=texts,
            boundary=text_of(limit, DocumentKind.BOUNDARY, boundary_arn, name) if limit else None,
            tags=tagged[tags] if tags in tagged else tagged.setdefault(tags, json.loads(tags)),
            trust_policy=text_of(trust, DocumentKind.TRUST, arn, "trust policy") if trust else None,
            unique_id=unique_id,
            complete=complete,
            gap="" if complete else gaps.get(arn) or ledger.why(account, "global", (IDENTITY_CALL, "")),
        )
    return found


def _identity_policies(
    rows: sqlite3.Connection, text_of: TextOf, part: Part | None
) -> dict[str, tuple[tuple[PolicyText, ...], bool]]:
    """The identity policies of every principal that has some, and whether one of them was not read."""
    texts: dict[str, list[PolicyText]] = defaultdict(list)
    missing: set[str] = set()
    query = narrowed(
        "SELECT principal_arn, source, policy_name, policy_arn, group_arn, document_sha256 FROM principal_policies "
        "WHERE {principals} ORDER BY principal_arn, source, policy_name, policy_arn, group_arn", part,
    )  # fmt: skip
    for principal, source, name, arn, group, sha256 in rows.execute(*query):
        found = texts[principal]
        if sha256 is None:
            missing.add(principal)
            continue
        shape = "managed" if source.endswith("managed") else "inline"
        label = f"{shape} policy {name}"
        if group:
            label += f" of group {group.rsplit('/', 1)[-1]}"
        found.append(text_of(sha256, DocumentKind.IDENTITY, arn or group or principal, label))
    alike: dict[tuple[int, ...], tuple[PolicyText, ...]] = {}  # many hold the same: one tuple for all of them
    return {
        principal: (alike.setdefault(tuple(map(id, held)), tuple(held)), principal in missing)
        for principal, held in texts.items()
    }


# -- which principals an unread part of IAM concerns ------------------------------------------------------------------


def _gaps(rows: sqlite3.Connection, ledger: Ledger, part: Part | None) -> dict[str, str]:
    """The first ledger row about an unread part of each principal's identity side, by principal.

    A row about a group concerns its members, one about a managed policy whoever has it attached or as a boundary. A row
    whose subject is none of these could be about anybody in the account.
    """
    holders = _holders(rows, part)
    everybody: dict[str, set[str]] = defaultdict(set)
    for account, arn in rows.execute(*narrowed("SELECT account_id, arn FROM principals WHERE {accounts}", part)):
        everybody[account].add(arn)
    found: dict[str, str] = {}
    for row in ledger.unread(*_CALLS):
        known = [holders[row.account_id, arn] for arn in _whose(row.subject) if (row.account_id, arn) in holders]
        for principal in set().union(*known) if known else everybody[row.account_id]:
            found.setdefault(principal, row.ref)
    return found


def _whose(subject: str) -> Iterator[str]:
    """What a subject `ARN` or `ARN#part` can be about; the path of an ARN may hold a `#` itself."""
    parts = subject.split("#")
    return ("#".join(parts[:end]) for end in range(1, len(parts) + 1))


def _holders(rows: sqlite3.Connection, part: Part | None) -> dict[tuple[str, str], set[str]]:
    """The principals behind every principal, group and managed policy of an account, by (account, ARN)."""
    found: dict[tuple[str, str], set[str]] = {}
    for query in (
        "SELECT account_id, arn FROM groups WHERE {accounts}",
        "SELECT account_id, arn FROM policies WHERE {accounts}",
    ):
        found.update(((account, arn), set()) for account, arn in rows.execute(*narrowed(query, part)))
    people = narrowed("SELECT account_id, arn, boundary_arn FROM principals WHERE {accounts}", part)
    for account, arn, boundary in rows.execute(*people):
        found.setdefault((account, arn), set()).add(arn)
        if boundary is not None:
            found.setdefault((account, boundary), set()).add(arn)
    held_by = narrowed(
        "SELECT account_id, principal_arn, policy_arn, group_arn FROM principal_policies "
        "JOIN principals ON arn = principal_arn WHERE {accounts}", part,
    )  # fmt: skip
    for account, principal, policy, group in rows.execute(*held_by):
        for held in {policy, group} - {""}:
            found.setdefault((account, held), set()).add(principal)
    return found
