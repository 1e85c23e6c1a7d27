"""Who may make changes of tags and aliases: where one answer serves several changes and roles, and where not."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.permissions import attribute_flips
from scanner.model.finding import Finding, Kind

from builders import KEY, OWNER, allow, analyzed, deny, iam, key, policy, principal, world

ADMIN, APP = iam(OWNER, "role/Admin"), iam(OWNER, "role/App")
OWN_ROOT = allow(iam(OWNER, "root"), "kms:*")
BY_ALIAS = policy(allow(when={"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/app-*"}}))


def control(*things: Any, by_class: bool = True) -> Finding:
    """The only finding about control of attributes."""
    (only,) = analyzed(world(*things), by_class=by_class).of(Kind.ATTRIBUTE_CONTROL)
    return only


def test_who_may_move_aliases_and_not_create_them_on_keys_opens_access_all_the_same() -> None:
    donor = key(OWN_ROOT, arn=KEY[:-1] + "c", aliases=("alias/app-one",))
    of_aliases = policy(allow(None, "kms:CreateAlias", Resource=f"arn:aws:kms:eu-west-1:{OWNER}:alias/*"))
    move = policy(allow(None, "kms:UpdateAlias"))
    assert control(key(OWN_ROOT), donor, principal(ADMIN, BY_ALIAS, of_aliases, move)).severity.value == "medium"


def test_value_that_may_not_be_set_says_nothing_of_another_value() -> None:
    either = policy(allow(when={"StringEquals": {"aws:ResourceTag/Project": ["Alpha", "Beta"]}}))
    to_beta = policy(allow(None, "kms:TagResource", when={"StringEquals": {"aws:RequestTag/Project": "Beta"}}))
    finding = control(key(OWN_ROOT), principal(ADMIN, either, to_beta))
    assert (finding.severity.value, finding.verdict.value) == ("medium", "confirmed")


def test_role_that_a_key_beyond_the_bound_refuses_moves_no_alias_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribute_flips, "MOST_KEYS", 1)
    donor = key(OWN_ROOT, deny(APP, "kms:UpdateAlias"), arn=KEY[:-1] + "c", aliases=("alias/app-one",))
    moving = policy(allow(None, "kms:UpdateAlias"))
    user = principal(iam(OWNER, "role/User"), BY_ALIAS)
    things = key(OWN_ROOT), donor, principal(ADMIN, moving), principal(APP, moving), user
    by_class, one_by_one = (control(*things, by_class=way) for way in (True, False))
    assert by_class == one_by_one
    assert by_class.reach.principals_sample == (ADMIN,)
