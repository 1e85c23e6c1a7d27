"""From what a request is decided from to a verdict, in the order of `design.md` section 5."""

from __future__ import annotations

from scanner.analyze.decision.evaluation import Evaluation
from scanner.analyze.decision.reasons import allow_reason, denial_reason
from scanner.analyze.logic.axioms import axioms_for
from scanner.analyze.logic.expression import FALSE, TRUE, Expression, Literal, Origin, conj, unknown, variables
from scanner.analyze.logic.residual import (
    Outcome,
    TooComplexError,
    alternatives,
    decide_expression,
    shorten,
    surely,
)
from scanner.analyze.logic.wording import as_json, in_words
from scanner.analyze.request.caller import Caller, account_of
from scanner.analyze.request.request import Request
from scanner.data.opt_in import is_opt_in_region
from scanner.model.actions import state_blocks
from scanner.model.decision import Decision, Gate, Verdict
from scanner.model.key import KeyFacts
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

_Ways = tuple[tuple[Literal, ...], ...]
"""The alternatives of a condition, each with all it asks for."""


def conclude(
    world: World, request: Request, evaluation: Evaluation, gates: tuple[Gate, ...] = (), *, any_region: bool = False
) -> Decision:
    """Turn an evaluation into a verdict in the order of `design.md` section 5.

    Args:
        gates: the trace of the evaluation.
        any_region: the caller enables a Region at will, so that it decides nothing (R9.20).
    """
    region = TRUE if any_region else region_expression(world, request)
    result = conj((evaluation.result, region if region not in (TRUE, FALSE) else TRUE))
    blocked = blocked_by_state(request)
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
    return "region_opt_in" if region is FALSE else ""


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


def region_expression(world: World, request: Request) -> Expression:
    """Whether the caller's account has the key's Region enabled (R9.20); services are not subject to it."""
    if request.key is None or not request.is_foreign:
        return TRUE
    return region_from_outside(world, request.caller, request.key)


def region_from_outside(world: World, caller: Caller, key: KeyFacts) -> Expression:
    """The same for a caller of another account than the key's."""
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


def blocked_by_state(request: Request) -> bool | None:
    """Whether the key's present state stops the action; None where that is not known (R9.1)."""
    if request.key is None or request.action is None:
        return False
    return state_blocks(request.action, request.key.state)
