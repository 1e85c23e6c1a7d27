"""What a document that AWS would have refused is read as: damage and problems in words, never an exception."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.language.jsontext import read_json
from scanner.analyze.language.parse import parse_policy
from scanner.model.policy import Document, DocumentKind, Effect, Statement

from builders import KEY, MEMBER, allow, policy, text

K, IAM = DocumentKind.KEY_POLICY, DocumentKind.IDENTITY


def parsed(document: object, kind: DocumentKind = K) -> Document:
    """The document."""
    return parse_policy(text(document, kind, KEY))


def only(statement: object, kind: DocumentKind = K) -> Statement:
    """The one statement of a document."""
    (found,) = parsed(policy() | {"Statement": statement}, kind).statements
    return found


PROBLEMS: list[tuple[object, str]] = [
    ("", "a value is missing at line 1, column 1"),
    ("[]", "the document is not a JSON object"),
    ("[" * 70, "the document nests too deeply at line 1, column 66"),
    ('"text"', "the document is not a JSON object"),
    ('{"Id": "\\x"}', "a string has a wrong escape at line 1, column 8"),
    ('{"Id": "a" "b"}', "`,` is missing at line 1, column 12"),
    ('{"Id" "a"}', "`:` is missing at line 1, column 7"),
    ('{"Id": 1,\n "Id": 2}', "the name `Id` appears twice in one object at line 2, column 2"),
    ("{} {}", "there is more text after the document at line 1, column 4"),
    ({"Version": "2012-10-17"}, "there is no Statement"),
    ({"Version": "2030-01-01", "Statement": []}, "the version is `2030-01-01`"),
    ({"Version": ["2012-10-17"], "Statement": []}, "the version is ``"),
    ({"Statement": [], "statement": []}, "the element `statement` appears twice"),
    ({"Statement": [], "Extra": 1}, "`Extra` is not an element of a policy"),
]


@pytest.mark.parametrize(("document", "problem"), PROBLEMS)
def test_document_with_a_problem_says_which(document: object, problem: str) -> None:
    assert problem in parsed(document).problems


def test_fine_document_has_no_problems() -> None:
    document = parsed({"Version": "2008-10-17", "Id": "x", "statement": allow("*")})
    assert document.problems == ()
    assert len(document.statements) == 1
    assert not document.expands_variables
    assert parsed(policy()).expands_variables
    assert parsed({"Statement": []}).version == ""


def test_text_is_read_once_for_all_places_of_its_kind_and_each_document_keeps_its_own() -> None:
    body = policy(allow("*"))
    one, other, of_identity = (
        parse_policy(text(body, kind, source)) for kind, source in ((K, KEY), (K, MEMBER), (IAM, KEY))
    )
    assert (one.policy.source, other.policy.source) == (KEY, MEMBER)
    assert one.statements is other.statements
    assert of_identity.statements[0].damage == ("an identity policy names no principals",)


def changed(**parts: Any) -> dict[str, Any]:
    """An Allow with parts replaced; None leaves one out."""
    return {name: value for name, value in (allow("*") | parts).items() if value is not None}


DAMAGE: list[tuple[object, DocumentKind, str]] = [
    ("text", K, "a statement is not an object"),
    (changed(Effect=None), K, "there is no Effect"),
    (changed(Effect="allow"), K, "the effect is `allow`"),
    (changed(Effect=["Allow"]), K, "the effect is `array`"),
    (changed(Extra=1), K, "`Extra` is not an element of a statement"),
    (changed(ACTION="*"), K, "the element `ACTION` appears twice"),
    (changed(NotAction="*"), K, "both action and notaction are given"),
    (changed(NotPrincipal="*"), K, "both principal and notprincipal are given"),
    (changed(NotResource="*"), K, "both resource and notresource are given"),
    (changed(), IAM, "an identity policy names no principals"),
    (changed(Principal=None, Action=None), IAM, "there is no Action"),
    (changed(Principal=None, Resource=None), IAM, "there is no Resource"),
    (changed(Principal=None), K, "there is no Principal"),
    (changed(Principal="me"), K, "the principal is `me`"),
    (changed(Principal=["*"]), K, "the principal is neither `*` nor a map"),
    (changed(Principal={"Robot": "x"}), K, "`Robot` is not a type of principal"),
    (changed(Principal={"AWS": [5]}), K, "a value of the principal `AWS` is not text"),
    (changed(Action=[5]), K, "a value of Action is not text"),
    (changed(Condition=[]), K, "the condition is not a map"),
    (changed(Condition={"Equals": {"a": "b"}}), K, "`Equals` is not an operator"),
    (changed(Condition={"ForSome:StringEquals": {"a": "b"}}), K, "`ForSome:StringEquals` is not an operator"),
    (changed(Condition={"": {"a": "b"}}), K, "`` is not an operator"),
    (changed(Condition={"NullIfExists": {"a": "true"}}), K, "`NullIfExists` is not an operator"),
    (changed(Condition={"Bool": "x"}), K, "the operator `Bool` holds no map of keys"),
    (
        changed(Condition={"Bool": {"a": None}}),
        K,
        "a value of the condition key `a` is neither text, number nor boolean",
    ),
]


@pytest.mark.parametrize(("statement", "kind", "damage"), DAMAGE)
def test_damaged_statement_says_what_is_wrong(statement: object, kind: DocumentKind, damage: str) -> None:
    assert damage in only(statement, kind).damage


def test_names_of_elements_operators_and_principal_types_have_no_case() -> None:
    statement = only(
        {
            "sid": 5,
            "EFFECT": "Deny",
            "notprincipal": {"aws": MEMBER, "SERVICE": "x.amazonaws.com"},
            "NOTACTION": "kms:*",
            "notresource": ["*"],
            "condition": {"foranyvalue:stringlikeIFEXISTS": {"a": ["b", 1, True]}},
        }
    )
    assert statement.damage == ()
    assert (statement.sid, statement.effect) == ("5", Effect.DENY)
    assert [(e.type, e.value) for e in statement.not_principals or ()] == [
        ("AWS", MEMBER),
        ("Service", "x.amazonaws.com"),
    ]
    (test,) = statement.conditions
    assert (test.operator, test.qualifier, test.if_exists, test.values) == (
        "StringLike",
        "ForAnyValue",
        True,
        ("b", "1", "true"),
    )
    assert test.written_operator == "ForAnyValue:StringLikeIfExists"


def test_absent_element_is_none_and_an_empty_list_is_not() -> None:
    statement = only(changed(Action=[], Resource=None))
    assert (statement.actions, statement.resources, statement.not_actions) == ((), None, None)


def test_everybody_is_one_form_however_it_is_written() -> None:
    for principal in ("*", {"AWS": "*"}, {"aws": ["*"]}):
        (entry,) = only(changed(Principal=principal)).principals or ()
        assert entry.type == "*"
    assert [e.type for e in only(changed(Principal={"Service": "*"})).principals or ()] == ["Service"]


def test_long_hostile_names_are_cut_in_damage() -> None:
    (damage,) = only(changed(**{"x" * 500: 1})).damage
    assert len(damage) < 120


@pytest.mark.parametrize("written", ['{"a": {}}', "[[], {}, null, 1.5e3]", ' \n\t{ "a" : [ 1 , 2 ] } \r\n'])
def test_json_is_read_with_its_spaces(written: str) -> None:
    assert read_json(written).kind in {"object", "array"}


def test_scalars_keep_their_written_form() -> None:
    (number, boolean, nothing) = read_json("[1.50, true, null]").items()
    assert (number.scalar(), boolean.scalar(), nothing.scalar()) == ("1.50", "true", None)
    assert read_json('"x"').items() == (read_json('"x"'),)
    assert read_json("5").members() == ()
