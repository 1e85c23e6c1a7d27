"""Who may assume a role: trust policies judged by the same layers (section 7)."""

from __future__ import annotations

from scanner.analyze.decision.decide import caller_side_of, rcp_of
from scanner.analyze.decision.evaluation import Evaluation
from scanner.analyze.decision.gates import gates_of
from scanner.analyze.decision.layers import (
    LayerResult,
    combined_deny,
)
from scanner.analyze.decision.trace import complete_trace
from scanner.analyze.decision.verdict import conclude
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.expression import FALSE, TRUE, Expression, conj, disj, unknown
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import MatchKind
from scanner.analyze.statements.statement import document_matches, either
from scanner.model.arn import parse_arn
from scanner.model.decision import Decision, Layer, Side, Verdict
from scanner.model.policy import Effect
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World


def decide_assume(world: World, request: Request, *, trace: bool = True) -> Decision:
    """Decide one hop: may the caller assume `request.role` (R7.1 to R7.6, R7.13); `trace` as for `decide`."""
    caller, role = request.caller, request.role
    assert role is not None
    if caller.is_root_user:
        return Decision(Verdict.DENIED, "root_user", rules=("R7.13",))
    if caller.kind is PrincipalKind.FEDERATED:
        return Decision(Verdict.DENIED, "federated_user", rules=("R7.13",))
    if not caller.without_account and caller.partition != role.arn.split(":")[1]:
        return Decision(Verdict.DENIED, "partition", rules=("R9.21",))
    evaluation = evaluate_assume(world, request, role)
    gates = complete_trace(world, request, gates_of(request, evaluation)) if trace else ()
    return conclude(world, request, evaluation, gates)


def evaluate_assume(world: World, request: Request, role: PrincipalFacts) -> Evaluation:
    """Combine trust policy and caller side: naming a caller of the same account is enough, others need IAM."""
    context = RequestContext(world, request)
    caller = request.caller
    identity, boundary, session, scp = caller_side_of(context).layers
    rcp, trust = rcp_of(context, role.account_id), _trust_layer(context, role)
    cap = conj((boundary.allow, session.allow))
    capped = conj((identity.allow, cap))
    if caller.is_service:
        core = either(trust.matches, Effect.ALLOW, MatchKind.SERVICE, MatchKind.STAR)
    elif caller.is_provider:
        open_to_all = conj((either(trust.matches, Effect.ALLOW, MatchKind.STAR), _any_provider(role)))
        core = disj((either(trust.matches, Effect.ALLOW, MatchKind.FEDERATED), open_to_all))
        core = conj((core, _own_provider(request.caller, role)))
    elif caller.account_id != role.account_id:
        core = conj((trust.allow, capped))
    else:
        core = _same_account(trust, cap, capped, request)
    if not trust.matches and trust.allow not in (TRUE, FALSE):
        own = caller.account_id == role.account_id
        named = unknown("trust_not_read", role.gap, subject=role.arn) if own else FALSE
        core = conj((trust.allow, disj((capped, named))))
    layers = (identity, boundary, session, scp, rcp, trust)
    caller_side = TRUE if caller.without_account else capped
    return Evaluation(core, scp.allow, combined_deny(layers), layers, key_side=trust.allow, caller_side=caller_side)


def _own_provider(caller: Caller, role: PrincipalFacts) -> Expression:
    """Whether a provider of another account can vouch for a role is not documented: AWS shows pairs of one account.

    (IAM User Guide, id_roles_providers_create_saml_assertions and id_roles_create_for-idp_oidc.)
    """
    arn = parse_arn(caller.text)
    if arn is None or arn.account_id == role.account_id:
        return TRUE
    return unknown("undocumented", "R7.11", subject=f"{caller.text} at {role.arn}")


def _any_provider(role: PrincipalFacts) -> Expression:
    """Whether `*` means identity providers too is not documented."""
    return unknown("undocumented", "R7.11", subject=f"identity providers at {role.arn}")


def _same_account(trust: LayerResult, cap: Expression, capped: Expression, request: Request) -> Expression:
    """Inside one account (R7.2, R7.3); whether a boundary limits a user named directly is not documented."""
    user_cap = disj((cap, unknown("undocumented", "R7.3", subject=request.caller.text)))
    return disj((
        either(trust.matches, Effect.ALLOW, MatchKind.STAR, MatchKind.SESSION),
        conj((either(trust.matches, Effect.ALLOW, MatchKind.USER), user_cap)),
        conj((either(trust.matches, Effect.ALLOW, MatchKind.ROLE), cap)),
        conj((either(trust.matches, Effect.ALLOW, MatchKind.ACCOUNT), capped)),
    ))  # fmt: skip


def _trust_layer(context: RequestContext, role: PrincipalFacts) -> LayerResult:
    if role.trust_policy is None:
        if role.complete:
            return LayerResult(Layer.TRUST, Side.OWNER, FALSE, FALSE)
        allow = unknown("trust_not_read", role.gap, subject=f"{role.arn} allows")
        deny = unknown("trust_not_read", role.gap, subject=f"{role.arn} denies")
        return LayerResult(Layer.TRUST, Side.OWNER, allow, deny, gap=role.gap)
    matches = document_matches(parse_policy(role.trust_policy), context)
    return LayerResult(Layer.TRUST, Side.OWNER, either(matches, Effect.ALLOW), either(matches, Effect.DENY), matches)
