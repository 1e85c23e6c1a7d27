"""The demo organization is the same in every run and holds what its data says."""

from __future__ import annotations

import json
import logging

import pytest
from scanner.demo import organization
from scanner.demo.build import build
from scanner.demo.keys import KEYS
from scanner.demo.principals import MANAGED_POLICIES, ROLES
from scanner.demo.server import start_demo
from scanner.model.arn import is_account_id, parse_arn

from unit.demo.expected_findings import EXPECTED, NOT_COLLECTED, OPAQUE, QUIET


def authorization_details(server) -> str:
    """The principals of one account with their unique ids, without dates."""
    answer = server.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{organization.PAYMENTS}:role/{server.member_role}", RoleSessionName="kms-scan-test"
    )["Credentials"]
    credentials = (answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
    answer = server.client("iam", credentials=credentials).get_account_authorization_details()
    return json.dumps([(row["Arn"], row["RoleId"]) for row in answer["RoleDetailList"]])


def test_building_twice_gives_the_same_ids_and_fresh_sessions(capfd):
    seen = []
    for _ in range(2):
        with start_demo() as server:
            facts = build(server)
            assert server.organization is facts
            session = server.client("sts").assume_role(
                RoleArn=f"arn:aws:iam::{organization.LOGS}:role/{server.member_role}", RoleSessionName="kms-scan-test"
            )["Credentials"]["AccessKeyId"]
            seen.append((facts, server.credentials, server.faults.grants, authorization_details(server), session))
    first, second = seen
    assert first[:4] == second[:4]
    assert first[4] != second[4]
    assert capfd.readouterr() == ("", "")


def test_started_server_is_empty_until_it_is_built():
    with start_demo() as server:
        assert server.organization is None
        assert server.client("kms", organization.IRELAND).list_keys()["Keys"] == []


def test_unsupported_operation_writes_nothing_to_the_terminal(capfd, caplog):
    caplog.set_level(logging.WARNING, logger="werkzeug")
    logging.getLogger("werkzeug").setLevel(logging.NOTSET)
    with start_demo() as server, pytest.raises(Exception, match="DescribeResourcePolicy"):
        server.client("organizations").describe_resource_policy()
    assert capfd.readouterr() == ("", "")


def test_closed_server_stops_listening_and_closing_twice_is_harmless():
    server = start_demo()
    client = server.client("sts")
    server.close()
    server.close()
    with pytest.raises(Exception, match="Could not connect"):
        client.get_caller_identity()


def test_every_key_is_created_and_no_two_share_an_alias():
    places = [(key.account_id, key.region, key.alias) for key in KEYS]
    assert len(places) == len(set(places))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.alias)
def test_key_policy_is_json_with_one_element_per_line(key):
    document = json.loads(key.policy)
    assert document["Version"] == "2012-10-17"
    assert key.policy.count("\n") > 8
    sids = [row["Sid"] for row in document["Statement"]]
    assert len(sids) == len(set(sids))


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.alias)
def test_role_that_a_key_policy_names_in_a_collected_account_exists(key):
    """Otherwise the report would call a typing error of ours a deleted principal."""
    built = {f"arn:aws:iam::{role.account_id}:role/{role.name}" for role in ROLES}
    collected = {account.account_id for account in organization.ACCOUNTS if account.has_audit_role}
    named = [row["Principal"].get("AWS", "*") for row in json.loads(key.policy)["Statement"]]
    roles = [arn for arn in named if (parsed := parse_arn(arn)) and parsed.resource.startswith("role/")]
    assert [arn for arn in roles if parse_arn(arn).account_id in collected and arn not in built] == []


def test_managed_policies_that_roles_use_exist_in_their_account():
    built = {(policy.account_id, policy.name) for policy in MANAGED_POLICIES}
    used = {(role.account_id, name) for role in ROLES for name in (*role.managed, *filter(None, [role.boundary]))}
    assert used <= built


def test_account_ids_are_distinct_and_outsiders_are_not_members():
    members = [organization.MANAGEMENT, *(account.account_id for account in organization.ACCOUNTS)]
    everybody = [*members, *organization.OUTSIDERS.values()]
    assert all(is_account_id(account_id) for account_id in everybody)
    assert len(everybody) == len(set(everybody))


def test_table_of_expected_findings_covers_every_key_once():
    """A key that is added without saying what the report should make of it fails here."""
    names = {account.account_id: account.name for account in organization.ACCOUNTS}
    names[organization.MANAGEMENT] = organization.MANAGEMENT_NAME
    created = {f"{names[key.account_id]}/{key.region}/{key.alias}" for key in KEYS}
    created |= {
        f"{names[key.account_id]}/{key.replica.region}/{key.replica.alias}" for key in KEYS if key.replica is not None
    }
    # A policy that is read but damaged is opaque and may still be a possible access, so it may stand in both.
    groups = [
        {row.key for row in EXPECTED},
        set(QUIET),
        set(OPAQUE) - {row.key for row in EXPECTED},
        set(NOT_COLLECTED),
    ]
    assert set().union(*groups) == created
    assert sum(len(group) for group in groups) == len(created)
    assert len({(row.key, row.kind, row.grantee, row.mechanism) for row in EXPECTED}) == len(EXPECTED)


@pytest.mark.parametrize("row", EXPECTED, ids=lambda row: row.key.rpartition("/")[2])
def test_expected_grantee_is_written_in_the_key_policy_or_a_grant(row):
    """Keeps the table from naming what nobody wrote."""
    key = next(key for key in KEYS if key.alias == row.key.rpartition("/")[2])
    texts = [key.policy, *(grant.grantee_principal for grant in key.grants)]
    texts += [key.replica.policy] if key.replica is not None else []
    assert any(row.grantee in text for text in texts)
