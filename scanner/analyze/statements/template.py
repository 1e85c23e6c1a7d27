"""Policy variables: a written value expanded for one request (R5.30 to R5.35)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scanner.analyze.logic.expression import Variable
from scanner.analyze.logic.patterns import STAR, Token, tokens_of
from scanner.analyze.request.binding import Absent, Known, Open
from scanner.analyze.request.context import RequestContext
from scanner.model.conditions import find_condition_key
from scanner.model.policy import DocumentKind

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_WITH_DEFAULT = re.compile(r"(?P<key>[^,]+), '(?P<default>[^']*)'\Z")
_LITERAL_CHARACTERS = frozenset("*?$")


@dataclass(frozen=True, slots=True)
class Expanded:
    """A value whose variables are all known: literal characters and wildcards."""

    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Valueless:
    """A variable in it has no value: as an alternative it matches nothing (R5.32, R5.33)."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """One variable in it is open.

    `text` is the value as written, `before` and `after` are the parts around the variable, `default` its value when
    absent.
    """

    text: str
    before: tuple[Token, ...]
    variable: Variable
    after: tuple[Token, ...]
    default: str | None

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The open variable."""
        return (self.variable,)

    def is_only(self, variable: Variable) -> bool:
        """Whether the value is this variable and nothing else."""
        return self.variable == variable and not self.before and not self.after

    @property
    def widest(self) -> tuple[Token, ...]:
        """The value with anything in the place of the variable."""
        return (*self.before, STAR, *self.after)

    @property
    def when_absent(self) -> tuple[Token, ...] | None:
        """The value where the variable has none; None where it then matches nothing (R5.32, R5.35)."""
        return None if self.default is None else (*self.before, *self.default, *self.after)


@dataclass(frozen=True, slots=True)
class Undecidable:
    """More than this version can express: several open variables, or one with several values."""

    text: str
    variables: tuple[Variable, ...]
    widest: tuple[Token, ...]


Value = Expanded | Valueless | Unsettled | Undecidable


def expand(text: str, context: RequestContext, kind: DocumentKind, *, variables: bool) -> Value:
    """Expand one written value.

    Args:
        variables: whether the document's Version makes `${…}` a variable (R5.30); otherwise it is text.
    """
    if not variables or "${" not in text:
        return Expanded(tokens_of(text))
    draft = _Draft()
    position = 0
    for match in _VARIABLE.finditer(text):
        draft.write(tokens_of(text[position : match.start()]))
        position = match.end()
        if match.group(1) in _LITERAL_CHARACTERS:
            draft.write((match.group(1),))
        elif not _expand_variable(match.group(1), draft, context, kind):
            return Valueless()
    draft.write(tokens_of(text[position:]))
    return draft.value(text)


def _expand_variable(written: str, draft: _Draft, context: RequestContext, kind: DocumentKind) -> bool:
    """Put a variable's value into the draft; false where it has none and no default (R5.32, R5.35)."""
    with_default = _WITH_DEFAULT.match(written)
    key, default = (with_default["key"], with_default["default"]) if with_default else (written, None)
    row = find_condition_key(key.strip())
    if row is not None and row.multivalued:
        return False
    match context.bind(key.strip(), kind):
        case Known(values):
            draft.write(tuple(values[0]))
        case Open(variable):
            draft.leave_open(variable, default)
        case Absent() if default is not None:
            draft.write(tuple(default))
        case _:
            return False
    return True


class _Draft:
    """A value being expanded: written pieces with the open variables between them."""

    def __init__(self) -> None:
        self._pieces: list[list[Token]] = [[]]
        self._open: list[tuple[Variable, str | None]] = []

    def write(self, tokens: tuple[Token, ...]) -> None:
        """Append what is known."""
        self._pieces[-1].extend(tokens)

    def leave_open(self, variable: Variable, default: str | None) -> None:
        """Leave a place for a variable whose value is open."""
        self._open.append((variable, default))
        self._pieces.append([])

    def value(self, text: str) -> Value:
        """The value with as much settled as can be."""
        if not self._open:
            return Expanded(tuple(self._pieces[0]))
        if len(self._open) == 1:
            variable, default = self._open[0]
            return Unsettled(text, tuple(self._pieces[0]), variable, tuple(self._pieces[1]), default)
        widest: list[Token] = list(self._pieces[0])
        for piece in self._pieces[1:]:
            widest.extend((STAR, *piece))
        return Undecidable(text, tuple(dict.fromkeys(v for v, _ in self._open)), tuple(widest))
