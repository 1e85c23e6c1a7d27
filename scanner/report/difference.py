"""Differences in access as text, as Markdown and as JSON values: what `diff` and `what-if` print."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from scanner.model.difference import AccessDifference, Change, OtherWay
from scanner.model.finding import FindingVerdict, Kind
from scanner.report.diagnostic import Paint, safe, unpainted
from scanner.report.escape import markdown_code, markdown_text, shorten
from scanner.report.phrases import account_text, counted
from scanner.report.who_can import who_text

SIGNS = {
    Change.GAINED: "+", Change.WIDENED: "+", Change.CHANGED: "~", Change.NARROWED: "-", Change.LOST: "-",
    Change.NOT_RECHECKED: "?",
}  # fmt: skip
_WORD = max(len(change) for change in Change)
_LONGEST = 400
_WAYS = 3
_INDENT = " " * (_WORD + 3)


def render_differences(differences: Sequence[AccessDifference], *, paint: Paint = unpainted) -> Iterator[str]:
    """Two or three lines per difference: whose, what, with what, from which verdict to which; then why."""
    for difference in differences:
        word = f"{SIGNS[difference.change]} {difference.change.replace('_', ' '):<{_WORD}}"
        does = ", ".join(difference.capabilities)
        yield f"{paint(word, 'verdict')} {who_text(difference.grantee)}: {does} {_with_text(difference)}"
        yield f"{_INDENT}{verdicts_text(difference)} ({safe(difference.why, _LONGEST)})"
        yield from (f"{_INDENT}{line}" for line in _conditions(difference))


def resource_text(difference: AccessDifference) -> str:
    """What the access is to, and whose it is."""
    return f"{safe(difference.resource.name)} of {_owner(difference)}"


def _with_text(difference: AccessDifference) -> str:
    """`with alias/x of …`; a role is no key, but what keys are reached by."""
    if difference.kind is not Kind.ASSUMED_ROLE_PATH:
        return f"with {resource_text(difference)}"
    keys = counted(difference.keys, "key") if difference.keys else "keys"
    return f"with {keys} through {safe(difference.resource.arn.split(':', 5)[-1])} of {_owner(difference)}"


def _owner(difference: AccessDifference) -> str:
    return safe(account_text(difference.resource.account_name, difference.resource.account_id))


def verdicts_text(difference: AccessDifference) -> str:
    """`confirmed -> no access`, with the other ways that stand; one verdict where it stays the same."""
    old, new = _verdict(difference.old_verdict), _verdict(difference.new_verdict)
    if difference.still and difference.new_verdict is None:
        stays_direct = any(way.kind is Kind.EXTERNAL_ACCESS for way in difference.still)
        was_direct = difference.kind is Kind.EXTERNAL_ACCESS
        new = "no direct access any more" if was_direct and not stays_direct else "no access this way any more"
    changed = old if old == new else f"{old} -> {new}"
    return "; ".join((changed, *still_texts(difference)))


def still_texts(difference: AccessDifference) -> Iterator[str]:
    """`still reaches it through role/x (kx-…)`: by what else the one who lost an access gets at the key."""
    what = "it" if difference.resource.kind == "key" else "such keys"
    for ways, how in (
        ([w for w in difference.still if w.sure], "still reaches"),
        ([w for w in difference.still if not w.sure], "may still reach"),
    ):
        if ways:
            named = ", ".join(_way_text(way, difference) for way in ways[:_WAYS])
            more = f" and {len(ways) - _WAYS:,} more ways" if len(ways) > _WAYS else ""
            yield f"{how} {what} {named}{more}"


def _way_text(way: OtherWay, difference: AccessDifference) -> str:
    role = safe(way.resource.arn.split(":", 5)[-1])
    how = "directly" if way.kind is Kind.EXTERNAL_ACCESS else f"through {role}"
    whose = "" if way.grantee.selector == difference.grantee.selector else f" as {who_text(way.grantee)}"
    return f"{how}{whose} ({way.finding_id})"


def _verdict(verdict: FindingVerdict | None) -> str:
    return verdict.value if verdict else "no access"


def _conditions(difference: AccessDifference) -> Iterator[str]:
    """The conditions of both sides, where they differ."""
    if difference.old_condition == difference.new_condition:
        return
    if difference.old_condition and difference.old_verdict:
        yield f"before: if {safe(difference.old_condition, _LONGEST)}"
    if difference.new_condition and difference.new_verdict:
        yield f"now: if {safe(difference.new_condition, _LONGEST)}"


def differences_markdown(differences: Sequence[AccessDifference]) -> Iterator[str]:
    """A table for a ticket or a pull request."""
    yield "| Change | Who | May | With | Verdict | Why |"
    yield "|---|---|---|---|---|---|"
    for difference in differences:
        why = "; ".join((difference.why, *_conditions(difference)))
        cells = (
            f"{SIGNS[difference.change]} {difference.change.replace('_', ' ')}",
            markdown_code(shorten(difference.grantee.selector, _LONGEST)),
            ", ".join(difference.capabilities),
            markdown_code(shorten(difference.resource.arn, _LONGEST)),
            markdown_text(verdicts_text(difference)),
            markdown_text(shorten(why, _LONGEST)),
        )
        yield f"| {' | '.join(cells)} |"


def difference_fields(difference: AccessDifference) -> dict[str, object]:
    """One difference as JSON values."""
    return asdict(difference)
