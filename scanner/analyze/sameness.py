"""Whether two states of one finding say the same."""

from __future__ import annotations

from scanner.analyze.difference import WITHOUT_ACCESS, compare_findings
from scanner.model.finding import Finding


def reads_the_same(old: Finding, new: Finding) -> bool:
    """Whether a finding says the same; the gates of an access may differ and the access be what it was."""
    if (old.verdict, old.severity) != (new.verdict, new.severity):
        return False
    return old.fingerprint == new.fingerprint or (old.kind not in WITHOUT_ACCESS and not compare_findings(old, new))
