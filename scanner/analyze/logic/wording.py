"""Conditions in short plain English and as JSON values."""

from __future__ import annotations

from datetime import UTC, datetime

from scanner.analyze.logic.expression import (
    And,
    Const,
    Expression,
    Literal,
    NumberSet,
    Or,
    Predicate,
    StringSet,
    Test,
    ValueType,
    Variable,
)
from scanner.analyze.logic.patterns import ONE_IN_PART, STAR_IN_PART, Pattern, text_of

_IN_PART = frozenset({STAR_IN_PART, ONE_IN_PART})
MAX_VALUES = 6
"""Longer lists of values are cut in the English text, and say so; the JSON form has all of them."""


def in_words(expression: Expression) -> str:
    """The expression as one readable condition; empty for true, `never` for false."""
    match expression:
        case Const(value):
            return "" if value else "never"
        case Literal():
            return _literal_in_words(expression)
        case And(parts):
            return " and ".join(f"({in_words(p)})" if isinstance(p, Or) else in_words(p) for p in parts)
        case _:
            return " or ".join(f"({in_words(p)})" if isinstance(p, And) else in_words(p) for p in expression.parts)


def _literal_in_words(literal: Literal) -> str:
    test, positive = literal.test, literal.positive
    variable, predicate = test.variable, test.predicate
    name = variable.name
    if predicate is None:
        if variable.type is ValueType.FLAG:
            return name if positive else f"not ({name})"
        return f"{name} is present" if positive else f"{name} is absent"
    many, inverted = variable.multivalued, test.inverted
    if not many and inverted:
        # "present and outside" and its negation
        relation = _relation(variable, predicate, inside=not positive)
        return f"{name} {relation}" if positive else f"{name} is absent or {relation}"
    if not many:
        if positive:
            return f"{name} {_relation(variable, predicate, inside=True)}"
        absent = " or absent" if variable.may_be_absent else ""
        return f"{name} {_relation(variable, predicate, inside=False)}{absent}"
    if positive:
        return f"some value of {name} {_relation(variable, predicate, inside=not inverted)}"
    return f"every value of {name} {_relation(variable, predicate, inside=inverted)}"


def _relation(variable: Variable, predicate: Predicate, *, inside: bool) -> str:
    is_date = variable.type is ValueType.DATE
    match predicate:
        case StringSet(patterns):
            texts = tuple(p.text for p in patterns)
            exact = all(_is_exact(p) for p in patterns)
            if len(texts) == 1:
                sign = ("=" if inside else "is not") if exact else ("matches" if inside else "does not match")
                return f"{sign} {texts[0] or '(empty)'}"
            verb = (
                ("is one of" if inside else "is none of")
                if exact
                else ("matches one of" if inside else "matches none of")
            )
            return f"{verb} {_listed(texts)}"
        case NumberSet(operator, numbers, texts):
            sign = {"==": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}[operator]
            shown = tuple((_date_text(n, t) if is_date else t) for n, t in zip(numbers, texts, strict=True))
            verb = f"{sign} {_listed(shown)}"
            return verb if inside else f"is not {verb}"
        case _:
            return f"{'is in' if inside else 'is outside of'} {_listed(tuple(str(n) for n in predicate.networks))}"


def _is_exact(pattern: Pattern) -> bool:
    return all(isinstance(token, str) for token in pattern.tokens)


def _date_text(number: float, text: str) -> str:
    try:
        return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return text


def _listed(texts: tuple[str, ...]) -> str:
    shown = ", ".join(texts[:MAX_VALUES])
    return shown if len(texts) <= MAX_VALUES else f"{shown} and {len(texts) - MAX_VALUES} more"


def as_json(expression: Expression) -> object:
    """The expression as nested JSON values: `true`, `false`, `{all: […]}`, `{any: […]}` or one test."""
    match expression:
        case Const(value):
            return value
        case And(parts):
            return {"all": [as_json(p) for p in parts]}
        case Or(parts):
            return {"any": [as_json(p) for p in parts]}
        case _:
            return _literal_as_json(expression.test, positive=expression.positive)


def _literal_as_json(test: Test, *, positive: bool) -> dict[str, object]:
    out: dict[str, object] = {"key": test.variable.name, "holds": positive}
    if test.predicate is None:
        out["test"] = "present"
    else:
        out["test"], out["values"] = _predicate_as_json(test.predicate)
    if test.variable.multivalued:
        out["of"] = "some value outside" if test.inverted else "some value"
    elif test.inverted:
        out["of"] = "a value outside"
    return out


def _predicate_as_json(predicate: Predicate) -> tuple[str, list[str]]:
    match predicate:
        case StringSet(patterns):
            if any(p.never or _IN_PART & set(p.tokens) for p in patterns):
                return "matches_arn", [_with_signs(p) for p in patterns]
            exact = all(_is_exact(p) for p in patterns)
            case = "_ignoring_case" if any(p.ignore_case for p in patterns) else ""
            return f"{'equals' if exact else 'matches'}{case}", [p.text if exact else _with_signs(p) for p in patterns]
        case NumberSet(operator, _, texts):
            return operator, list(texts)
        case _:
            return "in_network", [str(n) for n in predicate.networks]


def _with_signs(pattern: Pattern) -> str:
    """The pattern with `${*}` and `${?}` for signs that are no wildcards, as policies write them (R5.34)."""
    return "".join(f"${{{t}}}" if t in {"*", "?"} else text_of((t,)) for t in pattern.tokens)


_REASONS = {
    "both_sides_allow": "the key's side and the caller's side both allow it",
    "own_both_sides_allow": "the key policy allows it, by itself or together with the caller's identity policies",
    "own_no_identity_policy": "the key policy leaves it to identity policies, and the caller's do not allow it",
    "own_boundary": "the caller's permissions boundary does not allow it",
    "service_admitted": "the key policy admits the service",
    "grant_held": "a grant gives it",
    "delegated_to_third_party": "the key hands the decision to the caller's account",
    "not_yet": "a date opens it later",
    "key_disabled": "the key is disabled",
    "key_pending_deletion": "the key is about to be deleted",
    "residual_condition": "some requests are allowed and others refused",
    "partition": "caller and key are in different AWS partitions",
    "not_cross_account": "the action has no effect on a key of another account, whatever policies say",
    "aws_managed_key": "AWS managed keys cannot be used from another account",
    "key_usage": "a key of this usage and spec cannot do the action",
    "addressing": "the action does not take an alias",
    "no_key_side": "neither the key policy nor a grant nor a resource share lets the caller do it",
    "no_grant_role": "no grant names the caller for retiring it",
    "no_identity_policy": "the caller's own identity policies do not allow it",
    "boundary": "the caller's permissions boundary does not allow it",
    "session": "the caller's session policy does not allow it",
    "scp_deny": "a service control policy of the caller's account refuses it",
    "rcp_deny": "a resource control policy of the key's account refuses it",
    "explicit_deny_iam": "an identity policy of the caller denies it",
    "explicit_deny_boundary": "the caller's permissions boundary denies it",
    "explicit_deny_session": "the caller's session policy denies it",
    "explicit_deny_trust": "the role's trust policy denies it",
    "explicit_deny_key_policy": "the key policy denies it",
    "unsatisfiable_condition": "no request can meet all conditions at once",
    "key_state": "everything allows it, and the key's present state stops it",
    "account_suspended": "the caller's account is closed, and works again when it is reopened within 90 days",
    "region_opt_in": "everything allows it, and the caller's account has not enabled the key's Region",
    "too_complex": "the conditions are too complex to decide within the bounds",
    "caller_side_not_collected": "the caller's side was not read",
    "organization_not_read": "the caller's organization was not read",
    "principal_id_not_collected": "the caller's unique id was not read",
    "guardrail_not_read": "service or resource control policies were not read",
    "policy_not_readable": "a policy of the key was not read",
    "grants_not_read": "the key's grants were not read",
    "root_user": "a root user cannot assume a role",
    "federated_user": "a federated user cannot assume a role",
    "trust_not_read": "the role's trust policy was not read",
    "tags_not_read": "the key's tags were not read",
    "aliases_not_read": "the key's aliases were not read",
    "key_not_described": "the key's properties were not read",
    "region_not_read": "whether the caller's account has enabled the key's Region was not read",
    "changes_iam": "changes to IAM or a passed role make it so",
    "deny_may_remain": "its permissions can be rewritten, but a Deny among them may stay in the way",
    "login_profile_not_read": "whether the user has a password was not read",
    "launch_not_documented": "the role may be passed to a service of which no action is known that runs something",
    "launch_needs_more": "what it would run needs an instance profile or a cluster, which were not read",
    "launch_resource": "what may be launched is limited to resources that were not read",
    "target_tags_not_read": "tags of the role, user or policy were not read, or AWS does not rely on them here",
    "unknown_action": "this version does not know the action",
    "unknown_condition_key": "this version does not know a condition key",
    "unsupported_condition_key": "AWS does not say whether a condition key works where it stands",
    "set_operator_missing": "AWS does not say how a key with several values is tested without a set operator",
    "undocumented": "AWS does not document what happens here",
    "ram_policy": "it hangs on a resource share",
    "malformed": "a policy is damaged",
    "ambiguous_tag": "two tags differ in case only",
    "grantee_not_resolvable": "a grantee cannot be resolved",
    "grant_issuer_not_read": "who issued a grant was not read",
}  # fmt: skip


def reason_in_words(reason: str) -> str:
    """The reason of a decision as half a sentence; a code without words of its own is spelled with spaces."""
    return _REASONS.get(reason, reason.replace("_", " "))
