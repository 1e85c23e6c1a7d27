"""Evidence that several cards have alike: written once in the page, and every statement of it leads there."""

from __future__ import annotations

import re
from dataclasses import replace

from scanner.model.decision import Gate, GateOutcome, Layer, Side, StatementRef
from scanner.model.finding import Evidence, Finding, FindingsDocument, Highlight, Path, Remediation, Severity
from scanner.report.cards import CardSources, FindingCard, finding_card
from scanner.report.cited import cited_by_several, led_to
from scanner.report.html import render_html

import report_builders as build

EVERYTHING = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
DIGEST = build.sha256(EVERYTHING)
SCP = StatementRef("p-FullAWSAccess", "SCP FullAWSAccess at r-acme", DIGEST, 0, "", "Allow", 1, 1)
ALLOWS = Highlight(1, 1, 1, "scp, the caller's side: allow")


def finding(number: int, *, label: Highlight = ALLOWS, named: bool = True, **changes: object) -> Finding:
    """A finding with a control policy that allows everything beside its own evidence."""
    scp = Evidence("scp_statement", SCP.source, "SCP FullAWSAccess", DIGEST, 1, 1, (label,))
    gate = Gate(Layer.SCP, Side.CALLER, GateOutcome.ALLOW, (SCP,) if named else ())
    base = build.stranger_finding()
    own = Highlight(build.line_of("999988887777:root"), 1, 4 + number, "names the grantee")
    key = replace(base.evidence[0], highlights=(own,))
    shown = replace(base, id=f"kx-00000000000{number}", evidence=(scp, key))
    return replace(shown, path=Path((), (gate, *base.path.layers)), **changes)  # type: ignore[arg-type]


def document(*findings: Finding) -> FindingsDocument:
    """A document of findings, with the control policy at hand."""
    return build.document(findings=findings, documents={DIGEST: EVERYTHING})


def cards(*findings: Finding) -> tuple[FindingCard, ...]:
    """Cards as they are before the page is looked at as a whole."""
    texts = document(*findings).documents
    sources = CardSources(lambda sha256: texts.get(sha256) or build.documents(sha256), {}, "run", "")
    return tuple(finding_card(one, "c0", sources) for one in findings)


def page(*findings: Finding) -> str:
    """The page of findings."""
    return render_html(document(*findings), build.key_rows(), {}, build.documents).decode()


def card_of(html: str, name: str) -> str:
    """The markup of one card."""
    start = html.index(f'<div id="{name}">')
    return html[start : html.index("</details>", start)]


def test_excerpt_of_several_cards_stands_once_and_the_statement_of_each_gate_leads_to_it() -> None:
    html = page(finding(1), finding(2))
    assert html.count('"Action": "*"') == 1
    assert html.index('<section id="cited"') < html.index('"Action": "*"') < html.index('<section id="keys"')
    assert html.count("<figure id=e1>") == 1
    for name in ("kx-000000000001", "kx-000000000002"):
        shown = card_of(html, name)
        assert "<small><a href=#e1>the first statement of SCP FullAWSAccess at r-acme, line 1</a></small>" in shown
        assert shown.count("<figure") == 1, "what only this card has stays on it"
        assert "names the grantee" in shown


def test_shared_excerpt_keeps_its_holder_its_hash_and_its_labels() -> None:
    html = page(finding(1), finding(2))
    section = html[html.index('<section id="cited"') : html.index('<section id="keys"')]
    assert "SCP FullAWSAccess <code>p-FullAWSAccess</code>" in section
    assert f"sha256 {DIGEST[:16]}" in section
    assert "<i>scp, the caller's side: allow</i>" in section
    assert re.search(r"<ol start=1>\n<li>", section)


def test_excerpt_of_one_card_stays_on_it_and_the_page_has_no_section() -> None:
    html = page(finding(1))
    assert "<figure id=e" not in html
    assert 'id="cited"' not in html
    assert card_of(html, "kx-000000000001").count("<figure") == 2


def test_excerpt_with_other_marks_is_not_taken_for_the_same() -> None:
    assert cited_by_several(cards(finding(1), finding(2, label=replace(ALLOWS, label="something else")))) == {}
    assert list(cited_by_several(cards(finding(1), finding(2))).values()) == ["e1"]


def test_excerpt_that_no_gate_of_the_card_names_is_led_to_from_its_evidence() -> None:
    given = cards(finding(1, named=False), finding(2))
    unnamed, named = led_to(given, cited_by_several(given))
    assert ([anchor for _, anchor in unnamed.see], SCP in unnamed.links) == (["e1"], False)
    assert (named.see, named.links[SCP]) == ((), "e1")
    shown = card_of(page(finding(1, named=False), finding(2)), "kx-000000000001")
    assert "<p><a href=#e1>SCP FullAWSAccess <code>p-FullAWSAccess</code>, line 1</a>" in shown


def test_one_card_that_has_an_excerpt_twice_does_not_share_it() -> None:
    twice = finding(1)
    assert cited_by_several(cards(replace(twice, evidence=(*twice.evidence, twice.evidence[0])))) == {}


def test_accepted_findings_share_with_the_others() -> None:
    html = page(finding(1), build.accepted(finding(2)))
    assert html.count('"Action": "*"') == 1
    assert "<a href=#e1>" in card_of(html, "kx-000000000002")


def test_text_that_is_not_at_hand_is_said_on_every_card() -> None:
    html = render_html(
        build.document(findings=(finding(1), finding(2))), build.key_rows(), {}, build.documents
    ).decode()
    assert html.count("The text of this document is not at hand") >= 2
    assert 'id="cited"' not in html


def test_order_of_findings_does_not_change_the_numbers() -> None:
    other = replace(ALLOWS, label="b")
    given = (finding(1), finding(2), *(finding(number, label=other, severity=Severity.LOW) for number in (3, 4)))
    assert list(cited_by_several(cards(*given))) == list(cited_by_several(cards(*reversed(given))))
    assert len(cited_by_several(cards(*given))) == 2


def test_statement_of_a_gate_leads_to_the_excerpt_on_its_own_card_and_ids_are_used_once() -> None:
    html = page(finding(1), finding(2))
    for number, name in enumerate(("kx-000000000001", "kx-000000000002"), 1):
        card = card_of(html, name)
        assert f"<a href=#x{number}><code>LegacyShare</code>" in card
        assert f"<figure id=x{number}>" in card
    found = re.findall(r"<figure id=(\w+)>", html)
    assert len(found) == len(set(found)) == 3


def test_id_of_another_finding_leads_to_its_card_where_that_is_in_the_report() -> None:
    note = "Access stays through `kx-000000000002`, and through `kx-nowhere`."
    html = page(finding(1, remediation=Remediation("x", "Do it.", risk_note=note)), finding(2))
    card = card_of(html, "kx-000000000001")
    assert '<a href="#kx-000000000002">kx-000000000002</a>, and through <code>kx-nowhere</code>' in card
