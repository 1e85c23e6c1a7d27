"""On random worlds: a verified edit of a key, grant or identity policy, judged from scratch, ends its finding alone."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from scanner.analyze.decision.decide import decide
from scanner.analyze.edits.textedit import as_cli_prints, readable
from scanner.analyze.history.sameness import reads_the_same
from scanner.analyze.principals.reach import Population
from scanner.analyze.request.request import Request
from scanner.model.actions import KEY_ACTIONS
from scanner.model.finding import Finding, Kind
from scanner.model.outcomes import Trials
from scanner.model.policy import PolicyText
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

from builders import KEY, MEMBER, ORG, OWNER, STRANGER, allow, analyzed, deny, grant, iam, key, policy, principal, world
from patches import patched

budget = settings(
    max_examples=40,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
KINDS = {Kind.KEY_HYGIENE, Kind.FOREIGN_KEY_USE, Kind.BROAD_KEY_PERMISSION, Kind.ATTRIBUTE_CONTROL}
NUMBERED = {Kind.BROAD_KEY_PERMISSION, Kind.INEFFECTIVE_PERMISSION}
"""Kinds whose ids hold the index of a statement, which changes where one before it goes."""
OTHER = KEY.replace("1234abcd", "4321dcba")
THEIRS = KEY.replace(OWNER, MEMBER)
STRANGE = KEY.replace(OWNER, STRANGER)
OWNED, ALPHA = f"arn:aws:kms:*:{OWNER}:key/*", {"StringEquals": {"aws:ResourceTag/Project": "Alpha"}}
ANYBODY = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
STATEMENTS = (
    allow(None, "kms:Decrypt", "kms:Encrypt"), allow(None, "kms:*"), allow(None, "kms:Decrypt", "s3:GetObject"),
    allow(None, "kms:Decrypt", Resource=[OWNED, STRANGE]), allow(None, "kms:Encrypt", Resource=STRANGE),
    allow(None, "kms:Decrypt", Resource=f"arn:aws:kms:*:{STRANGER}:key/*"), allow(None, "*"),
    allow(None, "kms:Decrypt", Resource=[OWNED, THEIRS]),
    allow(None, "kms:Decrypt", when={"StringEquals": {"aws:ResourceAccount": [OWNER, STRANGER]}}),
    allow(None, "kms:TagResource", "kms:UntagResource", Resource=OWNED), allow(None, "kms:Decrypt", when=ALPHA),
    allow(None, "kms:CreateAlias", "kms:DeleteAlias", "kms:Decrypt", Resource=[OWNED, "arn:aws:kms:*:*:alias/*"]),
    allow(None, "kms:Decrypt", when={"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/app-*"}}),
    allow(None, NotAction="s3:*"), deny(None, "kms:Decrypt", when=ALPHA), deny(None, "kms:Encrypt"),
)  # fmt: skip
documents = st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=3).map(lambda found: policy(*found))
ROOTS = tuple(allow(iam(account, "root"), "kms:*") for account in (OWNER, MEMBER))
KEY_STATEMENTS = (
    allow("*", "kms:Decrypt", when=ANYBODY), allow(iam(STRANGER, "root"), "kms:CreateGrant", "kms:DescribeKey"),
    allow(iam(STRANGER, "role/X"), "kms:CreateGrant"), allow(iam(STRANGER, "root"), "kms:*"),
    allow(iam(MEMBER, "root"), "kms:Decrypt"), allow([iam(OWNER, "role/A"), "*"], "kms:Decrypt", when=ANYBODY),
    allow("*", "kms:Decrypt", when={"StringEquals": {"aws:PrincipalOrgID": ORG}}),
)  # fmt: skip
GRANTS = (
    grant(iam(OWNER, "role/Gone"), "Decrypt", grant_id="g-1"), grant(iam(OWNER, "role/A"), "Encrypt", grant_id="g-2"),
    grant(iam(MEMBER, "role/Gone"), "Decrypt", grant_id="g-3", retiring_principal=iam(STRANGER, "role/X")),
    grant(iam(MEMBER, "role/A"), "Decrypt", "RetireGrant", grant_id="g-4"),
)  # fmt: skip


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Roles of two accounts with rich policies, one of them in a state of its own, and three keys."""
    roles = [
        principal(iam(account, f"role/{name}"), *draw(st.lists(documents, min_size=1, max_size=2)))
        for account, name in draw(st.sets(st.sampled_from([(OWNER, "A"), (OWNER, "B"), (MEMBER, "A")]), min_size=1))
    ]
    more = st.lists(st.sampled_from(KEY_STATEMENTS), max_size=2)
    tags = st.sampled_from(({}, {"Project": "Alpha"}, {"Project": "Beta"}))
    grants = st.lists(st.sampled_from(GRANTS), max_size=3, unique=True)
    keys = [
        key(ROOTS[arn == THEIRS], *draw(more), arn=arn, tags=draw(tags), grants=tuple(draw(grants)))
        for arn in (KEY, OTHER, THEIRS)
    ]
    keys[0] = replace(keys[0], aliases=draw(st.sampled_from(((), ("alias/app-1",)))))
    return world(*roles, *keys)


def with_edit(before: World, finding: Finding) -> World:
    """The world with the printed patch or commands applied as a person would."""
    remedy = finding.remediation
    grants = set(re.findall(r"(?:revoke|retire)-grant .* --grant-id (\S+)", remedy.cli))
    if grants:
        held = before.keys[next(arn for arn in before.keys if f"--key-id {arn}\n" in remedy.cli)]
        kept = tuple(g for g in held.grants or () if g.grant_id not in grants)
        return replace(before, keys={**before.keys, held.arn: replace(held, grants=kept)})
    accounts = set(re.findall(r"--output text\)\" = (\d+)$", remedy.cli, re.MULTILINE))
    places = set(re.findall(r"^\(set -eux -- --role-name (\S+) --policy-name (\d)$", remedy.cli, re.MULTILINE))

    def is_meant(facts: PrincipalFacts, held: PolicyText) -> bool:
        return facts.account_id in accounts and (facts.arn.split("/")[-1], held.name.split()[-1]) in places

    if not remedy.diff:
        return _rewritten(before, lambda facts, held: None if is_meant(facts, held) else held.text)
    source = remedy.diff.split("\n", 1)[0].rsplit(" ", 1)[-1]
    held = next((k for arn, k in before.keys.items() if arn == source), None)
    if held is not None:
        assert held.key_policy is not None
        new = replace(held.key_policy, text=patched(readable(held.key_policy.text), remedy.diff), sha256="new")
        return replace(before, keys={**before.keys, held.arn: replace(held, key_policy=new)})
    return _rewritten(
        before,
        lambda facts, held: patched(as_cli_prints(held.text), remedy.diff) if is_meant(facts, held) else held.text,
    )


def _rewritten(before: World, text_of: Any) -> World:
    def put(facts: PrincipalFacts) -> PrincipalFacts:
        policies: list[PolicyText] = []
        for held in facts.identity_policies:
            new = text_of(facts, held)
            if new is not None:
                policies.append(held if new == held.text else replace(held, text=new, sha256=f"{hash(new)}"))
        return replace(facts, identity_policies=tuple(policies))

    return replace(before, principals={arn: put(f) for arn, f in before.principals.items()})


def insiders(given_world: World, meant: set[str]) -> list[object]:
    """What everybody in the account of each key gets, but for what the edit is meant to take."""
    found: list[object] = []
    population = Population(given_world)
    for arn, facts in sorted(given_world.keys.items()):
        for caller in population.identities_of(facts.account_id, "aws"):
            for action in KEY_ACTIONS:
                if action.iam_name not in meant:
                    asked = Request(caller, action.iam_name, arn, action=action, key=facts)
                    decision = decide(given_world, asked, trace=False)
                    found.append((arn, caller.text, action.name, decision.verdict, decision.condition))
    return found


@budget
@given(worlds())
def test_verified_edit_ends_its_finding_and_nothing_else(before: World) -> None:
    told = {f.id: f for f in analyzed(before, service_principals="all", remedies=True).result.findings}
    for finding in told.values():
        if finding.kind not in KINDS or not finding.remediation.verified:
            continue
        after = with_edit(before, finding)
        left = {f.id: f for f in analyzed(after, service_principals="all").result.findings}
        moved = [f.title for i, f in left.items() if i not in told and f.kind in NUMBERED]
        gone = [f.title for i, f in told.items() if i not in left]
        assert sorted(gone) == sorted([finding.title, *moved])
        assert all(i in told or f.kind in NUMBERED for i, f in left.items())
        assert all(reads_the_same(told[i], now) for i, now in left.items() if i in told)
        meant = {"kms:RetireGrant", *re.findall(r"`(kms:\w+)`", finding.remediation.effect)}
        assert insiders(before, meant) == insiders(after, meant)


@budget
@given(worlds())
def test_every_finding_has_an_edit_or_a_sentence_why_not(before: World) -> None:
    for finding in analyzed(before, service_principals="all", remedies=True).result.findings:
        remedy = finding.remediation
        assert remedy.effect
        assert remedy.verified is False or remedy.diff or remedy.cli


@budget
@given(worlds())
def test_what_an_edit_cannot_touch_is_as_if_it_had_been_judged_again(before: World) -> None:
    short, long = (analyzed(before, service_principals="all", remedies=True, remember=r).result for r in (True, False))
    assert replace(short, trials=Trials()) == replace(long, trials=Trials())
    told = [(list(r.trials.keys), list(r.trials.world.values())) for r in (short, long)]  # hashes hold the rules
    assert told[0] == told[1]
