"""Two runs compared: what became of the findings of the older one, and who gained or lost access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from scanner import ENGINE
from scanner.analyze.history.difference import compare_access
from scanner.analyze.history.formerly import may_be_renamed
from scanner.analyze.history.lifecycle import Former, follow
from scanner.analyze.history.reading import Reading
from scanner.analyze.history.suppress import suppress
from scanner.analyze.keys.severity import rank
from scanner.baseline import kept_of
from scanner.config import Settings, config_hash
from scanner.contents import read_findings
from scanner.model.difference import Compared
from scanner.model.finding import Finding, FindingsDocument, Severity
from scanner.model.lifecycle import Lifecycle
from scanner.model.world import World
from scanner.pipeline import judge_again
from scanner.plan import suppressions_of
from scanner.report.directory import RunDirectory
from scanner.runs import SNAPSHOT, find_run
from scanner.worlds import world_of


@dataclass(frozen=True, slots=True)
class RunsCompared:
    """Two runs, their differences in access, every finding of either with its lifecycle, and counts by lifecycle.

    `names` tell them apart: the run ids, or folders where two judgements are of one collection. `comparable` is false
    where one was judged by another engine or configuration and has no snapshot to judge again.
    """

    old: FindingsDocument
    new: FindingsDocument
    access: Compared
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    comparable: bool
    judged_again: bool
    names: tuple[str, str]

    @property
    def changed(self) -> tuple[Finding, ...]:
        """The findings that are not what they were, or rank higher than they did."""
        return tuple(f for f in self.findings if f.lifecycle != Lifecycle.UNCHANGED or f.rise)

    @property
    def accepted(self) -> int:
        """Findings of the newer run that a reviewed entry accepts, and that the older one counted or did not have."""
        before = {f.id for f in self.old.findings if f.is_suppressed}
        return sum(f.is_suppressed and f.id not in before for f in self.new.findings)

    def grew(self, level: str) -> bool:
        """Whether a new, reopened, wider or graver finding reaches a severity; accepted ones are not counted."""
        grown = (f for f in self.findings if f.has_grown and not f.is_suppressed)
        return any(rank(f.severity) >= rank(Severity(level)) for f in grown)


def compare_runs(old: str, new: str, settings: Settings) -> RunsCompared:
    """Compare two runs by name.

    Runs of one engine and configuration are compared as they were written; otherwise what was judged differently is
    judged again from its snapshot, with the present engine and configuration.

    Raises:
        SnapshotError: a run is missing, damaged or of another version.
        ConfigError: the suppression file has problems.
    """
    folders = [find_run(name, settings.output.directory) for name in (old, new)]
    before, after = (read_findings(folder.path) for folder in folders)
    same = _judged_by(before) == _judged_by(after)
    former = None if same else _again(folders[0], before, settings)
    present = None if same else _again(folders[1], after, settings)
    if former is None or present is None:
        former, present = before.findings, _own(after)
        comparable = same
    else:
        comparable = True
        accepted = suppressions_of(settings, date.fromisoformat(after.run.as_of[:10]))
        present = suppress(present, accepted.entries, after.run.as_of).findings
    wanted = comparable and may_be_renamed(former, present)
    world = _world(folders[0], before, settings) if wanted else None
    earlier = Former(tuple(former), before.resolved, comparable, world)
    read = _world(folders[1], after, settings)
    followed = follow(present, earlier, read)
    ended = tuple(f for f in followed.resolved if f.id in {g.id for g in former})
    return RunsCompared(
        before, after, compare_access(former, followed.findings, world, Reading(read).is_unread),
        (*followed.findings, *ended), followed.counts, comparable, not same and comparable,
        _names((before, after), [folder.path for folder in folders]),
    )  # fmt: skip


def _names(documents: tuple[FindingsDocument, FindingsDocument], folders: Sequence[Path]) -> tuple[str, str]:
    """Run ids, names of folders, or paths: the first that are not the same twice; of one run, its id."""
    ids, (old, new) = (documents[0].run.run_id, documents[1].run.run_id), folders
    if old == new:
        return ids
    told = (ids, (old.name, new.name))
    return next((names for names in told if names[0] != names[1]), (str(old), str(new)))


def _judged_by(document: FindingsDocument) -> tuple[int, str]:
    return document.engine, document.run.config_hash


def _again(folder: RunDirectory, document: FindingsDocument, settings: Settings) -> Sequence[Finding] | None:
    """The findings in terms of the present engine and configuration; None where there is no snapshot to judge."""
    if _judged_by(document) == (ENGINE, config_hash(settings)):
        return _own(document)
    if not (folder.path / SNAPSHOT).is_file():
        return None
    return judge_again(settings, folder, document.run.as_of)


def _own(document: FindingsDocument) -> tuple[Finding, ...]:
    """What a run found itself, without what it kept of an earlier one."""
    kept = kept_of(document)
    return tuple(f for f in document.findings if f.id not in kept)


def _world(folder: RunDirectory, document: FindingsDocument, settings: Settings) -> World:
    """What a run read; nothing where its snapshot is gone, and then nothing is proven by it."""
    if not (folder.path / SNAPSHOT).is_file():
        return World({}, (), {}, {}, document.run.as_of)
    return replace(world_of(str(folder.path), settings), as_of=document.run.as_of)
