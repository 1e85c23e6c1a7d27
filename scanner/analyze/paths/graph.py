"""The access graph between identities: who may become whom, and how far one gets from a role (R7.7, R7.8, R8.9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import chain as chained

from scanner.analyze.paths.becoming import Becomes, Becoming, Group
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
        self._becomes: dict[str, Becomes] = {}
        self._forms: dict[str, tuple[Step, ...]] = {}
        self._into: dict[str, dict[str, None]] = defaultdict(dict)
        self._grouped: dict[str, dict[str, None]] = defaultdict(dict)
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
        other._becomes = {**self._becomes}
        for start in (*self._into.get(arn, ()), *self._asking_about(role)):
            other._becomes.pop(start, None)
        other._closures = {a: closure for a, closure in self._closures.items() if not closure.reaches(arn)}
        return other

    def forms(self, node: str) -> tuple[Step, ...]:
        """What a session may make its own identity into."""
        if node not in self._forms:
            self._forms[node] = self._becoming.forms(node) if self._becoming else ()
        return self._forms[node]

    def _asking_about(self, identity: PrincipalFacts) -> Iterator[str]:
        """The nodes of groups that looked at an identity."""
        for node in self._grouped.get(identity.account_id, ()):
            ways = self._becomes.get(node, Becomes())
            if any(identity.arn in group.asked for group in ways.groups):
                yield node

    def onward(self, node: str) -> tuple[Step, ...]:
        """Every other identity that a session may become in one step, in order of names."""
        ways = self._ways(node)
        if not ways.groups:
            return ways.own
        caller = caller_in(self.world, node)
        return _in_order(chained(ways.own, *(group.steps_of(caller) for group in ways.groups)))

    def _ways(self, node: str) -> Becomes:
        """The same with the steps of groups by group, as the first of each takes them."""
        if node not in self._becomes:
            caller = caller_in(self.world, node)
            enters = _Entering(self, caller)
            abroad_only = identity_of(node)[1].rewritten
            near = (r for r in self._trusting.near(caller, self.identities) if self._leads(r))
            assumed = [enters(role) for role in near if not abroad_only or role.account_id != caller.account_id]
            forms = self.forms(node)
            changed = self._becoming.others(node, forms, enters, self._leads) if self._becoming else Becomes()
            own = _in_order((*(s for s in assumed if s is not None), *changed.own))
            self._know(node, replace(changed, own=own))
        return self._becomes[node]

    def _know(self, node: str, ways: Becomes) -> None:
        self._becomes[node] = ways
        for further in ways.own:
            self._into[further.role.arn][node] = None
        if ways.groups:
            self._grouped[ways.groups[0].first.account_id][node] = None

    def edges_at(self, nodes: Sequence[str]) -> Edges:
        """The edges that start at some nodes."""
        return Edges({node: self.onward(node) for node in nodes}, {node: self.forms(node) for node in nodes})

    def take(self, edges: Edges) -> None:
        """Know edges of the same world that were judged elsewhere."""
        self._forms.update(edges.forms)
        for node, steps in edges.onward.items():
            self._know(node, Becomes(steps))

    def enter(self, caller: Caller, role: PrincipalFacts) -> Step | None:
        """How a session assumes a role as it is; None where it surely cannot."""
        if not self.may_admit(caller.account_id, role):
            return None
        judged = step(self.world, caller, role, ASSUME)
        return judged if judged.rank > NEVER else None

    def may_admit(self, account_id: str, role: PrincipalFacts) -> bool:
        """Whether the trust policy of a role may admit somebody of an account."""
        return self._trusting.may_admit(account_id, role.arn)

    def closure(self, arn: str) -> Closure:
        """How far one gets from a session of a role: never more than `max_hops` roles in all, this one included."""
        if arn not in self._closures:
            self._closures[arn] = self._follow(arn)
        return self._closures[arn]

    def _follow(self, start: str) -> Closure:
        """Level by level; an identity is visited again only where a longer chain is stronger, so cycles end."""
        known = self._with_forms({start: Chain()}, {})
        level = dict(known)
        done: dict[Group, int] = {}
        for _ in range(self.max_hops - 1):
            level = self._next(level, known, done)
            known |= level
        beyond = self._next(level, known, done)
        return Closure(start, known, beyond)

    def _next(self, level: Mapping[str, Chain], known: Mapping[str, Chain], done: dict[Group, int]) -> dict[str, Chain]:
        """Whom one more step reaches for the first time, or by a stronger chain than before.

        What a group reaches is the same whoever of it is asked: by a chain that is no stronger, nor sooner in order, it
        reaches nothing that counts.

        Args:
            done: the rank at which each group was followed.
        """
        found: dict[str, Chain] = {}
        grouped: list[tuple[str, Chain]] = []
        for node, chain in level.items():
            ways = self._ways(node)
            _keep(found, known, chain, ways.own)
            if ways.groups:
                grouped.append((node, chain))
        for node, chain in sorted(grouped, key=lambda reached: reached[1].order[1:]):
            caller = caller_in(self.world, node)
            for group in self._ways(node).groups:
                if done.get(group, NEVER) < chain.rank:
                    done[group] = chain.rank
                    _keep(found, known, chain, group.steps_of(caller))
        return self._with_forms(found, known)

    def _with_forms(self, found: Mapping[str, Chain], known: Mapping[str, Chain]) -> dict[str, Chain]:
        """The same with what everybody found can make itself into: that is nobody else, and counts as no role."""
        whole, fresh = dict(found), dict(found)
        while fresh:
            made: dict[str, Chain] = {}
            before = {**known, **whole}
            for node, chain in fresh.items():
                _keep(made, before, chain, self.forms(node))
            whole |= made
            fresh = made
        return whole


class _Entering:
    """How a session assumes the roles of a graph as they are, each judged once."""

    def __init__(self, graph: RoleGraph, caller: Caller) -> None:
        self._graph = graph
        self._caller = caller
        self._entered: dict[str, Step | None] = {}

    def __call__(self, role: PrincipalFacts) -> Step | None:
        """The step into a role; None where it surely cannot."""
        if role.arn not in self._entered:
            self._entered[role.arn] = self._graph.enter(self._caller, role)
        return self._entered[role.arn]

    def may_admit(self, role: PrincipalFacts) -> bool:
        """Whether a role may admit anybody of the session's account."""
        return self._graph.may_admit(self._caller.account_id, role)


def _in_order(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(sorted(steps, key=lambda s: s.node))


def _keep(found: dict[str, Chain], known: Mapping[str, Chain], chain: Chain, further: Iterable[Step]) -> None:
    """Keep the chains by further steps to nodes that were not known, or only by a weaker chain."""
    for one in further:
        node = one.node
        before = known.get(node)
        if before is not None and before.rank >= min(chain.rank, one.rank):
            continue
        longer = chain.then(one)
        if node not in found or longer.order < found[node].order:
            found[node] = longer
