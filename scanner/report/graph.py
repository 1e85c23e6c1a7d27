"""graph.json: the access graph in its canonical form."""

from __future__ import annotations

from collections.abc import Iterable

from scanner import ENGINE
from scanner.model.graph import Graph, GraphEdge
from scanner.report.canonical import Once, compact, names_of, values_of

GRAPH = "graph.json"
GRAPH_SCHEMA = 1
"""Rises when a member of the JSON changes its meaning or goes away."""


def dump_graph(graph: Graph) -> bytes:
    """Canonical bytes: ASCII, keys sorted, one node and one edge per line, a line feed at the end."""
    fields = {
        "schema_version": GRAPH_SCHEMA, "engine": ENGINE, "max_hops": graph.max_hops, "cut": list(graph.cut),
    }  # fmt: skip
    members = {name: compact(value) for name, value in fields.items()}
    members["nodes"] = _lines(map(compact, graph.nodes))
    members["edges"] = _lines(_edges(graph.edges))
    body = ",\n".join(f"{compact(name)}:{members[name]}" for name in sorted(members))
    return f"{{{body}}}\n".encode("ascii")


def _edges(edges: Iterable[GraphEdge]) -> Iterable[str]:
    """Edge by edge: what many of them share, such as a key or a statement, is made text once."""
    said, values = Once(compact).of, values_of(GraphEdge)
    line = "{" + ",".join(f"{compact(name)}:%s" for name in names_of(GraphEdge)) + "}"
    for edge in edges:
        yield line % tuple(map(said, values(edge)))


def _lines(items: Iterable[str]) -> str:
    listed = ",\n".join(items)
    return f"[\n{listed}\n]" if listed else "[]"
