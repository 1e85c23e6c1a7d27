"""How the demo's policy documents are written: statements as dictionaries, texts indented as the console saves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from scanner.model.arn import AccountId

Condition = Mapping[str, Mapping[str, str | Sequence[str]]]
Statement = dict[str, object]

CRYPTOGRAPHIC = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*")
KEY_USERS = (*CRYPTOGRAPHIC, "kms:DescribeKey")
READ_DATA = ("kms:Decrypt", "kms:DescribeKey")


def root(account_id: AccountId) -> str:
    """The account principal (R2.2)."""
    return f"arn:aws:iam::{account_id}:root"


def role(account_id: AccountId, name: str) -> str:
    """A role's ARN; `name` may carry a path."""
    return f"arn:aws:iam::{account_id}:role/{name}"


def user(account_id: AccountId, name: str) -> str:
    """A user's ARN."""
    return f"arn:aws:iam::{account_id}:user/{name}"


def statement(
    sid: str,
    actions: Sequence[str],
    *,
    effect: str = "Allow",
    principal: object = None,
    resource: str | Sequence[str] = "*",
    condition: Condition | None = None,
) -> Statement:
    """One statement in the order of elements that the console uses; a single action stays a plain string."""
    written: Statement = {"Sid": sid, "Effect": effect}
    if principal is not None:
        written["Principal"] = principal
    written["Action"] = actions[0] if len(actions) == 1 else list(actions)
    written["Resource"] = resource if isinstance(resource, str) else list(resource)
    if condition is not None:
        written["Condition"] = condition
    return written


def allow(sid: str, principal: str, actions: Sequence[str], condition: Condition | None = None) -> Statement:
    """An Allow of a key policy for one AWS principal (an ARN, a unique id, or `*`)."""
    return statement(sid, actions, principal={"AWS": principal}, condition=condition)


def allow_service(sid: str, service: str, actions: Sequence[str], condition: Condition | None = None) -> Statement:
    """An Allow of a key policy for a service principal (R2.12)."""
    return statement(sid, actions, principal={"Service": service}, condition=condition)


def key_policy(account_id: AccountId, *statements: Statement) -> str:
    """A key policy that delegates to the account's IAM policies and adds `statements` (R2.1, R2.21)."""
    return own_key_policy(allow("Enable IAM User Permissions", root(account_id), ("kms:*",)), *statements)


def own_key_policy(*statements: Statement) -> str:
    """A key policy of exactly these statements, without the one that trusts the account."""
    return text({"Version": "2012-10-17", "Id": "key-consolepolicy-3", "Statement": list(statements)}, indent=4)


def identity_policy(*statements: Statement) -> str:
    """An IAM policy, boundary, or guardrail of exactly these statements."""
    return text({"Version": "2012-10-17", "Statement": list(statements)}, indent=2)


def trust_policy(principal: object, action: str = "sts:AssumeRole", condition: Condition | None = None) -> str:
    """A role trust policy with one statement; `principal` is the whole Principal element."""
    written: Statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    if condition is not None:
        written["Condition"] = condition
    return identity_policy(written)


def service_trust(service: str) -> str:
    """The trust policy of a role for an AWS service."""
    return trust_policy({"Service": service})


def text(document: Mapping[str, object], *, indent: int) -> str:
    """The JSON text of a document."""
    return json.dumps(document, indent=indent)
