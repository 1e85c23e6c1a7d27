"""The keys of a path beyond those that its card names: each set once, every key named and linked."""

from __future__ import annotations

from dataclasses import replace

from scanner.model.finding import Finding, Kind, Reach
from scanner.report.html import render_html
from scanner.report.key_sets import key_sets
from scanner.report.keys import key_anchor

import report_builders as build

ARNS = tuple(f"{build.KEY_ARN[:-2]}{number}" for number in range(10, 22))


def path(name: str, arns: tuple[str, ...] = ARNS, total: int = 0) -> Finding:
    """A path to keys."""
    return build.stranger_finding(
        id=name, kind=Kind.ASSUMED_ROLE_PATH, key=None, keys=tuple(build.key_facts(arn=arn) for arn in arns[:10]),
        keys_total=total or len(arns), reach=Reach(by_key=dict.fromkeys(arns, "")),
    )  # fmt: skip


def test_paths_to_the_same_keys_share_a_list_that_names_and_links_every_key() -> None:
    rows = tuple(replace(build.key_rows()[0], key_arn=arn, aliases=(f"alias/{arn[-2:]}",)) for arn in ARNS)
    document = build.document(findings=(path("kx-a"), path("kx-b")))
    html = render_html(document, rows, {}, build.documents).decode()
    assert html.count("<a href=#k1>2 more</a>") == 2
    listed = html.partition('<div id="k1">')[2].partition("</details>")[0]
    for arn in ARNS:
        assert f'<a href="#{key_anchor(arn)}">alias/{arn[-2:]}</a>' in listed
    assert html.count('<div id="k1">') == 1
    assert 'id="k2"' not in html


def test_card_that_names_all_keys_needs_no_list() -> None:
    assert key_sets((path("kx-a", ARNS[:10]), build.stranger_finding()), ()) == {}


def test_keys_that_findings_do_not_hold_are_counted() -> None:
    found = key_sets((path("kx-a", total=2000),), ())["kx-a"]
    assert (len(found.keys), found.more) == (12, 1988)
    html = render_html(build.document(findings=(path("kx-a", total=2000),)), (), {}, build.documents).decode()
    assert "and 1988 more in access.csv" in html
