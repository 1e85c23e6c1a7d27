"""How one action on a key is reached: by which roles, how surely, and under which conditions of whom (R7.7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from scanner.analyze.paths.forms import caller_in
from scanner.analyze.paths.graph import Chain
from scanner.analyze.paths.hops import PERHAPS, Step, choice_of, verdict_of
from scanner.analyze.paths.role_use import Use
from scanner.analyze.paths.sources import Source
from scanner.analyze.request.caller import Caller
from scanner.model.decision import Decision
from scanner.model.finding import FindingVerdict, path_entry
from scanner.model.key import KeyFacts
from scanner.model.principal import PrincipalFacts
from scanner.model.value import value_class
from scanner.model.world import World

Course = tuple[int, int, int, bool]
"""What tells ways apart but for the action."""


class Way(NamedTuple):
    """How one action on a key is reached from an entry role: further roles, then the use of the key by the last.

    `cut` says that the chain is longer than what is followed, so that the use is not judged as reached; `rank` is that
    of the weakest step, the entry aside. `course` is the same for ways of one chain whose decision is the same object:
    whichever the action, they are as sure under the same conditions.
    """

    chain: Chain
    use: Use
    cut: bool
    rank: int
    course: Course

    @classmethod
    def of(cls, chain: Chain, use: Use, *, cut: bool, courses: dict[Course, Course] | None = None) -> Self:
        """The way by a chain to what its last identity can do.

        Args:
            courses: each of those that were met, so that ways of one hold the same object.
        """
        whole = min(chain.rank, use.rank)
        course = (id(chain), id(use.decision), use.rank, cut)
        same = course if courses is None else courses.setdefault(course, course)
        return cls(chain, use, cut, min(whole, PERHAPS) if cut else whole, same)


Place = tuple[str, FindingVerdict, str]
"""Capability, verdict and condition: what is told as one."""


@value_class(eq=False)
class Approach:
    """How one action is reached, whichever key it is done with: the step that enters, and the way from there.

    `rank` is that of the weakest step. The condition in `place` has the conditions of all steps, each with the request
    it is about. `choice` is whether they are all the caller's to meet, or else its identity provider's to vouch for as
    well.
    """

    entry: Step
    way: Way
    rank: int
    place: Place
    choice: tuple[bool, bool]

    @classmethod
    def of(cls, entry: Step, way: Way) -> Self:
        """The approach by this step."""
        rank, condition, choice = _said(entry, way)
        return cls(entry, way, rank, (way.use.action.capability, verdict_of(rank), condition), choice)

    def by(self, step: Step) -> Approach:
        """The same with another step that enters."""
        return self if step is self.entry else self.of(step, self.way)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The roles assumed, in order."""
        return (self.entry, *self.way.chain.steps)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What is decided about every step, and about the use of the key."""
        return (*(s.decision for s in self.steps), self.way.use.decision)

    @property
    def condition(self) -> str:
        """What remains to be met."""
        return self.place[2]


def _said(entry: Step, way: Way) -> tuple[int, str, tuple[bool, bool]]:
    """Rank, condition and choice of an approach; the same for all ways of a course."""
    steps, used = (entry, *way.chain.steps), way.use.decision
    rank = min(entry.rank, way.rank)
    parts = conditions_of_steps(steps)
    if used.condition:
        parts.append(f"{used.condition} (when the key is used)" if parts else used.condition)
    return rank, ", and ".join(parts), choice_of(rank, (*(s.decision for s in steps), used))


class Arrival(NamedTuple):
    """One action on a key, reached by a source."""

    source: Source
    key: KeyFacts
    approach: Approach

    @property
    def entry(self) -> Step:
        """The step that enters."""
        return self.approach.entry

    @property
    def way(self) -> Way:
        """The way from there."""
        return self.approach.way

    @property
    def rank(self) -> int:
        """That of the weakest step."""
        return self.approach.rank

    @property
    def steps(self) -> tuple[Step, ...]:
        """The roles assumed, in order."""
        return self.approach.steps

    def user(self, world: World) -> Caller:
        """A session of the identity that uses the key, in the form it has by then."""
        return caller_in(world, self.steps[-1].node)

    @property
    def doubtful(self) -> Decision | None:
        """The first decision that hangs on what nobody read; None where none decides the verdict."""
        decisions = [*((s.rank, s.decision) for s in self.steps), (self.way.use.rank, self.way.use.decision)]
        return next((decision for rank, decision in decisions if rank == PERHAPS), None)

    @property
    def caller_chosen(self) -> bool:
        """Whether every condition on the path is the caller's to meet."""
        return self.approach.choice[0]

    @property
    def vouched(self) -> bool:
        """Whether an identity provider has to vouch for something, and the rest is the caller's to meet."""
        return self.approach.choice[1]

    @property
    def path(self) -> str:
        """The identities passed through, as access.csv has them: how, where no role is assumed."""
        return " > ".join(path_entry(s.role.arn, s.action, is_change=s.change is not None) for s in self.steps)


@value_class(eq=False)
class Landing:
    """The keys that a source reaches by the same approaches, in order; it is told from others as an object."""

    source: Source
    approaches: tuple[Approach, ...]
    keys: list[KeyFacts]

    @property
    def arrivals(self) -> Iterator[Arrival]:
        """Every action on every key."""
        return (Arrival(self.source, key, approach) for key in self.keys for approach in self.approaches)


def landings_of(source: Source, ways: Iterable[tuple[KeyFacts, tuple[Way, ...]]]) -> tuple[Landing, ...]:
    """What a source reaches by the ways to each key, in the order of the first keys.

    Ways of one course to one action share the approach.
    """
    entry = source.best
    said: dict[Course, tuple[int, str, tuple[bool, bool]]] = {}
    places: dict[tuple[Course, str], Place] = {}
    approaches: dict[tuple[Course, str], Approach] = {}

    def approach_by(way: Way) -> Approach:
        course, action = way.course, way.use.action
        approach = approaches.get((course, action.name))
        if approach is None:
            if course not in said:
                said[course] = _said(entry, way)
            rank, condition, choice = said[course]
            capability = action.capability
            place = places.setdefault((course, capability), (capability, verdict_of(rank), condition))
            approach = approaches[course, action.name] = Approach(entry, way, rank, place, choice)
        return approach

    landings: dict[tuple[Approach, ...], Landing] = {}
    known: dict[int, Landing] = {}
    for key, found in ways:
        landing = known.get(id(found))
        if landing is None:
            by = tuple(map(approach_by, found))
            landing = known[id(found)] = landings.setdefault(by, Landing(source, by, []))
        landing.keys.append(key)
    return tuple(landings.values())


def conditions_of_steps(steps: Iterable[Step]) -> list[str]:
    """The conditions under which roles are assumed, each with the role it is about."""
    return [
        f"{s.decision.condition} (when {_label(s.role)} is {'changed' if s.change else 'assumed'})"
        for s in steps if s.decision.condition
    ]  # fmt: skip


def residual_of(approach: Approach) -> object:
    """The conditions as nested JSON values: `{steps: […]}`, one member per request; None where nothing remains."""
    parts: list[object] = [
        {"role": s.role.arn, "residual": s.decision.residual} for s in approach.steps if s.decision.residual is not None
    ]
    used = approach.way.use.decision.residual
    if not parts:
        return used
    return {"steps": [*parts, *([{"role": "", "residual": used}] if used is not None else [])]}


def _label(identity: PrincipalFacts) -> str:
    return f"{identity.kind.value}/{identity.arn.rsplit('/', 1)[-1]}"
