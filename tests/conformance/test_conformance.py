"""Every request of the case files gives the verdict it expects: AWS semantics as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scanner.cases import read_case_file, run_case

CASES = Path(__file__).resolve().parents[1] / "cases"
SHARED = 334
"""Requests of the shared cases; more may be added, none may get lost."""


def _requests(folder: str) -> list[Any]:
    return [
        pytest.param(path, case, index, id=f"{path.stem}-{case['id']}-{index}")
        for path in sorted((CASES / folder).glob("*.json"))
        for case in read_case_file(path).cases
        for index in range(len(case["requests"]))
    ]


CONFORMANCE, REGRESSIONS = _requests("conformance"), _requests("regressions")


def test_all_shared_cases_are_there() -> None:
    assert (CASES / "conformance").is_dir()
    assert len(CONFORMANCE) >= SHARED


def _no_snapshot(path: Path) -> Any:
    raise AssertionError(path)


@pytest.mark.parametrize(("path", "case", "index"), [*CONFORMANCE, *REGRESSIONS])
def test_request_of_case_gives_expected_verdict(path: Path, case: dict[str, Any], index: int) -> None:
    request = case["requests"][index]
    (result,) = run_case({**case, "requests": [request]}, path.name, world_of=_no_snapshot)
    assert not result.problem
    assert result.got == request["expect"], (case.get("title"), result.reason, result.conditions)
