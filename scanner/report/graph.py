"""graph.json: the access graph in its canonical form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from scanner import ENGINE
from scanner.model.graph import Graph, GraphEdge
from scanner.report.canonical import Once, compact, lines_of, names_of, object_of, values_of

GRAPH = "graph.json"
GRAPH_SCHEMA = 1
"""Rises when a member of the JSON changes its meaning or goes away."""


def dump_graph(graph: Graph) -> Iterator[str]:
    """Canonical text, part by part: ASCII, keys sorted, one node and one edge per line, a line feed at the end."""
    fields = {
        "schema_version": GRAPH_SCHEMA, "engine": ENGINE, "max_hops": graph.max_hops, "cut": list(graph.cut),
    }  # fmt: skip
    members = {name: [compact(value)] for name, value in fields.items()}
    nodes, edges = lines_of(map(compact, graph.nodes)), lines_of(_edges(graph.edges))
    yield from object_of({**members, "nodes": nodes, "edges": edges})


def _edges(edges: Iterable[GraphEdge]) -> Iterator[str]:
    """Edge by edge: what many of them share, such as a key or a statement, is made text once."""
    said, values = Once(compact).of, values_of(GraphEdge)
    line = "{" + ",".join(f"{compact(name)}:%s" for name in names_of(GraphEdge)) + "}"
    for edge in edges:
        yield line % tuple(map(said, values(edge)))
