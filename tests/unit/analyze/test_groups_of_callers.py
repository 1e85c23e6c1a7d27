"""Steps that callers of a class share, into identities that share a sign: the graph is that of asking one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.paths.forms import ANYTHING
from scanner.analyze.paths.graph import Closure, RoleGraph
from scanner.analyze.paths.hops import ChangeKind
from scanner.analyze.principals.reach import Population
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

from builders import MEMBER, OWNER, STRANGER, allow, deny, iam, key, organization, policy, principal, text, world
from role_worlds import ASSUMING, USING, admits, role

VENDOR = iam(STRANGER, "root")
EVERYTHING = policy(allow(None, "*"))
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
ELSEWHERE, FUNCTIONS = admits(iam(MEMBER, "root")), admits({"Service": "lambda.amazonaws.com"})
CHANGING = policy(allow(None, "iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", *(
    "iam:UpdateAssumeRolePolicy", "sts:AssumeRole"
)))  # fmt: skip


def graph_of(drawn: World, *, sides: bool) -> RoleGraph:
    """The access graph of a world, with classes of callers or without."""
    return RoleGraph(Population(RememberingWorld.of(drawn, answers=False, sides=sides)))


def closures(*things: Any) -> dict[str, Closure]:
    """How far one gets from every role: the same as without classes, to the last request of the last step."""
    drawn = world(*things)
    one, other = (graph_of(drawn, sides=flag) for flag in (True, False))
    found = {arn.rpartition("/")[2]: one.closure(arn) for arn in one.roles}
    for arn in one.roles:
        alone = other.closure(arn)
        assert found[arn.rpartition("/")[2]] == alone
        assert one.onward(arn) == other.onward(arn)
    return found


def named(*identities: PrincipalFacts) -> Any:
    """A key that names identities, so that each is one of a kind."""
    return key(*(allow(one.arn, "kms:Decrypt") for one in identities))


def ways_to(closure: Closure, name: str) -> list[str]:
    """The nodes on the strongest chain to an identity as it is, by name."""
    chain = next(c for n, c in closure.chains.items() if n.rpartition("/")[2] == name)
    return [step.node.rpartition("/")[2] for step in chain.steps]


PLAIN = (ELSEWHERE, USING)
MANAGED = replace(
    role(OWNER, "Two", *PLAIN),
    identity_policies=(text(USING, DocumentKind.IDENTITY, f"arn:aws:iam::{OWNER}:policy/Own", "Own"),),
)


@pytest.mark.parametrize(
    "other",
    [
        principal(iam(OWNER, "user/Two"), USING),
        principal(iam(OWNER, "role/aws-service-role/x.amazonaws.com/Two"), USING, trust=ELSEWHERE),
        role(OWNER, "Two", FUNCTIONS, USING),
        role(OWNER, "Two", *PLAIN, boundary=EVERYTHING),
        role(OWNER, "Two", ELSEWHERE, EVERYTHING),
        role(OWNER, "Two", ELSEWHERE, policy(allow(None, "kms:Decrypt"), deny(None, "s3:*"))),
        MANAGED,
        replace(role(OWNER, "Two", *PLAIN), trust_policy=None, complete=False, gap="row"),
    ],
)
@pytest.mark.parametrize("may", [EVERYTHING, CHANGING])
def test_identity_of_another_sign_is_asked_about_by_itself(other: PrincipalFacts, may: Any) -> None:
    plain = [role(OWNER, name, *PLAIN) for name in ("One", "Three")]
    callers = [role(OWNER, name, admits(VENDOR), may) for name in ("Admin", "Boss")]
    closures(*callers, *plain, other, named(*plain, other))


def test_role_without_trust_policy_is_told_from_one_of_which_it_was_not_read() -> None:
    read, unread = (
        replace(role(OWNER, name, *PLAIN), trust_policy=None, complete=name == "One", gap="row")
        for name in ("One", "Two")
    )
    passing = role(OWNER, "Entry", admits(VENDOR), policy(allow(None, "iam:PassRole")))
    drawn = world(passing, read, unread, organization(scps={OWNER: [policy(allow(None, "*"), deny(None, "sts:*"))]}))
    for sides in (True, False):
        assert [s.role.arn for s in graph_of(drawn, sides=sides).onward(iam(OWNER, "role/Entry"))] == [unread.arn]


def test_user_is_told_from_a_role_that_admits_nobody() -> None:
    user = principal(iam(OWNER, "user/Two"), USING)
    alone = replace(role(OWNER, "One", ELSEWHERE, USING), trust_policy=None)
    found = closures(role(OWNER, "Entry", admits(VENDOR), EVERYTHING), user, alone, named(user, alone))
    changes = {s.role.arn: s.change.kind for s in found["Entry"].chains[user.arn].steps if s.change}
    assert changes == {user.arn: ChangeKind.CREDENTIALS}


def test_boundary_that_the_caller_may_rewrite_is_told_from_one_of_aws() -> None:
    one, two = (role(OWNER, name, *PLAIN, boundary=USING) for name in ("One", "Two"))
    own = text(USING, DocumentKind.BOUNDARY, f"arn:aws:iam::{OWNER}:policy/Own", "Own")
    bounded = replace(two, boundary=own)
    found = closures(role(OWNER, "Entry", admits(VENDOR), CHANGING), one, bounded, named(one, bounded))
    assert {n.rpartition("/")[2] for n in found["Entry"].chains} >= {"One", "Two", "Two as unbounded"}


@pytest.mark.parametrize("document", ["scps", "boundary", "own"])
def test_identity_that_a_document_tells_apart_is_asked_about_by_itself(document: str) -> None:
    refused = policy(allow(None, "*"), deny(None, "iam:*", "sts:*", Resource=iam(OWNER, "role/Two")))
    guards = (organization(scps={OWNER: [refused]}),) if document == "scps" else ()
    callers = [
        role(OWNER, name, admits(VENDOR), refused if document == "own" else EVERYTHING,
             boundary=refused if document == "boundary" else None)
        for name in ("Admin", "Boss")
    ]  # fmt: skip
    plain = [role(OWNER, name, *PLAIN) for name in ("One", "Three", "Two")]
    found = closures(*callers, *plain, named(*plain), *guards)
    reached = {n.rpartition("/")[2] for n in found["Admin"].chains}
    assert {"One", "Two"} & reached == ({"One"} if document == "scps" else {"One", "Two"})


def test_policies_that_callers_rewrite_are_those_of_each_identity() -> None:
    holders = [
        replace(
            role(OWNER, name, admits(VENDOR), USING),
            identity_policies=(text(USING, DocumentKind.IDENTITY, f"arn:aws:iam::{OWNER}:policy/{name}", name),),
        )
        for name in ("One", "Two")
    ]
    found = closures(role(OWNER, "Entry", admits(VENDOR), CHANGING), *holders, named(*holders))
    rewritten = {n: c for n, c in found["Entry"].chains.items() if "rewritten" in n}
    asked = {
        n.split(" ")[0]: c.steps[-1].change.requests[0].resource for n, c in rewritten.items() if c.steps[-1].change
    }
    assert {asked[one.arn].rpartition("/")[2] for one in holders} == {"One", "Two"}


# -- groups of callers ------------------------------------------------------------------------------------------------


def admin(name: str, trust: Any, **facts: Any) -> PrincipalFacts:
    """A role that may do everything in its account."""
    return role(OWNER, name, trust, EVERYTHING, **facts)


def test_group_that_was_followed_by_a_weaker_chain_is_followed_again() -> None:
    target = role(OWNER, "Named", FUNCTIONS, USING)
    entry = role(MEMBER, "Entry", admits(VENDOR), ASSUMING)
    middle = role(MEMBER, "Middle", admits(entry.arn), ASSUMING)
    weak, strong = admin("Weak", admits(entry.arn, when=MFA)), admin("Strong", admits(middle.arn))
    found = closures(entry, middle, weak, strong, target, named(target))
    assert ways_to(found["Entry"], "Named") == ["Middle", "Strong", "Named"]


def test_group_is_followed_by_the_first_in_order_of_those_as_strong() -> None:
    target = role(OWNER, "Named", FUNCTIONS, USING)
    entry = role(MEMBER, "Entry", admits(VENDOR), ASSUMING)
    before, after = (role(MEMBER, name, admits(entry.arn), ASSUMING) for name in ("P1", "P2"))
    trusted = policy(*admits(before.arn, when=MFA)["Statement"], *admits(after.arn)["Statement"])
    admins = admin("A", admits(after.arn)), admin("Z", trusted)
    found = closures(entry, before, after, *admins, target, named(target))
    assert ways_to(found["Entry"], "Named") == ["P2", "A", "Named"]


def test_member_of_a_group_whom_a_trust_policy_names_is_asked_for_itself() -> None:
    first, second = admin("Admin1", admits(VENDOR)), admin("Admin2", admits(VENDOR))
    target = role(OWNER, "Named", admits(first.arn), USING)
    found = closures(first, second, target, named(target))
    first_step, other_step = (found[n].chains[target.arn].steps[0].change for n in ("Admin1", "Admin2"))
    assert first_step is None
    assert other_step is not None


def test_bounded_administrators_become_others_of_their_own_kind_but_not_themselves() -> None:
    bound = policy(allow(None, "*"), deny(None, "kms:*"))
    admins = [admin(f"Admin{n}", admits(VENDOR), boundary=bound) for n in (1, 2)]
    free = [role(OWNER, name, *PLAIN) for name in ("One", "Two")]
    closures(*admins, *free, named(*free[:1]))
    onward = graph_of(world(*admins, *free, named(*free[:1])), sides=True).onward(admins[0].arn)
    assert {s.role.arn.rpartition("/")[2] for s in onward} == {"Admin2", "One"}


def test_administrators_become_no_others_of_their_own_kind() -> None:
    admins = [admin(f"Admin{n}", admits(VENDOR)) for n in (1, 2, 3)]
    target = role(OWNER, "Named", *PLAIN)
    closures(*admins, target, named(target))
    graph = graph_of(world(*admins, target, named(target)), sides=True)
    assert all({s.role.arn for s in graph.onward(one.arn)} == {target.arn} for one in admins)


def test_roles_that_rewrite_themselves_into_what_another_holds_assume_roles_as_they_are() -> None:
    holding = replace(admin("Admin", admits(VENDOR)), identity_policies=(ANYTHING,))
    rewriting = [
        role(OWNER, name, admits(VENDOR), policy(allow(None, "iam:PutRolePolicy", Resource=iam(OWNER, f"role/{name}"))))
        for name in ("Writer1", "Writer2")
    ]
    target = role(OWNER, "Named", admits(iam(OWNER, "root")), USING)
    found = closures(holding, *rewriting, target, named(target))
    for name in ("Writer1", "Writer2"):
        assert ways_to(found[name], "Named") == [f"{name} as rewritten", "Named"]


TELLING = organization(scps={OWNER: [policy(allow(None, "*"), deny(None, "iam:*", Resource=iam(OWNER, "role/No")))]})


@pytest.mark.parametrize("guards", [(), (TELLING,)])
def test_groups_are_made_again_where_a_role_that_they_asked_about_admits_fewer(guards: Any) -> None:
    admins = [admin(f"Admin{n}", admits(VENDOR)) for n in (1, 2)]
    target, other = (role(OWNER, name, FUNCTIONS, USING) for name in ("Named", "Other"))
    graph = graph_of(world(*admins, target, other, named(target, other), *guards), sides=True)

    def kinds(of: RoleGraph) -> list[tuple[str, ChangeKind]]:
        steps = (s for a in admins for s in of.onward(a.arn) if s.node in {target.arn, other.arn})
        return [(s.role.arn.rpartition("/")[2], s.change.kind) for s in steps if s.change]

    assert kinds(graph) == [("Named", ChangeKind.LAUNCH), ("Other", ChangeKind.LAUNCH)] * 2
    less = graph.with_less_trust(role(OWNER, "Named", ELSEWHERE, USING))
    assert kinds(less) == [("Named", ChangeKind.TRUST), ("Other", ChangeKind.LAUNCH)] * 2
    kept = graph.with_less_trust(replace(admins[1], trust_policy=None))
    assert kinds(kept) == kinds(graph)


def test_edges_judged_elsewhere_are_those_of_groups_as_well() -> None:
    admins = [admin(f"Admin{n}", admits(VENDOR)) for n in (1, 2)]
    target = role(OWNER, "Named", *PLAIN)
    drawn = world(*admins, target, named(target))
    here, there = (graph_of(drawn, sides=True) for _ in range(2))
    here.take(there.edges_at(sorted(here.roles)))
    alone = graph_of(drawn, sides=True)
    assert all(here.closure(arn) == alone.closure(arn) for arn in here.roles)
