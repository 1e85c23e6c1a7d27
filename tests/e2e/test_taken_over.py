"""Runs with a baseline that count on it: every file is that of a run that does everything, and little is done."""

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
    "verdicts.jsonl", "paths.jsonl", "places.jsonl",
)  # fmt: skip
LEFT = ("trials.jsonl", "verdicts.jsonl")
"""What a run leaves to the next one."""
JUDGED = re.compile(r"(\d+) of (\d+) keys were not judged again")
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


def without(folder: Path, name: str) -> Path:
    """A copy of a run as one of before left it: neither with the files nor with their names in the manifest."""
    copy = Path(shutil.copytree(folder, folder.parent.parent / name / folder.name))
    manifest = json.loads((copy / "manifest.json").read_text())
    for left in LEFT:
        (copy / left).unlink()
        del manifest["files"][left]
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


def counts(logged: str) -> tuple[int, ...]:
    found = SAID.search(logged)
    assert found, logged
    return tuple(map(int, found.groups()))


def judged_again(logged: str) -> int:
    """How many keys were judged; some were not, or no more is said of it."""
    found = JUDGED.search(logged)
    assert found, logged
    taken, all_ = map(int, found.groups())
    return all_ - taken


def assert_same_as_full(folder: Path, before: Path, analyzed: Callable[..., tuple[Path, str]], *options: str) -> None:
    full = folder.parent.parent / "full" / folder.name
    full.mkdir(parents=True)
    shutil.copy(folder / "snapshot.sqlite", full)
    _, logged = analyzed(full, "--baseline", str(without(before, f"bare-{folder.name}")), *options)
    assert "every edit is tried again" in logged
    assert "every key is judged again" in logged
    assert JUDGED.search(logged)[1] == "0"  # type: ignore[index]
    for name in FILES:
        assert (folder / name).read_bytes() == (full / name).read_bytes(), name


def test_nothing_is_done_again_on_another_day_where_nothing_has_changed(organization, analyzed) -> None:
    before, logged = analyzed(organization.collected())
    assert not SAID.search(logged)
    assert not JUDGED.search(logged)
    after, logged = analyzed(organization.collected(), "--baseline", before.name)
    keys, all_keys, others, all_others = counts(logged)
    assert (all_keys - keys, all_others - others) == (0, 0)
    assert judged_again(logged) == 0
    assert keys > 40
    assert others > 0
    assert_same_as_full(after, before, analyzed)
    assert called("verify", str(after)) == 0


def called(*argv: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        main(list(argv))
    return ended.value.code


def test_one_policy_that_changed_is_all_that_is_done_again_of_keys(organization, analyzed) -> None:
    before, _ = analyzed(organization.collected())
    policy = organization.with_statements(allow("arn:aws:iam::343434343434:root"))
    after, logged = analyzed(organization.collected(policy), "--baseline", before.name)
    keys, all_keys, others, all_others = counts(logged)
    assert all_keys - keys == judged_again(logged) == 1
    assert 0 < others < all_others
    assert_same_as_full(after, before, analyzed)


def test_processes_take_over_what_one_process_did(organization, analyzed) -> None:
    before, _ = analyzed(organization.collected())
    policy = organization.with_statements(allow("arn:aws:iam::343434343434:root"))
    after, logged = analyzed(organization.collected(policy), "--baseline", before.name, "--processes", "2")
    assert counts(logged)[1] - counts(logged)[0] == judged_again(logged) == 1
    assert_same_as_full(after, before, analyzed)


def test_everything_is_done_again_with_other_rules(organization, analyzed, tmp_path) -> None:
    before, _ = analyzed(organization.collected())
    (tmp_path / "other.yaml").write_text("version: 1\nanalysis:\n  max_role_hops: 2\naws:\n  member_role: Audit\n")
    after, logged = analyzed(organization.collected(), "--baseline", before.name, "-c", str(tmp_path / "other.yaml"))
    assert counts(logged)[0] == counts(logged)[2] == int(JUDGED.search(logged)[1]) == 0
    assert_same_as_full(after, before, analyzed, "-c", str(tmp_path / "other.yaml"))


def flip(text: str) -> str:
    return text.replace('"ends":true', '"ends":false').replace('"verdict":"confirmed"', '"verdict":"blocked"')


def pinned(folder: Path, name: str) -> None:
    """Let the manifest name the file as it is now, as somebody would who edits both."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name]["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def unlink(folder: Path, name: str) -> None:
    (folder / name).unlink()


def edited(folder: Path, name: str) -> None:
    (folder / name).write_text(flip((folder / name).read_text()))


def damaged(folder: Path, name: str) -> None:
    (folder / name).write_text('{"key": 1}\n')
    pinned(folder, name)


def of_other_code(folder: Path, name: str) -> None:
    del name
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["judged"]["judging_code"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.parametrize(("harm", "said"), [
    (unlink, "that its manifest names"), (edited, "is not the file that `manifest.json` names"),
    (damaged, "is damaged: it tells of no "), (of_other_code, "was judged by other code"),
])  # fmt: skip
def test_file_that_is_not_surely_that_of_the_baseline_is_left_alone(
    harm: Callable[[Path, str], None], said: str, name: str, organization, analyzed
) -> None:
    before, _ = analyzed(organization.collected())
    again = Path(shutil.copytree(before, before.parent.parent / "kept" / before.name))
    harm(before, name)
    after, logged = analyzed(organization.collected(), "--baseline", before.name)
    otherwise = "every edit is tried again" if name == "trials.jsonl" else "every key is judged again"
    assert otherwise in logged
    assert said in logged
    taken = counts(logged)[0] if name == "trials.jsonl" else int(JUDGED.search(logged)[1])
    assert taken == 0
    assert_same_as_full(after, again, analyzed)


@pytest.mark.parametrize("name", LEFT)
def test_verify_finds_out_what_was_taken_over_and_is_not_so(name: str, organization, analyzed) -> None:
    before, _ = analyzed(organization.collected())
    edited(before, name)
    pinned(before, name)
    after, logged = analyzed(organization.collected(), "--baseline", before.name)
    assert counts(logged)[0] > 20
    assert called("verify", str(after)) == 3
