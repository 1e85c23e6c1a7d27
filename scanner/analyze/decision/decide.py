"""The verdict for one request: the layers combined as R3.7 says, decided exactly, with a trace."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.analyze.decision.evaluation import ALL_SOURCES, Evaluation, Sources
from scanner.analyze.decision.gates import gates_of
from scanner.analyze.decision.grants import GrantMatch, RetireMatch, anyone_of, grant_matches, retire_matches
from scanner.analyze.decision.layers import (
    LayerResult,
    boundary_layer,
    combined_deny,
    identity_layer,
    key_policy_layer,
    ram_layer,
    rcp_layer,
    scp_layer,
    session_layer,
)
from scanner.analyze.decision.reasons import allow_reason, denial_reason
from scanner.analyze.decision.remembered import remembered
from scanner.analyze.decision.trace import complete_trace
from scanner.analyze.logic.axioms import axioms_for
from scanner.analyze.logic.expression import FALSE, TRUE, Expression, Literal, Origin, conj, disj, unknown, variables
from scanner.analyze.logic.residual import (
    Outcome,
    TooComplexError,
    alternatives,
    decide_expression,
    shorten,
    surely,
)
from scanner.analyze.logic.wording import as_json, in_words
from scanner.analyze.request.caller import account_of
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.iam_keys import is_about_kms
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import MatchKind
from scanner.analyze.statements.statement import either
from scanner.data.opt_in import is_opt_in_region
from scanner.model.actions import is_usable_with, state_blocks
from scanner.model.decision import Decision, Gate, Layer, Side, Verdict
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect
from scanner.model.principal import PrincipalKind
from scanner.model.world import World


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
    return conclude(world, request, evaluate(world, request, sources=sources))


def refused_at_once(request: Request) -> tuple[str, str] | None:
    """Reasons that need no policy: partition, operations without effect, key usage, addressing (R3.7)."""
    caller, action, key = request.caller, request.action, request.key
    if key is not None and not caller.is_service and caller.partition != key.partition:
        return "partition", "R9.21"
    if action is None or key is None:
        return None
    foreign = _is_foreign(request)
    if foreign and action.cross_account is False:
        return "not_cross_account", "R1.3"
    if foreign and key.manager == "AWS":
        return "aws_managed_key", "R9.5"
    if is_usable_with(action, key.usage, key.spec) is False:
        return "key_usage", "R1.9"
    if request.alias and not action.takes_alias:
        return "addressing", "R1.4"
    return None


def _is_foreign(request: Request) -> bool:
    """Whether caller and key sit in different accounts; services have no account."""
    return request.key is not None and not request.caller.is_service and (
        request.caller.account_id != request.key.account_id
    )  # fmt: skip


_Ways = tuple[tuple[Literal, ...], ...]
"""The alternatives of a condition, each with all it asks for."""


def evaluate(world: World, request: Request, *, sources: Sources = ALL_SOURCES) -> Evaluation:
    """Combine the layers of a request on a key, on an alias, or of the account (R1.6, R1.7, R3.7)."""
    context = RequestContext(world, request)
    if request.key is None:
        return _without_key(context)
    key = request.key
    identity, boundary, session = identity_layer(context), boundary_layer(context), session_layer(context)
    scp = scp_layer(context)
    name = request.operation
    rcp = rcp_layer(context, key.account_id, exempt=key.manager == "AWS" or name == "RetireGrant")
    retires = name == "RetireGrant"
    policy, ram = (_without_effect(Layer.KEY_POLICY), _without_effect(Layer.RAM)) if retires else (
        key_policy_layer(context), ram_layer(context)
    )  # fmt: skip
    grants, retiring = _grants_of(context, key, sources)
    layers = (identity, boundary, session, scp, rcp, policy, ram)
    cap = conj((boundary.allow, session.allow))
    sides = _Sides(context, sources, identity.allow, cap, policy, ram)
    if retires:
        core = _retire_core(retiring, sides)
        key_side = disj(m.applies for m in retiring)
    else:
        core, key_side = _core(sides, grants)
    unread = _unread_grants(request, key, sources)
    core, key_side = disj((core, unread)), disj((key_side, unread))
    works = _works(request, key)
    core, key_side = (works, works) if request.action is None else (conj((core, works)), conj((key_side, works)))
    caller_side = TRUE if request.caller.is_service else conj((identity.allow, cap))
    return Evaluation(core, scp.allow, combined_deny(layers), layers, grants, retiring, key_side, caller_side)


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


def _without_effect(layer: Layer) -> LayerResult:
    """A policy of the key on kms:RetireGrant: the grant alone decides (R4.22)."""
    return LayerResult(layer, Side.OWNER, FALSE, FALSE, applicable=False)


@dataclass(frozen=True, slots=True)
class _Sides:
    context: RequestContext
    sources: Sources
    identity: Expression
    cap: Expression
    policy: LayerResult
    ram: LayerResult

    def allowed(self, *kinds: MatchKind) -> Expression:
        """What the key's policies allow through the given forms of principal (all, if none is given)."""
        parts: list[Expression] = []
        for layer, mechanism in ((self.policy, "key_policy"), (self.ram, "ram")):
            if mechanism in self.sources.mechanisms:
                unread = layer.applicable and not layer.matches and layer.allow not in (TRUE, FALSE)
                counted = tuple(m for m in layer.matches if self.sources.admits(m))
                parts.append(layer.allow if unread else either(counted, Effect.ALLOW, *kinds))
        return disj(parts)


def _core(sides: _Sides, grants: tuple[GrantMatch, ...]) -> tuple[Expression, Expression]:
    """What allows a request on a key, and the key side of it alone (R3.7)."""
    request = sides.context.request
    direct, account = anyone_of(grants, by_account=False), anyone_of(grants, by_account=True)
    capped = disj((sides.cap, _undocumented_cap(request)))
    identity_capped = conj((sides.identity, sides.cap))
    account_capped = identity_capped if request.caller.is_root_user else disj(
        (identity_capped, unknown("undocumented", "R4.13", subject=request.caller.text))
    )  # fmt: skip
    by_grant = disj((conj((direct, capped)), conj((account, account_capped))))
    key_side = disj((sides.allowed(), direct, account))
    if request.caller.is_service:
        return disj((sides.allowed(MatchKind.SERVICE, MatchKind.STAR), direct)), key_side
    if _is_foreign(request):
        return disj((conj((sides.allowed(), identity_capped)), by_grant)), key_side
    named = sides.allowed(MatchKind.STAR, MatchKind.USER, MatchKind.SESSION)
    by_role = FALSE if _is_bare_federated(request) else conj((sides.allowed(MatchKind.ROLE), sides.cap))
    by_account = conj((sides.allowed(MatchKind.ACCOUNT), identity_capped))
    return disj((named, by_role, by_account, by_grant)), key_side


def _is_bare_federated(request: Request) -> bool:
    """A GetFederationToken session without session policy: only its own ARN reaches it (STS API GetFederationToken)."""
    return request.caller.kind is PrincipalKind.FEDERATED and request.caller.session_policies == ()


def _undocumented_cap(request: Request) -> Expression:
    """Whether a boundary or session policy limits a grant by its silence is not documented (R4.16)."""
    return unknown("undocumented", "R4.16", subject=request.caller.text)


def _grants_of(
    context: RequestContext, key: KeyFacts, sources: Sources
) -> tuple[tuple[GrantMatch, ...], tuple[RetireMatch, ...]]:
    if key.grants is None or "grant" not in sources.mechanisms:
        return (), ()
    counted = [g for g in key.grants if sources.grants is None or g.grant_id in sources.grants]
    if context.request.operation == "RetireGrant":
        return (), retire_matches(counted, context, key.account_id)
    return grant_matches(counted, context), ()


def _retire_core(retiring: tuple[RetireMatch, ...], sides: _Sides) -> Expression:
    """The grant decides who may retire it; an account needs IAM to delegate the right (R4.22)."""
    request = sides.context.request
    capped = disj((sides.cap, _undocumented_cap(request)))
    identity_capped = conj((sides.identity, sides.cap))
    return disj(conj((m.applies, identity_capped if m.needs_iam else capped)) for m in retiring)


def _without_key(context: RequestContext) -> Evaluation:
    """Account-level actions, the alias half of alias actions, requests to IAM: IAM of the own account (R1.6, R1.7)."""
    identity, boundary, session = identity_layer(context), boundary_layer(context), session_layer(context)
    scp = scp_layer(context)
    layers = (identity, boundary, session, scp)
    own = context.request.caller
    core: Expression = FALSE if own.is_service else conj((identity.allow, boundary.allow, session.allow))
    owner = context.request.resource.split(":")[4] if context.request.resource.count(":") >= 5 else own.account_id
    if owner != own.account_id and not context.request.any_resource:
        core = FALSE
    if context.request.action is None and is_about_kms(context.request):
        core = conj((core, unknown("unknown_action", "R1.11", subject=context.request.iam_action)))
    return Evaluation(core, scp.allow, combined_deny(layers), layers, key_side=TRUE, caller_side=core)


# -- from expressions to a verdict ------------------------------------------------------------------------------------


def conclude(world: World, request: Request, evaluation: Evaluation, gates: tuple[Gate, ...] = ()) -> Decision:
    """Turn an evaluation into a verdict in the order of `design.md` section 5; `gates` are its trace."""
    region = _region_expression(world, request)
    result = conj((evaluation.result, region if region not in (TRUE, FALSE) else TRUE))
    blocked = _blocked_by_state(request)
    if blocked is None:
        gap = request.key.gaps.get("describe", "") if request.key else ""
        result = conj((result, unknown("key_not_described", gap or "R9.1", subject="key state")))
    try:
        return _conclude(request, evaluation, result, asleep=_asleep(region, blocked), gates=gates)
    except TooComplexError:
        return Decision(Verdict.UNKNOWN, "too_complex", gates=gates, unknowns=("too_complex",), rules=("R5.60",))


def _asleep(region: Expression, blocked: bool | None) -> str:
    if blocked:
        return "key_state"
    return "region_opt_in" if region == FALSE else ""


def _conclude(
    request: Request, evaluation: Evaluation, result: Expression, *, asleep: str, gates: tuple[Gate, ...]
) -> Decision:
    axioms = axioms_for(result)
    outcome = decide_expression(result, axioms)
    if not outcome.can_be_true:
        return Decision(Verdict.DENIED, denial_reason(request, evaluation), gates=gates)
    if not outcome.can_be_false:
        verdict, reason = Verdict.ALLOWED, allow_reason(evaluation)
        return Decision(Verdict.LATENT if asleep else verdict, asleep or reason, gates=gates)
    if outcome.mixed:
        return _unknown(result, axioms, outcome, asleep=asleep, gates=gates)
    condition = shorten(surely(result), axioms)
    ways = alternatives(condition, axioms)
    return Decision(
        Verdict.LATENT if asleep else Verdict.CONDITIONAL,
        asleep or "residual_condition",
        condition=in_words(condition),
        residual=as_json(condition),
        caller_chosen=_caller_can_choose(ways),
        vouched=_is_vouched(ways),
        conditional_access=True,
        gates=gates,
    )


def _caller_can_choose(ways: _Ways) -> bool:
    """Whether some alternative asks only for what the caller chooses; too many to list count as such."""
    return not ways or any(all(x.test.variable.caller_chosen for x in way) for way in ways)


def _is_vouched(ways: _Ways) -> bool:
    """Whether an identity provider has to vouch for some of it, and the rest is the caller's choice (R7.11)."""
    free = (all(v.caller_chosen or v.vouched for v in (x.test.variable for x in way)) for way in ways)
    return not _caller_can_choose(ways) and any(free)


def _unknown(
    result: Expression, axioms: Expression, outcome: Outcome, *, asleep: str, gates: tuple[Gate, ...]
) -> Decision:
    """Uncollected data or undocumented behaviour decides in some context; what is sure anyway is the residual."""
    data = [v for v in variables(result) if v.origin is Origin.DATA]
    sure = outcome.sure and not asleep
    condition = shorten(surely(result), axioms) if sure else FALSE
    ways = alternatives(condition, axioms)
    return Decision(
        Verdict.UNKNOWN,
        data[0].reason,
        condition=in_words(condition) if sure else "",
        residual=as_json(condition) if sure else None,
        caller_chosen=sure and _caller_can_choose(ways),
        vouched=sure and _is_vouched(ways),
        conditional_access=sure,
        gates=gates,
        unknowns=tuple(dict.fromkeys(v.reason for v in data)),
        rules=tuple(dict.fromkeys(v.ref for v in data if v.ref)),
    )


def _region_expression(world: World, request: Request) -> Expression:
    """Whether the caller's account has the key's Region enabled (R9.20); services are not subject to it."""
    key, caller = request.key, request.caller
    if key is None or not _is_foreign(request):
        return TRUE
    opt_in = is_opt_in_region(key.region, account_of(world, key.account_id).default_regions)
    if opt_in is False:
        return TRUE
    account = account_of(world, caller.account_id)
    subject = f"{caller.account_id} {key.region}"
    if caller.kind in {PrincipalKind.ANY, PrincipalKind.ACCOUNT} or not account.collected:
        return unknown("region_not_read", "R9.20", subject=subject)
    if account.opted_in_regions is None:
        return unknown("region_not_read", account.gap or "R9.20", subject=subject)
    if key.region in account.opted_in_regions:
        return TRUE
    return FALSE if opt_in else unknown("region_not_read", "R9.20", subject=subject)


def _blocked_by_state(request: Request) -> bool | None:
    if request.key is None or request.action is None:
        return False
    return state_blocks(request.action, request.key.state)
