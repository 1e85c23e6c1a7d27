"""The demo as a newcomer sees it: the production path against an in-process AWS, file by file."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import stat
import zlib
from pathlib import Path

import pytest
from scanner.cli import main
from scanner.collect.permissions import member_actions, organization_actions
from scanner.demo.server import MEMBER_ROLE
from scanner.report.keys import key_anchor

from unit.demo.expected_findings import (
    EXPECTED,
    NOT_COLLECTED,
    OPAQUE,
    OURS,
    PATHS,
    QUIET,
    Expected,
    ExpectedOurs,
    ExpectedPath,
)

ROOT = Path(__file__).parents[2]
FILES = {
    "report.html", "findings.csv", "keys.csv", "access.csv", "coverage.csv", "findings.json", "graph.json",
    "graph.graphml", "summary.json", "summary.md", "manifest.json", "snapshot.sqlite", "log.jsonl",
    "trials.jsonl", "verdicts.jsonl", "paths.jsonl", "places.jsonl",
}  # fmt: skip


def label(key: dict) -> str:
    return f"{key['account_name']}/{key['region']}/{key['aliases'][0].removeprefix('alias/')}"


def test_demo_writes_every_file_privately_and_moves_latest(demo_run) -> None:
    assert {p.name for p in demo_run.directory.iterdir()} == FILES
    assert (demo_run.output / "latest").is_symlink()
    assert stat.S_IMODE(demo_run.directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(p.stat().st_mode) for p in demo_run.directory.iterdir()} == {0o600}


def test_findings_that_the_readme_names_are_those_of_the_demo(demo_run) -> None:
    named = set(re.findall(r"kx-[a-z2-7]{12}", (ROOT / "README.md").read_text("utf-8")))
    assert named
    assert named <= {finding["id"] for finding in demo_run.findings()}


def test_demo_finds_what_its_situations_promise_and_nothing_else(demo_run) -> None:
    found = {
        Expected(
            label(f["key"]), f["kind"], f["grantee"]["selector"], f["verdict"], f["verdict_reasons"][0],
            f["mechanism"]["kind"],
        )
        for f in demo_run.findings()
        if f["kind"] in {"external_access", "ineffective_permission", "key_hygiene"}
    }  # fmt: skip
    assert found == set(EXPECTED)
    assert not {label(f["key"]) for f in demo_run.findings() if f["key"]} & {*QUIET, *NOT_COLLECTED}


def test_demo_says_what_our_own_policies_give_and_nothing_else(demo_run) -> None:
    found = {
        ExpectedOurs(
            f["kind"], f["resource"]["name"], f["grantee"]["selector"].rsplit("/", 1)[-1], f["verdict"],
            f["verdict_reasons"][0],
        )
        for f in demo_run.findings()
        if f["kind"] in {"foreign_key_use", "broad_key_permission", "attribute_control"}
    }  # fmt: skip
    assert found == set(OURS)


def test_demo_follows_the_paths_its_roles_promise_and_no_other(demo_run) -> None:
    found = {
        ExpectedPath(
            f["resource"]["name"], f["grantee"]["selector"].rsplit("/", 1)[-1].rsplit(":", 1)[-1],
            f["grantee"]["party"], f["verdict"], len(f["path"]["hops"]),
        )
        for f in demo_run.findings()
        if f["kind"] == "assumed_role_path"
    }  # fmt: skip
    assert found == set(PATHS)


def test_demo_shows_every_kind_and_every_verdict(demo_run) -> None:
    assert {f["kind"] for f in demo_run.findings()} == {
        "assumed_role_path", "attribute_control", "broad_key_permission", "external_access", "foreign_key_use",
        "ineffective_permission", "key_hygiene",
    }  # fmt: skip
    assert {f["verdict"] for f in demo_run.findings()} == {
        "confirmed", "conditional", "possible", "blocked", "ineffective",
    }  # fmt: skip


def test_every_finding_has_an_edit_that_was_tried_or_a_sentence_why_not(demo_run) -> None:
    for finding in demo_run.findings():
        remedy = finding["remediation"]
        assert remedy["effect"], finding["title"]
        assert remedy["diff"] or remedy["cli"] or not remedy["effect"].startswith("Tried"), finding["title"]


def test_unreadable_policies_are_opaque_keys_and_lower_the_coverage(demo_run) -> None:
    document = json.loads(demo_run.text("findings.json"))
    keys = {row["key_arn"]: row for row in csv.DictReader(io.StringIO(demo_run.text("keys.csv")))}
    names = {
        f"{keys[arn]['account_name'].split(' (')[0]}/{keys[arn]['region']}/"
        f"{keys[arn]['aliases'].removeprefix('alias/')}"
        for arn in document["coverage"]["opaque_keys"]
    }
    assert names == set(OPAQUE)
    assert document["coverage"]["percent"] < 100
    assert document["run"]["exit_code"] == 3
    assert document["run"]["gate_coverage"] is False


def test_every_key_stands_in_keys_csv_also_without_findings(demo_run) -> None:
    rows = list(csv.DictReader(io.StringIO(demo_run.text("keys.csv"))))
    with sqlite3.connect(demo_run.directory / "snapshot.sqlite") as snapshot:
        (count,) = snapshot.execute("SELECT count(*) FROM keys").fetchone()
    assert len(rows) == count
    assert any(all(row[s] == "0" for s in ("critical", "high", "medium", "low", "info")) for row in rows)


def test_access_rows_belong_to_findings_and_hold_no_refusal(demo_run) -> None:
    rows = list(csv.DictReader(io.StringIO(demo_run.text("access.csv"))))
    ids = {f["id"] for f in demo_run.findings()}
    assert rows
    assert {row["finding_id"] for row in rows} <= ids
    assert {row["decision"] for row in rows} <= {"allowed", "conditional", "latent", "unknown"}


def test_every_finding_points_at_lines_that_exist(demo_run) -> None:
    document = json.loads(demo_run.text("findings.json"))
    with sqlite3.connect(demo_run.directory / "snapshot.sqlite") as snapshot:
        texts = {s: zlib.decompress(t).decode() for s, t in snapshot.execute("SELECT sha256, text FROM documents")}
    texts.update(document["documents"])
    for finding in document["findings"]:
        assert finding["evidence"], finding["id"]
        for part in finding["evidence"]:
            lines = texts[part["sha256"]].split("\n")
            assert 1 <= part["excerpt_from"] <= part["excerpt_to"] <= len(lines)
            for mark in part["highlights"]:
                assert 1 <= mark["col_from"] <= mark["col_to"] <= len(lines[mark["line"] - 1])


def test_headline_says_what_was_not_read_and_not_evaluated(demo_run) -> None:
    headline = json.loads(demo_run.text("findings.json"))["run"]["headline"]
    assert "paths through assumed roles: 4 outsiders reach" in headline
    assert "account-regions were not fully read" in headline
    assert headline.split(";")[0] in demo_run.stdout
    assert "a real run would exit with 3" in demo_run.stdout
    assert json.loads(demo_run.text("summary.json"))["paths_through_assumed_roles"] in headline


def test_headline_counts_the_keys_that_access_csv_has_for_outsiders_by_any_way(demo_run) -> None:
    outside = {"public", "unknown_third_party", "identified_vendor", "expired_partner", "partner_exceeds_approval"}
    by_role = outside | {"federated_open", "federated_pinned", "service_unguarded"}
    sure = {"confirmed", "conditional"}
    counted = {
        f["id"]: f["kind"] for f in demo_run.findings()
        if f["grantee"]["party"] in (by_role if f["kind"] == "assumed_role_path" else outside)
        and any(c["capability"] == "decrypt" and c["verdict"] in sure for c in f["capabilities"])
    }  # fmt: skip
    keys = {"external_access": set(), "assumed_role_path": set()}
    for row in csv.DictReader(io.StringIO(demo_run.text("access.csv"))):
        if row["capability"] == "decrypt" and row["finding_id"] in counted and row["reason"] != "key_state":
            keys[counted[row["finding_id"]]].add(row["key_arn"])
    direct, roles = keys.values()
    headline = json.loads(demo_run.text("findings.json"))["run"]["headline"].split("; ")[0]
    assert headline.startswith(f"Outsiders can decrypt data with {len(direct | roles)} keys: any AWS account with one ")
    assert headline.endswith(f"four outsiders with {len(roles)} through roles")


def test_no_sentence_says_nobody(demo_run) -> None:
    for name in FILES - {"snapshot.sqlite"}:
        assert not re.search(r"\bnobody\b", demo_run.text(name), re.IGNORECASE), name


def test_collection_stays_within_the_published_actions(demo_run) -> None:
    allowed = {*member_actions(), *organization_actions()}
    with sqlite3.connect(demo_run.directory / "snapshot.sqlite") as snapshot:
        called = {f"{s}:{o}" for s, o in snapshot.execute("SELECT DISTINCT service, operation FROM answers")}
    assert called
    assert called <= allowed


def test_snapshot_holds_no_credentials(demo_run) -> None:
    with sqlite3.connect(demo_run.directory / "snapshot.sqlite") as snapshot:
        operations = {o for (o,) in snapshot.execute("SELECT DISTINCT operation FROM answers")}
        bodies = b"".join(zlib.decompress(b) for (b,) in snapshot.execute("SELECT body FROM answers"))
    assert "AssumeRole" not in operations
    assert b"SessionToken" not in bodies
    assert b"SecretAccessKey" not in bodies


def test_analyzing_and_reporting_again_gives_the_same_bytes(demo_run, tmp_path, capsys) -> None:
    names = FILES - {"manifest.json", "log.jsonl", "snapshot.sqlite"}
    with pytest.raises(SystemExit) as analyzed:
        main(["analyze", str(demo_run.directory), "-o", str(tmp_path)])
    with pytest.raises(SystemExit) as reported:
        main(["report", demo_run.directory.name, "-o", str(tmp_path)])
    assert (analyzed.value.code, reported.value.code) == (3, 0)
    capsys.readouterr()
    again = tmp_path / "latest"
    for name in names:
        assert (again / name).read_bytes() == (demo_run.directory / name).read_bytes(), name


def test_report_is_one_file_that_needs_no_network(demo_run) -> None:
    html = demo_run.text("report.html")
    assert "default-src 'none'" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    assert MEMBER_ROLE in html


def test_table_of_outsiders_agrees_with_the_headline_and_with_access_csv(demo_run) -> None:
    html = demo_run.text("report.html")
    table = html.partition('id="outsiders"')[2].partition("</table>")[0]
    ids = set(re.findall(r'href="#(kx-[a-z0-9]+)"', table))
    named = set(re.findall(r'href="#(key-[0-9a-f]+)"', table))
    rows = [
        row for row in csv.DictReader(io.StringIO(demo_run.text("access.csv").removeprefix("\ufeff")))
        if row["finding_id"] in ids and row["capability"] == "decrypt" and row["reason"] != "key_state"
    ]  # fmt: skip
    assert {key_anchor(row["key_arn"]) for row in rows} == named
    headline = json.loads(demo_run.text("findings.json"))["run"]["headline"]
    assert headline.startswith(f"Outsiders can decrypt data with {len(named)} keys: ")
    assert f"{len(named)} keys in all" in table
    assert "2 more keys" in table


def test_card_of_the_demo_takes_at_most_five_kilobytes_on_average(demo_run) -> None:
    cards = re.findall(r'<details class="finding.*?</details>', demo_run.text("report.html"), re.DOTALL)
    assert len(cards) == len(demo_run.findings())
    assert sum(len(card.encode()) for card in cards) / len(cards) <= 5_000
