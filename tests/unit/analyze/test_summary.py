"""The headline, coverage, gates and exit code of a run: never more than what was read, and never `nobody`."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any

import pytest
from scanner import ENGINE, FINDINGS_SCHEMA
from scanner.analyze.headline import headline
from scanner.analyze.keys.damaged import with_damaged_documents
from scanner.analyze.principals.approvals import ApprovedAccount
from scanner.analyze.principals.party import Trust
from scanner.analyze.summary import LIMITS, RunFacts, build_document, guardrails_in_words, scanned_units
from scanner.model.actions import CAPABILITIES
from scanner.model.approval import EndingApproval
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import FindingsDocument, Kind
from scanner.model.lifecycle import Suppression, SuppressionState
from scanner.model.world import World

from builders import (
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
    grant,
    iam,
    key,
    organization,
    policy,
    principal,
    world,
)

UNKNOWN_ROOT, ROLE = iam(STRANGER, "root"), iam(MEMBER, "role/App")
VPCE = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}
SECOND = KEY[:-1] + "c"
UNITS = frozenset({(OWNER, "eu-west-1"), (MEMBER, "eu-west-1")})


def document(given: World, **facts: Any) -> FindingsDocument:
    """The content of findings.json for a world."""
    base = RunFacts({"run_id": "r-1", "complete": "1"}, UNITS, (), "hash", {}, "critical", 90.0, "everything")
    return build_document(given, analyzed(given).result, replace(base, **facts))


PUBLIC = "Any AWS account can decrypt data with one key"
HANGS = "the organization may be able to decrypt data with one key, which hangs on what was not read or not documented"
NO_STRANGERS = "direct use by strangers was not found in what was read"
OUT = "paths through assumed roles: none was found in what was read"
BOTH = principal(ROLE, policy(allow()))
HEADLINES: list[tuple[tuple[Any, ...], str]] = [
    ((key(allow(UNKNOWN_ROOT)),), "One account outside the organization can decrypt data with one key"),
    (
        (key(allow(UNKNOWN_ROOT, when=VPCE)),),
        "One account outside the organization can decrypt data with one key, under conditions",
    ),
    (
        (key(allow(UNKNOWN_ROOT)), key(allow(UNKNOWN_ROOT, when=VPCE), arn=SECOND)),
        "One account outside the organization can decrypt data with two keys (one of them only under conditions)",
    ),
    ((key(allow("*")),), PUBLIC),
    (
        (key(allow("*")), key(allow({"AWS": [UNKNOWN_ROOT, "888877776666"]}), arn=SECOND)),
        f"{PUBLIC}, and two accounts outside the organization can decrypt data with one key",
    ),
    (
        (key(allow(UNKNOWN_ROOT, "kms:DescribeKey")),),
        "One account outside the organization can read metadata of one key",
    ),
    (
        (key(allow(UNKNOWN_ROOT, "kms:RevokeGrant")),),
        "One account outside the organization can remove grants from one key",
    ),
    (
        (key(allow(UNKNOWN_ROOT, "kms:Verify"), usage="SIGN_VERIFY", spec="RSA_2048"),),
        "One account outside the organization can verify signatures with one key",
    ),
    (
        (key(allow(UNKNOWN_ROOT, "kms:GetPublicKey"), usage="ENCRYPT_DECRYPT", spec="RSA_2048"),),
        "One account outside the organization can read the public half of one key",
    ),
    (
        (key(allow(UNKNOWN_ROOT, "kms:Sign"), usage="SIGN_VERIFY", spec="RSA_2048"),),
        "One account outside the organization can sign with one key",
    ),
    (
        (key(allow(UNKNOWN_ROOT, "kms:Transmogrify")),),
        f"One account outside {HANGS.replace('decrypt data', 'do something that this version does not know')}",
    ),
    ((key(allow(UNKNOWN_ROOT, "kms:Encrypt")),), "One account outside the organization can encrypt data with one key"),
    (
        (key(allow(UNKNOWN_ROOT, "kms:CreateGrant")),),
        "One account outside the organization can hand out access to one key",
    ),
    (
        (key(allow(UNKNOWN_ROOT)), replace(organization(), rcps=None)),
        f"One account outside {HANGS}; not read or understood: resource control policies",
    ),
    (
        (key(allow(UNKNOWN_ROOT, "kms:DescribeKey")), key(allow(UNKNOWN_ROOT), arn=SECOND, usage="", spec="")),
        f"One account outside the organization can read metadata of one key; one account outside {HANGS}",
    ),
    (
        (key(allow(ROLE)), BOTH),
        f"Accounts of ours can decrypt data with one key; {NO_STRANGERS}",
    ),
    (
        (key(allow({"Service": "logs.eu-west-1.amazonaws.com"}, "kms:DescribeKey")),),
        f"AWS services can read metadata of one key, perhaps for whoever asks them; {NO_STRANGERS}",
    ),
    (
        (key(allow("*", when={"StringEquals": {"aws:PrincipalOrgID": "o-stranger01"}})),),
        "One organization outside the organization can decrypt data with one key",
    ),
    (
        (key(allow({"Service": "logs.amazonaws.com"})),),
        f"AWS services can decrypt data with one key, perhaps for whoever asks them; {NO_STRANGERS}",
    ),
    ((key(),), "Direct use from outside the organization was not found in what was read"),
    (
        (key(allow(UNKNOWN_ROOT), state="Disabled"),),
        "Direct use from outside the organization was not found in what was read",
    ),
]


@pytest.mark.parametrize(("things", "answer"), HEADLINES)
def test_headline_says_what_outsiders_can_do_and_what_was_not_evaluated(things: tuple[Any, ...], answer: str) -> None:
    assert document(world(*things)).run.headline == f"{answer}; {OUT}"


def test_headline_tells_approved_partners_from_strangers_and_from_ours() -> None:
    approved = ApprovedAccount(STRANGER, "Vendor", "2027-01-01", capabilities=("decrypt",))
    given = world(key(allow(UNKNOWN_ROOT)), key(allow(ROLE), arn=SECOND), BOTH)
    result = analyzed(given, trust=Trust(approvals=(approved,))).result
    facts = RunFacts({}, UNITS, (), "hash", {}, "critical", 90.0, "everything")
    answer = "Approved partners can decrypt data with one key; accounts of ours can decrypt data with one key"
    assert build_document(given, result, facts).run.headline == f"{answer}; {NO_STRANGERS}; {OUT}"
    ended = Trust(approvals=(replace(approved, expires="2026-01-01"),))
    text = build_document(given, analyzed(given, trust=ended).result, facts).run.headline
    assert text == f"One account outside the organization can decrypt data with one key; {OUT}"


SUPPORT = iam(OWNER, "role/support")
OWN, DECRYPT = allow(iam(OWNER, "root"), "kms:*"), policy(allow(None, "kms:Decrypt"))


def support(*statements: Any) -> tuple[Any, ...]:
    """A role that a stranger can assume, of an account with three keys, of which the first has these statements too."""
    keys = (key(OWN, *statements), key(OWN, arn=SECOND), key(OWN, arn=KEY[:-1] + "d"))
    return *keys, principal(SUPPORT, DECRYPT, trust=policy(allow(UNKNOWN_ROOT, "sts:AssumeRole")))


@pytest.mark.parametrize(
    ("things", "answer"),
    [
        (support(), ""),
        (support(allow(UNKNOWN_ROOT)), "one account outside the organization with one directly, "),
        (support(allow("*", when=VPCE)), "any AWS account with one directly (only under conditions), "),
    ],
)
def test_headline_counts_the_keys_that_outsiders_reach_by_any_way(things: tuple[Any, ...], answer: str) -> None:
    assert document(world(*things)).run.headline == (
        f"Outsiders can decrypt data with three keys: {answer}one outsider with three through roles; "
        "paths through assumed roles: 1 outsider reaches 3 keys"
    )


def _accepted(given: World, kinds: set[Kind]) -> str:
    """The headline where findings of these kinds are accepted."""
    judged = analyzed(given).result
    entry = Suppression("known", "me", "", "2027-01-01", SuppressionState.ACTIVE)
    findings = tuple(replace(f, suppression=entry) if f.kind in kinds else f for f in judged.findings)
    facts = RunFacts({}, UNITS, (), "hash", {}, "critical", 90.0, "everything")
    return build_document(given, replace(judged, findings=findings), facts).run.headline


def test_accepted_access_is_left_out_of_the_headline_which_says_so() -> None:
    given = world(*support(allow(UNKNOWN_ROOT)))
    text = _accepted(given, {Kind.ASSUMED_ROLE_PATH})
    assert text.startswith("One account outside the organization can decrypt data with one key; accepted access is not")
    everything = _accepted(given, {Kind.ASSUMED_ROLE_PATH, Kind.EXTERNAL_ACCESS})
    assert everything.startswith("Direct use from outside the organization beyond what is accepted was not found in ")


def test_approved_access_is_left_out_beside_that_of_strangers() -> None:
    approved = ApprovedAccount(STRANGER, "Vendor", "2027-01-01", capabilities=("decrypt",))
    given = world(key(allow(UNKNOWN_ROOT), allow(iam("888877776666", "root"))))
    result = analyzed(given, trust=Trust(approvals=(approved,))).result
    facts = RunFacts({}, UNITS, (), "hash", {}, "critical", 90.0, "everything")
    text = build_document(given, result, facts).run.headline
    assert text.startswith(
        "One account outside the organization can decrypt data with one key; approved access is not "
    )


def test_path_that_was_kept_from_an_earlier_run_counts_with_the_keys_it_lists() -> None:
    given = world(*support())
    judged = analyzed(given).result
    assert headline(replace(judged, reached={}), document(given).coverage, given).startswith(
        "Outsiders can decrypt data with three keys: one outsider with three through roles;"
    )


def test_ending_approvals_are_part_of_the_run() -> None:
    ending = EndingApproval("account", STRANGER, "Vendor", "", "me", "2026-12-01")
    assert document(world(key()), ending_approvals=(ending,)).run.ending_approvals == (ending,)


def test_headline_knows_every_capability() -> None:
    for capability in CAPABILITIES:
        judged = analyzed(world(key(allow(UNKNOWN_ROOT)))).result
        finding = judged.findings[0]
        result = replace(finding.capabilities[0], capability=capability, actions=())
        given = world(key())
        told = replace(judged, findings=(replace(finding, capabilities=(result,)),), role_paths="none")
        text = headline(told, document(given).coverage, given)
        assert re.match(r"One account outside the organization can (?!use)[a-z ]+ one key; ", text), capability


def test_no_headline_and_no_limit_says_nobody() -> None:
    for things, _ in HEADLINES:
        run = document(world(*things)).run
        assert "nobody" not in " ".join((run.headline, *run.limits)).lower()
        assert OUT in run.headline
    assert LIMITS[0].startswith("Paths through assumed roles: ")


def test_without_an_organization_the_scanned_accounts_are_the_border() -> None:
    run = document(world(key(), organizations=())).run
    assert "from outside the scanned accounts was not found" in run.headline
    assert (run.organization_id, run.organization_read) == ("", False)
    assert document(world(key())).run.organization_id == ORG


# -- coverage ---------------------------------------------------------------------------------------------------------

DENIED = LedgerRow(OWNER, "eu-west-1", "kms:GetKeyPolicy", "k-1", Outcome.DENIED, "AccessDenied", "no", "allow it")


def gaps(*rows: LedgerRow) -> World:
    """A world whose ledger holds these rows."""
    return world(key(), account(OWNER, name="payments"), coverage=rows)


@pytest.mark.parametrize(
    ("row", "read"),
    [
        (DENIED, 1),
        (replace(DENIED, outcome=Outcome.OK), 2),
        (replace(DENIED, outcome=Outcome.SKIPPED), 2),
        (replace(DENIED, outcome=Outcome.NOT_ENABLED), 2),
        (replace(DENIED, region="us-east-1"), 2),
        (replace(DENIED, region="*", call="sts:AssumeRole"), 1),
        (replace(DENIED, region="global", call="iam:GetAccountAuthorizationDetails"), 1),
        (replace(DENIED, region="global", call="organizations:ListPolicies"), 2),
    ],
)
def test_coverage_counts_account_regions_that_were_fully_read(row: LedgerRow, read: int) -> None:
    made = document(gaps(row))
    coverage = made.coverage
    assert (coverage.units_total, coverage.units_read, coverage.percent) == (2, read, 50.0 * read)
    assert ("1 of 2 account-regions were not fully read" in made.run.headline) is (read == 1)


def test_one_gap_in_many_units_never_rounds_to_full_coverage() -> None:
    units = frozenset((OWNER, f"region-{n}") for n in range(5000)) | {(OWNER, "eu-west-1")}
    assert document(gaps(DENIED), scanned=units).coverage.percent == 99.9
    assert document(gaps(), scanned=frozenset()).coverage.percent == 100.0


def test_gaps_are_summed_up_by_account_call_and_outcome() -> None:
    other = replace(DENIED, region="us-east-1", subject="k-2")
    timeout = replace(DENIED, outcome=Outcome.TIMEOUT)
    first, second = document(gaps(DENIED, other, timeout)).coverage.gaps
    assert (first.outcome, first.regions, first.subjects) == ("denied", ("eu-west-1", "us-east-1"), ("k-1", "k-2"))
    assert (first.account_name, first.message, first.what_to_do) == ("payments", "no", "allow it")
    assert second.outcome == "timeout"


def test_account_regions_of_the_gaps_add_up_to_those_that_were_not_fully_read() -> None:
    units = frozenset({(OWNER, "eu-west-1"), (OWNER, "us-east-1"), (MEMBER, "eu-west-1"), (MEMBER, "us-east-1")})
    rows = (
        DENIED,
        replace(DENIED, call="kms:ListKeys", region="us-east-1"),
        replace(DENIED, call="kms:ListKeys"),
        replace(DENIED, call="kms:ListKeys", region="ap-south-2"),
        replace(DENIED, account_id=MEMBER, region="*", call="sts:AssumeRole"),
        replace(DENIED, account_id=MEMBER, region="global", call="organizations:ListPolicies"),
    )
    coverage = document(gaps(*rows), scanned=units).coverage
    assert [(gap.call, gap.units, gap.units_before) for gap in coverage.gaps] == [
        ("kms:GetKeyPolicy", 1, 0), ("kms:ListKeys", 2, 1),
        ("organizations:ListPolicies", 0, 0), ("sts:AssumeRole", 2, 0),
    ]  # fmt: skip
    assert sum(gap.units - gap.units_before for gap in coverage.gaps) == coverage.units_total - coverage.units_read == 4


def test_gap_counts_the_findings_that_hang_on_it() -> None:
    row = replace(DENIED, subject="k-1/AWS_RAM")
    used = key(allow(ROLE), ram_policy_read=False, gaps={"ram_policy": row.ref})
    given = world(used, BOTH, coverage=(row,))
    (finding,) = analyzed(given).about_keys
    assert finding.coverage_refs == (row.ref,)
    said = document(given)
    hanging = [f.kind for f in said.findings if row.ref in f.coverage_refs]
    assert set(hanging) == {Kind.EXTERNAL_ACCESS, Kind.BROAD_KEY_PERMISSION, Kind.KEY_HYGIENE}
    assert said.coverage.gaps[0].findings_affected == len(hanging) == 3


def test_opaque_keys_and_left_out_accounts_are_named() -> None:
    made = document(world(key(key_policy=None, gaps={"key_policy": "r"})), not_scanned=("old (1): closed",))
    assert (made.coverage.opaque_keys, made.coverage.not_scanned) == ((KEY,), ("old (1): closed",))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (world(), "Service control policies: read; resource control policies: read."),
        (
            world(organization(scp_enabled=False)),
            "Service control policies: not enabled; resource control policies: read.",
        ),
        (
            world(replace(organization(), rcps=None)),
            "Service control policies: read; resource control policies: not read.",
        ),
        (world(credit_scp=False), "As configured, SCPs are assumed to protect nothing."),
        (
            world(organizations=()),
            "The account is in no organization: no service or resource control policy can apply.",
        ),
        (
            world(account(OWNER, organization_unknown=True), organizations=()),
            "The organization was not read: no service or resource control policy is credited",
        ),
    ],
)
def test_guardrails_are_told_in_words(given: World, words: str) -> None:
    assert words in guardrails_in_words(given)


# -- gates and exit codes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("things", "facts", "exit_code"),
    [
        ((key(),), {}, 0),
        ((key(allow(UNKNOWN_ROOT)),), {}, 3),
        ((key(allow(UNKNOWN_ROOT)),), {"fail_on": "none"}, 0),
        ((key(allow(UNKNOWN_ROOT, when=VPCE)),), {}, 0),
        ((key(allow(UNKNOWN_ROOT, when=VPCE)),), {"fail_on": "high"}, 3),
        ((key(allow(ROLE)), principal(ROLE)), {"fail_on": "info"}, 3),
        ((key(),), {"meta": {"complete": "0"}}, 4),
        ((key(allow(UNKNOWN_ROOT)),), {"meta": {"complete": "0"}}, 3),
    ],
)
def test_exit_code_says_which_gate_is_closed(things: tuple[Any, ...], facts: dict[str, Any], exit_code: int) -> None:
    assert document(world(*things), **facts).run.exit_code == exit_code


def test_coverage_below_the_wanted_minimum_closes_the_gate() -> None:
    for minimum, exit_code in ((50.0, 0), (50.1, 4)):
        run = document(gaps(DENIED), min_coverage=minimum).run
        assert (run.exit_code, run.gate_coverage) == (exit_code, exit_code == 0)


def test_document_carries_engine_schema_and_the_texts_of_grants() -> None:
    made = document(world(key(grants=(grant(iam(STRANGER, "role/x")),))))
    assert (made.engine, made.schema_version, len(made.documents)) == (ENGINE, FINDINGS_SCHEMA, 1)
    assert made.run.keys == made.run.customer_keys == 1


# -- units in scope ---------------------------------------------------------------------------------------------------


def test_account_without_known_regions_counts_with_those_of_the_run() -> None:
    units = scanned_units([(OWNER, "eu-west-1")], [OWNER, MEMBER], '["eu-west-1", "us-east-1"]')
    assert units == {(OWNER, "eu-west-1"), *itertools.product([MEMBER], ["eu-west-1", "us-east-1"])}
    assert scanned_units([], [MEMBER], "") == {(MEMBER, "*")}


# -- an organization that was not read --------------------------------------------------------------------------------

NO_ORG = LedgerRow(MANAGER, "global", "organizations:DescribeOrganization", "", Outcome.DENIED, "", "no", "ask there")
NO_RCPS = LedgerRow(MANAGER, "global", "organizations:ListPolicies", "RESOURCE_CONTROL_POLICY", Outcome.DENIED)
SCPS, RCPS = "service control policies", "resource control policies"


def unread_organization(**facts: Any) -> World:
    return world(key(), organizations=(), organization_gap=NO_ORG.ref, coverage=(NO_ORG,), **facts)


def without(**facts: Any) -> World:
    """A world whose organization lacks policies of some kind."""
    return world(key(), replace(organization(), **facts), coverage=(NO_RCPS,))


def gate(given: World, **facts: Any) -> tuple[bool, int, tuple[str, ...]]:
    said = document(given, **facts)
    return said.run.gate_coverage, said.run.exit_code, said.coverage.organization_unread


@pytest.mark.parametrize(
    ("given", "unread"),
    [
        (unread_organization(), ("the organization",)),
        (without(scps=None), (SCPS,)),
        (without(rcps=None), (RCPS,)),
        (without(scps=None, rcps=None), (SCPS, RCPS)),
    ],
)
def test_organization_or_policies_that_were_not_read_end_with_4_although_every_region_was(
    given: World, unread: tuple[str, ...]
) -> None:
    assert gate(given) == (False, 4, unread)
    said = document(given)
    assert (said.coverage.percent, said.coverage.units_read) == (100.0, said.coverage.units_total)
    assert f"; not read or understood: {' and '.join(unread)}" in said.run.headline
    assert document(given, min_coverage=1.0).run.exit_code == 4
    assert document(given, min_coverage=0.0).run.exit_code == 0


def test_findings_win_over_an_organization_that_was_not_read() -> None:
    given = replace(without(rcps=None), keys=world(key(allow("*"))).keys)
    assert document(given, fail_on="low").run.exit_code == 3


@pytest.mark.parametrize(
    "given",
    [
        world(key()),
        world(key(), organizations=(), accounts=(account(OWNER), account(MEMBER))),
        replace(without(rcps=None), credit_rcp=False),
        replace(without(scps=None), credit_scp=False),
        without(scps={}, scp_enabled=False),
    ],
    ids=["read", "in-none", "rcps-not-credited", "scps-not-credited", "not-enabled"],
)
def test_what_is_not_to_be_read_of_an_organization_costs_nothing(given: World) -> None:
    assert gate(given) == (True, 0, ())


def test_organization_that_decides_nothing_need_not_be_read() -> None:
    nothing = {"credit_scp": False, "credit_rcp": False}
    assert gate(unread_organization(**nothing), accounts_from_organization=False) == (True, 0, ())
    assert gate(unread_organization(**nothing))[1] == 4
    for credited in nothing:
        given = unread_organization(**nothing | {credited: True})
        assert gate(given, accounts_from_organization=False)[1] == 4


def test_attached_policy_that_is_damaged_ends_with_4_and_another_one_does_not() -> None:
    attached = organization(scps={ROOT: [{"Statement": 1}]})
    given = with_damaged_documents(world(key(), attached))
    assert gate(given) == (False, 4, (SCPS,))
    unattached = LedgerRow(MANAGER, "global", "organizations:DescribePolicy", "p-unused", Outcome.DENIED)
    assert gate(world(key(), coverage=(unattached,))) == (True, 0, ())
