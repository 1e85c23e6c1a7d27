"""The rows of a snapshot as frozen dataclasses: one class per table, one field per column.

The columns' meaning stands in `schema.sql`. A `UnitRecord` gathers what one unit of work yields; the store writes it
in one transaction.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from scanner.model.coverage import LedgerRow, Outcome


@dataclass(frozen=True, slots=True)
class Answer:
    """One API answer as received; `status` 0 where none came."""

    service: str
    operation: str
    params: str
    subject: str
    status: int
    request_id: str
    server_date: str
    body: bytes


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A known account, in scope or not."""

    account_id: str
    name: str = ""
    email: str = ""
    status: str = ""
    in_organization: bool = False
    collected: bool = False
    scanned: bool = True
    exclusion_reason: str = ""


@dataclass(frozen=True, slots=True)
class RegionRow:
    """A region as an account sees it."""

    account_id: str
    region: str
    opt_status: str
    scanned: bool


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    """The caller's organization and how much of it was read."""

    id: str
    management_account_id: str
    management_account_arn: str
    root_id: str
    scp_enabled: bool | None
    rcp_enabled: bool | None
    tree_read: Outcome
    scp_read: Outcome
    rcp_read: Outcome


@dataclass(frozen=True, slots=True)
class OuRow:
    """An organizational unit under the root or another one."""

    id: str
    parent_id: str
    name: str


@dataclass(frozen=True, slots=True)
class OrgMemberRow:
    """Where an account hangs in the tree."""

    account_id: str
    parent_id: str


@dataclass(frozen=True, slots=True)
class OrgPolicyRow:
    """A service control or resource control policy."""

    policy_id: str
    type: str
    name: str
    arn: str
    aws_managed: bool
    document_sha256: str | None


@dataclass(frozen=True, slots=True)
class OrgAttachmentRow:
    """A policy on a root, an OU or an account."""

    target_id: str
    policy_id: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A KMS key and the outcome of every call about it."""

    arn: str
    account_id: str
    region: str
    key_id: str
    state: str | None = None
    manager: str | None = None
    spec: str | None = None
    usage: str | None = None
    origin: str | None = None
    description: str | None = None
    multi_region: bool | None = None
    multi_region_type: str | None = None
    created: str | None = None
    policy_sha256: str | None = None
    ram_policy_sha256: str | None = None
    describe_status: Outcome = Outcome.SKIPPED
    policy_status: Outcome = Outcome.SKIPPED
    ram_status: Outcome = Outcome.SKIPPED
    grants_status: Outcome = Outcome.SKIPPED
    tags_status: Outcome = Outcome.SKIPPED
    aliases_status: Outcome = Outcome.SKIPPED
    last_used: str | None = None


@dataclass(frozen=True, slots=True)
class SharedKeyRow:
    """A key of another account that is shared with an account through RAM."""

    account_id: str
    region: str
    key_arn: str


@dataclass(frozen=True, slots=True)
class KeyTagRow:
    """One tag of a key."""

    key_arn: str
    tag_key: str
    tag_value: str


@dataclass(frozen=True, slots=True)
class AliasRow:
    """An alias and the key it points to."""

    arn: str
    name: str
    key_arn: str


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A grant with everything ListGrants says about it."""

    key_arn: str
    grant_id: str
    name: str | None
    created: str | None
    grantee_principal: str | None
    grantee_service_principal: str | None
    retiring_principal: str | None
    retiring_service_principal: str | None
    issuing_account: str | None
    operations: str
    constraints: str | None


@dataclass(frozen=True, slots=True)
class PrincipalRow:
    """An IAM user or role."""

    arn: str
    account_id: str
    kind: str
    name: str
    path: str
    unique_id: str
    tags: str
    boundary_arn: str | None
    trust_sha256: str | None
    last_used: str | None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """An IAM group."""

    arn: str
    account_id: str
    name: str
    path: str
    unique_id: str


@dataclass(frozen=True, slots=True)
class GroupMemberRow:
    """A user in a group."""

    group_arn: str
    user_arn: str


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """A managed policy as seen from one account."""

    account_id: str
    arn: str
    name: str
    aws_managed: bool
    default_version_id: str
    document_sha256: str | None


@dataclass(frozen=True, slots=True)
class PrincipalPolicyRow:
    """An identity policy that applies to a principal."""

    principal_arn: str
    source: str
    policy_name: str
    policy_arn: str
    group_arn: str
    document_sha256: str | None


@dataclass(frozen=True, slots=True)
class IdentityProviderRow:
    """An OIDC or SAML provider of an account."""

    arn: str
    account_id: str
    kind: str


TABLES: dict[type, str] = {
    AccountRow: "accounts",
    RegionRow: "regions",
    OrganizationRow: "organizations",
    OuRow: "ous",
    OrgMemberRow: "org_members",
    OrgPolicyRow: "org_policies",
    OrgAttachmentRow: "org_attachments",
    KeyRow: "keys",
    SharedKeyRow: "shared_keys",
    KeyTagRow: "key_tags",
    AliasRow: "aliases",
    GrantRow: "grants",
    PrincipalRow: "principals",
    GroupRow: "groups",
    GroupMemberRow: "group_members",
    PolicyRow: "policies",
    PrincipalPolicyRow: "principal_policies",
    IdentityProviderRow: "identity_providers",
}
"""Which table each row class is written to."""


@dataclass(slots=True)
class UnitRecord:
    """What one unit of work yields; written in one transaction."""

    unit: str
    state: str = "complete"
    answers: list[Answer] = field(default_factory=list)
    documents: dict[str, str] = field(default_factory=dict)
    coverage: dict[tuple[str, str, str, str], LedgerRow] = field(default_factory=dict)
    rows: list[object] = field(default_factory=list)

    def document(self, text: str) -> str:
        """Keep a document's exact text; returns the SHA-256 it is found under."""
        sha256 = hashlib.sha256(encoded(text)).hexdigest()
        self.documents[sha256] = text
        return sha256

    def ledger(self, row: LedgerRow) -> None:
        """Add a coverage row; a later one about the same call and subject replaces it."""
        self.coverage[(row.account_id, row.region, row.call, row.subject)] = row


def encoded(text: str) -> bytes:
    """UTF-8 that also holds what JSON can smuggle in: lone surrogates survive the round trip."""
    return text.encode("utf-8", "surrogatepass")
