"""When a decision that refuses today changes by itself: the dates that the policies behind it test (R5.26)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache

from scanner.analyze.decision.layers import guardrails_of
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.logic.values import epoch_seconds
from scanner.analyze.request.request import Request
from scanner.model.policy import ConditionTest, PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

CLOCK = frozenset({"aws:currenttime", "aws:epochtime"})
"""Condition keys that hold the time of the request."""
_LAST = 32_503_680_000
"""The year 3000; dates beyond it are never reached."""


def moments_of(world: World, request: Request) -> tuple[str, ...]:
    """Moments to come at which a date begins or ends to hold, in any policy that could decide a request."""
    return moments_in(world, _deciding(world, request))


def moments_in(world: World, policies: Iterable[PolicyText]) -> tuple[str, ...]:
    """The same for the given policies."""
    return moments_to_come(world, (t for p in policies for t in _dates_in(p)))


def moments_to_come(world: World, tests: Iterable[ConditionTest]) -> tuple[str, ...]:
    """Moments to come at which a date among the tests begins or ends to hold (R5.26)."""
    values = [v for t in tests if t.key.lower() in CLOCK for v in t.values]
    now = epoch_seconds(world.as_of) if values else 0
    found: set[float] = set()
    for value in values:
        try:
            found.add(epoch_seconds(value))
        except ValueError:
            continue
    return tuple(
        datetime.fromtimestamp(moment + 1, UTC).isoformat() for moment in sorted(found) if now <= moment <= _LAST
    )


def _deciding(world: World, request: Request) -> Iterator[PolicyText]:
    """Every policy of the caller, of the key or role it asks for if there is one, and of the organizations of both."""
    caller, wanted = request.caller, request.key or request.role
    yield from caller.identity_policies
    yield from caller.session_policies or ()
    yield from (caller.boundary,) if caller.boundary is not None else ()
    yield from guardrails_of(world, caller.account_id, "scps")
    if wanted is None:
        return
    yield from guardrails_of(world, wanted.account_id, "rcps")
    own = wanted.trust_policy if isinstance(wanted, PrincipalFacts) else wanted.key_policy
    shared = None if isinstance(wanted, PrincipalFacts) else wanted.ram_policy
    yield from (policy for policy in (own, shared) if policy is not None)


@lru_cache(maxsize=65536)
def _dates_in(policy: PolicyText) -> tuple[ConditionTest, ...]:
    """The tests of a document on the time of the request."""
    return tuple(t for s in parse_policy(policy).statements for t in s.conditions if t.key.lower() in CLOCK)
