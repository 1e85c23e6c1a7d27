"""What an earlier run said, as a run is compared with it: read from its findings, or judged again from its snapshot."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from scanner import ENGINE
from scanner.analyze.history.formerly import may_be_renamed
from scanner.analyze.history.lifecycle import Followed, Former, follow
from scanner.analyze.keys.severity import rank
from scanner.model.finding import Finding, FindingsDocument
from scanner.model.lifecycle import Baseline, TrendPoint
from scanner.model.world import World
from scanner.report.directory import RunDirectory
from scanner.report.trend import present_point
from scanner.runs import SNAPSHOT
from scanner.snapshot.read import ContentError, read_document, reading

logger = logging.getLogger(__name__)

MAX_TREND = 60
"""Earlier runs that a run remembers the counts of: five years of months, or a year of weeks."""

Judge = Callable[[RunDirectory, str], tuple[Finding, ...]]
"""Judges the snapshot of a run again, with the present engine and configuration, at the given evaluation time."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run as it is compared with: what it said, and how that was made comparable.

    `documents` are the texts it kept itself, `snapshot` has the others and may be missing.
    """

    former: Former
    baseline: Baseline
    documents: Mapping[str, str]
    snapshot: Path
    trend: tuple[TrendPoint, ...] = ()

    def texts(self, wanted: Iterable[str]) -> dict[str, str]:
        """The documents with these hashes, as far as the run still has them.

        Raises:
            SnapshotError: its snapshot is damaged.
        """
        found = {sha256: self.documents[sha256] for sha256 in wanted if sha256 in self.documents}
        missing = [sha256 for sha256 in wanted if sha256 not in found]
        if missing and self.snapshot.is_file():
            with reading(self.snapshot) as connection:
                for sha256 in missing:
                    with suppress(ContentError):
                        found[sha256] = read_document(connection, sha256)
        return found


def earlier_run(directory: RunDirectory, document: FindingsDocument, config_hash: str, judge: Judge) -> Earlier:
    """An earlier run in terms of the present engine and configuration.

    Where either differs and the run still has its snapshot, that is judged again; without it, differences are marked.

    Raises:
        SnapshotError: its snapshot is damaged.
    """
    run = document.run
    baseline = Baseline(
        run.run_id, run.as_of, document.engine, run.config_hash, run.snapshot_hash, "findings"
    )  # fmt: skip
    former = Former(document.findings, document.resolved)
    if (document.engine, run.config_hash) != (ENGINE, config_hash):
        if (directory.path / SNAPSHOT).is_file():
            again, stood = judge(directory, run.as_of), kept_of(document)
            written = [finding for finding in document.findings if finding.id not in stood]
            otherwise = judged_otherwise(written, again)
            baseline = replace(baseline, compared="judged_again", judged_otherwise=otherwise)
            former = replace(former, findings=_with_times(again, document.findings, stood))
        else:
            logger.warning(
                "`%s` was judged with another engine or configuration and has no snapshot to judge again: "
                "differences are marked `engine_changed`",
                directory.path.name,
            )
            baseline = replace(baseline, compared="engine_changed")
            former = replace(former, comparable=False)
    trend = (*document.history.trend, present_point(document))[-MAX_TREND:]
    return Earlier(former, baseline, document.documents, directory.path / SNAPSHOT, trend)


def judged_otherwise(written: Iterable[Finding], again: Iterable[Finding]) -> dict[str, int]:
    """How many findings of one snapshot the present engine and configuration rank otherwise, or do not give at all."""
    now = {finding.id: finding for finding in again}
    counts: Counter[str] = Counter()
    for old in written:
        new = now.get(old.id)
        if new is None:
            counts["none"] += 1
        elif rank(new.severity) != rank(old.severity):
            lower = rank(new.severity) < rank(old.severity)
            counts["lower" if lower else "higher"] += 1
            counts["lower_by_approval"] += lower and _is_covered(new) and not _is_covered(old)
    return {name: number for name, number in sorted(counts.items()) if number}


def _is_covered(finding: Finding) -> bool:
    return finding.grantee.approval is not None and finding.grantee.approval.covered


def kept_of(document: FindingsDocument) -> frozenset[str]:
    """Ids of findings that a run did not make itself: they stand as an earlier one wrote them."""
    return frozenset(document.history.baseline.kept if document.history.baseline else ())


def _with_times(judged: tuple[Finding, ...], written: tuple[Finding, ...], stood: Collection[str]) -> (
    tuple[Finding, ...]
):  # fmt: skip
    """The findings judged again, first seen when they were; and those that stood as an even earlier run wrote them."""
    known = {f.id: f for f in written}
    again = {f.id for f in judged}
    kept = (f for f in written if f.id in stood and f.id not in again)
    return (*(replace(f, first_seen=known[f.id].first_seen) if f.id in known else f for f in judged), *kept)


def compared(
    present: tuple[Finding, ...], earlier: Earlier, world: World, read: Callable[[str], World]
) -> tuple[Followed, Baseline]:  # fmt: skip
    """The present findings followed from the earlier run, and the baseline with its counts.

    Args:
        read: the world of a snapshot; asked for the earlier one where somebody may only have been renamed.
    """
    former = earlier.former
    if former.comparable and earlier.snapshot.is_file() and may_be_renamed(former.findings, present):
        former = replace(former, world=replace(read(str(earlier.snapshot)), as_of=earlier.baseline.as_of))
    followed = follow(present, former, world)
    return followed, replace(earlier.baseline, counts=followed.counts, kept=followed.kept)
