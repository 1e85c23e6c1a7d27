"""An organization whose every name attacks the reader, through every command and into every file it can reach."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from scanner.cli import main
from scanner.model.neutral import terminal_safe
from scanner.report.diagnostic import safe

import hostile
from builders import MEMBER, STRANGER, allow, iam, policy

JOINED = {
    "markup": " ".join(
        hostile.CORPUS[name]
        for name in (
            "element", "attribute", "attribute in single quotes", "end of everything", "style", "picture", "template",
        )
    ),
    "hidden": "x" + "".join(
        hostile.CORPUS[name] for name in ("escape sequences", "directions", "invisible", "controls", "lone surrogates")
    ),
    "markdown": hostile.CORPUS["markdown"] + hostile.CORPUS["markdown block"] + hostile.CORPUS["markdown markup"],
    "lines": hostile.CORPUS["lines"],
    "formula": hostile.CORPUS["formula"],
    "formula, full-width": hostile.CORPUS["formula, full-width equals"],
    "formula behind a return": hostile.CORPUS["formula behind a return"],
    "long": hostile.CORPUS["long"],
}  # fmt: skip
OLD, NEW = "2026-11-21T0000Z-aaaa", "2026-11-22T0000Z-bbbb"

Outputs = dict[str, str]


@pytest.fixture
def outputs(tmp_path, monkeypatch, capsys) -> Callable[[str, str], Outputs]:
    """Everything that is written and printed about an organization with this text in every field."""
    monkeypatch.chdir(tmp_path)
    talk: list[str] = []

    def kms_scan(*argv: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(list(argv))
        captured = capsys.readouterr()
        assert ended.value.code in {0, 3, 4}, captured.err[:2000]
        talk.append(captured.err)
        return captured.out

    def produce(text: str, dialect: str) -> Outputs:
        monkeypatch.setenv("KMS_SCAN_OUTPUT_CSV_DIALECT", dialect)
        folder = tmp_path / "kms-scan-out"
        key = ("--key", hostile.KEY)
        role = iam(MEMBER, f"role/{hostile.principal_name(text)}")
        found: Outputs = {}
        for name, wider in ((OLD, False), (NEW, True)):
            hostile.write_hostile_snapshot(folder / name / "snapshot.sqlite", text, wider=wider)
            found[f"printed by analyze of {name}"] = kms_scan("analyze", str(folder / name), "--baseline", "latest")
            found[f"printed by report of {name}"] = kms_scan(
                "report", str(folder / name), "-f", "html,csv,json,ocsf,asff,sarif"
            )
        (tmp_path / "new.json").write_text(json.dumps(policy(allow(iam(STRANGER, "root"), "kms:*", Sid=text))))
        found["printed by explain"] = kms_scan("explain", NEW, *key, "--principal", role)
        found["printed by explain in sentences"] = kms_scan("explain", NEW, *key, "--principal", role, "--plain")
        found["json of explain"] = kms_scan("explain", NEW, *key, "--principal", role, "--json")
        found["printed by who-can"] = kms_scan("who-can", NEW, *key, "--insiders")
        found["json of who-can"] = kms_scan("who-can", NEW, *key, "--json")
        found["printed by what-if"] = kms_scan("what-if", NEW, "--key-policy", f"{hostile.KEY}=new.json")
        found["printed by diff"] = kms_scan("diff", OLD, NEW)
        found["markdown of diff"] = kms_scan("diff", OLD, NEW, "--format", "md")
        found["json of diff"] = kms_scan("diff", OLD, NEW, "--json")
        found["printed by verify"] = kms_scan("verify", NEW)
        found["printed on standard error"] = "".join(talk)
        for path in (folder / NEW).rglob("*"):
            if path.is_file() and path.suffix != ".sqlite":
                found[path.relative_to(folder / NEW).as_posix()] = path.read_bytes().decode()
        return found

    return produce


def check(outputs: Outputs, dialect: str) -> None:
    """Every output against what it may not hold."""
    for name, text in outputs.items():
        if name.startswith("printed"):
            hostile.check_terminal(text)
        elif name.startswith("policies/"):
            hostile.check_policy_name(name)
            json.loads(text)
        elif name.endswith(".sarif"):
            hostile.check_sarif(text)
        elif name.startswith("json") or name.endswith(".json"):
            hostile.check_json(text)
        elif name.startswith("markdown") or name.endswith(".md"):
            hostile.check_markdown(text)
        elif name.endswith(".jsonl"):
            for line in text.removesuffix("\n").split("\n"):
                hostile.check_json(line)
        elif name.endswith(".graphml"):
            hostile.check_graph(text)
        elif name.endswith(".csv"):
            hostile.check_table(text.encode(), dialect)
        else:
            assert name == "report.html"
            hostile.check_page(text)


@pytest.mark.parametrize("dialect", ["excel", "rfc4180"])
@pytest.mark.parametrize("text", JOINED.values(), ids=JOINED)
def test_hostile_names_stay_text_in_every_output(outputs, text, dialect) -> None:
    made = outputs(text, dialect)
    tables = {"findings.csv", "access.csv", "keys.csv", "coverage.csv"}
    others = {
        "report.html", "summary.md", "graph.json", "graph.graphml", "findings.ocsf.json", "findings.asff.json",
        "findings.sarif",
    }  # fmt: skip
    assert {*others, *tables} <= set(made)
    assert all(made.values())
    copies = {name for name in made if name.startswith("policies/")}
    assert copies
    assert copies == hostile.artifacts(made["findings.sarif"])
    check(made, dialect)
    assert json.dumps(text[:8])[1:-1] in made["findings.json"]


REACHED = {
    "printed by explain", "printed by explain in sentences", "printed by who-can", "printed by what-if",
    "printed by diff", "markdown of diff", "report.html", "summary.md", "findings.csv", "keys.csv", "access.csv",
    "coverage.csv", "graph.graphml", f"printed by report of {NEW}",
}  # fmt: skip


def fails(name: str, text: str) -> bool:
    try:
        check({name: text}, "excel")
    except AssertionError:
        return True
    return False


def test_without_the_one_function_that_shows_what_hides_every_output_fails_its_check(outputs, monkeypatch) -> None:
    hostile.without(monkeypatch, terminal_safe, lambda text: text)
    made = outputs(hostile.CORPUS["escape sequences"] + hostile.CORPUS["directions"], "excel")
    assert {name for name, text in made.items() if fails(name, text)} >= REACHED


def test_without_the_one_function_that_cuts_and_shows_for_terminals_answers_fail_their_check(
    outputs, monkeypatch
) -> None:
    hostile.without(monkeypatch, safe, lambda text, limit=0: text)
    made = outputs(hostile.CORPUS["escape sequences"] + hostile.CORPUS["lines"], "excel")
    failing = {name for name, text in made.items() if fails(name, text)}
    assert failing >= {name for name in REACHED if name.startswith("printed by") and "report of" not in name}
