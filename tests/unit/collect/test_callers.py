"""Whose credentials a run starts from: profiles of every kind, and what is said where they do not work."""

from __future__ import annotations

import getpass
import io
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from scanner.collect.sessions import botocore_session
from scanner.errors import NothingScannedError, UsageError

from fault_server import FaultServer, Reply

A, EU = "111122223333", "eu-west-1"
Collect = Callable[..., Any]

PROFILES = """
[profile careful]
role_arn = arn:aws:iam::777777777777:role/auditor
mfa_serial = arn:aws:iam::999999999999:mfa/ann
source_profile = keys

[profile keys]
aws_access_key_id = AKIACALLER
aws_secret_access_key = caller-secret

[profile broken]
credential_process = python3 -c "import sys; sys.exit('the vault is sealed')"

[profile sso]
sso_session = acme
sso_account_id = 999999999999
sso_role_name = Audit
region = eu-west-1

[sso-session acme]
sso_start_url = https://acme.example/start
sso_region = eu-west-1
sso_registration_scopes = sso:account:access
"""


class Terminal(io.StringIO):
    """Standard input that says whether a person sits there."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__("246810\n")
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture
def world(aws: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FaultServer:
    aws.account(A, EU)
    (tmp_path / "config").write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    return aws


def started(run: Collect, profile: str | None, **settings: Any) -> Any:
    return run(ids=(A,), profile=profile, session_factory=botocore_session, **settings)


def test_mfa_code_without_a_terminal_ends_at_once_and_reads_no_input(
    world: FaultServer, run: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = Terminal(is_terminal=False)
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: pytest.fail(f"asked {prompt}"))
    error = started(run, "careful").error
    assert isinstance(error, NothingScannedError)
    assert error.message == "profile `careful` asks for an MFA code, and there is no terminal"
    assert stdin.tell() == 0
    assert world.requests == []


def test_closed_standard_input_is_no_terminal(
    world: FaultServer, run: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert isinstance(started(run, "careful").error, NothingScannedError)


def test_mfa_code_typed_on_a_terminal_opens_the_profile(
    world: FaultServer, run: Collect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(is_terminal=True))
    monkeypatch.setattr(getpass, "getpass", lambda prompt: "246810")
    done = started(run, "careful")
    assert done.error is None
    first = world.asked("sts:AssumeRole")[0]
    assert (first.params["TokenCode"], first.params["RoleArn"]) == ("246810", "arn:aws:iam::777777777777:role/auditor")


@pytest.mark.parametrize("named_by", ["flag", "environment"])
def test_single_sign_on_that_ended_names_the_login_of_its_profile(
    world: FaultServer, run: Collect, monkeypatch: pytest.MonkeyPatch, named_by: str
) -> None:
    if named_by == "environment":
        monkeypatch.setenv("AWS_PROFILE", "sso")
    error = started(run, "sso" if named_by == "flag" else None).error
    assert isinstance(error, NothingScannedError)
    assert "`aws sso login --profile sso`" in str(error.hint)


def test_credential_process_that_fails_is_quoted(world: FaultServer, run: Collect) -> None:
    error = started(run, "broken").error
    assert isinstance(error, NothingScannedError)
    assert "the vault is sealed" in error.message


def who(arn: str) -> Reply:
    text = f"<Arn>{arn}</Arn><UserId>AIDA</UserId><Account>999999999999</Account>"
    name = "GetCallerIdentity"
    return Reply(200, f"<{name}Response><{name}Result>{text}</{name}Result></{name}Response>".encode(), "text/xml")


@pytest.mark.parametrize(("hours", "refused"), [(1, False), (2, True)])
def test_role_that_assumes_a_role_gets_one_hour(world: FaultServer, run: Collect, hours: int, refused: bool) -> None:
    world.fail("sts:GetCallerIdentity", who("arn:aws:sts::999999999999:assumed-role/audit/x"))
    error = started(run, "keys", session_duration=timedelta(hours=hours)).error
    assert isinstance(error, UsageError) == refused
    assert not refused or "at most 1h" in error.message


def test_user_may_have_longer_sessions(world: FaultServer, run: Collect) -> None:
    assert started(run, "keys", session_duration=timedelta(hours=2)).error is None


@pytest.mark.parametrize("partition", ["aws-cn", "aws-us-gov"])
def test_roles_are_named_in_the_partition_of_the_caller(world: FaultServer, run: Collect, partition: str) -> None:
    world.fail("sts:GetCallerIdentity", who(f"arn:{partition}:iam::999999999999:user/caller"))
    started(run, "keys", partition="auto")
    assert {r.params["RoleArn"] for r in world.asked("sts:AssumeRole")} == {
        f"arn:{partition}:iam::{A}:role/audit/KmsScanReadOnly"
    }


def test_credentials_of_another_partition_are_refused(world: FaultServer, run: Collect) -> None:
    error = started(run, "keys", partition="aws-cn").error
    assert isinstance(error, NothingScannedError)
    assert "`aws`, not to `aws-cn`" in error.message
