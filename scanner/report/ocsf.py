"""How findings look as events of the Open Cybersecurity Schema Framework (OCSF) 1.6.0, in findings.ocsf.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from enum import StrEnum

from scanner import __version__
from scanner.model.arn import parse_arn
from scanner.model.decision import Gate, GateOutcome, Layer
from scanner.model.finding import (
    OWN_ACCOUNT,
    Finding,
    FindingsDocument,
    FindingVerdict,
    Grantee,
    KeyFactsRef,
    ResourceRef,
    Severity,
)
from scanner.model.lifecycle import Lifecycle
from scanner.report.ordering import worst_first
from scanner.report.portable import dump_array, epoch_ms, evaluated_at, present

VERSION = "1.6.0"


class OcsfClass(StrEnum):
    """`iam` is class 2008, made for access analysis; `detection` 2004, for consumers that know only that."""

    IAM = "iam"
    DETECTION = "detection"


_CLASSES = {OcsfClass.IAM: (2008, "IAM Analysis Finding"), OcsfClass.DETECTION: (2004, "Detection Finding")}
_ACTIVITIES: Mapping[str, tuple[int, str]] = {
    Lifecycle.NEW: (1, "Create"), Lifecycle.REOPENED: (1, "Create"), Lifecycle.RESOLVED: (3, "Close"),
}  # fmt: skip
_UPDATE = (2, "Update")
_SEVERITIES = {
    Severity.INFO: (1, "Informational"), Severity.LOW: (2, "Low"), Severity.MEDIUM: (3, "Medium"),
    Severity.HIGH: (4, "High"), Severity.CRITICAL: (5, "Critical"),
}  # fmt: skip
_CONFIDENCES = {
    FindingVerdict.CONFIRMED: (3, "High"), FindingVerdict.BLOCKED: (3, "High"), FindingVerdict.INEFFECTIVE: (3, "High"),
    FindingVerdict.CONDITIONAL: (2, "Medium"), FindingVerdict.POSSIBLE: (1, "Low"),
}  # fmt: skip
"""How sure the claim is, not how bad: what is blocked or without effect has been proven."""

_NEW, _SUPPRESSED, _RESOLVED = (1, "New"), (3, "Suppressed"), (4, "Resolved")
_ACCOUNT = {"type_id": 10, "type": "AWS Account"}
_USER_TYPES = {"user": 1, "service": 4, "unknown_id": 0}
_OTHER = 99
_KINDS_OF_ACCESS = {"federated": "Federated", "service": "Service-to-Service"}
_PARTIES_OF_ACCESS = {"public": "Public", OWN_ACCOUNT: "Same-Account"}
_RESOURCE_TYPES = {
    "key": "AWS::KMS::Key", "role": "AWS::IAM::Role", "user": "AWS::IAM::User", "policy": "AWS::IAM::ManagedPolicy",
    "account": "AWS::Organizations::Account",
}  # fmt: skip
_GUARDRAILS = {Layer.SCP: "Service Control Policy", Layer.RCP: "Resource Control Policy"}
_RESTRICTIONS = {
    GateOutcome.ALLOW: (2, "Inapplicable"), GateOutcome.NOT_APPLICABLE: (2, "Inapplicable"),
    GateOutcome.UNREAD: (0, "Unknown"),
}  # fmt: skip
_APPLICABLE = (1, "Applicable")
_MAPPED = frozenset({"id", "title", "summary", "first_seen", "last_seen", "severity", "resource", "key", "keys"})


def dump_ocsf(document: FindingsDocument, ocsf_class: OcsfClass) -> bytes:
    """One array of events, worst first, then those of resolved findings. Raises SnapshotError without a time."""
    time = evaluated_at(document)
    findings = (*worst_first(document.findings), *worst_first(document.resolved))
    return dump_array(_event(document, finding, ocsf_class, time) for finding in findings)


def _event(document: FindingsDocument, finding: Finding, ocsf_class: OcsfClass, time: int) -> dict[str, object]:
    uid, name = _CLASSES[ocsf_class]
    activity, activity_name = _ACTIVITIES.get(finding.lifecycle, _UPDATE)
    severity, severity_name = _SEVERITIES[finding.severity]
    confidence, confidence_name = _CONFIDENCES[finding.verdict]
    status, status_name = _status(finding)
    access, unmapped = _access(finding), _unmapped(document, finding)
    if ocsf_class is OcsfClass.IAM:
        shown = {"access_analysis_result": access}
    else:
        shown, unmapped = {}, {**unmapped, "access_analysis_result": access}
    return {
        "activity_id": activity, "activity_name": activity_name,
        "category_uid": 2, "category_name": "Findings",
        "class_uid": uid, "class_name": name,
        "type_uid": uid * 100 + activity, "type_name": f"{name}: {activity_name}",
        "severity_id": severity, "severity": severity_name,
        "confidence_id": confidence, "confidence": confidence_name,
        "status_id": status, "status": status_name, "status_code": finding.lifecycle,
        **present(status_detail=_accepted(finding)),
        "time": time, "message": finding.title,
        "metadata": _metadata(document, finding),
        "cloud": _cloud(document, finding),
        "finding_info": _finding_info(document, finding),
        "resources": list(_resources(finding)),
        **shown,
        **({"remediation": {"desc": finding.remediation.text}} if finding.remediation.text else {}),
        "unmapped": unmapped,
    }  # fmt: skip


def _status(finding: Finding) -> tuple[int, str]:
    """Resolved is proven, suppressed is decided by people, and everything else waits for them."""
    if finding.lifecycle == Lifecycle.RESOLVED:
        return _RESOLVED
    return _SUPPRESSED if finding.is_suppressed else _NEW


def _accepted(finding: Finding) -> str:
    entry = finding.suppression
    return f"{entry.state} until {entry.expires}: {entry.reason} ({entry.owner})" if entry else ""


def _metadata(document: FindingsDocument, finding: Finding) -> dict[str, object]:
    return {
        "version": VERSION, "profiles": ["cloud"],
        "product": {"name": "kms-scan", "vendor_name": "kms-scan", "version": __version__},
        "uid": f"{document.run.run_id}/{finding.id}", "correlation_uid": document.run.run_id,
        **present(tenant_uid=document.run.organization_id),
    }  # fmt: skip


def _cloud(document: FindingsDocument, finding: Finding) -> dict[str, object]:
    arn = parse_arn(finding.resource.arn)
    organization = document.run.organization_id
    return {
        "provider": "AWS", "account": _account(finding.resource.account_id, finding.resource.account_name),
        **present(
            region=arn.region if arn else "", cloud_partition=arn.partition if arn else "",
            org=present(uid=organization),
        ),
    }  # fmt: skip


def _account(uid: str, name: str) -> dict[str, object]:
    return {**_ACCOUNT, "uid": uid, **present(name=name)}


def _finding_info(document: FindingsDocument, finding: Finding) -> dict[str, object]:
    first, last = epoch_ms(finding.first_seen), epoch_ms(finding.last_seen)
    return {
        "uid": finding.id, "title": finding.title, "desc": finding.summary, "types": [finding.kind],
        "analytic": {
            "uid": finding.kind, "name": finding.kind, "type_id": 1, "type": "Rule", "version": str(document.engine),
        },
        **present(created_time=first, first_seen_time=first, last_seen_time=last),
    }  # fmt: skip


def _access(finding: Finding) -> dict[str, object]:
    actions = dict.fromkeys(action for found in finding.capabilities for action in found.actions)
    leading = finding.capabilities[0].capability if finding.capabilities else ""
    restrictions = [found for gate in finding.path.layers for found in _restrictions(gate)]
    return {
        "accessors": [_accessor(finding.grantee)],
        "access_type": _access_type(finding.grantee),
        **present(
            access_level=leading, granted_privileges=list(actions), condition_keys=list(_condition_keys(finding)),
            additional_restrictions=restrictions,
        ),
    }  # fmt: skip


def _condition_keys(finding: Finding) -> Iterator[dict[str, object]]:
    """The conditions of the statements, then what the residuals test beside: at the use of a key, or in grants."""
    told: set[tuple[str, tuple[str, ...]]] = set()
    stated = [(c.key, c.values, c.text) for c in finding.conditions]
    rest = [(*test, result.condition) for result in finding.capabilities for test in _tested(result.residual)]
    for key, values, text in (*stated, *rest):
        if (key.lower(), values) not in told or (key, values, text) in stated:
            told.add((key.lower(), values))
            yield {"name": key, "value": text, **present(values=values)}


def _tested(residual: object) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The request keys of a residual, each with the values it is tested against."""
    if isinstance(residual, dict) and isinstance(residual.get("key"), str):
        yield residual["key"], tuple(str(value) for value in residual.get("values") or ())
    elif isinstance(residual, dict):
        for part in residual.values():
            yield from _tested(part)
    elif isinstance(residual, list | tuple):
        for part in residual:
            yield from _tested(part)


def _access_type(grantee: Grantee) -> str:
    return _KINDS_OF_ACCESS.get(grantee.kind) or _PARTIES_OF_ACCESS.get(grantee.party, "Cross-Account")


def _accessor(grantee: Grantee) -> dict[str, object]:
    account = _account(grantee.account_id, grantee.account_name) if grantee.account_id else None
    return {
        "uid": grantee.selector, "name": grantee.selector.rsplit("/", 1)[-1],
        "type_id": _USER_TYPES.get(grantee.kind, _OTHER), "type": grantee.kind,
        **present(account=account),
    }  # fmt: skip


def _restrictions(gate: Gate) -> Iterator[dict[str, object]]:
    """The control policies of one gate, each as a restriction; one without a name where none is cited."""
    kind = _GUARDRAILS.get(gate.layer)
    if kind is None:
        return
    status, status_name = _RESTRICTIONS.get(gate.outcome, _APPLICABLE)
    for cited in gate.statements or (None,):
        named = present(name=cited.document, uid=cited.source) if cited else {}
        policy = {"type": kind, **named, **present(desc=gate.why)}
        yield {"policy": policy, "status_id": status, "status": status_name}


def _resources(finding: Finding) -> Iterator[dict[str, object]]:
    """What the finding is about, then the keys that are reached; a key that is both stands once."""
    keys = (finding.key,) if finding.key else finding.keys
    if finding.resource.arn not in {key.arn for key in keys}:
        yield _resource(finding.resource)
    for key in keys:
        yield _key(key, is_target=finding.key is not None)


def _resource(resource: ResourceRef) -> dict[str, object]:
    return {
        "uid": resource.arn, "name": resource.name, "type": _RESOURCE_TYPES.get(resource.kind, resource.kind),
        "role_id": 1, "role": "Target", "owner": {"account": _account(resource.account_id, resource.account_name)},
        **_place(resource.arn),
    }  # fmt: skip


def _key(key: KeyFactsRef, *, is_target: bool) -> dict[str, object]:
    rest = present(
        aliases=key.aliases, description=key.description, family=key.family, last_used=key.last_used,
        manager=key.manager, origin=key.origin, spec=key.spec, state=key.state, usage=key.usage,
    )  # fmt: skip
    role, role_name = (1, "Target") if is_target else (3, "Affected")
    return {
        "uid": key.arn, "name": (*key.aliases, key.key_id)[0], "type": _RESOURCE_TYPES["key"],
        "role_id": role, "role": role_name, "owner": {"account": _account(key.account_id, key.account_name)},
        **_place(key.arn),
        **present(
            created_time=epoch_ms(key.created), data=rest,
            tags=[{"name": name, "value": value} for name, value in sorted(key.tags.items())],
        ),
    }  # fmt: skip


def _place(text: str) -> dict[str, object]:
    arn = parse_arn(text)
    return present(cloud_partition=arn.partition, region=arn.region) if arn else {}


def _unmapped(document: FindingsDocument, finding: Finding) -> Mapping[str, object]:
    """What OCSF has no place for, and what the header of every output says: coverage and asserted context."""
    run, coverage = document.run, document.coverage
    return {
        **{field.name: getattr(finding, field.name) for field in fields(finding) if field.name not in _MAPPED},
        "run": {
            "engine": document.engine, "run_id": run.run_id, "scope": run.scope, "synthetic": run.synthetic,
            "asserted_context": run.asserted_context, "snapshot_hash": run.snapshot_hash,
            "config_hash": run.config_hash, "units_read": coverage.units_read, "units_total": coverage.units_total,
        },
    }  # fmt: skip
