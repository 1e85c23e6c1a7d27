"""What the index of a split report carries of every finding, and in how few bytes."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from scanner.model.finding import Finding
from scanner.report.escape import shorten
from scanner.report.filters import Filter, page_filters, shown_party
from scanner.report.pages import Links
from scanner.report.phrases import account_text

_GZIP = 31
_OPERATING_SYSTEM = 9
_UNKNOWN = b"\xff"
_MAX_TITLE, _MAX_NAME, _MAX_ARN = 240, 160, 300
_ALIASES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class FindingTable:
    """All findings for the script of the index, as text of Base64, and the checkboxes for them."""

    data: str
    filters: tuple[Filter, ...]


def finding_table(findings: Sequence[Finding], links: Links) -> FindingTable | None:
    """Findings in their order, each with the page that it stands on; None where there is none."""
    if not findings:
        return None
    columns = {name: _encoded(text(finding) for finding in findings) for name, text in _COLUMNS.items()}
    columns["page"] = _encoded(links.page_of(finding.id) for finding in findings)
    text = json.dumps({"findings": len(findings), "columns": columns}, separators=(",", ":"))
    return FindingTable(base64.b64encode(_compressed(text.encode("ascii"))).decode("ascii"), page_filters(findings))


def _encoded(texts: Iterable[str]) -> dict[str, Sequence[object]]:
    """A column as its different values and, per row, the place of its value; no places where no two rows share one."""
    places: dict[str, int] = {}
    rows = [places.setdefault(text, len(places)) for text in texts]
    return {"values": list(places)} if len(places) == len(rows) else {"values": list(places), "rows": rows}


def _compressed(data: bytes) -> bytes:
    """gzip without a time and without the operating system, which zlib would name after where it was built."""
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    packed = packer.compress(data) + packer.flush()
    return packed[:_OPERATING_SYSTEM] + _UNKNOWN + packed[_OPERATING_SYSTEM + 1 :]


def _resource_name(finding: Finding) -> str:
    """The aliases of a key, else what people call the thing."""
    aliases = finding.key.aliases if finding.key else ()
    if not aliases:
        return shorten(finding.resource.name, _MAX_NAME)
    more = f" and {len(aliases) - _ALIASES_SHOWN} more" if len(aliases) > _ALIASES_SHOWN else ""
    return ", ".join(shorten(alias, _MAX_NAME) for alias in aliases[:_ALIASES_SHOWN]) + more


def _grantee_name(finding: Finding) -> str:
    grantee = finding.grantee
    return shorten(account_text(grantee.vendor or grantee.account_name, grantee.account_id), _MAX_NAME)


_COLUMNS: Mapping[str, Callable[[Finding], str]] = {
    "severity": lambda finding: finding.severity.value,
    "verdict": lambda finding: finding.verdict.value,
    "kind": lambda finding: finding.kind.value,
    "party": shown_party,
    "id": lambda finding: shorten(finding.id, _MAX_NAME),
    "title": lambda finding: shorten(finding.title, _MAX_TITLE),
    "name": _resource_name,
    "arn": lambda finding: shorten(finding.resource.arn, _MAX_ARN),
    "account": lambda f: shorten(account_text(f.resource.account_name, f.resource.account_id), _MAX_NAME),
    "grantee": _grantee_name,
    "selector": lambda finding: shorten(finding.grantee.selector, _MAX_ARN),
}
"""INVARIANT: what AWS gave is made visible here; the script sets texts and attributes and never parses markup."""
