"""YAML is read as text, with lines, and without the traps of YAML's own types."""

import pytest
from scanner.yamltext import read_yaml


def problems(text: str) -> list[tuple[int, str]]:
    return [(problem.line, str(problem)) for problem in read_yaml(text).problems]


def test_unquoted_scalars_stay_the_text_that_was_written() -> None:
    """PyYAML reads these as 1402433619, False, 90, a date, 1.0 and a set of booleans."""
    document = read_yaml("[012345670123, no, 1:30, 2027-03-31, 1.0, on, 0x1f, 1_000]")
    assert document.value == ["012345670123", "no", "1:30", "2027-03-31", "1.0", "on", "0x1f", "1_000"]


def test_plain_null_is_null_and_quoted_null_is_text() -> None:
    assert read_yaml("[null, ~, Null, NULL, 'null', \"\", nULL]").value == [None, None, None, None, "null", "", "nULL"]


def test_missing_value_is_null() -> None:
    assert read_yaml("a:\nb: x").value == {"a": None, "b": "x"}


def test_empty_file_is_null_without_problems() -> None:
    document = read_yaml("# only a comment\n")
    assert (document.value, document.problems) == (None, ())


def test_every_key_and_item_knows_its_line() -> None:
    document = read_yaml("a:\n  - x\n  - b: 1\n    c: 2\n")
    assert [document.line(path) for path in [("a",), ("a", 0), ("a", 1), ("a", 1, "c")]] == [1, 2, 3, 4]


def test_absent_value_gets_the_line_of_what_is_around_it() -> None:
    document = read_yaml("z: 1\na:\n  b: 1\n")
    assert document.line(("a", "missing", "deeper")) == 2
    assert document.line(("nowhere",)) == 1


def test_duplicate_key_is_a_problem_and_the_last_value_counts() -> None:
    document = read_yaml("gate:\n  fail_on: low\nx: 1\ngate:\n  new_only: true\n")
    assert problems("gate:\n  fail_on: low\nx: 1\ngate:\n  new_only: true\n") == [
        (4, "gate appears twice; the first one would be lost")
    ]
    assert document.value == {"gate": {"new_only": "true"}, "x": "1"}
    assert ("gate", "fail_on") not in document.lines


def test_same_key_in_two_mappings_is_no_duplicate() -> None:
    assert problems("- a: 1\n- a: 2\n") == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: [1,\nb: 2", 2, "is not YAML"),
        ("a:\n\t- b", 2, "is not YAML"),
        ("ok: 1\nbad: \x01", 2, "U+0001 is not allowed"),
        ("x: \ud800", 1, "U+D800 is not allowed"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("a: &x 1\nb: *x", 2, "alias `*x`"),
        ("a: &x 1", 1, "anchor `&x`"),
        ("a: !!int 1", 1, "tag `tag:yaml.org,2002:int`"),
        ("a: !Ref x", 1, "tag `!Ref`"),
        ("? [a]\n: 1", 1, "key that is not plain text"),
        ("a: " + "[" * 100, 1, "nested deeper"),
        ("%YAML 3.0\n---\na", 1, "is not YAML"),
    ],
)
def test_text_that_cannot_be_read_is_a_problem_with_its_line(text: str, line: int, words: str) -> None:
    found = problems(text)
    assert any(at == line and words in said for at, said in found), found


def test_aliases_that_multiply_are_refused_without_being_expanded() -> None:
    """Nine levels of ten aliases would be a gigabyte."""
    rows = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    document = read_yaml("\n".join(rows))
    assert document.problems
    assert document.value is not None
    assert len(document.lines) < 200


def test_merge_key_is_an_ordinary_key() -> None:
    assert read_yaml("<<: {a: x}").value == {"<<": {"a": "x"}}


def test_byte_order_mark_is_ignored() -> None:
    assert read_yaml("\ufeffa: x").value == {"a": "x"}
