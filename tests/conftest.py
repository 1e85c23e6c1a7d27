"""Options of the whole test suite."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --update-golden` writes the golden files anew; the diff is then reviewed.

    `pytest --all-points` lets a collection die at 50 places of each kind instead of 5 (`make crash`).
    """
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")
    parser.addoption("--all-points", action="store_true", help="let a collection die at 50 places of each kind")
