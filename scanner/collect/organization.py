"""Reads the organization: its tree, its accounts, and the policies that guard them.

Whatever cannot be read becomes a row in the ledger: guardrails nobody read are unknown, never absent (R3.56, R10.4).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from scanner.collect.accounts import Tree
from scanner.collect.documents import keep_document
from scanner.collect.outcome import CallFailedError, Failure
from scanner.collect.wire import Unit, call, pages
from scanner.model.coverage import Outcome
from scanner.snapshot.rows import AccountRow, OrganizationRow, OrgAttachmentRow, OrgMemberRow, OrgPolicyRow, OuRow

SERVICE_CONTROL_POLICY = "SERVICE_CONTROL_POLICY"
RESOURCE_CONTROL_POLICY = "RESOURCE_CONTROL_POLICY"
_EVERYWHERE = "p-RCPFullAWSAccess"
_ALWAYS_THERE = {SERVICE_CONTROL_POLICY: "p-FullAWSAccess", RESOURCE_CONTROL_POLICY: _EVERYWHERE}


@dataclass(frozen=True, slots=True)
class OrganizationFacts:
    """What became of reading it. `state`: `read`, `partial`, `none` (in no organization) or `unreadable`."""

    state: str
    tree: Tree
    message: str = ""


def read_organization(unit: Unit) -> OrganizationFacts:
    """Read everything the caller may; rows and ledger go to the unit's record."""
    try:
        organization = call(unit, "organizations:DescribeOrganization", {})["Organization"]
    except CallFailedError as error:
        return _without(unit, error.failure)
    unit.ledger("organizations:DescribeOrganization", "", Outcome.OK)
    management = str(organization.get("MasterAccountId", ""))
    tree, types, tree_read = _read_tree(unit, management)
    scp_read = _read_policies(unit, SERVICE_CONTROL_POLICY, types)
    rcp_read = _read_policies(unit, RESOURCE_CONTROL_POLICY, types)
    unit.record.rows.append(
        OrganizationRow(
            id=str(organization.get("Id", "")),
            management_account_id=management,
            management_account_arn=str(organization.get("MasterAccountArn", "")),
            root_id=tree.root_id,
            scp_enabled=_enabled(types, SERVICE_CONTROL_POLICY),
            rcp_enabled=_enabled(types, RESOURCE_CONTROL_POLICY),
            tree_read=tree_read,
            scp_read=scp_read,
            rcp_read=rcp_read,
        )
    )
    whole = not any(outcome.is_gap for outcome in (tree_read, scp_read, rcp_read))
    return OrganizationFacts("read" if whole else "partial", tree)


def list_accounts(unit: Unit) -> Tree:
    """Accounts without the tree, for a caller who may list but not walk. Raises CallFailedError."""
    tree = Tree()
    for page in pages(unit, "organizations:ListAccounts"):
        for account in page["Accounts"]:
            row = _account(account)
            tree.accounts[row.account_id] = row
    unit.ledger("organizations:ListAccounts", "", Outcome.OK if tree.accounts else Outcome.EMPTY)
    return tree


def _without(unit: Unit, failure: Failure) -> OrganizationFacts:
    if failure.code == "AWSOrganizationsNotInUseException":
        message = "the account is in no organization"
        unit.ledger("organizations:DescribeOrganization", "", Outcome.EMPTY, message=message)
        return OrganizationFacts("none", Tree(), failure.message)
    unit.failed("organizations:DescribeOrganization", "", failure)
    return OrganizationFacts("unreadable", Tree(), f"{failure.code}: {failure.message}")


def _read_tree(unit: Unit, management: str) -> tuple[Tree, Mapping[str, str] | None, Outcome]:
    """The tree, the status of each policy type (None: unknown), and how reading it ended."""
    tree = Tree()
    try:
        roots = [root for page in pages(unit, "organizations:ListRoots") for root in page["Roots"]]
    except CallFailedError as error:
        return tree, None, unit.failed("organizations:ListRoots", "", error.failure)
    if not roots:
        unit.ledger("organizations:ListRoots", "", Outcome.MALFORMED, message="the answer names no root")
        return tree, None, Outcome.MALFORMED
    unit.ledger("organizations:ListRoots", "", Outcome.OK)
    tree.root_id = str(roots[0].get("Id", ""))
    types = {str(entry.get("Type")): str(entry.get("Status")) for entry in roots[0].get("PolicyTypes", ())}
    outcome = _walk(unit, tree)
    if management not in tree.accounts:
        # A member account can be answered an empty tree instead of a refusal; the management account is always in it.
        if not outcome.is_gap:
            outcome = Outcome.MALFORMED
            message = f"the tree does not hold the management account {management}"
            unit.ledger("organizations:ListAccountsForParent", tree.root_id, outcome, message=message)
        return Tree(), None, outcome
    tree.complete = not outcome.is_gap
    _keep_tree(unit, tree)
    return tree, types, outcome


def _walk(unit: Unit, tree: Tree) -> Outcome:
    """Breadth first through the OUs; the first gap is the outcome, the rest is still read."""
    worst = Outcome.OK
    queue = deque([tree.root_id])
    while queue:
        parent = queue.popleft()
        accounts, outcome = _children(unit, parent, "organizations:ListAccountsForParent", "Accounts")
        worst = _worse(worst, outcome)
        for entry in accounts:
            row = _account(entry)
            tree.accounts[row.account_id] = row
            tree.parents[row.account_id] = parent
        operation = "organizations:ListOrganizationalUnitsForParent"
        ous, outcome = _children(unit, parent, operation, "OrganizationalUnits")
        worst = _worse(worst, outcome)
        for entry in ous:
            ou = OuRow(str(entry.get("Id", "")), parent, str(entry.get("Name", "")))
            if ou.id not in tree.ous:
                tree.ous[ou.id] = ou
                queue.append(ou.id)
    return worst


def _children(unit: Unit, parent: str, operation: str, member: str) -> tuple[list[Mapping[str, Any]], Outcome]:
    """What hangs below a parent, as far as it was read, and how reading it ended.

    A parent that was listed and is gone says that the tree changed while it was read: what hung there may have moved to
    a place that was read before, so the members are not known to be complete.
    """
    found: list[Mapping[str, Any]] = []
    try:
        for page in pages(unit, operation, {"ParentId": parent}, parent):
            found.extend(page[member])
    except CallFailedError as error:
        failure = error.failure
        if failure.outcome is Outcome.GONE:
            failure = replace(failure, outcome=Outcome.ERROR)
        return found, unit.failed(operation, parent, failure)
    unit.ledger(operation, parent, Outcome.OK)
    return found, Outcome.OK


def _worse(worst: Outcome, outcome: Outcome) -> Outcome:
    return outcome if outcome.is_gap and not worst.is_gap else worst


def _keep_tree(unit: Unit, tree: Tree) -> None:
    unit.record.rows.extend(tree.ous.values())
    unit.record.rows.extend(OrgMemberRow(account_id, parent) for account_id, parent in tree.parents.items())


def _account(entry: Mapping[str, Any]) -> AccountRow:
    return AccountRow(
        account_id=str(entry.get("Id", "")),
        name=str(entry.get("Name", "")),
        email=str(entry.get("Email", "")),
        status=str(entry.get("State") or entry.get("Status") or ""),
        in_organization=True,
    )


def _enabled(types: Mapping[str, str] | None, kind: str) -> bool | None:
    """Whether a policy type protects anybody; None where that is unknown or changing right now."""
    if types is None:
        return None
    return {"ENABLED": True, "": False}.get(types.get(kind, ""))


def _read_policies(unit: Unit, kind: str, types: Mapping[str, str] | None) -> Outcome:
    """Policies of a type with their texts and targets; `empty` where the type is not enabled."""
    operation = "organizations:ListPolicies"
    if types is not None and kind not in types:
        unit.ledger(operation, kind, Outcome.EMPTY, message="the policy type is not enabled in the organization")
        return Outcome.EMPTY
    try:
        policies = [p for page in pages(unit, operation, {"Filter": kind}, kind) for p in page["Policies"]]
    except CallFailedError as error:
        return unit.failed(operation, kind, error.failure)
    if _ALWAYS_THERE[kind] not in {policy.get("Id") for policy in policies}:
        message = f"the answer lacks `{_ALWAYS_THERE[kind]}`, which every organization has"
        unit.ledger(operation, kind, Outcome.MALFORMED, message=message)
        return Outcome.MALFORMED
    unit.ledger(operation, kind, Outcome.OK)
    worst = Outcome.OK
    for policy in policies:
        _read_policy(unit, kind, policy)
        outcome = _read_targets(unit, str(policy.get("Id", "")))
        worst = _worse(worst, outcome)
    return worst


def _read_policy(unit: Unit, kind: str, policy: Mapping[str, Any]) -> None:
    policy_id = str(policy.get("Id", ""))
    operation, sha256 = "organizations:DescribePolicy", None
    try:
        content = call(unit, operation, {"PolicyId": policy_id}, policy_id)["Policy"].get("Content")
    except CallFailedError as error:
        unit.failed(operation, policy_id, error.failure)
    else:
        sha256 = keep_document(unit, operation, policy_id, content)
    unit.record.rows.append(
        OrgPolicyRow(
            policy_id=policy_id,
            type=kind,
            name=str(policy.get("Name", "")),
            arn=str(policy.get("Arn", "")),
            aws_managed=bool(policy.get("AwsManaged")),
            document_sha256=sha256,
        )
    )


def _read_targets(unit: Unit, policy_id: str) -> Outcome:
    """Where a policy is attached. RCPFullAWSAccess is everywhere by definition and is not asked for."""
    operation = "organizations:ListTargetsForPolicy"
    if policy_id == _EVERYWHERE:
        return Outcome.OK
    try:
        for page in pages(unit, operation, {"PolicyId": policy_id}, policy_id):
            targets = (str(target.get("TargetId", "")) for target in page["Targets"])
            unit.record.rows.extend(OrgAttachmentRow(target, policy_id) for target in targets)
    except CallFailedError as error:
        return unit.failed(operation, policy_id, error.failure)
    unit.ledger(operation, policy_id, Outcome.OK)
    return Outcome.OK
