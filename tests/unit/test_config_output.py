"""What the configuration prints, hashes, hands to editors and writes for a new user."""

import json
import stat
from pathlib import Path

import pytest
from scanner.config import (
    LoadedSettings,
    check_secrets,
    config_hash,
    config_schema,
    load_settings,
    resolve_external_id,
    show,
    write_starter,
)
from scanner.config.schema import Settings
from scanner.errors import ConfigError, OutputError, UsageError
from scanner.resources import example_config
from scanner.yamltext import read_yaml


def loaded(**flags: object) -> LoadedSettings:
    given = {key.replace("__", "."): value for key, value in flags.items()}
    return load_settings(None, environ={}, flags={"aws.member_role": "Audit", **given})


def with_override(external_id: str) -> Settings:
    return Settings.model_validate({"accounts": {"overrides": {"012345670123": {"external_id": external_id}}}})


def test_shown_configuration_can_be_read_again(tmp_path: Path) -> None:
    """`config show > config.yaml` gives the same settings."""
    before = loaded(accounts__ids="012345670123", limits__deadline="90m", keys__include_tags=("a=b",))
    path = tmp_path / "config.yaml"
    path.write_text(show(before, origin=False))
    assert load_settings(path, environ={}, flags={}).settings == before.settings


def test_origin_is_one_line_per_value(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("version: 1\naws:\n  member_role: Audit\n")
    result = load_settings(path, environ={"KMS_SCAN_GATE_FAIL_ON": "low"}, flags={"regions.include": "eu-*"})
    lines = {line.split(": ")[0]: line for line in show(result, origin=True).splitlines()}
    assert set(lines) == set(result.origins)
    assert lines["aws.member_role"].endswith(f"# {path}:3")
    assert lines["gate.fail_on"].split() == ["gate.fail_on:", "low", "#", "env", "KMS_SCAN_GATE_FAIL_ON"]
    assert lines["regions.include"].split() == ["regions.include:", "[eu-*]", "#", "flag"]
    assert lines["limits.deadline"].split() == ["limits.deadline:", "2h", "#", "default"]


@pytest.mark.parametrize("origin", [True, False])
def test_literal_external_id_is_masked_everywhere(origin: bool) -> None:
    result = loaded(aws__external_id="s3cr3t-value")
    assert "s3cr3t" not in show(result, origin=origin)
    assert "********" in show(result, origin=origin)
    settings = with_override("s3cr3t-value")
    masked = show(LoadedSettings(settings, (), result.origins, None), origin=origin)
    assert "s3cr3t" not in masked
    assert "s3cr3t" not in repr(result)
    assert "s3cr3t" not in repr(settings)


def test_reference_to_an_external_id_is_shown() -> None:
    assert "env:SCAN_ID" in show(loaded(aws__external_id="env:SCAN_ID"), origin=False)


def test_shown_values_cannot_control_the_terminal() -> None:
    settings = Settings.model_validate({"keys": {"include_tags": {"a": ["\u202e\u200b"]}}})
    shown = show(LoadedSettings(settings, (), loaded().origins, None), origin=False)
    assert not set(shown) & set("\u202e\u200b\x1b")


def test_hash_depends_only_on_what_can_change_a_finding() -> None:
    base = config_hash(Settings())
    assert len(base) == 64
    same: list[dict[str, object]] = [
        {"output": {"directory": "elsewhere"}},
        {"limits": {"workers": "1"}},
        {"aws": {"external_id": "abc", "profile": "x"}},
        {"gate": {"fail_on": "none"}},
        {"logging": {"level": "debug"}},
    ]
    other: list[dict[str, object]] = [
        {"accounts": {"exclude": ["111122223333"]}},
        {"regions": {"exclude": ["eu-*"]}},
        {"keys": {"include": ["*"]}},
        {"trust": {"organizations": [{"id": "o-abcdef1234"}]}},
        {"analysis": {"scp": "false"}},
        {"severity": {"sensitive_tags": {"a": ["b"]}}},
        {"suppressions": {"max_days": "1"}},
    ]
    assert {config_hash(Settings.model_validate(tree)) for tree in same} == {base}
    assert len({base, *(config_hash(Settings.model_validate(tree)) for tree in other)}) == len(other) + 1


def test_hash_ignores_external_ids_of_overrides() -> None:
    assert config_hash(with_override("one")) == config_hash(with_override("two"))
    assert config_hash(with_override("one")) != config_hash(Settings())


def test_hash_is_stable_between_releases() -> None:
    """A change here makes every earlier run incomparable: raise it on purpose only."""
    assert config_hash(Settings()) == "ae8f2a47d605aba08cb3d3a63bf9e1180b43879e51e9d4d52ec4ea7431678ee1"


def test_schema_describes_every_setting_and_forbids_others() -> None:
    schema = config_schema()
    json.dumps(schema)
    assert schema["required"] == ["version", "aws"]
    assert schema["$defs"]["Aws"]["required"] == ["member_role"]
    assert not [
        (name, key)
        for name, model in schema["$defs"].items()
        for key, entry in model["properties"].items()
        if not entry.get("description")
    ]
    assert all(model["additionalProperties"] is False for model in (schema, *schema["$defs"].values()))


def test_schema_takes_values_as_people_write_them() -> None:
    definitions = config_schema()["$defs"]
    assert definitions["Limits"]["properties"]["deadline"]["type"] == "string"
    assert {"type": "integer"} in definitions["Accounts"]["properties"]["ids"]["items"]["anyOf"]


# ExternalId


def test_external_id_comes_from_literal_variable_or_file(tmp_path: Path) -> None:
    secret = tmp_path / "id"
    secret.write_text("from-file\n")
    assert resolve_external_id(None, {}) is None
    assert resolve_external_id("literal:1", {}) == "literal:1"
    assert resolve_external_id("env:SCAN_ID", {"SCAN_ID": "from-env"}) == "from-env"
    assert resolve_external_id(f"file:{secret}", {}) == "from-file"


def test_external_id_that_cannot_be_resolved_is_said_without_its_value(tmp_path: Path) -> None:
    bad = tmp_path / "id"
    bad.write_text("not valid s3cr3t")
    for value, environ, words in (
        ("env:SCAN_ID", {}, "environment variable `SCAN_ID` is not set"),
        ("env:SCAN_ID", {"SCAN_ID": ""}, "is not set"),
        ("env:SCAN_ID", {"SCAN_ID": "s3cr3t with spaces"}, "holds no ExternalId"),
        (f"file:{tmp_path / 'missing'}", {}, "cannot be read"),
        (f"file:{bad}", {}, "holds no ExternalId"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            resolve_external_id(value, environ)
        assert "s3cr3t" not in caught.value.message


def test_unset_external_id_warns_at_check_and_stops_a_run() -> None:
    settings = Settings.model_validate(
        {
            "aws": {"external_id": "env:A"},
            "accounts": {"overrides": {"012345670123": {"external_id": "env:B"}}},
        }
    )
    expected = (
        "aws.external_id: environment variable `A` is not set",
        "accounts.overrides.012345670123.external_id: environment variable `B` is not set",
    )
    assert check_secrets(settings, {}, strict=False) == expected
    with pytest.raises(ConfigError) as caught:
        check_secrets(settings, {}, strict=True)
    assert caught.value.problems == expected
    assert check_secrets(settings, {"A": "aa", "B": "bb"}, strict=True) == ()


# init


def test_init_writes_both_files_for_the_user_only(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "new" / "folder", force=False)
    assert [path.name for path in written] == ["config.yaml", "suppressions.yaml"]
    assert written[0].read_text(encoding="utf-8") == example_config()
    assert read_yaml(written[1].read_text(encoding="utf-8")).value == {"version": "1", "suppressions": []}
    assert [stat.S_IMODE(path.stat().st_mode) for path in written] == [0o600, 0o600]
    assert sorted(path.name for path in written[0].parent.iterdir()) == ["config.yaml", "suppressions.yaml"]


def test_written_config_loads(tmp_path: Path) -> None:
    config, _ = write_starter(tmp_path, force=False)
    assert load_settings(config, environ={}, flags={}).settings.aws.member_role == "KmsScanReadOnly"


@pytest.mark.parametrize("name", ["config.yaml", "suppressions.yaml"])
def test_init_never_overwrites_and_writes_nothing_then(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match=name) as caught:
        write_starter(tmp_path, force=False)
    assert "--force" in str(caught.value.hint)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_init_with_force_replaces_a_link_and_not_its_target(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "config.yaml").symlink_to(target)
    with pytest.raises(UsageError):
        write_starter(folder, force=False)
    write_starter(folder, force=True)
    assert target.read_text() == "mine"
    assert not (folder / "config.yaml").is_symlink()


def test_init_into_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_starter(tmp_path / "file", force=False)


def test_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scanner.config.starter.os.fsync", full)
    with pytest.raises(OutputError, match="no space left"):
        write_starter(tmp_path, force=False)
    assert list(tmp_path.iterdir()) == []
