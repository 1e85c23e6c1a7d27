"""How the principals and keys that two sides of a comparison reach differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from scanner.analyze.history.at_keys import AtKeys, compare_keys, surely_reached
from scanner.analyze.history.blind import Blind
from scanner.analyze.history.sides import Side
from scanner.analyze.keys.uses import SURE
from scanner.analyze.paths.hops import verdict_of
from scanner.model.difference import Change
from scanner.model.finding import FindingVerdict, Kind

OTHER_CONDITION = "the condition changed"
_SHOWN = 3
Told = tuple[Change, str]
"""A change and why."""

_FOREIGN_KEY = (Kind.FOREIGN_KEY_USE, "key")


@dataclass(frozen=True, slots=True)
class _Reached:
    """A set of which perhaps not every member is listed; `sure` are those that are told to be in it for sure."""

    listed: frozenset[str]
    total: int
    sure: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def is_whole(self) -> bool:
        return self.total <= len(self.listed)


def decided_alike(old: Side, new: Side) -> bool:
    """Whether every decision about everybody and every key is the same, however many of them are listed."""
    before, after = (
        sorted((f.reach.digest, f.reach.principals_total, f.keys_total) for f in side.findings) for side in (old, new)
    )
    return before == after and all(digest for digest, _, _ in before)


def principals_told(old: Side, new: Side, blind: Blind) -> Iterator[Told]:
    """How the principals differ.

    The root of an account that was not read stands in for its principals; it is none that was not there before.
    """
    before, after = _principals_of(old), _principals_of(new)
    new_names = after.listed - before.listed
    hidden = {p for p in new_names if blind.fresh and (p.endswith(":root") or blind.is_unread(p))}
    known = _Reached(after.listed - hidden, after.total - len(hidden))
    yield from _told("principal", before, known, blind, is_sure=new.strongest in SURE)


@dataclass(frozen=True, slots=True)
class ToldOfKeys:
    """How keys differ; without verdicts, conditions and actions of its own it is about the whole access."""

    change: Change
    why: str
    verdicts: tuple[FindingVerdict, FindingVerdict] | None = None
    conditions: tuple[str, str] = ("", "")
    actions: tuple[str, ...] = ()


def keys_told(
    old: Side, new: Side, blind: Blind, *, told: Collection[tuple[str, str]], is_told: bool
) -> Iterator[ToldOfKeys]:  # fmt: skip
    """How the keys of a path differ.

    Of all keys together only the strongest access to any of them shows: what differs at one key is told by itself.
    Fewer keys are less only where the others are as they were, or something else tells how they differ (`is_told`).

    Args:
        told: conditions before and now that are told of all keys together.
    """
    rows = tuple(_told("key", _keys_of(old), _keys_of(new), blind, is_sure=new.strongest in SURE))
    yield from (ToldOfKeys(change, why) for change, why in rows)
    at = compare_keys(old.findings, new.findings)
    if at.grown:
        shown = at.surely if blind.fresh and at.surely else at.grown
        change = _unless(blind.fresh and not at.surely, Change.WIDENED)
        yield ToldOfKeys(change, f"more is possible with {counted('key', shown)}: {some(shown)}")
    yield from _other_conditions(at, told, blind)
    if at.less and at.some_alike and not blind.fresh:
        change = _unless(blind.lifted, Change.NARROWED)
        yield ToldOfKeys(change, f"less is possible with {counted('key', at.less)}: {some(at.less)}")
    otherwise = at.otherwise if at.some_alike else at.otherwise | at.less
    if otherwise and not is_told and not at.grown and (rows or not blind.fresh):
        change = _unless(blind.fresh, Change.WIDENED if rows else Change.CHANGED)
        why = f"what it can do with {counted('key', otherwise)} differs, and may be more: {some(otherwise)}"
        yield ToldOfKeys(change, why)


def _other_conditions(at: AtKeys, told: Collection[tuple[str, str]], blind: Blind) -> Iterator[ToldOfKeys]:
    """Conditions that changed at some keys and are not told of all; of many the first ones, each with its keys."""
    fresh = sorted((place, found) for place, found in at.changed.items() if place[1:] not in told)
    left = len(fresh) - _SHOWN
    for number, ((rank, before, after), (keys, actions)) in enumerate(fresh[:_SHOWN], 1):
        more = f", and {left:,} more conditions changed" if number == _SHOWN and left > 0 else ""
        why = f"{OTHER_CONDITION} with {counted('key', keys)}: {some(keys)}{more}"
        verdict = verdict_of(rank)
        change = _unless(blind.fresh, Change.CHANGED)
        yield ToldOfKeys(change, why, (verdict, verdict), (before, after), tuple(sorted(actions)))


def _principals_of(side: Side) -> _Reached:
    listed = frozenset(p for f in side.findings for p in f.reach.principals_sample)
    return _Reached(listed, max((len(listed), *(f.reach.principals_total for f in side.findings))))


def _keys_of(side: Side) -> _Reached:
    """The keys of findings over several; a foreign key that was not read is one all the same."""
    several = [f for f in side.findings if f.key is None and (f.kind, f.resource.kind) != _FOREIGN_KEY]
    listed = frozenset(arn for f in several for arn in (*f.reach.by_key, *(k.arn for k in f.keys)))
    total = max((len(listed), *(f.keys_total for f in several)))
    return _Reached(listed, total, surely_reached(side.findings))


def _told(what: str, old: _Reached, new: _Reached, blind: Blind, *, is_sure: bool) -> Iterator[Told]:
    """How two sets differ.

    Args:
        is_sure: whether the present side surely gives anything to anybody.
    """
    if old == new:
        return
    more, less = new.listed - old.listed, old.listed - new.listed
    if old.is_whole and new.is_whole:
        if more:
            some_surely = bool(more & new.sure) if new.sure else is_sure and not all(map(blind.is_unread, more))
            yield (
                _unless(blind.fresh and not some_surely, Change.WIDENED),
                f"it reaches {counted(what, more)} more: {some(more)}",
            )
        else:
            perhaps_before = blind.lifted and not less <= old.sure
            doubtful = blind.fresh or perhaps_before or any(map(blind.is_unread, less))
            yield _unless(doubtful, Change.NARROWED), f"it reaches {counted(what, less)} fewer: {some(less)}"
    elif new.total > old.total:
        change = _unless(blind.fresh and not is_sure, Change.WIDENED)
        yield change, f"it reaches {new.total:,} {what}s, {old.total:,} before"
    elif not blind.fresh:
        yield Change.WIDENED, f"it reaches other {what}s, more than are compared one by one, and may reach more"
    else:
        yield Change.NOT_RECHECKED, f"it reaches other {what}s, and something was not read this time"


def _unless(doubtful: bool, change: Change) -> Change:
    return Change.NOT_RECHECKED if doubtful else change


def counted(what: str, members: Iterable[str]) -> str:
    """`3 keys`."""
    number = len(set(members))
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def some(members: Iterable[str]) -> str:
    """The first of some names, and whether there are more."""
    ordered = sorted(members)
    return ", ".join(ordered[:_SHOWN]) + (" …" if len(ordered) > _SHOWN else "")
