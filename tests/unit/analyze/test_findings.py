"""Findings of small worlds: the worked examples of the severity table, ids, evidence, opaque keys and access rows."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.everybody import tell
from scanner.analyze.keys.evidence import marks_of
from scanner.analyze.keys.severity import COLUMN, EXPOSED_PARTIES, TABLE, Exposure, Override, SeverityRules, severity_of
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.model.actions import CAPABILITIES
from scanner.model.finding import Finding, FindingVerdict, Kind, Severity
from scanner.model.key import KeyFacts
from scanner.model.policy import DocumentKind, Span

from builders import (
    KEY,
    MEMBER,
    ORG,
    OU,
    OWNER,
    ROOT,
    STRANGER,
    Analyzed,
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
    world,
)

UNKNOWN_ROOT, ROLE = iam(STRANGER, "root"), iam(MEMBER, "role/App")
VPCE, ALIAS = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}, {"StringEquals": {"kms:RequestAlias": "alias/app"}}
CONTEXT = {"StringEquals": {"kms:EncryptionContext:app": "a"}}
OWN_ORG = {"StringEquals": {"aws:PrincipalOrgID": ORG}}
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}


def of_key(used: KeyFacts, *things: Any, **parts: Any) -> Analyzed:
    """The analysis of one key."""
    rules = {n: parts.pop(n) for n in ("trust", "severity", "service_principals", "insiders", "managers") if n in parts}
    return analyzed(world(used, *things, **parts), **rules)


def to(who: object, *actions: str, **parts: Any) -> Analyzed:
    """The analysis of one key with one Allow."""
    return of_key(key(allow(who, *actions, **parts)))


def told(finding: Finding) -> tuple[str, str, str]:
    """Severity, verdict and first reason."""
    return finding.severity.value, finding.verdict.value, finding.verdict_reasons[0]


# -- worked examples (product contract, 8.5) --------------------------------------------------------------------------

UNREAD_RCP = replace(organization(), rcps=None, rcp_gap="o/rcp")
SCP_ROOT = organization(scps={MEMBER: [policy(allow(None, "s3:*"))]})

EXTERNAL: list[tuple[str, KeyFacts, tuple[Any, ...], tuple[str, str, str], str]] = [
    (
        "unknown account root",
        key(allow(UNKNOWN_ROOT)),
        (),
        ("critical", "confirmed", "delegated_to_third_party"),
        "unknown_third_party",
    ),
    (
        "through an endpoint",
        key(allow(UNKNOWN_ROOT, when=VPCE)),
        (),
        ("high", "conditional", "residual_condition"),
        "unknown_third_party",
    ),
    (
        "encryption context",
        key(allow(UNKNOWN_ROOT, when=CONTEXT)),
        (),
        ("critical", "conditional", "residual_condition"),
        "unknown_third_party",
    ),
    (
        "request alias",
        key(allow(UNKNOWN_ROOT, when=ALIAS)),
        (),
        ("critical", "conditional", "residual_condition"),
        "unknown_third_party",
    ),
    (
        "endpoint or alias",
        key(allow(UNKNOWN_ROOT, when=VPCE), allow(UNKNOWN_ROOT, when=ALIAS)),
        (),
        ("critical", "conditional", "residual_condition"),
        "unknown_third_party",
    ),
    (
        "endpoint and alias",
        key(allow(UNKNOWN_ROOT, when={"StringEquals": VPCE["StringEquals"] | ALIAS["StringEquals"]})),
        (),
        ("high", "conditional", "residual_condition"),
        "unknown_third_party",
    ),
    (
        "unread RCPs",
        key(allow(UNKNOWN_ROOT)),
        (UNREAD_RCP,),
        ("high", "possible", "guardrail_not_read"),
        "unknown_third_party",
    ),
    (
        "disabled key",
        key(allow(UNKNOWN_ROOT), state="Disabled"),
        (),
        ("low", "blocked", "key_disabled"),
        "unknown_third_party",
    ),
    (
        "dying key",
        key(allow(UNKNOWN_ROOT), state="PendingDeletion"),
        (),
        ("low", "blocked", "key_pending_deletion"),
        "unknown_third_party",
    ),
    (
        "grant to unknown role",
        key(grants=(grant(iam(STRANGER, "role/x")),)),
        (),
        ("critical", "confirmed", "grant_held"),
        "unknown_third_party",
    ),
    (
        "RAM share in the organization",
        key(ram_policy=ram(allow(ROLE))),
        (principal(ROLE, policy(allow())),),
        ("info", "possible", "ram_policy"),
        "same_organization",
    ),
    (
        "everybody via a service",
        key(allow("*", when=VIA_S3)),
        (),
        ("high", "conditional", "residual_condition"),
        "public",
    ),
    ("everybody", key(allow("*")), (), ("critical", "confirmed", "delegated_to_third_party"), "public"),
    (
        "silent role of ours",
        key(allow(ROLE)),
        (principal(ROLE),),
        ("info", "blocked", "no_identity_policy"),
        "same_organization",
    ),
    (
        "bounded role of ours",
        key(allow(ROLE)),
        (principal(ROLE, policy(allow()), boundary=policy(allow(None, "s3:*"))),),
        ("info", "blocked", "boundary"),
        "same_organization",
    ),
    (
        "denied role of ours",
        key(allow(ROLE), deny(ROLE)),
        (principal(ROLE, policy(allow())),),
        ("info", "blocked", "explicit_deny"),
        "same_organization",
    ),
    (
        "account of ours",
        key(allow(iam(MEMBER, "root"))),
        (principal(ROLE),),
        ("low", "confirmed", "root_user_only"),
        "same_organization",
    ),
    (
        "account of ours under an SCP",
        key(allow(iam(MEMBER, "root"))),
        (principal(ROLE), SCP_ROOT),
        ("info", "blocked", "scp_deny"),
        "same_organization",
    ),
    (
        "role of ours, both sides",
        key(allow(ROLE)),
        (principal(ROLE, policy(allow())),),
        ("low", "confirmed", "both_sides_allow"),
        "same_organization",
    ),
    (
        "unguarded logs service",
        key(allow({"Service": "logs.amazonaws.com"})),
        (),
        ("medium", "confirmed", "service_admitted"),
        "service_unguarded",
    ),
    (
        "metadata for unknown",
        key(allow(UNKNOWN_ROOT, "kms:DescribeKey")),
        (),
        ("low", "confirmed", "delegated_to_third_party"),
        "unknown_third_party",
    ),
    (
        "metadata for everybody",
        key(allow("*", "kms:DescribeKey")),
        (),
        ("medium", "confirmed", "delegated_to_third_party"),
        "public",
    ),
    (
        "encrypting for unknown",
        key(allow(UNKNOWN_ROOT, "kms:Encrypt")),
        (),
        ("high", "confirmed", "delegated_to_third_party"),
        "unknown_third_party",
    ),
]


@pytest.mark.parametrize(
    ("used", "things", "expected", "party"), [e[1:] for e in EXTERNAL], ids=[e[0] for e in EXTERNAL]
)
def test_worked_example_of_external_access(
    used: KeyFacts, things: tuple[Any, ...], expected: tuple[str, str, str], party: str
) -> None:
    finding = of_key(used, *things).external
    assert told(finding) == expected
    assert finding.grantee.party == party


WITHOUT_EFFECT: list[tuple[str, KeyFacts, tuple[Any, ...], tuple[str, str, str]]] = [
    (
        "own organization asked of a stranger",
        key(allow(UNKNOWN_ROOT, when=OWN_ORG)),
        (),
        ("info", "ineffective", "unsatisfiable_condition"),
    ),
    (
        "administration from outside",
        key(allow(UNKNOWN_ROOT, "kms:PutKeyPolicy")),
        (),
        ("info", "ineffective", "action_not_cross_account"),
    ),
    ("signing with a symmetric key", key(allow(UNKNOWN_ROOT, "kms:Sign")), (), ("info", "ineffective", "key_usage")),
    (
        "deleted role",
        key(allow("AROADELETED0000001")),
        (account("000011112222"),),
        ("info", "ineffective", "principal_deleted"),
    ),
    ("role that is gone", key(allow(iam(MEMBER, "role/Gone"))), (), ("info", "ineffective", "nobody_there")),
    (
        "other partition",
        key(allow(UNKNOWN_ROOT.replace("arn:aws:", "arn:aws-cn:"))),
        (),
        ("info", "ineffective", "wrong_partition"),
    ),
    (
        "contradiction",
        key(allow(UNKNOWN_ROOT, when=VIA_S3 | {"Null": {"kms:ViaService": "true"}})),
        (),
        ("info", "ineffective", "unsatisfiable_condition"),
    ),
    (
        "expired",
        key(allow(UNKNOWN_ROOT, when={"DateLessThan": {"aws:CurrentTime": "2020-01-01"}})),
        (),
        ("info", "ineffective", "unsatisfiable_condition"),
    ),
    (
        "grant for another usage",
        key(grants=(grant(iam(STRANGER, "role/x"), "Sign"),)),
        (),
        ("info", "ineffective", "key_usage"),
    ),
]


@pytest.mark.parametrize(
    ("used", "things", "expected"), [e[1:] for e in WITHOUT_EFFECT], ids=[e[0] for e in WITHOUT_EFFECT]
)
def test_permission_without_effect(used: KeyFacts, things: tuple[Any, ...], expected: tuple[str, str, str]) -> None:
    result = of_key(used, *things)
    assert told(result.ineffective) == expected
    assert result.of(Kind.EXTERNAL_ACCESS) == []
    assert result.access == ()


@pytest.mark.parametrize("status", ["SUSPENDED", "CLOSED"])
@pytest.mark.parametrize("named", [iam(MEMBER, "root"), iam(MEMBER, "role/App")])
def test_access_of_a_closed_account_is_blocked_and_not_without_effect_because_it_can_be_reopened(
    status: str, named: str
) -> None:
    closed = account(MEMBER, status=status, collected=False, iam_complete=False)
    result = of_key(key(allow(named)), closed)
    assert told(result.external) == ("info", "blocked", "account_suspended")
    assert result.of(Kind.INEFFECTIVE_PERMISSION) == []
    assert {(r.decision, r.reason) for r in result.access} == {("latent", "account_suspended")}
    assert "its account is closed, and works again when it is reopened within 90 days" in result.external.summary
    opened = of_key(key(allow(named)), account(MEMBER, collected=False, iam_complete=False))
    assert told(opened.external)[1:] == ("possible", "caller_side_not_collected")


def test_what_is_refused_to_a_closed_account_anyway_keeps_its_reason() -> None:
    closed = account(MEMBER, status="SUSPENDED", collected=False, iam_complete=False)
    result = of_key(key(allow(iam(MEMBER, "role/App")), deny("*")), closed)
    assert told(result.external)[1:] == ("blocked", "explicit_deny")
    pointless = of_key(key(allow(iam(MEMBER, "role/App"), "kms:PutKeyPolicy")), closed)
    assert told(pointless.ineffective) == ("info", "ineffective", "action_not_cross_account")


TRUSTING = policy({k: v for k, v in allow(iam(MEMBER, "root"), "sts:AssumeRole").items() if k != "Resource"})


def test_closed_account_enters_no_role() -> None:
    entry = principal(iam(OWNER, "role/Entry"), policy(allow(None, "kms:*")), trust=TRUSTING)
    closed = account(MEMBER, status="SUSPENDED", collected=False, iam_complete=False)
    delegating = key(allow(iam(OWNER, "root"), "kms:*"))
    assert of_key(delegating, entry, closed).of(Kind.ASSUMED_ROLE_PATH) == []
    unread = account(MEMBER, collected=False, iam_complete=False)
    assert len(of_key(delegating, entry, unread).of(Kind.ASSUMED_ROLE_PATH)) == 1


def test_tag_in_a_key_policy_is_possible_and_low_besides_the_access_it_may_give() -> None:
    result = to(UNKNOWN_ROOT, when={"StringEquals": {"aws:ResourceTag/a": "b"}})
    assert told(result.ineffective) == ("low", "possible", "unsupported_condition_key")
    assert told(result.external) == ("high", "possible", "unsupported_condition_key")


@pytest.mark.parametrize(
    "statement",
    [
        allow("*", when={"StringEquals": {"kms:CallerAccount": OWNER}}),
        allow("*", when={"StringEquals": {"aws:PrincipalAccount": [OWNER]}}),
        allow("*", when={"ArnLike": {"aws:PrincipalArn": iam(OWNER, "role/*")}}),
        allow(iam(OWNER, "root"), "kms:*"),
        allow(iam(OWNER, "role/App")),
        deny("*"),
    ],
)
def test_access_of_the_own_account_is_no_finding_and_stands_among_the_keys(statement: dict[str, Any]) -> None:
    result = of_key(key(statement), principal(iam(OWNER, "role/App"), policy(allow(None, "kms:*"))))
    assert result.about_keys == ()
    (row,) = result.keys
    assert (row.key_arn, row.critical, row.policy_read) == (KEY, 0, "read")


def test_everybody_of_the_organization_is_the_organization() -> None:
    result = of_key(key(allow("*", when=OWN_ORG)), principal(ROLE, policy(allow())))
    finding = result.external
    assert (finding.grantee.kind, finding.grantee.selector, finding.grantee.party) == (
        "organization",
        ORG,
        "same_organization",
    )
    assert told(finding)[:2] == ("low", "confirmed")
    foreign = to("*", when={"StringEquals": {"aws:PrincipalOrgID": "o-else"}}).external
    assert (foreign.grantee.party, foreign.severity) == ("unknown_third_party", "critical")
    ours = of_key(
        key(allow("*", when={"StringEquals": {"aws:PrincipalOrgID": "o-else"}})), trust=Trust(frozenset({"o-else"}))
    )
    assert ours.external.grantee.party == "own_other_organization"


@pytest.mark.parametrize(
    ("when", "selector"),
    [
        ({"StringEquals": {"kms:CallerAccount": STRANGER}}, UNKNOWN_ROOT),
        ({"ArnLike": {"aws:PrincipalArn": iam(STRANGER, "role/x")}}, iam(STRANGER, "role/x")),
        ({"ArnLike": {"aws:PrincipalArn": iam(STRANGER, "role/x*")}}, UNKNOWN_ROOT),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/x"}}, "*"),
        ({"StringEqualsIfExists": {"kms:CallerAccount": STRANGER}}, "*"),
        ({"StringNotEquals": {"kms:CallerAccount": STRANGER}}, "*"),
        ({"ForAllValues:StringEquals": {"kms:CallerAccount": STRANGER}}, "*"),
        ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, "*"),
        ({"StringLike": {"kms:CallerAccount": "*"}}, "*"),
    ],
)
def test_fence_on_everybody_names_who_passes_it(when: dict[str, Any], selector: str) -> None:
    worst, *others = [f.grantee.selector for f in to("*", when=when).of(Kind.EXTERNAL_ACCESS)]
    assert worst == selector
    assert set(others) <= {ORG}, "members may pass without the condition that binds the public"


def test_services_are_found_as_asked() -> None:
    guarded = key(allow({"Service": "logs.amazonaws.com"}, when={"StringEquals": {"aws:SourceAccount": OWNER}}))
    open_one = key(allow({"Service": "logs.amazonaws.com"}))
    for used, rule, count in (
        (guarded, "unguarded", 0),
        (guarded, "all", 1),
        (guarded, "none", 0),
        (open_one, "unguarded", 1),
        (open_one, "none", 0),
    ):
        assert len(of_key(used, service_principals=rule).findings) == count, rule
    assert told(of_key(guarded, service_principals="all").external)[:2] == ("info", "conditional")
    if_exists = allow({"Service": "logs.amazonaws.com"}, when={"StringEqualsIfExists": {"aws:SourceAccount": OWNER}})
    assert of_key(key(if_exists)).external.grantee.party == "service_unguarded"


def test_everybody_that_lets_only_services_through_is_a_service() -> None:
    finding = to("*", when={"Bool": {"aws:PrincipalIsAWSService": "true"}}).external
    assert (finding.grantee.kind, finding.grantee.party) == ("service", "service_unguarded")


# -- unread is never blocked ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "things",
    [
        (account(MEMBER, collected=False, iam_complete=False),),
        (account(MEMBER, iam_complete=False, gap="row"),),
        (principal(ROLE, complete=False, gap="row"),),
        (principal(ROLE, policy(allow())), replace(organization(), scps=None)),
        (principal(ROLE, policy(allow())), replace(organization(), rcps=None)),
    ],
)
def test_what_was_not_read_leaves_access_of_our_account_possible(things: tuple[Any, ...]) -> None:
    finding = of_key(key(allow(ROLE)), *things).external
    assert finding.verdict is FindingVerdict.POSSIBLE
    assert finding.verdict_reasons[0] in {"caller_side_not_collected", "guardrail_not_read"}


@pytest.mark.parametrize("part", ["grants", "ram_policy"])
def test_unread_grants_or_ram_policy_never_make_named_access_less(part: str) -> None:
    facts = {"grants": {"grants": None}, "ram_policy": {"ram_policy_read": False}}[part]
    finding = of_key(key(allow(UNKNOWN_ROOT), gaps={part: "row"}, **facts)).external
    assert finding.verdict is not FindingVerdict.BLOCKED
    assert finding.verdict in {FindingVerdict.CONFIRMED, FindingVerdict.POSSIBLE}


@pytest.mark.parametrize(
    "facts",
    [
        {"key_policy": None, "gaps": {"key_policy": "row"}},
        {"key_policy": text("{", DocumentKind.KEY_POLICY, KEY)},
        {"key_policy": text(policy({"Effect": "Allow"}), DocumentKind.KEY_POLICY, KEY)},
    ],
)
def test_key_whose_policy_is_not_readable_is_opaque_and_no_finding(facts: dict[str, Any]) -> None:
    result = of_key(key(**facts))
    assert result.findings == ()
    assert result.result.opaque_keys == (KEY,)
    assert (result.keys[0].policy_read, result.keys[0].delegates_to_iam) in {
        ("not read", "unknown"),
        ("malformed", "unknown"),
    }


def test_opaque_key_still_shows_its_grants() -> None:
    result = of_key(key(key_policy=None, gaps={"key_policy": "row"}, grants=(grant(iam(STRANGER, "role/x")),)))
    assert result.external.mechanism.kind == "grant"
    assert result.external.verdict is FindingVerdict.POSSIBLE
    assert result.result.opaque_keys == (KEY,)


def test_aws_managed_key_is_inventory_when_asked_for_and_never_a_finding() -> None:
    managed = key(allow("*"), manager="AWS")
    assert of_key(managed).keys == ()
    result = of_key(managed, managers=("customer", "aws"))
    assert result.findings == ()
    assert result.result.opaque_keys == ()
    assert (result.keys[0].policy_read, result.keys[0].delegates_to_iam) == ("skipped", "")
    assert of_key(key(allow("*")), managers=("aws",)).findings == ()


# -- capabilities -----------------------------------------------------------------------------------------------------


def test_leading_capability_is_the_gravest_and_each_has_its_own_verdict() -> None:
    statements = (
        allow(UNKNOWN_ROOT, "kms:DescribeKey"),
        allow(UNKNOWN_ROOT, when=VPCE),
        allow(UNKNOWN_ROOT, "kms:PutKeyPolicy"),
    )
    finding = of_key(key(*statements)).external
    assert [(c.capability, c.verdict, c.severity) for c in finding.capabilities] == [
        ("decrypt", "conditional", "high"), ("metadata", "confirmed", "low"),
    ]  # fmt: skip
    assert told(finding)[:2] == ("high", "conditional")
    assert finding.ineffective_actions == ("kms:PutKeyPolicy",)
    assert finding.capabilities[0].condition == "aws:SourceVpce = vpce-1"


@pytest.mark.parametrize(
    ("when", "severity"),
    [
        (None, "critical"),
        ({"ArnEquals": {"kms:GranteePrincipal": iam(STRANGER, "role/x")}}, "high"),
        ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt"]}}, "high"),
        ({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Decrypt", "CreateGrant"]}}, "high"),
        ({"Bool": {"kms:GrantIsForAWSResource": "true"}}, "low"),
        ({"BoolIfExists": {"kms:GrantIsForAWSResource": "true"}}, "high"),
    ],
)
def test_fenced_create_grant_counts_less(when: dict[str, Any] | None, severity: str) -> None:
    assert to(UNKNOWN_ROOT, "kms:CreateGrant", when=when).external.severity == severity


# -- ids, fingerprints, evidence --------------------------------------------------------------------------------------

MANAGED = allow({"AWS": iam(OWNER, "root")}, "kms:PutKeyPolicy", Sid="managed")
ONE, TWO, THREE = (
    allow(UNKNOWN_ROOT, Sid="one"),
    allow(ROLE, Sid="two"),
    allow(UNKNOWN_ROOT, "kms:PutKeyPolicy", Sid="three"),
)


def marks(result: Analyzed) -> dict[str, str]:
    """Fingerprint by id."""
    return {f.id: f.fingerprint for f in result.findings}


def test_ids_and_fingerprints_do_not_change_when_statements_with_sids_move() -> None:
    role = principal(ROLE, policy(allow()))
    forward, backward = (of_key(key(*order), role) for order in ((ONE, TWO, THREE), (THREE, TWO, ONE)))
    assert len(marks(forward)) == 4
    assert marks(forward) == marks(backward)
    assert all(
        re.fullmatch(r"kx-[a-z2-7]{12}", i) and re.fullmatch(r"[0-9a-f]{8}", f) for i, f in marks(forward).items()
    )


@pytest.mark.parametrize(
    "changed",
    [
        key(allow(UNKNOWN_ROOT, "kms:Decrypt", "kms:Encrypt")),
        key(allow(UNKNOWN_ROOT, when=VPCE)),
        key(allow(UNKNOWN_ROOT), state="Disabled"),
    ],
)
def test_fingerprint_changes_with_access_and_the_id_does_not(changed: KeyFacts) -> None:
    before, after = to(UNKNOWN_ROOT).external, of_key(changed).external
    assert before.id == after.id
    assert before.fingerprint != after.fingerprint


def test_fingerprint_ignores_what_is_no_access() -> None:
    described = key(allow(UNKNOWN_ROOT), description="new words", aliases=("alias/new",), tags={"a": "b"})
    assert of_key(described).external.fingerprint == to(UNKNOWN_ROOT).external.fingerprint


def test_mechanisms_are_findings_of_their_own() -> None:
    result = of_key(
        key(allow(ROLE), grants=(grant(ROLE), grant(ROLE, grant_id="g-2")), ram_policy=ram(allow(ROLE))),
        principal(ROLE, policy(allow())),
    )
    assert sorted((f.mechanism.kind, f.verdict.value) for f in result.about_keys) == [
        ("grant", "confirmed"), ("key_policy", "confirmed"), ("ram", "possible"),
    ]  # fmt: skip
    assert len({f.id for f in result.about_keys}) == 3
    by_grant = next(f for f in result.findings if f.mechanism.kind == "grant")
    assert [g.grant_id for g in by_grant.mechanism.grants] == ["g-1", "g-2"]


def test_evidence_points_at_the_lines_of_the_statement() -> None:
    used = key(allow(iam(OWNER, "root"), "kms:*"), allow(UNKNOWN_ROOT, Sid="Share", when=VPCE))
    finding = of_key(used).external
    assert used.key_policy is not None
    lines = used.key_policy.text.split("\n")
    first = finding.evidence[0]
    assert (first.kind, first.sha256) == ("policy_statement", used.key_policy.sha256)
    excerpt = "\n".join(lines[first.excerpt_from - 1 : first.excerpt_to])
    assert '"Share"' in excerpt
    assert "kms:*" not in excerpt
    shown = {lines[h.line - 1][h.col_from - 1 : h.col_to].strip() for h in first.highlights}
    assert f'"{UNKNOWN_ROOT}"' in shown
    assert '"kms:Decrypt"' in shown
    assert '"aws:SourceVpce": "vpce-1"' in shown
    (condition,) = finding.conditions
    assert (condition.key, condition.status, condition.strength, condition.chosen_by_caller) == (
        "aws:SourceVpce",
        "residual",
        "real",
        False,
    )
    assert (finding.mechanism.statements[0].sid, finding.mechanism.statements[0].index) == ("Share", 1)


def test_grant_is_its_own_document_by_hash() -> None:
    result = of_key(key(grants=(grant(iam(STRANGER, "role/x"), constraints={"EncryptionContextSubset": {"a": "b"}}),)))
    (evidence,) = [e for e in result.external.evidence if e.kind == "grant"]
    written = result.result.documents[evidence.sha256]
    assert hashlib.sha256(written.encode()).hexdigest() == evidence.sha256
    assert '"GranteePrincipal": "arn:aws:iam::999988887777:role/x"' in written
    assert '"EncryptionContextSubset"' in written


def test_order_of_keys_and_statements_gives_the_same_result_worst_first() -> None:
    other = KEY[:-1] + "c"
    keys = [key(ONE, TWO, MANAGED), key(allow("*", "kms:DescribeKey"), MANAGED, arn=other)]
    results = [analyzed(world(*order, principal(ROLE, policy(allow())))).result for order in (keys, keys[::-1])]
    assert results[0].findings == results[1].findings
    assert [f.severity.value for f in results[0].findings] == ["critical", "medium", "medium", "low"]


# -- severity: the table and its steps --------------------------------------------------------------------------------


def severity(
    party: str, capability: str, verdict: str, *, chosen: bool = False, rules: SeverityRules | None = None, **facts: Any
) -> str:
    """The severity of one capability."""
    exposure = Exposure(
        Kind.EXTERNAL_ACCESS,
        party,
        capability,
        FindingVerdict(verdict),
        chosen,
        KEY,
        "grantee",
        facts.pop("tags", {}),
        **facts,
    )
    return severity_of(exposure, rules or SeverityRules())[0].value


BASE = {
    "public": ("critical", "critical", "medium"), "unknown_third_party": ("critical", "high", "low"),
    "identified_vendor": ("high", "medium", "low"), "expired_partner": ("high", "medium", "low"),
    "partner_exceeds_approval": ("high", "medium", "low"), "approved_partner": ("info", "info", "info"),
    "partner_role_without_external_id": ("medium", "low", "info"),
    "service_unguarded": ("medium", "low", "info"), "own_other_organization": ("medium", "low", "info"),
    "same_organization": ("low", "info", "info"), "service_guarded": ("info", "info", "info"),
    "federated_open": ("critical", "critical", "medium"), "federated_pinned": ("medium", "low", "info"),
    "own_saml_provider": ("info", "info", "info"),
}  # fmt: skip
COLUMNS = (
    ("control", "delegate", "decrypt", "sign"),
    ("destroy", "encrypt", "revoke", "manage"),
    ("verify", "metadata"),
)


@pytest.mark.parametrize("party", BASE)
def test_base_severity_is_that_of_party_and_capability(party: str) -> None:
    assert set(TABLE) == set(BASE)
    assert set(COLUMN) == set(CAPABILITIES)
    for column, capabilities in enumerate(COLUMNS):
        for capability in capabilities:
            assert severity(party, capability, "confirmed") == BASE[party][column]


@pytest.mark.parametrize("party", sorted(EXPOSED_PARTIES))
def test_possible_access_of_outsiders_in_the_left_column_is_never_below_high(party: str) -> None:
    for capability in COLUMNS[0]:
        assert severity(party, capability, "possible") in {"high", "critical"}


STEPS: list[tuple[str, str, str, bool, str]] = [
    ("unknown_third_party", "decrypt", "conditional", False, "high"),
    ("unknown_third_party", "decrypt", "conditional", True, "critical"),
    ("unknown_third_party", "decrypt", "possible", False, "high"),
    ("unknown_third_party", "encrypt", "possible", False, "medium"),
    ("unknown_third_party", "metadata", "possible", False, "info"),
    ("unknown_third_party", "decrypt", "blocked", False, "low"),
    ("unknown_third_party", "metadata", "blocked", False, "low"),
    ("public", "decrypt", "possible", False, "high"),
    ("public", "encrypt", "possible", False, "high"),
    ("public", "decrypt", "blocked", False, "low"),
    ("service_unguarded", "decrypt", "conditional", False, "low"),
    ("same_organization", "decrypt", "blocked", False, "info"),
    ("same_organization", "decrypt", "possible", False, "info"),
    ("service_guarded", "decrypt", "conditional", False, "info"),
    ("unknown_third_party", "decrypt", "ineffective", False, "info"),
]


@pytest.mark.parametrize(("party", "capability", "verdict", "chosen", "expected"), STEPS)
def test_verdict_moves_the_severity(party: str, capability: str, verdict: str, chosen: bool, expected: str) -> None:
    assert severity(party, capability, verdict, chosen=chosen) == expected


SENSITIVE = SeverityRules(sensitive_tags={"data": ("pii", "cards")})


@pytest.mark.parametrize(
    ("tags", "verdict", "expected"),
    [
        ({"data": "pii"}, "confirmed", "medium"),
        ({"data": "public"}, "confirmed", "low"),
        ({"Data": "pii"}, "confirmed", "low"),
        ({"data": "pii"}, "blocked", "info"),
        ({"data": "cards"}, "possible", "low"),
    ],
)
def test_sensitive_tag_raises_what_is_not_blocked(tags: dict[str, str], verdict: str, expected: str) -> None:
    assert severity("same_organization", "decrypt", verdict, rules=SENSITIVE, tags=tags) == expected


def test_sensitive_tag_never_raises_above_critical() -> None:
    assert severity("public", "decrypt", "confirmed", rules=SENSITIVE, tags={"data": "pii"}) == "critical"


def test_override_is_the_last_word_and_the_first_that_fits_counts() -> None:
    fits = Override(Severity.INFO, "agreed", party="unknown_*", key="arn:aws:kms:*", kind="external_access")
    misses = Override(Severity.LOW, "other", party="public")
    rules = SeverityRules(overrides=(misses, fits, Override(Severity.HIGH, "later")))
    finding = of_key(key(allow(UNKNOWN_ROOT)), severity=rules).external
    assert finding.severity == "info"
    assert [(r.rule, r.effect) for r in finding.severity_reasons] == [
        ("base", "critical"),
        ("verdict", "±0"),
        ("override", "info"),
    ]
    assert finding.severity_reasons[-1].text == "agreed"
    bracket = SeverityRules(overrides=(Override(Severity.LOW, "x", grantee="[grantee]"),))
    assert severity("public", "decrypt", "confirmed", rules=bracket) == "critical"


# -- rows -------------------------------------------------------------------------------------------------------------


def test_access_row_has_one_line_per_principal_and_decision() -> None:
    people = (
        principal(ROLE, policy(allow(None, "kms:Decrypt", "kms:Encrypt"))),
        principal(iam(MEMBER, "user/Ann"), policy(allow(when=VIA_S3))),
    )
    result = of_key(key(allow(iam(MEMBER, "root"), "kms:Decrypt", "kms:Encrypt")), *people)
    rows = {(r.principal_arn, r.capability, r.decision, r.actions, r.conditions) for r in result.access}
    both = ("kms:Decrypt",), ("kms:Encrypt",)
    assert rows == {
        (ROLE, "decrypt", "allowed", both[0], ""),
        (ROLE, "encrypt", "allowed", both[1], ""),
        (iam(MEMBER, "user/Ann"), "decrypt", "conditional", both[0], "kms:ViaService = s3.eu-west-1.amazonaws.com"),
        (iam(MEMBER, "root"), "decrypt", "allowed", both[0], ""),
        (iam(MEMBER, "root"), "encrypt", "allowed", both[1], ""),
    }
    assert {r.finding_id for r in result.access} == {result.external.id}
    assert {(r.party, r.mechanism, r.path, r.principal_account_id) for r in result.access} == {
        ("same_organization", "key_policy", "direct", MEMBER)
    }


def test_access_of_a_stranger_reads_unknown_and_refused_actions_have_no_row() -> None:
    (row,) = to(UNKNOWN_ROOT, "kms:Decrypt", "kms:PutKeyPolicy").access
    assert (row.decision, row.actions, row.principal_kind) == ("unknown", ("kms:Decrypt",), "account")
    assert of_key(key(allow(ROLE)), principal(ROLE)).access == ()


def test_insiders_are_listed_only_when_asked() -> None:
    used = key(allow(iam(OWNER, "root"), "kms:*"))
    insider = principal(iam(OWNER, "role/App"), policy(allow(None, "kms:Decrypt", "kms:PutKeyPolicy")))
    assert of_key(used, insider).access == ()
    rows = of_key(used, insider, insiders=True).access
    mine = {(r.capability, r.actions, r.party) for r in rows if r.principal_arn == insider.arn}
    assert mine == {("decrypt", ("kms:Decrypt",), "own_account"), ("control", ("kms:PutKeyPolicy",), "own_account")}


@pytest.mark.parametrize(
    ("statements", "delegates"),
    [
        ((allow(iam(OWNER, "root")),), "yes"),
        ((allow(OWNER),), "yes"),
        ((allow(iam(OWNER, "role/App")),), "no"),
        ((deny(OWNER),), "no"),
        ((), "no"),
    ],
)
def test_key_row_says_whether_iam_of_the_own_account_counts(
    statements: tuple[dict[str, Any], ...], delegates: str
) -> None:
    (row,) = of_key(key(*statements)).keys
    assert row.delegates_to_iam == delegates


def test_key_row_counts_findings_by_severity_and_tells_what_was_read() -> None:
    grants = {"grants": None, "gaps": {"grants": "row"}}
    used = key(ONE, TWO, MANAGED, **grants, aliases=("alias/b", "alias/a"), tags={"t": "v"})
    (row,) = of_key(used, principal(ROLE, policy(allow()))).keys
    assert (row.critical + row.high, row.grants_read, row.policy_read, row.aliases) == (
        1,
        "not read",
        "read",
        ("alias/b", "alias/a"),
    )


# -- words ------------------------------------------------------------------------------------------------------------


def test_title_says_who_can_do_what_with_which_key_in_one_sentence() -> None:
    used = key(allow(UNKNOWN_ROOT, when=VPCE), aliases=("alias/card-data",))
    finding = of_key(used, account(OWNER, name="payments")).external
    assert finding.title == (
        f"Any principal of an unknown account {STRANGER} can, under conditions, decrypt data with "
        "alias/card-data of payments in eu-west-1"
    )  # fmt: skip
    assert finding.summary == ("The key policy names the account in one statement: Decrypt, if aws:SourceVpce = vpce-1")
    assert not finding.title.startswith("kx-")


def test_rules_behind_a_finding_carry_their_confidence() -> None:
    finding = of_key(key(grants=(grant(iam(STRANGER, "role/x")),))).external
    assert ("R4.11", "C") in {(r.rule, r.confidence) for r in finding.rules}


def test_remediation_names_the_change_and_is_never_run() -> None:
    assert to("*").external.remediation.kind == "add_condition"
    assert to(UNKNOWN_ROOT).external.remediation.kind == "narrow_principal"
    revoke = of_key(key(grants=(grant(iam(STRANGER, "role/x")),))).external.remediation
    assert revoke.kind == "revoke_grant"
    assert revoke.cli.splitlines()[3].startswith('aws kms revoke-grant "$@" --grant-id ')
    assert to(UNKNOWN_ROOT, "kms:PutKeyPolicy").ineffective.remediation.kind == "remove_statement"


def test_reach_counts_who_gets_through() -> None:
    people = [principal(iam(MEMBER, f"role/r{n}"), policy(allow())) for n in range(25)]
    reach = of_key(key(allow(iam(MEMBER, "root"))), *people).external.reach
    assert (reach.principals_total, len(reach.principals_sample), reach.truncated, reach.accounts) == (
        26,
        20,
        True,
        (MEMBER,),
    )
    assert of_key(key(allow(ROLE)), principal(ROLE)).external.reach.principals_total == 0


def test_scp_at_an_ou_blocks_a_role_that_both_sides_allow() -> None:
    org = organization(scps={OU: [policy(deny(None, "kms:*"))], ROOT: [policy(allow(None, "*"))]})
    finding = of_key(key(allow(ROLE)), principal(ROLE, policy(allow())), org).external
    assert told(finding) == ("info", "blocked", "scp_deny")
    assert any(e.kind == "scp_statement" for e in finding.evidence)


def test_blank_line_inside_a_statement_is_not_marked() -> None:
    lines = ["  {", "", '    "Effect": "Allow"', "  }"]
    marks = list(marks_of(Span(1, 3, 4, 3), lines, "gives it"))
    assert [(m.line, m.col_from, m.col_to, m.label) for m in marks] == [
        (1, 3, 3, "gives it"), (3, 5, 21, ""), (4, 3, 3, ""),
    ]  # fmt: skip


def test_twins_of_the_own_account_are_listed_each_with_what_both_can_do() -> None:
    twins = [iam(OWNER, f"role/Worker{number}") for number in (1, 2)]
    people = [principal(arn, policy(allow(None, "kms:Decrypt"))) for arn in twins]
    rows = of_key(key(allow(iam(OWNER, "root"), "kms:*")), *people, insiders=True).access
    can = {arn: [(r.capability, r.actions, r.decision) for r in rows if r.principal_arn == arn] for arn in twins}
    assert list(can.values()) == [[("decrypt", ("kms:Decrypt",), "allowed")]] * 2


@pytest.mark.parametrize("by_class", [True, False])
def test_boundary_that_names_one_of_two_users_tells_them_apart(by_class: bool) -> None:
    ann, bob = iam(MEMBER, "user/Ann"), iam(MEMBER, "user/Bob")
    boundary = policy(allow(None, "kms:*", when={"ArnEquals": {"aws:PrincipalArn": ann}}))
    people = [principal(arn, policy(allow(None, "kms:*")), boundary=boundary) for arn in (ann, bob)]
    rows = analyzed(world(key(allow(iam(MEMBER, "root"))), *people), by_class=by_class).access
    assert [(r.principal_arn, r.decision) for r in rows if "user/" in r.principal_arn] == [(ann, "allowed")]


def test_grant_to_make_grants_is_not_counted_as_fenced() -> None:
    finding = of_key(key(grants=(grant(iam(STRANGER, "role/App"), "CreateGrant"),))).external
    base = finding.severity_reasons[0]
    assert (base.effect, base.text) == ("critical", "unknown_third_party may delegate")


def test_principal_id_of_the_own_account_is_told_of_nobody_outside() -> None:
    used = key(allow("AIDAOWN"))
    given = world(used, principal(iam(OWNER, "user/Ann"), unique_id="AIDAOWN"))
    assert list(tell(used, Population(given), Assembly(given, Trust(), SeverityRules(), None))) == []
    assert analyzed(given).findings == ()
    assert of_key(used).external.verdict is FindingVerdict.POSSIBLE
