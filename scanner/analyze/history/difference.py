"""What two sets of findings say differently about access: who gains, who loses, what became wider or narrower."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from scanner.analyze.history.blind import Blind, Said, nothing
from scanner.analyze.history.formerly import Formerly
from scanner.analyze.history.members import OTHER_CONDITION, decided_alike, keys_told, principals_told
from scanner.analyze.history.other_ways import OtherWays, keys_of
from scanner.analyze.history.sides import Access, Side
from scanner.analyze.keys.judge import strength
from scanner.analyze.keys.sentences import blocked_in_words, ineffective_in_words
from scanner.analyze.logic.implication import Relation, compare_conditions
from scanner.analyze.logic.wording import reason_in_words
from scanner.model.actions import CAPABILITIES
from scanner.model.difference import GREW, AccessDifference, Change, Compared
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.model.world import World

OF_OUTSIDERS = frozenset({Kind.EXTERNAL_ACCESS, Kind.ASSUMED_ROLE_PATH})
"""Kinds that are access of somebody outside; the lifecycle compares all kinds, a difference in access these."""

_SHOWN = 3
_NOT_NAMED, _NAMED_NO_MORE = "nothing names it any more", "what named it is gone"


_Place = tuple[Kind, str, str]


def compare_access(
    old: Sequence[Finding], new: Sequence[Finding], world: World | None = None,
    is_unread: Callable[[str], bool] = nothing,
) -> Compared:  # fmt: skip
    """Everything that differs between two sets of findings, in access; worst kind of change first.

    Mechanisms are counted together: a grant in the place of a statement is no difference. Nor does anybody gain what
    the same principal could do before behind a wider name. What differs only because something was not read in one of
    the two runs is `not_rechecked`, neither less nor more.

    Args:
        world: what the old findings are about; without it whoever is named anew gains.
        is_unread: whether a key or principal was not read by the new ones.
    """
    formerly = Formerly(old, world)
    before = _sides(f for f in old if f.kind in OF_OUTSIDERS)
    after = _sides(f for f in new if f.kind in OF_OUTSIDERS)
    others = OtherWays(f for f in new if f.kind in OF_OUTSIDERS)
    without_effect = {
        (f.grantee.selector, f.resource.arn): f.verdict_reasons[0]
        for f in new
        if f.kind is Kind.INEFFECTIVE_PERMISSION and f.verdict is FindingVerdict.INEFFECTIVE and f.verdict_reasons
    }
    sides = {place: (before.get(place, Side()), after.get(place, Side())) for place in sorted({*before, *after})}
    found = {
        place: _between(*both, is_unread, without_effect.get(place[1:], ""), formerly) for place, both in sides.items()
    }
    behind = {
        f.id: f for place, (was, now) in sides.items() if not was.findings and not found[place] for f in now.findings
    }
    differences = [
        _narrowed(_with_other_ways(d, sides[place][0], others), behind) for place, rows in found.items() for d in rows
    ]
    order = list(Change)
    differences.sort(key=lambda d: (order.index(d.change), d.resource.arn, d.grantee.selector, d.kind, d.actions))
    return Compared(tuple(differences), sum(not rows for rows in found.values()))


def _with_other_ways(difference: AccessDifference, old: Side, others: OtherWays) -> AccessDifference:
    """The difference with every other way that stands, where this one does not any more."""
    now = difference.new_verdict
    if not old.findings or (now is not None and strength(now) > strength(FindingVerdict.BLOCKED)):
        return difference
    still = others.of(old.findings[0], {arn for f in old.findings for arn in keys_of(f)})
    why = _NAMED_NO_MORE if still and difference.why == _NOT_NAMED else difference.why
    return replace(difference, still=still, why=why)


def _narrowed(difference: AccessDifference, behind: Mapping[str, Finding]) -> AccessDifference:
    """An access that is gone as narrowed, where somebody behind the name keeps all of it under a name of its own.

    Args:
        behind: findings about whoever is named anew and gains nothing by it.
    """
    if difference.change is not Change.LOST:
        return difference
    kept = [behind[way.finding_id] for way in difference.still if way.finding_id in behind]
    whole = [f for f in kept if {a for c in f.capabilities for a in c.actions}.issuperset(difference.actions)]
    if not whole:
        return difference
    named = ", ".join(f.grantee.selector for f in whole[:_SHOWN]) + (" …" if len(whole) > _SHOWN else "")
    return replace(difference, change=Change.NARROWED, why=f"of those behind it, only this is named now: {named}")


def compare_findings(
    old: Finding, new: Finding, is_unread: Callable[[str], bool] = nothing
) -> tuple[AccessDifference, ...]:  # fmt: skip
    """What differs between two states of one finding, of whatever kind."""
    before, after = Side(), Side()
    before.add(old)
    after.add(new)
    return _between(before, after, is_unread)


def gains_nothing(new: Finding, formerly: Formerly) -> bool:
    """Whether the one whom a finding names anew could do all of it before, behind a wider name."""
    side = Side()
    side.add(new)
    return not _between(Side(), side, formerly=formerly)


def _sides(findings: Iterable[Finding]) -> dict[_Place, Side]:
    sides: dict[_Place, Side] = {}
    for finding in findings:
        sides.setdefault((finding.kind, finding.grantee.selector, finding.resource.arn), Side()).add(finding)
    return sides


# -- one access -------------------------------------------------------------------------------------------------------

_Row = tuple[Change, FindingVerdict | None, FindingVerdict | None, str, str, str]
"""Change, old and new verdict, old and new condition, why: what the actions of one difference share."""


def _between(
    old: Side, new: Side, is_unread: Callable[[str], bool] = nothing, without_effect: str = "",
    formerly: Formerly | None = None,
) -> tuple[AccessDifference, ...]:  # fmt: skip
    blind = Blind.between(old.findings, new.findings, is_unread)
    rows: dict[_Row, list[str]] = {}
    for action in dict.fromkeys((*old.actions, *new.actions)):
        row = _row(old.actions.get(action), new.actions.get(action), new, without_effect, blind)
        if row is not None:
            rows.setdefault(row, []).append(action)
    if formerly is not None and any(row[0] in GREW for row in rows):
        held = _held_before(new, formerly)
        could = {a for a, access in held.items() if a in new.actions and _is_no_more(access, new.actions[a], new)}
        rows = {row: [a for a in actions if row[0] not in GREW or a not in could] for row, actions in rows.items()}
        rows = {row: actions for row, actions in rows.items() if actions}
    if old.is_open and new.is_open and not decided_alike(old, new):
        strongest, conditions = (old.strongest, new.strongest), {(row[3], row[4]) for row in rows}
        rows |= {
            (change, *strongest, "", "", why): list(new.actions) for change, why in principals_told(old, new, blind)
        }
        for told in tuple(keys_told(old, new, blind, told=conditions, is_told=bool(rows))):
            rows[told.change, *(told.verdicts or strongest), *told.conditions, told.why] = [
                *(told.actions or new.actions)
            ]
    return tuple(_difference(row, actions, old, new) for row, actions in rows.items())


def _held_before(side: Side, formerly: Formerly) -> dict[str, Access]:
    """What the one whom a side is about could do before, behind whatever name; all its findings name the same one."""
    former = Side()
    former.admit(formerly.results(side.findings[0]))
    return former.actions


def _is_no_more(old: Access, new: Access, side: Side) -> bool:
    row = _row(old, new, side, "", Blind())
    return row is None or row[0] in {Change.NARROWED, Change.LOST}


def _difference(row: _Row, actions: Sequence[str], old: Side, new: Side) -> AccessDifference:
    change, old_verdict, new_verdict, old_condition, new_condition, why = row
    shown = (new.findings or old.findings)[0]
    held = {(new.actions.get(a) or old.actions[a]).capability for a in actions}
    return AccessDifference(
        change, shown.kind, shown.grantee, shown.resource,
        (*(c for c in CAPABILITIES if c in held), *sorted(held - set(CAPABILITIES))), tuple(actions),
        old_verdict, new_verdict, old_condition, new_condition, why,
        tuple(dict.fromkeys(f.id for side in (old, new) for f in side.findings)),
        keys=max(f.keys_total for side in (old, new) for f in side.findings),
    )  # fmt: skip


def _row(
    old: Access | None, new: Access | None, side: Side, without_effect: str, blind: Blind
) -> _Row | None:  # fmt: skip
    """How one action differs; None where it does not."""
    was, now = _level(old), _level(new)
    closed = strength(FindingVerdict.BLOCKED)
    if old is not None and new is not None and was == now:
        said = _by_condition(old, new)
        if said is None:
            return None
        change, why = said
    elif now > was:
        change = Change.GAINED if was <= closed < now else Change.WIDENED
        why = _why_more(old, new, side)
    elif new is not None and new.verdict is FindingVerdict.POSSIBLE and _is_conditional(old) and not blind.fresh:
        change, why = Change.WIDENED, f"now it hangs on this: {reason_in_words(new.reason)}"
    else:
        change = Change.LOST if now <= closed < was else Change.NARROWED
        why = _why_less(new, side, without_effect)
    named_anew = old is None and any(f.kind is Kind.EXTERNAL_ACCESS for f in side.findings)
    change, why = blind.settled(change, why, _said(old), _said(new), named_anew=named_anew)
    return (
        change, old.verdict if old else None, new.verdict if new else None,
        old.condition if old else "", new.condition if new else "", why,
    )  # fmt: skip


def _said(access: Access | None) -> Said | None:
    return access.said if access else None


def _level(access: Access | None) -> int:
    return strength(access.verdict) if access else strength(FindingVerdict.INEFFECTIVE)


def _is_conditional(access: Access | None) -> bool:
    return access is not None and access.verdict is FindingVerdict.CONDITIONAL


_BY_CONDITION = {
    Relation.WEAKER: (Change.WIDENED, "the condition admits more requests"),
    Relation.STRONGER: (Change.NARROWED, "the condition admits fewer requests"),
    Relation.OTHER: (Change.CHANGED, f"{OTHER_CONDITION}: it admits other requests than before"),
    Relation.UNDECIDED: (Change.WIDENED, "whether the condition admits more requests cannot be decided"),
}


def _by_condition(old: Access, new: Access) -> tuple[Change, str] | None:
    """How two conditions of one verdict differ; texts decide where there is no condition to compare."""
    if old.residual is None and new.residual is None:
        return None if old.condition == new.condition else _BY_CONDITION[Relation.UNDECIDED]
    return _BY_CONDITION.get(compare_conditions(old.residual, new.residual))


def _why_more(old: Access | None, new: Access | None, side: Side) -> str:
    if old is None or new is None:
        return f"through {_through(side.findings)}"
    if old.verdict is FindingVerdict.BLOCKED:
        return f"before, {blocked_in_words(old.reason)}"
    if old.verdict is FindingVerdict.POSSIBLE:
        return f"before, it hung on this: {reason_in_words(old.reason)}"
    return f"the condition is gone: {old.condition}"


def _why_less(new: Access | None, side: Side, without_effect: str) -> str:
    if new is None:
        if without_effect:
            return f"what is written for it has no effect: {ineffective_in_words(without_effect)}"
        return "nothing names it for this any more" if side.findings else _NOT_NAMED
    if new.verdict is FindingVerdict.BLOCKED:
        return blocked_in_words(new.reason)
    if new.verdict is FindingVerdict.POSSIBLE:
        return f"now it hangs on this: {reason_in_words(new.reason)}"
    return "now under a condition"


def _through(findings: Sequence[Finding]) -> str:
    """The statements and grants behind an access, in words."""
    parts: list[str] = []
    for finding in findings:
        mechanism = finding.mechanism
        parts += [
            f"{ref.document} `{ref.sid or ref.index}`, lines {ref.line_from}-{ref.line_to}"
            for ref in mechanism.statements[:_SHOWN]
        ]
        if mechanism.grants_total:
            parts.append(f"{mechanism.grants_total} grant{'s' if mechanism.grants_total != 1 else ''}")
        parts += [f"{hop.edge} on {hop.role_arn}" for hop in finding.path.hops]
    return "; ".join(dict.fromkeys(parts)) or findings[0].mechanism.kind
