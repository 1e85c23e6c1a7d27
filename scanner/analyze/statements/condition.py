"""One condition of a statement as an expression: every operator, modifier and kind of missing value (section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from itertools import chain

from scanner.analyze.logic.cells import can_answer, holds
from scanner.analyze.logic.expression import (
    FALSE,
    TRUE,
    Expression,
    Literal,
    NetworkSet,
    NumberSet,
    Origin,
    Predicate,
    StringSet,
    Test,
    ValueType,
    Variable,
    conj,
    disj,
    neg,
    present,
    unknown,
)
from scanner.analyze.logic.patterns import (
    PatternsTooComplexError,
    literal,
    literal_ignoring_case,
    parts_between,
    tokens_of,
)
from scanner.analyze.logic.values import PATTERNS, UnreadableValueError, comparable_text, predicate_of
from scanner.analyze.request.binding import Absent, AtLeast, Binding, Known, Open
from scanner.analyze.request.context import RequestContext
from scanner.analyze.statements.template import Expanded, Undecidable, Unsettled, expand
from scanner.model.conditions import Source, find_condition_key
from scanner.model.policy import ConditionTest, Document, Effect
from scanner.model.value import value_class

_NEGATED = frozenset({
    "StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike", "NumericNotEquals", "DateNotEquals",
    "NotIpAddress", "ArnNotEquals", "ArnNotLike",
})  # fmt: skip
_POSITIVE_FORM = {
    "StringNotEquals": "StringEquals", "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike", "NumericNotEquals": "NumericEquals", "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress", "ArnNotEquals": "ArnLike", "ArnNotLike": "ArnLike", "ArnEquals": "ArnLike",
}  # fmt: skip
_COMPARES = {
    "StringEquals": "equals", "StringEqualsIgnoreCase": "equals in any case", "StringLike": "is like",
    "ArnLike": "is an ARN like", "Bool": "is",
}  # fmt: skip
"""How operators compare, for facts that stay open; others by their name."""
_EXPANDS = frozenset({"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnLike", "Bool"})
_ON_TIMES = {"aws:CurrentTime": ("Date",), "aws:EpochTime": ("Date", "Numeric")}
"""Operators that AWS documents for the time of the request; how it is spelled for others is not known."""
_OpenValue = Unsettled | Undecidable
"""A written value with a variable that is open."""


@value_class
class _Target:
    """What the values of one test are compared with: the binding, the operator, and where the test stands."""

    binding: Binding
    test: ConditionTest
    subject: str

    def fact(self, value: str, base: str, written: str) -> str:
        """The comparison of a value with a written one as a sentence: the same fact wherever it is asked."""
        return f"{value} {_COMPARES.get(base, base)} {written}"


def condition_expression(
    test: ConditionTest, document: Document, context: RequestContext, effect: Effect
) -> Expression:
    """When a condition holds.

    A condition that AWS would have refused, or whose outcome AWS does not document, holds or not (`unknown`). The
    effect of the statement matters only where documents conflict (R5.14).
    """
    binding = context.bind(test.key, document.policy.kind)
    subject = f"{document.policy.sha256[:12]} {test.span.line_from}:{test.span.col_from}"
    if isinstance(binding, Open) and binding.variable.reason == "unsupported_condition_key":
        return unknown(binding.variable.reason, binding.variable.ref, subject=subject)
    if test.operator == "Null":
        return _null(test, binding, subject)
    negated = test.operator in _NEGATED
    base = _POSITIVE_FORM.get(test.operator, test.operator)
    row = find_condition_key(test.key)
    if row is not None and row.source is Source.CLOCK and not base.startswith(_ON_TIMES[row.name]):
        return unknown("undocumented", "R6.D", subject=subject)
    target = _Target(binding, test, subject)
    try:
        predicate, open_values = _written_set(test, base, document, context)
        match_any = partial(_matches_any, base=base, predicate=predicate, open_values=open_values, target=target)
        if test.qualifier:
            return _qualified(test, binding, negated, match_any, subject, effect)
        several = row is not None and row.multivalued
        several = several or (isinstance(binding, Known | AtLeast) and len(binding.values) > 1)
        if several:
            return _without_set_operator(test, binding, negated, subject)
        return _plain(test, binding, negated, match_any)
    except UnreadableValueError:
        return unknown("malformed", "R10.12", subject=subject)


def _null(test: ConditionTest, binding: Binding, subject: str) -> Expression:
    is_present = _presence(binding)
    outcomes: list[Expression] = []
    for value in test.values:
        if value.lower() not in {"true", "false"}:
            outcomes.append(unknown("malformed", "R5.13", subject=subject))
        else:
            outcomes.append(neg(is_present) if value.lower() == "true" else is_present)
    return disj(outcomes)


def _presence(binding: Binding) -> Expression:
    match binding:
        case Known() | AtLeast():
            return TRUE
        case Absent():
            return FALSE
        case _:
            return present(binding.variable)


def _written_set(
    test: ConditionTest, base: str, document: Document, context: RequestContext
) -> tuple[Predicate, tuple[_OpenValue, ...]]:
    """The set that the written values describe, and the values that hang on open variables.

    Raises:
        UnreadableValueError: the operator cannot compare a value.
    """
    if not (document.expands_variables and base in _EXPANDS and any("${" in v for v in test.values)):
        return _plain_set(base, test.values), ()
    values = [expand(v, context, document.policy.kind, variables=True) for v in test.values]
    open_values = tuple(v for v in values if isinstance(v, Unsettled | Undecidable))
    return predicate_of(base, tuple(v.tokens for v in values if isinstance(v, Expanded))), open_values


@lru_cache(maxsize=16384)
def _plain_set(base: str, values: tuple[str, ...]) -> Predicate:
    """The set of values without variables; the same few tests are asked again and again."""
    return predicate_of(base, tuple(tokens_of(v) for v in values))


def _plain(test: ConditionTest, binding: Binding, negated: bool, match_any: Callable[..., Expression]) -> Expression:
    """A test without set operator (R5.11, R5.12): a missing value fails positive and satisfies negated tests."""
    matched = match_any(inverted=False)
    if negated:
        return neg(matched)
    return disj((neg(_presence(binding)), matched)) if test.if_exists else matched


def _without_set_operator(test: ConditionTest, binding: Binding, negated: bool, subject: str) -> Expression:
    """A key with many values needs a set operator; without one only a missing value has a known outcome (R5.16)."""
    missing = TRUE if negated or test.if_exists else FALSE
    if isinstance(binding, Absent):
        return missing
    is_present = _presence(binding)
    open_outcome = unknown("set_operator_missing", "R5.16", subject=subject)
    return disj((conj((is_present, open_outcome)), conj((neg(is_present), missing))))


def _qualified(
    test: ConditionTest,
    binding: Binding,
    negated: bool,
    match_any: Callable[..., Expression],
    subject: str,
    effect: Effect,
) -> Expression:
    """ForAnyValue and ForAllValues (R5.14, R5.15, R5.17)."""
    for_any = test.qualifier == "ForAnyValue"
    is_present = _presence(binding)
    if for_any:
        missing: Expression = TRUE if test.if_exists else FALSE
        when_present = match_any(inverted=negated)
    else:
        in_conflict = negated and not test.if_exists and effect is not Effect.ALLOW
        missing = unknown("undocumented", "R5.14", subject=subject) if in_conflict else TRUE
        when_present = neg(match_any(inverted=not negated))
    return disj((conj((is_present, when_present)), conj((neg(is_present), missing))))


def _matches_any(
    *, base: str, predicate: Predicate, open_values: tuple[_OpenValue, ...], target: _Target, inverted: bool
) -> Expression:
    """Some value of the request is inside the written set; with `inverted`, some value is outside of it."""
    match target.binding:
        case Known(found):
            return disj([_one_value(value, base, predicate, open_values, target, inverted) for value in found])
        case AtLeast(found):
            sure = disj(_one_value(value, base, predicate, open_values, target, inverted) for value in found)
            return disj((sure, unknown("undocumented", "R6.S", subject=target.subject)))
        case Absent():
            return FALSE
        case _:
            return _open_value(target.binding.variable, base, predicate, open_values, target, inverted)


def _open_value(
    variable: Variable,
    base: str,
    predicate: Predicate,
    open_values: tuple[_OpenValue, ...],
    target: _Target,
    inverted: bool,
) -> Expression:
    """An open value of the request against the written set, some of whose members may be open too."""
    if not _comparable(variable, predicate):
        involved = (variable, *chain.from_iterable(v.variables for v in open_values))
        fits = _opaque(involved, _open_fact(variable, base, " or ".join(target.test.values), target, inverted))
        return conj((present(variable), neg(fits))) if inverted else fits
    settled = _evident(Literal(Test(variable, predicate, inverted, target.test.written_operator)))
    others = [_open_pair(variable, base, v, target, inverted) for v in open_values]
    if not inverted:
        return disj((settled, *others))
    return conj((settled, *(neg(o) for o in others)))


def _evident(asked: Literal) -> Expression:
    """A test of an open value; decided where every value that the variable may have answers it alike (R6.5)."""
    variable, test = asked.test.variable, asked.test
    if not (variable.excluded or variable.required):
        return asked
    try:
        if not can_answer(variable, (test,), ()).found:
            return FALSE
        return asked if can_answer(variable, (), (test,)).found else TRUE
    except PatternsTooComplexError:
        return asked


def _open_fact(variable: Variable, base: str, written: str, target: _Target, inverted: bool) -> str:
    """An open value against a written one; of several values, some may fit and others not, so each test asks anew."""
    fact = target.fact(variable.name, base, written)
    if not variable.multivalued:
        return fact
    return f"{fact} ({'some other value, ' if inverted else ''}{target.subject})"


def _open_pair(variable: Variable, base: str, written: _OpenValue, target: _Target, inverted: bool) -> Expression:
    """An open value of the request against a written one with an open variable: they may fit where both exist."""
    if isinstance(written, Unsettled) and written.is_only(variable) and base.startswith("String"):
        return present(variable)
    if _compares_whole(variable, base, written):
        fits = _same(variable, written.variables[0], any_case=base == "StringEqualsIgnoreCase")
    else:
        fits = _opaque((variable, *written.variables), _open_fact(variable, base, written.text, target, inverted))
    if isinstance(written, Unsettled) and written.when_absent is not None:
        default = StringSet((PATTERNS[base](written.when_absent),))
        by_default: Expression = Literal(Test(variable, default, written=target.test.written_operator))
        if not _comparable(variable, default):
            without = _open_fact(variable, base, f"{written.text} by its default", target, inverted)
            by_default = _opaque((variable,), without)
        return disj((fits, conj((neg(present(written.variable)), by_default))))
    return fits


def _compares_whole(variable: Variable, base: str, written: _OpenValue) -> bool:
    """Whether a value is compared with the whole value of one other variable; values are no patterns (R5.31)."""
    if not isinstance(written, Unsettled) or written.before or written.after or not base.startswith("String"):
        return False
    return variable.is_text and written.variable.is_text


def _same(variable: Variable, other: Variable, *, any_case: bool) -> Expression:
    """Two variables have the same value."""
    fact = f"{variable.name} {'equals in any case' if any_case else 'equals'} ${{{other.name}}}"
    if Origin.DATA in {variable.origin, other.origin}:
        return _opaque((variable, other), fact)
    flag = Variable(
        fact, Origin.REQUEST, ValueType.FLAG, caller_chosen=variable.caller_chosen or other.caller_chosen,
        vouched=variable.vouched or other.vouched, same=(variable, other), any_case=any_case,
    )  # fmt: skip
    return conj((present(variable), present(other), Literal(Test(flag))))


def _one_value(
    value: str,
    base: str,
    predicate: Predicate,
    open_values: tuple[_OpenValue, ...],
    target: _Target,
    inverted: bool,
) -> Expression:
    inside: Expression = TRUE if holds(predicate, comparable_text(value, base)) else FALSE
    if open_values:
        inside = disj((inside, *(_matches_open(value, base, v, target) for v in open_values)))
    return neg(inside) if inverted else inside


def _matches_open(value: str, base: str, written: _OpenValue, target: _Target) -> Expression:
    """A known value against a written one with an open variable: then the variable must be what is left over."""
    if not PATTERNS[base](written.widest).matches(value) and base in {"StringLike", "ArnLike"}:
        fits: Expression = FALSE
    elif isinstance(written, Undecidable):
        return _opaque(written.variables, target.fact(value, base, written.text))
    else:
        fits = _left_over(value, base, written, target)
    if isinstance(written, Unsettled) and written.when_absent is not None:
        by_default = PATTERNS[base](written.when_absent).matches(value)
        return disj((fits, neg(present(written.variable)) if by_default else FALSE))
    return fits


def _left_over(value: str, base: str, written: Unsettled, target: _Target) -> Expression:
    pattern = PATTERNS[base]
    parts = parts_between(value, pattern(written.before), pattern(written.after))
    if parts is None or not written.variable.is_text or base in {"ArnLike", "Bool"}:
        return _opaque((written.variable,), target.fact(value, base, written.text))
    alone = literal_ignoring_case if base == "StringEqualsIgnoreCase" else literal
    return Literal(Test(written.variable, StringSet(tuple(alone(tuple(part)) for part in parts)))) if parts else FALSE


def _opaque(variables: Iterable[Variable], fact: str) -> Expression:
    """A comparison of open values with each other, or of types that do not fit: one fact of its own.

    Where every value is the request's, the request decides; a missing value never matches (R5.32).

    Args:
        variables: what is open in it.
        fact: the comparison; equal sentences are the same fact.
    """
    involved = tuple(variables)
    if all(v.origin is Origin.REQUEST for v in involved):
        chosen, vouched = any(v.caller_chosen for v in involved), any(v.vouched for v in involved)
        flag = Variable(fact, Origin.REQUEST, ValueType.FLAG, caller_chosen=chosen, vouched=vouched)
        return conj((*(present(v) for v in involved if v.type is not ValueType.FLAG), Literal(Test(flag))))
    data = next(v for v in involved if v.origin is Origin.DATA)
    return unknown(data.reason, data.ref, subject=fact)


def _comparable(variable: Variable, predicate: Predicate) -> bool:
    """Whether values of the variable can be compared in this way; otherwise the outcome is not documented."""
    if variable.type in {ValueType.STRING, ValueType.BOOL} or variable.domain:
        return isinstance(predicate, StringSet)
    if variable.type is ValueType.NUMBER:
        return isinstance(predicate, NumberSet) or (
            isinstance(predicate, StringSet) and all(p.is_literal for p in predicate.patterns)
        )
    if variable.type is ValueType.DATE:
        return isinstance(predicate, NumberSet)
    return isinstance(predicate, NetworkSet)
