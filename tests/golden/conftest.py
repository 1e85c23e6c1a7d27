"""Golden files of every output, in `report/`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "report"


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, bytes], None]:
    """Compare bytes with a golden file, or write it."""

    def check(name: str, content: bytes) -> None:
        path = FOLDER / name
        if request.config.getoption("--update-golden"):
            path.write_bytes(content)
        assert path.read_bytes() == content, f"{name} differs; run `pytest --update-golden` and review the diff"

    return check
