"""Policy texts edited in place: what goes, what is added, that the rest stays as it was, and the patch of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scanner.analyze.edits.textedit import LONGEST_LINE, PolicyDraft, as_cli_prints, readable
from scanner.analyze.language.parse import parse_policy
from scanner.model.policy import Document, DocumentKind

from builders import text

WRITTEN = """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "Own", "Effect": "Allow",
      "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": "kms:*", "Resource": "*"
    },
    {
      "Sid": "Share",
      "Effect": "Allow",
      "Principal": {
        "AWS": [
          "arn:aws:iam::444455556666:root",
          "arn:aws:iam::999988887777:root",
          "arn:aws:iam::999988887777:role/x"
        ],
        "Service": "logs.amazonaws.com"
      },
      "Action": "kms:Decrypt",
      "Resource": "*",
      "Condition": {
        "Null": {"aws:SourceVpce": "true"},
        "StringEquals": {
          "kms:CallerAccount": ["444455556666", "999988887777"],
          "aws:PrincipalOrgID": "o-1"
        }
      }
    },
    {"Effect": "Allow", "Principal": "*", "Action": "kms:Encrypt", "Resource": "*", "Condition": {}}
  ]
}"""


def parsed(written: str) -> Document:
    return parse_policy(text(written, DocumentKind.KEY_POLICY))


def draft(written: str = WRITTEN) -> tuple[PolicyDraft, Document]:
    return PolicyDraft(written), parsed(written)


def principals(written: str, index: int = 1) -> list[str]:
    return [e.value for e in parsed(written).statements[index].principals or ()]


def test_nothing_changed_is_the_same_text_and_no_patch() -> None:
    edit, _ = draft()
    assert edit.edited() == WRITTEN
    assert edit.patch("p") == ""
    assert edit.leaves_statements


@pytest.mark.parametrize("gone", [[0], [1], [2], [0, 1], [1, 2], [0, 2]])
def test_statements_go_with_their_commas(gone: list[int]) -> None:
    edit, document = draft()
    for index in gone:
        edit.remove_statement(document.statements[index].index)
    kept = [s for n, s in enumerate(json.loads(WRITTEN)["Statement"]) if n not in gone]
    assert json.loads(edit.edited())["Statement"] == kept
    assert edit.leaves_statements


def test_last_statement_cannot_go() -> None:
    edit, document = draft()
    for statement in document.statements:
        edit.remove_statement(statement.index)
    assert not edit.leaves_statements
    alone = '{"Statement": {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"}}'
    edit, document = draft(alone)
    edit.remove_statement(document.statements[0].index)
    assert not edit.leaves_statements
    assert not PolicyDraft("{}").leaves_statements


@pytest.mark.parametrize("gone", [[0], [1], [2], [3], [0, 1], [1, 2], [0, 2], [0, 1, 2], [2, 3], [0, 3]])
def test_principals_go_and_the_others_stay(gone: list[int]) -> None:
    edit, document = draft()
    entries = document.statements[1].principals or ()
    assert edit.remove_principals(document.statements[1], [entries[n].span for n in gone])
    assert principals(edit.edited()) == [e.value for n, e in enumerate(entries) if n not in gone]


def test_all_principals_of_a_statement_cannot_go() -> None:
    edit, document = draft()
    for statement in document.statements[:2]:
        assert not edit.remove_principals(statement, [e.span for e in statement.principals or ()])
    assert not edit.remove_principals(document.statements[2], [document.statements[0].span])
    without = '{"Statement": [{"Effect": "Allow", "NotPrincipal": "*", "Action": "kms:*", "Resource": "*"}]}'
    edit, document = draft(without)
    assert not edit.remove_principals(document.statements[0], [])
    assert edit.edited() == without


def test_values_of_a_condition_go_and_the_last_ones_stay() -> None:
    edit, document = draft()
    _, by_account, by_organization = document.statements[1].conditions
    assert edit.remove_values(document.statements[1], by_account, {"999988887777"})
    assert not edit.remove_values(document.statements[1], by_organization, {"o-1"})
    assert not edit.remove_values(document.statements[1], by_account, set(by_account.values))
    assert not edit.remove_values(document.statements[0], by_account, {"999988887777"})
    values = [t.values for t in parsed(edit.edited()).statements[1].conditions]
    assert values == [("true",), ("444455556666",), ("o-1",)]


def test_condition_is_added_where_there_is_none_or_beside_others() -> None:
    edit, document = draft()
    for statement, operator, added in zip(
        document.statements, ("Bool", "Bool", "StringEquals"), (1, 4, 1), strict=True
    ):
        assert edit.add_condition(statement, operator, "aws:k", 'v"')
        new = parsed(edit.edited()).statements[statement.index]
        assert len(new.conditions) == added
        assert (new.conditions[-1].operator, new.conditions[-1].key, new.conditions[-1].values) == (
            operator, "aws:k", ('v"',),
        )  # fmt: skip
        assert not new.damage
    edit, document = draft()
    assert edit.add_condition(document.statements[1], "stringequals", "aws:k", "v")
    assert not edit.add_condition(document.statements[1], "StringEquals", "AWS:principalOrgId", "v")
    assert len(parsed(edit.edited()).statements[1].conditions) == 4


def test_removed_statement_takes_its_other_changes_along() -> None:
    edit, document = draft()
    edit.add_condition(document.statements[2], "Bool", "k", "v")
    edit.add_condition(document.statements[0], "Bool", "k", "v")
    edit.remove_statement(document.statements[2].index)
    new = json.loads(edit.edited())["Statement"]
    assert len(new) == 2
    assert new[0]["Condition"] == {"Bool": {"k": "v"}}
    assert edit.removed == {2}


def test_patch_shows_the_changed_lines_between_three_of_context() -> None:
    edit, document = draft()
    edit.remove_principals(document.statements[1], [(document.statements[1].principals or ())[2].span])
    assert edit.patch("key policy").splitlines() == [
        "--- key policy",
        "+++ key policy",
        "@@ -11,8 +11,7 @@",
        '       "Principal": {',
        '         "AWS": [',
        '           "arn:aws:iam::444455556666:root",',
        '-          "arn:aws:iam::999988887777:root",',
        '-          "arn:aws:iam::999988887777:role/x"',
        '+          "arn:aws:iam::999988887777:root"',
        "         ],",
        '         "Service": "logs.amazonaws.com"',
        "       },",
    ]


def _changes(edit: PolicyDraft, document: Document) -> None:
    edit.remove_statement(document.statements[0].index)
    edit.remove_principals(document.statements[1], [(document.statements[1].principals or ())[0].span])
    edit.add_condition(document.statements[2], "StringEquals", "aws:PrincipalOrgID", "o-1")


def applied(written: str, patch: str) -> str:
    """The text with a patch applied, as `patch` does it: every context and removed line must be where it says."""
    old, new, at = written.split("\n"), [], 0
    for line in patch.split("\n")[2:]:
        sign, content = line[0], line[1:]
        if sign == "@":
            start = int(content[3:].split(",", 1)[0]) - 1
            new += old[at:start]
            at = start
        elif sign == "+":
            new.append(content)
        else:
            assert old[at] == content
            at += 1
            new += [content] if sign == " " else []
    return "\n".join([*new, *old[at:]])


def test_patch_makes_the_edited_text_of_the_old_one() -> None:
    edit, document = draft()
    _changes(edit, document)
    assert applied(WRITTEN, edit.patch("policy.json")) == edit.edited()


def test_two_changes_on_one_line_are_one() -> None:
    people = '{"AWS": ["a", "b", "c"], "Service": ["d", "e"]}'
    alone = '{"Statement": [{"Principal": ' + people + ', "Condition": {\n"Bool": {"k": ["1", "2"]}}}]}'
    edit, document = draft(alone)
    (statement,) = document.statements
    spans = [(statement.principals or ())[n].span for n in (0, 2, 3)]
    assert edit.remove_principals(statement, spans)
    assert edit.remove_values(statement, statement.conditions[0], {"2"})
    assert principals(edit.edited(), 0) == ["b", "e"]
    patch = edit.patch("p")
    assert applied(alone, patch) == edit.edited()


def test_far_changes_have_hunks_of_their_own_and_counts_that_fit() -> None:
    statements = [{"Effect": "Allow", "Principal": {"AWS": str(n) * 12}, "Action": "kms:*"} for n in range(1, 9)]
    written = json.dumps({"Statement": statements}, indent=1)
    edit, document = draft(written)
    for index in (0, 7):
        edit.remove_statement(document.statements[index].index)
    patch = edit.patch("p").splitlines()
    heads = [line for line in patch if line.startswith("@@")]
    assert len(heads) == 2
    minus, plus = (sum(line.startswith(sign) for line in patch[2:]) for sign in "-+")
    assert minus - plus == len(written.splitlines()) - len(edit.edited().splitlines())


def test_text_with_a_long_line_is_printed_again_and_nothing_in_it_changes() -> None:
    value: Any = {"Statement": [{"Sid": 'ünï\\"', "Action": [], "Condition": {}, "n": [1.50, True, None, -2e3]}] * 9}
    written = json.dumps(value, ensure_ascii=False)
    assert len(written) > LONGEST_LINE
    again = readable(written)
    assert json.loads(again) == value
    assert '"Sid": "ünï' in again
    assert "-2000.0" in again
    assert readable(again) == again
    assert readable(WRITTEN) == WRITTEN


@pytest.mark.parametrize(
    "written",
    [
        '{"Version":"2012-10-17","Statement":{"Sid":"\\u00fcn\\u00ef \\"\\/\\\\","Action":[],"Condition":{}}}',
        '{"Statement": [\r\n\t{"n": [1.50, -2e3, 0, -0, 12345678901234567890, true, null]}, {"a": [[]]}]}',
    ],
)
def test_document_is_printed_as_the_aws_cli_prints_it(written: str) -> None:
    assert as_cli_prints(written) == json.dumps(json.loads(written), indent=4, ensure_ascii=False)


def test_number_too_long_for_python_is_printed_as_it_is_written() -> None:
    assert as_cli_prints(f"[{'9' * 5000}]") == f"[\n    {'9' * 5000}\n]"


def test_text_with_other_line_ends_is_printed_again() -> None:
    assert readable('{"Statement": []}\r\n') == '{\n  "Statement": []\n}'
