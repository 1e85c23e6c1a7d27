"""Decides where the accounts of a made-up organization hang, which guardrails hold there, and who is in it."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.model.coverage import LedgerRow, Outcome
from scanner.snapshot.rows import (
    AccountRow,
    OrganizationRow,
    OrgAttachmentRow,
    OrgMemberRow,
    OrgPolicyRow,
    OuRow,
    UnitRecord,
)

from synthetic.documents import Json, allow, deny, policy, text
from synthetic.shape import ORG_ID, REGIONS, ROOT_ID, STAGES, TEAMS, Account, Shape

SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
_FULL_SCP, _FULL_RCP = "p-FullAWSAccess", "p-RCPFullAWSAccess"
_PERIMETER = {
    "StringNotEqualsIfExists": {"aws:PrincipalOrgID": ORG_ID},
    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
}
_GUARDRAILS: dict[str, tuple[str, Json]] = {
    "p-regions01": (
        SCP,
        policy({
            "Sid": "Regions", "Effect": "Deny", "NotAction": ["iam:*", "organizations:*", "sts:*", "support:*"],
            "Resource": "*", "Condition": {"StringNotEquals": {"aws:RequestedRegion": [*REGIONS, "ap-southeast-3"]}},
        }),
    ),
    "p-nodelete1": (SCP, policy(deny(["kms:ScheduleKeyDeletion", "kms:DeleteImportedKeyMaterial"], Sid="KeepKeys"))),
    "p-sandbox01": (
        SCP,
        policy(deny(["kms:CreateGrant", "kms:PutKeyPolicy"], Condition={
            "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/OrganizationAccountAccessRole"},
        })),
    ),
    "p-perimeter": (
        RCP,
        policy({"Effect": "Deny", "Principal": "*", "Action": "kms:*", "Resource": "*", "Condition": _PERIMETER}),
    ),
}  # fmt: skip


def ou_of(account: Account) -> str:
    """The organizational unit of an account: a stage of a team under the workloads, every ninth in the sandbox."""
    if account.number == 0:
        return ROOT_ID
    if account.number % 9 == 4:
        return "ou-synt-sandbox0"
    return f"ou-synt-{account.stage}{TEAMS.index(account.team)}xxx"


def _ous() -> Iterator[OuRow]:
    yield OuRow("ou-synt-workload", ROOT_ID, "Workloads")
    yield OuRow("ou-synt-sandbox0", ROOT_ID, "Sandbox")
    for stage in STAGES:
        yield OuRow(f"ou-synt-{stage}xxxx", "ou-synt-workload", stage.title())
        for number, team in enumerate(TEAMS):
            yield OuRow(f"ou-synt-{stage}{number}xxx", f"ou-synt-{stage}xxxx", f"{team}-{stage}")


def _policies(record: UnitRecord, management: str) -> Iterator[OrgPolicyRow]:
    def row(policy_id: str, kind: str, name: str, document: Json, *, aws: bool) -> OrgPolicyRow:
        arn = f"arn:aws:organizations::{management}:policy/{ORG_ID}/{kind.lower()}/{policy_id}"
        return OrgPolicyRow(policy_id, kind, name, arn, aws, record.document(text(document)))

    yield row(_FULL_SCP, SCP, "FullAWSAccess", policy(allow("*")), aws=True)
    full = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    yield row(_FULL_RCP, RCP, "RCPFullAWSAccess", policy(full), aws=True)
    for policy_id, (kind, document) in _GUARDRAILS.items():
        yield row(policy_id, kind, policy_id.removeprefix("p-"), document, aws=False)


def _attachments(shape: Shape, ous: list[OuRow]) -> Iterator[OrgAttachmentRow]:
    for target in (ROOT_ID, *(ou.id for ou in ous), *(account.id for account in shape.accounts)):
        yield OrgAttachmentRow(target, _FULL_SCP)
    yield OrgAttachmentRow(ROOT_ID, "p-regions01")
    yield OrgAttachmentRow("ou-synt-prodxxxx", "p-nodelete1")
    yield OrgAttachmentRow("ou-synt-sandbox0", "p-sandbox01")
    yield OrgAttachmentRow("ou-synt-prod0xxx", "p-perimeter")
    yield OrgAttachmentRow("ou-synt-sandbox0", "p-perimeter")


def organization(shape: Shape) -> UnitRecord:
    """The unit of the organization: its tree, its guardrails, and that all of it was read."""
    record = UnitRecord("organization")
    management, ous = shape.accounts[0], list(_ous())
    arn = f"arn:aws:organizations::{management.id}:account/{ORG_ID}/{management.id}"
    read = (Outcome.OK, Outcome.OK, Outcome.OK)
    policies = list(_policies(record, management.id))
    record.rows.append(OrganizationRow(ORG_ID, management.id, arn, ROOT_ID, True, True, *read))
    record.rows.extend([*ous, *policies, *_attachments(shape, ous)])
    record.rows.extend(OrgMemberRow(account.id, ou_of(account)) for account in shape.accounts)
    calls = [("DescribeOrganization", ""), ("ListRoots", ""), ("ListPolicies", SCP), ("ListPolicies", RCP)]
    for parent in (ROOT_ID, *(ou.id for ou in ous)):
        calls += [("ListAccountsForParent", parent), ("ListOrganizationalUnitsForParent", parent)]
    for row in policies:
        calls += [("DescribePolicy", row.policy_id), ("ListTargetsForPolicy", row.policy_id)]
    for call, subject in calls:
        record.ledger(LedgerRow(management.id, "global", f"organizations:{call}", subject, Outcome.OK))
    return record


def accounts(shape: Shape) -> UnitRecord:
    """The unit that lists the accounts: all of them active, in scope and entered."""
    record = UnitRecord("accounts")
    record.rows.extend(
        AccountRow(a.id, a.name, f"aws+{a.name}@synthetic.example", "ACTIVE", in_organization=True, collected=True)
        for a in shape.accounts
    )
    return record
