"""Where an account stands: what counts of its state, its organization and its guardrails beside its number."""

from __future__ import annotations

from collections.abc import Hashable

from scanner.analyze.principals.anywhere import concerns_kms
from scanner.analyze.request.caller import account_of, organization_of
from scanner.model.policy import PolicyText
from scanner.model.world import World


class Places:
    """Looks each account up once; equal answers are equal places."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: dict[tuple[str, bool], Hashable] = {}

    def of_caller(self, account_id: str, *, paths: bool) -> Hashable:
        """Everything that counts of an account whose principals ask, beside its number.

        Args:
            paths: whether some document looks at the units that the account is in.
        """
        form = account_id, paths
        if form not in self._found:
            account, organization = account_of(self._world, account_id), organization_of(self._world, account_id)
            place: Hashable = None
            if organization is not None:
                path = tuple(organization.members.get(account.id, ()))
                attached = organization.scps or {}
                levels = (attached.get(target) for target in (*path, account_id))
                told = tuple(dict.fromkeys(_guarding(level) for level in levels if level is not None))
                manager = account_id == organization.management_account
                place = organization.id, manager, path if paths else (), told
            self._found[form] = (
                account.collected, account.iam_complete, account.ours, account.organization_unknown, account.status,
                account.gap, account.opted_in_regions, place,
            )  # fmt: skip
        return self._found[form]


def _guarding(level: tuple[PolicyText, ...]) -> tuple[str, ...]:
    """What counts of the guardrails attached in one place."""
    return tuple(p.sha256 for p in level if concerns_kms(p))
