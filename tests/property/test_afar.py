"""Callers of one class have the same row at every key that does not know them; roles do there what each does alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from operator import itemgetter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanner.analyze.decision import sides
from scanner.analyze.decision.afar import Afar
from scanner.analyze.decision.evaluation import ALL_SOURCES
from scanner.analyze.decision.every_action import DECISION, alike_at, every_action
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.paths import role_use
from scanner.analyze.paths.role_use import RoleUse
from scanner.analyze.principals.reach import Population
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

from row_worlds import Drawn, callers_in

budget = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def crowded(drawn: World) -> World:
    """The world with twins of every role, which differ from it in their name, in their tags, or in their boundary."""
    roles = [facts for facts in drawn.principals.values() if facts.kind is PrincipalKind.ROLE]
    changes: tuple[dict[str, Any], ...] = (
        {}, {"tags": {"team": "blue"}}, {"tags": {"team": "red", "owner": "x"}}, {"boundary": None},
    )  # fmt: skip
    twins = [
        replace(facts, arn=f"{facts.arn}{number}", unique_id=f"{facts.unique_id}{number}", **change)
        for facts in roles for number, change in enumerate(changes)
    ]  # fmt: skip
    return replace(drawn, principals={**drawn.principals, **{twin.arn: twin for twin in twins}})


def shared_rows(drawn: World) -> int:
    """How many callers share their row at some key with the first of their class, as all of them must."""
    kept = RememberingWorld.of(drawn, answers=False)
    callers, keys = callers_in(kept), tuple(kept.keys.values())
    afar = Afar.at(kept, keys, callers[0])
    assert afar is not None
    rows: dict[tuple[int, str], list[object]] = defaultdict(list)
    for caller in callers:
        found = afar.class_of(caller)
        if found is not None:
            class_, apart = found
            for used in (used for used in keys if used.arn not in apart):
                rows[class_, used.arn].append(every_action(kept, caller, used, ALL_SOURCES, DECISION))
    for (_, arn), alike in rows.items():
        assert alike[0] is not None, arn
        assert all(row is alike[0] for row in alike), arn
    return sum(len(alike) - 1 for alike in rows.values())


@budget
@given(st.integers(0, 2**32))
def test_callers_of_one_class_have_one_row_at_every_key_that_does_not_know_them(seed: int) -> None:
    hand = Drawn(Random(seed))
    for drawn in hand.variants(crowded(hand.world())):
        shared_rows(drawn)


@budget
@given(st.integers(0, 2**32), st.sampled_from((sides.MOST_SIDES, 20)))
def test_roles_do_with_keys_what_each_does_where_nothing_is_shared(seed: int, most: int) -> None:
    hand = Drawn(Random(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sides, "MOST_SIDES", most)
        patch.setattr(role_use, "FEW_KEYS", 0)
        for drawn in hand.variants(crowded(hand.world())):
            kept = RememberingWorld.of(drawn, answers=False)
            together, alone = (RoleUse(world, world.keys.values()) for world in (kept, drawn))
            for arn in hand.random.sample(sorted(drawn.principals), len(drawn.principals)):
                assert together.of(arn).by_key() == alone.of(arn).by_key()


@budget
@given(st.integers(0, 2**32), st.sampled_from((20, 0)))
def test_everybody_at_a_key_is_judged_alike_whatever_is_forgotten_meanwhile(seed: int, most: int) -> None:
    drawn = crowded(Drawn(Random(seed)).world())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sides, "MOST_SIDES", most)
        kept = RememberingWorld.of(drawn, answers=False)
        keys, callers = list(kept.keys.values()), callers_in(kept)
        population = Population(kept, keys)
        for used in keys:
            alone = [(caller.text, every_action(kept, caller, used, ALL_SOURCES, DECISION)) for caller in callers]
            told = alike_at(kept, callers, used, ALL_SOURCES, DECISION, class_of=population.classes_at(used))
            together = [(caller.text, row) for row, alike, _ in told for caller in alike]
            assert sorted(together, key=itemgetter(0)) == sorted(alone, key=itemgetter(0))


def test_random_organizations_have_callers_who_share_rows() -> None:
    assert sum(shared_rows(crowded(Drawn(Random(seed)).world())) for seed in range(20)) > 100
