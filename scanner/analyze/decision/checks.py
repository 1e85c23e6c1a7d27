"""How each part of a statement or grant meets one request: what it asks, and the value it saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from scanner.analyze.logic.expression import FALSE, TRUE, Expression, Origin, disj, neg, variables
from scanner.analyze.logic.patterns import arn_pattern, tokens_of
from scanner.analyze.request.binding import Absent, AtLeast, Binding, Known
from scanner.analyze.request.caller import Caller, organization_of
from scanner.analyze.request.context import RequestContext
from scanner.analyze.statements.condition import condition_expression
from scanner.analyze.statements.match import (
    action_matches,
    match_principal_entry,
    match_principal_text,
    match_principals,
    names_principals,
    resource_expression,
    spared_by_not_principal,
)
from scanner.analyze.statements.statement import principal_ways, statement_matches
from scanner.model.decision import Check, CheckOutcome, Layer
from scanner.model.key import Grant
from scanner.model.policy import ConditionTest, Document, DocumentKind, Effect, Element, PolicyText, Span, Statement

_NO_PLACE = (0, 0, 0, 0)


def outcome_of(expression: Expression) -> CheckOutcome:
    """What became of a part that holds under this expression."""
    if expression is TRUE:
        return CheckOutcome.HOLDS
    if expression is FALSE:
        return CheckOutcome.FAILS
    unread = any(v.origin is Origin.DATA for v in variables(expression))
    return CheckOutcome.UNREAD if unread else CheckOutcome.OPEN


def saw_in_words(binding: Binding) -> str:
    """What a request carries for a condition key."""
    if isinstance(binding, Known):
        return ", ".join(binding.values)
    if isinstance(binding, AtLeast):
        return f"{', '.join(binding.values)} and perhaps more"
    if isinstance(binding, Absent):
        return "absent"
    variable = binding.variable
    if variable.origin is Origin.DATA:
        outside = variable.reason == "organization_not_read" and variable.excluded
        known = "not known, but of no listed organization" if outside else "not known"
        why = variable.reason.replace("_", " ")
        return f"{known}: {why} ({variable.ref})" if variable.ref else f"{known}: {why}"
    if variable.vouched:
        return "open, the identity provider states it"
    return "open, the caller chooses it" if variable.caller_chosen else "open, the request decides"


def checks_of(document: Document, statement: Statement, context: RequestContext) -> Iterator[Check]:
    """Principal, action, resource and conditions of a statement held against a request, in this order."""
    for part in (_principal, _action, _resource):
        check = part(document, statement, context)
        if check is not None:
            yield check
    for test in statement.conditions:
        yield _condition(test, document, context, statement.effect)


def _principal(document: Document, statement: Statement, context: RequestContext) -> Check | None:
    if not names_principals(document.policy.kind):
        return None
    caller = context.request.caller
    entries = statement.principals or statement.not_principals or ()
    if statement.damage and not entries:
        return Check("principal", "", "Principal", (), CheckOutcome.UNREAD, caller.text)
    operator = "Principal" if statement.not_principals is None else "NotPrincipal"
    if statement.effect is Effect.DENY and statement.not_principals is not None:
        expression = neg(spared_by_not_principal(statement.not_principals, context))
    else:
        expression = disj(x for _, x in match_principals(statement, caller))
    deciding = [e for e in entries if match_principal_entry(e, caller) is not None] or list(entries)
    place = deciding[0].span if deciding else None
    return _check("principal", operator, (e.value for e in entries), expression, caller.text, place)


def _action(document: Document, statement: Statement, context: RequestContext) -> Check | None:
    del document
    name = context.request.iam_action
    covered = action_matches(statement, name)
    if covered is None:
        return None if statement.damage else Check("action", "", "Action", (), CheckOutcome.FAILS, name)
    elements = statement.actions if statement.actions is not None else statement.not_actions or ()
    operator = "Action" if statement.actions is not None else "NotAction"
    one_by_one = (e for e in elements if action_matches(replace(statement, actions=(e,), not_actions=None), name))
    expression = TRUE if covered else FALSE
    return _check("action", operator, (e.value for e in elements), expression, name, _place(elements, one_by_one))


def _resource(document: Document, statement: Statement, context: RequestContext) -> Check | None:
    resource = context.request.resource
    expression = resource_expression(statement, document, context, resource)
    if expression is None:
        inert = document.policy.kind in {DocumentKind.KEY_POLICY, DocumentKind.RAM_POLICY} and not statement.damage
        return Check("resource", "", "Resource", (), CheckOutcome.FAILS, resource) if inert else None
    elements = statement.resources if statement.resources is not None else statement.not_resources or ()
    operator = "Resource" if statement.resources is not None else "NotResource"
    one_by_one = (
        e for e in elements
        if resource_expression(replace(statement, resources=(e,), not_resources=None), document, context, resource)
        is not FALSE
    )  # fmt: skip
    values = (e.value for e in elements)
    return _check("resource", operator, values, expression, resource, _place(elements, one_by_one))


def _place(elements: tuple[Element, ...], deciding: Iterable[Element]) -> Span | None:
    """The span of the first element that decides, else of all of them."""
    found = next(iter(deciding), None)
    if found is not None:
        return found.span
    if not elements:
        return None
    first, last = elements[0].span, elements[-1].span
    return Span(first.line_from, first.col_from, last.line_to, last.col_to)


def _condition(test: ConditionTest, document: Document, context: RequestContext, effect: Effect) -> Check:
    expression = condition_expression(test, document, context, effect)
    saw = saw_in_words(context.bind(test.key, document.policy.kind))
    return replace(
        _check("condition", test.written_operator, test.values, expression, saw, test.span), key=test.key
    )  # fmt: skip


def _check(
    part: str, operator: str, wanted: Iterable[str], expression: Expression, saw: str, span: Span | None
) -> Check:
    place = (span.line_from, span.col_from, span.line_to, span.col_to) if span else _NO_PLACE
    return Check(part, "", operator, tuple(wanted), outcome_of(expression), saw, *place)


# -- statements and grants that come close ----------------------------------------------------------------------------


def near_misses(document: Document, context: RequestContext) -> Iterator[tuple[Statement, Check]]:
    """Statements that concern caller and action and surely do not apply, each with the first check that failed.

    Where a document names principals, an Allow that names the caller for other actions counts as well.
    """
    for statement in document.statements:
        covered = action_matches(statement, context.request.iam_action)
        if covered is False and not _names_only_the_caller(document, statement):
            continue
        if covered and statement_matches(document, statement, context):
            continue
        if all(x is FALSE for _, x in principal_ways(document, statement, context, statement.effect)):
            continue
        checks = checks_of(document, statement, context)
        failed = next((c for c in checks if c.outcome is CheckOutcome.FAILS), None)
        if failed is not None:
            yield statement, failed


def _names_only_the_caller(document: Document, statement: Statement) -> bool:
    """Whether a statement was written for somebody and not for everybody, and so is worth a word."""
    everybody = any(entry.type == "*" for entry in statement.principals or ())
    written_for = names_principals(document.policy.kind) and statement.not_principals is None and not everybody
    return written_for and statement.effect is Effect.ALLOW


def grant_names(grant: Grant, caller: Caller) -> bool:
    """Whether a grant's grantee may be the caller (R4.9)."""
    if grant.grantee_service_principal:
        return caller.is_service and grant.grantee_service_principal == caller.text
    return not caller.is_service and match_principal_text(grant.grantee_principal, caller) is not None


def grant_checks(grant: Grant, context: RequestContext) -> tuple[Check, ...]:
    """Grantee, operations and constraints of a grant held against a request."""
    request = context.request
    grantee = grant.grantee_service_principal or grant.grantee_principal
    named = CheckOutcome.HOLDS if grant_names(grant, request.caller) else CheckOutcome.FAILS
    checks = [Check("principal", "", "GranteePrincipal", (grantee,), named, request.caller.text)]
    covered = CheckOutcome.HOLDS if request.operation in grant.operations else CheckOutcome.FAILS
    checks.append(Check("action", "", "Operations", grant.operations, covered, request.operation))
    for operator, pairs in (
        ("EncryptionContextEquals", grant.constraints.encryption_context_equals),
        ("EncryptionContextSubset", grant.constraints.encryption_context_subset),
    ):
        for pair, value in sorted((pairs or {}).items()):
            checks.append(_constraint(f"kms:EncryptionContext:{pair}", operator, value, context))
    if grant.constraints.source_arn is not None:
        checks.append(_constraint("aws:SourceArn", "SourceArn", grant.constraints.source_arn, context))
    return tuple(checks)


def _constraint(key: str, operator: str, wanted: str, context: RequestContext) -> Check:
    binding = context.bind(key, DocumentKind.IDENTITY)
    match binding:
        case Known(values) | AtLeast(values):
            pattern = arn_pattern(tokens_of(wanted))
            matches = any(pattern.matches(v) if operator == "SourceArn" else v == wanted for v in values)
            outcome = CheckOutcome.HOLDS if matches else CheckOutcome.FAILS
        case Absent():
            outcome = CheckOutcome.FAILS
        case _:
            outcome = CheckOutcome.OPEN
    return Check("condition", key, operator, (wanted,), outcome, saw_in_words(binding))


# -- the documents behind a gate --------------------------------------------------------------------------------------


def documents_of(layer: Layer, context: RequestContext) -> tuple[PolicyText, ...]:
    """The documents a gate reads for this request, in order; none where there are none or they were not read."""
    caller, key = context.request.caller, context.request.key
    documents: dict[Layer, Iterable[PolicyText | None]] = {
        Layer.IAM: caller.identity_policies,
        Layer.BOUNDARY: (caller.boundary,),
        Layer.SESSION: caller.session_policies or (),
        Layer.KEY_POLICY: (key.key_policy if key else None,),
        Layer.RAM: (key.ram_policy if key else None,),
        Layer.TRUST: (context.request.role.trust_policy if context.request.role else None,),
    }
    by_level = (text for _, texts in guardrails_by_level(layer, context) for text in texts)
    return tuple(text for text in documents.get(layer, by_level) if text is not None)


def guardrails_by_level(layer: Layer, context: RequestContext) -> tuple[tuple[str, tuple[PolicyText, ...]], ...]:
    """The control policies that concern the caller (SCP) or the key (RCP) by target, from the root down (R3.43)."""
    request = context.request
    resource = request.key or request.role
    owner = resource.account_id if layer is Layer.RCP and resource else request.caller.account_id
    organization = organization_of(context.world, owner)
    if organization is None:
        return ()
    attached = (organization.rcps if layer is Layer.RCP else organization.scps) or {}
    path = next((path for member, path in organization.members.items() if member == owner), ())
    return tuple((target, attached[target]) for target in (*path, owner) if target in attached)
