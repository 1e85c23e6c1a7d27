"""One decision taken apart: the gates in order, the statements that decide, and those that came close."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches

from scanner.analyze.decision.checks import checks_of, documents_of, grant_checks, outcome_of
from scanner.analyze.decision.decide import decide, evaluate, refused_at_once
from scanner.analyze.decision.evaluation import Evaluation
from scanner.analyze.decision.gates import gates_of, grant_ref, statement_ref
from scanner.analyze.decision.grants import GrantMatch, RetireMatch
from scanner.analyze.decision.layers import LayerResult
from scanner.analyze.decision.trace import complete_trace
from scanner.analyze.keys.evidence import grant_evidence, marks_of
from scanner.analyze.keys.judge import SUSPENDED, is_stranger, of_stranger
from scanner.analyze.keys.rules import rules_of
from scanner.analyze.logic.wording import reason_in_words
from scanner.analyze.principals.question import Asked, key_label
from scanner.analyze.principals.reach import CLOSED
from scanner.analyze.request.caller import account_of
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.analyze.statements.match import MatchKind
from scanner.analyze.statements.statement import Match
from scanner.model.actions import KEY_ACTIONS
from scanner.model.decision import (
    Check,
    CheckOutcome,
    Decision,
    Failure,
    Gate,
    GateOutcome,
    Layer,
    Side,
    TracedGate,
    Verdict,
)
from scanner.model.explanation import (
    DOES_NOT_APPLY,
    WITHOUT_EFFECT,
    ActionVerdict,
    AsFinding,
    CitedLine,
    CitedStatement,
    Explanation,
    Question,
)
from scanner.model.finding import FindingVerdict, Highlight
from scanner.model.key import Grant
from scanner.model.policy import DocumentKind, Effect, Span
from scanner.model.world import World

MAX_CITED = 5
"""Statements cited per gate, applying and failing ones apiece; the rest is counted."""

_RULE_OF_FORM = {
    MatchKind.ACCOUNT: "R2.2", MatchKind.ROLE: "R2.4", MatchKind.USER: "R2.5", MatchKind.SESSION: "R2.6",
    MatchKind.STAR: "R2.8", MatchKind.SERVICE: "R2.12",
}  # fmt: skip
_FORMS = {
    MatchKind.ACCOUNT: "names the caller's account", MatchKind.ROLE: "names the caller's role",
    MatchKind.USER: "names the caller", MatchKind.SESSION: "names the caller's session",
    MatchKind.STAR: "names everybody", MatchKind.SERVICE: "names the service",
}  # fmt: skip
_RULED_LIKE = {
    "explicit_deny_iam": "explicit_deny", "explicit_deny_boundary": "explicit_deny",
    "explicit_deny_session": "explicit_deny", "explicit_deny_key_policy": "explicit_deny",
    "key_state": "key_disabled", "partition": "wrong_partition",
}  # fmt: skip
"""Reasons that rest on the rules of another one."""
_OWN_TEXTS = frozenset({Layer.KEY_POLICY, Layer.RAM})
_GUARDRAILS = frozenset({Layer.SCP, Layer.RCP})


def explain(world: World, asked: Asked, *, every_action: bool = False) -> Explanation:
    """Explain the decision on one request.

    Args:
        asked: the request with what was typed.
        every_action: whether the verdicts on the other actions are wanted as well.
    """
    request = asked.request
    refusal = refused_at_once(request)
    evaluation = evaluate(world, request)
    decision = decide(world, request, trace=False)
    traced = complete_trace(world, request, gates_of(request, evaluation))
    gates = () if refusal else traced
    finding = _as_finding(world, request, evaluation, decision)
    cited, left_out = _cited(world, request, evaluation, traced, refused=refusal is not None)
    return Explanation(
        question=_question(world, asked),
        decision=replace(decision, gates=gates),
        why=reason_in_words(_told_as(decision.reason, request)),
        rules=rules_of((_RULED_LIKE.get(decision.reason, _told_as(decision.reason, request)),), decision.rules),
        statements=cited,
        left_out=left_out,
        notes=tuple(_notes(world, asked, decision, finding)),
        actions=tuple(_other_actions(world, request)) if every_action else (),
        finding=finding,
    )


def _as_finding(world: World, request: Request, evaluation: Evaluation, decision: Decision) -> AsFinding | None:
    """What findings say where that is not the decision's verdict.

    The key's side decides alone on a stranger, where it is sure (R3.30); a closed account may be opened again (R6.8).
    """
    if decision.verdict is Verdict.DENIED:
        return None
    if account_of(world, request.caller.account_id).status in CLOSED:
        why, rules = reason_in_words(SUSPENDED), rules_of((SUSPENDED,), ())
        return AsFinding(FindingVerdict.BLOCKED, SUSPENDED, why, "", False, rules)
    if not is_stranger(request.caller):
        return None
    verdict, reason, left = of_stranger(world, request, evaluation)
    if verdict is FindingVerdict.POSSIBLE:
        return None
    return AsFinding(
        verdict, reason, reason_in_words(reason), left.condition, left.caller_chosen, rules_of((reason,), left.rules)
    )


def _told_as(reason: str, request: Request) -> str:
    """The reason as it is told: inside an account, and of a service, there are no two sides (R3.10, R3.25)."""
    if request.caller.is_service:
        return "service_admitted" if reason == "both_sides_allow" else reason
    own = request.key is not None and request.key.account_id == request.caller.account_id
    return f"own_{reason}" if own and reason in {"both_sides_allow", "no_identity_policy", "boundary"} else reason


def _question(world: World, asked: Asked) -> Question:
    request, caller = asked.request, asked.request.caller
    assert request.key is not None
    account_id = "" if caller.account_id == "*" else caller.account_id
    return Question(
        key=key_label(world, request.key), asked=asked.principal, principal=caller.text,
        principal_kind=caller.kind.value, account_id=account_id,
        account_name=account_of(world, caller.account_id).name if account_id else "", action=request.iam_action,
        context=dict(asked.context), context_complete=request.complete, judged=asked.judged,
    )  # fmt: skip


def _notes(world: World, asked: Asked, decision: Decision, finding: AsFinding | None) -> Iterator[str]:
    if finding is None and is_stranger(asked.request.caller) and decision.verdict is Verdict.UNKNOWN:
        yield (
            "the caller's account is neither ours nor read: its administrator can complete the caller's side, so "
            "findings count the key's side alone (R3.30)"
        )
    if asked.judged > 1:
        yield f"`{asked.principal}` stands for {asked.judged} identities that were read; this is the strongest of them"
    if asked.request.action is None:
        near = get_close_matches(asked.request.iam_action, [a.iam_name for a in KEY_ACTIONS], n=1)
        yield f"this version does not know `{asked.request.iam_action}`" + (f"; is it `{near[0]}`?" if near else "")
    if asked.request.caller.is_root_user and decision.verdict is not Verdict.DENIED:
        yield "whether the root user has credentials was not read (R7.15)"
    if world.asserted:
        yield f"the configuration asserts {', '.join(sorted(world.asserted))} for every request"


def _other_actions(world: World, request: Request) -> Iterator[ActionVerdict]:
    for action in KEY_ACTIONS:
        if action.iam_name == request.iam_action:
            continue
        other = replace(request, iam_action=action.iam_name, action=action)
        decision = decide(world, other, trace=False)
        finding = _as_finding(world, other, evaluate(world, other), decision)
        yield ActionVerdict(action.iam_name, decision.verdict.value, decision.reason, decision.condition, finding)


# -- statements -------------------------------------------------------------------------------------------------------


def _cited(
    world: World, request: Request, evaluation: Evaluation, gates: tuple[TracedGate, ...], *, refused: bool
) -> tuple[tuple[CitedStatement, ...], dict[Layer, int]]:
    """The statements of every gate in order; where no policy is asked, what the key's own texts say in vain."""
    context = RequestContext(world, request)
    layers = {layer.layer: layer for layer in evaluation.layers}
    found: list[CitedStatement] = []
    left_out: dict[Layer, int] = {}
    for gate in gates:
        if refused and gate.layer not in {*_OWN_TEXTS, Layer.GRANT}:
            continue
        if gate.layer is Layer.GRANT:
            grants: tuple[GrantMatch | RetireMatch, ...] = (*evaluation.grants, *evaluation.retiring)
            applying = [_cited_grant(m, context) for m in grants]
        else:
            applying = list(_applying(layers.get(gate.layer), gate, context))
        failing = [_cited_failure(gate, failure, context) for failure in _telling(gate)]
        for part in (applying, failing):
            found.extend(part[:MAX_CITED])
            if len(part) > MAX_CITED:
                left_out[gate.layer] = left_out.get(gate.layer, 0) + len(part) - MAX_CITED
    if refused:
        found = [replace(c, effect=WITHOUT_EFFECT) for c in found if c.effect != DOES_NOT_APPLY]
    return tuple(found), left_out


def _telling(gate: TracedGate) -> Iterator[Failure]:
    """Failures that say why: any where the gate does not allow, Deny statements alone where it does."""
    allows = gate.outcome in {GateOutcome.ALLOW, GateOutcome.NOT_APPLICABLE}
    for failure in gate.failed:
        if not (allows and failure.statement.effect == Effect.ALLOW.value):
            yield failure


def _applying(layer: LayerResult | None, gate: Gate, context: RequestContext) -> Iterator[CitedStatement]:
    if layer is None or not layer.applicable:
        return
    seen: set[tuple[str, str, int, Effect]] = set()
    for match in sorted(layer.matches, key=lambda m: outcome_of(m.applies) is not CheckOutcome.HOLDS):
        place = (match.document.policy.name, match.document.policy.sha256, match.statement.index, match.effect)
        sure = outcome_of(match.applies) is CheckOutcome.HOLDS
        silent = gate.outcome is GateOutcome.DENY_EXPLICIT or (sure and layer.layer in _GUARDRAILS)
        idle = match.effect is Effect.ALLOW and silent
        if place in seen or idle or match.statement.index < 0:
            continue
        seen.add(place)
        yield _cited_match(layer, match, context)


def _cited_match(layer: LayerResult, match: Match, context: RequestContext) -> CitedStatement:
    checks = tuple(checks_of(match.document, match.statement, context))
    verb = "deny" if match.effect is Effect.DENY else "allow"
    return CitedStatement(
        layer.layer, layer.side, _effect(verb, outcome_of(match.applies)), _says(layer.layer, match),
        statement_ref(match.document, match.statement, match.effect),
        _lines(match, checks, context), checks,
        tuple(_rules(layer.layer, match, context)),
    )  # fmt: skip


def _effect(verb: str, outcome: CheckOutcome) -> str:
    """What a statement does: surely, if the request has it so, or if the data nobody read has it so."""
    words = {CheckOutcome.HOLDS: verb, CheckOutcome.OPEN: f"{verb} under a condition"}
    return words.get(outcome, f"perhaps {verb}")


def _says(layer: Layer, match: Match) -> str:
    if layer not in _OWN_TEXTS:
        says = "covers action and key"
    elif match.statement.not_principals is not None:
        says = "names everybody but a few"
    else:
        says = _FORMS[match.kind]
    return f"{says}, and is damaged: {match.statement.damage[0]}" if match.statement.damage else says


def _rules(layer: Layer, match: Match, context: RequestContext) -> Iterator[str]:
    key = context.request.key
    foreign = key is not None and key.account_id != context.request.caller.account_id
    if match.effect is Effect.DENY:
        yield "R3.3"
    if layer in _OWN_TEXTS:
        yield "R2.15" if match.statement.not_principals is not None else _RULE_OF_FORM[match.kind]
    if layer is Layer.RAM:
        yield "R2.20"
    if layer is Layer.IAM and foreign:
        yield "R3.24"
    if layer is Layer.BOUNDARY and foreign:
        yield "R3.26"
    if layer in _GUARDRAILS:
        yield "R3.43" if layer is Layer.SCP else "R3.51"


def _cited_failure(gate: Gate, failure: Failure, context: RequestContext) -> CitedStatement:
    """A statement or grant that came close: the one check that failed."""
    check = failure.check
    ref = failure.statement
    lines: tuple[CitedLine, ...] = ()
    if ref.grant_id:
        key = context.request.key
        grant = next(g for g in (key.grants or () if key else ()) if g.grant_id == ref.grant_id)
        lines = _grant_lines(grant, context, (check,))
    elif check.line_from:
        text = _text_of(gate.layer, ref.sha256, context)
        lines = _cut(text, _highlights((check,), text, _failed_label))
    return CitedStatement(
        gate.layer, gate.side, DOES_NOT_APPLY, _why_not(check), ref, lines, (check,)
    )  # fmt: skip


def _why_not(check: Check) -> str:
    if check.part == "action":
        return f"its actions do not cover {check.saw}"
    if check.part == "resource":
        return "its resources do not cover the key"
    return f"its condition on {check.key} fails"


def _failed_label(check: Check) -> str:
    if check.part == "condition":
        return (
            f"fails: {check.key} is {check.saw}" if check.saw != "absent" else f"fails: the request has no {check.key}"
        )
    return f"does not cover {_short(check.saw)}" if check.part == "resource" else f"does not cover {check.saw}"


# -- lines ------------------------------------------------------------------------------------------------------------


def _lines(match: Match, checks: tuple[Check, ...], context: RequestContext) -> tuple[CitedLine, ...]:
    text = match.document.policy.text
    own = match.document.policy.kind in {DocumentKind.KEY_POLICY, DocumentKind.RAM_POLICY}
    shown = tuple(c for c in checks if not (c.part == "resource" and own))
    return _cut(text, _highlights(shown, text, lambda check: _label(check, match, context)))


def _label(check: Check, match: Match, context: RequestContext) -> str:
    verb = "denies" if match.effect is Effect.DENY else "allows"
    match check.part:
        case "principal":
            return _names(match, context)
        case "action":
            return f"{verb} the action" if check.operator == "Action" else f"{verb} every action but these"
        case "resource":
            return "covers the key" if check.operator == "Resource" else "spares these only"
    return f"{'holds: ' if check.outcome is CheckOutcome.HOLDS else ''}{check.key} is {check.saw}"


def _names(match: Match, context: RequestContext) -> str:
    """Whom the principal element names, as far as the caller is concerned."""
    if match.statement.not_principals is not None:
        return "everybody but these"
    if match.kind is MatchKind.STAR:
        return "everybody"
    if match.kind is MatchKind.ACCOUNT:
        verb = "concerns" if match.effect is Effect.DENY else "delegates to"
        return f"{verb} every principal of {context.request.caller.account_id}"
    return f"names {_short(context.request.caller.text)}"


def _short(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]


def _highlights(checks: tuple[Check, ...], text: str, label: Callable[[Check], str]) -> tuple[Highlight, ...]:
    lines = text.split("\n")
    found: list[Highlight] = []
    for check in checks:
        if check.line_from:
            span = Span(check.line_from, check.col_from, check.line_to, check.col_to)
            found.extend(marks_of(span, lines, label(check)))
    return tuple(sorted(found, key=lambda m: (m.line, m.col_from, m.col_to)))


def _cut(text: str, highlights: tuple[Highlight, ...]) -> tuple[CitedLine, ...]:
    """The marked lines of a text."""
    lines = text.split("\n")
    numbers = sorted({h.line for h in highlights})
    return tuple(CitedLine(n, lines[n - 1], tuple(h for h in highlights if h.line == n)) for n in numbers)


def _text_of(layer: Layer, sha256: str, context: RequestContext) -> str:
    return next(text.text for text in documents_of(layer, context) if text.sha256 == sha256)


# -- grants -----------------------------------------------------------------------------------------------------------


def _cited_grant(match: GrantMatch | RetireMatch, context: RequestContext) -> CitedStatement:
    key = context.request.key
    assert key is not None
    checks = grant_checks(match.grant, context)
    effect = _effect("allow", outcome_of(match.applies))
    rules: tuple[str, ...]
    if isinstance(match, RetireMatch):
        says, rules = "lets the caller retire it", ("R4.22",)
    elif match.by_account:
        says, rules = "names the caller's account", ("R4.13",)
    else:
        says, rules = "names the caller", ("R4.9", "R4.11")
    lines = _grant_lines(match.grant, context, checks)
    return CitedStatement(
        Layer.GRANT, Side.OWNER, effect, says, grant_ref(key.arn, match.grant), lines, checks, rules
    )  # fmt: skip


def _grant_lines(grant: Grant, context: RequestContext, checks: tuple[Check, ...]) -> tuple[CitedLine, ...]:
    """The grant as text with the lines of its grantee, operations and constraints."""
    key = context.request.key
    assert key is not None
    evidence, text = grant_evidence(key, grant)
    lines = text.split("\n")
    marks = list(evidence.highlights)
    for check in checks:
        if check.part == "condition":
            name = check.key.partition(":")[2].partition(":")[2] or check.operator
            label = _failed_label(check) if check.outcome is CheckOutcome.FAILS else f"{check.key} is {check.saw}"
            marks.extend(
                Highlight(number, len(line) - len(line.lstrip()) + 1, len(line.rstrip(",")), label)
                for number, line in enumerate(lines, 1)
                if line.lstrip().startswith(f'"{name}":')
            )
    return _cut(text, tuple(marks))
