"""What preflight says before a run: who we are, what refuses, what it will cost; and that it tries what a run calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from botocore.session import Session
from click.testing import CliRunner
from scanner.cli import group
from scanner.collect.permissions import PERMISSIONS, session_policy
from scanner.collect.preflight import Preflight, preflight
from scanner.collect.sessions import botocore_session
from scanner.collect.settings import CollectSettings
from scanner.errors import NothingScannedError, UsageError

from fault_server import CALLER, FakeClock, FaultServer, Key, Reply, Request, as_json, refusal, refusal_xml

A, B = "111122223333", "444455556666"
EU, US = "eu-west-1", "us-east-1"
K1, K2 = "11111111-0000-0000-0000-000000000000", "22222222-0000-0000-0000-000000000000"
NOW = datetime(2026, 11, 22, 0, 10, tzinfo=UTC)
Probe = Callable[..., Preflight]


@pytest.fixture
def world(aws: FaultServer) -> FaultServer:
    """Two accounts with two regions; one key in each of the four, and one that AWS manages."""
    for account in (A, B):
        aws.account(account, EU, US)
        for region in (EU, US):
            aws.keys[(account, region)] = {K1: Key()}
    return aws


def member_of_an_organization(aws: FaultServer) -> None:
    organization = {
        "Id": "o-1",
        "MasterAccountId": A,
        "MasterAccountArn": f"arn:aws:organizations::{A}:account/o-1/{A}",
    }
    aws.fail("organizations:DescribeOrganization", as_json({"Organization": organization}))
    types = [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
    aws.fail("organizations:ListRoots", as_json({"Roots": [{"Id": "r-1", "PolicyTypes": types}]}))
    accounts = [{"Id": A, "Name": "one"}, {"Id": B, "Name": "two"}]
    aws.fail("organizations:ListAccountsForParent", as_json({"Accounts": accounts}))
    aws.fail("organizations:ListAccounts", as_json({"Accounts": accounts[:1], "NextToken": "t"}))
    aws.fail("organizations:ListOrganizationalUnitsForParent", as_json({"OrganizationalUnits": []}))
    aws.fail("organizations:ListPolicies", as_json({"Policies": [{"Id": "p-FullAWSAccess"}]}))
    aws.fail("organizations:ListTargetsForPolicy", as_json({"Targets": [{"TargetId": "r-1"}]}))
    aws.fail("organizations:DescribePolicy", as_json({"Policy": {"Content": "{}"}}))


@pytest.fixture(scope="module")
def session() -> Session:
    """One session for the module: service models are parsed once."""
    return botocore_session(None)


@pytest.fixture
def probed(session: Session) -> Callable[..., Preflight]:
    """Run it with these settings."""

    def run(**settings: Any) -> Preflight:
        defaults = {"run_id": "preflight", "member_role": "audit/Scan", "source": "ids", "ids": (A, B), "workers": 2}
        stop = settings.pop("stop", Event())
        wanted = CollectSettings(**{**defaults, **settings})
        with ThreadPoolExecutor(2) as executor:
            clock = FakeClock(NOW)
            return preflight(wanted, executor=executor, clock=clock, stop=stop, session_factory=lambda _: session)

    return run


def failed(found: Preflight) -> set[tuple[str, str, str]]:
    return {(row.account_id, row.call, row.outcome.value) for row in found.unreadable}


def test_probes_are_exactly_the_actions_of_the_list(world: FaultServer, probed: Probe) -> None:
    member_of_an_organization(world)
    found = probed(source="organization", ids=(), keys_last_usage=True)
    assert (failed(found), found.exit_code) == (set(), 0)
    assert {request.operation for request in world.requests} == {p.action for p in PERMISSIONS}
    shown = {row.call for row in (*found.rows, *(row for check in found.accounts for row in check.rows))}
    assert shown == {p.action for p in PERMISSIONS} - {"sts:GetCallerIdentity"}


def test_refused_cross_check_of_grants_is_a_note_and_no_failure(world: FaultServer, probed: Probe) -> None:
    world.fail("kms:ListRetirableGrants", refusal("AccessDeniedException"), account=B)
    found = probed()
    assert (failed(found), found.exit_code) == (set(), 0)
    told = {check.account.account_id: r for check in found.accounts for r in check.rows if "Retirable" in r.call}
    assert {account: r.outcome.value for account, r in told.items()} == {A: "ok", B: "skipped"}
    assert told[B].what_to_do.startswith("allow `kms:ListRetirableGrants` to the audit role")
    (asked,) = (r for r in world.asked("kms:ListRetirableGrants") if r.account == A)
    assert asked.params == {"RetiringPrincipal": f"arn:aws:iam::{A}:root", "Limit": 1}


def test_last_use_is_probed_only_where_a_run_asks_for_it(world: FaultServer, probed: Probe) -> None:
    probed()
    assert world.asked("kms:GetKeyLastUsage") == []


def test_caller_and_accounts_are_told(world: FaultServer, probed: Probe) -> None:
    found = probed()
    assert found.caller.account_id == CALLER
    assert [(c.account.account_id, c.entered, c.region, c.regions, c.keys) for c in found.accounts] == [
        (A, True, US, 2, 1),
        (B, True, US, 2, 1),
    ]


def test_every_session_of_a_probe_is_scoped_down(world: FaultServer, probed: Probe) -> None:
    probed()
    assert {r.params["Policy"] for r in world.asked("sts:AssumeRole")} == {session_policy()}


@pytest.mark.parametrize(
    "operation",
    [
        "kms:ListKeys",
        "kms:ListAliases",
        "kms:DescribeKey",
        "kms:GetKeyPolicy",
        "kms:ListGrants",
        "kms:ListResourceTags",
        "iam:GetAccountAuthorizationDetails",
        "iam:GetPolicy",
        "iam:GetPolicyVersion",
        "iam:ListOpenIDConnectProviders",
        "iam:ListSAMLProviders",
    ],
)
def test_action_that_is_refused_in_one_account_is_named_with_what_to_do(
    world: FaultServer, probed: Probe, operation: str
) -> None:
    denied = refusal_xml("AccessDenied") if operation.startswith("iam:") else refusal("AccessDeniedException")
    world.fail(operation, denied, account=B)
    found = probed()
    assert failed(found) == {(B, operation, "denied")}
    assert found.exit_code == 4
    assert f"allow `{operation}`" in found.unreadable[0].what_to_do


def test_refused_fallback_is_no_gap_while_its_first_choice_answers(world: FaultServer, probed: Probe) -> None:
    world.fail("ec2:DescribeRegions", refusal_xml("UnauthorizedOperation"), account=A)
    assert probed().exit_code == 0
    world.fail("account:ListRegions", refusal("AccessDeniedException"), account=A)
    assert failed(probed()) >= {(A, "account:ListRegions", "denied"), (A, "ec2:DescribeRegions", "denied")}


def test_account_that_refuses_the_role_is_a_gap_and_all_of_them_are_the_end(world: FaultServer, probed: Probe) -> None:
    world.fail("sts:AssumeRole", refusal_xml("AccessDenied"), RoleArn=f"arn:aws:iam::{B}:role/audit/Scan")
    found = probed()
    assert (failed(found), found.exit_code) == ({(B, "sts:AssumeRole", "denied")}, 4)
    world.fail("sts:AssumeRole", refusal_xml("AccessDenied"))
    assert probed().exit_code == 5


def test_answer_of_another_account_or_of_no_shape_is_a_row_and_stops_no_other_account(
    world: FaultServer, probed: Probe
) -> None:
    foreign = {"KeyId": K1, "KeyArn": f"arn:aws:kms:{US}:{B}:key/{K1}"}
    world.fail("kms:ListKeys", as_json({"Keys": [foreign], "Truncated": False}), account=A)
    world.fail("kms:ListAliases", as_json({"Aliases": [[]], "Truncated": False}), account=B)
    assert {(account, outcome) for account, _, outcome in failed(probed())} == {(A, "mismatch"), (B, "malformed")}


def test_answer_that_breaks_our_code_is_a_row_and_stops_no_other_account(world: FaultServer, probed: Probe) -> None:
    nameless = {"KeyArn": f"arn:aws:kms:{US}:{B}:key/{K1}"}
    world.fail("kms:ListKeys", as_json({"Keys": [nameless], "Truncated": False}), account=B)
    assert {(account, outcome) for account, _, outcome in failed(probed())} == {(B, "error")}


def test_region_without_a_key_of_ours_says_that_nothing_was_tried(world: FaultServer, probed: Probe) -> None:
    world.aliases[(A, US)] = [{"AliasName": "alias/aws/s3", "TargetKeyId": K1}]
    found = probed(ids=(A,))
    untried = {row.call for row in found.accounts[0].rows if row.outcome.value == "skipped"}
    assert untried == {"kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListGrants", "kms:ListResourceTags"}
    assert (found.exit_code, found.accounts[0].keys) == (0, 0)


def test_unreadable_organization_is_a_gap_for_listed_accounts_and_the_end_for_its_own(
    world: FaultServer, probed: Probe
) -> None:
    world.fail("organizations:DescribeOrganization", refusal("AccessDeniedException"))
    assert failed(probed()) == {(CALLER, "organizations:DescribeOrganization", "denied")}
    with pytest.raises(NothingScannedError):
        probed(source="organization", ids=())


def test_interrupted_probes_give_up_though_aws_throttles(world: FaultServer, probed: Probe) -> None:
    stop = Event()

    def throttled(request: Request) -> Reply | None:
        if request.operation != "kms:ListKeys":
            return None
        stop.set()
        return refusal("ThrottlingException")

    world.faults.append(throttled)
    probed(stop=stop, ids=(A,), unit_deadline=timedelta(hours=1))
    assert 2 < len(world.asked("kms:ListKeys")) < 20
    assert world.asked("kms:ListAliases") == []


def test_scope_that_holds_nothing_is_refused(world: FaultServer, probed: Probe) -> None:
    with pytest.raises(UsageError):
        probed(exclude=(A, B))


@pytest.mark.parametrize("last_usage", [False, True])
def test_planned_calls_are_those_of_the_run(
    world: FaultServer, probed: Probe, run: Callable[..., Any], last_usage: bool
) -> None:
    planned = probed(keys_last_usage=last_usage).plan
    done = run(ids=(A, B), keys_last_usage=last_usage)
    assert (planned.accounts, planned.account_regions, planned.keys) == (2, 4, (2, 4))
    assert planned.calls[1] == done.summary.progress.calls
    assert planned.calls[0] == planned.calls[1] - 2 * (6 if last_usage else 5)


def test_planned_time_is_bound_by_our_share_of_the_slowest_quota(world: FaultServer, probed: Probe) -> None:
    world.keys[(A, US)] = {f"{n:08d}-0000-0000-0000-000000000000": Key() for n in range(60)}
    assert probed(kms_quota_share=20).plan.seconds[0] == pytest.approx(60 / 20)
    assert probed(kms_quota_share=100).plan.seconds[0] == pytest.approx(60 / 100)
    assert probed(kms_quota_share=100, keys_last_usage=True).plan.seconds[0] == pytest.approx(60 / 5)
    assert probed(kms_quota_share=20, keys_last_usage=True).plan.seconds[0] == pytest.approx(60 / 1)


def command(*words: str) -> Any:
    return CliRunner().invoke(
        group, ["preflight", "--role", "Scan", "-q", *words], standalone_mode=False, catch_exceptions=False
    )


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KMS_SCAN_ACCOUNTS_SOURCE", "ids")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("listed")
def test_command_prints_a_table_and_writes_nothing(world: FaultServer, tmp_path: Path) -> None:
    world.fail("kms:ListGrants", refusal("AccessDeniedException", "no \x1b[31m way"), account=A)
    result = command("--accounts", f"{A},{B}")
    assert result.return_value == 4
    lines = result.output.splitlines()
    assert lines[0] == f"caller         arn:aws:iam::{CALLER}:user/caller in partition aws"
    assert lines[1].startswith("organization   none")
    assert lines[2] == "audit role     lets us into 2 of 2 accounts"
    assert lines[3] == "not readable   1"
    assert lines[4].split()[:4] == [A, US, "kms:ListGrants", "denied:"]
    assert lines[5].startswith("help: allow `kms:ListGrants` to the audit role")
    assert lines[6] == "planned        2 accounts, 4 account-regions, 2 to 4 keys"
    assert lines[7].startswith("               34 to 44 calls, about ")  # the time is that of this machine
    assert "\x1b" not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("listed")
def test_command_prints_everything_as_json(world: FaultServer) -> None:
    result = command("--accounts", f"{A},{B}", "--json")
    told = json.loads(result.output)
    assert result.return_value == told["exit_code"] == 0
    assert told["caller"]["partition"] == "aws"
    assert [account["account_id"] for account in told["accounts"]] == [A, B]
    assert {probe["outcome"] for account in told["accounts"] for probe in account["probes"]} <= {"ok", "gone", "empty"}
    assert told["planned"]["account_regions"] == 4


@pytest.mark.usefixtures("listed")
def test_command_says_what_it_did_not_try(world: FaultServer) -> None:
    world.keys[(A, US)] = {}
    result = command("--accounts", A)
    assert result.return_value == 0
    assert "not tried      something in 1 account, first because there is no key in us-east-1" in result.output
