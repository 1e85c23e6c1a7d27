"""Documents that AWS would have refused are rows of the coverage ledger, each in place of the row that it was read."""

from __future__ import annotations

from typing import Any

import pytest
from scanner.analyze.keys.damaged import with_damaged_documents
from scanner.model.coverage import LedgerRow, Outcome

from builders import KEY, MANAGER, MEMBER, OWNER, ROOT, allow, iam, key, organization, policy, principal, ram, world

KEY_ID = KEY.rsplit("/", 1)[-1]
BROKEN = allow(STRANGER := "999988887777", Effect="Maybe")
ROLE = iam(MEMBER, "role/App")


def gaps(*things: Any, coverage: tuple[LedgerRow, ...] = ()) -> list[tuple[str, str]]:
    """Reference and message of every malformed document."""
    found = with_damaged_documents(world(*things, coverage=coverage)).coverage
    return [(row.ref, row.message) for row in found if row.outcome is Outcome.MALFORMED]


@pytest.mark.parametrize(
    ("things", "ref"),
    [
        ((key(BROKEN),), f"{OWNER}/eu-west-1/kms:GetKeyPolicy/{KEY_ID}"),
        ((key(ram_policy=ram(BROKEN)),), f"{OWNER}/eu-west-1/kms:GetKeyPolicy/{KEY_ID}/AWS_RAM"),
        (
            (key(), principal(ROLE, policy(allow(None, Effect="Maybe")))),
            f"{MEMBER}/global/iam:GetAccountAuthorizationDetails/{ROLE}#inline policy 0",
        ),
        (
            (key(), organization(scps={ROOT: [policy(allow(None, Effect="Maybe"))]})),
            f"{MANAGER}/global/organizations:DescribePolicy/{ROOT}",
        ),
    ],
)
def test_damaged_document_is_a_gap_at_its_own_place(things: tuple[Any, ...], ref: str) -> None:
    ((found, message),) = gaps(*things)
    assert found.split("#")[0] == ref.split("#", maxsplit=1)[0]
    assert message.startswith("statement 0: ")


def test_row_that_a_document_was_read_is_replaced_and_another_gap_kept() -> None:
    read = LedgerRow(OWNER, "eu-west-1", "kms:GetKeyPolicy", KEY_ID, Outcome.OK)
    given = with_damaged_documents(world(key(BROKEN), coverage=(read,)))
    assert [row.outcome for row in given.coverage] == [Outcome.MALFORMED]
    refused = LedgerRow(OWNER, "eu-west-1", "kms:GetKeyPolicy", KEY_ID, Outcome.DENIED)
    assert with_damaged_documents(world(key(BROKEN), coverage=(refused,))).coverage == (refused,)


def test_sound_documents_leave_the_ledger_as_it_is() -> None:
    read = LedgerRow(OWNER, "eu-west-1", "kms:GetKeyPolicy", KEY_ID, Outcome.OK)
    given = world(key(allow(STRANGER)), principal(ROLE, policy(allow())), coverage=(read,))
    assert with_damaged_documents(given) is given


def test_many_problems_are_summed_up() -> None:
    ((_, message),) = gaps(key(*(BROKEN for _ in range(9))))
    assert message.endswith("; and 6 more")
