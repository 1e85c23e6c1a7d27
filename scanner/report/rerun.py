"""The command lines that put the question of a finding to its run again, or accept it."""

from __future__ import annotations

import shlex

from scanner.model.finding import Finding, KeyFactsRef, Kind
from scanner.report.picture import first_key

_PRINCIPALS = frozenset({"role", "user", "session", "root_user", "service"})
"""Kinds of selectors that `explain` takes as they stand."""
_SHARED_ID = "mrk-"
"""Start of the ids of multi-Region keys, whose replicas have the same one."""


def follow_up(finding: Finding, run_id: str) -> str:
    """The lines that a card ends with, each of which can be pasted into a shell; those that do not apply are left out.

    Every word is quoted for a POSIX shell, for names come from AWS.
    """
    lines = (command(finding, run_id) for command in (rerun_command, accept_command))
    return "\n".join(line for line in lines if line)


def rerun_command(finding: Finding, run_id: str) -> str:
    """`kms-scan explain …` where one principal is asked about, else `kms-scan who-can …`; empty without a known key.

    A path through roles is asked of `who-can`: its list holds the outsider with the roles on the way. `explain` judges
    one request of one principal, and the outsider makes none under its own name.
    """
    key = first_key(finding)
    if key is None:
        return ""
    action = next((action for result in finding.capabilities for action in result.actions), "")
    words = ["--key", _name_of(key), *(("--action", action) if action else ())]
    principal = _principal(finding)
    if principal:
        return shlex.join(["kms-scan", "explain", run_id, *words, "--principal", principal])
    return shlex.join(["kms-scan", "who-can", run_id, *words])


def accept_command(finding: Finding, run_id: str) -> str:
    """`kms-scan suppress …`, which refuses to write before somebody has said why, who answers and until when."""
    if finding.is_suppressed:
        return ""
    said = '--reason "$REASON" --owner "$OWNER" --expires "$EXPIRES" --ticket "$TICKET"'
    return f"{shlex.join(['kms-scan', 'suppress', run_id, finding.id])} {said}"


def _name_of(key: KeyFactsRef) -> str:
    return key.arn if key.key_id.startswith(_SHARED_ID) else key.key_id


def _principal(finding: Finding) -> str:
    """What `explain` is asked about; empty where the selector stands for many or for nobody.

    Also where a finding is about what a changed tag would open, because `explain` answers for the tags of today, and
    where it goes through roles: `explain` answers for the last role alone, and `who-can` for the whole path.
    """
    if finding.kind is Kind.ATTRIBUTE_CONTROL or finding.path.hops:
        return ""
    grantee = finding.grantee
    if grantee.kind == "account":
        return grantee.account_id
    if grantee.kind == "any":
        return "*"
    return grantee.selector if grantee.kind in _PRINCIPALS else ""
