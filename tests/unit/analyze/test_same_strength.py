"""What differs at equal strength, at one key of many, or by a narrower name: told, and never as gained or lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.history.difference import compare_access
from scanner.analyze.history.formerly import Formerly
from scanner.analyze.history.lifecycle import Former, follow
from scanner.analyze.logic.implication import Relation, compare_conditions
from scanner.analyze.paths import path_findings
from scanner.model.difference import GREW, AccessDifference, Change
from scanner.model.finding import Finding, FindingVerdict, Kind
from scanner.model.world import World

from builders import FULL, KEY, MEMBER, OWNER, STRANGER, allow, analyzed, deny, iam, key, policy, principal, world
from role_worlds import DELEGATING, USING, admits, role

ROOT, ONE = iam(STRANGER, "root"), iam(STRANGER, "role/One")
OTHER_KEY, THIRD_KEY = KEY[:-1] + "c", KEY[:-1] + "d"


def only_if(name: str, value: str) -> dict[str, Any]:
    """A condition of one value."""
    return {"StringEquals": {name: value}}


def held(when: Any, arn: str = OTHER_KEY, *actions: str) -> Any:
    """A key that its account's IAM uses on a condition."""
    return key(allow(iam(OWNER, "root"), *(actions or ("kms:*",)), when=when), arn=arn)


def entered(*keys: Any, who: object = ROOT, when: Any = None, uses: Any = USING, others: Any = ()) -> World:
    """A role that somebody enters, and keys that it uses."""
    return world(role(OWNER, "Vendor", admits(who, when=when), uses), *(keys or (DELEGATING,)), *others)


def paths_of(read: World) -> list[Finding]:
    """The findings about paths."""
    return analyzed(read).of(Kind.ASSUMED_ROLE_PATH)


def told(before: World, after: World) -> tuple[AccessDifference, ...]:
    """What two worlds say differently."""
    return compare_access(paths_of(before), paths_of(after), before).differences


def only(before: World, after: World) -> AccessDifference:
    """The one difference there is."""
    (found,) = told(before, after)
    return found


def fate(before: World, after: World) -> set[str]:
    """What becomes of the findings of a world."""
    return {f.lifecycle for f in follow(paths_of(after), Former(tuple(paths_of(before)), world=before), after).findings}


# -- at one key -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["aws:SourceVpce", "kms:EncryptionContext:app", "kms:ViaService"])
def test_condition_exchanged_at_one_key_of_two_is_a_change_from_one_to_the_other(name: str) -> None:
    before, after = (entered(DELEGATING, held(only_if(name, v))) for v in ("a.amazonaws.com", "b.amazonaws.com"))
    found = only(before, after)
    assert (found.change, found.why) == (Change.CHANGED, f"the condition changed with 1 key: {OTHER_KEY}")
    assert (found.old_condition, found.new_condition) == (f"{name} = a.amazonaws.com", f"{name} = b.amazonaws.com")
    assert (found.old_verdict, found.new_verdict) == (FindingVerdict.CONDITIONAL, FindingVerdict.CONDITIONAL)
    assert found.actions == ("kms:Decrypt",)
    assert fate(before, after) == {"widened"}


def test_condition_that_admits_fewer_at_one_key_is_less_and_the_reverse_is_more() -> None:
    vpce = only_if("aws:SourceVpce", "a")
    both = {"StringEquals": {"aws:SourceVpce": "a", "kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    before, after = entered(DELEGATING, held(vpce)), entered(DELEGATING, held(both))
    assert only(before, after).change is Change.NARROWED
    assert only(before, after).why == f"less is possible with 1 key: {OTHER_KEY}"
    assert only(after, before).change is Change.WIDENED
    assert (fate(before, after), fate(after, before)) == ({"narrowed"}, {"widened"})


def test_capability_that_weakens_at_one_key_is_less_there() -> None:
    before, after = entered(DELEGATING, held(None)), entered(DELEGATING, held(only_if("aws:SourceVpce", "a")))
    assert (only(before, after).change, only(after, before).change) == (Change.NARROWED, Change.WIDENED)


def test_action_taken_away_at_one_key_is_less_there() -> None:
    uses = policy(allow(None, "kms:Decrypt", "kms:ReEncryptFrom"))
    before = entered(held(None, KEY), held(None), uses=uses)
    after = entered(held(None, KEY), held(None, OTHER_KEY, "kms:Decrypt"), uses=uses)
    assert only(before, after).why == f"less is possible with 1 key: {OTHER_KEY}"
    assert only(after, before).why == f"more is possible with 1 key: {OTHER_KEY}"


def test_less_with_every_key_is_no_proof_where_who_enters_may_differ() -> None:
    via, vpce = (only_if(n, v) for n, v in (("kms:ViaService", "s3.eu-west-1.amazonaws.com"), ("aws:SourceVpce", "a")))
    (old,), (new,) = paths_of(entered(held(via), held(None, KEY))), paths_of(entered(held(vpce), held(None, KEY)))
    one_key = tuple(
        replace(f, reach=replace(f.reach, by_key={OTHER_KEY: f.reach.by_key[OTHER_KEY]}), keys_total=1, keys=())
        for f in (old, new)
    )
    (found,) = compare_access((one_key[0],), (one_key[1],)).differences
    assert found.change is Change.CHANGED
    less = replace(new, reach=replace(one_key[1].reach, profiles=({},), profile_of={OTHER_KEY: 0}))
    (found,) = compare_access((one_key[0],), (replace(less, keys_total=1, keys=()),)).differences
    assert (found.change, "differs, and may be more" in found.why) == (Change.CHANGED, True)


def test_many_conditions_that_changed_are_counted_behind_the_first() -> None:
    arns = [f"{KEY[:-2]}{n:02}" for n in range(5)]
    before, after = (
        entered(DELEGATING, *(held(only_if("aws:SourceVpce", f"{v}{n}"), arn) for n, arn in enumerate(arns)))
        for v in "ab"
    )
    found = told(before, after)
    assert {d.change for d in found} == {Change.CHANGED}
    assert len(found) == 3
    assert sum(d.why.endswith(", and 2 more conditions changed") for d in found) == 1


def test_condition_of_all_keys_is_told_once_and_not_again_by_key() -> None:
    before, after = (
        entered(DELEGATING, held(None), when=only_if("sts:ExternalId", value)) for value in ("one", "two")
    )  # fmt: skip
    found = only(before, after)
    assert (found.change, found.why) == (
        Change.CHANGED, "the condition changed: it admits other requests than before",
    )  # fmt: skip
    assert found.old_condition == "sts:ExternalId = one (when role/Vendor is assumed)"


def test_key_of_which_a_side_carries_no_answer_may_be_more() -> None:
    before, after = (paths_of(entered(DELEGATING, held(only_if("aws:SourceVpce", v))))[0] for v in "ab")
    earlier = replace(before, reach=replace(before.reach, profiles=(), profile_of={}))
    (found,) = compare_access((earlier,), (after,)).differences
    assert (found.change, found.why) == (
        Change.CHANGED, f"what it can do with 1 key differs, and may be more: {OTHER_KEY}",
    )  # fmt: skip


def test_change_beside_what_was_not_read_is_not_rechecked() -> None:
    before, after = (paths_of(entered(DELEGATING, held(only_if("aws:SourceVpce", v))))[0] for v in "ab")
    (found,) = compare_access((before,), (replace(after, coverage_refs=("1/eu/kms:GetKeyPolicy/x",)),)).differences
    assert found.change is Change.NOT_RECHECKED


def test_less_beside_what_was_not_read_is_no_difference_and_is_left_to_the_lifecycle() -> None:
    before, after = (paths_of(entered(DELEGATING, held(w)))[0] for w in (None, only_if("aws:SourceVpce", "a")))
    assert compare_access((before,), (after,)).differences != ()
    blind = replace(after, coverage_refs=("1/eu/kms:GetKeyPolicy/x",))
    assert compare_access((before,), (blind,)).differences == ()


def test_use_that_hangs_on_something_unknown_now_is_no_less() -> None:
    before = entered(DELEGATING, held(None))
    after = entered(DELEGATING, replace(held(None), key_policy=None, gaps={"key_policy": "row"}))
    (found,) = told(before, after)
    assert (found.change, "differs, and may be more" in found.why) == (Change.CHANGED, True)
    (old,), (new,) = paths_of(before), paths_of(after)
    blind = replace(new, coverage_refs=("1/eu/kms:GetKeyPolicy/x",))
    assert compare_access((old,), (blind,)).differences == ()


def test_answers_are_carried_once_and_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_findings, "PROFILES", 1)
    (path,) = paths_of(entered(DELEGATING, held(None), held(only_if("aws:SourceVpce", "a"), THIRD_KEY)))
    assert len(path.reach.profiles) == 1
    assert path.reach.profile_of == {KEY: 0, OTHER_KEY: 0}


def test_change_counts_as_growth_and_never_as_gained_or_lost() -> None:
    assert Change.CHANGED in GREW
    assert Change.NARROWED not in GREW


# -- conditions of several requests -----------------------------------------------------------------------------------


def steps(**parts: object) -> dict[str, list[object]]:
    """The residual of a path."""
    return {"steps": [{"role": of, "residual": residual} for of, residual in parts.items()]}


def is_(value: str, name: str = "sts:ExternalId") -> dict[str, object]:
    """A test of one value."""
    return {"key": name, "test": "equals", "of": "value", "values": [value], "holds": True}


@pytest.mark.parametrize(
    ("old", "new", "relation"),
    [
        (steps(a=is_("1")), steps(a=is_("1")), Relation.SAME),
        (steps(a=is_("1")), steps(a=is_("2")), Relation.OTHER),
        (steps(a=is_("1")), steps(a=is_("1"), b=is_("2")), Relation.STRONGER),
        (steps(a=is_("1"), b=is_("2")), steps(a=is_("1")), Relation.WEAKER),
        (steps(a=is_("1")), steps(b=is_("1")), Relation.OTHER),
        (steps(a=is_("1")), None, Relation.WEAKER),
        (is_("1"), {"steps": [*steps(a=is_("2"))["steps"], {"role": "", "residual": is_("1")}]}, Relation.STRONGER),
        ({"steps": [{"role": "a", "residual": is_("1")}] * 2}, None, Relation.UNDECIDED),
        (None, {"steps": ["a"]}, Relation.UNDECIDED),
        (steps(a=is_("1"), b="?"), steps(a=is_("2"), b="!"), Relation.UNDECIDED),
    ],
)  # fmt: skip
def test_conditions_of_a_path_are_compared_request_by_request(old: object, new: object, relation: Relation) -> None:
    assert compare_conditions(old, new) is relation


# -- a narrower name --------------------------------------------------------------------------------------------------

APP, BETA = principal(iam(MEMBER, "role/App"), FULL), principal(iam(MEMBER, "role/Beta"), FULL)


@pytest.mark.parametrize(
    ("wide", "narrow", "others"),
    [
        (ROOT, ONE, ()),
        ("*", ROOT, ()),
        ("*", ONE, ()),
        (iam(MEMBER, "root"), APP.arn, (APP, BETA)),
    ],
)
def test_trust_narrowed_to_somebody_behind_the_former_name_is_narrowed(wide: str, narrow: str, others: Any) -> None:
    before, after = entered(who=wide, others=others), entered(who=narrow, others=others)
    found = only(before, after)
    assert (found.change, found.grantee.selector) == (Change.NARROWED, wide)
    assert found.why == f"of those behind it, only this is named now: {narrow}"
    assert "narrowed" in fate(before, after)
    assert "new" not in fate(before, after)


def test_narrower_name_under_a_further_condition_is_narrowed_as_well() -> None:
    before, after = entered(), entered(who=ONE, when=only_if("sts:ExternalId", "one"))
    assert Change.GAINED not in {d.change for d in told(before, after)}


def test_narrower_name_that_the_former_condition_admits_alike_gains_nothing() -> None:
    asked = only_if("sts:ExternalId", "one")
    assert {d.change for d in told(entered(when=asked), entered(who=ONE, when=asked))} == {Change.NARROWED}


def test_narrower_name_that_was_kept_out_before_gains() -> None:
    both = policy(*admits(ROOT)["Statement"], deny(ONE, "sts:AssumeRole"))
    before = world(role(OWNER, "Vendor", both, USING), DELEGATING)
    assert Change.GAINED in {d.change for d in told(before, entered(who=ONE))}


def test_narrower_name_with_more_keys_or_more_at_one_gains() -> None:
    assert Change.GAINED in {d.change for d in told(entered(), entered(DELEGATING, held(None), who=ONE))}
    fenced = entered(DELEGATING, held(only_if("aws:SourceVpce", "a")))
    assert Change.GAINED in {d.change for d in told(fenced, entered(DELEGATING, held(None), who=ONE))}


def test_wide_name_that_did_more_than_is_kept_is_lost() -> None:
    before = entered(uses=policy(allow(None, "kms:Decrypt", "kms:Encrypt")))
    found = {d.change for d in told(before, entered(who=ONE))}
    assert found == {Change.LOST}


def test_narrower_name_behind_an_entry_that_no_single_step_shows_gains() -> None:
    before, after = entered(), entered(who=ONE)
    (wide,), (narrow,) = paths_of(before), paths_of(after)
    blind = replace(wide, path=replace(wide.path, hops=()))
    assert Formerly((blind,), before).results(narrow) == ()
    elsewhere = replace(narrow, resource=replace(narrow.resource, arn="arn:aws:iam::*:role/Gone"))
    moved = replace(wide, resource=elsewhere.resource)
    assert Formerly((moved,), before).results(elsewhere) == ()
    several = entered(who=iam(MEMBER, "root"), others=(APP, BETA))
    (one,) = paths_of(several)
    everybody = replace(one, grantee=replace(one.grantee, selector="*", kind="any"))
    assert Formerly((everybody,), several).results(one) == ()
