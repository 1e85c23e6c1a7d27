"""What an earlier run left counts only under the code, and the tables, that it was judged with."""

from __future__ import annotations

from pathlib import Path

import pytest
from scanner import record


@pytest.mark.parametrize(
    "changed", ["analyze/one.py", "analyze/deep/one.py", "model/one.py", "data/table.json", "report/one.py"]
)
def test_hash_of_the_judging_code_counts_what_a_judgement_rests_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    for name in ("analyze/one.py", "analyze/deep/one.py", "model/one.py", "data/table.json", "report/one.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    monkeypatch.setattr(record, "files", lambda _: tmp_path)
    record.judging_code.cache_clear()
    before = record.judging_code()
    (tmp_path / changed).write_text("2\n")
    record.judging_code.cache_clear()
    after = record.judging_code()
    record.judging_code.cache_clear()
    assert after != before
