"""Runs by name, runs judged again, damaged snapshots, synthetic marks: what `latest` means and what is never mixed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest
from scanner.cli import main
from scanner.demo.show import refuse_real_runs
from scanner.errors import SnapshotError, UsageError
from scanner.runs import find_run
from scanner.snapshot.read import content_hash

JUDGED = (
    "findings.json", "graph.json", "graph.graphml", "keys.csv", "access.csv", "coverage.csv", "trials.jsonl",
    "verdicts.jsonl", "paths.jsonl", "places.jsonl",
)  # fmt: skip


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run a command in an empty folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(argv))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert "this is a bug" not in captured.err
        return ended.value.code, captured.out, captured.err

    return call


@pytest.fixture
def collected(demo_run, tmp_path):
    """Puts a run that was collected and nothing more into `kms-scan-out`, as if it had ended at the given time."""

    def put(name: str, finished: str = "2026-11-22T05:00:00Z", **meta: str) -> Path:
        folder = tmp_path / "kms-scan-out" / name
        folder.mkdir(parents=True)
        shutil.copy(demo_run.directory / "snapshot.sqlite", folder)
        edit(folder / "snapshot.sqlite", {"run_id": name, "finished": finished, **meta})
        return folder

    return put


def edit(snapshot: Path, meta: dict[str, str], *statements: str, sealed: bool = True) -> None:
    """Change a snapshot as a collection would have written it; unsealed: as somebody would who edits the file."""
    with sqlite3.connect(snapshot) as database:
        for pair in meta.items():
            database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", pair)
        for statement in statements:
            database.execute(statement)
        if sealed:
            database.execute("UPDATE meta SET value = ? WHERE key = 'content_hash'", (content_hash(database),))
    database.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def runs(output: Path) -> list[str]:
    return sorted(p.name for p in output.iterdir() if not p.is_symlink())


# -- latest -----------------------------------------------------------------------------------------------------------


def test_latest_is_the_newest_collection_for_analyze_and_the_newest_judgement_for_report(cli, collected) -> None:
    first = collected("2026-11-22T0500Z-ffff")
    output = first.parent
    assert cli("analyze", "latest")[0] == 3
    assert not (output / "latest").exists()
    assert cli("report", "latest")[0] == 0
    assert (output / "latest").resolve() == first.resolve()
    before = contents(first)
    second = collected("2026-11-22T0500Z-0000", finished="2026-11-22T05:00:30Z")
    assert cli("report", "latest")[2].count("2026-11-22T0500Z-0000") == 1
    before |= {"manifest.json": (first / "manifest.json").read_bytes()}
    assert cli("analyze", "latest")[0] == 3
    assert (second / "findings.json").is_file()
    assert (output / "latest").resolve() == first.resolve()
    assert cli("report", "latest")[0] == 0
    assert (output / "latest").resolve() == second.resolve()
    assert contents(first) == before
    assert runs(output) == [second.name, first.name]


def test_collection_that_never_ended_is_not_latest_and_is_named(cli, collected) -> None:
    collected("2026-11-22T0500Z-aaaa")
    killed = collected("2026-11-22T0600Z-bbbb", complete="0", writer_process="1")
    code, _, err = cli("analyze", "latest")
    assert code == 3
    assert "2026-11-22T0600Z-bbbb" in err
    assert not (killed / "findings.json").exists()


def test_latest_in_an_empty_folder_says_that_there_is_none(cli) -> None:
    for command in ("analyze", "report"):
        code, _, err = cli(command, "latest")
        assert code == 2
        assert "there is no run `latest`" in err


# -- judging again ----------------------------------------------------------------------------------------------------


def test_run_with_a_report_is_judged_again_in_a_new_folder(cli, collected) -> None:
    run = collected("2026-11-22T0500Z-7f3a")
    cli("analyze", run.name)
    cli("report", run.name)
    before = contents(run)
    code, out, _ = cli("analyze", str(run), "--as-of", "2023-06-01T00:00:00Z")
    again = run.with_name(f"{run.name}-2")
    assert code == 3
    assert f"kms-scan-out/{again.name}" in out
    assert contents(run) == before
    assert (run.parent / "latest").resolve() == run.resolve()
    assert {*JUDGED, "snapshot.sqlite", "manifest.json"} == set(contents(again))
    assert json.loads((again / "findings.json").read_text())["run"]["as_of"].startswith("2023-06-01")
    cli("analyze", run.name)
    assert runs(run.parent) == [run.name, again.name, f"{run.name}-3"]


def test_judgement_that_fails_leaves_nothing_behind(cli, collected) -> None:
    run = collected("2026-11-22T0500Z-7f3a")
    cli("analyze", run.name)
    edit(run / "snapshot.sqlite", {}, "UPDATE principals SET tags = '{'")
    before = contents(run)
    code, _, err = cli("analyze", run.name)
    assert code == 2
    assert "is damaged" in err
    assert contents(run) == before
    assert runs(run.parent) == [run.name]


def test_collected_run_outside_the_output_folder_is_judged_in_place(cli, collected, tmp_path) -> None:
    run = collected("2026-11-22T0500Z-7f3a")
    moved = tmp_path / "elsewhere" / run.name
    moved.parent.mkdir()
    run.rename(moved)
    code, out, _ = cli("analyze", str(moved))
    assert code == 3
    assert str(moved / "findings.json") in out
    assert runs(run.parent) == []
    code, out, _ = cli("analyze", str(moved), "-o", "review")
    assert runs(tmp_path / "review") == [run.name]


def test_lone_snapshot_is_copied_and_never_over_another_run(cli, collected, tmp_path) -> None:
    run = collected("2026-11-22T0500Z-7f3a")
    shutil.copy(run / "snapshot.sqlite", tmp_path / "lone.sqlite")
    before = contents(run)
    assert cli("analyze", "lone.sqlite")[0] == 3
    assert contents(run) == before
    assert (run.parent / f"{run.name}-2" / "findings.json").is_file()
    assert runs(run.parent) == [run.name, f"{run.name}-2"]


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("principals", "UPDATE principals SET tags = '{'"),
        ("principals", "UPDATE principals SET kind = 'robot'"),
        ("grants", "UPDATE grants SET operations = 'null'"),
        ("grants", "UPDATE grants SET constraints = '[1]'"),
        ("coverage", "UPDATE coverage SET outcome = 'fine'"),
        ("documents", "UPDATE documents SET text = x'00'"),
        ("keys", "UPDATE keys SET region = CAST(x'ff' AS TEXT)"),
        ("meta", "UPDATE meta SET value = CAST(x'ff' AS TEXT) WHERE key = 'as_of'"),
    ],
)
def test_row_that_cannot_be_read_is_damage_and_names_file_and_table(cli, collected, table, statement) -> None:
    run = collected("2026-11-22T0500Z-7f3a")
    with sqlite3.connect(run / "snapshot.sqlite") as database:
        database.execute("DELETE FROM meta WHERE key = 'content_hash'")
        database.execute(statement)
    for words in (("analyze", run.name), ("who-can", run.name, "--key", "alias/data-lake-share")):
        code, out, err = cli(*words)
        assert (code, out) == (2, "")
        assert "snapshot.sqlite` is damaged" in err
        assert f"`{table}`" in err


def test_row_that_was_edited_after_the_collection_is_damage(cli, collected) -> None:
    run = collected("2026-11-22T0500Z-7f3a")
    edit(run / "snapshot.sqlite", {}, "DELETE FROM grants", sealed=False)
    code, _, err = cli("analyze", run.name)
    assert code == 2
    assert "is damaged" in err
    assert "not those that were collected" in err


@pytest.mark.parametrize("name", ["snapshot.sqlite", "findings.json", "keys.csv"])
def test_file_that_is_not_the_one_of_the_manifest_is_refused(cli, collected, name) -> None:
    run = collected("2026-11-22T0500Z-7f3a")
    cli("analyze", run.name)
    cli("report", run.name)
    if name == "snapshot.sqlite":
        edit(run / name, {}, "DELETE FROM grants")
        commands = ["analyze", "report"]
    else:
        (run / name).write_bytes((run / name).read_bytes().replace(b"eu-west-1", b"eu-west-2"))
        commands = ["report"]
    for command in commands:
        code, _, err = cli(command, run.name)
        assert code == 2
        assert f"{name}` is damaged" in err
        assert "manifest.json" in err


def test_flipped_bytes_anywhere_are_damage_or_change_nothing(cli, collected) -> None:
    run = collected("2026-11-22T0500Z-7f3a")
    snapshot = run / "snapshot.sqlite"
    whole = snapshot.read_bytes()
    for at in range(97, len(whole), len(whole) // 25):
        data = bytearray(whole)
        data[at : at + 3] = bytes(byte ^ 0xA5 for byte in data[at : at + 3])
        snapshot.write_bytes(bytes(data))
        code, _, err = cli("who-can", run.name, "--key", "alias/data-lake-share")
        assert code in {0, 2}, at
        assert code == 0 or "snapshot" in err, at


# -- the demo's mark --------------------------------------------------------------------------------------------------


def test_demo_says_in_every_report_that_it_is_synthetic(demo_run) -> None:
    assert json.loads(demo_run.text("summary.json"))["synthetic"] is True
    assert "Synthetic data" in demo_run.text("report.html")
    assert "Synthetic data" in demo_run.text("summary.md")


def test_demo_refuses_a_folder_that_holds_real_runs(collected, tmp_path) -> None:
    output = tmp_path / "kms-scan-out"
    refuse_real_runs(output)
    collected("2026-11-22T0500Z-aaaa")
    refuse_real_runs(output)
    collected("2026-11-22T0501Z-bbbb", synthetic="0")
    with pytest.raises(UsageError) as refused:
        refuse_real_runs(output)
    assert "kms-scan-out" in refused.value.message
    assert "--output" in str(refused.value.hint)


def test_demo_is_refused_before_the_server_starts(cli, collected, monkeypatch) -> None:
    monkeypatch.setattr("scanner.demo.show.start_demo", lambda: pytest.fail("the server was started"))
    collected("2026-11-22T0501Z-bbbb", synthetic="0")
    code, _, err = cli("demo")
    assert code == 2
    assert "--output" in err


# -- a run under another name -----------------------------------------------------------------------------------------


def sent(demo_run, folder: Path) -> str:
    """The files of a run without its snapshot's bulk, as somebody sends them; returns the id of the run."""
    folder.mkdir(parents=True)
    for name in ("manifest.json", "findings.json"):
        shutil.copy(demo_run.directory / name, folder)
    return json.loads((folder / "manifest.json").read_bytes())["run_id"]


@pytest.mark.parametrize("place", ["run", "kms-scan-out/run"])
def test_run_is_found_by_the_id_of_its_manifest_under_another_name(demo_run, tmp_path, monkeypatch, place: str) -> None:
    monkeypatch.chdir(tmp_path)
    run_id = sent(demo_run, tmp_path / place)
    assert find_run(run_id, Path("kms-scan-out")).path == tmp_path / place


def test_folder_of_that_name_goes_before_a_manifest(demo_run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_id = sent(demo_run, tmp_path / "copy")
    sent(demo_run, tmp_path / "kms-scan-out" / run_id)
    assert find_run(run_id, Path("kms-scan-out")).path == tmp_path / "kms-scan-out" / run_id


def test_run_in_several_folders_is_not_chosen_from(demo_run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_id = sent(demo_run, tmp_path / "one")
    sent(demo_run, tmp_path / "two")
    with pytest.raises(SnapshotError) as raised:
        find_run(run_id, Path("kms-scan-out"))
    assert raised.value.message.startswith(f"2 folders hold run `{run_id}`: `{tmp_path / 'one'}`, ")
    assert raised.value.hint == "name one of them"


@pytest.mark.parametrize("text", ["", "[", "[]", '{"run_id": 1}', "[" * 100_000, None])
def test_folder_without_a_manifest_of_the_run_is_none(tmp_path, monkeypatch, text: str | None) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "manifest.json").write_text('{"run_id": "r"}')
    (tmp_path / "folder").mkdir()
    if text is not None:
        (tmp_path / "folder" / "manifest.json").write_text(text)
    for name in ("r", ""):
        with pytest.raises(SnapshotError) as raised:
            find_run(name, Path("kms-scan-out"))
        assert "name the folder that holds manifest.json" in (raised.value.hint or "")


def test_question_of_a_card_is_put_to_a_run_that_was_sent(demo_run, cli, tmp_path) -> None:
    run_id = sent(demo_run, tmp_path / "run")
    shutil.copy(demo_run.directory / "snapshot.sqlite", tmp_path / "run")
    key = next(f["key"]["key_id"] for f in demo_run.findings() if f["key"])
    code, out, err = cli("who-can", run_id, "--key", key, "-q")
    assert code == 0, err
    assert out
