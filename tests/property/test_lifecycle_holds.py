"""On random small worlds: what keeps a finding's id, what ends it, what voids a suppression, and what is no change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scanner.analyze.history.lifecycle import Former, follow
from scanner.analyze.history.suppress import suppress
from scanner.model.arn import AccountId
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import Finding, Kind
from scanner.model.lifecycle import Lifecycle
from scanner.model.suppression import SuppressionEntry
from scanner.model.world import World

from builders import (  # fmt: skip
    FULL,
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OWNER,
    STRANGER,
    Analyzed,
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

budget = settings(
    max_examples=35,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
Json = dict[str, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

SECOND = KEY[:-1] + "0"
LISTED = LedgerRow(OWNER, "eu-west-1", "kms:ListKeys", "", Outcome.OK)
ENTRY, LAST, PEER = iam(OWNER, "role/Entry"), iam(OWNER, "role/Last"), iam(MEMBER, "role/Peer")
THIRD = "333322221111"
MIDDLE = iam(THIRD, "role/Middle")
"""A role of an account of ours that holds no key."""
VIA = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
ELSEWHERE = {"StringEquals": {"kms:ViaService": "ec2.eu-west-1.amazonaws.com"}}
NEVER = VIA | {"StringNotEquals": VIA["StringEquals"]}
OF_ORG = {"StringEquals": {"aws:PrincipalOrgID": ORG}}
ALPHA = {"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}
WITH_ID = {"StringEquals": {"sts:ExternalId": "x"}}
GONE = iam(MEMBER, "role/Gone")
OUTSIDERS = (iam(STRANGER, "root"), iam("888877776666", "root"), iam(STRANGER, "role/App"), PEER, "*", GONE)
ACTIONS = ("kms:Decrypt", "kms:Encrypt", "kms:CreateGrant", "kms:DescribeKey", "kms:PutKeyPolicy")


@dataclass(frozen=True)
class Drawn:
    """The statements of a world before it is built: of two key policies, two trust policies and two IAM policies."""

    keys: dict[str, list[Json]]
    trusts: dict[str, list[Json]]
    policies: dict[str, list[Json]]
    granted: tuple[str, ...] = ()

    def documents(self) -> Iterator[list[Json]]:
        """Every list of statements."""
        return chain(self.keys.values(), self.trusts.values(), self.policies.values())

    def built(self, **facts: Any) -> World:
        """The world that these documents make; everything in it was read."""
        roles = [
            principal(arn, policy(*self.policies[arn]), trust=policy(*trust)) for arn, trust in self.trusts.items()
        ]
        grants = tuple(grant(who, grant_id=f"g-{n}") for n, who in enumerate(self.granted))
        keys = [key(*s, arn=arn, grants=grants if arn == KEY else ()) for arn, s in self.keys.items()]
        return world(
            *keys, *roles, principal(PEER, FULL), account(THIRD), account(MANAGER), **{"coverage": (LISTED,)} | facts
        )


@st.composite
def statements(draw: Draw, least: int, conditions: tuple[Json | None, ...]) -> list[Json]:
    """Allows for outsiders, each with a Sid of its own."""
    return [
        allow(
            draw(st.sampled_from(OUTSIDERS)), *draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2)),
            when=draw(st.sampled_from(conditions)), Sid=f"S{n}",
        )
        for n in range(draw(st.integers(least, 2)))
    ]  # fmt: skip


def admitting(who: Any, when: Json | None, number: int) -> Json:
    """A statement of a trust policy."""
    statement = allow(who, "sts:AssumeRole", when=when, Sid=f"T{number}")
    del statement["Resource"]
    return statement


@st.composite
def drawn_worlds(draw: Draw) -> Drawn:
    """Two keys that outsiders are let into directly, and through chains of roles of two accounts."""
    delegating = allow(iam(OWNER, "root"), "kms:*", Sid="Own")
    who = st.sampled_from((*OUTSIDERS, ENTRY, MIDDLE))
    keys = {
        arn: [*([delegating] if draw(st.booleans()) else []), *draw(statements(0, (None, VIA, NEVER, OF_ORG, ALPHA)))]
        for arn in (KEY, SECOND)
    }
    trusts = {
        arn: [admitting(draw(who), draw(st.sampled_from((None, WITH_ID))), n) for n in range(draw(st.integers(1, 2)))]
        for arn in (ENTRY, MIDDLE, LAST)
    }
    policies = {
        arn: [
            allow(None, draw(st.sampled_from((*ACTIONS, "kms:*", "sts:AssumeRole"))), Sid=f"P{n}",
                  Resource=draw(st.sampled_from(("*", KEY, SECOND, LAST, MIDDLE))))
            for n in range(draw(st.integers(1, 2)))
        ]
        for arn in (ENTRY, MIDDLE, LAST)
    }  # fmt: skip
    granted = tuple(draw(st.lists(st.sampled_from(OUTSIDERS[:4]), max_size=2, unique=True)))
    return Drawn(keys, trusts, policies, granted)


def judged(given_world: World) -> Analyzed:
    """The analysis with every service and without tried edits."""
    return analyzed(given_world, service_principals="all")


def ids(findings: tuple[Finding, ...], *kinds: Kind) -> set[str]:
    """The ids of findings of these kinds."""
    return {f.id for f in findings if f.kind in kinds}


# -- ids --------------------------------------------------------------------------------------------------------------

WITHOUT_PLACES = (Kind.EXTERNAL_ACCESS, Kind.ASSUMED_ROLE_PATH, Kind.KEY_HYGIENE)
"""Kinds whose id holds neither Sid nor index."""


def changed(drawn: Drawn, change: Callable[[list[Json]], list[Json]]) -> Drawn:
    """The same statements, document by document changed."""
    return Drawn(
        *({name: change(s) for name, s in part.items()} for part in (drawn.keys, drawn.trusts, drawn.policies)),
        drawn.granted,
    )  # fmt: skip


@budget
@given(drawn_worlds(), st.randoms(use_true_random=False))
def test_ids_survive_reordered_statements_renamed_sids_and_renamed_accounts(drawn: Drawn, dice: Any) -> None:
    before = judged(drawn.built()).result.findings
    shuffled = changed(drawn, lambda s: dice.sample(s, len(s)))
    renamed = changed(shuffled, lambda s: [one | {"Sid": f"Renamed{dice.randrange(9)}{n}"} for n, one in enumerate(s)])
    names = tuple(account(a, name=f"name {dice.randrange(99)}") for a in (OWNER, MEMBER))
    after = judged(renamed.built(accounts=names)).result.findings
    assert ids(after, *WITHOUT_PLACES) == ids(before, *WITHOUT_PLACES)
    kept = judged(shuffled.built(accounts=names)).result.findings
    with_sids = (*WITHOUT_PLACES, Kind.INEFFECTIVE_PERMISSION)
    assert ids(kept, *with_sids) == ids(before, *with_sids)


# -- what was not read ------------------------------------------------------------------------------------------------

OF_KEYS = {Kind.EXTERNAL_ACCESS, Kind.INEFFECTIVE_PERMISSION, Kind.KEY_HYGIENE}


@budget
@given(drawn_worlds(), drawn_worlds(), st.booleans())
def test_finding_whose_key_or_account_was_unread_is_never_resolved(old: Drawn, new: Drawn, known: bool) -> None:
    former = Former(judged(old.built()).result.findings)
    key_id = KEY.rsplit("/", 1)[-1]
    gaps = {p: LedgerRow(OWNER, "eu-west-1", c, key_id, Outcome.DENIED)
            for p, c in (("key_policy", "kms:GetKeyPolicy"), ("grants", "kms:ListGrants"))}  # fmt: skip
    read = new.built()
    unread = replace(read.keys[KEY], key_policy=None, grants=None, gaps={p: row.ref for p, row in gaps.items()})
    others = {arn: facts for arn, facts in read.keys.items() if arn != KEY}
    keys = others | ({unread.arn: unread} if known else {})
    coverage = (*((LISTED,) if known else ()), *gaps.values())
    present = replace(read, keys=keys, coverage=coverage)
    found = follow(judged(present).result.findings, former, present)
    assert not [f.title for f in found.resolved if f.kind in OF_KEYS and f.resource.arn == KEY]
    without_iam = new.built(accounts=(account(OWNER, iam_complete=False),))
    without_iam = replace(without_iam, principals={})
    found = follow(judged(without_iam).result.findings, former, without_iam)
    assert not [f.title for f in found.resolved if f.kind is Kind.ASSUMED_ROLE_PATH]
    assert {f.id for f in former.findings} <= {f.id for f in (*found.findings, *found.resolved)}


def _gap(account_id: str, call: str, subject: str = "", region: str = "global") -> LedgerRow:
    return LedgerRow(account_id, region, call, subject, Outcome.DENIED)


def without_account(read: World, account_id: str) -> World:
    """An account into which the audit role could not get: its users, roles and keys are not known."""
    gap = _gap(account_id, "sts:AssumeRole", region="*")
    facts = replace(read.accounts[AccountId(account_id)], collected=False, iam_complete=False, gap=gap.ref)
    principals = {arn: p for arn, p in read.principals.items() if p.account_id != account_id}
    keys = {arn: k for arn, k in read.keys.items() if k.account_id != account_id}
    coverage = tuple(row for row in read.coverage if row.account_id != account_id)
    accounts = {**read.accounts, facts.id: facts}
    return replace(read, accounts=accounts, principals=principals, keys=keys, coverage=(*coverage, gap))


def without_iam(read: World, account_id: str) -> World:
    """An account whose users and roles could not be listed."""
    gap = _gap(account_id, "iam:GetAccountAuthorizationDetails")
    facts = replace(read.accounts[AccountId(account_id)], iam_complete=False, gap=gap.ref)
    principals = {arn: p for arn, p in read.principals.items() if p.account_id != account_id}
    accounts = {**read.accounts, facts.id: facts}
    return replace(read, accounts=accounts, principals=principals, coverage=(*read.coverage, gap))


def without_policies_of(read: World, role_arn: str) -> World:
    """A role of which some identity policy could not be read."""
    if role_arn not in read.principals:
        return read
    gap = _gap(role_arn.split(":")[4], "iam:GetAccountAuthorizationDetails", role_arn)
    role = replace(read.principals[role_arn], identity_policies=(), complete=False, gap=gap.ref)
    return replace(read, principals={**read.principals, role_arn: role}, coverage=(*read.coverage, gap))


PARTS = {"key_policy": "kms:GetKeyPolicy", "ram_policy": "kms:ListKeyPolicies", "grants": "kms:ListGrants",
         "describe": "kms:DescribeKey", "tags": "kms:ListResourceTags"}  # fmt: skip


def without_part(read: World, arn: str, part: str) -> World:
    """A key of which one part could not be read; nothing where the key is not known at all."""
    facts = next((k for k in read.keys.values() if k.arn == arn), None)
    if facts is None:
        return read
    gap = _gap(OWNER, PARTS[part], arn.rsplit("/", 1)[-1], "eu-west-1")
    missing = {"describe": {"state": "", "spec": "", "usage": ""}, "ram_policy": {"ram_policy_read": False}}
    unread = replace(facts, gaps={**facts.gaps, part: gap.ref}, **missing.get(part, {part: None}))
    return replace(read, keys={**read.keys, facts.arn: unread}, coverage=(*read.coverage, gap))


def without_list(read: World, arn: str) -> World:
    """A key that is not known because the list of keys was cut short."""
    keys = {a: k for a, k in read.keys.items() if a != arn}
    coverage = tuple(row for row in read.coverage if row != LISTED)
    return replace(read, keys=keys, coverage=(*coverage, _gap(OWNER, "kms:ListKeys", region="eu-west-1")))


def without_organization(read: World) -> World:
    """An organization that could not be read: neither who belongs to it nor what its guardrails say."""
    accounts = {a: replace(facts, organization_unknown=True) for a, facts in read.accounts.items()}
    gap = _gap(OWNER, "organizations:DescribeOrganization")
    coverage = (*read.coverage, gap)
    return replace(read, organizations=(), accounts=accounts, coverage=coverage, organization_gap=gap.ref)


def without_guardrails(read: World) -> World:
    """An organization whose control policies could not be read."""
    gap = _gap(OWNER, "organizations:ListPolicies")
    blind = tuple(replace(o, scps=None, rcps=None, scp_gap=gap.ref, rcp_gap=gap.ref) for o in read.organizations)
    return replace(read, organizations=blind, coverage=(*read.coverage, gap))


Forgetting = Callable[[World], World]
FORGETTING: list[Forgetting] = [
    *(partial(without_account, account_id=a) for a in (OWNER, MEMBER, THIRD)),
    *(partial(without_iam, account_id=a) for a in (OWNER, MEMBER, THIRD)),
    *(partial(without_policies_of, role_arn=arn) for arn in (ENTRY, MIDDLE, LAST, PEER)),
    *(partial(without_part, arn=arn, part=part) for arn in (KEY, SECOND) for part in PARTS),
    *(partial(without_list, arn=arn) for arn in (KEY, SECOND)),
    without_organization, without_guardrails,
]  # fmt: skip


@st.composite
def partly_renewed(draw: Draw) -> tuple[Drawn, Drawn]:
    """Two worlds that share all but one or two documents."""
    old, other = draw(drawn_worlds()), draw(drawn_worlds())
    new = old
    places = [(part, arn) for part in ("keys", "trusts", "policies") for arn in getattr(old, part)]
    for part, arn in draw(st.lists(st.sampled_from(places), max_size=2)):
        new = replace(new, **{part: getattr(new, part) | {arn: getattr(other, part)[arn]}})
    return old, new


@settings(budget, max_examples=60)
@given(partly_renewed(), st.lists(st.sampled_from(FORGETTING), min_size=1, max_size=2))
def test_what_is_true_still_is_never_resolved_however_little_was_read(
    pair: tuple[Drawn, Drawn], forgetting: list[Forgetting]
) -> None:
    old, new = pair
    former = Former(judged(old.built()).result.findings)
    whole = new.built()
    present = whole
    for forget in forgetting:
        present = forget(present)
    true_still = {f.id for f in judged(whole).result.findings}
    found = follow(judged(present).result.findings, former, present)
    assert not [(f.kind, f.title) for f in found.resolved if f.id in true_still]


@budget
@given(partly_renewed())
def test_what_is_true_no_more_is_resolved_where_everything_was_read(pair: tuple[Drawn, Drawn]) -> None:
    old, new = pair
    given_world = new.built()
    former = Former(judged(old.built()).result.findings)
    present = judged(given_world).result.findings
    found = follow(present, former, given_world)
    assert {f.id for f in found.resolved} == {f.id for f in former.findings} - {f.id for f in present}


FEW = st.lists(st.sampled_from(FORGETTING), min_size=1, max_size=2)


def forgotten(whole: World, forgetting: list[Forgetting]) -> World:
    """The same world of which less was read."""
    for forget in forgetting:
        whole = forget(whole)
    return whole


@settings(budget, max_examples=120)
@given(drawn_worlds(), FEW)
def test_finding_whose_only_change_is_an_unread_input_is_not_rechecked_and_cites_it(
    drawn: Drawn, forgetting: list[Forgetting]
) -> None:
    whole = drawn.built()
    present = forgotten(whole, forgetting)
    before = judged(whole).result.findings
    found = follow(judged(present).result.findings, Former(before), present)
    assert found.resolved == ()
    told = {f.lifecycle: f"{f.kind} {f.verdict} {f.title}" for f in found.findings}
    assert told.keys() <= {Lifecycle.UNCHANGED, Lifecycle.NOT_RECHECKED, Lifecycle.NEW}, told
    gaps = {row.ref for row in present.coverage if row.outcome.is_gap}
    assert not [f.title for f in found.findings if f.lifecycle != "unchanged" and not gaps & set(f.coverage_refs)]


@settings(budget, max_examples=120)
@given(drawn_worlds(), FEW)
def test_finding_that_is_known_better_than_in_the_baseline_is_never_narrowed(
    drawn: Drawn, forgetting: list[Forgetting]
) -> None:
    whole = drawn.built()
    former = judged(forgotten(whole, forgetting)).result.findings
    found = follow(judged(whole).result.findings, Former(former), whole)
    assert not [f"{f.kind} {f.title}" for f in found.findings if f.lifecycle == Lifecycle.NARROWED]


# -- suppressions -----------------------------------------------------------------------------------------------------


@st.composite
def widenings(draw: Draw) -> tuple[Drawn, Drawn]:
    """A world, and the same with one principal or action more, or one condition less, in one statement."""
    drawn = draw(drawn_worlds())
    places = [(part, arn, n) for part in ("keys", "trusts", "policies")
              for arn, s in getattr(drawn, part).items() for n in range(len(s))]  # fmt: skip
    part, arn, number = draw(st.sampled_from(places))
    wider = dict(getattr(drawn, part)[arn][number])
    how = draw(st.sampled_from(("principal", "action", "condition")))
    if how == "principal" and isinstance(wider.get("Principal"), dict):
        wider["Principal"] = {"AWS": [wider["Principal"]["AWS"], draw(st.sampled_from(OUTSIDERS[:4]))]}
    elif how == "condition":
        wider.pop("Condition", None)
    elif part != "trusts":
        said = wider["Action"]
        wider["Action"] = [*(said if isinstance(said, list) else [said]), draw(st.sampled_from(ACTIONS))]
    documents = getattr(drawn, part)
    changed_list = [wider if n == number else one for n, one in enumerate(documents[arn])]
    return drawn, replace(drawn, **{part: documents | {arn: changed_list}})


def access_of(analysis: Analyzed) -> dict[str, set[tuple[str, ...]]]:
    """By finding, every principal with every action on every key, how sure it is and under what."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for row in analysis.access:
        rows = ((row.key_arn, row.principal_arn, action, row.decision, row.conditions) for action in row.actions)
        found.setdefault(row.finding_id, set()).update(rows)
    return found


@settings(budget, max_examples=90, phases=(Phase.explicit, Phase.generate))
@given(widenings())
def test_pinned_suppression_never_hides_access_that_was_not_there_when_it_was_accepted(
    pair: tuple[Drawn, Drawn],
) -> None:
    before, after = (judged(drawn.built()) for drawn in pair)
    entries = [
        SuppressionEntry(reason="r", owner="o", expires="2027-03-31", ticket="", id=f.id, fingerprint=f.fingerprint)
        for f in before.result.findings
    ]
    held = suppress(after.result.findings, entries, "2026-11-22T00:00:00Z").findings
    known, now = access_of(before), access_of(after)
    for finding in held:
        if finding.is_suppressed:
            assert now.get(finding.id, set()) <= known.get(finding.id, set()), finding.title


def surely(analysis: Analyzed, finding_id: str) -> tuple[set[str], set[str], set[str]]:
    """The principals and keys that a finding surely reaches, and the capabilities."""
    rows = [r for r in analysis.access if r.finding_id == finding_id and r.decision in {"allowed", "conditional"}]
    return {r.principal_arn for r in rows}, {r.key_arn for r in rows}, {r.capability for r in rows}


def perhaps(analysis: Analyzed, finding_id: str) -> tuple[set[str], set[str]]:
    """The principals and keys that it reaches, surely or not."""
    rows = [r for r in analysis.access if r.finding_id == finding_id and r.decision != "latent"]
    return {r.principal_arn for r in rows}, {r.key_arn for r in rows}


@settings(budget, max_examples=120)
@given(widenings(), FEW)
def test_what_surely_grew_is_told_however_little_was_read(
    pair: tuple[Drawn, Drawn], forgetting: list[Forgetting]
) -> None:
    old, present = pair[0].built(), forgotten(pair[1].built(), forgetting)
    before, after = judged(old), judged(present)
    found = follow(after.result.findings, Former(before.result.findings), present)
    for finding in found.findings:
        people, keys, capabilities = surely(after, finding.id)
        could, reached = perhaps(before, finding.id)
        if people - could or keys - reached or capabilities - surely(before, finding.id)[2]:
            assert finding.has_grown, (finding.kind, finding.lifecycle, finding.title)


# -- nothing happened -------------------------------------------------------------------------------------------------


@budget
@given(drawn_worlds())
def test_run_followed_by_itself_is_unchanged_in_everything(drawn: Drawn) -> None:
    given_world = drawn.built()
    findings = judged(given_world).result.findings
    found = follow(findings, Former(findings), given_world)
    assert {f.lifecycle for f in found.findings} <= {Lifecycle.UNCHANGED}
    assert {(f.rise, f.has_grown) for f in found.findings} <= {(None, False)}
    assert (found.resolved, found.kept) == ((), ())
    assert ids(found.findings, *Kind) == ids(findings, *Kind)
