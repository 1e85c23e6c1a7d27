"""manifest.json: what a run directory holds, by SHA-256, with versions, caller and times."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from scanner.errors import OutputError, SnapshotError
from scanner.model.finding import FindingsDocument
from scanner.report.directory import RunDirectory

MANIFEST = "manifest.json"
_OUTSIDE = ("log.jsonl",)
_CHUNK = 1 << 20
_HINT = "restore the run from a copy, or collect again"


def write_manifest(directory: RunDirectory, document: FindingsDocument, written: str) -> Path:
    """Hash every file of the run directory and write the manifest; to be called last.

    `written` is the wall clock (ISO 8601 UTC) of the caller. `log.jsonl` is named but not hashed: it is outside the
    promise that the same input gives the same bytes. Raises OutputError.
    """
    run = document.run
    hashed = [name for name in directory.files() if name != MANIFEST and name not in _OUTSIDE]
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
        "snapshot_hash": run.snapshot_hash,
        "config_hash": run.config_hash,
        "exit_code": run.exit_code,
        "files": {name: _measured(directory.path / name) for name in hashed},
        "not_hashed": [name for name in _OUTSIDE if name in directory.files()],
    }
    text = json.dumps(fields, sort_keys=True, indent=1, allow_nan=False) + "\n"
    return directory.write(MANIFEST, text.encode("ascii"))


def check_files(folder: Path, names: Iterable[str]) -> None:
    """Compare files of a run with its manifest, where there is one and it names them.

    Raises SnapshotError for a file that is not the one the manifest was written for, and for a manifest that is none.
    """
    path = folder / MANIFEST
    try:
        files = json.loads(path.read_bytes())["files"]
        expected = {name: str(files[name]["sha256"]) for name in names if name in files}
    except FileNotFoundError:
        return
    except OSError as error:
        raise SnapshotError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SnapshotError(f"`{path}` is damaged: it is no manifest", hint=_HINT) from error
    for name, digest in expected.items():
        file = folder / name
        if file.is_file() and _measured(file)["sha256"] != digest:
            raise SnapshotError(f"`{file}` is damaged: it is not the file that `{MANIFEST}` names", hint=_HINT)


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
