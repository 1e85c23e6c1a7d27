"""Looks things up in a case-file world: accounts, organizations, principals, what was not read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

World = Mapping[str, Any]
Record = Mapping[str, Any]

# Regions that must be enabled (R9.20: "else from a table"). Those on by default need no opt-in.
OPT_IN_REGIONS = frozenset({
    "af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
    "me-central-1", "me-south-1", "mx-central-1",
})  # fmt: skip
DEFAULT_REGIONS = frozenset({
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2",
    "eu-west-3", "eu-central-1", "eu-north-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
    "ap-southeast-1", "ap-southeast-2", "us-gov-east-1", "us-gov-west-1", "cn-north-1", "cn-northwest-1",
})  # fmt: skip


@dataclass(frozen=True)
class Knowledge:
    """What the auditor knows besides the world: the clock (R5.26), whether unread guardrails count (R3.56)."""

    now: str = "2026-11-22T00:00:00Z"
    scp: bool = True
    rcp: bool = True
    opt_in_regions: frozenset[str] = OPT_IN_REGIONS
    default_regions: frozenset[str] = DEFAULT_REGIONS


@dataclass(frozen=True)
class Membership:
    """Where an account stands: `member` or `management` of an organization, `standalone`, or `unknown` (R6.5)."""

    standing: str
    organization: Record | None = None
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Caller:
    """The principal of a request.

    kind is user, role, session, federated, root or service; a role stands for some session of it (R2.6).
    `identity` holds policies, boundary and tags; `session` the listed session's own entry; `readable` is False where
    the caller side was not collected (R3.30, R3.74) or cannot be known (R3.73), and then `identity` is empty.
    `path_is_open` is True for a session of an account nobody read: its ARN does not hold the path of its role (R2.6).
    """

    arn: str
    kind: str
    partition: str = ""
    account: str = ""
    identity_arn: str = ""
    session_name: str | None = None
    identity: Record | None = None
    session: Record | None = None
    readable: bool = True
    path_is_open: bool = False

    @property
    def service_linked(self) -> bool:
        """Service-linked role = path `/aws-service-role/` (R3.44)."""
        return ":role/aws-service-role/" in self.identity_arn

    @property
    def role_name(self) -> str:
        """The role path is not part of a session ARN (R2.6)."""
        return self.identity_arn.rsplit("/", 1)[-1]


def account_of(arn: str) -> str:
    """The account in an ARN."""
    return arn.split(":")[4]


def unread(world: World, subject: str, value: str, part: str) -> bool:
    """Whether `world.unread` marks this part of a key or an account as a gap."""
    return any(
        isinstance(gap, Mapping) and gap.get(subject) == value and gap.get("part") == part
        for gap in world.get("unread", ())
    )


def guardrails_unread(world: World, kind: str) -> bool:
    """Whether `world.unread` says that no SCP (or no RCP) could be read."""
    return kind in world.get("unread", ())


def collected(world: World, account: str) -> bool:
    """An account that is not mentioned was collected (README)."""
    return bool(world.get("accounts", {}).get(account, {}).get("collected", True))


def organization_unknown(world: World, account: str) -> bool:
    """`org_unknown`: the organization of the account, and its guardrails, were not read (R3.56)."""
    return bool(world.get("accounts", {}).get(account, {}).get("org_unknown", False))


def membership(world: World, account: str) -> Membership:
    """Listed organizations are complete; other accounts are standalone if collected and not `org_unknown` (R6.5)."""
    for organization in world.get("orgs", ()):
        path = organization.get("members", {}).get(account)
        if organization["management_account"] == account:
            return Membership("management", organization, tuple(path or [organization["root"]]))
        if path is not None:
            return Membership("member", organization, tuple(path))
    if collected(world, account) and not organization_unknown(world, account):
        return Membership("standalone")
    return Membership("unknown")


def listed_organizations(world: World) -> set[str]:
    """The ids of the organizations that were read completely (R6.5)."""
    return {organization["id"] for organization in world.get("orgs", ())}


def principal_record(world: World, arn: str) -> Record | None:
    """The entry of a principal, None where it is not listed."""
    return next((record for record in world.get("principals", ()) if record["arn"] == arn), None)


def role_of_session(world: World, arn: str) -> str:
    """The role of the account whose last path segment is ROLE; none found: `role/ROLE` without path (R3.73)."""
    _, partition, _, _, account, resource = arn.split(":", 5)
    name = resource.split("/")[1]
    prefix = f"arn:{partition}:iam::{account}:role/"
    for record in world.get("principals", ()):
        if record["arn"].startswith(prefix) and record["arn"].rsplit("/", 1)[-1] == name:
            return str(record["arn"])
    return prefix + name


def caller_of(world: World, principal: str) -> Caller:
    """Resolve the principal of a request (README, R3.73).

    Raises ValueError for text that is neither an ARN of an IAM or STS principal nor a host name.
    """
    if not principal.startswith("arn:"):
        return Caller(arn=principal, kind="service")
    _, partition, service, _, account, resource = principal.split(":", 5)
    readable = collected(world, account) and not unread(world, "account", account, "iam")
    if resource == "root":
        return Caller(principal, "root", partition, account, principal)
    kind = resource.split("/")[0]
    if service == "iam" and kind in {"user", "role"}:
        record = (principal_record(world, principal) or {}) if readable else {}
        return Caller(principal, kind, partition, account, principal, None, record, None, readable)
    listed = principal_record(world, principal)
    if service == "sts" and kind == "assumed-role":
        role = str(listed["role"]) if listed and "role" in listed else role_of_session(world, principal)
        record = (principal_record(world, role) or {}) if readable else {}
        is_open = not readable and listed is None and principal_record(world, role) is None
        name = resource.split("/", 2)[2]
        return Caller(principal, "session", partition, account, role, name, record, listed, readable, is_open)
    if service == "sts" and kind == "federated-user":
        user = str(listed["user"]) if listed else ""
        record = (principal_record(world, user) or {}) if listed and readable else {}
        return Caller(
            principal, "federated", partition, account, user, None, record, listed, readable and listed is not None
        )
    raise ValueError(f"`{principal}` is not a principal")


def region_enabled(world: World, caller: Caller, key_arn: str, knowledge: Knowledge) -> bool | None:
    """Opt-in Regions: enabled, not enabled, or not read; service principals and the owner are not subject (R9.20)."""
    owner, region = account_of(key_arn), key_arn.split(":")[3]
    if caller.kind == "service" or caller.account == owner:
        return True
    accounts = world.get("accounts", {})
    owner_list = accounts.get(owner, {}).get("opted_in_regions", ())
    caller_list = accounts.get(caller.account, {}).get("opted_in_regions")
    if not collected(world, caller.account):
        caller_list = None
    if region not in owner_list and region in knowledge.default_regions:
        return True
    if region in owner_list or region in knowledge.opt_in_regions:
        return None if caller_list is None else region in caller_list
    return True if caller_list is not None and region in caller_list else None


def session_policies(caller: Caller) -> list[Record]:
    """The session policies of a listed session; an unlisted one is the widest (R3.27)."""
    return list((caller.session or {}).get("session_policies") or ())
