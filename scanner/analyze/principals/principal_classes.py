"""Which users and roles count as one class in findings about our own permissions (product contract, 6.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from scanner.analyze.request.caller import Caller
from scanner.model.arn import parse_arn
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World

IDENTITIES = frozenset({PrincipalKind.USER, PrincipalKind.ROLE})
EVERY_ACCOUNT = "*"
"""Stands for the account in the name of a class that is found in many."""

_SERVICE_LINKED = "aws-service-role/"
_IDENTITY_CENTER = re.compile(r"(AWSReservedSSO_.+)_[0-9a-f]{16}\Z")
_IN_EVERY_ACCOUNT = frozenset({"OrganizationAccountAccessRole", "AWSControlTowerExecution"})


@lru_cache(maxsize=65536)
def organization_wide(arn: str) -> str:
    """The name under which AWS puts a role into every account; empty for other principals (R7.15).

    Identity Center writes another suffix in each account, so the wildcard is the name.
    """
    parsed = parse_arn(arn)
    kind, _, path = parsed.resource.partition("/") if parsed else ("", "", "")
    if kind != "role":
        return ""
    name = path.rsplit("/", 1)[-1]
    found = _IDENTITY_CENTER.match(name)
    if found:
        return f"{found[1]}_*"
    return name if path.startswith(_SERVICE_LINKED) or name in _IN_EVERY_ACCOUNT else ""


def class_name(holder: Caller | PrincipalFacts) -> str:
    """Account, and names of attached policies and boundary; role name alone for roles that every account has."""
    arn = holder.principal_arn if isinstance(holder, Caller) else holder.arn
    shared = organization_wide(arn)
    if shared:
        return f"{EVERY_ACCOUNT}; role {shared}"
    boundary = (holder.boundary.name,) if holder.boundary else ()
    return "; ".join((holder.account_id, *sorted({p.name for p in holder.identity_policies}), *boundary))


def holders_of(
    world: World, concerns: Callable[[PolicyText], bool]
) -> Iterator[tuple[PrincipalFacts, tuple[PolicyText, ...]]]:
    """Every collected user and role with those of its identity policies that concern a question.

    Args:
        concerns: asked once per text; texts are shared by many principals.
    """
    asked: dict[str, bool] = {}
    for arn in sorted(world.principals):
        facts = world.principals[arn]
        if facts.kind not in IDENTITIES:
            continue
        found = tuple(p for p in facts.identity_policies if _answer(p, asked, concerns))
        if found:
            yield facts, found


def _answer(policy: PolicyText, asked: dict[str, bool], concerns: Callable[[PolicyText], bool]) -> bool:
    if policy.sha256 not in asked:
        asked[policy.sha256] = concerns(policy)
    return asked[policy.sha256]
