"""One step of a path through roles: who assumes which role by which action, judged as every other request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from scanner.analyze.decision.decide import conclude
from scanner.analyze.decision.evaluation import Evaluation
from scanner.analyze.decision.gates import gates_of
from scanner.analyze.decision.moments import moments_of
from scanner.analyze.decision.trust import decide_assume, evaluate_assume
from scanner.analyze.keys.judge import NOT_YET, chosen_by_strangers, is_stranger
from scanner.analyze.logic.expression import TRUE, disj
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.request import Request
from scanner.model.decision import Decision, Layer, Side, Verdict
from scanner.model.finding import FindingVerdict, Hop
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

ASSUME = "sts:AssumeRole"
BY_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
BY_SAML = "sts:AssumeRoleWithSAML"

SURE, CHOSEN, BOUND, PERHAPS, ASLEEP, NEVER = 5, 4, 3, 2, 1, 0
"""How strong a step is: always, when the caller chooses so, under other conditions, perhaps, not today, never."""

_VERDICTS = {
    SURE: FindingVerdict.CONFIRMED, CHOSEN: FindingVerdict.CONDITIONAL, BOUND: FindingVerdict.CONDITIONAL,
    PERHAPS: FindingVerdict.POSSIBLE, ASLEEP: FindingVerdict.BLOCKED, NEVER: FindingVerdict.BLOCKED,
}  # fmt: skip


def rank_of(decision: Decision) -> int:
    """How strong a decision is; the rank of a path is that of its weakest step (R7.7)."""
    if decision.verdict is Verdict.ALLOWED:
        return SURE
    if decision.verdict is Verdict.LATENT:
        return ASLEEP
    if decision.verdict is Verdict.CONDITIONAL or decision.conditional_access:
        return CHOSEN if decision.caller_chosen else BOUND
    return PERHAPS if decision.verdict is Verdict.UNKNOWN else NEVER


def verdict_of(rank: int) -> FindingVerdict:
    """A rank as findings say it."""
    return _VERDICTS[rank]


@dataclass(frozen=True, slots=True)
class Step:
    """Somebody assumes a role. `context` holds condition keys that the caller surely carries."""

    caller: Caller
    role: PrincipalFacts
    action: str
    decision: Decision
    context: Mapping[str, tuple[str, ...]]

    @property
    def rank(self) -> int:
        """How strong the step is."""
        return rank_of(self.decision)


def step(
    world: World,
    caller: Caller,
    role: PrincipalFacts,
    action: str,
    context: Mapping[str, tuple[str, ...]] | None = None,
) -> Step:
    """Judge whether a caller may assume a role; a stranger's own side is its administrator's choice (R3.30).

    Args:
        context: condition keys that a stranger surely carries, by lower-case name.
    """
    known = dict(context or {}) if is_stranger(caller) else {}
    request = _request(caller, role, action, known)
    return Step(caller, role, action, now_or_later(world, request, lambda then: _decide(then, request)), known)


def now_or_later(world: World, request: Request, decided: Callable[[World], Decision]) -> Decision:
    """What is decided today, or asleep with reason `not_yet` where a date in some policy opens it later (R5.26)."""
    today = decided(world)
    if today.verdict is not Verdict.DENIED:
        return today
    for moment in moments_of(world, request):
        if rank_of(decided(replace(world, as_of=moment))) > ASLEEP:
            return Decision(Verdict.LATENT, NOT_YET, condition=f"the time is {moment} or later", rules=("R5.26",))
    return today


def hop_of(world: World, judged: Step) -> Hop:
    """A step as findings show it, with the statements of the trust policy that admit the caller."""
    request = _request(judged.caller, judged.role, judged.action, judged.context)
    gates = gates_of(request, evaluate_assume(world, request, judged.role))
    statements = tuple(ref for gate in gates if gate.layer is Layer.TRUST for ref in gate.statements)
    decision = judged.decision
    return Hop(
        judged.caller.text, judged.action, judged.role.arn, decision.verdict.value, decision.reason,
        decision.condition, statements,
    )  # fmt: skip


def _request(caller: Caller, role: PrincipalFacts, action: str, context: Mapping[str, tuple[str, ...]]) -> Request:
    return Request(caller, action, role.arn, role=role, context=context)


def _decide(world: World, request: Request) -> Decision:
    role = request.role
    assert role is not None
    same_partition = request.caller.partition == role.arn.split(":")[1]
    if not is_stranger(request.caller) or request.caller.is_root_user or not same_partition:
        return decide_assume(world, request, trace=False)
    evaluation = evaluate_assume(world, request, role)
    return conclude(world, request, _as_its_administrator_likes(evaluation))


def _as_its_administrator_likes(evaluation: Evaluation) -> Evaluation:
    """The side of the role alone: a stranger completes the other side, and names and tags, at will (R3.30)."""
    admitted = chosen_by_strangers(evaluation.key_side)
    owner = tuple(layer for layer in evaluation.layers if layer.side is Side.OWNER)
    denied = chosen_by_strangers(disj(layer.deny for layer in owner))
    return replace(
        evaluation, core=admitted, ceiling=TRUE, deny=denied, key_side=admitted, caller_side=TRUE, layers=owner
    )
