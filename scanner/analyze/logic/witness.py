"""Is there a text inside some sets of patterns and outside of others: a search towards the goal that lists nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from itertools import chain

from scanner.analyze.logic.memo import remembered
from scanner.analyze.logic.patterns import OR, STAR, STAR_IN_PART, Pattern, PatternsTooComplexError, any_of

MAX_TRANSITIONS = 20_000
"""Bound on the steps of one search; beyond it the answer is `PatternsTooComplexError`, never a guess."""

_FRESH = "xyzqvkwj0123456789_-"
_TRIED_FIRST = 8

PatternSet = tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class Search:
    """Whether a text was found, and what finding out cost, in steps."""

    found: bool
    cost: int


@remembered(65536, PatternsTooComplexError)
def find_text(inside: tuple[PatternSet, ...], outside: PatternSet) -> Search:
    """Whether some text is in every set of `inside` and matches no pattern of `outside`.

    Raises:
        PatternsTooComplexError: the search takes more than `MAX_TRANSITIONS` steps.
    """
    wanted = tuple(tuple(p for p in one if not p.never) for one in inside)
    if not all(wanted):
        return Search(False, 1)
    finite = min((one for one in wanted if all(p.is_literal for p in one)), key=len, default=None)
    tried = [p.text for p in finite] if finite is not None else list(_simple_texts(wanted, outside))
    for number, text in enumerate(tried):
        if all(_matches(one, text) for one in wanted) and not _matches(outside, text):
            return Search(True, number + 1)
    if finite is not None:
        return Search(False, len(tried))
    return _walk(wanted, outside)


def _matches(patterns: PatternSet, text: str) -> bool:
    return _joined(patterns).matches(text)


def _simple_texts(inside: tuple[PatternSet, ...], outside: PatternSet) -> Iterable[str]:
    """Texts that are likely to do: wildcards filled with nothing, or with a character nobody asks for."""
    fresh = _fresh(p for one in (*inside, outside) for p in one)
    if not inside:
        yield from (fresh, fresh * 7, "")
    for one in inside:
        for pattern in one[:_TRIED_FIRST]:
            for filler in ("", fresh):
                yield "".join(
                    t if isinstance(t, str) else filler if t in {STAR, STAR_IN_PART} else fresh
                    for t in _first_alternative(pattern)
                )


def _first_alternative(pattern: Pattern) -> Iterable[str | int]:
    for token in pattern.tokens:
        if token == OR:
            return
        yield token


def _fresh(patterns: Iterable[Pattern]) -> str:
    used = set().union(*(p.alphabet() for p in patterns))
    return next(c for c in chain(_FRESH, map(chr, range(0xE000, 0x110000))) if c not in used)


class _Automata:
    """Several patterns that are one set: one automaton for those that compare case, one for those that do not."""

    def __init__(self, patterns: PatternSet) -> None:
        groups = ([p for p in patterns if p.ignore_case is fold and not p.never] for fold in (False, True))
        self.parts = tuple(any_of(group) for group in groups if group)

    def matches(self, text: str) -> bool:
        return any(p.matches(text) for p in self.parts)

    def start(self) -> tuple[int, ...]:
        return tuple(p.start() for p in self.parts)

    def step(self, state: tuple[int, ...], char: str) -> tuple[int, ...]:
        return tuple(p.step(s, char) for p, s in zip(self.parts, state, strict=True))

    def accepts(self, state: tuple[int, ...]) -> bool:
        return any(p.accepts(s) for p, s in zip(self.parts, state, strict=True))

    def accepts_forever(self, state: tuple[int, ...]) -> bool:
        return any(p.accepts_forever(s) for p, s in zip(self.parts, state, strict=True))

    def alphabet_in(self, state: tuple[int, ...]) -> set[str]:
        return set().union(*(p.alphabet_in(s) for p, s in zip(self.parts, state, strict=True)))


@lru_cache(maxsize=16384)
def _joined(patterns: PatternSet) -> _Automata:
    return _Automata(patterns)


_DONE = (-1,)
"""The state of a set of `inside` that the text has entered for good."""


def _walk(inside: tuple[PatternSet, ...], outside: PatternSet) -> Search:
    """Walk through the product of the automata, what has come furthest first; leave out what can only fail."""
    wanted, unwanted = tuple(_joined(one) for one in inside), _joined(outside)
    fresh = _fresh(p for one in (*inside, outside) for p in one)
    start = (tuple(_settled(a, a.start()) for a in wanted), unwanted.start())
    seen = {start}
    queue = [(0, 0, start)]
    steps = 0
    while queue:
        _, _, (states, against) = heappop(queue)
        if not unwanted.accepts(against) and all(
            s == _DONE or a.accepts(s) for a, s in zip(wanted, states, strict=True)
        ):
            return Search(True, steps + 1)
        chars = {fresh} | unwanted.alphabet_in(against)
        for automaton, state in zip(wanted, states, strict=True):
            if state != _DONE:
                chars |= automaton.alphabet_in(state)
        for char in sorted(chars):
            steps += 1
            if steps > MAX_TRANSITIONS:
                raise PatternsTooComplexError
            following = _follow(wanted, unwanted, (states, against), char)
            if following is not None and following not in seen:
                seen.add(following)
                heappush(queue, (-_progress(following[0]), len(seen), following))
    return Search(False, steps + 1)


_State = tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]


def _follow(wanted: tuple[_Automata, ...], unwanted: _Automata, state: _State, char: str) -> _State | None:
    """The state after one more character; None where no text can succeed from there."""
    against = unwanted.step(state[1], char)
    if unwanted.accepts_forever(against):
        return None
    states: list[tuple[int, ...]] = []
    for automaton, before in zip(wanted, state[0], strict=True):
        after = before if before == _DONE else _settled(automaton, automaton.step(before, char))
        if not any(after):
            return None
        states.append(after)
    return tuple(states), against


def _settled(automaton: _Automata, state: tuple[int, ...]) -> tuple[int, ...]:
    return _DONE if automaton.accepts_forever(state) else state


def _progress(states: tuple[tuple[int, ...], ...]) -> int:
    return sum(1 << 20 if s == _DONE else max(part.bit_length() for part in s) for s in states)
