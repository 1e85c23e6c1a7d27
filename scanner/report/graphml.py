"""graph.graphml: the access graph for Gephi, yEd and networkx, with the same nodes and edges as graph.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from xml.etree import ElementTree as ET

from scanner import ENGINE
from scanner.model.graph import Graph, GraphEdge
from scanner.report.escape import xml_text

GRAPHML = "graph.graphml"
_NAMESPACE = "http://graphml.graphdrawing.org/xmlns"
_FIELDS = {
    "graph": ("engine", "max_hops", "cut"),
    "node": ("arn", "label", "kind", "account_id"),
    "edge": ("kind", "actions", "verdict", "reason", "condition", "mechanism", "finding_id", "statements"),
}
"""What each part of the file declares; all of it is text, so that no reader has to know a type."""


def dump_graphml(graph: Graph) -> bytes:
    """The graph as GraphML, ASCII, in the order of graph.json; lists are JSON.

    Ids of nodes are numbers: an ARN or the name of a principal is a value and never an id, whatever it holds.
    """
    root = ET.Element("graphml", {"xmlns": _NAMESPACE})
    for part, names in _FIELDS.items():
        for name in names:
            ET.SubElement(root, "key", {
                "id": f"{part}_{name}", "for": part, "attr.name": name, "attr.type": "string",
            })  # fmt: skip
    body = ET.SubElement(root, "graph", {"id": "access", "edgedefault": "directed"})
    _say(body, "graph", {"engine": str(ENGINE), "max_hops": str(graph.max_hops), "cut": _listed(graph.cut)})
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    for node in graph.nodes:
        element = ET.SubElement(body, "node", {"id": ids[node.id]})
        name = node.id.rsplit("/", 1)[-1]
        _say(element, "node", {"arn": node.id, "label": name, "kind": node.kind, "account_id": node.account_id})
    for number, edge in enumerate(graph.edges):
        ends = {"source": ids[edge.source], "target": ids[edge.target]}
        _say(ET.SubElement(body, "edge", {"id": f"e{number}", **ends}), "edge", _of_edge(edge))
    ET.indent(root, space="")
    data: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return data + b"\n"


def _of_edge(edge: GraphEdge) -> Mapping[str, str]:
    return {
        "kind": edge.kind, "actions": _listed(edge.actions), "verdict": edge.verdict, "reason": edge.reason,
        "condition": edge.condition, "mechanism": edge.mechanism, "finding_id": edge.finding_id,
        "statements": _listed(asdict(s) for s in edge.statements),
    }  # fmt: skip


def _say(element: ET.Element, part: str, values: Mapping[str, str]) -> None:
    """The values of one part, each under the key that declares it; an empty one says nothing."""
    for name, value in values.items():
        if value:
            ET.SubElement(element, "data", {"key": f"{part}_{name}"}).text = xml_text(value)


def _listed(values: Iterable[object]) -> str:
    return json.dumps(list(values), sort_keys=True, separators=(",", ":"), allow_nan=False)
