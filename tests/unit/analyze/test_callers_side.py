"""The caller's own side of each step of a path: the statement that lets it, or that nothing of it was collected."""

from __future__ import annotations

from typing import Any

from scanner.model.finding import Hop

from builders import MEMBER, OWNER, STRANGER, account, allow, deny, iam, policy, principal
from role_worlds import ASSUMING, USING, admits, only_path, paths, role

VENDOR = iam(STRANGER, "root")
APP = iam(MEMBER, "role/App")


def hops(*things: Any) -> tuple[Hop, ...]:
    """The steps of the one path there is."""
    return only_path(*things).path.hops


def own_side(hop: Hop) -> list[tuple[str, str, int]]:
    """Holders, documents and indexes of the statements of a caller's own side."""
    return [(ref.source, ref.document, ref.index) for ref in hop.caller_statements]


def test_stranger_is_said_to_decide_on_its_own_side() -> None:
    (hop,) = hops(role(OWNER, "Vendor", admits(VENDOR), USING))
    assert (hop.caller_statements, hop.caller_side) == (
        (), "its own account decides as well, which is neither ours nor read: it can allow it at any time (R3.30)",
    )  # fmt: skip


def test_identity_statement_of_a_caller_that_was_read_is_cited() -> None:
    shared = role(OWNER, "Shared", admits(APP), USING)
    (hop,) = hops(principal(APP, policy(allow(None, "s3:*"), allow(None, "sts:AssumeRole"))), shared)
    assert own_side(hop) == [(APP, "inline policy 0", 1)]
    assert hop.caller_side == ""


def test_every_step_of_a_chain_has_its_own_side() -> None:
    entry = role(MEMBER, "Entry", admits(VENDOR), ASSUMING)
    (found,) = (
        f for f in paths(entry, role(OWNER, "Last", admits(entry.arn), USING)) if f.grantee.selector == VENDOR
    )  # fmt: skip
    first, second = found.path.hops
    assert (first.caller_statements, own_side(second)) == ((), [(entry.arn, "inline policy 0", 0)])
    assert first.caller_side != "" == second.caller_side


def test_account_of_ours_that_was_not_read_names_the_row() -> None:
    unread = account(MEMBER, collected=False, gap="333/eu-west-1/iam")
    (hop,) = hops(unread, role(OWNER, "Shared", admits(iam(MEMBER, "root")), USING))
    assert hop.caller_side == "its own side was not read, see 333/eu-west-1/iam in Coverage"


def test_provider_and_same_account_principal_named_by_the_trust_have_no_side_of_their_own() -> None:
    provider = f"arn:aws:iam::{OWNER}:oidc-provider/example.com"
    (hop,) = hops(role(OWNER, "Ci", admits({"Federated": provider}, "sts:AssumeRoleWithWebIdentity"), USING))
    assert (hop.caller_statements, hop.caller_side) == ((), "")
    entry = role(OWNER, "Entry", admits(VENDOR))
    _, second = hops(entry, role(OWNER, "Last", admits(entry.arn), USING))
    assert (second.caller_statements, second.caller_side) == ((), "")


def test_deny_statements_are_no_evidence_of_what_lets_the_caller() -> None:
    fence = deny(None, "sts:AssumeRole", when={"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})
    (hop,) = hops(principal(APP, policy(fence, allow(None, "sts:AssumeRole"))), role(OWNER, "S", admits(APP), USING))
    assert own_side(hop) == [(APP, "inline policy 0", 1)]


def test_change_to_iam_is_carried_by_the_callers_own_policies_alone() -> None:
    entry = role(OWNER, "Entry", admits(VENDOR), policy(allow(None, "iam:PutRolePolicy")))
    found = hops(entry)
    assert found[-1].is_change
    assert (found[-1].caller_statements, found[-1].caller_side) == ((), "")


def test_policy_of_the_caller_that_cannot_be_understood_leaves_its_own_side_unread() -> None:
    (hop,) = hops(principal(APP, "no policy"), role(OWNER, "Shared", admits(APP), USING))
    assert (hop.caller_statements, hop.caller_side) == ((), "its own side was not understood")
