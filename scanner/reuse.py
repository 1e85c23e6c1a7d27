"""Which trials of an earlier run need not be made again: those by the same code, in the file its manifest names."""

from __future__ import annotations

import logging

from scanner.analyze.findings import AnalysisResult
from scanner.baseline import Earlier
from scanner.errors import SnapshotError
from scanner.model.outcomes import Trials
from scanner.record import judging_code, read_judgement
from scanner.report.directory import RunDirectory
from scanner.report.manifest import check_files, read_manifest
from scanner.report.trials import TRIALS, read_trials, write_trials

logger = logging.getLogger(__name__)


def known_trials(earlier: Earlier | None) -> Trials:
    """The trials of a baseline; none where there is no baseline, or where they are not surely those of the run.

    They spare work and decide nothing: a file that is missing, damaged or of other code is left alone with a log line.
    """
    if earlier is None:
        return Trials()
    folder = earlier.snapshot.parent
    try:
        if TRIALS not in check_files(folder, (TRIALS,)):
            return _unused(f"the manifest of `{folder}` names no {TRIALS}")
        if read_judgement(read_manifest(folder)).judging_code != judging_code():
            return _unused(f"`{folder}` was judged by other code")
        return read_trials(folder / TRIALS)
    except SnapshotError as error:
        return _unused(error.message)


def _unused(why: str) -> Trials:
    logger.warning("every edit is tried again: %s", why)
    return Trials()


def leave_trials(directory: RunDirectory, judged: AnalysisResult, earlier: Earlier | None) -> None:
    """Write the trials for the next run, and say in the log what a baseline has spared this one."""
    write_trials(directory, judged.trials)
    taken = judged.taken_over
    if earlier is not None:
        logger.info(
            "edits of %s of %s keys and %s of %s other edits were not tried again: `%s` has what they do",
            f"{taken.keys - taken.keys_anew:,}", f"{taken.keys:,}", f"{taken.trials - taken.trials_anew:,}",
            f"{taken.trials:,}", earlier.baseline.run_id,
        )  # fmt: skip
