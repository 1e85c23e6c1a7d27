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

_SHARED = {
    "token.actions.githubusercontent.com": frozenset({
        "repo", "repository", "repository_id", "repository_owner", "repository_owner_id", "enterprise", "enterprise_id",
    }),
    "gitlab.com": frozenset({"project_path"}),
    "app.terraform.io": frozenset({"organization"}),
    "agent.buildkite.com": frozenset({"organization"}),
}  # fmt: skip
"""Issuers that vouch for anybody who has an account with them, and the claims of a subject that name the tenant.

The form of a subject is the tenant's choice (GitHub, "Customizing the subject claims"), so anybody may get
`environment:prod` as one. Only what stands first counts: a later part may belong to the value of an earlier one.
`job_workflow_ref` names who wrote a workflow, and a public one may be called by anybody.
"""

_ONE_CLUSTER = re.compile(r"oidc\.eks\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/id/[A-Za-z0-9]+\Z")
"""Issuer of one EKS cluster: it vouches for the pods of that cluster only."""

_TENANT_CLAIMS = frozenset({"repository", "repository_id", "repository_owner", "repository_owner_id", "namespace_id"})
_TENANT_CLAIMS_OF = {
    "token.actions.githubusercontent.com": frozenset({"enterprise_id"}),
    "gitlab.com": frozenset({"project_id"}),
    "agent.buildkite.com": frozenset({"organization_id", "organization_slug", "pipeline_id", "cluster_id"}),
}
"""Claims that name one tenant, as condition keys: at every issuer, and at those that have more."""

_NAMED = re.compile(r"(?P<claim>[^:*?]+):(?P<tenant>[^/:]+)(?:[/:]|\Z)")
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
    """Open to the request, stated by the provider and chosen by nobody who calls."""
    return Open(Variable(name, Origin.REQUEST, multivalued=many, may_be_absent=not always, vouched=True))


# -- who is meant -----------------------------------------------------------------------------------------------------


def subject_of(provider: str, statement: Statement) -> str:
    """The subjects that an Allow statement asks a provider for; `*` where it asks for none."""
    return ",".join(_subjects(provider, statement)) or "*"


def _subjects(provider: str, statement: Statement) -> list[str]:
    key = "saml:sub" if is_saml(provider) else f"{issuer_of(provider)}:sub"
    asked = (t.values for t in statement.conditions if t.key.lower() == key and is_demand(t))
    return sorted(next(asked, ()))


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
    if claim in _TENANT_CLAIMS | _TENANT_CLAIMS_OF.get(issuer, frozenset()):
        return all(_names_tenant(f"{claim}:{v}", wild=wild) for v in test.values)
    if claim != "sub":
        return False
    kinds = _SHARED.get(issuer)
    if kinds is None:
        return all(_starts_written(v, wild=wild) for v in test.values)
    return all(_names_tenant(v, wild=wild, kinds=kinds) for v in test.values)


def asks_for_no_tenant(provider: str, statement: Statement) -> bool:
    """Whether a statement asks a shared issuer for a subject that is written out, and names no tenant first."""
    kinds = _SHARED.get(issuer_of(provider))
    asked = [v for v in _subjects(provider, statement) if _starts_written(v, wild=True)]
    return kinds is not None and any(v.partition(":")[0] not in kinds for v in asked)


def _names_tenant(value: str, *, wild: bool, kinds: frozenset[str] | None = None) -> bool:
    """Whether a value begins with `kind:tenant`, of one of these kinds, and the tenant is written out."""
    named = _NAMED.match(value)
    if named is None or "${" in value or (kinds is not None and named["claim"] not in kinds):
        return False
    return not (wild and ("*" in named["tenant"] or "?" in named["tenant"]))


def _starts_written(value: str, *, wild: bool) -> bool:
    """Whether a value begins with something that is not open."""
    return bool(value) and "${" not in value and not (wild and value[0] in "*?")
