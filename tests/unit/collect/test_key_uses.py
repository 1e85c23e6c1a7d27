"""Keys that RAM shares with an account, and when keys were last used: asked, recorded, and never taken for a no."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from scanner.snapshot.read import open_snapshot
from scanner.snapshot.view import Assumptions, load_world

from fault_server import FaultServer, Key, Reply, as_json, refusal

A, B, EU = "111122223333", "444455556666", "eu-west-1"
K1, K2 = "11111111-0000-0000-0000-000000000000", "22222222-0000-0000-0000-000000000000"
FOREIGN = f"arn:aws:kms:{EU}:{B}:key/{K2}"
SHARED = "OTHER_ACCOUNTS_VIA_RAM"
Collect = Callable[..., Any]


@pytest.fixture
def world(aws: FaultServer) -> FaultServer:
    aws.account(A, EU)
    aws.keys[(A, EU)] = {K1: Key(last_used=1780000000), K2: Key()}
    return aws


def shared_row(done: Any) -> list[tuple[Any, ...]]:
    return done.query("SELECT outcome, message FROM coverage WHERE call = 'kms:ListKeys' AND subject = ?", SHARED)


def last_uses(done: Any) -> dict[str, str]:
    with closing(open_snapshot(done.path)) as connection:
        keys = load_world(connection, Assumptions("2026-11-22T00:00:00+00:00")).keys
    return {arn.rsplit("/", 1)[-1]: key.last_used for arn, key in keys.items()}


def test_keys_shared_through_ram_are_recorded_and_counted_in_coverage(world: FaultServer, run: Collect) -> None:
    world.shared[(A, EU)] = [FOREIGN]
    done = run(ids=(A,))
    assert done.query("SELECT account_id, region, key_arn FROM shared_keys") == [(A, EU, FOREIGN)]
    assert shared_row(done) == [("ok", "keys of other accounts that are shared with this one: 1")]
    assert done.query("SELECT count(*) FROM keys") == [(2,)]
    assert done.gaps() == set()


def test_nothing_shared_is_empty(world: FaultServer, run: Collect) -> None:
    assert shared_row(run(ids=(A,))) == [("empty", "")]


def test_shared_keys_on_later_pages_are_found_behind_an_empty_one(world: FaultServer, run: Collect) -> None:
    pages = (
        as_json({"Keys": [], "Truncated": True, "NextMarker": "m"}),
        as_json({"Keys": [{"KeyId": K2, "KeyArn": FOREIGN}], "Truncated": False}),
    )
    answers = list(pages)
    world.faults.append(
        lambda r: answers.pop(0) if r.operation == "kms:ListKeys" and "ResourceOwners" in r.params else None
    )
    assert run(ids=(A,)).query("SELECT key_arn FROM shared_keys") == [(FOREIGN,)]
    assert {r.params.get("Marker") for r in world.asked("kms:ListKeys") if "ResourceOwners" in r.params} == {None, "m"}


def refuse_shared(world: FaultServer, reply: Reply) -> None:
    world.faults.append(lambda r: reply if r.operation == "kms:ListKeys" and "ResourceOwners" in r.params else None)


def test_refused_list_of_shared_keys_is_a_gap_of_its_own(world: FaultServer, run: Collect) -> None:
    refuse_shared(world, refusal("AccessDeniedException"))
    done = run(ids=(A,))
    assert done.gaps() == {(A, EU, "kms:ListKeys", SHARED, "denied")}
    assert done.query("SELECT count(*) FROM keys") == [(2,)]


def test_endpoint_that_ignores_the_parameter_has_said_nothing_about_shares(world: FaultServer, run: Collect) -> None:
    own = f"arn:aws:kms:{EU}:{A}:key/{K1}"
    refuse_shared(world, as_json({"Keys": [{"KeyId": K1, "KeyArn": own}], "Truncated": False}))
    done = run(ids=(A,))
    assert [outcome for outcome, _ in shared_row(done)] == ["skipped"]
    assert done.query("SELECT * FROM shared_keys") == []


def test_shared_key_of_another_region_aborts_the_unit(world: FaultServer, run: Collect) -> None:
    world.shared[(A, EU)] = [FOREIGN.replace(EU, "us-east-1")]
    assert {row[4] for row in run(ids=(A,)).gaps()} == {"mismatch"}


def test_own_list_still_belongs_to_its_account(world: FaultServer, run: Collect) -> None:
    foreign = as_json({"Keys": [{"KeyId": K2, "KeyArn": FOREIGN}], "Truncated": False})
    world.faults.append(
        lambda r: foreign if r.operation == "kms:ListKeys" and "ResourceOwners" not in r.params else None
    )
    assert {row[4] for row in run(ids=(A,)).gaps()} == {"mismatch"}


def test_last_use_is_asked_only_where_it_is_wanted(world: FaultServer, run: Collect) -> None:
    done = run(ids=(A,))
    assert world.asked("kms:GetKeyLastUsage") == []
    assert last_uses(done) == {K1: "", K2: ""}


def test_last_use_and_its_absence_are_told_apart(world: FaultServer, run: Collect) -> None:
    done = run(ids=(A,), keys_last_usage=True)
    assert last_uses(done) == {K1: "2026-05-28T20:26:40Z", K2: "not since 2026-04-24T03:06:40Z"}
    assert done.ledger(call="kms:GetKeyLastUsage") == {
        (A, EU, "kms:GetKeyLastUsage", K1, "ok"),
        (A, EU, "kms:GetKeyLastUsage", K2, "empty"),
    }


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (refusal("AccessDeniedException"), "denied"),
        (as_json({"KeyLastUsage": {}}), "malformed"),
    ],
)
def test_last_use_that_was_not_answered_is_a_gap_and_no_absence(
    world: FaultServer, run: Collect, reply: Reply, outcome: str
) -> None:
    world.fail("kms:GetKeyLastUsage", reply, key=K1)
    done = run(ids=(A,), keys_last_usage=True)
    assert done.gaps() == {(A, EU, "kms:GetKeyLastUsage", K1, outcome)}
    assert last_uses(done)[K1] == ""


def test_last_use_of_another_key_aborts_the_unit(world: FaultServer, run: Collect) -> None:
    world.fail("kms:GetKeyLastUsage", as_json({"KeyId": K2, "TrackingStartDate": 1777000000}), key=K1)
    assert {row[4] for row in run(ids=(A,), keys_last_usage=True).gaps()} == {"mismatch"}


@pytest.mark.parametrize(("share", "a_second"), [(100, 5), (20, 1)])
def test_last_use_keeps_to_the_share_of_its_quota(world: FaultServer, run: Collect, share: int, a_second: int) -> None:
    """AWS allows five a second, all callers of an account and region together, and no more at once."""
    world.keys[(A, EU)] = {f"{n:08d}-0000-0000-0000-000000000000": Key() for n in range(25)}
    done = run(ids=(A,), keys_last_usage=True, kms_quota_share=share)
    assert done.clock.slept == pytest.approx(24 / a_second, rel=0.05)
