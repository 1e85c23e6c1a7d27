"""Explanations of random small worlds: the verdict of the engine, places inside the texts, citations that hold."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from scanner.analyze.decision.checks import documents_of
from scanner.analyze.decision.decide import decide
from scanner.analyze.explain import explain
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.question import Asked
from scanner.analyze.request.context import RequestContext
from scanner.analyze.statements.statement import document_matches
from scanner.casefile import build_world
from scanner.cases import build_request
from scanner.model.decision import StatementRef, TracedGate
from scanner.report.explain import dump_explanation, render_explanation

from reference_worlds import worlds

Json = dict[str, Any]

budget = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def applies(gate: TracedGate, ref: StatementRef, context: RequestContext) -> bool:
    """Whether the engine counts the statement that a reference of a gate means."""
    documents = (parse_policy(text) for text in documents_of(gate.layer, context))
    document = next(d for d in documents if (d.policy.sha256, d.policy.name) == (ref.sha256, ref.document))
    return any(match.statement.index == ref.index for match in document_matches(document, context))


@budget
@given(worlds())
def test_explanation_has_the_verdict_of_the_engine_and_true_citations(drawn: tuple[Json, Json]) -> None:
    world = build_world(drawn[0])
    request = build_request(world, drawn[1])
    assume(request.key is not None and request.role is None)
    explanation = explain(world, Asked(request, request.caller.text, {}), every_action=False)
    decision = decide(world, request, trace=False)
    assert (explanation.decision.verdict, explanation.decision.reason) == (decision.verdict, decision.reason)
    assert explanation.decision.condition == decision.condition
    context = RequestContext(world, request)
    for gate in explanation.decision.gates:
        assert isinstance(gate, TracedGate)
        for failure in gate.failed:
            if not failure.statement.grant_id:
                assert not applies(gate, failure.statement, context)
        for ref in gate.statements:
            if not ref.grant_id and ref.index >= 0:
                assert applies(gate, ref, context)
    for cited in explanation.statements:
        for line in cited.lines:
            assert all(1 <= mark.col_from <= mark.col_to <= len(line.text) for mark in line.marks)
            inside = cited.statement.line_from <= line.number <= cited.statement.line_to
            assert inside or cited.statement.grant_id
    assert render_explanation(explanation).startswith(f"{decision.verdict.value}: ")
    assert render_explanation(explanation, plain=True)
    assert dump_explanation(explanation).isascii()
