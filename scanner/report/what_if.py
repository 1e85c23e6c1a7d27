"""`what-if` as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from scanner import ENGINE
from scanner.model.difference import GREW, AccessDifference
from scanner.model.finding import OWN_ACCOUNT, FindingVerdict, Severity
from scanner.model.whatif import Control, FindingChange, WhatIf
from scanner.report.diagnostic import Paint, safe, unpainted
from scanner.report.difference import difference_fields, render_differences
from scanner.report.phrases import counted

WHAT_IF_SCHEMA = 1
"""Rises when a member of the JSON changes its meaning or goes away."""

_MOST = 200
_NAMED = 3


def grows(answer: WhatIf) -> bool:
    """Whether somebody would have more access than before."""
    return any(difference.change in GREW for difference in _differences(answer))


def _differences(answer: WhatIf) -> tuple[AccessDifference, ...]:
    return (*answer.outside.differences, *(answer.inside.differences if answer.inside else ()))


def render_what_if(answer: WhatIf, *, paint: Paint = unpainted) -> str:
    """What is put where, who would gain and lose, what stays, who keeps control, and which findings change."""
    lines = [f"what if  {safe(change, 400)}" for change in answer.changes]
    lines += [_compared(answer), ""]
    shown = _differences(answer)[:_MOST]
    for differences in (shown[: len(answer.outside.differences)], shown[len(answer.outside.differences) :]):
        if differences:
            lines += [*render_differences(differences, paint=paint), ""]
    left = len(_differences(answer)) - len(shown)
    if left:
        lines += [f"{left:,} more differences are in --json", ""]
    lines += [f"= {text}" for text in _unchanged(answer)]
    lines += [f"{paint('!', 'mark')} {safe(text, 400)}" for text in warnings_of(answer)]
    if answer.findings:
        lines += ["", *_findings(answer.findings)]
    return "\n".join(lines)


def _compared(answer: WhatIf) -> str:
    number = len(_differences(answer))
    return f"compared {counted(answer.keys, 'key')}; {counted(number, 'difference') if number else 'no difference'}"


def _unchanged(answer: WhatIf) -> Iterator[str]:
    yield f"{counted(answer.outside.unchanged, 'access', 'accesses')} from outside unchanged"
    if answer.inside is not None:
        who = "everybody else" if answer.inside.differences else "everybody"
        yield f"{who} inside the keys' own accounts keeps what they have"
    for control in answer.control:
        if control.sure:
            more = len(control.sure) - _NAMED
            named = ", ".join(safe(arn.split(":", 5)[-1]) for arn in control.sure[:_NAMED])
            yield f"{named}{f' and {more:,} more' if more > 0 else ''} can still change the policy of {_key(control)}"


def _key(control: Control) -> str:
    return f"{safe(control.name)} ({safe(control.key_arn)})"


def warnings_of(answer: WhatIf) -> Iterator[str]:
    """What would go wrong, and what this answer does not say."""
    for control in answer.control:
        if control.sure:
            continue
        if control.perhaps:
            yield f"whether anybody could still change the policy of {_key(control)} hangs on what was not read"
        else:
            as_before = "" if control.before else ", as today"
            yield (
                f"nobody could change the policy of {_key(control)} any more{as_before}: AWS refuses such a policy "
                "unless the lockout check is bypassed, and then only AWS Support can help (R9.10)"
            )
    if answer.inside is None:
        yield "principals inside the keys' own accounts are too many and were not compared"
    yield from answer.warnings


def _findings(changes: Sequence[FindingChange]) -> Iterator[str]:
    yield f"{counted(len(changes), 'finding')} would change"
    for change in changes[:_MOST]:
        old = _standing(change.old_severity, change.old_verdict)
        new = _standing(change.new_severity, change.new_verdict)
        yield f"  {change.id}  {old} -> {new}  {safe(change.title)}"
    if len(changes) > _MOST:
        yield f"  {len(changes) - _MOST:,} more are in --json"


def _standing(severity: Severity | None, verdict: FindingVerdict | None) -> str:
    return f"{severity} {verdict}" if severity and verdict else "none"


def dump_what_if(answer: WhatIf) -> Iterator[str]:
    """One JSON object per difference."""
    changes = {change.id: change for change in answer.findings}
    for difference in _differences(answer):
        fields = difference_fields(difference)
        if difference.grantee.party == OWN_ACCOUNT:
            fields |= {"kind": "own_account_access", "finding_ids": ()}
        fields["findings"] = [_as_json(changes[i]) for i in difference.finding_ids if i in changes]
        yield json.dumps({"schema_version": WHAT_IF_SCHEMA, "engine": ENGINE, **fields}, sort_keys=True)


def _as_json(change: FindingChange) -> dict[str, object]:
    return {
        "id": change.id,
        "before": _fields(change.old_severity, change.old_verdict),
        "after": _fields(change.new_severity, change.new_verdict),
    }


def _fields(severity: Severity | None, verdict: FindingVerdict | None) -> dict[str, str] | None:
    return {"severity": severity.value, "verdict": verdict.value} if severity and verdict else None
