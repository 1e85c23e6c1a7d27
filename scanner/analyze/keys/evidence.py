"""Which lines of which documents prove a finding."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from scanner.analyze.keys.judge import is_stranger
from scanner.analyze.keys.strangers import chosen_by_strangers
from scanner.analyze.logic.expression import FALSE, TRUE, Expression, Origin, variables
from scanner.analyze.principals.selectors import NamedStatement, Selector, selector_of
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.analyze.statements.condition import condition_expression
from scanner.model.conditions import ConditionKey, find_condition_key
from scanner.model.decision import Gate, Layer, Side
from scanner.model.finding import ConditionRef, Evidence, GrantRef, Highlight
from scanner.model.key import Grant, KeyFacts
from scanner.model.policy import Span, Statement
from scanner.model.world import World

_STRENGTH = {3: "strong", 2: "real", 1: "weak", 0: "none"}
_CALLER_LAYERS = (Layer.IAM, Layer.BOUNDARY, Layer.SESSION, Layer.SCP, Layer.RCP, Layer.KEY_POLICY)
MAX_STATEMENTS = 8
"""Statements cited per finding; the rest is counted."""


def statement_evidence(named: NamedStatement, selector: Selector) -> Evidence:
    """The statement with the parts that matter marked: who, what, under which condition."""
    statement, policy = named.statement, named.document.policy
    lines = policy.text.split("\n")
    marks: list[Highlight] = []
    for entry in statement.principals or ():
        if (
            entry.type == "*"
            or selector_of(entry.value, selector.partition) == selector
            or entry.value == selector.text
        ):
            marks.extend(marks_of(entry.span, lines, _who(selector)))
    for element in statement.not_principals or ():
        marks.extend(marks_of(element.span, lines, "everybody but these"))
    for action in (*(statement.actions or ()), *(statement.not_actions or ())):
        marks.extend(marks_of(action.span, lines, "allows the action" if statement.actions else "allows all but this"))
    for test in statement.conditions:
        marks.extend(marks_of(test.span, lines, f"only if {test.key} passes {test.written_operator}"))
    return Evidence(
        "policy_statement", policy.source, policy.name, policy.sha256, statement.span.line_from,
        statement.span.line_to, tuple(sorted(marks, key=lambda m: (m.line, m.col_from, m.label))),
    )  # fmt: skip


def _who(selector: Selector) -> str:
    names = {
        "account": f"delegates to every principal of {selector.account_id}", "any": "everybody",
        "organization": "everybody, limited by the condition", "service": "the service itself",
        "unknown_id": "a user or role that was deleted",
    }  # fmt: skip
    return names.get(selector.kind, "names the grantee")


def marks_of(span: Span, lines: list[str], label: str) -> Iterable[Highlight]:
    """One highlight per line of the span; the label stands on the first."""
    for line in range(span.line_from, span.line_to + 1):
        text = lines[line - 1] if line <= len(lines) else ""
        first = span.col_from if line == span.line_from else len(text) - len(text.lstrip()) + 1
        last = span.col_to if line == span.line_to else len(text.rstrip())
        if last >= first:
            yield Highlight(line, first, last, label if line == span.line_from else "")


def gate_evidence(gates: Iterable[Gate], cited: set[tuple[str, int]]) -> Iterable[Evidence]:
    """Statements of other layers that took part: the caller's policies, guardrails and Deny statements."""
    for gate in gates:
        if gate.layer not in _CALLER_LAYERS:
            continue
        for ref in gate.statements[:2]:
            place = (ref.sha256, ref.index)
            if place in cited or not ref.sha256 or ref.index < 0:
                continue
            cited.add(place)
            side = "the caller's side" if gate.side is Side.CALLER else "the owner's side"
            label = f"{gate.layer.value.replace('_', ' ')}, {side}: {ref.effect.lower()}"
            yield Evidence(
                f"{gate.layer.value}_statement", ref.source, ref.document, ref.sha256, ref.line_from, ref.line_to,
                (Highlight(ref.line_from, 1, 1, label),),
            )  # fmt: skip


def grant_document(key: KeyFacts, grant: Grant) -> tuple[str, str]:
    """A grant as the text people can read, and its hash."""
    members = {
        "KeyId": key.arn, "GrantId": grant.grant_id, "Name": grant.name, "CreationDate": grant.created,
        "GranteePrincipal": grant.grantee_principal, "GranteeServicePrincipal": grant.grantee_service_principal,
        "RetiringPrincipal": grant.retiring_principal,
        "RetiringServicePrincipal": grant.retiring_service_principal, "IssuingAccount": grant.issuing_account,
        "Operations": list(grant.operations), "Constraints": grant.constraints.as_api(),
    }  # fmt: skip
    text = json.dumps({name: value for name, value in members.items() if value}, indent=2)
    return text, hashlib.sha256(text.encode()).hexdigest()


def grant_evidence(key: KeyFacts, grant: Grant) -> tuple[Evidence, str]:
    """A grant as evidence, and its text."""
    text, sha256 = grant_document(key, grant)
    lines = text.split("\n")
    marks = [
        Highlight(number, len(line) - len(line.lstrip()) + 1, len(line), label)
        for number, line in enumerate(lines, 1)
        for name, label in (("Grantee", "names the grantee"), ("Operations", "allows these operations"))
        if line.lstrip().startswith(f'"{name}')
    ]
    return Evidence("grant", key.arn, f"grant {grant.grant_id}", sha256, 1, len(lines), tuple(marks)), text


def grant_ref(grant: Grant) -> GrantRef:
    """A grant as findings list it."""
    return GrantRef(
        grant.grant_id, grant.name, grant.created, grant.issuing_account, grant.operations, grant.constraints.as_api()
    )


def condition_refs(world: World, request: Request, statements: Iterable[Statement], named: NamedStatement) -> tuple[
    ConditionRef, ...
]:  # fmt: skip
    """The conditions of statements with their strength and what became of them for one request."""
    context = RequestContext(world, request)
    found: list[ConditionRef] = []
    for statement in statements:
        for test in statement.conditions:
            row = find_condition_key(test.key)
            outcome = condition_expression(test, named.document, context, statement.effect)
            if is_stranger(request.caller):
                outcome = chosen_by_strangers(outcome)
            found.append(
                ConditionRef(
                    key=test.key,
                    operator=test.written_operator,
                    values=test.values,
                    side=Side.OWNER.value,
                    strength=_STRENGTH[row.strength] if row else "unknown",
                    chosen_by_caller=_is_callers_choice(outcome, row),
                    status=_status(outcome),
                    text=f"{test.written_operator} {test.key}: {', '.join(test.values)}",
                )
            )
    return tuple(dict.fromkeys(found))


def _is_callers_choice(outcome: Expression, row: ConditionKey | None) -> bool:
    """Whether the caller chooses what is left open, as the decision has it; of what is settled, what the table says."""
    left = variables(outcome)
    return all(v.caller_chosen for v in left) if left else bool(row and row.caller_chosen)


def _status(outcome: Expression) -> str:
    if outcome is TRUE:
        return "satisfied"
    if outcome is FALSE:
        return "unsatisfiable"
    return "unread" if any(v.origin is Origin.DATA for v in variables(outcome)) else "residual"
