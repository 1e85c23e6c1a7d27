"""Titles, summaries and remedies of findings about paths through roles."""

from __future__ import annotations

from collections.abc import Sequence

from scanner.analyze.keys.sentences import DOES_TO, MAY, blocked_in_words, who
from scanner.analyze.paths.admission import (
    FEDERATED_OPEN,
    FEDERATED_PINNED,
    NO_EXTERNAL_ID,
    OWN_SAML_PROVIDER,
    SUBJECT_WITHOUT_TENANT,
)
from scanner.analyze.paths.approaches import Arrival
from scanner.analyze.paths.hops import Change, ChangeKind, Step
from scanner.analyze.paths.paths import IN_ANY_ACCOUNT, Claim
from scanner.analyze.principals.party import PUBLIC
from scanner.model.finding import CapabilityResult, FindingVerdict, Grantee, Remediation
from scanner.model.launches import launching_service

_OPEN = frozenset({PUBLIC, FEDERATED_OPEN, FEDERATED_PINNED, OWN_SAML_PROVIDER})


def confirmed_path_reason(arrival: Arrival, party: str) -> str:
    """Why a path without any condition is open."""
    caller = arrival.entry.caller
    if caller.is_service:
        return "service_admitted"
    if party in _OPEN:
        return "trust_open"
    return "both_sides_allow" if caller.collected else "delegated_to_third_party"


def _keys(number: int) -> str:
    return f"{number:,} key{'s' if number != 1 else ''}"


def _roles(claim: Claim) -> str:
    """`role/x of account`, or how many accounts have the role."""
    resource = claim.resource
    if IN_ANY_ACCOUNT in resource.arn:
        number = len(claim.accounts)
        return f"role/{resource.name} of {number:,} account{'s' if number != 1 else ''}"
    return f"role/{resource.name} of {resource.account_name or resource.account_id}"


def path_title(claim: Claim, grantee: Grantee, leading: CapabilityResult, number: int) -> str:
    """Who gets at which keys by which role.

    Args:
        number: of the keys that the leading capability reaches with its verdict.
    """
    person = who(grantee, leading.verdict)
    if not claim.landings:
        return f"{person} may get further through {_roles(claim)} than chains of roles are followed"
    does = DOES_TO[leading.capability]
    may = "could, but not today," if leading.verdict is FindingVerdict.BLOCKED else MAY[leading.verdict]
    return f"{person} {may} {does} {_keys(number)} by assuming {_roles(claim)}"


def path_summary(
    claim: Claim, leading: CapabilityResult, deciding: Arrival | None, max_hops: int, reached: tuple[int, int]
) -> str:
    """The roles assumed one after the other, what the last one can do, and what was not followed.

    Args:
        reached: how many keys the leading capability reaches with its verdict, and how many are reached in all.
    """
    limit = f"chains of more than {max_hops} role{'s' if max_hops != 1 else ''} are not followed"
    if deciding is None:
        return f"The trust policy of {_roles(claim)} admits it, and the roles behind it reach no key; {limit}"
    actions = ", ".join(a.removeprefix("kms:") for a in leading.actions)
    number, total = reached
    others = "" if number == total else f" (of {total:,} reached in all)"
    text = f"It {steps_in_words(deciding.steps)}, and acts as it: {actions} with {_keys(number)}{others}"
    if leading.condition:
        text += f", if {leading.condition}"
    if leading.verdict is FindingVerdict.BLOCKED:
        text += f"; blocked because {blocked_in_words(leading.reasons[0])}"
    return f"{text}; {limit}" if claim.cut else text


def steps_in_words(steps: Sequence[Step]) -> str:
    """What is done one after the other: roles assumed are listed, changes told with the actions that make them."""
    parts: list[str] = []
    assuming = False
    for step in steps:
        who_then = f"{step.role.kind.value}/{step.role.arn.rsplit('/', 1)[-1]} of {step.role.account_id}"
        if step.change is None:
            parts.append(who_then if assuming else f"assumes {who_then}")
        else:
            parts.append(f"{_change_in_words(step, step.change, who_then)} ({step.action})")
        assuming = step.change is None
    return ", then ".join(parts)


def _change_in_words(step: Step, change: Change, who_then: str) -> str:
    match change.kind:
        case ChangeKind.LAUNCH:
            known = launching_service(change.service)
            return f"passes {who_then} to {known.name if known else change.service or 'a service'} and runs as it"
        case ChangeKind.TRUST:
            return f"lets itself into {who_then}"
        case ChangeKind.CREDENTIALS:
            return f"makes credentials of {who_then}"
        case _:
            written = change.form.rewritten and not change.before.rewritten
            lifted = change.form.unbounded and not change.before.unbounded
            what = " and ".join(w for w, holds in (("permissions", written), ("permissions boundary", lifted)) if holds)
            whose = f"changes the {what} of {who_then} and becomes it"
            return f"changes its own {what}" if step.is_of_itself else whose


def path_remedy(claim: Claim, remarks: Sequence[str]) -> Remediation:
    """What to change in the trust policy of the entry role."""
    if SUBJECT_WITHOUT_TENANT in remarks:
        return Remediation(
            "narrow_trust",
            "Test a claim in the trust policy that names the tenant, such as the owner of a repository by its id: "
            "any organization may give its subjects the form that is asked for.",
        )
    if claim.party == FEDERATED_OPEN:
        return Remediation(
            "narrow_trust", "Test the subject in the trust policy: one repository, project or workload by name."
        )
    if claim.party == OWN_SAML_PROVIDER:
        return Remediation("none", "Review who is assigned to the role in the identity provider.")
    if NO_EXTERNAL_ID in remarks:
        return Remediation(
            "narrow_trust",
            "Remove the statement of the trust policy if the access is not wanted; else name the role that needs it "
            "and ask for an sts:ExternalId.",
        )
    texts = {
        "account": "Name the roles that need it in the trust policy instead of their whole account.",
        "any": "Name the accounts or roles that need it in the trust policy instead of everybody.",
        "organization": "Name the accounts or roles that need it in the trust policy instead of an organization.",
    }
    rest = "Remove the statement of the trust policy if the access is not wanted."
    return Remediation("narrow_trust", texts.get(claim.selector.kind, rest))
