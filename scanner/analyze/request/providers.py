"""Identity providers in trust policies: what they state about whom they vouch for, and what pins one tenant (R7.11)."""

from __future__ import annotations

import re

from scanner.analyze.logic.expression import Origin, Variable
from scanner.analyze.request.binding import ABSENT, Absent, Open
from scanner.analyze.request.caller import Caller
from scanner.model.arn import parse_arn
from scanner.model.policy import ConditionTest, Statement

ROLES_ANYWHERE = "rolesanywhere.amazonaws.com"
POD_IDENTITY = "pods.eks.amazonaws.com"
SERVICES_FOR_OUTSIDERS = frozenset({ROLES_ANYWHERE, POD_IDENTITY})
"""Services that hand a role to somebody who is no principal of the account (R7.11)."""

ANY_PROVIDER = "any identity provider"
"""Text of the synthetic caller that stands for whichever identity provider."""
WHICHEVER = frozenset({ANY_PROVIDER, "*"})
"""What stands for identity providers of either kind."""

_OIDC, _SAML = "oidc-provider/", "saml-provider/"
_ALWAYS_STATED = frozenset({"sub", "aud"})
_MULTIVALUED = frozenset({"amr"})
_CLAIM = re.compile(r"(?P<issuer>[a-z0-9.-]+\.[a-z]+(?:/[^:]*)?):(?P<claim>[a-z0-9_./-]+)\Z")
_PINNED_BY_APPLICATION = {
    "accounts.google.com": frozenset({"aud", "oaud", "sub", "email"}),
    "cognito-identity.amazonaws.com": frozenset({"aud", "sub"}),
    "www.amazon.com": frozenset({"app_id", "user_id"}),
    "graph.facebook.com": frozenset({"app_id", "id"}),
}
"""Providers that every account can use, and the claims that name one application, pool or person."""

_SHARED = ("token.actions.githubusercontent.com", "gitlab.com", "app.terraform.io", "agent.buildkite.com")
"""Issuers that state the tenant in the subject and vouch for anybody who has an account with them."""

_ONE_CLUSTER = re.compile(r"oidc\.eks\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/id/[A-Za-z0-9]+\Z")
"""Issuer of one EKS cluster: it vouches for the pods of that cluster only."""

_TENANT_CLAIMS = frozenset({"repository", "repository_id", "repository_owner", "repository_owner_id", "namespace_id"})
_WHOLE_TENANT = re.compile(r"[^:*?]+:[^/:*?]+[/:]")
_POSITIVE = frozenset({"StringEquals", "StringEqualsIgnoreCase", "StringLike"})
_NEGATED = frozenset({"StringNotEquals", "StringNotEqualsIgnoreCase", "StringNotLike"})


def is_saml(provider: str) -> bool:
    """Whether the ARN is one of a SAML provider."""
    arn = parse_arn(provider)
    return arn is not None and arn.resource.startswith(_SAML)


def issuer_of(provider: str) -> str:
    """Host and path of an OpenID Connect issuer, as condition keys write it; the text itself for a built-in one."""
    arn = parse_arn(provider)
    return (arn.resource.removeprefix(_OIDC) if arn else provider).lower()


def brings_tags(caller: Caller) -> bool:
    """Whether a caller without account carries tags into the request that assumes a role: certificates do (R7.11)."""
    return caller.is_provider or caller.text == ROLES_ANYWHERE


def claim_binding(caller: Caller, name: str) -> Open | Absent | None:
    """What a request to assume a role by federation carries under a key that a provider states.

    Args:
        name: of the condition key, in lower case.

    Returns:
        Open for a claim of this provider, absent for one of another provider, None for what is no claim.
    """
    if not caller.is_provider:
        return None
    if name.startswith("saml:"):
        stated = is_saml(caller.text) or caller.text in WHICHEVER
        return _stated(name, always=False) if stated else ABSENT
    claim = _CLAIM.match(name)
    if claim is None:
        return None
    many = claim["claim"] in _MULTIVALUED
    if caller.text in WHICHEVER:
        return _stated(name, always=False, many=many)
    if claim["issuer"] != issuer_of(caller.text):
        return ABSENT
    return _stated(name, always=claim["claim"] in _ALWAYS_STATED, many=many)


def _stated(name: str, *, always: bool, many: bool = False) -> Open:
    """Open to the request; which party states it decides how it ranks, so the condition itself steps nothing down."""
    return Open(Variable(name, Origin.REQUEST, multivalued=many, may_be_absent=not always, caller_chosen=True))


# -- who is meant -----------------------------------------------------------------------------------------------------


def subject_of(provider: str, statement: Statement) -> str:
    """The subjects that an Allow statement asks a provider for; `*` where it asks for none."""
    key = "saml:sub" if is_saml(provider) else f"{issuer_of(provider)}:sub"
    for test in statement.conditions:
        if test.key.lower() == key and is_demand(test):
            return ",".join(sorted(test.values))
    return "*"


def is_pinned(provider: str, statement: Statement, denials: tuple[Statement, ...]) -> bool:
    """Whether an Allow statement lets only one tenant, application or person of a provider in.

    Args:
        denials: the Deny statements that concern the provider; one of all other subjects pins as well.
    """
    issuer = issuer_of(provider)
    if _ONE_CLUSTER.match(issuer):
        return True
    demands = [t for t in statement.conditions if is_demand(t)]
    refusals = [s.conditions[0] for s in denials if len(s.conditions) == 1]
    asked = (*demands, *(t for t in refusals if t.operator in _NEGATED and bool(t.values) and not t.qualifier))
    return any(_pins(issuer, test) for test in asked)


def is_demand(test: ConditionTest) -> bool:
    """A positive test that a missing value fails."""
    return test.operator in _POSITIVE and not test.if_exists and test.qualifier != "ForAllValues" and bool(test.values)


def _pins(issuer: str, test: ConditionTest) -> bool:
    key = test.key.lower()
    if not key.startswith(f"{issuer}:"):
        return False
    claim = key.removeprefix(f"{issuer}:")
    wild = test.operator.endswith("Like")
    by_application = _PINNED_BY_APPLICATION.get(issuer)
    if by_application is not None:
        return claim in by_application and all(_starts_written(v, wild=wild) for v in test.values)
    if claim in _TENANT_CLAIMS:
        return all(_names_tenant(f"tenant:{v}", wild=wild) for v in test.values)
    if claim != "sub":
        return False
    fixed = _names_tenant if issuer in _SHARED else _starts_written
    return all(fixed(v, wild=wild) for v in test.values)


def _names_tenant(value: str, *, wild: bool) -> bool:
    """Whether a value spells the tenant out: nothing is open, or `kind:tenant/` stands before the first wildcard."""
    if "${" in value:
        return False
    return _WHOLE_TENANT.match(value) is not None or not (wild and ("*" in value or "?" in value))


def _starts_written(value: str, *, wild: bool) -> bool:
    """Whether a value begins with something that is not open."""
    return bool(value) and "${" not in value and not (wild and value[0] in "*?")
