"""Which findings each approval covers, as a report lists them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scanner.model.approval import ConfiguredApproval
from scanner.model.finding import Finding


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """An approval, and the findings that fall under it; none where it ended or names nobody who has access."""

    approval: ConfiguredApproval
    findings: tuple[Finding, ...]


def approval_views(approvals: Iterable[ConfiguredApproval], findings: Sequence[Finding]) -> tuple[ApprovalView, ...]:
    """Every approval of the run. A finding is under the one that it carries, which is the judgement's."""
    under: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in findings:
        carried = finding.grantee.approval
        if carried is not None and carried.covered:
            under.setdefault((carried.subject, carried.ref, carried.expires), []).append(finding)
    return tuple(ApprovalView(a, tuple(under.get((a.subject, _ref(a), a.expires), ()))) for a in approvals)


def _ref(approval: ConfiguredApproval) -> str:
    """What a finding calls it: the decision, or the name of a listed identity provider."""
    return approval.ref if approval.kind == "account" else approval.name
