"""Which principals a named outsider stands for, and what becomes of those that are gone, closed or ours elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population, reached_by
from scanner.analyze.principals.selectors import Selector, namings_of, selector_of
from scanner.model.finding import FindingVerdict

from builders import (
    KEY,
    MEMBER,
    ORG,
    OWNER,
    STRANGER,
    account,
    allow,
    analyzed,
    deny,
    iam,
    key,
    organization,
    policy,
    principal,
    world,
)

ROLE = iam(MEMBER, "role/App")
FULL = policy(allow(None, "kms:*"))


@pytest.mark.parametrize(
    ("written", "kind", "account_id"),
    [
        (MEMBER, "account", MEMBER),
        (iam(MEMBER, "root"), "account", MEMBER),
        (ROLE, "role", MEMBER),
        (iam(MEMBER, "user/Ann"), "user", MEMBER),
        (iam(MEMBER, "assumed-role/App/x"), "session", MEMBER),
        (iam(MEMBER, "federated-user/Bob"), "federated", MEMBER),
        (iam(MEMBER, "group/Devs"), "malformed", MEMBER),
        (iam(MEMBER, "role/*"), "malformed", ""),
        ("AROAX", "unknown_id", ""),
        ("logs.amazonaws.com", "service", ""),
        ("nonsense", "malformed", ""),
    ],
)
def test_selector_has_the_form_and_account_of_what_is_written(written: str, kind: str, account_id: str) -> None:
    selector = selector_of(written, "aws")
    assert (selector.kind, selector.account_id) == (kind, account_id)


def test_namings_leave_out_the_own_account_and_those_only_denied() -> None:
    used = key(allow({"AWS": [iam(MEMBER, "root"), iam(OWNER, "root")]}), allow(OWNER), deny(STRANGER))
    (found,) = namings_of(used)
    assert (found.selector.text, len(found.statements), found.mechanism) == (iam(MEMBER, "root"), 1, "key_policy")


SESSIONS_OF_ANN = iam(MEMBER, "federated-user/* (of user Ann)")


def reached(selector: Selector, *things: Any) -> tuple[tuple[str, ...], str]:
    """Texts of the callers behind a selector, and why there are none."""
    found = reached_by(selector, key(), Population(world(*things)))
    return tuple(c.text for c in found.callers), found.dead


PEOPLE = (
    principal(ROLE, FULL, unique_id="AROA1"),
    principal(iam(MEMBER, "user/Ann")),
    principal(iam(OWNER, "role/App"), unique_id="AROA2"),
)


@pytest.mark.parametrize(
    ("written", "callers", "dead"),
    [
        (MEMBER, (ROLE, iam(MEMBER, "user/Ann"), iam(MEMBER, "root"), SESSIONS_OF_ANN), ""),
        (ROLE, (ROLE,), ""),
        (iam(MEMBER, "role/Gone"), (), "nobody_there"),
        (iam(MEMBER, "assumed-role/App/x"), (iam(MEMBER, "assumed-role/App/x"),), ""),
        (iam(MEMBER, "assumed-role/Gone/x"), (), "nobody_there"),
        (iam(MEMBER, "federated-user/Bob"), (iam(MEMBER, "federated-user/Bob"),), ""),
        (iam(MEMBER, "assumed-role/App"), (), "nobody_there"),
        ("AROA1", (ROLE,), ""),
        ("AROA2", (), ""),
        (STRANGER, (iam(STRANGER, "root"),), ""),
        (iam(STRANGER, "role/x"), (iam(STRANGER, "role/x"),), ""),
        ("nonsense", (), "no_kms_principal"),
    ],
)
def test_named_outsider_stands_for_principals(written: str, callers: tuple[str, ...], dead: str) -> None:
    assert reached(selector_of(written, "aws"), *PEOPLE) == (callers, dead)


@pytest.mark.parametrize(("status", "works"), [("PENDING_CLOSURE", True), ("SUSPENDED", False), ("CLOSED", False)])
def test_everybody_is_without_accounts_whose_closure_is_done_and_who_is_named_stays(status: str, works: bool) -> None:
    given = account(MEMBER, status=status)
    assert reached(selector_of(ROLE, "aws"), *PEOPLE, given) == ((ROLE,), "")
    everybody, _ = reached(Selector("*", "any"), *PEOPLE, given)
    assert (ROLE in everybody) is works


def test_everybody_is_every_open_account_and_a_stranger() -> None:
    closed = account("555555555555", status="SUSPENDED")
    callers, _ = reached(Selector("*", "any"), *PEOPLE, closed)
    ours = (ROLE, iam(MEMBER, "user/Ann"), iam(MEMBER, "root"), SESSIONS_OF_ANN)
    assert callers == (iam("000011112222", "root"), *ours, "*")
    members, _ = reached(Selector(ORG, "organization"), *PEOPLE, account("666666666666"))
    assert "*" not in members
    assert not any("666666666666" in text for text in members)
    assert reached(Selector("o-else", "organization"), *PEOPLE) == (("*",), "")


def test_session_principals_are_not_counted_as_identities_of_their_account() -> None:
    session = principal(iam(MEMBER, "assumed-role/App/x"), parent=ROLE)
    callers, _ = reached(selector_of(MEMBER, "aws"), *PEOPLE, session)
    assert session.arn not in callers


# -- findings that only some selectors give ---------------------------------------------------------------------------


def test_principal_that_cannot_exist_is_without_effect() -> None:
    for who in (
        {"AWS": iam(STRANGER, "role/*")},
        {"Federated": "cognito-identity.amazonaws.com"},
        {"CanonicalUser": "79a59df9"},
        {"AWS": "nonsense"},
    ):
        finding = analyzed(world(key(allow(who)))).ineffective
        assert finding.verdict_reasons == ("no_kms_principal",)
        assert "KMS knows no principal of this form" in finding.title
        assert {"R2.10", "R2.11"} <= {r.rule for r in finding.rules}


def test_unique_id_that_the_snapshot_holds_is_that_principal() -> None:
    result = analyzed(world(key(allow("AROA1")), *PEOPLE))
    assert (result.external.verdict, result.external.reach.principals_sample) == (FindingVerdict.CONFIRMED, (ROLE,))
    assert {row.principal_kind for row in result.access} == {"unique_id"}


def test_account_that_the_user_calls_theirs_is_of_another_organization() -> None:
    finding = analyzed(world(key(allow(STRANGER))), trust=Trust(accounts={STRANGER: "o-two"})).external
    assert finding.grantee.party == "own_other_organization"
    listed = analyzed(world(key(allow("666666666666")), account("666666666666"))).external
    assert listed.grantee.party == "own_other_organization"


def test_allow_for_all_but_some_names_everybody_and_marks_the_exception() -> None:
    used = key(allow(None, NotPrincipal={"AWS": iam(OWNER, "root")}))
    finding = analyzed(world(used)).external
    assert finding.grantee.party == "public"
    assert any(h.label == "everybody but these" for h in finding.evidence[0].highlights)


def test_access_that_rests_on_a_condition_the_user_vouches_for_says_so() -> None:
    when = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}
    given = world(key(allow(STRANGER, when=when)), asserted={"aws:sourcevpce": ("vpce-1",)})
    finding = analyzed(given).external
    assert finding.verdict is FindingVerdict.CONFIRMED
    assert "asserted_context" in finding.verdict_reasons


def test_access_that_is_sure_in_some_requests_and_open_in_others_is_conditional() -> None:
    """The unread grants of a layer may add to it; what is sure anyway counts (R5.60)."""
    via = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    tag = {"StringEquals": {"aws:ResourceTag/a": "b"}}
    finding = analyzed(world(key(allow(ROLE, when=via), allow(ROLE, when=tag)), principal(ROLE, FULL))).external
    assert (finding.verdict, finding.verdict_reasons) == (FindingVerdict.CONDITIONAL, ("residual_condition",))
    assert finding.capabilities[0].condition == "kms:ViaService = s3.eu-west-1.amazonaws.com"
    assert {c.status for c in finding.conditions} == {"residual", "unread"}


def test_stranger_enables_an_opt_in_region_at_will() -> None:
    bahrain = KEY.replace("eu-west-1", "me-south-1")
    assert analyzed(world(key(allow(STRANGER), arn=bahrain))).external.verdict is FindingVerdict.CONFIRMED
    ours = account(MEMBER, opted_in_regions=frozenset({"eu-west-1"}))
    blocked = analyzed(world(key(allow(ROLE), arn=bahrain), principal(ROLE, FULL), ours)).external
    assert (blocked.verdict, blocked.verdict_reasons) == (FindingVerdict.BLOCKED, ("region_opt_in",))


def test_key_whose_owner_is_not_listed_has_unread_guardrails_for_strangers() -> None:
    elsewhere = KEY.replace(OWNER, "777777777777")
    given = world(key(allow(STRANGER), arn=elsewhere))
    assert analyzed(given).external.verdict is FindingVerdict.POSSIBLE


def test_strangers_choose_their_tags_and_names_so_a_fence_on_them_is_theirs_to_meet() -> None:
    tagged = allow(STRANGER, when={"StringEquals": {"aws:PrincipalTag/team": "blue"}})
    finding = analyzed(world(key(tagged))).external
    assert (finding.severity, finding.verdict) == ("critical", "conditional")
    assert finding.capabilities[0].caller_chosen


def test_question_beyond_a_bound_is_possible_and_never_without_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    tests = [allow(ROLE, when={"StringLike": {"aws:SourceVpce": f"*reach-{n}*"}}) for n in range(3)]
    given = world(key(*tests), principal(ROLE, FULL))
    monkeypatch.setattr("scanner.analyze.logic.search.MAX_STEPS", 2)
    assert analyzed(given).external.verdict is FindingVerdict.POSSIBLE


def test_account_in_the_tree_whose_guardrails_were_not_read_stays_possible() -> None:
    given = world(key(allow(ROLE)), principal(ROLE, FULL), account(MEMBER, organization_unknown=True))
    assert analyzed(given).external.verdict is FindingVerdict.POSSIBLE
    owner = world(key(allow(ROLE)), principal(ROLE, FULL), account(OWNER, organization_unknown=True))
    assert analyzed(owner).external.verdict is FindingVerdict.POSSIBLE


def test_federated_user_of_ours_is_spared_by_its_own_name_and_account() -> None:
    bob, ann = iam(MEMBER, "federated-user/Bob"), iam(MEMBER, "user/Ann")
    listed = principal(bob, parent=ann, session_policies=[FULL])
    exempt = deny(None, NotPrincipal={"AWS": [bob, iam(MEMBER, "root")]})
    given = world(key(allow(bob), exempt), principal(ann, FULL), listed)
    assert analyzed(given).external.verdict is FindingVerdict.CONFIRMED
    assert analyzed(world(key(allow(bob), exempt), principal(ann, FULL))).external.verdict is FindingVerdict.POSSIBLE


def test_trust_policy_that_does_not_parse_leaves_the_tags_of_the_role_open() -> None:
    when = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    role = principal(ROLE, FULL, tags={"team": "blue"}, trust=policy() | {"Extra": 1})
    assert analyzed(world(key(allow(ROLE, when=when)), role)).external.verdict is FindingVerdict.POSSIBLE
    others = policy({"Effect": "Allow", "Principal": "*", "NotAction": "sts:TagSession"})
    fixed = replace(role, trust_policy=principal(ROLE, trust=others).trust_policy)
    assert analyzed(world(key(allow(ROLE, when=when)), fixed)).external.verdict is FindingVerdict.CONFIRMED


def test_scp_that_leaves_nothing_to_allow_is_told_as_the_refusal() -> None:
    via = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    unless = {"StringNotEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}
    org = organization(scps={MEMBER: [FULL, policy(deny(None, "kms:*", when=unless))]})
    finding = analyzed(world(key(allow(ROLE, when=via)), principal(ROLE, FULL), org)).external
    assert (finding.verdict, finding.verdict_reasons) == (FindingVerdict.BLOCKED, ("scp_deny",))
