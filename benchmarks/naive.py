"""Decides what the naive reference evaluator (tests/reference) is told of one caller and one key of a world."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from scanner.analyze.request.caller import account_of
from scanner.model.arn import AccountId
from scanner.model.key import Grant, KeyFacts
from scanner.model.organization import Organization
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

import reference  # tests/ first

Json = dict[str, Any]
CONTEXTS = 20_000
"""How many concrete requests the reference tries for one question before it gives up."""


def judged(case: Json, principal: str, action: str, key_arn: str, as_of: str) -> str | None:
    """The reference's verdict; None where it would have to try too many contexts."""
    request = {"principal": principal, "action": action, "resource": key_arn}
    try:
        return str(reference.verdict(case, request, reference.Knowledge(now=as_of), CONTEXTS))
    except reference.TooManyContexts:
        return None


def case_of(world: World, key: KeyFacts, principal: str) -> Json:
    """The part of the world that a decision on this caller and this key can look at, as a case file writes it.

    Raises:
        ValueError: something of it was not read, which this does not translate.
    """
    account = principal.split(":")[4]
    facts = world.principals.get(principal)
    whole = (not key.gaps, key.key_policy is not None, facts is None or facts.complete)
    if not all(whole):
        raise ValueError(f"`{key.arn}` or `{principal}` was not read completely")
    return {
        "accounts": {a: _account(world, a) for a in (key.account_id, account)},
        "orgs": [_organization(o, (key.account_id, account)) for o in world.organizations],
        "keys": [_key(key)],
        "principals": [] if facts is None else [_principal(facts)],
    }


def _account(world: World, account_id: str) -> Json:
    facts = account_of(world, account_id)
    found: Json = {"collected": facts.collected and facts.iam_complete, "org_unknown": facts.organization_unknown}
    if facts.opted_in_regions is not None:
        found["opted_in_regions"] = sorted(facts.opted_in_regions)
    return found


def _organization(organization: Organization, accounts: Sequence[str]) -> Json:
    """The organization with the members in question; what hangs elsewhere in the tree concerns neither of them."""
    asked = {*map(AccountId, accounts), organization.management_account}
    members = {a: list(organization.members[a]) for a in sorted(asked) if a in organization.members}
    targets = {organization.root, *members, *(ou for path in members.values() for ou in path)}
    if organization.scps is None or organization.rcps is None:
        raise ValueError("the guardrails were not read")
    return {
        "id": organization.id, "root": organization.root, "management_account": organization.management_account,
        "members": members, "scp_enabled": organization.scp_enabled, "rcp_enabled": organization.rcp_enabled,
        "scps": _attached(organization.scps, targets), "rcps": _attached(organization.rcps, targets),
    }  # fmt: skip


def _attached(documents: Mapping[str, Sequence[PolicyText]], targets: set[str]) -> dict[str, list[Json]]:
    return {target: [_document(text) for text in documents[target]] for target in sorted(targets & documents.keys())}


def _key(key: KeyFacts) -> Json:
    assert key.key_policy is not None
    found: Json = {
        "arn": key.arn, "key_policy": _document(key.key_policy), "grants": [_grant(g) for g in key.grants or ()],
        "tags": dict(key.tags or {}), "aliases": list(key.aliases or ()), "manager": key.manager, "spec": key.spec,
        "usage": key.usage, "origin": key.origin, "state": key.state, "multi_region": key.multi_region,
        "multi_region_type": key.multi_region_type,
    }  # fmt: skip
    return found if key.ram_policy is None else {**found, "ram_policy": _document(key.ram_policy)}


def _grant(grant: Grant) -> Json:
    found: Json = {
        "grant_id": grant.grant_id, "operations": list(grant.operations), "issuing_account": grant.issuing_account,
        "constraints": grant.constraints.as_api(),
    }  # fmt: skip
    for name in ("grantee_principal", "grantee_service_principal", "retiring_principal", "retiring_service_principal"):
        if getattr(grant, name):
            found[name] = getattr(grant, name)
    return found


def _principal(facts: PrincipalFacts) -> Json:
    found: Json = {
        "arn": facts.arn, "identity_policies": [_document(text) for text in facts.identity_policies],
        "tags": dict(facts.tags), "unique_id": facts.unique_id,
    }  # fmt: skip
    if facts.boundary is not None:
        found["boundary"] = _document(facts.boundary)
    if facts.trust_policy is not None:
        found["trust_policy"] = _document(facts.trust_policy)
    return found


def _document(policy: PolicyText) -> Json:
    return _parsed(policy.text)


@lru_cache(maxsize=10_000)
def _parsed(text: str) -> Json:
    found: Json = json.loads(text)
    return found
