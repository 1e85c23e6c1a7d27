"""Which principals a selector stands for, as far as the snapshot knows them (R3.70)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from scanner.analyze.decision.afar import Afar
from scanner.analyze.decision.every_action import ClassOf
from scanner.analyze.principals.selectors import Selector, accounts_spared
from scanner.analyze.request.caller import (
    Caller,
    UnknownPrincipalError,
    account_of,
    any_identity_of,
    anyone,
    federated_of,
    find_role,
    organization_of,
    resolve_caller,
)
from scanner.model.arn import AccountId, parse_arn
from scanner.model.key import KeyFacts
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

CLOSED = frozenset({"SUSPENDED", "CLOSED"})
"""Accounts in which nobody can act (R6.8). Organizations lists them for 90 days, in which they can be opened again."""
"""Account states in which nobody can call AWS (R6.8); an account works on while its closure is pending."""


@dataclass(frozen=True, slots=True)
class Reached:
    """The callers behind a selector. `dead` is the reason why there are none: a reason code of `ineffective`.

    `context` holds condition keys that every stranger behind the selector carries (the id of a foreign organization).
    """

    callers: tuple[Caller, ...]
    dead: str = ""
    context: Mapping[str, tuple[str, ...]] | None = None


class Population:
    """Callers by account, resolved once for the whole analysis.

    `looked_at` are the accounts, and unique ids, whose principals were asked about since it was emptied last.
    """

    def __init__(self, world: World, open_keys: Iterable[KeyFacts] = ()) -> None:
        """Nobody is resolved yet.

        Args:
            open_keys: keys at which everybody is going to be judged.
        """
        self.world = world
        self._open_keys = {key.arn: key for key in open_keys}
        self._afar: Afar | None = None
        self.looked_at: set[str] = set()
        self._arns: dict[str, list[str]] = defaultdict(list)
        self._by_unique_id: dict[str, str] = {}
        for arn, facts in world.principals.items():
            if facts.kind in {PrincipalKind.USER, PrincipalKind.ROLE}:
                self._arns[facts.account_id].append(arn)
                if facts.unique_id:
                    self._by_unique_id[facts.unique_id] = arn
        self._members: dict[tuple[str, str], tuple[Caller, ...]] = {}
        self._resolved: dict[str, Caller] = {}

    def classes_at(self, key: KeyFacts) -> ClassOf | None:
        """Who is judged alike at an open key, and at which; None for another key."""
        if self._open_keys.get(key.arn) is not key:  # another one, or one that an edit changed
            return None
        if self._afar is None or not self._afar.holds:
            self._afar = Afar.at(self.world, tuple(self._open_keys.values()), anyone(key.partition))
        return self._afar.class_of if self._afar else None

    def known_accounts(self) -> tuple[str, ...]:
        """Every account that the snapshot or an organization lists."""
        listed = {a for o in self.world.organizations for a in (*o.members, o.management_account)}
        return tuple(sorted({*self.world.accounts, *listed}))

    def identities_of(self, account_id: str, partition: str) -> tuple[Caller, ...]:
        """Users, roles and the root user of a collected account; one stand-in for an account nobody read.

        Of every user one stand-in for its federated sessions (R3.13).
        """
        place = (account_id, partition)
        self.looked_at.add(account_id)
        if place not in self._members:
            self._members[place] = self._identities(account_id, partition)
        return self._members[place]

    def _identities(self, account_id: str, partition: str) -> tuple[Caller, ...]:
        account = self.world.accounts.get(AccountId(account_id))
        if account is None or not (account.collected and account.iam_complete):
            return (any_identity_of(self.world, account_id, partition),)
        arns = (*sorted(self._arns.get(account_id, ())), f"arn:{partition}:iam::{account_id}:root")
        people = [resolve_caller(self.world, arn) for arn in arns]
        return (*people, *(federated_of(c) for c in people if c.kind is PrincipalKind.USER))

    def resolved(self, text: str) -> Caller:
        """A principal by its ARN. Raises UnknownPrincipalError."""
        caller = self._resolved.get(text)
        if caller is None:
            caller = self._resolved[text] = resolve_caller(self.world, text)
        self.looked_at.add(caller.account_id)
        return caller

    def unread_accounts(self, place: Place) -> tuple[Caller, ...]:
        """Stand-ins for the accounts of ours beside the place's whose identities were not read."""
        others = (a for a in self.known_accounts() if a != place.account_id and account_of(self.world, a).ours)
        found = (caller for account_id in others for caller in self.identities_of(account_id, place.partition))
        return tuple(c for c in found if c.kind is PrincipalKind.ACCOUNT)

    def holder_of(self, unique_id: str) -> str | None:
        """The collected principal with this unique id."""
        self.looked_at.add(unique_id)
        return self._by_unique_id.get(unique_id)

    def identified(self, selector: Selector) -> Selector:
        """A unique id with the account of the principal that holds it; other selectors as they are."""
        holder = self.holder_of(selector.text) if selector.kind == "unknown_id" else None
        arn = parse_arn(holder) if holder else None
        return replace(selector, account_id=arn.account_id) if arn else selector


@dataclass(frozen=True, slots=True)
class Place:
    """What admits somebody: whose it is, and the policies that may spare accounts by NotPrincipal (R2.15)."""

    account_id: str
    partition: str
    policies: tuple[PolicyText, ...] = ()


def reached_by(selector: Selector, key: KeyFacts, population: Population) -> Reached:
    """The callers that a selector of this key stands for, the key's own account left out."""
    policies = tuple(p for p in (key.key_policy, key.ram_policy) if p is not None)
    return reached_from(selector, Place(key.account_id, key.partition, policies), population)


def reached_from(selector: Selector, place: Place, population: Population) -> Reached:
    """The callers that a selector stands for where a key or role names it, the account of that left out."""
    if selector.kind == "service":
        return Reached((resolve_caller(population.world, selector.text),))
    if selector.kind == "unknown_id":
        return _behind_id(selector.text, place, population)
    if selector.kind == "malformed":
        return Reached((), "no_kms_principal")
    if selector.kind in {"any", "organization"}:
        return _everybody(selector, place, population)
    if selector.partition and selector.partition != place.partition:
        return Reached((), "wrong_partition")
    if selector.kind == "account":
        return Reached(population.identities_of(selector.account_id, place.partition))
    return _named(selector, population)


def _behind_id(unique_id: str, place: Place, population: Population) -> Reached:
    """The holder of a unique id; unless every account of ours was read, somebody there may hold it (R2.14)."""
    holder = population.holder_of(unique_id)
    if holder is not None:
        return Reached(_outside((holder,), place, population))
    unread = population.unread_accounts(place)
    return Reached(unread, "" if unread else "principal_deleted")


def _outside(arns: Iterable[str], place: Place, population: Population) -> tuple[Caller, ...]:
    callers = [population.resolved(arn) for arn in arns]
    federated = (federated_of(c) for c in callers if c.kind is PrincipalKind.USER)
    return tuple(c for c in (*callers, *federated) if c.account_id != place.account_id)


def _named(selector: Selector, population: Population) -> Reached:
    """A role, user or session that is written out; gone where its account was read and does not hold it."""
    world = population.world
    account = world.accounts.get(AccountId(selector.account_id))
    try:
        caller = population.resolved(selector.text)
    except UnknownPrincipalError:
        return Reached((), "nobody_there")
    if account is not None and account.collected and account.iam_complete:
        exists = selector.text in world.principals
        if selector.kind == "session":
            of_aws = ":" in caller.role_name  # infrastructure identities, which IAM does not list (R4.5)
            exists = of_aws or find_role(world, selector.account_id, caller.role_name) is not None
        if not exists and selector.kind != "federated":
            return Reached((), "nobody_there")
        if selector.kind == "user":
            return Reached((caller, federated_of(caller)))
    return Reached((caller,))


def _everybody(selector: Selector, place: Place, population: Population) -> Reached:
    world = population.world
    own_organization = next((o for o in world.organizations if o.id == selector.text), None)
    callers: list[Caller] = []
    for account_id in population.known_accounts():
        if account_id == place.account_id or account_of(world, account_id).status in CLOSED:
            continue
        if own_organization is not None and organization_of(world, account_id) is not own_organization:
            continue
        callers.extend(population.identities_of(account_id, place.partition))
    if own_organization is not None:
        return Reached(tuple(callers))
    others = sorted(accounts_spared(place.policies, place.partition) - {*population.known_accounts(), place.account_id})
    spared = (any_identity_of(world, account_id, place.partition) for account_id in others)
    strangers = (*spared, anyone(place.partition))
    if selector.kind == "organization":
        perhaps = (c for c in callers if _may_be_elsewhere(world, c.account_id))
        return Reached((*perhaps, *strangers), context={"aws:principalorgid": (selector.text,)})
    return Reached((*callers, *strangers))


def _may_be_elsewhere(world: World, account_id: str) -> bool:
    """Whether the account may be a member of an organization that was not read (R6.5)."""
    account = account_of(world, account_id)
    return organization_of(world, account_id) is None and (account.organization_unknown or not account.collected)


def sample(texts: Iterable[str], size: int) -> tuple[str, ...]:
    """The first texts in order, each once."""
    return tuple(sorted(set(texts)))[:size]
