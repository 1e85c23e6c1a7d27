"""graph.graphml says what graph.json says, and any XML reader can read it, whatever the names hold."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from scanner.model.decision import StatementRef
from scanner.model.graph import Graph, GraphEdge, GraphNode
from scanner.report.escape import visible, xml_text
from scanner.report.graph import dump_graph
from scanner.report.graphml import dump_graphml

import report_builders as build
from builders import MEMBER, OWNER, STRANGER, iam
from role_worlds import ASSUMING, DELEGATING, USING, admits, followed, role

ENTRY = role(MEMBER, "Entry", admits(iam(STRANGER, "root")), ASSUMING)
LAST = role(OWNER, "Last", admits(ENTRY.arn), USING)
SPACE = "{http://graphml.graphdrawing.org/xmlns}"
LISTS = {"actions", "statements", "cut"}


def read(data: bytes) -> dict[str, Any]:
    """The graph of a GraphML file in the form of graph.json, by what the file itself declares."""
    root = ET.fromstring(data)  # our own file
    names = {key.get("id"): key.get("attr.name") for key in root.iter(f"{SPACE}key")}
    (graph,) = root.iter(f"{SPACE}graph")

    def said(element: ET.Element) -> dict[str, Any]:
        values = {names[d.get("key")]: d.text or "" for d in element.findall(f"{SPACE}data")}
        return {name: json.loads(v) if name in LISTS else v for name, v in values.items()}

    nodes = {n.get("id"): said(n) for n in graph.iter(f"{SPACE}node")}
    edges = [
        said(e) | {end: nodes[e.get(end)]["arn"] for end in ("source", "target")} for e in graph.iter(f"{SPACE}edge")
    ]
    return {**said(graph), "nodes": list(nodes.values()), "edges": edges}


def without_empty(values: dict[str, Any]) -> dict[str, Any]:
    """Members that say something."""
    return {name: value for name, value in values.items() if value or name in LISTS}


def expected(graph: Graph) -> dict[str, Any]:
    """What graph.json says, in the words of GraphML."""
    told = json.loads(build.whole(dump_graph(graph)))
    nodes = [
        without_empty({"arn": n["id"], "label": n["id"].rsplit("/", 1)[-1], "kind": n["kind"],
                       "account_id": n["account_id"]}) for n in told["nodes"]
    ]  # fmt: skip
    edges = [without_empty(edge) for edge in told["edges"]]
    return {"engine": str(told["engine"]), "max_hops": str(told["max_hops"]), "cut": told["cut"], "nodes": nodes,
            "edges": edges}  # fmt: skip


def test_graphml_says_what_graph_json_says_in_bytes_that_never_differ() -> None:
    graph = followed(ENTRY, LAST, role(OWNER, "Ünïcode", admits(iam(STRANGER, "root")), USING), DELEGATING).result.graph
    data = build.whole(dump_graphml(graph))
    assert len(graph.edges) > 3
    assert read(data) == expected(graph)
    assert data.isascii()
    assert data == build.whole(dump_graphml(followed(DELEGATING, LAST, ENTRY, role(
        OWNER, "Ünïcode", admits(iam(STRANGER, "root")), USING)).result.graph))  # fmt: skip


def test_graphml_of_nothing_is_complete() -> None:
    told = read(build.whole(dump_graphml(Graph())))
    assert told == {"engine": "1", "max_hops": "0", "cut": [], "nodes": [], "edges": []}


ODD_NAMES = pytest.mark.parametrize(
    "text", [*build.HOSTILE, "\x00\x1b[0m\ud800\ufffe\uffff", "]]><a>&b;", "\r\n\t x", "arn:…/\u202e"]
)


def named_throughout(text: str) -> Graph:
    """A graph in which whatever has a name has this one."""
    ref = StatementRef(text, text, "0" * 64, 0, text, "Allow", 1, 2)
    edge = GraphEdge("may_use", text, "key", (text,), "allowed", text, text, text, text, (ref,))
    return Graph((GraphNode(text, "any", text), GraphNode("key", "key")), (edge, edge), 1, (text,))


@ODD_NAMES
def test_file_is_byte_for_byte_what_an_xml_library_makes_of_it(text: str) -> None:
    namespace = f' xmlns="{SPACE.strip("{}")}"'.encode()
    data = build.whole(dump_graphml(named_throughout(text)))
    assert data.count(namespace) == 1
    bare = data.replace(namespace, b"")
    again: bytes = ET.tostring(ET.fromstring(bare), encoding="us-ascii", xml_declaration=True)
    assert again + b"\n" == bare


@ODD_NAMES
def test_hostile_names_are_readable_xml_and_hide_nothing(text: str) -> None:
    told = read(build.whole(dump_graphml(named_throughout(text))))
    assert told["nodes"][0]["arn"] == told["edges"][0]["source"] == xml_text(text)
    assert told["edges"][0]["condition"] == xml_text(text)
    assert told["edges"][0]["actions"] == [text]
    assert told["edges"][0]["statements"][0]["sid"] == text


def test_names_that_look_the_same_stay_apart() -> None:
    nodes = (GraphNode("a\u202e", "any"), GraphNode("a\\u202e", "any"))
    edge = GraphEdge("may_assume", nodes[0].id, nodes[1].id, ("sts:AssumeRole",), "allowed", "")
    root = ET.fromstring(build.whole(dump_graphml(Graph(nodes, (edge,)))))  # our own file
    assert [n.get("id") for n in root.iter(f"{SPACE}node")] == ["n0", "n1"]
    (drawn,) = root.iter(f"{SPACE}edge")
    assert (drawn.get("source"), drawn.get("target")) == ("n0", "n1")


def test_xml_text_is_visible_text_without_what_xml_forbids() -> None:
    assert xml_text("a\ufffe\uffffb\x08\ud800") == "a\\ufffe\\uffffb\\x08\\ud800"
    assert xml_text("a\tb\nc") == visible("a\tb\nc") == "a\tb\nc"
