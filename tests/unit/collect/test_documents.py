"""Policy documents as IAM answers them: decoded as written, and each distinct text once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

import pytest
from scanner.collect import documents
from scanner.collect.documents import decoded, is_document

from fault_server import FaultServer, role_xml

A, EU = "111122223333", "eu-west-1"


@pytest.mark.parametrize("text", ['{"a": "%7B + é"}', "{}", "[1]"])
def test_document_is_decoded_as_it_was_written(text: str) -> None:
    assert decoded(quote(text)) == text


@pytest.mark.parametrize(("text", "is_one"), [("{}", True), ("[]", False), ("", False), ("[" * 100_000, False)])
def test_only_a_json_object_is_a_document_however_often_it_is_asked(text: str, is_one: bool) -> None:
    assert [is_document(text), is_document(text)] == [is_one, is_one]


def test_text_that_many_roles_share_is_decoded_once(
    aws: FaultServer, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(text: str) -> str:
        asked.append(text)
        return unquote(text)

    monkeypatch.setattr(documents, "unquote", counted)
    decoded.cache_clear()
    shared = json.dumps({"Version": "2012-10-17", "Statement": []})
    roles = "".join(role_xml(f"arn:aws:iam::{A}:role/R{n}", shared, inline={"p": shared}) for n in range(20))
    aws.account(A, EU)
    aws.details[A] = f"<UserDetailList/><RoleDetailList>{roles}</RoleDetailList><GroupDetailList/><Policies/>"
    done = run(ids=(A,))
    assert done.query("SELECT count(*) FROM principals") == [(20,)]
    assert asked == [quote(shared)]
