"""Renders the audit role for the tools that roll it out: CloudFormation and Terraform.

Both hold the statements of `permissions.py` and nothing of their own, and name no account but the one that was typed.
"""

from __future__ import annotations

import json
import re

import yaml

from scanner.collect.permissions import RoleKind, role_statements, trust_statement, trusted_principal
from scanner.errors import UsageError

_POLICY = "kms-scan"
_NAMES = {"hub": "KmsScanHub", "management": "KmsScanOrganization"}
"""What a role is called where that is not the name in every member."""
_ROLE_NAME = re.compile(r"(?P<path>/?(?:[A-Za-z0-9_+=,.@-]+/)*)(?P<name>[A-Za-z0-9_+=,.@-]{1,64})")
_READS = {
    "member": "reads the KMS keys, IAM and regions of one account",
    "hub": "is the first hop to the members, and reads the organization",
    "management": "reads the organization: its tree, its accounts and its policies",
}


def cloudformation_template(*, kind: RoleKind, trusted_arn: str, external_id: str, member_role: str) -> str:
    """A template in YAML, good for one stack and for a StackSet: whatever differs is a parameter.

    Raises UsageError where `audit_role` does, and for a role name that IAM refuses.
    """
    trusted_principal(trusted_arn, external_id)
    path, name = _named(kind, member_role)
    parameters: dict[str, object] = {
        "TrustedPrincipalArn": {
            **_text(trusted_arn, "The one IAM role or user that runs kms-scan."),
            "AllowedPattern": "^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?$ ]+$",
        },
        "ExternalId": {
            **_text(external_id, "What it must know to assume the role."),
            "AllowedPattern": "^[A-Za-z0-9_+=,.@:/-]{2,1224}$",
        },
        "RoleName": {**_text(name, "The name of the role, without its path."), "MaxLength": 64},
        "RolePath": _text(path, "Its path."),
    }
    if kind == "hub":
        parameters["MemberRoleName"] = _text(member_role.strip("/"), "The audit role of the members, with its path.")
    account = {"Fn::Select": [4, {"Fn::Split": [":", {"Ref": "TrustedPrincipalArn"}]}]}
    root = {"Fn::Sub": ["arn:${AWS::Partition}:iam::${Account}:root", {"Account": account}]}
    trust = trust_statement(root, {"Ref": "TrustedPrincipalArn"}, {"Ref": "ExternalId"})
    statements = role_statements(kind, "${AWS::Partition}", "${MemberRoleName}")
    for statement in statements:
        if statement["Resource"] != "*":
            statement["Resource"] = {"Fn::Sub": statement["Resource"]}
    properties = {
        "RoleName": {"Ref": "RoleName"},
        "Path": {"Ref": "RolePath"},
        "Description": f"kms-scan {_READS[kind]}",
        "AssumeRolePolicyDocument": _document(trust),
        "Policies": [{"PolicyName": _POLICY, "PolicyDocument": _document(*statements)}],
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"The role with which kms-scan {_READS[kind]}. It changes nothing.",
        "Parameters": parameters,
        "Resources": {"AuditRole": {"Type": "AWS::IAM::Role", "Properties": properties}},
        "Outputs": {"RoleArn": {"Description": "The role.", "Value": {"Fn::GetAtt": ["AuditRole", "Arn"]}}},
    }
    text: str = yaml.dump(template, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=False)
    return text.rstrip("\n")


def terraform_module(*, kind: RoleKind, trusted_arn: str, external_id: str, member_role: str) -> str:
    """A module in HCL: the same role with the same variables. Raises as `cloudformation_template` does."""
    trusted_principal(trusted_arn, external_id)
    path, name = _named(kind, member_role)
    variables = {
        "trusted_principal_arn": (trusted_arn, "The one IAM role or user that runs kms-scan."),
        "external_id": (external_id, "What it must know to assume the role."),
        "role_name": (name, "The name of the role, without its path."),
        "role_path": (path, "Its path."),
    }
    if kind == "hub":
        variables["member_role_name"] = (member_role.strip("/"), "The audit role of the members, with its path.")
    trust = trust_statement("@{account_root}", "@{trusted}", "@{external_id}")
    statements = role_statements(kind, "@{partition}", "@{member_role}")
    blocks = [
        f"variable {_quoted(variable)} {{\n"
        f"  type        = string\n  description = {_quoted(told)}\n  default     = {_quoted(value)}\n}}"
        for variable, (value, told) in variables.items()
    ]
    role = (
        'resource "aws_iam_role" "kms_scan" {\n'
        "  name               = var.role_name\n  path               = var.role_path\n"
        f"  description        = {_quoted(f'kms-scan {_READS[kind]}')}\n"
        f"  assume_role_policy = jsonencode({_object(_document(trust))})\n}}"
    )
    permissions = (
        'resource "aws_iam_role_policy" "kms_scan" {\n'
        f'  name   = "{_POLICY}"\n  role   = aws_iam_role.kms_scan.id\n'
        f"  policy = jsonencode({_object(_document(*statements))})\n}}"
    )
    return "\n\n".join((*blocks, *_SOURCES, role, permissions, _OUTPUT))


class _Plain(yaml.SafeDumper):
    """Writes a list out again where it is used twice: CloudFormation takes no YAML aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """Never an alias."""
        del data
        return True


_SOURCES = (
    'data "aws_partition" "current" {}',
    'locals {\n  trusted_account_id = split(":", var.trusted_principal_arn)[4]\n}',
)
_OUTPUT = 'output "role_arn" {\n  value = aws_iam_role.kms_scan.arn\n}'
_REFERENCES = {
    "account_root": "arn:${data.aws_partition.current.partition}:iam::${local.trusted_account_id}:root",
    "trusted": "${var.trusted_principal_arn}",
    "external_id": "${var.external_id}",
    "partition": "${data.aws_partition.current.partition}",
    "member_role": "${var.member_role_name}",
}


def _object(value: dict[str, object]) -> str:
    """A JSON object as an HCL expression: JSON is one, once its strings hold no template that we did not write."""
    text = _escaped(json.dumps(value, indent=2)).replace("\n", "\n  ")
    return re.sub(r"@\{(\w+)\}", lambda found: _REFERENCES[found[1]], text)


def _quoted(text: str) -> str:
    return _escaped(json.dumps(text))


def _escaped(text: str) -> str:
    """HCL reads `${` and `%{` in a string as templates; doubled, they are text."""
    return text.replace("${", "$${").replace("%{", "%%{")


def _text(default: str, told: str) -> dict[str, object]:
    return {"Type": "String", "Description": told, "Default": default}


def _document(*statements: dict[str, object]) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _named(kind: RoleKind, member_role: str) -> tuple[str, str]:
    """Path and name of the role that is made."""
    match = _ROLE_NAME.fullmatch(member_role)
    if match is None:
        raise UsageError(f"`{member_role}` is not the name of an IAM role", hint="such as audit/KmsScanReadOnly")
    if kind != "member":
        return "/", _NAMES[kind]
    return f"/{match['path'].strip('/')}/".replace("//", "/"), match["name"]
