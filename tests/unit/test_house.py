"""The house as its papers describe it: commands, links, tables, packaging, import contracts."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest
import scanner.analyze
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from scanner import ENGINE, __version__, cli, errors
from scanner.analyze.summary import LIMITS
from scanner.report.method import EXIT_CODES
from scanner.resources import example_config, template_root

ROOT = Path(__file__).parents[2]
PAPERS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/cases/*.md")])
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
README = (ROOT / "README.md").read_text("utf-8")

paper = pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.relative_to(ROOT).as_posix())


def blocks(text: str, language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def tracked() -> list[Path]:
    """Files of the repository, those not yet added included."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


# -- papers -----------------------------------------------------------------------------------------------------------


def test_papers_a_newcomer_looks_for_exist() -> None:
    names = {path.name for path in PAPERS}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} <= names
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence


def anchors(text: str) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@paper
def test_relative_links_lead_to_files_and_headings_that_exist(paper: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", paper.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (paper.parent / name).resolve() if name else paper
        found = target.exists() and target.is_relative_to(ROOT)
        if not found or (anchor and anchor not in anchors(target.read_text("utf-8"))):
            broken.append(link)
    assert broken == []


def test_papers_for_users_claim_no_absence() -> None:
    spoken = [path for path in PAPERS if not path.is_relative_to(ROOT / "tests")]
    assert [path.name for path in spoken if re.search(r"\bnobody\b", path.read_text("utf-8"), re.IGNORECASE)] == []


def typed_commands(text: str) -> Iterator[list[str]]:
    """What follows `kms-scan` where it opens a line of shell."""
    for block in blocks(text, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] in (["kms-scan"], [".venv/bin/kms-scan"]):
                end = next((i for i, word in enumerate(words) if re.match(r"[0-9]?>|[|&;]", word)), len(words))
                yield words[1:end]


@paper
def test_every_command_that_is_shown_exists_with_its_options(paper: Path) -> None:
    for words in typed_commands(paper.read_text("utf-8")):
        command: click.Command = cli.group
        rest = list(words)
        while isinstance(command, click.Group):
            assert rest, f"`kms-scan {' '.join(words)}` names no command"
            found = command.get_command(click.Context(command), rest[0])
            assert found is not None, f"`{rest[0]}` in `kms-scan {' '.join(words)}` is no command"
            command, rest = found, rest[1:]
        command.make_context(command.name, rest)


@paper
def test_every_make_target_that_is_shown_exists(paper: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = {name for line in re.findall(r"^([a-z][a-z ]*):", makefile, re.MULTILINE) for name in line.split()}
    text = paper.read_text("utf-8")
    shown = {name for block in blocks(text, "sh") for name in re.findall(r"^make ([a-z]+)", block, re.MULTILINE)}
    shown |= set(re.findall(r"`make ([a-z]+)`", text))
    assert shown <= targets


def test_commands_in_papers_are_seen_at_all() -> None:
    assert {"init", "role", "config", "run", "analyze", "report", "test"} <= {
        words[0] for words in typed_commands(README)
    }


def test_readme_mentions_every_command() -> None:
    for name in cli.group.list_commands(click.Context(cli.group)):
        assert re.search(rf"`(kms-scan )?{name}\b|kms-scan {name}\b", README), name


# -- tables that repeat what the program says -------------------------------------------------------------------------


def table_rows(heading: str) -> list[tuple[str, ...]]:
    """The first table under a heading of the README, without its head."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows[2:]]


def test_exit_codes_of_the_readme_are_those_of_the_report() -> None:
    assert [row[:2] for row in table_rows("Exit codes")] == [tuple(row) for row in EXIT_CODES.rows]


def test_exit_code_of_every_error_stands_in_the_readme() -> None:
    codes = {code for row in table_rows("Exit codes") for code in row[0].split(", ")}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.KmsScanError)]
    assert {str(kind.exit_code) for kind in kinds} <= codes


def test_limits_of_the_readme_are_those_of_the_report() -> None:
    section = README.split("\n## Limits\n", 1)[1].split("\n## ", 1)[0]
    assert [line.removeprefix("- ") for line in section.splitlines() if line.startswith("- ")] == list(LIMITS)


def test_map_of_the_code_names_every_package() -> None:
    section = README.split("\n## Map of the code\n", 1)[1]
    packages = {path.parent.name for path in (ROOT / "scanner").glob("*/__init__.py")} - {"data"}
    assert {name for name in packages if f"(scanner/{name})" not in section} == set()


def without_moments(text: str) -> str:
    """The demo's output without what differs from run to run: run id, time, duration and size."""
    text = re.sub(r"\d{4}-\d\d-\d\dT\d{4}Z-[0-9a-f]{4}", "RUN", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z +[\dhms]+", "TIME", text)
    return re.sub(r"\(\d[\d.,]* [kM]B\)", "(SIZE)", text).strip()


def test_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    program = "from scanner.cli import main; main(['demo', '--quiet'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = blocks(README.split("<!-- demo -->", 1)[1], "text")[0]
    assert without_moments(done.stdout) == without_moments(shown)


def test_case_file_of_the_readme_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "access.yaml"
    path.write_text(blocks(README.split("<!-- case: access.yaml -->", 1)[1], "yaml")[0], encoding="utf-8")
    with pytest.raises(SystemExit) as exit_:
        cli.main(["test", str(path)])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == "2 passed, 0 failed\n"


# -- version ----------------------------------------------------------------------------------------------------------


def test_version_has_one_home_and_reaches_the_installation() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert "version" not in PROJECT["project"]
    home = (ROOT / PROJECT["tool"]["hatch"]["version"]["path"]).read_text("utf-8")
    assert f'__version__ = "{__version__}"' in home
    assert version("kms-scan") == __version__


def test_changelog_opens_with_this_version_and_engine() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = changelog.split("\n## ", 2)[1]
    assert newest.startswith(f"[{__version__}]")
    assert f"Engine {ENGINE}," in newest


# -- packaging --------------------------------------------------------------------------------------------------------


def test_wheel_is_told_to_pack_every_file_that_is_read_at_run_time() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["scanner"]
    assert wheel["force-include"] == {
        "reports/templates": "scanner/_data/templates",
        "config.example.yaml": "scanner/_data/config.example.yaml",
    }
    assert {"report.html.j2", "finding.html.j2", "report.css"} <= {entry.name for entry in template_root().iterdir()}
    assert example_config().startswith("#")
    for name in ("snapshot/schema.sql", "data/regions.json"):
        assert (ROOT / "scanner" / name).is_file()


def requirements() -> list[Requirement]:
    """Everything the project asks for, of every extra, itself aside."""
    project = PROJECT["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    return [found for found in map(Requirement, lines) if found.name != "kms-scan"]


def test_requirements_have_lower_bounds_only() -> None:
    assert [str(r) for r in requirements() if {s.operator for s in r.specifier} != {">="}] == []


def test_lock_holds_exact_versions_of_every_requirement_and_no_index() -> None:
    lines = (ROOT / "requirements.lock").read_text("ascii").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)] == []
    locked = {canonicalize_name(name): pin for name, pin in (line.split("==") for line in pins)}
    for requirement in requirements():
        pin = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{requirement} is locked at {pin}"


def test_botocore_of_the_lock_knows_the_policies_that_ram_manages() -> None:
    bounds = {r.name: r.specifier for r in requirements() if r.name in {"boto3", "botocore"}}
    for name, specifier in bounds.items():
        assert not specifier.contains("1.44.3"), f"{name} 1.44.3 leaves AWS_RAM key policies unread"
    assert len(bounds) == 2


# -- structure --------------------------------------------------------------------------------------------------------


def test_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    places = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/[\w.]")
    found = []
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {line.strip()}" for line in text.splitlines() if places.search(line)]
    assert found == []


MODULES = sorted((ROOT / "scanner").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_module_says_what_it_decides_and_stays_small(module: Path) -> None:
    text = module.read_text("utf-8")
    tree = ast.parse(text)
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(tree) or not text
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f.name for f in functions if f.end_lineno is None or f.end_lineno - f.lineno + 1 > 50] == []


def test_no_browser_test_waits_for_text_that_the_page_would_have_to_evaluate() -> None:
    """A page with our policy refuses `eval` from the second look on, so such a wait fails on a slow machine only."""
    tests = sorted((ROOT / "tests" / "browser").glob("test_*.py"))
    assert tests
    assert [path.name for path in tests if "wait_for_function" in path.read_text("utf-8")] == []


def test_ci_script_can_be_run_and_stops_at_the_first_failure() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111 == 0o111
    assert "set -euo pipefail" in script.read_text("utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_index_of_the_analysis_names_every_part_once() -> None:
    index = scanner.analyze.__doc__ or ""
    folder = Path(scanner.analyze.__path__[0])
    parts = [path.stem for path in folder.glob("*") if path.stem not in {"__init__", "__pycache__"}]
    named = re.findall(r"`([a-z_]+)`", index)
    assert sorted(named) == sorted(parts)
