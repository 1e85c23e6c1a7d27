"""The access graph as data: nodes, edges with evidence, closure between roles, and what CreateGrant adds."""

from __future__ import annotations

import pytest
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.paths.graph import RoleGraph
from scanner.analyze.paths.hops import NEVER, SURE, rank_of, verdict_of
from scanner.analyze.principals.reach import Population
from scanner.analyze.who_can import Wanted, who_can
from scanner.model.decision import Decision, Verdict
from scanner.model.finding import FindingVerdict
from scanner.model.graph import GraphEdge, GraphNode

from builders import (
    KEY,
    MEMBER,
    OWNER,
    STRANGER,
    allow,
    analyzed,
    deny,
    grant,
    iam,
    key,
    policy,
    principal,
    world,
)
from role_worlds import ASSUMING, DELEGATING, USING, admits, followed, role

VENDOR = iam(STRANGER, "root")
ENTRY = role(MEMBER, "Entry", admits(VENDOR), ASSUMING)
LAST = role(OWNER, "Last", admits(ENTRY.arn), USING)


def test_graph_holds_who_assumes_which_role_and_uses_which_key() -> None:
    graph = followed(ENTRY, LAST).result.graph
    found = {(e.kind, e.source, e.target, e.verdict) for e in graph.edges}
    assert found == {
        ("delegates", KEY, iam(OWNER, "root"), "allowed"),
        ("may_assume", VENDOR, ENTRY.arn, "allowed"),
        ("may_assume", ENTRY.arn, LAST.arn, "allowed"),
        ("may_use", LAST.arn, KEY, "allowed"),
    }
    assert graph.nodes == tuple(sorted((
        GraphNode(KEY, "key", OWNER), GraphNode(ENTRY.arn, "role", MEMBER), GraphNode(LAST.arn, "role", OWNER),
        GraphNode(VENDOR, "account", STRANGER), GraphNode(iam(OWNER, "root"), "account", OWNER),
    )))  # fmt: skip
    assert all(e.statements for e in graph.edges if e.kind != "may_use")
    assert (graph.max_hops, graph.cut) == (5, ())


def test_roles_use_keys_each_by_its_own_actions_and_once() -> None:
    other = KEY[:-1] + "c"
    encrypting = role(MEMBER, "Encrypts", admits(VENDOR), policy(allow(None, "kms:Encrypt")))
    both = role(OWNER, "Both", admits(VENDOR), policy(allow(None, "kms:Decrypt", "kms:Encrypt", Resource=KEY)))
    decrypting = role(OWNER, "Decrypts", admits(VENDOR), USING)
    keys = [key(allow(iam(OWNER, "root"), "kms:*"), arn=arn) for arn in (KEY, other)]
    shared = key(allow(iam(MEMBER, "root"), "kms:*"), arn=KEY[:-1] + "d")
    graph = followed(encrypting, both, decrypting, *keys, shared).result.graph
    used = [(e.source, e.target, e.mechanism, e.actions) for e in graph.edges if e.kind == "may_use"]
    assert sorted(used) == sorted([
        (encrypting.arn, shared.arn, "role", ("kms:Encrypt",)), (both.arn, KEY, "role", ("kms:Decrypt", "kms:Encrypt")),
        (decrypting.arn, KEY, "role", ("kms:Decrypt",)), (decrypting.arn, other, "role", ("kms:Decrypt",)),
        *((e.source, e.target, e.mechanism, e.actions) for e in graph.edges if e.kind == "may_use" and e.finding_id),
    ])  # fmt: skip


def edges(kind: str, *things: object) -> list[GraphEdge]:
    """The edges of one kind."""
    return [e for e in analyzed(world(*things)).result.graph.edges if e.kind == kind]  # type: ignore[arg-type]


def test_direct_use_is_an_edge_with_its_finding() -> None:
    analysis = analyzed(world(key(allow(VENDOR), allow("*", "kms:Encrypt"), grants=(grant(iam(STRANGER, "role/C")),))))
    used = [e for e in analysis.result.graph.edges if e.kind == "may_use"]
    assert {(e.source, e.mechanism) for e in used} == {
        (VENDOR, "key_policy"), ("*", "key_policy"), (iam(STRANGER, "role/C"), "grant"),
    }  # fmt: skip
    assert {e.finding_id for e in used} <= {f.id for f in analysis.findings}
    kinds = {n.id: n.kind for n in analysis.result.graph.nodes}
    assert (kinds["*"], kinds[VENDOR], kinds[iam(STRANGER, "role/C")]) == ("any", "account", "role")


def test_every_kind_of_end_is_a_node() -> None:
    provider = f"arn:aws:iam::{OWNER}:oidc-provider/token.actions.githubusercontent.com"
    trust = policy(
        *admits({"Federated": provider}, "sts:AssumeRoleWithWebIdentity")["Statement"],
        *admits({"Service": "rolesanywhere.amazonaws.com"})["Statement"],
        *admits({"Federated": "accounts.google.com"}, "sts:AssumeRoleWithWebIdentity")["Statement"],
    )
    given = key(allow(iam(OWNER, "root"), "kms:*"), allow(iam(STRANGER, "assumed-role/R/s")))
    kinds = {n.id: n.kind for n in followed(given, role(OWNER, "Ci", trust, USING)).result.graph.nodes}
    assert kinds[f"{provider}#*"] == kinds["accounts.google.com#*"] == "provider"
    assert kinds["rolesanywhere.amazonaws.com"] == "service"
    assert kinds[iam(STRANGER, "assumed-role/R/s")] == "session"


def test_delegation_under_a_condition_is_conditional_and_an_unread_policy_has_none() -> None:
    when = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    (edge,) = edges("delegates", key(allow(iam(OWNER, "root"), when=when), deny("*", "kms:Sign"), allow("*")))
    assert (edge.verdict, edge.actions) == ("conditional", ("kms:Decrypt",))
    assert edges("delegates", key(key_policy=None, gaps={"key_policy": "row"})) == []
    assert edges("delegates", key(allow(None, NotPrincipal={"AWS": [VENDOR]}))) == []


def test_graph_is_the_same_whatever_the_order_of_the_world() -> None:
    forward = followed(ENTRY, LAST, DELEGATING).result.graph
    assert followed(DELEGATING, LAST, ENTRY).result.graph == forward


def test_closure_is_judged_once_and_remembered() -> None:
    graph = RoleGraph(Population(world(ENTRY, LAST)))
    assert graph.closure(ENTRY.arn) is graph.closure(ENTRY.arn)
    assert [s.role.arn for s in graph.onward(ENTRY.arn)] == [LAST.arn]
    assert graph.onward(LAST.arn) == ()


@pytest.mark.parametrize(
    ("decision", "verdict"),
    [
        (Decision(Verdict.ALLOWED, ""), FindingVerdict.CONFIRMED),
        (Decision(Verdict.CONDITIONAL, "", caller_chosen=True), FindingVerdict.CONDITIONAL),
        (Decision(Verdict.UNKNOWN, "", conditional_access=True), FindingVerdict.CONDITIONAL),
        (Decision(Verdict.UNKNOWN, ""), FindingVerdict.POSSIBLE),
        (Decision(Verdict.LATENT, ""), FindingVerdict.BLOCKED),
    ],
)
def test_rank_of_a_decision_is_its_finding_verdict(decision: Decision, verdict: FindingVerdict) -> None:
    assert NEVER < rank_of(decision) <= SURE
    assert verdict_of(rank_of(decision)) is verdict


# -- who-can ----------------------------------------------------------------------------------------------------------


def test_who_can_lists_paths_with_the_roles_assumed() -> None:
    given = world(ENTRY, LAST, DELEGATING)
    answer = who_can(given, DELEGATING, AnalysisRules(), Wanted())
    lines = {(a.selector, a.path, a.mechanism) for a in answer.access}
    assert (VENDOR, f"{ENTRY.arn} > {LAST.arn}", "role") in lines
    assert answer.role_paths == "1 outsider reaches 1 key; 1 of ours reaches 1 key"
    (line,) = (a for a in answer.access if a.selector == VENDOR)
    assert (line.principals, line.verdict) == ((VENDOR,), FindingVerdict.CONFIRMED)


def test_who_can_leaves_out_roles_that_lead_nowhere_and_keeps_those_that_an_open_role_lets_in() -> None:
    everybody = role(OWNER, "Everybody", admits("*"), USING)
    apart = role("333333333333", "Apart", admits(VENDOR), ASSUMING)
    for roles in ((ENTRY, LAST, apart), (ENTRY, everybody, apart)):
        given = world(*roles, DELEGATING)
        told = {a.path for a in who_can(given, DELEGATING, AnalysisRules(), Wanted()).access if a.mechanism == "role"}
        rows = {row.path for row in analyzed(given).access if row.mechanism == "role"}
        assert told == {path for path in rows if path in told}
        assert {path.rsplit(" > ", 1)[-1] for path in told} == {path.rsplit(" > ", 1)[-1] for path in rows}


# -- CreateGrant ------------------------------------------------------------------------------------------------------


def test_create_grant_by_policy_gives_whoever_has_it_everything_a_grant_can() -> None:
    found = analyzed(world(key(allow(VENDOR, "kms:CreateGrant")))).external
    assert found.verdict_reasons == ("delegated_to_third_party", "create_grant_escalation")
    assert "by a grant that it creates it can give itself or anybody Decrypt" in found.summary
    assert found.summary.endswith("more (R4.19)")
    assert {r.rule for r in found.rules} >= {"R4.19", "R8.2"}


@pytest.mark.parametrize(
    "when",
    [
        {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        {"StringEquals": {"kms:GranteePrincipal": iam(STRANGER, "role/One")}},
    ],
)
def test_fenced_create_grant_gives_no_more(when: dict[str, object]) -> None:
    found = analyzed(world(key(allow(VENDOR, "kms:CreateGrant", when=when)))).external
    assert "create_grant_escalation" not in found.verdict_reasons


def test_create_grant_by_grant_gives_the_operations_of_that_grant_only() -> None:
    held = (grant(iam(STRANGER, "role/C"), "CreateGrant", "Decrypt"), grant(iam(STRANGER, "role/C"), "Encrypt"))
    found = analyzed(world(key(grants=held))).external
    assert "create_grant_escalation" in {r for c in found.capabilities for r in c.reasons}
    assert found.summary.endswith("by a grant that it creates it can give anybody Decrypt (R4.20)")
    alone = analyzed(world(key(grants=(grant(iam(STRANGER, "role/C"), "CreateGrant"),)))).external
    assert "by a grant" not in alone.summary


def test_blocked_create_grant_gives_nothing() -> None:
    given = world(key(allow(iam(MEMBER, "role/App"), "kms:CreateGrant")), principal(iam(MEMBER, "role/App")))
    assert "create_grant_escalation" not in analyzed(given).external.verdict_reasons


def test_step_that_paths_take_under_several_conditions_is_one_edge_for_each_in_every_analysis() -> None:
    """A gets to B surely once it is rewritten, and under a condition as it is; both are on paths with a change."""
    other, private = "888877776666", {"StringEquals": {"aws:SourceVpce": "vpce-1"}}
    rewriting = ("iam:PutRolePolicy", "sts:AssumeRole")
    a, b, c = iam(OWNER, "role/A"), iam(MEMBER, "role/B"), iam(MEMBER, "role/C")
    roles = [
        role(OWNER, "E1", admits(iam(STRANGER, "root")), policy(allow(None, *rewriting, Resource=a))),
        role(OWNER, "E2", admits(iam(other, "root")), policy(allow(None, "sts:AssumeRole", Resource=a))),
        role(OWNER, "A", admits({"AWS": [iam(OWNER, "role/E1"), iam(OWNER, "role/E2")]}),
             policy(allow(None, "sts:AssumeRole", when=private, Resource=b))),
        role(MEMBER, "B", admits(a), policy(allow(None, *rewriting, Resource=c))),
        role(MEMBER, "C", admits(b)),
    ]  # fmt: skip
    used = key(allow(iam(MEMBER, "root"), "kms:*"), arn=KEY.replace(OWNER, MEMBER))
    graphs = [followed(*roles, used, by_class=by).result.graph for by in (True, False) for _ in range(3)]
    assert all(graph == graphs[0] for graph in graphs)
    assert [(e.verdict, bool(e.condition)) for e in graphs[0].edges if (e.source, e.target) == (a, b)] == [
        ("allowed", False), ("conditional", True),
    ]  # fmt: skip
