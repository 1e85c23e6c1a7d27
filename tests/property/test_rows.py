"""Decisions that share what each side of a request says are those that a plain world makes, in whatever order."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import product
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanner.analyze.decision import sides
from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.evaluation import ALL_SOURCES, Sources
from scanner.analyze.decision.every_action import DECISION, PLACES, every_action
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.decision.trust import decide_assume
from scanner.analyze.request.caller import Caller
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS, find_action
from scanner.model.key import KeyFacts
from scanner.model.world import World

from builders import MEMBER, OWNER
from row_worlds import CONTEXTS, Drawn, callers_in

budget = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
NEAR, AWAY = 7, 3
"""Callers of accounts that have keys and were read, and others."""
COMPARED = 4
"""Actions of a row that are decided one by one as well."""
NO_KEY = ("kms:ListKeys", "kms:CreateAlias", "kms:DeleteAlias", "kms:CreateKey", "kms:Newer")
ON_ROLES = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "iam:PassRole", "iam:TagRole")


def sources_of(drawn: Drawn, used: KeyFacts) -> Sources:
    """All sources, or a few."""
    places = frozenset({(used.key_policy.sha256, drawn.random.randint(0, 2))}) if used.key_policy else None
    alone = Sources(("key_policy",), places), Sources(("grant",), grants=frozenset({"g-0"})), Sources(("ram",))
    return drawn.pick((ALL_SOURCES, ALL_SOURCES, ALL_SOURCES, *alone))


def compare_on_key(drawn: Drawn, plain: World, kept: World, who: Caller, used: KeyFacts) -> None:
    """Ask about every action on a key at once, and about some one by one."""
    sources, context = sources_of(drawn, used), drawn.pick(CONTEXTS)
    row = every_action(kept, who, used, sources, DECISION, context)
    for number in {PLACES["Decrypt"], *drawn.random.sample(range(len(KEY_ACTIONS)), COMPARED)}:
        action = KEY_ACTIONS[number]
        asked = Request(who, action.iam_name, used.arn, action=action, key=used, context=context)
        alone = decide(plain, asked, sources=sources, trace=False)
        assert row is None or row[number] == alone
        assert decide(kept, asked, sources=sources, trace=False) == alone


def compare_elsewhere(drawn: Drawn, plain: World, kept: World, who: Caller) -> None:
    """Ask about an alias, the account, or a role."""
    context = drawn.pick(CONTEXTS)
    if drawn.one_in(2):
        action = drawn.pick(NO_KEY)
        resource = f"arn:aws:kms:eu-west-1:{drawn.pick((OWNER, MEMBER))}:alias/app" if "Alias" in action else "*"
        asked = Request(who, action, resource, action=find_action(action), context=context)
        assert decide(kept, asked, trace=False) == decide(plain, asked, trace=False)
        return
    role = drawn.pick([facts for arn, facts in plain.principals.items() if ":role/" in arn])
    action = drawn.pick(ON_ROLES)
    asked = Request(who, action, role.arn, role=role, context=context)
    ask = decide_assume if action.startswith("sts:") else decide
    assert ask(kept, asked, trace=False) == ask(plain, asked, trace=False)


def asking(drawn: Drawn, plain: World) -> list[Caller]:
    """A few callers: most of accounts that have keys, of whom everything was read."""
    home = {used.account_id for used in plain.keys.values()}
    everybody = drawn.random.sample(callers_in(plain), len(callers_in(plain)))
    near = [who for who in everybody if who.collected and who.account_id in home]
    return [*near[:NEAR], *(who for who in everybody if who not in near[:NEAR])][: NEAR + AWAY]


@budget
@given(st.integers(0, 2**48), st.sampled_from((sides.MOST_SIDES, sides.MOST_SIDES, 0, 20)), st.booleans())
def test_sharing_what_sides_say_changes_no_decision(seed: int, most: int, answers: bool) -> None:
    drawn = Drawn(Random(seed))
    base = drawn.world()
    shared = RememberingWorld.of(base, answers=answers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sides, "MOST_SIDES", most)
        for plain in drawn.variants(base):
            kept = replace(shared, **{f.name: getattr(plain, f.name) for f in fields(World)})
            asked = list(product(asking(drawn, plain), plain.keys.values()))
            for who, used in drawn.random.sample(asked, len(asked)):
                compare_on_key(drawn, plain, kept, who, used)
                compare_elsewhere(drawn, plain, kept, who)
