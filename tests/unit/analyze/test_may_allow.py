"""What is skipped without a decision: only what a decision refuses, and nothing that some document leaves open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.permissions.may_allow import key_may_allow_alone, own_policies_may_allow
from scanner.analyze.request.caller import resolve_caller
from scanner.model.actions import ACTIONS
from scanner.model.decision import Verdict
from scanner.model.key import KeyFacts
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalFacts

from builders import KEY, OWNER, allow, ask, deny, grant, iam, key, policy, principal, ram, text, world

ADMIN, OTHER = iam(OWNER, "role/Admin"), iam(OWNER, "role/Other")
ALIAS = f"arn:aws:kms:eu-west-1:{OWNER}:alias/app-one"
CREATE, TAG = "kms:CreateAlias", "kms:TagResource"
ROOT_LETS = allow(iam(OWNER, "root"), "kms:*")
NOT_RESOURCE = {"Effect": "Allow", "Action": CREATE, "NotResource": f"arn:aws:kms:eu-west-1:{OWNER}:alias/other"}
NO_ACTION = {"Effect": "Allow", "Resource": ALIAS}


def holder(*documents: Any, **facts: Any) -> PrincipalFacts:
    """The role with these identity policies, of which a string is the text itself."""
    held = tuple(text(d, DocumentKind.IDENTITY, ADMIN, f"inline policy {i}") for i, d in enumerate(documents))
    return replace(principal(ADMIN, **facts), identity_policies=held)


def own(facts: PrincipalFacts) -> tuple[bool, bool]:
    """Whether its policies may allow the alias, and whether a decision does not refuse it."""
    given = world(facts)
    may = own_policies_may_allow(resolve_caller(given, ADMIN), CREATE, ALIAS)
    return may, ask(given, ADMIN, CREATE, on=ALIAS).verdict is not Verdict.DENIED


def alone(facts: KeyFacts, **of_role: Any) -> tuple[bool, bool]:
    """Whether the key may let a role without policies tag it, and whether a decision does not refuse it."""
    given = world(facts, principal(ADMIN, **of_role))
    may = key_may_allow_alone(facts, ACTIONS["tagresource"])
    return may, ask(given, ADMIN, TAG).verdict is not Verdict.DENIED


@pytest.mark.parametrize(
    "facts",
    [
        holder(policy(allow(None, CREATE, Resource=ALIAS))),
        holder(policy(allow(None, "kms:Create*", Resource=f"arn:aws:kms:*:{OWNER}:alias/app-*"))),
        holder(policy(allow(None, CREATE, Resource=[KEY, ALIAS]))),
        holder(policy(allow(None, CREATE, Resource=f"arn:aws:kms:eu-west-1:{OWNER}:alias/${{aws:PrincipalTag/x}}"))),
        holder(policy(NOT_RESOURCE)),
        holder(policy({"Effect": "Allow", "NotAction": "s3:*", "Resource": ALIAS})),
        holder(policy(NO_ACTION)),
        holder(policy(allow(None, CREATE) | {"Effect": "Permit"})),
        holder("no policy"),
        holder(policy(allow()), policy(allow(None, CREATE))),
        holder(policy(allow(None, CREATE, Resource=KEY), allow(None, CREATE, Resource=ALIAS))),
        holder(complete=False, gap="row"),
    ],
    ids=[
        "written out", "by wildcards", "second resource", "variable", "all resources but", "all actions but",
        "no action", "damaged effect", "no policy", "second policy", "second statement", "not read",
    ],
)  # fmt: skip
def test_policy_that_leaves_the_action_open_may_allow_it(facts: PrincipalFacts) -> None:
    tags = replace(facts, tags={"x": "app-one"})
    assert own(tags) == (True, True)


@pytest.mark.parametrize(
    "document",
    [
        policy(allow(None, CREATE, Resource=f"arn:aws:kms:eu-west-1:{OWNER}:alias/app-two")),
        policy(allow(None, CREATE, Resource=ALIAS.replace("eu-west-1", "eu-west-2"))),
        policy(allow(None, "kms:UpdateAlias", Resource=ALIAS)),
        policy(deny(None, CREATE)),
    ],
    ids=["another alias", "another Region", "another action", "denied"],
)
def test_policy_about_something_else_allows_nothing(document: Any) -> None:
    assert own(holder(document)) == (False, False)


UNREAD = {"key_policy": None, "gaps": {"key_policy": "row"}}
BOTH = allow(iam(OWNER, "root"), TAG, NotPrincipal={"AWS": OTHER})


@pytest.mark.parametrize(
    "facts",
    [
        key(allow(ADMIN, TAG)),
        key(ROOT_LETS, allow(ADMIN, TAG)),
        key(allow({"AWS": [iam(OWNER, "root"), ADMIN]}, TAG)),
        key(allow("*", TAG, Principal="*")),
        key(allow({"AWS": iam(OWNER, "assumed-role/Admin/blue")}, TAG)),
        key(allow({"AWS": "AROAADMIN"}, TAG)),
        key({"Effect": "Allow", "NotPrincipal": {"AWS": OTHER}, "Action": TAG, "Resource": "*"}),
        key(BOTH),
        key(allow(None, TAG)),
        key(key_policy=text("no policy", DocumentKind.KEY_POLICY, KEY)),
        key(**UNREAD),
        key(ROOT_LETS, ram_policy_read=False),
        key(ROOT_LETS, ram_policy=ram(allow(ADMIN, TAG))),
        key(ROOT_LETS, grants=(grant(ADMIN, "TagResource"),)),
    ],
    ids=[
        "role", "role beside the account", "role in a list", "everybody", "session", "unique id", "all but another",
        "account and all but another", "no principal", "no policy", "not read", "RAM not read", "RAM", "grant",
    ],
)  # fmt: skip
def test_key_that_names_more_than_accounts_may_allow_alone(facts: KeyFacts) -> None:
    assert alone(facts, unique_id="AROAADMIN") == (True, True)


@pytest.mark.parametrize(
    "facts",
    [
        key(ROOT_LETS),
        key(allow(OWNER, TAG)),
        key(ROOT_LETS, allow(ADMIN, "kms:Decrypt")),
        key(ROOT_LETS, deny(OTHER, TAG)),
        key(ROOT_LETS, grants=(grant(ADMIN, "Decrypt"),)),
        key(ROOT_LETS, ram_policy=ram(allow(iam(OWNER, "root"), TAG))),
    ],
    ids=["root", "number of the account", "another action", "denied", "grant of another action", "RAM to the account"],
)
def test_key_that_leaves_it_to_the_account_allows_nothing_alone(facts: KeyFacts) -> None:
    assert alone(facts) == (False, False)


@pytest.mark.parametrize(("name", "may"), [("Decrypt", True), ("TagResource", False)])
def test_grants_that_were_not_read_may_allow_what_a_grant_can(name: str, may: bool) -> None:
    unread = key(ROOT_LETS, grants=None, gaps={"grants": "row"})
    assert key_may_allow_alone(unread, ACTIONS[name.lower()]) is may
