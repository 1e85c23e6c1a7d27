"""Access that is gone one way and stands another: never told as no access, in differences, remedies and resolved."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from scanner.analyze.edits.whatif import Replacement, overlay
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.history.difference import compare_access
from scanner.analyze.history.lifecycle import Former, follow
from scanner.analyze.history.other_ways import OtherWays, ways_among
from scanner.analyze.rejudge import what_if
from scanner.model.difference import AccessDifference, Change
from scanner.model.finding import Finding, Kind
from scanner.model.policy import DocumentKind
from scanner.model.world import World
from scanner.report.difference import render_differences

from builders import KEY, MEMBER, OWNER, STRANGER, allow, analyzed, grant, iam, key, policy, principal, world

ROOT, COLLECTOR = iam(STRANGER, "root"), iam(STRANGER, "role/collector")
SUPPORT, SECOND = iam(OWNER, "role/support"), iam(OWNER, "role/second")
OWN, SHARE = allow(iam(OWNER, "root"), "kms:*"), allow(ROOT, "kms:Decrypt", Sid="Share")
DECRYPT = policy(allow(None, "kms:Decrypt"))
OTHER = KEY[:-1] + "0"


def trusting(role: str = SUPPORT, who: str = ROOT) -> Any:
    """A role of the owner that lets somebody in and may decrypt."""
    return principal(role, DECRYPT, trust=policy(allow(who, "sts:AssumeRole")))


def given(*statements: Any, roles: tuple[Any, ...] = ()) -> World:
    """The key with these statements beside that of its own account."""
    return world(key(OWN, *statements), *roles)


def lost(before: World, after: World) -> AccessDifference:
    """The one access that is less."""
    found = compare_access(analyzed(before).findings, analyzed(after).findings, before).differences
    (difference,) = (d for d in found if d.change is Change.LOST)
    return difference


def about(given: World, kind: Kind) -> Finding:
    """The one finding of a kind."""
    (finding,) = (f for f in analyzed(given, remedies=True).findings if f.kind is kind)
    return finding


def shown(difference: AccessDifference) -> str:
    """The line with the verdicts."""
    return list(render_differences([difference]))[1].strip()


def test_key_policy_that_drops_an_account_tells_the_role_by_which_it_still_gets_there() -> None:
    before = given(SHARE, roles=(trusting(),))
    new = Replacement(DocumentKind.KEY_POLICY, KEY, json.dumps(policy(OWN)), "f")
    (difference,) = what_if(before, overlay(before, [new]), AnalysisRules()).outside.differences
    path = about(before, Kind.ASSUMED_ROLE_PATH)
    assert difference.change is Change.LOST
    assert [(way.finding_id, way.title, way.sure) for way in difference.still] == [(path.id, path.title, True)]
    assert shown(difference) == (
        f"confirmed -> no direct access any more; still reaches it through role/support ({path.id}) "
        "(what named it is gone)"
    )


def test_access_that_is_gone_without_another_way_is_no_access() -> None:
    difference = lost(given(SHARE), given())
    assert difference.still == ()
    assert shown(difference) == "confirmed -> no access (nothing names it any more)"


def test_grant_in_the_place_of_more_is_told() -> None:
    after = world(key(OWN, grants=(grant(ROOT, "DescribeKey"),)))
    difference = lost(given(SHARE), after)
    assert difference.capabilities == ("decrypt",)
    assert "no access this way any more; still reaches it directly (kx-" in shown(difference)


def test_way_of_somebody_else_or_to_another_key_is_no_other_way() -> None:
    elsewhere = world(key(OWN), key(OWN, SHARE, arn=OTHER), trusting(who=iam(MEMBER, "root")))
    difference = lost(world(key(OWN, SHARE), key(OWN, SHARE, arn=OTHER)), elsewhere)
    assert difference.still == ()


def test_role_that_is_closed_leaves_direct_access() -> None:
    difference = lost(given(SHARE, roles=(trusting(),)), given(SHARE))
    direct = about(given(SHARE), Kind.EXTERNAL_ACCESS)
    assert shown(difference).startswith(
        f"confirmed -> no access this way any more; still reaches such keys directly ({direct.id})"
    )


def test_role_named_by_itself_is_behind_its_account_and_behind_everybody() -> None:
    named = allow(COLLECTOR, "kms:Decrypt")
    for wide, who in ((SHARE, "any principal of"), (allow("*", "kms:Decrypt"), "any principal of any AWS account")):
        difference = lost(given(named, wide), given(wide))
        (way,) = difference.still
        assert way.sure
        assert f"still reaches it directly as {who}" in shown(difference)


def test_account_that_is_gone_names_the_role_in_it_that_stays() -> None:
    (way,) = lost(given(SHARE, allow(COLLECTOR, "kms:Decrypt")), given(allow(COLLECTOR, "kms:Decrypt"))).still
    assert way.grantee.selector == COLLECTOR


def test_organization_takes_in_the_accounts_it_reaches_and_no_others() -> None:
    when = {"StringEquals": {"aws:PrincipalOrgID": "o-other"}}
    wide = about(given(allow("*", "kms:Decrypt", when=when)), Kind.EXTERNAL_ACCESS)
    wide = replace(wide, grantee=replace(wide.grantee, kind="organization", selector="o-other"))
    inside = replace(wide, reach=replace(wide.reach, accounts=(STRANGER,)))
    gone = about(given(SHARE), Kind.EXTERNAL_ACCESS)
    assert [w.finding_id for w in ways_among(gone, [inside])] == [wide.id]
    assert ways_among(gone, [replace(wide, reach=replace(wide.reach, accounts=(MEMBER,)))]) == ()


def test_blocked_finding_is_no_other_way() -> None:
    blocked = about(world(key(OWN, SHARE, state="Disabled")), Kind.EXTERNAL_ACCESS)
    gone = replace(blocked, id="kx-another")
    assert OtherWays([blocked]).of(gone, {KEY}) == ()


def test_path_of_which_not_every_key_is_listed_may_reach_the_key() -> None:
    path = about(given(roles=(trusting(),)), Kind.ASSUMED_ROLE_PATH)
    many = replace(path, keys=(), reach=replace(path.reach, by_key={}), keys_total=2_000)
    direct = analyzed(given(SHARE)).findings
    (difference,) = (d for d in compare_access(direct, [many]).differences if d.change is Change.LOST)
    assert [w.sure for w in difference.still] == [False]
    assert "; may still reach it through role/support" in shown(difference)


def test_many_other_ways_are_counted() -> None:
    roles = tuple(trusting(iam(OWNER, f"role/r{n}")) for n in range(5))
    before, after = given(SHARE, roles=roles), given(roles=roles)
    assert " and 2 more ways (what named it is gone)" in shown(lost(before, after))
    remedy = about(before, Kind.EXTERNAL_ACCESS).remediation
    assert remedy.risk_note.count("through another way") == 3
    assert "2 more findings give such access." in remedy.risk_note


def test_remedies_of_both_ways_name_each_other() -> None:
    both = given(SHARE, roles=(trusting(),))
    direct, path = about(both, Kind.EXTERNAL_ACCESS), about(both, Kind.ASSUMED_ROLE_PATH)
    for one, other in ((direct, path), (path, direct)):
        note = f"The same grantee keeps what it has through another way: {other.title} (finding `{other.id}`)."
        assert note in one.remediation.risk_note


def test_remedy_for_a_role_says_that_its_account_keeps_access() -> None:
    both = analyzed(given(SHARE, allow(COLLECTOR, "kms:Decrypt")), remedies=True).findings
    (narrow,) = (f for f in both if f.grantee.selector == COLLECTOR)
    assert "Access stays for part of the same principals through another way: " in narrow.remediation.risk_note


def test_resolved_finding_says_how_the_key_could_still_be_reached() -> None:
    before, after = given(SHARE, roles=(trusting(),)), given(roles=(trusting(),))
    path = about(after, Kind.ASSUMED_ROLE_PATH)
    followed = follow(analyzed(after).findings, Former(analyzed(before).findings), after)
    (gone,) = followed.resolved
    old = about(before, Kind.EXTERNAL_ACCESS).title
    assert gone.title == f"{old}; when this ended, the key could still be reached through role/support ({path.id})"
    (alone,) = follow((), Former(analyzed(given(SHARE)).findings), given()).resolved
    assert alone.title == old


def _ended(before: World, after: World) -> tuple[Finding, ...]:
    return follow(analyzed(after).findings, Former(analyzed(before).findings), after).resolved


def test_resolved_path_says_what_stays_and_what_only_may() -> None:
    before = given(SHARE, roles=(trusting(),))
    after = given(SHARE, roles=(principal(SUPPORT, DECRYPT, trust=policy(allow(SECOND, "sts:AssumeRole"))),))
    (gone,) = (f for f in _ended(before, after) if f.kind is Kind.ASSUMED_ROLE_PATH)
    assert "; when this ended, such keys could still be reached directly (kx-" in gone.title
    path = about(given(roles=(trusting(),)), Kind.ASSUMED_ROLE_PATH)
    many = replace(path, keys=(), reach=replace(path.reach, by_key={}), keys_total=2_000)
    (direct,) = follow([many], Former(analyzed(given(SHARE)).findings), given()).resolved
    assert "the key could perhaps still be reached through role/support" in direct.title
