"""Which finished runs a folder keeps whole: of older ones, the files that we wrote go, but for their summary."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from scanner.errors import SnapshotError
from scanner.report.manifest import MANIFEST, OUTSIDE, Manifest, read_manifest
from scanner.runs import FINDINGS, LATEST, SNAPSHOT, run_folders
from scanner.snapshot.read import WRITER, read_header

logger = logging.getLogger(__name__)

_OURS = re.compile(
    r"(?:findings|keys|access|coverage)\.csv|findings(?:\.ocsf|\.asff)?\.json|findings\.sarif|graph\.(?:json|graphml)"
    r"|(?:trials|verdicts|paths|places)\.jsonl|summary\.md|snapshot\.sqlite"
    r"|report(?:-kx-[a-z2-7]+)?\.html|report/(?:\d{12}|other)(?:-\d+)?\.html|policies/.+\.json"
)
"""Files that a run writes. A manifest may name others: it hashes whatever lies in the folder."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _FinishedRun:
    path: Path
    manifest: Manifest
    finished: str

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it was removed yet: findings go first."""
        return (self.path / FINDINGS).is_file()

    @property
    def baseline(self) -> Path | None:
        """The folder of the run that this one was compared with, which proves it again."""
        judged = self.manifest.fields.get("judged")
        baseline = judged.get("baseline") if isinstance(judged, dict) else None
        return Path(str(baseline.get("path"))).resolve() if isinstance(baseline, dict) else None


def prune(output: Path, keep: int, named: Collection[Path]) -> tuple[str, ...]:
    """Take the files of all finished runs but the newest away; the names of those that lost theirs, the oldest first.

    What stays is `summary.json`, and every file that we did not write or that was changed since. A run stays whole that
    `latest` points at, that is named here, or that one of the newest was compared with. Runs that can be continued, or
    have no report, are neither counted nor touched. No link is followed.

    Args:
        keep: how many of the newest stay whole, at least one.
        named: folders of runs that stay whole, such as the baseline of the configuration.
    """
    runs = sorted(_finished(output), key=lambda run: (run.finished, run.path.name), reverse=True)
    newest = [run for run in runs if run.is_whole][:keep]
    kept = {path.resolve() for path in (*named, output / LATEST)} | {run.path.resolve() for run in newest}
    kept |= {run.baseline for run in newest if run.baseline is not None}
    older = runs[runs.index(newest[-1]) + 1 :] if newest else []
    return tuple(run.path.name for run in reversed(older) if run.path.resolve() not in kept and _emptied(run))


def _finished(output: Path) -> Iterator[_FinishedRun]:
    """The runs of a folder that have a report and bear the name they were given."""
    for path in run_folders(output):
        try:
            if not stat.S_ISREG((path / MANIFEST).lstat().st_mode):
                continue
            manifest = read_manifest(path)
            complete = not (path / SNAPSHOT).exists() or _is_complete(path / SNAPSHOT)
        except (OSError, SnapshotError):
            continue
        fields = manifest.fields
        own_name = re.fullmatch(rf"{re.escape(str(fields.get('run_id')))}(?:-\d+)?", path.name)
        if own_name and complete and fields.get("written") and fields.get("finished"):
            yield _FinishedRun(path, manifest, str(fields["finished"]))


def _is_complete(snapshot: Path) -> bool:
    """Whether a collection came to its end, so that `--resume` has nothing left to do but repeat what failed."""
    header = read_header(snapshot)
    return header.get("complete") == "1" and WRITER not in header


def _emptied(run: _FinishedRun) -> bool:
    """Remove the files of a run, the manifest last: until then, what was interrupted is done again."""
    files = sorted((name for name in run.manifest.files if _OURS.fullmatch(name)), key=lambda name: name != FINDINGS)
    try:
        for name in files:
            _remove(run.path, name, run.manifest.files[name])
        for name in (*OUTSIDE, MANIFEST):
            _remove(run.path, name)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        logger.warning("`%s` is older than `output.keep_runs` asks for and stays: %s", run.path.name, reason)
        return False
    logger.info("`%s` is older than `output.keep_runs` asks for: its summary is left", run.path.name)
    return True


def _remove(folder: Path, name: str, sha256: str = "") -> None:
    """Remove a regular file, where it is the one with this hash, and the folders that it leaves empty."""
    *places, last = name.split("/")
    with suppress(FileNotFoundError, NotADirectoryError), _opened(folder, places) as descriptors:
        here = descriptors[-1]
        if not stat.S_ISREG(os.lstat(last, dir_fd=here).st_mode) or (sha256 and _sha256(last, here) != sha256):
            logger.warning("`%s` is not the file that was written, and stays", folder / name)
            return
        os.unlink(last, dir_fd=here)
        for place, parent in zip(reversed(places), reversed(descriptors[:-1]), strict=True):
            with suppress(OSError):
                os.rmdir(place, dir_fd=parent)


@contextmanager
def _opened(folder: Path, places: list[str]) -> Iterator[list[int]]:
    """Descriptors of a folder and of the folders on the way down in it."""
    descriptors = [os.open(folder, _FOLDER)]
    try:
        for place in places:
            descriptors.append(os.open(place, _FOLDER, dir_fd=descriptors[-1]))
        yield descriptors
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _sha256(name: str, folder: int) -> str:
    digest = hashlib.sha256()
    with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
