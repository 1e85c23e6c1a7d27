"""Who is of one class at keys that do not know them: each thing that counts tells two callers apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.decision.afar import Afar
from scanner.analyze.decision.evaluation import ALL_SOURCES
from scanner.analyze.decision.every_action import DECISION, alike_at, every_action
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.decision.sides import Kept
from scanner.analyze.paths import role_use
from scanner.analyze.paths.role_use import RoleUse
from scanner.analyze.principals.reach import Population, reached_by
from scanner.analyze.principals.selectors import namings_of
from scanner.analyze.request.caller import anyone, federated_of, resolve_caller
from scanner.model.organization import AccountFacts
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MANAGER,
    MEMBER,
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
)
from builders import world as world_of
from role_worlds import admits

THIRD = "333333333333"
A, B, OF_THIRD = iam(MEMBER, "role/A"), iam(MEMBER, "role/B"), iam(THIRD, "role/C")
OURS = {"StringEquals": {"aws:PrincipalOrgID": ORG}}
OPEN = allow("*", "kms:Decrypt", when=OURS)
SECOND = f"{KEY[:-1]}c"
LATER = {"DateGreaterThan": {"aws:CurrentTime": "2031-01-01T00:00:00Z"}}
TAGGED = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
OPTED = "arn:aws:kms:me-south-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture(autouse=True)
def no_key_is_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Share also what is done with a single key."""
    monkeypatch.setattr(role_use, "FEW_KEYS", 0)


def organized(*things: Any, scps: Any = None, rcps: Any = None) -> RememberingWorld:
    """Things in an organization of three accounts, in a world that keeps sides."""
    own = organization(scps or {}, rcps or {}, members=dict.fromkeys((OWNER, MEMBER, THIRD), (ROOT,)))
    listed = {t.id for t in things if isinstance(t, AccountFacts)}
    more = () if THIRD in listed else (account(THIRD),)
    return RememberingWorld.of(world_of(*things, own, *more), answers=False)


def classes(given: World, *arns: str) -> list[tuple[int, frozenset[str]] | None]:
    """The classes of callers at all keys of a world."""
    callers = [resolve_caller(given, arn) for arn in arns]
    afar = Afar.at(given, tuple(given.keys.values()), anyone("aws"))
    assert afar is not None
    found = [afar.class_of(caller) for caller in callers]
    assert found == [afar.class_of(caller) for caller in callers]
    return found


def are_alike(given: World, one: str = A, other: str = B) -> bool:
    """Whether two are of one class and know of the same keys; if so, they have the same row at all other keys."""
    first, second = classes(given, one, other)
    assert first is not None
    assert second is not None
    rows = [
        [every_action(given, resolve_caller(given, arn), used, ALL_SOURCES, DECISION) for arn in (one, other)]
        for used in given.keys.values() if used.arn not in first[1] | second[1]
    ]  # fmt: skip
    if first == second:
        assert all(mine is not None and mine is its for mine, its in rows)
    return first == second


@pytest.mark.parametrize("other", [B, OF_THIRD])
def test_roles_with_the_same_documents_are_alike_also_of_two_accounts(other: str) -> None:
    people = [principal(arn, FULL) for arn in (A, other)]
    assert are_alike(organized(key(OPEN), *people), other=other)


@pytest.mark.parametrize(
    ("keys", "facts"),
    [
        ([key(OPEN)], {"documents": (policy(allow(None, "kms:Encrypt")),)}),
        ([key(OPEN), key(OPEN, arn=SECOND)], {"documents": (policy(allow(None, "kms:*", Resource=KEY)),)}),
        ([key(OPEN)], {"boundary": policy(allow(None, "kms:Encrypt"))}),
        ([key(allow("*", when=TAGGED))], {"tags": {"team": "red"}}),
        ([key(allow("*", when={"StringEquals": {"kms:EncryptionContext:of": "${aws:PrincipalTag/team}"}}))],
         {"tags": {"team": "red"}}),
        ([key(OPEN)], {"complete": False, "gap": "row"}),
    ],
)  # fmt: skip
def test_what_counts_at_some_key_tells_two_roles_apart(keys: list[Any], facts: dict[str, Any]) -> None:
    documents = facts.pop("documents", (FULL,))
    assert not are_alike(organized(*keys, principal(A, FULL), principal(B, *documents, **facts)))


def test_policies_for_other_keys_each_tell_two_roles_apart() -> None:
    held = [policy(allow(None, "kms:*", Resource=arn)) for arn in (KEY, SECOND)]
    people = [principal(arn, document) for arn, document in zip((A, B), held, strict=True)]
    assert not are_alike(organized(key(OPEN), key(OPEN, arn=SECOND), *people))


def test_policies_for_one_key_and_for_two_tell_two_roles_apart() -> None:
    arns = (KEY, SECOND, f"{KEY[:-1]}d")
    held = ((A, arns[:1]), (B, arns[:2]))
    people = [principal(who, policy(allow(None, "kms:*", Resource=list(some)))) for who, some in held]
    assert not are_alike(organized(*(key(OPEN, arn=arn) for arn in arns), *people))


def test_other_actions_on_the_same_key_tell_two_roles_apart() -> None:
    people = [
        principal(who, policy(allow(None, action, Resource=KEY)))
        for who, action in ((A, "kms:Decrypt"), (B, "kms:Encrypt"))
    ]  # fmt: skip
    assert not are_alike(organized(key(OPEN), key(OPEN, arn=SECOND), *people))


@pytest.mark.parametrize("operator", ["ArnLike", "ArnNotLike"])
def test_name_that_a_condition_lets_through_tells_two_roles_apart_and_another_name_does_not(operator: str) -> None:
    named = key(allow("*", when={operator: {"aws:PrincipalArn": "arn:aws:iam::*:role/A*"}}))
    people = [principal(iam(MEMBER, f"role/{name}"), FULL) for name in ("A", "Ab", "B", "C")]
    one, same, other, third = classes(organized(named, *people), *(p.arn for p in people))
    assert one == same != other == third


def test_tests_of_single_keys_are_each_looked_at() -> None:
    keys = [
        key(allow("*", when={"StringEquals": {"aws:PrincipalTag/team": team}}), arn=arn)
        for team, arn in (("red", KEY), ("blue", SECOND))
    ]  # fmt: skip
    people = [principal(arn, FULL, tags={"team": team}) for arn, team in ((A, "green"), (B, "blue"))]
    assert not are_alike(organized(*keys, *people))


def test_kind_of_caller_tells_apart() -> None:
    user = iam(MEMBER, "user/B")
    assert not are_alike(organized(key(OPEN), principal(A, FULL), principal(user, FULL)), other=user)


def test_partition_tells_apart() -> None:
    abroad = A.replace("arn:aws:", "arn:aws-cn:")
    given = organized(key(allow("*")), principal(A, FULL), principal(abroad, FULL))
    assert not are_alike(given, other=abroad)


def test_linked_role_is_apart_from_another_that_no_control_policy_binds_either() -> None:
    linked = iam(MANAGER, "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling")
    plain = iam(MANAGER, "role/A")
    people = [principal(arn, FULL) for arn in (plain, linked)]
    given = organized(key(allow("*")), *people, account(MANAGER), rcps={ROOT: [policy(deny("*"))]})
    assert not are_alike(given, plain, linked)


def test_guardrails_of_an_account_tell_its_roles_apart() -> None:
    scps = {MEMBER: [policy(allow(None, "*")), policy(deny(None, "kms:Decrypt"))]}
    people = [principal(arn, FULL) for arn in (A, OF_THIRD)]
    assert not are_alike(organized(key(OPEN), *people, scps=scps), other=OF_THIRD)


def test_guardrails_of_the_keys_are_looked_at_as_well() -> None:
    rcps = {ROOT: [policy(deny("*", "kms:Decrypt", when=TAGGED))]}
    people = [principal(A, FULL, tags={"team": "red"}), principal(B, FULL)]
    assert not are_alike(organized(key(OPEN), *people, rcps=rcps))


def test_regions_that_an_account_has_not_enabled_tell_its_roles_apart() -> None:
    enabled = [
        replace(account(own), opted_in_regions=regions)
        for own, regions in ((MEMBER, frozenset[str]()), (THIRD, frozenset({"me-south-1"})))
    ]  # fmt: skip
    people = [principal(arn, FULL) for arn in (A, OF_THIRD)]
    given = organized(key(OPEN), key(OPEN, arn=OPTED), *people, *enabled)
    assert not are_alike(given, other=OF_THIRD)


def test_regions_are_looked_at_as_the_account_of_each_key_lists_them() -> None:
    """One lists a Region that nobody knows as on by default, the other does not."""
    region, fourth = "xx-newer-1", "444444444444"
    of_owner = KEY.replace("eu-west-1", region)
    facts = [
        account(OWNER, default_regions=frozenset({region})), account(fourth),
        account(MEMBER, opted_in_regions=frozenset[str]()), account(THIRD, opted_in_regions=frozenset({region})),
    ]  # fmt: skip
    keys = [key(OPEN, arn=of_owner), key(OPEN, arn=of_owner.replace(OWNER, fourth))]
    people = [principal(arn, FULL) for arn in (A, OF_THIRD)]
    assert not are_alike(organized(*keys, *people, *facts), other=OF_THIRD)


@pytest.mark.parametrize(
    ("used", "apart"),
    [
        (key(OPEN), False),
        (key(OPEN, arn=KEY.replace(OWNER, MEMBER)), True),
        (key(OPEN, allow(iam(MEMBER, "root"))), True),
        (key(OPEN, deny(iam(MEMBER, "role/Z"))), True),
        (key(OPEN, allow(iam(THIRD, "root"))), False),
        (key(OPEN, grants=(grant(iam(MEMBER, "role/Z")),)), True),
        (key(OPEN, grants=(grant(iam(THIRD, "role/Z")),)), False),
        (key(OPEN, grants=(grant(iam(THIRD, "role/Z"), issuing_account=""),)), True),
        (key(OPEN, allow({"AWS": "AROAGONE"})), True),
        (key(OPEN, deny(None, NotPrincipal={"AWS": iam(THIRD, "root")})), True),
        (key(OPEN, allow("*", "kms:Encrypt", when=LATER)), True),
    ],
)
def test_key_that_knows_somebody_or_tells_everybody_apart_counts_for_nothing(used: Any, apart: bool) -> None:
    (found,) = classes(organized(used, key(OPEN, arn=SECOND), principal(A, FULL)), A)
    assert found is not None
    assert (used.arn in found[1]) is apart
    assert SECOND not in found[1]


def test_key_that_names_a_unique_id_counts_for_who_has_none_that_was_read_alone() -> None:
    given = organized(key(OPEN, allow({"AWS": "AROAGONE"})), principal(A, FULL), principal(B, FULL, unique_id="AROAB"))
    unknown, other = classes(given, A, B)
    assert unknown is not None
    assert other is not None
    assert (unknown[1], other[1]) == ({KEY}, set())


@pytest.mark.parametrize("who", ["s3.amazonaws.com", f"arn:aws:sts::{STRANGER}:federated-user/Eve", "late"])
def test_whoever_is_no_member_of_an_account_or_waits_for_a_date_has_no_class(who: str) -> None:
    late = principal(A, policy(allow(None, "kms:*", when=LATER)))
    assert classes(organized(key(OPEN), late), A if who == "late" else who) == [None]


def test_root_users_are_alike_and_no_roles() -> None:
    given = organized(key(OPEN), *(principal(arn, FULL) for arn in (A, OF_THIRD)))
    first, second, role = classes(given, iam(MEMBER, "root"), iam(THIRD, "root"), A)
    assert first is not None
    assert first == second
    assert first != role


@pytest.mark.parametrize(("named", "apart"), [("AIDAANN", True), ("AIDABOB", False)])
def test_sessions_of_users_are_alike_where_no_key_knows_their_user(named: str, apart: bool) -> None:
    facts = {MEMBER: "AIDAANN", THIRD: "AIDACARL"}
    people = [principal(iam(owner, "user/Ann"), FULL, unique_id=id_) for owner, id_ in facts.items()]
    given = organized(key(OPEN), key(OPEN, allow({"AWS": named}), arn=SECOND), *people)
    users = [resolve_caller(given, who.arn) for who in people]
    afar = Afar.at(given, tuple(given.keys.values()), anyone("aws"))
    assert afar is not None
    (ann, carl), user = (afar.class_of(federated_of(one)) for one in users), afar.class_of(users[0])
    assert ann is not None
    assert carl is not None
    assert user is not None
    assert ann[0] == carl[0] != user[0]
    assert (SECOND in ann[1], SECOND in carl[1]) == (apart, False)


def test_nobody_has_a_class_where_every_key_tells_everybody_apart() -> None:
    dated = key(allow("*", "kms:Encrypt", when=LATER))
    assert classes(organized(dated, principal(A, FULL)), A) == [None]


def test_world_that_keeps_no_sides_has_no_classes() -> None:
    plain = world_of(key(OPEN), principal(A, FULL))
    assert Afar.at(plain, tuple(plain.keys.values()), anyone("aws")) is None


def test_classes_at_more_keys_serve_for_some_of_them_as_these_were_then() -> None:
    given = organized(key(OPEN), key(OPEN, arn=SECOND), principal(A, FULL))
    first, second = given.keys.values()
    of_second = Afar.at(given, (second,), anyone("aws"))
    of_both = Afar.at(given, (first, second), anyone("aws"))
    assert of_both is not of_second
    assert Afar.at(given, (first,), anyone("aws")) is of_both
    assert Afar.at(given, (second,), anyone("aws")) is of_second
    assert Afar.at(given, (first, replace(second, state="Disabled")), anyone("aws")) not in {of_both, of_second}


def test_classes_hold_as_long_as_nothing_is_forgotten() -> None:
    given = organized(key(OPEN), *(principal(arn, FULL) for arn in (A, B)))
    first = Afar.at(given, given.keys.values(), anyone("aws"))
    assert first is not None
    assert first.holds
    assert given.sides is not None
    given.sides.kept = Kept()
    assert not first.holds


def test_once_something_was_forgotten_classes_stay_and_nobody_comes_to_them() -> None:
    given = organized(key(OPEN), *(principal(arn, FULL) for arn in (A, B)))
    afar = Afar.at(given, given.keys.values(), anyone("aws"))
    assert afar is not None
    known, other = (resolve_caller(given, arn) for arn in (A, B))
    before = afar.class_of(known)
    assert before is not None
    assert given.sides is not None
    given.sides.kept = Kept()
    assert afar.class_of(known) == before
    assert afar.class_of(other) is None


def test_roles_are_judged_at_some_keys_where_classes_were_made_at_more() -> None:
    theirs = key(OPEN, arn=SECOND.replace(OWNER, MEMBER))
    given = organized(key(OPEN), theirs, principal(A, FULL))
    used = given.keys[KEY]
    assert Afar.at(given, given.keys.values(), anyone("aws")) is Afar.at(given, (used,), anyone("aws"))
    assert set(RoleUse(given, (used,)).of(A).by_key()) == {KEY}


# -- whoever is judged together ---------------------------------------------------------------------------------------


def test_everybody_behind_a_naming_is_judged_as_one_by_one() -> None:
    people = [principal(iam(own, f"role/{n}"), FULL, tags={"team": t}) for own in (MEMBER, THIRD)
              for n, t in (("A", "red"), ("B", "red"), ("C", "blue"))]  # fmt: skip
    keys = [key(allow("*", when=TAGGED)), key(OPEN, deny(iam(MEMBER, "role/A")), arn=SECOND)]
    given = organized(*keys, *people)
    population = Population(given, keys)
    for used in keys:
        (naming,) = namings_of(used)
        callers = reached_by(naming.selector, used, population).callers
        class_of = population.classes_at(used)
        assert class_of is not None
        told = [
            alike_at(given, callers, used, ALL_SOURCES, DECISION, class_of=classes) for classes in (class_of, None)
        ]  # fmt: skip
        assert told[0] == told[1]
        assert len(told[0]) < len(callers)


def test_classes_are_asked_for_at_open_keys_alone_and_anew_once_something_was_forgotten() -> None:
    used, other = key(OPEN), key(arn=SECOND)
    given = organized(used, other, principal(A, FULL))
    population = Population(given, [used])
    assert population.classes_at(other) is None
    assert population.classes_at(key(OPEN, deny(A))) is None
    first = population.classes_at(used)
    assert first == population.classes_at(used)
    assert given.sides is not None
    given.sides.kept = Kept()
    assert first != population.classes_at(used)
    assert Population(world_of(used), [used]).classes_at(used) is None


@pytest.mark.parametrize("turned", [False, True])
def test_roles_share_what_they_do_at_keys_that_do_not_know_them(turned: bool) -> None:
    away, named = key(OPEN, arn=KEY.replace(OWNER, THIRD)), key(OPEN, deny(A), arn=SECOND)
    given = organized(key(OPEN), away, named, *(principal(arn, FULL) for arn in (A, OF_THIRD)))
    uses = RoleUse(given, given.keys.values())
    found = {arn: uses.of(arn) for arn in ((OF_THIRD, A) if turned else (A, OF_THIRD))}
    assert found[A].shared is found[OF_THIRD].shared
    assert found[A].by_key().keys() == {KEY, away.arn}
    assert found[OF_THIRD].by_key().keys() == {KEY, SECOND, away.arn}
    assert (found[A].own.keys(), found[OF_THIRD].own.keys()) == (set(), {away.arn})


@pytest.mark.parametrize("hops", [2, 1], ids=["followed", "cut"])
def test_paths_through_roles_that_share_reach_every_key_that_one_of_them_may_use(hops: int) -> None:
    """C is apart from two keys, one that denies it and one of its account; A, which comes after it, may use both."""
    may = policy(allow(None, "kms:*"))
    ways = {"ToA": [A], "ToC": [OF_THIRD], "ToEach": [A, OF_THIRD]}
    entries = [
        principal(iam(MANAGER, f"role/{name}"), policy(allow(None, "sts:AssumeRole", Resource=to)),
                  trust=admits(iam(STRANGER, "root")))
        for name, to in ways.items()
    ]  # fmt: skip
    people = [principal(arn, may, trust=admits(iam(MANAGER, "root"))) for arn in (A, OF_THIRD)]
    of_a, of_c = KEY.replace(OWNER, MEMBER), KEY.replace(OWNER, THIRD)
    keys = [key(OPEN, arn=arn) for arn in (KEY, of_a, of_c)] + [key(OPEN, deny(OF_THIRD), arn=SECOND)]
    given = organized(*keys, *entries, *people, account(MANAGER))
    one, apart = (
        {(r.path.split("/")[1].split(" ")[0], r.key_arn, r.actions, r.decision)
         for r in analyzed(given, by_class=by, max_role_hops=hops).access if r.mechanism == "role"}
        for by in (True, False)
    )  # fmt: skip
    assert one == apart
    reached = {name: {arn for way, arn, *_ in one if way == name} for name in ways}
    everything = {KEY, of_a, of_c, SECOND}
    assert reached == {"ToA": everything, "ToC": everything - {SECOND}, "ToEach": everything}


def test_key_of_an_account_that_iam_means_is_no_shared_one() -> None:
    to_owner = [policy(allow(None, "kms:Decrypt"), allow(None, "kms:Encrypt", Resource=f"arn:aws:kms:*:{own}:key/*"))
                for own in (OWNER, THIRD)]  # fmt: skip
    given = organized(
        key(allow("*", "kms:*", when=OURS)), *(principal(arn, d) for arn, d in zip((A, B), to_owner, strict=True))
    )
    uses = RoleUse(given, given.keys.values())
    found = [{use.action.name for use in uses.of(arn).by_key()[KEY]} for arn in (A, B)]
    assert found == [{"Decrypt", "Encrypt"}, {"Decrypt"}]


def test_few_keys_are_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    given = organized(key(OPEN), key(OPEN, arn=SECOND), *(principal(arn, FULL) for arn in (A, OF_THIRD)))
    monkeypatch.setattr(role_use, "FEW_KEYS", 2)
    uses = RoleUse(given, given.keys.values())
    assert [(uses.of(arn).own.keys(), uses.of(arn).shared) for arn in (A, OF_THIRD)] == [({KEY, SECOND}, {})] * 2
    monkeypatch.setattr(role_use, "FEW_KEYS", 1)
    uses = RoleUse(given, given.keys.values())
    assert [(uses.of(arn).own, uses.of(arn).shared.keys()) for arn in (A, OF_THIRD)] == [({}, {KEY, SECOND})] * 2


def test_shares_of_what_was_forgotten_are_not_taken() -> None:
    """The class of the second has the number that the class of the first had."""
    held = {A: policy(allow(None, "kms:Decrypt")), B: policy(allow(None, "kms:Encrypt"))}
    both = allow("*", "kms:Decrypt", "kms:Encrypt", when=OURS)
    given = organized(key(both), *(principal(arn, document) for arn, document in held.items()))
    uses, found = RoleUse(given, given.keys.values()), {}
    assert given.sides is not None
    for arn in held:
        given.sides.kept = Kept()
        found[arn] = [use.action.name for use in uses.of(arn).by_key()[KEY]]
    assert found == {A: ["Decrypt"], B: ["Encrypt"]}


def test_classes_are_made_anew_once_something_was_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    given = organized(key(OPEN), *(principal(arn, FULL) for arn in (A, B, OF_THIRD)))
    uses, made, make = RoleUse(given, given.keys.values()), [], Afar.at
    monkeypatch.setattr(Afar, "at", lambda *about: made.append(make(*about)) or made[-1])
    for arn in (A, B):
        uses.of(arn)
    assert len(made) == 1
    assert given.sides is not None
    given.sides.kept = Kept()
    uses.of(OF_THIRD)
    assert len(made) == 2
