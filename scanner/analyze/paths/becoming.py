"""Which identities of its account a session may become by changes, without asking about those that add nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Protocol

from scanner.analyze.paths.changes import Changes, is_only_by_aws, may_change, retold
from scanner.analyze.paths.forms import AS_IT_IS, Form, caller_in, identity_of, is_almighty
from scanner.analyze.paths.hops import PERHAPS, SURE, Step
from scanner.analyze.principals.likeness import likeness_in
from scanner.analyze.request.caller import Caller
from scanner.model.decision import Decision
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

Leads = Callable[[PrincipalFacts, Form], bool]
"""Which identities count in which form, always the same; what can be made of one counts always."""


class Entering(Protocol):
    """How one session assumes roles as they are."""

    def __call__(self, role: PrincipalFacts) -> Step | None:
        """The step into a role; None where it surely cannot."""

    def may_admit(self, role: PrincipalFacts) -> bool:
        """Whether a role may admit anybody of the session's account."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """How callers of one class become identities of one kind: the same steps for all whom trust policies admit alike.

    `steps` are those of `first`. `asked` are the identities that were looked at, `entered` how it assumes those of them
    that admit somebody of the account.
    """

    first: Caller
    steps: tuple[Step, ...]
    asked: frozenset[str]
    entered: tuple[tuple[PrincipalFacts, Decision | None], ...]

    def steps_of(self, caller: Caller) -> Iterable[Step]:
        """The steps as another caller of the class takes them."""
        return self.steps if caller.text == self.first.text else (retold(s, caller, s.role) for s in self.steps)

    def holds_for(self, enters: Entering) -> bool:
        """Whether trust policies admit somebody as they admit the first."""
        return all(_decision(enters(role)) == decision for role, decision in self.entered)


@dataclass(frozen=True, slots=True)
class Becomes:
    """Whom a session may become: by steps that are its own, and by those of groups that it belongs to."""

    own: tuple[Step, ...] = ()
    groups: tuple[Group, ...] = ()


@dataclass(frozen=True, slots=True)
class _Session:
    """Who asks, in which form, how it assumes roles, and which identities count."""

    caller: Caller
    form: Form
    enters: Entering
    leads: Leads

    def counts(self, step: Step) -> bool:
        """Whether a step leads on, and was not told before: whoever may do everything assumes roles as they are."""
        return (step.change is not None or self.form.rewritten) and self.leads(step.role, step.form)


class Becoming:
    """The changes that sessions may make, by node of the access graph.

    Whoever may do everything in an account needs to become one identity of each kind that documents tell apart: the
    others of the kind have nothing that it could not give itself (R8.9).
    """

    def __init__(self, world: World, identities: Mapping[str, PrincipalFacts]) -> None:
        self._world = world
        self._changes = Changes(world)
        self._likeness = likeness_in(world)
        self._groups: dict[Hashable, dict[Hashable, list[Group]]] = {}
        self._each: dict[Hashable, tuple[Decision | None, tuple[Step, ...]]] = {}
        self._kinds: dict[str, dict[Hashable, list[PrincipalFacts]]] = {}
        self._accounts: dict[str, dict[str, PrincipalFacts]] = {}
        for arn, facts in identities.items():
            self._accounts.setdefault(facts.account_id, {})[arn] = facts

    def with_identity(self, facts: PrincipalFacts) -> Becoming:
        """The same where one identity has other facts."""
        other = copy(self)
        here = {**self._accounts[facts.account_id], facts.arn: facts}
        other._groups, other._each, other._kinds = {}, {}, {}
        other._accounts = {**self._accounts, facts.account_id: here}
        return other

    def forms(self, node: str) -> tuple[Step, ...]:
        """What a session may make its own identity into."""
        caller, facts, form = self._who(node)
        return tuple(self._changes.of_itself(caller, facts, form))

    def others(self, node: str, forms: Iterable[Step], enters: Entering, leads: Leads) -> Becomes:
        """How a session becomes other identities of its account, other than by assuming them as they are.

        Whoever has a permissions boundary gains from others of its own kind, which are not the same for each.

        Args:
            node: whose session it is.
            forms: what it may make itself into; what it surely may, it does first.
        """
        caller, facts, form = self._who(node)
        if not may_change(caller):
            return Becomes()
        if any(s.rank == SURE or not caller.collected for s in forms if s.change and s.change.form.rewritten):
            return Becomes()
        session = _Session(caller, form, enters, leads)
        here = self._accounts[facts.account_id].values()
        if not form.rewritten and not is_almighty(facts):
            targets = (t for t in here if t.arn != facts.arn and _matters(t, leads))
            steps = (s for target in targets for s in self._of_another(session, target))
            return Becomes(tuple(filter(session.counts, steps)))
        alike, own, kinds = (
            self._changes.class_of(caller),
            self._likeness.of(facts),
            self._kinds_in(facts.account_id, leads),
        )
        if caller.boundary is not None:
            alone = ([t for t in members if t.arn != facts.arn] for members in kinds.values())
            return Becomes(tuple(step for members in alone for step in self._into_one(session, members).steps))
        others = [(kind, members) for kind, members in kinds.items() if kind != own]
        if alike is None:
            return Becomes(tuple(step for _, members in others for step in self._into_one(session, members).steps))
        known = self._groups.setdefault((form.rewritten, alike), {})
        return Becomes(groups=tuple(self._group(known.setdefault(k, []), session, members) for k, members in others))

    def _kinds_in(self, account_id: str, leads: Leads) -> Mapping[Hashable, list[PrincipalFacts]]:
        """The identities of an account that matter, by what tells them apart."""
        if account_id not in self._kinds:
            kinds = self._kinds[account_id] = {}
            for target in self._accounts[account_id].values():
                if _matters(target, leads):
                    kinds.setdefault(self._likeness.of(target), []).append(target)
        return self._kinds[account_id]

    def _group(self, known: list[Group], session: _Session, members: Iterable[PrincipalFacts]) -> Group:
        """The group that a session is of, one of those known for its class and a kind or a new one."""
        for group in known:
            if group.holds_for(session.enters):
                return group
        known.append(self._into_one(session, members))
        return known[-1]

    def _into_one(self, session: _Session, members: Iterable[PrincipalFacts]) -> Group:
        """How a session becomes one of a kind, or each of them where it is not sure of one that has everything."""
        steps: list[Step] = []
        asked: list[PrincipalFacts] = []
        enough = SURE if session.caller.collected else PERHAPS
        for target in members:
            asked.append(target)
            found = [*self._of_another(session, target), *filter(None, (session.enters(target),))]
            steps.extend(found)
            if any(s.rank >= enough and _has_everything(s) for s in found):
                break
        entered = tuple((t, _decision(session.enters(t))) for t in asked if session.enters.may_admit(t))
        kept = tuple(filter(session.counts, steps))
        return Group(session.caller, kept, frozenset(t.arn for t in asked), entered)

    def _of_another(self, session: _Session, target: PrincipalFacts) -> Iterable[Step]:
        """How a session becomes another identity.

        It is the same for all of its class whom the trust policy admits alike, and for all identities of which nothing
        is told apart by what was asked.
        """
        caller = session.caller
        alike = self._changes.class_of(caller)
        if alike is None:
            return self._changes.of_another(caller, target, session.enters)
        decision = _decision(session.enters(target))
        kind, itself = (alike, self._changes.sign(target)), (alike, target.arn)
        for place in (kind, itself):
            before, known = self._each.get(place, (None, None))
            if known is not None and before == decision:
                return (retold(step, caller, target) for step in known)
        steps, is_of_kind = self._changes.of_another_of_a_kind(caller, target, session.enters)
        self._each[kind if is_of_kind else itself] = decision, steps
        return steps

    def _who(self, node: str) -> tuple[Caller, PrincipalFacts, Form]:
        arn, form = identity_of(node)
        return caller_in(self._world, node), self._world.principals[arn], form


def _matters(identity: PrincipalFacts, leads: Leads) -> bool:
    """Whether somebody who may be changed at will counts, as it is or by what can be made of it."""
    return leads(identity, AS_IT_IS) or not is_only_by_aws(identity)


def _decision(step: Step | None) -> Decision | None:
    return step.decision if step is not None else None


def _has_everything(step: Step) -> bool:
    """Whether nothing that IAM can give is out of reach after a step."""
    form = step.change.form if step.change else AS_IT_IS
    unbounded = form.unbounded or step.role.boundary is None
    return unbounded and (form.rewritten or is_almighty(step.role))
