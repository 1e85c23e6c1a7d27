"""Differences in access between two runs, or between the present and what would be."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scanner.model.finding import FindingVerdict, Grantee, Kind, ResourceRef


class Change(StrEnum):
    """How access differs. `not_rechecked` may only be that something was not read in one of the two runs.

    `changed` is as strong as before on another condition: requests are admitted that were not, and others not any more.
    """

    GAINED = "gained"
    WIDENED = "widened"
    CHANGED = "changed"
    NARROWED = "narrowed"
    LOST = "lost"
    NOT_RECHECKED = "not_rechecked"


GREW = frozenset({Change.GAINED, Change.WIDENED, Change.CHANGED})
"""Changes that let somebody do what it could not: what a gate on wider access counts."""


@dataclass(frozen=True, slots=True)
class OtherWay:
    """A finding by which somebody still reaches a key; `sure` is false where it only may."""

    finding_id: str
    title: str
    kind: Kind
    grantee: Grantee
    resource: ResourceRef
    sure: bool


@dataclass(frozen=True, slots=True)
class AccessDifference:
    """One difference: whose access to what, through which capabilities, from which verdict to which, and why.

    A verdict of None is no access this way. `finding_ids` are the findings of both sides behind it, `still` the other
    ways that stand now where this one does not. `keys` is how many are reached: of both sides the most.
    """

    change: Change
    kind: Kind
    grantee: Grantee
    resource: ResourceRef
    capabilities: tuple[str, ...]
    actions: tuple[str, ...]
    old_verdict: FindingVerdict | None
    new_verdict: FindingVerdict | None
    old_condition: str
    new_condition: str
    why: str
    finding_ids: tuple[str, ...]
    still: tuple[OtherWay, ...] = ()
    keys: int = 1


@dataclass(frozen=True, slots=True)
class Compared:
    """The differences between two sets of findings, and how many accesses (selector × resource) are equal."""

    differences: tuple[AccessDifference, ...]
    unchanged: int
