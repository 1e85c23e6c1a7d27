"""`explain` as text, like a compiler's diagnostic, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from scanner import ENGINE
from scanner.model.arn import key_id_of
from scanner.model.decision import Gate, GateOutcome, Side, StatementRef, Verdict
from scanner.model.explanation import (
    DOES_NOT_APPLY,
    ActionVerdict,
    AsFinding,
    CitedStatement,
    Explanation,
    KeyLabel,
    Question,
)
from scanner.model.finding import FindingVerdict
from scanner.report.diagnostic import Paint, cited_lines, safe, unpainted
from scanner.report.phrases import TOGETHER, account_text, counted, refuses_alone

EXPLAIN_SCHEMA = 1
"""Rises when a member of the JSON changes its meaning or goes away."""

_MAY = {
    "allowed": "may", "conditional": "may", "latent": "could, and cannot at present,",
    "unknown": "may or may not", "denied": "may not",
}  # fmt: skip
_STRANGER_MAY = {
    FindingVerdict.CONFIRMED: "can", FindingVerdict.CONDITIONAL: "can, under conditions,",
    FindingVerdict.POSSIBLE: "may be able to", FindingVerdict.BLOCKED: "could, and cannot at present,",
    FindingVerdict.INEFFECTIVE: "is named without effect:",
}  # fmt: skip
_SPEAKING = frozenset({GateOutcome.ALLOW, GateOutcome.NOT_APPLICABLE, GateOutcome.DENY_EXPLICIT})
_BY_THE_KEY = (
    "by the key's side alone, because the administrator of an account that is neither ours nor read can allow the "
    "rest at any time (R3.30)"
)
_COUNTED = {"account_suspended": "nobody of a closed account can call until it is opened again (R6.8)"}
"""How findings come to their verdict where they do not count both sides as they were read."""
_CONDITION = 2000
_VALUES = 400


def render_explanation(explanation: Explanation, *, paint: Paint = unpainted, plain: bool = False) -> str:
    """Verdict, reason, condition, gates in order, and the statements with their lines.

    Args:
        paint: colours, for a terminal.
        plain: sentences only, for screen readers: no underlined lines, no columns.
    """
    lines = [*_heading(explanation, paint), ""]
    if explanation.decision.gates:
        lines += [*(_gate_sentences(explanation) if plain else _gate_rows(explanation))]
        lines += [*_together(explanation, plain=plain), ""]
    for block in _blocks(explanation, paint, plain=plain):
        lines += [*block, ""]
    if explanation.actions:
        lines += [*_action_rows(explanation.actions), ""]
    return "\n".join(lines[:-1])


def _heading(explanation: Explanation, paint: Paint) -> Iterator[str]:
    question, decision = explanation.question, explanation.decision
    verdict = decision.verdict.value
    does = f"`{safe(question.action)}` with {key_text(question.key)}"
    rules = "".join(f", {rule.rule}" for rule in explanation.rules)
    if explanation.finding is None:
        yield f"{paint(verdict, 'verdict')}: {principal_text(question)} {_MAY[verdict]} {does}"
        yield f"  because {explanation.why} ({decision.reason}{rules})"
    else:
        yield from _as_findings_say(explanation.finding, principal_text(question), does, paint)
        yield f"  both sides together: {verdict}, because {explanation.why} ({decision.reason}{rules})"
    if decision.condition:
        chosen = "chosen by the caller" if decision.caller_chosen else "not chosen by the caller"
        surely = "surely if" if verdict == "unknown" else "if"
        yield f"  {surely} {safe(decision.condition, _CONDITION)}        ({chosen})"
    for key, values in explanation.question.context.items():
        yield f"  given {safe(key)} = {safe(', '.join(values), _VALUES)}"
    if question.context_complete:
        yield "  given that the request carries no other key"
    if not decision.gates:
        yield "  no gate was asked: this holds whatever policies say"
    refs = [ref for ref in decision.rules if "/" in ref]
    yield from (f"  not read: {safe(ref)}, see coverage.csv" for ref in refs)
    yield from (f"  note: {safe(note, _VALUES)}" for note in explanation.notes)


def _as_findings_say(finding: AsFinding, who: str, does: str, paint: Paint) -> Iterator[str]:
    """A stranger as findings judge it: its administrator completes its side at will, so the key's side counts alone.

    Nobody in a closed account calls anything before it is opened again.
    """
    rules = "".join(f", {rule.rule}" for rule in finding.rules)
    yield f"{paint(finding.verdict.value, 'verdict')}: {who} {_STRANGER_MAY[finding.verdict]} {does}"
    yield f"  because {finding.why} ({finding.reason}{rules})"
    if finding.condition:
        chosen = "chosen by the caller" if finding.caller_chosen else "not chosen by the caller"
        yield f"  if {safe(finding.condition, _CONDITION)}        ({chosen})"
    yield f"  as findings count it: {_COUNTED.get(finding.reason, _BY_THE_KEY)}"


def principal_text(question: Question) -> str:
    """The caller as a sentence names it."""
    if question.principal_kind == "any":
        return "anybody whom this run does not know"
    if question.principal_kind == "account":
        return f"any identity of {safe(account_text(question.account_name, question.account_id))}"
    if question.principal_kind == "service":
        return f"the service `{safe(question.principal)}`"
    name = question.principal.split(":", 5)[-1]
    return f"`{safe(name)}` of {safe(account_text(question.account_name, question.account_id))}"


def key_text(key: KeyLabel) -> str:
    """The key as a sentence names it."""
    name = key.aliases[0] if key.aliases else key.key_id
    return f"`{safe(name)}` of {safe(account_text(key.account_name, key.account_id))} in {safe(key.region)}"


# -- gates ------------------------------------------------------------------------------------------------------------


def _gate_rows(explanation: Explanation) -> Iterator[str]:
    question = explanation.question
    accounts = {Side.CALLER: question.account_id or "-", Side.OWNER: question.key.account_id}
    width = max(len(account) for account in accounts.values())
    for side, account in accounts.items():
        gates = (gate for gate in explanation.decision.gates if gate.side is side)
        cells = "   ".join(f"{gate.layer.value} {gate.outcome.value}" for gate in gates)
        yield f"  {side.value:<6} {safe(account):<{width}}   {cells}"


def _gate_sentences(explanation: Explanation) -> Iterator[str]:
    for number, gate in enumerate(explanation.decision.gates, 1):
        why = f": {safe(gate.why, _VALUES)}" if gate.why else ""
        yield f"Gate {number}, {gate.layer.value} of the {gate.side.value}: {gate.outcome.value}{why}."


def _together(explanation: Explanation, *, plain: bool) -> Iterator[str]:
    """What refuses where no single gate does."""
    decision = explanation.decision
    if decision.verdict is Verdict.DENIED and not refuses_alone(decision.gates):
        text = f"no gate denies by itself: {TOGETHER}"
        yield f"{text[0].upper()}{text[1:]}." if plain else f"  {text}"


def _blocks(explanation: Explanation, paint: Paint, *, plain: bool) -> Iterator[list[str]]:
    """One block per statement, gate by gate; a gate that is silent says so."""
    gates = explanation.decision.gates
    silent: list[str] = []
    for gate in gates:
        cited = [c for c in explanation.statements if c.layer is gate.layer]
        if gate.why and gate.outcome not in _SPEAKING:
            silent.append(_silence(gate, paint))
        if cited and silent:
            yield silent
            silent = []
        yield from (_block(c, explanation, paint, plain=plain) for c in cited)
        more = explanation.left_out.get(gate.layer, 0)
        if more:
            yield [f"{gate.layer.value}: {counted(more, 'more statement')} not shown"]
    if silent:
        yield silent
    if not gates:
        yield from (_block(c, explanation, paint, plain=plain) for c in explanation.statements)


def _silence(gate: Gate, paint: Paint) -> str:
    return f"{paint(gate.outcome.value, 'verdict')}: {safe(gate.why, _VALUES)} ({gate.side.value} {gate.layer.value})"


def _block(cited: CitedStatement, explanation: Explanation, paint: Paint, *, plain: bool) -> list[str]:
    ref = cited.statement
    rules = f"; {', '.join(cited.rules)}" if cited.rules else ""
    comma = "," if cited.effect == DOES_NOT_APPLY else ""
    head = (
        f"{paint(cited.effect, 'verdict')}: {_named(cited)}{comma} {safe(cited.says)} "
        f"({cited.side.value} {cited.layer.value}{rules})"
    )
    failed = [c for c in cited.checks if cited.effect == DOES_NOT_APPLY]
    asks = [
        f"  asks {safe(' '.join(part for part in (c.operator, c.key) if part))}: {safe(', '.join(c.wanted), _VALUES)}; "
        f"saw {safe(c.saw, _VALUES)}"
        for c in failed
    ]
    if plain:
        marks = (
            f"  line {line.number}, columns {mark.col_from} to {mark.col_to}: {safe(mark.label)}"
            for line in cited.lines for mark in line.marks
        )  # fmt: skip
        return [head, f"  in {_place(ref, explanation)}", *asks, *marks]
    body = cited_lines(cited.lines, paint) if cited.lines else ()
    return [head, f"  --> {_place(ref, explanation)}", *asks, *body]


def _named(cited: CitedStatement) -> str:
    ref = cited.statement
    if ref.grant_id:
        return f"grant `{safe(ref.grant_id)}`" + (f" `{safe(ref.sid)}`" if ref.sid else "")
    deny = "Deny " if cited.effect == DOES_NOT_APPLY and ref.effect == "Deny" else ""
    return f"{deny}statement {ref.index}" + (f" `{safe(ref.sid)}`" if ref.sid else "")


def _place(ref: StatementRef, explanation: Explanation) -> str:
    source = key_id_of(ref.source) if ref.source == explanation.question.key.arn else ref.source
    hashed = f", sha256 {ref.sha256[:8]}" if ref.sha256 else ""
    lines = f", line {ref.line_from}" if ref.line_from == ref.line_to else f", lines {ref.line_from}-{ref.line_to}"
    return f"{safe(ref.document)} of {safe(source)}{hashed}{lines if ref.line_from else ''}"


# -- other actions ----------------------------------------------------------------------------------------------------


def _action_rows(actions: tuple[ActionVerdict, ...]) -> Iterator[str]:
    yield "other actions:"
    width = max(len(line.action) for line in actions)
    for line in actions:
        told = line.finding or line
        condition = f" if {safe(told.condition, _VALUES)}" if told.condition else ""
        yield f"  {told.verdict:<11}  {line.action:<{width}}  {told.reason}{condition}"


# -- JSON -------------------------------------------------------------------------------------------------------------


def dump_explanation(explanation: Explanation) -> str:
    """One JSON object with sorted members; docs/explain.md describes them."""
    fields, decision = asdict(explanation), explanation.decision
    inner = fields.pop("decision")
    inner["references"] = inner.pop("rules")
    members = {
        "schema_version": EXPLAIN_SCHEMA, "engine": ENGINE, **fields, **inner, "verdict": decision.verdict.value,
    }  # fmt: skip
    return json.dumps(members, indent=1, sort_keys=True, allow_nan=False)
