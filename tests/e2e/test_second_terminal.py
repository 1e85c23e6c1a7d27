"""`kms-scan init` and `kms-scan run` as another process against the demo server, as cron would call them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from scanner.demo.build import build
from scanner.demo.server import start_demo

HOSTILE = (
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "'><img src=x onerror=alert(1)>",
    "</style><script>alert(1)</script>",
    '=HYPERLINK("http://evil.example","x")',
    "＝cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[0m",
    "\u202egnp.exe",
    "javascript:alert(1)",
    "A" * 8000,
)


@pytest.fixture(scope="module")
def server():
    """The demo server with its organization and, on top, one key per hostile string."""
    with start_demo() as demo:
        build(demo)
        organizations = demo.client("organizations")
        organizations.create_account(AccountName=HOSTILE[0][:50], Email="x@acme.example")
        kms = demo.client("kms", "us-east-1")
        account = demo.management_account_id
        for number, text in enumerate(HOSTILE):
            policy = {
                "Version": "2012-10-17",
                "Statement": [
                    {"Sid": text[:2000], "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999988887777:root"},
                     "Action": "kms:Decrypt", "Resource": "*"},
                    {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*",
                     "Resource": "*"},
                ],
            }  # fmt: skip
            key = kms.create_key(
                Policy=json.dumps(policy),
                Description=text,
                Tags=[{"TagKey": "note", "TagValue": text[:256]}],
            )["KeyMetadata"]
            kms.create_alias(AliasName=f"alias/hostile-{number}", TargetKeyId=key["KeyId"])
        yield demo


def call(demo, folder, *argv: str) -> subprocess.CompletedProcess:
    """A command in a process of its own, with the environment the demo prints for a second terminal."""
    environ = {k: v for k, v in os.environ.items() if k not in demo.unset_environment}
    environ.update(demo.environment)
    return subprocess.run(  # the interpreter and arguments are ours
        [sys.executable, "-m", "scanner", *argv],
        cwd=folder, env=environ, capture_output=True, text=True, timeout=300, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def hostile_run(server, tmp_path_factory):
    """`init`, the role's name put into the file, then `run` as cron would."""
    folder = tmp_path_factory.mktemp("second")
    assert call(server, folder, "init").returncode == 0
    config = folder / "config.yaml"
    assert f"member_role: {server.member_role}" in config.read_text()
    return folder, call(server, folder, "run", "-c", "config.yaml")


def test_run_with_the_config_of_init_reports_and_ends_with_3(hostile_run) -> None:
    folder, run = hostile_run
    assert run.returncode == 3, run.stderr[-2000:]
    assert "paths through assumed roles: 4 outsiders reach" in run.stdout
    assert len(run.stdout.strip().splitlines()) <= 12
    assert (folder / "kms-scan-out" / "latest" / "report.html").is_file()


def test_logs_are_json_lines_without_control_characters(hostile_run) -> None:
    _, run = hostile_run
    lines = [line for line in run.stderr.splitlines() if line]
    assert lines
    for line in lines:
        assert {"ts", "level", "event"} <= json.loads(line).keys()
        assert "\x1b" not in line
        assert "\u202e" not in line


def test_older_run_keeps_only_its_summary_where_one_run_is_to_be_kept(server, tmp_path) -> None:
    scope = ("run", "--role", server.member_role, "--accounts", "222233334444", "--regions", "eu-west-1", "-q")
    (tmp_path / "config.yaml").write_text("version: 1\noutput: {keep_runs: 1}\n")
    runs = []
    for _ in range(2):
        assert call(server, tmp_path, *scope).returncode in {3, 4}
        runs.append((tmp_path / "kms-scan-out" / "latest").resolve())
    assert [path.name for path in runs[0].iterdir()] == ["summary.json"]
    assert {"report.html", "snapshot.sqlite", "manifest.json"} <= {path.name for path in runs[1].iterdir()}


def test_role_that_does_not_exist_ends_with_5_and_writes_no_report(server, tmp_path) -> None:
    run = call(server, tmp_path, "run", "--role", "Missing", "--accounts", "222233334444,777788889999")
    assert run.returncode == 5
    assert "every account refused the audit role" in run.stderr
    assert "Traceback" not in run.stderr
    assert not list(tmp_path.rglob("report.html"))
    assert not (tmp_path / "kms-scan-out" / "latest").exists()


def test_hostile_text_is_inert_in_html(hostile_run) -> None:
    folder, _ = hostile_run
    html = (folder / "kms-scan-out" / "latest" / "report.html").read_text()
    assert "alias/hostile-0" in html
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_hostile_text_is_inert_in_csv_markdown_and_stdout(hostile_run) -> None:
    folder, run = hostile_run
    latest = folder / "kms-scan-out" / "latest"
    for name in ("findings.csv", "keys.csv", "access.csv", "coverage.csv"):
        text = (latest / name).read_text("utf-8-sig")
        assert "\x1b" not in text, name
        for cell in text.replace("\r\n", ",").split(","):
            assert not cell.strip('"').startswith(("=", "＝", "@", "+")), (name, cell[:80])
    markdown = (latest / "summary.md").read_text()
    patches = re.sub(r"^ *(```+)diff\n.*?^ *\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    code = re.compile(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)")
    outside_code = "\n".join(code.sub("", line) for line in patches.splitlines())
    assert "alert" in markdown
    assert "<" not in outside_code
    assert "\x1b" not in markdown
    assert "\x1b" not in run.stdout


def test_every_hostile_key_has_its_finding(hostile_run) -> None:
    folder, _ = hostile_run
    document = json.loads((folder / "kms-scan-out" / "latest" / "findings.json").read_text())
    hostile = {
        f["key"]["description"] for f in document["findings"] if f["key"] and "hostile" in str(f["key"]["aliases"])
    }
    assert hostile == set(HOSTILE)
