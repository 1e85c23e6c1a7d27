"""Whom `who-can` follows: whoever may lead to the key, and nobody who surely does not."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.paths.paths import Paths
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.analyze.who_can import Wanted, who_can
from scanner.model.explanation import WhoCan
from scanner.model.finding import FindingVerdict
from scanner.model.principal import PrincipalFacts

from builders import FULL, MEMBER, OWNER, STRANGER, allow, grant, iam, key, policy, principal, world
from role_worlds import ASSUMING, DELEGATING, USING, admits, role

APART = "333333333333"
VENDOR = iam(STRANGER, "root")
LAST = role(OWNER, "Last", admits(iam(MEMBER, "root")), USING)
NOTHING = policy(allow(None, "s3:GetObject"))


def listed(*things: Any, **rules: Any) -> WhoCan:
    """The answer about the one key of a world."""
    given = world(*things)
    (used,) = given.keys.values()
    return who_can(given, used, AnalysisRules(**rules), Wanted(verdicts=tuple(FindingVerdict)))


def entered(answer: WhoCan) -> set[str]:
    """By which roles somebody gets at the key."""
    return {a.path.split(" > ")[0] for a in answer.access if a.mechanism == "role"}


def leading(*things: Any, iam_changes: bool = True) -> set[str]:
    """The names of the roles that are followed."""
    given = world(*things)
    paths = Paths(Population(given), given.keys.values(), Trust(), iam_changes=iam_changes)
    return {arn.rsplit("/", 1)[-1] for arn in paths.keep_to_what_leads_to_keys()}


def same(*things: Any, **rules: Any) -> WhoCan:
    """The answer, which is the one of following everybody."""
    answer = listed(*things, **rules)
    assert answer == listed(*things, leading=False, **rules)
    return answer


def test_role_that_leads_nowhere_is_not_followed_though_its_account_leads_to_the_key() -> None:
    leads = role(MEMBER, "Leads", admits(VENDOR), ASSUMING)
    idle = role(MEMBER, "Idle", admits(VENDOR), NOTHING)
    apart = role(APART, "Apart", admits(VENDOR), FULL)
    given = (leads, idle, apart, LAST, DELEGATING)
    assert leading(*given) == {"Leads", "Last"}
    assert entered(same(*given)) == {leads.arn, LAST.arn}


def test_role_is_followed_that_the_trust_policy_of_its_own_account_names() -> None:
    inner = role(OWNER, "Inner", admits(iam(OWNER, "role/Quiet")), USING)
    quiet = role(OWNER, "Quiet", admits(VENDOR), NOTHING)
    assert leading(quiet, inner, DELEGATING) == {"Quiet", "Inner"}
    assert entered(same(quiet, inner, DELEGATING)) == {quiet.arn}


def test_role_is_not_followed_that_another_account_names_and_that_may_not_ask() -> None:
    quiet = role(MEMBER, "Quiet", admits(VENDOR), NOTHING)
    named = role(OWNER, "Named", admits(quiet.arn), USING)
    assert leading(quiet, named, DELEGATING) == {"Named"}
    same(quiet, named, DELEGATING)


@pytest.mark.parametrize("trust", [admits("*"), None, "{"])
def test_everybody_who_may_ask_is_followed_where_a_role_admits_anybody_or_was_not_read(trust: Any) -> None:
    open_to_all = role(OWNER, "Open", trust, USING, complete=trust is not None)
    one, other = role(MEMBER, "One", admits(VENDOR), ASSUMING), role(APART, "Other", admits(VENDOR), ASSUMING)
    assert leading(one, other, open_to_all, DELEGATING) == {"One", "Other", "Open"}
    assert {one.arn, other.arn} <= entered(same(one, other, open_to_all, DELEGATING))


@pytest.mark.parametrize("unread", [{"complete": False}, {"documents": ("{",)}])
def test_identity_that_was_not_read_may_do_anything_and_is_followed(unread: dict[str, Any]) -> None:
    def unclear(account: str, name: str) -> PrincipalFacts:
        facts = dict(unread)
        return role(account, name, admits(VENDOR), *facts.pop("documents", ()), **facts)

    asks, uses = unclear(MEMBER, "Asks"), unclear(OWNER, "Uses")
    assert leading(asks, uses, LAST, DELEGATING) == {"Asks", "Uses", "Last"}
    assert {asks.arn, uses.arn} <= entered(same(asks, uses, LAST, DELEGATING))


CHANGES = [
    ("lifts", allow(None, "iam:DeleteRolePermissionsBoundary"), {"boundary": NOTHING}),
    ("writes", allow(None, "iam:PutRolePolicy"), {}),
]


@pytest.mark.parametrize(("name", "change", "facts"), CHANGES)
def test_identity_is_followed_that_can_make_another_one_a_user_of_the_key(
    name: str, change: Any, facts: dict[str, Any]
) -> None:
    documents = (USING,) if facts else (NOTHING,)
    changer = role(OWNER, name, admits(VENDOR), policy(change, allow(None, "sts:AssumeRole")))
    changed = role(OWNER, "Changed", admits(changer.arn), *documents, **facts)
    answer = same(changer, changed, DELEGATING)
    assert entered(answer) == {changer.arn}
    assert entered(same(changer, changed, DELEGATING, iam_changes=False)) == set()
    assert leading(changer, changed, DELEGATING, iam_changes=False) == set()


def test_change_in_an_account_that_a_role_on_the_way_trusts_is_followed() -> None:
    changer = role(MEMBER, "Changer", admits(VENDOR), policy(allow(None, "iam:PutRolePolicy")))
    middle = role(MEMBER, "Middle", admits(changer.arn), NOTHING)
    elsewhere = role(APART, "Elsewhere", admits(VENDOR), policy(allow(None, "iam:*")))
    given = (changer, middle, elsewhere, LAST, DELEGATING)
    assert leading(*given) == {"Changer", "Last"}
    assert changer.arn in entered(same(*given))


def test_grants_and_open_keys_lead_from_everybody_they_admit() -> None:
    one = role(MEMBER, "One", admits(VENDOR), NOTHING)
    two = role(MEMBER, "Two", admits(VENDOR), NOTHING)
    three = role(APART, "Three", admits(VENDOR), USING)
    granted = key(allow(iam(OWNER, "root"), "kms:*"), grants=(grant(one.arn),))
    assert leading(one, two, three, granted) == {"One"}
    assert entered(same(one, two, three, granted)) == {one.arn}
    anybody = key(allow("*", when={"StringEquals": {"aws:PrincipalAccount": APART}}))
    assert leading(one, two, three, anybody) == {"Three"}
    assert entered(same(one, two, three, anybody)) == {three.arn}


def test_user_whose_keys_can_be_made_is_followed_onward() -> None:
    maker = role(MEMBER, "Maker", admits(VENDOR), policy(allow(None, "iam:CreateAccessKey")))
    user = principal(iam(MEMBER, "user/Asks"), ASSUMING)
    answer = same(maker, user, LAST, DELEGATING)
    assert maker.arn in entered(answer)


def test_chain_that_is_cut_counts_only_where_it_may_lead_to_the_key() -> None:
    last = [role(OWNER, f"R{n}", admits(iam(OWNER, f"role/R{n - 1}")), ASSUMING) for n in range(1, 4)]
    start = role(OWNER, "R0", admits(VENDOR), ASSUMING)
    used = key(allow(last[-1].arn))
    assert "not followed" in listed(start, *last, used, max_role_hops=2).role_paths
    nowhere = key(allow(iam(APART, "root")))
    assert "not followed" not in listed(start, *last, nowhere, max_role_hops=2).role_paths
    assert "not followed" in listed(start, *last, nowhere, max_role_hops=2, leading=False).role_paths


def test_role_that_only_aws_changes_is_entered_as_it_is_or_left_out() -> None:
    admin = role(OWNER, "Admin", admits(VENDOR), FULL)
    linked = role(OWNER, "aws-service-role/x.amazonaws.com/Linked", admits({"Service": "x.amazonaws.com"}), NOTHING)
    used = key(allow(iam(MEMBER, "role/Last"), "kms:*"))
    last = role(MEMBER, "Last", admits(iam(OWNER, "root")), USING)
    assert leading(admin, linked, last, used) == {"Admin", "Last"}
    same(admin, linked, last, used)
    assert "Linked" in leading(admin, linked, last, key(allow(linked.arn)))
    assert entered(same(admin, linked, last, key(allow(linked.arn)))) == {admin.arn}
