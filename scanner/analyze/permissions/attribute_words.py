"""What findings about control of tags and aliases share: id, words, resource, unread rows, remedy."""

from __future__ import annotations

from scanner.analyze.keys.assemble import Assembly
from scanner.analyze.permissions.attribute_rules import TAG, KeySet
from scanner.analyze.request.caller import account_of
from scanner.model.finding import Remediation, ResourceRef

OPENS = "attribute_opens_access"
"""The reason where somebody opens access to itself."""


def parts_of(keys: KeySet) -> tuple[str, str, str]:
    """The parts of an id that name the key set."""
    return keys.account_id, keys.region, f"{keys.attribute.kind} {keys.attribute.name}"


def resource_of(assembly: Assembly, keys: KeySet) -> ResourceRef:
    """The account of the keys, as what the finding is about."""
    name = account_of(assembly.world, keys.account_id).name
    root = f"arn:{next(iter(keys.keys.values())).partition}:iam::{keys.account_id}:root"
    return ResourceRef("account", root, name or keys.account_id, keys.account_id, name)


def hiding_more(assembly: Assembly, keys: KeySet) -> tuple[str, ...]:
    """Ledger rows that hide keys of the set, or identities whose access the attribute may decide as well."""
    unread = assembly.unread
    return (*unread.of_keys(keys.account_id, keys.region), *unread.of_identities())


def whose_keys(assembly: Assembly, keys: KeySet) -> str:
    """Account and Region in words."""
    account = account_of(assembly.world, keys.account_id)
    return f"{account.name or f'account {account.id}'} in {keys.region}"


def attribute_in_words(keys: KeySet) -> str:
    """The tag or the aliases as text."""
    return f"the tag {keys.attribute.name}" if keys.attribute.kind == TAG else f"aliases {keys.attribute.name}"


def attribute_summary(keys: KeySet, number: int) -> str:
    """Whose rules ask for the attribute, and for how many keys that matters."""
    which = "1 key" if number == 1 else f"{number} keys"
    users = "1 principal" if len(keys.users) == 1 else f"{len(keys.users)} principals"
    return (
        f"Identity policies or guardrails of {users} ask for {attribute_in_words(keys)} of keys; judged again with "
        f"another value, access to {which} in {keys.region} changes."
    )


def attribute_remedy(keys: KeySet, *, foreign: bool) -> Remediation:
    """What to change, for the owner of the keys or for those who hang on foreign ones."""
    if foreign:
        return Remediation("add_condition", "Name the keys instead; their owner decides what their attributes are.")
    if keys.attribute.kind == TAG:
        text = "Keep kms:TagResource and kms:UntagResource for this tag (aws:TagKeys) to those who decide access."
    else:
        text = "Keep kms:CreateAlias, kms:UpdateAlias and kms:DeleteAlias for these aliases to those who decide access."
    return Remediation("add_condition", text)
