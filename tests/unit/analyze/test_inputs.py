"""What the outcome of a trial can depend on: each fact that counts changes the hash, and what is far away does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pytest
from scanner.analyze.edits.inputs import EVERYWHERE, Inputs, digest, listed, stands_aside
from scanner.analyze.findings import analyze
from scanner.analyze.keys.severity import SeverityRules
from scanner.analyze.parts import AnalysisRules, unwanted
from scanner.analyze.principals.approvals import ApprovedAccount, ApprovedProvider
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.context import RequestContext
from scanner.analyze.request.request import Request
from scanner.model.arn import AccountId, KeyArn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.key import KeyFacts
from scanner.model.launches import launch_actions
from scanner.model.policy import DocumentKind
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MEMBER,
    OWNER,
    STRANGER,
    account,
    allow,
    deny,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    ram,
    text,
    world,
)

BESIDE = "222222222222"
APP, ADMIN, FAR = iam(MEMBER, "role/App"), iam(OWNER, "role/Admin"), iam(BESIDE, "role/Far")
OTHER, MRK = KEY.replace("1234abcd", "4321dcba"), KEY.replace("1234abcd-", "mrk-1234")
LATER = "2026-12-24T00:00:00+00:00"
DATED = {"DateLessThan": {"aws:CurrentTime": "2026-11-22T12:00:00Z"}}
TRUST = Trust(approvals=(ApprovedAccount(STRANGER, "P", "2026-12-01"),),
              providers=(ApprovedProvider("token.example", ("a",), "2027-12-01"),))  # fmt: skip
RULES = AnalysisRules(trust=TRUST, severity=SeverityRules({"class": ("pii",)}))
ROW = LedgerRow(BESIDE, "eu-west-1", "kms:ListKeys", "", Outcome.DENIED)

BASE = world(
    key(allow(iam(OWNER, "root"), "kms:*"), allow(APP)), key(allow(APP), arn=OTHER),
    key(allow(APP), arn=MRK), key(allow(APP), arn=MRK.replace("eu-west-1", "us-east-1")),
    principal(ADMIN, FULL), principal(APP, FULL, unique_id="AROAAPP"), principal(FAR, FULL), account(BESIDE),
)  # fmt: skip


def inputs(given: World, rules: AnalysisRules = RULES) -> Inputs:
    return Inputs(Population(given), rules.trust, rules)


def at_key(given: World, *looked_at: str, arn: str = KEY, rules: AnalysisRules = RULES) -> str:
    return inputs(given, rules).at_key(given.keys[KeyArn(arn)], looked_at or (MEMBER,))


def in_world(given: World, *arns: str, rules: AnalysisRules = RULES) -> str:
    return inputs(given, rules).in_world(tuple(KeyArn(a) for a in arns or (KEY,)))


def with_key(arn: str = KEY, **facts: Any) -> World:
    return replace(BASE, keys={**BASE.keys, KeyArn(arn): replace(BASE.keys[KeyArn(arn)], **facts)})


def with_principal(arn: str, **facts: Any) -> World:
    return replace(BASE, principals={**BASE.principals, arn: replace(BASE.principals[arn], **facts)})


def with_account(number: str, **facts: Any) -> World:
    known = BASE.accounts.get(AccountId(number), account(number))
    return replace(BASE, accounts={**BASE.accounts, AccountId(number): replace(known, **facts)})


def without(arn: str) -> World:
    return replace(BASE, principals={a: p for a, p in BASE.principals.items() if a != arn})


def doc(document: object, kind: DocumentKind = DocumentKind.IDENTITY, **parts: str) -> Any:
    return replace(text(document, kind), **parts)


KEY_POLICY = BASE.keys[KeyArn(KEY)].key_policy
assert KEY_POLICY is not None
GUARD = {"r-root": [policy(deny(None, "kms:Decrypt"))]}

OF_THE_WORLD: Mapping[str, World] = {
    "account closed": with_account(BESIDE, status="SUSPENDED"),
    "account renamed": with_account(MEMBER, name="Prod"),
    "account not read": with_account(MEMBER, collected=False),
    "IAM not read": with_account(MEMBER, iam_complete=False),
    "account that is not ours": with_account(BESIDE, ours=False),
    "account that is new": with_account("333333333333"),
    "Regions of an account": with_account(OWNER, opted_in_regions=frozenset({"me-south-1"})),
    "service control policy": replace(BASE, organizations=(organization(GUARD),)),
    "resource control policy": replace(BASE, organizations=(organization(rcps=GUARD),)),
    "place in the organization": replace(
        BASE, organizations=(organization(members={AccountId(OWNER): ("r-root",), AccountId(MEMBER): ("r-root",)}),)
    ),
    "organization not read": replace(BASE, organizations=(), organization_gap="x/y"),
    "guardrails that are not credited": replace(BASE, credit_scp=False),
    "resource guardrails that are not credited": replace(BASE, credit_rcp=False),
    "asserted context": replace(BASE, asserted={"aws:principaltag/team": ("red",)}),
    "unlisted accounts": replace(BASE, unlisted_accounts_collected=True),
    "an approval that has ended": replace(BASE, as_of=LATER),
}


@pytest.mark.parametrize("after", OF_THE_WORLD.values(), ids=OF_THE_WORLD)
def test_what_counts_everywhere_counts_for_every_trial(after: World) -> None:
    assert at_key(after) != at_key(BASE)
    assert in_world(after) != in_world(BASE)


OF_THE_KEY: Mapping[str, dict[str, Any]] = {
    "policy": {"key_policy": doc(policy(allow(APP, "kms:Encrypt")), DocumentKind.KEY_POLICY)},
    "text of the policy under the same hash": {"key_policy": replace(KEY_POLICY, text=KEY_POLICY.text + " ")},
    "shared policy": {"ram_policy": ram(allow(APP))}, "shared policy not read": {"ram_policy_read": False},
    "policy not read": {"key_policy": None, "gaps": {"key_policy": "x/y"}}, "grants": {"grants": (grant(APP),)},
    "grants not read": {"gaps": {"grants": "x/y"}}, "tags": {"tags": {"class": "pii"}}, "tags not read": {"tags": None},
    "aliases": {"aliases": ("alias/a",)}, "state": {"state": "Disabled"}, "usage": {"usage": "SIGN_VERIFY"},
    "spec": {"spec": "RSA_2048"}, "origin": {"origin": "EXTERNAL"},
}  # fmt: skip


@pytest.mark.parametrize("facts", OF_THE_KEY.values(), ids=OF_THE_KEY)
def test_every_fact_of_a_key_counts_for_its_trials_and_for_no_other_key(facts: dict[str, Any]) -> None:
    assert at_key(with_key(**facts)) != at_key(BASE)
    assert in_world(with_key(**facts)) != in_world(BASE)
    assert at_key(with_key(**facts), arn=OTHER) == at_key(BASE, arn=OTHER)
    assert in_world(with_key(**facts), OTHER) == in_world(BASE, OTHER)


OF_A_PRINCIPAL: Mapping[str, World] = {
    "policy": with_principal(APP, identity_policies=(doc(policy(allow(None))),)),
    "order of policies": with_principal(APP, identity_policies=BASE.principals[APP].identity_policies * 2),
    "name of a policy": with_principal(APP, identity_policies=(doc(FULL, name="other"),)),
    "boundary": with_principal(APP, boundary=doc(FULL, DocumentKind.BOUNDARY)),
    "trust": with_principal(APP, trust_policy=doc(FULL, DocumentKind.TRUST)),
    "tags": with_principal(APP, tags={"team": "red"}), "unique id": with_principal(APP, unique_id="AROANEW"),
    "not read as a whole": with_principal(APP, complete=False), "gone": without(APP),
    "somebody new": replace(BASE, principals={**BASE.principals, iam(MEMBER, "user/Ann"): principal(
        iam(MEMBER, "user/Ann"))}),
}  # fmt: skip


@pytest.mark.parametrize("after", OF_A_PRINCIPAL.values(), ids=OF_A_PRINCIPAL)
def test_principals_count_where_their_account_was_looked_at(after: World) -> None:
    assert at_key(after, MEMBER) != at_key(BASE, MEMBER)
    assert at_key(after, EVERYWHERE) != at_key(BASE, EVERYWHERE)
    assert at_key(after, BESIDE) == at_key(BASE, BESIDE)
    assert in_world(after) != in_world(BASE)


def test_principals_of_the_own_account_count_always() -> None:
    assert at_key(without(ADMIN), BESIDE) != at_key(BASE, BESIDE)


def test_principal_counts_in_the_account_of_its_arn_too() -> None:
    for facts in ({"account_id": AccountId(MEMBER)}, {"account_id": AccountId(BESIDE), "tags": {"a": "b"}}):
        moved = with_principal(FAR, **facts)
        assert at_key(moved, BESIDE) != at_key(BASE, BESIDE)
    foreign, tagged = (with_principal(FAR, account_id=AccountId(MEMBER), tags=tags) for tags in ({}, {"a": "b"}))
    for place in (MEMBER, BESIDE):
        assert at_key(tagged, place) != at_key(foreign, place)
    odd = replace(BASE, principals={**BASE.principals, "odd": replace(BASE.principals[FAR], arn="odd")})
    assert at_key(odd, BESIDE) != at_key(BASE, BESIDE)


def test_session_counts_with_the_role_that_it_is_of() -> None:
    name = iam(MEMBER, "assumed-role/App/s")
    given = replace(BASE, principals={**BASE.principals, name: principal(name, parent=FAR)})
    changed = replace(given, principals={**given.principals, FAR: replace(BASE.principals[FAR], tags={"a": "b"})})
    assert at_key(changed, MEMBER) != at_key(given, MEMBER)


def test_unique_id_counts_by_who_holds_it() -> None:
    gone = with_principal(APP, unique_id="")
    assert at_key(gone, "AROAAPP", BESIDE) != at_key(BASE, "AROAAPP", BESIDE)
    assert at_key(gone, "AROAGONE", BESIDE) == at_key(BASE, "AROAGONE", BESIDE)


def test_places_looked_at_are_part_of_the_inputs() -> None:
    empty = replace(BASE, principals={})
    assert at_key(empty, BESIDE) != at_key(empty, MEMBER)


def test_tags_of_related_keys_count_and_their_policies_do_not() -> None:
    kin = MRK.replace("eu-west-1", "us-east-1")
    assert at_key(with_key(kin, tags={"class": "pii"}), arn=MRK) != at_key(BASE, arn=MRK)
    assert at_key(with_key(kin, grants=()), arn=MRK) == at_key(BASE, arn=MRK)
    assert at_key(with_key(kin, tags={"class": "pii"}), arn=OTHER) == at_key(BASE, arn=OTHER)


@pytest.mark.parametrize("rules", [
    replace(RULES, trust=replace(TRUST, approvals=())), replace(RULES, severity=SeverityRules()),
    replace(RULES, service_principals="none"), replace(RULES, max_role_hops=1), replace(RULES, managers=("aws",)),
])  # fmt: skip
def test_rules_count(rules: AnalysisRules) -> None:
    assert at_key(BASE, rules=rules) != at_key(BASE)
    assert in_world(BASE, rules=rules) != in_world(BASE)


def test_approval_of_a_provider_counts_by_whether_it_is_in_date() -> None:
    given = replace(BASE, as_of=LATER)
    assert at_key(replace(given, as_of="2027-12-24T00:00:00+00:00")) != at_key(given)


# -- what no trial looks at -------------------------------------------------------------------------------------------

READS = policy(allow(None, "s3:GetObject", Resource="*"))
WRITES = policy(allow(None, "s3:Put*", "sqs:SendMessage", Resource="arn:aws:s3:::backup/${aws:username}"))


@pytest.mark.parametrize("fact", ["description", "created", "last_used"])
def test_what_findings_only_show_of_a_key_does_not_count(fact: str) -> None:
    assert at_key(with_key(**{fact: "2026-11-29"})) == at_key(BASE)
    assert in_world(with_key(**{fact: "2026-11-29"})) == in_world(BASE)


def held(document: object, **parts: str) -> World:
    return with_principal(APP, identity_policies=(doc(FULL), doc(document, name="beside", **parts)))


def test_policy_about_services_of_which_nothing_is_asked_counts_by_its_name_alone() -> None:
    assert at_key(held(READS)) == at_key(held(WRITES))
    assert in_world(held(READS)) == in_world(held(WRITES))
    none = with_principal(APP, identity_policies=(doc(FULL),))
    renamed = with_principal(APP, identity_policies=(doc(FULL), doc(READS, name="other")))
    for other in (none, renamed, held(READS, source="x")):
        assert at_key(other) != at_key(held(READS))
        assert in_world(other) != in_world(held(READS))


def test_policies_that_do_not_count_count_where_they_stand_between_others() -> None:
    first = with_principal(APP, identity_policies=(doc(READS, name="beside"), doc(FULL)))
    assert at_key(first) != at_key(held(READS))


THAT_COUNT: Mapping[str, object] = {
    "about keys": policy(allow(None, "kms:Decrypt")), "about identities": policy(allow(None, "iam:PassRole")),
    "about roles": policy(allow(None, "sts:AssumeRole")), "in capitals": policy(allow(None, "KMS:Decrypt")),
    "about what runs something": policy(allow(None, "lambda:CreateFunction")),
    "about what may be any service": policy(allow(None, "s*:Get*")), "about everything": policy(allow(None, "*")),
    "about all but something": policy({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}),
    "beside others": policy(allow(None, "s3:GetObject"), allow(None, "kms:Decrypt")),
    "a Deny": policy(deny(None, "s3:DeleteObject")), "a date": policy(allow(None, "s3:GetObject", when=DATED)),
    "a Region": policy(allow(None, "s3:GetObject", when={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})),
    "the ARN of a key": policy(allow(None, "s3:PutObject", when={"StringEquals": {"s3:x": f"{KEY}"}})),
    "a statement that AWS refuses": policy({"Effect": "Allow", "Action": "s3:GetObject"}),
    "an element that no policy has": {**policy(allow(None, "s3:GetObject")), "Foo": "x"}, "no policy": [],
}  # fmt: skip


@pytest.mark.parametrize("document", THAT_COUNT.values(), ids=THAT_COUNT)
def test_policy_counts_as_a_whole_where_anything_of_it_may_be_looked_at(document: object) -> None:
    one, other = (doc(document, name="beside", **parts) for parts in ({}, {"sha256": "another"}))
    worlds = [with_principal(APP, identity_policies=(doc(FULL), held)) for held in (one, other)]
    assert len({at_key(given) for given in worlds}) == 2
    assert len({in_world(given) for given in worlds}) == 2


def test_nothing_is_asked_of_services_whose_policies_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    plain = RequestContext.__init__

    def spying(context: RequestContext, given: World, request: Request) -> None:
        asked.add(request.iam_action.partition(":")[0].lower())
        plain(context, given, request)

    monkeypatch.setattr(RequestContext, "__init__", spying)
    launched = {action.partition(":")[0].lower() for action in launch_actions()}
    runs = [
        principal(iam(MEMBER, f"role/Runs-{name}"), FULL, trust=policy(allow({"Service": name}, "sts:AssumeRole")))
        for name in (*(f"{service}.amazonaws.com" for service in sorted(launched)), "ecs-tasks.amazonaws.com")
    ]
    passing = policy(allow(None, "iam:PassRole", "kms:TagResource", *sorted(launch_actions())))
    door = principal(iam(MEMBER, "role/Door"), passing, trust=policy(allow(STRANGER, "sts:AssumeRole")))
    given = world(organization(), door, *runs, key(allow(iam(MEMBER, "root"), "kms:*"), allow(door.arn)))
    analyze(given, RULES, write_key=unwanted, write_access=unwanted)
    assert asked == {"kms", "iam", "sts", *launched}
    assert not any(stands_aside(doc(policy(allow(None, f"{service}:Any")))) for service in asked)


# -- dates ------------------------------------------------------------------------------------------------------------


def test_evaluation_time_does_not_count_where_nothing_tests_it() -> None:
    early = replace(BASE, as_of="2026-11-23T00:00:00+00:00")
    assert at_key(early) == at_key(BASE)
    assert in_world(early) == in_world(BASE)


SPELLED = {
    "as AWS does": "aws:CurrentTime", "in another case": "AWS:CURRENTTIME", "as a number": "aws:EpochTime",
    "as a variable": "${aws:currenttime}", "with an escape": "aws:Curr\\u0065ntTime",
}  # fmt: skip


def dated(kind: DocumentKind, spelled: str = "aws:CurrentTime") -> Any:
    return doc(f'{{"Statement": "{spelled}"}}', kind)


@pytest.mark.parametrize("spelled", SPELLED.values(), ids=SPELLED)
def test_evaluation_time_counts_however_it_is_spelled(spelled: str) -> None:
    given = with_key(key_policy=dated(DocumentKind.KEY_POLICY, spelled))
    assert at_key(replace(given, as_of="2026-11-23T00:00:00+00:00")) != at_key(given)


OF_A_DATE: Mapping[str, World] = {
    "key policy": with_key(key_policy=dated(DocumentKind.KEY_POLICY)),
    "shared policy": with_key(ram_policy=dated(DocumentKind.RAM_POLICY)),
    "identity policy": with_principal(APP, identity_policies=(doc(FULL), dated(DocumentKind.IDENTITY))),
    "boundary": with_principal(APP, boundary=dated(DocumentKind.BOUNDARY)),
    "trust policy": with_principal(APP, trust_policy=dated(DocumentKind.TRUST)),
    "session policy": with_principal(APP, session_policies=(dated(DocumentKind.SESSION),)),
    "service control policy": replace(BASE, organizations=(organization({OWNER: [policy(deny(None, when=DATED))]}),)),
    "resource control policy": replace(
        BASE, organizations=(organization(rcps={OWNER: [policy(deny("*", when=DATED))]}),)
    ),
}


@pytest.mark.parametrize("given", OF_A_DATE.values(), ids=OF_A_DATE)
def test_evaluation_time_counts_where_a_document_that_is_looked_at_tests_it(given: World) -> None:
    given = replace(given, as_of="2026-11-22T00:00:00+00:00")
    early = replace(given, as_of="2026-11-23T00:00:00+00:00")
    assert at_key(early) != at_key(given)
    assert in_world(early) != in_world(given)


def with_dates(*values: str, operator: str = "DateLessThan", name: str = "aws:CurrentTime", **more: str) -> Any:
    tests = {operator: {name: list(values)}} | {o: {"aws:PrincipalTag/until": v} for o, v in more.items()}
    return doc(policy(allow(APP, when=tests)), DocumentKind.KEY_POLICY)


SIDES: Mapping[str, tuple[tuple[str, ...], str, str, bool]] = {
    "the same day": (("2026-11-22T12:00:00Z",), "2026-11-22T01:00:00+00:00", "2026-11-22T11:00:00+00:00", True),
    "before and after": (("2026-11-22T12:00:00Z",), "2026-11-22T01:00:00+00:00", "2026-11-23T00:00:00+00:00", False),
    "before and at": (("2026-11-22T12:00:00Z",), "2026-11-22T01:00:00+00:00", "2026-11-22T12:00:00+00:00", False),
    "at and after": (("2026-11-22T12:00:00Z",), "2026-11-22T12:00:00+00:00", "2026-11-22T12:00:01+00:00", False),
    "at and a fraction after": (
        ("2026-11-22T12:00:00Z",), "2026-11-22T12:00:00+00:00", "2026-11-22T12:00:00.5+00:00", False
    ),
    "a fraction after and a second after": (
        ("2026-11-22T12:00:00Z",), "2026-11-22T12:00:00.5+00:00", "2026-11-22T12:00:01+00:00", False
    ),
    "a fraction on both sides": (
        ("2026-11-22T12:00:00.6Z",), "2026-11-22T12:00:00.5+00:00", "2026-11-22T12:00:00.7+00:00", False
    ),
    "other seconds on one side of a fraction": (
        ("2026-11-22T12:00:00.5Z",), "2026-11-22T12:00:00.7+00:00", "2026-11-22T12:00:01+00:00", False
    ),
    "one of two": (
        ("2026-11-22T12:00:00Z", "2026-12-24T00:00:00Z"), "2026-11-23T00:00:00+00:00", "2026-12-25T00:00:00+00:00",
        False,
    ),
    "between two": (
        ("2026-11-22T12:00:00Z", "2026-12-24T00:00:00Z"), "2026-11-23T00:00:00+00:00", "2026-11-25T00:00:00+00:00", True
    ),
    "another zone": (("2026-11-22T12:00:00+05:00",), "2026-11-22T06:00:00+00:00", "2026-11-22T08:00:00+00:00", False),
    "seconds": (("1795348800",), "2026-11-22T11:59:00+00:00", "2026-11-22T12:01:00+00:00", False),
}  # fmt: skip


@pytest.mark.parametrize(("values", "one", "other", "same"), SIDES.values(), ids=SIDES)
def test_evaluation_time_counts_by_the_side_of_each_date(
    values: tuple[str, ...], one: str, other: str, *, same: bool
) -> None:
    for name in ("aws:CurrentTime", "AWS:epochtime"):
        given = replace(with_key(key_policy=with_dates(*values, name=name)), accounts={}, as_of=one)
        rules = AnalysisRules()
        assert (at_key(given, rules=rules) == at_key(replace(given, as_of=other), rules=rules)) is same
        assert (in_world(given, rules=rules) == in_world(replace(given, as_of=other), rules=rules)) is same


def test_dates_of_different_documents_count_together() -> None:
    held = replace(with_dates("2026-11-22T12:00:00Z"), kind=DocumentKind.IDENTITY)
    given = with_principal(APP, identity_policies=(doc(FULL), held))
    given = replace(given, keys={**given.keys, KeyArn(KEY): replace(
        given.keys[KeyArn(KEY)], key_policy=with_dates("2026-11-25T12:00:00Z"))})  # fmt: skip
    seen = [at_key(replace(given, as_of=f"2026-11-{day}T00:00:00+00:00")) for day in (21, 22, 23, 24, 25, 26, 27)]
    assert [seen.index(one) for one in seen] == [0, 0, 2, 2, 2, 5, 5]


OF_ANY_TIME: Mapping[str, Any] = {
    "compared as text": with_dates("2026-12-24T00:00:00Z", operator="StringLike"),
    "compared as a number": with_dates("1795348800", operator="NumericLessThan", name="aws:EpochTime"),
    "whether it is there": with_dates("true", operator="Null"), "no date": with_dates("tomorrow"),
    "a variable beside a date": with_dates("2026-12-24T00:00:00Z", StringEquals="${aws:CurrentTime}"),
    "an escape beside a date": with_dates("2026-12-24T00:00:00Z", StringEquals="\\u0061"),
}  # fmt: skip


@pytest.mark.parametrize("held", OF_ANY_TIME.values(), ids=OF_ANY_TIME)
def test_evaluation_time_counts_as_it_is_where_a_document_may_do_anything_with_it(held: Any) -> None:
    given = replace(with_key(key_policy=held), as_of="2026-11-22T00:00:00+00:00")
    assert at_key(replace(given, as_of="2026-11-22T00:00:01+00:00")) != at_key(given)


def test_evaluation_time_does_not_count_for_documents_far_away() -> None:
    given = with_principal(FAR, identity_policies=(dated(DocumentKind.IDENTITY),))
    early = replace(given, as_of="2026-11-23T00:00:00+00:00")
    assert at_key(early) == at_key(given)
    assert at_key(early, EVERYWHERE) != at_key(given, EVERYWHERE)
    assert at_key(early, "AROAAPP") == at_key(given, "AROAAPP")
    assert in_world(early) != in_world(given)


def test_evaluation_time_counts_where_guardrails_were_not_read_only_if_others_test_it() -> None:
    given = replace(BASE, organizations=(organization(scps=None), replace(organization(), id="o-2", scps=None)))
    assert at_key(replace(given, as_of="2026-11-23T00:00:00+00:00")) == at_key(given)


# -- judging everything -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "counts"), [
    (ROW, True), (replace(ROW, outcome=Outcome.OK), True), (replace(ROW, subject="k", outcome=Outcome.SKIPPED), True),
    (replace(ROW, subject="k", outcome=Outcome.DENIED), True), (replace(ROW, subject="k", outcome=Outcome.OK), False),
    (replace(ROW, subject="k", outcome=Outcome.EMPTY), False),
])  # fmt: skip
def test_ledger_counts_but_for_rows_that_say_that_a_part_was_read(row: LedgerRow, counts: bool) -> None:
    assert (in_world(replace(BASE, coverage=(row,))) != in_world(BASE)) is counts


def test_words_of_the_ledger_do_not_count() -> None:
    one, other = (replace(BASE, coverage=(replace(ROW, message=m),)) for m in ("a", "b"))
    assert in_world(one) == in_world(other)


def test_shared_keys_count() -> None:
    assert in_world(replace(BASE, shared_keys={AccountId(OWNER): (KeyArn(KEY),)})) != in_world(BASE)


def test_keys_that_are_judged_count_in_their_order() -> None:
    assert len({in_world(BASE, KEY), in_world(BASE, OTHER), in_world(BASE, KEY, OTHER)}) == 3


def test_edit_counts_by_what_it_changes() -> None:
    worlds = (
        BASE, without(APP), without(FAR), with_principal(APP, tags={"a": "b"}), with_key(grants=(grant(APP),)),
        with_key(OTHER, grants=(grant(APP),)), replace(BASE, organizations=(organization(GUARD),)),
        replace(BASE, credit_scp=False), replace(BASE, organizations=()),
    )  # fmt: skip
    told = inputs(BASE)
    assert len({told.change_to(w) for w in worlds}) == len(worlds)
    assert told.change_to(without(APP)) == inputs(BASE).change_to(without(APP))


# -- hashes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pair:
    one: object
    other: object


def test_equal_facts_have_equal_hashes_in_every_process() -> None:
    regions = frozenset({"eu-west-1", "us-east-1", "ap-south-1", "me-south-1"})
    told = digest((regions, MappingProxyType({"a": "b"}), BASE.accounts))
    code = f"from scanner.analyze.edits.inputs import digest; print(digest(frozenset({sorted(regions)!r})))"
    seeds = {
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert seeds == {f"{digest(regions)}\n".encode()}
    assert told == digest((regions, {"a": "b"}, dict(BASE.accounts)))


def test_different_facts_have_different_hashes() -> None:
    told: tuple[object, ...] = (
        None, "", "None", 1, "1", True, (), ("",), {}, frozenset(), frozenset({"a"}), ("a",), "a", {"a": "b"},
        {"b": "a"}, {"a": "b", "c": "d"}, _Pair("a", "b"), _Pair("ab", ""), _Pair(("a",), "b"), "\ud800", "\\ud800",
        KEY_POLICY, replace(KEY_POLICY, kind=DocumentKind.RAM_POLICY), replace(KEY_POLICY, source="x"),
    )  # fmt: skip
    assert len({digest(one) for one in told}) == len(told)


def test_what_is_no_fact_is_refused() -> None:
    with pytest.raises(TypeError, match="no facts: object"):
        digest(object())


def test_many_places_are_written_as_everywhere() -> None:
    some = [f"{number:012}" for number in range(16)]
    assert listed(some[::-1]) == tuple(some)
    assert listed([*some, OWNER]) == (EVERYWHERE,)
    assert listed([OWNER, EVERYWHERE]) == (EVERYWHERE,)


def test_key_alone_is_enough_to_know_its_account() -> None:
    facts: KeyFacts = BASE.keys[KeyArn(KEY)]
    assert inputs(BASE).at_key(facts, ()) == inputs(BASE).at_key(facts, (OWNER,))
