"""Removals of what does nothing: tried on the snapshot, and offered only where no access changes at all."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from scanner.analyze.edits import remedied
from scanner.model.finding import Finding, Kind

import builders
from builders import KEY, MEMBER, OWNER, STRANGER, account, allow, grant, iam, key, policy, principal, ram, world

OWN = allow(iam(OWNER, "root"), "kms:*", Sid="Own")
FOREIGN, OUR, CHINA = iam(STRANGER, "root"), iam(MEMBER, "role/App"), f"arn:aws-cn:iam::{STRANGER}:root"
ADMIN = iam(OWNER, "role/Admin")
KMS = policy(allow(None, "kms:*"))
PEOPLE = (principal(OUR, KMS), principal(ADMIN, KMS))
NEVER = {"StringEquals": {"aws:PrincipalOrgID": "o-own0000001"}}
TRIED = (
    "Tried on the snapshot: the finding goes, no other access to this key changes, "
    "and the key's own account keeps its access."
)
analyzed = partial(builders.analyzed, remedies=True)


def vain(*statements: Any, **facts: Any) -> list[Finding]:
    """What does nothing on a key with these statements."""
    return analyzed(world(key(*statements, **facts), *PEOPLE)).of(Kind.INEFFECTIVE_PERMISSION)


def only(*statements: Any, **facts: Any) -> Finding:
    (found,) = vain(*statements, **facts)
    return found


def test_statement_that_does_nothing_is_removed() -> None:
    remedy = only(OWN, allow(FOREIGN, "kms:PutKeyPolicy", Sid="Vain")).remediation
    assert (remedy.kind, remedy.verified, remedy.effect) == ("remove_statement", True, TRIED)
    assert (remedy.text, remedy.risk_note) == ("Remove statement `Vain`, on which no access depends.", "")
    assert '-      "Sid": "Vain"' in remedy.diff
    assert remedy.cli.startswith(f"(set -eux -- --region eu-west-1 --key-id {KEY.rsplit('/', 1)[-1]} ")


def test_statement_without_a_sid_whose_successor_moves_up_is_removed_all_the_same() -> None:
    first, second = vain(OWN, allow(FOREIGN, "kms:PutKeyPolicy"), allow(FOREIGN, "kms:PutKeyPolicy"))
    assert (first.remediation.verified, second.remediation.verified) == (True, True)


def test_only_the_principal_that_gets_nothing_is_taken_out() -> None:
    remedy = only(OWN, allow({"AWS": [CHINA, OUR, iam(OWNER, "root")]})).remediation
    assert (remedy.kind, remedy.verified, remedy.effect) == ("narrow_principal", True, TRIED)
    assert remedy.text == f"Take `{CHINA}` out of statement 1, which gives them nothing."


def test_all_principals_that_get_nothing_are_taken_out_together() -> None:
    dead = [CHINA, *(f"arn:aws-cn:iam::77778888{n:04}:root" for n in range(3))]
    remedy = only(OWN, allow({"AWS": [*dead, OUR]})).remediation
    assert remedy.verified
    assert remedy.text.endswith(" and 1 more out of statement 1, which gives them nothing.")


def test_principals_in_vain_for_different_reasons_are_taken_out_each_by_itself() -> None:
    first, second = vain(OWN, allow({"AWS": [CHINA, FOREIGN]}, "kms:PutKeyPolicy"))
    assert (first.remediation.kind, second.remediation.kind) == ("narrow_principal", "narrow_principal")
    assert (first.remediation.verified, second.remediation.verified) == (True, True)
    assert first.remediation.text != second.remediation.text


def test_everybody_whom_a_condition_never_lets_through_goes_with_the_statement() -> None:
    fence = {"StringEquals": {"kms:CallerAccount": STRANGER, "aws:PrincipalOrgID": "o-own0000001"}}
    remedy = only(OWN, allow("*", when=fence)).remediation
    assert (remedy.verified, remedy.text) == (True, "Remove statement 1, on which no access depends.")
    spared = allow(when=fence) | {"NotPrincipal": {"AWS": iam(STRANGER, "role/x")}}
    assert only(OWN, spared).remediation.text == "Remove statement 1, on which no access depends."


OURS_AND_FOREIGN = allow("*", "kms:PutKeyPolicy", when={"StringEquals": {"aws:PrincipalAccount": [OWNER, STRANGER]}})
NOT_OFFERED = ("", "No removal was found that surely changes no access.")


def told(*things: Any) -> tuple[str, str]:
    """Patch and effect of the remedy for a statement that does nothing outside, and may do something inside."""
    given = world(key(OWN, OURS_AND_FOREIGN), *PEOPLE, *things)
    (finding,) = analyzed(given).of(Kind.INEFFECTIVE_PERMISSION)
    return finding.remediation.diff, finding.remediation.effect


def test_removal_that_takes_from_the_own_account_is_not_offered() -> None:
    assert told()[1] == TRIED
    assert told(principal(iam(OWNER, "role/Plain"))) == NOT_OFFERED


def test_removal_that_may_take_from_somebody_who_was_not_asked_is_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(account(OWNER, iam_complete=False)) == NOT_OFFERED
    assert told(account(OWNER, collected=False)) == NOT_OFFERED
    monkeypatch.setattr(remedied, "MOST_PEOPLE", 1)
    assert told() == NOT_OFFERED


def test_policy_of_one_statement_keeps_its_advice() -> None:
    remedy = only(allow(FOREIGN, "kms:PutKeyPolicy")).remediation
    assert (remedy.diff, remedy.verified) == ("", False)
    assert remedy.effect.startswith("The policy has no statement beside")


def test_grant_that_does_nothing_is_revoked() -> None:
    given = (grant(CHINA, grant_id="g-vain"), grant(OUR, grant_id="g-used"))
    remedy = only(OWN, grants=given).remediation
    assert (remedy.kind, remedy.verified, remedy.effect, remedy.diff) == ("revoke_grant", True, TRIED, "")
    assert remedy.cli.splitlines() == [
        f"(set -eux -- --region eu-west-1 --key-id {KEY}",
        f'test "$(aws sts get-caller-identity --query Account --output text)" = {KEY.split(":")[4]}',
        'kms-scan what-if "$RUN" --revoke g-vain --fail-on-widened',
        'aws kms revoke-grant "$@" --grant-id g-vain',
        "echo in place)",
    ]


def test_shares_and_what_may_work_keep_their_advice() -> None:
    shared = only(OWN, ram_policy=ram(allow(CHINA)))
    assert (shared.remediation.diff, shared.remediation.effect) == ("", remedied._SHARE)
    doubtful = only(OWN, allow(FOREIGN, when={"StringEquals": {"aws:ResourceTag/a": "b"}}))
    assert (doubtful.remediation.diff, doubtful.remediation.effect) == ("", remedied._UNCLEAR)


def test_key_with_too_much_to_try_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedied, "MOST_WORK", 0)
    assert "would need too many trials" in only(OWN, allow(CHINA)).remediation.effect
