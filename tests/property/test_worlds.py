"""Verdicts on random small worlds: equal to brute force, and moved by a change only in the direction it allows."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.trust import decide_assume
from scanner.casefile import build_world
from scanner.cases import build_request
from scanner.model.decision import Decision, Verdict

import reference
from reference_pools import A, B, C
from reference_worlds import worlds

Json = dict[str, Any]

budget = settings(
    max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
half = settings(budget, max_examples=120)


def judged(world: Json, request: Json) -> Decision:
    """The engine's decision on a request of a case file."""
    built = build_world(world)
    asked = build_request(built, request)
    return decide_assume(built, asked) if asked.role is not None else decide(built, asked)


def verdict(world: Json, request: Json) -> str:
    """The engine's verdict; a bound that is hit proves nothing and is no example."""
    decision = judged(world, request)
    assume(decision.reason != "too_complex")
    return decision.verdict.value


# -- brute force ------------------------------------------------------------------------------------------------------


@budget
@given(worlds())
def test_verdict_equals_brute_force_over_all_contexts(drawn: tuple[Json, Json]) -> None:
    world, request = drawn
    try:
        expected = reference.verdict(world, request, limit=20_000)
    except reference.TooManyContexts:
        assume(False)
    assert verdict(world, request) == expected


@half
@given(worlds())
def test_residual_is_there_exactly_where_access_is_conditional(drawn: tuple[Json, Json]) -> None:
    decision = judged(*drawn)
    conditional = decision.verdict is Verdict.CONDITIONAL
    assert not conditional or (decision.condition not in {"", "never"} and decision.conditional_access)
    decided = decision.verdict in {Verdict.ALLOWED, Verdict.DENIED}
    assert not decided or (decision.condition == "" and decision.residual is None)
    assert (decision.verdict is Verdict.UNKNOWN) == bool(decision.unknowns)


# -- more statements --------------------------------------------------------------------------------------------------


def _documents(world: Json) -> Iterator[tuple[str, Json]]:
    """Every document that may deny, with its kind; trust policies are left out, they also decide session tags."""
    for key in world["keys"]:
        yield "key", key["key_policy"]
        if "ram_policy" in key:
            yield "key", key["ram_policy"]
    for one in world["principals"]:
        for document in (*one.get("identity_policies", ()), *one.get("session_policies", ())):
            yield "iam", document
        if "boundary" in one:
            yield "iam", one["boundary"]
    for organization in world.get("orgs", ()):
        for name in ("scps", "rcps"):
            for documents in organization.get(name, {}).values():
                for document in documents:
                    if isinstance(document, dict):
                        yield name, document


_CONDITIONS: list[Json] = [
    {},
    {},
    {"StringEquals": {"kms:ViaService": "s3.us-west-2.amazonaws.com"}},
    {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-own"}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"StringLike": {"aws:PrincipalTag/team": "b*"}},
    {"Null": {"kms:EncryptionContextKeys": "false"}},
]
_ACTIONS = ["kms:*", "*", "kms:Decrypt", "kms:D*", "kms:?e*"]
_PRINCIPALS: list[Any] = ["*", {"AWS": B}, {"AWS": A}, {"AWS": f"arn:aws:iam::{B}:role/App"}, {"AWS": [A, B, C]}]


@st.composite
def statements(draw: Callable[[st.SearchStrategy[Any]], Any], effect: str) -> Json:
    """A statement without principal that covers a request more often than not."""
    statement = {"Effect": effect, "Action": draw(st.sampled_from(_ACTIONS)), "Resource": "*"}
    condition = draw(st.sampled_from(_CONDITIONS))
    return {**statement, "Condition": condition} if condition else statement


def _with(world: Json, number: int, statement: Json, principal: Any) -> Json:
    """The world with one more statement in one of its documents."""
    found = copy.deepcopy(world)
    documents = [d for d in _documents(found) if statement["Effect"] == "Deny" or d[0] != "rcps"]
    kind, document = documents[number % len(documents)]
    who = {"key": {"Principal": principal}, "rcps": {"Principal": "*"}}.get(kind, {})
    document["Statement"].append({**statement, **who})
    return found


@half
@given(worlds(), st.integers(0, 99), statements("Deny"), st.sampled_from(_PRINCIPALS))
def test_one_more_deny_never_widens(drawn: tuple[Json, Json], number: int, statement: Json, principal: Any) -> None:
    world, request = drawn
    before, after = verdict(world, request), verdict(_with(world, number, statement, principal), request)
    if before == "denied":
        assert after == "denied"
    if after == "allowed":
        assert before == "allowed"


@half
@given(worlds(), st.integers(0, 99), statements("Allow"), st.sampled_from(_PRINCIPALS))
def test_one_more_allow_never_narrows(drawn: tuple[Json, Json], number: int, statement: Json, principal: Any) -> None:
    world, request = drawn
    before, after = verdict(world, request), verdict(_with(world, number, statement, principal), request)
    if before == "allowed":
        assert after == "allowed"
    if after == "denied":
        assert before == "denied"


# -- less knowledge ---------------------------------------------------------------------------------------------------

_GAPS = [
    "scp",
    "rcp",
    "key_policy",
    "grants",
    "tags",
    "aliases",
    *(f"{what} {a}" for what in ("iam", "account") for a in (A, B)),
]


def _without(world: Json, gap: str) -> Json:
    """The world with one thing that nobody read."""
    found = copy.deepcopy(world)
    what, _, account = gap.partition(" ")
    if what == "account":
        found["accounts"][account] = {"collected": False}
    elif what == "iam":
        found.setdefault("unread", []).append({"account": account, "part": "iam"})
    elif what in {"scp", "rcp"}:
        found.setdefault("unread", []).append(what)
    else:
        found.setdefault("unread", []).append({"key": found["keys"][0]["arn"], "part": what})
    return found


@pytest.mark.parametrize("gap", _GAPS)
@settings(budget, max_examples=30)
@given(drawn=worlds())
def test_less_knowledge_keeps_the_verdict_or_makes_it_unknown(gap: str, drawn: tuple[Json, Json]) -> None:
    world, request = drawn
    assert verdict(_without(world, gap), request) in {verdict(world, request), "unknown"}


# -- what makes no difference -----------------------------------------------------------------------------------------


@half
@given(worlds(), st.randoms(use_true_random=False))
def test_order_of_statements_and_documents_makes_no_difference(drawn: tuple[Json, Json], random: Any) -> None:
    world, request = drawn
    shuffled = copy.deepcopy(world)
    for _, document in _documents(shuffled):
        random.shuffle(document["Statement"])
    for one in shuffled["principals"]:
        random.shuffle(one.get("identity_policies", []))
    for key in shuffled["keys"]:
        random.shuffle(key.get("grants", []))
    random.shuffle(shuffled["principals"])
    assert verdict(shuffled, request) == verdict(world, request)


@half
@given(worlds())
def test_new_account_ids_give_the_same_verdict(drawn: tuple[Json, Json]) -> None:
    renamed = json.dumps(drawn)
    for old, new in ((A, "121212121212"), (B, "444400000000"), (C, "343434343434")):  # `4444*` is in the pool
        renamed = renamed.replace(old, new)
    world, request = json.loads(renamed)
    assert verdict(world, request) == verdict(*drawn)


@half
@given(worlds())
def test_same_question_gets_the_same_answer_twice(drawn: tuple[Json, Json]) -> None:
    assert judged(*drawn) == judged(*copy.deepcopy(drawn))
