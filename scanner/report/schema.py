"""Which JSON Schemas are published: types from the code, words from `fields`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import cast

from pydantic import TypeAdapter

from scanner import FINDINGS_SCHEMA
from scanner.model.decision import Verdict
from scanner.model.finding import FindingsDocument, FindingVerdict, Kind, Severity
from scanner.model.graph import Graph
from scanner.model.lifecycle import Baseline, Lifecycle, SuppressionState
from scanner.report.fields import FIELDS
from scanner.report.graph import GRAPH_SCHEMA

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VALUES: Mapping[tuple[str, str], type[StrEnum]] = {
    ("Finding", "lifecycle"): Lifecycle,
    ("Hop", "verdict"): Verdict,
    ("Suppression", "state"): SuppressionState,
    ("SuppressionNote", "state"): SuppressionState,
}
"""Fields that are plain text in the code and hold one of a closed list of values."""

_OPEN = "Members may be added without a new version; a reader ignores those that it does not know."


def findings_schema() -> dict[str, object]:
    """The schema of findings.json."""
    schema = _of(TypeAdapter(FindingsDocument), "FindingsDocument")
    _properties(schema)["schema_version"]["const"] = FINDINGS_SCHEMA
    finding = _properties(cast("dict[str, dict[str, object]]", schema["$defs"])["Finding"])
    finding["id"]["pattern"] = "^kx-[a-z0-9]{12}$"
    finding["fingerprint"]["pattern"] = "^[0-9a-f]{8}$"
    return _headed(schema, "findings", FINDINGS_SCHEMA, "Findings of one run of kms-scan, with their evidence.")


def graph_schema() -> dict[str, object]:
    """The schema of graph.json, which adds two members to the graph."""
    schema = _of(TypeAdapter(Graph), "Graph", extra=("schema_version", "engine"))
    _properties(schema)["schema_version"]["const"] = GRAPH_SCHEMA
    return _headed(schema, "graph", GRAPH_SCHEMA, "Who may assume which role and use which key.")


def summary_schema() -> dict[str, object]:
    """The schema of summary.json. It has no dataclass: each member has the type of what it repeats or counts."""
    run = _properties(cast("dict[str, dict[str, object]]", _of(TypeAdapter(FindingsDocument), "")["$defs"])["RunInfo"])
    counts: dict[str, object] = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
    baseline = _of(TypeAdapter(Baseline), "Baseline")
    nested: Mapping[str, dict[str, object]] = {
        "suppressions": counts,
        "counts": _keyed(Severity, _keyed(FindingVerdict, _keyed(Kind, {"type": "integer", "minimum": 1}))),
        "baseline": {"anyOf": [baseline, {"type": "null"}]},
        "coverage": _object("SummaryCoverage", {"percent": {"type": "number"}}),
        "gate": _object("SummaryGate", {
            "fail_on": run["fail_on"], "min_coverage": run["min_coverage"],
            **{name: {"type": "boolean"} for name in ("findings", "new_only", "coverage")},
        }),
        "schema_version": {"type": "integer", "const": FINDINGS_SCHEMA},
        "paths_through_assumed_roles": {"type": "string"},
    }  # fmt: skip
    shared = {name: run[name] for name in FIELDS["Summary"] if name in run}
    schema = _object("Summary", {**shared, **nested})
    return _headed(schema, "summary", FINDINGS_SCHEMA, "Counts, coverage and both gates of one run of kms-scan.")


def _headed(schema: dict[str, object], name: str, version: int, what: str) -> dict[str, object]:
    title = f"{name}.json of kms-scan, version {version}"
    return {
        "$schema": DIALECT, "$id": f"urn:kms-scan:schema:{name}:{version}", **schema, "title": title,
        "description": f"{what} {_OPEN}",
    }  # fmt: skip


def _of(adapter: TypeAdapter[object], name: str, extra: Iterable[str] = ()) -> dict[str, object]:
    """The schema of a dataclass. What we write has every member, so every one is required and has no default."""
    schema = cast("dict[str, object]", adapter.json_schema(mode="serialization"))
    for member in extra:
        _properties(schema)[member] = {"type": "integer"}
    definitions = cast("dict[str, dict[str, object]]", schema.get("$defs", {}))
    for title, definition in (*definitions.items(), *([(name, schema)] if name else [])):
        if "properties" in definition:
            definition.update(_object(title, _properties(definition)))
        else:
            definition.pop("title", None)
    return schema


def _object(name: str, members: Mapping[str, dict[str, object]]) -> dict[str, object]:
    """An object with every field of `name`: a whole number where `members` says nothing else."""
    properties = {}
    for field, text in FIELDS[name].items():
        found = {key: value for key, value in members.get(field, {"type": "integer"}).items() if key not in _DROPPED}
        values = _VALUES.get((name, field))
        properties[field] = {**found, **({"enum": list(values)} if values else {}), "description": text}
    return {"type": "object", "properties": properties, "required": sorted(properties)}


_DROPPED = frozenset({"title", "default"})


def _keyed(names: type[StrEnum], value: dict[str, object]) -> dict[str, object]:
    """An object whose members are named after an enumeration."""
    return {"type": "object", "propertyNames": {"enum": list(names)}, "additionalProperties": value}


def _properties(schema: Mapping[str, object]) -> dict[str, dict[str, object]]:
    return cast("dict[str, dict[str, object]]", schema["properties"])
