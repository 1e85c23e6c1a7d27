"""Paths through roles on random small worlds: what is reached equals a naive enumeration of every path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.paths import role_use
from scanner.analyze.paths.hops import ASSUME, NEVER, SURE, rank_of, step
from scanner.analyze.paths.paths import Paths
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller, any_identity_of, resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS
from scanner.model.arn import AccountId, KeyArn
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.world import World

from builders import KEY, MANAGER, MEMBER, OWNER, STRANGER, account, allow, deny, grant, iam, key, policy, text, world
from role_worlds import ASSUMING, USING, admits, role

budget = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
ACCOUNTS = (OWNER, MEMBER)
NAMES = ("A", "B", "C", "D")
ROLES = tuple(iam(owner, f"role/{name}") for owner in ACCOUNTS for name in NAMES[:3])
VENDOR = iam(STRANGER, "root")
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
EXTERNAL_ID = {"StringEquals": {"sts:ExternalId": "one"}}
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}

trusted = st.sampled_from((VENDOR, *ROLES, iam(OWNER, "root"), iam(MEMBER, "root")))
conditions = st.sampled_from((None, None, MFA, EXTERNAL_ID))
trust_statements = st.builds(lambda who, when: admits(who, when=when)["Statement"][0], trusted, conditions)
trust_denials = st.builds(
    lambda who, when: admits(who, when=when)["Statement"][0] | {"Effect": "Deny"}, trusted, conditions
)
trusts = st.builds(
    lambda allows, denials: policy(*allows, *denials),
    st.lists(trust_statements, min_size=1, max_size=2),
    st.lists(trust_denials, max_size=1),
)
DOCUMENTS = (
    ASSUMING, policy(allow(None, "sts:AssumeRole", when=MFA)), USING, policy(allow(None, "kms:*")),
    policy(allow(None, "kms:Decrypt", when=VIA_S3)), policy(deny(None, "kms:Encrypt")),
    *(policy(allow(None, "kms:*", Resource=f"arn:aws:kms:*:{owner}:key/*")) for owner in ACCOUNTS),
)  # fmt: skip
BOUNDARY = policy(allow(None, "kms:Decrypt", "sts:*"))
documents = st.lists(st.sampled_from(DOCUMENTS), max_size=3)
key_statements = st.builds(
    lambda who, actions, when: allow(who, *actions, when=when),
    st.sampled_from((iam(OWNER, "root"), iam(MEMBER, "root"), *ROLES, "*")),
    st.sampled_from((("kms:*",), ("kms:Decrypt",), ("kms:Encrypt", "kms:PutKeyPolicy"))),
    st.sampled_from((None, None, VIA_S3, {"StringEquals": {"kms:CallerAccount": OWNER}})),
)
keys = st.builds(
    lambda statements, grantees: key(*statements, grants=tuple(grant(g, grant_id=g) for g in grantees)),
    st.lists(key_statements, max_size=3),
    st.lists(st.sampled_from((*ROLES, iam(MEMBER, "root"))), max_size=1),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to six roles of two accounts that may assume each other, and a key."""
    roles = [
        role(
            arn.split(":")[4], arn.rsplit("/", 1)[-1], draw(trusts), *draw(documents),
            boundary=draw(st.sampled_from((None, None, None, BOUNDARY))),
        )
        for arn in draw(st.lists(st.sampled_from(ROLES), min_size=1, max_size=6, unique=True))
    ]  # fmt: skip
    return world(*roles, draw(keys), account(MANAGER))


Reached = dict[tuple[str, str], dict[str, int]]
"""By source and entry role: action to the rank of the best path."""


def enumerated(drawn: World, max_hops: int) -> Reached:
    """Every path without repeated roles, one after the other, with nothing left out and nothing remembered."""
    found: Reached = {}
    for selector, callers in _sources(drawn):
        for arn, target in drawn.principals.items():
            if target.account_id == selector.split(":")[4] or selector not in _named(target.trust_policy):
                continue
            entry = max((step(drawn, c, target, ASSUME).rank for c in callers), default=NEVER)
            best: dict[str, int] = {}
            for last, rank in _walks(drawn, arn, entry, (arn,), max_hops):
                for action, use in _uses(drawn, last).items():
                    best[action] = max(best.get(action, NEVER), min(rank, use))
            best = {action: rank for action, rank in best.items() if rank > NEVER}
            if best:
                found[selector, arn] = best
    return found


def _named(trust: Any) -> str:
    """The text of the Allow statements."""

    return json.dumps([s for s in json.loads(trust.text)["Statement"] if s["Effect"] == "Allow"])


def _sources(drawn: World) -> Iterator[tuple[str, list[Caller]]]:
    yield VENDOR, [any_identity_of(drawn, STRANGER, "aws")]
    for owner in ACCOUNTS:
        yield iam(owner, "root"), [resolve_caller(drawn, a) for a in drawn.principals if a.split(":")[4] == owner]
    for arn in ROLES:
        yield arn, [resolve_caller(drawn, arn)] if arn in drawn.principals else []


def _walks(drawn: World, arn: str, rank: int, seen: tuple[str, ...], max_hops: int) -> Iterator[tuple[str, int]]:
    if rank == NEVER:
        return
    yield arn, rank
    if len(seen) == max_hops:
        return
    for target, facts in drawn.principals.items():
        if target not in seen:
            further = step(drawn, resolve_caller(drawn, arn), facts, ASSUME).rank
            yield from _walks(drawn, target, min(rank, further), (*seen, target), max_hops)


def _uses(drawn: World, arn: str) -> dict[str, int]:
    """What a role can do; that it may hold a grant nobody read says something where a policy names its account."""
    (used,) = drawn.keys.values()
    caller = resolve_caller(drawn, arn)
    requests = (Request(caller, a.iam_name, used.arn, action=a, key=used) for a in KEY_ACTIONS)
    decided = {r.operation: decide(drawn, r, trace=False) for r in requests}
    return {
        name: rank_of(decision) for name, decision in decided.items()
        if decision.reason != "grants_not_read" or _is_concerned(used, caller.account_id, name)
    }  # fmt: skip


def _is_concerned(used: KeyFacts, account_id: str, name: str) -> bool:
    """Whether a statement or grant about an action is for everybody, or for somebody of an account (R4.22)."""
    assert used.key_policy is not None
    statements = json.loads(used.key_policy.text)["Statement"]
    covering = [s for s in statements if {f"kms:{name}", "kms:*"} & {*s["Action"]}]
    named = any(s["Principal"] == "*" or account_id in s["Principal"]["AWS"] for s in covering)
    granted = any(name in g.operations and account_id in g.grantee_principal for g in used.grants or ())
    retires = name == "RetireGrant" and bool(used.grants) and account_id == used.account_id
    return named or granted or retires


def suffix(arn: str) -> str:
    """What tells a further key from the one that worlds are drawn with."""
    return "" if arn == KEY else f" {arn}"


def followed(drawn: World, max_hops: int, *, by_class: bool) -> Reached:
    """What the graph says, without what lies beyond the limit."""
    world = RememberingWorld.of(drawn, answers=False, sides=by_class)
    paths = Paths(Population(world), drawn.keys.values(), Trust(), max_hops=max_hops)
    found: Reached = {}
    for claim in paths.claims():
        for arrival in claim.arrivals:
            assert len(arrival.steps) <= max_hops + arrival.way.cut
            if not arrival.way.cut:
                place = (arrival.source.selector.text, arrival.source.role.arn)
                known = found.setdefault(place, {})
                name = f"{arrival.way.use.action.name}{suffix(arrival.key.arn)}"
                known[name] = max(known.get(name, NEVER), arrival.rank)
    return found


@pytest.fixture(autouse=True)
def no_key_is_too_few() -> Iterator[None]:
    """Share also what is done with a single key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(role_use, "FEW_KEYS", 0)
        yield


@budget
@given(worlds(), st.integers(1, 4), st.booleans())
def test_what_is_reached_equals_every_path_one_after_the_other(drawn: World, max_hops: int, by_class: bool) -> None:
    assert followed(drawn, max_hops, by_class=by_class) == enumerated(drawn, max_hops)


@budget
@given(worlds(), st.booleans())
def test_grants_that_nobody_read_leave_a_path_to_everybody_of_whose_account_the_key_knows(
    drawn: World, by_class: bool
) -> None:
    blind = replace(drawn, keys={arn: replace(used, gaps={"grants": "row"}) for arn, used in drawn.keys.items()})
    assert followed(blind, 2, by_class=by_class) == enumerated(blind, 2)


def mirrored(drawn: World) -> World:
    """The world with a twin of every role of OWNER and of every key in MEMBER, alike in all but the account."""

    def moved(policy_text: PolicyText) -> PolicyText:
        written = policy_text.text.replace(OWNER, MEMBER)
        return text(written, policy_text.kind, policy_text.source.replace(OWNER, MEMBER), policy_text.name)

    roles = {arn: p for arn, p in drawn.principals.items() if p.account_id == OWNER}
    twins = [
        replace(
            p, arn=arn.replace(OWNER, MEMBER), account_id=AccountId(MEMBER),
            identity_policies=tuple(map(moved, p.identity_policies)),
            boundary=p.boundary and moved(p.boundary), trust_policy=p.trust_policy and moved(p.trust_policy),
        )
        for arn, p in roles.items()
    ]  # fmt: skip
    keys = {**drawn.keys}
    for used in drawn.keys.values():
        assert used.key_policy is not None
        twin = replace(
            used, arn=KeyArn(used.arn.replace(OWNER, MEMBER)), account_id=AccountId(MEMBER),
            key_policy=moved(used.key_policy),
        )  # fmt: skip
        keys[twin.arn] = twin
        keys[KeyArn(f"{used.arn[:-1]}d")] = replace(used, arn=KeyArn(f"{used.arn[:-1]}d"))
    return replace(drawn, principals={**roles, **{t.arn: t for t in twins}}, keys=keys)


@budget
@given(worlds())
def test_answers_shared_between_keys_and_accounts_are_those_of_each(drawn: World) -> None:
    both = mirrored(drawn)
    assert followed(both, 3, by_class=True) == followed(both, 3, by_class=False)


@budget
@given(worlds())
def test_longer_limit_never_reaches_less(drawn: World) -> None:
    shorter, longer = (followed(drawn, limit, by_class=True) for limit in (2, 3))
    for place, actions in shorter.items():
        assert all(longer[place][name] >= rank for name, rank in actions.items())


@budget
@given(worlds(), st.integers(1, 3))
def test_chain_that_is_cut_is_never_silent(drawn: World, max_hops: int) -> None:
    everything, limited = enumerated(drawn, 6), enumerated(drawn, max_hops)
    paths = Paths(Population(drawn), drawn.keys.values(), Trust(), max_hops=max_hops)
    cut = {(s.selector.text, s.role.arn) for c in paths.claims() if c.cut for s in c.sources}
    for place, actions in everything.items():
        assert place in cut or actions == limited.get(place), SURE
