"""Findings about what our own principals may do beyond their account: the identity side of an analysis."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.paths.role_paths import RolePaths
from scanner.analyze.permissions.attributes import attribute_findings
from scanner.analyze.permissions.broad import broad_key_findings
from scanner.analyze.permissions.foreign_keys import foreign_key_findings
from scanner.analyze.principals.reach import Population
from scanner.model.finding import Finding


def identity_findings(assembly: Assembly, population: Population, through_roles: RolePaths) -> Iterator[Finding]:
    """Every finding that starts at a policy of ours; all keys were judged before."""
    yield from foreign_key_findings(assembly)
    yield from broad_key_findings(assembly)
    yield from attribute_findings(assembly, population, through_roles)
