"""Paths and IAM statements that are gone: resolved only where all that could still hold them was read whole."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.history.lifecycle import Former, follow
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Kind
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MANAGER,
    MEMBER,
    OWNER,
    STRANGER,
    account,
    allow,
    analyzed,
    grant,
    iam,
    key,
    principal,
    world,
)
from role_worlds import DELEGATING, USING, admits, role

LISTED = tuple(LedgerRow(a, "eu-west-1", "kms:ListKeys", "", Outcome.OK) for a in (OWNER, MEMBER))
UNLISTED = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "", Outcome.DENIED)
VENDOR = role(OWNER, "Vendor", admits(iam(STRANGER, "root")), USING)
NAME = "OrganizationAccountAccessRole"
BOSS = principal(iam(MANAGER, "role/Boss"), FULL)
THEIRS = key(allow(iam(MEMBER, "root"), "kms:*"), arn=KEY.replace(OWNER, MEMBER))
DAMAGED = "{no policy"


def seen(*things: Any, coverage: tuple[LedgerRow, ...] = LISTED, **facts: Any) -> World:
    """A world in which the keys of both accounts were listed."""
    return world(*things, coverage=coverage, **facts)


def everywhere(owner: str) -> Any:
    """The role by which the management account enters a member."""
    return role(owner, NAME, admits(iam(MANAGER, "root")), FULL)


def in_both(**facts: Any) -> World:
    """Two accounts with the same role, and a key each."""
    return seen(DELEGATING, THEIRS, everywhere(OWNER), everywhere(MEMBER), BOSS, account(MANAGER), **facts)


def became(before: World, after: World, kind: Kind) -> str:
    """The lifecycle of the one finding of a kind that the first run had."""
    (old,) = (f for f in analyzed(before).of(kind) if f.verdict != "blocked")
    found = follow(analyzed(after).findings, Former((old,)), after)
    return next(f.lifecycle for f in (*found.findings, *found.resolved) if f.id == old.id)


@pytest.mark.parametrize(
    "entry",
    [
        role(OWNER, "Vendor", DAMAGED, USING),
        role(OWNER, "Vendor", None, USING, complete=False, gap="row"),
    ],
    ids=["damaged", "incomplete"],
)
def test_path_into_a_role_whose_trust_is_not_known_now_is_not_resolved(entry: Any) -> None:
    assert became(seen(DELEGATING, VENDOR), seen(DELEGATING, entry), Kind.ASSUMED_ROLE_PATH) == "not_rechecked"


@pytest.mark.parametrize("facts", [{"documents": (DAMAGED,)}, {"complete": False, "gap": "row"}])
def test_statement_of_iam_in_an_account_of_half_read_principals_is_not_resolved(facts: dict[str, Any]) -> None:
    before = seen(principal(iam(OWNER, "role/Broad"), FULL))
    after = seen(principal(iam(OWNER, "role/Broad"), *facts.pop("documents", ()), **facts))
    assert became(before, after, Kind.BROAD_KEY_PERMISSION) == "not_rechecked"


def test_role_of_many_accounts_is_not_gone_because_its_wildcard_names_no_principal() -> None:
    after = seen(everywhere(OWNER), everywhere(MEMBER), BOSS, account(MANAGER), coverage=(UNLISTED,))
    assert became(in_both(), after, Kind.ASSUMED_ROLE_PATH) == "not_rechecked"


def test_role_of_many_accounts_is_not_gone_while_one_account_is_unread() -> None:
    unread = account(MEMBER, collected=False)
    after = seen(DELEGATING, BOSS, account(MANAGER), unread)
    assert became(in_both(), after, Kind.ASSUMED_ROLE_PATH) == "not_rechecked"
    alone = seen(DELEGATING, everywhere(OWNER), BOSS, account(MANAGER), unread)
    assert became(alone, seen(DELEGATING, BOSS, account(MANAGER), unread), Kind.ASSUMED_ROLE_PATH) == "not_rechecked"


def test_role_of_many_accounts_is_resolved_where_all_that_still_exist_were_read() -> None:
    after = seen(account(MANAGER), BOSS, account(STRANGER, ours=False, collected=False), coverage=(UNLISTED,))
    assert became(in_both(), after, Kind.ASSUMED_ROLE_PATH) == "resolved"
    closed = account(MEMBER, collected=False, status="SUSPENDED")
    alone = seen(DELEGATING, everywhere(OWNER), BOSS, account(MANAGER), closed)
    assert became(alone, seen(DELEGATING, BOSS, account(MANAGER), closed), Kind.ASSUMED_ROLE_PATH) == "resolved"


def test_path_whose_keys_are_of_an_account_with_unread_roles_is_not_resolved() -> None:
    further = role(MEMBER, "Further", admits(iam(OWNER, "role/Vendor")), FULL)
    vendor = role(OWNER, "Vendor", admits(iam(STRANGER, "root")), FULL)
    tired = role(OWNER, "Vendor", admits(iam(STRANGER, "root")), USING, boundary=FULL)
    ours = key(allow(iam(OWNER, "role/Vendor"), "kms:*"))
    before = seen(ours, THEIRS, vendor, further)
    after = seen(key(), THEIRS, tired, account(MEMBER, iam_complete=False))
    (old,) = (f for f in analyzed(before).of(Kind.ASSUMED_ROLE_PATH) if f.grantee.account_id == STRANGER)
    assert [hop.role_arn for hop in old.path.hops] == [iam(OWNER, "role/Vendor")]
    found = follow(analyzed(after).findings, Former((old,)), after)
    assert [f.id for f in found.findings if f.lifecycle == "not_rechecked"] == [old.id]


def test_grant_to_somebody_deleted_is_not_resolved_because_nobody_looked_for_it() -> None:
    held = key(allow(iam(OWNER, "role/Vendor"), "kms:*"), grants=(grant(iam(MEMBER, "role/Gone")),))
    before = seen(held, VENDOR)
    assert became(before, seen(held, VENDOR, account(MEMBER, iam_complete=False)), Kind.KEY_HYGIENE) == "not_rechecked"
    back = principal(iam(MEMBER, "role/Gone"), FULL)
    assert became(before, seen(held, VENDOR, back), Kind.KEY_HYGIENE) == "resolved"
    by_id = key(allow(iam(OWNER, "role/Vendor"), "kms:*"), grants=(grant("AROAAAAAAAAAAAAAAAAAA"),))
    boss = (BOSS, account(MANAGER))
    unread = seen(by_id, VENDOR, *boss, account(MEMBER, iam_complete=False))
    assert became(seen(by_id, VENDOR, *boss), unread, Kind.KEY_HYGIENE) == "not_rechecked"


def test_verdict_that_hangs_on_a_damaged_document_now_is_not_rechecked_and_not_narrowed() -> None:
    chain = role(OWNER, "Vendor", admits(iam(STRANGER, "root")), FULL)
    before = seen(THEIRS, chain, role(MEMBER, "Further", admits(iam(OWNER, "role/Vendor")), USING))
    after = seen(THEIRS, chain, role(MEMBER, "Further", DAMAGED, USING))
    (old,) = (f for f in analyzed(before).of(Kind.ASSUMED_ROLE_PATH) if f.grantee.account_id == STRANGER)
    found = follow(analyzed(after).findings, Former((old,)), after)
    assert [f.lifecycle for f in found.findings if f.id == old.id] == ["not_rechecked"]
