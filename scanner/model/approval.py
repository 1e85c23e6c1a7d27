"""Approvals of third parties, as findings and reports show them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval of a third party and whether it covers this finding; `subject` is that of `ConfiguredApproval`."""

    ref: str
    expires: str
    covered: bool
    subject: str = ""


@dataclass(frozen=True, slots=True)
class ConfiguredApproval:
    """What the user approved, whether a finding falls under it or not. `kind` is `account` or `identity_provider`.

    Empty `keys` or `capabilities` stand for all of them; `in_date` says whether it counts at the evaluation time.
    """

    kind: str
    subject: str
    name: str
    ref: str
    owner: str
    purpose: str
    expires: str
    in_date: bool
    keys: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndingApproval:
    """An approval that ends soon after the evaluation time. `kind` is `account` or `identity_provider`."""

    kind: str
    subject: str
    name: str
    ref: str
    owner: str
    expires: str
