"""Remembers the answers of pure questions, refusals included: a question too hard once is not tried again."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def remembered(size: int, *refusals: type[Exception]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep the last answers of a function of hashable arguments.

    Args:
        size: how many answers are kept; the oldest one goes first.
        refusals: exceptions that are answers too, and raised again.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        answers: dict[object, T] = {}
        refused: dict[object, type[Exception]] = {}

        @wraps(function)
        def ask(*args: P.args, **kwargs: P.kwargs) -> T:
            place = args if not kwargs else (args, tuple(kwargs.items()))
            if place in answers:
                return answers[place]
            if place in refused:
                raise refused[place]
            try:
                answer = function(*args, **kwargs)
            except refusals as error:
                _make_room(refused, size)
                refused[place] = type(error)
                raise
            _make_room(answers, size)
            answers[place] = answer
            return answer

        return ask

    return decorate


def _make_room(kept: dict[object, T], size: int) -> None:
    if len(kept) >= size:
        kept.pop(next(iter(kept)), None)
