"""OCSF events of findings: against the official schema of 1.6.0, and what each field says."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from scanner.errors import SnapshotError
from scanner.model.decision import Gate, GateOutcome, Layer, Side
from scanner.model.finding import Finding, FindingsDocument, FindingVerdict, Kind, Severity
from scanner.model.lifecycle import Lifecycle, Suppression
from scanner.report.ocsf import OcsfClass, dump_ocsf

import report_builders as build

DATA = Path(__file__).parents[2] / "data" / "ocsf"
NAMES = {OcsfClass.IAM: "iam_analysis_finding", OcsfClass.DETECTION: "detection_finding"}
each_class = pytest.mark.parametrize("ocsf_class", OcsfClass)
AS_OF = 1795306200000
"""2026-11-22T00:10:00Z."""


@lru_cache
def official(ocsf_class: OcsfClass) -> Draft202012Validator:
    """The official schema of a class."""
    schema = json.loads((DATA / f"{NAMES[ocsf_class]}.schema.json").read_text("ascii"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def events(document: FindingsDocument, ocsf_class: OcsfClass = OcsfClass.IAM) -> list[dict[str, Any]]:
    """What a consumer reads; every event fits the official schema."""
    read: list[dict[str, Any]] = json.loads(dump_ocsf(document, ocsf_class))
    for event in read:
        assert [f"{e.json_path}: {e.message[:200]}" for e in official(ocsf_class).iter_errors(event)] == []
    return read


def event_of(finding: Finding, **changes: Any) -> dict[str, Any]:
    """The event of one finding."""
    (event,) = events(build.document(findings=(finding,), **changes))
    return event


@each_class
def test_events_of_every_kind_of_finding_fit_the_official_schema(ocsf_class: OcsfClass) -> None:
    several = build.stranger_finding(key=None, keys=(build.key_facts(),), keys_total=7, kind=Kind.ASSUMED_ROLE_PATH)
    none = build.stranger_finding(key=None, kind=Kind.BROAD_KEY_PERMISSION)
    document = build.document(findings=(*build.document().findings, several, none), resolved=(build.partner_finding(),))
    assert len(events(document, ocsf_class)) == 7


@pytest.mark.parametrize(
    "change",
    [
        {"activity_id": 7},
        {"class_uid": 2004},
        {"time": "2026-11-22T00:10:00Z"},
        {"access_analysis_result": {}},
        {"finding_info": {}},
        {"invented": 1},
        {"resources": [{"type": "AWS::KMS::Key"}]},
    ],
)
def test_official_schema_refuses_what_is_no_event(change: dict[str, Any]) -> None:
    event = event_of(build.stranger_finding())
    assert list(official(OcsfClass.IAM).iter_errors({**event, **change})) != []


def test_run_without_findings_is_an_empty_array() -> None:
    assert dump_ocsf(build.document(findings=()), OcsfClass.IAM) == b"[]\n"


def test_events_stand_worst_first_one_per_line_and_resolved_ones_last() -> None:
    document = build.document(resolved=(replace(build.stranger_finding(), id="kx-resolved0000", lifecycle="resolved"),))
    lines = dump_ocsf(document, OcsfClass.IAM).decode("ascii").splitlines()
    assert (lines[0], lines[-1]) == ("[", "]")
    assert [json.loads(line.rstrip(","))["finding_info"]["uid"] for line in lines[1:-1]] == [
        "kx-pnfc3b5nav5y", "kx-3v3amusq34ah", "kx-7qk2d4n6x0ab", "kx-zz9plural0za", "kx-resolved0000",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lifecycle", "activity"),
    [
        (Lifecycle.NEW, (1, "Create")),
        (Lifecycle.REOPENED, (1, "Create")),
        (Lifecycle.WIDENED, (2, "Update")),
        (Lifecycle.NARROWED, (2, "Update")),
        (Lifecycle.UNCHANGED, (2, "Update")),
        (Lifecycle.NOT_RECHECKED, (2, "Update")),
        (Lifecycle.ENGINE_CHANGED, (2, "Update")),
    ],
)
def test_activity_follows_the_lifecycle(lifecycle: Lifecycle, activity: tuple[int, str]) -> None:
    event = event_of(build.stranger_finding(lifecycle=lifecycle.value))
    assert (event["activity_id"], event["activity_name"]) == activity
    assert event["type_uid"] == 200800 + activity[0]
    assert event["status_code"] == lifecycle


def test_resolved_finding_is_closed_and_resolved() -> None:
    finding = build.stranger_finding(lifecycle="resolved")
    (event,) = events(build.document(findings=(), resolved=(finding,)))
    assert (event["activity_id"], event["status_id"], event["type_uid"]) == (3, 4, 200803)


@pytest.mark.parametrize(
    ("state", "status"), [("active", 3), ("partial", 1), ("expired", 1), ("fingerprint_changed", 1)]
)
def test_only_an_entry_that_holds_suppresses(state: str, status: int) -> None:
    entry = Suppression("contract", "hr@acme.example", "T-1", "2027-03-31", state)
    event = event_of(build.stranger_finding(suppression=entry))
    assert event["status_id"] == status
    assert event["status_detail"] == f"{state} until 2027-03-31: contract (hr@acme.example)"


def test_time_is_the_evaluation_time_and_not_the_clock() -> None:
    event = event_of(build.stranger_finding(first_seen="2026-11-20T00:10:00Z"))
    assert event["time"] == AS_OF
    assert event["finding_info"]["first_seen_time"] == AS_OF - 2 * 86_400_000
    assert event["finding_info"]["last_seen_time"] == AS_OF


def test_document_without_an_evaluation_time_is_refused() -> None:
    with pytest.raises(SnapshotError, match="`as_of` is `soon`"):
        dump_ocsf(build.document(run=build.run_info(as_of="soon")), OcsfClass.IAM)


@pytest.mark.parametrize(
    ("verdict", "confidence"),
    [("confirmed", 3), ("conditional", 2), ("possible", 1), ("blocked", 3), ("ineffective", 3)],
)
def test_confidence_says_how_sure_the_claim_is(verdict: str, confidence: int) -> None:
    event = event_of(build.stranger_finding(verdict=FindingVerdict(verdict)))
    assert event["confidence_id"] == confidence
    assert event["unmapped"]["verdict"] == verdict


def test_severity_is_one_to_five() -> None:
    found = [event_of(build.stranger_finding(severity=severity))["severity_id"] for severity in Severity]
    assert found == [5, 4, 3, 2, 1]


def test_access_names_who_may_do_what_under_which_condition() -> None:
    access = event_of(build.partner_finding())["access_analysis_result"]
    assert access["accessors"] == [
        {
            "uid": "arn:aws:iam::444455556666:role/payroll-reader",
            "name": "payroll-reader",
            "type": "role",
            "type_id": 99,
            "account": {"uid": "444455556666", "name": "payroll", "type": "AWS Account", "type_id": 10},
        }
    ]
    assert (access["access_type"], access["access_level"]) == ("Cross-Account", "decrypt")
    assert access["granted_privileges"] == ["kms:Decrypt"]
    assert [(c["name"], c["values"]) for c in access["condition_keys"]] == [
        ("kms:ViaService", ["s3.eu-west-1.amazonaws.com"])
    ]


def test_conditions_on_the_use_of_the_key_and_in_grants_stand_beside_those_of_statements() -> None:
    """A path through roles lists the conditions of the trust policy; the others are in the residuals alone."""
    role = "arn:aws:iam::1:role/A"
    given = build.partner_finding()
    stated = given.conditions[0]
    entered = {"key": stated.key.upper(), "holds": True, "test": "equals", "values": list(stated.values)}
    used = {"key": "kms:ViaService", "holds": True, "test": "equals", "values": ["ec2.eu-west-1.amazonaws.com"]}
    absent = {"key": "aws:SourceIp", "holds": False, "test": "present"}
    path = {"steps": [{"role": role, "residual": entered}, {"role": "", "residual": {"any": [used, absent, True]}}]}
    first = replace(given.capabilities[0], condition="words", residual=path)
    second = replace(first, condition="other words", residual=used)
    access = event_of(replace(given, capabilities=(first, second), conditions=(stated,)))["access_analysis_result"]
    assert access["condition_keys"] == [
        {"name": stated.key, "value": stated.text, "values": list(stated.values)},
        {"name": "kms:ViaService", "value": "words", "values": ["ec2.eu-west-1.amazonaws.com"]},
        {"name": "aws:SourceIp", "value": "words"},
    ]


@pytest.mark.parametrize(
    ("kind", "party", "access_type"),
    [
        ("any", "public", "Public"),
        ("federated", "approved_partner", "Federated"),
        ("service", "service_unguarded", "Service-to-Service"),
        ("role", "own_account", "Same-Account"),
        ("account", "unknown_third_party", "Cross-Account"),
    ],
)
def test_access_type_follows_grantee_and_party(kind: str, party: str, access_type: str) -> None:
    finding = build.stranger_finding()
    event = event_of(replace(finding, grantee=replace(finding.grantee, kind=kind, party=party)))
    assert event["access_analysis_result"]["access_type"] == access_type


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (GateOutcome.ALLOW, 2),
        (GateOutcome.NOT_APPLICABLE, 2),
        (GateOutcome.DENY_EXPLICIT, 1),
        (GateOutcome.DENY_IMPLICIT, 1),
        (GateOutcome.CONDITIONAL, 1),
        (GateOutcome.UNREAD, 0),
    ],
)
def test_control_policies_are_restrictions_and_an_unread_one_is_unknown(outcome: GateOutcome, status: int) -> None:
    cited = replace(build.statement("PartnerUse", 3), source="p-9x8y", document="SCP p-9x8y")
    gates = (
        Gate(Layer.SCP, Side.CALLER, outcome, (cited,), "why"),
        Gate(Layer.RCP, Side.OWNER, outcome),
        Gate(Layer.KEY_POLICY, Side.OWNER, outcome, (cited,)),
    )
    finding = build.stranger_finding()
    found = event_of(replace(finding, path=replace(finding.path, layers=gates)))["access_analysis_result"]
    assert [(r["policy"], r["status_id"]) for r in found["additional_restrictions"]] == [
        ({"type": "Service Control Policy", "name": "SCP p-9x8y", "uid": "p-9x8y", "desc": "why"}, status),
        ({"type": "Resource Control Policy"}, status),
    ]


def test_resources_are_what_the_finding_is_about_and_the_keys_it_reaches() -> None:
    (key,) = event_of(build.stranger_finding())["resources"]
    assert (key["uid"], key["type"], key["role"]) == (build.KEY_ARN, "AWS::KMS::Key", "Target")
    assert (key["region"], key["cloud_partition"]) == ("eu-west-1", "aws")
    assert key["owner"]["account"]["uid"] == build.OWNER
    assert {"name": "data-class", "value": "pci"} in key["tags"]
    role = build.ResourceRef("role", f"arn:aws:iam::{build.OWNER}:role/entry", "entry", build.OWNER, "payments-prod")
    path = build.stranger_finding(key=None, resource=role, keys=(build.key_facts(),), keys_total=7)
    found = event_of(path)
    assert [(r["type"], r["role"]) for r in found["resources"]] == [
        ("AWS::IAM::Role", "Target"), ("AWS::KMS::Key", "Affected"),
    ]  # fmt: skip
    assert found["unmapped"]["keys_total"] == 7


def test_what_has_no_place_is_unmapped_with_coverage_and_asserted_context() -> None:
    unmapped = event_of(build.grant_finding())["unmapped"]
    assert unmapped["coverage_refs"] == ["222233334444/global/organizations:ListPoliciesForTarget/222233334444"]
    assert unmapped["mechanism"]["grants"][0]["grant_id"] == "a1b2c3"
    assert unmapped["run"]["asserted_context"] == {"aws:SecureTransport": "true"}
    assert (unmapped["run"]["units_read"], unmapped["run"]["units_total"]) == (409, 412)


def test_detection_carries_the_access_unmapped() -> None:
    document = build.document(findings=(build.partner_finding(),))
    (iam,), (detection,) = events(document), events(document, OcsfClass.DETECTION)
    assert (detection["class_uid"], detection["type_uid"]) == (2004, 200401)
    assert "access_analysis_result" not in detection
    assert detection["unmapped"]["access_analysis_result"] == iam["access_analysis_result"]


@each_class
@pytest.mark.parametrize("text", build.HOSTILE, ids=range(len(build.HOSTILE)))
def test_hostile_text_fits_the_schema_and_strict_readers(text: str, ocsf_class: OcsfClass) -> None:
    hostile = build.hostile_document(text)
    document = replace(hostile, run=replace(hostile.run, as_of="2026-11-22T00:10:00Z"), resolved=hostile.findings)
    data = dump_ocsf(document, ocsf_class)
    assert data.isascii()
    assert len(events(document, ocsf_class)) == 6
    json.dumps(json.loads(data), ensure_ascii=False).encode("utf-8")
    assert "\x00" not in str(json.loads(data))
    assert b"\\u0000" not in data.replace(b"\\\\u0000", b"")
