"""How findings look in the AWS Security Finding Format (ASFF), in batches for BatchImportFindings of Security Hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from scanner import __version__
from scanner.model.arn import is_account_id, parse_arn
from scanner.model.finding import Finding, FindingsDocument, KeyFactsRef, Kind, Severity
from scanner.model.lifecycle import Lifecycle
from scanner.report.canonical import compact
from scanner.report.escape import visible
from scanner.report.ordering import worst_first
from scanner.report.portable import dump_array, epoch_ms, evaluated_at, inert, present, zulu

MAX_FINDINGS = 100
MAX_BATCH_BYTES = 5_900_000
MAX_FINDING_BYTES = 240_000
MAX_RESOURCES = 32
"""Limits of BatchImportFindings: findings and bytes per request (6 MB), bytes and resources per finding."""

_TITLE, _DESCRIPTION, _RECOMMENDATION, _NOTE = 256, 1024, 512, 512
_FIELD, _SHORT_FIELD, _TAG_NAME, _TAG_VALUE, _MAX_TAGS, _ACCOUNT_NAME, _SHORT = 2048, 256, 128, 256, 50, 50, 512
_TYPES = ("Effects/Data Exposure",)
_LABELS = {Severity.INFO: "INFORMATIONAL"}
_RESOURCE_TYPES = {"key": "AwsKmsKey", "role": "AwsIamRole", "user": "AwsIamUser", "policy": "AwsIamPolicy"}
_PARTITIONS = {
    "aws": "aws", "aws-cn": "aws-cn", "aws-us-gov": "aws-us-gov", "aws-iso": "aws-us-iso", "aws-iso-b": "aws-us-iso-b",
}  # fmt: skip
"""Names of partitions in ARNs and in ASFF; one that ASFF does not know is left out."""

_HOME = {
    "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1", "aws-iso": "us-iso-east-1", "aws-iso-b": "us-isob-east-1",
    "aws-eusc": "eusc-de-east-1",
}  # fmt: skip
_DEFAULT_HOME = "us-east-1"
"""Where findings about IAM are reported, which has no region of its own."""

_KEY_STATES = frozenset({"Disabled", "Enabled", "PendingDeletion", "PendingImport", "Unavailable"})
_ORIGINS = frozenset({"AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM"})
_NO_ACCOUNT = "000000000000"


def dump_asff(document: FindingsDocument) -> bytes:
    """An array of requests, one per line: at most 100 findings of one account and region each.

    Security Hub takes findings only from the account that they belong to, and in one region at a time. Raises
    SnapshotError without an evaluation time.
    """
    evaluated_at(document)
    findings = (*worst_first(document.findings), *worst_first(document.resolved))
    built = sorted((_asff(document, finding) for finding in findings), key=_destination)
    requests = []
    for _, group in groupby(built, key=_destination):
        requests += [{"Findings": batch} for batch in _batches(group)]
    return dump_array(requests)


def _destination(finding: Mapping[str, object]) -> str:
    return str(finding["ProductArn"])


def _batches(findings: Iterable[dict[str, object]]) -> Iterator[list[dict[str, object]]]:
    batch: list[dict[str, object]] = []
    size = 0
    for finding in findings:
        measured = len(compact(finding)) + 2
        if batch and (len(batch) == MAX_FINDINGS or size + measured > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(finding)
        size += measured
    if batch:
        yield batch


def _asff(document: FindingsDocument, finding: Finding) -> dict[str, object]:
    """One finding within the documented limits; what is over them is left out from the least telling part on."""
    account = _account(document, finding)
    partition, region = _place(finding)
    severity = {"Label": _LABELS.get(finding.severity, finding.severity.upper()), "Original": finding.severity.value}
    recommendation = _text(finding.remediation.text, _RECOMMENDATION)
    updated = zulu(document.run.as_of)
    whole = {
        "SchemaVersion": "2018-10-08",
        "Id": f"{_text(finding.id, _SHORT // 2)}/{account}",
        "ProductArn": f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default",
        "ProductName": "kms-scan",
        "GeneratorId": f"kms-scan/{finding.kind}",
        "AwsAccountId": account,
        "Types": list(_TYPES), "Severity": severity,
        "FindingProviderFields": {"Types": list(_TYPES), "Severity": severity},
        "CreatedAt": zulu(finding.first_seen) or updated, "UpdatedAt": updated,
        "Title": _text(finding.title, _TITLE) or finding.id,
        "Description": _text(_description(finding), _DESCRIPTION) or finding.id,
        "RecordState": "ARCHIVED" if finding.lifecycle == Lifecycle.RESOLVED else "ACTIVE",
        "Workflow": {"Status": _workflow(finding)},
        "Resources": list(_resources(finding, account))[:MAX_RESOURCES],
        "ProductFields": _product_fields(document, finding),
        **present(
            FirstObservedAt=zulu(finding.first_seen), LastObservedAt=zulu(finding.last_seen),
            AwsAccountName=_text(_account_name(finding, account), _ACCOUNT_NAME),
            Remediation={"Recommendation": {"Text": recommendation}} if recommendation else None,
            Note=_note(finding, updated),
        ),
    }  # fmt: skip
    return _fitted(whole)


def _fitted(finding: dict[str, object]) -> dict[str, object]:
    """The finding within the size that Security Hub takes; the last step suffices whatever the texts are."""
    for smaller in (_without_tags, _without_details, _with_one_resource, _with_short_fields):
        if len(compact(finding)) <= MAX_FINDING_BYTES:
            break
        finding = smaller(finding)
    return finding


def _without_tags(finding: dict[str, object]) -> dict[str, object]:
    return {**finding, "Resources": [_without(item, "Tags") for item in _listed(finding)]}


def _without_details(finding: dict[str, object]) -> dict[str, object]:
    return {**finding, "Resources": [_without(item, "Details") for item in _listed(finding)]}


def _with_one_resource(finding: dict[str, object]) -> dict[str, object]:
    return {**finding, "Resources": _listed(finding)[:1]}


def _with_short_fields(finding: dict[str, object]) -> dict[str, object]:
    fields = finding["ProductFields"]
    assert isinstance(fields, dict)
    return {**finding, "ProductFields": {name: _text(value, _SHORT_FIELD) for name, value in fields.items()}}


def _listed(finding: Mapping[str, object]) -> list[dict[str, object]]:
    resources = finding["Resources"]
    assert isinstance(resources, list)
    return resources


def _without(item: Mapping[str, object], dropped: str) -> dict[str, object]:
    return {name: value for name, value in item.items() if name != dropped}


def _text(text: str, limit: int) -> str:
    """Visible, cut with an ellipsis; empty where Security Hub would see only white space."""
    shown = visible(text)
    cut = shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
    return cut if cut.strip() else ""


def _description(finding: Finding) -> str:
    reasons = f" ({', '.join(finding.verdict_reasons)})" if finding.verdict_reasons else ""
    leading = finding.capabilities[0].condition if finding.capabilities else ""
    summary = finding.summary.rstrip()
    stop = "" if not summary or summary.endswith((".", "…")) else "."
    return f"{summary}{stop} Verdict: {finding.verdict}{reasons}{f', if {leading}' if leading else ''}."


def _account(document: FindingsDocument, finding: Finding) -> str:
    """The account that imports the finding: that of the key or role; for use of foreign keys, our own principal's."""
    ours = finding.grantee.account_id
    about = finding.key.account_id if finding.key else finding.resource.account_id
    caller = parse_arn(document.run.caller_arn)
    choices = (ours, about) if finding.kind is Kind.FOREIGN_KEY_USE else (about, ours)
    found = (*choices, caller.account_id if caller else "", _NO_ACCOUNT)
    return next(account for account in found if is_account_id(account))


def _account_name(finding: Finding, account: str) -> str:
    named = ((finding.resource.account_id, finding.resource.account_name),
             (finding.grantee.account_id, finding.grantee.account_name))  # fmt: skip
    return next((name for found, name in named if found == account), "")


def _place(finding: Finding) -> tuple[str, str]:
    """Partition and region of the import. Never those of the worst key that is reached: they may differ tomorrow."""
    arn = parse_arn(finding.key.arn if finding.key else finding.resource.arn)
    partition = arn.partition if arn else "aws"
    return partition, (arn.region if arn else "") or _HOME.get(partition, _DEFAULT_HOME)


def _workflow(finding: Finding) -> str:
    if finding.lifecycle == Lifecycle.RESOLVED:
        return "RESOLVED"
    return "SUPPRESSED" if finding.is_suppressed else "NEW"


def _note(finding: Finding, updated: str) -> dict[str, str] | None:
    entry = finding.suppression
    if entry is None:
        return None
    text = f"{entry.state} until {entry.expires}: {entry.reason}"
    return {"Text": _text(text, _NOTE), "UpdatedBy": _text(entry.owner, _SHORT) or "kms-scan", "UpdatedAt": updated}


def _resources(finding: Finding, account: str) -> Iterator[dict[str, object]]:
    """What the finding is about, then the keys that are reached; a key that is both stands once."""
    keys = (finding.key,) if finding.key else finding.keys
    about = finding.resource
    if about.arn not in {key.arn for key in keys}:
        kind = _RESOURCE_TYPES.get(about.kind)
        owner = about.account_id if is_account_id(about.account_id) else account
        uid = _text(about.arn, _SHORT) or finding.id
        yield {
            "Type": kind or ("AwsAccount" if about.kind == "account" else "Other"),
            "Id": f"AWS::::Account:{owner}" if about.kind == "account" else uid, **_located(about.arn),
        }  # fmt: skip
    for key in keys:
        tags = [(_text(name, _TAG_NAME), _text(value, _TAG_VALUE)) for name, value in sorted(key.tags.items())]
        yield {
            "Type": _RESOURCE_TYPES["key"], "Id": _text(key.arn, _SHORT) or finding.id, **_located(key.arn),
            "Details": {"AwsKmsKey": _key(key)},
            **present(Tags={name: value for name, value in tags[:_MAX_TAGS] if name and value}),
        }  # fmt: skip


def _located(text: str) -> dict[str, object]:
    arn = parse_arn(text)
    if arn is None:
        return {}
    region = arn.region or _HOME.get(arn.partition, _DEFAULT_HOME)
    return present(Partition=_PARTITIONS.get(arn.partition), Region=region if len(region) <= 16 else "")


def _key(key: KeyFactsRef) -> dict[str, object]:
    created = epoch_ms(key.created)
    return present(
        AWSAccountId=key.account_id if is_account_id(key.account_id) else "",
        CreationDate=None if created is None else created / 1000,
        KeyId=_text(key.key_id, _SHORT), KeyManager=_text(key.manager, _SHORT),
        KeyState=key.state if key.state in _KEY_STATES else "", Origin=key.origin if key.origin in _ORIGINS else "",
        Description=_text(key.description, _DESCRIPTION),
    )  # fmt: skip


def _product_fields(document: FindingsDocument, finding: Finding) -> dict[str, str]:
    """What ASFF has no place for, as at most 50 texts of 2,048 characters; those without a value are left out."""
    run, coverage, grantee = document.run, document.coverage, finding.grantee
    actions = dict.fromkeys(action for found in finding.capabilities for action in found.actions)
    fields = {
        "kind": finding.kind, "fingerprint": finding.fingerprint, "lifecycle": finding.lifecycle,
        "verdict": finding.verdict, "verdict_reasons": ", ".join(finding.verdict_reasons),
        "capabilities": ", ".join(dict.fromkeys(found.capability for found in finding.capabilities)),
        "actions": ", ".join(actions), "conditions": "; ".join(found.text for found in finding.conditions),
        "grantee": grantee.selector, "grantee_kind": grantee.kind, "grantee_account_id": grantee.account_id,
        "grantee_account_name": grantee.account_name, "grantee_party": grantee.party, "vendor": grantee.vendor,
        "approval": grantee.approval.ref if grantee.approval else "", "mechanism": finding.mechanism.kind,
        "statements": "; ".join(f"{s.document}: {s.sid or s.index}" for s in finding.mechanism.statements),
        "grants": ", ".join(grant.grant_id for grant in finding.mechanism.grants),
        "roles": " > ".join(hop.role_arn for hop in finding.path.hops), "keys_total": str(finding.keys_total),
        "principals_reached": str(finding.reach.principals_total),
        "rules": ", ".join(rule.rule for rule in finding.rules), "coverage_refs": "; ".join(finding.coverage_refs),
        "run_id": run.run_id, "engine": str(document.engine), "version": __version__,
        "account_regions_read": f"{coverage.units_read} of {coverage.units_total}",
        "asserted_context": compact(inert(run.asserted_context)) if run.asserted_context else "",
        "synthetic": "yes" if run.synthetic else "",
    }  # fmt: skip
    shown = {f"kms-scan/{name}": _text(str(value), _FIELD) for name, value in fields.items()}
    return {name: value for name, value in shown.items() if value}
