"""The published JSON Schemas: tied to the code, complete in words, and held against what is written."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from scanner.model.finding import FindingsDocument
from scanner.model.graph import Graph, GraphEdge, GraphNode
from scanner.model.lifecycle import Baseline, History, Suppression, SuppressionNote
from scanner.report.fields import FIELDS
from scanner.report.graph import dump_graph
from scanner.report.json import dump_findings, dump_summary
from scanner.report.schema import findings_schema, graph_schema, summary_schema

import report_builders as build

ROOT = Path(__file__).parents[3]
SCHEMAS: dict[str, Callable[[], dict[str, object]]] = {
    "findings": findings_schema,
    "graph": graph_schema,
    "summary": summary_schema,
}
each_schema = pytest.mark.parametrize("name", SCHEMAS)


def closed(schema: Any) -> Any:
    """The schema without room for members that it does not describe."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    built = {key: closed(value) for key, value in schema.items()}
    return {**built, "additionalProperties": False} if isinstance(built.get("properties"), dict) else built


def problems(name: str, data: bytes) -> list[str]:
    """What a validator has to say about a file, members without a description included."""
    validator = Draft202012Validator(closed(SCHEMAS[name]()))
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(json.loads(data))]


def full_document(**changes: Any) -> FindingsDocument:
    """A document in which every optional part is there."""
    note = SuppressionNote("kx-pnfc3b5nav5y", "why", "owner", "T-1", "2027-01-01", "active", ("kx-pnfc3b5nav5y",))
    history = History(Baseline("r", "t", 1, "c", "s", "findings", {"new": 1}, ("kx-pnfc3b5nav5y",)), (note,), "5" * 64)
    accepted = build.stranger_finding(suppression=Suppression("why", "owner", "T-1", "2027-01-01", "active"))
    return build.document(
        run=build.run_info(ending_approvals=(build.ENDING,)),
        findings=(*build.document().findings, accepted),
        resolved=(build.partner_finding(),),
        history=history,
        **changes,
    )


def graph() -> Graph:
    """Two nodes and the edge between them."""
    edge = GraphEdge(
        "may_use", "a", "k", ("kms:Decrypt",), "allowed", "", statements=(build.statement("PartnerUse", 3),)
    )
    return Graph((GraphNode("a", "role", build.OWNER), GraphNode("k", "key")), (edge,), 5, ("arn",))


@each_schema
def test_published_schema_is_the_one_the_code_has(name: str, request: pytest.FixtureRequest) -> None:
    path = ROOT / "docs" / "schemas" / f"{name}.schema.json"
    text = json.dumps(SCHEMAS[name](), indent=1, sort_keys=True) + "\n"
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="ascii")
    assert path.read_text("ascii") == text, "run `pytest tests/unit/report/test_schema.py --update-golden`"


@each_schema
def test_published_schema_is_a_schema_of_its_dialect(name: str) -> None:
    schema = SCHEMAS[name]()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


def described(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every property anywhere in a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield from schema["properties"].items()
        for value in schema.values():
            yield from described(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from described(value)


@each_schema
def test_every_field_has_a_description(name: str) -> None:
    found = list(described(SCHEMAS[name]()))
    assert len(found) > 5
    assert [field for field, about in found if not about.get("description")] == []


def reached(kind: Any) -> set[type]:
    """The dataclasses that a value of this type can hold."""
    todo, found = [kind], set()
    while todo:
        current = todo.pop()
        todo += typing.get_args(current)
        if dataclasses.is_dataclass(current) and current not in found:
            found.add(current)
            todo += typing.get_type_hints(current).values()
    return found


def test_descriptions_are_those_of_the_fields_and_of_nothing_else() -> None:
    fields = {
        kind.__name__: {field.name for field in dataclasses.fields(kind)}
        for kind in reached(FindingsDocument) | reached(Graph)
    }
    fields["Graph"] |= {"schema_version", "engine"}
    assert {name: set(texts) for name, texts in FIELDS.items() if not name.startswith("Summary")} == fields
    assert {"Summary", "SummaryCoverage", "SummaryGate"} == {name for name in FIELDS if name.startswith("Summary")}


def test_what_is_written_fits_the_schemas_and_has_no_other_member() -> None:
    for document in (full_document(), build.document(findings=())):
        assert problems("findings", build.whole(dump_findings(document))) == []
        assert problems("summary", dump_summary(document)) == []
    assert problems("graph", build.whole(dump_graph(graph()))) == []
    assert problems("graph", build.whole(dump_graph(Graph()))) == []


@pytest.mark.parametrize("text", build.HOSTILE, ids=range(len(build.HOSTILE)))
def test_hostile_text_fits_the_schema(text: str) -> None:
    document = build.hostile_document(text)
    assert problems("findings", build.whole(dump_findings(document))) == []
    assert problems("summary", dump_summary(document)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"critical"', b'"terrible"'),
        (b'"lifecycle":"new"', b'"lifecycle":"newer"'),
        (b'"schema_version":1', b'"schema_version":2'),
        (b'"kx-pnfc3b5nav5y"', b'"pnfc3b5nav5y"'),
        (b'"truncated":false', b'"truncated":0'),
        (b'"fingerprint":"a1fce436",', b""),
    ],
)
def test_file_that_is_none_does_not_fit(before: bytes, after: bytes) -> None:
    data = build.whole(dump_findings(build.document()))
    assert before in data
    assert problems("findings", data.replace(before, after)) != []
