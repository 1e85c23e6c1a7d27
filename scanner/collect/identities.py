"""Reads an account's IAM: users, groups, roles, policies with their exact text, and identity providers (R10.3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from scanner.collect.documents import decoded, is_document, keep_document
from scanner.collect.outcome import CallFailedError
from scanner.collect.wire import Unit, call, iso, pages
from scanner.model.arn import parse_arn
from scanner.model.coverage import Outcome
from scanner.snapshot.rows import (
    GroupMemberRow,
    GroupRow,
    IdentityProviderRow,
    PolicyRow,
    PrincipalPolicyRow,
    PrincipalRow,
)

_DETAILS = "iam:GetAccountAuthorizationDetails"
Entry = Mapping[str, Any]


@dataclass(slots=True)
class _Details:
    """The pages of the authorization details, joined."""

    users: list[Entry] = field(default_factory=list)
    groups: dict[str, Entry] = field(default_factory=dict)
    roles: list[Entry] = field(default_factory=list)
    policies: dict[str, PolicyRow] = field(default_factory=dict)


def read_identities(unit: Unit) -> None:
    """Read the account's IAM; rows and ledger go to the unit's record."""
    details = _Details()
    try:
        for page in pages(unit, _DETAILS):
            details.users.extend(page.get("UserDetailList", ()))
            details.roles.extend(page.get("RoleDetailList", ()))
            details.groups.update({str(g.get("GroupName", "")): g for g in page.get("GroupDetailList", ())})
            for entry in page.get("Policies", ()):
                row = _policy(unit, entry)
                details.policies[row.arn] = row
    except CallFailedError as error:
        unit.failed(_DETAILS, "", error.failure)
    else:
        unit.ledger(_DETAILS, "", Outcome.OK)
    _keep_principals(unit, details)
    unit.record.rows.extend(details.policies.values())
    _providers(unit, "iam:ListOpenIDConnectProviders", "OpenIDConnectProviderList", "oidc")
    _providers(unit, "iam:ListSAMLProviders", "SAMLProviderList", "saml")


def _keep_principals(unit: Unit, details: _Details) -> None:
    for group in details.groups.values():
        arn = str(group.get("Arn", ""))
        name, path, unique_id = (str(group.get(member, "")) for member in ("GroupName", "Path", "GroupId"))
        unit.record.rows.append(GroupRow(arn, unit.account_id, name, path, unique_id))
    for user in details.users:
        row = _principal(unit, user, "user", "UserName", "UserId")
        unit.record.rows.append(row)
        _keep_policies(unit, details, row, user.get("UserPolicyList", ()), user.get("AttachedManagedPolicies", ()))
        for name in user.get("GroupList", ()):
            _keep_group(unit, details, row, str(name))
    for role in details.roles:
        row = _principal(unit, role, "role", "RoleName", "RoleId")
        unit.record.rows.append(row)
        _keep_policies(unit, details, row, role.get("RolePolicyList", ()), role.get("AttachedManagedPolicies", ()))
    for principal in [row for row in unit.record.rows if isinstance(row, PrincipalRow)]:
        if principal.boundary_arn is not None:
            _managed(unit, details, principal.boundary_arn)


def _principal(unit: Unit, entry: Entry, kind: str, name: str, unique_id: str) -> PrincipalRow:
    arn = str(entry.get("Arn", ""))
    trust = entry.get("AssumeRolePolicyDocument")
    boundary = entry.get("PermissionsBoundary")
    tags = {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in entry.get("Tags", ())}
    return PrincipalRow(
        arn=arn,
        account_id=unit.account_id,
        kind=kind,
        name=str(entry.get(name, "")),
        path=str(entry.get("Path", "")),
        unique_id=str(entry.get(unique_id, "")),
        tags=json.dumps(tags, sort_keys=True),
        boundary_arn=None if boundary is None else str(boundary.get("PermissionsBoundaryArn", "")),
        trust_sha256=_document(unit, f"{arn}#trust", trust) if kind == "role" else None,
        last_used=iso((entry.get("RoleLastUsed") or {}).get("LastUsedDate")),
    )


def _keep_group(unit: Unit, details: _Details, user: PrincipalRow, name: str) -> None:
    """Follow a user's group to its policies; a group that the details lack is a gap of that user's policies."""
    group = details.groups.get(name)
    if group is None:
        message = f"the details name the group `{name}`, but do not hold it"
        unit.ledger(_DETAILS, f"{user.arn}#group/{name}", Outcome.MALFORMED, message=message)
        return
    arn = str(group.get("Arn", ""))
    unit.record.rows.append(GroupMemberRow(arn, user.arn))
    inline, attached = group.get("GroupPolicyList", ()), group.get("AttachedManagedPolicies", ())
    _keep_policies(unit, details, user, inline, attached, group_arn=arn)


def _keep_policies(
    unit: Unit,
    details: _Details,
    principal: PrincipalRow,
    inline: Sequence[Entry],
    attached: Sequence[Entry],
    *,
    group_arn: str = "",
) -> None:
    prefix = "group_" if group_arn else ""
    for entry in inline:
        name = str(entry.get("PolicyName", ""))
        sha256 = _document(unit, f"{group_arn or principal.arn}#{name}", entry.get("PolicyDocument"))
        unit.record.rows.append(PrincipalPolicyRow(principal.arn, f"{prefix}inline", name, "", group_arn, sha256))
    for entry in attached:
        arn, name = str(entry.get("PolicyArn", "")), str(entry.get("PolicyName", ""))
        policy = _managed(unit, details, arn)
        row = PrincipalPolicyRow(principal.arn, f"{prefix}managed", name, arn, group_arn, policy.document_sha256)
        unit.record.rows.append(row)


def _policy(unit: Unit, entry: Entry) -> PolicyRow:
    """A managed policy of the details, its default version only (R10.12)."""
    arn, version = str(entry.get("Arn", "")), str(entry.get("DefaultVersionId", ""))
    documents = [v.get("Document") for v in entry.get("PolicyVersionList", ()) if v.get("IsDefaultVersion")]
    sha256 = _document(unit, arn, documents[0] if documents else None)
    return PolicyRow(unit.account_id, arn, _name_of(arn, entry), _aws_managed(arn), version, sha256)


def _managed(unit: Unit, details: _Details, arn: str) -> PolicyRow:
    """A managed policy, fetched where the details omit it: they lack those used only as a boundary.

    One that does not exist is a gap as well: the details say that somebody has it.
    """
    if arn not in details.policies:
        details.policies[arn] = _fetched(unit, arn)
    return details.policies[arn]


def _fetched(unit: Unit, arn: str) -> PolicyRow:
    entry: Entry = {}
    version, sha256 = "", None
    try:
        entry = call(unit, "iam:GetPolicy", {"PolicyArn": arn}, arn)["Policy"]
        unit.ledger("iam:GetPolicy", arn, Outcome.OK)
        version = str(entry.get("DefaultVersionId", ""))
        asked = {"PolicyArn": arn, "VersionId": version}
        text = call(unit, "iam:GetPolicyVersion", asked, arn)["PolicyVersion"].get("Document")
        plain = decoded(text) if isinstance(text, str) else text
        sha256 = keep_document(unit, "iam:GetPolicyVersion", arn, plain)
    except CallFailedError as error:
        failure = error.failure
        if failure.outcome is Outcome.GONE:
            failure = replace(failure, outcome=Outcome.ERROR)
        unit.failed("iam:GetPolicyVersion" if version else "iam:GetPolicy", arn, failure)
    return PolicyRow(unit.account_id, arn, _name_of(arn, entry), _aws_managed(arn), version, sha256)


def _document(unit: Unit, subject: str, text: object) -> str | None:
    """Keep a document of the details; only what does not parse gets a row, the details' own row covers the rest."""
    if not isinstance(text, str):
        unit.ledger(_DETAILS, subject, Outcome.MALFORMED, code="MissingDocument", message="there is no document")
        return None
    plain = decoded(text)
    if not is_document(plain):
        return keep_document(unit, _DETAILS, subject, plain)
    return unit.record.document(plain)


def _name_of(arn: str, entry: Entry) -> str:
    return str(entry.get("PolicyName") or arn.rsplit("/", 1)[-1])


def _aws_managed(arn: str) -> bool:
    parsed = parse_arn(arn)
    return parsed is not None and parsed.account_id == "aws"


def _providers(unit: Unit, operation: str, member: str, kind: str) -> None:
    try:
        found = [str(entry.get("Arn", "")) for entry in call(unit, operation, {})[member]]
    except CallFailedError as error:
        unit.failed(operation, "", error.failure)
        return
    unit.ledger(operation, "", Outcome.OK if found else Outcome.EMPTY)
    unit.record.rows.extend(IdentityProviderRow(arn, unit.account_id, kind) for arn in found)
