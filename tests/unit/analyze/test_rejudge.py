"""Two worlds judged and compared: who would gain and lose, inside and outside, and who keeps control of a key."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze import rejudge
from scanner.analyze.edits import insiders
from scanner.analyze.edits.whatif import Replacement, overlay
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.history.difference import compare_access
from scanner.analyze.rejudge import what_if
from scanner.model.difference import Change
from scanner.model.finding import Finding, FindingVerdict
from scanner.model.policy import DocumentKind
from scanner.model.whatif import WhatIf
from scanner.model.world import World

from builders import (
    KEY,
    MEMBER,
    OWNER,
    ROOT,
    STRANGER,
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
    text,
    world,
)

OTHER = KEY[:-1] + "0"
STRANGER_ROOT = iam(STRANGER, "root")
ADMIN, USER = iam(OWNER, "role/admin"), iam(OWNER, "user/Ann")
APP = iam(MEMBER, "role/App")
OWN = allow(iam(OWNER, "root"), "kms:*")
KMS, NOTHING = policy(allow(None, "kms:*")), policy(deny(None, "kms:*"))
MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def base(*statements: Any, **facts: Any) -> World:
    """A key with these statements beside that of its own account, another key, and people on both sides."""
    people = (principal(ADMIN, KMS), principal(USER), principal(APP, KMS))
    return world(key(OWN, *statements, **facts), key(OWN, arn=OTHER), *people)


def asked(before: World, kind: DocumentKind, target: str, document: Any) -> WhatIf:
    """The answer for one document."""
    return what_if(before, overlay(before, [Replacement(kind, target, json.dumps(document), "f")]), AnalysisRules())


def new_policy(before: World, *statements: Any) -> WhatIf:
    """The answer for another key policy."""
    return asked(before, DocumentKind.KEY_POLICY, KEY, policy(*statements))


def replace_principal(before: World, facts: Any) -> World:
    """The world with one more principal."""
    return replace(before, principals={**before.principals, facts.arn: facts})


def outside(answer: WhatIf) -> list[tuple[str, str]]:
    return [(d.change.value, d.grantee.selector) for d in answer.outside.differences]


def inside(answer: WhatIf) -> list[tuple[str, str]]:
    assert answer.inside is not None
    return [(d.change.value, d.grantee.selector) for d in answer.inside.differences]


def test_same_documents_make_no_difference() -> None:
    answer = new_policy(base(allow(STRANGER)), OWN, allow(STRANGER))
    assert (outside(answer), inside(answer), answer.findings, answer.warnings) == ([], [], (), ())
    assert (answer.keys, answer.outside.unchanged) == (1, 1)


def test_outsider_gains_and_another_loses_and_their_findings_are_named() -> None:
    answer = new_policy(base(allow(STRANGER)), OWN, allow(APP))
    assert outside(answer) == [("gained", APP), ("lost", STRANGER_ROOT)]
    assert inside(answer) == []
    changes = {(c.old_verdict, c.new_verdict) for c in answer.findings}
    assert {(FindingVerdict.CONFIRMED, None), (None, FindingVerdict.CONFIRMED)} <= changes


def test_condition_that_goes_changes_the_finding() -> None:
    answer = new_policy(base(allow(STRANGER, when=MFA)), OWN, allow(STRANGER))
    assert outside(answer) == [("widened", STRANGER_ROOT)]
    (change,) = answer.findings
    assert (change.old_verdict, change.new_verdict) == (FindingVerdict.CONDITIONAL, FindingVerdict.CONFIRMED)
    assert (change.old_severity, change.new_severity) == ("high", "critical")


def test_revoked_grant_is_lost_access() -> None:
    before = base(grants=(grant(iam(STRANGER, "role/x")),))
    answer = what_if(before, overlay(before, (), ["g-1"]), AnalysisRules())
    assert outside(answer) == [("lost", iam(STRANGER, "role/x"))]
    assert (answer.control, answer.keys) == ((), 1)


def test_insider_who_can_do_less_is_told() -> None:
    answer = asked(base(), DocumentKind.IDENTITY, ADMIN, NOTHING)
    assert {s for _, s in inside(answer)} == {ADMIN}
    assert {c for c, _ in inside(answer)} == {"lost"}
    assert (answer.keys, outside(answer), answer.control) == (2, [], ())


def test_insiders_alike_are_told_one_by_one() -> None:
    before = world(key(OWN), *(principal(iam(OWNER, f"role/{n}"), KMS) for n in "abc"))
    answer = new_policy(before, allow(iam(OWNER, "root"), "kms:Decrypt", "kms:PutKeyPolicy"))
    assert {s for _, s in inside(answer)} == {iam(OWNER, f"role/{n}") for n in "abc"} | {iam(OWNER, "root")}


# -- the same people under another name -------------------------------------------------------------------------------

THEIR_ROLE, THEIR_USER = iam(STRANGER, "role/Export"), iam(STRANGER, "user/Bob")
DECRYPT = "kms:Decrypt"


@pytest.mark.parametrize("named", [THEIR_ROLE, THEIR_USER, iam(STRANGER, "assumed-role/Export/run")])
@pytest.mark.parametrize("before", [STRANGER_ROOT, "*"])
def test_statement_that_is_narrowed_to_one_identity_of_a_stranger_is_no_gain(before: str, named: str) -> None:
    answer = new_policy(base(allow(before, DECRYPT)), OWN, allow(named, DECRYPT))
    assert outside(answer) == [("narrowed", before)]
    assert answer.outside.differences[0].why == f"of those behind it, only this is named now: {named}"


def test_everybody_narrowed_to_an_account_is_no_gain() -> None:
    answer = new_policy(base(allow("*", DECRYPT)), OWN, allow(STRANGER_ROOT, DECRYPT))
    assert outside(answer) == [("narrowed", "*")]


MORE: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = [
    ((allow(STRANGER_ROOT, DECRYPT),), (allow(THEIR_ROLE, DECRYPT, "kms:Encrypt"),)),
    ((allow(STRANGER_ROOT, DECRYPT, when=MFA),), (allow(THEIR_ROLE, DECRYPT),)),
    ((allow(STRANGER_ROOT, DECRYPT), deny(THEIR_ROLE, DECRYPT)), (allow(THEIR_ROLE, DECRYPT),)),
    ((allow("*", DECRYPT), deny(THEIR_ROLE, DECRYPT)), (allow(THEIR_ROLE, DECRYPT),)),
    ((allow(iam("888877776666", "root"), DECRYPT),), (allow(THEIR_ROLE, DECRYPT),)),
    ((allow("*", DECRYPT, when={"StringEquals": {"aws:PrincipalOrgID": "o-else"}}),), (allow(THEIR_ROLE, DECRYPT),)),
    ((allow(iam(STRANGER, "role/Other"), DECRYPT),), (allow(THEIR_ROLE, DECRYPT),)),
    ((allow(THEIR_ROLE, DECRYPT),), (allow(STRANGER_ROOT, DECRYPT),)),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after"), MORE)
def test_whoever_could_do_less_before_gains(before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
    grown = [selector for change, selector in outside(new_policy(base(*before), OWN, *after)) if change != "lost"]
    assert grown == [after[0]["Principal"]["AWS"]]


def test_condition_that_stays_as_strict_for_the_one_who_is_named_now_is_no_gain() -> None:
    answer = new_policy(base(allow(STRANGER_ROOT, DECRYPT, when=MFA)), OWN, allow(THEIR_ROLE, DECRYPT, when=MFA))
    assert outside(answer) == [("narrowed", STRANGER_ROOT)]


def test_identity_that_was_named_for_less_gains_nothing_that_its_account_had() -> None:
    before = base(allow(STRANGER_ROOT, DECRYPT, "kms:Encrypt"), allow(THEIR_ROLE, DECRYPT))
    assert outside(new_policy(before, OWN, allow(THEIR_ROLE, DECRYPT, "kms:Encrypt"))) == [("lost", STRANGER_ROOT)]


def test_role_of_ours_gains_where_its_account_could_and_it_could_not() -> None:
    member = iam(MEMBER, "root")
    other = principal(iam(MEMBER, "role/Other"))
    before = replace_principal(base(allow(member, DECRYPT)), other)
    assert outside(new_policy(before, OWN, allow(APP, DECRYPT))) == [("narrowed", member)]
    granted = replace(before.keys[KEY], key_policy=key(OWN).key_policy, grants=(grant(other.arn, "Decrypt"),))
    after = replace(before, keys={**before.keys, KEY: granted})
    told = compare_access(analyzed(before).findings, analyzed(after).findings, before).differences
    assert ("gained", other.arn) in [(d.change.value, d.grantee.selector) for d in told]


def test_account_of_which_everybody_is_known_is_not_taken_for_one_principal() -> None:
    member = iam(MEMBER, "root")
    answer = new_policy(base(allow("*", DECRYPT)), OWN, allow(member, DECRYPT, "kms:Encrypt"))
    (gained,) = (d for d in answer.outside.differences if d.change is Change.GAINED)
    assert (gained.grantee.selector, gained.actions) == (member, (DECRYPT, "kms:Encrypt"))


def test_organization_holds_its_members_where_the_tree_says_so() -> None:
    ours = {"StringEquals": {"aws:PrincipalOrgID": organization().id}}
    before = replace(base(allow("*", DECRYPT, when=ours)), organizations=(organization(),))
    answer = new_policy(before, OWN, allow(APP, DECRYPT))
    assert outside(answer) == [("narrowed", organization().id)]


def test_role_that_reaches_many_keys_and_loses_one_gains_nothing() -> None:
    keys = [key(OWN, arn=KEY[:-2] + f"{number:02}") for number in range(25)]
    entered = principal(iam(OWNER, "role/entry"), KMS, trust=policy(allow(STRANGER_ROOT, "sts:AssumeRole")))
    before = world(*keys, entered)
    replaced = [Replacement(DocumentKind.KEY_POLICY, keys[0].arn, json.dumps(policy(allow(ADMIN, "kms:*"))), "f")]
    answer = what_if(before, overlay(before, replaced), AnalysisRules())
    (difference,) = answer.outside.differences
    assert answer.keys == 25
    assert (difference.change, difference.why) == (Change.NARROWED, f"it reaches 1 key fewer: {keys[0].arn}")


def test_guardrail_is_judged_for_every_key_and_only_those_below_it() -> None:
    scps = {ROOT: (text(KMS, DocumentKind.SCP, "p-1", f"SCP Fence at {ROOT}"),)}
    before = replace(base(allow(APP)), organizations=(replace(organization(), scps=scps),))
    answer = asked(before, DocumentKind.SCP, "p-1", policy(allow(None, "kms:Encrypt")))
    assert answer.keys == 2
    assert ("widened", APP) not in outside(answer)
    assert {s for _, s in inside(answer)} == {ADMIN, iam(OWNER, "root")}
    alone = replace(before, organizations=())
    assert inside(asked(alone, DocumentKind.TRUST, ADMIN, policy(allow(STRANGER, "sts:AssumeRole")))) == []


def test_unread_guardrails_stay_unread() -> None:
    before = replace(base(allow(APP)), organizations=(replace(organization(), rcps=None),))
    assert inside(asked(before, DocumentKind.IDENTITY, APP, KMS)) == []


def test_too_many_insiders_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insiders, "MOST_INSIDERS", 1)
    answer = new_policy(base(), allow(ADMIN, "kms:*"))
    assert answer.inside is None
    assert answer.control[0].sure == (ADMIN,)


def test_aws_managed_keys_are_left_out() -> None:
    before = world(key(OWN), key(OWN, arn=OTHER, manager="AWS"), principal(ADMIN, KMS))
    answer = asked(before, DocumentKind.IDENTITY, ADMIN, NOTHING)
    assert answer.inside is not None
    assert {d.resource.arn for d in answer.inside.differences} == {KEY}


# -- who keeps control ------------------------------------------------------------------------------------------------


def test_key_policy_that_locks_everybody_out_is_seen() -> None:
    (control,) = new_policy(base(), allow(APP, "kms:*")).control
    assert (control.sure, control.perhaps, control.before) == ((), (), True)
    (control,) = new_policy(base(), allow(ADMIN, "kms:PutKeyPolicy")).control
    assert (control.sure, control.before) == ((ADMIN,), True)
    (control,) = new_policy(world(key(allow(APP))), allow(APP, "kms:*")).control
    assert not control.before


def test_control_that_hangs_on_what_was_not_read_is_perhaps() -> None:
    unread = world(key(OWN), account(OWNER, iam_complete=False), principal(ADMIN, complete=False))
    (control,) = new_policy(unread, OWN, allow(APP)).control
    assert control.sure == ()
    assert control.perhaps
    (control,) = new_policy(base(), allow(ADMIN, "kms:PutKeyPolicy", when=MFA)).control
    assert control.sure == (ADMIN,)


def test_principal_that_does_not_exist_is_a_warning() -> None:
    gone = iam(MEMBER, "role/Gone")
    answer = new_policy(base(), OWN, allow({"AWS": [gone, APP, STRANGER, iam(STRANGER, "role/x")]}))
    (warning,) = answer.warnings
    assert f"names {gone}, which does not exist" in warning
    assert warning.startswith("line ")
    trust = asked(base(), DocumentKind.TRUST, ADMIN, policy(allow(gone, "sts:AssumeRole")))
    assert f"the new trust policy of {ADMIN} names {gone}" in trust.warnings[0]
    assert "names AROAGONE, which" in new_policy(base(), OWN, allow("AROAGONE")).warnings[0]
    unread = world(key(OWN), account(MEMBER, iam_complete=False))
    assert new_policy(unread, OWN, allow(gone)).warnings == ()


# -- findings about several keys --------------------------------------------------------------------------------------


def test_finding_about_several_keys_is_judged_with_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finding that other keys are part of must not read as gone because one key left it."""
    judged: list[int] = []
    real = rejudge._judged

    def of_several(given: World, keys: Any, rules: AnalysisRules) -> tuple[Finding, ...]:
        judged.append(len(keys))
        return tuple(replace(f, key=None) for f in real(given, keys, rules))

    monkeypatch.setattr(rejudge, "_judged", of_several)
    new_policy(base(allow(STRANGER)), OWN, allow(STRANGER))
    assert judged == [1, 1]
    new_policy(base(allow(STRANGER)), OWN, allow(APP))
    assert judged == [1, 1, 1, 1, 2, 2]
