"""Policy variables: a written value expanded for one request (R5.30 to R5.35)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scanner.analyze.binding import Absent, Known, Open
from scanner.analyze.context import RequestContext
from scanner.analyze.expression import Variable
from scanner.analyze.patterns import STAR, Token, tokens_of
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
    """One variable in it is open. `before` and `after` are the parts around it, `default` its value when absent."""

    before: tuple[Token, ...]
    variable: Variable
    after: tuple[Token, ...]
    default: str | None

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The open variable."""
        return (self.variable,)

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
    tokens: list[Token] = []
    pending: tuple[tuple[Token, ...], Variable, str | None] | None = None
    undecidable: list[Variable] = []
    widest: list[Token] = []
    position = 0
    for match in _VARIABLE.finditer(text):
        written = tokens_of(text[position : match.start()])
        tokens.extend(written)
        widest.extend(written)
        position = match.end()
        name = match.group(1)
        if name in _LITERAL_CHARACTERS:
            tokens.append(name)
            widest.append(name)
            continue
        with_default = _WITH_DEFAULT.match(name)
        key, default = (with_default["key"], with_default["default"]) if with_default else (name, None)
        binding = context.bind(key.strip(), kind)
        row = find_condition_key(key.strip())
        if row is not None and row.multivalued:
            return Valueless()
        match binding:
            case Known(values):
                tokens.extend(values[0])
                widest.extend(values[0])
            case Absent():
                if default is None:
                    return Valueless()
                tokens.extend(default)
                widest.extend(default)
            case Open(variable):
                if pending is not None:
                    undecidable.extend((pending[1], variable))
                pending = (tuple(tokens), variable, default)
                tokens = []
                widest.append(STAR)
            case _:
                return Valueless()
    tokens.extend(tokens_of(text[position:]))
    if undecidable:
        return Undecidable(tuple(dict.fromkeys(undecidable)), (*widest, *tokens_of(text[position:])))
    if pending is None:
        return Expanded(tuple(tokens))
    return Unsettled(pending[0], pending[1], tuple(tokens), pending[2])
