"""Settings are read from file, environment and flags with every error at once, and nothing is guessed."""

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from scanner.config import NOT_YET, LoadedSettings, find_config, load_settings
from scanner.config.checks import setting
from scanner.config.layers import environment_name, setting_keys
from scanner.config.schema import Settings
from scanner.errors import ConfigError, UnavailableError, UsageError
from scanner.model.arn import AccountId
from scanner.report.options import FORMATS
from scanner.resources import example_config
from scanner.yamltext import read_yaml

TODAY = dt.date(2026, 11, 22)
ROLE = "version: 1\naws:\n  member_role: Audit\n"

BAD_FILE = """\
version: 1
aws:
  member_rol: KmsScanReadOnly
  profile: audit

accounts:
  source: organisation
  exclude: ["111122223333", 12345678901]

gate:
  fail_on: critical
trust:
  accounts:
    - id: "444455556666"
      name: Payroll SaaS
      owner: hr-platform@acme.example
      expires: 2027-02-31
      approved_by: RISK-1042

limits:
  workers: 8
  deadline: 2 hours
gate:
  fail_on: low
"""

BAD_FILE_OUTPUT = """\
bad.yaml:2: aws.member_role is required
bad.yaml:3: aws.member_rol is not a setting (did you mean `member_role`?)
bad.yaml:7: accounts.source is `organisation`, must be one of organization, ids or file (did you mean `organization`?)
bad.yaml:8: accounts.exclude.1 is `12345678901`, must be a 12-digit account id
bad.yaml:14: trust.accounts.0.purpose is required
bad.yaml:17: trust.accounts.0.expires is `2027-02-31`: input should be a valid date or datetime, \
day value is outside expected range
bad.yaml:22: limits.deadline must be a duration such as 20s, 15m or 2h
bad.yaml:23: gate appears twice; the first one would be lost
8 problem(s)"""


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(
    text: str | None = ROLE, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> LoadedSettings:
    path = None
    if text is not None:
        path = Path("config.yaml")
        path.write_text(text, encoding="utf-8")
    return load_settings(path, environ=environ or {}, flags=flags or {}, today=TODAY)


def refused(
    text: str | None, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(text, environ, flags)
    return caught.value.problems


def enabled_example() -> str:
    """The example with its commented parts switched on: `key: []` before a commented list loses its brackets."""
    lines = example_config().splitlines()
    result: list[str] = []
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if re.match(r"  #  ", line):
            result.append(line.replace("#", " ", 1))
        elif re.match(r"  \w+: \[\]", line) and following.startswith("  #  "):
            result.append(line.replace("[]", "", 1))
        else:
            result.append(line)
    return "\n".join(result) + "\n"


def test_bad_file_reports_every_problem_at_once() -> None:
    Path("bad.yaml").write_text(BAD_FILE, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(Path("bad.yaml"), environ={}, flags={})
    assert str(caught.value) == BAD_FILE_OUTPUT


def test_example_validates_and_equals_the_defaults() -> None:
    """The comments of the example and the schema cannot drift apart."""
    settings = load(example_config()).settings
    assert settings.aws.member_role == "KmsScanReadOnly"
    assert settings.model_copy(update={"aws": Settings().aws}) == Settings()
    assert settings.aws.model_copy(update={"member_role": None}) == Settings().aws


def test_example_names_every_setting_of_the_schema_in_order() -> None:
    """A setting that is missing in the example, or only there, is an oversight."""
    tree = read_yaml(example_config()).value
    assert isinstance(tree, dict)
    named = [(section, key) for section, entry in tree.items() for key in (entry if isinstance(entry, dict) else ())]
    assert [("version",), *named] == list(setting_keys())


def test_example_with_its_commented_parts_validates() -> None:
    """Copying the example can approve nobody; switching its examples on approves exactly those."""
    trust = load(enabled_example()).settings.trust
    assert [approval.id for approval in trust.accounts] == ["444455556666"]
    assert [provider.subjects for provider in trust.identity_providers] == [("repo:acme/*",)]
    assert [boundary.sensitive for boundary in trust.boundaries] == [True, False]


def test_inline_examples_of_the_comments_validate() -> None:
    settings = load(
        """\
version: 1
aws: {member_role: KmsScanReadOnly, external_id: env:KMS_SCAN_EXTERNAL_ID}
accounts:
  source: ids
  ids: ["111122223333", "444455556666"]
  include_ous: ["ou-ab12-11111111", "/Workloads/Prod"]
  overrides: {"111122223333": {role_arn: "arn:aws:iam::111122223333:role/Other", regions: [eu-*]}}
regions: {include: [eu-*, us-gov-*]}
keys: {include_tags: {data-class: [pii, secret]}}
trust:
  organizations: [{id: o-abcdef1234, name: Acme EU, owner: ciso@acme.example, accounts: []}]
analysis: {context: {"aws:SourceVpce": vpce-1}}
severity:
  sensitive_tags: {data-class: [pii, pci]}
  overrides: [{match: {capability: metadata}, severity: info, reason: "DescribeKey accepted, RISK-7"}]
"""
    ).settings
    assert settings.accounts.overrides[AccountId("111122223333")].regions == ("eu-*",)
    assert settings.severity.overrides[0].severity == "info"
    assert settings.analysis.context == {"aws:SourceVpce": ("vpce-1",)}


def test_unquoted_account_id_keeps_its_leading_zero() -> None:
    text = ROLE + "accounts:\n  source: ids\n  ids: [012345670123]\n  exclude: [ 000000000001 ]\n"
    accounts = load(text).settings.accounts
    assert (accounts.ids, accounts.exclude) == (("012345670123",), ("000000000001",))


def test_values_are_typed() -> None:
    settings = load(
        ROLE
        + "  session_duration: 1h\n  scope_down: false\nanalysis:\n  as_of: 2026-11-22T01:10:00+01:00\n"
        + "limits: {deadline: 90s, workers: 4}\n"
    ).settings
    assert settings.aws.session_duration == dt.timedelta(hours=1)
    assert settings.aws.scope_down is False
    assert settings.analysis.as_of == dt.datetime(2026, 11, 22, 0, 10, tzinfo=dt.UTC)
    assert (settings.limits.deadline, settings.limits.workers) == (dt.timedelta(seconds=90), 4)


def test_settings_are_frozen() -> None:
    settings = load().settings
    with pytest.raises(ValueError, match="frozen"):
        settings.gate.fail_on = "low"


def test_section_without_entries_is_empty() -> None:
    assert load(ROLE + "accounts:\n  # ids: []\nregions:\n").settings.accounts == Settings().accounts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accounts: {ids: 111122223333}", "accounts.ids is `111122223333`, must be a list (write `[111122223333]`)"),
        ("accounts: {exclude: }", "accounts.exclude must be a list such as [a, b]"),
        ("accounts: {include_ous: [Prod]}", "accounts.include_ous.0 is `Prod`, must be an organizational unit id such"),
        ("accounts: x", "accounts is `x`, must be a mapping of names to values"),
        ("accounts: {overrides: {12: {}}}", "accounts.overrides.12 is `12`, must be a 12-digit account id"),
        ("regions: {include: []}", "regions.include must not be empty"),
        ("regions: {include: [eu-wst-1]}", "(did you mean `eu-west-1`?)"),
        ("regions: {include: [mars-*]}", "regions.include.0 is `mars-*`, must be a region, a glob that matches one,"),
        ("regions: {exclude: [all-enabled]}", "regions.exclude.0 is `all-enabled`, must be a region"),
        ("regions: {opt_in: yes}", "regions.opt_in is `yes`, must be true or false"),
        ("keys: {managers: [customers]}", "must be one of customer or aws (did you mean `customer`?)"),
        ("keys: {include: [alias/card]}", "keys.include.0 is `alias/card`, must be a key ARN, an alias ARN or a glob"),
        ("keys: {include: [1234abcd-12ab-34cd-56ef-1234567890ab]}", "(did you mean `*:key/1234abcd-12ab-"),
        ("keys: {include: ['arn:aws:s3:::bucket']}", "must be a key ARN, an alias ARN or a glob of them"),
        ("keys: {include_tags: {a: []}}", "keys.include_tags.a must not be empty"),
        ("logging: {level: }", "logging.level must be one of debug, info, warning or error"),
        (f"aws_profile: {'x' * 200}", "aws_profile is not a setting"),
        (f"gate: {{baseline: {'x' * 2000}}}", f"gate.baseline is `{'x' * 80}…`, must be at most 1,024 characters"),
        ("limits: {processes: 257}", "limits.processes is `257`, must be auto or a whole number from 1 to 256"),
        ("keys: {include_tags: [a]}", "keys.include_tags must be a mapping of names to values"),
        ("limits: {workers: 0}", "limits.workers is `0`: input should be greater than or equal to 1"),
        ("limits: {workers: 1_000}", "limits.workers is `1_000`, must be a whole number"),
        ("limits: {processes: many}", "limits.processes is `many`, must be auto or a whole number from 1 to 256"),
        ("limits: {deadline: 0s}", "limits.deadline must be a duration such as 20s, 15m or 2h"),
        ("limits: {deadline: }", "limits.deadline must be a duration such as 20s, 15m or 2h"),
        ("limits: {read_timeout: 1:30}", "limits.read_timeout must be a duration such as 20s, 15m or 2h"),
        ("gate: {min_coverage: 101}", "gate.min_coverage is `101`: input should be less than or equal to 100"),
        ("analysis: {as_of: 2026-11-22T00:10}", "analysis.as_of is `2026-11-22T00:10`, must be a date such as"),
        ("analysis: {as_of: 2026-13-01}", "analysis.as_of is `2026-13-01`, must be a date that exists"),
        ("analysis: {context: {mfa: true}}", "analysis.context.mfa is `mfa`, must be a condition key such as"),
        ("output: {directory: ''}", "output.directory is ``, must be a path"),
        ("outputs: {}", "outputs is not a setting (did you mean `output`?)"),
        ("member_role: X", "member_role is not a setting (did you mean `aws.member_role`?)"),
        ("zzz: 1", "zzz is not a setting"),
        ("trust: {organizations: [{id: acme}]}", "must be an organization id such as o-abcdef1234"),
        ("trust: {accounts: [x]}", "trust.accounts.0 is `x`, must be a mapping of names to values"),
        ("trust: {boundaries: [{name: p, match: {}}]}", "trust.boundaries.0.match must hold one of ou or account"),
        (
            "trust: {boundaries: [{name: p, match: {ou: /A}}, {name: p, match: {ou: /B}}]}",
            "trust.boundaries.1.name is `p`, which another boundary is called already",
        ),
        ("severity: {overrides: [{match: {}, severity: low, reason: r}]}", "must name at least one property"),
    ],
)
def test_wrong_value_says_where_what_and_what_to_do(text: str, expected: str) -> None:
    (problem,) = refused(f"{ROLE}{text}\n")
    assert problem.startswith("config.yaml:4: ")
    assert expected in problem


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("member_role: arn:aws:iam::111122223333:role/audit/X", "(did you mean `audit/X`?)"),
        ("home_region: us-east-7", "aws.home_region is `us-east-7`, must be a region (did you mean `us-east-"),
        ("partition: aws-chn", "(did you mean `aws-cn`?)"),
        ("partition: aws-cn", "aws.home_region `us-east-1` is in partition `aws`, aws.partition is `aws-cn`"),
        ("hub_role_arn: Hub", "aws.hub_role_arn is `Hub`, must be a role ARN"),
        ("hub_role_arn: arn:aws:iam::111122223333:user/x", "must be a role ARN"),
        ("session_duration: 5m", "aws.session_duration is `5m`, must be between 15m and 12h"),
        ("session_name: scan-{account}", "aws.session_name is `scan-{account}`, must be 2 to 64"),
        ("session_name: kms-scan-{run_id}-" + "x" * 40, "must be 2 to 64"),
    ],
)
def test_wrong_credential_setting_is_refused(line: str, expected: str) -> None:
    text = f"version: 1\naws:\n  {line}\n" + ("" if line.startswith("member_role") else "  member_role: Audit\n")
    (problem,) = refused(text)
    assert expected in problem


@pytest.mark.parametrize("value", ["a b c secret", "§", "env:not a name", "§file:"])
def test_wrong_external_id_is_refused_without_repeating_it(value: str) -> None:
    (problem,) = refused(f"{ROLE}  external_id: '{value}'\n")
    assert problem.startswith("config.yaml:4: aws.external_id must be env:NAME")
    assert value not in problem


def test_shape_of_file_is_checked() -> None:
    assert refused("- a\n") == ("config.yaml:1: must be a mapping of settings",)
    assert refused("just text") == ("config.yaml:1: must be a mapping of settings",)
    (problem,) = refused("version: 1\naws: [\n")
    assert problem.startswith("config.yaml:3: is not YAML")


def test_empty_file_lacks_version_and_role() -> None:
    assert refused("") == ("config.yaml:1: version is required", "config.yaml:1: aws.member_role is required")


def test_other_version_is_refused_before_anything_else_is_judged() -> None:
    (problem,) = refused("version: 2\nnew_section: {}\n")
    assert problem == (
        "config.yaml:1: version is `2`, must be 1, the version this release reads; a newer release of kms-scan reads it"
    )
    (problem,) = refused("version: one\n")
    assert problem == "config.yaml:1: version is `one`, must be 1, the version this release reads"


def test_file_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(UsageError, match="cannot be read") as caught:
            load_settings(path, environ={}, flags={})
        assert caught.value.hint is not None
    Path("latin.yaml").write_bytes(b"version: 1\naws: {profile: M\xfcller}\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml:2: is not UTF-8 text"):
        load_settings(Path("latin.yaml"), environ={}, flags={})


def test_hostile_name_in_a_file_cannot_control_the_terminal() -> None:
    (problem,) = refused(ROLE + '"x\\e[2J": 1\n')
    assert "\x1b" not in problem
    assert r"\x1b[2J is not a setting" in problem


def test_key_selectors_are_arns_aliases_and_globs() -> None:
    include = (
        "arn:aws:kms:eu-west-1:012345670123:key/mrk-1",
        "arn:aws:kms:eu-west-1:012345670123:alias/a",
        "*:alias/b",
    )
    assert load(ROLE, None, {"keys.include": include}).settings.keys.include == include


@pytest.mark.parametrize("selector", ["tag:app=payroll", "tag:app=", "*:alias/payroll"])
def test_approval_covers_keys_by_tag_or_glob(selector: str) -> None:
    (approved,) = load(ROLE + approval(keys=selector)).settings.trust.accounts
    assert approved.keys == (selector,)


@pytest.mark.parametrize("selector", ["tag:app", "tag:=x", "payroll"])
def test_approval_with_a_wrong_selector_is_refused(selector: str) -> None:
    (problem,) = refused(ROLE + approval(keys=selector))
    assert f"trust.accounts.0.keys.0 is `{selector}`, must be" in problem


@pytest.mark.parametrize("expires", ["soon", "2027-3-1", "1806451200", "20270331"])
def test_expiry_that_is_no_iso_date_is_refused(expires: str) -> None:
    """pydantic alone would read a number as seconds since 1970."""
    (problem,) = refused(ROLE + approval(expires=expires))
    assert problem.endswith(f"trust.accounts.0.expires is `{expires}`, must be a date such as 2027-03-31")


def test_settings_can_be_built_from_typed_values() -> None:
    """Other parts and their tests build settings without a file."""
    built = Settings.model_validate(
        {
            "version": 1,
            "aws": {"session_duration": dt.timedelta(hours=1), "scope_down": False},
            "analysis": {"as_of": dt.datetime(2026, 11, 22, tzinfo=dt.timezone(dt.timedelta(hours=1)))},
            "output": {"directory": Path("out")},
            "limits": {"workers": 4, "processes": 2},
        }
    )
    assert (built.limits.workers, built.limits.processes, built.aws.scope_down) == (4, 2, False)
    assert built.analysis.as_of == dt.datetime(2026, 11, 21, 23, tzinfo=dt.UTC)
    assert load(ROLE + "analysis: {as_of: 2026-11-22}\n").settings.analysis.as_of == dt.datetime(
        2026, 11, 22, tzinfo=dt.UTC
    )
    with pytest.raises(ValueError, match="with its zone"):
        Settings.model_validate({"analysis": {"as_of": dt.datetime(2026, 11, 22)}})  # noqa: DTZ001 # the wrong value


# Rules across settings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accounts: {source: ids}", "config.yaml:4: accounts.ids is required with accounts.source `ids`"),
        ("accounts: {source: file}", "config.yaml:4: accounts.file is required with accounts.source `file`"),
        (
            "accounts: {source: ids, ids: [111122223333], exclude: [111122223333]}",
            "config.yaml:4: accounts.exclude removes every account of accounts.ids",
        ),
        (
            "regions: {include: [eu-west-1], exclude: [eu-*]}",
            "config.yaml:4: regions.exclude removes every region of regions.include",
        ),
        ("regions: {exclude: ['*']}", "config.yaml:4: regions.exclude removes every region of regions.include"),
        (
            "accounts: {overrides: {111122223333: {role_arn: 'arn:aws:iam::444455556666:role/X'}}}",
            "config.yaml:4: accounts.overrides.111122223333.role_arn is a role of account 444455556666",
        ),
        ("gate: {new_only: true}", "config.yaml:4: gate.new_only needs gate.baseline"),
        (
            "  hub_role_arn: arn:aws:iam::111122223333:role/Hub\n  session_duration: 2h",
            "config.yaml:5: aws.session_duration must be at most 1h with aws.hub_role_arn (AWS caps chained roles)",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(text: str, expected: str) -> None:
    assert refused(f"{ROLE}{text}\n") == (expected,)


def test_cross_rule_is_reported_together_with_wrong_values() -> None:
    """A mistake in one place does not hide a contradiction in another."""
    problems = refused(ROLE + "gate:\n  new_only: true\n  fail_on: hihg\nlimits:\n  workers: x\n")
    assert [problem.split(" ")[1] for problem in problems] == ["gate.new_only", "gate.fail_on", "limits.workers"]


def test_cross_rule_is_silent_where_its_own_setting_is_wrong() -> None:
    (problem,) = refused(ROLE + "accounts: {source: ids, ids: [12]}\n")
    assert "12-digit" in problem


def approval(account_id: str = "444455556666", expires: str = "2027-03-31", keys: str = "*") -> str:
    entry = f"{{id: {account_id}, name: Vendor, purpose: Backup, owner: me, expires: {expires}, keys: ['{keys}']}}"
    return f"trust:\n  accounts:\n    - {entry}\n"


def test_approval_longer_than_two_years_is_refused() -> None:
    (problem,) = refused(ROLE + approval(expires="2029-01-01"))
    assert problem == "config.yaml:6: trust.accounts.0.expires is `2029-01-01`, must be within two years from today"


def test_approval_of_an_own_account_is_refused() -> None:
    (problem,) = refused(ROLE + "accounts: {source: ids, ids: [444455556666]}\n" + approval())
    assert "trust.accounts.0.id is `444455556666`, one of your own accounts" in problem
    organizations = "  organizations: [{id: o-abcdef1234, accounts: [444455556666]}]\n"
    (problem,) = refused(ROLE + approval() + organizations)
    assert "one of your own accounts" in problem


@pytest.mark.parametrize("subject", ["*", "**", "*?*"])
def test_provider_subject_that_matches_everybody_is_refused(subject: str) -> None:
    provider = f"{{issuer: gitlab.example, subjects: ['{subject}'], owner: me, expires: 2027-03-31}}"
    (problem,) = refused(ROLE + f"trust:\n  identity_providers:\n    - {provider}\n")
    assert "narrower: it approves every subject of the issuer" in problem


def test_coverage_gate_of_zero_and_unused_lists_warn() -> None:
    loaded = load(ROLE + "accounts:\n  ids: [111122223333]\ngate:\n  min_coverage: 0\n")
    assert loaded.warnings == (
        "config.yaml:5: accounts.ids is not used, accounts.source is `organization`",
        "config.yaml:7: gate.min_coverage is 0: a run that reads nothing passes this gate",
    )


# Precedence


def test_flag_wins_over_environment_over_file_over_default() -> None:
    text = ROLE + "gate:\n  fail_on: low\n"
    environ = {"KMS_SCAN_GATE_FAIL_ON": "medium"}
    flags = {"gate.fail_on": "critical"}
    assert load(ROLE).settings.gate.fail_on == "high"
    assert load(text).settings.gate.fail_on == "low"
    assert load(text, environ).settings.gate.fail_on == "medium"
    assert load(text, environ, flags).settings.gate.fail_on == "critical"


def test_origin_of_every_value_is_known() -> None:
    loaded = load(ROLE + "gate:\n  fail_on: low\n", {"KMS_SCAN_LIMITS_WORKERS": "8"}, {"regions.include": ("eu-*",)})
    assert set(loaded.origins) == {".".join(key) for key in setting_keys()}
    assert loaded.origins["gate.fail_on"] == "config.yaml:5"
    assert loaded.origins["limits.workers"] == "env KMS_SCAN_LIMITS_WORKERS"
    assert loaded.origins["regions.include"] == "flag"
    assert loaded.origins["output.formats"] == "default"


def test_lists_are_replaced_and_never_merged() -> None:
    text = ROLE + "regions: {include: [us-east-1, us-west-2]}\n"
    assert load(text, {"KMS_SCAN_REGIONS_INCLUDE": "eu-west-1, eu-north-1"}).settings.regions.include == (
        "eu-west-1",
        "eu-north-1",
    )


def test_every_setting_has_an_environment_name_of_its_own() -> None:
    names = [environment_name(path) for path in setting_keys()]
    assert len(set(names)) == len(names)
    assert environment_name(("gate", "fail_on")) == "KMS_SCAN_GATE_FAIL_ON"


def test_empty_environment_variable_is_null_or_an_empty_list() -> None:
    text = ROLE + "  profile: audit\nkeys: {include: ['*']}\n"
    settings = load(text, {"KMS_SCAN_AWS_PROFILE": "", "KMS_SCAN_KEYS_INCLUDE": ""}).settings
    assert (settings.aws.profile, settings.keys.include) == (None, ())


def test_structured_setting_in_the_environment_is_refused() -> None:
    (problem,) = refused(ROLE, {"KMS_SCAN_TRUST_ACCOUNTS": "444455556666"})
    assert problem == (
        "env KMS_SCAN_TRUST_ACCOUNTS: trust.accounts cannot be set in the environment "
        "(write it in the configuration file)"
    )


def test_unknown_environment_variable_warns_and_a_named_secret_does_not() -> None:
    text = ROLE + "  external_id: env:KMS_SCAN_EXTERNAL_ID\n"
    environ = {
        "KMS_SCAN_EXTERNAL_ID": "s3cr3t",
        "KMS_SCAN_GATE_FAILON": "hunter2",
        "KMS_SCAN_CONFIG": "config.yaml",
        "OTHER": "x",
    }
    loaded = load(text, environ)
    assert loaded.warnings == (
        "env KMS_SCAN_GATE_FAILON: is not a setting and was ignored (did you mean `KMS_SCAN_GATE_FAIL_ON`?)",
    )


def test_variable_of_somebody_else_does_not_warn() -> None:
    environ = {"KMS_SCAN_EXTERNAL_ID": "s3cr3t", "KMS_SCAN_IMAGE_TAG": "7", "KMS_SCAN_GATE_ZZZZZZZZZZZZZZ": "1"}
    assert load(ROLE, environ).warnings == ("env KMS_SCAN_GATE_ZZZZZZZZZZZZZZ: is not a setting and was ignored",)


def test_swapped_letters_are_one_slip() -> None:
    with pytest.raises(ConfigError, match="did you mean `us-east-1`"):
        load(ROLE + "  home_region: us-esat-1\n")


def test_unknown_format_suggests_only_formats_that_work() -> None:
    with pytest.raises(ConfigError) as refused:
        load(ROLE + "output: {formats: [pdf]}\n")
    assert refused.value.problems[0].endswith(
        "output.formats.0 is `pdf`, must be one of html, csv, json, ocsf, asff or sarif"
    )


def test_problems_are_also_told_to_programs() -> None:
    with pytest.raises(ConfigError) as refused:
        load(ROLE + "  home_region: us-esat-1\n", {"KMS_SCAN_GATE_FAIL_ON": "hgh"})
    file, variable = refused.value.details
    assert (file["line"], file["suggestion"]) == (4, "us-east-1")
    assert file["message"] == "aws.home_region is `us-esat-1`, must be a region"
    assert (variable["file"], variable["line"], variable["suggestion"]) == ("env KMS_SCAN_GATE_FAIL_ON", None, "high")


def test_wrong_flag_or_variable_is_named_instead_of_a_line() -> None:
    variable, flag = refused(ROLE, {"KMS_SCAN_LIMITS_WORKERS": "many"}, {"regions.include": ("eu-wst-1",)})
    assert variable == "env KMS_SCAN_LIMITS_WORKERS: limits.workers is `many`, must be a whole number"
    assert flag == (
        "--regions: regions.include.0 is `eu-wst-1`, must be a region, a glob that matches one, all-enabled or "
        "default-only (did you mean `eu-west-1`?)"
    )


def test_mistake_in_the_file_is_reported_even_when_a_flag_replaces_it() -> None:
    (problem,) = refused(ROLE + "gate:\n  fail_on: hihg\n", None, {"gate.fail_on": "low"})
    assert problem.startswith("config.yaml:5: gate.fail_on is `hihg`")


def test_flag_repairs_a_contradiction_in_the_file() -> None:
    text = ROLE + "accounts:\n  source: ids\n"
    assert load(text, None, {"accounts.ids": ("111122223333",)}).settings.accounts.ids == ("111122223333",)


def test_accounts_on_the_command_line_are_the_source() -> None:
    loaded = load(ROLE, None, {"accounts.ids": ("012345670123,111122223333", "444455556666")})
    assert loaded.settings.accounts.source == "ids"
    assert loaded.settings.accounts.ids == ("012345670123", "111122223333", "444455556666")
    assert loaded.origins["accounts.source"] == "flag"
    assert load(ROLE, {"KMS_SCAN_ACCOUNTS_IDS": "012345670123"}).settings.accounts.source == "ids"


def test_accounts_flag_wins_over_a_source_in_the_environment() -> None:
    environ = {"KMS_SCAN_ACCOUNTS_SOURCE": "organization"}
    assert load(ROLE, environ, {"accounts.ids": ("111122223333",)}).settings.accounts.source == "ids"


def test_flags_accept_typed_values_and_ignore_what_was_not_typed() -> None:
    flags = {
        "limits.workers": 4,
        "output.directory": Path("out"),
        "aws.scope_down": False,
        "gate.fail_on": None,
        "keys.include": (),
        "keys.include_tags": ("app=a=b", "app=c"),
    }
    loaded = load(ROLE, None, flags)
    settings = loaded.settings
    assert (settings.limits.workers, settings.output.directory, settings.aws.scope_down) == (4, Path("out"), False)
    assert settings.keys.include_tags == {"app": ("a=b", "c")}
    assert loaded.origins["gate.fail_on"] == "default"


def test_tag_flag_without_value_is_refused() -> None:
    assert refused(ROLE, None, {"keys.include_tags": ("app",)}) == (
        "--key-tag: keys.include_tags is `app`, must be KEY=VALUE",
    )


def test_flag_for_an_unknown_setting_is_a_mistake_of_the_program() -> None:
    with pytest.raises(KeyError):
        load(ROLE, None, {"gate.fial_on": "low"})


def test_role_flag_makes_a_file_unnecessary() -> None:
    loaded = load_settings(None, environ={}, flags={"aws.member_role": "Audit"}, require_role=True)
    assert (loaded.settings.aws.member_role, loaded.path) == ("Audit", None)


def test_role_flag_satisfies_a_file_without_role() -> None:
    assert load("version: 1\n", None, {"aws.member_role": "Audit"}).settings.aws.member_role == "Audit"


def test_collecting_without_file_and_role_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"aws\.member_role is required \(give --role"):
        load_settings(None, environ={}, flags={}, require_role=True)
    assert load_settings(None, environ={}, flags={}).settings == Settings()


# What this version does not have


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("output.redact", "[emails]"),
        ("limits.processes", "2"),
    ],
)
def test_setting_of_an_unbuilt_part_is_refused_at_any_but_its_default(key: str, value: str) -> None:
    section, name = key.split(".")
    with pytest.raises(UnavailableError) as caught:
        load(f"{ROLE}{section}:\n  {name}: {value}\n")
    assert caught.value.message == f"config.yaml:5: {key} is not available in this version"
    assert caught.value.exit_code == 2


def test_every_format_of_the_configuration_is_one_that_reports_write() -> None:
    assert load(ROLE, None, {"output.formats": ",".join(FORMATS)}).settings.output.formats == FORMATS


def test_every_unavailable_setting_is_listed_and_errors_come_first() -> None:
    text = ROLE + "limits:\n  processes: 2\noutput:\n  redact: [emails]\n"
    with pytest.raises(UnavailableError) as caught:
        load(text)
    assert caught.value.message.splitlines() == [
        "config.yaml:5: limits.processes is not available in this version",
        "config.yaml:7: output.redact is not available in this version",
    ]
    assert len(refused(text + "gate: {min_coverage: x}\n")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "analysis: {scp: false, rcp: false, insiders: true, service_principals: all}",
        "output: {keep_runs: 3, csv_dialect: rfc4180, formats: [json, ocsf, asff, sarif], html_max_findings: 10}",
        "severity: {sensitive_tags: {a: [b]}}",
        "keys: {managers: [customer, aws], states: [enabled]}",
    ],
)
def test_built_part_accepts_other_values(text: str) -> None:
    assert load(f"{ROLE}{text}\n").settings != Settings()


# Finding the file


def test_config_is_the_flag_then_the_environment_then_the_folder(tmp_path: Path) -> None:
    environ = {"KMS_SCAN_CONFIG": "named.yaml"}
    assert find_config(Path("flag.yaml"), environ=environ, directory=tmp_path) == Path("flag.yaml")
    assert find_config(None, environ=environ, directory=tmp_path) == Path("named.yaml")
    assert find_config(None, environ={}, directory=tmp_path) is None
    (tmp_path / "config.yaml").write_text(ROLE)
    assert find_config(None, environ={}, directory=tmp_path) == tmp_path / "config.yaml"


def test_every_not_yet_key_is_a_setting() -> None:
    for key in NOT_YET:
        setting(Settings(), tuple(key.split(".")))
