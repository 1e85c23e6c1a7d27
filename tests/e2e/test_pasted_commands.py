"""The commands of the demo's cards in a shell as they stand: remedies with a stand-in for `aws`, and our own."""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from scanner.analyze.edits.whatif import is_managed, plain_name
from scanner.cli import main
from scanner.contents import checked_snapshot
from scanner.snapshot.view import Assumptions, load_world

import patches

AWS = """#!{python}
import json, sys
words = dict(zip(sys.argv, sys.argv[1:]))
place = next(words[name] for name in ("--key-id", "--policy-arn", "--role-name") if name in words)
place += words["--region"] if "--region" in words else ""
place += words["--policy-name"] if "iam" in sys.argv and "--policy-name" in words else ""
texts = json.load(open("stored.json"))
if sys.argv[2] in ("put-key-policy", "update-assume-role-policy", "create-policy-version", "put-role-policy"):
    name = words.get("--policy") or words["--policy-document"]
    json.dump(json.load(open(name.removeprefix("file://"))), open("written.json", "w"))
elif sys.argv[2] == "get-policy":
    print("v1")
elif sys.argv[2] == "get-key-policy":
    print(texts[place])
    open("read.json", "w").write(texts[place])
else:
    assert sys.argv[2] in ("get-role", "get-policy-version", "get-role-policy")
    open("read.json", "w").write(texts[place])
    print(json.dumps(json.loads(texts[place]), indent=4, ensure_ascii=False))
"""
PATCH = """#!{python}
import sys
sys.path.append({tests!r})
from patches import patched
file, diff = open(sys.argv[1]).read(), open(sys.argv[2]).read()
open(sys.argv[1], "w").write(patched(file, diff))
"""


CARD = re.compile(r'<details class="finding .*?</details>\n', re.DOTALL)
NAME = re.compile(r'<div id="(.*?)">')
CHANGE = re.compile(r"<pre class=patch>(.*?)</pre>", re.DOTALL)
ENDING = re.compile(r"<h5>Ask again, try the edit, accept</h5>\n<pre>(.*?)</pre>", re.DOTALL)


@pytest.fixture(scope="module")
def shown(demo_run) -> dict[str, str]:
    """The patch of every card that has one, as it is copied from the page."""
    cards = [(NAME.search(card), CHANGE.search(card)) for card in CARD.findall(demo_run.text("report.html"))]
    return {name[1]: html.unescape(re.sub(r"</?(?:ins|del)>", "", diff[1])) for name, diff in cards if name and diff}


@pytest.fixture(scope="module")
def texts(demo_run) -> dict[str, str]:
    """Every policy of the demo by what the AWS CLI finds it with."""
    with checked_snapshot(demo_run.directory / "snapshot.sqlite") as connection:
        world = load_world(connection, Assumptions("2026-11-22"))
    found = {f"{arn.rsplit('/', 1)[-1]}{k.region}": k.key_policy.text for arn, k in world.keys.items() if k.key_policy}
    for arn, facts in world.principals.items():
        name = arn.rsplit("/", 1)[-1]
        if facts.trust_policy:
            found[name] = facts.trust_policy.text
        for held in facts.identity_policies:
            found[held.source if is_managed(held) else name + plain_name(held)] = held.text
    return found


def run(remedy: dict, texts: dict[str, str], folder: Path) -> tuple[dict, dict]:
    """What stood in AWS, and what ends up there."""
    names = {"python": sys.executable, "tests": str(Path(patches.__file__).parent)}
    for name, source in (("aws", AWS), ("patch", PATCH)):
        (folder / name).write_text(source.format(**names))
        (folder / name).chmod(0o755)
    (folder / "python3").symlink_to(sys.executable)
    (folder / "stored.json").write_text(json.dumps(texts))
    (folder / "change.patch").write_text(remedy["diff"])
    path = f"{folder}:/usr/bin:/bin"
    subprocess.run(["/bin/sh", "-e"], input=remedy["cli"], text=True, cwd=folder, env={"PATH": path}, check=True)
    was, written = (json.loads((folder / name).read_text()) for name in ("read.json", "written.json"))
    return was, written


def test_every_patch_of_a_card_applies_to_what_its_own_commands_read(demo_run, shown, texts, tmp_path: Path) -> None:
    patched = [f for f in demo_run.findings() if f["remediation"]["diff"]]
    assert {f["kind"] for f in patched} >= {"external_access", "assumed_role_path"}
    assert {f["id"] for f in patched} == set(shown)
    for finding in patched:
        folder = tmp_path / finding["id"]
        folder.mkdir()
        assert "more lines are in findings.json" not in shown[finding["id"]]
        was, written = run({**finding["remediation"], "diff": shown[finding["id"]]}, texts, folder)
        assert written != was, finding["id"]
        assert written["Version"] == was["Version"]
        assert written["Statement"]


# -- our own commands -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endings(demo_run) -> dict[str, list[str]]:
    """The last lines of every card of the report, by finding."""
    cards = [(NAME.search(card), ENDING.search(card)) for card in CARD.findall(demo_run.text("report.html"))]
    return {name[1]: html.unescape(lines[1]).split("\n") for name, lines in cards if name and lines}


@pytest.fixture
def paste(demo_run, tmp_path, monkeypatch, capsys):
    """A line of a card where the folder of runs is, with these variables; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kms-scan-out").symlink_to(demo_run.output)

    def call(line: str, **variables: str) -> tuple[int, str, str]:
        words = [variables.get(word[1:], "") if word.startswith("$") else word for word in shlex.split(line)]
        assert words[0] == "kms-scan"
        with pytest.raises(SystemExit) as ended:
            main([*words[1:], "-q"])
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return call


def one_of_each(demo_run, lines: dict[str, list[str]]) -> list[tuple[dict, list[str]]]:
    """A finding for every kind, way, kind of grantee, and set of commands."""
    forms = {}
    for finding in demo_run.findings():
        said = lines[finding["id"]]
        commands = tuple(re.sub(r"[^ ]*[0-9/$:=][^ ]*", "", line) for line in said)
        form = finding["kind"], finding["mechanism"]["kind"], finding["grantee"]["kind"], commands
        forms.setdefault(form, (finding, said))
    return list(forms.values())


def test_every_card_ends_with_what_to_ask_and_how_to_accept(demo_run, endings) -> None:
    for finding in demo_run.findings():
        said = endings[finding["id"]]
        assert all(line.startswith("kms-scan ") and f" {demo_run.directory.name} " in line for line in said)
        assert said[-1].startswith("kms-scan suppress ")
        assert any(line.startswith("kms-scan what-if ") for line in said) or not finding["remediation"]["diff"]


def test_question_of_a_card_is_answered_and_a_path_names_its_outsider(demo_run, endings, paste) -> None:
    asked = [
        (f, lines[0]) for f, lines in one_of_each(demo_run, endings) if lines[0].split()[1] in ("explain", "who-can")
    ]
    assert {f["kind"] for f, _ in asked} > {"external_access", "assumed_role_path"}
    for finding, line in asked:
        code, out, err = paste(line)
        assert code == 0, (line, err)
        if finding["kind"] == "assumed_role_path":
            assert finding["grantee"]["account_id"] or "token.actions.githubusercontent.com" in out
            assert finding["grantee"]["account_id"] in out
            assert f"assumes role/{finding['resource']['name']} " in out


def test_edit_of_a_card_is_tried_with_the_file_that_its_commands_left(
    demo_run, texts, endings, paste, tmp_path
) -> None:
    seen = set()
    for finding, lines in one_of_each(demo_run, endings):
        for line in (text for text in lines if text.startswith("kms-scan what-if ")):
            if finding["remediation"]["diff"]:
                for name in ("python3", "read.json", "written.json"):
                    (tmp_path / name).unlink(missing_ok=True)
                run(finding["remediation"], texts, tmp_path)
            code, out, err = paste(line)
            assert code == 0, (line, err)
            assert finding["id"] in out, (line, out)
            seen.add(shlex.split(line)[3])
    assert seen == {"--key-policy", "--trust-policy", "--identity-policy", "--revoke"}


def test_exception_is_written_once_somebody_answers_for_it(demo_run, endings, paste, tmp_path: Path) -> None:
    name = demo_run.findings()[0]["id"]
    line, file = endings[name][-1], tmp_path / "suppressions.yaml"
    code, _, err = paste(line)
    assert (code, file.exists()) == (2, False), err
    code, _, err = paste(line, REASON="Contract 2024-117", OWNER="hr@acme.example", EXPIRES="2027-01-31")
    assert code == 0, err
    assert name in file.read_text()
