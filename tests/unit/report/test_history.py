"""What changed since the baseline and what was accepted, as every report says it; and nothing active in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scanner.model.finding import FindingsDocument, Rise, Severity
from scanner.model.lifecycle import Baseline, History, Suppression, SuppressionNote
from scanner.report.escape import CsvDialect
from scanner.report.history import MAX_RESOLVED, NO_BASELINE, change_sentences, suppression_sentences
from scanner.report.html import render_html
from scanner.report.json import dump_findings, load_findings, summary_fields
from scanner.report.markdown import render_markdown
from scanner.report.tables import findings_csv
from scanner.report.terminal import render_summary

import report_builders as build

REPORT = Path("report.html")


def note(state: str, entry: str = "kx-pnfc3b5nav5y", *ids: str, **changes: Any) -> SuppressionNote:
    return replace(SuppressionNote(entry, "why", "who", "RISK-1", "2027-03-31", state, ids), **changes)


def document(state: str = "", *notes: SuppressionNote, baseline: Baseline | None = None) -> FindingsDocument:
    """The small organization's findings, the first of them named by an entry in this state."""
    given = build.document()
    first, *others = given.findings
    if state:
        first = replace(first, suppression=Suppression("why", "who", "RISK-1", "2027-03-31", state, ("decrypt",)))
    return replace(given, findings=(first, *others), history=History(baseline, notes))


def baseline(**counts: int) -> Baseline:
    return Baseline("2026-11-21T0010Z-1c2d", "2026-11-21T00:10:00Z", 1, "c", "s", "findings", counts)


def page(given: FindingsDocument) -> str:
    return render_html(given, build.key_rows(), {}, build.documents).decode()


def test_what_grew_behind_an_entry_that_holds_is_said_in_every_report() -> None:
    ids = ("kx-pnfc3b5nav5y", "kx-aaaaaaaaaaaa")
    held = document("active", note("active", widened=ids, graver=ids[:1]), baseline=baseline(widened=1))
    assert "suppressed 1 (1 wider and not pinned: kx-pnfc3b5nav5y)" in render_summary(held, REPORT, 0)
    wider = "has no fingerprint and goes on holding: the access behind it is wider since 2026-11-21"
    graver = "holds: the severity of what it accepts rose since 2026-11-21"
    for text in (page(held), render_markdown(held, {}).decode()):
        assert wider in text
        assert graver in text
        assert "+1" in text
    quiet = document("active", note("active"), baseline=baseline())
    assert "goes on holding" not in page(quiet)
    assert "rose since" not in page(quiet)
    again = load_findings(build.whole(dump_findings(held)), "findings.json")
    assert again.history.suppressions == held.history.suppressions


def test_first_exception_to_end_is_said_with_its_owner() -> None:
    notes = (
        note("active", "kx-later", expires="2027-02-01"),
        note("partial", "kx-sooner", owner="ann", expires="2026-12-01"),
        note("unused", "kx-unused", expires="2026-11-30"),
        note("expired", "kx-over", expires="2026-11-01"),
    )
    said = "The first of the entries that hold to end is `kx-sooner` of ann, after 2026-12-01."
    assert said in suppression_sentences(document("active", *notes))
    for text in (page(document("active", *notes)), render_markdown(document("active", *notes), {}).decode()):
        assert "of the entries that hold to end is" in text
    assert not any("to end is" in line for line in suppression_sentences(document("", *notes[2:])))


def test_accepted_finding_is_in_no_count_and_stands_in_its_own_section() -> None:
    plain, held = document(), document("active", note("active"))
    accepted = plain.findings[0]
    assert f"suppressed {1}" in render_summary(held, REPORT, 0)
    assert summary_fields(held)["suppressed"] == 1
    assert summary_fields(held)["findings"] == len(plain.findings) - 1
    text = page(held)
    before, section = text.split('<section id="suppressed"')
    assert f'id="{accepted.id}"' in section.split("</section>")[0]
    assert f'id="{accepted.id}"' not in before
    assert "<strong>Accepted:</strong> an entry of who until 2027-03-31 holds. why (RISK-1)" in text
    listed, own = render_markdown(held, {}).decode().split("## Suppressed")
    assert accepted.id not in listed
    assert accepted.id in own
    assert "until 2027-03-31 by who, RISK-1: why" in own


def test_entry_that_is_over_or_void_is_named_and_its_finding_counts() -> None:
    void = document("expired", note("expired", "kx-a", "kx-a"), note("fingerprint_changed", "kx-b"), note("unused"))
    text = render_summary(void, REPORT, 0)
    assert "suppressed 0 (1 expired: kx-a;1 void: kx-b)" in text.replace("; ", ";")
    two = document("expired", note("expired", "kx-a"), note("expired", "kx-b"))
    assert "suppressed 0 (2 expired: kx-a, +1)" in render_summary(two, REPORT, 0)
    html = page(void)
    assert "Not accepted" in html
    assert "the finding counts again" in html
    assert "and fits no finding" in html
    assert summary_fields(void)["suppressions"] == {"expired": 1, "fingerprint_changed": 1, "unused": 1}


def test_part_that_an_entry_covers_is_said() -> None:
    assert "covers a part; the finding stays (decrypt)" in page(document("partial", note("partial")))


def test_without_baseline_and_entries_nothing_of_it_is_shown() -> None:
    plain = document()
    assert change_sentences(plain) == (NO_BASELINE,)
    text = page(plain)
    assert "No approval is configured and no finding is accepted." in text
    assert "new since" not in text
    assert "suppressed" not in render_summary(plain, REPORT, 0)


def test_change_since_the_baseline_is_three_sentences_and_a_column() -> None:
    given = document(baseline=baseline(new=2, widened=1, resolved=3, not_rechecked=1))
    assert change_sentences(given) == (
        "Compared with run `2026-11-21T0010Z-1c2d` of 2026-11-21: 2 new, 0 reopened, 1 widened.",
        "Otherwise 0 narrowed, 3 resolved, 0 unchanged.",
        "And 1 not rechecked: whether that changed is not known, because something was not read.",
    )
    text = render_summary(given, REPORT, 0)
    assert "new since 2026-11-21)" in text
    assert "3 resolved, 1 not rechecked" in text
    assert "new since 2026-11-21" in page(given)
    markdown = render_markdown(given, {}).decode()
    assert "| new since 2026-11-21 |" in markdown
    assert "confirmed, new:" in markdown


def risen(why: str) -> FindingsDocument:
    """The first finding was there with a lower severity."""
    given = document(baseline=baseline(unchanged=2))
    first, *others = (replace(f, lifecycle="unchanged") for f in given.findings)
    return replace(given, findings=(replace(first, severity=Severity.CRITICAL, rise=Rise(Severity.INFO, why)), *others))


def test_severity_that_rose_is_said_with_its_reason_wherever_the_finding_stands() -> None:
    given = risen("the approval ended on 2026-11-20")
    said = "severity rose from info to critical since 2026-11-21: the approval ended on 2026-11-20"
    assert said in page(given)
    assert "<i>severity rose</i>" in page(given)
    assert f"  - The {said}" in render_markdown(given, {}).decode()
    assert "1 graver since 2026-11-21" in render_summary(given, REPORT, 0)
    assert change_sentences(given)[3:] == ("The severity of 1 finding rose since.",)
    assert summary_fields(given)["severity_rose"] == 1
    assert "severity rose from info to critical since 2026-11-21<" in page(risen("")).replace(".</p>", "<")
    plain = document(baseline=baseline(unchanged=2))
    assert "severity rose" not in page(plain)
    assert summary_fields(plain)["severity_rose"] == 0


def test_resolved_findings_are_listed_with_key_and_dates_those_seen_last_first() -> None:
    given = document(baseline=baseline(resolved=1))
    one, two = (replace(f, lifecycle="resolved", last_seen=f"2026-11-0{n}") for n, f in enumerate(given.findings[:2]))
    two = replace(two, lifecycle="engine_changed", title="Gone for another engine")
    for text in (
        page(replace(given, resolved=(one, two))),
        render_markdown(replace(given, resolved=(one, two)), {}).decode(),
    ):
        assert text.index("Gone for another engine") < text.index("last seen 2026-11-00")
        assert "(engine changed)" in text
        assert f"first seen {one.first_seen}, last seen 2026-11-00" in text.replace("\\-", "-")
        assert one.resource.arn in text
    many = replace(given, resolved=tuple(replace(one, id=f"kx-{n}") for n in range(MAX_RESOLVED + 2)))
    assert page(many).count("last seen 2026-11-00") == MAX_RESOLVED
    assert "<li>2 more are in findings.json.</li>" in page(many)
    markdown = render_markdown(many, {}).decode()
    shown = markdown.count("last seen 2026-11-00")
    assert 1 < shown < MAX_RESOLVED
    assert f"- {MAX_RESOLVED + 2 - shown} more are in findings.json" in markdown
    assert "<h3>Resolved</h3>" not in page(given)
    assert "Resolved" not in render_markdown(given, {}).decode()


@pytest.mark.parametrize(
    ("how", "said"), [("judged_again", "judged again from its snapshot"), ("engine_changed", "not counted as wider")]
)
def test_way_of_comparing_is_said_where_it_was_not_the_plain_one(how, said) -> None:
    given = replace(baseline(engine_changed=2), compared=how)
    sentences = " ".join(change_sentences(document(baseline=given)))
    assert said in sentences
    assert "2 engine changed" in sentences


def test_everything_accepted_leaves_no_finding_and_says_other() -> None:
    held = document("active", note("active"))
    only = replace(held, findings=held.findings[:1])
    assert "no other finding in what was read   suppressed 1" in render_summary(only, REPORT, 0)
    assert "No other finding was made" in page(only)


def test_history_survives_findings_json() -> None:
    given = document("active", note("active", "kx-a", "kx-a"), baseline=baseline(new=1))
    first, second, *others = given.findings
    first = replace(first, rise=Rise(Severity.LOW, "an approval ended"))
    given = replace(given, findings=(first, second, *others), resolved=(replace(second, lifecycle="resolved"),))
    assert load_findings(build.whole(dump_findings(given)), "findings.json") == given
    assert json.loads(json.dumps(summary_fields(given)))["baseline"]["counts"] == {"new": 1}


@pytest.mark.parametrize("text", build.HOSTILE)
def test_hostile_text_of_an_entry_is_inert_everywhere(text) -> None:
    hostile = note("expired", text, text, reason=text, owner=text, ticket=text)
    given = document("active", hostile, baseline=replace(baseline(new=1), run_id=text, as_of=text))
    first, *others = given.findings
    assert first.suppression is not None
    bad = replace(first.suppression, reason=text, owner=text, ticket=text)
    first = replace(first, suppression=bad, rise=Rise(Severity.INFO, text))
    gone = replace(first, id="kx-gone", title=text, first_seen=text, last_seen=text)
    gone = replace(gone, resource=replace(gone.resource, arn=text))
    given = replace(given, findings=(first, *others), resolved=(gone,))
    html = page(given)
    for active in ("<script>alert", "<img src=x", "<iframe", "\x1b", "\u202e"):
        assert active not in html
    for line in render_summary(given, REPORT, 0).splitlines():
        assert "\x1b" not in line
        assert "\u202e" not in line
    assert "\x1b" not in render_markdown(given, {}).decode()
    assert b"\n=HYPERLINK" not in findings_csv(given, {}, CsvDialect.EXCEL)
