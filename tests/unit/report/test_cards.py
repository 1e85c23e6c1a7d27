"""The card of a finding: evidence in the order of the gates, trimmed to what decides, and the question to ask again."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest
from scanner.model.arn import KeyArn
from scanner.model.decision import Gate, GateOutcome, Layer, Side, StatementRef
from scanner.model.finding import Evidence, Finding, Grantee, Highlight, Hop, Kind, Path, Reach, Remediation
from scanner.report.cards import PRINCIPALS_SHOWN, CardSources, FindingCard, finding_card
from scanner.report.html import render_html
from scanner.report.rerun import accept_command, rerun_command
from scanner.report.source import MAX_LINE, MAX_LINES, source_lines, without_indent

import report_builders as build

ROLE = "arn:aws:iam::444455556666:role/payroll-reader"


def card(finding: Finding) -> FindingCard:
    """The card of a finding."""
    return finding_card(finding, "c0", CardSources(build.documents, {}, "2026-11-22T0010Z-7f3a", ""))


def page(finding: Finding) -> str:
    """The page of one finding."""
    return render_html(build.document(findings=(finding,)), (), {}, build.documents).decode()


def ref(source: str, sha256: str, index: int = 0) -> StatementRef:
    """A statement of a document."""
    return StatementRef(source, f"policy of {source}", sha256, index, "", "Allow", 1, 4)


def test_documents_stand_in_the_order_of_the_gates() -> None:
    names = ("key", "scp", "iam", "trust", "uncited")
    evidence = tuple(Evidence("statement", name, name, name, 1, 2) for name in names)
    gates = (
        Gate(Layer.IAM, Side.CALLER, GateOutcome.ALLOW, (ref("iam", "iam"),)),
        Gate(Layer.SCP, Side.CALLER, GateOutcome.ALLOW, (ref("scp", "scp"),)),
        Gate(Layer.KEY_POLICY, Side.OWNER, GateOutcome.ALLOW, (ref("key", "key"),)),
    )
    hop = Hop("*", "sts:AssumeRole", ROLE, "allowed", "", "", (ref("trust", "trust"),))
    shown = card(build.stranger_finding(evidence=evidence, path=Path((hop,), gates)))
    assert [part.document for part in shown.evidence] == ["trust", "iam", "scp", "key", "uncited"]


def test_gates_that_do_the_same_for_the_same_reason_share_a_line() -> None:
    lines = card(build.stranger_finding()).gates
    assert [(line.names, line.does) for line in lines] == [
        (("identity policies",), "not read"),
        (("service control policies",), "not read"),
        (("resource control policies",), "allows"),
        (("key policy",), "allows"),
        (("key state",), "allows"),
    ]
    same = tuple(replace(gate, why="outside") for gate in build.gates()[:2])
    beside = Gate(Layer.SESSION, Side.CALLER, GateOutcome.NOT_APPLICABLE)
    lines = card(build.stranger_finding(path=Path((), (beside, *same)))).gates
    assert lines[0].names == ("identity policies", "service control policies")
    assert "session policy" not in {name for line in lines for name in line.names}, "the picture has it"
    said = replace(beside, why="no session policy was passed")
    assert card(build.stranger_finding(path=Path((), (said, *same)))).gates[-1].names == ("session policy",)


def test_statement_attached_at_several_places_is_named_once_and_the_rest_counted() -> None:
    attached = tuple(replace(ref("p-1", "a" * 64), document=f"SCP p-1 at {place}") for place in range(3))
    gate = Gate(Layer.SCP, Side.CALLER, GateOutcome.ALLOW, (*attached[:1], *attached[:2], ref("p-2", "b" * 64)))
    line = card(build.stranger_finding(path=Path((), (gate,)))).gates[0]
    assert [cited.document for cited in line.cited] == ["SCP p-1 at 0", "policy of p-2"]
    assert line.cited_total == 4
    assert "and 2 more" in page(build.stranger_finding(path=Path((), (gate,))))


def test_advice_is_said_as_a_compiler_does() -> None:
    shown = card(build.stranger_finding(remediation=Remediation("x", "Remove it. Then ask.", "aws x")))
    assert (shown.advice, shown.more_advice) == ("remove it", "Then ask.")
    html = page(build.stranger_finding(remediation=Remediation("x", "SCPs need a look.", "aws x")))
    assert "<p class=help><em>help:</em> SCPs need a look\n" in html


def test_finding_without_advice_has_no_heading_for_it() -> None:
    assert "What to do</h4>" not in page(build.stranger_finding(remediation=Remediation()))


def test_line_of_a_policy_without_line_breaks_is_cut_around_its_mark() -> None:
    text = "a" * 4000 + "MARK" + "b" * 4000
    line = source_lines(text, 0, 0, (Highlight(1, 4001, 4004, "here"),), (), trimmed=True)[0]
    shown = "".join(part.text for part in line.segments)
    assert len(shown) < 2 * MAX_LINE
    assert [part.text for part in line.segments if part.marked] == ["MARK"]
    assert shown.startswith("… 3,")
    assert "aMARKb" in shown
    assert shown.endswith(" characters …")
    whole = source_lines(text, 0, 0, (), ())[0]
    assert "".join(part.text for part in whole.segments) == text


def test_long_line_without_a_mark_keeps_its_start() -> None:
    line = source_lines("x" * 9000, 0, 0, (), (), trimmed=True)[0]
    assert line.segments[0].text.startswith("x" * MAX_LINE + "… 8,640 characters …")


def test_long_excerpt_keeps_its_ends_and_what_surrounds_a_hit() -> None:
    text = "\n".join(f"line {number}" for number in range(1, 201))
    lines = source_lines(text, 1, 200, (Highlight(100, 1, 4, "here"),), ((1, 200),), trimmed=True)
    numbers = [line.number for line in lines if line.tint != "gap"]
    assert numbers == [1, 2, 3, 98, 99, 100, 101, 102, 199, 200]
    gaps = [line.segments[0].text for line in lines if line.tint == "gap"]
    assert gaps == ["… 94 lines …", "… 96 lines …"]
    assert len(source_lines(text, 1, MAX_LINES, (), (), trimmed=True)) == MAX_LINES


def test_numbers_go_on_correctly_behind_a_gap() -> None:
    policy = "\n".join(f'"{number}"' for number in range(1, 201))
    digest = build.sha256(policy)
    evidence = Evidence("k", build.KEY_ARN, "key policy", digest, 1, 200, (Highlight(100, 1, 3, "here"),))
    document = build.document(findings=(build.stranger_finding(evidence=(evidence,)),), documents={digest: policy})
    html = render_html(document, (), {}, build.documents).decode()
    assert '<li class=gap>… 94 lines …\n<li value=98>"98"\n' in html
    assert '<li><mark>"10</mark>0" <i>here</i>\n' in html


def test_label_that_goes_on_is_said_at_its_first_line_only() -> None:
    policy = '[\n  "a",\n  "b",\n  "c",\n  "d"\n]'
    labels = ("allows the action", "allows the action", "names the grantee", "allows the action")
    highlights = tuple(Highlight(line, 3, 5, label) for line, label in enumerate(labels, 2))
    evidence = Evidence("k", build.KEY_ARN, "key policy", "d", 1, 6, highlights)
    sources = CardSources(lambda _: policy, {}, "r", "")
    lines = finding_card(build.stranger_finding(evidence=(evidence,)), "", sources).evidence[0].lines
    assert [line.labels for line in lines[1:5]] == [labels[:1], (), labels[2:3], labels[3:]]
    assert [line.tint for line in lines[1:5]] == ["hit"] * 4


def test_mark_of_the_first_character_stands_for_its_line() -> None:
    line = source_lines("    {", 0, 0, (Highlight(1, 1, 1, "scp: allow"),), ())[0]
    assert (line.tint, line.labels) == ("hit", ("scp: allow",))
    assert [part.marked for part in line.segments] == [False]


def test_line_with_nothing_to_see_in_it_is_said_to_be_a_hit() -> None:
    """A label that goes on, on a mark that stands for its whole line: the tint is all that is left."""
    policy = "{\n}"
    evidence = Evidence("k", build.KEY_ARN, "p", "d", 1, 2, tuple(Highlight(line, 1, 1, "said") for line in (1, 2)))
    document = build.document(findings=(build.stranger_finding(evidence=(evidence,)),), documents={"d": policy})
    html = render_html(document, (), {}, build.documents).decode()
    assert "<li>{ <i>said</i>\n<li class=hit>}\n" in html


def test_indentation_that_all_lines_share_is_left_out() -> None:
    lines = without_indent(source_lines("    {\n\n      a\n    }", 0, 0, (Highlight(3, 7, 7, ""),), ()))
    assert ["".join(part.text for part in line.segments) for line in lines] == ["{", "", "  a", "}"]


@pytest.mark.parametrize(
    ("kind", "selector", "asked"),
    [
        ("account", f"arn:aws:iam::{build.STRANGER}:root", build.STRANGER),
        ("role", ROLE, ROLE),
        ("any", "*", "*"),
        ("service", "logs.amazonaws.com", "logs.amazonaws.com"),
        ("organization", "o-ab12cd34ef", ""),
        ("federated", "arn:aws:iam::1:oidc-provider/x#*", ""),
        ("unknown_id", "AROA1", ""),
    ],
)
def test_question_is_asked_of_explain_where_it_takes_the_principal(kind: str, selector: str, asked: str) -> None:
    account = build.STRANGER if kind == "account" else ""
    finding = build.stranger_finding(grantee=Grantee(selector, kind, account, "", "unknown_third_party"))
    words = shlex.split(rerun_command(finding, "run-1"))
    assert words[:3] == ["kms-scan", "explain" if asked else "who-can", "run-1"]
    assert words[3:7] == ["--key", build.KEY_ID, "--action", "kms:Decrypt"]
    assert words[7:] == (["--principal", asked] if asked else [])


def test_question_about_a_path_asks_for_the_list_that_holds_the_outsider() -> None:
    """`explain` would say of the outsider that the key does not name it, and of the role nothing about the outsider."""
    hop = Hop("*", "sts:AssumeRole", ROLE, "allowed", "")
    asked = rerun_command(build.stranger_finding(path=Path((hop,), ())), "r")
    assert shlex.split(asked) == ["kms-scan", "who-can", "r", "--key", build.KEY_ID, "--action", "kms:Decrypt"]


def test_key_whose_id_its_replicas_share_is_named_by_its_arn() -> None:
    key = replace(build.key_facts(), arn=KeyArn(f"{build.KEY_ARN}2"), key_id="mrk-1234")
    assert f" --key {build.KEY_ARN}2 " in rerun_command(build.stranger_finding(key=key), "r")


def test_exception_is_written_by_suppress_and_not_offered_twice() -> None:
    assert accept_command(build.stranger_finding(), "r") == (
        'kms-scan suppress r kx-pnfc3b5nav5y --reason "$REASON" --owner "$OWNER" --expires "$EXPIRES" '
        '--ticket "$TICKET"'
    )
    assert accept_command(build.accepted(build.stranger_finding()), "r") == ""


def test_question_about_a_tag_that_may_be_changed_is_not_answered_with_the_tags_of_today() -> None:
    assert " who-can " in rerun_command(build.stranger_finding(kind=Kind.ATTRIBUTE_CONTROL), "r")


def test_question_is_quoted_for_a_shell_and_left_out_without_a_key() -> None:
    grantee = Grantee("arn:aws:iam::1:role/a'; rm -rf ~ #", "role", "1", "", "unknown_third_party")
    finding = build.stranger_finding(grantee=grantee, capabilities=())
    assert shlex.split(rerun_command(finding, "r"))[-1] == grantee.selector
    assert "--action" not in rerun_command(finding, "r")
    assert rerun_command(replace(finding, key=None), "r") == ""
    assert "kms-scan explain" not in page(replace(finding, key=None))


def test_only_principal_that_is_the_grantee_is_not_written_twice() -> None:
    finding = build.stranger_finding(
        reach=Reach(1, (), (ROLE,), ("444455556666",)), grantee=Grantee(ROLE, "role", "444455556666", "", "vendor")
    )
    assert "<dd>1, the grantee itself\n" in page(finding)
    other = replace(finding, reach=Reach(3, (), (ROLE,), ("444455556666",)))
    assert "in 1 account, some of them: of 444455556666 <code>role/payroll-reader</code>" in page(other)


def test_principals_are_told_by_account() -> None:
    sample = (
        "arn:aws:iam::111111111111:role/a",
        "arn:aws:iam::222222222222:user/b",
        "arn:aws:iam::111111111111:role/c",
    )
    finding = build.stranger_finding(reach=Reach(4, (), (*sample, "s3.amazonaws.com"), ()))
    assert card(finding).reached == (
        ("111111111111", ("role/a", "role/c")), ("222222222222", ("user/b",)), ("", ("s3.amazonaws.com",)),
    )  # fmt: skip
    told = "of 111111111111 <code>role/a, role/c</code>; of 222222222222 <code>user/b</code>"
    assert f"{told}; <code>s3.amazonaws.com</code>" in page(finding)


def test_key_of_a_group_is_named_in_its_heading_and_on_a_card_without_one() -> None:
    finding = replace(build.stranger_finding(), evidence=())
    name = f"<code>{build.KEY_ARN}</code>"
    html = page(finding)
    heading = html[html.index('<div class="group') : html.index("<details")]
    assert name in heading
    assert build.key_facts().description in heading
    assert "<dt>Key<dd>" not in html
    assert f"<dt>Key<dd>{name}" in page(build.accepted(finding))


def test_long_lists_of_principals_and_keys_are_cut_and_say_so() -> None:
    sample = tuple(f"arn:aws:iam::111111111111:role/r{number:02d}" for number in range(PRINCIPALS_SHOWN + 1))
    finding = build.stranger_finding(reach=Reach(len(sample), (), sample, ("111111111111",)))
    html = page(finding)
    assert f"{len(sample)} known principals, at least possibly, in 1 account, some of them: of 111111111111" in html
    assert f"role/r{PRINCIPALS_SHOWN - 1:02d}</code>" in html
    assert not card(build.stranger_finding(reach=Reach(2, (), sample[:2], ()))).reached_left_out
    keys = tuple(build.key_facts(key_id=f"key-{number:02d}", aliases=()) for number in range(20))
    many = page(replace(finding, key=None, keys=keys, keys_total=23))
    assert "<dt>Keys reached<dd>23: key-00, " in many
    assert "key-09 and 13 more" in many


def test_whole_foreign_account_is_no_principal_that_is_listed() -> None:
    base = build.stranger_finding()
    grantee = replace(base.grantee, kind="account")
    reach = replace(base.reach, principals_total=1, principals_sample=(grantee.selector,))
    finding = replace(base, grantee=grantee, reach=reach, verdict_reasons=("delegated_to_third_party",))
    html = render_html(build.document(findings=(finding,)), build.key_rows(), {}, build.documents).decode()
    said = "every principal that the administrator of 999988887777 allows (not read)"
    assert f"<dt>Principals reached<dd>{said}" in html
    assert "our side allows it, and the other account, which is not read, allows itself" in html
    known = replace(finding, verdict_reasons=("root_user_only",))
    html = render_html(build.document(findings=(known,)), build.key_rows(), {}, build.documents).decode()
    assert "<dt>Principals reached<dd>1, the grantee itself" in html
