"""The condition a decision prints is the truth: the contexts that meet it are allowed, the others refused."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.trust import decide_assume
from scanner.casefile import build_world
from scanner.cases import build_request
from scanner.model.decision import Verdict

import reference
from reference.operators import POSITIVE
from reference.patterns import plain
from reference_worlds import worlds

Json = dict[str, Any]
MOST_CONTEXTS = 60
_OPERATORS = {
    "equals": "StringEquals", "matches": "StringLike", "equals_ignoring_case": "StringEqualsIgnoreCase",
    "matches_arn": "ArnLike",
    "in_network": "IpAddress", "==": "NumericEquals", "<": "NumericLessThan", "<=": "NumericLessThanEquals",
    ">": "NumericGreaterThan", ">=": "NumericGreaterThanEquals",
}  # fmt: skip
_ALWAYS = {"aws:viaawsservice": ["false"], "kms:policyname": ["default"]}


class NotToldError(Exception):
    """A part of the condition that names no condition key with values."""


def holds(residual: Any, context: Mapping[str, list[str]]) -> bool:
    """Whether a context meets a condition as it is printed in JSON."""
    if isinstance(residual, bool):
        return residual
    if "all" in residual:
        return all(holds(part, context) for part in residual["all"])
    if "any" in residual:
        return any(holds(part, context) for part in residual["any"])
    name = residual["key"].lower()
    if " " in name or "arn" in name or name == "aws:userid" or name.startswith("aws:principaltag/"):
        raise NotToldError(name)
    values = context.get(name, _ALWAYS.get(name, []))
    if residual["test"] == "present":
        return bool(values) is residual["holds"]
    is_date = name in {"aws:tokenissuetime", "aws:currenttime"}
    operator = _OPERATORS[residual["test"]]
    matches = POSITIVE[operator.replace("Numeric", "Date") if is_date else operator]
    inside = [any(matches(plain(wanted), value) for wanted in residual["values"]) for value in values]
    found = any(not i for i in inside) if "outside" in residual.get("of", "") else any(inside)
    return found is residual["holds"]


def keys_of(context: Mapping[str, Any]) -> dict[str, list[str]]:
    """A brute-force context as condition keys by lower-case name; the encryption context spelled out."""
    found = {
        name.lower(): value if isinstance(value, list) else [value]
        for name, value in context.items()
        if not name.startswith("#")
    }
    pairs = context.get("#encryption_context") or {}
    for name, value in pairs.items():
        found[f"kms:encryptioncontext:{name.lower()}"] = [value]
    if pairs:
        found["kms:encryptioncontextkeys"] = list(pairs)
    return found


@settings(max_examples=250, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(worlds())
def test_contexts_that_meet_the_condition_are_allowed_and_others_are_refused(drawn: tuple[Json, Json]) -> None:
    world, request = drawn
    built = build_world(world)
    asked = build_request(built, request)
    decision = decide_assume(built, asked) if asked.role is not None else decide(built, asked)
    assume(decision.verdict is Verdict.CONDITIONAL)
    try:
        contexts = list(islice(reference.contexts_of(world, request, limit=20_000), MOST_CONTEXTS))
        told = [holds(decision.residual, keys_of(c)) for c in contexts if "#session_tags" not in c]
    except (reference.TooManyContexts, NotToldError):
        assume(False)
    concrete = [c for c in contexts if "#session_tags" not in c]
    allowed = [reference.decide(world, request, c) == "allowed" for c in concrete]
    assert told == allowed
