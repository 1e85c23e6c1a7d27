"""What a role can do with keys: which keys and actions are judged at all, and that none is left out that counts."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.decision.decide import decide
from scanner.analyze.paths.hops import NEVER, PERHAPS, SURE, rank_of
from scanner.analyze.paths.role_use import RoleUse, request_on
from scanner.analyze.request.caller import resolve_caller
from scanner.model.actions import KEY_ACTIONS
from scanner.model.policy import DocumentKind

from builders import KEY, MEMBER, OWNER, STRANGER, allow, grant, iam, key, policy, text, world
from role_worlds import admits, role

OWN_ROOT = allow(iam(OWNER, "root"), "kms:*")
TO_MEMBER = allow(iam(MEMBER, "root"), "kms:*")
EVERYBODY = allow("*", "kms:Decrypt")
OTHER_ACTION = policy(allow(None, "kms:Encrypt"))
DECRYPT = next(action for action in KEY_ACTIONS if action.name == "Decrypt")


def decrypts(used: Any, owner: str, *documents: Any, **facts: Any) -> int:
    """How strong a role of an account may decrypt with a key; checked against a decision about every action."""
    user = role(owner, "User", admits(iam(STRANGER, "root")), *documents, **facts)
    drawn = world(user, used)
    (asked,) = drawn.keys.values()
    caller = resolve_caller(drawn, user.arn)
    requests = ((a.name, request_on(caller, asked, a)) for a in KEY_ACTIONS)
    ranks = {name: rank_of(decide(drawn, request, trace=False)) for name, request in requests}
    uses = RoleUse(drawn, (asked,)).of(user.arn).by_key().get(asked.arn, ())
    assert {use.action.name: use.rank for use in uses} == {name: rank for name, rank in ranks.items() if rank > NEVER}
    return ranks["Decrypt"]


@pytest.mark.parametrize(
    ("resource", "found"),
    [
        ("*", SURE),
        (KEY, SURE),
        (f"arn:aws:kms:*:{OWNER}:key/*", SURE),
        (f"arn:*:*:*:{OWNER}:*", SURE),
        (f"arn:*{OWNER}:key/*", SURE),
        ("arn:aws:kms:*:11112222*:key/*", SURE),
        ("arn:aws:kms:eu-west-1:????????????:key/*", SURE),
        (f"arn:aws:kms:*:{MEMBER}:key/*", NEVER),
        (["arn:aws:s3:::bucket", f"arn:aws:kms:*:{OWNER}:key/*"], SURE),
        (["arn:aws:s3:::bucket"], NEVER),
    ],
)
@pytest.mark.parametrize("owner", [OWNER, MEMBER])
def test_keys_of_whichever_account_a_resource_may_mean_are_judged(resource: Any, found: int, owner: str) -> None:
    may = policy(allow(None, "kms:Decrypt", Resource=resource))
    assert decrypts(key(OWN_ROOT, TO_MEMBER), owner, may) == found


@pytest.mark.parametrize("owner", [OWNER, MEMBER])
def test_keys_beside_those_of_not_resource_are_judged(owner: str) -> None:
    may = allow(None, "kms:Decrypt", NotResource=f"arn:aws:kms:*:{MEMBER}:key/*")
    del may["Resource"]
    assert decrypts(key(OWN_ROOT, TO_MEMBER), owner, policy(may)) == SURE


@pytest.mark.parametrize(
    "statement", [EVERYBODY, allow(iam(OWNER, "role/User")), allow(iam(MEMBER, "role/User"))], ids=["*", "own", "other"]
)
def test_policy_that_names_a_role_is_enough_in_the_account_of_the_key_alone(statement: Any) -> None:
    named_in = statement["Principal"] if isinstance(statement["Principal"], str) else statement["Principal"]["AWS"]
    for owner in (OWNER, MEMBER):
        named = named_in in {"*", iam(owner, "role/User")}
        assert decrypts(key(statement), owner, OTHER_ACTION) == (SURE if named and owner == OWNER else NEVER)


@pytest.mark.parametrize(("grantee", "found"), [("role/User", SURE), ("root", PERHAPS), ("role/Else", NEVER)])
def test_grant_counts_without_iam_also_from_outside(grantee: str, found: int) -> None:
    given = key(grants=(grant(iam(MEMBER, grantee)),))
    assert decrypts(given, MEMBER, OTHER_ACTION) == found


def test_grants_that_were_not_read_leave_it_open_whether_somebody_whom_a_policy_names_needs_iam() -> None:
    unread = key(EVERYBODY, grants=None, gaps={"grants": "row"})
    user = role(MEMBER, "User", admits(iam(STRANGER, "root")), OTHER_ACTION)
    drawn = world(user, unread)
    (use,) = RoleUse(drawn, drawn.keys.values()).of(user.arn).by_key()[KEY]
    assert (use.action.name, use.rank, use.decision.reason) == ("Decrypt", PERHAPS, "grants_not_read")


@pytest.mark.parametrize(
    "unread",
    [
        key(OWN_ROOT, grants=None, gaps={"grants": "row"}),
        key(key_policy=None, gaps={"key_policy": "row"}),
        key(OWN_ROOT, ram_policy_read=False, gaps={"ram_policy": "row"}),
        key(key_policy=text("[]", DocumentKind.KEY_POLICY, KEY)),
        key({"Effect": "Allow", "Principal": {"AWS": 5}, "Action": "kms:Decrypt", "Resource": "*"}),
    ],
    ids=["grants", "policy", "RAM", "no policy", "whom it names"],
)
def test_key_of_which_something_was_not_read_is_judged_also_where_iam_means_keys_of_others(unread: Any) -> None:
    may = policy(allow(None, "kms:Decrypt", Resource=f"arn:aws:kms:*:{MEMBER}:key/*"))
    user = role(OWNER, "User", admits(iam(STRANGER, "root")), may)
    drawn = world(user, unread)
    uses = RoleUse(drawn, drawn.keys.values()).of(user.arn).by_key()[KEY]
    assert ("Decrypt", PERHAPS) in {(use.action.name, use.rank) for use in uses}


@pytest.mark.parametrize(
    "documents",
    [(), (policy(allow(None, "s3:*")),), (policy(allow(None, "kms:Decrypt", Resource="arn:aws:s3:::b")),)],
    ids=["nothing", "no action", "no key"],
)
@pytest.mark.parametrize(("owner", "statement"), [(OWNER, OWN_ROOT), (MEMBER, TO_MEMBER)], ids=["own", "other"])
def test_grant_that_was_not_read_needs_no_permission_of_whose_account_a_policy_names(
    owner: str, statement: Any, documents: tuple[Any, ...]
) -> None:
    """What a grant can give is open, and nothing else (R1.8, R4.10, R4.11)."""
    assert decrypts(key(statement, grants=None, gaps={"grants": "row"}), owner, *documents) == PERHAPS


@pytest.mark.parametrize("documents", [(), (policy(allow(None, "kms:Decrypt")),)], ids=["nothing", "every key"])
def test_grant_that_was_not_read_is_not_told_of_accounts_that_no_policy_names(documents: tuple[Any, ...]) -> None:
    """It may be anybody's: that is told once for all of them, with the key."""
    user = role(MEMBER, "User", admits(iam(STRANGER, "root")), *documents)
    drawn = world(user, key(OWN_ROOT, grants=None, gaps={"grants": "row"}))
    (unread,) = drawn.keys.values()
    decision = decide(drawn, request_on(resolve_caller(drawn, user.arn), unread, DECRYPT), trace=False)
    assert (rank_of(decision), decision.reason) == (PERHAPS, "grants_not_read")
    assert RoleUse(drawn, drawn.keys.values()).of(user.arn).by_key() == {}


def test_grant_of_which_the_issuer_was_not_read_may_be_retired_from_anywhere() -> None:
    given = key(grants=(grant(iam(OWNER, "role/Own"), issuing_account=""),))
    user = role(MEMBER, "User", admits(iam(STRANGER, "root")), policy(allow(None, "kms:RetireGrant")))
    drawn = world(user, given)
    (use,) = RoleUse(drawn, drawn.keys.values()).of(user.arn).by_key()[KEY]
    assert (use.action.name, use.decision.reason) == ("RetireGrant", "grant_issuer_not_read")


def test_identity_policies_that_were_not_read_may_allow_everything() -> None:
    unread = {"complete": False, "gap": "row"}
    assert decrypts(key(EVERYBODY), MEMBER, **unread) == PERHAPS
