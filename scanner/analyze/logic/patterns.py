"""Wildcards decided exactly: does a value match, and which combinations of patterns can one value match."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from scanner.analyze.logic.memo import remembered

STAR, ONE, STAR_IN_PART, ONE_IN_PART, OR = 0, 1, 2, 3, 4
"""Wildcard tokens, two of which never cross a colon (ARN operators, R5.23), and the border between alternatives."""

Token = str | int
"""A literal character or one of the wildcard tokens."""

_MOST_PARTS, _LONGEST_TEXT = 100, 256

MAX_STATES = 20_000
"""Bound on the product automaton; beyond it the answer is `PatternsTooComplexError`, never a guess."""

_FRESH = "xyzqvkwj0123456789_-"


class PatternsTooComplexError(Exception):
    """The patterns of one condition key cannot be compared within the bound."""


@lru_cache(maxsize=65536)
def tokens_of(text: str) -> tuple[Token, ...]:
    """Split a pattern into literal characters and the wildcards `*` and `?`."""
    return tuple(STAR if char == "*" else ONE if char == "?" else char for char in text)


def text_of(tokens: Iterable[Token]) -> str:
    """The pattern as a policy would write it."""
    signs = {STAR: "*", STAR_IN_PART: "*", ONE: "?", ONE_IN_PART: "?", OR: " or "}
    return "".join(signs[t] if isinstance(t, int) else t for t in tokens)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A set of strings: one literal, or a glob, or an ARN pattern whose first five wildcards stay inside their part.

    Matching is a simulation of the automaton with one bit per position: linear in the value, however many stars.
    """

    tokens: tuple[Token, ...]
    ignore_case: bool = False
    never: bool = False
    _chars: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
    _masks: list[int] = field(default_factory=list, compare=False, repr=False)
    _forms: dict[str, int] = field(default_factory=dict, compare=False, repr=False)
    _hash: int = field(init=False, default=0, compare=False, repr=False)
    _run: str = field(init=False, default="", compare=False, repr=False)
    """The longest text without wildcard that every value holds."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_run", _longest_run(self.tokens, ignore_case=self.ignore_case))
        object.__setattr__(self, "_hash", hash((self.tokens, self.ignore_case, self.never)))
        masks = [0, 0, 0, 0, 0]
        for position, token in enumerate(self.tokens):
            if isinstance(token, int):
                masks[token] |= 1 << position
            else:
                char = token.lower() if self.ignore_case else token
                self._chars[char] = self._chars.get(char, 0) | 1 << position
                for form in {token, token.lower(), token.upper()} if self.ignore_case else {token}:
                    if len(form) == 1:
                        self._forms[form] = self._forms.get(form, 0) | 1 << position
        ends = masks[OR] | 1 << len(self.tokens)
        self._masks.extend((*masks, masks[STAR] & ends >> 1))

    def __hash__(self) -> int:
        return self._hash

    @property
    def is_literal(self) -> bool:
        """Whether exactly one string matches."""
        return not self.ignore_case and self.is_fixed

    @property
    def is_fixed(self) -> bool:
        """Whether all strings that match differ in case only."""
        return not self.never and all(isinstance(token, str) for token in self.tokens)

    @property
    def text(self) -> str:
        """The pattern as a policy would write it."""
        return text_of(self.tokens)

    def start(self) -> int:
        """The automaton's first state, as a bit mask of positions."""
        return 0 if self.never else self._close(1 | self._masks[OR] << 1)

    def step(self, state: int, char: str) -> int:
        """The state after one more character."""
        star, one, star_part, one_part, _, _ = self._masks
        if char != ":":
            star, one = star | star_part, one | one_part
        matched = self._chars.get(char.lower() if self.ignore_case else char, 0) | one
        return self._close((state & star) | ((state & matched) << 1))

    def accepts(self, state: int) -> bool:
        """Whether the value may end here."""
        return bool(state & (1 << len(self.tokens) | self._masks[OR]))

    def accepts_forever(self, state: int) -> bool:
        """Whether every continuation matches as well: the pattern, or one of its alternatives, ends with a star."""
        return bool(state & self._masks[-1])

    def matches(self, value: str) -> bool:
        """Whether the whole value matches."""
        written = value.lower() if self.ignore_case else value
        return self._run in written and _matches(self, value)

    def alphabet(self) -> set[str]:
        """Characters that the pattern tells apart from others."""
        chars = set(self._forms)
        if self._masks[STAR_IN_PART] | self._masks[ONE_IN_PART]:
            chars.add(":")
        return chars

    def alphabet_in(self, state: int) -> set[str]:
        """The characters of the alphabet that lead elsewhere than any other character does from here."""
        chars = {char for char, places in self._forms.items() if places & state}
        if state & (self._masks[STAR_IN_PART] | self._masks[ONE_IN_PART]):
            chars.add(":")
        return chars

    def _close(self, state: int) -> int:
        stars = self._masks[STAR] | self._masks[STAR_IN_PART]
        while True:
            wider = state | ((state & stars) << 1)
            if wider == state:
                return state
            state = wider


def _longest_run(tokens: tuple[Token, ...], *, ignore_case: bool) -> str:
    """The longest text between wildcards; none among alternatives, nor where case is more than that of ASCII."""
    runs = "".join(t if isinstance(t, str) else "\0" for t in tokens).split("\0")
    longest = max(runs, key=len)
    if OR in tokens or (ignore_case and not longest.isascii()):
        return ""
    return longest.lower() if ignore_case else longest


@lru_cache(maxsize=65536)
def _matches(pattern: Pattern, value: str) -> bool:
    """Remembered: the same patterns of statements meet the same actions, resources and ARNs again and again."""
    state = pattern.start()
    for char in value:
        if not state:
            return False
        state = pattern.step(state, char)
    return pattern.accepts(state)


@lru_cache(maxsize=65536)
def literal(tokens: tuple[Token, ...]) -> Pattern:
    """The one string that is written, wildcards taken literally (R5.20)."""
    return Pattern(tuple(text_of(tokens)))


@lru_cache(maxsize=65536)
def literal_ignoring_case(tokens: tuple[Token, ...]) -> Pattern:
    """The string in any case (R5.20)."""
    return Pattern(tuple(text_of(tokens)), ignore_case=True)


@lru_cache(maxsize=65536)
def glob(tokens: tuple[Token, ...], *, ignore_case: bool = False) -> Pattern:
    """A pattern whose wildcards span any characters (R5.20, R5.40)."""
    return Pattern(_without_double_stars(tokens), ignore_case=ignore_case)


@lru_cache(maxsize=65536)
def arn_pattern(tokens: tuple[Token, ...]) -> Pattern:
    """An ARN pattern: six parts, compared part by part; fewer parts never match (R5.23)."""
    parts = 0
    written: list[Token] = []
    for piece in tokens:
        if piece == ":":
            parts += 1
        if parts < 5 and isinstance(piece, int):
            written.append(STAR_IN_PART if piece == STAR else ONE_IN_PART)
        else:
            written.append(piece)
    return Pattern(_without_double_stars(tuple(written)), never=parts < 5)


def parts_between(text: str, before: Pattern, after: Pattern) -> tuple[str, ...] | None:
    """Every part of a text that has one pattern before it and another one after it; None where there are too many."""
    if len(text) > _LONGEST_TEXT:
        return None
    starts = [i for i in range(len(text) + 1) if before.matches(text[:i])]
    ends = [i for i in range(len(text) + 1) if after.matches(text[i:])]
    parts = dict.fromkeys(text[i:j] for i in starts for j in ends if i <= j)
    return tuple(parts) if len(parts) <= _MOST_PARTS else None


def any_of(patterns: Iterable[Pattern]) -> Pattern:
    """One automaton for several patterns that compare case alike; it matches what any of them matches."""
    kept = [p for p in patterns if not p.never]
    if not kept:
        return Pattern((), never=True)
    tokens: list[Token] = list(kept[0].tokens)
    for pattern in kept[1:]:
        tokens.extend((OR, *pattern.tokens))
    return Pattern(tuple(tokens), ignore_case=kept[0].ignore_case)


def _without_double_stars(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    return tuple(t for i, t in enumerate(tokens) if not (t in (STAR, STAR_IN_PART) and i and tokens[i - 1] == t))


@remembered(4096, PatternsTooComplexError)
def combinations(sets: tuple[tuple[Pattern, ...], ...]) -> dict[tuple[bool, ...], str]:
    """Which memberships one string can have in several sets of patterns, each with a witness.

    Args:
        sets: each set is a tuple of patterns; a string is in it when any of them matches.

    Returns:
        Every vector of memberships that some string has, mapped to such a string.

    Raises:
        PatternsTooComplexError: the product automaton exceeds `MAX_STATES`.
    """
    patterns = tuple(dict.fromkeys(p for one in sets for p in one))
    literals = tuple(p.text for p in patterns if p.is_literal)
    globs = _one_automaton_per_set(sets)
    witnesses = _literal_witnesses(literals) if not globs else _product_witnesses(literals, globs)
    found: dict[tuple[bool, ...], str] = {}
    for value in witnesses:
        vector = tuple(any(p.matches(value) for p in one) for one in sets)
        if vector not in found or (len(value), value) < (len(found[vector]), found[vector]):
            found[vector] = value
    return found


def _one_automaton_per_set(sets: tuple[tuple[Pattern, ...], ...]) -> tuple[Pattern, ...]:
    """The patterns with wildcards of each set, joined: only whether any of them matches is asked."""
    joined: dict[Pattern, None] = {}
    for one in sets:
        for ignore_case in (False, True):
            globs = [p for p in one if not p.is_literal and p.ignore_case is ignore_case]
            if globs:
                joined[any_of(globs)] = None
    return tuple(joined)


def _literal_witnesses(literals: tuple[str, ...]) -> Iterable[str]:
    yield from literals
    known = set(literals)
    fresh = "other"
    while fresh in known:
        fresh += "-other"
    yield fresh


def _product_witnesses(literals: tuple[str, ...], globs: tuple[Pattern, ...]) -> Iterable[str]:
    """One string per reachable state of (trie of the literals) × (automata of the globs), shortest first."""
    alphabet = set().union(*(p.alphabet() for p in globs))
    fresh = next((c for c in _FRESH if c not in alphabet and not any(c in text for text in literals)), "\ue000")
    trie: list[dict[str, int]] = [{}]
    ends: set[int] = set()
    for text in literals:
        node = 0
        for char in text:
            if char not in trie[node]:
                trie.append({})
                trie[node][char] = len(trie) - 1
            node = trie[node][char]
        ends.add(node)
    dead = -1
    start = (0, tuple(p.start() for p in globs))
    seen = {start}
    queue: deque[tuple[tuple[int, tuple[int, ...]], str]] = deque([(start, "")])
    reported: set[tuple[int, tuple[bool, ...]]] = set()
    base = sorted(alphabet | {fresh})
    while queue:
        (node, states), text = queue.popleft()
        accepted = tuple(p.accepts(s) for p, s in zip(globs, states, strict=True))
        mark = (node if node in ends else dead, accepted)
        if mark not in reported:
            reported.add(mark)
            yield text
        chars = base if node == dead else sorted({*base, *trie[node]})
        for char in chars:
            next_node = trie[node].get(char, dead) if node != dead else dead
            following = (next_node, tuple(p.step(s, char) for p, s in zip(globs, states, strict=True)))
            if following not in seen:
                if len(seen) >= MAX_STATES:
                    raise PatternsTooComplexError
                seen.add(following)
                queue.append((following, text + char))
