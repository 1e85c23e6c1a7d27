"""What of an earlier run need not be done again: what the same code judged, in the files that its manifest names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from scanner.analyze.findings import AnalysisResult, Verdicts
from scanner.baseline import Earlier
from scanner.config import Settings
from scanner.errors import OutputError, SnapshotError
from scanner.executors import HowToAnalyze
from scanner.model.outcomes import Trials
from scanner.model.verdicts import KeyAccess, KnownVerdicts
from scanner.record import Record, judged_as, judging_code, read_judgement
from scanner.report.directory import RunDirectory
from scanner.report.key_places import PLACES, leaving, read_access
from scanner.report.manifest import MANIFEST, check_files, read_manifest
from scanner.report.trials import TRIALS, read_trials, write_trials
from scanner.report.verdicts import VERDICTS, read_verdicts
from scanner.runs import SNAPSHOT

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
    with leaving(directory) as keep:
        yield trials or Trials(), Verdicts(verdicts or KnownVerdicts(), keep)


def access_judged(folder: Path, key: str, settings: Settings, vendors: Mapping[str, str]) -> KeyAccess | None:
    """The access to a key as a run has judged it; None where the run does not say what would be judged now.

    That takes the same code and the same configuration, a snapshot that is the one of its manifest, and the lines about
    the key that it has written.

    Args:
        vendors: what the list of vendors of the settings says.
    """
    if not (folder / MANIFEST).exists():
        return None

    def told(places: Path) -> KeyAccess | None:
        return read_access(places.parent, key)

    return _taken(folder, (PLACES, SNAPSHOT), told, "the key is judged again", judged_as(settings, vendors))


def _known(earlier: Earlier | None, name: str, read: Callable[[Path], T], otherwise: str) -> T | None:
    """What a file of a baseline says."""
    return None if earlier is None else _taken(earlier.snapshot.parent, (name,), read, otherwise)


def _taken(
    folder: Path, names: Sequence[str], read: Callable[[Path], T | None], otherwise: str,
    fits: Callable[[Record], bool] = lambda _: True,
) -> T | None:  # fmt: skip
    """What files of a run say; the first of them is read. None where its record does not fit.

    They spare work: those that are missing, damaged or of other code are left alone, with a line in the log.
    """
    try:
        record = read_judgement(read_manifest(folder))
        if not fits(record):
            return None
        missing = set(names) - check_files(folder, names)
        if missing:
            why = f"`{folder}` has no {', '.join(sorted(missing))} that its manifest names"
        elif record.judging_code != judging_code():
            why = f"`{folder}` was judged by other code"
        else:
            return read(folder / names[0])
    except (SnapshotError, OutputError) as error:
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
