"""Why a decision is what it is: the first gate that refuses on its own, or what carries the access."""

from __future__ import annotations

from scanner.analyze.decision.evaluation import Evaluation
from scanner.analyze.logic.axioms import axioms_for
from scanner.analyze.logic.expression import FALSE, TRUE, Expression, conj, neg
from scanner.analyze.logic.residual import TooComplexError, is_possible
from scanner.analyze.request.request import Request
from scanner.model.decision import Layer

_EXPLICIT = {
    Layer.IAM: "explicit_deny_iam", Layer.BOUNDARY: "explicit_deny_boundary", Layer.SESSION: "explicit_deny_session",
    Layer.SCP: "scp_deny", Layer.RCP: "rcp_deny", Layer.KEY_POLICY: "explicit_deny_key_policy",
    Layer.RAM: "explicit_deny_key_policy", Layer.TRUST: "explicit_deny_trust",
}  # fmt: skip


def denial_reason(request: Request, evaluation: Evaluation) -> str:
    """Why a request is surely refused: the first gate that refuses on its own, else that the conditions contradict."""
    try:
        return _first_refusal(request, evaluation)
    except TooComplexError:  # the refusal is proven all the same, only no single gate could be named
        return "unsatisfiable_condition"


def _first_refusal(request: Request, evaluation: Evaluation) -> str:
    if not _possible(evaluation.key_side):
        return "no_grant_role" if request.iam_action == "kms:RetireGrant" else "no_key_side"
    for layer in evaluation.layers:
        if not _possible(neg(layer.deny)):
            return _EXPLICIT[layer.layer]
    if not _possible(evaluation.ceiling):
        return "scp_deny"
    if not _possible(evaluation.core):
        for layer in evaluation.layers:
            if layer.layer in {Layer.BOUNDARY, Layer.SESSION} and not _possible(layer.allow):
                identity = next(x for x in evaluation.layers if x.layer is Layer.IAM)
                if _possible(identity.allow):
                    return layer.layer.value
        return "no_identity_policy" if not _possible(evaluation.caller_side) else "unsatisfiable_condition"
    if not _possible(conj((evaluation.core, neg(evaluation.deny)))):
        for layer in evaluation.layers:
            if not _possible(conj((evaluation.core, neg(layer.deny)))):
                return _EXPLICIT[layer.layer]
    return "unsatisfiable_condition"


def _possible(expression: Expression) -> bool:
    return is_possible(expression, axioms_for(expression))


def allow_reason(evaluation: Evaluation) -> str:
    """What carries an access that nothing can refuse."""
    if any(m.applies is TRUE for m in evaluation.grants) or evaluation.retiring:
        policies = [x for x in evaluation.layers if x.layer in {Layer.KEY_POLICY, Layer.RAM}]
        if all(x.allow is FALSE for x in policies) or evaluation.caller_side is FALSE:
            return "grant_held"
    return "both_sides_allow"
