"""What programs read from `config`, and what is said when output cannot be written."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scanner import logs
from scanner.cli import main
from scanner.errors import OutputError


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("KMS_SCAN_")]:
        monkeypatch.delenv(name)

    def call(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(argv))
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return call


# -- config and role for programs -------------------------------------------------------------------------------------


def test_shown_configuration_is_a_tree(cli, tmp_path) -> None:
    (tmp_path / "config.yaml").write_text("version: 1\naws:\n  member_role: Audit\n  external_id: s3cr3t-id\n")
    code, out, _ = cli("config", "show", "--json")
    tree = json.loads(out)
    assert code == 0
    assert (tree["version"], tree["aws"]["member_role"], tree["gate"]["fail_on"]) == (1, "Audit", "high")
    assert "s3cr3t" not in out
    tree = json.loads(cli("config", "show", "--json", "--origin")[1])
    assert tree["aws"]["member_role"]["value"] == "Audit"
    assert tree["aws"]["member_role"]["origin"].endswith("config.yaml:3")
    assert tree["gate"]["fail_on"] == {"value": "high", "origin": "default"}
    assert tree["version"]["value"] == 1


def test_problems_of_a_bad_file_are_json_and_end_with_2(cli, tmp_path) -> None:
    (tmp_path / "config.yaml").write_text("version: 1\naws:\n  member_rol: X\n")
    code, out, _ = cli("config", "check", "--json")
    data = json.loads(out)
    first = next(problem for problem in data["problems"] if problem["suggestion"])
    assert code == 2
    assert data["valid"] is False
    assert first["file"].endswith("config.yaml")
    assert (first["line"], first["suggestion"]) == (3, "member_role")
    assert first["message"] == "aws.member_rol is not a setting"


def test_file_that_is_missing_or_asks_for_unbuilt_parts_is_json_too(cli, tmp_path) -> None:
    code, out, _ = cli("config", "check", "--json", "-c", "none.yaml")
    assert code == 2
    assert "none.yaml" in json.loads(out)["problems"][0]["message"]
    (tmp_path / "config.yaml").write_text("version: 1\naws: {member_role: X}\noutput: {redact: [emails]}\n")
    code, out, _ = cli("config", "check", "--json")
    assert code == 2
    assert json.loads(out)["problems"][0]["line"] == 3


def test_valid_file_has_no_problems(cli, tmp_path) -> None:
    (tmp_path / "config.yaml").write_text("version: 1\naws: {member_role: X}\n")
    code, out, _ = cli("config", "check", "--json")
    assert code == 0
    assert (json.loads(out)["valid"], json.loads(out)["problems"]) == (True, [])


TRUSTED = ("role", "policy", "--trusted-arn", "arn:aws:iam::111122223333:role/auditor")


@pytest.mark.parametrize("given", ["7c1e\u2026", "a b", "x", "env:NOT_SET_ANYWHERE"])
def test_external_id_that_sts_refuses_is_refused(cli, given) -> None:
    code, out, err = cli(*TRUSTED, "--external-id", given)
    assert (code, out) == (2, "")
    assert err.startswith("error: --external-id: ")


def test_external_id_of_a_role_is_read_as_in_the_configuration(cli, monkeypatch) -> None:
    monkeypatch.setenv("KMS_SCAN_EXTERNAL_ID", "7c1e4a90")
    code, out, _ = cli(*TRUSTED, "--external-id", "env:KMS_SCAN_EXTERNAL_ID")
    assert code == 0
    assert "7c1e4a90" in out


def test_examples_of_the_help_are_accepted(cli) -> None:
    _, out, _ = cli("role", "policy", "--help")
    examples = [line.split()[1:] for line in out.splitlines() if line.strip().startswith("kms-scan role")]
    assert len(examples) == 3
    for words in examples:
        assert cli(*words)[0] == 0


# -- output that cannot be written ------------------------------------------------------------------------------------


def process(folder: Path, *argv: str, **streams: object) -> subprocess.CompletedProcess:
    """A command in a process of its own, where streams are real."""
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(  # the interpreter and arguments are ours
        [sys.executable, "-m", "scanner", *argv], cwd=folder, env=environ, text=True, timeout=120, check=False, **given
    )


@pytest.mark.parametrize("words", [("config", "schema"), ("--help",), ("--version",)])
def test_standard_output_that_is_full_ends_with_2(tmp_path, words) -> None:
    with Path("/dev/full").open("w") as full:
        done = process(tmp_path, *words, stdout=full)
    assert done.returncode == 2
    assert done.stderr.startswith("error: output cannot be written: no space left on device\n")
    assert "bug" not in done.stderr
    assert "Exception" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_standard_error_that_is_full_leaves_the_exit_code(tmp_path) -> None:
    with Path("/dev/full").open("w") as full:
        done = process(tmp_path, "report", "nowhere", stderr=full)
    assert done.returncode == 2


def test_log_file_that_is_full_is_told_before_the_work_begins(cli) -> None:
    code, out, err = cli("config", "show", "--log-file", "/dev/full")
    assert (code, out) == (2, "")
    assert "log file `/dev/full` cannot be written: no space left on device" in err
    assert "Logging error" not in err


def test_log_file_that_becomes_full_stops_nothing_and_is_told_at_the_end(tmp_path, capsys) -> None:
    logs.configure("info", "text", sys.stderr, tmp_path / "log")
    try:
        (handler,) = [
            h for h in logging.getLogger().handlers if getattr(h, "baseFilename", "") == str(tmp_path / "log")
        ]
        handler.setStream(os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")).close()
        for number in range(3):
            logging.getLogger("scanner.test").warning("record %d", number)
        with pytest.raises(OutputError, match="cannot be written: no space left on device"):
            logs.check_files()
    finally:
        logs.remove_handlers()
    err = capsys.readouterr().err
    assert "Logging error" not in err
    assert err.count("record") == 3


def test_log_of_a_run_that_cannot_be_written_is_told_after_the_run() -> None:
    done = []

    def work() -> None:
        with logs.run_log(Path("/dev/full")):
            logging.getLogger("scanner.test").warning("record")
            done.append(True)

    with pytest.raises(OutputError, match="cannot be written"):
        work()
    assert done
