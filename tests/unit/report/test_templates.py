"""Templates of the user: each replaces ours of the same name, and none switches escaping off."""

from __future__ import annotations

from pathlib import Path

import pytest
from scanner.errors import UsageError
from scanner.report.context import PageSources
from scanner.report.directory import RunDirectory
from scanner.report.options import ReportOptions
from scanner.report.pages import HtmlOptions
from scanner.report.write import render_all

import report_builders as build


def rendered(tmp_path: Path, **files: str) -> str:
    """The page with these files in the user's folder; `__` stands for a dot in a name."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    directory = RunDirectory.create(tmp_path, "run")
    sources = PageSources(build.key_rows(), {}, build.documents)
    document = build.hostile_document("<b>hostile</b>")
    options = HtmlOptions(templates=folder)
    render_all(
        document,
        sources,
        directory,
        ReportOptions(
            (
                "html",
                "csv",
            ),
            html=options,
        ),
    )
    return (directory.path / "report.html").read_text(encoding="utf-8")


def test_template_of_the_user_replaces_ours_and_the_others_stay(tmp_path: Path) -> None:
    page = rendered(tmp_path, finding__html__j2="<p>mine {{ card.finding.id }}</p>\n")
    assert "<p>mine kx-pnfc3b5nav5y</p>" in page
    assert '<section id="method"' in page
    assert '<details class="finding' not in page


def test_stylesheet_and_script_of_the_user_are_allowed_by_their_hash(tmp_path: Path) -> None:
    page = rendered(tmp_path, report__css=".mine { color: red }", report__js="/* no */ mine()")
    assert "<style>.mine { color: red }" in page
    assert "<script>mine()</script>" in page


def test_template_of_the_user_prints_no_text_of_aws_as_markup(tmp_path: Path) -> None:
    page = rendered(tmp_path, finding__html__j2="{{ card.finding.title }}")
    assert "&lt;b&gt;hostile" in page
    assert "<b>hostile" not in page


@pytest.mark.parametrize(
    ("name", "text", "place", "what"),
    [
        ("finding.html.j2", "<p>\n{% endif %}\n</p>\n", "finding.html.j2:2", "endif"),
        ("finding.html.j2", "<p>\n{{ card.finding.nothing }}\n", "finding.html.j2:2", "nothing"),
        ("finding.html.j2", "\n\n{{ card.finding.title | safe }}\n", "finding.html.j2:3", "safe"),
        (
            "finding.html.j2",
            "\n{%- autoescape false %}{% endautoescape %}",
            "finding.html.j2:2",
            "autoescape",
        ),
        ("finding.html.j2", "{% include 'gone.html.j2' %}\n", "finding.html.j2:1", "gone.html.j2"),
        ("finding.html.j2", "{{ card.finding.title + 1 }}\n", "finding.html.j2:1", "str"),
        ("report.css", "a { content: '</style>' }", "report.css", "</"),
    ],
)
def test_broken_template_is_told_with_its_place_and_nothing_is_written(
    name: str, text: str, place: str, what: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        rendered(tmp_path, **{name.replace(".", "__"): text})
    assert str(tmp_path / "mine" / place) in caught.value.message
    assert what in caught.value.message
    assert list((tmp_path / "run").iterdir()) == []


def test_template_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "report.css").write_bytes(b"\xff\xfe")
    directory = RunDirectory.create(tmp_path, "run")
    sources = PageSources((), {}, build.documents)
    options = HtmlOptions(templates=folder)
    with pytest.raises(UsageError, match=r"mine/report\.css: the template cannot be used"):
        render_all(build.document(), sources, directory, ReportOptions(("html",), html=options))
    assert list((tmp_path / "run").iterdir()) == []


def test_folder_without_a_template_of_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no template") as caught:
        rendered(tmp_path, findings__html="typo")
    assert "finding.html.j2" in str(caught.value.hint)
