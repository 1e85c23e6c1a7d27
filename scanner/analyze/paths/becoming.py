"""Which identities of its account a session may become by changes, without asking about those that add nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from copy import copy
from functools import partial

from scanner.analyze.paths.changes import Changes, Enters, by, is_only_by_aws, may_change
from scanner.analyze.paths.forms import AS_IT_IS, Form, caller_in, identity_of, is_almighty
from scanner.analyze.paths.hops import PERHAPS, SURE, Step
from scanner.analyze.principals.likeness import likeness_in
from scanner.analyze.request.caller import Caller
from scanner.model.decision import Decision
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World


class Becoming:
    """The changes that sessions may make, by node of the access graph.

    Whoever may do everything in an account needs to become one identity of each kind that documents tell apart: the
    others of the kind have nothing that it could not give itself (R8.9).
    """

    def __init__(self, world: World, identities: Mapping[str, PrincipalFacts]) -> None:
        self._world = world
        self._changes = Changes(world)
        self._likeness = likeness_in(world)
        self._known: dict[Hashable, tuple[Caller, tuple[Step, ...]]] = {}
        self._each: dict[Hashable, tuple[Decision | None, tuple[Step, ...]]] = {}
        self._accounts: dict[str, dict[str, PrincipalFacts]] = {}
        for arn, facts in identities.items():
            self._accounts.setdefault(facts.account_id, {})[arn] = facts

    def with_identity(self, facts: PrincipalFacts) -> Becoming:
        """The same where one identity has other facts."""
        other = copy(self)
        here = {**self._accounts[facts.account_id], facts.arn: facts}
        other._known, other._each = {}, {}
        other._accounts = {**self._accounts, facts.account_id: here}
        return other

    def forms(self, node: str) -> tuple[Step, ...]:
        """What a session may make its own identity into."""
        caller, facts, form = self._who(node)
        return tuple(self._changes.of_itself(caller, facts, form))

    def others(
        self, node: str, forms: Iterable[Step], enters: Enters, wanted: Callable[[PrincipalFacts], bool]
    ) -> Iterator[Step]:
        """How a session becomes other identities of its account, other than by assuming them as they are.

        Args:
            node: whose session it is.
            forms: what it may make itself into; what it surely may, it does first.
            enters: how it assumes a role.
            wanted: the identities that count as they are, always the same; what can be made of one counts always.
        """
        caller, facts, form = self._who(node)
        if not may_change(caller):
            return
        if any(s.rank == SURE or not caller.collected for s in forms if s.change and s.change.form.rewritten):
            return
        here = self._accounts[facts.account_id].values()
        targets = [t for t in here if t.arn != facts.arn and (wanted(t) or not is_only_by_aws(t))]
        if form.rewritten or is_almighty(facts):
            for step in self._shared(caller, facts, form, partial(self._one_of_each, caller, facts, targets, enters)):
                if step.change is not None or form.rewritten:
                    yield step
            return
        alike = self._changes.class_of(caller)
        for target in targets:
            yield from self._of_another(caller, alike, target, enters)

    def _of_another(
        self, caller: Caller, alike: Hashable | None, target: PrincipalFacts, enters: Enters
    ) -> Iterable[Step]:
        """How a session becomes another identity: the same for all of its class whom the trust policy admits alike."""
        if alike is None:
            return self._changes.of_another(caller, target, enters)
        assumed = enters(target)
        decision = assumed.decision if assumed is not None else None
        place = (alike, target.arn)
        if place in self._each and self._each[place][0] == decision:
            return (by(caller, step) for step in self._each[place][1])
        steps = tuple(self._changes.of_another(caller, target, enters))
        self._each[place] = decision, steps
        return steps

    def _shared(
        self, caller: Caller, facts: PrincipalFacts, form: Form, follow: Callable[[], Iterator[Step]]
    ) -> Iterable[Step]:
        """The same steps for all who cannot be told apart by what they ask, nor by any document that may name them.

        Whoever has a permissions boundary gains from others of its kind, which are not the same for each.
        """
        alike = self._changes.class_of(caller)
        if caller.boundary is not None or alike is None:
            return follow()
        place = (form, alike, self._likeness.of(facts))
        if place not in self._known:
            self._known[place] = caller, tuple(follow())
        first, steps = self._known[place]
        return steps if first is caller else (by(caller, step) for step in steps)

    def _one_of_each(
        self, caller: Caller, facts: PrincipalFacts, targets: Iterable[PrincipalFacts], enters: Enters
    ) -> Iterator[Step]:
        alike = self._changes.class_of(caller)
        kinds: dict[Hashable, list[PrincipalFacts]] = {}
        for target in targets:
            kinds.setdefault(self._likeness.of(target), []).append(target)
        if caller.boundary is None:
            kinds.pop(self._likeness.of(facts), None)
        enough = SURE if caller.collected else PERHAPS
        for members in kinds.values():
            for target in members:
                steps = [*self._of_another(caller, alike, target, enters), *filter(None, (enters(target),))]
                yield from steps
                if any(s.rank >= enough and _has_everything(s) for s in steps):
                    break

    def _who(self, node: str) -> tuple[Caller, PrincipalFacts, Form]:
        arn, form = identity_of(node)
        return caller_in(self._world, node), self._world.principals[arn], form


def _has_everything(step: Step) -> bool:
    """Whether nothing that IAM can give is out of reach after a step."""
    form = step.change.form if step.change else AS_IT_IS
    unbounded = form.unbounded or step.role.boundary is None
    return unbounded and (form.rewritten or is_almighty(step.role))
