"""What the verification of a run found out about each of its files."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FileState(StrEnum):
    """What became of a file when the run was performed again.

    `reproduced` is the promise: the file is the one of the manifest, and the run made the same bytes again. `unchanged`
    is the snapshot, which a run is made from. `differs` is the file of the manifest, but the run makes another one now.
    `changed` is not the file of the manifest. `not_performed` is the file of the manifest, and could not be made again.
    `outside` is not promised.
    """

    REPRODUCED = "reproduced"
    UNCHANGED = "unchanged"
    DIFFERS = "differs"
    CHANGED = "changed"
    MISSING = "missing"
    NOT_PERFORMED = "not_performed"
    OUTSIDE = "outside"


GOOD = frozenset({FileState.REPRODUCED, FileState.UNCHANGED, FileState.OUTSIDE})
"""The states of a run that holds what it promises."""


@dataclass(frozen=True, slots=True)
class FileVerified:
    """One file, and why it is in this state; empty where there is nothing to explain."""

    name: str
    state: FileState
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunVerified:
    """A run, what the report was written by, every file, and what kept the run from being performed again."""

    run_id: str
    engine: int
    written_by: str
    files: tuple[FileVerified, ...]
    hindrance: str = ""

    @property
    def holds(self) -> bool:
        """Whether everything that is promised was reproduced."""
        return not self.hindrance and all(file.state in GOOD for file in self.files)
