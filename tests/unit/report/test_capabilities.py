"""What a card says beside each capability of a path: with which keys, and by whose statements."""

from __future__ import annotations

from dataclasses import replace

from scanner.model.decision import StatementRef
from scanner.model.finding import CapabilityKeys, CapabilityResult, Finding, FindingVerdict, Kind, Severity
from scanner.report.capabilities import KEYS_SHOWN, STATEMENTS_SHOWN, capability_lines
from scanner.report.html import render_html

import report_builders as build

HOSTILE = "<script>alert(1)</script>"
ROLE = "arn:aws:iam::012345670123:role/Vendor"
ARNS = tuple(f"{build.KEY_ARN[:-2]}{number:02d}" for number in range(30))
KEYS = tuple(build.key_facts(arn=arn, key_id=arn[-36:], aliases=(f"alias/k-{arn[-2:]}",)) for arn in ARNS[:20])


def cites(index: int, document: str = "inline policy vendor") -> StatementRef:
    """A statement of the last role."""
    return StatementRef(ROLE, document, "0" * 64, index, "", "Allow", 4 + index, 4 + index)


def held(*arns: str, otherwise: int = 0) -> CapabilityKeys:
    """The keys of a capability."""
    return CapabilityKeys(len(arns), arns[:10], otherwise)


def gives(name: str, keys: CapabilityKeys | None, *statements: StatementRef) -> CapabilityResult:
    """A capability that is confirmed."""
    verdict, severity = FindingVerdict.CONFIRMED, Severity.CRITICAL
    return CapabilityResult(name, (f"kms:{name}",), verdict, severity, (), keys=keys, statements=statements)


def path(*results: CapabilityResult, total: int = 30) -> Finding:
    """A path that gives these capabilities over some keys, of which the worst are told."""
    return build.stranger_finding(
        kind=Kind.ASSUMED_ROLE_PATH, key=None, keys=KEYS[:total], keys_total=total, capabilities=results
    )


def page(finding: Finding) -> str:
    """The page of one finding."""
    rows = tuple(replace(build.key_rows()[0], key_arn=arn) for arn in ARNS[:2])
    return render_html(build.document(findings=(finding,)), rows, {}, build.documents).decode()


def test_keys_are_told_where_capabilities_differ_in_them() -> None:
    results = (gives("decrypt", held(*ARNS[:2])), gives("encrypt", held(*ARNS[:9])), gives("sign", held(*ARNS)))
    first, second, third = capability_lines(path(*results))
    assert first.keys == ((ARNS[0], "alias/k-00"), (ARNS[1], "alias/k-01"))
    assert second.held is not None
    assert (second.held.total, len(second.keys)) == (9, KEYS_SHOWN)
    assert third.held is not None
    assert (third.held.total, third.keys) == (30, ())


def test_keys_go_without_saying_where_every_capability_holds_with_all() -> None:
    lines = capability_lines(path(gives("decrypt", held(*ARNS)), gives("encrypt", held(*ARNS))))
    assert [(line.held, line.keys) for line in lines] == [(None, ()), (None, ())]


def test_keys_of_the_line_before_are_not_said_again() -> None:
    same = held(*ARNS[:2], otherwise=3)
    first, second = capability_lines(path(gives("decrypt", same), gives("encrypt", same)))
    assert (first.held, second.held) == (same, None)


def test_key_that_is_not_among_the_worst_is_called_by_its_id() -> None:
    (line,) = capability_lines(path(gives("decrypt", held(ARNS[25]))))
    assert line.keys == ((ARNS[25], ARNS[25][-36:]),)


def test_statement_is_told_once_and_not_where_a_gate_names_it() -> None:
    gate = build.gates()[3].statements[0]
    results = (gives("decrypt", None, gate, cites(0)), gives("encrypt", None, cites(0), cites(1)))
    first, second = capability_lines(path(*results))
    assert (first.cited, second.cited) == ((cites(0),), (cites(1),))


def test_statements_are_bounded_and_counted() -> None:
    (line,) = capability_lines(path(gives("decrypt", None, *map(cites, range(5)))))
    assert (len(line.cited), line.cited_total) == (STATEMENTS_SHOWN, 5)


def test_card_shows_keys_with_links_statements_and_where_all_keys_stand() -> None:
    finding = path(gives("decrypt", held(*ARNS[:5], otherwise=2), cites(0)), gives("encrypt", held(*ARNS)))
    html = page(finding)
    start = html.index("<ul class=caps>")
    shown = html[start : html.index("</ul>", start)]
    assert "with 5 of 30 keys" in shown
    assert "alias/k-00</a>" in shown
    assert "and 2 more" in shown
    assert "<small>with all 30 keys</small>" in shown
    assert "with 2 others less surely or on other conditions" in shown
    assert "the first statement of inline policy vendor, line 4" in shown
    assert f"access.csv has a row for every key, under <code>{finding.id}</code>" in html


def test_names_and_documents_are_escaped() -> None:
    finding = path(gives("decrypt", held(ARNS[0]), cites(0, HOSTILE)), gives("encrypt", held(*ARNS)))
    hostile = replace(finding, keys=(replace(KEYS[0], aliases=(HOSTILE,)),))
    assert HOSTILE not in page(hostile)
