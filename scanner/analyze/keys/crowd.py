"""Everybody behind a naming judged: one after the other, or every action of each at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scanner.analyze.decision.every_action import PLACES
from scanner.analyze.keys.judge import Asked, Judgement, judge_every, judge_one, named_actions, sources_of, strength
from scanner.analyze.principals.reach import Reached
from scanner.analyze.principals.selectors import Naming
from scanner.model.actions import Action
from scanner.model.key import KeyFacts
from scanner.model.world import World


def judge(world: World, key: KeyFacts, naming: Naming, reached: Reached) -> tuple[Judgement, ...]:
    """Judge every action the naming covers for every caller behind it."""
    asked = Asked(key, sources_of(naming), reached)
    return _without_echoes(list(_judged(world, asked, named_actions(naming))))


def _judged(world: World, asked: Asked, actions: Sequence[Action]) -> Iterator[Judgement]:
    callers = asked.reached.callers
    rows = [judge_every(world, caller, asked) for caller in callers]
    for action in actions:
        place = PLACES.get(action.name)
        for caller, row in zip(callers, rows, strict=True):
            if row is None or place is None:
                yield judge_one(world, caller, action, asked)
            else:
                verdict, reason, decision = row[place]
                yield Judgement(caller, action, verdict, reason, decision, asked)


def _without_echoes(judgements: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """Federated sessions are told only where they can do more than their user (R3.13)."""
    if not any(j.caller.session_open for j in judgements):
        return tuple(judgements)
    own = {(j.caller.text, j.action.name): strength(j.verdict) for j in judgements}
    return tuple(
        j
        for j in judgements
        if not j.caller.session_open or strength(j.verdict) > own.get((j.caller.parent_user or "", j.action.name), -1)
    )
