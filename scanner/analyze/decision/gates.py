"""The trace of a decision: every gate with its outcome and the statements that decided it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from scanner.analyze.decision.grants import GrantMatch, RetireMatch
from scanner.analyze.decision.layers import LayerResult
from scanner.analyze.logic.expression import FALSE, TRUE, Expression, Origin, disj, variables
from scanner.analyze.request.request import Request
from scanner.analyze.statements.statement import Match
from scanner.model.decision import Gate, GateOutcome, Layer, Side, StatementRef
from scanner.model.key import Grant
from scanner.model.policy import Document, Effect, Statement


class Evaluated(Protocol):
    """What a trace is made from: the layers, and the grants that matched."""

    @property
    def layers(self) -> tuple[LayerResult, ...]:
        """Every layer in order."""

    @property
    def grants(self) -> tuple[GrantMatch, ...]:
        """Grants that may cover the request."""

    @property
    def retiring(self) -> tuple[RetireMatch, ...]:
        """Ways to retire a grant."""


MAX_STATEMENTS = 20
"""Statements named per gate; the first ones decide, the rest only repeat."""


def statement_ref(document: Document, statement: Statement, effect: Effect) -> StatementRef:
    """Where a statement stands, with the lines of its conditions."""
    policy = document.policy
    return StatementRef(
        source=policy.source,
        document=policy.name,
        sha256=policy.sha256,
        index=statement.index,
        sid=statement.sid,
        effect=effect.value,
        line_from=statement.span.line_from,
        line_to=statement.span.line_to,
        condition_lines=tuple((t.span.line_from, t.span.line_to) for t in statement.conditions),
    )


def gates_of(request: Request, evaluation: Evaluated) -> tuple[Gate, ...]:
    """Every gate in order, with grants and key state where they matter."""
    gates = [gate_of(layer) for layer in evaluation.layers]
    key = request.key
    if key is None:
        return tuple(gates)
    if any(m.applies is TRUE for m in evaluation.grants):
        gates = [_stood_in_for(gate) for gate in gates]
    matches: tuple[GrantMatch | RetireMatch, ...] = (*evaluation.grants, *evaluation.retiring)
    if matches:
        outcome = _outcome(disj(m.applies for m in matches), FALSE)
        refs = tuple(dict.fromkeys(grant_ref(key.arn, m.grant) for m in matches))
        gates.append(Gate(Layer.GRANT, Side.OWNER, outcome, refs[:MAX_STATEMENTS]))
    if not key.grants_complete:
        gates.append(Gate(Layer.GRANT, Side.OWNER, GateOutcome.UNREAD, (), _why(key.gaps.get("grants", ""))))
    return tuple(gates)


def _stood_in_for(gate: Gate) -> Gate:
    """A grant takes the place of policies that do not allow (R4.10, R4.11)."""
    silent = gate.outcome is GateOutcome.DENY_IMPLICIT and gate.layer in {Layer.IAM, Layer.KEY_POLICY}
    return replace(gate, why="not needed, the grant stands in for it (R4.10, R4.11)") if silent else gate


def grant_ref(key_arn: str, grant: Grant) -> StatementRef:
    """Where a grant stands: at its key, without a text."""
    return StatementRef(
        key_arn, f"grant {grant.grant_id}", "", 0, grant.name, Effect.ALLOW.value, grant_id=grant.grant_id
    )


def gate_of(layer: LayerResult) -> Gate:
    """One layer as a gate, with the statements that decide it."""
    if not layer.applicable:
        return Gate(layer.layer, layer.side, GateOutcome.NOT_APPLICABLE)
    outcome = _outcome(layer.allow, layer.deny)
    decisive = Effect.DENY if outcome is GateOutcome.DENY_EXPLICIT else None
    refs = _refs(m for m in layer.matches if decisive is None or m.effect is decisive)
    return Gate(layer.layer, layer.side, outcome, refs, _why(layer.gap))


def _why(gap: str) -> str:
    """What a gap points at: a ledger row, or the rule that says what such data count as."""
    if not gap:
        return ""
    return f"not read, see {gap} in Coverage" if "/" in gap else f"outside what was read ({gap})"


def _refs(matches: Iterable[Match]) -> tuple[StatementRef, ...]:
    sure, open_ = list[Match](), list[Match]()
    for match in matches:
        (sure if match.applies is TRUE else open_).append(match)
    refs = [statement_ref(m.document, m.statement, m.effect) for m in (*sure, *open_)]
    return tuple(refs) if len(refs) < 2 else tuple(dict.fromkeys(refs))[:MAX_STATEMENTS]


def _outcome(allow: Expression, deny: Expression) -> GateOutcome:
    if deny is TRUE:
        return GateOutcome.DENY_EXPLICIT
    denying = () if deny is FALSE else variables(deny)
    if allow is FALSE and not denying:
        return GateOutcome.DENY_IMPLICIT
    if allow is TRUE and not denying:
        return GateOutcome.ALLOW
    open_facts = [*variables(allow), *denying]
    if any(v.origin is Origin.DATA for v in open_facts):
        return GateOutcome.UNREAD
    return GateOutcome.DENY_IMPLICIT if allow is FALSE else GateOutcome.CONDITIONAL
