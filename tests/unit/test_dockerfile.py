"""The Dockerfile, which cannot be built here: what it is made of, and what it promises."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import cfnlint.api
import pytest

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments; continued lines are joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(index for index, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def only(word: str) -> str:
    (rest,) = [rest for name, rest in final_stage() if name == word]
    return rest


def test_every_base_image_has_an_exact_version() -> None:
    bases = [rest.split()[0] for word, rest in instructions() if word == "FROM"]
    assert len(bases) == 2
    for base in bases:
        assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base), base


def test_python_of_the_image_is_one_that_the_project_supports() -> None:
    least = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    (version,) = {
        rest.split()[0].removeprefix("python:").split("-")[0] for word, rest in instructions() if word == "FROM"
    }
    assert tuple(map(int, version.split(".")[:2])) >= tuple(map(int, least.removeprefix(">=").split(".")))


def test_it_runs_as_a_numbered_user_who_is_not_root() -> None:
    user, group = only("USER").split(":")
    assert min(int(user), int(group)) >= 1000
    words = [word for word, _ in final_stage()]
    assert "RUN" not in words[words.index("USER") :]


def test_it_starts_without_a_shell() -> None:
    assert json.loads(only("ENTRYPOINT")) == ["/opt/kms-scan/bin/kms-scan"]
    assert json.loads(only("CMD")) == ["--help"]
    for word, rest in instructions():
        if word == "RUN":
            assert json.loads(rest)


def test_only_its_volume_is_written_to() -> None:
    (volume,) = json.loads(only("VOLUME"))
    assert only("WORKDIR") == volume
    settings = dict(entry.split("=") for entry in only("ENV").split())
    assert (settings["HOME"], settings["TMPDIR"], settings["PYTHONDONTWRITEBYTECODE"]) == (volume, volume, "1")
    made = next(json.loads(rest) for word, rest in final_stage() if word == "RUN")
    assert made[-1] == volume
    assert made[made.index("-o") + 1] == only("USER").split(":")[0]


def test_it_stops_with_the_signal_that_a_collection_finishes_after() -> None:
    assert only("STOPSIGNAL") == "SIGTERM"


def test_everything_that_the_installation_needs_is_copied_and_nothing_else_reaches_the_builder() -> None:
    copied = [
        source.strip("./")
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", "requirements.lock", project["project"]["readme"], *project["project"]["license-files"]}
    needed |= {*wheel["packages"], *(source.split("/")[0] for source in wheel["force-include"])}
    assert set(copied) == needed
    assert all((ROOT / name).exists() for name in copied)
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == needed


def recipe(member: str) -> dict[str, Any]:
    """The one JSON text of the recipe with this member."""
    text = (ROOT / "docs" / "sharding.md").read_text("utf-8")
    (found,) = [made for made in map(json.loads, re.findall(r"```json\n(.*?)```", text, re.DOTALL)) if member in made]
    return dict(found)


def capitalized(value: Any) -> Any:
    """The names of the ECS API as CloudFormation writes them."""
    if isinstance(value, list):
        return [capitalized(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {name[0].upper() + name[1:]: capitalized(entry) for name, entry in value.items()}


def problems(task: dict[str, Any], machine: dict[str, Any]) -> list[str]:
    """What cfn-lint has against a task definition and a state machine; its rules `I…` are tips about style."""
    role = "arn:aws:iam::999999999999:role/KmsScanParts"
    resources = {
        "Task": {"Type": "AWS::ECS::TaskDefinition", "Properties": capitalized(task)},
        "Parts": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"RoleArn": role, "Definition": machine},
        },
    }
    text = json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources})
    return [match.rule.id for match in cfnlint.api.lint_all(text) if not match.rule.id.startswith("I")]


def test_recipe_is_what_ecs_and_step_functions_take() -> None:
    assert problems(recipe("containerDefinitions"), recipe("States")) == []


def test_recipe_that_ecs_or_step_functions_would_refuse_is_seen() -> None:
    task, machine = recipe("containerDefinitions"), recipe("States")
    assert problems(task | {"cpu": "1000"}, machine)
    del machine["States"]["Parts"]["ItemProcessor"]["StartAt"]
    assert problems(task, machine) == ["E3601"]


@pytest.mark.parametrize("member", ["containerDefinitions", "States"])
def test_recipe_is_json_that_fits_the_image(member: str) -> None:
    found = recipe(member)
    if member == "States":
        commands = found["States"]["Parts"]["ItemProcessor"]["States"]["Collect"]["Parameters"]["Overrides"]
        assert [entry["Name"] for entry in commands["ContainerOverrides"]] == ["collect", "upload"]
        return
    collect = found[member][0]
    assert collect["readonlyRootFilesystem"]
    assert collect["stopTimeout"] > 30
    assert [mount["containerPath"] for mount in collect["mountPoints"]] == json.loads(only("VOLUME"))
    assert not [entry["image"] for entry in found[member] if not re.search(r":\d[\d.]+$", entry["image"])]
