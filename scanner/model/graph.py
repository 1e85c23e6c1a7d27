"""The access graph as graph.json holds it: nodes, and edges with the decision and the statements behind them."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.model.decision import StatementRef
from scanner.model.value import value_class


@dataclass(frozen=True, slots=True, order=True)
class GraphNode:
    """Somebody or something. `kind` is account, role, user, session, service, provider, organization, any or key."""

    id: str
    kind: str
    account_id: str = ""


@value_class
class GraphEdge:
    """A claim between two nodes.

    `kind` is `may_assume` (anybody to a role), `may_pass` (to a role that a service runs with), `may_change` (to an
    identity whose trust, credentials or permissions are changed), `may_use` (anybody to a key) or `delegates` (a key to
    the IAM of an account). `actions` are those that share the verdict, or all that a change takes; `mechanism` says
    through what a key is used, `finding_id` which finding shows it.
    """

    kind: str
    source: str
    target: str
    actions: tuple[str, ...]
    verdict: str
    reason: str
    condition: str = ""
    mechanism: str = ""
    finding_id: str = ""
    statements: tuple[StatementRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything that was followed. `max_hops` is the longest chain of roles, `cut` the entry roles where it ended."""

    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[GraphEdge, ...] = ()
    max_hops: int = 0
    cut: tuple[str, ...] = ()
