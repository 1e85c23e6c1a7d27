"""Whether two states of one finding say the same."""

from __future__ import annotations

from scanner.analyze.history.difference import compare_findings
from scanner.model.finding import Finding, Kind

_WITHOUT_ACCESS = frozenset({Kind.INEFFECTIVE_PERMISSION, Kind.KEY_HYGIENE, Kind.BROAD_KEY_PERMISSION})
"""Kinds that are no access of somebody to something: only the fingerprint tells whether they changed."""


def reads_the_same(old: Finding, new: Finding) -> bool:
    """Whether a finding says the same; the gates of an access may differ and the access be what it was."""
    if (old.verdict, old.severity) != (new.verdict, new.severity):
        return False
    return old.fingerprint == new.fingerprint or (old.kind not in _WITHOUT_ACCESS and not compare_findings(old, new))
