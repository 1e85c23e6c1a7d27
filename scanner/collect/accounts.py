"""Which accounts are in scope: from the organization's tree, a list or a file, less what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from scanner.collect.account_files import accounts_from_file
from scanner.collect.settings import CollectSettings
from scanner.errors import NothingScannedError, UsageError
from scanner.snapshot.rows import AccountRow, OuRow

ACTIVE = "ACTIVE"


@dataclass(slots=True)
class Tree:
    """The organization as far as it was read. `parents`: account id to its OU or root; `complete`: nothing refused."""

    root_id: str = ""
    complete: bool = False
    accounts: dict[str, AccountRow] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    ous: dict[str, OuRow] = field(default_factory=dict)

    def chain(self, account_id: str) -> tuple[str, ...]:
        """The ids above an account, nearest first, up to the root."""
        found: list[str] = []
        parent = self.parents.get(account_id)
        while parent is not None and parent not in found:
            found.append(parent)
            parent = self.ous[parent].parent_id if parent in self.ous else None
        return tuple(found)

    def resolve(self, ou: str) -> str:
        """The id of an OU given by id or by path such as `/Workloads/Prod`. Raises UsageError where there is none."""
        if not ou.startswith("/"):
            if ou in self.ous or ou == self.root_id:
                return ou
            raise UsageError(f"the organization has no OU `{ou}`", hint="check `accounts.include_ous`")
        at = self.root_id
        for name in filter(None, ou.split("/")):
            below = [row.id for row in self.ous.values() if row.parent_id == at and row.name == name]
            if not below:
                raise UsageError(f"the organization has no OU `{ou}`", hint=f"`{name}` is not there; names are exact")
            at = below[0]
        return at


def select(settings: CollectSettings, tree: Tree) -> list[AccountRow]:
    """Every account to know about; `scanned` says which are in scope, `exclusion_reason` why the others are not.

    Accounts of the tree are always listed: who belongs to us decides how grantees are judged. Raises UsageError where
    an OU does not exist or nothing is left in scope, NothingScannedError where the scope needs a tree nobody may read.
    """
    known = dict(tree.accounts)
    wanted = _wanted(settings, tree)
    for account_id, row in wanted.items():
        known.setdefault(account_id, row)
    included = _inside(settings.include_ous, tree)
    excluded = _inside(settings.exclude_ous, tree)
    rows = [
        _judged(row, row.account_id in wanted, settings, _Ous(tree.chain(row.account_id), included, excluded))
        for row in known.values()
    ]
    if not any(row.scanned for row in rows):
        raise UsageError("no account is in scope", hint="check `accounts` in the configuration")
    return sorted(rows, key=lambda row: row.account_id)


def _wanted(settings: CollectSettings, tree: Tree) -> dict[str, AccountRow]:
    if settings.source == "ids":
        return {account_id: AccountRow(account_id) for account_id in settings.ids}
    if settings.source == "file":
        if settings.file is None:
            raise UsageError("`accounts.source` is `file`, but `accounts.file` is not set")
        return {row.account_id: row for row in accounts_from_file(settings.file)}
    if settings.ids:
        missing = sorted(set(settings.ids) - set(tree.accounts))
        if missing:
            raise UsageError(f"the organization has no account {', '.join(f'`{m}`' for m in missing)}")
        return {account_id: tree.accounts[account_id] for account_id in settings.ids}
    return tree.accounts


def _inside(ous: Iterable[str], tree: Tree) -> frozenset[str]:
    wanted = tuple(ous)
    if wanted and not tree.complete:
        raise NothingScannedError(
            "the scope names OUs, but the organization's tree cannot be read",
            hint="set `aws` credentials or `accounts.management_account_role_arn` that may call organizations:List*",
        )
    return frozenset(tree.resolve(ou) for ou in wanted)


@dataclass(frozen=True, slots=True)
class _Ous:
    chain: Sequence[str]
    included: frozenset[str]
    excluded: frozenset[str]


def _judged(row: AccountRow, wanted: bool, settings: CollectSettings, ous: _Ous) -> AccountRow:
    if not wanted:
        reason = "not in `accounts.ids` or `accounts.file`"
    elif row.account_id in settings.exclude:
        reason = "excluded by `accounts.exclude`"
    elif ous.excluded.intersection(ous.chain):
        reason = "excluded by `accounts.exclude_ous`"
    elif settings.include_ous and not ous.included.intersection(ous.chain):
        reason = "not in `accounts.include_ous`"
    elif row.status not in {"", ACTIVE}:
        reason = f"the account is {row.status.lower().replace('_', ' ')}"
    else:
        return row
    return replace(row, scanned=False, exclusion_reason=reason)
