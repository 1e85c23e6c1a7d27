"""Which decisions hold in several worlds at once, so that each is made once for all of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, fields
from typing import TypeVar, cast

from scanner.analyze.decision.sides import Sides, is_plain
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.model.policy import PolicyText
from scanner.model.world import World

T = TypeVar("T")
MOST_ANSWERS = 200_000
"""Answers that are kept; what is asked beyond them is decided again."""


@dataclass(slots=True)
class Memory:
    """Answers by question; callers, keys, roles and surroundings are known again by all they hold, not by name.

    A decision looks at the caller, the key or role, and of the world at all but the keys and principals it lists: what
    counts of those is in the request. Worlds that differ in other keys and principals share the answer.
    """

    _known: dict[str, list[object]] = field(default_factory=dict)
    _answers: dict[Hashable, object] = field(default_factory=dict)

    def answer(self, world: World, request: Request, more: Hashable, ask: Callable[[], T]) -> T:
        """The answer to a question, asked where it is not known.

        Args:
            more: what the answer depends on beside world and request, the kind of answer with it.
        """
        place = (self._surroundings(world), self._request(request), more)
        if place in self._answers:
            return cast("T", self._answers[place])
        answer = ask()
        if len(self._answers) < MOST_ANSWERS:
            self._answers[place] = answer
        return answer

    def _surroundings(self, world: World) -> Hashable:
        return (
            world.as_of, world.credit_scp, world.credit_rcp, world.unlisted_accounts_collected, world.organization_gap,
            self._number("organizations", world.organizations), self._number("accounts", world.accounts),
            self._number("asserted", world.asserted),
        )  # fmt: skip

    def _request(self, request: Request) -> Hashable:
        key, role, grant = request.key, request.role, request.grant_request
        return (
            request.caller.text, self._number(request.caller.text, request.caller), request.iam_action,
            request.resource, request.action is None, key and self._number(key.arn, key),
            role and self._number(role.arn, role), request.alias, tuple(request.context.items()), request.complete,
            request.any_resource, request.encryption_context and tuple(request.encryption_context.items()),
            grant and self._number("grant", grant),
        )  # fmt: skip

    def _number(self, name: str, thing: object) -> int:
        """The place of a thing among those of its name."""
        known = self._known.setdefault(name, [])
        for number, other in enumerate(known):
            if other is thing or other == thing:
                return number
        known.append(thing)
        return len(known) - 1


@dataclass(frozen=True, slots=True)
class RememberingWorld(World):
    """A world whose decisions are remembered, also in the worlds that are made of it by `replace`.

    `memory` holds answers to whole questions, `sides` what each side of a request says; None remembers nothing.
    """

    memory: Memory | None = field(default=None, compare=False, repr=False)
    sides: Sides | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, world: World, *, answers: bool = True, sides: bool = True) -> RememberingWorld:
        """A world with nothing remembered yet.

        Args:
            answers: remember the answers to whole questions, for worlds that differ in little.
            sides: remember what each side of a request says.
        """
        facts = {f.name: getattr(world, f.name) for f in fields(World)}
        return cls(**facts, memory=Memory() if answers else None, sides=Sides() if sides else None)


def remembered(world: World, request: Request, more: Hashable, ask: Callable[[], T]) -> T:
    """The answer to a question in a world, from its memory where it has one."""
    if isinstance(world, RememberingWorld) and world.memory is not None:
        return world.memory.answer(world, request, more, ask)
    return ask()


def sides_in(world: World, request: Request) -> Sides | None:
    """Where a world keeps the sides of requests like this one; None where each is worked out by itself."""
    if not isinstance(world, RememberingWorld) or world.sides is None or not is_plain(request):
        return None
    world.sides.make_room()
    return world.sides


def seen_of_caller(world: World, request: Request, documents: tuple[PolicyText, ...]) -> int | None:
    """What documents see of a caller, by number; None where the world keeps no sides."""
    sides = sides_in(world, request)
    if sides is None:
        return None
    context = RequestContext(world, request)
    place = sides.place(context)
    return sides.caller_sight(place.where, documents).of(place.caller, place.who, lambda: context)
