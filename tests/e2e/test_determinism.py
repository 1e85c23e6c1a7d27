"""The same snapshot and configuration give the same bytes, wherever and by whomever they are judged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

OUTSIDE = {"manifest.json", "log.jsonl"}
PLACES = {
    "ascii, west, one worker": {
        "PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "XXX+11:30",
        "KMS_SCAN_LIMITS_WORKERS": "1", "COLUMNS": "40", "USER": "ann",
    },
    "other hashes, east, many workers": {
        "PYTHONHASHSEED": "4242", "LC_ALL": "C.UTF-8", "TZ": "YYY-14", "KMS_SCAN_LIMITS_WORKERS": "64",
        "COLUMNS": "400", "USER": "bob", "FORCE_COLOR": "1", "PYTHONOPTIMIZE": "1",
    },
}  # fmt: skip


def kms_scan(*argv: str, folder: Path, environment: dict[str, str]) -> None:
    """Run a command in a process of its own, as another machine would."""
    inherited = {
        name: os.environ[name] for name in ("PATH", "PYTHONPATH", "COVERAGE_PROCESS_START") if name in os.environ
    }
    done = subprocess.run(
        [sys.executable, "-m", "scanner", *argv], cwd=folder, env=inherited | environment | {"HOME": str(folder)},
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 3}, done.stderr.decode(errors="replace")


@pytest.mark.parametrize("environment", PLACES.values(), ids=PLACES)
def test_bytes_do_not_depend_on_hashes_locale_time_zone_folder_user_or_workers(demo_run, tmp_path, environment) -> None:
    folder = tmp_path / "a folder – with a name"
    folder.mkdir()
    kms_scan("analyze", str(demo_run.directory), "-o", "runs", folder=folder, environment=environment)
    made = folder / "runs" / demo_run.directory.name
    kms_scan("report", str(made), folder=folder, environment=environment)
    names = {path.name for path in demo_run.directory.iterdir()} - OUTSIDE
    assert {path.name for path in made.iterdir()} - OUTSIDE == names
    assert [
        name for name in sorted(names) if (made / name).read_bytes() != (demo_run.directory / name).read_bytes()
    ] == []
