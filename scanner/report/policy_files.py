"""Under which names the texts of policies are written beside a report that points into them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from urllib.parse import quote

from scanner.model.arn import parse_arn
from scanner.model.finding import Evidence

FOLDER = "policies"
_OUTSIDE_NAMES = re.compile(r"[^A-Za-z0-9+=,.@_-]")
_MAX_NAME = 100
_KEY_POLICY = "key policy default"


class PolicyFiles:
    """The texts that evidence cites, each under one name: `policies/ACCOUNT/REGION/KEY.json` for a key policy.

    Other documents are named after what holds them: `policies/ACCOUNT/iam/role/NAME/trust-policy.json`,
    `policies/ACCOUNT/REGION/KEY.grant-ID.json`, `policies/organization/p-1.json`.
    """

    def __init__(self, documents: Callable[[str], str | None]) -> None:
        """`documents` gives a text by its SHA-256, or None."""
        self._documents = documents
        self._names: dict[str, str] = {}
        self._texts: dict[str, str] = {}

    def name_of(self, evidence: Evidence) -> str | None:
        """The name of the file with the cited text; None where the text is not at hand.

        The same text in two places is two files; two texts that claim one name differ in a part of their hash.
        """
        text = self._documents(evidence.sha256)
        if text is None:
            return None
        name = "/".join((FOLDER, *_parts(evidence)))
        if self._names.setdefault(name, evidence.sha256) != evidence.sha256:
            name = f"{name.removesuffix('.json')}.{evidence.sha256[:12]}.json"
        self._texts[name] = text
        return name

    def lines_of(self, name: str) -> list[str]:
        """The lines of a named file."""
        return self._texts[name].split("\n")

    def files(self) -> dict[str, bytes]:
        """Name and content of every file that was named. What is no character of Unicode becomes `?`."""
        return {name: self._texts[name].encode("utf-8", "replace") for name in sorted(self._texts)}


def uri_of(name: str) -> str:
    """A relative reference to a file beside the report."""
    return quote(name)


def _parts(evidence: Evidence) -> tuple[str, ...]:
    """INVARIANT: a folder holds files or folders, so no file takes the place of a folder, whatever a role is called."""
    arn = parse_arn(evidence.source_arn)
    document = evidence.document.replace("`", "")
    if arn is None:
        return "organization", f"{_safe(evidence.source_arn)}.json"
    place = _safe(arn.region) if arn.region else _safe(arn.service)
    if arn.service == "kms":
        key = _safe(arn.resource.rsplit("/", 1)[-1])
        name = key if document == _KEY_POLICY else f"{key}.{_safe(document)}"
        return _safe(arn.account_id), place, f"{name}.json"
    kind, _, name = arn.resource.partition("/")
    return _safe(arn.account_id), place, _safe(kind), _safe(name), f"{_safe(document)}.json"


def _safe(text: str) -> str:
    """A name that is one whatever was given: no separator, no dot in front, of bounded length.

    What had to be changed carries a part of its hash, so that two texts do not become one name.
    """
    spaced = text.replace(" ", "-")
    kept = _OUTSIDE_NAMES.sub("_", spaced)[:_MAX_NAME].lstrip(".") or "_"
    if kept == spaced:
        return kept
    return f"{kept}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
