"""Run after run through the command line: what is new, what is gone, what was accepted, and the exit codes of both."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from scanner.cli import main
from scanner.report.json import load_findings
from scanner.snapshot.read import content_hash

Change = Callable[[dict], None]
STRANGER = "arn:aws:iam::999988887777:root"
OTHER = "arn:aws:iam::343434343434:root"


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


class Organization:
    """Copies of the demo's snapshot as runs, each a day later than the one before, with one key's policy changed."""

    def __init__(self, snapshot: Path, output: Path) -> None:
        self._snapshot, self._output, self._day = snapshot, output, 21
        with sqlite3.connect(snapshot) as database:
            alias = database.execute(
                "SELECT keys.arn, policy_sha256 FROM keys JOIN aliases ON aliases.key_arn = keys.arn "
                "WHERE aliases.name = 'alias/card-data'"
            ).fetchone()
            self.key, sha256 = alias
            found = database.execute("SELECT text FROM documents WHERE sha256 = ?", (sha256,)).fetchone()
        database.close()
        self.policy = json.loads(zlib.decompress(found[0]))

    def collected(self, policy: dict | None = None, **key: str) -> Path:
        """One more collection; without a policy as it was, with other columns of the key as given."""
        self._day += 1
        finished = f"2026-11-{self._day}T05:00:00Z"
        name = f"2026-11-{self._day}T0500Z-aaaa"
        folder = self._output / name
        folder.mkdir(parents=True)
        shutil.copy(self._snapshot, folder / "snapshot.sqlite")
        with sqlite3.connect(folder / "snapshot.sqlite") as database:
            times = {"run_id": name, "started": finished, "finished": finished, "as_of": finished}
            for pair in times.items():
                database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", pair)
            if policy is not None:
                text = json.dumps(policy, indent=1).encode()
                key["policy_sha256"] = hashlib.sha256(text).hexdigest()
                database.execute("INSERT OR IGNORE INTO documents VALUES (?, ?)",
                                 (key["policy_sha256"], zlib.compress(text)))  # fmt: skip
            for column, value in key.items():
                database.execute(f"UPDATE keys SET {column} = ? WHERE arn = ?", (value or None, self.key))
            database.execute("UPDATE meta SET value = ? WHERE key = 'content_hash'", (content_hash(database),))
        database.close()
        return folder

    def with_statements(self, *statements: dict) -> dict:
        """The key policy with nobody outside but those of the statements."""
        own = [s for s in self.policy["Statement"] if self.key.split(":")[4] in json.dumps(s["Principal"])]
        return {**self.policy, "Statement": [*own, *statements]}


def allow(*who: str, action: str = "kms:Decrypt", when: dict | None = None) -> dict:
    statement = {"Sid": "Share", "Effect": "Allow", "Principal": {"AWS": list(who)}, "Action": action, "Resource": "*"}
    return statement | ({"Condition": when} if when else {})


@pytest.fixture
def organization(demo_run, tmp_path) -> Organization:
    return Organization(demo_run.directory / "snapshot.sqlite", tmp_path / "kms-scan-out")


@pytest.fixture
def judged(cli):
    """Analyze and report a run; returns the exit code and summary of the analysis."""

    def judge(folder: Path, *flags: str) -> tuple[int, dict]:
        code, out, err = cli("analyze", str(folder), "--json", *flags)
        assert out, err
        assert cli("report", str(folder))[0] == 0
        return code, json.loads(out)

    return judge


def of_key(folder: Path, key: str) -> dict[str, dict]:
    """The findings about one key by grantee, resolved ones too."""
    document = json.loads((folder / "findings.json").read_text())
    found = [*document["findings"], *document["resolved"]]
    return {
        f["grantee"]["selector"]: f for f in found if f["resource"]["arn"] == key and f["kind"] == "external_access"
    }


VIA = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((allow(STRANGER),), (allow(STRANGER, OTHER),), {STRANGER: "unchanged", OTHER: "new"}),
        ((allow(STRANGER, OTHER),), (allow(STRANGER),), {STRANGER: "unchanged", OTHER: "resolved"}),
        ((allow(STRANGER),), (allow(STRANGER, when=VIA),), {STRANGER: "narrowed"}),
        ((allow(STRANGER, when=VIA),), (allow(STRANGER),), {STRANGER: "widened"}),
        ((allow(STRANGER),), (), {STRANGER: "resolved"}),
    ],
    ids=["principal-added", "principal-removed", "condition-added", "condition-removed", "statement-deleted"],
)
def test_five_mutations_of_a_key_policy_have_the_right_lifecycle(
    organization, judged, before, after, expected
) -> None:  # fmt: skip
    judged(organization.collected(organization.with_statements(*before)))
    second = organization.collected(organization.with_statements(*after))
    _, summary = judged(second, "--baseline", "latest")
    found = of_key(second, organization.key)
    assert {who: f["lifecycle"] for who, f in found.items() if who in {STRANGER, OTHER}} == expected
    assert summary["baseline"]["run_id"] == "2026-11-22T0500Z-aaaa"
    assert summary["baseline"]["compared"] == "findings"
    assert {f["first_seen"][:10] for who, f in found.items() if expected.get(who) != "new" and who in expected} <= {
        "2026-11-22"
    }


def test_policy_narrowed_to_one_role_of_the_account_is_no_more_access(organization, judged, cli) -> None:
    role = STRANGER.replace(":root", ":role/export")
    first = organization.collected(organization.with_statements(allow(STRANGER)))
    judged(first)
    second = organization.collected(organization.with_statements(allow(role)))
    _, summary = judged(second, "--baseline", "latest", "--new-only")
    assert of_key(second, organization.key)[role]["lifecycle"] == "narrowed"
    assert summary["gate"]["findings"] is True
    code, out, _ = cli("diff", first.name, second.name, "--fail-on", "low", "--json")
    changes = {d["grantee"]["selector"]: d["change"] for d in json.loads(out)["differences"]}
    assert (code, changes) == (0, {STRANGER: "narrowed"})
    (first / "snapshot.sqlite").unlink()
    code, _, _ = cli("diff", first.name, second.name, "--fail-on", "low")
    assert code == 3


def test_key_that_was_not_read_this_time_keeps_its_finding_and_fails_the_gate(organization, judged) -> None:
    judged(organization.collected(organization.with_statements(allow(STRANGER))))
    second = organization.collected(policy_sha256="", policy_status="denied")
    _, summary = judged(second, "--baseline", "latest")
    kept = of_key(second, organization.key)[STRANGER]
    assert (kept["lifecycle"], kept["severity"], kept["last_seen"][:10]) == ("not_rechecked", "critical", "2026-11-22")
    assert summary["baseline"]["counts"]["not_rechecked"] >= 1
    evidence = json.loads((second / "findings.json").read_text())["documents"][kept["evidence"][0]["sha256"]]
    assert json.loads(evidence)["Statement"][-1]["Sid"] == "Share"
    third = organization.collected(organization.with_statements())
    judged(third, "--baseline", "latest")
    assert of_key(third, organization.key)[STRANGER]["lifecycle"] == "resolved"
    fourth = organization.collected(organization.with_statements(allow(STRANGER)))
    judged(fourth, "--baseline", "latest")
    back = of_key(fourth, organization.key)[STRANGER]
    assert (back["lifecycle"], back["first_seen"][:10]) == ("reopened", "2026-11-22")


def test_gate_on_new_findings_passes_what_was_there_and_fails_what_grew(organization, judged) -> None:
    first = organization.collected(organization.with_statements(allow(STRANGER)))
    code, _ = judged(first, "--min-coverage", "0")
    assert code == 3
    again = organization.collected(organization.with_statements(allow(STRANGER)))
    code, summary = judged(again, "--baseline", first.name, "--new-only", "--min-coverage", "0")
    assert (code, summary["gate"]["findings"], summary["gate"]["new_only"]) == (0, True, True)
    grown = organization.collected(organization.with_statements(allow(STRANGER, OTHER)))
    code, summary = judged(grown, "--baseline", first.name, "--new-only")
    assert (code, summary["gate"]["findings"], summary["gate"]["coverage"]) == (3, False, False)
    unread = organization.collected(organization.with_statements(allow(STRANGER)))
    code, summary = judged(unread, "--baseline", first.name, "--new-only", "--min-coverage", "100")
    assert (code, summary["gate"]["findings"], summary["gate"]["coverage"]) == (4, True, False)


def test_latest_baseline_of_the_first_run_is_none_and_everything_is_new(organization, cli) -> None:
    first = organization.collected()
    code, out, err = cli("analyze", str(first), "--baseline", "latest", "--json")
    assert code == 3
    assert json.loads(out)["baseline"] is None
    assert "no earlier run with a report: every finding is new" in err


def test_latest_baseline_is_the_newest_complete_run_before_this_one(organization, judged, cli) -> None:
    first, second = organization.collected(), organization.collected()
    judged(first)
    judged(second)
    third = organization.collected()
    code, _, _ = cli("analyze", str(third))
    assert code == 3
    fourth = organization.collected()
    _, summary = judged(fourth, "--baseline", "latest")
    assert summary["baseline"]["run_id"] == second.name
    code, out, _ = cli("analyze", str(second), "--baseline", "latest", "--json")
    assert json.loads(out)["baseline"]["run_id"] == first.name


def test_same_input_and_baseline_give_the_same_bytes(organization, judged, cli) -> None:
    first = organization.collected(organization.with_statements(allow(STRANGER)))
    judged(first)
    second = organization.collected(organization.with_statements(allow(OTHER)))
    judged(second, "--baseline", first.name)
    assert cli("analyze", str(second), "--baseline", first.name)[0] == 3
    again = second.with_name(f"{second.name}-2")
    assert cli("report", str(again))[0] == 0
    for name in ("findings.json", "keys.csv", "report.html", "findings.csv", "summary.json", "summary.md"):
        assert (again / name).read_bytes() == (second / name).read_bytes(), name
    document = load_findings((second / "findings.json").read_bytes(), "findings.json")
    assert [f.lifecycle for f in document.resolved] == ["resolved"]


# -- another engine or configuration ----------------------------------------------------------------------------------


def test_baseline_of_another_configuration_is_judged_again_from_its_snapshot(organization, judged, tmp_path) -> None:
    first = organization.collected(organization.with_statements(allow(STRANGER)))
    judged(first)
    (tmp_path / "other.yaml").write_text(
        "version: 1\naws: {member_role: X}\nseverity: {sensitive_tags: {no-such-tag: [yes]}}\n"
    )
    second = organization.collected(organization.with_statements(allow(STRANGER, when=VIA)))
    _, summary = judged(second, "--baseline", first.name, "-c", "other.yaml")
    assert summary["baseline"]["compared"] == "judged_again"
    assert of_key(second, organization.key)[STRANGER]["lifecycle"] == "narrowed"
    (first / "snapshot.sqlite").unlink()
    third = organization.collected(organization.with_statements(allow(STRANGER, when=VIA)))
    _, summary = judged(third, "--baseline", first.name, "-c", "other.yaml")
    assert summary["baseline"]["compared"] == "engine_changed"
    assert of_key(third, organization.key)[STRANGER]["lifecycle"] == "engine_changed"
    assert "widened" not in summary["baseline"]["counts"]


# -- diff -------------------------------------------------------------------------------------------------------------


def test_diff_names_who_gains_and_who_loses_and_ends_with_3_where_access_grew(organization, judged, cli) -> None:
    first = organization.collected(organization.with_statements(allow(STRANGER, when=VIA)))
    second = organization.collected(organization.with_statements(allow(STRANGER), allow(OTHER)))
    judged(first)
    judged(second)
    code, out, _ = cli("diff", first.name, second.name, "--fail-on", "critical")
    assert code == 3
    assert "+ gained        any principal of 343434343434 (unknown): decrypt with alias/card-data" in out
    assert "+ widened       any principal of 999988887777 (unknown): decrypt with alias/card-data" in out
    assert "conditional -> confirmed (the condition is gone: kms:ViaService = s3.eu-west-1.amazonaws.com)" in out
    assert "1 new, 1 widened" in out
    code, out, _ = cli("diff", second.name, first.name, "--fail-on", "critical", "--json")
    found = json.loads(out)
    assert code == 0
    assert [d["change"] for d in found["differences"]] == ["narrowed", "lost"]
    assert {f["lifecycle"] for f in found["findings"]} == {"narrowed", "resolved"}
    code, out, _ = cli("diff", second.name, first.name, "--format", "md")
    assert (code, out.count("| - lost |"), out.count("| - narrowed |")) == (0, 1, 1)
    code, out, _ = cli("diff", first.name, first.name, "--fail-on", "low")
    assert code == 0
    assert "0 differences in access" in out


def test_diff_tells_two_judgements_of_one_collection_apart(organization, judged, cli, tmp_path) -> None:
    first = organization.collected(organization.with_statements(allow(STRANGER)))
    second = organization.collected(organization.with_statements(allow(STRANGER)))
    judged(first)
    judged(second)
    assert cli("analyze", first.name)[0] == 3
    again, elsewhere, other = f"{first.name}-2", tmp_path / "elsewhere" / first.name, tmp_path / "other" / first.name
    shutil.copytree(first, elsewhere)
    shutil.copytree(second, other)
    pairs = [
        ((first.name, again), (first.name, again)),
        ((str(first), str(elsewhere)), (str(first.resolve()), str(elsewhere))),
        ((str(first), str(other)), (first.name, second.name)),
        ((first.name, first.name), (first.name, first.name)),
    ]
    for asked, names in pairs:
        found = json.loads(cli("diff", *asked, "--json")[1])
        assert (found["old"]["name"], found["new"]["name"]) == names
        assert found["old"]["run_id"] == first.name
        line = cli("diff", *asked)[1].splitlines()[0]
        assert line.startswith(f"compared {names[0]} (")
        assert f" with {names[1]} (" in line
        lines = cli("diff", *asked, "--format", "md")[1].splitlines()
        assert [name in line for name, line in zip(names, lines[2:4], strict=True)] == [True, True]


def test_diff_says_not_rechecked_and_never_lost_where_the_key_was_not_read(organization, judged, cli) -> None:
    first = organization.collected(organization.with_statements(allow(STRANGER)))
    second = organization.collected(policy_sha256="", policy_status="denied")
    judged(first, "--as-of", "2026-11-25T00:00:00Z")
    judged(second, "--baseline", first.name, "--as-of", "2026-11-25T00:00:00Z")
    for _ in range(2):
        code, out, _ = cli("diff", first.name, second.name)
        assert code == 0
        assert "lost" not in out
        assert "not rechecked" in out
        (second / "snapshot.sqlite").unlink(missing_ok=True)


def test_diff_of_runs_of_other_engines_judges_both_again_or_says_that_it_cannot(organization, judged, cli) -> None:
    first = organization.collected(organization.with_statements(allow(STRANGER)))
    second = organization.collected(organization.with_statements(allow(STRANGER)))
    judged(first)
    judged(second)
    text = (first / "findings.json").read_text()
    (first / "findings.json").write_text(text.replace('"engine":1', '"engine":0').replace('"confirmed"', '"possible"'))
    (first / "manifest.json").unlink()
    code, out, _ = cli("diff", first.name, second.name, "--fail-on", "low")
    assert code == 0
    assert "judged again from the snapshots" in out
    assert "0 differences in access" in out
    (first / "snapshot.sqlite").unlink()
    code, out, _ = cli("diff", first.name, second.name, "--fail-on", "low")
    assert code == 0
    assert "a snapshot to judge again is missing" in out
    assert "widened," not in out.rsplit("findings: ", 1)[1]


# -- suppressions -----------------------------------------------------------------------------------------------------


def test_finding_is_accepted_by_a_command_and_comes_back_when_its_access_changes(
    organization, judged, cli, tmp_path
) -> None:  # fmt: skip
    first = organization.collected(organization.with_statements(allow(STRANGER)))
    _, before = judged(first)
    finding = of_key(first, organization.key)[STRANGER]
    accept = ("suppress", first.name, finding["id"], "--owner", "hr@acme.example", "--expires", "2027-03-31")
    code, out, _ = cli(*accept, "--reason", "Payroll: month-end", "--ticket", "RISK-1042")
    assert code == 0
    wrote, counts = out.splitlines()
    assert wrote.startswith(f"suppressions.yaml: {finding['id']} is accepted until 2027-03-31: ")
    assert counts == f"it counts from the next analysis: kms-scan analyze {first.name}"

    second = organization.collected(organization.with_statements(allow(STRANGER)))
    _, summary = judged(second, "--baseline", "latest")
    assert (summary["suppressed"], summary["findings"]) == (1, before["findings"] - 1)
    held = of_key(second, organization.key)[STRANGER]
    assert (held["severity"], held["suppression"]["state"], held["suppression"]["ticket"]) == (
        "critical", "active", "RISK-1042",
    )  # fmt: skip
    assert cli("diff", first.name, second.name)[1].splitlines()[-1].endswith("; 1 accepted since")
    assert json.loads(cli("diff", first.name, second.name, "--json")[1])["accepted"] == 1
    assert "accepted since" not in cli("diff", second.name, second.name)[1]
    rows = {r["finding_id"]: r for r in csv.DictReader((second / "findings.csv").read_text("utf-8-sig").splitlines())}
    row = rows[finding["id"]]
    assert (row["suppressed"], row["suppressed_by"], row["suppressed_until"]) == (
        "yes",
        "hr@acme.example",
        "2027-03-31",
    )
    assert (row["lifecycle"], row["first_seen"][:10], row["last_seen"][:10]) == (
        "unchanged", "2026-11-22", "2026-11-23",
    )  # fmt: skip
    keys = {r["key_arn"]: r for r in csv.DictReader((second / "keys.csv").read_text("utf-8-sig").splitlines())}
    was = {r["key_arn"]: r for r in csv.DictReader((first / "keys.csv").read_text("utf-8-sig").splitlines())}
    row, row_before = keys[organization.key], was[organization.key]
    assert (row["suppressed"], int(row_before["critical"]) - int(row["critical"])) == ("1", 1)
    page = (second / "report.html").read_text()
    assert 'id="suppressed"' in page
    assert "hr@acme.example" in page
    assert "## Suppressed" in (second / "summary.md").read_text()
    assert "suppressed 1" in cli("report", second.name)[1]

    third = organization.collected(organization.with_statements(allow(STRANGER, action="kms:*")))
    _, summary = judged(third, "--baseline", "latest")
    wider = of_key(third, organization.key)[STRANGER]
    assert (wider["lifecycle"], wider["suppression"]["state"]) == ("widened", "fingerprint_changed")
    assert summary["suppressed"] == 0
    assert summary["suppressions"] == {"fingerprint_changed": 1}

    fourth = organization.collected(organization.with_statements(allow(STRANGER)))
    code, summary = judged(fourth, "--as-of", "2027-04-01T00:00:00Z")
    assert summary["suppressions"] == {"expired": 1}
    assert f"(1 expired: {finding['id']})" in cli("report", fourth.name)[1]
    assert (tmp_path / "suppressions.yaml").read_text().count(finding["id"]) == 1


def test_suppress_refuses_what_is_unknown_over_or_there_already(organization, judged, cli, tmp_path) -> None:
    first = organization.collected(organization.with_statements(allow(STRANGER)))
    judged(first)
    known = of_key(first, organization.key)[STRANGER]["id"]
    rest = ("--owner", "o", "--reason", "r")
    code, _, err = cli("suppress", "latest", known[:-1] + "a", "--expires", "2027-03-31", *rest)
    assert code == 2
    assert f"did you mean `{known}`?" in err or known.endswith("a")
    code, _, err = cli("suppress", "latest", known, "--expires", "2020-01-01", *rest)
    assert (code, "which is over" in err) == (2, True)
    code, _, err = cli("suppress", "latest", known, "--expires", "soon", *rest)
    assert (code, "must be a date such as 2027-03-31" in err) == (2, True)
    assert not (tmp_path / "suppressions.yaml").exists()
    code, out, _ = cli("suppress", "latest", known, "--expires", "2027-03-31", "--no-pin", "--json", *rest)
    assert (code, json.loads(out)["fingerprint"]) == (0, "")
    code, _, err = cli("suppress", "latest", known, "--expires", "2027-03-31", *rest)
    assert (code, "has an entry already" in err) == (2, True)


def test_named_suppression_file_that_is_missing_is_refused(organization, cli) -> None:
    first = organization.collected()
    code, _, err = cli("analyze", str(first), "--suppressions", "reviewed.yaml")
    assert code == 2
    assert "suppressions `reviewed.yaml` cannot be read" in err
    assert not (first / "findings.json").exists()


def test_summary_of_a_run_says_what_is_new_since_the_baseline(organization, judged, cli) -> None:
    judged(organization.collected(organization.with_statements(allow(STRANGER))))
    second = organization.collected(organization.with_statements(allow(STRANGER, action="kms:*"), allow(OTHER)))
    judged(second, "--baseline", "latest")
    _, out, _ = cli("report", second.name)
    assert "(1 new, 1 wider since 2026-11-22)" in out
    assert len(out.splitlines()) <= 12
    page = (second / "report.html").read_text()
    assert "new since 2026-11-22" in page
    assert "Compared with run <code>2026-11-22T0500Z-aaaa</code>" in page
    assert "new since 2026-11-22" in (second / "summary.md").read_text()
