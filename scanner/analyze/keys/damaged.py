"""Documents that AWS would have refused: read and yet not understood, each a row of the ledger (R10.12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from scanner.analyze.language.parse import parse_policy
from scanner.model.arn import key_id_of
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

_IDENTITY_CALL = "iam:GetAccountAuthorizationDetails"
_POLICY_CALL = "organizations:DescribePolicy"
_WHAT_TO_DO = "look at the document in AWS; what it could decide reads as unknown"
_MOST_PROBLEMS = 3


def with_damaged_documents(world: World) -> World:
    """The world with a `malformed` row for every document that holds something AWS would have refused.

    The row takes the place of the one that says that the document was read.
    """
    rows = {row.ref: row for row in world.coverage}
    for row in _damaged(world):
        known = rows.get(row.ref)
        if known is None or not known.outcome.is_gap:
            rows[row.ref] = row
    if len(rows) == len(world.coverage) and all(row is rows[row.ref] for row in world.coverage):
        return world
    ordered = sorted(rows.values(), key=lambda r: (r.account_id, r.region, r.call, r.subject))
    return replace(world, coverage=tuple(ordered))


def _damaged(world: World) -> Iterator[LedgerRow]:
    for key in world.keys.values():
        key_id = key_id_of(key.arn)
        for policy, subject in ((key.key_policy, key_id), (key.ram_policy, f"{key_id}/AWS_RAM")):
            if policy is not None:
                yield from _row(policy, key.account_id, key.region, "kms:GetKeyPolicy", subject)
    for facts in world.principals.values():
        for policy in (*facts.identity_policies, facts.boundary, facts.trust_policy):
            if policy is not None:
                subject = f"{facts.arn}#{policy.name}" if policy.source == facts.arn else policy.source
                yield from _row(policy, facts.account_id, "global", _IDENTITY_CALL, subject)
    described = {row.subject: row for row in world.coverage if row.call == _POLICY_CALL}
    for organization in world.organizations:
        for attached in (organization.scps, organization.rcps):
            for policy in {p.source: p for found in (attached or {}).values() for p in found}.values():
                row = described.get(policy.source)
                account = row.account_id if row else organization.management_account
                yield from _row(policy, account, row.region if row else "global", _POLICY_CALL, policy.source)


def _row(policy: PolicyText, account_id: str, region: str, call: str, subject: str) -> Iterator[LedgerRow]:
    document = parse_policy(policy)
    problems = [*document.problems, *(f"statement {s.index}: {d}" for s in document.statements for d in s.damage)]
    if problems:
        more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        message = "; ".join(problems[:_MOST_PROBLEMS]) + more
        yield LedgerRow(
            account_id, region, call, subject, Outcome.MALFORMED, "MalformedDocument", message, _WHAT_TO_DO
        )  # fmt: skip


def is_damaged(policy: PolicyText) -> bool:
    """Whether the document holds something AWS would have refused."""
    document = parse_policy(policy)
    return bool(document.problems) or any(s.damage for s in document.statements)


def has_damage(facts: PrincipalFacts) -> bool:
    """Whether some document of a user or role holds something AWS would have refused."""
    documents = (*facts.identity_policies, facts.boundary, facts.trust_policy)
    return any(is_damaged(policy) for policy in documents if policy is not None)


def is_opaque(key: KeyFacts) -> bool:
    """Whether a policy of the key could not be read, or not as AWS reads it: neither clean nor a finding."""
    if key.key_policy is None:
        return True
    return any(is_damaged(policy) for policy in (key.key_policy, key.ram_policy) if policy)
