"""The gates of the evaluation, one function each: what every layer allows and denies (section 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Literal

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.expression import FALSE, TRUE, Expression, conj, disj, neg, unknown
from scanner.analyze.request.caller import account_of, may_be_service_linked, organization_of, why_unknown
from scanner.analyze.request.context import RequestContext
from scanner.analyze.statements.statement import Match, document_matches, either
from scanner.model.arn import AccountId
from scanner.model.decision import Layer, Side
from scanner.model.organization import Organization
from scanner.model.policy import Effect, PolicyText
from scanner.model.principal import PrincipalKind
from scanner.model.value import value_class
from scanner.model.world import World


@value_class
class LayerResult:
    """What one layer does: when it allows, when it denies, and through which statements.

    `applicable` is false where the layer does not concern the request; `gap` names the ledger row or rule of what was
    not read.
    """

    layer: Layer
    side: Side
    allow: Expression
    deny: Expression
    matches: tuple[Match, ...] = ()
    applicable: bool = True
    gap: str = ""


@cache
def _not_applicable(layer: Layer, side: Side) -> LayerResult:
    return LayerResult(layer, side, TRUE, FALSE, applicable=False)


@cache
def without_effect(layer: Layer) -> LayerResult:
    """A policy of the key on kms:RetireGrant: the grant alone decides (R4.22)."""
    return LayerResult(layer, Side.OWNER, FALSE, FALSE, applicable=False)


def _unread(layer: Layer, side: Side, reason: str, ref: str, subject: str) -> LayerResult:
    """A layer nobody read: it may allow, and it may deny (R3.56, R10.4)."""
    return LayerResult(
        layer,
        side,
        unknown(reason, ref, subject=f"{subject} {layer.value} allows"),
        unknown(reason, ref, subject=f"{subject} {layer.value} denies"),
        gap=ref,
    )


def _all_matches(policies: Iterable[PolicyText], context: RequestContext) -> tuple[Match, ...]:
    return tuple(m for policy in policies for m in document_matches(parse_policy(policy), context))


def identity_layer(context: RequestContext) -> LayerResult:
    """Identity policies of the caller; the root user is implicitly allowed everything (R3.23, R3.30).

    A GetFederationToken session without a session policy has no permissions of its own (R3.13).
    """
    caller = context.request.caller
    if caller.without_account:
        return _not_applicable(Layer.IAM, Side.CALLER)
    if caller.is_root_user:
        return LayerResult(Layer.IAM, Side.CALLER, TRUE, FALSE)
    if not caller.collected:
        return _unread(Layer.IAM, Side.CALLER, "caller_side_not_collected", caller.gap, caller.text)
    matches = _all_matches(caller.identity_policies, context)
    bare = caller.kind is PrincipalKind.FEDERATED and not caller.session_policies
    allow = FALSE if bare else either(matches, Effect.ALLOW)
    if caller.session_open:
        started = unknown("caller_side_not_collected", "R3.73")
        allow = conj((either(matches, Effect.ALLOW), started))
    return LayerResult(Layer.IAM, Side.CALLER, allow, either(matches, Effect.DENY), matches)


def boundary_layer(context: RequestContext) -> LayerResult:
    """The permissions boundary: it only ever limits (R3.12, R3.26)."""
    caller = context.request.caller
    if caller.without_account or caller.is_root_user:
        return _not_applicable(Layer.BOUNDARY, Side.CALLER)
    if not caller.collected:
        return _unread(Layer.BOUNDARY, Side.CALLER, "caller_side_not_collected", caller.gap, caller.text)
    if caller.boundary is None:
        return _not_applicable(Layer.BOUNDARY, Side.CALLER)
    matches = _all_matches((caller.boundary,), context)
    return LayerResult(
        Layer.BOUNDARY, Side.CALLER, either(matches, Effect.ALLOW), either(matches, Effect.DENY), matches
    )  # fmt: skip


def session_layer(context: RequestContext) -> LayerResult:
    """Session policies where they are known; otherwise none is assumed, the widest reading (R3.27)."""
    caller = context.request.caller
    if not caller.session_policies:
        return _not_applicable(Layer.SESSION, Side.CALLER)
    matches = _all_matches(caller.session_policies, context)
    return LayerResult(
        Layer.SESSION, Side.CALLER, either(matches, Effect.ALLOW), either(matches, Effect.DENY), matches
    )  # fmt: skip


def scp_layer(context: RequestContext) -> LayerResult:
    """Service control policies of the caller's account: an Allow at every level, no Deny at any (R3.40 to R3.46)."""
    levels = scp_levels(context)
    return unless_service_linked(levels if isinstance(levels, LayerResult) else scps_in(levels, context), context)


def unless_service_linked(layer: LayerResult, context: RequestContext) -> LayerResult:
    """Guardrails spare service-linked roles; where it is open whether the caller is one, nothing they say is sure."""
    caller = context.request.caller
    if not layer.applicable or not may_be_service_linked(caller):
        return layer
    exempt = unknown("caller_side_not_collected", "R3.44", subject=f"{caller.text} is service-linked")
    return replace(layer, allow=disj((layer.allow, exempt)), deny=conj((layer.deny, neg(exempt))))


Levels = tuple[tuple[PolicyText, ...], ...]
"""The policies attached from the root down to an account, by where they are attached."""


def scp_levels(context: RequestContext) -> Levels | LayerResult:
    """The service control policies that count for the caller; what holds instead where none do or none were read."""
    world, caller = context.world, context.request.caller
    if caller.without_account or caller.is_service_linked_role or not world.credit_scp:
        return _not_applicable(Layer.SCP, Side.CALLER)
    organization = organization_of(world, caller.account_id)
    account = account_of(world, caller.account_id)
    gap = why_unknown(world, account, "R3.56")
    if organization is None:
        known = account.collected and not account.organization_unknown and caller.kind is not PrincipalKind.ANY
        return _not_applicable(Layer.SCP, Side.CALLER) if known else _unread_scp(gap, caller.account_id)
    if caller.account_id == organization.management_account or not organization.scp_enabled:
        return _not_applicable(Layer.SCP, Side.CALLER)
    if account.organization_unknown:
        return _unread_scp(gap, caller.account_id)
    if organization.scps is None:
        return _unread_scp(organization.scp_gap, caller.account_id)
    attached = (organization.scps.get(target) for target in _targets(organization, caller.account_id))
    return tuple(policies for policies in attached if policies is not None)


def scps_in(levels: Levels, context: RequestContext) -> LayerResult:
    """What the given service control policies say about a request."""
    allows: list[Expression] = []
    found: list[Match] = []
    for policies in levels:
        matches = _all_matches(policies, context)
        allows.append(either(matches, Effect.ALLOW))
        found.extend(matches)
    return LayerResult(
        Layer.SCP, Side.CALLER, conj(allows), either(tuple(found), Effect.DENY), tuple(found)
    )  # fmt: skip


def _unread_scp(gap: str, account_id: str) -> LayerResult:
    """Service control policies nobody read (R3.56)."""
    return _unread(Layer.SCP, Side.CALLER, "guardrail_not_read", gap or "R3.56", account_id)


def _targets(organization: Organization, account_id: str) -> Sequence[str]:
    return (*organization.members.get(AccountId(account_id), ()), account_id)


def guardrails_of(world: World, account_id: str, kind: Literal["scps", "rcps"]) -> Iterator[PolicyText]:
    """The control policies of one kind that were read and bind an account, from the root down."""
    organization = organization_of(world, account_id)
    if organization is not None:
        attached = (organization.scps if kind == "scps" else organization.rcps) or {}
        for target in _targets(organization, account_id):
            yield from attached.get(target, ())


def rcp_layer(context: RequestContext, owner: str, *, exempt: bool = False) -> LayerResult:
    """Resource control policies of the owner's account: only their Deny statements matter (R3.50 to R3.57).

    Args:
        owner: account of the key or role.
        exempt: the resource or action is not covered (AWS managed keys, kms:RetireGrant).
    """
    levels = rcp_levels(context, owner, exempt=exempt)
    return unless_service_linked(levels if isinstance(levels, LayerResult) else rcps_in(levels, context), context)


def rcp_levels(context: RequestContext, owner: str, *, exempt: bool) -> Levels | LayerResult:
    """The resource control policies that count for a request; what holds instead where none do or none were read."""
    if exempt or context.request.caller.is_service_linked_role:
        return _not_applicable(Layer.RCP, Side.OWNER)
    return rcps_over(context.world, owner)


def rcps_over(world: World, owner: str) -> Levels | LayerResult:
    """The resource control policies over an account; what holds instead where none are or none were read."""
    if not world.credit_rcp:
        return _not_applicable(Layer.RCP, Side.OWNER)
    organization = organization_of(world, owner)
    account = account_of(world, owner)
    gap = why_unknown(world, account, "R3.56")
    if organization is None:
        known = account.collected and not account.organization_unknown
        return _not_applicable(Layer.RCP, Side.OWNER) if known else _unread_rcp(gap, owner)
    if owner == organization.management_account or not organization.rcp_enabled:
        return _not_applicable(Layer.RCP, Side.OWNER)
    if account.organization_unknown:
        return _unread_rcp(gap, owner)
    if organization.rcps is None:
        return _unread_rcp(organization.rcp_gap or "R3.56", owner)
    return tuple(organization.rcps.get(target, ()) for target in _targets(organization, owner))


def rcps_in(levels: Levels, context: RequestContext) -> LayerResult:
    """What the given resource control policies say about a request."""
    matches = tuple(m for policies in levels for m in _all_matches(policies, context))
    return LayerResult(Layer.RCP, Side.OWNER, TRUE, either(matches, Effect.DENY), matches)


def _unread_rcp(ref: str, owner: str) -> LayerResult:
    """Resource control policies nobody read: they never allow anything, but they may deny (R3.56)."""
    deny = unknown("guardrail_not_read", ref, subject=f"{owner} rcp denies")
    return LayerResult(Layer.RCP, Side.OWNER, TRUE, deny, gap=ref)


def key_policy_layer(context: RequestContext) -> LayerResult:
    """The key's own policy (section 2)."""
    key = context.request.key
    assert key is not None
    if key.key_policy is None:
        return _unread(Layer.KEY_POLICY, Side.OWNER, "policy_not_readable", key.gaps.get("key_policy", ""), key.arn)
    matches = _all_matches((key.key_policy,), context)
    return LayerResult(
        Layer.KEY_POLICY, Side.OWNER, either(matches, Effect.ALLOW), either(matches, Effect.DENY), matches
    )


def ram_layer(context: RequestContext) -> LayerResult:
    """The policy that Resource Access Manager writes; an Allow that only stands there is not certain (R2.19, R2.20)."""
    key = context.request.key
    assert key is not None
    if not key.ram_policy_read:
        return _unread(Layer.RAM, Side.OWNER, "policy_not_readable", key.gaps.get("ram_policy", ""), key.arn)
    if key.ram_policy is None:
        return LayerResult(Layer.RAM, Side.OWNER, FALSE, FALSE, applicable=False)
    matches = _all_matches((key.ram_policy,), context)
    certain = unknown("ram_policy", "R2.20", subject=key.arn)
    softened = tuple(
        Match(m.document, m.statement, m.effect, m.kind, conj((m.applies, certain))) if m.effect is Effect.ALLOW else m
        for m in matches
    )
    return LayerResult(Layer.RAM, Side.OWNER, either(softened, Effect.ALLOW), either(softened, Effect.DENY), softened)


def combined_deny(layers: Iterable[LayerResult]) -> Expression:
    """When some layer explicitly denies: that ends the matter (R3.3)."""
    return disj(layer.deny for layer in layers)
