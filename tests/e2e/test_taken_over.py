"""Runs with a baseline whose trials count: every file is that of a run that tries everything, and little is tried."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from scanner.cli import main

from e2e.test_lifecycle import Organization, allow

FILES = (
    "findings.json", "graph.json", "graph.graphml", "keys.csv", "access.csv", "coverage.csv", "trials.jsonl",
)  # fmt: skip
DATED, DATED_OTHERS = 1, 18
"""Trials that another day could change: a key of the demo tests the date, and most other edits touch that key too."""
SAID = re.compile(r"edits of (\d+) of (\d+) keys and (\d+) of (\d+) other edits were not tried again")


@pytest.fixture
def organization(demo_run, tmp_path, monkeypatch) -> Organization:
    monkeypatch.chdir(tmp_path)
    return Organization(demo_run.directory / "snapshot.sqlite", tmp_path / "kms-scan-out")


@pytest.fixture
def analyzed(capsys) -> Callable[..., tuple[Path, str]]:
    """Analyze a run; returns its folder and what was logged."""

    def analyze(folder: Path, *options: str) -> tuple[Path, str]:
        with pytest.raises(SystemExit) as ended:
            main(["analyze", str(folder), "--log-format", "json", *options])
        logged = capsys.readouterr().err
        assert ended.value.code == 3, logged
        return folder, logged

    return analyze


def without_trials(folder: Path, name: str) -> Path:
    """A copy of a run as one of before left it: neither with the file nor with its name in the manifest."""
    copy = Path(shutil.copytree(folder, folder.parent.parent / name / folder.name))
    (copy / "trials.jsonl").unlink()
    manifest = json.loads((copy / "manifest.json").read_text())
    del manifest["files"]["trials.jsonl"]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def counts(logged: str) -> tuple[int, ...]:
    found = SAID.search(logged)
    assert found, logged
    return tuple(map(int, found.groups()))


def assert_same_as_full(folder: Path, before: Path, analyzed: Callable[..., tuple[Path, str]], *options: str) -> None:
    full = folder.parent.parent / "full" / folder.name
    full.mkdir(parents=True)
    shutil.copy(folder / "snapshot.sqlite", full)
    _, logged = analyzed(full, "--baseline", str(without_trials(before, f"bare-{folder.name}")), *options)
    assert "every edit is tried again" in logged
    for name in FILES:
        assert (folder / name).read_bytes() == (full / name).read_bytes(), name


def test_only_what_another_day_could_change_is_tried_again_where_nothing_did(organization, analyzed) -> None:
    before, logged = analyzed(organization.collected())
    assert not SAID.search(logged)
    after, logged = analyzed(organization.collected(), "--baseline", before.name)
    keys, all_keys, others, all_others = counts(logged)
    assert (all_keys - keys, all_others - others) == (DATED, DATED_OTHERS)
    assert keys > 40
    assert others > 0
    assert_same_as_full(after, before, analyzed)
    assert called("verify", str(after)) == 0


def called(*argv: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return ended.value.code


def test_one_policy_that_changed_is_all_that_is_tried_again_of_keys(organization, analyzed) -> None:
    before, _ = analyzed(organization.collected())
    policy = organization.with_statements(allow("arn:aws:iam::343434343434:root"))
    after, logged = analyzed(organization.collected(policy), "--baseline", before.name)
    keys, all_keys, others, all_others = counts(logged)
    assert all_keys - keys == 1 + DATED
    assert 0 < others < all_others
    assert_same_as_full(after, before, analyzed)


def test_processes_take_over_what_one_process_tried(organization, analyzed) -> None:
    before, _ = analyzed(organization.collected())
    policy = organization.with_statements(allow("arn:aws:iam::343434343434:root"))
    after, logged = analyzed(organization.collected(policy), "--baseline", before.name, "--processes", "2")
    assert counts(logged)[0] == counts(logged)[1] - 1 - DATED
    assert_same_as_full(after, before, analyzed)


def test_everything_is_tried_again_with_other_rules(organization, analyzed, tmp_path) -> None:
    before, _ = analyzed(organization.collected())
    (tmp_path / "other.yaml").write_text("version: 1\nanalysis:\n  max_role_hops: 2\naws:\n  member_role: Audit\n")
    after, logged = analyzed(organization.collected(), "--baseline", before.name, "-c", str(tmp_path / "other.yaml"))
    assert counts(logged)[0] == counts(logged)[2] == 0
    assert_same_as_full(after, before, analyzed, "-c", str(tmp_path / "other.yaml"))


def flip(text: str) -> str:
    return text.replace('"ends":true', '"ends":false')


def pinned(folder: Path) -> None:
    """Let the manifest name the file as it is now, as somebody would who edits both."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["trials.jsonl"]["sha256"] = hashlib.sha256((folder / "trials.jsonl").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def unlink(folder: Path) -> None:
    (folder / "trials.jsonl").unlink()


def edited(folder: Path) -> None:
    (folder / "trials.jsonl").write_text(flip((folder / "trials.jsonl").read_text()))


def damaged(folder: Path) -> None:
    (folder / "trials.jsonl").write_text('{"key": 1}\n')
    pinned(folder)


def of_other_code(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["judged"]["judging_code"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(("harm", "said"), [
    (unlink, "names no trials.jsonl"), (edited, "is not the file that `manifest.json` names"),
    (damaged, "it tells of no trial"), (of_other_code, "was judged by other code"),
])  # fmt: skip
def test_file_that_is_not_surely_that_of_the_baseline_is_left_alone(
    harm: Callable[[Path], None], said: str, organization, analyzed
) -> None:
    before, _ = analyzed(organization.collected())
    again = Path(shutil.copytree(before, before.parent.parent / "kept" / before.name))
    harm(before)
    after, logged = analyzed(organization.collected(), "--baseline", before.name)
    assert "every edit is tried again" in logged
    assert said in logged
    assert counts(logged)[0] == 0
    assert_same_as_full(after, again, analyzed)


def test_verify_finds_out_what_was_taken_over_and_is_not_so(organization, analyzed) -> None:
    before, _ = analyzed(organization.collected())
    edited(before)
    pinned(before)
    after, logged = analyzed(organization.collected(), "--baseline", before.name)
    assert counts(logged)[0] > 30
    assert called("verify", str(after)) == 3
