"""`explain` and `who-can` on the demo's run: what docs/explain.md shows, agreement with the findings, and errors."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scanner import answers
from scanner.analyze.who_can import Wanted, who_can
from scanner.answers import answer_who_can
from scanner.cli import main
from scanner.config import Settings
from scanner.errors import OutputError
from scanner.model.arn import KeyArn
from scanner.plan import analysis_rules
from scanner.report import manifest
from scanner.report.who_can import dump_who_can
from scanner.worlds import world_of, world_to_ask

from builders import STRANGER
from small_snapshot import CARDS, write_snapshot

PAPER = (Path(__file__).parents[2] / "docs" / "explain.md").read_text("utf-8")
SHOWN = re.findall(
    r"^```sh\n(kms-scan (?:explain|who-can) .*?)^```\n\n```text\n(.*?)^```", PAPER, re.MULTILINE | re.DOTALL
)
ETL = "arn:aws:iam::222233334444:role/etl"


@pytest.fixture
def ask(demo_run, tmp_path, monkeypatch, capsys):
    """Put a question to the demo's run; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(command: str, *words: str, run: str = "latest") -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([command, run, *words, "-q", "-o", str(demo_run.output)])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert list(tmp_path.iterdir()) == []
        return ended.value.code, captured.out, captured.err

    return call


def without_ids(text: str) -> str:
    """The text without what AWS, or the demo's AWS, makes up anew in every run."""
    text = re.sub(r"\b(?:mrk-)?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "KEY", text)
    return re.sub(r"\b(ou-acme|p)-[0-9a-z]{8}\b", r"\1-ID", text)


# -- the paper --------------------------------------------------------------------------------------------------------


def test_paper_shows_every_situation_and_the_lists() -> None:
    assert len(SHOWN) == 10
    verdicts = [output.split(":", 1)[0] for command, output in SHOWN if command.startswith("kms-scan explain")]
    assert verdicts == ["allowed", "confirmed", "conditional", "denied", "denied", "denied", "denied"]
    reasons = ("both_sides_allow", "residual_condition", "scp_deny", "boundary", "not_cross_account")
    assert all(f"({reason}" in PAPER for reason in reasons)


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=range(len(SHOWN)))
def test_paper_shows_what_the_program_prints(ask, command: str, output: str) -> None:
    words = shlex.split(command.replace("\\\n", " "))
    assert words[2] == "latest"
    code, printed, err = ask(words[1], *words[3:])
    assert (code, err) == (0, "")
    assert without_ids(printed) == without_ids(output)


@pytest.mark.parametrize("question", ["explain", "who-can"])
def test_paper_lists_every_member_of_the_json_and_every_option(ask, question: str) -> None:
    who = ("--principal", ETL) if question == "explain" else ("--insiders",)
    code, printed, _ = ask(question, "--key", "alias/data-lake-share", *who, "--json")
    data = json.loads(printed)
    section = PAPER.split(f"\n## JSON of {question}\n", 1)[1].split("\n## ", 1)[0]
    nested = data["question"] if question == "explain" else data["access"][0]
    assert code == 0
    assert {name for name in (*data, *nested) if f"`{name}`" not in section} == set()


# -- agreement --------------------------------------------------------------------------------------------------------


def keys_of(demo_run) -> list[str]:
    return [row["key_arn"] for row in csv.DictReader(io.StringIO(demo_run.text("keys.csv")))]


def test_lists_agree_with_findings_and_access_rows_of_every_key(demo_run) -> None:
    settings = Settings()
    world = world_of(str(demo_run.directory), settings)
    findings = {f["id"]: f for f in demo_run.findings() if f["kind"] in {"external_access", "assumed_role_path"}}
    rows = list(csv.DictReader(io.StringIO(demo_run.text("access.csv"))))
    listed, behind = set(), set()
    for arn in keys_of(demo_run):
        answer = who_can(world, world.keys[KeyArn(arn)], analysis_rules(settings)[1], Wanted())
        for line in json.loads(dump_who_can(answer))["access"]:
            finding = findings[line["finding_id"]]
            listed.add(line["finding_id"])
            assert (line["selector"], line["party"]) == (finding["grantee"]["selector"], finding["grantee"]["party"])
            behind |= {(line["finding_id"], principal) for principal in line["principals"]}
            if finding["key"] is None:  # about many keys; a line is about one
                assert line["path"].split(" > ")[0] in demo_run.text("graph.json")
                continue
            assert finding["key"]["arn"] == arn
            same = [c for c in finding["capabilities"]
                    if (c["verdict"], c["condition"]) == (line["verdict"], line["condition"])]  # fmt: skip
            assert line["actions"] == [a for c in same for a in c["actions"]]
    assert listed == set(findings)
    assert behind <= {(row["finding_id"], row["principal_arn"]) for row in rows}


def test_explanations_agree_with_the_access_rows_of_principals_that_were_read(demo_run, ask) -> None:
    rows = [
        row for row in csv.DictReader(io.StringIO(demo_run.text("access.csv")))
        if row["principal_kind"] in {"role", "user"} and row["decision"] in {"allowed", "conditional", "latent"}
        and row["path"] == "direct"
    ]  # fmt: skip
    assert len(rows) > 10
    strength = ["denied", "unknown", "latent", "conditional", "allowed"]
    for row in rows[:12]:
        action = row["actions"].split("; ", 1)[0]
        words = ("--key", row["key_arn"], "--principal", row["principal_arn"], "--action", action, "--json")
        data = json.loads(ask("explain", *words)[1])
        assert strength.index(data["verdict"]) >= strength.index(row["decision"])


# -- the run ----------------------------------------------------------------------------------------------------------

QUESTION = ("--key", "alias/data-lake-share", "--principal", ETL, "--action", "Decrypt")


def test_run_is_taken_as_folder_id_or_snapshot(demo_run, ask, tmp_path_factory) -> None:
    lone = tmp_path_factory.mktemp("lone") / "copy.sqlite"
    shutil.copyfile(demo_run.directory / "snapshot.sqlite", lone)
    names = ("latest", demo_run.directory.name, str(demo_run.directory), str(lone))
    answers = {ask("explain", *QUESTION, run=name)[:2] for name in names}
    assert len(answers) == 1
    assert next(iter(answers))[0] == 0
    assert [p.name for p in lone.parent.iterdir()] == ["copy.sqlite"]


def test_missing_and_damaged_runs_end_with_2(demo_run, ask, tmp_path_factory) -> None:
    empty = tmp_path_factory.mktemp("empty")
    (empty / "text.sqlite").write_text("no snapshot")
    whole = (demo_run.directory / "snapshot.sqlite").read_bytes()
    (empty / "cut.sqlite").write_bytes(whole[: len(whole) // 2])
    for name in ("nowhere", str(empty), str(empty / "text.sqlite"), str(empty / "cut.sqlite")):
        for command, words in (("explain", QUESTION), ("who-can", QUESTION[:2])):
            code, out, err = ask(command, *words, run=name)
            assert (code, out) == (2, "")
            assert err.startswith("error: ")


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        ("explain", ("--key", "alias/data-lake-shar", "--principal", ETL), "did you mean `alias/data-lake-share`"),
        ("explain", ("--key", "alias/global-tokens", "--principal", ETL), "fits 2 keys: arn:aws:kms:eu-west-1:"),
        ("explain", (*QUESTION[:2], "--principal", "etl"), "`etl` is no principal"),
        ("explain", (*QUESTION[:2], "--principal", "\x1b[2J\nx"), r"`\x1b[2J\x0ax` is no principal"),
        ("explain", (*QUESTION, "--context", "aws:SourceVpce"), "is no KEY=VALUE"),
        ("explain", (*QUESTION, "--context", "aws:PrincipalAccount=1"), "is known to be `222233334444` here"),
        ("explain", QUESTION[:2], "Missing option '--principal'"),
        ("explain", (*QUESTION[:4], "--action", "kms:*"), "`kms:*` is no KMS action"),
        ("who-can", ("--key", "alias/global-tokens"), "fits 2 keys: arn:aws:kms:eu-west-1:"),
        ("who-can", (*QUESTION[:2], "--verdict", "sure"), "`sure` is no verdict of a finding"),
        ("who-can", (*QUESTION[:2], "--limit", "0"), "--limit"),
        ("who-can", (*QUESTION[:2], "--action", "Frob"), "so who can do it is unknown"),
    ],
)
def test_questions_that_make_no_sense_end_with_2(ask, command: str, words: tuple[str, ...], message: str) -> None:
    code, out, err = ask(command, *words)
    assert (code, out) == (2, "")
    assert message in err


def test_time_of_the_question_can_be_set(ask) -> None:
    words = ("--key", "alias/audit-2023", "--principal", "999988887777", "--action", "Decrypt")
    assert ask("explain", *words)[1].startswith("denied: ")
    assert ask("explain", *words, "--as-of", "2023-06-01T00:00:00Z")[1].startswith("confirmed: ")


@pytest.mark.parametrize("words", [("explain", "latest", *QUESTION), ("analyze", "latest")], ids=["explain", "analyze"])
def test_questions_and_analysis_load_neither_boto3_nor_what_reports_are_rendered_with(
    words: tuple[str, ...], demo_run, tmp_path
) -> None:
    program = (
        "import sys; from scanner.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ended: assert ended.code in {0, 3}, ended.code\n"
        "assert not {'boto3', 'botocore', 'pandas', 'jinja2', 'moto'} & set(sys.modules)"
    )
    found = str(demo_run.directory) if words[0] == "analyze" else words[1]
    where = str(tmp_path / "judged") if words[0] == "analyze" else str(demo_run.output)
    command = [sys.executable, "-c", program, words[0], found, *words[2:], "-o", where]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "command", ["run", "collect", "analyze", "report", "explain", "who-can", "what-if", "diff", "merge", "preflight"]
)
def test_help_of_a_command_loads_neither_the_analysis_nor_what_reads_configurations(command: str) -> None:
    program = (
        "import sys; from scanner.cli import main\n"
        "try: main([sys.argv[1], '--help'])\n"
        "except SystemExit as ended: assert ended.code == 0\n"
        "assert not {'boto3', 'pandas', 'pydantic', 'scanner.pipeline', 'scanner.analyze.findings'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_question_is_judged_with_what_the_run_records_unless_a_configuration_is_given(
    tmp_path, monkeypatch, capsys
) -> None:
    """The partner that the run approved is no stranger to a question either, and stderr says why."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "kms-scan-out" / "2026-11-22T0000Z-bbbb"
    write_snapshot(folder / "snapshot.sqlite")
    approved = {
        "id": STRANGER, "name": "Backup Ltd", "purpose": "backup", "owner": "me", "expires": "2027-03-01",
    }  # fmt: skip
    given = tmp_path / "approving.yaml"
    given.write_text(json.dumps({"version": 1, "aws": {"member_role": "R"}, "trust": {"accounts": [approved]}}))
    empty = tmp_path / "empty.yaml"
    empty.write_text(json.dumps({"version": 1, "aws": {"member_role": "R"}}))

    def call(*words: str) -> tuple[str, str]:
        with pytest.raises(SystemExit):
            main(list(words))
        captured = capsys.readouterr()
        return captured.out, captured.err

    call("analyze", str(folder), "-c", str(given))
    given.unlink()
    question = ("who-can", str(folder), "--key", CARDS, "--json")
    out, err = call(*question)
    assert "approved_partner" in out
    assert f"judged with the configuration that run `{folder.name}` records" in err
    out, err = call(*question, "-c", str(empty))
    assert "approved_partner" not in out
    assert f"judged with the configuration of `{empty}`" in err
    out, err = call("who-can", str(folder / "snapshot.sqlite"), "--key", CARDS, "--json")
    assert "approved_partner" not in out
    assert "by default" in err


# -- answers of a run -------------------------------------------------------------------------------------------------


@pytest.fixture
def judged_now(monkeypatch):
    """The keys that are judged for an answer, and not taken from what the run says."""
    judged: list[str] = []

    def noting(world, key, rules, wanted):
        judged.append(str(key.arn))
        return who_can(world, key, rules, wanted)

    monkeypatch.setattr(answers, "who_can", noting)
    return judged


def test_run_answers_what_is_judged_of_every_key(demo_run, judged_now) -> None:
    settings = Settings()
    rules = analysis_rules(settings)[1]
    world = world_of(str(demo_run.directory), settings)
    arns = [row["key_arn"] for row in csv.DictReader(io.StringIO(demo_run.text("keys.csv"))) if row["manager"] != "AWS"]
    lines = 0
    for arn in arns:
        for wanted in (Wanted(), Wanted(action="kms:CreateGrant", limit=1)):
            answer = answer_who_can(str(demo_run.directory), settings, arn, wanted)
            assert answer == who_can(world, world.keys[KeyArn(arn)], rules, wanted)
            lines += answer.total
    assert judged_now == []
    assert len(arns) > 20
    assert lines > 60


@pytest.fixture
def small_run(tmp_path, monkeypatch):
    """A small run that was judged, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "kms-scan-out" / "2026-11-22T0000Z-bbbb"
    write_snapshot(folder / "snapshot.sqlite")
    with pytest.raises(SystemExit):
        main(["analyze", str(folder), "-q"])
    return folder


def asked(folder: Path, capsys, *words: str) -> tuple[str, str]:
    """What `who-can` prints, and what it says on stderr."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["who-can", str(folder), "--key", CARDS, "--json", *words])
    assert ended.value.code == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


@pytest.mark.parametrize("words", [
    ("--as-of", "2026-12-24T00:00:00Z"), ("--insiders",), ("-c", "other.yaml"),
], ids=" ".join)  # fmt: skip
def test_run_does_not_answer_what_it_was_not_asked(words, small_run, judged_now, capsys, tmp_path) -> None:
    other = {"version": 1, "aws": {"member_role": "R"}, "analysis": {"max_role_hops": 2}}
    (tmp_path / "other.yaml").write_text(json.dumps(other))
    _, err = asked(small_run, capsys, *words)
    assert judged_now == [CARDS]
    assert "judged again" not in err


def test_run_answers_with_the_same_configuration_wherever_it_stands(small_run, judged_now, capsys, tmp_path) -> None:
    vendors = [tmp_path / name for name in ("one.yaml", "two.yaml")]
    for listed in vendors:
        listed.write_text(json.dumps([{"name": "Backup Ltd", "accounts": [STRANGER]}]))
        given = {"version": 1, "aws": {"member_role": "R"}, "trust": {"known_vendors": str(listed)}}
        (tmp_path / f"config-{listed.name}").write_text(json.dumps(given))
    with pytest.raises(SystemExit):
        main(["analyze", str(small_run), "-q", "-c", "config-one.yaml", "-o", "named"])
    (folder,) = (tmp_path / "named").iterdir()
    told, _ = asked(folder, capsys, "-c", "config-two.yaml")
    assert judged_now == []
    assert "Backup Ltd" in told
    vendors[1].write_text(json.dumps([{"name": "Other Ltd", "accounts": [STRANGER]}]))
    told, _ = asked(folder, capsys, "-c", "config-two.yaml")
    assert judged_now == [CARDS]
    assert "Other Ltd" in told


def test_run_that_listed_insiders_answers_about_them(small_run, judged_now, capsys, tmp_path) -> None:
    given = {"version": 1, "aws": {"member_role": "R"}, "analysis": {"insiders": True}}
    (tmp_path / "insiders.yaml").write_text(json.dumps(given))
    with pytest.raises(SystemExit):
        main(["analyze", str(small_run), "-q", "-c", "insiders.yaml", "-o", "inside"])
    (folder,) = (tmp_path / "inside").iterdir()
    told, _ = asked(folder, capsys, "--insiders")
    assert judged_now == []
    alone, _ = asked(folder / "snapshot.sqlite", capsys, "--insiders", "-c", "insiders.yaml")
    assert judged_now == [CARDS]
    assert told == alone
    assert '"own_account"' in told


def unlisted(folder: Path, name: str) -> None:
    fields = json.loads((folder / "manifest.json").read_text())
    del fields["files"][name]
    (folder / "manifest.json").write_text(json.dumps(fields))


def unlink(folder: Path, name: str) -> None:
    (folder / name).unlink()


def edited(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    assert content.replace(b"confirmed", b"blocked!!") != content or name == "places.jsonl"
    (folder / name).write_bytes(content.replace(b"confirmed", b"blocked!!") + b"\n" * (name == "places.jsonl"))


def of_other_code(folder: Path, name: str) -> None:
    del name
    fields = json.loads((folder / "manifest.json").read_text())
    fields["judged"]["judging_code"] = "0" * 64
    (folder / "manifest.json").write_text(json.dumps(fields))


@pytest.mark.parametrize(("harm", "name", "said"), [
    (unlisted, "places.jsonl", "that its manifest names"), (unlink, "places.jsonl", "that its manifest names"),
    (unlink, "verdicts.jsonl", "cannot be read"), (unlink, "paths.jsonl", "cannot be read"),
    (edited, "places.jsonl", "is not the file that `manifest.json` names"),
    (edited, "verdicts.jsonl", "was changed since it told of"), (edited, "paths.jsonl", "does not tell of"),
    (of_other_code, "", "was judged by other code"),
])  # fmt: skip
def test_answer_of_a_run_that_is_not_surely_its_own_is_judged_again(
    harm, said: str, name: str, small_run, judged_now, capsys
) -> None:
    before, _ = asked(small_run, capsys)
    assert judged_now == []
    harm(small_run, name)
    after, err = asked(small_run, capsys)
    assert judged_now == [CARDS]
    assert after == before
    assert "the key is judged again: " in err
    assert said in err


def test_run_is_not_asked_for_a_key_that_it_has_not_judged(small_run, judged_now, capsys, tmp_path) -> None:
    given = {"version": 1, "aws": {"member_role": "R"}, "keys": {"managers": ["aws"]}}
    (tmp_path / "managed.yaml").write_text(json.dumps(given))
    with pytest.raises(SystemExit):
        main(["analyze", str(small_run), "-q", "-c", "managed.yaml", "-o", "managed"])
    (folder,) = (tmp_path / "managed").iterdir()
    asked(folder, capsys)
    assert judged_now == [CARDS]


def test_report_does_not_vouch_for_files_that_it_has_not_made(small_run, capsys) -> None:
    for name in ("verdicts.jsonl", "paths.jsonl", "places.jsonl", "access.csv", "graph.json"):
        content = (small_run / name).read_bytes()
        (small_run / name).write_bytes(content + b"{}\n")
        with pytest.raises(SystemExit) as ended:
            main(["report", str(small_run), "-q"])
        assert ended.value.code == 2
        assert f"{name}` is damaged" in capsys.readouterr().err
        (small_run / name).write_bytes(content)


def test_run_whose_manifest_does_not_name_its_snapshot_does_not_answer(small_run, judged_now, capsys) -> None:
    unlisted(small_run, "snapshot.sqlite")
    _, err = asked(small_run, capsys)
    assert judged_now == [CARDS]
    assert "has no snapshot.sqlite that its manifest names" in err


def test_file_that_cannot_be_read_is_done_without(small_run, judged_now, capsys, monkeypatch) -> None:
    def refused(path: Path) -> dict[str, object]:
        if path.name == "places.jsonl":
            raise OutputError(f"`{path}` cannot be read back: permission denied")
        return measured(path)

    measured = manifest._measured  # root may read every file, so the refusal is made up
    monkeypatch.setattr(manifest, "_measured", refused)
    _, err = asked(small_run, capsys)
    assert judged_now == [CARDS]
    assert "the key is judged again: " in err
    assert "permission denied" in err


def test_run_that_is_latest_when_it_is_asked_answers_alone(small_run, judged_now, capsys, monkeypatch) -> None:
    latest, other = small_run.parent / "latest", small_run.parent / "2026-11-23T0000Z-cccc"
    shutil.copytree(small_run, other)
    latest.symlink_to(small_run.name)
    asked_of: list[str] = []

    def moving(name, *rest):
        latest.unlink()
        latest.symlink_to(other.name)
        asked_of.append(name)
        return world_to_ask(name, *rest)

    monkeypatch.setattr(answers, "world_to_ask", moving)
    unlisted(other, "places.jsonl")
    asked(latest, capsys)
    assert asked_of == [str(small_run)]
    assert judged_now == []
