"""What of a difference may only be that something was not read: told as not rechecked, and never what surely grew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from scanner.analyze.history.blind import Blind
from scanner.analyze.history.difference import compare_findings
from scanner.analyze.history.lifecycle import lifecycle_of
from scanner.analyze.history.reading import Reading
from scanner.analyze.keys.unread_rows import MOST_CITED
from scanner.model.difference import AccessDifference, Change
from scanner.model.finding import CapabilityResult, Finding, FindingVerdict, Hop, Kind, Path, Reach, ResourceRef
from scanner.model.finding import Severity as Rank

from builders import FULL, KEY, MEMBER, OWNER, STRANGER, account, allow, analyzed, iam, key, principal, world

ROOT, APP, PEER = iam(STRANGER, "root"), iam(OWNER, "role/App"), iam(MEMBER, "role/Peer")
ROW, OTHER = "1/eu/kms:ListGrants/x", "1/eu/kms:ListGrants/y"
SECOND = KEY[:-1] + "0"
CONFIRMED, CONDITIONAL, POSSIBLE, BLOCKED = (
    FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL, FindingVerdict.POSSIBLE, FindingVerdict.BLOCKED,
)  # fmt: skip


def said(
    verdict: FindingVerdict, reason: str = "why", *refs: str, action: str = "kms:Decrypt", **changes: object
) -> Finding:  # fmt: skip
    """A finding about one capability of a stranger."""
    finding = analyzed(world(key(allow(ROOT)))).external
    result = CapabilityResult("decrypt", (action,), verdict, Rank.HIGH, (reason,))
    made = {
        "capabilities": (result,),
        "verdict": verdict,
        "coverage_refs": refs,
        "fingerprint": f"{verdict}{reason}{refs}",
    }
    return replace(finding, **made | changes)  # type: ignore[arg-type]


def nothing_for(*verdicts: FindingVerdict, refs: tuple[str, ...] = ()) -> Finding:
    """The same finding with another capability."""
    return said(verdicts[0], "why", *refs, action="kms:Encrypt")


def only(old: Finding, new: Finding, is_unread: Callable[[str], bool] = lambda _: False) -> AccessDifference:
    (difference,) = compare_findings(old, new, is_unread)
    return difference


# -- weaker, or gone --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("new", [said(CONDITIONAL, "residual_condition", ROW), said(POSSIBLE, "undocumented", ROW)])
def test_verdict_that_is_weaker_where_something_more_is_unread_is_not_rechecked(new: Finding) -> None:
    found = only(said(CONFIRMED), new)
    assert (found.change, found.why) == (
        Change.NOT_RECHECKED, "something that decides it was not read or not understood this time",
    )  # fmt: skip
    assert only(said(CONFIRMED, "why", ROW), new).change is Change.NARROWED


def test_verdict_that_is_weaker_where_a_document_is_damaged_is_not_rechecked() -> None:
    assert only(said(CONFIRMED), said(POSSIBLE, "malformed")).change is Change.NOT_RECHECKED


def test_access_that_was_possible_only_because_the_baseline_did_not_read_it_is_not_narrowed_when_it_is_read() -> None:
    found = only(said(POSSIBLE, "guardrail_not_read", ROW), said(BLOCKED, "rcp_deny"))
    assert (found.change, found.why) == (
        Change.NOT_RECHECKED,
        "whether it is less is not known; before, service or resource control policies were not read",
    )
    assert only(said(POSSIBLE, "undocumented", ROW), said(BLOCKED, "rcp_deny")).change is Change.LOST
    assert only(said(CONFIRMED, "why", ROW), said(CONDITIONAL)).change is Change.NARROWED
    assert only(said(POSSIBLE, "guardrail_not_read", ROW), said(BLOCKED, "rcp_deny", ROW)).change is Change.LOST


# -- stronger, or new -------------------------------------------------------------------------------------------------


def test_access_that_is_possible_only_because_it_was_not_read_this_time_is_no_growth() -> None:
    found = only(said(BLOCKED, "rcp_deny"), said(POSSIBLE, "grants_not_read", ROW))
    assert (found.change, found.why) == (
        Change.NOT_RECHECKED,
        "something was not read, so it may only seem to be more; now, the key's grants were not read",
    )
    assert only(said(BLOCKED, "rcp_deny", ROW), said(POSSIBLE, "guardrail_not_read", ROW)).change is Change.GAINED


@pytest.mark.parametrize("verdict", [CONFIRMED, CONDITIONAL])
def test_access_that_is_sure_grew_whatever_was_not_read(verdict: FindingVerdict) -> None:
    assert only(said(BLOCKED, "rcp_deny"), said(verdict, "policy_not_readable", ROW)).change is Change.GAINED
    assert only(said(POSSIBLE, "policy_not_readable", ROW), said(verdict)).change is Change.WIDENED


def test_access_that_is_possible_for_a_reason_of_its_own_grew() -> None:
    assert only(said(BLOCKED, "rcp_deny"), said(POSSIBLE, "undocumented", ROW)).change is Change.GAINED


def test_what_a_key_names_anew_grew_although_guardrails_were_not_read() -> None:
    old, new = nothing_for(CONFIRMED), said(POSSIBLE, "guardrail_not_read", ROW)
    both = replace(new, capabilities=(*old.capabilities, *new.capabilities))
    assert only(old, both).change is Change.GAINED
    described = replace(said(POSSIBLE, "key_not_described", ROW), coverage_refs=(ROW,))
    both = replace(described, capabilities=(*old.capabilities, *described.capabilities))
    assert only(old, both).change is Change.NOT_RECHECKED
    path = replace(old, kind=Kind.ASSUMED_ROLE_PATH)
    both = replace(new, kind=path.kind, capabilities=(*old.capabilities, *new.capabilities))
    assert only(path, both).change is Change.NOT_RECHECKED


def test_refused_access_that_is_named_anew_is_no_growth_where_something_was_not_read() -> None:
    old = nothing_for(BLOCKED)
    both = said(BLOCKED, "rcp_deny", ROW)
    both = replace(both, capabilities=(*old.capabilities, *both.capabilities))
    assert only(old, both).change is Change.NOT_RECHECKED
    assert only(old, replace(both, coverage_refs=())).change is Change.WIDENED


def test_what_is_possible_through_a_role_that_was_not_read_is_no_growth_for_whatever_reason() -> None:
    role = ResourceRef("role", APP, "App", OWNER, "")
    old = said(BLOCKED, "rcp_deny", kind=Kind.ASSUMED_ROLE_PATH, resource=role)
    new = said(POSSIBLE, "unsupported_condition_key", ROW, kind=Kind.ASSUMED_ROLE_PATH, resource=role)
    assert only(old, new, lambda name: name == APP).change is Change.NOT_RECHECKED
    assert only(old, new).change is Change.GAINED
    behind = replace(new, path=Path((Hop(APP, "sts:AssumeRole", PEER, "allowed", ""),)))
    assert only(old, behind, lambda name: name == PEER).change is Change.NOT_RECHECKED


def test_findings_that_cite_as_many_rows_as_they_may_are_taken_for_less_well_read() -> None:
    refs = tuple(f"1/eu/kms:ListGrants/{n:02}" for n in range(MOST_CITED))
    assert only(said(CONFIRMED, "why", *refs), said(POSSIBLE, "undocumented", *refs)).change is Change.NOT_RECHECKED
    assert only(said(CONFIRMED, "why", *refs[1:]), said(POSSIBLE, "undocumented", *refs[1:])).change is Change.NARROWED


def test_one_side_alone_is_not_blind() -> None:
    assert Blind.between((), (said(CONFIRMED, "why", ROW),)) == Blind.between((said(CONFIRMED, "why", ROW),), ())


# -- whom and what it reaches -----------------------------------------------------------------------------------------


def reaching(*names: str, verdict: FindingVerdict = CONFIRMED, refs: tuple[str, ...] = (), total: int = 0) -> Finding:
    return said(
        verdict, "why", *refs, reach=Reach(total or len(names), (), names, digest="d" * len(names)),
        fingerprint=f"{names}{verdict}{refs}{total}",
    )  # fmt: skip


def test_principal_more_is_growth_unless_it_was_not_read_or_nothing_is_sure() -> None:
    old, new = reaching(PEER), reaching(PEER, APP, refs=(ROW,))
    assert only(old, new).change is Change.WIDENED
    assert compare_findings(old, new, lambda name: name == APP) == ()
    assert lifecycle_of(old, new, lambda name: name == APP) == "not_rechecked"
    assert only(old, reaching(PEER, APP), lambda name: name == APP).change is Change.WIDENED
    assert {d.change for d in compare_findings(
        reaching(PEER, verdict=POSSIBLE), reaching(PEER, APP, verdict=POSSIBLE, refs=(ROW,))
    )} == {Change.NOT_RECHECKED}  # fmt: skip


def test_number_of_principals_that_grows_is_growth_unless_nothing_is_sure() -> None:
    assert only(reaching(PEER, total=30), reaching(PEER, total=31, refs=(ROW,))).change is Change.WIDENED
    perhaps = reaching(PEER, total=31, verdict=POSSIBLE, refs=(ROW,))
    assert only(reaching(PEER, total=30, verdict=POSSIBLE), perhaps).change is Change.NOT_RECHECKED


def test_principal_fewer_is_less_only_where_both_runs_read_all_of_it() -> None:
    old, new = reaching(PEER, APP), reaching(PEER)
    assert only(old, new).change is Change.NARROWED
    assert only(old, reaching(PEER, refs=(ROW,))).change is Change.NOT_RECHECKED
    assert only(reaching(PEER, APP, refs=(ROW,)), new).change is Change.NOT_RECHECKED
    assert only(old, new, lambda name: name == APP).change is Change.NOT_RECHECKED


def path_to(*refs: str, **strength: int) -> Finding:
    """A path to keys, each with how strong decryption is there."""
    arns = {"first": KEY, "second": SECOND}
    ranks = {arns[name]: {"decrypt": rank} for name, rank in strength.items()}
    reach = Reach(1, (), (ROOT,), digest=f"{len(refs)}{strength}", by_key={a: str(r) for a, r in ranks.items()},
                  strength=ranks)  # fmt: skip
    return said(
        CONFIRMED, "why", *refs, kind=Kind.ASSUMED_ROLE_PATH, resource=ResourceRef("role", APP, "App", OWNER, ""),
        key=None, keys_total=len(ranks), reach=reach,
    )  # fmt: skip


def test_key_more_is_growth_only_where_it_is_surely_reached_or_all_was_read() -> None:
    old = path_to(first=5)
    assert only(old, path_to(ROW, first=5, second=3)).change is Change.WIDENED
    assert only(old, path_to(ROW, first=5, second=2)).change is Change.NOT_RECHECKED
    assert only(old, path_to(first=5, second=2)).change is Change.WIDENED


def test_key_more_that_was_not_read_itself_is_no_growth() -> None:
    first = analyzed(world(key(allow(ROOT)))).external.key
    assert first is not None
    facts = (first, replace(first, arn=SECOND))
    account_of_keys = ResourceRef("account", iam(OWNER, "root"), OWNER, OWNER, "")
    of_pattern = {
        "kind": Kind.FOREIGN_KEY_USE,
        "resource": account_of_keys,
        "key": None,
        "reach": Reach(1, (), (PEER,)),
    }
    old = said(CONFIRMED, **of_pattern, keys=facts[:1], keys_total=1)
    new = said(CONFIRMED, "why", ROW, **of_pattern, keys=facts, keys_total=2)
    assert only(old, new, lambda name: name == SECOND).change is Change.NOT_RECHECKED
    assert only(old, new).change is Change.WIDENED
    assert only(old, replace(new, coverage_refs=()), lambda name: name == SECOND).change is Change.WIDENED


def test_key_fewer_is_less_where_it_was_surely_reached_in_a_baseline_that_read_less() -> None:
    new = path_to(first=5)
    assert only(path_to(ROW, first=5, second=5), new).change is Change.NARROWED
    assert only(path_to(ROW, first=5, second=2), new).change is Change.NOT_RECHECKED
    assert only(path_to(first=5, second=5), path_to(ROW, first=5)).change is Change.NOT_RECHECKED


def test_more_at_one_key_is_growth_where_it_is_sure_and_names_that_key_alone() -> None:
    old = path_to(first=2, second=1)
    sure = only(old, path_to(ROW, first=5, second=2))
    assert (sure.change, sure.why) == (Change.WIDENED, f"more is possible with 1 key: {KEY}")
    assert only(old, path_to(ROW, first=2, second=2)).change is Change.NOT_RECHECKED
    whole = only(old, path_to(first=5, second=2))
    assert whole.why.startswith("more is possible with 2 keys: ")


def test_foreign_key_that_was_not_read_this_time_is_no_key_more() -> None:
    known = said(CONFIRMED, kind=Kind.FOREIGN_KEY_USE, reach=Reach(1, (), (PEER,)))
    unread = said(
        POSSIBLE, "owner_side_not_collected", ROW, kind=Kind.FOREIGN_KEY_USE, reach=Reach(1, (), (PEER,)), key=None
    )  # fmt: skip
    assert {d.change for d in compare_findings(known, unread)} == {Change.NOT_RECHECKED}


# -- what cannot be named ---------------------------------------------------------------------------------------------


def test_difference_that_cannot_be_named_is_not_rechecked_only_where_nobody_can_hide_behind_it() -> None:
    old = said(CONFIRMED, "why", reach=Reach(1, (), (PEER,), digest="a"))
    new = said(CONFIRMED, "why", ROW, reach=Reach(1, (), (PEER,), digest="b"))
    assert lifecycle_of(old, new) == "not_rechecked"
    assert lifecycle_of(new, old) == "not_rechecked"
    assert lifecycle_of(old, replace(new, coverage_refs=())) == "widened"
    cut = replace(new, reach=replace(new.reach, truncated=True))
    assert lifecycle_of(old, cut) == "widened"


def test_fault_of_a_key_that_cites_other_lines_is_widened_whatever_was_not_read() -> None:
    old = said(CONFIRMED, "why", kind=Kind.KEY_HYGIENE, reach=Reach())
    new = said(CONFIRMED, "why", ROW, kind=Kind.KEY_HYGIENE, reach=Reach())
    assert lifecycle_of(old, new) == "not_rechecked"
    assert lifecycle_of(old, replace(new, mechanism=replace(new.mechanism, statements=()))) == "widened"


# -- what was read ----------------------------------------------------------------------------------------------------


def test_key_or_identity_of_ours_is_unread_where_a_part_of_it_is_and_that_of_a_stranger_never() -> None:
    half = principal(APP, FULL, complete=False)
    broken = principal(iam(OWNER, "role/Broken"), {"Statement": 1})
    whole = principal(iam(OWNER, "role/Whole"), FULL)
    hidden = account(MEMBER, iam_complete=False)
    closed = key(arn=SECOND, key_policy=None, gaps={"key_policy": ROW})
    is_unread = Reading(world(key(), closed, half, broken, whole, accounts=(hidden,))).is_unread
    assert [is_unread(a) for a in (APP, broken.arn, PEER, SECOND)] == [True] * 4
    assert [is_unread(a) for a in (whole.arn, iam(OWNER, "role/Gone"), ROOT, KEY, "*", "logs.amazonaws.com")] == [
        False
    ] * 6  # fmt: skip
