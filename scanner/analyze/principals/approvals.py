"""What the user has approved: accounts of third parties with scope and end date, and subjects of identity providers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from scanner.analyze.logic.patterns import PatternsTooComplexError, combinations, glob, literal, tokens_of
from scanner.analyze.logic.values import epoch_seconds
from scanner.model.approval import ConfiguredApproval, EndingApproval
from scanner.model.key import KeyFacts

SOON = timedelta(days=30)
"""Approvals that end within this time are listed in every report."""


@dataclass(frozen=True, slots=True)
class ApprovedAccount:
    """An approval of one third party. `expires` is the last day (ISO date) on which it counts.

    Empty `keys` or `capabilities` mean all of them. A selector of keys is `tag:KEY=VALUE` or a glob of key and alias
    ARNs, anchored at both ends.
    """

    id: str
    name: str
    expires: str
    approved_by: str = ""
    purpose: str = ""
    owner: str = ""
    keys: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovedProvider:
    """Subjects of an OIDC issuer (without `https://`) that are the user's; anchored globs, `expires` as above."""

    issuer: str
    subjects: tuple[str, ...]
    expires: str
    owner: str = ""
    name: str = ""

    @property
    def subject(self) -> str:
        """What is approved, in one line."""
        return f"{self.issuer}: {', '.join(self.subjects)}"


@dataclass(frozen=True, slots=True)
class Use:
    """One capability on one key, as an approval covers it or does not. `tags` and `aliases` are None where unread.

    An empty `key_arn` stands for any key: only approvals for every key cover it.
    """

    capability: str
    key_arn: str = ""
    tags: Mapping[str, str] | None = None
    aliases: tuple[str, ...] | None = None

    @classmethod
    def of(cls, key: KeyFacts, capability: str) -> Use:
        """The use of a collected key."""
        return cls(capability, key.arn, key.tags, key.aliases)


def in_date(expires: str, as_of: str) -> bool:
    """Whether an approval still counts at the evaluation time; its last day is wholly inside."""
    return _day(as_of) <= date.fromisoformat(expires)


def _day(as_of: str) -> date:
    return datetime.fromtimestamp(epoch_seconds(as_of), UTC).date()


def beyond(approval: ApprovedAccount, use: Use) -> str:
    """Why the approval does not cover the use, in words; empty where it does. Nothing unread is covered."""
    if approval.capabilities and use.capability not in approval.capabilities:
        return f"the approval covers {', '.join(approval.capabilities)} only"
    if not approval.keys or any(_selects(selector, use) for selector in approval.keys):
        return ""
    unread = not_read_for(approval, use)
    if unread:
        return f"the {' and '.join(unread)} of the key were not read, so the approval cannot be counted"
    return "the approval does not cover this key"


def not_read_for(approval: ApprovedAccount, use: Use) -> tuple[str, ...]:
    """The parts of the key (`tags`, `aliases`) that the approval goes by and that were not read."""
    tags = use.tags is None and any(s.startswith("tag:") for s in approval.keys)
    aliases = use.aliases is None and any(":alias/" in s for s in approval.keys)
    return tuple(part for part, wanted in (("tags", tags), ("aliases", aliases)) if wanted)


def _selects(selector: str, use: Use) -> bool:
    if selector.startswith("tag:"):
        name, _, value = selector.removeprefix("tag:").partition("=")
        return (use.tags or {}).get(name) == value
    prefix = use.key_arn.rsplit(":", 1)[0]
    names = (use.key_arn, *(f"{prefix}:{alias}" for alias in use.aliases or ()))
    pattern = glob(tokens_of(selector))
    return any(name and pattern.matches(name) for name in names)


def listed_provider(
    issuer: str, subject: str, providers: Iterable[ApprovedProvider], as_of: str, *, is_glob: bool = True
) -> ApprovedProvider | None:
    """The approval, in date, that takes in every subject a trust policy lets through; None without a proof of that.

    Args:
        issuer: of the identity provider, as in the last part of its ARN.
        subject: the value that a trust policy tests `ISSUER:sub` for.
        is_glob: False where the operator takes wildcards literally (StringEquals).

    A subject with a policy variable is never listed: whom it names is decided by the request.
    """
    if "${" in subject:
        return None
    written = glob(tokens_of(subject)) if is_glob else literal(tokens_of(subject))
    for provider in providers:
        if provider.issuer.lower() != issuer.removeprefix("https://").rstrip("/").lower():
            continue
        if not in_date(provider.expires, as_of):
            continue
        listed = tuple(glob(tokens_of(pattern)) for pattern in provider.subjects)
        try:
            outside = (True, False) in combinations(((written,), listed))
        except PatternsTooComplexError:
            continue
        if not outside:
            return provider
    return None


def configured_approvals(
    accounts: Iterable[ApprovedAccount], providers: Iterable[ApprovedProvider], as_of: str
) -> tuple[ConfiguredApproval, ...]:
    """Everything that was approved, in date or not, by what is approved and the end."""
    listed = [
        ConfiguredApproval(
            "account", a.id, a.name, a.approved_by, a.owner, a.purpose, a.expires, in_date(a.expires, as_of),
            a.keys, a.capabilities,
        )
        for a in accounts
    ]  # fmt: skip
    listed += [
        ConfiguredApproval(
            "identity_provider", p.subject, p.name, "", p.owner, "", p.expires, in_date(p.expires, as_of)
        )
        for p in providers
    ]  # fmt: skip
    return tuple(sorted(listed, key=lambda a: (a.kind, a.subject, a.expires, a.ref, a.name)))


def ending_approvals(
    accounts: Iterable[ApprovedAccount], providers: Iterable[ApprovedProvider], as_of: str
) -> tuple[EndingApproval, ...]:
    """The approvals that still count and end within `SOON`, the next first."""
    listed = [EndingApproval("account", a.id, a.name, a.approved_by, a.owner, a.expires) for a in accounts]
    listed += [EndingApproval("identity_provider", p.subject, p.name, "", p.owner, p.expires) for p in providers]
    last = (_day(as_of) + SOON).isoformat()
    return tuple(
        sorted(
            (e for e in listed if in_date(e.expires, as_of) and e.expires <= last),
            key=lambda e: (e.expires, e.kind, e.subject),
        )
    )
