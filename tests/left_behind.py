"""Judgements of keys as a run leaves them in its folder, and as the next run finds them there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from scanner.analyze.findings import AnalysisRules, Verdicts, analyze
from scanner.analyze.parts import Bench, unwanted
from scanner.analyze.paths.role_paths import told_of
from scanner.model.finding import Finding
from scanner.model.verdicts import KeyAccess, KeyVerdicts, KnownVerdicts, PathAccess
from scanner.model.world import World
from scanner.report.directory import RunDirectory
from scanner.report.key_places import leaving, read_access
from scanner.report.verdicts import VERDICTS, VerdictsWriter, read_verdicts


@contextmanager
def found_again(verdicts: Iterable[KeyVerdicts]) -> Iterator[KnownVerdicts]:
    """The judgements after they were written to a file."""
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory.create(Path(folder), "run")
        with VerdictsWriter(directory) as kept:
            for one in verdicts:
                kept.write(one)
        yield read_verdicts(directory.path / VERDICTS)


def access_found_again(given: World, rules: AnalysisRules) -> dict[str, KeyAccess]:
    """By key what an analysis has left in its files about the access to it."""
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory.create(Path(folder), "run")
        with leaving(directory) as keep:
            analyze(given, rules, write_key=unwanted, write_access=unwanted, verdicts=Verdicts(keep=keep))
        known = read_verdicts(directory.path / VERDICTS)
        return {arn: found for arn in known.inputs if (found := read_access(directory.path, arn))}


def paths_beside_findings(given: World, rules: AnalysisRules) -> list[tuple[PathAccess, PathAccess]]:
    """What is told of the paths to each key, were it the only one, and what the findings about them say."""
    told: list[tuple[PathAccess, PathAccess]] = []
    for key in given.keys.values():
        bench = Bench.of(replace(given, keys={key.arn: key}), rules)
        found = told_of(bench.paths, bench.assembly, rules.service_principals)
        access = found.at(bench.assembly, key).access
        told += [
            (replace(one, holders=(), cut=False), _as_access(finding))
            for one, finding in zip(access, found.findings_about(key.arn), strict=True)
        ]
    return told


def _as_access(finding: Finding) -> PathAccess:
    """The finding as access to its one key."""
    plain = (replace(result, residual=None, keys=None, statements=()) for result in finding.capabilities)
    way = " > ".join(hop.in_path for hop in finding.path.hops)
    return PathAccess(finding.grantee, finding.mechanism.statements, way, tuple(plain), (), finding.id)
