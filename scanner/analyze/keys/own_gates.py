"""What a judgement rests on in the documents of its own caller and key."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.analyze.decision.decide import layers_of
from scanner.analyze.decision.gates import gate_of, gates_of
from scanner.analyze.decision.layers import LayerResult, identity_layer
from scanner.analyze.keys.judge import Alone, Judgement
from scanner.analyze.request.context import RequestContext
from scanner.model.decision import Gate, Side
from scanner.model.policy import Effect
from scanner.model.world import World


def own_gates(world: World, judgement: Judgement) -> tuple[Gate, ...]:
    """What decided, as it stands in the documents of the judgement's own caller and key."""
    asked = judgement.asked
    if asked is None:
        return judgement.decision.gates
    request = asked.request(judgement.caller, judgement.action)
    gates = gates_of(request, layers_of(world, request, sources=asked.sources))
    if isinstance(asked, Alone) and asked.callers_side:
        return tuple(gate for gate in gates if gate.side is Side.CALLER)
    return gates


def own_identity(world: World, judgement: Judgement) -> LayerResult | None:
    """What the caller's own identity policies say; None where they were not looked at."""
    asked = judgement.asked
    if asked is None:
        return None
    request = asked.request(judgement.caller, judgement.action)
    return identity_layer(RequestContext(world, request))


def allowing_in(layer: LayerResult) -> Iterator[tuple[str, str, int, bool]]:
    """Document, hash and index of the statements in identity policies that allow, and whether they have conditions."""
    for ref in gate_of(layer).statements:
        if ref.effect == Effect.ALLOW.value:
            yield ref.document, ref.sha256, ref.index, bool(ref.condition_lines)
