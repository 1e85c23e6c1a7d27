"""The shapes in which the demo organization is written down before anything is created."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from scanner.model.arn import AccountId, Region

KeyState = Literal["Enabled", "Disabled", "PendingDeletion"]
GuardrailType = Literal["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]


@dataclass(frozen=True, slots=True)
class Account:
    """A member account; `ou` is a path such as `/Workloads/Prod`."""

    name: str
    account_id: AccountId
    ou: str
    has_audit_role: bool = True
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A service or resource control policy with the OU paths it is attached to (`/` is the root)."""

    policy_type: GuardrailType
    name: str
    description: str
    targets: tuple[str, ...]
    document: str


@dataclass(frozen=True, slots=True)
class ManagedPolicy:
    """A customer managed IAM policy."""

    account_id: AccountId
    name: str
    document: str

    @property
    def arn(self) -> str:
        """The ARN it gets (all of them have the path `/`)."""
        return f"arn:aws:iam::{self.account_id}:policy/{self.name}"


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role; `boundary` and `managed` name managed policies of the same account."""

    account_id: AccountId
    name: str
    trust: str
    description: str = ""
    inline: dict[str, str] = field(default_factory=dict)
    managed: tuple[str, ...] = ()
    boundary: str | None = None
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceLinkedRole:
    """A role that AWS makes for one of its services; its name follows from the service."""

    account_id: AccountId
    service: str


@dataclass(frozen=True, slots=True)
class Group:
    """An IAM group with the managed policies of its members."""

    account_id: AccountId
    name: str
    managed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class User:
    """An IAM user in groups."""

    account_id: AccountId
    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OidcProvider:
    """An OpenID Connect provider that roles of the account may trust."""

    account_id: AccountId
    url: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant on a key; `issuing_account` is the account whose principal asked for it, by default the key's own."""

    name: str
    grantee_principal: str
    operations: tuple[str, ...]
    created: str
    retiring_principal: str | None = None
    encryption_context_subset: dict[str, str] | None = None
    issuing_account: AccountId | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A customer managed key, its policy text as an administrator would have saved it, and what hangs on it."""

    account_id: AccountId
    region: Region
    alias: str
    description: str
    policy: str
    spec: str = "SYMMETRIC_DEFAULT"
    usage: str = "ENCRYPT_DECRYPT"
    state: KeyState = "Enabled"
    tags: dict[str, str] = field(default_factory=dict)
    grants: tuple[Grant, ...] = ()
    replica: Replica | None = None
    created: str = "2020-11-16T09:00:00Z"
    policy_unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Replica:
    """The replica of a multi-Region key: its policy, alias and tags are its own (R9.8)."""

    region: Region
    alias: str
    policy: str
