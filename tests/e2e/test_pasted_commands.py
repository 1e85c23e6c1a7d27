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
import json, os, sys
words = dict(zip(sys.argv, sys.argv[1:]))
verb, texts = sys.argv[2], json.load(open("stored.json"))
open("calls", "a").write(verb + "\\n")
if verb == "get-caller-identity":
    print(open("account").read())
    sys.exit()
place = next(words[name] for name in ("--key-id", "--policy-arn", "--role-name") if name in words)
place += words["--region"] if "--region" in words else ""
place += words["--policy-name"] if "iam" in sys.argv and "--policy-name" in words else ""
if verb in ("put-key-policy", "update-assume-role-policy", "create-policy-version", "put-role-policy"):
    name = words.get("--policy") or words["--policy-document"]
    texts[place] = open(name.removeprefix("file://")).read()
    json.loads(texts[place])
    json.dump(texts, open("stored.json", "w"))
elif verb == "delete-role-policy":
    del texts[place]
    json.dump(texts, open("stored.json", "w"))
elif verb == "get-policy":
    print("v1")
elif verb == "get-key-policy":
    print(texts[place])
else:
    assert verb in ("get-role", "get-policy-version", "get-role-policy")
    if place not in texts:
        sys.exit("NoSuchEntity")
    print(json.dumps(json.loads(texts[place]), indent=4, ensure_ascii=False))
"""
PATCH = """#!{python}
import sys
sys.path.append({tests!r})
from patches import patched
assert sys.argv[1:4] == ["-N", "-F0", "-o"]
written, read, diff = sys.argv[4:]
text = patched(open(read).read(), open(diff).read().removesuffix("\\n"))
open(written, "w").write(text)
"""
OURS = """#!{python}
import sys
sys.path.append({tests!r})
open("calls", "a").write("what-if\\n")
open("asked", "a").write(" ".join(sys.argv[1:]) + "\\n")
sys.exit(int(open("widened").read()))
"""
WRITES = {
    "put-key-policy",
    "update-assume-role-policy",
    "create-policy-version",
    "put-role-policy",
    "delete-role-policy",
}


CARD = re.compile(r'<details class="finding .*?</details>\n', re.DOTALL)
NAME = re.compile(r'<div id="(.*?)">')
CHANGE = re.compile(r"<pre class=patch>(.*?)</pre>", re.DOTALL)
BLOCK = re.compile(r"<h5>AWS CLI</h5>\n<pre>(.*?)</pre>", re.DOTALL)
ENDING = re.compile(r"<h5>Ask this run, which sees no fix; accept</h5>\n<pre>(.*?)</pre>", re.DOTALL)


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


class Shell:
    """A folder as somebody works in it, with stand-ins for what is called; every block is pasted whole."""

    def __init__(self, folder: Path, texts: dict[str, str], account: str, *, widened: int = 0) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        names = {"python": sys.executable, "tests": str(Path(patches.__file__).parent)}
        for name, source in (("aws", AWS), ("patch", PATCH), ("kms-scan", OURS)):
            (folder / name).write_text(source.format(**names))
            (folder / name).chmod(0o755)
        (folder / "python3").symlink_to(sys.executable)
        for name, text in (("stored.json", json.dumps(texts)), ("account", account), ("widened", str(widened))):
            (folder / name).write_text(text)

    def paste(self, block: str, change: str = "", shell: str = "/bin/sh") -> tuple[int, str, str]:
        """Exit code, stdout and stderr; what was called stands in `calls`, once per paste."""
        (self.folder / "calls").unlink(missing_ok=True)
        (self.folder / "change.patch").write_text(change)
        environment = {"PATH": f"{self.folder}:/usr/bin:/bin", "RUN": "a run"}
        done = subprocess.run(
            [shell], input=block, text=True, cwd=self.folder, env=environment, capture_output=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    @property
    def calls(self) -> list[str]:
        """What the last paste called."""
        return (self.folder / "calls").read_text().split()

    @property
    def stored(self) -> dict[str, str]:
        """The policies as they stand in AWS."""
        return json.loads((self.folder / "stored.json").read_text())


def account_of(block: str) -> str:
    """The account that a block expects."""
    return block.splitlines()[1][-12:]


@pytest.fixture(scope="module")
def blocks(demo_run) -> dict[str, str]:
    """The block of every card that has one, as it is copied from the page."""
    cards = [(NAME.search(card), BLOCK.search(card)) for card in CARD.findall(demo_run.text("report.html"))]
    return {name[1]: html.unescape(block[1]) for name, block in cards if name and block}


@pytest.fixture(scope="module")
def forms(demo_run, blocks) -> list[dict]:
    """A finding for every form of block: key, trust, managed, inline policy, deletion, grant."""
    found = {}
    for finding in demo_run.findings():
        if finding["id"] in blocks:
            verbs = tuple(
                line.split(' "$@"')[0] for line in blocks[finding["id"]].splitlines() if " aws " in f" {line}"
            )
            found.setdefault(tuple(verb[:30] for verb in verbs[1:]), finding)
    return list(found.values())


def test_every_patch_of_a_card_applies_to_what_its_own_commands_read(
    demo_run, shown, blocks, texts, tmp_path: Path
) -> None:
    patched = [f for f in demo_run.findings() if f["remediation"]["diff"]]
    assert {f["kind"] for f in patched} >= {"external_access", "assumed_role_path"}
    assert {f["id"] for f in patched} == set(shown)
    for finding in patched:
        assert "more lines are in findings.json" not in shown[finding["id"]]
        block = blocks[finding["id"]]
        shell = Shell(tmp_path / finding["id"], texts, account_of(block))
        code, out, err = shell.paste(block, shown[finding["id"]])
        assert (code, out.splitlines()[-1]) == (0, "in place"), (finding["id"], err)
        changed = {place for place, text in shell.stored.items() if text != texts[place]}
        assert len(changed) == 1, finding["id"]
        was, written = (json.loads(of[place]) for place in changed for of in (texts, shell.stored))
        assert written != was, finding["id"]
        assert written["Version"] == was["Version"]
        assert written["Statement"]
        assert json.loads((shell.folder / "policy.before.json").read_text()) == was


def test_document_is_kept_and_judged_before_it_is_written_and_read_after_it(
    forms, blocks, shown, texts, tmp_path
) -> None:
    assert len(forms) >= 6
    for finding in forms:
        block = blocks[finding["id"]]
        shell = Shell(tmp_path / finding["id"], texts, account_of(block))
        assert shell.paste(block, shown.get(finding["id"], ""))[0] == (0 if "aws kms revoke" not in block else 1)
        calls = shell.calls
        assert calls[0] == "get-caller-identity"
        if finding["id"] in shown:
            written = next(n for n, call in enumerate(calls) if call in WRITES)
            assert calls.index("what-if") < written < len(calls) - 1
            assert calls[-1] == calls[written - 2]


def test_patch_that_does_not_apply_leaves_no_put(forms, blocks, shown, texts, tmp_path) -> None:
    for finding in (f for f in forms if f["id"] in shown):
        block = blocks[finding["id"]]
        shell = Shell(tmp_path / finding["id"], texts, account_of(block))
        code, out, _ = shell.paste(block, shown[finding["id"]].replace('"Version"', '"version"').replace("]", ")"))
        assert code != 0
        assert "in place" not in out
        assert not WRITES & set(shell.calls)
        assert "what-if" not in shell.calls
        assert shell.stored == texts
        assert not (shell.folder / "policy.before.json").exists()


def test_second_run_changes_nothing_fails_and_keeps_the_way_back(forms, blocks, shown, texts, tmp_path) -> None:
    for finding in (f for f in forms if "aws kms revoke" not in blocks[f["id"]]):
        block, change = blocks[finding["id"]], shown.get(finding["id"], "")
        shell = Shell(tmp_path / finding["id"], texts, account_of(block))
        assert shell.paste(block, change)[0] == 0
        kept, after = (shell.folder / "policy.before.json").read_text(), shell.stored
        code, out, err = shell.paste(block, change)
        assert code != 0
        assert err
        assert "in place" not in out
        assert not WRITES & set(shell.calls)
        assert shell.stored == after
        assert (shell.folder / "policy.before.json").read_text() == kept


def test_way_back_of_an_earlier_fix_is_not_overwritten(forms, blocks, shown, texts, tmp_path) -> None:
    for finding in (f for f in forms if "aws kms revoke" not in blocks[f["id"]]):
        block = blocks[finding["id"]]
        shell = Shell(tmp_path / finding["id"], texts, account_of(block))
        (shell.folder / "policy.before.json").write_text("of another fix")
        code, _, err = shell.paste(block, shown.get(finding["id"], ""))
        assert code != 0
        assert "policy.before.json" in err
        assert not WRITES & set(shell.calls)
        assert (shell.folder / "policy.before.json").read_text() == "of another fix"


@pytest.mark.parametrize("shell_name", ["sh", "bash"])
def test_other_account_stops_before_anything_is_read(forms, blocks, shown, texts, tmp_path, shell_name: str) -> None:
    for finding in forms:
        block = blocks[finding["id"]]
        shell = Shell(tmp_path / finding["id"], texts, "999999999999")
        code, out, err = shell.paste(block, shown.get(finding["id"], ""), f"/bin/{shell_name}")
        assert code != 0
        assert shell.calls == ["get-caller-identity"]
        assert f"test 999999999999 = {account_of(block)}" in err
        assert out == ""


def test_document_by_which_somebody_gains_is_not_written(forms, blocks, shown, texts, tmp_path) -> None:
    for finding in (f for f in forms if f["id"] in shown or "aws kms revoke" in blocks[f["id"]]):
        block = blocks[finding["id"]]
        shell = Shell(tmp_path / finding["id"], texts, account_of(block), widened=3)
        assert shell.paste(block, shown.get(finding["id"], ""))[0] == 3
        assert shell.calls[-1] == "what-if"


def test_block_without_a_run_stops_at_what_if(forms, blocks, shown, texts, tmp_path) -> None:
    finding = next(f for f in forms if f["id"] in shown)
    shell = Shell(tmp_path / "folder", texts, account_of(blocks[finding["id"]]))
    code, _, err = shell.paste(f"unset RUN\n{blocks[finding['id']]}", shown[finding["id"]])
    assert code != 0
    assert "RUN" in err
    assert not WRITES & set(shell.calls)


def test_what_aws_stores_otherwise_than_it_was_written_is_shown(forms, blocks, shown, texts, tmp_path) -> None:
    finding = next(f for f in forms if f["id"] in shown)
    block = blocks[finding["id"]]
    shell = Shell(tmp_path / "folder", texts, account_of(block))
    stand_in = (shell.folder / "aws").read_text()
    (shell.folder / "aws").write_text(stand_in.replace("    json.loads(texts[place])\n", "    sys.exit()\n"))
    code, out, err = shell.paste(block, shown[finding["id"]])
    assert code == 1
    assert "in place" not in out
    assert err.splitlines()[-1].startswith("+ test ")


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


def test_edit_of_a_card_is_tried_with_the_document_that_its_block_writes(
    demo_run, forms, blocks, shown, texts, paste, tmp_path, monkeypatch
) -> None:
    seen = set()
    for finding in forms:
        block, folder = blocks[finding["id"]], tmp_path / finding["id"]
        trial = next((line for line in block.splitlines() if line.startswith("kms-scan ")), "")
        if trial:
            Shell(folder, texts, account_of(block)).paste(block, shown.get(finding["id"], ""))
            monkeypatch.chdir(folder)
            code, out, err = paste(trial, RUN=str(demo_run.directory))
            assert code == 0, (trial, err)
            assert finding["id"] in out, (trial, out)
            seen.add(shlex.split(trial)[3])
    assert seen == {"--key-policy", "--trust-policy", "--identity-policy", "--revoke"}


def test_no_edit_of_a_card_is_stopped_by_its_own_what_if(
    demo_run, forms, blocks, shown, texts, paste, tmp_path
) -> None:
    """Where everybody becomes the organization, `what-if` says that the organization gains."""
    named = [f for f in demo_run.findings() if "aws:PrincipalOrgID" in f["remediation"]["text"] and f["id"] in shown]
    assert named
    for finding in named:
        block = blocks[finding["id"]]
        Shell(tmp_path, texts, account_of(block)).paste(block, shown[finding["id"]])
        trial = next(line for line in block.splitlines() if line.startswith("kms-scan "))
        code, _, err = paste(trial, RUN=str(demo_run.directory))
        assert code == 0, err
        assert paste(f"{trial} --fail-on-widened", RUN=str(demo_run.directory))[0] == 3
        for name in ("python3", "policy.before.json"):
            (tmp_path / name).unlink()


def test_exception_is_written_once_somebody_answers_for_it(demo_run, endings, paste, tmp_path: Path) -> None:
    name = demo_run.findings()[0]["id"]
    line, file = endings[name][-1], tmp_path / "suppressions.yaml"
    code, _, err = paste(line)
    assert (code, file.exists()) == (2, False), err
    code, _, err = paste(line, REASON="Contract 2024-117", OWNER="hr@acme.example", EXPIRES="2027-01-31")
    assert code == 0, err
    assert name in file.read_text()
