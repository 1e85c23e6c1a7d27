"""The made-up organization of the benchmarks: whole, of the asked size, with every feature, the same for a seed."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from scanner.model.organization import Organization
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World
from scanner.snapshot.read import reading
from scanner.snapshot.view import Assumptions, load_meta, load_scope, load_world

from org import arguments, main, write
from synthetic.shape import ORG_ID, VENDORS, Shape

SHAPE = Shape(420, 160, seed=1)


def opened(path: Path) -> World:
    with reading(path) as connection:
        return load_world(connection, Assumptions(load_meta(connection)["as_of"]))


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(SHAPE, tmp_path_factory.mktemp("org") / "snapshot.sqlite")


@pytest.fixture(scope="module")
def world(snapshot: Path) -> World:
    return opened(snapshot)


def statements(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found


def organization(world: World) -> Organization:
    (found,) = world.organizations
    return found


def key_statements(world: World) -> Iterator[list[dict[str, Any]]]:
    for key in world.keys.values():
        assert key.key_policy is not None
        yield statements(key.key_policy.text)


def roles(world: World, part: str) -> list[PrincipalFacts]:
    return [p for arn, p in world.principals.items() if part in arn]


def test_snapshot_is_finished_synthetic_and_of_the_asked_size(snapshot: Path, world: World) -> None:
    with reading(snapshot) as connection:
        meta, (pairs, accounts, left_out) = load_meta(connection), load_scope(connection)
    assert (meta["complete"], meta["synthetic"]) == ("1", "1")
    assert (len(world.principals), len(world.keys)) == (420, 160)
    assert len(accounts) == len(world.accounts) == len(SHAPE.accounts)
    assert len(pairs) > 3 * len(accounts)
    assert left_out == ()


def test_everything_counts_as_read(world: World) -> None:
    assert [row.ref for row in world.coverage if row.outcome.is_gap] == []
    assert {row.call.partition(":")[0] for row in world.coverage} == {"organizations", "sts", "ec2", "iam", "kms"}
    assert all(not key.gaps for key in world.keys.values())
    assert all(principal.complete for principal in world.principals.values())
    assert all(account.iam_complete for account in world.accounts.values())


def test_units_are_those_that_a_collection_writes(snapshot: Path) -> None:
    with closing(sqlite3.connect(snapshot)) as connection:
        units = {unit for (unit,) in connection.execute("SELECT unit FROM units WHERE state = 'complete'")}
        regions = connection.execute("SELECT account_id, region FROM regions WHERE scanned").fetchall()
        of_rows = {unit for (unit,) in connection.execute("SELECT DISTINCT unit FROM coverage")}
    of_accounts = {f"{part}/{a.id}" for part in ("account", "iam") for a in SHAPE.accounts}
    assert units == {"organization", "accounts", *of_accounts, *(f"kms/{a}/{r}" for a, r in regions)}
    assert of_rows <= units


def test_every_document_that_a_row_names_is_there_and_every_document_is_named(snapshot: Path) -> None:
    columns = [
        *(("keys", "policy_sha256"), ("principals", "trust_sha256"), ("policies", "document_sha256")),
        *(("principal_policies", "document_sha256"), ("org_policies", "document_sha256")),
    ]
    with closing(sqlite3.connect(snapshot)) as connection:
        held = {sha for (sha,) in connection.execute("SELECT sha256 FROM documents")}
        named = {s for t, c in columns for (s,) in connection.execute(f"SELECT {c} FROM {t}")} - {None}
    assert named <= held
    assert len(held - named) < 20  # managed policies of AWS that no account of a small organization uses


def test_keys_are_shared_as_in_real_organizations() -> None:
    counts: Counter[str] = Counter()
    shape = Shape(420, 4000, seed=3)
    from synthetic.keys import _Key  # noqa: PLC0415  # the draw itself; a snapshot of this size takes too long

    rng = shape.rng("test")
    for account in shape.accounts:
        counts.update(_Key(shape, account, n, rng).kind for n in range(account.keys))
    assert {kind: round(count / 40) for kind, count in counts.items()} == pytest.approx(
        {"root": 55, "foreign": 20, "named": 13, "star": 12}, abs=3
    )


def test_key_policies_have_every_way_of_sharing(world: World) -> None:
    texts = [json.dumps(found) for found in key_statements(world)]
    for feature in (
        "aws:PrincipalOrgID", "kms:ViaService", "kms:CallerAccount", "aws:PrincipalTag/Team", "aws:PrincipalArn",
        "kms:GrantIsForAWSResource", "aws:SourceAccount", '"Service"', '"Deny"', VENDORS[0][:9],
    ):  # fmt: skip
        assert any(feature in text for text in texts), feature


def test_ten_keys_in_a_hundred_have_grants_of_several_kinds(world: World) -> None:
    grants = [grant for key in world.keys.values() for grant in key.grants or ()]
    assert 4 <= sum(1 for key in world.keys.values() if key.grants) <= 32
    assert any(grant.grantee_service_principal for grant in grants)
    assert any("aws-service-role" in grant.grantee_principal for grant in grants)
    assert any(grant.constraints.encryption_context_subset for grant in grants)


def test_roles_that_policies_name_exist(world: World) -> None:
    named = [
        arn
        for found in key_statements(world)
        for statement in found
        if statement.get("Sid") == "Roles"
        for arn in statement["Principal"]["AWS"]
    ]
    ours = [arn for arn in named if arn.startswith("arn:") and arn.split(":")[4] in world.accounts]
    assert ours
    assert [arn for arn in ours if arn not in world.principals] == []


def test_principals_are_of_every_kind(world: World) -> None:
    assert roles(world, "/aws-reserved/sso.amazonaws.com/")
    assert roles(world, "/aws-service-role/")
    assert roles(world, "/service-role/")
    assert roles(world, ":user/")
    assert [p for p in world.principals.values() if p.boundary]
    assert [p for p in world.principals.values() if p.tags]
    policies = {t.name for p in world.principals.values() for t in p.identity_policies}
    assert "managed policy AdministratorAccess" in policies
    assert "managed policy ReadOnlyAccess of group developers" in policies


def test_vendors_come_with_and_without_an_external_id(world: World) -> None:
    trusts = [statements(p.trust_policy.text)[0] for p in roles(world, "-vendor-") if p.trust_policy]
    assert {"Condition" in trust for trust in trusts} == {True, False}
    assert all(any(vendor in trust["Principal"]["AWS"] for vendor in VENDORS) for trust in trusts)


def test_chains_of_roles_lead_across_accounts_to_roles_that_exist(world: World) -> None:
    chained = roles(world, "role/deploy-chain-")
    assert chained
    for role in chained:
        assert role.trust_policy is not None
        source = statements(role.trust_policy.text)[0]["Principal"]["AWS"]
        assert source in world.principals
        assert source.split(":")[4] != role.account_id


def test_guardrails_of_both_types_hang_in_a_tree(world: World) -> None:
    found = organization(world)
    assert found.id == ORG_ID
    assert max(map(len, found.members.values())) == 4
    for guardrails in (found.scps, found.rcps):
        assert guardrails is not None
        assert any('"Deny"' in text.text for texts in guardrails.values() for text in texts)


def test_same_arguments_give_the_same_bytes_and_another_seed_others(tmp_path: Path, snapshot: Path) -> None:
    again = write(SHAPE, tmp_path / "again" / "snapshot.sqlite")
    other = write(Shape(420, 160, seed=2), tmp_path / "other" / "snapshot.sqlite")
    assert again.read_bytes() == snapshot.read_bytes()
    assert set(opened(other).keys) & set(opened(snapshot).keys) == set()


def test_worst_case_unique_gives_every_principal_a_policy_and_tags_of_its_own(tmp_path: Path) -> None:
    found = opened(write(Shape(60, 10, worst="unique"), tmp_path / "snapshot.sqlite")).principals.values()
    held = [frozenset(t.sha256 for t in p.identity_policies) for p in found]
    assert len(set(held)) == len({json.dumps(p.tags) for p in found}) == 60


def test_worst_case_star_makes_every_key_policy_name_anybody_under_a_condition(tmp_path: Path) -> None:
    world = opened(write(Shape(60, 40, worst="star"), tmp_path / "snapshot.sqlite"))
    for found in key_statements(world):
        assert [s for s in found if s["Principal"] == {"AWS": "*"} and s["Effect"] == "Allow" and s["Condition"]]


def test_command_writes_the_file_and_says_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out" / "snapshot.sqlite"
    given = ["org.py", "--principals", "40", "--keys", "5", "--out", str(path)]
    monkeypatch.setattr("sys.argv", given)
    main()
    assert arguments(given[1:]).seed == 0
    assert "4 accounts, 40 principals, 5 keys" in capsys.readouterr().out
    assert len(opened(path).keys) == 5
