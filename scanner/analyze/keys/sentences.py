"""Titles and summaries of findings: one plain sentence each, no id among the first words."""

from __future__ import annotations

from collections.abc import Sequence

from scanner.analyze.keys.judge import ROOT_USER_ONLY
from scanner.analyze.principals.party import OWN_OTHER_ORGANIZATION, SAME_ORGANIZATION
from scanner.analyze.principals.selectors import Selector
from scanner.analyze.request.caller import ANY_SERVICE
from scanner.model.finding import CapabilityResult, FindingVerdict, Grantee, KeyFactsRef

DOES_TO = {
    "control": "take over", "decrypt": "decrypt data with", "sign": "sign with", "delegate": "hand out access to",
    "destroy": "destroy or disable", "encrypt": "encrypt data with", "revoke": "remove grants from",
    "manage": "manage", "verify": "verify signatures with", "metadata": "read metadata of",
    "undocumented": "do something that this version does not know with",
}  # fmt: skip
"""What each capability lets somebody do, to be followed by the keys; the gravest first."""
MAY = {
    FindingVerdict.CONFIRMED: "can", FindingVerdict.CONDITIONAL: "can, under conditions,",
    FindingVerdict.POSSIBLE: "may be able to", FindingVerdict.BLOCKED: "is admitted by the key but blocked today:",
    FindingVerdict.INEFFECTIVE: "is named without effect:",
}  # fmt: skip
_INEFFECTIVE = {
    "action_not_cross_account": "none of the actions works from another account",
    "unsatisfiable_condition": "no request can meet the conditions",
    "principal_deleted": "the user or role was deleted",
    "wrong_partition": "the account is in another partition",
    "key_usage": "the key cannot do any of the actions",
    "nobody_there": "the principal is gone",
    "no_kms_principal": "KMS knows no principal of this form",
    "unsupported_condition_key": "AWS does not say whether its condition key works in a key policy",
}  # fmt: skip
_BLOCKED = {
    "no_identity_policy": "its own account gives it no permission",
    "scp_deny": "a service control policy refuses",
    "rcp_deny": "a resource control policy refuses (service-linked roles are exempt, R3.53)",
    "boundary": "its permissions boundary does not allow it",
    "session": "its session policy does not allow it",
    "explicit_deny": "a statement denies it",
    "key_disabled": "the key is disabled",
    "key_pending_deletion": "the key is about to be deleted",
    "key_pendingreplicadeletion": "the key is about to be deleted, as soon as its replicas are gone",
    "key_pendingimport": "the key waits for its key material",
    "key_creating": "the key is being created",
    "key_updating": "the key is being updated",
    "key_unavailable": "the key store of the key cannot be reached",
    "unsatisfiable_condition": "no request can meet all conditions at once",
    "region_opt_in": "its account has not enabled the Region",
    "not_yet": "the dates in its condition lie ahead",
    "account_suspended": "its account is closed, and works again when it is reopened within 90 days",
}  # fmt: skip
_HYGIENE = {
    "unmanageable_key": ("Nobody is left who can change the key policy of {key}{more}", "none", (
        "Only AWS Support can restore access: open a case as the account's root user, then let the key policy name the "
        "account."
    )),
    "weak_fence": ("Only weak conditions hold everybody in AWS back from {key}", "add_condition", (
        "Add aws:PrincipalOrgID, aws:PrincipalAccount or aws:PrincipalArn to the statement, or name the accounts that "
        "need the key."
    )),
    "unlimited_create_grant": ("An outside account can hand out {key} by grants without limit", "add_condition", (
        "Limit CreateGrant with kms:GrantIsForAWSResource, kms:GranteePrincipal or kms:GrantOperations (without "
        "CreateGrant), then list the grants that exist."
    )),
    "stale_grant": ("Grants on {key} name a user or role that was deleted", "revoke_grant", (
        "Revoke the grants; no access is lost."
    )),
}  # fmt: skip
"""Title, kind of remediation and its text by reason."""


def hygiene_title(reason: str, verdict: FindingVerdict, key: KeyFactsRef, *, in_use: bool) -> str:
    """What is wrong with a key, in words."""
    text = _HYGIENE[reason][0].format(key=key_label(key), more=", and outsiders can use it" if in_use else "")
    return f"Perhaps: {text[0].lower()}{text[1:]}" if verdict is FindingVerdict.POSSIBLE else text


def hygiene_remedy(reason: str) -> tuple[str, str]:
    """The kind of remediation and what to do."""
    return _HYGIENE[reason][1:]


def blocked_in_words(reason: str) -> str:
    """Why a blocked access does not work today."""
    return _BLOCKED.get(reason, reason.replace("_", " "))


def ineffective_in_words(reason: str) -> str:
    """Why a permission has no effect."""
    return _INEFFECTIVE[reason]


def key_label(key: KeyFactsRef) -> str:
    """How people call a key: its first alias, else the start of its id, with account and Region."""
    name = key.aliases[0] if key.aliases else f"key {key.key_id[:13]}…"
    return f"{name} of {key.account_name or key.account_id} in {key.region}"


_OURS = frozenset({SAME_ORGANIZATION, OWN_OTHER_ORGANIZATION})
_OF_SOME = frozenset({FindingVerdict.CONFIRMED, FindingVerdict.CONDITIONAL, FindingVerdict.POSSIBLE})
_OWNER = {
    "unknown_third_party": "unknown",
    "identified_vendor": "a known vendor, not approved",
    "expired_partner": "its approval has ended",
    "partner_exceeds_approval": "beyond its approval",
    "approved_partner": "approved",
    "same_organization": "same organization",
    "own_other_organization": "ours, outside the organization",
}


def who(grantee: Grantee, verdict: FindingVerdict, reasons: Sequence[str] = ()) -> str:
    """The grantee in words: what it is, whose, then its name.

    Of an account or organization of ours the verdict is that of its strongest principals, so no more than some of them
    are claimed, or the root user alone (R3.23). A stranger's account is judged as a whole (R3.30).
    """
    some = grantee.party in _OURS and verdict in _OF_SOME
    anybody = "Principals" if some else "Any principal"
    name = grantee.selector.rsplit(":", 1)[-1]
    owner = _OWNER.get(grantee.party, grantee.party.replace("_", " "))
    unknown = grantee.party == "unknown_third_party"
    called = grantee.account_name or grantee.vendor
    label = f"{called} ({grantee.account_id}, {owner})"
    account = label if called else grantee.account_id if unknown else f"{grantee.account_id} ({owner})"
    match grantee.kind:
        case "any":
            return "Any principal of any AWS account"
        case "organization":
            return f"{anybody} of organization {grantee.selector} ({owner})"
        case "service":
            guard = "for sources of ours" if grantee.party == "service_guarded" else "whoever it acts for"
            if grantee.selector == ANY_SERVICE:
                return f"Any AWS service, {guard},"
            return f"An AWS service, {grantee.selector}, {guard},"
        case "account":
            alone = some and tuple(reasons) == (ROOT_USER_ONLY,)
            person = "The root user" if alone else anybody
            return f"{person} of {'an unknown account' if unknown else 'account'} {account}"
        case "federated" if "#" in grantee.selector:
            return _vouched_for(grantee.selector)
        case "federated" if not grantee.account_id:
            return f"Whoever {grantee.selector} vouches for"
        case "unknown_id":
            return f"A user or role of which only the id is known ({grantee.selector})"
        case "malformed":
            return f"A principal that cannot exist ({grantee.selector})"
        case kind:
            return f"A {kind} of {'an unknown account' if unknown else 'account'} {account}, {name},"


def _vouched_for(selector: str) -> str:
    """Somebody whom an identity provider vouches for: the provider, then the subject."""
    provider, _, subject = selector.partition("#")
    name = provider.split("-provider/", 1)[-1]
    return f"Anybody with an identity of {name}" if subject == "*" else f"An identity of {name} ({subject})"


def title_of(grantee: Grantee, leading: CapabilityResult, key: KeyFactsRef) -> str:
    """Who can do what with which key, as sure as the leading capability and no surer."""
    person = who(grantee, leading.verdict, leading.reasons)
    return f"{person} {MAY[leading.verdict]} {DOES_TO[leading.capability]} {key_label(key)}"


def ineffective_title(grantee: Grantee, reason: str, verdict: FindingVerdict, key: KeyFactsRef) -> str:
    """A permission that is written and does nothing, or perhaps nothing."""
    without = "that may have no effect" if verdict is FindingVerdict.POSSIBLE else "without effect"
    return f"A permission {without} on {key_label(key)}: {_INEFFECTIVE[reason]} ({grantee.selector})"


_WE_MAY = {
    FindingVerdict.CONFIRMED: "can", FindingVerdict.CONDITIONAL: "can, under conditions,",
    FindingVerdict.POSSIBLE: "may be able to", FindingVerdict.BLOCKED: "could, were it not blocked today,",
}  # fmt: skip


def we_may(capability: str, verdict: FindingVerdict) -> str:
    """What principals of ours can do, to be followed by the keys."""
    return f"{_WE_MAY[verdict]} {DOES_TO[capability]}"


def mechanism_in_words(mechanism: str, selector: Selector, count: int) -> str:
    """Through what the access comes."""
    if mechanism == "grant":
        return "A grant names it" if count == 1 else f"{count} grants name it"
    policy = "The key policy" if mechanism == "key_policy" else "The policy of a resource share"
    named = {"any": "names everybody", "account": "names the account", "organization": "names the organization"}
    statements = "one statement" if count == 1 else f"{count} statements"
    return f"{policy} {named.get(selector.kind, 'names it')} in {statements}"
