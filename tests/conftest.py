"""Options of the whole test suite."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --update-golden` writes the golden files anew; the diff is then reviewed.

    `pytest --all-points` lets a collection die at 50 places of each kind instead of 5 (`make crash`).
    """
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")
    parser.addoption("--all-points", action="store_true", help="let a collection die at 50 places of each kind")


@pytest.fixture
def with_dask() -> Callable[..., dict[str, Any]]:
    """A call of `with_dask.py`, by the case and its arguments: what it found."""

    def call(*words: str) -> dict[str, Any]:
        program = [sys.executable, str(Path(__file__).with_name("with_dask.py")), *words]
        done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return call
