"""The worked examples of the severity rules, as worlds: base, steps, result and the trail that leads there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from scanner.analyze.keys.severity import (
    ACROSS_BOUNDARY,
    EXPOSED_PARTIES,
    KEY_HYGIENE,
    TABLE,
    Exposure,
    Override,
    SeverityRules,
    severity_of,
)
from scanner.analyze.principals.approvals import ApprovedAccount
from scanner.analyze.principals.borders import InnerBoundary
from scanner.analyze.principals.party import Trust
from scanner.model.arn import AccountId
from scanner.model.finding import Finding, FindingVerdict, Kind, Severity
from scanner.model.key import KeyFacts

from builders import (
    KEY,
    MEMBER,
    ORG,
    OWNER,
    ROOT,
    STRANGER,
    allow,
    analyzed,
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    ram,
    world,
)

MANAGED = allow(iam(OWNER, "root"), "kms:*")
UNKNOWN, MEMBER_ROOT, ROLE = iam(STRANGER, "root"), iam(MEMBER, "root"), iam(MEMBER, "role/App")
ABLE = principal(ROLE, policy(allow(None, "kms:*")))
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
VPCE, ALIAS = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}, {"StringEquals": {"kms:RequestAlias": "alias/app"}}
CONTEXT = {"StringEquals": {"kms:EncryptionContext:app": "a"}}
OWN_ORG = {"StringEquals": {"aws:PrincipalOrgID": ORG}}
NOBODY = Trust()
PAYROLL = ApprovedAccount(STRANGER, "Payroll SaaS", "2027-03-31", capabilities=("decrypt", "metadata"))
SPLIT = organization(
    members={AccountId(OWNER): (ROOT, "ou-prod"), AccountId(MEMBER): (ROOT, "ou-dev")},
    ou_names={"ou-prod": "Prod", "ou-dev": "Dev"},
)
PROD = Trust(boundaries=(InnerBoundary("prod", ou="/Prod", sensitive=True), InnerBoundary("dev", ou="/Dev")))
OF_VENDOR = key(MANAGED, allow(UNKNOWN))
ACCESS, WITHOUT, HYGIENE = Kind.EXTERNAL_ACCESS, Kind.INEFFECTIVE_PERMISSION, Kind.KEY_HYGIENE


@dataclass(frozen=True)
class Example:
    """A case of the contract: the world, the finding it is about, its base, result, first reason and trail rules."""

    name: str
    key: KeyFacts
    base: str
    result: str
    reason: str
    rules: str = "base verdict"
    kind: Kind = ACCESS
    things: tuple[Any, ...] = ()
    trust: Trust = NOBODY


EXAMPLES = [
    Example("unknown root", OF_VENDOR, "critical", "critical", "delegated_to_third_party"),
    Example(
        "unknown root of our organization only", key(MANAGED, allow(UNKNOWN, when=OWN_ORG)), "info", "info",
        "unsatisfiable_condition", "ineffective_permission", WITHOUT,
    ),
    Example("endpoint", key(MANAGED, allow(UNKNOWN, when=VPCE)), "critical", "high", "residual_condition"),
    Example("context", key(MANAGED, allow(UNKNOWN, when=CONTEXT)), "critical", "critical", "residual_condition"),
    Example("alias", key(MANAGED, allow(UNKNOWN, when=ALIAS)), "critical", "critical", "residual_condition"),
    Example(
        "endpoint or alias", key(MANAGED, allow(UNKNOWN, when=VPCE), allow(UNKNOWN, when=ALIAS)), "critical",
        "critical", "residual_condition",
    ),
    Example(
        "unread resource control policies", OF_VENDOR, "critical", "high", "guardrail_not_read",
        things=(replace(organization(), rcps=None, rcp_gap="o/rcp"),),
    ),
    Example("disabled key", replace(OF_VENDOR, state="Disabled"), "critical", "low", "key_disabled"),
    Example(
        "policy operation from outside", key(MANAGED, allow(UNKNOWN, "kms:PutKeyPolicy")), "info", "info",
        "action_not_cross_account", "ineffective_permission", WITHOUT,
    ),
    Example(
        "grant to a role of an unknown account", key(MANAGED, grants=(grant(iam(STRANGER, "role/x")),)), "critical",
        "critical", "grant_held",
    ),
    Example(
        "resource share inside the organization", key(MANAGED, ram_policy=ram(allow(ROLE))), "low", "info",
        "ram_policy", things=(ABLE,),
    ),
    Example("everybody through a service", key(MANAGED, allow("*", when=VIA_S3)), "critical", "high",
            "residual_condition"),
    Example("the same as hygiene", key(MANAGED, allow("*", when=VIA_S3)), "medium", "medium", "weak_fence",
            kind=HYGIENE),
    Example(
        "role of ours without permission", key(MANAGED, allow(ROLE)), "low", "info", "no_identity_policy",
        things=(principal(ROLE),),
    ),
    Example("account of ours without permission", key(MANAGED, allow(MEMBER_ROOT)), "low", "low", "root_user_only"),
    Example(
        "the same with its root user denied", key(MANAGED, allow(MEMBER_ROOT)), "low", "info", "scp_deny",
        things=(organization(scps={MEMBER: [policy(allow(None, "s3:*"))]}),),
    ),
    Example(
        "dev role on a prod key", key(MANAGED, allow(ROLE)), "medium", "high", "both_sides_allow",
        "base verdict sensitive_boundary", things=(ABLE, SPLIT), trust=PROD,
    ),
    Example(
        "approved vendor", OF_VENDOR, "info", "info", "delegated_to_third_party", trust=Trust(approvals=(PAYROLL,)),
    ),
    Example(
        "approved vendor got CreateGrant", key(MANAGED, allow(UNKNOWN, "kms:Decrypt", "kms:CreateGrant")), "high",
        "high", "delegated_to_third_party", trust=Trust(approvals=(PAYROLL,)),
    ),
    Example(
        "approval ended yesterday", OF_VENDOR, "high", "high", "delegated_to_third_party",
        trust=Trust(approvals=(replace(PAYROLL, expires="2026-11-21"),)),
    ),
    Example(
        "vendor known by name", key(MANAGED, allow(UNKNOWN, "kms:DescribeKey")), "low", "low",
        "delegated_to_third_party", trust=Trust(vendors={STRANGER: "Example Backup"}),
    ),
    Example(
        "logs without a source", key(MANAGED, allow({"Service": "logs.amazonaws.com"})), "medium", "medium",
        "service_admitted",
    ),
    Example(
        "only manager deleted, partner decrypts", key(allow(iam(OWNER, "role/Gone"), "kms:*"), allow(UNKNOWN)), "high",
        "high", "unmanageable_key", kind=HYGIENE, trust=Trust(approvals=(PAYROLL,)),
    ),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=[e.name for e in EXAMPLES])
def test_worked_example_gets_its_severity_by_the_printed_steps(example: Example) -> None:
    (finding,) = analyzed(world(example.key, *example.things), trust=example.trust).of(example.kind)
    trail = finding.severity_reasons
    assert trail[0].effect == example.base
    assert (finding.severity, finding.verdict_reasons[0]) == (example.result, example.reason)
    assert " ".join(r.rule for r in trail) == example.rules


def test_everybody_of_the_own_account_is_no_finding() -> None:
    used = key(MANAGED, allow("*", when={"StringEquals": {"kms:CallerAccount": OWNER}}))
    assert analyzed(world(used)).result.findings == ()


# -- steps ------------------------------------------------------------------------------------------------------------


def severity(verdict: str = "confirmed", rules: SeverityRules | None = None, **parts: Any) -> list[tuple[str, str]]:
    """The severity, then rule and effect of every step."""
    given = {"kind": ACCESS, "party": "same_organization", "capability": "decrypt", "tags": {}} | parts
    exposure = Exposure(
        verdict=FindingVerdict(verdict), caller_chosen=False, key_arn=KEY, grantee="g",
        **given,  # type: ignore[arg-type]  # values of the dictionary have the types of the fields
    )  # fmt: skip
    found, trail = severity_of(exposure, rules or SeverityRules())
    return [("", found.value), *((r.rule, r.effect) for r in trail)]


EVERY_STEP = SeverityRules({"data": ("pii",)}, (Override(Severity.LOW, "agreed", party="same_*"),))


def test_steps_are_taken_in_their_order_each_once_and_the_override_is_the_last_word() -> None:
    across = {"crosses": ("prod", "dev"), "into_sensitive": ("prod", "dev"), "tags": {"data": "pii"}}
    assert severity("possible", EVERY_STEP, **across) == [
        ("", "low"), ("base", "medium"), ("verdict", "-1"), ("sensitive_tags", "+1"), ("sensitive_boundary", "+1"),
        ("override", "low"),
    ]  # fmt: skip


@pytest.mark.parametrize("verdict", ["blocked", "ineffective"])
def test_blocked_and_ineffective_access_steps_up_for_nothing(verdict: str) -> None:
    across = {"crosses": ("prod",), "into_sensitive": ("prod",), "tags": {"data": "pii"}}
    rules = SeverityRules({"data": ("pii",)})
    assert severity(verdict, rules, **across) == [("", "info"), ("base", "medium"), ("verdict", "info")]


def test_crossing_a_boundary_is_a_row_of_its_own_one_above() -> None:
    order = [Severity.INFO, Severity.LOW, Severity.MEDIUM]
    assert ACROSS_BOUNDARY[0] is Severity.MEDIUM
    for across, plain in zip(ACROSS_BOUNDARY, TABLE["same_organization"], strict=True):
        assert order.index(across) in {order.index(plain), order.index(plain) + 1}


@pytest.mark.parametrize("party", sorted(EXPOSED_PARTIES & set(TABLE)))
def test_possible_access_of_outsiders_stays_high_and_says_so(party: str) -> None:
    assert severity("possible", party=party)[:1] == [("", "high")]
    assert severity("possible", party=party, capability="metadata")[0][1] in {"low", "info"}
    assert severity("possible", party=party, capability="delegate", fence=1)[0][1] in {"high", "medium"}


@pytest.mark.parametrize("reason", KEY_HYGIENE)
def test_fault_of_a_key_steps_down_where_it_is_only_possible(reason: str) -> None:
    hygiene = {"kind": HYGIENE, "party": "public", "reason": reason}
    assert severity(**hygiene)[0] == ("", KEY_HYGIENE[reason].value)
    lower = {"medium": "low", "info": "info"}[KEY_HYGIENE[reason].value]
    assert severity("possible", **hygiene)[0] == ("", lower)
    assert severity(in_use=True, **hygiene)[0][1] == ("high" if reason == "unmanageable_key" else KEY_HYGIENE[reason])


def test_note_on_the_party_stands_in_the_trail() -> None:
    def finding_of(trust: Trust) -> Finding:
        return analyzed(world(OF_VENDOR), trust=trust).external

    approved = finding_of(Trust(approvals=(PAYROLL,)))
    assert approved.severity_reasons[0].text == "approved_partner may decrypt: approved until 2027-03-31"
    assert finding_of(Trust()).severity_reasons[0].text == "unknown_third_party may decrypt"
