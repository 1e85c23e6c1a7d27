"""`kms-scan what-if`: what it prints, what it refuses, its exit codes, and that it writes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from scanner.analyze.edits import insiders
from scanner.cli import main

from builders import MEMBER, STRANGER, allow, iam, policy
from small_snapshot import CARD_POLICY, CARDS, GRANT, MANAGED, OWN, READER, write_snapshot

STRANGER_ROOT = iam(STRANGER, "root")


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Call the command in an empty folder; documents are written beside it. Returns (exit code, stdout, stderr)."""
    snapshot = write_snapshot(tmp_path / "out" / "run" / "snapshot.sqlite")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def call(*words: str, run: str = str(snapshot), **documents: Any) -> tuple[int, str, str]:
        for name, document in documents.items():
            written = document if isinstance(document, str) else json.dumps(document, indent=2)
            (here / f"{name}.json").write_text(written, encoding="utf-8")
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        with pytest.raises(SystemExit) as ended:
            main(["what-if", run, *words, "-q"])
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return int(str(ended.value.code)), printed.out, printed.err

    return call


def test_same_policy_makes_no_difference(ask: Any) -> None:
    code, out, err = ask("--key-policy", "alias/cards=same.json", "--fail-on-widened", same=CARD_POLICY)
    assert (code, err) == (0, "")
    assert "what if  key policy of arn:" in out
    assert ", the same as was collected\ncompared 1 key; no difference" in out
    assert "= 5 accesses from outside unchanged" in out
    assert "= everybody inside the keys' own accounts keeps what they have" in out


def test_lost_access_is_told_with_the_finding_that_goes(ask: Any) -> None:
    new = policy(OWN, allow(iam(MEMBER, "root"), "kms:Decrypt", "kms:DescribeKey"))
    code, out, _ = ask("--key-policy", "alias/cards=new.json", "--fail-on-widened", new=new)
    assert code == 0
    assert "- lost          any principal of 999988887777 (unknown): decrypt, metadata with alias/cards" in out
    assert "as was collected" not in out
    assert "= role/admin, root can still change the policy of alias/cards" in out
    assert "1 finding would change" in out
    assert "  critical confirmed -> none  Any principal of an unknown account 999988887777 can decrypt" in out


def test_exit_code_is_3_only_where_access_grows_and_it_was_asked_for(ask: Any) -> None:
    wide = policy(*CARD_POLICY["Statement"], allow(iam(STRANGER, "role/x"), "kms:CreateGrant"))
    words = ("--key-policy", f"{CARDS}=wide.json")
    assert ask(*words, wide=wide)[0] == 0
    code, out, _ = ask(*words, "--fail-on-widened", wide=wide)
    assert code == 3
    assert f"+ gained        role/x of {STRANGER} (unknown): delegate with alias/cards" in out
    narrow = ("--revoke", GRANT, "--fail-on-widened")
    assert ask(*narrow)[0] == 0


def test_every_kind_of_document_can_be_replaced(ask: Any) -> None:
    nothing = policy(allow(None, "kms:ListKeys"))
    trust = policy({"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "sts:AssumeRole"})
    code, out, _ = ask(
        "--identity-policy", f"{MANAGED}=nothing.json", "--identity-policy", f"{READER}=nothing.json",
        "--trust-policy", f"{READER}=trust.json", "--scp", "FullAWSAccess=nothing.json", "--revoke", GRANT,
        nothing=nothing, trust=trust,
    )  # fmt: skip
    assert code == 0
    heads = [line for line in out.splitlines() if line.startswith("what if  ")]
    assert heads == [
        f"what if  identity policy {MANAGED}",
        f"what if  identity policy {READER}/read",
        f"what if  trust policy of {READER}",
        "what if  SCP FullAWSAccess (p-full), attached 3 times",
        f"what if  grant {GRANT} of {CARDS} revoked",
    ]
    assert "compared 2 keys" in out
    assert "- lost          role/admin of cards (111122223333)" in out


def test_json_is_one_object_per_difference_with_its_findings(ask: Any) -> None:
    new = policy(OWN | {"Action": ["kms:PutKeyPolicy", "kms:Decrypt"]}, allow(iam(MEMBER, "root"), "kms:Decrypt"))
    code, out, err = ask("--key-policy", f"{CARDS}=new.json", "--json", new=new)
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    lost = next(line for line in lines if line["grantee"]["selector"] == STRANGER_ROOT)
    assert (lost["change"], lost["old_verdict"], lost["new_verdict"]) == ("lost", "confirmed", None)
    assert lost["findings"][0]["before"] == {"severity": "critical", "verdict": "confirmed"}
    assert lost["findings"][0]["after"] is None
    assert {line["kind"] for line in lines} == {"external_access", "own_account_access", "assumed_role_path"}
    path = next(line for line in lines if line["kind"] == "assumed_role_path")
    assert (path["change"], path["why"].startswith("less is possible with 1 key: ")) == ("narrowed", True)
    assert all(line["schema_version"] == 1 for line in lines)


def test_lockout_is_warned_about_in_text_and_json(ask: Any) -> None:
    locked = policy(allow(iam(MEMBER, "root"), "kms:*"))
    words = ("--key-policy", f"{CARDS}=locked.json")
    assert "! nobody could change the policy of alias/cards" in ask(*words, locked=locked)[1]
    code, out, err = ask(*words, "--json", locked=locked)
    assert code == 0
    assert "warning: nobody could change the policy of alias/cards" in err
    assert all(json.loads(line) for line in out.splitlines())


def test_insiders_that_are_too_many_are_said(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insiders, "MOST_INSIDERS", 0)
    _, out, _ = ask("--key-policy", f"{CARDS}=other.json", other=policy(OWN))
    assert "! principals inside the keys' own accounts are too many and were not compared" in out
    assert "keeps what they have" not in out


def test_target_may_hold_an_equals_sign(ask: Any) -> None:
    code, _, err = ask("--trust-policy", "arn:aws:iam::111122223333:role/a=b=new.json", new=CARD_POLICY)
    assert code == 2
    assert "there is no role `arn:aws:iam::111122223333:role/a=b`" in err


BAD: list[tuple[tuple[str, ...], str]] = [
    ((), "there is nothing to replace"),
    (("--key-policy", "alias/cards"), "`--key-policy alias/cards` is no TARGET=FILE"),
    (("--scp", "=x.json"), "`--scp =x.json` is no TARGET=FILE"),
    (("--scp", "p-1="), "is no TARGET=FILE"),
    (("--key-policy", "alias/cards=gone.json"), "`gone.json` cannot be read: no such file"),
    (("--key-policy", "alias/cards=."), "`.` cannot be read: is a directory"),
    (("--key-policy", "alias/card=same.json"), "there is no key `alias/card` in this run"),
    (("--key-policy", "alias/shared=same.json"), "`alias/shared` fits 2 keys"),
    (("--key-policy", "alias/cards=broken.json"), "broken.json:2: not JSON"),
    (("--key-policy", "alias/cards=empty.json"), "empty.json:1: the policy holds no statement"),
    (("--revoke", "nothing"), "there is no grant `nothing` in this run"),
    (("--trust-policy", f"{READER}s=same.json"), f"did you mean `{READER}`?"),
    (("--rcp", "p-1=same.json"), "there is no RCP `p-1` in this run"),
]


@pytest.mark.parametrize(("words", "told"), BAD)
def test_what_cannot_be_used_is_refused(ask: Any, words: tuple[str, ...], told: str) -> None:
    code, out, err = ask(*words, same=CARD_POLICY, broken="{\n x", empty=policy())
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert told in err


def test_file_that_is_no_text_or_too_large_is_refused(ask: Any) -> None:
    Path("latin.json").write_bytes(b'{\n"a": "\xe9"}')
    Path("large.json").write_bytes(b" " * 1_048_577)
    assert "latin.json:2: not UTF-8" in ask("--key-policy", f"{CARDS}=latin.json")[2]
    assert "is larger than 1,048,576 bytes" in ask("--key-policy", f"{CARDS}=large.json")[2]


def test_hostile_names_are_spelled_out(ask: Any) -> None:
    code, out, err = ask("--key-policy", "alias/\x1b[2J=same.json", same=CARD_POLICY)
    assert code == 2
    assert "\x1b" not in out + err
