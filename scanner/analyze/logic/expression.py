"""Boolean expressions over what a request will carry and what nobody collected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from itertools import chain
from typing import Self, cast

from scanner.analyze.logic.patterns import Pattern
from scanner.model.value import value_class


class Origin(StrEnum):
    """Why a value is open: the request decides it, or it exists and was not collected or is not documented."""

    REQUEST = "request"
    DATA = "data"


class ValueType(StrEnum):
    """How values of a condition key are compared."""

    STRING = "string"
    BOOL = "bool"
    NUMBER = "number"
    DATE = "date"
    IP = "ip"
    FLAG = "flag"
    """No value at all: something that either holds or does not."""


@value_class
class Variable:
    """A condition key, or another open fact, whose value is not known.

    `domain` lists the only possible values; `excluded` are values it surely has not; `required` is a pattern that every
    value matches. `reason` is the reason code of a data variable, `ref` its ledger row or rule number. The caller
    chooses the value, or an identity provider has `vouched` for it. A flag that says that two variables have the same
    value names them in `same`, and whether case counts in `any_case`.
    """

    name: str
    origin: Origin
    type: ValueType = ValueType.STRING
    multivalued: bool = False
    may_be_absent: bool = True
    domain: tuple[str, ...] = ()
    excluded: tuple[Pattern, ...] = ()
    required: Pattern | None = None
    reason: str = ""
    ref: str = ""
    caller_chosen: bool = False
    vouched: bool = False
    same: tuple[Variable, Variable] | None = None
    any_case: bool = False
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        parts = (
            self.name, self.origin, self.type, self.multivalued, self.may_be_absent, self.domain, self.excluded,
            self.required, self.reason, self.ref, self.caller_chosen, self.vouched, self.same, self.any_case,
        )  # fmt: skip
        object.__setattr__(self, "_hash", hash(parts))

    def __hash__(self) -> int:
        return self._hash

    @property
    def is_text(self) -> bool:
        """Whether it has one value, and any text can be it."""
        return self.type is ValueType.STRING and not self.multivalued


@value_class
class StringSet:
    """Values that match any of the patterns."""

    patterns: tuple[Pattern, ...]
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self.patterns))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True)
class NumberSet:
    """Values in relation `operator` (`==`, `<`, `<=`, `>`, `>=`) to any of the numbers; dates are epoch seconds."""

    operator: str
    numbers: tuple[float, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NetworkSet:
    """Addresses inside any of the networks."""

    networks: tuple[IPv4Network | IPv6Network, ...]
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self.networks))

    def __hash__(self) -> int:
        return self._hash


Predicate = StringSet | NumberSet | NetworkSet


@value_class
class Test:
    """A question about one variable.

    Without predicate: is the value present. With one: is there a value inside the set, or, `inverted`, a value outside
    it. For a single value that is present the two are each other's negation; for many values both can hold.
    """

    variable: Variable
    predicate: Predicate | None = None
    inverted: bool = False
    written: str = field(default="", compare=False)
    """The operator as the policy wrote it, for people only."""
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.variable, self.predicate, self.inverted)))

    def __hash__(self) -> int:
        return self._hash


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """True or false. There is one of each, so that they are compared, and hashed, as objects."""

    value: bool

    def __new__(cls, value: bool) -> Self:
        return cast("Self", _CONSTS.setdefault(value, object.__new__(cls)))

    def __reduce__(self) -> tuple[type[Const], tuple[bool]]:
        return Const, (self.value,)


_CONSTS: dict[bool, Const] = {}


@value_class
class Literal:
    """A test or its negation."""

    test: Test
    positive: bool = True
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.test, self.positive)))

    def __hash__(self) -> int:
        return self._hash


@value_class
class And:
    """All parts hold; at least two parts, none of them And or Const."""

    parts: tuple[Expression, ...]
    _hash: int = field(init=False, repr=False, compare=False, default=0)
    _mentioned: frozenset[Variable] | None = field(init=False, repr=False, compare=False, default=None)
    _literals: tuple[Literal, ...] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(("And", self.parts)))

    def __hash__(self) -> int:
        return self._hash


@value_class
class Or:
    """Some part holds; at least two parts, none of them Or or Const."""

    parts: tuple[Expression, ...]
    _hash: int = field(init=False, repr=False, compare=False, default=0)
    _mentioned: frozenset[Variable] | None = field(init=False, repr=False, compare=False, default=None)
    _literals: tuple[Literal, ...] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(("Or", self.parts)))

    def __hash__(self) -> int:
        return self._hash


Expression = Const | Literal | And | Or
TRUE = Const(True)
FALSE = Const(False)


def conj(parts: Iterable[Expression]) -> Expression:
    """All of the parts, flattened and without repeats; false as soon as a part and its negation meet."""
    return _join(parts, And, FALSE, TRUE)


def disj(parts: Iterable[Expression]) -> Expression:
    """Some of the parts, flattened and without repeats; true as soon as a part and its negation meet."""
    return _join(parts, Or, TRUE, FALSE)


def _join(parts: Iterable[Expression], kind: type[And] | type[Or], zero: Const, one: Const) -> Expression:
    open_: list[Expression] = []
    for part in parts:
        if part is zero:
            return zero
        if part is not one:
            open_.append(part)
    if len(open_) < 2:
        return open_[0] if open_ else one
    kept: dict[Expression, None] = {}
    signs: dict[Test, bool] = {}
    nested = False
    for part in open_:
        for piece in part.parts if isinstance(part, kind) else (part,):
            if isinstance(piece, Literal):
                if signs.setdefault(piece.test, piece.positive) is not piece.positive:
                    return zero
            else:
                nested = True
            kept[piece] = None
    pieces = [p for p in kept if not _is_absorbed(p, signs)] if nested and signs else list(kept)
    return pieces[0] if len(pieces) == 1 else kind(tuple(pieces))


def _is_absorbed(piece: Expression, signs: dict[Test, bool]) -> bool:
    """Whether a literal of the piece stands beside it: `a and (a or b)` is `a`, `a or (a and b)` too."""
    if not isinstance(piece, And | Or):
        return False
    return any(isinstance(p, Literal) and signs.get(p.test) is p.positive for p in piece.parts)


def neg(expression: Expression) -> Expression:
    """The negation, pushed down to the tests."""
    match expression:
        case Const(value):
            return FALSE if value else TRUE
        case Literal(test, positive):
            return Literal(test, not positive)
        case And(parts):
            return disj(neg(p) for p in parts)
        case _:
            return conj(neg(p) for p in expression.parts)


def literals(expression: Expression) -> Iterator[Literal]:
    """Every literal, in order, repeats included; remembered with the expression."""
    return iter(_literals_of(expression))


def size(expression: Expression) -> int:
    """How many literals the expression has, repeats included."""
    return len(_literals_of(expression))


def _literals_of(expression: Expression) -> tuple[Literal, ...]:
    if isinstance(expression, Literal):
        return (expression,)
    if isinstance(expression, Const):
        return ()
    if expression._literals is None:
        found = tuple(chain.from_iterable(map(_literals_of, expression.parts)))
        object.__setattr__(expression, "_literals", found)
        return found
    return expression._literals


def mentioned(expression: Expression) -> frozenset[Variable]:
    """The variables an expression mentions, without order; remembered with the expression."""
    if isinstance(expression, Literal):
        return frozenset((expression.test.variable,))
    if isinstance(expression, Const):
        return frozenset()
    if expression._mentioned is None:
        found = frozenset(x.test.variable for x in _literals_of(expression))
        object.__setattr__(expression, "_mentioned", found)
        return found
    return expression._mentioned


def variables(expression: Expression) -> tuple[Variable, ...]:
    """The variables an expression mentions, each once, in order of appearance."""
    return tuple(dict.fromkeys(literal.test.variable for literal in literals(expression)))


@lru_cache(maxsize=65536)
def unknown(reason: str, ref: str = "", *, subject: str = "") -> Expression:
    """An open fact about data or behaviour: it may hold or not. Equal arguments are the same fact."""
    name = f"{reason} {subject or ref}".strip()
    variable = Variable(name, Origin.DATA, ValueType.FLAG, reason=reason, ref=ref)
    return Literal(Test(variable))


def present(variable: Variable) -> Expression:
    """The variable has a value."""
    return Literal(Test(variable)) if variable.may_be_absent or variable.type is ValueType.FLAG else TRUE
