"""The access graph as graph.json holds it, made from what was judged on the way to the findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from scanner.analyze.decision.gates import statement_ref
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.paths.approaches import Approach
from scanner.analyze.paths.forms import AS_IT_IS, identity_of
from scanner.analyze.paths.hops import ChangeKind, Step, hop_of
from scanner.analyze.paths.role_paths import RolePaths
from scanner.analyze.paths.role_use import Use
from scanner.analyze.principals.selectors import KEY_POLICY, NamedStatement, selector_of
from scanner.model.arn import parse_arn
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.model.graph import Graph, GraphEdge, GraphNode
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect
from scanner.model.world import World

MAY_ASSUME, MAY_USE, DELEGATES = "may_assume", "may_use", "delegates"
MAY_PASS, MAY_CHANGE = "may_pass", "may_change"
BY_CHANGE = "iam_change"
"""The mechanism of a use that a role has only once its permissions or its boundary were changed."""
_KINDS = {"role": "role", "user": "user", "assumed-role": "session", "federated-user": "session", "key": "key"}


def graph_of(through_roles: RolePaths, findings: Sequence[Finding], keys: Sequence[KeyFacts]) -> Graph:
    """Nodes and edges in a fixed order: who may become whom, who may use which key, which keys trust IAM."""
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
    for arn in sorted({node for start in entered for node in paths.graph.closure(start).chains}):
        for step in paths.graph.onward(arn) if identity_of(arn)[1] == AS_IT_IS else ():
            if step.change is None:
                yield _assume_edge(paths.world, step, arn)
    for step in _further(through_roles):
        yield _change_edge(paths.world, step) if step.change else _assume_edge(paths.world, step, step.caller.text)


def _further(through_roles: RolePaths) -> Iterator[Step]:
    """The steps of paths that some change is on: of what could be changed besides, the graph does not tell."""
    reached = (a for landings in through_roles.landings for landing in landings for a in landing.approaches)
    chains = {id(a.way.chain): a.way.chain for a in reached}
    changing = (chain for chain in chains.values() if any(s.change for s in chain.steps))
    found = {(s.caller.text, s.node, s.action): s for chain in changing for s in chain.steps}
    return (step for _, step in sorted(found.items()))


def _change_edge(world: World, step: Step) -> GraphEdge:
    """A change that a followed chain makes; the other changes that somebody could make as well are not listed."""
    hop = hop_of(world, step)
    passes = step.change is not None and step.change.kind is ChangeKind.LAUNCH
    return GraphEdge(
        MAY_PASS if passes else MAY_CHANGE, hop.principal, hop.role_arn, tuple(hop.edge.split(" + ")), hop.verdict,
        hop.reason, hop.condition, BY_CHANGE, statements=hop.statements,
    )  # fmt: skip


def _assume_edge(world: World, step: Step, source: str) -> GraphEdge:
    hop = hop_of(world, step)
    return GraphEdge(
        MAY_ASSUME, source, hop.role_arn, (hop.edge,), hop.verdict, hop.reason, hop.condition, "trust_policy",
        statements=hop.statements,
    )  # fmt: skip


# -- may_use ----------------------------------------------------------------------------------------------------------


def _used_by_roles(through_roles: RolePaths) -> Iterator[GraphEdge]:
    """What every role on a path can do itself, and what paths reach by changes: the actions that share a decision."""
    paths = through_roles.paths
    entered = {s.role.arn for claim in through_roles.claims for s in claim.sources}
    known: dict[int, _Grouped] = {}
    for node in sorted({n for start in entered for n in paths.graph.closure(start).chains}):
        if identity_of(node)[1] == AS_IT_IS:
            for key_arn, uses in sorted(paths.uses_of(node).by_key().items()):
                if id(uses) not in known:  # many identities have the same uses of many keys
                    known[id(uses)] = _grouped(uses)
                yield from _uses(node, key_arn, known[id(uses)], "role")
    changed: dict[tuple[str, str], dict[str, Use]] = {}
    ends: dict[Approach, str] = {}
    for landing in (one for landings in through_roles.landings for one in landings):
        for approach in landing.approaches:
            if approach not in ends:
                node = approach.steps[-1].node
                ends[approach] = node if identity_of(node)[1] != AS_IT_IS else ""
        by_change = [(ends[a], a.way.use) for a in landing.approaches if ends[a]]
        for key in landing.keys:
            for node, use in by_change:
                changed.setdefault((node, key.arn), {})[use.action.name] = use
    for (node, key_arn), reached in sorted(changed.items()):
        yield from _uses(identity_of(node)[0], key_arn, _grouped(reached.values()), BY_CHANGE)


_Grouped = tuple[tuple[tuple[str, str, str], tuple[str, ...]], ...]
"""Verdict, reason and condition, with the actions that share them."""


def _grouped(uses: Iterable[Use]) -> _Grouped:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for use in uses:
        decision = use.decision
        place = (decision.verdict.value, decision.reason, decision.condition)
        groups.setdefault(place, []).append(use.action.iam_name)
    return tuple((place, tuple(actions)) for place, actions in groups.items())


def _uses(arn: str, key_arn: str, grouped: _Grouped, mechanism: str) -> Iterator[GraphEdge]:
    for (verdict, reason, condition), actions in grouped:
        yield GraphEdge(MAY_USE, arn, key_arn, actions, verdict, reason, condition, mechanism)


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
