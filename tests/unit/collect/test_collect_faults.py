"""Whole collections against a loopback AWS that misbehaves: what the ledger says, and that others are unaffected."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from scanner.collect import keys
from scanner.collect.permissions import PERMISSIONS, session_policy
from scanner.collect.sessions import Sessions, botocore_session
from scanner.collect.settings import AccountOverride, CollectSettings
from scanner.collect.wire import Pacing, Unit, call
from scanner.errors import NothingScannedError, UsageError
from scanner.snapshot.rows import UnitRecord

from fault_server import (
    CALLER,
    SECRET,
    TOKEN,
    FakeClock,
    FaultServer,
    Key,
    Reply,
    Request,
    as_json,
    refusal,
    refusal_xml,
    role_xml,
)

A, B = "111122223333", "444455556666"
EU, US = "eu-west-1", "us-east-1"
K1, K2 = "11111111-0000-0000-0000-000000000000", "22222222-0000-0000-0000-000000000000"
NOW = datetime(2026, 11, 22, 0, 10, tzinfo=UTC)
Collect = Callable[..., Any]


@pytest.fixture
def world(aws: FaultServer) -> FaultServer:
    """Two accounts; the first has two keys in Europe, the second one key in America."""
    aws.account(A, EU)
    aws.account(B, US)
    aws.keys[(A, EU)] = {K1: Key(), K2: Key(tags=[{"TagKey": "app", "TagValue": "x"}])}
    aws.keys[(B, US)] = {K1: Key()}
    return aws


def both(run: Collect, **settings: Any) -> Any:
    return run(ids=(A, B), **settings)


def complete_keys(done: Any) -> set[tuple[str, str]]:
    """Keys of which everything was read."""
    parts = ("describe", "policy", "ram", "grants", "tags", "aliases")
    read = " AND ".join(f"{part}_status IN ('ok', 'empty')" for part in parts)
    return set(done.query(f"SELECT account_id, key_id FROM keys WHERE {read}"))


def test_healthy_accounts_leave_no_gap(world: FaultServer, run: Collect) -> None:
    done = both(run)
    assert done.gaps() == set()
    assert complete_keys(done) == {(A, K1), (A, K2), (B, K1)}
    assert done.summary.complete
    assert done.meta()["complete"] == "1"
    assert done.meta()["snapshot_hash"] == done.summary.snapshot_hash
    assert done.meta()["caller_account"] == CALLER
    assert json.loads(done.meta()["run_regions"]) == [EU, US]


def test_every_call_is_in_the_permissions_list(world: FaultServer, run: Collect) -> None:
    world.fail("account:ListRegions", refusal("AccessDeniedException"), account=B)
    both(run, regions_include=(US, EU))
    assert {request.operation for request in world.requests} <= {p.action for p in PERMISSIONS}
    assert len({request.operation for request in world.requests}) > 12


def test_every_session_carries_our_session_policy_and_external_id(world: FaultServer, run: Collect) -> None:
    both(run, external_id="shared-secret", session_name="scan {run_id}")
    asked = world.asked("sts:AssumeRole")
    assert {r.params["RoleArn"] for r in asked} == {f"arn:aws:iam::{a}:role/audit/KmsScanReadOnly" for a in (A, B)}
    assert {r.params["Policy"] for r in asked} == {session_policy()}
    assert {r.params["ExternalId"] for r in asked} == {"shared-secret"}
    assert {r.params["RoleSessionName"] for r in asked} == {"scan-r-1"}
    assert {r.params["DurationSeconds"] for r in asked} == {"900"}
    assert len(asked) == 2


def test_session_policy_is_left_out_when_scope_down_is_off(world: FaultServer, run: Collect) -> None:
    both(run, scope_down=False)
    assert all("Policy" not in request.params for request in world.asked("sts:AssumeRole"))


def test_hub_is_the_first_hop_and_members_are_entered_from_it(world: FaultServer, run: Collect) -> None:
    both(run, hub_role_arn="arn:aws:iam::777777777777:role/hub")
    hops = {(r.account, r.params["RoleArn"].split(":")[4]) for r in world.asked("sts:AssumeRole")}
    assert hops == {(CALLER, "777777777777"), ("777777777777", A), ("777777777777", B)}


def test_snapshot_holds_no_credentials(world: FaultServer, run: Collect, text_of: Callable[[Path], str]) -> None:
    world.fail("sts:AssumeRole", refusal_xml("AccessDenied", f"token {TOKEN}"), RoleArn="never")
    done = both(run, external_id="shared-secret")
    text = text_of(done.path)
    for secret in (SECRET, TOKEN, "shared-secret", "caller-secret", "ASIA"):
        assert secret not in text
    assert done.query("SELECT 1 FROM answers WHERE service = 'sts'") == []


def test_override_changes_role_external_id_and_regions_of_one_account(world: FaultServer, run: Collect) -> None:
    override = AccountOverride(role_arn=f"arn:aws:iam::{A}:role/other", external_id="its-own", regions=("us-*",))
    done = both(run, external_id="all", overrides={A: override})
    sent = {r.params["RoleArn"]: r.params["ExternalId"] for r in world.asked("sts:AssumeRole")}
    assert sent == {f"arn:aws:iam::{A}:role/other": "its-own", f"arn:aws:iam::{B}:role/audit/KmsScanReadOnly": "all"}
    assert done.ledger(account_id=A, call="kms:ListKeys") == {(A, EU, "kms:ListKeys", "", "skipped")}


def own_lists(world: FaultServer) -> list[Request]:
    """Requests for the keys of the account itself, and not for those that others share with it."""
    return [request for request in world.asked("kms:ListKeys") if "ResourceOwners" not in request.params]


def page(items: list[str], region: str, account: str, **more: Any) -> Reply:
    keys = [{"KeyId": k, "KeyArn": f"arn:aws:kms:{region}:{account}:key/{k}"} for k in items]
    return as_json({"Keys": keys, **more})


def test_pages_are_followed_to_the_end(world: FaultServer, run: Collect) -> None:
    first = page([K1], EU, A, Truncated=True, NextMarker="m1")
    world.fail("kms:ListKeys", first, page([K2], EU, A, Truncated=False), account=A, ResourceOwners=None)
    done = both(run)
    assert complete_keys(done) == {(A, K1), (A, K2), (B, K1)}
    assert [r.params.get("Marker") for r in own_lists(world) if r.account == A] == [None, "m1"]
    answers = "SELECT seq FROM answers WHERE operation = 'ListKeys' AND subject = '' AND unit = ? ORDER BY seq"
    assert len(done.query(answers, f"kms/{A}/{EU}")) == 2


BAD_ANSWERS = {
    "cut_off": Reply(body=b'{"Keys": [], "Truncated": false}', cut=9),
    "cut_off_without_length": Reply(body=b'{"Keys": [], "Trunc', length=False),
    "html": Reply(body=b"<html>hotel wifi</html>", content_type="text/html"),
    "empty_body": Reply(body=b""),
    "empty_object": as_json({}),
    "list_instead_of_object": as_json([]),
    "no_truncated": as_json({"Keys": []}),
    "truncated_without_marker": page([K1], EU, A, Truncated=True),
    "truncated_with_empty_marker": page([K1], EU, A, Truncated=True, NextMarker=""),
    "marker_without_truncated": page([K1], EU, A, Truncated=False, NextMarker="m1"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answer_is_malformed_and_never_empty(world: FaultServer, run: Collect, name: str) -> None:
    world.fail("kms:ListKeys", BAD_ANSWERS[name], account=A, ResourceOwners=None)
    done = both(run)
    assert done.gaps() == {(A, EU, "kms:ListKeys", "", "malformed")}
    assert complete_keys(done) == {(B, K1)}
    assert len([r for r in own_lists(world) if r.account == A]) == 4


@pytest.mark.parametrize("name", ["cut_off", "html", "truncated_without_marker"])
def test_bad_answer_that_heals_leaves_no_trace_in_the_ledger(world: FaultServer, run: Collect, name: str) -> None:
    world.fail("kms:ListKeys", BAD_ANSWERS[name], account=A, times=3, ResourceOwners=None)
    done = both(run)
    assert done.gaps() == set()
    assert complete_keys(done) == {(A, K1), (A, K2), (B, K1)}


def test_repeated_marker_ends_as_malformed_and_keeps_what_was_read(world: FaultServer, run: Collect) -> None:
    world.fail("kms:ListKeys", page([K1], EU, A, Truncated=True, NextMarker="m1"), account=A, ResourceOwners=None)
    done = both(run)
    assert done.gaps() == {(A, EU, "kms:ListKeys", "", "malformed")}
    assert (A, K1) in complete_keys(done)
    assert len([r for r in own_lists(world) if r.account == A]) == 5  # the first page, then four tries


def test_cut_off_xml_is_malformed(world: FaultServer, run: Collect) -> None:
    world.fail("iam:GetAccountAuthorizationDetails", Reply(body=b"<a><b>", content_type="text/xml"), account=A)
    done = both(run)
    assert done.gaps() == {(A, "global", "iam:GetAccountAuthorizationDetails", "", "malformed")}


def test_server_errors_are_tried_max_attempts_times(world: FaultServer, run: Collect) -> None:
    world.fail("kms:ListAliases", refusal("KMSInternalException", status=500), account=A)
    done = both(run, max_attempts=2)
    assert done.gaps() == {(A, EU, "kms:ListAliases", "", "error")}
    assert len([r for r in world.asked("kms:ListAliases") if r.account == A]) == 2
    assert set(done.query("SELECT aliases_status FROM keys WHERE account_id = ?", A)) == {("error",)}


def test_throttling_is_waited_out(world: FaultServer, run: Collect) -> None:
    world.fail("kms:ListGrants", refusal("ThrottlingException"), key=K1, account=A, times=6)
    done = both(run, max_attempts=1)
    assert done.gaps() == set()
    assert done.summary.progress.throttled == 6
    assert done.clock.slept > 5


def test_throttling_past_the_unit_deadline_is_throttled_never_empty(world: FaultServer, run: Collect) -> None:
    world.fail("kms:ListGrants", refusal("ThrottlingException"), key=K1, account=A)
    done = both(run, unit_deadline=timedelta(minutes=1))
    assert done.gaps() == {(A, EU, "kms:ListGrants", K1, "throttled")}
    assert done.query("SELECT grants_status FROM keys WHERE key_id = ? AND account_id = ?", K1, A) == [("throttled",)]
    assert complete_keys(done) == {(A, K2), (B, K1)}


def test_foreign_account_in_an_answer_aborts_the_unit(world: FaultServer, run: Collect) -> None:
    world.fail("kms:ListKeys", page([K1], EU, B, Truncated=False), account=A, ResourceOwners=None)
    done = both(run)
    assert done.gaps() == {(A, EU, "kms:ListKeys", "", "mismatch")}
    assert done.query("SELECT state FROM units WHERE unit = ?", f"kms/{A}/{EU}") == [("failed",)]
    assert complete_keys(done) == {(B, K1)}


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        ("kms:ListKeys", page([K1], US, A, Truncated=False)),
        ("kms:ListGrants", as_json({"Grants": [{"KeyId": f"arn:aws:kms:{EU}:{B}:key/x"}], "Truncated": False})),
        (
            "kms:DescribeKey",
            as_json({"KeyMetadata": {"KeyId": K1, "AWSAccountId": B, "Arn": f"arn:aws:kms:{EU}:{A}:key/{K1}"}}),
        ),
        (
            "kms:DescribeKey",
            as_json({"KeyMetadata": {"KeyId": "9", "AWSAccountId": A, "Arn": f"arn:aws:kms:{EU}:{A}:key/9"}}),
        ),
        ("kms:ListAliases", as_json({"Aliases": [{"AliasArn": f"arn:aws:kms:{EU}:{B}:alias/x"}], "Truncated": False})),
    ],
    ids=["region", "grant", "described_account", "described_key", "alias"],
)
def test_strangers_facts_never_enter_the_tables(
    world: FaultServer, run: Collect, operation: str, answer: Reply
) -> None:
    world.fail(operation, answer, account=A)
    done = both(run)
    assert done.gaps() == {(A, EU, "kms:ListKeys", "", "mismatch")}
    assert done.query("SELECT 1 FROM keys WHERE account_id = ?", A) == []


def test_principals_of_another_account_abort_the_iam_unit(world: FaultServer, run: Collect) -> None:
    world.details[A] = f"<RoleDetailList>{role_xml(f'arn:aws:iam::{B}:role/r', '{}')}</RoleDetailList>"
    done = both(run)
    assert done.gaps() == {(A, "global", "iam:GetAccountAuthorizationDetails", "", "mismatch")}
    assert done.query("SELECT 1 FROM principals") == []


def test_denied_key_is_kept_as_opaque_and_the_others_are_read(world: FaultServer, run: Collect) -> None:
    text = "not authorized to perform this because no resource-based policy allows it"
    for operation in ("DescribeKey", "GetKeyPolicy", "ListGrants", "ListResourceTags"):
        world.fail(f"kms:{operation}", refusal("AccessDeniedException", text), key=K1, account=A)
    done = both(run)
    outcome = "denied_by_key_policy"
    subjects = {("kms:GetKeyPolicy", f"{K1}/AWS_RAM"), *((f"kms:{o}", K1) for o in ("DescribeKey", "GetKeyPolicy"))}
    subjects |= {("kms:ListGrants", K1), ("kms:ListResourceTags", K1)}
    assert done.gaps() == {(A, EU, call, subject, outcome) for call, subject in subjects}
    kept = done.query(
        "SELECT arn, describe_status, policy_status, state FROM keys WHERE key_id = ? AND account_id = ?", K1, A
    )
    assert kept == [(f"arn:aws:kms:{EU}:{A}:key/{K1}", outcome, outcome, None)]
    assert complete_keys(done) == {(A, K2), (B, K1)}
    advice = done.query("SELECT DISTINCT what_to_do FROM coverage WHERE subject = ? AND call = 'kms:ListGrants'", K1)
    assert ("add a statement to the key policy that allows the audit role `kms:ListGrants`",) in advice


def test_region_denied_by_scp_is_a_gap_and_not_empty(world: FaultServer, run: Collect) -> None:
    text = "User is not authorized to perform: kms:ListKeys with an explicit deny in a service control policy"
    for operation in ("kms:ListKeys", "kms:ListAliases"):
        world.fail(operation, refusal("AccessDeniedException", text), account=A)
    done = both(run)
    rows = (("kms:ListKeys", ""), ("kms:ListKeys", "OTHER_ACCOUNTS_VIA_RAM"), ("kms:ListAliases", ""))
    assert done.gaps() == {(A, EU, call, subject, "denied_by_scp") for call, subject in rows}


def test_refused_account_is_one_gap_under_all_regions(world: FaultServer, run: Collect) -> None:
    world.fail("sts:AssumeRole", refusal_xml("AccessDenied"), RoleArn=f"arn:aws:iam::{A}:role/audit/KmsScanReadOnly")
    done = both(run)
    assert done.gaps() == {(A, "*", "sts:AssumeRole", "", "denied")}
    assert complete_keys(done) == {(B, K1)}
    assert done.summary.accounts_refused == 1
    assert done.query("SELECT account_id, collected, scanned FROM accounts ORDER BY 1") == [(A, 0, 1), (B, 1, 1)]
    (todo,) = done.query("SELECT what_to_do FROM coverage WHERE call = 'sts:AssumeRole' AND account_id = ?", A)
    assert "`kms-scan role cloudformation`" in todo[0]


def test_every_account_refused_scans_nothing_and_keeps_the_snapshot(world: FaultServer, run: Collect) -> None:
    world.fail("sts:AssumeRole", refusal_xml("AccessDenied"))
    done = both(run)
    assert isinstance(done.error, NothingScannedError)
    assert done.gaps() == {(account, "*", "sts:AssumeRole", "", "denied") for account in (A, B)}
    assert done.meta()["complete"] == "0"


def test_own_account_without_role_is_read_with_the_callers_credentials(world: FaultServer, run: Collect) -> None:
    world.account(CALLER, EU)
    world.keys[(CALLER, EU)] = {K1: Key()}
    world.fail("sts:AssumeRole", refusal_xml("AccessDenied"))
    done = run(ids=(CALLER, A))
    assert complete_keys(done) == {(CALLER, K1)}
    (row,) = done.query(
        "SELECT outcome, message FROM coverage WHERE call = 'sts:AssumeRole' AND account_id = ?", CALLER
    )
    assert row[0] == "ok"
    assert "caller's own credentials" in row[1]


def test_role_session_of_another_account_is_a_mismatch(world: FaultServer, run: Collect) -> None:
    other = world._sts_AssumeRole(Request("", "", "", {"RoleArn": f"arn:aws:iam::{B}:role/x"}))
    world.fail("sts:AssumeRole", other, RoleArn=f"arn:aws:iam::{A}:role/audit/KmsScanReadOnly")
    done = both(run)
    assert done.gaps() == {(A, "*", "sts:AssumeRole", "", "mismatch")}


def test_expired_session_is_renewed_once_and_nothing_is_lost(world: FaultServer, run: Collect) -> None:
    world.fail("kms:ListGrants", refusal("ExpiredTokenException"), key=K2, account=A, times=1)
    done = both(run)
    assert done.gaps() == set()
    assert len([r for r in world.asked("sts:AssumeRole") if A in r.params["RoleArn"]]) == 2


def test_expired_caller_credentials_scan_nothing_and_name_the_login(world: FaultServer, run: Collect) -> None:
    world.fail("sts:GetCallerIdentity", refusal_xml("ExpiredToken"))
    done = both(run)
    assert isinstance(done.error, NothingScannedError)
    assert str(done.error.hint).endswith("`aws sso login`")


def test_no_credentials_scan_nothing(world: FaultServer, run: Collect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = both(run, session_factory=botocore_session)
    assert isinstance(done.error, NothingScannedError)
    assert "no AWS credentials" in done.error.message


def test_web_page_in_place_of_sts_scans_nothing_and_is_no_crash(world: FaultServer, run: Collect) -> None:
    world.fail("sts:GetCallerIdentity", BAD_ANSWERS["html"])
    done = both(run)
    assert isinstance(done.error, NothingScannedError)
    assert "not one of sts:GetCallerIdentity" in done.error.message


def test_web_page_in_place_of_a_role_session_is_malformed(world: FaultServer, run: Collect) -> None:
    world.fail("sts:AssumeRole", BAD_ANSWERS["html"], RoleArn=f"arn:aws:iam::{A}:role/audit/KmsScanReadOnly")
    assert both(run).gaps() == {(A, "*", "sts:AssumeRole", "", "malformed")}


def test_boundary_of_another_account_is_a_mismatch(world: FaultServer, run: Collect) -> None:
    role = role_xml(f"arn:aws:iam::{A}:role/r", '{"Statement": []}', boundary=f"arn:aws:iam::{A}:policy/limit")
    world.details[A] = f"<RoleDetailList>{role}</RoleDetailList>"
    inner = f"<Policy><Arn>arn:aws:iam::{B}:policy/limit</Arn><DefaultVersionId>v1</DefaultVersionId></Policy>"
    text = f"<GetPolicyResponse><GetPolicyResult>{inner}</GetPolicyResult></GetPolicyResponse>"
    world.fail("iam:GetPolicy", Reply(200, text.encode(), "text/xml"), account=A)
    done = both(run)
    assert done.gaps() == {(A, "global", "iam:GetAccountAuthorizationDetails", "", "mismatch")}
    assert done.query("SELECT 1 FROM principals") == []


def test_unknown_profile_scans_nothing_and_is_named(world: FaultServer, run: Collect) -> None:
    done = both(run, profile="nobody", session_factory=botocore_session)
    assert isinstance(done.error, NothingScannedError)
    assert "`nobody` does not exist" in done.error.message


def test_key_deleted_between_list_and_describe_is_gone(world: FaultServer, run: Collect) -> None:
    for operation in ("DescribeKey", "GetKeyPolicy", "ListGrants", "ListResourceTags"):
        world.fail(f"kms:{operation}", refusal("NotFoundException"), key=K1, account=A)
    done = both(run)
    assert done.gaps() == set()
    statuses = "SELECT describe_status, policy_status, ram_status FROM keys WHERE key_id = ? AND account_id = ?"
    assert done.query(statuses, K1, A) == [("gone", "gone", "gone")]


def test_absent_ram_policy_is_empty_and_a_present_one_is_kept(world: FaultServer, run: Collect) -> None:
    world.keys[(A, EU)][K2].ram = '{"Statement": []}'
    done = both(run)
    assert done.query("SELECT key_id, ram_status FROM keys WHERE account_id = ? ORDER BY 1", A) == [
        (K1, "empty"),
        (K2, "ok"),
    ]
    assert (A, EU, "kms:GetKeyPolicy", f"{K1}/AWS_RAM", "empty") in done.ledger()


def test_policy_that_is_no_json_is_malformed_and_its_text_is_kept(
    world: FaultServer, run: Collect, text_of: Callable[[Path], str]
) -> None:
    world.keys[(A, EU)][K1].policy = '{"Statement": [ CUT'
    done = both(run)
    assert done.gaps() == {(A, EU, "kms:GetKeyPolicy", K1, "malformed")}
    assert done.query("SELECT policy_sha256 IS NOT NULL FROM keys WHERE policy_status = 'malformed'") == [(1,)]
    assert '{"Statement": [ CUT' in text_of(done.path)


def test_answer_that_breaks_the_parser_is_malformed_and_the_rest_of_the_key_is_read(
    world: FaultServer, run: Collect
) -> None:
    world.fail("kms:ListResourceTags", as_json({"Tags": [5], "Truncated": False}), key=K1, account=A)
    done = both(run)
    assert done.gaps() == {(A, EU, "kms:ListResourceTags", K1, "malformed")}
    assert done.query("SELECT policy_status FROM keys WHERE key_id = ? AND account_id = ?", K1, A) == [("ok",)]


def test_answer_that_breaks_our_code_leaves_an_unread_key(
    world: FaultServer, run: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = keys._tags

    def broken(unit: Unit, key: Any) -> Any:
        if (key.account_id, key.key_id) == (A, K1):
            raise KeyError("TagKey")
        return read(unit, key)

    monkeypatch.setattr(keys, "_tags", broken)
    done = both(run)
    assert {row[3:] for row in done.gaps()} == {(K1, "error")}
    assert done.query("SELECT policy_status FROM keys WHERE key_id = ? AND account_id = ?", K1, A) == [("error",)]
    assert complete_keys(done) == {(A, K2), (B, K1)}


def test_answer_that_breaks_a_unit_is_an_error_row_and_stops_nothing_else(world: FaultServer, run: Collect) -> None:
    world.fail(
        "kms:ListKeys", as_json({"Keys": [{"KeyArn": f"arn:aws:kms:{EU}:{A}:key/x"}], "Truncated": False}), account=A
    )
    done = both(run)
    assert done.gaps() == {(A, EU, "kms:ListKeys", "", "error")}
    assert complete_keys(done) == {(B, K1)}


def test_aws_managed_keys_are_recorded_without_calls(world: FaultServer, run: Collect) -> None:
    world.aliases[(A, EU)] = [
        {"AliasName": "alias/aws/s3", "TargetKeyId": K1},
        {"AliasName": "alias/aws/ebs"},
        {"AliasName": "alias/mine", "TargetKeyId": K2},
    ]
    done = both(run)
    assert done.query("SELECT manager, policy_status FROM keys WHERE key_id = ? AND account_id = ?", K1, A) == [
        ("AWS", "skipped")
    ]
    assert (A, EU, "kms:DescribeKey", K1, "skipped") in done.ledger()
    assert not [r for r in world.requests if r.params.get("KeyId") == K1 and r.account == A]
    arn = f"arn:aws:kms:{EU}:{A}:key/"
    assert set(done.query("SELECT name, key_arn FROM aliases")) == {
        ("alias/aws/s3", arn + K1),
        ("alias/mine", arn + K2),
    }


def test_key_known_only_by_its_alias_is_read(world: FaultServer, run: Collect) -> None:
    world.aliases[(A, EU)] = [{"AliasName": "alias/mine", "TargetKeyId": K2}]
    world.fail("kms:ListKeys", page([K1], EU, A, Truncated=False), account=A, ResourceOwners=None)
    assert (A, K2) in complete_keys(both(run))


def test_aws_managed_key_without_alias_is_told_by_describe(world: FaultServer, run: Collect) -> None:
    world.keys[(A, EU)][K1].manager = "AWS"
    done = both(run)
    assert done.query("SELECT describe_status, grants_status FROM keys WHERE manager = 'AWS'") == [("ok", "skipped")]


@pytest.mark.parametrize(
    "settings",
    [
        {"keys_include": (f"arn:aws:kms:*:{A}:key/22*",)},
        {"keys_include": ("arn:aws:kms:*:alias/mine",)},
        {"keys_include_tags": {"app": ("x", "y")}},
        {"keys_states": ("enabled",)},
    ],
    ids=["arn", "alias", "tag", "state"],
)
def test_keys_left_out_are_skipped_rows(world: FaultServer, run: Collect, settings: dict[str, Any]) -> None:
    world.aliases[(A, EU)] = [{"AliasName": "alias/mine", "TargetKeyId": K2}]
    world.keys[(A, EU)][K1].state = "Disabled"
    done = run(ids=(A,), **settings)
    assert complete_keys(done) == {(A, K2)}
    assert done.query("SELECT key_id FROM keys") == [(K2,)]
    assert len({row for row in done.ledger(account_id=A, subject=K1) if row[4] == "skipped"}) == 1
    assert done.gaps() == set()


def test_grants_keep_every_field(world: FaultServer, run: Collect) -> None:
    world.keys[(A, EU)][K1].grants = [
        {
            "GrantId": "g1",
            "Name": "n",
            "CreationDate": 1760000000,
            "GranteePrincipal": f"arn:aws:iam::{B}:role/r",
            "RetiringPrincipal": f"arn:aws:iam::{B}:root",
            "IssuingAccount": f"arn:aws:iam::{B}:root",
            "Operations": ["Decrypt", "CreateGrant"],
            "Constraints": {"EncryptionContextSubset": {"a": "b"}},
        }
    ]
    done = both(run)
    (grant,) = done.query("SELECT * FROM grants")
    assert grant == (
        f"arn:aws:kms:{EU}:{A}:key/{K1}",
        *("g1", "n", "2025-10-09T08:53:20Z", f"arn:aws:iam::{B}:role/r", None, f"arn:aws:iam::{B}:root", None),
        *(f"arn:aws:iam::{B}:root", '["Decrypt", "CreateGrant"]', '{"EncryptionContextSubset": {"a": "b"}}'),
    )


def test_boundary_that_nobody_lists_is_a_gap(world: FaultServer, run: Collect) -> None:
    boundary = f"arn:aws:iam::{A}:policy/limit"
    role = role_xml(f"arn:aws:iam::{A}:role/r", '{"Statement": []}', inline={"p": "{ x"}, boundary=boundary)
    world.details[A] = f"<RoleDetailList>{role}</RoleDetailList>"
    world.fail("iam:GetPolicy", refusal_xml("AccessDenied"), account=A)
    done = both(run)
    assert done.gaps() == {
        (A, "global", "iam:GetPolicy", boundary, "denied"),
        (A, "global", "iam:GetAccountAuthorizationDetails", f"arn:aws:iam::{A}:role/r#p", "malformed"),
    }
    assert done.query("SELECT arn, document_sha256 FROM policies") == [(boundary, None)]
    assert done.query("SELECT boundary_arn, trust_sha256 IS NOT NULL FROM principals") == [(boundary, 1)]


def test_invalid_token_in_an_enabled_region_is_an_error_and_no_quiet_skip(world: FaultServer, run: Collect) -> None:
    world.fail("kms:ListKeys", refusal("UnrecognizedClientException"), account=A, ResourceOwners=None)
    assert (A, EU, "kms:ListKeys", "", "error") in both(run).gaps()


def test_invalid_token_in_a_region_of_unknown_state_is_not_enabled(world: FaultServer, run: Collect) -> None:
    world.fail("account:ListRegions", refusal("AccessDeniedException"), account=A)
    world.fail("ec2:DescribeRegions", refusal_xml("UnauthorizedOperation"), account=A)
    for operation in ("kms:ListKeys", "kms:ListAliases"):
        world.fail(operation, refusal("UnrecognizedClientException"), account=A)
    done = both(run, regions_include=(EU, US))
    assert (A, EU, "kms:ListKeys", "", "not_enabled") in done.ledger()
    assert (A, "global", "account:ListRegions", "", "denied") in done.gaps()
    assert not done.ledger(account_id=A, region="*")


def test_regions_nobody_can_name_are_a_gap_under_all_regions(world: FaultServer, run: Collect) -> None:
    world.fail("account:ListRegions", refusal("AccessDeniedException"), account=A)
    world.fail("ec2:DescribeRegions", refusal_xml("UnauthorizedOperation"), account=A)
    done = both(run)
    assert (A, "*", "kms:ListKeys", "", "not_reached") in done.gaps()
    assert complete_keys(done) == {(B, K1)}


def test_disabled_and_left_out_regions_are_told_apart(world: FaultServer, run: Collect) -> None:
    world.regions[A].update({"me-south-1": "DISABLED", "eu-central-1": "ENABLED", "us-west-2": "ENABLED_BY_DEFAULT"})
    world.keys[(A, "us-west-2")] = {}
    done = run(ids=(A,), opt_in=False, regions_exclude=("us-*",))
    assert set(done.query("SELECT region, opt_status, scanned FROM regions")) == {
        (EU, "ENABLED_BY_DEFAULT", 1),
        ("me-south-1", "DISABLED", 0),
        ("eu-central-1", "ENABLED", 0),
        ("us-west-2", "ENABLED_BY_DEFAULT", 0),
    }
    skipped = {row[1] for row in done.ledger(call="kms:ListKeys", outcome="skipped")}
    assert skipped == {"eu-central-1", "us-west-2"}


def test_scope_without_a_region_is_refused(world: FaultServer, run: Collect) -> None:
    assert isinstance(both(run, regions_include=("ap-*",)).error, UsageError)


def test_excluded_account_is_listed_and_not_called(world: FaultServer, run: Collect) -> None:
    done = both(run, exclude=(B,))
    assert (B, "*", "sts:AssumeRole", "", "skipped") in done.ledger()
    assert done.query("SELECT scanned, exclusion_reason FROM accounts WHERE account_id = ?", B) == [
        (0, "excluded by `accounts.exclude`")
    ]
    assert not [r for r in world.requests if r.account == B]


def test_stop_leaves_what_was_not_begun_as_not_reached(world: FaultServer, run: Collect) -> None:
    stop = Event()

    def after_first_account(progress: Any) -> None:
        if progress.units_done >= 2:
            stop.set()

    done = both(run, stop=stop, on_progress=after_first_account, workers=1)
    assert done.summary.stopped
    assert not done.summary.complete
    assert done.meta()["complete"] == "0"
    assert (B, "*", "sts:AssumeRole", "", "not_reached") in done.gaps()
    assert (A, EU, "kms:ListKeys", "", "not_reached") in done.gaps()
    assert ("complete",) in done.query("SELECT state FROM units WHERE unit = ?", f"account/{A}")


def test_deadline_leaves_the_rest_as_not_reached(world: FaultServer, run: Collect) -> None:
    world.fail("account:ListRegions", refusal("TooManyRequestsException"), account=A, times=8)
    done = both(run, workers=1, deadline=timedelta(seconds=1))
    assert done.summary.deadline_hit
    assert not done.summary.stopped
    assert (B, "*", "sts:AssumeRole", "", "not_reached") in done.gaps()


def test_unit_in_flight_is_given_up_when_the_grace_period_is_over(world: FaultServer, run: Collect) -> None:
    stop = Event()

    def throttle(request: Request) -> Reply | None:
        if request.operation != "kms:ListGrants" or request.account != A:
            return None
        stop.set()
        return refusal("ThrottlingException")

    world.faults.append(throttle)
    done = both(run, stop=stop, workers=1)
    assert (A, EU, "kms:ListKeys", "", "not_reached") in done.gaps()
    assert done.query("SELECT 1 FROM keys WHERE account_id = ?", A) == []
    assert done.clock.slept < 120


def test_progress_ends_with_everything_done(world: FaultServer, run: Collect) -> None:
    done = both(run)
    last = done.progress[-1]
    assert (last.units_done, last.units_total) == (7, 7)
    assert (last.account_regions_done, last.account_regions_total, last.keys) == (2, 2, 3)
    assert last.calls == len(world.requests)


def test_answer_with_credentials_is_not_recorded_even_in_a_unit_that_is_written(world: FaultServer) -> None:
    record = UnitRecord("account/x")
    pacing = Pacing(FakeClock(NOW), Event(), 1, 1.0)
    sessions = Sessions(CollectSettings(run_id="r", member_role="x"), botocore_session(None), pacing)
    unit = Unit(A, "global", sessions.connect(None, US), pacing, record)
    asked = {"RoleArn": f"arn:aws:iam::{A}:role/x", "RoleSessionName": "xx"}
    assert call(unit, "sts:AssumeRole", asked)["Credentials"]["SecretAccessKey"] == SECRET
    assert record.answers == []


def test_error_answers_are_kept_as_evidence(world: FaultServer, run: Collect, text_of: Callable[[Path], str]) -> None:
    world.fail("kms:ListGrants", refusal("AccessDeniedException", "because of evidence"), key=K1, account=A)
    done = both(run)
    kept = done.query(
        "SELECT status, request_id, subject FROM answers WHERE operation = 'ListGrants' AND status <> 200"
    )
    assert kept == [(400, "request-1", K1)]
    assert "because of evidence" in text_of(done.path)
