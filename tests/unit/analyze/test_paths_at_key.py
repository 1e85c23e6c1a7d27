"""What a run leaves of each key for whoever asks who can use it: what holds at this key, not over all of a path."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.findings import AnalysisRules
from scanner.analyze.parts import Bench, remembering
from scanner.analyze.paths.role_paths import told_of
from scanner.analyze.principals.approvals import ApprovedAccount
from scanner.analyze.principals.party import Trust
from scanner.analyze.who_can import Wanted, listed, who_can
from scanner.model.explanation import Access, WhoCan
from scanner.model.finding import AccessRow, FindingVerdict
from scanner.model.key import KeyFacts
from scanner.model.verdicts import KeyAccess, PathAccess
from scanner.model.world import World

from builders import KEY, MANAGER, MEMBER, OWNER, STRANGER, account, allow, iam, key, policy, principal, world
from left_behind import access_found_again, paths_beside_findings
from role_worlds import ASSUMING, admits, role

OTHER, THIRD = (KEY.replace("1234abcd", name) for name in ("22222222", "33333333"))
VENDOR = iam(STRANGER, "root")
DELEGATES = allow(iam(OWNER, "root"), "kms:*")
WHOLE = Wanted(verdicts=tuple(FindingVerdict), insiders=True, limit=1_000)
AT_HOME = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
TAGGED = {"StringEquals": {"kms:EncryptionContext:app": "x"}}


def may(*actions: str, on: str = "*", when: Any = None) -> dict[str, Any]:
    return allow(None, *actions, Resource=on, **({"Condition": when} if when else {}))


def answers(given: World, wanted: Wanted = WHOLE, **rules: Any) -> dict[str, WhoCan]:
    """By key what the files of a run answer, which is what is answered without them."""
    told = AnalysisRules(insiders=True, remedies=False, leading=False, **rules)
    left = access_found_again(given, told)
    found = {str(arn): listed(given, k, left[arn], told, wanted) for arn, k in given.keys.items()}
    assert found == {str(arn): who_can(given, k, told, wanted) for arn, k in given.keys.items()}
    for access, finding in paths_beside_findings(given, told):
        assert access == finding
    return found


def through_roles(answer: WhoCan) -> list[Access]:
    return [line for line in answer.access if line.mechanism == "role"]


def test_every_key_tells_what_holds_there() -> None:
    """The finding is about both keys, and as sure as with the one where nothing has to be met."""
    entry = role(
        OWNER, "Entry", admits(VENDOR), policy(may("kms:Decrypt", on=KEY), may("kms:Decrypt", on=OTHER, when=TAGGED)),
        policy(may("kms:Sign", on=OTHER)),
    )  # fmt: skip
    keys = key(DELEGATES), key(DELEGATES, arn=OTHER), key(arn=THIRD)
    found = answers(world(entry, *keys))
    (here,), (there,) = map(through_roles, (found[KEY], found[OTHER]))
    assert (here.verdict, here.condition, here.actions) == (FindingVerdict.CONFIRMED, "", ("kms:Decrypt",))
    assert (there.verdict, there.actions) == (FindingVerdict.CONDITIONAL, ("kms:Decrypt",))
    assert "kms:EncryptionContext:app" in there.condition
    assert there.caller_chosen
    assert here.finding_id == there.finding_id
    assert here.path == there.path == entry.arn
    assert here.principals == there.principals == (VENDOR,)
    assert [ref.document for ref in here.statements] == ["trust policy"]
    assert through_roles(found[THIRD]) == []


def test_state_of_a_key_is_its_own_reason_though_both_are_reached_alike() -> None:
    entry = role(OWNER, "Entry", admits(VENDOR), policy(may("kms:Decrypt")))
    keys = (key(DELEGATES, arn=arn, state=state) for arn, state in ((KEY, "Disabled"), (OTHER, "PendingDeletion")))
    found = answers(world(entry, *keys))
    reasons = {arn: line.reasons for arn, answer in found.items() for line in through_roles(answer)}
    assert reasons == {KEY: ("key_disabled",), OTHER: ("key_pending_deletion",)}


def test_partner_that_is_approved_for_one_key_is_none_at_another_that_is_reached_alike() -> None:
    entry = role(OWNER, "Entry", admits(VENDOR), policy(may("kms:Decrypt")))
    approval = ApprovedAccount(STRANGER, "Payroll SaaS", "2027-03-31", keys=(KEY,))
    given = world(entry, key(DELEGATES), key(DELEGATES, arn=OTHER))
    found = answers(given, trust=Trust(approvals=(approval,)))
    parties = {arn: line.party for arn, answer in found.items() for line in through_roles(answer)}
    assert parties == {KEY: "partner_role_without_external_id", OTHER: "partner_exceeds_approval"}


def test_strongest_of_several_roles_of_one_claim_leads_at_each_key() -> None:
    """What the management account enters is told once for all accounts that have the role."""
    root = iam(MANAGER, "root")
    weaker = role(OWNER, "Access", admits(root), policy(may("kms:Decrypt", "kms:Encrypt", when=TAGGED)))
    stronger = role(MEMBER, "Access", admits(root), policy(may("kms:Decrypt")))
    shared = key(DELEGATES, allow(iam(MEMBER, "root"), "kms:*"))
    admin = principal(iam(MANAGER, "role/Admin"), ASSUMING)
    found = answers(world(admin, weaker, stronger, shared, key(DELEGATES, arn=OTHER), account(MANAGER)))
    here = {line.verdict: line.actions for line in through_roles(found[KEY])}
    assert here == {FindingVerdict.CONFIRMED: ("kms:Decrypt",), FindingVerdict.CONDITIONAL: ("kms:Encrypt",)}
    (there,) = through_roles(found[OTHER])
    assert set(there.actions) == {"kms:Decrypt", "kms:Encrypt"}
    assert {line.path for line in through_roles(found[KEY])} == {stronger.arn}
    assert there.path == weaker.arn
    assert {line.finding_id for line in through_roles(found[KEY])} == {there.finding_id}


def test_chain_that_was_too_long_is_told_at_every_key_it_may_lead_to() -> None:
    entry = role(OWNER, "Entry", admits(VENDOR), ASSUMING, policy(may("kms:Decrypt", on=KEY)))
    middle = role(OWNER, "Middle", admits(entry.arn), ASSUMING)
    last = role(OWNER, "Last", admits(middle.arn), policy(may("kms:Decrypt", on=OTHER)))
    given = world(entry, middle, last, key(DELEGATES), key(DELEGATES, arn=OTHER))
    found = answers(given, max_role_hops=2, iam_changes=False)
    assert [line.verdict for line in through_roles(found[KEY])] == [FindingVerdict.CONFIRMED]
    assert "may exist" not in found[KEY].role_paths
    assert [line.verdict for line in through_roles(found[OTHER])] == [FindingVerdict.POSSIBLE]
    alone = answers(world(entry, middle, key(), key(DELEGATES, arn=OTHER)), max_role_hops=1, iam_changes=False)
    said = "1 path may exist; behind 1 entry role, chains of more than 1 role were not followed"
    assert {answer.role_paths for answer in alone.values()} == {said}
    assert not any(through_roles(answer) for answer in alone.values())


def test_what_is_said_of_keys_that_are_reached_alike_is_one_thing_until_the_last_of_them_is_told() -> None:
    entry = role(OWNER, "Entry", admits(VENDOR), policy(may("kms:Decrypt")))
    one, other = key(DELEGATES), key(DELEGATES, arn=OTHER)
    rules = AnalysisRules()
    bench = Bench.of(remembering(world(entry, one, other), rules), rules)
    found = told_of(bench.paths, bench.assembly, "unguarded")

    def said_of(about: KeyFacts) -> tuple[PathAccess, list[AccessRow]]:
        rows = list(found.rows(bench.assembly, about))
        (access,) = found.at(bench.assembly, about).access
        return access, rows

    first, rows = said_of(one)
    found.told_all(one)
    second, others = said_of(other)
    assert second is first
    found.told_all(other)
    again, more = said_of(other)
    assert again == first
    assert again is not first
    assert more == others == [row._replace(key_arn=OTHER) for row in rows]


@pytest.mark.parametrize(
    ("action", "entered"), [("kms:Sign", "Signs"), ("kms:Decrypt", "Decrypts"), ("kms:Verify", "")]
)
def test_question_for_one_action_names_who_has_it(action: str, entered: str) -> None:
    names = {"kms:Decrypt": "Decrypts", "kms:Sign": "Signs"}
    entries = [role(OWNER, name, admits(iam(MEMBER, "root")), policy(may(does))) for does, name in names.items()]
    users = [principal(iam(MEMBER, f"user/{e.arn[-4:]}"), policy(may("sts:AssumeRole", on=e.arn))) for e in entries]
    signing = key(DELEGATES, spec="RSA_2048", usage="SIGN_VERIFY")
    found = answers(world(*entries, *users, signing, key(DELEGATES, arn=OTHER)), Wanted(action=action))
    told = {(line.path, line.principals) for answer in found.values() for line in through_roles(answer)}
    assert told == ({(iam(OWNER, f"role/{entered}"), (iam(MEMBER, f"user/{entered[-4:]}"),))} if entered else set())


def test_first_of_the_capabilities_is_the_worst_and_says_what_it_adds() -> None:
    held = policy(may("kms:Decrypt", "kms:CreateGrant"), may("kms:Encrypt", "kms:Sign", when=TAGGED))
    entries = [role(OWNER, name, admits(VENDOR), held) for name in ("One", "Two")]
    found = answers(world(*entries, key(DELEGATES)))
    reasons = {line.capabilities: line.reasons for line in through_roles(found[KEY])}
    assert any("delegate" in held and "create_grant_escalation" in why for held, why in reasons.items())


@pytest.mark.parametrize("sure", ["kms:DescribeKey", "kms:Encrypt", "kms:CreateGrant"])
@pytest.mark.parametrize("perhaps", ["kms:Decrypt", "kms:RevokeGrant", "kms:DescribeKey"])
def test_capabilities_come_in_the_order_of_the_finding(sure: str, perhaps: str) -> None:
    """One is sure and another under a condition, through roles that are entered alike."""
    entries = [
        role(OWNER, "Access", admits(iam(MANAGER, "root")), policy(may(perhaps, when=AT_HOME))),
        role(MEMBER, "Access", admits(iam(MANAGER, "root")), policy(may(sure, "kms:Decrypt"))),
    ]
    shared = key(DELEGATES, allow(iam(MEMBER, "root"), "kms:*"))
    found = answers(world(principal(iam(MANAGER, "role/Admin"), ASSUMING), *entries, shared, account(MANAGER)))
    assert {action for line in through_roles(found[KEY]) for action in line.actions} == {sure, perhaps, "kms:Decrypt"}


def test_service_that_enters_a_role_is_told_though_what_the_key_itself_gives_it_is_limited() -> None:
    service = {"Service": "rolesanywhere.amazonaws.com"}
    entry = role(OWNER, "Entry", admits(service), policy(may("kms:Decrypt")))
    limited = allow(service, when={"StringEquals": {"aws:SourceAccount": OWNER}})
    alone, both = (answers(world(*some, key(DELEGATES, limited)))[KEY] for some in ((), (entry,)))
    assert (through_roles(alone), alone.left_out) == ([], ("rolesanywhere.amazonaws.com",))
    assert [line.path for line in through_roles(both)] == [entry.arn]
    assert both.left_out == ()


def test_files_hold_no_more_than_what_is_told() -> None:
    entry = role(OWNER, "Entry", admits(VENDOR), policy(may("kms:Decrypt")))
    found = access_found_again(world(entry, key(DELEGATES)), AnalysisRules(remedies=False))
    assert isinstance(found[KEY], KeyAccess)
    (access,) = found[KEY].paths.access
    (result,) = access.capabilities
    assert (result.keys, result.statements, result.residual) == (None, (), None)
    assert [held.principals for held in access.holders] == [(VENDOR,)]
