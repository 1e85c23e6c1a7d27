"""Everybody behind a naming judged: one after the other, or every action of all who are alike at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from scanner.analyze.decision.every_action import PLACES, ClassOf
from scanner.analyze.keys.judge import (
    Alike,
    Asked,
    Judgement,
    judge_one,
    judged_alike,
    named_actions,
    sources_of,
    strength,
)
from scanner.analyze.principals.reach import Reached
from scanner.analyze.principals.selectors import Naming
from scanner.analyze.request.caller import Caller
from scanner.model.actions import Action
from scanner.model.key import KeyFacts
from scanner.model.world import World


class _Share(NamedTuple):
    """Callers who can do the same, with the judgement of each action; None for one that is not told."""

    alike: Alike
    judged: Sequence[Judgement | None]


def judge(
    world: World, key: KeyFacts, naming: Naming, reached: Reached, class_of: ClassOf | None = None
) -> tuple[Judgement, ...]:
    """Judge every action the naming covers for every caller behind it.

    Args:
        class_of: who is surely judged alike at the key, where that is known.

    Returns:
        Action by action, one judgement for all callers who are alike, in the order of the first of them.
    """
    asked, actions = Asked(key, sources_of(naming), reached.context), named_actions(naming)
    shares = _without_echoes(list(_shares(world, asked, actions, reached.callers, class_of)))
    return tuple(
        judgement
        for place in range(len(actions)) for share in shares
        for judgement in (share.judged[place],) if judgement is not None
    )  # fmt: skip


def judge_each(world: World, key: KeyFacts, naming: Naming, reached: Reached) -> Iterator[Judgement]:
    """The same with a judgement for each caller."""
    for judgement in judge(world, key, naming, reached):
        for caller in judgement.callers:
            yield replace(judgement, caller=caller, alike=None)


def _shares(
    world: World, asked: Asked, actions: Sequence[Action], callers: Sequence[Caller], class_of: ClassOf | None
) -> Iterator[_Share]:  # fmt: skip
    places = [PLACES[action.name] for action in actions if action.name in PLACES]
    for row, alike in judged_alike(world, asked, callers, class_of):
        first, *others = alike.callers
        if row is not None and len(places) == len(actions):
            weighed = zip(actions, (row[place] for place in places), strict=True)
            yield _Share(alike, [Judgement(first, action, *one, asked, alike) for action, one in weighed])
            continue
        for caller in (first, *others):
            alone = Alike.alone(caller)
            yield _Share(alone, [judge_one(world, caller, action, asked).of(alone) for action in actions])


def _without_echoes(shares: Sequence[_Share]) -> Sequence[_Share]:
    """Federated sessions are told only where they can do more than their user (R3.13)."""
    if not any(share.alike.callers[0].session_open for share in shares):
        return shares
    of = {caller.text: share for share in shares for caller in share.alike.callers}
    found: list[_Share] = []
    for share in shares:
        callers = share.alike.callers
        if not callers[0].session_open:
            found.append(share)
            continue
        by_user: dict[int, tuple[_Share | None, list[int]]] = {}
        for place, caller in enumerate(callers):
            user = of.get(caller.parent_user or "")
            by_user.setdefault(id(user), (user, []))[1].append(place)
        found.extend(_stronger_than(user, share, share.alike.part(places)) for user, places in by_user.values())
    return found


def _stronger_than(user: _Share | None, share: _Share, sessions: Alike) -> _Share:
    """Some sessions of a share without what their users can do as well."""
    own = user.judged if user else [None] * len(share.judged)
    judged = [
        None if mine and other and strength(other.verdict) >= strength(mine.verdict) else mine and mine.of(sessions)
        for mine, other in zip(share.judged, own, strict=True)
    ]  # fmt: skip
    return _Share(sessions, judged)
