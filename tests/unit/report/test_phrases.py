"""What reports say about refusals that no single gate makes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scanner.analyze.explain import explain
from scanner.analyze.principals.question import ask, find_key
from scanner.report.explain import render_explanation
from scanner.report.phrases import actions_text, gap_units, nth

import report_builders as build
from builders import KEY, MEMBER, allow, deny, iam, key, policy, principal, world

APP = iam(MEMBER, "role/App")
ONLY_S3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
NEVER_S3 = {"StringLike": {"kms:ViaService": "s3.*"}}


@pytest.mark.parametrize(
    ("units", "before", "words"),
    [
        (0, 0, "no account-region"), (1, 0, "1 account-region"), (1, 1, "1 account-region, counted above"),
        (1200, 0, "1,200 account-regions"), (3, 2, "3 account-regions, 2 counted above"),
    ],
)  # fmt: skip
def test_gap_says_what_it_adds_to_the_account_regions_that_were_not_read(units: int, before: int, words: str) -> None:
    gap = replace(build.document().coverage.gaps[0], units=units, units_before=before)
    assert gap_units(gap) == words


@pytest.mark.parametrize(
    ("statements", "plain", "line"),
    [
        ((deny(APP, when=NEVER_S3),), False, "\n  no gate denies by itself: the conditions of these gates together "),
        ((deny(APP, when=NEVER_S3),), True, "\nNo gate denies by itself: the conditions of these gates together "),
        ((deny(APP),), False, ""),
        ((), False, ""),
    ],
)
def test_explain_says_that_conditions_of_gates_contradict_where_no_gate_denies(
    statements: tuple[dict[str, object], ...], plain: bool, line: str
) -> None:
    given = world(key(allow(APP, when=ONLY_S3), *statements), principal(APP, policy(allow())))
    text = render_explanation(explain(given, ask(given, find_key(given, KEY), APP, "Decrypt", ())), plain=plain)
    assert line in text
    assert ("no gate denies by itself" in text.lower()) is bool(line)


def test_actions_that_make_data_keys_are_one_word_where_all_four_are_meant() -> None:
    four = [f"kms:GenerateDataKey{pair}{hidden}" for pair in ("", "Pair") for hidden in ("", "WithoutPlaintext")]
    assert actions_text(["kms:Encrypt", *four, "kms:ReEncryptTo"]) == "Encrypt, GenerateDataKey*, ReEncryptTo"
    assert actions_text(four[:3]) == "GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateDataKeyPair"
    assert actions_text(["kms:Decrypt", "sts:AssumeRole"]) == "Decrypt, sts:AssumeRole"


def test_places_are_counted_as_people_do() -> None:
    assert [nth(index) for index in (0, 9, 10)] == ["first", "tenth", "11th"]
