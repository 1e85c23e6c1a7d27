"""Puts the parts of a run together: collect, analyze, report, and the run directory they fill."""

from __future__ import annotations

import contextlib
import logging
import secrets
import signal
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

from scanner.analyze.findings import AnalysisResult, analyze
from scanner.analyze.history.suppress import recounted, suppress
from scanner.analyze.principals.approvals import configured_approvals, ending_approvals
from scanner.analyze.principals.party import Trust
from scanner.analyze.summary import RunFacts, build_document, scanned_units
from scanner.baseline import Earlier, compared, earlier_run
from scanner.clock import SystemClock
from scanner.config import Settings, config_hash
from scanner.contents import checked_snapshot, holding_of, read_findings, text_of
from scanner.errors import InterruptedRunError, OutputError, SnapshotError, UsageError
from scanner.executors import HowToAnalyze, lanes_of
from scanner.logs import log_context, run_log
from scanner.model.finding import Finding, FindingsDocument, KeyRow
from scanner.model.lifecycle import History
from scanner.model.world import World
from scanner.plan import analysis_rules, collect_settings, suppressions_of
from scanner.record import record_of, reports_with
from scanner.report.context import PageSources
from scanner.report.coverage_notes import cited_notes
from scanner.report.directory import RunDirectory
from scanner.report.escape import CsvDialect
from scanner.report.graph import GRAPH, dump_graph
from scanner.report.graphml import GRAPHML, dump_graphml
from scanner.report.json import dump_findings
from scanner.report.key_places import LEFT
from scanner.report.manifest import MANIFEST, check_files, recorded_in, write_manifest
from scanner.report.options import ReportOptions
from scanner.report.pages import HtmlOptions, PageLimits
from scanner.report.streams import AccessWriter, CoverageWriter, KeysWriter, read_key_rows, read_ledger
from scanner.report.trials import TRIALS
from scanner.resume import reopened
from scanner.retention import prune
from scanner.reuse import handed_on, leave_trials
from scanner.runs import FINDINGS, LATEST, SNAPSHOT, find_run, run_before, run_to_judge
from scanner.signals import interruptible, stoppable
from scanner.snapshot.read import read_header
from scanner.snapshot.store import SnapshotStore, settle
from scanner.snapshot.view import load_meta, load_scope
from scanner.suppressions import SuppressionFile
from scanner.workers import DaemonThreads
from scanner.worlds import world_in, world_of

logger = logging.getLogger(__name__)

_ALONE = HowToAnalyze()
_JUDGED = (MANIFEST, FINDINGS, GRAPH, GRAPHML, TRIALS, *LEFT, "coverage.csv", "keys.csv", "access.csv")
"""What an analysis writes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: the findings, where they are, and the exit code a cron job sees."""

    document: FindingsDocument
    directory: Path


def new_run_id(clock: SystemClock) -> str:
    """`2026-11-22T0010Z-7f3a`: the minute, and four random digits so that two runs never share a folder."""
    return f"{clock.now():%Y-%m-%dT%H%MZ}-{secrets.token_hex(2)}"


# -- collect ----------------------------------------------------------------------------------------------------------


def collect_run(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    clock: SystemClock,
    on_progress: Callable[..., None],
    synthetic: bool = False,
    resume: str | None = None,
) -> RunDirectory:
    """Collect into a new run directory, or into that of an interrupted run; returns it with a closed snapshot inside.

    Args:
        synthetic: marks the snapshot, and every report made from it, as one that read no AWS organization.
        resume: the run whose collection is continued; what is complete in it is not read again.

    Raises:
        SnapshotError: the run to continue is missing or damaged.
        NothingScannedError, UsageError, OutputError: see `scanner.collect.collector.collect`.
        InterruptedRunError: a signal came; what was read is kept.
    """
    from scanner.collect.collector import collect  # noqa: PLC0415  # boto3 is loaded by commands that need AWS only

    suppressions_of(settings, clock.now().date())
    if settings.gate.baseline not in {None, LATEST}:
        find_run(str(settings.gate.baseline), settings.output.directory)
    if resume is None:
        directory = RunDirectory.create(settings.output.directory, new_run_id(clock))
        store = SnapshotStore.create(directory.path / SNAPSHOT, synthetic=synthetic)
    else:
        directory, store = reopened(resume, settings)
    run_id = store.reached.meta.get("run_id", directory.path.name)
    executor = DaemonThreads(settings.limits.workers)
    with run_log(directory.path / "log.jsonl"), log_context(run_id=run_id), stoppable() as (stop, received):
        try:
            summary = collect(
                collect_settings(settings, environ, run_id),
                store=store,
                executor=executor,
                clock=clock,
                stop=stop,
                on_progress=on_progress,
            )
        except OutputError as error:
            error.run_id = run_id
            raise
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
    if summary.stopped:
        raise _interrupted(directory, received, "" if summary.complete else run_id)
    return directory


def _interrupted(directory: RunDirectory, received: Sequence[int], run_id: str) -> InterruptedRunError:
    """What a signal led to; without a run id, the last units were finished and nothing is left to continue."""
    said = f"stopped by a signal: what was read is in `{directory.path}`"
    hint = None if run_id else f"the collection is complete: kms-scan analyze {directory.path}"
    error = InterruptedRunError(said, hint=hint)
    error.exit_code = 128 + (received[0] if received else signal.SIGINT)
    error.run_id = run_id
    return error


# -- analyze and report -----------------------------------------------------------------------------------------------


def analyze_run(
    directory: RunDirectory,
    settings: Settings,
    *,
    accepted: SuppressionFile | None = None,
    how: HowToAnalyze = _ALONE,
) -> FindingsDocument:
    """Judge the snapshot of a run directory and write findings.json, the graph, keys.csv, access.csv, coverage.csv.

    A first manifest says what the judgement was made with. Where it does not come to its end, none of the files stays.

    Args:
        accepted: the reviewed exceptions, where they are not those of the file that the configuration names.
        how: who does the work; what is written is the same.

    Raises:
        SnapshotError: the snapshot is missing, damaged or of another version.
        OutputError: a file cannot be written.
        WorkerError: processes or a cluster that were to do the work do not.
    """
    try:
        with lanes_of(how) as lanes:
            return _analyzed(directory, settings, accepted, how, lanes)
    except BaseException:
        with contextlib.suppress(OutputError):
            directory.remove(*_JUDGED)
        raise


def _analyzed(
    directory: RunDirectory,
    settings: Settings,
    accepted: SuppressionFile | None,
    how: HowToAnalyze,
    lanes: Sequence[Executor],
) -> FindingsDocument:
    dialect = CsvDialect(settings.output.csv_dialect)
    settle(directory.path / SNAPSHOT)
    with checked_snapshot(directory.path / SNAPSHOT) as connection:
        meta = load_meta(connection)
        _, rules = analysis_rules(settings)
        world = world_in(connection, settings)
        if accepted is None:
            accepted = suppressions_of(settings, date.fromisoformat(world.as_of[:10]))
        earlier = _earlier(settings, meta, directory.path.parent, lanes)
        rows: list[KeyRow] = []
        aliases = {str(arn): key.aliases or () for arn, key in world.keys.items()}
        with AccessWriter(directory, dialect, aliases) as access, handed_on(directory, earlier, how) as (known, kept):
            judged = analyze(
                world, rules, write_key=rows.append, write_access=access.write, lanes=lanes,
                on_progress=how.on_progress, known=known, verdicts=kept,
            )  # fmt: skip
        leave_trials(directory, judged, earlier)
        result, resolved, history = _reviewed(judged, world, earlier, accepted, settings)
        with KeysWriter(directory, dialect) as keys:
            for row in recounted(rows, judged.findings, result.findings):
                keys.write(row)
        facts = _facts(connection, settings, rules.trust, world)
        document = replace(build_document(world, result, facts), resolved=resolved, history=history)
        affected = Counter(ref for f in document.findings for ref in f.coverage_refs)
        with CoverageWriter(directory, dialect, {str(a.id): a.name for a in world.accounts.values()}) as coverage:
            for entry in world.coverage:
                coverage.write(entry, affected[entry.ref])
        directory.write_parts(GRAPH, dump_graph(result.graph))
        directory.write_parts(GRAPHML, dump_graphml(result.graph))
    directory.write_parts(FINDINGS, dump_findings(document))
    write_manifest(directory, document, judged=record_of(settings, rules.trust.vendors, accepted, earlier))
    return document


def _facts(connection: sqlite3.Connection, settings: Settings, trust: Trust, world: World) -> RunFacts:
    """What the summary of a run says beside its findings."""
    meta = load_meta(connection)
    pairs, accounts, left_out = load_scope(connection)
    return RunFacts(
        meta=meta,
        scanned=scanned_units(pairs, accounts, meta.get("run_regions", "")),
        not_scanned=left_out,
        config_hash=config_hash(settings, trust.vendors),
        asserted_context={k: ", ".join(v) for k, v in settings.analysis.context.items()},
        fail_on=settings.gate.fail_on,
        min_coverage=float(settings.gate.min_coverage),
        scope=meta.get("scope", ""),
        ending_approvals=ending_approvals(trust.approvals, trust.providers, world.as_of),
        new_only=settings.gate.new_only,
        approvals=configured_approvals(trust.approvals, trust.providers, world.as_of),
        accounts_from_organization=settings.accounts.source == "organization",
    )


def _earlier(
    settings: Settings, meta: Mapping[str, str], folder: Path, lanes: Sequence[Executor]
) -> Earlier | None:  # fmt: skip
    """The baseline that was asked for; None where none was, or where `latest` finds no earlier run in the folder."""
    name = settings.gate.baseline
    if name is None:
        return None
    if name == LATEST:
        found = run_before(folder, meta.get("finished", ""), meta.get("run_id", ""))
        if found is None:
            logger.warning("`%s` holds no earlier run with a report: every finding is new", folder)
            return None
    else:
        found = find_run(name, settings.output.directory)
    return earlier_run(
        found, read_findings(found.path), config_hash(settings), partial(judge_again, settings, lanes=lanes)
    )


def _reviewed(
    judged: AnalysisResult, world: World, earlier: Earlier | None, accepted: SuppressionFile, settings: Settings
) -> tuple[AnalysisResult, tuple[Finding, ...], History]:
    """What was judged with its lifecycle and suppressions, the resolved findings, and what it was compared with."""
    findings, documents = judged.findings, judged.documents
    resolved: tuple[Finding, ...] = ()
    baseline, trend = None, earlier.trend if earlier else ()
    if earlier is not None:
        followed, baseline = compared(findings, earlier, world, partial(world_of, settings=settings))
        findings, resolved = followed.findings, followed.resolved
        known = {f.id for f in judged.findings}
        kept = sorted({e.sha256 for f in findings if f.id not in known for e in f.evidence} - documents.keys())
        documents = earlier.texts(kept) | documents
    held = suppress(findings, accepted.entries, world.as_of)
    result = replace(judged, findings=held.findings, documents=documents)
    return result, resolved, History(baseline, held.notes, accepted.sha256, trend)


def judge_again(
    settings: Settings, directory: RunDirectory, as_of: str, *, lanes: Sequence[Executor] = ()
) -> tuple[Finding, ...]:  # fmt: skip
    """The findings of a run's snapshot with the present engine and configuration, at an evaluation time of its own.

    Raises:
        SnapshotError: the snapshot is missing or damaged.
    """
    with checked_snapshot(directory.path / SNAPSHOT) as connection:
        world = world_in(connection, settings, as_of)
    _, rules = analysis_rules(settings)
    nowhere = deque[object](maxlen=0).append
    return analyze(world, rules, write_key=nowhere, write_access=nowhere, lanes=lanes).findings


def analyze_named(
    name: str, settings: Settings, *, folder_given: bool, how: HowToAnalyze = _ALONE
) -> tuple[FindingsDocument, RunDirectory]:  # fmt: skip
    """Judge a run or a lone snapshot, in a folder that holds no judgement yet.

    A run that was collected and not judged is judged in place. Otherwise its snapshot is copied into a new run
    directory, which appears when the judgement is complete, so that no report ever stands beside findings it was not
    made from. The new directory is beside the run; for a lone snapshot, and for a run where `folder_given` says that
    the user named an output folder, it is in the output folder.

    Raises:
        SnapshotError: there is no such run or snapshot, or it is damaged or of another version.
        OutputError: a file cannot be written.
        WorkerError: processes or a cluster that were to do the work do not.
        InterruptedRunError: a signal came; nothing was written.
    """
    said = f"stopped by a signal: nothing was written, and the snapshot of `{name}` is as it was"
    with interruptible(said, f"judge it again: kms-scan analyze {name}"):
        return _analyze_named(name, settings, how, folder_given=folder_given)


def _analyze_named(
    name: str, settings: Settings, how: HowToAnalyze, *, folder_given: bool
) -> tuple[FindingsDocument, RunDirectory]:  # fmt: skip
    output, lone = settings.output.directory, Path(name)
    parent = output
    if lone.is_file():
        source = lone
    else:
        directory = run_to_judge(name, output)
        source = directory.path / SNAPSHOT
        if not folder_given or output.resolve() == directory.path.parent:
            parent = directory.path.parent
            if not (directory.path / FINDINGS).exists():
                return analyze_run(directory, settings, how=how), directory
    run_id = read_header(source).get("run_id", "")
    if not run_id or "/" in run_id or run_id.startswith("."):
        raise SnapshotError(f"`{source}` names no run")
    settle(source)
    with checked_snapshot(source), RunDirectory.unpublished(parent, run_id) as made:
        made.copy(SNAPSHOT, source)
        document = analyze_run(made, settings, how=how)
        return document, made.publish(run_id)


def report_run(directory: RunDirectory, options: ReportOptions, *, clock: SystemClock) -> FindingsDocument:
    """Render a run's reports from findings.json, keys.csv, coverage.csv and the snapshot, then the manifest.

    Where the options name single findings, each gets a file of its own and every other file stays as it is.

    Raises:
        SnapshotError: a file of the run is missing or damaged; the manifest vouches for those that are not rendered.
        OutputError: a file cannot be written.
        UsageError: there is no such finding, or a template of the user cannot be used.
    """
    from scanner.report.write import render_all, render_only  # noqa: PLC0415

    check_files(directory.path, [name for name in _JUDGED if name != MANIFEST])
    document = read_findings(directory.path)
    notes = cited_notes(document.findings, read_ledger(directory.path / "coverage.csv"))
    only = bool(options.html.only)
    with checked_snapshot(directory.path / SNAPSHOT) as connection:
        texts, held = partial(text_of, connection), partial(holding_of, connection)
        sources = PageSources(read_key_rows(directory.path / "keys.csv"), notes, texts, held)
        if only:
            render_only(document, sources, directory, options.html)
        else:
            render_all(document, sources, directory, options)
    written = clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
    judged, before = recorded_in(directory.path)
    write_manifest(directory, document, written, judged=judged, reported=reports_with(before, options))
    if not only:
        directory.publish_latest()
    return document


def run(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    clock: SystemClock,
    synthetic: bool = False,
    resume: str | None = None,
    how: HowToAnalyze = _ALONE,
) -> Outcome:
    """Collect, analyze and report: what cron calls.

    Args:
        resume: the interrupted run whose collection is continued.
        how: who does the work of the analysis, and who is told how far it is and how far the collection.
    """
    directory = collect_run(
        settings, environ, clock=clock, on_progress=how.on_progress, synthetic=synthetic, resume=resume
    )  # fmt: skip
    kept = f"what was collected is in `{directory.path}`"
    try:
        with interruptible(f"stopped by a signal: {kept}", f"judge it: kms-scan analyze {directory.path}"):
            analyze_run(directory, settings, how=how)
    except UsageError as error:
        error.hint = "; ".join(hint for hint in (error.hint, kept) if hint)
        raise
    output = settings.output
    html = HtmlOptions(PageLimits(output.html_max_findings))
    options = ReportOptions(output.formats, CsvDialect(output.csv_dialect), html=html)
    document = report_run(directory, options, clock=clock)
    if output.keep_runs is not None:
        named = settings.gate.baseline
        beside = [find_run(str(named), output.directory).path] if named not in {None, LATEST} else []
        prune(directory.path.parent, output.keep_runs, (directory.path, *beside))
    return Outcome(document, directory.path)
