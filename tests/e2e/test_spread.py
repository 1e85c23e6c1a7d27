"""The demo judged by several processes and by a cluster: the same files, and `verify` makes them again with one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from scanner.cli import main

JUDGED = (
    "findings.json", "graph.json", "graph.graphml", "keys.csv", "access.csv", "coverage.csv", "trials.jsonl",
    "verdicts.jsonl", "paths.jsonl", "places.jsonl",
)  # fmt: skip


def called(*argv: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return ended.value.code


def judged(demo_run, folder: Path, *options: str) -> Path:
    """The demo's snapshot, judged once more."""
    shutil.copy(demo_run.directory / "snapshot.sqlite", folder)
    assert called("analyze", str(folder / "snapshot.sqlite"), "-q", "-o", str(folder / "out"), *options) == 3
    (run,) = (folder / "out").iterdir()
    return run


def test_processes_write_what_one_process_writes(demo_run, tmp_path) -> None:
    run = judged(demo_run, tmp_path, "--processes", "2")
    for name in JUDGED:
        assert (run / name).read_bytes() == (demo_run.directory / name).read_bytes(), name
    assert called("verify", str(run)) == 0


def test_cluster_writes_what_one_process_writes(demo_run, tmp_path, with_dask) -> None:
    shutil.copy(demo_run.directory / "snapshot.sqlite", tmp_path)
    assert with_dask("commanded", str(tmp_path / "snapshot.sqlite"), str(tmp_path / "out")) == {"exit_code": 3}
    (run,) = (tmp_path / "out").iterdir()
    for name in JUDGED:
        assert (run / name).read_bytes() == (demo_run.directory / name).read_bytes(), name


def test_processes_and_cluster_exclude_each_other(demo_run, tmp_path, capsys) -> None:
    snapshot = str(demo_run.directory / "snapshot.sqlite")
    options = ("--processes", "2", "--dask", "tcp://127.0.0.1:1")
    assert called("analyze", snapshot, "-o", str(tmp_path), *options) == 2
    assert "--dask and --processes exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["0", "-1", "many"])
def test_number_of_processes_is_checked(number: str, demo_run, tmp_path, capsys) -> None:
    assert called("analyze", str(demo_run.directory), "-o", str(tmp_path), "--processes", number) == 2
    assert "--processes" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
