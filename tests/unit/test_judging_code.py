"""What an earlier run left counts only under the code, and the tables, that it was judged with."""

from __future__ import annotations

from pathlib import Path

import pytest
from scanner import record
from scanner.config import Settings
from scanner.record import Record, judged_as

from builders import STRANGER

COUNTS = (
    "analyze/one.py", "analyze/deep/one.py", "model/one.py", "data/table.json", "report/one.py", "snapshot/one.py",
    "config/one.py", "plan.py", "worlds.py", "contents.py",
)  # fmt: skip


@pytest.mark.parametrize("changed", COUNTS)
def test_hash_of_the_judging_code_counts_what_a_judgement_rests_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    for name in COUNTS:
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


def recorded(settings: Settings, **changes: object) -> Record:
    configuration = settings.model_dump(mode="json") | changes
    return Record(configuration=configuration, vendors={}, suppressions=None, baseline=None)


def test_judgement_counts_with_the_sections_that_change_a_verdict() -> None:
    settings = Settings()
    fits = judged_as(settings, {})
    assert fits(recorded(settings))
    assert fits(recorded(settings, suppressions={"file": "other.yaml"}, output={"directory": "elsewhere"}))
    more = settings.model_copy(update={"analysis": settings.analysis.model_copy(update={"max_role_hops": 1})})
    assert not fits(recorded(more))
    assert not judged_as(settings, {STRANGER: "Vendor"})(recorded(settings))


@pytest.mark.parametrize("section", [None, [], "x", 1, {}])
def test_judgement_that_records_no_configuration_of_ours_does_not_count(section: object) -> None:
    assert not judged_as(Settings(), {})(recorded(Settings(), trust=section))
    assert not judged_as(Settings(), {})(Record(configuration={}, vendors={}, suppressions=None, baseline=None))


def test_external_ids_are_no_part_of_what_is_compared() -> None:
    one, other = (
        Settings.model_validate({"accounts": {"overrides": {STRANGER: {"external_id": f"env:{name}"}}}})
        for name in ("ONE", "TWO")
    )
    record = recorded(one)
    for override in record.configuration["accounts"]["overrides"].values():  # type: ignore[index]
        del override["external_id"]
    assert judged_as(other, {})(record)
