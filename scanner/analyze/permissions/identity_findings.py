"""Findings about what our own principals may do with keys of others and with too many: keys decide what that gives."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.permissions.broad import broad_key_findings
from scanner.analyze.permissions.foreign_keys import foreign_key_findings
from scanner.model.finding import Finding


def identity_findings(assembly: Assembly) -> Iterator[Finding]:
    """Every finding about a policy of ours that rests on uses of keys; all keys were judged before."""
    yield from foreign_key_findings(assembly)
    yield from broad_key_findings(assembly)
