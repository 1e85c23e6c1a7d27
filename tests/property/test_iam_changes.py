"""Changes to IAM on random small worlds: what is reached equals a plain reading of the statements, path by path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanner.analyze.decision.decide import decide
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.paths.hops import ASSUME, BOUND, NEVER, PERHAPS, SURE, rank_of, step
from scanner.analyze.paths.paths import Paths
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller, any_identity_of, resolve_caller
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS
from scanner.model.policy import DocumentKind, PolicyText
from scanner.model.principal import PrincipalFacts, PrincipalKind
from scanner.model.world import World

from builders import MANAGER, OWNER, STRANGER, account, allow, deny, iam, key, policy, principal, text, world
from role_worlds import ASSUMING, USING, admits, role

budget = settings(
    max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
VENDOR = iam(STRANGER, "root")
NAMES = ("A", "B", "C")
ROLES = tuple(iam(OWNER, f"role/{name}") for name in NAMES)
USER = iam(OWNER, "user/U")
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
LAUNCH = ("iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction")
FUNCTIONS = {"Service": "lambda.amazonaws.com"}
ANYTHING = policy(allow(None, "*"))

DOCUMENTS = (
    policy(allow(None, *LAUNCH)), policy(allow(None, "iam:PassRole"), allow(None, "lambda:*", when=MFA)),
    policy(allow(None, "iam:PutRolePolicy")), policy(allow(None, "iam:PutRolePolicy", when=MFA)),
    policy(allow(None, "iam:PutRolePolicy", Resource=ROLES[1])),
    policy(allow(None, "iam:UpdateAssumeRolePolicy", Resource=ROLES[2])), policy(allow(None, "iam:*")),
    policy(allow(None, "iam:DeleteRolePermissionsBoundary")), policy(allow(None, "iam:CreateAccessKey")),
    policy(deny(None, "iam:PutRolePolicy")), policy(deny(None, "kms:Encrypt")), ANYTHING, ASSUMING, USING,
)  # fmt: skip
documents = st.lists(st.sampled_from(DOCUMENTS), max_size=2)
BOUNDARIES = (None, None, policy(allow(None, "iam:*", "kms:Decrypt")), policy(allow(None, "kms:*", "sts:*")))
trusts = st.lists(
    st.sampled_from([admits(who)["Statement"][0] for who in (VENDOR, FUNCTIONS, iam(OWNER, "root"), *ROLES)]),
    min_size=1, max_size=2,
).map(lambda statements: policy(*statements))  # fmt: skip
key_statements = st.builds(
    lambda who, actions: allow(who, *actions),
    st.sampled_from((iam(OWNER, "root"), *ROLES, USER)),
    st.sampled_from((("kms:*",), ("kms:Decrypt",), ("kms:Encrypt", "kms:PutKeyPolicy"))),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to three roles and a user of one account, who may change each other, and a key."""
    things: list[PrincipalFacts] = [
        role(OWNER, name, draw(trusts), *draw(documents), boundary=draw(st.sampled_from(BOUNDARIES)))
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    ]
    if draw(st.booleans()):
        things.append(principal(USER, *draw(documents)))
    return world(*things, key(*draw(st.lists(key_statements, min_size=1, max_size=2))), account(MANAGER))


@dataclass(frozen=True)
class Who:
    """An identity, and what was made of it."""

    arn: str
    rewritten: bool = False
    unbounded: bool = False


def caller_of(drawn: World, who: Who) -> Caller:
    caller = resolve_caller(drawn, who.arn)
    if who.rewritten:
        caller = replace(caller, identity_policies=(text(ANYTHING, DocumentKind.IDENTITY),))
    return replace(caller, boundary=None) if who.unbounded else caller


def may(drawn: World, who: Who, action: str, resource: str = "*") -> int:
    """How surely the statements let somebody do something, read one after the other."""
    caller = caller_of(drawn, who)
    ranks = [granted(caller.identity_policies, action, resource)]
    if caller.boundary is not None:
        ranks.append(granted((caller.boundary,), action, resource))
    return min(ranks)


def granted(policies: tuple[PolicyText, ...], action: str, resource: str) -> int:
    best = NEVER
    for written in (s for p in policies for s in json.loads(p.text)["Statement"]):
        actions = written["Action"] if isinstance(written["Action"], list) else [written["Action"]]
        if not any(fnmatchcase(action, a) for a in actions) or not fnmatchcase(resource, written["Resource"]):
            continue
        if written["Effect"] == "Deny":
            return NEVER
        best = max(best, BOUND if "Condition" in written else SURE)
    return best


def denies(facts: PrincipalFacts) -> bool:
    return any(s["Effect"] == "Deny" for p in facts.identity_policies for s in json.loads(p.text)["Statement"])


def made(drawn: World, maker: Who, target: Who, entry: int) -> Iterator[tuple[Who, int]]:
    """The forms that somebody gives an identity on the way to it."""
    facts = drawn.principals[target.arn]
    kind = "Role" if facts.kind is PrincipalKind.ROLE else "User"
    put = NEVER if target.rewritten else may(drawn, maker, f"iam:Put{kind}Policy", target.arn)
    attach = NEVER if target.rewritten else may(drawn, maker, f"iam:Attach{kind}Policy", target.arn)
    write = max(put, attach)
    if write > PERHAPS and denies(facts):
        write = PERHAPS
    lift = NEVER
    if facts.boundary is not None and not target.unbounded:
        actions = (f"iam:Delete{kind}PermissionsBoundary", f"iam:Put{kind}PermissionsBoundary")
        lift = max(may(drawn, maker, a, target.arn) for a in actions)
    yield replace(target, rewritten=True), min(entry, write)
    yield replace(target, unbounded=True), min(entry, lift)
    yield replace(target, rewritten=True, unbounded=True), min(entry, write, lift)


def moves(drawn: World, who: Who) -> Iterator[tuple[Who, int]]:
    """Whom somebody becomes in one step, and how surely."""
    yield from made(drawn, who, who, SURE)
    for arn, facts in drawn.principals.items():
        if arn == who.arn:
            continue
        if facts.kind is PrincipalKind.USER:
            passwords = [may(drawn, who, f"iam:{verb}LoginProfile", arn) for verb in ("Create", "Update")]
            entry = max(may(drawn, who, "iam:CreateAccessKey", arn), min(passwords))
            entry = max(entry, min(PERHAPS, *passwords) if min(passwords) else min(PERHAPS, max(passwords)))
        else:
            entry = entered(drawn, who, facts)
        yield Who(arn), entry
        yield from made(drawn, who, Who(arn), entry)


def entered(drawn: World, who: Who, facts: PrincipalFacts) -> int:
    ways = [step(drawn, caller_of(drawn, who), facts, ASSUME).rank]
    if "lambda.amazonaws.com" in (facts.trust_policy.text if facts.trust_policy else ""):
        function = f"arn:aws:lambda:*:{OWNER}:function:*"
        launches = [may(drawn, who, action, function) for action in LAUNCH[1:]]
        sources = min(launches[0], may(drawn, who, "lambda:CreateEventSourceMapping"))
        ways.append(min(may(drawn, who, LAUNCH[0], facts.arn), max(min(launches), sources)))
    trust = may(drawn, who, "iam:UpdateAssumeRolePolicy", facts.arn)
    boundary = caller_of(drawn, who).boundary
    kept = boundary is not None and granted((boundary,), ASSUME, facts.arn) == NEVER
    if drawn.principals[who.arn].kind is PrincipalKind.USER and boundary is not None:
        kept = True
    ways.append(min(trust, PERHAPS) if kept else trust)
    return max(ways)


def uses(drawn: World, who: Who) -> dict[str, int]:
    (used,) = drawn.keys.values()
    caller = caller_of(drawn, who)
    requests = (Request(caller, a.iam_name, used.arn, action=a, key=used) for a in KEY_ACTIONS)
    return {r.operation: rank_of(decide(drawn, r, trace=False)) for r in requests}


def walks(drawn: World, who: Who, rank: int, seen: tuple[Who, ...], roles: int) -> Iterator[tuple[Who, int]]:
    if rank == NEVER:
        return
    yield who, rank
    for target, further in moves(drawn, who):
        left = roles - (target.arn != who.arn)
        if target not in seen and left >= 0:
            yield from walks(drawn, target, min(rank, further), (*seen, target), left)


def enumerated(drawn: World, max_hops: int) -> dict[str, dict[str, int]]:
    """By entry role what the vendor gets at, by every path."""
    found: dict[str, dict[str, int]] = {}
    stranger = any_identity_of(drawn, STRANGER, "aws")
    for arn, facts in drawn.principals.items():
        if facts.kind is not PrincipalKind.ROLE:
            continue
        best: dict[str, int] = {}
        reached: dict[Who, int] = {}
        for who, rank in walks(drawn, Who(arn), step(drawn, stranger, facts, ASSUME).rank, (Who(arn),), max_hops - 1):
            reached[who] = max(reached.get(who, NEVER), rank)
        for who, rank in reached.items():
            for action, use in uses(drawn, who).items():
                best[action] = max(best.get(action, NEVER), min(rank, use))
        if any(best.values()):
            found[arn] = {action: rank for action, rank in best.items() if rank > NEVER}
    return found


def followed(drawn: World, max_hops: int, **rules: Any) -> dict[str, dict[str, int]]:
    paths = Paths(Population(drawn), drawn.keys.values(), Trust(), max_hops=max_hops, **rules)
    found: dict[str, dict[str, int]] = {}
    for claim in paths.claims():
        for arrival in claim.arrivals:
            if not arrival.way.cut and arrival.source.selector.text == VENDOR:
                known = found.setdefault(arrival.source.role.arn, {})
                name = arrival.way.use.action.name
                known[name] = max(known.get(name, NEVER), arrival.rank)
    return found


@budget
@given(worlds(), st.integers(1, 3), st.booleans())
def test_what_changes_reach_equals_a_plain_reading_of_every_path(drawn: World, max_hops: int, by_class: bool) -> None:
    world = RememberingWorld.of(drawn, answers=False, sides=by_class)
    assert followed(world, max_hops) == enumerated(drawn, max_hops)


@budget
@given(worlds())
def test_changes_only_ever_add(drawn: World) -> None:
    less, more = (followed(drawn, 3, iam_changes=flag) for flag in (False, True))
    for arn, actions in less.items():
        assert all(more[arn][name] >= rank for name, rank in actions.items())
