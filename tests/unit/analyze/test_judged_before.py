"""Keys that an earlier run judged: which are judged again, and that all else is as if they had been."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from scanner.analyze import findings, parts
from scanner.analyze.findings import AnalysisResult, Verdicts, analyze
from scanner.analyze.parts import AnalysisRules, unwanted
from scanner.model.arn import KeyArn
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.finding import AccessRow, Finding, FindingVerdict, KeyRow, Kind
from scanner.model.key import KeyFacts
from scanner.model.outcomes import TakenOver
from scanner.model.policy import DocumentKind
from scanner.model.verdicts import KeptUse, KeyPaths, KeyVerdicts, KnownVerdicts, NamingUses
from scanner.model.world import World

from builders import (
    FULL,
    KEY,
    MEMBER,
    OWNER,
    STRANGER,
    account,
    allow,
    grant,
    iam,
    key,
    line_of,
    organization,
    policy,
    principal,
    text,
    world,
)

OWN = allow(iam(OWNER, "root"), "kms:*", Sid="Own")
ADMIN, FAR, ANN = iam(OWNER, "role/Admin"), iam("222222222222", "role/Far"), iam(MEMBER, "user/Ann")
APP, GONE, NEVER = (iam(MEMBER, f"role/{name}") for name in ("App", "Gone", "Never"))
OTHER, THIRD, OF_AWS = (KEY.replace("1234abcd", number) for number in ("4321dcba", "5555dcba", "6666dcba"))
UNREAD = "333333333333"
LATER = "2026-12-01T00:00:00+00:00"
TODAY = {"DateLessThan": {"aws:CurrentTime": "2099-12-01T00:00:00Z"}}
TOMORROW = {"DateGreaterThan": {"aws:CurrentTime": "2026-12-01T00:00:00Z"}}
NOT_ENTERED = LedgerRow(UNREAD, "global", "sts:AssumeRole", "", Outcome.DENIED)
NOT_DESCRIBED = LedgerRow(OWNER, "eu-west-1", "kms:DescribeKey", "x", Outcome.DENIED)

BASE = replace(
    world(
        key(OWN, allow(STRANGER)), key(OWN, allow(APP), arn=OTHER, gaps={"describe": NOT_DESCRIBED.ref}),
        key(OWN, allow(NEVER), arn=THIRD, grants=(grant(GONE), grant(APP, grant_id="g-2"))),
        key(OWN, arn=OF_AWS, manager="AWS"),
        principal(ADMIN, FULL), principal(APP, FULL), principal(FAR, FULL), account("222222222222"),
        account(UNREAD, collected=False, iam_complete=False, gap=NOT_ENTERED.ref),
    ),
    coverage=(NOT_DESCRIBED, NOT_ENTERED),
)  # fmt: skip


@dataclass(frozen=True)
class Everything:
    """All that an analysis gives and leaves; `judged` counts the keys and those that were judged now."""

    result: AnalysisResult
    keys: tuple[KeyRow, ...]
    access: tuple[AccessRow, ...]
    left: dict[str, KeyVerdicts]
    judged: tuple[int, int]


def known_of(left: dict[str, KeyVerdicts]) -> KnownVerdicts:
    return KnownVerdicts({arn: v.inputs for arn, v in left.items()}, left.get)


def uses_in(told: Iterable[NamingUses]) -> list[KeptUse]:
    return [use for naming in told for share in naming.shares for use in share.uses]


def everything(given: World, left: dict[str, KeyVerdicts] | None = None, **rules: Any) -> Everything:
    keys: list[KeyRow] = []
    access: list[AccessRow] = []
    kept: dict[str, KeyVerdicts] = {}

    def keep(verdicts: KeyVerdicts, _: KeyPaths) -> None:
        kept[verdicts.key] = verdicts

    result = analyze(
        given, AnalysisRules(remedies=False, insiders=True, managers=("customer", "aws"), **rules),
        write_key=keys.append, write_access=access.append, verdicts=Verdicts(known_of(left or {}), keep),
    )  # fmt: skip
    taken = result.taken_over
    return Everything(
        replace(result, taken_over=TakenOver()), tuple(keys), tuple(access), kept, (taken.judged, taken.judged_anew)
    )


FIRST = everything(BASE)


def assert_judged_again(after: World, *arns: str) -> None:
    """Only these keys are judged again, and everything is as if all had been."""
    full = everything(after)
    spared = everything(after, FIRST.left)
    assert spared.judged == (full.judged[0], len(arns))
    assert replace(spared, judged=full.judged) == full
    assert {arn for arn, told in spared.left.items() if told is not FIRST.left.get(arn)} == set(arns)


def with_key(arn: str, **facts: Any) -> World:
    return replace(BASE, keys={**BASE.keys, KeyArn(arn): replace(BASE.keys[KeyArn(arn)], **facts)})


def with_principal(arn: str, **facts: Any) -> World:
    return replace(BASE, principals={**BASE.principals, arn: replace(BASE.principals[arn], **facts)})


def test_first_run_judges_every_key_that_can_be_shared() -> None:
    assert FIRST.judged == (3, 3)
    assert sorted(FIRST.left) == sorted((KEY, OTHER, THIRD))
    kinds = {f.kind for f in FIRST.result.findings}
    assert kinds >= {Kind.EXTERNAL_ACCESS, Kind.KEY_HYGIENE, Kind.FOREIGN_KEY_USE, Kind.BROAD_KEY_PERMISSION}
    told = FIRST.left.values()
    assert all(any(made) for made in zip(*((v.rows, v.insiders, v.documents, v.uses) for v in told), strict=True))


def test_each_key_leaves_what_is_its_own() -> None:
    grants = ((grant(GONE),), (grant(APP, grant_id="g-2"),))
    keys = (key(OWN, arn=arn, grants=held) for arn, held in zip((KEY, OTHER), grants, strict=True))
    left = everything(world(*keys, principal(ADMIN, FULL), principal(APP, FULL))).left
    cited = {
        arn: {e.sha256 for f in told.findings for e in f.evidence if e.kind == "grant"} for arn, told in left.items()
    }
    assert {arn: set(told.documents) for arn, told in left.items()} == cited
    assert [len(told.uses) for told in left.values()] == [0, 1]


def test_no_key_is_judged_where_nothing_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> Any:
        raise AssertionError

    monkeypatch.setattr(parts, "key_findings", never)
    monkeypatch.setattr(parts, "insider_rows", never)
    again = everything(BASE, FIRST.left)
    assert again == replace(FIRST, judged=(3, 0))


def test_another_day_and_last_use_are_shown_and_nothing_is_judged_for_them() -> None:
    shown = {"last_used": "2026-11-29", "description": "of the app", "created": "2020-01-01"}
    after = replace(with_key(KEY, **shown), as_of=LATER)
    assert_judged_again(after)
    finding = finding_at(everything(after, FIRST.left), KEY)
    assert finding.key is not None
    assert (finding.first_seen, finding.last_seen) == (LATER, LATER)
    assert {name: getattr(finding.key, name) for name in shown} == shown


def test_key_that_changed_is_judged_and_no_other() -> None:
    assert_judged_again(with_key(KEY, tags={"a": "b"}), KEY)
    assert_judged_again(with_key(THIRD, aliases=("alias/app",)), THIRD)
    assert_judged_again(with_key(OTHER, state="Disabled"), OTHER)
    new = key(OWN, allow(APP), arn=KEY.replace("1234abcd", "9999dcba"))
    assert_judged_again(replace(BASE, keys={**BASE.keys, new.arn: new}), new.arn)
    gone = {arn: facts for arn, facts in BASE.keys.items() if arn != OTHER}
    assert_judged_again(replace(BASE, keys=gone))


def test_principal_counts_where_a_key_was_judged_for_its_account() -> None:
    assert_judged_again(with_principal(APP, tags={"a": "b"}), OTHER, THIRD)
    assert_judged_again(with_principal(FAR, tags={"a": "b"}))
    assert_judged_again(with_principal(ADMIN, tags={"a": "b"}), KEY, OTHER, THIRD)
    reads = text(policy(allow(None, "s3:GetObject")), DocumentKind.IDENTITY, FAR, "reads")
    assert_judged_again(with_principal(FAR, identity_policies=(*BASE.principals[FAR].identity_policies, reads)))


def test_accounts_count_for_every_key() -> None:
    accounts = {a: replace(facts, name="Renamed") if a == MEMBER else facts for a, facts in BASE.accounts.items()}
    assert_judged_again(replace(BASE, accounts=accounts), KEY, OTHER, THIRD)


def test_row_of_the_ledger_counts_for_the_keys_whose_findings_would_cite_it() -> None:
    assert_judged_again(replace(BASE, coverage=(NOT_ENTERED,)), OTHER)
    somewhere = LedgerRow("222222222222", "eu-west-1", "kms:ListKeys", "", Outcome.DENIED)
    assert_judged_again(replace(BASE, coverage=(*BASE.coverage, somewhere)))
    strangers = LedgerRow(MEMBER, "global", "iam:GetAccountAuthorizationDetails", "", Outcome.DENIED)
    assert_judged_again(replace(BASE, coverage=(*BASE.coverage, strangers)), THIRD)


def test_row_of_the_ledger_that_appears_is_cited() -> None:
    without = replace(BASE, coverage=())
    before = everything(without)
    assert finding_at(before, OTHER).coverage_refs == ()
    after = everything(BASE, before.left)
    assert finding_at(after, OTHER).coverage_refs == (NOT_DESCRIBED.ref,)


def test_key_that_tests_the_date_is_judged_on_every_day() -> None:
    dated = replace(BASE, keys={**BASE.keys, KeyArn(KEY): key(OWN, allow(STRANGER, when=TOMORROW))})
    before = everything(dated)
    assert finding_at(before, KEY).verdict is FindingVerdict.BLOCKED
    after = everything(replace(dated, as_of="2026-12-24T00:00:00+00:00"), before.left)
    assert after.judged == (3, 1)
    assert finding_at(after, KEY).verdict is not FindingVerdict.BLOCKED


@pytest.mark.parametrize("rules", [{"service_principals": "all"}, {"by_class": False}, {"max_role_hops": 2}])
def test_every_key_is_judged_by_other_rules(rules: dict[str, Any]) -> None:
    assert everything(BASE, FIRST.left, **rules).judged == (3, 3)


def finding_at(found: Everything, arn: str, kind: Kind = Kind.EXTERNAL_ACCESS) -> Finding:
    return next(f for f in found.result.findings if f.kind is kind and f.resource.arn == arn)


# -- what was taken over is what shows -------------------------------------------------------------------------------


def lying(arn: str, **facts: Any) -> Everything:
    return everything(BASE, {**FIRST.left, arn: replace(FIRST.left[arn], **facts)})


def test_taken_over_findings_are_those_of_the_run() -> None:
    (told, *more) = FIRST.left[KEY].findings
    found = lying(KEY, findings=(replace(told, title="Something"), *more))
    assert finding_at(found, KEY).title == "Something"
    assert found.judged == (3, 0)


def test_taken_over_rows_are_those_of_the_run() -> None:
    row, inside = FIRST.left[KEY].rows[0], FIRST.left[KEY].insiders[0]
    found = lying(KEY, rows=(_because(row, "else"),), insiders=(_because(inside, "other"),))
    told = [line_of(row) for row in found.access]
    assert [line.reason for line in told if line.key_arn == KEY and line.path == "direct"] == ["else", "other"]


def _because(row: AccessRow, reason: str) -> AccessRow:
    return row._replace(access=row.access._replace(reason=reason))


def test_taken_over_documents_are_those_of_the_run() -> None:
    (sha256, *_) = FIRST.left[THIRD].documents
    assert lying(THIRD, documents={sha256: "a grant"}).result.documents[sha256] == "a grant"


def test_taken_over_uses_are_what_findings_about_identity_policies_rest_on() -> None:
    uses = FIRST.left[THIRD].uses
    assert {"g-2"} == {grant for use in uses_in(uses) if use.sources for grant in use.sources.grants or ()}
    found = lying(THIRD, uses=())
    theirs = [f for f in FIRST.result.findings if f.kind is Kind.FOREIGN_KEY_USE and f.resource.arn == THIRD]
    assert theirs
    assert not any(f.id == theirs[0].id for f in found.result.findings)


def test_use_for_which_no_policy_was_looked_at_and_one_that_was_not_read_are_taken_over() -> None:
    gap = {"grants": f"{OWNER}/eu-west-1/kms:ListGrants/x"}
    odd = allow(APP, when={"StringEquals": {"aws:Unheard": "x"}})
    given = world(key(OWN, allow(ANN), odd, gaps=gap), principal(ADMIN, FULL), principal(APP, FULL), principal(ANN))
    full = everything(given)
    uses = full.left[KEY].uses
    assert {use.sources is None for use in uses_in(uses)} == {True, False}
    assert FindingVerdict.POSSIBLE in {use.verdict for use in uses_in(uses)}
    assert everything(given, full.left) == replace(full, judged=(1, 0))


NAMES = [iam(MEMBER, f"role/{name}") for name in "ABCD"]
ALIKE = world(
    key(
        OWN, allow(MEMBER, "kms:Decrypt", "kms:Encrypt"), allow(iam(STRANGER, "role/Far")),
        allow(NAMES[3], when=TOMORROW),
    ),
    key(OWN, allow(MEMBER, "kms:Decrypt", "kms:Encrypt"), arn=OTHER), principal(ADMIN, FULL),
    principal(NAMES[1], FULL), principal(NAMES[0], FULL),
    principal(NAMES[2], policy(allow(None, "kms:Decrypt", Resource=[KEY, OTHER]))),
    principal(NAMES[3], policy(allow(None, "kms:Decrypt", "kms:Encrypt", Resource="*", when=TODAY))),
)  # fmt: skip


def test_who_can_do_the_same_is_told_at_once_and_who_is_no_principal_of_ours_not_at_all() -> None:
    left = everything(ALIKE).left
    (naming,) = left[OTHER].uses
    assert [share.callers for share in naming.shares] == [(NAMES[0], NAMES[1], NAMES[3]), (NAMES[2],)]
    shares = [share.callers for naming in left[KEY].uses for share in naming.shares]
    assert shares == [(NAMES[3],), (NAMES[0], NAMES[1], NAMES[3]), (NAMES[2],)]


@pytest.mark.parametrize("rules", [{}, {"by_class": False}, {"by_class": False, "remember": False}])
def test_uses_are_taken_over_whoever_is_judged_together(rules: dict[str, bool]) -> None:
    full = everything(ALIKE, **rules)
    assert {f.kind for f in full.result.findings} >= {Kind.FOREIGN_KEY_USE, Kind.BROAD_KEY_PERMISSION}
    assert everything(ALIKE, full.left, **rules) == replace(full, judged=(2, 0))
    assert [told.uses for told in full.left.values()] == [told.uses for told in everything(ALIKE).left.values()]


NOT_LISTED = LedgerRow(OWNER, "global", "organizations:ListPolicies", "", Outcome.DENIED)
HALF_READ = LedgerRow(MEMBER, "global", "iam:GetRolePolicy", "Bob", Outcome.DENIED)
FENCE = {"EncryptionContextSubset": {"team": "red"}}
ON_KEY = policy(allow(None, "kms:Decrypt", Resource=KEY))
RESTS_ON: dict[str, tuple[Kind, World]] = {
    "rows that a use by a wildcard hangs on": (Kind.BROAD_KEY_PERMISSION, world(
        replace(organization(), rcps=None, rcp_gap=NOT_LISTED.ref), key(OWN, allow(APP)), principal(ADMIN, FULL),
        principal(APP, policy(allow(None, "kms:Decrypt", Resource="*"))),
    )),
    "rows that the use of another one of the class hangs on": (Kind.FOREIGN_KEY_USE, world(
        key(OWN, allow(APP), allow(GONE)), principal(ADMIN, FULL), principal(APP, ON_KEY),
        principal(GONE, ON_KEY, complete=False, gap=HALF_READ.ref),
    )),
    "which of two documents gives a use": (Kind.FOREIGN_KEY_USE, world(
        key(OWN, allow(APP), grants=(grant(APP, constraints=FENCE),)), principal(ADMIN, FULL), principal(APP, ON_KEY),
    )),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "given"), RESTS_ON.values(), ids=RESTS_ON)
def test_findings_about_identity_policies_rest_on_uses_taken_over_as_on_others(kind: Kind, given: World) -> None:
    given = replace(given, coverage=(HALF_READ, NOT_LISTED))
    full = everything(given)
    (finding,) = (f for f in full.result.findings if f.kind is kind and f.grantee.account_id == MEMBER)
    assert finding.coverage_refs or finding.path.layers
    assert everything(given, full.left) == replace(full, judged=(1, 0))


# -- what cannot be taken over ---------------------------------------------------------------------------------------


def with_callers(told: KeyVerdicts, caller: str) -> KeyVerdicts:
    uses = tuple(replace(n, shares=tuple(replace(s, callers=(caller,)) for s in n.shares)) for n in told.uses)
    return replace(told, uses=uses)


def test_judgement_that_names_somebody_who_cannot_call_is_made_again() -> None:
    harmed = {**FIRST.left, THIRD: with_callers(FIRST.left[THIRD], "arn:aws:s3:::bucket/x")}
    assert everything(BASE, harmed) == replace(FIRST, judged=(3, 1))


def test_judgement_that_cannot_be_read_is_made_again() -> None:
    known = replace(known_of(FIRST.left), load=lambda arn: None if arn == KEY else FIRST.left[arn])
    result = analyze(
        BASE, AnalysisRules(remedies=False, insiders=True, managers=("customer", "aws")), write_key=unwanted,
        write_access=unwanted, verdicts=Verdicts(known),
    )  # fmt: skip
    assert (result.taken_over.judged, result.taken_over.judged_anew) == (3, 1)
    assert replace(result, taken_over=TakenOver()) == FIRST.result
    assert KnownVerdicts().load(KEY) is None


def test_judgement_of_other_inputs_is_left_alone() -> None:
    told = FIRST.left[KEY]
    lies = replace(told, findings=(), inputs=replace(told.inputs, sha256="0" * 64))
    assert everything(BASE, {**FIRST.left, KEY: lies}) == replace(FIRST, judged=(3, 1))


# -- who wants what --------------------------------------------------------------------------------------------------


def test_nothing_is_hashed_where_nobody_keeps_judgements(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[KeyFacts] = []
    plain: Callable[..., str] = parts.Bench._inputs_of

    def inputs_of(bench: parts.Bench, facts: KeyFacts, *more: Any) -> str:
        hashed.append(facts)
        return plain(bench, facts, *more)

    monkeypatch.setattr(parts.Bench, "_inputs_of", inputs_of)
    analyze(BASE, AnalysisRules(), write_key=unwanted, write_access=unwanted)
    assert not hashed
    everything(BASE)
    assert len(hashed) == 3


def test_rows_are_made_where_somebody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[KeyVerdicts] = []
    analyze(
        BASE, AnalysisRules(), write_key=unwanted, write_access=unwanted,
        verdicts=Verdicts(keep=lambda found, _: kept.append(found)),
    )  # fmt: skip
    assert any(told.rows for told in kept)
    assert not any(told.insiders for told in kept)
    rows: list[object] = []
    monkeypatch.setattr(findings.Bench, "collect", lambda _, found, write: rows.extend(found.rows if found else ()))
    analyze(BASE, AnalysisRules(), write_key=unwanted, write_access=unwanted)
    assert not rows
