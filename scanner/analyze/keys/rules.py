"""Which rules of the authorization specification a reason rests on, and how sure each rule is."""

from __future__ import annotations

from collections.abc import Iterable

from scanner.model.finding import RuleRef

_RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "both_sides_allow": (("R3.20", "D"), ("R3.21", "D")),
    "grant_held": (("R4.11", "C"), ("R4.14", "D")),
    "root_user_only": (("R3.23", "I"), ("R7.15", "I")),
    "delegated_to_third_party": (("R3.30", "I"), ("R2.22", "D")),
    "service_admitted": (("R2.12", "D"), ("R3.25", "D")),
    "residual_condition": (("R5.60", "I"),),
    "caller_side_not_collected": (("R3.30", "I"), ("R3.74", "I")),
    "guardrail_not_read": (("R3.56", "I"),),
    "policy_not_readable": (("R10.7", "D"),),
    "ram_policy": (("R2.20", "I"),),
    "unsupported_condition_key": (("R6.U", "I"),),
    "no_identity_policy": (("R3.20", "D"), ("R3.22", "D")),
    "own_both_sides_allow": (("R3.10", "D"), ("R3.11", "D")),
    "own_no_identity_policy": (("R3.10", "D"), ("R3.11", "D")),
    "own_boundary": (("R3.12", "D"),),
    "no_key_side": (("R2.1", "D"),),
    "scp_deny": (("R3.40", "D"), ("R3.43", "D")),
    "rcp_deny": (("R3.50", "D"), ("R3.51", "D")),
    "boundary": (("R3.26", "D"),),
    "session": (("R3.27", "D"),),
    "explicit_deny": (("R3.3", "D"),),
    "key_disabled": (("R9.1", "D"),),
    "key_pending_deletion": (("R9.1", "D"), ("R9.2", "D")),
    "not_yet": (("R5.26", "D"),),
    "region_opt_in": (("R9.20", "D"),),
    "action_not_cross_account": (("R1.3", "D"),),
    "unsatisfiable_condition": (("R5.11", "D"),),
    "principal_deleted": (("R2.14", "D"),),
    "wrong_partition": (("R9.21", "D"),),
    "key_usage": (("R1.9", "D"),),
    "nobody_there": (("R3.70", "I"),),
    "account_suspended": (("R6.8", "I"),),
    "no_kms_principal": (("R2.10", "D"), ("R2.11", "D")),
    "unmanageable_key": (("R9.10", "D"),),
    "weak_fence": (("R6.3", "I"), ("R6.7", "I")),
    "unlimited_create_grant": (("R4.28", "I"), ("R8.2", "D")),
    "stale_grant": (("R4.9", "I"),),
    "malformed": (("R10.12", "I"),),
    "owner_side_not_collected": (("R3.24", "D"), ("R8.11", "C"), ("R10.7", "D")),
    "no_foreign_key_seen": (("R3.24", "D"),),
    "attribute_opens_access": (("R6.T", "D"), ("R6.A", "D"), ("R8.5", "D"), ("R8.20", "D")),
    "attribute_decides_access": (("R6.T", "D"), ("R6.A", "D"), ("R8.5", "D"), ("R8.20", "D")),
    "foreign_attribute": (("R6.T", "D"), ("R6.A", "D"), ("R8.6", "I")),
    "trust_open": (("R7.4", "D"), ("R7.11", "D")),
    "trust_not_read": (("R3.74", "I"),),
    "no_external_id": (("R7.6", "D"),),
    "subject_without_tenant": (("R7.11", "D"),),
    "key_can_be_woken": (("R8.10", "D"),),
    "depth_limit": (("R7.7", "D"),),
    "deny_may_remain": (("R8.9", "I"),),
    "login_profile_not_read": (("R8.9", "I"),),
    "launch_not_documented": (("R7.8", "D"), ("R8.9", "I")),
    "launch_needs_more": (("R7.8", "D"), ("R8.9", "I")),
    "launch_resource": (("R7.8", "D"), ("R8.9", "I")),
    "create_grant_escalation": (("R4.19", "D"), ("R4.20", "D"), ("R8.2", "D")),
}


def rules_of(reasons: Iterable[str], cited: Iterable[str]) -> tuple[RuleRef, ...]:
    """The rules behind reasons, then the rules that decisions cite themselves, each once."""
    found = {rule: confidence for reason in reasons for rule, confidence in _RULES.get(reason, ())}
    for rule in cited:
        if rule.startswith("R") and "/" not in rule:
            found.setdefault(rule, "I")
    return tuple(RuleRef(rule, confidence) for rule, confidence in found.items())
