"""Differences in access as people read them: whose, what, from which verdict to which, why, and nothing active."""

from __future__ import annotations

import json
from dataclasses import replace

from scanner.model.difference import AccessDifference, Change
from scanner.model.finding import FindingVerdict, Kind, ResourceRef
from scanner.report.difference import difference_fields, differences_markdown, render_differences

from report_builders import HOSTILE, OWNER, STRANGER, partner_finding, stranger_finding

KEY_NAME = f"alias/card-data of payments-prod ({OWNER})"


def difference(**changes: object) -> AccessDifference:
    """A stranger that lost what it had."""
    finding = stranger_finding()
    base = AccessDifference(
        Change.LOST, finding.kind, finding.grantee, finding.resource, ("decrypt", "metadata"),
        ("kms:Decrypt", "kms:DescribeKey"), FindingVerdict.CONFIRMED, None, "", "", "nothing names it any more",
        (finding.id,),
    )  # fmt: skip
    return replace(base, **changes)


def test_access_that_was_lost_reads_as_one_sentence_with_both_verdicts() -> None:
    assert list(render_differences([difference()])) == [
        f"- lost          any principal of {STRANGER} (unknown): decrypt, metadata with {KEY_NAME}",
        "                confirmed -> no access (nothing names it any more)",
    ]


def test_path_tells_the_role_and_how_many_keys_it_leads_to() -> None:
    role = ResourceRef("role", f"arn:aws:iam::{OWNER}:role/support", "support", OWNER, "payments-prod")
    path = difference(kind=Kind.ASSUMED_ROLE_PATH, resource=role, keys=31)
    first, second = render_differences([path])
    assert first.endswith(f"decrypt, metadata with 31 keys through role/support of payments-prod ({OWNER})")
    assert second.strip() == "confirmed -> no access (nothing names it any more)"
    unread = difference(kind=Kind.ASSUMED_ROLE_PATH, resource=role, keys=0)
    assert " with keys through role/support of " in next(iter(render_differences([unread])))


def test_conditions_of_both_sides_stand_below_where_they_differ() -> None:
    grantee = partner_finding().grantee
    widened = difference(
        change=Change.WIDENED, grantee=grantee, old_verdict=FindingVerdict.CONDITIONAL,
        new_verdict=FindingVerdict.CONDITIONAL, old_condition="kms:ViaService = s3", new_condition="a or b",
        why="the condition admits other requests than before",
    )  # fmt: skip
    lines = list(render_differences([widened]))
    assert lines[0].startswith("+ widened       role/payroll-reader of ")
    assert [line.strip() for line in lines[1:]] == [
        "conditional (the condition admits other requests than before)",
        "before: if kms:ViaService = s3",
        "now: if a or b",
    ]
    same = replace(widened, new_condition=widened.old_condition)
    assert len(list(render_differences([same]))) == 2


def test_markdown_is_a_table_whose_cells_cannot_be_broken_out_of() -> None:
    for text in HOSTILE:
        hostile = difference(why=text, resource=replace(difference().resource, arn=text, name=text))
        head, rule, row = differences_markdown([hostile])
        assert head.count("|") == rule.count("|")
        assert "\n" not in row
        for line in render_differences([hostile]):
            assert "\x1b" not in line
            assert "\n" not in line


def test_json_holds_every_field() -> None:
    fields = json.loads(json.dumps(difference_fields(difference())))
    assert fields["change"] == "lost"
    assert fields["new_verdict"] is None
    assert fields["grantee"]["selector"]
