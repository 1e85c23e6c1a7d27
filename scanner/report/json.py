"""findings.json in its canonical form, both ways, with the small summary.json beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from scanner import FINDINGS_SCHEMA
from scanner.errors import SnapshotError
from scanner.model.finding import FindingsDocument
from scanner.report.canonical import compact, lines_of, members_of, object_of
from scanner.report.history import open_findings

_HINT = "run `kms-scan analyze` on the snapshot again"


def dump_findings(document: FindingsDocument) -> Iterator[str]:
    """Canonical text, part by part: ASCII, keys sorted, one finding per line, a line feed at the end."""
    members = {name: [compact(value)] for name, value in members_of(document).items() if name != "findings"}
    yield from object_of({**members, "findings": lines_of(map(compact, document.findings))})


def load_findings(data: bytes, source: str) -> FindingsDocument:
    """Read findings.json back; `source` names the file in errors.

    Raises SnapshotError for anything that is not a findings document of this schema version.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise SnapshotError(f"`{source}` is not JSON: {error}", hint=_HINT) from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != FINDINGS_SCHEMA:
        raise SnapshotError(
            f"`{source}` has findings schema `{version}`, this version reads {FINDINGS_SCHEMA}", hint=_HINT
        )
    try:
        return _adapter().validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        message = f"`{source}` is no findings document: `{where}`: {first['msg'].lower()}{more}"
        raise SnapshotError(message, hint=_HINT) from error


def summary_fields(document: FindingsDocument) -> dict[str, object]:
    """What summary.json holds: counts, coverage, both gates and the exit code; kept for trends."""
    run, coverage = document.run, document.coverage
    return {
        "schema_version": document.schema_version,
        "engine": document.engine,
        "run_id": run.run_id,
        "headline": run.headline,
        "organization_id": run.organization_id,
        "started": run.started,
        "finished": run.finished,
        "as_of": run.as_of,
        "snapshot_hash": run.snapshot_hash,
        "config_hash": run.config_hash,
        "accounts": run.accounts,
        "regions": run.regions,
        "keys": run.keys,
        "customer_keys": run.customer_keys,
        **_counted(document),
        "coverage": {
            "units_total": coverage.units_total,
            "units_read": coverage.units_read,
            "percent": coverage.percent,
            "gaps": len(coverage.gaps),
            "opaque_keys": len(coverage.opaque_keys),
            "not_scanned": len(coverage.not_scanned),
        },
        "gate": {
            "fail_on": run.fail_on,
            "findings": run.gate_findings,
            "new_only": run.new_only,
            "min_coverage": run.min_coverage,
            "coverage": run.gate_coverage,
        },
        "exit_code": run.exit_code,
        "paths_through_assumed_roles": run.role_paths,
        "synthetic": run.synthetic,
    }


def _counted(document: FindingsDocument) -> dict[str, object]:
    """Findings that nobody accepted, by severity, verdict and kind; accepted ones, entries and the baseline."""
    counted = open_findings(document)
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for (severity, verdict, kind), number in sorted(
        Counter((finding.severity.value, finding.verdict.value, finding.kind.value) for finding in counted).items()
    ):
        counts.setdefault(severity, {}).setdefault(verdict, {})[kind] = number
    history = document.history
    return {
        "findings": len(counted),
        "counts": counts,
        "severity_rose": sum(finding.rise is not None for finding in counted),
        "suppressed": len(document.findings) - len(counted),
        "suppressions": dict(sorted(Counter(note.state for note in history.suppressions).items())),
        "baseline": asdict(history.baseline) if history.baseline else None,
    }


def dump_summary(document: FindingsDocument) -> bytes:
    """Canonical bytes of summary.json, one member per line."""
    return (json.dumps(summary_fields(document), sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[FindingsDocument]:
    return TypeAdapter(FindingsDocument)
