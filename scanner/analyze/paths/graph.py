"""The access graph between identities: who may become whom, and how far one gets from a role (R7.7, R7.8, R8.9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import chain as chained

from scanner.analyze.paths.becoming import Becoming
from scanner.analyze.paths.forms import AS_IT_IS, IDENTITIES, Form, caller_in, identity_of
from scanner.analyze.paths.hops import ASSUME, NEVER, SURE, Step, step
from scanner.analyze.paths.leading import Backwards, Leading, MayUse
from scanner.analyze.paths.trusting import Trusting
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.caller import Caller
from scanner.model.principal import PrincipalFacts, PrincipalKind

DEFAULT_HOPS = 5


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps one after the other, starting with a session of some role; the rank is that of the weakest."""

    steps: tuple[Step, ...] = ()
    rank: int = SURE

    def then(self, further: Step) -> Chain:
        """The chain with one more step."""
        return Chain((*self.steps, further), min(self.rank, further.rank))

    @property
    def order(self) -> tuple[int, int, tuple[str, ...]]:
        """Strongest first, then shortest, then by name."""
        return -self.rank, len(self.steps), tuple(s.node for s in self.steps)


@dataclass(frozen=True, slots=True)
class Closure:
    """Everybody whom a session of `start` gets to be, `start` included, with the strongest chain within the limit.

    Keys are nodes: the ARN of an identity, with the form that changes gave it. `beyond` are chains that are one role
    too long: the limit cut them, and what lies behind was not followed.
    """

    start: str
    chains: Mapping[str, Chain]
    beyond: Mapping[str, Chain] = field(default_factory=dict)

    def reaches(self, arn: str) -> bool:
        """Whether an identity is on some chain in some form, within the limit or just beyond."""
        return any(identity_of(node)[0] == arn for node in (*self.chains, *self.beyond))


@dataclass(frozen=True, slots=True)
class Edges:
    """Steps between identities by the node they start at: to others, and to other forms of the same."""

    onward: Mapping[str, tuple[Step, ...]]
    forms: Mapping[str, tuple[Step, ...]]

    @property
    def ends(self) -> set[str]:
        """The nodes they lead to."""
        steps = chained(*self.onward.values(), *self.forms.values())
        return {step.node for step in steps}


class RoleGraph:
    """Identities of a world with the edges between them, each judged when it is first asked for and once.

    Edges are `may_assume` through trust policies and, with `iam_changes`, passing roles to services and changing IAM.
    """

    def __init__(self, population: Population, max_hops: int = DEFAULT_HOPS, *, iam_changes: bool = True) -> None:
        self.world = population.world
        self.max_hops = max_hops
        self.identities: dict[str, PrincipalFacts] = {
            arn: p for arn, p in sorted(self.world.principals.items()) if p.kind in IDENTITIES
        }
        self._becoming = Becoming(self.world, self.identities) if iam_changes else None
        self._onward: dict[str, tuple[Step, ...]] = {}
        self._forms: dict[str, tuple[Step, ...]] = {}
        self._into: dict[str, dict[str, None]] = defaultdict(dict)
        self._closures: dict[str, Closure] = {}
        self._trusting = Trusting(self.roles, population)
        self._leading: Leading | None = None

    @property
    def roles(self) -> dict[str, PrincipalFacts]:
        """The roles by ARN."""
        return {arn: p for arn, p in self.identities.items() if p.kind is PrincipalKind.ROLE}

    def keep_to_what_leads_to(self, accounts: Collection[str], may_use: MayUse) -> Leading:
        """Follow nothing that surely does not lead to keys which identities of some accounts (`*`: of any) may use.

        Chains to whoever uses the keys stay as they are: everybody on them leads there.
        """
        changes = self._becoming is not None
        backwards = Backwards(self.world, self.identities, self._trusting, iam_changes=changes)
        self._leading = backwards.leading_to(accounts, may_use)
        return self._leading

    def _leads(self, identity: PrincipalFacts, form: Form = AS_IT_IS) -> bool:
        return self._leading is None or self._leading.holds(identity, form)

    def with_less_trust(self, role: PrincipalFacts) -> RoleGraph:
        """The graph with a role in its new form, which admits fewer than before; what that cannot touch stays."""
        other, arn = copy(self), role.arn
        other.identities = {**self.identities, arn: role}
        other._becoming = self._becoming.with_identity(role) if self._becoming else None
        other._onward = {**self._onward}
        for start in self._into.get(arn, ()):
            other._onward.pop(start, None)
        other._closures = {a: closure for a, closure in self._closures.items() if not closure.reaches(arn)}
        return other

    def forms(self, node: str) -> tuple[Step, ...]:
        """What a session may make its own identity into."""
        if node not in self._forms:
            self._forms[node] = self._becoming.forms(node) if self._becoming else ()
        return self._forms[node]

    def onward(self, node: str) -> tuple[Step, ...]:
        """Every other identity that a session may become in one step, in order of names."""
        if node not in self._onward:
            caller = caller_in(self.world, node)
            entered: dict[str, Step | None] = {}

            def assumes(role: PrincipalFacts) -> Step | None:
                if role.arn not in entered:
                    entered[role.arn] = self._enter(caller, role)
                return entered[role.arn]

            abroad_only = identity_of(node)[1].rewritten
            near = (r for r in self._trusting.near(caller, self.identities) if self._leads(r))
            assumed = [assumes(r) for r in near if not abroad_only or r.account_id != caller.account_id]
            changed = self._becoming.others(node, self.forms(node), assumes, self._leads) if self._becoming else ()
            found = (*(s for s in assumed if s is not None), *(s for s in changed if self._leads(s.role, s.form)))
            self._onward[node] = tuple(sorted(found, key=lambda s: s.node))
            for further in self._onward[node]:
                self._into[further.role.arn][node] = None
        return self._onward[node]

    def edges_at(self, nodes: Sequence[str]) -> Edges:
        """The edges that start at some nodes."""
        return Edges({node: self.onward(node) for node in nodes}, {node: self.forms(node) for node in nodes})

    def take(self, edges: Edges) -> None:
        """Know edges of the same world that were judged elsewhere."""
        self._onward.update(edges.onward)
        self._forms.update(edges.forms)
        for node, steps in edges.onward.items():
            for further in steps:
                self._into[further.role.arn][node] = None

    def _enter(self, caller: Caller, role: PrincipalFacts) -> Step | None:
        """How a session assumes a role as it is; None where it surely cannot."""
        if not self._trusting.may_admit(caller.account_id, role.arn):
            return None
        judged = step(self.world, caller, role, ASSUME)
        return judged if judged.rank > NEVER else None

    def closure(self, arn: str) -> Closure:
        """How far one gets from a session of a role: never more than `max_hops` roles in all, this one included."""
        if arn not in self._closures:
            self._closures[arn] = self._follow(arn)
        return self._closures[arn]

    def _follow(self, start: str) -> Closure:
        """Level by level; an identity is visited again only where a longer chain is stronger, so cycles end."""
        known = self._with_forms({start: Chain()}, {})
        level = dict(known)
        for _ in range(self.max_hops - 1):
            level = self._next(level, known)
            known |= level
        beyond = self._next(level, known)
        return Closure(start, known, beyond)

    def _next(self, level: Mapping[str, Chain], known: Mapping[str, Chain]) -> dict[str, Chain]:
        """Whom one more step reaches for the first time, or by a stronger chain than before."""
        found: dict[str, Chain] = {}
        for node, chain in level.items():
            _keep(found, known, ((s.node, chain.then(s)) for s in self.onward(node)))
        return self._with_forms(found, known)

    def _with_forms(self, found: Mapping[str, Chain], known: Mapping[str, Chain]) -> dict[str, Chain]:
        """The same with what everybody found can make itself into: that is nobody else, and counts as no role."""
        whole, fresh = dict(found), dict(found)
        while fresh:
            made: dict[str, Chain] = {}
            for node, chain in fresh.items():
                _keep(made, {**known, **whole}, ((s.node, chain.then(s)) for s in self.forms(node)))
            whole |= made
            fresh = made
        return whole


def _keep(found: dict[str, Chain], known: Mapping[str, Chain], longer: Iterable[tuple[str, Chain]]) -> None:
    """Keep the chains to nodes that were not known, or only by a weaker chain."""
    for node, chain in longer:
        before = known.get(node)
        if before is not None and before.rank >= chain.rank:
            continue
        if node not in found or chain.order < found[node].order:
            found[node] = chain
