"""IAM users, roles and their sessions with every policy that limits or helps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from scanner.model.arn import AccountId
from scanner.model.policy import PolicyText
from scanner.model.value import value_class


class PrincipalKind(StrEnum):
    """What kind of caller a principal is; decides which statements match it (R2.2 to R2.12)."""

    ROLE = "role"
    USER = "user"
    SESSION = "session"
    FEDERATED = "federated"
    ROOT_USER = "root_user"
    ACCOUNT = "account"
    """Any identity of an account nobody collected."""
    ANY = "any"
    """Any identity of any AWS account."""
    SERVICE = "service"
    PROVIDER = "provider"
    """An identity provider: whoever it vouches for, before a role is assumed (R7.11)."""


@value_class
class PrincipalFacts:
    """A user, role, or a session that was listed with what it was given.

    `complete` is false where part of the identity side could not be read (R3.74); `gap` then names the ledger row.
    `session_policies` is None where no session policy is known (R3.27).
    """

    arn: str
    account_id: AccountId
    kind: PrincipalKind
    identity_policies: tuple[PolicyText, ...] = ()
    boundary: PolicyText | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    trust_policy: PolicyText | None = None
    unique_id: str = ""
    parent: str = ""
    """For a session its role's ARN, for a federated user the ARN of the IAM user that asked for it."""
    session_policies: tuple[PolicyText, ...] | None = None
    session_tags: Mapping[str, str] = field(default_factory=dict)
    complete: bool = True
    gap: str = ""
