"""What a report says could be hidden behind a call that was not answered, and how it counts what was not read."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from scanner.collect.permissions import member_actions, organization_actions
from scanner.model.finding import FindingsDocument
from scanner.model.lifecycle import History
from scanner.report.coverage_notes import hidden_text
from scanner.report.html import render_html

import report_builders as build

GAP = build.coverage_summary().gaps[0]
OTHERWISE = hidden_text(replace(GAP, call="new:Call"))


def page(document: FindingsDocument) -> str:
    """The page of a document."""
    return render_html(document, build.key_rows(), {}, build.documents).decode()


@pytest.mark.parametrize("call", sorted({*member_actions(), *organization_actions(), "sts:AssumeRole"}))
def test_every_call_of_a_collection_says_what_it_could_hide(call: str) -> None:
    assert hidden_text(replace(GAP, call=call)) != OTHERWISE


def test_list_of_shared_keys_hides_other_things_than_the_list_of_keys() -> None:
    keys = replace(GAP, call="kms:ListKeys", subjects=())
    assert hidden_text(replace(keys, subjects=("OTHER_ACCOUNTS_VIA_RAM",))) != hidden_text(keys)


def test_coverage_tells_what_could_be_hidden_how_it_counts_and_the_alias_of_an_opaque_key() -> None:
    rows = tuple(
        replace(row, aliases=("alias/dark",)) if row.policy_read == "denied" else row for row in build.key_rows()
    )
    html = render_html(build.document(), rows, {}, build.documents).decode()
    section = html.partition('id="coverage"')[2].partition("</section>")[0]
    assert '<td data-label="What could be hidden">keys of these Regions, and everybody who may use them</td>' in section
    assert "412 account-regions need not be accounts times Regions" in section
    assert "counts the findings that rest on what this call would have told" in section
    assert re.search(r"<code>arn:[^<]*0000000000aa</code></a> <code>alias/dark</code>", section)
    assert "no alias" in page(build.document())


def test_absent_and_empty_suppressions_are_told_apart() -> None:
    assert "<code>suppressions.yaml</code>: not there." in page(build.document())
    empty = build.document(history=History(suppressions_hash="5" * 64))
    assert "<code>suppressions.yaml</code>: there, and it has no entry." in page(empty)
