"""With which keys each capability of a path holds, and whose statements give it."""

from __future__ import annotations

from scanner.analyze.paths.path_capabilities import KEYS_NAMED
from scanner.model.finding import CapabilityResult, Finding, FindingVerdict, Kind

from builders import KEY, OWNER, STRANGER, allow, deny, grant, iam, key, policy
from role_worlds import DELEGATING, USING, admits, followed, only_path, role

VENDOR = iam(STRANGER, "root")
SECOND_KEY, THIRD_KEY = KEY[:-1] + "c", KEY[:-1] + "d"
SECOND = key(allow(iam(OWNER, "root"), "kms:*"), arn=SECOND_KEY)
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
DELEGATION = "key policy default"


def capability(finding: Finding, name: str, *, condition: str = "") -> CapabilityResult:
    """The one result of a capability under a condition."""
    (found,) = (c for c in finding.capabilities if c.capability == name and c.condition == condition)
    return found


def cited(result: CapabilityResult) -> list[tuple[str, int]]:
    """Documents and indexes of the statements that give a capability."""
    return [(ref.document, ref.index) for ref in result.statements]


def test_capability_says_with_which_keys_it_holds() -> None:
    one_key = allow(None, "kms:Encrypt")
    one_key["Resource"] = SECOND_KEY
    both = policy(allow(None, "kms:Decrypt"), one_key)
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), both), DELEGATING, SECOND)
    decrypt, encrypt = capability(found, "decrypt"), capability(found, "encrypt")
    assert decrypt.keys is not None
    assert encrypt.keys is not None
    assert (decrypt.keys.total, decrypt.keys.sample, decrypt.keys.otherwise) == (2, (KEY, SECOND_KEY), 0)
    assert (encrypt.keys.total, encrypt.keys.sample, encrypt.keys.otherwise) == (1, (SECOND_KEY,), 0)


def test_keys_with_which_it_holds_less_surely_or_under_another_condition_are_counted_apart() -> None:
    fenced = key(allow(iam(OWNER, "root"), "kms:*", when=VIA_S3), arn=SECOND_KEY)
    asleep = key(allow(iam(OWNER, "root"), "kms:*"), arn=THIRD_KEY, state="Disabled")
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), USING), DELEGATING, fenced, asleep)
    decrypt = capability(found, "decrypt")
    assert decrypt.verdict is FindingVerdict.CONFIRMED
    assert decrypt.keys is not None
    assert (decrypt.keys.total, decrypt.keys.sample, decrypt.keys.otherwise) == (1, (KEY,), 2)


def test_keys_named_per_capability_are_bounded_and_all_are_counted() -> None:
    arns = [f"{KEY[:-2]}{number:02d}" for number in range(KEYS_NAMED + 3)]
    keys = [key(allow(iam(OWNER, "root"), "kms:*"), arn=arn) for arn in arns]
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), USING), *keys)
    decrypt = capability(found, "decrypt")
    assert decrypt.keys is not None
    assert (decrypt.keys.total, list(decrypt.keys.sample)) == (len(arns), arns[:KEYS_NAMED])


def test_each_capability_cites_the_statements_of_the_last_role_and_the_delegation_of_the_key() -> None:
    statements = policy(allow(None, "kms:Decrypt"), allow(None, "kms:Encrypt"), allow(None, "kms:DescribeKey"))
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), statements))
    for index, name in enumerate(("decrypt", "encrypt", "metadata")):
        assert cited(capability(found, name)) == [("inline policy 0", index), (DELEGATION, 0)]
    first = capability(found, "decrypt").statements[0]
    assert (first.source, first.effect, first.line_from > 0) == (iam(OWNER, "role/Vendor"), "Allow", True)


def test_actions_of_one_capability_given_by_several_statements_cite_them_all() -> None:
    statements = policy(allow(None, "kms:Decrypt"), allow(None, "kms:ReEncryptFrom"))
    decrypt = capability(only_path(role(OWNER, "Vendor", admits(VENDOR), statements)), "decrypt")
    assert decrypt.actions == ("kms:Decrypt", "kms:ReEncryptFrom")
    assert cited(decrypt) == [("inline policy 0", 0), (DELEGATION, 0), ("inline policy 0", 1)]


def test_statement_is_read_of_the_last_role_of_a_chain() -> None:
    last = role(OWNER, "Last", admits(iam(OWNER, "role/Entry")), USING)
    assuming = policy(allow(None, "kms:Encrypt"), allow(None, "sts:AssumeRole"))
    found = only_path(role(OWNER, "Entry", admits(VENDOR), assuming), last)
    decrypt, encrypt = capability(found, "decrypt"), capability(found, "encrypt")
    assert decrypt.statements[0].source == last.arn
    assert encrypt.statements[0].source == iam(OWNER, "role/Entry")


def test_grant_that_gives_a_capability_is_cited() -> None:
    granted = key(allow(iam(OWNER, "root"), "kms:*"), grants=(grant(iam(OWNER, "role/Vendor")),))
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), policy(allow(None, "kms:DescribeKey"))), granted)
    decrypt = capability(found, "decrypt")
    assert [ref.grant_id for ref in decrypt.statements if ref.grant_id] == [granted.grants[0].grant_id]


def test_key_policy_that_names_the_role_itself_gives_it_alone() -> None:
    named = key(allow(iam(OWNER, "role/Vendor"), "kms:Decrypt"))
    decrypt = capability(only_path(role(OWNER, "Vendor", admits(VENDOR)), named), "decrypt")
    assert cited(decrypt) == [(DELEGATION, 0)]


def test_statements_that_deny_are_no_evidence_of_what_is_given() -> None:
    fence = deny(None, "kms:Decrypt", when={"StringNotEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}})
    found = only_path(role(OWNER, "Vendor", admits(VENDOR), policy(allow(None, "kms:Decrypt"), fence)))
    (decrypt,) = found.capabilities
    assert cited(decrypt) == [("inline policy 0", 0), (DELEGATION, 0)]


def test_path_that_ends_in_the_depth_limit_names_no_keys() -> None:
    last = role(OWNER, "Last", admits(iam(OWNER, "role/Mid")), USING)
    mid = role(OWNER, "Mid", admits(iam(OWNER, "role/Entry")), policy(allow(None, "sts:AssumeRole")))
    entry = role(OWNER, "Entry", admits(VENDOR), policy(allow(None, "sts:AssumeRole")))
    found = only_path(entry, mid, last, max_role_hops=1)
    assert [(c.keys, c.statements) for c in found.capabilities] == [(None, ())]


def test_every_key_of_a_path_has_a_row_of_access_under_its_id() -> None:
    arns = [f"{KEY[:-2]}{number:02d}" for number in range(25)]
    keys = [key(allow(iam(OWNER, "root"), "kms:*"), arn=arn) for arn in arns]
    result = followed(role(OWNER, "Vendor", admits(VENDOR), USING), *keys)
    (found,) = result.of(Kind.ASSUMED_ROLE_PATH)
    assert (found.keys_total, len(found.keys)) == (25, 20)
    assert {row.key_arn for row in result.access if row.finding_id == found.id} == set(arns)
