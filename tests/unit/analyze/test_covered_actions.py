"""What a statement covers of the action table at once is what it covers action by action."""

from __future__ import annotations

import pytest
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.statements.match import (
    action_matches,
    covered_actions,
    covers_action,
    covers_each,
    fits_known_action,
)
from scanner.model.actions import ACTIONS, KEY_ACTIONS
from scanner.model.policy import DocumentKind

from builders import allow, policy, text

COVERING = {
    "one": {"Action": "kms:decrypt"},
    "several": {"Action": ["kms:Generate*", "KMS:Re?ncrypt*", "s3:*"]},
    "all": {"Action": "*"},
    "none of ours": {"Action": "s3:GetObject"},
    "all but some": {"NotAction": ["kms:Get*", "s3:*"]},
    "nothing": {},
    "nothing, damaged": {"Actoin": "kms:*"},
}


@pytest.mark.parametrize("written", COVERING.values(), ids=COVERING)
def test_actions_are_covered_at_once_as_one_by_one(written) -> None:
    whole = {name: part for name, part in allow(None).items() if name != "Action"} | written
    (statement,) = parse_policy(text(policy(whole), DocumentKind.IDENTITY)).statements
    expected = [covers_action(statement, action.iam_name) for action in KEY_ACTIONS]
    assert list(covers_each(statement)) == expected
    assert covered_actions(statement) == {a.name for a, covered in zip(KEY_ACTIONS, expected, strict=True) if covered}
    for element in statement.actions or ():
        (alone,) = parse_policy(text(policy(allow(None, element.value)), DocumentKind.IDENTITY)).statements
        known = any(action_matches(alone, action.iam_name) for action in ACTIONS.values())
        assert fits_known_action(element.value) is known
