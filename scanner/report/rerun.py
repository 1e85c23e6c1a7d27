"""The command line that asks a run the question of a finding again."""

from __future__ import annotations

import shlex

from scanner.model.finding import Finding, Kind
from scanner.report.picture import first_key

_PRINCIPALS = frozenset({"role", "user", "session", "root_user", "service"})
"""Kinds of selectors that `explain` takes as they stand."""


def rerun_command(finding: Finding, run_id: str) -> str:
    """`kms-scan explain …` where one principal is asked about, else `kms-scan who-can …`; empty without a known key.

    Every word is quoted for a POSIX shell, for names come from AWS. A path through roles asks about its last role: the
    roles before it stand in the list that `who-can` prints.
    """
    key = first_key(finding)
    if key is None:
        return ""
    action = next((action for result in finding.capabilities for action in result.actions), "")
    words = ["--key", key.arn, *(("--action", action) if action else ())]
    principal = _principal(finding)
    if principal:
        return shlex.join(["kms-scan", "explain", run_id, *words, "--principal", principal])
    return shlex.join(["kms-scan", "who-can", run_id, *words])


def _principal(finding: Finding) -> str:
    """What `explain` is asked about; empty where the selector stands for many or for nobody.

    Also where a finding is about what a changed tag would open: `explain` answers for the tags of today.
    """
    if finding.kind is Kind.ATTRIBUTE_CONTROL:
        return ""
    if finding.path.hops:
        return finding.path.hops[-1].role_arn
    grantee = finding.grantee
    if grantee.kind == "account":
        return grantee.account_id
    if grantee.kind == "any":
        return "*"
    return grantee.selector if grantee.kind in _PRINCIPALS else ""
