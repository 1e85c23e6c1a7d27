"""Paths and IAM statements that are gone: resolved only where all that could still hold them was read whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.history.difference import compare_access
from scanner.analyze.history.lifecycle import Former, follow, lifecycle_of
from scanner.analyze.paths import path_findings
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.difference import Change
from scanner.model.finding import Finding, Kind
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
    organization,
    policy,
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
    """A world in which the keys of both accounts were listed, and the management account was read."""
    return world(account(MANAGER), *things, coverage=coverage, **facts)


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


# -- further chains ---------------------------------------------------------------------------------------------------

THIRD = "333322221111"
SECOND = KEY[:-1] + "0"
GAP = LedgerRow(THIRD, "global", "iam:GetAccountAuthorizationDetails", "", Outcome.DENIED)
MIDDLE = role(THIRD, "Middle", admits(iam(OWNER, "role/Vendor")), USING)
CHAINING = role(OWNER, "Vendor", admits(iam(STRANGER, "root")), policy(allow(None, "sts:AssumeRole")))
OPEN_TO_MIDDLE = key(allow(iam(THIRD, "root"), "kms:Decrypt"))


def of_stranger(read: World) -> Finding:
    """The path by which the stranger gets at keys."""
    (found,) = (f for f in analyzed(read).of(Kind.ASSUMED_ROLE_PATH) if f.grantee.account_id == STRANGER)
    return found


def fate(old: World, new: World) -> str:
    """What became of the stranger's path."""
    before = of_stranger(old)
    found = follow(analyzed(new).result.findings, Former((before,)), new)
    return next(f.lifecycle for f in (*found.findings, *found.resolved) if f.id == before.id)


def test_path_is_not_resolved_while_a_chain_through_an_account_that_was_not_read_could_give_it() -> None:
    before = seen(DELEGATING, VENDOR, account(THIRD))
    after = seen(OPEN_TO_MIDDLE, CHAINING, MIDDLE, account(THIRD))
    assert of_stranger(after).id == of_stranger(before).id
    unread = seen(OPEN_TO_MIDDLE, CHAINING, account(THIRD, iam_complete=False), coverage=(*LISTED, GAP))
    assert fate(before, unread) == "not_rechecked"
    ended = seen(OPEN_TO_MIDDLE, CHAINING, account(THIRD))
    assert fate(before, ended) == "resolved"


@pytest.mark.parametrize(
    ("facts", "gap"),
    [
        ({"grants": None, "gaps": {"grants": "row"}}, None),
        ({"key_policy": None, "gaps": {"key_policy": "row"}}, None),
        ({"ram_policy_read": False, "gaps": {"ram_policy": "row"}}, None),
        ({}, LedgerRow(OWNER, "us-east-1", "kms:ListKeys", "", Outcome.DENIED)),
        ({}, LedgerRow(OWNER, "us-east-1", "kms:DescribeKey", "ffff", Outcome.DENIED)),
        ({}, LedgerRow(OWNER, "*", "ec2:DescribeRegions", "", Outcome.DENIED)),
        ({}, LedgerRow(OWNER, "global", "organizations:ListAccounts", "", Outcome.DENIED)),
    ],
)
def test_path_is_not_resolved_while_a_key_that_it_did_not_reach_before_could_be_reached(
    facts: dict[str, Any], gap: LedgerRow | None
) -> None:
    before = seen(DELEGATING, VENDOR)
    idle = role(OWNER, "Vendor", admits(iam(STRANGER, "root")))
    coverage = (*LISTED, *((gap,) if gap else ()))
    assert fate(before, seen(key(), key(arn=SECOND, **facts), idle, coverage=coverage)) == "not_rechecked"
    assert fate(before, seen(key(), key(arn=SECOND), idle)) == "resolved"


def test_path_whose_entry_is_shut_is_resolved_whatever_lies_behind_it() -> None:
    before = seen(DELEGATING, VENDOR)
    gaps = {"organizations": (), "accounts": (account(MEMBER, collected=False), account(OWNER, iam_complete=False))}
    shut = role(OWNER, "Vendor", admits(iam(MEMBER, "root")), USING)
    assert fate(before, seen(key(), shut, **gaps)) == "resolved"
    for who in ("*", "AROAAAAAAAAAAAAAAAAAA"):
        denied = admits(who)
        denied["Statement"].append(denied["Statement"][0] | {"Effect": "Deny", "Principal": "*"})
        assert fate(before, seen(key(), role(OWNER, "Vendor", denied, USING), **gaps)) == "not_rechecked"


def test_gap_of_guardrails_hides_no_path() -> None:
    before = seen(DELEGATING, VENDOR)
    idle = role(OWNER, "Vendor", admits(iam(STRANGER, "root")))
    blind = replace(organization(), scps=None, rcps=None, scp_gap="row", rcp_gap="row")
    gap = LedgerRow(MANAGER, "global", "organizations:ListPolicies", "", Outcome.DENIED)
    assert fate(before, seen(key(), idle, blind, coverage=(*LISTED, gap))) == "resolved"


# -- keys that became unread ------------------------------------------------------------------------------------------

READING = policy(allow(None, "kms:Decrypt", "kms:Encrypt"))
READER = role(OWNER, "Vendor", admits(iam(STRANGER, "root")), READING)
DECRYPTING = allow(iam(OWNER, "root"), "kms:Decrypt")
UNREAD: dict[str, Any] = {"key_policy": None, "gaps": {"key_policy": "row"}}


def now_is(old: World, new: World) -> str:
    """The lifecycle of the stranger's path."""
    found = follow(analyzed(new).result.findings, Former((of_stranger(old),)), new)
    return next(f.lifecycle for f in found.findings if f.id == of_stranger(old).id)


def test_path_to_a_key_that_became_unread_is_not_rechecked_and_cites_the_gap() -> None:
    before = seen(key(DECRYPTING), key(DECRYPTING, arn=SECOND), READER)
    gap = LedgerRow(OWNER, "eu-west-1", "kms:GetKeyPolicy", SECOND.rsplit("/", 1)[-1], Outcome.DENIED)
    unread = key(arn=SECOND, key_policy=None, gaps={"key_policy": gap.ref})
    after = seen(key(DECRYPTING), unread, READER, coverage=(*LISTED, gap))
    assert now_is(before, after) == "not_rechecked"
    assert gap.ref in of_stranger(after).coverage_refs
    assert now_is(after, before) != "not_rechecked"
    closed = seen(key(DECRYPTING), key(arn=SECOND), READER)
    assert now_is(closed, after) == "not_rechecked"


def test_path_that_grew_elsewhere_is_widened_whatever_else_was_not_read() -> None:
    before = seen(key(DECRYPTING), key(DECRYPTING, arn=SECOND), READER)
    more = key(allow(iam(OWNER, "root"), "kms:Decrypt", "kms:Encrypt"))
    assert now_is(before, seen(more, key(arn=SECOND, **UNREAD), READER)) == "widened"
    perhaps = allow(iam(OWNER, "root"), "kms:Encrypt", when={"StringEquals": {"aws:ResourceTag/a": "b"}})
    assert now_is(before, seen(key(DECRYPTING, perhaps), key(arn=SECOND, **UNREAD), READER)) == "widened"
    third = key(DECRYPTING, arn=KEY[:-1] + "2")
    assert now_is(before, seen(key(DECRYPTING), key(arn=SECOND, **UNREAD), third, READER)) == "widened"


# -- paths to more keys than are listed -------------------------------------------------------------------------------

ENTERED = role(OWNER, "Vendor", admits(iam(STRANGER, "root")), policy(allow(None, "kms:*")))
BOTH = allow(iam(OWNER, "root"), "kms:Decrypt", "kms:Encrypt")


def many(*policies: Any) -> World:
    """As many keys as there are statements, and a role that a stranger enters."""
    keys = [key(statement, arn=KEY[:-4] + f"{number:04}") for number, statement in enumerate(policies) if statement]
    return seen(*keys, ENTERED)


def test_path_that_loses_one_of_many_keys_is_narrowed_to_the_key() -> None:
    before, after = many(*[BOTH] * 25), many(None, *[BOTH] * 24)
    assert len(of_stranger(before).keys) == 20
    assert (now_is(before, after), now_is(after, before)) == ("narrowed", "widened")
    (told,) = compare_access((of_stranger(before),), (of_stranger(after),)).differences
    assert (told.change, told.why) == (Change.NARROWED, f"it reaches 1 key fewer: {KEY[:-4]}0000")


def test_path_that_loses_a_key_and_may_do_more_with_another_is_widened() -> None:
    before = many(BOTH, BOTH, *[DECRYPTING] * 22)
    after = many(None, BOTH, BOTH, *[DECRYPTING] * 21)
    assert now_is(before, after) == "widened"
    old, new = of_stranger(before), of_stranger(after)
    changes = {d.change: d.why for d in compare_access((old,), (new,)).differences}
    assert set(changes) == {Change.NARROWED, Change.WIDENED}
    assert changes[Change.WIDENED] == f"more is possible with 1 key: {KEY[:-4]}0002"


def test_path_that_gains_at_one_key_what_another_gave_before_is_widened_and_the_reverse_is_not() -> None:
    before, after = of_stranger(many(BOTH, DECRYPTING)), of_stranger(many(BOTH, BOTH))
    (told,) = compare_access((before,), (after,)).differences
    assert (told.change, told.why) == (Change.WIDENED, f"more is possible with 1 key: {KEY[:-4]}0001")
    assert not {d.change for d in compare_access((after,), (before,)).differences} & {Change.WIDENED, Change.GAINED}


def test_path_of_which_a_key_is_decided_otherwise_at_the_same_strength_may_be_wider_once_it_loses_a_key() -> None:
    mfa, plain = ({"Bool": {f"aws:{n}": "true"}} for n in ("MultiFactorAuthPresent", "ViaAWSService"))
    held = [allow(iam(OWNER, "root"), "kms:Decrypt", when=when) for when in (mfa, plain)]
    before, after = of_stranger(many(DECRYPTING, held[0], DECRYPTING)), of_stranger(many(None, held[1], DECRYPTING))
    changes = {d.change: d.why for d in compare_access((before,), (after,)).differences}
    assert changes[Change.CHANGED] == f"the condition changed with 1 key: {KEY[:-4]}0001"
    assert now_is(many(DECRYPTING, held[0], DECRYPTING), many(None, held[1], DECRYPTING)) == "widened"


def test_path_that_loses_a_key_while_what_another_gives_is_not_carried_may_be_wider() -> None:
    mfa, plain = ({"Bool": {f"aws:{n}": "true"}} for n in ("MultiFactorAuthPresent", "ViaAWSService"))
    held = [allow(iam(OWNER, "root"), "kms:Decrypt", when=when) for when in (mfa, plain)]
    before, after = of_stranger(many(DECRYPTING, held[0], DECRYPTING)), of_stranger(many(None, held[1], DECRYPTING))
    earlier = replace(before, reach=replace(before.reach, profiles=(), profile_of={}))
    changes = {d.change: d.why for d in compare_access((earlier,), (after,)).differences}
    assert changes[Change.WIDENED] == f"what it can do with 1 key differs, and may be more: {KEY[:-4]}0001"


def test_path_that_loses_a_key_while_another_was_not_read_is_not_rechecked() -> None:
    before, after = (of_stranger(many(*keys)) for keys in ((BOTH, BOTH), (None, BOTH)))
    blind = replace(after, coverage_refs=("1/eu/kms:GetKeyPolicy/x",))
    changes = {d.change for d in compare_access((before,), (blind,)).differences}
    assert changes == {Change.NOT_RECHECKED}


def test_path_that_surely_does_more_with_one_key_is_widened_whatever_else_was_not_read() -> None:
    before, after = (of_stranger(many(*keys)) for keys in ((BOTH, BOTH, DECRYPTING), (None, BOTH, BOTH)))
    blind = replace(after, coverage_refs=("1/eu/kms:GetKeyPolicy/x",))
    changes = {d.change: d.why for d in compare_access((before,), (blind,)).differences}
    assert changes[Change.WIDENED] == f"more is possible with 1 key: {KEY[:-4]}0002"
    assert lifecycle_of(before, blind) == "widened"


def test_path_whose_keys_an_earlier_run_did_not_all_list_is_equal_by_its_digest() -> None:
    path = of_stranger(many(*[BOTH] * 25))
    listed = {k.arn: path.reach.by_key[k.arn] for k in path.keys}
    earlier = replace(path, reach=replace(path.reach, by_key=listed))
    assert compare_access((earlier,), (path,)).differences == ()


def test_path_to_more_keys_than_are_compared_is_never_narrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_findings, "KEYS_COMPARED", 3)
    before, after = many(*[BOTH] * 25), many(None, *[BOTH] * 24)
    assert len(of_stranger(before).reach.by_key) == 3
    (told,) = compare_access((of_stranger(before),), (of_stranger(after),)).differences
    assert (told.change, "more than are compared one by one" in told.why) == (Change.WIDENED, True)


# -- other kinds ------------------------------------------------------------------------------------------------------


def test_broad_statement_that_is_gone_is_resolved_by_the_iam_of_its_account_alone() -> None:
    before = seen(principal(iam(OWNER, "role/Broad"), FULL))
    after = seen(principal(iam(OWNER, "role/Broad")), key(key_policy=None, gaps={"key_policy": "row"}))
    assert became(before, after, Kind.BROAD_KEY_PERMISSION) == "resolved"


def test_use_of_a_foreign_key_is_not_resolved_while_part_of_the_key_or_a_guardrail_was_not_read() -> None:
    peer = principal(iam(MEMBER, "role/Peer"), FULL)
    held = key(grants=(grant(iam(MEMBER, "role/Peer")),))
    before = seen(held, peer)
    assert became(before, seen(key(), peer), Kind.FOREIGN_KEY_USE) == "resolved"
    for unread in ({"ram_policy_read": False, "gaps": {"ram_policy": "row"}}, {"key_policy": None, "gaps": {
        "key_policy": "row"}}, {"grants": None, "gaps": {"grants": "row"}}):  # fmt: skip
        assert became(before, seen(replace(key(), **unread), peer), Kind.FOREIGN_KEY_USE) == "not_rechecked"
    blind = replace(organization(), scps=None, rcps=None, scp_gap="row", rcp_gap="row")
    assert became(before, seen(key(), peer, blind), Kind.FOREIGN_KEY_USE) == "not_rechecked"


def test_control_by_attributes_is_not_resolved_while_a_rule_about_them_could_stand_in_what_was_not_read() -> None:
    tagging = principal(iam(OWNER, "role/Tagger"), policy(allow(None, "kms:TagResource", "kms:UntagResource")))
    alpha = {"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}
    before = seen(DELEGATING, tagging, principal(iam(OWNER, "role/App"), policy(allow(None, when=alpha))))
    plain = principal(iam(OWNER, "role/App"))
    assert became(before, seen(DELEGATING, tagging, plain), Kind.ATTRIBUTE_CONTROL) == "resolved"
    unread = seen(DELEGATING, tagging, plain, account(MEMBER, iam_complete=False))
    assert became(before, unread, Kind.ATTRIBUTE_CONTROL) == "not_rechecked"
    blind = replace(organization(), scps=None, rcps=None, scp_gap="row", rcp_gap="row")
    assert became(before, seen(DELEGATING, tagging, plain, blind), Kind.ATTRIBUTE_CONTROL) == "not_rechecked"


def test_permission_without_effect_is_not_resolved_because_nobody_looked_why_it_has_none() -> None:
    gone = iam(MEMBER, "role/Gone")
    before = seen(key(allow(gone)))
    unread = seen(key(allow(gone)), account(MEMBER, iam_complete=False))
    assert became(before, unread, Kind.INEFFECTIVE_PERMISSION) == "not_rechecked"
    assert became(before, seen(key()), Kind.INEFFECTIVE_PERMISSION) == "resolved"
    signing = seen(key(allow(iam(STRANGER, "root"), "kms:Sign")))
    vague = seen(key(allow(iam(STRANGER, "root"), "kms:Sign"), spec="", usage="", gaps={"describe": "row"}))
    assert became(signing, vague, Kind.INEFFECTIVE_PERMISSION) == "not_rechecked"
