"""manifest.json: what a run directory holds, by SHA-256, with versions, caller and times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scanner import __version__
from scanner.errors import OutputError, SnapshotError
from scanner.model.finding import FindingsDocument
from scanner.report.directory import RunDirectory

MANIFEST = "manifest.json"
OUTSIDE = ("log.jsonl",)
"""Files of a run that are named and not hashed: no other run writes the same."""
_CHUNK = 1 << 20
_HINT = "restore the run from a copy, or collect again"


def write_manifest(
    directory: RunDirectory,
    document: FindingsDocument,
    written: str = "",
    *,
    judged: Mapping[str, object] | None = None,
    reported: Sequence[Mapping[str, object]] = (),
) -> Path:
    """Hash every file of the run directory and write the manifest; to be called last.

    `log.jsonl` is named but not hashed: it is outside the promise that the same input gives the same bytes.

    Args:
        written: the wall clock (ISO 8601 UTC) of the caller; empty for a run that has no report yet.
        judged: the configuration and files that the findings were made with; the snapshot aside.
        reported: each report that left files: formats or single findings, and how they were rendered.

    Raises:
        OutputError: a file cannot be read back, or the manifest not be written.
    """
    run = document.run
    hashed = [name for name in directory.files() if name != MANIFEST and name not in OUTSIDE]
    fields = {
        "schema_version": document.schema_version,
        "engine": document.engine,
        "versions": run.versions,
        "run_id": run.run_id,
        "caller_arn": run.caller_arn,
        "organization_id": run.organization_id,
        "started": run.started,
        "finished": run.finished,
        "as_of": run.as_of,
        "written": written,
        "written_by": __version__,
        "judged": judged,
        "reported": list(reported),
        "snapshot_hash": run.snapshot_hash,
        "config_hash": run.config_hash,
        "exit_code": run.exit_code,
        "files": {name: _measured(directory.path / name) for name in hashed},
        "not_hashed": [name for name in OUTSIDE if name in directory.files()],
    }
    text = json.dumps(fields, sort_keys=True, indent=1, allow_nan=False) + "\n"
    return directory.write(MANIFEST, text.encode("ascii"))


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as it was read: the SHA-256 of each file by name, and everything that it says."""

    files: Mapping[str, str]
    fields: Mapping[str, object]


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run.

    Raises:
        SnapshotError: there is none, or it is damaged.
    """
    path = folder / MANIFEST
    try:
        fields = json.loads(path.read_bytes())
        files = {_inner_path(name): str(measured["sha256"]) for name, measured in fields["files"].items()}
    except FileNotFoundError as error:
        raise SnapshotError(f"`{folder}` has no `{MANIFEST}`", hint="`kms-scan report` writes it") from error
    except OSError as error:
        raise SnapshotError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SnapshotError(f"`{path}` is damaged: it is no manifest", hint=_HINT) from error
    return Manifest(files, fields)


def _inner_path(name: str) -> str:
    """The path of a file inside the folder. Raises ValueError for any other: a manifest leads nowhere else."""
    if not name or "\\" in name or any(not part or part.startswith(".") for part in name.split("/")):
        raise ValueError(name)
    return name


def recorded_in(folder: Path) -> tuple[Mapping[str, object] | None, object]:
    """What the manifest of the folder says about how its findings (`judged`) and reports (`reported`) were made."""
    if not (folder / MANIFEST).exists():
        return None, None
    fields = read_manifest(folder).fields
    judged = fields.get("judged")
    return judged if isinstance(judged, dict) else None, fields.get("reported")


def check_files(folder: Path, names: Iterable[str]) -> frozenset[str]:
    """Compare files of a run with its manifest, where there is one and it names them; returns those that were compared.

    Raises SnapshotError for a file that is not the one the manifest was written for, and for a manifest that is none.
    """
    if not (folder / MANIFEST).exists():
        return frozenset()
    compared = set()
    files = read_manifest(folder).files
    for name in (name for name in names if name in files):
        file = folder / name
        if not file.is_file():
            continue
        if sha256_of(file) != files[name]:
            raise SnapshotError(f"`{file}` is damaged: it is not the file that `{MANIFEST}` names", hint=_HINT)
        compared.add(name)
    return frozenset(compared)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, read in pieces. Raises OutputError."""
    return str(_measured(path)["sha256"])


def _measured(path: Path) -> dict[str, object]:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise OutputError(f"`{path}` cannot be read back: {(error.strerror or '').lower()}") from error
    return {"sha256": digest.hexdigest(), "bytes": size}
