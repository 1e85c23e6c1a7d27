"""True and false are one object each, and expressions of one part are that part."""

from __future__ import annotations

import pickle
from copy import deepcopy

import pytest
from scanner.analyze.logic.expression import FALSE, TRUE, Const, Expression, Or, conj, disj, unknown

A, B = unknown("a"), unknown("b")


@pytest.mark.parametrize("one", [TRUE, FALSE])
def test_there_is_one_true_and_one_false(one: Const) -> None:
    assert Const(one.value) is one
    assert pickle.loads(pickle.dumps(one)) is one
    assert deepcopy(one) is one


def test_true_and_false_are_told_apart() -> None:
    assert TRUE != FALSE
    assert (TRUE.value, FALSE.value) == (True, False)
    assert len({TRUE, FALSE, Const(True)}) == 2


@pytest.mark.parametrize("part", [A, conj((A, B)), disj((A, B))])
def test_one_part_beside_what_changes_nothing_is_the_whole(part: Expression) -> None:
    assert conj((TRUE, part, TRUE)) is part
    assert disj((FALSE, part, FALSE)) is part


def test_no_part_and_parts_that_decide_alone() -> None:
    assert conj(()) is TRUE
    assert disj(()) is FALSE
    assert conj((A, FALSE, B)) is FALSE
    assert disj((A, TRUE, B)) is TRUE


def test_nested_parts_become_one() -> None:
    assert disj((disj((A, B)), FALSE, A)) == Or((A, B))
