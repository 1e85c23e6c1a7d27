"""Approvals of third parties, as findings and reports show them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval of a third party and whether it covers this finding."""

    ref: str
    expires: str
    covered: bool


@dataclass(frozen=True, slots=True)
class EndingApproval:
    """An approval that ends soon after the evaluation time. `kind` is `account` or `identity_provider`."""

    kind: str
    subject: str
    name: str
    ref: str
    owner: str
    expires: str
