"""When one statement applies to a request, and as what kind of match."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache, partial

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.expression import FALSE, TRUE, Expression, conj, disj, neg, unknown
from scanner.analyze.request.context import RequestContext
from scanner.analyze.statements.condition import condition_expression
from scanner.analyze.statements.match import (
    MatchKind,
    covers_action,
    match_principals,
    names_principals,
    resource_expression,
    spared_by_not_principal,
)
from scanner.model.policy import Document, DocumentKind, Effect, PolicyText, Span, Statement
from scanner.model.value import value_class


@value_class
class Match:
    """A statement that may apply: when (`applies`), to what effect, and through which form of principal."""

    document: Document
    statement: Statement
    effect: Effect
    kind: MatchKind
    applies: Expression


def statement_matches(document: Document, statement: Statement, context: RequestContext) -> tuple[Match, ...]:
    """Every way a statement that covers the action may apply to the request; empty where it surely does not.

    A damaged statement may do whatever its readable parts allow: its matches are open facts (R10.12).
    """
    body = _body_expression(document, statement, context)
    if body is FALSE:
        return ()
    return _matches_of(document, statement, body, partial(principal_ways, document, statement, context))


def _matches_of(
    document: Document,
    statement: Statement,
    body: Expression,
    ways: Callable[[Effect], Iterable[tuple[MatchKind, Expression]]],
) -> tuple[Match, ...]:
    """Every way a statement applies whose resources and conditions hold when `body` does."""
    effects = (Effect.ALLOW, Effect.DENY) if statement.effect is Effect.DAMAGED else (statement.effect,)
    found: list[Match] = []
    for effect in effects:
        doubt = _doubt(document, statement, effect) if statement.damage else TRUE
        for kind, expression in ways(effect):
            applies = conj((expression, body, doubt))
            if applies is not FALSE:
                found.append(Match(document, statement, effect, kind, applies))
    return tuple(found)


def _doubt(document: Document, statement: Statement, effect: Effect) -> Expression:
    """Whether a damaged statement has an effect (R10.12)."""
    subject = f"{document.policy.source} {document.policy.name} statement {statement.index} {effect.value}"
    return unknown("malformed", "R10.12", subject=subject)


def principal_ways(
    document: Document, statement: Statement, context: RequestContext, effect: Effect
) -> tuple[tuple[MatchKind, Expression], ...]:
    """Every way a statement's principals match the caller; everybody, where a document names none."""
    caller = context.request.caller
    if not names_principals(document.policy.kind):
        return ((MatchKind.STAR, TRUE),)
    if statement.damage and not statement.principals and not statement.not_principals:
        return ((MatchKind.STAR, TRUE),)
    if effect is Effect.DENY and statement.not_principals is not None:
        return ((MatchKind.STAR, neg(spared_by_not_principal(statement.not_principals, context))),)
    return match_principals(statement, caller)


def _body_expression(document: Document, statement: Statement, context: RequestContext) -> Expression:
    """Resource and conditions of the statement."""
    resource = resource_expression(statement, document, context, context.request.resource)
    if resource is None:
        inert = document.policy.kind in {DocumentKind.KEY_POLICY, DocumentKind.RAM_POLICY} and not statement.damage
        resource = FALSE if inert else TRUE
    if resource is FALSE:
        return FALSE
    tests: list[Expression] = [resource]
    for test in statement.conditions:
        expression = condition_expression(test, document, context, statement.effect)
        if expression is FALSE:
            return FALSE
        tests.append(expression)
    return conj(tests)


_CONCERNED: dict[tuple[str, DocumentKind, str], tuple[Statement, ...]] = {}
"""Statements by text, place and action: the same few documents are asked about the same actions again and again."""

_MOST_CONCERNED = 200_000


def _concerned(document: Document, iam_action: str) -> tuple[Statement, ...]:
    """The statements whose actions cover the action, or that are too damaged to tell."""
    place = (document.policy.sha256, document.policy.kind, iam_action)
    found = _CONCERNED.get(place)
    if found is None:
        if len(_CONCERNED) >= _MOST_CONCERNED:
            _CONCERNED.clear()
        found = tuple(s for s in document.statements if covers_action(s, iam_action))
        _CONCERNED[place] = found
    return found


def document_matches(document: Document, context: RequestContext) -> tuple[Match, ...]:
    """Every way the statements of a document may apply; a document that is no policy may allow and deny anything."""
    iam_action = context.request.iam_action
    concerned = _concerned(document, iam_action)
    if not names_principals(document.policy.kind) and all(map(_is_fixed, concerned)):
        return _fixed_matches(document.policy, iam_action)
    return _with_damage(document, [m for s in concerned for m in statement_matches(document, s, context)])


def _is_fixed(statement: Statement) -> bool:
    """Whether a statement covers whatever is asked for, without a condition."""
    resources = statement.resources or ()
    return not statement.conditions and any(e.value == "*" for e in resources)


@lru_cache(maxsize=_MOST_CONCERNED)
def _fixed_matches(policy: PolicyText, iam_action: str) -> tuple[Match, ...]:
    """Matches of a document that treats every request for an action alike, as FullAWSAccess does."""
    document = parse_policy(policy)
    everybody = ((MatchKind.STAR, TRUE),)
    concerned = _concerned(document, iam_action)
    return _with_damage(document, [m for s in concerned for m in _matches_of(document, s, TRUE, lambda _: everybody)])


def _with_damage(document: Document, found: list[Match]) -> tuple[Match, ...]:
    """The matches of the statements, and what a document may hold that is no policy (R10.12)."""
    if document.problems:
        subject = f"{document.policy.source} {document.policy.name}"
        broken = _broken_statement(document)
        for effect in (Effect.ALLOW, Effect.DENY):
            applies = unknown("malformed", "R10.12", subject=f"{subject} {effect.value}")
            found.append(Match(document, broken, effect, MatchKind.STAR, applies))
    return tuple(found)


def _broken_statement(document: Document) -> Statement:
    return Statement(
        -1, "", Effect.DAMAGED, None, None, None, None, None, None, (), Span(1, 1, 1, 1), document.problems
    )


def either(matches: tuple[Match, ...], effect: Effect, *kinds: MatchKind) -> Expression:
    """When some match with this effect (and one of the kinds, if any are given) applies."""
    return disj([m.applies for m in matches if m.effect is effect and (not kinds or m.kind in kinds)])
