"""How findings look as results of SARIF 2.1.0 that point into the texts of policies, in findings.sarif."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from scanner import __version__
from scanner.model.finding import Evidence, Finding, FindingsDocument, GapSummary, Highlight, Severity
from scanner.model.lifecycle import Lifecycle
from scanner.report.escape import sarif_text
from scanner.report.ordering import worst_first
from scanner.report.policy_files import PolicyFiles, uri_of
from scanner.report.portable import inert, present, zulu

SARIF = "findings.sarif"
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning"}
_NOTE = "note"
_STATES: Mapping[str, str] = {
    Lifecycle.NEW: "new", Lifecycle.REOPENED: "new", Lifecycle.UNCHANGED: "unchanged",
    Lifecycle.NOT_RECHECKED: "unchanged", Lifecycle.RESOLVED: "absent",
}  # fmt: skip
_UPDATED = "updated"
_GAP, _OPAQUE = "coverage-gap", "opaque-key"
_NOTIFICATIONS = (
    {"id": _GAP, "shortDescription": {"text": "Something in scope was not read."}},
    {"id": _OPAQUE, "shortDescription": {"text": "The policy of a key was not read or not understood."}},
)
_KINDS = {
    "external_access": "Somebody outside the key's account can use the key.",
    "assumed_role_path": "Somebody outside gets at keys by assuming roles.",
    "foreign_key_use": "Principals of ours may use a key of another account.",
    "broad_key_permission": "A statement of an identity policy covers keys of every account.",
    "attribute_control": "Whoever may change a tag or an alias decides who gets at keys.",
    "key_hygiene": "The key is badly fenced, or cannot be managed.",
    "ineffective_permission": "A permission is written and does nothing.",
}


def render_sarif(document: FindingsDocument, documents: Callable[[str], str | None]) -> tuple[bytes, dict[str, bytes]]:
    """findings.sarif, and the policies that it points into by name.

    `documents` gives the text of a policy by its SHA-256, or None; grants stand in the document itself. A result that
    rests on a text that is not at hand has a logical location only.
    """
    files = PolicyFiles(lambda digest: document.documents.get(digest) or documents(digest))
    findings = (*worst_first(document.findings), *worst_first(document.resolved))
    rules = sorted({_rule_id(finding) for finding in findings})
    compared = document.history.baseline is not None
    results = [_result(finding, rules.index(_rule_id(finding)), files, compared=compared) for finding in findings]
    written = files.files()
    log = {
        "$schema": _SCHEMA, "version": "2.1.0",
        "runs": [{
            "tool": {"driver": _driver(document, [_rule(rule) for rule in rules])},
            "automationDetails": {"id": f"kms-scan/{document.run.run_id}"},
            "invocations": [_invocation(document)],
            "columnKind": "unicodeCodePoints", "newlineSequences": ["\r\n", "\n"], "defaultEncoding": "utf-8",
            "artifacts": [_artifact(name, content) for name, content in written.items()],
            "results": results,
            "properties": _run_properties(document),
        }],
    }  # fmt: skip
    text = json.dumps(inert(log), sort_keys=True, indent=1, allow_nan=False)
    return f"{text}\n".encode("ascii"), written


def _rule_id(finding: Finding) -> str:
    leading = [found.capability for found in finding.capabilities[:1]]
    return "/".join([finding.kind.value, *leading])


def _rule(rule: str) -> dict[str, object]:
    kind, _, capability = rule.partition("/")
    text = _KINDS[kind]
    return {
        "id": rule, "name": "".join(part.capitalize() for part in f"{kind}_{capability}".split("_")),
        "shortDescription": {"text": f"{text[:-1]}: {capability}." if capability else text},
        "fullDescription": {"text": text}, "properties": {"tags": ["security", "aws", "kms"]},
    }  # fmt: skip


def _driver(document: FindingsDocument, rules: Sequence[object]) -> dict[str, object]:
    return {
        "name": "kms-scan", "version": __version__, "semanticVersion": __version__, "rules": rules,
        "notifications": _NOTIFICATIONS, "properties": {"engine": document.engine},
    }  # fmt: skip


def _invocation(document: FindingsDocument) -> dict[str, object]:
    """What was not read stands here. A run that misses its coverage has not succeeded: no result is no clean result."""
    run = document.run
    opaque = [_notification(_OPAQUE, f"The policy of {arn} was not read or not understood.")
              for arn in document.coverage.opaque_keys]  # fmt: skip
    return {
        "executionSuccessful": run.gate_coverage, "exitCode": run.exit_code,
        "toolExecutionNotifications": [*(_gap(gap) for gap in document.coverage.gaps), *opaque],
        **present(startTimeUtc=zulu(run.started), endTimeUtc=zulu(run.finished)),
    }  # fmt: skip


def _gap(gap: GapSummary) -> dict[str, object]:
    whose = f"{gap.account_id} {gap.account_name}".strip()
    where = ", ".join(gap.regions)
    return _notification(_GAP, f"{whose}, {where}: {gap.call} ended with {gap.outcome}. {gap.what_to_do}".strip())


def _notification(kind: str, text: str) -> dict[str, object]:
    return {"level": "warning", "descriptor": {"id": kind}, "message": {"text": sarif_text(text)}}


def _artifact(name: str, content: bytes) -> dict[str, object]:
    return {
        "location": {"uri": uri_of(name)}, "length": len(content), "mimeType": "application/json",
        "hashes": {"sha-256": hashlib.sha256(content).hexdigest()},
    }  # fmt: skip


def _result(finding: Finding, rule_index: int, files: PolicyFiles, *, compared: bool) -> dict[str, object]:
    places = [place for evidence in finding.evidence for place in _places(evidence, files)]
    first = places[0] if places else {}
    related = [{**place, "id": number} for number, place in enumerate(places[1:], 1)]
    return {
        "ruleId": _rule_id(finding), "ruleIndex": rule_index, "kind": "fail",
        "level": _LEVELS.get(finding.severity, _NOTE),
        "message": {"text": sarif_text(f"{finding.title}. {finding.summary}")},
        "locations": [{**first, "logicalLocations": [_logical(finding)]}],
        "fingerprints": {"finding/v1": finding.id},
        "partialFingerprints": {"access/v1": finding.fingerprint},
        "properties": _properties(finding),
        **present(
            relatedLocations=related, suppressions=_suppressions(finding),
            baselineState=_STATES.get(finding.lifecycle, _UPDATED) if compared else "",
        ),
    }  # fmt: skip


def _logical(finding: Finding) -> dict[str, object]:
    about = finding.resource
    return present(name=about.name, fullyQualifiedName=about.arn, kind="resource")


def _suppressions(finding: Finding) -> list[dict[str, object]]:
    """The entry that accepts the finding. One that is void is none: it would hide a result that the gate counts."""
    entry = finding.suppression
    if entry is None or not finding.is_suppressed:
        return []
    text = f"{entry.reason} ({entry.owner}, {entry.ticket}, until {entry.expires})"
    return [{"kind": "external", "status": "accepted", "justification": text}]


def _places(evidence: Evidence, files: PolicyFiles) -> Iterator[dict[str, object]]:
    """The highlights of one document, or its excerpt where there are none; nothing where the text is not at hand."""
    name = files.name_of(evidence)
    if name is None:
        return
    lines = files.lines_of(name)
    excerpt = _excerpt(evidence, len(lines))
    regions = [(region, mark.label) for mark in evidence.highlights if (region := _region(mark, lines, excerpt))]
    for region, label in regions or [(excerpt, "")]:
        text = f"{evidence.document}: {label}" if label else evidence.document
        yield {
            "physicalLocation": {
                "artifactLocation": {"uri": uri_of(name)}, "region": region,
                **({"contextRegion": excerpt} if _holds(excerpt, region) else {}),
            },
            "message": {"text": sarif_text(text)},
        }  # fmt: skip


def _holds(excerpt: Mapping[str, int], region: Mapping[str, int]) -> bool:
    """Whether the excerpt is more than the region: SARIF allows no other context (section 3.29.5)."""
    inside = excerpt["startLine"] <= region["startLine"] and region["endLine"] <= excerpt["endLine"]
    return inside and region != excerpt


def _excerpt(evidence: Evidence, count: int) -> dict[str, int]:
    first = min(max(evidence.excerpt_from, 1), count)
    return {"startLine": first, "endLine": max(min(evidence.excerpt_to or count, count), first)}


def _region(mark: Highlight, lines: Sequence[str], excerpt: dict[str, int]) -> dict[str, int] | None:
    """Columns count from 1 here and there; SARIF's last one is excluded. None for what lies outside the text.

    A mark on the white space in front of a statement means the whole statement.
    """
    if not 1 <= mark.line <= len(lines):
        return None
    width = len(lines[mark.line - 1].removesuffix("\r"))
    if not 1 <= mark.col_from <= min(mark.col_to, width):
        return None
    if not lines[mark.line - 1][mark.col_from - 1 : mark.col_to].strip():
        return excerpt
    return {
        "startLine": mark.line, "startColumn": mark.col_from,
        "endLine": mark.line, "endColumn": min(mark.col_to, width) + 1,
    }  # fmt: skip


def _properties(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.kind, "severity": finding.severity, "verdict": finding.verdict,
        "verdict_reasons": finding.verdict_reasons, "lifecycle": finding.lifecycle,
        "capabilities": [
            {"capability": found.capability, "actions": found.actions, "verdict": found.verdict,
             "severity": found.severity, "condition": found.condition}
            for found in finding.capabilities
        ],
        "grantee": finding.grantee, "keys_total": finding.keys_total, "rules": [rule.rule for rule in finding.rules],
        "coverage_refs": finding.coverage_refs, "remediation": finding.remediation.text,
        "suppression": finding.suppression,
    }  # fmt: skip


def _run_properties(document: FindingsDocument) -> dict[str, object]:
    run, coverage = document.run, document.coverage
    return {
        "headline": run.headline, "scope": run.scope, "as_of": run.as_of, "synthetic": run.synthetic,
        "asserted_context": run.asserted_context, "snapshot_hash": run.snapshot_hash, "config_hash": run.config_hash,
        "units_read": coverage.units_read, "units_total": coverage.units_total, "limits": run.limits,
    }  # fmt: skip
