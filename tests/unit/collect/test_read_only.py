"""That a run only reads: every API action it makes, as others saw it, against a classification that is not ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scanner.collect.permissions import (
    PERMISSIONS,
    hub_session_policy,
    member_actions,
    organization_actions,
    session_policy,
)

from fault_server import CALLER, FaultServer, refusal
from fault_world import OU, A, B, FaultWorld

LEVELS = Path(__file__).parents[2] / "data" / "access_levels" / "access_levels.json"
NEWER = {"kms:GetKeyLastUsage": "Read"}
"""Actions that the copy does not know yet. CloudTrail records `"readOnly": true` for this one (KMS developer guide,
ct-getkeylastusage)."""
HUB = "888877776666"
Collect = Callable[..., Any]


@pytest.fixture(scope="module")
def level_of() -> dict[str, str]:
    """AWS's access level of every action of the services we call."""
    services = json.loads(LEVELS.read_text())
    found = {
        f"{service}:{action}": level
        for service, levels in services.items()
        for level, actions in levels.items()
        for action in actions
    }
    assert not found.keys() & NEWER.keys()
    return {**found, **NEWER}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, aws: FaultServer) -> Any:
    """The organization of the fault matrix; `aws` is only there for its environment."""
    del aws
    with FaultWorld() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


def actions_of(policy: str) -> set[str]:
    (statement,) = json.loads(policy)["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")
    return set(statement["Action"])


def test_every_action_but_the_hop_is_list_or_read(level_of: dict[str, str]) -> None:
    others = {p.action for p in PERMISSIONS if level_of[p.action] not in {"List", "Read"}}
    assert others == {"sts:AssumeRole"}
    assert {p.where for p in PERMISSIONS if p.action == "sts:AssumeRole"} == {"hop"}


def test_classification_tells_what_would_be_no_read(level_of: dict[str, str]) -> None:
    no_reads = {"Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "Sign", "CreateGrant", "PutKeyPolicy"}
    assert not {level_of[f"kms:{action}"] for action in no_reads} & {"List", "Read"}


def test_session_policy_of_a_member_holds_no_hop_and_nothing_but_reads(level_of: dict[str, str]) -> None:
    assert {level_of[action] for action in actions_of(session_policy())} == {"List", "Read"}
    assert {level_of[action] for action in actions_of(hub_session_policy()) - {"sts:AssumeRole"}} == {"List", "Read"}


def test_whole_run_makes_every_action_of_the_list_and_no_other(world: FaultWorld, run: Collect) -> None:
    world.fail("account:ListRegions", refusal("AccessDeniedException"))
    world.fail("organizations:ListAccountsForParent", refusal("AccessDeniedException"), ParentId=OU)
    assert run(source="organization", exclude=(CALLER,), keys_last_usage=True).error is None
    assert {request.operation for request in world.requests} == {p.action for p in PERMISSIONS}


def test_every_session_has_exactly_the_list_and_makes_no_call_beyond_it(world: FaultWorld, run: Collect) -> None:
    assert run(source="organization", exclude=(CALLER,), hub_role_arn=f"arn:aws:iam::{HUB}:role/hub").error is None
    allowed = {r.params["RoleArn"].split(":")[4]: actions_of(r.params["Policy"]) for r in world.asked("sts:AssumeRole")}
    assert allowed == {
        HUB: {*organization_actions(), "sts:AssumeRole"},
        A: set(member_actions()),
        B: set(member_actions()),
    }
    for account, actions in allowed.items():
        made = {request.operation for request in world.requests if request.account == account}
        assert made <= actions
    own = {request.operation for request in world.requests if request.account == CALLER}
    assert own == {"sts:GetCallerIdentity", "sts:AssumeRole"}
