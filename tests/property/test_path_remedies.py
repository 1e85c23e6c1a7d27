"""On random worlds of roles: a verified edit of a trust policy, judged from scratch, ends one finding and no other."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scanner.analyze.edits.textedit import as_cli_prints
from scanner.analyze.edits.whatif import Replacement, overlay
from scanner.analyze.history.sameness import reads_the_same
from scanner.analyze.paths.hops import ASSUME, step
from scanner.analyze.principals.reach import Population
from scanner.model.decision import Verdict
from scanner.model.finding import Finding, Kind
from scanner.model.policy import DocumentKind
from scanner.model.world import World

from builders import MEMBER, ORG, OWNER, STRANGER, allow, analyzed, deny, iam, key, policy, world
from patches import patched
from role_worlds import ASSUMING, USING, admits, role

budget = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
ROLES = tuple(iam(owner, f"role/{name}") for owner in (OWNER, MEMBER) for name in "ABC")
BOTH = policy(allow(None, "sts:AssumeRole", "kms:Decrypt"))
GITHUB = "token.actions.githubusercontent.com"
VENDOR, OTHER = iam(STRANGER, "root"), iam("777788889999", "role/Job")
NAMED = (VENDOR, OTHER, *ROLES[:2], *ROLES[3:5], iam(OWNER, "root"), iam(MEMBER, "root"), "*")
CONDITIONS = (
    None, None, {"StringEquals": {"sts:ExternalId": "one"}}, {"StringEquals": {"aws:PrincipalOrgID": ORG}},
    {"StringEquals": {"aws:PrincipalAccount": [STRANGER, OWNER]}}, {"StringEquals": {"aws:PrincipalAccount": MEMBER}},
)  # fmt: skip


def _providers(provider: str, subject: str) -> dict[str, Any]:
    when = {"StringLike": {f"{GITHUB}:sub": subject}} if subject else None
    return admits({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", when=when)["Statement"][0]


people = st.builds(
    lambda who, when, actions: admits({"AWS": who}, *actions, when=when)["Statement"][0],
    st.lists(st.sampled_from(NAMED), min_size=1, max_size=3, unique=True),
    st.sampled_from(CONDITIONS),
    st.sampled_from((("sts:AssumeRole",), ("sts:AssumeRole",), ("sts:AssumeRole", "sts:TagSession"))),
)
services = st.sampled_from(("lambda.amazonaws.com", "pods.eks.amazonaws.com", "rolesanywhere.amazonaws.com")).map(
    lambda name: admits({"Service": name})["Statement"][0]
)
tokens = st.builds(
    _providers,
    st.sampled_from((iam(OWNER, f"oidc-provider/{GITHUB}"), iam(MEMBER, f"oidc-provider/{GITHUB}"))),
    st.sampled_from(("", "repo:acme/*", "repo:*")),
)
denials = people.map(lambda statement: statement | {"Effect": "Deny"})
trusts = st.builds(
    lambda allows, refusals: policy(*allows, *refusals),
    st.lists(st.one_of(people, people, people, services, tokens), min_size=1, max_size=3),
    st.lists(denials, max_size=1),
)
DOCUMENTS = (
    ASSUMING, USING, BOTH, BOTH, policy(allow(None, "kms:*")), policy(deny(None, "kms:Encrypt")),
    policy(allow(None, "kms:Decrypt", when={"StringEquals": {"aws:PrincipalTag/team": "a"}})),
)  # fmt: skip
documents = st.lists(st.sampled_from(DOCUMENTS), min_size=1, max_size=2)
KEYS = (
    (allow(iam(OWNER, "root"), "kms:*"),),
    (allow(iam(OWNER, "root"), "kms:*"), allow(ROLES[3], "kms:Decrypt")),
    (allow("*", "kms:Decrypt", when={"StringEquals": {"kms:CallerAccount": [OWNER, MEMBER]}}),),
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to five roles of two accounts with rich trust policies, and a key."""
    roles = [
        role(arn.split(":")[4], arn.rsplit("/", 1)[-1], draw(trusts), *draw(documents))
        for arn in draw(st.lists(st.sampled_from(ROLES), min_size=2, max_size=5, unique=True))
    ]
    return world(*roles, key(*draw(st.sampled_from(KEYS))))


def with_edit(before: World, finding: Finding) -> World:
    """The world with the printed patch applied to the trust policy of the entry role."""
    policy_text = next(p for arn, p in before.principals.items() if arn == finding.resource.arn).trust_policy
    assert policy_text is not None
    text = patched(as_cli_prints(policy_text.text), finding.remediation.diff)
    return overlay(before, [Replacement(DocumentKind.TRUST, finding.resource.arn, text, "patched")]).world


def insiders(given_world: World, role_arn: str) -> list[tuple[str, Verdict, str]]:
    """What everybody in the account of a role gets when they assume it."""
    target = next(p for arn, p in given_world.principals.items() if arn == role_arn)
    people = Population(given_world).identities_of(target.account_id, "aws")
    decided = ((c.text, step(given_world, c, target, ASSUME).decision) for c in people)
    return [(text, decision.verdict, decision.condition) for text, decision in decided]


@budget
@given(worlds())
def test_verified_edit_of_a_trust_policy_ends_its_finding_and_nothing_else(before: World) -> None:
    told = {f.id: f for f in analyzed(before, service_principals="all", remedies=True).result.findings}
    for finding in told.values():
        if finding.kind is not Kind.ASSUMED_ROLE_PATH or not finding.remediation.verified:
            continue
        after = with_edit(before, finding)
        left = {f.id: f for f in analyzed(after, service_principals="all").result.findings}
        assert told.keys() - left.keys() == {finding.id}
        assert not left.keys() - told.keys()
        assert all(reads_the_same(told[i], now) for i, now in left.items())
        assert all(told[i].keys == now.keys for i, now in left.items())
        assert insiders(before, finding.resource.arn) == insiders(after, finding.resource.arn)
