"""Snapshots that were collected in parts: joined, they are what one collection would have read."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from scanner.errors import OutputError, SnapshotError, UsageError
from scanner.model.coverage import Outcome
from scanner.snapshot import store
from scanner.snapshot.merge import _OWNERS, merge
from scanner.snapshot.reached import ORGANIZATION_TABLES
from scanner.snapshot.read import reading
from scanner.snapshot.view import Assumptions, load_coverage, load_world

from fault_server import CALLER, FaultServer, Key, Reply, Request, as_json, refusal, refusal_xml, role_xml

IDS = ("111122223333", "444455556666", "777788889999")
A, B, C = IDS
EU, US = "eu-west-1", "us-east-1"
CONFIGURATION = {"aws": {"member_role": "R"}, "accounts": {"ids": [], "source": "organization"}, "trust": {}}


@pytest.fixture
def world(aws: FaultServer) -> FaultServer:
    """An organization of three accounts with keys, a grant, an alias, tags and a role each."""
    for account in IDS:
        aws.account(account, EU, US)
        grant = {"GrantId": "g", "GranteePrincipal": f"arn:aws:iam::{CALLER}:root", "Operations": ["Decrypt"]}
        key_id = f"{account[:8]}-0000-0000-0000-000000000000"
        aws.keys[(account, EU)] = {key_id: Key(grants=[grant], tags=[{"TagKey": "app", "TagValue": account}])}
        aws.aliases[(account, EU)] = [{"AliasName": "alias/x", "TargetKeyId": key_id}]
        trust = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]})
        role = role_xml(f"arn:aws:iam::{account}:role/reader", trust, inline={"p": trust})
        aws.details[account] = f"<UserDetailList/><RoleDetailList>{role}</RoleDetailList><Policies/>"
    foreign = "arn:aws:kms:eu-west-1:999999999990:key/99999999-0000-0000-0000-000000000000"
    aws.shared[(A, EU)] = [foreign]
    described_as(aws, "o-1")
    roots = [{"Id": "r-1", "PolicyTypes": []}]
    aws.fail("organizations:ListRoots", as_json({"Roots": roots}))
    accounts = [{"Id": account, "Name": f"n{account}", "State": "ACTIVE"} for account in (*IDS, CALLER)]
    aws.fail("organizations:ListAccountsForParent", as_json({"Accounts": accounts}))
    aws.fail("organizations:ListOrganizationalUnitsForParent", as_json({"OrganizationalUnits": []}))
    return aws


def described_as(aws: FaultServer, organization: str) -> None:
    arn = f"arn:aws:organizations::{CALLER}:account/{organization}/{CALLER}"
    described = {"Id": organization, "MasterAccountId": CALLER, "MasterAccountArn": arn}
    aws.fail("organizations:DescribeOrganization", as_json({"Organization": described}))
    aws.faults.insert(0, aws.faults.pop())


@pytest.fixture
def part(tmp_path: Path, run_into: Callable[..., Any]) -> Callable[..., Path]:
    """One part of a collection."""

    def collected(name: str, *ids: str, configuration: Any = CONFIGURATION, **settings: Any) -> Path:
        path = tmp_path / name / "snapshot.sqlite"
        run_into(path, source="organization", ids=ids, run_id=name, configuration=json.dumps(configuration), **settings)
        return path

    return collected


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "joined" / "snapshot.sqlite"


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table, the header and the server's clock aside."""
    with reading(path) as connection:
        found = {}
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[1] != "server_date"]
            columns = ", ".join(f'"{name}"' for name in names)
            found[table] = sorted(connection.execute(f"SELECT {columns} FROM {table}"), key=repr)
    del found["meta"]
    return found


def header(path: Path) -> dict[str, str]:
    with reading(path) as connection:
        return dict(connection.execute("SELECT key, value FROM meta"))


def units(path: Path) -> dict[str, str]:
    return dict(content(path)["units"])  # type: ignore[arg-type]


def test_parts_in_any_order_are_what_one_collection_reads(
    world: FaultServer, part: Callable[..., Path], tmp_path: Path
) -> None:
    one = part("one", *IDS)
    parts = [part("p1", A), part("p2", B), part("p3", C)]
    assert {table for table, rows in content(one).items() if rows} >= {"shared_keys", "grants", "aliases", "principals"}
    for number, order in enumerate(permutations(parts)):
        path = tmp_path / f"joined-{number}" / "snapshot.sqlite"
        assert merge(path, order, run_id="r-9") == header(one)["snapshot_hash"]
        assert content(path) == content(one)
        with reading(one) as whole, reading(path) as joined:
            assumptions = Assumptions("2026-11-22T00:00:00Z")
            assert load_world(joined, assumptions) == load_world(whole, assumptions)
    assert len({path.read_bytes() for path in tmp_path.glob("joined-*/snapshot.sqlite")}) == 1


def test_every_table_is_joined(world: FaultServer, part: Callable[..., Path]) -> None:
    joined = {*_OWNERS, *ORGANIZATION_TABLES, "units", "answers", "coverage", "documents", "accounts"}
    assert joined == set(content(part("p1", A)))


def test_header_says_what_was_joined(world: FaultServer, part: Callable[..., Path], out: Path) -> None:
    merge(out, [part("p1", A), part("p2", B, C)], run_id="r-9")
    meta = header(out)
    assert (meta["complete"], meta["run_id"], meta["organization_state"]) == ("1", "r-9", "read")
    assert [entry["run_id"] for entry in json.loads(meta["parts"])] == ["p1", "p2"]
    assert json.loads(meta["run_regions"]) == [EU, US]
    assert str(out.parent.parent) not in json.dumps(meta)


def test_account_in_no_part_stays_out_of_scope(world: FaultServer, part: Callable[..., Path], out: Path) -> None:
    merge(out, [part("p1", A), part("p2", B)], run_id="r-9")
    with reading(out) as connection:
        rows = {row.account_id: row.outcome for row in load_coverage(connection) if row.call == "sts:AssumeRole"}
    assert rows == {A: Outcome.OK, B: Outcome.OK, C: Outcome.SKIPPED, CALLER: Outcome.SKIPPED}


def test_unit_that_two_parts_hold_is_refused_and_both_are_named(
    world: FaultServer, part: Callable[..., Path], out: Path
) -> None:
    first, second = part("p1", A, B), part("p2", B, C)
    with pytest.raises(UsageError) as caught:
        merge(out, [first, second], run_id="r-9")
    assert f"`{first}`" in caught.value.message
    assert f"`{second}`" in caught.value.message
    assert f"`account/{B}` and 3 more units" in caught.value.message
    assert not out.exists()


def later(part: Callable[..., Path], *ids: str, **settings: Any) -> Path:
    """A part whose run id is the last one: the test clock stands still, so that the id decides what is newest."""
    return part("p9", *ids, **settings)


def test_newest_part_wins_where_it_is_preferred(world: FaultServer, part: Callable[..., Path], out: Path) -> None:
    older = part("p1", A, B)
    key_id = next(iter(world.keys[(B, EU)]))
    world.keys[(B, EU)] = {key_id: Key(tags=[{"TagKey": "app", "TagValue": "new"}])}
    newer = later(part, B, C)
    merge(out, [newer, older], run_id="r-9", prefer_newest=True)
    one = part("one", *IDS)
    assert content(out)["key_tags"] == content(one)["key_tags"]
    assert content(out)["grants"] == content(one)["grants"]
    assert header(out)["snapshot_hash"] == header(one)["snapshot_hash"]


def test_unit_that_failed_in_one_part_is_taken_from_the_other(
    world: FaultServer, part: Callable[..., Path], out: Path
) -> None:
    world.fail("sts:AssumeRole", refusal_xml("AccessDenied"), RoleArn=f"arn:aws:iam::{B}:role/audit/KmsScanReadOnly")
    refused = later(part, A, B)
    world.faults.pop()
    merge(out, [refused, part("p1", B, C)], run_id="r-9")
    assert units(out)[f"account/{B}"] == "complete"
    assert header(out)["snapshot_hash"] == header(part("one", *IDS))["snapshot_hash"]


def test_account_that_refused_in_its_only_part_is_a_gap(
    world: FaultServer, part: Callable[..., Path], out: Path
) -> None:
    world.fail("sts:AssumeRole", refusal_xml("AccessDenied"), RoleArn=f"arn:aws:iam::{B}:role/audit/KmsScanReadOnly")
    merge(out, [part("p1", A, B), part("p2", C)], run_id="r-9")
    with reading(out) as connection:
        gaps = [(row.account_id, row.outcome) for row in load_coverage(connection) if row.outcome.is_gap]
    assert gaps == [(B, Outcome.DENIED)]
    assert header(out)["complete"] == "1"


def test_part_that_was_interrupted_leaves_its_units_not_reached(
    world: FaultServer, part: Callable[..., Path], out: Path
) -> None:
    stop = Event()

    def halt(request: Request) -> Reply | None:
        if request.operation == "account:ListRegions" and request.account == B:
            stop.set()
        return None

    world.faults.insert(0, halt)
    unfinished = part("p1", A, B, stop=stop, workers=1)
    world.faults.remove(halt)
    merge(out, [unfinished, part("p2", C)], run_id="r-9")
    assert header(out)["complete"] == "0"
    with reading(out) as connection:
        missing = {(row.account_id, row.region) for row in load_coverage(connection) if row.outcome.is_gap}
    assert (B, EU) in missing
    assert C not in {account for account, _ in missing}


def test_parts_of_different_organizations_are_refused(world: FaultServer, part: Callable[..., Path], out: Path) -> None:
    first = part("p1", A)
    described_as(world, "o-2")
    with pytest.raises(UsageError, match="different organizations, `o-1` and `o-2`"):
        merge(out, [first, part("p2", B)], run_id="r-9", prefer_newest=True)


def test_organization_that_changed_between_the_parts_is_refused_unless_the_newest_is_preferred(
    world: FaultServer, part: Callable[..., Path], out: Path
) -> None:
    first = part("p1", A)
    world.fail("organizations:ListOrganizationalUnitsForParent", refusal("AccessDeniedException"))
    world.faults.insert(0, world.faults.pop())
    second = part("p2", B)
    with pytest.raises(UsageError, match="tell different things about the organization"):
        merge(out, [first, second], run_id="r-9")
    merge(out, [first, second], run_id="r-9", prefer_newest=True)
    assert header(out)["organization_state"] == "partial"


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"aws": {"member_role": "Other"}}, "aws.member_role"),
        ({"regions": {"include": ["eu-*"]}}, "regions.include"),
        ({"accounts": {"ids": [], "source": "ids"}}, "accounts.source"),
    ],
)
def test_parts_of_different_configurations_are_refused(
    world: FaultServer, part: Callable[..., Path], out: Path, changed: dict[str, Any], key: str
) -> None:
    first, second = part("p1", A), part("p2", B, configuration={**CONFIGURATION, **changed})
    with pytest.raises(UsageError, match=f"different configurations: `{key}`"):
        merge(out, [first, second], run_id="r-9", prefer_newest=True)


def test_parts_may_differ_in_which_accounts_they_read(world: FaultServer, part: Callable[..., Path], out: Path) -> None:
    accounts = {"ids": [B], "exclude": [C], "include_ous": ["/x"], "source": "organization"}
    second = part("p2", B, configuration={**CONFIGURATION, "accounts": accounts})
    assert merge(out, [part("p1", A), second], run_id="r-9")


def test_joined_snapshot_is_no_part(world: FaultServer, part: Callable[..., Path], out: Path, tmp_path: Path) -> None:
    merge(out, [part("p1", A), part("p2", B)], run_id="r-9")
    with pytest.raises(UsageError, match="was joined from parts already"):
        merge(tmp_path / "again" / "s.sqlite", [out, part("p3", C)], run_id="r-9")


def test_snapshot_without_its_configuration_is_no_part(
    world: FaultServer, run_into: Callable[..., Any], out: Path, tmp_path: Path
) -> None:
    path = tmp_path / "p" / "snapshot.sqlite"
    run_into(path, source="ids", ids=(A,))
    # `configuration` is in every header; the empty one is that of a release that did not write it.
    with pytest.raises(SnapshotError, match="does not say which configuration"):
        merge(out, [path], run_id="r-9")


def test_existing_file_is_not_replaced(world: FaultServer, part: Callable[..., Path], out: Path) -> None:
    out.parent.mkdir()
    out.write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        merge(out, [part("p1", A)], run_id="r-9")
    assert out.read_text() == "mine"


def test_disk_that_is_full_leaves_no_file(
    world: FaultServer, part: Callable[..., Path], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.SnapshotStore.create(out.with_name("empty")) as empty:
        pages = empty._connection.execute("PRAGMA page_count").fetchone()[0]
    out.with_name("empty").unlink()
    connected = store._connected

    def limited(path: Path) -> Any:
        connection = connected(path)
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")
        return connection

    parts = [part("p1", A), part("p2", B), part("p3", C)]
    monkeypatch.setattr(store, "_connected", limited)
    with pytest.raises(OutputError, match="full"):
        merge(out, parts, run_id="r-9")
    assert not list(out.parent.iterdir())
