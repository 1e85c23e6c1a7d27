"""The verdict for one request: the layers combined as R3.7 says, decided exactly, with a trace."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from functools import partial
from typing import NamedTuple, TypeVar

from scanner.analyze.decision.evaluation import ALL_SOURCES, Evaluation, Sources
from scanner.analyze.decision.gates import gates_of
from scanner.analyze.decision.grants import GrantMatch, RetireMatch, anyone_of, grant_matches, retire_matches
from scanner.analyze.decision.layers import LayerResult, combined_deny, rcp_layer
from scanner.analyze.decision.remembered import remembered, sides_in
from scanner.analyze.decision.sides import CallerSide, OwnerSide, caller_side, owner_side
from scanner.analyze.decision.trace import complete_trace
from scanner.analyze.decision.verdict import blocked_by_state, conclude, region_expression
from scanner.analyze.logic.expression import FALSE, TRUE, Const, Expression, conj, disj, unknown
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.iam_keys import is_about_kms
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import MatchKind
from scanner.analyze.statements.statement import either
from scanner.model.actions import is_usable_with
from scanner.model.decision import Decision, Verdict
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect
from scanner.model.principal import PrincipalKind
from scanner.model.value import value_class
from scanner.model.world import World

T = TypeVar("T")


def decide(world: World, request: Request, *, sources: Sources = ALL_SOURCES, trace: bool = True) -> Decision:
    """Decide a KMS request (R3.7).

    Args:
        sources: the Allow sources that count.
        trace: whether the gates are wanted: what decided, what came close and why it failed, and the key's state.

    Returns:
        The decision; `unknown` with reason `too_complex` where a bound is hit.
    """
    refusal = refused_at_once(request)
    if refusal is not None:
        return Decision(Verdict.DENIED, refusal[0], rules=(refusal[1],))
    if not trace:
        return remembered(world, request, ("decide", sources), lambda: _decided(world, request, sources))
    evaluation = evaluate(world, request, sources=sources)
    gates = complete_trace(world, request, gates_of(request, evaluation))
    return conclude(world, request, evaluation, gates)


def _decided(world: World, request: Request, sources: Sources) -> Decision:
    return settled(world, request, sources, "decision", partial(conclude, world, request))


def refused_at_once(request: Request) -> tuple[str, str] | None:
    """Reasons that need no policy: partition, operations without effect, key usage, addressing (R3.7)."""
    caller, action, key = request.caller, request.action, request.key
    if key is not None and not caller.is_service and caller.partition != key.partition:
        return "partition", "R9.21"
    if action is None or key is None:
        return None
    foreign = request.is_foreign
    if foreign and action.cross_account is False:
        return "not_cross_account", "R1.3"
    if foreign and key.manager == "AWS":
        return "aws_managed_key", "R9.5"
    if is_usable_with(action, key.usage, key.spec) is False:
        return "key_usage", "R1.9"
    if request.alias and not action.takes_alias:
        return "addressing", "R1.4"
    return None


@value_class
class _Parts:
    """What a request on a key is decided from: both sides, the grants that cover it, and whether the key can do it."""

    context: RequestContext
    key: KeyFacts
    caller: CallerSide
    owner: OwnerSide
    grants: tuple[GrantMatch, ...]
    retiring: tuple[RetireMatch, ...]
    unread: Expression
    works: Expression


class Looked(NamedTuple):
    """What a trace is made from: the layers, and the grants that matched."""

    layers: tuple[LayerResult, ...]
    grants: tuple[GrantMatch, ...] = ()
    retiring: tuple[RetireMatch, ...] = ()


def _parts_of(context: RequestContext, key: KeyFacts, sources: Sources) -> _Parts:
    request, shared = context.request, sides_in(context.world, context.request)
    if shared is None:
        caller, owner = caller_side(context), owner_side(context, key)
    else:
        place = shared.place(context)
        caller, owner = shared.caller_side(place, context), shared.owner_side(place, context, key)
    grants, retiring = grants_of(context, key, sources)
    unread, works = _unread_grants(request, key, sources), _works(request, key)
    return _Parts(context, key, caller, owner, grants, retiring, unread, works)


def caller_side_of(context: RequestContext) -> CallerSide:
    """The layers of the caller's side of a request, from where its world keeps them."""
    shared = sides_in(context.world, context.request)
    return caller_side(context) if shared is None else shared.caller_side(shared.place(context), context)


def rcp_of(context: RequestContext, owner: str) -> LayerResult:
    """Resource control policies of the owner of what a request is about, from where its world keeps them."""
    shared = sides_in(context.world, context.request)
    return (
        rcp_layer(context, owner) if shared is None else shared.rcp(shared.place(context), context, owner, exempt=False)
    )


def layers_of(world: World, request: Request, *, sources: Sources = ALL_SOURCES) -> Looked:
    """What `evaluate` has of the layers and grants of a request, without what follows from them."""
    context = RequestContext(world, request)
    if request.key is None:
        return Looked(caller_side_of(context).layers)
    parts = _parts_of(context, request.key, sources)
    return Looked((*parts.caller.layers, *parts.owner.layers), parts.grants, parts.retiring)


def key_side_of(world: World, request: Request, key: KeyFacts, sources: Sources) -> Expression:
    """The `key_side` that `evaluate` has, without a look at the caller's side."""
    context, shared = RequestContext(world, request), sides_in(world, request)
    owner = owner_side(context, key) if shared is None else shared.owner_side(shared.place(context), context, key)
    grants, retiring = grants_of(context, key, sources)
    unread, works = _unread_grants(request, key, sources), _works(request, key)
    return _with_key(request, _key_side(request, _allowed(owner, sources), grants, retiring), unread, works)


def evaluate(world: World, request: Request, *, sources: Sources = ALL_SOURCES) -> Evaluation:
    """Combine the layers of a request on a key, on an alias, or of the account (R1.6, R1.7, R3.7)."""
    context = RequestContext(world, request)
    if request.key is None:
        return _without_key(request, caller_side_of(context))
    return _combined(_parts_of(context, request.key, sources), sources)


def _combined(parts: _Parts, sources: Sources) -> Evaluation:
    request = parts.context.request
    identity, boundary, session, scp = parts.caller.layers
    layers = (*parts.caller.layers, *parts.owner.layers)
    cap = conj((boundary.allow, session.allow))
    sides = _Sides(parts.context, sources, identity.allow, cap, parts.owner, _allowed(parts.owner, sources))
    retires = request.operation == "RetireGrant"
    core = _retire_core(parts.retiring, sides) if retires else _core(sides, parts.grants)
    core = _with_key(request, core, parts.unread, parts.works)
    key_side = _key_side(request, sides.by_key, parts.grants, parts.retiring)
    key_side = _with_key(request, key_side, parts.unread, parts.works)
    whose = TRUE if request.caller.is_service else conj((identity.allow, cap))
    return Evaluation(
        core, scp.allow, combined_deny(layers), layers, parts.grants, parts.retiring, key_side, whose
    )  # fmt: skip


def _key_side(
    request: Request, by_key: Expression, grants: tuple[GrantMatch, ...], retiring: tuple[RetireMatch, ...]
) -> Expression:  # fmt: skip
    """What the key's policies and the grants that were read allow."""
    if request.operation == "RetireGrant":
        return disj(m.applies for m in retiring)
    return disj((by_key, anyone_of(grants, by_account=False), anyone_of(grants, by_account=True)))


def _with_key(request: Request, allowed: Expression, unread: Expression, works: Expression) -> Expression:
    """What is allowed, with the grants that nobody read, as far as the key can do the action."""
    return works if request.action is None else conj((disj((allowed, unread)), works))


def settled(world: World, request: Request, sources: Sources, kind: str, settle: Callable[[Evaluation], T]) -> T:
    """What follows from an evaluation, worked out once for all requests that are decided from the same.

    Args:
        kind: what is worked out; it may rest on nothing beside the evaluation without its statements, the world, and
            the kind of caller, the state of the key and the Region.
        settle: works it out.
    """
    context, key, shared = RequestContext(world, request), request.key, sides_in(world, request)
    if shared is None:
        return settle(evaluate(world, request, sources=sources))
    if key is None:
        layers = shared.caller_side(shared.place(context), context)
        alone = (kind, layers.said, request.caller.is_service, _is_of_another(request), _not_understood(request))
        return shared.settled(alone, lambda: settle(_without_key(request, layers)))
    parts = _parts_of(context, key, sources)
    return shared.settled((kind, _decided_from(parts, sources)), lambda: settle(_combined(parts, sources)))


def _decided_from(parts: _Parts, sources: Sources) -> Hashable:
    """Everything that tells two requests on keys apart once the layers of both sides are known."""
    request, caller = parts.context.request, parts.context.request.caller
    granted = said_by_grants(parts.grants, parts.retiring)
    admitted = sources.admitted(parts.owner.policy.matches, parts.owner.ram.matches)
    return (
        parts.caller.said, parts.owner.said, sources.mechanisms, admitted, granted,
        decided_with(request, parts.key, sources), caller.kind, caller.session_policies == (), request.is_foreign,
        region_expression(parts.context.world, request),
    )  # fmt: skip


def decided_with(request: Request, key: KeyFacts, sources: Sources) -> tuple[Hashable, ...]:
    """What of action and key takes part in a verdict beside policies and grants."""
    blocked = blocked_by_state(request)
    return (
        _unread_grants(request, key, sources), _works(request, key), request.action is None,
        request.operation == "RetireGrant", key.state, blocked,
        key.gaps.get("describe", "") if blocked is None else "",
    )  # fmt: skip


def said_by_grants(
    grants: Iterable[GrantMatch], retiring: Iterable[RetireMatch]
) -> tuple[tuple[tuple[Expression, bool], ...], tuple[tuple[Expression, bool], ...]]:
    """What takes part in a verdict of grants that cover a request."""
    return tuple((m.applies, m.by_account) for m in grants), tuple((m.applies, m.needs_iam) for m in retiring)


def _unread_grants(request: Request, key: KeyFacts, sources: Sources) -> Expression:
    """Grants nobody read may allow whatever a grant can."""
    grantable = request.action is None or request.action.grantable
    if key.grants_complete or not grantable or "grant" not in sources.mechanisms:
        return FALSE
    return unknown("grants_not_read", key.gaps.get("grants", ""), subject=key.arn)


def _works(request: Request, key: KeyFacts) -> Expression:
    """Whether the key can do the action at all, as far as both are known (R1.9, R1.11)."""
    if request.action is None:
        return unknown("unknown_action", "R1.11", subject=request.iam_action)
    if is_usable_with(request.action, key.usage, key.spec) is None:
        return unknown("key_not_described", key.gaps.get("describe", "R1.9"), subject=key.arn)
    return TRUE


_UNDOCUMENTED_CAP = unknown("undocumented", "R4.16")
"""Whether a boundary or session policy limits a grant by its silence is not documented (R4.16)."""


@value_class
class _Sides:
    context: RequestContext
    sources: Sources
    identity: Expression
    cap: Expression
    owner: OwnerSide
    by_key: Expression
    """What the key's policies allow through any form of principal."""

    def allowed(self, *kinds: MatchKind) -> Expression:
        """What the key's policies allow through the given forms of principal."""
        return _allowed(self.owner, self.sources, *kinds)


def _allowed(owner: OwnerSide, sources: Sources, *kinds: MatchKind) -> Expression:
    """What a key's policies allow through the given forms of principal (all, if none is given)."""
    parts: list[Expression] = []
    for layer, mechanism in ((owner.policy, "key_policy"), (owner.ram, "ram")):
        if mechanism in sources.mechanisms:
            unread = layer.applicable and not layer.matches and not isinstance(layer.allow, Const)
            counted = tuple([m for m in layer.matches if sources.admits(m)])
            parts.append(layer.allow if unread else either(counted, Effect.ALLOW, *kinds))
    return disj(parts)


def _core(sides: _Sides, grants: tuple[GrantMatch, ...]) -> Expression:
    """What allows a request on a key (R3.7)."""
    request = sides.context.request
    direct, account = anyone_of(grants, by_account=False), anyone_of(grants, by_account=True)
    capped = disj((sides.cap, _UNDOCUMENTED_CAP))
    identity_capped = conj((sides.identity, sides.cap))
    account_capped = identity_capped if request.caller.is_root_user else disj(
        (identity_capped, unknown("undocumented", "R4.13"))
    )  # fmt: skip
    by_grant = disj((conj((direct, capped)), conj((account, account_capped))))
    if request.caller.is_service:
        return disj((sides.allowed(MatchKind.SERVICE, MatchKind.STAR), direct))
    if request.is_foreign:
        return disj((conj((sides.by_key, identity_capped)), by_grant))
    named = sides.allowed(MatchKind.STAR, MatchKind.USER, MatchKind.SESSION)
    by_role = FALSE if _is_bare_federated(request) else conj((sides.allowed(MatchKind.ROLE), sides.cap))
    by_account = conj((sides.allowed(MatchKind.ACCOUNT), identity_capped))
    return disj((named, by_role, by_account, by_grant))


def _is_bare_federated(request: Request) -> bool:
    """A GetFederationToken session without session policy: only its own ARN reaches it (STS API GetFederationToken)."""
    return request.caller.kind is PrincipalKind.FEDERATED and request.caller.session_policies == ()


def grants_of(
    context: RequestContext, key: KeyFacts, sources: Sources
) -> tuple[tuple[GrantMatch, ...], tuple[RetireMatch, ...]]:
    """The grants that may cover a request, and those that let somebody retire them."""
    if key.grants is None or "grant" not in sources.mechanisms:
        return (), ()
    counted = [g for g in key.grants if sources.grants is None or g.grant_id in sources.grants]
    if context.request.operation == "RetireGrant":
        return (), retire_matches(counted, context, key.account_id)
    return grant_matches(counted, context), ()


def _retire_core(retiring: tuple[RetireMatch, ...], sides: _Sides) -> Expression:
    """The grant decides who may retire it; an account needs IAM to delegate the right (R4.22)."""
    capped = disj((sides.cap, _UNDOCUMENTED_CAP))
    identity_capped = conj((sides.identity, sides.cap))
    return disj(conj((m.applies, identity_capped if m.needs_iam else capped)) for m in retiring)


def _without_key(request: Request, side: CallerSide) -> Evaluation:
    """Account-level actions, the alias half of alias actions, requests to IAM: IAM of the own account (R1.6, R1.7)."""
    own = request.caller
    allowed = conj((side.identity.allow, side.boundary.allow, side.session.allow, _not_understood(request)))
    core: Expression = FALSE if own.is_service or _is_of_another(request) else allowed
    return Evaluation(
        core, side.scp.allow, combined_deny(side.layers), side.layers, key_side=TRUE, caller_side=core
    )  # fmt: skip


def _is_of_another(request: Request) -> bool:
    """Whether what is asked for belongs to another account."""
    parts = request.resource.split(":", 5)
    return len(parts) > 5 and parts[4] != request.caller.account_id and not request.any_resource


def _not_understood(request: Request) -> Expression:
    """An action of KMS that nobody knows yet may be allowed otherwise (R1.11)."""
    if request.action is None and is_about_kms(request):
        return unknown("unknown_action", "R1.11", subject=request.iam_action)
    return TRUE
