"""What an answer must look like before it counts: its members, its pages, and whose it is.

botocore turns a cut-off, empty or HTML answer into an empty one without any error (`scale.md` E.1), and each of those
would read as "no keys here". So every operation we call is described here, and an answer that does not fit is rejected.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from scanner.collect.outcome import MismatchError, RejectedAnswerError
from scanner.model.arn import is_account_id, parse_arn

MAX_PAGES = 5000
"""More pages than any documented quota can fill; the end of an endless list."""


@dataclass(frozen=True, slots=True)
class Paging:
    """How an operation pages. `truncated` None: the presence of a token decides."""

    token_in: str
    token_out: str
    truncated: str | None = None
    size: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One API operation: members an answer must have, its pages, whether the answer is kept as evidence."""

    required: tuple[str, ...]
    paging: Paging | None = None
    recorded: bool = True


def _kms(limit: int) -> Paging:
    return Paging("Marker", "NextMarker", "Truncated", {"Limit": limit})


_RETIRABLE = "kms:ListRetirableGrants"
_TOKEN = Paging("NextToken", "NextToken")

OPERATIONS: Mapping[str, Operation] = {
    "kms:ListKeys": Operation(("Keys", "Truncated"), _kms(1000)),
    "kms:ListAliases": Operation(("Aliases", "Truncated"), _kms(100)),
    "kms:DescribeKey": Operation(("KeyMetadata",)),
    "kms:GetKeyPolicy": Operation(("Policy",)),
    "kms:ListGrants": Operation(("Grants", "Truncated"), _kms(100)),
    _RETIRABLE: Operation(("Grants", "Truncated"), _kms(100)),
    "kms:ListResourceTags": Operation(("Tags", "Truncated"), _kms(50)),
    "kms:GetKeyLastUsage": Operation(("KeyId", "TrackingStartDate")),
    "iam:GetAccountAuthorizationDetails": Operation(
        ("IsTruncated",), Paging("Marker", "Marker", "IsTruncated", {"MaxItems": 1000})
    ),
    "iam:GetPolicy": Operation(("Policy",)),
    "iam:GetPolicyVersion": Operation(("PolicyVersion",)),
    "iam:ListOpenIDConnectProviders": Operation(("OpenIDConnectProviderList",)),
    "iam:ListSAMLProviders": Operation(("SAMLProviderList",)),
    "account:ListRegions": Operation(("Regions",), Paging("NextToken", "NextToken", None, {"MaxResults": 50})),
    "ec2:DescribeRegions": Operation(("Regions",)),
    "organizations:DescribeOrganization": Operation(("Organization",)),
    "organizations:ListRoots": Operation(("Roots",), _TOKEN),
    "organizations:ListOrganizationalUnitsForParent": Operation(("OrganizationalUnits",), _TOKEN),
    "organizations:ListAccountsForParent": Operation(("Accounts",), _TOKEN),
    "organizations:ListAccounts": Operation(("Accounts",), _TOKEN),
    "organizations:ListPolicies": Operation(("Policies",), _TOKEN),
    "organizations:ListTargetsForPolicy": Operation(("Targets",), _TOKEN),
    "organizations:DescribePolicy": Operation(("Policy",)),
    # INVARIANT: no answer that holds credentials is recorded.
    "sts:AssumeRole": Operation(("Credentials", "AssumedRoleUser"), recorded=False),
    "sts:GetCallerIdentity": Operation(("Account", "Arn"), recorded=False),
}
"""Every operation we call. The ones not `recorded` leave no answer in the snapshot."""


def check_body(headers: Mapping[str, str], body: bytes, *, json_expected: bool) -> None:
    """Reject a body that was cut off, or is not the JSON object it should be, before botocore makes it empty.

    XML needs no check here: botocore's parser refuses what is not well-formed.
    """
    length = headers.get("content-length")
    identity = headers.get("content-encoding", "identity") == "identity"
    if identity and length is not None and length.isdigit() and int(length) != len(body):
        raise RejectedAnswerError(f"the answer was cut off: {len(body)} of {length} bytes")
    if not json_expected:
        return
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RejectedAnswerError(f"the answer is no JSON ({len(body)} bytes)") from error
    if not isinstance(parsed, dict):
        raise RejectedAnswerError("the answer is no JSON object")


def check_members(operation: str, answer: Mapping[str, Any]) -> None:
    """Reject an answer without the members that make it one."""
    for member in OPERATIONS[operation].required:
        if member not in answer:
            raise RejectedAnswerError(f"the answer has no `{member}`")


def next_token(operation: str, answer: Mapping[str, Any], seen: set[str]) -> str | None:
    """The marker of the next page, None on the last; rejects a list that says it goes on and does not say where."""
    paging = OPERATIONS[operation].paging
    if paging is None:
        return None
    token = answer.get(paging.token_out)
    more = bool(token) if paging.truncated is None else answer[paging.truncated]
    if not more:
        if token:
            raise RejectedAnswerError(f"the list ends, but has a `{paging.token_out}`")
        return None
    if not isinstance(token, str) or not token:
        raise RejectedAnswerError(f"the list goes on, but has no `{paging.token_out}`")
    if token in seen:
        raise RejectedAnswerError(f"the list repeats a `{paging.token_out}`")
    return token


def check_owner(
    operation: str, answer: Mapping[str, Any], account_id: str, region: str, params: Mapping[str, Any]
) -> None:
    """Raise MismatchError where an answer speaks of another account or region than the unit's.

    INVARIANT: facts of one account are never written under another, even if credentials or connections were mixed up.
    Only members that must be the unit's own are looked at: a policy or a grant may name strangers, and a list of keys
    that others share with the account holds nothing else; of that one, and of the keys whose grants a principal of the
    account may retire, the region is looked at.
    """
    owners = _OWNED.get(operation)
    for found in owners(answer) if owners else ():
        if is_account_id(found):
            account, its_region = found, region
        else:
            arn = parse_arn(found)
            if arn is None:
                raise MismatchError(f"the answer holds `{found[:200]}`, which is no ARN")
            account, its_region = arn.account_id, arn.region or region
            if "ResourceOwners" in params or (operation, arn.service) == (_RETIRABLE, "kms"):
                account = account_id
        if account != account_id or (operation.startswith("kms:") and its_region != region):
            raise MismatchError(f"the answer holds `{found[:200]}`, asked was account {account_id} in {region}")


def _described(answer: Mapping[str, Any]) -> Iterator[str]:
    metadata = answer["KeyMetadata"]
    yield str(metadata.get("Arn", ""))
    yield str(metadata.get("AWSAccountId", ""))


def _granted(answer: Mapping[str, Any]) -> Iterator[str]:
    # AWS answers the key's ARN here; a bare key id says nothing about the owner.
    return (key for key in (str(grant.get("KeyId", "")) for grant in answer["Grants"]) if key.startswith("arn:"))


def _retirable(answer: Mapping[str, Any]) -> Iterator[str]:
    yield from _granted(answer)
    named = (str(grant.get("RetiringPrincipal", "")) for grant in answer["Grants"])
    yield from (principal for principal in named if principal.startswith("arn:"))


def _used(answer: Mapping[str, Any]) -> Iterator[str]:
    return (key for key in [str(answer["KeyId"])] if key.startswith("arn:"))


def _principals(answer: Mapping[str, Any]) -> Iterator[str]:
    for member in ("UserDetailList", "GroupDetailList", "RoleDetailList"):
        yield from (str(entry.get("Arn", "")) for entry in answer.get(member, ()))
    for entry in answer.get("Policies", ()):
        yield from _managed(entry)


def _managed(policy: Mapping[str, Any]) -> Iterator[str]:
    arn = parse_arn(str(policy.get("Arn", "")))
    if arn is None or arn.account_id != "aws":  # policies that AWS manages belong to `aws`
        yield str(policy.get("Arn", ""))


_OWNED: Mapping[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "kms:ListKeys": lambda answer: (str(key.get("KeyArn", "")) for key in answer["Keys"]),
    "kms:ListAliases": lambda answer: (str(alias.get("AliasArn", "")) for alias in answer["Aliases"]),
    "kms:DescribeKey": _described,
    "kms:ListGrants": _granted,
    _RETIRABLE: _retirable,
    "kms:GetKeyLastUsage": _used,
    "iam:GetAccountAuthorizationDetails": _principals,
    "iam:GetPolicy": lambda answer: _managed(answer["Policy"]),
    "iam:ListOpenIDConnectProviders": lambda a: (str(p.get("Arn", "")) for p in a["OpenIDConnectProviderList"]),
    "iam:ListSAMLProviders": lambda a: (str(p.get("Arn", "")) for p in a["SAMLProviderList"]),
}
