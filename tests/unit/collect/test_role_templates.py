"""The audit role as CloudFormation and Terraform: valid, parameterized, and the same statements as the list."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import cfnlint.api
import hcl2
import pytest
import yaml
from click.testing import CliRunner
from scanner.cli import group
from scanner.collect.permissions import RoleKind, audit_role, member_actions
from scanner.collect.role_templates import cloudformation_template, terraform_module
from scanner.errors import UsageError

TRUSTED = "arn:aws-cn:iam::111122223333:role/security/audit"
ASKED = {"trusted_arn": TRUSTED, "external_id": "e-1", "member_role": "audit/KmsScanReadOnly"}
KINDS: tuple[RoleKind, ...] = ("member", "hub", "management")


def resolved(value: Any, parameters: dict[str, Any]) -> Any:
    """A template's value with its intrinsic functions done, in partition aws-cn."""
    if isinstance(value, list):
        return [resolved(entry, parameters) for entry in value]
    if not isinstance(value, dict):
        return value
    (first, *others) = value
    if first == "Ref":
        return parameters[value[first]]["Default"]
    if first == "Fn::Select":
        index, entries = value[first]
        return resolved(entries, parameters)[index]
    if first == "Fn::Split":
        sign, text = value[first]
        return resolved(text, parameters).split(sign)
    if first == "Fn::Sub":
        text, names = value[first] if isinstance(value[first], list) else (value[first], {})
        held = {"AWS::Partition": "aws-cn", **{n: resolved(v, parameters) for n, v in names.items()}}
        for name, parameter in parameters.items():
            held.setdefault(name, parameter["Default"])
        for name, replacement in held.items():
            text = text.replace("${" + name + "}", replacement)
        assert "${" not in text
        return text
    assert not others or not first.startswith("Fn::")
    return {name: resolved(entry, parameters) for name, entry in value.items()}


def problems(text: str) -> list[Any]:
    """Errors and warnings of cfn-lint; its rules `I…` are tips about style."""
    return [match for match in cfnlint.api.lint_all(text) if not match.rule.id.startswith("I")]


@pytest.mark.parametrize("kind", KINDS)
def test_cloudformation_passes_cfn_lint_without_a_warning(kind: RoleKind) -> None:
    assert problems(cloudformation_template(kind=kind, **ASKED)) == []


def test_cfn_lint_sees_a_template_that_is_wrong() -> None:
    text = cloudformation_template(kind="member", **ASKED).replace("Ref: RolePath", "Ref: Missing")
    assert problems(text)


@pytest.mark.parametrize("kind", KINDS)
def test_cloudformation_makes_the_role_that_policy_prints(kind: RoleKind) -> None:
    template = yaml.safe_load(cloudformation_template(kind=kind, **ASKED))
    expected = audit_role(kind=kind, **ASKED)
    properties = resolved(template["Resources"]["AuditRole"]["Properties"], template["Parameters"])
    assert properties["AssumeRolePolicyDocument"] == json.loads(expected.trust_policy)
    assert properties["Policies"][0]["PolicyDocument"] == json.loads(expected.permissions_policy)


def test_member_template_is_ready_for_a_stack_set() -> None:
    template = yaml.safe_load(cloudformation_template(kind="member", **ASKED))
    assert {name: entry["Default"] for name, entry in template["Parameters"].items()} == {
        "TrustedPrincipalArn": TRUSTED,
        "ExternalId": "e-1",
        "RoleName": "KmsScanReadOnly",
        "RolePath": "/audit/",
    }
    (resource,) = template["Resources"].values()
    assert TRUSTED.split(":")[4] not in json.dumps(resource)
    assert "arn:aws" not in json.dumps(resource)


@pytest.mark.parametrize("kind", KINDS)
def test_template_has_no_alias_that_cloudformation_would_refuse(kind: RoleKind) -> None:
    assert not [
        token
        for token in yaml.scan(cloudformation_template(kind=kind, **ASKED))
        if hasattr(token, "value") and type(token).__name__ in {"AliasToken", "AnchorToken"}
    ]


def terraform_text(value: str) -> str:
    """What Terraform makes of a string in partition aws-cn, with the defaults of the variables."""
    values = {
        "data.aws_partition.current.partition": "aws-cn",
        "local.trusted_account_id": "111122223333",
        "var.trusted_principal_arn": TRUSTED,
        "var.external_id": "e-1",
        "var.member_role_name": "audit/KmsScanReadOnly",
    }
    for name, replacement in values.items():
        value = value.replace("${" + name + "}", replacement)
    return value.replace("$${", "${").replace("%%{", "%{")


@pytest.mark.parametrize("kind", KINDS)
def test_terraform_parses_and_makes_the_role_that_policy_prints(kind: RoleKind) -> None:
    text = terraform_module(kind=kind, **ASKED)
    parsed = hcl2.load(io.StringIO(text))
    assert {next(iter(block)).strip('"') for block in parsed["resource"]} == {"aws_iam_role", "aws_iam_role_policy"}
    documents = [json.loads(terraform_text(part.partition(")\n}")[0])) for part in text.split("jsonencode(")[1:]]
    expected = audit_role(kind=kind, **ASKED)
    assert documents == [json.loads(expected.trust_policy), json.loads(expected.permissions_policy)]


def test_terraform_reads_no_template_in_what_was_typed() -> None:
    hostile = 'arn:aws:iam::111122223333:role/%{for}"{x}/audit'
    text = terraform_module(kind="member", **{**ASKED, "trusted_arn": hostile})
    assert hcl2.load(io.StringIO(text))
    assert '"arn:aws:iam::111122223333:role/%%{for}\\"{x}/audit"' in text


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "${AWS::AccountId}", "a/"])
def test_role_name_that_iam_refuses_is_refused(name: str) -> None:
    for render in (cloudformation_template, terraform_module):
        with pytest.raises(UsageError):
            render(kind="member", **{**ASKED, "member_role": name})


@pytest.mark.parametrize("form", ["policy", "cloudformation", "terraform"])
def test_role_command_writes_every_form(tmp_path: Path, form: str) -> None:
    out = tmp_path / "role"
    command = ["role", form, "--trusted-arn", TRUSTED, "--external-id", "e-1", "--out", str(out)]
    assert CliRunner().invoke(group, command, standalone_mode=False).return_value == 0
    assert all(action in out.read_text() for action in member_actions())


def test_role_command_refuses_more_than_one_principal() -> None:
    command = ["role", "terraform", "--trusted-arn", "arn:aws:iam::111122223333:root", "--external-id", "e-1"]
    result = CliRunner().invoke(group, command, standalone_mode=False)
    assert isinstance(result.exception, UsageError)
