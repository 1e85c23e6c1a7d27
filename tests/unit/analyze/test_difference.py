"""Differences in access between two analyses: gained, lost, widened, narrowed, never lost where nothing was read."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given as supposing
from hypothesis import settings
from hypothesis import strategies as st
from scanner.analyze.history.difference import compare_access, compare_findings
from scanner.model.arn import KeyArn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.difference import AccessDifference, Change
from scanner.model.finding import CapabilityResult, Finding, FindingVerdict, Kind, Reach, Severity
from scanner.model.key import KeyFacts

from builders import (
    FULL,
    KEY,
    MEMBER,
    OWNER,
    STRANGER,
    account,
    allow,
    analyzed,
    deny,
    grant,
    iam,
    key,
    policy,
    principal,
    world,
)

ROOT = iam(STRANGER, "root")
VIA = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
READER = iam(MEMBER, "role/reader")


def findings(*statements: dict, **facts: object) -> tuple[Finding, ...]:
    """What is said about one key with these statements."""
    return analyzed(world(key(*statements, **facts))).findings


def only(old: tuple[Finding, ...], new: tuple[Finding, ...]) -> AccessDifference:
    """The one difference there is."""
    (difference,) = compare_access(old, new).differences
    return difference


# -- what differs -----------------------------------------------------------------------------------------------------


def test_statement_that_was_added_is_access_gained_through_its_lines() -> None:
    found = only(findings(), findings(allow(ROOT, "kms:Decrypt", "kms:Encrypt", Sid="Share")))
    assert found.change is Change.GAINED
    assert (found.old_verdict, found.new_verdict) == (None, FindingVerdict.CONFIRMED)
    assert found.capabilities == ("decrypt", "encrypt")
    assert found.grantee.account_id == STRANGER
    assert "`Share`, lines" in found.why


def test_statement_that_was_deleted_is_access_lost() -> None:
    found = only(findings(allow(ROOT)), findings())
    assert found.change is Change.LOST
    assert (found.old_verdict, found.new_verdict) == (FindingVerdict.CONFIRMED, None)
    assert found.why == "nothing names it any more"


def test_action_that_was_taken_away_is_lost_and_the_others_stay() -> None:
    found = only(findings(allow(ROOT, "kms:Decrypt", "kms:Encrypt")), findings(allow(ROOT, "kms:Encrypt")))
    assert (found.change, found.capabilities) == (Change.LOST, ("decrypt",))
    assert found.why == "nothing names it for this any more"


def test_statement_without_effect_says_why_access_is_lost() -> None:
    nobody = {"StringEquals": {"aws:PrincipalAccount": OWNER}}
    found = only(findings(allow(ROOT)), findings(allow(ROOT, when=nobody)))
    assert found.change is Change.LOST
    assert found.why == "what is written for it has no effect: no request can meet the conditions"


def test_condition_that_was_added_narrows() -> None:
    found = only(findings(allow(ROOT)), findings(allow(ROOT, when=VIA)))
    assert (found.change, found.new_verdict) == (Change.NARROWED, FindingVerdict.CONDITIONAL)
    assert found.new_condition == "kms:ViaService = s3.eu-west-1.amazonaws.com"
    assert found.why == "now under a condition"


def test_condition_that_was_removed_widens_and_is_named() -> None:
    found = only(findings(allow(ROOT, when=VIA)), findings(allow(ROOT)))
    assert found.change is Change.WIDENED
    assert found.why == "the condition is gone: kms:ViaService = s3.eu-west-1.amazonaws.com"


def test_weaker_stronger_and_other_conditions_are_told_apart() -> None:
    s3, ec2 = VIA, {"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}
    either = {"StringEquals": {"kms:ViaService": ["s3.eu-west-1.amazonaws.com", "ec2.eu-west-1.amazonaws.com"]}}
    assert only(findings(allow(ROOT, when=s3)), findings(allow(ROOT, when=either))).change is Change.WIDENED
    assert only(findings(allow(ROOT, when=either)), findings(allow(ROOT, when=s3))).change is Change.NARROWED
    other = only(findings(allow(ROOT, when=s3)), findings(allow(ROOT, when=ec2)))
    assert (other.change, other.why) == (
        Change.CHANGED, "the condition changed: it admits other requests than before",
    )  # fmt: skip


def test_key_that_was_disabled_takes_access_away_and_enabling_it_gives_it_back() -> None:
    on, off = findings(allow(ROOT)), findings(allow(ROOT), state="Disabled")
    lost, gained = only(on, off), only(off, on)
    assert (lost.change, lost.new_verdict, lost.why) == (Change.LOST, FindingVerdict.BLOCKED, "the key is disabled")
    assert (gained.change, gained.why) == (Change.GAINED, "before, the key is disabled")


def test_access_that_is_blocked_from_the_start_widens_and_its_end_narrows() -> None:
    blocked = findings(allow(ROOT), state="Disabled")
    assert only(findings(), blocked).change is Change.WIDENED
    assert only(blocked, findings()).change is Change.NARROWED


def test_dates_of_blocked_access_that_differ_cannot_be_compared() -> None:
    def from_day(day: str) -> tuple[Finding, ...]:
        return findings(allow(ROOT, when={"DateGreaterThan": {"aws:CurrentTime": day}}))

    found = only(from_day("2027-01-01T00:00:00Z"), from_day("2027-06-01T00:00:00Z"))
    assert (found.change, found.old_verdict) == (Change.WIDENED, FindingVerdict.BLOCKED)
    assert "cannot be decided" in found.why


def test_grant_in_the_place_of_a_statement_is_no_difference() -> None:
    compared = compare_access(findings(allow(ROOT)), findings(grants=(grant(ROOT),)))
    assert compared.differences == ()
    assert compared.unchanged == 1


def test_grant_that_was_added_is_named_as_the_way() -> None:
    assert "1 grant" in only(findings(), findings(grants=(grant(ROOT),))).why
    assert "2 grants" in only(findings(), findings(grants=(grant(ROOT), grant(ROOT, grant_id="g-2")))).why


def test_either_of_two_mechanisms_will_do() -> None:
    context = {"EncryptionContextEquals": {"app": "backup"}}
    both = findings(allow(ROOT, when=VIA), grants=(grant(ROOT, constraints=context),))
    by_policy = findings(allow(ROOT, when=VIA))
    assert only(by_policy, both).change is Change.WIDENED
    assert only(both, by_policy).change is Change.NARROWED
    same = findings(allow(ROOT), grants=(grant(ROOT),))
    assert compare_access(findings(allow(ROOT)), same).differences == ()
    stronger = findings(allow(ROOT, when=VIA), grants=(grant(ROOT),))
    assert only(by_policy, stronger).new_verdict is FindingVerdict.CONFIRMED


# -- principals and keys ----------------------------------------------------------------------------------------------


def role(name: str, *documents: dict) -> object:
    return principal(iam(MEMBER, f"role/{name}"), *documents)


def test_principal_that_gains_permission_widens_what_its_account_has() -> None:
    shared = key(allow(iam(MEMBER, "root")))
    one, two = analyzed(world(shared, role("a", FULL))).findings, analyzed(
        world(shared, role("a", FULL), role("b", FULL))
    ).findings  # fmt: skip
    more, less = only(one, two), only(two, one)
    assert (more.change, more.why) == (Change.WIDENED, f"it reaches 1 principal more: {iam(MEMBER, 'role/b')}")
    assert (less.change, less.why) == (Change.NARROWED, f"it reaches 1 principal fewer: {iam(MEMBER, 'role/b')}")


def reaching(total: int, *names: str, refs: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    (finding,) = findings(allow(ROOT))
    return (replace(finding, reach=Reach(total, (), names, (), total > len(names)), coverage_refs=refs),)


def test_principals_beyond_the_sample_are_compared_by_number_and_never_narrowed_by_guess() -> None:
    assert only(reaching(30, "a"), reaching(31, "a")).why == "it reaches 31 principals, 30 before"
    fewer = only(reaching(30, "a"), reaching(29, "b"))
    assert (fewer.change, "may reach more" in fewer.why) == (Change.WIDENED, True)
    unread = only(reaching(30, "a"), reaching(29, "b", refs=("1/eu/kms:X/",)))
    assert unread.change is Change.NOT_RECHECKED


def test_principals_of_an_account_that_was_not_read_this_time_are_not_lost() -> None:
    gone = only(reaching(2, "a", "b"), reaching(2, "a", ROOT, refs=("1/eu/iam:X/",)))
    assert gone.change is Change.NOT_RECHECKED
    assert compare_access(reaching(1, "a"), reaching(2, "a", ROOT, refs=("1/eu/iam:X/",))).differences == ()
    many = only(reaching(1, "a"), reaching(6, "a", "b", "c", "d", "e", "f"))
    assert many.why == "it reaches 5 principals more: b, c, d …"


def test_role_path_that_reaches_another_key_widens() -> None:
    (finding,) = findings(allow(ROOT))
    facts = finding.key
    assert facts is not None
    other = replace(facts, arn=facts.arn[:-1] + "0")
    path = replace(finding, kind=Kind.ASSUMED_ROLE_PATH, key=None, keys=(facts,), keys_total=1)
    both = replace(path, keys=(facts, other), keys_total=2)
    assert only((path,), (both,)).why == f"it reaches 1 key more: {other.arn}"
    assert only((both,), (path,)).change is Change.NARROWED


# -- what was not read ------------------------------------------------------------------------------------------------


def test_access_that_hangs_on_something_unread_now_is_not_rechecked() -> None:
    row = LedgerRow(MEMBER, "global", "iam:GetAccountAuthorizationDetails", "", Outcome.DENIED)
    shared = key(allow(READER))
    before = analyzed(world(shared, principal(READER, FULL))).findings
    unread = account(MEMBER, collected=False, iam_complete=False, gap=row.ref)
    after = analyzed(world(shared, accounts=(unread,), coverage=(row,))).findings
    found = only(before, after)
    assert (found.change, found.new_verdict) == (Change.NOT_RECHECKED, FindingVerdict.POSSIBLE)
    back = only(after, before)
    assert back.change is Change.WIDENED
    assert back.why.startswith("before, it hung on this: ")


def with_capability(verdict: FindingVerdict, reason: str, residual: object = None, **changes: object) -> Finding:
    (finding,) = findings(allow(ROOT))
    result = CapabilityResult("decrypt", ("kms:Decrypt",), verdict, Severity.HIGH, (reason,), "", residual)
    return replace(finding, capabilities=(result,), verdict=verdict, **changes)


def test_certain_access_that_becomes_possible_narrows_and_conditional_access_that_does_widens() -> None:
    """Something undocumented can only take away from everything, but may add to what stood under a condition."""
    sure = with_capability(FindingVerdict.CONFIRMED, "delegated_to_third_party")
    fenced = with_capability(FindingVerdict.CONDITIONAL, "residual_condition", {"key": "a", "holds": True})
    perhaps = with_capability(FindingVerdict.POSSIBLE, "undocumented")
    assert only((sure,), (perhaps,)).change is Change.NARROWED
    assert only((sure,), (perhaps,)).why == "now it hangs on this: AWS does not document what happens here"
    assert only((fenced,), (perhaps,)).change is Change.WIDENED
    assert only((fenced,), (replace(perhaps, coverage_refs=("row",)),)).change is Change.NOT_RECHECKED


def test_capability_without_actions_and_reasons_is_compared_by_its_name() -> None:
    (finding,) = findings(allow(ROOT))
    result = CapabilityResult("own words", (), FindingVerdict.CONFIRMED, Severity.LOW, ())
    plain = replace(finding, capabilities=(result,))
    found = only((), (replace(plain, mechanism=replace(plain.mechanism, statements=())),))
    assert (found.capabilities, found.why) == (("own words",), "through key_policy")


def test_state_of_one_finding_is_compared_whatever_its_kind() -> None:
    (finding,) = findings(allow(ROOT))
    hygiene = replace(finding, kind=Kind.KEY_HYGIENE)
    assert compare_access((hygiene,), ()).differences == ()
    (found,) = compare_findings(hygiene, replace(hygiene, capabilities=()))
    assert found.change is Change.LOST
    assert compare_findings(hygiene, hygiene) == ()
    without = analyzed(world(key(allow(ROOT, "kms:PutKeyPolicy")))).ineffective
    assert compare_findings(without, replace(without, capabilities=())) == ()


# -- properties -------------------------------------------------------------------------------------------------------

_WHO = (ROOT, READER, "*", iam(MEMBER, "root"))
_statements = st.lists(
    st.builds(
        lambda effect, who, action, when: effect(who, action, when=when),
        st.sampled_from((allow, allow, deny)),
        st.sampled_from(_WHO),
        st.sampled_from(("kms:Decrypt", "kms:Encrypt", "kms:CreateGrant", "kms:PutKeyPolicy")),
        st.sampled_from((None, VIA, {"Bool": {"aws:MultiFactorAuthPresent": "true"}})),
    ),
    max_size=3,
)
_PEOPLE = (principal(READER, policy(allow(None, "kms:*"))),)


def _said(statements: list[dict], state: str = "Enabled") -> tuple[Finding, ...]:
    made: KeyFacts = key(*statements, state=state)
    assert made.arn == KeyArn(KEY)
    return analyzed(world(made, *_PEOPLE)).findings


def _flat(differences: tuple[AccessDifference, ...], change: Change) -> set[tuple[str, str, str]]:
    return {(d.grantee.selector, d.resource.arn, a) for d in differences if d.change is change for a in d.actions}


@settings(deadline=None, max_examples=60)
@supposing(_statements)
def test_analysis_does_not_differ_from_itself(statements) -> None:
    said = _said(statements)
    assert compare_access(said, said).differences == ()
    assert compare_access(said, _said(list(reversed(statements)))).differences == ()


@settings(deadline=None, max_examples=60)
@supposing(_statements, _statements)
def test_what_one_way_gains_the_other_way_loses(one, other) -> None:
    a, b = _said(one), _said(other)
    there, back = compare_access(a, b).differences, compare_access(b, a).differences
    assert _flat(there, Change.GAINED) == _flat(back, Change.LOST)
    assert _flat(there, Change.LOST) == _flat(back, Change.GAINED)
    assert bool(there) == bool(back)
