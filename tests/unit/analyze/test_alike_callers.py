"""Callers who are judged together at a key: who shares a judgement, and what stays each one's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.decision import ends as ends_module
from scanner.analyze.decision import sides as sides_module
from scanner.analyze.decision.evaluation import ALL_SOURCES
from scanner.analyze.decision.every_action import DECISION, alike_at, every_action_each
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.keys.crowd import judge, judge_each
from scanner.analyze.keys.everybody import split_everybody
from scanner.analyze.keys.judge import Judgement
from scanner.analyze.keys.uses import Carried, ForeignUses
from scanner.analyze.principals.reach import Population, Reached, reached_by
from scanner.analyze.principals.selectors import namings_of
from scanner.analyze.request.caller import anyone, federated_of, resolve_caller
from scanner.model.arn import AccountId
from scanner.model.finding import FindingVerdict, Kind
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalKind
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MEMBER,
    ORG,
    OWNER,
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
    ram,
    text,
)
from builders import world as world_of

THIRD = "333333333333"
MIDDLE = "400000000000"
FIFTH = "555555555555"
OURS = {"StringEquals": {"aws:PrincipalOrgID": ORG}}
DECRYPT = policy(allow(None, "kms:Decrypt"))
BY_TAG = policy(allow(None, "kms:*", when={"StringEquals": {"aws:PrincipalTag/team": "red"}}))


def organized(*things: Any) -> World:
    """Things in an organization of three accounts."""
    own = organization(members=dict.fromkeys((OWNER, MEMBER, THIRD), ("r-root",)))
    return world_of(*things, own, account(THIRD))


def judged(*people: Any, statement: Any = None, kept: bool = True, **facts: Any) -> list[Judgement]:
    """What everybody of the organization is judged to do with a key."""
    used = key(statement or allow("*", "kms:Decrypt", "kms:Encrypt", when=OURS), **facts)
    given = organized(used, *people)
    given = RememberingWorld.of(given, answers=False) if kept else given
    (naming,) = namings_of(used)
    reached = reached_by(naming.selector, used, Population(given))
    single = list(judge_each(given, used, naming, reached))
    together = list(judge(given, used, naming, reached))
    apart = organized(used, *people)
    plain = list(judge(apart, used, naming, reached_by(naming.selector, used, Population(apart))))
    assert sorted(map(said, single)) == sorted(map(said, plain))
    return together


def said(judgement: Judgement) -> tuple[str, str, str, str]:
    """What a judgement says of its caller."""
    return judgement.caller.text, judgement.action.name, judgement.verdict.value, judgement.reason


def is_within(part: list[Any], whole: list[Any]) -> bool:
    """Whether a list is left of another one where some members of that are taken away."""
    rest = iter(whole)
    return all(any(other == one for other in rest) for one in part)


def told(judgements: Iterable[Judgement]) -> list[tuple[str, str]]:
    """Actions and callers in order."""
    return [(j.action.name, j.caller.text) for j in judgements]


def shares(judgements: list[Judgement], action: str = "Decrypt") -> list[set[str]]:
    """The names of the roles that are judged together about one action."""
    found = []
    for judgement in judgements:
        names = {c.role_name for c in judgement.callers if c.kind is PrincipalKind.ROLE}
        if judgement.action.name == action and names:
            found.append(names)
    return found


# -- who is judged together -------------------------------------------------------------------------------------------


def test_roles_of_two_accounts_with_the_same_row_share_a_judgement() -> None:
    found = judged(principal(iam(MEMBER, "role/A"), FULL), principal(iam(THIRD, "role/B"), FULL))
    assert shares(found) == [{"A", "B"}]


def test_roles_that_can_do_something_else_do_not() -> None:
    found = judged(principal(iam(MEMBER, "role/A"), FULL), principal(iam(MEMBER, "role/B"), DECRYPT))
    assert shares(found) == shares(found, "Encrypt") == [{"A"}, {"B"}]


def test_judgements_come_action_by_action_in_the_order_of_the_first_who_share_them() -> None:
    people = (("A", DECRYPT), ("B", FULL), ("C", DECRYPT))
    found = judged(*(principal(iam(MEMBER, f"role/{name}"), document) for name, document in people))
    order = [(j.action.name, j.caller.text[-1]) for j in found if j.caller.kind is PrincipalKind.ROLE]
    assert order == [("Decrypt", "A"), ("Decrypt", "B"), ("Encrypt", "A"), ("Encrypt", "B")]


@pytest.mark.parametrize("facts", [{"gaps": {"grants": "row"}, "grants": None}, {}])
@pytest.mark.parametrize("statement", [allow("*", "kms:Decrypt", "kms:NewThing", when=OURS), None])
def test_where_rows_do_not_do_everybody_is_judged_alone(statement: Any, facts: Any) -> None:
    people = [principal(iam(MEMBER, f"role/{name}"), FULL) for name in "AB"]
    alone = bool(statement or facts)
    assert len(shares(judged(*people, statement=statement, **facts))) == (2 if alone else 1)
    assert len(shares(judged(*people, statement=statement, kept=False, **facts))) == 2


def test_closed_account_is_judged_apart_from_an_open_one() -> None:
    used = key(allow({"AWS": [MEMBER, THIRD]}, "kms:Decrypt"))
    people = [principal(iam(a, "role/A"), FULL) for a in (MEMBER, THIRD)]
    given = RememberingWorld.of(world_of(used, *people, account(THIRD, status="SUSPENDED")), answers=False)
    verdicts = {}
    for naming in namings_of(used):
        for judgement in judge(given, used, naming, reached_by(naming.selector, used, Population(given))):
            verdicts.update((c.text, judgement.reason) for c in judgement.callers if c.kind is PrincipalKind.ROLE)
    assert verdicts == {iam(MEMBER, "role/A"): "both_sides_allow", iam(THIRD, "role/A"): "account_suspended"}


def test_sessions_of_users_are_told_where_their_own_user_can_do_less() -> None:
    session = policy(allow(None, "kms:Decrypt"))
    tests = policy(allow(None, "kms:*", when={"StringEquals": {"aws:PrincipalType": "FederatedUser"}}))
    people = [principal(iam(MEMBER, f"user/{name}"), session) for name in ("Ann", "Ben")]
    people.append(principal(iam(THIRD, "user/Cas"), tests))
    found = judged(*people, statement=allow("*", "kms:Decrypt", "kms:Encrypt", when=OURS))
    sessions = {(c.parent_user, j.action.name) for j in found for c in j.callers if c.session_open}
    assert sessions == {(iam(THIRD, "user/Cas"), action) for action in ("Decrypt", "Encrypt")}


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("only", [None, FIFTH, THIRD])
def test_public_is_told_in_the_order_of_accounts_and_principals(only: str | None, closed: bool) -> None:
    """Those with less are the first of the one account, those with more the first of the other."""
    people = [
        principal(iam(a, f"role/{n}"), FULL if (n in "AC") == (a == FIFTH) else DECRYPT, tags={})
        for a in (THIRD, FIFTH) for n in "ABCD"
    ]  # fmt: skip
    people.append(principal(iam(MIDDLE, "role/E"), policy(allow(None, "kms:Encrypt")), tags={}))
    accounts = account("000000000001", collected=False), account(THIRD), account(MIDDLE), account(FIFTH)
    guard = deny("*", "kms:*", when={"StringNotEquals": {"aws:PrincipalAccount": only}})
    used = key(allow("*", "kms:Decrypt", "kms:Encrypt"), *((guard,) if only else ()))
    given = RememberingWorld.of(world_of(used, *people, *accounts), answers=False)
    if closed:
        shut = {**given.accounts, AccountId(FIFTH): replace(given.accounts[AccountId(FIFTH)], status="SUSPENDED")}
        given = replace(given, accounts=shut)
    (naming,), population = namings_of(used), Population(given)
    known = (c for a in given.accounts for c in population.identities_of(a, "aws") if a != OWNER)
    callers = *known, anyone("aws")
    places = {caller.text: place for place, caller in enumerate(callers)}
    together = judge(given, used, naming, Reached(callers))
    each = sorted(judge_each(given, used, naming, Reached(callers)), key=lambda j: places[j.caller.text])
    single = [j for name in ("Decrypt", "Encrypt") for j in each if j.action.name == name]
    assert is_within(told(together), told(single))
    kept, selectors = split_everybody(together, callers, population, "aws")
    apart, same = split_everybody(single, callers, population, "aws")
    assert selectors == same
    assert kept
    assert is_within(told(kept), told(apart))
    assert {(j.action.name, c.text) for j in kept for c in j.callers} == set(told(apart))


# -- what their documents say -----------------------------------------------------------------------------------------


def test_same_row_from_other_statements_is_told_apart_by_ground() -> None:
    by_two = policy(allow(None, "kms:Decrypt"), allow(None, "kms:Encrypt", "kms:D*", "kms:*"))
    people = [("A", FULL), ("B", by_two), ("C", FULL), ("D", FULL)]
    used = key(allow("*", "kms:*", when=OURS))
    given = RememberingWorld.of(
        organized(used, *(principal(iam(MEMBER, f"role/{n}"), d) for n, d in people)), answers=False
    )
    callers = [resolve_caller(given, iam(MEMBER, f"role/{name}")) for name, _ in people]
    ((row, together, grounds),) = alike_at(given, callers, used, ALL_SOURCES, DECISION)
    assert row is not None
    assert together == tuple(callers)
    assert grounds[0] is grounds[2] is grounds[3]
    assert grounds[0] is not grounds[1]


def test_session_of_a_user_whom_a_key_names_is_told_from_those_of_others() -> None:
    used = key(allow(iam(MEMBER, "user/Ann"), "kms:*"))
    people = [principal(iam(MEMBER, f"user/{name}"), FULL) for name in ("Ann", "Bob", "Carl")]
    given = RememberingWorld.of(organized(used, *people), answers=False)
    ann, bob, carl = (federated_of(resolve_caller(given, one.arn)) for one in people)
    found = alike_at(given, (bob, ann, carl), used, ALL_SOURCES, DECISION)
    assert [callers for _, callers, _ in found] == [(bob, carl), (ann,)]


def carried(given: World, *names: str) -> Carried:
    """What some policies carry."""
    world = RememberingWorld.of(given, answers=False)
    uses, population = ForeignUses(), Population(world)
    for used in given.keys.values():
        for naming in namings_of(used):
            reached = reached_by(naming.selector, used, population)
            uses.note(used, naming.mechanism, judge(world, used, naming, reached))
    hashes = {(p.name, p.sha256) for one in given.principals.values() for p in one.identity_policies if p.name in names}
    return uses.carried(world, frozenset(hashes))


def carried_by(given: World, *names: str) -> set[tuple[str, int, str]]:
    """By policy and place of the statement that carries it, the names of the roles told of."""
    return {
        (name, index, judgement.caller.role_name)
        for grounds, by_key in carried(given, *names).sure.items()
        for (name, _, index), _ in grounds for judgement in by_key.values()
    }  # fmt: skip


def holding(where: str, name: str, *policies: tuple[str, Any], **facts: Any) -> Any:
    """A role with policies of its account by name."""
    held = tuple(text(document, DocumentKind.IDENTITY, name=called) for called, document in policies)
    return replace(principal(iam(where, f"role/{name}"), **facts), identity_policies=held)


ADMITTED = key(allow("*", "kms:Decrypt", when=OURS))


def test_every_policy_is_told_of_its_own_holders_though_all_share_a_judgement() -> None:
    one, two = holding(MEMBER, "One", ("p", DECRYPT)), holding(THIRD, "Two", ("q", DECRYPT), ("r", FULL))
    given = organized(ADMITTED, one, two, holding(MEMBER, "Zed", ("q", DECRYPT), ("r", FULL)))
    assert carried_by(given, "p", "q", "r") == {("p", 0, "One"), ("q", 0, "Two"), ("r", 0, "Two")}


def test_policies_of_one_text_are_told_by_the_names_that_they_bear() -> None:
    given = organized(ADMITTED, holding(MEMBER, "One", ("p", FULL)), holding(MEMBER, "Two", ("q", FULL)))
    assert carried_by(given, "p", "q") == {("p", 0, "One"), ("q", 0, "Two")}


def test_statement_is_told_of_those_for_whom_it_matches() -> None:
    by_team = policy(
        *(
            allow(None, "kms:Decrypt", when={"StringEquals": {"aws:PrincipalTag/team": team}})
            for team in ("red", "blue")
        )
    )
    roles = [holding(MEMBER, team, ("p", by_team), tags={"team": team}, session_tags={}) for team in ("red", "blue")]
    assert carried_by(organized(ADMITTED, *roles), "p") == {("p", 0, "red"), ("p", 1, "blue")}


def test_policies_that_nobody_asks_about_are_not_looked_at() -> None:
    given = organized(ADMITTED, holding(MEMBER, "A", ("p", FULL)))
    assert carried_by(given, "another") == set()
    assert carried_by(given, "p") == {("p", 0, "A")}


@pytest.mark.parametrize("action", ["kms:NewThing", "kms:Encrypt"])
def test_actions_that_a_policy_tells_apart_are_carried_by_other_statements(action: str) -> None:
    used = key(allow("*", "kms:Decrypt", action, "kms:NewerThing", when=OURS))
    held = policy(allow(None, "kms:Decrypt", "kms:NewerThing"), allow(None, action))
    found = carried(organized(used, holding(MEMBER, "A", ("p", held))), "p")
    told_of = found.unsure if action == "kms:NewThing" else found.sure
    assert {index for grounds in told_of for (_, _, index), _ in grounds} == {0, 1}


def test_two_policies_that_give_an_account_the_same_are_findings_of_their_own() -> None:
    wide = policy(allow(None, "kms:Decrypt", Resource="*"))
    wider = policy(allow(None, "kms:Decrypt", "kms:Encrypt", Resource="*"))
    people = [principal(iam(a, f"role/{n}"), d) for a in (MEMBER, THIRD) for n, d in (("A", wide), ("B", wider))]
    given = organized(key(allow("*", "kms:Decrypt", when=OURS)), *people)
    kept, plain = (analyzed(given, by_class=by_class) for by_class in (True, False))
    assert kept.findings == plain.findings
    assert len(kept.of(Kind.BROAD_KEY_PERMISSION)) >= 2


def test_what_grants_and_shares_give_is_told_by_class_and_key() -> None:
    who = iam(MEMBER, "role/A")
    granted = key(arn=f"{KEY[:-1]}1", grants=(grant(who, "Decrypt"),))
    shared = key(allow(who, "kms:Encrypt"), arn=f"{KEY[:-1]}2", ram_policy=ram(allow(who, "kms:Encrypt")))
    given = RememberingWorld.of(organized(granted, shared, principal(who, FULL)), answers=False)
    uses = ForeignUses()
    for used in (granted, shared):
        for naming in namings_of(used):
            reached = reached_by(naming.selector, used, Population(given))
            uses.note(used, naming.mechanism, judge(given, used, naming, reached))
    told = {(use.key.arn[-1], m, action) for _, use in uses.given_without_policies() for m, action in use.judgements}
    assert told == {("1", "grant", "Decrypt"), ("2", "ram", "Encrypt")}
    ((name, _), _) = uses.given_without_policies()
    by_key = uses.of_class(name)
    assert {m for use in by_key.values() for m, _ in use.judgements} == {"grant", "ram", "key_policy"}
    assert by_key.keys() == {granted.arn, shared.arn}
    assert uses.of_class(name, lambda arn: arn == shared.arn) == {shared.arn: by_key[shared.arn]}
    assert uses.of_class("nobody") == {}


def test_class_is_told_of_the_strongest_of_its_members_and_of_all_who_can() -> None:
    tagged = [principal(iam(MEMBER, f"role/{n}"), BY_TAG, tags={"team": t}) for n, t in (("A", "blue"), ("B", "red"))]
    limited = principal(iam(MEMBER, "role/C"), policy(allow(None, "kms:Decrypt")), tags={})
    used = key(allow("*", "kms:Decrypt", "kms:Encrypt", when=OURS))
    given = RememberingWorld.of(organized(used, *tagged, limited), answers=False)
    (naming,), uses = namings_of(used), ForeignUses()
    uses.note(used, naming.mechanism, judge(given, used, naming, reached_by(naming.selector, used, Population(given))))
    (use,) = uses.of_class(f"{MEMBER}; {tagged[0].identity_policies[0].name}").values()
    assert {j.caller.role_name for (_, action), j in use.judgements.items() if action == "Encrypt"} == {"B"}
    assert use.callers == {iam(MEMBER, "role/B"), iam(MEMBER, "role/C")}


def test_class_is_told_of_the_first_by_name_of_those_who_can_do_as_much() -> None:
    other, first, last = ((THIRD, "0", DECRYPT), (MEMBER, "a", FULL), (MEMBER, "z", DECRYPT))
    people = [holding(where, name, ("p", document)) for where, name, document in (other, first, last)]
    used = key(allow("*", "kms:Decrypt", "kms:Encrypt", when=OURS))
    given = RememberingWorld.of(organized(used, *people), answers=False)
    (naming,), uses = namings_of(used), ForeignUses()
    uses.note(used, naming.mechanism, judge(given, used, naming, reached_by(naming.selector, used, Population(given))))
    (use,) = uses.of_class(f"{MEMBER}; p").values()
    assert {j.caller.role_name for j in use.judgements.values()} == {"a"}
    assert use.callers == {iam(MEMBER, "role/a"), iam(MEMBER, "role/z")}


def noted_at(used: Any, *people: Any) -> tuple[ForeignUses, World]:
    """What is noted at a key."""
    given = RememberingWorld.of(organized(used, *people), answers=False)
    uses = ForeignUses()
    for naming in namings_of(used):
        reached = reached_by(naming.selector, used, Population(given))
        uses.note(used, naming.mechanism, judge(given, used, naming, reached))
    return uses, given


def test_who_can_do_one_of_two_actions_is_told_of_that_alone() -> None:
    red = {"StringEquals": {"aws:PrincipalOrgID": ORG, "aws:PrincipalTag/team": "red"}}
    used = key(allow("*", "kms:Decrypt", when=red), allow("*", "kms:Encrypt", when=OURS))
    facts = ((MEMBER, "red"), (THIRD, "blue"))
    people = [holding(a, "A", ("p", FULL), tags={"team": team}, session_tags={}) for a, team in facts]
    uses, given = noted_at(used, *people)
    for where, actions in ((MEMBER, {"Decrypt", "Encrypt"}), (THIRD, {"Encrypt"})):
        ((arn, use),) = uses.of_class(f"{where}; p").items()
        assert (arn, {action for _, action in use.judgements}) == (used.arn, actions)
    told_of = {
        (judgement.caller.account_id, action)
        for by_key in uses.carried(given, frozenset({("p", people[0].identity_policies[0].sha256)})).sure.values()
        for (_, action), judgement in by_key.items()
    }
    assert told_of == {(MEMBER, "Decrypt"), (THIRD, "Encrypt")}


def test_role_of_an_account_that_was_not_read_is_no_class_of_ours() -> None:
    uses, given = noted_at(key(allow(iam(STRANGER, "role/X"), "kms:Decrypt")))
    assert len(uses.noted) == 1
    assert uses.of_class(f"{STRANGER}; ") == uses.of_class(STRANGER) == {}
    assert not uses.carried(given, frozenset()).sure


@pytest.mark.parametrize("by_class", [True, False])
@pytest.mark.parametrize("actions", [("kms:Encrypt",), ("kms:Decrypt", "kms:Encrypt")])
def test_wildcard_completes_a_sure_access_also_where_grants_may_give_another_action(
    actions: tuple[str, ...], by_class: bool
) -> None:
    app = principal(iam(MEMBER, "role/App"), FULL, boundary=policy(allow(None, "kms:Encrypt")))
    partly = key(
        allow(iam(OWNER, "root"), "kms:*"), allow(iam(MEMBER, "root"), *actions), grants=None,
        gaps={"grants": "111122223333/eu-west-1/kms:ListGrants/x"},
    )  # fmt: skip
    (found,) = analyzed(world_of(partly, app), by_class=by_class).of(Kind.BROAD_KEY_PERMISSION)
    assert found.verdict is FindingVerdict.CONFIRMED
    assert [k.arn for k in found.keys] == [partly.arn]


# -- rows -------------------------------------------------------------------------------------------------------------


def test_rows_of_a_finding_come_principal_by_principal() -> None:
    people = [principal(iam(a, f"role/{n}"), FULL if n == "B" else DECRYPT) for a in (THIRD, MEMBER) for n in "BA"]
    given = organized(key(allow("*", "kms:Decrypt", "kms:Encrypt", "kms:DescribeKey", when=OURS)), *people)
    for by_class in (True, False):
        told = [row.principal_arn for row in analyzed(given, by_class=by_class).access if row.path == "direct"]
        assert told == sorted(told)
        assert len(told) > len(set(told))


# -- what is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0, 1, 100])
def test_people_and_keys_are_known_again_by_what_they_hold(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(ends_module, "MOST_ENDS", most)
    used = key(allow("*", "kms:*", when=OURS))
    given = RememberingWorld.of(organized(used, principal(iam(MEMBER, "role/A"), FULL)), answers=False)
    rows = []
    for _ in range(4):
        who, again = resolve_caller(given, iam(MEMBER, "role/A")), key(allow("*", "kms:*", when=OURS))
        rows.extend(every_action_each(given, [(who, again), (who, used)], ALL_SOURCES, DECISION))
    assert all(row is rows[0] for row in rows)
    assert rows[0] is not None
    assert given.sides is not None
    (known,) = given.sides.kept.ends.values()
    assert len(known.callers) == (4 if most == 100 else 1)  # type: ignore[attr-defined]


def test_nothing_is_forgotten_while_rows_are_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides_module, "MOST_SIDES", 0)
    guard = policy(deny("*", "kms:*", when={"StringNotEquals": {"aws:PrincipalOrgID": ORG}}))
    people = [principal(iam(a, f"role/{n}"), d) for a in (MEMBER, THIRD) for n, d in (("A", FULL), ("B", DECRYPT))]
    used = [key(allow("*", "kms:*", when=OURS), arn=f"{KEY[:-1]}{n}") for n in range(3)]
    own = organization(members=dict.fromkeys((OWNER, MEMBER, THIRD), ("r-root",)), rcps={"r-root": [guard]})
    given = RememberingWorld.of(world_of(*used, *people, own, account(THIRD)), answers=False)
    assert given.sides is not None
    before = given.sides.kept
    pairs = [(resolve_caller(given, one.arn), k) for k in used for one in people]
    found = every_action_each(given, pairs, ALL_SOURCES, DECISION)
    assert given.sides.kept is before
    again = every_action_each(given, pairs, ALL_SOURCES, DECISION)
    assert given.sides.kept is not before
    assert found == again
    assert None not in found
