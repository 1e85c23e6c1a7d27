"""The trace of a decision: every gate with its outcome and the statements that decided it."""

from __future__ import annotations

from collections.abc import Iterable

from scanner.analyze.expression import FALSE, TRUE, Expression, Origin, disj, variables
from scanner.analyze.layers import LayerResult
from scanner.analyze.statement import Match
from scanner.model.decision import Gate, GateOutcome, Layer, Side, StatementRef
from scanner.model.policy import Effect

MAX_STATEMENTS = 20
"""Statements named per gate; the first ones decide, the rest only repeat."""


def statement_ref(match: Match) -> StatementRef:
    """Where the statement of a match stands."""
    policy, statement = match.document.policy, match.statement
    return StatementRef(
        source=policy.source,
        document=policy.name,
        sha256=policy.sha256,
        index=statement.index,
        sid=statement.sid,
        effect=match.effect.value,
        line_from=statement.span.line_from,
        line_to=statement.span.line_to,
        condition_lines=tuple((t.span.line_from, t.span.line_to) for t in statement.conditions),
    )


def gates_of(request, evaluation) -> tuple[Gate, ...]:  # type: ignore[no-untyped-def]
    """Every gate in order, with grants and key state where they matter."""
    gates = [_gate(layer) for layer in evaluation.layers]
    if request.key is not None and not request.key.grants and request.key.grants is not None:
        return tuple(gates)
    refs = tuple(
        StatementRef(request.key.arn, f"grant {m.grant.grant_id}", "", 0, m.grant.name, "Allow",
                     grant_id=m.grant.grant_id)
        for m in (*evaluation.grants, *evaluation.retiring)
    ) if request.key is not None else ()  # fmt: skip
    if refs:
        applies = disj(m.applies for m in (*evaluation.grants, *evaluation.retiring))
        gates.append(Gate(Layer.GRANT, Side.OWNER, _outcome(applies, FALSE), refs[:MAX_STATEMENTS]))
    elif request.key is not None and request.key.grants is None:
        gates.append(Gate(Layer.GRANT, Side.OWNER, GateOutcome.UNREAD))
    return tuple(gates)


def _gate(layer: LayerResult) -> Gate:
    if not layer.applicable:
        return Gate(layer.layer, layer.side, GateOutcome.NOT_APPLICABLE)
    outcome = _outcome(layer.allow, layer.deny)
    decisive = Effect.DENY if outcome is GateOutcome.DENY_EXPLICIT else None
    refs = _refs(m for m in layer.matches if decisive is None or m.effect is decisive)
    return Gate(layer.layer, layer.side, outcome, refs, layer.gap)


def _refs(matches: Iterable[Match]) -> tuple[StatementRef, ...]:
    ordered = sorted(matches, key=lambda m: m.applies != TRUE)
    return tuple(dict.fromkeys(statement_ref(m) for m in ordered))[:MAX_STATEMENTS]


def _outcome(allow: Expression, deny: Expression) -> GateOutcome:
    if deny == TRUE:
        return GateOutcome.DENY_EXPLICIT
    open_facts = [*variables(allow), *variables(deny)]
    if allow == FALSE and not variables(deny):
        return GateOutcome.DENY_IMPLICIT
    if any(v.origin is Origin.DATA for v in open_facts):
        return GateOutcome.UNREAD
    if open_facts:
        return GateOutcome.DENY_IMPLICIT if allow == FALSE else GateOutcome.CONDITIONAL
    return GateOutcome.ALLOW
