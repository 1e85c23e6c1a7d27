"""Worlds with roles: trust policies and chains, for tests of the access graph."""

from __future__ import annotations

from typing import Any

from scanner.model.finding import Finding, Kind
from scanner.model.principal import PrincipalFacts

from builders import OWNER, Analyzed, allow, analyzed, iam, key, policy, principal, world

ASSUMING = policy(allow(None, "sts:AssumeRole"))
USING = policy(allow(None, "kms:Decrypt"))
DELEGATING = key(allow(iam(OWNER, "root"), "kms:*"))
"""A key that leaves everything to the IAM of OWNER."""


def admits(who: object, *actions: str, when: Any = None, **parts: Any) -> dict[str, Any]:
    """A trust policy of one statement; trust statements have no Resource."""
    statement = allow(who, *(actions or ("sts:AssumeRole",)), when=when, **parts)
    del statement["Resource"]
    return policy(statement)


def role(account: str, name: str, trust: Any, *documents: Any, **facts: Any) -> PrincipalFacts:
    """A role with a trust policy, and what it may do."""
    return principal(iam(account, f"role/{name}"), *documents, trust=trust, **facts)


def followed(*things: Any, **rules: Any) -> Analyzed:
    """The analysis of a world whose one key leaves everything to the IAM of OWNER, unless it has keys of its own."""
    own = any(hasattr(t, "key_policy") for t in things)
    return analyzed(world(*things, *(() if own else (DELEGATING,))), **rules)


def paths(*things: Any, **rules: Any) -> list[Finding]:
    """The findings about paths through roles, worst first."""
    return followed(*things, **rules).of(Kind.ASSUMED_ROLE_PATH)


def only_path(*things: Any, **rules: Any) -> Finding:
    """The one path there is."""
    (found,) = paths(*things, **rules)
    return found
