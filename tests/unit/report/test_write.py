"""The run directory, the manifest, and what a report writes."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path

import pytest
from scanner.errors import OutputError, SnapshotError, UnavailableError
from scanner.model.finding import CoverageSummary, GapSummary
from scanner.report.context import PageSources
from scanner.report.coverage_notes import cited_notes
from scanner.report.directory import RunDirectory
from scanner.report.html import render_html
from scanner.report.json import dump_findings, dump_summary, load_findings
from scanner.report.manifest import write_manifest
from scanner.report.markdown import render_markdown
from scanner.report.options import ReportOptions
from scanner.report.terminal import render_summary
from scanner.report.write import render_all

import report_builders as build


def rendered(folder: Path, formats: tuple[str, ...] = ("html", "csv", "json")) -> RunDirectory:
    """A run directory with all rendered files."""
    directory = RunDirectory.create(folder, "run")
    render_all(
        build.document(),
        PageSources(build.key_rows(), cited_notes(build.document().findings, build.ledger()), build.documents),
        directory,
        ReportOptions(formats),
    )
    return directory


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_run_directory_and_files_are_private(tmp_path: Path) -> None:
    directory = rendered(tmp_path)
    assert mode(directory.path) == 0o700
    assert {mode(directory.path / name) for name in directory.files()} == {0o600}


def test_rendering_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = rendered(tmp_path / "one"), rendered(tmp_path / "two")
    for name in first.files():
        assert (first.path / name).read_bytes() == (second.path / name).read_bytes(), name


def test_formats_choose_the_files_and_never_the_tables_of_the_analysis(tmp_path: Path) -> None:
    assert rendered(tmp_path / "a").files() == ("findings.csv", "report.html", "summary.json", "summary.md")
    assert rendered(tmp_path / "b", ("json",)).files() == ("summary.json", "summary.md")
    assert rendered(tmp_path / "c", ("ocsf", "asff", "sarif")).files() == (
        "findings.asff.json",
        "findings.ocsf.json",
        "findings.sarif",
        f"policies/{build.OWNER}/eu-west-1/{build.KEY_ID}.json",
        f"policies/{build.OWNER}/us-east-1/{build.LOG_KEY_ARN.rsplit('/', 1)[-1]}.grant-a1b2c3.json",
        "summary.json",
        "summary.md",
    )


def test_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="`pdf`") as caught:
        rendered(tmp_path, ("html", "pdf"))
    assert caught.value.hint == "use html, csv, json, ocsf, asff or sarif"
    assert list((tmp_path / "run").iterdir()) == []


def test_no_artifact_holds_a_path_of_this_machine(tmp_path: Path) -> None:
    directory = rendered(tmp_path)
    directory.write_parts("findings.json", dump_findings(build.document()))
    for name in directory.files():
        assert str(tmp_path).encode() not in (directory.path / name).read_bytes()


def test_link_in_the_run_directory_is_replaced_and_its_target_untouched(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (directory.path / "report.html").symlink_to(victim)
    directory.write("report.html", b"new")
    assert victim.read_text() == "keep"
    assert not (directory.path / "report.html").is_symlink()


def test_link_in_place_of_the_run_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="run"):
        RunDirectory.create(tmp_path, "run")
    with pytest.raises(OutputError, match="run"):
        RunDirectory(tmp_path / "run")


def test_folder_that_is_a_file_names_the_path(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="out") as caught:
        RunDirectory.create(tmp_path / "out", "run")
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_folders_in_the_run_directory_are_private_listed_and_in_the_manifest(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    written = directory.write("policies/111122223333/key.json", b"{}")
    directory.write("policies/.hidden", b"")
    assert (mode(written), mode(written.parent), mode(written.parent.parent)) == (0o600, 0o700, 0o700)
    assert directory.files() == ("policies/111122223333/key.json",)
    manifest = json.loads(write_manifest(directory, build.document(), "2026-11-22T00:25:00Z").read_text())
    assert list(manifest["files"]) == ["policies/111122223333/key.json"]


def test_link_in_place_of_a_folder_is_refused_and_never_listed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "secret.json").write_text("{}")
    directory = RunDirectory.create(tmp_path, "run")
    (directory.path / "policies").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="policies"):
        directory.write("policies/key.json", b"{}")
    assert [entry.name for entry in (tmp_path / "elsewhere").iterdir()] == ["secret.json"]
    assert directory.files() == ()


def test_failed_write_leaves_the_former_file_and_no_temporary_one(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    directory.write("access.csv", b"old")

    def interrupted() -> None:
        with directory.stream("access.csv") as stream:
            stream.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert [entry.name for entry in directory.path.iterdir()] == ["access.csv"]
    assert (directory.path / "access.csv").read_bytes() == b"old"


def test_target_that_cannot_be_replaced_is_an_output_error(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    (directory.path / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html"):
        directory.write("report.html", b"")
    assert [entry.name for entry in directory.path.iterdir()] == ["report.html"]


def test_leftover_of_a_killed_process_does_not_stop_a_write(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    (directory.path / f".report.html.{os.getpid()}.tmp").write_text("stale")
    directory.write("report.html", b"new")
    assert directory.files() == ("report.html",)


def test_latest_moves_to_the_newest_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        RunDirectory.create(tmp_path, name).publish_latest()
        assert (tmp_path / "latest").readlink() == Path(name)


def test_latest_that_is_no_link_is_kept(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(OutputError, match="latest"):
        RunDirectory.create(tmp_path, "run").publish_latest()
    assert (tmp_path / "latest").is_dir()


def test_manifest_hashes_every_file_but_the_log(tmp_path: Path) -> None:
    directory = rendered(tmp_path)
    directory.write("log.jsonl", b"{}\n")
    manifest = json.loads(write_manifest(directory, build.document(), "2026-11-22T00:25:00Z").read_text())
    assert set(manifest["files"]) == set(directory.files()) - {"manifest.json", "log.jsonl"}
    for name, entry in manifest["files"].items():
        content = (directory.path / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert manifest["not_hashed"] == ["log.jsonl"]
    assert manifest["written"] == "2026-11-22T00:25:00Z"
    assert manifest["snapshot_hash"] == build.run_info().snapshot_hash


def test_findings_json_has_one_finding_per_line() -> None:
    lines = build.whole(dump_findings(build.document())).decode().splitlines()
    assert [json.loads(line.rstrip(","))["id"] for line in lines if line.startswith('{"capabilities"')] == [
        finding.id for finding in build.document().findings
    ]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", "schema `None`"),
        (b'{"schema_version": 99}', "schema `99`"),
        (b'{"schema_version": 1}', "`engine`: field required"),
        (build.whole(dump_findings(build.document())).replace(b'"critical"', b'"terrible"'), "findings"),
    ],
)
def test_bad_findings_json_is_refused_by_name(data: bytes, why: str) -> None:
    with pytest.raises(SnapshotError, match=why) as caught:
        load_findings(data, "old/findings.json")
    assert "old/findings.json" in caught.value.message


def test_summary_json_counts_and_says_what_was_not_evaluated() -> None:
    data = dump_summary(build.document())
    summary = json.loads(data)
    assert len(data) < 2048
    assert summary["counts"]["info"] == {
        "ineffective": {"ineffective_permission": 1},
        "possible": {"external_access": 1},
    }
    assert summary["gate"]["findings"] is False
    assert summary["gate"]["coverage"] is False
    assert summary["paths_through_assumed_roles"] == "2 outsiders reach 3 keys"


def test_terminal_summary_says_what_was_not_read() -> None:
    text = render_summary(build.document(), Path("out/report.html"), 3)
    assert "NOT READ  3 of 412 account-regions" in text
    assert "paths through assumed roles: 2 outsiders reach 3 keys" in text
    assert text.endswith("exit 3")


def gap(account: str, regions: tuple[str, ...], call: str = "kms:ListKeys", outcome: str = "denied") -> GapSummary:
    """A gap of an account without a name."""
    return GapSummary(account, "", regions, call, outcome, (), "", "", 0)


@pytest.mark.parametrize(
    ("gaps", "line"),
    [
        ((gap("1", ("eu",)), gap("2", ("eu",))), "1 eu (access denied), 2 eu (access denied)"),
        (
            (gap("1", ("eu",)), gap("1", ("eu",), "kms:ListAliases"), gap("2", ("eu",))),
            "1 eu (access denied), 2 eu (access denied)",
        ),
        (
            (gap("1", ("*",)), gap("2", ("eu",)), gap("3", ("eu",)), gap("3", ("eu",), "x"), gap("1", ("us",))),
            "1 * (access denied), 2 eu (access denied), +1 account-region",
        ),
        (
            (gap("1", ("a", "b", "c")), gap("2", ("eu",)), gap("3", ("us", "eu")), gap("4", ("global",))),
            "1 a b (access denied), 2 eu (access denied), +3 account-regions, +1 whole account",
        ),
        (
            (gap("1", ("a",)), gap("2", ("a",)), gap("3", ("*",)), gap("3", ("a",)), gap("1", ("a",), "x", "timeout")),
            "1 a (access denied), 2 a (access denied), +1 whole account",
        ),
    ],
)
def test_terminal_counts_account_regions_that_it_does_not_show_and_not_calls(
    gaps: tuple[GapSummary, ...], line: str
) -> None:
    coverage = CoverageSummary(9, 1, 11.1, gaps, (), (), "")
    text = render_summary(build.document(coverage=coverage), Path("out/report.html"), 3)
    assert f"  NOT READ  8 of 9 account-regions: {line}\n" in text


def test_headline_is_never_cut() -> None:
    headline = "; ".join(f"{number} of 9,999 account-regions were not fully read" for number in range(40))
    document = build.document(run=build.run_info(headline=headline))
    assert render_markdown(document, {}).decode().startswith(f"# {headline}\n")
    page = render_html(document, (), {}, build.documents).decode()
    answer, rest = headline.split("; ", 1)
    assert f"<h1>{answer}.</h1>" in page
    assert f">{rest}</p>" in page
    assert f"<title>{headline} – kms-scan</title>" in page


def test_key_whose_policy_is_damaged_is_not_said_to_be_without_finding() -> None:
    markdown = render_markdown(build.document(), {}).decode()
    page = render_html(build.document(), (), {}, build.documents).decode()
    for text in (markdown, page):
        assert "could not be read or understood" in text
        assert "a finding may still exist for what could be read" in text
        assert "neither clean nor a finding" not in text


def test_terminal_summary_of_a_complete_run_says_so() -> None:
    full = CoverageSummary(4, 4, 100.0, (), (), (), "")
    text = render_summary(build.document(coverage=full, findings=()), Path("out/report.html"), 0)
    assert "read 4 of 4 account-regions completely" in text
    assert "no finding in what was read" in text
    assert "NOT READ" not in text


def test_every_report_says_that_an_organization_was_not_read_although_every_region_was() -> None:
    kinds = ("service control policies", "resource control policies")
    full = CoverageSummary(4, 4, 100.0, (), (), (), "", kinds)
    document = build.document(coverage=full)
    text = render_summary(document, Path("out/report.html"), 4)
    assert "  NOT READ  parts of 4 account-regions\n" in text
    assert "; what service control policies and resource control policies could refuse reads as possible.\n" in text
    concerned = "Every account is concerned by what of the organization was not read or understood: " + ", ".join(kinds)
    assert f"). {concerned}." in render_markdown(document, {}).decode()
    assert concerned in render_html(document, (), {}, build.documents).decode()
    assert "Every account is concerned" not in render_markdown(build.document(), {}).decode()


def test_approvals_that_end_soon_stand_in_summary_page_and_json() -> None:
    document = build.document(run=build.run_info(ending_approvals=(build.ENDING,)))
    markdown = render_markdown(document, {}).decode()
    assert "## Approvals that end within 30 days\n\n- 2026-12-01: `222233334444`, Payroll SaaS, RISK-1042, " in markdown
    page = render_html(document, build.key_rows(), {}, build.documents).decode()
    assert "Approvals that end within 30 days of 2026-11-22T00:10:00Z" in page
    assert load_findings(build.whole(dump_findings(document)), "findings.json").run.ending_approvals == (build.ENDING,)
    assert "Approvals that end" not in render_markdown(build.document(), {}).decode()


def test_long_list_of_approvals_that_end_is_cut_and_the_cut_is_said() -> None:
    document = build.document(run=build.run_info(ending_approvals=(build.ENDING,) * 52))
    said = render_markdown(document, {}).decode()
    shown = said.count(f"- {build.ENDING.expires}: ")
    assert 1 < shown < 52
    assert f"- {52 - shown} more are in findings.json\n" in said
