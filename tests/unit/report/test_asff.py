"""ASFF of findings: against botocore's model of BatchImportFindings and the documented limits."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
from botocore.model import Shape
from botocore.session import get_session
from botocore.validate import ParamValidator
from scanner.errors import SnapshotError
from scanner.model.finding import Finding, FindingsDocument, Kind, ResourceRef, Severity
from scanner.model.lifecycle import Suppression
from scanner.report.asff import dump_asff

import report_builders as build

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
LENGTHS = {
    "Id": 512, "ProductArn": 2048, "GeneratorId": 512, "Title": 256, "Description": 1024, "AwsAccountName": 50,
    "ProductName": 128,
}  # fmt: skip


@lru_cache
def request_shape() -> Shape:
    """What BatchImportFindings takes."""
    return get_session().get_service_model("securityhub").operation_model("BatchImportFindings").input_shape


def beyond_the_model(shape: Shape, value: Any, path: str = "") -> Iterator[str]:
    """What botocore's validator lets through: members, patterns and enumerations that are none."""
    if shape.type_name == "structure":
        for name, item in value.items():
            if name in shape.members:
                yield from beyond_the_model(shape.members[name], item, f"{path}.{name}")
            else:
                yield f"{path}.{name} is no member"
    elif shape.type_name == "list":
        for place, item in enumerate(value):
            yield from beyond_the_model(shape.member, item, f"{path}[{place}]")
    elif shape.type_name == "map":
        for name, item in value.items():
            yield from beyond_the_model(shape.key, name, f"{path} key")
            yield from beyond_the_model(shape.value, item, f"{path}.{name}")
    elif shape.type_name == "string":
        if not re.search(shape.metadata.get("pattern", ""), value):
            yield f"{path} is blank"
        if value not in (shape.metadata.get("enum") or [value]):
            yield f"{path} is {value}"


def over_the_limits(finding: dict[str, Any]) -> Iterator[str]:
    """Limits that the documentation has and the model has not."""
    for name, limit in LENGTHS.items():
        if len(finding.get(name, "")) > limit:
            yield name
    fields = finding["ProductFields"]
    if len(fields) > 50 or any(len(key) > 128 or len(value) > 2048 for key, value in fields.items()):
        yield "ProductFields"
    if len(json.dumps(finding, ensure_ascii=False).encode()) > 240_000:
        yield "size"
    if not 1 <= len(finding["Resources"]) <= 32:
        yield "Resources"
    for resource in finding["Resources"]:
        tags = resource.get("Tags", {})
        if len(tags) > 50 or any(len(key) > 128 or len(value) > 256 for key, value in tags.items()):
            yield "Tags"
        if len(resource.get("Region", "")) > 16 or len(resource["Id"]) > 512:
            yield "Resource"
    if len(finding.get("Remediation", {}).get("Recommendation", {}).get("Text", "")) > 512:
        yield "Remediation"
    if len(finding.get("Note", {}).get("Text", "")) > 512:
        yield "Note"
    if any(not re.fullmatch(r"[^/]+/[^/]+/[^/]+|[^/]+/[^/]+", kind) for kind in finding["Types"]):
        yield "Types"
    for name in ("CreatedAt", "UpdatedAt", "FirstObservedAt", "LastObservedAt"):
        if name in finding and not TIME.fullmatch(finding[name]):
            yield name
    if not re.fullmatch(r"[0-9]{12}", finding["AwsAccountId"]):
        yield "AwsAccountId"


def requests(document: FindingsDocument) -> list[dict[str, Any]]:
    """The requests in a file, each of which Security Hub takes."""
    data = dump_asff(document)
    read: list[dict[str, Any]] = json.loads(data)
    for request in read:
        assert ParamValidator().validate(request, request_shape()).generate_report() == ""
        assert list(beyond_the_model(request_shape(), request)) == []
        assert 1 <= len(request["Findings"]) <= 100
        assert len(json.dumps(request).encode()) < 6_000_000
        assert len({(finding["AwsAccountId"], finding["ProductArn"]) for finding in request["Findings"]}) == 1
        for finding in request["Findings"]:
            assert list(over_the_limits(finding)) == []
    return read


def asff_of(finding: Finding, **changes: Any) -> dict[str, Any]:
    """One finding."""
    ((found,),) = [request["Findings"] for request in requests(build.document(findings=(finding,), **changes))]
    assert isinstance(found, dict)
    return found


def test_findings_of_every_kind_are_taken() -> None:
    several = build.stranger_finding(key=None, keys=(build.key_facts(),) * 40, keys_total=40)
    document = build.document(findings=(*build.document().findings, several), resolved=(build.partner_finding(),))
    assert sum(len(request["Findings"]) for request in requests(document)) == 6


@pytest.mark.parametrize(
    "change",
    [{"Title": "x" * 257}, {"Types": ["x"]}, {"UpdatedAt": "now"}, {"AwsAccountId": "1"}, {"Resources": []}],
)
def test_checks_refuse_what_is_over_the_limits(change: dict[str, Any]) -> None:
    assert list(over_the_limits({**asff_of(build.stranger_finding()), **change})) != []


def test_checks_refuse_what_the_model_does_not_know() -> None:
    found = asff_of(build.stranger_finding())
    for change in ({"Invented": "x"}, {"RecordState": "GONE"}, {"Title": " "}):
        assert list(beyond_the_model(request_shape(), {"Findings": [{**found, **change}]})) != []


def test_run_without_findings_is_an_empty_array() -> None:
    assert dump_asff(build.document(findings=())) == b"[]\n"


def test_finding_says_whose_key_it_is_and_goes_to_the_default_product_there() -> None:
    found = asff_of(build.stranger_finding())
    assert found["Id"] == f"kx-pnfc3b5nav5y/{build.OWNER}"
    assert found["ProductArn"] == f"arn:aws:securityhub:eu-west-1:{build.OWNER}:product/{build.OWNER}/default"
    assert (found["AwsAccountId"], found["Types"]) == (build.OWNER, ["Effects/Data Exposure"])
    (key,) = found["Resources"]
    assert (key["Type"], key["Id"], key["Partition"], key["Region"]) == ("AwsKmsKey", build.KEY_ARN, "aws", "eu-west-1")
    assert key["Tags"] == {"app": "payments", "data-class": "pci"}
    assert key["Details"]["AwsKmsKey"] == {
        "AWSAccountId": build.OWNER, "CreationDate": 1709283600.0, "KeyId": build.KEY_ID, "KeyManager": "CUSTOMER",
        "KeyState": "Enabled", "Origin": "AWS_KMS", "Description": "Encrypts card data at rest",
    }  # fmt: skip


def test_use_of_a_strangers_key_is_reported_by_our_own_account() -> None:
    theirs = ResourceRef("account", f"arn:aws:iam::{build.STRANGER}:root", build.STRANGER, build.STRANGER, "")
    ours = replace(build.stranger_finding().grantee, account_id=build.OWNER, party="own_account")
    found = asff_of(build.stranger_finding(kind=Kind.FOREIGN_KEY_USE, key=None, resource=theirs, grantee=ours))
    assert found["AwsAccountId"] == build.OWNER
    assert found["ProductArn"].startswith("arn:aws:securityhub:us-east-1:")
    assert [resource["Id"] for resource in found["Resources"]] == [f"AWS::::Account:{build.STRANGER}"]


@pytest.mark.parametrize(
    ("arn", "region", "partition"),
    [
        ("arn:aws-cn:iam::012345670123:role/entry", "cn-north-1", "aws-cn"),
        ("arn:aws-us-gov:iam::012345670123:role/entry", "us-gov-west-1", "aws-us-gov"),
        ("arn:aws-iso:iam::012345670123:role/entry", "us-iso-east-1", "aws-us-iso"),
        ("arn:aws-eusc:iam::012345670123:role/entry", "eusc-de-east-1", None),
    ],
)
def test_iam_is_reported_in_the_first_region_of_its_partition(arn: str, region: str, partition: str | None) -> None:
    role = ResourceRef("role", arn, "entry", build.OWNER, "payments-prod")
    found = asff_of(build.stranger_finding(key=None, resource=role, keys=(build.key_facts(),)))
    assert found["ProductArn"].split(":")[1:4] == [arn.split(":")[1], "securityhub", region]
    assert found["Resources"][0]["Type"] == "AwsIamRole"
    assert found["Resources"][0].get("Partition") == partition
    assert found["Resources"][1]["Type"] == "AwsKmsKey"


def test_batches_hold_a_hundred_findings_of_one_account_and_region() -> None:
    other = build.key_facts(arn=build.LOG_KEY_ARN, region="us-east-1")
    here = [build.stranger_finding(id=f"kx-{number:012d}") for number in range(150)]
    there = [build.stranger_finding(id=f"kx-9{number:011d}", key=other) for number in range(2)]
    read = requests(build.document(findings=tuple(here + there)))
    assert [len(request["Findings"]) for request in read] == [100, 50, 2]
    assert len({finding["Id"] for request in read for finding in request["Findings"]}) == 152


def test_batch_stays_below_six_megabytes() -> None:
    keys = tuple(build.key_facts(description="€" * 1000, arn=f"{build.KEY_ARN}{number}") for number in range(30))
    findings = tuple(build.stranger_finding(id=f"kx-{number:012d}", key=None, keys=keys) for number in range(60))
    read = requests(build.document(findings=findings))
    assert len(read) > 1
    assert sum(len(request["Findings"]) for request in read) == 60


def test_finding_that_is_too_large_loses_tags_then_details_then_resources() -> None:
    tags = {f"{number}": "€" * 256 for number in range(50)}
    keys = tuple(build.key_facts(tags=tags, arn=f"{build.KEY_ARN}{number}") for number in range(30))
    (about, *reached) = asff_of(build.stranger_finding(key=None, keys=keys))["Resources"]
    assert about["Type"] == "AwsKmsKey"
    assert len(reached) == 30
    assert all("Tags" not in key and "Details" in key for key in reached)
    described = tuple(replace(key, description="𝒌" * 1024) for key in keys)
    reached = asff_of(build.stranger_finding(key=None, keys=described))["Resources"][1:]
    assert all("Details" not in key for key in reached)


def test_longest_texts_of_widest_characters_still_fit() -> None:
    document = build.hostile_document("𝒌" * 8192)
    found = requests(replace(document, run=replace(document.run, as_of="2026-11-22T00:10:00Z")))
    assert sum(len(request["Findings"]) for request in found) == 3
    assert {len(finding["Resources"]) for request in found for finding in request["Findings"]} == {1}


def test_resolved_finding_is_archived() -> None:
    (request,) = requests(build.document(findings=(), resolved=(build.stranger_finding(lifecycle="resolved"),)))
    (found,) = request["Findings"]
    assert (found["RecordState"], found["Workflow"]) == ("ARCHIVED", {"Status": "RESOLVED"})
    assert asff_of(build.stranger_finding())["RecordState"] == "ACTIVE"


@pytest.mark.parametrize(("state", "status"), [("active", "SUPPRESSED"), ("expired", "NEW"), ("partial", "NEW")])
def test_only_an_entry_that_holds_suppresses(state: str, status: str) -> None:
    found = asff_of(build.stranger_finding(suppression=Suppression("contract", "hr@acme", "T-1", "2027-03-31", state)))
    assert found["Workflow"] == {"Status": status}
    assert found["Note"] == {
        "Text": f"{state} until 2027-03-31: contract", "UpdatedBy": "hr@acme", "UpdatedAt": "2026-11-22T00:10:00Z",
    }  # fmt: skip


def test_times_are_those_of_the_document() -> None:
    found = asff_of(build.stranger_finding(first_seen="2026-11-01T02:03:04+01:00", last_seen="2026-11-20T00:00:00Z"))
    assert (found["CreatedAt"], found["FirstObservedAt"]) == ("2026-11-01T01:03:04Z", "2026-11-01T01:03:04Z")
    assert (found["LastObservedAt"], found["UpdatedAt"]) == ("2026-11-20T00:00:00Z", "2026-11-22T00:10:00Z")
    with pytest.raises(SnapshotError, match="`as_of` is `soon`"):
        dump_asff(build.document(run=build.run_info(as_of="soon")))


def test_severity_has_the_labels_of_security_hub() -> None:
    labels = [asff_of(build.stranger_finding(severity=severity))["Severity"]["Label"] for severity in Severity]
    assert labels == ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL"]
    found = asff_of(build.partner_finding())
    assert found["FindingProviderFields"] == {"Severity": found["Severity"], "Types": found["Types"]}


def test_long_title_and_description_are_cut_visibly() -> None:
    found = asff_of(build.stranger_finding(title="t" * 300, summary="s" * 2000))
    assert (found["Title"], len(found["Description"])) == ("t" * 255 + "…", 1024)


def test_fields_say_verdict_grantee_and_what_weakens_it() -> None:
    fields = asff_of(build.grant_finding())["ProductFields"]
    assert fields["kms-scan/verdict"] == "possible"
    assert fields["kms-scan/grants"] == "a1b2c3"
    assert fields["kms-scan/grantee"] == "arn:aws:iam::222233334444:role/batch"
    assert fields["kms-scan/coverage_refs"].startswith("222233334444/global/")
    assert fields["kms-scan/account_regions_read"] == "409 of 412"
    assert "kms-scan/vendor" not in fields


def test_values_that_security_hub_does_not_know_are_left_out() -> None:
    odd = build.key_facts(state="Creating", origin="EXTERNAL_KEY_STORE", description=" ", created="", tags={"a": ""})
    (key,) = asff_of(build.stranger_finding(key=odd))["Resources"]
    assert set(key["Details"]["AwsKmsKey"]) == {"AWSAccountId", "KeyId", "KeyManager"}
    assert "Tags" not in key


@pytest.mark.parametrize("text", build.HOSTILE, ids=range(len(build.HOSTILE)))
def test_hostile_text_is_taken_and_made_visible(text: str) -> None:
    hostile = build.hostile_document(text)
    document = replace(hostile, run=replace(hostile.run, as_of="2026-11-22T00:10:00Z"), resolved=hostile.findings)
    data = dump_asff(document)
    assert data.isascii()
    assert sum(len(request["Findings"]) for request in requests(document)) == 6
    json.dumps(json.loads(data), ensure_ascii=False).encode("utf-8")
    assert "\x00" not in str(json.loads(data))
