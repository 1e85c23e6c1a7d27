"""What two sets of findings say differently about access: who gains, who loses, what became wider or narrower."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scanner.analyze.history.at_keys import AtKeys, compare_keys
from scanner.analyze.history.formerly import Formerly
from scanner.analyze.history.other_ways import OtherWays, keys_of
from scanner.analyze.history.sides import Access, Side
from scanner.analyze.keys.judge import strength
from scanner.analyze.keys.sentences import blocked_in_words, ineffective_in_words
from scanner.analyze.logic.implication import Relation, compare_conditions
from scanner.analyze.logic.wording import reason_in_words
from scanner.analyze.paths.hops import verdict_of
from scanner.model.actions import CAPABILITIES
from scanner.model.difference import AccessDifference, Change, Compared
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.model.world import World

OF_OUTSIDERS = frozenset({Kind.EXTERNAL_ACCESS, Kind.ASSUMED_ROLE_PATH})
"""Kinds that are access of somebody outside; the lifecycle compares all kinds, a difference in access these."""

_SHOWN = 3
_GROWN = frozenset({Change.GAINED, Change.WIDENED})
_NOT_NAMED, _NAMED_NO_MORE = "nothing names it any more", "what named it is gone"
_OTHER_CONDITION = "the condition changed"
_NOT_UNDERSTOOD = "malformed"
"""Reason of what hangs on a document that AWS would have refused: as good as unread (R10.12)."""


_Place = tuple[Kind, str, str]


def compare_access(old: Sequence[Finding], new: Sequence[Finding], world: World | None = None) -> Compared:
    """Everything that differs between two sets of findings, in access; worst kind of change first.

    Mechanisms are counted together: a grant in the place of a statement is no difference. Nor does anybody gain what
    the same principal could do before behind a wider name. What was there before and hangs on something that was not
    read this time is `not_rechecked`, never lost.

    Args:
        world: what the old findings are about; without it whoever is named anew gains.
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
        place: _between(*both, without_effect.get(place[1:], ""), formerly) for place, both in sides.items()
    }  # fmt: skip
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


def compare_findings(old: Finding, new: Finding) -> tuple[AccessDifference, ...]:
    """What differs between two states of one finding, of whatever kind."""
    before, after = Side(), Side()
    before.add(old)
    after.add(new)
    return _between(before, after, "")


def gains_nothing(new: Finding, formerly: Formerly) -> bool:
    """Whether the one whom a finding names anew could do all of it before, behind a wider name."""
    side = Side()
    side.add(new)
    return not _between(Side(), side, "", formerly)


def _sides(findings: Iterable[Finding]) -> dict[_Place, Side]:
    sides: dict[_Place, Side] = {}
    for finding in findings:
        sides.setdefault((finding.kind, finding.grantee.selector, finding.resource.arn), Side()).add(finding)
    return sides


# -- one access -------------------------------------------------------------------------------------------------------

_Row = tuple[Change, FindingVerdict | None, FindingVerdict | None, str, str, str]
"""Change, old and new verdict, old and new condition, why: what the actions of one difference share."""


def _between(
    old: Side, new: Side, without_effect: str, formerly: Formerly | None = None
) -> tuple[AccessDifference, ...]:  # fmt: skip
    unread = bool(old.findings) and bool(new.refs - old.refs)
    rows: dict[_Row, list[str]] = {}
    for action in dict.fromkeys((*old.actions, *new.actions)):
        row = _row(old.actions.get(action), new.actions.get(action), new, without_effect, unread=unread)
        if row is not None:
            rows.setdefault(row, []).append(action)
    if formerly is not None and any(row[0] in _GROWN for row in rows):
        held = _held_before(new, formerly)
        could = {a for a, access in held.items() if a in new.actions and _is_no_more(access, new.actions[a], new)}
        rows = {row: [a for a in actions if row[0] not in _GROWN or a not in could] for row, actions in rows.items()}
        rows = {row: actions for row, actions in rows.items() if actions}
    if _is_open(old) and _is_open(new) and not _decided_alike(old, new):
        rows |= {row: list(new.actions) for row in _principals(old, new, unread=unread)}
        for row, actions in tuple(_keys(old, new, unread=unread, told=tuple(rows))):
            rows[row] = list(actions)
    return tuple(_difference(row, actions, old, new) for row, actions in rows.items())


def _held_before(side: Side, formerly: Formerly) -> dict[str, Access]:
    """What the one whom a side is about could do before, behind whatever name; all its findings name the same one."""
    former = Side()
    former.admit(formerly.results(side.findings[0]))
    return former.actions


def _is_no_more(old: Access, new: Access, side: Side) -> bool:
    row = _row(old, new, side, "", unread=False)
    return row is None or row[0] in {Change.NARROWED, Change.LOST}


def _is_open(side: Side) -> bool:
    return any(strength(a.verdict) > strength(FindingVerdict.BLOCKED) for a in side.actions.values())


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
    old: Access | None, new: Access | None, side: Side, without_effect: str, *, unread: bool
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
    elif new is not None and new.verdict is FindingVerdict.POSSIBLE and _is_conditional(old) and not unread:
        change, why = Change.WIDENED, f"now it hangs on this: {reason_in_words(new.reason)}"
    else:
        change = Change.LOST if now <= closed < was else Change.NARROWED
        why = _why_less(new, side, without_effect)
    unknown = unread or (new is not None and new.reason == _NOT_UNDERSTOOD)
    if unknown and change in {Change.NARROWED, Change.LOST}:
        change, why = Change.NOT_RECHECKED, "something that decides it was not read or not understood this time"
    return (
        change, old.verdict if old else None, new.verdict if new else None,
        old.condition if old else "", new.condition if new else "", why,
    )  # fmt: skip


def _level(access: Access | None) -> int:
    return strength(access.verdict) if access else strength(FindingVerdict.INEFFECTIVE)


def _is_conditional(access: Access | None) -> bool:
    return access is not None and access.verdict is FindingVerdict.CONDITIONAL


_BY_CONDITION = {
    Relation.WEAKER: (Change.WIDENED, "the condition admits more requests"),
    Relation.STRONGER: (Change.NARROWED, "the condition admits fewer requests"),
    Relation.OTHER: (Change.CHANGED, f"{_OTHER_CONDITION}: it admits other requests than before"),
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


# -- whom and what it reaches -----------------------------------------------------------------------------------------


def _decided_alike(old: Side, new: Side) -> bool:
    """Whether every decision about everybody and every key is the same, however many of them are listed."""
    before, after = (
        sorted((f.reach.digest, f.reach.principals_total, f.keys_total) for f in side.findings) for side in (old, new)
    )
    return before == after and all(digest for digest, _, _ in before)


@dataclass(frozen=True, slots=True)
class _Reached:
    """A set of which perhaps not every member is listed."""

    listed: frozenset[str]
    total: int

    @property
    def is_whole(self) -> bool:
        return self.total <= len(self.listed)


def _principals(old: Side, new: Side, *, unread: bool) -> Iterator[_Row]:
    yield from _reach_rows("principal", _reached_by(old), _reached_by(new), (old, new), unread=unread)


def _keys(old: Side, new: Side, *, unread: bool, told: Collection[_Row]) -> Iterator[tuple[_Row, Sequence[str]]]:
    """How the keys of a path differ, with the actions that each difference is about.

    Of all keys together only the strongest access to any of them shows: what differs at one key is told by itself.
    Fewer keys are less only where the others are as they were, or something else tells how they differ (`told`).
    """
    rows = tuple(_reach_rows("key", _keys_of(old), _keys_of(new), (old, new), unread=unread))
    everything = list(new.actions)
    yield from ((row, everything) for row in rows)
    at = compare_keys(old.findings, new.findings)

    def row(change: Change, what: str, keys: Collection[str]) -> _Row:
        why = f"{what.format(_counted('key', keys))}: {_some(keys)}"
        return Change.NOT_RECHECKED if unread else change, *_verdicts(old, new), "", "", why

    if at.grown:
        yield row(Change.WIDENED, "more is possible with {}", at.grown), everything
    yield from _other_conditions(at, {(r[3], r[4]) for r in told}, unread=unread)
    if at.less and at.some_alike and not unread:
        yield row(Change.NARROWED, "less is possible with {}", at.less), everything
    otherwise = at.otherwise if at.some_alike else at.otherwise | at.less
    if otherwise and not told and not at.grown and (rows or not unread):
        change = Change.WIDENED if rows else Change.CHANGED
        yield row(change, "what it can do with {} differs, and may be more", otherwise), everything


def _other_conditions(
    at: AtKeys, told: Collection[tuple[str, str]], *, unread: bool
) -> Iterator[tuple[_Row, Sequence[str]]]:  # fmt: skip
    """Conditions that changed at some keys and are not told of all; of many the first ones, each with its keys."""
    change = Change.NOT_RECHECKED if unread else Change.CHANGED
    fresh = sorted((place, found) for place, found in at.changed.items() if place[1:] not in told)
    left = len(fresh) - _SHOWN
    for number, ((rank, before, after), (keys, actions)) in enumerate(fresh[:_SHOWN], 1):
        more = f", and {left:,} more conditions changed" if number == _SHOWN and left > 0 else ""
        why = f"{_OTHER_CONDITION} with {_counted('key', keys)}: {_some(keys)}{more}"
        yield (change, verdict_of(rank), verdict_of(rank), before, after, why), sorted(actions)


def _reached_by(side: Side) -> _Reached:
    listed = frozenset(p for f in side.findings for p in f.reach.principals_sample)
    return _Reached(listed, max((len(listed), *(f.reach.principals_total for f in side.findings))))


def _keys_of(side: Side) -> _Reached:
    several = [f for f in side.findings if f.key is None]
    listed = frozenset(arn for f in several for arn in (*f.reach.by_key, *(k.arn for k in f.keys)))
    return _Reached(listed, max((len(listed), *(f.keys_total for f in several))))


def _reach_rows(
    what: str, old: _Reached, new: _Reached, sides: tuple[Side, Side], *, unread: bool
) -> Iterator[_Row]:  # fmt: skip
    if old == new:
        return

    def row(change: Change, why: str) -> _Row:
        return change, *_verdicts(*sides), "", "", why

    standing_in = {p for p in new.listed if unread and p.endswith(":root")}
    more, less = new.listed - old.listed - standing_in, old.listed - new.listed
    if old.is_whole and new.is_whole:
        if more:
            yield row(Change.WIDENED, f"it reaches {_counted(what, more)} more: {_some(more)}")
        elif less:
            change = Change.NOT_RECHECKED if unread else Change.NARROWED
            yield row(change, f"it reaches {_counted(what, less)} fewer: {_some(less)}")
    elif new.total > old.total:
        yield row(Change.WIDENED, f"it reaches {new.total:,} {what}s, {old.total:,} before")
    elif not unread:
        yield row(Change.WIDENED, f"it reaches other {what}s, more than are compared one by one, and may reach more")
    else:
        yield row(Change.NOT_RECHECKED, f"it reaches other {what}s, and something was not read this time")


def _verdicts(old: Side, new: Side) -> tuple[FindingVerdict, FindingVerdict]:
    """The strongest verdict of both sides."""
    before, after = (max((a.verdict for a in side.actions.values()), key=strength) for side in (old, new))
    return before, after


def _counted(what: str, members: Iterable[str]) -> str:
    number = len(set(members))
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _some(members: Iterable[str]) -> str:
    ordered = sorted(members)
    return ", ".join(ordered[:_SHOWN]) + (" …" if len(ordered) > _SHOWN else "")
