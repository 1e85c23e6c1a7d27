"""What of an earlier run need not be done again: what the same code judged, in the files that its manifest names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from scanner.analyze.findings import AnalysisResult, Verdicts
from scanner.baseline import Earlier
from scanner.errors import SnapshotError
from scanner.executors import HowToAnalyze
from scanner.model.outcomes import Trials
from scanner.model.verdicts import KnownVerdicts
from scanner.record import judging_code, read_judgement
from scanner.report.directory import RunDirectory
from scanner.report.manifest import check_files, read_manifest
from scanner.report.trials import TRIALS, read_trials, write_trials
from scanner.report.verdicts import VERDICTS, VerdictsWriter, read_verdicts

logger = logging.getLogger(__name__)
T = TypeVar("T")


@contextmanager
def handed_on(
    directory: RunDirectory, earlier: Earlier | None, how: HowToAnalyze
) -> Iterator[tuple[Trials, Verdicts]]:  # fmt: skip
    """The trials of a baseline and its judgements of keys; those of this run are written for the next one.

    There are none without a baseline, where everything is to be judged anew, and where they are not surely those of the
    run.
    """
    earlier = None if how.anew else earlier
    trials = _known(earlier, TRIALS, read_trials, "every edit is tried again")
    verdicts = _known(earlier, VERDICTS, read_verdicts, "every key is judged again")
    with VerdictsWriter(directory) as kept:
        yield trials or Trials(), Verdicts(verdicts or KnownVerdicts(), kept.write)


def _known(earlier: Earlier | None, name: str, read: Callable[[Path], T], otherwise: str) -> T | None:
    """What a file of a baseline says.

    It spares work: one that is missing, damaged or of other code is left alone, with a line in the log.
    """
    if earlier is None:
        return None
    folder = earlier.snapshot.parent
    try:
        if name not in check_files(folder, (name,)):
            why = f"the manifest of `{folder}` names no {name}"
        elif read_judgement(read_manifest(folder)).judging_code != judging_code():
            why = f"`{folder}` was judged by other code"
        else:
            return read(folder / name)
    except SnapshotError as error:
        why = error.message
    logger.warning("%s: %s", otherwise, why)
    return None


def leave_trials(directory: RunDirectory, judged: AnalysisResult, earlier: Earlier | None) -> None:
    """Write the trials for the next run, and say in the log what a baseline has spared this one."""
    write_trials(directory, judged.trials)
    taken = judged.taken_over
    if earlier is not None:
        logger.info(
            "%s of %s keys were not judged again: `%s` has their verdicts",
            f"{taken.judged - taken.judged_anew:,}", f"{taken.judged:,}", earlier.baseline.run_id,
        )  # fmt: skip
        logger.info(
            "edits of %s of %s keys and %s of %s other edits were not tried again: `%s` has what they do",
            f"{taken.keys - taken.keys_anew:,}", f"{taken.keys:,}", f"{taken.trials - taken.trials_anew:,}",
            f"{taken.trials:,}", earlier.baseline.run_id,
        )  # fmt: skip
