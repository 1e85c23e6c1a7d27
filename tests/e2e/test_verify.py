"""`kms-scan verify`: a run is what it says, or the file that is not is named with the place where it differs."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import yaml
from scanner.cli import main
from scanner.snapshot.read import content_hash

from builders import MEMBER, OWNER, STRANGER, allow, iam, policy
from small_snapshot import OWN, write_snapshot

MADE = (
    "access.csv", "coverage.csv", "findings.csv", "findings.json", "graph.graphml", "graph.json", "keys.csv",
    "paths.jsonl", "places.jsonl", "report.html", "summary.json", "summary.md", "trials.jsonl", "verdicts.jsonl",
)  # fmt: skip
EARLIER, RUN = "2026-11-21T0000Z-aaaa", "2026-11-22T0000Z-bbbb"


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
def judged(cli, tmp_path) -> Callable[..., Path]:
    """Collect the small organization, judge and report it; returns the folder of the run."""

    def judge(*flags: str, name: str = RUN, report: tuple[str, ...] = (), **snapshot: object) -> Path:
        folder = tmp_path / "kms-scan-out" / name
        write_snapshot(folder / "snapshot.sqlite", **snapshot)
        code, _, err = cli("analyze", str(folder), *flags)
        assert code in {0, 3, 4}, err
        assert cli("report", str(folder), *report)[0] == 0
        return folder

    return judge


@pytest.fixture(scope="module")
def judged_once(tmp_path_factory) -> Path:
    """The small organization, judged and reported once for all tests that change files of the run only."""
    folder = tmp_path_factory.mktemp("once") / RUN
    write_snapshot(folder / "snapshot.sqlite")
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        patch.chdir(folder.parent)
        for command in ("analyze", "report"):
            with pytest.raises(SystemExit):
                main([command, str(folder)])
    return folder


@pytest.fixture
def run(judged_once, tmp_path) -> Path:
    """A copy of it, to be changed."""
    return Path(shutil.copytree(judged_once, tmp_path / "kms-scan-out" / RUN))


@pytest.fixture
def verified(cli) -> Callable[[Path], tuple[int, dict, dict]]:
    """Verify a run; returns the exit code, the state of every file, and the whole answer."""

    def verify(folder: Path) -> tuple[int, dict, dict]:
        code, out, err = cli("verify", str(folder), "--json")
        assert out, err
        answer = json.loads(out)
        assert answer["exit_code"] == code
        assert answer["reproduced"] is (code == 0)
        return code, {file["name"]: file["state"] for file in answer["files"]}, answer

    return verify


def why(answer: dict, name: str) -> str:
    return next(file["why"] for file in answer["files"] if file["name"] == name)


def edit_manifest(folder: Path, change: Callable[[dict], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def pinned(folder: Path, name: str) -> None:
    """Let the manifest name the file as it is now, as somebody would who edits both."""
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    edit_manifest(folder, lambda manifest: manifest["files"][name].update(sha256=digest))


# -- a run that is what it says ---------------------------------------------------------------------------------------


def test_demo_is_reproduced_byte_for_byte_from_its_folder_alone(demo_run, verified, tmp_path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(demo_run.directory, moved)
    before = {path.name: path.read_bytes() for path in moved.iterdir()}
    code, states, _ = verified(moved)
    assert code == 0
    assert states == {
        **dict.fromkeys(MADE, "reproduced"), "snapshot.sqlite": "unchanged", "manifest.json": "outside",
        "log.jsonl": "outside",
    }  # fmt: skip
    assert {path.name: path.read_bytes() for path in moved.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == [moved.name]


def test_text_has_one_line_per_file_and_names_both_versions(cli, judged) -> None:
    folder = judged()
    code, out, _ = cli("verify", "latest")
    assert code == 0
    assert "judged by engine 1" in out
    assert "performed again by engine 1" in out
    for name in (*MADE, "snapshot.sqlite", "manifest.json"):
        assert sum(f" {name} " in f"{line} " for line in out.splitlines()) == 1, name
    assert "14 files reproduced byte for byte" in out
    assert str(folder.parent.parent) not in out


@pytest.mark.parametrize(
    ("flags", "report"),
    [
        (("--as-of", "2027-03-01T00:00:00Z"), ()),
        (("--fail-on", "none", "--min-coverage", "10"), ("-f", "csv", "--csv-dialect", "rfc4180")),
        (("-c", "all.yaml"), ("-f", "json,ocsf,asff,sarif", "--ocsf-class", "detection")),
    ],
)
def test_run_is_judged_with_what_was_configured_then(judged, verified, tmp_path, monkeypatch, flags, report) -> None:
    vendors, accepted = tmp_path / "vendors.yaml", tmp_path / "accepted.yaml"
    vendors.write_text(yaml.safe_dump([{"name": "Backup Ltd", "accounts": [STRANGER]}]))
    accepted.write_text("version: 1\nsuppressions: []  # none\n", encoding="utf-8-sig")
    (tmp_path / "all.yaml").write_text(yaml.safe_dump({
        "version": 1, "aws": {"member_role": "R", "external_id": "secret-external-id"},
        "accounts": {"overrides": {MEMBER: {"external_id": "another-external-id"}}},
        "trust": {"known_vendors": str(vendors)}, "suppressions": {"file": str(accepted), "max_days": 20},
        "analysis": {"insiders": True, "scp": False, "context": {"aws:SecureTransport": "true"}},
        "output": {"csv_dialect": "rfc4180"}, "gate": {"fail_on": "critical"},
    }))  # fmt: skip
    folder = judged(*flags, report=report)
    for gone in (vendors, accepted, tmp_path / "all.yaml"):
        gone.unlink()
    (tmp_path / "suppressions.yaml").write_text("this is: not the file of the run")
    monkeypatch.setenv("KMS_SCAN_ANALYSIS_RCP", "false")
    code, states, answer = verified(folder)
    assert (code, answer["hindrance"]) == (0, "")
    assert set(states.values()) == {"reproduced", "unchanged", "outside"}
    assert "external-id" not in (folder / "manifest.json").read_text()


def test_reviewed_exceptions_are_part_of_the_run(judged, verified, cli, tmp_path) -> None:
    finding = json.loads((judged(name=EARLIER) / "findings.json").read_text())["findings"][0]
    code, _, err = cli("suppress", EARLIER, finding["id"], "--reason", "é", "--owner", "o", "--expires", "2027-03-01")
    assert code == 0, err
    folder = judged()
    assert json.loads((folder / "summary.json").read_text())["suppressed"] == 1
    (tmp_path / "suppressions.yaml").unlink()
    assert verified(folder)[0] == 0


# -- a run that is not ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MADE)
def test_changed_byte_in_any_file_is_caught_with_its_place(run, verified, name) -> None:
    flip(run / name, (run / name).stat().st_size // 2)
    code, states, answer = verified(run)
    assert code == 3
    assert {file for file, state in states.items() if state not in {"reproduced", "unchanged", "outside"}} == {name}
    assert states[name] == "changed"
    assert "line " in why(answer, name)
    assert "now `" in why(answer, name)


@pytest.mark.parametrize("name", MADE)
def test_file_that_was_changed_together_with_the_manifest_differs(run, verified, name) -> None:
    with (run / name).open("ab") as file:
        file.write(b"\n ")
    pinned(run, name)
    code, states, answer = verified(run)
    assert (code, states[name]) == (3, "differs")
    assert "again the end of the file" in why(answer, name)


def test_changed_byte_in_the_snapshot_is_caught_and_nothing_is_claimed(run, verified) -> None:
    flip(run / "snapshot.sqlite", 5000)
    code, states, answer = verified(run)
    assert code == 3
    assert states["snapshot.sqlite"] == "changed"
    assert "snapshot.sqlite" in answer["hindrance"]
    assert {states[name] for name in MADE} == {"not_performed"}


def test_rows_of_the_snapshot_that_were_edited_together_with_the_manifest_are_caught(run, verified) -> None:
    with sqlite3.connect(run / "snapshot.sqlite") as database:
        database.execute("UPDATE keys SET state = 'Disabled'")
    database.close()
    pinned(run, "snapshot.sqlite")
    code, states, answer = verified(run)
    assert code == 3
    assert answer["hindrance"]
    assert "reproduced" not in states.values()


def test_other_rows_that_were_sealed_again_give_other_files(run, verified) -> None:
    with sqlite3.connect(run / "snapshot.sqlite") as database:
        database.execute("UPDATE keys SET state = 'Disabled'")
        database.execute("UPDATE meta SET value = ? WHERE key = 'content_hash'", (content_hash(database),))
    database.close()
    pinned(run, "snapshot.sqlite")
    code, states, _ = verified(run)
    assert code == 3
    assert states["findings.json"] == states["keys.csv"] == "differs"


@pytest.mark.parametrize("name", [*MADE, "snapshot.sqlite"])
def test_file_that_is_gone_is_missing(run, verified, name) -> None:
    (run / name).unlink()
    code, states, answer = verified(run)
    assert (code, states[name]) == (3, "missing")
    assert "manifest.json names it, and it is not in this folder" in json.dumps(answer)


def test_link_is_no_file_of_a_run(run, verified, tmp_path) -> None:
    shutil.move(run / "keys.csv", tmp_path / "keys.csv")
    (run / "keys.csv").symlink_to(tmp_path / "keys.csv")
    code, states, _ = verified(run)
    assert (code, states["keys.csv"]) == (3, "missing")


def test_policy_beside_sarif_is_verified_and_never_through_a_link(judged, verified, tmp_path) -> None:
    folder = judged(report=("-f", "sarif"))
    _, states, _ = verified(folder)
    inner = [name for name in states if name.startswith("policies/")]
    assert inner
    assert {states[name] for name in (*inner, "findings.sarif")} == {"reproduced"}
    (folder / inner[0]).write_text("{}")
    code, states, _ = verified(folder)
    assert (code, states[inner[0]]) == (3, "changed")
    shutil.move(folder / "policies", tmp_path / "policies")
    (folder / "policies").symlink_to(tmp_path / "policies")
    code, states, _ = verified(folder)
    assert (code, {states[name] for name in inner}) == (3, {"missing"})


def test_file_that_the_manifest_does_not_name_is_never_reproduced(run, verified) -> None:
    edit_manifest(run, lambda manifest: manifest["files"].pop("keys.csv"))
    (run / "notes.txt").write_text("seen by the auditor")
    code, states, answer = verified(run)
    assert (code, states["keys.csv"], states["notes.txt"]) == (3, "changed", "outside")
    assert "does not name it" in why(answer, "keys.csv")


@pytest.mark.parametrize("member", ["caller_arn", "finished", "exit_code", "config_hash"])
def test_manifest_that_says_something_else_of_the_run_differs(run, verified, member) -> None:
    edit_manifest(run, lambda manifest: manifest.update({member: "other"}))
    code, states, answer = verified(run)
    assert (code, states["manifest.json"]) == (3, "differs")
    assert member in why(answer, "manifest.json")


def test_configuration_that_was_edited_in_the_manifest_gives_other_findings(run, verified) -> None:
    edit_manifest(run, lambda manifest: manifest["judged"]["configuration"]["analysis"].update(scp=False))
    code, states, _ = verified(run)
    assert (code, states["findings.json"], states["manifest.json"]) == (3, "differs", "differs")


@pytest.mark.parametrize(
    "later",
    [
        ("-f", "csv", "--csv-dialect", "rfc4180"),
        ("-f", "ocsf,asff,sarif", "--ocsf-class", "detection"),
        ("--only", "FINDING", "--print", "full"),
    ],
)
def test_every_report_that_left_files_is_performed_again(run, verified, cli, later) -> None:
    finding = json.loads((run / "findings.json").read_text())["findings"][0]["id"]
    assert cli("report", str(run), *(finding if word == "FINDING" else word for word in later))[0] == 0
    assert cli("report", str(run), "-f", "sarif")[0] == 0
    code, states, answer = verified(run)
    assert (code, answer["hindrance"], states["report.html"]) == (0, "", "reproduced")
    assert set(states.values()) == {"reproduced", "unchanged", "outside"}


def test_later_report_of_the_same_format_or_finding_takes_the_place_of_the_earlier(run, cli) -> None:
    finding = json.loads((run / "findings.json").read_text())["findings"][0]["id"]
    for words in (("--only", finding), ("-f", "csv"), ("--only", finding, "--print", "full"), ("-f", "csv,ocsf")):
        assert cli("report", str(run), *words)[0] == 0
    reported = json.loads((run / "manifest.json").read_text())["reported"]
    assert [(report["formats"], report["only"], report["print_full"]) for report in reported] == [
        (["html", "json"], [], False), ([], [finding], True), (["csv", "ocsf"], [], False),
    ]  # fmt: skip


def test_report_of_one_finding_says_that_the_manifest_names_it(run, cli) -> None:
    finding = json.loads((run / "findings.json").read_text())["findings"][0]["id"]
    assert "manifest.json of the run names it from now on" in cli("report", str(run), "--only", finding)[2]
    assert "manifest.json" not in cli("report", str(run), "--only", finding, "-q", "--print", "full")[2]


def test_pages_by_templates_of_the_user_are_not_performed_again(run, verified, cli, tmp_path) -> None:
    finding = json.loads((run / "findings.json").read_text())["findings"][0]["id"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "method.html.j2").write_text("<p>ours</p>")
    for words in (("--templates", "mine"), ("--templates", "mine", "--only", finding)):
        assert cli("report", str(run), *words)[0] == 0
    code, states, answer = verified(run)
    assert (code, states["findings.csv"]) == (3, "reproduced")
    assert {states[name] for name in ("report.html", f"report-{finding}.html")} == {"not_performed"}
    assert "templates of your own" in why(answer, "report.html")


def test_report_that_no_record_names_is_not_claimed(run, verified) -> None:
    edit_manifest(run, lambda manifest: manifest["reported"][0].update(formats=["csv"]))
    code, states, answer = verified(run)
    assert (code, states["report.html"], states["findings.csv"]) == (3, "not_performed", "reproduced")
    assert "not recorded" in why(answer, "report.html")


def test_text_folds_the_policies_and_names_the_one_that_was_changed(run, cli) -> None:
    assert cli("report", str(run), "-f", "sarif")[0] == 0
    inner = sorted(str(path.relative_to(run)) for path in (run / "policies").rglob("*") if path.is_file())
    out = cli("verify", str(run))[1]
    assert [line.split() for line in out.splitlines() if "policies/" in line] == [
        ["reproduced", "policies/", f"({len(inner)}", "files)" if len(inner) > 1 else "file)"]
    ]
    (run / inner[0]).write_text("{}")
    changed = cli("verify", str(run))[1]
    assert "changed" in next(line for line in changed.splitlines() if inner[0] in line)


# -- a run that cannot be performed again -----------------------------------------------------------------------------


def without_snapshot_of_the_baseline(folder: Path) -> None:
    (folder.with_name(EARLIER) / "snapshot.sqlite").unlink()


def without_baseline(folder: Path) -> None:
    shutil.rmtree(folder.with_name(EARLIER))


def with_another_baseline(folder: Path) -> None:
    path = folder.with_name(EARLIER) / "findings.json"
    path.write_text(path.read_text().replace("lake", "pond"))


def judged_by_another_engine(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest.update(engine=7, written_by="0.0.9"))


def of_a_version_that_kept_no_record(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest.pop("judged"))


def with_a_setting_of_another_version(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest["judged"]["configuration"]["analysis"].update(moon="full"))


def with_a_format_of_another_version(folder: Path) -> None:
    edit_manifest(folder, lambda manifest: manifest["reported"][0].update(formats=["hologram"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without_baseline, f"the baseline `{EARLIER}` is not in"),
        (without_snapshot_of_the_baseline, "has lost its snapshot"),
        (with_another_baseline, "does not say what it said"),
        (judged_by_another_engine, "judged by engine 7, and this is engine 1"),
        (of_a_version_that_kept_no_record, "records no configuration"),
        (with_a_setting_of_another_version, "records no configuration that this version can read"),
        (with_a_format_of_another_version, "hologram"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_run_that_cannot_be_performed_again_is_not_called_reproduced(judged, verified, cli, change, said) -> None:
    judged(name=EARLIER, card_policy=policy(OWN, allow(iam(STRANGER, "root"), "kms:DescribeKey")))
    folder = judged("--baseline", EARLIER)
    assert json.loads((folder / "findings.json").read_text())["history"]["baseline"]["run_id"] == EARLIER
    assert verified(folder)[0] == 0
    change(folder)
    code, states, answer = verified(folder)
    assert code == 3
    assert said in answer["hindrance"]
    assert {states[name] for name in MADE} == {"not_performed"}
    flip(folder / "keys.csv", 40)
    code, out, _ = cli("verify", str(folder))
    assert code == 3
    assert f"not performed again: {answer['hindrance']}"[:150] in out
    assert "changed        keys.csv" in out
    assert "reproduced" not in out.rsplit("\n\n", 1)[0]


def test_baseline_by_the_name_latest_is_the_run_that_it_was_then(judged, verified) -> None:
    judged(name=EARLIER, card_policy=policy(OWN))
    with sqlite3.connect(judged(name=EARLIER + "-x") / "snapshot.sqlite") as database:
        assert database.execute("SELECT count(*) FROM keys").fetchone() == (2,)
    database.close()
    folder = judged("--baseline", "latest", name="2026-11-23T0000Z-cccc")
    assert verified(folder)[0] == 0


def test_trend_is_the_chain_of_baselines_and_nothing_that_lies_beside_it(judged, verified) -> None:
    judged(name="2026-11-19T0000Z-0000")
    first = judged(name="2026-11-20T0000Z-aaaa", card_policy=policy(OWN))
    second = judged("--baseline", str(first), name="2026-11-21T0000Z-bbbb")
    third = judged("--baseline", str(second), name="2026-11-22T0000Z-cccc")
    trend = json.loads((third / "findings.json").read_text())["history"]["trend"]
    assert [entry["run_id"] for entry in trend] == [first.name, second.name]
    for entry, folder in zip(trend, (first, second), strict=True):
        counts = json.loads((folder / "summary.json").read_text())["counts"]
        assert entry["counts"] == {name: sum(sum(k.values()) for k in v.values()) for name, v in counts.items()}
    assert "Over 3 runs since 2026-11-22" in (third / "summary.md").read_text()
    assert "The numbers, run by run" in (third / "report.html").read_text()
    shutil.rmtree(first)
    assert verified(third)[0] == 0


# -- bad input --------------------------------------------------------------------------------------------------------


def broken_manifests() -> Iterator[tuple[str, str]]:
    yield "no JSON", "{"
    yield "no object", "[]"
    yield "no files", "{}"
    yield "no hash", json.dumps({"files": {"keys.csv": {}}})
    for name in ("../keys.csv", "/etc/passwd", ".hidden", "", "a/../b", "a//b", "report/.hidden", "a\\b"):
        yield name or "empty name", json.dumps({"files": {name: {"sha256": "0"}}})


@pytest.mark.parametrize("text", [text for _, text in broken_manifests()], ids=[name for name, _ in broken_manifests()])
def test_manifest_that_is_none_is_bad_input(run, cli, text) -> None:
    (run / "manifest.json").write_text(text)
    code, out, err = cli("verify", str(run))
    assert (code, out) == (2, "")
    assert "it is no manifest" in err


def test_run_that_was_not_judged_is_bad_input_and_one_without_a_report_is_reproduced(cli, tmp_path) -> None:
    folder = tmp_path / "kms-scan-out" / RUN
    write_snapshot(folder / "snapshot.sqlite")
    code, _, err = cli("verify", RUN)
    assert code == 2
    assert "has no `manifest.json`" in err
    assert cli("verify", "never")[0] == 2
    cli("analyze", str(folder))
    code, out, _ = cli("verify", RUN)
    assert (code, "10 files reproduced" in out) == (0, True)
    assert OWNER not in out
