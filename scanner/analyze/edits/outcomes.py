"""Whether a trial has to be made: what an earlier run saw of the same inputs is what this one would see."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scanner.model.outcomes import TrialOutcome


class Outcomes:
    """The outcomes of trials by all that they depend on.

    `seen` are those of this run, taken over or not; `anew` counts the trials that were made.
    """

    def __init__(self, known: Mapping[str, TrialOutcome] | None = None) -> None:
        self._known = known or {}
        self.seen: dict[str, TrialOutcome] = {}
        self.anew = 0

    def knows(self, inputs: str) -> bool:
        """Whether an earlier run has the trial with these inputs."""
        return inputs in self._known

    def of(self, inputs: str, attempt: Callable[[], TrialOutcome]) -> TrialOutcome:
        """What the trial with these inputs shows; it is made where no earlier run has it."""
        outcome = self._known.get(inputs)
        if outcome is None:
            outcome = attempt()
            self.anew += inputs not in self.seen
        self.seen[inputs] = outcome
        return outcome
