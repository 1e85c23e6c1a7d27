"""What became of findings since an earlier run, and which of them were reviewed and accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Lifecycle(StrEnum):
    """How a finding compares with the baseline; `new` without one.

    `not_rechecked` was there before, and whether it changed is not known: something needed was not read, this time or
    in the baseline. `engine_changed` differs between versions or configurations that could not be compared on the same
    snapshot.
    """

    NEW = "new"
    REOPENED = "reopened"
    WIDENED = "widened"
    NARROWED = "narrowed"
    UNCHANGED = "unchanged"
    NOT_RECHECKED = "not_rechecked"
    ENGINE_CHANGED = "engine_changed"
    RESOLVED = "resolved"


GREW = frozenset({Lifecycle.NEW, Lifecycle.REOPENED, Lifecycle.WIDENED})
"""The lifecycles that a gate on new findings counts, beside findings whose severity rose."""


class SuppressionState(StrEnum):
    """What an entry of suppressions.yaml does: only `active` takes a finding out of the gate.

    `partial` covers some capabilities of a finding and leaves the others; `unused` fits no finding.
    """

    ACTIVE = "active"
    PARTIAL = "partial"
    EXPIRED = "expired"
    FINGERPRINT_CHANGED = "fingerprint_changed"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Suppression:
    """The entry that accepts a finding, or why it does not: `state`. `capabilities` are those it covers."""

    reason: str
    owner: str
    ticket: str
    expires: str
    state: str
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuppressionNote:
    """One entry of suppressions.yaml and what it did in this run; `entry` is its finding id, or what it matches.

    `widened` are accepted findings with more access than in the baseline: an entry without fingerprint goes on holding
    them. `graver` are accepted findings whose severity rose since, with the access that was accepted.
    """

    entry: str
    reason: str
    owner: str
    ticket: str
    expires: str
    state: str
    finding_ids: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()
    graver: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Baseline:
    """The earlier run that findings were compared with.

    `compared` says how: `findings` as they were written, `judged_again` from its snapshot with the present engine and
    configuration, or `engine_changed` where that snapshot is missing. `counts` are findings by lifecycle, `resolved`
    those that were resolved since. `kept` are the ids of findings that stand as the earlier run wrote them.
    `judged_otherwise` counts the findings that its snapshot gives another severity today: that is no change of access.
    """

    run_id: str
    as_of: str
    engine: int
    config_hash: str
    snapshot_hash: str
    compared: str
    counts: Mapping[str, int] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    judged_otherwise: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """What an earlier run counted: findings that nobody accepted, by severity, and how much it read."""

    run_id: str
    as_of: str
    counts: Mapping[str, int]
    units_read: int
    units_total: int


@dataclass(frozen=True, slots=True)
class History:
    """The baseline of a run, if there was one, and every entry of suppressions.yaml with the hash of that file.

    `trend` has the baseline, its own baseline and so on, the oldest first: a report depends on nothing else that
    happens to lie in the output folder.
    """

    baseline: Baseline | None = None
    suppressions: tuple[SuppressionNote, ...] = ()
    suppressions_hash: str = ""
    trend: tuple[TrendPoint, ...] = ()
