"""Everybody behind a naming judged: callers, keys and actions that nothing tells apart are judged once."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from scanner.analyze.decision.decide import refused_at_once
from scanner.analyze.keys.judge import (
    Asked,
    Judgement,
    is_stranger,
    judge_one,
    named_actions,
    question,
    sources_of,
    strength,
)
from scanner.analyze.principals.anywhere import tells_of
from scanner.analyze.principals.classes import Classes
from scanner.analyze.principals.reach import Reached
from scanner.analyze.principals.selectors import Naming
from scanner.analyze.request.caller import Caller
from scanner.model.actions import Action
from scanner.model.arn import key_id_of
from scanner.model.key import KeyFacts
from scanner.model.world import World

Known = dict[Hashable, tuple[Judgement, KeyFacts]]
"""Judgements that hold for others, with the keys they were made at."""


def judge(
    world: World, key: KeyFacts, naming: Naming, reached: Reached, classes: Classes | None = None,
    known: Known | None = None,
) -> tuple[Judgement, ...]:  # fmt: skip
    """Judge every action the naming covers for every caller behind it.

    Args:
        classes: judge one caller of each class, and one action of those that nothing tells apart, and take the others
            to be like it; None judges everybody and every action.
        known: what was judged at other keys, for those that are alike; it is added to.
    """
    asked = Asked(key, sources_of(naming), reached)
    if classes is None:
        return _without_echoes(
            [judge_one(world, caller, action, asked) for action in named_actions(naming) for caller in reached.callers]
        )
    alike = _Alike(asked, classes, {} if known is None else known, naming)
    places = [alike.places(caller) for caller in reached.callers]
    found: list[Judgement] = []
    for action in named_actions(naming):
        for caller, place in zip(reached.callers, places, strict=True):
            like = alike.known(caller, action, place)
            if like is None:
                like = alike.keep(judge_one(world, caller, action, asked), place)
            found.append(like)
    return _without_echoes(found)


def _way_in(naming: Naming) -> Hashable:
    """The Allow sources of a naming, as they are written in every document that reads the same."""
    return naming.mechanism, tuple(n.statement.index for n in naming.statements)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where judgements about a caller are kept: with those of its kind anywhere, and with those at this key."""

    anywhere: Hashable | None
    here: Hashable
    groups: Mapping[str, Hashable]


class _Alike:
    """Finds what was judged for somebody alike, at this key or at one of its kind."""

    def __init__(self, asked: Asked, classes: Classes, known: Known, naming: Naming) -> None:
        self._key, self._classes, self._known, self._asked = asked.key, classes, known, asked
        self._way_in = _way_in(naming)
        self._here: Known = {}

    def places(self, caller: Caller) -> _Place:
        """Where judgements about a caller are kept."""
        pair = self._classes.pair(caller, self._key)
        context = tuple((self._asked.reached.context or {}).items()) if is_stranger(caller) else ()
        anywhere = None if pair is None else (pair, self._way_in, context)
        return _Place(anywhere, self._classes.of(caller, self._key), self._classes.actions_for(caller, self._key))

    def known(self, caller: Caller, action: Action, place: _Place) -> Judgement | None:
        """What holds for the caller as well, if it was judged."""
        group = self._group(caller, action, place)
        held = self._here.get((place.here, group)) or self._known.get((place.anywhere, group))
        if held is not None and not _holds_for(*held, caller, self._key):
            held = self._here.get((place.here, group, caller.account_id))
        if held is None:
            return None
        made, _ = held
        return Judgement(caller, action, made.verdict, made.reason, made.decision, made.asked and self._asked)

    def keep(self, judgement: Judgement, place: _Place) -> Judgement:
        """Remember a judgement for those alike."""
        caller, held = judgement.caller, (judgement, self._key)
        group = self._group(caller, judgement.action, place)
        if (place.here, group) in self._here:
            self._here[place.here, group, caller.account_id] = held
        else:
            self._here[place.here, group] = held
        if place.anywhere is not None and not any("/" in rule for rule in judgement.decision.rules):
            self._known.setdefault((place.anywhere, group), held)
        return judgement

    def _group(self, caller: Caller, action: Action, place: _Place) -> Hashable:
        return action.name if _refused(self._key, caller, action) else place.groups.get(action.name, action.name)


def _holds_for(made: Judgement, at: KeyFacts, caller: Caller, key: KeyFacts) -> bool:
    """Whether what was judged for somebody alike says nothing that is only true of their account or key."""
    own: list[str] = []
    if made.caller.account_id != caller.account_id:
        own.append(made.caller.account_id)
    if at is not key:
        own.extend((at.account_id, key_id_of(at.arn)))
    return not tells_of(made.decision, own)


def _refused(key: KeyFacts, caller: Caller, action: Action) -> bool:
    """Whether no policy needs to be looked at to refuse the action."""
    return refused_at_once(question(key, caller, action)) is not None


def _without_echoes(judgements: Sequence[Judgement]) -> tuple[Judgement, ...]:
    """Federated sessions are told only where they can do more than their user (R3.13)."""
    own = {(j.caller.text, j.action.name): strength(j.verdict) for j in judgements}
    return tuple(
        j
        for j in judgements
        if not j.caller.session_open or strength(j.verdict) > own.get((j.caller.parent_user or "", j.action.name), -1)
    )
