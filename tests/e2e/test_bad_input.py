"""What people get wrong: a clear message, the right exit code, no traceback, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import zlib

import pytest
from scanner.cli import main
from scanner.snapshot.read import content_hash


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def call(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(argv))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return ended.value.code, captured.out, captured.err

    return call


def test_broken_config_lists_every_problem_with_its_line(cli, tmp_path) -> None:
    (tmp_path / "config.yaml").write_text(
        "version: 1\naws:\n  member_rol: X\naccounts:\n  source: organisation\n  exclude: [12345678901]\n"
    )
    code, out, err = cli("config", "check")
    assert code == 2
    assert out == ""
    assert "config.yaml:3: aws.member_rol is not a setting (did you mean `member_role`?)" in err
    assert "config.yaml:5: accounts.source is `organisation`" in err
    assert "config.yaml:6: accounts.exclude.0 is `12345678901`, must be a 12-digit account id" in err
    assert "4 problem(s)" in err


def test_setting_of_a_later_version_is_refused(cli, tmp_path) -> None:
    (tmp_path / "config.yaml").write_text("version: 1\naws:\n  member_role: X\noutput:\n  redact: [emails]\n")
    code, _, err = cli("config", "check")
    assert code == 2
    assert "output.redact is not available in this version" in err


def test_suppressions_with_problems_are_refused_before_anything_is_written(cli, tmp_path) -> None:
    (tmp_path / "suppressions.yaml").write_text("version: 1\nsuppressions:\n  - id: kx-abc\n    reason: fine\n")
    code, _, err = cli("run", "--role", "Audit", "-o", str(tmp_path / "out"))
    assert code == 2
    assert "suppressions.yaml:3: suppressions.0.id is `kx-abc`, must be a finding id" in err
    assert "suppressions.yaml:3: suppressions.0.expires is required" in err
    assert not (tmp_path / "out").exists()


def test_baseline_that_does_not_exist_is_refused_before_anything_is_read(cli, tmp_path) -> None:
    code, _, err = cli("run", "--role", "Audit", "--baseline", "last-week", "-o", str(tmp_path / "out"))
    assert code == 2
    assert "there is no run `last-week`" in err
    assert not (tmp_path / "out").exists()


def test_gate_on_new_findings_without_a_baseline_is_refused(cli) -> None:
    code, _, err = cli("run", "--role", "Audit", "--new-only")
    assert code == 2
    assert "gate.new_only needs gate.baseline" in err


def test_run_without_a_role_says_which_setting_is_missing(cli) -> None:
    code, _, err = cli("run")
    assert code == 2
    assert "aws.member_role" in err


def test_run_without_credentials_ends_with_5_and_says_what_to_do(cli, tmp_path) -> None:
    code, out, err = cli("run", "--role", "Audit", "-q", "-o", str(tmp_path / "out"))
    assert code == 5
    assert out == ""
    assert "credentials" in err
    assert not (tmp_path / "out" / "latest").exists()


def test_output_folder_that_is_a_file_ends_with_2(cli, tmp_path) -> None:
    (tmp_path / "taken").write_text("mine")
    code, _, err = cli("run", "--role", "Audit", "-o", str(tmp_path / "taken"))
    assert code == 2
    assert "cannot be written" in err
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize("command", ["analyze", "report"])
def test_unknown_run_is_named(cli, command) -> None:
    code, _, err = cli(command, "latest")
    assert code == 2
    assert "there is no run `latest`" in err


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"not a database", "is no snapshot"), (b"SQLite format 3\0" + b"\xff" * 4000, "is damaged")],
)
def test_snapshot_that_is_none_is_refused(cli, tmp_path, content, words) -> None:
    (tmp_path / "snapshot.sqlite").write_bytes(content)
    code, _, err = cli("analyze", "snapshot.sqlite", "-o", str(tmp_path / "out"))
    assert code == 2
    assert words in err
    assert not list((tmp_path / "out").rglob("findings.json"))


def test_damaged_snapshot_of_a_run_leaves_the_earlier_files_alone(cli, demo_run, tmp_path) -> None:
    copy = tmp_path / "out" / demo_run.directory.name
    shutil.copytree(demo_run.directory, copy)
    snapshot = copy / "snapshot.sqlite"
    data = bytearray(snapshot.read_bytes())
    data[8192:40960] = b"\x55" * 32768
    snapshot.write_bytes(bytes(data))
    before = (copy / "findings.json").read_bytes()
    code, _, err = cli("analyze", str(copy), "-o", str(tmp_path / "out"))
    assert code == 2
    assert "damaged" in err
    assert (copy / "findings.json").read_bytes() == before
    assert not [p for p in copy.iterdir() if p.name.endswith(".tmp")]


def test_truncated_policy_document_is_a_gap_and_an_opaque_key(cli, demo_run, tmp_path) -> None:
    """A key policy cut in the middle proves nothing: neither access nor its absence."""
    copy = tmp_path / "out" / demo_run.directory.name
    copy.mkdir(parents=True)
    shutil.copy(demo_run.directory / "snapshot.sqlite", copy)
    with sqlite3.connect(copy / "snapshot.sqlite") as database:
        (key, sha) = database.execute(
            "SELECT k.arn, k.policy_sha256 FROM keys k JOIN aliases a ON a.key_arn = k.arn "
            "WHERE a.name = 'alias/card-data'"
        ).fetchone()
        (blob,) = database.execute("SELECT text FROM documents WHERE sha256 = ?", (sha,)).fetchone()
        cut = zlib.decompress(blob)[:200]
        database.execute("INSERT INTO documents VALUES (?, ?)", (hashlib.sha256(cut).hexdigest(), zlib.compress(cut)))
        database.execute("UPDATE keys SET policy_sha256 = ? WHERE arn = ?", (hashlib.sha256(cut).hexdigest(), key))
        database.execute("UPDATE meta SET value = ? WHERE key = 'content_hash'", (content_hash(database),))
    code, _, _ = cli("analyze", str(copy), "-o", str(tmp_path / "out"))
    document = json.loads((copy / "findings.json").read_text())
    assert code == 3
    assert key in document["coverage"]["opaque_keys"]
    assert not [f for f in document["findings"] if f["resource"]["arn"] == key and f["verdict"] == "confirmed"]


def test_report_without_findings_says_which_command_writes_them(cli, demo_run, tmp_path) -> None:
    copy = tmp_path / "out" / "half"
    copy.mkdir(parents=True)
    shutil.copy(demo_run.directory / "snapshot.sqlite", copy)
    code, _, err = cli("report", str(copy))
    assert code == 2
    assert "kms-scan analyze" in err


def test_unknown_command_and_option_end_with_2(cli) -> None:
    assert cli("explain", "latest")[0] == 2
    code, _, err = cli("run", "--resumed", "latest")
    assert code == 2
    assert "No such option" in err


def test_help_and_version_need_no_configuration(cli) -> None:
    code, out, _ = cli("--version")
    assert code == 0
    assert out.startswith("kms-scan 0.1.0 (engine 1, findings schema 1, Python ")
    for command in ("run", "collect", "analyze", "report", "test", "init", "role", "demo"):
        code, out, _ = cli(command, "--help")
        assert code == 0
        assert "Example" in out or command == "role"


def test_init_never_overwrites(cli, tmp_path) -> None:
    assert cli("init")[0] == 0
    (tmp_path / "config.yaml").write_text("mine")
    code, _, err = cli("init")
    assert code == 2
    assert "--force" in err
    assert (tmp_path / "config.yaml").read_text() == "mine"


def test_config_written_by_init_is_valid(cli) -> None:
    cli("init")
    code, out, _ = cli("config", "check")
    assert code == 0
    assert "valid" in out


def test_role_policy_prints_json_that_holds_only_reads(cli) -> None:
    code, out, _ = cli("role", "policy", "--trusted-arn", "arn:aws:iam::111122223333:role/a", "--external-id", "7c1e")
    assert code == 0
    text = json.dumps(json.loads(out))
    assert "kms:Decrypt" not in text
    assert "7c1e" in text
    assert '"sts:AssumeRole"' in text


def test_folder_of_templates_that_is_none_is_named(cli, tmp_path) -> None:
    code, out, err = cli("report", "latest", "--templates", str(tmp_path / "nowhere"))
    assert (code, out) == (2, "")
    assert f"`{tmp_path / 'nowhere'}` is no folder" in err
