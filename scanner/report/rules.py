"""What each rule means that findings rest on, in a line: the method lists those that a report cites."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from scanner.model.finding import Finding

MEANINGS: Final = {
    "R1.3": "from another account only cryptographic operations, grants and DescribeKey work",
    "R1.9": "what a key can do hangs on its usage, whoever is allowed",
    "R2.1": "without an Allow of its key policy, or a grant, nobody has access to a key",
    "R2.10": "groups and canonical user ids are no principals for KMS",
    "R2.11": "an identity provider is a principal in trust policies of roles only",
    "R2.12": "a service named as principal is let in, for whoever asks it where no condition says for whom",
    "R2.14": "a deleted user or role stays in a policy as its unique id, which no new one has",
    "R2.20": "a RAM share adds a policy to the key; what it allows is not documented in full",
    "R2.22": "who names a foreign account leaves it to that account whom it lets in, now and later",
    "R3.3": "an explicit Deny of any policy that applies ends the matter",
    "R3.10": "in its own account, a caller that the key policy names needs no identity policy",
    "R3.11": "in its own account, a key policy that names the account needs an identity policy as well",
    "R3.12": "a permissions boundary limits a role that is named by its ARN",
    "R3.20": "across accounts both sides must allow: the caller's account and the key's",
    "R3.21": "on the key's side every form counts that matches the caller",
    "R3.22": "to be named by a foreign key policy does not replace an identity policy",
    "R3.23": "the root user of a named account passes without an identity policy, where it has credentials",
    "R3.24": "the caller's own policy must cover the ARN of the foreign key",
    "R3.25": "an AWS service needs the key's side only; resource control policies bind it",
    "R3.26": "across accounts a permissions boundary that does not allow always blocks",
    "R3.27": "session policies narrow a session, and cannot be read: the widest is assumed",
    "R3.30": "an account that was not read can allow itself what the key's side lets through",
    "R3.40": "a service control policy of the caller's account limits its principals everywhere",
    "R3.43": "a service control policy must allow at every level of the organization; a Deny is final",
    "R3.50": "resource control policies apply to KMS and STS, and only deny",
    "R3.51": "resource control policies bind every caller of keys in member accounts",
    "R3.56": "control policies that were not read are unknown, not absent",
    "R3.70": "whose principal does not exist any more has nobody to call",
    "R3.74": "no policy found means no policy only where the whole list was read",
    "R4.9": "a grant goes to one principal; it is dead when that was deleted",
    "R4.11": "a grant to a foreign principal is taken as usable without an identity policy",
    "R4.14": "conditions of key policy Allows do not limit a grant; Denies do",
    "R4.16": "whether a boundary or session policy limits a grant is not documented",
    "R4.19": "whoever a policy allows CreateGrant can grant anybody any operation, within its conditions",
    "R4.20": "whoever a grant gives CreateGrant can pass on what that grant holds",
    "R4.28": "CreateGrant from outside is as grave as what limits it is weak",
    "R5.11": "a negated condition holds where its key is missing from the request",
    "R5.26": "a condition on the date is decided as of the run",
    "R5.60": "a condition that hangs on the request leaves access conditional",
    "R6.3": "`*` is public unless a condition pins who calls",
    "R6.7": "`*` with kms:ViaService alone lets any account in through that service",
    "R6.8": "an account that is closed can be reopened, and moves without a change of policy",
    "R6.A": "kms:ResourceAliases hangs on aliases, which others can change",
    "R6.T": "aws:ResourceTag hangs on tags, which others can change",
    "R6.U": "aws:ResourceTag and kms:ResourceAliases are not supported in key policies",
    "R7.1": "to assume a role of another account, its trust policy and the caller's side must allow",
    "R7.4": "a role trusts only whom its trust policy names; `*` is every AWS account",
    "R7.6": "an ExternalId guards against a confused deputy and is no secret; a third party without is a finding",
    "R7.7": "a session may assume further roles, each judged anew",
    "R7.8": "a session has what the role's policies allow, within its boundary and control policies",
    "R7.10": "an outsider in a role of the key's account acts as an insider",
    "R7.11": "an identity provider lets in whom its conditions do not keep out",
    "R7.15": "what only the root user passes holds where it has credentials",
    "R8.2": "CreateGrant leads to everything that a grant can give",
    "R8.5": "who may tag a key may open what hangs on its tags",
    "R8.6": "attributes that another account sets decide access to our keys",
    "R8.9": "who may change IAM, or pass a role, gets what it can be changed to",
    "R8.10": "who may enable a key, or cancel its deletion, wakes it",
    "R8.11": "data that a role of ours encrypts with an outsider's key is the outsider's to give back",
    "R8.20": "rights on tags and aliases are control where access hangs on them",
    "R9.1": "the state of a key decides which operations work",
    "R9.2": "a key that is pending deletion is destroyed when its time is up",
    "R9.10": "a key whose policy nobody may change is left to AWS Support",
    "R9.20": "in a Region to opt in to, a foreign account must have enabled it",
    "R9.21": "partitions of AWS are apart: none lets in principals of another",
    "R10.7": "a key policy can refuse the audit role; such a key is unknown, never clean",
    "R10.12": "a document that could not be understood is unknown, never an absent Allow",
}


def rules_cited(findings: Iterable[Finding]) -> tuple[tuple[str, str], ...]:
    """The rules that findings rest on and that have a meaning here, in their order."""
    cited = {ref.rule for finding in findings for ref in finding.rules}
    return tuple((rule, words) for rule, words in MEANINGS.items() if rule in cited)
