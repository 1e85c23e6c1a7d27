"""What CreateGrant adds to a permission: operations that its holder can hand out (R4.19, R4.20, R8.2)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from scanner.analyze.principals.selectors import GRANT
from scanner.model.actions import KEY_ACTIONS, is_usable_with
from scanner.model.finding import CapabilityResult, FindingVerdict
from scanner.model.key import Grant, KeyFacts

ESCALATION = "create_grant_escalation"
_EFFECTIVE = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL, FindingVerdict.POSSIBLE})
_SHOWN = 6


def marked(
    results: Sequence[CapabilityResult], *, fenced: bool = False, by_grant: bool = False
) -> tuple[CapabilityResult, ...]:
    """The capabilities with a reason at every CreateGrant that lets its holder give itself more.

    Args:
        fenced: the statements limit what can be granted, or to whom (R4.28).
        by_grant: grants give CreateGrant; that they limit what can be handed on is no fence (R4.20).
    """
    return tuple(
        replace(r, reasons=(*r.reasons, ESCALATION)) if not fenced and _escalates(r, by_grant=by_grant) else r
        for r in results
    )


def delegable(grants: Sequence[Grant]) -> tuple[str, ...]:
    """Operations of the grants that give CreateGrant: no more can be handed on (R4.20)."""
    return tuple(dict.fromkeys(o for g in grants if "CreateGrant" in g.operations for o in g.operations))


def _escalates(result: CapabilityResult, *, by_grant: bool) -> bool:
    """CreateGrant works, and no condition on what is granted remains (R4.23)."""
    limited = not by_grant and "kms:grant" in result.condition.lower()
    return result.capability == "delegate" and result.verdict in _EFFECTIVE and not limited


def escalation_in_words(
    results: Sequence[CapabilityResult], keys: Collection[KeyFacts], mechanism: str, operations: Sequence[str] = ()
) -> str:
    """What a CreateGrant among the capabilities adds, as the end of a sentence; empty where it adds nothing.

    Args:
        keys: whose operations can be granted.
        operations: those of the grants that give CreateGrant: no more than these can be handed on (R4.20).
    """
    if not any(ESCALATION in r.reasons for r in results):
        return ""
    if mechanism == GRANT:
        handed, rule = tuple(o for o in operations if o not in {"CreateGrant", "RetireGrant"}), "R4.20"
    else:
        usable = (
            a for a in KEY_ACTIONS
            if a.grantable and any(is_usable_with(a, k.usage, k.spec) is not False for k in keys)
        )  # fmt: skip
        handed, rule = tuple(a.name for a in usable if a.capability in {"decrypt", "sign", "encrypt"}), "R4.19"
    if not handed:
        return ""
    more = f" and {len(handed) - _SHOWN} more" if len(handed) > _SHOWN else ""
    who = "anybody" if mechanism == GRANT else "itself or anybody"
    return f"; by a grant that it creates it can give {who} {', '.join(handed[:_SHOWN])}{more} ({rule})"
