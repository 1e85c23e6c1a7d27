"""Which row of the severity table an outsider belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.analyze.caller import account_of, organization_of
from scanner.analyze.selectors import Naming
from scanner.model.key import KeyFacts
from scanner.model.world import World

PUBLIC = "public"
UNKNOWN_THIRD_PARTY = "unknown_third_party"
SERVICE_UNGUARDED = "service_unguarded"
SERVICE_GUARDED = "service_guarded"
OWN_OTHER_ORGANIZATION = "own_other_organization"
SAME_ORGANIZATION = "same_organization"

OUTSIDE_PARTIES = frozenset({PUBLIC, UNKNOWN_THIRD_PARTY})
"""Parties that are neither the organization nor an AWS service."""

_SOURCE_KEYS = frozenset({"aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"})


@dataclass(frozen=True, slots=True)
class Trust:
    """Who the user says is theirs: ids of further organizations, and their accounts by account id."""

    organizations: frozenset[str] = frozenset()
    accounts: Mapping[str, str] = field(default_factory=dict)


def party_of(naming: Naming, key: KeyFacts, world: World, trust: Trust) -> str:
    """The party of a selector as seen from a key (severity table)."""
    selector = naming.selector
    if selector.kind == "service":
        return SERVICE_GUARDED if is_guarded(naming) else SERVICE_UNGUARDED
    if selector.kind == "any":
        return PUBLIC
    if selector.kind == "organization":
        own = organization_of(world, key.account_id)
        if own is not None and own.id == selector.text:
            return SAME_ORGANIZATION
        return OWN_OTHER_ORGANIZATION if selector.text in trust.organizations else UNKNOWN_THIRD_PARTY
    return party_of_account(selector.account_id, key.account_id, world, trust)


def party_of_account(account_id: str, owner: str, world: World, trust: Trust) -> str:
    """The party of an account as seen from the account that owns a key."""
    own, other = organization_of(world, owner), organization_of(world, account_id)
    if own is not None and other is not None and own.id == other.id:
        return SAME_ORGANIZATION
    if account_id in trust.accounts or (account_id and account_of(world, account_id).ours):
        return OWN_OTHER_ORGANIZATION
    return UNKNOWN_THIRD_PARTY


def is_guarded(naming: Naming) -> bool:
    """Whether every way a service is admitted tests for whom it acts (R2.12)."""
    statements = all(
        any(
            test.key.lower() in _SOURCE_KEYS
            and not test.if_exists
            and test.qualifier != "ForAllValues"
            and "Not" not in test.operator
            and test.operator != "Null"
            for test in named.statement.conditions
        )
        for named in naming.statements
    )
    return statements and all(grant.constraints.source_arn is not None for grant in naming.grants)
