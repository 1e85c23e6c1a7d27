"""What a judgement rests on in the documents of its own caller."""

from __future__ import annotations

from typing import Any

from scanner.analyze.decision.layers import identity_layer
from scanner.analyze.keys.own_gates import allowing_in
from scanner.analyze.request.context import RequestContext
from scanner.model.world import World

from builders import KEY, OWNER, allow, deny, iam, key, policy, principal, request, world

APP = iam(OWNER, "role/App")
AT_HOME = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}


def allowing(*statements: Any) -> list[tuple[str, str, int, bool]]:
    """The statements of a role's policy that let it decrypt."""
    given: World = world(principal(APP, policy(*statements)), key(allow(iam(OWNER, "root"), "kms:*")))
    return list(allowing_in(identity_layer(RequestContext(given, request(given, APP, "kms:Decrypt", KEY)))))


def test_statements_that_allow_are_named_and_not_those_that_may_deny() -> None:
    found = allowing(deny(None, when=AT_HOME), allow(None, when=AT_HOME), allow(None), allow(None, "kms:Encrypt"))
    assert {(name, index, conditioned) for name, _, index, conditioned in found} == {
        ("inline policy 0", 1, True), ("inline policy 0", 2, False),
    }  # fmt: skip


def test_no_statement_is_named_where_one_denies() -> None:
    assert allowing(allow(None), deny(None)) == []
