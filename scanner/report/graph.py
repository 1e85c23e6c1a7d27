"""graph.json: the access graph in its canonical form."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from scanner import ENGINE
from scanner.model.graph import Graph

GRAPH = "graph.json"
GRAPH_SCHEMA = 1
"""Rises when a member of the JSON changes its meaning or goes away."""


def dump_graph(graph: Graph) -> bytes:
    """Canonical bytes: ASCII, keys sorted, one node and one edge per line, a line feed at the end."""
    fields = {
        "schema_version": GRAPH_SCHEMA, "engine": ENGINE, "max_hops": graph.max_hops, "cut": list(graph.cut),
    }  # fmt: skip
    members = {name: _compact(value) for name, value in fields.items()}
    members["nodes"] = _lines(asdict(node) for node in graph.nodes)
    members["edges"] = _lines(asdict(edge) for edge in graph.edges)
    body = ",\n".join(f"{_compact(name)}:{members[name]}" for name in sorted(members))
    return f"{{{body}}}\n".encode("ascii")


def _lines(items: Iterable[dict[str, object]]) -> str:
    listed = ",\n".join(map(_compact, items))
    return f"[\n{listed}\n]" if listed else "[]"


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
