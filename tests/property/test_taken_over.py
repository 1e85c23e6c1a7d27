"""What is taken over from an earlier run says what is judged and tried anew, whatever has changed since.

Worlds are an organization with one account that was not read and one beside it; keys name people in every form there
is, and everything that a trial may look at changes from one run to the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scanner.analyze.edits.inputs import EVERYWHERE
from scanner.analyze.findings import AnalysisResult, Verdicts, analyze
from scanner.analyze.keys.severity import SeverityRules
from scanner.analyze.parts import AnalysisRules, Bench, remembering, unwanted
from scanner.analyze.principals.approvals import ApprovedAccount
from scanner.analyze.principals.party import Trust
from scanner.model.arn import AccountId
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import AccessRow, KeyRow
from scanner.model.key import KeyFacts
from scanner.model.outcomes import TakenOver, Trials
from scanner.model.policy import DocumentKind
from scanner.model.principal import PrincipalFacts
from scanner.model.verdicts import KeyVerdicts
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MANAGER,
    MEMBER,
    ORG,
    OU,
    OWNER,
    ROOT,
    STRANGER,
    account,
    allow,
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
from left_behind import found_again

budget = settings(
    max_examples=50, phases=[Phase.generate], deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
BESIDE, UNREAD = "222222222222", "333333333333"
SOON, LATER, MUCH_LATER = "2026-11-29T06:30:00+00:00", "2026-12-24T00:00:00+00:00", "2027-06-01T00:00:00+00:00"
TOMORROW = {"DateGreaterThan": {"aws:CurrentTime": "2026-12-01T00:00:00Z"}}
ROLE_ID, GONE_ID = "AROAAPPAPPAPPAPPAPPAP", "AROAGONEGONEGONEGONEG"
IN_ORG = {"StringEquals": {"aws:PrincipalOrgID": ORG}}
ALPHA = {"StringEquals": {"aws:ResourceTag/team": "red"}}
APP, ANN, BLUE = iam(MEMBER, "role/App"), iam(MEMBER, "user/Ann"), iam(BESIDE, "role/Blue")

KEY_STATEMENTS = (
    allow(iam(STRANGER, "root")), allow(APP), allow(ANN, "kms:*"), allow([APP, BLUE]), allow(BLUE, "kms:Encrypt"),
    allow(iam(MEMBER, "root"), "kms:Decrypt"), allow("*", when=IN_ORG), allow("*"), allow(ROLE_ID), allow(GONE_ID),
    allow(iam(MEMBER, "assumed-role/App/s")), allow(iam(MEMBER, "role/Gone")), allow(iam(UNREAD, "role/X")),
    allow(iam(BESIDE, "root"), "kms:*", when=TOMORROW), allow({"Service": "logs.eu-west-1.amazonaws.com"}),
    allow("*", when={"ArnLike": {"aws:PrincipalArn": iam(BESIDE, "role/*")}}),
    allow("*", when={"StringEquals": {"aws:PrincipalAccount": MEMBER}}), deny(APP), deny("*", when=TOMORROW),
    {"Effect": "Deny", "NotPrincipal": {"AWS": [APP, iam(OWNER, "root")]}, "Action": "kms:Encrypt", "Resource": "*"},
    allow(APP, when={"StringEquals": {"aws:PrincipalTag/team": "red"}}), allow(APP, "kms:CreateGrant"),
    allow([iam(STRANGER, "root"), iam(OWNER, "role/Admin")], "kms:Decrypt", "kms:CreateGrant"),
)  # fmt: skip
GRANTS = (
    grant(APP, grant_id="g-1"), grant(iam(STRANGER, "root"), grant_id="g-2"), grant(ROLE_ID, grant_id="g-3"),
    grant(iam(MEMBER, "role/Gone"), grant_id="g-4"), grant(BLUE, "Encrypt", grant_id="g-5", retiring_principal=APP),
    grant(iam(MEMBER, "federated-user/Bob"), grant_id="g-6"),
)  # fmt: skip
DOCUMENTS = (
    FULL, policy(allow(None, "kms:*")), policy(allow(None, "kms:Decrypt")), policy(deny(None, "kms:*")),
    policy(allow(None, "kms:Decrypt", when=TOMORROW)), policy(allow(None, "iam:*", "sts:AssumeRole")),
    policy(allow(None, "kms:Decrypt", Resource=f"arn:aws:kms:*:{OWNER}:key/*")),
    policy(allow(None, "kms:Decrypt", when=ALPHA), allow(None, "kms:TagResource")),
)  # fmt: skip
ASIDE = (
    policy(allow(None, "s3:GetObject")), policy(allow(None, "sqs:SendMessage"), allow(None, "s3:*", when=IN_ORG)),
    policy(allow(None, "s3:Put*", Resource="arn:aws:s3:::${aws:PrincipalTag/team}/*")),
    policy(deny(None, "s3:PutObject")), policy(allow(None, "s3:GetObject", when=TOMORROW)),
)  # fmt: skip
TRUSTS = (None, policy(allow(STRANGER, "sts:AssumeRole")), policy(allow(iam(MEMBER, "role/App"), "sts:AssumeRole")))
NAMES = (
    iam(OWNER, "role/Admin"), iam(OWNER, "user/Bob"), APP, ANN, iam(MEMBER, "role/path/Gone"), BLUE,
    iam(BESIDE, "user/Cleo"), iam(MANAGER, "role/Admin"), iam(MANAGER, "user/Dora"),
)  # fmt: skip
MRK = KEY.replace("1234abcd-", "mrk-1234")
ARNS = (
    KEY, KEY.replace(OWNER, MEMBER), KEY.replace(OWNER, BESIDE), KEY.replace(OWNER, MANAGER), MRK,
    MRK.replace("eu-west-1", "us-east-1"),
)  # fmt: skip
GUARDRAILS = (policy(deny(None, "kms:Decrypt")), policy(deny(None, "kms:Decrypt", when=TOMORROW)))
TAGS = ({}, {"team": "red"}, {"team": "blue"}, {"class": "pii"})
NOT_ENTERED = LedgerRow(UNREAD, "global", "sts:AssumeRole", "", Outcome.DENIED)
NO_GRANTS = LedgerRow(OWNER, "eu-west-1", "kms:ListGrants", "x", Outcome.DENIED)
LEDGERS = ((), (NOT_ENTERED,), (NO_GRANTS, NOT_ENTERED), (NO_GRANTS,))
RULES = AnalysisRules(
    severity=SeverityRules({"class": ("pii",)}),
    trust=Trust(approvals=(ApprovedAccount(STRANGER, "Partner", "2027-01-31"),)),
)

Draw = Callable[[st.SearchStrategy[Any]], Any]


def people(draw: Draw, arn: str) -> PrincipalFacts:
    documents = draw(st.lists(st.sampled_from((*DOCUMENTS, *ASIDE[:2])), max_size=2))
    trust = draw(st.sampled_from(TRUSTS)) if ":role/" in arn else None
    unique = draw(st.sampled_from(("", ROLE_ID))) if arn in {APP, BLUE} else ""
    return principal(arn, *documents, trust=trust, unique_id=unique, tags=draw(st.sampled_from(TAGS[:2])))


def a_key(draw: Draw, arn: str) -> KeyFacts:
    own = allow(iam(arn.split(":")[4], "root"), "kms:*", Sid="Own")
    statements = draw(st.lists(st.sampled_from(KEY_STATEMENTS), max_size=3))
    grants = draw(st.lists(st.sampled_from(GRANTS), max_size=2, unique_by=lambda g: g.grant_id))
    return key(own, *statements, arn=arn, tags=draw(st.sampled_from(TAGS)), grants=tuple(grants))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Some of the people and keys there may be."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=3, unique=True))
    arns = draw(st.lists(st.sampled_from(ARNS), min_size=3, unique=True))
    own = organization(members={AccountId(a): (ROOT, OU) for a in (OWNER, MEMBER, UNREAD)})
    drawn = world(
        own, *(people(draw, n) for n in sorted(names)), *(a_key(draw, a) for a in sorted(arns)),
        account(MANAGER), account(BESIDE), account(UNREAD, collected=False, iam_complete=False, gap=NOT_ENTERED.ref),
    )  # fmt: skip
    return replace(drawn, coverage=draw(st.sampled_from(LEDGERS)))


# -- what changes from one run to the next ----------------------------------------------------------------------------


def of_somebody(draw: Draw, before: World) -> World:
    arn = draw(st.sampled_from(NAMES))
    rest = {a: p for a, p in before.principals.items() if a != arn}
    return replace(before, principals=rest if draw(st.booleans()) else rest | {arn: people(draw, arn)})


def of_one_document(draw: Draw, before: World) -> World:
    arn = draw(st.sampled_from(sorted(before.principals)))
    facts = before.principals[arn]
    new = text(draw(st.sampled_from((*DOCUMENTS, *ASIDE))), DocumentKind.IDENTITY, arn, "inline policy 0")
    changed = draw(st.sampled_from((
        replace(facts, identity_policies=(new, *facts.identity_policies[1:])), replace(facts, boundary=new),
        replace(facts, tags={"team": "blue"}), replace(facts, complete=False), replace(facts, unique_id=ROLE_ID),
    )))  # fmt: skip
    return replace(before, principals={**before.principals, arn: changed})


def of_a_key(draw: Draw, before: World) -> World:
    arn = draw(st.sampled_from(ARNS))
    rest = {a: k for a, k in before.keys.items() if a != arn}
    return replace(before, keys=rest if draw(st.booleans()) and rest else rest | {arn: a_key(draw, arn)})


def of_tags_of_a_key(draw: Draw, before: World) -> World:
    arn = draw(st.sampled_from(sorted(before.keys)))
    changed = replace(before.keys[arn], **draw(st.sampled_from((
        {"tags": draw(st.sampled_from(TAGS))}, {"aliases": ("alias/app",)}, {"state": "Disabled"}, {"grants": ()},
        {"last_used": "2026-11-29"}, {"description": "of the app"},
        {"gaps": {"grants": NO_GRANTS.ref}},
    ))))  # fmt: skip
    return replace(before, keys={**before.keys, arn: changed})


def of_an_account(draw: Draw, before: World) -> World:
    name = AccountId(draw(st.sampled_from((OWNER, MEMBER, BESIDE, UNREAD))))
    fact = draw(st.sampled_from((
        {"status": "SUSPENDED"}, {"name": "Renamed"}, {"collected": False, "iam_complete": False},
        {"ours": False}, {"iam_complete": True, "collected": True},
    )))  # fmt: skip
    return replace(before, accounts={**before.accounts, name: replace(before.accounts[name], **fact)})


def of_the_organization(draw: Draw, before: World) -> World:
    (own,) = before.organizations
    target, guard = draw(st.sampled_from((ROOT, OU, MEMBER, OWNER))), draw(st.sampled_from(GUARDRAILS))
    kind = draw(st.sampled_from((DocumentKind.SCP, DocumentKind.RCP)))
    held = {target: (text(guard, kind, "p-1", "guard"),)}
    others = {a: path for a, path in own.members.items() if a != MEMBER}
    changed = draw(st.sampled_from((
        replace(own, scps=held) if kind is DocumentKind.SCP else replace(own, rcps=held),
        replace(own, members={**others, AccountId(MEMBER): (ROOT,)}), replace(own, members=others),
        replace(own, scps=None),
    )))  # fmt: skip
    return replace(before, organizations=(changed,))


def of_the_rest(draw: Draw, before: World) -> World:
    row = LedgerRow(STRANGER, "eu-west-1", "kms:ListKeys", "", Outcome.DENIED)
    return replace(before, **draw(st.sampled_from((
        {"as_of": SOON}, {"as_of": LATER}, {"as_of": MUCH_LATER}, {"coverage": (row,)}, {"credit_scp": False},
        {"asserted": {"aws:principaltag/team": ("red",)}}, {"coverage": draw(st.sampled_from(LEDGERS))},
    ))))  # fmt: skip


def of_the_day(draw: Draw, before: World) -> World:
    """What every run finds otherwise: the time, and when keys were used."""
    used = {arn: replace(key, last_used="2026-11-28") for arn, key in before.keys.items()}
    return replace(before, as_of=draw(st.sampled_from((SOON, LATER))), keys=used)


NEARBY = (of_somebody, of_one_document, of_a_key, of_tags_of_a_key)
CHANGES = (*NEARBY, *NEARBY, *NEARBY, of_the_day, of_an_account, of_the_organization, of_the_rest)
"""What leaves most of the keys as they were comes more often."""


@st.composite
def changes(draw: st.DrawFn) -> tuple[World, World]:
    """A world, and what it has become."""
    before = draw(worlds())
    after = before
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=2)):
        after = change(draw, after)
    return before, after


@st.composite
def lookalikes(draw: st.DrawFn) -> tuple[World, World]:
    """A world with policies about other services, and the same with other ones in their places."""

    def beside(facts: PrincipalFacts, said: object) -> PrincipalFacts:
        more = text(said, DocumentKind.IDENTITY, facts.arn, "inline policy 9")
        return replace(facts, identity_policies=(*facts.identity_policies, more))

    given = draw(worlds())
    known, other = dict(given.principals), dict(given.principals)
    for arn in draw(st.lists(st.sampled_from(sorted(known)), min_size=1, unique=True)):
        one, another = draw(st.permutations(ASIDE[:3]))[:2]
        known[arn], other[arn] = beside(known[arn], one), beside(other[arn], another)
    used = {arn: replace(k, last_used="2026-11-29", description="x", created="y") for arn, k in given.keys.items()}
    return replace(given, principals=known), replace(given, principals=other, keys=used)


# -- what holds -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Everything:
    """All that an analysis gives and leaves to the next; `taken` counts what it did not do."""

    result: AnalysisResult
    keys: tuple[KeyRow, ...]
    access: tuple[AccessRow, ...]
    verdicts: tuple[KeyVerdicts, ...]
    taken: TakenOver


def everything(given_world: World, before: Everything | None = None, **rules: Any) -> Everything:
    keys: list[KeyRow] = []
    access: list[AccessRow] = []
    kept: list[KeyVerdicts] = []
    trials = before.result.trials if before else Trials()
    with found_again(before.verdicts if before else ()) as known:
        result = analyze(
            given_world, replace(RULES, **rules), write_key=keys.append, write_access=access.append, known=trials,
            verdicts=Verdicts(known, lambda found, _: kept.append(found)),
        )  # fmt: skip
    plain = replace(result, taken_over=TakenOver())
    return Everything(plain, tuple(keys), tuple(access), tuple(kept), result.taken_over)


def test_run_that_takes_over_what_did_not_change_equals_a_full_run() -> None:
    counted: Counter[str] = Counter()

    @budget
    @given(changes(), st.booleans())
    def holds(given_worlds: tuple[World, World], insiders: bool) -> None:
        before, after = given_worlds
        full = everything(after, insiders=insiders)
        spared = everything(after, everything(before, insiders=insiders), insiders=insiders)
        assert replace(spared, taken=full.taken) == full
        counted.update(
            runs=1, keys=full.taken.keys, keys_anew=spared.taken.keys_anew, trials=full.taken.trials,
            trials_anew=spared.taken.trials_anew, some=spared.taken.keys_anew < full.taken.keys,
            some_trials=spared.taken.trials_anew < full.taken.trials, judged=full.taken.judged,
            judged_anew=spared.taken.judged_anew, some_judged=spared.taken.judged_anew < full.taken.judged,
        )  # fmt: skip
        for told in full.verdicts:
            counted.update(
                uses=len(told.uses), insiders=len(told.insiders), documents=len(told.documents),
                unread=len(told.inputs.unread), rows=len(told.rows),
            )  # fmt: skip

    holds()
    assert counted["some"] > counted["runs"] / 3
    assert counted["some_trials"] > counted["runs"] / 20
    assert 0 < counted["keys_anew"] < counted["keys"] * 3 / 4
    assert 0 < counted["trials_anew"] < counted["trials"]
    assert counted["some_judged"] > counted["runs"] / 2
    assert 0 < counted["judged_anew"] < counted["judged"] * 2 / 3
    assert min(counted[what] for what in ("uses", "insiders", "documents", "unread", "rows")) > 50


def test_everything_is_taken_over_whatever_policies_say_that_stand_aside() -> None:
    counted: Counter[str] = Counter()

    @budget
    @given(lookalikes())
    def holds(given_worlds: tuple[World, World]) -> None:
        one, other = map(everything, given_worlds)
        assert one.result.trials == other.result.trials
        assert [v.inputs for v in one.verdicts] == [v.inputs for v in other.verdicts]
        again = everything(given_worlds[1], one)
        assert replace(again, taken=other.taken) == other
        assert (again.taken.keys_anew, again.taken.trials_anew, again.taken.judged_anew) == (0, 0, 0)
        counted.update(keys=other.taken.keys, trials=other.taken.trials)

    holds()
    assert counted["keys"] > 50
    assert counted["trials"] > 20


def far_away(before: World, key_arn: str, looked_at: tuple[str, ...]) -> World:
    """The world without everything that the trials at a key say they did not look at."""
    facts = before.keys[key_arn]  # type: ignore[index]
    near = {facts.account_id, *looked_at}
    family = {a: k for a, k in before.keys.items() if a == key_arn or (k.family and k.family == facts.family)}
    kept: Mapping[str, PrincipalFacts] = {
        arn: p for arn, p in before.principals.items() if EVERYWHERE in near or p.account_id in near
    }
    return replace(before, keys=family, principals=kept, coverage=(), shared_keys={})


def test_trials_at_a_key_need_nothing_but_what_they_say_they_looked_at() -> None:
    counted: Counter[str] = Counter()

    @budget
    @given(worlds())
    def holds(given_world: World) -> None:
        bench = bench_of(given_world)
        for facts in bench.judged:
            ((judged,), found) = list(bench.judge_keys([facts], unwanted, {})), untried(bench, facts)
            if judged.trials is None:
                continue
            alone = bench_of(far_away(given_world, facts.arn, judged.trials.looked_at))
            again = alone.with_remedies(facts, found, None)
            assert again.trials == judged.trials
            counted.update(keys=1, less=len(alone.world.principals) < len(given_world.principals))

    holds()
    assert counted["less"] > counted["keys"] / 3


def bench_of(given_world: World) -> Bench:
    return Bench.of(remembering(given_world, RULES), RULES)


def untried(bench: Bench, facts: KeyFacts) -> Any:
    (judged,) = replace(bench, rules=replace(bench.rules, remedies=False)).judge_keys([facts], unwanted, {})
    return judged.findings


def test_judging_a_key_needs_nothing_but_what_it_says_it_looked_at() -> None:
    counted: Counter[str] = Counter()

    @budget
    @given(worlds())
    def holds(given_world: World) -> None:
        bench = bench_of(given_world)
        for facts in bench.judged:
            (judged,) = bench.judge_keys([facts], unwanted, {}, rows=True)
            assert judged.found is not None
            told = set(judged.found.unread)
            rows = tuple(row for row in given_world.coverage if told & {row.ref, row.account_id})
            alone = bench_of(replace(far_away(given_world, facts.arn, judged.found.looked_at), coverage=rows))
            (again,) = alone.judge_keys([alone.world.keys[facts.arn]], unwanted, {}, rows=True)
            assert again.found is not None
            assert alone.kept(facts, again.found) == bench.kept(facts, judged.found)
            counted.update(
                keys=1, less=len(alone.world.principals) < len(given_world.principals), rows=len(rows),
                fewer=len(rows) < len(given_world.coverage),
            )  # fmt: skip

    holds()
    assert counted["less"] > counted["keys"] / 3
    assert min(counted["rows"], counted["fewer"]) > 10
