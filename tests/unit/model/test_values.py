"""The small values of the model: ARNs, verdicts that are no truth values, condition keys, grants, ledger rows."""

from __future__ import annotations

import pytest
from scanner.model.arn import is_account_id, key_id_of, parse_arn
from scanner.model.conditions import CONDITION_KEYS, Source, find_condition_key
from scanner.model.coverage import LedgerRow, Outcome
from scanner.model.decision import VERDICT_STRENGTH, Decision, Verdict
from scanner.model.key import GrantConstraints
from scanner.model.policy import DocumentKind

from builders import KEY, key


@pytest.mark.parametrize("verdict", list(Verdict))
def test_verdict_and_decision_are_no_truth_values(verdict: Verdict) -> None:
    with pytest.raises(TypeError, match="no bool"):
        bool(verdict)
    with pytest.raises(TypeError, match="no bool"):
        bool(Decision(verdict, "reason"))


def test_verdicts_are_ordered_as_documented() -> None:
    assert sorted(Verdict, key=VERDICT_STRENGTH.__getitem__) == [
        "denied",
        "unknown",
        "latent",
        "conditional",
        "allowed",
    ]


@pytest.mark.parametrize(
    ("written", "resource"),
    [(KEY, "key/1234abcd-12ab-34cd-56ef-1234567890ab"), ("arn:aws:logs:::log-group:a:b", "log-group:a:b"),
     ("arn:aws:iam::1", None), ("key", None), ("", None), ("nra:aws:iam::1:root", None)],
)  # fmt: skip
def test_arn_is_split_at_its_first_five_colons(written: str, resource: str | None) -> None:
    arn = parse_arn(written)
    assert (arn.resource if arn else None) == resource
    assert arn is None or str(arn) == written


@pytest.mark.parametrize(
    ("written", "valid"),
    [("012345670123", True), ("12345678901", False), ("1234567890123", False), ("12345678901x", False), ("", False),
     ("123456789012\n", False), ("١٢٣٤٥٦٧٨٩٠١٢", False)],
)  # fmt: skip
def test_account_id_has_twelve_digits(written: str, valid: bool) -> None:
    assert is_account_id(written) is valid


def test_key_id_and_family_of_a_multi_region_key() -> None:
    replica = key(arn=KEY.replace("1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234"))
    assert (key_id_of(replica.arn), replica.family, key().family) == ("mrk-1234", "mrk-1234", "")


@pytest.mark.parametrize(
    ("name", "found"),
    [("KMS:viaservice", "kms:ViaService"), ("kms:EncryptionContext:App", "kms:EncryptionContext:*"),
     ("kms:EncryptionContext:", None), ("aws:PrincipalTag/a/b", "aws:PrincipalTag/*"), ("aws:PrincipalTag/", None),
     ("kms:EncryptionContextKeys", "kms:EncryptionContextKeys"), ("kms:Unheard", None)],
)  # fmt: skip
def test_condition_key_is_found_by_name_or_family(name: str, found: str | None) -> None:
    row = find_condition_key(name)
    assert (row.name if row else None) == found


def test_condition_keys_have_the_documented_strength_and_choice() -> None:
    chosen = {
        "kms:EncryptionContext:*", "kms:EncryptionContextKeys", "kms:RequestAlias", "kms:EncryptionAlgorithm",
        "kms:SigningAlgorithm", "kms:MacAlgorithm", "kms:KeyAgreementAlgorithm", "kms:MessageType",
        "kms:DataKeyPairSpec", "kms:WrappingAlgorithm", "kms:WrappingKeySpec", "aws:UserAgent", "aws:referer",
        "aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast", "sts:RoleSessionName", "sts:ExternalId",
    }  # fmt: skip
    assert {row.name for row in CONDITION_KEYS.values() if row.caller_chosen} == chosen
    strong = {"kms:CallerAccount", "aws:PrincipalArn", "aws:PrincipalAccount", "aws:PrincipalOrgID", "aws:SourceArn"}
    assert all(CONDITION_KEYS[name.lower()].strength == 3 for name in strong)
    assert all(row.strength <= 1 for row in CONDITION_KEYS.values() if row.caller_chosen)
    assert CONDITION_KEYS["aws:sourceip"].source is Source.REQUEST


def test_grant_constraints_come_back_as_they_were_and_keep_unknown_names() -> None:
    written = {"EncryptionContextSubset": {"a": "b"}, "SourceArn": "arn:x"}
    assert GrantConstraints.from_api(written).as_api() == written
    assert GrantConstraints.from_api(None) == GrantConstraints()
    assert GrantConstraints.from_api({"EncryptionContextEquals": {}}).as_api() == {"EncryptionContextEquals": {}}
    future = GrantConstraints.from_api({"Moon": "full"})
    assert future.unknown == ("Moon",)
    assert "Moon" in future.as_api()


def test_ledger_row_has_a_stable_reference_and_only_real_gaps_count() -> None:
    row = LedgerRow("1", "eu-west-1", "kms:ListGrants", "key", Outcome.DENIED)
    assert row.ref == "1/eu-west-1/kms:ListGrants/key"
    harmless = {"ok", "empty", "skipped", "not_enabled", "gone"}
    assert {o.value for o in Outcome if not o.is_gap} == harmless


def test_policy_types_have_the_names_of_the_organizations_api() -> None:
    assert DocumentKind.SCP.name_of_type == "SERVICE_CONTROL_POLICY"
    assert DocumentKind.RCP.name_of_type == "RESOURCE_CONTROL_POLICY"
    assert [DocumentKind.RCP.short_name, DocumentKind.BOUNDARY.short_name] == ["RCP", "permissions boundary"]


@pytest.mark.parametrize("pairs", [{"tenant": "payroll"}, {"tenant": ["a", "list"]}, "text", None])
def test_equal_constraints_of_grants_hash_alike_whatever_aws_wrote_there(pairs: object) -> None:
    first, second = (GrantConstraints.from_api({"EncryptionContextSubset": pairs}) for _ in range(2))
    assert first == second
    assert len({first, second}) == 1
