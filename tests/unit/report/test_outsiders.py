"""The table of outsiders who can decrypt: whom it counts, by what, and that it agrees with the headline's parties."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scanner.analyze.paths.role_paths import STRANGE
from scanner.analyze.principals.party import OUTSIDE_PARTIES
from scanner.model.finding import (
    CapabilityKeys,
    CapabilityResult,
    Finding,
    FindingVerdict,
    Kind,
    Reach,
    ResourceRef,
    Severity,
)
from scanner.report.html import render_html
from scanner.report.ordering import at_will, urgent_first
from scanner.report.outsiders import DIRECT_PARTIES, MOST_ROWS, ROLE_PARTIES, outsiders_who_decrypt

import report_builders as build

ROLE = ResourceRef("role", "arn:aws:iam::012345670123:role/lake", "role/lake", "012345670123", "payments-prod")


def decrypts(verdict: FindingVerdict = FindingVerdict.CONFIRMED, **changes: object) -> CapabilityResult:
    """The capability to decrypt."""
    result = CapabilityResult("decrypt", ("kms:Decrypt",), verdict, Severity.CRITICAL, ())
    return replace(result, **changes)  # type: ignore[arg-type]


def by_role(name: str, strength: dict[str, int], **changes: object) -> Finding:
    """A path through a role to keys, with the strength of decrypting each."""
    finding = build.stranger_finding(
        id=name, kind=Kind.ASSUMED_ROLE_PATH, resource=ROLE, key=None, keys_total=len(strength),
        capabilities=(decrypts(keys=CapabilityKeys(len(strength), tuple(strength)[:3])),),
        reach=Reach(by_key=dict.fromkeys(strength, ""), strength={a: {"decrypt": n} for a, n in strength.items()}),
    )  # fmt: skip
    return replace(finding, **changes)  # type: ignore[arg-type]


def test_parties_are_those_that_the_headline_counts() -> None:
    assert DIRECT_PARTIES == OUTSIDE_PARTIES
    assert ROLE_PARTIES == STRANGE


def test_keys_reached_both_ways_count_once_and_those_stopped_today_not_at_all() -> None:
    strength = {build.KEY_ARN: 5, build.LOG_KEY_ARN: 3, build.OPAQUE_KEY_ARN: 1, "arn:aws:kms:::key/perhaps": 2}
    table = outsiders_who_decrypt((build.stranger_finding(), by_role("kx-role", strength)), build.key_rows())
    assert table is not None
    assert (table.total, table.direct, table.through_roles, table.both, table.not_today) == (2, 1, 2, 1, 2)
    row = next(row for row in table.rows if row.finding.id == "kx-role")
    assert [name for _, name in row.keys] == ["alias/card-data", "alias/logs"]


def test_second_path_to_the_same_keys_refers_to_the_first() -> None:
    strength = {build.KEY_ARN: 5, build.LOG_KEY_ARN: 5}
    table = outsiders_who_decrypt((by_role("kx-a", strength), by_role("kx-b", strength)), build.key_rows())
    assert table is not None
    assert [row.same_as for row in table.rows] == ["", "kx-a"]


def test_equal_aliases_are_told_apart_by_region() -> None:
    rows = [replace(row, aliases=("alias/twin",)) for row in build.key_rows()[:2]]
    table = outsiders_who_decrypt((by_role("kx-a", {row.key_arn: 5 for row in rows}),), rows)
    assert table is not None
    assert [name for _, name in table.rows[0].keys] == ["alias/twin in eu-west-1", "alias/twin in us-east-1"]


@pytest.mark.parametrize(
    "changes",
    [
        {"capabilities": (decrypts(FindingVerdict.POSSIBLE),)},
        {"capabilities": (decrypts(FindingVerdict.BLOCKED),)},
        {"grantee": replace(build.stranger_finding().grantee, party="approved_partner")},
        {"kind": Kind.FOREIGN_KEY_USE},
    ],
)
def test_nobody_who_surely_decrypts_gives_no_table(changes: dict[str, object]) -> None:
    finding = replace(build.stranger_finding(), **changes)  # type: ignore[arg-type]
    assert outsiders_who_decrypt((finding,), build.key_rows()) is None
    assert (
        "Outsiders who can decrypt"
        not in render_html(build.document(findings=(finding,)), build.key_rows(), {}, build.documents).decode()
    )


def test_path_with_more_keys_than_findings_hold_says_or_more() -> None:
    path = by_role("kx-a", {build.KEY_ARN: 5}, keys_total=2000)
    table = outsiders_who_decrypt((path,), build.key_rows())
    assert table is not None
    assert table.rows[0].more
    html = [
        render_html(build.document(findings=(f,)), build.key_rows(), {}, build.documents).decode()
        for f in (path, by_role("kx-a", {build.KEY_ARN: 5}, keys_total=1))
    ]
    assert ["At least 1 key in all" in text for text in html] == [True, False]


def test_rows_beyond_the_limit_are_counted() -> None:
    many = [build.stranger_finding(id=f"kx-{n}") for n in range(MOST_ROWS + 2)]
    table = outsiders_who_decrypt(many, build.key_rows())
    assert table is not None
    assert (len(table.rows), table.left_out) == (MOST_ROWS, 2)
    html = render_html(build.document(findings=tuple(many)), build.key_rows(), {}, build.documents).decode()
    assert "2 more findings of outsiders who can decrypt" in html


def test_headline_is_short_where_the_table_says_who() -> None:
    said = "Outsiders can decrypt data with two keys: any AWS account with one directly, two outsiders with two"
    run = build.run_info(headline=f"{said}; paths through assumed roles: 2 outsiders reach 3 keys")
    html = render_html(build.document(run=run), build.key_rows(), {}, build.documents).decode()
    assert "<h1>Outsiders can decrypt data with two keys.</h1>" in html
    table = html.partition('id="outsiders"')[2].partition("</p>")[0]
    assert "Any AWS account with one directly, two outsiders with two." in table
    assert "to reach a key is any right on it" in html
    alone = render_html(build.document(run=run, findings=()), build.key_rows(), {}, build.documents).decode()
    assert f"<h1>{said}.</h1>" in alone


def test_condition_that_the_caller_fulfils_at_will_is_as_urgent_as_none() -> None:
    conditional = FindingVerdict.CONDITIONAL
    chosen = by_role("kx-chosen", {"a": 4, "b": 4}, verdict=conditional, capabilities=(
        decrypts(conditional, condition="sts:ExternalId = x", caller_chosen=True),))  # fmt: skip
    github = replace(chosen, id="kx-github", keys_total=3, capabilities=(
        decrypts(conditional, condition="aud = sts", vouched=True),),
        grantee=replace(chosen.grantee, party="federated_open"))  # fmt: skip
    pinned = replace(github, id="kx-pinned", grantee=replace(chosen.grantee, party="federated_pinned"))
    sure = build.stranger_finding(id="kx-sure")
    bare = build.stranger_finding(id="kx-bare", capabilities=(), verdict=conditional)
    assert [at_will(f) for f in (chosen, github, pinned, sure, bare)] == [True, True, False, False, False]
    assert [f.id for f in urgent_first((bare, pinned, sure, chosen, github))][:3] == [
        "kx-github",
        "kx-chosen",
        "kx-sure",
    ]
    html = render_html(build.document(findings=(sure, chosen)), build.key_rows(), {}, build.documents).decode()
    first = html.partition("What to do first")[2].partition("</ol>")[0]
    assert first.count("the caller can fulfil the condition at will") == 1


def test_what_to_do_first_names_how_many_critical_ones_follow() -> None:
    graves = [build.stranger_finding(id=f"kx-{n}") for n in range(7)]
    high = build.stranger_finding(id="kx-high", severity=Severity.HIGH)
    html = render_html(build.document(findings=(*graves, high)), build.key_rows(), {}, build.documents).decode()
    assert "3 more findings of at least high severity" in html
    assert "2 more critical ones among them" in html
    html = render_html(build.document(findings=tuple(graves)), build.key_rows(), {}, build.documents).decode()
    assert "all of them critical" in html
