"""Actions that an edit can touch: no action is left out of which some statement says something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.edits.touched_actions import touched_actions
from scanner.analyze.request.caller import Caller, resolve_caller
from scanner.model.actions import KEY_ACTIONS
from scanner.model.policy import DocumentKind

from builders import KEY, OWNER, STRANGER, allow, deny, iam, key, policy, principal, text, world

ROLE = iam(OWNER, "role/App")
OWN_KEYS = f"arn:aws:kms:*:{OWNER}:key/*"
USE = allow(None, "kms:Decrypt", "kms:Encrypt")


def caller(*documents: Any, **facts: Any) -> Caller:
    return resolve_caller(world(replace(principal(ROLE, *documents), **facts)), ROLE)


def touched(old: list[Any], new: list[Any]) -> list[str]:
    sides = [(caller(policy(*statements)), key()) for statements in (old, new)]
    return [a.name for a in touched_actions(*sides)]


def test_nothing_is_touched_by_statements_that_only_moved() -> None:
    other = deny(None, "kms:Sign")
    assert touched([USE, other], [other | {"Sid": "First"}, USE]) == []


def test_actions_of_what_went_and_of_what_came_are_touched() -> None:
    assert touched([USE], [allow(None, "kms:Sign")]) == ["Decrypt", "Encrypt", "Sign"]


def test_condition_that_came_touches_what_its_statement_covers() -> None:
    assert touched([USE], [USE | {"Condition": {"Bool": {"aws:SecureTransport": "true"}}}]) == ["Decrypt", "Encrypt"]


@pytest.mark.parametrize("resource", [OWN_KEYS, KEY, "arn:*:kms:*:*:key/*", [OWN_KEYS, "arn:aws:s3:::b"]])
def test_resources_that_surely_cover_the_key_are_alike(resource: object) -> None:
    assert touched([USE], [USE | {"Resource": resource}]) == []


@pytest.mark.parametrize("resource", [
    f"arn:aws:kms:*:{STRANGER}:key/*", "arn:aws:kms:*:${aws:PrincipalAccount}:key/*", "arn:aws:kms:us-*:*:key/*",
    "arn:aws:kms*",
])  # fmt: skip
def test_resources_that_may_leave_the_key_out_touch_its_actions(resource: str) -> None:
    assert touched([USE], [USE | {"Resource": resource}]) == ["Decrypt", "Encrypt"]


@pytest.mark.parametrize("damaged", ["{", {"Version": "2012-10-17", "Statement": [USE | {"Effect": "Perhaps"}]}])
def test_policy_that_cannot_be_read_as_a_whole_touches_everything(damaged: object) -> None:
    sides = [(caller(document), key()) for document in (policy(USE), damaged)]
    assert touched_actions(*sides) == touched_actions(*reversed(sides)) == KEY_ACTIONS


def test_version_decides_whether_variables_are_expanded_and_touches() -> None:
    sides = [(caller(policy(USE, version=v)), key()) for v in ("2012-10-17", "2008-10-17")]
    assert [a.name for a in touched_actions(*sides)] == ["Decrypt", "Encrypt"]


def test_same_words_in_a_boundary_are_another_thing() -> None:
    fence = text(policy(USE), DocumentKind.BOUNDARY)
    tight = text(policy(allow(None, "kms:Decrypt")), DocumentKind.BOUNDARY)
    one, other, none = ((caller(policy(USE), boundary=b), key()) for b in (fence, tight, None))
    assert [a.name for a in touched_actions(one, other)] == ["Decrypt", "Encrypt"]
    assert touched_actions(one, none) == KEY_ACTIONS


def test_key_policy_counts_by_its_statements_and_the_rest_of_a_key_as_a_whole() -> None:
    who = caller(policy(USE))
    first, second = key(allow(ROLE, "kms:Sign")), key(allow(ROLE, "kms:Sign"), allow(ROLE, "kms:Verify"))
    assert [a.name for a in touched_actions((who, first), (who, second))] == ["Verify"]
    assert touched_actions((who, first), (who, replace(first, key_policy=None, tags={"a": "b"}))) == KEY_ACTIONS
    assert [a.name for a in touched_actions((who, first), (who, replace(first, key_policy=None)))] == ["Sign"]
