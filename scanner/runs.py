"""Which run a name means: a path, a run id, or `latest`."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from scanner.errors import SnapshotError
from scanner.report.directory import RunDirectory
from scanner.report.manifest import MANIFEST
from scanner.snapshot.read import WRITER, read_header

logger = logging.getLogger(__name__)

SNAPSHOT = "snapshot.sqlite"
FINDINGS = "findings.json"
SUMMARY = "summary.json"
LATEST = "latest"
_NAMED = 3
_MOST_FOLDERS, _MOST_BYTES = 1_000, 16 << 20
"""Folders that are looked into, and the size of a manifest that is read, for a run under another name."""


def find_run(name: str, output: Path) -> RunDirectory:
    """The run directory for a path, a run id or `latest`, the link to the newest complete report.

    A run that was sent to somebody and has another name is found by the id in its manifest, among the folders of the
    output folder and of the working directory.

    Raises:
        SnapshotError: there is none, or several folders hold it.
    """
    given, known = Path(name), output / name
    for path in (given, known):
        if name and path.is_dir():
            return RunDirectory(path.resolve())
    renamed = sorted({path.resolve() for folder in (output, Path()) for path in _renamed(name, folder)})
    if len(renamed) > 1:
        there = ", ".join(f"`{path}`" for path in renamed[:_NAMED])
        raise SnapshotError(f"{len(renamed)} folders hold run `{name}`: {there}", hint="name one of them")
    if renamed:
        return RunDirectory(renamed[0])
    hint = f"name the folder that holds {MANIFEST}, or run `kms-scan run` first"
    if name == LATEST and next(run_folders(output), None) is not None:
        hint = f"no run in `{output}` has a report yet: name the run, or `kms-scan analyze latest` and `report latest`"
    raise SnapshotError(f"there is no run `{name}`, neither as a folder nor in `{output}`", hint=hint)


def _renamed(run_id: str, output: Path) -> Iterator[Path]:
    """The folders whose manifest says that they hold the run."""
    for path in islice(run_folders(output), _MOST_FOLDERS):
        try:
            with (path / MANIFEST).open("rb") as file:
                manifest = json.loads(file.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(manifest, dict) and manifest.get("run_id") == run_id:
            yield path


def run_to_judge(name: str, output: Path) -> RunDirectory:
    """As `find_run`; `latest` is the newest collection that has ended, whether it has been judged or not.

    Raises:
        SnapshotError: there is none.
    """
    ended = list(_collected(output)) if name == LATEST else []
    if not ended:
        return find_run(name, output)
    finished, newest = max(ended, key=lambda entry: (entry[0], entry[1].name))
    del finished
    known = {path for _, path in ended}
    for path in run_folders(output):
        if (path / SNAPSHOT).is_file() and path not in known and path.name > newest.name:
            logger.warning("`%s` holds a collection that has not ended; `latest` is `%s`", path.name, newest.name)
    return RunDirectory(newest.resolve())


def run_to_report(name: str, output: Path) -> RunDirectory:
    """As `find_run`; `latest` is the run that was judged last.

    Raises:
        SnapshotError: there is none.
    """
    judged = [path for path in run_folders(output) if (path / FINDINGS).is_file()] if name == LATEST else []
    if not judged:
        return find_run(name, output)
    newest = max(judged, key=lambda path: ((path / FINDINGS).stat().st_mtime_ns, path.name))
    ended = max(_collected(output), key=lambda entry: (entry[0], entry[1].name), default=None)
    if ended is not None and ended[1] not in judged:
        logger.warning("`%s` was collected and is not analyzed; `latest` is `%s`", ended[1].name, newest.name)
    return RunDirectory(newest.resolve())


def run_before(output: Path, finished: str, run_id: str) -> RunDirectory | None:
    """The newest run with a report whose collection ended before `finished`; another judgement of this one is none."""
    earlier: list[tuple[str, int, Path]] = []
    for path in run_folders(output):
        try:
            manifest = json.loads((path / MANIFEST).read_bytes())
            ended, known = str(manifest["finished"]), str(manifest["run_id"])
            judged = (path / FINDINGS).stat().st_mtime_ns
            (path / SUMMARY).stat()
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
        if known != run_id and ended < finished:
            earlier.append((ended, judged, path))
    return RunDirectory(max(earlier)[2].resolve()) if earlier else None


def is_synthetic(path: Path) -> bool | None:
    """Whether the run in a folder read no AWS organization; None where it holds no snapshot that can be read."""
    try:
        return read_header(path / SNAPSHOT).get("synthetic") == "1"
    except SnapshotError:
        return None


def real_run(output: Path) -> Path | None:
    """A run in the folder that read an AWS organization."""
    return next((path for path in run_folders(output) if is_synthetic(path) is False), None)


def _collected(output: Path) -> Iterator[tuple[str, Path]]:
    """When each collection ended, and its folder."""
    for path in run_folders(output):
        try:
            header = read_header(path / SNAPSHOT)
        except SnapshotError:
            continue
        if WRITER not in header and header.get("finished"):
            yield header["finished"], path


def run_folders(output: Path) -> Iterator[Path]:
    """The folders of an output folder that could hold a run, by name; no link and nothing hidden."""
    if output.is_dir():
        yield from (p for p in sorted(output.iterdir()) if p.is_dir() and not p.is_symlink() and p.name[0] != ".")
