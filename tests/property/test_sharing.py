"""What is decided once for several accounts, keys and actions is what deciding each by itself says.

Worlds are small organizations whose accounts hold roles and keys from the same few templates, so that much can be
shared, and whose documents mention accounts, names, units and tags, so that some of it must not be.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanner.model.arn import AccountId
from scanner.model.organization import AccountFacts
from scanner.model.world import World

from builders import (
    KEY,
    MANAGER,
    ORG,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
    analyzed,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    world,
)

budget = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
ACCOUNTS = (OWNER, "222222222222", "333333333333")
UNITS = {OWNER: (ROOT, "ou-a"), "222222222222": (ROOT, "ou-a"), "333333333333": (ROOT, "ou-b")}
ACCOUNT = st.sampled_from(ACCOUNTS)
COLOUR = st.sampled_from(("red", "blue"))

CONDITIONS: tuple[Any, ...] = (
    None,
    {"StringEquals": {"aws:PrincipalOrgID": ORG}},
    {"StringEquals": {"aws:PrincipalAccount": "222222222222"}},
    {"StringNotEquals": {"aws:PrincipalAccount": "222222222222"}},
    {"StringNotEquals": {"aws:ResourceAccount": "222222222222"}},
    {"StringNotLike": {"kms:CallerAccount": "2222*"}},
    {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Ap*"}},
    {"StringNotLike": {"aws:userid": "AROAAPP*"}},
    {"ForAllValues:StringNotLike": {"aws:PrincipalOrgPaths": f"{ORG}/{ROOT}/ou-a/*"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/Ap*"}},
    {"ArnEquals": {"aws:PrincipalArn": iam("333333333333", "role/Ops")}},
    {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{ORG}/{ROOT}/ou-a/*"}},
    {"StringEquals": {"aws:PrincipalTag/team": "red"}},
    {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}},
    {"StringEquals": {"kms:EncryptionContext:of": OWNER}},
    {"StringEquals": {"aws:ResourceAccount": "${aws:PrincipalAccount}"}},
    {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
    {"StringEquals": {"kms:EncryptionContext:a": "b"}},
    {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    {"StringLike": {"aws:userid": "AROAAPP*"}},
    {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/a"}},
)
Palette = tuple[Any, ...]
"""Conditions of one world: a few, so that they meet."""
ACTIONS = st.sampled_from((
    ("kms:*",), ("kms:Decrypt",), ("kms:Encrypt", "kms:ReEncrypt*", "kms:CreateGrant"), ("kms:Describe*", "kms:Get*"),
    ("*",), ("s3:*",), ("kms:PutKeyPolicy", "kms:RetireGrant", "kms:Sign"),
))  # fmt: skip


@st.composite
def identity_documents(draw: Any, own: str, palette: Palette) -> Any:
    """One or two statements of an identity policy, some about keys of an account."""
    about = draw(st.sampled_from(("*", f"arn:aws:kms:*:{own}:key/*", f"arn:aws:kms:*:{OWNER}:key/*", f"{KEY[:-1]}1")))
    statement = allow(None, *draw(ACTIONS), when=draw(st.sampled_from(palette)), Resource=about)
    denied = deny(None, *draw(ACTIONS), when=draw(st.sampled_from(palette)))
    return policy(statement, denied) if draw(st.integers(0, 3)) == 0 else policy(statement)


@st.composite
def key_statements(draw: Any, palette: Palette) -> Any:
    """A statement of a key policy beside that of its own account."""
    other = draw(ACCOUNT)
    named = (iam(other, "role/App"), iam(other, "assumed-role/Ops/blue"), f"AROAAPP{other}", iam(STRANGER, "root"))
    who = draw(st.sampled_from(("*", "*", "*", iam(other, "root"), iam(other, "root"), *named)))
    if draw(st.integers(0, 4)) == 0:
        spared = {"AWS": [iam(other, "root"), iam(other, "role/App")]}
        return deny(None, *draw(ACTIONS), when=draw(st.sampled_from(palette)), NotPrincipal=spared)
    made = deny if draw(st.integers(0, 4)) == 0 else allow
    return made(who, *draw(ACTIONS), when=draw(st.sampled_from(palette)))


@st.composite
def organizations(draw: Any, palette: Palette) -> Any:
    """Control policies at the units and at accounts."""
    targets = [t for t in ("ou-a", "ou-b", *ACCOUNTS) if draw(st.integers(0, 3)) == 0]
    full = policy(allow(None, "*"))
    when = {t: draw(st.sampled_from(palette)) for t in targets}
    scps = {t: [full, policy(deny(None, *draw(ACTIONS), when=when[t]))] for t in targets if draw(st.booleans())}
    rcps = {t: [policy(deny("*", *draw(ACTIONS), when=when[t]))] for t in targets if t not in scps}
    return organization(scps, rcps, members={AccountId(a): UNITS[a] for a in ACCOUNTS})


@st.composite
def shared_worlds(draw: Any) -> World:
    """Three accounts, each with two roles that anybody of the organization may enter, and two keys in all of them."""
    palette = (None, *(draw(st.sampled_from(CONDITIONS[1:])) for _ in range(2)))
    things: list[Any] = []
    trust = policy(allow({"AWS": iam(MANAGER, "root")}, "sts:AssumeRole"))
    held_by = [draw(st.integers(1, 2)) for _ in range(6)]
    pool = [draw(identity_documents(OWNER, palette)) for _ in range(2)]
    for number, own in enumerate(ACCOUNTS):
        for place, name in enumerate(("App", "Ops")):
            held = [replace_account(d, OWNER, own) for d in pool[: held_by[2 * number + place]]]
            tags = {"team": draw(COLOUR)}
            things.append(principal(
                iam(own, f"role/{name}"), *held, trust=trust, tags=tags, unique_id=f"AROA{name.upper()}{own}"
            ))  # fmt: skip
    statements = [draw(key_statements(palette)) for _ in range(2)]
    for number, own in enumerate(draw(st.lists(ACCOUNT, min_size=2, max_size=3))):
        arn = f"{KEY.replace(OWNER, own)[:-1]}{number}"
        shown = [replace_account(s, OWNER, own) if draw(st.booleans()) else s for s in statements]
        granted = (
            (grant(iam(draw(ACCOUNT), "role/App"), "Decrypt", "CreateGrant"),) if draw(st.integers(0, 4)) == 0 else ()
        )
        things.append(key(
            allow(iam(own, "root"), "kms:*"), *shown, arn=arn, grants=granted if draw(st.integers(0, 4)) == 0 else (),
            state="Enabled", spec="SYMMETRIC_DEFAULT", usage="ENCRYPT_DECRYPT",
            tags={"team": draw(COLOUR)}, aliases=(draw(st.sampled_from(("alias/a", "alias/b"))),),
        ))  # fmt: skip
    facts: list[AccountFacts] = [account(a) for a in ACCOUNTS]
    return world(*things, *facts, draw(organizations(palette)))


def replace_account(document: Any, old: str, new: str) -> Any:
    """A document as it reads in another account."""
    if isinstance(document, str):
        return document.replace(old, new)
    if isinstance(document, dict):
        return {n: replace_account(v, old, new) for n, v in document.items()}
    return [replace_account(v, old, new) for v in document] if isinstance(document, list) else document


@budget
@given(shared_worlds())
def test_sharing_decisions_between_accounts_keys_and_actions_changes_no_answer(drawn: World) -> None:
    found = [
        analyzed(drawn, service_principals="all", insiders=True, remedies=False, by_class=b) for b in (True, False)
    ]
    assert found[0].access == found[1].access
    assert found[0].result.findings == found[1].result.findings
    assert found[0].result.graph == found[1].result.graph
