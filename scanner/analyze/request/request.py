"""One question put to the evaluator: who, what, on which key, and what of the request is already known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.analyze.request.caller import Caller
from scanner.model.actions import Action
from scanner.model.key import GrantConstraints, KeyFacts
from scanner.model.principal import PrincipalFacts
from scanner.model.value import value_class


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """What a CreateGrant asks for (R4.20)."""

    operations: tuple[str, ...]
    constraints: GrantConstraints = field(default_factory=GrantConstraints)


@value_class
class Request:
    """A question. `key` is None for actions without one; `role` is the role assumed, or the identity that IAM changes.

    `context` holds request-time condition keys by lower-case name. With `complete`, exactly those exist; otherwise the
    others are open. `resource` is the ARN that policies are matched against; with `any_resource` a pattern: whichever
    resource of this kind the caller names.
    """

    caller: Caller
    iam_action: str
    resource: str
    action: Action | None = None
    key: KeyFacts | None = None
    role: PrincipalFacts | None = None
    alias: str = ""
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    complete: bool = False
    any_resource: bool = False
    encryption_context: Mapping[str, str] | None = None
    grant_request: GrantRequest | None = None

    @property
    def operation(self) -> str:
        """The action without its service, also of one that nobody knows yet (R1.11)."""
        return self.action.name if self.action else self.iam_action.partition(":")[2]

    @property
    def is_foreign(self) -> bool:
        """Whether caller and key sit in different accounts; services have no account."""
        return (
            self.key is not None and not self.caller.is_service and self.caller.account_id != self.key.account_id
        )  # fmt: skip
