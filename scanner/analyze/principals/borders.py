"""Which declared boundaries inside the organization an access crosses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scanner.analyze.request.caller import organization_of
from scanner.model.arn import AccountId
from scanner.model.value import value_class
from scanner.model.world import World


@dataclass(frozen=True, slots=True)
class InnerBoundary:
    """Accounts of the organization that belong together: those below an OU (id or path of names), or one account."""

    name: str
    ou: str = ""
    account: str = ""
    sensitive: bool = False


@value_class
class Crossing:
    """Names of the boundaries that an access enters or leaves, and of the sensitive ones among those it enters."""

    boundaries: tuple[str, ...] = ()
    into_sensitive: tuple[str, ...] = ()


def crossing(accounts: Iterable[str], owner: str, world: World, boundaries: Iterable[InnerBoundary]) -> Crossing:
    """What an access from any of the accounts to a key of `owner` crosses: all that hold one side and not the other."""
    declared = tuple(boundaries)
    target = {b for b in declared if holds(b, owner, world)}
    crossed: set[InnerBoundary] = set()
    for account_id in accounts if declared else ():
        crossed |= target ^ {b for b in declared if holds(b, account_id, world)}
    return Crossing(
        tuple(b.name for b in declared if b in crossed),
        tuple(b.name for b in declared if b in crossed & target and b.sensitive),
    )


def holds(boundary: InnerBoundary, account_id: str, world: World) -> bool:
    """Whether an account lies inside a boundary."""
    if boundary.account:
        return boundary.account == account_id
    organization = organization_of(world, account_id)
    path = organization.members.get(AccountId(account_id), ()) if organization else ()
    if not boundary.ou.startswith("/"):
        return boundary.ou in path
    wanted = boundary.ou.removeprefix("/").split("/")
    names = [organization.ou_names.get(ou, "") for ou in path[1:]] if organization else []
    return names[: len(wanted)] == wanted
