"""Tags of related multi-Region keys: each has its own, and data of one opens with every other (R9.8)."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.keys.severity import SeverityRules
from scanner.model.finding import Finding, Kind

from builders import MEMBER, OWNER, STRANGER, allow, analyzed, iam, key, policy, principal, world
from role_worlds import USING, admits, role

RULES = SeverityRules({"data": ("pii",)})
MRK = "mrk-1234abcd12ab34cd56ef1234567890ab"
APP = principal(iam(MEMBER, "role/App"), policy(allow(None, "kms:*", "sts:AssumeRole")))


def related(region: str, tags: Any, *statements: Any, account: str = OWNER, name: str = MRK) -> Any:
    """A multi-Region key; without statements nobody outside is named."""
    arn = f"arn:aws:kms:{region}:{account}:key/{name}"
    return key(*(statements or (allow(iam(account, "root"), "kms:*"),)), arn=arn, tags=tags)


def severity(*keys: Any, rules: SeverityRules = RULES, kind: Kind = Kind.EXTERNAL_ACCESS, **more: Any) -> Finding:
    """The one finding of a kind."""
    (found,) = analyzed(world(*keys, APP, *more.get("others", ())), severity=rules).of(kind)
    return found


def trail(finding: Finding) -> list[tuple[str, str]]:
    """What the tags did, and why."""
    return [(reason.effect, reason.text) for reason in finding.severity_reasons if reason.rule == "sensitive_tags"]


OPEN = related("us-east-1", {}, allow(APP.arn, "kms:Decrypt"))
RAISED = "the related key in eu-west-1, whose data opens with this one (R9.8), carries data=pii"


def test_sensitive_tag_of_the_primary_raises_the_replica() -> None:
    found = severity(OPEN, related("eu-west-1", {"data": "pii"}))
    assert (found.severity.value, trail(found)) == ("medium", [("+1", RAISED)])


@pytest.mark.parametrize(
    "other",
    [
        related("eu-west-1", {"data": "public"}),
        related("eu-west-1", {"data": "pii"}, account="222233334444"),
        related("eu-west-1", {"data": "pii"}, name="mrk-00000000000000000000000000000000"),
        related("eu-west-1", {"data": "pii"}, name="1234abcd-12ab-34cd-56ef-1234567890ff"),
    ],
)
def test_key_that_is_not_related_or_carries_no_such_tag_raises_nothing(other: Any) -> None:
    found = severity(OPEN, other)
    assert (found.severity.value, trail(found)) == ("low", [])


def test_tags_count_once_however_many_related_keys_carry_them() -> None:
    both = related("us-east-1", {"data": "pii"}, allow(APP.arn, "kms:Decrypt"))
    found = severity(both, related("eu-west-1", {"data": "pii"}), related("eu-west-2", {"data": "pii"}))
    assert (found.severity.value, trail(found)) == ("medium", [("+1", "the key carries data=pii")])
    first = severity(OPEN, related("eu-west-1", {"data": "pii"}), related("eu-west-2", {"data": "pii"}))
    assert trail(first) == [("+1", RAISED)]


def test_tags_of_a_related_key_that_were_not_read_are_said() -> None:
    unread = related("eu-west-1", None)
    found = severity(OPEN, unread)
    assert trail(found) == [("±0", "the tags of the related key in eu-west-1 were not read")]
    neither = severity(related("us-east-1", None, allow(APP.arn, "kms:Decrypt")), unread)
    assert [effect for effect, _ in trail(neither)] == ["±0", "±0"]


def test_tags_that_are_not_sensitive_for_the_user_are_not_looked_at() -> None:
    assert trail(severity(OPEN, related("eu-west-1", {"data": "pii"}), rules=SeverityRules())) == []


def test_path_to_a_replica_ranks_higher_as_well() -> None:
    vendor = role(OWNER, "Vendor", admits(iam(MEMBER, "role/App")), USING)
    replica = related("us-east-1", {})
    plain = severity(replica, kind=Kind.ASSUMED_ROLE_PATH, others=(vendor,))
    primary = related("eu-west-1", {"data": "pii"}, allow(iam(STRANGER, "role/x"), "kms:DescribeKey"))
    raised = severity(replica, primary, kind=Kind.ASSUMED_ROLE_PATH, others=(vendor,))
    assert (plain.severity.value, raised.severity.value) == ("low", "medium")
