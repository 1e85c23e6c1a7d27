"""Which row of the severity table an outsider belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from scanner.analyze.principals.approvals import ApprovedAccount, ApprovedProvider, Use, beyond, in_date, not_read_for
from scanner.analyze.principals.borders import Crossing, InnerBoundary, crossing
from scanner.analyze.principals.selectors import Naming, is_fence
from scanner.analyze.request.caller import account_of, organization_of
from scanner.model.approval import Approval
from scanner.model.arn import is_account_id, parse_arn
from scanner.model.key import KeyFacts
from scanner.model.policy import ConditionTest
from scanner.model.value import value_class
from scanner.model.world import World

PUBLIC = "public"
UNKNOWN_THIRD_PARTY = "unknown_third_party"
IDENTIFIED_VENDOR = "identified_vendor"
EXPIRED_PARTNER = "expired_partner"
PARTNER_EXCEEDS_APPROVAL = "partner_exceeds_approval"
PARTNER_ROLE_WITHOUT_EXTERNAL_ID = "partner_role_without_external_id"
"""An approved partner enters a role whose trust asks for no `sts:ExternalId` (R7.6): raised for paths only."""
APPROVED_PARTNER = "approved_partner"
SERVICE_UNGUARDED = "service_unguarded"
SERVICE_GUARDED = "service_guarded"
OWN_OTHER_ORGANIZATION = "own_other_organization"
SAME_ORGANIZATION = "same_organization"

OUTSIDE_PARTIES = frozenset({
    PUBLIC, UNKNOWN_THIRD_PARTY, IDENTIFIED_VENDOR, EXPIRED_PARTNER, PARTNER_EXCEEDS_APPROVAL,
})  # fmt: skip
"""Parties that are neither ours, nor an AWS service, nor approved for what they do."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Who the user says is theirs or approved.

    `organizations` are ids of further organizations the user owns, `accounts` their members by account id. `vendors`
    names accounts that others have published, by account id: a name is no approval.
    """

    organizations: frozenset[str] = frozenset()
    accounts: Mapping[str, str] = field(default_factory=dict)
    approvals: tuple[ApprovedAccount, ...] = ()
    providers: tuple[ApprovedProvider, ...] = ()
    vendors: Mapping[str, str] = field(default_factory=dict)
    boundaries: tuple[InnerBoundary, ...] = ()


@value_class
class Standing:
    """Where somebody stands towards a key, for one capability: the row of the severity table, and why.

    `name` is what the user or the list of vendors calls the account; `approval` the one that counts, or that falls
    short; `note` a clause for the severity trail; `unread` the parts of the key that would have decided.
    """

    party: str
    name: str = ""
    approval: Approval | None = None
    note: str = ""
    unread: tuple[str, ...] = ()
    crossing: Crossing = field(default_factory=Crossing)


def standing_of(account_id: str, owner: str, use: Use, world: World, trust: Trust) -> Standing:
    """Where an account stands towards a key of the account `owner`, for one capability.

    Everything that the user says counts here: approvals with their keys, capabilities and end dates, names of vendors,
    boundaries inside the organization. An approval of an account of ours says nothing: it is not a third party.
    """
    party = party_of_account(account_id, owner, world, trust)
    if party == SAME_ORGANIZATION:
        return Standing(party, crossing=crossing((account_id,), owner, world, trust.boundaries))
    return _third_party(account_id, use, world, trust) if party == UNKNOWN_THIRD_PARTY else Standing(party)


def standing_of_naming(
    naming: Naming, key: KeyFacts, capability: str, callers: Iterable[str], world: World, trust: Trust
) -> Standing:
    """Where a selector of a key stands, for one capability.

    Args:
        callers: the accounts behind a selector that names no single one, such as an organization.
    """
    party, account_id = party_of(naming, key, world, trust), naming.selector.account_id
    if party == SAME_ORGANIZATION:
        inside = (account_id,) if account_id else callers
        return Standing(party, crossing=crossing(inside, key.account_id, world, trust.boundaries))
    if party == UNKNOWN_THIRD_PARTY and account_id:
        return _third_party(account_id, Use.of(key, capability), world, trust)
    return Standing(party)


def _third_party(account_id: str, use: Use, world: World, trust: Trust) -> Standing:
    """The best of what was approved: in date and wide enough; else what ended; else what does not go that far."""
    approvals = [a for a in trust.approvals if a.id == account_id]
    if not approvals:
        vendor = trust.vendors.get(account_id, "")
        return Standing(IDENTIFIED_VENDOR, vendor) if vendor else Standing(UNKNOWN_THIRD_PARTY)
    ranked = []
    for approval in approvals:
        lacking, valid = beyond(approval, use), in_date(approval.expires, world.as_of)
        ranked.append((not lacking and valid, not lacking, valid, approval.expires, approval, lacking))
    covered, _, valid, _, approval, lacking = max(ranked, key=lambda r: r[:4])
    shown = Approval(approval.approved_by, approval.expires, covered, approval.id)
    if covered:
        return Standing(APPROVED_PARTNER, approval.name, shown, f"approved until {approval.expires}")
    if not valid:
        return Standing(EXPIRED_PARTNER, approval.name, shown, f"the approval ended on {approval.expires}")
    return Standing(PARTNER_EXCEEDS_APPROVAL, approval.name, shown, lacking, not_read_for(approval, use))


def party_of(naming: Naming, key: KeyFacts, world: World, trust: Trust) -> str:
    """The party of a selector as seen from a key, before approvals and vendors: whose it is.

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
    """Whose an account is as seen from the account that owns a key: ours or a stranger's, before approvals."""
    own, other = organization_of(world, owner), organization_of(world, account_id)
    if own is not None and other is not None and own.id == other.id:
        return SAME_ORGANIZATION
    if account_id in trust.accounts or (account_id and account_of(world, account_id).ours):
        return OWN_OTHER_ORGANIZATION
    return UNKNOWN_THIRD_PARTY


def _is_guarded(naming: Naming, key: KeyFacts, world: World, trust: Trust) -> bool:
    """Whether every way a service is admitted is limited to sources of ours (R2.12)."""
    ours = Ours(key.account_id, world, trust)
    statements = all(any(ours.limits(t) for t in named.statement.conditions) for named in naming.statements)
    return statements and all(ours.has_arn(grant.constraints.source_arn or "") for grant in naming.grants)


@dataclass(frozen=True, slots=True)
class Ours:
    """What counts as a source of ours, as seen from the account of a key or role."""

    owner: str
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
        """Whether an account is written out and ours, or the owner's by variable."""
        if text.lower() == "${aws:resourceaccount}" or text == self.owner:
            return True
        party = party_of_account(text, self.owner, self.world, self.trust)
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
