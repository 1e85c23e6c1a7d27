"""Whom the policies and grants of a key name outside its account, and through which statements (R3.70)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.request.caller import is_service_name
from scanner.analyze.statements.match import OF_UNIQUE_IDS
from scanner.model.arn import is_account_id, parse_arn
from scanner.model.key import Grant, KeyFacts
from scanner.model.policy import ConditionTest, Document, Effect, PolicyText, PrincipalEntry, Statement
from scanner.model.value import value_class

KEY_POLICY, GRANT, RAM = "key_policy", "grant", "ram"


@value_class(order=True)
class Selector:
    """Who a document names. `kind` is the form: account, role, user, session, federated, service, any, organization,
    unknown_id or malformed; `account_id` is empty where the form has none.
    """

    text: str
    kind: str
    account_id: str = ""
    partition: str = ""


@value_class
class NamedStatement:
    """A statement of a key's policies that names somebody."""

    document: Document
    statement: Statement

    @property
    def place(self) -> tuple[str, int]:
        """Document hash and statement index."""
        return self.document.policy.sha256, self.statement.index


@value_class
class Naming:
    """One selector with everything of one mechanism that names it. `operations` are those that the grants give it."""

    selector: Selector
    mechanism: str
    statements: tuple[NamedStatement, ...] = ()
    grants: tuple[Grant, ...] = ()
    operations: tuple[str, ...] = ()


def selector_of(text: str, partition: str) -> Selector:
    """The selector of a principal as a key policy or grant writes it; an account id equals its root ARN (R2.2).

    Args:
        partition: of the key; an account id that stands alone belongs to it.
    """
    if is_account_id(text):
        return Selector(f"arn:{partition}:iam::{text}:root", "account", text, partition)
    if text.startswith(OF_UNIQUE_IDS) and ":" not in text:
        return Selector(text, "unknown_id")
    if is_service_name(text):
        return Selector(text, "service")
    arn = parse_arn(text)
    if arn is None or not is_account_id(arn.account_id) or "*" in text or "?" in text:
        return Selector(text, "malformed")
    kinds = {"role": "role", "user": "user", "assumed-role": "session", "federated-user": "federated"}
    kind = "account" if arn.resource == "root" else kinds.get(arn.resource.partition("/")[0], "malformed")
    return Selector(text, kind, arn.account_id, arn.partition)


def namings_of(key: KeyFacts) -> tuple[Naming, ...]:
    """Everybody outside the key's account whom its policies and grants name, ordered by mechanism and selector."""
    found: dict[tuple[str, Selector], list[NamedStatement]] = {}
    for policy, mechanism in ((key.key_policy, KEY_POLICY), (key.ram_policy, RAM)):
        if policy is None:
            continue
        document = parse_policy(policy)
        for statement in document.statements:
            if statement.effect is Effect.DENY:
                continue
            named = NamedStatement(document, statement)
            for selector in external_selectors(statement, key):
                found.setdefault((mechanism, selector), []).append(named)
    namings = [Naming(s, mechanism, tuple(statements)) for (mechanism, s), statements in found.items()]
    namings.extend(_grant_namings(key))
    return tuple(sorted(namings, key=lambda n: (n.mechanism, n.selector)))


def names_everybody(key: KeyFacts) -> bool:
    """Whether some document of a key means everybody, or everybody of an organization."""
    return any(naming.selector.kind in {"any", "organization"} for naming in namings_of(key))


def _grant_namings(key: KeyFacts) -> Iterable[Naming]:
    found: dict[Selector, list[Grant]] = {}
    for grant in key.grants or ():
        for selector in operations_by_selector(grant, key.partition):
            if selector.account_id != key.account_id:
                found.setdefault(selector, []).append(grant)
    for selector, grants in found.items():
        yield granted(selector, grants, key.partition)


def granted(selector: Selector, grants: Iterable[Grant], partition: str) -> Naming:
    """The naming of a selector by grants that give it something."""
    held = tuple(grants)
    operations = dict.fromkeys(o for g in held for o in operations_by_selector(g, partition).get(selector, ()))
    return Naming(selector, GRANT, grants=held, operations=tuple(operations))


def operations_by_selector(grant: Grant, partition: str) -> dict[Selector, tuple[str, ...]]:
    """What a grant gives to whom: its operations to the grantee; retiring it to those whom R4.22 names."""
    retiring = (grant.retiring_principal, grant.retiring_service_principal, grant.issuing_account)
    grantee = grant.grantee_service_principal or grant.grantee_principal
    found: dict[Selector, tuple[str, ...]] = {selector_of(grantee, partition): grant.operations} if grantee else {}
    for text in retiring:
        if text:
            selector = selector_of(text, partition)
            found[selector] = tuple(dict.fromkeys((*found.get(selector, ()), "RetireGrant")))
    return found


def accounts_spared(policies: Iterable[PolicyText], partition: str) -> frozenset[str]:
    """Accounts of which a Deny with NotPrincipal lists the account or an identity (R2.15)."""
    found: set[str] = set()
    for policy in policies:
        for statement in parse_policy(policy).statements:
            if statement.effect is not Effect.ALLOW:
                listed = (selector_of(e.value, partition) for e in statement.not_principals or ())
                found.update(s.account_id for s in listed if s.account_id)
    return frozenset(found)


def external_selectors(statement: Statement, key: KeyFacts) -> tuple[Selector, ...]:
    """Whom a statement names outside the key's account."""
    return tuple(s for s in selectors_of(statement, key.partition) if s.account_id != key.account_id)


def selectors_of(statement: Statement, partition: str) -> tuple[Selector, ...]:
    """Whom a statement names; `*` becomes whoever its strong fences let through (R6.3)."""
    found: dict[Selector, None] = {}
    if statement.not_principals is not None:
        found.update(dict.fromkeys(_behind_fences(statement, partition)))
    for entry in statement.principals or ():
        found.update(dict.fromkeys(_selectors_of_entry(entry, statement, partition)))
    return tuple(found)


def _selectors_of_entry(entry: PrincipalEntry, statement: Statement, partition: str) -> tuple[Selector, ...]:
    if entry.type == "*":
        return _behind_fences(statement, partition)
    if entry.type == "Service":
        return (Selector(entry.value, "service" if is_service_name(entry.value) else "malformed"),)
    if entry.type == "AWS":
        return (selector_of(entry.value, partition),)
    return (Selector(entry.value, "malformed"),)


_ORGANIZATION = re.compile(r"o-[a-z0-9]+\Z")
_ACCOUNT_KEYS = frozenset({"kms:calleraccount", "aws:principalaccount"})


def _behind_fences(statement: Statement, partition: str) -> tuple[Selector, ...]:
    """Who passes the fences of a statement for everybody: the narrowest of ARN, account and organization (R6.3)."""
    arns: list[Selector] = []
    accounts: list[Selector] = []
    organizations: list[Selector] = []
    for test in statement.conditions:
        if not is_fence(test):
            continue
        key = test.key.lower()
        if key == "aws:principalarn" and test.operator != "StringEqualsIgnoreCase":
            arns = arns or _from_arns(test, partition)
        elif key in _ACCOUNT_KEYS and all(is_account_id(v) for v in test.values):
            accounts = accounts or [selector_of(v, partition) for v in test.values]
        elif key == "aws:principalorgid" or (key == "aws:principalorgpaths" and test.qualifier):
            organizations = organizations or _from_organizations(test)
    return tuple(arns or accounts or organizations or [Selector("*", "any")])


def is_fence(test: ConditionTest) -> bool:
    """A positive test that a missing value fails (R6.3)."""
    positive = test.operator in {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"}
    return positive and not test.if_exists and test.qualifier != "ForAllValues" and bool(test.values)


def _from_arns(test: ConditionTest, partition: str) -> list[Selector]:
    """Selectors behind aws:PrincipalArn: the identity if it is written out, else its account; none if that is open.

    The Arn operators compare each of the six parts on its own (R5.28), so wildcards in other parts leave the account
    fixed; the String operators let a wildcard run across.
    """
    by_parts = test.operator.startswith("Arn")
    found: list[Selector] = []
    for value in test.values:
        arn = parse_arn(value)
        if arn is None or "$" in value or not is_account_id(arn.account_id):
            return []
        is_open = arn.is_open_before_account
        if is_open and not by_parts:
            return []
        exact = selector_of(value, partition)
        written = exact.kind in {"role", "user", "federated"} and not is_open
        found.append(exact if written else selector_of(arn.account_id, partition if is_open else arn.partition))
    return list(dict.fromkeys(found))


def _from_organizations(test: ConditionTest) -> list[Selector]:
    fold = str.lower if test.operator.endswith("IgnoreCase") else str
    ids = [fold(value.split("/", 1)[0]) for value in test.values]
    if any("*" in i or "?" in i or "$" in i for i in ids):
        return []
    return [Selector(i, "organization" if _ORGANIZATION.match(i) else "malformed") for i in dict.fromkeys(ids)]
