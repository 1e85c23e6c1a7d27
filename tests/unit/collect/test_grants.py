"""Grants that the list of their key does not have: seen where a principal of the account may retire them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from scanner.collect.permissions import audit_role
from scanner.model.arn import KeyArn
from scanner.model.key import KeyFacts
from scanner.snapshot.read import open_snapshot
from scanner.snapshot.view import Assumptions, load_world

from fault_server import FaultServer, Key, Reply, Request, as_json, refusal

A, B, EU, US = "111122223333", "444455556666", "eu-west-1", "us-east-1"
K1, K2, K3 = (f"{n * 8}-0000-0000-0000-000000000000" for n in "123")
JOB, CRON = f"arn:aws:iam::{A}:role/Job", f"arn:aws:iam::{A}:role/Cron"
STRANGER = f"arn:aws:iam::{B}:role/Copy"
RETIRABLE = "kms:ListRetirableGrants"
Collect = Callable[..., Any]


def grant(name: str, retiring: str | None = JOB) -> dict[str, Any]:
    """What a list has of a grant to a stranger."""
    named = {"RetiringPrincipal": retiring} if retiring else {}
    return {"GrantId": name, "GranteePrincipal": STRANGER, "Operations": ["Decrypt"], **named}


def arn(key_id: str, account: str = A, region: str = EU) -> str:
    return f"arn:aws:kms:{region}:{account}:key/{key_id}"


def listing(*grants: dict[str, Any], key: str = K1, **paging: object) -> Reply:
    return as_json({"Grants": [{"KeyId": arn(key), **g} for g in grants], "Truncated": False, **paging})


@pytest.fixture
def world(aws: FaultServer) -> FaultServer:
    """Two keys with one grant each; a role of the account may retire the first."""
    aws.account(A, EU)
    aws.keys[(A, EU)] = {K1: Key(grants=[grant("g1")]), K2: Key(grants=[grant("g2", STRANGER)])}
    return aws


def hide(world: FaultServer, key_id: str, *shown: dict[str, Any], times: int | None = None) -> None:
    """Let the list of a key have these grants and no other."""
    world.fail("kms:ListGrants", listing(*shown, key=key_id), key=key_id, times=times)


def facts(done: Any, key_id: str = K1) -> KeyFacts:
    with closing(open_snapshot(done.path)) as connection:
        return load_world(connection, Assumptions("2026-11-22T00:00:00+00:00")).keys[KeyArn(arn(key_id))]


def grants_of(done: Any, key_id: str = K1) -> list[str]:
    return [row[0] for row in done.query("SELECT grant_id FROM grants WHERE key_arn = ? ORDER BY 1", arn(key_id))]


def told(done: Any, call: str = RETIRABLE) -> list[tuple[str, ...]]:
    return done.query("SELECT subject, outcome, message FROM coverage WHERE call = ? ORDER BY subject", call)


def asked(world: FaultServer) -> list[str]:
    return [request.params["RetiringPrincipal"] for request in world.asked(RETIRABLE)]


def test_lists_that_agree_leave_no_gap_and_one_row_for_the_principal(world: FaultServer, run: Collect) -> None:
    done = run(ids=(A,))
    assert (done.gaps(), told(done)) == (set(), [(JOB, "ok", "")])
    assert facts(done).grants_complete


def test_each_retiring_principal_of_the_account_is_asked_once_and_no_other(world: FaultServer, run: Collect) -> None:
    session = f"arn:aws:sts::{A}:assumed-role/Deploy/ci"
    gone = "AROAEXAMPLE"
    more = [grant(f"h{n}", who) for n, who in enumerate((JOB, CRON, session, STRANGER, gone, None))]
    world.keys[(A, EU)][K2] = Key(grants=more)
    run(ids=(A,))
    assert asked(world) == [CRON, JOB, session]


@pytest.mark.parametrize("retiring", [None, STRANGER, "AROAEXAMPLE"])
def test_without_a_retiring_principal_of_the_account_there_is_no_call(
    world: FaultServer, run: Collect, retiring: str | None
) -> None:
    world.keys[(A, EU)] = {K1: Key(grants=[grant("g1", retiring)]), K2: Key()}
    done = run(ids=(A,))
    assert (asked(world), told(done)) == ([], [])


@pytest.mark.parametrize("status", ["ok", "empty"])
def test_grant_that_the_list_of_its_key_hides_counts_and_makes_the_list_a_gap(
    world: FaultServer, run: Collect, status: str
) -> None:
    shown = [grant("g2", STRANGER)] if status == "ok" else []
    world.keys[(A, EU)][K2] = Key(grants=[grant("g2", STRANGER), grant("hidden")])
    hide(world, K2, *shown)
    done = run(ids=(A,))
    assert done.gaps() == {(A, EU, "kms:ListGrants", K2, "error")}
    assert grants_of(done, K2) == [*(g["GrantId"] for g in shown), "hidden"]
    key = facts(done, K2)
    assert (key.grants_complete, key.gaps) == (False, {"grants": f"{A}/{EU}/kms:ListGrants/{K2}"})
    assert {g.grantee_principal for g in key.grants or ()} == {STRANGER}
    ((_, _, message),) = [row for row in told(done, "kms:ListGrants") if row[0] == K2]
    assert message == "the list is not whole: `kms:ListRetirableGrants` has grants of this key that it lacks: hidden"
    assert facts(done, K1).grants_complete
    (todo,) = done.query("SELECT what_to_do FROM coverage WHERE subject = ? AND call = 'kms:ListGrants'", K2)
    assert todo == ("run again; if it stays, read the message",)


def test_message_names_a_few_of_many_hidden_grants(world: FaultServer, run: Collect) -> None:
    world.keys[(A, EU)][K2] = Key(grants=[grant(f"h{n}") for n in range(5)])
    hide(world, K2)
    assert told(run(ids=(A,)), "kms:ListGrants")[1][2].endswith("lacks: h0, h1, h2 and 2 more")


def test_grant_made_between_the_two_lists_counts_and_is_no_gap(world: FaultServer, run: Collect) -> None:
    world.keys[(A, EU)][K2] = Key(grants=[grant("new")])
    hide(world, K2, times=1)
    done = run(ids=(A,))
    assert (done.gaps(), grants_of(done, K2)) == (set(), ["new"])
    assert done.query("SELECT grants_status FROM keys WHERE key_id = ?", K2) == [("ok",)]
    assert len([r for r in world.asked("kms:ListGrants") if r.params["KeyId"] == K2]) == 2


def test_list_that_is_refused_when_it_is_asked_again_is_that_gap(world: FaultServer, run: Collect) -> None:
    world.keys[(A, EU)][K2] = Key(grants=[grant("new")])
    world.fail("kms:ListGrants", listing(key=K2), refusal("AccessDeniedException"), key=K2)
    done = run(ids=(A,))
    assert done.gaps() == {(A, EU, "kms:ListGrants", K2, "denied")}
    assert (grants_of(done, K2), facts(done, K2).grants_complete) == (["new"], False)


def test_grant_of_a_key_whose_list_was_refused_counts_and_the_refusal_stays(world: FaultServer, run: Collect) -> None:
    world.keys[(A, EU)][K2] = Key(grants=[grant("hidden")])
    world.fail("kms:ListGrants", refusal("AccessDeniedException"), key=K2)
    done = run(ids=(A,))
    assert done.gaps() == {(A, EU, "kms:ListGrants", K2, "denied")}
    assert (grants_of(done, K2), facts(done, K2).grants_complete) == (["hidden"], False)
    assert len([r for r in world.asked("kms:ListGrants") if r.params["KeyId"] == K2]) == 1


def test_hidden_grant_on_a_later_page_is_found(world: FaultServer, run: Collect) -> None:
    world.fail(RETIRABLE, listing(grant("hidden")), Marker="m")
    world.fail(RETIRABLE, listing(grant("g1"), Truncated=True, NextMarker="m"))
    done = run(ids=(A,))
    assert [r.params.get("Marker") for r in world.asked(RETIRABLE)] == [None, "m"]
    assert {r.params["Limit"] for r in world.asked(RETIRABLE)} == {100}
    assert grants_of(done) == ["g1", "hidden"]
    assert done.gaps() == {(A, EU, "kms:ListGrants", K1, "error")}


def test_what_was_read_before_a_cross_check_broke_off_counts(world: FaultServer, run: Collect) -> None:
    world.fail(RETIRABLE, refusal("AccessDeniedException"), Marker="m")
    world.fail(RETIRABLE, listing(grant("hidden"), Truncated=True, NextMarker="m"))
    done = run(ids=(A,))
    assert done.gaps() == {(A, EU, "kms:ListGrants", K1, "error")}
    assert [row[:2] for row in told(done)] == [(JOB, "skipped")]


@pytest.mark.parametrize(
    ("reply", "code", "todo"),
    [
        (
            refusal("AccessDeniedException"),
            "AccessDeniedException",
            "allow `kms:ListRetirableGrants` to the audit role",
        ),
        (refusal("InvalidArnException"), "InvalidArnException", "run again"),
        (as_json({"Grants": []}), "RejectedAnswer", "look at the document or answer"),
        (listing(Truncated=True), "RejectedAnswer", "look at the document or answer"),
        (as_json({"Grants": [None], "Truncated": False}), "AttributeError", "run again"),
    ],
)
def test_cross_check_that_fails_is_a_note_that_weakens_nothing(
    world: FaultServer, run: Collect, reply: Reply, code: str, todo: str
) -> None:
    world.fail(RETIRABLE, reply)
    done = run(ids=(A,))
    assert done.gaps() == set()
    assert facts(done).grants_complete
    (row,) = done.query("SELECT outcome, error_code, message, what_to_do FROM coverage WHERE call = ?", RETIRABLE)
    assert row[:2] == ("skipped", code)
    assert row[2].startswith(f"no cross-check, which weakens no verdict: {code}: ")
    assert row[3].startswith(todo)


def test_grants_on_keys_of_other_accounts_are_counted_and_stay_in_the_raw_answers(
    world: FaultServer, run: Collect
) -> None:
    world.account(B, EU)
    world.keys[(B, EU)] = {K3: Key(grants=[grant("theirs"), grant("too")])}
    done = run(ids=(A,))
    assert told(done) == [(JOB, "ok", "grants on keys of other accounts: 2")]
    assert (done.gaps(), done.query("SELECT count(*) FROM grants")) == (set(), [(2,)])
    (kept,) = done.query("SELECT subject FROM answers WHERE operation = 'ListRetirableGrants'")
    assert kept == (JOB,)


def test_grant_on_a_key_that_no_list_named_makes_the_list_of_keys_a_gap(world: FaultServer, run: Collect) -> None:
    world.fail(RETIRABLE, listing(grant("g9"), key=K3))
    done = run(ids=(A,))
    assert done.gaps() == {(A, EU, "kms:ListKeys", "", "error")}
    assert K3 in told(done, "kms:ListKeys")[0][2]
    assert done.query("SELECT count(*) FROM grants") == [(2,)]


def test_unlisted_key_leaves_the_refusal_of_the_list_as_it_is(world: FaultServer, run: Collect) -> None:
    world.aliases[(A, EU)] = [{"AliasName": "alias/a", "TargetKeyId": K1}]
    world.fail("kms:ListKeys", refusal("AccessDeniedException"), ResourceOwners=None)
    world.fail(RETIRABLE, listing(grant("g9"), key=K3))
    assert run(ids=(A,)).gaps() == {(A, EU, "kms:ListKeys", "", "denied")}


def test_grant_on_a_key_that_the_configuration_left_out_is_left_out_too(world: FaultServer, run: Collect) -> None:
    world.keys[(A, EU)][K2] = Key(grants=[grant("hidden")])
    done = run(ids=(A,), keys_include=(arn(K1),))
    assert (done.gaps(), grants_of(done, K2)) == (set(), [])


def test_grant_on_a_key_that_aws_manages_is_no_gap(world: FaultServer, run: Collect) -> None:
    world.keys[(A, EU)][K2] = Key(grants=[grant("service")], manager="AWS")
    done = run(ids=(A,))
    assert (done.gaps(), grants_of(done, K2)) == (set(), [])


def other_account(request: Request) -> Reply | None:
    theirs = grant("g1", JOB.replace(A, B))
    return listing(theirs) if request.operation == RETIRABLE else None


def other_region(request: Request) -> Reply | None:
    grants = [{"KeyId": arn(K1, region=US), **grant("g1")}]
    return as_json({"Grants": grants, "Truncated": False}) if request.operation == RETIRABLE else None


@pytest.mark.parametrize("fault", [other_account, other_region])
def test_cross_check_of_another_account_or_region_aborts_the_unit(
    world: FaultServer, run: Collect, fault: Callable[[Request], Reply | None]
) -> None:
    world.faults.append(fault)
    done = run(ids=(A,))
    assert done.gaps() == {(A, EU, "kms:ListKeys", "", "mismatch")}
    assert done.query("SELECT 1 FROM grants") == []


def test_cross_check_keeps_to_the_share_of_its_quota(world: FaultServer, run: Collect) -> None:
    principals = [f"arn:aws:iam::{A}:role/R{n}" for n in range(62)]
    world.keys[(A, EU)] = {K1: Key(grants=[grant(f"g{n}", who) for n, who in enumerate(principals)])}
    done = run(ids=(A,), kms_quota_share=20)
    assert len(asked(world)) == 62
    assert done.clock.slept == pytest.approx(60 / 20)


def test_action_is_one_of_the_account_because_its_resource_is_a_principal() -> None:
    role = audit_role(kind="member", trusted_arn=f"arn:aws:iam::{A}:role/audit", external_id="x1")
    of_account, of_keys = json.loads(role.permissions_policy)["Statement"]
    assert RETIRABLE in of_account["Action"]
    assert RETIRABLE not in of_keys["Action"]
    assert of_account["Resource"] == "*"
