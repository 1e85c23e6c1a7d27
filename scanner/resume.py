"""Decides whether an interrupted collection may be continued, and makes its folder ready for that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from scanner.config import Settings
from scanner.config.display import HASHED_SECTIONS
from scanner.errors import SnapshotError, UsageError
from scanner.report.directory import RunDirectory
from scanner.report.manifest import MANIFEST, read_manifest
from scanner.runs import LATEST, SNAPSHOT, find_run
from scanner.snapshot.reached import CONFIGURATION, Reached
from scanner.snapshot.read import WRITER
from scanner.snapshot.store import SnapshotStore

_FREE = {"aws": {"profile", "external_id", "session_name", "session_duration"}}
"""Settings that may differ: they say how the same is reached."""


def configuration_of(settings: Settings) -> str:
    """What must be the same in a continued collection, as JSON: everything that decides what is read or found.

    ExternalIds are left out, because a snapshot is handed over.
    """
    values = settings.model_dump(mode="json", include={*HASHED_SECTIONS, "aws"}, exclude=_FREE)
    for override in values["accounts"]["overrides"].values():
        del override["external_id"]
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def reopened(name: str, settings: Settings) -> tuple[RunDirectory, SnapshotStore]:
    """The run directory of an interrupted collection and its snapshot, to be continued with the same settings.

    Reports and findings that were made from the unfinished snapshot are removed: they would speak of another one.

    Raises:
        SnapshotError: there is no such run, or its snapshot is damaged or of another version.
        UsageError: the collection is complete, or was begun with another configuration.
        OutputError: another process writes there, or a file cannot be changed.
    """
    if name == LATEST:
        raise UsageError("`--resume` takes the id or the folder of a run", hint="`latest` is a run that has ended")
    directory = find_run(name, settings.output.directory)
    store = SnapshotStore.reopen(directory.path / SNAPSHOT)
    try:
        _check(directory.path, store.reached, configuration_of(settings))
        _withdraw(directory)
    except BaseException:
        store.close()
        raise
    return directory, store


def _check(folder: Path, reached: Reached, configuration: str) -> None:
    meta = reached.meta
    if meta.get("complete") == "1" and WRITER not in meta:
        raise UsageError(f"the collection in `{folder}` is complete", hint=f"kms-scan analyze {folder}")
    if "started" not in meta:
        return
    if not meta.get(CONFIGURATION):
        raise SnapshotError(
            f"`{folder / SNAPSHOT}` does not say which configuration it was collected with",
            hint="a collection in parts, or of an early release, cannot be continued: collect again",
        )
    try:
        differing = _differing(json.loads(meta[CONFIGURATION]), json.loads(configuration))
    except (ValueError, TypeError, AttributeError) as error:
        raise SnapshotError(f"`{folder / SNAPSHOT}` is damaged: its configuration cannot be read") from error
    if differing:
        raise UsageError(
            f"the collection in `{folder}` was begun with another configuration: "
            + "; ".join(f"`{key}` was {_shown(before)} and is {_shown(now)}" for key, before, now in differing),
            hint="continue with the configuration it was begun with, or collect anew",
        )


def _differing(
    before: Mapping[str, Mapping[str, object]], now: Mapping[str, Mapping[str, object]]
) -> list[tuple[str, object, object]]:
    names = sorted({(section, key) for values in (before, now) for section in values for key in values[section]})
    pairs = ((f"{s}.{key}", before.get(s, {}).get(key), now.get(s, {}).get(key)) for s, key in names)
    return [(name, old, new) for name, old, new in pairs if old != new]


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _withdraw(directory: RunDirectory) -> None:
    """Remove what a judgement of the unfinished snapshot left, the manifest first."""
    if not (directory.path / MANIFEST).exists():
        return
    made = [name for name in read_manifest(directory.path).files if name != SNAPSHOT]
    directory.remove(MANIFEST, *made)
