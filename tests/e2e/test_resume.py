"""`--resume` and `merge` from the outside: signals, exit codes, what is refused, and what the analysis makes of it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from threading import Event
from typing import IO

import pytest
from scanner.cli import main
from scanner.snapshot.store import SnapshotStore

from fault_server import FaultServer, Key, Reply, Request

IDS = ("111122223333", "444455556666")
EU = "eu-west-1"


@pytest.fixture
def aws() -> Iterator[FaultServer]:
    with FaultServer() as server:
        for account in IDS:
            server.account(account, EU)
            server.keys[(account, EU)] = {"11111111-0000-0000-0000-000000000000": Key()}
        yield server


class Shell:
    """`kms-scan` in a folder of its own, with the credentials of nobody."""

    def __init__(self, server: FaultServer, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KMS_SCAN_"))},
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "AKIACALLER",
            "AWS_SECRET_ACCESS_KEY": "caller-secret",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        (folder / "c.yaml").write_text(
            f"version: 1\naws: {{member_role: R}}\naccounts: {{source: ids, ids: {list(IDS)}}}\n"
            "limits: {workers: 1}\n"
        )

    def begin(self, *words: str) -> subprocess.Popen[str]:
        program = "from scanner.cli import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", program, *words],
            cwd=self.folder, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = self.begin(*words)
        out, err = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def here(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same in this process, for what needs no AWS: it costs no import."""
        out, err = StringIO(), StringIO()
        with chdir(self.folder), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main(list(words))
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(words, ended.value.code, out.getvalue(), err.getvalue())

    def run_id(self) -> str:
        (found,) = [path.name for path in self.out.iterdir() if path.is_dir() and not path.is_symlink()]
        return found

    @property
    def snapshot(self) -> Path:
        return self.out / self.run_id() / "snapshot.sqlite"

    def header(self) -> dict[str, str]:
        with closing(sqlite3.connect(self.snapshot)) as connection:
            return dict(connection.execute("SELECT key, value FROM meta"))


@pytest.fixture
def shell(aws: FaultServer, tmp_path: Path) -> Shell:
    return Shell(aws, tmp_path)


COLLECT = ("collect", "-c", "c.yaml", "-o", "out", "--log-format", "text")


def at(server: FaultServer, number: int, act: Callable[[], object]) -> None:
    """Do something when the n-th call comes."""

    def fault(_: Request) -> Reply | None:
        if len(server.requests) == number:
            act()
        return None

    server.faults.append(fault)


def interrupted(
    server: FaultServer, shell: Shell, number: signal.Signals, *words: str, call: int = 6
) -> tuple[int, str]:
    """A command that a signal meets at its n-th call; its exit code and what it said."""
    begun = Event()
    process: list[subprocess.Popen[str]] = []
    at(server, call, lambda: (begun.wait(), process[0].send_signal(number)))
    process.append(shell.begin(*(words or COLLECT)))
    begun.set()
    _, err = process[0].communicate()
    server.faults.clear()
    return process[0].returncode, err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_interrupted_collection_prints_the_line_that_continues_it(
    aws: FaultServer, shell: Shell, number: signal.Signals, code: int
) -> None:
    ended, err = interrupted(aws, shell, number)
    assert ended == code
    line = re.search(r"continue with: kms-scan (.*)", err)
    assert line is not None
    words = shlex.split(line[1])
    assert words[-2:] == ["--resume", shell.run_id()]
    assert shell.header()["complete"] == "0"
    aws.requests.clear()
    done = shell.run(*words)
    assert done.returncode == 0, done.stderr
    assert shell.header()["complete"] == "1"
    assert aws.asked("organizations:DescribeOrganization") == []


def test_signal_at_the_last_call_leaves_a_complete_collection_and_names_the_next_step(
    aws: FaultServer, shell: Shell
) -> None:
    assert shell.run(*COLLECT[:3], "-o", "other").returncode == 0
    calls = len(aws.requests)
    aws.requests.clear()
    ended, err = interrupted(aws, shell, signal.SIGTERM, call=calls)
    assert ended == 143
    assert shell.header()["complete"] == "1"
    assert f"the collection is complete: kms-scan analyze out/{shell.run_id()}" in err
    assert "--resume" not in err


def test_interrupted_run_writes_no_report_and_continues_to_one(aws: FaultServer, shell: Shell) -> None:
    words = ("run", "-c", "c.yaml", "-o", "out")
    ended, _ = interrupted(aws, shell, signal.SIGTERM, *words)
    assert ended == 143
    assert not (shell.snapshot.parent / "findings.json").exists()
    done = shell.run(*words, "--resume", shell.run_id())
    assert done.returncode == 0, done.stderr
    assert (shell.out / "latest" / "report.html").is_file()
    assert shell.here("verify", "-o", "out", "latest").returncode == 0


def test_report_of_an_unfinished_collection_is_replaced(aws: FaultServer, shell: Shell) -> None:
    interrupted(aws, shell, signal.SIGTERM)
    run_id = shell.run_id()
    assert shell.here("analyze", "-c", "c.yaml", "-o", "out", run_id).returncode == 4
    assert shell.here("report", "-c", "c.yaml", "-o", "out", run_id).returncode == 0
    before = (shell.out / run_id / "coverage.csv").read_text()
    assert "not_reached" in before
    done = shell.run("run", "-c", "c.yaml", "-o", "out", "--resume", run_id)
    assert done.returncode == 0, done.stderr
    assert "not_reached" not in (shell.out / run_id / "coverage.csv").read_text()
    assert shell.here("verify", "-o", "out", run_id).returncode == 0


def killed(aws: FaultServer, shell: Shell) -> str:
    ended, _ = interrupted(aws, shell, signal.SIGKILL)
    assert ended == -signal.SIGKILL
    assert shell.snapshot.with_name("snapshot.sqlite-wal").exists()
    return shell.run_id()


def test_killed_collection_is_analyzed_whole_and_leaves_one_file(aws: FaultServer, shell: Shell) -> None:
    run_id = killed(aws, shell)
    done = shell.here("analyze", "-c", "c.yaml", "-o", "elsewhere", str(shell.snapshot))
    assert done.returncode == 4, done.stderr
    assert [path.name for path in shell.snapshot.parent.iterdir() if "sqlite" in path.name] == ["snapshot.sqlite"]
    (copy,) = (shell.folder / "elsewhere").glob("*/snapshot.sqlite")
    with closing(sqlite3.connect(copy)) as connection:
        assert ("organization",) in connection.execute("SELECT unit FROM units").fetchall()
    done = shell.run(*COLLECT, "--resume", run_id)
    assert done.returncode == 0, done.stderr


def reading_until(stream: IO[str], text: str) -> str:
    seen = ""
    for line in stream:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"`{text}` was never said, but: {seen}")


def test_second_signal_ends_at_once_though_a_request_hangs(aws: FaultServer, shell: Shell) -> None:
    hanging, answered = Event(), Event()
    at(aws, 6, lambda: (hanging.set(), answered.wait()))
    process = shell.begin(*COLLECT)
    assert process.stderr is not None
    hanging.wait()
    process.send_signal(signal.SIGTERM)
    reading_until(process.stderr, "a second signal ends at once")
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143  # the request is still unanswered
    answered.set()
    process.communicate()
    aws.faults.clear()
    done = shell.run(*COLLECT, "--resume", shell.run_id())
    assert done.returncode == 0, done.stderr


# -- what is refused --------------------------------------------------------------------------------------------------


def test_other_configuration_is_refused_and_names_every_key_that_differs(aws: FaultServer, shell: Shell) -> None:
    run_id = killed(aws, shell)
    before = shell.snapshot.read_bytes()
    done = shell.here(*COLLECT, "--regions", "us-*", "--accounts", IDS[0], "--role", "Other", "--resume", run_id)
    assert done.returncode == 2
    assert f'`accounts.ids` was ["{IDS[0]}", "{IDS[1]}"] and is ["{IDS[0]}"]' in done.stderr
    assert '`regions.include` was ["all-enabled"] and is ["us-*"]' in done.stderr
    assert '`aws.member_role` was "R" and is "Other"' in done.stderr
    assert shell.snapshot.read_bytes() == before


def test_settings_that_only_say_how_fast_may_differ(aws: FaultServer, shell: Shell) -> None:
    run_id = killed(aws, shell)
    done = shell.run(*COLLECT, "--workers", "3", "--deadline", "1h", "--external-id", "other", "--resume", run_id)
    assert done.returncode == 0, done.stderr


def test_complete_collection_is_refused(shell: Shell) -> None:
    assert shell.run(*COLLECT).returncode == 0
    done = shell.here(*COLLECT, "--resume", shell.run_id())
    assert (done.returncode, "is complete" in done.stderr) == (2, True)


def test_latest_and_unknown_runs_are_refused(shell: Shell) -> None:
    assert "takes the id" in shell.here(*COLLECT, "--resume", "latest").stderr
    done = shell.here(*COLLECT, "--resume", "2026-01-01T0000Z-0000")
    assert (done.returncode, "there is no run" in done.stderr) == (2, True)


def test_collection_that_another_process_writes_is_refused_and_the_process_named(
    aws: FaultServer, shell: Shell
) -> None:
    run_id = killed(aws, shell)
    with SnapshotStore.reopen(shell.snapshot) as store:
        store.take_up({})
        done = shell.here(*COLLECT, "--resume", run_id)
    assert done.returncode == 2
    assert f"another process ({os.getpid()}) is writing" in done.stderr


def test_other_schema_names_the_release_that_wrote_it(aws: FaultServer, shell: Shell) -> None:
    run_id = killed(aws, shell)
    with closing(sqlite3.connect(shell.snapshot, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version = 7")
        connection.execute("UPDATE meta SET value = '9.8.7' WHERE key = 'kms_scan_version'")
    done = shell.here(*COLLECT, "--resume", run_id)
    assert done.returncode == 2
    assert "schema 7" in done.stderr
    assert "kms-scan 9.8.7" in done.stderr


def test_row_that_was_edited_in_an_unfinished_snapshot_is_damage(aws: FaultServer, shell: Shell) -> None:
    interrupted(aws, shell, signal.SIGTERM)
    with closing(sqlite3.connect(shell.snapshot, isolation_level=None)) as connection:
        connection.execute("UPDATE units SET state = 'complete'")
    done = shell.here(*COLLECT, "--resume", shell.run_id())
    assert (done.returncode, "is damaged" in done.stderr) == (2, True)


def test_link_in_place_of_the_snapshot_is_not_followed(aws: FaultServer, shell: Shell) -> None:
    run_id = killed(aws, shell)
    real = shell.snapshot.rename(shell.folder / "snapshot.sqlite")
    (shell.out / run_id / "snapshot.sqlite").symlink_to(real)
    before = real.read_bytes()
    done = shell.here(*COLLECT, "--resume", run_id)
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert real.read_bytes() == before


# -- parts ------------------------------------------------------------------------------------------------------------


def test_joined_parts_have_the_findings_of_one_collection(aws: FaultServer, shell: Shell) -> None:
    stranger = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999990:root"}, "Action": "kms:Decrypt"}
    for account in IDS:
        key = aws.keys[(account, EU)]["11111111-0000-0000-0000-000000000000"]
        key.policy = json.dumps({"Version": "2012-10-17", "Statement": [{**stranger, "Resource": "*"}]})
    judged = ("analyze", "-c", "c.yaml", "--as-of", "2026-11-29T00:00:00Z", "--fail-on", "none")
    assert shell.run("collect", "-c", "c.yaml", "-o", "one").returncode == 0
    for number, account in enumerate(IDS):
        assert shell.run("collect", "-c", "c.yaml", "--accounts", account, "-o", f"p{number}").returncode == 0
    (one,) = (shell.folder / "one").iterdir()
    parts = [str(next((shell.folder / f"p{number}").iterdir())) for number in range(2)]
    done = shell.here("merge", "joined/snapshot.sqlite", *parts)
    assert done.returncode == 0, done.stderr
    assert shell.here("merge", "again/snapshot.sqlite", *parts, parts[0]).returncode == 2
    assert shell.here(*judged, str(one)).returncode == 0
    assert shell.here(*judged, "-o", "out", "joined/snapshot.sqlite").returncode == 0
    whole = json.loads((one / "findings.json").read_text())
    joined = json.loads((shell.out / shell.run_id() / "findings.json").read_text())
    assert [finding["kind"] for finding in whole["findings"]].count("external_access") == 2
    assert joined["findings"] == whole["findings"]
    assert joined["coverage"] == whole["coverage"]
    assert joined["run"]["snapshot_hash"] == whole["run"]["snapshot_hash"]
    assert shell.here("report", "-o", "out", shell.run_id()).returncode == 0
    assert shell.here("verify", "-o", "out", shell.run_id()).returncode == 0
    assert shell.here("diff", str(one), str(shell.out / shell.run_id())).returncode == 0
