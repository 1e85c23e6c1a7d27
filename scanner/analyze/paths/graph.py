"""The access graph between roles: which role may assume which, and how far one gets from a role (R7.7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field

from scanner.analyze.paths.hops import ASSUME, NEVER, SURE, Step, step
from scanner.analyze.paths.sources import admissions_of, may_ask, partition_of
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import resolve_caller
from scanner.model.principal import PrincipalFacts, PrincipalKind

DEFAULT_HOPS = 5


@dataclass(frozen=True, slots=True)
class Chain:
    """Roles assumed one after the other, starting with a session of some role; the rank is that of the weakest."""

    steps: tuple[Step, ...] = ()
    rank: int = SURE

    def then(self, further: Step) -> Chain:
        """The chain with one more role."""
        return Chain((*self.steps, further), min(self.rank, further.rank))

    @property
    def order(self) -> tuple[int, int, tuple[str, ...]]:
        """Strongest first, then shortest, then by name."""
        return -self.rank, len(self.steps), tuple(s.role.arn for s in self.steps)


@dataclass(frozen=True, slots=True)
class Closure:
    """Every role that a session of `start` gets to, `start` included, with the strongest chain within the limit.

    `beyond` are chains that are one role too long: the limit cut them, and what lies behind was not followed.
    """

    start: str
    chains: Mapping[str, Chain]
    beyond: Mapping[str, Chain] = field(default_factory=dict)

    def reaches(self, arn: str) -> bool:
        """Whether a role is on some chain, within the limit or just beyond."""
        return arn in self.chains or arn in self.beyond


class RoleGraph:
    """Roles of a world with their `may_assume` edges, each judged when it is first asked for and once."""

    def __init__(self, population: Population, max_hops: int = DEFAULT_HOPS) -> None:
        self.world = population.world
        self.max_hops = max_hops
        self.roles: dict[str, PrincipalFacts] = {
            arn: p for arn, p in sorted(self.world.principals.items()) if p.kind is PrincipalKind.ROLE
        }
        self._onward: dict[str, tuple[Step, ...]] = {}
        self._into: dict[str, dict[str, None]] = defaultdict(dict)
        self._closures: dict[str, Closure] = {}
        self._trusting: dict[str, dict[str, None]] = defaultdict(dict)
        self._open: dict[str, None] = {}
        for arn, role in self.roles.items():
            for admission in admissions_of(role):
                selector = population.identified(admission.selector)
                if admission.action == ASSUME and selector.kind != "service":
                    (self._trusting[selector.account_id] if selector.account_id else self._open)[arn] = None

    def with_less_trust(self, role: PrincipalFacts) -> RoleGraph:
        """The graph with a role in its new form, which admits fewer than before; what that cannot touch stays."""
        other, arn = copy(self), role.arn
        other.roles = {**self.roles, arn: role}
        other._onward = {**self._onward}
        for start in self._into.get(arn, ()):
            other._onward.pop(start, None)
        other._closures = {a: closure for a, closure in self._closures.items() if not closure.reaches(arn)}
        return other

    def onward(self, arn: str) -> tuple[Step, ...]:
        """Every role that a session of a role may assume itself, in order of names."""
        if arn not in self._onward:
            role = self.roles[arn]
            caller = resolve_caller(self.world, arn)
            asks = may_ask(caller)
            near = {**self._trusting.get(role.account_id, {}), **self._open}
            others = (self.roles[r] for r in sorted(near) if r != arn)
            reachable = (
                o for o in others
                if partition_of(o) == partition_of(role) and (asks or o.account_id == role.account_id)
            )  # fmt: skip
            judged = (step(self.world, caller, other, ASSUME) for other in reachable)
            self._onward[arn] = tuple(s for s in judged if s.rank > NEVER)
            for further in self._onward[arn]:
                self._into[further.role.arn][arn] = None
        return self._onward[arn]

    def closure(self, arn: str) -> Closure:
        """How far one gets from a session of a role: never more than `max_hops` roles in all, this one included."""
        if arn not in self._closures:
            self._closures[arn] = self._follow(arn)
        return self._closures[arn]

    def _follow(self, start: str) -> Closure:
        """Level by level; a role is visited again only where a longer chain is stronger, so cycles end."""
        known = {start: Chain()}
        level = dict(known)
        for _ in range(self.max_hops - 1):
            level = self._next(level, known)
            known |= level
        beyond = self._next(level, known)
        return Closure(start, known, beyond)

    def _next(self, level: Mapping[str, Chain], known: Mapping[str, Chain]) -> dict[str, Chain]:
        """Roles that one more step reaches for the first time, or by a stronger chain than before."""
        found: dict[str, Chain] = {}
        for arn, chain in level.items():
            for further in self.onward(arn):
                longer, target = chain.then(further), further.role.arn
                before = known.get(target)
                if before is not None and before.rank >= longer.rank:
                    continue
                if target not in found or longer.order < found[target].order:
                    found[target] = longer
        return found
