"""The whole trace of a decision: beside what decided, what came close, what was silent, and the key's state."""

from __future__ import annotations

from scanner.analyze.decision.checks import documents_of, grant_checks, grant_names, guardrails_by_level, near_misses
from scanner.analyze.decision.gates import MAX_STATEMENTS, grant_ref, statement_ref
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.analyze.statements.statement import document_matches
from scanner.model.actions import state_blocks
from scanner.model.arn import key_id_of
from scanner.model.decision import CheckOutcome, Failure, Gate, GateOutcome, Layer, Side, TracedGate
from scanner.model.key import KeyFacts
from scanner.model.policy import Document, Effect, PolicyText
from scanner.model.world import World

_DOCUMENTS_NAMED = 3


def complete_trace(world: World, request: Request, gates: tuple[Gate, ...]) -> tuple[TracedGate, ...]:
    """The gates of a decision with the statements that failed, a sentence for silent ones, grants and key state."""
    context = RequestContext(world, request)
    completed = [_completed(gate, context) for gate in gates]
    key = request.key
    if key is None:
        return tuple(completed)
    if not any(gate.layer is Layer.GRANT for gate in completed):
        completed.append(_grants_gate(key, context))
    if request.action is not None:
        completed.append(_state_gate(request, key))
    return tuple(completed)


def _completed(gate: Gate, context: RequestContext) -> TracedGate:
    if gate.layer is Layer.GRANT:
        return _traced(gate, gate.why, _failed_grants(context))
    if gate.outcome is GateOutcome.NOT_APPLICABLE or (gate.outcome is GateOutcome.UNREAD and gate.why):
        return _traced(gate, gate.why, ())
    documents = tuple(map(parse_policy, documents_of(gate.layer, context)))
    failed = tuple(
        Failure(statement_ref(document, statement, statement.effect), check)
        for document in documents
        for statement, check in near_misses(document, context)
    )
    why = gate.why or _damage(documents)
    if gate.outcome is GateOutcome.DENY_IMPLICIT and not why:
        why = _silence(gate, context)
    if gate.outcome is GateOutcome.UNREAD and not why and not gate.statements:
        why = "not read"
    return _traced(gate, why, failed[:MAX_STATEMENTS])


def _damage(documents: tuple[Document, ...]) -> str:
    """Why a document that is no policy proves nothing (R10.12)."""
    damaged = next((d for d in documents if d.problems), None)
    return (
        f"{damaged.policy.name} of {_short(damaged.policy.source)} is damaged: {damaged.problems[0]}" if damaged else ""
    )


def _traced(gate: Gate, why: str, failed: tuple[Failure, ...]) -> TracedGate:
    return TracedGate(gate.layer, gate.side, gate.outcome, gate.statements, why, failed)


def _silence(gate: Gate, context: RequestContext) -> str:
    """Which documents were asked and do not allow the action."""
    action = context.request.iam_action
    if gate.layer is Layer.SCP:
        closed = [
            target for target, texts in guardrails_by_level(Layer.SCP, context) if not _some_allow(texts, context)
        ]
        return f"no policy attached to {', '.join(closed)} allows {action}" if closed else ""
    documents = documents_of(gate.layer, context)
    if not documents:
        return "there are no identity policies" if gate.layer is Layer.IAM else ""
    named = " and ".join(f"{text.name} of {_short(text.source)}" for text in documents[:_DOCUMENTS_NAMED])
    more = f" and {len(documents) - _DOCUMENTS_NAMED} more" if len(documents) > _DOCUMENTS_NAMED else ""
    return f"no statement of {named}{more} allows {action}"


def _short(source: str) -> str:
    """A key by its id; other ARNs and ids as they are."""
    return key_id_of(source) if ":key/" in source else source


def _some_allow(texts: tuple[PolicyText, ...], context: RequestContext) -> bool:
    return any(m.effect is Effect.ALLOW for text in texts for m in document_matches(parse_policy(text), context))


def _grants_gate(key: KeyFacts, context: RequestContext) -> TracedGate:
    """The gate of a key whose grants were read and do not cover the request."""
    if not key.grants:
        return TracedGate(Layer.GRANT, Side.OWNER, GateOutcome.NOT_APPLICABLE, why="the key has no grants")
    why = f"none of the key's grants ({len(key.grants)}) covers the request"
    return TracedGate(Layer.GRANT, Side.OWNER, GateOutcome.DENY_IMPLICIT, why=why, failed=_failed_grants(context))


def _failed_grants(context: RequestContext) -> tuple[Failure, ...]:
    request, found = context.request, []
    assert request.key is not None
    for grant in request.key.grants or ():
        if grant_names(grant, request.caller):
            failed = next((c for c in grant_checks(grant, context) if c.outcome is CheckOutcome.FAILS), None)
            if failed is not None:
                found.append(Failure(grant_ref(request.key.arn, grant), failed))
    return tuple(found[:MAX_STATEMENTS])


def _state_gate(request: Request, key: KeyFacts) -> TracedGate:
    """What the key's present state does to the action (R9.1)."""
    assert request.action is not None
    blocked = state_blocks(request.action, key.state)
    if blocked is None:
        gap = key.gaps.get("describe", "")
        why = f"not read, see {gap} in Coverage" if gap else f"the state `{key.state}` is not known to this version"
        return TracedGate(Layer.KEY_STATE, Side.OWNER, GateOutcome.UNREAD, why=why)
    outcome = GateOutcome.DENY_IMPLICIT if blocked else GateOutcome.ALLOW
    return TracedGate(Layer.KEY_STATE, Side.OWNER, outcome, why=f"the key is {key.state}")
