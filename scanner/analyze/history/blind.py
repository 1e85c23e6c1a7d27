"""What of a difference may only be that something was not read, in this run or in the earlier one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scanner.analyze.keys.unread_rows import MOST_CITED
from scanner.analyze.logic.wording import reason_in_words
from scanner.model.difference import GREW, Change
from scanner.model.finding import Finding, FindingVerdict

SHRUNK = frozenset({Change.NARROWED, Change.LOST})

_GUARDRAIL = "guardrail_not_read"
_OF_GAPS = frozenset({
    "caller_side_not_collected", "organization_not_read", "principal_id_not_collected", _GUARDRAIL,
    "policy_not_readable", "grants_not_read", "trust_not_read", "tags_not_read", "aliases_not_read",
    "key_not_described", "region_not_read", "owner_side_not_collected", "grant_issuer_not_read",
})  # fmt: skip
"""Reasons of what is `possible` because something that is read as a rule was not."""
_NOT_UNDERSTOOD = "malformed"
"""Reason of what hangs on a document that AWS would have refused: as good as unread (R10.12)."""

_SEEMS = "something was not read, so it may only seem to be more"
_NOW = "something that decides it was not read or not understood this time"


def nothing(name: str) -> bool:
    """That no key or principal is unread."""
    del name
    return False


@dataclass(frozen=True, slots=True)
class Said:
    """What one side of a comparison says of one access: its verdict and the reason; None where it says nothing."""

    verdict: FindingVerdict
    reason: str

    @property
    def hangs_on_a_gap(self) -> bool:
        """Whether it is possible only because something was not read."""
        return self.verdict is FindingVerdict.POSSIBLE and self.reason in _OF_GAPS


@dataclass(frozen=True, slots=True)
class Blind:
    """How much less one side of a comparison saw.

    `fresh`: the present findings cite gaps that the former ones did not; `lifted`: the other way round. Where findings
    cite as many rows as they may, which others there are is not known, so both hold. `is_unread` tells of a key or
    principal whether it was read this time; `about_unread`: what the present findings are about was not.
    """

    fresh: bool = False
    lifted: bool = False
    about_unread: bool = False
    is_unread: Callable[[str], bool] = nothing

    @classmethod
    def between(
        cls, old: Iterable[Finding], new: Iterable[Finding], is_unread: Callable[[str], bool] = nothing
    ) -> Blind:
        """What two states of one access differ in; nothing where there is only one of them."""
        before, after = list(old), list(new)
        if not before or not after:
            return cls(is_unread=is_unread)
        were, are = ({ref for f in findings for ref in f.coverage_refs} for findings in (before, after))
        full = any(len(f.coverage_refs) >= MOST_CITED for f in (*before, *after))
        fresh, lifted = full or bool(are - were), full or bool(were - are)
        return cls(fresh, lifted, fresh and any(is_unread(name) for f in after for name in _subjects(f)), is_unread)

    def settled(
        self, change: Change, why: str, old: Said | None, new: Said | None, *, named_anew: bool = False
    ) -> tuple[Change, str]:
        """A change of one access, or that it was not rechecked, with the reason.

        What is possible now only because something was not read is no growth. Less is less only where both runs read
        what decides it.

        Args:
            named_anew: the documents of a key name it now and did not before: that is growth whatever guardrails say.
        """
        if change in SHRUNK and (self.fresh or (new is not None and new.reason == _NOT_UNDERSTOOD)):
            return Change.NOT_RECHECKED, _NOW
        if change in SHRUNK and self.lifted and old is not None and old.hangs_on_a_gap:
            return Change.NOT_RECHECKED, f"whether it is less is not known; before, {reason_in_words(old.reason)}"
        if change in GREW and self.fresh and new is not None and self._only_seems(new):
            grew = named_anew and new.reason == _GUARDRAIL
            return (change, why) if grew else (Change.NOT_RECHECKED, f"{_SEEMS}; now, {reason_in_words(new.reason)}")
        return change, why

    def _only_seems(self, new: Said) -> bool:
        """Whether nothing about an access is sure to be usable: it hangs on a gap, or it is refused."""
        unsure = new.verdict is FindingVerdict.POSSIBLE and self.about_unread
        return unsure or new.hangs_on_a_gap or new.verdict is FindingVerdict.BLOCKED


def _subjects(finding: Finding) -> tuple[str, ...]:
    """What a finding is about: its key or role, and the roles on the way."""
    return (finding.resource.arn, *(hop.role_arn for hop in finding.path.hops))
