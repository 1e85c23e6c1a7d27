"""Decisions that are remembered: once for worlds that differ elsewhere, again where anything that counts differs."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from scanner.analyze.decision import remembered as module
from scanner.analyze.decision.remembered import RememberingWorld, remembered
from scanner.analyze.request.caller import resolve_caller
from scanner.analyze.request.request import GrantRequest, Request
from scanner.model.arn import KeyArn
from scanner.model.world import World

from builders import KEY, OWNER, allow, iam, key, policy, principal, world

ROLE, OTHER = iam(OWNER, "role/App"), iam(OWNER, "role/Other")


def given() -> RememberingWorld:
    return RememberingWorld.of(world(principal(ROLE), principal(OTHER), key()))


def asked(before: World, after: World, more: tuple[str, str] = ("a", "a"), **parts: Any) -> int:
    """How often a question is really asked that is put to two worlds."""
    times: list[int] = []
    for number, (where, kind) in enumerate(zip((before, after), more, strict=True)):
        request = Request(resolve_caller(where, ROLE), "kms:Decrypt", KEY, key=where.keys[KeyArn(KEY)])
        request = replace(request, **parts) if number else request

        def ask(number: int = number) -> int:
            times.append(number)
            return number

        remembered(where, request, kind, ask)
    return len(times)


def test_question_is_asked_once_where_other_principals_or_keys_differ() -> None:
    base = given()
    others = {**base.principals, OTHER: principal(OTHER, policy(allow()))}
    assert asked(base, replace(base, principals=others)) == 1
    assert asked(given(), given()) == 2
    base = given()
    assert asked(base, replace(base, keys={**base.keys, KeyArn(f"{KEY}0"): key(arn=f"{KEY}0")})) == 1


def test_question_is_asked_again_where_the_caller_the_key_or_the_surroundings_differ() -> None:
    base = given()
    assert asked(base, replace(base, principals={**base.principals, ROLE: principal(ROLE, policy(allow()))})) == 2
    base = given()
    assert asked(base, replace(base, keys={KeyArn(KEY): replace(key(), state="Disabled")})) == 2
    for change in (
        {"as_of": "2030-01-01T00:00:00Z"}, {"organizations": ()}, {"accounts": {}}, {"credit_scp": False},
        {"credit_rcp": False}, {"asserted": {"aws:securetransport": ("true",)}}, {"unlisted_accounts_collected": True},
    ):  # fmt: skip
        base = given()
        assert asked(base, replace(base, **change)) == 2, change


@pytest.mark.parametrize("parts", [
    {"iam_action": "kms:Encrypt"}, {"resource": "*"}, {"alias": "alias/a"}, {"context": {"a": ("b",)}},
    {"complete": True}, {"encryption_context": {"a": "b"}}, {"grant_request": GrantRequest(("Decrypt",))},
    {"role": principal(OTHER)}, {"key": None}, {"any_resource": True},
])  # fmt: skip
def test_another_question_is_asked_again(parts: dict[str, Any]) -> None:
    base = given()
    assert asked(base, base, **parts) == 2


def test_nothing_of_a_question_or_a_world_is_left_out_of_what_is_compared() -> None:
    assert {f.name for f in fields(Request)} == {
        "caller", "iam_action", "resource", "action", "key", "role", "alias", "context", "complete", "any_resource",
        "encryption_context", "grant_request",
    }  # fmt: skip
    assert {f.name for f in fields(World)} - {"keys", "principals", "coverage", "shared_keys"} == {
        "accounts", "organizations", "as_of", "credit_scp", "credit_rcp", "asserted", "unlisted_accounts_collected",
        "organization_gap",
    }  # fmt: skip


def test_another_kind_of_answer_is_asked_again_and_a_plain_world_remembers_nothing() -> None:
    base = given()
    assert asked(base, base, ("a", "b")) == 2
    plain = world(principal(ROLE), key())
    assert asked(plain, plain) == 2


def test_what_is_beyond_the_bound_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ANSWERS", 0)
    base = given()
    assert asked(base, base) == 2
