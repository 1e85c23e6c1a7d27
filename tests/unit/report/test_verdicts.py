"""verdicts.jsonl: what is written is what is read, and what is no judgement of ours is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scanner.errors import SnapshotError
from scanner.model.decision import Decision, Gate, GateOutcome, Layer, Side, StatementRef, Verdict
from scanner.model.finding import AccessRow, FindingVerdict, RowAccess, RowPrincipal
from scanner.model.verdicts import (
    KeptShare,
    KeptSources,
    KeptUse,
    KeyVerdicts,
    KnownVerdicts,
    NamingUses,
    VerdictInputs,
)
from scanner.report.directory import RunDirectory
from scanner.report.verdicts import FORMAT, VERDICTS, VerdictsWriter, read_verdicts

from builders import KEY, MEMBER, OWNER, iam
from report_builders import stranger_finding

APP, ANN, BOB = iam(MEMBER, "role/App"), iam(MEMBER, "user/Ann"), iam(MEMBER, "user/Bob")
OTHER = KEY.replace("1234abcd", "4321dcba")
WHO = RowPrincipal(APP, MEMBER, "member", "role")
WHAT = RowAccess(
    "same_organization", "decrypt", ("kms:Decrypt", "kms:ReEncryptFrom"), "allowed", "both_sides_allow", "",
    "key_policy", "direct", "kx-1", "confirmed",
)  # fmt: skip
ROW = AccessRow(KEY, WHO, WHAT)
GATE = Gate(
    Layer.KEY_POLICY, Side.OWNER, GateOutcome.ALLOW, (StatementRef(KEY, "key policy", "a" * 64, 0, "S", "Allow"),)
)
DECISION = Decision(Verdict.CONDITIONAL, "residual_condition", "x is y", {"all": [{"key": "x", "values": ["y"]}]})
USE = KeptUse(
    "Decrypt", FindingVerdict.CONFIRMED, "both_sides_allow", DECISION,
    KeptSources(("key_policy",), (("a" * 64, 0),), None),
)  # fmt: skip
USES = (
    USE,
    replace(USE, sources=None, decision=replace(DECISION, gates=(GATE,), rules=("R1.1",))),
    replace(USE, action="Encrypt", sources=KeptSources(("grant",), None, ("g-1",)), verdict=FindingVerdict.POSSIBLE),
    replace(USE, decision=Decision(Verdict.ALLOWED, "both_sides_allow")),
)  # fmt: skip
TOLD = KeyVerdicts(
    KEY,
    VerdictInputs("d" * 64, (MEMBER, OWNER), (f"{OWNER}/global/sts:AssumeRole/",)),
    (replace(stranger_finding(), key=None, first_seen="", last_seen=""),),
    (
        ROW,
        ROW._replace(principal=WHO._replace(arn=ANN, kind="user")),
        ROW,
        ROW._replace(access=WHAT._replace(reason="else")),
    ),
    (ROW._replace(access=WHAT._replace(finding_id="", finding_verdict="")),),
    {"e" * 64: '{"GrantId": "g-1"}'},
    (
        NamingUses(
            "key_policy", ("Decrypt", "Encrypt"), (KeptShare((ANN, APP), USES[:3]), KeptShare((BOB,), USES[2:]))
        ),
        NamingUses("grant", ("Encrypt",), (KeptShare((APP,), USES[:1]),)),
    ),
)
NOTHING = KeyVerdicts(OTHER, VerdictInputs("f" * 64, (), ()), (), (), (), {}, ())


def written(folder: Path, *told: KeyVerdicts) -> Path:
    directory = RunDirectory.create(folder, "run")
    with VerdictsWriter(directory) as kept:
        for one in told:
            kept.write(one)
    return directory.path / VERDICTS


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    known = read_verdicts(written(tmp_path, TOLD, NOTHING))
    assert known.inputs == {KEY: TOLD.inputs, OTHER: NOTHING.inputs}
    assert known.load(KEY) == TOLD
    assert known.load(OTHER) == NOTHING
    assert read_verdicts(written(tmp_path)).inputs == {}


def test_what_is_read_is_written_as_it_was(tmp_path: Path) -> None:
    path = written(tmp_path, TOLD, NOTHING)
    content = path.read_bytes()
    read = read_verdicts(path)
    assert written(tmp_path, *filter(None, map(read.load, (KEY, OTHER)))).read_bytes() == content
    assert content.isascii()
    assert content.count(b"\n") == 5


def test_what_rows_and_uses_share_is_written_once(tmp_path: Path) -> None:
    body = json.loads(written(tmp_path, TOLD).read_text().split("\n")[2])
    assert (len(body["rows"]["who"]), len(body["rows"]["what"]), len(body["rows"]["rows"])) == (2, 2, 4)
    uses = body["uses"]
    assert [len(uses[name]) for name in ("people", "judged", "decisions", "sources")] == [3, 4, 3, 2]


def test_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path, "run")
    odd = replace(TOLD, documents={"x": object()})  # type: ignore[dict-item]
    with pytest.raises(TypeError), VerdictsWriter(directory) as kept:
        kept.write(odd)
    assert directory.files() == ()


@pytest.mark.parametrize("text", ["\x00\x1b[31m", "\u202e<script>", "=cmd()", 'a"\\\n\r'])
def test_hostile_text_comes_back_as_it_was(text: str, tmp_path: Path) -> None:
    odd = replace(
        TOLD,
        rows=(ROW._replace(access=WHAT._replace(conditions=text)),),
        findings=(replace(TOLD.findings[0], title=text),),
    )
    path = written(tmp_path, odd)
    assert path.read_bytes().count(b"\n") == 3
    assert read_verdicts(path).load(KEY) == odd


def test_lone_surrogate_comes_back_as_it_was(tmp_path: Path) -> None:
    odd = replace(TOLD, findings=(replace(TOLD.findings[0], title="\ud800"),))
    assert read_verdicts(written(tmp_path, odd)).load(KEY) == odd


# -- what is no judgement of ours -------------------------------------------------------------------------------------


def with_body(path: Path, change: Callable[[Any], object]) -> KnownVerdicts:
    form, head, body, *more = path.read_text().split("\n")
    told = json.loads(body)
    change(told)
    path.write_text("\n".join((form, head, json.dumps(told), *more)))
    return read_verdicts(path)


HARMS: dict[str, Callable[[Any], object]] = {
    "a member is missing": lambda body: body.pop("rows"),
    "a member is unknown": lambda body: body.update(more=1),
    "a place that is not there": lambda body: body["rows"]["rows"].append([0, 99]),
    "a place before the first": lambda body: body["rows"]["rows"].append([0, -1]),
    "a place that is no number": lambda body: body["uses"]["namings"][0][2][0][1].append("0"),
    "a use that is not there": lambda body: body["uses"]["namings"][0][2][0][1].append(99),
    "a decision that is not there": lambda body: body["uses"]["judged"][0].__setitem__(3, 99),
    "sources that are not there": lambda body: body["uses"]["judged"][0].__setitem__(4, 99),
    "a verdict that there is not": lambda body: body["uses"]["judged"][0].__setitem__(1, "fine"),
    "a caller that is not there": lambda body: body["uses"]["namings"][0][2][0][0].append(99),
    "a caller that is no ARN": lambda body: body["uses"]["people"].__setitem__(0, "App"),
    "uses that nobody has": lambda body: body["uses"]["namings"][0][2][0][0].clear(),
    "a finding without an id": lambda body: body["findings"][0].pop("id"),
    "a document that is none": lambda body: body["documents"].update(x=1),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_judgement_that_is_none_is_left_alone_and_no_other(
    harm: Callable[[Any], object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = with_body(written(tmp_path, TOLD, NOTHING), harm)
    assert known.load(OTHER) == NOTHING
    assert not caplog.messages
    assert known.load(KEY) is None
    assert f"key `{KEY}` is judged again" in caplog.text


def test_judgement_that_was_changed_since_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, TOLD)
    known, content = read_verdicts(path), path.read_bytes()
    assert known.load(KEY) == TOLD
    path.write_bytes(content.replace(b'"severity":"critical"', b'"severity":"info"    '))
    assert known.load(KEY) is None
    assert f"was changed since it told of `{KEY}`" in caplog.text
    path.write_bytes(content)
    assert known.load(KEY) == TOLD


def test_judgement_is_left_alone_where_the_file_has_gone(tmp_path: Path) -> None:
    known = read_verdicts(written(tmp_path, TOLD))
    (tmp_path / "run" / VERDICTS).unlink()
    assert known.load(KEY) is None


BROKEN = (
    "", "[]", "{}", "{", '{"key": 1}', "[" * 100_000, "\xff", '{"inputs":"x","key":"k","looked_at":[],"unread":[]}',
)  # fmt: skip


@pytest.mark.parametrize("head", BROKEN)
def test_file_that_tells_of_no_key_is_not_read(head: str, tmp_path: Path) -> None:
    path = written(tmp_path, TOLD)
    path.write_bytes(f'{{"format":{FORMAT}}}\n{head}\n{{}}\n'.encode("latin-1"))
    with pytest.raises(SnapshotError, match="line 2, is damaged: it tells of no key"):
        read_verdicts(path)


@pytest.mark.parametrize("form", [*BROKEN, '{"format":"1"}', '{"format":true}', '{"format":-1}', '{"format":1,"x":1}'])
def test_file_that_does_not_say_its_form_is_not_read(form: str, tmp_path: Path) -> None:
    path = written(tmp_path, TOLD)
    path.write_bytes(form.encode("latin-1") + b"\n" + path.read_bytes().split(b"\n", 1)[1])
    with pytest.raises(SnapshotError, match="line 1, is damaged: it tells of no format"):
        read_verdicts(path)


def test_file_that_was_cut_off_before_it_said_its_form_is_not_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"")
    with pytest.raises(SnapshotError, match="line 1, is damaged"):
        read_verdicts(path)


@pytest.mark.parametrize("form", [FORMAT - 1, FORMAT + 1])
def test_file_of_another_form_is_not_read(form: int, tmp_path: Path) -> None:
    path = written(tmp_path, TOLD)
    path.write_bytes(path.read_bytes().replace(f'{{"format":{FORMAT}}}'.encode(), f'{{"format":{form}}}'.encode()))
    with pytest.raises(SnapshotError, match=f"has format {form}, this version reads {FORMAT}"):
        read_verdicts(path)


def test_file_that_is_not_there_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="cannot be read: no such file"):
        read_verdicts(tmp_path / VERDICTS)
