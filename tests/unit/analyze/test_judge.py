"""What becomes of a naming whose conditions never hold yet, hold never, or are too complex to tell."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.decision.decide import key_side_of
from scanner.analyze.logic.expression import Expression
from scanner.analyze.request.request import Request
from scanner.analyze.statements import statement
from scanner.model.decision import Verdict
from scanner.model.finding import FindingVerdict
from scanner.model.world import World

from builders import (
    FULL,
    MEMBER,
    OWNER,
    allow,
    analyzed,
    ask,
    deny,
    iam,
    key,
    organization,
    policy,
    principal,
    ram,
    world,
)

ROLE = iam(MEMBER, "role/App")
TOMORROW, LATER = "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"
NO_KMS = organization(scps={MEMBER: [FULL, policy(deny(None, "kms:*"))]})


def when(**tests: str) -> dict[str, Any]:
    """Conditions on the date."""
    return {operator: {"aws:CurrentTime": value} for operator, value in tests.items()}


def test_date_to_come_on_which_something_else_fails_is_no_access_to_come() -> None:
    never = world(key(allow(ROLE, when=when(DateGreaterThan=LATER, DateLessThan=TOMORROW))), principal(ROLE, FULL))
    assert [f.verdict_reasons for f in analyzed(never).about_keys] == [("unsatisfiable_condition",)]
    between = world(key(allow(ROLE, when=when(DateGreaterThan=TOMORROW, DateLessThan=LATER))), principal(ROLE, FULL))
    assert analyzed(between).external.verdict_reasons == ("not_yet",)


UNTIL, FROM = when(DateLessThan=TOMORROW), when(DateGreaterThan=TOMORROW)
DATED: list[tuple[str, tuple[Any, ...]]] = [
    ("key policy deny", (key(allow(ROLE), deny(ROLE, when=UNTIL)), principal(ROLE, FULL))),
    ("rcp deny", (key(allow(ROLE)), principal(ROLE, FULL),
                  organization(rcps={OWNER: [policy(deny("*", "kms:*", when=UNTIL))]}))),
    ("scp deny", (key(allow(ROLE)), principal(ROLE, FULL),
                  organization(scps={MEMBER: [FULL, policy(deny(None, "kms:*", when=UNTIL))]}))),
    ("scp allow", (key(allow(ROLE)), principal(ROLE, FULL),
                   organization(scps={MEMBER: [policy(allow(None, "kms:*", when=FROM))]}))),
    ("boundary allow", (key(allow(ROLE)), principal(ROLE, FULL, boundary=policy(allow(None, "kms:*", when=FROM))))),
    ("boundary deny", (key(allow(ROLE)), principal(ROLE, FULL, boundary=policy(
        allow(None, "*"), deny(None, "kms:*", when=UNTIL))))),
    ("identity allow", (key(allow(ROLE)), principal(ROLE, policy(allow(None, "kms:*", when=FROM))))),
    ("ram deny", (key(allow(ROLE), ram_policy=ram(deny(ROLE, when=UNTIL))), principal(ROLE, FULL))),
]  # fmt: skip


@pytest.mark.parametrize("things", [t for _, t in DATED], ids=[name for name, _ in DATED])
def test_refusal_that_a_date_ends_is_an_access_to_come_whichever_policy_holds_the_date(things: Any) -> None:
    finding = analyzed(world(*things)).external
    assert (finding.verdict, finding.verdict_reasons) == (FindingVerdict.BLOCKED, ("not_yet",))
    assert finding.capabilities[0].condition == "the time is 2026-11-23T00:00:01+00:00 or later"


def test_refusal_that_another_policy_upholds_beyond_the_date_is_no_access_to_come() -> None:
    both = organization(scps={MEMBER: [FULL, policy(deny(None, "kms:*", when=UNTIL)), policy(deny(None, "kms:*"))]})
    finding = analyzed(world(key(allow(ROLE)), principal(ROLE, FULL), both)).external
    assert (finding.verdict, finding.verdict_reasons) == (FindingVerdict.BLOCKED, ("scp_deny",))


def test_date_that_cannot_be_read_is_no_moment_to_come_and_proves_nothing() -> None:
    soon = world(key(allow(ROLE, when=when(DateGreaterThan="soon"))), principal(ROLE, FULL))
    finding = analyzed(soon).external
    assert (finding.verdict, finding.verdict_reasons) == (FindingVerdict.POSSIBLE, ("malformed",))


def test_refusal_of_everything_stands_whatever_the_unread_grants_hold() -> None:
    unread = {"grants": None, "gaps": {"grants": "k/grants"}}
    refused = world(key(allow(ROLE), **unread), principal(ROLE, FULL), NO_KMS)
    finding = analyzed(refused).external
    assert (finding.verdict, finding.verdict_reasons) == (FindingVerdict.BLOCKED, ("scp_deny",))
    silent = world(key(allow(ROLE), **unread), principal(ROLE))
    assert analyzed(silent).external.verdict_reasons == ("grants_not_read",)


def test_refused_access_whose_condition_is_too_complex_is_blocked_and_never_without_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fence = {"StringLike": {"aws:SourceVpce": "*judged-1*"}, "StringNotLike": {"aws:SourceVpce": "*judged-2*"}}
    given = world(key(allow(ROLE, when=fence)), principal(ROLE, FULL), NO_KMS)
    monkeypatch.setattr("scanner.analyze.logic.search.MAX_STEPS", 0)
    finding = analyzed(given).external
    assert (finding.verdict, finding.verdict_reasons) == (FindingVerdict.BLOCKED, ("unsatisfiable_condition",))


def test_action_that_the_key_cannot_do_does_not_make_a_contradiction_take_effect() -> None:
    never = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}, "Null": {"kms:ViaService": "true"}}
    signs = {"spec": "RSA_2048", "usage": "SIGN_VERIFY"}
    given = world(key(allow(ROLE, "kms:Decrypt", "kms:Sign", when=never), **signs), principal(ROLE, FULL))
    assert analyzed(given).ineffective.verdict_reasons == ("unsatisfiable_condition",)


def test_of_callers_that_cannot_be_told_apart_one_is_asked_whether_a_statement_ever_applies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}, "Null": {"kms:ViaService": "true"}}
    twins = [principal(iam(MEMBER, f"role/{name}"), FULL) for name in ("App", "Web")]
    given = world(key(allow(iam(MEMBER, "root"), "kms:Decrypt", when=never)), *twins)
    asked: list[str] = []

    def told(then: World, request: Request, *parts: Any) -> Expression:
        asked.append(request.caller.text)
        return key_side_of(then, request, *parts)

    monkeypatch.setattr("scanner.analyze.keys.judge.key_side_of", told)
    assert analyzed(given).ineffective.verdict_reasons == ("unsatisfiable_condition",)
    assert asked.count(ROLE) == 1
    assert iam(MEMBER, "role/Web") not in asked


def test_refusals_that_only_together_leave_nothing_are_told_as_a_contradiction() -> None:
    via = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
    role = principal(ROLE, FULL, policy(deny(None, "kms:*", when={"StringEquals": via})))
    rest = organization(scps={MEMBER: [FULL, policy(deny(None, "kms:*", when={"StringNotEquals": via}))]})
    decision = ask(world(key(allow(ROLE)), role, rest), ROLE)
    assert (decision.verdict, decision.reason) == (Verdict.DENIED, "unsatisfiable_condition")


def test_ceiling_that_leaves_none_of_the_requests_the_policies_allow_is_told_as_a_contradiction() -> None:
    s3, ec2 = ({"StringEquals": {"kms:ViaService": f"{name}.eu-west-1.amazonaws.com"}} for name in ("s3", "ec2"))
    only_s3 = organization(scps={MEMBER: [policy(allow(None, "kms:*", when=s3))]})
    decision = ask(world(key(allow(ROLE, when=ec2)), principal(ROLE, FULL), only_s3), ROLE)
    assert (decision.verdict, decision.reason) == (Verdict.DENIED, "unsatisfiable_condition")


def test_arn_with_a_wildcard_before_the_account_is_no_fence_for_operators_on_text() -> None:
    anywhere = f"arn:*:iam::{MEMBER}:role/App"
    as_text = world(key(allow("*", when={"StringLike": {"aws:PrincipalArn": anywhere}})), principal(ROLE, FULL))
    assert {f.grantee.party for f in analyzed(as_text).findings} >= {"public"}
    by_parts = world(key(allow("*", when={"ArnLike": {"aws:PrincipalArn": anywhere}})), principal(ROLE, FULL))
    assert {f.grantee.party for f in analyzed(by_parts).about_keys} == {"same_organization"}


def test_statements_by_action_are_read_again_after_the_store_was_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "_CONCERNED", {})
    monkeypatch.setattr(statement, "_MOST_CONCERNED", 1)
    given = world(key(allow(ROLE, "kms:Decrypt"), deny("*", "kms:Encrypt")), principal(ROLE, FULL))
    verdicts = {action: ask(given, ROLE, action).verdict for action in ("kms:Decrypt", "kms:Encrypt", "kms:Decrypt")}
    assert verdicts == {"kms:Decrypt": Verdict.ALLOWED, "kms:Encrypt": Verdict.DENIED}
    assert len(statement._CONCERNED) == 1
