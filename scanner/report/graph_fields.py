"""What each field of graph.json holds, declared once for the published schemas."""

from __future__ import annotations

from collections.abc import Mapping

GRAPH_FIELDS: Mapping[str, Mapping[str, str]] = {
    "Graph": {
        "schema_version": "rises when a field changes its meaning or goes away",
        "engine": "number of the engine that judged",
        "nodes": "everybody and everything that takes part, one per line",
        "edges": "claims between two nodes, one per line",
        "max_hops": "longest chain of assumed roles that was followed",
        "cut": "entry roles of chains that were cut there",
    },
    "GraphNode": {
        "id": "ARN or name of the node",
        "kind": "account, role, user, session, service, provider, organization, any or key",
        "account_id": "account it belongs to; empty where there is none",
    },
    "GraphEdge": {
        "kind": "may_assume, may_use or delegates",
        "source": "id of the node that may",
        "target": "id of the role, key or account",
        "actions": "actions that share the verdict",
        "verdict": "that of the finding that shows the edge, else that of a decision",
        "reason": "reason code of the decision",
        "condition": "what must hold, in words; empty where nothing must",
        "mechanism": "through what a key is used; empty for other edges",
        "finding_id": "finding that shows the edge; empty without one",
        "statements": "the statements that decide",
    },
}
