"""trials.jsonl: what edits did when they were tried, a line for each key and each trial that judges all findings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from scanner.errors import SnapshotError
from scanner.model.finding import FindingVerdict
from scanner.model.outcomes import KeyTrials, TrialOutcome, Trials
from scanner.report.canonical import compact, members_of
from scanner.report.directory import RunDirectory

TRIALS = "trials.jsonl"

_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_STRICT = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class _Outcome(BaseModel):
    model_config = _STRICT

    ends: bool = Field(strict=True)
    others: tuple[str, ...]
    losers: tuple[str, ...]
    whole: bool = Field(strict=True)
    became: FindingVerdict | None
    judged: int = Field(strict=True, ge=0)

    def outcome(self) -> TrialOutcome:
        """What the line says."""
        return TrialOutcome(self.ends, self.others, self.losers, self.whole, self.became, self.judged)


class _OfKey(BaseModel):
    model_config = _STRICT

    key: str
    inputs: _Hash
    looked_at: tuple[str, ...]
    outcomes: dict[_Hash, _Outcome]


class _OfWorld(BaseModel):
    model_config = _STRICT

    inputs: _Hash
    outcome: _Outcome


def write_trials(directory: RunDirectory, trials: Trials) -> None:
    """Write the trials of a run, keys in order of their ARN, then the others; ASCII, a line each."""
    with directory.stream(TRIALS) as stream:
        for line in _lines(trials):
            stream.write(compact(line) + "\n")


def _lines(trials: Trials) -> Iterator[dict[str, object]]:
    for arn, tried in sorted(trials.keys.items()):
        yield {"key": arn, **members_of(tried)}
    for inputs, outcome in sorted(trials.world.items()):
        yield {"inputs": inputs, "outcome": outcome}


def read_trials(path: Path) -> Trials:
    """The trials of a run.

    Raises:
        SnapshotError: the file is missing, or a line of it is none that is written here.
    """
    keys: dict[str, KeyTrials] = {}
    world: dict[str, TrialOutcome] = {}
    try:
        with path.open(encoding="ascii") as stream:
            for number, line in enumerate(stream, 1):
                match _line(line, f"`{path}`, line {number}"):
                    case _OfKey() as told:
                        outcomes = {inputs: one.outcome() for inputs, one in told.outcomes.items()}
                        keys[told.key] = KeyTrials(told.inputs, told.looked_at, outcomes)
                    case _OfWorld() as told:
                        world[told.inputs] = told.outcome.outcome()
    except OSError as error:
        raise SnapshotError(f"`{path}` cannot be read: {(error.strerror or '').lower()}") from error
    except UnicodeDecodeError as error:
        raise SnapshotError(f"`{path}` is damaged: it is not ASCII") from error
    return Trials(keys, world)


def _line(line: str, where: str) -> _OfKey | _OfWorld:
    try:
        return _adapter().validate_python(json.loads(line))
    except (ValueError, RecursionError) as error:  # a ValidationError is a ValueError
        raise SnapshotError(f"{where}, is damaged: it tells of no trial") from error


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[_OfKey | _OfWorld]:
    return TypeAdapter(_OfKey | _OfWorld)
