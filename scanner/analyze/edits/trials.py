"""Which of several edits is offered: the smallest that was seen to remove its finding and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from scanner.analyze.edits.whatif import Replacement, missing_principals, read_replacement
from scanner.analyze.language.parse import parse_policy
from scanner.errors import UsageError
from scanner.model.finding import FindingVerdict
from scanner.model.policy import PolicyText
from scanner.model.world import World

_SHOWN = 3
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Trial(Generic[E]):
    """What an edit does: whether the finding goes (or how it reads then), what else changes, who of ours loses.

    `whole` says that everybody was asked who could lose.
    """

    edit: E
    ends: bool
    others: tuple[str, ...] = ()
    losers: tuple[str, ...] = ()
    whole: bool = True
    became: FindingVerdict | None = None

    @property
    def will_do(self) -> bool:
        """Whether it removes the finding at no loss of ours."""
        return self.ends and not self.losers

    @property
    def is_clean(self) -> bool:
        """Whether it removes the finding and nothing else."""
        return self.will_do and self.whole and not self.others


def tried(edits: Iterable[E], attempt: Callable[[E], Trial[E]], *, nested: bool = False) -> list[Trial[E]]:
    """The trials of edits in their order, up to the first that is clean.

    Args:
        nested: each edit takes all that those before it take: none is cleaner than the first that will do.
    """
    trials: list[Trial[E]] = []
    for edit in edits:
        trials.append(attempt(edit))
        if trials[-1].is_clean or (nested and trials[-1].will_do):
            break
    return trials


def best_of(trials: Sequence[Trial[E]]) -> Trial[E] | None:
    """The trial of the edit to offer: the clean one, else the first that ends the finding at no loss of ours."""
    enough = [t for t in trials if t.will_do]
    return next((t for t in enough if t.is_clean), enough[0] if enough else None)


def is_saveable(policy: PolicyText) -> bool:
    """Whether AWS would take an edited policy, as far as what-if can tell."""
    try:
        read_replacement(Replacement(policy.kind, policy.source, policy.text, "edit"), policy)
    except UsageError:
        return False
    return True


# -- words ------------------------------------------------------------------------------------------------------------


def rest_in_words(trial: Trial[E], compared: str = "") -> str:
    """How many other findings change.

    Args:
        compared: what was looked at, as `no other …`; empty where that was everything.
    """
    number = len(trial.others)
    if not number:
        return f"no other {compared} changes" if compared else "nothing else changes"
    return f"{number} other finding{'s change' if number > 1 else ' changes'}"


def others_in_words(trial: Trial[E]) -> Iterator[str]:
    """Which other findings change, as a sentence."""
    if trial.others:
        yield f"It also changes: {'; '.join(trial.others[:_SHOWN])}{and_more(len(trial.others))}."


def names_the_gone(policy: PolicyText, world: World) -> Iterator[str]:
    """A sentence where AWS refuses to save a policy because it names somebody who does not exist (R2.18)."""
    gone = [value for _, value in missing_principals(parse_policy(policy), world)]
    if gone:
        named = ", ".join(f"`{value}`" for value in gone[:_SHOWN])
        yield f"AWS refuses to save the policy as long as it names {named}{and_more(len(gone))}, which does not exist."


def and_more(number: int) -> str:
    """What is added where only the first three of a number are listed."""
    return f" and {number - _SHOWN} more" if number > _SHOWN else ""
