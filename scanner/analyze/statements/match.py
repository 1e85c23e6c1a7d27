"""Whether a statement's principals, actions and resources cover a request (sections 2 and 5.5)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from scanner.analyze.logic.expression import (
    FALSE,
    TRUE,
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
from scanner.analyze.logic.patterns import (
    PatternsTooComplexError,
    combinations,
    glob,
    literal,
    parts_between,
    tokens_of,
)
from scanner.analyze.request.binding import Known, Open
from scanner.analyze.request.caller import SERVICE_NAME, SESSION_NAME, Caller
from scanner.analyze.request.context import RequestContext
from scanner.analyze.statements.template import Expanded, Undecidable, Unsettled, Valueless, expand
from scanner.model.actions import ACTIONS, KEY_ACTIONS
from scanner.model.arn import Arn, is_account_id, parse_arn
from scanner.model.policy import Document, DocumentKind, Element, PrincipalEntry, Statement
from scanner.model.principal import PrincipalKind

_STRANGERS = frozenset({PrincipalKind.ACCOUNT, PrincipalKind.ANY})
_NAMING = frozenset({DocumentKind.KEY_POLICY, DocumentKind.RAM_POLICY, DocumentKind.TRUST})
OF_UNIQUE_IDS = ("AIDA", "AROA")
"""What the unique ids of users and roles begin with."""


class MatchKind(StrEnum):
    """Through which form of principal a statement matches; decides what limits the match (R3.10 to R3.13)."""

    STAR = "star"
    USER = "user"
    ROLE = "role"
    SESSION = "session"
    ACCOUNT = "account"
    SERVICE = "service"
    FEDERATED = "federated"


PrincipalMatch = tuple[MatchKind, Expression]


def match_principal_entry(entry: PrincipalEntry, caller: Caller) -> PrincipalMatch | None:
    """How one value of a Principal element matches the caller; None where it surely does not (R2.2 to R2.14)."""
    if entry.type == "*":
        return MatchKind.STAR, TRUE
    if entry.type == "Service":
        return (MatchKind.SERVICE, _is_service(entry.value, caller)) if caller.is_service else None
    if entry.type == "Federated":
        return (MatchKind.FEDERATED, TRUE) if caller.is_provider and entry.value == caller.text else None
    if entry.type != "AWS" or caller.without_account:
        return None
    return match_principal_text(entry.value, caller)


def _is_service(name: str, caller: Caller) -> Expression:
    if caller.is_any_service:
        return Literal(Test(SERVICE_NAME, StringSet((literal(tuple(name)),))))
    return TRUE if name == caller.text else FALSE


def match_principal_text(value: str, caller: Caller) -> PrincipalMatch | None:
    """How an ARN, account id or unique id matches a caller that is no service; also used for grants (R4.9)."""
    arn = _arn_of_one(value)
    if arn is None:
        if is_account_id(value):
            return (MatchKind.ACCOUNT, TRUE) if caller.account_id == value else None
        return _match_unique_id(value, caller) if value.startswith(OF_UNIQUE_IDS) and ":" not in value else None
    if arn.account_id != caller.account_id or arn.partition != caller.partition:
        return None
    if arn.service == "iam" and arn.resource == "root":
        return MatchKind.ACCOUNT, TRUE
    if arn.service == "iam" and arn.resource.startswith("role/"):
        return _match_role(value, caller)
    if arn.service == "iam" and arn.resource.startswith("user/"):
        return _match_user(value, caller)
    if arn.service == "sts" and arn.resource.startswith("assumed-role/"):
        return _match_session(arn.resource, caller)
    if arn.service == "sts" and arn.resource.startswith("federated-user/"):
        if caller.session_open:
            return MatchKind.SESSION, unknown("caller_side_not_collected", "R3.73", subject=value)
        matches = caller.kind is PrincipalKind.FEDERATED and caller.text == value
        return (MatchKind.SESSION, TRUE) if matches else None
    return None


@lru_cache(maxsize=65536)
def _arn_of_one(value: str) -> Arn | None:
    """An ARN that means what it says; None for every other text."""
    return None if "*" in value or "?" in value else parse_arn(value)


def _match_role(value: str, caller: Caller) -> PrincipalMatch | None:
    """All sessions of the role (R2.4); which role a session is of stays open where only its name is known (R2.6)."""
    if not caller.acts_as_role:
        return None
    if caller.role_path_is_open and value.rsplit("/", 1)[-1] == caller.role_name:
        return MatchKind.ROLE, unknown("caller_side_not_collected", "R2.6", subject=f"{caller.text} is of {value}")
    return (MatchKind.ROLE, TRUE) if caller.principal_arn == value else None


def _match_user(value: str, caller: Caller) -> PrincipalMatch | None:
    if caller.kind is PrincipalKind.USER:
        return (MatchKind.USER, TRUE) if caller.principal_arn == value else None
    if caller.kind is not PrincipalKind.FEDERATED:
        return None
    if caller.parent_user is None:
        return MatchKind.ROLE, unknown("caller_side_not_collected", "R3.73", subject=f"{caller.text} is of {value}")
    return (MatchKind.ROLE, TRUE) if caller.parent_user == value else None


def _match_session(resource: str, caller: Caller) -> PrincipalMatch | None:
    _, _, rest = resource.partition("/")
    role_name, _, session_name = rest.partition("/")
    if not caller.acts_as_role or caller.role_name != role_name or not session_name:
        return None
    if caller.session_name is None:
        pattern = literal(tuple(session_name))
        return MatchKind.SESSION, Literal(Test(SESSION_NAME, StringSet((pattern,)), written="role session name"))
    return (MatchKind.SESSION, TRUE) if caller.session_name == session_name else None


def _match_unique_id(value: str, caller: Caller) -> PrincipalMatch | None:
    """An id of a user or role: dead unless the snapshot holds it, open for accounts nobody collected (R2.14)."""
    is_role = value.startswith("AROA")
    kind = MatchKind.ROLE if is_role else MatchKind.USER
    federated = caller.kind is PrincipalKind.FEDERATED
    fits = caller.acts_as_role if is_role else federated or caller.kind is PrincipalKind.USER
    if caller.kind in _STRANGERS:
        return kind, unknown("caller_side_not_collected", "R2.14", subject=value)
    if not fits:
        return None
    if federated:
        kind = MatchKind.ROLE
    if caller.unique_id:
        return (kind, TRUE) if caller.unique_id == value else None
    if caller.account_collected and caller.collected:
        return None
    return kind, unknown("caller_side_not_collected", "R2.14", subject=f"{value} {caller.principal_arn}")


def match_principals(statement: Statement, caller: Caller) -> tuple[PrincipalMatch, ...]:
    """Every way a statement of a key or trust policy matches the caller."""
    if statement.not_principals is not None:
        return ((MatchKind.STAR, neg(_listed(statement.not_principals, caller))),)
    found = [match_principal_entry(entry, caller) for entry in statement.principals or ()]
    return tuple([match for match in found if match is not None and match[1] is not FALSE])


def _listed(entries: Iterable[PrincipalEntry], caller: Caller) -> Expression:
    found = (match_principal_entry(entry, caller) for entry in entries)
    return disj(match[1] for match in found if match is not None)


def spared_by_not_principal(entries: tuple[PrincipalEntry, ...], context: RequestContext) -> Expression:
    """When a Deny with NotPrincipal leaves the caller alone (R2.15, R2.16).

    A user or role is spared where its ARN and its account are listed; listed without the account is not documented to
    be enough; a permissions boundary makes the Deny apply in any case.
    """
    caller = context.request.caller
    if any(entry.type == "*" for entry in entries):
        return TRUE
    if caller.kind is PrincipalKind.ACCOUNT:
        return _some_identity_spared(entries, context)
    ways: dict[MatchKind, list[Expression]] = {}
    for entry in entries:
        match = match_principal_entry(entry, caller)
        if match is not None:
            ways.setdefault(match[0], []).append(match[1])
    account = disj(ways.get(MatchKind.ACCOUNT, ()))
    if caller.without_account:
        return disj(x for kind in (MatchKind.SERVICE, MatchKind.FEDERATED) for x in ways.get(kind, ()))
    if caller.is_root_user:
        return account
    named = disj(x for kind in (MatchKind.USER, MatchKind.ROLE) for x in ways.get(kind, ()))
    session = disj(ways.get(MatchKind.SESSION, ()))
    if caller.kind is PrincipalKind.FEDERATED:
        named, session = disj((named, session)), FALSE
    undocumented = unknown("undocumented", "R2.15", subject=caller.text)
    spared = disj((conj((named, account)), conj((disj((named, session)), undocumented))))
    if caller.boundary is not None:
        return FALSE
    if not caller.collected:
        spared = conj((spared, _without_boundary(caller)))
    return spared


def _some_identity_spared(entries: Iterable[PrincipalEntry], context: RequestContext) -> Expression:
    """The same for whichever identity of an account nobody collected: it depends on which one calls (R3.70)."""
    caller = context.request.caller
    forms = {e.value: match_principal_text(e.value, caller) for e in entries if e.type == "AWS"}
    account = any(form is not None and form[0] is MatchKind.ACCOUNT for form in forms.values())
    arns = [parse_arn(value) for value in forms]
    own = [a for a in arns if a is not None and (a.account_id, a.partition) == (caller.account_id, caller.partition)]
    named = tuple(str(a) for a in own if a.service == "iam" and a.resource.startswith(("role/", "user/")))
    undocumented = unknown("undocumented", "R2.15", subject=caller.text)
    spared = [_is_one_of(named, context), TRUE if account else undocumented, _without_boundary(caller)]
    ways = [conj(spared)]
    if account:
        ways.append(_is_one_of((f"arn:{caller.partition}:iam::{caller.account_id}:root",), context))
    if any(a.service == "sts" for a in own) or any(value.startswith(OF_UNIQUE_IDS) for value in forms):
        ways.append(undocumented)
    return disj(ways)


def _is_one_of(arns: tuple[str, ...], context: RequestContext) -> Expression:
    """The caller's ARN is one of the given."""
    match context.bind("aws:PrincipalArn", DocumentKind.KEY_POLICY):
        case Known(values):
            return TRUE if set(values) & set(arns) else FALSE
        case Open(variable):
            return Literal(Test(variable, StringSet(tuple(literal(tuple(a)) for a in arns)))) if arns else FALSE
        case _:
            return FALSE


def _without_boundary(caller: Caller) -> Expression:
    """Nobody read whether the caller has a permissions boundary, which voids its exemption (R2.16)."""
    return unknown("caller_side_not_collected", "R2.16", subject=caller.text)


def action_matches(statement: Statement, iam_action: str) -> bool | None:
    """Whether the statement's actions cover the action; None where it names none (R1.1, R2.17, R5.41)."""
    if statement.actions is not None:
        return any(_action_fits(e.value, iam_action) for e in statement.actions)
    if statement.not_actions is not None:
        return not any(_action_fits(e.value, iam_action) for e in statement.not_actions)
    return None


def covers_action(statement: Statement, iam_action: str) -> bool:
    """Whether the statement covers the action, or names none and is too damaged to tell."""
    covered = action_matches(statement, iam_action)
    return bool(statement.damage) if covered is None else covered


def covers_each(statement: Statement) -> tuple[bool, ...]:
    """Whether the statement covers each action on keys, in the order of the action table, as `covers_action` has it."""
    if statement.actions is not None:
        return _fit_each(tuple([e.value for e in statement.actions]))
    if statement.not_actions is not None:
        return tuple([not fits for fits in _fit_each(tuple([e.value for e in statement.not_actions]))])
    return (bool(statement.damage),) * len(KEY_ACTIONS)


def covered_actions(statement: Statement) -> frozenset[str]:
    """The names of the actions on keys that the statement covers."""
    return frozenset(a.name for a, covered in zip(KEY_ACTIONS, covers_each(statement), strict=True) if covered)


@lru_cache(maxsize=65536)
def _fit_each(texts: tuple[str, ...]) -> tuple[bool, ...]:
    return tuple(any(_action_fits(text, a.iam_name) for text in texts) for a in KEY_ACTIONS)


@lru_cache(maxsize=65536)
def fits_known_action(text: str) -> bool:
    """Whether what a statement writes as an action fits one of the action table."""
    return any(_action_fits(text, a.iam_name) for a in ACTIONS.values())


def may_be_of(statement: Statement, service: str) -> bool:
    """Whether the statement may cover some action of a service, also one that nobody knows yet."""
    return statement.actions is None or any(_is_of(e.value, service) for e in statement.actions)


def _is_of(action: str, service: str) -> bool:
    own = action.partition(":")[0].lower()
    return own == service or any(c in own for c in "*?")


@lru_cache(maxsize=65536)
def _action_fits(text: str, iam_action: str) -> bool:
    return glob(tokens_of(text), ignore_case=True).matches(iam_action)


def resource_expression(
    statement: Statement, document: Document, context: RequestContext, resource: str
) -> Expression | None:
    """When the statement's resources cover the resource; None where it names none (R2.17, R5.40, R5.41)."""
    if statement.resources is not None:
        return disj([_resource_matches(e, document, context, resource) for e in statement.resources])
    if statement.not_resources is not None:
        return neg(disj(_resource_matches(e, document, context, resource) for e in statement.not_resources))
    return None


def _resource_matches(element: Element, document: Document, context: RequestContext, resource: str) -> Expression:
    if element.value == "*":
        return TRUE
    if context.request.any_resource:
        return whichever_resource(element.value, resource)
    head, tail = _split_at_fifth_colon(element.value)
    value = expand(tail, context, document.policy.kind, variables=document.expands_variables)
    if isinstance(value, Valueless):
        return FALSE
    if isinstance(value, Expanded):
        return TRUE if glob((*tokens_of(head), *value.tokens)).matches(resource) else FALSE
    if not glob((*tokens_of(head), *value.widest)).matches(resource):
        return FALSE
    if isinstance(value, Unsettled) and value.when_absent is not None:
        absent = glob((*tokens_of(head), *value.when_absent)).matches(resource)
    else:
        absent = False
    fits = _open_resource(value, head, resource)
    is_present = conj(present(v) for v in value.variables)
    return disj((conj((is_present, fits)), neg(is_present) if absent else FALSE))


def whichever_resource(written: str, kind: str) -> Expression:
    """Whether a resource of a policy covers what a request names, of which only the kind is known, as a pattern.

    What covers some of the kind only leaves it open: which names are free, and which else a request needs, was not
    read.
    """
    some = unknown("launch_resource", "R7.8", subject=f"{kind} is like {written}")
    if "${" in written:
        return some
    try:
        found = combinations(((glob(tokens_of(written)),), (glob(tokens_of(kind)),)))
    except PatternsTooComplexError:
        return some
    if (True, True) not in found:
        return FALSE
    return some if (False, True) in found else TRUE


def _open_resource(value: Unsettled | Undecidable, head: str, resource: str) -> Expression:
    """Whether the values of open variables make a resource pattern fit (R5.31).

    One variable must be a part of the resource; with several, the pattern fits or not: a fact of its own.
    """
    variables = value.variables
    if isinstance(value, Unsettled) and value.variable.is_text:
        parts = parts_between(resource, glob((*tokens_of(head), *value.before)), glob(value.after))
        if parts is not None:
            return Literal(Test(value.variable, StringSet(tuple(literal(tuple(part)) for part in parts))))
    fact = f"{resource} is like {head}{value.text}"
    if all(v.origin is Origin.REQUEST for v in variables):
        return Literal(Test(Variable(fact, Origin.REQUEST, ValueType.FLAG)))
    return unknown(variables[0].reason, variables[0].ref, subject=fact)


def _split_at_fifth_colon(text: str) -> tuple[str, str]:
    """Variables count only after the fifth colon of a resource (R5.31)."""
    parts = text.split(":", 5)
    if len(parts) < 6:
        return text, ""
    return ":".join(parts[:5]) + ":", parts[5]


def names_principals(kind: DocumentKind) -> bool:
    """Whether statements of this kind of document choose whom they concern."""
    return kind in _NAMING
