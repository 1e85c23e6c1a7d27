"""What a judgement that was made for somebody alike rests on in the documents of its own caller and key."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.analyze.decision.decide import evaluate
from scanner.analyze.decision.gates import gates_of
from scanner.analyze.keys.judge import Judgement
from scanner.analyze.principals.anywhere import concerns_kms
from scanner.model.decision import Gate, Layer
from scanner.model.policy import Effect, PolicyText
from scanner.model.world import World


def own_gates(world: World, judgement: Judgement) -> tuple[Gate, ...]:
    """What decided, as it stands in the documents of the judgement's own caller and key."""
    gates, shared = judgement.decision.gates, judgement.shared
    if not gates or shared is None:
        return gates
    return gates_of(shared.request, evaluate(world, shared.request, sources=shared.sources))


def own_statements(judgement: Judgement) -> Iterator[tuple[PolicyText, int, bool]]:
    """The statements of the caller's identity policies that allow, each with whether it has conditions.

    Whoever shares a judgement has policies that read the same, line by line, in the same order.
    """
    shared = judgement.shared
    own = tuple(filter(concerns_kms, judgement.caller.identity_policies))
    theirs = own if shared is None else tuple(filter(concerns_kms, shared.made_for.identity_policies))
    allowing = (
        ref for gate in judgement.decision.gates if gate.layer is Layer.IAM
        for ref in gate.statements if ref.effect == Effect.ALLOW.value
    )  # fmt: skip
    for ref in allowing:
        places = (i for i, policy in enumerate(theirs) if policy.sha256 == ref.sha256)
        yield from ((own[i], ref.index, bool(ref.condition_lines)) for i in places)
