"""The machine formats of a whole run, held against their schemas."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from jsonschema import Draft202012Validator
from scanner.cli import main

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
DATA = Path(__file__).parents[1] / "data"
MACHINE_FILES = ("findings.ocsf.json", "findings.asff.json")


@pytest.mark.parametrize("name", ["findings", "graph", "summary"])
def test_json_of_the_demo_fits_the_published_schema(demo_run, name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text("ascii"))
    content = json.loads((demo_run.directory / f"{name}.json").read_bytes())
    assert [error.message for error in Draft202012Validator(schema).iter_errors(content)] == []


@pytest.fixture(scope="module")
def exported(demo_run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the demo, copied and rendered again in every machine format."""
    output = tmp_path_factory.mktemp("exported")
    shutil.copytree(demo_run.directory, output / demo_run.directory.name)
    with pytest.raises(SystemExit) as ended:
        main(["report", demo_run.directory.name, "-q", "-o", str(output), "-f", "ocsf,asff"])
    assert ended.value.code == 0
    return output / "latest"


def test_manifest_names_the_machine_formats(exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_bytes())
    for name in MACHINE_FILES:
        content = (exported / name).read_bytes()
        assert manifest["files"][name] == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def test_ocsf_of_the_demo_fits_the_official_schema(demo_run, exported: Path) -> None:
    schema = json.loads((DATA / "ocsf" / "iam_analysis_finding.schema.json").read_text("ascii"))
    events = json.loads((exported / "findings.ocsf.json").read_bytes())
    assert {event["finding_info"]["uid"] for event in events} == {f["id"] for f in demo_run.findings()}
    assert [error.message for event in events for error in Draft202012Validator(schema).iter_errors(event)] == []


def test_asff_of_the_demo_is_what_batch_import_findings_takes(demo_run, exported: Path) -> None:
    operation = get_session().get_service_model("securityhub").operation_model("BatchImportFindings")
    batches = json.loads((exported / "findings.asff.json").read_bytes())
    assert [ParamValidator().validate(batch, operation.input_shape).generate_report() for batch in batches] == [
        "" for _ in batches
    ]
    imported = [finding for batch in batches for finding in batch["Findings"]]
    assert {finding["Id"].split("/")[0] for finding in imported} == {f["id"] for f in demo_run.findings()}
    ours = {f["key"]["account_id"] for f in demo_run.findings() if f["key"]} | {
        f["grantee"]["account_id"] for f in demo_run.findings() if f["grantee"]["party"] == "own_account"
    }
    assert {finding["AwsAccountId"] for finding in imported} <= ours


def test_ocsf_class_is_chosen_on_the_command_line(demo_run, tmp_path: Path) -> None:
    again = tmp_path / demo_run.directory.name
    shutil.copytree(demo_run.directory, again)
    with pytest.raises(SystemExit):
        main(["report", str(again), "-q", "-f", "ocsf", "--ocsf-class", "detection"])
    events = json.loads((again / "findings.ocsf.json").read_bytes())
    assert {event["class_uid"] for event in events} == {2004}
    schema = json.loads((DATA / "ocsf" / "detection_finding.schema.json").read_text("ascii"))
    assert [error.message for event in events for error in Draft202012Validator(schema).iter_errors(event)] == []
