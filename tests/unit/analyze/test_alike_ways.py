"""Ways that share what is said of them, and each difference that keeps two ways from sharing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.paths.approaches import Way
from scanner.analyze.paths.graph import Chain
from scanner.analyze.paths.hops import BOUND, SURE
from scanner.analyze.paths.role_use import Use
from scanner.model.actions import ACTIONS
from scanner.model.decision import Decision, Verdict

from builders import KEY, MEMBER, OWNER, STRANGER, Line, allow, iam, key, policy
from role_worlds import ASSUMING, USING, admits, followed, only_path, role

VENDOR = iam(STRANGER, "root")
OWN_ROOT = allow(iam(OWNER, "root"), "kms:*")
OTHER = f"{KEY[:-1]}c"
WITH_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
CHAIN, USE = Chain(), Use(ACTIONS["decrypt"], Decision(Verdict.ALLOWED, "both_sides_allow"), SURE)


def rows(*things: Any) -> list[Line]:
    """What access.csv says of paths."""
    return [row for row in followed(*things).access if row.mechanism == "role"]


@pytest.mark.parametrize(
    ("chain", "use", "cut"),
    [
        (Chain((), BOUND), USE, False),
        (CHAIN, replace(USE, decision=replace(USE.decision)), False),
        (CHAIN, replace(USE, rank=BOUND), False),
        (CHAIN, USE, True),
    ],
)
def test_ways_by_other_chains_decisions_or_as_sure_as_others_are_no_course(chain: Chain, use: Use, cut: bool) -> None:
    assert Way.of(chain, use, cut=cut).course != Way.of(CHAIN, USE, cut=False).course


def test_ways_that_differ_in_the_action_alone_are_one_course() -> None:
    other = replace(USE, action=ACTIONS["encrypt"])
    assert Way.of(CHAIN, other, cut=False).course == Way.of(CHAIN, USE, cut=False).course


def test_every_caller_behind_a_source_has_its_own_row() -> None:
    callers = [role(MEMBER, name, admits({"Service": "ec2.amazonaws.com"}), ASSUMING) for name in ("Build", "Deploy")]
    told = rows(role(OWNER, "Shared", admits(iam(MEMBER, "root")), USING), *callers)
    assert {row.principal_arn for row in told} == {caller.arn for caller in callers}


def test_keys_that_a_path_uses_under_other_conditions_have_other_rows() -> None:
    may = policy(allow(None, "kms:Decrypt", Resource=KEY), allow(None, "kms:Decrypt", when=WITH_MFA, Resource=OTHER))
    told = rows(key(OWN_ROOT), key(OWN_ROOT, arn=OTHER), role(OWNER, "Vendor", admits(VENDOR), may))
    assert {(row.key_arn, bool(row.conditions)) for row in told} == {(KEY, False), (OTHER, True)}


def test_keys_on_which_a_path_does_other_actions_have_other_rows() -> None:
    may = policy(allow(None, "kms:Decrypt", Resource=KEY), allow(None, "kms:ReEncryptFrom", Resource=OTHER))
    told = rows(key(OWN_ROOT), key(OWN_ROOT, arn=OTHER), role(OWNER, "Vendor", admits(VENDOR), may))
    assert {(row.key_arn, row.actions) for row in told} == {(KEY, ("kms:Decrypt",)), (OTHER, ("kms:ReEncryptFrom",))}


def test_alike_uses_of_keys_by_other_roles_are_other_ways() -> None:
    entry = role(OWNER, "Vendor", admits(VENDOR), ASSUMING)
    roles = {KEY: "One", OTHER: "Two"}
    users = [role(OWNER, name, admits(iam(OWNER, "role/Vendor"))) for name in roles.values()]
    keys = [key(allow(iam(OWNER, f"role/{name}"), "kms:Decrypt"), arn=arn) for arn, name in roles.items()]
    told = rows(entry, *users, *keys)
    assert {(row.key_arn, row.path.rpartition("/")[2]) for row in told} == set(roles.items())


def test_digest_of_a_claim_counts_every_source_with_its_own_callers() -> None:
    ways = "sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"
    digests = [
        int(only_path(role(OWNER, "Open", admits("*", *some), USING)).reach.digest, 16)
        for some in (ways, *((way,) for way in ways))
    ]
    assert digests[0] == sum(digests[1:]) % 2**64


# -- the strongest way ------------------------------------------------------------------------------------------------

FROM_ITS_NETWORK = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
ENTRY = role(OWNER, "Entry", admits(VENDOR), ASSUMING)


def to_last(name: str, trusting: Any, *documents: Any, when: Any = None) -> Any:
    """A role of the same account that another one may assume."""
    return role(OWNER, name, admits(iam(OWNER, f"role/{trusting}"), when=when), *documents)


def test_use_under_a_condition_by_a_sure_chain_is_stronger_than_a_sure_use_by_a_weaker_chain() -> None:
    free = to_last("Far", "Entry", USING, when=FROM_ITS_NETWORK)
    chosen = to_last("Near", "Entry", policy(allow(None, "kms:Decrypt", when=WITH_MFA)))
    found = only_path(ENTRY, free, chosen)
    assert [hop.role_arn.rpartition("/")[2] for hop in found.path.hops] == ["Entry", "Near"]


def test_sure_chain_beyond_the_limit_is_no_stronger_than_one_under_a_condition() -> None:
    chosen = to_last("Near", "Entry", USING, when=WITH_MFA)
    middle, far = to_last("Middle", "Entry", ASSUMING), to_last("Far", "Middle", USING)
    found = only_path(ENTRY, chosen, middle, far, max_role_hops=2)
    assert [hop.role_arn.rpartition("/")[2] for hop in found.path.hops] == ["Entry", "Near"]
    assert found.verdict.value == "conditional"


def test_actions_of_one_capability_on_one_key_have_severities_of_their_own() -> None:
    sure, under = allow(None, "kms:Decrypt"), allow(None, "kms:ReEncryptFrom", when=WITH_MFA)
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), policy(sure, under)))
    (alone,) = only_path(role(OWNER, "Vendor", admits(VENDOR), policy(under))).capabilities
    told = {c.actions: (c.verdict, c.severity) for c in found.capabilities}
    assert told[alone.actions] == (alone.verdict, alone.severity)
    assert len({severity for _, severity in told.values()}) == 2
