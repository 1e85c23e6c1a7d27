"""What became of findings since an earlier run: the five mutations, proofs of resolution, and nothing quietly less."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given as supposing
from hypothesis import settings
from hypothesis import strategies as st
from scanner.analyze.history.formerly import may_be_renamed
from scanner.analyze.history.lifecycle import Followed, Former, follow, lifecycle_of
from scanner.analyze.keys.severity import SeverityRules
from scanner.analyze.principals.approvals import ApprovedAccount
from scanner.analyze.principals.party import Trust
from scanner.model.arn import AccountId, KeyArn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.decision import StatementRef
from scanner.model.finding import Finding, Hop, Kind, Path, Rise, Severity
from scanner.model.lifecycle import Lifecycle
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MANAGER,
    MEMBER,
    OWNER,
    STRANGER,
    account,
    allow,
    analyzed,
    grant,
    iam,
    key,
    policy,
    principal,
    world,
)

ROOT, OTHER = iam(STRANGER, "root"), iam("888877776666", "root")
VIA = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
LISTED = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "", Outcome.OK)
KEY_ID = KEY.rsplit("/", 1)[-1]


def followed(old: World, new: World, **former: object) -> Followed:
    """The second run compared with the first."""
    before = Former(analyzed(old).findings, **former)  # type: ignore[arg-type]
    return follow(analyzed(new).findings, before, new)


def lifecycles(found: Followed) -> dict[str, str]:
    """Lifecycle by grantee, of findings and resolved ones."""
    return {f.grantee.account_id: f.lifecycle for f in (*found.findings, *found.resolved)}


def shared(*statements: dict, **facts: object) -> World:
    """One key, read together with the list of its Region."""
    return world(key(*statements, **facts), coverage=(LISTED,))


# -- the same people under another name -------------------------------------------------------------------------------

EXPORT = iam(STRANGER, "role/Export")


def renamed(old: World, new: World, **changes: object) -> str:
    """The lifecycle of the finding about the role, the earlier run's world at hand."""
    former = Former(**{"findings": analyzed(old).findings, "world": old} | changes)  # type: ignore[arg-type]
    found = follow(analyzed(new).findings, former, new)
    return next(f.lifecycle for f in found.findings if f.grantee.selector == EXPORT)


def test_role_that_its_account_held_before_is_narrowed_and_new_without_a_proof() -> None:
    before, after = shared(allow(ROOT)), shared(allow(EXPORT))
    assert renamed(before, after) == "narrowed"
    assert renamed(before, after, world=None) == "new"
    assert renamed(before, after, world=world()) == "new"
    assert renamed(before, after, comparable=False) == "new"
    assert renamed(shared(allow(OTHER)), after) == "new"


def test_role_that_could_do_less_before_or_weighs_more_is_new() -> None:
    assert renamed(shared(allow(ROOT, "kms:Decrypt")), shared(allow(EXPORT, "kms:Decrypt", "kms:Encrypt"))) == "new"
    before, after = shared(allow(ROOT)), shared(allow(EXPORT))
    light = tuple(replace(f, severity=Severity.INFO) for f in analyzed(before).findings)
    assert renamed(before, after, findings=light) == "new"


def test_role_that_comes_back_is_reopened_whatever_its_account_could() -> None:
    before, after = shared(allow(ROOT)), shared(allow(EXPORT))
    (gone,) = analyzed(after).findings
    assert renamed(before, after, resolved=(gone,)) == "reopened"


def test_former_world_is_wanted_only_where_a_wider_name_may_hold_the_new_one() -> None:
    root, role, other = (analyzed(shared(allow(who))).findings for who in (ROOT, EXPORT, OTHER))
    assert may_be_renamed(root, role)
    assert may_be_renamed(analyzed(shared(allow("*"))).findings, root)
    assert not may_be_renamed(role, root)
    assert not may_be_renamed(root, root)
    assert not may_be_renamed(other, role)
    assert not may_be_renamed(root, tuple(replace(f, kind=Kind.KEY_HYGIENE) for f in role))
    assert not may_be_renamed((*root, *role), role)


# -- the five mutations -----------------------------------------------------------------------------------------------


def test_principal_that_was_added_is_a_new_finding_and_the_other_one_is_unchanged() -> None:
    found = followed(shared(allow(ROOT)), shared(allow([ROOT, OTHER]) | {"Principal": {"AWS": [ROOT, OTHER]}}))
    assert lifecycles(found) == {STRANGER: "unchanged", "888877776666": "new"}
    assert found.counts == {"new": 1, "unchanged": 1}


def test_principal_that_was_removed_is_resolved() -> None:
    both = allow(ROOT) | {"Principal": {"AWS": [ROOT, OTHER]}}
    found = followed(shared(both), shared(allow(ROOT)))
    assert lifecycles(found) == {STRANGER: "unchanged", "888877776666": "resolved"}
    assert found.counts == {"resolved": 1, "unchanged": 1}
    (gone,) = found.resolved
    assert (gone.evidence, gone.conditions, gone.title != "") == ((), (), True)


def test_condition_that_was_added_narrows_and_one_that_was_removed_widens() -> None:
    assert lifecycles(followed(shared(allow(ROOT)), shared(allow(ROOT, when=VIA)))) == {STRANGER: "narrowed"}
    assert lifecycles(followed(shared(allow(ROOT, when=VIA)), shared(allow(ROOT)))) == {STRANGER: "widened"}


def test_statement_that_was_deleted_is_resolved() -> None:
    found = followed(shared(allow(ROOT)), shared())
    assert lifecycles(found) == {STRANGER: "resolved"}
    assert found.findings == ()


def test_finding_that_is_wider_in_one_part_and_narrower_in_another_is_widened() -> None:
    found = followed(
        shared(allow(ROOT, "kms:Decrypt", "kms:Sign")), shared(allow(ROOT, "kms:Decrypt", "kms:CreateGrant"))
    )
    assert lifecycles(found) == {STRANGER: "widened"}


# -- over several runs ------------------------------------------------------------------------------------------------


def test_finding_that_comes_back_is_reopened_and_keeps_when_it_was_first_seen() -> None:
    first = shared(allow(ROOT))
    second, third = replace(shared(), as_of="2026-12-01T00:00:00Z"), replace(first, as_of="2026-12-08T00:00:00Z")
    gone = followed(first, second)
    back = follow(analyzed(third).findings, Former(gone.findings, gone.resolved), third)
    (finding,) = back.findings
    assert finding.lifecycle == "reopened"
    assert (finding.first_seen, finding.last_seen) == (first.as_of, third.as_of)
    assert back.resolved == ()


def test_approval_that_ends_leaves_the_fingerprint_and_is_said_as_a_severity_that_rose() -> None:
    """The access is what it was, and nobody stands behind it any more: a gate on new findings has to count it."""
    trust = Trust(approvals=(ApprovedAccount(STRANGER, "Payroll", "2026-11-30"),))
    today, later = shared(allow(ROOT)), replace(shared(allow(ROOT)), as_of="2026-12-01T00:00:00Z")
    before = Former(analyzed(today, trust=trust).findings)
    (rose,) = follow(analyzed(later, trust=trust).findings, before, later).findings
    assert (rose.lifecycle, rose.fingerprint) == ("unchanged", before.findings[0].fingerprint)
    assert (rose.rise, rose.severity, rose.has_grown) == (
        Rise(Severity.INFO, "the approval ended on 2026-11-30"), "high", True,
    )  # fmt: skip
    (same,) = follow(analyzed(today, trust=trust).findings, before, today).findings
    assert (same.rise, same.has_grown) == (None, False)
    (fell,) = follow(before.findings, Former((rose,)), today).findings
    assert (fell.rise, fell.has_grown) == (None, False)


def test_tag_that_makes_a_key_sensitive_is_said_where_the_severity_rose() -> None:
    rules = SeverityRules(sensitive_tags={"data": ("pii",)})
    plain, tagged = (shared(allow(ROOT, "kms:DescribeKey"), tags=tags) for tags in ({}, {"data": "pii"}))
    before = Former(analyzed(plain, severity=rules).findings)
    rises = {f.rise for f in follow(analyzed(tagged, severity=rules).findings, before, tagged).findings}
    assert rises == {Rise(Severity.LOW, "the key carries data=pii")}


def test_severity_of_another_run_than_the_baseline_is_not_taken_over() -> None:
    (finding,) = analyzed(shared(allow(ROOT))).findings
    rose = replace(finding, rise=Rise(Severity.INFO, ""))
    assert follow((rose,), Former((finding,)), shared()).findings[0].rise is None
    assert follow((rose,), Former(()), shared()).findings[0].rise is None
    assert follow((rose,), Former((), (finding,)), shared()).findings[0].rise is None
    assert follow((), Former((rose,)), world()).findings[0].rise is None
    assert follow((), Former((rose,)), shared()).resolved[0].rise is None


def test_severity_that_another_engine_gave_is_marked_and_did_not_rise() -> None:
    (finding,) = analyzed(shared(allow(ROOT))).findings
    former = Former((replace(finding, severity=Severity.INFO),), comparable=False)
    (marked,) = follow((finding,), former, shared()).findings
    assert (marked.lifecycle, marked.rise, marked.has_grown) == ("engine_changed", None, False)


def test_resolved_finding_is_remembered_and_counted_once() -> None:
    gone = followed(shared(allow(ROOT)), shared())
    again = follow((), Former(gone.findings, gone.resolved), shared())
    assert [f.lifecycle for f in again.resolved] == ["resolved"]
    assert again.counts == {}


def test_unchanged_finding_keeps_when_it_was_first_seen() -> None:
    later = replace(shared(allow(ROOT)), as_of="2027-01-01T00:00:00Z")
    (finding,) = followed(shared(allow(ROOT)), later).findings
    assert (finding.lifecycle, finding.first_seen, finding.last_seen) == (
        "unchanged", shared().as_of, "2027-01-01T00:00:00Z",
    )  # fmt: skip


# -- what was not read is not resolved --------------------------------------------------------------------------------

UNIT = {"account_id": OWNER, "region": "eu-west-1"}
DENIED = LedgerRow(call="kms:GetKeyPolicy", subject=KEY_ID, outcome=Outcome.DENIED, **UNIT)
OTHER_KEY = LedgerRow(call="kms:GetKeyPolicy", subject="0000", outcome=Outcome.DENIED, **UNIT)


def row(call: str, outcome: Outcome, subject: str = "", region: str = "eu-west-1") -> LedgerRow:
    return LedgerRow(OWNER, region, call, subject, outcome)


@pytest.mark.parametrize(
    "present",
    [
        world(),
        world(coverage=(row("kms:ListKeys", Outcome.DENIED),)),
        world(coverage=(row("sts:AssumeRole", Outcome.DENIED, region="*"),)),
        world(coverage=(LISTED, row("kms:DescribeKey", Outcome.SKIPPED, KEY_ID))),
        world(coverage=(LISTED, row("kms:DescribeKey", Outcome.TIMEOUT, KEY_ID))),
        world(coverage=(replace(LISTED, region="us-east-1"),)),
        world(key(key_policy=None, gaps={"key_policy": DENIED.ref}), coverage=(LISTED, DENIED)),
        world(coverage=(row("kms:ListKeys", Outcome.OK, "OTHER_ACCOUNTS_VIA_RAM"),)),
    ],
    ids=[
        "nothing",
        "list-denied",
        "role-missing",
        "left-out",
        "not-described",
        "other-region",
        "policy-unread",
        "shares",
    ],
)
def test_finding_whose_key_was_not_read_again_stays_visible_as_not_rechecked(present) -> None:
    before = analyzed(shared(allow(ROOT))).findings
    found = follow((), Former(before), present)
    assert found.resolved == ()
    (kept,) = found.findings
    assert (kept.lifecycle, kept.severity, kept.verdict) == ("not_rechecked", before[0].severity, before[0].verdict)
    assert kept.last_seen == before[0].last_seen
    assert found.kept == (kept.id,)
    assert set(kept.coverage_refs) == {r.ref for r in present.coverage if r.outcome.is_gap}


def test_key_that_is_no_more_in_a_region_that_was_listed_resolves() -> None:
    gone = row("kms:DescribeKey", Outcome.GONE, KEY_ID)
    for coverage in ((LISTED,), (LISTED, gone), (LISTED, OTHER_KEY)):
        found = follow((), Former(analyzed(shared(allow(ROOT))).findings), world(coverage=coverage))
        assert [f.lifecycle for f in found.resolved] == ["resolved"]


def test_damaged_policy_resolves_nothing_and_grants_are_proven_by_the_grants_alone() -> None:
    by_policy = analyzed(shared(allow(ROOT))).findings
    by_grant = analyzed(shared(grants=(grant(ROOT),))).findings
    broken = world(key("not a statement"), coverage=(LISTED,))  # type: ignore[arg-type]
    assert follow((), Former(by_policy), broken).resolved == ()
    assert len(follow((), Former(by_grant), broken).resolved) == 1
    unread = world(key(gaps={"grants": "row"}), coverage=(LISTED,))
    assert follow((), Former(by_grant), unread).resolved == ()
    assert len(follow((), Former(by_policy), unread).resolved) == 1


def test_finding_without_a_readable_key_arn_is_never_resolved() -> None:
    (finding,) = analyzed(shared(allow(ROOT))).findings
    assert finding.key is not None
    odd = replace(finding, key=replace(finding.key, arn="a key"))
    assert follow((), Former((odd,)), shared()).resolved == ()


def test_verdict_that_hangs_on_an_unread_account_now_is_not_rechecked_and_keeps_its_finding() -> None:
    reader = iam(MEMBER, "role/reader")
    gap = LedgerRow(MEMBER, "global", "iam:GetAccountAuthorizationDetails", "", Outcome.DENIED)
    unread = account(MEMBER, collected=False, iam_complete=False, gap=gap.ref)
    old = world(key(allow(reader)), principal(reader, FULL), coverage=(LISTED,))
    new = world(key(allow(reader)), accounts=(unread,), coverage=(LISTED, gap))
    found = followed(old, new)
    assert {f.kind: f.lifecycle for f in found.findings} == {
        Kind.EXTERNAL_ACCESS: "not_rechecked", Kind.BROAD_KEY_PERMISSION: "not_rechecked",
    }  # fmt: skip
    assert found.counts == {"not_rechecked": 2}


# -- paths and policies of IAM ----------------------------------------------------------------------------------------

ENTRY = iam(OWNER, "role/entry")
HOP = Hop(ROOT, "sts:AssumeRole", ENTRY, "allowed", "trust_allows", statements=(
    StatementRef(ENTRY, "trust policy", "00", 0, "", "Allow", 1, 2),
))  # fmt: skip


STILL_OPEN = {"trust": policy(allow(ROOT, "sts:AssumeRole"))}


def path_finding(kind: Kind = Kind.ASSUMED_ROLE_PATH, total: int = 1) -> Finding:
    (finding,) = analyzed(shared(allow(ROOT))).findings
    assert finding.key is not None
    about = replace(finding.resource, kind="role", arn=ENTRY)
    mechanism = replace(finding.mechanism, kind="role")
    return replace(
        finding, kind=kind, key=None, keys=(finding.key,), keys_total=total, resource=about, mechanism=mechanism,
        path=Path((HOP,)),
    )  # fmt: skip


def resolves(finding: Finding, *things: object, accounts: Sequence[object] = (), coverage: tuple = (LISTED,)) -> bool:
    present = world(account(MANAGER), *things, accounts=accounts, coverage=coverage)  # type: ignore[arg-type]
    return len(follow((), Former((finding,)), present).resolved) == 1


def test_path_is_resolved_where_iam_of_its_accounts_and_its_keys_were_read() -> None:
    entry, unread = principal(ENTRY, FULL, **STILL_OPEN), account(OWNER, iam_complete=False)
    assert resolves(path_finding(), entry, key())
    assert not resolves(path_finding(), entry, key(), accounts=(unread,))
    assert not resolves(path_finding(), entry, key(key_policy=None, gaps={"key_policy": "row"}))
    assert not resolves(replace(path_finding(), path=Path((replace(HOP, role_arn="a role"),))), entry, key())


def test_path_whose_role_is_gone_is_resolved_whatever_its_keys_say() -> None:
    assert resolves(path_finding(total=40), key(key_policy=None, gaps={"key_policy": "row"}))


def test_path_with_more_keys_than_are_listed_needs_every_key_to_be_read() -> None:
    entry = principal(ENTRY, FULL, **STILL_OPEN)
    many = path_finding(total=40)
    another = key(arn=KEY[:-1] + "0")
    unread = replace(another, key_policy=None, gaps={"key_policy": "row"})
    managed = replace(unread, manager="AWS")
    left_out = row("kms:DescribeKey", Outcome.SKIPPED, "ffff")
    assert resolves(many, entry, key(), another)
    assert resolves(many, entry, key(), managed)
    assert resolves(many, entry, key(), coverage=(LISTED, row("kms:GetKeyPolicy", Outcome.SKIPPED, "ffff/AWS_RAM")))
    no_second_list = row("kms:ListRetirableGrants", Outcome.SKIPPED, f"arn:aws:iam::{OWNER}:root")
    assert resolves(many, entry, key(), coverage=(LISTED, no_second_list))
    assert not resolves(many, entry, key(), unread)
    assert not resolves(many, entry, key(), coverage=(LISTED, left_out))
    assert not resolves(many, entry, key(), coverage=(LISTED, row("kms:ListKeys", Outcome.DENIED, region="us-east-1")))


def test_statement_of_iam_is_resolved_where_its_account_was_read_and_keys_do_not_matter() -> None:
    use = path_finding(Kind.FOREIGN_KEY_USE)
    ours = replace(use, grantee=replace(use.grantee, account_id=MEMBER), path=Path())
    assert resolves(ours)
    assert not resolves(ours, accounts=(account(MEMBER, collected=False),))
    assert not resolves(replace(ours, resource=replace(ours.resource, account_id=STRANGER)))


def test_gap_of_a_hop_is_cited_and_that_of_another_key_is_not() -> None:
    iam_gap = row("iam:GetAccountAuthorizationDetails", Outcome.DENIED, region="global")
    unread = account(OWNER, iam_complete=False)
    present = world(principal(ENTRY, **STILL_OPEN), accounts=(unread,), coverage=(iam_gap, OTHER_KEY, DENIED))
    (kept,) = follow((), Former((path_finding(),)), present).findings
    assert kept.coverage_refs == (DENIED.ref, iam_gap.ref)
    (finding,) = analyzed(shared(allow(ROOT))).findings
    (kept,) = follow((), Former((finding,)), present).findings
    assert kept.coverage_refs == (DENIED.ref, iam_gap.ref)


# -- other engines ----------------------------------------------------------------------------------------------------


def test_other_engine_without_its_snapshot_marks_what_differs_and_widens_nothing() -> None:
    wider = followed(shared(allow(ROOT, when=VIA)), shared(allow(ROOT), allow(OTHER)), comparable=False)
    assert lifecycles(wider) == {STRANGER: "engine_changed", "888877776666": "new"}
    gone = followed(shared(allow(ROOT)), shared(), comparable=False)
    assert [f.lifecycle for f in gone.resolved] == ["engine_changed"]
    same = followed(shared(allow(ROOT)), shared(allow(ROOT)), comparable=False)
    assert lifecycles(same) == {STRANGER: "unchanged"}


# -- one finding ------------------------------------------------------------------------------------------------------


def test_difference_that_cannot_be_named_is_widened_unless_decisions_are_proven_equal() -> None:
    (finding,) = analyzed(shared(allow(ROOT))).findings
    changed = replace(finding, fingerprint="00000000")
    assert finding.reach.digest
    assert lifecycle_of(finding, changed) is Lifecycle.UNCHANGED
    other = replace(changed, reach=replace(finding.reach, digest="ffff"))
    assert lifecycle_of(finding, other) is Lifecycle.WIDENED
    old = replace(finding, reach=replace(finding.reach, digest=""))
    assert lifecycle_of(old, replace(old, fingerprint="00000000")) is Lifecycle.WIDENED


def test_permission_without_effect_stays_unchanged_whoever_it_names() -> None:
    one = analyzed(shared(allow(ROOT, "kms:PutKeyPolicy", Sid="A"))).ineffective
    both = allow(ROOT, "kms:PutKeyPolicy", Sid="A") | {"Principal": {"AWS": [ROOT, OTHER]}}
    two = analyzed(shared(both)).ineffective
    assert (one.id, one.fingerprint == two.fingerprint) == (two.id, False)
    assert lifecycle_of(one, two) is Lifecycle.UNCHANGED


def test_role_that_gains_behind_another_that_had_more_changes_the_fingerprint() -> None:
    """The finding shows the strongest decision; a second role that catches up must not pass under a pinned one."""
    given = key(allow(iam(MEMBER, "root"), "kms:*"))
    strong = principal(iam(MEMBER, "role/strong"), FULL)
    weak = principal(iam(MEMBER, "role/weak"), policy(allow(None, "kms:Encrypt")))
    more = principal(iam(MEMBER, "role/weak"), policy(allow(None, "kms:Encrypt", "kms:Decrypt")))
    old, new = world(given, strong, weak), world(given, strong, more)
    shared_keys = [f.lifecycle for f in followed(old, new).findings if f.kind is Kind.EXTERNAL_ACCESS]
    assert shared_keys == ["widened"]


def test_use_of_a_shared_key_stays_visible_where_the_shares_were_not_read_again() -> None:
    theirs = KeyArn(f"arn:aws:kms:eu-west-1:{STRANGER}:key/5e3f7a10-2b64-4c58-9d0e-7f1a6b2c3d4e")
    app = principal(iam(MEMBER, "role/App"), FULL)
    old, new = world(app, shared_keys={AccountId(MEMBER): (theirs,)}), world(app)
    uses = {f.lifecycle for f in followed(old, new).findings if f.kind is Kind.FOREIGN_KEY_USE}
    assert uses == {"not_rechecked"}


# -- properties -------------------------------------------------------------------------------------------------------

_statement = st.builds(
    lambda who, action, when: allow(who, action, when=when),
    st.sampled_from((ROOT, OTHER, "*", iam(MEMBER, "root"))),
    st.sampled_from(("kms:Decrypt", "kms:CreateGrant", "kms:PutKeyPolicy")),
    st.sampled_from((None, VIA)),
)


@settings(deadline=None, max_examples=60)
@supposing(st.lists(_statement, max_size=3))
def test_run_compared_with_itself_is_unchanged_in_every_finding(statements) -> None:
    given = shared(*statements)
    found = followed(given, given)
    assert {f.lifecycle for f in found.findings} <= {"unchanged"}
    assert found.resolved == ()
    again = followed(given, shared(*reversed(statements)))
    assert {f.lifecycle for f in again.findings if f.kind is Kind.EXTERNAL_ACCESS} <= {"unchanged"}


@settings(deadline=None, max_examples=60)
@supposing(st.lists(_statement, min_size=1, max_size=3), st.booleans())
def test_finding_whose_key_was_unread_is_never_resolved(statements, known) -> None:
    unread = key(key_policy=None, gaps={"key_policy": DENIED.ref})
    present = world(unread, coverage=(LISTED, DENIED)) if known else world(coverage=(DENIED,))
    before = analyzed(shared(*statements)).findings
    found = follow(analyzed(present).findings, Former(before), present)
    assert found.resolved == ()
    assert {f.id for f in before} <= {f.id for f in found.findings}


@settings(deadline=None, max_examples=60)
@supposing(st.lists(_statement, max_size=2), _statement)
def test_statement_more_never_narrows_or_resolves(statements, more) -> None:
    found = followed(shared(*statements), shared(*statements, more))
    kept = [f for f in (*found.findings, *found.resolved) if f.kind is Kind.EXTERNAL_ACCESS]
    assert not {f.lifecycle for f in kept} & {"narrowed", "resolved", "not_rechecked"}
