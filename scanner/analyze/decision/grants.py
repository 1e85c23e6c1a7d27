"""Grants: whom they reach, under which constraints, and who may retire them (section 4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from scanner.analyze.logic.expression import (
    FALSE,
    TRUE,
    Const,
    Expression,
    Literal,
    Origin,
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
from scanner.analyze.logic.patterns import Pattern, arn_pattern, literal, literal_ignoring_case, tokens_of
from scanner.analyze.request.binding import Absent, AtLeast, Known
from scanner.analyze.request.caller import Caller, is_service_name
from scanner.analyze.request.context import RequestContext
from scanner.analyze.statements.match import MatchKind, match_principal_text
from scanner.model.arn import is_account_id, parse_arn
from scanner.model.key import Grant, GrantConstraints, KeyFacts
from scanner.model.policy import DocumentKind
from scanner.model.value import value_class

_CONSTRAINED_BY_CONTEXT = frozenset({
    "Decrypt", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo",
})  # fmt: skip


@value_class
class GrantMatch:
    """A grant that may cover the request: when, and whether it names the account rather than an identity."""

    grant: Grant
    applies: Expression
    by_account: bool


def is_constrained_by_context(operation: str) -> bool:
    """Whether an encryption context that a grant demands counts for the operation (R4.17)."""
    return operation in _CONSTRAINED_BY_CONTEXT


def grant_matches(grants: Iterable[Grant], context: RequestContext) -> tuple[GrantMatch, ...]:
    """Grants whose operations hold the action and whose grantee and constraints fit (R4.9, R4.17, R4.18)."""
    found: list[GrantMatch] = []
    for grant in grants:
        if context.request.operation not in grant.operations:
            continue
        named = _names_caller(grant.grantee_principal, grant.grantee_service_principal, context.request.caller)
        if named is None:
            continue
        kind, expression = named
        applies = conj((expression, _constraints_hold(grant, context)))
        if applies is not FALSE:
            found.append(GrantMatch(grant, applies, kind is MatchKind.ACCOUNT))
    return tuple(found)


def _names_caller(principal: str, service: str, caller: Caller) -> tuple[MatchKind, Expression] | None:
    if service:
        return (MatchKind.SERVICE, TRUE) if caller.is_service and service == caller.text else None
    if is_service_name(principal):
        same = caller.is_service and principal.split(".", maxsplit=1)[0] == caller.text.split(".")[0]
        return (MatchKind.SERVICE, unknown("grantee_not_resolvable", "R4.5", subject=principal)) if same else None
    return None if caller.is_service else match_principal_text(principal, caller)


def _constraints_hold(grant: Grant, context: RequestContext) -> Expression:
    operation = context.request.operation
    if operation == "CreateGrant":
        return _child_is_narrower(grant, context)
    parts: list[Expression] = [
        unknown("undocumented", "R4.17", subject=f"constraint {n}") for n in grant.constraints.unknown
    ]
    if grant.constraints.source_arn is not None:
        parts.append(_source_arn_matches(grant.constraints.source_arn, context))
    key = context.request.key
    if is_constrained_by_context(operation) and (key is None or key.is_symmetric_encryption):
        parts.extend(_context_matches(grant.constraints, context))
    return conj(parts)


def _source_arn_matches(pattern: str, context: RequestContext) -> Expression:
    return _value_in(context, "aws:SourceArn", (arn_pattern(tokens_of(pattern)),))


def _context_matches(constraints: GrantConstraints, context: RequestContext) -> Iterable[Expression]:
    """The request's encryption context holds the pairs, or equals them; names are compared without case (R4.17)."""
    for pairs, exactly in (
        (constraints.encryption_context_subset, False),
        (constraints.encryption_context_equals, True),
    ):
        if pairs is None:
            continue
        for name, value in sorted(pairs.items()):
            yield _value_in(context, f"kms:EncryptionContext:{name}", (literal(tuple(value)),))
        if exactly:
            allowed = tuple(literal_ignoring_case(tuple(name)) for name in sorted(pairs))
            yield neg(_value_in(context, "kms:EncryptionContextKeys", allowed, outside=True))


def _value_in(context: RequestContext, key: str, patterns: tuple[Pattern, ...], *, outside: bool = False) -> Expression:
    """The request carries a value of the key inside the patterns, or `outside` of them."""
    match context.bind(key, DocumentKind.IDENTITY):
        case Known(values) | AtLeast(values):
            return Const(any(any(p.matches(v) for p in patterns) != outside for v in values))
        case Absent():
            return FALSE
        case binding:
            return Literal(Test(binding.variable, StringSet(patterns), outside, "grant constraint"))


# -- CreateGrant through a grant (R4.20) ------------------------------------------------------------------------------


def _child_is_narrower(parent: Grant, context: RequestContext) -> Expression:
    """The grant asked for has a subset of the operations and constraints at least as strict."""
    asked = context.request.grant_request
    if asked is not None:
        operations = Const(set(asked.operations) <= set(parent.operations))
        return conj((operations, _constraints_kept(parent.constraints, asked.constraints, parent.grant_id)))
    patterns = tuple(literal(tuple(operation)) for operation in parent.operations)
    operations_kept = neg(_value_in(context, "kms:GrantOperations", patterns, outside=True))
    if not _has_constraints(parent.constraints):
        return operations_kept
    kept = Variable(
        f"the constraints asked for keep those of grant {parent.grant_id}",
        Origin.REQUEST,
        ValueType.FLAG,
        caller_chosen=True,
    )
    return conj((operations_kept, present(kept)))


def _has_constraints(constraints: GrantConstraints) -> bool:
    return constraints != GrantConstraints()


def _constraints_kept(parent: GrantConstraints, child: GrantConstraints, grant_id: str) -> Expression:
    parts: list[Expression] = []
    if parent.encryption_context_subset is not None:
        pairs = _pairs(parent.encryption_context_subset)
        ways = (child.encryption_context_subset, child.encryption_context_equals)
        parts.append(Const(any(way is not None and pairs <= _pairs(way) for way in ways)))
    if parent.encryption_context_equals is not None:
        equals = child.encryption_context_equals
        parts.append(Const(equals is not None and _pairs(equals) == _pairs(parent.encryption_context_equals)))
    if parent.source_arn is not None:
        if child.source_arn is None:
            return FALSE
        if child.source_arn != parent.source_arn:
            parts.append(unknown("undocumented", "R4.20", subject=f"source of {grant_id}"))
    parts.extend(unknown("undocumented", "R4.17", subject=f"constraint {name}") for name in parent.unknown)
    return conj(parts)


def _pairs(constraint: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """The pairs of a constraint; names that differ in case alone count as the same (R4.17)."""
    return frozenset((name.lower(), value) for name, value in constraint.items())


# -- RetireGrant (R4.22) ----------------------------------------------------------------------------------------------


@value_class
class RetireMatch:
    """How a grant lets the caller retire it. `needs_iam` is true where the account may delegate the right by IAM."""

    grant: Grant
    applies: Expression
    needs_iam: bool


def retire_matches(grants: Iterable[Grant], context: RequestContext, key_account: str) -> tuple[RetireMatch, ...]:
    """Every way the caller may retire a grant of the key (R4.22)."""
    caller = context.request.caller
    found: list[RetireMatch] = []
    for grant in grants:
        retiring = _names_caller(grant.retiring_principal, grant.retiring_service_principal, caller)
        if retiring is not None:
            found.append(RetireMatch(grant, retiring[1], retiring[0] is MatchKind.ACCOUNT))
        if "RetireGrant" in grant.operations:
            grantee = _names_caller(grant.grantee_principal, grant.grantee_service_principal, caller)
            if grantee is not None:
                found.append(RetireMatch(grant, grantee[1], grantee[0] is MatchKind.ACCOUNT))
        if caller.is_service:
            continue
        if grant.issuing_account and grant.issuing_account == caller.account_id:
            found.append(RetireMatch(grant, TRUE, needs_iam=True))
        elif not grant.issuing_account:
            issuer = unknown("grant_issuer_not_read", "R4.22", subject=grant.grant_id)
            found.append(RetireMatch(grant, issuer, needs_iam=True))
        elif key_account == caller.account_id:
            found.append(RetireMatch(grant, unknown("undocumented", "R4.22", subject=grant.grant_id), needs_iam=True))
    return tuple(found)


def accounts_of_grants(key: KeyFacts) -> frozenset[str] | None:
    """The accounts whose users, roles and root users some grant may let do something; None where that may be any.

    A grant concerns whom it names, and who may retire it: the account that issued it and that of the key (R4.22).
    """
    found: set[str] = {key.account_id}
    for grant in key.grants or ():
        if not grant.issuing_account:
            return None
        found.add(grant.issuing_account)
        for principal in (grant.grantee_principal, grant.retiring_principal):
            if principal and not is_service_name(principal):
                arn = parse_arn(principal)
                if arn is None or not is_account_id(arn.account_id):
                    return None
                found.add(arn.account_id)
    return frozenset(found)


def operations_for(grants: Iterable[Grant], caller: Caller) -> frozenset[str]:
    """The operations that grants may give somebody, with retiring one, which none has to name (R4.22)."""
    found = {"RetireGrant"}
    for grant in grants:
        if _names_caller(grant.grantee_principal, grant.grantee_service_principal, caller) is not None:
            found.update(grant.operations)
    return frozenset(found)


def anyone_of(matches: Iterable[GrantMatch], *, by_account: bool) -> Expression:
    """When some grant of the given sort covers the request."""
    return disj([m.applies for m in matches if m.by_account is by_account])
