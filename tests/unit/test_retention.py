"""Which runs `output.keep_runs` takes the files of, and what is left alone whatever lies in the folder."""

from __future__ import annotations

import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from scanner.report.directory import RunDirectory
from scanner.report.manifest import write_manifest
from scanner.retention import prune
from scanner.runs import SNAPSHOT

import report_builders as build
from small_snapshot import write_snapshot

SUMMARY = {"summary.json"}


def made(output: Path, day: int, *, complete: str = "1", baseline: Path | None = None, written: str = "t") -> Path:
    """A run of that day with a report and every kind of file."""
    name = f"2026-11-{day:02}T0010Z-7f3a"
    directory = RunDirectory.create(output, name)
    write_snapshot(directory.path / SNAPSHOT)
    with sqlite3.connect(directory.path / SNAPSHOT) as connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('complete', ?)", (complete,))
    connection.close()
    for file in ("findings.json", "report.html", "access.csv", "report-kx-pnfc3b5nav5y.html", "summary.json"):
        directory.write(file, file.encode())
    for file in ("log.jsonl", "report/111122223333.html", "report/other-2.html", "policies/1/eu-west-1/k.json"):
        directory.write(file, file.encode())
    document = build.document()
    run = replace(document.run, run_id=name, finished=f"2026-11-{day:02}T00:20:00Z")
    judged = {"baseline": {"path": str(baseline), "run_id": baseline.name} if baseline else None}
    write_manifest(directory, replace(document, run=run), written, judged=judged)
    return directory.path


def left(run: Path) -> set[str]:
    return {str(p.relative_to(run)) for p in run.rglob("*") if p.is_symlink() or not p.is_dir()}


def test_older_runs_lose_everything_but_their_summary(tmp_path: Path) -> None:
    runs = [made(tmp_path, day) for day in (3, 1, 2, 4)]
    whole = left(runs[0])
    assert prune(tmp_path, 2, ()) == ("2026-11-01T0010Z-7f3a", "2026-11-02T0010Z-7f3a")
    assert [left(run) for run in runs] == [whole, SUMMARY, SUMMARY, whole]
    assert not (runs[1] / "report").exists()
    assert prune(tmp_path, 2, ()) == ()


def test_run_that_latest_or_the_configuration_names_stays_and_so_does_a_baseline_of_what_is_kept(
    tmp_path: Path,
) -> None:
    first, second, third = (made(tmp_path, day) for day in (1, 2, 3))
    fourth = made(tmp_path, 4, baseline=second)
    fifth = made(tmp_path, 5)
    RunDirectory(third).publish_latest()
    assert prune(tmp_path, 2, (first,)) == ()
    assert prune(tmp_path, 2, ()) == (first.name,)
    assert {"manifest.json", SNAPSHOT} <= left(second) & left(third) & left(fourth) & left(fifth)


def test_baseline_that_lies_elsewhere_under_the_same_name_protects_nothing_here(tmp_path: Path) -> None:
    first = made(tmp_path / "here", 1)
    made(tmp_path / "here", 2, baseline=tmp_path / "elsewhere" / "other")
    assert prune(tmp_path / "here", 1, ()) == (first.name,)


@pytest.mark.parametrize("state", ["0", ""])
def test_collection_that_can_be_resumed_is_neither_counted_nor_touched(tmp_path: Path, state: str) -> None:
    stopped = made(tmp_path, 5, complete=state)
    runs = [made(tmp_path, day) for day in (1, 2)]
    whole = left(stopped)
    assert prune(tmp_path, 1, ()) == (runs[0].name,)
    assert (left(stopped), left(runs[1])) == (whole, whole)


def test_collection_that_another_process_writes_is_not_touched(tmp_path: Path) -> None:
    running, newest = made(tmp_path, 1), made(tmp_path, 2)
    with sqlite3.connect(running / SNAPSHOT) as connection:
        connection.execute("INSERT INTO meta VALUES ('writer_process', '1')")
    connection.close()
    assert prune(tmp_path, 1, ()) == ()
    assert left(running) == left(newest)


def test_run_without_a_report_or_a_manifest_or_with_a_damaged_one_is_not_touched(tmp_path: Path) -> None:
    judged, bare, broken = made(tmp_path, 1, written=""), made(tmp_path, 2), made(tmp_path, 3)
    (bare / "manifest.json").unlink()
    (broken / "manifest.json").write_text('{"files": {"../outside": {"sha256": "0"}}}')
    made(tmp_path, 4)
    assert prune(tmp_path, 1, ()) == ()
    assert all((run / "findings.json").exists() for run in (judged, bare, broken))


def test_renamed_run_is_not_touched_and_a_second_judgement_is(tmp_path: Path) -> None:
    renamed, second = made(tmp_path, 1), made(tmp_path, 2)
    renamed.rename(tmp_path / "before-the-audit")
    second.rename(second.with_name(f"{second.name}-2"))
    made(tmp_path, 3)
    assert prune(tmp_path, 1, ()) == (f"{second.name}-2",)
    assert (tmp_path / "before-the-audit" / "findings.json").exists()


def test_file_that_the_tool_did_not_write_or_somebody_changed_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one that lay there when the manifest was written, and so stands in it."""
    run = made(tmp_path, 1)
    (run / "notes.txt").write_text("mine")
    (run / "report" / "mine.pdf").write_text("mine")
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["files"]["notes.txt"] = {"sha256": manifest["files"]["report.html"]["sha256"]}
    (run / "manifest.json").write_text(json.dumps(manifest))
    (run / "access.csv").write_text("sorted by hand")
    made(tmp_path, 2)
    assert prune(tmp_path, 1, ()) == (run.name,)
    assert left(run) == {*SUMMARY, "notes.txt", "report/mine.pdf", "access.csv"}
    assert "access.csv" in caplog.text


def test_links_are_never_followed(tmp_path: Path) -> None:
    output, outside = tmp_path / "out", tmp_path / "outside"
    run = made(output, 1)
    outside.mkdir()
    for name in ("111122223333.html", "other-2.html"):
        (run / "report" / name).rename(outside / name)
    (run / "report").rmdir()
    (run / "report").symlink_to(outside)
    (run / "report.html").rename(outside / "report.html")
    (run / "report.html").symlink_to(outside / "report.html")
    elsewhere = made(tmp_path / "more", 1)
    (output / "2026-10-01T0010Z-7f3a").symlink_to(elsewhere)
    made(output, 2)
    assert prune(output, 1, ()) == (run.name,)
    assert {p.name for p in outside.iterdir()} == {"111122223333.html", "other-2.html", "report.html"}
    assert left(run) == {*SUMMARY, "report", "report.html"}
    assert (elsewhere / "findings.json").exists()


def test_manifest_that_is_a_link_is_no_manifest(tmp_path: Path) -> None:
    run = made(tmp_path, 1)
    (run / "manifest.json").rename(tmp_path / "manifest.json")
    (run / "manifest.json").symlink_to(tmp_path / "manifest.json")
    made(tmp_path, 2)
    assert prune(tmp_path, 1, ()) == ()


def test_interrupted_pruning_is_continued_and_the_run_is_no_baseline_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made(tmp_path, 1)
    made(tmp_path, 2)
    removed: list[str] = []
    unlink = os.unlink

    def stopping(name: str, *, dir_fd: int) -> None:
        if len(removed) == 2:
            raise KeyboardInterrupt
        removed.append(name)
        unlink(name, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", stopping)
        with pytest.raises(KeyboardInterrupt):
            prune(tmp_path, 1, ())
    assert removed[0] == "findings.json"
    assert "manifest.json" in left(run)
    assert prune(tmp_path, 1, ()) == (run.name,)
    assert left(run) == SUMMARY


def test_file_that_cannot_be_removed_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = made(tmp_path, 1)
    made(tmp_path, 2)

    def refusing(name: str, *, dir_fd: int) -> None:
        del dir_fd
        raise PermissionError(13, "Permission denied", name)

    monkeypatch.setattr(os, "unlink", refusing)
    assert prune(tmp_path, 1, ()) == ()
    assert "permission denied" in caplog.text
    assert (run / "manifest.json").exists()
