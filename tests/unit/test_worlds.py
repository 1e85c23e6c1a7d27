"""A question to a run is answered from a part of the snapshot, and the answer is that of the whole."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from scanner.analyze.explain import explain
from scanner.analyze.principals.question import ask, find_key
from scanner.config import Settings
from scanner.errors import SnapshotError, UsageError
from scanner.model.world import World
from scanner.report.explain import dump_explanation
from scanner.snapshot import read
from scanner.snapshot.part import part_of
from scanner.snapshot.seal import is_sealed
from scanner.worlds import world_of, world_to_ask

from org import write
from synthetic.shape import VENDORS, Shape

SETTINGS = Settings()
SHAPE = Shape(150, 40, seed=4)
A_KEY = SHAPE.key_arn(max(SHAPE.accounts, key=lambda a: a.keys), 0)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(SHAPE, tmp_path_factory.mktemp("worlds") / "snapshot.sqlite")


@pytest.fixture(scope="module")
def holes(snapshot: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same organization with an account nobody entered, and unread grants, policies of users and guardrails."""
    path = tmp_path_factory.mktemp("holes") / "holes.sqlite"
    shutil.copy(snapshot, path)
    accounts = [a.id for a in SHAPE.accounts]
    changes = [
        ("UPDATE coverage SET outcome = 'denied' WHERE account_id = ? AND call LIKE 'iam:Get%'", (accounts[1],)),
        ("UPDATE accounts SET collected = 0 WHERE account_id = ?", (accounts[2],)),
        ("UPDATE coverage SET outcome = 'denied', region = '*' WHERE unit = ?", (f"account/{accounts[2]}",)),
        ("UPDATE keys SET grants_status = 'denied', tags_status = 'throttled' WHERE picked(arn)", ()),
        ("UPDATE coverage SET outcome = 'denied' WHERE call = 'kms:ListGrants'", ()),
        ("UPDATE org_policies SET document_sha256 = NULL WHERE policy_id = 'p-perimeter'", ()),
        ("UPDATE coverage SET outcome = 'denied' WHERE subject = 'p-perimeter'", ()),
        ("DELETE FROM meta WHERE key = 'content_hash'", ()),
    ]
    with closing(sqlite3.connect(path)) as connection:
        connection.create_function("picked", 1, lambda arn: sum(arn.encode()) % 2)
        for statement, values in changes:
            assert connection.execute(statement, values).rowcount > 0, statement
        connection.commit()
    return path


def answer(world: World, key: str, principal: str, *, every_action: bool = False) -> str:
    asked = ask(world, find_key(world, key), principal, "kms:Decrypt", ())
    return dump_explanation(explain(world, asked, every_action=every_action))


def asked_for(world: World) -> Iterator[tuple[str, str]]:
    """Keys by ARN, id, alias and alias ARN; principals of every form that can be typed."""
    rng = Random(0)
    people = [*sorted(world.principals), *world.accounts, *VENDORS, "*", "logs.amazonaws.com"]
    people += [
        f"arn:aws:sts::{p.split(':')[4]}:assumed-role/{p.rsplit('/', 1)[-1]}/me" for p in people if ":role/" in p
    ]
    people += [f"arn:aws:iam::{account}:root" for account in (*world.accounts, VENDORS[0])]
    for key in world.keys.values():
        alias = (key.aliases or ("",))[0]
        names = (key.arn, key.arn.rsplit("/", 1)[-1], alias, f"{key.arn.split(':key/')[0]}:{alias}")
        for principal in rng.sample(people, 3):
            yield rng.choice(names), principal


@pytest.mark.parametrize("kind", ["snapshot", "holes"])
def test_answer_from_a_part_equals_the_answer_from_the_whole(kind: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(kind)
    whole = world_of(str(path), SETTINGS)
    for key, principal in asked_for(whole):
        part = world_to_ask(str(path), SETTINGS, key, principal)
        assert len(part.keys) == 1, "the whole world was read"
        assert answer(part, key, principal) == answer(whole, key, principal)


@pytest.mark.parametrize("typed", ["role/no-such-role", "role/OrganizationAccountAccesRole", "user/x", "oops"])
def test_principal_that_is_not_there_is_refused_with_the_same_hint(snapshot: Path, typed: str) -> None:
    whole = world_of(str(snapshot), SETTINGS)
    key = next(iter(whole.keys))
    principal = typed if typed == "oops" else f"arn:aws:iam::{SHAPE.accounts[1].id}:{typed}"
    said = []
    for world in (whole, world_to_ask(str(snapshot), SETTINGS, key, principal)):
        with pytest.raises(UsageError) as told:
            answer(world, key, principal)
        said.append((told.value.message, told.value.hint))
    assert said[0] == said[1]


def test_holes_reach_the_answers(holes: Path) -> None:
    """Else the comparison above would say nothing about gaps."""
    whole = world_of(str(holes), SETTINGS)
    verdicts = {json.loads(answer(whole, *pair))["verdict"] for pair in asked_for(whole)}
    assert "unknown" in verdicts


def test_part_has_the_key_and_the_accounts_in_question_only(snapshot: Path) -> None:
    whole = world_of(str(snapshot), SETTINGS)
    key = next(iter(whole.keys.values()))
    principal = next(arn for arn, facts in whole.principals.items() if facts.account_id != key.account_id)
    part = world_to_ask(str(snapshot), SETTINGS, key.arn, principal)
    accounts = {key.account_id, principal.split(":")[4]}
    assert part.keys == {key.arn: key}
    assert part.principals == {a: f for a, f in whole.principals.items() if f.account_id in accounts}
    assert (part.accounts, part.organizations) == (whole.accounts, whole.organizations)
    assert {row.account_id for row in part.coverage if row.region not in {"global", "*"}} == accounts


@pytest.mark.parametrize("typed", ["alias/no-such-key", "arn:aws:kms:eu-west-1:111122223333:key/none", "12345678"])
def test_key_that_is_not_there_is_looked_for_among_all(snapshot: Path, typed: str) -> None:
    found = world_to_ask(str(snapshot), SETTINGS, typed, "*")
    assert found == world_of(str(snapshot), SETTINGS)


def test_alias_of_several_keys_is_looked_for_among_all(snapshot: Path, tmp_path: Path) -> None:
    path = tmp_path / "twice.sqlite"
    shutil.copy(snapshot, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE aliases SET name = 'alias/same'")
        connection.execute("DELETE FROM meta WHERE key = 'content_hash'")
        connection.commit()
    with pytest.raises(UsageError, match="fits 40 keys"):
        find_key(world_to_ask(str(path), SETTINGS, "alias/same", "*"), "alias/same")


def test_alias_whose_list_was_not_read_is_looked_for_among_all(snapshot: Path, tmp_path: Path) -> None:
    path = tmp_path / "unread.sqlite"
    shutil.copy(snapshot, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE keys SET aliases_status = 'denied'")
        connection.execute("DELETE FROM meta WHERE key = 'content_hash'")
        connection.commit()
        (name,) = connection.execute("SELECT name FROM aliases LIMIT 1").fetchone()
        assert part_of(connection, name, "*") is not None
    found = world_to_ask(str(path), SETTINGS, name, "*")
    assert len(found.keys) == 40


# -- what is checked before -------------------------------------------------------------------------------------------


def refuse(*_: object) -> str:
    raise AssertionError


@pytest.fixture
def run(snapshot: Path, tmp_path: Path) -> Path:
    """A run directory whose manifest names the snapshot."""
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copy(snapshot, folder / "snapshot.sqlite")
    files = {"snapshot.sqlite": {"sha256": digest(folder / "snapshot.sqlite")}}
    (folder / "manifest.json").write_text(json.dumps({"files": files}), "utf-8")
    return folder


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def test_question_does_not_go_through_the_rows_of_a_snapshot_that_the_manifest_names(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "content_hash", refuse)
    assert world_to_ask(str(run), SETTINGS, A_KEY, "*").keys
    with pytest.raises(AssertionError):
        world_of(str(run), SETTINGS)


def test_question_does_not_go_through_the_rows_of_a_lone_snapshot_that_is_as_it_was_closed(
    snapshot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "content_hash", refuse)
    assert world_to_ask(str(snapshot), SETTINGS, A_KEY, "*").keys
    with pytest.raises(AssertionError):
        world_of(str(snapshot), SETTINGS)


def test_question_goes_through_the_rows_of_a_lone_snapshot_that_is_another_file_than_was_closed(
    snapshot: Path, tmp_path: Path
) -> None:
    path = tmp_path / "edited.sqlite"
    shutil.copy(snapshot, path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    assert not is_sealed(path)
    assert world_to_ask(str(path), SETTINGS, A_KEY, "*").keys
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE keys SET state = 'Disabled'")
        connection.commit()
    with pytest.raises(SnapshotError, match="its rows are not those that were collected"):
        world_to_ask(str(path), SETTINGS, A_KEY, "*")


def test_run_whose_snapshot_is_another_is_refused(run: Path) -> None:
    with closing(sqlite3.connect(run / "snapshot.sqlite")) as connection:
        connection.execute("UPDATE keys SET state = 'Disabled'")
        connection.commit()
    with pytest.raises(SnapshotError, match="is not the file that"):
        world_to_ask(str(run), SETTINGS, A_KEY, "*")


def test_question_goes_through_the_rows_where_neither_manifest_nor_seal_knows_the_file(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run / "manifest.json").write_text('{"files": {}}', "utf-8")
    with closing(sqlite3.connect(run / "snapshot.sqlite")) as connection:
        connection.execute("VACUUM")
    monkeypatch.setattr(read, "content_hash", refuse)
    with pytest.raises(AssertionError):
        world_to_ask(str(run), SETTINGS, A_KEY, "*")
