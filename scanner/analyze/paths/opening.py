"""Which actions a key opens to whom, and IAM to an identity: what is left out is surely refused (R3.20, R4.11).

Or it hangs on what nobody read of the key alone, and would be told of anybody: that is told once, with the key.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain

from scanner.analyze.language.parse import parse_policy
from scanner.analyze.principals.selectors import operations_by_selector, selector_of, selectors_of
from scanner.analyze.request.caller import Caller
from scanner.analyze.statements.match import covered_actions
from scanner.model.actions import KEY_ACTIONS
from scanner.model.arn import is_account_id, parse_arn
from scanner.model.key import KeyFacts
from scanner.model.policy import Effect, PolicyText, Statement

_EVERYTHING = frozenset(action.name for action in KEY_ACTIONS)
_RETIRING = frozenset({"RetireGrant"})
_NOTHING: frozenset[str] = frozenset()
_NO_ROLE = frozenset({"service", "malformed"})
ANYBODY = "*"
"""In the place of an account: whichever it is."""
Allowed = frozenset[tuple[str, frozenset[str]]]
"""Actions on keys that IAM may allow somebody, by the account whose keys are meant; `*` stands for any account."""
_WHATEVER: Allowed = frozenset({(ANYBODY, _EVERYTHING)})


@dataclass(slots=True)
class Doors:
    """Which actions a key opens to an account; accounts by id, `*`.

    They are handed over to its IAM, to somebody whom a policy names, or to whom a grant concerns; or they may be, by
    what was not read.
    """

    owner: str
    delegated: dict[str, frozenset[str]] = field(default_factory=lambda: defaultdict(frozenset))
    named: dict[str, frozenset[str]] = field(default_factory=lambda: defaultdict(frozenset))
    granted: dict[str, frozenset[str]] = field(default_factory=lambda: defaultdict(frozenset))
    unread: dict[str, frozenset[str]] = field(default_factory=lambda: defaultdict(frozenset))

    @property
    def accounts(self) -> Iterator[str]:
        """The accounts to which something is open."""
        return chain(self.delegated, self.named, self.granted, self.unread)

    def open_to(self, account_id: str, allowed: Allowed) -> frozenset[str]:
        """Actions that could be decided other than by a refusal, for an identity whose IAM allows some.

        In the key's own account a policy that names somebody is enough; from outside IAM has to allow it too (R3.20,
        R3.22), where no grant does (R4.11). By a policy that was not read it is open to whoever may do the action
        anywhere.
        """
        handed = self.delegated.get(account_id, _NOTHING)
        named = self.named.get(account_id, _NOTHING) | self.named.get(ANYBODY, _NOTHING)
        granted = self.granted.get(account_id, _NOTHING) | self.granted.get(ANYBODY, _NOTHING)
        by_iam = _NOTHING.union(*(actions for owner, actions in allowed if owner in {ANYBODY, self.owner}))
        if account_id in self.unread:
            granted |= self.unread[account_id].intersection(_NOTHING.union(*(actions for _, actions in allowed)))
        if account_id == self.owner:
            return (handed & by_iam) | named | granted
        return ((handed | named) & by_iam) | granted


def actions_of(caller: Caller) -> Allowed:
    """Actions on keys that the identity policies may allow; all of them where they were not read."""
    if not caller.collected:
        return _WHATEVER
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for policy in caller.identity_policies:
        for account, actions in _actions_in(policy):
            found[account] |= actions
    return frozenset(found.items())


@lru_cache(maxsize=65536)
def _actions_in(policy: PolicyText) -> Allowed:
    document = parse_policy(policy)
    if document.problems:
        return _WHATEVER
    found: dict[str, frozenset[str]] = defaultdict(frozenset)
    for statement in document.statements:
        if statement.effect is not Effect.DENY:
            actions = covered_actions(statement)
            for account in _accounts_in(statement):
                found[account] |= actions
    return frozenset((account, actions) for account, actions in found.items() if actions)


def _accounts_in(statement: Statement) -> set[str]:
    """The accounts that stand between the colons of every ARN that its resources may mean; `*` for any.

    What stands there is taken as it is written: variables count only after it (R5.31).
    """
    arns = [parse_arn(element.value) for element in statement.resources or ()]
    accounts = {arn.account_id if arn and is_account_id(arn.account_id) else ANYBODY for arn in arns}
    return accounts or {ANYBODY}


def doors_of(key: KeyFacts) -> Doors:
    """What a key opens to whom; what was not read of it may be handed over to its account (R2.2).

    An unread policy is no claim about anybody in particular: the key is opaque and counted as such.
    """
    doors = Doors(key.account_id)
    for policy in (key.key_policy, key.ram_policy):
        if policy is not None:
            _read(policy, key, doors)
    if key.key_policy is None or not key.ram_policy_read:
        doors.unread[key.account_id] |= _EVERYTHING
    for grant in key.grants or ():
        for selector, operations in operations_by_selector(grant, key.partition).items():
            if selector.kind not in _NO_ROLE:
                doors.granted[selector.account_id or ANYBODY] |= frozenset(operations)
        doors.granted[key.account_id] |= _RETIRING  # the owner may leave it to IAM as well (R4.22)
        if not grant.issuing_account:  # whoever issued it may retire it
            doors.named[ANYBODY] |= _RETIRING
    if not key.grants_complete:  # one that was not read may be held by whom a policy names, or whose account
        for account, actions in (*doors.named.items(), *doors.delegated.items()):
            doors.granted[account] |= actions
    return doors


def _read(policy: PolicyText, key: KeyFacts, doors: Doors) -> None:
    document = parse_policy(policy)
    if document.problems:
        doors.unread[key.account_id] |= _EVERYTHING
    for statement in document.statements:
        if statement.effect is Effect.DENY:
            continue
        actions = covered_actions(statement)
        if statement.damage and not statement.principals and not statement.not_principals:
            doors.named[ANYBODY] |= actions  # whom it meant cannot be told (R10.12)
        everybody = any(
            e.type == "*" for e in statement.principals or ()
        )  # also where the account is written beside it
        entries = () if everybody else statement.principals or ()
        written = {selector_of(e.value, key.partition) for e in entries if e.type == "AWS"}
        for selector in selectors_of(statement, key.partition):
            if selector.kind == "account" and selector in written:
                doors.delegated[selector.account_id] |= actions
            elif selector.kind not in _NO_ROLE:
                doors.named[selector.account_id or ANYBODY] |= actions
