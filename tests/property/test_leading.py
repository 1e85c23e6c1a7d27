"""Who can use a key, asked backwards from the key or taken from what a run left: as when everybody is followed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.who_can import Wanted, listed, who_can
from scanner.model.explanation import WhoCan
from scanner.model.finding import FindingVerdict
from scanner.model.world import World

from left_behind import access_found_again, paths_beside_findings
from property.test_iam_changes import worlds as changing_worlds
from property.test_role_paths import worlds as assuming_worlds

budget = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
EVERYTHING = Wanted(verdicts=tuple(FindingVerdict), insiders=True, limit=10_000)
ASKED = (EVERYTHING, replace(EVERYTHING, action="kms:Decrypt"), replace(EVERYTHING, action="kms:CreateGrant"))


def rules_of(max_hops: int, *, by_class: bool, leading: bool) -> AnalysisRules:
    return AnalysisRules(
        max_role_hops=max_hops, by_class=by_class, leading=leading, service_principals="all", insiders=True,
        remedies=False,
    )  # fmt: skip


def answers(drawn: World, max_hops: int, *, by_class: bool, leading: bool) -> list[WhoCan]:
    rules = rules_of(max_hops, by_class=by_class, leading=leading)
    return [who_can(drawn, key, rules, EVERYTHING) for key in drawn.keys.values()]


def check(drawn: World, max_hops: int, *, by_class: bool) -> None:
    backwards, forwards = (answers(drawn, max_hops, by_class=by_class, leading=way) for way in (True, False))
    for one, other in zip(backwards, forwards, strict=True):
        assert one.access == other.access
        if "were not followed" not in other.role_paths:
            assert one == other


@budget
@given(assuming_worlds(), st.integers(1, 4), st.booleans())
def test_nobody_is_lost_who_assumes_roles(drawn: World, max_hops: int, by_class: bool) -> None:
    check(drawn, max_hops, by_class=by_class)


@budget
@given(changing_worlds(), st.integers(1, 4), st.booleans())
def test_nobody_is_lost_who_changes_identities(drawn: World, max_hops: int, by_class: bool) -> None:
    check(drawn, max_hops, by_class=by_class)


def check_left(drawn: World, max_hops: int, *, by_class: bool) -> None:
    """What a run left answers as following everybody to the one key does."""
    rules = rules_of(max_hops, by_class=by_class, leading=False)
    left = access_found_again(drawn, rules)
    for key in drawn.keys.values():
        if key.manager != "AWS":
            for wanted in ASKED:
                assert listed(drawn, key, left[key.arn], rules, wanted) == who_can(drawn, key, rules, wanted)


@budget
@given(assuming_worlds(), st.integers(1, 4), st.booleans())
def test_run_answers_alike_of_who_assumes_roles(drawn: World, max_hops: int, by_class: bool) -> None:
    check_left(drawn, max_hops, by_class=by_class)


@budget
@given(changing_worlds(), st.integers(1, 4), st.booleans())
def test_run_answers_alike_of_who_changes_identities(drawn: World, max_hops: int, by_class: bool) -> None:
    check_left(drawn, max_hops, by_class=by_class)


def check_findings(drawn: World, max_hops: int, *, by_class: bool) -> None:
    """At the only key there is, the finding about a path says what is told of the key."""
    for told, finding in paths_beside_findings(drawn, rules_of(max_hops, by_class=by_class, leading=False)):
        assert told == finding


@budget
@given(assuming_worlds(), st.integers(1, 4), st.booleans())
def test_finding_about_one_key_says_alike_who_assumes_roles(drawn: World, max_hops: int, by_class: bool) -> None:
    check_findings(drawn, max_hops, by_class=by_class)


@budget
@given(changing_worlds(), st.integers(1, 4), st.booleans())
def test_finding_about_one_key_says_alike_who_changes_identities(drawn: World, max_hops: int, by_class: bool) -> None:
    check_findings(drawn, max_hops, by_class=by_class)
