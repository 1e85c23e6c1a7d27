"""What trials of edits showed, as one run leaves it to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.model.finding import FindingVerdict


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """What an edit did when it was tried: whether the finding goes (or what it becomes), what else changes, who loses.

    `whole` says that everybody was asked who could lose. `judged` is what the trial took of the work allowed for a key.
    """

    ends: bool
    others: tuple[str, ...] = ()
    losers: tuple[str, ...] = ()
    whole: bool = True
    became: FindingVerdict | None = None
    judged: int = 0


@dataclass(frozen=True, slots=True)
class KeyTrials:
    """The trials at one key, by finding and edit.

    `inputs` is a hash of everything that they were judged from beside the edit. `looked_at` are the accounts and unique
    ids whose principals were asked about; what other principals hold can change nothing.
    """

    inputs: str
    looked_at: tuple[str, ...]
    outcomes: Mapping[str, TrialOutcome]


@dataclass(frozen=True, slots=True)
class Trials:
    """All trials of a run: those of a key by its ARN, and those that judge all findings, by all that they depend on."""

    keys: Mapping[str, KeyTrials] = field(default_factory=dict)
    world: Mapping[str, TrialOutcome] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TakenOver:
    """How many keys were judged, how many had edits tried, and how many such trials judge all findings.

    `anew` counts what was judged now.
    """

    keys: int = 0
    keys_anew: int = 0
    trials: int = 0
    trials_anew: int = 0
    judged: int = 0
    judged_anew: int = 0
