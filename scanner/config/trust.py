"""What can be set about trust: who is ours, and which third parties are approved."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from scanner.config.types import (
    Account,
    Expiry,
    Flag,
    Issuer,
    KeySelector,
    OrganizationalUnit,
    OrganizationId,
    Section,
    Subject,
    Text,
)

Capability = Literal[
    "control", "delegate", "decrypt", "sign", "destroy", "encrypt", "revoke", "manage", "verify", "metadata"
]


class OwnOrganization(Section):
    """A further organization of the user."""

    id: OrganizationId = Field(description="Organization id.")
    name: Text | None = Field(default=None, description="Name for reports.")
    owner: Text | None = Field(default=None, description="Who answers for it.")
    accounts: tuple[Account, ...] = Field(default=(), description="Its members.")


class ApprovedAccount(Section):
    """An approved third party."""

    id: Account = Field(description="Account id of the third party.")
    name: Text = Field(description="Name for reports.")
    purpose: Text = Field(description="What the access is for.")
    owner: Text = Field(description="Who answers for it.")
    approved_by: Text | None = Field(default=None, description="Ticket or decision.")
    expires: Expiry = Field(description="After this date the account is treated as not approved.")
    keys: tuple[KeySelector, ...] = Field(
        default=(), description="Selectors the approval covers (tag:KEY=VALUE, ARNs, globs); empty: every key."
    )
    capabilities: tuple[Capability, ...] = Field(
        default=(), description="More than this is reported; empty: every capability."
    )


class ApprovedProvider(Section):
    """Subjects of an OIDC issuer that belong to the user."""

    issuer: Issuer = Field(description="Issuer without https://.")
    subjects: tuple[Subject, ...] = Field(
        min_length=1, description="Anchored globs; a trust policy must be at least this narrow."
    )
    name: Text | None = Field(default=None, description="Name for reports.")
    owner: Text = Field(description="Who answers for it.")
    expires: Expiry = Field(description="After this date the subjects are treated as not approved.")


class BoundaryMatch(Section):
    """Which accounts a boundary holds; one of the two."""

    ou: OrganizationalUnit | None = Field(default=None, description="Organizational unit id or path.")
    account: Account | None = Field(default=None, description="Account id.")


class Boundary(Section):
    """A border inside the organization."""

    name: Text = Field(description="Name for reports.")
    match: BoundaryMatch = Field(description="Which accounts are inside.")
    sensitive: Flag = Field(default=False, description="Access that crosses into it ranks one step higher again.")


class Trust(Section):
    """Who is ours and who is approved."""

    organizations: tuple[OwnOrganization, ...] = Field(default=(), description="Further organizations you own.")
    accounts: tuple[ApprovedAccount, ...] = Field(
        default=(), description="Third parties you have approved; nothing is approved by default."
    )
    identity_providers: tuple[ApprovedProvider, ...] = Field(
        default=(), description="Subjects of OIDC issuers that are yours; nothing is approved by default."
    )
    known_vendors: Text = Field(
        default="none",
        description="none, or a path to a list of vendors' account ids (names third parties; never lowers severity).",
    )
    boundaries: tuple[Boundary, ...] = Field(
        default=(),
        description="Access that crosses a boundary inside the organization ranks one step higher.",
    )
