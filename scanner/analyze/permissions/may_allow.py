"""What surely allows somebody nothing, seen by what its documents write, without a decision."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.patterns import Pattern, glob, tokens_of
from scanner.analyze.request.caller import Caller
from scanner.analyze.statements.match import covers_action
from scanner.model.actions import Action
from scanner.model.arn import is_account_id, parse_arn
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect, PolicyText, PrincipalEntry, Statement

_ANYTHING = (glob(tokens_of("*")),)


def own_policies_may_allow(caller: Caller, iam_action: str, resource: str) -> bool:
    """Whether the identity policies of a user or role may allow an action on a resource, as far as they were read.

    Conditions, boundaries and guardrails only ever take away (R3.7).
    """
    return not caller.collected or any(
        pattern.matches(resource) for policy in caller.identity_policies for pattern in _covered(policy, iam_action)
    )


def key_may_allow_alone(key: KeyFacts, action: Action) -> bool:
    """Whether a key may let users and roles of its own account do something without their policies.

    A statement for the whole account leaves it to the policies there (R3.10).
    """
    if key.key_policy is None or not key.ram_policy_read or (action.grantable and not key.grants_complete):
        return True
    if any(action.name in grant.operations for grant in key.grants or ()):
        return True
    policies = (key.key_policy, *((key.ram_policy,) if key.ram_policy else ()))
    return any(_names_more_than_accounts(policy, action.iam_name) for policy in policies)


@lru_cache(maxsize=65536)
def _covered(policy: PolicyText, iam_action: str) -> tuple[Pattern, ...]:
    """The resources on which a document may allow an action; a variable may stand for anything (R5.31)."""
    if parse_policy(policy).problems:
        return _ANYTHING
    found: dict[Pattern, None] = {}
    for statement in _concerned(policy, iam_action):
        written = [e.value for e in statement.resources or ()]
        if not written or any("${" in text for text in written):
            return _ANYTHING
        found.update((glob(tokens_of(text)), None) for text in written)
    return tuple(found)


@lru_cache(maxsize=65536)
def _names_more_than_accounts(policy: PolicyText, iam_action: str) -> bool:
    """Whether some statement for the action names others than whole accounts, or is too damaged to tell (R10.12)."""
    return bool(parse_policy(policy).problems) or any(
        statement.not_principals is not None
        or not statement.principals
        or not all(map(_is_account, statement.principals))
        for statement in _concerned(policy, iam_action)
    )


def _concerned(policy: PolicyText, iam_action: str) -> Iterable[Statement]:
    """The statements that may allow an action."""
    statements = parse_policy(policy).statements
    return (s for s in statements if s.effect is not Effect.DENY and covers_action(s, iam_action))


def _is_account(entry: PrincipalEntry) -> bool:
    """Whether an entry names a whole account; who is no user or role of AWS is none of those asked about (R2.2)."""
    arn = parse_arn(entry.value)
    return is_account_id(entry.value) or (arn is not None and arn.resource == "root")
