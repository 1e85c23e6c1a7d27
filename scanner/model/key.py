"""KMS keys with their policies, grants, tags and aliases, and what of it could be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scanner.model.actions import is_asymmetric
from scanner.model.arn import AccountId, KeyArn
from scanner.model.policy import PolicyText
from scanner.model.value import value_class

_KNOWN_CONSTRAINTS = frozenset({"EncryptionContextEquals", "EncryptionContextSubset", "SourceArn"})


@dataclass(frozen=True, slots=True)
class GrantConstraints:
    """What a grant demands of a request (R4.17, R4.18): encryption context pairs and a pattern for aws:SourceArn."""

    encryption_context_equals: Mapping[str, str] | None = None
    encryption_context_subset: Mapping[str, str] | None = None
    source_arn: str | None = None
    unknown: tuple[str, ...] = ()
    """Names of constraints this version does not know; such a grant is never certain."""

    def __hash__(self) -> int:
        """Equal constraints hash alike: keys with equal grants are judged once. A mapping has no hash, its names do."""
        pairs = (self.encryption_context_equals, self.encryption_context_subset)
        return hash((*(frozenset(names or ()) for names in pairs), self.source_arn, self.unknown))

    @classmethod
    def from_api(cls, constraints: Mapping[str, Any] | None) -> GrantConstraints:
        """The constraints as ListGrants and CreateGrant write them."""
        data = constraints or {}
        return cls(
            encryption_context_equals=data.get("EncryptionContextEquals"),
            encryption_context_subset=data.get("EncryptionContextSubset"),
            source_arn=data.get("SourceArn"),
            unknown=tuple(sorted(set(data) - _KNOWN_CONSTRAINTS)),
        )

    def as_api(self) -> dict[str, object]:
        """The constraints as the KMS API writes them, without those that are not set."""
        found: dict[str, object] = {}
        if self.encryption_context_equals is not None:
            found["EncryptionContextEquals"] = dict(self.encryption_context_equals)
        if self.encryption_context_subset is not None:
            found["EncryptionContextSubset"] = dict(self.encryption_context_subset)
        if self.source_arn is not None:
            found["SourceArn"] = self.source_arn
        return found | dict.fromkeys(self.unknown, "not known to this version")


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as ListGrants returns it (R4.1); account ids instead of root ARNs for the issuing account."""

    grant_id: str
    operations: tuple[str, ...]
    grantee_principal: str = ""
    grantee_service_principal: str = ""
    retiring_principal: str = ""
    retiring_service_principal: str = ""
    issuing_account: str = ""
    constraints: GrantConstraints = field(default_factory=GrantConstraints)
    name: str = ""
    created: str = ""


@value_class
class KeyFacts:
    """One KMS key. A None in place of a value means that it was not read; `gaps` then names the ledger row by part.

    Parts are `describe`, `key_policy`, `ram_policy`, `grants`, `tags` and `aliases`.
    """

    arn: KeyArn
    account_id: AccountId
    region: str
    partition: str
    key_policy: PolicyText | None
    ram_policy: PolicyText | None = None
    ram_policy_read: bool = True
    grants: tuple[Grant, ...] | None = ()
    tags: Mapping[str, str] | None = field(default_factory=dict)
    aliases: tuple[str, ...] | None = ()
    manager: str = "CUSTOMER"
    spec: str = "SYMMETRIC_DEFAULT"
    usage: str = "ENCRYPT_DECRYPT"
    origin: str = "AWS_KMS"
    state: str = "Enabled"
    multi_region: bool = False
    multi_region_type: str = ""
    description: str = ""
    created: str = ""
    last_used: str = ""
    gaps: Mapping[str, str] = field(default_factory=dict)

    @property
    def grants_complete(self) -> bool:
        """Whether every grant was read; those that were read before a gap are in `grants` all the same."""
        return self.grants is not None and "grants" not in self.gaps

    @property
    def is_symmetric_encryption(self) -> bool:
        """Whether operations on this key may carry an encryption context (R5.50)."""
        return not is_asymmetric(self.spec) and not self.spec.startswith("HMAC_")

    @property
    def family(self) -> str:
        """The shared id of a multi-Region key and its replicas (R9.8); empty for single-Region keys."""
        key_id = self.arn.rsplit("/", 1)[-1]
        return key_id if key_id.startswith("mrk-") else ""
