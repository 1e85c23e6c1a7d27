"""A remedy in the reports: the patch with its signs as text, what the trial showed, and hostile text made inert."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from scanner.config import load_settings
from scanner.model.finding import Finding, Remediation, Severity
from scanner.report.escape import markdown_block
from scanner.report.html import render_html
from scanner.report.markdown import render_markdown
from scanner.report.terraform import terraform_place

from report_builders import KEY_ARN, document, stranger_finding

DIFF = '--- key policy default of K\n+++ key policy default of K\n@@ -1,2 +1,2 @@\n {\n-  "a": "<b>"\n+  "a": "@team"'
REMOVE = "# remove these resources, if Terraform holds them"
TRIED = "Tried on the snapshot: the finding goes."


def with_remedy(diff: str = DIFF, severity: Severity = Severity.CRITICAL) -> Finding:
    remedy = Remediation("narrow_principal", "Take it out.", "aws x", diff, True, TRIED, "Ask `owner` first.")
    return replace(stranger_finding(), severity=severity, remediation=remedy)


def page(finding: Finding) -> str:
    return render_html(document(findings=(finding,)), (), {}, lambda sha256: None).decode()


def summary(finding: Finding) -> str:
    return render_markdown(document(findings=(finding,)), {}).decode()


def test_card_shows_the_patch_with_signs_as_text() -> None:
    shown = page(with_remedy())
    assert '<del>-  "a": "&lt;b&gt;"</del>' in shown
    assert '<ins>+  "a": "@team"</ins>\n</pre>' in shown
    assert "<del>---" not in shown
    assert "<ins>+++" not in shown
    assert f"<p>{TRIED}<" in shown
    assert "Before you do: Ask <code>owner</code> first." in shown


@pytest.mark.parametrize(
    ("effect", "verified", "said"),
    [
        (f"{TRIED[:-1]}, no other access to this key changes, and so on.", True, "Tried on the snapshot: clean."),
        (f"{TRIED[:-1]}, nothing else changes, and so on.", True, "Tried on the snapshot: clean."),
        (f"{TRIED[:-1]}, nothing else changes, and so on.", False, f"{TRIED[:-1]}, nothing else changes, and so on."),
        (f"{TRIED[:-1]}, 1 other finding changes.", True, f"{TRIED[:-1]}, 1 other finding changes."),
    ],
)
def test_clean_trial_is_one_word_on_the_card(effect: str, verified: bool, said: str) -> None:
    remedy = Remediation("narrow_principal", "Take it out.", "aws x", DIFF, verified, effect)
    assert f"<p>{said}<" in page(replace(stranger_finding(), remediation=remedy))


def test_how_a_fix_is_applied_is_said_once_and_only_beside_cards() -> None:
    finding = with_remedy()
    shown = page(finding)
    assert shown.count('<section id="applying"') == 1
    assert shown.index('<section id="applying"') < shown.index('<section id="findings"')
    run = document().run.run_id
    assert f'export RUN="$PWD/kms-scan-out/{run}" ' in shown
    for step in ('kms-scan run --key KEY_ARN --baseline "$RUN" -o AFTER', 'kms-scan diff "$RUN" AFTER/latest'):
        assert f"{step}\n" in shown
    assert '<section id="applying"' not in render_html(document(findings=()), (), {}, lambda sha256: None).decode()


def test_card_says_where_the_edit_belongs_in_terraform_after_the_command_line() -> None:
    remedy = Remediation("narrow_principal", "Take it out.", "aws x", terraform='resource "aws_kms_key" "<this>" {}')
    shown = page(replace(stranger_finding(), remediation=remedy))
    assert '<h5>Terraform</h5>\n<pre>resource "aws_kms_key" "&lt;this&gt;" {}</pre>' in shown
    assert shown.index("<h5>AWS CLI</h5>") < shown.index("<h5>Terraform</h5>")
    assert "Terraform</h5>" not in page(with_remedy())


def changed(holder: str, other: str = "", document: str = "  policy = <<POLICY\n{}\nPOLICY") -> str:
    """Terraform of a document that changes."""
    head = f"# the patch belongs in this resource, if Terraform holds it{other}"
    return f'{head}\nresource "aws_kms_key_policy" "this" {{\n{holder}\n{document}\n}}'


@pytest.mark.parametrize(
    ("terraform", "said"),
    [
        (changed(f'  key_id = "{KEY_ARN}"'), "patch `policy` of `aws_kms_key_policy` with this key as `key_id`."),
        (
            changed(f'  key_id = "{KEY_ARN}"', " (or its aws_kms_key)"),
            "patch `policy` of `aws_kms_key_policy` with this key as `key_id`, or its aws_kms_key.",
        ),
        (
            changed(
                '  name = "a"\n  role = "b"', document="  # policy: too long to show, change it as the patch shows"
            ),
            'patch `policy` of `aws_kms_key_policy` with `name = "a", role = "b"`.',
        ),
        (
            f'{REMOVE}\n# aws_kms_grant: key_id = "{KEY_ARN}", role = "x"\n# aws_iam_role: name = "y"',
            'remove `aws_kms_grant` with this key as `key_id`, `role = "x"`; `aws_iam_role` with `name = "y"`.',
        ),
        ('resource "aws_kms_key" "other" {}', ""),
        ("", ""),
    ],
)
def test_card_names_the_resource_and_the_attribute_that_change(terraform: str, said: str) -> None:
    finding = with_remedy()
    assert terraform_place(replace(finding, remediation=replace(finding.remediation, terraform=terraform))) == said


def test_resource_is_written_out_on_the_card_only_where_no_patch_shows_the_change() -> None:
    terraform = changed(f'  key_id = "{KEY_ARN}"')
    finding = with_remedy()
    shown = page(replace(finding, remediation=replace(finding.remediation, terraform=terraform)))
    assert "<p>Terraform: patch <code>policy</code> of <code>aws_kms_key_policy</code>" in shown
    assert "&lt;&lt;POLICY" not in shown
    alone = page(replace(finding, remediation=replace(finding.remediation, terraform=terraform, diff="")))
    assert "&lt;&lt;POLICY" in alone


def test_patch_is_headed_by_the_document_without_the_key_that_the_card_is_about() -> None:
    heads = [f"{sign} key policy default of {KEY_ARN}" for sign in ("---", "+++")]
    shown = page(with_remedy("\n".join([*heads, "@@ -1,1 +1,1 @@", f"-of {KEY_ARN}", "+b"])))
    assert f"--- key policy default\n+++ key policy default\n@@ -1,1 +1,1 @@\n<del>-of {KEY_ARN}</del>" in shown
    other = page(with_remedy("\n".join([f"{head}2" for head in heads])))
    assert f"--- key policy default of {KEY_ARN}2" in other


def test_lines_of_a_patch_are_marked_in_runs_and_stay_as_they_are() -> None:
    diff = "--- a\n+++ a\n@@ -1,4 +1,3 @@\n {\n-one\n-two\n+three\n }"
    shown = page(with_remedy(diff))
    assert " {\n<del>-one\n-two</del>\n<ins>+three</ins>\n }\n</pre>" in shown
    block = re.search(r"<pre class=patch>(.*?)</pre>", shown, re.DOTALL)
    assert block is not None
    assert re.sub(r"</?(?:ins|del)>", "", block.group(1)) == f"{diff}\n"


def test_card_without_a_patch_has_no_block_for_it() -> None:
    assert "<pre class=patch>" not in page(with_remedy(""))


def test_long_patch_is_cut_and_says_so() -> None:
    long = "\n".join(["--- a", "+++ a", *(f"-line {n}" for n in range(100))])
    shown = page(with_remedy(long))
    assert "line 77" in shown
    assert "line 78" not in shown
    assert "… 22 more lines are in findings.json" in shown
    text = summary(with_remedy(long))
    assert "line 57\n" in text
    assert "line 58" not in text
    assert "42 more lines are in findings.json." in text


def test_summary_has_the_patch_for_critical_and_high_only() -> None:
    text = summary(with_remedy())
    assert f"  - {TRIED}\n" in text
    assert "\n    ```diff\n    --- key policy default of K\n" in text
    assert '\n    +  "a": "@team"\n    ```\n' in text
    assert "```" not in summary(with_remedy(severity=Severity.MEDIUM))


def test_patch_cannot_leave_its_block() -> None:
    hostile = "--- a\n+++ a\n-```\n+````js\u202e\n+<script>alert(1)</script>"
    text = summary(with_remedy(hostile))
    assert "\n    `````diff\n" in text
    assert "\u202e" not in text
    assert "\\u003cscript>alert(1)\\u003c/script>" in text
    assert "<script>alert" not in page(with_remedy(hostile))
    assert markdown_block(["a\nb"], "diff") == ["```diff", "a\\nb", "```"]
    assert re.search(r"\\u202e", page(with_remedy(hostile)))


def test_line_that_approves_a_partner_is_a_configuration(tmp_path: Path) -> None:
    shown = render_html(document(findings=()), (), {}, lambda sha256: None).decode()
    example = re.search(r"<pre>(trust:\n.*?)</pre>", shown, re.DOTALL)
    assert example is not None
    file = tmp_path / "config.yaml"
    file.write_text(f"version: 1\naws: {{member_role: Audit}}\n{unescape(example.group(1))}")
    (account,) = load_settings(file, environ={}, flags={}).settings.trust.accounts
    assert (account.id, account.approved_by) == ("444455556666", "RISK-1042")
    assert [str(capability) for capability in account.capabilities] == ["decrypt", "metadata"]
