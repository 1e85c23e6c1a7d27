"""Which row of the severity table somebody belongs to who enters a role (product contract, 8.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from scanner.analyze.paths.hops import ASSUME, BY_SAML
from scanner.analyze.paths.sources import Admission
from scanner.analyze.principals.approvals import ApprovedProvider, Use, listed_provider
from scanner.analyze.principals.party import (
    APPROVED_PARTNER,
    OWN_OTHER_ORGANIZATION,
    PARTNER_ROLE_WITHOUT_EXTERNAL_ID,
    PUBLIC,
    SAME_ORGANIZATION,
    SERVICE_GUARDED,
    SERVICE_UNGUARDED,
    UNKNOWN_THIRD_PARTY,
    Ours,
    Standing,
    Trust,
    party_of_account,
    standing_of,
)
from scanner.analyze.principals.selectors import NamedStatement, is_fence
from scanner.analyze.request.caller import organization_of
from scanner.analyze.request.providers import (
    POD_IDENTITY,
    WHICHEVER,
    asks_for_no_tenant,
    is_demand,
    is_pinned,
    issuer_of,
)
from scanner.analyze.statements.match import covers_action
from scanner.model.approval import Approval
from scanner.model.arn import parse_arn
from scanner.model.policy import ConditionTest, Effect, Statement
from scanner.model.principal import PrincipalFacts
from scanner.model.world import World

FEDERATED_OPEN = "federated_open"
FEDERATED_PINNED = "federated_pinned"
OWN_SAML_PROVIDER = "own_saml_provider"

NO_EXTERNAL_ID = "no_external_id"
SUBJECT_WITHOUT_TENANT = "subject_without_tenant"
_THIRD_PARTIES = frozenset({PUBLIC, UNKNOWN_THIRD_PARTY})


def party_of_admission(admission: Admission, role: PrincipalFacts, world: World, trust: Trust) -> str:
    """The party of whom a trust policy admits, as seen from the role's account."""
    selector = admission.selector
    if admission.provider:
        return _party_of_provider(admission, role, world, trust)
    match selector.kind:
        case "service":
            return _party_of_service(admission, Ours(role.account_id, world, trust))
        case "any":
            return PUBLIC
        case "organization":
            own = organization_of(world, role.account_id)
            if own is not None and own.id == selector.text:
                return SAME_ORGANIZATION
            return OWN_OTHER_ORGANIZATION if selector.text in trust.organizations else UNKNOWN_THIRD_PARTY
        case "unknown_id" if not selector.account_id:
            return SAME_ORGANIZATION if organization_of(world, role.account_id) else OWN_OTHER_ORGANIZATION
        case _:
            return party_of_account(selector.account_id, role.account_id, world, trust)


def standing_on_path(
    admissions: Sequence[Admission], party: str, use: Use, owner: str, world: World, trust: Trust
) -> Standing:
    """Where somebody who enters by roles stands towards a key, for one capability: with approvals and names.

    Args:
        admissions: how they enter, each a statement of a trust policy; not empty.
        party: whose they are, before approvals.
        owner: account of the key.
    """
    account_id = admissions[0].selector.account_id
    if party == UNKNOWN_THIRD_PARTY and account_id:
        standing = standing_of(account_id, owner, use, world, trust)
        open_door = any(NO_EXTERNAL_ID in remarks_on(a, party) for a in admissions)
        if standing.party == APPROVED_PARTNER and open_door:
            note = f"{standing.note}; the trust policy asks for no sts:ExternalId"
            return replace(standing, party=PARTNER_ROLE_WITHOUT_EXTERNAL_ID, note=note)
        return standing
    if party == FEDERATED_PINNED:
        approvals = [_listed(admission, trust, world.as_of) for admission in admissions]
        if all(approvals):
            first = min((a for a in approvals if a), key=lambda a: a.expires)
            approval = Approval(first.name, first.expires, covered=True, subject=first.subject)
            return Standing(APPROVED_PARTNER, first.name, approval, f"listed until {first.expires}")
    return Standing(party)


def _listed(admission: Admission, trust: Trust, as_of: str) -> ApprovedProvider | None:
    """The listed identity provider that takes in every subject the statements let through; the first to end counts."""
    issuer = issuer_of(admission.provider)
    found: list[ApprovedProvider] = []
    for named in admission.statements:
        tests = (t for t in named.statement.conditions if is_demand(t) and t.key.lower() == f"{issuer}:sub")
        subjects = [t for t in tests if t.operator != "StringEqualsIgnoreCase"]  # listed subjects are in one spelling
        values = [(v, t.operator == "StringLike") for t in subjects[:1] for v in t.values]
        listed = [listed_provider(issuer, v, trust.providers, as_of, is_glob=wild) for v, wild in values]
        if not listed or None in listed:
            return None
        found.extend(p for p in listed if p)
    return min(found, key=lambda p: p.expires)


def _party_of_provider(admission: Admission, role: PrincipalFacts, world: World, trust: Trust) -> str:
    if admission.provider in WHICHEVER:
        return FEDERATED_OPEN
    if admission.action == BY_SAML:
        arn = parse_arn(admission.provider)
        owner = arn.account_id if arn else ""
        own = owner == role.account_id
        return OWN_SAML_PROVIDER if own else party_of_account(owner, role.account_id, world, trust)
    pinned = all(is_pinned(admission.provider, n.statement, _refusing(n, admission)) for n in admission.statements)
    return FEDERATED_PINNED if pinned else FEDERATED_OPEN


def _refusing(named: NamedStatement, admission: Admission) -> tuple[Statement, ...]:
    """The Deny statements of the same policy that concern the provider when it enters."""
    return tuple(
        s for s in named.document.statements
        if s.effect is Effect.DENY and covers_action(s, admission.action)
        and any(e.type == "*" or e.value == admission.provider for e in s.principals or ())
    )  # fmt: skip


def _party_of_service(admission: Admission, ours: Ours) -> str:
    """Pods get the roles that their own account associates; certificates are limited by the trust anchor (R7.11).

    An anchor counts if it is ours: a condition that names one of a stranger, or of any account, guards nothing (R2.12).
    What a certificate says of itself guards nothing alone: every anchor may vouch for the same subject.
    """
    limited = all(any(map(ours.limits, n.statement.conditions)) for n in admission.statements)
    return SERVICE_GUARDED if limited or admission.selector.text == POD_IDENTITY else SERVICE_UNGUARDED


def remarks_on(admission: Admission, party: str) -> tuple[str, ...]:
    """Reason codes that belong beside the verdict.

    A third party is admitted without an external id (R7.6), or a provider that vouches for anybody is asked for a
    subject that anybody may have (R7.11).
    """
    if party == FEDERATED_OPEN:
        vague = any(asks_for_no_tenant(admission.provider, n.statement) for n in admission.statements)
        return (SUBJECT_WITHOUT_TENANT,) if vague else ()
    if admission.action != ASSUME or party not in _THIRD_PARTIES or not admission.statements:
        return ()
    asked = all(
        any(_asks_for_external_id(t) for t in n.statement.conditions) for n in admission.statements
    )  # fmt: skip
    return () if asked else (NO_EXTERNAL_ID,)


def _asks_for_external_id(test: ConditionTest) -> bool:
    """Whether a test demands an external id of which something is written out: any other id passes a bare wildcard."""
    wild = test.operator.endswith("Like")
    spelled = all(v.strip("*?") if wild else v for v in test.values)
    return test.key.lower() == "sts:externalid" and is_fence(test) and spelled
