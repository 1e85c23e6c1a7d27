"""A part of the fault matrix that meets every call and every fault; `make faults` runs all of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fault_matrix import CASES, FAULTS, NTH_FAULTS, TARGETS, Fault, Stage, Target, operations_without_target, stage

EVERY = 7
_SPREAD = [(t, f) for t, f in CASES if (TARGETS.index(t) + FAULTS.index(f)) % EVERY == 0]
_FIRST = [next(case for case in CASES if fault in case) for fault in FAULTS]
CHOSEN = tuple({(t.name, f.name): (t, f) for t, f in (*_SPREAD, *_FIRST)}.values())
ANSWERS = 77
"""Answers of a run without faults."""


@pytest.fixture(scope="module")
def on() -> Iterator[Stage]:
    with stage() as made:
        yield made


def test_every_call_of_the_permissions_list_is_made_to_fail() -> None:
    assert operations_without_target() == set()


def test_the_part_run_here_meets_every_call_and_every_fault() -> None:
    assert {target.name for target, _ in CHOSEN} == {target.name for target in TARGETS}
    assert {fault.name for _, fault in CHOSEN} == {fault.name for fault in FAULTS}


@pytest.mark.parametrize(("target", "fault"), CHOSEN, ids=[f"{t.name}-{f.name}" for t, f in CHOSEN])
def test_fault_costs_what_the_tables_say_and_nothing_else(on: Stage, target: Target, fault: Fault) -> None:
    problems, silent = on.case(target, fault)
    assert problems == []
    assert silent == []


def test_number_of_answers_that_can_fail(on: Stage) -> None:
    assert on.run(workers=1).exit_code == 0
    assert len(on.world.requests) == ANSWERS


@pytest.mark.parametrize("number", range(1, ANSWERS + 1))
def test_any_one_answer_that_fails_makes_nothing_surer_and_loses_nothing(on: Stage, number: int) -> None:
    assert on.nth(number, NTH_FAULTS[number % len(NTH_FAULTS)]) == []
