"""The machine formats of a whole run, held against their schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize("name", ["findings", "graph", "summary"])
def test_json_of_the_demo_fits_the_published_schema(demo_run, name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("ascii"))
    content = json.loads((demo_run.directory / f"{name}.json").read_bytes())
    assert [error.message for error in Draft202012Validator(schema).iter_errors(content)] == []
