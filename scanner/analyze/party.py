"""Which row of the severity table an outsider belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.analyze.caller import account_of, organization_of
from scanner.analyze.selectors import Naming, is_fence
from scanner.model.arn import is_account_id, parse_arn
from scanner.model.key import KeyFacts
from scanner.model.policy import ConditionTest
from scanner.model.world import World

PUBLIC = "public"
UNKNOWN_THIRD_PARTY = "unknown_third_party"
SERVICE_UNGUARDED = "service_unguarded"
SERVICE_GUARDED = "service_guarded"
OWN_OTHER_ORGANIZATION = "own_other_organization"
SAME_ORGANIZATION = "same_organization"

OUTSIDE_PARTIES = frozenset({PUBLIC, UNKNOWN_THIRD_PARTY})
"""Parties that are neither the organization nor an AWS service."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Who the user says is theirs: ids of further organizations, and their accounts by account id."""

    organizations: frozenset[str] = frozenset()
    accounts: Mapping[str, str] = field(default_factory=dict)


def party_of(naming: Naming, key: KeyFacts, world: World, trust: Trust) -> str:
    """The party of a selector as seen from a key (severity table).

    A unique id that no collected principal holds can only be of an account of ours that was not read (R2.14).
    """
    selector = naming.selector
    if selector.kind == "service":
        return SERVICE_GUARDED if _is_guarded(naming, key, world, trust) else SERVICE_UNGUARDED
    if selector.kind == "any":
        return PUBLIC
    if selector.kind == "organization":
        own = organization_of(world, key.account_id)
        if own is not None and own.id == selector.text:
            return SAME_ORGANIZATION
        return OWN_OTHER_ORGANIZATION if selector.text in trust.organizations else UNKNOWN_THIRD_PARTY
    if selector.kind == "unknown_id" and not selector.account_id:
        return SAME_ORGANIZATION if organization_of(world, key.account_id) else OWN_OTHER_ORGANIZATION
    return party_of_account(selector.account_id, key.account_id, world, trust)


def party_of_account(account_id: str, owner: str, world: World, trust: Trust) -> str:
    """The party of an account as seen from the account that owns a key."""
    own, other = organization_of(world, owner), organization_of(world, account_id)
    if own is not None and other is not None and own.id == other.id:
        return SAME_ORGANIZATION
    if account_id in trust.accounts or (account_id and account_of(world, account_id).ours):
        return OWN_OTHER_ORGANIZATION
    return UNKNOWN_THIRD_PARTY


def _is_guarded(naming: Naming, key: KeyFacts, world: World, trust: Trust) -> bool:
    """Whether every way a service is admitted is limited to sources of ours (R2.12)."""
    ours = _Ours(key, world, trust)
    statements = all(any(ours.limits(t) for t in named.statement.conditions) for named in naming.statements)
    return statements and all(ours.has_arn(grant.constraints.source_arn or "") for grant in naming.grants)


@dataclass(frozen=True, slots=True)
class _Ours:
    """What counts as a source of ours, as seen from a key."""

    key: KeyFacts
    world: World
    trust: Trust

    def limits(self, test: ConditionTest) -> bool:
        """Whether a test lets only sources of ours through."""
        checks = {
            "aws:sourceaccount": self.has_account, "aws:sourcearn": self.has_arn,
            "aws:sourceorgid": self.has_organization, "aws:sourceorgpaths": self.has_path,
        }  # fmt: skip
        key = test.key.lower()
        check = checks.get(key)
        if check is None or not is_fence(test) or bool(test.qualifier) is not (key == "aws:sourceorgpaths"):
            return False
        if test.operator == "StringLike" and any(a.is_open_before_account for a in map(parse_arn, test.values) if a):
            return False  # its wildcards run across the account (R5.20, R5.23)
        return all(map(check, test.values))

    def has_account(self, text: str) -> bool:
        """Whether an account is written out and ours, or the key's own by variable."""
        if text.lower() == "${aws:resourceaccount}" or text == self.key.account_id:
            return True
        party = party_of_account(text, self.key.account_id, self.world, self.trust)
        return is_account_id(text) and party != UNKNOWN_THIRD_PARTY

    def has_organization(self, text: str) -> bool:
        """Whether an organization is written out and ours, or the key's own by variable."""
        listed = {o.id for o in self.world.organizations if o.ours} | self.trust.organizations
        return text.lower() == "${aws:resourceorgid}" or text in listed

    def has_path(self, text: str) -> bool:
        """Whether a path starts in an organization of ours."""
        return self.has_organization(text.split("/", 1)[0])

    def has_arn(self, text: str) -> bool:
        """Whether a source is in an account of ours; an ARN without account must name the resource (S3 buckets)."""
        arn = parse_arn(text)
        if arn is None:
            return False
        if arn.account_id:
            return self.has_account(arn.account_id)
        name = arn.resource.split("/", 1)[0]
        return arn.service == "s3" and bool(name) and not any(c in name for c in "*?$")
