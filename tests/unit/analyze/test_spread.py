"""Parts of an analysis done by others: the result is that of one hand, whoever does how many parts in which order."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pytest
from scanner.analyze import findings, parts
from scanner.analyze import spread as module
from scanner.analyze.findings import AnalysisResult, Verdicts, analyze
from scanner.analyze.judging import Judging
from scanner.analyze.parts import AnalysisRules, Bench
from scanner.analyze.paths.role_paths import RolePaths
from scanner.analyze.shared_bytes import SharedBytes
from scanner.analyze.spread import shards_of
from scanner.model.finding import AccessRow, FindingVerdict, KeyRow
from scanner.model.outcomes import Trials
from scanner.model.verdicts import KeyVerdicts
from scanner.model.world import World
from scanner.snapshot.read import reading
from scanner.snapshot.view import Assumptions, load_meta, load_world

from builders import FULL, KEY, MEMBER, OWNER, STRANGER, allow, iam, key, policy, principal, world
from left_behind import found_again
from org import write
from synthetic.shape import Shape


class Inline(Executor):
    """Does what it is asked for at once, and counts it."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.before = before
        self.worlds_sent: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The result is there when the call returns."""
        self.before()
        self.worlds_sent.append(sum(bool(content) for _, content in args[0]))
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@dataclass(frozen=True)
class Everything:
    """All that an analysis gives, in the order in which it was given."""

    result: AnalysisResult
    keys: tuple[KeyRow, ...]
    access: tuple[AccessRow, ...]
    left: tuple[KeyVerdicts, ...]


def everything(
    given: World, rules: AnalysisRules, lanes: Sequence[Executor] = (), known: Trials | None = None,
    left: Sequence[KeyVerdicts] = (),
) -> Everything:  # fmt: skip
    keys: list[KeyRow] = []
    access: list[AccessRow] = []
    kept: list[KeyVerdicts] = []
    with found_again(left) as verdicts:
        result = analyze(
            given, rules, write_key=keys.append, write_access=access.append, lanes=lanes, known=known or Trials(),
            verdicts=Verdicts(verdicts, lambda found, _: kept.append(found)),
        )  # fmt: skip
    return Everything(result, tuple(keys), tuple(access), tuple(kept))


@pytest.fixture(autouse=True)
def _new_worker() -> None:
    module._opened.clear()


@pytest.fixture(scope="module")
def organization(tmp_path_factory: pytest.TempPathFactory) -> World:
    path = write(Shape(34, 12, seed=2), tmp_path_factory.mktemp("org") / "snapshot.sqlite")
    with reading(path) as connection:
        return load_world(connection, Assumptions(load_meta(connection)["as_of"]))


RULES = AnalysisRules(insiders=True, managers=("customer", "aws"))


@pytest.fixture(scope="module")
def serial(organization: World) -> Everything:
    return everything(organization, RULES)


def test_organization_has_what_parts_could_lose(serial: Everything) -> None:
    kinds = {f.kind.value for f in serial.result.findings}
    assert {"external_access", "assumed_role_path", "key_hygiene", "broad_key_permission", "foreign_key_use"} <= kinds
    assert any(f.remediation.verified for f in serial.result.findings if f.kind.value == "broad_key_permission")
    assert serial.result.documents
    assert {row.access.mechanism for row in serial.access} >= {"role", "key_policy", "grant"}


@pytest.mark.parametrize("number", [1, 2, 3, 7])
def test_result_is_the_same_for_any_number_of_executors(number: int, organization: World, serial: Everything) -> None:
    assert everything(organization, RULES, [Inline() for _ in range(number)]) == serial


def test_result_is_the_same_where_parts_are_done_at_the_same_time(organization: World, serial: Everything) -> None:
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        assert everything(organization, RULES, [one, other]) == serial


def test_result_is_the_same_for_keys_one_by_one(
    organization: World, serial: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_KEYS", 1)
    monkeypatch.setattr(module, "_IN_FLIGHT", 1)
    assert everything(organization, RULES, [Inline(), Inline()]) == serial


def test_trials_are_taken_over_whoever_made_them_and_whoever_judges(organization: World, serial: Everything) -> None:
    tried = serial.result.taken_over
    assert (tried.keys_anew, tried.trials_anew) == (tried.keys, tried.trials) > (2, 2)
    again = everything(organization, RULES, [Inline(), Inline()], serial.result.trials)
    assert again.result.taken_over == replace(tried, keys_anew=0, trials_anew=0)
    assert replace(again, result=replace(again.result, taken_over=tried)) == serial
    some = replace(serial.result.trials, keys=dict(list(serial.result.trials.keys.items())[::2]))
    part = everything(organization, RULES, [Inline(), Inline()], some)
    assert part.result.taken_over == replace(tried, keys_anew=tried.keys - len(some.keys), trials_anew=0)
    assert replace(part, result=replace(part.result, taken_over=tried)) == serial


def test_what_is_left_to_the_next_run_is_the_same_whoever_is_judged_together(
    organization: World, serial: Everything
) -> None:
    def of_any_rules(left: Sequence[KeyVerdicts]) -> list[KeyVerdicts]:
        return [replace(one, inputs=replace(one.inputs, sha256="")) for one in left]

    alone = everything(organization, replace(RULES, by_class=False, remedies=False)).left
    assert of_any_rules(alone) == of_any_rules(serial.left)
    assert any(len(share.callers) > 1 for told in alone for naming in told.uses for share in naming.shares)


@pytest.mark.parametrize("most_keys", [1, 250])
def test_judgements_are_taken_over_whoever_made_them_and_whoever_judges(
    most_keys: int, organization: World, serial: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_KEYS", most_keys)
    did = serial.result.taken_over
    assert did.judged_anew == did.judged == len(serial.left) > 6
    for taken in (serial.left, serial.left[::2], serial.left[1::3]):
        again = everything(organization, RULES, [Inline(), Inline()], left=taken)
        assert again.result.taken_over == replace(did, judged_anew=did.judged - len(taken))
        assert replace(again, result=replace(again.result, taken_over=did)) == serial


def test_workers_judge_no_key_whose_judgement_is_taken_over(
    organization: World, serial: Everything, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> Any:
        raise AssertionError

    monkeypatch.setattr(parts, "key_findings", never)
    rules = replace(RULES, remedies=False)
    with pytest.raises(AssertionError):
        everything(organization, rules, [Inline()])
    monkeypatch.undo()
    full = everything(organization, rules)
    monkeypatch.setattr(parts, "key_findings", never)
    again = everything(organization, rules, [Inline()], left=full.left)
    assert (again.keys, again.access, again.left) == (full.keys, full.access, full.left)


@pytest.mark.parametrize("rules", [
    replace(RULES, remedies=False), replace(RULES, remedies=False, by_class=False), replace(RULES, iam_changes=False),
    replace(RULES, service_principals="none", remember=False),
])  # fmt: skip
def test_result_is_the_same_by_other_rules(rules: AnalysisRules) -> None:
    role = principal(iam(OWNER, "role/App"), FULL, trust=policy(allow(STRANGER, "sts:AssumeRole")))
    ours = principal(iam(MEMBER, "user/Ann"), policy(allow(None, "kms:*")))
    keys = [key(allow("*"), allow(iam(OWNER, "root"), "kms:*"), arn=f"{KEY}{number}") for number in range(5)]
    given = world(role, ours, *keys, key(allow(STRANGER), arn=KEY.replace(OWNER, MEMBER)),
                  key(arn=f"{KEY}9", manager="AWS"))  # fmt: skip
    alone = everything(given, rules)
    assert alone.access
    assert len(alone.keys) == 7
    assert everything(given, rules, [Inline(), Inline()]) == alone


def test_worlds_are_sent_once(organization: World) -> None:
    lane = Inline()
    everything(organization, replace(RULES, remedies=False), [lane])
    assert lane.worlds_sent[0] == 1
    assert not any(lane.worlds_sent[1:])


def test_worker_that_forgets_is_sent_the_worlds_again(organization: World, serial: Everything) -> None:
    lane = Inline(before=module._opened.clear)
    assert everything(organization, RULES, [lane]) == serial
    assert max(lane.worlds_sent) == 2


def test_worker_keeps_the_world_that_others_are_made_of(organization: World) -> None:
    everything(organization, RULES, [Inline()])
    assert len(module._opened) == module._KEPT
    assert min(map(len, module._opened)) == 1


def test_rows_do_not_wait_for_the_last_key(organization: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IN_FLIGHT", 1)
    order: list[str] = []
    rules = replace(RULES, remedies=False)
    lane = Inline(before=lambda: order.append("part"))
    analyze(organization, rules, write_key=lambda _: order.append("key"), write_access=lambda _: None, lanes=[lane])
    assert "part" in order[order.index("key") :]


def order_of(given: World, lanes: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """In which order parts are asked for, paths followed here, and stages told."""
    order: list[str] = []
    follow = findings.told_of

    def followed(*args: Any) -> RolePaths:
        order.append("paths are followed")
        return follow(*args)

    monkeypatch.setattr(findings, "told_of", followed)
    executors = [Inline(before=lambda: order.append("part")) for _ in range(lanes)]
    analyze(
        given, RULES, write_key=lambda _: None, write_access=lambda _: None, lanes=executors,
        on_progress=lambda judging: order.append(judging.what),
    )  # fmt: skip
    return [word for word, _ in groupby(order)]


def test_keys_are_judged_by_others_while_paths_are_followed_here(
    organization: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of(organization, 2, monkeypatch)
    assert order[:4] == ["following roles", "part", "paths are followed", "judging keys"]


def test_edits_are_tried_by_others_while_trust_policies_are_edited_here(
    organization: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = order_of(organization, 2, monkeypatch)
    at = order.index("judging identity policies")
    assert order[at : at + 3] == ["judging identity policies", "part", "trying edits of trust policies"]


def test_few_executors_are_not_asked_about_single_nodes(organization: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[type] = []
    ask = SharedBytes.dump

    def noted(shared: SharedBytes, content: object) -> bytes:
        asked.append(type(content))
        return ask(shared, content)

    monkeypatch.setattr(SharedBytes, "dump", noted)
    everything(organization, replace(RULES, remedies=False), [Inline(), Inline()])
    assert module._KeysWanted in asked
    assert module._UsesWanted not in asked
    everything(organization, replace(RULES, remedies=False), [Inline(), Inline(), Inline()])
    assert {module._EdgesWanted, module._UsesWanted} <= set(asked)


def test_progress_counts_every_key(organization: World) -> None:
    told: list[Judging] = []
    analyze(
        organization, replace(RULES, remedies=False), write_key=lambda _: None, write_access=lambda _: None,
        lanes=[Inline()], on_progress=told.append,
    )  # fmt: skip
    number = len(organization.keys)
    counted = [judging for judging in told if judging.total]
    assert counted == [Judging("judging keys", done, number) for done in range(1, number + 1)]
    assert [j.what for j in told if not j.total] == ["following roles", "judging identity policies"]


def test_empty_world_has_no_parts() -> None:
    lane = Inline()
    assert everything(world(), RULES, [lane]) == everything(world(), RULES)
    assert not lane.worlds_sent


# -- other worlds -----------------------------------------------------------------------------------------------------


def test_paths_are_known_again_for_the_same_keys_only(organization: World) -> None:
    rules = replace(RULES, remedies=False)
    bench, few = Bench.of(organization, rules), dict(list(organization.keys.items())[:3])
    again = bench.beside(replace(organization, keys=dict(organization.keys)), rules)
    assert again.paths is bench.paths
    for other in (replace(organization, keys=few), replace(organization, principals=dict(organization.principals))):
        beside = bench.beside(other, rules)
        assert beside.paths is not bench.paths
        assert beside.world is other


def test_other_world_is_judged_as_if_it_were_the_only_one(organization: World) -> None:
    rules = replace(RULES, remedies=False)
    bench = Bench.of(organization, rules)
    bench.found_on_paths()
    wide = replace(rules, service_principals="all")
    for keys in (organization.keys, dict(list(organization.keys.items())[:3])):
        other = replace(organization, keys=dict(keys))
        beside = bench.beside(other, wide)
        found = [*beside.found_on_paths(), *beside.found_on_keys()]
        assert {f.id: f for f in found} == {f.id: f for f in everything(other, wide).result.findings}
        assert found


# -- shards -----------------------------------------------------------------------------------------------------------


def keys_of(*places: str) -> list[Any]:
    return [key(arn=f"arn:aws:kms:{place}:key/{number}") for number, place in enumerate(places)]


def test_shards_end_where_the_account_changes() -> None:
    one, other = f"eu-west-1:{OWNER}", f"eu-west-1:{MEMBER}"
    assert list(shards_of(keys_of(one, one, other, other, other), 3)) == [(0, 2), (2, 5)]
    assert list(shards_of(keys_of(one, one, other, other, other), 5)) == [(0, 5)]
    assert list(shards_of(keys_of(one, f"us-east-1:{OWNER}"), 1)) == [(0, 1), (1, 2)]


def test_account_with_more_keys_than_a_shard_is_cut() -> None:
    one, other = f"eu-west-1:{OWNER}", f"eu-west-1:{MEMBER}"
    assert list(shards_of(keys_of(one, other, other, other, other, other), 2)) == [(0, 1), (1, 3), (3, 5), (5, 6)]
    assert list(shards_of([], 2)) == []


# -- bytes ------------------------------------------------------------------------------------------------------------


def test_facts_of_the_world_are_not_copied_and_others_are() -> None:
    role = principal(iam(OWNER, "role/App"), policy(allow()))
    given = world(key(allow(STRANGER)), role)
    shared = SharedBytes(given)
    strange = principal(iam(MEMBER, "role/Other"))
    (one, other), verdict, nothing = shared.load(shared.dump(((role, strange), FindingVerdict.POSSIBLE, None)))
    assert one is role
    assert other == strange
    assert other is not strange
    assert verdict is FindingVerdict.POSSIBLE
    assert nothing is None
    assert role.identity_policies[0].text.encode() not in shared.dump(role)


def test_dataclasses_come_back_whole_whatever_their_fields() -> None:
    shared = SharedBytes()
    for thing in (Lone(("a",)), Grown(3), Judging("keys", 1, 2), Lone(())):
        again = shared.load(shared.dump(thing))
        assert again == thing
        assert type(again) is type(thing)


@dataclass(frozen=True, slots=True)
class Lone:
    """A single field, whose value is a tuple."""

    values: tuple[str, ...]


@dataclass
class Grown:
    """Something made otherwise than by its fields alone."""

    number: int

    def __post_init__(self) -> None:
        self.number += 1


def test_reading_leaves_the_search_for_garbage_as_it_was() -> None:
    shared = SharedBytes()
    shared.load(shared.dump(1))
    assert gc.isenabled()
    gc.disable()
    try:
        shared.load(shared.dump(1))
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_key_of_the_stranger_is_told_by_both_hands() -> None:
    given = world(key(allow(iam(STRANGER, "root")), arn=KEY))
    assert everything(given, RULES, [Inline()]) == everything(given, RULES)
    assert everything(given, RULES).result.findings
