"""Two residuals compared by meaning: which admits more, and when that is not said."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.logic import implication
from scanner.analyze.logic.implication import Relation, compare_conditions
from scanner.analyze.logic.residual import TooComplexError

from builders import KEY, MEMBER, STRANGER, allow, analyzed, iam, key, policy, principal, world


def told(test: str, *values: str, name: str = "kms:ViaService", holds: bool = True, **more: str) -> dict[str, Any]:
    """One test as findings hold it."""
    return {"key": name, "holds": holds, "test": test, "values": list(values), **more}


S3, EC2 = "s3.eu-west-1.amazonaws.com", "ec2.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("old", "new", "relation"),
    [
        (None, None, Relation.SAME),
        (True, None, Relation.SAME),
        (None, told("equals", S3), Relation.STRONGER),
        (told("equals", S3), None, Relation.WEAKER),
        (False, told("equals", S3), Relation.WEAKER),
        (told("equals", S3), told("equals", S3, EC2), Relation.WEAKER),
        (told("equals", S3, EC2), told("equals", EC2, S3), Relation.SAME),
        (told("equals", S3), told("matches", "s3.*.amazonaws.com"), Relation.WEAKER),
        (told("equals", S3), told("equals", EC2), Relation.OTHER),
        (told("equals", S3), told("equals_ignoring_case", S3.upper()), Relation.WEAKER),
        (told("matches_ignoring_case", "S3.*"), told("matches", "s3.*"), Relation.STRONGER),
        (told("equals", S3), told("present"), Relation.WEAKER),
        ({"all": [told("equals", S3), told("present", name="aws:SourceVpc")]}, told("equals", S3), Relation.WEAKER),
        (told("equals", S3), {"any": [told("equals", EC2), told("equals", S3)]}, Relation.WEAKER),
        (told("equals", S3, holds=False), told("equals", S3), Relation.OTHER),
        (
            told("in_network", "10.0.0.0/8", name="aws:SourceIp"),
            told("in_network", "10.1.0.0/16", name="aws:SourceIp"),
            Relation.STRONGER,
        ),
        (
            told("<", "3600", name="aws:MultiFactorAuthAge"),
            told("<", "60", name="aws:MultiFactorAuthAge"),
            Relation.STRONGER,
        ),
        (
            told("<", "2026-01-01T00:00:00Z", name="aws:TokenIssueTime"),
            told("<", "2027-01-01T00:00:00Z", name="aws:TokenIssueTime"),
            Relation.WEAKER,
        ),
        (
            told("matches_arn", "arn:aws:s3:::b*", name="aws:SourceArn"),
            told("matches_arn", "arn:aws:s3:::*", name="aws:SourceArn"),
            Relation.WEAKER,
        ),
        (
            told("matches_arn", "arn:aws:*:eu-west-1:1:x", name="aws:SourceArn"),
            told("matches", "arn:aws:*:eu-west-1:1:x", name="aws:SourceArn"),
            Relation.WEAKER,
        ),
        (told("matches", "a${*}*"), told("matches", "a**"), Relation.WEAKER),
        (
            told("equals", "a", name="kms:EncryptionContextKeys", of="some value"),
            told("equals", "a", "b", name="kms:EncryptionContextKeys", of="some value"),
            Relation.WEAKER,
        ),
        (
            told("equals", "a", name="kms:EncryptionContextKeys", of="some value outside", holds=False),
            told("equals", "a", "b", name="kms:EncryptionContextKeys", of="some value outside", holds=False),
            Relation.WEAKER,
        ),
        (told("equals", "true", name="aws:MultiFactorAuthPresent"), told("present", name="x:y"), Relation.OTHER),
        (told("equals", S3), told("sounds like", S3), Relation.UNDECIDED),
        (told("equals", S3), {"key": "kms:ViaService"}, Relation.UNDECIDED),
        (told("equals", S3), "s3 only", Relation.UNDECIDED),
        (told("equals", S3), told("in_network", "here", name="aws:SourceIp"), Relation.UNDECIDED),
        (told("equals", S3), {**told("equals"), "values": S3}, Relation.UNDECIDED),
    ],
)  # fmt: skip
def test_two_conditions_are_compared_by_the_requests_they_admit(old, new, relation) -> None:
    assert compare_conditions(old, new) is relation


def test_conditions_too_complex_to_compare_are_undecided(monkeypatch) -> None:
    def give_up(*_: object) -> bool:
        raise TooComplexError

    monkeypatch.setattr(implication, "is_possible", give_up)
    assert compare_conditions(told("equals", S3), told("equals", EC2)) is Relation.UNDECIDED


def test_arn_pattern_and_glob_of_one_text_are_told_apart() -> None:
    """ArnLike keeps a wildcard inside its part, StringLike does not (R5.23)."""

    def residual(operator: str) -> object:
        when = {operator: {"aws:SourceArn": f"arn:aws:*:eu-west-1:{MEMBER}:x"}}
        given = world(
            key(allow({"Service": "sns.amazonaws.com"}, when=when)),
        )
        return analyzed(given, service_principals="all").external.capabilities[0].residual

    assert compare_conditions(residual("ArnLike"), residual("StringLike")) is Relation.WEAKER
    assert compare_conditions(residual("StringLike"), residual("ArnLike")) is Relation.STRONGER


def test_residual_of_a_finding_is_read_back_as_it_was_written() -> None:
    when = {
        "StringLike": {"kms:ViaService": "s3.*"},
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
        "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["a", "b"]},
    }
    reader = iam(STRANGER, "root")
    finding = analyzed(world(key(allow(reader, when=when)), principal(iam(MEMBER, "role/a"), policy()))).external
    residual = finding.capabilities[0].residual
    assert finding.resource.arn == KEY
    assert implication._is_met(implication._expression(residual), implication._expression(None)) is False
    assert compare_conditions(residual, {"all": [residual]}) is Relation.SAME
