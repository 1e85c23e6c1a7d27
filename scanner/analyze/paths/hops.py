"""One step of a path through roles: who assumes which role by which action, judged as every other request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum

from scanner.analyze.decision.decide import layers_of
from scanner.analyze.decision.evaluation import Evaluation
from scanner.analyze.decision.gates import gates_of
from scanner.analyze.decision.moments import moments_of
from scanner.analyze.decision.remembered import remembered
from scanner.analyze.decision.trust import decide_assume, evaluate_assume
from scanner.analyze.decision.verdict import conclude
from scanner.analyze.keys.judge import NOT_YET, is_stranger
from scanner.analyze.keys.strangers import chosen_by_strangers
from scanner.analyze.logic.expression import TRUE, disj
from scanner.analyze.paths.forms import ANYTHING, AS_IT_IS, Form, node_of
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.request import Request
from scanner.model.decision import Decision, Gate, GateOutcome, Layer, Side, StatementRef, Verdict
from scanner.model.finding import FindingVerdict, Hop
from scanner.model.policy import Effect
from scanner.model.principal import PrincipalFacts
from scanner.model.value import value_class
from scanner.model.world import World

ASSUME = "sts:AssumeRole"
BY_WEB_IDENTITY = "sts:AssumeRoleWithWebIdentity"
BY_SAML = "sts:AssumeRoleWithSAML"
_CITED_OF_CALLER = 2
_ASSUMING = frozenset({ASSUME, BY_WEB_IDENTITY, BY_SAML})

SURE, CHOSEN, BOUND, PERHAPS, ASLEEP, NEVER = 5, 4, 3, 2, 1, 0
"""How strong a step is: always, when the caller chooses so or its identity provider vouches for it, under other
conditions, perhaps, not today, never. What a provider states is counted in the party (R7.11)."""

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
        return CHOSEN if decision.caller_chosen or decision.vouched else BOUND
    return PERHAPS if decision.verdict is Verdict.UNKNOWN else NEVER


def choice_of(rank: int, decisions: Iterable[Decision]) -> tuple[bool, bool]:
    """Whether all that remains is the caller's choice, or else up to an identity provider as well.

    Args:
        rank: of the weakest of the decisions, which all have to come true.
    """
    vouched = any(decision.vouched for decision in decisions)
    return rank == CHOSEN and not vouched, rank == CHOSEN and vouched


def verdict_of(rank: int) -> FindingVerdict:
    """A rank as findings say it."""
    return _VERDICTS[rank]


class ChangeKind(StrEnum):
    """How somebody becomes an identity of its own account other than by assuming a role as it is."""

    LAUNCH = "pass_role"
    """Passes a role to a service that runs with it what it is told (R7.8)."""
    TRUST = "trust"
    """Rewrites the trust policy of a role (R7.14)."""
    CREDENTIALS = "credentials"
    """Makes credentials of a user (R8.9)."""
    PERMISSIONS = "permissions"
    """Rewrites the permissions of an identity, or lifts its boundary, and is it or becomes it (R8.9)."""


@value_class
class Change:
    """What a step takes: requests that must all pass.

    `form` is what the identity is like then and `before` what it was like, `service` who runs something with it.
    """

    kind: ChangeKind
    requests: tuple[Request, ...]
    form: Form = AS_IT_IS
    before: Form = AS_IT_IS
    service: str = ""


@value_class
class Step:
    """Somebody assumes a role, or becomes an identity by a change. `context` is what the caller surely carries."""

    caller: Caller
    role: PrincipalFacts
    action: str
    decision: Decision
    context: Mapping[str, tuple[str, ...]]
    change: Change | None = None

    @property
    def rank(self) -> int:
        """How strong the step is."""
        return rank_of(self.decision)

    @property
    def node(self) -> str:
        """Whom one is then, and in which form."""
        return node_of(self.role.arn, self.form)

    @property
    def form(self) -> Form:
        """What the identity is like then."""
        return self.change.form if self.change else AS_IT_IS

    @property
    def is_of_itself(self) -> bool:
        """Whether somebody changes itself, and so becomes nobody else."""
        return self.caller.text == self.role.arn


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
    request = Request(caller, action, role.arn, role=role, context=known)
    decision = remembered(
        world, request, "step", lambda: now_or_later(world, request, lambda then: _decide(then, request))
    )  # fmt: skip
    return Step(caller, role, action, decision, known)


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
    """A step as findings show it, with the statements that carry it: of the trust policy, or of the caller."""
    requests = judged.change.requests if judged.change else (_request(judged),)
    traced = [(_carried_by(request), _gates(world, request)) for request in requests]
    refs = (ref for layer, gates in traced for gate in gates if gate.layer is layer for ref in gate.statements)
    own = next((gate for gate in traced[0][1] if gate.layer is Layer.IAM and judged.change is None), None)
    decision = judged.decision
    return Hop(
        judged.caller.text, judged.action, judged.role.arn, decision.verdict.value, decision.reason,
        decision.condition, tuple(dict.fromkeys(ref for ref in refs if ref.sha256 != ANYTHING.sha256)),
        _lets(own), _own_side_unread(judged.caller, own),
    )  # fmt: skip


def _carried_by(request: Request) -> Layer:
    """What carries a request: the trust policy of a role that is assumed, else the caller's own policies."""
    return Layer.TRUST if request.role is not None and request.iam_action in _ASSUMING else Layer.IAM


def _gates(world: World, request: Request) -> tuple[Gate, ...]:
    role = request.role if _carried_by(request) is Layer.TRUST else None
    return gates_of(request, layers_of(world, request) if role is None else evaluate_assume(world, request, role))


def _lets(own: Gate | None) -> tuple[StatementRef, ...]:
    """The caller's own statements that let it assume the role (R7.1)."""
    refs = own.statements if own is not None else ()
    allowing = (r for r in refs if r.effect == Effect.ALLOW.value and r.index >= 0 and r.sha256 != ANYTHING.sha256)
    return tuple(allowing)[:_CITED_OF_CALLER]


def _own_side_unread(caller: Caller, own: Gate | None) -> str:
    """Why no statement of the caller's own side is known, where that side decides as well."""
    if own is None or own.outcome is not GateOutcome.UNREAD or _lets(own):
        return ""
    if is_stranger(caller):
        return "its own account decides as well, which is neither ours nor read: it can allow it at any time (R3.30)"
    return f"its own side was {own.why}" if own.why else "its own side was not understood"


def _request(judged: Step) -> Request:
    role = judged.role
    return Request(judged.caller, judged.action, role.arn, role=role, context=judged.context)


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
