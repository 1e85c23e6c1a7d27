"""The access graph as graph.json holds it, made from what was judged on the way to the findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from scanner.analyze.decision.gates import statement_ref
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.hops import Step, hop_of
from scanner.analyze.paths.paths import Paths
from scanner.analyze.paths.role_paths import RolePaths
from scanner.analyze.principals.selectors import KEY_POLICY, NamedStatement, selector_of
from scanner.model.arn import parse_arn
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.model.graph import Graph, GraphEdge, GraphNode
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect
from scanner.model.world import World

MAY_ASSUME, MAY_USE, DELEGATES = "may_assume", "may_use", "delegates"
_KINDS = {"role": "role", "user": "user", "assumed-role": "session", "federated-user": "session", "key": "key"}


def graph_of(through_roles: RolePaths, findings: Sequence[Finding], keys: Sequence[KeyFacts]) -> Graph:
    """Nodes and edges in a fixed order: who may assume which role, who may use which key, which keys trust IAM."""
    edges = {
        **{_place(e): e for e in _assumed(through_roles)},
        **{_place(e): e for e in _used_by_roles(through_roles)},
        **{_place(e): e for e in _used_directly(findings)},
        **{_place(e): e for key in keys for e in _delegated(key)},
    }
    ordered = tuple(edge for _, edge in sorted(edges.items()))
    ends = {e for edge in ordered for e in (edge.source, edge.target)} | {str(key.arn) for key in keys}
    kinds = {f.grantee.selector: f.grantee.kind for f in findings}
    nodes = tuple(sorted(_node(end, kinds) for end in ends))
    graph = through_roles.paths.graph
    cut = sorted({s.role.arn for c in through_roles.claims for s in c.sources if graph.closure(s.role.arn).beyond})
    return Graph(nodes, ordered, graph.max_hops, tuple(cut))


def _place(edge: GraphEdge) -> tuple[str, ...]:
    return edge.kind, edge.source, edge.target, edge.mechanism, edge.verdict, edge.condition, *edge.actions


def _node(text: str, kinds: dict[str, str]) -> GraphNode:
    arn = parse_arn(text.partition("#")[0])
    account = arn.account_id if arn and arn.account_id != "*" else ""
    if kinds.get(text) == "federated" and "#" in text:
        return GraphNode(text, "provider", account)
    if arn is None:
        return GraphNode(text, kinds.get(text, "any" if text == "*" else "service"))
    if arn.resource == "root":
        return GraphNode(text, "account", account)
    return GraphNode(text, _KINDS.get(arn.resource.partition("/")[0], "provider"), account)


# -- may_assume -------------------------------------------------------------------------------------------------------


def _assumed(through_roles: RolePaths) -> Iterator[GraphEdge]:
    paths = through_roles.paths
    entered: set[str] = set()
    for claim in through_roles.claims:
        for source in claim.sources:
            entered.add(source.role.arn)
            for step in source.steps:
                text = source.selector.text if step.caller.is_provider else step.caller.text
                yield _assume_edge(paths.world, step, text)
    for arn in sorted({target for start in entered for target in paths.graph.closure(start).chains}):
        for step in paths.graph.onward(arn):
            yield _assume_edge(paths.world, step, arn)


def _assume_edge(world: World, step: Step, source: str) -> GraphEdge:
    hop = hop_of(world, step)
    return GraphEdge(
        MAY_ASSUME, source, hop.role_arn, (hop.edge,), hop.verdict, hop.reason, hop.condition, "trust_policy",
        statements=hop.statements,
    )  # fmt: skip


# -- may_use ----------------------------------------------------------------------------------------------------------


def _used_by_roles(through_roles: RolePaths) -> Iterator[GraphEdge]:
    """What every role on a path can do itself: the actions that share a decision."""
    paths = through_roles.paths
    entered = {s.role.arn for claim in through_roles.claims for s in claim.sources}
    for arn in sorted({target for start in entered for target in paths.graph.closure(start).chains}):
        yield from _uses(paths, arn)


def _uses(paths: Paths, arn: str) -> Iterator[GraphEdge]:
    for key_arn, uses in paths.uses_of(arn).items():
        groups: dict[tuple[str, str, str], list[str]] = {}
        for use in uses:
            decision = use.decision
            place = (decision.verdict.value, decision.reason, decision.condition)
            groups.setdefault(place, []).append(use.action.iam_name)
        for (verdict, reason, condition), actions in groups.items():
            yield GraphEdge(MAY_USE, arn, key_arn, tuple(actions), verdict, reason, condition, "role")


def _used_directly(findings: Iterable[Finding]) -> Iterator[GraphEdge]:
    for finding in findings:
        if finding.kind is not Kind.EXTERNAL_ACCESS or finding.verdict is FindingVerdict.INEFFECTIVE:
            continue
        for result in finding.capabilities:
            yield GraphEdge(
                MAY_USE, finding.grantee.selector, finding.resource.arn, result.actions, result.verdict.value,
                result.reasons[0], result.condition, finding.mechanism.kind, finding.id, finding.mechanism.statements,
            )  # fmt: skip


# -- delegates --------------------------------------------------------------------------------------------------------


def _delegated(key: KeyFacts) -> Iterator[GraphEdge]:
    """Accounts whose IAM the key policy lets decide (R2.2)."""
    if key.key_policy is None:
        return
    document = parse_policy(key.key_policy)
    found: dict[str, list[NamedStatement]] = {}
    for statement in document.statements:
        if statement.effect is Effect.ALLOW:
            for entry in statement.principals or ():
                selector = selector_of(entry.value, key.partition)
                if entry.type == "AWS" and selector.kind == "account":
                    found.setdefault(selector.text, []).append(NamedStatement(document, statement))
    for account, named in sorted(found.items()):
        conditional = all(n.statement.conditions for n in named)
        actions = dict.fromkeys(e.value for n in named for e in n.statement.actions or ())
        refs = tuple(statement_ref(n.document, n.statement, n.statement.effect) for n in named)
        verdict = "conditional" if conditional else "allowed"
        yield GraphEdge(
            DELEGATES, key.arn, account, tuple(actions), verdict, "delegated", mechanism=KEY_POLICY, statements=refs
        )
