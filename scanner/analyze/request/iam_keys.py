"""What requests to IAM, and those that launch something, carry for the condition keys that only they know."""

from __future__ import annotations

from scanner.analyze.logic.expression import Origin, Variable
from scanner.analyze.request.binding import ABSENT, Absent, Known, Open, tag_value
from scanner.analyze.request.request import Request

GIVE_ROLE = "iam:PassRole"
PASSED_TO = "iam:passedtoservice"
_OF_PASSING = {PASSED_TO: "iam:PassedToService", "iam:associatedresourcearn": "iam:AssociatedResourceArn"}
"""Keys that apply to iam:PassRole only (IAM User Guide, reference_policies_iam-condition-keys)."""


def is_about_kms(request: Request) -> bool:
    """Whether a request is one of KMS; other services have their own condition keys and resources."""
    return request.iam_action.lower().startswith("kms:")


def iam_binding(request: Request, name: str) -> Known | Open | Absent | None:
    """The value of a key that begins with `iam:` in a request to IAM; None where this version does not know it."""
    if not request.iam_action.lower().startswith("iam:"):
        return None
    written = _OF_PASSING.get(name)
    if written is None:
        return None
    if request.iam_action != GIVE_ROLE:
        return ABSENT
    return Open(Variable(written, Origin.REQUEST, caller_chosen=True))


def tag_of_target(request: Request, tag_key: str) -> Known | Open | Absent:
    """A tag of the role or user that a request to IAM changes.

    With iam:PassRole the answer is not reliable (IAM User Guide, id_roles_use_passrole), and tags of managed policies
    and of what is launched are not collected.
    """
    target = request.role
    if target is None or not target.complete or request.iam_action == GIVE_ROLE:
        return Open(Variable(f"aws:ResourceTag/{tag_key}", Origin.DATA, reason="target_tags_not_read", ref="R8.9"))
    return tag_value(target.tags, tag_key) or ABSENT
