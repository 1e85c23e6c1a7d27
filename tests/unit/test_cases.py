"""Case files: what is refused and where, what cannot be judged, and the exit code of `kms-scan test`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from scanner.casefile import CaseFormatError, build_world
from scanner.cases import read_case_file, run_case
from scanner.cli import group, main
from scanner.errors import UsageError
from scanner.model.decision import Verdict

from small_snapshot import ADMIN, CARDS, LOGS, READER, write_snapshot

OWNER, CALLER = "111122223333", "012345670123"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = f"arn:aws:iam::{CALLER}:role/App"
Json = dict[str, Any]


def policy(**statement: Any) -> Json:
    """A document with one Allow for Decrypt."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", **statement}],
    }


def world(**parts: Any) -> Json:
    """A key that names an account, and a role there with the permission."""
    return {
        "keys": [{"arn": KEY, "key_policy": policy(Principal={"AWS": CALLER})}],
        "principals": [{"arn": ROLE, "identity_policies": [policy()]}],
        **parts,
    }


def ask(expect: str = "allowed", **parts: Any) -> Json:
    """A request of a case."""
    return {"principal": ROLE, "action": "kms:Decrypt", "resource": KEY, "expect": expect, **parts}


def case(*requests: Json, **parts: Any) -> Json:
    """A case with the world above."""
    return {"id": "one", "title": "t", "world": world(), "requests": list(requests or (ask(),)), **parts}


def write(folder: Path, content: object, name: str = "cases.json") -> Path:
    """The file, as JSON unless it is text already."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `kms-scan test`."""
    with pytest.raises(SystemExit) as ended:
        main(["test", *map(str, arguments)])
    printed = capsys.readouterr()
    return int(str(ended.value.code)), printed.out, printed.err


# -- files that cannot be used ----------------------------------------------------------------------------------------

BAD_FILES: list[tuple[str, object, str]] = [
    ("cases.json", "[{]", "cases.json:1: not JSON"),
    ("cases.json", '[\n{"id": "one",\n}]', "cases.json:3: not JSON"),
    ("cases.json", "", "cases.json:1: not JSON"),
    ("cases.json", "[" * 200_000, "not JSON: nested too deeply"),
    ("cases.json", {"id": "one"}, "a case file is a list of cases"),
    ("cases.json", ["one"], "a case file is a list of cases"),
    ("cases.yaml", "- id: one\n  id: two\n", "cases.yaml:2:"),
    ("cases.yaml", "- &a id: one\n- *a\n", "cases.yaml:"),
    ("cases.yaml", "- [unclosed\n", "cases.yaml:"),
    ("cases.yml", "just text\n", "a case file is a list of cases"),
    ("cases.json", [], "the files hold no cases"),
    ("cases.json", [{"requests": [ask()], "world": world()}], "a case needs an `id` and `requests`"),
    ("cases.json", [case() | {"requests": []}], "a case needs an `id` and `requests`"),
    ("cases.json", [case() | {"requests": ask()}], "a case needs an `id` and `requests`"),
    ("cases.json", [case(snapshot="s.sqlite")], "cases.json:1: case `one`: has a `world` and a `snapshot`"),
    ("cases.json", [{"id": "one", "snapshot": 5, "requests": [ask()]}], "cases.json:1: case `one`: `snapshot` is no"),
    (
        "cases.yaml",
        "\n- id: one\n  snapshot: gone\n  requests: [1]\n",
        "cases.yaml:2: case `one`: there is no snapshot",
    ),
    ("cases.json", [{"id": "one", "requests": [ask()]}], "case `one` has no `world`"),
    ("cases.json", [case() | {"world": "w"}], "case `one` has no `world`"),
    ("cases.json", [case() | {"world": {"keys": [{"key_policy": {}}]}}], "KeyError 'arn'"),
    ("cases.json", [case() | {"world": {"keys": [{"arn": KEY}]}}], "KeyError 'key_policy'"),
    ("cases.json", [case() | {"world": {"keys": [{"arn": "mine", "key_policy": {}}]}}], "`mine` is no key ARN"),
    ("cases.json", [case() | {"world": {"principals": [{"arn": "me"}]}}], "`me` is no ARN of a principal"),
    (
        "cases.json",
        [case() | {"world": {"principals": [{"arn": f"arn:aws:iam::{OWNER}:group/x"}]}}],
        "KeyError 'group'",
    ),
    ("cases.json", [case() | {"world": world(unread=["moon"])}], "`moon` in `unread` is neither"),
    ("cases.json", [case() | {"world": world(unread=[{"key": KEY}])}], "KeyError 'part'"),
    (
        "cases.json",
        [case() | {"world": world(accounts={OWNER: {"collected": "perhaps"}})}],
        "`perhaps` is neither true nor false",
    ),
    ("cases.json", [case() | {"world": world(orgs=[{"id": "o-1"}])}], "KeyError 'root'"),
    (
        "cases.json",
        [case() | {"world": {"keys": [{"arn": KEY, "key_polcy": {}}]}}],
        "`world.keys.0.key_polcy` is no member of a key (did you mean `key_policy`?)",
    ),
    (
        "cases.json",
        [case() | {"world": world(accounts={OWNER: {"colected": True}})}],
        f"`world.accounts.{OWNER}.colected` is no member of an account (did you mean `collected`?)",
    ),
    ("cases.json", [case() | {"titel": "x"}], "titel` is no member of a case (did you mean `title`?)"),
    ("cases.json", [case() | {"world": world(keys=5)}], "the world has not the documented form"),
    ("cases.json", [case() | {"world": world(accounts=[])}], "the world has not the documented form"),
]


@pytest.mark.parametrize(("name", "content", "told"), BAD_FILES)
def test_bad_file_is_refused_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: object, told: str
) -> None:
    code, out, err = run(capsys, write(tmp_path, content, name))
    assert (code, out) == (2, "")
    assert told in err
    assert err.startswith("error: ")
    assert "Traceback" not in err


def test_missing_or_unreadable_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, tmp_path / "none.json")
    assert code == 2
    assert "none.json` cannot be read: No such file" in err
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    assert run(capsys, binary)[0] == 2
    assert run(capsys, tmp_path)[0] == 2
    assert run(capsys)[0] == 2


def test_refused_file_stops_before_anything_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = write(tmp_path, [case(ask("denied"))]), write(tmp_path, "[", "bad.json")
    code, out, _ = run(capsys, good, bad, "--json")
    assert (code, out) == (2, "")


def test_hostile_text_in_a_case_is_spelled_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = run(capsys, write(tmp_path, [case(ask("denied"), id="\x1b[2Jx\u202e")]))
    assert "\x1b" not in out + err
    assert "\\x1b[2Jx\\u202e" in out


# -- requests that cannot be judged -----------------------------------------------------------------------------------

BAD_REQUESTS: list[tuple[Any, str]] = [
    (ask(principal="nobody"), "`nobody` is no principal"),
    (ask(principal=f"arn:aws:iam::{CALLER}:group/x"), "is no principal that can call KMS"),
    (ask(resource=KEY[:-1] + "0"), "is not in the world"),
    (ask(resource=f"arn:aws:kms:eu-west-1:{OWNER}:alias/x"), "no key of the world has the alias"),
    (ask(action="sts:AssumeRole", resource=f"arn:aws:iam::{OWNER}:role/x"), "is not in the world"),
    ({"principal": ROLE, "resource": KEY, "expect": "denied"}, "KeyError 'action'"),
    ({"action": "kms:Decrypt", "resource": KEY, "expect": "denied"}, "KeyError 'principal'"),
    (ask(contxt={}), "`requests.0.contxt` is no member of a request (did you mean `context`?)"),
    (ask("maybe"), "`expect` is `maybe`, must be one of denied, unknown, latent, conditional, allowed"),
    ({"principal": ROLE, "action": "kms:Decrypt", "resource": KEY}, "`expect` is ``"),
    (ask(context=["x"]), "AttributeError"),
    (ask(context_complete="perhaps"), "`perhaps` is neither true nor false"),
    (ask(action="kms:CreateGrant", grant_request={}), "KeyError 'operations'"),
    ("request", "`expect` is ``"),
    (None, "`expect` is ``"),
]


@pytest.mark.parametrize(("request_", "told"), BAD_REQUESTS)
def test_request_that_cannot_be_judged_says_why_and_the_others_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], request_: Any, told: str
) -> None:
    path = write(tmp_path, [case(request_, ask())])
    code, out, _ = run(capsys, path, "--json")
    first, second = map(json.loads, out.splitlines())
    assert code == 2
    assert (first["got"], first["index"]) == (None, 0)
    assert told in first["reason"]
    assert (second["got"], second["index"]) == ("allowed", 1)
    code, out, _ = run(capsys, path)
    assert code == 2
    assert "1 passed, 0 failed, 1 could not be judged" in out


# -- exit codes and output --------------------------------------------------------------------------------------------


def test_exit_code_is_0_when_all_hold_and_3_when_some_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = write(tmp_path, [case(ask(), ask("denied", action="kms:Encrypt"))])
    assert run(capsys, held)[:2] == (0, "2 passed, 0 failed\n")
    broken = write(tmp_path, [case(ask("denied"), ask())], "broken.json")
    code, out, _ = run(capsys, broken)
    assert code == 3
    assert out == "one [0] expected denied, got allowed: both_sides_allow\n1 passed, 1 failed\n"
    assert run(capsys, held, broken)[0] == 3


def test_json_prints_one_object_per_request_in_file_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    via = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    keys = [{"arn": KEY, "key_policy": policy(Principal={"AWS": CALLER}, Condition=via)}]
    second = case(ask("conditional"), id="two") | {"world": world(keys=keys)}
    path = write(tmp_path, [case(ask("denied")), second])
    code, out, _ = run(capsys, path, "--json")
    assert code == 3
    assert [json.loads(line) for line in out.splitlines()] == [
        {"id": "one", "index": 0, "expect": "denied", "got": "allowed", "reason": "both_sides_allow", "conditions": []},
        {"id": "two", "index": 0, "expect": "conditional", "got": "conditional", "reason": "residual_condition",
         "conditions": ["kms:ViaService = s3.eu-west-1.amazonaws.com"]},
    ]  # fmt: skip


def test_only_chooses_a_case_by_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, [case(ask("denied")), case(id="two")])
    assert run(capsys, path, "--only", "two")[:2] == (0, "1 passed, 0 failed\n")
    code, _, err = run(capsys, path, "--only", "three")
    assert code == 2
    assert "no case has the id `three`" in err


def test_command_returns_its_code_to_the_runner(tmp_path: Path) -> None:
    path = write(tmp_path, [case(ask("denied"))])
    result = CliRunner().invoke(group, ["test", str(path)], standalone_mode=False)
    assert result.return_value == 3
    assert "expected denied, got allowed" in result.output


# -- YAML -------------------------------------------------------------------------------------------------------------

YAML = f"""
- id: yaml
  world:
    accounts:
      {CALLER}: {{collected: COLLECTED}}
    keys:
      - arn: {KEY}
        key_policy:
          Version: 2012-10-17
          Statement:
            - {{Effect: Allow, Principal: {{AWS: {CALLER}}}, Action: kms:Decrypt, Resource: "*"}}
    principals:
      - arn: {ROLE}
        identity_policies:
          - Version: 2012-10-17
            Statement: {{Effect: Allow, Action: ["kms:*"], Resource: "*"}}
  requests:
    - {{principal: {ROLE}, action: kms:Decrypt, resource: {KEY}, expect: EXPECT}}
"""


@pytest.mark.parametrize(("collected", "expect"), [("true", "allowed"), ("false", "unknown")])
def test_yaml_keeps_account_ids_and_reads_yes_and_no(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], collected: str, expect: str
) -> None:
    """The account id 012345670123 is an octal number to other readers, and `false` a text to ours."""
    path = write(tmp_path, YAML.replace("COLLECTED", collected).replace("EXPECT", expect), "cases.yaml")
    assert run(capsys, path)[:2] == (0, "1 passed, 0 failed\n")
    (found,) = read_case_file(path).cases
    assert list(found["world"]["accounts"]) == [CALLER]


def test_yaml_word_that_is_neither_true_nor_false_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, write(tmp_path, YAML.replace("COLLECTED", "no"), "cases.yaml"))
    assert code == 2
    assert "`no` is neither true nor false" in err


# -- snapshots --------------------------------------------------------------------------------------------------------


def of_snapshot(*requests: Json, snapshot: str = "run/snapshot.sqlite") -> Json:
    """A case about the small collected organization."""
    return {"id": "live", "snapshot": snapshot, "requests": list(requests)}


def about(resource: str, expect: str = "allowed", who: str = READER, action: str = "kms:Decrypt", **more: Any) -> Json:
    """A request to it."""
    return {"principal": who, "action": action, "resource": resource, "expect": expect, **more}


def test_snapshot_case_names_keys_by_arn_id_and_alias(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_snapshot(tmp_path / "run" / "snapshot.sqlite")
    names = (CARDS, CARDS.rsplit("/", 1)[-1], "alias/cards", f"arn:aws:kms:eu-west-1:{OWNER}:alias/cards")
    requests = [*map(about, names), about(LOGS, "denied"), about(READER, "allowed", ADMIN, "sts:AssumeRole")]
    path = write(tmp_path, [of_snapshot(*requests), of_snapshot(about(CARDS), snapshot="run")])
    assert run(capsys, path)[:2] == (
        3,
        "live [5] expected allowed, got denied: no_identity_policy\n6 passed, 1 failed\n",
    )
    assert set(tmp_path.iterdir()) == {tmp_path / "run", path}


def test_snapshot_case_refuses_names_that_are_ambiguous_or_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_snapshot(tmp_path / "run" / "snapshot.sqlite")
    wrong = [about("alias/shared"), about("alias/card"), about(CARDS, who=f"{READER}s"), about(CARDS, "denied")]
    path = write(tmp_path, json.dumps([of_snapshot(*wrong)], indent=1))
    code, out, _ = run(capsys, path)
    assert code == 2
    assert f"cases.json:6: `alias/shared` fits 2 keys: {CARDS}, {LOGS}" in out
    assert re.search(r"cases.json:12: there is no key `alias/card` in this run \(did you mean `alias/cards`", out)
    assert f"cases.json:18: `{READER}s` does not exist" in out
    assert "live [3] expected denied, got allowed" in out


def test_snapshot_that_cannot_be_read_is_refused_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "snapshot.sqlite").write_text("nothing")
    code, out, err = run(capsys, write(tmp_path, [of_snapshot(about(CARDS))]))
    assert (code, out) == (2, "")
    assert "cases.json:1: case `live`: " in err


# -- unread marks -----------------------------------------------------------------------------------------------------

ORG = {"id": "o-1", "root": "r-1", "management_account": "999999999999", "members": {OWNER: ["r-1"], CALLER: ["r-1"]}}
MARKS: list[tuple[Any, str, str]] = [
    ("scp", "unknown", "guardrail_not_read"),
    ("rcp", "unknown", "guardrail_not_read"),
    ({"key": KEY, "part": "key_policy"}, "unknown", "policy_not_readable"),
    ({"key": KEY, "part": "grants"}, "allowed", "both_sides_allow"),
    ({"key": KEY, "part": "tags"}, "allowed", "both_sides_allow"),
    ({"account": CALLER, "part": "iam"}, "unknown", "caller_side_not_collected"),
    ({"account": OWNER, "part": "iam"}, "allowed", "both_sides_allow"),
    ({"account": "555566667777", "part": "iam"}, "allowed", "both_sides_allow"),
]


@pytest.mark.parametrize(("mark", "verdict", "reason"), MARKS)
def test_unread_mark_makes_unknown_what_hangs_on_it(mark: Any, verdict: str, reason: str) -> None:
    (result,) = run_case(case() | {"world": world(orgs=[ORG], unread=[mark])}, "here", world_of=_no_snapshot)
    assert (result.got, result.reason) == (verdict, reason)


def test_unread_aliases_still_let_a_request_name_the_only_key_there() -> None:
    by_alias = ask(resource=f"arn:aws:kms:eu-west-1:{OWNER}:alias/app")
    unread = world(unread=[{"key": KEY, "part": "aliases"}])
    (result,) = run_case(case(by_alias) | {"world": unread}, "here", world_of=_no_snapshot)
    assert result.got == "allowed"


# -- the request ------------------------------------------------------------------------------------------------------


def _no_snapshot(path: Path) -> Any:
    raise AssertionError(path)


def verdicts(*requests: Json, **parts: Any) -> list[str]:
    """What the requests of one case come to."""
    return [r.got for r in run_case(case(*requests) | {"world": world(**parts)}, "here", world_of=_no_snapshot)]


def test_path_is_as_weak_as_its_weakest_step() -> None:
    fine, refused = ask(), ask(action="kms:Encrypt")
    assert verdicts({"path": [fine, refused], "expect": "denied"}, {"path": [fine, fine], "expect": "allowed"}) == [
        "denied", "allowed",
    ]  # fmt: skip


def test_alias_stands_for_its_key() -> None:
    keys = [{**world()["keys"][0], "aliases": ["alias/app"]}]
    by_alias = ask(resource=f"arn:aws:kms:eu-west-1:{OWNER}:alias/app")
    elsewhere = ask(resource=f"arn:aws:kms:us-east-1:{OWNER}:alias/app")
    assert verdicts(by_alias, elsewhere, keys=keys) == ["allowed", ""]


def test_context_values_are_text_number_boolean_or_list() -> None:
    tests = {
        "Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "10"},
        "ForAllValues:StringEquals": {"aws:CalledVia": ["a", "b"]},
    }  # fmt: skip
    keys = [{"arn": KEY, "key_policy": policy(Principal={"AWS": CALLER}, Condition=tests)}]
    given = {"aws:MultiFactorAuthPresent": True, "AWS:MultiFactorAuthAge": 5, "aws:CalledVia": ["a", "b"]}
    other = given | {"aws:MultiFactorAuthPresent": False}
    requests = (ask(context=given), ask(context=other), ask(), ask(context_complete=True))
    assert verdicts(*requests, keys=keys) == ["allowed", "denied", "conditional", "denied"]


def test_complete_context_has_exactly_what_is_given() -> None:
    keys = [
        {"arn": KEY, "key_policy": policy(Principal={"AWS": CALLER}, Condition={"Null": {"aws:SourceVpce": "true"}})}
    ]
    assert verdicts(ask(), ask(context_complete=True), ask(context_complete="true"), keys=keys) == [
        "conditional", "allowed", "allowed",
    ]  # fmt: skip


def test_built_world_marks_everything_as_ours_and_says_where_the_gaps_are() -> None:
    built = build_world(
        world(accounts={CALLER: {"opted_in_regions": ["me-south-1"]}}, unread=[{"account": CALLER, "part": "iam"}])
    )
    account = next(iter(built.accounts.values()))
    assert (account.ours, account.iam_complete, account.opted_in_regions) == (True, False, frozenset({"me-south-1"}))
    assert not built.principals[ROLE].complete
    assert built.principals[ROLE].gap.startswith(CALLER)


def test_world_errors_are_format_errors_and_file_errors_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(CaseFormatError):
        build_world({"keys": [{}]})
    with pytest.raises(UsageError):
        read_case_file(tmp_path / "none")
    assert {v.value for v in Verdict} == {"allowed", "conditional", "latent", "unknown", "denied"}
