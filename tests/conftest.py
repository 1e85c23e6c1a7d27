"""Options of the whole test suite."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest --update-golden` writes the golden files anew; the diff is then reviewed."""
    parser.addoption("--update-golden", action="store_true", help="write the golden files anew")
