"""docs/lifecycle.md: two collections of the demo's organization a week apart, and every block that the paper shows."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import shlex
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from scanner.cli import main
from scanner.pipeline import SystemClock
from scanner.snapshot.read import content_hash

PAPER = (Path(__file__).parents[2] / "docs" / "lifecycle.md").read_text("utf-8")
SHOWN = re.findall(
    r"^```sh\n(kms-scan .*?)(?:  # exit (\d))?\n```\n\n```text\n(.*?)^```", PAPER, re.MULTILINE | re.DOTALL
)
FILES = dict(re.findall(r"^`([a-z]+\.yaml)`:\n\n```yaml\n(.*?)^```", PAPER, re.MULTILINE | re.DOTALL))
FIRST, SECOND, THIRD = "2026-11-22T0500Z-1c2d", "2026-11-29T0500Z-7f3a", "2026-12-06T0500Z-9b0e"
VENDOR = "arn:aws:iam::999988887777:root"
Edit = Callable[[sqlite3.Connection], None]


def key_of(database: sqlite3.Connection, alias: str) -> tuple[str, str, str, str]:
    """ARN, account, Region and id of the key with an alias."""
    found: tuple[str, str, str, str] = database.execute(
        "SELECT keys.arn, account_id, region, key_id FROM keys JOIN aliases ON aliases.key_arn = keys.arn "
        "WHERE aliases.name = ?",
        (alias,),
    ).fetchone()
    return found


def vendor_gains_create_grant(database: sqlite3.Connection) -> None:
    """One action more in the statement that lets the vendor use the key of the card data."""
    arn = key_of(database, "alias/card-data")[0]
    (sha256,) = database.execute("SELECT policy_sha256 FROM keys WHERE arn = ?", (arn,)).fetchone()
    (text,) = database.execute("SELECT text FROM documents WHERE sha256 = ?", (sha256,)).fetchone()
    policy = json.loads(zlib.decompress(text))
    (shared,) = (s for s in policy["Statement"] if s["Principal"] == {"AWS": VENDOR})
    shared["Action"].append("kms:CreateGrant")
    new = json.dumps(policy, indent=4).encode()
    known_as = hashlib.sha256(new).hexdigest()
    database.execute("INSERT INTO documents VALUES (?, ?)", (known_as, zlib.compress(new)))
    database.execute("UPDATE keys SET policy_sha256 = ? WHERE arn = ?", (known_as, arn))


def key_becomes_unreadable(database: sqlite3.Connection) -> None:
    """The policy of one key refuses the audit role, as the ledger says then."""
    arn, account, region, key_id = key_of(database, "alias/lake-handover")
    database.execute(
        "UPDATE keys SET policy_status = 'denied_by_key_policy', policy_sha256 = NULL WHERE arn = ?", (arn,)
    )  # fmt: skip
    row = (
        account, region, "kms:GetKeyPolicy", key_id, "denied_by_key_policy", "AccessDeniedException",
        "because no resource-based policy allows the kms:GetKeyPolicy action",
        "add a statement to the key policy that allows the audit role `kms:GetKeyPolicy`", f"kms/{account}/{region}",
    )  # fmt: skip
    database.execute("INSERT OR REPLACE INTO coverage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def collect(snapshot: Path, output: Path, run_id: str, *edits: Edit) -> None:
    """A run that was collected and not judged, with what changed in AWS until then."""
    folder = output / run_id
    folder.mkdir(parents=True)
    shutil.copy(snapshot, folder / "snapshot.sqlite")
    times = {"started": f"{run_id[:10]}T05:00:00Z", "finished": f"{run_id[:10]}T05:00:12Z"}
    with sqlite3.connect(folder / "snapshot.sqlite") as database:
        for edit in edits:
            edit(database)
        for name, value in (times | {"run_id": run_id, "as_of": times["finished"]}).items():
            database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
        database.execute("UPDATE meta SET value = ? WHERE key = 'content_hash'", (content_hash(database),))
    database.close()


def vendor_finding(run: Path) -> str:
    """The id of the finding that the paper accepts: it holds the ARN of the key, which every demo makes up anew."""
    findings = json.loads((run / "findings.json").read_text())["findings"]
    (found,) = (
        f["id"] for f in findings
        if f["grantee"]["selector"] == VENDOR and f["key"] and "alias/card-data" in f["key"]["aliases"]
        and f["kind"] == "external_access"
    )  # fmt: skip
    return str(found)


def masked(text: str, folder: Path = Path()) -> str:
    """The text without the folder, ids that are made anew in every run, and the size of the page."""
    text = text.replace(f"{folder}/", "")
    text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "KEY", text)
    text = re.sub(r"\bkx-[a-z2-7]{12}\b", "kx-ID", text)
    return re.sub(r"\(\d+(\.\d)? [kM]B\)", "(SIZE)", text)


@pytest.fixture
def told(demo_run, tmp_path, monkeypatch, capsys) -> list[tuple[str, int, str]]:
    """Every command of the paper, run in its order: the command, its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SystemClock, "now", lambda _: dt.datetime(2026, 11, 22, 6, tzinfo=dt.UTC))
    snapshot, output = demo_run.directory / "snapshot.sqlite", tmp_path / "kms-scan-out"
    collect(snapshot, output, FIRST)
    collect(snapshot, output, SECOND, vendor_gains_create_grant, key_becomes_unreadable)
    collect(snapshot, output, THIRD, vendor_gains_create_grant, key_becomes_unreadable)
    Path("config.yaml").write_text(FILES["config.yaml"])
    found = []
    for command, _, _ in SHOWN:
        words = shlex.split(command.replace("\\\n", " "))
        words = [vendor_finding(output / FIRST) if w.startswith("kx-") else w for w in words]
        with pytest.raises(SystemExit) as ended:
            main(words[1:])
        captured = capsys.readouterr()
        assert "this is a bug" not in captured.err
        found.append((command, ended.value.code, captured.out or captured.err))
    return found


def test_paper_shows_what_the_program_prints(told, tmp_path) -> None:
    assert [command.split()[1] for command, _, _ in SHOWN] == [
        "analyze", "suppress", "analyze", "report", "diff", "analyze",
    ]  # fmt: skip
    for (command, code, printed), (_, shown_code, shown) in zip(told, SHOWN, strict=True):
        assert masked(printed, tmp_path) == masked(shown), command
        assert code == int(shown_code or 0), command
    _holds_what_the_paper_claims(tmp_path / "kms-scan-out")


def _holds_what_the_paper_claims(output: Path) -> None:
    run = json.loads((output / SECOND / "findings.json").read_text())
    wider = next(f for f in run["findings"] if f["id"] == vendor_finding(output / FIRST))
    assert (wider["lifecycle"], wider["suppression"]["state"]) == ("widened", "fingerprint_changed")
    rose = [f for f in run["findings"] if f["rise"]]
    assert {f["grantee"]["party"] for f in rose} == {"expired_partner"}
    assert {f["rise"]["why"] for f in rose} == {"the approval ended on 2026-11-25"}
    unread = [f for f in run["findings"] if f["key"] and "alias/lake-handover" in f["key"]["aliases"]]
    assert {f["lifecycle"] for f in unread if f["kind"] == "external_access"} == {"not_rechecked"}
    assert run["resolved"] == []


def test_paper_is_short_and_names_no_machine() -> None:
    assert len(PAPER.splitlines()) <= 150
    assert not re.search(r"/(?:tmp|home|work|root|var)/", PAPER)
