"""Whose choice a condition is: the caller's, its identity provider's or neither's, told alike wherever it is told."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.decision.checks import saw_in_words
from scanner.analyze.paths.hops import BY_SAML, BY_WEB_IDENTITY
from scanner.analyze.request.caller import vouched_for_by
from scanner.analyze.request.providers import claim_binding
from scanner.model.finding import Finding, FindingVerdict, Kind, Severity

from builders import MEMBER, OWNER, STRANGER, allow, analyzed, iam, key, policy, principal, world
from role_worlds import USING, admits, only_path, role

GITHUB = "token.actions.githubusercontent.com"
OIDC = f"arn:aws:iam::{OWNER}:oidc-provider/{GITHUB}"
SAML = f"arn:aws:iam::{OWNER}:saml-provider/Okta"
STRANGERS = iam(STRANGER, "root")
APP = principal(iam(MEMBER, "role/App"), policy(allow(None, "kms:*")), trust=admits({"Service": "ec2.amazonaws.com"}))
TAGGED = principal(
    iam(MEMBER, "role/App"), policy(allow(None, "kms:*")), trust=admits(STRANGERS, "sts:AssumeRole", "sts:TagSession")
)
CONTEXT, VIA = {"kms:EncryptionContext:app": "a"}, {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}


def external(grantee: str, tests: dict[str, str], *things: Any) -> Finding:
    """The external access that a statement of a key gives under a condition."""
    (found,) = analyzed(
        world(key(allow(grantee, "kms:Decrypt", when={"StringEquals": tests})), *things)
    ).of(Kind.EXTERNAL_ACCESS)  # fmt: skip
    return found


def by_provider(provider: str, action: str, tests: dict[str, str], *documents: Any) -> Finding:
    """The path by a role that an identity provider enters under a condition."""
    trust = admits({"Federated": provider}, action, when={"StringEquals": tests})
    return only_path(role(OWNER, "Ci", trust, *(documents or (USING,))))


EXTERNAL: list[tuple[str, dict[str, str], Any, bool]] = [
    (STRANGERS, CONTEXT, None, True),
    (STRANGERS, {"kms:RequestAlias": "alias/x"}, None, True),
    (STRANGERS, {"aws:PrincipalTag/team": "a"}, None, True),
    (STRANGERS, VIA, None, False),
    (STRANGERS, {"aws:SourceVpce": "vpce-1"}, None, False),
    (APP.arn, {"aws:SourceVpce": "vpce-1"}, APP, False),
    (TAGGED.arn, {"aws:PrincipalTag/team": "a"}, TAGGED, False),
]


@pytest.mark.parametrize(("grantee", "tests", "caller", "chosen"), EXTERNAL)
def test_condition_and_capability_say_alike_whether_the_caller_chooses(
    grantee: str, tests: dict[str, str], caller: Any, chosen: bool
) -> None:
    found = external(grantee, tests, *([caller] if caller else []))
    assert found.verdict is FindingVerdict.CONDITIONAL
    assert [c.chosen_by_caller for c in found.conditions] == [chosen]
    assert [c.caller_chosen for c in found.capabilities] == [chosen]


@pytest.mark.parametrize(
    ("provider", "action", "claim"),
    [
        (OIDC, BY_WEB_IDENTITY, f"{GITHUB}:aud"),
        (OIDC, BY_WEB_IDENTITY, f"{GITHUB}:sub"),
        (SAML, BY_SAML, "SAML:aud"),
    ],
)
def test_claim_is_chosen_by_no_caller_and_steps_nothing_down(provider: str, action: str, claim: str) -> None:
    found = by_provider(provider, action, {claim: "sts.amazonaws.com"})
    (decrypt,) = found.capabilities
    assert found.verdict is FindingVerdict.CONDITIONAL
    assert [c.chosen_by_caller for c in found.conditions] == [False]
    assert (decrypt.caller_chosen, decrypt.vouched) == (False, True)
    step = next(r for r in found.severity_reasons if r.rule == "verdict")
    assert (step.effect, step.text) == ("±0", "conditional: the party counts what the identity provider states")


def test_audience_alone_leaves_an_open_provider_critical() -> None:
    assert by_provider(OIDC, BY_WEB_IDENTITY, {f"{GITHUB}:aud": "sts.amazonaws.com"}).severity is Severity.CRITICAL


def test_claim_beside_what_the_caller_chooses_is_up_to_both() -> None:
    documents = policy(allow(None, "kms:Decrypt", when={"StringEquals": CONTEXT}))
    found = by_provider(OIDC, BY_WEB_IDENTITY, {f"{GITHUB}:aud": "sts.amazonaws.com"}, documents)
    assert [(c.caller_chosen, c.vouched) for c in found.capabilities] == [(False, True)]


def test_claim_beside_what_neither_chooses_steps_down() -> None:
    documents = policy(allow(None, "kms:Decrypt", when={"StringEquals": VIA}))
    found = by_provider(OIDC, BY_WEB_IDENTITY, {f"{GITHUB}:aud": "sts.amazonaws.com"}, documents)
    assert [(c.caller_chosen, c.vouched) for c in found.capabilities] == [(False, False)]
    assert found.severity is Severity.HIGH


def test_external_id_is_the_callers_choice_in_condition_and_capability() -> None:
    when = {"StringEquals": {"sts:ExternalId": "one"}}
    found = only_path(role(OWNER, "Vendor", admits(STRANGERS, when=when), USING))
    assert [(c.caller_chosen, c.vouched) for c in found.capabilities] == [(True, False)]
    assert [c.chosen_by_caller for c in found.conditions] == [True]


def test_nothing_is_chosen_where_nothing_must_hold() -> None:
    found = only_path(role(OWNER, "Vendor", admits(STRANGERS), USING))
    assert [(c.condition, c.caller_chosen, c.vouched) for c in found.capabilities] == [("", False, False)]


def test_claim_among_others_is_said_to_be_the_providers() -> None:
    binding = claim_binding(vouched_for_by(OIDC), f"{GITHUB}:aud")
    assert binding is not None
    assert saw_in_words(binding) == "open, the identity provider states it"
