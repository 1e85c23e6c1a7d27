"""What documents would say in any account, so that those of two accounts can be compared."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache

from scanner.analyze.decision.moments import CLOCK
from scanner.analyze.language.parse import parse_policy
from scanner.analyze.request.caller import Caller
from scanner.analyze.statements.match import may_be_of
from scanner.model.policy import PolicyText


def policies_of(caller: Caller) -> Iterator[PolicyText]:
    """The policies on the caller's side that concern KMS at all, guardrails aside."""
    bound = () if caller.boundary is None else (caller.boundary,)
    yield from filter(concerns_kms, (*caller.identity_policies, *(caller.session_policies or ())))
    yield from bound


@lru_cache(maxsize=65536)
def concerns_kms(policy: PolicyText) -> bool:
    """Whether a statement may cover an action of KMS, as far as the document can be read.

    So counts one that tests a date: the moments at which accesses are looked for come from all documents (R5.26).
    """
    document = parse_policy(policy)
    if document.problems or any(s.damage for s in document.statements):
        return True
    if any(t.key.lower() in CLOCK for s in document.statements for t in s.conditions):
        return True
    return any(may_be_of(s, "kms") for s in document.statements)


@lru_cache(maxsize=65536)
def written_anywhere(policy: PolicyText, account_id: str) -> tuple[str, str]:
    """The document as it would read in any account, as a hash, and its kind; as it is without an account."""
    if not account_id or account_id not in policy.text:
        return policy.sha256, policy.kind.value
    alone = re.compile(rf"(?<![0-9]){account_id}(?![0-9])")
    parts = repr(alone.split(policy.text))  # no text of a document can pass for the place of a number
    return hashlib.sha256(parts.encode()).hexdigest(), policy.kind.value
