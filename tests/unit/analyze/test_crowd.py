"""What is judged once for many: which actions, callers and keys share, and whose documents are cited then."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scanner.analyze.decision.action_groups import groups_of
from scanner.model.actions import KEY_ACTIONS
from scanner.model.finding import Finding, Kind

from builders import (
    KEY,
    MEMBER,
    ORG,
    OWNER,
    Line,
    account,
    allow,
    analyzed,
    deny,
    iam,
    key,
    organization,
    policy,
    principal,
)
from builders import world as world_of

APP = iam(MEMBER, "role/App")
ELSEWHERE = "333333333333"
BY_VARIABLE = {"StringLike": {"aws:SourceVpc": "${kms:RecipientAttestation:PCR1}"}}
PLACES = {action.name: number for number, action in enumerate(KEY_ACTIONS)}
ANYBODY = {"StringEquals": {"aws:PrincipalOrgID": ORG}}


def together(*actions: str, documents: Any) -> bool:
    """Whether actions are one group for some documents."""
    texts = [key(document).key_policy if isinstance(document, dict) and "Principal" in document else
             principal(APP, document).identity_policies[0] for document in documents]  # fmt: skip
    groups = groups_of(text for text in texts if text is not None)
    return len({groups[PLACES[action]] for action in actions}) == 1


def test_actions_that_every_document_treats_alike_are_one_group() -> None:
    assert together("Decrypt", "Encrypt", "DescribeKey", "ListGrants", documents=(policy(allow(None, "kms:*")),))


@pytest.mark.parametrize(
    "different",
    [
        policy(allow(None, "kms:Decrypt")),
        policy(allow(None, "*"), deny(None, "kms:Encrypt")),
        deny("*", "kms:Enc*"),
        deny("*", "kms:*", when={"Null": {"kms:RecipientAttestation:ImageSha384": "true"}}),
        deny("*", "kms:*", when=BY_VARIABLE),
    ],
)
def test_actions_that_something_tells_apart_are_not(different: Any) -> None:
    assert not together("Decrypt", "Encrypt", documents=(policy(allow(None, "kms:*")), different))


@pytest.mark.parametrize("action", ["RetireGrant", "Encapsulate", "Decapsulate"])
def test_actions_with_rules_of_their_own_stand_alone(action: str) -> None:
    assert not together("Decrypt", action, documents=(policy(allow(None, "kms:*")),))


# -- accounts ---------------------------------------------------------------------------------------------------------


def two_accounts(statement: Any) -> tuple[list[Line], list[Finding]]:
    """A key open to the organization, and roles of two accounts whose policies read the same for their account."""
    people = [
        principal(iam(a, "role/App"), replaced(policy(statement), MEMBER, a), tags={}) for a in (MEMBER, ELSEWHERE)
    ]  # fmt: skip
    used = [key(allow("*", when=ANYBODY), arn=f"{KEY[:-1]}{n}") for n in (1, 2)]
    own = organization(members=dict.fromkeys((OWNER, MEMBER, ELSEWHERE), ("r-root",)))
    found = analyzed(world_of(*used, *people, own, account(ELSEWHERE)))
    return [r for r in found.access if r.principal_arn.endswith("role/App")], found.of(Kind.FOREIGN_KEY_USE)


def replaced(document: Any, old: str, new: str) -> Any:
    """A document as it reads in another account."""
    return json.loads(json.dumps(document).replace(old, new))


def test_condition_that_names_the_account_is_told_of_each_account() -> None:
    rows, _ = two_accounts(allow(None, when={"StringEquals": {"kms:EncryptionContext:of": MEMBER}}))
    told = {(row.principal_account_id, row.conditions) for row in rows}
    assert told == {(a, f"kms:EncryptionContext:of = {a}") for a in (MEMBER, ELSEWHERE)}


def test_findings_about_our_use_cite_the_policies_of_the_role_itself() -> None:
    _, findings = two_accounts(allow(None, Resource=f"arn:aws:kms:*:{OWNER}:key/*"))
    cited = {
        (f.reach.accounts, e.source_arn) for f in findings for e in f.evidence if e.source_arn.endswith("role/App")
    }
    assert cited == {((a,), iam(a, "role/App")) for a in (MEMBER, ELSEWHERE)}
