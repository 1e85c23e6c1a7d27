"""Who is calling: a principal text resolved to everything the snapshot knows about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace

from scanner.analyze.logic.expression import Origin, Variable
from scanner.model.arn import AccountId, parse_arn
from scanner.model.organization import AccountFacts, Organization
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.value import value_class
from scanner.model.world import World

SESSION_NAME = Variable("role session name", Origin.REQUEST, may_be_absent=False, caller_chosen=True)
"""Whoever assumes a role picks the session name (R2.6)."""


ANY_SERVICE = "any AWS service"
"""Text of the synthetic principal that stands for whichever service calls as itself (R2.8)."""

SERVICE_NAME = Variable("aws:PrincipalServiceName", Origin.REQUEST, may_be_absent=False)

PRINCIPAL_TYPES = {
    PrincipalKind.ROOT_USER: "Account", PrincipalKind.USER: "User", PrincipalKind.FEDERATED: "FederatedUser",
    PrincipalKind.ROLE: "AssumedRole", PrincipalKind.SESSION: "AssumedRole",
}  # fmt: skip
"""aws:PrincipalType by kind."""


class UnknownPrincipalError(ValueError):
    """The text names no principal that could call AWS."""


@value_class
class Caller:
    """A principal with its identity side.

    `principal_arn` is the value of aws:PrincipalArn. `session_name` is None where it is open (R2.6). `collected` is
    false where the identity side is unknown data (R3.30, R3.73, R3.74); `gap` then names the ledger row or rule.
    """

    text: str
    kind: PrincipalKind
    account_id: AccountId
    partition: str
    principal_arn: str = ""
    role_name: str = ""
    session_name: str | None = None
    role_known: bool = True
    """False for a session of which only the name of its role is known, not the role's path."""
    parent_user: str | None = None
    unique_id: str = ""
    identity_policies: tuple[PolicyText, ...] = ()
    boundary: PolicyText | None = None
    session_policies: tuple[PolicyText, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    session_open: bool = False
    """Whichever GetFederationToken session of a user: its name, policy and tags are the user's choice (R3.13)."""
    session_tags: Mapping[str, str] | None = None
    """Tags a listed session was given; None where whoever starts the session may pass some."""
    trust_policy: PolicyText | None = None
    collected: bool = True
    account_collected: bool = True
    ours: bool = False
    gap: str = ""

    @property
    def is_service(self) -> bool:
        """An AWS service acting as itself (R2.12)."""
        return self.kind is PrincipalKind.SERVICE

    @property
    def is_provider(self) -> bool:
        """An identity provider that vouches for somebody (R7.11)."""
        return self.kind is PrincipalKind.PROVIDER

    @property
    def without_account(self) -> bool:
        """No principal of an account: nothing on a caller's side limits it (R2.12, R7.11)."""
        return self.kind is PrincipalKind.SERVICE or self.kind is PrincipalKind.PROVIDER

    @property
    def is_any_service(self) -> bool:
        """Whichever service: its name is open."""
        return self.is_service and self.text == ANY_SERVICE

    @property
    def is_root_user(self) -> bool:
        """The root user of an account (R2.3)."""
        return self.kind is PrincipalKind.ROOT_USER

    @property
    def acts_as_role(self) -> bool:
        """A role, or a session of one."""
        return self.kind is PrincipalKind.ROLE or self.kind is PrincipalKind.SESSION

    @property
    def role_path_is_open(self) -> bool:
        """A session of an account nobody collected: its ARN does not hold the path of its role (R2.6)."""
        return self.kind is PrincipalKind.SESSION and not self.role_known and not self.account_collected

    @property
    def is_service_linked_role(self) -> bool:
        """Path `/aws-service-role/` (R3.44)."""
        return ":role/aws-service-role/" in self.principal_arn and self.acts_as_role


def may_be_service_linked(caller: Caller) -> bool:
    """Whether nobody read if the caller is a service-linked role (R2.6, R3.44).

    So it is for a session whose role's path is open, under a name that services use for their linked roles, and for
    whichever identity of an account of ours that was not read.
    """
    if caller.kind is PrincipalKind.ACCOUNT:
        return caller.ours
    return (
        caller.role_path_is_open
        and caller.role_name.startswith("AWSServiceRoleFor")
        and not caller.is_service_linked_role
    )


def is_service_name(text: str) -> bool:
    """Whether the text is a bare host name, as service principals are written."""
    return ":" not in text and "." in text and "/" not in text and " " not in text


def account_of(world: World, account_id: str) -> AccountFacts:
    """What is known of an account, also of one that the world does not mention."""
    account = world.accounts.get(AccountId(account_id))
    if account is not None:
        return account
    if world.unlisted_accounts_collected:
        return AccountFacts(AccountId(account_id))
    listed = organization_of(world, account_id) is not None
    return AccountFacts(AccountId(account_id), collected=False, ours=listed, organization_unknown=not listed)


def why_unknown(world: World, account: AccountFacts, rule: str) -> str:
    """The ledger row, else the rule, that tells why nobody knows an account's organization and what guards it there."""
    return world.organization_gap or account.gap or rule


def organization_of(world: World, account_id: str) -> Organization | None:
    """The listed organization that holds the account, as a member or as its management account."""
    for organization in world.organizations:
        if account_id == organization.management_account or account_id in organization.members:
            return organization
    return None


def path_in(organization: Organization, account_id: str) -> str:
    """The way from the root of an organization to an account, as aws:PrincipalOrgPaths writes it (R6.5)."""
    path = organization.members.get(AccountId(account_id), (organization.root,))
    return "/".join((organization.id, *path)) + "/"


def resolve_caller(world: World, text: str) -> Caller:
    """Resolve a principal of a request: an ARN, or the host name of a service (format of the case files).

    A role ARN means some session of that role without a session policy; `…:root` is the root user.

    Raises:
        UnknownPrincipalError: the text is neither.
    """
    if is_service_name(text):
        return Caller(text, PrincipalKind.SERVICE, AccountId(""), "")
    arn = parse_arn(text)
    if arn is None or not arn.account_id:
        msg = f"`{text}` is no principal: an ARN of a user, role, session or root user, or the name of a service"
        raise UnknownPrincipalError(msg)
    account = account_of(world, arn.account_id)
    listed = world.principals.get(text)
    kind, _, rest = arn.resource.partition("/")
    if arn.service == "iam" and arn.resource == "root":
        return Caller(
            text, PrincipalKind.ROOT_USER, arn.account_id, arn.partition, principal_arn=text,
            account_collected=account.collected and account.iam_complete, ours=account.ours,
        )  # fmt: skip
    if arn.service == "iam" and kind in {"user", "role"}:
        principal_kind = PrincipalKind.USER if kind == "user" else PrincipalKind.ROLE
        return _with_facts(text, principal_kind, account, listed, partition=arn.partition, principal_arn=text)
    if arn.service == "sts" and kind == "assumed-role" and "/" in rest:
        return _session(world, text, account, arn.partition, rest)
    if arn.service == "sts" and kind == "federated-user":
        return _federated(world, text, account, arn.partition, listed)
    msg = f"`{text}` is no principal that can call KMS"
    raise UnknownPrincipalError(msg)


def any_identity_of(world: World, account_id: str, partition: str) -> Caller:
    """The synthetic principal that stands for every identity of an account nobody collected (R3.70)."""
    account = account_of(world, account_id)
    text = f"arn:{partition}:iam::{account_id}:root"
    return Caller(
        text, PrincipalKind.ACCOUNT, AccountId(account_id), partition, collected=False, account_collected=False,
        ours=account.ours, gap=account.gap or "R3.30",
    )  # fmt: skip


def federated_of(user: Caller) -> Caller:
    """Whichever federated session of a user; that the user starts one at all is not known (R3.13, R3.73)."""
    name = user.principal_arn.rsplit("/", 1)[-1]
    text = f"arn:{user.partition}:sts::{user.account_id}:federated-user/* (of user {name})"
    return replace(
        user, text=text, kind=PrincipalKind.FEDERATED, principal_arn="", parent_user=user.principal_arn,
        session_open=True,
    )  # fmt: skip


def vouched_for_by(provider: str) -> Caller:
    """Whoever an identity provider vouches for: the ARN of a provider, or the host name of a built-in one (R7.11)."""
    return Caller(provider, PrincipalKind.PROVIDER, AccountId(""), "")


def some_service() -> Caller:
    """The synthetic principal that stands for whichever AWS service (R2.8)."""
    return Caller(ANY_SERVICE, PrincipalKind.SERVICE, AccountId(""), "")


def anyone(partition: str) -> Caller:
    """The synthetic principal that stands for every identity of every account that nothing here mentions (R3.70)."""
    return Caller(
        "*", PrincipalKind.ANY, AccountId("*"), partition, collected=False, account_collected=False, gap="R3.30"
    )


def _with_facts(
    text: str, kind: PrincipalKind, account: AccountFacts, facts: PrincipalFacts | None, *, partition: str,
    principal_arn: str,
) -> Caller:  # fmt: skip
    readable = account.collected and account.iam_complete
    collected = readable and (facts is None or facts.complete)
    return Caller(
        text=text,
        kind=kind,
        account_id=account.id,
        partition=partition,
        principal_arn=principal_arn,
        role_name=principal_arn.rsplit("/", 1)[-1] if kind is not PrincipalKind.USER else "",
        unique_id=facts.unique_id if facts else "",
        identity_policies=facts.identity_policies if facts else (),
        boundary=facts.boundary if facts else None,
        tags=facts.tags if facts else {},
        trust_policy=facts.trust_policy if facts else None,
        collected=collected,
        account_collected=readable,
        ours=account.ours,
        gap="" if collected else (facts.gap if facts and facts.gap else account.gap) or "R3.30",
    )


def _session(world: World, text: str, account: AccountFacts, partition: str, rest: str) -> Caller:
    role_name, _, session_name = rest.partition("/")
    listed = world.principals.get(text)
    found = listed.parent if listed else find_role(world, account.id, role_name)
    role_arn = found or f"arn:{partition}:iam::{account.id}:role/{role_name}"
    role = _with_facts(
        text, PrincipalKind.SESSION, account, world.principals.get(role_arn), partition=partition,
        principal_arn=role_arn,
    )  # fmt: skip
    return Caller(
        text=text,
        kind=PrincipalKind.SESSION,
        account_id=role.account_id,
        partition=partition,
        principal_arn=role_arn,
        role_name=role_name,
        session_name=session_name,
        role_known=bool(found),
        unique_id=role.unique_id,
        identity_policies=role.identity_policies,
        boundary=role.boundary,
        session_policies=listed.session_policies if listed else None,
        tags=role.tags,
        session_tags=dict(listed.session_tags) if listed else None,
        trust_policy=role.trust_policy,
        collected=role.collected,
        account_collected=role.account_collected,
        ours=role.ours,
        gap=role.gap,
    )


def find_role(world: World, account_id: str, name: str) -> str | None:
    """The role of an account by its last path segment; names are unique per account (R3.73)."""
    prefix, suffix = f":iam::{account_id}:role/", f"/{name}"
    return next((arn for arn in world.principals if prefix in arn and arn.endswith(suffix)), None)


def _federated(world: World, text: str, account: AccountFacts, partition: str, listed: PrincipalFacts | None) -> Caller:
    user = world.principals.get(listed.parent) if listed else None
    readable = account.collected and account.iam_complete
    known = listed is not None and readable
    return Caller(
        text=text,
        kind=PrincipalKind.FEDERATED,
        account_id=account.id,
        partition=partition,
        principal_arn=text,
        parent_user=listed.parent if listed else None,
        unique_id=user.unique_id if user else "",
        identity_policies=user.identity_policies if user else (),
        boundary=user.boundary if user else None,
        session_policies=(listed.session_policies or ()) if listed else None,
        tags=user.tags if user else {},
        session_tags=dict(listed.session_tags) if listed else None,
        collected=known and (user is None or user.complete),
        account_collected=readable,
        ours=account.ours,
        gap="" if known else account.gap or "R3.73",
    )
