"""Arrivals that are worked out once, and each difference that keeps two of them from sharing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scanner.analyze.decision.remembered import RememberingWorld
from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.keys.identity import number_of
from scanner.analyze.keys.severity import Override, SeverityRules
from scanner.analyze.paths.approaches import Approach, Arrival, Landing, Way, landings_of
from scanner.analyze.paths.graph import Chain
from scanner.analyze.paths.hops import BOUND, CHOSEN, SURE
from scanner.analyze.paths.path_capabilities import Reached, Severities
from scanner.analyze.paths.path_findings import finding_of
from scanner.analyze.paths.paths import Claim, Paths
from scanner.analyze.paths.role_use import Use
from scanner.analyze.principals.approvals import ApprovedAccount
from scanner.analyze.principals.borders import InnerBoundary
from scanner.analyze.principals.party import Trust
from scanner.analyze.principals.reach import Population
from scanner.model.actions import ACTIONS
from scanner.model.decision import Decision, Layer, Verdict
from scanner.model.finding import Finding, FindingVerdict, Severity
from scanner.model.key import KeyFacts
from scanner.model.world import World

from builders import KEY, MANAGER, MEMBER, OWNER, STRANGER, allow, iam, key, organization, policy, principal, world
from role_worlds import ASSUMING, USING, admits, followed, only_path, role

VENDOR = iam(STRANGER, "root")
OTHER = f"{KEY[:-1]}c"
OWN_ROOT = allow(iam(OWNER, "root"), "kms:*")
ONE, TWO = key(OWN_ROOT), key(OWN_ROOT, arn=OTHER)
BOTH_WAYS = ("sts:AssumeRole", "sts:AssumeRoleWithWebIdentity")
EXTERNAL_ID = {"StringEquals": {"sts:ExternalId": "one"}}
ANYTHING = policy(allow(None, "kms:*"))
RULES = SeverityRules({"data": ("pii",)})
DECRYPT = ("decrypt", SURE, False)


def claimed(read: World, trust: Trust | None = None) -> Claim:
    """The one claim of a world that remembers what decisions share."""
    known = RememberingWorld.of(read)
    (found,) = Paths(Population(known), known.keys.values(), trust or Trust()).claims()
    return found


def entered(*keys: KeyFacts, who: object = VENDOR, uses: Any = USING, **more: Any) -> World:
    """Keys, and a role that somebody enters and that may use them."""
    return world(role(OWNER, "Vendor", admits(who, **more), uses), *(keys or (ONE, TWO)))


def told(read: World, claim: Claim) -> Finding:
    """The finding about a claim."""
    return finding_of(assembly := Assembly(read, Trust(), SeverityRules()), Reached(assembly, claim), 5)


def open_to_all() -> tuple[World, Claim]:
    """A role that everybody enters in two ways, each a source, of which one is less sure than the other."""
    plain = admits("*", BOTH_WAYS[0])["Statement"]
    vouched = admits("*", BOTH_WAYS[1])["Statement"]
    read = world(role(OWNER, "Open", policy(*plain, *vouched), ANYTHING), ONE, TWO)
    return read, claimed(read)


def kept(claim: Claim, *places: tuple[int, str]) -> Claim:
    """A claim with the arrivals of some of its sources, by number, at one key each."""
    wanted = {(id(claim.sources[number]), arn) for number, arn in places}
    return arriving(claim, *(a for a in claim.arrivals if (id(a.source), a.key.arn) in wanted))


def arriving(claim: Claim, *arrivals: Arrival) -> Claim:
    """A claim with these arrivals, each of which is a landing of its own."""
    return replace(claim, landings=[Landing(a.source, (a.approach,), [a.key]) for a in arrivals])


# -- approaches -------------------------------------------------------------------------------------------------------

CHAIN, USE = Chain(), Use(ACTIONS["decrypt"], Decision(Verdict.ALLOWED, "both_sides_allow"), SURE)
ASKED = replace(USE, decision=Decision(Verdict.CONDITIONAL, "residual_condition", condition="it rains"), rank=BOUND)


def approaches(*uses: Use) -> list[Approach]:
    """The approaches by which a source reaches a key each by these uses."""
    source = claimed(entered()).sources[0]
    ways = ((key(arn=f"{KEY[:-1]}{n}"), (Way.of(CHAIN, use, cut=False),)) for n, use in enumerate(uses))
    return [by for landing in landings_of(source, ways) for by in landing.approaches for _ in landing.keys]


def test_ways_of_one_course_to_one_action_share_the_approach() -> None:
    first, second = approaches(USE, replace(USE))
    assert first is second


def test_ways_to_different_actions_share_no_approach() -> None:
    first, second = approaches(USE, replace(USE, action=ACTIONS["encrypt"]))
    assert [a.way.use.action.name for a in (first, second)] == ["Decrypt", "Encrypt"]
    assert [a.place[0] for a in (first, second)] == ["decrypt", "encrypt"]


def test_ways_of_different_courses_share_no_approach() -> None:
    first, second = approaches(USE, ASKED)
    assert [(a.rank, a.condition) for a in (first, second)] == [(SURE, ""), (BOUND, "it rains")]


# -- landings ---------------------------------------------------------------------------------------------------------


def test_keys_that_a_source_reaches_alike_are_one_landing() -> None:
    (landing,) = claimed(entered()).landings
    assert [one.arn for one in landing.keys] == [KEY, OTHER]


def test_keys_reached_by_other_approaches_or_sources_are_other_landings() -> None:
    source = claimed(entered()).sources[0]
    by, again, beside = (
        tuple(Way.of(CHAIN, use, cut=False) for use in uses) for uses in ((USE,), (USE,), (USE, ASKED))
    )
    (alike,) = landings_of(source, [(ONE, by), (TWO, again)])
    assert alike.keys == [ONE, TWO]
    assert [one.key for one in alike.arrivals] == [ONE, TWO]
    alone, both = landings_of(source, [(ONE, by), (TWO, beside)])
    assert ([alone.keys, both.keys], len(alone.approaches), len(both.approaches)) == ([[ONE], [TWO]], 1, 2)
    assert list(both.arrivals) == [Arrival(source, TWO, approach) for approach in both.approaches]
    first, second = {id(landing.source) for landing in open_to_all()[1].landings}
    assert first != second


# -- severities -------------------------------------------------------------------------------------------------------


def mrk(region: str, number: int, tags: Any) -> KeyFacts:
    """One of several multi-Region keys, which has replicas."""
    return key(OWN_ROOT, arn=f"arn:aws:kms:{region}:{OWNER}:key/mrk-{number:032}", tags=tags)


def named(by: str) -> Trust:
    """The stranger is approved for some keys."""
    return Trust(approvals=(ApprovedAccount(STRANGER, "Payroll SaaS", "2027-03-31", keys=(by,)),))


RELATED = (
    mrk("us-east-1", 2, {"data": "pii"}), mrk("us-east-1", 3, None),
    mrk("us-east-1", 4, {"data": "pii"}), mrk("us-west-2", 5, {"data": "pii"}),
)  # fmt: skip
PLAIN = mrk("eu-west-1", 1, {})
APART: list[tuple[KeyFacts, KeyFacts, Trust, SeverityRules]] = [
    (ONE, replace(TWO, tags={"data": "pii"}), Trust(), RULES),
    (ONE, replace(TWO, tags=None), Trust(), RULES),
    (PLAIN, mrk("eu-west-1", 2, {}), Trust(), RULES),
    (PLAIN, mrk("eu-west-1", 3, {}), Trust(), RULES),
    (mrk("eu-west-1", 4, {}), mrk("eu-west-1", 5, {}), Trust(), RULES),
    (ONE, TWO, Trust(), SeverityRules(overrides=(Override(Severity.INFO, "known", key="*c"),))),
    (ONE, replace(TWO, tags={"app": "x"}), named("tag:app=x"), SeverityRules()),
    (ONE, replace(TWO, aliases=("alias/x",)), named("*:alias/x"), SeverityRules()),
]


@pytest.mark.parametrize(("one", "other", "trust", "rules"), APART)
def test_keys_that_rules_tell_apart_share_no_severity(
    one: KeyFacts, other: KeyFacts, trust: Trust, rules: SeverityRules
) -> None:
    read = entered(one, other, *RELATED, when=EXTERNAL_ID)
    assembly, claim = Assembly(read, trust, rules), claimed(read)
    shared, alone = Severities(assembly, claim), Severities(assembly, claim)
    first = shared.of(one, DECRYPT)
    assert shared.of(other, DECRYPT) == alone.of(other, DECRYPT) != first
    assert shared.standing(other, "decrypt") == alone.standing(other, "decrypt")


def test_keys_of_different_accounts_share_no_severity() -> None:
    app = principal(iam(MEMBER, "role/App"), ASSUMING)
    far = key(OWN_ROOT, arn=KEY.replace(OWNER, MEMBER))
    read = world(role(OWNER, "Shared", admits(iam(MEMBER, "root")), USING), app, ONE, far)
    trust = Trust(boundaries=(InnerBoundary("prod", account=OWNER, sensitive=True),))
    shared = Severities(Assembly(read, trust, SeverityRules()), claimed(read, trust))
    assert [shared.of(one, DECRYPT)[0] for one in (ONE, far)] == [Severity.HIGH, Severity.LOW]


@pytest.mark.parametrize(
    ("other", "rules"),
    [
        (replace(TWO, tags={"app": "x"}, aliases=("alias/x",)), RULES),
        (replace(TWO, tags={"data": "pii"}), SeverityRules()),
        (TWO, SeverityRules(overrides=(Override(Severity.INFO, "known", grantee="*"),))),
    ],
)
def test_keys_of_one_account_that_no_rule_tells_apart_count_alike(other: KeyFacts, rules: SeverityRules) -> None:
    read = entered(ONE, other)
    shared = Severities(Assembly(read, Trust(), rules), claimed(read))
    assert shared.alike(ONE) == shared.alike(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DECRYPT, ("metadata", SURE, False)),
        (DECRYPT, ("decrypt", BOUND, False)),
        (("decrypt", CHOSEN, False), ("decrypt", CHOSEN, True)),
    ],
)
def test_approaches_of_other_capabilities_ranks_or_vouched_for_share_no_severity(one: Any, other: Any) -> None:
    read = entered()
    assembly, claim = Assembly(read, Trust(), SeverityRules()), claimed(read)
    shared = Severities(assembly, claim)
    first = shared.of(ONE, one)
    assert shared.of(ONE, other) == Severities(assembly, claim).of(ONE, other) != first


def test_capabilities_share_no_standing() -> None:
    approval = ApprovedAccount(STRANGER, "Payroll SaaS", "2027-03-31", capabilities=("metadata",))
    trust, read = Trust(approvals=(approval,)), entered(when=EXTERNAL_ID)
    shared = Severities(Assembly(read, trust, SeverityRules()), claimed(read, trust))
    parties = [shared.standing(ONE, capability).party for capability in ("metadata", "decrypt")]
    assert parties == ["approved_partner", "partner_exceeds_approval"]


def test_keys_reached_alike_have_rows_of_their_own_party() -> None:
    far = replace(TWO, tags={"app": "x"})
    things = (role(OWNER, "Vendor", admits(VENDOR, when=EXTERNAL_ID), USING), ONE, far)
    found = followed(*things, trust=named("tag:app=x")).access
    parties = {(row.key_arn, row.party) for row in found if row.mechanism == "role"}
    assert parties == {(KEY, "partner_exceeds_approval"), (OTHER, "approved_partner")}


def test_worst_key_leads_whatever_its_name() -> None:
    tagged = replace(TWO, tags={"data": "pii"})
    vendor = role(OWNER, "Vendor", admits(iam(MEMBER, "root")), ANYTHING)
    app = principal(iam(MEMBER, "role/App"), ASSUMING)
    found = only_path(vendor, app, ONE, tagged, severity=RULES)
    assert [one.arn for one in found.keys] == [OTHER, KEY]
    assert {c.keys.sample for c in found.capabilities if c.keys} == {(OTHER, KEY)}
    assert any(reason.rule == "sensitive_tags" for reason in found.severity_reasons)


# -- what a claim reaches ---------------------------------------------------------------------------------------------


def test_keys_that_different_actions_of_a_capability_reach_are_told_apart() -> None:
    may = policy(allow(None, "kms:Decrypt", Resource=OTHER), allow(None, "kms:ReEncryptFrom", Resource=KEY))
    read = entered(uses=may)
    found = told(read, claimed(read))
    assert [(c.actions, c.keys and c.keys.sample) for c in found.capabilities] == [
        (("kms:Decrypt", "kms:ReEncryptFrom"), (OTHER, KEY))
    ]
    assert {ref.index for ref in found.capabilities[0].statements if ref.source.endswith("role/Vendor")} == {0, 1}


def test_capabilities_at_the_same_keys_have_their_own_severity() -> None:
    read = entered(uses=policy(allow(None, "kms:Decrypt", "kms:DescribeKey")))
    found = told(read, claimed(read))
    assert [(c.capability, c.severity) for c in found.capabilities] == [
        ("decrypt", Severity.CRITICAL), ("metadata", Severity.LOW),
    ]  # fmt: skip


def test_digest_adds_up_what_is_said_of_every_arrival_by_itself() -> None:
    read, claim = open_to_all()
    expected = sum(
        number_of(f"{key.arn} {approach.way.use.action.iam_name}")
        * number_of(step.caller.text)
        * number_of(f"{(one := Approach.of(step, approach.way)).rank} {one.condition}")
        for source, key, approach in claim.arrivals
        for step in source.steps
    )
    assert int(told(read, claim).reach.digest, 16) == expected % 2**64


def test_digest_tells_actions_under_different_conditions_apart() -> None:
    when = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    asked = policy(allow(None, "kms:Decrypt", when=when), allow(None, "kms:Encrypt"))
    reads = [entered(ONE, uses=uses) for uses in (policy(allow(None, "kms:Decrypt", "kms:Encrypt")), asked)]
    first, second = (told(read, claimed(read)).reach.digest for read in reads)
    assert first != second


def test_sources_that_reach_keys_by_the_same_way_have_their_own_answer() -> None:
    read, claim = open_to_all()
    places = [(number, arn) for number, arn in enumerate((KEY, OTHER))]
    ranks = [source.best.rank for source in claim.sources]
    assert ranks[0] != ranks[1]
    reach = told(read, kept(claim, *places)).reach
    found = {arn: reach.profiles[number]["kms:Decrypt"].rank for arn, number in reach.profile_of.items()}
    assert found == dict(zip((KEY, OTHER), ranks, strict=True))


def test_actions_of_a_source_under_different_conditions_have_their_own_answer() -> None:
    when = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    read = entered(ONE, uses=policy(allow(None, "kms:Decrypt", when=when), allow(None, "kms:Encrypt")))
    (profile,) = told(read, claimed(read)).reach.profiles
    assert (bool(profile["kms:Decrypt"].condition), profile["kms:Encrypt"].condition) == (True, "")


def test_every_way_in_and_every_chain_is_a_route() -> None:
    read, claim = open_to_all()
    reached = Reached(Assembly(read, Trust(), SeverityRules()), claim)
    assert {steps[0].action for steps in reached.routes} == set(BOTH_WAYS)
    last = role(OWNER, "Last", admits(iam(OWNER, "role/Entry")), policy(allow(None, "kms:Encrypt")))
    may = policy(allow(None, "kms:Decrypt"), allow(None, "sts:AssumeRole"))
    longer = world(role(OWNER, "Entry", admits(VENDOR), may), last, ONE)
    reached = Reached(Assembly(longer, Trust(), SeverityRules()), claimed(longer))
    assert [len(steps) for steps in reached.routes] == [1, 2]


def test_first_of_equal_sources_decides() -> None:
    roles = [role(account, "Admin", admits(iam(MANAGER, "root")), USING) for account in (OWNER, MEMBER)]
    shared = key(*(allow(iam(account, "root"), "kms:*") for account in (OWNER, MEMBER)))
    read = world(*roles, organization(), principal(iam(MANAGER, "role/App"), ASSUMING), shared)
    claim = claimed(read)
    turned = replace(claim, landings=claim.landings[::-1])
    assert len({id(landing.source) for landing in claim.landings}) == len(claim.landings) == 2
    for one in (claim, turned):
        (hop,) = told(read, one).path.hops
        assert hop.role_arn == one.landings[0].source.role.arn


def test_statements_of_actions_are_cited_in_the_order_of_the_actions() -> None:
    may = policy(allow(None, "kms:ReEncryptFrom"), allow(None, "kms:Decapsulate"), allow(None, "kms:Decrypt"))
    read = entered(ONE, uses=may)
    (decrypt,) = told(read, claimed(read)).capabilities
    own = [ref.index for ref in decrypt.statements if ref.source.endswith("role/Vendor")]
    ways = [a.way.use.action.iam_name for a in claimed(read).arrivals]
    order = {"kms:ReEncryptFrom": 0, "kms:Decapsulate": 1, "kms:Decrypt": 2}
    assert own == [order[name] for name in ways]


def test_what_an_identity_provider_vouches_for_is_told_as_such() -> None:
    read = entered(ONE)
    claim = claimed(read)
    (source, at, approach) = next(claim.arrivals)
    place = ("decrypt", FindingVerdict.CONDITIONAL, "it says so")
    for choice, said in (((False, True), "the identity provider states"), ((True, False), "the caller chooses")):
        by = replace(approach, rank=CHOSEN, place=place, choice=choice)
        trail = told(read, arriving(claim, Arrival(source, at, by))).severity_reasons
        assert any(said in reason.text for reason in trail)


def test_keys_that_are_reached_more_surely_are_named_first_and_equal_ones_by_name() -> None:
    when = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    third = key(OWN_ROOT, arn=f"{KEY[:-1]}d")
    may = policy(
        allow(None, "kms:Decrypt", when=when, Resource=KEY), allow(None, "kms:Decrypt", Resource=[OTHER, third.arn])
    )
    read = entered(ONE, TWO, third, uses=may)
    found = told(read, claimed(read))
    assert [one.arn for one in found.keys] == [OTHER, third.arn, KEY]
    assert [c.keys and (c.keys.total, c.keys.sample, c.keys.otherwise) for c in found.capabilities] == [
        (2, (OTHER, third.arn), 1)
    ]


def test_keys_named_are_bounded_over_several_grades() -> None:
    keys = [key(OWN_ROOT, arn=f"{KEY[:-2]}{n:02}", tags={"data": "pii"} if n > 10 else {}) for n in range(14)]
    app = principal(iam(MEMBER, "role/App"), ASSUMING)
    found = only_path(role(OWNER, "Vendor", admits(iam(MEMBER, "root")), USING), app, *keys, severity=RULES)
    (decrypt,) = found.capabilities
    assert decrypt.keys is not None
    assert decrypt.keys.sample == tuple(keys[n].arn for n in (11, 12, 13, 0, 1, 2, 3, 4, 5, 6))


def test_source_that_reaches_the_worst_key_decides() -> None:
    roles = [role(account, "Admin", admits(iam(MANAGER, "root")), USING) for account in (OWNER, MEMBER)]
    shared = key(*(allow(iam(account, "root"), "kms:*") for account in (OWNER, MEMBER)))
    read = world(*roles, organization(), principal(iam(MANAGER, "role/App"), ASSUMING), shared)
    claim = claimed(read)
    first, second = claim.arrivals
    (hop,) = told(read, arriving(claim, first._replace(key=TWO), second)).path.hops
    assert hop.role_arn == second.source.role.arn


def test_every_gate_of_the_worst_key_is_shown_and_those_that_give_are_cited() -> None:
    read = world(role(OWNER, "Vendor", admits(VENDOR), USING), organization(), ONE)
    found = told(read, claimed(read))
    assert Layer.SCP in {gate.layer for gate in found.path.layers}
    cited = [ref.document for ref in found.capabilities[0].statements]
    assert cited == ["inline policy 0", "key policy default"]
