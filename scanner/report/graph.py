"""graph.json: the access graph in its canonical form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import attrgetter

from scanner import ENGINE
from scanner.model.graph import Graph, GraphEdge
from scanner.report.canonical import compact, lines_of, names_of, object_of

GRAPH = "graph.json"
GRAPH_SCHEMA = 1
"""Rises when a member of the JSON changes its meaning or goes away."""
REMEMBERED = 100_000
"""Parts of edges that are made text once, where edges share them."""
_REST = tuple(name for name in names_of(GraphEdge) if name not in {"source", "target"})
_END = "\0"
"""Stands where an end of an edge comes; no JSON text has it."""


def dump_graph(graph: Graph) -> Iterator[str]:
    """Canonical text, part by part: ASCII, keys sorted, one node and one edge per line, a line feed at the end."""
    fields = {
        "schema_version": GRAPH_SCHEMA, "engine": ENGINE, "max_hops": graph.max_hops, "cut": list(graph.cut),
    }  # fmt: skip
    members = {name: [compact(value)] for name, value in fields.items()}
    nodes, edges = lines_of(map(compact, graph.nodes)), lines_of(_edges(graph.edges))
    yield from object_of({**members, "nodes": nodes, "edges": edges})


def _edges(edges: Iterable[GraphEdge]) -> Iterator[str]:
    """Edge by edge: what many of them share, that is all beside the two ends, is made text once."""
    remembered = lru_cache(REMEMBERED)
    end, around, rest_of = remembered(compact), remembered(_around), attrgetter(*_REST)
    for edge in edges:
        before, between, after = around(rest_of(edge))
        yield f"{before}{end(edge.source)}{between}{end(edge.target)}{after}"


def _around(rest: Iterable[object]) -> tuple[str, ...]:
    """The parts of a line before, between and after the ends of an edge, from the values of its other fields."""
    told = dict(zip(_REST, map(compact, rest), strict=True))
    line = ",".join(f"{compact(name)}:{told.get(name, _END)}" for name in names_of(GraphEdge))
    return tuple(f"{{{line}}}".split(_END))
