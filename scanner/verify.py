"""Whether a run is what it says: its files are those of its manifest, and its snapshot gives the same bytes again."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Mapping
from pathlib import Path

from scanner import ENGINE
from scanner.clock import SystemClock
from scanner.errors import SnapshotError, UsageError
from scanner.executors import HowToAnalyze
from scanner.model.verified import FileState, FileVerified, RunVerified
from scanner.pipeline import analyze_run, report_run
from scanner.plan import suppression_rules
from scanner.record import Restored, read_record, restored
from scanner.report.directory import RunDirectory
from scanner.report.manifest import MANIFEST, OUTSIDE, Manifest, read_manifest, sha256_of
from scanner.report.same import first_difference
from scanner.runs import SNAPSHOT
from scanner.suppressions import SuppressionFile, read_suppressions

_OWN = frozenset({"files", "not_hashed", "written", "written_by", "judged", "reported"})
"""Members of a manifest that are not those of the run, or are compared file by file."""

_NO_MORE = f"{MANIFEST} names it, and it is not in this folder"
_NOT_THE_FILE = f"it is not the file that {MANIFEST} names"


def verify_run(directory: RunDirectory, *, clock: SystemClock) -> RunVerified:
    """Hash every file of a run and perform the run again in a folder of its own, which is removed.

    The run is judged with the configuration, reviewed exceptions, list of vendors and evaluation time that its manifest
    records, and compared with the same baseline.

    Raises:
        SnapshotError: the folder has no manifest, or it is damaged.
    """
    manifest = read_manifest(directory.path)
    there = frozenset(directory.files())
    hashed = {
        name: _hashed(directory.path / name, sha256) if name in there else FileState.MISSING
        for name, sha256 in manifest.files.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        again: RunDirectory | None = None
        hindrance = ""
        try:
            again = _performed(directory, manifest, hashed, Path(folder), clock)
        except UsageError as error:
            hindrance = "; ".join(text for text in (error.message, error.hint) if text)
        files = _files(directory, manifest, hashed, again)
    fields = manifest.fields
    return RunVerified(
        str(fields.get("run_id")), _engine(manifest), str(fields.get("written_by") or ""), files, hindrance
    )  # fmt: skip


def _engine(manifest: Manifest) -> int:
    engine = manifest.fields.get("engine")
    return engine if isinstance(engine, int) else 0


def _hashed(path: Path, sha256: str) -> FileState:
    """Whether a file is the one that was hashed; what else it is, is not known yet."""
    return FileState.NOT_PERFORMED if sha256_of(path) == sha256 else FileState.CHANGED


def _performed(
    directory: RunDirectory, manifest: Manifest, hashed: Mapping[str, FileState], folder: Path, clock: SystemClock
) -> RunDirectory:
    """The run, performed again inside the folder. Raises UsageError where it cannot be."""
    engine = _engine(manifest)
    if engine != ENGINE:
        raise SnapshotError(
            f"the run was judged by engine {engine}, and this is engine {ENGINE}",
            hint=f"verify it with kms-scan {manifest.fields.get('written_by') or 'of that engine'}",
        )
    if hashed.get(SNAPSHOT) is not FileState.NOT_PERFORMED:
        raise SnapshotError(f"`{SNAPSHOT}` is not there as it was judged")
    record, reports = read_record(manifest)
    given = folder / "given"
    given.mkdir()
    found = restored(record, given)
    again = RunDirectory.create(folder, "again")
    again.copy(SNAPSHOT, directory.path / SNAPSHOT)
    accepted = _accepted(found, str(manifest.fields.get("as_of")))
    analyze_run(again, found.settings, accepted=accepted, how=HowToAnalyze(anew=True))
    for report in reports:
        if report.can_be_made_again:
            report_run(again, report.options(), clock=clock)
    return again


def _accepted(found: Restored, as_of: str) -> SuppressionFile:
    if found.suppressions is None:
        return SuppressionFile()
    try:
        day = dt.date.fromisoformat(as_of[:10])
    except ValueError as error:
        raise SnapshotError(f"the manifest has no valid evaluation time: `{as_of}`") from error
    return read_suppressions(found.suppressions, suppression_rules(found.settings), day, must_exist=True)


def _files(
    directory: RunDirectory, manifest: Manifest, hashed: Mapping[str, FileState], again: RunDirectory | None
) -> tuple[FileVerified, ...]:
    """Every file of the manifest, every file that the run made again, and what lies beside them."""
    made = set(again.files()) if again else set()
    there = set(directory.files())
    outside = {MANIFEST, *OUTSIDE}
    names = sorted((set(hashed) | made | there) - outside)
    found = [
        _file(name, hashed, directory.path, again.path if again and name in made else None, performed=again is not None)
        if name in there
        else FileVerified(name, FileState.MISSING, _NO_MORE)
        for name in names
    ]
    found.append(_manifest(manifest, read_manifest(again.path) if again else None))
    found += [
        FileVerified(name, FileState.OUTSIDE, "not promised, and not hashed") for name in OUTSIDE if name in there
    ]
    return tuple(found)


def _file(
    name: str, hashed: Mapping[str, FileState], folder: Path, again: Path | None, *, performed: bool
) -> FileVerified:
    state = hashed.get(name)
    if state is None and again is None:
        return FileVerified(name, FileState.OUTSIDE, f"{MANIFEST} does not name it, and no run makes it")
    if state is FileState.NOT_PERFORMED and name == SNAPSHOT:
        return FileVerified(name, FileState.UNCHANGED, "what the run was made from")
    if again is None:
        if state is FileState.CHANGED:
            return FileVerified(name, FileState.CHANGED, _NOT_THE_FILE)
        why = "templates of your own made it, or a report that is not recorded" if performed else ""
        return FileVerified(name, FileState.NOT_PERFORMED, why)
    difference = "" if name == SNAPSHOT else first_difference(folder / name, again / name)
    if state is FileState.NOT_PERFORMED:
        return FileVerified(name, FileState.DIFFERS if difference else FileState.REPRODUCED, difference)
    why = _NOT_THE_FILE if state is FileState.CHANGED else f"{MANIFEST} does not name it"
    return FileVerified(name, FileState.CHANGED, f"{why}; {difference or 'the run makes it as it is'}")


def _manifest(manifest: Manifest, again: Manifest | None) -> FileVerified:
    """It says when and with which files it was written, so it is never the same; what it says of the run has to be."""
    if again is None:
        return FileVerified(MANIFEST, FileState.OUTSIDE, "not promised; what it says of the run was not compared")
    names = sorted({*manifest.fields, *again.fields} - _OWN)
    other = [name for name in names if manifest.fields.get(name) != again.fields.get(name)]
    if other:
        why = f"it says `{manifest.fields.get(other[0])}` as {other[0]}, and the run `{again.fields.get(other[0])}`"
        return FileVerified(MANIFEST, FileState.DIFFERS, why)
    return FileVerified(MANIFEST, FileState.OUTSIDE, "not promised; what it says of the run is so")
