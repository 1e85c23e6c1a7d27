"""One request set before the evaluator: who, what, on which resource, with which request-time values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .actions import ASSUME_ACTIONS, Action, find
from .facts import Caller, Knowledge, Record, World, caller_of, principal_record

Request = Mapping[str, Any]
Context = Mapping[str, Any]


class NoSuchKeyError(LookupError):
    """The request names a key or alias that the world does not hold."""


@dataclass(frozen=True)
class Scene:
    """Everything one evaluation sees.

    `target` is key, alias (the alias half of R1.7), account (no key, R1.6) or role; `resource` the ARN that policies
    are compared with (R1.4: always the key ARN). `context` has lower-case names and lists of text.
    """

    world: World
    knowledge: Knowledge
    caller: Caller
    action: str
    row: Action | None
    target: str
    resource: str
    subject: Record = field(default_factory=dict)
    alias: str | None = None
    context: Mapping[str, list[str]] = field(default_factory=dict)
    encryption_context: Mapping[str, str] = field(default_factory=dict)
    session_name: str | None = None
    session_tags: Mapping[str, str] = field(default_factory=dict)
    grant_request: Mapping[str, Any] | None = None
    facts: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        """The account of the resource; empty where there is none."""
        return self.resource.split(":")[4] if self.resource.startswith("arn:") else ""

    @property
    def symmetric(self) -> bool:
        """Encryption context exists on symmetric keys only (R5.50)."""
        return self.target == "key" and self.subject.get("spec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT"


def text(value: object) -> str:
    """JSON scalars may be unquoted (R5.28)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def texts(value: object) -> list[str]:
    """A single value equals a one-element list (R5.28)."""
    if isinstance(value, list | tuple):
        return [text(item) for item in value]
    return [text(value)]


def _key(world: World, resource: str) -> tuple[Record, str | None]:
    for key in world.get("keys", ()):
        if key["arn"] == resource:
            return key, None
        prefix = key["arn"].rsplit(":", 1)[0]
        for alias in key.get("aliases", ()):
            if resource == f"{prefix}:{alias}":
                return key, alias
    raise NoSuchKeyError(f"`{resource}` is not in the world")


def _target(world: World, request: Request, row: Action | None) -> tuple[str, str, Record, str | None]:
    resource = request["resource"]
    if request["action"].lower() in ASSUME_ACTIONS:
        return "role", resource, principal_record(world, resource) or {}, None
    if row is not None and row.accountwide:
        return "account", "*", {}, None
    if row is not None and row.group == "alias" and resource.split(":", 5)[5].startswith("alias/"):
        return "alias", resource, {}, None
    key, alias = _key(world, resource)
    return "key", str(key["arn"]), key, alias


def scene_of(world: World, request: Request, context: Context, knowledge: Knowledge) -> Scene:
    """Build the scene of one request.

    `#session_name`, `#session_tags` and `#encryption_context` in the context are the request-time values that are no
    condition keys; `#grant_constraints` completes a CreateGrant of which only kms:GrantOperations is given. `#facts`
    are assumed values of keys that nobody collected.
    Raises NoSuchKeyError, and ValueError for an action that is neither of KMS nor an AssumeRole.
    """
    action = str(request["action"])
    row = find(action)
    if not action.lower().startswith("kms:") and action.lower() not in ASSUME_ACTIONS:
        raise ValueError(f"`{action}` is not an action of KMS or an AssumeRole")
    target, resource, subject, alias = _target(world, request, row)
    caller = caller_of(world, request["principal"])
    plain = {name.lower(): texts(value) for name, value in context.items() if not name.startswith("#")}
    grant_request = request.get("grant_request")
    if grant_request is None and "kms:grantoperations" in plain and row is not None and row.name == "CreateGrant":
        grant_request = {
            "operations": plain["kms:grantoperations"],
            "constraints": context.get("#grant_constraints") or {},
        }
    return Scene(
        world=world,
        knowledge=knowledge,
        caller=caller,
        action=f"kms:{row.name}" if row else ASSUME_ACTIONS.get(action.lower(), action),
        row=row,
        target=target,
        resource=resource,
        subject=subject,
        alias=alias,
        context={name: values for name, values in plain.items() if values},
        encryption_context=context.get("#encryption_context", request.get("encryption_context")) or {},
        session_name=caller.session_name if caller.kind == "session" else context.get("#session_name"),
        session_tags=context.get("#session_tags") or {},
        grant_request=grant_request,
        facts=context.get("#facts") or {},
    )
