"""What an edit of any document does, seen by judging the world again with the edit made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from scanner.analyze.edits.inputs import Inputs, digest
from scanner.analyze.edits.insiders import insiders_compared
from scanner.analyze.edits.outcomes import Outcomes
from scanner.analyze.edits.trials import Trial
from scanner.analyze.history.sameness import reads_the_same
from scanner.model.arn import KeyArn
from scanner.model.difference import Compared
from scanner.model.finding import Finding, Kind
from scanner.model.outcomes import TrialOutcome
from scanner.model.policy import PolicyText
from scanner.model.world import World

MOST_WORK, MOST_WORLDS = 2_000, 3
"""Keys and principals that are judged again, for all trials of a run together; in a larger world as many as that holds,
so many times: it takes less than the analysis, as most decisions are known from there."""
_BY_PLACE = frozenset({Kind.INEFFECTIVE_PERMISSION, Kind.BROAD_KEY_PERMISSION})
"""Kinds whose ids may hold the index of a statement, which changes when one before it goes."""

_Asked = Callable[[], Mapping[str, Finding]]
JudgeWorld = Callable[[World], Callable[[], Sequence[Finding]]]
"""Everything that an analysis finds in a world, services of every kind included: asked for now, and had by a call."""


@dataclass(frozen=True, slots=True)
class WorldEdit:
    """One way to end a finding by a change of documents anywhere.

    `world` is the world with the edit made, `keys` those on which a decision can differ by it. `holders` are the
    principals whose policies change, none where another document does; `meant` the actions they may lose by it.
    `policies` are the edited texts that AWS has to take.
    """

    kind: str
    text: str
    cli: str
    diff: str
    terraform: str
    world: World
    keys: tuple[KeyArn, ...]
    holders: frozenset[str] = frozenset()
    meant: frozenset[str] = frozenset()
    policies: tuple[PolicyText, ...] = ()
    risks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """The findings without and with an edit, and what insiders lose by it; None where they are too many."""

    before: Mapping[str, Finding]
    after: Mapping[str, Finding]
    inside: Compared | None


@dataclass(slots=True)
class WorldBench:
    """A world, how it is judged, what trials have shown, and how much more may be judged.

    `touched_only` leaves out questions whose answers an edit cannot touch. An outcome that is taken over costs what the
    trial did: which edits are tried depends on nothing else.
    """

    world: World
    judge: JudgeWorld
    touched_only: bool
    inputs: Inputs
    outcomes: Outcomes
    left: int = field(init=False)
    _paid: set[tuple[str, str]] = field(default_factory=set)
    _paid_before: set[tuple[KeyArn, ...]] = field(default_factory=set)
    _before: dict[tuple[KeyArn, ...], _Asked] = field(default_factory=dict)
    _after: dict[str, _Asked] = field(default_factory=dict)
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.left = max(MOST_WORK, MOST_WORLDS * self._cost(tuple(self.world.keys)))

    def affords(self, edit: WorldEdit) -> bool:
        """Whether the trial of an edit is within the bound; asking pays for it."""
        place = (edit.diff, edit.cli)
        if place in self._paid:
            return True
        cost = self._cost(edit.keys) * (1 if edit.keys in self._paid_before else 2)
        if cost > self.left:
            return False
        self.left -= cost
        self._paid.add(place)
        self._paid_before.add(edit.keys)
        return True

    def begin(self, finding: Finding, edit: WorldEdit) -> None:
        """Have the trial of an edit begun, where no earlier one shows the same."""
        made, inputs = self._inputs(finding, edit)
        if not self.outcomes.knows(inputs):
            self._ask(edit, made)

    def attempt(self, finding: Finding, edit: WorldEdit) -> Trial[WorldEdit]:
        """What an edit does to a finding and to all others, from an earlier trial of the same or a new one."""
        made, inputs = self._inputs(finding, edit)
        outcome = self.outcomes.of(inputs, lambda: self._outcome(finding, edit, made))
        return Trial(edit, outcome.ends, outcome.others, outcome.losers, outcome.whole)

    def _inputs(self, finding: Finding, edit: WorldEdit) -> tuple[str, str]:
        """All that judging without and with an edit depends on, and all that the outcome for a finding does."""
        asked = (finding.id, finding.kind, finding.resource.arn, finding.grantee.selector)
        made = digest((self.inputs.in_world(edit.keys), edit.keys, edit.holders, self.inputs.change_to(edit.world)))
        return made, digest((made, edit.meant, asked))

    def _outcome(self, finding: Finding, edit: WorldEdit, made: str) -> TrialOutcome:
        if made not in self._seen:
            self._ask(edit, made)
            self._seen[made] = self._judge(edit, made)
        seen = self._seen[made]
        ends = finding.id in seen.before and finding.id not in seen.after and not _comes_back(finding, seen)
        others = tuple(_other_changes(finding, seen)) if ends else ()
        losers = tuple(dict.fromkeys(_losers(edit, seen.inside))) if seen.inside else ()
        return TrialOutcome(ends, others, losers, whole=seen.inside is not None)

    def _cost(self, keys: Sequence[KeyArn]) -> int:
        return len(keys) + len(self.world.principals)

    def _ask(self, edit: WorldEdit, made: str) -> None:
        """Have the keys judged that the edit can touch: on all others every decision is the same in both worlds."""
        if edit.keys not in self._before:
            self._before[edit.keys] = self._asked(self.world, edit.keys)
        if made not in self._after:
            self._after[made] = self._asked(edit.world, edit.keys)

    def _judge(self, edit: WorldEdit, made: str) -> _Seen:
        inside = insiders_compared(self.world, edit.world, sorted(edit.keys), touched_only=self.touched_only)
        return _Seen(self._before[edit.keys](), self._after.pop(made)(), inside)

    def _asked(self, world: World, keys: Iterable[KeyArn]) -> _Asked:
        chosen = {arn: world.keys[arn] for arn in keys}
        found = self.judge(replace(world, keys=chosen))
        return cache(lambda: {f.id: f for f in found()})


def keys_of(world: World, account_id: str) -> tuple[KeyArn, ...]:
    """The keys of an account, in order."""
    return tuple(sorted(arn for arn, key in world.keys.items() if key.account_id == account_id))


def _comes_back(finding: Finding, seen: _Seen) -> bool:
    """Whether the same is found under another id, as where a class of principals has another name without a policy."""
    new = (f for i, f in seen.after.items() if i not in seen.before and f.kind is finding.kind)
    place = finding.resource.arn, finding.grantee.selector
    return finding.kind not in _BY_PLACE and any((f.resource.arn, f.grantee.selector) == place for f in new)


def _other_changes(finding: Finding, seen: _Seen) -> Iterator[str]:
    """Titles of the other findings that would go, appear or read differently."""
    old, new = seen.before, seen.after
    moved: list[Counter[tuple[str, str, str]]] = [Counter(), Counter()]
    for at in (i for i in dict.fromkeys((*old, *new)) if i != finding.id):
        was, now = old.get(at), new.get(at)
        if was and now:
            if not _says_the_same(was, now):
                yield was.title
        elif (was or new[at]).kind in _BY_PLACE:
            told = was or new[at]
            moved[0 if was else 1][told.title, told.verdict, told.severity] += 1
        else:
            yield (was or new[at]).title
    yield from sorted(title for title, _, _ in ((moved[0] - moved[1]) + (moved[1] - moved[0])).elements())


def _says_the_same(was: Finding, now: Finding) -> bool:
    return reads_the_same(was, now) and was.reach.digest == now.reach.digest and was.keys_total == now.keys_total


def _losers(edit: WorldEdit, inside: Compared) -> Iterator[str]:
    """Who inside a key's own account gets something else than before, without what the edit is meant to take."""
    for difference in inside.differences:
        who = difference.grantee.selector
        if not edit.meant.issuperset(difference.actions) or (edit.holders and who not in edit.holders):
            yield who
