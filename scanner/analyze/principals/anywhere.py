"""Documents and places of accounts as they would be in any account, so that two accounts can be compared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Iterable, Iterator
from functools import lru_cache

from scanner.analyze.decision.moments import CLOCK
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.request.caller import Caller, account_of, organization_of
from scanner.model.decision import Decision
from scanner.model.policy import PolicyText
from scanner.model.world import World


def policies_of(caller: Caller) -> Iterator[PolicyText]:
    """The policies on the caller's side that concern KMS at all, guardrails aside."""
    bound = () if caller.boundary is None else (caller.boundary,)
    yield from filter(concerns_kms, (*caller.identity_policies, *(caller.session_policies or ())))
    yield from bound


@lru_cache(maxsize=65536)
def concerns_kms(policy: PolicyText) -> bool:
    """Whether a statement may cover an action of KMS, as far as the document can be read.

    So counts one that tests a date: the moments at which accesses are looked for come from all documents (R5.26).
    """
    document = parse_policy(policy)
    if document.problems or any(s.damage for s in document.statements):
        return True
    if any(t.key.lower() in CLOCK for s in document.statements for t in s.conditions):
        return True
    return any(s.actions is None or any(_may_be_kms(e.value) for e in s.actions) for s in document.statements)


def _may_be_kms(action: str) -> bool:
    service = action.partition(":")[0].lower()
    return service == "kms" or any(c in service for c in "*?")


@lru_cache(maxsize=65536)
def written_anywhere(policy: PolicyText, account_id: str) -> tuple[str, str]:
    """The document as it would read in any account, as a hash, and its kind; as it is without an account."""
    if not account_id or account_id not in policy.text:
        return policy.sha256, policy.kind.value
    alone = re.compile(rf"(?<![0-9]){account_id}(?![0-9])")
    parts = repr(alone.split(policy.text))  # no text of a document can pass for the place of a number
    return hashlib.sha256(parts.encode()).hexdigest(), policy.kind.value


def tells_of(decision: Decision, names: Iterable[str]) -> bool:
    """Whether a decision says one of the names, in its words or in the values that the words cut off."""
    said = f"{decision.condition} {decision.residual}"
    return any(name and name in said for name in names)


class Places:
    """Where accounts stand: what counts of their organization and guardrails for callers, and for owners of keys."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._found: dict[tuple[str, bool, bool], Hashable] = {}

    def of_caller(self, account_id: str, *, paths: bool) -> Hashable:
        """Everything that counts of an account whose principals ask, beside its number.

        Args:
            paths: whether some document looks at the units that the account is in.
        """
        return self._of(account_id, paths, as_owner=False)

    def of_owner(self, account_id: str, *, paths: bool) -> Hashable:
        """The same for an account that owns a key."""
        return self._of(account_id, paths, as_owner=True)

    def _of(self, account_id: str, paths: bool, *, as_owner: bool) -> Hashable:
        form = account_id, paths, as_owner
        if form not in self._found:
            account, organization = account_of(self._world, account_id), organization_of(self._world, account_id)
            place: Hashable = None
            if organization is not None:
                path = tuple(organization.members.get(account.id, ()))
                attached = (organization.rcps if as_owner else organization.scps) or {}
                levels = (attached.get(target) for target in (*path, account_id))
                told = tuple(dict.fromkeys(_guarding(level) for level in levels if level is not None))
                manager = account_id == organization.management_account
                place = organization.id, manager, path if paths else (), told
            regions = account.default_regions if as_owner else account.opted_in_regions
            self._found[form] = (
                account.collected, account.iam_complete, account.ours, account.organization_unknown, account.status,
                account.gap, regions, place,
            )  # fmt: skip
        return self._found[form]


def _guarding(level: tuple[PolicyText, ...]) -> tuple[str, ...]:
    """What counts of the guardrails attached in one place."""
    return tuple(p.sha256 for p in level if concerns_kms(p))
