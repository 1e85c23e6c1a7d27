"""The machine formats of a whole run, held against their schemas."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator
from jsonschema import Draft4Validator, Draft202012Validator
from scanner.cli import main

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
DATA = Path(__file__).parents[1] / "data"
FORMATS = "--formats=ocsf,asff,sarif"
MACHINE_FILES = ("findings.ocsf.json", "findings.asff.json", "findings.sarif")


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
        main(["report", demo_run.directory.name, "-q", "-o", str(output), FORMATS])
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


def test_sarif_of_the_demo_points_at_real_lines_of_the_policies_beside_it(demo_run, exported: Path) -> None:
    schema = json.loads((DATA / "sarif" / "sarif-2.1.0-rtm.5.json").read_text("utf-8"))
    log = json.loads((exported / "findings.sarif").read_bytes())
    assert [error.message for error in Draft4Validator(schema).iter_errors(log)] == []
    (run,) = log["runs"]
    assert {result["fingerprints"]["finding/v1"] for result in run["results"]} == {f["id"] for f in demo_run.findings()}
    places = [
        place["physicalLocation"]
        for result in run["results"]
        for place in (*result["locations"], *result.get("relatedLocations", ()))
    ]
    assert len(places) > len(run["results"])
    for place in places:
        lines = (exported / unquote(place["artifactLocation"]["uri"])).read_text("utf-8").split("\n")
        region = place["region"]
        assert 1 <= region["startLine"] <= region["endLine"] <= len(lines)
        if "startColumn" in region:
            assert lines[region["startLine"] - 1][region["startColumn"] - 1 : region["endColumn"] - 1].strip()


def test_policies_beside_sarif_are_those_of_the_snapshot_and_in_the_manifest(demo_run, exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_bytes())
    names = [name for name in manifest["files"] if name.startswith("policies/")]
    cited = {evidence["sha256"] for f in demo_run.findings() for evidence in f["evidence"]}
    assert {hashlib.sha256((exported / name).read_bytes()).hexdigest() for name in names} == cited
    keys = [f["key"] for f in demo_run.findings() if f["key"] and f["mechanism"]["kind"] == "key_policy"]
    wanted = {f"policies/{key['account_id']}/{key['region']}/{key['key_id']}.json" for key in keys}
    assert wanted
    assert wanted <= set(names)


def test_bytes_of_machine_formats_do_not_depend_on_hashes_locale_or_time_zone(
    demo_run, exported: Path, tmp_path: Path
) -> None:
    shutil.copytree(demo_run.directory, tmp_path / demo_run.directory.name)
    program = (
        f"from scanner.cli import main; main(['report', {demo_run.directory.name!r}, '-o', '.', '-q', {FORMATS!r}])"
    )
    elsewhere = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "XXX+11:30"}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=elsewhere, capture_output=True, check=True)
    again = tmp_path / demo_run.directory.name
    names = [path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()]
    made = [name for name in names if name in MACHINE_FILES or name.startswith("policies/")]
    assert len(made) > len(MACHINE_FILES)
    assert [name for name in made if (again / name).read_bytes() != (exported / name).read_bytes()] == []


def test_policy_that_an_earlier_report_left_is_gone(exported: Path, tmp_path: Path) -> None:
    again = tmp_path / exported.resolve().name
    shutil.copytree(exported.resolve(), again)
    stale = again / "policies" / "111122223333" / "eu-west-1" / "gone.json"
    stale.write_text("{}")
    with pytest.raises(SystemExit):
        main(["report", str(again), "-q", FORMATS])
    assert not stale.exists()
    assert list(stale.parent.iterdir())


def test_ocsf_class_is_chosen_on_the_command_line(demo_run, tmp_path: Path) -> None:
    again = tmp_path / demo_run.directory.name
    shutil.copytree(demo_run.directory, again)
    with pytest.raises(SystemExit):
        main(["report", str(again), "-q", "-f", "ocsf", "--ocsf-class", "detection"])
    events = json.loads((again / "findings.ocsf.json").read_bytes())
    assert {event["class_uid"] for event in events} == {2004}
    schema = json.loads((DATA / "ocsf" / "detection_finding.schema.json").read_text("ascii"))
    assert [error.message for event in events for error in Draft202012Validator(schema).iter_errors(event)] == []
