"""graph.graphml: the access graph for Gephi, yEd and networkx, with the same nodes and edges as graph.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter

from scanner import ENGINE
from scanner.model.graph import Graph, GraphEdge
from scanner.report.canonical import compact
from scanner.report.escape import xml_element_text
from scanner.report.graph import REMEMBERED

GRAPHML = "graph.graphml"
_NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
_FIELDS = {
    "graph": ("engine", "max_hops", "cut"),
    "node": ("arn", "label", "kind", "account_id"),
    "edge": ("kind", "actions", "verdict", "reason", "condition", "mechanism", "finding_id", "statements"),
}
"""What each part of the file declares; all of it is text, so that no reader has to know a type."""


def dump_graphml(graph: Graph) -> Iterator[str]:
    """The graph as GraphML, part by part: ASCII, in the order of graph.json; lists are JSON.

    Ids of nodes are numbers: an ARN or the name of a principal is a value and never an id, whatever it holds.
    """
    yield f"<?xml version='1.0' encoding='us-ascii'?>\n<graphml xmlns=\"{_NAMESPACE}\">\n"
    for part, names in _FIELDS.items():
        for name in names:
            yield f'<key id="{part}_{name}" for="{part}" attr.name="{name}" attr.type="string" />\n'
    yield '<graph id="access" edgedefault="directed">\n'
    yield _said("graph", "engine", str(ENGINE))
    yield _said("graph", "max_hops", str(graph.max_hops))
    yield _said("graph", "cut", graph.cut)
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        label = node.id.rsplit("/", 1)[-1]
        values = {"arn": node.id, "label": label, "kind": node.kind, "account_id": node.account_id}
        data = "".join(_said("node", name, value) for name, value in values.items())
        yield f'<node id="{ids[node.id]}">\n{data}</node>\n'
    yield from _edges(graph.edges, ids)
    yield "</graph>\n</graphml>\n"


def _edges(edges: Iterable[GraphEdge], ids: Mapping[str, str]) -> Iterator[str]:
    """Edge by edge: what many of them share, that is all beside the two ends, is made text once."""
    values, said = attrgetter(*_FIELDS["edge"]), lru_cache(REMEMBERED)(_said_of_edge)
    for number, edge in enumerate(edges):
        data = said(values(edge))
        yield f'<edge id="e{number}" source="{ids[edge.source]}" target="{ids[edge.target]}">\n{data}</edge>\n'


def _said_of_edge(values: Iterable[str | Sequence[object]]) -> str:
    return "".join(_said("edge", name, value) for name, value in zip(_FIELDS["edge"], values, strict=True))


def _said(part: str, name: str, value: str | Sequence[object]) -> str:
    """A value of one part, under the key that declares it, a list as JSON; an empty text says nothing."""
    text = xml_element_text(value if isinstance(value, str) else compact(value))
    ascii_text = text.encode("ascii", "xmlcharrefreplace").decode("ascii")
    return f'<data key="{part}_{name}">{ascii_text}</data>\n' if text else ""
