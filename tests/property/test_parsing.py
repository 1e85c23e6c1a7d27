"""Whatever text AWS hands over as a policy is read without an exception, and every part points at what was written."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanner.analyze.language.jsontext import JsonTextError, Node, read_json
from scanner.analyze.language.parse import OPERATORS, parse_policy
from scanner.model.decision import Verdict
from scanner.model.policy import Document, DocumentKind, Effect, Span

from builders import KEY, MEMBER, OWNER, allow, ask, iam, key, policy, principal, text, world

budget = settings(
    max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

KINDS = st.sampled_from(list(DocumentKind))
ROLE = iam(MEMBER, "role/App")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        [
            "*",
            "Allow",
            "Deny",
            "kms:Decrypt",
            "2012-10-17",
            MEMBER,
            "${",
            "${aws:username}",
            "arn:::::",
            "\ud800",
            "1e999",
            "nan",
            "inf",
        ]
    ),
)
names = st.one_of(
    st.sampled_from([
        "Version", "Statement", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource",
        "Condition", "Sid", "Id", "AWS", "Service", "Federated", "kms:ViaService", "aws:SourceIp", "aws:PrincipalTag/x",
        "ForAnyValue:StringLike", "ForEach:StringLike", "NullIfExists", *OPERATORS,
    ]),
    st.text(max_size=6),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=12,
)


def parsed(document: object, kind: DocumentKind = DocumentKind.KEY_POLICY) -> Document:
    """The document of a JSON value, or of a text."""
    return parse_policy(text(document, kind))


def judged(document: object) -> Verdict:
    """What a caller with every permission of its own may do with a key that has this policy."""
    written = text(document, DocumentKind.KEY_POLICY, KEY, "key policy default")
    given_world = world(key(key_policy=written), principal(ROLE, policy(allow(None, "*"))))
    return ask(given_world, ROLE).verdict


@budget
@given(values, KINDS)
def test_any_json_value_as_document_is_read(value: object, kind: DocumentKind) -> None:
    document = parsed(value, kind)
    assert document.problems or isinstance(value, dict)
    assert judged(value) in set(Verdict)


@budget
@given(values)
def test_document_that_is_no_policy_proves_nothing(value: object) -> None:
    if parsed(value).problems:
        assert judged(value) is Verdict.UNKNOWN


@budget
@given(values, KINDS)
def test_any_json_value_as_statement_is_read(value: object, kind: DocumentKind) -> None:
    document = parsed({"Version": "2012-10-17", "Statement": value}, kind)
    count = len(value) if isinstance(value, list) else 1
    assert [s.index for s in document.statements] == list(range(count))
    assert all(s.damage for s in document.statements if s.effect is Effect.DAMAGED)
    assert judged(policy() | {"Statement": value}) in set(Verdict)


@budget
@given(st.one_of(values, st.dictionaries(names, values, max_size=3)))
def test_any_json_value_as_condition_is_read(value: object) -> None:
    statement = {**allow("*"), "Condition": value}
    (found,) = parsed(policy(statement)).statements
    assert found.damage or isinstance(value, dict)
    assert judged(policy(statement)) in set(Verdict)


@budget
@given(st.text(max_size=40), KINDS)
def test_any_text_as_document_is_read(written: str, kind: DocumentKind) -> None:
    assert parsed(written, kind).problems
    assert judged(written) is Verdict.UNKNOWN


VALID = [
    policy(
        {
            "Sid": "one",
            "Effect": "Allow",
            "Principal": {"AWS": [iam(MEMBER, "root"), MEMBER]},
            "Action": ["kms:Decrypt", "kms:Enc*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": ["s3.eu-west-1.amazonaws.com"]}},
        },
        {"Effect": "Deny", "NotPrincipal": {"AWS": iam(MEMBER, "root")}, "NotAction": "kms:List*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "*",
            "Resource": KEY,
            "Condition": {"Bool": {"aws:SecureTransport": True}},
        },
    ),
    policy(
        allow(
            {"Service": "logs.amazonaws.com"}, "kms:*", when={"ArnLike": {"aws:SourceArn": f"arn:aws:logs:*:{OWNER}:*"}}
        )
    ),
]


@budget
@given(st.sampled_from(VALID), st.data())
def test_policy_cut_off_anywhere_is_read_and_proves_nothing(valid: object, data: st.DataObject) -> None:
    written = json.dumps(valid, indent=1)
    cut = written[: data.draw(st.integers(0, len(written) - 1))]
    assert parsed(cut).problems
    assert not parsed(cut).statements
    assert judged(cut) is Verdict.UNKNOWN


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        yield from _places(inner, (*path, step))


@budget
@given(st.sampled_from(VALID), values, st.data())
def test_policy_with_any_part_replaced_is_read(valid: Any, value: object, data: st.DataObject) -> None:
    changed = copy.deepcopy(valid)
    path = data.draw(st.sampled_from([p for p in _places(changed) if p]))
    target = changed
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = value
    parsed(changed)
    assert judged(changed) in set(Verdict)


@budget
@given(st.sampled_from(VALID), st.data())
def test_policy_with_any_character_changed_is_read(valid: object, data: st.DataObject) -> None:
    written = json.dumps(valid)
    at = data.draw(st.integers(0, len(written) - 1))
    changed = written[:at] + data.draw(st.characters()) + written[at + 1 :]
    parsed(changed)
    assert judged(changed) in set(Verdict)


# -- spans ------------------------------------------------------------------------------------------------------------


def at(written: str, span: Span) -> str:
    """The text at a span."""
    lines = written.split("\n")[span.line_from - 1 : span.line_to]
    lines[-1] = lines[-1][: span.col_to]
    lines[0] = lines[0][span.col_from - 1 :]
    return "\n".join(lines)


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for _, _, inner in node.members():
        yield from _nodes(inner)
    if node.kind == "array":
        for inner in node.items():
            yield from _nodes(inner)


@budget
@given(values, st.sampled_from([None, 0, 2]), st.booleans())
def test_text_at_the_span_of_a_value_is_the_value(value: object, indent: int | None, plain: bool) -> None:
    written = json.dumps(value, indent=indent, ensure_ascii=plain)
    root = read_json(written)
    assert at(written, root.span) == written
    for node in _nodes(root):
        cut = at(written, node.span)
        assert read_json(cut).kind == node.kind
        for name, span, inner in node.members():
            assert json.loads(at(written, span)) == name
            assert json.loads(at(written, inner.span)) == json.loads(cut)[name]


@budget
@given(st.sampled_from(VALID), st.sampled_from([None, 0, 1, 4]))
def test_text_at_the_span_of_a_part_is_the_part(valid: object, indent: int | None) -> None:
    written = json.dumps(valid, indent=indent)
    document = parsed(written)
    assert not document.problems
    raw = json.loads(written)["Statement"]
    for statement in document.statements:
        assert json.loads(at(written, statement.span)) == raw[statement.index]
        lists = (statement.actions, statement.not_actions, statement.resources, statement.not_resources)
        for element in (e for one in lists for e in one or ()):
            assert json.loads(at(written, element.span)) == element.value
        for entry in (*(statement.principals or ()), *(statement.not_principals or ())):
            assert json.loads(at(written, entry.span)) == entry.value
        for test in statement.conditions:
            cut = at(written, test.span)
            assert list(json.loads("{" + cut + "}")) == [test.key]
            assert statement.span.line_from <= test.span.line_from <= test.span.line_to <= statement.span.line_to


@budget
@given(values)
def test_values_come_back_as_they_were_written(value: object) -> None:
    def plain(node: Node) -> object:
        if node.kind == "object":
            return {name: plain(inner) for name, _, inner in node.members()}
        return [plain(n) for n in node.items()] if node.kind == "array" else node.value

    assert plain(read_json(json.dumps(value))) == json.loads(json.dumps(value), parse_int=float)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "a value is missing at line 1, column 1"),
        ("{", "a string is not closed or holds a control character at line 1, column 2"),
        ('{"a": 1, "a": 2}', "the name `a` appears twice in one object at line 1, column 10"),
        ('{"a":\n 1} x', "there is more text after the document at line 2, column 5"),
        ('{"a" 1}', "`:` is missing at line 1, column 6"),
        ("[1 2]", "`,` is missing at line 1, column 4"),
        ('["\\u12"]', "a string has a wrong escape at line 1, column 2"),
        ('["a\tb"]', "a string is not closed or holds a control character at line 1, column 2"),
        ("[" * 80 + "]" * 80, "the document nests too deeply at line 1, column 66"),
        ("[01]", "`,` is missing at line 1, column 3"),
        ("NaN", "a value is missing at line 1, column 1"),
        ("\ufeff{}", "a value is missing at line 1, column 1"),
    ],
)
def test_text_that_is_no_json_is_refused_with_its_place(written: str, told: str) -> None:
    with pytest.raises(JsonTextError) as caught:
        read_json(written)
    assert str(caught.value) == told
