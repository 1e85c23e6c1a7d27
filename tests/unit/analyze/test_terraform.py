"""Where an edit belongs in Terraform: quoting against names that people outside choose, and what is too long."""

from __future__ import annotations

import pytest
from scanner.analyze.edits.terraform import (
    LONGEST,
    grants_hint,
    identity_policy_hint,
    key_policy_hint,
    quoted,
    trust_policy_hint,
)
from scanner.model.policy import DocumentKind

from builders import KEY, OWNER, grant, iam, key, policy, principal, text


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("plain", '"plain"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("${file(1)}", '"$${file(1)}"'),
        ("%{ if true }", '"%%{ if true }"'),
        ("a\nb\u202e", '"a\\U0000000ab\\U0000202e"'),
    ],
)
def test_names_cannot_leave_their_string(name: str, written: str) -> None:
    assert quoted(name) == written


def test_short_document_is_written_out_without_interpolation() -> None:
    hint = key_policy_hint(key(), '{"Resource": "${aws:username}"}')
    assert hint.splitlines()[1:] == [
        'resource "aws_kms_key_policy" "this" {', f'  key_id = "{KEY}"', "  policy = <<POLICY",
        "{", ' "Resource": "$${aws:username}"', "}", "POLICY", "}",
    ]  # fmt: skip


def test_long_document_is_left_to_the_patch() -> None:
    hint = trust_policy_hint(principal(iam(OWNER, "role/path/App")), "x" * (LONGEST + 1))
    assert '  name = "App"' in hint
    assert "too long to show" in hint
    assert "xxx" not in hint


def test_inline_policy_is_found_by_its_name_and_holder() -> None:
    held = text(policy(), DocumentKind.IDENTITY, iam(OWNER, "user/Ann"), "inline policy p")
    assert 'resource "aws_iam_user_policy" "this" {\n  name = "p"\n  user = "Ann"' in identity_policy_hint(held, "{}")


def test_grants_are_named_one_a_line() -> None:
    held = [grant("a\nb"), grant(iam(OWNER, "role/R"))]
    assert len(grants_hint(key(), held).splitlines()) == 3
