"""Trials of an earlier run: which are taken over, what they cost, and that the result is that of a full run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from scanner.analyze import findings, parts
from scanner.analyze.edits import remedied, world_trials
from scanner.analyze.edits.inputs import Inputs
from scanner.analyze.edits.outcomes import Outcomes
from scanner.analyze.findings import AnalysisResult, analyze
from scanner.analyze.parts import AnalysisRules
from scanner.analyze.paths.paths import Paths
from scanner.analyze.paths.role_paths import RolePaths
from scanner.analyze.principals.reach import Place, Population, reached_by, reached_from
from scanner.analyze.principals.selectors import selector_of
from scanner.model.arn import KeyArn
from scanner.model.finding import AccessRow, Finding, KeyRow, Kind
from scanner.model.outcomes import TakenOver, TrialOutcome, Trials
from scanner.model.policy import DocumentKind
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OWNER,
    STRANGER,
    account,
    allow,
    grant,
    iam,
    key,
    policy,
    principal,
    text,
    world,
)

OWN = allow(iam(OWNER, "root"), "kms:*", Sid="Own")
ADMIN, APP, ANN, GONE = (
    iam(OWNER, "role/Admin"), iam(MEMBER, "role/App"), iam(MEMBER, "user/Ann"), iam(MEMBER, "role/Gone"),
)  # fmt: skip
OTHER, THIRD = KEY.replace("1234abcd", "4321dcba"), KEY.replace("1234abcd", "5555dcba")
BESIDE, APP_ID = "222222222222", "AROAAPPAPPAPPAPPAPPAP"


@dataclass(frozen=True)
class Everything:
    """All that an analysis gives; `taken` counts what it did not do."""

    result: AnalysisResult
    keys: tuple[KeyRow, ...]
    access: tuple[AccessRow, ...]
    taken: TakenOver

    @property
    def trials(self) -> Trials:
        """The trials for the next run."""
        return self.result.trials


def everything(given: World, known: Trials | None = None, **rules: Any) -> Everything:
    keys: list[KeyRow] = []
    access: list[AccessRow] = []
    result = analyze(
        given, AnalysisRules(**rules), write_key=keys.append, write_access=access.append, known=known or Trials()
    )
    taken = replace(result.taken_over, judged=0, judged_anew=0)
    return Everything(replace(result, taken_over=TakenOver()), tuple(keys), tuple(access), taken)


def remedy_of(found: Everything, arn: str, kind: Kind = Kind.EXTERNAL_ACCESS) -> Any:
    (finding,) = (f for f in found.result.findings if f.kind is kind and f.resource.arn == arn)
    return finding.remediation


BASE = world(
    key(OWN, allow(STRANGER)), key(OWN, allow(APP), arn=OTHER), key(OWN, arn=THIRD, grants=(grant(GONE), grant(APP))),
    principal(ADMIN, FULL), principal(APP, FULL), principal(iam(BESIDE, "role/Far"), FULL), account(BESIDE),
)  # fmt: skip
FULL_RUN = everything(BASE)


def same_but_for_the_work(one: Everything, other: Everything) -> bool:
    return replace(one, taken=other.taken) == other


def with_key(arn: str, **facts: Any) -> World:
    return replace(BASE, keys={**BASE.keys, KeyArn(arn): replace(BASE.keys[KeyArn(arn)], **facts)})


def test_run_tells_what_it_tried() -> None:
    assert FULL_RUN.taken == TakenOver(3, 3, 2, 2)
    assert sorted(FULL_RUN.trials.keys) == sorted((KEY, OTHER, THIRD))
    assert everything(BASE, remedies=False).trials == Trials()
    assert everything(world(key(OWN), principal(ADMIN, FULL))).trials == Trials()


def test_nothing_is_tried_again_where_nothing_has_changed() -> None:
    again = everything(BASE, FULL_RUN.trials)
    assert again.taken == TakenOver(3, 0, 2, 0)
    assert same_but_for_the_work(again, FULL_RUN)


def test_time_alone_changes_nothing_but_the_times_of_findings() -> None:
    later = replace(BASE, as_of="2026-12-01T00:00:00+00:00")
    again = everything(later, FULL_RUN.trials)
    assert again.taken == TakenOver(3, 0, 2, 0)
    assert same_but_for_the_work(again, everything(later))


def test_outcome_is_not_looked_at_where_the_key_has_changed() -> None:
    changed = with_key(KEY, tags={"a": "b"})
    again = everything(changed, FULL_RUN.trials)
    assert again.taken == TakenOver(3, 1, 2, 2)
    assert same_but_for_the_work(again, everything(changed))


def test_outcome_is_not_looked_at_where_a_principal_has_changed_that_it_looked_at() -> None:
    changed = replace(BASE, principals={a: p for a, p in BASE.principals.items() if a != APP})
    again = everything(changed, FULL_RUN.trials)
    assert again.taken.keys_anew == 2
    assert again.taken.trials_anew == again.taken.trials
    assert same_but_for_the_work(again, everything(changed))


def test_principal_far_away_changes_nothing_for_keys() -> None:
    far = iam(BESIDE, "role/Far")
    changed = replace(BASE, principals={a: p for a, p in BASE.principals.items() if a != far})
    again = everything(changed, FULL_RUN.trials)
    assert again.taken == TakenOver(3, 0, 2, 2)
    assert same_but_for_the_work(again, everything(changed))


def test_nothing_is_tried_again_where_only_what_no_trial_looks_at_has_changed() -> None:
    def with_reader(action: str) -> World:
        reads = text(policy(allow(None, action)), DocumentKind.IDENTITY, APP, "reader")
        facts = BASE.principals[APP]
        held = replace(facts, identity_policies=(*facts.identity_policies, reads))
        return replace(BASE, principals={**BASE.principals, APP: held})

    before, after = with_reader("s3:GetObject"), with_reader("sqs:SendMessage")
    used = replace(after.keys[KeyArn(KEY)], last_used="2026-11-29", description="of the app", created="2020-01-01")
    after = replace(after, keys={**after.keys, KeyArn(KEY): used})
    again = everything(after, everything(before).trials)
    assert again.taken == TakenOver(3, 0, 2, 0)
    assert same_but_for_the_work(again, everything(after))


def test_paths_of_the_world_as_it_is_are_not_followed_again_for_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    followed: list[Paths] = []
    really = findings.told_of

    def told(paths: Paths, *more: Any) -> RolePaths:
        followed.append(paths)
        return really(paths, *more)

    for module in (findings, parts):
        monkeypatch.setattr(module, "told_of", told)
    assert everything(BASE).taken.trials_anew == 2
    as_it_is, *beside = followed
    assert [paths is as_it_is for paths in beside] == [True, False]


def lying(trials: Trials, arn: str, **facts: Any) -> Trials:
    """The trials with other outcomes: what is taken over shows."""
    told = trials.keys[arn]
    outcomes = {inputs: replace(outcome, **facts) for inputs, outcome in told.outcomes.items()}
    return replace(trials, keys={**trials.keys, arn: replace(told, outcomes=outcomes)})


def test_taken_over_outcomes_are_what_remedies_say() -> None:
    found = everything(BASE, lying(FULL_RUN.trials, KEY, ends=False))
    assert not remedy_of(found, KEY).verified
    assert remedy_of(FULL_RUN, KEY).verified
    others = everything(BASE, lying(FULL_RUN.trials, KEY, others=("Something",)))
    assert remedy_of(others, KEY).risk_note == "It also changes: Something."
    losers = everything(BASE, lying(FULL_RUN.trials, KEY, losers=(ADMIN,)))
    assert "keeps that of the key's own account" in remedy_of(losers, KEY).effect
    world_lies = {i: replace(o, whole=False) for i, o in FULL_RUN.trials.world.items()}
    found = everything(BASE, replace(FULL_RUN.trials, world=world_lies))
    assert "was not asked" in remedy_of(found, THIRD, Kind.KEY_HYGIENE).effect


def test_trials_of_other_inputs_are_left_alone() -> None:
    told = FULL_RUN.trials.keys[KEY]
    lies = lying(FULL_RUN.trials, KEY, ends=False)
    other = replace(lies, keys={KEY: replace(lies.keys[KEY], inputs="0" * 64)})
    assert same_but_for_the_work(everything(BASE, other), FULL_RUN)
    elsewhere = replace(lies, keys={KEY: replace(lies.keys[KEY], looked_at=(BESIDE,))})
    assert same_but_for_the_work(everything(BASE, elsewhere), FULL_RUN)
    assert told.looked_at == (STRANGER,)


def test_trials_that_an_earlier_run_lacks_are_made() -> None:
    known = replace(FULL_RUN.trials, keys={THIRD: replace(FULL_RUN.trials.keys[THIRD], outcomes={})}, world={})
    again = everything(BASE, known)
    assert again.taken == FULL_RUN.taken
    assert same_but_for_the_work(again, FULL_RUN)


def test_what_was_looked_at_before_counts_with_what_is_looked_at_now() -> None:
    given = world(key(OWN, allow(APP), allow(iam(BESIDE, "root"))), principal(ADMIN, FULL), account(BESIDE))
    full = everything(given)
    told = full.trials.keys[KEY]
    assert set(told.looked_at) == {BESIDE, MEMBER, OWNER}
    for left_out in told.outcomes:
        some = {i: o for i, o in told.outcomes.items() if i != left_out}
        again = everything(given, replace(full.trials, keys={KEY: replace(told, outcomes=some)}))
        assert again.taken.keys_anew == 1
        assert same_but_for_the_work(again, full)


# -- the work that is allowed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", range(2, 9))
def test_taken_over_trials_of_a_key_cost_what_they_did(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedied, "MOST_WORK", most)
    given = world(key(OWN, *(allow(iam(f"{n}" * 12, "root")) for n in range(2, 7))), principal(ADMIN, FULL))
    full = everything(given)
    assert any("too many trials" in f.remediation.effect for f in full.result.findings)
    again = everything(given, full.trials)
    assert again.taken.keys_anew == 0
    assert same_but_for_the_work(again, full)


def busy_world() -> World:
    strange = KEY.replace(OWNER, STRANGER)
    roles = (principal(iam(OWNER, f"role/R{n}"), policy(allow(None, "kms:Encrypt", Resource=f"{strange}{n}")))
             for n in range(4))  # fmt: skip
    grants = (grant(iam(OWNER, "role/Gone"), grant_id="g-1"),)
    return world(key(OWN, grants=grants), key(OWN, arn=OTHER, grants=grants), *roles, principal(ADMIN, FULL))


@pytest.mark.parametrize("most", [0, 7, 8, 14, 15, 20, 21, 22, 28, 30, 36, 42, 60])
def test_taken_over_trials_of_the_world_cost_what_they_did(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world_trials, "MOST_WORK", most)
    monkeypatch.setattr(world_trials, "MOST_WORLDS", 0)
    full = everything(busy_world())
    again = everything(busy_world(), full.trials)
    assert again.taken.trials_anew == 0
    assert same_but_for_the_work(again, full)
    some = dict(list(full.trials.world.items())[::2])
    assert same_but_for_the_work(everything(busy_world(), replace(full.trials, world=some)), full)


def test_one_edit_is_judged_once_for_all_findings_that_it_could_end(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[object] = []
    asked: list[object] = []
    really, ask = world_trials.WorldBench._judge, world_trials.WorldBench._asked

    def judge(self: world_trials.WorldBench, edit: world_trials.WorldEdit, made: str) -> Any:
        judged.append((edit.diff, edit.cli))
        return really(self, edit, made)

    def asked_for(self: world_trials.WorldBench, *of: Any) -> Any:
        asked.append(of)
        return ask(self, *of)

    monkeypatch.setattr(world_trials.WorldBench, "_judge", judge)
    monkeypatch.setattr(world_trials.WorldBench, "_asked", asked_for)
    full = everything(busy_world())
    assert len(judged) == len(set(judged)) > 1
    assert asked
    judged.clear()
    asked.clear()
    everything(busy_world(), full.trials)
    assert not judged
    assert not asked


def test_one_edit_is_another_trial_for_each_finding_that_it_could_end() -> None:
    given = world(key(OWN, grants=(grant(APP, retiring_principal=iam(STRANGER, "role/X")),)), principal(APP, FULL))
    full = everything(given)
    outcomes = full.trials.keys[KEY].outcomes.values()
    assert len({outcome.others for outcome in outcomes}) == 2
    assert same_but_for_the_work(everything(given, full.trials), full)


def test_each_edit_for_one_finding_is_a_trial_of_its_own() -> None:
    ours_and_theirs = {"StringEquals": {"aws:PrincipalOrgID": [ORG, "o-other"]}}
    given = world(key(allow("*", when=ours_and_theirs)), principal(ADMIN, FULL))
    full = everything(given)
    found = [f for f in full.result.findings if f.kind is Kind.EXTERNAL_ACCESS]
    outcomes = full.trials.keys[KEY].outcomes.values()
    assert (len(found), len(outcomes), len(set(outcomes))) == (2, 3, 3)
    assert same_but_for_the_work(everything(given, full.trials), full)


def test_edit_counts_by_who_holds_it_and_what_they_may_lose() -> None:
    given = busy_world()
    told = Inputs(Population(given), AnalysisRules().trust, AnalysisRules())
    outcomes = Outcomes()
    bench = world_trials.WorldBench(given, lambda _: tuple, True, told, outcomes)
    finding = everything(given).result.findings[0]
    edit = world_trials.WorldEdit("k", "t", "cli", "diff", "", given, (KeyArn(KEY),))
    for other in (edit, replace(edit, holders=frozenset({ADMIN})), replace(edit, meant=frozenset({"kms:Encrypt"}))):
        bench.attempt(finding, other)
    assert (len(outcomes.seen), outcomes.anew) == (3, 3)
    bench.attempt(finding, replace(edit, text="other words", terraform="x", risks=("r",)))
    assert outcomes.anew == 3


# -- what is noted ----------------------------------------------------------------------------------------------------


def test_outcome_is_noted_and_made_once() -> None:
    made: list[str] = []
    known, new = TrialOutcome(True), TrialOutcome(False)
    outcomes = Outcomes({"known": known})

    def attempt() -> TrialOutcome:
        made.append("new")
        return new

    assert [outcomes.of(name, attempt) for name in ("known", "new", "known")] == [known, new, known]
    assert (made, outcomes.anew, outcomes.seen) == (["new"], 1, {"known": known, "new": new})


HOLDER = principal(APP, FULL, unique_id=APP_ID)
ASKED = {
    "account": (iam(MEMBER, "root"), {MEMBER}), "role": (APP, {MEMBER}), "user who is gone": (ANN, {MEMBER}),
    "session": (iam(MEMBER, "assumed-role/App/s"), {MEMBER}), "stranger": (iam(STRANGER, "role/X"), {STRANGER}),
    "service": ("logs.amazonaws.com", {""}), "unique id": (APP_ID, {APP_ID, MEMBER}),
    "unique id of nobody": ("AROAGONE", {"AROAGONE", MEMBER, MANAGER}), "nobody": ("a/b", set()),
    "federated user": (iam(MEMBER, "federated-user/Bob"), {MEMBER}),
}  # fmt: skip


@pytest.mark.parametrize(("who", "looked_at"), ASKED.values(), ids=ASKED)
def test_population_knows_whose_principals_it_was_asked_about(who: str, looked_at: set[str]) -> None:
    population = Population(world(HOLDER, key()))
    reached_by(selector_of(who, "aws"), population.world.keys[KeyArn(KEY)], population)
    assert population.looked_at - {""} == looked_at - {""}


@pytest.mark.parametrize("text", ["*", ORG])
def test_population_knows_that_it_was_asked_about_everybody(text: str) -> None:
    population = Population(world(HOLDER, key(), account(BESIDE)))
    selector = replace(selector_of(text, "aws"), kind="any" if text == "*" else "organization")
    reached_from(selector, Place(OWNER, "aws"), population)
    assert population.looked_at >= {MEMBER} | ({BESIDE} if text == "*" else set())


def test_finding_is_of_the_kind_that_the_tests_take_it_for() -> None:
    kinds = {f.kind for f in everything(busy_world()).result.findings if isinstance(f, Finding)}
    assert kinds >= {Kind.FOREIGN_KEY_USE, Kind.KEY_HYGIENE}
