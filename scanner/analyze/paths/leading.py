"""Who may lead to some keys at all, asked backwards from whoever uses them: what is left out surely does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from scanner.analyze.paths.changes import may_change
from scanner.analyze.paths.forms import AS_IT_IS, Form, node_of
from scanner.analyze.paths.sources import may_ask
from scanner.analyze.paths.trusting import Trusting
from scanner.analyze.request.caller import resolve_caller
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

MayUse = Callable[[str], bool]
"""Whether a node of the access graph may do anything with the keys."""
_OWN = (AS_IT_IS, Form(unbounded=True))
_REWRITTEN = tuple(Form(rewritten=True, unbounded=form.unbounded) for form in _OWN)


@dataclass(frozen=True, slots=True)
class Leading:
    """Nodes of the access graph from which the keys may be reached, by however many steps.

    `identities` are those that may with their own permissions, as they are or without boundary; `accounts` those in
    which somebody may whose permissions are rewritten.
    """

    identities: frozenset[str]
    accounts: frozenset[str]

    def holds(self, identity: PrincipalFacts, form: Form) -> bool:
        """Whether an identity in a form is among them."""
        return identity.account_id in self.accounts if form.rewritten else identity.arn in self.identities


class Backwards:
    """Follows the steps of the access graph against their direction, by what is written at their two ends.

    Which account a trust policy names, who may ask for `sts:AssumeRole` at all, and who for any change of IAM: the
    graph asks the same before it judges a step, so that nobody is left out who gets there (R7.1, R7.3, R8.9). What was
    not read, or not as AWS reads it, is taken to allow everything.
    """

    def __init__(
        self, world: World, identities: Mapping[str, PrincipalFacts], trusting: Trusting, *, iam_changes: bool
    ) -> None:
        self._world = world
        self._identities = identities
        self._trusting = trusting
        self._iam_changes = iam_changes
        self._members: dict[str, list[str]] = defaultdict(list)
        for arn, facts in identities.items():
            self._members[facts.account_id].append(arn)
        self._asking: dict[str, tuple[str, ...]] = {}

    def leading_to(self, accounts: Collection[str], may_use: MayUse) -> Leading:
        """The nodes that may lead to keys which identities of some accounts may use; `*` stands for any account."""
        near = sorted(self._members if "*" in accounts else self._members.keys() & set(accounts))
        own, rewritten = (_OWN, _REWRITTEN) if self._iam_changes else (_OWN[:1], ())
        fresh: list[str] = []
        found: dict[str, None] = {}
        reached: dict[str, None] = {}

        def reach(account: str) -> None:
            if account not in reached:
                reached[account] = None
                fresh.extend(self._changing(account))

        for account in near:
            users = list(self._users(account, own, may_use))
            fresh.extend(users)
            if users or next(self._users(account, rewritten, may_use), None) is not None:
                reach(account)
        while fresh:
            arn = fresh.pop()
            if arn in found:
                continue
            found[arn] = None
            for account in self._accounts_entering(arn):
                reach(account)
                fresh.extend(self._entering(account, arn))
        return Leading(frozenset(found), frozenset(reached))

    def _users(self, account: str, forms: Collection[Form], may_use: MayUse) -> Iterator[str]:
        """Who of an account may use the keys in one of these forms."""
        for arn in self._members[account]:
            bounded = self._identities[arn].boundary is not None
            if any(may_use(node_of(arn, form)) for form in forms if bounded or not form.unbounded):
                yield arn

    def _changing(self, account: str) -> Iterator[str]:
        """Who of an account may become another identity of it, or change its own permissions."""
        return (a for a in self._members[account] if self._iam_changes and may_change(resolve_caller(self._world, a)))

    def _accounts_entering(self, arn: str) -> Collection[str]:
        """The accounts with identities that may assume a role."""
        named = self._trusting.accounts_at(arn)
        return tuple(self._members) if named is None else self._members.keys() & set(named)

    def _entering(self, account: str, arn: str) -> Iterator[str]:
        """Who of an account may assume a role: whoever may ask, and in the role's account whom its policy names."""
        if account not in self._asking:
            self._asking[account] = tuple(a for a in self._members[account] if may_ask(resolve_caller(self._world, a)))
        if account == self._identities[arn].account_id and self._trusting.names(account, arn):
            return iter(self._members[account])
        return iter(self._asking[account])
