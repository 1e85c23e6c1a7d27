"""The commands of a remedy in a shell: read, patched as printed and written back, with a stand-in for `aws`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scanner.analyze.edits.whatif import is_managed, plain_name
from scanner.contents import checked_snapshot
from scanner.snapshot.view import Assumptions, load_world

import patches

AWS = """#!{python}
import json, sys
words = dict(zip(sys.argv, sys.argv[1:]))
place = next(words[name] for name in ("--key-id", "--policy-arn", "--role-name") if name in words)
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


@pytest.fixture(scope="module")
def texts(demo_run) -> dict[str, str]:
    """Every policy of the demo by what the AWS CLI finds it with."""
    with checked_snapshot(demo_run.directory / "snapshot.sqlite") as connection:
        world = load_world(connection, Assumptions("2026-11-22"))
    found = {arn: k.key_policy.text for arn, k in world.keys.items() if k.key_policy}
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


def test_every_patch_of_the_demo_applies_to_what_its_own_commands_read(demo_run, texts, tmp_path: Path) -> None:
    patched = [f for f in demo_run.findings() if f["remediation"]["diff"]]
    assert {f["kind"] for f in patched} >= {"external_access", "assumed_role_path"}
    for finding in patched:
        folder = tmp_path / finding["id"]
        folder.mkdir()
        was, written = run(finding["remediation"], texts, folder)
        assert written != was, finding["id"]
        assert written["Version"] == was["Version"]
        assert written["Statement"]
