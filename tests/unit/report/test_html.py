"""report.html: what it says, in which order, under which policy."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources.abc import Traversable

import pytest
from scanner.model.decision import Gate, GateOutcome, Layer, Side
from scanner.model.finding import FindingsDocument, FindingVerdict, Path, Remediation, Severity
from scanner.model.key import Grant, GrantConstraints
from scanner.report.coverage_notes import cited_notes
from scanner.report.html import render_html
from scanner.report.keys import KeyHolding, key_anchor, sorted_rows
from scanner.resources import template_root

import report_builders as build

UNCITED = '{"Sid": "nobody cites this"}'

SCRIPT = 900
"""Bytes of script: 650 for search, count and links, 150 for what says that a search meets only what filters hide, or
nothing, and 100 for words that may stand apart, also in the heading above a card."""


def walk(folder: Traversable) -> Iterator[Traversable]:
    """Every file below a folder."""
    for entry in folder.iterdir():
        yield from walk(entry) if entry.is_dir() else (entry,)


def render(document: FindingsDocument | None = None) -> str:
    """The page of a document."""
    shown = document or build.document()
    notes = cited_notes(shown.findings, build.ledger())
    return render_html(shown, build.key_rows(), notes, build.documents).decode()


def test_content_security_policy_allows_exactly_the_style_and_the_script_of_the_page() -> None:
    html = render()
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy is not None
    script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)
    assert script is not None
    ran = base64.b64encode(hashlib.sha256(script.group(1).encode()).digest()).decode()
    assert policy.group(1) == (
        f"default-src 'none'; style-src 'sha256-{digest}'; script-src 'sha256-{ran}'; base-uri 'none'; "
        "form-action 'none'"
    )
    assert "style=" not in html
    assert html.count("<script") == 1
    assert len(script.group(1).encode()) <= SCRIPT


def test_summary_says_what_to_do_first_about_the_worst_and_nothing_of_the_rest() -> None:
    remedy = Remediation("remove_statement", "Remove statement `LegacyShare`. More of it.", verified=True)
    worst = [
        build.stranger_finding(id=f"kx-worst{n}", severity=severity, remediation=remedy)
        for n, severity in enumerate((Severity.HIGH, *(Severity.CRITICAL,) * 5, Severity.MEDIUM))
    ]
    summary = render(build.document(findings=tuple(worst))).partition("What to do first")[2].partition("</section>")[0]
    assert re.findall(r'href="#(kx-worst\d)"', summary) == [f"kx-worst{n}" for n in range(1, 6)]
    assert summary.count("Remove statement <code>LegacyShare</code>") == 5
    assert "More of it" not in summary
    assert "1 more finding of at least high severity" in summary
    quiet = render(build.document(findings=worst[-1:])).partition('id="summary"')[2].partition("</section>")[0]
    assert "What to do first" not in quiet


def test_page_without_filters_allows_no_script_at_all() -> None:
    html = render(build.document(findings=()))
    assert "<script" not in html
    assert "script-src" not in html


def test_headline_is_the_only_h1_and_coverage_stands_before_findings() -> None:
    html = render()
    assert html.count("<h1>") == 1
    answer = html.split("<h1>")[1].split("</h1>")[0]
    assert "Two accounts outside the organization" in answer
    assert "not" not in answer  # what was not read stands in the sentence below
    assert "not" in html.split("</h1>")[1].split("</p>")[0]
    places = [html.index(f'<section id="{name}"') for name in ("summary", "coverage", "findings", "keys", "method")]
    assert places == sorted(places)


def test_header_says_what_the_hash_is_of_and_how_the_report_is_checked() -> None:
    header = render().partition("<header")[2].partition("</header>")[0]
    assert "<dt>Snapshot</dt>" not in header
    assert "not of the file <code>snapshot.sqlite</code>" in header
    check = header.partition("How to check this report")[2].partition("</dd>")[0]
    assert f"<code>kms-scan verify kms-scan-out/{build.run_info().run_id}</code>" in check
    assert "reproduced byte for byte" in check
    assert "SHA-256 of every file" in check
    assert "not signed" in check
    assert "by another way" in check
    assert "when they were written" in check


def test_worst_finding_stands_first_whatever_the_order_of_the_document() -> None:
    html = render()
    places = [html.index(f'id="{finding.id}"') for finding in (build.stranger_finding(), build.partner_finding())]
    assert places == sorted(places)
    turned = build.document(findings=tuple(reversed(build.document().findings)))
    assert render(turned) == html


def test_deciding_line_is_marked_and_labelled() -> None:
    html = render()
    number = build.line_of("999988887777:root")
    assert (
        '<li>    "AWS": <mark>"arn:aws:iam::999988887777:root"</mark> '
        "<i>delegates to every principal of 999988887777</i>\n"
    ) in html
    before = html[: html.index("<mark>")]
    assert (
        int(re.findall(r"<ol class=whole start=(\d+)>", before)[-1]) + before.count("<li", before.rindex("<ol class"))
        == number + 1
    )


def gates_of(*outcomes: GateOutcome) -> Path:
    """A path with one gate per outcome."""
    return Path((), tuple(Gate(Layer.KEY_POLICY, Side.OWNER, outcome, (), "") for outcome in outcomes))


@pytest.mark.parametrize(
    ("verdict", "reason", "outcomes", "note"),
    [
        (
            "blocked",
            "explicit_deny",
            ("allow", "conditional"),
            "No gate denies by itself: the conditions of these gates",
        ),
        ("blocked", "explicit_deny", ("unread", "conditional"), "together leave no request."),
        ("blocked", "explicit_deny", ("allow", "deny_explicit"), ""),
        ("blocked", "no_identity_policy", ("deny_implicit", "allow"), ""),
        ("blocked", "key_disabled", ("allow", "allow"), "No gate denies: the key is disabled."),
        ("conditional", "residual_condition", ("allow", "conditional"), ""),
    ],
)
def test_blocked_finding_without_a_gate_that_denies_says_what_blocks(
    verdict: str, reason: str, outcomes: tuple[str, ...], note: str
) -> None:
    path = gates_of(*map(GateOutcome, outcomes))
    finding = replace(build.stranger_finding(), verdict=FindingVerdict(verdict), verdict_reasons=(reason,), path=path)
    html = render(build.document(findings=(finding,)))
    assert note in html
    assert ("No gate denies" in html) is bool(note)


def test_evidence_without_text_says_so() -> None:
    assert "The text of this document is not at hand" in render()


def test_gap_that_weakens_a_finding_is_told_in_its_card() -> None:
    assert "222233334444 global organizations:ListPoliciesForTarget 222233334444: access denied" in render()


def test_paths_through_roles_are_told_with_the_method_and_once_among_the_limits() -> None:
    html = render(build.document(run=build.run_info(limits=(), role_paths="2 outsiders reach 3 keys")))
    assert "Paths through assumed roles: 2 outsiders reach 3 keys." in html
    limits = re.search(r"What the method cannot see.*?</ul>", render(), re.DOTALL)
    assert limits is not None
    assert limits.group().count("assumed roles") == 1


def test_no_report_claims_that_nobody_has_access() -> None:
    for document in (build.document(), build.document(findings=())):
        assert not re.search(r"\bnobody\b|\bno one\b", render(document), re.IGNORECASE)


def test_incomplete_coverage_never_reads_as_complete() -> None:
    nearly = replace(build.coverage_summary(), units_total=10_000, units_read=9_999, percent=99.99)
    html = render(build.document(coverage=nearly))
    assert "99.9\u00a0%" in html
    assert "100\u00a0%" not in html


def test_info_starts_unchecked_and_every_other_filter_checked() -> None:
    boxes = dict(re.findall(r'<input type="checkbox" id="([^"]+)" autocomplete="off"( checked)?>', render()))
    assert boxes.pop("s-info") == ""
    assert set(boxes.values()) == {" checked"}


def test_unknown_party_is_filtered_as_other() -> None:
    finding = build.stranger_finding()
    odd = replace(finding, grantee=replace(finding.grantee, party="martian"))
    assert 'id="p-other"' in render(build.document(findings=(odd,)))


def test_every_key_is_listed_with_its_whole_policy_once() -> None:
    spare = build.sha256(UNCITED)
    held = {build.KEY_ARN: (("key policy `default`", build.sha256(build.POLICY)),), build.LOG_KEY_ARN: (("p", spare),)}
    html = render_html(
        build.document(),
        build.key_rows(),
        {},
        lambda digest: UNCITED if digest == spare else build.documents(digest),
        lambda arn: KeyHolding(held.get(arn, ())),
    ).decode()
    keys = html[html.index('<section id="keys"') : html.index('<section id="method"')]
    for row in build.key_rows():
        assert row.key_arn.rsplit("/", 1)[-1] in keys
    assert keys.count("nobody cites this") == 1
    assert keys.count("EnableRoot") == 1
    tinted = "".join(re.findall(r"<ol class=whole start=\d+>(.*?)</ol>", keys, re.DOTALL))
    assert tinted.count("<li>") >= 12
    assert "LegacyShare" in tinted
    assert "EnableRoot" not in tinted


def test_text_that_several_keys_have_stands_once_and_the_others_lead_to_it() -> None:
    rows = [row for row in build.key_rows() if row.key_arn != build.KEY_ARN][:2]
    spare = ("key policy `default`", build.sha256(UNCITED))
    html = render_html(
        build.document(findings=()), rows, {}, lambda _: UNCITED, lambda _: KeyHolding((spare,))
    ).decode()
    keys = html[html.index('<section id="keys"') : html.index('<section id="method"')]
    first, second = sorted_rows(rows)
    assert keys.count("nobody cites this") == 1
    assert keys.count(spare[1][:16]) == 2
    place = key_anchor(first.key_arn)
    assert keys.index(f"id=doc-{place}>") < keys.index("nobody cites this")
    assert keys.index("nobody cites this") < keys.index(f"id=doc-{key_anchor(second.key_arn)}>")
    assert keys.count(f'The text and its tinted statements are those of <a href="#doc-{place}">') == 1


def test_text_with_other_tints_stands_whole_at_each_key() -> None:
    rows = build.key_rows()
    held = KeyHolding((("key policy `default`", build.sha256(build.POLICY)),))
    html = render_html(build.document(), rows, {}, build.documents, lambda _: held).decode()
    keys = html[html.index('<section id="keys"') : html.index('<section id="method"')]
    assert keys.count("EnableRoot") == 2
    assert keys.count("its tinted statements are those of") == len(rows) - 2


def test_marked_line_outside_every_statement_starts_no_tint() -> None:
    html = render_html(build.document(), build.key_rows(), {}, build.documents).decode()
    lists = re.findall(r"<ol( class=whole)? start=(\d+)>\n(.*?)</ol>", html, re.DOTALL)
    grants = [(whole, lines) for whole, _, lines in lists if "GranteePrincipal" in lines]
    assert [whole for whole, _ in grants] == [""] * len(grants)
    assert all('<li>  "GranteePrincipal"' in lines and "<i>" in lines for _, lines in grants)
    assert all(lines.count("<li") > 1 for _, lines in grants)


def test_key_shows_its_grants_and_how_many_there_are() -> None:
    grant = Grant(
        "a1b2c3",
        ("Decrypt", "Encrypt"),
        grantee_principal="arn:aws:iam::222233334444:role/batch",
        issuing_account=build.OWNER,
        constraints=GrantConstraints({"app": "backup"}),
        name="nightly",
        created="2026-01-02T03:04:05Z",
    )
    html = render_html(
        build.document(findings=()), build.key_rows(), {}, build.documents, lambda arn: KeyHolding((), (grant,))
    ).decode()
    keys = html[html.index('<section id="keys"') :]
    for text in ("role/batch", "nightly", "EncryptionContextEquals", "2026-01-02T03:04:05Z", "Grants, 1 of 2"):
        assert text in keys


def test_no_template_switches_escaping_off() -> None:
    texts = [path.read_text() for path in walk(template_root()) if path.name.endswith(".j2")]
    assert len(texts) >= 4
    for text in texts:
        assert not re.search(r"\|\s*safe|autoescape|Markup", text)


def test_gates_are_told_as_they_were_decided() -> None:
    assert "not passed, there are findings at or above this level" in render()
    passed = render(build.document(run=build.run_info(gate_findings=True, gate_coverage=True)))
    assert "passed, no finding at or above this level" in passed
    assert "not passed" not in passed


def test_info_starts_checked_when_there_is_nothing_else() -> None:
    assert 'id="s-info" autocomplete="off" checked>' in render(build.document(findings=(build.grant_finding(),)))
